//! Who may do what: RESERVE/RELEASE of SPC-2 and the persistent reservations of SPC-5, enforced by one table.

mod conflict;
mod legacy;
mod persistent;

pub use conflict::Holder;
pub use legacy::Legacy;
pub use persistent::{Effects, Kind, Persistent, Registration, Request, Saved};

use crate::cdb::Cdb;
use crate::nexus::{NexusId, TransportId};
use crate::spec::Access;

/// Both kinds of reservation of one unit.
#[derive(Clone, Debug, Default)]
pub struct Reservations {
    /// RESERVE and RELEASE.
    pub legacy: Legacy,
    /// PERSISTENT RESERVE IN and OUT.
    pub persistent: Persistent,
}

impl Reservations {
    /// Whether a command of `nexus`, known as `port`, must end with RESERVATION CONFLICT.
    #[must_use]
    pub fn conflicts(&self, access: Access, cdb: &Cdb, nexus: NexusId, port: Option<&TransportId>) -> bool {
        let persistent_in_use = !self.persistent.registrations().is_empty();
        if access == Access::ReserveOut && self.legacy.is_held() {
            return true;
        }
        let holder = if self.legacy.held_by_other(nexus) { Holder::LegacyOther } else { self.persistent.holder(port) };
        conflict::conflicts(access, cdb, holder, persistent_in_use)
    }
}
