//! How a library comes about, and grows.

use super::{Library, LibraryError, random_hex};
use crate::bay::{self, DriveBay};
use crate::clock;
use crate::config::{CartridgeSetup, ConfigError, DriveSetup, LibrarySetup, place_new};
use crate::control::element_name;
use crate::data_dir::UnitIdentity;
use crate::inventory::{self, Entry, Inventory, Where};
use crate::locks::{read, write};
use crate::shared::{Owner, Shared, condition_key};
use crate::state_store::{Change, StateError};
use crate::target::Target;
use crate::unit::{Device, Unit};
use scsi_core::identity::{Identity, Port, Strings};
use scsi_core::lu;
use smc::bay::{Bay, BayName};
use smc::changer::Changer;
use smc::element::{Address, ElementType};
use smc::robot::Condition;
use ssc::drive::{Drive, DriveConfig};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, RwLock};
use tape_store::cartridge::{Barcode, Cartridge, Kind, Level};
use tape_store::media::LTO_8;
use tape_store::shelf::NewCartridge;

/// What a library is made of beside its configuration.
pub(crate) struct Parts {
    pub(crate) shared: Arc<Shared>,
    pub(crate) target: Arc<Target>,
    /// Names of its units: the changer's, then those of its drives.
    pub(crate) identities: Vec<UnitIdentity>,
    /// Its number among the logical libraries of the site, for models whose serial number shows it.
    pub(crate) number: usize,
}

/// Makes the door of a drive that another process serves: of its library, its number there, from 1, and its name.
pub type Elsewhere = Box<dyn Fn(&str, usize, BayName) -> Box<dyn Bay> + Send + Sync>;

impl Parts {
    fn identity(&self, model: &Strings, unit: usize) -> Identity {
        let name = self.target.name();
        let unit = self.identities.get(unit).cloned().unwrap_or_default();
        Identity {
            model: model.clone(),
            serial: unit.serial,
            naa: u64::from_str_radix(&unit.naa, 16).unwrap_or_default(),
            port: Some(Port { protocol: 0x05, device: name.into(), port: format!("{name},t,0x0001") }),
        }
    }

    fn saved(&self, owner: &Owner) -> Result<lu::Saved, StateError> {
        Ok(self.shared.state.get(&owner.key())?.unwrap_or_default())
    }

    /// Drives from an index on: their units, unless other processes serve them, and their doors.
    fn drives(&self, setup: &LibrarySetup, from: usize) -> Result<Drives, StateError> {
        let setups = setup.drives.iter().enumerate().skip(from);
        if let Some(elsewhere) = &self.shared.elsewhere {
            let name = |index, drive: &DriveSetup| bay::name(&self.identity(&drive.strings, index + 1));
            let door = |(index, drive)| elsewhere(&setup.name, index + 1, name(index, drive));
            return Ok((Vec::new(), setups.map(door).collect()));
        }
        let units = setups.map(|(index, drive)| self.drive(setup, index, drive)).collect::<Result<Vec<_>, _>>()?;
        let bays = units.iter().map(|unit| Box::new(DriveBay::new(Arc::clone(unit))) as Box<dyn Bay>).collect();
        Ok((units, bays))
    }

    pub(crate) fn drive(
        &self,
        setup: &LibrarySetup,
        index: usize,
        drive: &DriveSetup,
    ) -> Result<Arc<Unit>, StateError> {
        let owner = owner(setup, format!("drive/{index}"));
        let identity = self.identity(&drive.strings, index + 1);
        let config = DriveConfig { codec: drive.codec };
        let mut device = Drive::new(drive.profile, identity, config, self.saved(&owner)?);
        device.employ(Arc::clone(&self.shared.pool) as _);
        Ok(Arc::new(Unit::new(owner, Device::Drive(Box::new(device)), Arc::clone(&self.shared))))
    }
}

fn owner(setup: &LibrarySetup, unit: String) -> Owner {
    Owner { library: setup.name.clone(), shelf: setup.shelf.clone(), unit }
}

type Drives = (Vec<Arc<Unit>>, Vec<Box<dyn Bay>>);

