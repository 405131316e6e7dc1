//! A logical library: a media changer and its drives.

mod build;
mod builder;
mod elements;
mod identities;

pub use build::RemoteBayFactory;
pub(crate) use build::{
    LibraryParts, cartridge_media, cartridge_or_placeholder, check_mounted, check_new_cartridges, existing_cartridge,
    missing_files,
};
pub use builder::LibraryBuilder;
pub(crate) use elements::Elements;
pub(crate) use identities::{check_luns, identities, random_hex, stored_chassis_serial};

use crate::config::{ConfigError, LibrarySetup, TransferPolicy};
use crate::control::{ControlError, operator_error_code};
use crate::data_dir::{DataDirError, UnitIdentity, UpgradeError};
use crate::events::{Cause, EventSource};
use crate::inventory::{CartridgeRecord, Location};
use crate::locks::read;
use crate::shared::Shared;
use crate::state_store::StateError;
use crate::target::Target;
use crate::unit::{Device, OperatorTurn, Unit};
use scsi_core::identity::Identity;
use smc::changer::{Changer, OperatorError};
use smc::chassis::Partition;
use smc::element::{ElementAddress, ElementContent, ElementLayout};
use smc::library::MoveError;
use smc::profile::ChangerProfile;
use std::sync::atomic::Ordering;
use std::sync::{Arc, RwLock};
use tape_store::cartridge::{Barcode, Cartridge};
use tape_store::error::StoreError;

