//! `--ephemeral`: a temporary data directory, which goes with the process. What killed processes left is removed by the next one.

use rustix::fs::{FlockOperation, OFlags, flock};
use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use tempfile::TempDir;

/// What the names of the directories begin with.
const PREFIX: &str = "ferric-ephemeral-";
/// A file in each directory that its process has locked. Only directories with such a file are removed.
const OWNER: &str = "ephemeral";

/// A temporary data directory, removed when this is dropped.
pub(crate) struct Ephemeral {
    directory: TempDir,
    _owner: File,
}

impl Ephemeral {
    /// Creates a directory, after those of processes that have ended without removing theirs are removed.
    ///
    /// # Errors
    /// The directory cannot be created.
    pub(crate) fn create() -> io::Result<Self> {
        remove_leftovers(&std::env::temp_dir());
        let directory = tempfile::Builder::new().prefix(PREFIX).permissions(Permissions::from_mode(0o700)).tempdir()?;
        // Locked before it has its name: no other process finds it unlocked.
        let (new, owner) = (directory.path().join("ephemeral.new"), directory.path().join(OWNER));
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
        flock(&file, FlockOperation::NonBlockingLockExclusive)?;
        fs::rename(&new, &owner)?;
        Ok(Self { directory, _owner: file })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }
}

/// Removes the directories of this user whose process has ended.
fn remove_leftovers(parent: &Path) {
    let Ok(entries) = fs::read_dir(parent) else { return };
    for entry in entries.flatten().filter(|entry| entry.file_name().as_encoded_bytes().starts_with(PREFIX.as_bytes())) {
        let path = entry.path();
        // Held until the directory is gone.
        let Some(_owner) = take_over(&path) else { continue };
        match fs::remove_dir_all(&path) {
            Ok(()) => {
                tracing::info!(path = %path.display(), "removed the directory of an ephemeral site that was killed")
            }
            Err(error) => tracing::warn!(path = %path.display(), %error, "directory of a killed ephemeral site stays"),
        }
    }
}

/// The lock of a directory whose process has ended.
fn take_over(path: &Path) -> Option<File> {
    let own = rustix::process::geteuid().as_raw();
    fs::symlink_metadata(path).ok().filter(|data| data.is_dir() && data.uid() == own)?;
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let owner = OpenOptions::new().read(true).custom_flags(flags).open(path.join(OWNER)).ok()?;
    flock(&owner, FlockOperation::NonBlockingLockExclusive).ok()?;
    Some(owner)
}
