//! The control socket: one line of JSON for each request and for each response (`{"ok": …}` or
//! `{"error": "…", "code": "…", "fields": {…}}`).
//!
//! Only root and the user that runs the daemon may connect; connections of other users are closed.

use super::clients::{ClientSlot, Clients};
use super::{ControlError, ControlRequest, ControlResponse, Subscription};
use crate::clock::Clock;
use crate::events::Received;
use crate::permissions::user_name;
use crate::site::Site;
use audit::{Actor, ActorKind};
use rustix::net::sockopt::socket_peercred;
use rustix::process::geteuid;
use serde::Serialize;
use std::fs::{self, File, Permissions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::Builder;
use std::time::Duration;

/// Name of the socket in a data directory.
pub const FILE_NAME: &str = "control.sock";
/// Maximum length of a request in bytes.
const MAX_REQUEST_LEN: usize = 64 * 1024;
/// Delay before the next attempt after a connection could not be accepted.
const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(100);
/// Interval at which a connection that receives events is checked for its end.
const HANGUP_POLL_INTERVAL: Duration = Duration::from_millis(500);
/// Time limit of a request after its first byte, in microseconds.
const REQUEST_TIMEOUT_US: u64 = 10_000_000;
/// Time limit for a client to read a response or an event.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// A served control socket. Dropping it removes its file.
#[derive(Debug)]
pub struct ControlSocket {
    path: PathBuf,
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

impl ControlSocket {
    /// The path at which the socket was created.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Serves a site on a socket at a path. A socket left by a killed daemon is replaced.
    ///
    /// # Errors
    /// The socket cannot be created.
    pub fn open(path: &Path, site: &Arc<Site>) -> io::Result<Self> {
        // This process holds the lock of the data directory, so no other process listens on an existing socket.
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = with_short_path(path, |path| UnixListener::bind(path))?;
        fs::set_permissions(path, Permissions::from_mode(0o600))?;
        let (site, clients) = (Arc::clone(site), Clients::new(site.clock().clone()));
        let accept = move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else {
                    // Probably no free file descriptor: wait before the next attempt.
                    #[expect(clippy::disallowed_methods, reason = "the accepting thread has nothing else to do")]
                    std::thread::sleep(ACCEPT_RETRY_DELAY);
                    continue;
                };
                let Some(actor) = authorized_peer(&stream) else { continue };
                let Some(place) = clients.admit(&stream) else {
                    let _ = stream.set_nonblocking(true);
                    let error = ControlError::unavailable("too many control connections are busy");
                    let _ = (&stream).write_all(to_line(&Err(error)).as_bytes());
                    continue;
                };
                let site = Arc::clone(&site);
                let serve = move || {
                    if let Err(error) = serve(&stream, &place, &site, &actor) {
                        tracing::debug!(%error, "control connection ended");
                    }
                };
                let _ = Builder::new().name("control".into()).spawn(serve);
            }
        };
        Builder::new().name("control".into()).spawn(accept)?;
        Ok(Self { path: path.into() })
    }
}

/// Calls a function with a path that fits into a socket address: a long path is opened through its directory.
///
/// # Errors
/// The directory cannot be opened, or the call failed.
pub fn with_short_path<T>(path: &Path, call: impl FnOnce(&Path) -> io::Result<T>) -> io::Result<T> {
    const LONGEST_NAME: usize = 100;
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else { return call(path) };
    if path.as_os_str().len() <= LONGEST_NAME {
        return call(path);
    }
    let folder = File::open(folder)?;
    call(&Path::new("/proc/self/fd").join(folder.as_raw_fd().to_string()).join(name))
}

/// The user and the process at the other end of a connection, if the user may use the socket.
fn authorized_peer(stream: &UnixStream) -> Option<Actor> {
    let peer = socket_peercred(stream).ok().filter(|peer| peer.uid == geteuid() || peer.uid.is_root())?;
    let uid = peer.uid.as_raw();
    let name = user_name(uid).unwrap_or_else(|| uid.to_string());
    let from = format!("control socket (process {})", peer.pid.as_raw_nonzero());
    Some(Actor { uid: Some(uid), ..Actor::new(ActorKind::User, name).with_origin(from) })
}

/// Reads the next line, with its end of line. A line that is too long is cut; the line is empty at the end of the
/// connection. The wait for the first byte has no limit, the rest of the line has `limit` microseconds.
fn read_line(lines: &mut BufReader<UnixStream>, limit: u64, clock: &Clock) -> io::Result<Vec<u8>> {
    let (mut line, mut until) = (Vec::new(), None);
    loop {
        let ahead = match lines.fill_buf() {
            Ok(ahead) => ahead,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(request_timed_out()),
            Err(error) => return Err(error),
        };
        if ahead.is_empty() {
            return Ok(line);
        }
        let len = ahead.iter().position(|byte| *byte == b'\n').map_or(ahead.len(), |end| end + 1);
        let len = len.min(MAX_REQUEST_LEN - line.len());
        line.extend(ahead.iter().take(len));
        lines.consume(len);
        if line.ends_with(b"\n") || line.len() >= MAX_REQUEST_LEN {
            if until.is_some() {
                lines.get_ref().set_read_timeout(None)?;
            }
            return Ok(line);
        }
        let now = clock.monotonic().0;
        let left = until.get_or_insert(now + limit).saturating_sub(now);
        if left == 0 {
            return Err(request_timed_out());
        }
        lines.get_ref().set_read_timeout(Some(Duration::from_micros(left)))?;
    }
}

