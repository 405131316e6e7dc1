//! The stored facts of cartridges on shelves on object storage, so that neither the start of a site nor a list asks the store for
//! each of them.
//!
//! The facts are those of the cartridge memory when this site read it last. Another daemon may have changed the cartridge since:
//! they are for lists, and a load and each request that changes a cartridge read the cartridge memory itself.

use crate::data_dir::RESTORED;
use crate::inventory::{self, CartridgeRecord, Location};
use crate::library::LibraryError;
use crate::locks::lock;
use crate::shared::Shared;
use crate::state_store::{StateError, Transaction};
use serde::{Deserialize, Serialize};
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tape_store::backend::{Folder, FolderStore};
use tape_store::cartridge::{Barcode, CartridgeKind};
use tape_store::error::StoreError;
use tape_store::mam::{AttrId, Flags, Mam};

/// A cartridge on a shelf on object storage, as the site has found it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shelved {
    /// Name of the shelf in the configuration.
    pub shelf: String,
    /// The facts of its cartridge memory; `None` if they may have changed since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub facts: Option<MemoryFacts>,
}

/// The facts of a cartridge memory that lists show.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryFacts {
    /// Name of the cartridge kind: `data`, `worm`, `null` or `cleaning`.
    pub kind: String,
    /// Whether the write-protect tab is set.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub write_protected: bool,
    /// End of the retention in seconds since 1970-01-01 UTC; 0 if the cartridge was never retained.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub retained_until: u64,
    /// Whether the cartridge is under a legal hold.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub legal_hold: bool,
    /// Number of loads into drives, since the cartridge was created.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub loads: u64,
    /// Number of cleanings that a cleaning cartridge permits; 0 for other kinds.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cleanings: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl MemoryFacts {
    /// The facts in a cartridge memory.
    pub(crate) fn of(mam: &Mam) -> Self {
        let is_cleaning = mam.kind() == CartridgeKind::Cleaning;
        Self {
            kind: mam.kind().name().into(),
            write_protected: mam.flags().contains(Flags::WRITE_PROTECTED),
            retained_until: mam.number(AttrId::RETAINED_UNTIL),
            legal_hold: mam.is_held(),
            loads: mam.number(AttrId::LOAD_COUNT),
            cleanings: if is_cleaning { mam.number(AttrId::MEDIUM_TYPE_INFORMATION) } else { 0 },
        }
    }

    /// The kind of the cartridge; `None` if another release has written one that this release does not know.
    pub(crate) fn kind(&self) -> Option<CartridgeKind> {
        CartridgeKind::by_name(&self.kind)
    }
}

impl CartridgeRecord {
    /// The known facts of a cartridge on a shelf on object storage.
    pub(crate) fn known_facts(&self) -> Option<&MemoryFacts> {
        self.shelved.as_ref()?.facts.as_ref()
    }

    /// Forgets the facts of a cartridge memory that may have changed.
    pub(crate) fn forget_facts(&mut self) {
        if let Some(shelved) = &mut self.shelved {
            shelved.facts = None;
        }
    }
}

impl Shared {
    /// Stores the facts of a cartridge memory that was read now, if the cartridge is on a shelf on object storage; otherwise
    /// that it is on none. `before` is the record of the cartridge before its memory was read; if the cartridge has been changed
    /// or moved since, the facts are not stored.
    pub(crate) fn remember_facts(&self, barcode: &Barcode, before: &CartridgeRecord, facts: &MemoryFacts) {
        let shelf = self.stores.shelf_of(barcode.as_str());
        let shelved = shelf.map(|shelf| Box::new(Shelved { shelf: shelf.to_owned(), facts: Some(facts.clone()) }));
        let mut inventory = self.inventory();
        let is_unchanged =
            |entry: &&mut CartridgeRecord| entry.location == before.location && entry.last_change == before.last_change;
        if let Some(entry) = inventory.get_mut(barcode.as_str()).filter(is_unchanged)
            && entry.shelved != shelved
        {
            entry.shelved = shelved;
            lock(&self.learned).insert(barcode.as_str().to_owned());
        }
    }

    /// Whether the files of a cartridge are on a shelf on object storage, where other sites can change them.
    pub(crate) fn is_on_object_shelf(&self, barcode: &Barcode, entry: &CartridgeRecord) -> bool {
        entry.shelved.is_some() || self.stores.shelf_of(barcode.as_str()).is_some()
    }

