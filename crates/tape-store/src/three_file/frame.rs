//! Frames make `data.P` of the native format self-describing. On newer tapes a frame precedes the data of each object,
//! filemarks included. It has the object number, the index record and the CRC of the previous index record, so that the
//! index can be rebuilt from the data.

use super::index::IndexRecord;
use super::index32;
use crate::integrity::crc32c;
use zerocopy::byteorder::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Length of a frame in bytes: a multiple of the cache line, so that data stays aligned.
pub(super) const SIZE: usize = 64;
pub(super) const MAGIC: [u8; 8] = *b"FERRICOB";

#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Raw {
    magic: [u8; 8],
    object: U64,
    record: [u8; index32::SIZE],
    previous: U32,
    partition: u8,
    _reserved_53: [u8; 7],
    crc: U32,
}
const _: () = assert!(size_of::<Raw>() == SIZE);

/// A decoded frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    /// Object number of the frame's object.
    pub(super) object: u64,
    /// Index record of the object.
    pub(super) record: IndexRecord,
    /// CRC of the previous index record; 0 for the first object.
    pub(super) previous_crc: u32,
}

impl Frame {
    /// Encodes the frame, with the bytes of its record.
    pub(super) fn encode(&self, partition: u8, record: &[u8; index32::SIZE]) -> [u8; SIZE] {
        let mut raw = Raw {
            magic: MAGIC,
            object: self.object.into(),
            record: *record,
            previous: self.previous_crc.into(),
            partition,
            _reserved_53: [0; 7],
            crc: U32::ZERO,
        };
        raw.crc = crc(raw.as_bytes()).into();
        zerocopy::transmute!(raw)
    }

    /// Decodes a frame; `None` if it is damaged, of another partition or at another offset of `data.P`.
    pub(super) fn decode(partition: u8, at: u64, bytes: &[u8]) -> Option<Self> {
        let raw = Raw::ref_from_bytes(bytes).ok()?;
        if raw.magic != MAGIC || raw.partition != partition || raw.crc.get() != crc(bytes) {
            return None;
        }
        let object = raw.object.get();
        let record = index32::decode(partition, object, &raw.record)?;
        (record.framed && record.start() == at).then_some(Self { object, record, previous_crc: raw.previous.get() })
    }
}

fn crc(bytes: &[u8]) -> u32 {
    crc32c(bytes.get(..SIZE - 4).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::medium::CodecId;
    use crate::three_file::index::{BlockEncryption, ObjectKind};

    #[test]
    fn layout_and_position() {
        let record = IndexRecord {
            offset: 0x0106,
            length: 5,
            stored: 5,
            filemarks_before: 1,
            kind: ObjectKind::Block,
            codec: CodecId::NONE,
            data_crc: Some(7),
            encryption: BlockEncryption::Clear,
            framed: true,
        };
        let frame = Frame { object: 3, record, previous_crc: 0x0102_0304 };
        let bytes = frame.encode(0, &index32::encode(&record, 0, 3));
        assert_eq!(bytes[..16], *b"FERRICOB\x03\0\0\0\0\0\0\0");
        assert_eq!(bytes[16..26], [0x06, 0x01, 0, 0, 0, 0, 0, 0, 5, 0]);
        // Block, no codec, not encrypted, framed.
        assert_eq!(bytes[36..40], [1, 0, 0, 1]);
        assert_eq!(bytes[48..60], [4, 3, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(Frame::decode(0, 0x0106 - 64, &bytes), Some(frame));
        assert_eq!(Frame::decode(0, 0x0106, &bytes), None);
        assert_eq!(Frame::decode(1, 0x0106 - 64, &bytes), None);
        for bit in 0..512 {
            let mut bad = bytes;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Frame::decode(0, 0x0106 - 64, &bad), None, "bit {bit}");
        }
    }
}
