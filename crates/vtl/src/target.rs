//! A SCSI target: initiators log in to it, and its LUNs address logical units.

use crate::buffers::Buffers;
use crate::events::{Cause, Event, Events, Subject};
use crate::nexuses::Nexuses;
use crate::unit::{CommandRequest, CompletedCommand, CompletionHandler, Submitted, Unit};
use scsi_core::data::Data;
use scsi_core::nexus::{NexusId, TransportId};
use scsi_core::target::{TransportEvent, missing_lun};
use std::collections::BTreeMap;
use std::io::{IoSlice, IoSliceMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

/// A target with its logical units and its I_T nexuses.
pub struct Target {
    name: String,
    units: RwLock<BTreeMap<usize, Arc<Unit>>>,
    nexuses: Mutex<Nexuses>,
    buffers: Arc<Buffers>,
    events: Arc<Events>,
}

/// Decodes an eight-byte LUN of one level with peripheral device or flat space addressing (SAM-5); `None` for any
/// other.
#[must_use]
pub fn decode_lun(lun: u64) -> Option<usize> {
    let [first, second, rest @ ..] = lun.to_be_bytes();
    let method_is_simple = matches!(first >> 6, 0b00 | 0b01);
    (method_is_simple && rest == [0; 6]).then(|| usize::from(u16::from_be_bytes([first & 0x3f, second])))
}

/// Encodes a LUN in eight bytes: peripheral device addressing up to 255, flat space addressing above (SAM-5).
#[must_use]
pub fn encode_lun(number: usize) -> u64 {
    let number = u64::try_from(number).unwrap_or(0) & 0x3fff;
    if number < 256 { number << 48 } else { (number | 0x4000) << 48 }
}

/// Number of LUNs that a target can have: flat space addressing has fourteen bits.
pub const MAX_LUNS: usize = 0x4000;

impl Target {
    pub(crate) fn new(name: String, buffers: Arc<Buffers>, events: Arc<Events>) -> Self {
        Self { name, units: RwLock::default(), nexuses: Mutex::default(), buffers, events }
    }

    /// The name of the target, such as an iSCSI qualified name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The data buffers of this process.
    #[must_use]
    pub const fn buffers(&self) -> &Arc<Buffers> {
        &self.buffers
    }

    fn nexuses(&self) -> MutexGuard<'_, Nexuses> {
        self.nexuses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Attaches units to LUNs and updates the LUN list of every unit. On the units that were attached before, UNIT
    /// ATTENTION 3Fh/0Eh (REPORTED LUNS DATA HAS CHANGED) is raised for every I_T nexus.
    pub(crate) fn attach(&self, new: impl IntoIterator<Item = (usize, Arc<Unit>)>) {
        let nexuses = self.nexuses();
        let mut units = self.units.write().unwrap_or_else(PoisonError::into_inner);
        let before: Vec<Arc<Unit>> = units.values().cloned().collect();
        let mut added = Vec::new();
        for (lun, unit) in new {
            units.insert(lun, Arc::clone(&unit));
            added.push(unit);
        }
        let luns: Arc<[u64]> = units.keys().map(|lun| encode_lun(*lun)).collect();
        drop(units);
        // Posted without waiting: a unit may be busy for a long time.
        for unit in before {
            unit.post_luns(Arc::clone(&luns), true);
        }
        for unit in added {
            unit.post_luns(Arc::clone(&luns), false);
            for (nexus, port) in nexuses.present() {
                unit.post(TransportEvent::NexusEstablished { nexus: *nexus, port: port.clone(), reestablished: false });
            }
        }
    }

    /// Establishes an I_T nexus of this initiator port and posts it to every unit.
    pub fn login(&self, port: &TransportId) -> NexusId {
        self.login_from(port, None)
    }

    /// Does the same as [`Self::login`]. The event of the login has the initiator's address, if the transport has one.
    pub fn login_from(&self, port: &TransportId, peer: Option<String>) -> NexusId {
        let cause = Cause::host(Some(port.port_name()));
        self.events.notify(Subject::new(cause), Event::Login { target: self.name.clone(), peer });
        let mut nexuses = self.nexuses();
        let (nexus, returning) = nexuses.add(port);
        for unit in self.units() {
            unit.post(TransportEvent::NexusEstablished { nexus, port: port.clone(), reestablished: returning });
        }
        nexus
    }

    /// Removes an I_T nexus: drops its queued commands and posts the nexus loss to every unit.
    pub fn logout(&self, nexus: NexusId) {
        let mut nexuses = self.nexuses();
        for unit in self.units() {
            unit.abort(|other, _| other == nexus);
            unit.post(TransportEvent::NexusLost(nexus));
        }
        let port = nexuses.remove(nexus);
        drop(nexuses);
        let cause = Cause::host(port.map(|port| port.port_name()));
        self.events.notify(Subject::new(cause), Event::Logout { target: self.name.clone() });
    }

    /// The logical unit with this eight-byte LUN; `None` if there is none.
    #[must_use]
    pub fn unit(&self, lun: u64) -> Option<Arc<Unit>> {
        self.units.read().unwrap_or_else(PoisonError::into_inner).get(&decode_lun(lun)?).cloned()
    }

    /// The logical units of the target, in the order of their LUNs.
    #[must_use]
    pub fn units(&self) -> Vec<Arc<Unit>> {
        self.units.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// The LUN of a logical unit; `None` if the target does not have it.
    #[must_use]
    pub fn lun_of(&self, unit: &Arc<Unit>) -> Option<usize> {
        let units = self.units.read().unwrap_or_else(PoisonError::into_inner);
        units.iter().find(|(_, other)| Arc::ptr_eq(other, unit)).map(|(lun, _)| *lun)
    }

    /// The LUNs of the target in ascending order.
    #[must_use]
    pub fn luns(&self) -> Vec<usize> {
        self.units.read().unwrap_or_else(PoisonError::into_inner).keys().copied().collect()
    }

    /// Executes a command or queues it. A command to a LUN without logical unit is completed as SPC requires; if the
    /// queue is full or the site is shut down, the status is TASK SET FULL.
    pub fn submit(&self, lun: u64, job: CommandRequest, reply: &Arc<dyn CompletionHandler>) -> Submitted {
        match self.unit(lun) {
            Some(unit) => unit.submit(job, reply).unwrap_or_else(|job| Submitted::Completed(job.task_set_full())),
            None => Submitted::Completed(self.respond_missing_lun(job)),
        }
    }

    fn respond_missing_lun(&self, mut job: CommandRequest) -> CompletedCommand {
        if !job.ensure_buffer(&self.buffers) {
            return job.task_set_full();
        }
        let mut data_in = std::mem::take(&mut job.data_in);
        let out = [IoSlice::new(job.data_out.get(..job.data_len).unwrap_or_default())];
        let mut into = [IoSliceMut::new(data_in.get_mut(..job.capacity).unwrap_or_default())];
        let luns: Vec<u64> = self.luns().into_iter().map(encode_lun).collect();
        let completion = missing_lun(&job.cdb, &luns, Data::new(&out, &mut into));
        CompletedCommand { tag: job.tag, completion, data_in, data_out: job.data_out, aborted: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn luns_beyond_255_are_flat() {
        for (number, bytes) in [(0, 0), (255, 0x00ff << 48), (256, 0x4100 << 48), (1000, 0x43e8 << 48)] {
            assert_eq!((encode_lun(number), decode_lun(bytes)), (bytes, Some(number)));
        }
        // Flat space addressing of a small number addresses the same unit; deeper levels and other methods address
        // none.
        assert_eq!(decode_lun(0x4001 << 48), Some(1));
        assert_eq!((decode_lun(0x8000 << 48), decode_lun(1)), (None, None));
    }
}
