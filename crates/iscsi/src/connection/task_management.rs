//! Task management functions (RFC 7143 §11.5): aborts the tasks of this connection and passes the request to the owner.

use super::{Connection, ConnectionEvent, TaskFunction, TaskManagement};
use crate::buffers::{BufferSource, release_wiped};
use crate::wire::{self, BHS, BasicHeader, Opcode, as_layout, serial_before};
use zerocopy::IntoBytes;

/// Response codes of RFC 7143 §11.6.1.
const FUNCTION_COMPLETE: u8 = 0;
const NO_SUCH_TASK: u8 = 1;
const REASSIGNMENT_UNSUPPORTED: u8 = 4;
const FUNCTION_UNSUPPORTED: u8 = 5;

impl Connection {
    pub(super) fn task_management(&mut self, header: &BasicHeader, buffers: &dyn BufferSource) {
        let mut bytes = [0; BHS];
        bytes.copy_from_slice(header.as_bytes());
        let raw: wire::TaskManagement = as_layout(&bytes);
        let (tag, lun) = (raw.itt.get(), raw.lun.get());
        let (function, tasks) = match raw.flags & 0x7f {
            1 => return self.abort_task(&raw, buffers),
            2 => (TaskFunction::AbortTaskSet, self.abort_tasks(|_, task| task.lun == lun, buffers)),
            4 => (TaskFunction::ClearTaskSet, self.abort_tasks(|_, task| task.lun == lun, buffers)),
            5 => (TaskFunction::LunReset, self.abort_tasks(|_, task| task.lun == lun, buffers)),
            6 => (TaskFunction::WarmReset, self.abort_tasks(|_, _| true, buffers)),
            7 => (TaskFunction::ColdReset, self.abort_tasks(|_, _| true, buffers)),
            8 => return self.task_management_done(tag, REASSIGNMENT_UNSUPPORTED),
            _ => return self.task_management_done(tag, FUNCTION_UNSUPPORTED),
        };
        self.events.push_back(ConnectionEvent::TaskManagement(TaskManagement { tag, function, lun, tasks }));
    }

    fn abort_task(&mut self, raw: &wire::TaskManagement, buffers: &dyn BufferSource) {
        let (tag, lun, wanted) = (raw.itt.get(), raw.lun.get(), raw.referenced_tag.get());
        if self.tasks.contains_key(&wanted) {
            let tasks = self.abort_tasks(|other, _| other == wanted, buffers);
            let event = TaskManagement { tag, function: TaskFunction::AbortTask, lun, tasks };
            return self.events.push_back(ConnectionEvent::TaskManagement(event));
        }
        // The command was sent before this request and has not been executed: its CmdSN is skipped.
        let cmd_sn = raw.ref_cmd_sn.get();
        let is_pending = !serial_before(cmd_sn, self.exp_cmd_sn)
            && serial_before(cmd_sn, raw.cmd_sn.get())
            && !serial_before(self.max_cmd_sn, cmd_sn);
        if is_pending {
            self.discard_out_of_order(cmd_sn, buffers);
            self.aborted_cmd_sns.insert(cmd_sn);
            self.run_queued_requests(buffers);
        }
        self.task_management_done(tag, if is_pending { FUNCTION_COMPLETE } else { NO_SUCH_TASK });
    }

    fn discard_out_of_order(&mut self, cmd_sn: u32, buffers: &dyn BufferSource) {
        if let Some(request) = self.out_of_order.remove(&cmd_sn) {
            self.data_out_buffered -= request.data.len();
            release_wiped(request.data, buffers);
        }
    }

    /// Aborts the tasks of a LUN (`None`: of all LUNs) that the owner does not run yet, without a response, because
    /// another session cleared the task set or reset the unit.
    pub fn clear_tasks(&mut self, lun: Option<u64>, buffers: &dyn BufferSource) {
        self.abort_tasks(|_, task| !task.is_running() && lun.is_none_or(|lun| task.lun == lun), buffers);
    }

    /// Sends the response to a task management request. `response`: 0 function complete, 2 LUN does not exist; see RFC
    /// 7143 §11.6.1.
    pub fn task_management_done(&mut self, tag: u32, response: u8) {
        let mut header = self.target_header(Opcode::TASK_MANAGEMENT_RESPONSE, tag, true);
        header.response = response;
        self.send(&header, None, 0);
    }

    /// Sends an Asynchronous Message that requests logout within `seconds` (event 1, RFC 7143 §11.9.1), before the
    /// owner closes the connection. No effect in the login phase.
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
