//! Records of commands, for the observers of the site.

use super::{Device, Unit};
use crate::locks::lock;
use crate::observer::{
    CommandNames, CommandOutcome, CommandRecord, DeviceKind, TapePosition, UnitName, observe, without_padding,
};
use crate::shared::{Shared, UnitId};
use scsi_core::command_spec::CommandRef;
use scsi_core::fault::Completion;
use scsi_core::nexus::NexusId;
use scsi_core::status::Status;
use scsi_core::target::{Command, CompletedCommand, Request, TransportEvent};
use scsi_core::time::{Instant, Now};
use std::io::IoSlice;
use std::sync::Arc;

/// The end of a command, with the values that its record needs.
pub(crate) struct CommandEnd {
    pub(super) row: Option<CommandRef>,
    /// Time at which its execution began, or at which it ended without execution.
    pub(super) now: Now,
    pub(super) completion: Completion,
    pub(super) outcome: CommandOutcome,
    pub(super) positions: (Option<TapePosition>, Option<TapePosition>),
    pub(super) queued_us: u64,
    pub(super) run_us: u64,
}

impl CommandEnd {
    /// The end of a command that no unit has executed.
    pub(crate) const fn without_execution(
        row: Option<CommandRef>,
        now: Now,
        completion: Completion,
        outcome: CommandOutcome,
    ) -> Self {
        Self { row, now, completion, outcome, positions: (None, None), queued_us: 0, run_us: 0 }
    }

    /// The end of a command that was not executed, with a status that has no sense data.
    pub(super) fn unexecuted(row: Option<CommandRef>, now: Now, status: Status, outcome: CommandOutcome) -> Self {
        Self::without_execution(row, now, Completion::with_status(status), outcome)
    }

    /// The record of the command. A record of a command that can carry keys has no data.
    pub(crate) fn record<'a>(
        &'a self,
        shared: &'a Shared,
        names: &'a Arc<CommandNames>,
        request: &'a Request<'_>,
        (data_out, data_in): (&'a [IoSlice<'a>], &'a [IoSlice<'a>]),
    ) -> CommandRecord<'a> {
        let completion = &self.completion;
        let ended = self.now.mono.0.saturating_add(self.run_us);
        let spec = self.row.map(|row| row.spec());
        let secret = spec.is_some_and(|spec| spec.carries_key);
        let (data_out, data_in) = if secret { (&[][..], &[][..]) } else { (data_out, data_in) };
        CommandRecord {
            start: shared.trace.start(),
            at: self.now.wall,
            names,
            queued_us: self.queued_us,
            run_us: self.run_us,
            delay_us: completion.due.map_or(0, |due| due.0.saturating_sub(ended)),
            modelled_us: u64::try_from(completion.modelled.as_micros()).unwrap_or(u64::MAX),
            outcome: self.outcome,
            positions: self.positions,
            data_out,
            data_in,
            nexus: request.nexus,
            lun: request.lun,
            tag: request.tag.0,
            cdb: without_padding(request.cdb, spec),
            spec,
            status: completion.status,
            sense: completion.sense.as_ref(),
            bytes_in: completion.data_in,
            bytes_out: completion.data_out,
            injected: completion.injected,
        }
    }

    /// Makes the command an aborted one.
    pub(super) fn abort(&mut self) {
        self.outcome = CommandOutcome::Aborted;
        self.completion =
            Completion { injected: self.completion.injected, ..Completion::with_status(Status::TASK_ABORTED) };
    }

    pub(super) fn complete(self, command: Command) -> CompletedCommand {
        let aborted = self.outcome.has_no_response();
        CompletedCommand { aborted, ..command.complete(self.completion) }
    }
}

/// The names for the records of each I_T nexus.
pub(super) struct NexusNames {
    /// The names for a nexus that is not known.
    unknown: Arc<CommandNames>,
    known: Vec<(NexusId, Arc<CommandNames>)>,
}

impl NexusNames {
    pub(super) fn new(target: Arc<str>, unit: Arc<UnitName>) -> Self {
        let unknown = Arc::new(CommandNames { target, unit, initiator: "unknown".into() });
        Self { unknown, known: Vec::new() }
    }

    fn apply(&mut self, event: &TransportEvent) {
        match event {
            TransportEvent::NexusEstablished { nexus, port, .. } => {
                let names = CommandNames { initiator: port.initiator_name().into(), ..(*self.unknown).clone() };
                self.known.push((*nexus, Arc::new(names)));
            }
            TransportEvent::NexusLost(nexus) => self.known.retain(|(other, _)| other != nexus),
            TransportEvent::UnitReset | TransportEvent::TargetReset | TransportEvent::TaskSetCleared(_) => {}
        }
    }

    fn of(&self, nexus: NexusId) -> &Arc<CommandNames> {
        self.known.iter().find(|(other, _)| *other == nexus).map_or(&self.unknown, |(_, names)| names)
    }
}

/// The name of a unit in messages, such as `main/drive1`.
pub(super) fn unit_name(id: &UnitId, device: &Device) -> UnitName {
    UnitName {
        library: id.library.as_str().into(),
        unit: id.unit().into(),
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
        lock(&self.nexus_names).apply(event);
    }

    /// Makes the record of a submitted command that the unit has executed.
    pub(super) fn observe_finished(&self, command: &Command, end: &CommandEnd) {
        let data = &command.data;
        let data_out = data.data_out.get(..end.completion.data_out).unwrap_or_default();
        let data_in = data.data_in.get(..end.completion.data_in).unwrap_or_default();
        let request = command.request(end.row, end.now);
        self.observe_executed(&request, end, (&[IoSlice::new(data_out)], &[IoSlice::new(data_in)]));
    }

    /// Makes the record of a command that the unit has executed. The unit is busy, so these records of one unit come one by
    /// one.
    pub(super) fn observe_executed(
        &self,
        request: &Request<'_>,
        end: &CommandEnd,
        data: (&[IoSlice<'_>], &[IoSlice<'_>]),
    ) {
        self.observe(request, end, data, |record| self.counters.observe(record));
    }

    /// Counts a command that the unit has not executed.
    pub(crate) fn count_unexecuted(&self, record: &CommandRecord<'_>) {
        self.counters.observe_unexecuted(record);
    }

    /// Makes the record of a command that the unit has not executed.
    pub(super) fn observe_unexecuted(&self, request: &Request<'_>, end: &CommandEnd) {
        self.observe(request, end, (&[], &[]), |record| self.count_unexecuted(record));
    }

    fn observe(
        &self,
        request: &Request<'_>,
        end: &CommandEnd,
        data: (&[IoSlice<'_>], &[IoSlice<'_>]),
        count: impl FnOnce(&CommandRecord<'_>),
    ) {
        if !self.shared.records {
            return;
        }
        let names = Arc::clone(lock(&self.nexus_names).of(request.nexus));
        let record = end.record(&self.shared, &names, request, data);
        let barcode = || self.bay_status().barcode;
        observe(&self.shared, &record, barcode, || count(&record));
    }

    /// Microseconds since a time of the monotonic clock.
    pub(super) fn elapsed_us(&self, since: Instant) -> u64 {
        self.shared.monotonic().0.saturating_sub(since.0)
    }
}
