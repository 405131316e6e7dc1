//! Lifetime counters of a unit. They are saved with the rest of its state and survive a restart.

use std::collections::BTreeMap;

/// Lifetime counters by name. The names are stored on disk and never change their meaning.
#[derive(Clone, Debug, Default)]
pub struct LifetimeCounters {
    counters: BTreeMap<String, u64>,
    changed: bool,
}

impl LifetimeCounters {
    /// The counters with saved values.
    #[must_use]
    pub const fn new(counters: BTreeMap<String, u64>) -> Self {
        Self { counters, changed: false }
    }

    /// The counter values, to be saved.
    #[must_use]
    pub fn into_counters(self) -> BTreeMap<String, u64> {
        self.counters
    }

    /// The value of a counter; 0 if it was never incremented.
    #[must_use]
    pub fn get(&self, name: &str) -> u64 {
        self.counters.get(name).copied().unwrap_or(0)
    }

    /// Adds `count` to a counter, saturating at the maximum.
    pub fn add(&mut self, name: &str, count: u64) {
        match self.counters.get_mut(name) {
            Some(slot) => *slot = slot.saturating_add(count),
            None => drop(self.counters.insert(name.into(), count)),
        }
        self.changed = true;
    }

    /// Sets a counter to a value.
    pub fn set(&mut self, name: &str, value: u64) {
        self.reset(name);
        self.add(name, value);
    }

    /// Resets a counter to zero.
    pub fn reset(&mut self, name: &str) {
        self.counters.remove(name);
        self.changed = true;
    }

    /// Records a change of a counter that is stored elsewhere, so that the state is saved.
    pub const fn mark_changed(&mut self) {
        self.changed = true;
    }

    /// Returns whether a counter changed since the last call, so that the counters must be saved.
    pub const fn take_changed(&mut self) -> bool {
        let changed = self.changed;
        self.changed = false;
        changed
    }
}
