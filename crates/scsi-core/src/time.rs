//! Time as an argument, in integers, so that tests and fuzzers can choose it.

/// A time of a monotonic clock, in microseconds since an arbitrary start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instant(pub u64);

/// Wall-clock time in milliseconds since 1970-01-01 00:00 UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(pub u64);

/// The times of both clocks, which the caller reads once per command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Monotonic time, for delays and progress.
    pub mono: Instant,
    /// Wall-clock time, for MAM attributes and REPORT TIMESTAMP.
    pub wall: Timestamp,
}
