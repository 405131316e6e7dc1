//! `struct sg_io_hdr`, the structure of SG_IO of version 3.

use super::{Block, Ended, MAX_CDB, Memory};
use crate::Errno;
use core::time::Duration;
use scsi_core::named_values;
use zerocopy::byteorder::little_endian::{I32, U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

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
/// `timeout` of a command that no timeout ends.
const NO_TIMEOUT: u32 = u32::MAX;
/// Data of this length, 256 MiB, is refused.
const TOO_LONG: u32 = 0x1000_0000;

named_values! {
    /// The direction of a transfer, `dxfer_direction`.
    pub struct Direction(i32);
    NONE = -1, "SG_DXFER_NONE";
    TO_DEVICE = -2, "SG_DXFER_TO_DEV";
    FROM_DEVICE = -3, "SG_DXFER_FROM_DEV";
    TO_FROM_DEVICE = -4, "SG_DXFER_TO_FROM_DEV";
}

impl Header {
    /// Decodes the structure.
    ///
    /// # Errors
    /// EFAULT if there are fewer than 88 bytes, ENOSYS if `interface_id` is not S.
    pub fn decode(bytes: &[u8]) -> Result<Self, Errno> {
        let (header, _) = Self::read_from_prefix(bytes).map_err(|_| Errno::EFAULT)?;
        if header.interface_id.get() == INTERFACE { Ok(header) } else { Err(Errno::ENOSYS) }
    }

    /// The direction of the data.
    #[must_use]
    pub const fn direction(&self) -> Direction {
        Direction(self.direction.get())
    }

    /// The memory that the structure names.
    ///
    /// # Errors
    /// EMSGSIZE if the CDB has fewer than 6 or more than 252 bytes; EINVAL if the data has 256 MiB or more, or its
    /// direction is unknown.
    pub fn memory(&self) -> Result<Memory, Errno> {
        let cdb_len = usize::from(self.cdb_len);
        if !(6..=MAX_CDB).contains(&cdb_len) {
            return Err(Errno::EMSGSIZE);
        }
        if self.data_len.get() >= TOO_LONG {
            return Err(Errno::EINVAL);
        }
        let data =
            Block { address: self.data.get(), len: self.data_len.get().into(), vectors: self.vectors.get().into() };
        let (data_out, data_in) = match self.direction() {
            Direction::NONE => (Block::default(), Block::default()),
            Direction::TO_DEVICE => (data, Block::default()),
            Direction::FROM_DEVICE | Direction::TO_FROM_DEVICE => (Block::default(), data),
            _ if data.len == 0 => (Block::default(), Block::default()),
            _ => return Err(Errno::EINVAL),
        };
        let flat = |address: U64, len: u8| Block { address: address.get(), len: len.into(), vectors: 0 };
        let sense = if self.sense.get() == 0 { Block::default() } else { flat(self.sense, self.max_sense) };
        Ok(Memory { cdb: flat(self.cdb, self.cdb_len), data_out, data_in, sense })
    }

    /// The time after which the driver aborts the command; `None` for never. 0 is the default of the file descriptor.
    #[must_use]
    pub const fn timeout(&self, default: Duration) -> Option<Duration> {
        match self.timeout.get() {
            NO_TIMEOUT => None,
            0 => Some(default),
            milliseconds => Some(Duration::from_millis(milliseconds as u64)),
        }
    }

    /// Completes the structure and returns the sense data for the program.
    pub fn complete<'a>(&mut self, ended: &'a Ended<'_>) -> &'a [u8] {
        let sense = ended.sense(if self.sense.get() == 0 { 0 } else { self.max_sense.into() });
        self.status = ended.status();
        self.masked_status = (ended.status() >> 1) & 0x1f;
        self.message_status = 0;
        self.sense_len = u8::try_from(sense.len()).unwrap_or(u8::MAX);
        self.host_status = u16::from(ended.host_status()).into();
        self.driver_status = u16::from(ended.driver_status()).into();
        let moved = if self.direction() == Direction::TO_DEVICE { ended.data_out() } else { ended.data_in() };
        self.residual = Ended::residual(self.data_len.get(), moved).into();
        self.duration = ended.milliseconds().into();
        self.info = ended.info().into();
        sense
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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
            let memory = Memory::of(&bytes(direction, 6, [0, 2, 0, 0])).unwrap();
            assert_eq!((memory.data_out, memory.data_in), (data_out, data_in), "{direction:#x}");
            assert_eq!(memory.cdb, Block { address: 0x2000, len: 6, vectors: 0 });
            assert_eq!(memory.sense, Block { address: 0x3000, len: 32, vectors: 0 });
        }
    }

    #[test]
    fn wrong_structures_are_refused() {
        let mut other = bytes(0xff, 6, [0; 4]);
        other[0] = b'R';
        for (bytes, errno) in [
            (bytes(0xff, 5, [0; 4]), 90),
            (bytes(0xff, 253, [0; 4]), 90),
            (bytes(0xfd, 6, [0, 0, 0, 0x10]), 22),
            (bytes(0xfb, 6, [1, 0, 0, 0]), 22),
            (other, 38),
            (bytes(0xff, 6, [0; 4])[..87].to_vec(), 14),
        ] {
            assert_eq!(Memory::of(&bytes), Err(Errno(errno)));
        }
    }

    #[test]
    fn status_sense_and_residual_are_reported() {
        let mut header = Header::decode(&bytes(0xfd, 6, [0, 2, 0, 0])).unwrap();
        assert_eq!(header.timeout(Duration::from_secs(60)), Some(Duration::from_secs(20)));
        let sense = Sense::new(SenseKey::NO_SENSE, Asc::FILEMARK_DETECTED);
        let completion = Completion { data_in: 500, ..Completion::new(&Err(sense.into()), SenseFormat::Fixed) };
        let ended = Ended { completion: Some(&completion), duration: Duration::from_millis(300) };
        assert_eq!(header.complete(&ended)[..3], [0x70, 0, 0]);
        // status, masked_status, msg_status, sb_len_wr, host_status, driver_status, resid, duration, info
        let end = [2, 1, 0, 18, 0, 0, 8, 0, 12, 0, 0, 0, 0x2c, 1, 0, 0, 1, 0, 0, 0];
        assert_eq!(header.as_bytes()[64..84], end);
        assert_eq!(header.as_bytes()[48..52], [7, 0, 0, 0]);
    }

    #[test]
    fn good_status_and_lost_device() {
        let mut header = Header::decode(&bytes(0xfe, 6, [0, 2, 0, 0])).unwrap();
        let completion = Completion { data_out: 512, ..Completion::with_status(scsi_core::Status::GOOD) };
        let good = Ended { completion: Some(&completion), duration: Duration::ZERO };
        assert_eq!(header.complete(&good), []);
        assert_eq!(header.as_bytes()[64..84], [0; 20]);
        header.complete(&Ended { completion: None, duration: Duration::ZERO });
        assert_eq!(header.as_bytes()[64..84], [0, 0, 0, 0, 1, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0]);
    }
}
