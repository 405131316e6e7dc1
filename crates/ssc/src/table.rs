//! Every command of a drive, ascending: one row of facts each.

use crate::command::{
    Command, allow_overwrite, density, end_of_wrap, erase, filemarks, format_medium, limits, load_unload, locate,
    media_serial, position, read, read_attribute, read_reverse, recover, rewind, security_in, security_out,
    set_capacity, space, verify, write, write_attribute,
};
use scsi_core::command::SpcCommand;
use scsi_core::command::{
    buffer, diagnostic, identifying, inquiry, log_select, log_sense, mode_select, mode_sense, prevent, report_luns,
    report_opcodes, report_tmf, request_sense, reserve, reserve_in, reserve_out, timestamp,
};
use scsi_core::spec::{Access, CommandSpec, Row, Table};

const TEST_UNIT_READY: CommandSpec = CommandSpec::new("TEST UNIT READY", &[0x00, 0, 0, 0, 0, 0], Access::Status);

const fn row(spec: CommandSpec, run: Command) -> Row<Command> {
    Row { spec, run }
}

const fn spc(spec: CommandSpec, run: SpcCommand) -> Row<Command> {
    row(spec, Command::Spc(run))
}

/// The commands.
pub const COMMANDS: Table<Command> = Table(&[
    row(TEST_UNIT_READY, Command::TestUnitReady),
    row(rewind::SPEC, Command::Rewind),
    spc(request_sense::SPEC, SpcCommand::RequestSense),
    row(format_medium::SPEC, Command::FormatMedium),
    row(limits::SPEC, Command::ReadBlockLimits),
    row(read::SPEC_6, Command::Read),
    row(write::SPEC_6, Command::Write),
    row(set_capacity::SPEC, Command::SetCapacity),
    row(read_reverse::SPEC_6, Command::ReadReverse),
    row(filemarks::SPEC_6, Command::WriteFilemarks),
    row(space::SPEC_6, Command::Space),
    spc(inquiry::SPEC, SpcCommand::Inquiry),
    row(verify::SPEC_6, Command::Verify),
    row(recover::SPEC, Command::RecoverBufferedData),
    spc(mode_select::SPEC_6, SpcCommand::ModeSelect),
    spc(reserve::RESERVE_6, SpcCommand::Reserve),
    spc(reserve::RELEASE_6, SpcCommand::Release),
    row(erase::SPEC_6, Command::Erase),
    spc(mode_sense::SPEC_6, SpcCommand::ModeSense),
    row(load_unload::SPEC, Command::LoadUnload),
    spc(diagnostic::RECEIVE, SpcCommand::ReceiveDiagnostic),
    spc(diagnostic::SEND, SpcCommand::SendDiagnostic),
    spc(prevent::SPEC, SpcCommand::Prevent),
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
    spc(reserve_in::SPECS[0], SpcCommand::ReserveIn),
    spc(reserve_in::SPECS[1], SpcCommand::ReserveIn),
    spc(reserve_in::SPECS[2], SpcCommand::ReserveIn),
    spc(reserve_in::SPECS[3], SpcCommand::ReserveIn),
    spc(reserve_out::SPECS[0], SpcCommand::ReserveOut),
    spc(reserve_out::SPECS[1], SpcCommand::ReserveOut),
    spc(reserve_out::SPECS[2], SpcCommand::ReserveOut),
    spc(reserve_out::SPECS[3], SpcCommand::ReserveOut),
    spc(reserve_out::SPECS[4], SpcCommand::ReserveOut),
    spc(reserve_out::SPECS[5], SpcCommand::ReserveOut),
    spc(reserve_out::SPECS[6], SpcCommand::ReserveOut),
    spc(reserve_out::SPECS[7], SpcCommand::ReserveOut),
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
    row(security_in::SPEC, Command::SecurityIn),
    spc(identifying::REPORT, SpcCommand::ReportIdentifying),
    spc(report_opcodes::SPEC, SpcCommand::ReportOpcodes),
    spc(report_tmf::SPEC, SpcCommand::ReportTmf),
    spc(timestamp::REPORT, SpcCommand::ReportTimestamp),
    row(end_of_wrap::SPEC, Command::EndOfWrap),
    spc(identifying::SET, SpcCommand::SetIdentifying),
    spc(timestamp::SET, SpcCommand::SetTimestamp),
    row(media_serial::SPEC, Command::ReadMediaSerial),
    row(security_out::SPEC, Command::SecurityOut),
]);

/// Whether the data of a command is a secret, so that who holds a buffer of it must wipe it.
#[must_use]
pub fn is_secret(cdb: &[u8]) -> bool {
    COMMANDS.find(&scsi_core::cdb::Cdb::new(cdb)).is_ok_and(|row| row.run == Command::SecurityOut)
}

/// The name of a command, if drives have it.
#[must_use]
pub fn name(cdb: &[u8]) -> Option<&'static str> {
    COMMANDS.find(&scsi_core::cdb::Cdb::new(cdb)).ok().map(|row| row.spec.name)
}

/// Whether a command may wait for a disk or a robot, so that a door must not run it on its own thread.
#[must_use]
pub fn may_block(cdb: &[u8]) -> bool {
    COMMANDS.find(&scsi_core::cdb::Cdb::new(cdb)).is_ok_and(|row| row.spec.may_block)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_ascend_and_lengths_fit() {
        assert_eq!(COMMANDS.fault(), None);
    }
}
