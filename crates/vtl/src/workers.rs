//! Worker threads that compress and decompress blocks for all drives of a process.

use crate::budget::default_limit;
use std::collections::VecDeque;
use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use tape_store::workers::{CodecJob, WorkerSlot, Workers};

/// Maximum number of workers: one connection does not supply more, and all drives share them.
const MAX_WORKERS: usize = 8;

/// Bounds of the memory for the blocks in all workers, in bytes.
const LEAST_MEMORY: usize = 16 << 20;
const MOST_MEMORY: usize = 256 << 20;

/// A set of worker threads; dropping it stops them.
#[derive(Debug)]
pub struct ThreadedWorkers {
    shared: Arc<WorkerShared>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct WorkerShared {
    state: Mutex<WorkerQueue>,
    wake: Condvar,
    jobs: Mutex<Jobs>,
}

/// Jobs that are free, and the memory of all jobs.
#[derive(Default)]
struct Jobs {
    #[expect(clippy::vec_box, reason = "a box is what goes from thread to thread")]
    free: Vec<Box<CodecJob>>,
    /// Bytes of all jobs, free or in use.
    memory: usize,
    limit: usize,
}

impl Jobs {
    fn acquire(&mut self, copied: usize, len: usize) -> Option<Box<CodecJob>> {
        let mut job = self.free.pop().unwrap_or_default();
        let needed = job.memory(copied, len);
        self.memory = self.memory.saturating_sub(job.charged);
        while self.memory + needed > self.limit {
            let other = self.free.pop()?;
            self.memory = self.memory.saturating_sub(other.charged);
        }
        job.charged = needed;
        self.memory += needed;
        Some(job)
    }

    fn release(&mut self, mut job: Box<CodecJob>) {
        self.memory = self.memory.saturating_sub(job.charged);
        job.charged = job.memory(0, 0);
        self.memory += job.charged;
        self.free.push(job);
    }
}

impl std::fmt::Debug for WorkerShared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Shared")
    }
}

#[derive(Default)]
struct WorkerQueue {
    queue: VecDeque<(Box<CodecJob>, Arc<JobSlot>)>,
    stopping: bool,
}

/// The place to which a finished job is returned.
#[derive(Default)]
struct JobSlot {
    job: Mutex<Option<Box<CodecJob>>>,
    done: Condvar,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ThreadedWorkers {
    /// Spawns one worker per processor, or none on a single processor. The blocks in all workers take at most a quarter
    /// of [`default_limit`]: drives that get no memory compress their blocks themselves.
    #[must_use]
    pub fn new() -> Self {
        let limit = usize::try_from(default_limit() / 4).unwrap_or(usize::MAX);
        Self::with_memory(limit.clamp(LEAST_MEMORY, MOST_MEMORY))
    }

    fn with_memory(limit: usize) -> Self {
        let processors = thread::available_parallelism().map_or(1, NonZero::get);
        let jobs = Mutex::new(Jobs { limit, ..Jobs::default() });
        let shared = Arc::new(WorkerShared { jobs, ..WorkerShared::default() });
        let count = if processors == 1 { 0 } else { processors.min(MAX_WORKERS) };
        let spawn = |number: usize| {
            let shared = Arc::clone(&shared);
            thread::Builder::new().name(format!("pack-{number}")).spawn(move || shared.serve()).ok()
        };
        let threads = (0..count).map_while(spawn).collect();
        Self { shared, threads }
    }
}

impl Default for ThreadedWorkers {
    fn default() -> Self {
        Self::new()
    }
}

impl WorkerShared {
    fn serve(&self) {
        while let Some((mut job, slot)) = self.next() {
            // A job that panics is returned as failed, which fails the write; otherwise the drive would wait forever.
            let ran = catch_unwind(AssertUnwindSafe(|| job.run()));
            if ran.is_err() {
                job.fail();
            }
            *lock(&slot.job) = Some(job);
            slot.done.notify_one();
        }
    }

