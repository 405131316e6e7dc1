//! The status of a command that is due later: the unit keeps it until then, and runs no other command.

use super::queue::Ticket;
use super::{CompletionHandler, Unit};
use crate::clock::ClockListener;
use crate::locks::lock;
use scsi_core::fault::Completion;
use scsi_core::nexus::NexusId;
use scsi_core::status::Status;
use scsi_core::target::{CompletedCommand, Request, Tag};
use scsi_core::time::Instant;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// What a unit does now.
#[derive(Default)]
pub(super) enum Activity {
    /// The next command may run.
    #[default]
    Idle,
    /// A thread executes a command or advances a background operation; its name for people.
    Running(&'static str),
    /// A request of an operator uses the unit directly.
    Operator,
    /// A request of an operator uses the drive through the robot.
    Robot,
    /// The status of the last command is due later.
    Delayed(DelayedStatus),
}

/// An executed command with the status that is due later.
pub(super) struct DelayedStatus {
    due: Instant,
    /// Name of the command.
    pub(super) name: &'static str,
    receiver: Receiver,
}

/// The receiver of a delayed status.
enum Receiver {
    /// The completion handler of a submitted command; the unit's thread calls it.
    Handler(Box<Finished>),
    /// A caller of [`Unit::execute`], whose thread waits.
    Caller { ticket: Ticket, nexus: NexusId, tag: Tag },
}

/// A submitted command that was executed, for its completion handler.
pub(super) struct Finished {
    pub(super) command: CompletedCommand,
    pub(super) nexus: NexusId,
    pub(super) reply: Arc<dyn CompletionHandler>,
}

impl Finished {
    /// Passes the command to its completion handler. A panic of the handler does not end the thread.
    pub(super) fn send(self) {
        let Self { command, reply, .. } = self;
        let _ = catch_unwind(AssertUnwindSafe(|| reply.complete(command)));
    }

    /// Passes the command to its completion handler as aborted.
    pub(super) fn abort(mut self) {
        self.command.completion = Completion::with_status(Status::TASK_ABORTED);
        self.command.aborted = true;
        self.send();
    }
}

impl DelayedStatus {
    pub(super) fn for_handler(due: Instant, finished: Finished) -> Self {
        Self { due, name: "", receiver: Receiver::Handler(Box::new(finished)) }
    }

    pub(super) const fn for_caller(due: Instant, ticket: Ticket, request: &Request<'_>) -> Self {
        Self { due, name: "", receiver: Receiver::Caller { ticket, nexus: request.nexus, tag: request.tag } }
    }

    /// The same status, with the name of its command.
    pub(super) fn of(self, name: &'static str) -> Self {
        Self { name, ..self }
    }

    fn is_selected(&self, wanted: impl Fn(NexusId, Tag) -> bool) -> bool {
        match &self.receiver {
            Receiver::Handler(finished) => wanted(finished.nexus, finished.command.tag),
            Receiver::Caller { nexus, tag, .. } => wanted(*nexus, *tag),
        }
    }
}

impl Activity {
    pub(super) const fn is_idle(&self) -> bool {
        matches!(self, Self::Idle)
    }

    /// When the unit's thread has to send a delayed status; `None` if it has none to send.
    pub(super) const fn due(&self) -> Option<Instant> {
        match self {
            Self::Delayed(DelayedStatus { due, receiver: Receiver::Handler(_), .. }) => Some(*due),
            _ => None,
        }
    }

    /// Whether the status of this caller is delayed.
    fn is_delayed(&self, caller: Ticket) -> bool {
        matches!(self, Self::Delayed(DelayedStatus { receiver: Receiver::Caller { ticket, .. }, .. }) if *ticket == caller)
    }

    /// Ends the delay of a status that the unit's thread has to send. Returns its command.
    pub(super) fn take_finished(&mut self) -> Option<Finished> {
        match std::mem::take(self) {
            Self::Delayed(DelayedStatus { receiver: Receiver::Handler(finished), .. }) => Some(*finished),
            other => {
                *self = other;
                None
            }
        }
    }

    /// Ends the delay of a status that `wanted` selects by nexus and tag. Returns its command if the unit's thread would
    /// have sent the status.
    pub(super) fn abort_delayed(&mut self, wanted: impl Fn(NexusId, Tag) -> bool) -> Option<Finished> {
        if !matches!(self, Self::Delayed(delayed) if delayed.is_selected(wanted)) {
            return None;
        }
        let finished = self.take_finished();
        *self = Self::Idle;
        finished
    }
}

impl Unit {
    /// When the status of a command is due; `None` if it can be sent now.
    pub(super) fn due_later(&self, completion: &Completion) -> Option<Instant> {
        completion.due.filter(|due| *due > self.shared.now().mono)
    }

    /// Waits until the delayed status of a caller is due, or the site is shut down. Returns false if the command was
    /// aborted.
    pub(super) fn wait_until_due(&self, ticket: Ticket, due: Instant) -> bool {
        let work = lock(&self.queue);
        let (mut work, _) = self
            .shared
            .clock
            .wait_while(&self.wake, work, due, |work| !work.stopping && work.activity.is_delayed(ticket));
        let kept = work.activity.is_delayed(ticket);
        if kept {
            work.activity = Activity::Idle;
        }
        drop(work);
        self.wake.notify_all();
        kept
    }
}

impl ClockListener for Unit {
    fn clock_advanced(&self) {
        let _locked = lock(&self.queue);
        self.wake.notify_all();
    }
}
