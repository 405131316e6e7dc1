//! Interfaces of the storage under a tape: a file, a folder of files per cartridge, and a store of folders.

pub mod file;
pub mod memory;
mod thawing;

#[cfg(any(test, feature = "testing"))]
pub mod faulty;

use std::collections::BTreeMap;
use std::io::{self, IoSlice, IoSliceMut};
use std::sync::Arc;
pub use thawing::{BeingThawed, ThawProgress, Thawing};

/// One file of random-access bytes. Errors are those of the storage; reading beyond the end is not an error.
pub trait Backend: Send {
    /// Length of the file in bytes.
    ///
    /// # Errors
    /// The storage fails.
    fn len(&mut self) -> io::Result<u64>;
    /// Fills the slices from `offset`; returns the number of bytes read, which is less only at the end of the file.
    ///
    /// # Errors
    /// The storage fails.
    fn read_at(&mut self, offset: u64, into: &mut [IoSliceMut<'_>]) -> io::Result<usize>;
    /// Writes all slices at `offset`, and extends the file if necessary.
    ///
    /// # Errors
    /// The storage fails; an unknown part may have been written.
    fn write_at(&mut self, offset: u64, from: &[IoSlice<'_>]) -> io::Result<()>;
    /// Truncates or extends the file to this length in bytes.
    ///
    /// # Errors
    /// The storage fails.
    fn set_len(&mut self, len: u64) -> io::Result<()>;
    /// Hint: start to write `len` bytes at `offset` to the disk without waiting, so that a later [`Self::sync`] is
    /// fast.
    fn start_write_back(&mut self, _offset: u64, _len: u64) {}
    /// Hint: `len` bytes at `offset` will be read soon.
    fn advise_read(&mut self, _offset: u64, _len: u64) {}
    /// Makes everything written so far durable.
    ///
    /// # Errors
    /// The storage fails: nothing written since the last success is guaranteed to be durable.
    fn sync(&mut self) -> io::Result<()>;
    /// Checks that the file is still linked in its folder: the content of an unlinked file is lost when it is closed.
    ///
    /// # Errors
    /// The file was removed, or the storage fails.
    fn check_linked(&mut self) -> io::Result<()> {
        Ok(())
    }
    /// Whether the file is empty.
    ///
    /// # Errors
    /// The storage fails.
    fn is_empty(&mut self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }
}

/// A file that discards everything written to it; its length is always 0.
#[derive(Clone, Copy, Debug)]
pub struct DiscardFile;

impl Backend for DiscardFile {
    fn len(&mut self) -> io::Result<u64> {
        Ok(0)
    }
    fn read_at(&mut self, _offset: u64, _into: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        Ok(0)
    }
    fn write_at(&mut self, _offset: u64, _from: &[IoSlice<'_>]) -> io::Result<()> {
        Ok(())
    }
    fn set_len(&mut self, _len: u64) -> io::Result<()> {
        Ok(())
    }
    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The folder with the files of one cartridge.
///
/// The folder can be in a store that several daemons share. Its errors, and those of its files, then carry [`TakenOver`]
/// once another daemon has the cartridge.
pub trait Folder: Send {
    /// Locks the folder while this value exists: exclusively, or shared with other shared locks.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] if another value holds a conflicting lock.
    fn lock(&mut self, shared: bool) -> io::Result<()>;
    /// Opens a file for reading; `None` if it does not exist.
    ///
    /// # Errors
    /// The storage fails.
    fn open_read_only(&mut self, name: &str) -> io::Result<Option<Box<dyn Backend>>>;
    /// Another value for the same folder, without the lock.
    ///
    /// # Errors
    /// The storage fails.
    fn reopen(&mut self) -> io::Result<Box<dyn Folder>>;
    /// Renames a file, atomically and durably; an existing file with the new name is replaced.
    ///
    /// # Errors
    /// The storage fails.
    fn rename(&mut self, from: &str, to: &str) -> io::Result<()>;
    /// Opens a file for reading and writing, and creates it if it does not exist.
    ///
    /// # Errors
    /// The storage fails.
    fn open(&mut self, name: &str) -> io::Result<Box<dyn Backend>>;
    /// The content of a small file (at most [`MAX_SMALL_FILE`] bytes); `None` if it does not exist.
    ///
    /// # Errors
    /// The storage fails.
    fn read(&mut self, name: &str) -> io::Result<Option<Vec<u8>>>;
    /// Replaces a whole file, atomically and durably: after a crash it has the old or the new content.
    ///
    /// # Errors
    /// The storage fails; the old content remains.
    fn replace(&mut self, name: &str, bytes: &[u8]) -> io::Result<()>;
    /// Removes a file; a missing file is not an error.
    ///
    /// # Errors
    /// The storage fails.
    fn remove(&mut self, name: &str) -> io::Result<()>;
    /// Names of all files in the folder.
    ///
    /// # Errors
    /// The storage fails.
    fn list(&mut self) -> io::Result<Vec<String>>;
    /// Bytes that can still be written; `None` without a limit.
    fn available(&mut self) -> Option<u64>;
    /// Checks that files can be created and replaced in the folder, without doing it.
    ///
    /// # Errors
    /// They cannot, or the storage fails.
    fn check_writable(&mut self) -> io::Result<()> {
        Ok(())
    }
    /// A number that changes when a file is created, removed or changed in any way, permissions included; `None` if the
    /// storage does not provide one.
    ///
    /// # Errors
    /// The storage fails.
    fn fingerprint(&mut self) -> io::Result<Option<u64>> {
        Ok(None)
    }
    /// Makes what is synchronised durable beyond this machine, if the store behind the folder promises that. Called after the
    /// files were synchronised, even if nothing has changed since the last call.
    ///
    /// # Errors
    /// The store fails: nothing since the last success is guaranteed to be durable beyond this machine. A tape repeats the
    /// call before the next write.
    fn commit(&mut self, _point: CommitPoint) -> io::Result<()> {
        Ok(())
    }
    /// Whether calls of this folder and of its files may wait for a network. The owner of a drive then runs no command for
    /// the tape on a thread that serves other units.
    fn may_wait(&self) -> bool {
        false
    }
    /// Whether writes at the end of the files may wait for a network now. The answer may change with each call.
    fn append_may_wait(&self) -> bool {
        self.may_wait()
    }
    /// The thawing of the objects that a load of the tape needs, if the store of the folder has objects that must be thawed before they
    /// are read. It begins now, in the background. `None` if nothing must be thawed for certain.
    fn thaw(&mut self) -> Option<Box<dyn Thawing>> {
        None
    }
    /// Whether the files can only be read: the folder is a copy, because the store of the original does not respond. It may become
    /// one when it is locked. The cartridge is then write-protected, and its cartridge memory is not changed.
    fn is_read_only(&self) -> bool {
        false
    }
    /// Whether the files were copied here from another store, which may have a newer state. They may have been changed since.
    fn is_copied(&self) -> bool {
        false
    }
    /// The retention or the legal hold that a store beyond this machine has recorded for the folder; `None` if there is none now. For
    /// other folders, the cartridge memory alone has them.
    ///
    /// # Errors
    /// Another program uses the folder ([`io::ErrorKind::WouldBlock`]), or the store fails.
    fn protection(&mut self) -> io::Result<Option<FolderProtection>> {
        Ok(None)
    }
}

/// A retention that has not ended, or a legal hold, which a store has recorded for a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FolderProtection {
    /// The reason why the files must not be removed, such as `is under a legal hold`.
    pub reason: String,
    /// Whether the store itself denies the removal of the files, also after they were removed from the folder.
    pub in_store: bool,
}

/// The error of a removal that is refused because the folder is retained or under a legal hold: an [`io::Error`] of a
/// [`FolderStore`] carries it. It becomes [`StoreError::Protected`](crate::error::StoreError::Protected). Nothing was removed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the cartridge {reason}")]
pub struct Protected {
    /// The reason, such as `is under a legal hold`.
    pub reason: String,
}

impl From<Protected> for io::Error {
    fn from(protected: Protected) -> Self {
        Self::new(io::ErrorKind::PermissionDenied, protected)
    }
}

impl Protected {
    /// The value that an I/O error carries.
    #[must_use]
    pub fn carried_by(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }
}

/// The reason of a call of [`Folder::commit`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CommitPoint {
    /// The tape was synchronised and stays mounted: WRITE FILEMARKS with IMMED=0, or a change of the position.
    Synchronise,
    /// The tape was closed, or the cartridge was created or changed outside a drive. No call of this folder follows. A drive
    /// has saved the cartridge memory before, with another value of the folder.
    Unload,
    /// The folder is a complete copy, whose source is removed next: it is durable beyond this machine when the call ends, also in a
    /// store in which an unload does not wait for that.
    Copy,
    /// The retention or the legal hold was changed outside a drive: the new one counts beyond this machine when the call ends, also in
    /// a store in which an unload does not wait for that. If the call fails, the former cartridge memory is restored, and no further
    /// call for it follows.
    Protection,
}

/// The error of a cartridge that another daemon has taken over, in a store that several daemons share: an [`io::Error`] of a
/// [`Folder`] or a [`Backend`] carries it. It becomes [`StoreError::TakenOver`](crate::error::StoreError::TakenOver). Nothing
/// is written to the cartridge from then on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the cartridge was taken over by {owner}")]
pub struct TakenOver {
    /// Name of the daemon that has the cartridge now.
    pub owner: String,
}

impl From<TakenOver> for io::Error {
    fn from(taken_over: TakenOver) -> Self {
        Self::other(taken_over)
    }
}

impl TakenOver {
    /// The value that an I/O error carries, directly or as the cause of another I/O error.
    #[must_use]
    pub fn carried_by(error: &io::Error) -> Option<&Self> {
        let carried = error.get_ref()?;
        carried.downcast_ref().or_else(|| Self::carried_by(carried.downcast_ref()?))
    }
}

/// The first of `NAME`, `NAME.1`, `NAME.2` and so on that is not the name of a file in the folder.
///
/// # Errors
/// The storage fails.
pub fn free_name(folder: &mut dyn Folder, name: &str) -> io::Result<String> {
    let names = folder.list()?;
    let all = std::iter::once(name.to_owned()).chain((1_u32..).map(|number| format!("{name}.{number}")));
    let mut free = all.filter(|candidate| !names.contains(candidate));
    free.next().ok_or_else(|| io::ErrorKind::AlreadyExists.into())
}

/// Measures how long the synchronisations of files take. The owner of a store supplies it, since the store has no clock.
pub trait SyncTimer: Send + Sync + std::fmt::Debug {
    /// Calls `sync` once, and returns its result.
    ///
    /// # Errors
    /// Those of `sync`.
    fn time(&self, sync: &mut dyn FnMut() -> io::Result<()>) -> io::Result<()>;
}

/// A store of folders by name. Calls for different folders run at the same time, so that a slow one delays no other.
pub trait FolderStore: Send + Sync {
    /// Names of all folders in the store.
    ///
    /// # Errors
    /// The storage fails.
    fn list(&self) -> io::Result<Vec<String>>;
    /// Whether the store has no folder. A store with very many need not list them.
    ///
    /// # Errors
    /// The storage fails.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.list()?.is_empty())
    }
    /// Writes what the store writes later otherwise: its list of folders, and the content of folders that is not on their shelf yet.
    ///
    /// # Errors
    /// The content of a folder is on this machine only; the error names the folder.
    fn flush(&self) -> io::Result<()> {
        Ok(())
    }
    /// Opens an existing folder.
    ///
    /// # Errors
    /// The folder does not exist, or the storage fails.
    fn open(&self, name: &str) -> io::Result<Box<dyn Folder>>;
    /// Whether this process has the files of a folder on this machine, for a drive or a change, so that [`Self::open`] does not wait for
    /// a network.
    fn is_taken(&self, _name: &str) -> bool {
        false
    }
    /// The process is going to end: from now on, calls do not wait long for a store that does not respond.
    fn stop(&self) {}
    /// Creates a new folder.
    ///
    /// # Errors
    /// The folder exists, or the storage fails.
    fn create(&self, name: &str) -> io::Result<Box<dyn Folder>>;
    /// Measures the synchronisations of files that are opened from now on. A store without durable files measures nothing.
    fn set_sync_timer(&mut self, _timer: Arc<dyn SyncTimer>) {}
    /// Removes a folder with its files; a missing folder is not an error.
    ///
    /// # Errors
    /// The error carries [`Protected`] if the folder is retained or under a legal hold, or the storage fails; then some of the files
    /// may already be removed.
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Creates an empty folder, which can replace the existing folder `name` by [`Self::replace`]. The remains of an
    /// interrupted replacement are removed first.
    ///
    /// # Errors
    /// The storage fails, or has no such operation ([`io::ErrorKind::Unsupported`]).
    fn create_replacement(&self, _name: &str) -> io::Result<Box<dyn Folder>> {
        Err(io::ErrorKind::Unsupported.into())
    }
    /// Replaces the folder `name` by its replacement, atomically and durably, and removes the old folder.
    ///
    /// # Errors
    /// The storage fails: nothing has changed, or the folder was replaced and the message says that the old one remains.
    fn replace(&self, _name: &str) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
    /// Removes the replacement of the folder `name`; a missing one is not an error.
    ///
    /// # Errors
    /// The storage fails; some of the files may already be removed.
    fn remove_replacement(&self, _name: &str) -> io::Result<()> {
        Ok(())
    }
    /// State of a store on a shelf; nothing for another store. It must not wait for the object store.
    fn shelving(&self) -> Shelving {
        Shelving::default()
    }
    /// Whether the name is in use: by a folder, or by something else that prevents a folder of this name.
    ///
    /// # Errors
    /// The storage fails; then it is unknown.
    fn is_occupied(&self, name: &str) -> io::Result<bool> {
        match self.open(name) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// State of a store whose folders are on a shelf in an object store, with local files for those in use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shelving {
    /// The folders that have bytes in local files only, and the number of these bytes.
    pub unshelved: BTreeMap<String, u64>,
    /// The folders that could not be put on the shelf the last time, and the reason.
    pub unreleased: BTreeMap<String, String>,
    /// Bytes of local files that are on the shelf, too.
    pub cached_bytes: u64,
    /// Maximum number of such bytes.
    pub cache_bytes: u64,
    /// Reason why the object store did not respond the last time.
    pub error: Option<String>,
    /// The names of the replicas of the shelf, and what each of them does not have.
    pub replicas: Vec<(String, ReplicaLag)>,
    /// The folders whose data the object store is thawing because a read needs it, and its progress.
    pub thawing: BTreeMap<String, ThawProgress>,
}

/// The part of the changes of a shelf that its replica does not have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReplicaLag {
    /// Number of folders whose newest state may not be on the replica: changed folders, and folders that were not compared with a new
    /// replica yet.
    pub folders: u64,
    /// Bytes of these states that are not on the replica, as far as they are known: bytes of changes, without copies that have ended
    /// in part, and of the folders that are copied now.
    pub bytes: u64,
    /// Seconds since the first of these changes, or since the start of the program if it is older or folders are compared.
    pub seconds: u64,
    /// The folders whose last copy has failed, and the reason.
    pub failed: BTreeMap<String, String>,
}

/// Marks the I/O error of a directory of cartridges that cannot be read: whether it contains a cartridge is unknown.
/// The errors of [`FolderStore`] carry it.
#[derive(Debug, thiserror::Error)]
#[error("directory {0}")]
pub(crate) struct UnreadableDirectory(pub(crate) String);

/// Maximum size in bytes of a file that [`Folder::read`] returns.
pub const MAX_SMALL_FILE: u64 = 1 << 20;
