//! The control socket: a line of JSON for each request, a line for each answer (`{"ok": …}` or `{"error": "…"}`).
//!
//! Whoever runs the daemon, and root, may use it; everyone else is turned away.

use super::Request;
use crate::site::Site;
use rustix::net::sockopt::socket_peercred;
use rustix::process::geteuid;
use serde_json::{Value, json};
use std::fs::{self, File, Permissions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::thread::Builder;
use std::time::Duration;

/// The file of the socket in a data directory.
pub const FILE: &str = "control.sock";
/// The longest request.
const LONGEST: u64 = 64 * 1024;
/// After a connection that could not be taken.
const PAUSE: Duration = Duration::from_millis(100);
/// A follower that has gone is noticed within this time.
const NOTICE: Duration = Duration::from_millis(500);
/// Connections at one time.
const CONNECTIONS: usize = 64;

/// Has the daemon read its configuration again; what is wrong with it, if so.
pub type Reload = dyn Fn() -> Result<(), String> + Send + Sync;

/// A socket that is served; its file goes with it.
#[derive(Debug)]
pub struct Control {
    path: PathBuf,
}

impl Drop for Control {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

impl Control {
    /// Serves a site on a socket at a path. What is left there of a daemon that was killed is replaced.
    ///
    /// # Errors
    /// The socket cannot be made.
    pub fn open(path: &Path, site: &Arc<Site>, reload: Arc<Reload>) -> io::Result<Self> {
        // The data directory is held by this process, so nobody is listening on what is there.
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = reached(path, |path| UnixListener::bind(path))?;
        fs::set_permissions(path, Permissions::from_mode(0o600))?;
        let (site, open) = (Arc::clone(site), Arc::new(AtomicUsize::new(0)));
        let accept = move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else {
                    // Out of descriptors, most likely: asking again at once would only burn time.
                    #[expect(clippy::disallowed_methods, reason = "the accepting thread has nothing else to do")]
                    std::thread::sleep(PAUSE);
                    continue;
                };
                let served = Served::new(&open);
                if served.number > CONNECTIONS || !is_ours(&stream) {
                    continue;
                }
                let (site, reload) = (Arc::clone(&site), Arc::clone(&reload));
                let serve = move || {
                    let _served = served;
                    if let Err(error) = serve(&stream, &site, reload.as_ref()) {
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

/// Calls with a path to a socket that is short enough for one: a long one through its folder.
///
/// # Errors
/// The folder cannot be opened, or the call failed.
pub fn reached<T>(path: &Path, call: impl FnOnce(&Path) -> io::Result<T>) -> io::Result<T> {
    const LONGEST_NAME: usize = 100;
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else { return call(path) };
    if path.as_os_str().len() <= LONGEST_NAME {
        return call(path);
    }
    let folder = File::open(folder)?;
    call(&Path::new("/proc/self/fd").join(folder.as_raw_fd().to_string()).join(name))
}

/// A connection's place among all.
struct Served {
    open: Arc<AtomicUsize>,
    number: usize,
}

impl Served {
    fn new(open: &Arc<AtomicUsize>) -> Self {
        Self { number: open.fetch_add(1, Ordering::AcqRel) + 1, open: Arc::clone(open) }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.open.fetch_sub(1, Ordering::AcqRel);
    }
}

fn is_ours(stream: &UnixStream) -> bool {
    socket_peercred(stream).is_ok_and(|peer| peer.uid == geteuid() || peer.uid.is_root())
}

fn serve(mut stream: &UnixStream, site: &Site, reload: &Reload) -> io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?);
    loop {
        let mut line = Vec::new();
        lines.by_ref().take(LONGEST).read_until(b'\n', &mut line)?;
        if line.is_empty() {
            return Ok(());
        }
        let request = match super::words::request(&line) {
            Ok(request) => request,
            Err(error) => {
                answer(stream, &json!({ "error": error }))?;
                // What is no line may be the beginning of anything.
                if line.last() != Some(&b'\n') {
                    return Ok(());
                }
                continue;
            }
        };
        if request == Request::Events {
            return follow(stream, site);
        }
        let call = || match request {
            Request::Reload => reload().map(|()| Value::Null),
            _ => site.control(&request).map_err(|error| error.to_string()),
        };
        let done = catch_unwind(AssertUnwindSafe(call));
        let done = done.unwrap_or_else(|_| Err("internal error; the log of the daemon has more".into()));
        let said = match done {
            Ok(value) => json!({ "ok": value }),
            Err(error) => json!({ "error": error }),
        };
        answer(stream, &said)?;
        stream.flush()?;
    }
}

fn answer(mut stream: &UnixStream, value: &Value) -> io::Result<()> {
    let mut line = value.to_string();
    line.push('\n');
    stream.write_all(line.as_bytes())
}

/// Events until the other side has gone.
fn follow(stream: &UnixStream, site: &Site) -> io::Result<()> {
    let events = site.follow();
    answer(stream, &json!({ "ok": null }))?;
    stream.set_read_timeout(Some(Duration::from_millis(1)))?;
    loop {
        match events.recv_timeout(NOTICE) {
            Ok(event) => answer(stream, &serde_json::to_value(&event).unwrap_or_default())?,
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
            Err(RecvTimeoutError::Timeout) => {
                // Nothing more is asked here; the end of it is that the other side has gone.
                if matches!((&mut &*stream).read(&mut [0; 64]), Ok(0)) {
                    return Ok(());
                }
            }
        }
    }
}
