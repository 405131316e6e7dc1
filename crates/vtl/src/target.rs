//! A SCSI target: initiators log in to it, and its LUNs address logical units.

use crate::buffers::Buffers;
use crate::events::{Cause, Event, Subject};
use crate::nexuses::Nexuses;
use crate::observer::{
    CommandNames, CommandOutcome, DeviceKind, TraceEntry, TracedLogin, TracedLogout, TracedTaskManagement, UnitName,
    observe, observe_entry,
};
use crate::shared::Shared;
use crate::unit::{CommandEnd, CompletionHandler, Submitted, Unit, wipe_key};
use scsi_core::data::Data;
use scsi_core::fault::Completion;
use scsi_core::nexus::{NexusId, TransportId};
use scsi_core::status::Status;
use scsi_core::target::{Command, CompletedCommand, Request, Tag, TransportEvent, missing_lun};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::{IoSlice, IoSliceMut};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

/// A target with its logical units and its I_T nexuses.
pub struct Target {
    name: Arc<str>,
    units: RwLock<BTreeMap<usize, Arc<Unit>>>,
    nexuses: Mutex<Nexuses>,
    shared: Arc<Shared>,
    /// The name of the target as a unit, in the records of commands that no unit gets.
    unit_name: Arc<UnitName>,
}

/// Passes the completed command to the thread that waits for it.
struct CompletionChannel(Sender<CompletedCommand>);

impl CompletionHandler for CompletionChannel {
    fn complete(&self, finished: CompletedCommand) {
        let _ = self.0.send(finished);
    }
}

/// A task management function that a host requests (SAM-5 §7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskFunction {
    /// ABORT TASK: aborts one command of the I_T nexus.
    AbortTask,
    /// ABORT TASK SET: aborts the commands of the I_T nexus on a logical unit.
    AbortTaskSet,
    /// CLEAR TASK SET: aborts the commands of all I_T nexuses on a logical unit.
    ClearTaskSet,
    /// LOGICAL UNIT RESET: aborts all commands on a logical unit, and resets it.
    UnitReset,
    /// TARGET WARM RESET or TARGET COLD RESET.
    TargetReset,
}

