//! Blocks that workers have: packed behind the writer's back, or unpacked ahead of the reader. In order, and so that
//! nothing can tell how many workers there are but by the time it takes.
//!
//! A block under way counts as if it did not shrink. Where that could meet early warning or the end, all are waited for
//! and the next is decided on exact bytes.

use super::ThreeFile;
use super::index::{Kind, Sealed};
use crate::error::StoreError;
use crate::medium::{Codec, CodecId, Deferred, Found, Medium, Position, Written};
use crate::seal::{MOST_OVERHEAD, Seal, Unseal};
use crate::workers::{Job, Slot, Task, Workers};
use std::collections::VecDeque;
use std::io::{IoSlice, IoSliceMut};

/// A shorter block is packed sooner than another thread wakes up.
const WORTH_IT: usize = 32 * 1024;
/// A longer one is not copied to be handed over.
const TOO_LONG: usize = 4 << 20;

/// No more is accepted before some of it is written.
const MOST_UNDER_WAY: u64 = 16 << 20;

/// What the workers of a mounted tape have.
#[derive(Default)]
pub(super) struct Pipeline {
    /// Slots without a job.
    free: Vec<Box<dyn Slot>>,
    /// Slots with one, in order of their objects.
    under_way: VecDeque<UnderWay>,
    purpose: Purpose,
    /// What the blocks to be written can take at most.
    worst: u64,
    seal: Option<Seal>,
}

struct UnderWay {
    slot: Box<dyn Slot>,
    /// For reading: which object it is, and what it takes on the tape.
    object: u64,
    stored: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Purpose {
    #[default]
    None,
    Write,
    /// The last object that was read; what follows it is worth reading ahead.
    Read(u64),
}

impl Pipeline {
    /// Takes places with these workers: two for each, so that none waits for the tape.
    pub(super) fn employ(&mut self, workers: &dyn Workers) {
        let places = if workers.width() == 0 { 0 } else { workers.width() * 2 };
        self.free = (0..places).map(|_| workers.slot()).collect();
    }

    /// A job for a block of at most `len` bytes, if there is a free slot and memory for it.
    fn acquire(&mut self, len: usize) -> Option<Box<Job>> {
        self.free.last_mut()?.acquire(len)
    }

    fn release(&mut self, job: Box<Job>) {
        if let Some(slot) = self.free.last_mut() {
            slot.release(job);
        }
    }

    fn start(&mut self, object: u64, stored: u64, job: Box<Job>) {
        if let Some(mut slot) = self.free.pop() {
            slot.start(job);
            self.under_way.push_back(UnderWay { slot, object, stored });
        }
    }

    fn finish(&mut self) -> Option<(Box<Job>, u64)> {
        let UnderWay { mut slot, stored, .. } = self.under_way.pop_front()?;
        let job = slot.finish();
        self.free.push(slot);
        Some((job, stored))
    }

    /// Takes everything back and forgets it.
    fn drop_all(&mut self) {
        while let Some((job, _)) = self.finish() {
            self.release(job);
        }
        (self.purpose, self.worst, self.seal) = (Purpose::None, 0, None);
    }
}

impl Drop for Pipeline {
    /// The memory of what is under way goes back to the workers.
    fn drop(&mut self) {
        self.drop_all();
    }
}

impl ThreeFile {
    /// Whether blocks are under way to the tape, so that nothing follows them.
    pub(super) fn is_appending(&self) -> bool {
        self.pipeline.purpose == Purpose::Write
    }

    /// Blocks that count in the position and are not stored yet.
    pub(super) fn under_way(&self) -> u64 {
        if self.is_appending() { self.pipeline.under_way.len() as u64 } else { 0 }
    }

    /// Whether blocks of this kind go to the workers.
    fn hands_over(&self, len: usize, codec: Codec) -> bool {
        let places = self.pipeline.free.len() + self.pipeline.under_way.len();
        places > 0 && codec.id != CodecId::NONE && (WORTH_IT..=TOO_LONG).contains(&len)
    }

