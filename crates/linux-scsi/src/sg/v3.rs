//! `struct sg_io_hdr`, the structure of SG_IO of version 3.

use super::{Block, Driver, Ended, MAX_CDB, MAX_VECTORS, Memory};
use crate::Errno;
use core::ops::Range;
use scsi_core::named_values;
use zerocopy::byteorder::little_endian::{I32, U16, U32, U64};
use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Bytes: 0-3 interface_id · 4-7 dxfer_direction · 8 cmd_len · 9 mx_sb_len · 10-11 iovec_count · 12-15 dxfer_len · 16-23
/// dxferp · 24-31 cmdp · 32-39 sbp · 40-43 timeout · 44-47 flags · 48-51 pack_id · 52-55 padding · 56-63 usr_ptr · 64
/// status · 65 masked_status · 66 msg_status · 67 sb_len_wr · 68-69 host_status · 70-71 driver_status · 72-75 resid ·
/// 76-79 duration · 80-83 info · 84-87 padding
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Header {
    interface_id: I32,
    direction: I32,
    cdb_len: u8,
    max_sense: u8,
    vectors: U16,
    data_len: U32,
    data: U64,
    cdb: U64,
    sense: U64,
    timeout: U32,
    flags: U32,
    pack_id: I32,
    padding_1: [u8; 4],
    user: U64,
    status: u8,
    masked_status: u8,
    message_status: u8,
    sense_len: u8,
    host_status: U16,
    driver_status: U16,
    residual: I32,
    duration: U32,
    info: U32,
    padding_2: [u8; 4],
}

const _: () = assert!(size_of::<Header>() == super::V3_LEN);

/// `interface_id` of version 3: the letter S.
const INTERFACE: i32 = 0x53;
/// Length in bytes of the shortest CDB.
const MIN_CDB: usize = 6;
/// Length in bytes of the longest CDB that sg reads, although no unit accepts it.
const MAX_READ_CDB: usize = 252;
/// SG_FLAG_DIRECT_IO and SG_FLAG_MMAP_IO, which exclude each other.
const DIRECT_AND_MMAP: u32 = 5;
/// The results in the structure: from `status` on.
pub(super) const RESULTS: Range<usize> = 64..88;

named_values! {
    /// The direction of a transfer, `dxfer_direction`.
    pub struct Direction(i32);
    NONE = -1, "SG_DXFER_NONE";
    TO_DEVICE = -2, "SG_DXFER_TO_DEV";
    FROM_DEVICE = -3, "SG_DXFER_FROM_DEV";
    TO_FROM_DEVICE = -4, "SG_DXFER_TO_FROM_DEV";
}

/// A command with Data-In that a program sends through a driver: addresses and lengths of its memory.
#[derive(Clone, Copy, Debug)]
pub struct DataInCommand {
    /// Address and length in bytes of the CDB.
    pub cdb: (u64, u8),
    /// Address and length in bytes of the memory for the data.
    pub data: (u64, u32),
    /// Address and length in bytes of the memory for sense data.
    pub sense: (u64, u8),
    /// Time in milliseconds after which the driver aborts the command.
    pub timeout: u32,
}

impl DataInCommand {
    /// The structure of SG_IO for this command.
    #[must_use]
    pub fn header(self) -> Header {
        let direction = if self.data.1 == 0 { Direction::NONE } else { Direction::FROM_DEVICE };
        let mut header = Header::new_zeroed();
        header.interface_id = INTERFACE.into();
        header.direction = direction.0.into();
        (header.cdb, header.cdb_len) = (self.cdb.0.into(), self.cdb.1);
        (header.data, header.data_len) = (self.data.0.into(), self.data.1.into());
        (header.sense, header.max_sense) = (self.sense.0.into(), self.sense.1);
        header.timeout = self.timeout.into();
        header
    }
}

/// The results that a driver has stored in the structure of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Results {
    /// SAM status; GOOD too if there is none, which `host_status` tells.
    pub status: u8,
    /// Result of the host adapter; 0 if the device has returned a status.
    pub host_status: u16,
    /// Number of bytes of sense data, 0 without any.
    pub sense_len: usize,
    /// Bytes of the memory for data that the device has not used.
    pub residual: usize,
}

impl Header {
    /// The results of a command that has ended.
    #[must_use]
    pub fn driver_results(&self) -> Results {
        Results {
            status: self.status,
            host_status: self.host_status.get(),
            sense_len: self.sense_len.into(),
            residual: usize::try_from(self.residual.get()).unwrap_or_default(),
        }
    }

    /// Decodes the structure.
    ///
    /// # Errors
    /// EFAULT if there are fewer than 88 bytes; if `interface_id` is not S, ENOSYS from sg and EINVAL from the others.
    pub fn decode(driver: Driver, bytes: &[u8]) -> Result<Self, Errno> {
        let (header, _) = Self::read_from_prefix(bytes).map_err(|_| Errno::EFAULT)?;
        match driver {
            _ if header.interface_id.get() == INTERFACE => Ok(header),
            Driver::Generic => Err(Errno::ENOSYS),
            Driver::Block | Driver::Other => Err(Errno::EINVAL),
        }
    }

