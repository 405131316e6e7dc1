//! A small iSCSI initiator for tests and measurements: blocking, with one connection. It negotiates the parameters that
//! are fast for tapes, obeys R2T, answers NOP-In, and checks digests and StatSN. A protocol violation of the target is an
//! [`Error`], never a panic. The connection is a socket or any other stream of bytes.

use iscsi::chap::Algorithm;
use iscsi::digest::{crc32c_bytes, padded_digest};
use iscsi::text;
use iscsi::wire::{self, BHS, BasicHeader, FINAL_FLAG, NO_TAG, Opcode, as_layout};
use std::io::{self, IoSlice, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;
use zerocopy::IntoBytes;

/// A system error, or a protocol violation of the target, as a message.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// The parameters of a login.
#[derive(Clone, Debug)]
pub struct Options {
    /// Value of the key InitiatorName, an iSCSI name.
    pub name: String,
    /// ISID, the initiator's part of the session identifier.
    pub isid: [u8; 6],
    /// Whether to offer HeaderDigest=CRC32C instead of None.
    pub header_digest: bool,
    /// Whether to offer DataDigest=CRC32C instead of None.
    pub data_digest: bool,
    /// Whether to offer ImmediateData=Yes and send immediate data.
    pub immediate: bool,
    /// MaxRecvDataSegmentLength to declare, in bytes.
    pub max_recv: u32,
    /// FirstBurstLength to offer, in bytes.
    pub burst: u32,
    /// CHAP name and secret; `None` logs in without CHAP.
    pub chap: Option<(String, String)>,
    /// CHAP secret of the target, for mutual authentication; used only with `chap`.
    pub mutual: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            name: "iqn.2026-01.org.ferric:initiator".into(),
            isid: [0x80, 0, 0, 0, 0, 1],
            header_digest: false,
            data_digest: false,
            immediate: true,
            max_recv: 1 << 20,
            burst: 1 << 20,
            chap: None,
            mutual: None,
        }
    }
}

/// A PDU as received, without digests and padding.
#[derive(Clone, Debug)]
pub struct Pdu {
    /// Basic header segment, 48 bytes.
    pub header: [u8; BHS],
    /// Data segment, without padding and digest.
    pub data: Vec<u8>,
}

impl Pdu {
    fn basic(&self) -> BasicHeader {
        as_layout(&self.header)
    }

    /// The opcode in the header.
    #[must_use]
    pub fn opcode(&self) -> Opcode {
        self.basic().opcode()
    }

    /// The initiator task tag in the header.
    #[must_use]
    pub fn tag(&self) -> u32 {
        self.basic().itt.get()
    }
}

/// Status, sense data and data-in of a completed command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommandResponse {
    /// SCSI status code; 0 is GOOD.
    pub status: u8,
    /// Sense data; empty if the target sent none.
    pub sense: Vec<u8>,
    /// Data-in that the target sent.
    pub data: Vec<u8>,
    /// Residual count in bytes: positive for an underflow, negative for an overflow (RFC 7143 11.4.5).
    pub residual: i64,
}

impl CommandResponse {
    /// Sense key, ASC and ASCQ of fixed-format sense data.
    #[must_use]
    pub fn sense_codes(&self) -> Option<(u8, u8, u8)> {
        Some((self.sense.get(2)? & 0x0f, *self.sense.get(12)?, *self.sense.get(13)?))
    }

    /// INFORMATION field of fixed-format sense data; `None` if its VALID bit is 0. It is negative only with the ILI bit,
    /// for a block that is longer than requested.
    #[must_use]
    pub fn information(&self) -> Option<i64> {
        let information = u32::from_be_bytes(self.sense.get(3..7)?.try_into().ok()?);
        let is_signed = self.sense.get(2)? & 0x20 != 0;
        let value = if is_signed { i64::from(information.cast_signed()) } else { i64::from(information) };
        (self.sense.first()? & 0x80 != 0).then_some(value)
    }
}

/// Direction and length of the data of a command.
#[derive(Clone, Copy, Debug)]
pub enum Transfer<'a> {
    /// The command transfers no data.
    None,
    /// Data-out: these bytes are sent to the target.
    Out(&'a [u8]),
    /// Data-in: at most this number of bytes is received.
    In(usize),
}