impl TaskFunction {
    /// The name of the function in SAM.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AbortTask => "ABORT TASK",
            Self::AbortTaskSet => "ABORT TASK SET",
            Self::ClearTaskSet => "CLEAR TASK SET",
            Self::UnitReset => "LOGICAL UNIT RESET",
            Self::TargetReset => "TARGET RESET",
        }
    }

    /// Whether the function is for one logical unit, which its LUN names.
    #[must_use]
    pub const fn has_lun(self) -> bool {
        !matches!(self, Self::AbortTask | Self::TargetReset)
    }
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
    pub(crate) fn new(name: &str, shared: Arc<Shared>) -> Self {
        let unit_name = UnitName { library: "".into(), unit: "target".into(), device: DeviceKind::Target };
        Self {
            name: name.into(),
            units: RwLock::default(),
            nexuses: Mutex::default(),
            shared,
            unit_name: Arc::new(unit_name),
        }
    }

    pub(crate) const fn shared_name(&self) -> &Arc<str> {
        &self.name
    }

    /// The name of the target, such as an iSCSI qualified name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The data buffers of this process.
    #[must_use]
    pub fn buffers(&self) -> &Arc<Buffers> {
        &self.shared.buffers
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
        self.shared.events.notify(Subject::new(cause), Event::Login { target: self.name.to_string(), peer });
        let mut nexuses = self.nexuses();
        let (nexus, returning) = nexuses.add(port);
        observe_entry(&self.shared, || {
            let port = port.as_bytes().to_vec();
            TraceEntry::Login(TracedLogin {
                at_ms: self.shared.clock.now().wall.0,
                target: self.name.to_string(),
                nexus: nexus.0,
                port,
            })
        });
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
        observe_entry(&self.shared, || {
            TraceEntry::Logout(TracedLogout { target: self.name.to_string(), nexus: nexus.0 })
        });
        drop(nexuses);
        let cause = Cause::host(port.map(|port| port.port_name()));
        self.shared.events.notify(Subject::new(cause), Event::Logout { target: self.name.to_string() });
    }

    /// Executes a task management function of an I_T nexus: aborts commands, and posts a reset or CLEAR TASK SET to the units.
    /// `aborted` are the tags of the commands that ABORT TASK or ABORT TASK SET aborts. Returns false if the function is for a
    /// logical unit that does not exist; then nothing is done.
    pub fn manage_tasks(&self, nexus: NexusId, function: TaskFunction, lun: u64, aborted: &[Tag]) -> bool {
        let unit = self.unit(lun);
        if function.has_lun() && unit.is_none() {
            return false;
        }
        let post = |unit: &Unit, event: TransportEvent| {
            unit.abort(|_, _| true);
            unit.post(event);
        };
        match function {
            TaskFunction::AbortTask | TaskFunction::AbortTaskSet => {
                for unit in self.units() {
                    unit.abort(|owner, task| owner == nexus && aborted.contains(&task));
                }
            }
            TaskFunction::ClearTaskSet => {
                unit.iter().for_each(|unit| post(unit, TransportEvent::TaskSetCleared(nexus)))
            }
            TaskFunction::UnitReset => unit.iter().for_each(|unit| post(unit, TransportEvent::UnitReset)),
            TaskFunction::TargetReset => {
                self.units().iter().for_each(|unit| post(unit, TransportEvent::TargetReset));
            }
        }
        observe_entry(&self.shared, || {
            let at_ms = self.shared.clock.now().wall.0;
            let (target, nexus) = (self.name.to_string(), nexus.0);
            TraceEntry::TaskManagement(TracedTaskManagement { at_ms, target, nexus, function, lun })
        });
        true
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

    /// Executes a command or queues it at the unit of its LUN; see [`Unit::submit`]. A command to a LUN without logical
    /// unit is completed as SPC requires.
    pub fn submit(&self, command: Command, reply: &Arc<dyn CompletionHandler>) -> Submitted {
        match self.unit(command.lun) {
            Some(unit) => unit.submit(command, reply),
            None => Submitted::Completed(self.respond_missing_lun(command)),
        }
    }

    /// Executes a command as [`Self::submit`], and waits for its end. `None` if the site was shut down.
    #[must_use]
    pub fn submit_and_wait(&self, command: Command) -> Option<CompletedCommand> {
        self.submit_to_channel(command).map_or_else(|queued| queued.recv().ok(), Some)
    }

    /// Executes a command as [`Self::submit`].
    ///
    /// # Errors
    /// The command is queued: the channel gets it when it is completed, and ends if the site is shut down.
    pub(crate) fn submit_to_channel(&self, command: Command) -> Result<CompletedCommand, Receiver<CompletedCommand>> {
        let (sender, receiver) = channel();
        let reply: Arc<dyn CompletionHandler> = Arc::new(CompletionChannel(sender));
        match self.submit(command, &reply) {
            Submitted::Completed(done) => Ok(done),
            // The unit has the other reference: if it drops the command, the channel ends.
            Submitted::Queued => Err(receiver),
        }
    }

    /// Executes a command with borrowed data on this thread, at the unit of its LUN; see [`Unit::execute`]. A command
    /// to a LUN without logical unit ends as SPC requires.
    #[must_use]
    pub fn execute(&self, request: &Request<'_>, data: Data<'_, '_>) -> Completion {
        match self.unit(request.lun) {
            Some(unit) => unit.execute(request, data),
            None => {
                let completion = missing_lun(request.cdb, &self.encoded_luns(), data);
                self.observe(request, &completion, CommandOutcome::Completed);
                completion
            }
        }
    }

    /// Makes the record of a command that the transport has ended with this completion, before any unit got it.
    pub fn record_rejected(&self, request: &Request<'_>, completion: &Completion) {
        self.observe(request, completion, CommandOutcome::Rejected);
    }

    /// Makes the record of a command that no unit has executed.
    fn observe(&self, request: &Request<'_>, completion: &Completion, outcome: CommandOutcome) {
        if !self.shared.records {
            return;
        }
        let initiator = self.nexuses().port(request.nexus).map(|port| port.initiator_name().into());
        let initiator = initiator.unwrap_or_else(|| "unknown".into());
        let unit = self.unit(request.lun);
        let row = request.row.or_else(|| match &unit {
            Some(unit) => unit.look_up(request.cdb),
            None => ssc::table::COMMANDS.lookup(request.cdb),
        });
        let end = CommandEnd::without_execution(row, self.shared.now(), completion.clone(), outcome);
        let unit_name = unit.as_ref().map_or(&self.unit_name, |unit| unit.shared_name());
        let (target, unit_name) = (Arc::clone(&self.name), Arc::clone(unit_name));
        let names = Arc::new(CommandNames { target, unit: unit_name, initiator });
        let record = end.record(&self.shared, &names, request, (&[], &[]));
        let count = || unit.iter().for_each(|unit| unit.count_unexecuted(&record));
        observe(&self.shared, &record, || None, count);
    }

    fn encoded_luns(&self) -> Vec<u64> {
        self.luns().into_iter().map(encode_lun).collect()
    }

    fn respond_missing_lun(&self, mut command: Command) -> CompletedCommand {
        let mut data = std::mem::take(&mut command.data);
        let completion = if self.shared.buffers.ensure_data_in(&mut data) {
            let out = [IoSlice::new(data.data_out.get(..data.data_out_len).unwrap_or_default())];
            let mut into = [IoSliceMut::new(data.data_in.get_mut(..data.data_in_capacity).unwrap_or_default())];
            missing_lun(&command.cdb, &self.encoded_luns(), Data::new(&out, &mut into))
        } else {
            Completion::with_status(Status::TASK_SET_FULL)
        };
        let row = ssc::table::COMMANDS.lookup(&command.cdb);
        self.observe(&command.request(row, self.shared.now()), &completion, CommandOutcome::Completed);
        // The initiator may have sent a key to the wrong LUN.
        wipe_key(&mut data, row);
        command.data = data;
        command.complete(completion)
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
