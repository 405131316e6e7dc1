//! The record of one object in `indx.P`: 32 bytes, little-endian, checked on its own.

use crate::integrity::crc32c_slices;
use crate::medium::{CodecId, MAX_BLOCK};
use zerocopy::byteorder::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// No tape is longer: sums of offsets and lengths stay far from overflow.
pub(super) const MAX_OFFSET: u64 = 1 << 60;
/// Bytes of one record.
pub(super) const SIZE: usize = 32;

#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Raw {
    offset: U64,
    length: U32,
    stored: U32,
    files: U32,
    kind: u8,
    codec: u8,
    flags: [u8; 2],
    data_crc: U32,
    record_crc: U32,
}
const _: () = assert!(size_of::<Raw>() == SIZE);

/// What an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Block,
    Filemark,
}

impl Kind {
    const BLOCK: u8 = 1;
    const FILEMARK: u8 = 2;
}

/// One object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record {
    /// Where its data begins in `data.P`; for a filemark, where the next data would.
    pub(super) offset: u64,
    /// Length as it was written.
    pub(super) length: u32,
    /// Length in `data.P`.
    pub(super) stored: u32,
    /// Filemarks before it.
    pub(super) files: u32,
    pub(super) kind: Kind,
    pub(super) codec: CodecId,
    /// CRC-32C of the block as it was written.
    pub(super) data_crc: u32,
}

/// A record at the wrong place does not check: the CRC covers where it belongs.
fn crc(partition: u8, object: u64, body: &[u8]) -> u32 {
    crc32c_slices(&[&[partition][..], &object.to_le_bytes(), body])
}

impl Record {
    /// Where the data of the next object begins.
    pub(super) fn end(&self) -> u64 {
        self.offset.saturating_add(self.stored.into())
    }

    /// Filemarks before the next object.
    pub(super) fn files_behind(&self) -> u64 {
        u64::from(self.files) + u64::from(self.kind == Kind::Filemark)
    }

    pub(super) fn encode(&self, partition: u8, object: u64) -> [u8; SIZE] {
        let mut raw = Raw {
            offset: self.offset.into(),
            length: self.length.into(),
            stored: self.stored.into(),
            files: self.files.into(),
            kind: if self.kind == Kind::Block { Kind::BLOCK } else { Kind::FILEMARK },
            codec: self.codec.0,
            flags: [0; 2],
            data_crc: self.data_crc.into(),
            record_crc: U32::ZERO,
        };
        let body = raw.as_bytes().first_chunk::<{ SIZE - 4 }>().copied().unwrap_or([0; SIZE - 4]);
        raw.record_crc = crc(partition, object, &body).into();
        zerocopy::transmute!(raw)
    }

    /// The record, if these are its bytes, unharmed and at their place.
    pub(super) fn decode(partition: u8, object: u64, bytes: &[u8]) -> Option<Self> {
        let raw = Raw::read_from_bytes(bytes).ok()?;
        let body = bytes.get(..SIZE - 4)?;
        let kind = match raw.kind {
            Kind::BLOCK => Kind::Block,
            Kind::FILEMARK => Kind::Filemark,
            _ => return None,
        };
        let (length, stored) = (raw.length.get(), raw.stored.get());
        let possible = raw.flags == [0; 2]
            && raw.offset.get() <= MAX_OFFSET
            && usize::try_from(length.max(stored)).is_ok_and(|len| len <= MAX_BLOCK);
        if !possible || crc(partition, object, body) != raw.record_crc.get() {
            return None;
        }
        Some(Self {
            offset: raw.offset.get(),
            length,
            stored,
            files: raw.files.get(),
            kind,
            codec: CodecId(raw.codec),
            data_crc: raw.data_crc.get(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layout_and_place() {
        let record = Record {
            offset: 0x0102_0304_0506,
            length: 0x0010_0000,
            stored: 77,
            files: 5,
            kind: Kind::Block,
            codec: CodecId::ZSTD,
            data_crc: 0xdead_beef,
        };
        let bytes = record.encode(1, 9);
        assert_eq!(bytes[..24], [6, 5, 4, 3, 2, 1, 0, 0, 0, 0, 16, 0, 77, 0, 0, 0, 5, 0, 0, 0, 1, 2, 0, 0]);
        assert_eq!(Record::decode(1, 9, &bytes), Some(record));
        assert_eq!(Record::decode(0, 9, &bytes), None);
        assert_eq!(Record::decode(1, 8, &bytes), None);
        assert_eq!(Record::decode(1, 9, &bytes[..31]), None);
        for bit in 0..256 {
            let mut bad = bytes;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Record::decode(1, 9, &bad), None, "bit {bit}");
        }
    }
}
