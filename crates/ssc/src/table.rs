//! Command table of a drive: one row for each command, ascending by operation code and service action.

use crate::command::{
    Command, access_order, allow_overwrite, block_limits, density, end_of_wrap, erase, filemarks, format_medium,
    load_unload, locate, media_serial, position, read, read_attribute, read_reverse, recover_buffered_data, rewind,
    security_protocol_in, security_protocol_out, set_capacity, space, verify, write, write_attribute,
};
use scsi_core::command::{
    DeviceCommand, SPC_ROWS, SpcCommand, TEST_UNIT_READY, identifying_information, with_spc_rows,
};
use scsi_core::command_spec::{CommandRow, CommandTable};

type Row = CommandRow<DeviceCommand<Command>>;

const OWN: [Row; 43] = [
    Row::own(TEST_UNIT_READY, Command::TestUnitReady),
    Row::own(rewind::SPEC, Command::Rewind),
    Row::own(format_medium::SPEC, Command::FormatMedium),
    Row::own(block_limits::SPEC, Command::ReadBlockLimits),
    Row::own(read::SPEC_6, Command::Read),
    Row::own(write::SPEC_6, Command::Write),
    Row::own(set_capacity::SPEC, Command::SetCapacity),
    Row::own(read_reverse::SPEC_6, Command::ReadReverse),
    Row::own(filemarks::SPEC_6, Command::WriteFilemarks),
    Row::own(space::SPEC_6, Command::Space),
    Row::own(verify::SPEC_6, Command::Verify),
    Row::own(recover_buffered_data::SPEC, Command::RecoverBufferedData),
    Row::own(erase::SPEC_6, Command::Erase),
    Row::own(load_unload::SPEC, Command::LoadUnload),
    Row::own(locate::SPEC_10, Command::Locate),
    Row::own(position::SPECS[0], Command::ReadPosition),
    Row::own(position::SPECS[1], Command::ReadPosition),
    Row::own(position::SPECS[2], Command::ReadPosition),
    Row::own(position::SPECS[3], Command::ReadPosition),
    Row::own(density::SPEC, Command::ReportDensity),
    Row::own(filemarks::SPEC_16, Command::WriteFilemarks),
    Row::own(read_reverse::SPEC_16, Command::ReadReverse),
    Row::own(allow_overwrite::SPEC, Command::AllowOverwrite),
    Row::own(read::SPEC_16, Command::Read),
    Row::own(write::SPEC_16, Command::Write),
    Row::own(read_attribute::SPECS[0], Command::ReadAttribute),
    Row::own(read_attribute::SPECS[1], Command::ReadAttribute),
    Row::own(read_attribute::SPECS[2], Command::ReadAttribute),
    Row::own(read_attribute::SPECS[3], Command::ReadAttribute),
    Row::own(read_attribute::SPECS[4], Command::ReadAttribute),
    Row::own(write_attribute::SPEC, Command::WriteAttribute),
    Row::own(verify::SPEC_16, Command::Verify),
    Row::own(space::SPEC_16, Command::Space),
    Row::own(locate::SPEC_16, Command::Locate),
    Row::own(erase::SPEC_16, Command::Erase),
    Row::own(security_protocol_in::SPEC, Command::SecurityIn),
    Row::spc(identifying_information::REPORT, SpcCommand::ReportIdentifyingInformation),
    Row::own(access_order::RECEIVE, Command::ReceiveAccessOrder),
    Row::own(end_of_wrap::SPEC, Command::EndOfWrap),
    Row::spc(identifying_information::SET, SpcCommand::SetIdentifyingInformation),
    Row::own(access_order::GENERATE, Command::GenerateAccessOrder),
    Row::own(media_serial::SPEC, Command::ReadMediaSerial),
    Row::own(security_protocol_out::SPEC, Command::SecurityOut),
];

const ALL: [Row; OWN.len() + SPC_ROWS.len()] = with_spc_rows(&OWN);

/// Commands of all drive models, those of SPC included, ascending by operation code and service action. A profile may
/// lack some of them ([`crate::profile::DriveProfile::unsupported_commands`]).
pub const COMMANDS: CommandTable<DeviceCommand<Command>> = CommandTable(&ALL);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_ascend_and_lengths_fit() {
        assert_eq!((COMMANDS.0.len(), COMMANDS.inconsistency()), (77, None));
    }
}
