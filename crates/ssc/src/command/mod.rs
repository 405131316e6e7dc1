//! Commands of SSC: layout, parsing and execution of each in one file.

pub(crate) mod density;
pub(crate) mod erase;
pub(crate) mod filemarks;
pub(crate) mod limits;
pub(crate) mod load_unload;
pub(crate) mod locate;
pub(crate) mod position;
pub(crate) mod read;
pub(crate) mod read_attribute;
pub(crate) mod rewind;
pub(crate) mod space;
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
}
