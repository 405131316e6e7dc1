//! The drive as a logical unit: the checks of SPC, then one arm per command.
#![deny(clippy::wildcard_enum_match_arm)]

use crate::alert::{self, Alert};
use crate::command::{self, Command};
use crate::device::{Settings, State};
use crate::lifetime;
use crate::load::Load;
pub use crate::load::MediumFault;
use crate::log::When;
use crate::mode::{compression_0f, config_extension_1001, protection_0af0};
use crate::operation;
use crate::profile::DriveProfile;
use crate::table::COMMANDS;
use crate::timing::Delays;
use scsi_core::alert::Alerts;
use scsi_core::asc::Asc;
use scsi_core::cdb::Cdb;
use scsi_core::command::SpcCommand;
use scsi_core::data::Data;
use scsi_core::fault::{Completion, Fault, Outcome, Save};
use scsi_core::identity::Identity;
use scsi_core::lifetime::Lifetime;
use scsi_core::lu::{self, Lu};
use scsi_core::mode::exceptions_1c;
use scsi_core::nexus::{NexusId, TransportId};
use scsi_core::sense::{Sense, SenseKey};
use scsi_core::spec::{Attention, Row};
use scsi_core::target::{Event, LogicalUnit, Request};
use scsi_core::time::{Instant, Now, Timestamp};
use std::sync::Arc;
use tape_store::cartridge::{Cartridge, Refused, WhyNot};
use tape_store::error::StoreError;
use tape_store::mam::AttrId;
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
        drive.state.serial.clone_from(&drive.lu.identity.serial);
        drive.state.lifetime = Lifetime::new(drive.lu.counters.clone());
        drive.state.lifetime.add(lifetime::POWER_CYCLES, 1);
        drive.follow_mode_pages(None);
        drive
    }

    /// Its SPC state: identity, unit attentions, LUNs.
    pub const fn lu(&mut self) -> &mut Lu {
        &mut self.lu
    }

    /// TapeAlert flags, whoever has read them.
    #[must_use]
    pub const fn alerts(&self) -> Alerts {
        self.state.alerts.all()
    }

    /// Raises a TapeAlert flag, as if its cause had come about.
    pub fn raise_alert(&mut self, alert: Alert) {
        self.state.alerts.raise(alert);
    }

    /// Lowers a TapeAlert flag, as if its cause were gone.
    pub fn lower_alert(&mut self, alert: Alert) {
        self.state.alerts.lower(alert);
    }

    /// Takes the drive off line (2/04/12 to every command of a tape), or brings it back.
    pub const fn set_online(&mut self, online: bool) {
        self.state.offline = !online;
    }

    /// Whether an operation goes on after its command was answered.
    #[must_use]
    pub const fn is_working(&self) -> bool {
        self.state.operation.is_some()
    }

    /// Takes an operation that goes on after its command was answered one step further; says whether it goes on still.
    pub fn work(&mut self) -> bool {
        self.step(operation::LONG);
        self.is_working()
    }

    fn step(&mut self, bytes: u64) {
        if let Some((operation, sense)) = self.state.step(bytes) {
            let outcome = Err(Fault::from(sense.clone()));
            command::read::note_outcome(&mut self.state, operation.nexus, &outcome);
            self.note_error(&operation.cdb, self.state.latest.wall, &outcome);
            if failure(&outcome).is_some() {
                self.lu.dump_after_error(&self.state);
            }
            self.lu.defer(operation.nexus, sense);
        }
    }

    /// The cartridge inside, and what has become of it.
    #[must_use]
    pub const fn loaded(&self) -> Option<(&Cartridge, Threaded)> {
        match &self.state.load {
            Load::Empty => None,
            Load::Ejected(cartridge) => Some((cartridge, Threaded::Ejected)),
            Load::Unusable(cartridge, _) => Some((cartridge, Threaded::No)),
            Load::Mounted(mounted) => Some((&mounted.cartridge, Threaded::Yes)),
            Load::Held(held) => Some((&held.cartridge, Threaded::No)),
        }
    }

    /// The sense data that commands get because the cartridge in the drive cannot be used, if so. A cleaning cartridge is one
    /// of these: 2/30/03.
    #[must_use]
    pub const fn refusal(&self) -> Option<&Sense> {
        match &self.state.load {
            Load::Unusable(_, sense) => Some(sense),
            Load::Empty | Load::Ejected(_) | Load::Mounted(_) | Load::Held(_) => None,
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
        self.state.mount(cartridge, &crate::load::drive_name(&self.lu));
        self.tell_of_load();
        Ok(())
    }

    /// As [`Self::insert`]; threading takes as long as [`Self::delays_mut`] says, and nexuses hear 28/00 behind that.
    ///
    /// # Errors
    /// As [`Self::insert`].
    pub fn insert_at(&mut self, cartridge: Cartridge, now: Now) -> Result<(), Box<Refused>> {
        let delay = u64::try_from(self.state.delays.load.as_micros()).unwrap_or(u64::MAX);
        if delay > 0 && self.state.is_empty() {
            self.state.threading = Some(Instant(now.mono.0.saturating_add(delay)));
        }
        self.insert(cartridge)
    }

    fn tell_of_load(&mut self) {
        if self.state.threading.is_none() && matches!(self.state.load, Load::Mounted(_)) {
            self.lu.attention.raise_all(Asc::NOT_READY_TO_READY_CHANGE_MEDIUM_MAY_HAVE_CHANGED);
        }
    }

    /// How long mechanics take, to be changed.
    pub const fn delays_mut(&mut self) -> &mut Delays {
        &mut self.state.delays
    }

    /// How blocks are stored from now on while data compression is enabled.
    pub const fn set_codec(&mut self, codec: Codec) {
        self.state.config.codec = codec;
    }

    /// Switches append-only mode, whatever is mounted. False if this model does not have it.
    pub fn set_append_only(&mut self, on: bool) -> bool {
        let has = !self.lu.mode.current(config_extension_1001::ID).is_empty();
        self.lu.mode.put(config_extension_1001::ID, 5, config_extension_1001::APPEND_ONLY, on);
        self.follow_mode_pages(None);
        has
    }

    /// Names of the media that it takes, and whether it writes them.
    pub fn media(&self) -> impl Iterator<Item = (&'static str, bool)> {
        self.state.profile.formats.iter().map(|format| (format.media.name, format.writable))
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
        self.pull().ok_or(WhyNot::Empty)
    }

    /// Takes the cartridge out as [`Self::remove`] does, whatever hosts prevent: by hand, with the drive opened.
    pub fn pull(&mut self) -> Option<Cartridge> {
        if let Some(operation) = self.state.operation.take() {
            // Nobody may take the tape as verified.
            self.lu.defer(operation.nexus, Sense::new(SenseKey::ABORTED_COMMAND, Asc(0)));
        }
        let writer = if let Load::Mounted(mounted) = &self.state.load { mounted.writer } else { None };
        let (cartridge, result) = self.state.unmount()?;
        self.state.forget_keys(&mut self.lu);
        if let (Err(error), Some(writer)) = (result, writer) {
            self.lu.defer(writer, crate::fault::sense(&error, crate::fault::Doing::Writing));
        }
        self.state.alerts.lower_all(alert::OF_MEDIUM);
        self.keep_lifetime();
        Some(cartridge)
    }

    /// The button of the drive: the tape is unloaded, and its cartridge waits to be taken.
    ///
    /// # Errors
    /// There is none, or removal is prevented.
    pub fn eject(&mut self) -> Result<(), WhyNot> {
        self.state.load = Load::Ejected(self.remove()?);
        Ok(())
    }

    /// A command panicked. Its effects are not continued: a loaded cartridge is closed without writing to it, and commands
    /// of the tape answer 4/44/00 until it is loaded again. Raises TapeAlert 58.
    pub fn fail(&mut self) {
        self.state.fail();
    }

    /// Gives back the cartridge that a command which panicked has lost. It answers 4/44/00 until it is loaded again.
    ///
    /// # Errors
    /// There is another one inside; the cartridge comes back.
    pub fn give_back(&mut self, cartridge: Cartridge) -> Result<(), Box<Refused>> {
        if !self.state.is_empty() {
            return Err(Box::new(Refused { cartridge, why: "the drive is full" }));
        }
        self.state.hold_failed(cartridge);
        Ok(())
    }

    /// What was found to be wrong with cartridges since this was last called.
    pub fn take_faults(&mut self) -> Vec<MediumFault> {
        std::mem::take(&mut self.state.faults)
    }

    /// The process is about to end: everything durable, whatever hosts prevent.
    ///
    /// # Errors
    /// The store failed; the text says how.
    pub fn shut_down(&mut self) -> Result<Option<Cartridge>, String> {
        let unmounted = self.state.unmount();
        // The time since power on counts, whatever else did not.
        self.state.lifetime.touch();
        self.keep_lifetime();
        match unmounted {
            None => Ok(None),
            Some((cartridge, Ok(()))) => Ok(Some(cartridge)),
            Some((cartridge, Err(error))) => Err(format!("{}: {error}", cartridge.barcode())),
        }
    }

    fn run(&mut self, request: &Request<'_>, cdb: &Cdb, data: &mut Data<'_, '_>) -> Outcome {
        self.state.latest = request.now;
        if self.state.threading.is_some_and(|until| until <= request.now.mono) {
            self.state.threading = None;
            self.tell_of_load();
        }
        self.step(operation::SHORT);
        let found = self.find(cdb);
        self.lu.admit(request, cdb, found.as_ref().map(|row| &row.spec))?;
        let row = found?;
        if self.state.offline && !matches!(row.run, Command::Spc(_)) {
            return Err(Sense::new(SenseKey::NOT_READY, Asc::LOGICAL_UNIT_NOT_READY_OFFLINE).into());
        }
        let held = self.reservations(row);
        let outcome = self.dispatch(row.run, cdb, request, data);
        self.finish(row, cdb, request, &outcome);
        held.into_iter().for_each(|held| self.note_reservations(&held, cdb));
        match outcome {
            Ok(()) if row.spec.attention == Attention::Report => self.state.exceptions.report(),
            other => other,
        }
    }

    /// The row of a command, if this model has it.
    fn find(&self, cdb: &Cdb) -> Result<&'static Row<Command>, Sense> {
        let row = COMMANDS.find(cdb)?;
        if self.state.profile.lacks(&row.spec) {
            return Err(Sense::illegal(Asc::INVALID_COMMAND_OPERATION_CODE));
        }
        Ok(row)
    }

    fn dispatch(&mut self, run: Command, cdb: &Cdb, request: &Request<'_>, data: &mut Data<'_, '_>) -> Outcome {
        let Self { lu, state } = self;
        state.removal_prevented = lu.removal_prevented();
        if let Load::Mounted(mounted) = &mut state.load {
            mounted.today = request.now.wall.0 / 1000;
            if matches!(run, Command::Spc(SpcCommand::LogSense) | Command::ReadAttribute) {
                mounted.settle();
            }
        }
        match run {
            Command::Spc(run) => lu.run(run, cdb, request, state, data),
            Command::TestUnitReady => state.ready().map(|_| ()),
            Command::Rewind => command::rewind::run(state),
            Command::ReadReverse => command::read_reverse::run(state, cdb, request, data),
            Command::RecoverBufferedData => command::recover::run(state, cdb),
            Command::SetCapacity => command::set_capacity::run(lu, state, cdb),
            Command::AllowOverwrite => command::allow_overwrite::run(state, cdb),
            Command::EndOfWrap => command::end_of_wrap::run(state, cdb, data),
            Command::ReadBlockLimits => command::limits::run(state, cdb, data),
            Command::Read => command::read::run(state, cdb, request, data),
            Command::Write => command::write::run(state, cdb, request, data),
            Command::WriteFilemarks => command::filemarks::run(state, cdb, request),
            Command::Space => command::space::run(state, cdb),
            Command::Locate => command::locate::run(state, cdb),
            Command::ReadPosition => command::position::run(state, cdb, data),
            Command::Erase => command::erase::run(state, cdb),
            Command::LoadUnload => command::load_unload::run(lu, state, cdb, request),
            Command::ReportDensity => command::density::run(state, cdb, data),
            Command::ReadAttribute => command::read_attribute::run(state, cdb, data),
            Command::WriteAttribute => command::write_attribute::run(state, cdb, data),
            Command::FormatMedium => command::format_medium::run(lu, state, cdb),
            Command::Verify => command::verify::run(state, cdb, request, data),
            Command::ReadMediaSerial => command::media_serial::run(state, cdb, data),
            Command::SecurityIn => command::security_in::run(state, cdb, request, data),
            Command::SecurityOut => command::security_out::run(lu, state, cdb, request, data),
        }
    }

    /// Who holds a reservation, before a command that may change that.
    fn reservations(&self, row: &Row<Command>) -> Option<Vec<TransportId>> {
        (row.run == Command::Spc(SpcCommand::ReserveOut)).then(|| self.lu.holders())
    }

    /// Keys that go with a reservation go with it: CKORP and CKORL.
    fn note_reservations(&mut self, held: &[TransportId], cdb: &Cdb) {
        /// PREEMPT, and PREEMPT AND ABORT.
        const PREEMPT: [u16; 2] = [0x04, 0x05];
        let holders = self.lu.holders();
        let lost: Vec<TransportId> = held.iter().filter(|port| !holders.contains(port)).cloned().collect();
        if !lost.is_empty() {
            let gone = self.state.encryption.reservation_lost(&lost, PREEMPT.contains(&cdb.action().0));
            self.state.tell_of_keys(&mut self.lu, gone);
        }
    }

    /// What a command leaves behind, whatever came of it.
    fn finish(&mut self, row: &Row<Command>, cdb: &Cdb, request: &Request<'_>, outcome: &Outcome) {
        if row.run == Command::Spc(SpcCommand::ModeSelect) {
            self.follow_mode_pages(Some(request.nexus));
        }
        let told = matches!(outcome, Err(Fault::Check(sense)) if sense.deferred).then_some(request.nexus);
        self.note_lost(told);
        if let Load::Mounted(mounted) = &mut self.state.load
            && mounted.warned
            && !mounted.medium.position().programmable_warning
        {
            // It is given again when the zone is entered again.
            mounted.warned = false;
        }
        self.state.exceptions.note(&mut self.state.alerts, &mut self.lu.attention);
        self.note_error(cdb, request.now.wall, outcome);
        self.note_full();
        self.keep_lifetime();
    }

    /// Reports to the owner, once, that the file system ends before the tape does.
    fn note_full(&mut self) {
        let Load::Mounted(mounted) = &mut self.state.load else { return };
        if mounted.storage_full == mounted.full_reported {
            return;
        }
        mounted.full_reported = mounted.storage_full;
        if mounted.storage_full {
            let barcode = mounted.cartridge.barcode().clone();
            let reason = "the file system is full: the tape ends before its capacity".into();
            self.state.report(MediumFault { barcode, reason, unusable: false });
        }
    }

    /// What log page 16h tells of: errors of medium and hardware.
    fn note_error(&mut self, cdb: &Cdb, at: Timestamp, outcome: &Outcome) {
        let Some(sense) = failure(outcome) else { return };
        let State { load, diagnostics, profile, .. } = &mut self.state;
        let failed = if let Load::Mounted(mounted) = load { Some(mounted.cartridge.barcode().clone()) } else { None };
        let medium = if let Load::Mounted(mounted) = load {
            let serial = mounted.mam.get(AttrId::SERIAL, 0).unwrap_or_default();
            Some((mounted.cartridge.media().density, profile.medium_type(&mounted.cartridge), serial))
        } else {
            None
        };
        let revision = self.lu.identity.model.revision.as_str();
        diagnostics.note(sense, &When { cdb, at, revision, medium });
        if let Some(barcode) = failed.filter(|_| sense.asc == Asc::WRITE_ERROR && !sense.deferred) {
            self.state.alerts.raise(Alert::WRITE_FAILURE);
            let reason = "a write failed; the log has more".into();
            self.state.report(MediumFault { barcode, reason, unusable: false });
        }
    }

    /// What the drive counts for life is kept, if it changed: with the next answer, or by who takes [`Lu::take_save`].
    fn keep_lifetime(&mut self) {
        if !self.state.lifetime.take_changed() {
            return;
        }
        let now = self.state.latest;
        let mut kept = self.state.lifetime.clone();
        kept.add(lifetime::POWER_ON_SECONDS, self.state.power_on_seconds(now));
        self.lu.counters = kept.into_counters();
        self.lu.save(Save::UNIT);
    }

    /// Settings that live in mode pages are read from there: those that all share, and those of a nexus.
    fn follow_mode_pages(&mut self, nexus: Option<NexusId>) {
        let Self { lu, state } = self;
        let compress = compression_0f::follow(&mut lu.mode, nexus.is_none() || state.settings.compress);
        let (append_only, warn_before) = config_extension_1001::settings(lu.mode.current(config_extension_1001::ID));
        let exceptions = lu.mode.current(exceptions_1c::ID);
        state.exceptions.follow(exceptions);
        state.settings = Settings { compress, append_only, warn_before };
        if let Load::Mounted(mounted) = &mut state.load {
            mounted.append_only = append_only;
            mounted.warns = warn_before > 0;
            mounted.medium.warn_before(warn_before);
        }
        let test = exceptions_1c::test(exceptions);
        if let Some(nexus) = nexus {
            let page = lu.mode.current_of(protection_0af0::ID, nexus);
            match protection_0af0::protection(state.profile.protection, page) {
                Some(protection) => drop(state.protections.insert(nexus, protection)),
                None => drop(state.protections.remove(&nexus)),
            }
            lu.mode.put(exceptions_1c::ID, 2, exceptions_1c::TEST, false);
            if let Some(test) = test {
                state.exceptions.test(test, &mut state.alerts, &mut lu.attention);
            }
        }
    }

    /// Data that was accepted and then lost is a deferred error of who wrote it, unless that is who was just told.
    fn note_lost(&mut self, told: Option<NexusId>) {
        let Load::Mounted(mounted) = &mut self.state.load else { return };
        let Some(lost) = mounted.medium.take_deferred() else { return };
        if mounted.write_failed.is_none() {
            // No command met it.
            let (partition, object) = lost.lost_from.place();
            mounted.note_failure(&StoreError::Lost { partition, object, cause: Box::new(lost.cause.clone()) });
        }
        let (barcode, reason) = (mounted.cartridge.barcode().clone(), format!("written data is lost: {}", lost.cause));
        if let Some(writer) = mounted.writer.filter(|writer| Some(*writer) != told) {
            self.lu.defer(writer, crate::fault::sense(&lost.cause, crate::fault::Doing::Writing));
        }
        self.state.report(MediumFault { barcode, reason, unusable: false });
        self.state.alerts.raise(Alert::WRITE_FAILURE);
        if !lost.cause.is_full() {
            self.state.alerts.raise(Alert::HARD_ERROR);
        }
    }
}