    /// The direction of the data.
    #[must_use]
    pub const fn direction(&self) -> Direction {
        Direction(self.direction.get())
    }

    /// The memory that the structure names.
    ///
    /// # Errors
    /// EMSGSIZE if the CDB is too short, EINVAL if it is too long. EINVAL from sg and EIO from the others if the data is too
    /// long; EINVAL for too many `struct iovec`s. The others than sg return EINVAL for data without direction.
    pub fn memory(&self, driver: Driver) -> Result<Memory, Errno> {
        let is_generic = driver == Driver::Generic;
        let cdb_len = usize::from(self.cdb_len);
        if is_generic && self.flags.get() & DIRECT_AND_MMAP == DIRECT_AND_MMAP {
            return Err(Errno::EINVAL);
        }
        if cdb_len < MIN_CDB || is_generic && (cdb_len > MAX_READ_CDB || self.cdb.get() == 0) {
            return Err(Errno::EMSGSIZE);
        }
        let vectors = self.vectors.get().into();
        if cdb_len > MAX_CDB || vectors > MAX_VECTORS {
            return Err(Errno::EINVAL);
        }
        let data =
            Block { address: self.data.get(), len: super::checked_len(driver, self.data_len.get())?.into(), vectors };
        let (data_out, data_in) = match self.direction() {
            _ if data.len == 0 => (Block::default(), Block::default()),
            Direction::TO_DEVICE => (data, Block::default()),
            Direction::FROM_DEVICE | Direction::TO_FROM_DEVICE => (Block::default(), data),
            _ if !is_generic => return Err(Errno::EINVAL),
            Direction::NONE => (Block::default(), Block::default()),
            _ => (Block::default(), data),
        };
        let flat = |address: U64, len: u8| Block { address: address.get(), len: len.into(), vectors: 0 };
        let sense = if self.sense.get() == 0 { Block::default() } else { flat(self.sense, self.max_sense) };
        let is_discarded = is_generic && data.address == 0 && vectors == 0;
        Ok(Memory { cdb: flat(self.cdb, self.cdb_len), data_out, data_in, sense, is_discarded })
    }

    /// Limits the data to `total` bytes.
    ///
    /// # Errors
    /// EINVAL if `total` is 0.
    pub(super) fn limit_data(&mut self, total: u64) -> Result<(), Errno> {
        let total = u32::try_from(total).unwrap_or(u32::MAX);
        self.data_len = self.data_len.get().min(total).into();
        if total == 0 { Err(Errno::EINVAL) } else { Ok(()) }
    }

    /// The time in milliseconds after which the driver aborts the command. 0 is the default of the file descriptor.
    #[must_use]
    pub const fn timeout(&self) -> u32 {
        self.timeout.get()
    }