/// A session with one connection, to a target or for discovery, over a stream of type `S`.
pub struct Initiator<S = TcpStream> {
    stream: S,
    options: Options,
    digests: bool,
    cmd_sn: u32,
    max_cmd_sn: u32,
    exp_stat_sn: u32,
    tag: u32,
    first_burst: usize,
    max_send: usize,
    /// TSIH that the target assigned to the session.
    pub tsih: u16,
}

impl Initiator {
    /// Logs in to the target with this name at a portal.
    ///
    /// # Errors
    /// The connection or the login failed.
    pub fn login(address: impl ToSocketAddrs, target: &str, options: Options) -> Result<Self, Error> {
        let mut session = Self::connect(address, options)?;
        session.log_in(target)?;
        Ok(session)
    }

    /// Requests the targets of a portal in a discovery session. Returns the `key=value` pairs of the response to
    /// SendTargets=All.
    ///
    /// # Errors
    /// The connection, the login or the request failed.
    pub fn discover(address: impl ToSocketAddrs, options: Options) -> Result<Vec<String>, Error> {
        Self::connect(address, options)?.send_targets()
    }

    /// Connects to a portal without logging in.
    ///
    /// # Errors
    /// The connection failed.
    pub fn connect(address: impl ToSocketAddrs, options: Options) -> Result<Self, Error> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        Ok(Self::over(stream, options))
    }
}

impl<S: Read + Write> Initiator<S> {
    /// Uses a stream that is connected to a portal, without logging in.
    #[must_use]
    pub const fn over(stream: S, options: Options) -> Self {
        Self {
            stream,
            options,
            digests: false,
            cmd_sn: 1,
            max_cmd_sn: 1,
            exp_stat_sn: 0,
            tag: 0,
            first_burst: 65_536,
            max_send: 8192,
            tsih: 0,
        }
    }

    /// Logs in to the target with this name.
    ///
    /// # Errors
    /// The connection or the login failed.
    pub fn log_in(&mut self, target: &str) -> Result<(), Error> {
        let name = self.options.name.clone();
        self.negotiate(&[("InitiatorName", name.as_str()), ("SessionType", "Normal"), ("TargetName", target)])
    }

    /// Logs in for discovery. Returns the `key=value` pairs of the response to SendTargets=All.
    ///
    /// # Errors
    /// The connection, the login or the request failed.
    pub fn send_targets(&mut self) -> Result<Vec<String>, Error> {
        let name = self.options.name.clone();
        self.negotiate(&[("InitiatorName", name.as_str()), ("SessionType", "Discovery")])?;
        let mut keys = Vec::new();
        text::push_pair(&mut keys, "SendTargets", "All");
        let answer = self.text(&keys)?;
        // TargetName and TargetAddress occur once per target, so the keys are not unique.
        let pairs = answer.split(|byte| *byte == 0).filter(|pair| !pair.is_empty());
        pairs.map(|pair| Ok(String::from_utf8(pair.to_vec())?)).collect()
    }

    /// The stream, for tests that violate the protocol.
    #[must_use]
    pub const fn stream(&self) -> &S {
        &self.stream
    }

    /// CmdSN of the next command.
    #[must_use]
    pub const fn cmd_sn(&self) -> u32 {
        self.cmd_sn
    }

    /// Number of commands that the CmdSN window still admits.
    #[must_use]
    pub const fn window(&self) -> u32 {
        self.max_cmd_sn.wrapping_sub(self.cmd_sn).wrapping_add(1)
    }

