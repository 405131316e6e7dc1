//! Assembles PDUs from the stream: basic and additional header segments, digests, and the data segment, which is
//! received directly into its final buffer.

use super::data_out::TaskTable;
use super::{Connection, Phase};
use crate::buffers::{BufferSource, release_wiped};
use crate::digest::{crc32c_bytes, padded_digest};
use crate::wire::{BHS, BasicHeader, Opcode, as_layout};

/// Maximum length of additional header segments of a SCSI Command, in bytes: TotalAHSLength is a byte and counts words.
const AHS: usize = 0xff * 4;
/// Maximum length of additional header segments of other PDUs, which have none, in bytes. More is a protocol error.
const OTHER_AHS: usize = 20;
const HEAD: usize = BHS + AHS + 4;
/// Maximum data segment length in the login phase: the default of MaxRecvDataSegmentLength, in bytes.
const LOGIN_SEGMENT: usize = 8192;
/// Length of the buffer for discarded data, in bytes.
const DISCARD: usize = 4096;

/// The destination of a data segment.
pub(super) enum SegmentDestination {
    /// The data is discarded.
    Discard,
    /// A separate buffer.
    Own(Vec<u8>),
    /// The data-out buffer of a task, from this offset on.
    Task { tag: u32, offset: usize },
}

enum ReceiveStage {
    Head,
    /// The header is received; no buffer is available for the data segment.
    Blocked,
    Data,
    Tail,
}

pub(super) struct Receiver {
    head: [u8; HEAD],
    have: usize,
    need: usize,
    stage: ReceiveStage,
    destination: SegmentDestination,
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
            stage: ReceiveStage::Head,
            destination: SegmentDestination::Discard,
            data_len: 0,
            data_have: 0,
            tail: [0; 8],
            discard: Box::new([0; DISCARD]),
        }
    }
}

impl Receiver {
    pub(super) fn receive_buffer<'a>(&'a mut self, tasks: &'a mut TaskTable) -> &'a mut [u8] {
        let remaining = self.data_len - self.data_have;
        let space = match (&self.stage, &mut self.destination) {
            (ReceiveStage::Head, _) => self.head.get_mut(self.have..self.need),
            (ReceiveStage::Blocked, _) => None,
            (ReceiveStage::Tail, _) => self.tail.get_mut(self.have..self.need),
            (ReceiveStage::Data, SegmentDestination::Own(buffer)) => buffer.get_mut(self.data_have..self.data_len),
            (ReceiveStage::Data, SegmentDestination::Task { tag, offset }) => {
                let start = *offset + self.data_have;
                tasks.get_mut(tag).and_then(|task| task.buffer.get_mut(start..start + remaining))
            }
            (ReceiveStage::Data, SegmentDestination::Discard) => self.discard.get_mut(..remaining.min(DISCARD)),
        };
        space.unwrap_or_default()
    }

    pub(super) const fn is_blocked(&self) -> bool {
        matches!(self.stage, ReceiveStage::Blocked)
    }

    pub(super) fn abort(&mut self, buffers: &dyn BufferSource) {
        if let SegmentDestination::Own(buffer) = std::mem::replace(&mut self.destination, SegmentDestination::Discard) {
            release_wiped(buffer, buffers);
        }
    }

    /// Discards the rest of a data segment whose task was removed.
    pub(super) fn discard_task_data(&mut self, removed_tag: u32) {
        if matches!(self.destination, SegmentDestination::Task { tag, .. } if tag == removed_tag) {
            self.destination = SegmentDestination::Discard;
        }
    }

    /// Returns the additional header segments of the PDU that was received last, with their padding.
    pub(super) fn additional_headers(&self) -> &[u8] {
        let header: BasicHeader = as_layout(&self.header());
        self.head.get(BHS..BHS + usize::from(header.ahs_length) * 4).unwrap_or_default()
    }

    fn header(&self) -> [u8; BHS] {
        self.head.first_chunk().copied().unwrap_or([0; BHS])
    }
}

