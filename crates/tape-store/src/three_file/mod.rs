//! A tape in files per partition: `data.P`, `indx.P` and `mark.P`, and `meta.P` in mhvtl's format. `docs/format.md` is
//! the specification.
//!
//! Blocks are contiguous in `data.P`. Each object has a record in `indx.P`: 32 bytes, with the number of filemarks
//! before it, in the native format; 512 bytes, with a table of filemarks in `meta.P`, in mhvtl's format. So an object
//! is found by its number, a filemark by bisection, and opening reads only the ends. `mark.P` has the watermark of the
//! last synchronisation.

mod append;
mod commit;
mod format;
mod frame;
mod index;
mod index32;
mod index512;
pub mod inspect;
mod partition;
mod pipeline;
mod read;
pub(crate) mod rebuild;
mod recover;
mod seek;
mod source;
#[cfg(test)]
mod tests;
mod watermark;

use crate::backend::{CommitPoint, Folder};
use crate::cartridge::Format;
use crate::encrypt::{AppendSession, Decryption, Encryption, EncryptionInfo};
use crate::error::StoreError;
use crate::medium::{
    Codec, DeferredLoss, MAX_BLOCK, Medium, MediumOperation, PartitionUsage, Position, ReadOutcome, SpaceOutcome,
    SpaceUnit, Warnings, WriteOutcome,
};
use crate::workers::Workers;
use crate::{media, mhvtl};
use append::FileSystemLimit;
use partition::Partition;
use pipeline::Pipeline;
use std::io::{IoSlice, IoSliceMut};

pub use append::FREE_RESERVE;
pub use rebuild::RebuiltIndex;
pub(crate) use recover::{NO_WATERMARK, SHORT_DATA};
pub(crate) use source::commit_change;
pub use source::{FolderOpener, ThreeFileSource};

/// A mounted tape whose files are in a folder.
pub struct ThreeFile {
    folder: Box<dyn Folder>,
    partitions: Vec<Partition>,
    current: usize,
    object: u64,
    file: u64,
    /// Offset in `data.P` at which `object` begins.
    offset: u64,
    options: TapeOptions,
    limits: LayoutLimits,
    read_only: Option<&'static str>,
    buffers: read::ReadBuffers,
    session: Option<AppendSession>,
    pipeline: Pipeline,
    stored: u64,
    deferred: Option<DeferredLoss>,
    file_system_limit: FileSystemLimit,
    /// Size of the programmable early warning zone in bytes before early warning; 0 if disabled.
    programmable_early_warning: u64,
    /// Whether calls of the folder and of the files may wait for a network.
    may_wait: bool,
    /// The last commit failed, and is repeated before anything is written.
    commit_failed: bool,
    /// Name of the daemon that has taken over the cartridge, once an operation has failed for this reason.
    taken_over_by: Option<String>,
}

/// Properties of a tape that are known before its files are opened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TapeOptions {
    /// Format of the cartridge's files.
    pub format: Format,
    /// Capacity of the cartridge in bytes.
    pub capacity: u64,
    /// Size of each partition in bytes; if empty, the partitions share the capacity evenly.
    pub partition_sizes: Vec<u64>,
    /// Whether to write nothing, not even to recover from a crash.
    pub read_only: bool,
    /// Whether Ferric wrote the cartridge last, so that its watermarks are valid.
    pub trust_watermarks: bool,
    /// Whether to discard the data: mhvtl's NULL medium.
    pub discard_data: bool,
    /// Whether to ignore the watermarks: the tape is damaged, and is inspected before anything is written.
    pub salvage: bool,
}

impl TapeOptions {
    /// Options of a tape in the native format, with a capacity in bytes.
    #[must_use]
    pub const fn native(capacity: u64) -> Self {
        Self {
            format: Format::Native,
            capacity,
            partition_sizes: Vec::new(),
            read_only: false,
            trust_watermarks: true,
            discard_data: false,
            salvage: false,
        }
    }

    /// The same options with this format of the files.
    #[must_use]
    pub fn with_format(self, format: Format) -> Self {
        Self { format, ..self }
    }

    /// The same options with partitions of these sizes in bytes; if empty, the partitions share the capacity evenly.
    #[must_use]
    pub fn with_partition_sizes(self, sizes: Vec<u64>) -> Self {
        Self { partition_sizes: sizes, ..self }
    }