    /// Stores whether a cartridge is blank, if it is at this location. The caller has reserved it.
    pub(crate) fn remember_blank(&self, barcode: &Barcode, location: &Location, blank: Option<bool>) {
        if let Some(entry) = self.inventory().get_mut(barcode.as_str()).filter(|entry| entry.location == *location)
            && entry.blank != blank
        {
            entry.blank = blank;
            // One in the directory is read at each start.
            if self.is_on_object_shelf(barcode, entry) {
                lock(&self.learned).insert(barcode.as_str().to_owned());
            }
        }
    }

    /// Forgets what the state of a site has of the cartridges on shelves on object storage, because the state was restored from a
    /// copy: they may have been changed after it was made.
    pub(crate) fn forget_after_restore(&self, data: &mut dyn Folder) -> Result<(), LibraryError> {
        let failed = |source| StateError::Io { file: RESTORED.into(), source };
        if data.read(RESTORED).map_err(failed)?.is_none() {
            return Ok(());
        }
        let mut change = Transaction::default();
        let mut inventory = self.inventory();
        for (barcode, entry) in inventory.iter_mut().filter(|(_, entry)| entry.shelved.is_some()) {
            entry.forget_facts();
            entry.blank = None;
            inventory::insert(&mut change, barcode, entry)?;
        }
        drop(inventory);
        self.state.commit(change)?;
        Ok(data.remove(RESTORED).map_err(failed)?)
    }

