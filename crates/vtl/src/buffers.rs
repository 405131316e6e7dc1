//! Buffers that are used again: the first touch of memory costs more than everything a record goes through later.

use crate::locks::lock;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Sizes are from 4 KiB to 20 MiB, four to a doubling.
const SMALLEST: usize = 4096;
const STEPS: usize = 4;
const CLASSES: usize = 12 * STEPS + 2;
/// So many bytes of each size are kept, and of all together.
const KEPT: usize = 8 << 20;
const KEPT_OF_ALL: usize = 64 << 20;

/// The buffers of one process.
#[derive(Debug)]
pub struct Buffers {
    classes: [Mutex<Vec<Vec<u8>>>; CLASSES],
    kept: AtomicUsize,
    most: AtomicUsize,
}

impl Default for Buffers {
    fn default() -> Self {
        let classes = std::array::from_fn(|_| Mutex::default());
        Self { classes, kept: AtomicUsize::new(0), most: AtomicUsize::new(KEPT_OF_ALL) }
    }
}

/// The class of a length, and the length of its buffers.
fn class(len: usize) -> (usize, usize) {
    let len = len.max(SMALLEST);
    let doubling = len.ilog2() as usize;
    let step = (1 << doubling) / STEPS;
    let steps = (len - (1 << doubling)).div_ceil(step);
    let number = (doubling - SMALLEST.ilog2() as usize) * STEPS + steps;
    (number, (1 << doubling) + steps * step)
}

impl Buffers {
    /// Keeps at most so many bytes for later use.
    pub fn keep_at_most(&self, bytes: usize) {
        self.most.store(bytes.min(KEPT_OF_ALL), Ordering::Relaxed);
    }

    /// The length of the buffer that [`Self::take`] gives for `len` bytes.
    #[must_use]
    pub fn size(len: usize) -> usize {
        class(len).1
    }

    /// A buffer of at least `len` bytes, with any content; `None` if the system has no memory for it.
    #[must_use]
    pub fn take(&self, len: usize) -> Option<Vec<u8>> {
        let (number, size) = class(len);
        if let Some(buffer) = self.classes.get(number).and_then(|kept| lock(kept).pop()) {
            self.kept.fetch_sub(size, Ordering::Relaxed);
            return Some(buffer);
        }
        new(size).or_else(|| {
            self.forget();
            new(size)
        })
    }

    /// A buffer that is no longer needed.
    pub fn give(&self, buffer: Vec<u8>) {
        let (number, size) = class(buffer.len());
        let Some(kept) = self.classes.get(number).filter(|_| size == buffer.len()) else { return };
        let mut kept = lock(kept);
        let fits = self.kept.load(Ordering::Relaxed) + size <= self.most.load(Ordering::Relaxed);
        if fits && (kept.len() + 1) * size <= KEPT.max(size) {
            kept.push(buffer);
            self.kept.fetch_add(size, Ordering::Relaxed);
        }
    }

    /// Frees every buffer that is kept for later use.
    fn forget(&self) {
        for kept in &self.classes {
            let freed: usize = lock(kept).drain(..).map(|buffer| buffer.len()).sum();
            self.kept.fetch_sub(freed, Ordering::Relaxed);
        }
    }
}

fn new(size: usize) -> Option<Vec<u8>> {
    let mut buffer = Vec::new();
    buffer.try_reserve_exact(size).ok()?;
    buffer.resize(size, 0);
    Some(buffer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_given_is_taken_again() {
        let buffers = Buffers::default();
        let mut buffer = buffers.take(7000).unwrap();
        assert_eq!(buffer.len(), 7168);
        buffer[0] = 9;
        buffers.give(buffer);
        assert_eq!(buffers.take(7168).unwrap()[0], 9);
        buffers.give(vec![0; 100]);
        buffers.give(vec![0; 64 << 20]);
        assert_eq!(buffers.take(1).unwrap().len(), 4096);
    }

    #[test]
    fn four_sizes_to_a_doubling() {
        for (len, size) in [
            (0, 4096),
            (4096, 4096),
            (4097, 5120),
            (8192, 8192),
            (262_144, 262_144),
            (8_388_612, 10 << 20),
            (16 << 20, 16 << 20),
            (16_777_217, 20 << 20),
        ] {
            assert_eq!(Buffers::size(len), size, "{len}");
        }
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let buffers = Buffers::default();
        buffers.keep_at_most(10 << 20);
        for _ in 0..20 {
            buffers.give(vec![0; 1 << 20]);
            buffers.give(vec![0; 2 << 20]);
        }
        assert_eq!(buffers.kept.load(Ordering::Relaxed), 10 << 20);
        buffers.forget();
        assert_eq!(buffers.kept.load(Ordering::Relaxed), 0);
        assert!(buffers.take(usize::MAX / 4).is_none());
    }
}
