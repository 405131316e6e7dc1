//! The drive as a device server: the steps before, in and after an SSC command.
#![deny(clippy::wildcard_enum_match_arm)]

use super::Drive;
use super::records::medium_or_hardware_error;
use crate::alert::Alert;
use crate::background;
use crate::command::{self, Command, Context};
use crate::fault;
use crate::table::COMMANDS;
use scsi_core::asc::Asc;
use scsi_core::cdb::Cdb;
use scsi_core::command::{DeviceCommand, SpcCommand};
use scsi_core::command_spec::{CommandRow, CommandTable, MediumAccess};
use scsi_core::data::Data;
use scsi_core::device_server::DeviceServer;
use scsi_core::fault::{Completion, Fault, Outcome};
use scsi_core::lu::Lu;
use scsi_core::nexus::NexusId;
use scsi_core::sense::Sense;
use scsi_core::target::{Request, TransportEvent};
use scsi_core::time::Now;
use tape_store::medium::Position;

/// Maximum Data-Out length of a command in bytes. A command that requests more is rejected when it runs.
const MAX_TRANSFER: usize = 16 << 20;

impl DeviceServer for Drive {
    type Command = Command;
    const COMMANDS: CommandTable<DeviceCommand<Command>> = COMMANDS;
    const MAX_DATA_OUT: usize = MAX_TRANSFER;

    fn lu(&mut self) -> &mut Lu {
        &mut self.lu
    }

    fn unsupported_commands(&self) -> &'static [&'static str] {
        self.state.profile.unsupported_commands
    }

    fn has_command(&self, name: &str) -> bool {
        self.state.profile.has_command(name)
    }

    /// LOAD UNLOAD, if there is a cartridge to load.
    fn is_reload(&self, command: Command) -> bool {
        command == Command::LoadUnload && !self.state.media.is_empty()
    }

    fn position(&self) -> Option<u64> {
        Self::position(self).map(|(_, object)| object)
    }

    fn advance(&mut self, now: Now) {
        self.state.health.note_time(now);
        self.state.media.note_time(now.mono);
        if self.state.media.end_threading(now.mono) {
            self.notify_load();
        }
        // If reads may wait, the owner's calls of `poll_background` advance the operation: a command does not wait for it.
        if self.state.media.is_verifying() && !self.slow_accesses().contains(MediumAccess::READ) {
            self.step(background::SHORT);
        }
        // An event may have found it.
        self.drop_taken_over(None);
    }

    fn run(
        &mut self,
        row: &'static CommandRow<DeviceCommand<Command>>,
        request: &Request<'_>,
        cdb: &Cdb,
        data: &mut Data<'_, '_>,
    ) -> Outcome {
        if let DeviceCommand::Own(_) = row.command {
            self.state.media.check_online()?;
        }
        let previous_holders = self.reservations(row.command);
        let tape = self.tape_before(row.command, cdb);
        let position = self.state.media.threaded().map(|mounted| mounted.medium.position());
        let Self { lu, state: device } = self;
        let outcome = command::run(row.command, &mut Context { lu, device, request, cdb, data });
        let outcome =
            if self.state.media.taken_over_by().is_some() { taken_over(row.command, outcome) } else { outcome };
        let outcome = self.make_repeatable(position, outcome);
        self.spend_time(tape, row.command, (cdb, request), &outcome);
        self.finish(row.command, cdb, request, &outcome);
        previous_holders.into_iter().for_each(|holders| self.clear_keys_of_lost_reservations(&holders, cdb));
        outcome
    }

    fn volume(&self) -> Option<String> {
        self.loaded().map(|(cartridge, _)| cartridge.barcode().to_string())
    }

    fn bytes_before_early_warning(&mut self) -> Option<u64> {
        let mounted = self.state.media.threaded_mut()?;
        // Blocks that workers still compress are not in the usage.
        mounted.drain();
        let medium = &mounted.medium;
        let usage = medium.usage(medium.position().partition).ok()?;
        Some(usage.capacity.saturating_sub(usage.early_warning).saturating_sub(usage.position))
    }

    fn record_injected_failure(
        &mut self,
        command: DeviceCommand<Command>,
        request: &Request<'_>,
        cdb: &Cdb,
        sense: Sense,
    ) -> Sense {
        self.inject_failure(command, request, cdb, sense)
    }

    fn protects_reads(&self, nexus: NexusId) -> bool {
        self.state.modes.protection_on_read(nexus).is_some()
    }

    fn set_time_factor(&mut self, thousandths: u32) {
        self.state.time.thousandths = thousandths;
    }

    fn lose_last_filemark(&mut self) -> bool {
        Self::lose_last_filemark(self)
    }

    fn raise_alert(&mut self, flag: u8) {
        Self::raise_alert(self, Alert(flag));
    }

    fn report_exceptions(&mut self) -> Outcome {
        self.state.health.exceptions.report_after_success()
    }

    fn completed(&mut self, request: &Request<'_>, cdb: &Cdb, outcome: &Outcome, completion: &Completion) {
        self.state.health.history.record(request, cdb, completion);
        if medium_or_hardware_error(outcome).is_some() {
            self.lu.dump_after_error(&self.state);
        }
    }

    fn apply_event(&mut self, event: TransportEvent, now: Now) {
        self.apply_transport_event(event, now);
    }

    fn data_out_length(&self, command: Command, cdb: &Cdb) -> usize {
        command::data_out_length(command, cdb, self.state.modes.block_length)
    }
}

