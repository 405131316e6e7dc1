//! Tasks and the data that initiators send for them: immediate, unsolicited, and asked for by R2T.

use super::receive::Sink;
use super::{Answer, Command, Connection, Event};
use crate::config::{DATA_IN_QUEUED, SMALL};
use crate::pool::Pool;
use crate::wire::{self, Basic, FINAL, NO_TAG, Opcode, layout};
use zerocopy::IntoBytes;

/// Sense that RFC 7143 §11.4.7.2 gives for faults of the transfer, in fixed format: key and code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TransferFault(u8, u16);

impl TransferFault {
    const UNSOLICITED: Self = Self(0x0b, 0x0c0c);
    const AMOUNT: Self = Self(0x0b, 0x0c0d);
    const DIGEST: Self = Self(0x0b, 0x4705);
    /// A transfer beyond our limit: invalid field in CDB.
    const TOO_LONG: Self = Self(0x05, 0x2400);

    fn sense(self) -> Vec<u8> {
        let [code, qualifier] = self.1.to_be_bytes();
        vec![0x70, 0, self.0, 0, 0, 0, 0, 10, 0, 0, 0, 0, code, qualifier, 0, 0, 0, 0]
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Data is still to come.
    Collecting,
    /// All data is here; earlier commands of the LUN come first.
    Ready,
    /// The owner has it.
    Running,
    /// The owner has it, and nobody wants the answer.
    Aborted,
}

/// A stretch of data that was asked for.
struct Solicited {
    ttt: u32,
    end: usize,
    data_sn: u32,
}

/// One command in flight.
pub(super) struct Task {
    pub(super) lun: u64,
    pub(super) immediate: bool,
    cdb: [u8; 16],
    expected: usize,
    reads: bool,
    writes: bool,
    pub(super) buffer: Vec<u8>,
    /// Data that is here, from the beginning.
    received: usize,
    /// Unsolicited data goes on until a final PDU.
    unsolicited: bool,
    unsolicited_sn: u32,
    r2t_sn: u32,
    /// R2Ts that are out, in order, and the end of what they ask for.
    solicited: std::collections::VecDeque<Solicited>,
    solicited_end: usize,
    fault: Option<TransferFault>,
    /// Bytes of the buffer while the owner has it.
    held: usize,
    /// Bytes of data-in that the owner may produce, while it has the task.
    running: usize,
    state: State,
}

impl Task {
    pub(super) fn is_running(&self) -> bool {
        matches!(self.state, State::Running | State::Aborted)
    }

    /// Whether unsolicited data of this place and length is what comes next.
    fn takes_unsolicited(&self, offset: usize, len: usize) -> bool {
        let waits = self.state == State::Collecting && self.unsolicited && self.fault.is_none();
        waits && offset == self.received && offset + len <= self.data_out_len()
    }

    /// Bytes that the initiator takes.
    const fn room(&self) -> usize {
        if self.reads && self.fault.is_none() { self.expected } else { 0 }
    }

    const fn data_out_len(&self) -> usize {
        if self.writes { self.expected } else { 0 }
    }
}

const READ: u8 = 0x40;
const WRITE: u8 = 0x20;

impl Connection {
    /// Takes a SCSI command whose turn it is, with its immediate data.
    pub(super) fn command(&mut self, header: &Basic, data: Vec<u8>, len: usize, intact: bool, pool: &dyn Pool) {
        let mut bytes = [0; wire::BHS];
        bytes.copy_from_slice(header.as_bytes());
        let raw: wire::Command = layout(&bytes);
        let tag = raw.itt.get();
        let limits = self.config.limits;
        if tag == NO_TAG || header.ahs_length != 0 {
            return self.reject(header, super::full_feature::Reason::INVALID_FIELD, data, pool);
        }
        if self.tasks.contains_key(&tag) {
            return self.reject(header, super::full_feature::Reason::TASK_IN_PROGRESS, data, pool);
        }
        let immediates = self.tasks.values().filter(|task| task.immediate).count();
        if header.immediate() && immediates >= limits.immediate as usize {
            return self.reject(header, super::full_feature::Reason::TOO_MANY_IMMEDIATE, data, pool);
        }
        let (reads, writes, is_final) = (raw.flags & READ != 0, raw.flags & WRITE != 0, raw.flags & FINAL != 0);
        let expected = raw.expected_length.get() as usize;
        let mut task = Task {
            lun: raw.lun.get(),
            immediate: header.immediate(),
            cdb: raw.cdb,
            expected,
            reads,
            writes,
            buffer: data,
            received: len,
            unsolicited: writes && !is_final,
            unsolicited_sn: 0,
            r2t_sn: 0,
            solicited: std::collections::VecDeque::new(),
            solicited_end: len,
            fault: None,
            held: 0,
            running: 0,
            state: State::Collecting,
        };
        let forbidden = (len > 0 && !self.params.immediate_data) || (task.unsolicited && self.params.initial_r2t);
        task.fault = if expected > limits.transfer || (reads && writes) {
            Some(TransferFault::TOO_LONG)
        } else if forbidden {
            Some(TransferFault::UNSOLICITED)
        } else if len > task.data_out_len() || len > self.params.first_burst as usize {
            Some(TransferFault::AMOUNT)
        } else if intact {
            None
        } else {
            Some(TransferFault::DIGEST)
        };
        if !intact {
            self.reject(header, super::full_feature::Reason::DATA_DIGEST, Vec::new(), pool);
        }
        self.buffered += task.buffer.len();
        self.tasks.insert(tag, task);
        self.waiting.push_back(tag);
        self.collect(tag, pool);
    }

