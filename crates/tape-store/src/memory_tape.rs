//! A tape in memory, without files, codecs or encryption: for programs that embed a drive, and the reference that tests
//! compare other media with.

use crate::cartridge::{Barcode, Cartridge, CartridgeFacts, MamSave, MediumSource, OpenMode};
use crate::encrypt::Decryption;
use crate::error::StoreError;
use crate::mam::{AttrId, Mam};
use crate::media;
use crate::medium::{
    Codec, DeferredLoss, MAX_BLOCK, Medium, PartitionUsage, Position, ReadOutcome, SpaceOutcome, SpaceUnit, StopReason,
    Warnings, WriteOutcome,
};
use crate::store::NewCartridge;
use crate::three_file::Recovery;
use std::io::{IoSlice, IoSliceMut};
use std::sync::{Arc, Mutex, PoisonError};

/// One object of a tape in memory: a block or a filemark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// A block with its bytes.
    Block(Vec<u8>),
    /// A filemark, which has no bytes.
    Filemark,
}

#[derive(Clone, Debug)]
struct Partition {
    records: Vec<Record>,
    /// For each record, the bytes and the filemarks of the partition up to its end.
    ends: Vec<(u64, u64)>,
    capacity: u64,
    early_warning: u64,
}

impl Partition {
    fn new(capacity: u64) -> Self {
        Self { records: Vec::new(), ends: Vec::new(), capacity, early_warning: media::early_warning(capacity) }
    }

    /// Bytes and filemarks of the first `count` objects.
    fn before(&self, count: usize) -> (u64, u64) {
        count.checked_sub(1).and_then(|last| self.ends.get(last)).copied().unwrap_or_default()
    }

    fn truncate(&mut self, count: usize) {
        self.records.truncate(count);
        self.ends.truncate(count);
    }

    const fn warning_at(&self) -> u64 {
        self.capacity.saturating_sub(self.early_warning)
    }
}

/// The partitions of an unmounted tape; `None` while it is mounted.
type SharedPartitions = Arc<Mutex<Option<Vec<Partition>>>>;

/// A mounted tape of 1 to 4 partitions in memory.
#[derive(Debug)]
pub struct MemoryTape {
    /// Never empty.
    partitions: Vec<Partition>,
    current: usize,
    object: usize,
    stored: u64,
    programmable_early_warning: u64,
    read_only: bool,
    shared: Option<SharedPartitions>,
}

impl MemoryTape {
    /// A blank tape of one partition of `capacity` bytes; early warning is `early_warning` bytes before the end.
    #[must_use]
    pub fn new(capacity: u64, early_warning: u64) -> Self {
        Self::mounted(vec![Partition { early_warning, ..Partition::new(capacity) }], false, None)
    }

    const fn mounted(partitions: Vec<Partition>, read_only: bool, shared: Option<SharedPartitions>) -> Self {
        Self { partitions, current: 0, object: 0, stored: 0, programmable_early_warning: 0, read_only, shared }
    }

    /// All objects of the current partition, from its beginning to end of data.
    #[must_use]
    pub fn records(&self) -> &[Record] {
        self.partitions.get(self.current).map_or(&[], |part| &part.records)
    }

    fn part(&self) -> Result<&Partition, StoreError> {
        self.partition(self.number())
    }

    fn part_mut(&mut self) -> Result<&mut Partition, StoreError> {
        let number = self.number();
        self.partitions.get_mut(self.current).ok_or(StoreError::NoPartition(number))
    }

    fn partition(&self, number: u8) -> Result<&Partition, StoreError> {
        self.partitions.get(usize::from(number)).ok_or(StoreError::NoPartition(number))
    }

    fn number(&self) -> u8 {
        u8::try_from(self.current).unwrap_or(u8::MAX)
    }

    fn check_writable(&self) -> Result<(), StoreError> {
        if self.read_only { Err(StoreError::ReadOnly(READ_ONLY)) } else { Ok(()) }
    }

    fn push(&mut self, record: Record) -> Result<WriteOutcome, StoreError> {
        let len = if let Record::Block(block) = &record { block.len() as u64 } else { 0 };
        let (bytes, filemarks) = self.part()?.before(self.object);
        let filemarks = filemarks + u64::from(record == Record::Filemark);
        let object = self.object;
        let part = self.part_mut()?;
        part.truncate(object);
        part.records.push(record);
        part.ends.push((bytes + len, filemarks));
        let beyond_early_warning = bytes + len > part.warning_at();
        self.object += 1;
        self.stored += len;
        Ok(WriteOutcome::Written { beyond_early_warning })
    }

    /// Crosses one object towards the end or the beginning, and returns it; `None` at the end or the beginning.
    fn step(&mut self, forward: bool) -> Option<&Record> {
        let crossed = if forward { self.object } else { self.object.checked_sub(1)? };
        let record = self.partitions.get(self.current)?.records.get(crossed)?;
        self.object = if forward { crossed + 1 } else { crossed };
        Some(record)
    }
}

/// The reason why a tape that was opened for reading rejects a write.
const READ_ONLY: &str = "it was opened for reading only";

impl Drop for MemoryTape {
    fn drop(&mut self) {
        if let Some(shared) = &self.shared {
            *shared.lock().unwrap_or_else(PoisonError::into_inner) = Some(std::mem::take(&mut self.partitions));
        }
    }
}

impl Medium for MemoryTape {
    fn partitions(&self) -> u8 {
        u8::try_from(self.partitions.len()).unwrap_or(u8::MAX)
    }

