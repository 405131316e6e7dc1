//! The server: its threads, its listener and its limits.

mod access;
mod answer;
mod connections;
mod console;
mod events;
mod idempotency;
mod lists;
mod members;
mod objects;
mod problem;
mod service;
mod sessions;
#[cfg(test)]
mod tests;
mod tls;

use access::Access;
use connections::Connections;
pub(crate) use members::MAX_TEXT;
use rustix::process::{getpriority_process, setpriority_process};
use service::Service;
pub(crate) use sessions::COOKIE_NAME;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tls::Tls;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;
use vtl::Site;
use vtl::config::HttpSetup;

/// Threads that read requests and send responses.
const WORKER_THREADS: usize = 2;
/// Threads that execute requests; further requests wait.
const EXECUTING_THREADS: usize = 32;
/// Niceness of all threads of the server, in addition to that of the daemon. With much more, a console shows nothing live while all
/// processors are busy with a tape.
const PRIORITY: i32 = 10;
/// Connections that wait to be accepted.
const BACKLOG: i32 = 1024;
/// Interval at which the files of the certificate are checked for a change.
const CERTIFICATE_POLL_INTERVAL: Duration = Duration::from_secs(10);
/// Time for running requests to end when the server is closed.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);

/// The times that a slow client has.
#[derive(Clone, Copy, Debug)]
struct Timeouts {
    /// For the TLS handshake, for the header of a request, and between two requests of a connection.
    header: Duration,
    /// For the body of a request.
    body: Duration,
    /// To read some bytes of a response.
    write: Duration,
}

const TIMEOUTS: Timeouts =
    Timeouts { header: Duration::from_secs(15), body: Duration::from_secs(10), write: Duration::from_secs(10) };

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
    /// The address does not resolve, the system cannot listen on it, it is open to the network without TLS and the setup
    /// does not allow that, or the files of the certificate cannot be used.
    pub fn open(site: &Arc<Site>, setup: &HttpSetup) -> io::Result<Option<Self>> {
        Self::open_with(site, setup, TIMEOUTS)
    }

    fn open_with(site: &Arc<Site>, setup: &HttpSetup, timeouts: Timeouts) -> io::Result<Option<Self>> {
        let Some(listen) = &setup.listen else { return Ok(None) };
        let listener = bind(listen)?;
        let address = listener.local_addr()?;
        if !address.ip().is_loopback() && setup.tls.is_none() && !setup.insecure {
            let message = format!(
                "{listen} is open to the network without TLS; set http.certificate and http.key, or http.insecure = true"
            );
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        let tls = setup.tls.as_ref().map(Tls::open).transpose()?.map(Arc::new);
        let runtime = Builder::new_multi_thread()
            .thread_name("http")
            .worker_threads(WORKER_THREADS)
            .max_blocking_threads(EXECUTING_THREADS)
            .enable_io()
            .enable_time()
            .on_thread_start(lower_priority())
            .build()?;
        let (stop, stopped) = watch::channel(false);
        let access = Access::new(Arc::clone(site), setup, address.ip());
        let router = Service::new(Arc::clone(site), access, timeouts.body)?.into_router();
        let listener = {
            let _context = runtime.enter();
            tokio::net::TcpListener::from_std(listener)?
        };
        let connections = Connections::default();
        if let Some(tls) = tls.clone() {
            runtime.spawn(refresh(tls));
        }
        let scheme = if tls.is_some() { "https" } else { "http" };
        runtime.spawn(connections.clone().accept(listener, router, tls, timeouts, stopped));
        let url = format!("{scheme}://{address}");
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

/// Looks for a renewed certificate from time to time.
async fn refresh(tls: Arc<Tls>) {
    loop {
        tokio::time::sleep(CERTIFICATE_POLL_INTERVAL).await;
        let tls = Arc::clone(&tls);
        let _ = tokio::task::spawn_blocking(move || tls.refresh()).await;
    }
}

fn bind(listen: &str) -> io::Result<std::net::TcpListener> {
    let address = listen.to_socket_addrs()?.next();
    let address = address.ok_or_else(|| io::Error::other(format!("{listen} does not resolve to an address")))?;
    let socket = socket2::Socket::new(socket2::Domain::for_address(address), socket2::Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Gives the threads of the server a lower priority than those of drives and hosts, so that requests do not slow down a tape
/// that streams. What a request lets the site spawn has the priority of the site.
fn lower_priority() -> impl Fn() + Send + Sync + 'static {
    // Linux has a priority for each thread: this is that of the calling thread.
    let priority = getpriority_process(None).unwrap_or(0).saturating_add(PRIORITY);
    move || {
        if let Err(error) = setpriority_process(None, priority) {
            tracing::debug!(%error, "the HTTP server has the priority of the drives");
        }
    }
}
