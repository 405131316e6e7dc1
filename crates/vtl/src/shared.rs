//! What the units of a site share.

use crate::buffers::Buffers;
use crate::data_dir::Data;
use crate::events::{Event, Events};
use crate::inventory::{self, Entry, Inventory, Where};
use crate::keeper::{Change, KeepError, Keeper};
use crate::library::{Elsewhere, LibraryError};
use crate::locks::lock;
use crate::pool::Pool;
use crate::unit::Device;
use scsi_core::fault::Save;
use smc::changer::{Changer, Changes};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard};
use tape_store::cartridge::Barcode;
use tape_store::shelf::TapeStore;

pub(crate) struct Shared {
    pub(crate) keeper: Keeper,
    inventory: Mutex<Inventory>,
    hands: Mutex<()>,
    pub(crate) store: TapeStore,
    pub(crate) buffers: Arc<Buffers>,
    pub(crate) pool: Arc<Pool>,
    pub(crate) events: Events,
    /// The site was shut down: nothing moves any more.
    pub(crate) ended: AtomicBool,
    /// Who makes the doors of drives, if other processes serve those.
    pub(crate) elsewhere: Option<Elsewhere>,
}

/// Whose state is kept: a unit by its name, and the library it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    /// The library.
    pub(crate) library: String,
    /// Where its cartridges go when they leave it.
    pub(crate) shelf: String,
    /// The unit in it: `changer`, or `drive/` and its number.
    pub(crate) unit: String,
}

impl Owner {
    /// Key of the unit's saved state.
    pub(crate) fn key(&self) -> String {
        format!("unit/{}/{}", self.library, self.unit)
    }
}

/// Key of what operators have set in a library.
pub(crate) fn condition_key(library: &str) -> String {
    format!("condition/{library}")
}

impl Shared {
    /// Opens what a data directory keeps; one of the first version is taken over for the library of this name.
    pub(crate) fn open(mut data: Data, library: &str, elsewhere: Option<Elsewhere>) -> Result<Self, LibraryError> {
        let (keeper, new) = Keeper::open(data.folder.again().map_err(KeepError::Io)?)?;
        if new {
            data.take_over(library, &keeper)?;
        }
        let inventory = inventory::read(&keeper)?;
        Ok(Self {
            keeper,
            inventory: Mutex::new(inventory),
            hands: Mutex::default(),
            store: TapeStore::new(data.shelves),
            buffers: Arc::default(),
            pool: Arc::new(Pool::new()),
            events: Events::default(),
            ended: AtomicBool::new(false),
            elsewhere,
        })
    }

    pub(crate) fn inventory(&self) -> MutexGuard<'_, Inventory> {
        lock(&self.inventory)
    }

    /// Enters a cartridge that is new, durably or not at all.
    pub(crate) fn enter(&self, barcode: &Barcode, entry: Entry) -> Result<(), LibraryError> {
        let (mut change, mut undo) = (Change::default(), Change::default());
        inventory::note(&mut change, barcode.as_str(), &entry)?;
        inventory::withdraw(&mut undo, barcode.as_str());
        let mut inventory = self.inventory();
        self.keeper.keep_or(change, undo)?;
        inventory.insert(barcode.to_string(), entry);
        Ok(())
    }

    /// Held by who carries cartridges between shelves and libraries.
    pub(crate) fn hands(&self) -> MutexGuard<'_, ()> {
        lock(&self.hands)
    }

    /// Makes durable what a unit says has changed, in one step.
    pub(crate) fn keep(&self, owner: &Owner, device: &mut Device, save: Save) -> Result<(), KeepError> {
        let mut change = Change::default();
        if save.contains(Save::UNIT) {
            change.set(owner.key(), &device.lu().saved())?;
        }
        if save.contains(Save::INVENTORY)
            && let Device::Changer(changer) = device
        {
            return self.keep_changes(owner, changer, change);
        }
        self.keeper.keep(change)
    }

    /// As [`Self::keep`], for what happened in a library.
    fn keep_changes(&self, owner: &Owner, changer: &mut Changer, mut change: Change) -> Result<(), KeepError> {
        let Changes { places, condition } = changer.take_changes();
        if let Some(condition) = &condition {
            change.set(condition_key(&owner.library), condition)?;
        }
        let layout = *changer.library().layout();
        // Held until it is durable: what is kept follows what happens.
        let mut inventory = self.inventory();
        let mut events = Vec::new();
        for (barcode, place) in places {
            let place = match &place {
                Some(place) => Where::of(&owner.library, place),
                None => Where::Shelf(owner.shelf.clone()),
            };
            let name = barcode.as_str();
            let Some(entry) = inventory.get_mut(name) else { continue };
            let from = std::mem::replace(&mut entry.place, place);
            entry.note_move(&owner.library, &from, |address| layout.drives.index(address).is_some());
            inventory::note(&mut change, name, entry)?;
            if from != entry.place {
                events.push(Event::Moved { barcode: name.into(), from, to: entry.place.clone() });
            }
        }
        events.extend(condition.map(|condition| Event::Condition { library: owner.library.clone(), condition }));
        let kept = self.keeper.keep(change);
        drop(inventory);
        events.into_iter().for_each(|event| self.events.tell(event));
        kept
    }
}
