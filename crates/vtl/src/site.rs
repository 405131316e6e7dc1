//! All libraries of a process, the shelves between them, and the targets they are behind.

use crate::buffers::Buffers;
use crate::config::{Config, LibrarySetup};
use crate::data_dir::{Data, UnitIdentity};
use crate::events::Event;
use crate::inventory::{self, Inventory};
use crate::keeper::{Change, Keeper};
use crate::library::{Identities, Library, LibraryError, Parts, random_hex, unit_identity};
use crate::shared::Shared;
use crate::target::{LUNS, Target};
use crate::unit::{Device, Unit};
use scsi_core::identity::Model;
use smc::element::ElementType;
use std::collections::BTreeSet;
use std::fs::File;
use std::path::Path;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use tape_store::shelf::TapeStore;

/// One row of the table that people see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitInfo {
    /// Its LUN.
    pub lun: usize,
    /// Vendor, product and revision.
    pub model: Model,
    /// Unit serial number.
    pub serial: String,
    /// Barcode of the cartridge in a drive; for a changer how many cartridges it has.
    pub content: String,
}

/// Everything that one process serves.
pub struct Site {
    libraries: Vec<Arc<Library>>,
    targets: Vec<Arc<Target>>,
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    _lock: Option<File>,
}

impl Site {
    /// Opens the site of a data directory, making what the configuration names and the directory lacks.
    ///
    /// # Errors
    /// The directory is in use or damaged, or holds what the configuration has no place for.
    pub fn open(path: &Path, config: &Config) -> Result<Self, LibraryError> {
        Self::of(Data::at(path)?, config)
    }

    /// As [`Self::open`], wherever the site keeps what it has.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn of(mut data: Data, config: &Config) -> Result<Self, LibraryError> {
        let folder = data.folder.again().map_err(crate::keeper::KeepError::Io)?;
        let (keeper, new) = Keeper::open(folder)?;
        if new {
            data.take_over(config.libraries.first().map_or("main", |library| &library.name), &keeper)?;
        }
        let suffix = suffix(&keeper)?;
        let base = config.iscsi.iqn.clone().unwrap_or_else(|| format!("iqn.2026-01.org.ferric-vtl:{suffix}"));
        let inventory = inventory::read(&keeper)?;
        known_places(config, &inventory)?;
        let lock = data.lock.take();
        let shared = Arc::new(Shared::new(keeper, inventory, TapeStore::new(data.shelves)));
        let (mut libraries, mut targets) = (Vec::new(), Vec::<Arc<Target>>::new());
        for (number, setup) in config.libraries.iter().enumerate() {
            let name = target_name(&base, number, setup);
            let target = match targets.iter().find(|target| target.name() == name) {
                Some(target) => Arc::clone(target),
                None => {
                    let target = Arc::new(Target::new(name, Arc::clone(&shared.buffers)));
                    targets.push(Arc::clone(&target));
                    target
                }
            };
            let identities = identities(&shared, setup, &target)?;
            let parts = Parts { shared: Arc::clone(&shared), target, identities, number };
            libraries.push(Arc::new(Library::open(setup, parts)?));
        }
        let threads = Mutex::new(start(libraries.iter().flat_map(|library| library.units()))?);
        Ok(Self { libraries, targets, shared, threads, _lock: lock })
    }

    /// The libraries, in the order of the configuration.
    #[must_use]
    pub fn libraries(&self) -> &[Arc<Library>] {
        &self.libraries
    }

    /// The library of a name.
    #[must_use]
    pub fn library(&self, name: &str) -> Option<&Arc<Library>> {
        self.libraries.iter().find(|library| library.name() == name)
    }

    /// The targets.
    #[must_use]
    pub fn targets(&self) -> &[Arc<Target>] {
        &self.targets
    }

    /// The target of a name.
    #[must_use]
    pub fn target(&self, name: &str) -> Option<&Arc<Target>> {
        self.targets.iter().find(|target| target.name() == name)
    }

    /// The buffers of this process.
    #[must_use]
    pub fn buffers(&self) -> &Arc<Buffers> {
        &self.shared.buffers
    }

    /// Where every cartridge is.
    #[must_use]
    pub fn inventory(&self) -> Inventory {
        self.shared.inventory().clone()
    }

    /// Everything that happens from now on.
    #[must_use]
    pub fn follow(&self) -> Receiver<Event> {
        self.shared.events.follow()
    }

    /// What people see: one row per unit of a target.
    #[must_use]
    pub fn overview(&self, target: &Target) -> Vec<UnitInfo> {
        let row = |(lun, unit): (usize, Arc<Unit>)| {
            let content = unit.with(|device| match device {
                Device::Changer(changer) => format!("{} cartridges", changer.library().count()),
                Device::Drive(drive) => {
                    drive.loaded().map_or_else(|| "empty".into(), |(cartridge, _)| cartridge.barcode().to_string())
                }
            });
            UnitInfo { lun, model: unit.identity().model, serial: unit.identity().serial.clone(), content }
        };
        target.luns().into_iter().zip(target.units()).map(row).collect()
    }

    /// Synchronises and closes every medium; cartridges stay where they are. No command runs afterwards.
    ///
    /// # Errors
    /// What could not be made durable.
    pub fn shut_down(&self) -> Result<(), LibraryError> {
        let units = || self.libraries.iter().flat_map(|library| library.units());
        units().for_each(|unit| unit.stop());
        for thread in self.threads.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            let _ = thread.join();
        }
        let mut faults = Vec::new();
        for unit in units() {
            let (closed, kept) = unit.change(|device| match device {
                Device::Drive(drive) => drive.shut_down().map(drop),
                Device::Changer(_) => Ok(()),
            });
            faults.extend(closed.err());
            faults.extend(kept.err().map(|error| error.to_string()));
        }
        // What could not be kept before has one more chance.
        faults.extend(self.shared.keeper.keep(Change::default()).err().map(|error| error.to_string()));
        if faults.is_empty() { Ok(()) } else { Err(LibraryError::Inventory(faults.join("; "))) }
    }
}

