//! A histogram with fixed buckets and one writer.

use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicU64, Ordering};

/// Number of buckets: values below 2^0, 2^1 … 2^31, and all others.
const BUCKETS: usize = 33;

/// Counts values by their power of two. Only one thread at a time may add; any thread may read.
#[derive(Debug)]
pub struct Histogram {
    buckets: [AtomicU64; BUCKETS],
    sum: AtomicU64,
}

/// The counts of a [`Histogram`] at one time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistogramCounts {
    /// Number of values below 1, below 2, below 4, and so on, each without those of the buckets before; the last bucket
    /// has all larger ones. Trailing zeros are left out.
    pub buckets: Vec<u64>,
    /// Sum of all values that were added.
    pub sum: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { buckets: [const { AtomicU64::new(0) }; BUCKETS], sum: AtomicU64::new(0) }
    }
}

/// Adds to a counter that has one writer: cheaper than an atomic addition.
pub(super) fn add(counter: &AtomicU64, amount: u64) {
    counter.store(counter.load(Ordering::Relaxed).wrapping_add(amount), Ordering::Relaxed);
}

impl Histogram {
    /// Adds a value to its bucket and to the sum.
    pub fn add(&self, value: u64) {
        self.add_in_bucket_of(value, value, 1);
    }

    /// Adds the same size `count` times. A size counts below a power of two if it is at most that: 512 bytes count as up
    /// to 512.
    pub fn add_sizes(&self, size: u64, count: u64) {
        self.add_in_bucket_of(size.saturating_sub(1), size, count);
    }

    fn add_in_bucket_of(&self, key: u64, value: u64, count: u64) {
        let bucket = usize::try_from(u64::BITS - key.leading_zeros()).unwrap_or(BUCKETS).min(BUCKETS - 1);
        if let Some(counter) = self.buckets.get(bucket) {
            add(counter, count);
        }
        add(&self.sum, value.wrapping_mul(count));
    }

    /// The counts at this time.
    #[must_use]
    pub fn counts(&self) -> HistogramCounts {
        let mut buckets: Vec<u64> = self.buckets.iter().map(|counter| counter.load(Ordering::Relaxed)).collect();
        let used = buckets.iter().rposition(|count| *count != 0).map_or(0, |last| last + 1);
        buckets.truncate(used);
        HistogramCounts { buckets, sum: self.sum.load(Ordering::Relaxed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_counted_by_power_of_two() {
        let histogram = Histogram::default();
        assert_eq!(histogram.counts(), HistogramCounts::default());
        for value in [0, 1, 2, 3, 4, 7, 8] {
            histogram.add(value);
        }
        assert_eq!(histogram.counts(), HistogramCounts { buckets: vec![1, 1, 2, 2, 1], sum: 25 });
        histogram.add_sizes(4, 5);
        histogram.add_sizes(5, 1);
        assert_eq!(histogram.counts(), HistogramCounts { buckets: vec![1, 1, 7, 3, 1], sum: 50 });
        histogram.add(u64::from(u32::MAX));
        histogram.add(1 << 40);
        let counts = histogram.counts().buckets;
        assert_eq!((counts.len(), counts[32]), (33, 2));
    }
}
