//! Assembling PDUs: header, additional header, digests, and a data segment that goes straight to where it belongs.

use super::data_out::Task;
use super::{Connection, Phase};
use crate::digest::{digest, padded_digest};
use crate::pool::Pool;
use crate::wire::{BHS, Basic, layout};
use std::collections::HashMap;

/// Additional header segments: five words carry the rest of a 32-byte CDB; more is refused.
const AHS: usize = 5 * 4;
const HEAD: usize = BHS + AHS + 4;
/// Before anything was declared, the default of MaxRecvDataSegmentLength holds.
const LOGIN_SEGMENT: usize = 8192;
/// Discarded data goes through this much memory.
const DISCARD: usize = 4096;

/// Where a data segment goes.
pub(super) enum Sink {
    /// Nowhere.
    Discard,
    /// A buffer of its own.
    Own(Vec<u8>),
    /// The buffer of a task, at an offset.
    Task { tag: u32, offset: usize },
}

enum Stage {
    Head,
    /// The head is here, and there is no memory for the data segment.
    Blocked,
    Data,
    Tail,
}

pub(super) struct Receiver {
    head: [u8; HEAD],
    have: usize,
    need: usize,
    stage: Stage,
    sink: Sink,
    data_len: usize,
    data_have: usize,
    tail: [u8; 8],
    discard: Box<[u8; DISCARD]>,
}

impl Default for Receiver {
    fn default() -> Self {
        Self {
            head: [0; HEAD],
            have: 0,
            need: BHS,
            stage: Stage::Head,
            sink: Sink::Discard,
            data_len: 0,
            data_have: 0,
            tail: [0; 8],
            discard: Box::new([0; DISCARD]),
        }
    }
}

impl Receiver {
    pub(super) fn space<'a>(&'a mut self, tasks: &'a mut HashMap<u32, Task>) -> &'a mut [u8] {
        let left = self.data_len - self.data_have;
        let space = match (&self.stage, &mut self.sink) {
            (Stage::Head, _) => self.head.get_mut(self.have..self.need),
            (Stage::Blocked, _) => None,
            (Stage::Tail, _) => self.tail.get_mut(self.have..self.need),
            (Stage::Data, Sink::Own(buffer)) => buffer.get_mut(self.data_have..self.data_len),
            (Stage::Data, Sink::Task { tag, offset }) => {
                let start = *offset + self.data_have;
                tasks.get_mut(tag).and_then(|task| task.buffer.get_mut(start..start + left))
            }
            (Stage::Data, Sink::Discard) => self.discard.get_mut(..left.min(DISCARD)),
        };
        space.unwrap_or_default()
    }

    pub(super) const fn is_blocked(&self) -> bool {
        matches!(self.stage, Stage::Blocked)
    }

    pub(super) fn abandon(&mut self, pool: &dyn Pool) {
        if let Sink::Own(buffer) = std::mem::replace(&mut self.sink, Sink::Discard) {
            pool.give(buffer);
        }
    }

    /// The task whose data is arriving is gone: the rest of it goes nowhere.
    pub(super) fn task_gone(&mut self, gone: u32) {
        if matches!(self.sink, Sink::Task { tag, .. } if tag == gone) {
            self.sink = Sink::Discard;
        }
    }

    fn header(&self) -> [u8; BHS] {
        self.head.first_chunk().copied().unwrap_or([0; BHS])
    }
}

