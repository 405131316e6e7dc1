//! The progress of a job, which its thread advances and requests read.

use serde::{Deserialize, Serialize};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// The part of a job that is done, and the total.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobProgress {
    /// Number of cartridges that are done.
    pub cartridges: u64,
    /// Cartridges of the job; 0 until it has begun.
    pub cartridges_total: u64,
    /// Bytes of the present cartridge that are verified, converted or copied.
    pub bytes: u64,
    /// All bytes of the present cartridge; 0 if the work is not counted in bytes.
    pub bytes_total: u64,
}

/// The progress of a job, and whether the job is to end.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    cancelled: AtomicBool,
    cartridges: AtomicU64,
    cartridges_total: AtomicU64,
    bytes: AtomicU64,
    bytes_total: AtomicU64,
}

impl Progress {
    pub(crate) fn read(&self) -> JobProgress {
        let value = |counter: &AtomicU64| counter.load(Ordering::Acquire);
        JobProgress {
            cartridges: value(&self.cartridges),
            cartridges_total: value(&self.cartridges_total),
            bytes: value(&self.bytes),
            bytes_total: value(&self.bytes_total),
        }
    }

    /// The number of cartridges of the whole job.
    pub(super) fn begin(&self, cartridges: usize) {
        self.cartridges_total.store(u64::try_from(cartridges).unwrap_or(u64::MAX), Ordering::Release);
    }

    /// The stored bytes of the next cartridge.
    pub(super) fn begin_cartridge(&self, bytes: u64) {
        self.bytes.store(0, Ordering::Release);
        self.bytes_total.store(bytes, Ordering::Release);
    }

    /// Counts one more cartridge. Breaks if the job is to end.
    pub(crate) fn end_cartridge(&self) -> ControlFlow<()> {
        self.cartridges.fetch_add(1, Ordering::AcqRel);
        self.flow()
    }

    /// Counts further bytes of the present cartridge. Breaks if the job is to end.
    pub(super) fn advance(&self, bytes: u64) -> ControlFlow<()> {
        self.bytes.fetch_add(bytes, Ordering::AcqRel);
        self.flow()
    }

    fn flow(&self) -> ControlFlow<()> {
        if self.is_cancelled() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    pub(crate) fn cancel(&self) {
        self.cancelled.store(true, Ordering::Release);
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Acquire)
    }

    /// Whether all cartridges are done.
    pub(crate) fn is_complete(&self) -> bool {
        let JobProgress { cartridges, cartridges_total, .. } = self.read();
        cartridges_total > 0 && cartridges >= cartridges_total
    }
}
