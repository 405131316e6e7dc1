//! Commands of SSC: layout, parsing and execution of each in one file.

pub(crate) mod density;
pub(crate) mod erase;
pub(crate) mod filemarks;
pub(crate) mod format_medium;
pub(crate) mod limits;
pub(crate) mod load_unload;
pub(crate) mod locate;
pub(crate) mod media_serial;
pub(crate) mod position;
pub(crate) mod read;
pub(crate) mod read_attribute;
pub(crate) mod rewind;
pub(crate) mod security_in;
pub(crate) mod security_out;
pub(crate) mod space;
pub(crate) mod verify;
pub(crate) mod write;
pub(crate) mod write_attribute;

use scsi_core::command::SpcCommand;
use scsi_core::wire::U24;
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// The layout that READ(6) and WRITE(6) share.
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Transfer6 {
    opcode: u8,
    flags: u8,
    transfer_length: U24,
    control: u8,
}
const _: () = assert!(size_of::<Transfer6>() == 6);

impl Transfer6 {
    /// The length counts blocks of the block length in effect, not bytes.
    const fn fixed(&self) -> bool {
        self.flags & 0x01 != 0
    }
}

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
    /// READ(6).
    Read,
    /// WRITE(6).
    Write,
    /// WRITE FILEMARKS(6).
    WriteFilemarks,
    /// SPACE(6) and (16).
    Space,
    /// LOCATE(10) and (16).
    Locate,
    /// READ POSITION.
    ReadPosition,
    /// ERASE(6).
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
    /// VERIFY(6).
    Verify,
    /// READ MEDIA SERIAL NUMBER.
    ReadMediaSerial,
    /// SECURITY PROTOCOL IN.
    SecurityIn,
    /// SECURITY PROTOCOL OUT.
    SecurityOut,
}
