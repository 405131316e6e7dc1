//! The rows of the commands that SPC defines, and the table of a device that has these and its own.

use super::{
    SpcCommand, buffer, diagnostic, inquiry, log_select, log_sense, mode_select, mode_sense, persistent_reserve_in,
    persistent_reserve_out, prevent_allow_removal, report_luns, report_supported_opcodes, report_supported_tmfs,
    request_sense, reserve, timestamp,
};
use crate::command_spec::{Access, CommandRow, CommandSpec};

/// A command of a device: one that SPC defines, or one of the device type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceCommand<K> {
    /// A command that SPC defines; [`Context::run_spc`](super::Context::run_spc) runs it.
    Spc(SpcCommand),
    /// A command of the device type, which its [`DeviceServer`](crate::device_server::DeviceServer) runs.
    Own(K),
}

impl<K: Copy> CommandRow<DeviceCommand<K>> {
    /// The row of a command of the device type.
    #[must_use]
    pub const fn own(spec: CommandSpec, command: K) -> Self {
        Self { spec, command: DeviceCommand::Own(command) }
    }

    /// The row of a command that SPC defines.
    #[must_use]
    pub const fn spc(spec: CommandSpec, command: SpcCommand) -> Self {
        Self { spec, command: DeviceCommand::Spc(command) }
    }
}

/// The facts of TEST UNIT READY, SPC-4 §6.47. The device type runs it.
pub const TEST_UNIT_READY: CommandSpec = CommandSpec::new("TEST UNIT READY", &[0x00, 0, 0, 0, 0, 0], Access::Status);

const fn row(spec: CommandSpec, command: SpcCommand) -> CommandRow<SpcCommand> {
    CommandRow { spec, command }
}

/// The commands of SPC that every device has, in ascending order of operation code and service action. Identifying
/// information is not among them: only some device types have it.
pub const SPC_ROWS: [CommandRow<SpcCommand>; 34] = [
    row(request_sense::SPEC, SpcCommand::RequestSense),
    row(inquiry::SPEC, SpcCommand::Inquiry),
    row(mode_select::SPEC_6, SpcCommand::ModeSelect),
    row(reserve::RESERVE_6, SpcCommand::Reserve),
    row(reserve::RELEASE_6, SpcCommand::Release),
    row(mode_sense::SPEC_6, SpcCommand::ModeSense),
    row(diagnostic::RECEIVE, SpcCommand::ReceiveDiagnostic),
    row(diagnostic::SEND, SpcCommand::SendDiagnostic),
    row(prevent_allow_removal::SPEC, SpcCommand::PreventAllowMediumRemoval),
    row(buffer::WRITE, SpcCommand::WriteBuffer),
    row(buffer::READ, SpcCommand::ReadBuffer),
    row(log_select::SPEC, SpcCommand::LogSelect),
    row(log_sense::SPEC, SpcCommand::LogSense),
    row(mode_select::SPEC_10, SpcCommand::ModeSelect),
    row(reserve::RESERVE_10, SpcCommand::Reserve),
    row(reserve::RELEASE_10, SpcCommand::Release),
    row(mode_sense::SPEC_10, SpcCommand::ModeSense),
    row(persistent_reserve_in::SPECS[0], SpcCommand::PersistentReserveIn),
    row(persistent_reserve_in::SPECS[1], SpcCommand::PersistentReserveIn),
    row(persistent_reserve_in::SPECS[2], SpcCommand::PersistentReserveIn),
    row(persistent_reserve_in::SPECS[3], SpcCommand::PersistentReserveIn),
    row(persistent_reserve_out::SPECS[0], SpcCommand::PersistentReserveOut),
    row(persistent_reserve_out::SPECS[1], SpcCommand::PersistentReserveOut),
    row(persistent_reserve_out::SPECS[2], SpcCommand::PersistentReserveOut),
    row(persistent_reserve_out::SPECS[3], SpcCommand::PersistentReserveOut),
    row(persistent_reserve_out::SPECS[4], SpcCommand::PersistentReserveOut),
    row(persistent_reserve_out::SPECS[5], SpcCommand::PersistentReserveOut),
    row(persistent_reserve_out::SPECS[6], SpcCommand::PersistentReserveOut),
    row(persistent_reserve_out::SPECS[7], SpcCommand::PersistentReserveOut),
    row(report_luns::SPEC, SpcCommand::ReportLuns),
    row(report_supported_opcodes::SPEC, SpcCommand::ReportSupportedOpcodes),
    row(report_supported_tmfs::SPEC, SpcCommand::ReportSupportedTmfs),
    row(timestamp::REPORT, SpcCommand::ReportTimestamp),
    row(timestamp::SET, SpcCommand::SetTimestamp),
];

