//! The state that all units of a site share.

use crate::buffers::Buffers;
use crate::cartridge_stores::CartridgeStores;
use crate::clock::{Clock, ClockListener};
use crate::control::{Door, element_name};
use crate::corrupt_records::CorruptRecords;
use crate::data_dir::DataDir;
use crate::disk_space::DiskSpace;
use crate::events::log::log_of_library;
use crate::events::{Cause, Event, Events, Subject};
use crate::frontend::{Frontend, ServedDrives, SiteOptions};
use crate::inventory::{self, CartridgeRecord, Inventory, Location};
use crate::library::{LibraryError, random_hex};
use crate::locks::lock;
use crate::observer::{CommandObserver, TraceRing};
use crate::reservations::Reservations;
use crate::site::Site;
use crate::state_store::{StateError, StateStore, Transaction};
use crate::sync_times::SyncTimes;
use crate::tokens::{self, TokenRecord};
use crate::unit::Device;
use crate::unusable::UnusableCartridges;
use crate::workers::ThreadedWorkers;
use scsi_core::fault::Save;
use scsi_core::time::{Instant, Now};
use smc::changer::{Changer, PendingChanges};
use smc::library::CartridgeLocation;
use smc::robot::OperatorState;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, RwLock, Weak};
use std::time::Duration;
use tape_store::backend::FolderStore;
use tape_store::cartridge::{Barcode, Cartridge};
use tape_store::store::TapeStore;

pub(crate) struct Shared {
    pub(crate) state: StateStore,
    inventory: Mutex<Inventory>,
    /// Barcodes of the cartridges whose records have facts that are not durable yet.
    pub(crate) learned: Mutex<BTreeSet<String>>,
    /// The number of the last change of a cartridge.
    pub(crate) last_change: AtomicU64,
    /// The operator state of each library, as its changer has it.
    operator_states: Mutex<BTreeMap<String, OperatorState>>,
    /// Cartridges whose files are in use outside of drives.
    pub(crate) reservations: Arc<Reservations>,
    pub(crate) store: TapeStore,
    /// The folders of the cartridges of `store`.
    pub(crate) stores: Arc<CartridgeStores>,
    /// The configured cartridge directories.
    pub(crate) directories: Vec<PathBuf>,
    /// Whether new cartridges are created on a shelf on object storage, and not in the first directory.
    pub(crate) creates_on_shelf: bool,
    pub(crate) buffers: Arc<Buffers>,
    pub(crate) workers: Arc<ThreadedWorkers>,
    pub(crate) events: Arc<Events>,
    /// The last commands of all units.
    pub(crate) trace: TraceRing,
    /// Observers that the program added.
    pub(crate) observers: RwLock<Vec<Arc<dyn CommandObserver>>>,
    /// Whether a record is made of each command.
    pub(crate) records: bool,
    pub(crate) disk_space: DiskSpace,
    /// How long the files of cartridges took to synchronise.
    pub(crate) sync_times: Arc<SyncTimes>,
    pub(crate) unusable: UnusableCartridges,
    /// The site, for a loss of power that one of its units causes.
    pub(crate) site: OnceLock<Weak<Site>>,
    /// The site was shut down: no cartridge moves from now on.
    pub(crate) ended: AtomicBool,
    /// How hosts reach the units.
    /// Corrupt records that drives and jobs have found.
    pub(crate) corrupt_records: CorruptRecords,
    pub(crate) frontend: Frontend,
    /// The drives that the site serves itself.
    pub(crate) drives: ServedDrives,
    /// Tokens of the HTTP API, by name.
    tokens: Mutex<BTreeMap<String, TokenRecord>>,
    /// The source of time of the site.
    pub(crate) clock: Clock,
}

/// Identifies a unit of a site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UnitId {
    /// Name of the library that the unit belongs to.
    pub(crate) library: String,
    /// Name of the shelf that its exported cartridges go to.
    pub(crate) shelf: String,
    /// Index of the drive in the library, from 0; `None` for the changer.
    pub(crate) drive: Option<usize>,
}

impl UnitId {
    /// Name of the unit in its library: `changer`, or a drive such as `drive1`.
    pub(crate) fn unit(&self) -> String {
        self.drive.map_or_else(|| "changer".into(), |index| format!("drive{}", index + 1))
    }

