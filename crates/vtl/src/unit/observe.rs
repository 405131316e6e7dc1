//! Records of executed commands, for the observers of the site.

use super::{Device, Unit};
use crate::locks::{lock, read};
use crate::observer::{CommandRecord, DeviceKind, TapePosition, UnitName, log_command};
use crate::shared::UnitId;
use scsi_core::command_spec::CommandSpec;
use scsi_core::fault::Completion;
use scsi_core::nexus::NexusId;
use scsi_core::target::{Request, TransportEvent};
use scsi_core::time::Instant;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// A command that was executed, with what its record needs.
pub(super) struct Executed {
    pub(super) completion: Completion,
    pub(super) positions: (Option<TapePosition>, Option<TapePosition>),
    pub(super) run_us: u64,
}

/// The names of the initiators of all I_T nexuses.
#[derive(Default)]
pub(super) struct Initiators(Vec<(NexusId, Arc<str>)>);

impl Initiators {
    fn apply(&mut self, event: &TransportEvent) {
        match event {
            TransportEvent::NexusEstablished { nexus, port, .. } => {
                self.0.push((*nexus, port.initiator_name().into()));
            }
            TransportEvent::NexusLost(nexus) => self.0.retain(|(other, _)| other != nexus),
            TransportEvent::UnitReset | TransportEvent::TargetReset | TransportEvent::TaskSetCleared(_) => {}
        }
    }

    fn name(&self, nexus: NexusId) -> Arc<str> {
        let found = self.0.iter().find(|(other, _)| *other == nexus);
        found.map_or_else(|| Arc::from("unknown"), |(_, name)| Arc::clone(name))
    }
}

/// The name of a unit for people: `drive/0` is `drive1`.
pub(super) fn unit_name(id: &UnitId, device: &Device) -> UnitName {
    let number = id.unit.strip_prefix("drive/").and_then(|index| index.parse::<usize>().ok());
    UnitName {
        library: id.library.as_str().into(),
        unit: number.map_or_else(|| id.unit.as_str().into(), |index| format!("drive{}", index + 1).into()),
        device: match device {
            Device::Drive(_) => DeviceKind::Drive,
            Device::Changer(_) => DeviceKind::Changer,
        },
    }
}

/// The position of the tape in a drive; `None` without a threaded tape.
pub(super) fn tape_position(device: &Device) -> Option<TapePosition> {
    let Device::Drive(drive) = device else { return None };
    drive.position().map(|(partition, object)| TapePosition { partition, object })
}

impl Unit {
    /// Notes the initiator of a new nexus, and forgets that of a lost one.
    pub(super) fn note_initiator(&self, event: &TransportEvent) {
        lock(&self.initiators).apply(event);
    }

    /// Passes the record of a command to all observers. The unit is busy, so records of one unit come one by one.
    pub(super) fn observe(
        &self,
        request: &Request<'_>,
        queued_us: u64,
        executed: &Executed,
        (data_out, data_in): (&[u8], &[u8]),
    ) {
        let spec = request.row.map(|row| row.spec());
        let completion = &executed.completion;
        let secret = spec.is_some_and(|spec| spec.carries_key);
        let (data_out, data_in) = if secret { (&[][..], &[][..]) } else { (data_out, data_in) };
        let record = CommandRecord {
            at: request.now.wall,
            unit: &self.label,
            nexus: request.nexus,
            initiator: &lock(&self.initiators).name(request.nexus),
            lun: request.lun,
            tag: request.tag.0,
            cdb: without_padding(request.cdb, spec),
            spec,
            completion,
            positions: executed.positions,
            queued_us,
            run_us: executed.run_us,
            data_out: data_out.get(..completion.data_out).unwrap_or(data_out),
            data_in: data_in.get(..completion.data_in).unwrap_or(data_in),
        };
        // A panic of an observer or of the log must not lose the completion.
        let _ = catch_unwind(AssertUnwindSafe(|| {
            self.counters.observe(&record);
            self.shared.trace.observe(&record);
            log_command(&record);
            read(&self.shared.observers).iter().for_each(|observer| observer.observe(&record));
        }));
    }

    /// Microseconds since a time of the monotonic clock.
    pub(super) fn elapsed_us(&self, since: Instant) -> u64 {
        self.shared.now().mono.0.saturating_sub(since.0)
    }
}

/// The CDB without the zeros that fill the field of the transport (16 bytes in iSCSI).
fn without_padding<'a>(cdb: &'a [u8], spec: Option<&CommandSpec>) -> &'a [u8] {
    spec.and_then(|spec| cdb.get(..spec.cdb_usage.len())).unwrap_or(cdb)
}