    /// The same options for a tape that is only read: nothing is written, not even to recover from a crash.
    #[must_use]
    pub fn read_only(self) -> Self {
        Self { read_only: true, ..self }
    }

    /// The same options for a damaged tape, whose watermarks are ignored and which is inspected before anything is
    /// written.
    #[must_use]
    pub fn salvaging(self) -> Self {
        Self { salvage: true, ..self }
    }
}

/// Limits of a format.
#[derive(Clone, Copy, Debug)]
struct LayoutLimits {
    block: usize,
    object: u64,
}

/// The reason why a damaged tape in mhvtl's format is write-protected.
const DAMAGED_REASON: &str = "index is damaged";

/// The result of the recovery when the tape was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Objects after the watermark that are intact and were kept.
    pub kept_objects: u64,
    /// Objects after the watermark that are damaged or incomplete and were dropped.
    pub dropped_objects: u64,
    /// The tape is damaged: intact objects can be read; writing is restricted.
    pub damaged: bool,
    /// The folder can only be read ([`Folder::is_read_only`]).
    pub read_only_folder: bool,
}

impl ThreeFile {
    /// Opens the tape in a folder; an empty folder becomes a blank tape of one partition.
    ///
    /// # Errors
    /// [`StoreError::InUse`], [`StoreError::Malformed`] if a file is missing, or [`StoreError::Io`] if the storage
    /// fails. A damaged tape opens, but is never taken for a blank one.
    pub fn open(mut folder: Box<dyn Folder>, options: TapeOptions) -> Result<(Self, Recovery), StoreError> {
        folder.lock(options.read_only).map_err(StoreError::lock)?;
        let names = folder.list().map_err(StoreError::io("listing the cartridge's files"))?;
        check_required_files(&names, &options)?;
        let last = last_partition(&names, options.format);
        let mut buffers = read::ReadBuffers::default();
        let recovery = Recovery::default();
        let mut opener =
            recover::Opener { folder: folder.as_mut(), options: &options, buffers: &mut buffers, recovery };
        let partitions = (0..=last).map(|number| opener.open(number)).collect::<Result<Vec<_>, _>>()?;
        let recovery = opener.recovery;
        let limits = match options.format {
            Format::Native => LayoutLimits { block: MAX_BLOCK, object: u64::MAX },
            Format::Mhvtl => LayoutLimits { block: mhvtl::MAX_BLOCK, object: mhvtl::MAX_OBJECT },
        };
        let opened_read_only = options.read_only.then_some("opened read-only");
        let read_only =
            if recovery.damaged && options.format == Format::Mhvtl { Some(DAMAGED_REASON) } else { opened_read_only };
        let tape = Self {
            may_wait: folder.may_wait(),
            folder,
            partitions,
            current: 0,
            object: 0,
            file: 0,
            offset: 0,
            options,
            limits,
            read_only,
            buffers,
            session: None,
            pipeline: Pipeline::default(),
            stored: 0,
            deferred: None,
            file_system_limit: FileSystemLimit::default(),
            programmable_early_warning: 0,
            commit_failed: false,
            taken_over_by: None,
        };
        Ok((tape, recovery))
    }

    fn part(&mut self) -> Result<&mut Partition, StoreError> {
        self.partitions.get_mut(self.current).ok_or(StoreError::NoPartition(u8::MAX))
    }

    /// Moves to an object of the current partition.
    fn move_within(&mut self, object: u64) -> Result<(), StoreError> {
        (self.offset, self.file) = self.part()?.object_start(object)?;
        self.object = object;
        // Appends from here on need a new session: encrypted blocks may have been here before.
        self.session = None;
        Ok(())
    }

    /// Moves to the object that `find` returns for a partition. On failure, the position and the partition are
    /// unchanged.
    fn move_to<T>(
        &mut self,
        partition: u8,
        find: impl FnOnce(&mut Partition) -> Result<(u64, T), StoreError>,
    ) -> Result<T, StoreError> {
        let before = self.current;
        self.select_partition(partition)?;
        let moved = self.part().and_then(find).and_then(|(target, found)| self.move_within(target).map(|()| found));
        if moved.is_err() {
            self.current = before;
        }
        moved
    }

    fn select_partition(&mut self, partition: u8) -> Result<(), StoreError> {
        if usize::from(partition) >= self.partitions.len() {
            return Err(StoreError::NoPartition(partition));
        }
        self.current = usize::from(partition);
        Ok(())
    }