    fn negotiate(&mut self, identity: &[(&str, &str)]) -> Result<(), Error> {
        let mut keys = Vec::new();
        identity.iter().for_each(|(key, value)| text::push_pair(&mut keys, key, value));
        if let Some((name, secret)) = self.options.chap.clone() {
            self.authenticate(&mut keys, &name, &secret)?;
        }
        let yes_no = |value: bool| if value { "Yes" } else { "No" };
        let digest_of = |wanted: bool| if wanted { "CRC32C" } else { "None" };
        let (max_recv, burst) = (self.options.max_recv.to_string(), self.options.burst.to_string());
        let offer = [
            ("HeaderDigest", digest_of(self.options.header_digest)),
            ("DataDigest", digest_of(self.options.data_digest)),
            ("InitialR2T", "No"),
            ("ImmediateData", yes_no(self.options.immediate)),
            ("MaxRecvDataSegmentLength", &max_recv),
            ("FirstBurstLength", &burst),
            ("MaxBurstLength", "16776192"),
            ("MaxOutstandingR2T", "1"),
            ("ErrorRecoveryLevel", "0"),
        ];
        offer.iter().for_each(|(key, value)| text::push_pair(&mut keys, key, value));
        let answer = self.login_request(1, 3, &keys)?;
        for (key, value) in text::parse(&answer)? {
            match (key, text::parse_number(value)) {
                ("FirstBurstLength", Some(len)) => self.first_burst = len as usize,
                ("MaxRecvDataSegmentLength", Some(len)) => self.max_send = len as usize,
                _ => {}
            }
        }
        self.digests = true;
        Ok(())
    }

    fn authenticate(&mut self, keys: &mut Vec<u8>, name: &str, secret: &str) -> Result<(), Error> {
        text::push_pair(keys, "AuthMethod", "CHAP");
        self.login_request(0, 0, keys)?;
        keys.clear();
        text::push_pair(keys, "CHAP_A", "7,5");
        let answer = self.login_request(0, 0, keys)?;
        let pairs = text::parse(&answer)?;
        let find = |wanted: &str| {
            pairs.iter().find(|(key, _)| *key == wanted).map(|(_, value)| *value).ok_or(format!("no {wanted}"))
        };
        let algorithm = Algorithm::strongest(find("CHAP_A")?).ok_or("unknown CHAP_A")?;
        let id = text::parse_number(find("CHAP_I")?).and_then(|id| u8::try_from(id).ok()).ok_or("bad CHAP_I")?;
        let challenge = text::parse_binary(find("CHAP_C")?).ok_or("bad CHAP_C")?;
        keys.clear();
        text::push_pair(keys, "CHAP_N", name);
        text::push_pair(keys, "CHAP_R", &text::to_hex(&algorithm.response(id, secret.as_bytes(), &challenge)));
        let own_challenge: Vec<u8> = (0..16).map(|byte| byte * 3).collect();
        if self.options.mutual.is_some() {
            text::push_pair(keys, "CHAP_I", "77");
            text::push_pair(keys, "CHAP_C", &text::to_hex(&own_challenge));
        }
        let answer = self.login_request(0, 1, keys)?;
        keys.clear();
        if let Some(secret) = &self.options.mutual {
            let pairs = text::parse(&answer)?;
            let response =
                pairs.iter().find(|(key, _)| *key == "CHAP_R").and_then(|(_, value)| text::parse_binary(value));
            if !algorithm.verify(77, secret.as_bytes(), &own_challenge, &response.unwrap_or_default()) {
                return Err("mutual CHAP: the response of the target is wrong".into());
            }
        }
        Ok(())
    }

    /// Sends one Login Request and returns the keys of the response. With `next` equal to `current`, no stage
    /// transition is requested.
    fn login_request(&mut self, current: u8, next: u8, keys: &[u8]) -> Result<Vec<u8>, Error> {
        let mut header: wire::Login = wire::with_opcode(Opcode(Opcode::LOGIN.0 | 0x40));
        header.flags = (current << 2) | if next > current { FINAL_FLAG | next } else { 0 };
        header.isid = self.options.isid;
        header.cmd_sn = self.cmd_sn.into();
        header.exp_stat_sn = self.exp_stat_sn.into();
        wire::set_data_length(&mut header.data_length, keys.len());
        self.send(header.as_bytes(), keys)?;
        let pdu = self.receive()?;
        let answer: wire::LoginResponse = as_layout(&pdu.header);
        if pdu.opcode() != Opcode::LOGIN_RESPONSE || answer.status_class != 0 {
            return Err(format!("login refused: {:02x}{:02x}", answer.status_class, answer.status_detail).into());
        }
        self.exp_stat_sn = answer.stat_sn.get().wrapping_add(1);
        self.max_cmd_sn = answer.max_cmd_sn.get();
        self.tsih = answer.tsih.get();
        Ok(pdu.data)
    }

