//! The socket of the frontend: accepts the connections by which programs open devices.

use crate::description::{Description, lock};
use crate::nodes::Nodes;
use crate::socket;
use crate::tree::Tree;
use command_line::temporary_dir::TemporaryDir;
use linux_scsi::Errno;
use linux_scsi::call::{REQUEST_LEN, Reply, Request, SOCKET, TREE};
use linux_scsi::node::Node;
use rustix::fd::{AsFd, OwnedFd};
use rustix::net::SocketFlags;
use std::collections::HashMap;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use vtl::clock::Clock;

/// Prefix of the names of the directories.
const PREFIX: &str = "ferric-run-";
/// Longest path of a directory whose socket has a valid address.
const MAX_DIRECTORY: usize = 80;
/// Characters of the secret part of a path.
const SECRET_LEN: usize = 16;
/// Time after which connections are accepted again when the process has too many open files.
const RETRY_INTERVAL: Duration = Duration::from_millis(20);
/// Attempts to accept a connection before it is refused because of too many open files.
const MAX_ATTEMPTS: u32 = 5;
/// Stack of the thread of an open device.
const STACK: usize = 256 << 10;

/// The common state of the threads of the frontend.
pub(crate) struct Shared {
    pub(crate) nodes: Nodes,
    pub(crate) clock: Clock,
    /// Inode numbers of the files that stand for nodes, by device number.
    inodes: HashMap<u32, u64>,
    descriptions: Mutex<Vec<Arc<Description>>>,
}

impl Shared {
    pub(crate) fn inode(&self, node: Node) -> u64 {
        self.inodes.get(&node.number()).copied().unwrap_or_default()
    }

    /// Closes the devices that all processes have closed: the drivers have finished with them before another call
    /// begins, as if `close(2)` or the end of the process had done it.
    pub(crate) fn release_closed(&self) {
        let open = lock(&self.descriptions).clone();
        let closed = socket::hung_up(open.iter().map(|description| description.socket.as_fd()));
        for (description, _) in open.iter().zip(closed).filter(|(_, is_closed)| *is_closed) {
            let _ = description.release_if_closed();
        }
        lock(&self.descriptions).retain(|description| !description.is_released());
    }
}

/// The devices of `ferric run`: a directory with a socket and the files that programs see.
pub struct Frontend {
    shared: Arc<Shared>,
    path: PathBuf,
    _directory: TemporaryDir,
}

impl Frontend {
    /// Creates the directory and serves the socket in it.
    ///
    /// # Errors
    /// The directory, a file or the socket cannot be created.
    pub fn open(nodes: Nodes, clock: Clock) -> io::Result<Self> {
        let (directory, path) = create_directory()?;
        let root = path.join(TREE);
        Tree::create(&root, &nodes)?;
        let listener = socket::listen(&path.join(SOCKET))?;
        // Every user that can reach the directory can connect.
        fs::set_permissions(path.join(SOCKET), Permissions::from_mode(0o666))?;
        let shared =
            Arc::new(Shared { inodes: inodes(&root.join("dev"))?, nodes, clock, descriptions: Mutex::default() });
        let server = Arc::clone(&shared);
        std::thread::Builder::new().name("accept".into()).spawn(move || accept(&server, &listener))?;
        Ok(Self { shared, path, _directory: directory })
    }

    /// The directory, for the environment variable of programs.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.path
    }

    /// The units and their nodes.
    #[must_use]
    pub fn nodes(&self) -> &Nodes {
        &self.shared.nodes
    }

    /// Closes all devices, even if processes have them open.
    pub fn close(self) {
        let open = std::mem::take(&mut *lock(&self.shared.descriptions));
        for description in open {
            description.handle_messages();
            let _ = description.release();
        }
    }
}

