//! The library as one value.

use crate::bay::DriveBay;
use crate::buffers::Buffers;
use crate::clock;
use crate::config::{CartridgeSetup, Config, ConfigError};
use crate::data_dir::{DataDir, DataError, Identities, Inventory, UnitIdentity};
use crate::nexuses::Nexuses;
use crate::pool::Pool;
use crate::saver::Saver;
use crate::unit::{Device, Finished, Job, Reply, Submitted, Unit};
use scsi_core::data::Data;
use scsi_core::fault::Completion;
use scsi_core::identity::{Identity, Model, Port};
use scsi_core::nexus::{NexusId, TransportId};
use scsi_core::status::Status;
use scsi_core::target::{Event, missing_lun};
use smc::bay::Bay;
use smc::changer::{Changer, DoorError};
use smc::element::{Address, ElementType};
use smc::library::Origin;
use ssc::drive::{Drive, DriveConfig};
use std::io::{IoSlice, IoSliceMut};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use tape_store::cartridge::{Barcode, Cartridge, Level};
use tape_store::error::StoreError;
use tape_store::shelf::{NewCartridge, TapeStore};

/// Why a library cannot be opened, or an operator's wish not be done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LibraryError {
    /// The data directory.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A cartridge.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The configuration does not fit what the data directory holds.
    #[error(transparent)]
    Shape(#[from] ConfigError),
    /// The data directory contradicts itself, or a medium could not be closed.
    #[error("{0}")]
    Inventory(String),
    /// Random numbers are not to be had.
    #[error("no random numbers: {0}")]
    Random(getrandom::Error),
    /// The operating system gives no thread.
    #[error("no thread: {0}")]
    Thread(std::io::Error),
    /// A door is locked, or an element full or empty.
    #[error("{0}")]
    Door(String),
}

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

/// A tape library: changer at LUN 0, drives from LUN 1.
pub struct Library {
    units: Vec<Arc<Unit>>,
    luns: Vec<u64>,
    iqn: String,
    store: TapeStore,
    saver: Saver,
    buffers: Arc<Buffers>,
    nexuses: Mutex<Nexuses>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// The LUN in the first two bytes of its eight: peripheral device or flat addressing, one level.
#[must_use]
pub fn lun_number(lun: u64) -> Option<usize> {
    let [first, second, rest @ ..] = lun.to_be_bytes();
    let method_is_simple = matches!(first >> 6, 0b00 | 0b01);
    (method_is_simple && rest == [0; 6]).then(|| usize::from(u16::from_be_bytes([first & 0x3f, second])))
}

/// The eight bytes of a LUN: peripheral device addressing up to 255, flat beyond.
fn lun_bytes(number: usize) -> u64 {
    let number = u64::try_from(number).unwrap_or(0) & 0x3fff;
    if number < 256 { number << 48 } else { (number | 0x4000) << 48 }
}

impl Library {
    /// Opens the library of a data directory, making what the configuration names and the directory lacks.
    ///
    /// # Errors
    /// The directory is in use or damaged, or holds what the configuration has no place for.
    pub fn open(path: &Path, config: &Config) -> Result<Self, LibraryError> {
        let data = Arc::new(DataDir::open(path)?);
        let identities = identities(&data, config.drives.len())?;
        let iqn =
            config.iscsi.iqn.clone().unwrap_or_else(|| format!("iqn.2026-01.org.ferric-vtl:{}", identities.suffix));
        let store = TapeStore::new(Box::new(data.shelves()?));
        let inventory = stock(&data, config, &store)?;
        let saver = Saver::new(Arc::clone(&data), inventory.clone());
        let buffers = Arc::new(Buffers::default());
        let luns: Vec<u64> = (0..=config.drives.len()).map(lun_bytes).collect();
        let port = Port { protocol: 0x05, device: iqn.clone(), port: format!("{iqn},t,0x0001") };
        let identity = |model: Model, unit: &UnitIdentity| Identity {
            model,
            serial: unit.serial.clone(),
            naa: u64::from_str_radix(&unit.naa, 16).unwrap_or_default(),
            port: Some(port.clone()),
        };
        let (mut drives, pool) = (Vec::new(), Arc::new(Pool::new()));
        for (index, (setup, unit)) in config.drives.iter().zip(&identities.drives).enumerate() {
            let lun = index + 1;
            let drive_config = DriveConfig { codec: setup.codec };
            let mut drive =
                Drive::new(setup.profile, identity(setup.profile.model, unit), drive_config, data.unit(lun)?);
            drive.lu().luns.clone_from(&luns);
            drive.employ(Arc::clone(&pool) as _);
            let device = Device::Drive(Box::new(drive));
            drives.push(Arc::new(Unit::new(lun, device, saver.clone(), Arc::clone(&buffers), ssc::table::may_block)));
        }
        let bays = drives.iter().map(|unit| Box::new(DriveBay::new(Arc::clone(unit))) as Box<dyn Bay>).collect();
        let mut elements = smc::library::Library::new(config.layout, config.changer.capabilities, bays);
        fill(&mut elements, &inventory, &store)?;
        let mut changer_identity = identity(config.changer.model, &identities.changer);
        changer_identity.serial = config.changer.unit_serial(&changer_identity.serial, 0);
        let mut changer = Changer::new(config.changer, changer_identity, elements, data.unit(0)?);
        changer.lu().luns.clone_from(&luns);
        let device = Device::Changer(Box::new(changer));
        let changer = Arc::new(Unit::new(0, device, saver.clone(), Arc::clone(&buffers), smc::table::may_block));
        let units: Vec<_> = std::iter::once(changer).chain(drives).collect();
        let threads = Mutex::new(start(&units)?);
        Ok(Self { units, luns, iqn, store, saver, buffers, nexuses: Mutex::default(), threads })
    }

