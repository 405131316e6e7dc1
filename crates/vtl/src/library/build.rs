//! Builds a library from its configuration and adds elements to it.

use super::{Library, LibraryError, random_hex};
use crate::bay::{self, AbsentBay, DriveBay, ReservingBay};
use crate::config::{CartridgeSetup, ConfigError, DriveSetup, LibrarySetup, assign_elements};
use crate::control::{ControlError, element_name};
use crate::data_dir::UnitIdentity;
use crate::entropy;
use crate::events::Cause;
use crate::frontend::ServedDrives;
use crate::inventory::{self, CartridgeRecord, Inventory, Location};
use crate::locks::{read, write};
use crate::move_command;
use crate::shared::{Shared, UnitId, operator_state_key};
use crate::state_store::{StateError, Transaction};
use crate::target::Target;
use crate::unit::{Device, Unit};
use scsi_core::identity::{Identity, InquiryStrings};
use scsi_core::lu;
use smc::bay::{Bay, BayName};
use smc::changer::Changer;
use smc::chassis::Partition;
use smc::element::{ElementAddress, ElementType};
use smc::robot::OperatorState;
use ssc::drive::{Drive, DriveConfig};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, RwLock};
use tape_store::cartridge::{Barcode, Cartridge, CartridgeKind, Format};
use tape_store::media::{LTO_8, MediaSpec};
use tape_store::store::NewCartridge;

/// The parts of a library that are not in its configuration.
pub(crate) struct LibraryParts {
    pub(crate) shared: Arc<Shared>,
    pub(crate) target: Arc<Target>,
    /// Identities of its units: the changer first, then the drives.
    pub(crate) identities: Vec<UnitIdentity>,
    /// Index of the library in the site, from 0: in some models the serial number contains it.
    pub(crate) index: usize,
    /// Place of the library in its chassis, if it is a partition.
    pub(crate) partition: Option<Partition>,
}

/// Creates the bay of a drive that another process serves. Its arguments are the name of the library, the number of the
/// drive in it (from 1), and the name of the bay.
pub type RemoteBayFactory = Box<dyn Fn(&str, usize, BayName) -> Box<dyn Bay> + Send + Sync>;

impl LibraryParts {
    fn identity(&self, model: &InquiryStrings, unit: usize) -> Identity {
        let unit = self.identities.get(unit).cloned().unwrap_or_default();
        let naa = u64::from_str_radix(&unit.naa, 16).unwrap_or_default();
        Identity::new(model.clone(), unit.serial, naa, self.shared.frontend.target_port(self.target.name()))
    }

    fn saved_state(&self, owner: &UnitId) -> Result<lu::SavedState, StateError> {
        Ok(self.shared.state.get(&owner.key())?.unwrap_or_default())
    }

    /// Builds the drives from index `from` on: their units, unless other processes serve them, and their bays.
    fn build_drives(&self, setup: &LibrarySetup, from: usize) -> Result<Drives, StateError> {
        let (mut units, mut bays) = (Vec::new(), Vec::new());
        for (index, drive) in setup.drives.iter().enumerate().skip(from) {
            let name = || bay::bay_name(&self.identity(&drive.strings, index + 1));
            let bay: Box<dyn Bay> = match &self.shared.drives {
                served if served.include(drive) => {
                    let unit = self.build_drive(setup, index, drive)?;
                    units.push(Arc::clone(&unit));
                    Box::new(DriveBay::new(unit))
                }
                ServedDrives::None(new_bay) | ServedDrives::Own(new_bay) => new_bay(&setup.name, index + 1, name()),
                ServedDrives::All | ServedDrives::Of(_) => Box::new(AbsentBay::new(name())),
            };
            bays.push(self.reserving(bay));
        }
        Ok((units, bays))
    }

    /// The LUNs of units that this process serves. Drives without their robot have the first free LUNs of their target.
    fn luns(&self, units: &[Arc<Unit>]) -> Vec<(usize, Arc<Unit>)> {
        let free = self.target.luns().len()..;
        let without_robot = self.shared.drives.daemon().is_some();
        let assigned = |unit: &Arc<Unit>| {
            let number = unit.drive_index().map_or(0, |index| index + 1);
            self.identities.get(number).map_or(0, |identity| identity.lun)
        };
        let lun =
            |(free, unit): (usize, &Arc<Unit>)| (if without_robot { free } else { assigned(unit) }, Arc::clone(unit));
        free.zip(units).map(lun).collect()
    }

