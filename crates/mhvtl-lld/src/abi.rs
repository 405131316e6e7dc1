//! The interface of the character device: ioctl numbers and structures of mhvtl's kernel module 0.18 to 1.8, on 64-bit
//! Linux. It has no version number; these definitions have not changed since 2009.

use std::mem::{offset_of, size_of};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// ioctl VTL_POLL_AND_GET_HEADER: returns the next command.
pub const POLL: u32 = 0x200;
/// ioctl VTL_GET_DATA: copies the Data-Out bytes of a command.
pub const GET_DATA: u32 = 0x201;
/// ioctl VTL_PUT_DATA: completes a command.
pub const PUT_DATA: u32 = 0x203;
/// ioctl VTL_REMOVE_LU: removes a unit from the SCSI host.
pub const REMOVE_LU: u32 = 0x205;

/// Result of [`POLL`] if there is a command; 0 if there is none.
pub const POLL_HAS_COMMAND: i32 = 0xfe;
/// Result of [`PUT_DATA`] for a command that no longer exists: aborted, timed out, or already completed.
pub const PUT_COMMAND_GONE: i32 = 1;

/// Number of sense bytes that the module reads, including padding.
pub const SENSE_LEN: usize = 96;
/// Maximum number of bytes of one transfer: 128 segments of 4096 bytes. The host rejects larger transfers.
pub const MAX_TRANSFER: usize = 512 * 1024;
/// Number of minors: valid minors are below it.
pub const MAX_MINORS: u16 = 256;
/// Number of LUNs that the SCSI layer accepts: valid LUNs are below it.
pub const MAX_LUNS: u32 = 32;

/// A command of a host with its CDB, as the ioctl [`POLL`] returns it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct CommandHeader {
    /// Serial number of the command, from 2.
    pub serial: u64,
    /// The CDB; bytes beyond its length are undefined.
    pub cdb: [u8; 16],
    /// An internal pointer of the module, always 0.
    pub unused: u64,
}

const _: () = assert!(
    size_of::<CommandHeader>() == 32 && offset_of!(CommandHeader, cdb) == 8 && offset_of!(CommandHeader, unused) == 24
);

/// Argument of the ioctls [`GET_DATA`] and [`PUT_DATA`]: the memory and the length of the data of a command.
#[derive(Clone, Copy, Debug, Default, IntoBytes, Immutable)]
#[repr(C)]
pub struct DataTransfer {
    /// Address of the data buffer.
    pub buffer: u64,
    /// Length of the data buffer in bytes.
    pub count: u32,
    /// Padding, which the module ignores.
    pub padding: u32,
    /// Serial number of the command.
    pub serial: u64,
    /// Address of [`SENSE_LEN`] bytes of sense data.
    pub sense: u64,
    /// SAM status of the command.
    pub status: u8,
    /// Padding, which the module ignores.
    pub more_padding: [u8; 7],
}

const _: () = assert!(
    size_of::<DataTransfer>() == 40
        && offset_of!(DataTransfer, count) == 8
        && offset_of!(DataTransfer, serial) == 16
        && offset_of!(DataTransfer, sense) == 24
        && offset_of!(DataTransfer, status) == 32
);

/// The address of a unit on the module's SCSI host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, IntoBytes, Immutable)]
#[repr(C)]
pub struct HostAddress {
    /// Channel of the SCSI host.
    pub channel: u32,
    /// Target number on the channel.
    pub target: u32,
    /// Logical unit number, 0 to 31.
    pub lun: u32,
}

const _: () = assert!(
    size_of::<HostAddress>() == 12 && offset_of!(HostAddress, target) == 4 && offset_of!(HostAddress, lun) == 8
);

/// Length of a CDB in bytes by the group of its operation code, because the module does not report it.
#[must_use]
pub const fn cdb_len(opcode: u8) -> usize {
    match opcode >> 5 {
        0 => 6,
        1 | 2 => 10,
        5 => 12,
        _ => 16,
    }
}
