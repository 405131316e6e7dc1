//! The requests of `ioctl(2)` on a tape: `struct mtop`, `mtget` and `mtpos` of `linux/mtio.h`, on 64-bit little-endian
//! machines.

use crate::Errno;
use bitflags::bitflags;
use scsi_core::named_values;
use zerocopy::byteorder::little_endian::{I16, I32, I64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Number of MTIOCTOP for `ioctl(2)`: perform a tape operation. The argument is a `struct mtop` of 8 bytes.
pub const MTIOCTOP: u32 = 0x4008_6d01;
/// Number of MTIOCGET for `ioctl(2)`: get the status. The result is a `struct mtget` of 48 bytes.
pub const MTIOCGET: u32 = 0x8030_6d02;
/// Number of MTIOCPOS for `ioctl(2)`: get the position. The result is a `struct mtpos` of 8 bytes.
pub const MTIOCPOS: u32 = 0x8008_6d03;
/// Type and number of a request, without the direction and the size of its argument.
const TYPE_AND_NUMBER: u32 = 0xffff;
/// Bits 29-16 of a request: the size of its argument.
const SIZE: u32 = 0x3fff_0000;

/// A request of `ioctl(2)` on a tape, with its argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// MTIOCTOP: perform a tape operation.
    Operate(TapeOperation),
    /// MTIOCGET: get the status of the tape.
    Status,
    /// MTIOCPOS: get the logical block number of the position.
    Position,
}

/// The value that a request of `ioctl(2)` stores into the memory of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Nothing: the operation of MTIOCTOP is done.
    Done,
    /// The structure that MTIOCGET returns.
    Status(TapeStatus),
    /// The structure that MTIOCPOS returns: a logical block number.
    Position(i64),
}

impl Request {
    /// Decodes a request. `argument` is the memory that the program passed: for MTIOCTOP the 8 bytes of `struct mtop`;
    /// ignored for the others. `None` if it is not a request of the tape driver: it is for the SCSI layer below, which
    /// answers EINVAL to a number that it does not know either.
    ///
    /// # Errors
    /// EINVAL if the number has another size of the argument, EFAULT if `argument` is shorter than that.
    pub fn decode(code: u32, argument: &[u8]) -> Result<Option<Self>, Errno> {
        let known = [MTIOCTOP, MTIOCGET, MTIOCPOS].into_iter().find(|known| (known ^ code) & TYPE_AND_NUMBER == 0);
        let Some(known) = known else { return Ok(None) };
        if (known ^ code) & SIZE != 0 {
            return Err(Errno::EINVAL);
        }
        Ok(Some(match known {
            MTIOCTOP => {
                let (raw, _) = RawOperation::read_from_prefix(argument).map_err(|_| Errno::EFAULT)?;
                Self::Operate(TapeOperation { operation: Operation(raw.operation.get()), count: raw.count.get() })
            }
            MTIOCGET => Self::Status,
            _ => Self::Position,
        }))
    }
}

impl Reply {
    /// The bytes to store at the argument of `ioctl(2)`: none, 48 or 8.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Done => Vec::new(),
            Self::Status(status) => RawStatus::from(*status).as_bytes().to_vec(),
            Self::Position(block) => block.to_le_bytes().to_vec(),
        }
    }
}

/// The argument of MTIOCTOP: what to do, and how many times or with which value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TapeOperation {
    /// The operation to perform, `mt_op`.
    pub operation: Operation,
    /// Its count or its value, `mt_count`.
    pub count: i32,
}

named_values! {
    /// An operation of MTIOCTOP, the field `mt_op`.
    pub struct Operation(i16);
    RESET = 0, "MTRESET";
    FSF = 1, "MTFSF";
    BSF = 2, "MTBSF";
    FSR = 3, "MTFSR";
    BSR = 4, "MTBSR";
    WEOF = 5, "MTWEOF";
    REW = 6, "MTREW";
    OFFL = 7, "MTOFFL";
    NOP = 8, "MTNOP";
    RETEN = 9, "MTRETEN";
    BSFM = 10, "MTBSFM";
    FSFM = 11, "MTFSFM";
    EOM = 12, "MTEOM";
    ERASE = 13, "MTERASE";
    RAS1 = 14, "MTRAS1";
    RAS2 = 15, "MTRAS2";
    RAS3 = 16, "MTRAS3";
    SETBLK = 20, "MTSETBLK";
    SETDENSITY = 21, "MTSETDENSITY";
    SEEK = 22, "MTSEEK";
    TELL = 23, "MTTELL";
    SETDRVBUFFER = 24, "MTSETDRVBUFFER";
    FSS = 25, "MTFSS";
    BSS = 26, "MTBSS";
    WSM = 27, "MTWSM";
    LOCK = 28, "MTLOCK";
    UNLOCK = 29, "MTUNLOCK";
    LOAD = 30, "MTLOAD";
    UNLOAD = 31, "MTUNLOAD";
    COMPRESSION = 32, "MTCOMPRESSION";
    SETPART = 33, "MTSETPART";
    MKPART = 34, "MTMKPART";
    WEOFI = 35, "MTWEOFI";
}

