//! What a drive counts for life: kept with the rest of its state, so that it survives a restart.

use std::collections::BTreeMap;

/// A drive's counters by name. The names are kept on disk and never change their meaning.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lifetime {
    counters: BTreeMap<String, u64>,
    /// Something was counted that is not kept yet.
    pub(crate) changed: bool,
}

impl Lifetime {
    pub(crate) const LOADS: &str = "loads";
    pub(crate) const CLEANINGS: &str = "cleanings";
    pub(crate) const POWER_CYCLES: &str = "power_cycles";
    /// Before the last power on.
    pub(crate) const POWER_ON_SECONDS: &str = "power_on_seconds";
    pub(crate) const MB_WRITTEN: &str = "mb_written";
    pub(crate) const MB_READ: &str = "mb_read";
    pub(crate) const WRITE_ERRORS: &str = "write_errors";
    pub(crate) const READ_ERRORS: &str = "read_errors";
    pub(crate) const MB_SINCE_CLEAN: &str = "mb_since_clean";

    /// As they were kept.
    pub(crate) const fn new(counters: BTreeMap<String, u64>) -> Self {
        Self { counters, changed: false }
    }

    /// To be kept.
    pub(crate) fn into_counters(self) -> BTreeMap<String, u64> {
        self.counters
    }

    pub(crate) fn get(&self, name: &str) -> u64 {
        self.counters.get(name).copied().unwrap_or(0)
    }

    pub(crate) fn add(&mut self, name: &str, count: u64) {
        let slot = self.counters.entry(name.into()).or_default();
        *slot = slot.saturating_add(count);
        self.changed = true;
    }

    pub(crate) fn clear(&mut self, name: &str) {
        self.counters.remove(name);
        self.changed = true;
    }
}