    fn next(&self) -> Option<(Box<CodecJob>, Arc<JobSlot>)> {
        let mut work = lock(&self.state);
        loop {
            if work.stopping {
                return None;
            }
            if let Some(next) = work.queue.pop_front() {
                return Some(next);
            }
            work = self.wake.wait(work).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Workers for ThreadedWorkers {
    fn parallel_jobs(&self) -> usize {
        self.threads.len()
    }

    fn slot(&self) -> Box<dyn WorkerSlot> {
        Box::new(ThreadedSlot { shared: Arc::clone(&self.shared), slot: Arc::default() })
    }
}

struct ThreadedSlot {
    shared: Arc<WorkerShared>,
    slot: Arc<JobSlot>,
}

impl WorkerSlot for ThreadedSlot {
    fn acquire(&mut self, copied: usize, len: usize) -> Option<Box<CodecJob>> {
        lock(&self.shared.jobs).acquire(copied, len)
    }

    fn release(&mut self, job: Box<CodecJob>) {
        lock(&self.shared.jobs).release(job);
    }

    fn start(&mut self, mut job: Box<CodecJob>) {
        let mut work = lock(&self.shared.state);
        if work.stopping {
            drop(work);
            job.run();
            *lock(&self.slot.job) = Some(job);
            return;
        }
        work.queue.push_back((job, Arc::clone(&self.slot)));
        drop(work);
        self.shared.wake.notify_one();
    }

    fn is_done(&self) -> bool {
        lock(&self.slot.job).is_some()
    }

    fn finish(&mut self) -> Box<CodecJob> {
        // A job that no worker has started is executed here.
        if let Some(mut job) = self.shared.take_back(&self.slot) {
            job.run();
            return job;
        }
        let mut job = lock(&self.slot.job);
        loop {
            if let Some(job) = job.take() {
                return job;
            }
            job = self.slot.done.wait(job).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl WorkerShared {
    /// Removes the job of this slot from the queue; `None` if a worker has started it.
    fn take_back(&self, slot: &Arc<JobSlot>) -> Option<Box<CodecJob>> {
        let mut work = lock(&self.state);
        let at = work.queue.iter().position(|(_, other)| Arc::ptr_eq(other, slot))?;
        work.queue.remove(at).map(|(job, _)| job)
    }
}

impl Drop for ThreadedWorkers {
    fn drop(&mut self) {
        let waiting = {
            let mut work = lock(&self.shared.state);
            work.stopping = true;
            std::mem::take(&mut work.queue)
        };
        // A drive that outlives the workers still gets its blocks back.
        for (mut job, slot) in waiting {
            job.run();
            *lock(&slot.job) = Some(job);
            slot.done.notify_one();
        }
        self.shared.wake.notify_all();
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{IoSlice, IoSliceMut};
    use tape_store::backend::Folder;
    use tape_store::backend::memory::MemoryFolder;
    use tape_store::medium::{Codec, Medium, ReadOutcome, WriteOutcome};
    use tape_store::three_file::{TapeOptions, ThreeFile};

    #[test]
    fn the_memory_of_all_jobs_is_bounded() {
        let workers = ThreadedWorkers::with_memory(40 << 20);
        let mut drives: Vec<_> = (0..4).map(|_| workers.slot()).collect();
        // 4 MiB each for input, output and codec output, and 1.5 MiB.
        let mut jobs: Vec<_> = drives.iter_mut().filter_map(|drive| drive.acquire(4 << 20, 4 << 20)).collect();
        assert_eq!(jobs.len(), 2);
        assert!(drives[0].acquire(1 << 20, 1 << 20).is_some(), "less still fits");
        assert!(jobs.iter().all(|job| job.charged > 13 << 20));
        drives[0].release(jobs.pop().unwrap());
        let again = drives[1].acquire(4 << 20, 4 << 20);
        assert!(again.is_some());
        // A failed job has no buffers, and its memory is free again.
        let mut failed = again.unwrap();
        failed.fail();
        assert!(failed.charged > 13 << 20);
        drives[2].release(failed);
        assert!(drives[3].acquire(4 << 20, 4 << 20).is_some());
    }

    #[test]
    fn queued_jobs_finish_after_workers_stop() {
        let workers = ThreadedWorkers::new();
        let mut slots: Vec<_> = (0..20).map(|_| workers.slot()).collect();
        for _ in 0..50 {
            slots.iter_mut().for_each(|slot| slot.start(Box::default()));
            slots.iter_mut().for_each(|slot| drop(slot.finish()));
        }
        slots.iter_mut().for_each(|slot| slot.start(Box::default()));
        drop(workers);
        slots.iter_mut().for_each(|slot| drop(slot.finish()));
        slots.iter_mut().for_each(|slot| slot.start(Box::default()));
        assert!(slots.iter().all(|slot| slot.is_done()));
    }

    /// Blocks of many lengths, some of which shrink.
    fn blocks(seed: u32) -> Vec<Vec<u8>> {
        let mut state = seed;
        let mut random = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state >> 16
        };
        let lengths = [70_000, 1 << 20, 33_000, 3 << 20, 600, 40_000, 2 << 20, 5 << 20];
        let mut block =
            |len| (0..len).map(|at| (if at % 8192 < 4096 { random() } else { 7 }).to_le_bytes()[0]).collect();
        lengths.iter().cycle().take(16).map(|len| block(*len)).collect()
    }

    /// Writes the blocks and reads them back: the files of the tape.
    fn tape_files(workers: &dyn Workers, blocks: &[Vec<u8>]) -> [Vec<u8>; 2] {
        let mut folder = MemoryFolder::default();
        let (mut tape, _) = ThreeFile::open(Box::new(folder.clone()), TapeOptions::native(1 << 40)).unwrap();
        tape.set_workers(workers);
        for block in blocks {
            assert!(matches!(tape.append(&[IoSlice::new(block)], Codec::zstd(1)), Ok(WriteOutcome::Written { .. })));
        }
        tape.sync().unwrap();
        tape.locate(0, 0).unwrap();
        for block in blocks {
            let mut into = vec![0; block.len()];
            let found = tape.read(&mut [IoSliceMut::new(&mut into)]).unwrap();
            assert!(matches!(found, ReadOutcome::Block { len, .. } if len == block.len()));
            assert_eq!(into, *block);
        }
        tape.close().unwrap();
        let mut whole = |name| {
            let mut file = folder.open_read_only(name).unwrap().unwrap();
            let mut bytes = vec![0; usize::try_from(file.len().unwrap()).unwrap()];
            file.read_at(0, &mut [IoSliceMut::new(&mut bytes)]).unwrap();
            bytes
        };
        ["data.0", "indx.0"].map(&mut whole)
    }

    #[test]
    fn drives_that_find_no_memory_write_the_same_bytes() {
        let all: Vec<_> = (1..=4).map(blocks).collect();
        let none = ThreadedWorkers { threads: Vec::new(), shared: Arc::default() };
        let expected: Vec<_> = all.iter().map(|blocks| tape_files(&none, blocks)).collect();
        // Memory for two blocks of 2 MiB and four drives at once; then none at all, since another drive has it.
        let pool = ThreadedWorkers::with_memory(16 << 20);
        let mut other = pool.slot();
        let mut taken = Vec::new();
        for _ in 0..2 {
            thread::scope(|scope| {
                let drives: Vec<_> = all.iter().map(|blocks| scope.spawn(|| tape_files(&pool, blocks))).collect();
                for (drive, expected) in drives.into_iter().zip(&expected) {
                    assert!(drive.join().unwrap() == *expected);
                }
            });
            taken.extend(std::iter::from_fn(|| other.acquire(4096, 4096)));
            assert!(other.acquire(32 << 10, 32 << 10).is_none());
        }
        // All memory is free again.
        taken.drain(..).for_each(|job| other.release(job));
        assert!(other.acquire(4 << 20, 4 << 20).is_some());
    }
}