    /// Makes as much as possible durable, even if a step fails: there is no second attempt.
    fn close_partitions(&mut self) -> Result<(), StoreError> {
        let mut closed = self.drain();
        for at in 0..self.partitions.len() {
            closed = closed.and(self.sync_partition(at, Partition::close));
        }
        closed
    }

    /// Removes all objects from the position to end of data.
    fn truncate_partition(&mut self) -> Result<(), StoreError> {
        if let Some(reason) = self.read_only {
            return Err(StoreError::ReadOnly(reason));
        }
        self.drain()?;
        self.repeat_failed_commit()?;
        let (object, at) = (self.object, self.current);
        let Self { partitions, buffers, options, .. } = self;
        partitions.get_mut(at).map_or(Ok(()), |part| {
            part.rewrite_unsynced(buffers, options.discard_data).and_then(|()| part.truncate(object))
        })
    }

    /// Bytes of payload before the position, without frames.
    fn payload_before_position(&self) -> u64 {
        let overhead = self.partitions.get(self.current).map_or(0, |part| part.layout.overhead());
        let stored = self.object.saturating_sub(self.pending_blocks());
        self.offset.saturating_sub(overhead.saturating_mul(stored))
    }

    /// Capacity of a partition in bytes.
    fn partition_capacity(&self, number: usize) -> u64 {
        let share = self.options.capacity / (self.partitions.len() as u64).max(1);
        self.options.partition_sizes.get(number).copied().unwrap_or(share)
    }
}

/// Number of the last partition. In the native format, any of its files shows that a partition exists; the others are
/// lost.
fn last_partition(names: &[String], format: Format) -> u8 {
    let exists = |part: &str, number: &u8| names.contains(&format!("{part}.{number}"));
    let last = match format {
        Format::Native => {
            (0..4).filter(|number| ["data", "indx", "mark"].iter().any(|part| exists(part, number))).max()
        }
        Format::Mhvtl => (0..4).take_while(|number| exists("data", number)).last(),
    };
    last.unwrap_or(0)
}

/// Fails if a file is missing without which the cartridge would be damaged, not blank or shorter.
fn check_required_files(names: &[String], options: &TapeOptions) -> Result<(), StoreError> {
    let has = |name: &str| names.iter().any(|other| other == name);
    for name in ["data", "indx"] {
        if options.format == Format::Mhvtl && !has(name) && !has(&format!("{name}.0")) {
            return Err(StoreError::Malformed { file: format!("{name}.0"), problem: "is missing".into() });
        }
    }
    for number in 1..4 {
        let data = format!("data.{number}");
        if options.format == Format::Mhvtl
            && !has(&data)
            && ["indx", "meta", "mark"].iter().any(|name| has(&format!("{name}.{number}")))
        {
            return Err(StoreError::Malformed { file: data, problem: "is missing".into() });
        }
    }
    Ok(())
}

impl Medium for ThreeFile {
    fn partitions(&self) -> u8 {
        u8::try_from(self.partitions.len()).unwrap_or(u8::MAX)
    }

    fn file_format(&self) -> Option<Format> {
        Some(self.options.format)
    }

