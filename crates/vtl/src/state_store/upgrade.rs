//! Reads `state.redb`, the state of format version 2, for the upgrade to state files.

use super::merge::Values;
use super::state_file::read_bytes;
use super::{StateError, catch_panic};
use redb::{Builder, ReadableDatabase, ReadableTable, RepairSession, StorageBackend, TableDefinition};
use std::io;
use std::sync::{Arc, Mutex};
use tape_store::backend::Folder;

/// Name of the redb database file.
pub(super) const FILE_NAME: &str = "state.redb";
const TABLE: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("state");
const VERSION_KEY: &str = "version";
const VERSION: &[u8] = b"2";
/// Bytes of the page cache of the database; its file is in memory as well.
const CACHE_BYTES: usize = 4 << 20;

/// The contents of a database without its version; `None` if there is none or it is empty.
///
/// Unless `lenient`, only the last acknowledged commit is accepted: redb silently falls back to the commit before if
/// the last one is damaged.
///
/// # Errors
/// Fails if the storage failed, or the database is damaged or of another version.
pub(super) fn read(folder: &mut dyn Folder, prefix: &str, lenient: bool) -> Result<Option<Values>, StateError> {
    let refused = |problem: String| StateError::Unusable { file: format!("{prefix}{FILE_NAME}"), reason: problem };
    let Some(bytes) = read_bytes(folder, prefix, FILE_NAME)? else { return Ok(None) };
    if bytes.iter().all(|byte| *byte == 0) {
        return Ok(None);
    }
    let read = catch_panic::catch_panic(move || read_table(bytes, lenient));
    let mut values = read.unwrap_or_else(|panic| Err(format!("the database panicked: {panic}"))).map_err(refused)?;
    match values.remove(VERSION_KEY).as_deref() {
        Some(VERSION) => Ok(Some(values)),
        // Its creation was interrupted.
        None if values.is_empty() => Ok(None),
        None => Err(refused("has no version".into())),
        Some(other) => {
            let other = String::from_utf8_lossy(other);
            Err(refused(format!("version: version {other} is unknown; this program supports 2")))
        }
    }
}

fn read_table(bytes: Vec<u8>, lenient: bool) -> Result<Values, String> {
    let before = Header::of(&bytes).ok_or("is too short")?;
    if !lenient && before.other > before.primary {
        return Err("is damaged: its header names the commit before the last".into());
    }
    let image = MemoryCopy(Arc::new(Mutex::new(bytes)));
    let mut builder = Builder::new();
    builder.set_cache_size(CACHE_BYTES);
    if !lenient && !before.unclean {
        builder.set_repair_callback(RepairSession::abort);
    }
    let damaged = |error: redb::Error| format!("is damaged: {error}");
    let mut database = builder.create_with_backend(image.clone()).map_err(|error| damaged(error.into()))?;
    let intact = database.check_integrity().map_err(|error| damaged(error.into()))?;
    let after = Header::of(&image.bytes()).ok_or("is too short")?;
    if !lenient && (!intact || after.primary < before.primary) {
        return Err("is damaged: its last commit is incomplete".into());
    }
    let transaction = database.begin_read().map_err(|error| damaged(error.into()))?;
    let table = match transaction.open_table(TABLE) {
        Err(redb::TableError::TableDoesNotExist(_)) => return Ok(Values::new()),
        table => table.map_err(|error| damaged(error.into()))?,
    };
    let mut values = Values::new();
    for entry in table.iter().map_err(|error| damaged(error.into()))? {
        let (key, value) = entry.map_err(|error| damaged(error.into()))?;
        values.insert(key.value().to_owned(), value.value().to_vec());
    }
    Ok(values)
}

/// The two commits in the header of a database: redb's `docs/design.md`, "Database header".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Header {
    /// The database was not closed.
    unclean: bool,
    /// Number of the current commit.
    primary: u64,
    /// Number of the commit before it.
    other: u64,
}

impl Header {
    fn of(bytes: &[u8]) -> Option<Self> {
        let flags = bytes.get(9)?;
        let commit = |slot: usize| {
            let id = bytes.get(64 + 128 * slot..)?.get(104..112)?;
            Some(u64::from_le_bytes(id.try_into().ok()?))
        };
        let primary = usize::from(flags & 1);
        Some(Self { unclean: flags & 2 != 0, primary: commit(primary)?, other: commit(1 - primary)? })
    }
}

/// A copy of the file in memory: writes of the database do not change the file.
#[derive(Clone, Debug)]
struct MemoryCopy(Arc<Mutex<Vec<u8>>>);

impl MemoryCopy {
    fn bytes(&self) -> std::sync::MutexGuard<'_, Vec<u8>> {
        crate::locks::lock(&self.0)
    }
}

fn range(offset: u64, len: usize) -> io::Result<std::ops::Range<usize>> {
    let start = usize::try_from(offset).map_err(|_| io::ErrorKind::UnexpectedEof)?;
    Ok(start..start.checked_add(len).ok_or(io::ErrorKind::UnexpectedEof)?)
}

impl StorageBackend for MemoryCopy {
    fn len(&self) -> io::Result<u64> {
        Ok(self.bytes().len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let range = range(offset, out.len())?;
        out.copy_from_slice(self.bytes().get(range).ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut bytes = self.bytes();
        let len = usize::try_from(len).map_err(|_| io::ErrorKind::FileTooLarge)?;
        // A damaged length must not exhaust memory; a repair needs little more than the length of the file.
        if len > bytes.len().saturating_mul(2).max(1 << 22) {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        bytes.resize(len, 0);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let range = range(offset, data.len())?;
        let mut bytes = self.bytes();
        bytes.get_mut(range).ok_or(io::ErrorKind::UnexpectedEof)?.copy_from_slice(data);
        Ok(())
    }
}
