//! Inspection and repair of a tape, for tools: properties of objects, verification, truncation.

use super::ThreeFile;
use super::index::{BlockEncryption, IndexLayout, ObjectKind};
use super::index512;
use crate::error::{Damage, StoreError};
use crate::medium::{CodecId, ReadOutcome};

pub use super::index512::EmulatedKey;

/// One object, as the index describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Logical object number in the partition.
    pub number: u64,
    /// Whether the object is a filemark; otherwise it is a block.
    pub is_filemark: bool,
    /// Length of the block in bytes, before compression and encryption.
    pub len: u32,
    /// Bytes that the object occupies in `data.P`, without its frame.
    pub stored: u32,
    /// Offset of the object's data in `data.P`.
    pub offset: u64,
    /// Codec that the block is compressed with.
    pub codec: CodecId,
    /// CRC-32C of the block; `None` for a filemark and if the writer stored none.
    pub crc: Option<u32>,
    /// The encryption of the block.
    pub encryption: ObjectEncryption,
}

/// The encryption of a block on the tape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectEncryption {
    /// The block is stored in clear.
    None,
    /// The block is encrypted, with a key that is not on the cartridge.
    Encrypted,
    /// Encryption is emulated, as mhvtl does it: the block is in clear, its key is in the index record.
    Emulated,
}

/// The blocks of a tape between two filemarks, as the index describes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileSummary {
    /// Number of the file in the partition: the number of filemarks before it.
    pub number: u64,
    /// Logical object number of the first object that is counted.
    pub object: u64,
    /// Number of blocks that were counted.
    pub blocks: u64,
    /// Bytes of these blocks, before compression and encryption.
    pub bytes: u64,
    /// Bytes of these blocks in `data.P`, without frames.
    pub stored: u64,
    /// Length of the smallest block in bytes; 0 if there is none.
    pub smallest: u32,
    /// Length of the largest block in bytes; 0 if there is none.
    pub largest: u32,
    /// Number of objects with a damaged index record: blocks, or a filemark that joins two files.
    pub damaged: u64,
    /// The end of what was counted.
    pub end: FileEnd,
}

/// The end of the blocks in a [`FileSummary`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileEnd {
    /// A filemark follows the blocks.
    Filemark,
    /// End of data follows the blocks.
    EndOfData,
    /// The most objects were counted; the file goes on.
    Limit,
}

impl FileSummary {
    /// Logical object number of the first object after the counted blocks and their filemark.
    #[must_use]
    pub fn next_object(&self) -> u64 {
        self.object + self.blocks + self.damaged + u64::from(self.end == FileEnd::Filemark)
    }

    fn count(&mut self, len: u32, stored: u32) {
        self.smallest = if self.blocks == 0 { len } else { self.smallest.min(len) };
        self.largest = self.largest.max(len);
        self.blocks += 1;
        self.bytes += u64::from(len);
        self.stored += u64::from(stored);
    }
}

/// Result of checking the index of a partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IndexReport {
    /// The reason why objects may be appended at the beginning only; `None` if they may be appended anywhere.
    pub append_blocked: Option<&'static str>,
    /// Number of damaged index records.
    pub damaged_records: u64,
    /// Logical object number of the first damaged index record.
    pub first_damaged: Option<u64>,
    /// Number of damaged frames of objects whose index record is intact.
    pub damaged_frames: u64,
}

impl ThreeFile {
    /// The next object; `None` at end of data. The position does not change.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] if its index record is damaged, or [`StoreError::Io`] if the storage fails.
    pub fn next_object(&mut self) -> Result<Option<Object>, StoreError> {
        self.drain()?;
        let number = self.object;
        let part = self.part()?;
        if number >= part.objects() {
            return Ok(None);
        }
        let record = part.record(number)?;
        let protection = match record.encryption {
            BlockEncryption::Clear => ObjectEncryption::None,
            BlockEncryption::Aes | BlockEncryption::Relocated => ObjectEncryption::Encrypted,
            BlockEncryption::Emulated => ObjectEncryption::Emulated,
        };
        Ok(Some(Object {
            number,
            is_filemark: record.kind == ObjectKind::Filemark,
            len: record.length,
            stored: record.stored,
            offset: record.offset,
            codec: record.codec,
            crc: record.data_crc.filter(|_| record.kind == ObjectKind::Block),
            encryption: protection,
        }))
    }

    /// Counts the blocks from an object to the next filemark, at most this many objects, by the index alone. `None` at end
    /// of data.
    ///
    /// # Errors
    /// [`StoreError::NoPartition`], or [`StoreError::Io`] if the storage fails.
    pub fn summarize_file(
        &mut self,
        partition: u8,
        object: u64,
        max_objects: u64,
    ) -> Result<Option<FileSummary>, StoreError> {
        self.drain()?;
        self.select_partition(partition)?;
        let part = self.part()?;
        if object >= part.objects() {
            return Ok(None);
        }
        // If two records in succession are damaged, the number is not known.
        let number = part.filemarks_before(object).unwrap_or_default();
        let stop = object.saturating_add(max_objects).min(part.objects());
        let end = if stop == part.objects() { FileEnd::EndOfData } else { FileEnd::Limit };
        let (blocks, damaged) = (0, 0);
        let mut found =
            FileSummary { number, object, blocks, bytes: 0, stored: 0, smallest: 0, largest: 0, damaged, end };
        for at in object..stop {
            match part.record(at) {
                Ok(record) if record.kind == ObjectKind::Filemark => {
                    found.end = FileEnd::Filemark;
                    break;
                }
                Ok(record) => found.count(record.length, record.stored),
                Err(StoreError::Damaged { .. }) => found.damaged += 1,
                Err(storage) => return Err(storage),
            }
        }
        Ok(Some(found))
    }

