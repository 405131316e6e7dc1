//! Requests of the full feature phase: their CmdSN order, and NOP-Out, text and logout requests.

use super::receive::SegmentDestination;
use super::{Connection, ConnectionEvent, NopOut, Phase, ReceivedRequest};
use crate::buffers::{BufferSource, release_wiped};
use crate::config::{AdvertisedAddress, PORTAL_GROUP};
use crate::text;
use crate::wire::{self, BHS, BasicHeader, CONTINUE_FLAG, FINAL_FLAG, NO_TAG, Opcode, as_layout, serial_before};
use zerocopy::IntoBytes;

/// Reason code of a Reject PDU (RFC 7143 §11.17.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RejectReason(pub(super) u8);

impl RejectReason {
    pub(super) const DATA_DIGEST: Self = Self(0x02);
    const SNACK: Self = Self(0x03);
    pub(super) const PROTOCOL_ERROR: Self = Self(0x04);
    const NOT_SUPPORTED: Self = Self(0x05);
    pub(super) const TOO_MANY_IMMEDIATE: Self = Self(0x06);
    pub(super) const TASK_IN_PROGRESS: Self = Self(0x07);
    pub(super) const INVALID_FIELD: Self = Self(0x09);
}

/// Logout response: connection or session closed (RFC 7143 §11.15.1).
const LOGOUT_DONE: u8 = 0;

/// Maximum length of the keys of one text request, over all its PDUs, in bytes.
pub(super) const TEXT: usize = 64 * 1024;
/// Target Transfer Tag of a text negotiation that continues.
const TEXT_TTT: u32 = 1;

/// Returns whether an initiator uses the address of its discovery session if it gets no TargetAddress, as RFC 7143
/// appendix C specifies: open-iscsi and its derivatives, recognised by the OUI in the ISID. Others, such as libiscsi,
/// would not list the target.
const fn keeps_address(isid: [u8; 6]) -> bool {
    matches!(isid, [0x00, 0x02, 0x3d, ..])
}

impl Connection {
    /// Returns where the data segment after this header is stored. `None`: no buffer is available.
    pub(super) fn segment_destination(
        &mut self,
        header: &BasicHeader,
        len: usize,
        buffers: &dyn BufferSource,
    ) -> Option<SegmentDestination> {
        Some(match header.opcode() {
            _ if len == 0 => SegmentDestination::Discard,
            Opcode::DATA_OUT if self.is_full_feature() => return self.data_out_destination(header, len, buffers),
            Opcode::COMMAND if self.is_full_feature() => {
                let mut bytes = [0; BHS];
                bytes.copy_from_slice(header.as_bytes());
                let expected = as_layout::<wire::ScsiCommand>(&bytes).expected_length.get();
                // The buffer also holds the unsolicited data that may follow.
                let follows = expected.min(self.params.first_burst) as usize;
                SegmentDestination::Own(buffers.acquire(follows.max(len))?)
            }
            Opcode::NOP_OUT | Opcode::TEXT | Opcode::LOGIN | Opcode::COMMAND => {
                SegmentDestination::Own(buffers.acquire(len)?)
            }
            _ => SegmentDestination::Discard,
        })
    }