    /// Sends a Text Request and returns the keys of the response.
    ///
    /// # Errors
    /// The connection failed, or the response has another opcode.
    pub fn text(&mut self, keys: &[u8]) -> Result<Vec<u8>, Error> {
        let mut header: wire::RequestHeader = wire::with_opcode(Opcode::TEXT);
        header.flags = FINAL_FLAG;
        header.ttt = NO_TAG.into();
        let answer = self.request(header, keys)?;
        if answer.opcode() == Opcode::TEXT_RESPONSE { Ok(answer.data) } else { Err("no text response".into()) }
    }

    /// Sends a NOP-Out with data and waits for the NOP-In that returns it.
    ///
    /// # Errors
    /// The connection failed, or the target did not return the data.
    pub fn ping(&mut self, data: &[u8]) -> Result<(), Error> {
        let mut header: wire::RequestHeader = wire::with_opcode(Opcode::NOP_OUT);
        header.flags = FINAL_FLAG;
        header.ttt = NO_TAG.into();
        let answer = self.request(header, data)?;
        if answer.opcode() == Opcode::NOP_IN && answer.data == data { Ok(()) } else { Err("no echo".into()) }
    }

    /// Logs out and closes the connection.
    ///
    /// # Errors
    /// The connection failed, or the response has another opcode.
    pub fn logout(mut self) -> Result<(), Error> {
        let mut header: wire::RequestHeader = wire::with_opcode(Opcode::LOGOUT);
        header.flags = FINAL_FLAG;
        let answer = self.request(header, &[])?;
        if answer.opcode() == Opcode::LOGOUT_RESPONSE { Ok(()) } else { Err("no logout response".into()) }
    }

    /// Sends a task management function request and returns its response code (RFC 7143 11.6.1).
    ///
    /// # Errors
    /// The connection failed, or the response has another opcode.
    pub fn task_management(&mut self, function: u8, lun: u64, referenced: u32) -> Result<u8, Error> {
        let mut header: wire::TaskManagement = wire::with_opcode(Opcode(Opcode::TASK_MANAGEMENT.0 | 0x40));
        header.flags = FINAL_FLAG | function;
        header.lun = (lun << 48).into();
        header.itt = self.next_tag().into();
        header.referenced_tag = referenced.into();
        header.cmd_sn = self.cmd_sn.into();
        header.exp_stat_sn = self.exp_stat_sn.into();
        self.send(header.as_bytes(), &[])?;
        let answer = self.receive_status()?;
        if answer.opcode() == Opcode::TASK_MANAGEMENT_RESPONSE {
            Ok(as_layout::<wire::TargetHeader>(&answer.header).response)
        } else {
            Err("no response".into())
        }
    }

    fn request(&mut self, mut header: wire::RequestHeader, data: &[u8]) -> Result<Pdu, Error> {
        header.itt = self.next_tag().into();
        header.cmd_sn = self.next_cmd_sn().into();
        header.exp_stat_sn = self.exp_stat_sn.into();
        wire::set_data_length(&mut header.data_length, data.len());
        self.send(header.as_bytes(), data)?;
        self.receive_status()
    }

    const fn next_tag(&mut self) -> u32 {
        self.tag = (self.tag + 1) & 0x7fff_ffff;
        self.tag
    }

    const fn next_cmd_sn(&mut self) -> u32 {
        let number = self.cmd_sn;
        self.cmd_sn = number.wrapping_add(1);
        number
    }

    /// Sends one command and waits for its response.
    ///
    /// # Errors
    /// The connection failed, or the target broke the protocol.
    pub fn command(&mut self, lun: u64, cdb: &[u8], transfer: Transfer<'_>) -> Result<CommandResponse, Error> {
        let tag = self.start(lun, cdb, transfer)?;
        self.finish(tag, transfer)
    }

