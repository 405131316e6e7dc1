//! Requests of a session: their order, and those that are no commands.

use super::receive::Sink;
use super::{Connection, Early, Event, Phase};
use crate::config::{Advertise, PORTAL_GROUP};
use crate::pool::Pool;
use crate::text;
use crate::wire::{self, BHS, Basic, CONTINUE, FINAL, NO_TAG, Opcode, before, layout};
use zerocopy::IntoBytes;

/// Why a PDU is rejected (RFC 7143 §11.17.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reason(u8);

impl Reason {
    pub(super) const DATA_DIGEST: Self = Self(0x02);
    const SNACK: Self = Self(0x03);
    pub(super) const PROTOCOL_ERROR: Self = Self(0x04);
    const NOT_SUPPORTED: Self = Self(0x05);
    pub(super) const TOO_MANY_IMMEDIATE: Self = Self(0x06);
    pub(super) const TASK_IN_PROGRESS: Self = Self(0x07);
    pub(super) const INVALID_FIELD: Self = Self(0x09);
}

/// The session was closed (RFC 7143 §11.15.1).
const LOGOUT_DONE: u8 = 0;

/// Keys of one text request, gathered over its PDUs.
pub(super) const TEXT: usize = 64 * 1024;
/// Tag of a text exchange that is not at its end.
const TEXT_TAG: u32 = 1;

/// Whether an initiator without a TargetAddress uses the address of its discovery session, as RFC 7143, appendix C, has it:
/// open-iscsi and its relatives, by the OUI in their ISIDs. Others (libiscsi) would not list the target at all.
const fn keeps_address(isid: [u8; 6]) -> bool {
    matches!(isid, [0x00, 0x02, 0x3d, ..])
}

impl Connection {
    /// Where the data segment behind this header goes; `None` if there is no memory for it.
    pub(super) fn sink_for(&mut self, header: &Basic, len: usize, pool: &dyn Pool) -> Option<Sink> {
        Some(match header.opcode() {
            _ if len == 0 => Sink::Discard,
            Opcode::DATA_OUT if self.is_full_feature() => return self.data_out_sink(header, len, pool),
            Opcode::COMMAND if self.is_full_feature() => {
                let mut bytes = [0; BHS];
                bytes.copy_from_slice(header.as_bytes());
                let expected = layout::<wire::Command>(&bytes).expected_length.get();
                // Room for the unsolicited data that may follow, so that it needs no second buffer.
                let follows = expected.min(self.params.first_burst) as usize;
                Sink::Own(pool.take(follows.max(len))?)
            }
            Opcode::NOP_OUT | Opcode::TEXT | Opcode::LOGIN | Opcode::COMMAND => Sink::Own(pool.take(len)?),
            _ => Sink::Discard,
        })
    }

    /// A whole PDU has arrived.
    pub(super) fn dispatch(&mut self, header: &Basic, sink: Sink, len: usize, intact: bool, pool: &dyn Pool) {
        match self.phase {
            Phase::Login(_) => return self.login_pdu(header, sink, len, pool),
            Phase::Full { .. } if self.logout.is_none() => {}
            Phase::Full { .. } | Phase::Admission(_) | Phase::Closing => {
                self.phase = Phase::Closing;
                return;
            }
        }
        match header.opcode() {
            Opcode::DATA_OUT => return self.data_out(header, &sink, len, intact, pool),
            Opcode::SNACK => return self.reject(header, Reason::SNACK, Vec::new(), pool),
            _ => {}
        }
        let data = if let Sink::Own(buffer) = sink { buffer } else { Vec::new() };
        let number = header.cmd_sn.get();
        if header.immediate() {
            return self.request(header, data, len, intact, pool);
        }
        if before(number, self.exp_cmd_sn) || before(self.max_cmd_sn, number) {
            return pool.give(data);
        }
        if number != self.exp_cmd_sn {
            if self.early.contains_key(&number) || self.given_up.contains(&number) {
                return pool.give(data);
            }
            self.buffered += data.len();
            self.early.insert(number, Early { header: *header, data, len, intact });
            return;
        }
        self.exp_cmd_sn = number.wrapping_add(1);
        self.request(header, data, len, intact, pool);
        self.requests_in_turn(pool);
    }