    /// Processes a PDU that was received completely.
    pub(super) fn dispatch(
        &mut self,
        header: &BasicHeader,
        destination: SegmentDestination,
        len: usize,
        intact: bool,
        buffers: &dyn BufferSource,
    ) {
        match self.phase {
            Phase::Login(_) => return self.login_pdu(header, destination, len, buffers),
            Phase::FullFeature { .. } if self.logout.is_none() => {}
            Phase::FullFeature { .. } | Phase::AwaitingAccept(_) | Phase::Closing => {
                self.phase = Phase::Closing;
                return;
            }
        }
        match header.opcode() {
            Opcode::DATA_OUT => return self.data_out(header, &destination, len, intact, buffers),
            Opcode::SNACK => return self.send_reject(header, RejectReason::SNACK, Vec::new(), buffers),
            _ => {}
        }
        let data = if let SegmentDestination::Own(buffer) = destination { buffer } else { Vec::new() };
        let additional = self.receiver.additional_headers().to_vec();
        let request = ReceivedRequest { header: *header, additional, data, len, intact };
        let cmd_sn = header.cmd_sn.get();
        if header.immediate() {
            return self.request(request, buffers);
        }
        if serial_before(cmd_sn, self.exp_cmd_sn) || serial_before(self.max_cmd_sn, cmd_sn) {
            return release_wiped(request.data, buffers);
        }
        if cmd_sn != self.exp_cmd_sn {
            if self.out_of_order.contains_key(&cmd_sn) || self.aborted_cmd_sns.contains(&cmd_sn) {
                return release_wiped(request.data, buffers);
            }
            self.data_out_buffered += request.data.len();
            self.out_of_order.insert(cmd_sn, request);
            return;
        }
        self.exp_cmd_sn = cmd_sn.wrapping_add(1);
        self.request(request, buffers);
        self.run_queued_requests(buffers);
    }

    /// Runs out-of-order requests that are next in CmdSN order, and skips aborted CmdSNs.
    pub(super) fn run_queued_requests(&mut self, buffers: &dyn BufferSource) {
        loop {
            let cmd_sn = self.exp_cmd_sn;
            if self.aborted_cmd_sns.remove(&cmd_sn) {
                self.exp_cmd_sn = cmd_sn.wrapping_add(1);
            } else if let Some(request) = self.out_of_order.remove(&cmd_sn) {
                self.exp_cmd_sn = cmd_sn.wrapping_add(1);
                self.data_out_buffered -= request.data.len();
                self.request(request, buffers);
            } else {
                return;
            }
        }
    }

    /// Processes a request that is next in CmdSN order, or immediate.
    fn request(&mut self, request: ReceivedRequest, buffers: &dyn BufferSource) {
        let discovery = matches!(self.phase, Phase::FullFeature { discovery: true, .. });
        if request.header.opcode() == Opcode::COMMAND && !discovery {
            self.scsi_command(request, buffers);
            return self.open_window();
        }
        let ReceivedRequest { header, data, len, intact, .. } = request;
        let header = &header;
        match header.opcode() {
            _ if !intact => self.send_reject(header, RejectReason::DATA_DIGEST, data, buffers),
            Opcode::TASK_MANAGEMENT if !discovery => {
                buffers.release(data);
                self.task_management(header, buffers);
            }
            Opcode::NOP_OUT => self.nop_out(header, data, len, buffers),
            Opcode::TEXT => self.text_request(header, data, len, buffers),
            Opcode::LOGOUT => {
                buffers.release(data);
                self.logout(header);
            }
            Opcode::LOGIN => {
                buffers.release(data);
                self.protocol_error(header, buffers, "login request in the full feature phase");
            }
            _ => self.send_reject(
                header,
                if discovery { RejectReason::PROTOCOL_ERROR } else { RejectReason::NOT_SUPPORTED },
                data,
                buffers,
            ),
        }
        self.open_window();
    }

    /// Returns a response header with its sequence numbers. A header with `status` advances StatSN.
    pub(super) fn target_header(&mut self, opcode: Opcode, tag: u32, status: bool) -> wire::TargetHeader {
        let mut header: wire::TargetHeader = wire::with_opcode(opcode);
        header.flags = FINAL_FLAG;
        header.itt = tag.into();
        header.stat_sn = self.take_stat_sn(status).into();
        self.open_window();
        let (exp, max) = self.sequence_numbers();
        (header.exp_cmd_sn, header.max_cmd_sn) = (exp.into(), max.into());
        header
    }

    pub(super) fn send_reject(
        &mut self,
        rejected: &BasicHeader,
        RejectReason(reason): RejectReason,
        data: Vec<u8>,
        buffers: &dyn BufferSource,
    ) {
        release_wiped(data, buffers);
        tracing::debug!(reason, opcode = rejected.opcode().0, "PDU rejected");
        let mut header = self.target_header(Opcode::REJECT, NO_TAG, true);
        header.response = reason;
        wire::set_data_length(&mut header.data_length, BHS);
        self.send(&header, Some(rejected.as_bytes().to_vec()), BHS);
    }

