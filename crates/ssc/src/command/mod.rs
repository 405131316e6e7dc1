//! SSC commands: the dispatcher, and one file for the layout, parsing and execution of each command.

pub(crate) mod access_order;
pub(crate) mod allow_overwrite;
pub(crate) mod block_limits;
pub(crate) mod density;
pub(crate) mod end_of_wrap;
pub(crate) mod erase;
pub(crate) mod filemarks;
pub(crate) mod format_medium;
pub(crate) mod load_unload;
pub(crate) mod locate;
pub(crate) mod media_serial;
pub(crate) mod position;
pub(crate) mod read;
pub(crate) mod read_attribute;
pub(crate) mod read_reverse;
pub(crate) mod recover_buffered_data;
pub(crate) mod rewind;
pub(crate) mod security_protocol_in;
pub(crate) mod security_protocol_out;
pub(crate) mod set_capacity;
pub(crate) mod space;
mod transfer;
pub(crate) mod verify;
pub(crate) mod write;
pub(crate) mod write_attribute;

use crate::device::DriveState;
use scsi_core::cdb::Cdb;
use scsi_core::command::{DeviceCommand, SpcCommand};
use scsi_core::fault::Outcome;

/// Command that a row of the command table runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// TEST UNIT READY (SPC-4): reports whether a tape is mounted and ready.
    TestUnitReady,
    /// REWIND: positions at the beginning of the partition.
    Rewind,
    /// READ BLOCK LIMITS: reports minimum and maximum block length.
    ReadBlockLimits,
    /// READ(6) and READ(16): read blocks after the position.
    Read,
    /// WRITE(6) and WRITE(16): write blocks at the position.
    Write,
    /// WRITE FILEMARKS(6) and WRITE FILEMARKS(16): write filemarks, and make written data durable.
    WriteFilemarks,
    /// SPACE(6) and SPACE(16): position over blocks or filemarks, or to end of data.
    Space,
    /// LOCATE(10) and LOCATE(16): position to a logical object, a file or end of data.
    Locate,
    /// READ POSITION in its short, long and extended forms.
    ReadPosition,
    /// ERASE(6) and ERASE(16): erase from the position to the end of the partition.
    Erase,
    /// LOAD UNLOAD: loads or unloads the cartridge.
    LoadUnload,
    /// REPORT DENSITY SUPPORT: reports supported densities and medium types.
    ReportDensity,
    /// READ ATTRIBUTE (SPC-4): reads attributes of the cartridge memory.
    ReadAttribute,
    /// WRITE ATTRIBUTE (SPC-4): writes host attributes of the cartridge memory.
    WriteAttribute,
    /// FORMAT MEDIUM: erases the medium and creates partitions.
    FormatMedium,
    /// VERIFY(6) and VERIFY(16): check blocks, or compare them with data of the host.
    Verify,
    /// READ REVERSE(6) and READ REVERSE(16): read blocks before the position.
    ReadReverse,
    /// RECOVER BUFFERED DATA: returns no data, because the buffer is always empty.
    RecoverBufferedData,
    /// SET CAPACITY: erases the medium and sets its capacity.
    SetCapacity,
    /// ALLOW OVERWRITE: allows one overwrite in append-only mode.
    AllowOverwrite,
    /// READ END OF WRAP POSITION of IBM's LTO drives: reports the objects at the ends of wraps.
    EndOfWrap,
    /// GENERATE RECOMMENDED ACCESS ORDER: orders segments of the tape by the time of their locates.
    GenerateAccessOrder,
    /// RECEIVE RECOMMENDED ACCESS ORDER: returns the ordered segments, or the limits of their list.
    ReceiveAccessOrder,
    /// READ MEDIA SERIAL NUMBER (SPC-4): reports the serial number of the cartridge.
    ReadMediaSerial,
    /// SECURITY PROTOCOL IN (SPC-4): reports encryption capabilities and status.
    SecurityIn,
    /// SECURITY PROTOCOL OUT (SPC-4): sets data encryption parameters.
    SecurityOut,
}

/// The arguments of the handler of a drive's command.
pub(crate) type Context<'a, 'd, 'i> = scsi_core::command::Context<'a, 'd, 'i, DriveState>;

/// Runs a command that has been admitted.
pub(crate) fn run(command: DeviceCommand<Command>, cx: &mut Context<'_, '_, '_>) -> Outcome {
    cx.device.media.removal_prevented = cx.lu.removal_prevented();
    if let Some(mounted) = cx.device.media.threaded_mut() {
        mounted.today = cx.request.now.wall.0 / 1000;
        let reads_counters =
            matches!(command, DeviceCommand::Spc(SpcCommand::LogSense) | DeviceCommand::Own(Command::ReadAttribute));
        if reads_counters {
            mounted.drain();
        }
    }
    let command = match command {
        DeviceCommand::Spc(command) => return cx.run_spc(command),
        DeviceCommand::Own(command) => command,
    };
    match command {
        Command::TestUnitReady => cx.device.media.ready().map(drop).map_err(Into::into),
        Command::Rewind => rewind::run(cx),
        Command::ReadReverse => read_reverse::run(cx),
        Command::RecoverBufferedData => recover_buffered_data::run(cx),
        Command::SetCapacity => set_capacity::run(cx),
        Command::AllowOverwrite => allow_overwrite::run(cx),
        Command::EndOfWrap => end_of_wrap::run(cx),
        Command::GenerateAccessOrder => access_order::generate(cx),
        Command::ReceiveAccessOrder => access_order::receive(cx),
        Command::ReadBlockLimits => block_limits::run(cx),
        Command::Read => read::run(cx),
        Command::Write => write::run(cx),
        Command::WriteFilemarks => filemarks::run(cx),
        Command::Space => space::run(cx),
        Command::Locate => locate::run(cx),
        Command::ReadPosition => position::run(cx),
        Command::Erase => erase::run(cx),
        Command::LoadUnload => load_unload::run(cx),
        Command::ReportDensity => density::run(cx),
        Command::ReadAttribute => read_attribute::run(cx),
        Command::WriteAttribute => write_attribute::run(cx),
        Command::FormatMedium => format_medium::run(cx),
        Command::Verify => verify::run(cx),
        Command::ReadMediaSerial => media_serial::run(cx),
        Command::SecurityIn => security_protocol_in::run(cx),
        Command::SecurityOut => security_protocol_out::run(cx),
    }
}

/// TRANSFER LENGTH of a command that reads or writes blocks or filemarks.
pub(crate) fn transfer_length(cdb: &Cdb) -> u32 {
    transfer::Transfer::parse(cdb).length
}

/// Data-Out length that a command requests, in bytes.
pub(crate) fn data_out_length(command: Command, cdb: &Cdb, block_length: u32) -> usize {
    match command {
        Command::Write => write::bytes(cdb, block_length),
        Command::Verify => verify::bytes(cdb, block_length),
        Command::SecurityOut => security_protocol_out::list_length(cdb),
        Command::WriteAttribute => write_attribute::list_length(cdb),
        Command::GenerateAccessOrder => access_order::list_length(cdb),
        _ => 0,
    }
}