/// What tells this site's targets from every other's; made once.
fn suffix(keeper: &Keeper) -> Result<String, LibraryError> {
    if let Some(suffix) = keeper.get("site")? {
        return Ok(suffix);
    }
    let (suffix, mut change) = (random_hex(4)?, Change::default());
    change.set("site", &suffix)?;
    keeper.keep(change)?;
    Ok(suffix)
}

/// The first library is behind the site's own name, others behind that and their own, if nothing else is said.
fn target_name(base: &str, number: usize, setup: &LibrarySetup) -> String {
    match &setup.target {
        Some(whole) if whole.contains('.') => whole.clone(),
        Some(end) => format!("{base}:{end}"),
        None if number == 0 => base.into(),
        None => format!("{base}:{}", setup.name),
    }
}

/// Refuses a configuration that took away a library which holds cartridges.
fn known_places(config: &Config, inventory: &Inventory) -> Result<(), LibraryError> {
    for (barcode, entry) in inventory {
        let inventory::Where::Element { library, .. } = &entry.place else { continue };
        if config.libraries.iter().all(|setup| setup.name != *library) {
            let message =
                format!("library {library:?} is gone, but holds cartridge {barcode}; keep it, or export first");
            return Err(match config.libraries.first() {
                Some(setup) => setup.shape_error(ElementType::TRANSPORT, message).into(),
                None => LibraryError::Inventory(message),
            });
        }
    }
    Ok(())
}

/// Names and LUNs of a library's units, made for each that is new.
fn identities(shared: &Shared, setup: &LibrarySetup, target: &Target) -> Result<Identities, LibraryError> {
    let mut change = Change::default();
    let mut taken: BTreeSet<usize> = target.luns().into_iter().collect();
    let drives = setup.drives.iter().enumerate().map(|(index, drive)| (format!("drive/{index}"), &drive.names));
    let mut named = Vec::new();
    for (unit, given) in std::iter::once(("changer".to_owned(), &setup.names)).chain(drives) {
        let key = format!("identity/{}/{unit}", setup.name);
        let known: Option<UnitIdentity> = shared.keeper.get(&key)?;
        let mut identity = known.clone().map_or_else(unit_identity, Ok)?;
        given.serial.iter().for_each(|serial| identity.serial.clone_from(serial));
        given.naa.iter().for_each(|naa| identity.naa.clone_from(naa));
        named.push((key, known, identity));
    }
    // Units that have their LUN keep it; those that are new find one behind them.
    let keeps = |identity: &UnitIdentity, taken: &BTreeSet<usize>| {
        let in_range = setup.lun.is_none_or(|first| identity.lun >= first);
        identity.target == target.name() && in_range && !taken.contains(&identity.lun)
    };
    for (_, _, identity) in &mut named {
        if keeps(identity, &taken) {
            taken.insert(identity.lun);
        } else {
            identity.target.clear();
        }
    }
    for (key, known, identity) in &mut named {
        if identity.target.is_empty() {
            let after = taken.last().map_or(0, |last| last + 1);
            let first = setup.lun.unwrap_or(after);
            let lun = (first..LUNS).find(|lun| !taken.contains(lun)).ok_or_else(|| {
                let message = format!("target {} has no LUN left", target.name());
                setup.shape_error(ElementType::TRANSPORT, message)
            })?;
            (identity.lun, identity.target) = (lun, target.name().into());
            taken.insert(lun);
        }
        if known.as_ref() != Some(identity) {
            change.set(key.as_str(), identity)?;
        }
    }
    shared.keeper.keep(change)?;
    Ok(Identities(named.into_iter().map(|(_, _, identity)| identity).collect()))
}

/// One thread per unit, for what may block.
fn start<'a>(units: impl Iterator<Item = &'a Arc<Unit>>) -> Result<Vec<JoinHandle<()>>, LibraryError> {
    let spawn = |unit: &Arc<Unit>| {
        let (name, unit) = (unit.name(), Arc::clone(unit));
        std::thread::Builder::new().name(name).spawn(move || unit.serve()).map_err(LibraryError::Thread)
    };
    units.map(spawn).collect()
}
