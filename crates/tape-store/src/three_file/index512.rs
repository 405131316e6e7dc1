//! Index of mhvtl's format: 512 bytes per object in `indx.P`, and the numbers of the filemarks in `meta.P`.

use super::index::{BlockEncryption, IndexRecord, MAX_OFFSET, ObjectKind};
use crate::backend::Backend;
use crate::encrypt::{Key, KeyAssociatedData};
use crate::medium::{CodecId, MAX_BLOCK};
use crate::mhvtl::block_flags;
use std::io::{self, IoSlice, IoSliceMut};
use zerocopy::byteorder::little_endian::{U32, U64};
use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Length of one record in bytes.
pub(super) const SIZE: usize = 512;
/// Bytes before the numbers in `meta.P`: their count, and zeros.
pub(super) const HEADER: u64 = 512;
/// Bytes of the table read per call.
const PIECE: usize = 64 * 1024;

#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Raw {
    offset: U64,
    kind: U32,
    flags: U32,
    number: U32,
    length: U32,
    stored: U32,
    crc: U32,
    key_len: U32,
    ukad_len: U32,
    akad_len: U32,
    _reserved_44: U32,
    key: [u8; 32],
    ukad: [u8; 32],
    akad: [u8; 32],
    partition: U32,
    _reserved_148: [u8; 364],
}
const _: () = assert!(size_of::<Raw>() == SIZE);

const DATA: u32 = 11;
const FILEMARK: u32 = 3;

const ZLIB: u32 = block_flags::ZLIB as u32;
const ENCRYPTED: u32 = block_flags::ENCRYPTED as u32;
const LZO: u32 = block_flags::LZO as u32;
const CRC: u32 = block_flags::CRC as u32;

pub(super) fn encode(record: &IndexRecord, partition: u8, object: u64) -> [u8; SIZE] {
    let mut raw = Raw::new_zeroed();
    raw.offset = record.offset.into();
    raw.number = u32::try_from(object).unwrap_or(u32::MAX).into();
    raw.partition = u32::from(partition).into();
    match record.kind {
        ObjectKind::Filemark => raw.kind = FILEMARK.into(),
        ObjectKind::Block => {
            let codec = match record.codec {
                CodecId::ZLIB => ZLIB,
                CodecId::LZO => LZO,
                _ => 0,
            };
            raw.kind = DATA.into();
            raw.flags = (CRC | codec).into();
            raw.length = record.length.into();
            raw.stored = record.stored.into();
            raw.crc = record.data_crc.unwrap_or_default().into();
        }
    }
    zerocopy::transmute!(raw)
}

/// Decodes a record; `None` if it is malformed or is the record of another object. It has no count of filemarks.
pub(super) fn decode(partition: u8, object: u64, bytes: &[u8]) -> Option<IndexRecord> {
    let raw = Raw::ref_from_bytes(bytes).ok()?;
    let (kind, flags) = match raw.kind.get() {
        DATA => (ObjectKind::Block, raw.flags.get()),
        FILEMARK => (ObjectKind::Filemark, 0),
        _ => return None,
    };
    let codec = match flags & (ZLIB | LZO) {
        0 => CodecId::NONE,
        ZLIB => CodecId::ZLIB,
        LZO => CodecId::LZO,
        both => CodecId(u8::try_from(both).unwrap_or(u8::MAX)),
    };
    let possible = u64::from(raw.number.get()) == object
        && raw.partition.get() == u32::from(partition)
        && raw.offset.get() <= MAX_OFFSET
        && usize::try_from(raw.length.get()).is_ok_and(|len| len <= MAX_BLOCK)
        && usize::try_from(raw.stored.get()).is_ok_and(|len| len <= 2 * MAX_BLOCK)
        && (kind == ObjectKind::Block || raw.stored.get() == 0)
        && (kind == ObjectKind::Filemark || codec != CodecId::NONE || raw.stored.get() == raw.length.get())
        // A block has a length, flags or a checksum; a record with none of them is a filemark with a wrong bit.
        && (kind == ObjectKind::Filemark || flags != 0 || raw.length.get() != 0 || raw.stored.get() != 0);
    possible.then(|| IndexRecord {
        offset: raw.offset.get(),
        length: if kind == ObjectKind::Block { raw.length.get() } else { 0 },
        stored: raw.stored.get(),
        filemarks_before: 0,
        kind,
        codec,
        encryption: if flags & ENCRYPTED == 0 { BlockEncryption::Clear } else { BlockEncryption::Emulated },
        data_crc: (flags & CRC != 0).then(|| raw.crc.get()),
        framed: false,
    })
}

/// Key and key-associated data that mhvtl stored, in clear, with a block whose encryption it emulates.
#[derive(Clone, PartialEq, Eq)]
pub struct EmulatedKey {
    /// The data encryption key, up to 32 bytes.
    pub key: Vec<u8>,
    /// U-KAD: unauthenticated key-associated data, up to 32 bytes.
    pub ukad: Vec<u8>,
    /// A-KAD: authenticated key-associated data, up to 32 bytes.
    pub akad: Vec<u8>,
}

