//! The listening socket of a service manager, as `ferric.socket` of systemd has it.

use crate::daemon::sys;
use rustix::net::sockopt::socket_acceptconn;
use std::net::TcpListener;
use std::os::fd::OwnedFd;

/// The TCP socket that the service manager listens on for this process; `None` if it has none. Must be called before the
/// process has another thread: it removes the variables `LISTEN_FDS` and `LISTEN_PID` from the environment.
///
/// # Errors
/// The variables are malformed, there are several sockets, or the descriptor is not a listening TCP socket.
pub(crate) fn listener() -> Result<Option<TcpListener>, String> {
    let mut inherited = sd_notify::listen_fds().map_err(|error| format!("LISTEN_FDS: {error}"))?;
    let Some(number) = inherited.next() else { return Ok(None) };
    let others = inherited.count();
    if others > 0 {
        return Err(format!("LISTEN_FDS: {} sockets; expected one, for iSCSI", others + 1));
    }
    let wrong = || format!("LISTEN_FDS: descriptor {number} is not a listening TCP socket");
    let number = u16::try_from(number).map_err(|_| wrong())?;
    let listener = TcpListener::from(OwnedFd::from(sys::duplicate(number).map_err(|_| wrong())?));
    let is_listening = socket_acceptconn(&listener).unwrap_or_default();
    // A Unix socket has no such address.
    if is_listening && listener.local_addr().is_ok() { Ok(Some(listener)) } else { Err(wrong()) }
}
