//! Commands that SPC defines for every device type. Each has its own module with one row of facts.

pub mod buffer;
pub mod diagnostic;
mod error_history;
pub mod identifying_information;
pub mod inquiry;
pub mod log_select;
pub mod log_sense;
pub mod mode_select;
pub mod mode_sense;
pub mod persistent_reserve_in;
pub mod persistent_reserve_out;
pub mod prevent_allow_removal;
pub mod report_luns;
pub mod report_supported_opcodes;
pub mod report_supported_tmfs;
pub mod request_sense;
pub mod reserve;
mod table;
#[cfg(test)]
mod tests;
pub mod timestamp;

pub use table::{DeviceCommand, SPC_ROWS, TEST_UNIT_READY, with_spc_rows};

use crate::cdb::Cdb;
use crate::data::Data;
use crate::fault::Outcome;
use crate::lu::{Lu, SpcDevice};
use crate::target::Request;
use std::time::Duration;

/// A command that SPC defines, for the command table of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpcCommand {
    /// INQUIRY: standard data and VPD pages.
    Inquiry,
    /// REQUEST SENSE: deferred, pending or pollable sense.
    RequestSense,
    /// REPORT LUNS: the LUNs of the target.
    ReportLuns,
    /// MODE SENSE(6) and MODE SENSE(10).
    ModeSense,
    /// MODE SELECT(6) and MODE SELECT(10).
    ModeSelect,
    /// LOG SENSE: log pages and their thresholds.
    LogSense,
    /// LOG SELECT: reset of counters, and thresholds.
    LogSelect,
    /// RESERVE(6) and RESERVE(10) of SPC-2.
    Reserve,
    /// RELEASE(6) and RELEASE(10) of SPC-2.
    Release,
    /// PERSISTENT RESERVE IN, all service actions.
    PersistentReserveIn,
    /// PERSISTENT RESERVE OUT, all service actions.
    PersistentReserveOut,
    /// PREVENT ALLOW MEDIUM REMOVAL, per I_T nexus.
    PreventAllowMediumRemoval,
    /// SEND DIAGNOSTIC: self-tests and diagnostic pages.
    SendDiagnostic,
    /// RECEIVE DIAGNOSTIC RESULTS: the list of diagnostic pages.
    ReceiveDiagnostic,
    /// READ BUFFER(10), with error history.
    ReadBuffer,
    /// WRITE BUFFER: data and echo buffers.
    WriteBuffer,
    /// REPORT IDENTIFYING INFORMATION (MAINTENANCE IN, 05h).
    ReportIdentifyingInformation,
    /// SET IDENTIFYING INFORMATION (MAINTENANCE OUT, 06h).
    SetIdentifyingInformation,
    /// REPORT SUPPORTED OPERATION CODES (MAINTENANCE IN, 0Ch).
    ReportSupportedOpcodes,
    /// REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS (MAINTENANCE IN, 0Dh).
    ReportSupportedTmfs,
    /// REPORT TIMESTAMP (MAINTENANCE IN, 0Fh).
    ReportTimestamp,
    /// SET TIMESTAMP (MAINTENANCE OUT, 0Fh).
    SetTimestamp,
}

/// The arguments of the handler of a command: the SPC state of the logical unit, the device, and the command.
pub struct Context<'a, 'd, 'i, D: ?Sized> {
    /// SPC state of the logical unit.
    pub lu: &'a mut Lu,
    /// State of the device, such as its medium or its elements.
    pub device: &'a mut D,
    /// The command with its nexus and time.
    pub request: &'a Request<'a>,
    /// The CDB of the command, padded to 16 bytes.
    pub cdb: &'a Cdb,
    /// The Data-Out and Data-In buffers.
    pub data: &'a mut Data<'d, 'i>,
}

/// The arguments of the handler of an SPC command.
type SpcContext<'a, 'd, 'i> = Context<'a, 'd, 'i, dyn SpcDevice + 'a>;

impl<D: ?Sized> Context<'_, '_, '_, D> {
    /// Returns data to the initiator, up to ALLOCATION LENGTH in bytes.
    pub fn return_data(&mut self, allocation_length: u32, bytes: &[u8]) {
        self.data.data_in.limit(usize::try_from(allocation_length).unwrap_or(usize::MAX));
        self.data.data_in.append(bytes);
    }

    /// Makes the status of the command due after a duration from its start, if it ends with GOOD. Zero has no effect, and
    /// of two durations the longer one has.
    pub fn delay_status(&mut self, duration: Duration) {
        if !duration.is_zero() {
            self.lu.due = self.lu.due.max(Some(self.request.now.mono.saturating_add(duration)));
        }
    }
}

impl<D: SpcDevice> Context<'_, '_, '_, D> {
    /// Runs a command that SPC defines. [`Lu::admit`] must have accepted it.
    ///
    /// # Errors
    /// As documented in the module of the command.
    pub fn run_spc(&mut self, command: SpcCommand) -> Outcome {
        let Self { lu, device, request, cdb, data } = self;
        run(command, &mut Context { lu, device: *device as &mut dyn SpcDevice, request, cdb, data })
    }
}

fn run(command: SpcCommand, cx: &mut SpcContext<'_, '_, '_>) -> Outcome {
    match command {
        SpcCommand::Inquiry => inquiry::run(cx),
        SpcCommand::RequestSense => request_sense::run(cx),
        SpcCommand::ReportLuns => report_luns::run(cx.cdb, &cx.lu.luns, cx.data),
        SpcCommand::ModeSense => mode_sense::run(cx),
        SpcCommand::ModeSelect => mode_select::run(cx),
        SpcCommand::LogSense => log_sense::run(cx),
        SpcCommand::LogSelect => log_select::run(cx),
        SpcCommand::Reserve => reserve::reserve(cx),
        SpcCommand::Release => reserve::release(cx),
        SpcCommand::PersistentReserveIn => persistent_reserve_in::run(cx),
        SpcCommand::PersistentReserveOut => persistent_reserve_out::run(cx),
        SpcCommand::PreventAllowMediumRemoval => prevent_allow_removal::run(cx),
        SpcCommand::SendDiagnostic => diagnostic::send(cx),
        SpcCommand::ReceiveDiagnostic => diagnostic::receive(cx),
        SpcCommand::ReadBuffer => buffer::read(cx),
        SpcCommand::WriteBuffer => buffer::write(cx),
        SpcCommand::ReportIdentifyingInformation => identifying_information::report(cx),
        SpcCommand::SetIdentifyingInformation => identifying_information::set(cx),
        SpcCommand::ReportSupportedOpcodes => report_supported_opcodes::run(cx),
        SpcCommand::ReportSupportedTmfs => report_supported_tmfs::run(cx),
        SpcCommand::ReportTimestamp => timestamp::report(cx),
        SpcCommand::SetTimestamp => timestamp::set(cx),
    }
}

/// PARAMETER LIST LENGTH of a CDB in bytes; 0 for commands without a parameter list.
#[must_use]
pub fn expected_data_out(command: SpcCommand, cdb: &Cdb) -> usize {
    match command {
        SpcCommand::ModeSelect => mode_select::list_length(cdb),
        SpcCommand::LogSelect => log_select::list_length(cdb),
        SpcCommand::PersistentReserveOut => persistent_reserve_out::list_length(cdb),
        SpcCommand::SetTimestamp => timestamp::list_length(cdb),
        SpcCommand::SetIdentifyingInformation => identifying_information::list_length(cdb),
        SpcCommand::SendDiagnostic => diagnostic::list_length(cdb),
        SpcCommand::WriteBuffer => buffer::list_length(cdb),
        _ => 0,
    }
}