    /// Hands a block over if that is worth it and cannot meet the end; `None` if it is to be written here and now.
    pub(super) fn append_later(
        &mut self,
        block: &[IoSlice<'_>],
        codec: Codec,
        seal: Option<&Seal>,
        len: usize,
    ) -> Result<Option<Written>, StoreError> {
        if !self.hands_over(len, codec) {
            self.settle()?;
            return Ok(None);
        }
        if self.pipeline.purpose != Purpose::Write || self.pipeline.seal.as_ref() != seal {
            self.settle()?;
        }
        let worst = (len + if seal.is_some() { MOST_OVERHEAD } else { 0 }) as u64;
        let here = self.on_tape();
        let end = here + self.pipeline.worst + worst;
        // The next boundary that something is said of.
        let boundary = if self.is_warned(here) { self.warning_at() } else { self.programmable_at() };
        if end > boundary || !self.fits(here, self.pipeline.worst + worst)? {
            self.settle()?;
            return Ok(None);
        }
        if self.pipeline.purpose != Purpose::Write {
            self.make_way(0)?;
            self.pipeline.purpose = Purpose::Write;
            self.pipeline.seal = seal.cloned();
        }
        while self.pipeline.free.is_empty() || self.pipeline.worst + worst > MOST_UNDER_WAY {
            self.collect()?;
        }
        let mut job = loop {
            match self.pipeline.acquire(len) {
                Some(job) => break job,
                None if self.pipeline.under_way.is_empty() => {
                    self.settle()?;
                    return Ok(None);
                }
                None => self.collect()?,
            }
        };
        job.input.clear();
        job.input.reserve_exact(len);
        block.iter().for_each(|slice| job.input.extend_from_slice(slice));
        job.task = Task::Pack(codec);
        self.pipeline.start(self.object, 0, job);
        self.pipeline.worst += worst;
        self.object += 1;
        while self.pipeline.under_way.front().is_some_and(|first| first.slot.is_done()) {
            self.collect()?;
        }
        Ok(Some(Written::Done { early_warning: false }))
    }

    /// Writes what the workers have packed; drops what they have read ahead.
    ///
    /// # Errors
    /// [`StoreError::Lost`]: blocks that were accepted could not be stored.
    pub(super) fn settle(&mut self) -> Result<(), StoreError> {
        match self.pipeline.purpose {
            Purpose::Write => {
                while !self.pipeline.under_way.is_empty() {
                    self.collect()?;
                }
            }
            Purpose::Read(_) | Purpose::None => {}
        }
        self.pipeline.drop_all();
        Ok(())
    }

    /// Writes the first block that the workers have, waiting for it if need be.
    fn collect(&mut self) -> Result<(), StoreError> {
        let behind = self.object;
        let Some((job, _)) = self.pipeline.finish() else { return Ok(()) };
        let len = job.input.len();
        let seal = self.pipeline.seal.take();
        self.object -= self.pipeline.under_way.len() as u64 + 1;
        let written = self.store_packed(&job, seal.as_ref(), len);
        self.pipeline.release(job);
        self.pipeline.seal = seal;
        let overhead = if self.pipeline.seal.is_some() { MOST_OVERHEAD } else { 0 };
        self.pipeline.worst = self.pipeline.worst.saturating_sub((len + overhead) as u64);
        match written {
            Ok(()) => self.object = behind,
            Err(cause) => return self.lost_under_way(cause),
        }
        Ok(())
    }

    fn store_packed(&mut self, job: &Job, seal: Option<&Seal>, len: usize) -> Result<(), StoreError> {
        let Task::Packed { crc, codec } = job.task else {
            return Err(StoreError::io("packing a block")(std::io::Error::other("its worker failed")));
        };
        let content = [IoSlice::new(job.packed())];
        let written = match seal {
            None => self.append_stored(&content, codec, Sealed::No, crc, len)?,
            Some(seal) => self.append_seal(&content, codec, seal, len)?,
        };
        match written {
            Written::Done { .. } => Ok(()),
            Written::Full => Err(StoreError::io("writing data")(std::io::ErrorKind::StorageFull.into())),
        }
    }

    /// A block that was accepted could not be stored: it and those behind it are lost.
    fn lost_under_way(&mut self, cause: StoreError) -> Result<(), StoreError> {
        self.pipeline.drop_all();
        let cause = if let StoreError::Lost { cause, .. } = cause { *cause } else { cause };
        let first = self.part()?.forget_pending();
        let target = self.object.min(first);
        self.go(target)?;
        let partition = self.position().partition;
        let lost_from = Position { partition, object: target, file: self.file, ..Position::default() };
        self.deferred = Some(Deferred { lost_from, cause: cause.clone() });
        Err(StoreError::Lost { partition, object: target, cause: Box::new(cause) })
    }

    /// The next object, if it was read ahead; hands over what follows.
    pub(super) fn read_ahead(
        &mut self,
        into: &mut [IoSliceMut<'_>],
        unseal: Unseal<'_>,
    ) -> Result<Option<Found>, StoreError> {
        let object = self.object;
        let sequential = self.pipeline.purpose == Purpose::Read(object.wrapping_sub(1));
        if !sequential || !matches!(unseal, Unseal::Never | Unseal::Also(_)) {
            self.settle()?;
        }
        self.pipeline.purpose = Purpose::Read(object);
        let ready = self.pipeline.under_way.front().is_some_and(|first| first.object == object);
        let found = if ready { self.take_read(into)? } else { None };
        if sequential {
            self.hand_over_behind(object);
        }
        Ok(found)
    }

    fn take_read(&mut self, into: &mut [IoSliceMut<'_>]) -> Result<Option<Found>, StoreError> {
        let Some((job, stored)) = self.pipeline.finish() else { return Ok(None) };
        let found = (job.task == Task::Unpacked(Ok(()))).then(|| {
            super::read::scatter(&job.output, into);
            Found::Block { len: job.output.len(), stored }
        });
        self.pipeline.release(job);
        if found.is_some() {
            let object = self.object;
            let record = self.part()?.record(object)?;
            self.object += 1;
            (self.offset, self.file) = (record.end(), record.files_behind());
        }
        // Damage is for the reader itself to find and to name.
        Ok(found)
    }

    /// Hands over blocks behind the one that is being read, as far as they are worth it.
    fn hand_over_behind(&mut self, object: u64) {
        let mut next = self.pipeline.under_way.back().map_or(object, |last| last.object) + 1;
        while !self.pipeline.free.is_empty() {
            let Ok(part) = self.part() else { return };
            if next >= part.objects() {
                return;
            }
            let Ok(record) = part.record(next) else { return };
            let len = record.length as usize;
            let worth_it = record.kind == Kind::Block
                && record.sealed == Sealed::No
                && record.codec != CodecId::NONE
                && (WORTH_IT..=TOO_LONG).contains(&len)
                && self.pipeline.under_way.len() as u64 * (len as u64) < MOST_UNDER_WAY;
            if !worth_it {
                return;
            }
            let stored = record.stored as usize;
            let Some(mut job) = self.pipeline.acquire(len.max(stored)) else { return };
            job.input.clear();
            job.input.reserve_exact(stored);
            job.input.resize(stored, 0);
            job.task = Task::Unpack { codec: record.codec, len, crc: record.data_crc };
            let whole = self.part().and_then(|part| part.read_data(&record, &mut [IoSliceMut::new(&mut job.input)]));
            if !matches!(whole, Ok(true)) {
                return self.pipeline.release(job);
            }
            self.pipeline.start(next, record.stored.into(), job);
            next += 1;
        }
    }
}