impl EmulatedKey {
    /// The key and the key-associated data with which the block can be encrypted; `None` if the key is empty.
    #[must_use]
    pub fn into_key(self) -> Option<(Key, KeyAssociatedData)> {
        let kads = KeyAssociatedData { unauthenticated: self.ukad, authenticated: self.akad, metadata: Vec::new() };
        Key::new(&self.key).map(|key| (key, kads))
    }
}

/// The key of a block with emulated encryption; `None` if the lengths are out of range.
pub(super) fn emulated_key(bytes: &[u8]) -> Option<EmulatedKey> {
    let raw = Raw::ref_from_bytes(bytes).ok()?;
    let part = |field: &[u8; 32], len: U32| field.get(..usize::try_from(len.get()).ok()?).map(<[u8]>::to_vec);
    Some(EmulatedKey {
        key: part(&raw.key, raw.key_len)?,
        ukad: part(&raw.ukad, raw.ukad_len)?,
        akad: part(&raw.akad, raw.akad_len)?,
    })
}

/// Object numbers of all filemarks, ascending, and the file `meta.P` that stores them.
///
/// The count in the header validates the numbers: numbers become durable before they are counted, and the count is
/// lowered before they are removed.
pub(super) struct FilemarkTable {
    file: Box<dyn Backend>,
    numbers: Vec<u32>,
    /// Count of the numbers in the file.
    written: usize,
    /// The count in the file's header.
    counted: usize,
    /// Whether the count was written and may not be durable.
    count_unsynced: bool,
}

impl FilemarkTable {
    /// An empty table for this file.
    pub(super) const fn new(file: Box<dyn Backend>) -> Self {
        Self { file, numbers: Vec::new(), written: 0, counted: 0, count_unsynced: false }
    }

    /// Reads the file after `skip` bytes; returns whether it has as many numbers as it counts, in ascending order.
    pub(super) fn read(&mut self, skip: u64) -> io::Result<bool> {
        let mut count = [0; 4];
        let got = self.file.read_at(skip, &mut [IoSliceMut::new(&mut count)])?;
        let count = u64::from(u32::from_le_bytes(count));
        let available = self.file.len()?.saturating_sub(skip + HEADER);
        self.counted = usize::try_from(count).unwrap_or(usize::MAX);
        if got < 4 || available < count * 4 {
            return Ok(false);
        }
        let Some(numbers) = self.ascending(skip + HEADER, count)? else { return Ok(false) };
        (self.written, self.numbers) = (numbers.len(), numbers);
        Ok(true)
    }

    /// Reads `count` numbers; `None` if they do not ascend. Reads piecewise, so that a wrong count allocates no memory.
    fn ascending(&mut self, mut at: u64, count: u64) -> io::Result<Option<Vec<u32>>> {
        let mut numbers: Vec<u32> = Vec::new();
        let mut piece = vec![0; PIECE];
        while (numbers.len() as u64) < count {
            let left = usize::try_from((count - numbers.len() as u64) * 4).unwrap_or(usize::MAX);
            let window = piece.get_mut(..left.min(PIECE)).unwrap_or_default();
            let got = self.file.read_at(at, &mut [IoSliceMut::new(window)])?;
            for number in piece.get(..got).unwrap_or_default().as_chunks().0 {
                let number = u32::from_le_bytes(*number);
                if numbers.last().is_some_and(|last| *last >= number) {
                    return Ok(None);
                }
                numbers.push(number);
            }
            if got < 4 {
                return Ok(None);
            }
            at += got as u64;
        }
        Ok(Some(numbers))
    }

    /// Replaces the numbers; the file has the old ones.
    pub(super) fn set(&mut self, numbers: Vec<u32>) {
        let same = self.numbers.iter().zip(&numbers).take_while(|(old, new)| old == new).count();
        self.written = self.written.min(same);
        self.numbers = numbers;
    }

    /// Number of filemarks in the table.
    pub(super) const fn len(&self) -> u64 {
        self.numbers.len() as u64
    }

    /// Number of filemarks before an object.
    pub(super) fn before(&self, object: u64) -> u64 {
        self.numbers.partition_point(|number| u64::from(*number) < object) as u64
    }

    /// Object number of the filemark with this index, from 0.
    pub(super) fn object(&self, index: u64) -> Option<u64> {
        self.numbers.get(usize::try_from(index).ok()?).map(|number| u64::from(*number))
    }

    pub(super) fn push(&mut self, object: u64) {
        self.numbers.push(u32::try_from(object).unwrap_or(u32::MAX));
    }

    /// Removes the filemarks from an object on; the file may still have them.
    pub(super) fn remove_from(&mut self, object: u64) {
        let remaining = usize::try_from(self.before(object)).unwrap_or(usize::MAX);
        self.numbers.truncate(remaining);
        self.written = self.written.min(remaining);
    }

