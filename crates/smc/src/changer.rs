//! The medium changer as a device server: its commands, its TapeAlert flags and its counters.
#![deny(clippy::wildcard_enum_match_arm)]

use crate::command::{self, Command};
use crate::device::ChangerState;
use crate::element::ElementAddress;
use crate::library::{CartridgeLocation, Library, MoveCounts, MoveError};
use crate::profile::ChangerProfile;
use crate::robot::OperatorState;
use crate::table::COMMANDS;
use scsi_core::alert::AlertSet;
use scsi_core::asc::Asc;
use scsi_core::cdb::Cdb;
use scsi_core::command::{Context, DeviceCommand};
use scsi_core::command_spec::{CommandRow, CommandTable};
use scsi_core::data::Data;
use scsi_core::device_server::DeviceServer;
use scsi_core::fault::{Outcome, Save};
use scsi_core::identity::Identity;
use scsi_core::lifetime_counters::LifetimeCounters;
use scsi_core::lu::{self, Lu};
use scsi_core::mode::informational_exceptions_1c;
use scsi_core::target::{Request, TransportEvent};
use scsi_core::time::{Now, TimeMode};
use std::time::Duration;
use tape_store::cartridge::Barcode;

/// VERSION in standard INQUIRY data of a device that claims SCSI-2.
const SCSI_2: u8 = 2;

/// A medium changer: the device server of SMC-3 over a [`Library`].
pub struct Changer {
    pub(crate) lu: Lu,
    pub(crate) state: ChangerState,
}

/// The error of an operator action. The library is unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OperatorError {
    /// A host prevents medium removal, so the access door and the I/O station are locked.
    #[error("a host prevents removal")]
    Prevented,
    /// The element is a slot, and the access door, through which slots are reached, is closed.
    #[error("the access door is closed; open it to reach a slot")]
    AccessDoorClosed,
    /// The robot is offline, or the access door is open.
    #[error("the robot is offline or the access door is open")]
    NotReady,
    /// The changer is faulty after a panic, until it is set online ([`Changer::set_online`]).
    #[error("the changer is faulty after an internal error; set it online to use it again")]
    Faulty,
    /// The element or the move is refused: [`MoveError`] has the reason and the element.
    #[error(transparent)]
    Element(MoveError),
}

/// Changes that the owner of a changer has to save; see [`Changer::take_changes`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PendingChanges {
    /// Cartridges that were imported, exported or moved. `None`: the cartridge is no longer in the library.
    pub locations: Vec<(Barcode, Option<CartridgeLocation>)>,
    /// The operator state; `None` if it did not change.
    pub operator_state: Option<OperatorState>,
}

impl Changer {
    /// Creates a changer over `library`, in the state after power-on. `saved` is the saved SPC state: mode pages,
    /// reservations, identifying information and lifetime counters.
    #[must_use]
    pub fn new(
        profile: &'static ChangerProfile,
        identity: Identity,
        mut library: Library,
        saved: lu::SavedState,
    ) -> Self {
        // As hosts see it: the INQUIRY data of a unit can differ from that of its model.
        let version = profile.inquiry.render(&identity).get(2).copied();
        let mut lu = Lu::new(identity, profile.mode_pages, profile.check_order, saved);
        lu.claims_scsi_2 = version.is_some_and(|version| version <= SCSI_2);
        library.statistics = LifetimeCounters::new(lu.counters.clone());
        // The owner has the locations of the initial cartridges.
        library.take_dirty();
        let mut changer = Self { lu, state: ChangerState::new(profile, library) };
        changer.apply_mode_pages();
        changer
    }

    /// Returns the SPC state of the unit: identity, unit attentions, LUNs.
    pub const fn lu(&mut self) -> &mut Lu {
        &mut self.lu
    }

    /// Returns the elements and the cartridges in them.
    #[must_use]
    pub const fn library(&self) -> &Library {
        &self.state.library
    }

    /// Returns the elements for changes by the owner of the library. Raises no unit attention.
    pub const fn library_mut(&mut self) -> &mut Library {
        &mut self.state.library
    }

    /// Sets how long a move of the robot takes, by MOVE MEDIUM, EXCHANGE MEDIUM or an operator; zero by default. The
    /// cartridge is moved at once, and the end of the move is reported after this time.
    pub const fn set_move_duration(&mut self, duration: Duration) {
        self.state.move_duration = duration;
    }

