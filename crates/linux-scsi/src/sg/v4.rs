//! `struct sg_io_v4`, the structure of SG_IO of version 4.

use super::{Block, Driver, Ended, MAX_CDB, Memory};
use crate::Errno;
use core::ops::Range;
use zerocopy::byteorder::little_endian::{I32, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Bytes: 0-3 guard · 4-7 protocol · 8-11 subprotocol · 12-15 request_len · 16-23 request · 24-31 request_tag · 32-35
/// request_attr · 36-39 request_priority · 40-43 request_extra · 44-47 max_response_len · 48-55 response · 56-59
/// dout_iovec_count · 60-63 dout_xfer_len · 64-67 din_iovec_count · 68-71 din_xfer_len · 72-79 dout_xferp · 80-87
/// din_xferp · 88-91 timeout · 92-95 flags · 96-103 usr_ptr · 104-107 spare_in · 108-111 driver_status · 112-115
/// transport_status · 116-119 device_status · 120-123 retry_delay · 124-127 info · 128-131 duration · 132-135
/// response_len · 136-139 din_resid · 140-143 dout_resid · 144-151 generated_tag · 152-155 spare_out · 156-159 padding
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Header {
    guard: U32,
    protocol: U32,
    subprotocol: U32,
    cdb_len: U32,
    cdb: U64,
    tag: U64,
    attribute: [u8; 12],
    max_sense: U32,
    sense: U64,
    out_vectors: U32,
    out_len: U32,
    in_vectors: U32,
    in_len: U32,
    data_out: U64,
    data_in: U64,
    timeout: U32,
    flags: U32,
    user: U64,
    spare_in: U32,
    driver_status: U32,
    transport_status: U32,
    device_status: U32,
    retry_delay: U32,
    info: U32,
    duration: U32,
    sense_len: U32,
    in_residual: I32,
    out_residual: I32,
    generated_tag: U64,
    spare_out: [u8; 8],
}

const _: () = assert!(size_of::<Header>() == super::V4_LEN);

/// `guard` of version 4: the letter Q.
const GUARD: u32 = 0x51;
/// The results in the structure: from `driver_status` on, to `dout_resid`.
pub(super) const RESULTS: Range<usize> = 108..144;

impl Header {
    /// Decodes the structure.
    ///
    /// # Errors
    /// EFAULT if there are fewer than 160 bytes; EINVAL if `guard` is not Q, or the protocol is not SCSI commands.
    pub fn decode(bytes: &[u8]) -> Result<Self, Errno> {
        let (header, _) = Self::read_from_prefix(bytes).map_err(|_| Errno::EFAULT)?;
        let is_command = header.protocol.get() == 0 && header.subprotocol.get() == 0;
        if header.guard.get() == GUARD && is_command { Ok(header) } else { Err(Errno::EINVAL) }
    }

    /// The memory that the structure names. Like Linux, this takes no notice of `struct iovec`s.
    ///
    /// # Errors
    /// EINVAL if the CDB has more than 32 bytes, EOPNOTSUPP if there is data in both directions, EINVAL if the data is too
    /// long.
    pub fn memory(&self) -> Result<Memory, Errno> {
        if usize::try_from(self.cdb_len.get()).map_or(true, |len| len > MAX_CDB) {
            return Err(Errno::EINVAL);
        }
        if self.out_len.get() > 0 && self.in_len.get() > 0 {
            return Err(Errno::EOPNOTSUPP);
        }
        let block = |address: U64, len: u32| Block { address: address.get(), len: len.into(), vectors: 0 };
        let sense = if self.sense.get() == 0 { Block::default() } else { block(self.sense, self.max_sense.get()) };
        Ok(Memory {
            cdb: block(self.cdb, self.cdb_len.get()),
            data_out: block(self.data_out, super::checked_len(Driver::Block, self.out_len.get())?),
            data_in: block(self.data_in, super::checked_len(Driver::Block, self.in_len.get())?),
            sense,
            is_discarded: false,
        })
    }

    /// The time in milliseconds after which the driver aborts the command. 0 is the default of the unit.
    #[must_use]
    pub const fn timeout(&self) -> u32 {
        self.timeout.get()
    }

    /// Completes the structure and returns the sense data for the program.
    pub fn complete<'a>(&mut self, ended: &'a Ended<'_>) -> &'a [u8] {
        let max = if self.sense.get() == 0 { 0 } else { self.max_sense.get() };
        let sense = ended.sense(usize::try_from(max).unwrap_or(usize::MAX));
        self.device_status = u32::from(ended.status()).into();
        self.transport_status = u32::from(ended.host_status()).into();
        self.driver_status = u32::from(ended.driver_status()).into();
        self.info = ended.info().into();
        self.duration = ended.milliseconds().into();
        self.sense_len = u32::try_from(sense.len()).unwrap_or(u32::MAX).into();
        let residual = ended.residual(self.out_len.get(), self.in_len.get()).into();
        if self.out_len.get() > 0 {
            self.out_residual = residual;
        } else {
            self.in_residual = residual;
        }
        sense
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::time::Duration;
    use scsi_core::Status;
    use scsi_core::fault::Completion;

    /// A structure with the CDB at 0x2000, memory for 252 bytes from the device at 0x1000 and 64 bytes of sense data at
    /// 0x3000.
    fn bytes() -> Vec<u8> {
        let mut bytes = vec![0; 160];
        for (at, byte) in [(0, b'Q'), (12, 6), (17, 0x20), (44, 64), (49, 0x30), (68, 252), (81, 0x10)] {
            bytes[at] = byte;
        }
        bytes
    }

    #[test]
    fn memory_and_residual() {
        let memory = Header::decode(&bytes()).unwrap().memory().unwrap();
        assert_eq!(memory.cdb, Block { address: 0x2000, len: 6, vectors: 0 });
        assert_eq!(memory.data_in, Block { address: 0x1000, len: 252, vectors: 0 });
        assert_eq!(memory.sense, Block { address: 0x3000, len: 64, vectors: 0 });
        assert_eq!(memory.data_out, Block::default());
        let mut header = Header::decode(&bytes()).unwrap();
        let completion = Completion { data_in: 36, ..Completion::with_status(Status::BUSY) };
        header.complete(&Ended { completion: Ok(&completion), duration: Duration::from_millis(5) });
        // driver_status to dout_resid
        let end = [
            0, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 216, 0, 0, 0, 0, 0, 0,
            0,
        ];
        assert_eq!(header.as_bytes()[108..144], end);
    }

    #[test]
    fn wrong_structures_are_refused() {
        for (at, byte, errno) in [(0, b'S', 22), (4, 1, 22), (8, 1, 22), (12, 33, 22), (13, 1, 22)] {
            let mut bytes = bytes();
            bytes[at] = byte;
            assert_eq!(Header::decode(&bytes).and_then(|header| header.memory()), Err(Errno(errno)), "{at}");
        }
        let mut both = bytes();
        both[60] = 1;
        both[73] = 1;
        assert_eq!(Header::decode(&both).unwrap().memory(), Err(Errno(95)));
    }
}
