//! Reservations: RESERVE and RELEASE of SPC-2, and the persistent reservations of SPC-4. One conflict table enforces
//! both.

mod conflict;
mod legacy;
mod persistent;

pub use conflict::ConflictingReservation;
pub use legacy::LegacyReservation;
pub use persistent::{
    PersistentReservations, Registration, ReservationType, ReserveOutParameters, SavedReservations,
    ServiceActionEffects,
};

use crate::cdb::Cdb;
use crate::command_spec::Access;
use crate::nexus::{NexusId, TransportId};

/// Both kinds of reservations of one logical unit.
#[derive(Clone, Debug, Default)]
pub struct Reservations {
    /// The reservation by RESERVE(6) or (10).
    pub legacy: LegacyReservation,
    /// Registrations and the persistent reservation.
    pub persistent: PersistentReservations,
}

impl Reservations {
    /// Returns whether a command of `nexus`, whose initiator port is `port`, must end with RESERVATION CONFLICT.
    #[must_use]
    pub fn conflicts(&self, access: Access, cdb: &Cdb, nexus: NexusId, port: Option<&TransportId>) -> bool {
        let persistent_in_use = !self.persistent.registrations().is_empty();
        if access == Access::PersistentReserveOut && self.legacy.is_held() {
            return true;
        }
        let holder = if self.legacy.held_by_other(nexus) {
            ConflictingReservation::Legacy
        } else {
            self.persistent.conflicting_reservation(port)
        };
        conflict::conflicts(access, cdb, holder, persistent_in_use)
    }
}
