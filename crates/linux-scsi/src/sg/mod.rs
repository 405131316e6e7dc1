//! SG_IO: a program sends a command itself, with a structure that names its CDB, its data and the memory for sense data.
//!
//! The structure has two versions: `struct sg_io_hdr` ([`v3`]) for nodes of sg, st and ch, and `struct sg_io_v4` ([`v4`])
//! for nodes of bsg. Only the process of the program can follow its pointers; [`Memory`] says where they lead.
//!
//! Deviations:
//! - Data that a command does not return leaves the memory of the program as it is. Linux' sg stores the former contents of
//!   its buffer there.
//! - Linux 6.1 refuses SG_DXFER_TO_FROM_DEV with data on nodes of sg with ENOMEM, and executes it on those of st and ch;
//!   here it is SG_DXFER_FROM_DEV on all.

pub(crate) mod code;
pub mod ioctl;
mod open;
pub mod v3;
pub mod v4;

pub use open::Openings;

use crate::node::Node;
use crate::{Errno, NoStatus};
use core::ops::Range;
use core::time::Duration;
use scsi_core::fault::Completion;
use scsi_core::sense::SenseBytes;
use scsi_core::status::Status;
use zerocopy::IntoBytes;

/// Number of the request of `ioctl(2)` that sends a command.
pub const SG_IO: u32 = code::SG_IO;
/// Length in bytes of `struct sg_io_hdr`.
pub const V3_LEN: usize = 88;
/// Length in bytes of `struct sg_io_v4`.
pub const V4_LEN: usize = 160;
/// Length in bytes of the longest structure.
pub const MAX_HEADER: usize = V4_LEN;
/// Length in bytes of the longest CDB that a program can send.
pub const MAX_CDB: usize = 32;
/// Most `struct iovec`s of a structure.
const MAX_VECTORS: u32 = 1024;

/// The driver through which a program has opened a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Driver {
    /// sg: SG_IO of version 3, and all requests of sg.
    Generic,
    /// bsg: SG_IO of version 4, and those requests that the SCSI layer imitates.
    Block,
    /// st or ch: SG_IO of version 3, the requests of the SCSI layer, and those of sg that it imitates.
    Other,
}

impl Driver {
    /// The driver of a node.
    #[must_use]
    pub const fn of(node: Node) -> Self {
        match node {
            Node::Generic(_) => Self::Generic,
            Node::Block(_) => Self::Block,
            Node::Tape { .. } | Node::Changer(_) => Self::Other,
        }
    }

    /// Length in bytes of the structure of SG_IO.
    #[must_use]
    pub const fn header_len(self) -> usize {
        match self {
            Self::Block => V4_LEN,
            Self::Generic | Self::Other => V3_LEN,
        }
    }
}

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
    /// The data has no memory, which only sg accepts: zeros are sent, and received data is dropped.
    pub is_discarded: bool,
}

impl Memory {
    /// The data in one of the two directions.
    #[must_use]
    pub const fn data(&self) -> Block {
        if self.data_out.len > 0 { self.data_out } else { self.data_in }
    }
}

/// Most bytes of data of a command.
const MAX_DATA: u32 = 8 << 20;
/// Most bytes that st and ch refuse with EINVAL, 65535 sectors: above, the error is EIO.
const MAX_SECTORS: u32 = 0xffff * 512;
/// Most bytes that sg refuses with EINVAL: up to 256 MiB, the error is ENOMEM.
const MAX_SEGMENTS: u32 = 64 << 20;
const TOO_LONG: u32 = 256 << 20;

