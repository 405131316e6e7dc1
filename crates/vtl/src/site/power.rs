//! A loss of power of the whole site, by an injected fault.

use super::Site;
use crate::locks::read;
use std::time::Duration;

impl Site {
    /// Takes the power from all units and portals. The units get it back at once: data that was not synchronised is lost, tapes are
    /// loaded again, and UNIT ATTENTION 29h/00h is raised. The portals close their connections, and serve none for this time.
    pub(crate) fn lose_power(&self, outage: Duration) {
        tracing::warn!(outage_ms = outage.as_millis(), "loss of power, by an injected fault");
        let until = self.clock().monotonic().saturating_add(outage);
        let portals: Vec<_> = read(&self.portals).iter().map(|(_, portal)| portal.clone()).collect();
        portals.iter().for_each(|portal| portal.lose_power(until));
        for unit in self.libraries().iter().flat_map(|library| library.all_units()) {
            unit.lose_power();
        }
    }
}
