//! The changer as a logical unit: the checks of SPC, then one arm per command.
#![deny(clippy::wildcard_enum_match_arm)]

use crate::command::{self, Command};
use crate::device::ChangerState;
use crate::element::ElementAddress;
use crate::library::{CartridgeLocation, Library, MoveError};
use crate::profile::ChangerProfile;
use crate::robot::OperatorState;
use crate::table::COMMANDS;
use scsi_core::alert::AlertSet;
use scsi_core::asc::Asc;
use scsi_core::cdb::Cdb;
use scsi_core::command_spec::{AttentionPolicy, CommandRow};
use scsi_core::data::Data;
use scsi_core::fault::{Completion, Outcome, Save};
use scsi_core::identity::Identity;
use scsi_core::lifetime_counters::LifetimeCounters;
use scsi_core::lu::{self, Lu};
use scsi_core::mode::informational_exceptions_1c;
use scsi_core::sense::Sense;
use scsi_core::target::{LogicalUnit, Request, TransportEvent};
use scsi_core::time::Now;
use std::fmt;
use tape_store::cartridge::Barcode;

/// VERSION of a device that claims SCSI-2.
const SCSI_2: u8 = 2;

/// A medium changer.
pub struct Changer {
    pub(crate) lu: Lu,
    pub(crate) state: ChangerState,
}

/// Why an operator cannot do something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OperatorError {
    /// A host prevents removal, so doors are locked.
    Prevented,
    /// A slot is reached through the access door, and that is closed.
    AccessDoorClosed,
    /// The robot is off line, or the access door open.
    NotReady,
    /// The element is none that an operator reaches, full, or empty.
    Element(MoveError),
}

impl fmt::Display for OperatorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Prevented => f.write_str("a host prevents removal"),
            Self::AccessDoorClosed => f.write_str("slots are reached through the access door, and that is closed"),
            Self::NotReady => f.write_str("the robot is off line or the access door open"),
            Self::Element(error) => error.fmt(f),
        }
    }
}

/// What the owner of a changer keeps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PendingChanges {
    /// Cartridges that came, went or moved; without a place they are outside.
    pub locations: Vec<(Barcode, Option<CartridgeLocation>)>,
    /// What operators have set, if that changed.
    pub operator_state: Option<OperatorState>,
}

impl Changer {
    /// A changer over this library, after power on.
    #[must_use]
    pub fn new(
        profile: &'static ChangerProfile,
        identity: Identity,
        mut library: Library,
        saved: lu::SavedState,
    ) -> Self {
        let mut lu = Lu::new(identity, profile.mode_pages, profile.check_order, saved);
        lu.claims_scsi_2 = profile.inquiry.version <= SCSI_2;
        library.statistics = LifetimeCounters::new(lu.counters.clone());
        // What it was filled with is where its owner has it.
        library.take_dirty();
        let mut changer = Self { lu, state: ChangerState::new(profile, library) };
        changer.apply_mode_pages();
        changer
    }

    /// Its SPC state: identity, unit attentions, LUNs.
    pub const fn lu(&mut self) -> &mut Lu {
        &mut self.lu
    }

    /// Its elements and what is in them.
    #[must_use]
    pub const fn library(&self) -> &Library {
        &self.state.library
    }

    /// The elements, for who owns the library and changes it.
    pub const fn library_mut(&mut self) -> &mut Library {
        &mut self.state.library
    }

    /// TapeAlert flags, whoever has read them.
    #[must_use]
    pub const fn alerts(&self) -> AlertSet {
        self.state.alerts.raised_flags()
    }

    /// What is to be kept since this was last asked.
    pub fn take_changes(&mut self) -> PendingChanges {
        let changed = std::mem::take(&mut self.state.operator_state_changed);
        let condition = changed.then(|| self.state.library.operator_state.clone());
        PendingChanges { locations: self.state.library.take_dirty(), operator_state: condition }
    }

