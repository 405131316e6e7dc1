//! Lock files: at most one daemon serves a unit.

use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::process::geteuid;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::ops::RangeInclusive;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Number of commands that one record in the lock file covers.
const RECORD_INTERVAL: u64 = 32;
/// The directory in which mhvtl's daemons create a lock file for each unit.
const LOCKS: &str = "/var/lock/mhvtl";

/// The lock file of a unit, respected by the daemons of mhvtl and of Ferric; removed when this is dropped.
///
/// It also records the approximate number of the current command, so that the next process can abort the command that a
/// killed process was executing.
pub struct Lock {
    path: PathBuf,
    file: File,
    recorded: u64,
}

impl Lock {
    /// Locks the unit with this number. The lock file of a process that has ended is reused.
    ///
    /// # Errors
    /// Another process serves the unit, or the lock file cannot be created.
    pub fn acquire(unit: u32) -> Result<Self, String> {
        Self::acquire_in(Path::new(LOCKS), unit)
    }

    /// As [`Self::acquire`], with the lock file in `folder`.
    ///
    /// # Errors
    /// As [`Self::acquire`].
    pub fn acquire_in(folder: &Path, unit: u32) -> Result<Self, String> {
        let path = folder.join(format!("mhvtl{unit}"));
        let failed = |error: io::Error| format!("{}: {error}", path.display());
        let in_use = |holder: &str| format!("{}: unit {unit} is already served by {holder}", path.display());
        if let Some(process) = mhvtl_server(unit) {
            return Err(in_use(&format!("process {process}")));
        }
        create_lock_folder(folder).map_err(failed)?;
        let (file, before) = loop {
            let (file, before) = open(&path).map_err(failed)?;
            if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
                return Err(in_use(before.lines().next().unwrap_or_default().trim()));
            }
            // Its last holder may have removed the file between open and lock.
            let same = fs::metadata(&path).is_ok_and(|now| file.metadata().is_ok_and(|file| file.ino() == now.ino()));
            if same {
                break (file, before);
            }
        };
        let recorded = before.lines().find_map(|line| line.strip_prefix("command ")?.trim().parse().ok()).unwrap_or(0);
        let lock = Self { path, file, recorded };
        lock.write().map_err(|error| format!("{}: {error}", lock.path.display()))?;
        Ok(lock)
    }

    fn write(&self) -> io::Result<()> {
        // Of fixed length, so that a reader never gets a part of it.
        let text = format!("process {:<10}\ncommand {:<20}\n", std::process::id(), self.recorded);
        self.file.write_all_at(text.as_bytes(), 0)
    }

    /// The range of command numbers that contains the command which a killed process was executing; `None` if none is
    /// recorded.
    #[must_use]
    pub fn interrupted_commands(&self) -> Option<RangeInclusive<u64>> {
        (self.recorded > 0).then(|| self.recorded..=self.recorded.saturating_add(RECORD_INTERVAL))
    }

    /// Records the command that the unit executes.
    pub(crate) fn record(&mut self, serial: u64) {
        if !self.interrupted_commands().is_some_and(|known| known.contains(&serial)) {
            self.recorded = serial;
            if let Err(error) = self.write() {
                tracing::warn!(path = %self.path.display(), %error, "cannot write the lock file");
            }
        }
    }
}

/// Creates the directory of the lock files and checks that no other user owns it.
fn create_lock_folder(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let owner = fs::symlink_metadata(folder)?;
    if owner.is_dir() && is_trusted(owner.uid()) {
        return Ok(());
    }
    Err(io::Error::other("the directory belongs to another user; expected root or the user of this process"))
}

/// Whether a user is root or the user of this process.
fn is_trusted(user: u32) -> bool {
    user == 0 || user == geteuid().as_raw()
}

/// Opens a lock file, which is created if missing, and reads its beginning.
fn open(path: &Path) -> io::Result<(File, String)> {
    const MAX_LEN: u64 = 4096;
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    let flags = i32::try_from((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits()).unwrap_or_default();
    let file = options.custom_flags(flags).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    let mut bytes = Vec::new();
    (&file).take(MAX_LEN).read_to_end(&mut bytes)?;
    Ok((file, String::from_utf8_lossy(&bytes).into_owned()))
}

impl Drop for Lock {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// The process of mhvtl that serves a unit. Its lock file is empty and does not show whether the process is alive.
fn mhvtl_server(unit: u32) -> Option<u32> {
    let serves = |process: u32| {
        let user = fs::metadata(format!("/proc/{process}")).ok()?.uid();
        if !is_trusted(user) {
            return None;
        }
        let line = fs::read(format!("/proc/{process}/cmdline")).ok()?;
        let mut words = line.split(|byte| *byte == 0).map(String::from_utf8_lossy);
        let program = words.next()?;
        let is_daemon = program.ends_with("vtltape") || program.ends_with("vtllibrary");
        let words: Vec<_> = words.collect();
        let number = words.iter().enumerate().find_map(|(at, word)| match word.strip_prefix("-q")? {
            "" => words.get(at + 1)?.parse::<u32>().ok(),
            number => number.parse().ok(),
        });
        (is_daemon && number == Some(unit) && process != std::process::id()).then_some(process)
    };
    let processes = fs::read_dir("/proc").ok()?.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    processes.filter_map(serves).find(|process| !is_parent_process(*process))
}

/// Whether a process is the parent of this one: a daemon that starts in the background has the same command line.
fn is_parent_process(process: u32) -> bool {
    std::os::unix::process::parent_id() == process
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unit_has_one_server() {
        let dir = tempfile::tempdir().unwrap();
        // A file left behind by a daemon of mhvtl.
        fs::write(dir.path().join("mhvtl9011"), "").unwrap();
        let lock = Lock::acquire_in(dir.path(), 9011).unwrap();
        let refused = Lock::acquire_in(dir.path(), 9011).map(drop).unwrap_err();
        assert!(refused.contains("unit 9011 is already served by process"), "{refused}");
        assert!(Lock::acquire_in(dir.path(), 9012).is_ok());
        drop(lock);
        assert!(!dir.path().join("mhvtl9011").exists());
        assert!(Lock::acquire_in(dir.path(), 9011).is_ok());
    }

    #[test]
    fn interrupted_command_is_recorded() {
        let dir = tempfile::tempdir().unwrap();
        let mut lock = Lock::acquire_in(dir.path(), 9011).unwrap();
        assert_eq!(lock.interrupted_commands(), None);
        for serial in [5, 6, 37, 38, 9000] {
            lock.record(serial);
            assert!(lock.interrupted_commands().unwrap().contains(&serial), "{serial}");
            let text = fs::read_to_string(dir.path().join("mhvtl9011")).unwrap();
            assert!(text.contains(&format!("command {:<20}\n", lock.recorded)), "{text}");
        }
        assert_eq!(lock.interrupted_commands(), Some(9000..=9032));
        // As if killed.
        fs::copy(dir.path().join("mhvtl9011"), dir.path().join("mhvtl9012")).unwrap();
        assert_eq!(Lock::acquire_in(dir.path(), 9012).unwrap().interrupted_commands(), Some(9000..=9032));
        // The module was reloaded, and counts commands from the beginning.
        lock.record(2);
        assert_eq!(lock.interrupted_commands(), Some(2..=34));
    }
}
