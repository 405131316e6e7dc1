//! Accepting connections: one thread each.

use crate::connection;
use crate::sessions::{Mailbox, Sessions};
use iscsi::config::TargetConfig;
use std::io;
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread::Builder;
use std::time::Duration;
use vtl::site::Site;

/// After a connection that could not be taken.
const PAUSE: Duration = Duration::from_millis(100);

/// A connection's place among all, given up however its thread ends.
struct Place<'a> {
    sessions: &'a Sessions,
    number: usize,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.sessions.disconnect(self.number);
    }
}

/// Serves the listener from a thread of its own.
pub(crate) fn start(
    listener: TcpListener,
    site: Arc<Site>,
    target: Arc<RwLock<Arc<TargetConfig>>>,
    sessions: Arc<Sessions>,
) -> io::Result<()> {
    let accept = move || {
        for stream in listener.incoming() {
            // What a session began with, it keeps.
            let target = Arc::clone(&target.read().unwrap_or_else(PoisonError::into_inner));
            let result = stream.and_then(|stream| spawn(stream, &site, &target, &sessions));
            if let Err(error) = result {
                tracing::debug!(%error, "connection not accepted");
                // Out of descriptors, most likely: asking again at once would only burn time.
                #[expect(
                    clippy::disallowed_methods,
                    reason = "a pause of the accepting thread, which has nothing else to do"
                )]
                std::thread::sleep(PAUSE);
            }
        }
    };
    Builder::new().name("accept".into()).spawn(accept).map(drop)
}

fn spawn(stream: TcpStream, site: &Arc<Site>, target: &Arc<TargetConfig>, sessions: &Arc<Sessions>) -> io::Result<()> {
    let mailbox = Arc::new(Mailbox::new()?);
    let Some(number) = sessions.connect(&mailbox) else {
        tracing::debug!("too many connections");
        return Ok(());
    };
    let (site, target, sessions) = (Arc::clone(site), Arc::clone(target), Arc::clone(sessions));
    let owner = Arc::clone(&sessions);
    let serve = move || {
        let _place = Place { sessions: &sessions, number };
        if let Err(error) = connection::serve(stream, &site, &target, &sessions, &mailbox) {
            tracing::debug!(%error, "connection ended");
        }
    };
    let spawned = Builder::new().name(format!("connection-{number}")).spawn(serve);
    if spawned.is_err() {
        owner.disconnect(number);
    }
    spawned.map(drop)
}
