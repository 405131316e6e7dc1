//! Task management (RFC 7143 §11.5): tasks of this connection end here, devices hear of it from the owner.

use super::{Connection, ConnectionEvent, TaskFunction, TaskManagement};
use crate::buffers::BufferSource;
use crate::wire::{self, BHS, BasicHeader, Opcode, as_layout, serial_before};
use zerocopy::IntoBytes;

/// The answers of RFC 7143 §11.6.1 that we give.
const FUNCTION_COMPLETE: u8 = 0;
const NO_SUCH_TASK: u8 = 1;
const REASSIGNMENT_UNSUPPORTED: u8 = 4;
const FUNCTION_UNSUPPORTED: u8 = 5;

impl Connection {
    pub(super) fn task_management(&mut self, header: &BasicHeader, pool: &dyn BufferSource) {
        let mut bytes = [0; BHS];
        bytes.copy_from_slice(header.as_bytes());
        let raw: wire::TaskManagement = as_layout(&bytes);
        let (tag, lun) = (raw.itt.get(), raw.lun.get());
        let (function, tasks) = match raw.flags & 0x7f {
            1 => return self.abort_task(&raw, pool),
            2 => (TaskFunction::AbortTaskSet, self.abort_tasks(|_, task| task.lun == lun, pool)),
            4 => (TaskFunction::ClearTaskSet, self.abort_tasks(|_, task| task.lun == lun, pool)),
            5 => (TaskFunction::LunReset, self.abort_tasks(|_, task| task.lun == lun, pool)),
            6 => (TaskFunction::WarmReset, self.abort_tasks(|_, _| true, pool)),
            7 => (TaskFunction::ColdReset, self.abort_tasks(|_, _| true, pool)),
            8 => return self.task_management_done(tag, REASSIGNMENT_UNSUPPORTED),
            _ => return self.task_management_done(tag, FUNCTION_UNSUPPORTED),
        };
        self.events.push_back(ConnectionEvent::TaskManagement(TaskManagement { tag, function, lun, tasks }));
    }

    fn abort_task(&mut self, raw: &wire::TaskManagement, pool: &dyn BufferSource) {
        let (tag, lun, wanted) = (raw.itt.get(), raw.lun.get(), raw.referenced_tag.get());
        if self.tasks.contains_key(&wanted) {
            let tasks = self.abort_tasks(|other, _| other == wanted, pool);
            let event = TaskManagement { tag, function: TaskFunction::AbortTask, lun, tasks };
            return self.events.push_back(ConnectionEvent::TaskManagement(event));
        }
        // A command that is still on its way, sent before this request: its place in the order is given up.
        let number = raw.ref_cmd_sn.get();
        let to_come = !serial_before(number, self.exp_cmd_sn)
            && serial_before(number, raw.cmd_sn.get())
            && !serial_before(self.max_cmd_sn, number);
        if to_come {
            self.discard_out_of_order(number, pool);
            self.aborted_numbers.insert(number);
            self.run_queued_requests(pool);
        }
        self.task_management_done(tag, if to_come { FUNCTION_COMPLETE } else { NO_SUCH_TASK });
    }

    fn discard_out_of_order(&mut self, number: u32, pool: &dyn BufferSource) {
        if let Some(early) = self.out_of_order.remove(&number) {
            self.data_out_buffered -= early.data.len();
            pool.release(early.data);
        }
    }

    /// Another session ended the tasks of a LUN, or of all: those that the owner does not have yet go without an answer.
    pub fn clear_tasks(&mut self, lun: Option<u64>, pool: &dyn BufferSource) {
        self.abort_tasks(|_, task| !task.is_running() && lun.is_none_or(|lun| task.lun == lun), pool);
    }

    /// Answers a task management request; zero is "complete", two "no such LUN".
    pub fn task_management_done(&mut self, tag: u32, response: u8) {
        let mut header = self.target_header(Opcode::TASK_MANAGEMENT_RESPONSE, tag, true);
        header.response = response;
        self.send(&header, None, 0);
    }

    /// The owner is about to close: the peer is asked to log out (event 1), within `seconds`.
    pub fn request_logout(&mut self, seconds: u16) {
        if !self.is_full_feature() {
            return;
        }
        let mut header = self.target_header(Opcode::ASYNC, wire::NO_TAG, true);
        header.word_36 = 0x0100_0000.into();
        header.word_40 = u32::from(seconds).into();
        self.send(&header, None, 0);
    }
}
