//! Commands and operations of a replay that wait for a time, while later entries are replayed.

use super::{Difference, DifferenceKind, Replay, ReplayError, Replayed, Response, replayed};
use crate::observer::{CommandOutcome, TraceRecord, TracedOperation};
use crate::target::Target;
use crate::unit::{Command, CompletedCommand, Unit};
use scsi_core::target::{DataBuffers, Tag};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::Builder;
use std::time::Duration;

/// Real time after which a command or an operation is seen to wait for a time of the clock.
const POLL_INTERVAL: Duration = Duration::from_millis(2);

/// A command or operation that has begun in the replay, and not ended.
pub(super) enum Pending {
    /// The unit delays the status of a command.
    Command { record: Box<TraceRecord>, unit: Arc<Unit>, receiver: Receiver<CompletedCommand> },
    /// A request of an operator waits for a motion.
    Operation { operation: Box<TracedOperation>, receiver: Receiver<Option<String>> },
}

impl Pending {
    /// The tag of a command that a task management function of the trace has aborted.
    pub(super) fn aborted_tag(&self) -> Option<Tag> {
        match self {
            Self::Command { record, .. } if record.outcome == CommandOutcome::Aborted => Some(Tag(record.tag)),
            _ => None,
        }
    }
}

/// A command that was submitted.
pub(super) enum Submission {
    Ended(Response),
    /// The unit has executed it, and delays its status.
    Delayed(Arc<Unit>, Receiver<CompletedCommand>),
}

impl From<CompletedCommand> for Response {
    fn from(done: CompletedCommand) -> Self {
        let CompletedCommand { completion, data: DataBuffers { mut data_in, .. }, .. } = done;
        data_in.truncate(completion.data_in);
        let sense = completion.sense.map(|sense| sense.as_slice().to_vec()).unwrap_or_default();
        Self { is_lost: completion.dropped, status: completion.status, sense, data: data_in }
    }
}

impl Replay {
    /// Submits a command, and waits until it has ended, or its status is delayed.
    pub(super) fn submit(&self, target: &Target, command: Command) -> Result<Submission, ReplayError> {
        let unit = target.unit(command.lun);
        let receiver = match target.submit_to_channel(command) {
            Ok(done) => return Ok(Submission::Ended(done.into())),
            Err(receiver) => receiver,
        };
        loop {
            match receiver.recv_timeout(POLL_INTERVAL) {
                Ok(done) => return Ok(Submission::Ended(done.into())),
                Err(RecvTimeoutError::Disconnected) => return Err(ReplayError::ShutDown),
                Err(RecvTimeoutError::Timeout) => {
                    if let Some(unit) = unit.as_ref().filter(|unit| unit.delayed_until().is_some()) {
                        return Ok(Submission::Delayed(Arc::clone(unit), receiver));
                    }
                }
            }
        }
    }

    /// Executes a command, and advances the clock until its end.
    pub(super) fn run(&self, target: &Target, command: Command) -> Result<Response, ReplayError> {
        match self.submit(target, command)? {
            Submission::Ended(response) => Ok(response),
            Submission::Delayed(unit, receiver) => self.end_command(&unit, &receiver),
        }
    }