bitflags! {
    /// The generic status of MTIOCGET, the field `mt_gstat`.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct GenericStatus: u32 {
        /// GMT_EOF: the position is just after a filemark.
        const EOF = 0x8000_0000;
        /// GMT_BOT: the position is the beginning of the first file.
        const BOT = 0x4000_0000;
        /// GMT_EOT: an operation reached the end of the tape.
        const EOT = 0x2000_0000;
        /// GMT_SM: the position is at a setmark.
        const SM = 0x1000_0000;
        /// GMT_EOD: the position is at the end of recorded data.
        const EOD = 0x0800_0000;
        /// GMT_WR_PROT: the tape is write-protected.
        const WR_PROT = 0x0400_0000;
        /// GMT_ONLINE: the last open found a tape, and the drive was ready.
        const ONLINE = 0x0100_0000;
        /// GMT_D_6250: the density is 6250 bits per inch.
        const D_6250 = 0x0080_0000;
        /// GMT_D_1600: the density is 1600 bits per inch.
        const D_1600 = 0x0040_0000;
        /// GMT_D_800: the density is 800 bits per inch.
        const D_800 = 0x0020_0000;
        /// GMT_DR_OPEN: the drive has no tape.
        const DR_OPEN = 0x0004_0000;
        /// GMT_IM_REP_EN: a write may return before its data is on the tape.
        const IM_REP_EN = 0x0001_0000;
        /// GMT_CLN: the drive requests cleaning.
        const CLN = 0x0000_8000;
    }
}

/// The status of a tape that MTIOCGET returns, `struct mtget`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TapeStatus {
    /// `mt_type`: 71h for SCSI-1 drives, 72h for all later ones.
    pub kind: i64,
    /// `mt_resid`: the number of the active partition.
    pub partition: i64,
    /// Block length in bytes, 0 for variable: bits 23-0 of `mt_dsreg`.
    pub block_length: u32,
    /// Density code: bits 31-24 of `mt_dsreg`.
    pub density: u8,
    /// `mt_gstat`: the generic status bits.
    pub generic: GenericStatus,
    /// `mt_erreg`: recovered errors since the last MTIOCGET, 0 to 65535.
    pub recovered_errors: u16,
    /// `mt_fileno`: number of the file, -1 if unknown.
    pub file: i32,
    /// `mt_blkno`: number of the block within the file, -1 if unknown.
    pub block: i32,
}

/// `struct mtop`: 0-1 mt_op · 2-3 padding · 4-7 mt_count.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct RawOperation {
    operation: I16,
    padding: [u8; 2],
    count: I32,
}

const _: () = assert!(size_of::<RawOperation>() == 8);

/// `struct mtget`: 0-7 mt_type · 8-15 mt_resid · 16-23 mt_dsreg · 24-31 mt_gstat · 32-39 mt_erreg · 40-43 mt_fileno ·
/// 44-47 mt_blkno.
#[derive(IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct RawStatus {
    kind: I64,
    residual: I64,
    drive: I64,
    generic: I64,
    errors: I64,
    file: I32,
    block: I32,
}

const _: () = assert!(size_of::<RawStatus>() == 48);

impl From<TapeStatus> for RawStatus {
    fn from(status: TapeStatus) -> Self {
        let drive = i64::from(status.density) << 24 | i64::from(status.block_length & 0x00ff_ffff);
        Self {
            kind: status.kind.into(),
            residual: status.partition.into(),
            drive: drive.into(),
            generic: i64::from(status.generic.bits()).into(),
            errors: i64::from(status.recovered_errors).into(),
            file: status.file.into(),
            block: status.block.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mtop_of_a_program() {
        let weof = [5, 0, 0xee, 0xee, 0xff, 0xff, 0xff, 0xff];
        let decoded = Request::decode(0x4008_6d01, &weof).unwrap();
        let expected = TapeOperation { operation: Operation(5), count: -1 };
        assert_eq!(decoded, Some(Request::Operate(expected)));
        assert_eq!(Request::decode(0x4008_6d01, &weof[..7]), Err(Errno(14)));
        assert_eq!(Request::decode(0x4010_6d01, &weof), Err(Errno(22)));
        assert_eq!(Request::decode(0x2285, &[]), Ok(None)); // SG_IO
        assert_eq!(Request::decode(0x8030_6d02, &[]), Ok(Some(Request::Status)));
        assert_eq!(Request::decode(0x8008_6d03, &[]), Ok(Some(Request::Position)));
    }

    #[test]
    fn mtget_in_memory() {
        let status = TapeStatus {
            kind: 0x72,
            partition: 1,
            block_length: 512,
            density: 0x5e,
            generic: GenericStatus::EOF | GenericStatus::ONLINE,
            recovered_errors: 3,
            file: 2,
            block: -1,
        };
        let expected = [
            0x72, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0x5e, 0, 0, 0, 0, //
            0, 0, 0, 0x81, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0xff, 0xff, 0xff, 0xff,
        ];
        assert_eq!(Reply::Status(status).encode(), expected);
        assert_eq!(Reply::Position(0x0102).encode(), [2, 1, 0, 0, 0, 0, 0, 0]);
        assert!(Reply::Done.encode().is_empty());
    }
}