    fn read_only(&self) -> Option<&'static str> {
        self.read_only
    }

    fn max_object_number(&self) -> u64 {
        self.limits.object
    }

    fn max_block(&self) -> usize {
        self.limits.block
    }

    fn is_storage_full(&self) -> bool {
        self.ends_at_file_system()
    }

    fn may_wait(&self, operation: MediumOperation) -> bool {
        self.may_wait && (operation == MediumOperation::Read || !self.only_appends() || self.folder.append_may_wait())
    }

    fn taken_over_by(&self) -> Option<&str> {
        self.taken_over_by.as_deref()
    }

    fn position(&self) -> Position {
        Position { partition: u8::try_from(self.current).unwrap_or(u8::MAX), object: self.object, file: self.file }
    }

    fn warnings(&self) -> Warnings {
        let here = self.payload_before_position();
        Warnings { early: here > self.warning_at(), programmable: self.is_past_programmable_warning(here) }
    }

    fn at_end_of_data(&self) -> bool {
        let objects = self.partitions.get(self.current).map_or(0, Partition::objects);
        self.is_appending() || self.object >= objects
    }

    fn set_programmable_early_warning(&mut self, bytes: u64) {
        self.programmable_early_warning = bytes;
    }

    fn usage(&self, partition: u8) -> Result<PartitionUsage, StoreError> {
        let part = self.partitions.get(usize::from(partition)).ok_or(StoreError::NoPartition(partition))?;
        let capacity = self.partition_capacity(usize::from(partition));
        let here = if usize::from(partition) == self.current { self.payload_before_position() } else { 0 };
        let early_warning = media::early_warning(capacity);
        Ok(PartitionUsage { used: part.payload(), capacity, early_warning, position: here, objects: part.objects() })
    }

    fn append(&mut self, block: &[IoSlice<'_>], codec: Codec) -> Result<WriteOutcome, StoreError> {
        self.while_owned(|tape| tape.append_block(block, codec, None))
    }

    fn append_filemark(&mut self) -> Result<WriteOutcome, StoreError> {
        self.while_owned(Self::write_filemark)
    }

    fn append_encrypted(
        &mut self,
        block: &[IoSlice<'_>],
        codec: Codec,
        encryption: &Encryption,
    ) -> Result<WriteOutcome, StoreError> {
        self.while_owned(|tape| tape.append_block(block, codec, Some(encryption)))
    }

    fn read_decrypting(
        &mut self,
        into: &mut [IoSliceMut<'_>],
        decryption: Decryption<'_>,
    ) -> Result<ReadOutcome, StoreError> {
        self.while_owned(|tape| tape.read_object(into, decryption))
    }

    fn append_raw(&mut self, raw_block: &[IoSlice<'_>]) -> Result<WriteOutcome, StoreError> {
        self.while_owned(|tape| tape.append_raw_block(raw_block))
    }

    fn next_encryption(&mut self) -> Result<Option<EncryptionInfo>, StoreError> {
        self.while_owned(Self::next_encryption_info)
    }

    fn space(&mut self, unit: SpaceUnit, count: i64) -> Result<SpaceOutcome, StoreError> {
        self.while_owned(|tape| {
            tape.drain()?;
            tape.repeatable(|tape| tape.space_by(unit, count))
        })
    }

    fn space_to_end(&mut self) -> Result<(), StoreError> {
        self.while_owned(|tape| {
            tape.drain()?;
            let end = tape.part()?.objects();
            tape.move_within(end)
        })
    }

    fn locate(&mut self, partition: u8, object: u64) -> Result<bool, StoreError> {
        self.while_owned(|tape| {
            tape.drain()?;
            tape.move_to(partition, |part| {
                let target = object.min(part.objects());
                Ok((target, target == object))
            })
        })
    }

    fn locate_file(&mut self, partition: u8, file: u64) -> Result<bool, StoreError> {
        self.while_owned(|tape| {
            tape.drain()?;
            tape.move_to(partition, |part| {
                let found = file <= part.filemarks();
                Ok((if found { part.after_filemark(file)? } else { part.objects() }, found))
            })
        })
    }

    fn truncate(&mut self) -> Result<(), StoreError> {
        self.while_owned(Self::truncate_partition)
    }

    fn format(&mut self, sizes: &[u64]) -> Result<(), StoreError> {
        self.while_owned(|tape| tape.format_partitions(sizes))
    }

    fn stored_bytes(&self) -> u64 {
        self.stored
    }

    fn set_workers(&mut self, workers: &dyn Workers) {
        self.pipeline.set_workers(workers);
    }

    fn clear_keys(&mut self) {
        // Blocks in flight are encrypted with their key first; if that fails, it is a deferred error.
        let _ = Medium::drain(self);
        self.session = None;
        self.buffers.clear_keys();
    }

    fn drain(&mut self) -> Result<(), StoreError> {
        self.while_owned(Self::drain)
    }

    fn sync(&mut self) -> Result<(), StoreError> {
        if self.read_only.is_some() {
            return Ok(());
        }
        self.while_owned(|tape| {
            tape.drain()?;
            for at in 0..tape.partitions.len() {
                tape.sync_partition(at, Partition::sync)?;
            }
            tape.commit(CommitPoint::Synchronise)
        })
    }

    fn close(&mut self) -> Result<(), StoreError> {
        if self.read_only.is_some() {
            return Ok(());
        }
        self.while_owned(|tape| {
            let closed = tape.close_partitions();
            closed.and(tape.commit(CommitPoint::Unload))
        })
    }

    fn close_files(&mut self) -> Result<(), StoreError> {
        if self.read_only.is_some() {
            return Ok(());
        }
        self.while_owned(Self::close_partitions)
    }

    fn take_deferred(&mut self) -> Option<DeferredLoss> {
        self.deferred.take()
    }
}
