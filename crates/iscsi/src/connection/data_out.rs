//! Tasks and their data-out: immediate data, unsolicited Data-Out, and Data-Out solicited by R2T (RFC 7143 §4.2.5.2).

use super::additional_header::extended_cdb;
use super::full_feature::RejectReason;
use super::receive::SegmentDestination;
use super::{Connection, ConnectionEvent, ReceivedRequest, RejectedCommand};
use crate::buffers::{BufferSource, release_wiped};
use crate::config::{DATA_IN_QUEUED, SMALL_DATA_IN};
use crate::wire::{self, BasicHeader, FINAL_FLAG, NO_TAG, Opcode, as_layout};
use foldhash::fast::FixedState;
use scsi_core::asc::Asc;
use scsi_core::fault::{Completion, Fault};
use scsi_core::sense::{Sense, SenseFormat, SenseKey};
use scsi_core::status::Status;
use scsi_core::target::{CdbBytes, Command, CompletedCommand, DataBuffers, Tag, TaskAttribute};
use std::collections::HashMap;
use zerocopy::IntoBytes;
use zeroize::Zeroize;

/// The sense key and additional sense code of a command that ends without being run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CommandFault(SenseKey, Asc);

impl CommandFault {
    /// Faults of the data transfer (RFC 7143 §11.4.7.2).
    const UNSOLICITED: Self = Self(SenseKey::ABORTED_COMMAND, Asc::WRITE_ERROR_UNEXPECTED_UNSOLICITED_DATA);
    const WRONG_LENGTH: Self = Self(SenseKey::ABORTED_COMMAND, Asc::WRITE_ERROR_NOT_ENOUGH_UNSOLICITED_DATA);
    const DIGEST: Self = Self(SenseKey::ABORTED_COMMAND, Asc(0x4705));
    /// The transfer exceeds the limit of the target.
    const TOO_LONG: Self = Self(SenseKey::ILLEGAL_REQUEST, Asc::INVALID_FIELD_IN_CDB);
    /// The task attribute ACA without an ACA condition, which no unit establishes (SAM-5 §8.6).
    const ACA: Self = Self(SenseKey::ILLEGAL_REQUEST, Asc::INVALID_MESSAGE_ERROR);

    fn completion(self) -> Completion {
        let Self(key, asc) = self;
        Completion::new(&Err(Fault::from(Sense::new(key, asc))), SenseFormat::Fixed)
    }
}

