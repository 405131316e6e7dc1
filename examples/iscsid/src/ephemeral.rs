//! `--ephemeral`: a temporary data directory that is removed on exit. The next process removes the directories of
//! processes that were killed.

use rustix::fs::{FlockOperation, OFlags, flock};
use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use tempfile::TempDir;

/// Prefix of the names of the directories.
const PREFIX: &str = "ferric-ephemeral-";
/// A file in each directory, locked by the process that uses it. A directory without this file is never removed.
const OWNER: &str = "ephemeral";

/// A temporary data directory, removed when this is dropped.
pub(crate) struct Ephemeral {
    directory: TempDir,
    _owner: File,
}

impl Ephemeral {
    /// Removes the directories of processes that have ended without doing so, then creates a directory.
    ///
    /// # Errors
    /// The directory cannot be created.
    pub(crate) fn create() -> io::Result<Self> {
        remove_leftovers(&std::env::temp_dir());
        let directory = tempfile::Builder::new().prefix(PREFIX).permissions(Permissions::from_mode(0o700)).tempdir()?;
        // Locked before it gets its name, so that no other process finds it unlocked.
        let (new, owner) = (directory.path().join("ephemeral.new"), directory.path().join(OWNER));
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
        flock(&file, FlockOperation::NonBlockingLockExclusive)?;
        fs::rename(&new, &owner)?;
        Ok(Self { directory, _owner: file })
    }

    /// Path of the directory.
    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }
}

/// Removes this user's directories whose process has ended.
fn remove_leftovers(parent: &Path) {
    let Ok(entries) = fs::read_dir(parent) else { return };
    for entry in entries.flatten().filter(|entry| entry.file_name().as_encoded_bytes().starts_with(PREFIX.as_bytes())) {
        let path = entry.path();
        // The lock is held until the directory is removed.
        let Some(_owner) = take_over(&path) else { continue };
        match fs::remove_dir_all(&path) {
            Ok(()) => {
                tracing::info!(path = %path.display(), "removed the directory of a killed ephemeral site")
            }
            Err(error) => {
                tracing::warn!(
                    path = %path.display(),
                    %error,
                    "cannot remove the directory of a killed ephemeral site"
                )
            }
        }
    }
}

/// Locks a directory of this user whose process has ended; `None` for any other.
fn take_over(path: &Path) -> Option<File> {
    let own = rustix::process::geteuid().as_raw();
    fs::symlink_metadata(path).ok().filter(|data| data.is_dir() && data.uid() == own)?;
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let owner = OpenOptions::new().read(true).custom_flags(flags).open(path.join(OWNER)).ok()?;
    flock(&owner, FlockOperation::NonBlockingLockExclusive).ok()?;
    Some(owner)
}