/// Merges the rows of a device type with [`SPC_ROWS`], for a `const`. `ALL` is the number of all rows.
///
/// # Panics
/// If `ALL` is another number, or the rows of the device type are not in ascending order and different from those of
/// SPC. In a `const`, this is a compile error.
#[must_use]
#[expect(clippy::indexing_slicing, reason = "evaluated at compile time: an index out of range does not build")]
pub const fn with_spc_rows<K: Copy, const OWN: usize, const ALL: usize>(
    own: &[CommandRow<DeviceCommand<K>>; OWN],
) -> [CommandRow<DeviceCommand<K>>; ALL] {
    assert!(OWN + SPC_ROWS.len() == ALL, "the number of rows is not the sum of both tables");
    let mut rows = [CommandRow::spc(SPC_ROWS[0].spec, SPC_ROWS[0].command); ALL];
    let (mut owned, mut spc) = (0, 0);
    while owned + spc < ALL {
        let at = owned + spc;
        if spc == SPC_ROWS.len() || (owned < OWN && own[owned].spec.order() < SPC_ROWS[spc].spec.order()) {
            rows[at] = own[owned];
            owned += 1;
        } else {
            rows[at] = CommandRow::spc(SPC_ROWS[spc].spec, SPC_ROWS[spc].command);
            spc += 1;
        }
        assert!(at == 0 || rows[at - 1].spec.order() < rows[at].spec.order(), "rows are not in ascending order");
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn own(opcode: &'static [u8], command: char) -> CommandRow<DeviceCommand<char>> {
        CommandRow::own(CommandSpec::new("X", opcode, Access::Always), command)
    }

    #[test]
    fn rows_are_merged_in_ascending_order() {
        const OWN: [CommandRow<DeviceCommand<char>>; 3] =
            [own(&[0x00, 0, 0, 0, 0, 0], 'a'), own(&[0x13, 0, 0, 0, 0, 0], 'b'), own(&[0xff, 0, 0, 0, 0, 0], 'c')];
        const ALL: [CommandRow<DeviceCommand<char>>; 37] = with_spc_rows(&OWN);
        let opcodes: Vec<u8> = ALL.iter().map(|row| row.spec.opcode.0).collect();
        assert_eq!(opcodes[..5], [0x00, 0x03, 0x12, 0x13, 0x15]);
        assert_eq!(opcodes[34..], [0xa3, 0xa4, 0xff]);
        assert_eq!(
            [ALL[0].command, ALL[2].command, ALL[3].command, ALL[36].command],
            [
                DeviceCommand::Own('a'),
                DeviceCommand::Spc(SpcCommand::Inquiry),
                DeviceCommand::Own('b'),
                DeviceCommand::Own('c')
            ]
        );
    }

    #[test]
    #[should_panic(expected = "ascending order")]
    fn row_of_an_spc_command_is_refused() {
        let _: [_; 35] = with_spc_rows(&[own(&[0x12, 0, 0, 0, 0, 0], 'a')]);
    }

    #[test]
    #[should_panic(expected = "ascending order")]
    fn unsorted_rows_are_refused() {
        let _: [_; 36] = with_spc_rows(&[own(&[0x10, 0, 0, 0, 0, 0], 'a'), own(&[0x0f, 0, 0, 0, 0, 0], 'b')]);
    }
}