impl Connection {
    pub(super) fn receive(&mut self, len: usize, buffers: &dyn BufferSource) {
        let receiver = &mut self.receiver;
        match receiver.stage {
            ReceiveStage::Data => {
                receiver.data_have += len;
                if receiver.data_have == receiver.data_len {
                    let pad = receiver.data_len.next_multiple_of(4) - receiver.data_len;
                    let digests = if self.digests().1 { 4 } else { 0 };
                    self.receiver.stage = ReceiveStage::Tail;
                    (self.receiver.have, self.receiver.need) = (0, pad + digests);
                    if self.receiver.need == 0 {
                        self.pdu_complete(buffers);
                    }
                }
            }
            ReceiveStage::Head | ReceiveStage::Tail => {
                receiver.have += len;
                if receiver.have < receiver.need {
                    return;
                }
                match receiver.stage {
                    ReceiveStage::Head => self.header_received(buffers),
                    ReceiveStage::Data | ReceiveStage::Tail | ReceiveStage::Blocked => self.pdu_complete(buffers),
                }
            }
            ReceiveStage::Blocked => {}
        }
    }

    /// Returns whether received headers and data segments have digests: never in the login phase.
    const fn digests(&self) -> (bool, bool) {
        match self.phase {
            Phase::FullFeature { .. } => (self.params.header_digest, self.params.data_digest),
            _ => (false, false),
        }
    }

    fn header_received(&mut self, buffers: &dyn BufferSource) {
        let header: BasicHeader = as_layout(&self.receiver.header());
        let additional = usize::from(header.ahs_length) * 4;
        let is_command = header.opcode() == Opcode::COMMAND && self.is_full_feature();
        if additional > if is_command { AHS } else { OTHER_AHS } {
            return self.protocol_error(&header, buffers, "additional header segment too long");
        }
        let digests = if self.digests().0 { 4 } else { 0 };
        let head_len = BHS + additional + digests;
        if self.receiver.have < head_len {
            self.receiver.need = head_len;
            return;
        }
        let protected = self.receiver.head.get(..BHS + additional).unwrap_or_default();
        let received_digest = self.receiver.head.get(BHS + additional..head_len).unwrap_or_default();
        if digests > 0 && received_digest != crc32c_bytes(protected) {
            // RFC 7143 §7.8: a header digest error closes the connection.
            tracing::debug!("connection closed: header digest error");
            self.phase = Phase::Closing;
            return;
        }
        let len = header.data_len();
        let max_len = match self.phase {
            Phase::FullFeature { discovery: false, .. } => self.config.limits.max_recv_segment as usize,
            Phase::FullFeature { .. } => super::full_feature::TEXT,
            _ => LOGIN_SEGMENT,
        };
        if len > max_len {
            return self.protocol_error(&header, buffers, "data segment longer than declared by the target");
        }
        self.begin_data(&header, len, buffers);
    }

    /// Begins to receive the data segment, or blocks until a buffer is available.
    fn begin_data(&mut self, header: &BasicHeader, len: usize, buffers: &dyn BufferSource) {
        let Some(destination) = self.segment_destination(header, len, buffers) else {
            self.receiver.stage = ReceiveStage::Blocked;
            return;
        };
        let receiver = &mut self.receiver;
        (receiver.data_len, receiver.data_have, receiver.destination) = (len, 0, destination);
        if len == 0 {
            self.pdu_complete(buffers);
        } else {
            receiver.stage = ReceiveStage::Data;
        }
    }

    /// Tries again to acquire the buffer of a blocked data segment.
    pub(super) fn unblock(&mut self, buffers: &dyn BufferSource) {
        if self.receiver.is_blocked() {
            self.receiver.stage = ReceiveStage::Head;
            let header: BasicHeader = as_layout(&self.receiver.header());
            self.begin_data(&header, header.data_len(), buffers);
        }
    }

    fn pdu_complete(&mut self, buffers: &dyn BufferSource) {
        let receiver = &mut self.receiver;
        let header: BasicHeader = as_layout(&receiver.header());
        let destination = std::mem::replace(&mut receiver.destination, SegmentDestination::Discard);
        let len = receiver.data_len;
        let received_digest: [u8; 4] =
            receiver.tail.get(..receiver.need).and_then(|tail| tail.last_chunk().copied()).unwrap_or_default();
        (receiver.stage, receiver.have, receiver.need) = (ReceiveStage::Head, 0, BHS);
        let intact = !self.digests().1 || len == 0 || {
            let data = match &destination {
                SegmentDestination::Own(buffer) => buffer.get(..len),
                SegmentDestination::Task { tag, offset } => {
                    self.tasks.get(tag).and_then(|task| task.buffer.get(*offset..*offset + len))
                }
                SegmentDestination::Discard => None,
            };
            data.is_none_or(|data| padded_digest(data) == received_digest)
        };
        self.dispatch(&header, destination, len, intact, buffers);
    }
}