    /// Sends a command with as much immediate data as negotiated. Returns its initiator task tag.
    ///
    /// # Errors
    /// The connection failed.
    pub fn start(&mut self, lun: u64, cdb: &[u8], transfer: Transfer<'_>) -> Result<u32, Error> {
        let mut header: wire::ScsiCommand = wire::with_opcode(Opcode::COMMAND);
        let (flags, expected, data): (u8, usize, &[u8]) = match transfer {
            Transfer::None => (0, 0, &[]),
            Transfer::In(len) => (0x40, len, &[]),
            Transfer::Out(data) => (0x20, data.len(), data),
        };
        let immediate_len =
            if self.options.immediate { data.len().min(self.first_burst).min(self.max_send) } else { 0 };
        header.flags = FINAL_FLAG | flags | 0x01;
        header.lun = (lun << 48).into();
        header.expected_length = u32::try_from(expected)?.into();
        for (slot, byte) in header.cdb.iter_mut().zip(cdb) {
            *slot = *byte;
        }
        let tag = self.next_tag();
        header.itt = tag.into();
        header.cmd_sn = self.next_cmd_sn().into();
        header.exp_stat_sn = self.exp_stat_sn.into();
        wire::set_data_length(&mut header.data_length, immediate_len);
        self.send(header.as_bytes(), data.get(..immediate_len).unwrap_or_default())?;
        Ok(tag)
    }

    /// Waits for the response to a command and sends the data that R2Ts request.
    ///
    /// # Errors
    /// The connection failed, or the target broke the protocol.
    pub fn finish(&mut self, tag: u32, transfer: Transfer<'_>) -> Result<CommandResponse, Error> {
        let out = if let Transfer::Out(data) = transfer { data } else { &[] };
        let mut reply = CommandResponse::default();
        loop {
            let pdu = self.receive_status()?;
            if pdu.tag() != tag {
                return Err(format!("unexpected tag {:x}, expected {tag:x}: {:?}", pdu.tag(), pdu.opcode()).into());
            }
            match pdu.opcode() {
                Opcode::R2T => self.send_data(&as_layout(&pdu.header), out)?,
                Opcode::DATA_IN => {
                    let header: wire::DataIn = as_layout(&pdu.header);
                    if header.buffer_offset.get() as usize != reply.data.len() {
                        return Err("data out of order".into());
                    }
                    reply.data.extend_from_slice(&pdu.data);
                    if header.flags & 0x01 != 0 {
                        reply.status = header.status;
                        reply.residual = residual(header.flags, header.residual.get());
                        return Ok(reply);
                    }
                }
                Opcode::RESPONSE => {
                    let header: wire::ScsiResponse = as_layout(&pdu.header);
                    reply.status = header.status;
                    reply.residual = residual(header.flags, header.residual.get());
                    reply.sense = pdu.data.get(2..).unwrap_or_default().to_vec();
                    return Ok(reply);
                }
                other => return Err(format!("unexpected {other:?}").into()),
            }
        }
    }

    fn send_data(&mut self, r2t: &wire::TargetHeader, data: &[u8]) -> Result<(), Error> {
        let (start, len) = (r2t.word_40.get() as usize, r2t.word_44.get() as usize);
        let wanted = data.get(start..start + len).ok_or("R2T beyond the data")?;
        let parts = wanted.chunks(self.max_send);
        let last = parts.len().saturating_sub(1);
        let mut offset = start;
        for (number, part) in parts.enumerate() {
            let mut header: wire::DataOut = wire::with_opcode(Opcode::DATA_OUT);
            header.flags = if number == last { FINAL_FLAG } else { 0 };
            (header.lun, header.itt, header.ttt) = (r2t.lun, r2t.itt, r2t.ttt);
            header.exp_stat_sn = self.exp_stat_sn.into();
            header.data_sn = u32::try_from(number)?.into();
            header.buffer_offset = u32::try_from(offset)?.into();
            wire::set_data_length(&mut header.data_length, part.len());
            self.send(header.as_bytes(), part)?;
            offset += part.len();
        }
        Ok(())
    }

