//! The changer as a logical unit: the checks of SPC, then one arm per command.
#![deny(clippy::wildcard_enum_match_arm)]

use crate::command::{self, Command};
use crate::device::State;
use crate::element::Address;
use crate::library::{Library, MoveError, Place};
use crate::profile::ChangerProfile;
use crate::robot::Condition;
use crate::table::COMMANDS;
use scsi_core::alert::Alerts;
use scsi_core::asc::Asc;
use scsi_core::cdb::Cdb;
use scsi_core::data::Data;
use scsi_core::fault::{Completion, Outcome, Save};
use scsi_core::identity::Identity;
use scsi_core::lifetime::Lifetime;
use scsi_core::lu::{self, Lu};
use scsi_core::mode::exceptions_1c;
use scsi_core::sense::Sense;
use scsi_core::spec::{Attention, Row};
use scsi_core::target::{Event, LogicalUnit, Request};
use scsi_core::time::Now;
use std::fmt;
use tape_store::cartridge::Barcode;

/// VERSION of a device that claims SCSI-2.
const SCSI_2: u8 = 2;

/// A medium changer.
pub struct Changer {
    pub(crate) lu: Lu,
    pub(crate) state: State,
}

/// Why an operator cannot do something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DoorError {
    /// A host prevents removal, so doors are locked.
    Prevented,
    /// A slot is reached through the access door, and that is closed.
    Closed,
    /// The robot is off line, or the access door open.
    NotReady,
    /// The element is none that an operator reaches, full, or empty.
    Element(MoveError),
}

impl fmt::Display for DoorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Prevented => f.write_str("a host prevents removal"),
            Self::Closed => f.write_str("slots are reached through the access door, and that is closed"),
            Self::NotReady => f.write_str("the robot is off line or the access door open"),
            Self::Element(error) => error.fmt(f),
        }
    }
}

/// What the owner of a changer keeps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Cartridges that came, went or moved; without a place they are outside.
    pub places: Vec<(Barcode, Option<Place>)>,
    /// What operators have set, if that changed.
    pub condition: Option<Condition>,
}

impl Changer {
    /// A changer over this library, after power on.
    #[must_use]
    pub fn new(profile: &'static ChangerProfile, identity: Identity, mut library: Library, saved: lu::Saved) -> Self {
        let mut lu = Lu::new(identity, profile.mode_pages, profile.order, saved);
        lu.scsi_2 = profile.inquiry.version <= SCSI_2;
        library.statistics = Lifetime::new(lu.counters.clone());
        // What it was filled with is where its owner has it.
        library.take_touched();
        let mut changer = Self { lu, state: State::new(profile, library) };
        changer.follow_mode_pages();
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
    pub const fn alerts(&self) -> Alerts {
        self.state.alerts.all()
    }

    /// What is to be kept since this was last asked.
    pub fn take_changes(&mut self) -> Changes {
        let changed = std::mem::take(&mut self.state.condition_changed);
        let condition = changed.then(|| self.state.library.condition.clone());
        Changes { places: self.state.library.take_touched(), condition }
    }

    /// The row of a command, if this model has it.
    fn find(&self, cdb: &Cdb) -> Result<&'static Row<Command>, Sense> {
        let row = COMMANDS.find(cdb)?;
        if self.state.profile.lacks(&row.spec) {
            return Err(Sense::illegal(Asc::INVALID_COMMAND_OPERATION_CODE));
        }
        Ok(row)
    }

    fn run(&mut self, request: &Request<'_>, cdb: &Cdb, data: &mut Data<'_, '_>) -> Outcome {
        let found = self.find(cdb);
        self.lu.admit(request, cdb, found.as_ref().map(|row| &row.spec))?;
        let row = found?;
        if row.run.needs_robot(cdb)
            && let Some(sense) = self.state.not_ready()
        {
            return Err(sense.into());
        }
        let outcome = self.dispatch(row.run, cdb, request, data);
        self.settle();
        match outcome {
            Ok(()) if row.spec.attention == Attention::Report => self.state.exceptions.report(),
            other => other,
        }
    }

    fn dispatch(&mut self, run: Command, cdb: &Cdb, request: &Request<'_>, data: &mut Data<'_, '_>) -> Outcome {
        let Self { lu, state } = self;
        match run {
            Command::Spc(run) => {
                lu.run(run, cdb, request, state, data)?;
                self.follow_mode_pages();
                Ok(())
            }
            Command::TestUnitReady => Ok(()),
            Command::InitializeElementStatus => command::initialize::all(state),
            Command::InitializeRange => command::initialize::range(state, cdb),
            Command::OpenCloseImportExport => command::import_export::run(state, lu, cdb),
            Command::PositionToElement => command::position::run(state, cdb),
            // Saved also after a failure: it may have left a cartridge elsewhere.
            Command::MoveMedium => {
                lu.save(Save::INVENTORY);
                command::move_medium::run(state, lu, cdb, request)
            }
            Command::ExchangeMedium => {
                lu.save(Save::INVENTORY);
                command::exchange::run(state, lu, cdb, request)
            }
            Command::ReadElementStatus => command::element_status::run(state, cdb, &mut data.room),
            Command::ReportElementInformation => command::element_information::run(state, cdb, data),
            Command::SendVolumeTag => command::volume_tag::send(state, cdb, request.nexus, data),
            Command::RequestVolumeElementAddress => command::volume_tag::request(state, cdb, request.nexus, data),
        }
    }

    /// What follows from what was done: flags are told of, and counters kept.
    pub(crate) fn settle(&mut self) {
        let Self { lu, state } = self;
        state.exceptions.note(&mut state.alerts, &mut lu.attention);
        if state.library.statistics.take_changed() {
            lu.counters = state.library.statistics.clone().into_counters();
            lu.save(Save::UNIT);
        }
    }

    fn follow_mode_pages(&mut self) {
        let Self { lu, state } = self;
        let page = lu.mode.current(exceptions_1c::ID);
        state.exceptions.follow(page);
        if let Some(test) = exceptions_1c::test(page) {
            lu.mode.put(exceptions_1c::ID, 2, exceptions_1c::TEST, false);
            state.exceptions.test(test, &mut state.alerts, &mut lu.attention);
        }
    }

    /// What is where.
    #[must_use]
    pub fn places(&self) -> Vec<Place> {
        self.state.library.places()
    }

    /// What an element holds.
    #[must_use]
    pub fn content(&self, address: Address) -> Option<crate::element::Content> {
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

    fn event(&mut self, event: Event, now: Now) {
        self.lu.event(&event, now);
        match event {
            Event::NexusLost(nexus) => {
                self.state.searches.remove(&nexus);
                self.state.alerts.forget(nexus);
            }
            Event::UnitReset | Event::TargetReset => {
                self.state.searches.clear();
                self.state.exceptions.reset();
                self.follow_mode_pages();
            }
            Event::NexusUp { .. } | Event::TaskSetCleared(_) => {}
        }
    }

    fn expected_data_out(&self, cdb: &[u8]) -> usize {
        let cdb = Cdb::new(cdb);
        match COMMANDS.find(&cdb).map(|row| row.run) {
            Ok(Command::Spc(command)) => scsi_core::command::expected_data_out(command, &cdb),
            Ok(Command::SendVolumeTag) => command::volume_tag::list_length(&cdb),
            Ok(_) | Err(_) => 0,
        }
    }
}

#[cfg(test)]
mod tests;