    /// Advances the clock until the delayed status of a command is due, and returns it.
    fn end_command(&self, unit: &Unit, receiver: &Receiver<CompletedCommand>) -> Result<Response, ReplayError> {
        loop {
            if let Some(due) = unit.delayed_until() {
                self.clock.advance(self.site.clock().monotonic().duration_until(due));
            }
            match receiver.recv_timeout(POLL_INTERVAL) {
                Ok(done) => return Ok(done.into()),
                Err(RecvTimeoutError::Disconnected) => return Err(ReplayError::ShutDown),
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    /// Waits for the end of what is pending, and returns its result.
    pub(super) fn end(&self, pending: Pending) -> Result<Replayed, ReplayError> {
        match pending {
            Pending::Command { record, unit, receiver } => Ok(replayed(&record, &self.end_command(&unit, &receiver)?)),
            Pending::Operation { operation, receiver } => loop {
                match receiver.recv_timeout(POLL_INTERVAL) {
                    Ok(error) => return Ok(compare_operation(&operation, error)),
                    Err(RecvTimeoutError::Disconnected) => return Err(ReplayError::ShutDown),
                    Err(RecvTimeoutError::Timeout) => {
                        let rest = self.clock.next_deadline();
                        rest.into_iter().for_each(|rest| self.clock.advance(rest));
                    }
                }
            },
        }
    }

    /// Advances the clock to a time of the trace, and adds the results of what ends until then.
    pub(super) fn advance_to(&mut self, at_ms: u64, ended: &mut Vec<Replayed>) -> Result<(), ReplayError> {
        loop {
            let now = self.site.clock().now();
            let rest = Duration::from_millis(at_ms.saturating_sub(now.wall.0));
            if rest.is_zero() {
                return self.end_until(at_ms, ended);
            }
            let next = self.clock.next_deadline();
            self.clock.advance(next.map_or(rest, |next| next.min(rest)));
            self.end_until(0, ended)?;
        }
    }

    /// Ends the commands whose status is due, and the operations that have ended. Operations that had ended in the trace at a time are
    /// waited for.
    fn end_until(&mut self, at_ms: u64, ended: &mut Vec<Replayed>) -> Result<(), ReplayError> {
        let now = self.site.clock().monotonic();
        for pending in std::mem::take(&mut self.pending) {
            match pending {
                Pending::Command { unit, record, receiver } if unit.delayed_until().is_some_and(|due| due > now) => {
                    self.pending.push(Pending::Command { unit, record, receiver });
                }
                Pending::Operation { operation, receiver } if operation.at_ms > at_ms => {
                    match receiver.recv_timeout(POLL_INTERVAL) {
                        Ok(error) => ended.push(compare_operation(&operation, error)),
                        Err(_) => self.pending.push(Pending::Operation { operation, receiver }),
                    }
                }
                pending => ended.push(self.end(pending)?),
            }
        }
        Ok(())
    }

    /// Ends the command that a unit has not ended: in the trace, the unit executes another one now.
    pub(super) fn end_on(&mut self, unit: Option<&Arc<Unit>>, ended: &mut Vec<Replayed>) -> Result<(), ReplayError> {
        let Some(unit) = unit else { return Ok(()) };
        let is_of_unit =
            |pending: &Pending| matches!(pending, Pending::Command { unit: other, .. } if Arc::ptr_eq(other, unit));
        while let Some(at) = self.pending.iter().position(is_of_unit) {
            let pending = self.pending.remove(at);
            ended.push(self.end(pending)?);
        }
        Ok(())
    }

    /// Executes a request of an operator; `None` if it waits for a motion.
    pub(super) fn operate(&mut self, operation: &TracedOperation) -> Result<Option<Replayed>, ReplayError> {
        let (sender, receiver) = channel();
        let (site, request, waits) = (Arc::clone(&self.site), operation.request.clone(), self.clock.waits());
        let execute = move || {
            let _ = sender.send(site.control(&request).err().map(|error| error.to_string()));
        };
        Builder::new().name("operation".into()).spawn(execute).map_err(ReplayError::Thread)?;
        loop {
            match receiver.recv_timeout(POLL_INTERVAL) {
                Ok(error) => return Ok(Some(compare_operation(operation, error))),
                Err(RecvTimeoutError::Disconnected) => return Err(ReplayError::ShutDown),
                Err(RecvTimeoutError::Timeout) if self.clock.waits() > waits => {
                    self.pending.push(Pending::Operation { operation: Box::new(operation.clone()), receiver });
                    return Ok(None);
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }
}

fn compare_operation(operation: &TracedOperation, error: Option<String>) -> Replayed {
    if error.is_some() == operation.error.is_some() {
        return Replayed::Same;
    }
    let kind = DifferenceKind::Operation(Box::new(operation.clone()), error);
    Replayed::Different(Box::new(Difference { record: None, kind }))
}