    /// Where the data of a Data-Out PDU goes: into its task if it is what is expected next, else nowhere.
    /// `None` if there is no memory for it; it is asked for again then.
    pub(super) fn data_out_sink(&mut self, header: &Basic, len: usize, pool: &dyn Pool) -> Option<Sink> {
        let mut bytes = [0; wire::BHS];
        bytes.copy_from_slice(header.as_bytes());
        let raw: wire::DataOut = layout(&bytes);
        let (tag, offset) = (raw.itt.get(), raw.buffer_offset.get() as usize);
        let first_burst = self.params.first_burst as usize;
        let unsolicited = raw.ttt.get() == NO_TAG;
        // What is asked for has its place already. Memory comes first: without it, this is asked again.
        let needs_room = unsolicited && self.tasks.get(&tag).is_some_and(|task| task.takes_unsolicited(offset, len));
        if needs_room && offset + len <= first_burst && !self.make_room(tag, offset + len, pool) {
            return None;
        }
        let Some(task) = self.tasks.get_mut(&tag).filter(|task| task.state == State::Collecting) else {
            return Some(Sink::Discard);
        };
        let (end, data_sn) = match task.solicited.front_mut() {
            _ if unsolicited && task.unsolicited => (task.data_out_len().min(first_burst), &mut task.unsolicited_sn),
            Some(asked) if asked.ttt == raw.ttt.get() => (asked.end, &mut asked.data_sn),
            _ => return Some(Sink::Discard),
        };
        let in_order = offset == task.received && *data_sn == raw.data_sn.get();
        *data_sn = data_sn.wrapping_add(1);
        if !in_order || offset + len > end {
            task.fault.get_or_insert(TransferFault::AMOUNT);
        }
        Some(if task.fault.is_some() { Sink::Discard } else { Sink::Task { tag, offset } })
    }

    /// A whole Data-Out PDU has arrived.
    pub(super) fn data_out(&mut self, header: &Basic, sink: &Sink, len: usize, intact: bool, pool: &dyn Pool) {
        let mut bytes = [0; wire::BHS];
        bytes.copy_from_slice(header.as_bytes());
        let raw: wire::DataOut = layout(&bytes);
        let (tag, is_final) = (raw.itt.get(), raw.flags & FINAL != 0);
        if !intact {
            self.reject(header, super::full_feature::Reason::DATA_DIGEST, Vec::new(), pool);
        }
        let Some(task) = self.tasks.get_mut(&tag) else { return };
        if task.state != State::Collecting {
            return;
        }
        if !intact {
            task.fault.get_or_insert(TransferFault::DIGEST);
        }
        if matches!(sink, Sink::Task { .. }) {
            task.received += len;
        }
        if is_final {
            if raw.ttt.get() == NO_TAG {
                task.unsolicited = false;
                task.solicited_end = task.solicited_end.max(task.received);
            } else if task.solicited.front().is_some_and(|asked| asked.ttt == raw.ttt.get())
                && let Some(asked) = task.solicited.pop_front()
                && task.received < asked.end
            {
                task.fault.get_or_insert(TransferFault::AMOUNT);
            }
        }
        self.collect(tag, pool);
    }

    /// Makes a task's buffer hold at least `len` bytes; false if there is no memory for it.
    fn make_room(&mut self, tag: u32, len: usize, pool: &dyn Pool) -> bool {
        let Some(task) = self.tasks.get_mut(&tag).filter(|task| task.buffer.len() < len) else { return true };
        let Some(mut larger) = pool.take(task.expected.max(len)) else { return false };
        if let (Some(new), Some(old)) = (larger.get_mut(..task.received), task.buffer.get(..task.received)) {
            new.copy_from_slice(old);
        }
        self.buffered += larger.len() - task.buffer.len();
        pool.give(std::mem::replace(&mut task.buffer, larger));
        true
    }

