//! One logical library: a changer and its drives.

use crate::bay::DriveBay;
use crate::clock;
use crate::config::{CartridgeSetup, ConfigError, LibrarySetup};
use crate::data_dir::{DataError, TakeOverError, UnitIdentity};
use crate::inventory::{self, Entry, Inventory, Where};
use crate::keeper::{Change, KeepError};
use crate::shared::{Owner, Shared, condition_key};
use crate::target::Target;
use crate::unit::{Device, Unit};
use scsi_core::identity::{Identity, Model, Port};
use scsi_core::lu;
use smc::bay::Bay;
use smc::changer::{Changer, DoorError};
use smc::element::{Address, ElementType, Layout};
use smc::profile::ChangerProfile;
use smc::robot::Condition;
use ssc::drive::{Drive, DriveConfig};
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use tape_store::cartridge::{Barcode, Cartridge, Level};
use tape_store::error::StoreError;
use tape_store::shelf::NewCartridge;

/// Why a library cannot be opened, or an operator's wish not be done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LibraryError {
    /// The data directory.
    #[error(transparent)]
    Data(#[from] DataError),
    /// What must not be lost.
    #[error(transparent)]
    Keep(#[from] KeepError),
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
    /// There is no such library, drive, element or cartridge.
    #[error("{0}")]
    Unknown(String),
}

impl From<TakeOverError> for LibraryError {
    fn from(error: TakeOverError) -> Self {
        match error {
            TakeOverError::Data(error) => Self::Data(error),
            TakeOverError::Keep(error) => Self::Keep(error),
        }
    }
}

/// A logical library.
pub struct Library {
    name: String,
    shelf: String,
    profile: &'static ChangerProfile,
    layout: Layout,
    changer: Arc<Unit>,
    drives: Vec<Arc<Unit>>,
    target: Arc<Target>,
    shared: Arc<Shared>,
}

/// Names of a library's units: the changer's, then those of its drives.
pub(crate) struct Identities(pub(crate) Vec<UnitIdentity>);

/// What a library is made of beside its configuration.
pub(crate) struct Parts {
    pub(crate) shared: Arc<Shared>,
    pub(crate) target: Arc<Target>,
    pub(crate) identities: Identities,
    /// Its number among the logical libraries of the site, for models whose serial number shows it.
    pub(crate) number: usize,
}

impl Library {
    /// Makes what the configuration names and is not there yet, and puts every cartridge where it was.
    pub(crate) fn open(setup: &LibrarySetup, parts: Parts) -> Result<Self, LibraryError> {
        let Parts { shared, target, identities: Identities(identities), number } = parts;
        nothing_lost(setup, &shared.inventory())?;
        stock(setup, &shared)?;
        let port = Port { protocol: 0x05, device: target.name().into(), port: format!("{},t,0x0001", target.name()) };
        let identity = |model: Model, unit: Option<&UnitIdentity>| Identity {
            model,
            serial: unit.map(|unit| unit.serial.clone()).unwrap_or_default(),
            naa: unit.and_then(|unit| u64::from_str_radix(&unit.naa, 16).ok()).unwrap_or_default(),
            port: Some(port.clone()),
        };
        let owner = |unit: String| Owner { library: setup.name.clone(), shelf: setup.shelf.clone(), unit };
        let saved = |owner: &Owner| -> Result<lu::Saved, KeepError> {
            Ok(shared.keeper.get(&owner.key())?.unwrap_or_default())
        };
        let mut drives = Vec::new();
        for (index, drive_setup) in setup.drives.iter().enumerate() {
            let owner = owner(format!("drive/{index}"));
            let profile = drive_setup.profile;
            let config = DriveConfig { codec: drive_setup.codec };
            let mut drive =
                Drive::new(profile, identity(profile.model, identities.get(index + 1)), config, saved(&owner)?);
            drive.employ(Arc::clone(&shared.pool) as _);
            drives.push(Arc::new(Unit::new(owner, Device::Drive(Box::new(drive)), Arc::clone(&shared))));
        }
        let bays = drives.iter().map(|unit| Box::new(DriveBay::new(Arc::clone(unit))) as Box<dyn Bay>).collect();
        let mut elements = smc::library::Library::new(setup.layout, setup.changer.capabilities, bays);
        fill(&mut elements, &setup.name, &shared)?;
        let mut changer_identity = identity(setup.changer.model, identities.first());
        changer_identity.serial = setup.changer.unit_serial(&changer_identity.serial, number);
        let owner = owner("changer".into());
        let mut changer = Changer::new(setup.changer, changer_identity, elements, saved(&owner)?);
        if let Some(condition) = shared.keeper.get::<Condition>(&condition_key(&setup.name))? {
            changer.restore(condition);
        }
        let changer = Arc::new(Unit::new(owner, Device::Changer(Box::new(changer)), Arc::clone(&shared)));
        let luns = identities.iter().map(|identity| identity.lun);
        target.attach(luns.zip(std::iter::once(&changer).chain(&drives).cloned()));
        let (name, shelf) = (setup.name.clone(), setup.shelf.clone());
        Ok(Self { name, shelf, profile: setup.changer, layout: setup.layout, changer, drives, target, shared })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The shelf where cartridges are that left it.
    #[must_use]
    pub fn shelf(&self) -> &str {
        &self.shelf
    }

    /// Its model.
    #[must_use]
    pub const fn profile(&self) -> &'static ChangerProfile {
        self.profile
    }

    /// Where its elements are.
    #[must_use]
    pub const fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The target it is behind.
    #[must_use]
    pub const fn target(&self) -> &Arc<Target> {
        &self.target
    }

    /// Who its changer is.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        self.changer.identity()
    }

    /// LUN of its changer.
    #[must_use]
    pub fn lun(&self) -> usize {
        self.target.lun_of(&self.changer).unwrap_or_default()
    }

    /// Its drives, in order of their elements.
    #[must_use]
    pub fn drives(&self) -> &[Arc<Unit>] {
        &self.drives
    }

    /// Changer and drives.
    pub(crate) fn units(&self) -> impl Iterator<Item = &Arc<Unit>> {
        std::iter::once(&self.changer).chain(&self.drives)
    }

    /// Looks at the changer, between two commands.
    pub fn changer<T>(&self, call: impl FnOnce(&mut Changer) -> T) -> T {
        self.changer.with(|device| call(changer_of(device)))
    }

    /// What an operator does at the library; durable when it returns.
    ///
    /// # Errors
    /// It cannot be done, or not be kept.
    pub fn operate<T>(&self, call: impl FnOnce(&mut Changer) -> Result<T, DoorError>) -> Result<T, LibraryError> {
        let (done, kept) = self.changer.change(|device| call(changer_of(device)));
        let done = done.map_err(|why| LibraryError::Door(why.to_string()))?;
        kept?;
        Ok(done)
    }

    /// An operator puts a cartridge from the shelf into an import/export element, or through the open access door into a
    /// slot.
    ///
    /// # Errors
    /// There is no such cartridge on the shelf, or the element is locked or full.
    pub fn import(&self, address: Address, barcode: &Barcode) -> Result<(), LibraryError> {
        // Two libraries may share the shelf: the cartridge must not be taken twice.
        let _hands = self.shared.hands();
        let entry = self.shared.inventory().get(barcode.as_str()).cloned();
        let on_shelf = |entry: &Entry| entry.place == Where::Shelf(self.shelf.clone());
        let size = entry.filter(on_shelf).map(|entry| entry.size).ok_or_else(|| {
            LibraryError::Unknown(format!("there is no cartridge {barcode} on the shelf {:?}", self.shelf))
        })?;
        let cartridge = cartridge(&self.shared, barcode, size)?;
        let put = |changer: &mut Changer| changer.import(address, cartridge, clock::now()).map_err(|(why, _)| why);
        self.operate(put).map_err(|error| at(address, error))
    }

    /// An operator takes the cartridge out of an import/export element, or through the open access door out of a slot,
    /// and puts it on the shelf.
    ///
    /// # Errors
    /// The element is locked or empty.
    pub fn export(&self, address: Address) -> Result<Barcode, LibraryError> {
        let _hands = self.shared.hands();
        let take = |changer: &mut Changer| changer.export(address, clock::now());
        Ok(self.operate(take).map_err(|error| at(address, error))?.barcode().clone())
    }

    /// Has the robot move a cartridge.
    ///
    /// # Errors
    /// It cannot be moved; it is where it was.
    pub fn move_medium(&self, source: Address, destination: Address) -> Result<(), LibraryError> {
        self.operate(|changer| changer.move_medium(source, destination, clock::now()))
    }
}

