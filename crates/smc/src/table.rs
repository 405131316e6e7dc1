//! The command table of a changer: one row per command.

use crate::command::{
    Command, element_information, element_status, exchange, import_export, initialize, move_medium, position,
    volume_tag,
};
use scsi_core::command::{DeviceCommand, SPC_ROWS, TEST_UNIT_READY, with_spc_rows};
use scsi_core::command_spec::{CommandRow, CommandTable};

type Row = CommandRow<DeviceCommand<Command>>;

const OWN: [Row; 12] = [
    Row::own(TEST_UNIT_READY, Command::TestUnitReady),
    Row::own(initialize::SPEC, Command::InitializeElementStatus),
    Row::own(import_export::SPEC, Command::OpenCloseImportExport),
    Row::own(position::SPEC, Command::PositionToElement),
    Row::own(initialize::RANGE, Command::InitializeRange),
    Row::own(element_information::SPEC, Command::ReportElementInformation),
    Row::own(move_medium::SPEC, Command::MoveMedium),
    Row::own(exchange::SPEC, Command::ExchangeMedium),
    Row::own(volume_tag::REQUEST, Command::RequestVolumeElementAddress),
    Row::own(volume_tag::SEND, Command::SendVolumeTag),
    Row::own(element_status::SPEC, Command::ReadElementStatus),
    Row::own(initialize::VENDOR_RANGE, Command::InitializeRange),
];

const ALL: [Row; OWN.len() + SPC_ROWS.len()] = with_spc_rows(&OWN);

/// All commands of a changer, those of SPC included, ascending by operation code and service action.
pub const COMMANDS: CommandTable<DeviceCommand<Command>> = CommandTable(&ALL);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_ascend_and_lengths_fit() {
        assert_eq!((COMMANDS.0.len(), COMMANDS.inconsistency()), (46, None));
    }
}
