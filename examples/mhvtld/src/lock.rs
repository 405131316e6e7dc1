//! Lock files of units.

use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::process::geteuid;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::ops::RangeInclusive;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// So many commands are between two notes.
const RECORD_INTERVAL: u64 = 32;
/// Where mhvtl's daemons keep a file for each unit that is served.
const LOCKS: &str = "/var/lock/mhvtl";

/// The lock file of a unit, which keeps daemons of mhvtl and ours off each other; gone when this is dropped.
///
/// It also remembers about which command the unit was at, for who comes after a process that was killed.
pub struct Lock {
    path: PathBuf,
    file: File,
    noted: u64,
}

impl Lock {
    /// Takes the lock of a unit. A file whose process is gone is taken over.
    ///
    /// # Errors
    /// The unit is served by another process, or the file cannot be made.
    pub fn acquire(unit: u32) -> Result<Self, String> {
        Self::acquire_in(Path::new(LOCKS), unit)
    }

    /// As [`Self::take`], in another folder.
    ///
    /// # Errors
    /// As [`Self::take`].
    pub fn acquire_in(folder: &Path, unit: u32) -> Result<Self, String> {
        let path = folder.join(format!("mhvtl{unit}"));
        let failed = |error: io::Error| format!("{}: {error}", path.display());
        let held = |holder: &str| format!("{}: unit {unit} is served already, by {holder}", path.display());
        if let Some(process) = mhvtl_server(unit) {
            return Err(held(&format!("process {process}")));
        }
        create_lock_folder(folder).map_err(failed)?;
        let (file, before) = loop {
            let (file, before) = open(&path).map_err(failed)?;
            if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
                return Err(held(before.lines().next().unwrap_or_default().trim()));
            }
            // Who had it may have removed it meanwhile.
            let same = fs::metadata(&path).is_ok_and(|now| file.metadata().is_ok_and(|file| file.ino() == now.ino()));
            if same {
                break (file, before);
            }
        };
        let noted = before.lines().find_map(|line| line.strip_prefix("command ")?.trim().parse().ok()).unwrap_or(0);
        let lock = Self { path, file, noted };
        lock.write().map_err(|error| format!("{}: {error}", lock.path.display()))?;
        Ok(lock)
    }

    fn write(&self) -> io::Result<()> {
        // Always as long, so that nobody reads half of it.
        let text = format!("process {:<10}\ncommand {:<20}\n", std::process::id(), self.noted);
        self.file.write_all_at(text.as_bytes(), 0)
    }

    /// Commands among which is the one that a process was at when it was killed, if one was.
    #[must_use]
    pub fn interrupted_commands(&self) -> Option<RangeInclusive<u64>> {
        (self.noted > 0).then(|| self.noted..=self.noted.saturating_add(RECORD_INTERVAL))
    }

    /// The unit is at this command.
    pub(crate) fn record(&mut self, serial: u64) {
        if !self.interrupted_commands().is_some_and(|known| known.contains(&serial)) {
            self.noted = serial;
            if let Err(error) = self.write() {
                tracing::warn!(path = %self.path.display(), %error, "the command cannot be noted");
            }
        }
    }
}

/// Makes the folder, and looks whether it is one that nobody else can play tricks in.
fn create_lock_folder(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let owner = fs::symlink_metadata(folder)?;
    if owner.is_dir() && is_trusted(owner.uid()) {
        return Ok(());
    }
    Err(io::Error::other("its folder is another user's"))
}

/// The superuser, and who this process is.
fn is_trusted(user: u32) -> bool {
    user == 0 || user == geteuid().as_raw()
}

/// Opens a lock file, made if it is not there, and reads it as far as it can be one.
fn open(path: &Path) -> io::Result<(File, String)> {
    const MOST: u64 = 4096;
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    let flags = i32::try_from((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits()).unwrap_or_default();
    let file = options.custom_flags(flags).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    let mut bytes = Vec::new();
    (&file).take(MOST).read_to_end(&mut bytes)?;
    Ok((file, String::from_utf8_lossy(&bytes).into_owned()))
}

impl Drop for Lock {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// The process of mhvtl's that serves a unit: its lock file is empty, and says nothing of whether it lives.
fn mhvtl_server(unit: u32) -> Option<u32> {
    let serves = |process: u32| {
        let user = fs::metadata(format!("/proc/{process}")).ok()?.uid();
        if !is_trusted(user) {
            return None;
        }
        let line = fs::read(format!("/proc/{process}/cmdline")).ok()?;
        let mut words = line.split(|byte| *byte == 0).map(String::from_utf8_lossy);
        let program = words.next()?;
        let named = program.ends_with("vtltape") || program.ends_with("vtllibrary");
        let words: Vec<_> = words.collect();
        let number = words.iter().enumerate().find_map(|(at, word)| match word.strip_prefix("-q")? {
            "" => words.get(at + 1)?.parse::<u32>().ok(),
            number => number.parse().ok(),
        });
        (named && number == Some(unit) && process != std::process::id()).then_some(process)
    };
    let processes = fs::read_dir("/proc").ok()?.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    processes.filter_map(serves).find(|process| !is_parent_process(*process))
}

/// Who begins a daemon in the background has its command line.
fn is_parent_process(process: u32) -> bool {
    std::os::unix::process::parent_id() == process
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_server_for_a_unit() {
        let dir = tempfile::tempdir().unwrap();
        // What a daemon of mhvtl's has left behind.
        fs::write(dir.path().join("mhvtl9011"), "").unwrap();
        let lock = Lock::acquire_in(dir.path(), 9011).unwrap();
        let refused = Lock::acquire_in(dir.path(), 9011).map(drop).unwrap_err();
        assert!(refused.contains("unit 9011 is served already, by process"), "{refused}");
        assert!(Lock::acquire_in(dir.path(), 9012).is_ok());
        drop(lock);
        assert!(!dir.path().join("mhvtl9011").exists());
        assert!(Lock::acquire_in(dir.path(), 9011).is_ok());
    }

    #[test]
    fn the_command_that_a_unit_was_at() {
        let dir = tempfile::tempdir().unwrap();
        let mut lock = Lock::acquire_in(dir.path(), 9011).unwrap();
        assert_eq!(lock.interrupted_commands(), None);
        for serial in [5, 6, 37, 38, 9000] {
            lock.record(serial);
            assert!(lock.interrupted_commands().unwrap().contains(&serial), "{serial}");
            let kept = fs::read_to_string(dir.path().join("mhvtl9011")).unwrap();
            assert!(kept.contains(&format!("command {:<20}\n", lock.noted)), "{kept}");
        }
        assert_eq!(lock.interrupted_commands(), Some(9000..=9032));
        // As if killed.
        fs::copy(dir.path().join("mhvtl9011"), dir.path().join("mhvtl9012")).unwrap();
        assert_eq!(Lock::acquire_in(dir.path(), 9012).unwrap().interrupted_commands(), Some(9000..=9032));
        // The module was loaded anew, and counts from the beginning.
        lock.record(2);
        assert_eq!(lock.interrupted_commands(), Some(2..=34));
    }
}