    /// Requests that came early and whose turn it is now, and places that were given up.
    pub(super) fn requests_in_turn(&mut self, pool: &dyn Pool) {
        loop {
            let number = self.exp_cmd_sn;
            if self.given_up.remove(&number) {
                self.exp_cmd_sn = number.wrapping_add(1);
            } else if let Some(Early { header, data, len, intact }) = self.early.remove(&number) {
                self.exp_cmd_sn = number.wrapping_add(1);
                self.buffered -= data.len();
                self.request(&header, data, len, intact, pool);
            } else {
                return;
            }
        }
    }

    /// A request whose turn it is.
    fn request(&mut self, header: &Basic, data: Vec<u8>, len: usize, intact: bool, pool: &dyn Pool) {
        let discovery = matches!(self.phase, Phase::Full { discovery: true, .. });
        match header.opcode() {
            Opcode::COMMAND if !discovery => self.command(header, data, len, intact, pool),
            _ if !intact => self.reject(header, Reason::DATA_DIGEST, data, pool),
            Opcode::TASK_MANAGEMENT if !discovery => {
                pool.give(data);
                self.task_management(header, pool);
            }
            Opcode::NOP_OUT => self.nop_out(header, data, len, pool),
            Opcode::TEXT => self.text_request(header, data, len, pool),
            Opcode::LOGOUT => {
                pool.give(data);
                self.logout(header);
            }
            Opcode::LOGIN => {
                pool.give(data);
                self.protocol_error(header, pool, "login in full feature phase");
            }
            _ => {
                self.reject(header, if discovery { Reason::PROTOCOL_ERROR } else { Reason::NOT_SUPPORTED }, data, pool)
            }
        }
        self.open_window();
    }

    /// A response header with its serial numbers; one that carries status uses a StatSN up.
    pub(super) fn target_header(&mut self, opcode: Opcode, tag: u32, status: bool) -> wire::Target {
        let mut header: wire::Target = wire::empty(opcode);
        header.flags = FINAL;
        header.itt = tag.into();
        header.stat_sn = self.take_stat_sn(status).into();
        self.open_window();
        let (exp, max) = self.numbers();
        (header.exp_cmd_sn, header.max_cmd_sn) = (exp.into(), max.into());
        header
    }

    pub(super) fn reject(&mut self, refused: &Basic, Reason(reason): Reason, data: Vec<u8>, pool: &dyn Pool) {
        pool.give(data);
        tracing::debug!(reason, opcode = refused.opcode().0, "rejected");
        let mut header = self.target_header(Opcode::REJECT, NO_TAG, true);
        header.response = reason;
        wire::set_data_length(&mut header.data_length, BHS);
        self.send(&header, Some(refused.as_bytes().to_vec()), BHS);
    }

    /// The peer cannot be understood any more: it is told, and the connection ends.
    pub(super) fn protocol_error(&mut self, refused: &Basic, pool: &dyn Pool, why: &'static str) {
        tracing::debug!(why, "connection ends");
        if self.is_full_feature() {
            self.reject(refused, Reason::PROTOCOL_ERROR, Vec::new(), pool);
        }
        self.phase = Phase::Closing;
    }

    fn nop_out(&mut self, request: &Basic, data: Vec<u8>, len: usize, pool: &dyn Pool) {
        if request.itt.get() == NO_TAG {
            return pool.give(data);
        }
        let mut header = self.target_header(Opcode::NOP_IN, request.itt.get(), true);
        (header.lun, header.ttt) = (request.lun, NO_TAG.into());
        let len = len.min(self.params.max_send_segment as usize);
        wire::set_data_length(&mut header.data_length, len);
        if len == 0 {
            pool.give(data);
            return self.send(&header, None, 0);
        }
        let lent = self.transmitter.lend(data, true);
        self.send_part(&header, Some((lent, 0, len)), true);
    }

    /// Asks a silent peer whether it is there.
    pub(super) fn ping(&mut self, _pool: &dyn Pool) {
        let mut header = self.target_header(Opcode::NOP_IN, NO_TAG, false);
        header.ttt = self.next_ttt.into();
        self.send(&header, None, 0);
    }

