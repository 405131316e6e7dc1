//! Restores the state of a site from the remains of its state files, its identities file and its cartridges.

use crate::config::{Config, LibrarySetup};
use crate::control::element_name;
use crate::data_dir::{DataDir, DataDirError, acquire_lock};
use crate::inventory::{self, CartridgeRecord, Location};
use crate::library::LibraryError;
use crate::state_store::{Salvage, StateError};
use smc::element::ElementAddress;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::{Path, PathBuf};
use tape_store::backend::Folder;
use tape_store::cartridge::Barcode;
use tape_store::store::TapeStore;

/// A planned recovery of a site. Its directory stays locked while this exists.
pub struct SiteRecovery {
    folder: Box<dyn Folder>,
    salvage: Salvage,
    values: BTreeMap<String, Vec<u8>>,
    plan: Vec<String>,
    path: PathBuf,
    lock: Option<File>,
}

impl SiteRecovery {
    /// Plans a recovery and changes nothing. Cartridges that no state file lists get the location in this
    /// configuration.
    ///
    /// # Errors
    /// Fails if the directory does not exist, is in use or cannot be read, or has neither cartridges nor a state.
    pub fn plan(path: &Path, config: &Config) -> Result<Self, LibraryError> {
        if !path.is_dir() {
            return Err(DataDirError::Format { path: path.into(), reason: "is not a directory".into() }.into());
        }
        let data = DataDir::open_existing(path)?.with_cartridge_directories(config, false);
        let prefix = data.message_prefix();
        let DataDir { cartridges, mut folder, lock, .. } = data;
        let again = folder.reopen().map_err(|source| StateError::Io { file: prefix.clone(), source })?;
        let mut salvage = Salvage::read(again, &prefix)?;
        let mut plan = std::mem::take(&mut salvage.notes);
        if !salvage.values.contains_key("site") {
            plan.push("no file has the suffix of the iSCSI names; the site gets a new name".into());
        }
        let has_state = salvage.has_state()?;
        let mut entries = plan_known_cartridges(&salvage, config, &mut plan);
        let store = TapeStore::new(cartridges);
        // The next start creates the missing directory.
        let lost = config.cartridge_directories.is_empty() && !path.join("cartridges").exists();
        let listed = if lost { Vec::new() } else { store.list().map_err(LibraryError::Store)? };
        if listed.is_empty() && !has_state {
            return Err(LibraryError::Inconsistent(format!(
                "nothing to recover in {}: it has no cartridges and no state",
                path.display()
            )));
        }
        for barcode in &listed {
            let known = entries.contains_key(barcode.as_str());
            if !known && salvage.values.contains_key(&inventory::forgotten_key(barcode.as_str())) {
                plan.push(format!("{barcode}: forgotten; stays out"));
            } else if !known
                && !salvage.values.contains_key(&inventory::deletion_key(barcode.as_str()))
                && let Some(entry) = plan_unknown_cartridge(&store, barcode, config, &mut plan)
            {
                entries.insert(barcode.to_string(), entry);
            }
        }
        for (name, entry) in &entries {
            let missing = listed.iter().all(|barcode| barcode.as_str() != name);
            let note = match (missing, config.shelves.is_empty()) {
                (false, _) => "",
                (true, true) => "; its files are missing",
                (true, false) => "; no directory has its files, and shelves were not read",
            };
            plan.push(format!("{name}: {}{note}", location_name(&entry.location, config)));
        }
        let mut values: BTreeMap<_, _> =
            salvage.values.iter().map(|(key, (_, value))| (key.clone(), value.clone())).collect();
        values.retain(|key, _| inventory::barcode_from_key(key).is_none());
        for (name, entry) in &entries {
            let value = serde_json::to_vec(entry)
                .map_err(|error| StateError::Format { key: name.clone(), reason: error.to_string() })?;
            values.insert(inventory::cartridge_key(name), value);
        }
        Ok(Self { folder, salvage, values, plan, path: path.into(), lock })
    }

