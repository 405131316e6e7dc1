//! The drive as a logical unit: runs the SPC admission checks, then dispatches the command.
#![deny(clippy::wildcard_enum_match_arm)]

use crate::alert::{self, Alert};
use crate::background;
use crate::command::{self, Command};
use crate::device::DriveState;
use crate::lifetime_counters;
use crate::log::ErrorContext;
pub use crate::media::MediumFault;
use crate::media::{Load, drive_name};
use crate::mode::{compression_0f, config_extension_1001, protection_0af0};
use crate::profile::DriveProfile;
use crate::table::COMMANDS;
use crate::timing::Delays;
use scsi_core::alert::AlertSet;
use scsi_core::asc::Asc;
use scsi_core::cdb::Cdb;
use scsi_core::command::SpcCommand;
use scsi_core::command_spec::{AttentionPolicy, CommandRow};
use scsi_core::data::Data;
use scsi_core::fault::{Completion, Fault, Outcome, Save};
use scsi_core::identity::Identity;
use scsi_core::lifetime_counters::LifetimeCounters;
use scsi_core::lu::{self, Lu};
use scsi_core::mode::informational_exceptions_1c;
use scsi_core::nexus::{NexusId, TransportId};
use scsi_core::sense::{Sense, SenseKey};
use scsi_core::target::{LogicalUnit, Request, TransportEvent};
use scsi_core::time::{Instant, Now, Timestamp};
use std::sync::Arc;
use tape_store::cartridge::{Cartridge, InsertError, RemoveError};
use tape_store::error::StoreError;
use tape_store::mam::AttrId;
use tape_store::medium::Codec;
use tape_store::workers::Workers;

/// Settings that the owner of a drive chooses.
#[derive(Clone, Copy, Debug)]
pub struct DriveConfig {
    /// Codec that stores blocks while data compression is enabled (DCE of mode page 0Fh).
    pub codec: Codec,
}

impl Default for DriveConfig {
    fn default() -> Self {
        Self { codec: Codec::zstd(1) }
    }
}

/// Maximum Data-Out length of a command in bytes. A command that asks for more is rejected when it runs.
const MAX_TRANSFER: usize = 16 << 20;

/// A tape drive: an SSC logical unit with at most one cartridge.
pub struct Drive {
    lu: Lu,
    state: DriveState,
}

/// Load state of a cartridge that is in a drive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoadState {
    /// The cartridge is loaded and the tape is threaded.
    Threaded,
    /// The cartridge is in the drive and the tape is not threaded: loaded with HOLD=1, or unusable.
    NotThreaded,
    /// The cartridge is unloaded and can be removed.
    Ejected,
}

impl Drive {
    /// Sets the workers that compress and encrypt blocks. They are used from the next load on.
    pub fn set_workers(&mut self, workers: Arc<dyn Workers>) {
        self.state.media.workers = Some(workers);
    }

    /// Creates an empty drive in its state after power-on. `saved` is the state saved before the last power-off.
    #[must_use]
    pub fn new(profile: &'static DriveProfile, identity: Identity, config: DriveConfig, saved: lu::SavedState) -> Self {
        let lu = Lu::new(identity, profile.mode_pages, profile.check_order, saved);
        let mut drive = Self { state: DriveState::new(profile, config, &lu.identity), lu };
        drive.state.health.lifetime = LifetimeCounters::new(drive.lu.counters.clone());
        drive.state.health.lifetime.add(lifetime_counters::POWER_CYCLES, 1);
        drive.apply_mode_pages(None);
        drive
    }

    /// SPC state of the logical unit: identity, unit attentions, mode pages, reservations.
    pub const fn lu(&mut self) -> &mut Lu {
        &mut self.lu
    }

    /// Raised TapeAlert flags (SSC-5 annex A), including flags that a nexus has already read.
    #[must_use]
    pub const fn alerts(&self) -> AlertSet {
        self.state.health.alerts.raised_flags()
    }

    /// Raises a TapeAlert flag as if its cause had occurred.
    pub fn raise_alert(&mut self, alert: Alert) {
        self.state.health.alerts.raise(alert);
    }

    /// Clears a TapeAlert flag as if its cause had ended.
    pub fn clear_alert(&mut self, alert: Alert) {
        self.state.health.alerts.clear_flag(alert);
    }

    /// Sets the drive online or offline. Offline, it ends every SSC command with NOT READY 04h/12h.
    pub const fn set_online(&mut self, online: bool) {
        self.state.media.offline = !online;
    }

