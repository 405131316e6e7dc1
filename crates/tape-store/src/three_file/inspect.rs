//! Looking at a tape without reading it as a drive does: what an object is, whether it is whole, and mending what is
//! not, when someone asks for it.

use super::ThreeFile;
use super::index::{Kind, Layout, Sealed};
use super::wide;
use crate::error::{Damage, StoreError};
use crate::medium::{CodecId, Found};

pub use super::wide::Label;

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
    pub protection: Protection,
}

/// How a block is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protection {
    /// Not at all.
    None,
    /// Sealed with a key that is not here.
    Sealed,
    /// Stored in clear beside the key it asks for, as mhvtl does.
    Labelled,
}

/// What is wrong with the index of a partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Condition {
    /// Why the partition takes no appends but at its beginning, if so.
    pub broken: Option<&'static str>,
    /// Index records that are damaged.
    pub records: u64,
    /// The object of the first of them.
    pub first: Option<u64>,
    /// Frames in the data that are damaged, of objects whose record is whole.
    pub frames: u64,
}

impl ThreeFile {
    /// The next object; `None` at end of data. The tape does not move.
    ///
    /// # Errors
    /// Its index record is damaged, or the storage failed.
    pub fn peek(&mut self) -> Result<Option<Object>, StoreError> {
        self.settle()?;
        let number = self.object;
        let part = self.part()?;
        if number >= part.objects() {
            return Ok(None);
        }
        let record = part.record(number)?;
        let protection = match record.sealed {
            Sealed::No => Protection::None,
            Sealed::Aes | Sealed::Capsule => Protection::Sealed,
            Sealed::Labelled => Protection::Labelled,
        };
        Ok(Some(Object {
            number,
            is_filemark: record.kind == Kind::Filemark,
            len: record.length,
            stored: record.stored,
            offset: record.offset,
            codec: record.codec,
            crc: record.data_crc.filter(|_| record.kind == Kind::Block),
            protection,
        }))
    }

    /// Checks the next object, and moves behind it. Sealed blocks are checked without their key.
    ///
    /// # Errors
    /// The object is damaged (the tape is then behind it), or the storage failed.
    pub fn check_next(&mut self) -> Result<Found, StoreError> {
        self.settle()?;
        let (object, place) = (self.object, self.offset);
        let Some(record) = self.record_here()? else { return Ok(Found::EndOfData) };
        self.object += 1;
        (self.offset, self.file) = (record.end(), record.files_behind());
        let part = self.partitions.get_mut(self.current).ok_or(StoreError::NoPartition(u8::MAX))?;
        if record.start() != place {
            return Err(part.damaged(object, Damage::Index));
        }
        if record.kind == Kind::Filemark {
            return Ok(Found::Filemark);
        }
        self.buffers.check(part, object, &record)?;
        Ok(Found::Block { len: record.length as usize, stored: record.stored.into() })
    }

    /// What mhvtl labelled the next block with.
    ///
    /// # Errors
    /// Its index record is damaged, or the storage failed.
    pub fn label_of_next(&mut self) -> Result<Option<Label>, StoreError> {
        let object = self.object;
        let part = self.part()?;
        if !matches!(part.layout, Layout::Wide(_)) {
            return Ok(None);
        }
        wide::label(&part.bytes_of(object)?).map(Some).ok_or_else(|| part.damaged(object, Damage::Index))
    }

    /// What would be lost if a partition ended before an object: so many objects, as far as anything counts them, and
    /// bytes of data.
    ///
    /// # Errors
    /// [`StoreError::NoPartition`], or the storage failed.
    pub fn loss(&mut self, partition: u8, object: u64) -> Result<(u64, u64), StoreError> {
        self.enter(partition)?;
        self.part()?.loss(object)
    }

    /// Ends a partition before an object, whether what follows is whole or not, and relies on the rest: what
    /// [`crate::cartridge::Cartridge::salvage`] opened can be used again when every partition was cut so.
    ///
    /// # Errors
    /// [`StoreError::NoPartition`], the object before is not whole, or the storage failed.
    pub fn cut(&mut self, partition: u8, object: u64) -> Result<(), StoreError> {
        self.enter(partition)?;
        let part = self.part()?;
        part.cut_here(object)?;
        self.go(object)
    }

    /// Looks through the index of a partition, and the frames in its data.
    ///
    /// # Errors
    /// [`StoreError::NoPartition`], or the storage failed.
    pub fn condition(&mut self, partition: u8) -> Result<Condition, StoreError> {
        self.enter(partition)?;
        let discards = self.shape.discards_data;
        let part = self.part()?;
        let mut condition = Condition { broken: part.broken(), ..Condition::default() };
        for object in 0..part.objects() {
            match part.record(object) {
                Ok(record) if discards || part.has_frame(object, &record)? => {}
                Ok(_) => condition.frames += 1,
                Err(StoreError::Damaged { .. }) => {
                    condition.records += 1;
                    condition.first.get_or_insert(object);
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
    pub fn mend_frames(&mut self, partition: u8) -> Result<u64, StoreError> {
        if let Some(why) = self.read_only {
            return Err(StoreError::ReadOnly(why));
        }
        self.enter(partition)?;
        self.part()?.mend_frames()
    }

    /// Where an object begins in the data file of a partition.
    ///
    /// # Errors
    /// [`StoreError::NoPartition`], or neither it nor the object before can be read.
    pub fn offset_of(&mut self, partition: u8, object: u64) -> Result<u64, StoreError> {
        self.enter(partition)?;
        Ok(self.part()?.place(object)?.0)
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
            match self.check_next() {
                Ok(Found::EndOfData) | Err(StoreError::Damaged { .. }) => return Ok(here),
                Ok(_) => {}
                Err(other) => return Err(other),
            }
        }
    }
}
