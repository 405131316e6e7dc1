//! Accepting connections: one thread each.

use crate::connection;
use crate::sessions::{Mailbox, Sessions};
use iscsi::config::TargetConfig;
use std::io;
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::Builder;
use vtl::library::Library;

/// Serves the listener from a thread of its own.
pub(crate) fn start(
    listener: TcpListener,
    library: Arc<Library>,
    target: Arc<TargetConfig>,
    sessions: Arc<Sessions>,
) -> io::Result<()> {
    let accept = move || {
        for stream in listener.incoming() {
            let result = stream.and_then(|stream| spawn(stream, &library, &target, &sessions));
            if let Err(error) = result {
                tracing::debug!(%error, "connection not accepted");
            }
        }
    };
    Builder::new().name("accept".into()).spawn(accept).map(drop)
}

fn spawn(
    stream: TcpStream,
    library: &Arc<Library>,
    target: &Arc<TargetConfig>,
    sessions: &Arc<Sessions>,
) -> io::Result<()> {
    let mailbox = Arc::new(Mailbox::new()?);
    let Some(number) = sessions.connect(&mailbox) else {
        tracing::debug!("too many connections");
        return Ok(());
    };
    let (library, target, sessions) = (Arc::clone(library), Arc::clone(target), Arc::clone(sessions));
    let owner = Arc::clone(&sessions);
    let serve = move || {
        if let Err(error) = connection::serve(stream, &library, &target, &sessions, &mailbox, number) {
            tracing::debug!(%error, "connection ended");
        }
        sessions.disconnect(number);
    };
    let spawned = Builder::new().name(format!("connection-{number}")).spawn(serve);
    if spawned.is_err() {
        owner.disconnect(number);
    }
    spawned.map(drop)
}