/// A new directory. That of root has a part that other users cannot guess: programs that root starts may run as any user.
///
/// # Errors
/// It cannot be created; the error names the place.
fn create_directory() -> io::Result<(TemporaryDir, PathBuf)> {
    // The address of a socket is short, and programs get the path without symbolic links.
    let parent = std::env::temp_dir();
    let short = parent.canonicalize().is_ok_and(|path| path.as_os_str().len() <= MAX_DIRECTORY);
    let parent = if short || !parent.exists() { parent } else { PathBuf::from("/tmp") };
    create_below(&parent).map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", parent.display())))
}

fn create_below(parent: &Path) -> io::Result<(TemporaryDir, PathBuf)> {
    let is_root = rustix::process::geteuid().is_root();
    let directory = TemporaryDir::create(parent, PREFIX, if is_root { 0o711 } else { 0o700 })?;
    if !is_root {
        let path = directory.path().canonicalize()?;
        return Ok((directory, path));
    }
    let mut inner = tempfile::Builder::new();
    inner.prefix("").rand_bytes(SECRET_LEN).permissions(Permissions::from_mode(0o755));
    let path = inner.tempdir_in(directory.path())?.keep().canonicalize()?;
    Ok((directory, path))
}

/// Inode numbers of the files below a directory that stand for nodes.
fn inodes(directory: &Path) -> io::Result<HashMap<u32, u64>> {
    let mut found = HashMap::new();
    for entry in fs::read_dir(directory)?.chain(fs::read_dir(directory.join("bsg"))?) {
        let stat = entry?.metadata()?;
        if stat.is_file() {
            found.insert(u32::try_from(stat.size()).unwrap_or_default(), stat.ino());
        }
    }
    Ok(found)
}

fn accept(shared: &Arc<Shared>, listener: &OwnedFd) {
    // With too many open files, this one makes room to refuse a connection.
    let mut reserve = listener.try_clone().ok();
    let mut attempts = 0;
    loop {
        match rustix::net::accept_with(listener, SocketFlags::CLOEXEC) {
            Ok(socket) => {
                attempts = 0;
                let shared = Arc::clone(shared);
                let serve = move || serve(&shared, socket);
                // Without a thread, the socket is closed: the program gets an error.
                let _ = std::thread::Builder::new().name("device".into()).stack_size(STACK).spawn(serve);
            }
            // The threads of devices that all processes have closed end soon, and close their files.
            Err(rustix::io::Errno::MFILE | rustix::io::Errno::NFILE) if attempts < MAX_ATTEMPTS => {
                attempts += 1;
                shared.release_closed();
                std::thread::park_timeout(RETRY_INTERVAL);
            }
            Err(rustix::io::Errno::MFILE | rustix::io::Errno::NFILE) if reserve.is_some() => {
                attempts = 0;
                drop(reserve.take());
                if let Ok(socket) = rustix::net::accept_with(listener, SocketFlags::CLOEXEC) {
                    let _ = socket::send(socket.as_fd(), &[&Reply(Err(Errno::ENFILE)).encode()]);
                }
                reserve = listener.try_clone().ok();
            }
            // A connection that was closed, or too many open files: the next attempt may succeed.
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                std::thread::park_timeout(RETRY_INTERVAL);
                reserve = reserve.or_else(|| listener.try_clone().ok());
            }
        }
    }
}

/// Serves a connection: its first message opens a device.
fn serve(shared: &Arc<Shared>, socket: OwnedFd) {
    let mut message = [0; REQUEST_LEN];
    let received = socket::receive(socket.as_fd(), &mut message, true);
    if !matches!(received, Ok(Some(_))) {
        return;
    }
    let Some((Request::Open { device, flags }, _)) = Request::decode(&message) else {
        let _ = socket::send(socket.as_fd(), &[&Reply(Err(Errno::EINVAL)).encode()]);
        return;
    };
    shared.release_closed();
    match Description::open(shared, socket, device, flags) {
        Err((socket, errno)) => {
            let _ = socket::send(socket.as_fd(), &[&Reply(Err(errno)).encode()]);
        }
        Ok(description) => {
            let description = Arc::new(description);
            lock(&shared.descriptions).push(Arc::clone(&description));
            description.serve();
            lock(&shared.descriptions).retain(|other| !Arc::ptr_eq(other, &description));
        }
    }
}