    /// The target's name.
    #[must_use]
    pub fn iqn(&self) -> &str {
        &self.iqn
    }

    /// The buffers of this process.
    #[must_use]
    pub const fn buffers(&self) -> &Arc<Buffers> {
        &self.buffers
    }

    fn nexuses(&self) -> MutexGuard<'_, Nexuses> {
        self.nexuses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A session of this initiator port begins; every unit hears of it.
    pub fn login(&self, port: &TransportId) -> NexusId {
        let (nexus, returning) = self.nexuses().add(port);
        for unit in &self.units {
            unit.post(Event::NexusUp { nexus, port: port.clone(), returning });
        }
        nexus
    }

    /// A session is lost: its waiting commands go, and every unit hears of it.
    pub fn logout(&self, nexus: NexusId) {
        for unit in &self.units {
            unit.abort(|other, _| other == nexus);
            unit.post(Event::NexusLost(nexus));
        }
        self.nexuses().remove(nexus);
    }

    /// The unit at a LUN.
    #[must_use]
    pub fn unit(&self, lun: u64) -> Option<&Arc<Unit>> {
        self.units.get(lun_number(lun)?)
    }

    /// Every unit.
    #[must_use]
    pub fn units(&self) -> &[Arc<Unit>] {
        &self.units
    }

    /// Runs a command, or queues it.
    pub fn submit(&self, lun: u64, job: Job, reply: &Arc<dyn Reply>) -> Submitted {
        match self.unit(lun) {
            Some(unit) => unit.submit(job, reply).unwrap_or_else(|job| {
                let mut completion = Completion::new(Ok(()), scsi_core::sense::Format::Fixed);
                completion.status = Status::TASK_SET_FULL;
                Submitted::Done(Finished {
                    tag: job.tag,
                    completion,
                    data_in: Vec::new(),
                    data_out: job.data_out,
                    aborted: false,
                })
            }),
            None => Submitted::Done(self.answer_missing(job)),
        }
    }

    fn answer_missing(&self, job: Job) -> Finished {
        let mut data_in = if job.room == 0 { Vec::new() } else { self.buffers.take(job.room) };
        let out = [IoSlice::new(job.data_out.get(..job.data_len).unwrap_or_default())];
        let mut into = [IoSliceMut::new(data_in.get_mut(..job.room).unwrap_or_default())];
        let completion = missing_lun(&job.cdb, &self.luns, Data::new(&out, &mut into));
        Finished { tag: job.tag, completion, data_in, data_out: job.data_out, aborted: false }
    }

    /// What people see: one row per unit.
    #[must_use]
    pub fn overview(&self) -> Vec<UnitInfo> {
        let row = |(lun, unit): (usize, &Arc<Unit>)| {
            unit.with(|device| {
                let content = match device {
                    Device::Changer(changer) => format!("{} cartridges", changer.places().len()),
                    Device::Drive(drive) => {
                        drive.loaded().map_or_else(|| "empty".into(), |(cartridge, _)| cartridge.barcode().to_string())
                    }
                };
                let identity = &device.lu().identity;
                UnitInfo { lun, model: identity.model, serial: identity.serial.clone(), content }
            })
        };
        self.units.iter().enumerate().map(row).collect()
    }