    /// Sends Reject (protocol error) in the full feature phase, and closes the connection.
    pub(super) fn protocol_error(&mut self, rejected: &BasicHeader, buffers: &dyn BufferSource, reason: &'static str) {
        tracing::debug!(reason, "connection closed: protocol error");
        if self.is_full_feature() {
            self.send_reject(rejected, RejectReason::PROTOCOL_ERROR, Vec::new(), buffers);
        }
        self.phase = Phase::Closing;
    }

    fn nop_out(&mut self, request: &BasicHeader, data: Vec<u8>, len: usize, buffers: &dyn BufferSource) {
        if request.itt.get() == NO_TAG {
            return buffers.release(data);
        }
        let request = NopOut { header: *request, data, len };
        if self.holds_nop_outs {
            self.events.push_back(ConnectionEvent::NopOut(request));
        } else {
            self.respond_nop_out(request, buffers);
        }
    }

    /// Sets whether each NOP-Out becomes a [`ConnectionEvent::NopOut`], instead of getting its NOP-In at once. Off by default.
    pub const fn set_holds_nop_outs(&mut self, holds: bool) {
        self.holds_nop_outs = holds;
    }

    /// Sends no NOP-In for a NOP-Out.
    pub fn ignore_nop_out(&mut self, request: NopOut, buffers: &dyn BufferSource) {
        buffers.release(request.data);
    }

    /// Sends the NOP-In for a NOP-Out, with its data as far as the initiator accepts it.
    pub fn respond_nop_out(&mut self, request: NopOut, buffers: &dyn BufferSource) {
        let NopOut { header: request, data, len } = request;
        let mut header = self.target_header(Opcode::NOP_IN, request.itt.get(), true);
        (header.lun, header.ttt) = (request.lun, NO_TAG.into());
        let len = len.min(self.params.max_send_segment as usize);
        wire::set_data_length(&mut header.data_length, len);
        if len == 0 {
            buffers.release(data);
            return self.send(&header, None, 0);
        }
        let slot = self.transmitter.add_buffer(data, true);
        self.send_slice(&header, Some((slot, 0, len)), true);
    }

    /// Sends a NOP-In to an idle initiator.
    pub(super) fn send_nop_in(&mut self, _pool: &dyn BufferSource) {
        let mut header = self.target_header(Opcode::NOP_IN, NO_TAG, false);
        header.ttt = self.next_ttt.into();
        self.send(&header, None, 0);
    }

    fn text_request(&mut self, request: &BasicHeader, data: Vec<u8>, len: usize, buffers: &dyn BufferSource) {
        // A new negotiation ends the previous one and drops the rest of its response. A request that continues a
        // negotiation gets the rest of the response and has no keys.
        let continues = u32::from_be_bytes(request.specific_20) == TEXT_TTT;
        if !continues {
            self.text.clear();
            self.pending_text.clear();
        }
        if self.text.len() + len > TEXT || (len > 0 && !self.pending_text.is_empty()) {
            self.text.clear();
            self.pending_text.clear();
            return self.send_reject(request, RejectReason::PROTOCOL_ERROR, data, buffers);
        }
        self.text.extend_from_slice(data.get(..len).unwrap_or_default());
        buffers.release(data);
        if request.flags & CONTINUE_FLAG != 0 {
            let mut header = self.target_header(Opcode::TEXT_RESPONSE, request.itt.get(), true);
            header.flags = 0;
            header.ttt = TEXT_TTT.into();
            return self.send(&header, None, 0);
        }
        let keys = std::mem::take(&mut self.text);
        let Ok(pairs) = text::parse(&keys) else {
            return self.send_reject(request, RejectReason::PROTOCOL_ERROR, Vec::new(), buffers);
        };
        let mut response = std::mem::take(&mut self.pending_text);
        response.extend(self.text_response(&pairs));
        let segment = self.params.max_send_segment as usize;
        if response.len() > segment {
            self.pending_text = response.split_off(segment);
        }
        let mut header = self.target_header(Opcode::TEXT_RESPONSE, request.itt.get(), true);
        // The negotiation ends when the initiator sets F and the target has no more data; until then it has a TTT.
        let more = !self.pending_text.is_empty();
        let last = request.flags & FINAL_FLAG != 0 && !more;
        header.flags = if last {
            FINAL_FLAG
        } else if more {
            CONTINUE_FLAG
        } else {
            0
        };
        header.ttt = if last { NO_TAG } else { TEXT_TTT }.into();
        let len = response.len();
        wire::set_data_length(&mut header.data_length, len);
        self.send(&header, (len > 0).then_some(response), len);
    }

