//! RESERVE and RELEASE of SPC-2 §7.21: reserve the whole logical unit for one I_T nexus.

use crate::nexus::NexusId;

/// The I_T nexus that holds the reservation, if any.
#[derive(Clone, Copy, Debug, Default)]
pub struct LegacyReservation(Option<NexusId>);

impl LegacyReservation {
    /// Reserves the unit for `nexus`. The conflict check has already rejected other nexuses if the unit is reserved.
    pub const fn reserve(&mut self, nexus: NexusId) {
        self.0 = Some(nexus);
    }

    /// Releases the reservation if `nexus` holds it; no effect otherwise.
    pub fn release(&mut self, nexus: NexusId) {
        if self.0 == Some(nexus) {
            self.0 = None;
        }
    }

    /// Releases the reservation of any nexus, after a reset.
    pub const fn clear(&mut self) {
        self.0 = None;
    }

    /// Returns whether any nexus holds the reservation.
    #[must_use]
    pub const fn is_held(&self) -> bool {
        self.0.is_some()
    }

    /// Returns whether a nexus other than `nexus` holds the reservation.
    #[must_use]
    pub fn held_by_other(&self, nexus: NexusId) -> bool {
        self.0.is_some_and(|holder| holder != nexus)
    }
}
