//! SG_IO: a program sends a command itself, with a structure that names its CDB, its data and the memory for sense data.
//!
//! The structure has two versions: `struct sg_io_hdr` ([`v3`]) for nodes of sg, st and ch, and `struct sg_io_v4` ([`v4`])
//! for nodes of bsg. Only the process of the program can follow its pointers; [`Memory`] says where they lead.

pub(crate) mod code;
pub mod ioctl;
pub mod v3;
pub mod v4;

use crate::Errno;
use core::time::Duration;
use scsi_core::fault::Completion;
use scsi_core::sense::SenseBytes;
use scsi_core::status::Status;
use zerocopy::IntoBytes;

/// Length in bytes of `struct sg_io_hdr`.
pub const V3_LEN: usize = 88;
/// Length in bytes of `struct sg_io_v4`.
pub const V4_LEN: usize = 160;
/// Length in bytes of the longest structure.
pub const MAX_HEADER: usize = V4_LEN;
/// Length in bytes of the longest CDB that a program can send.
pub const MAX_CDB: usize = 252;

/// Memory of the program that the structure names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Block {
    /// Address of the memory, or of the `struct iovec`s that describe it.
    pub address: u64,
    /// Length of the memory in bytes, however many `struct iovec`s describe it.
    pub len: u64,
    /// Number of `struct iovec`s at the address; 0 if the memory itself is there.
    pub vectors: u32,
}

/// The memory of the program for one command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// The CDB, which the driver reads.
    pub cdb: Block,
    /// The data for the device.
    pub data_out: Block,
    /// Memory for data from the device.
    pub data_in: Block,
    /// Memory for sense data, which the driver writes.
    pub sense: Block,
}

/// The length of the structure that begins with these bytes: its first four are the version.
#[must_use]
pub fn header_len(first: &[u8]) -> usize {
    if first.starts_with(b"Q\0\0\0") { V4_LEN } else { V3_LEN }
}

/// The structure of SG_IO, of either version.
#[derive(Clone, Copy, Debug)]
pub enum Header {
    /// Version 3: `struct sg_io_hdr` of `scsi/sg.h`.
    V3(v3::Header),
    /// Version 4: `struct sg_io_v4` of `linux/bsg.h`.
    V4(v4::Header),
}

impl Header {
    /// Decodes the structure.
    ///
    /// # Errors
    /// ENOSYS if the version is unknown, and the errors of [`v3::Header::decode`] and [`v4::Header::decode`].
    pub fn decode(bytes: &[u8]) -> Result<Self, Errno> {
        if header_len(bytes) == V4_LEN {
            v4::Header::decode(bytes).map(Self::V4)
        } else {
            v3::Header::decode(bytes).map(Self::V3)
        }
    }

    /// The memory that the structure names.
    ///
    /// # Errors
    /// Those of [`v3::Header::memory`] and [`v4::Header::memory`].
    pub fn memory(&self) -> Result<Memory, Errno> {
        match self {
            Self::V3(header) => header.memory(),
            Self::V4(header) => header.memory(),
        }
    }

    /// Completes the structure. Returns its bytes, which the sense data for the program follows.
    #[must_use]
    pub fn complete(self, ended: &Ended<'_>) -> Vec<u8> {
        match self {
            Self::V3(mut header) => {
                let sense = header.complete(ended);
                [header.as_bytes(), sense].concat()
            }
            Self::V4(mut header) => {
                let sense = header.complete(ended);
                [header.as_bytes(), sense].concat()
            }
        }
    }
}

impl Memory {
    /// The memory that the structure in these bytes names.
    ///
    /// # Errors
    /// Those of [`Header::decode`] and [`Header::memory`].
    pub fn of(header: &[u8]) -> Result<Self, Errno> {
        Header::decode(header)?.memory()
    }
}

/// The end of a command, as SG_IO reports it.
#[derive(Clone, Copy, Debug)]
pub struct Ended<'a> {
    /// Status, sense data and the bytes that were moved; `None` if the device is gone.
    pub completion: Option<&'a Completion>,
    /// The time that the command took.
    pub duration: Duration,
}

/// The completion of a command whose status and sense data came from a transport, without byte counts.
#[must_use]
pub fn completion(status: u8, sense: &[u8]) -> Completion {
    let sense = (!sense.is_empty()).then(|| SenseBytes::truncated(sense));
    Completion { sense, ..Completion::with_status(Status(status)) }
}

/// `host_status` of a command without status: DID_NO_CONNECT.
const NO_CONNECT: u8 = 1;
/// `driver_status` with sense data: DRIVER_SENSE.
const DRIVER_SENSE: u8 = 8;
/// `info` of a command that did not end well: SG_INFO_CHECK.
const INFO_CHECK: u32 = 1;

impl Ended<'_> {
    fn status(&self) -> u8 {
        self.completion.map_or(0, |completion| completion.status.0)
    }

    fn host_status(&self) -> u8 {
        if self.completion.is_some() { 0 } else { NO_CONNECT }
    }

    fn driver_status(&self) -> u8 {
        if self.status() == Status::CHECK_CONDITION.0 { DRIVER_SENSE } else { 0 }
    }

    fn info(&self) -> u32 {
        if self.status() | self.host_status() == 0 { 0 } else { INFO_CHECK }
    }

    /// Sense data, at most as many bytes as the program has memory for.
    fn sense(&self, max: usize) -> &[u8] {
        let sense = self.completion.and_then(|completion| completion.sense.as_ref());
        let sense = sense.map(|sense| sense.as_slice()).unwrap_or_default();
        sense.get(..max).unwrap_or(sense)
    }

    fn milliseconds(&self) -> u32 {
        u32::try_from(self.duration.as_millis()).unwrap_or(u32::MAX)
    }

    /// Bytes of a transfer of `wanted` bytes that were not moved.
    fn residual(wanted: u32, moved: Option<usize>) -> i32 {
        let moved = u32::try_from(moved.unwrap_or(0)).unwrap_or(u32::MAX);
        i32::try_from(wanted.saturating_sub(moved)).unwrap_or(i32::MAX)
    }

    fn data_in(&self) -> Option<usize> {
        self.completion.map(|completion| completion.data_in)
    }

    fn data_out(&self) -> Option<usize> {
        self.completion.map(|completion| completion.data_out)
    }
}
