//! What a unit counts for life: kept with the rest of its state, so that it survives a restart.

use std::collections::BTreeMap;

/// Counters by name. The names are kept on disk and never change their meaning.
#[derive(Clone, Debug, Default)]
pub struct LifetimeCounters {
    counters: BTreeMap<String, u64>,
    changed: bool,
}

impl LifetimeCounters {
    /// As they were kept.
    #[must_use]
    pub const fn new(counters: BTreeMap<String, u64>) -> Self {
        Self { counters, changed: false }
    }

    /// To be kept.
    #[must_use]
    pub fn into_counters(self) -> BTreeMap<String, u64> {
        self.counters
    }

    /// What was counted under a name.
    #[must_use]
    pub fn get(&self, name: &str) -> u64 {
        self.counters.get(name).copied().unwrap_or(0)
    }

    /// Counts.
    pub fn add(&mut self, name: &str, count: u64) {
        match self.counters.get_mut(name) {
            Some(slot) => *slot = slot.saturating_add(count),
            None => drop(self.counters.insert(name.into(), count)),
        }
        self.changed = true;
    }

    /// Begins anew.
    pub fn reset(&mut self, name: &str) {
        self.counters.remove(name);
        self.changed = true;
    }

    /// Something that is counted elsewhere has changed.
    pub const fn mark_changed(&mut self) {
        self.changed = true;
    }

    /// Whether something changed since this was last asked, and is to be kept.
    pub const fn take_changed(&mut self) -> bool {
        let changed = self.changed;
        self.changed = false;
        changed
    }
}