    /// Completes the structure and returns the sense data for the program.
    pub fn complete<'a>(&mut self, driver: Driver, ended: &'a Ended<'_>) -> &'a [u8] {
        let sense = ended.sense(if self.sense.get() == 0 { 0 } else { self.max_sense.into() });
        self.status = ended.status();
        self.masked_status = ended.status() >> 1;
        self.message_status = 0;
        self.sense_len = u8::try_from(sense.len()).unwrap_or(u8::MAX);
        self.host_status = u16::from(ended.host_status()).into();
        // sg reports sense data only where it stored some.
        let hides_sense = driver == Driver::Generic && sense.is_empty();
        self.driver_status = if hides_sense { 0 } else { u16::from(ended.driver_status()) }.into();
        let len = |block: Block| u32::try_from(block.len).unwrap_or(u32::MAX);
        let memory = self.memory(driver).unwrap_or_default();
        self.residual = ended.residual(len(memory.data_out), len(memory.data_in)).into();
        self.duration = ended.milliseconds().into();
        self.info = ended.info().into();
        sense
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NoStatus;
    use core::time::Duration;
    use scsi_core::asc::Asc;
    use scsi_core::fault::Completion;
    use scsi_core::sense::{Sense, SenseFormat, SenseKey};

    /// A structure with this direction, CDB length and data length; 4 `struct iovec`s at 0x1000, the CDB at 0x2000, 32
    /// bytes for sense at 0x3000, a timeout of 20 s, pack_id 7.
    fn bytes(direction: u8, cdb_len: u8, data_len: [u8; 4]) -> Vec<u8> {
        let mut bytes = vec![b'S', 0, 0, 0, direction, 0xff, 0xff, 0xff, cdb_len, 32, 4, 0];
        bytes.extend(data_len);
        bytes.extend([0, 0x10, 0, 0, 0, 0, 0, 0, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0x30, 0, 0, 0, 0, 0, 0]);
        bytes.extend([0x20, 0x4e, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0]);
        bytes.resize(88, 0xaa);
        bytes
    }

    #[test]
    fn memory_depends_on_the_direction() {
        let none = Block::default();
        let data = Block { address: 0x1000, len: 512, vectors: 4 };
        for (direction, data_out, data_in) in
            [(0xff, none, none), (0xfe, data, none), (0xfd, none, data), (0xfc, none, data)]
        {
            let memory = memory(Driver::Generic, &bytes(direction, 6, [0, 2, 0, 0])).unwrap();
            assert_eq!((memory.data_out, memory.data_in), (data_out, data_in), "{direction:#x}");
            assert_eq!(memory.cdb, Block { address: 0x2000, len: 6, vectors: 0 });
            assert_eq!(memory.sense, Block { address: 0x3000, len: 32, vectors: 0 });
        }
    }

    fn memory(driver: Driver, bytes: &[u8]) -> Result<Memory, Errno> {
        Header::decode(driver, bytes)?.memory(driver)
    }

    #[test]
    fn a_command_of_a_program() {
        let command = DataInCommand { cdb: (0x2000, 6), data: (0x1000, 512), sense: (0x3000, 32), timeout: 20_000 };
        let mut header = command.header();
        let decoded = Header::decode(Driver::Generic, header.as_bytes()).unwrap();
        let memory = decoded.memory(Driver::Generic).unwrap();
        assert_eq!(memory.data_in, Block { address: 0x1000, len: 512, vectors: 0 });
        assert_eq!((memory.cdb.address, memory.sense.address, decoded.timeout()), (0x2000, 0x3000, 20_000));
        let completion =
            Completion { data_in: 36, data_in_wanted: 36, ..Completion::with_status(scsi_core::Status::GOOD) };
        header.complete(Driver::Generic, &Ended { completion: Ok(&completion), duration: Duration::ZERO });
        let results = Results { status: 0, host_status: 0, sense_len: 0, residual: 476 };
        assert_eq!(header.driver_results(), results);
    }

    #[test]
    fn wrong_structures_are_refused() {
        let mut other = bytes(0xff, 6, [0; 4]);
        other[0] = b'R';
        let mut vectors = bytes(0xfd, 6, [0, 2, 0, 0]);
        vectors[10..12].copy_from_slice(&[1, 4]);
        for (bytes, by_sg, by_others) in [
            (bytes(0xff, 5, [0; 4]), 90, 90),
            (bytes(0xff, 33, [0; 4]), 22, 22),
            (bytes(0xff, 253, [0; 4]), 90, 22),
            (bytes(0xfd, 6, [0, 0, 0, 0x10]), 22, 5),
            (other, 38, 22),
            (vectors, 22, 22),
            (bytes(0xff, 6, [0; 4])[..87].to_vec(), 14, 14),
        ] {
            assert_eq!(memory(Driver::Generic, &bytes), Err(Errno(by_sg)));
            assert_eq!(memory(Driver::Other, &bytes), Err(Errno(by_others)));
        }
        let no_direction = bytes(0xfb, 6, [1, 0, 0, 0]);
        assert_eq!(memory(Driver::Other, &no_direction), Err(Errno(22)));
        assert_eq!(memory(Driver::Generic, &no_direction).unwrap().data_in.len, 1);
    }

    #[test]
    fn status_sense_and_residual_are_reported() {
        let mut header = Header::decode(Driver::Generic, &bytes(0xfd, 6, [0, 2, 0, 0])).unwrap();
        assert_eq!(header.timeout(), 20_000);
        let sense = Sense::new(SenseKey::NO_SENSE, Asc::FILEMARK_DETECTED);
        let completion = Completion { data_in: 500, ..Completion::new(&Err(sense.into()), SenseFormat::Fixed) };
        let ended = Ended { completion: Ok(&completion), duration: Duration::from_millis(300) };
        assert_eq!(header.complete(Driver::Generic, &ended)[..3], [0x70, 0, 0]);
        // status, masked_status, msg_status, sb_len_wr, host_status, driver_status, resid, duration, info
        let end = [2, 1, 0, 18, 0, 0, 8, 0, 12, 0, 0, 0, 0x2c, 1, 0, 0, 1, 0, 0, 0];
        assert_eq!(header.as_bytes()[64..84], end);
        assert_eq!(header.as_bytes()[48..52], [7, 0, 0, 0]);
    }

    #[test]
    fn good_status_and_no_status() {
        let mut header = Header::decode(Driver::Generic, &bytes(0xfe, 6, [0, 2, 0, 0])).unwrap();
        let completion = Completion { data_out: 512, ..Completion::with_status(scsi_core::Status::GOOD) };
        let good = Ended { completion: Ok(&completion), duration: Duration::ZERO };
        assert_eq!(header.complete(Driver::Generic, &good), []);
        assert_eq!(header.as_bytes()[64..84], [0; 20]);
        for (no_status, host_status) in [(NoStatus::DeviceGone, 1), (NoStatus::Aborted, 3), (NoStatus::Reset, 7)] {
            header.complete(Driver::Generic, &Ended { completion: Err(no_status), duration: Duration::ZERO });
            let end = [0, 0, 0, 0, host_status, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0];
            assert_eq!(header.as_bytes()[64..84], end);
        }
    }
}