    /// Verifies the next object and moves after it. An encrypted block is verified without its key, by its checksum.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] (the position is then after the object), or [`StoreError::Io`] if the storage fails.
    pub fn verify_next(&mut self) -> Result<ReadOutcome, StoreError> {
        self.drain()?;
        let (object, place) = (self.object, self.offset);
        let Some(record) = self.next_record()? else { return Ok(ReadOutcome::EndOfData) };
        self.object += 1;
        (self.offset, self.file) = (record.end(), record.filemarks_after());
        let part = self.partitions.get_mut(self.current).ok_or(StoreError::NoPartition(u8::MAX))?;
        if record.start() != place {
            return Err(part.damaged(object, Damage::Index));
        }
        if record.kind == ObjectKind::Filemark {
            return Ok(ReadOutcome::Filemark);
        }
        self.buffers.verify_block(part, object, &record)?;
        Ok(ReadOutcome::Block { len: record.length as usize, stored: record.stored.into() })
    }

    /// The key and key-associated data that mhvtl stored with the next block; `None` if there are none.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] if its index record is damaged, or [`StoreError::Io`] if the storage fails.
    pub fn next_emulated_key(&mut self) -> Result<Option<EmulatedKey>, StoreError> {
        let object = self.object;
        let part = self.part()?;
        if !matches!(part.layout, IndexLayout::Index512(_)) {
            return Ok(None);
        }
        index512::emulated_key(&part.record_bytes(object)?).map(Some).ok_or_else(|| part.damaged(object, Damage::Index))
    }

    /// The loss by truncating a partition before an object: number of objects, including those only counted by
    /// the watermark, and bytes of data.
    ///
    /// # Errors
    /// [`StoreError::NoPartition`], or [`StoreError::Io`] if the storage fails.
    pub fn loss_if_cut(&mut self, partition: u8, object: u64) -> Result<(u64, u64), StoreError> {
        self.select_partition(partition)?;
        self.part()?.loss_if_cut(object)
    }

    /// Truncates a partition before an object and accepts the objects before it as intact. A tape from
    /// [`crate::cartridge::Cartridge::salvage`] can be written again after each of its partitions was truncated so.
    ///
    /// # Errors
    /// [`StoreError::NoPartition`], [`StoreError::Damaged`] if the previous object is damaged, or [`StoreError::Io`] if
    /// the storage fails.
    pub fn cut_before(&mut self, partition: u8, object: u64) -> Result<(), StoreError> {
        self.select_partition(partition)?;
        let part = self.part()?;
        part.cut_before(object)?;
        self.move_within(object)
    }

    /// Checks the index of a partition, and the frames in its data.
    ///
    /// # Errors
    /// [`StoreError::NoPartition`], or [`StoreError::Io`] if the storage fails.
    pub fn check_index(&mut self, partition: u8) -> Result<IndexReport, StoreError> {
        self.select_partition(partition)?;
        let discards = self.options.discard_data;
        let part = self.part()?;
        let mut condition = IndexReport { append_blocked: part.append_blocked(), ..IndexReport::default() };
        for object in 0..part.objects() {
            match part.record(object) {
                Ok(record) if discards || part.has_frame(object, &record)? => {}
                Ok(_) => condition.damaged_frames += 1,
                Err(StoreError::Damaged { .. }) => {
                    condition.damaged_records += 1;
                    condition.first_damaged.get_or_insert(object);
                }
                Err(storage) => return Err(storage),
            }
        }
        Ok(condition)
    }

    /// Rewrites the damaged frames of a partition from its index; returns their number.
    ///
    /// # Errors
    /// [`StoreError::ReadOnly`], [`StoreError::NoPartition`], or [`StoreError::Io`] if the storage fails.
    pub fn repair_frames(&mut self, partition: u8) -> Result<u64, StoreError> {
        if let Some(reason) = self.read_only {
            return Err(StoreError::ReadOnly(reason));
        }
        self.select_partition(partition)?;
        self.part()?.repair_frames()
    }

    /// Offset in `data.P` at which an object begins.
    ///
    /// # Errors
    /// [`StoreError::NoPartition`], or [`StoreError::Damaged`] if the index records of the object and of its
    /// predecessor are damaged.
    pub fn offset_of(&mut self, partition: u8, object: u64) -> Result<u64, StoreError> {
        self.select_partition(partition)?;
        Ok(self.part()?.object_start(object)?.0)
    }

    /// Logical object number of the first damaged object in a partition; that of end of data if there is none.
    ///
    /// # Errors
    /// [`StoreError::NoPartition`], or [`StoreError::Io`] if the storage fails.
    pub fn first_damaged(&mut self, partition: u8) -> Result<u64, StoreError> {
        self.select_partition(partition)?;
        (self.object, self.offset, self.file) = (0, 0, 0);
        loop {
            let here = self.object;
            match self.verify_next() {
                Ok(ReadOutcome::EndOfData) | Err(StoreError::Damaged { .. }) => return Ok(here),
                Ok(_) => {}
                Err(other) => return Err(other),
            }
        }
    }
}
