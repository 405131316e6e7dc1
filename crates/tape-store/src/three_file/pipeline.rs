//! Blocks in flight: compressed by workers after the write returned, or decompressed ahead of the reader. Order and
//! results do not depend on the number of workers.
//!
//! A block in flight counts with its uncompressed length. Where that could reach early warning or the end of the
//! partition, all blocks in flight are written first, and the next one is checked with exact sizes.

use super::ThreeFile;
use super::index::{BlockEncryption, ObjectKind};
use crate::encrypt::{Decryption, Encryption, MAX_OVERHEAD};
use crate::error::StoreError;
use crate::medium::{Codec, CodecId, DeferredLoss, Medium, Position, ReadOutcome, WriteOutcome};
use crate::workers::{CodecJob, CodecTask, WorkerSlot, Workers};
use std::collections::VecDeque;
use std::io::{IoSlice, IoSliceMut};

/// A shorter block is compressed faster than another thread wakes up.
const WORTH_IT: usize = 32 * 1024;
/// A longer block is not copied for a worker.
const TOO_LONG: usize = 4 << 20;

/// Maximum number of bytes in flight.
const MAX_IN_FLIGHT_BYTES: u64 = 16 << 20;

/// Worker slots and blocks in flight of a mounted tape.
#[derive(Default)]
pub(super) struct Pipeline {
    /// Slots without a job.
    free: Vec<Box<dyn WorkerSlot>>,
    /// Slots with a job, in the order of their objects.
    pending_blocks: VecDeque<InFlight>,
    mode: PipelineMode,
    /// Maximum number of bytes that the blocks in flight can occupy.
    worst: u64,
    encryption: Option<Encryption>,
}

struct InFlight {
    slot: Box<dyn WorkerSlot>,
    /// When reading: object number, and bytes that it occupies on the tape.
    object: u64,
    stored: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum PipelineMode {
    #[default]
    None,
    Write,
    /// The last object read; objects after it may be read ahead.
    Read(u64),
}

impl Pipeline {
    /// Allocates slots of these workers: two per parallel job, so that no worker waits for the tape.
    pub(super) fn set_workers(&mut self, workers: &dyn Workers) {
        let places = if workers.parallel_jobs() == 0 { 0 } else { workers.parallel_jobs() * 2 };
        self.free = (0..places).map(|_| workers.slot()).collect();
    }

    /// A job with buffers for a block of at most `len` bytes; `None` without a free slot or memory.
    fn acquire(&mut self, len: usize) -> Option<Box<CodecJob>> {
        self.free.last_mut()?.acquire(len, len)
    }

    /// A job whose codecs the drive itself uses for a block that is too long for a worker: their buffers are large, and memory
    /// of the workers is used by all drives in turn.
    pub(super) fn acquire_codecs(&mut self, len: usize, codec: Codec) -> Option<Box<CodecJob>> {
        if len <= TOO_LONG || codec.id == CodecId::NONE {
            return None;
        }
        self.free.last_mut()?.acquire(0, len)
    }

    pub(super) fn release(&mut self, job: Box<CodecJob>) {
        if let Some(slot) = self.free.last_mut() {
            slot.release(job);
        }
    }

    fn start(&mut self, object: u64, stored: u64, job: Box<CodecJob>) {
        if let Some(mut slot) = self.free.pop() {
            slot.start(job);
            self.pending_blocks.push_back(InFlight { slot, object, stored });
        }
    }

    fn finish(&mut self) -> Option<(Box<CodecJob>, u64)> {
        let InFlight { mut slot, stored, .. } = self.pending_blocks.pop_front()?;
        let job = slot.finish();
        self.free.push(slot);
        Some((job, stored))
    }

    /// Takes back all jobs and discards them.
    fn drop_all(&mut self) {
        while let Some((job, _)) = self.finish() {
            self.release(job);
        }
        (self.mode, self.worst, self.encryption) = (PipelineMode::None, 0, None);
    }
}

impl Drop for Pipeline {
    /// Returns the memory of jobs in flight to the workers.
    fn drop(&mut self) {
        self.drop_all();
    }
}

impl ThreeFile {
    /// Whether blocks are in flight to the tape; the position is then at end of data.
    pub(super) fn is_appending(&self) -> bool {
        self.pipeline.mode == PipelineMode::Write
    }