    fn drive_serials(&self) -> Vec<String> {
        self.identities.iter().skip(1).map(|identity| identity.serial.clone()).collect()
    }

    fn reserving(&self, bay: Box<dyn Bay>) -> Box<dyn Bay> {
        Box::new(ReservingBay::new(bay, Arc::clone(&self.shared)))
    }

    pub(crate) fn build_drive(
        &self,
        setup: &LibrarySetup,
        index: usize,
        drive: &DriveSetup,
    ) -> Result<Arc<Unit>, StateError> {
        let owner = unit_id(setup, Some(index));
        let identity = self.identity(&drive.strings, index + 1).with_pages(drive.pages.clone());
        let config = DriveConfig::default().with_codec(drive.codec).with_random(entropy::SYSTEM);
        let mut device = Drive::new(drive.profile, identity, config, self.saved_state(&owner)?);
        device.set_time_mode(drive.time);
        device.set_workers(Arc::clone(&self.shared.workers) as _);
        Ok(Unit::new(owner, Device::Drive(Box::new(device)), &self.target, Arc::clone(&self.shared)))
    }
}

fn unit_id(setup: &LibrarySetup, drive: Option<usize>) -> UnitId {
    UnitId { library: setup.name.clone(), shelf: setup.shelf.clone(), drive }
}

type Drives = (Vec<Arc<Unit>>, Vec<Box<dyn Bay>>);

impl Library {
    /// Opens a library: creates the configured cartridges that do not exist, and puts every cartridge into its last
    /// element.
    pub(crate) fn open(setup: &LibrarySetup, parts: LibraryParts) -> Result<Self, LibraryError> {
        let LibraryParts { shared, target, identities: _, index: number, partition } = &parts;
        check_elements_kept(setup, &shared.inventory())?;
        populate(setup, shared)?;
        let (drives, bays) = parts.build_drives(setup, 0)?;
        let mut elements = smc::library::Library::new(setup.layout, setup.changer.capabilities, bays);
        elements.set_partition(partition.clone());
        place_cartridges(&mut elements, &setup.name, shared)?;
        elements.set_move_hook(move_command::hook(setup));
        let mut identity = parts.identity(&setup.strings, 0).with_pages(setup.pages.clone());
        identity.serial = setup.unit_serial(&identity.serial, *number);
        let owner = unit_id(setup, None);
        let mut changer = Changer::new(setup.changer, identity, elements, parts.saved_state(&owner)?);
        changer.set_time_mode(setup.time);
        if let Some(state) = shared.state.get::<OperatorState>(&operator_state_key(&setup.name))? {
            shared.publish_operator_state(&setup.name, state.clone());
            changer.restore_operator_state(state);
        }
        let changer = Unit::new(owner, Device::Changer(Box::new(changer)), target, Arc::clone(shared));
        let robot = shared.drives.daemon().is_none().then(|| Arc::clone(&changer));
        let attached: Vec<Arc<Unit>> = robot.into_iter().chain(drives.iter().cloned()).collect();
        target.attach(parts.luns(&attached));
        Ok(Self {
            name: setup.name.clone(),
            shelf: setup.shelf.clone(),
            profile: setup.changer,
            setup: RwLock::new(setup.clone()),
            changer,
            drives: RwLock::new(drives),
            serials: RwLock::new(parts.drive_serials()),
            index: *number,
            partition: partition.clone(),
            target: Arc::clone(target),
            shared: Arc::clone(shared),
        })
    }

    /// The change in a new configuration that requires a restart; `None` if the library can take it over while it is in
    /// use.
    pub(crate) fn reload_conflict(&self, new: &LibrarySetup, target: &str) -> Option<ConfigError> {
        let old = read(&self.setup);
        let restart = |difference: String| {
            format!("library {:?} {difference}; this requires a restart; nothing was changed", self.name)
        };
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
        let (line, key, difference) = match () {
            () if new.changer.name != old.changer.name => {
                (lines.library, "library.model", format!("is a {}, not a {}", old.changer.name, new.changer.name))
            }
            () if new.names != old.names => (lines.library, "library", "has another serial or naa".into()),
            () if new.strings != old.strings => {
                (lines.library, "library", "has another vendor, product or revision".into())
            }
            () if new.pages != old.pages => (lines.library, "library.page", "has other pages".into()),
            () if starts(new) != starts(&old) => (lines.first, "library.first", "has other element addresses".into()),
            () if new.shelf != old.shelf => {
                (lines.library, "library.shelf", format!("has the shelf {:?}, not {:?}", old.shelf, new.shelf))
            }
            () if target != self.target.name() => {
                (lines.target, "library.target", format!("has the target {}, not {target}", self.target.name()))
            }
            () if new.partition != old.partition => (
                lines.library,
                "library.partition",
                "has another place in a chassis, or the chassis is another one".into(),
            ),
            () if new.lun != old.lun => (lines.lun, "library.lun", "has another first LUN".into()),
            () => {
                let number = other_drive?;
                (lines.drives, "drive", format!("has another drive {}", number + 1))
            }
        };
        Some(new.error(line, key, restart(difference)))
    }

