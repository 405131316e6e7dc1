//! One logical library: a changer and its drives.

mod build;
mod builder;
mod identities;

pub use build::RemoteBayFactory;
pub(crate) use build::{
    LibraryParts, cartridge_or_placeholder, check_mounted, check_new_cartridges, existing_cartridge,
};
pub use builder::LibraryBuilder;
pub(crate) use identities::{check_luns, identities, random_hex};

use crate::clock;
use crate::config::{ConfigError, LibrarySetup, TransferPolicy};
use crate::data_dir::{DataDirError, UpgradeError};
use crate::inventory::{CartridgeRecord, Location};
use crate::locks::read;
use crate::shared::Shared;
use crate::state_store::StateError;
use crate::target::Target;
use crate::unit::{Device, Unit};
use scsi_core::identity::Identity;
use smc::changer::{Changer, OperatorError};
use smc::element::{ElementAddress, ElementContent, ElementLayout};
use smc::library::MoveError;
use smc::profile::ChangerProfile;
use std::sync::atomic::Ordering;
use std::sync::{Arc, RwLock};
use tape_store::cartridge::{Barcode, Cartridge};
use tape_store::error::StoreError;

/// Why a library cannot be opened, or an operator's wish not be done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LibraryError {
    /// The data directory.
    #[error(transparent)]
    Data(#[from] DataDirError),
    /// What must not be lost.
    #[error(transparent)]
    State(#[from] StateError),
    /// A cartridge, and what is wrong with its files.
    #[error("cartridge {barcode}: {source}")]
    Cartridge {
        /// Its barcode.
        barcode: String,
        /// What is wrong with it.
        source: StoreError,
    },
    /// The directories of cartridges, or a cartridge that the error names.
    #[error(transparent)]
    Store(StoreError),
    /// The configuration does not fit what the data directory holds.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The data directory contradicts itself, or a medium could not be closed.
    #[error("{0}")]
    Inconsistent(String),
    /// Random numbers are not to be had.
    #[error("no random numbers: {0}")]
    Random(getrandom::Error),
    /// The operating system gives no thread.
    #[error("no thread: {0}")]
    Thread(std::io::Error),
    /// A door is locked, or an element full or empty.
    #[error("{0}")]
    Refused(String),
    /// There is no such library, drive, element or cartridge.
    #[error("{0}")]
    Unknown(String),
}

impl LibraryError {
    /// Names the cartridge whose files are concerned, for errors that name only the file.
    pub(crate) fn of(barcode: &Barcode) -> impl Fn(StoreError) -> Self + use<> {
        let barcode = barcode.to_string();
        move |source| match source {
            StoreError::Cartridge { .. } => Self::Store(source),
            source => Self::Cartridge { barcode: barcode.clone(), source },
        }
    }
}

impl From<UpgradeError> for LibraryError {
    fn from(error: UpgradeError) -> Self {
        match error {
            UpgradeError::Data(error) => Self::Data(error),
            UpgradeError::State(error) => Self::State(error),
        }
    }
}

/// A logical library.
pub struct Library {
    name: String,
    shelf: String,
    profile: &'static ChangerProfile,
    /// What it was made of.
    setup: RwLock<LibrarySetup>,
    changer: Arc<Unit>,
    drives: RwLock<Vec<Arc<Unit>>>,
    index: usize,
    target: Arc<Target>,
    shared: Arc<Shared>,
}

impl Library {
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
    pub fn layout(&self) -> ElementLayout {
        read(&self.setup).layout
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

    /// The unit of its changer.
    pub(crate) fn changer_unit(&self) -> Arc<Unit> {
        Arc::clone(&self.changer)
    }

    /// Its drives, in order of their elements.
    #[must_use]
    pub fn drives(&self) -> Vec<Arc<Unit>> {
        read(&self.drives).clone()
    }

    /// Changer and drives.
    pub(crate) fn all_units(&self) -> Vec<Arc<Unit>> {
        let mut units = vec![Arc::clone(&self.changer)];
        units.extend(self.drives());
        units
    }

    /// One of its units: 0 is the changer, the drives follow.
    #[must_use]
    pub fn unit(&self, number: usize) -> Option<Arc<Unit>> {
        self.all_units().get(number).cloned()
    }

    /// What it was made of, and has grown to.
    pub(crate) fn setup(&self) -> LibrarySetup {
        read(&self.setup).clone()
    }

    /// Who carries its cartridges from import/export elements to the shelf, and back.
    pub(crate) fn transfer_policies(&self) -> (TransferPolicy, TransferPolicy) {
        let setup = read(&self.setup);
        (setup.export, setup.import)
    }

    /// Every cartridge in it, and where it is.
    #[must_use]
    pub fn locations(&self) -> Vec<(Barcode, Location)> {
        let places = self.changer(|changer| changer.locations());
        places.into_iter().map(|place| (place.barcode.clone(), Location::from_changer(&self.name, &place))).collect()
    }

    /// Why no drive can use a cartridge, if so.
    pub(crate) fn unusable_reason(&self, barcode: &Barcode) -> Option<String> {
        self.shared.unusable.reason(barcode)
    }

    /// Looks at the changer, between two commands.
    pub fn changer<T>(&self, call: impl FnOnce(&mut Changer) -> T) -> T {
        self.changer.with_device(|device| call(changer_of(device)))
    }

    /// What an operator does at the library; durable when it returns.
    ///
    /// # Errors
    /// It cannot be done, or not be kept.
    pub fn operate<T>(&self, call: impl FnOnce(&mut Changer) -> Result<T, OperatorError>) -> Result<T, LibraryError> {
        // Looked at while the changer is held: shutting down takes it, too, before it empties drives.
        let ended = || self.shared.ended.load(Ordering::Acquire);
        let call = |changer: &mut Changer| if ended() { None } else { Some(call(changer)) };
        let (done, kept) = self.changer.with_saved(|device| call(changer_of(device)));
        let done = done.ok_or_else(|| LibraryError::Refused("the site is shut down".into()))?;
        let done = done.map_err(|why| LibraryError::Refused(why.to_string()))?;
        kept?;
        Ok(done)
    }

    /// As [`Self::operate`], for what concerns these elements: an error names them and what is in them.
    pub(crate) fn operate_at<T>(
        &self,
        from: Option<ElementAddress>,
        to: Option<ElementAddress>,
        call: impl FnOnce(&mut Changer) -> Result<T, OperatorError>,
    ) -> Result<T, LibraryError> {
        self.operate(|changer| Ok(call(changer).map_err(|why| self.operator_error(changer, why, from, to))))?
    }

    /// What the units of the site share.
    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// An operator puts a cartridge from the shelf into an import/export element, or through the open access door into a
    /// slot.
    ///
    /// # Errors
    /// There is no such cartridge on the shelf, or the element is locked or full.
    pub fn import(&self, address: ElementAddress, barcode: &Barcode) -> Result<(), LibraryError> {
        self.import_if(address, barcode, |_| true)
    }

    /// Imports a cartridge, if it is still one that is wanted.
    fn import_if(
        &self,
        address: ElementAddress,
        barcode: &Barcode,
        wanted: impl Fn(&CartridgeRecord) -> bool,
    ) -> Result<(), LibraryError> {
        // Two libraries may share the shelf: the cartridge must not be taken twice.
        let _hands = self.shared.transfer_lock();
        let cartridge = self.shelf_cartridge(barcode, wanted)?;
        let put = |changer: &mut Changer| changer.import(address, cartridge, clock::now()).map_err(|(why, _)| why);
        self.operate_at(None, Some(address), put)
    }

    /// Whether a cartridge has come to its shelf from elsewhere: what left it stays out.
    pub(crate) fn is_pending_import(&self, entry: &CartridgeRecord) -> bool {
        entry.location == Location::Shelf(self.shelf.clone()) && entry.exported_from.as_deref() != Some(self.name())
    }

    /// Imports a cartridge that has come to its shelf from elsewhere, if nobody has carried it on meanwhile.
    pub(crate) fn auto_import(&self, address: ElementAddress, barcode: &Barcode) -> Result<(), LibraryError> {
        self.import_if(address, barcode, |entry| self.is_pending_import(entry))
    }

    /// Puts a new cartridge from the shelf into a slot, as if the library had been filled with it.
    pub(crate) fn populate_slot(&self, address: ElementAddress, barcode: &Barcode) -> Result<(), LibraryError> {
        let _hands = self.shared.transfer_lock();
        let cartridge = self.shelf_cartridge(barcode, |_| true)?;
        let put = |changer: &mut Changer| changer.populate(address, cartridge, clock::now()).map_err(|(why, _)| why);
        self.operate_at(None, Some(address), put)
    }

    /// A cartridge of the shelf. Who calls has the hands of the site.
    fn shelf_cartridge(
        &self,
        barcode: &Barcode,
        wanted: impl Fn(&CartridgeRecord) -> bool,
    ) -> Result<Cartridge, LibraryError> {
        let entry = self.shared.inventory().get(barcode.as_str()).cloned();
        let is_there = |entry: &CartridgeRecord| entry.location == Location::Shelf(self.shelf.clone()) && wanted(entry);
        let entry = entry.filter(is_there).ok_or_else(|| {
            LibraryError::Unknown(format!("there is no cartridge {barcode} on the shelf {:?}", self.shelf))
        })?;
        existing_cartridge(&self.shared, barcode, &entry)
    }

    /// An operator takes the cartridge out of an import/export element, or through the open access door out of a slot,
    /// and puts it on the shelf.
    ///
    /// # Errors
    /// The element is locked or empty.
    pub fn export(&self, address: ElementAddress) -> Result<Barcode, LibraryError> {
        self.export_if(address, |_| true)
    }

    /// Exports what the robot has put there, and nobody else meanwhile.
    pub(crate) fn auto_export(&self, address: ElementAddress) -> Result<Barcode, LibraryError> {
        self.export_if(address, |content| !content.by_operator)
    }

    /// Exports this cartridge, if it is still there.
    pub(crate) fn export_barcode(&self, address: ElementAddress, barcode: &Barcode) -> Result<Barcode, LibraryError> {
        self.export_if(address, |content| content.barcode == *barcode)
    }

    fn export_if(
        &self,
        address: ElementAddress,
        wanted: impl Fn(&ElementContent) -> bool,
    ) -> Result<Barcode, LibraryError> {
        let _hands = self.shared.transfer_lock();
        let take = |changer: &mut Changer| match changer.content(address) {
            Some(content) if !wanted(&content) => Err(OperatorError::Element(MoveError::SourceEmpty)),
            _ => changer.export(address, clock::now()),
        };
        Ok(self.operate_at(Some(address), None, take)?.barcode().clone())
    }

    /// Has the robot move a cartridge.
    ///
    /// # Errors
    /// It cannot be moved; it is where it was.
    pub fn move_medium(&self, source: ElementAddress, destination: ElementAddress) -> Result<(), LibraryError> {
        let moved = |changer: &mut Changer| changer.move_medium(source, destination, clock::now());
        self.operate_at(Some(source), Some(destination), moved)
    }
}

#[expect(clippy::panic, reason = "the unit was made of a changer")]
fn changer_of(device: &mut Device) -> &mut Changer {
    match device {
        Device::Changer(changer) => changer,
        Device::Drive(_) => panic!("a drive in the place of a changer"),
    }
}
