//! Commands that SPC defines for every device: one file each, and one row of facts each.

pub mod buffer;
pub mod diagnostic;
mod error_history;
pub mod identifying;
pub mod inquiry;
pub mod log_select;
pub mod log_sense;
pub mod mode_select;
pub mod mode_sense;
pub mod prevent;
pub mod report_luns;
pub mod report_opcodes;
pub mod report_tmf;
pub mod request_sense;
pub mod reserve;
pub mod reserve_in;
pub mod reserve_out;
pub mod timestamp;

use crate::cdb::Cdb;
use crate::data::Data;
use crate::fault::Outcome;
use crate::lu::{Device, Lu};
use crate::target::Request;

/// A command of SPC, for a device's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpcCommand {
    /// INQUIRY.
    Inquiry,
    /// REQUEST SENSE.
    RequestSense,
    /// REPORT LUNS.
    ReportLuns,
    /// MODE SENSE(6) and (10).
    ModeSense,
    /// MODE SELECT(6) and (10).
    ModeSelect,
    /// LOG SENSE.
    LogSense,
    /// LOG SELECT.
    LogSelect,
    /// RESERVE(6) and (10).
    Reserve,
    /// RELEASE(6) and (10).
    Release,
    /// PERSISTENT RESERVE IN.
    ReserveIn,
    /// PERSISTENT RESERVE OUT.
    ReserveOut,
    /// PREVENT ALLOW MEDIUM REMOVAL.
    Prevent,
    /// SEND DIAGNOSTIC.
    SendDiagnostic,
    /// RECEIVE DIAGNOSTIC RESULTS.
    ReceiveDiagnostic,
    /// READ BUFFER.
    ReadBuffer,
    /// WRITE BUFFER.
    WriteBuffer,
    /// REPORT IDENTIFYING INFORMATION.
    ReportIdentifying,
    /// SET IDENTIFYING INFORMATION.
    SetIdentifying,
    /// REPORT SUPPORTED OPERATION CODES.
    ReportOpcodes,
    /// REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS.
    ReportTmf,
    /// REPORT TIMESTAMP.
    ReportTimestamp,
    /// SET TIMESTAMP.
    SetTimestamp,
}

pub(crate) fn run(
    lu: &mut Lu,
    command: SpcCommand,
    cdb: &Cdb,
    request: &Request<'_>,
    device: &mut dyn Device,
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
        SpcCommand::ReserveIn => reserve_in::run(lu, cdb, data),
        SpcCommand::ReserveOut => reserve_out::run(lu, cdb, request, data),
        SpcCommand::Prevent => prevent::run(lu, cdb, request),
        SpcCommand::SendDiagnostic => diagnostic::send(lu, cdb, device, data),
        SpcCommand::ReceiveDiagnostic => diagnostic::receive(cdb, device, data),
        SpcCommand::ReadBuffer => buffer::read(lu, cdb, request, device, data),
        SpcCommand::WriteBuffer => buffer::write(lu, cdb, request, device, data),
        SpcCommand::ReportIdentifying => identifying::report(lu, cdb, data),
        SpcCommand::SetIdentifying => identifying::set(lu, cdb, request.nexus, data),
        SpcCommand::ReportOpcodes => report_opcodes::run(cdb, device, data),
        SpcCommand::ReportTmf => report_tmf::run(cdb, data),
        SpcCommand::ReportTimestamp => timestamp::report(lu, cdb, request, data),
        SpcCommand::SetTimestamp => timestamp::set(lu, cdb, request, data),
    }
}

/// Bytes that a parameter list of this CDB has, for commands of SPC that send one.
#[must_use]
pub fn expected_data_out(command: SpcCommand, cdb: &Cdb) -> usize {
    match command {
        SpcCommand::ModeSelect => mode_select::list_length(cdb),
        SpcCommand::LogSelect => log_select::list_length(cdb),
        SpcCommand::ReserveOut => reserve_out::list_length(cdb),
        SpcCommand::SetTimestamp => timestamp::list_length(cdb),
        SpcCommand::SetIdentifying => identifying::list_length(cdb),
        SpcCommand::SendDiagnostic => diagnostic::list_length(cdb),
        SpcCommand::WriteBuffer => buffer::list_length(cdb),
        _ => 0,
    }
}