impl Connection {
    pub(super) fn receive(&mut self, len: usize, pool: &dyn Pool) {
        let receiver = &mut self.receiver;
        match receiver.stage {
            Stage::Data => {
                receiver.data_have += len;
                if receiver.data_have == receiver.data_len {
                    let pad = receiver.data_len.next_multiple_of(4) - receiver.data_len;
                    let digests = if self.digests().1 { 4 } else { 0 };
                    self.receiver.stage = Stage::Tail;
                    (self.receiver.have, self.receiver.need) = (0, pad + digests);
                    if self.receiver.need == 0 {
                        self.pdu_complete(pool);
                    }
                }
            }
            Stage::Head | Stage::Tail => {
                receiver.have += len;
                if receiver.have < receiver.need {
                    return;
                }
                match receiver.stage {
                    Stage::Head => self.head_grows(pool),
                    Stage::Data | Stage::Tail | Stage::Blocked => self.pdu_complete(pool),
                }
            }
            Stage::Blocked => {}
        }
    }

    /// Whether headers and data carry digests: never during login.
    const fn digests(&self) -> (bool, bool) {
        match self.phase {
            Phase::Full { .. } => (self.params.header_digest, self.params.data_digest),
            _ => (false, false),
        }
    }

    fn head_grows(&mut self, pool: &dyn Pool) {
        let header: Basic = layout(&self.receiver.header());
        let additional = usize::from(header.ahs_length) * 4;
        if additional > AHS {
            return self.protocol_error(&header, pool, "additional header too long");
        }
        let digests = if self.digests().0 { 4 } else { 0 };
        let whole = BHS + additional + digests;
        if self.receiver.have < whole {
            self.receiver.need = whole;
            return;
        }
        let protected = self.receiver.head.get(..BHS + additional).unwrap_or_default();
        let given = self.receiver.head.get(BHS + additional..whole).unwrap_or_default();
        if digests > 0 && given != digest(protected) {
            // RFC 7143 §7.8: a header that cannot be trusted ends the connection.
            tracing::debug!("header digest error");
            self.phase = Phase::Closing;
            return;
        }
        let len = header.data_len();
        let most = match self.phase {
            Phase::Full { discovery: false, .. } => self.config.limits.max_recv_segment as usize,
            Phase::Full { .. } => super::full_feature::TEXT,
            _ => LOGIN_SEGMENT,
        };
        if len > most {
            return self.protocol_error(&header, pool, "data segment longer than declared");
        }
        self.begin_data(&header, len, pool);
    }

    /// The data segment comes next, as soon as there is memory for it.
    fn begin_data(&mut self, header: &Basic, len: usize, pool: &dyn Pool) {
        let Some(sink) = self.sink_for(header, len, pool) else {
            self.receiver.stage = Stage::Blocked;
            return;
        };
        let receiver = &mut self.receiver;
        (receiver.data_len, receiver.data_have, receiver.sink) = (len, 0, sink);
        if len == 0 {
            self.pdu_complete(pool);
        } else {
            receiver.stage = Stage::Data;
        }
    }

    /// There may be memory for the data segment that was blocked.
    pub(super) fn unblock(&mut self, pool: &dyn Pool) {
        if self.receiver.is_blocked() {
            self.receiver.stage = Stage::Head;
            let header: Basic = layout(&self.receiver.header());
            self.begin_data(&header, header.data_len(), pool);
        }
    }

    fn pdu_complete(&mut self, pool: &dyn Pool) {
        let receiver = &mut self.receiver;
        let header: Basic = layout(&receiver.header());
        let sink = std::mem::replace(&mut receiver.sink, Sink::Discard);
        let len = receiver.data_len;
        let given: [u8; 4] =
            receiver.tail.get(..receiver.need).and_then(|tail| tail.last_chunk().copied()).unwrap_or_default();
        (receiver.stage, receiver.have, receiver.need) = (Stage::Head, 0, BHS);
        let intact = !self.digests().1 || len == 0 || {
            let data = match &sink {
                Sink::Own(buffer) => buffer.get(..len),
                Sink::Task { tag, offset } => {
                    self.tasks.get(tag).and_then(|task| task.buffer.get(*offset..*offset + len))
                }
                Sink::Discard => None,
            };
            data.is_none_or(|data| padded_digest(data) == given)
        };
        self.dispatch(&header, sink, len, intact, pool);
    }
}
