//! Threads that pack and unpack blocks for all drives of a process.

use std::collections::VecDeque;
use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use tape_store::workers::{Job, Slot, Workers};

/// More would not be fed by one connection, and drives share them.
const MOST: usize = 8;

/// A pool of workers; they end with it.
#[derive(Debug)]
pub struct Pool {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    work: Mutex<Work>,
    wake: Condvar,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Shared")
    }
}

#[derive(Default)]
struct Work {
    queue: VecDeque<(Box<Job>, Arc<Place>)>,
    stopping: bool,
}

/// Where one job comes back.
#[derive(Default)]
struct Place {
    job: Mutex<Option<Box<Job>>>,
    done: Condvar,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Pool {
    /// One worker for each processor; none where there is only one, since it has enough to do.
    #[must_use]
    pub fn new() -> Self {
        let processors = thread::available_parallelism().map_or(1, NonZero::get);
        let shared = Arc::new(Shared::default());
        let count = if processors == 1 { 0 } else { processors.min(MOST) };
        let spawn = |number: usize| {
            let shared = Arc::clone(&shared);
            thread::Builder::new().name(format!("pack-{number}")).spawn(move || shared.serve()).ok()
        };
        let threads = (0..count).map_while(spawn).collect();
        Self { shared, threads }
    }
}

impl Default for Pool {
    fn default() -> Self {
        Self::new()
    }
}

impl Shared {
    fn serve(&self) {
        while let Some((mut job, place)) = self.next() {
            // A job that panics comes back undone, which is a failed write; whoever waits for it must not wait for ever.
            let ran = catch_unwind(AssertUnwindSafe(|| job.run()));
            *lock(&place.job) = Some(if ran.is_ok() { job } else { Box::default() });
            place.done.notify_one();
        }
    }

    fn next(&self) -> Option<(Box<Job>, Arc<Place>)> {
        let mut work = lock(&self.work);
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

impl Workers for Pool {
    fn width(&self) -> usize {
        self.threads.len()
    }

    fn slot(&self) -> Box<dyn Slot> {
        Box::new(PoolSlot { shared: Arc::clone(&self.shared), place: Arc::default() })
    }
}

struct PoolSlot {
    shared: Arc<Shared>,
    place: Arc<Place>,
}

impl Slot for PoolSlot {
    fn start(&mut self, mut job: Box<Job>) {
        let mut work = lock(&self.shared.work);
        if work.stopping {
            drop(work);
            job.run();
            *lock(&self.place.job) = Some(job);
            return;
        }
        work.queue.push_back((job, Arc::clone(&self.place)));
        drop(work);
        self.shared.wake.notify_one();
    }

    fn is_done(&self) -> bool {
        lock(&self.place.job).is_some()
    }

    fn finish(&mut self) -> Box<Job> {
        // What nobody has begun is done here, sooner than a worker comes to it.
        if let Some(mut job) = self.shared.take_back(&self.place) {
            job.run();
            return job;
        }
        let mut job = lock(&self.place.job);
        loop {
            if let Some(job) = job.take() {
                return job;
            }
            job = self.place.done.wait(job).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Shared {
    /// The job of this place, if it still waits.
    fn take_back(&self, place: &Arc<Place>) -> Option<Box<Job>> {
        let mut work = lock(&self.work);
        let at = work.queue.iter().position(|(_, other)| Arc::ptr_eq(other, place))?;
        work.queue.remove(at).map(|(job, _)| job)
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        let waiting = {
            let mut work = lock(&self.shared.work);
            work.stopping = true;
            std::mem::take(&mut work.queue)
        };
        // A tape that outlives the pool still gets its blocks back.
        for (mut job, place) in waiting {
            job.run();
            *lock(&place.job) = Some(job);
            place.done.notify_one();
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

    #[test]
    fn jobs_come_back_even_after_the_pool_is_gone() {
        let pool = Pool::new();
        let mut slots: Vec<_> = (0..20).map(|_| pool.slot()).collect();
        for _ in 0..50 {
            slots.iter_mut().for_each(|slot| slot.start(Box::default()));
            slots.iter_mut().for_each(|slot| drop(slot.finish()));
        }
        slots.iter_mut().for_each(|slot| slot.start(Box::default()));
        drop(pool);
        slots.iter_mut().for_each(|slot| drop(slot.finish()));
        slots.iter_mut().for_each(|slot| slot.start(Box::default()));
        assert!(slots.iter().all(|slot| slot.is_done()));
    }
}