    /// State key of the unit's saved state. The number of a drive in it begins at 0.
    pub(crate) fn key(&self) -> String {
        let unit = self.drive.map_or_else(|| "changer".into(), |index| format!("drive/{index}"));
        format!("unit/{}/{unit}", self.library)
    }
}

/// State key of the operator settings of a library.
pub(crate) fn operator_state_key(library: &str) -> String {
    format!("condition/{library}")
}

impl Shared {
    /// Takes the power from all units and portals of the site.
    pub(crate) fn lose_power(&self, outage: Duration) {
        if let Some(site) = self.site.get().and_then(Weak::upgrade) {
            site.lose_power(outage);
        }
    }

    /// Opens the state in a data directory; that of a directory of format version 1 is upgraded as the state of this
    /// library.
    pub(crate) fn open(mut data: DataDir, library: &str, options: SiteOptions) -> Result<Self, LibraryError> {
        let state = data.open_state(library)?;
        let mut directory =
            data.folder.reopen().map_err(|source| StateError::Io { file: data.message_prefix(), source })?;
        let inventory = inventory::load(&state)?;
        let reservations = Arc::new(Reservations::new(options.clock.clone()));
        let listener: Arc<dyn ClockListener> = Arc::clone(&reservations) as _;
        options.clock.add_listener(Arc::downgrade(&listener));
        let tokens = Mutex::new(tokens::load(&state)?);
        let start = random_hex(8)?;
        let events = Arc::new(Events::new(start.clone(), options.clock.clone()));
        let disk_space = DiskSpace::new(data.disk_directories(), &events).map_err(LibraryError::Thread)?;
        let sync_times = Arc::new(SyncTimes::new(options.clock.clone()));
        let mut folders = data.take_folders(&options.clock);
        folders.set_sync_timer(Arc::clone(&sync_times) as _);
        let stores = Arc::new(folders);
        let shared = Self {
            state,
            inventory: Mutex::new(inventory),
            learned: Mutex::default(),
            last_change: AtomicU64::new(0),
            operator_states: Mutex::default(),
            reservations,
            store: TapeStore::of_shared(Arc::clone(&stores) as _).with_media(data.media),
            stores,
            directories: data.directories,
            creates_on_shelf: data.new_cartridges.is_some(),
            buffers: Arc::default(),
            workers: Arc::new(ThreadedWorkers::new()),
            trace: TraceRing::new(start.into()),
            events,
            observers: RwLock::default(),
            records: options.records,
            corrupt_records: CorruptRecords::new(disk_space.directories()),
            disk_space,
            sync_times,
            unusable: UnusableCartridges::default(),
            site: OnceLock::new(),
            ended: AtomicBool::new(false),
            frontend: options.frontend,
            drives: options.drives,
            tokens,
            clock: options.clock,
        };
        shared.forget_after_restore(directory.as_mut())?;
        Ok(shared)
    }

