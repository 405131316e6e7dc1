//! Buffers that are used again: the first touch of memory costs more than everything a record goes through later.

use std::sync::{Mutex, PoisonError};

/// Sizes are powers of two from 4 KiB to 16 MiB.
const SMALLEST: u32 = 12;
const CLASSES: usize = 13;
/// So many bytes of each size are kept.
const KEPT: usize = 8 << 20;

/// The buffers of one process.
#[derive(Debug, Default)]
pub struct Buffers([Mutex<Vec<Vec<u8>>>; CLASSES]);

fn class(len: usize) -> usize {
    let bits = len.next_power_of_two().trailing_zeros();
    bits.saturating_sub(SMALLEST) as usize
}

impl Buffers {
    /// A buffer of at least `len` bytes, with any content.
    #[must_use]
    pub fn take(&self, len: usize) -> Vec<u8> {
        let class = class(len);
        let kept = self.0.get(class).and_then(|kept| kept.lock().unwrap_or_else(PoisonError::into_inner).pop());
        kept.unwrap_or_else(|| vec![0; (1_usize << (class + SMALLEST as usize)).max(len)])
    }

    /// A buffer that is no longer needed.
    pub fn give(&self, buffer: Vec<u8>) {
        let class = class(buffer.len());
        let Some(kept) = self.0.get(class) else { return };
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        if buffer.len() == 1 << (class + SMALLEST as usize) && (kept.len() + 1) * buffer.len() <= KEPT.max(buffer.len())
        {
            kept.push(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_given_is_taken_again() {
        let buffers = Buffers::default();
        let mut buffer = buffers.take(5000);
        assert_eq!(buffer.len(), 8192);
        buffer[0] = 9;
        buffers.give(buffer);
        assert_eq!(buffers.take(8192)[0], 9);
        buffers.give(vec![0; 100]);
        buffers.give(vec![0; 64 << 20]);
        assert_eq!(buffers.take(1).len(), 4096);
    }
}
