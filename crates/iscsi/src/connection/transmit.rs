//! What waits to be sent: headers by value, payload by reference to the buffer it was produced in.

use super::{Connection, Phase, Slices};
use crate::digest::{digest, padded_digest};
use crate::pool::Pool;
use crate::wire::BHS;
use std::collections::VecDeque;
use std::io::IoSlice;
use zerocopy::{Immutable, IntoBytes};

/// Slices of one system call.
const SLICES: usize = 64;

/// Answers that wait for a slow reader: no more commands are read beyond this.
const BYTES: usize = 4 << 20;

struct Pdu {
    head: [u8; BHS + 4],
    head_len: usize,
    /// Which buffer, and where in it.
    payload: Option<(usize, usize, usize)>,
    tail: [u8; 8],
    tail_len: usize,
    /// The buffer is not needed behind this PDU.
    last: bool,
}

impl Pdu {
    fn len(&self) -> usize {
        self.head_len + self.payload.map_or(0, |(_, _, len)| len) + self.tail_len
    }
}

#[derive(Default)]
pub(super) struct Transmitter {
    queue: VecDeque<Pdu>,
    /// Bytes of the first PDU that are sent.
    sent: usize,
    /// Bytes of all PDUs in the queue.
    bytes: usize,
    buffers: Vec<Option<Vec<u8>>>,
}

/// A buffer lent to the transmitter for one or more PDUs.
#[derive(Clone, Copy)]
pub(super) struct Lent(usize);

impl Transmitter {
    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.queue.len() >= SLICES / 3 || self.bytes >= BYTES
    }

    pub(super) fn lend(&mut self, buffer: Vec<u8>) -> Lent {
        let free = self.buffers.iter().position(Option::is_none);
        let slot = free.unwrap_or_else(|| {
            self.buffers.push(None);
            self.buffers.len() - 1
        });
        if let Some(entry) = self.buffers.get_mut(slot) {
            *entry = Some(buffer);
        }
        Lent(slot)
    }

    fn payload(&self, slot: usize, start: usize, len: usize) -> &[u8] {
        self.buffers
            .get(slot)
            .and_then(Option::as_ref)
            .and_then(|buffer| buffer.get(start..start + len))
            .unwrap_or_default()
    }

    pub(super) fn output<'a>(&'a self, slices: &mut Slices<'a>) {
        let mut skip = self.sent;
        for pdu in &self.queue {
            let payload = pdu.payload.map_or(&[][..], |(slot, start, len)| self.payload(slot, start, len));
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

    pub(super) fn sent(&mut self, len: usize, pool: &dyn Pool) {
        self.sent += len;
        while let Some(first) = self.queue.front() {
            if self.sent < first.len() {
                break;
            }
            self.sent -= first.len();
            self.bytes -= first.len();
            let done = self.queue.pop_front();
            self.release(done, pool);
        }
    }

    pub(super) fn clear(&mut self, pool: &dyn Pool) {
        while let Some(pdu) = self.queue.pop_front() {
            self.release(Some(pdu), pool);
        }
        (self.sent, self.bytes) = (0, 0);
    }

    fn release(&mut self, pdu: Option<Pdu>, pool: &dyn Pool) {
        if let Some(Pdu { payload: Some((slot, _, _)), last: true, .. }) = pdu
            && let Some(buffer) = self.buffers.get_mut(slot).and_then(Option::take)
        {
            pool.give(buffer);
        }
    }
}

impl Connection {
    /// Queues a PDU without data, or with one buffer of its own.
    pub(super) fn send(&mut self, header: &(impl IntoBytes + Immutable), data: Option<Vec<u8>>, len: usize) {
        let payload = data.map(|data| (self.transmitter.lend(data), 0, len));
        self.send_part(header, payload, true);
    }

    /// Queues a PDU with a part of a lent buffer; `last` gives the buffer back behind it.
    pub(super) fn send_part(
        &mut self,
        header: &(impl IntoBytes + Immutable),
        payload: Option<(Lent, usize, usize)>,
        last: bool,
    ) {
        let in_full = matches!(self.phase, Phase::Full { .. });
        let mut head = [0; BHS + 4];
        for (slot, byte) in head.iter_mut().zip(header.as_bytes()) {
            *slot = *byte;
        }
        let mut head_len = BHS;
        if in_full && self.params.header_digest {
            let crc = digest(header.as_bytes());
            head.iter_mut().skip(BHS).zip(crc).for_each(|(slot, byte)| *slot = byte);
            head_len += 4;
        }
        let payload = payload.map(|(Lent(slot), start, len)| (slot, start, len));
        let (mut tail, mut tail_len) = ([0; 8], 0);
        if let Some((slot, start, len)) = payload {
            tail_len = len.next_multiple_of(4) - len;
            if in_full && self.params.data_digest && len > 0 {
                let crc = padded_digest(self.transmitter.payload(slot, start, len));
                tail.iter_mut().skip(tail_len).zip(crc).for_each(|(slot, byte)| *slot = byte);
                tail_len += 4;
            }
        }
        let pdu = Pdu { head, head_len, payload, tail, tail_len, last };
        self.transmitter.bytes += pdu.len();
        self.transmitter.queue.push_back(pdu);
    }
}
