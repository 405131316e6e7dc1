//! Commands of SSC: layout, parsing and execution of each in one file.

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

use scsi_core::command::SpcCommand;

/// What a row of the table runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// A command of SPC.
    Spc(SpcCommand),
    /// TEST UNIT READY.
    TestUnitReady,
    /// REWIND.
    Rewind,
    /// READ BLOCK LIMITS.
    ReadBlockLimits,
    /// READ(6) and (16).
    Read,
    /// WRITE(6) and (16).
    Write,
    /// WRITE FILEMARKS(6) and (16).
    WriteFilemarks,
    /// SPACE(6) and (16).
    Space,
    /// LOCATE(10) and (16).
    Locate,
    /// READ POSITION.
    ReadPosition,
    /// ERASE(6) and (16).
    Erase,
    /// LOAD UNLOAD.
    LoadUnload,
    /// REPORT DENSITY SUPPORT.
    ReportDensity,
    /// READ ATTRIBUTE.
    ReadAttribute,
    /// WRITE ATTRIBUTE.
    WriteAttribute,
    /// FORMAT MEDIUM.
    FormatMedium,
    /// VERIFY(6) and (16).
    Verify,
    /// READ REVERSE(6) and (16).
    ReadReverse,
    /// RECOVER BUFFERED DATA.
    RecoverBufferedData,
    /// SET CAPACITY.
    SetCapacity,
    /// ALLOW OVERWRITE.
    AllowOverwrite,
    /// READ END OF WRAP POSITION.
    EndOfWrap,
    /// READ MEDIA SERIAL NUMBER.
    ReadMediaSerial,
    /// SECURITY PROTOCOL IN.
    SecurityIn,
    /// SECURITY PROTOCOL OUT.
    SecurityOut,
}
