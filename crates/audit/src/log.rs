//! The writer of a log: the only code that writes its files.

use crate::chain::{self, Link};
use crate::record::{Entry, Record};
use crate::{AuditError, at, files};
use rustix::fs::{FallocateFlags, fallocate};
use serde_json::json;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Size in bytes from which on a file is not continued: the next record begins a new one.
pub const MAX_FILE_LEN: u64 = 16 << 20;
/// Bytes that are reserved on the disk behind the last record: enough for the changes of all connections at one time.
const RESERVE: u64 = 1 << 20;
/// Records that are kept in memory while they cannot be written.
const MAX_UNWRITTEN: usize = 1000;
/// Actions of the records that a log makes about itself.
pub(crate) const FILE_BEGUN: &str = "audit_file_begun";
pub(crate) const REPAIRED: &str = "audit_repaired";
pub(crate) const RECORDS_LOST: &str = "audit_records_lost";

/// Reserves space of a file on the disk: from an offset, this many bytes.
type Reserve = fn(&File, u64, u64) -> io::Result<()>;

/// An open log. One process at a time may have it open.
#[derive(Debug)]
pub struct AuditLog {
    directory: PathBuf,
    max_file_len: u64,
    number: u32,
    file: File,
    /// Length of the complete lines in the file.
    len: u64,
    /// Bytes behind the last record may be those of an incomplete line.
    has_remains: bool,
    /// End of the reserved space.
    reserved: u64,
    head: File,
    last: Link,
    /// Records that are not written yet, with their times.
    unwritten: Vec<(u64, Entry)>,
    /// Number of further records that were dropped.
    dropped: u64,
    reserve: Reserve,
}

impl AuditLog {
    /// Opens the log in a directory at the time `now`, in milliseconds since 1970, and creates it if it does not exist. An
    /// incomplete last line, which a power loss has left, is removed, and a record reports it.
    ///
    /// # Errors
    /// A file cannot be created or read.
    pub fn open(directory: &Path, now: u64) -> Result<Self, AuditError> {
        Self::open_with_limit(directory, now, MAX_FILE_LEN)
    }

    /// Does the same as [`Self::open`], with another size in bytes from which on a file is not continued.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_with_limit(directory: &Path, now: u64, max_file_len: u64) -> Result<Self, AuditError> {
        create_directory(directory).map_err(at(directory))?;
        let numbers = files::list(directory)?;
        let expected = files::read_head(directory)?;
        let (number, earlier) = numbers.split_last().map_or((1, &[][..]), |(last, earlier)| (*last, earlier));
        let path = files::path(directory, number);
        let file = open_file(&path)?;
        let bytes = files::content(&file).map_err(at(&path))?;
        let len = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let torn = bytes.len() - len;
        let head_path = files::head_path(directory);
        let head = open_file(&head_path)?;
        let last = match last_record(&String::from_utf8_lossy(&bytes)) {
            None => last_link(directory, earlier)?,
            found => found,
        };
        let last = last.or_else(|| expected.clone()).unwrap_or_else(Link::genesis);
        let len = len as u64;
        let mut log = Self {
            directory: directory.into(),
            max_file_len,
            number,
            file,
            len,
            has_remains: torn > 0,
            reserved: len,
            head,
            last,
            unwritten: Vec::new(),
            dropped: 0,
            reserve: reserve_on_disk,
        };
        log.sync_directory()?;
        log.report_damage(now, torn, expected);
        // A full disk is no reason not to start: the records follow when there is space.
        let _ = log.write_unwritten();
        Ok(log)
    }

    /// Adds the records about what was found when the log was opened.
    fn report_damage(&mut self, now: u64, torn: usize, expected: Option<Link>) {
        if torn > 0 {
            let details = json!({ "dropped_bytes": torn, "file": files::name(self.number) });
            self.unwritten.push((now, Entry { details, ..Entry::of_site(REPAIRED) }));
        }
        if let Some(expected) = expected.filter(|expected| expected.seq > self.last.seq) {
            let details = json!({ "expected": expected, "found": self.last });
            self.unwritten.push((now, Entry { details, ..Entry::of_site(RECORDS_LOST) }));
        }
    }

    /// Ensures that the records of the changes that begin now can be written: reserves space on the disk, and writes
    /// records that could not be written before.
    ///
    /// # Errors
    /// The disk is full or failed: no change may be made.
    pub fn prepare(&mut self) -> Result<(), AuditError> {
        if self.len >= self.max_file_len {
            self.begin_file()?;
        }
        if self.reserved < self.len + RESERVE / 2 {
            (self.reserve)(&self.file, self.len, RESERVE).map_err(at(&self.path()))?;
            self.reserved = self.len + RESERVE;
        }
        self.write_unwritten()
    }

    /// Appends records and makes them durable. If that fails, they are written by the next call.
    ///
    /// # Errors
    /// The disk is full or failed.
    pub fn append(&mut self, now: u64, entries: impl IntoIterator<Item = Entry>) -> Result<(), AuditError> {
        for entry in entries {
            if self.unwritten.len() < MAX_UNWRITTEN {
                self.unwritten.push((now, entry.limited()));
            } else {
                self.dropped += 1;
            }
        }
        self.write_unwritten()
    }

    fn write_unwritten(&mut self) -> Result<(), AuditError> {
        if self.unwritten.is_empty() {
            return Ok(());
        }
        if self.len == 0 {
            self.unwritten.insert(0, (self.unwritten.first().map_or(0, |(at, _)| *at), self.begin_entry()));
        }
        let (mut text, mut last) = (String::new(), self.last.clone());
        for (at, entry) in &self.unwritten {
            let (line, link) = chain::chain_line(&last, &Record { seq: last.seq + 1, at: *at, entry: entry.clone() });
            text.push_str(&line);
            text.push('\n');
            last = link;
        }
        if let Err(error) = self.write_lines(&text) {
            self.has_remains = true;
            self.unwritten.retain(|(_, entry)| entry.action != FILE_BEGUN);
            return Err(at(&self.path())(error));
        }
        self.len += text.len() as u64;
        self.last = last;
        self.unwritten.clear();
        if self.dropped > 0 {
            let dropped = std::mem::take(&mut self.dropped);
            let details = json!({ "dropped": dropped });
            self.unwritten.push((0, Entry { details, ..Entry::of_site(RECORDS_LOST) }));
        }
        // Not synchronised: after a power loss an older head only means that fewer records are known to have been there.
        files::write_head(&self.head, &self.last).map_err(at(&files::head_path(&self.directory)))
    }

    /// Writes lines behind the last record, and makes them durable.
    fn write_lines(&mut self, text: &str) -> io::Result<()> {
        if self.has_remains {
            // This also returns the reserved space.
            self.file.set_len(self.len)?;
            (self.reserved, self.has_remains) = (self.len, false);
        }
        self.file.write_all_at(text.as_bytes(), self.len)?;
        self.file.sync_data()
    }

    /// Begins the next file. Its first record, which is written with the next one, has the hash of the last record before
    /// it.
    fn begin_file(&mut self) -> Result<(), AuditError> {
        self.write_unwritten()?;
        let number = self.number + 1;
        let path = files::path(&self.directory, number);
        let file = open_file(&path)?;
        file.set_len(0).map_err(at(&path))?;
        (self.reserve)(&file, 0, RESERVE).map_err(at(&path))?;
        (self.number, self.file, self.len, self.reserved) = (number, file, 0, RESERVE);
        self.sync_directory()?;
        Ok(())
    }

    fn begin_entry(&self) -> Entry {
        let details = json!({ "format": 1, "file": files::name(self.number), "previous": self.last.hash });
        Entry { details, ..Entry::of_site(FILE_BEGUN) }
    }

    /// The end of the chain.
    #[must_use]
    pub const fn last(&self) -> &Link {
        &self.last
    }

    /// The directory with the files of the log.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Replaces the function that reserves space, for tests of a full disk.
    #[cfg(any(test, feature = "testing"))]
    pub const fn set_reserve(&mut self, reserve: fn(&File, u64, u64) -> io::Result<()>) {
        self.reserve = reserve;
        self.reserved = 0;
    }

    fn path(&self) -> PathBuf {
        files::path(&self.directory, self.number)
    }

    fn sync_directory(&self) -> Result<(), AuditError> {
        File::open(&self.directory).and_then(|directory| directory.sync_all()).map_err(at(&self.directory))
    }
}

