//! The two ways in which a command comes to a unit: submitted with owned buffers, or executed on the caller's thread.

use super::activity::{BusyGuard, Finished};
use super::observe::CommandEnd;
use super::queue::{QueuedCommand, Ticket};
use super::run::{CounterSave, name_of, wipe_key};
use super::{CompletionHandler, Submitted, Unit};
use crate::locks::lock;
use crate::observer::CommandOutcome;
use scsi_core::command_spec::{CommandRef, MediumAccess};
use scsi_core::data::Data;
use scsi_core::fault::Completion;
use scsi_core::status::Status;
use scsi_core::target::{Command, Request};
use scsi_core::time::Instant;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, TryLockError};

impl Unit {
    /// Executes a command on this thread if it cannot block and no other command is queued or running; else queues it
    /// in the order of its task attribute.
    ///
    /// If the queue is full or the site is shut down, the command is completed with TASK SET FULL.
    pub fn submit(&self, mut command: Command, reply: &Arc<dyn CompletionHandler>) -> Submitted {
        let row = (self.lookup)(&command.cdb);
        let may_wait = |slow| row.is_some_and(|row| row.spec().may_wait(slow));
        let slow = MediumAccess::from_bits_retain(self.slow_accesses.load(Ordering::Acquire));
        let queued =
            |command| QueuedCommand { command, row, arrived: self.shared.monotonic(), reply: Arc::clone(reply) };
        let busy = {
            let mut work = lock(&self.queue);
            // Events, such as the end of a reservation, are recorded durably before the next command.
            let is_idle = work.is_free() && work.queue.is_empty() && work.events.is_empty() && !work.stopping;
            if may_wait(slow) || !is_idle {
                if !work.accepts() {
                    drop(work);
                    return self.end_unexecuted(queued(command), Status::TASK_SET_FULL, CommandOutcome::Rejected);
                }
                work.queue.push(queued(command));
                self.wake.notify_all();
                return Submitted::Queued;
            }
            let task = (command.nexus, command.tag);
            BusyGuard::new(self, &mut work, name_of(row), Some(task))
        };
        // The robot may have locked the drive although no command is running: this thread must not wait for it either.
        let device = match self.device.try_lock() {
            Ok(device) => Some(device),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        };
        // The robot may also have loaded a slow medium since. A unit that panics here is faulty: no command waits in it.
        let device = device.and_then(|mut device| {
            let slow = self.catch_panic(&mut device, |device| device.slow_accesses());
            (!slow.is_ok_and(may_wait)).then_some(device)
        });
        let Some(device) = device else {
            let mut work = lock(&self.queue);
            let (stopping, aborted) = (work.stopping, work.activity.is_aborted());
            if !stopping && !aborted {
                work.queue.push_front(queued(command));
                return Submitted::Queued;
            }
            drop(work);
            return if aborted {
                self.end_unexecuted(queued(command), Status::TASK_ABORTED, CommandOutcome::Aborted)
            } else {
                self.end_unexecuted(queued(command), Status::TASK_SET_FULL, CommandOutcome::Rejected)
            };
        };
        let end = self.run_submitted(device, &mut command, row, 0, CounterSave::Later);
        busy.finish(command, end, reply).map_or(Submitted::Queued, Submitted::Completed)
    }

    /// Ends a submitted command that is not executed.
    fn end_unexecuted(&self, queued: QueuedCommand, status: Status, outcome: CommandOutcome) -> Submitted {
        let Finished { command, end, .. } = self.finish_unexecuted(queued, status, outcome);
        Submitted::Completed(end.complete(command))
    }

    /// Makes the record of a submitted command that is not executed, and wipes its Data-Out if that may contain a key.
    pub(super) fn finish_unexecuted(&self, queued: QueuedCommand, status: Status, outcome: CommandOutcome) -> Finished {
        let QueuedCommand { mut command, row, arrived, reply } = queued;
        wipe_key(&mut command.data, row);
        let now = self.shared.now();
        let mut end = CommandEnd::unexecuted(row, now, status, outcome);
        end.queued_us = now.mono.0.saturating_sub(arrived.0);
        self.observe_unexecuted(&command.request(row, now), &end);
        Finished { command, end, reply }
    }

    /// Executes a command with data in memory of the caller, such as segments of guest memory or of a mapped file. It
    /// runs on this thread, which waits for the commands before it, in the order of the task attribute. The caller
    /// wipes Data-Out that may contain an encryption key.
    ///
    /// The row and the time of the request are replaced. The status is TASK SET FULL if the queue is full or the site
    /// is shut down, and TASK ABORTED if the command was aborted, or the site shut down while it waited.
    #[must_use]
    pub fn execute(&self, request: &Request<'_>, mut data: Data<'_, '_>) -> Completion {
        let row = (self.lookup)(request.cdb);
        let request = Request { row, ..*request };
        let arrived = self.shared.monotonic();
        let ticket = {
            let mut work = lock(&self.queue);
            work.accepts().then(|| work.queue.push_caller(&request))
        };
        let Some(ticket) = ticket else {
            return self.end_call_unexecuted(&request, arrived, Status::TASK_SET_FULL, CommandOutcome::Rejected);
        };
        let aborted = || self.end_call_unexecuted(&request, arrived, Status::TASK_ABORTED, CommandOutcome::Aborted);
        let Some(busy) = self.wait_for_turn(ticket, row) else { return aborted() };
        let mut device = lock(&self.device);
        let task = (request.nexus, request.tag);
        if self.dequeue(&mut device, |work| work.queue.take(ticket).then_some(((), row, task))).is_none() {
            drop(device);
            return aborted();
        }
        let begin = Request { now: self.shared.now(), ..request };
        let queued_us = begin.now.mono.0.saturating_sub(arrived.0);
        let end = self.run(device, &begin, data.reborrow(), queued_us, CounterSave::Now);
        busy.finish_call(&begin, end, &data)
    }

    fn end_call_unexecuted(
        &self,
        request: &Request<'_>,
        arrived: Instant,
        status: Status,
        outcome: CommandOutcome,
    ) -> Completion {
        let now = self.shared.now();
        let mut end = CommandEnd::unexecuted(request.row, now, status, outcome);
        end.queued_us = now.mono.0.saturating_sub(arrived.0);
        self.observe_unexecuted(request, &end);
        end.completion
    }

    /// Waits until the command of this ticket is the next one and no other is running. `None` if it was aborted.
    fn wait_for_turn(&self, ticket: Ticket, row: Option<CommandRef>) -> Option<BusyGuard<'_>> {
        let mut work = lock(&self.queue);
        while !work.queue.is_next(ticket)? || !work.is_free() {
            work = self.wake.wait(work).unwrap_or_else(PoisonError::into_inner);
        }
        Some(BusyGuard::new(self, &mut work, name_of(row), None))
    }
}
