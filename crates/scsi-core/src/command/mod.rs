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
#[cfg(test)]
mod tests;
pub mod timestamp;

use crate::cdb::Cdb;
use crate::data::Data;
use crate::fault::Outcome;
use crate::lu::{Lu, SpcDevice};
use crate::target::Request;

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

pub(crate) fn run(
    lu: &mut Lu,
    command: SpcCommand,
    cdb: &Cdb,
    request: &Request<'_>,
    device: &mut dyn SpcDevice,
    data: &mut Data<'_, '_>,
) -> Outcome {
    match command {
        SpcCommand::Inquiry => inquiry::run(lu, cdb, device, data),
        SpcCommand::RequestSense => request_sense::run(lu, cdb, request, device, data),
        SpcCommand::ReportLuns => report_luns::run(cdb, &lu.luns, data),
        SpcCommand::ModeSense => mode_sense::run(lu, cdb, request.nexus, device, data),
        SpcCommand::ModeSelect => mode_select::run(lu, cdb, request, device, data),
        SpcCommand::LogSense => log_sense::run(lu, cdb, request, device, data),
        SpcCommand::LogSelect => log_select::run(lu, cdb, request, device, data),
        SpcCommand::Reserve => reserve::reserve(lu, request),
        SpcCommand::Release => reserve::release(lu, request),
        SpcCommand::PersistentReserveIn => persistent_reserve_in::run(lu, cdb, data),
        SpcCommand::PersistentReserveOut => persistent_reserve_out::run(lu, cdb, request, data),
        SpcCommand::PreventAllowMediumRemoval => prevent_allow_removal::run(lu, cdb, request),
        SpcCommand::SendDiagnostic => diagnostic::send(lu, cdb, device, data),
        SpcCommand::ReceiveDiagnostic => diagnostic::receive(cdb, device, data),
        SpcCommand::ReadBuffer => buffer::read(lu, cdb, request, device, data),
        SpcCommand::WriteBuffer => buffer::write(lu, cdb, request, device, data),
        SpcCommand::ReportIdentifyingInformation => identifying_information::report(lu, cdb, data),
        SpcCommand::SetIdentifyingInformation => identifying_information::set(lu, cdb, request.nexus, data),
        SpcCommand::ReportSupportedOpcodes => report_supported_opcodes::run(cdb, device, data),
        SpcCommand::ReportSupportedTmfs => report_supported_tmfs::run(cdb, data),
        SpcCommand::ReportTimestamp => timestamp::report(lu, cdb, request, data),
        SpcCommand::SetTimestamp => timestamp::set(lu, cdb, request, data),
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
