//! The drive as a logical unit: runs the SPC admission checks, then the command.
#![deny(clippy::wildcard_enum_match_arm)]

use super::Drive;
use super::records::medium_or_hardware_error;
use crate::background;
use crate::command::{self, Command, Context};
use crate::table::COMMANDS;
use scsi_core::asc::Asc;
use scsi_core::cdb::Cdb;
use scsi_core::command::SpcCommand;
use scsi_core::command_spec::{AttentionPolicy, CommandRow};
use scsi_core::data::Data;
use scsi_core::fault::{Completion, Fault, Outcome};
use scsi_core::sense::Sense;
use scsi_core::target::{LogicalUnit, Request, TransportEvent};
use scsi_core::time::Now;

/// Maximum Data-Out length of a command in bytes. A command that asks for more is rejected when it runs.
const MAX_TRANSFER: usize = 16 << 20;

impl LogicalUnit for Drive {
    fn execute(&mut self, request: &Request<'_>, mut data: Data<'_, '_>) -> Completion {
        let cdb = Cdb::new(request.cdb);
        let outcome = self.run(request, &cdb, &mut data);
        let failed = medium_or_hardware_error(&outcome).is_some();
        let completion = self.lu.complete(&outcome, &data);
        self.state.health.history.record(request, &cdb, &completion);
        if failed {
            self.lu.dump_after_error(&self.state);
        }
        tracing::trace!(opcode = ?cdb.opcode(), nexus = request.nexus.0, status = ?completion.status, sense = ?completion.sense);
        completion
    }

    fn handle_event(&mut self, event: TransportEvent, now: Now) {
        self.apply_event(event, now);
    }

    fn expected_data_out(&self, cdb: &[u8]) -> usize {
        let cdb = Cdb::new(cdb);
        let Ok(row) = COMMANDS.find(&cdb) else { return 0 };
        command::expected_data_out(row.command, &cdb, self.state.modes.block_length).min(MAX_TRANSFER)
    }
}

impl Drive {
    fn run(&mut self, request: &Request<'_>, cdb: &Cdb, data: &mut Data<'_, '_>) -> Outcome {
        self.state.health.note_time(request.now);
        if self.state.media.end_threading(request.now.mono) {
            self.notify_load();
        }
        self.step(background::SHORT);
        let lookup = self.find(request, cdb);
        self.lu.admit(request, cdb, lookup.as_ref().map(|row| &row.spec))?;
        let row = lookup?;
        if !matches!(row.command, Command::Spc(_)) {
            self.state.media.check_online()?;
        }
        let previous_holders = self.reservations(row);
        let Self { lu, state: drive } = self;
        let outcome = command::run(row.command, &mut Context { lu, drive, request, cdb, data });
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
    fn find(&self, request: &Request<'_>, cdb: &Cdb) -> Result<&'static CommandRow<Command>, Sense> {
        let row = COMMANDS.row(request, cdb)?;
        if self.state.profile.lacks_command(&row.spec) {
            return Err(Sense::illegal_request(Asc::INVALID_COMMAND_OPERATION_CODE));
        }
        Ok(row)
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
}