    /// Writes the missing numbers: first the numbers, durably, then the count.
    pub(super) fn write(&mut self) -> io::Result<()> {
        if self.counted > self.written {
            self.count(self.written)?;
            self.sync()?;
        }
        let fresh = self.numbers.get(self.written..).unwrap_or_default();
        if fresh.is_empty() {
            // A failed truncation may have counted fewer than the table has.
            return if self.counted < self.written { self.count(self.written) } else { Ok(()) };
        }
        let bytes: Vec<u8> = fresh.iter().flat_map(|number| number.to_le_bytes()).collect();
        self.file.write_at(HEADER + 4 * self.written as u64, &[IoSlice::new(&bytes)])?;
        self.file.sync()?;
        self.written = self.numbers.len();
        self.count(self.written)
    }

    fn count(&mut self, count: usize) -> io::Result<()> {
        let bytes = u32::try_from(count).unwrap_or(u32::MAX).to_le_bytes();
        self.file.write_at(0, &[IoSlice::new(&bytes)])?;
        (self.counted, self.count_unsynced) = (count, true);
        Ok(())
    }

    /// Makes the count durable too.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        if self.count_unsynced {
            self.file.sync()?;
            self.count_unsynced = false;
        }
        Ok(())
    }

    /// Whether the file has and counts exactly these numbers.
    pub(super) const fn is_written(&self) -> bool {
        self.written == self.numbers.len() && self.counted == self.written
    }

    /// Counts only the filemarks before an object, durably. The table keeps the others until [`Self::remove_from`].
    pub(super) fn count_before(&mut self, object: u64) -> io::Result<()> {
        let remaining = usize::try_from(self.before(object)).unwrap_or(usize::MAX);
        if self.counted > remaining {
            self.count(remaining)?;
        }
        self.sync()
    }

    /// Truncates the file after the counted numbers; writes a header if there is none.
    pub(super) fn trim(&mut self) -> io::Result<()> {
        self.file.set_len(HEADER + 4 * self.counted as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::memory::MemoryFile;

    #[test]
    fn block_and_filemark_records_match() {
        let block = IndexRecord {
            offset: 5000,
            length: 1000,
            stored: 1000,
            filemarks_before: 0,
            kind: ObjectKind::Block,
            codec: CodecId::NONE,
            encryption: BlockEncryption::Clear,
            data_crc: Some(0x702c_c5d1),
            framed: false,
        };
        let bytes = encode(&block, 0, 5);
        assert_eq!(bytes[..16], [0x88, 0x13, 0, 0, 0, 0, 0, 0, 0x0b, 0, 0, 0, 0x08, 0, 0, 0]);
        assert_eq!(bytes[16..32], [5, 0, 0, 0, 0xe8, 3, 0, 0, 0xe8, 3, 0, 0, 0xd1, 0xc5, 0x2c, 0x70]);
        assert!(bytes[32..].iter().all(|byte| *byte == 0));
        assert_eq!(decode(0, 5, &bytes), Some(block));
        assert_eq!(decode(1, 5, &bytes), None);
        assert_eq!(decode(0, 6, &bytes), None);
        let zlib = IndexRecord { codec: CodecId::ZLIB, ..block };
        assert_eq!(encode(&zlib, 3, 5)[12], 0x09);
        assert_eq!(encode(&zlib, 3, 5)[144], 3);
        let mut odd = bytes;
        odd[12] = 0x0d;
        assert_eq!(decode(0, 5, &odd).map(|record| record.codec), Some(CodecId(5)));
        odd[8] = 12;
        assert_eq!(decode(0, 5, &odd), None);
    }

    #[test]
    fn filemark_table_round_trips() {
        let file = |bytes: &[u8]| FilemarkTable::new(Box::new(MemoryFile::new(bytes.to_vec())));
        let mut bytes = vec![0; 520];
        (bytes[0], bytes[512], bytes[516]) = (2, 4, 9);
        let mut marks = file(&bytes);
        assert!(marks.read(0).unwrap());
        assert_eq!((marks.before(4), marks.before(5), marks.before(9), marks.before(100)), (0, 1, 1, 2));
        marks.push(70_000);
        marks.write().unwrap();
        assert_eq!(marks.file.len().unwrap(), 524);
        let mut again = [0; 4];
        marks.file.read_at(520, &mut [IoSliceMut::new(&mut again)]).unwrap();
        assert_eq!(again, [0x70, 0x11, 1, 0]);
        marks.count_before(9).unwrap();
        assert_eq!(marks.object(1), Some(9));
        marks.remove_from(9);
        marks.trim().unwrap();
        assert_eq!((marks.len(), marks.object(0), marks.object(1)), (1, Some(4), None));
        assert_eq!(marks.file.len().unwrap(), 516);
        bytes[516] = 4;
        assert!(!file(&bytes).read(0).unwrap());
        assert!(!file(&bytes[..516]).read(0).unwrap());
        assert!(!file(&[]).read(0).unwrap());
        let mut packed = vec![3; 1024];
        packed.extend_from_slice(&[0; 512]);
        assert!(file(&packed).read(1024).unwrap());
    }
}