    /// Returns how long a move of the robot takes, as [`Self::set_move_duration`] has set it. [`Self::move_medium`] moves the
    /// cartridge at once; its caller reports the end of the move after this time.
    #[must_use]
    pub const fn move_duration(&self) -> Duration {
        self.state.move_duration
    }

    /// Sets what the robot does with the time that hardware would take. [`TimeMode::Off`] by default.
    pub const fn set_time_mode(&mut self, mode: TimeMode) {
        self.state.time = mode;
    }

    /// Returns what the robot does with the time that hardware would take.
    #[must_use]
    pub const fn time_mode(&self) -> TimeMode {
        self.state.time
    }

    /// Returns how long a move between two elements has to wait: the duration of [`Self::set_move_duration`], or the modelled
    /// time if the robot waits for that and it is longer.
    #[must_use]
    pub fn duration_of_move(&self, source: ElementAddress, destination: ElementAddress) -> Duration {
        let modelled = self.state.library.move_time(source, destination);
        self.state.move_duration.max(self.state.time.wait(modelled))
    }

    /// Returns how long a move from an element of this partition to one of another partition has to wait, as
    /// [`Self::duration_of_move`]. `destination` is the address in the chassis
    /// ([`Partition::address_in_chassis`](crate::chassis::Partition::address_in_chassis)).
    #[must_use]
    pub fn duration_in_chassis(&self, source: ElementAddress, destination: ElementAddress) -> Duration {
        let modelled = self.state.library.move_time_in_chassis(source, destination);
        self.state.move_duration.max(self.state.time.wait(modelled))
    }

    /// Makes the robot busy for the duration of a motion that begins when a drive has unloaded its tape, after `unload`. Returns the
    /// time from now until its end. The robot of a chassis moves for one partition after the other, so that this can be longer than both.
    #[must_use]
    pub fn reserve_robot(&self, unload: Duration, motion: Duration, now: Now) -> Duration {
        self.state.library.reserve_robot(now.mono, unload, motion)
    }

    /// Returns the time that hardware would have taken for the motions of the robot since power-on, by hosts and operators; zero while
    /// the time mode was [`TimeMode::Off`].
    #[must_use]
    pub const fn modelled_time(&self) -> Duration {
        self.state.modelled
    }

    /// Returns the number of moves since power-on, by hosts and operators.
    #[must_use]
    pub const fn move_counts(&self) -> MoveCounts {
        self.state.moves
    }

    /// Returns the last move that a fault of the robot or of a drive has ended since the last call.
    pub const fn take_failed_move(&mut self) -> Option<MoveError> {
        self.state.failed_move.take()
    }

    /// Returns the raised TapeAlert flags, including flags that a nexus has read.
    #[must_use]
    pub const fn alerts(&self) -> AlertSet {
        self.state.alerts.raised_flags()
    }

    /// Returns the changes since the last call, for the owner to save.
    pub fn take_changes(&mut self) -> PendingChanges {
        let changed = std::mem::take(&mut self.state.operator_state_changed);
        let operator_state = changed.then(|| self.state.library.operator_state.clone());
        PendingChanges { locations: self.state.library.take_dirty(), operator_state }
    }

    /// Takes over what hosts and operators of other partitions have done with the I/O station of the chassis. Each command does it
    /// first; the owner of the library does it before an action of an operator.
    pub fn follow_chassis(&mut self) {
        let Self { lu, state } = self;
        if state.follow_io_station(lu) {
            self.update_alerts_and_counters();
        }
    }

    /// Tells the other partitions of the chassis whether a host of this one prevents medium removal.
    fn update_prevention(&self) {
        if let Some(partition) = self.state.library.partition() {
            partition.set_preventing(self.lu.removal_prevented());
        }
    }

    /// Reports new TapeAlert flags as mode page 1Ch selects, and saves changed statistics.
    pub(crate) fn update_alerts_and_counters(&mut self) {
        let Self { lu, state } = self;
        state.exceptions.check_alerts(&mut state.alerts, &mut lu.attentions);
        if state.library.statistics.take_changed() {
            lu.counters = state.library.statistics.clone().into_counters();
            lu.request_save(Save::COUNTERS);
        }
    }

