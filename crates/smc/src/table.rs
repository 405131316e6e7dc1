//! The command table of a changer: one row per command.

use crate::command::{
    Command, element_information, element_status, exchange, import_export, initialize, move_medium, position,
    volume_tag,
};
use scsi_core::command::SpcCommand;
use scsi_core::command::{
    buffer, diagnostic, inquiry, log_select, log_sense, mode_select, mode_sense, persistent_reserve_in,
    persistent_reserve_out, prevent_allow_removal, report_luns, report_supported_opcodes, report_supported_tmfs,
    request_sense, reserve, timestamp,
};
use scsi_core::command_spec::{Access, CommandRow, CommandSpec, CommandTable};

const TEST_UNIT_READY: CommandSpec = CommandSpec::new("TEST UNIT READY", &[0x00, 0, 0, 0, 0, 0], Access::Status);

const fn row(spec: CommandSpec, run: Command) -> CommandRow<Command> {
    CommandRow { spec, command: run }
}

const fn spc(spec: CommandSpec, run: SpcCommand) -> CommandRow<Command> {
    row(spec, Command::Spc(run))
}

/// All commands of a changer, ascending by operation code and service action.
pub const COMMANDS: CommandTable<Command> = CommandTable(&[
    row(TEST_UNIT_READY, Command::TestUnitReady),
    spc(request_sense::SPEC, SpcCommand::RequestSense),
    row(initialize::SPEC, Command::InitializeElementStatus),
    spc(inquiry::SPEC, SpcCommand::Inquiry),
    spc(mode_select::SPEC_6, SpcCommand::ModeSelect),
    spc(reserve::RESERVE_6, SpcCommand::Reserve),
    spc(reserve::RELEASE_6, SpcCommand::Release),
    spc(mode_sense::SPEC_6, SpcCommand::ModeSense),
    row(import_export::SPEC, Command::OpenCloseImportExport),
    spc(diagnostic::RECEIVE, SpcCommand::ReceiveDiagnostic),
    spc(diagnostic::SEND, SpcCommand::SendDiagnostic),
    spc(prevent_allow_removal::SPEC, SpcCommand::PreventAllowMediumRemoval),
    row(position::SPEC, Command::PositionToElement),
    row(initialize::RANGE, Command::InitializeRange),
    spc(buffer::WRITE, SpcCommand::WriteBuffer),
    spc(buffer::READ, SpcCommand::ReadBuffer),
    spc(log_select::SPEC, SpcCommand::LogSelect),
    spc(log_sense::SPEC, SpcCommand::LogSense),
    spc(mode_select::SPEC_10, SpcCommand::ModeSelect),
    spc(reserve::RESERVE_10, SpcCommand::Reserve),
    spc(reserve::RELEASE_10, SpcCommand::Release),
    spc(mode_sense::SPEC_10, SpcCommand::ModeSense),
    spc(persistent_reserve_in::SPECS[0], SpcCommand::PersistentReserveIn),
    spc(persistent_reserve_in::SPECS[1], SpcCommand::PersistentReserveIn),
    spc(persistent_reserve_in::SPECS[2], SpcCommand::PersistentReserveIn),
    spc(persistent_reserve_in::SPECS[3], SpcCommand::PersistentReserveIn),
    spc(persistent_reserve_out::SPECS[0], SpcCommand::PersistentReserveOut),
    spc(persistent_reserve_out::SPECS[1], SpcCommand::PersistentReserveOut),
    spc(persistent_reserve_out::SPECS[2], SpcCommand::PersistentReserveOut),
    spc(persistent_reserve_out::SPECS[3], SpcCommand::PersistentReserveOut),
    spc(persistent_reserve_out::SPECS[4], SpcCommand::PersistentReserveOut),
    spc(persistent_reserve_out::SPECS[5], SpcCommand::PersistentReserveOut),
    spc(persistent_reserve_out::SPECS[6], SpcCommand::PersistentReserveOut),
    spc(persistent_reserve_out::SPECS[7], SpcCommand::PersistentReserveOut),
    row(element_information::SPEC, Command::ReportElementInformation),
    spc(report_luns::SPEC, SpcCommand::ReportLuns),
    spc(report_supported_opcodes::SPEC, SpcCommand::ReportSupportedOpcodes),
    spc(report_supported_tmfs::SPEC, SpcCommand::ReportSupportedTmfs),
    spc(timestamp::REPORT, SpcCommand::ReportTimestamp),
    spc(timestamp::SET, SpcCommand::SetTimestamp),
    row(move_medium::SPEC, Command::MoveMedium),
    row(exchange::SPEC, Command::ExchangeMedium),
    row(volume_tag::REQUEST, Command::RequestVolumeElementAddress),
    row(volume_tag::SEND, Command::SendVolumeTag),
    row(element_status::SPEC, Command::ReadElementStatus),
    row(initialize::VENDOR_RANGE, Command::InitializeRange),
]);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_ascend_and_lengths_fit() {
        assert_eq!(COMMANDS.inconsistency(), None);
    }
}