    /// An operator puts a cartridge that is outside the library into an import/export element.
    ///
    /// # Errors
    /// There is no such cartridge outside, or the element is locked or full.
    pub fn import(&self, address: Address, barcode: &Barcode) -> Result<(), LibraryError> {
        // Looked at, done and kept without letting go of the changer: no move comes between.
        self.changer(|changer| {
            let outside = changer.places().iter().all(|place| place.barcode != *barcode);
            let size = self.saver.size(barcode.as_str()).filter(|_| outside);
            let missing = || LibraryError::Door(format!("there is no cartridge {barcode} outside the library"));
            let cartridge = cartridge(&self.store, barcode, size.ok_or_else(missing)?)?;
            let imported = changer.import(address, cartridge, clock::now());
            imported.map_err(|(why, _)| door_error(why, address))?;
            let kept = self.saver.places(&changer.places());
            if kept.is_err() {
                let _ = changer.export(address, clock::now());
            }
            Ok(kept?)
        })
    }

    /// An operator takes the cartridge out of an import/export element; it is outside then.
    ///
    /// # Errors
    /// The element is locked or empty.
    pub fn export(&self, address: Address) -> Result<Barcode, LibraryError> {
        self.changer(|changer| {
            let cartridge = changer.export(address, clock::now()).map_err(|why| door_error(why, address))?;
            let barcode = cartridge.barcode().clone();
            let kept = self.saver.places(&changer.places());
            if kept.is_err() {
                let _ = changer.import(address, cartridge, clock::now());
            }
            kept?;
            Ok(barcode)
        })
    }

    #[expect(clippy::panic, reason = "LUN 0 is a changer by construction")]
    fn changer<T>(&self, call: impl FnOnce(&mut Changer) -> T) -> T {
        match self.units.first() {
            Some(unit) => unit.with(|device| match device {
                Device::Changer(changer) => call(changer),
                Device::Drive(_) => panic!("LUN 0 is a drive"),
            }),
            None => panic!("a library without units"),
        }
    }

    /// Synchronises and closes every medium; cartridges stay where they are. No command runs afterwards.
    ///
    /// # Errors
    /// What could not be made durable.
    pub fn shut_down(&self) -> Result<(), LibraryError> {
        for unit in &self.units {
            unit.stop();
        }
        for thread in self.threads.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            let _ = thread.join();
        }
        let mut faults = Vec::new();
        for unit in &self.units {
            let closed = unit.with(|device| match device {
                Device::Drive(drive) => drive.shut_down().map(drop),
                Device::Changer(_) => Ok(()),
            });
            faults.extend(closed.err());
        }
        if faults.is_empty() { Ok(()) } else { Err(LibraryError::Inventory(faults.join("; "))) }
    }
}

fn door_error(why: DoorError, address: Address) -> LibraryError {
    let what = match why {
        DoorError::Prevented => "is locked by a host",
        DoorError::Closed => "is behind the closed access door",
        DoorError::Element(smc::library::MoveError::SourceEmpty) => "is empty",
        DoorError::Element(smc::library::MoveError::DestinationFull) => "is full",
        DoorError::Element(_) => "is not an import/export element",
    };
    LibraryError::Door(format!("element {} {what}", address.0))
}

/// Names of units, made at the first start and for each drive that is new.
fn identities(data: &DataDir, drives: usize) -> Result<Identities, LibraryError> {
    let known = data.identities()?;
    let mut identities = known.clone().unwrap_or_default();
    if identities.suffix.is_empty() {
        identities.suffix = random_hex(4)?;
        identities.changer = unit_identity()?;
    }
    while identities.drives.len() < drives {
        identities.drives.push(unit_identity()?);
    }
    if known.as_ref() != Some(&identities) {
        data.save_identities(&identities)?;
    }
    Ok(identities)
}

/// A locally assigned NAA (type 3), and the serial number from its last ten digits, as LTO drives have it.
fn unit_identity() -> Result<UnitIdentity, LibraryError> {
    let naa = format!("3{}", random_hex(8)?.get(1..).unwrap_or_default());
    let serial = naa.get(6..).unwrap_or_default().to_uppercase();
    Ok(UnitIdentity { serial, naa })
}