    fn apply_mode_pages(&mut self) {
        let Self { lu, state } = self;
        let page = lu.mode.current(informational_exceptions_1c::ID);
        state.exceptions.apply_mode_page(page);
        if let Some(test) = informational_exceptions_1c::test(page) {
            lu.mode.set_bits(informational_exceptions_1c::ID, 2, informational_exceptions_1c::TEST, false);
            state.exceptions.run_test(test, &mut state.alerts, &mut lu.attentions);
        }
    }

    /// Gives the state that a hard reset affects its values after power-on, apart from the SPC state.
    fn reset_device_state(&mut self) {
        self.state.searches.clear();
        self.state.exceptions.reset();
        self.apply_mode_pages();
        self.update_prevention();
    }

    /// Makes the changer faulty after a panic ([`Lu::set_faulty`]), and gives its state the values after power-on, with the
    /// SPC state and the operator state from what was saved. [`Self::set_online`] ends the faulty state. The cartridges stay
    /// where they are; see [`Library::restore_locations`].
    pub fn fail_after_panic(&mut self, saved: lu::SavedState, operator_state: OperatorState) {
        self.lu.set_faulty();
        self.state.library.operator_state = operator_state;
        self.state.operator_state_changed = false;
        self.lu.restore(saved);
        self.reset_device_state();
    }

    /// Loses the power and gets it back: its state has the values after power-on, with the SPC state from `saved`. Doors and
    /// cartridges stay as they are. Raises UNIT ATTENTION 29h/00h for every nexus.
    pub fn lose_power(&mut self, saved: lu::SavedState) {
        self.lu.restore(saved);
        self.reset_device_state();
        self.lu.attentions.raise_all(Asc::POWER_ON_RESET_OR_BUS_DEVICE_RESET_OCCURRED);
    }

    /// Returns the location of every cartridge, ascending by barcode.
    #[must_use]
    pub fn locations(&self) -> Vec<CartridgeLocation> {
        self.state.library.locations()
    }

    /// Returns the reported properties of the cartridge in an element; `None` if it is empty or does not exist.
    #[must_use]
    pub fn content(&self, address: ElementAddress) -> Option<crate::element::ElementContent> {
        self.state.library.content(address)
    }
}

impl DeviceServer for Changer {
    type Command = Command;
    const COMMANDS: CommandTable<DeviceCommand<Command>> = COMMANDS;

    fn lu(&mut self) -> &mut Lu {
        &mut self.lu
    }

    fn unsupported_commands(&self) -> &'static [&'static str] {
        self.state.profile.unsupported_commands
    }

    fn advance(&mut self, _now: Now) {
        self.follow_chassis();
    }

    fn run(
        &mut self,
        row: &'static CommandRow<DeviceCommand<Command>>,
        request: &Request<'_>,
        cdb: &Cdb,
        data: &mut Data<'_, '_>,
    ) -> Outcome {
        let Self { lu, state } = self;
        let mut cx = Context { lu, device: state, request, cdb, data };
        let outcome = match row.command {
            DeviceCommand::Spc(command) => {
                let outcome = cx.run_spc(command);
                if outcome.is_ok() {
                    self.apply_mode_pages();
                }
                outcome
            }
            DeviceCommand::Own(command) => {
                if command.needs_robot(cdb)
                    && let Some(sense) = cx.device.not_ready()
                {
                    return Err(sense.into());
                }
                command::run(command, &mut cx)
            }
        };
        self.update_prevention();
        self.update_alerts_and_counters();
        outcome
    }

    fn report_exceptions(&mut self) -> Outcome {
        self.state.exceptions.report_after_success()
    }

    fn set_time_factor(&mut self, thousandths: u32) {
        self.state.time_thousandths = thousandths;
    }

    fn raise_alert(&mut self, flag: u8) {
        Self::raise_alert(self, crate::alert::Alert(flag));
    }

    fn apply_event(&mut self, event: TransportEvent, _now: Now) {
        match event {
            TransportEvent::NexusLost(nexus) => {
                self.state.searches.remove(&nexus);
                self.state.alerts.remove_nexus(nexus);
            }
            TransportEvent::UnitReset | TransportEvent::TargetReset => self.reset_device_state(),
            TransportEvent::NexusEstablished { .. } | TransportEvent::TaskSetCleared(_) => {}
        }
        self.update_prevention();
    }

    fn data_out_length(&self, command: Command, cdb: &Cdb) -> usize {
        if command == Command::SendVolumeTag { command::volume_tag::list_length(cdb) } else { 0 }
    }
}

#[cfg(test)]
mod tests;
