//! Accepts connections within the limits of the server.

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::collections::BTreeMap;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio::time::Sleep;
use tower::ServiceExt;

/// Connections at one time.
const MAX_CONNECTIONS: usize = 256;
/// Time for the header of a request, and between two requests of a connection.
const HEADER_TIMEOUT: Duration = Duration::from_secs(15);
/// Time for a client to read some bytes of a response.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// Maximum length of the header of a request in bytes.
const MAX_HEADER_LEN: usize = 32 << 10;
/// Delay before the next attempt after a connection could not be accepted.
const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(100);

/// Interval at which the end of all connections is checked.
const END_POLL_INTERVAL: Duration = Duration::from_millis(10);

/// The other side of a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer {
    pub(super) address: SocketAddr,
}

/// A connection, as the table of connections sees it.
#[derive(Debug, Default)]
struct Connection {
    /// Requests that are being executed.
    running: usize,
    /// Serial number of the last begin or end of a request.
    serial: u64,
    close: Arc<Notify>,
}

#[derive(Debug, Default)]
struct Table {
    connections: BTreeMap<u64, Connection>,
    last: u64,
}

/// The connections of a server.
#[derive(Clone, Debug, Default)]
pub(super) struct Connections(Arc<Mutex<Table>>);

/// The slot of one connection; dropping it frees the slot.
#[derive(Debug)]
struct Slot {
    connections: Connections,
    number: u64,
    close: Arc<Notify>,
}

/// A request that is being executed on a connection.
struct Running<'a>(&'a Slot);

impl Connections {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Admits a connection. At the limit, the connection without a request that has been idle longest is closed; `None` if
    /// there is none.
    fn admit(&self) -> Option<Slot> {
        let mut table = self.table();
        if table.connections.len() >= MAX_CONNECTIONS {
            let idle = table.connections.iter().filter(|(_, connection)| connection.running == 0);
            let number = *idle.min_by_key(|(_, connection)| connection.serial)?.0;
            table.connections.remove(&number)?.close.notify_one();
        }
        table.last += 1;
        let (number, close) = (table.last, Arc::new(Notify::new()));
        let connection = Connection { running: 0, serial: number, close: Arc::clone(&close) };
        table.connections.insert(number, connection);
        Some(Slot { connections: self.clone(), number, close })
    }

    /// Waits until all connections have ended.
    pub(super) async fn ended(&self) {
        while !self.table().connections.is_empty() {
            tokio::time::sleep(END_POLL_INTERVAL).await;
        }
    }

    /// Accepts connections until the server is stopped.
    pub(super) async fn accept(self, listener: TcpListener, router: Router, mut stopped: watch::Receiver<bool>) {
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                _ = stopped.changed() => return,
            };
            match accepted {
                Ok((stream, peer)) => {
                    if let Some(slot) = self.admit() {
                        tokio::spawn(serve(stream, Peer { address: peer }, router.clone(), slot, stopped.clone()));
                    }
                }
                Err(error) => {
                    tracing::debug!(%error, "cannot accept an HTTP connection");
                    tokio::time::sleep(ACCEPT_RETRY_DELAY).await;
                }
            }
        }
    }
}

impl Slot {
    fn change(&self, change: impl FnOnce(&mut usize)) {
        let mut table = self.connections.table();
        table.last += 1;
        let serial = table.last;
        if let Some(connection) = table.connections.get_mut(&self.number) {
            change(&mut connection.running);
            connection.serial = serial;
        }
    }

    fn begin(&self) -> Running<'_> {
        self.change(|running| *running += 1);
        Running(self)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.connections.table().connections.remove(&self.number);
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.change(|running| *running -= 1);
    }
}

/// Serves a connection until its end, the stop of the server, or until it is displaced by another one.
async fn serve(stream: TcpStream, peer: Peer, router: Router, slot: Slot, mut stopped: watch::Receiver<bool>) {
    let _ = stream.set_nodelay(true);
    let slot = Arc::new(slot);
    let close = Arc::clone(&slot.close);
    let service = tower::service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(peer);
        let (router, slot) = (router.clone(), Arc::clone(&slot));
        async move {
            let _running = slot.begin();
            router.oneshot(request).await
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(MAX_HEADER_LEN)
        .serve_connection(TokioIo::new(WithWriteTimeout::new(stream)), TowerToHyperService::new(service));
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        ended = connection.as_mut() => {
            if let Err(error) = ended {
                tracing::debug!(%error, "HTTP connection ended");
            }
        }
        () = close.notified() => {}
        _ = stopped.changed() => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
}

/// A stream whose writes fail if the other side reads nothing for some time.
struct WithWriteTimeout<S> {
    stream: S,
    deadline: Option<Pin<Box<Sleep>>>,
}

impl<S> WithWriteTimeout<S> {
    const fn new(stream: S) -> Self {
        Self { stream, deadline: None }
    }

    /// Passes on the result of a write, or fails if there is none in time.
    fn limit<T>(&mut self, written: Poll<std::io::Result<T>>, context: &mut Context<'_>) -> Poll<std::io::Result<T>> {
        if written.is_ready() {
            self.deadline = None;
            return written;
        }
        let deadline = self.deadline.get_or_insert_with(|| Box::pin(tokio::time::sleep(WRITE_TIMEOUT)));
        match deadline.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Err(std::io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for WithWriteTimeout<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for WithWriteTimeout<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write(context, bytes);
        this.limit(written, context)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        let this = self.get_mut();
        let flushed = Pin::new(&mut this.stream).poll_flush(context);
        this.limit(flushed, context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        let this = self.get_mut();
        let closed = Pin::new(&mut this.stream).poll_shutdown(context);
        this.limit(closed, context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_idle_connection_is_closed() {
        let connections = Connections::default();
        let slots: Vec<Slot> = (0..MAX_CONNECTIONS).map(|_| connections.admit().unwrap()).collect();
        // The first has had a request, and the second has one.
        drop(slots[0].begin());
        let running = slots[1].begin();
        let _new = connections.admit().unwrap();
        let numbers: Vec<u64> = connections.table().connections.keys().copied().take(3).collect();
        assert_eq!(numbers, [1, 2, 4], "the third is closed");
        drop(running);
        let _running: Vec<Running<'_>> = slots.iter().chain([&_new]).map(Slot::begin).collect();
        assert!(connections.admit().is_none(), "all have requests");
    }
}