    /// Adds the slots, import/export elements and drives that a new configuration has in addition. Returns the new
    /// drives.
    pub(crate) fn add_elements(
        &self,
        setup: &LibrarySetup,
        identities: Vec<UnitIdentity>,
    ) -> Result<Vec<Arc<Unit>>, LibraryError> {
        let (shared, target, number) = (Arc::clone(&self.shared), Arc::clone(&self.target), self.index);
        let partition = self.partition.clone();
        let parts = LibraryParts { shared, target, identities, index: number, partition };
        let before = usize::from(self.layout().drives.count);
        let (new, bays) = parts.build_drives(setup, before)?;
        if self.layout() != setup.layout {
            if !self.changer(|changer| changer.add_elements(setup.layout, bays)) {
                return Err(LibraryError::Inconsistent(format!(
                    "library {:?} cannot be extended to the configured elements",
                    self.name
                )));
            }
            write(&self.drives).extend(new.iter().cloned());
        }
        if self.setup().move_command != setup.move_command {
            self.changer(|changer| changer.library_mut().set_move_hook(move_command::hook(setup)));
        }
        *write(&self.setup) = setup.clone();
        *write(&self.serials) = parts.drive_serials();
        if !new.is_empty() {
            self.target.attach(parts.luns(&new));
        }
        Ok(new)
    }

    /// Creates the cartridges that a configuration lists and that do not exist. Returns their number.
    pub(crate) fn create_listed_cartridges(&self, setup: &LibrarySetup) -> Result<usize, LibraryError> {
        let forgotten = inventory::forgotten_cartridges(&self.shared.state)?;
        let is_new = |cartridge: &&CartridgeSetup| {
            let name = cartridge.barcode.as_str();
            !forgotten.contains(name) && !self.shared.inventory().contains_key(name)
        };
        let new: Vec<&CartridgeSetup> = setup.cartridges.iter().filter(is_new).collect();
        if !new.is_empty() {
            check_mounted(&self.shared, &self.shared.inventory())?;
        }
        new.iter().try_for_each(|cartridge| self.create_cartridge(cartridge))?;
        Ok(new.len())
    }

    /// Creates a cartridge and puts it into its configured element or the first free slot; on the shelf if no slot is
    /// free. The source element of a loaded cartridge is not free.
    pub(crate) fn create_cartridge(&self, setup: &CartridgeSetup) -> Result<(), LibraryError> {
        let barcode = &setup.barcode;
        let blank = create_files(&self.shared, setup, creation_time(&self.shared))?;
        let entry = CartridgeRecord { blank, ..CartridgeRecord::new(Location::Shelf(self.shelf.clone()), setup) };
        self.shared.add_cartridge(barcode, entry)?;
        let sources = self.loaded_sources();
        let elements = self.elements();
        let free = |address: &ElementAddress| !sources.contains(address) && elements.content(*address).is_none();
        let layout = self.layout();
        let own = setup.element.filter(|at| layout.storage.index(*at).is_some()).filter(free);
        let Some(address) = own.or_else(|| self.first_free_slot(&sources)) else { return Ok(()) };
        self.populate_slot(address, barcode)?;
        let outside_slots =
            |at: &ElementAddress| layout.drives.index(*at).or(layout.import_export.index(*at)).is_some();
        if let Some(at) = setup.element.filter(outside_slots).filter(free) {
            self.move_now(&Cause::operator(), address, at)?;
        }
        if setup.label.is_some() {
            self.act(&Cause::operator(), |changer| Ok(changer.set_label_defect(barcode, setup.label)))?;
        }
        Ok(())
    }
}

