//! The variables of `ferric run` in the environment, and the start of a program.

use super::kernel::{self, Identity};
use crate::path::{PathBuffer, SHARED_DIRECTORIES};
use linux_scsi::call::{SOCKET, TREE};
use std::ffi::CStr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI32, Ordering};

/// A directory that the tree shares with the system: that of the system, and that in the tree.
pub(crate) type Shared = [Option<Identity>; 2];

/// Where `ferric run` is.
pub(crate) struct Run {
    /// Path of its tree of files, without a final NUL.
    tree: PathBuffer,
    /// Path of its socket.
    socket: PathBuffer,
    /// File system of the tree: device number, and owner of its files.
    pub(crate) device: u64,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    shared: OnceLock<[Shared; SHARED_DIRECTORIES.len()]>,
    /// Entries of the environment that programs need, as `NAME=value`.
    entries: [PathBuffer; 2],
}

/// The variables that programs need: where `ferric run` is, and this library.
const NEEDED: [(&CStr, &[u8]); 2] = [(c"FERRIC_RUN", b"FERRIC_RUN="), (c"LD_PRELOAD", b"LD_PRELOAD=")];

impl Run {
    /// Path of the tree of files, without NUL.
    pub(crate) fn tree(&self) -> &[u8] {
        self.tree.bytes()
    }

    /// The directories of [`SHARED_DIRECTORIES`], each that of the system and that in the tree.
    pub(crate) fn shared(&self) -> &[Shared] {
        let identity = |path: &CStr| rustix::fs::stat(path).ok().map(|stat| (stat.st_dev, stat.st_ino));
        self.shared.get_or_init(|| {
            SHARED_DIRECTORIES.map(|path| {
                let in_tree = PathBuffer::concat([self.tree(), path.to_bytes()]);
                [identity(path), in_tree.and_then(|path| identity(path.c_str()))]
            })
        })
    }

    /// The entries of the environment that programs need, each with the begin that identifies it.
    pub(crate) fn entries(&self) -> [(&'static [u8], &CStr); 2] {
        let [directory, library] = NEEDED;
        let [of_directory, of_library] = &self.entries;
        [(directory.1, of_directory.c_str()), (library.1, of_library.c_str())]
    }

    /// Path of the socket, without NUL.
    pub(crate) fn socket(&self) -> &[u8] {
        self.socket.bytes()
    }
}

static RUN: OnceLock<Option<Run>> = OnceLock::new();
/// The process that uses the memory of this library. Between `vfork` and `exec`, the child shares it.
static PROCESS: AtomicI32 = AtomicI32::new(0);

/// Where `ferric run` is; `None` if the program does not run under it.
pub(crate) fn run() -> Option<&'static Run> {
    RUN.get_or_init(find).as_ref()
}

fn find() -> Option<Run> {
    PROCESS.store(kernel::process(), Ordering::Relaxed);
    let [(directory, directory_begin), (library, library_begin)] = NEEDED;
    let directory = variable(directory)?;
    let entries = [
        PathBuffer::concat([directory_begin, directory])?,
        PathBuffer::concat([library_begin, variable(library).unwrap_or_default()])?,
    ];
    let below = |name: &str| {
        let with_slash = PathBuffer::concat([directory, b"/"])?;
        PathBuffer::concat([with_slash.bytes(), name.as_bytes()])
    };
    let (tree, socket) = (below(TREE)?, below(SOCKET)?);
    // Without its files, ferric run has ended: descriptors of its devices are still recognised, and their calls fail.
    let stat = rustix::fs::stat(tree.c_str()).ok();
    let (device, uid, gid) = stat.map_or((u64::MAX, 0, 0), |stat| (stat.st_dev, stat.st_uid, stat.st_gid));
    Some(Run { tree, socket, device, uid, gid, shared: OnceLock::new(), entries })
}

/// The value of a variable of the environment. Only to be copied: the program may change it later.
fn variable(name: &CStr) -> Option<&'static [u8]> {
    // SAFETY: the name is a C string. The program does not change its environment yet: this runs before `main`, or in the
    // first call of a library that is initialised before this one.
    let value = unsafe { libc::getenv(name.as_ptr()) };
    // SAFETY: the C library returns a string.
    (!value.is_null()).then(|| unsafe { CStr::from_ptr(value) }.to_bytes())
}

/// Whether this process shares the memory of its parent, but not its file descriptors: it runs between `vfork` and `exec`.
pub(crate) fn is_vfork_child() -> bool {
    PROCESS.load(Ordering::Relaxed) != kernel::process()
}

extern "C" fn after_fork() {
    PROCESS.store(kernel::process(), Ordering::Relaxed);
    crate::channel::forget_all();
}

extern "C" fn initialise() {
    if run().is_some() {
        // SAFETY: the handler is a function of this library, which is never unloaded.
        unsafe { libc::pthread_atfork(None, None, Some(after_fork)) };
        if crate::descriptor::description(0).is_some() {
            super::streams::now_device(0);
        }
    }
}

// SAFETY: the loader calls the functions of this section, which take no arguments they use, before `main`.
#[used]
#[unsafe(link_section = ".init_array")]
static INITIALISE: extern "C" fn() = initialise;