fn request_timed_out() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "request incomplete after 10 s")
}

fn serve(mut stream: &UnixStream, place: &ClientSlot, site: &Site, actor: &Actor) -> io::Result<()> {
    stream.set_write_timeout(Some(WRITE_TIMEOUT))?;
    let mut lines = BufReader::new(stream.try_clone()?);
    loop {
        place.set_idle();
        let line = read_line(&mut lines, REQUEST_TIMEOUT_US, site.clock())?;
        if line.is_empty() {
            return Ok(());
        }
        place.set_busy();
        let (reply, subscription) = respond(&line, place, site, actor);
        if subscription.is_none() {
            place.answering();
        }
        stream.write_all(reply.as_bytes())?;
        if let Some(subscription) = subscription {
            drop(reply);
            return stream_events(stream, site, subscription);
        }
        // The rest of an incomplete line must not be parsed as a request.
        if line.last() != Some(&b'\n') {
            return Ok(());
        }
    }
}

/// The response to a request as a line, and the subscription if the connection receives events from now on.
fn respond(line: &[u8], place: &ClientSlot, site: &Site, actor: &Actor) -> (String, Option<Subscription>) {
    let request = super::request_parser::parse(line).and_then(|(request, former)| {
        place.log_former_words(&former);
        if matches!(request, ControlRequest::Events { .. }) {
            place.subscribe()?;
        }
        Ok(request)
    });
    let is_long = matches!(request, Ok(ControlRequest::Status | ControlRequest::Events { .. }));
    let _composing = is_long.then(|| place.compose());
    let response = request.and_then(|request| site.control_as(actor, &request));
    let reply = to_line(&response);
    match response {
        // The snapshot is in the line.
        Ok(ControlResponse::Events(subscription)) => (reply, Some(subscription.without_snapshot())),
        _ => (reply, None),
    }
}

/// A response as a line: `{"ok": …}`, or the error.
fn to_line(response: &Result<ControlResponse, ControlError>) -> String {
    #[derive(Serialize)]
    struct Done<'a> {
        ok: &'a ControlResponse,
    }
    let json = match response {
        Ok(response) => serde_json::to_string(&Done { ok: response }),
        Err(error) => serde_json::to_string(error),
    };
    // Neither can fail: keys are strings, and no writer is involved.
    let mut line = json.unwrap_or_default();
    line.push('\n');
    line
}

/// Sends events until the client closes the connection or the site is shut down.
fn stream_events(mut stream: &UnixStream, site: &Site, mut subscription: Subscription) -> io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_millis(1)))?;
    loop {
        match subscription.receive(site, HANGUP_POLL_INTERVAL) {
            Received::Event(record) => {
                let mut line = serde_json::to_string(&*record)?;
                line.push('\n');
                stream.write_all(line.as_bytes())?;
            }
            Received::Closed => return Ok(()),
            Received::TimedOut | Received::Lagged(_) => {
                // Requests are ignored here; end of file means that the client has closed the connection.
                if matches!(stream.read(&mut [0; 64]), Ok(0)) {
                    return Ok(());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn incomplete_request_times_out() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let mut lines = BufReader::new(ours);
        theirs.write_all(b"one\ntwo").unwrap();
        assert_eq!(read_line(&mut lines, 1000, &Clock::real()).unwrap(), b"one\n");
        let error = read_line(&mut lines, 1000, &Clock::real()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[test]
    fn a_request_that_comes_slowly_has_the_same_time_limit() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let mut lines = BufReader::new(ours);
        let sent = std::thread::spawn(move || {
            // One byte in each millisecond, until the other side closes the connection.
            while theirs.write_all(b"x").is_ok() {
                std::thread::park_timeout(Duration::from_millis(1));
            }
        });
        assert_eq!(read_line(&mut lines, 50_000, &Clock::real()).unwrap_err().kind(), io::ErrorKind::TimedOut);
        drop(lines);
        sent.join().unwrap();
    }

    #[test]
    fn overlong_line_is_split() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let mut lines = BufReader::new(ours);
        let sent = std::thread::spawn(move || {
            theirs.write_all(&[b'x'; MAX_REQUEST_LEN + 5]).unwrap();
            theirs.write_all(b"y\nlast").unwrap();
        });
        assert_eq!(read_line(&mut lines, REQUEST_TIMEOUT_US, &Clock::real()).unwrap().len(), MAX_REQUEST_LEN);
        assert_eq!(read_line(&mut lines, REQUEST_TIMEOUT_US, &Clock::real()).unwrap(), b"xxxxxy\n");
        assert_eq!(read_line(&mut lines, REQUEST_TIMEOUT_US, &Clock::real()).unwrap(), b"last");
        assert!(read_line(&mut lines, REQUEST_TIMEOUT_US, &Clock::real()).unwrap().is_empty());
        sent.join().unwrap();
    }
}
