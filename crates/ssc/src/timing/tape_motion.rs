//! How long tapes have moved in a drive, and how much tape has passed its heads.

use std::time::Duration;

/// Motion of tapes, for log pages. All zero if times are not modelled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TapeMotion {
    /// Time for which the drive has read.
    pub(crate) reading: Duration,
    /// Time for which the drive has written.
    pub(crate) writing: Duration,
    /// Time of all other motions, such as loads, locates and rewinds.
    pub(crate) positioning: Duration,
    /// Length of tape that has passed the heads, in millimetres.
    pub(crate) millimetres: u64,
}

impl TapeMotion {
    /// Time for which the tape has moved, in milliseconds.
    pub(crate) fn milliseconds(self) -> u64 {
        milliseconds(self.reading.saturating_add(self.writing).saturating_add(self.positioning))
    }

    /// The motion since `base`.
    pub(crate) const fn since(self, base: Self) -> Self {
        Self {
            reading: self.reading.saturating_sub(base.reading),
            writing: self.writing.saturating_sub(base.writing),
            positioning: self.positioning.saturating_sub(base.positioning),
            millimetres: self.millimetres.saturating_sub(base.millimetres),
        }
    }

    /// Adds a motion other than a transfer.
    pub(crate) fn add(&mut self, time: Duration, millimetres: u64) {
        self.positioning = self.positioning.saturating_add(time);
        self.millimetres = self.millimetres.saturating_add(millimetres);
    }
}

/// A duration in whole milliseconds.
pub(crate) fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
