//! The server: its threads, its listener and its limits.

mod answer;
mod connections;
mod events;
mod idempotency;
mod lists;
mod members;
mod objects;
mod problem;
mod service;
#[cfg(test)]
mod tests;

use connections::Connections;
pub(crate) use members::MAX_TEXT;
use service::Service;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;
use vtl::Site;
use vtl::config::HttpSetup;

/// Threads that read requests and send responses.
const WORKER_THREADS: usize = 2;
/// Threads that execute requests; further requests wait.
const EXECUTING_THREADS: usize = 32;
/// Time for running requests to end when the server is closed.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);

/// A listening HTTP API. It serves its site until it is dropped. Drop it after the site is shut down, so that subscribers
/// receive all events.
#[derive(Debug)]
pub struct HttpServer {
    address: SocketAddr,
    url: String,
    site: Weak<Site>,
    stop: watch::Sender<bool>,
    connections: Connections,
    /// `None` only while it is dropped.
    runtime: Option<Runtime>,
}

impl HttpServer {
    /// Serves a site on the address `setup.listen`; port 0 selects a free port. `None` if the setup has no address.
    ///
    /// # Errors
    /// The address does not resolve, is not a loopback address, or the system cannot listen on it.
    pub fn open(site: &Arc<Site>, setup: &HttpSetup) -> io::Result<Option<Self>> {
        let Some(listen) = &setup.listen else { return Ok(None) };
        let listener = bind(listen)?;
        let address = listener.local_addr()?;
        if !address.ip().is_loopback() {
            let message = format!("{listen} is not a loopback address; expected an address such as 127.0.0.1:8080");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        let runtime = Builder::new_multi_thread()
            .thread_name("http")
            .worker_threads(WORKER_THREADS)
            .max_blocking_threads(EXECUTING_THREADS)
            .enable_io()
            .enable_time()
            .build()?;
        let (stop, stopped) = watch::channel(false);
        let router = Service::new(Arc::clone(site))?.into_router();
        let listener = {
            let _context = runtime.enter();
            tokio::net::TcpListener::from_std(listener)?
        };
        let connections = Connections::default();
        runtime.spawn(connections.clone().accept(listener, router, stopped));
        let url = format!("http://{address}");
        site.add_http_url(&url);
        Ok(Some(Self { address, url, site: Arc::downgrade(site), stop, connections, runtime: Some(runtime) }))
    }

    /// The address and port that the server listens on.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL of the server, such as `http://127.0.0.1:8080`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        if let Some(site) = self.site.upgrade() {
            site.remove_http_url(&self.url);
        }
        let _ = self.stop.send(true);
        if let Some(runtime) = self.runtime.take() {
            // Running requests get their responses, and subscribers the last events.
            let _ = runtime.block_on(async { tokio::time::timeout(SHUTDOWN_TIMEOUT, self.connections.ended()).await });
            runtime.shutdown_timeout(SHUTDOWN_TIMEOUT);
        }
    }
}

fn bind(listen: &str) -> io::Result<std::net::TcpListener> {
    let address = listen.to_socket_addrs()?.next();
    let address = address.ok_or_else(|| io::Error::other(format!("{listen} does not resolve to an address")))?;
    let socket = socket2::Socket::new(socket2::Domain::for_address(address), socket2::Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(128)?;
    Ok(socket.into())
}
