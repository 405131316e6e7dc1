//! The iSCSI door of a [`vtl::site::Site`]: sockets on one side, its targets on the other.
//!
//! The daemon `ferric-iscsid` is this and its arguments; whoever embeds libraries opens a door of their own, on a free
//! port if need be.

#[cfg(doctest)]
#[doc = include_str!("../../../docs/embedding.md")]
struct Embedding;

mod connection;
mod server;
mod sessions;

use iscsi::config::{Credentials, Limits, Secret, TargetConfig};
use sessions::Sessions;
use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::sync::{Arc, PoisonError, RwLock};
use vtl::config::{IscsiSetup, User};
use vtl::site::Site;

/// An open door. It stays open until [`Door::close`], or the end of the process.
pub struct Door {
    address: SocketAddr,
    target: Arc<RwLock<Arc<TargetConfig>>>,
    sessions: Arc<Sessions>,
}

impl Door {
    /// Serves every target of a site on an address; port 0 takes a free one.
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub fn open(site: &Arc<Site>, setup: &IscsiSetup) -> io::Result<Self> {
        let listener = listen(&setup.bind)?;
        let address = listener.local_addr()?;
        let sessions = Arc::new(Sessions::default());
        let target = Arc::new(RwLock::new(Arc::new(targets(setup, site))));
        server::start(listener, Arc::clone(site), Arc::clone(&target), Arc::clone(&sessions))?;
        Ok(Self { address, target, sessions })
    }

    /// Serves every target of a site on a free port of this host, to everyone.
    ///
    /// # Errors
    /// There is none.
    pub fn on_free_port(site: &Arc<Site>) -> io::Result<Self> {
        Self::open(site, &IscsiSetup { bind: "127.0.0.1:0".into(), ..IscsiSetup::default() })
    }

    /// Takes over who may log in, and the targets that there are now. Sessions go on as they began.
    pub fn refresh(&self, site: &Site, setup: &IscsiSetup) {
        *self.target.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(targets(setup, site));
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends every session and lets no more in.
    pub fn close(&self) {
        self.sessions.close_all();
    }
}

fn listen(bind: &str) -> io::Result<TcpListener> {
    let mut addresses = bind.to_socket_addrs()?;
    let address = addresses.next().ok_or_else(|| io::Error::other(format!("{bind} names no address")))?;
    let socket = socket2::Socket::new(socket2::Domain::for_address(address), socket2::Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(128)?;
    Ok(socket.into())
}

fn targets(setup: &IscsiSetup, site: &Site) -> TargetConfig {
    let credentials = |user: &User| Credentials { name: user.name.clone(), secret: Secret(user.secret.clone()) };
    TargetConfig {
        names: site.targets().iter().map(|target| target.name().into()).collect(),
        alias: "Ferric tape library".into(),
        users: setup.users.iter().map(credentials).collect(),
        mutual: setup.mutual.as_ref().map(credentials),
        initiators: setup.initiators.clone(),
        advertise: match &setup.advertise {
            vtl::config::Advertise::Connection => iscsi::config::Advertise::Connection,
            vtl::config::Advertise::Portal(address) => iscsi::config::Advertise::Portal(address.clone()),
            vtl::config::Advertise::Nothing => iscsi::config::Advertise::Nothing,
        },
        limits: Limits::default(),
    }
}