    /// The number of a change of a cartridge.
    pub(crate) fn next_change(&self) -> u64 {
        self.last_change.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Forgets the facts of a cartridge memory, durably, before it is changed. After the change, [`Self::end_change`] is called.
    pub(crate) fn forget_facts(&self, barcode: &Barcode) -> Result<(), LibraryError> {
        let mut inventory = self.inventory();
        let Some(entry) = inventory.get_mut(barcode.as_str()) else { return Ok(()) };
        entry.last_change = self.next_change();
        if entry.known_facts().is_none() {
            return Ok(());
        }
        entry.forget_facts();
        let mut change = Transaction::default();
        inventory::insert(&mut change, barcode.as_str(), entry)?;
        Ok(self.state.commit(change)?)
    }

    /// Forgets the facts of a cartridge memory that a list has read and stored while it was changed.
    pub(crate) fn end_change(&self, barcode: &Barcode) {
        if let Some(entry) = self.inventory().get_mut(barcode.as_str()) {
            entry.last_change = self.next_change();
            entry.forget_facts();
        }
    }

    /// Forgets the shelf of a cartridge, and the facts of its memory: both may have changed.
    pub(crate) fn forget_shelved(&self, barcode: &Barcode) {
        if let Some(entry) = self.inventory().get_mut(barcode.as_str()) {
            entry.last_change = self.next_change();
            if entry.shelved.take().is_some() {
                lock(&self.learned).insert(barcode.as_str().to_owned());
            }
        }
    }

    /// Puts the unshelved bytes of all cartridges on their shelves, and writes the catalogs.
    pub(crate) fn flush_stores(&self) -> io::Result<()> {
        self.stores.flush()
    }

    /// Whether a directory of cartridges or a shelf on object storage has a cartridge.
    pub(crate) fn has_cartridges(&self) -> Result<bool, LibraryError> {
        let failed = |error| StoreError::Io { operation: "listing cartridges".into(), source: Arc::new(error) };
        self.stores.has_cartridges().map_err(|error| LibraryError::Store(failed(error)))
    }

    /// Makes the facts that were remembered since the last call durable, in one transaction.
    pub(crate) fn store_learned(&self) -> Result<(), LibraryError> {
        let learned = std::mem::take(&mut *lock(&self.learned));
        if learned.is_empty() {
            return Ok(());
        }
        // Locked until the transaction is durable: a move would be overwritten.
        let inventory = self.inventory();
        let mut change = Transaction::default();
        for barcode in &learned {
            if let Some(entry) = inventory.get(barcode) {
                inventory::insert(&mut change, barcode, entry)?;
            }
        }
        Ok(self.state.commit(change)?)
    }

    /// Takes the places of cartridges from the inventory, so that a search begins on their shelf. A place counts only if the
    /// configuration has the shelf, and the directory of cartridges has no folder of this name: that one would be used first.
    pub(crate) fn restore_places(&self) {
        let mut inventory = self.inventory();
        if inventory.values().all(|entry| entry.shelved.is_none()) {
            return;
        }
        let in_directory = self.stores.directory().list().unwrap_or_default();
        for name in in_directory {
            if let Some(entry) = inventory.get_mut(&name) {
                entry.shelved = None;
            }
        }
        for (name, entry) in inventory.iter_mut() {
            if let Some(shelved) = &entry.shelved
                && !self.stores.restore_place(name, &shelved.shelf)
            {
                entry.shelved = None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse;
    use crate::data_dir::DataDir;
    use crate::events::Cause;
    use crate::site::{OpenSite, Site};
    use tape_store::backend::memory::MemoryFolderStore;

    /// A site with the cartridge V1L8 on a shelf on object storage, and the facts of its cartridge memory.
    fn site_with_shelf() -> (OpenSite, Barcode, MemoryFacts) {
        let text = "[library]\nslots = 2\n[[cartridges]]\npattern = \"V#L8\"\ncount = 1\nsize = \"64MB\"\n\
                    [[shelf]]\nname = \"a\"\nurl = \"s3://tapes/a\"\n[storage]\nnew_cartridges = \"a\"\n";
        let data = DataDir::in_memory().with_shelf("a", Box::<MemoryFolderStore>::default());
        let (site, barcode) =
            (Site::open_data_dir(data, &parse("f", text).unwrap()).unwrap(), Barcode::new("V1L8").unwrap());
        let facts = MemoryFacts::of(&site.shared.store.find(&barcode).unwrap().mam().unwrap());
        (site, barcode, facts)
    }

    /// A list reads the cartridge memory, and ends after the change.
    #[test]
    fn facts_from_before_a_change_are_not_remembered_after_it() {
        let (site, barcode, facts) = site_with_shelf();
        let is_protected = || site.cartridges().into_iter().map(|one| one.write_protected).collect::<Vec<_>>();
        site.shared.forget_facts(&barcode).unwrap();
        let before = site.entry(&barcode).unwrap();
        assert_eq!(before.known_facts(), None);
        site.set_write_protect(&barcode, true).unwrap();
        site.shared.remember_facts(&barcode, &before, &facts);
        assert_eq!(is_protected(), [true]);
        // Between the begin and the end of a change.
        let change = site.with_unloaded_cartridge(&Cause::operator(), &barcode, |cartridge| {
            let during = site.entry(&barcode).unwrap();
            let facts = MemoryFacts::of(&cartridge.mam()?);
            cartridge.set_write_protect_tab(false)?;
            site.shared.remember_facts(&barcode, &during, &facts);
            assert_eq!(site.entry(&barcode).unwrap().known_facts(), Some(&facts));
            Ok(during)
        });
        let during = change.unwrap();
        assert_eq!(is_protected(), [false]);
        site.set_write_protect(&barcode, true).unwrap();
        site.shared.remember_facts(&barcode, &during, &facts);
        assert_eq!(is_protected(), [true]);
    }

    /// The cartridge is deleted and created again while a list reads it.
    #[test]
    fn facts_of_a_former_cartridge_are_not_remembered() {
        let (site, barcode, facts) = site_with_shelf();
        site.shared.forget_facts(&barcode).unwrap();
        let before = site.entry(&barcode).unwrap();
        site.shared.inventory().remove(barcode.as_str());
        site.shared.add_cartridge(&barcode, before.clone()).unwrap();
        site.shared.remember_facts(&barcode, &before, &facts);
        assert_eq!(site.entry(&barcode).unwrap().known_facts(), None);
    }

    #[test]
    fn records_name_only_what_differs() {
        let facts = MemoryFacts {
            kind: "data".into(),
            write_protected: false,
            retained_until: 0,
            legal_hold: false,
            loads: 3,
            cleanings: 0,
        };
        let shelved = Shelved { shelf: "archive".into(), facts: Some(facts) };
        let text = r#"{"shelf":"archive","facts":{"kind":"data","loads":3}}"#;
        assert_eq!(serde_json::to_string(&shelved).unwrap(), text);
        assert_eq!(serde_json::from_str::<Shelved>(text).unwrap(), shelved);
        let unknown: Shelved = serde_json::from_str(r#"{"shelf":"archive"}"#).unwrap();
        assert_eq!(unknown.facts, None);
    }
}