impl Library {
    /// Makes what the configuration names and is not there yet, and puts every cartridge where it was.
    pub(crate) fn open(setup: &LibrarySetup, parts: Parts) -> Result<Self, LibraryError> {
        let Parts { shared, target, identities, number } = &parts;
        nothing_lost(setup, &shared.inventory())?;
        stock(setup, shared)?;
        let (drives, bays) = parts.drives(setup, 0)?;
        let mut elements = smc::library::Library::new(setup.layout, setup.changer.capabilities, bays);
        fill(&mut elements, &setup.name, shared)?;
        let mut identity = parts.identity(&setup.strings, 0);
        identity.serial = setup.changer.unit_serial(&identity.serial, *number, Address(setup.layout.storage.first));
        let owner = owner(setup, "changer".into());
        let mut changer = Changer::new(setup.changer, identity, elements, parts.saved(&owner)?);
        if let Some(condition) = shared.state.get::<Condition>(&condition_key(&setup.name))? {
            changer.restore(condition);
        }
        let changer = Arc::new(Unit::new(owner, Device::Changer(Box::new(changer)), Arc::clone(shared)));
        let luns = identities.iter().map(|identity| identity.lun);
        target.attach(luns.zip(std::iter::once(&changer).chain(&drives).cloned()));
        Ok(Self {
            name: setup.name.clone(),
            shelf: setup.shelf.clone(),
            profile: setup.changer,
            setup: RwLock::new(setup.clone()),
            changer,
            drives: RwLock::new(drives),
            number: *number,
            target: Arc::clone(target),
            shared: Arc::clone(shared),
        })
    }

    /// Why this library cannot become that of a configuration while it works, if so.
    pub(crate) fn differs(&self, new: &LibrarySetup, target: &str) -> Option<ConfigError> {
        let old = read(&self.setup);
        let restart =
            |what: String| format!("library {:?} {what}; this takes a restart; nothing was changed", self.name);
        let fewer =
            old.layout.ranges().into_iter().zip(new.layout.ranges()).find(|((_, old), (_, new))| new.count < old.count);
        if let Some(((kind, old), (_, new_range))) = fewer {
            let elements = match kind {
                ElementType::IMPORT_EXPORT => "import/export elements",
                ElementType::DRIVE => "drives",
                _ => "slots",
            };
            return Some(
                new.shape_error(kind, restart(format!("has {} {elements}, not {}", old.count, new_range.count))),
            );
        }
        let starts = |setup: &LibrarySetup| setup.layout.ranges().map(|(_, range)| range.first);
        let other_drive = old.drives.iter().zip(&new.drives).position(|(old, new)| old != new);
        let lines = &new.lines;
        let (line, key, what) = match () {
            () if new.changer.name != old.changer.name => {
                (lines.library, "library.model", format!("is a {}, not a {}", old.changer.name, new.changer.name))
            }
            () if new.names != old.names => (lines.library, "library", "has another serial or naa".into()),
            () if new.strings != old.strings => {
                (lines.library, "library", "has another vendor, product or revision".into())
            }
            () if starts(new) != starts(&old) => (lines.first, "library.first", "has other element addresses".into()),
            () if new.shelf != old.shelf => {
                (lines.library, "library.shelf", format!("has the shelf {:?}, not {:?}", old.shelf, new.shelf))
            }
            () if target != self.target.name() => {
                (lines.target, "library.target", format!("is behind {}, not {target}", self.target.name()))
            }
            () if new.lun != old.lun => (lines.lun, "library.lun", "has another first LUN".into()),
            () => {
                let number = other_drive?;
                (lines.drives, "drive", format!("has another drive {}", number + 1))
            }
        };
        Some(new.error(line, key, restart(what)))
    }

    /// Takes what a configuration has more than it: slots, import/export elements, drives. The drives that are new.
    pub(crate) fn grow(
        &self,
        setup: &LibrarySetup,
        identities: Vec<UnitIdentity>,
    ) -> Result<Vec<Arc<Unit>>, LibraryError> {
        let (shared, target, number) = (Arc::clone(&self.shared), Arc::clone(&self.target), self.number);
        let parts = Parts { shared, target, identities, number };
        let before = usize::from(self.layout().drives.count);
        let (new, bays) = parts.drives(setup, before)?;
        if self.layout() != setup.layout {
            if !self.changer(|changer| changer.extend(setup.layout, bays)) {
                return Err(LibraryError::Inventory(format!("library {:?} cannot be extended so", self.name)));
            }
            write(&self.drives).extend(new.iter().cloned());
        }
        *write(&self.setup) = setup.clone();
        if !new.is_empty() {
            let luns = parts.identities.iter().skip(before + 1).map(|identity| identity.lun);
            self.target.attach(luns.zip(new.iter().cloned()));
        }
        Ok(new)
    }

