//! Persistent state of a site: keys and JSON values, in two files that each contain all of them.
//!
//! A commit is appended to both files, one after the other, and is durable in both before it returns. Each line has a
//! checksum over key, value and commit number. Opening merges the two files: lines that are damaged in one are taken
//! from the other. If neither has the last acknowledged commit, the site does not start (ADR 0020). A third file
//! repeats the identities of the units in readable form. A change that could not be written stays pending and is
//! written with the next commit.

mod catch_panic;
mod files;
mod identities;
mod line;
mod merge;
mod salvage;
mod state_file;
mod upgrade;

use crate::locks::lock;
use files::Files;
use identities::is_identity;
use merge::Values;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use tape_store::backend::{Folder, free_name};

pub(crate) use salvage::Salvage;

/// Reason why the state could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// The storage reported an error.
    #[error("{file}: {source}")]
    Io {
        /// Name of the file concerned.
        file: String,
        /// The error of the storage.
        source: io::Error,
    },
    /// A file is damaged, missing, or of another version or site, and its contents cannot be restored from the others.
    #[error("{file}: {reason}")]
    Unusable {
        /// Name of the file or files concerned.
        file: String,
        /// The fault in it, and the way to recover.
        reason: String,
    },
    /// The code of the storage panicked.
    #[error("state: internal error of the storage")]
    Panicked,
    /// The state was closed because the site was shut down.
    #[error("the site is shut down")]
    Closed,
    /// A value is not JSON of the expected form.
    #[error("state: {key}: {reason}")]
    Format {
        /// Key of the value concerned.
        key: String,
        /// The fault in the value.
        reason: String,
    },
}

/// A set of changes that is committed completely or not at all. `None` removes a key.
#[derive(Clone, Debug, Default)]
pub struct Transaction(BTreeMap<String, Option<Vec<u8>>>);

impl Transaction {
    /// Sets the value of a key.
    ///
    /// # Errors
    /// Fails if the value cannot be represented in JSON.
    pub fn set<T: Serialize>(&mut self, key: impl Into<String>, value: &T) -> Result<(), StateError> {
        let key = key.into();
        let format = |error: serde_json::Error| StateError::Format { key: key.clone(), reason: error.to_string() };
        let value = serde_json::to_vec(value).map_err(format)?;
        self.0.insert(key, Some(value));
        Ok(())
    }

    /// Removes a key and its value.
    pub fn remove(&mut self, key: impl Into<String>) {
        self.0.insert(key.into(), None);
    }

    /// Whether the transaction changes nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn apply(&self, values: &mut Values) {
        for (key, value) in &self.0 {
            match value {
                Some(value) => drop(values.insert(key.clone(), value.clone())),
                None => drop(values.remove(key)),
            }
        }
    }
}

impl From<Values> for Transaction {
    fn from(values: Values) -> Self {
        Self(values.into_iter().map(|(key, value)| (key, Some(value))).collect())
    }
}

/// The persistent state, and the changes that are not written yet.
pub struct StateStore {
    state: Mutex<State>,
    repairs: Vec<String>,
}

struct State {
    files: Files,
    /// The durable values.
    values: Values,
    pending: Transaction,
    /// `identities.toml` differs from the state.
    identities_dirty: bool,
    closed: bool,
}

impl StateStore {
    /// Opens the state in a folder; `None` if there is none. `prefix` is the prefix of file names in messages.
    ///
    /// # Errors
    /// Fails if the state cannot be read, or may lack acknowledged commits.
    pub fn open(folder: Box<dyn Folder>, prefix: &str) -> Result<Option<Self>, StateError> {
        let mut files = Files::existing(folder, prefix);
        let Some(values) = files.open()? else { return Ok(None) };
        let repairs = files.take_repairs();
        for repair in &repairs {
            tracing::warn!(%repair, "state files repaired");
        }
        let state = State { files, values, pending: Transaction::default(), identities_dirty: false, closed: false };
        Ok(Some(Self { state: Mutex::new(state), repairs }))
    }

    /// Creates a new state in a folder, overwriting an existing one.
    ///
    /// # Errors
    /// Fails if the storage failed.
    pub fn create(folder: Box<dyn Folder>, prefix: &str, first: Transaction) -> Result<Self, StateError> {
        let store = new_store_id(prefix)?;
        Self::create_in(Files::new(folder, prefix, store, 0), first)
    }

    fn create_in(mut files: Files, first: Transaction) -> Result<Self, StateError> {
        let mut values = files::with_version(Values::new());
        first.apply(&mut values);
        files.rewrite(&values)?;
        let identities_pending = values.keys().any(|key| is_identity(key));
        let mut state = State {
            files,
            values,
            pending: Transaction::default(),
            identities_dirty: identities_pending,
            closed: false,
        };
        state.write_identities()?;
        Ok(Self { state: Mutex::new(state), repairs: Vec::new() })
    }