fn creation_time(shared: &Shared) -> i64 {
    i64::try_from(shared.now().wall.seconds()).unwrap_or(i64::MAX)
}

/// Refuses a configuration whose new cartridges do not fit into the library.
pub(crate) fn check_new_cartridges(setup: &LibrarySetup, shared: &Shared) -> Result<(), LibraryError> {
    let inventory = shared.inventory();
    check_elements_kept(setup, &inventory)?;
    // The source element of a loaded cartridge is reserved for it.
    let elements = |(barcode, entry): (_, &CartridgeRecord)| {
        let (address, origin) = entry.location.element_in(&setup.name)?;
        let source = origin.address.filter(|_| setup.layout.drives.index(address).is_some());
        Some(std::iter::once((address, barcode)).chain(source.map(|source| (source, barcode))))
    };
    let occupied: BTreeMap<ElementAddress, &String> = inventory.iter().filter_map(elements).flatten().collect();
    let forgotten = inventory::forgotten_cartridges(&shared.state)?;
    let is_new = |(_, cartridge): &(usize, &CartridgeSetup)| {
        let name = cartridge.barcode.as_str();
        !inventory.contains_key(name) && !forgotten.contains(name)
    };
    let new: Vec<(usize, &CartridgeSetup)> = setup.cartridges.iter().enumerate().filter(is_new).collect();
    for (number, cartridge) in &new {
        let Some((at, other)) = cartridge.element.and_then(|at| occupied.get_key_value(&at)) else { continue };
        let line = setup.lines.elements.get(*number).copied().unwrap_or(setup.lines.library);
        let element = element_name(&setup.layout, *at);
        let message = format!(
            "{element} is occupied by or reserved for cartridge {other}, so {} cannot be put there; name an empty element, or none",
            cartridge.barcode
        );
        return Err(setup.error(line, "cartridges.at", message).into());
    }
    assign_elements(setup, &occupied.into_keys().collect(), &new)?;
    Ok(())
}

/// Creates the listed cartridges that do not exist, and assigns a slot to each.
fn populate(setup: &LibrarySetup, shared: &Shared) -> Result<(), LibraryError> {
    let mut inventory = shared.inventory();
    let taken: BTreeSet<ElementAddress> =
        inventory.values().filter_map(|entry| Some(entry.location.element_in(&setup.name)?.0)).collect();
    let forgotten = inventory::forgotten_cartridges(&shared.state)?;
    let is_new = |(_, cartridge): &(usize, &CartridgeSetup)| {
        let name = cartridge.barcode.as_str();
        !inventory.contains_key(name) && !forgotten.contains(name)
    };
    let new: Vec<(usize, &CartridgeSetup)> = setup.cartridges.iter().enumerate().filter(is_new).collect();
    let entry = |(cartridge, address): (&CartridgeSetup, ElementAddress)| {
        let (library, address) = (setup.name.clone(), address.0);
        CartridgeRecord::new(Location::Element { library, address, source: None, by_operator: false }, cartridge)
    };
    let is_drive = |address: ElementAddress| setup.layout.drives.index(address).is_some();
    let source = |entry: &CartridgeRecord| {
        let (address, origin) = entry.location.element_in(&setup.name)?;
        origin.address.filter(|_| is_drive(address))
    };
    // Reserve the slots of loaded cartridges, unless the new cartridges need them.
    let sources: BTreeSet<ElementAddress> = inventory.values().filter_map(source).collect();
    let placed =
        assign_elements(setup, &(&taken | &sources), &new).or_else(|_| assign_elements(setup, &taken, &new))?;
    warn_of_full_elements(setup, &inventory, &placed);
    let mut placed: Vec<_> = placed.into_iter().map(|placed| (placed.0, entry(placed))).collect();
    let (mut change, mut undo, created_at) = (Transaction::default(), Transaction::default(), creation_time(shared));
    create_listed(shared, &mut placed, created_at, &inventory)?;
    for (cartridge, entry) in &placed {
        inventory::insert(&mut change, cartridge.barcode.as_str(), entry)?;
        inventory::remove(&mut undo, cartridge.barcode.as_str());
    }
    let unread = placed.iter().filter_map(|(cartridge, _)| Some((cartridge.barcode.clone(), cartridge.label?)));
    let unread: BTreeMap<_, _> = unread.collect();
    if !unread.is_empty() {
        let mut condition: OperatorState = shared.state.get(&operator_state_key(&setup.name))?.unwrap_or_default();
        condition.label_defects.extend(unread);
        change.set(operator_state_key(&setup.name), &condition)?;
    }
    shared.state.commit_or_undo(change, undo)?;
    inventory.extend(placed.into_iter().map(|(cartridge, entry)| (cartridge.barcode.to_string(), entry)));
    Ok(())
}