/// Reason why a library cannot be opened, or why an operator's request cannot be carried out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LibraryError {
    /// The data directory cannot be used.
    #[error(transparent)]
    Data(#[from] DataDirError),
    /// The persistent state cannot be read or written.
    #[error(transparent)]
    State(#[from] StateError),
    /// The files of a cartridge cannot be read or written.
    #[error("cartridge {barcode}: {source}")]
    Cartridge {
        /// Barcode of the cartridge concerned.
        barcode: String,
        /// The fault in its files.
        source: StoreError,
    },
    /// The cartridge directories, or the cartridge that the error names, cannot be read.
    #[error(transparent)]
    Store(StoreError),
    /// The configuration is invalid, or does not fit the contents of the data directory.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The contents of the data directory are inconsistent, or a medium could not be closed.
    #[error("{0}")]
    Inconsistent(String),
    /// The operating system returned no random numbers.
    #[error("the system has no random numbers: {0}")]
    Random(getrandom::Error),
    /// The operating system could not create a thread.
    #[error("the thread cannot be spawned: {0}")]
    Thread(std::io::Error),
    /// The request of an operator is refused; the code says why.
    #[error(transparent)]
    Request(#[from] ControlError),
}

impl LibraryError {
    /// Adds the barcode to errors that name only the file.
    pub(crate) fn of(barcode: &Barcode) -> impl Fn(StoreError) -> Self + use<> {
        let barcode = barcode.to_string();
        move |source| match source {
            StoreError::Cartridge { .. } | StoreError::Retained { .. } => Self::Store(source),
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

/// A logical library of a site: a media changer, its drives and their elements.
pub struct Library {
    name: String,
    shelf: String,
    profile: &'static ChangerProfile,
    /// The configuration of the library, including slots that operators have added.
    setup: RwLock<LibrarySetup>,
    changer: Arc<Unit>,
    drives: RwLock<Vec<Arc<Unit>>>,
    /// Serial numbers of all drives, also of drives in other processes.
    serials: RwLock<Vec<String>>,
    index: usize,
    /// Its place in a chassis, if it is a partition.
    pub(crate) partition: Option<Partition>,
    target: Arc<Target>,
    shared: Arc<Shared>,
}

impl Library {
    /// The name of the library in the configuration.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The name of the shelf that its exported cartridges go to.
    #[must_use]
    pub fn shelf(&self) -> &str {
        &self.shelf
    }

    /// The profile of the changer model.
    #[must_use]
    pub const fn profile(&self) -> &'static ChangerProfile {
        self.profile
    }

    /// The element address ranges of the library.
    #[must_use]
    pub fn layout(&self) -> ElementLayout {
        read(&self.setup).layout
    }

    /// The target that has the logical units of the library.
    #[must_use]
    pub const fn target(&self) -> &Arc<Target> {
        &self.target
    }

    /// The identity of the changer: INQUIRY strings, serial number and designators.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        self.changer.identity()
    }

    /// The LUN of the changer in its target.
    #[must_use]
    pub fn lun(&self) -> usize {
        self.target.lun_of(&self.changer).unwrap_or_default()
    }

    /// The logical unit of the changer.
    pub(crate) fn changer_unit(&self) -> Arc<Unit> {
        Arc::clone(&self.changer)
    }

    /// The logical units of the drives that this process serves, in the order of their element addresses.
    #[must_use]
    pub fn drives(&self) -> Vec<Arc<Unit>> {
        read(&self.drives).clone()
    }

    /// The serial number of the drive with this index in the library, also if another process serves it.
    pub(crate) fn drive_serial(&self, index: usize) -> String {
        read(&self.serials).get(index).cloned().unwrap_or_default()
    }

    /// The logical units of the changer and the drives.
    pub(crate) fn all_units(&self) -> Vec<Arc<Unit>> {
        let mut units = vec![Arc::clone(&self.changer)];
        units.extend(self.drives());
        units
    }

    /// The logical unit with this number: 0 is the changer, 1 the first drive. `None` if there is no such unit, or another
    /// process serves it.
    #[must_use]
    pub fn unit(&self, number: usize) -> Option<Arc<Unit>> {
        self.all_units().into_iter().find(|unit| unit.drive_index().map_or(0, |index| index + 1) == number)
    }

    /// The stored identity of a unit: `changer`, or `drive/` and its index.
    pub(crate) fn unit_identity(&self, unit: &str) -> Result<Option<UnitIdentity>, LibraryError> {
        Ok(self.shared.state.get(&identities::key(&self.name, unit))?)
    }

    /// The current configuration of the library, including added elements.
    pub(crate) fn setup(&self) -> LibrarySetup {
        read(&self.setup).clone()
    }

    /// The export and the import policy: whether cartridges move between I/O station and shelf automatically.
    pub(crate) fn transfer_policies(&self) -> (TransferPolicy, TransferPolicy) {
        let setup = read(&self.setup);
        (setup.export, setup.import)
    }

    /// Why no drive can use a cartridge; `None` if it is usable.
    pub(crate) fn unusable_reason(&self, barcode: &Barcode) -> Option<String> {
        self.shared.unusable.reason(barcode)
    }

    /// Calls `call` with the changer, between two commands. Waits for the running command.
    pub fn changer<T>(&self, call: impl FnOnce(&mut Changer) -> T) -> T {
        self.changer.with_device(|device| call(changer_of(device)))
    }

    /// Performs an operator action on the changer. Its changes are durable on return.
    ///
    /// # Errors
    /// Fails if the action is refused, its changes cannot be stored, or the site is shut down; with the code `busy` if the
    /// changer executes a command that takes long.
    pub fn operate<T>(&self, call: impl FnOnce(&mut Changer) -> Result<T, OperatorError>) -> Result<T, LibraryError> {
        self.check_has_robot()?;
        let _turn = self.changer.operator_turn()?;
        self.act(&Cause::operator(), call)
    }

    /// Whether this process serves the robot.
    pub(crate) fn has_robot(&self) -> bool {
        self.shared.drives.daemon().is_none()
    }

    /// Refuses what needs a robot if that is in another process.
    pub(crate) fn check_has_robot(&self) -> Result<(), ControlError> {
        if self.has_robot() {
            return Ok(());
        }
        let message =
            format!("the robot of library {:?} is served by the daemon that runs its site; ask that one", self.name);
        Err(ControlError::conflict(message).with_library(&self.name))
    }

    /// Performs an action on the changer. An operator's request has the turn of the changer already.
    fn act<T>(
        &self,
        cause: &Cause,
        call: impl FnOnce(&mut Changer) -> Result<T, OperatorError>,
    ) -> Result<T, LibraryError> {
        // Checked while the changer is locked: shutting down also locks it before it empties the drives.
        let ended = || self.shared.ended.load(Ordering::Acquire);
        let call = |changer: &mut Changer| {
            changer.follow_chassis();
            if ended() { None } else { Some(call(changer)) }
        };
        let (done, stored) = self.changer.with_saved_as(cause, |device| call(changer_of(device)));
        let done = done.ok_or_else(|| ControlError::unavailable("the site is shut down"))?;
        let done = done.map_err(|error| ControlError::new(operator_error_code(error), error.to_string()))?;
        stored?;
        Ok(done)
    }

    /// Does the same as [`Self::operate`], for an action on these elements: an error names them and their cartridges. An
    /// operator's request gets `busy` if one of them is a drive that executes a command which takes long.
    pub(crate) fn operate_at<T>(
        &self,
        cause: &Cause,
        from: Option<ElementAddress>,
        to: Option<ElementAddress>,
        call: impl FnOnce(&mut Changer) -> Result<T, OperatorError>,
    ) -> Result<T, LibraryError> {
        if cause.source != EventSource::Operator {
            return self.act_at(cause, from, to, call);
        }
        self.check_has_robot()?;
        let _turn = self.changer.operator_turn()?;
        self.act_with_drives(from, to, call)
    }

    /// Performs an operator's action on these elements, with the turns of the drives among them. The caller has the turn of
    /// the changer.
    fn act_with_drives<T>(
        &self,
        from: Option<ElementAddress>,
        to: Option<ElementAddress>,
        call: impl FnOnce(&mut Changer) -> Result<T, OperatorError>,
    ) -> Result<T, LibraryError> {
        let ends = [from, to.filter(|to| Some(*to) != from)].into_iter().flatten();
        let drives: Vec<Arc<Unit>> = ends.filter_map(|end| self.drive_at(end)).collect();
        let _turns = drives.iter().map(|drive| drive.robot_turn()).collect::<Result<Vec<_>, _>>()?;
        self.act_at(&Cause::operator(), from, to, call)
    }

    /// The logical unit of the drive at an element; `None` if it is not a drive, or another process serves it.
    pub(crate) fn drive_at(&self, address: ElementAddress) -> Option<Arc<Unit>> {
        let index = self.layout().drives.index(address)?;
        read(&self.drives).iter().find(|unit| unit.drive_index() == Some(index)).cloned()
    }

    /// Does the same as [`Self::act`]; an error names the elements and their cartridges.
    pub(crate) fn act_at<T>(
        &self,
        cause: &Cause,
        from: Option<ElementAddress>,
        to: Option<ElementAddress>,
        call: impl FnOnce(&mut Changer) -> Result<T, OperatorError>,
    ) -> Result<T, LibraryError> {
        let act =
            |changer: &mut Changer| Ok(call(changer).map_err(|error| self.operator_error(changer, error, from, to)));
        Ok(self.act(cause, act)??)
    }

    /// The state that all units of the site share.
    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// Moves a cartridge from the shelf into an import/export element, or into a slot through the open access door.
    ///
    /// # Errors
    /// Fails if there is no such cartridge on the shelf, or the element is locked or full.
    pub fn import(&self, address: ElementAddress, barcode: &Barcode) -> Result<(), LibraryError> {
        self.import_if(&Cause::operator(), address, barcode, |_| true)
    }

    /// Imports a cartridge if `wanted` still accepts its record.
    fn import_if(
        &self,
        cause: &Cause,
        address: ElementAddress,
        barcode: &Barcode,
        wanted: impl Fn(&CartridgeRecord) -> bool,
    ) -> Result<(), LibraryError> {
        // Two libraries may share a shelf: the reservation prevents that both import the same cartridge.
        let _reserved = self.shared.reservations.reserve_for(cause, barcode)?;
        let cartridge = self.shelf_cartridge(barcode, wanted)?;
        let put =
            |changer: &mut Changer| changer.import(address, cartridge, self.shared.now()).map_err(|(error, _)| error);
        self.operate_at(cause, None, Some(address), put)
    }

    /// Whether a cartridge on the shelf is to be imported automatically: not if it was exported from this library.
    pub(crate) fn is_pending_import(&self, entry: &CartridgeRecord) -> bool {
        entry.location == Location::Shelf(self.shelf.clone()) && entry.exported_from.as_deref() != Some(self.name())
    }

    /// Imports a cartridge by policy, unless it has been moved in the meantime.
    pub(crate) fn auto_import(&self, address: ElementAddress, barcode: &Barcode) -> Result<(), LibraryError> {
        self.import_if(&Cause::site(), address, barcode, |entry| self.is_pending_import(entry))
    }

    /// Puts a new cartridge from the shelf into a slot, without the steps of an import.
    pub(crate) fn populate_slot(&self, address: ElementAddress, barcode: &Barcode) -> Result<(), LibraryError> {
        let _reserved = self.shared.reservations.reserve(barcode);
        let blank = self.shared.inventory().get(barcode.as_str()).and_then(|entry| entry.blank);
        let cartridge = self.shelf_cartridge(barcode, |_| true)?;
        let put =
            |changer: &mut Changer| changer.populate(address, cartridge, self.shared.now()).map_err(|(error, _)| error);
        self.operate_at(&Cause::site(), None, Some(address), put)?;
        self.remember_new(address, barcode, blank);
        Ok(())
    }

    /// Stores whether a cartridge is blank that was created or read in this turn, if it is still in its element. The caller has
    /// reserved it.
    pub(crate) fn remember_new(&self, address: ElementAddress, barcode: &Barcode, blank: Option<bool>) {
        let location = self.shared.inventory().get(barcode.as_str()).map(|entry| entry.location.clone());
        if let Some(location) =
            location.filter(|location| location.element_in(&self.name).is_some_and(|(current, _)| current == address))
        {
            self.shared.remember_blank(barcode, &location, blank);
        }
    }

    /// The cartridge on the shelf, if `wanted` accepts its record. The caller has reserved it.
    fn shelf_cartridge(
        &self,
        barcode: &Barcode,
        wanted: impl Fn(&CartridgeRecord) -> bool,
    ) -> Result<Cartridge, LibraryError> {
        let entry = self.shared.inventory().get(barcode.as_str()).cloned();
        let matches = |entry: &CartridgeRecord| entry.location == Location::Shelf(self.shelf.clone()) && wanted(entry);
        let entry = entry.filter(matches).ok_or_else(|| {
            ControlError::not_found(format!("there is no cartridge {barcode} on the shelf {:?}", self.shelf))
                .with_barcode(barcode.as_str())
        })?;
        existing_cartridge(&self.shared, barcode, &entry)
    }

    /// Moves the cartridge in an import/export element, or in a slot behind the open access door, to the shelf.
    ///
    /// # Errors
    /// Fails if the element is locked or empty.
    pub fn export(&self, address: ElementAddress) -> Result<Barcode, LibraryError> {
        self.export_if(&Cause::operator(), address, |_| true)
    }

    /// Exports a cartridge by policy: only one that the robot, not an operator, has put into the element.
    pub(crate) fn auto_export(&self, address: ElementAddress) -> Result<Barcode, LibraryError> {
        self.export_if(&Cause::site(), address, |content| !content.by_operator)
    }

    /// Exports a cartridge, if it is still in the element.
    pub(crate) fn export_barcode(&self, address: ElementAddress, barcode: &Barcode) -> Result<Barcode, LibraryError> {
        self.export_if(&Cause::operator(), address, |content| content.barcode == *barcode)
    }

    fn export_if(
        &self,
        cause: &Cause,
        address: ElementAddress,
        wanted: impl Fn(&ElementContent) -> bool,
    ) -> Result<Barcode, LibraryError> {
        let take = |changer: &mut Changer| match changer.content(address) {
            Some(content) if !wanted(&content) => Err(OperatorError::Element(MoveError::SourceEmpty(address))),
            _ => changer.export(address, self.shared.now()),
        };
        Ok(self.operate_at(cause, Some(address), None, take)?.barcode().clone())
    }

    /// Moves a cartridge with the robot, as MOVE MEDIUM does. Returns at the end of the move
    /// ([`Changer::set_move_duration`]).
    ///
    /// # Errors
    /// Fails if the robot cannot move the cartridge; it stays in its source element. The code is `busy` if the changer or a
    /// drive executes a command that takes long, or another request uses the cartridge.
    pub fn move_medium(&self, source: ElementAddress, destination: ElementAddress) -> Result<(), LibraryError> {
        let turn = self.changer.operator_turn()?;
        self.move_in_turn(&turn, source, destination)
    }

    /// Moves a cartridge, and waits until the end of the move. `turn` is that of the changer.
    pub(crate) fn move_in_turn(
        &self,
        turn: &OperatorTurn<'_>,
        source: ElementAddress,
        destination: ElementAddress,
    ) -> Result<(), LibraryError> {
        self.check_has_robot()?;
        if self.layout().drives.index(destination).is_some()
            && let Some(content) = self.elements().content(source)
        {
            // The robot would wait for another request that uses the files of the cartridge.
            drop(self.shared.reservations.reserve_for(&Cause::operator(), &content.barcode)?);
        }
        let now = self.shared.now();
        let moved = |changer: &mut Changer| {
            let unload = changer.library().time_until_removal(source, now);
            changer.move_medium(source, destination, now)?;
            Ok(changer.reserve_robot(unload, changer.duration_of_move(source, destination), now))
        };
        let duration = self.act_with_drives(Some(source), Some(destination), moved)?;
        turn.wait_until(now.mono.saturating_add(duration));
        Ok(())
    }

    /// Moves a cartridge at once, as [`Self::move_medium`] does; waits for the commands that run.
    fn move_now(&self, cause: &Cause, source: ElementAddress, destination: ElementAddress) -> Result<(), LibraryError> {
        let moved = |changer: &mut Changer| changer.move_medium(source, destination, self.shared.now());
        self.act_at(cause, Some(source), Some(destination), moved)
    }
}

#[expect(clippy::panic, reason = "the unit was made of a changer")]
fn changer_of(device: &mut Device) -> &mut Changer {
    match device {
        Device::Changer(changer) => changer,
        Device::Drive(_) => panic!("the unit of a changer has a drive"),
    }
}
