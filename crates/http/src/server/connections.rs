//! Accepts connections within the limits of the server.

use super::Timeouts;
use super::access::Peer;
use super::tls::Tls;
use axum::Router;
use axum::body::{Body, Bytes};
use hyper::body::{Frame, SizeHint};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::convert::Infallible;
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
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;
use vtl::scsi_core::hex::Hex;

/// Connections at one time.
const MAX_CONNECTIONS: usize = 256;
/// Maximum length of the header of a request in bytes.
const MAX_HEADER_LEN: usize = 32 << 10;
/// Delay before the next attempt after a connection could not be accepted.
const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(100);

/// Interval at which the end of all connections is checked.
const END_POLL_INTERVAL: Duration = Duration::from_millis(10);

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

/// A request that is being executed on a connection, or whose response is being sent.
struct Running(Arc<Slot>);

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
    pub(super) async fn accept(
        self,
        listener: TcpListener,
        router: Router,
        tls: Option<Arc<Tls>>,
        timeouts: Timeouts,
        mut stopped: watch::Receiver<bool>,
    ) {
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                _ = stopped.changed() => return,
            };
            match accepted {
                Ok((stream, peer)) => {
                    let Some(slot) = self.admit() else { continue };
                    let (router, stopped) = (router.clone(), stopped.clone());
                    let acceptor = tls.as_ref().map(|tls| tls.acceptor());
                    let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
                    tokio::spawn(accept_tls(stream, peer, acceptor, timeouts, router, slot, stopped));
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

    fn begin(self: &Arc<Self>) -> Running {
        self.change(|running| *running += 1);
        Running(Arc::clone(self))
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.connections.table().connections.remove(&self.number);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.change(|running| *running -= 1);
    }
}

/// Does the TLS handshake of a connection, if there is one, and serves it.
async fn accept_tls(
    stream: TcpStream,
    address: SocketAddr,
    acceptor: Option<TlsAcceptor>,
    timeouts: Timeouts,
    router: Router,
    slot: Slot,
    stopped: watch::Receiver<bool>,
) {
    let _ = stream.set_nodelay(true);
    let stream = WithWriteTimeout::new(stream, timeouts.write);
    let mut peer = Peer { address, certificate: None };
    let Some(acceptor) = acceptor else { return serve(stream, peer, timeouts, router, slot, stopped).await };
    let close = Arc::clone(&slot.close);
    let accepted = tokio::select! {
        accepted = tokio::time::timeout(timeouts.header, acceptor.accept(stream)) => accepted,
        () = close.notified() => return,
    };
    match accepted {
        Ok(Ok(stream)) => {
            // Certificates of other authorities have ended the handshake.
            let certificate = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
            peer.certificate = certificate.map(|certificate| Hex(&Sha256::digest(certificate)).to_string().into());
            serve(stream, peer, timeouts, router, slot, stopped).await;
        }
        Ok(Err(error)) => tracing::debug!(peer = %address, %error, "TLS handshake failed"),
        Err(_) => tracing::debug!(peer = %address, "TLS handshake timed out"),
    }
}

/// Serves a connection until its end, the stop of the server, or until it is displaced by another one.
async fn serve<S: AsyncRead + AsyncWrite + Send + Unpin + 'static>(
    stream: S,
    peer: Peer,
    timeouts: Timeouts,
    router: Router,
    slot: Slot,
    mut stopped: watch::Receiver<bool>,
) {
    let slot = Arc::new(slot);
    let close = Arc::clone(&slot.close);
    let service = tower::service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
        let (router, slot) = (router.clone(), Arc::clone(&slot));
        request.extensions_mut().insert(peer.clone());
        async move {
            let running = slot.begin();
            let response = router.oneshot(request).await?;
            Ok::<_, Infallible>(response.map(|body| ResponseBody { body, _running: running }))
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(timeouts.header)
        .max_buf_size(MAX_HEADER_LEN)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
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

/// The body of a response. Its connection has a request until the body is sent.
struct ResponseBody {
    body: Body,
    _running: Running,
}

impl hyper::body::Body for ResponseBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A stream whose writes fail if the other side reads nothing for some time.
struct WithWriteTimeout<S> {
    stream: S,
    timeout: Duration,
    deadline: Option<Pin<Box<Sleep>>>,
}

impl<S> WithWriteTimeout<S> {
    const fn new(stream: S, timeout: Duration) -> Self {
        Self { stream, timeout, deadline: None }
    }

    /// Passes on the result of a write, or fails if there is none in time.
    fn limit<T>(&mut self, written: Poll<std::io::Result<T>>, context: &mut Context<'_>) -> Poll<std::io::Result<T>> {
        if written.is_ready() {
            self.deadline = None;
            return written;
        }
        let timeout = self.timeout;
        let deadline = self.deadline.get_or_insert_with(|| Box::pin(tokio::time::sleep(timeout)));
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
        let slots: Vec<Arc<Slot>> = (0..MAX_CONNECTIONS).map(|_| Arc::new(connections.admit().unwrap())).collect();
        // The first has had a request, and the second has one.
        drop(slots[0].begin());
        let running = slots[1].begin();
        let new = Arc::new(connections.admit().unwrap());
        let numbers: Vec<u64> = connections.table().connections.keys().copied().take(3).collect();
        assert_eq!(numbers, [1, 2, 4], "the third is closed");
        drop(running);
        let _running: Vec<Running> = slots.iter().chain([&new]).map(Slot::begin).collect();
        assert!(connections.admit().is_none(), "all have requests");
    }
}
