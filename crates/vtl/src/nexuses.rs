//! I_T nexuses of a target: assigns their IDs and recognises initiator ports that reconnect.

use scsi_core::nexus::{NexusId, TransportId};
use std::collections::{HashMap, VecDeque};

/// Most initiator ports of lost nexuses that are remembered.
const MAX_LOST_NEXUSES: usize = 4096;

/// All I_T nexuses since power-on.
#[derive(Debug, Default)]
pub(crate) struct Nexuses {
    next: u32,
    present: HashMap<NexusId, TransportId>,
    lost: VecDeque<TransportId>,
}

impl Nexuses {
    /// Adds a nexus of this initiator port. Returns its ID and whether the port was connected before.
    pub(crate) fn add(&mut self, port: &TransportId) -> (NexusId, bool) {
        self.next = self.next.wrapping_add(1);
        let nexus = NexusId(self.next);
        self.present.insert(nexus, port.clone());
        let before = self.lost.iter().position(|lost| lost == port);
        let returning = before.and_then(|at| self.lost.remove(at)).is_some();
        (nexus, returning)
    }

    /// The existing nexuses with their initiator ports.
    pub(crate) fn present(&self) -> impl Iterator<Item = (&NexusId, &TransportId)> {
        self.present.iter()
    }

    /// The initiator port of a nexus; `None` if there is no such nexus.
    pub(crate) fn port(&self, nexus: NexusId) -> Option<&TransportId> {
        self.present.get(&nexus)
    }

    /// Removes a nexus after I_T nexus loss. Returns its initiator port; `None` if there is no such nexus.
    pub(crate) fn remove(&mut self, nexus: NexusId) -> Option<TransportId> {
        let port = self.present.remove(&nexus)?;
        self.lost.push_back(port.clone());
        if self.lost.len() > MAX_LOST_NEXUSES {
            self.lost.pop_front();
        }
        Some(port)
    }
}