    /// Whether an operation of an immediate command (VERIFY with IMMED=1) still runs in the background.
    #[must_use]
    pub const fn has_background_work(&self) -> bool {
        self.state.media.is_verifying()
    }

    /// Runs the next step of the background operation. Returns whether the operation still has work to do.
    pub fn poll_background(&mut self) -> bool {
        self.step(background::LONG);
        self.has_background_work()
    }

    fn step(&mut self, bytes: u64) {
        if let Some((operation, sense)) = self.state.media.step_verify(bytes) {
            let outcome = Err(Fault::from(sense.clone()));
            command::read::record_outcome(&mut self.state, operation.nexus, &outcome);
            self.record_error(&operation.cdb, self.state.health.last_seen.wall, &outcome);
            if medium_or_hardware_error(&outcome).is_some() {
                self.lu.dump_after_error(&self.state);
            }
            self.lu.defer_error(operation.nexus, sense);
        }
    }

    /// The cartridge in the drive and its load state; `None` if the drive is empty.
    #[must_use]
    pub fn loaded(&self) -> Option<(&Cartridge, LoadState)> {
        let load = self.state.media.load().after_threading();
        let state = match load {
            Load::Empty | Load::Ejected(_) => LoadState::Ejected,
            Load::Unusable(..) | Load::LoadedNotThreaded(_) => LoadState::NotThreaded,
            Load::Threading(..) | Load::Mounted(_) | Load::Verifying(..) => LoadState::Threaded,
        };
        load.cartridge().map(|cartridge| (cartridge, state))
    }

    /// Sense data of commands while the cartridge in the drive is unusable; `None` otherwise. A cleaning cartridge is
    /// unusable: NOT READY 30h/03h.
    #[must_use]
    pub fn refusal(&self) -> Option<&Sense> {
        if let Load::Unusable(_, sense) = self.state.media.load().after_threading() { Some(sense) } else { None }
    }

    /// Inserts a cartridge and threads its tape. Establishes UNIT ATTENTION 28h/00h for every nexus.
    ///
    /// # Errors
    /// The drive already holds a cartridge; the error returns the new one.
    pub fn insert(&mut self, cartridge: Cartridge) -> Result<(), Box<InsertError>> {
        self.mount(cartridge)?;
        if self.state.media.threaded().is_some() {
            self.notify_load();
        }
        Ok(())
    }

    /// Inserts a cartridge like [`Self::insert`], but threading takes [`Delays::load`]. Until then the drive reports
    /// NOT READY 04h/01h; the UNIT ATTENTION 28h/00h is established afterwards.
    ///
    /// # Errors
    /// As [`Self::insert`].
    pub fn insert_with_delay(&mut self, cartridge: Cartridge, now: Now) -> Result<(), Box<InsertError>> {
        let delay = u64::try_from(self.state.media.delays.load.as_micros()).unwrap_or(u64::MAX);
        if delay == 0 {
            return self.insert(cartridge);
        }
        self.mount(cartridge)?;
        self.state.media.thread_until(Instant(now.mono.0.saturating_add(delay)));
        Ok(())
    }

    fn mount(&mut self, cartridge: Cartridge) -> Result<(), Box<InsertError>> {
        if !self.state.media.is_empty() {
            return Err(Box::new(InsertError { cartridge, reason: "the drive already holds a cartridge" }));
        }
        self.lu.mode.restore_default(crate::mode::partition_11::ID);
        self.state.mount(cartridge, &drive_name(&self.lu));
        Ok(())
    }

    fn notify_load(&mut self) {
        self.lu.attentions.raise_all(Asc::NOT_READY_TO_READY_CHANGE_MEDIUM_MAY_HAVE_CHANGED);
    }

    /// Modelled durations of mechanical motions, for changing.
    pub const fn delays_mut(&mut self) -> &mut Delays {
        &mut self.state.media.delays
    }

    /// Sets the codec that stores further blocks while data compression is enabled.
    pub const fn set_codec(&mut self, codec: Codec) {
        self.state.modes.compression = codec;
    }

    /// Turns append-only mode on or off, regardless of the mounted medium. Returns `false` if the model does not
    /// support it.
    pub fn set_append_only(&mut self, on: bool) -> bool {
        let has = !self.lu.mode.current(config_extension_1001::ID).is_empty();
        self.lu.mode.set_bits(config_extension_1001::ID, 5, config_extension_1001::APPEND_ONLY, on);
        self.apply_mode_pages(None);
        has
    }