    /// Asks for the next data of a task, or finds it complete.
    fn collect(&mut self, tag: u32, pool: &dyn Pool) {
        let Some(task) = self.tasks.get(&tag) else { return };
        if task.unsolicited || task.state != State::Collecting {
            return;
        }
        let complete = task.received >= task.data_out_len() || task.fault.is_some();
        if complete && task.solicited.is_empty() {
            if let Some(task) = self.tasks.get_mut(&tag) {
                task.state = State::Ready;
            }
            return self.hand_over(pool);
        }
        self.solicit(tag, pool);
    }

    fn solicit(&mut self, tag: u32, pool: &dyn Pool) {
        let (max_burst, max_r2t) = (self.params.max_burst as usize, self.params.max_r2t as usize);
        while let Some(task) = self.tasks.get(&tag) {
            let done = task.fault.is_some() || task.solicited_end >= task.data_out_len();
            let grows = task.expected.saturating_sub(task.buffer.len());
            // What the first command lacks, no later one takes.
            let later = self.buffered + grows <= self.config.limits.buffered && !self.short_of_memory;
            let fits = later || self.waiting.front() == Some(&tag);
            if done || task.solicited.len() >= max_r2t || !fits {
                return;
            }
            let expected = task.expected;
            if !self.make_room(tag, expected, pool) {
                self.short_of_memory = true;
                return;
            }
            self.send_r2t(tag, max_burst);
        }
    }

    fn send_r2t(&mut self, tag: u32, max_burst: usize) {
        let ttt = self.next_ttt;
        self.next_ttt = if ttt + 1 == NO_TAG { 0 } else { ttt + 1 };
        let (exp, max) = self.numbers();
        let stat_sn = self.take_stat_sn(false);
        let Some(task) = self.tasks.get_mut(&tag) else { return };
        let offset = task.solicited_end;
        let len = (task.expected - offset).min(max_burst);
        task.solicited_end = offset + len;
        task.solicited.push_back(Solicited { ttt, end: offset + len, data_sn: 0 });
        let mut header: wire::Target = wire::empty(Opcode::R2T);
        header.flags = FINAL;
        (header.lun, header.itt, header.ttt) = (task.lun.into(), tag.into(), ttt.into());
        (header.stat_sn, header.exp_cmd_sn, header.max_cmd_sn) = (stat_sn.into(), exp.into(), max.into());
        header.word_36 = task.r2t_sn.into();
        header.word_40 = u32::try_from(offset).unwrap_or(u32::MAX).into();
        header.word_44 = u32::try_from(len).unwrap_or(u32::MAX).into();
        task.r2t_sn += 1;
        self.send(&header, None, 0);
    }

    /// Whether a command with room for so much data-in may run: not while more than a window waits to be sent.
    fn may_run(&self, room: usize) -> bool {
        let queued = self.transmitter.waiting();
        let pending = queued + self.data_in_running;
        queued <= DATA_IN_QUEUED && (room <= SMALL || pending == 0 || pending + room <= self.config.limits.data_in)
    }

    /// Hands ready tasks to the owner, in order within each LUN.
    pub(super) fn hand_over(&mut self, pool: &dyn Pool) {
        let mut blocked: Vec<u64> = Vec::new();
        let mut at = 0;
        while let Some(tag) = self.waiting.get(at).copied() {
            let Some(task) = self.tasks.get_mut(&tag) else {
                self.waiting.remove(at);
                continue;
            };
            if task.state != State::Ready || blocked.contains(&task.lun) {
                blocked.push(task.lun);
                at += 1;
                continue;
            }
            let room = task.room();
            if !self.may_run(room) {
                break;
            }
            let data_in = if room == 0 { Some(Vec::new()) } else { pool.take(room) };
            let Some(data_in) = data_in else {
                self.short_of_memory = true;
                break;
            };
            let Some(task) = self.tasks.get_mut(&tag) else { return };
            self.waiting.remove(at);
            task.state = State::Running;
            (task.held, task.running) = (task.buffer.len(), room);
            self.data_in_running += room;
            let data_out = std::mem::take(&mut task.buffer);
            let data_len = task.received.min(task.data_out_len());
            match task.fault {
                None => {
                    let command =
                        Command { task: tag, lun: task.lun, cdb: task.cdb, data_out, data_len, data_in, room };
                    self.events.push_back(Event::Command(command));
                }
                Some(fault) => {
                    let answer = Answer {
                        status: 0x02,
                        sense: fault.sense(),
                        data_in,
                        produced: 0,
                        wanted: 0,
                        consumed: 0,
                        missing: 0,
                        data_out,
                    };
                    self.finish(tag, answer, pool);
                }
            }
        }
        if let Some(first) = self.waiting.front().copied() {
            self.collect_more(first, pool);
        }
    }