fn random_hex(bytes: usize) -> Result<String, LibraryError> {
    let mut random = vec![0; bytes];
    getrandom::fill(&mut random).map_err(LibraryError::Random)?;
    Ok(random.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Makes the cartridges that are listed and not there, gives each new one a place, and says where all are.
fn stock(data: &DataDir, config: &Config, store: &TapeStore) -> Result<Inventory, LibraryError> {
    let mut inventory = data.inventory()?;
    nothing_lost(config, &inventory)?;
    let before = inventory.clone();
    let mut free: Vec<u16> = config.layout.storage.addresses().map(|address| address.0).collect();
    free.retain(|address| inventory.values().all(|entry| entry.element != Some(*address)));
    let mut free = free.into_iter();
    let made = i64::try_from(clock::now().wall.0 / 1000).unwrap_or(i64::MAX);
    for setup in &config.cartridges {
        let name = setup.barcode.as_str();
        if inventory.contains_key(name) {
            continue;
        }
        let element = free.next().ok_or_else(|| {
            let message = format!(
                "no slot of {} is left for cartridge {name}; give more slots or list fewer cartridges",
                config.layout.storage.count
            );
            config.shape_error(ElementType::STORAGE, message)
        })?;
        if !store.exists(&setup.barcode)? {
            let serial = match setup.level {
                Level::Ferric => random_hex(5)?.to_uppercase(),
                Level::Mhvtl => format!("{name}_{made}"),
            };
            let CartridgeSetup { media, kind, size: capacity, level, .. } = *setup;
            store.create(&setup.barcode, &NewCartridge { media, kind, serial: &serial, made, capacity, level })?;
        }
        let place =
            crate::data_dir::Whereabouts { element: Some(element), source: None, by_operator: false, size: setup.size };
        inventory.insert(name.into(), place);
    }
    if inventory != before {
        data.save_inventory(&inventory)?;
    }
    Ok(inventory)
}

fn cartridge(store: &TapeStore, barcode: &Barcode, size: u64) -> Result<Cartridge, LibraryError> {
    let unknown = || LibraryError::Inventory(format!("cartridge {barcode} is of no known generation"));
    let (media, kind) = barcode.media().ok_or_else(unknown)?;
    if !store.exists(barcode)? {
        return Err(LibraryError::Inventory(format!("the files of cartridge {barcode} are missing")));
    }
    Ok(store.cartridge(barcode, media, kind, size))
}

/// Refuses a configuration that took away an element which holds a cartridge.
fn nothing_lost(config: &Config, inventory: &Inventory) -> Result<(), ConfigError> {
    let [slots, import_export, drives] = config.changer.most;
    for (barcode, entry) in inventory {
        let Some(address) = entry.element.map(Address) else { continue };
        if config.layout.element_type(address).is_some() {
            continue;
        }
        let widest = config.changer.layout(slots, import_export, drives).ok();
        let kind = widest.as_ref().and_then(|layout| layout.element_type(address)).unwrap_or(ElementType::STORAGE);
        let name = match kind {
            ElementType::IMPORT_EXPORT => "import/export slot",
            ElementType::DRIVE => "drive",
            _ => "slot",
        };
        let message = format!(
            "{name} at element {} is gone, but holds cartridge {barcode}; keep it, or move the cartridge first",
            address.0
        );
        return Err(config.shape_error(kind, message));
    }
    Ok(())
}

/// Puts every cartridge where the inventory has it.
fn fill(elements: &mut smc::library::Library, inventory: &Inventory, store: &TapeStore) -> Result<(), LibraryError> {
    for (name, entry) in inventory {
        let Some(element) = entry.element else { continue };
        let barcode =
            Barcode::new(name).ok_or_else(|| LibraryError::Inventory(format!("inventory: {name:?} is no barcode")))?;
        let origin = Origin { source: entry.source.map(Address), by_operator: entry.by_operator };
        let put = elements.put(Address(element), cartridge(store, &barcode, entry.size)?, origin, clock::now());
        put.map_err(|(why, _)| {
            LibraryError::Inventory(format!("cartridge {barcode} cannot be put into element {element}: {why:?}"))
        })?;
    }
    Ok(())
}

/// One thread per unit, for what may block.
fn start(units: &[Arc<Unit>]) -> Result<Vec<JoinHandle<()>>, LibraryError> {
    let spawn = |(lun, unit): (usize, &Arc<Unit>)| {
        let unit = Arc::clone(unit);
        std::thread::Builder::new()
            .name(format!("unit-{lun}"))
            .spawn(move || unit.serve())
            .map_err(LibraryError::Thread)
    };
    units.iter().enumerate().map(spawn).collect()
}
