//! What must not be lost: one database, in which each change is whole and durable before anyone hears of it.
//!
//! A key names what is kept, its value is JSON. A change that could not be written stays pending, and goes with the next.

use crate::locks::lock;
use redb::{Builder, Database, ReadableDatabase, StorageBackend, TableDefinition};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::io::{self, IoSlice, IoSliceMut};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use tape_store::backend::{Backend, Folder};

const FILE: &str = "state.redb";
/// A database in the making, which takes its place when it is whole.
const NEW: &str = "state.new";
const TABLE: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("state");
const VERSION_KEY: &str = "version";
const VERSION: u32 = 2;
/// Pages that the database keeps in memory; what is kept is small.
const CACHE: usize = 4 << 20;

/// Why something could not be kept or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// The file cannot be opened.
    #[error("{FILE}: {0}")]
    Io(#[from] io::Error),
    /// The database refused.
    #[error("{FILE}: {0}")]
    Database(#[from] Box<redb::Error>),
    /// The database failed in a way that it does not report.
    #[error("{FILE}: internal error of the database")]
    Panicked,
    /// The site was shut down.
    #[error("{FILE}: the site is shut down")]
    Closed,
    /// What is kept cannot be understood.
    #[error("{FILE}: {key}: {what}")]
    Format {
        /// The key.
        key: String,
        /// What is wrong with its value.
        what: String,
    },
}

fn refused(error: impl Into<redb::Error>) -> StateError {
    StateError::Database(Box::new(error.into()))
}

/// What is to be kept, all of it or nothing. `None` removes a key.
#[derive(Clone, Debug, Default)]
pub struct Change(BTreeMap<String, Option<Vec<u8>>>);

impl Change {
    /// Keeps a value.
    ///
    /// # Errors
    /// The value has no form in JSON.
    pub fn set<T: Serialize>(&mut self, key: impl Into<String>, value: &T) -> Result<(), StateError> {
        let key = key.into();
        let format = |error: serde_json::Error| StateError::Format { key: key.clone(), what: error.to_string() };
        let value = serde_json::to_vec(value).map_err(format)?;
        self.0.insert(key, Some(value));
        Ok(())
    }

    /// Forgets a value.
    pub fn remove(&mut self, key: impl Into<String>) {
        self.0.insert(key.into(), None);
    }

    /// Whether there is nothing to be kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The database and what is pending to be written to it.
pub struct StateStore {
    folder: Mutex<Box<dyn Folder>>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    database: Option<Database>,
    pending: Change,
    closed: bool,
}

impl StateStore {
    /// Opens the database in a folder, made if it is not there. Says whether it was made.
    ///
    /// # Errors
    /// It cannot be opened, or is of a version that this program does not know.
    pub fn open(folder: Box<dyn Folder>) -> Result<(Self, bool), StateError> {
        let state = Self { folder: Mutex::new(folder), state: Mutex::default() };
        let version: Option<u32> = state.get(VERSION_KEY)?;
        match version {
            Some(VERSION) => Ok((state, false)),
            Some(other) => {
                let what = format!("version {other} is not known; this program knows {VERSION}");
                Err(StateError::Format { key: VERSION_KEY.into(), what })
            }
            None => Ok((state, true)),
        }
    }

    /// The first change of a new database, which makes it one of this version.
    ///
    /// # Errors
    /// As [`Self::commit`].
    pub fn create(&self, mut first: Change) -> Result<(), StateError> {
        first.set(VERSION_KEY, &VERSION)?;
        self.commit(first)
    }

    fn connect(&self) -> Result<Database, StateError> {
        let mut folder = lock(&self.folder);
        if folder.view(FILE)?.is_none() {
            folder.remove(NEW)?;
            drop(database(folder.as_mut(), NEW)?);
            folder.rename(NEW, FILE)?;
        }
        database(folder.as_mut(), FILE)
    }

    /// Runs a call on the database, opened anew if the last one failed: it trusts no file that did.
    fn with<T>(
        &self,
        state: &mut State,
        call: impl FnOnce(&Database) -> Result<T, StateError>,
    ) -> Result<T, StateError> {
        if state.closed {
            return Err(StateError::Closed);
        }
        let database = state.database.take().map_or_else(|| self.connect(), Ok)?;
        match catch_unwind(AssertUnwindSafe(|| call(&database))) {
            Ok(result) => {
                if result.is_ok() {
                    state.database = Some(database);
                }
                result
            }
            Err(_) => {
                // Closing it would use what its panic has left half done.
                std::mem::forget(database);
                Err(StateError::Panicked)
            }
        }
    }

    /// Makes a change durable, and with it whatever is pending.
    ///
    /// # Errors
    /// The storage failed. The change stays pending.
    pub fn commit(&self, change: Change) -> Result<(), StateError> {
        let mut state = lock(&self.state);
        state.pending.0.extend(change.0);
        if state.pending.is_empty() {
            return Ok(());
        }
        let pending = state.pending.clone();
        self.with(&mut state, |database| write(database, &pending))?;
        state.pending.0.clear();
        Ok(())
    }

    /// As [`Self::commit`], but what cannot be kept now does not come later, when nobody expects it: `undo` is pending in its
    /// place.
    ///
    /// # Errors
    /// The storage failed.
    pub fn commit_or_undo(&self, change: Change, undo: Change) -> Result<(), StateError> {
        self.commit(change).inspect_err(|_| drop(self.commit(undo)))
    }

    /// Closes the database: it may be another's from here on. Whatever is asked of it afterwards is refused.
    pub fn close(&self) {
        let mut state = lock(&self.state);
        (state.database, state.closed) = (None, true);
    }

    /// What is kept under a key.
    ///
    /// # Errors
    /// The storage failed, or the value cannot be understood.
    pub fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, StateError> {
        let mut state = lock(&self.state);
        let found = self.with(&mut state, |database| read(database, key))?.into_iter().find(|(found, _)| found == key);
        let wrong = |error: serde_json::Error| StateError::Format { key: key.into(), what: error.to_string() };
        found.map(|(_, value)| serde_json::from_slice(&value).map_err(wrong)).transpose()
    }

    /// What is kept under all keys with a prefix, by the rest of the key.
    ///
    /// # Errors
    /// The storage failed, or a value cannot be understood.
    pub fn all<T: DeserializeOwned>(&self, prefix: &str) -> Result<BTreeMap<String, T>, StateError> {
        let mut state = lock(&self.state);
        let raw = self.with(&mut state, |database| read(database, prefix))?;
        let understand = |(key, value): (String, Vec<u8>)| {
            let wrong = |error: serde_json::Error| StateError::Format { key: key.clone(), what: error.to_string() };
            let value = serde_json::from_slice(&value).map_err(wrong)?;
            Ok((key.get(prefix.len()..).unwrap_or_default().to_owned(), value))
        };
        raw.into_iter().map(understand).collect()
    }
}

fn database(folder: &mut dyn Folder, name: &str) -> Result<Database, StateError> {
    let mut builder = Builder::new();
    builder.set_cache_size(CACHE);
    builder.create_with_backend(Store(Mutex::new(folder.open(name)?))).map_err(refused)
}

fn write(database: &Database, change: &Change) -> Result<(), StateError> {
    let transaction = database.begin_write().map_err(refused)?;
    {
        let mut table = transaction.open_table(TABLE).map_err(refused)?;
        for (key, value) in &change.0 {
            match value {
                Some(value) => drop(table.insert(key.as_str(), value.as_slice()).map_err(refused)?),
                None => drop(table.remove(key.as_str()).map_err(refused)?),
            }
        }
    }
    transaction.commit().map_err(refused)
}

fn read(database: &Database, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, StateError> {
    let transaction = database.begin_read().map_err(refused)?;
    let table = match transaction.open_table(TABLE) {
        Err(redb::TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
        table => table.map_err(refused)?,
    };
    let mut found = Vec::new();
    for entry in table.range(prefix..).map_err(refused)? {
        let (key, value) = entry.map_err(refused)?;
        if !key.value().starts_with(prefix) {
            break;
        }
        found.push((key.value().to_owned(), value.value().to_vec()));
    }
    Ok(found)
}

/// A file of the store as the database uses it.
struct Store(Mutex<Box<dyn Backend>>);

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(FILE)
    }
}

impl Store {
    /// Calls the file. A panic of it is an error for the database, which would be unusable after one.
    fn call<T>(&self, call: impl FnOnce(&mut dyn Backend) -> io::Result<T>) -> io::Result<T> {
        let called = catch_unwind(AssertUnwindSafe(|| call(lock(&self.0).as_mut())));
        called.unwrap_or_else(|_| Err(io::Error::other("internal error")))
    }
}

impl StorageBackend for Store {
    fn len(&self) -> io::Result<u64> {
        self.call(|file| file.len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let wanted = out.len();
        let read = self.call(|file| file.read_at(offset, &mut [IoSliceMut::new(out)]))?;
        if read == wanted { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.call(|file| file.set_len(len))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.call(|file| file.sync())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.call(|file| file.write_at(offset, &[IoSlice::new(data)]))
    }
}

#[cfg(test)]
mod tests;