    /// Makes the cartridges of a configuration that are not there.
    pub(crate) fn add_listed(&self, setup: &LibrarySetup) -> Result<(), LibraryError> {
        let dismissed = inventory::dismissed(&self.shared.state)?;
        let is_new = |cartridge: &&CartridgeSetup| {
            let name = cartridge.barcode.as_str();
            !dismissed.contains(name) && !self.shared.inventory().contains_key(name)
        };
        let new: Vec<&CartridgeSetup> = setup.cartridges.iter().filter(is_new).collect();
        if !new.is_empty() {
            check_mounted(&self.shared, &self.shared.inventory())?;
        }
        new.into_iter().try_for_each(|cartridge| self.add(cartridge))
    }

    /// Makes a cartridge and puts it into its own or the first free slot, or on the shelf if there is none. The source element
    /// of a cartridge in a drive stays free for its return.
    pub(crate) fn add(&self, setup: &CartridgeSetup) -> Result<(), LibraryError> {
        let barcode = &setup.barcode;
        let blank = make(&self.shared, setup, made_now())?;
        let entry = Entry { blank, ..Entry::new(Where::Shelf(self.shelf.clone()), setup) };
        self.shared.enter(barcode, entry)?;
        let sources = self.loaded_sources();
        let free = |address: &Address| {
            !sources.contains(address) && self.changer(|changer| !changer.library().is_full(*address))
        };
        let layout = self.layout();
        let own = setup.at.filter(|at| layout.storage.index(*at).is_some()).filter(free);
        let Some(address) = own.or_else(|| self.first_unclaimed(&sources)) else { return Ok(()) };
        self.stock(address, barcode)?;
        let elsewhere = |at: &Address| layout.drives.index(*at).or(layout.import_export.index(*at)).is_some();
        if let Some(at) = setup.at.filter(elsewhere).filter(free) {
            self.move_medium(address, at)?;
        }
        if setup.label.is_some() {
            self.operate(|changer| Ok(changer.set_label(barcode, setup.label)))?;
        }
        Ok(())
    }
}

fn made_now() -> i64 {
    i64::try_from(clock::now().wall.0 / 1000).unwrap_or(i64::MAX)
}

/// Refuses a configuration whose new cartridges have no place in a library as it is now.
pub(crate) fn check_new_cartridges(setup: &LibrarySetup, shared: &Shared) -> Result<(), LibraryError> {
    let inventory = shared.inventory();
    nothing_lost(setup, &inventory)?;
    // The source element of a cartridge in a drive stays free for it.
    let elements = |(barcode, entry): (_, &Entry)| {
        let (address, origin) = entry.place.element_of(&setup.name)?;
        let source = origin.source.filter(|_| setup.layout.drives.index(address).is_some());
        Some(std::iter::once((address, barcode)).chain(source.map(|source| (source, barcode))))
    };
    let held: BTreeMap<Address, &String> = inventory.iter().filter_map(elements).flatten().collect();
    let dismissed = inventory::dismissed(&shared.state)?;
    let is_new = |(_, cartridge): &(usize, &CartridgeSetup)| {
        let name = cartridge.barcode.as_str();
        !inventory.contains_key(name) && !dismissed.contains(name)
    };
    let new: Vec<(usize, &CartridgeSetup)> = setup.cartridges.iter().enumerate().filter(is_new).collect();
    for (number, cartridge) in &new {
        let Some((at, other)) = cartridge.at.and_then(|at| held.get_key_value(&at)) else { continue };
        let line = setup.lines.places.get(*number).copied().unwrap_or(setup.lines.library);
        let element = element_name(&setup.layout, *at);
        let message = format!(
            "{element} is the place of cartridge {other}, so {} cannot be put there; name an empty element, or none",
            cartridge.barcode
        );
        return Err(setup.error(line, "cartridges.at", message).into());
    }
    place_new(setup, &held.into_keys().collect(), &new)?;
    Ok(())
}

