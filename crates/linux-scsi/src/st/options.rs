//! Options of the driver: those of each mode, and those of the drive.

use bitflags::bitflags;

bitflags! {
    /// The Boolean options of MTSETDRVBUFFER.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(super) struct Booleans: u32 {
        const BUFFER_WRITES = 0x1;
        const ASYNC_WRITES = 0x2;
        const READ_AHEAD = 0x4;
        const DEBUGGING = 0x8;
        const TWO_FM = 0x10;
        const FAST_MTEOM = 0x20;
        const AUTO_LOCK = 0x40;
        const DEF_WRITES = 0x80;
        const CAN_BSR = 0x100;
        const NO_BLKLIMS = 0x200;
        const CAN_PARTITIONS = 0x400;
        const SCSI2LOGICAL = 0x800;
        const SYSV = 0x1000;
        const NOWAIT = 0x2000;
        const SILI = 0x4000;
        const NOWAIT_EOF = 0x8000;
    }
}

/// The options of one mode of a drive.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mode {
    /// Whether the mode was defined: an undefined one cannot be opened.
    pub(super) defined: bool,
    pub(super) booleans: Booleans,
    pub(super) default_density: Option<u8>,
    pub(super) default_compression: Option<bool>,
}

impl Mode {
    /// Mode 0 is defined, the others are not.
    pub(super) const fn initial() -> [Self; 4] {
        let booleans = Booleans::BUFFER_WRITES.union(Booleans::ASYNC_WRITES).union(Booleans::READ_AHEAD);
        let mode = Self { defined: false, booleans, default_density: None, default_compression: None };
        [Self { defined: true, ..mode }, mode, mode, mode]
    }
}

/// The options of a drive, for all its modes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Options {
    pub(super) booleans: Booleans,
    pub(super) default_block_length: Option<u32>,
    pub(super) default_buffered_mode: Option<u8>,
}

impl Options {
    pub(super) const INITIAL: Self =
        Self { booleans: Booleans::CAN_BSR, default_block_length: None, default_buffered_mode: None };
}