/// Logs the new cartridges that are not in their configured element because another cartridge is in it.
fn warn_of_full_elements(setup: &LibrarySetup, inventory: &Inventory, placed: &[(&CartridgeSetup, ElementAddress)]) {
    let name = |address| element_name(&setup.layout, address);
    for (cartridge, address) in placed {
        let Some(at) = cartridge.element.filter(|at| at != address) else { continue };
        let holder = inventory.iter().find(|(_, entry)| {
            let location = entry.location.element_in(&setup.name);
            location.is_some_and(|(address, origin)| address == at || origin.address == Some(at))
        });
        tracing::warn!(
            library = setup.name,
            barcode = %cartridge.barcode,
            at = name(at),
            element = name(*address),
            occupied_by = holder.map_or("", |(barcode, _)| barcode.as_str()),
            "configured element is not free; new cartridge put into a free slot"
        );
    }
}

/// Refuses to create cartridges while all cartridges of the site, or all in the directory of new cartridges, are
/// missing: a disk is probably not mounted, and its mount point is empty.
pub(crate) fn check_mounted(shared: &Shared, inventory: &Inventory) -> Result<(), LibraryError> {
    let known = inventory.len();
    if known == 0 {
        return Ok(());
    }
    if shared.has_cartridges()? {
        let unmounted = if shared.creates_on_shelf { Vec::new() } else { shared.unmounted_directories(inventory)? };
        let Some((path, count)) = unmounted.into_iter().find(|(path, _)| shared.directories.first() == Some(path))
        else {
            return Ok(());
        };
        let path = path.display().to_string();
        return Err(ControlError::unavailable(format!(
            "all {count} cartridges of directory {path} are missing: cannot create others there; mount its disk, or forget \
             the cartridges that are lost",
        ))
        .with_file(path)
        .into());
    }
    let message = format!(
        "the site has {known} cartridges, but the files of all are missing: cannot create others; mount the disk of \
         storage.cartridges, or forget the cartridges that are lost"
    );
    Err(ControlError::unavailable(message).into())
}

/// Creates the files of cartridges that do not exist, and records which are blank. A cartridge that cannot be created
/// is skipped; on a new site it is an error.
fn create_listed(
    shared: &Shared,
    placed: &mut Vec<(&CartridgeSetup, CartridgeRecord)>,
    created_at: i64,
    inventory: &Inventory,
) -> Result<(), LibraryError> {
    let is_new_site = inventory.is_empty();
    if !is_new_site
        && !placed.is_empty()
        && let Err(error) = check_mounted(shared, inventory)
    {
        tracing::error!(%error, "cartridges not created; will retry at the next start");
        placed.clear();
    }
    let mut failed = BTreeSet::new();
    for (cartridge, entry) in &mut *placed {
        match create_files(shared, cartridge, created_at) {
            Ok(blank) => entry.blank = blank,
            Err(error) => {
                entry.blank = None;
                let barcode = &cartridge.barcode;
                if matches!(shared.store.is_occupied(barcode), Ok(true)) {
                    // Another kind of entry has this name: the cartridge exists but is unusable.
                    continue;
                }
                if is_new_site {
                    return Err(error);
                }
                tracing::error!(%barcode, %error, "cartridge not created; will retry at the next start");
                failed.insert(barcode.clone());
            }
        }
    }
    placed.retain(|(cartridge, _)| !failed.contains(&cartridge.barcode));
    Ok(())
}

/// Creates the files of a cartridge if they do not exist. Returns whether it is blank; `None` if that is unknown.
pub(crate) fn create_files(
    shared: &Shared,
    setup: &CartridgeSetup,
    created_at: i64,
) -> Result<Option<bool>, LibraryError> {
    let failed = LibraryError::of(&setup.barcode);
    if shared.store.exists(&setup.barcode).map_err(&failed)? {
        return shared.store.is_blank(&setup.barcode).map_err(failed);
    }
    let serial = match setup.format {
        Format::Native => random_hex(5)?.to_uppercase(),
        Format::Mhvtl => format!("{}_{created_at}", setup.barcode),
    };
    let CartridgeSetup { media, kind, size: capacity, format: level, .. } = *setup;
    let new = NewCartridge::data(media)
        .with_kind(kind)
        .with_serial(&serial)
        .with_manufactured(created_at)
        .with_capacity(capacity)
        .with_format(level);
    shared.store.create(&setup.barcode, &new).map_err(failed)?;
    Ok(Some(true))
}