impl Drop for AuditLog {
    fn drop(&mut self) {
        let _ = self.write_unwritten();
        let _ = self.head.sync_data();
        // The reserved space behind the last record is returned to the file system.
        let _ = self.file.set_len(self.len);
    }
}

/// Creates the directory if it does not exist.
fn create_directory(path: &Path) -> io::Result<()> {
    let mode = mode_in(path.parent(), 0o700, 0o2750);
    match DirBuilder::new().mode(mode).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        // The umask may have removed the permissions of the group.
        created => created.and_then(|()| fs::set_permissions(path, Permissions::from_mode(mode))),
    }
}

/// Opens a file for reading and writing; creates it if it does not exist.
fn open_file(path: &Path) -> Result<File, AuditError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    let mode = mode_in(path.parent(), 0o600, 0o640);
    match options.clone().create_new(true).mode(mode).open(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => options.open(path),
        created => created.and_then(|file| file.set_permissions(Permissions::from_mode(mode)).map(|()| file)),
    }
    .map_err(at(path))
}

/// Permissions of what is created in a directory: for the owner, or in a directory with the set-group-ID bit also for the
/// group, as for all files of a site.
fn mode_in(directory: Option<&Path>, owner: u32, group: u32) -> u32 {
    const SET_GROUP_ID: u32 = 0o2000;
    let directory = directory.filter(|path| !path.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let grants = fs::metadata(directory).is_ok_and(|metadata| metadata.mode() & SET_GROUP_ID != 0);
    if grants { group } else { owner }
}

fn reserve_on_disk(file: &File, offset: u64, len: u64) -> io::Result<()> {
    match fallocate(file, FallocateFlags::KEEP_SIZE, offset, len) {
        // The file system cannot reserve: the free space at this time is the best that is known.
        Err(rustix::io::Errno::OPNOTSUPP) => {
            let space = rustix::fs::fstatvfs(file)?;
            if space.f_bavail.saturating_mul(space.f_frsize) < len {
                return Err(rustix::io::Errno::NOSPC.into());
            }
            Ok(())
        }
        reserved => Ok(reserved?),
    }
}

/// The end of the chain in files: the last line that is a record.
fn last_link(directory: &Path, numbers: &[u32]) -> Result<Option<Link>, AuditError> {
    for number in numbers.iter().rev() {
        let found = last_record(&files::read(&files::path(directory, *number))?);
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

/// The last line of a file that is a record. A line without a line break is incomplete.
fn last_record(text: &str) -> Option<Link> {
    let complete = text.rfind('\n').map_or("", |end| text.get(..end).unwrap_or_default());
    complete.lines().rev().find_map(|line| chain::parse(line).ok()).map(|(_, link)| link)
}