    /// Memory may have become free for the task at the front.
    fn collect_more(&mut self, tag: u32, pool: &dyn Pool) {
        let idle = self.tasks.get(&tag).is_some_and(|task| {
            task.state == State::Collecting && !task.unsolicited && task.solicited.is_empty() && task.fault.is_none()
        });
        if idle {
            self.solicit(tag, pool);
        }
    }

    /// The owner gives a command up without an answer: a device was reset, or another session cleared the task set.
    pub fn discard(&mut self, tag: u32, data_out: Vec<u8>, data_in: Vec<u8>, pool: &dyn Pool) {
        pool.give(data_out);
        pool.give(data_in);
        if let Some(task) = self.tasks.remove(&tag) {
            self.buffered -= task.held;
            self.data_in_running -= task.running;
        }
        self.open_window();
        self.hand_over(pool);
    }

    /// The owner's answer. An aborted task gets none.
    pub fn complete(&mut self, tag: u32, answer: Answer, pool: &dyn Pool) {
        self.finish(tag, answer, pool);
        if !self.waiting.is_empty() {
            self.hand_over(pool);
        }
    }

    fn finish(&mut self, tag: u32, answer: Answer, pool: &dyn Pool) {
        let Answer { status, sense, data_in, produced, wanted, consumed, missing, data_out } = answer;
        pool.give(data_out);
        let Some(task) = self.tasks.remove(&tag) else { return pool.give(data_in) };
        self.buffered -= task.held;
        self.data_in_running -= task.running;
        self.open_window();
        if task.state == State::Aborted || self.is_closing() {
            return pool.give(data_in);
        }
        let produced = if task.reads { produced.min(task.expected).min(data_in.len()) } else { 0 };
        let residual = if task.writes && !task.reads {
            Residual::of(task.expected, consumed, if missing > 0 { task.expected + missing } else { 0 })
        } else {
            Residual::of(if task.reads { task.expected } else { 0 }, produced, wanted)
        };
        let with_status = produced > 0 && status == 0 && sense.is_empty();
        let data_pdus = self.send_data_in(&task, tag, data_in, produced, with_status.then_some(residual), pool);
        if !with_status {
            let count = if task.writes { task.r2t_sn } else { data_pdus };
            self.send_response(tag, status, sense, residual, count);
        }
    }

    fn send_response(&mut self, tag: u32, status: u8, sense: Vec<u8>, residual: Residual, data_pdus: u32) {
        let mut header: wire::Response = wire::empty(Opcode::RESPONSE);
        header.flags = FINAL | residual.flags();
        header.status = status;
        header.itt = tag.into();
        header.stat_sn = self.take_stat_sn(true).into();
        let (exp, max) = self.numbers();
        (header.exp_cmd_sn, header.max_cmd_sn) = (exp.into(), max.into());
        header.exp_data_sn = data_pdus.into();
        header.residual = residual.count().into();
        if sense.is_empty() {
            return self.send(&header, None, 0);
        }
        let sense = sense.get(..252).unwrap_or(&sense);
        let mut data = u16::try_from(sense.len()).unwrap_or(0).to_be_bytes().to_vec();
        data.extend_from_slice(sense);
        let len = data.len();
        wire::set_data_length(&mut header.data_length, len);
        self.send(&header, Some(data), len);
    }

    /// Ends tasks without an answer; says which of them the owner has.
    pub(super) fn abort(&mut self, wanted: impl Fn(u32, &Task) -> bool, pool: &dyn Pool) -> Vec<u32> {
        let tags: Vec<u32> = self.tasks.iter().filter(|(tag, task)| wanted(**tag, task)).map(|(tag, _)| *tag).collect();
        let mut running = Vec::new();
        for tag in tags {
            self.receiver.task_gone(tag);
            match self.tasks.get_mut(&tag) {
                Some(task) if task.is_running() => {
                    task.state = State::Aborted;
                    running.push(tag);
                }
                _ => {
                    if let Some(task) = self.tasks.remove(&tag) {
                        self.buffered -= task.buffer.len();
                        pool.give(task.buffer);
                    }
                    self.waiting.retain(|other| *other != tag);
                }
            }
        }
        self.open_window();
        self.hand_over(pool);
        running
    }
}

/// Difference between what was offered and what moved.
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