    /// Sends a PDU with this header, and adds padding and digests.
    ///
    /// # Errors
    /// The connection failed.
    pub fn send(&mut self, header: &[u8], data: &[u8]) -> Result<(), Error> {
        let pad = data.len().next_multiple_of(4) - data.len();
        let (header_digest, data_digest) =
            (self.digests && self.options.header_digest, self.digests && self.options.data_digest);
        let (head_crc, data_crc) = (crc32c_bytes(header), padded_digest(data));
        let parts = [
            header,
            if header_digest { &head_crc } else { &[] },
            data,
            [0; 3].get(..pad).unwrap_or_default(),
            if data_digest && !data.is_empty() { &data_crc } else { &[] },
        ];
        let mut slices: Vec<IoSlice<'_>> =
            parts.iter().filter(|part| !part.is_empty()).map(|part| IoSlice::new(part)).collect();
        let mut rest = slices.as_mut_slice();
        while !rest.is_empty() {
            let sent = self.stream.write_vectored(rest)?;
            if sent == 0 {
                return Err(io::Error::from(io::ErrorKind::WriteZero).into());
            }
            IoSlice::advance_slices(&mut rest, sent);
        }
        Ok(())
    }

    /// Receives a PDU and checks its digests.
    ///
    /// # Errors
    /// The connection failed, a digest is wrong, or the data segment is longer than declared.
    pub fn receive(&mut self) -> Result<Pdu, Error> {
        let mut header = [0; BHS];
        self.stream.read_exact(&mut header)?;
        let basic: BasicHeader = as_layout(&header);
        if self.digests && self.options.header_digest {
            let mut received_digest = [0; 4];
            self.stream.read_exact(&mut received_digest)?;
            if received_digest != crc32c_bytes(&header) {
                return Err("wrong header digest".into());
            }
        }
        let len = basic.data_len();
        if len > self.options.max_recv as usize {
            return Err("data segment longer than the declared MaxRecvDataSegmentLength".into());
        }
        let mut data = vec![0; len.next_multiple_of(4)];
        self.stream.read_exact(&mut data)?;
        data.truncate(len);
        if self.digests && self.options.data_digest && len > 0 {
            let mut received_digest = [0; 4];
            self.stream.read_exact(&mut received_digest)?;
            if received_digest != padded_digest(&data) {
                return Err("wrong data digest".into());
            }
        }
        Ok(Pdu { header, data })
    }

    /// Answers a NOP-In that requests it, with an immediate NOP-Out without Initiator Task Tag (RFC 7143 11.18).
    fn answer_nop_in(&mut self, request: &wire::TargetHeader) -> Result<(), Error> {
        if request.ttt.get() == NO_TAG {
            return Ok(());
        }
        let mut header: wire::RequestHeader = wire::with_opcode(Opcode(Opcode::NOP_OUT.0 | 0x40));
        header.flags = FINAL_FLAG;
        (header.lun, header.itt, header.ttt) = (request.lun, NO_TAG.into(), request.ttt);
        header.cmd_sn = self.cmd_sn.into();
        header.exp_stat_sn = self.exp_stat_sn.into();
        self.send(header.as_bytes(), &[])
    }

    /// Receives a PDU of the full-feature phase, checks its StatSN and records its MaxCmdSN. Answers each NOP-In that
    /// requests it.
    fn receive_status(&mut self) -> Result<Pdu, Error> {
        let mut pdu = self.receive()?;
        while pdu.opcode() == Opcode::NOP_IN && pdu.tag() == NO_TAG {
            self.answer_nop_in(&as_layout(&pdu.header))?;
            pdu = self.receive()?;
        }
        let numbers: wire::TargetHeader = as_layout(&pdu.header);
        let uses_stat_sn = match pdu.opcode() {
            Opcode::DATA_IN => numbers.flags & 0x01 != 0,
            Opcode::R2T => false,
            _ => true,
        };
        if uses_stat_sn {
            if numbers.stat_sn.get() != self.exp_stat_sn {
                return Err(format!("StatSN {}, expected {}", numbers.stat_sn, self.exp_stat_sn).into());
            }
            self.exp_stat_sn = self.exp_stat_sn.wrapping_add(1);
        }
        if wire::serial_before(self.max_cmd_sn, numbers.max_cmd_sn.get()) {
            self.max_cmd_sn = numbers.max_cmd_sn.get();
        }
        Ok(pdu)
    }
}

fn residual(flags: u8, count: u32) -> i64 {
    match flags & 0x06 {
        0x02 => i64::from(count),
        0x04 => -i64::from(count),
        _ => 0,
    }
}

#[cfg(test)]
mod tests;
