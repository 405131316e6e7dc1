//! The output queue: headers by value, data segments as references to the buffers they were produced in.

use super::data_in::{DataInPdu, PendingDataIn};
use super::{Connection, Phase, Slices};
use crate::buffers::BufferSource;
use crate::config::DATA_IN_QUEUED;
use crate::digest::{crc32c_bytes, padded_digest};
use crate::wire::BHS;
use std::collections::VecDeque;
use std::io::IoSlice;
use zerocopy::{Immutable, IntoBytes};

/// Maximum number of slices of one vectored write.
const SLICES: usize = 64;

/// Number of PDUs that are built in advance: as many as one vectored write sends.
const MAX_BUILT_PDUS: usize = SLICES / 3 + 1;

/// Whether headers and data segments carry digests.
#[derive(Clone, Copy)]
pub(super) struct Digests {
    header: bool,
    data: bool,
}

struct Pdu {
    head: [u8; BHS + 4],
    head_len: usize,
    /// Data segment: buffer, offset and length.
    payload: Option<(BufferSlot, usize, usize)>,
    tail: [u8; 8],
    tail_len: usize,
    /// The buffer is released after this PDU.
    last: bool,
}

impl Pdu {
    fn len(&self) -> usize {
        self.head_len + self.payload.map_or(0, |(_, _, len)| len) + self.tail_len
    }
}

/// An item that is sent after the PDUs in the queue.
enum QueuedItem {
    Pdu(Pdu),
    Data(PendingDataIn),
}

#[derive(Default)]
pub(super) struct Transmitter {
    /// PDUs that are built.
    queue: VecDeque<Pdu>,
    queued_items: VecDeque<QueuedItem>,
    /// Number of bytes of the first PDU that are sent.
    sent_of_first: usize,
    /// Bytes of all PDUs in the queue and of all data without PDUs.
    bytes: usize,
    /// Buffers in use, and whether each is released to the buffer source.
    buffers: Vec<Option<(Vec<u8>, bool)>>,
}

/// Index of a buffer that the transmitter holds for one or more PDUs.
#[derive(Clone, Copy)]
pub(super) struct BufferSlot(usize);

