//! Time as an argument, in integers, so that tests and fuzzers can choose it.

use std::time::Duration;

/// A time of a monotonic clock, in microseconds since an arbitrary start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instant(pub u64);

impl Instant {
    /// The time `duration` later, in whole microseconds; the last representable time if it would be later than that.
    #[must_use]
    pub fn saturating_add(self, duration: Duration) -> Self {
        let microseconds = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(microseconds))
    }

    /// The time from this instant until `later`; zero if `later` is not later.
    #[must_use]
    pub const fn duration_until(self, later: Self) -> Duration {
        Duration::from_micros(later.0.saturating_sub(self.0))
    }
}

/// Wall-clock time in milliseconds since 1970-01-01 00:00 UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// Whole seconds since 1970-01-01 00:00 UTC.
    #[must_use]
    pub const fn seconds(self) -> u64 {
        self.0 / 1000
    }
}

/// The times of both clocks, which the caller reads once per command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Monotonic time, for delays and progress.
    pub mono: Instant,
    /// Wall-clock time, for MAM attributes and REPORT TIMESTAMP.
    pub wall: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamp_in_whole_seconds() {
        assert_eq!(Timestamp(1_999).seconds(), 1);
    }

    #[test]
    fn instants_are_microseconds() {
        assert_eq!(Instant(7).saturating_add(Duration::from_millis(3)), Instant(3_007));
        assert_eq!(Instant(7).saturating_add(Duration::MAX), Instant(u64::MAX));
        assert_eq!(Instant(7).duration_until(Instant(3_007)), Duration::from_millis(3));
        assert_eq!(Instant(7).duration_until(Instant(6)), Duration::ZERO);
    }
}
