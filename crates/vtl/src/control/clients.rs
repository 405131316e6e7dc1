//! The connections of the control socket, and their limits.

use super::ControlError;
use super::former_words::{FormerWord, lists};
use crate::clock::Clock;
use crate::locks::lock;
use crate::throttle::Throttle;
use std::collections::BTreeMap;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard};

/// Connections at one time.
const MAX_CONNECTIONS: usize = 64;
/// Connections that receive events, of those.
const MAX_SUBSCRIBERS: usize = 32;

#[derive(Clone, Copy, PartialEq, Eq)]
enum ClientState {
    /// The connection has no complete request.
    Idle,
    Busy,
    /// A response is being sent to the client.
    Answering,
    Subscribed,
}

struct Client {
    stream: UnixStream,
    state: ClientState,
    /// Serial number of the last change of state: the smallest one has been in its state longest.
    state_serial: u64,
}

#[derive(Default)]
struct ClientTable {
    clients: BTreeMap<u64, Client>,
    closed_logged: Throttle,
    former_words_logged: Throttle,
    last: u64,
}

/// All connections.
#[derive(Clone, Default)]
pub(super) struct Clients {
    clock: Clock,
    table: Arc<Mutex<ClientTable>>,
    /// Locked while a long response is composed, so that its memory is needed once, not for each connection.
    composing: Arc<Mutex<()>>,
}

/// The slot of one connection; dropping it frees the slot.
pub(super) struct ClientSlot {
    clients: Clients,
    number: u64,
}

impl Clients {
    /// No connections; `clock` is the source of time of the site.
    pub(super) fn new(clock: Clock) -> Self {
        Self { clock, ..Self::default() }
    }

    fn table(&self) -> MutexGuard<'_, ClientTable> {
        lock(&self.table)
    }

    /// Admits a connection. At the limit, the longest idle connection is closed; if none is idle, the one
    /// that has not read its response for the longest time; otherwise the result is `None`.
    pub(super) fn admit(&self, stream: &UnixStream) -> Option<ClientSlot> {
        let stream = stream.try_clone().ok()?;
        let mut table = self.table();
        if table.clients.len() >= MAX_CONNECTIONS {
            let displaced = |client: &Client| matches!(client.state, ClientState::Idle | ClientState::Answering);
            let yielding = table.clients.iter().filter(|(_, client)| displaced(client));
            let number =
                *yielding.min_by_key(|(_, client)| (client.state == ClientState::Answering, client.state_serial))?.0;
            let closed = table.clients.remove(&number)?;
            let _ = closed.stream.shutdown(Shutdown::Both);
            if let Some(suppressed) = table.closed_logged.admit(self.clock.monotonic().0) {
                tracing::warn!(
                    limit = MAX_CONNECTIONS,
                    suppressed,
                    "control connection limit reached; closed the one that is idle, or does not read its response, for the longest time"
                );
            }
        }
        table.last += 1;
        let number = table.last;
        table.clients.insert(number, Client { stream, state: ClientState::Idle, state_serial: number });
        Some(ClientSlot { clients: self.clone(), number })
    }
}

impl ClientSlot {
    fn set_state(&self, state: ClientState) {
        let mut table = self.clients.table();
        table.last += 1;
        let since = table.last;
        if let Some(client) = table.clients.get_mut(&self.number) {
            (client.state, client.state_serial) = (state, since);
        }
    }

    pub(super) fn set_idle(&self) {
        self.set_state(ClientState::Idle);
    }

    pub(super) fn set_busy(&self) {
        self.set_state(ClientState::Busy);
    }

    pub(super) fn answering(&self) {
        self.set_state(ClientState::Answering);
    }

    /// Waits until no other connection composes a long response.
    pub(super) fn compose(&self) -> MutexGuard<'_, ()> {
        lock(&self.clients.composing)
    }

    /// Logs that a request on this connection used words of the previous release.
    pub(super) fn log_former_words(&self, words: &[FormerWord]) {
        if words.is_empty() {
            return;
        }
        if let Some(suppressed) = self.clients.table().former_words_logged.admit(self.clients.clock.monotonic().0) {
            let (former, current) = lists(words);
            tracing::warn!(
                former,
                current,
                suppressed,
                "control request with former words, which the next release refuses"
            );
        }
    }

    /// Marks the connection as one that receives events.
    ///
    /// # Errors
    /// The maximum number of connections receive events already.
    pub(super) fn subscribe(&self) -> Result<(), ControlError> {
        let count =
            self.clients.table().clients.values().filter(|client| client.state == ClientState::Subscribed).count();
        if count >= MAX_SUBSCRIBERS {
            let message = format!("{MAX_SUBSCRIBERS} connections receive events already, which is the maximum");
            return Err(ControlError::unavailable(message));
        }
        self.set_state(ClientState::Subscribed);
        Ok(())
    }
}

impl Drop for ClientSlot {
    fn drop(&mut self) {
        self.clients.table().clients.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn longest_idle_connection_is_closed() {
        let clients = Clients::default();
        let pairs: Vec<_> = (0..MAX_CONNECTIONS).map(|_| UnixStream::pair().unwrap()).collect();
        let places: Vec<_> = pairs.iter().map(|(ours, _)| clients.admit(ours).unwrap()).collect();
        // The first has made a request, and the second is making one.
        places[0].set_busy();
        places[0].set_idle();
        places[1].set_busy();
        let (ours, _) = UnixStream::pair().unwrap();
        let last = clients.admit(&ours).unwrap();
        assert_eq!((&pairs[2].1).read(&mut [0; 1]).unwrap(), 0, "the third is closed");
        places[3..].iter().chain([&last, &places[0]]).for_each(ClientSlot::set_busy);
        assert!(clients.admit(&ours).is_none(), "all are busy");
        places[4].answering();
        places[3].answering();
        let another = clients.admit(&ours).unwrap();
        another.set_busy();
        assert_eq!((&pairs[4].1).read(&mut [0; 1]).unwrap(), 0, "the fifth takes no answer");
        places[3].set_busy();
        assert!(clients.admit(&ours).is_none());
        drop(last);
        assert!(clients.admit(&ours).is_some());
    }

    #[test]
    fn subscribers_leave_half_for_requests() {
        let clients = Clients::default();
        let pairs: Vec<_> = (0..40).map(|_| UnixStream::pair().unwrap()).collect();
        let places: Vec<_> = pairs.iter().map(|(ours, _)| clients.admit(ours).unwrap()).collect();
        assert_eq!(places.iter().filter(|place| place.subscribe().is_ok()).count(), 32);
        let message = places[39].subscribe().unwrap_err().to_string();
        assert_eq!(message, "32 connections receive events already, which is the maximum");
    }
}
