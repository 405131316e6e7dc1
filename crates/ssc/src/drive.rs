//! The drive as a logical unit: the checks of SPC, then one arm per command.
#![deny(clippy::wildcard_enum_match_arm)]

use crate::alert::Alerts;
use crate::command::{self, Command};
use crate::device::State;
use crate::load::Load;
use crate::profile::DriveProfile;
use crate::table::COMMANDS;
use scsi_core::asc::Asc;
use scsi_core::cdb::Cdb;
use scsi_core::command::SpcCommand;
use scsi_core::data::Data;
use scsi_core::fault::{Completion, Fault, Outcome};
use scsi_core::identity::Identity;
use scsi_core::lu::{self, Lu};
use scsi_core::nexus::NexusId;
use scsi_core::target::{Event, LogicalUnit, Request};
use scsi_core::time::Now;
use std::sync::Arc;
use tape_store::cartridge::{Cartridge, Refused, WhyNot};
use tape_store::medium::Codec;
use tape_store::workers::Workers;

/// What an owner may choose of a drive.
#[derive(Clone, Copy, Debug)]
pub struct DriveConfig {
    /// How blocks are stored while data compression is enabled.
    pub codec: Codec,
}

impl Default for DriveConfig {
    fn default() -> Self {
        Self { codec: Codec::zstd(1) }
    }
}

/// No command takes more than this from an initiator; one that asks for more is refused when it runs.
const LONGEST_TRANSFER: usize = 16 << 20;

/// A tape drive.
pub struct Drive {
    lu: Lu,
    state: State,
}

/// Where a cartridge in a drive stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Threaded {
    /// The tape is threaded.
    Yes,
    /// It is inside, but not threaded.
    No,
    /// It waits to be taken.
    Ejected,
}

impl Drive {
    /// Has blocks packed by these workers, from the next load on.
    pub fn employ(&mut self, workers: Arc<dyn Workers>) {
        self.state.workers = Some(workers);
    }

    /// An empty drive after power on.
    #[must_use]
    pub fn new(profile: &'static DriveProfile, identity: Identity, config: DriveConfig, saved: lu::Saved) -> Self {
        let lu = Lu::new(identity, profile.mode_pages, profile.order, saved);
        let mut drive = Self { lu, state: State::new(profile, config) };
        drive.follow_mode_pages();
        drive
    }

    /// Its SPC state: identity, unit attentions, LUNs.
    pub const fn lu(&mut self) -> &mut Lu {
        &mut self.lu
    }

    /// TapeAlert flags.
    #[must_use]
    pub const fn alerts(&self) -> Alerts {
        self.state.alerts
    }

    /// The cartridge inside, and what has become of it.
    #[must_use]
    pub const fn loaded(&self) -> Option<(&Cartridge, Threaded)> {
        match &self.state.load {
            Load::Empty => None,
            Load::Ejected(cartridge) => Some((cartridge, Threaded::Ejected)),
            Load::Unusable(cartridge, _) => Some((cartridge, Threaded::No)),
            Load::Mounted(mounted) => Some((&mounted.cartridge, Threaded::Yes)),
        }
    }

    /// A robot or a person puts a cartridge in: it is threaded, and every nexus hears 28/00.
    ///
    /// # Errors
    /// There is one already; the cartridge comes back.
    pub fn insert(&mut self, cartridge: Cartridge) -> Result<(), Box<Refused>> {
        if !self.state.is_empty() {
            return Err(Box::new(Refused { cartridge, why: "the drive is full" }));
        }
        self.lu.mode.restore(crate::mode::partition_11::ID);
        self.state.mount(cartridge, &self.name());
        if matches!(self.state.load, Load::Mounted(_)) {
            self.lu.attention.raise_all(Asc::NOT_READY_TO_READY_CHANGE_MEDIUM_MAY_HAVE_CHANGED);
        }
        Ok(())
    }

    /// A robot or a person takes the cartridge out, unloading it first where a host has not.
    ///
    /// # Errors
    /// There is none, or removal is prevented.
    pub fn remove(&mut self) -> Result<Cartridge, WhyNot> {
        let ejected = matches!(self.state.load, Load::Ejected(_));
        if self.lu.removal_prevented() && !ejected && !self.state.is_empty() {
            return Err(WhyNot::Prevented);
        }
        let writer = if let Load::Mounted(mounted) = &self.state.load { mounted.writer } else { None };
        let (cartridge, result) = self.state.unmount().ok_or(WhyNot::Empty)?;
        self.state.forget_keys(&mut self.lu);
        if let (Err(error), Some(writer)) = (result, writer) {
            self.lu.defer(writer, crate::fault::sense(&error, crate::fault::Doing::Writing));
        }
        self.state.alerts.medium_removed();
        Ok(cartridge)
    }

    /// The process is about to end: everything durable, whatever hosts prevent.
    ///
    /// # Errors
    /// The store failed; the text says how.
    pub fn shut_down(&mut self) -> Result<Option<Cartridge>, String> {
        match self.state.unmount() {
            None => Ok(None),
            Some((cartridge, Ok(()))) => Ok(Some(cartridge)),
            Some((cartridge, Err(error))) => Err(format!("{}: {error}", cartridge.barcode())),
        }
    }