/// The outcome of a command during which it was found that another daemon has taken over the cartridge: a command for the
/// medium does not end with GOOD, whatever it has done.
fn taken_over(command: DeviceCommand<Command>, outcome: Outcome) -> Outcome {
    match (command, outcome) {
        (DeviceCommand::Own(_), Err(Fault::CheckCondition(sense))) if sense.asc == Asc::MEDIUM_NOT_PRESENT => {
            Err(Fault::CheckCondition(sense))
        }
        (DeviceCommand::Own(_), Ok(()) | Err(Fault::CheckCondition(_))) => Err(fault::taken_over().into()),
        (DeviceCommand::Own(_) | DeviceCommand::Spc(_), other) => other,
    }
}

impl Drive {
    /// The outcome of a command that waits for data which the store is thawing: the position is as before the command, and nothing counts as
    /// read, so that the whole command can be repeated.
    fn make_repeatable(&mut self, before: Option<Position>, outcome: Outcome) -> Outcome {
        let (Some(before), Some(mounted)) = (before, self.state.media.threaded_mut()) else { return outcome };
        match outcome {
            Err(Fault::CheckCondition(sense)) if fault::is_being_thawed(&sense) => {
                if mounted.medium.position() != before {
                    // The record of this position was read a moment ago. If it cannot be read now, the error is the same one.
                    let _ = mounted.medium.locate(before.partition, before.object);
                }
                Err(Sense { information: None, ..*sense }.into())
            }
            other => other,
        }
    }

    /// Updates modes, alerts, logs and counters after a command, regardless of its outcome.
    pub(super) fn finish(
        &mut self,
        command: DeviceCommand<Command>,
        cdb: &Cdb,
        request: &Request<'_>,
        outcome: &Outcome,
    ) {
        if command == DeviceCommand::Spc(SpcCommand::ModeSelect) {
            self.apply_mode_pages(Some(request.nexus));
        }
        let notified_nexus =
            matches!(outcome, Err(Fault::CheckCondition(sense)) if sense.deferred).then_some(request.nexus);
        self.report_lost_data(notified_nexus);
        self.drop_taken_over(outcome.is_err().then_some(request.nexus));
        if let Some(mounted) = self.state.media.threaded_mut()
            && mounted.programmable_warning_reported
            && !mounted.medium.warnings().programmable
        {
            // The warning is reported again when the position enters the zone again.
            mounted.programmable_warning_reported = false;
        }
        self.state.health.exceptions.check_alerts(&mut self.state.health.alerts, &mut self.lu.attentions);
        self.record_error(cdb, request.now.wall, outcome);
        self.report_storage_full();
        self.save_lifetime_counters();
    }
}
