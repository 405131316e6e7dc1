//! Command table of a drive: one row for each command, ascending by operation code and service action.

use crate::command::{
    Command, allow_overwrite, block_limits, density, end_of_wrap, erase, filemarks, format_medium, load_unload, locate,
    media_serial, position, read, read_attribute, read_reverse, recover_buffered_data, rewind, security_protocol_in,
    security_protocol_out, set_capacity, space, verify, write, write_attribute,
};
use scsi_core::command::SpcCommand;
use scsi_core::command::{
    buffer, diagnostic, identifying_information, inquiry, log_select, log_sense, mode_select, mode_sense,
    persistent_reserve_in, persistent_reserve_out, prevent_allow_removal, report_luns, report_supported_opcodes,
    report_supported_tmfs, request_sense, reserve, timestamp,
};
use scsi_core::command_spec::{Access, CommandRow, CommandSpec, CommandTable};

const TEST_UNIT_READY: CommandSpec = CommandSpec::new("TEST UNIT READY", &[0x00, 0, 0, 0, 0, 0], Access::Status);

const fn row(spec: CommandSpec, run: Command) -> CommandRow<Command> {
    CommandRow { spec, command: run }
}

const fn spc(spec: CommandSpec, run: SpcCommand) -> CommandRow<Command> {
    row(spec, Command::Spc(run))
}

/// Commands of all drive models, ascending by operation code and service action. A profile may lack some of them
/// ([`crate::profile::DriveProfile::unsupported_commands`]).
pub const COMMANDS: CommandTable<Command> = CommandTable(&[
    row(TEST_UNIT_READY, Command::TestUnitReady),
    row(rewind::SPEC, Command::Rewind),
    spc(request_sense::SPEC, SpcCommand::RequestSense),
    row(format_medium::SPEC, Command::FormatMedium),
    row(block_limits::SPEC, Command::ReadBlockLimits),
    row(read::SPEC_6, Command::Read),
    row(write::SPEC_6, Command::Write),
    row(set_capacity::SPEC, Command::SetCapacity),
    row(read_reverse::SPEC_6, Command::ReadReverse),
    row(filemarks::SPEC_6, Command::WriteFilemarks),
    row(space::SPEC_6, Command::Space),
    spc(inquiry::SPEC, SpcCommand::Inquiry),
    row(verify::SPEC_6, Command::Verify),
    row(recover_buffered_data::SPEC, Command::RecoverBufferedData),
    spc(mode_select::SPEC_6, SpcCommand::ModeSelect),
    spc(reserve::RESERVE_6, SpcCommand::Reserve),
    spc(reserve::RELEASE_6, SpcCommand::Release),
    row(erase::SPEC_6, Command::Erase),
    spc(mode_sense::SPEC_6, SpcCommand::ModeSense),
    row(load_unload::SPEC, Command::LoadUnload),
    spc(diagnostic::RECEIVE, SpcCommand::ReceiveDiagnostic),
    spc(diagnostic::SEND, SpcCommand::SendDiagnostic),
    spc(prevent_allow_removal::SPEC, SpcCommand::PreventAllowMediumRemoval),
    row(locate::SPEC_10, Command::Locate),
    row(position::SPECS[0], Command::ReadPosition),
    row(position::SPECS[1], Command::ReadPosition),
    row(position::SPECS[2], Command::ReadPosition),
    row(position::SPECS[3], Command::ReadPosition),
    spc(buffer::WRITE, SpcCommand::WriteBuffer),
    spc(buffer::READ, SpcCommand::ReadBuffer),
    row(density::SPEC, Command::ReportDensity),
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
    row(filemarks::SPEC_16, Command::WriteFilemarks),
    row(read_reverse::SPEC_16, Command::ReadReverse),
    row(allow_overwrite::SPEC, Command::AllowOverwrite),
    row(read::SPEC_16, Command::Read),
    row(write::SPEC_16, Command::Write),
    row(read_attribute::SPECS[0], Command::ReadAttribute),
    row(read_attribute::SPECS[1], Command::ReadAttribute),
    row(read_attribute::SPECS[2], Command::ReadAttribute),
    row(read_attribute::SPECS[3], Command::ReadAttribute),
    row(read_attribute::SPECS[4], Command::ReadAttribute),
    row(write_attribute::SPEC, Command::WriteAttribute),
    row(verify::SPEC_16, Command::Verify),
    row(space::SPEC_16, Command::Space),
    row(locate::SPEC_16, Command::Locate),
    row(erase::SPEC_16, Command::Erase),
    spc(report_luns::SPEC, SpcCommand::ReportLuns),
    row(security_protocol_in::SPEC, Command::SecurityIn),
    spc(identifying_information::REPORT, SpcCommand::ReportIdentifyingInformation),
    spc(report_supported_opcodes::SPEC, SpcCommand::ReportSupportedOpcodes),
    spc(report_supported_tmfs::SPEC, SpcCommand::ReportSupportedTmfs),
    spc(timestamp::REPORT, SpcCommand::ReportTimestamp),
    row(end_of_wrap::SPEC, Command::EndOfWrap),
    spc(identifying_information::SET, SpcCommand::SetIdentifyingInformation),
    spc(timestamp::SET, SpcCommand::SetTimestamp),
    row(media_serial::SPEC, Command::ReadMediaSerial),
    row(security_protocol_out::SPEC, Command::SecurityOut),
]);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_ascend_and_lengths_fit() {
        assert_eq!(COMMANDS.inconsistency(), None);
    }
}
