//! The tape as a `Vec`: the oracle of every test, and a medium in memory.

use crate::error::StoreError;
use crate::medium::{Codec, Deferred, Found, MAX_BLOCK, Medium, Position, Spaced, Stop, Unit, Usage, Written};
use crate::seal::Unseal;
use std::io::{IoSlice, IoSliceMut};

/// One object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// A block.
    Block(Vec<u8>),
    /// A filemark.
    Filemark,
}

/// A tape of one partition in memory. It says what a tape is, in the plainest way.
#[derive(Clone, Debug)]
pub struct Model {
    records: Vec<Record>,
    at: usize,
    capacity: u64,
    early_warning: u64,
    stored: u64,
    warn_before: u64,
}

impl Model {
    /// A blank tape of `capacity` bytes, the last `early_warning` of them behind early warning.
    #[must_use]
    pub const fn new(capacity: u64, early_warning: u64) -> Self {
        Self { records: Vec::new(), at: 0, capacity, early_warning, stored: 0, warn_before: 0 }
    }

    /// All objects.
    #[must_use]
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    fn bytes(records: &[Record]) -> u64 {
        records.iter().map(|record| if let Record::Block(block) = record { block.len() as u64 } else { 0 }).sum()
    }

    fn before(&self) -> &[Record] {
        self.records.get(..self.at).unwrap_or_default()
    }

    fn warns(&self) -> bool {
        Self::bytes(self.before()) > self.warning_at()
    }

    const fn warning_at(&self) -> u64 {
        self.capacity.saturating_sub(self.early_warning)
    }

    fn push(&mut self, record: Record) -> Written {
        self.records.truncate(self.at);
        self.stored += Self::bytes(std::slice::from_ref(&record));
        self.records.push(record);
        self.at += 1;
        Written::Done { early_warning: self.warns() }
    }

    /// One step towards the end or the beginning; the object that was crossed.
    fn step(&mut self, forward: bool) -> Option<&Record> {
        let crossed = if forward { self.at } else { self.at.checked_sub(1)? };
        let record = self.records.get(crossed)?;
        self.at = if forward { crossed + 1 } else { crossed };
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
            object: self.at as u64,
            file: file as u64,
            early_warning: self.warns(),
            programmable_warning: self.warn_before > 0
                && Self::bytes(self.before()) > self.warning_at() - self.warn_before,
        }
    }

    fn at_end(&self) -> bool {
        self.at == self.records.len()
    }

    fn warn_before(&mut self, bytes: u64) {
        self.warn_before = bytes.min(self.warning_at());
    }

    fn usage(&self, partition: u8) -> Result<Usage, StoreError> {
        if partition != 0 {
            return Err(StoreError::NoPartition(partition));
        }
        Ok(Usage {
            used: Self::bytes(&self.records),
            capacity: self.capacity,
            early_warning: self.early_warning,
            here: Self::bytes(self.before()),
            objects: self.records.len() as u64,
        })
    }

    fn append(&mut self, block: &[IoSlice<'_>], _codec: Codec) -> Result<Written, StoreError> {
        let block: Vec<u8> = block.iter().flat_map(|slice| slice.iter().copied()).collect();
        let fits = Self::bytes(self.before()) + block.len() as u64 <= self.capacity;
        if !fits || block.is_empty() || block.len() > MAX_BLOCK {
            return Ok(Written::Full);
        }
        Ok(self.push(Record::Block(block)))
    }

    fn append_filemark(&mut self) -> Result<Written, StoreError> {
        Ok(self.push(Record::Filemark))
    }

    fn read_sealed(&mut self, into: &mut [IoSliceMut<'_>], _unseal: Unseal<'_>) -> Result<Found, StoreError> {
        let found = match self.step(true) {
            None => Found::EndOfData,
            Some(Record::Filemark) => Found::Filemark,
            Some(Record::Block(block)) => {
                let mut rest = block.as_slice();
                for slice in into {
                    let (now, later) = rest.split_at(slice.len().min(rest.len()));
                    if let Some(slot) = slice.get_mut(..now.len()) {
                        slot.copy_from_slice(now);
                    }
                    rest = later;
                }
                Found::Block { len: block.len(), stored: block.len() as u64 }
            }
        };
        Ok(found)
    }

    fn space(&mut self, unit: Unit, count: i64) -> Result<Spaced, StoreError> {
        let (mut done, mut run) = (0, 0);
        let end = if count > 0 { Stop::EndOfData } else { Stop::Beginning };
        while done < count.unsigned_abs() {
            let Some(record) = self.step(count > 0) else { return Ok(Spaced { done, stopped_by: end }) };
            match (unit, record) {
                (Unit::Blocks, Record::Filemark) => return Ok(Spaced { done, stopped_by: Stop::Filemark }),
                (Unit::Blocks, Record::Block(_)) | (Unit::Filemarks, Record::Filemark) => done += 1,
                (Unit::SequentialFilemarks, Record::Filemark) => {
                    run += 1;
                    done = if run == count.unsigned_abs() { run } else { 0 };
                }
                (Unit::Filemarks | Unit::SequentialFilemarks, Record::Block(_)) => run = 0,
            }
        }
        Ok(Spaced { done, stopped_by: Stop::Count })
    }

    fn space_to_end(&mut self) -> Result<(), StoreError> {
        self.at = self.records.len();
        Ok(())
    }

    fn locate(&mut self, partition: u8, object: u64) -> Result<bool, StoreError> {
        self.usage(partition)?;
        self.at = usize::try_from(object).unwrap_or(usize::MAX).min(self.records.len());
        Ok(self.at as u64 == object)
    }

    fn locate_file(&mut self, partition: u8, file: u64) -> Result<bool, StoreError> {
        self.locate(partition, 0)?;
        let count = i64::try_from(file).unwrap_or(i64::MAX);
        Ok(self.space(Unit::Filemarks, count)?.stopped_by == Stop::Count)
    }

    fn truncate(&mut self) -> Result<(), StoreError> {
        self.records.truncate(self.at);
        Ok(())
    }

    fn format(&mut self, sizes: &[u64]) -> Result<(), StoreError> {
        let [_] = sizes else { return Err(StoreError::NoPartition(1)) };
        self.records.clear();
        self.at = 0;
        Ok(())
    }

    fn stored(&self) -> u64 {
        self.stored
    }

    fn sync(&mut self) -> Result<(), StoreError> {
        Ok(())
    }

    fn take_deferred(&mut self) -> Option<Deferred> {
        None
    }
}