    /// Names of the supported media, each with whether the drive can write it.
    pub fn supported_media(&self) -> impl Iterator<Item = (&'static str, bool)> {
        self.state.profile.supported_media.iter().map(|format| (format.media.name, format.can_write))
    }

    /// Removes the cartridge, and unloads it first if no host has done so.
    ///
    /// # Errors
    /// The drive is empty, or a host prevents medium removal.
    pub fn remove(&mut self) -> Result<Cartridge, RemoveError> {
        if self.lu.removal_prevented() && self.state.media.is_loaded() {
            return Err(RemoveError::Prevented);
        }
        self.force_remove().ok_or(RemoveError::Empty)
    }

    /// Removes the cartridge manually, ignoring PREVENT ALLOW MEDIUM REMOVAL; otherwise as [`Self::remove`].
    pub fn force_remove(&mut self) -> Option<Cartridge> {
        if let Some(operation) = self.state.media.abandon_verify() {
            // The host must not assume that the tape is verified.
            self.lu.defer_error(operation.nexus, Sense::new(SenseKey::ABORTED_COMMAND, Asc(0)));
        }
        let writer = self.state.media.opened().and_then(|mounted| mounted.last_writer);
        let (cartridge, result) = self.state.unmount()?;
        self.state.clear_keys_at_demount(&mut self.lu);
        if let (Err(error), Some(writer)) = (result, writer) {
            self.lu.defer_error(writer, crate::fault::sense(&error, crate::fault::Operation::Writing));
        }
        self.state.health.alerts.clear_flags(alert::CLEARED_AT_UNLOAD);
        self.save_lifetime_counters();
        Some(cartridge)
    }

    /// Unloads and ejects the cartridge, as the eject button does. It stays in the drive until it is removed.
    ///
    /// # Errors
    /// The drive is empty, or a host prevents medium removal.
    pub fn eject(&mut self) -> Result<(), RemoveError> {
        let cartridge = self.remove()?;
        self.state.media.hold_ejected(cartridge);
        Ok(())
    }

    /// Puts the drive into a safe state after a command panicked: closes a loaded cartridge without writing to it, and
    /// ends SSC commands with HARDWARE ERROR 44h/00h until the cartridge is loaded again. Raises TapeAlert 58.
    pub fn fail_after_panic(&mut self) {
        self.state.close_after_panic();
    }

    /// Restores the cartridge that was lost in a command that panicked. SSC commands end with HARDWARE ERROR 44h/00h
    /// until it is loaded again.
    ///
    /// # Errors
    /// The drive holds another cartridge; the error returns this one.
    pub fn restore_cartridge(&mut self, cartridge: Cartridge) -> Result<(), Box<InsertError>> {
        if !self.state.media.is_empty() {
            return Err(Box::new(InsertError { cartridge, reason: "the drive already holds a cartridge" }));
        }
        self.state.media.hold_failed(cartridge);
        Ok(())
    }

    /// Takes the faults of cartridges that were found since the last call.
    pub fn take_faults(&mut self) -> Vec<MediumFault> {
        self.state.health.take_faults()
    }

    /// Unloads the cartridge on shutdown, ignoring PREVENT ALLOW MEDIUM REMOVAL, and makes all data durable. Returns
    /// the cartridge, if there is one.
    ///
    /// # Errors
    /// The cartridge store failed; the text names the barcode and the cause.
    pub fn shut_down(&mut self) -> Result<Option<Cartridge>, String> {
        let unmounted = self.state.unmount();
        // The power-on time has changed even if no other counter has.
        self.state.health.lifetime.mark_changed();
        self.save_lifetime_counters();
        match unmounted {
            None => Ok(None),
            Some((cartridge, Ok(()))) => Ok(Some(cartridge)),
            Some((cartridge, Err(error))) => Err(format!("{}: {error}", cartridge.barcode())),
        }
    }

