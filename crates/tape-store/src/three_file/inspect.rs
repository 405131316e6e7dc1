//! Looking at a tape without reading it as a drive does: what an object is, whether it is whole, and mending what is
//! not, when someone asks for it.

use super::ThreeFile;
use super::index::{BlockEncryption, IndexLayout, ObjectKind};
use super::index512;
use crate::error::{Damage, StoreError};
use crate::medium::{CodecId, ReadOutcome};

pub use super::index512::EmulatedKey;

/// One object, as the index has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Its number in the partition.
    pub number: u64,
    /// A block or a filemark.
    pub is_filemark: bool,
    /// Bytes as it was written.
    pub len: u32,
    /// Bytes in the file.
    pub stored: u32,
    /// Where in the file.
    pub offset: u64,
    /// What compressed it.
    pub codec: CodecId,
    /// Its checksum, if its writer made one.
    pub crc: Option<u32>,
    /// How it is protected.
    pub encryption: ObjectEncryption,
}

/// How a block is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectEncryption {
    /// Not at all.
    None,
    /// Sealed with a key that is not here.
    Encrypted,
    /// Stored in clear beside the key it asks for, as mhvtl does.
    Emulated,
}

/// What is wrong with the index of a partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IndexReport {
    /// Why the partition takes no appends but at its beginning, if so.
    pub append_blocked: Option<&'static str>,
    /// Index records that are damaged.
    pub damaged_records: u64,
    /// The object of the first of them.
    pub first_damaged: Option<u64>,
    /// Frames in the data that are damaged, of objects whose record is whole.
    pub damaged_frames: u64,
}

impl ThreeFile {
    /// The next object; `None` at end of data. The tape does not move.
    ///
    /// # Errors
    /// Its index record is damaged, or the storage failed.
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

    /// Checks the next object, and moves behind it. Sealed blocks are checked without their key.
    ///
    /// # Errors
    /// The object is damaged (the tape is then behind it), or the storage failed.
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

    /// What mhvtl labelled the next block with.
    ///
    /// # Errors
    /// Its index record is damaged, or the storage failed.
    pub fn next_emulated_key(&mut self) -> Result<Option<EmulatedKey>, StoreError> {
        let object = self.object;
        let part = self.part()?;
        if !matches!(part.layout, IndexLayout::Index512(_)) {
            return Ok(None);
        }
        index512::emulated_key(&part.record_bytes(object)?).map(Some).ok_or_else(|| part.damaged(object, Damage::Index))
    }

    /// What would be lost if a partition ended before an object: so many objects, as far as anything counts them, and
    /// bytes of data.
    ///
    /// # Errors
    /// [`StoreError::NoPartition`], or the storage failed.
    pub fn loss_if_cut(&mut self, partition: u8, object: u64) -> Result<(u64, u64), StoreError> {
        self.enter(partition)?;
        self.part()?.loss_if_cut(object)
    }

    /// Ends a partition before an object, whether what follows is whole or not, and relies on the rest: what
    /// [`crate::cartridge::Cartridge::salvage`] opened can be used again when every partition was cut so.
    ///
    /// # Errors
    /// [`StoreError::NoPartition`], the object before is not whole, or the storage failed.
    pub fn cut_before(&mut self, partition: u8, object: u64) -> Result<(), StoreError> {
        self.enter(partition)?;
        let part = self.part()?;
        part.cut_before(object)?;
        self.move_within(object)
    }

    /// Looks through the index of a partition, and the frames in its data.
    ///
    /// # Errors
    /// [`StoreError::NoPartition`], or the storage failed.
    pub fn check_index(&mut self, partition: u8) -> Result<IndexReport, StoreError> {
        self.enter(partition)?;
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

    /// Writes the frames of a partition that are damaged anew, from the index; says how many.
    ///
    /// # Errors
    /// [`StoreError::ReadOnly`], [`StoreError::NoPartition`], or the storage failed.
    pub fn repair_frames(&mut self, partition: u8) -> Result<u64, StoreError> {
        if let Some(why) = self.read_only {
            return Err(StoreError::ReadOnly(why));
        }
        self.enter(partition)?;
        self.part()?.repair_frames()
    }

    /// Where an object begins in the data file of a partition.
    ///
    /// # Errors
    /// [`StoreError::NoPartition`], or neither it nor the object before can be read.
    pub fn offset_of(&mut self, partition: u8, object: u64) -> Result<u64, StoreError> {
        self.enter(partition)?;
        Ok(self.part()?.object_start(object)?.0)
    }

    /// Where the first object that is not whole is, in a partition; its end of data if all are.
    ///
    /// # Errors
    /// The storage failed.
    pub fn first_damaged(&mut self, partition: u8) -> Result<u64, StoreError> {
        self.enter(partition)?;
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