    fn read_only(&self) -> Option<&'static str> {
        self.read_only.then_some(READ_ONLY)
    }

    fn position(&self) -> Position {
        let Some(part) = self.partitions.get(self.current) else { return Position::default() };
        Position { partition: self.number(), object: self.object as u64, file: part.before(self.object).1 }
    }

    fn warnings(&self) -> Warnings {
        let Some(part) = self.partitions.get(self.current) else { return Warnings::default() };
        let (bytes, _) = part.before(self.object);
        let programmable = part.warning_at().saturating_sub(self.programmable_early_warning);
        Warnings {
            early: bytes > part.warning_at(),
            programmable: self.programmable_early_warning > 0 && bytes > programmable,
        }
    }

    fn at_end_of_data(&self) -> bool {
        self.partitions.get(self.current).is_none_or(|part| self.object == part.records.len())
    }

    fn set_programmable_early_warning(&mut self, bytes: u64) {
        self.programmable_early_warning = bytes;
    }

    fn usage(&self, partition: u8) -> Result<PartitionUsage, StoreError> {
        let part = self.partition(partition)?;
        let here = if usize::from(partition) == self.current { self.object } else { 0 };
        Ok(PartitionUsage {
            used: part.before(part.records.len()).0,
            capacity: part.capacity,
            early_warning: part.early_warning,
            position: part.before(here).0,
            objects: part.records.len() as u64,
        })
    }

    fn append(&mut self, block: &[IoSlice<'_>], _codec: Codec) -> Result<WriteOutcome, StoreError> {
        self.check_writable()?;
        let block: Vec<u8> = block.iter().flat_map(|slice| slice.iter().copied()).collect();
        let part = self.part()?;
        let fits = part.before(self.object).0 + block.len() as u64 <= part.capacity;
        if block.len() > MAX_BLOCK {
            return Err(StoreError::BlockTooLong { len: block.len(), max: MAX_BLOCK });
        }
        if !fits {
            return Ok(WriteOutcome::EndOfMedium);
        }
        self.push(Record::Block(block))
    }

    fn append_filemark(&mut self) -> Result<WriteOutcome, StoreError> {
        self.check_writable()?;
        self.push(Record::Filemark)
    }

    fn read_decrypting(
        &mut self,
        into: &mut [IoSliceMut<'_>],
        _decryption: Decryption<'_>,
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
        self.object = self.part()?.records.len();
        Ok(())
    }

    fn locate(&mut self, partition: u8, object: u64) -> Result<bool, StoreError> {
        let end = self.partition(partition)?.records.len();
        self.current = usize::from(partition);
        self.object = usize::try_from(object).unwrap_or(usize::MAX).min(end);
        Ok(self.object as u64 == object)
    }

    fn locate_file(&mut self, partition: u8, file: u64) -> Result<bool, StoreError> {
        let ends = &self.partition(partition)?.ends;
        // The file begins after the object that is its filemark.
        let before = ends.partition_point(|(_, filemarks)| *filemarks < file);
        let (exists, end) = (file == 0 || before < ends.len(), ends.len());
        self.current = usize::from(partition);
        self.object = if file == 0 { 0 } else { (before + 1).min(end) };
        Ok(exists)
    }

    fn truncate(&mut self) -> Result<(), StoreError> {
        self.check_writable()?;
        let object = self.object;
        self.part_mut()?.truncate(object);
        Ok(())
    }

    fn format(&mut self, sizes: &[u64]) -> Result<(), StoreError> {
        self.check_writable()?;
        if !(1..=4).contains(&sizes.len()) {
            return Err(StoreError::NoPartition(u8::try_from(sizes.len()).unwrap_or(u8::MAX)));
        }
        self.partitions = sizes.iter().map(|bytes| Partition::new(*bytes)).collect();
        (self.current, self.object) = (0, 0);
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

/// The tape and the cartridge memory of a cartridge in memory. They are lost when the cartridge is dropped.
struct MemorySource {
    tape: SharedPartitions,
    mam: Mam,
}

impl MediumSource for MemorySource {
    fn open(&mut self, facts: &mut CartridgeFacts, mode: OpenMode) -> Result<(Box<dyn Medium>, Recovery), StoreError> {
        facts.apply(&self.mam)?;
        let tape = self.tape.lock().unwrap_or_else(PoisonError::into_inner).take().ok_or(StoreError::InUse)?;
        let tape = MemoryTape::mounted(tape, mode == OpenMode::ReadOnly, Some(Arc::clone(&self.tape)));
        Ok((Box::new(tape), Recovery::default()))
    }

    fn mam(&mut self, facts: &mut CartridgeFacts) -> Result<Mam, StoreError> {
        facts.apply(&self.mam)?;
        Ok(self.mam.clone())
    }

    fn save_mam(&mut self, mam: &Mam, save: MamSave) -> Result<(), StoreError> {
        if matches!(save, MamSave::Exclusive | MamSave::Protection)
            && self.tape.lock().unwrap_or_else(PoisonError::into_inner).is_none()
        {
            return Err(StoreError::InUse);
        }
        self.mam = mam.clone();
        Ok(())
    }
}

impl Cartridge {
    /// A new cartridge whose tape and cartridge memory are in memory: blocks are neither compressed nor encrypted, and
    /// are lost with the value. It has one partition of the capacity in `new`; its format is not used.
    #[must_use]
    pub fn in_memory(barcode: Barcode, new: &NewCartridge<'_>) -> Self {
        let mut mam = Mam::new(new);
        mam.set_text(AttrId::VOLUME_IDENTIFIER, barcode.as_str());
        let tape = Arc::new(Mutex::new(Some(vec![Partition::new(new.capacity)])));
        let NewCartridge { media, kind, capacity, .. } = *new;
        Self::new(CartridgeFacts { barcode, media, kind, capacity }, Box::new(MemorySource { tape, mam }))
    }
}