    fn run(&mut self, request: &Request<'_>, cdb: &Cdb, data: &mut Data<'_, '_>) -> Outcome {
        self.state.health.note_time(request.now);
        if self.state.media.end_threading(request.now.mono) {
            self.notify_load();
        }
        self.step(background::SHORT);
        let lookup = self.find(cdb);
        self.lu.admit(request, cdb, lookup.as_ref().map(|row| &row.spec))?;
        let row = lookup?;
        if !matches!(row.command, Command::Spc(_)) {
            self.state.media.check_online()?;
        }
        let previous_holders = self.reservations(row);
        let outcome = self.dispatch(row.command, cdb, request, data);
        self.finish(row, cdb, request, &outcome);
        previous_holders.into_iter().for_each(|holders| self.clear_keys_of_lost_reservations(&holders, cdb));
        match outcome {
            Ok(()) if row.spec.attention == AttentionPolicy::Report => {
                self.state.health.exceptions.report_after_success()
            }
            other => other,
        }
    }

    /// Finds the row of a command that this model supports.
    fn find(&self, cdb: &Cdb) -> Result<&'static CommandRow<Command>, Sense> {
        let row = COMMANDS.find(cdb)?;
        if self.state.profile.lacks_command(&row.spec) {
            return Err(Sense::illegal_request(Asc::INVALID_COMMAND_OPERATION_CODE));
        }
        Ok(row)
    }

    fn dispatch(&mut self, run: Command, cdb: &Cdb, request: &Request<'_>, data: &mut Data<'_, '_>) -> Outcome {
        let Self { lu, state } = self;
        state.media.removal_prevented = lu.removal_prevented();
        if let Some(mounted) = state.media.threaded_mut() {
            mounted.today = request.now.wall.0 / 1000;
            if matches!(run, Command::Spc(SpcCommand::LogSense) | Command::ReadAttribute) {
                mounted.drain();
            }
        }
        match run {
            Command::Spc(run) => lu.run(run, cdb, request, state, data),
            Command::TestUnitReady => state.media.ready().map(drop).map_err(Into::into),
            Command::Rewind => command::rewind::run(state),
            Command::ReadReverse => command::read_reverse::run(state, cdb, request, data),
            Command::RecoverBufferedData => command::recover_buffered_data::run(state, cdb),
            Command::SetCapacity => command::set_capacity::run(lu, state, cdb),
            Command::AllowOverwrite => command::allow_overwrite::run(state, cdb),
            Command::EndOfWrap => command::end_of_wrap::run(state, cdb, data),
            Command::ReadBlockLimits => command::block_limits::run(state, cdb, data),
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
            Command::SecurityIn => command::security_protocol_in::run(state, cdb, request, data),
            Command::SecurityOut => command::security_protocol_out::run(lu, state, cdb, request, data),
        }
    }

    /// Reservation holders before a command that may change them.
    fn reservations(&self, row: &CommandRow<Command>) -> Option<Vec<TransportId>> {
        (row.command == Command::Spc(SpcCommand::PersistentReserveOut)).then(|| self.lu.reservation_holders())
    }

    /// Clears encryption keys with CKORP or CKORL set whose owner has lost its reservation.
    fn clear_keys_of_lost_reservations(&mut self, previous_holders: &[TransportId], cdb: &Cdb) {
        /// PREEMPT, and PREEMPT AND ABORT.
        const PREEMPT: [u16; 2] = [0x04, 0x05];
        let holders = self.lu.reservation_holders();
        let lost: Vec<TransportId> = previous_holders.iter().filter(|port| !holders.contains(port)).cloned().collect();
        if !lost.is_empty() {
            let cleared = self.state.encryption.reservation_lost(&lost, PREEMPT.contains(&cdb.service_action().0));
            self.state.notify_key_change(&mut self.lu, cleared);
        }
    }

    /// Updates modes, alerts, logs and counters after a command, regardless of its outcome.
    fn finish(&mut self, row: &CommandRow<Command>, cdb: &Cdb, request: &Request<'_>, outcome: &Outcome) {
        if row.command == Command::Spc(SpcCommand::ModeSelect) {
            self.apply_mode_pages(Some(request.nexus));
        }
        let notified_nexus =
            matches!(outcome, Err(Fault::CheckCondition(sense)) if sense.deferred).then_some(request.nexus);
        self.report_lost_data(notified_nexus);
        if let Some(mounted) = self.state.media.threaded_mut()
            && mounted.programmable_warning_reported
            && !mounted.medium.position().programmable_warning
        {
            // The warning is reported again when the position enters the zone again.
            mounted.programmable_warning_reported = false;
        }
        self.state.health.exceptions.check_alerts(&mut self.state.health.alerts, &mut self.lu.attentions);
        self.record_error(cdb, request.now.wall, outcome);
        self.report_storage_full();
        self.save_lifetime_counters();
    }

    /// Reports to the owner, once, that the file system is full before the tape is.
    fn report_storage_full(&mut self) {
        let Some(mounted) = self.state.media.threaded_mut() else { return };
        if mounted.storage_full == mounted.storage_full_reported {
            return;
        }
        mounted.storage_full_reported = mounted.storage_full;
        if mounted.storage_full {
            let barcode = mounted.cartridge.barcode().clone();
            let reason = "file system is full, tape ends before its capacity".into();
            self.state.health.report(MediumFault { barcode, reason, unusable: false });
        }
    }

    /// Records medium and hardware errors for log page 16h.
    fn record_error(&mut self, cdb: &Cdb, at: Timestamp, outcome: &Outcome) {
        let Some(sense) = medium_or_hardware_error(outcome) else { return };
        let DriveState { media, health, profile, .. } = &mut self.state;
        let failed = media.threaded().map(|mounted| mounted.cartridge.barcode().clone());
        let medium = media.threaded().map(|mounted| {
            let serial = mounted.mam.get(AttrId::SERIAL, 0).unwrap_or_default();
            (mounted.cartridge.media().density, profile.medium_type(&mounted.cartridge), serial)
        });
        let revision = self.lu.identity.strings.revision.as_str();
        health.diagnostics.record(sense, &ErrorContext { cdb, at, revision, medium });
        if let Some(barcode) = failed.filter(|_| sense.asc == Asc::WRITE_ERROR && !sense.deferred) {
            self.state.health.alerts.raise(Alert::WRITE_FAILURE);
            let reason = "write failed: MEDIUM ERROR 0Ch/00h".into();
            self.state.health.report(MediumFault { barcode, reason, unusable: false });
        }
    }

    /// Requests a save of the lifetime counters if they changed. The next completion carries the request, or the caller
    /// takes it with [`Lu::take_save`].
    fn save_lifetime_counters(&mut self) {
        if !self.state.health.lifetime.take_changed() {
            return;
        }
        let now = self.state.health.last_seen;
        let mut counters = self.state.health.lifetime.clone();
        counters.add(lifetime_counters::POWER_ON_SECONDS, self.state.health.power_on_seconds(now));
        self.lu.counters = counters.into_counters();
        self.lu.request_save(Save::UNIT);
    }

    /// Applies the settings of mode pages: the shared ones, and those of `nexus`.
    fn apply_mode_pages(&mut self, nexus: Option<NexusId>) {
        let Self { lu, state } = self;
        let compress = compression_0f::synchronize(&mut lu.mode, nexus.is_none() || state.modes.compress);
        let (append_only, early_warning_distance) =
            config_extension_1001::settings(lu.mode.current(config_extension_1001::ID));
        let exceptions = lu.mode.current(informational_exceptions_1c::ID);
        state.health.exceptions.apply_mode_page(exceptions);
        let modes = &mut state.modes;
        (modes.compress, modes.append_only, modes.programmable_early_warning) =
            (compress, append_only, early_warning_distance);
        if let Some(mounted) = state.media.opened_mut() {
            mounted.append_only = append_only;
            mounted.programmable_warning_enabled = early_warning_distance > 0;
            mounted.medium.set_programmable_early_warning(early_warning_distance);
        }
        let test = informational_exceptions_1c::test(exceptions);
        if let Some(nexus) = nexus {
            let page = lu.mode.current_for(protection_0af0::ID, nexus);
            state.modes.set_protection(nexus, protection_0af0::protection(state.profile.protection_methods, page));
            lu.mode.set_bits(informational_exceptions_1c::ID, 2, informational_exceptions_1c::TEST, false);
            if let Some(test) = test {
                state.health.exceptions.run_test(test, &mut state.health.alerts, &mut lu.attentions);
            }
        }
    }

    /// Defers an error for accepted data that was lost. It goes to the nexus of the last write, unless that is
    /// `notified_nexus`, to which this command has just reported it.
    fn report_lost_data(&mut self, notified_nexus: Option<NexusId>) {
        let Some(mounted) = self.state.media.threaded_mut() else { return };
        let Some(lost) = mounted.medium.take_deferred() else { return };
        if mounted.write_error.is_none() {
            // No command has reported it yet.
            let (partition, object) = lost.lost_from.partition_and_object();
            mounted.record_write_failure(&StoreError::LostObjects {
                partition,
                object,
                cause: Box::new(lost.cause.clone()),
            });
        }
        let (barcode, reason) = (mounted.cartridge.barcode().clone(), format!("written data is lost: {}", lost.cause));
        if let Some(writer) = mounted.last_writer.filter(|writer| Some(*writer) != notified_nexus) {
            self.lu.defer_error(writer, crate::fault::sense(&lost.cause, crate::fault::Operation::Writing));
        }
        self.state.health.report(MediumFault { barcode, reason, unusable: false });
        self.state.health.alerts.raise(Alert::WRITE_FAILURE);
        if !lost.cause.is_full() {
            self.state.health.alerts.raise(Alert::HARD_ERROR);
        }
    }
}