    fn text_response(&mut self, pairs: &[(&str, &str)]) -> Vec<u8> {
        let mut out = Vec::new();
        for (key, value) in pairs {
            match *key {
                "SendTargets" => self.send_targets(value, &mut out),
                "MaxRecvDataSegmentLength" => {
                    match text::parse_number(value).filter(|len| (512..=0x00ff_ffff).contains(len)) {
                        Some(len) => self.params.max_send_segment = len,
                        None => text::push_pair(&mut out, key, "Reject"),
                    }
                }
                _ => text::push_pair(&mut out, key, "NotUnderstood"),
            }
        }
        out
    }

    /// Responds to SendTargets. `All` is allowed in a discovery session only; in a normal session an empty value stands for
    /// the target of the session.
    fn send_targets(&self, wanted: &str, out: &mut Vec<u8>) {
        let discovery = matches!(self.phase, Phase::FullFeature { discovery: true, .. });
        let wanted = match wanted {
            "All" if !discovery => return text::push_pair(out, "SendTargets", "Reject"),
            "" if discovery => return,
            "" => &self.target,
            other => other,
        };
        let address = match &self.config.advertise {
            AdvertisedAddress::Portal(address) => Some(address),
            AdvertisedAddress::Connection if self.remote && keeps_address(self.isid) => None,
            AdvertisedAddress::Connection => Some(&self.portal),
            AdvertisedAddress::Nothing => None,
        };
        let one = self.config.target(wanted);
        for name in self.config.names.iter().filter(|name| wanted == "All" || Some(name.as_str()) == one) {
            text::push_pair(out, "TargetName", name);
            if let Some(address) = address {
                text::push_pair(out, "TargetAddress", &format!("{address},{PORTAL_GROUP}"));
            }
        }
    }

    /// Closes the session, or its only connection (RFC 7143 §11.14 and §11.15).
    fn logout(&mut self, request: &BasicHeader) {
        const CLOSE_SESSION: u8 = 0;
        const CLOSE_CONNECTION: u8 = 1;
        const NO_SUCH_CID: u8 = 1;
        const RECOVERY_UNSUPPORTED: u8 = 2;
        let [high, low, ..] = request.specific_20;
        let is_this_connection =
            matches!(self.phase, Phase::FullFeature { cid, .. } if cid == u16::from_be_bytes([high, low]));
        let response = match request.flags & 0x7f {
            CLOSE_SESSION => LOGOUT_DONE,
            CLOSE_CONNECTION if is_this_connection => LOGOUT_DONE,
            CLOSE_CONNECTION => NO_SUCH_CID,
            _ => RECOVERY_UNSUPPORTED,
        };
        if response == LOGOUT_DONE {
            self.logout = Some(request.itt.get());
            return self.events.push_back(ConnectionEvent::Logout);
        }
        self.send_logout_response(request.itt.get(), response);
    }

    fn send_logout_response(&mut self, tag: u32, response: u8) {
        let mut header = self.target_header(Opcode::LOGOUT_RESPONSE, tag, true);
        header.response = response;
        // Time2Wait 2 s, Time2Retain 0.
        header.word_40 = (2 << 16).into();
        self.send(&header, None, 0);
    }

    /// Sends the logout response after the owner has ended the session, and closes the connection.
    pub fn finish_logout(&mut self) {
        if let Some(tag) = self.logout.take() {
            self.send_logout_response(tag, LOGOUT_DONE);
            self.phase = Phase::Closing;
        }
    }
}
