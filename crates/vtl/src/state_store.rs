//! The state of a site that must not be lost: keys and JSON values, in two files that each have all of it.
//!
//! A commit is appended to both files, one after the other, and durable in both before it is answered. Each line has a
//! checksum over key, value and commit. At start the two files are put together: what is damaged in one is taken from
//! the other, and where neither has what was acknowledged last, the site does not start (ADR 0020). The names that
//! hosts know a site by are in a third file besides, which people can read. A change that could not be written stays
//! pending, and is written with the next.

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

/// Why the state could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// The storage failed.
    #[error("{file}: {source}")]
    Io {
        /// The file.
        file: String,
        /// Why.
        source: io::Error,
    },
    /// A file is damaged, missing or of another version or site, and nothing else has what it held.
    #[error("{file}: {reason}")]
    Unusable {
        /// The file, or the files.
        file: String,
        /// What is wrong, and what can be done.
        reason: String,
    },
    /// The storage panicked.
    #[error("state: internal error of the storage")]
    Panicked,
    /// The site was shut down.
    #[error("the site is shut down")]
    Closed,
    /// A value cannot be understood.
    #[error("state: {key}: {reason}")]
    Format {
        /// Its key.
        key: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// What is to be committed, all of it or nothing. `None` removes a key.
#[derive(Clone, Debug, Default)]
pub struct Transaction(BTreeMap<String, Option<Vec<u8>>>);

impl Transaction {
    /// Sets a value.
    ///
    /// # Errors
    /// The value has no form in JSON.
    pub fn set<T: Serialize>(&mut self, key: impl Into<String>, value: &T) -> Result<(), StateError> {
        let key = key.into();
        let format = |error: serde_json::Error| StateError::Format { key: key.clone(), reason: error.to_string() };
        let value = serde_json::to_vec(value).map_err(format)?;
        self.0.insert(key, Some(value));
        Ok(())
    }

    /// Removes a value.
    pub fn remove(&mut self, key: impl Into<String>) {
        self.0.insert(key.into(), None);
    }

    /// Whether it changes nothing.
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

/// The state, and the change that is not written yet.
pub struct StateStore {
    state: Mutex<State>,
    repairs: Vec<String>,
}

struct State {
    files: Files,
    /// What is durable.
    values: Values,
    pending: Transaction,
    /// `identities.toml` is not as the state has it.
    identities_dirty: bool,
    closed: bool,
}

impl StateStore {
    /// Opens the state in a folder; `None` if there is none. `place` is put before names of files in messages.
    ///
    /// # Errors
    /// The state cannot be read; or it is not certain to have everything that was acknowledged.
    pub fn open(folder: Box<dyn Folder>, place: &str) -> Result<Option<Self>, StateError> {
        let mut files = Files::existing(folder, place);
        let Some(values) = files.open()? else { return Ok(None) };
        let repairs = files.take_repairs();
        for repair in &repairs {
            tracing::warn!("{repair}");
        }
        let state = State { files, values, pending: Transaction::default(), identities_dirty: false, closed: false };
        Ok(Some(Self { state: Mutex::new(state), repairs }))
    }

    /// Makes a new state in a folder, in the place of whatever is there.
    ///
    /// # Errors
    /// The storage failed.
    pub fn create(folder: Box<dyn Folder>, place: &str, first: Transaction) -> Result<Self, StateError> {
        let store = new_store_id(place)?;
        Self::create_in(Files::new(folder, place, store, 0), first)
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

    /// Files of a state that a folder has, where there is no state to open.
    ///
    /// # Errors
    /// The storage failed.
    pub(crate) fn leftover_files(folder: &mut dyn Folder, place: &str) -> Result<Vec<&'static str>, StateError> {
        let names = folder.list().map_err(|source| StateError::Io { file: place.into(), source })?;
        Ok(files::ALL_NAMES.into_iter().filter(|own| names.iter().any(|name| name == own)).collect())
    }

    /// Gives those files other names.
    ///
    /// # Errors
    /// The storage failed.
    pub(crate) fn set_aside(folder: &mut dyn Folder, place: &str) -> Result<(), StateError> {
        for name in Self::leftover_files(folder, place)? {
            let failed = |source| StateError::Io { file: format!("{place}{name}"), source };
            let aside = free_name(folder, &format!("{name}.old")).map_err(failed)?;
            folder.rename(name, &aside).map_err(failed)?;
        }
        Ok(())
    }

    /// What was damaged when the state was opened, and is as it was.
    #[must_use]
    pub fn repairs(&self) -> &[String] {
        &self.repairs
    }

    /// Makes a change durable, and with it whatever is pending.
    ///
    /// # Errors
    /// The storage failed. The change stays pending.
    pub fn commit(&self, change: Transaction) -> Result<(), StateError> {
        let mut state = lock(&self.state);
        state.pending.0.extend(change.0);
        if state.pending.is_empty() && !state.identities_dirty {
            return Ok(());
        }
        if state.closed {
            return Err(StateError::Closed);
        }
        // Where it panics, the files are not trusted any more: see `Files::append`.
        catch_unwind(AssertUnwindSafe(|| state.commit())).unwrap_or(Err(StateError::Panicked))
    }

    /// As [`Self::commit`], but what cannot be written now is not written later, when it is no longer expected: `undo`
    /// is pending in its place.
    ///
    /// # Errors
    /// The storage failed.
    pub fn commit_or_undo(&self, change: Transaction, undo: Transaction) -> Result<(), StateError> {
        self.commit(change).inspect_err(|_| drop(self.commit(undo)))
    }

    /// Closes the files: another process may use them from here on. Whatever is asked of the store afterwards is
    /// refused. Files that were damaged meanwhile are written again.
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

    /// The value of a key.
    ///
    /// # Errors
    /// The site was shut down, or the value cannot be understood.
    pub fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, StateError> {
        let state = lock(&self.state);
        let values = state.values_if_open()?;
        values.get(key).map(|value| decode_value(key, value)).transpose()
    }

    /// The values of all keys with a prefix, by the rest of the key.
    ///
    /// # Errors
    /// The site was shut down, or a value cannot be understood.
    pub fn get_prefix<T: DeserializeOwned>(&self, prefix: &str) -> Result<BTreeMap<String, T>, StateError> {
        let state = lock(&self.state);
        let values = state.values_if_open()?.range(prefix.to_owned()..);
        let own = values.map_while(|(key, value)| Some((key, key.strip_prefix(prefix)?, value)));
        own.map(|(key, rest, value)| Ok((rest.to_owned(), decode_value(key, value)?))).collect()
    }
}

/// A name for a store, unlike every other's.
fn new_store_id(place: &str) -> Result<String, StateError> {
    let mut random = [0; 4];
    let failed = |error: getrandom::Error| StateError::Io { file: place.into(), source: io::Error::other(error) };
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
