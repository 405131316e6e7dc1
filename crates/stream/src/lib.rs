//! Commands over a Unix socket, for clients without iSCSI: one frame has a command, one its response.
//!
//! docs/stream.md describes the frames. Each connection is an I_T nexus and has one command at a time. Only root and the
//! user of the process may connect.
//!
//! ```
//! use std::io::{Read, Write};
//! use std::os::unix::net::UnixStream;
//! use vtl_stream::StreamSocket;
//!
//! let directory = tempfile::tempdir()?;
//! let path = directory.path().join("scsi.sock");
//! let site = vtl::Library::builder().open()?;
//! let socket = StreamSocket::open(&path, &site)?;
//! let mut stream = UnixStream::connect(&path)?;
//! stream.write_all(b"\x01\0\0\0\0\0\0\x0cFSTR\0\x01\0\0\0\0\0\0")?; // OPEN, version 1
//! let mut header = [0; 8];
//! stream.read_exact(&mut header)?;
//! assert_eq!(header[0], 0x81); // OPENED
//! # socket.close();
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod connection;
mod connections;
pub mod frame;

use connection::End;
use connections::Connections;
use rustix::net::sockopt::socket_peercred;
use rustix::process::geteuid;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::Builder;
use std::time::Duration;
use vtl::control::socket::with_short_path;
use vtl::site::Site;

/// Stack size of a connection's thread in bytes; commands run on it.
const THREAD_STACK_BYTES: usize = 512 << 10;
/// Delay after a connection could not be accepted.
const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(100);

/// A socket that serves every target of a site. Dropping it closes its connections and removes its file.
pub struct StreamSocket {
    path: PathBuf,
    connections: Arc<Connections>,
}

impl StreamSocket {
    /// Serves a site on a socket at a path, with the permissions 0600. A socket that no process serves is replaced.
    ///
    /// # Errors
    /// Another process serves the socket, the path is another kind of file, or the socket cannot be created.
    pub fn open(path: &Path, site: &Arc<Site>) -> io::Result<Self> {
        remove_unused(path)?;
        let listener = with_short_path(path, |path| UnixListener::bind(path))?;
        fs::set_permissions(path, Permissions::from_mode(0o600))?;
        let connections = Arc::<Connections>::default();
        let (shared, site) = (Arc::clone(&connections), Arc::clone(site));
        let accept = move || {
            for stream in listener.incoming() {
                if let Err(error) = stream.and_then(|stream| spawn_connection(stream, &site, &shared)) {
                    tracing::warn!(%error, "cannot accept a connection of the stream socket");
                    // Probably no free file descriptor: an immediate retry would fail again.
                    #[expect(clippy::disallowed_methods, reason = "the accepting thread has nothing else to do")]
                    std::thread::sleep(ACCEPT_RETRY_DELAY);
                }
            }
        };
        Builder::new().name("stream".into()).spawn(accept)?;
        Ok(Self { path: path.into(), connections })
    }

    /// The path at which the socket was created.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Closes every connection and refuses new ones. Returns when the running commands have ended, after 10 s at the
    /// latest.
    pub fn close(&self) {
        self.connections.close();
    }
}

impl Drop for StreamSocket {
    fn drop(&mut self) {
        self.close();
        let _ = fs::remove_file(&self.path);
    }
}

/// Removes a socket that no process serves.
fn remove_unused(path: &Path) -> io::Result<()> {
    let kind = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata.file_type(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if !kind.is_socket() {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, "the file exists and is not a socket"));
    }
    if with_short_path(path, |path| UnixStream::connect(path)).is_ok() {
        return Err(io::Error::new(io::ErrorKind::AddrInUse, "another process serves the socket"));
    }
    fs::remove_file(path)
}

fn spawn_connection(stream: UnixStream, site: &Arc<Site>, connections: &Arc<Connections>) -> io::Result<()> {
    let peer = socket_peercred(&stream)?;
    if peer.uid != geteuid() && !peer.uid.is_root() {
        return Ok(());
    }
    let number = match connections.add(&stream)? {
        Ok(number) => number,
        Err(error) => {
            stream.set_nonblocking(true)?;
            connection::refuse(&stream, &error);
            return Ok(());
        }
    };
    let peer = format!("stream socket (process {})", peer.pid.as_raw_nonzero());
    let (site, shared) = (Arc::clone(site), Arc::clone(connections));
    let serve = move || {
        let slot = shared.slot(number);
        match connection::serve(&stream, &site, &slot, peer.clone()) {
            End::Closed => tracing::debug!(peer, "stream connection closed"),
            End::Io(error) => tracing::debug!(peer, %error, "stream connection ended"),
            End::Refused(error) => tracing::debug!(peer, %error, "stream connection refused"),
        }
    };
    let spawned = Builder::new().name(format!("stream-{number}")).stack_size(THREAD_STACK_BYTES).spawn(serve);
    if spawned.is_err() {
        connections.remove(number);
    }
    spawned.map(drop)
}
