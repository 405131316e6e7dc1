//! How long the files of cartridges take to synchronise.

use crate::clock::Clock;
use crate::locks::lock;
use crate::observer::{Histogram, HistogramCounts};
use std::io;
use std::sync::Mutex;
use tape_store::backend::SyncTimer;

/// The times of synchronisations, in microseconds. Several drives may synchronise at one time.
#[derive(Debug)]
pub(crate) struct SyncTimes {
    clock: Clock,
    times_us: Mutex<Histogram>,
}

impl SyncTimes {
    /// No times yet; `clock` is the source of time of the site.
    pub(crate) fn new(clock: Clock) -> Self {
        Self { clock, times_us: Mutex::default() }
    }

    /// The counts at this time.
    pub(crate) fn counts(&self) -> HistogramCounts {
        lock(&self.times_us).counts()
    }
}

impl SyncTimer for SyncTimes {
    fn time(&self, sync: &mut dyn FnMut() -> io::Result<()>) -> io::Result<()> {
        let begun = self.clock.monotonic();
        let result = sync();
        lock(&self.times_us).add(self.clock.monotonic().0.saturating_sub(begun.0));
        result
    }
}
