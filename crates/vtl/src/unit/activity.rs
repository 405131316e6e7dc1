//! The activity of a unit: it runs one command at a time, and keeps a status that is due later until then.

use super::observe::CommandEnd;
use super::{CompletionHandler, Unit, UnitQueue};
use crate::clock::ClockListener;
use crate::locks::lock;
use scsi_core::data::Data;
use scsi_core::fault::Completion;
use scsi_core::nexus::NexusId;
use scsi_core::target::{Command, CompletedCommand, Request, Tag};
use scsi_core::time::Instant;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// The I_T nexus and the tag of a command, by which it is aborted.
pub(super) type TaskId = (NexusId, Tag);

/// The current activity of a unit.
#[derive(Default)]
pub(super) enum Activity {
    /// The next command may run.
    #[default]
    Idle,
    /// A thread executes a command, or advances a background operation.
    Running {
        /// Name of the command or the operation in messages.
        name: &'static str,
        /// The command by which it can be aborted.
        task: Option<TaskId>,
        /// The command was aborted: it ends without a response.
        aborted: bool,
    },
    /// A request of an operator uses the unit directly.
    Operator,
    /// A request of an operator uses the drive through the robot.
    Robot,
    /// The status of the last command is due later.
    Delayed { name: &'static str, due: Instant, receiver: Receiver },
}

/// The receiver of a delayed status.
pub(super) enum Receiver {
    /// The completion handler of a submitted command; the unit's thread calls it.
    Handler(Box<Finished>),
    /// A caller of [`Unit::execute`], whose thread waits.
    Caller { task: Option<TaskId>, aborted: bool },
}

/// A submitted command that has ended, for its completion handler.
pub(super) struct Finished {
    pub(super) command: Command,
    pub(super) end: CommandEnd,
    pub(super) reply: Arc<dyn CompletionHandler>,
}

impl Finished {
    /// Passes the command to its completion handler.
    pub(super) fn send(self) {
        let Self { command, end, reply } = self;
        send(&*reply, end.complete(command));
    }
}

/// Passes a command to its completion handler. A panic of the handler does not end the thread.
pub(super) fn send(reply: &dyn CompletionHandler, completed: CompletedCommand) {
    let _ = catch_unwind(AssertUnwindSafe(|| reply.complete(completed)));
}

impl Activity {
    pub(super) const fn is_idle(&self) -> bool {
        matches!(self, Self::Idle)
    }

    /// Whether a command runs, or its status is delayed.
    pub(super) const fn is_command(&self) -> bool {
        matches!(self, Self::Running { task: Some(_), .. } | Self::Delayed { .. })
    }

    /// The activity of a thread that ends a command, which can no longer be aborted.
    const fn ending(name: &'static str) -> Self {
        Self::Running { name, task: None, aborted: false }
    }

    /// Name of the command that runs or whose status is delayed.
    const fn name(&self) -> &'static str {
        match self {
            Self::Running { name, .. } | Self::Delayed { name, .. } => name,
            Self::Idle | Self::Operator | Self::Robot => "",
        }
    }

    /// Begins the execution of a command by the thread that made the unit busy.
    pub(super) fn begin(&mut self, name: &'static str, task: TaskId) {
        *self = Self::Running { name, task: Some(task), aborted: false };
    }

    /// The command that runs.
    const fn task(&self) -> Option<TaskId> {
        if let Self::Running { task, .. } = self { *task } else { None }
    }

    /// Whether the command that runs, or whose status is delayed, was aborted.
    pub(super) const fn is_aborted(&self) -> bool {
        matches!(
            self,
            Self::Running { aborted: true, .. }
                | Self::Delayed { receiver: Receiver::Caller { aborted: true, .. }, .. }
        )
    }

    /// When the unit's thread has to send a delayed status; `None` if it has none to send.
    pub(super) const fn due(&self) -> Option<Instant> {
        match self {
            Self::Delayed { due, receiver: Receiver::Handler(_), .. } => Some(*due),
            _ => None,
        }
    }

    /// Ends the delay of a status for a completion handler: the calling thread ends the command.
    fn take_finished(&mut self) -> Option<Box<Finished>> {
        match std::mem::replace(self, Self::ending(self.name())) {
            Self::Delayed { receiver: Receiver::Handler(finished), .. } => Some(finished),
            other => {
                *self = other;
                None
            }
        }
    }

