//! The device server: what every logical unit does with a command from its arrival to its completion.

use crate::asc::Asc;
use crate::cdb::Cdb;
use crate::command::{self, DeviceCommand};
use crate::command_spec::{AttentionPolicy, CommandRow, CommandTable};
use crate::data::Data;
use crate::fault::{Completion, Outcome};
use crate::injected_fault;
use crate::lu::Lu;
use crate::nexus::NexusId;
use crate::sense::Sense;
use crate::target::{LogicalUnit, Request, TransportEvent};
use crate::time::Now;

/// The part of the device server that a device type supplies. Each implementation is a [`LogicalUnit`].
///
/// A command is executed in this order: [`Self::advance`]; the row of the command; [`Lu::failure`]; the checks of
/// [`Lu::admit`]; the injected faults ([`Lu::faults`]); [`Self::run`]; [`Self::report_exceptions`]; the completion; [`Self::completed`].
pub trait DeviceServer: Send {
    /// The commands of the device type, without the commands that SPC defines.
    type Command: Copy + 'static;
    /// The commands of all models of the device type.
    const COMMANDS: CommandTable<DeviceCommand<Self::Command>>;
    /// Most Data-Out bytes of a command that a transport fetches because of the CDB alone.
    const MAX_DATA_OUT: usize = usize::MAX;

    /// SPC state of the logical unit.
    fn lu(&mut self) -> &mut Lu;
    /// Names of the commands that this model does not have. They end with ILLEGAL REQUEST 20h/00h.
    fn unsupported_commands(&self) -> &'static [&'static str];
    /// Whether this model has a command, by its name.
    fn has_command(&self, name: &str) -> bool {
        !self.unsupported_commands().contains(&name)
    }
    /// Returns whether a command reloads a faulty unit, so that the unit executes it; see [`Lu::failure`].
    fn is_reload(&self, _command: Self::Command) -> bool {
        false
    }
    /// Applies what time has changed, before the checks of a command.
    fn advance(&mut self, _now: Now) {}
    /// Number of the next logical object in the current partition; `None` without a threaded tape.
    fn position(&self) -> Option<u64> {
        None
    }
    /// Barcode of the cartridge in the device; `None` without one.
    fn volume(&self) -> Option<String> {
        None
    }
    /// Bytes between the position and early warning, 0 behind it; `None` without a threaded tape. Waits until the size of all
    /// written blocks is known.
    fn bytes_before_early_warning(&mut self) -> Option<u64> {
        None
    }
    /// Records an injected failure of a command as one of the device itself: TapeAlert flags, counters and diagnostic data.
    /// Returns the sense of the command, with the INFORMATION that the device reports.
    fn record_injected_failure(
        &mut self,
        _command: DeviceCommand<Self::Command>,
        _request: &Request<'_>,
        _cdb: &Cdb,
        sense: Sense,
    ) -> Sense {
        sense
    }
    /// Removes the filemark at the end of data from the medium. Returns whether there was one, and it is gone.
    fn lose_last_filemark(&mut self) -> bool {
        false
    }
    /// Whether the blocks that a nexus reads carry protection information (LBP_R=1, SSC-4 §8.3.9).
    fn protects_reads(&self, _nexus: NexusId) -> bool {
        false
    }
    /// Sets what the modelled time of further commands is multiplied with, in thousandths.
    fn set_time_factor(&mut self, _thousandths: u32) {}
    /// Raises a TapeAlert flag, 1 to 64, of an injected fault.
    fn raise_alert(&mut self, _flag: u8) {}
    /// Runs a command that was admitted.
    ///
    /// # Errors
    /// The sense or status with which the command ends.
    fn run(
        &mut self,
        row: &'static CommandRow<DeviceCommand<Self::Command>>,
        request: &Request<'_>,
        cdb: &Cdb,
        data: &mut Data<'_, '_>,
    ) -> Outcome;
    /// Reports an informational exception with a command that otherwise ends with GOOD (mode page 1Ch).
    ///
    /// # Errors
    /// The sense of the exception.
    fn report_exceptions(&mut self) -> Outcome;
    /// Records a command after its completion is built.
    fn completed(&mut self, _request: &Request<'_>, _cdb: &Cdb, _outcome: &Outcome, _completion: &Completion) {}
    /// Applies the part of an event that is specific to the device type, after [`Lu::handle_event`].
    fn apply_event(&mut self, event: TransportEvent, now: Now);
    /// Number of Data-Out bytes that the CDB of a command of the device type requests.
    fn data_out_length(&self, command: Self::Command, cdb: &Cdb) -> usize;
}