/// Makes the cartridges that are listed and not there, and gives each new one a slot.
fn stock(setup: &LibrarySetup, shared: &Shared) -> Result<(), LibraryError> {
    let mut inventory = shared.inventory();
    let taken: BTreeSet<Address> =
        inventory.values().filter_map(|entry| Some(entry.place.element_of(&setup.name)?.0)).collect();
    let dismissed = inventory::dismissed(&shared.state)?;
    let is_new = |(_, cartridge): &(usize, &CartridgeSetup)| {
        let name = cartridge.barcode.as_str();
        !inventory.contains_key(name) && !dismissed.contains(name)
    };
    let new: Vec<(usize, &CartridgeSetup)> = setup.cartridges.iter().enumerate().filter(is_new).collect();
    let entry = |(cartridge, address): (&CartridgeSetup, Address)| {
        let (library, address) = (setup.name.clone(), address.0);
        Entry::new(Where::Element { library, address, source: None, by_operator: false }, cartridge)
    };
    let is_drive = |address: Address| setup.layout.drives.index(address).is_some();
    let source = |entry: &Entry| {
        let (address, origin) = entry.place.element_of(&setup.name)?;
        origin.source.filter(|_| is_drive(address))
    };
    // Loaded cartridges go back to their slots, unless the new ones need those.
    let sources: BTreeSet<Address> = inventory.values().filter_map(source).collect();
    let placed = place_new(setup, &(&taken | &sources), &new).or_else(|_| place_new(setup, &taken, &new))?;
    warn_of_full_elements(setup, &inventory, &placed);
    let mut placed: Vec<_> = placed.into_iter().map(|placed| (placed.0, entry(placed))).collect();
    let (mut change, mut undo, made) = (Change::default(), Change::default(), made_now());
    make_listed(shared, &mut placed, made, &inventory)?;
    for (cartridge, entry) in &placed {
        inventory::note(&mut change, cartridge.barcode.as_str(), entry)?;
        inventory::withdraw(&mut undo, cartridge.barcode.as_str());
    }
    let unread = placed.iter().filter_map(|(cartridge, _)| Some((cartridge.barcode.clone(), cartridge.label?)));
    let unread: BTreeMap<_, _> = unread.collect();
    if !unread.is_empty() {
        let mut condition: Condition = shared.state.get(&condition_key(&setup.name))?.unwrap_or_default();
        condition.labels.extend(unread);
        change.set(condition_key(&setup.name), &condition)?;
    }
    shared.state.commit_or_undo(change, undo)?;
    inventory.extend(placed.into_iter().map(|(cartridge, entry)| (cartridge.barcode.to_string(), entry)));
    Ok(())
}

/// Logs which new cartridges are not in the element that the configuration gives them, because another cartridge has it.
fn warn_of_full_elements(setup: &LibrarySetup, inventory: &Inventory, placed: &[(&CartridgeSetup, Address)]) {
    let name = |address| element_name(&setup.layout, address);
    for (cartridge, address) in placed {
        let Some(at) = cartridge.at.filter(|at| at != address) else { continue };
        let holder = inventory.iter().find(|(_, entry)| {
            let place = entry.place.element_of(&setup.name);
            place.is_some_and(|(address, origin)| address == at || origin.source == Some(at))
        });
        tracing::warn!(
            library = setup.name,
            barcode = %cartridge.barcode,
            at = name(at),
            element = name(*address),
            occupied_by = holder.map_or("", |(barcode, _)| barcode.as_str()),
            "the element that the configuration gives is not free: the new cartridge is put into a free slot"
        );
    }
}

/// Refuses to create cartridges while those that the site has are all missing, or those of the directory where new ones are
/// created: probably a disk is not mounted, and its mount point is empty.
pub(crate) fn check_mounted(shared: &Shared, inventory: &Inventory) -> Result<(), LibraryError> {
    let known = inventory.len();
    if known == 0 {
        return Ok(());
    }
    if !shared.store.list().map_err(LibraryError::Store)?.is_empty() {
        let unmounted = shared.unmounted_directories(inventory)?;
        let Some((path, count)) = unmounted.into_iter().find(|(path, _)| shared.directories.first() == Some(path))
        else {
            return Ok(());
        };
        return Err(LibraryError::Inventory(format!(
            "all {count} cartridges of directory {} are missing: cannot create others there; mount its disk, or forget the \
             cartridges that are lost",
            path.display()
        )));
    }
    let message = format!(
        "the site has {known} cartridges, but the files of all are missing: cannot create others; mount the disk of \
         storage.cartridges, or forget the cartridges that are lost"
    );
    Err(LibraryError::Inventory(message))
}

