//! The commands that wait for a logical unit, in the order in which they run.
//!
//! A unit runs one command at a time. Arrival order is therefore the order that SAM-5 §8.6 requires of SIMPLE and
//! ORDERED commands: an ORDERED command waits for all commands before it, and holds all commands after it. A HEAD OF
//! QUEUE command goes before every waiting command, the last one received first. It does not interrupt the running
//! command.

use super::CompletionHandler;
use scsi_core::command_spec::CommandRef;
use scsi_core::nexus::NexusId;
use scsi_core::target::{Command, Request, Tag, TaskAttribute};
use scsi_core::time::Instant;
use std::collections::VecDeque;
use std::sync::Arc;

/// A command with owned buffers, which the unit's thread runs.
pub(super) struct QueuedCommand {
    pub(super) command: Command,
    pub(super) row: Option<CommandRef>,
    /// Time at which the command arrived.
    pub(super) arrived: Instant,
    pub(super) reply: Arc<dyn CompletionHandler>,
}

/// The place in the queue of a command that runs on the thread of its caller, with the caller's data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ticket(u64);

/// An entry of the queue: a command for the unit's thread, or a ticket of a caller.
enum Entry {
    Command(QueuedCommand),
    Caller { ticket: Ticket, nexus: NexusId, tag: Tag },
}

/// The waiting commands of a logical unit; the first one runs next.
#[derive(Default)]
pub(super) struct CommandQueue {
    entries: VecDeque<Entry>,
    next_ticket: u64,
}

impl CommandQueue {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn insert(&mut self, attribute: TaskAttribute, entry: Entry) {
        match attribute {
            TaskAttribute::Simple | TaskAttribute::Ordered => self.entries.push_back(entry),
            TaskAttribute::HeadOfQueue => self.entries.push_front(entry),
        }
    }

    /// Queues a command for the unit's thread.
    pub(super) fn push(&mut self, queued: QueuedCommand) {
        self.insert(queued.command.attribute, Entry::Command(queued));
    }

    /// Queues a command that was next to run before every other.
    pub(super) fn push_front(&mut self, queued: QueuedCommand) {
        self.insert(TaskAttribute::HeadOfQueue, Entry::Command(queued));
    }

    /// Queues a command of a caller. It runs when [`Self::is_next`].
    pub(super) fn push_caller(&mut self, request: &Request<'_>) -> Ticket {
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        self.insert(request.attribute, Entry::Caller { ticket, nexus: request.nexus, tag: request.tag });
        ticket
    }

    /// Returns whether the next command runs on the thread of its caller.
    pub(super) fn next_is_caller(&self) -> bool {
        matches!(self.entries.front(), Some(Entry::Caller { .. }))
    }

    /// Returns the row of the next command that the unit's thread runs; `None` also for an unknown operation code.
    pub(super) fn next_row(&self) -> Option<CommandRef> {
        match self.entries.front()? {
            Entry::Command(queued) => queued.row,
            Entry::Caller { .. } => None,
        }
    }

    /// Returns whether the command of this ticket is the next one; `None` if it was aborted.
    pub(super) fn is_next(&self, ticket: Ticket) -> Option<bool> {
        self.position(ticket).map(|position| position == 0)
    }

    /// Removes the command of a ticket, to run it. Returns false if it was aborted.
    pub(super) fn take(&mut self, ticket: Ticket) -> bool {
        self.position(ticket).and_then(|position| self.entries.remove(position)).is_some()
    }

    /// Removes the next command if the unit's thread runs it.
    pub(super) fn pop(&mut self) -> Option<QueuedCommand> {
        match self.entries.pop_front()? {
            Entry::Command(queued) => Some(queued),
            caller @ Entry::Caller { .. } => {
                self.entries.push_front(caller);
                None
            }
        }
    }

    /// Removes the commands that `wanted` selects by nexus and tag. Returns the removed commands of the unit's thread.
    pub(super) fn remove(&mut self, wanted: impl Fn(NexusId, Tag) -> bool) -> Vec<QueuedCommand> {
        let mut removed = Vec::new();
        for entry in std::mem::take(&mut self.entries) {
            match entry {
                Entry::Command(queued) if wanted(queued.command.nexus, queued.command.tag) => removed.push(queued),
                Entry::Caller { nexus, tag, .. } if wanted(nexus, tag) => {}
                other => self.entries.push_back(other),
            }
        }
        removed
    }

    fn position(&self, wanted: Ticket) -> Option<usize> {
        self.entries.iter().position(|entry| matches!(entry, Entry::Caller { ticket, .. } if *ticket == wanted))
    }
}