    fn text_request(&mut self, request: &Basic, data: Vec<u8>, len: usize, pool: &dyn Pool) {
        // A request of a new exchange ends the one before, and what was left of its answer; one that goes on with an
        // exchange asks for the rest of the answer and brings no keys.
        let goes_on = u32::from_be_bytes(request.specific_20) == TEXT_TAG;
        if !goes_on {
            self.text.clear();
            self.text_left.clear();
        }
        if self.text.len() + len > TEXT || (len > 0 && !self.text_left.is_empty()) {
            self.text.clear();
            self.text_left.clear();
            return self.reject(request, Reason::PROTOCOL_ERROR, data, pool);
        }
        self.text.extend_from_slice(data.get(..len).unwrap_or_default());
        pool.give(data);
        if request.flags & CONTINUE != 0 {
            let mut header = self.target_header(Opcode::TEXT_RESPONSE, request.itt.get(), true);
            header.flags = 0;
            header.ttt = TEXT_TAG.into();
            return self.send(&header, None, 0);
        }
        let keys = std::mem::take(&mut self.text);
        let Ok(pairs) = text::parse(&keys) else {
            return self.reject(request, Reason::PROTOCOL_ERROR, Vec::new(), pool);
        };
        let mut answer = std::mem::take(&mut self.text_left);
        answer.extend(self.answer_text(&pairs));
        let segment = self.params.max_send_segment as usize;
        if answer.len() > segment {
            self.text_left = answer.split_off(segment);
        }
        let mut header = self.target_header(Opcode::TEXT_RESPONSE, request.itt.get(), true);
        // The initiator says when it has nothing more, and we when there is more; until then the exchange has a tag.
        let more = !self.text_left.is_empty();
        let last = request.flags & FINAL != 0 && !more;
        header.flags = if last {
            FINAL
        } else if more {
            CONTINUE
        } else {
            0
        };
        header.ttt = if last { NO_TAG } else { TEXT_TAG }.into();
        let len = answer.len();
        wire::set_data_length(&mut header.data_length, len);
        self.send(&header, (len > 0).then_some(answer), len);
    }

    fn answer_text(&mut self, pairs: &[(&str, &str)]) -> Vec<u8> {
        let mut out = Vec::new();
        for (key, value) in pairs {
            match *key {
                "SendTargets" => self.send_targets(value, &mut out),
                "MaxRecvDataSegmentLength" => match text::number(value).filter(|len| (512..=0x00ff_ffff).contains(len))
                {
                    Some(len) => self.params.max_send_segment = len,
                    None => text::push(&mut out, key, "Reject"),
                },
                _ => text::push(&mut out, key, "NotUnderstood"),
            }
        }
        out
    }

    /// `All` only for who discovers; a name, or nothing for the session's own target, for everyone.
    fn send_targets(&self, wanted: &str, out: &mut Vec<u8>) {
        let discovery = matches!(self.phase, Phase::Full { discovery: true, .. });
        let wanted = match wanted {
            "All" if !discovery => return text::push(out, "SendTargets", "Reject"),
            "" if discovery => return,
            "" => &self.target,
            other => other,
        };
        let address = match &self.config.advertise {
            Advertise::Portal(address) => Some(address),
            Advertise::Connection if self.remote && keeps_address(self.isid) => None,
            Advertise::Connection => Some(&self.portal),
            Advertise::Nothing => None,
        };
        let one = self.config.target(wanted);
        for name in self.config.names.iter().filter(|name| wanted == "All" || Some(name.as_str()) == one) {
            text::push(out, "TargetName", name);
            if let Some(address) = address {
                text::push(out, "TargetAddress", &format!("{address},{PORTAL_GROUP}"));
            }
        }
    }

    /// Ends the session, or its one connection: §11.14 and §11.15.
    fn logout(&mut self, request: &Basic) {
        const CLOSE_SESSION: u8 = 0;
        const CLOSE_CONNECTION: u8 = 1;
        const NO_SUCH_CID: u8 = 1;
        const RECOVERY_UNSUPPORTED: u8 = 2;
        let [high, low, ..] = request.specific_20;
        let ours = matches!(self.phase, Phase::Full { cid, .. } if cid == u16::from_be_bytes([high, low]));
        let response = match request.flags & 0x7f {
            CLOSE_SESSION => LOGOUT_DONE,
            CLOSE_CONNECTION if ours => LOGOUT_DONE,
            CLOSE_CONNECTION => NO_SUCH_CID,
            _ => RECOVERY_UNSUPPORTED,
        };
        if response == LOGOUT_DONE {
            self.logout = Some(request.itt.get());
            return self.events.push_back(Event::Logout);
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

    /// The owner has ended the session: the initiator is told, and the connection closes.
    pub fn logged_out(&mut self) {
        if let Some(tag) = self.logout.take() {
            self.send_logout_response(tag, LOGOUT_DONE);
            self.phase = Phase::Closing;
        }
    }
}
