//! A tape in three files per partition: `data.P`, `indx.P`, `meta.P`. The normative text is `docs/format.md`.
//!
//! Blocks lie back to back in `data.P`; each object has a record of 32 bytes in `indx.P`, which counts the filemarks
//! before it, so an object is found by its number and a filemark by bisection, and nothing is read at open but the
//! ends. `meta.P` holds the watermark of the last synchronisation.

mod append;
mod index;
mod meta;
mod partition;
mod read;
mod recover;
mod seek;
#[cfg(test)]
mod tests;

use crate::backend::Folder;
use crate::error::StoreError;
use crate::media;
use crate::medium::{Codec, Deferred, Found, Medium, Position, Spaced, Unit, Usage, Written};
use append::Physical;
use partition::Partition;
use std::io::{IoSlice, IoSliceMut};

pub use append::FREE_RESERVE;

/// A mounted tape in a folder.
pub struct ThreeFile {
    folder: Box<dyn Folder>,
    partitions: Vec<Partition>,
    current: usize,
    object: u64,
    file: u64,
    /// Where the data of `object` begins.
    offset: u64,
    capacity: u64,
    buffers: read::Buffers,
    deferred: Option<Deferred>,
    physical: Physical,
}

/// What opening had to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Objects behind the last synchronisation that were whole, and stay.
    pub kept: u64,
    /// Objects behind the last synchronisation that were not whole, and are gone.
    pub dropped: u64,
}

impl ThreeFile {
    /// Opens the tape in a folder, or makes a blank one of one partition.
    ///
    /// # Errors
    /// [`StoreError::Format`] for anything but a tape with a torn end: damage is never read as a blank tape.
    pub fn open(mut folder: Box<dyn Folder>, capacity: u64) -> Result<(Self, Recovery), StoreError> {
        let names = folder.list().map_err(StoreError::io("listing the cartridge's files"))?;
        let exists = |number: &u8| names.iter().any(|name| *name == format!("data.{number}"));
        let last = (0..4_u8).take_while(exists).last().unwrap_or(0);
        let mut recovery = Recovery::default();
        let mut buffers = read::Buffers::default();
        let open = |number| recover::open(folder.as_mut(), number, &mut buffers, &mut recovery);
        let partitions = (0..=last).map(open).collect::<Result<Vec<_>, _>>()?;
        let (deferred, physical) = (None, Physical::default());
        let tape = Self {
            folder,
            partitions,
            current: 0,
            object: 0,
            file: 0,
            offset: 0,
            capacity,
            buffers,
            deferred,
            physical,
        };
        Ok((tape, recovery))
    }

    fn part(&mut self) -> Result<&mut Partition, StoreError> {
        self.partitions.get_mut(self.current).ok_or(StoreError::NoPartition(u8::MAX))
    }

    /// Moves within the current partition.
    fn go(&mut self, object: u64) -> Result<(), StoreError> {
        (self.offset, self.file) = self.part()?.place(object)?;
        self.object = object;
        Ok(())
    }

    fn enter(&mut self, partition: u8) -> Result<(), StoreError> {
        if usize::from(partition) >= self.partitions.len() {
            return Err(StoreError::NoPartition(partition));
        }
        self.current = usize::from(partition);
        Ok(())
    }

    /// Bytes of one partition: they share the cartridge evenly.
    fn partition_capacity(&self) -> u64 {
        self.capacity / (self.partitions.len() as u64).max(1)
    }
}

impl Medium for ThreeFile {
    fn partitions(&self) -> u8 {
        u8::try_from(self.partitions.len()).unwrap_or(u8::MAX)
    }

    fn position(&self) -> Position {
        Position {
            partition: u8::try_from(self.current).unwrap_or(u8::MAX),
            object: self.object,
            file: self.file,
            early_warning: self.offset > self.warning_at(),
        }
    }

    fn usage(&self, partition: u8) -> Result<Usage, StoreError> {
        let part = self.partitions.get(usize::from(partition)).ok_or(StoreError::NoPartition(partition))?;
        let capacity = self.partition_capacity();
        let here = if usize::from(partition) == self.current { self.offset } else { 0 };
        Ok(Usage { used: part.end(), capacity, early_warning: media::early_warning(capacity), here })
    }

    fn append(&mut self, block: &[IoSlice<'_>], codec: Codec) -> Result<Written, StoreError> {
        self.append_block(block, codec)
    }

    fn append_filemark(&mut self) -> Result<Written, StoreError> {
        self.append_mark()
    }

    fn read(&mut self, into: &mut [IoSliceMut<'_>]) -> Result<Found, StoreError> {
        self.read_object(into)
    }

    fn space(&mut self, unit: Unit, count: i64) -> Result<Spaced, StoreError> {
        self.space_by(unit, count)
    }

    fn space_to_end(&mut self) -> Result<(), StoreError> {
        let end = self.part()?.objects();
        self.go(end)
    }

    fn locate(&mut self, partition: u8, object: u64) -> Result<bool, StoreError> {
        self.enter(partition)?;
        let target = object.min(self.part()?.objects());
        self.go(target)?;
        Ok(target == object)
    }

    fn locate_file(&mut self, partition: u8, file: u64) -> Result<bool, StoreError> {
        self.enter(partition)?;
        let part = self.part()?;
        let found = file <= part.files();
        let target = if found { part.behind_filemark(file)? } else { part.objects() };
        self.go(target)?;
        Ok(found)
    }

    fn truncate(&mut self) -> Result<(), StoreError> {
        let object = self.object;
        self.part()?.truncate(object)
    }

    fn sync(&mut self) -> Result<(), StoreError> {
        for at in 0..self.partitions.len() {
            self.sync_partition(at, Partition::sync)?;
        }
        Ok(())
    }

    fn close(&mut self) -> Result<(), StoreError> {
        for at in 0..self.partitions.len() {
            self.sync_partition(at, Partition::close)?;
        }
        Ok(())
    }

    fn take_deferred(&mut self) -> Option<Deferred> {
        self.deferred.take()
    }
}