/// Names the element that an operator could not reach.
fn at(address: Address, error: LibraryError) -> LibraryError {
    match error {
        LibraryError::Door(why) => LibraryError::Door(format!("element {}: {why}", address.0)),
        other => other,
    }
}

#[expect(clippy::panic, reason = "the unit was made of a changer")]
fn changer_of(device: &mut Device) -> &mut Changer {
    match device {
        Device::Changer(changer) => changer,
        Device::Drive(_) => panic!("a drive in the place of a changer"),
    }
}

/// A locally assigned NAA (type 3), and the serial number from its last ten digits, as LTO drives have it.
pub(crate) fn unit_identity() -> Result<UnitIdentity, LibraryError> {
    let naa = format!("3{}", random_hex(8)?.get(1..).unwrap_or_default());
    let serial = naa.get(6..).unwrap_or_default().to_uppercase();
    Ok(UnitIdentity { serial, naa, ..UnitIdentity::default() })
}

pub(crate) fn random_hex(bytes: usize) -> Result<String, LibraryError> {
    let mut random = vec![0; bytes];
    getrandom::fill(&mut random).map_err(LibraryError::Random)?;
    Ok(random.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Makes the cartridges that are listed and not there, and gives each new one a slot.
fn stock(setup: &LibrarySetup, shared: &Shared) -> Result<(), LibraryError> {
    let mut inventory = shared.inventory();
    let taken: Vec<Address> =
        inventory.values().filter_map(|entry| Some(entry.place.element_of(&setup.name)?.0)).collect();
    let mut taken: BTreeSet<_> = taken.into_iter().collect();
    let is_new = |cartridge: &&CartridgeSetup| !inventory.contains_key(cartridge.barcode.as_str());
    let new: Vec<&CartridgeSetup> = setup.cartridges.iter().filter(is_new).collect();
    // Who has a place of their own comes before those who take what is free.
    let meant: BTreeSet<Address> = new.iter().filter_map(|cartridge| cartridge.at).collect();
    let mut free = setup
        .layout
        .storage
        .addresses()
        .filter(|at| !taken.contains(at) && !meant.contains(at))
        .collect::<VecDeque<_>>();
    let mut change = Change::default();
    let made = i64::try_from(clock::now().wall.0 / 1000).unwrap_or(i64::MAX);
    for cartridge in new {
        let name = cartridge.barcode.as_str();
        let own = cartridge.at.filter(|at| taken.insert(*at));
        let Address(address) = own.or_else(|| free.pop_front()).ok_or_else(|| {
            let message = format!(
                "no slot of {} is left for cartridge {name}; give more slots or list fewer cartridges",
                setup.layout.storage.count
            );
            setup.shape_error(ElementType::STORAGE, message)
        })?;
        make(shared, cartridge, made)?;
        let place = Where::Element { library: setup.name.clone(), address, source: None, by_operator: false };
        let entry = Entry { place, size: cartridge.size };
        inventory::note(&mut change, name, &entry)?;
        inventory.insert(name.into(), entry);
    }
    shared.keeper.keep(change)?;
    Ok(())
}

/// Makes the files of a cartridge, if they are not there.
pub(crate) fn make(shared: &Shared, setup: &CartridgeSetup, made: i64) -> Result<(), LibraryError> {
    if shared.store.exists(&setup.barcode)? {
        return Ok(());
    }
    let serial = match setup.level {
        Level::Ferric => random_hex(5)?.to_uppercase(),
        Level::Mhvtl => format!("{}_{made}", setup.barcode),
    };
    let CartridgeSetup { media, kind, size: capacity, level, .. } = *setup;
    let new = NewCartridge { media, kind, serial: &serial, made, capacity, level };
    Ok(shared.store.create(&setup.barcode, &new)?)
}

fn cartridge(shared: &Shared, barcode: &Barcode, size: u64) -> Result<Cartridge, LibraryError> {
    let unknown = || LibraryError::Inventory(format!("cartridge {barcode} is of no known generation"));
    let (media, kind) = barcode.media().ok_or_else(unknown)?;
    if !shared.store.exists(barcode)? {
        return Err(LibraryError::Inventory(format!("the files of cartridge {barcode} are missing")));
    }
    Ok(shared.store.cartridge(barcode, media, kind, size))
}

/// Refuses a configuration that took away an element which holds a cartridge.
fn nothing_lost(setup: &LibrarySetup, inventory: &Inventory) -> Result<(), ConfigError> {
    let [slots, import_export, drives] = setup.changer.most;
    for (barcode, entry) in inventory {
        let Some((address, _)) = entry.place.element_of(&setup.name) else { continue };
        if setup.layout.element_type(address).is_some() {
            continue;
        }
        let widest = setup.changer.layout(slots, import_export, drives).ok();
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
        return Err(setup.shape_error(kind, message));
    }
    Ok(())
}

/// Puts every cartridge where the inventory has it.
fn fill(elements: &mut smc::library::Library, library: &str, shared: &Shared) -> Result<(), LibraryError> {
    for (name, entry) in shared.inventory().iter() {
        let Some((address, origin)) = entry.place.element_of(library) else { continue };
        let barcode =
            Barcode::new(name).ok_or_else(|| LibraryError::Inventory(format!("inventory: {name:?} is no barcode")))?;
        let put = elements.put(address, cartridge(shared, &barcode, entry.size)?, origin, clock::now());
        put.map_err(|(why, _)| {
            LibraryError::Inventory(format!("cartridge {barcode} cannot be put into element {}: {why}", address.0))
        })?;
    }
    Ok(())
}