impl<S: DeviceServer> LogicalUnit for S {
    fn execute(&mut self, request: &Request<'_>, mut data: Data<'_, '_>) -> Completion {
        let cdb = Cdb::new(request.cdb);
        let outcome = run(self, request, &cdb, &mut data);
        let completion = self.lu().complete(&outcome, &data);
        self.completed(request, &cdb, &outcome, &completion);
        completion
    }

    fn handle_event(&mut self, event: TransportEvent, now: Now) {
        self.lu().handle_event(&event, now);
        self.apply_event(event, now);
    }

    fn expected_data_out(&self, request: &Request<'_>) -> usize {
        let cdb = Cdb::new(request.cdb);
        let length = match S::COMMANDS.row(request, &cdb).map(|row| row.command) {
            Ok(DeviceCommand::Spc(command)) => command::expected_data_out(command, &cdb),
            Ok(DeviceCommand::Own(command)) => self.data_out_length(command, &cdb),
            Err(_) => 0,
        };
        length.min(S::MAX_DATA_OUT)
    }
}

fn run<S: DeviceServer>(server: &mut S, request: &Request<'_>, cdb: &Cdb, data: &mut Data<'_, '_>) -> Outcome {
    server.advance(request.now);
    let lookup = find(server, request, cdb);
    check_failure(server, lookup.as_ref().ok().copied())?;
    server.lu().admit(request, cdb, lookup.as_ref().map(|row| &row.spec))?;
    let row = lookup?;
    if server.lu().faults.is_empty() {
        run_command(server, row, request, cdb, data)
    } else {
        injected_fault::run(server, row, request, cdb, data)
    }
}

/// Runs an admitted command, and reports an informational exception.
pub(crate) fn run_command<S: DeviceServer>(
    server: &mut S,
    row: &'static CommandRow<DeviceCommand<S::Command>>,
    request: &Request<'_>,
    cdb: &Cdb,
    data: &mut Data<'_, '_>,
) -> Outcome {
    server.run(row, request, cdb, data)?;
    if row.spec.attention == AttentionPolicy::Report { server.report_exceptions() } else { Ok(()) }
}

/// Ends a command of a faulty unit with HARDWARE ERROR 44h/00h, unless it reloads the unit or is a command that identifies
/// the unit: INQUIRY, REPORT LUNS and REQUEST SENSE.
fn check_failure<S: DeviceServer>(
    server: &mut S,
    row: Option<&'static CommandRow<DeviceCommand<S::Command>>>,
) -> Outcome {
    let Some(failure) = server.lu().failure() else { return Ok(()) };
    match row.map(|row| (row.command, row.spec.attention)) {
        Some((_, AttentionPolicy::LeavePending)) => Ok(()),
        Some((DeviceCommand::Own(command), _)) if server.is_reload(command) => Ok(()),
        _ => Err(failure.into()),
    }
}

/// Returns the row of a command that this model has.
fn find<S: DeviceServer>(
    server: &S,
    request: &Request<'_>,
    cdb: &Cdb,
) -> Result<&'static CommandRow<DeviceCommand<S::Command>>, Sense> {
    let row = S::COMMANDS.row(request, cdb)?;
    if !server.has_command(row.spec.name) {
        return Err(Sense::illegal_request(Asc::INVALID_COMMAND_OPERATION_CODE));
    }
    Ok(row)
}