    /// Aborts the command that runs or whose status is delayed, if `wanted` selects it by nexus and tag. Returns a command
    /// that the calling thread has to end.
    fn abort(&mut self, wanted: impl Fn(NexusId, Tag) -> bool) -> Option<Box<Finished>> {
        match self {
            Self::Running { task: Some((nexus, tag)), aborted, .. }
            | Self::Delayed { receiver: Receiver::Caller { task: Some((nexus, tag)), aborted }, .. } => {
                *aborted |= wanted(*nexus, *tag);
                None
            }
            Self::Delayed { receiver: Receiver::Handler(finished), .. }
                if wanted(finished.command.nexus, finished.command.tag) =>
            {
                self.take_finished()
            }
            _ => None,
        }
    }
}

/// The right to execute a command of a unit; dropping it releases the unit.
pub(super) struct BusyGuard<'a> {
    unit: &'a Unit,
}

impl Drop for BusyGuard<'_> {
    fn drop(&mut self) {
        let mut work = lock(&self.unit.queue);
        if matches!(work.activity, Activity::Running { .. }) {
            work.activity = Activity::Idle;
        }
        // Also if a background operation continues: the unit's thread has waited for this command.
        if work.has_work(self.unit.shared.monotonic()) || work.background.is_some() || !work.is_free() {
            self.unit.wake.notify_all();
        }
    }
}

impl<'a> BusyGuard<'a> {
    /// Makes an idle unit busy with a command or an operation of this name.
    pub(super) fn new(unit: &'a Unit, work: &mut UnitQueue, name: &'static str, task: Option<TaskId>) -> Self {
        work.activity = Activity::Running { name, task, aborted: false };
        Self { unit }
    }

    /// Takes a delayed status from a unit, and makes the unit busy until the command has ended.
    pub(super) fn take_delayed(unit: &'a Unit, work: &mut UnitQueue) -> Option<(Self, Box<Finished>)> {
        work.activity.take_finished().map(|finished| (Self { unit }, finished))
    }

    /// Aborts the command that the unit runs or whose status is delayed. Returns a command that the caller has to end.
    pub(super) fn abort(
        unit: &'a Unit,
        work: &mut UnitQueue,
        wanted: impl Fn(NexusId, Tag) -> bool,
    ) -> Option<(Self, Box<Finished>)> {
        let mut finished = work.activity.abort(wanted)?;
        finished.end.abort();
        Some((Self { unit }, finished))
    }

    /// Ends the execution of a submitted command. `None` if its status is due later: then the unit's thread sends it.
    pub(super) fn finish(
        self,
        command: Command,
        mut end: CommandEnd,
        reply: &Arc<dyn CompletionHandler>,
    ) -> Option<CompletedCommand> {
        let due = self.unit.due_later(&end.completion);
        let mut work = lock(&self.unit.queue);
        if work.activity.is_aborted() {
            end.abort();
        } else if let Some(due) = due {
            let finished = Finished { command, end, reply: Arc::clone(reply) };
            let (name, receiver) = (work.activity.name(), Receiver::Handler(Box::new(finished)));
            work.activity = Activity::Delayed { name, due, receiver };
            return None;
        }
        drop(work);
        self.end(&command, &end);
        Some(end.complete(command))
    }

    /// Makes the record of a submitted command and releases the unit.
    pub(super) fn end(self, command: &Command, end: &CommandEnd) {
        self.unit.observe_finished(command, end);
    }

    /// Ends the execution of a command of [`Unit::execute`] when its status is due, or the site is shut down.
    pub(super) fn finish_call(self, request: &Request<'_>, mut end: CommandEnd, data: &Data<'_, '_>) -> Completion {
        let unit = self.unit;
        let due = unit.due_later(&end.completion);
        let mut work = lock(&unit.queue);
        if let Some(due) = due
            && !work.activity.is_aborted()
        {
            let receiver = Receiver::Caller { task: work.activity.task(), aborted: false };
            work.activity = Activity::Delayed { name: work.activity.name(), due, receiver };
            let waits = |work: &mut UnitQueue| !work.stopping && !work.activity.is_aborted();
            work = unit.shared.clock.wait_while(&unit.wake, work, due, waits).0;
        }
        if work.activity.is_aborted() {
            end.abort();
        }
        work.activity = Activity::ending(work.activity.name());
        drop(work);
        let data_out = data.data_out.window(0, end.completion.data_out);
        unit.observe_executed(request, &end, (&data_out, &data.data_in.front(end.completion.data_in)));
        end.completion
    }
}

impl Unit {
    /// When the status of a command is due; `None` if it can be sent now.
    fn due_later(&self, completion: &Completion) -> Option<Instant> {
        completion.due.filter(|due| *due > self.shared.monotonic())
    }
}

impl ClockListener for Unit {
    fn clock_advanced(&self) {
        let _locked = lock(&self.queue);
        self.wake.notify_all();
    }
}