/// Sense of an outcome with MEDIUM ERROR or HARDWARE ERROR.
fn medium_or_hardware_error(outcome: &Outcome) -> Option<&Sense> {
    match outcome {
        Err(Fault::CheckCondition(sense)) if matches!(sense.key, SenseKey::MEDIUM_ERROR | SenseKey::HARDWARE_ERROR) => {
            Some(sense)
        }
        _ => None,
    }
}

impl LogicalUnit for Drive {
    fn execute(&mut self, request: &Request<'_>, mut data: Data<'_, '_>) -> Completion {
        let cdb = Cdb::new(request.cdb);
        let outcome = self.run(request, &cdb, &mut data);
        let failed = medium_or_hardware_error(&outcome).is_some();
        let completion = self.lu.complete(outcome, &data);
        self.state.health.history.record(request, &cdb, &completion);
        if failed {
            self.lu.dump_after_error(&self.state);
        }
        tracing::trace!(opcode = ?cdb.opcode(), nexus = request.nexus.0, status = ?completion.status, sense = ?completion.sense);
        completion
    }

    fn handle_event(&mut self, event: TransportEvent, now: Now) {
        self.lu.handle_event(&event, now);
        self.state.health.note_time(now);
        match event {
            TransportEvent::NexusEstablished { nexus, reestablished, .. } => {
                if !reestablished && self.state.media.threaded().is_some() {
                    self.lu.attentions.raise(nexus, Asc::NOT_READY_TO_READY_CHANGE_MEDIUM_MAY_HAVE_CHANGED);
                }
            }
            TransportEvent::UnitReset | TransportEvent::TargetReset => {
                self.state.modes.reset();
                self.state.encryption.clear();
                self.state.media.clear_medium_keys();
                self.state.alerts_after_reset();
                if self.state.media.opened().is_some_and(|mounted| mounted.append_only) {
                    // Append-only mode stays on while the volume is mounted.
                    self.lu.mode.set_bits(config_extension_1001::ID, 5, config_extension_1001::APPEND_ONLY, true);
                }
                self.state.health.exceptions.reset();
                self.state.media.abandon_verify();
                self.apply_mode_pages(None);
            }
            TransportEvent::NexusLost(nexus) => {
                self.state.encryption.remove_nexus(nexus);
                self.state.media.clear_medium_keys();
                if self.state.media.verify().is_some_and(|operation| operation.nexus == nexus) {
                    self.state.media.abandon_verify();
                }
                self.state.modes.set_protection(nexus, None);
                self.state.health.alerts.remove_nexus(nexus);
            }
            TransportEvent::TaskSetCleared(_) => {}
        }
    }

    fn expected_data_out(&self, cdb: &[u8]) -> usize {
        let cdb = Cdb::new(cdb);
        match COMMANDS.find(&cdb).map(|row| row.command) {
            Ok(Command::Spc(command)) => scsi_core::command::expected_data_out(command, &cdb).min(MAX_TRANSFER),
            Ok(Command::Write) => command::write::bytes(&cdb, self.state.modes.block_length).min(MAX_TRANSFER),
            Ok(Command::Verify) => command::verify::bytes(&cdb, self.state.modes.block_length).min(MAX_TRANSFER),
            Ok(Command::SecurityOut) => command::security_protocol_out::list_length(&cdb).min(MAX_TRANSFER),
            Ok(Command::WriteAttribute) => command::write_attribute::list_length(&cdb).min(MAX_TRANSFER),
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
mod model_tests;
#[cfg(test)]
mod overwrite_rule_tests;
#[cfg(test)]
mod parameter_length_tests;
#[cfg(test)]
mod profile_tests;
#[cfg(test)]
mod readiness_tests;
#[cfg(test)]
mod reserved_bit_tests;
#[cfg(test)]
mod saved_page_tests;
#[cfg(test)]
mod storage_failure_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod transcript_tests;
