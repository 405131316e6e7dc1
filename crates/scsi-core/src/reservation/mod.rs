//! Who may do what: RESERVE/RELEASE of SPC-2 and the persistent reservations of SPC-5, enforced by one table.

mod conflict;
mod legacy;
mod persistent;

pub use conflict::ConflictingReservation;
pub use legacy::LegacyReservation;
pub use persistent::{
    Kind, PersistentReservations, Registration, ReserveOutParameters, SavedReservations, ServiceActionEffects,
};

use crate::cdb::Cdb;
use crate::command_spec::Access;
use crate::nexus::{NexusId, TransportId};

/// Both kinds of reservation of one unit.
#[derive(Clone, Debug, Default)]
pub struct Reservations {
    /// RESERVE and RELEASE.
    pub legacy: LegacyReservation,
    /// PERSISTENT RESERVE IN and OUT.
    pub persistent: PersistentReservations,
}

impl Reservations {
    /// Whether a command of `nexus`, known as `port`, must end with RESERVATION CONFLICT.
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