impl Transmitter {
    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.queue.len() + self.queued_items.len() >= SLICES / 3 || self.bytes >= DATA_IN_QUEUED
    }

    /// Returns the number of queued bytes.
    pub(super) const fn waiting(&self) -> usize {
        self.bytes
    }

    pub(super) fn add_buffer(&mut self, buffer: Vec<u8>, pooled: bool) -> BufferSlot {
        let free = self.buffers.iter().position(Option::is_none);
        let slot = free.unwrap_or_else(|| {
            self.buffers.push(None);
            self.buffers.len() - 1
        });
        if let Some(entry) = self.buffers.get_mut(slot) {
            *entry = Some((buffer, pooled));
        }
        BufferSlot(slot)
    }

    fn payload(&self, slot: usize, start: usize, len: usize) -> &[u8] {
        self.buffers
            .get(slot)
            .and_then(Option::as_ref)
            .and_then(|(buffer, _)| buffer.get(start..start + len))
            .unwrap_or_default()
    }

    pub(super) fn pending_output<'a>(&'a self, slices: &mut Slices<'a>) {
        let mut skip = self.sent_of_first;
        for pdu in &self.queue {
            let payload = pdu.payload.map_or(&[][..], |(BufferSlot(slot), start, len)| self.payload(slot, start, len));
            let parts = [pdu.head.get(..pdu.head_len), Some(payload), pdu.tail.get(..pdu.tail_len)];
            for part in parts.into_iter().flatten() {
                let rest = part.get(skip.min(part.len())..).unwrap_or_default();
                skip = skip.saturating_sub(part.len());
                if !rest.is_empty() {
                    slices.push(IoSlice::new(rest));
                }
            }
            if slices.len() + 3 > SLICES {
                break;
            }
        }
    }

    pub(super) fn sent(&mut self, len: usize, buffers: &dyn BufferSource) {
        self.sent_of_first += len;
        while let Some(first) = self.queue.front() {
            if self.sent_of_first < first.len() {
                break;
            }
            self.sent_of_first -= first.len();
            self.bytes -= first.len();
            if let Some(Pdu { payload: Some((BufferSlot(slot), ..)), last: true, .. }) = self.queue.pop_front() {
                self.release(slot, buffers);
            }
            self.build_pdus();
        }
    }

    fn queue(&mut self, pdu: Pdu) {
        self.bytes += pdu.len();
        if self.queued_items.is_empty() {
            self.queue.push_back(pdu)
        } else {
            self.queued_items.push_back(QueuedItem::Pdu(pdu))
        }
    }

    /// Queues the data-in of a response.
    pub(super) fn queue_data(&mut self, data: PendingDataIn) {
        self.bytes += data.remaining();
        self.queued_items.push_back(QueuedItem::Data(data));
        self.build_pdus();
    }

    /// Builds as many PDUs as one vectored write sends.
    fn build_pdus(&mut self) {
        while self.queue.len() < MAX_BUILT_PDUS {
            let (pdu, is_last) = match self.queued_items.front_mut() {
                None => return,
                Some(QueuedItem::Pdu(_)) => {
                    if let Some(QueuedItem::Pdu(pdu)) = self.queued_items.pop_front() {
                        self.queue.push_back(pdu);
                    }
                    continue;
                }
                Some(QueuedItem::Data(data)) => {
                    let (buffer, digests) = (data.buffer, data.digests);
                    let DataInPdu { header, start, len, last } = data.next();
                    (self.pdu(header.as_bytes(), Some((buffer, start, len)), last, digests), last)
                }
            };
            if is_last {
                self.queued_items.pop_front();
            }
            self.bytes += pdu.len() - pdu.payload.map_or(0, |(_, _, len)| len);
            self.queue.push_back(pdu);
        }
    }

    /// Builds a PDU from a header and a part of a buffer.
    fn pdu(&self, header: &[u8], payload: Option<(BufferSlot, usize, usize)>, last: bool, digests: Digests) -> Pdu {
        let mut head = [0; BHS + 4];
        for (slot, byte) in head.iter_mut().zip(header) {
            *slot = *byte;
        }
        let mut head_len = BHS;
        if digests.header {
            let crc = crc32c_bytes(header);
            head.iter_mut().skip(BHS).zip(crc).for_each(|(slot, byte)| *slot = byte);
            head_len += 4;
        }
        let (mut tail, mut tail_len) = ([0; 8], 0);
        if let Some((BufferSlot(slot), start, len)) = payload {
            tail_len = len.next_multiple_of(4) - len;
            if digests.data && len > 0 {
                let crc = padded_digest(self.payload(slot, start, len));
                tail.iter_mut().skip(tail_len).zip(crc).for_each(|(slot, byte)| *slot = byte);
                tail_len += 4;
            }
        }
        Pdu { head, head_len, payload, tail, tail_len, last }
    }

    pub(super) fn clear(&mut self, buffers: &dyn BufferSource) {
        self.queue.clear();
        self.queued_items.clear();
        (self.sent_of_first, self.bytes) = (0, 0);
        for slot in 0..self.buffers.len() {
            self.release(slot, buffers);
        }
    }

    /// Removes a buffer, and releases it if it came from the buffer source.
    fn release(&mut self, slot: usize, buffers: &dyn BufferSource) {
        if let Some((buffer, true)) = self.buffers.get_mut(slot).and_then(Option::take) {
            buffers.release(buffer);
        }
    }
}

impl Connection {
    /// Queues a PDU without data, or with data that is not from the buffer source.
    pub(super) fn send(&mut self, header: &(impl IntoBytes + Immutable), data: Option<Vec<u8>>, len: usize) {
        let payload = data.map(|data| (self.transmitter.add_buffer(data, false), 0, len));
        self.send_slice(header, payload, true);
    }

    /// Queues a PDU with a part of a buffer. `last`: the buffer is released after it.
    pub(super) fn send_slice(
        &mut self,
        header: &(impl IntoBytes + Immutable),
        payload: Option<(BufferSlot, usize, usize)>,
        last: bool,
    ) {
        let digests = self.digests_to_send();
        let pdu = self.transmitter.pdu(header.as_bytes(), payload, last, digests);
        self.transmitter.queue(pdu);
    }

    /// Returns which digests PDUs queued now carry: none in the login phase.
    pub(super) const fn digests_to_send(&self) -> Digests {
        let in_full = matches!(self.phase, Phase::FullFeature { .. });
        Digests { header: in_full && self.params.header_digest, data: in_full && self.params.data_digest }
    }
}