    /// Returns the names of state files in a folder that has no state to open.
    ///
    /// # Errors
    /// Fails if the storage failed.
    pub(crate) fn leftover_files(folder: &mut dyn Folder, prefix: &str) -> Result<Vec<&'static str>, StateError> {
        let names = folder.list().map_err(|source| StateError::Io { file: prefix.into(), source })?;
        Ok(files::ALL_NAMES.into_iter().filter(|own| names.iter().any(|name| name == own)).collect())
    }

    /// Renames the files that [`Self::leftover_files`] returns.
    ///
    /// # Errors
    /// Fails if the storage failed.
    pub(crate) fn set_aside(folder: &mut dyn Folder, prefix: &str) -> Result<(), StateError> {
        for name in Self::leftover_files(folder, prefix)? {
            let failed = |source| StateError::Io { file: format!("{prefix}{name}"), source };
            let aside = free_name(folder, &format!("{name}.old")).map_err(failed)?;
            folder.rename(name, &aside).map_err(failed)?;
        }
        Ok(())
    }

    /// The damage that was found and repaired when the state was opened, one text each.
    #[must_use]
    pub fn repairs(&self) -> &[String] {
        &self.repairs
    }

    /// Makes a transaction durable, together with all pending changes.
    ///
    /// # Errors
    /// Fails if the storage failed; the changes stay pending.
    pub fn commit(&self, change: Transaction) -> Result<(), StateError> {
        let mut state = lock(&self.state);
        state.pending.0.extend(change.0);
        if state.pending.is_empty() && !state.identities_dirty {
            return Ok(());
        }
        if state.closed {
            return Err(StateError::Closed);
        }
        // After a panic the files are rewritten: see `Files::append`.
        catch_unwind(AssertUnwindSafe(|| state.commit())).unwrap_or(Err(StateError::Panicked))
    }

    /// Does the same as [`Self::commit`], but a transaction that cannot be written now is not written later: `undo`
    /// becomes pending instead.
    ///
    /// # Errors
    /// Fails if the storage failed.
    pub fn commit_or_undo(&self, change: Transaction, undo: Transaction) -> Result<(), StateError> {
        self.commit(change).inspect_err(|_| drop(self.commit(undo)))
    }

    /// Closes the files, so that another process may open them. Files that were damaged while open are rewritten.
    /// Further requests fail with [`StateError::Closed`].
    pub fn close(&self) {
        let mut state = lock(&self.state);
        if std::mem::replace(&mut state.closed, true) {
            return;
        }
        let State { files, values, .. } = &mut *state;
        let closed = catch_unwind(AssertUnwindSafe(|| files.close(values)));
        if let Err(error) = closed.unwrap_or(Err(StateError::Panicked)) {
            tracing::warn!(%error, "the state was not closed cleanly");
        }
    }

    /// The value of a key; `None` if the key does not exist.
    ///
    /// # Errors
    /// Fails if the state was closed, or the value cannot be parsed.
    pub fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, StateError> {
        let state = lock(&self.state);
        let values = state.values_if_open()?;
        values.get(key).map(|value| decode_value(key, value)).transpose()
    }

    /// Moves a value that cannot be parsed to the key `unreadable/` and its key, and a number if that is taken. Returns the
    /// new key.
    ///
    /// # Errors
    /// Fails if the storage failed; the change stays pending.
    pub(crate) fn set_value_aside(&self, key: &str) -> Result<String, StateError> {
        let mut change = Transaction::default();
        let aside = {
            let state = lock(&self.state);
            let values = state.values_if_open()?;
            let first = std::iter::once(format!("unreadable/{key}"));
            let names = first.chain((2..=u32::MAX).map(|number| format!("unreadable/{key}.{number}")));
            let mut free = names.filter(|name| !values.contains_key(name));
            let (Some(value), Some(aside)) = (values.get(key).cloned(), free.next()) else { return Ok(key.to_owned()) };
            change.0.insert(aside.clone(), Some(value));
            change.remove(key);
            aside
        };
        self.commit(change)?;
        Ok(aside)
    }

    /// The values of all keys with a prefix, by the rest of the key.
    ///
    /// # Errors
    /// Fails if the state was closed, or a value cannot be parsed.
    pub fn get_prefix<T: DeserializeOwned>(&self, prefix: &str) -> Result<BTreeMap<String, T>, StateError> {
        let state = lock(&self.state);
        let values = state.values_if_open()?.range(prefix.to_owned()..);
        let own = values.map_while(|(key, value)| Some((key, key.strip_prefix(prefix)?, value)));
        own.map(|(key, rest, value)| Ok((rest.to_owned(), decode_value(key, value)?))).collect()
    }
}

/// A random ID for a new state.
fn new_store_id(prefix: &str) -> Result<String, StateError> {
    let mut random = [0; 4];
    let failed = |error: getrandom::Error| StateError::Io { file: prefix.into(), source: io::Error::other(error) };
    getrandom::fill(&mut random).map_err(failed)?;
    Ok(format!("{:08x}", u32::from_be_bytes(random)))
}

fn decode_value<T: DeserializeOwned>(key: &str, value: &[u8]) -> Result<T, StateError> {
    serde_json::from_slice(value).map_err(|error| StateError::Format { key: key.into(), reason: error.to_string() })
}

impl State {
    fn values_if_open(&self) -> Result<&Values, StateError> {
        if self.closed { Err(StateError::Closed) } else { Ok(&self.values) }
    }

    fn commit(&mut self) -> Result<(), StateError> {
        if !self.pending.is_empty() {
            self.files.append(&self.pending, &self.values)?;
            self.pending.apply(&mut self.values);
            self.identities_dirty |= self.pending.0.keys().any(|key| is_identity(key));
            self.pending.0.clear();
        }
        self.write_identities()
    }

    fn write_identities(&mut self) -> Result<(), StateError> {
        if self.identities_dirty {
            self.files.write_identities(&self.values)?;
            self.identities_dirty = false;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
