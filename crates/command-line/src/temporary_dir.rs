//! Temporary directories that are removed on exit. The next process removes the directories of processes that were
//! killed.

use rustix::fs::{FlockOperation, OFlags, flock};
use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use tempfile::TempDir;

/// A file in each directory, locked by the process that uses it. A directory without this file is never removed.
const OWNER: &str = "ephemeral";

/// A temporary directory, removed when this is dropped.
#[derive(Debug)]
pub struct TemporaryDir {
    directory: TempDir,
    _owner: File,
}

impl TemporaryDir {
    /// Removes the directories of processes that have ended without doing so, then creates a directory with this mode
    /// below `parent`. The prefix of its name identifies directories of this kind.
    ///
    /// # Errors
    /// The directory cannot be created.
    pub fn create(parent: &Path, prefix: &str, mode: u32) -> io::Result<Self> {
        remove_leftovers(parent, prefix);
        let directory =
            tempfile::Builder::new().prefix(prefix).permissions(Permissions::from_mode(mode)).tempdir_in(parent)?;
        // Locked before it gets its name, so that no other process finds it unlocked.
        let (new, owner) = (directory.path().join("ephemeral.new"), directory.path().join(OWNER));
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
        flock(&file, FlockOperation::NonBlockingLockExclusive)?;
        fs::rename(&new, &owner)?;
        Ok(Self { directory, _owner: file })
    }

    /// Path of the directory, which exists.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.directory.path()
    }
}

/// Removes this user's directories whose process has ended.
fn remove_leftovers(parent: &Path, prefix: &str) {
    let Ok(entries) = fs::read_dir(parent) else { return };
    for entry in entries.flatten().filter(|entry| entry.file_name().as_encoded_bytes().starts_with(prefix.as_bytes())) {
        let path = entry.path();
        // The lock is held until the directory is removed.
        let Some(_owner) = take_over(&path) else { continue };
        match fs::remove_dir_all(&path) {
            Ok(()) => {
                tracing::info!(path = %path.display(), "removed the directory of a killed process")
            }
            Err(error) => {
                tracing::warn!(
                    path = %path.display(),
                    %error,
                    "cannot remove the directory of a killed process"
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
