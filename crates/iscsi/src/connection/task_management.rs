//! Task management (RFC 7143 §11.5): tasks of this connection end here, devices hear of it from the owner.

use super::{Connection, Event, Function, TaskManagement};
use crate::pool::Pool;
use crate::wire::{self, BHS, Basic, Opcode, before, layout};
use zerocopy::IntoBytes;

/// The answers of RFC 7143 §11.6.1 that we give.
const COMPLETE: u8 = 0;
const NO_SUCH_TASK: u8 = 1;
const REASSIGNMENT_UNSUPPORTED: u8 = 4;
const UNSUPPORTED: u8 = 5;

impl Connection {
    pub(super) fn task_management(&mut self, header: &Basic, pool: &dyn Pool) {
        let mut bytes = [0; BHS];
        bytes.copy_from_slice(header.as_bytes());
        let raw: wire::TaskManagement = layout(&bytes);
        let (tag, lun) = (raw.itt.get(), raw.lun.get());
        let (function, tasks) = match raw.flags & 0x7f {
            1 => return self.abort_task(&raw, pool),
            2 => (Function::AbortTaskSet, self.abort(|_, task| task.lun == lun, pool)),
            4 => (Function::ClearTaskSet, self.abort(|_, task| task.lun == lun, pool)),
            5 => (Function::LunReset, self.abort(|_, task| task.lun == lun, pool)),
            6 => (Function::WarmReset, self.abort(|_, _| true, pool)),
            7 => (Function::ColdReset, self.abort(|_, _| true, pool)),
            8 => return self.task_management_done(tag, REASSIGNMENT_UNSUPPORTED),
            _ => return self.task_management_done(tag, UNSUPPORTED),
        };
        self.events.push_back(Event::TaskManagement(TaskManagement { tag, function, lun, tasks }));
    }

    fn abort_task(&mut self, raw: &wire::TaskManagement, pool: &dyn Pool) {
        let (tag, lun, wanted) = (raw.itt.get(), raw.lun.get(), raw.referenced_tag.get());
        if self.tasks.contains_key(&wanted) {
            let tasks = self.abort(|other, _| other == wanted, pool);
            let event = TaskManagement { tag, function: Function::AbortTask, lun, tasks };
            return self.events.push_back(Event::TaskManagement(event));
        }
        // A command that is still on its way, sent before this request: its place in the order is given up.
        let number = raw.ref_cmd_sn.get();
        let to_come =
            !before(number, self.exp_cmd_sn) && before(number, raw.cmd_sn.get()) && !before(self.max_cmd_sn, number);
        if to_come {
            self.forget_early(number, pool);
            self.given_up.insert(number);
            self.requests_in_turn(pool);
        }
        self.task_management_done(tag, if to_come { COMPLETE } else { NO_SUCH_TASK });
    }

    fn forget_early(&mut self, number: u32, pool: &dyn Pool) {
        if let Some(early) = self.early.remove(&number) {
            self.buffered -= early.data.len();
            pool.give(early.data);
        }
    }

    /// Another session ended the tasks of a LUN, or of all: those that the owner does not have yet go without an answer.
    pub fn clear(&mut self, lun: Option<u64>, pool: &dyn Pool) {
        self.abort(|_, task| !task.is_running() && lun.is_none_or(|lun| task.lun == lun), pool);
    }

    /// Answers a task management request; zero is "complete", two "no such LUN".
    pub fn task_management_done(&mut self, tag: u32, response: u8) {
        let mut header = self.target_header(Opcode::TASK_MANAGEMENT_RESPONSE, tag, true);
        header.response = response;
        self.send(&header, None, 0);
    }

    /// The owner is about to close: the peer is asked to log out (event 1), within `seconds`.
    pub fn ask_for_logout(&mut self, seconds: u16) {
        if !self.is_full_feature() {
            return;
        }
        let mut header = self.target_header(Opcode::ASYNC, wire::NO_TAG, true);
        header.word_36 = 0x0100_0000.into();
        header.word_40 = u32::from(seconds).into();
        self.send(&header, None, 0);
    }
}