    /// Whether the state is intact, so that there is nothing to restore.
    #[must_use]
    pub const fn is_intact(&self) -> bool {
        self.salvage.is_intact
    }

    /// The plan, one line each: what can be read, what is lost, and the future location of each cartridge.
    #[must_use]
    pub fn plan_lines(&self) -> &[String] {
        &self.plan
    }

    /// Writes the new state. Keeps copies of the old files and returns their names.
    ///
    /// # Errors
    /// Fails if the storage failed.
    pub fn apply(self) -> Result<Vec<String>, LibraryError> {
        let _lock = self.lock.map_or_else(|| acquire_lock(&self.path), Ok)?;
        Ok(self.salvage.write(self.folder, self.values)?)
    }
}

/// The cartridges of a state. If two are in the same element, the cartridge of the later commit stays there.
fn plan_known_cartridges(
    salvage: &Salvage,
    config: &Config,
    plan: &mut Vec<String>,
) -> BTreeMap<String, CartridgeRecord> {
    let mut entries: Vec<(u64, String, CartridgeRecord)> = Vec::new();
    for (key, (commit, value)) in &salvage.values {
        let Some(name) = inventory::barcode_from_key(key) else { continue };
        match serde_json::from_slice(value) {
            Ok(entry) => entries.push((*commit, name.into(), entry)),
            Err(error) => plan.push(format!("{name}: its record cannot be parsed: {error}")),
        }
    }
    entries.sort_by_key(|(commit, ..)| std::cmp::Reverse(*commit));
    let mut taken = BTreeSet::new();
    let mut records = BTreeMap::new();
    for (_, name, mut entry) in entries {
        if let Location::Element { library, address, .. } = entry.location.clone()
            && !taken.insert((library.clone(), address))
        {
            plan.push(format!("{name}: another cartridge was moved to its element {address} later"));
            let setup = config.libraries.iter().find(|setup| setup.name == library);
            entry.location = Location::Shelf(setup.map_or(library, |setup| setup.shelf.clone()));
        }
        records.insert(name, entry);
    }
    records
}

/// The record of a cartridge that no state file lists: on the shelf of the first library. `None` for a cartridge that
/// the configuration lists, which the next start puts into a free slot.
fn plan_unknown_cartridge(
    store: &TapeStore,
    barcode: &Barcode,
    config: &Config,
    plan: &mut Vec<String>,
) -> Option<CartridgeRecord> {
    let lists = |setup: &&LibrarySetup| setup.cartridges.iter().any(|cartridge| cartridge.barcode == *barcode);
    if let Some(setup) = config.libraries.iter().find(lists) {
        plan.push(format!("{barcode}: in no state file; put into a free slot of {} at the next start", setup.name));
        return None;
    }
    let setup = config.libraries.first()?;
    match store.find(barcode) {
        Ok(cartridge) => {
            plan.push(format!("{barcode}: in no state file"));
            Some(CartridgeRecord::from_cartridge(Location::Shelf(setup.shelf.clone()), &cartridge))
        }
        Err(error) => {
            plan.push(format!("{barcode}: in no state file, and omitted: {error}"));
            None
        }
    }
}

/// A location in the words of the operator interface.
fn location_name(location: &Location, config: &Config) -> String {
    let (library, address) = match location {
        Location::Shelf(shelf) => return format!("on the shelf {shelf}"),
        Location::Element { library, address, .. } => (library, ElementAddress(*address)),
    };
    let setup = config.libraries.iter().find(|setup| setup.name == *library);
    let element = setup.filter(|setup| setup.layout.element_type(address).is_some());
    let unknown = || format!("element {}, which the configuration does not have", address.0);
    let element = element.map_or_else(unknown, |setup| element_name(&setup.layout, address));
    format!("in library {library}, {element}")
}
