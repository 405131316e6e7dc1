//! RESERVE and RELEASE as SPC-2 §7.21 has them: the whole unit, for one nexus.

use crate::nexus::NexusId;

/// The holder, if any.
#[derive(Clone, Copy, Debug, Default)]
pub struct LegacyReservation(Option<NexusId>);

impl LegacyReservation {
    /// Reserves for `nexus`. The conflict table has already let only the holder or a free unit through.
    pub const fn reserve(&mut self, nexus: NexusId) {
        self.0 = Some(nexus);
    }

    /// Releases if `nexus` holds; no effect otherwise.
    pub fn release(&mut self, nexus: NexusId) {
        if self.0 == Some(nexus) {
            self.0 = None;
        }
    }

    /// A reset releases whoever holds.
    pub const fn clear(&mut self) {
        self.0 = None;
    }

    /// Whether anyone holds.
    #[must_use]
    pub const fn is_held(&self) -> bool {
        self.0.is_some()
    }

    /// Whether a nexus other than this one holds.
    #[must_use]
    pub fn held_by_other(&self, nexus: NexusId) -> bool {
        self.0.is_some_and(|holder| holder != nexus)
    }
}
