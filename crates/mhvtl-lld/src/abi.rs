//! What goes over the device: numbers and structures of mhvtl's module 0.18 to 1.8, on 64-bit Linux. There is no version
//! in it; these have not changed since 2009.

use std::mem::{offset_of, size_of};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// VTL_POLL_AND_GET_HEADER.
pub const POLL: u32 = 0x200;
/// VTL_GET_DATA.
pub const GET_DATA: u32 = 0x201;
/// VTL_PUT_DATA.
pub const PUT_DATA: u32 = 0x203;
/// VTL_REMOVE_LU.
pub const REMOVE_LU: u32 = 0x205;

/// What POLL returns when there is a command; 0 if there is none.
pub const POLL_HAS_COMMAND: i32 = 0xfe;
/// What PUT_DATA returns for a command that is no more: aborted, expired, or answered before.
pub const PUT_COMMAND_GONE: i32 = 1;

/// Bytes of sense that the module takes, whatever of them counts.
pub const SENSE_LEN: usize = 96;
/// Bytes of one transfer: 128 segments of a page. More fails at the host.
pub const MAX_TRANSFER: usize = 512 * 1024;
/// Minors that can be opened are below this.
pub const MAX_MINORS: u16 = 256;
/// LUNs that the SCSI layer takes are below this.
pub const MAX_LUNS: u32 = 32;

/// A command, as POLL gives it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct CommandHeader {
    /// Serial number, from 2.
    pub serial: u64,
    /// CDB; bytes behind its own length mean nothing.
    pub cdb: [u8; 16],
    /// A pointer of the module's own, always 0.
    pub unused: u64,
}

const _: () = assert!(
    size_of::<CommandHeader>() == 32 && offset_of!(CommandHeader, cdb) == 8 && offset_of!(CommandHeader, unused) == 24
);

/// Data of a command, for GET_DATA and PUT_DATA.
#[derive(Clone, Copy, Debug, Default, IntoBytes, Immutable)]
#[repr(C)]
pub struct DataTransfer {
    /// Address of the buffer.
    pub buffer: u64,
    /// Bytes in it.
    pub count: u32,
    /// Nothing.
    pub padding: u32,
    /// The command's serial number.
    pub serial: u64,
    /// Address of [`SENSE_LEN`] bytes.
    pub sense: u64,
    /// SAM status.
    pub status: u8,
    /// Nothing.
    pub more_padding: [u8; 7],
}

const _: () = assert!(
    size_of::<DataTransfer>() == 40
        && offset_of!(DataTransfer, count) == 8
        && offset_of!(DataTransfer, serial) == 16
        && offset_of!(DataTransfer, sense) == 24
        && offset_of!(DataTransfer, status) == 32
);

/// Where a unit is on the module's host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, IntoBytes, Immutable)]
#[repr(C)]
pub struct HostAddress {
    /// Channel.
    pub channel: u32,
    /// Target.
    pub target: u32,
    /// LUN.
    pub lun: u32,
}

const _: () = assert!(
    size_of::<HostAddress>() == 12 && offset_of!(HostAddress, target) == 4 && offset_of!(HostAddress, lun) == 8
);

/// Length of a CDB by the group of its opcode: the module does not say it.
#[must_use]
pub const fn cdb_len(opcode: u8) -> usize {
    match opcode >> 5 {
        0 => 6,
        1 | 2 => 10,
        5 => 12,
        _ => 16,
    }
}
