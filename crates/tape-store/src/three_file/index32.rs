//! Index records of the native format: 32 bytes, little-endian, each with its own CRC.

use super::index::{BlockEncryption, IndexRecord, MAX_OFFSET, ObjectKind};
use crate::integrity::crc32c;
use crate::medium::{CodecId, MAX_BLOCK};
use zerocopy::byteorder::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Length of one record in bytes.
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

/// CRC of a record. It covers partition and object number, so that a record in the wrong place is detected.
fn crc(partition: u8, object: u64, body: &[u8; SIZE - 4]) -> u32 {
    // In one array: this runs for each object that is written or read.
    let mut bytes = [partition; 1 + 8 + SIZE - 4];
    let (_, rest) = bytes.split_at_mut(1);
    let (number, rest) = rest.split_at_mut(8);
    number.copy_from_slice(&object.to_le_bytes());
    rest.copy_from_slice(body);
    crc32c(&bytes)
}

const BLOCK: u8 = 1;
const FILEMARK: u8 = 2;
/// Flags: encrypted, and relocated (encrypted for another position).
const ENCRYPTED: u8 = 1;
const RELOCATED: u8 = 3;
/// Last byte before the checksums: a frame precedes the data.
const FRAMED: u8 = 1;

pub(super) fn encode(record: &IndexRecord, partition: u8, object: u64) -> [u8; SIZE] {
    let mut raw = Raw {
        offset: record.offset.into(),
        length: record.length.into(),
        stored: record.stored.into(),
        files: record.filemarks_before.into(),
        kind: if record.kind == ObjectKind::Block { BLOCK } else { FILEMARK },
        codec: record.codec.0,
        flags: [
            match record.encryption {
                BlockEncryption::Aes => ENCRYPTED,
                BlockEncryption::Relocated => RELOCATED,
                BlockEncryption::Clear | BlockEncryption::Emulated => 0,
            },
            if record.framed { FRAMED } else { 0 },
        ],
        data_crc: record.data_crc.unwrap_or_default().into(),
        record_crc: U32::ZERO,
    };
    let body = raw.as_bytes().first_chunk::<{ SIZE - 4 }>().copied().unwrap_or([0; SIZE - 4]);
    raw.record_crc = crc(partition, object, &body).into();
    zerocopy::transmute!(raw)
}

/// Decodes a record; `None` if it is damaged or is the record of another object.
pub(super) fn decode(partition: u8, object: u64, bytes: &[u8]) -> Option<IndexRecord> {
    let raw = Raw::read_from_bytes(bytes).ok()?;
    let body = bytes.first_chunk::<{ SIZE - 4 }>()?;
    let kind = match raw.kind {
        BLOCK => ObjectKind::Block,
        FILEMARK => ObjectKind::Filemark,
        _ => return None,
    };
    let (length, stored) = (raw.length.get(), raw.stored.get());
    let [protection, framing] = raw.flags;
    let encryption = match protection {
        0 => BlockEncryption::Clear,
        ENCRYPTED if kind == ObjectKind::Block => BlockEncryption::Aes,
        RELOCATED if kind == ObjectKind::Block => BlockEncryption::Relocated,
        _ => return None,
    };
    let framed = match framing {
        0 => false,
        FRAMED => true,
        _ => return None,
    };
    let possible = raw.offset.get() <= MAX_OFFSET
        && usize::try_from(length).is_ok_and(|len| len <= MAX_BLOCK)
        && usize::try_from(stored).is_ok_and(|len| len <= 2 * MAX_BLOCK)
        && (!framed || raw.offset.get() >= super::frame::SIZE as u64);
    if !possible || crc(partition, object, body) != raw.record_crc.get() {
        return None;
    }
    Some(IndexRecord {
        offset: raw.offset.get(),
        length,
        stored,
        filemarks_before: raw.files.get(),
        kind,
        codec: CodecId(raw.codec),
        data_crc: Some(raw.data_crc.get()),
        encryption,
        framed,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layout_and_position() {
        let record = IndexRecord {
            offset: 0x0102_0304_0506,
            length: 0x0010_0000,
            stored: 77,
            filemarks_before: 5,
            kind: ObjectKind::Block,
            codec: CodecId::ZSTD,
            data_crc: Some(0xdead_beef),
            encryption: BlockEncryption::Clear,
            framed: false,
        };
        let bytes = encode(&record, 1, 9);
        assert_eq!(bytes[..24], [6, 5, 4, 3, 2, 1, 0, 0, 0, 0, 16, 0, 77, 0, 0, 0, 5, 0, 0, 0, 1, 2, 0, 0]);
        assert_eq!(decode(1, 9, &bytes), Some(record));
        assert_eq!(decode(0, 9, &bytes), None);
        assert_eq!(decode(1, 8, &bytes), None);
        assert_eq!(decode(1, 9, &bytes[..31]), None);
        for bit in 0..256 {
            let mut bad = bytes;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(decode(1, 9, &bad), None, "bit {bit}");
        }
    }
}
