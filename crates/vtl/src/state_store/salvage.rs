//! Reads the remains of a damaged state and creates a new state from it.

use super::files::{ALL_NAMES, Files};
use super::merge::{Values, ValuesByCommit, merge, salvage, select_store};
use super::state_file::read_bytes;
use super::{StateError, StateStore, Transaction, new_store_id, upgrade};
use tape_store::backend::{Folder, free_name};

/// The readable remains of a state.
pub(crate) struct Salvage {
    files: Files,
    prefix: String,
    store: Option<String>,
    /// Upper bound of all commit numbers that were ever used.
    commit: u64,
    /// Values by key, with the number of the commit that set each.
    pub(crate) values: ValuesByCommit,
    /// The sources of the values, and the losses; one text each.
    pub(crate) notes: Vec<String>,
    /// Whether the state is not damaged.
    pub(crate) is_intact: bool,
}

impl Salvage {
    /// Reads the remains of a state in a folder.
    ///
    /// # Errors
    /// Fails if the storage failed, or a file is of another version.
    pub(crate) fn read(folder: Box<dyn Folder>, prefix: &str) -> Result<Self, StateError> {
        let mut files = Files::existing(folder, prefix);
        let (copies, known) = (files.read_files()?, files.read_identities()?);
        let expected = known.as_ref().ok().map(|known| known.store.clone());
        let mut notes =
            copies.iter().filter_map(|copy| Some(format!("{} {}", copy.name, copy.damage_text()?))).collect();
        let mut read = Self {
            files,
            prefix: prefix.into(),
            store: expected.clone(),
            commit: known.as_ref().map_or(0, |known| known.commit),
            values: ValuesByCommit::new(),
            notes: Vec::new(),
            is_intact: false,
        };
        read.notes.append(&mut notes);
        match select_store(&copies, expected.as_deref()) {
            Ok(store) => {
                let (values, lost) = salvage(&copies, &store);
                let merged = merge(&copies, Some(&store));
                read.is_intact = known.as_ref().is_ok_and(|known| {
                    merged.as_ref().is_ok_and(|merged| merged.commit >= known.commit) && read.notes.is_empty()
                });
                read.notes.extend(merged.err().map(|problem| format!("state.1 and state.2 {problem}")));
                read.notes.extend(lost);
                read.values = values;
                read.commit =
                    read.commit.max(copies.iter().map(super::state_file::StateFile::last_commit).max().unwrap_or(0));
                read.store = Some(store);
            }
            Err(problem) => read.notes.push(format!("state.1 and state.2 {problem}: they are not used")),
        }
        if read.values.is_empty() {
            read.read_database()?;
        }
        match known {
            Ok(known) => {
                let names = known
                    .values()
                    .map_err(|error| StateError::Format { key: "identities".into(), reason: error.to_string() })?;
                let mut taken = 0;
                for (key, value) in names {
                    let older = read.values.get(&key).is_none_or(|(commit, _)| *commit < known.commit);
                    if older {
                        taken += 1;
                        read.values.insert(key, (known.commit, value));
                    }
                }
                read.notes.push(format!("identities.toml is intact: {taken} identities are restored from it"));
            }
            Err(problem) => read.notes.push(format!("identities.toml {problem}")),
        }
        Ok(read)
    }

    /// Whether the folder has a state file, intact or damaged.
    ///
    /// # Errors
    /// Fails if the storage failed.
    pub(crate) fn has_state(&mut self) -> Result<bool, StateError> {
        self.files.any()
    }

    fn read_database(&mut self) -> Result<(), StateError> {
        match self.files.read_database(true) {
            Ok(Some(values)) => {
                self.notes.push(format!("{} is read as far as it is intact", upgrade::FILE_NAME));
                self.values = values.into_iter().map(|(key, value)| (key, (0, value))).collect();
            }
            Ok(None) => {}
            Err(StateError::Unusable { reason: problem, .. }) => {
                self.notes.push(format!("{} {problem}", upgrade::FILE_NAME))
            }
            Err(other) => return Err(other),
        }
        Ok(())
    }

    /// Writes a new state and keeps copies of the old files. Returns the names of the copies.
    ///
    /// # Errors
    /// Fails if the storage failed.
    pub(crate) fn write(self, mut folder: Box<dyn Folder>, values: Values) -> Result<Vec<String>, StateError> {
        let Self { files, prefix, store, commit, .. } = self;
        drop(files);
        let mut aside = Vec::new();
        // Copied, not renamed, so that the folder has a state at every moment.
        for name in ALL_NAMES {
            let failed = |source| StateError::Io { file: format!("{prefix}{name}"), source };
            let Some(bytes) = read_bytes(folder.as_mut(), &prefix, name)? else { continue };
            let other = free_name(folder.as_mut(), &format!("{name}.old")).map_err(failed)?;
            folder.replace(&other, &bytes).map_err(failed)?;
            aside.push(other);
        }
        let failed = |source| StateError::Io { file: format!("{prefix}{}", upgrade::FILE_NAME), source };
        let again = folder.reopen().map_err(failed)?;
        let store = store.map_or_else(|| new_store_id(&prefix), Ok)?;
        let new_state = StateStore::create_in(Files::new(again, &prefix, store, commit), Transaction::from(values))?;
        folder.remove(upgrade::FILE_NAME).map_err(failed)?;
        new_state.close();
        Ok(aside)
    }
}