/// Decodes ATTR of a SCSI Command (RFC 7143 §11.3.1). An untagged command is SIMPLE; `Ok(None)` is ACA.
///
/// # Errors
/// PROTOCOL ERROR for a reserved value (RFC 7143 §11).
const fn task_attribute(flags: u8) -> Result<Option<TaskAttribute>, RejectReason> {
    match flags & 0x07 {
        0 | 1 => Ok(Some(TaskAttribute::Simple)),
        2 => Ok(Some(TaskAttribute::Ordered)),
        3 => Ok(Some(TaskAttribute::HeadOfQueue)),
        4 => Ok(None),
        _ => Err(RejectReason::PROTOCOL_ERROR),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TaskState {
    /// Data-out is incomplete.
    Collecting,
    /// Data-out is complete; earlier commands of the LUN run first.
    Ready,
    /// The owner runs the command.
    Running,
    /// The owner runs the command, which was aborted: no response is sent.
    Aborted,
}

/// An R2T whose data has not arrived completely.
struct OutstandingR2t {
    ttt: u32,
    end: usize,
    data_sn: u32,
}

/// The tasks of a connection by Initiator Task Tag. The hash has no random key, so that the order of the tasks depends on
/// their tags only; the command window limits their number.
pub(super) type TaskTable = HashMap<u32, Task, FixedState>;

/// One SCSI command in flight.
pub(super) struct Task {
    pub(super) lun: u64,
    pub(super) immediate: bool,
    attribute: TaskAttribute,
    cdb: CdbBytes,
    expected: usize,
    reads: bool,
    writes: bool,
    pub(super) buffer: Vec<u8>,
    /// Bytes of data-out received, from the beginning of the buffer.
    received: usize,
    /// Unsolicited Data-Out continues until a PDU with the F bit.
    unsolicited: bool,
    unsolicited_sn: u32,
    r2t_sn: u32,
    /// Outstanding R2Ts, in order, and the end of the data that they request.
    outstanding_r2ts: std::collections::VecDeque<OutstandingR2t>,
    solicited_end: usize,
    fault: Option<CommandFault>,
    /// Length of the data-out buffer while the owner has it.
    buffer_len: usize,
    /// Data-in capacity of the command while the owner runs it, in bytes.
    running: usize,
    state: TaskState,
}

impl Task {
    pub(super) fn is_running(&self) -> bool {
        matches!(self.state, TaskState::Running | TaskState::Aborted)
    }

    /// Returns whether unsolicited data of this offset and length is expected next.
    fn takes_unsolicited(&self, offset: usize, len: usize) -> bool {
        let is_collecting = self.state == TaskState::Collecting && self.unsolicited && self.fault.is_none();
        is_collecting && offset == self.received && offset + len <= self.data_out_len()
    }

    /// Returns how many bytes of data-in the initiator accepts.
    const fn data_in_capacity(&self) -> usize {
        if self.reads && self.fault.is_none() { self.expected } else { 0 }
    }

    const fn data_out_len(&self) -> usize {
        if self.writes { self.expected } else { 0 }
    }
}

const READ: u8 = 0x40;
const WRITE: u8 = 0x20;

impl Connection {
    /// Accepts a SCSI command in CmdSN order, with its immediate data.
    pub(super) fn scsi_command(&mut self, request: ReceivedRequest, buffers: &dyn BufferSource) {
        let mut bytes = [0; wire::BHS];
        bytes.copy_from_slice(request.header.as_bytes());
        let raw: wire::ScsiCommand = as_layout(&bytes);
        let (cdb, attribute) = match self.check_command(&request, &raw) {
            Ok(checked) => checked,
            Err(reason) => return self.send_reject(&request.header, reason, request.data, buffers),
        };
        let ReceivedRequest { header, data, len, intact, .. } = request;
        let (tag, writes) = (raw.itt.get(), raw.flags & WRITE != 0);
        let mut task = Task {
            lun: raw.lun.get(),
            immediate: header.immediate(),
            attribute: attribute.unwrap_or_default(),
            cdb,
            expected: raw.expected_length.get() as usize,
            reads: raw.flags & READ != 0,
            writes,
            buffer: data,
            received: len,
            unsolicited: writes && raw.flags & FINAL_FLAG == 0,
            unsolicited_sn: 0,
            r2t_sn: 0,
            outstanding_r2ts: std::collections::VecDeque::new(),
            solicited_end: len,
            fault: None,
            buffer_len: 0,
            running: 0,
            state: TaskState::Collecting,
        };
        let forbidden = (len > 0 && !self.params.immediate_data) || (task.unsolicited && self.params.initial_r2t);
        task.fault = if task.expected > self.config.limits.max_transfer {
            Some(CommandFault::TOO_LONG)
        } else if forbidden {
            Some(CommandFault::UNSOLICITED)
        } else if len > task.data_out_len() || len > self.params.first_burst as usize {
            Some(CommandFault::WRONG_LENGTH)
        } else if !intact {
            Some(CommandFault::DIGEST)
        } else if attribute.is_none() {
            Some(CommandFault::ACA)
        } else {
            None
        };
        if !intact {
            self.send_reject(&header, RejectReason::DATA_DIGEST, Vec::new(), buffers);
        }
        self.data_out_buffered += task.buffer.len();
        self.tasks.insert(tag, task);
        self.queued_tasks.push_back(tag);
        self.collect(tag, buffers);
    }

    /// Checks the fields of a SCSI command. Returns its CDB and its task attribute, which is `None` for ACA.
    ///
    /// # Errors
    /// The reason of a Reject; then the command does not become a task (RFC 7143 §11.17.1).
    fn check_command(
        &self,
        request: &ReceivedRequest,
        raw: &wire::ScsiCommand,
    ) -> Result<(CdbBytes, Option<TaskAttribute>), RejectReason> {
        let (header, tag) = (&request.header, raw.itt.get());
        // Bidirectional commands: no device type of this target has any.
        if tag == NO_TAG || raw.flags & (READ | WRITE) == READ | WRITE {
            return Err(RejectReason::INVALID_FIELD);
        }
        let extension = extended_cdb(&request.additional)?;
        let attribute = task_attribute(raw.flags)?;
        if self.tasks.contains_key(&tag) {
            return Err(RejectReason::TASK_IN_PROGRESS);
        }
        let immediates = || self.tasks.values().filter(|task| task.immediate).count();
        if header.immediate() && immediates() >= self.config.limits.immediate_commands as usize {
            return Err(RejectReason::TOO_MANY_IMMEDIATE);
        }
        let mut cdb = CdbBytes::from_slice(&raw.cdb);
        cdb.extend_from_slice(extension);
        Ok((cdb, attribute))
    }

    /// Returns where the data of a Data-Out PDU is stored: in the buffer of its task if it is expected next; otherwise
    /// it is discarded. `None`: no buffer is available; `resume` calls again.
    pub(super) fn data_out_destination(
        &mut self,
        header: &BasicHeader,
        len: usize,
        buffers: &dyn BufferSource,
    ) -> Option<SegmentDestination> {
        let mut bytes = [0; wire::BHS];
        bytes.copy_from_slice(header.as_bytes());
        let raw: wire::DataOut = as_layout(&bytes);
        let (tag, offset) = (raw.itt.get(), raw.buffer_offset.get() as usize);
        let first_burst = self.params.first_burst as usize;
        let unsolicited = raw.ttt.get() == NO_TAG;
        // Solicited data has its buffer already. The buffer is acquired before DataSN advances, since a failure repeats
        // this call.
        let needs_buffer = unsolicited && self.tasks.get(&tag).is_some_and(|task| task.takes_unsolicited(offset, len));
        if needs_buffer && offset + len <= first_burst && !self.grow_buffer(tag, offset + len, buffers) {
            return None;
        }
        let Some(task) = self.tasks.get_mut(&tag).filter(|task| task.state == TaskState::Collecting) else {
            return Some(SegmentDestination::Discard);
        };
        let (end, data_sn) = match task.outstanding_r2ts.front_mut() {
            _ if unsolicited && task.unsolicited => (task.data_out_len().min(first_burst), &mut task.unsolicited_sn),
            Some(r2t) if r2t.ttt == raw.ttt.get() => (r2t.end, &mut r2t.data_sn),
            _ => return Some(SegmentDestination::Discard),
        };
        let in_order = offset == task.received && *data_sn == raw.data_sn.get();
        *data_sn = data_sn.wrapping_add(1);
        if !in_order || offset + len > end {
            task.fault.get_or_insert(CommandFault::WRONG_LENGTH);
        }
        Some(if task.fault.is_some() { SegmentDestination::Discard } else { SegmentDestination::Task { tag, offset } })
    }

    /// Accounts for a Data-Out PDU that was received completely.
    pub(super) fn data_out(
        &mut self,
        header: &BasicHeader,
        destination: &SegmentDestination,
        len: usize,
        intact: bool,
        buffers: &dyn BufferSource,
    ) {
        let mut bytes = [0; wire::BHS];
        bytes.copy_from_slice(header.as_bytes());
        let raw: wire::DataOut = as_layout(&bytes);
        let (tag, is_final) = (raw.itt.get(), raw.flags & FINAL_FLAG != 0);
        if !intact {
            self.send_reject(header, RejectReason::DATA_DIGEST, Vec::new(), buffers);
        }
        let Some(task) = self.tasks.get_mut(&tag) else { return };
        if task.state != TaskState::Collecting {
            return;
        }
        if !intact {
            task.fault.get_or_insert(CommandFault::DIGEST);
        }
        if matches!(destination, SegmentDestination::Task { .. }) {
            task.received += len;
        }
        if is_final {
            if raw.ttt.get() == NO_TAG {
                task.unsolicited = false;
                task.solicited_end = task.solicited_end.max(task.received);
            } else if task.outstanding_r2ts.front().is_some_and(|r2t| r2t.ttt == raw.ttt.get())
                && let Some(r2t) = task.outstanding_r2ts.pop_front()
                && task.received < r2t.end
            {
                task.fault.get_or_insert(CommandFault::WRONG_LENGTH);
            }
        }
        self.collect(tag, buffers);
    }

    /// Grows the buffer of a task to at least `len` bytes. Returns false if no buffer is available.
    fn grow_buffer(&mut self, tag: u32, len: usize, buffers: &dyn BufferSource) -> bool {
        let Some(task) = self.tasks.get_mut(&tag).filter(|task| task.buffer.len() < len) else { return true };
        let Some(mut larger) = buffers.acquire(task.expected.max(len)) else { return false };
        if let (Some(new), Some(old)) = (larger.get_mut(..task.received), task.buffer.get(..task.received)) {
            new.copy_from_slice(old);
        }
        self.data_out_buffered += larger.len() - task.buffer.len();
        release_wiped(std::mem::replace(&mut task.buffer, larger), buffers);
        true
    }

    /// Requests the next data of a task, or marks the task as ready if its data is complete.
    fn collect(&mut self, tag: u32, buffers: &dyn BufferSource) {
        let Some(task) = self.tasks.get(&tag) else { return };
        if task.unsolicited || task.state != TaskState::Collecting {
            return;
        }
        let complete = task.received >= task.data_out_len() || task.fault.is_some();
        if complete && task.outstanding_r2ts.is_empty() {
            if let Some(task) = self.tasks.get_mut(&tag) {
                task.state = TaskState::Ready;
            }
            return self.start_ready_tasks(buffers);
        }
        self.send_r2ts(tag, buffers);
    }

    fn send_r2ts(&mut self, tag: u32, buffers: &dyn BufferSource) {
        let (max_burst, max_r2t) = (self.params.max_burst as usize, self.params.max_r2t as usize);
        while let Some(task) = self.tasks.get(&tag) {
            let done = task.fault.is_some() || task.solicited_end >= task.data_out_len();
            let grows = task.expected.saturating_sub(task.buffer.len());
            // Later commands get no buffer while the first one waits.
            let within_limits =
                self.data_out_buffered + grows <= self.config.limits.data_out_bytes && !self.waits_for_buffer;
            let fits = within_limits || self.queued_tasks.front() == Some(&tag);
            if done || task.outstanding_r2ts.len() >= max_r2t || !fits {
                return;
            }
            let expected = task.expected;
            if !self.grow_buffer(tag, expected, buffers) {
                self.waits_for_buffer = true;
                return;
            }
            self.send_r2t(tag, max_burst);
        }
    }

    fn send_r2t(&mut self, tag: u32, max_burst: usize) {
        let ttt = self.next_ttt;
        self.next_ttt = if ttt + 1 == NO_TAG { 0 } else { ttt + 1 };
        let (exp, max) = self.sequence_numbers();
        let stat_sn = self.take_stat_sn(false);
        let Some(task) = self.tasks.get_mut(&tag) else { return };
        let offset = task.solicited_end;
        let len = (task.expected - offset).min(max_burst);
        task.solicited_end = offset + len;
        task.outstanding_r2ts.push_back(OutstandingR2t { ttt, end: offset + len, data_sn: 0 });
        let mut header: wire::TargetHeader = wire::with_opcode(Opcode::R2T);
        header.flags = FINAL_FLAG;
        (header.lun, header.itt, header.ttt) = (task.lun.into(), tag.into(), ttt.into());
        (header.stat_sn, header.exp_cmd_sn, header.max_cmd_sn) = (stat_sn.into(), exp.into(), max.into());
        header.word_36 = task.r2t_sn.into();
        header.word_40 = u32::try_from(offset).unwrap_or(u32::MAX).into();
        header.word_44 = u32::try_from(len).unwrap_or(u32::MAX).into();
        task.r2t_sn += 1;
        self.send(&header, None, 0);
    }

    /// Returns whether a command with this data-in capacity may run: not while the output or the data-in limit is
    /// exceeded.
    fn has_data_in_capacity(&self, data_in_capacity: usize) -> bool {
        let queued = self.transmitter.waiting();
        let pending = queued + self.data_in_running;
        queued <= DATA_IN_QUEUED
            && (data_in_capacity <= SMALL_DATA_IN
                || pending == 0
                || pending + data_in_capacity <= self.config.limits.data_in_bytes)
    }

    /// Passes ready tasks to the owner, in order within each LUN.
    pub(super) fn start_ready_tasks(&mut self, buffers: &dyn BufferSource) {
        let mut blocked: Vec<u64> = Vec::new();
        let mut index = 0;
        while let Some(tag) = self.queued_tasks.get(index).copied() {
            let Some(task) = self.tasks.get_mut(&tag) else {
                self.queued_tasks.remove(index);
                continue;
            };
            let passes = task.attribute == TaskAttribute::HeadOfQueue;
            if task.state != TaskState::Ready || (blocked.contains(&task.lun) && !passes) {
                blocked.push(task.lun);
                index += 1;
                continue;
            }
            let data_in_capacity = task.data_in_capacity();
            if !self.has_data_in_capacity(data_in_capacity) {
                break;
            }
            let data_in = if data_in_capacity == 0 { Some(Vec::new()) } else { buffers.acquire(data_in_capacity) };
            let Some(data_in) = data_in else {
                self.waits_for_buffer = true;
                break;
            };
            let Some(task) = self.tasks.get_mut(&tag) else { return };
            self.queued_tasks.remove(index);
            task.state = TaskState::Running;
            (task.buffer_len, task.running) = (task.buffer.len(), data_in_capacity);
            self.data_in_running += data_in_capacity;
            let command = Command {
                nexus: self.nexus,
                lun: task.lun,
                tag: Tag(tag.into()),
                attribute: task.attribute,
                // RFC 7144 carries a priority only after negotiation of iSCSIProtocolLevel 2.
                priority: 0,
                cdb: std::mem::take(&mut task.cdb),
                data: DataBuffers {
                    data_out: std::mem::take(&mut task.buffer),
                    data_out_len: task.received.min(task.data_out_len()),
                    data_in,
                    data_in_capacity,
                },
            };
            match task.fault {
                None => self.events.push_back(ConnectionEvent::Command(command)),
                Some(fault) => self.reject(command, fault.completion(), buffers),
            }
        }
        if let Some(first) = self.queued_tasks.front().copied() {
            self.collect_more(first, buffers);
        }
    }

    /// Ends a command that its owner does not run. Its Data-Out may contain an encryption key.
    fn reject(&mut self, mut command: Command, completion: Completion, buffers: &dyn BufferSource) {
        command.data.data_out.as_mut_slice().zeroize();
        self.events.push_back(ConnectionEvent::CommandRejected(RejectedCommand {
            nexus: command.nexus,
            lun: command.lun,
            tag: command.tag,
            cdb: command.cdb.clone(),
            completion: completion.clone(),
        }));
        self.finish(command.complete(completion), buffers);
    }

    /// Tries again to send R2Ts for the first task, for which buffers may be available now.
    fn collect_more(&mut self, tag: u32, buffers: &dyn BufferSource) {
        let idle = self.tasks.get(&tag).is_some_and(|task| {
            task.state == TaskState::Collecting
                && !task.unsolicited
                && task.outstanding_r2ts.is_empty()
                && task.fault.is_none()
        });
        if idle {
            self.send_r2ts(tag, buffers);
        }
    }

    /// Ends a running command: sends its response and releases its buffers. Nothing is sent for a command that was
    /// aborted, here or by the owner, or is unknown.
    pub fn complete_command(&mut self, completed: CompletedCommand, buffers: &dyn BufferSource) {
        self.finish(completed, buffers);
        if !self.queued_tasks.is_empty() {
            self.start_ready_tasks(buffers);
        }
    }

    fn finish(&mut self, completed: CompletedCommand, buffers: &dyn BufferSource) {
        let CompletedCommand { tag, completion, data: DataBuffers { data_out, data_in, .. }, aborted } = completed;
        buffers.release(data_out);
        let tag = u32::try_from(tag.0).unwrap_or(NO_TAG);
        let Some(task) = self.tasks.remove(&tag) else { return buffers.release(data_in) };
        self.data_out_buffered -= task.buffer_len;
        self.data_in_running -= task.running;
        self.open_window();
        if aborted || task.state == TaskState::Aborted || self.is_closing() {
            return buffers.release(data_in);
        }
        let produced = if task.reads { completion.data_in.min(task.expected).min(data_in.len()) } else { 0 };
        let residual = if task.writes {
            let missing = completion.data_out_missing;
            Residual::of(task.expected, completion.data_out, if missing > 0 { task.expected + missing } else { 0 })
        } else {
            Residual::of(if task.reads { task.expected } else { 0 }, produced, completion.data_in_wanted)
        };
        let sense = completion.sense.as_ref().map_or(&[][..], |sense| sense.as_slice());
        let with_status = produced > 0 && completion.status == Status::GOOD && sense.is_empty();
        let data_pdus = self.send_data_in(tag, data_in, produced, with_status.then_some(residual), buffers);
        if !with_status {
            let count = if task.writes { task.r2t_sn } else { data_pdus };
            self.send_response(tag, completion.status, sense, residual, count);
        }
    }

    fn send_response(&mut self, tag: u32, status: Status, sense: &[u8], residual: Residual, data_pdus: u32) {
        let mut header: wire::ScsiResponse = wire::with_opcode(Opcode::RESPONSE);
        header.flags = FINAL_FLAG | residual.flags();
        header.status = status.0;
        header.itt = tag.into();
        header.stat_sn = self.take_stat_sn(true).into();
        let (exp, max) = self.sequence_numbers();
        (header.exp_cmd_sn, header.max_cmd_sn) = (exp.into(), max.into());
        header.exp_data_sn = data_pdus.into();
        header.residual = residual.count().into();
        if sense.is_empty() {
            return self.send(&header, None, 0);
        }
        let mut data = u16::try_from(sense.len()).unwrap_or(0).to_be_bytes().to_vec();
        data.extend_from_slice(sense);
        let len = data.len();
        wire::set_data_length(&mut header.data_length, len);
        self.send(&header, Some(data), len);
    }

    /// Aborts tasks without a response. Returns the tags of the aborted tasks that the owner runs, ascending.
    pub(super) fn abort_tasks(&mut self, wanted: impl Fn(u32, &Task) -> bool, buffers: &dyn BufferSource) -> Vec<Tag> {
        let mut tags: Vec<u32> =
            self.tasks.iter().filter(|(tag, task)| wanted(**tag, task)).map(|(tag, _)| *tag).collect();
        // The order of the table depends on its size.
        tags.sort_unstable();
        let mut running = Vec::new();
        for tag in tags {
            self.receiver.discard_task_data(tag);
            match self.tasks.get_mut(&tag) {
                Some(task) if task.is_running() => {
                    task.state = TaskState::Aborted;
                    running.push(Tag(tag.into()));
                }
                _ => {
                    if let Some(task) = self.tasks.remove(&tag) {
                        self.data_out_buffered -= task.buffer.len();
                        release_wiped(task.buffer, buffers);
                    }
                    self.queued_tasks.retain(|other| *other != tag);
                }
            }
        }
        self.open_window();
        self.start_ready_tasks(buffers);
        running
    }
}

/// Residual count: difference between the expected data transfer length and the data transferred (RFC 7143 §11.4.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Residual {
    None,
    Underflow(u32),
    Overflow(u32),
}

impl Residual {
    fn of(expected: usize, moved: usize, wanted: usize) -> Self {
        let count = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX);
        if wanted > expected {
            Self::Overflow(count(wanted - expected))
        } else if moved < expected {
            Self::Underflow(count(expected - moved))
        } else {
            Self::None
        }
    }

    pub(super) const fn flags(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Underflow(_) => 0x02,
            Self::Overflow(_) => 0x04,
        }
    }

    pub(super) const fn count(self) -> u32 {
        match self {
            Self::None => 0,
            Self::Underflow(count) | Self::Overflow(count) => count,
        }
    }
}