    pub(crate) fn tokens(&self) -> MutexGuard<'_, BTreeMap<String, TokenRecord>> {
        lock(&self.tokens)
    }

    /// Reads the clock of the site.
    pub(crate) fn now(&self) -> Now {
        self.clock.now()
    }

    /// Reads the monotonic time of the site.
    pub(crate) fn monotonic(&self) -> Instant {
        self.clock.monotonic()
    }

    pub(crate) fn inventory(&self) -> MutexGuard<'_, Inventory> {
        lock(&self.inventory)
    }

    /// The known barcode that a text most probably means: equal except for case and blanks, or the only one with that
    /// prefix.
    pub(crate) fn suggest_barcode(&self, text: &str) -> Option<String> {
        let (inventory, text) = (self.inventory(), text.trim());
        if let Some(same) = inventory.keys().find(|name| name.eq_ignore_ascii_case(text)) {
            return Some(same.clone());
        }
        let begins = |name: &&String| name.get(..text.len()).is_some_and(|start| start.eq_ignore_ascii_case(text));
        let mut longer = inventory.keys().filter(begins).filter(|_| !text.is_empty());
        longer.next().filter(|_| longer.next().is_none()).cloned()
    }

    /// Checks each cartridge that was blank, because it may have been written while the site was closed. If it is no
    /// longer blank, its state is unknown until the tape is read. Cartridges on shelves on object storage are not checked: what is
    /// known of them is forgotten when they arrive from elsewhere ([`CartridgeRecord::record_move`]).
    pub(crate) fn recheck_blank(&self) {
        let was_blank = |(_, entry): &(&String, &CartridgeRecord)| entry.blank == Some(true) && entry.shelved.is_none();
        let names: Vec<String> = self.inventory().iter().filter(was_blank).map(|(name, _)| name.clone()).collect();
        for name in names {
            let blank = Barcode::new(&name).and_then(|barcode| self.store.is_blank(&barcode).ok().flatten());
            if let Some(entry) = self.inventory().get_mut(&name) {
                entry.blank = blank;
            }
        }
    }

    /// Adds a new cartridge to the inventory, durably or not at all.
    pub(crate) fn add_cartridge(&self, barcode: &Barcode, mut entry: CartridgeRecord) -> Result<(), LibraryError> {
        // Another cartridge may have had this barcode.
        entry.last_change = self.next_change();
        let (mut change, mut undo) = (Transaction::default(), Transaction::default());
        inventory::insert(&mut change, barcode.as_str(), &entry)?;
        inventory::remove(&mut undo, barcode.as_str());
        let mut inventory = self.inventory();
        self.state.commit_or_undo(change, undo)?;
        inventory.insert(barcode.to_string(), entry);
        drop(inventory);
        // The cartridge has been added even if this cannot be stored.
        if let Err(error) = self.store_first_directory() {
            tracing::warn!(%error, "cannot store the directory of the cartridge");
        }
        Ok(())
    }

    /// Empties the inventory of a site whose robots are in another process: that one brings the cartridges again, also for drives
    /// that had one.
    pub(crate) fn forget_without_robot(&self) -> Result<(), StateError> {
        if self.drives.daemon().is_none() {
            return Ok(());
        }
        let mut inventory = self.inventory();
        let mut change = Transaction::default();
        inventory.keys().for_each(|name| inventory::remove(&mut change, name));
        self.state.commit(change)?;
        inventory.clear();
        Ok(())
    }

    /// What operators have set in a library. Does not wait for its changer.
    pub(crate) fn operator_state(&self, library: &str) -> OperatorState {
        lock(&self.operator_states).get(library).cloned().unwrap_or_default()
    }

    /// Publishes what operators have set in a library. Returns the state before.
    pub(crate) fn publish_operator_state(&self, library: &str, state: OperatorState) -> OperatorState {
        lock(&self.operator_states).insert(library.to_owned(), state).unwrap_or_default()
    }

    /// Stores the changes that a unit reports in one transaction. `cause` is the cause in the events of moves.
    pub(crate) fn commit(
        &self,
        owner: &UnitId,
        device: &mut Device,
        save: Save,
        cause: &Cause,
    ) -> Result<(), StateError> {
        let mut change = Transaction::default();
        if save.intersects(Save::UNIT | Save::COUNTERS) {
            change.set(owner.key(), &device.lu().saved())?;
        }
        if save.contains(Save::INVENTORY)
            && let Device::Changer(changer) = device
        {
            return self.commit_changes(owner, changer, change, cause);
        }
        self.state.commit(change)
    }

    /// Does the same as [`Self::commit`], for changes in a library. If they cannot be stored, they are undone: the
    /// cartridges return to their previous locations.
    fn commit_changes(
        &self,
        owner: &UnitId,
        changer: &mut Changer,
        mut change: Transaction,
        cause: &Cause,
    ) -> Result<(), StateError> {
        let PendingChanges { locations, operator_state } = changer.take_changes();
        let (layout, library) = (*changer.library().layout(), owner.library.as_str());
        let mut events = self.operator_events(library, operator_state.as_ref());
        if let Some(operator_state) = &operator_state {
            change.set(operator_state_key(library), operator_state)?;
        }
        let is_drive = |location: &Location| {
            location.element_in(library).is_some_and(|(address, _)| layout.drives.index(address).is_some())
        };
        // Locked until the transaction is durable: the inventory changes only after it.
        let mut inventory = self.inventory();
        let mut moved = Vec::new();
        for (barcode, location) in locations {
            let name = barcode.as_str();
            let Some(mut entry) = inventory.get(name).cloned() else { continue };
            let location = match &location {
                Some(location) => Location::from_changer(&owner.library, location),
                // Another partition of the chassis has received it, and this is stored already.
                None if matches!(&entry.location, Location::Element { library: other, .. } if other != library) => {
                    continue;
                }
                None => Location::Shelf(owner.shelf.clone()),
            };
            let from = std::mem::replace(&mut entry.location, location);
            entry.last_change = self.next_change();
            let is_on_object_shelf = self.is_on_object_shelf(&barcode, &entry);
            entry.record_move(&owner.library, &from, is_on_object_shelf, |address| {
                layout.drives.index(address).is_some()
            });
            inventory::insert(&mut change, name, &entry)?;
            if from != entry.location {
                events.push((Some(name.to_owned()), Event::of_move(from, entry.location.clone(), is_drive)));
            }
            moved.push((barcode.to_string(), entry));
        }
        let moves = !moved.is_empty();
        let stored = self.state.commit(change);
        if stored.is_ok() {
            inventory.extend(moved);
            changer.library_mut().release_empty_slots();
        }
        drop(inventory);
        match &stored {
            Err(_) if moves => self.restore_locations(owner, changer),
            _ => events.into_iter().for_each(|(barcode, event)| {
                let locations = event.locations().map(|(from, to)| [from, to]);
                let elements = locations.into_iter().flatten().filter_map(|location| {
                    let (address, _) = location.element_in(library)?;
                    Some(format!("{library}/{}", element_name(&layout, address)))
                });
                let elements = elements.collect();
                let subject = Subject { barcode, elements, ..Subject::new(cause.clone()).with_library(library) };
                log_of_library(&subject, &event, |address| element_name(&layout, address));
                self.events.notify(subject, event);
            }),
        }
        stored
    }

    /// Publishes a new operator state of a library, and returns its events: the doors that have changed, and the state as a whole.
    fn operator_events(&self, library: &str, new: Option<&OperatorState>) -> Vec<(Option<String>, Event)> {
        let Some(new) = new else { return Vec::new() };
        let old = self.publish_operator_state(library, new.clone());
        let doors =
            [(Door::Access, old.door_open, new.door_open), (Door::IoStation, old.station_open, new.station_open)];
        let changed = doors.into_iter().filter(|(_, before, open)| before != open);
        let mut events: Vec<_> = changed.map(|(door, _, open)| (None, Event::Door { door, open })).collect();
        events.push((None, Event::OperatorState { state: new.clone() }));
        events
    }

    /// Returns the cartridges of a library to their locations in the inventory, after a change was interrupted or could
    /// not be stored. If a cartridge cannot return, the inventory is updated instead.
    pub(crate) fn restore_locations(&self, owner: &UnitId, changer: &mut Changer) {
        let location = |(name, entry): (&String, &CartridgeRecord)| {
            let (address, origin) = entry.location.element_in(&owner.library)?;
            Some(CartridgeLocation { address, barcode: Barcode::new(name)?, source_element: origin })
        };
        let locations: Vec<CartridgeLocation> = self.inventory().iter().filter_map(location).collect();
        let mut restore = |drives| {
            let restore = || {
                changer
                    .library_mut()
                    .restore_locations(&locations, drives, self.now(), |barcode| self.recreate_cartridge(barcode))
            };
            catch_unwind(AssertUnwindSafe(restore))
        };
        // A drive that panics while it releases its cartridge releases it on the second attempt. The third attempt
        // leaves the drives alone: the cartridge that a drive cannot take is in the drive, but not loaded.
        let mut involved = [true, true, false].into_iter().find_map(|drives| restore(drives).ok()).unwrap_or_default();
        changer.library_mut().take_dirty();
        changer.library_mut().release_empty_slots();
        involved.extend(locations.into_iter().map(|location| location.barcode));
        let mut inventory = self.inventory();
        for location in changer.locations() {
            if let Some(entry) = inventory.get_mut(location.barcode.as_str()) {
                entry.location = Location::from_changer(&owner.library, &location);
            }
        }
        // Replaces whatever is still pending of the failed change.
        let mut change = Transaction::default();
        for barcode in involved {
            if let Some(entry) = inventory.get(barcode.as_str()) {
                let _ = inventory::insert(&mut change, barcode.as_str(), entry);
            }
        }
        let _ = self.state.commit(change);
    }

    /// Creates a new value for a cartridge whose value was lost.
    pub(crate) fn recreate_cartridge(&self, barcode: &Barcode) -> Option<Cartridge> {
        let entry = self.inventory().get(barcode.as_str()).cloned();
        match entry.and_then(|entry| Some((entry.media(barcode)?, entry.size))) {
            Some(((media, kind), size)) => Some(self.store.cartridge(barcode, media, kind, size)),
            None => self.store.find(barcode).ok(),
        }
    }
}
