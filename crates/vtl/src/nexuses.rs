//! Handles of I_T nexuses: the same names get to know that they were here before.

use scsi_core::nexus::{NexusId, TransportId};
use std::collections::{HashMap, VecDeque};

/// So many names of lost nexuses are remembered.
const MAX_LOST_NEXUSES: usize = 4096;

/// All nexuses since power on.
#[derive(Debug, Default)]
pub(crate) struct Nexuses {
    next: u32,
    present: HashMap<NexusId, TransportId>,
    lost: VecDeque<TransportId>,
}

impl Nexuses {
    /// A new nexus of this port, and whether the port is returning.
    pub(crate) fn add(&mut self, port: &TransportId) -> (NexusId, bool) {
        self.next = self.next.wrapping_add(1);
        let nexus = NexusId(self.next);
        self.present.insert(nexus, port.clone());
        let before = self.lost.iter().position(|lost| lost == port);
        let returning = before.and_then(|at| self.lost.remove(at)).is_some();
        (nexus, returning)
    }

    /// Those that are there.
    pub(crate) fn present(&self) -> impl Iterator<Item = (&NexusId, &TransportId)> {
        self.present.iter()
    }

    /// The nexus is lost.
    pub(crate) fn remove(&mut self, nexus: NexusId) {
        if let Some(port) = self.present.remove(&nexus) {
            self.lost.push_back(port);
            if self.lost.len() > MAX_LOST_NEXUSES {
                self.lost.pop_front();
            }
        }
    }
}