/// The error of a cartridge in the inventory, or one to be added to it, that has no files.
pub(crate) fn missing_files(barcode: &Barcode) -> ControlError {
    ControlError::unavailable(format!("the files of cartridge {barcode} are missing")).with_barcode(barcode.as_str())
}

/// The cartridge with this barcode, whose files exist.
pub(crate) fn existing_cartridge(
    shared: &Shared,
    barcode: &Barcode,
    entry: &CartridgeRecord,
) -> Result<Cartridge, LibraryError> {
    let unknown = || LibraryError::Inconsistent(format!("cartridge {barcode} has no known medium"));
    let (media, kind) = entry.media(barcode).ok_or_else(unknown)?;
    if !shared.store.exists(barcode).map_err(LibraryError::of(barcode))? {
        return Err(missing_files(barcode).into());
    }
    Ok(shared.store.cartridge(barcode, media, kind, entry.size))
}

/// The cartridge with this barcode, whether or not its files exist. If neither record nor barcode names its medium, its
/// MAM decides as soon as it can be read.
pub(crate) fn cartridge_or_placeholder(shared: &Shared, barcode: &Barcode, entry: &CartridgeRecord) -> Cartridge {
    let (media, kind) = cartridge_media(barcode, entry);
    shared.store.cartridge(barcode, media, kind, entry.size)
}

/// Medium and kind of a cartridge; an LTO-8 data cartridge if neither record nor barcode names them.
pub(crate) fn cartridge_media(barcode: &Barcode, entry: &CartridgeRecord) -> (&'static MediaSpec, CartridgeKind) {
    entry.media(barcode).or_else(|| barcode.media()).unwrap_or((&LTO_8, CartridgeKind::Data))
}

/// Refuses a configuration that lacks an element which contains a cartridge.
fn check_elements_kept(setup: &LibrarySetup, inventory: &Inventory) -> Result<(), ConfigError> {
    for (barcode, entry) in inventory {
        let Some((address, _)) = entry.location.element_in(&setup.name) else { continue };
        if setup.layout.element_type(address).is_some() {
            continue;
        }
        let kind = setup.layout.nearest_type(address);
        let name = match kind {
            ElementType::IMPORT_EXPORT => "import/export slot",
            ElementType::DRIVE => "drive",
            _ => "slot",
        };
        let message = format!(
            "{name} at element {} is not configured, but contains cartridge {barcode}; keep it, or move the cartridge first",
            address.0
        );
        return Err(setup.shape_error(kind, message));
    }
    Ok(())
}

/// Puts every cartridge into its element in the inventory.
fn place_cartridges(elements: &mut smc::library::Library, library: &str, shared: &Shared) -> Result<(), LibraryError> {
    // Not locked during the loop: drives may need the inventory.
    let is_inside = |(_, entry): &(&String, &CartridgeRecord)| entry.location.element_in(library).is_some();
    let inside: Vec<(String, CartridgeRecord)> =
        shared.inventory().iter().filter(is_inside).map(|(name, entry)| (name.clone(), entry.clone())).collect();
    for (name, entry) in &inside {
        let Some((address, origin)) = entry.location.element_in(library) else { continue };
        let barcode = Barcode::new(name)
            .ok_or_else(|| LibraryError::Inconsistent(format!("inventory: {name:?} is not a barcode")))?;
        // An unusable cartridge still occupies its element.
        let mut cartridge = cartridge_or_placeholder(shared, &barcode, entry);
        // One on a shelf on object storage is checked when it is loaded: its store may have very many.
        if entry.shelved.is_none() {
            shared.check_usable(&mut cartridge, entry);
        }
        let put = elements.add_cartridge(address, cartridge, origin, shared.now());
        put.map_err(|(why, _)| {
            LibraryError::Inconsistent(format!("cartridge {barcode} cannot be put into element {}: {why}", address.0))
        })?;
    }
    Ok(())
}
