//! SCSI Data-In: the PDUs of one response, built when they are sent, because initiators with a small
//! MaxRecvDataSegmentLength need many of them.

use super::data_out::Residual;
use super::transmit::{BufferSlot, Digests};
use super::{Connection, Phase};
use crate::buffers::BufferSource;
use crate::wire::{self, FINAL_FLAG, NO_TAG, Opcode};

const STATUS: u8 = 0x01;

/// The data-in of one response, of which some PDUs are not built yet.
pub(super) struct PendingDataIn {
    /// Fields that all headers have in common.
    header: wire::DataIn,
    pub(super) buffer: BufferSlot,
    pub(super) digests: Digests,
    len: usize,
    offset: usize,
    segment: usize,
    burst: usize,
    count: u32,
    /// StatSN and residual of the last PDU, if it carries the status (S bit).
    status: Option<(u32, Residual)>,
}

/// One Data-In PDU: its header and its part of the buffer.
pub(super) struct DataInPdu {
    pub(super) header: wire::DataIn,
    pub(super) start: usize,
    pub(super) len: usize,
    pub(super) last: bool,
}

impl PendingDataIn {
    /// Returns the number of bytes without a PDU.
    pub(super) const fn remaining(&self) -> usize {
        self.len - self.offset
    }

    /// Returns the total number of PDUs: each has at most one segment, each sequence at most one burst.
    fn pdu_count(&self) -> u32 {
        let full_bursts = (self.len / self.burst) * self.burst.div_ceil(self.segment);
        u32::try_from(full_bursts + (self.len % self.burst).div_ceil(self.segment)).unwrap_or(u32::MAX)
    }

    /// Builds the next PDU.
    pub(super) fn next(&mut self) -> DataInPdu {
        let in_burst = self.burst - self.offset % self.burst;
        let (start, len) = (self.offset, self.segment.min(in_burst).min(self.remaining()));
        let last = start + len == self.len;
        let mut header = self.header;
        header.flags = if last || len == in_burst { FINAL_FLAG } else { 0 };
        header.data_sn = self.count.into();
        header.buffer_offset = u32::try_from(start).unwrap_or(u32::MAX).into();
        if let Some((stat_sn, residual)) = self.status.filter(|_| last) {
            header.flags |= STATUS | residual.flags();
            header.stat_sn = stat_sn.into();
            header.residual = residual.count().into();
        }
        wire::set_data_length(&mut header.data_length, len);
        self.offset += len;
        self.count += 1;
        DataInPdu { header, start, len, last }
    }
}

impl Connection {
    /// Queues the first `len` bytes of a buffer as Data-In PDUs. `with_status`: the last PDU carries GOOD status and
    /// this residual. Returns the number of PDUs.
    pub(super) fn send_data_in(
        &mut self,
        tag: u32,
        data: Vec<u8>,
        len: usize,
        with_status: Option<Residual>,
        buffers: &dyn BufferSource,
    ) -> u32 {
        if len == 0 || !matches!(self.phase, Phase::FullFeature { .. }) {
            buffers.release(data);
            return 0;
        }
        let mut header: wire::DataIn = wire::with_opcode(Opcode::DATA_IN);
        // LUN is reserved unless the target requests an acknowledgement (A bit, RFC 7143 §11.7.4).
        (header.itt, header.ttt) = (tag.into(), NO_TAG.into());
        let (exp, max) = self.sequence_numbers();
        (header.exp_cmd_sn, header.max_cmd_sn) = (exp.into(), max.into());
        // PDUs are sent in the order of queueing, so StatSN is assigned now.
        let status = with_status.map(|residual| (self.take_stat_sn(true), residual));
        let data = PendingDataIn {
            header,
            buffer: self.transmitter.add_buffer(data, true),
            digests: self.digests_to_send(),
            len,
            offset: 0,
            segment: self.params.max_send_segment as usize,
            burst: self.params.max_burst as usize,
            count: 0,
            status,
        };
        let count = data.pdu_count();
        self.transmitter.queue_data(data);
        count
    }
}
