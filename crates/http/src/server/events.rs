//! The events of the site as server-sent events (WHATWG HTML §9.2).

use super::problem::Problem;
use axum::body::{Body, Bytes};
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use hyper::body::Frame;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use vtl::control::{ControlRequest, ControlResponse};
use vtl::events::{EventPosition, Received};
use vtl::{ControlError, Site};

/// Clients that receive events at one time.
const MAX_SUBSCRIBERS: usize = 32;
/// Events that wait for a client to read them; those after them wait in the ring of the site.
const QUEUE_LEN: usize = 16;
/// Time for a client to read an event when its queue is full.
const SEND_TIMEOUT: Duration = Duration::from_secs(10);
/// Interval at which the end of a connection is noticed without events.
const POLL_INTERVAL: Duration = Duration::from_millis(500);
/// Polls without an event after which a comment keeps the connection open.
const KEEP_ALIVE_POLLS: u32 = 30;

/// The clients that receive events.
#[derive(Clone)]
pub(super) struct Subscribers(Arc<Semaphore>);

impl Default for Subscribers {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MAX_SUBSCRIBERS)))
    }
}

/// The position of a `Last-Event-ID`, such as `5f1c0d2e3a4b5c6d/12`, or of a number alone.
pub(super) fn position(text: &str) -> Result<EventPosition, Problem> {
    text.parse().map_err(|_| {
        Problem::invalid("since", format!("{text:?} is not the position of an event, such as 5f1c0d2e3a4b5c6d/12"))
    })
}

impl Subscribers {
    /// Subscribes to the events after a position, on a new thread. `composing` is held while a snapshot is made. The
    /// subscription ends when `is_admitted` returns false.
    pub(super) fn subscribe(
        &self,
        site: Arc<Site>,
        since: Option<EventPosition>,
        composing: Arc<Mutex<()>>,
        is_admitted: impl Fn() -> bool + Send + 'static,
    ) -> Result<Response, Problem> {
        let full = |_| {
            let detail = format!("{MAX_SUBSCRIBERS} clients receive events already, which is the maximum");
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail)
        };
        let permit = Arc::clone(&self.0).try_acquire_owned().map_err(full)?;
        let (sender, receiver) = mpsc::channel(QUEUE_LEN);
        let subscriber = Subscriber { sender, runtime: Handle::current(), _permit: permit };
        let serve = move || {
            if let Err(error) = subscriber.serve(&site, since, &composing, is_admitted) {
                tracing::debug!(%error, "event subscription over HTTP ended");
            }
        };
        let spawned = std::thread::Builder::new().name("http-events".into()).spawn(serve);
        spawned.map_err(|error| Problem::from(ControlError::unavailable(format!("cannot start a thread: {error}"))))?;
        let headers = [(CONTENT_TYPE, "text/event-stream"), (CACHE_CONTROL, "no-store")];
        Ok((headers, Body::new(EventBody(receiver))).into_response())
    }
}

struct Subscriber {
    sender: Sender<Bytes>,
    runtime: Handle,
    _permit: OwnedSemaphorePermit,
}

impl Subscriber {
    /// Sends the snapshot, if there is one, and then every event, until the site or the connection ends.
    fn serve(
        self,
        site: &Site,
        since: Option<EventPosition>,
        composing: &Mutex<()>,
        is_admitted: impl Fn() -> bool,
    ) -> Result<(), Box<dyn std::error::Error>> {
        let (begin, mut subscription) = {
            let _composing = composing.lock().unwrap_or_else(PoisonError::into_inner);
            let ControlResponse::Events(subscription) = site.control(&ControlRequest::Events { since })? else {
                return Ok(());
            };
            let name = if subscription.snapshot.is_some() { "snapshot" } else { "resumed" };
            let data = serde_json::to_string(&subscription)?;
            let begin = format!("event: {name}\nid: {}\ndata: {data}\n\n", subscription.position);
            (begin, subscription.without_snapshot())
        };
        self.send(begin)?;
        let mut idle_polls = 0;
        loop {
            let received = subscription.receive(site, POLL_INTERVAL);
            if !is_admitted() {
                return Ok(());
            }
            match received {
                Received::Event(record) => {
                    idle_polls = 0;
                    let data = serde_json::to_string(&*record)?;
                    self.send(format!("id: {}/{}\ndata: {data}\n\n", record.start, record.seq))?;
                }
                Received::Closed => return Ok(()),
                Received::TimedOut | Received::Lagged(_) if self.sender.is_closed() => return Ok(()),
                Received::TimedOut | Received::Lagged(_) => {
                    idle_polls += 1;
                    if idle_polls % KEEP_ALIVE_POLLS == 0 {
                        self.send(":\n\n".into())?;
                    }
                }
            }
        }
    }

    fn send(&self, text: String) -> Result<(), Box<dyn std::error::Error>> {
        let sent = async { tokio::time::timeout(SEND_TIMEOUT, self.sender.send(text.into())).await };
        Ok(self.runtime.block_on(sent)??)
    }
}

/// The body of the response: what the subscriber sends.
struct EventBody(Receiver<Bytes>);

impl hyper::body::Body for EventBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
    }
}
