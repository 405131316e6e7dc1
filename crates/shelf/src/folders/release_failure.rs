//! The failures of the release of a cartridge, and the pause before the next attempt.

use super::RETRY;
use crate::ShelfError;
use std::io;
use std::time::Duration;
use tokio::time::Instant;

/// First pause after a request that the store denies. Each further pause is twice as long, up to [`MAX_PAUSE`]: the store decides the
/// same until a person changes its rules.
const PAUSE: Duration = Duration::from_secs(1);
const MAX_PAUSE: Duration = Duration::from_secs(600);

/// The last of several failures in succession.
pub(super) struct ReleaseFailure {
    reason: String,
    /// Number of denied requests in succession; 0 if the store did not respond.
    denials: u32,
    /// The time of the next attempt.
    due: Instant,
}

fn is_denial(error: &io::Error) -> bool {
    let carried = error.get_ref().and_then(|carried| carried.downcast_ref());
    matches!(carried, Some(ShelfError::Denied { .. }))
}

impl ReleaseFailure {
    /// The failure with this error at a time, after another one.
    pub(super) fn after(former: Option<&Self>, error: &io::Error, now: Instant) -> Self {
        let denials = if is_denial(error) { former.map_or(0, |former| former.denials).saturating_add(1) } else { 0 };
        let pause = match denials.checked_sub(1) {
            None => RETRY,
            Some(before) => PAUSE.saturating_mul(1_u32.checked_shl(before).unwrap_or(u32::MAX)).min(MAX_PAUSE),
        };
        Self { reason: error.to_string(), denials, due: now + pause }
    }

    /// Whether the next attempt can be made at a time.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        now >= self.due
    }

    /// The error in words.
    pub(super) fn reason(&self) -> &str {
        &self.reason
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object_lock::denied;

    #[test]
    fn attempts_become_rarer_while_the_store_denies_them() {
        let start = Instant::now();
        let (denial, outage) = (io::Error::other(denied("retaining", "k", "no".into())), io::Error::other("away"));
        let mut failed: Option<ReleaseFailure> = None;
        let mut next = |error: &io::Error| {
            let failure = ReleaseFailure::after(failed.as_ref(), error, start);
            let pause = (1..=1000).find(|seconds| failure.is_due(start + Duration::from_secs(*seconds)));
            failed = Some(failure);
            pause.unwrap()
        };
        let pauses: Vec<u64> = (0..12).map(|_| next(&denial)).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600]);
        assert_eq!((0..40).map(|_| next(&denial)).max(), Some(600));
        assert_eq!([next(&outage), next(&outage), next(&denial)], [5, 5, 1]);
    }
}
