//! The counter of a rule, which the rules of several units can share, and the choice of operations by chance.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Which operations fail: each with the same probability, and always the same ones with the same seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probability {
    threshold: u64,
    seed: u64,
}

impl Probability {
    /// A probability above 0 and up to 1; `None` for any other value.
    #[must_use]
    pub fn new(probability: f64, seed: u64) -> Option<Self> {
        /// 2 to the power of 53: each integer up to it is a value of `f64`.
        const SCALE: f64 = 9_007_199_254_740_992.0;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 2^53, a whole number")]
        let threshold = (probability * SCALE) as u64;
        (probability > 0.0 && probability <= 1.0).then_some(Self { threshold, seed })
    }

    /// Whether the operation of this number, from 1, fails.
    fn selects(self, number: u64) -> bool {
        // SplitMix64 (Steele, Lea, Flood 2014): the value after `number` steps from the seed.
        let mut value = self.seed.wrapping_add(number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (value ^ (value >> 31)) >> 11 < self.threshold
    }
}

/// The operations that a rule has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FaultCounts {
    /// Operations for which the conditions of the rule held.
    pub matched: u64,
    /// Operations that the rule made fail.
    pub fired: u64,
}

#[derive(Debug, Default)]
struct Counts {
    matched: AtomicU64,
    fired: AtomicU64,
    bytes: AtomicU64,
    is_cleared: AtomicBool,
}

/// The counter of a rule. Clones share the same counts.
#[derive(Clone, Debug, Default)]
pub struct FaultCounter(Arc<Counts>);

impl PartialEq for FaultCounter {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for FaultCounter {}

impl FaultCounter {
    /// The operations that the rules with this counter have matched and made fail so far.
    #[must_use]
    pub fn counts(&self) -> FaultCounts {
        FaultCounts { matched: self.0.matched.load(Ordering::Relaxed), fired: self.0.fired.load(Ordering::Relaxed) }
    }

    /// Ends all rules that have this counter.
    pub fn clear(&self) {
        self.0.is_cleared.store(true, Ordering::Relaxed);
    }

    /// Whether the rules with this counter were cleared.
    #[must_use]
    pub fn is_cleared(&self) -> bool {
        self.0.is_cleared.load(Ordering::Relaxed)
    }

    pub(super) fn is_finished(&self, count: u32) -> bool {
        self.is_cleared() || self.counts().fired >= limit(count)
    }

    pub(super) fn bytes(&self) -> u64 {
        self.0.bytes.load(Ordering::Relaxed)
    }

    pub(super) fn add_bytes(&self, bytes: u64) {
        self.0.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Counts an operation. Returns whether it fails.
    pub(super) fn take(&self, nth: u32, count: u32, probability: Option<Probability>) -> bool {
        let number = self.0.matched.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        let fire = |fired: u64| (fired < limit(count)).then(|| fired.saturating_add(1));
        number >= u64::from(nth)
            && probability.is_none_or(|probability| probability.selects(number))
            && self.0.fired.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fire).is_ok()
    }
}

/// The most operations that fail: [`u32::MAX`] stands for no limit.
const fn limit(count: u32) -> u64 {
    if count == u32::MAX { u64::MAX } else { count as u64 }
}
