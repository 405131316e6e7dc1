//! Time as an argument: integers, so that tests and fuzzers can make it.

/// A point on a clock that never goes back, in microseconds since an arbitrary start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instant(pub u64);

/// Wall time in milliseconds since 1970-01-01 UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(pub u64);

/// Both clocks, read once by the caller for one command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// The clock that delays and progress are computed from.
    pub mono: Instant,
    /// The clock that ends up in attributes and REPORT TIMESTAMP.
    pub wall: Timestamp,
}
