//! A tape in memory, as a `Vec` of objects: the reference that tests compare other media with.

use crate::encrypt::Decryption;
use crate::error::StoreError;
use crate::medium::{
    Codec, DeferredLoss, MAX_BLOCK, Medium, PartitionUsage, Position, ReadOutcome, SpaceOutcome, SpaceUnit, StopReason,
    WriteOutcome,
};
use std::io::{IoSlice, IoSliceMut};

/// One object of the model tape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// A block with its bytes.
    Block(Vec<u8>),
    /// A filemark, which has no bytes.
    Filemark,
}

/// A tape of one partition in memory, in the simplest form.
#[derive(Clone, Debug)]
pub struct Model {
    records: Vec<Record>,
    object: usize,
    capacity: u64,
    early_warning: u64,
    stored: u64,
    programmable_early_warning: u64,
}

impl Model {
    /// A blank tape of `capacity` bytes; early warning is `early_warning` bytes before the end.
    #[must_use]
    pub const fn new(capacity: u64, early_warning: u64) -> Self {
        Self { records: Vec::new(), object: 0, capacity, early_warning, stored: 0, programmable_early_warning: 0 }
    }

    /// All objects from the beginning of the partition to end of data.
    #[must_use]
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    fn bytes(records: &[Record]) -> u64 {
        records.iter().map(|record| if let Record::Block(block) = record { block.len() as u64 } else { 0 }).sum()
    }

    fn before(&self) -> &[Record] {
        self.records.get(..self.object).unwrap_or_default()
    }

    fn warns(&self) -> bool {
        Self::bytes(self.before()) > self.early_warning_offset()
    }

    const fn early_warning_offset(&self) -> u64 {
        self.capacity.saturating_sub(self.early_warning)
    }

    fn push(&mut self, record: Record) -> WriteOutcome {
        self.records.truncate(self.object);
        self.stored += Self::bytes(std::slice::from_ref(&record));
        self.records.push(record);
        self.object += 1;
        WriteOutcome::Written { beyond_early_warning: self.warns() }
    }

    /// Crosses one object towards the end or the beginning, and returns it; `None` at the end or the beginning.
    fn step(&mut self, forward: bool) -> Option<&Record> {
        let crossed = if forward { self.object } else { self.object.checked_sub(1)? };
        let record = self.records.get(crossed)?;
        self.object = if forward { crossed + 1 } else { crossed };
        Some(record)
    }
}

impl Medium for Model {
    fn partitions(&self) -> u8 {
        1
    }

    fn position(&self) -> Position {
        let file = self.before().iter().filter(|record| **record == Record::Filemark).count();
        Position {
            partition: 0,
            object: self.object as u64,
            file: file as u64,
            early_warning: self.warns(),
            programmable_warning: self.programmable_early_warning > 0
                && Self::bytes(self.before()) > self.early_warning_offset() - self.programmable_early_warning,
        }
    }

    fn at_end_of_data(&self) -> bool {
        self.object == self.records.len()
    }

    fn set_programmable_early_warning(&mut self, bytes: u64) {
        self.programmable_early_warning = bytes.min(self.early_warning_offset());
    }

    fn usage(&self, partition: u8) -> Result<PartitionUsage, StoreError> {
        if partition != 0 {
            return Err(StoreError::NoPartition(partition));
        }
        Ok(PartitionUsage {
            used: Self::bytes(&self.records),
            capacity: self.capacity,
            early_warning: self.early_warning,
            position: Self::bytes(self.before()),
            objects: self.records.len() as u64,
        })
    }

    fn append(&mut self, block: &[IoSlice<'_>], _codec: Codec) -> Result<WriteOutcome, StoreError> {
        let block: Vec<u8> = block.iter().flat_map(|slice| slice.iter().copied()).collect();
        let fits = Self::bytes(self.before()) + block.len() as u64 <= self.capacity;
        if !fits || block.is_empty() || block.len() > MAX_BLOCK {
            return Ok(WriteOutcome::EndOfMedium);
        }
        Ok(self.push(Record::Block(block)))
    }

    fn append_filemark(&mut self) -> Result<WriteOutcome, StoreError> {
        Ok(self.push(Record::Filemark))
    }

    fn read_decrypting(
        &mut self,
        into: &mut [IoSliceMut<'_>],
        _unseal: Decryption<'_>,
    ) -> Result<ReadOutcome, StoreError> {
        let found = match self.step(true) {
            None => ReadOutcome::EndOfData,
            Some(Record::Filemark) => ReadOutcome::Filemark,
            Some(Record::Block(block)) => {
                let mut rest = block.as_slice();
                for slice in into {
                    let (now, later) = rest.split_at(slice.len().min(rest.len()));
                    if let Some(slot) = slice.get_mut(..now.len()) {
                        slot.copy_from_slice(now);
                    }
                    rest = later;
                }
                ReadOutcome::Block { len: block.len(), stored: block.len() as u64 }
            }
        };
        Ok(found)
    }

    fn space(&mut self, unit: SpaceUnit, count: i64) -> Result<SpaceOutcome, StoreError> {
        let (mut done, mut run) = (0, 0);
        let end = if count > 0 { StopReason::EndOfData } else { StopReason::Beginning };
        while done < count.unsigned_abs() {
            let Some(record) = self.step(count > 0) else { return Ok(SpaceOutcome { done, stopped_by: end }) };
            match (unit, record) {
                (SpaceUnit::Blocks, Record::Filemark) => {
                    return Ok(SpaceOutcome { done, stopped_by: StopReason::Filemark });
                }
                (SpaceUnit::Blocks, Record::Block(_)) | (SpaceUnit::Filemarks, Record::Filemark) => done += 1,
                (SpaceUnit::SequentialFilemarks, Record::Filemark) => {
                    run += 1;
                    done = if run == count.unsigned_abs() { run } else { 0 };
                }
                (SpaceUnit::Filemarks | SpaceUnit::SequentialFilemarks, Record::Block(_)) => run = 0,
            }
        }
        Ok(SpaceOutcome { done, stopped_by: StopReason::Count })
    }

    fn space_to_end(&mut self) -> Result<(), StoreError> {
        self.object = self.records.len();
        Ok(())
    }

    fn locate(&mut self, partition: u8, object: u64) -> Result<bool, StoreError> {
        self.usage(partition)?;
        self.object = usize::try_from(object).unwrap_or(usize::MAX).min(self.records.len());
        Ok(self.object as u64 == object)
    }

    fn locate_file(&mut self, partition: u8, file: u64) -> Result<bool, StoreError> {
        self.locate(partition, 0)?;
        let count = i64::try_from(file).unwrap_or(i64::MAX);
        Ok(self.space(SpaceUnit::Filemarks, count)?.stopped_by == StopReason::Count)
    }

    fn truncate(&mut self) -> Result<(), StoreError> {
        self.records.truncate(self.object);
        Ok(())
    }

    fn format(&mut self, sizes: &[u64]) -> Result<(), StoreError> {
        let [_] = sizes else { return Err(StoreError::NoPartition(1)) };
        self.records.clear();
        self.object = 0;
        Ok(())
    }

    fn stored_bytes(&self) -> u64 {
        self.stored
    }

    fn sync(&mut self) -> Result<(), StoreError> {
        Ok(())
    }

    fn take_deferred(&mut self) -> Option<DeferredLoss> {
        None
    }
}