    /// Number of blocks that count in the position but are not stored yet.
    pub(super) fn pending_blocks(&self) -> u64 {
        if self.is_appending() { self.pipeline.pending_blocks.len() as u64 } else { 0 }
    }

    /// Whether blocks of this length and codec go to the workers.
    fn uses_workers(&self, len: usize, codec: Codec) -> bool {
        let places = self.pipeline.free.len() + self.pipeline.pending_blocks.len();
        places > 0 && codec.id != CodecId::NONE && (WORTH_IT..=TOO_LONG).contains(&len)
    }

    /// Queues a block for the workers. `None` if the block is too short for that, or could reach the end of the
    /// partition: it is then to be written immediately.
    pub(super) fn append_later(
        &mut self,
        block: &[IoSlice<'_>],
        codec: Codec,
        encryption: Option<&Encryption>,
        len: usize,
    ) -> Result<Option<WriteOutcome>, StoreError> {
        if !self.uses_workers(len, codec) {
            self.drain()?;
            return Ok(None);
        }
        if self.pipeline.mode != PipelineMode::Write || self.pipeline.encryption.as_ref() != encryption {
            self.drain()?;
        }
        let worst = (len + if encryption.is_some() { MAX_OVERHEAD } else { 0 }) as u64;
        let here = self.payload_before_position();
        let end = here + self.pipeline.worst + worst;
        // The next offset at which the result of a write changes.
        let boundary = if self.is_past_programmable_warning(here) { self.warning_at() } else { self.programmable_at() };
        if end > boundary || !self.fits(here, self.pipeline.worst + worst)? {
            self.drain()?;
            return Ok(None);
        }
        if self.pipeline.mode != PipelineMode::Write {
            self.truncate_at_position(0)?;
            self.pipeline.mode = PipelineMode::Write;
            self.pipeline.encryption = encryption.cloned();
        }
        while self.pipeline.free.is_empty() || self.pipeline.worst + worst > MAX_IN_FLIGHT_BYTES {
            self.write_next_compressed()?;
        }
        let mut job = loop {
            match self.pipeline.acquire(len) {
                Some(job) => break job,
                None if self.pipeline.pending_blocks.is_empty() => {
                    self.drain()?;
                    return Ok(None);
                }
                None => self.write_next_compressed()?,
            }
        };
        job.input.clear();
        job.input.reserve_exact(len);
        block.iter().for_each(|slice| job.input.extend_from_slice(slice));
        job.task = CodecTask::Compress(codec);
        self.pipeline.start(self.object, 0, job);
        self.pipeline.worst += worst;
        self.object += 1;
        while self.pipeline.pending_blocks.front().is_some_and(|first| first.slot.is_done()) {
            self.write_next_compressed()?;
        }
        Ok(Some(WriteOutcome::Written { beyond_early_warning: false }))
    }

    /// Writes the blocks that the workers compressed, and discards blocks read ahead.
    ///
    /// # Errors
    /// [`StoreError::LostObjects`] if accepted blocks could not be stored.
    pub(super) fn drain(&mut self) -> Result<(), StoreError> {
        match self.pipeline.mode {
            PipelineMode::Write => {
                while !self.pipeline.pending_blocks.is_empty() {
                    self.write_next_compressed()?;
                }
            }
            PipelineMode::Read(_) | PipelineMode::None => {}
        }
        self.pipeline.drop_all();
        Ok(())
    }

    /// Writes the first block in flight; waits for it if necessary.
    fn write_next_compressed(&mut self) -> Result<(), StoreError> {
        let position = self.object;
        let Some((job, _)) = self.pipeline.finish() else { return Ok(()) };
        let len = job.input.len();
        let encryption = self.pipeline.encryption.take();
        self.object -= self.pipeline.pending_blocks.len() as u64 + 1;
        let written = self.store_compressed(&job, encryption.as_ref(), len);
        self.pipeline.release(job);
        self.pipeline.encryption = encryption;
        let overhead = if self.pipeline.encryption.is_some() { MAX_OVERHEAD } else { 0 };
        self.pipeline.worst = self.pipeline.worst.saturating_sub((len + overhead) as u64);
        match written {
            Ok(()) => self.object = position,
            Err(cause) => return self.record_in_flight_loss(cause),
        }
        Ok(())
    }

    fn store_compressed(
        &mut self,
        job: &CodecJob,
        encryption: Option<&Encryption>,
        len: usize,
    ) -> Result<(), StoreError> {
        let CodecTask::Compressed { crc, codec } = job.task else {
            return Err(StoreError::io("compressing a block")(std::io::Error::other("its worker failed")));
        };
        let content = [IoSlice::new(job.compressed())];
        let written = match encryption {
            None => self.append_stored(&content, codec, BlockEncryption::Clear, crc, len)?,
            Some(encryption) => self.append_encrypting(&content, codec, encryption, len)?,
        };
        match written {
            WriteOutcome::Written { .. } => Ok(()),
            WriteOutcome::EndOfMedium => Err(StoreError::io("writing data")(std::io::ErrorKind::StorageFull.into())),
        }
    }

    /// Records that an accepted block could not be stored: it and all blocks after it are lost.
    fn record_in_flight_loss(&mut self, cause: StoreError) -> Result<(), StoreError> {
        self.pipeline.drop_all();
        let cause = if let StoreError::LostObjects { cause, .. } = cause { *cause } else { cause };
        let first = self.part()?.discard_pending();
        let target = self.object.min(first);
        self.move_within(target)?;
        let partition = self.position().partition;
        let lost_from = Position { partition, object: target, file: self.file };
        self.deferred = Some(DeferredLoss { lost_from, cause: cause.clone() });
        Err(StoreError::LostObjects { partition, object: target, cause: Box::new(cause) })
    }

    /// The next object, if it was read ahead; queues the objects after it.
    pub(super) fn read_from_workers(
        &mut self,
        into: &mut [IoSliceMut<'_>],
        decryption: Decryption<'_>,
    ) -> Result<Option<ReadOutcome>, StoreError> {
        let object = self.object;
        let sequential = self.pipeline.mode == PipelineMode::Read(object.wrapping_sub(1));
        if !sequential || !matches!(decryption, Decryption::Disable | Decryption::Mixed(_)) {
            self.drain()?;
        }
        self.pipeline.mode = PipelineMode::Read(object);
        let ready = self.pipeline.pending_blocks.front().is_some_and(|first| first.object == object);
        let found = if ready { self.take_read(into)? } else { None };
        if sequential {
            self.queue_read_ahead(object);
        }
        Ok(found)
    }

    fn take_read(&mut self, into: &mut [IoSliceMut<'_>]) -> Result<Option<ReadOutcome>, StoreError> {
        let Some((job, stored)) = self.pipeline.finish() else { return Ok(None) };
        let found = (job.task == CodecTask::Decompressed(Ok(()))).then(|| {
            super::read::scatter(&job.output, into);
            ReadOutcome::Block { len: job.output.len(), stored }
        });
        self.pipeline.release(job);
        if found.is_some() {
            let object = self.object;
            let record = self.part()?.record(object)?;
            self.object += 1;
            (self.offset, self.file) = (record.end(), record.filemarks_after());
        }
        // Damaged blocks are read again by the reader, which reports the error.
        Ok(found)
    }

    /// Queues the objects after the current one for reading ahead.
    fn queue_read_ahead(&mut self, object: u64) {
        let mut next = self.pipeline.pending_blocks.back().map_or(object, |last| last.object) + 1;
        while !self.pipeline.free.is_empty() {
            let Ok(part) = self.part() else { return };
            if next >= part.objects() {
                return;
            }
            let Ok(record) = part.record(next) else { return };
            let len = record.length as usize;
            let worth_it = record.kind == ObjectKind::Block
                && record.encryption == BlockEncryption::Clear
                && record.codec != CodecId::NONE
                && (WORTH_IT..=TOO_LONG).contains(&len)
                && self.pipeline.pending_blocks.len() as u64 * (len as u64) < MAX_IN_FLIGHT_BYTES;
            if !worth_it {
                return;
            }
            let stored = record.stored as usize;
            let Some(mut job) = self.pipeline.acquire(len.max(stored)) else { return };
            job.input.clear();
            job.input.reserve_exact(stored);
            job.input.resize(stored, 0);
            job.task = CodecTask::Decompress { codec: record.codec, len, crc: record.data_crc };
            let whole = self.part().and_then(|part| part.read_data(&record, &mut [IoSliceMut::new(&mut job.input)]));
            if !matches!(whole, Ok(true)) {
                return self.pipeline.release(job);
            }
            self.pipeline.start(next, record.stored.into(), job);
            next += 1;
        }
    }
}