    /// The row of a command, if this model has it.
    fn find(&self, cdb: &Cdb) -> Result<&'static CommandRow<Command>, Sense> {
        let row = COMMANDS.find(cdb)?;
        if self.state.profile.lacks_command(&row.spec) {
            return Err(Sense::illegal_request(Asc::INVALID_COMMAND_OPERATION_CODE));
        }
        Ok(row)
    }

    fn run(&mut self, request: &Request<'_>, cdb: &Cdb, data: &mut Data<'_, '_>) -> Outcome {
        let found = self.find(cdb);
        self.lu.admit(request, cdb, found.as_ref().map(|row| &row.spec))?;
        let row = found?;
        if row.command.needs_robot(cdb)
            && let Some(sense) = self.state.not_ready()
        {
            return Err(sense.into());
        }
        let outcome = self.dispatch(row.command, cdb, request, data);
        self.update_alerts_and_counters();
        match outcome {
            Ok(()) if row.spec.attention == AttentionPolicy::Report => self.state.exceptions.report_after_success(),
            other => other,
        }
    }

    fn dispatch(&mut self, run: Command, cdb: &Cdb, request: &Request<'_>, data: &mut Data<'_, '_>) -> Outcome {
        let Self { lu, state } = self;
        match run {
            Command::Spc(run) => {
                lu.run(run, cdb, request, state, data)?;
                self.apply_mode_pages();
                Ok(())
            }
            Command::TestUnitReady => Ok(()),
            Command::InitializeElementStatus => command::initialize::all(state),
            Command::InitializeRange => command::initialize::range(state, cdb),
            Command::OpenCloseImportExport => command::import_export::run(state, lu, cdb),
            Command::PositionToElement => command::position::run(state, cdb),
            // Saved also after a failure: it may have left a cartridge elsewhere.
            Command::MoveMedium => {
                lu.request_save(Save::INVENTORY);
                command::move_medium::run(state, lu, cdb, request)
            }
            Command::ExchangeMedium => {
                lu.request_save(Save::INVENTORY);
                command::exchange::run(state, lu, cdb, request)
            }
            Command::ReadElementStatus => command::element_status::run(state, cdb, &mut data.data_in),
            Command::ReportElementInformation => command::element_information::run(state, cdb, data),
            Command::SendVolumeTag => command::volume_tag::send(state, cdb, request.nexus, data),
            Command::RequestVolumeElementAddress => command::volume_tag::request(state, cdb, request.nexus, data),
        }
    }

    /// What follows from what was done: flags are told of, and counters kept.
    pub(crate) fn update_alerts_and_counters(&mut self) {
        let Self { lu, state } = self;
        state.exceptions.check_alerts(&mut state.alerts, &mut lu.attentions);
        if state.library.statistics.take_changed() {
            lu.counters = state.library.statistics.clone().into_counters();
            lu.request_save(Save::UNIT);
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

    /// What is where.
    #[must_use]
    pub fn locations(&self) -> Vec<CartridgeLocation> {
        self.state.library.locations()
    }

    /// What an element holds.
    #[must_use]
    pub fn content(&self, address: ElementAddress) -> Option<crate::element::ElementContent> {
        self.state.library.content(address)
    }
}

impl LogicalUnit for Changer {
    fn execute(&mut self, request: &Request<'_>, mut data: Data<'_, '_>) -> Completion {
        let cdb = Cdb::new(request.cdb);
        let outcome = self.run(request, &cdb, &mut data);
        let completion = self.lu.complete(outcome, &data);
        tracing::trace!(opcode = ?cdb.opcode(), nexus = request.nexus.0, status = ?completion.status, sense = ?completion.sense);
        completion
    }

    fn handle_event(&mut self, event: TransportEvent, now: Now) {
        self.lu.handle_event(&event, now);
        match event {
            TransportEvent::NexusLost(nexus) => {
                self.state.searches.remove(&nexus);
                self.state.alerts.remove_nexus(nexus);
            }
            TransportEvent::UnitReset | TransportEvent::TargetReset => {
                self.state.searches.clear();
                self.state.exceptions.reset();
                self.apply_mode_pages();
            }
            TransportEvent::NexusEstablished { .. } | TransportEvent::TaskSetCleared(_) => {}
        }
    }

    fn expected_data_out(&self, cdb: &[u8]) -> usize {
        let cdb = Cdb::new(cdb);
        match COMMANDS.find(&cdb).map(|row| row.command) {
            Ok(Command::Spc(command)) => scsi_core::command::expected_data_out(command, &cdb),
            Ok(Command::SendVolumeTag) => command::volume_tag::list_length(&cdb),
            Ok(_) | Err(_) => 0,
        }
    }
}

#[cfg(test)]
mod tests;