/// The sense of an error of the medium or the hardware.
fn failure(outcome: &Outcome) -> Option<&Sense> {
    match outcome {
        Err(Fault::Check(sense)) if matches!(sense.key, SenseKey::MEDIUM_ERROR | SenseKey::HARDWARE_ERROR) => {
            Some(sense)
        }
        _ => None,
    }
}

impl LogicalUnit for Drive {
    fn execute(&mut self, request: &Request<'_>, mut data: Data<'_, '_>) -> Completion {
        let cdb = Cdb::new(request.cdb);
        let outcome = self.run(request, &cdb, &mut data);
        let failed = failure(&outcome).is_some();
        let completion = self.lu.complete(outcome, &data);
        self.state.history.note(request, &cdb, &completion);
        if failed {
            self.lu.dump_after_error(&self.state);
        }
        tracing::trace!(opcode = ?cdb.opcode(), nexus = request.nexus.0, status = ?completion.status, sense = ?completion.sense);
        completion
    }

    fn event(&mut self, event: Event, now: Now) {
        self.lu.event(&event, now);
        self.state.power_on.get_or_insert(now.mono);
        self.state.latest = now;
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
                self.state.forget_used_keys();
                self.state.alerts_after_reset();
                if matches!(&self.state.load, Load::Mounted(mounted) if mounted.append_only) {
                    // It lasts while the volume is mounted.
                    self.lu.mode.put(config_extension_1001::ID, 5, config_extension_1001::APPEND_ONLY, true);
                }
                self.state.protections.clear();
                self.state.exceptions.reset();
                self.state.operation = None;
                self.follow_mode_pages(None);
            }
            Event::NexusLost(nexus) => {
                self.state.encryption.forget(nexus);
                self.state.forget_used_keys();
                self.state.operation.take_if(|operation| operation.nexus == nexus);
                self.state.protections.remove(&nexus);
                self.state.alerts.forget(nexus);
            }
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
mod capability_tests;
#[cfg(test)]
mod captured_tests;
#[cfg(test)]
mod damage_tests;
#[cfg(test)]
mod dump_tests;
#[cfg(test)]
mod encryption_tests;
#[cfg(test)]
mod failure_tests;
#[cfg(test)]
mod length_tests;
#[cfg(test)]
mod models_tests;
#[cfg(test)]
mod oracle_tests;
#[cfg(test)]
mod reserved_tests;
#[cfg(test)]
mod rules_tests;
#[cfg(test)]
mod saved_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod transcript_tests;
