//! Records which configured directory holds each cartridge, so that a disk that is not mounted is detected even if
//! other directories have cartridges.

use crate::inventory::Inventory;
use crate::library::LibraryError;
use crate::shared::Shared;
use crate::state_store::{StateError, Transaction};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use tape_store::cartridge::Barcode;

/// State key of the barcodes in each directory.
const KEY: &str = "cartridge-directories";

/// The barcodes in each directory, by its path.
type Known = BTreeMap<String, BTreeSet<String>>;

fn key_of(path: &Path) -> String {
    path.display().to_string()
}

impl Shared {
    fn known_directories(&self) -> Result<Known, StateError> {
        Ok(self.state.get(KEY)?.unwrap_or_default())
    }

    /// Returns the directories whose known cartridges are all missing, with the number of missing cartridges: their
    /// disks are probably not mounted. A cartridge that was moved to another directory, or forgotten, is not missing.
    pub(crate) fn unmounted_directories(&self, inventory: &Inventory) -> Result<Vec<(PathBuf, usize)>, LibraryError> {
        let known = self.known_directories()?;
        let exists = |name: &&String| self.directories.iter().any(|path| path.join(name).is_dir());
        let missing = |path: &PathBuf| {
            let names = known.get(&key_of(path))?;
            let expected: Vec<&String> = names.iter().filter(|name| inventory.contains_key(*name)).collect();
            let all = !expected.is_empty() && !expected.iter().any(exists);
            all.then(|| (path.clone(), expected.len()))
        };
        Ok(self.directories.iter().filter_map(missing).collect())
    }

    /// Logs the directories that are probably not mounted.
    pub(crate) fn report_unmounted_directories(&self) -> Result<(), LibraryError> {
        let unmounted = self.unmounted_directories(&self.inventory())?;
        for (path, cartridges) in unmounted {
            tracing::error!(
                path = %path.display(),
                cartridges,
                "all cartridges of the directory are missing; mount its disk, or forget the cartridges that are lost"
            );
        }
        Ok(())
    }

    /// Stores which cartridges each directory has. The record of a directory that is probably not mounted stays
    /// unchanged.
    pub(crate) fn store_directories(&self) -> Result<(), LibraryError> {
        if self.directories.is_empty() {
            return Ok(());
        }
        let old = self.known_directories()?;
        let unmounted = self.unmounted_directories(&self.inventory())?;
        let mut new = Known::new();
        for path in &self.directories {
            let key = key_of(path);
            let names = if unmounted.iter().any(|(other, _)| other == path) {
                old.get(&key).cloned().unwrap_or_default()
            } else {
                barcodes(path)
            };
            new.insert(key, names);
        }
        if new != old {
            let mut change = Transaction::default();
            change.set(KEY.to_owned(), &new)?;
            self.state.commit(change)?;
        }
        Ok(())
    }

    /// Does the same as [`Self::store_directories`], but only if nothing is recorded for the directory of new
    /// cartridges.
    pub(crate) fn store_first_directory(&self) -> Result<(), LibraryError> {
        let Some(first) = self.directories.first() else { return Ok(()) };
        let is_known = self.known_directories()?.get(&key_of(first)).is_some_and(|names| !names.is_empty());
        if is_known { Ok(()) } else { self.store_directories() }
    }
}

/// The barcodes of the cartridges in a directory; empty if the directory cannot be read.
fn barcodes(path: &Path) -> BTreeSet<String> {
    let names = std::fs::read_dir(path).into_iter().flatten().flatten();
    let names = names.filter_map(|entry| entry.file_name().into_string().ok());
    names.filter(|name| Barcode::new(name).is_some()).collect()
}
