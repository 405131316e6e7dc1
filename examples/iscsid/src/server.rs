//! Accepts connections and spawns a thread for each.

use crate::admission::AddressLimits;
use crate::connection;
use crate::sessions::{Mailbox, Sessions};
use iscsi::config::TargetConfig;
use std::io;
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread::Builder;
use std::time::Duration;
use vtl::budget::Budget;
use vtl::clock::ClockListener;
use vtl::config::Network;
use vtl::site::Site;

/// Stack size of a connection's thread in bytes; commands run on it.
const THREAD_STACK_BYTES: usize = 512 << 10;
/// Delay after a connection could not be accepted.
const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(100);

/// Rules for new connections, and the targets that they can log in to.
pub(crate) struct Policy {
    pub(crate) target: Arc<TargetConfig>,
    /// Networks whose addresses may connect; `None` admits every address.
    pub(crate) networks: Option<Vec<Network>>,
    pub(crate) limits: AddressLimits,
}

/// The entry of a connection in [`Sessions`], removed however its thread ends.
struct ConnectionSlot<'a> {
    sessions: &'a Sessions,
    number: usize,
}

impl Drop for ConnectionSlot<'_> {
    fn drop(&mut self) {
        self.sessions.disconnect(self.number);
    }
}

/// Spawns the thread that accepts connections.
pub(crate) fn spawn_listener(
    listener: TcpListener,
    site: Arc<Site>,
    policy: Arc<RwLock<Arc<Policy>>>,
    sessions: Arc<Sessions>,
    budget: Arc<Budget>,
) -> io::Result<()> {
    let accept = move || {
        for stream in listener.incoming() {
            // A connection keeps the policy it began with.
            let policy = Arc::clone(&policy.read().unwrap_or_else(PoisonError::into_inner));
            let shared = ConnectionContext { site: &site, policy: &policy, sessions: &sessions, budget: &budget };
            if let Err(error) = stream.and_then(|stream| spawn_connection(stream, shared)) {
                if let Some(suppressed) = sessions.connection_log_limit.admit(site.clock().monotonic().0) {
                    tracing::warn!(%error, suppressed, "cannot accept a connection");
                }
                // Most likely out of descriptors: an immediate retry would fail again.
                #[expect(clippy::disallowed_methods, reason = "the accepting thread has nothing else to do")]
                std::thread::sleep(ACCEPT_RETRY_DELAY);
            }
        }
    };
    Builder::new().name("accept".into()).spawn(accept).map(drop)
}

/// The values that all threads of connections share.
#[derive(Clone, Copy)]
struct ConnectionContext<'a> {
    site: &'a Arc<Site>,
    policy: &'a Arc<Policy>,
    sessions: &'a Arc<Sessions>,
    budget: &'a Arc<Budget>,
}

fn spawn_connection(stream: TcpStream, shared: ConnectionContext<'_>) -> io::Result<()> {
    let ConnectionContext { site, policy, sessions, budget } = shared;
    // A connection that its initiator has already closed has no address.
    let Ok(peer) = stream.peer_addr() else { return Ok(()) };
    let address = peer.ip().to_canonical();
    if policy.networks.as_ref().is_some_and(|networks| !networks.iter().any(|network| network.contains(address))) {
        sessions.log_connection(address, "refused: the address is not in iscsi.networks");
        return Ok(());
    }
    let mailbox = Arc::new(Mailbox::new(address)?);
    let listener: Arc<dyn ClockListener> = Arc::clone(&mailbox) as _;
    site.clock().add_listener(Arc::downgrade(&listener));
    let Some(number) = sessions.connect(&mailbox, policy.limits) else { return Ok(()) };
    let (site, target, sessions) = (Arc::clone(site), Arc::clone(&policy.target), Arc::clone(sessions));
    let budget = Arc::clone(budget);
    let owner = Arc::clone(&sessions);
    let serve = move || {
        let _slot = ConnectionSlot { sessions: &sessions, number };
        match connection::serve(stream, &site, &target, &sessions, &budget, &mailbox) {
            // The initiator has closed the connection, as after every logout.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => tracing::debug!(%peer, "connection closed"),
            Err(error) => tracing::debug!(%peer, error = error.to_string(), "connection ended"),
            Ok(()) => {}
        }
    };
    let spawned = Builder::new().name(format!("connection-{number}")).stack_size(THREAD_STACK_BYTES).spawn(serve);
    if spawned.is_err() {
        owner.disconnect(number);
    }
    spawned.map(drop)
}