/// The length of the data in bytes, unless it is too long.
fn checked_len(driver: Driver, len: u32) -> Result<u32, Errno> {
    match driver {
        _ if len <= MAX_DATA => Ok(len),
        Driver::Other if len > MAX_SECTORS => Err(Errno::EIO),
        Driver::Generic if len > MAX_SEGMENTS && len < TOO_LONG => Err(Errno::ENOMEM),
        _ => Err(Errno::EINVAL),
    }
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
    /// Those of [`v3::Header::decode`] and [`v4::Header::decode`].
    pub fn decode(driver: Driver, bytes: &[u8]) -> Result<Self, Errno> {
        match driver {
            Driver::Block => v4::Header::decode(bytes).map(Self::V4),
            Driver::Generic | Driver::Other => v3::Header::decode(driver, bytes).map(Self::V3),
        }
    }

    /// The memory that the structure names.
    ///
    /// # Errors
    /// Those of [`v3::Header::memory`] and [`v4::Header::memory`].
    pub fn memory(&self, driver: Driver) -> Result<Memory, Errno> {
        match self {
            Self::V3(header) => header.memory(driver),
            Self::V4(header) => header.memory(),
        }
    }

    /// Limits the data to the memory of the `struct iovec`s, which have `total` bytes.
    ///
    /// # Errors
    /// EINVAL if they have no memory.
    pub fn limit_data(&mut self, total: u64) -> Result<(), Errno> {
        match self {
            Self::V3(header) => header.limit_data(total),
            Self::V4(_) => Ok(()),
        }
    }

    /// The time after which the driver aborts the command. `default` is that of the open file.
    #[must_use]
    pub fn timeout(&self, default: Duration) -> Duration {
        let milliseconds = match self {
            Self::V3(header) => header.timeout(),
            Self::V4(header) => header.timeout(),
        };
        if milliseconds == 0 { default } else { Duration::from_millis(milliseconds.into()) }
    }

    /// The bytes of the structure.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::V3(header) => header.as_bytes(),
            Self::V4(header) => header.as_bytes(),
        }
    }

    /// The bytes of the structure that the driver stores.
    #[must_use]
    pub const fn results(&self) -> Range<usize> {
        match self {
            Self::V3(_) => v3::RESULTS,
            Self::V4(_) => v4::RESULTS,
        }
    }

    /// Completes the structure. Returns its bytes, which the sense data for the program follows.
    #[must_use]
    pub fn complete(self, driver: Driver, ended: &Ended<'_>) -> Vec<u8> {
        match self {
            Self::V3(mut header) => {
                let sense = header.complete(driver, ended);
                [header.as_bytes(), sense].concat()
            }
            Self::V4(mut header) => {
                let sense = header.complete(ended);
                [header.as_bytes(), sense].concat()
            }
        }
    }
}

/// The end of a command, as SG_IO reports it.
#[derive(Clone, Copy, Debug)]
pub struct Ended<'a> {
    /// Status, sense data and the bytes that were moved.
    pub completion: Result<&'a Completion, NoStatus>,
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
/// `host_status` of a command that was aborted because there was no response: DID_TIME_OUT.
const TIME_OUT: u8 = 3;
/// `host_status` of a command that a reset of the logical unit ended: DID_ERROR.
const ERROR: u8 = 7;
/// `driver_status` with sense data: DRIVER_SENSE.
const DRIVER_SENSE: u8 = 8;
/// `info` of a command that did not end well: SG_INFO_CHECK.
const INFO_CHECK: u32 = 1;

impl Ended<'_> {
    fn status(&self) -> u8 {
        self.completion.map_or(0, |completion| completion.status.0)
    }

    fn host_status(&self) -> u8 {
        match self.completion {
            Ok(_) => 0,
            Err(NoStatus::DeviceGone) => NO_CONNECT,
            Err(NoStatus::Aborted) => TIME_OUT,
            Err(NoStatus::Reset) => ERROR,
        }
    }

    fn driver_status(&self) -> u8 {
        if self.status() == Status::CHECK_CONDITION.0 { DRIVER_SENSE } else { 0 }
    }

    fn info(&self) -> u32 {
        if self.status() | self.host_status() == 0 { 0 } else { INFO_CHECK }
    }

    /// Sense data, at most as many bytes as the program has memory for.
    fn sense(&self, max: usize) -> &[u8] {
        let sense = self.completion.ok().and_then(|completion| completion.sense.as_ref());
        let sense = sense.map(|sense| sense.as_slice()).unwrap_or_default();
        sense.get(..max).unwrap_or(sense)
    }

    fn milliseconds(&self) -> u32 {
        u32::try_from(self.duration.as_millis()).unwrap_or(u32::MAX)
    }

    /// The difference between the data of the command and the bytes of memory for it, as iSCSI counts it.
    fn residual(&self, data_out: u32, data_in: u32) -> i32 {
        let bytes = |len: usize| u32::try_from(len).unwrap_or(u32::MAX);
        let count = match self.completion {
            Err(_) => data_out.max(data_in),
            Ok(Completion { data_out_missing: missing @ 1.., .. }) if data_out > 0 => bytes(*missing),
            Ok(Completion { data_out: moved, .. }) if data_out > 0 => data_out.saturating_sub(bytes(*moved)),
            Ok(Completion { data_in_wanted: wanted, .. }) if bytes(*wanted) > data_in => bytes(*wanted) - data_in,
            Ok(Completion { data_in: moved, .. }) => data_in.saturating_sub(bytes(*moved)),
        };
        i32::try_from(count).unwrap_or(i32::MAX)
    }
}