    fn name(&self) -> String {
        let identity = &self.lu.identity;
        format!("{:<8}{}", identity.model.vendor, identity.serial)
    }

    fn run(&mut self, request: &Request<'_>, cdb: &Cdb, data: &mut Data<'_, '_>) -> Outcome {
        let found = COMMANDS.find(cdb);
        let admitted = found.as_ref().map(|row| &row.spec);
        self.lu.admit(request, cdb, admitted)?;
        let row = found?;
        let Self { lu, state } = self;
        if let Load::Mounted(mounted) = &mut state.load
            && matches!(row.run, Command::Spc(SpcCommand::LogSense) | Command::ReadAttribute)
        {
            mounted.settle();
        }
        let outcome = match row.run {
            Command::Spc(run) => lu.run(run, cdb, request, state, data),
            Command::TestUnitReady => state.ready().map(|_| ()),
            Command::Rewind => command::rewind::run(state),
            Command::ReadBlockLimits => command::limits::run(state, cdb, data),
            Command::Read => command::read::run(state, cdb, request, data),
            Command::Write => command::write::run(state, cdb, request, data),
            Command::WriteFilemarks => command::filemarks::run(state, cdb, request),
            Command::Space => command::space::run(state, cdb),
            Command::Locate => command::locate::run(state, cdb),
            Command::ReadPosition => command::position::run(state, cdb, data),
            Command::Erase => command::erase::run(state),
            Command::LoadUnload => command::load_unload::run(lu, state, cdb, request),
            Command::ReportDensity => command::density::run(state, cdb, data),
            Command::ReadAttribute => command::read_attribute::run(state, cdb, data),
            Command::WriteAttribute => command::write_attribute::run(state, cdb, data),
            Command::FormatMedium => command::format_medium::run(lu, state, cdb),
            Command::Verify => command::verify::run(state, cdb, request, data),
            Command::ReadMediaSerial => command::media_serial::run(state, cdb, data),
            Command::SecurityIn => command::security_in::run(state, cdb, request, data),
            Command::SecurityOut => command::security_out::run(lu, state, cdb, request, data),
        };
        if row.run == Command::Spc(SpcCommand::ModeSelect) {
            self.follow_mode_pages();
        }
        let told = matches!(&outcome, Err(Fault::Check(sense)) if sense.deferred).then_some(request.nexus);
        self.note_lost(told);
        outcome
    }

    /// Settings that live in mode pages are read from there.
    fn follow_mode_pages(&mut self) {
        let page = self.lu.mode.current(crate::mode::compression_0f::ID);
        self.state.compress = crate::mode::compression_0f::enabled(page);
    }

    /// Data that was accepted and then lost is a deferred error of who wrote it, unless that is who was just told.
    fn note_lost(&mut self, told: Option<NexusId>) {
        let Load::Mounted(mounted) = &mut self.state.load else { return };
        let Some(lost) = mounted.medium.take_deferred() else { return };
        mounted.write_failed = true;
        self.state.alerts.raise(crate::alert::Alert::WRITE_FAILURE);
        if let Some(writer) = mounted.writer.filter(|writer| Some(*writer) != told) {
            self.lu.defer(writer, crate::fault::sense(&lost.cause, crate::fault::Doing::Writing));
        }
    }
}

impl LogicalUnit for Drive {
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
            Event::NexusUp { nexus, returning, .. } => {
                if !returning && matches!(self.state.load, Load::Mounted(_)) {
                    self.lu.attention.raise(nexus, Asc::NOT_READY_TO_READY_CHANGE_MEDIUM_MAY_HAVE_CHANGED);
                }
            }
            Event::UnitReset | Event::TargetReset => {
                self.state.block_length = 0;
                self.state.buffered_mode = 1;
                self.state.encryption.clear();
                self.follow_mode_pages();
            }
            Event::NexusLost(nexus) => self.state.encryption.forget(nexus),
            Event::TaskSetCleared(_) => {}
        }
    }

    fn expected_data_out(&self, cdb: &[u8]) -> usize {
        let cdb = Cdb::new(cdb);
        match COMMANDS.find(&cdb).map(|row| row.run) {
            Ok(Command::Spc(command)) => scsi_core::command::expected_data_out(command, &cdb).min(LONGEST_TRANSFER),
            Ok(Command::Write) => command::write::bytes(&cdb, self.state.block_length).min(LONGEST_TRANSFER),
            Ok(Command::Verify) => command::verify::bytes(&cdb, self.state.block_length).min(LONGEST_TRANSFER),
            Ok(Command::SecurityOut) => command::security_out::list_length(&cdb).min(LONGEST_TRANSFER),
            Ok(Command::WriteAttribute) => command::write_attribute::list_length(&cdb).min(LONGEST_TRANSFER),
            Ok(_) | Err(_) => 0,
        }
    }
}

#[cfg(test)]
mod encryption_tests;
#[cfg(test)]
mod tests;
