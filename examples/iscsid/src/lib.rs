//! The iSCSI frontend of a [`vtl::site::Site`]: a [`Portal`] accepts connections and serves every target of the site.
//!
//! The module `daemon` adds a command line: that of the programs `ferric-iscsid` and `ferric serve iscsi`. A program or test that embeds libraries opens its own [`Portal`],
//! for example with [`Portal::on_free_port`].

#[cfg(doctest)]
#[doc = include_str!("../../../docs/embedding.md")]
struct Embedding;

mod admission;
mod buffers;
mod connection;
#[cfg(feature = "daemon")]
pub mod daemon;
mod server;
mod sessions;

use admission::AddressLimits;
use iscsi::config::{ConnectionLimits, Credentials, Secret, TargetConfig};
use server::Policy;
use sessions::Sessions;
use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::sync::{Arc, PoisonError, RwLock, Weak};
use vtl::budget::{Budget, default_limit};
use vtl::config::{IscsiSetup, User};
use vtl::site::Site;

/// A listening iSCSI portal. It serves its site until [`Portal::close`] or the end of the process.
pub struct Portal {
    address: SocketAddr,
    policy: Arc<RwLock<Arc<Policy>>>,
    sessions: Arc<Sessions>,
    limits: ConnectionLimits,
    /// Number of sessions for which the memory budget guarantees buffers.
    max_sessions: usize,
    site: Weak<Site>,
}

impl Portal {
    /// Serves every target of a site on the address `setup.bind`; port 0 selects a free port.
    ///
    /// # Errors
    /// `setup.bind` does not resolve to an address, or the system cannot listen on it.
    pub fn open(site: &Arc<Site>, setup: &IscsiSetup) -> io::Result<Self> {
        Self::on_listener(site, setup, listen(&setup.bind)?)
    }

    /// Serves every target of a site on a listening socket, such as that of a service manager; `setup.bind` is not used.
    ///
    /// # Errors
    /// The socket has no address, or the system has no thread.
    pub fn on_listener(site: &Arc<Site>, setup: &IscsiSetup, listener: TcpListener) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let sessions = Sessions::new(site.clock().clone());
        let (limits, budget) = divide_memory(setup, site);
        let capacity = budget.max_sessions();
        let policy = Arc::new(RwLock::new(Arc::new(connection_policy(setup, site, limits, capacity))));
        server::spawn_listener(
            listener,
            Arc::clone(site),
            Arc::clone(&policy),
            Arc::clone(&sessions),
            Arc::new(budget),
        )?;
        site.add_portal(address, Arc::clone(&sessions) as _);
        Ok(Self { address, policy, sessions, limits, max_sessions: capacity, site: Arc::downgrade(site) })
    }

    /// Serves every target of a site on a free port of 127.0.0.1, without authentication.
    ///
    /// # Errors
    /// The system has no free port.
    pub fn on_free_port(site: &Arc<Site>) -> io::Result<Self> {
        Self::open(site, &IscsiSetup::default().with_bind("127.0.0.1:0"))
    }

    /// Applies the access rules of `setup` and the current targets of the site to new connections. Open connections
    /// keep the rules they began with.
    pub fn reload(&self, site: &Site, setup: &IscsiSetup) {
        *self.policy.write().unwrap_or_else(PoisonError::into_inner) =
            Arc::new(connection_policy(setup, site, self.limits, self.max_sessions));
    }

    /// The address and port that the portal listens on.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Closes every connection and refuses new ones. Returns when all connections have closed, after 10 s at the
    /// latest.
    pub fn close(&self) {
        self.sessions.close_all();
        if let Some(site) = self.site.upgrade() {
            site.remove_portal(self.address);
        }
    }
}

fn listen(bind: &str) -> io::Result<TcpListener> {
    let mut addresses = bind.to_socket_addrs()?;
    let address = addresses.next().ok_or_else(|| io::Error::other(format!("{bind} does not resolve to an address")))?;
    let socket = socket2::Socket::new(socket2::Domain::for_address(address), socket2::Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(128)?;
    Ok(socket.into())
}

/// Minimum size of the buffer memory in bytes: the longest command needs this much.
const MIN_BUFFER_MEMORY: usize = 96 << 20;

/// Divides the buffer memory into cached free buffers and the budget of the connections.
fn divide_memory(setup: &IscsiSetup, site: &Site) -> (ConnectionLimits, Budget) {
    let total = setup.limits.buffer_memory.unwrap_or_else(default_limit);
    let total = usize::try_from(total).unwrap_or(usize::MAX).max(MIN_BUFFER_MEMORY);
    let limits = ConnectionLimits::for_memory(total);
    let cached = (total / 8).min(total - limits.max_memory().min(total));
    site.buffers().set_max_cached(cached);
    (limits, Budget::new(total - cached, limits.max_memory()))
}

/// The rules for new connections. Unless configured, one address may use at most half of all sessions.
fn connection_policy(setup: &IscsiSetup, site: &Site, limits: ConnectionLimits, capacity: usize) -> Policy {
    let defaults = AddressLimits::default();
    let connections = defaults.connections.min(capacity / 2).max(1);
    Policy {
        target: Arc::new(target_config(setup, site, limits)),
        networks: setup.limits.networks.clone(),
        limits: AddressLimits {
            connections: setup.limits.max_connections_per_address.unwrap_or(connections),
            unauthenticated: setup.limits.max_unauthenticated_per_address.unwrap_or(defaults.unauthenticated),
        },
    }
}

fn target_config(setup: &IscsiSetup, site: &Site, limits: ConnectionLimits) -> TargetConfig {
    let credentials = |user: &User| Credentials::new(&*user.name, Secret(user.secret.clone()));
    let names = site.targets().iter().map(|target| target.name().into()).collect();
    let advertised = match &setup.advertise {
        vtl::config::Advertise::Connection => iscsi::config::AdvertisedAddress::Connection,
        vtl::config::Advertise::Portal(address) => iscsi::config::AdvertisedAddress::Portal(address.clone()),
        vtl::config::Advertise::Nothing => iscsi::config::AdvertisedAddress::Nothing,
    };
    TargetConfig::new("", "Ferric tape library")
        .with_names(names)
        .with_users(setup.users.iter().map(credentials).collect())
        .with_mutual(setup.mutual.as_ref().map(credentials))
        .with_initiators(setup.initiators.clone())
        .with_advertised(advertised)
        .with_limits(limits)
}
