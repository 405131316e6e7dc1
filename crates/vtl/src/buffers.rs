//! A cache of data buffers: the page faults of new memory cost more than all later processing of a block.

use crate::locks::lock;
use scsi_core::target::DataBuffers;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Buffer sizes are from 4 KiB to 20 MiB, four sizes per power of two.
const MIN_SIZE: usize = 4096;
const STEPS: usize = 4;
const CLASSES: usize = 12 * STEPS + 2;
/// Bytes cached in each size class, and in all classes together.
const MAX_CACHED_PER_CLASS: usize = 8 << 20;
const MAX_CACHED: usize = 64 << 20;

/// The data buffers of one process, cached in size classes for reuse.
#[derive(Debug)]
pub struct Buffers {
    classes: [Mutex<Vec<Vec<u8>>>; CLASSES],
    cached: AtomicUsize,
    max_cached: AtomicUsize,
}

impl Default for Buffers {
    fn default() -> Self {
        let classes = std::array::from_fn(|_| Mutex::default());
        Self { classes, cached: AtomicUsize::new(0), max_cached: AtomicUsize::new(MAX_CACHED) }
    }
}

/// The size class of a length: its index, and the length in bytes of its buffers.
fn size_class(len: usize) -> (usize, usize) {
    let len = len.max(MIN_SIZE);
    let doubling = len.ilog2() as usize;
    let step = (1 << doubling) / STEPS;
    let steps = (len - (1 << doubling)).div_ceil(step);
    let number = (doubling - MIN_SIZE.ilog2() as usize) * STEPS + steps;
    (number, (1 << doubling) + steps * step)
}

impl Buffers {
    /// Sets how many bytes are cached for reuse: at most 64 MiB.
    pub fn set_max_cached(&self, bytes: usize) {
        self.max_cached.store(bytes.min(MAX_CACHED), Ordering::Relaxed);
    }

    /// The length in bytes of the buffer that [`Self::acquire`] returns for `len` bytes.
    #[must_use]
    pub fn size_for(len: usize) -> usize {
        size_class(len).1
    }

    /// Returns a buffer of at least `len` bytes with arbitrary content; `None` if the system has no memory for it.
    #[must_use]
    pub fn acquire(&self, len: usize) -> Option<Vec<u8>> {
        let (number, size) = size_class(len);
        if let Some(buffer) = self.classes.get(number).and_then(|class| lock(class).pop()) {
            self.cached.fetch_sub(size, Ordering::Relaxed);
            return Some(buffer);
        }
        allocate(size).or_else(|| {
            self.clear();
            allocate(size)
        })
    }

    /// Acquires the Data-In buffer of a command if it has none. Returns false if the system has no memory for it.
    pub(crate) fn ensure_data_in(&self, data: &mut DataBuffers) -> bool {
        if data.data_in.len() < data.data_in_capacity {
            let Some(buffer) = self.acquire(data.data_in_capacity) else { return false };
            data.data_in = buffer;
        }
        true
    }

    /// Returns a buffer to the cache; frees it if the cache is full.
    pub fn release(&self, buffer: Vec<u8>) {
        let (number, size) = size_class(buffer.len());
        let Some(class) = self.classes.get(number).filter(|_| size == buffer.len()) else { return };
        let mut class = lock(class);
        let fits = self.cached.load(Ordering::Relaxed) + size <= self.max_cached.load(Ordering::Relaxed);
        if fits && (class.len() + 1) * size <= MAX_CACHED_PER_CLASS.max(size) {
            class.push(buffer);
            self.cached.fetch_add(size, Ordering::Relaxed);
        }
    }

    /// Frees every cached buffer.
    fn clear(&self) {
        for class in &self.classes {
            let freed: usize = lock(class).drain(..).map(|buffer| buffer.len()).sum();
            self.cached.fetch_sub(freed, Ordering::Relaxed);
        }
    }
}

fn allocate(size: usize) -> Option<Vec<u8>> {
    let mut buffer = Vec::new();
    buffer.try_reserve_exact(size).ok()?;
    buffer.resize(size, 0);
    Some(buffer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn released_buffer_is_reused() {
        let buffers = Buffers::default();
        let mut buffer = buffers.acquire(7000).unwrap();
        assert_eq!(buffer.len(), 7168);
        buffer[0] = 9;
        buffers.release(buffer);
        assert_eq!(buffers.acquire(7168).unwrap()[0], 9);
        buffers.release(vec![0; 100]);
        buffers.release(vec![0; 64 << 20]);
        assert_eq!(buffers.acquire(1).unwrap().len(), 4096);
    }

    #[test]
    fn four_sizes_per_power_of_two() {
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
            assert_eq!(Buffers::size_for(len), size, "{len}");
        }
    }

    #[test]
    fn cache_is_bounded() {
        let buffers = Buffers::default();
        buffers.set_max_cached(10 << 20);
        for _ in 0..20 {
            buffers.release(vec![0; 1 << 20]);
            buffers.release(vec![0; 2 << 20]);
        }
        assert_eq!(buffers.cached.load(Ordering::Relaxed), 10 << 20);
        buffers.clear();
        assert_eq!(buffers.cached.load(Ordering::Relaxed), 0);
        assert!(buffers.acquire(usize::MAX / 4).is_none());
    }
}