/// Creates the files of cartridges that do not exist, and notes which are blank. One that cannot be created is left out, or
/// fails a site that is new.
fn make_listed(
    shared: &Shared,
    placed: &mut Vec<(&CartridgeSetup, Entry)>,
    made: i64,
    inventory: &Inventory,
) -> Result<(), LibraryError> {
    let is_new_site = inventory.is_empty();
    if !is_new_site
        && !placed.is_empty()
        && let Err(error) = check_mounted(shared, inventory)
    {
        tracing::error!(%error, "no cartridge is created; the next start tries again");
        placed.clear();
    }
    let mut failed = BTreeSet::new();
    for (cartridge, entry) in &mut *placed {
        match make(shared, cartridge, made) {
            Ok(blank) => entry.blank = blank,
            Err(error) => {
                entry.blank = None;
                let barcode = &cartridge.barcode;
                if matches!(shared.store.is_occupied(barcode), Ok(true)) {
                    // Its path exists and is something else: a cartridge that cannot be used.
                    continue;
                }
                if is_new_site {
                    return Err(error);
                }
                tracing::error!(%barcode, %error, "cartridge cannot be created; the next start tries again");
                failed.insert(barcode.clone());
            }
        }
    }
    placed.retain(|(cartridge, _)| !failed.contains(&cartridge.barcode));
    Ok(())
}

/// Creates the files of a cartridge, if they do not exist. Whether it is blank; nothing if that is not known.
pub(crate) fn make(shared: &Shared, setup: &CartridgeSetup, made: i64) -> Result<Option<bool>, LibraryError> {
    let failed = LibraryError::of(&setup.barcode);
    if shared.store.exists(&setup.barcode).map_err(&failed)? {
        return shared.store.is_blank(&setup.barcode).map_err(failed);
    }
    let serial = match setup.level {
        Level::Ferric => random_hex(5)?.to_uppercase(),
        Level::Mhvtl => format!("{}_{made}", setup.barcode),
    };
    let CartridgeSetup { media, kind, size: capacity, level, .. } = *setup;
    let new = NewCartridge { media, kind, serial: &serial, made, capacity, level };
    shared.store.create(&setup.barcode, &new).map_err(failed)?;
    Ok(Some(true))
}

/// The cartridge of a label, whose files are there.
pub(crate) fn cartridge(shared: &Shared, barcode: &Barcode, entry: &Entry) -> Result<Cartridge, LibraryError> {
    let unknown = || LibraryError::Inventory(format!("cartridge {barcode} is of no known generation"));
    let (media, kind) = entry.media(barcode).ok_or_else(unknown)?;
    if !shared.store.exists(barcode).map_err(LibraryError::of(barcode))? {
        return Err(LibraryError::Inventory(format!("the files of cartridge {barcode} are missing")));
    }
    Ok(shared.store.cartridge(barcode, media, kind, entry.size))
}

/// The value of a cartridge, whether its files are there or not. Where nothing says what it is, its memory does, once that
/// can be read.
pub(crate) fn value_of(shared: &Shared, barcode: &Barcode, entry: &Entry) -> Cartridge {
    let (media, kind) = entry.media(barcode).or_else(|| barcode.media()).unwrap_or((&LTO_8, Kind::Data));
    shared.store.cartridge(barcode, media, kind, entry.size)
}

/// Refuses a configuration that took away an element which holds a cartridge.
fn nothing_lost(setup: &LibrarySetup, inventory: &Inventory) -> Result<(), ConfigError> {
    for (barcode, entry) in inventory {
        let Some((address, _)) = entry.place.element_of(&setup.name) else { continue };
        if setup.layout.element_type(address).is_some() {
            continue;
        }
        let kind = setup.layout.nearest(address);
        let name = match kind {
            ElementType::IMPORT_EXPORT => "import/export slot",
            ElementType::DRIVE => "drive",
            _ => "slot",
        };
        let message = format!(
            "{name} at element {} is gone, but holds cartridge {barcode}; keep it, or move the cartridge first",
            address.0
        );
        return Err(setup.shape_error(kind, message));
    }
    Ok(())
}

/// Puts every cartridge where the inventory has it.
fn fill(elements: &mut smc::library::Library, library: &str, shared: &Shared) -> Result<(), LibraryError> {
    // Not held meanwhile: drives may need it.
    let inventory = shared.inventory().clone();
    for (name, entry) in &inventory {
        let Some((address, origin)) = entry.place.element_of(library) else { continue };
        let barcode = Barcode::new(name)
            .ok_or_else(|| LibraryError::Inventory(format!("inventory: {name:?} is not a barcode")))?;
        // One that cannot be used has its place all the same.
        let mut cartridge = value_of(shared, &barcode, entry);
        shared.check(&mut cartridge);
        let put = elements.put(address, cartridge, origin, clock::now());
        put.map_err(|(why, _)| {
            LibraryError::Inventory(format!("cartridge {barcode} cannot be put into element {}: {why}", address.0))
        })?;
    }
    Ok(())
}
