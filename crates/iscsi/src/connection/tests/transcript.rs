//! Transcripts of a connection: the PDUs of both sides, byte for byte, and the events between the connection and its
//! owner.
//!
//! Lines are empty, comments (`#`), or one of:
//!
//! - `> PDU`: the initiator sends a PDU. `>! PDU` sets its immediate bit;
//! - `< PDU`: the next PDU of the target; all bytes must be equal;
//! - `* EVENT`: the next event for the owner, as [`show_event`] writes it;
//! - `= ACTION`: the owner acts: `accept TSIH`, `reject STATUS`, `done ITT STATUS [wanted=N] [consumed=N] [missing=N]
//!   [sense BYTES] [in BYTES]`, `management ITT RESPONSE`, `logout`, `discard ITT`, `clear LUN`, `abort`, `log-out-request
//!   SECONDS`, `timeout SECONDS`;
//! - `= closing`: the connection must be about to close.
//!
//! A PDU is the name of its opcode, then fields as `NAME=HEX`, then `text` and key=value pairs, then `data` and BYTES.
//! DataSegmentLength is that of the data unless the field `length` sets it; all other bytes are zero. BYTES are words:
//! `5e` is a byte, `00*512` the same byte 512 times, `'text` the characters after the apostrophe. `bad-header-digest`
//! and `bad-data-digest` at the end of a PDU change a digest.
//!
//! At the end, neither output nor an event may be left.

use super::super::*;
use crate::buffers::HeapBuffers;
use crate::config::{ConnectionLimits, Credentials, Secret};
use scsi_core::fault::Completion;
use scsi_core::sense::SenseBytes;
use scsi_core::status::Status;
use scsi_core::transcript::append_word;
use std::collections::HashMap;

/// Names of PDUs and their opcodes (RFC 7143 §11.2.1.2).
const PDUS: [(&str, u8); 20] = [
    ("NOP-Out", 0x00),
    ("Command", 0x01),
    ("Task-Management", 0x02),
    ("Login", 0x03),
    ("Text", 0x04),
    ("Data-Out", 0x05),
    ("Logout", 0x06),
    ("SNACK", 0x10),
    ("Unknown", 0x1c),
    ("NOP-In", 0x20),
    ("Response", 0x21),
    ("Task-Management-Response", 0x22),
    ("Login-Response", 0x23),
    ("Text-Response", 0x24),
    ("Data-In", 0x25),
    ("Logout-Response", 0x26),
    ("R2T", 0x31),
    ("Async", 0x32),
    ("Reject", 0x3f),
    ("Reserved", 0x07),
];

/// Names of fields, the offset of their first byte and their length.
const FIELDS: [(&str, usize, usize); 37] = [
    ("flags", 1, 1),
    ("version-max", 2, 1),
    ("version-min", 3, 1),
    ("response", 2, 1),
    ("reason", 2, 1),
    ("status", 3, 1),
    ("ahs", 4, 1),
    ("length", 5, 3),
    ("lun", 8, 8),
    ("isid", 8, 6),
    ("tsih", 14, 2),
    ("itt", 16, 4),
    ("ttt", 20, 4),
    ("expected", 20, 4),
    ("referenced", 20, 4),
    ("cid", 20, 2),
    ("cmdsn", 24, 4),
    ("statsn", 24, 4),
    ("expstatsn", 28, 4),
    ("expcmdsn", 28, 4),
    ("maxcmdsn", 32, 4),
    ("refcmdsn", 32, 4),
    ("cdb", 32, 16),
    ("expdatasn", 36, 4),
    ("datasn", 36, 4),
    ("r2tsn", 36, 4),
    ("login-status", 36, 2),
    ("async-event", 36, 1),
    ("offset", 40, 4),
    ("time2wait", 40, 2),
    ("time2retain", 42, 2),
    ("parameter-3", 42, 2),
    ("residual", 44, 4),
    ("desired", 44, 4),
    ("begrun", 40, 4),
    ("runlength", 44, 4),
    ("parameter-1", 38, 2),
];

/// A connection that a transcript runs on.
pub(super) struct Player {
    connection: Connection,
    /// Buffers and capacities of the running commands, by Initiator Task Tag.
    running: HashMap<u32, Command>,
    header_digest: bool,
    data_digest: bool,
    output: VecDeque<u8>,
    now: u64,
}

/// The configuration that the tests change: one target `iqn.t` with small limits.
pub(super) fn config() -> TargetConfig {
    let limits = ConnectionLimits {
        max_recv_segment: 8192,
        first_burst: 4096,
        max_burst: 8192,
        max_transfer: 65_536,
        command_window: 4,
        immediate_commands: 1,
        ..ConnectionLimits::default()
    };
    TargetConfig { limits, ..TargetConfig::new("iqn.t", "alias") }
}

/// The configuration with a CHAP user and, if `mutual`, with credentials of the target.
pub(super) fn with_chap(mutual: bool) -> TargetConfig {
    let credentials = |name: &str, secret: &str| Credentials { name: name.into(), secret: Secret(secret.into()) };
    TargetConfig {
        users: vec![credentials("user", "secret-of-user")],
        mutual: mutual.then(|| credentials("target", "secret-of-target")),
        ..config()
    }
}

/// Runs a transcript on a new connection. The CHAP identifier is 3 and the challenge 31 bytes of 03h.
///
/// # Panics
/// If the connection differs from the transcript, with the line.
pub(super) fn play(config: TargetConfig, transcript: &str) {
    let mut player = Player::new(config);
    player.run(transcript);
    player.assert_finished();
}

/// Runs a transcript in a session with these keys in its login request. The first command has CmdSN 1 and the first
/// response StatSN 1.
pub(super) fn play_logged_in(config: TargetConfig, keys: &str, transcript: &str) {
    let mut player = Player::new(config);
    player.log_in(keys);
    player.run(transcript);
    player.assert_finished();
}

impl Player {
    pub(super) fn new(config: TargetConfig) -> Self {
        let connection = Connection::new(Arc::new(config), "192.0.2.1:3260".into(), [3; 32], 0);
        Self {
            connection,
            running: HashMap::new(),
            header_digest: false,
            data_digest: false,
            output: VecDeque::new(),
            now: 0,
        }
    }

    fn log_in(&mut self, keys: &str) {
        let keys = if keys.contains("InitiatorName") {
            keys.into()
        } else {
            format!("InitiatorName=iqn.i TargetName=iqn.t {keys}")
        };
        self.run(&format!(">! Login flags=87 isid=800000000001 itt=1 cid=1 cmdsn=1 text {keys}"));
        let event = self.connection.next_event();
        assert!(matches!(event, Some(ConnectionEvent::Login(_))), "{keys}: {event:?}");
        self.connection.accept_login(1, NexusId(1));
        self.collect_output();
        self.output.clear();
        (self.header_digest, self.data_digest) =
            (keys.contains("HeaderDigest=CRC32C"), keys.contains("DataDigest=CRC32C"));
    }

    pub(super) fn run(&mut self, transcript: &str) {
        for (line, number) in transcript.lines().map(str::trim).zip(1..) {
            let place = format!("line {number}: {line:.300}");
            match line.split_once(' ') {
                _ if line.is_empty() || line.starts_with('#') => {}
                Some((">", pdu)) => self.send(&parse(pdu, 0), pdu, &place),
                Some((">!", pdu)) => self.send(&parse(pdu, 0x40), pdu, &place),
                Some(("<", pdu)) => {
                    let actual = self.receive().unwrap_or_else(|| panic!("{place}: no PDU"));
                    assert_eq!(show(&actual), show(&join(&parse(pdu, 0))), "{place}");
                }
                Some(("*", event)) => {
                    let actual = self.next_event().unwrap_or_else(|| panic!("{place}: no event"));
                    assert_eq!(actual, event, "{place}");
                }
                Some(("=", "closing")) => assert!(self.connection.is_closing(), "{place}"),
                Some(("=", action)) => self.act(&action.split_whitespace().collect::<Vec<_>>(), &place),
                _ => panic!("{place}: unknown line"),
            }
        }
    }

    pub(super) fn assert_finished(&mut self) {
        let (pdu, event) = (self.receive().map(|pdu| show(&pdu)), self.next_event());
        assert!(pdu.is_none() && event.is_none(), "left at the end: {pdu:?} {event:?}");
    }

    /// Sends a PDU with padding and digests.
    fn send(&mut self, (header, data): &(Vec<u8>, Vec<u8>), line: &str, place: &str) {
        let mut bytes = header.clone();
        if self.header_digest {
            let changed = u8::from(line.ends_with("bad-header-digest"));
            let digest = crate::digest::crc32c_bytes(header);
            bytes.extend([digest[0] ^ changed, digest[1], digest[2], digest[3]]);
        }
        bytes.extend_from_slice(data);
        bytes.resize(bytes.len() + data.len().next_multiple_of(4) - data.len(), 0);
        if self.data_digest && !data.is_empty() {
            let changed = u8::from(line.ends_with("bad-data-digest"));
            let digest = crate::digest::padded_digest(data);
            bytes.extend([digest[0] ^ changed, digest[1], digest[2], digest[3]]);
        }
        let mut rest = bytes.as_slice();
        while !rest.is_empty() && !self.connection.is_closing() {
            let space = self.connection.receive_buffer();
            let len = space.len().min(rest.len());
            assert!(len > 0, "{place}: the connection accepts no input");
            space[..len].copy_from_slice(&rest[..len]);
            self.connection.received(len, self.now, &HeapBuffers);
            rest = &rest[len..];
        }
    }

    fn collect_output(&mut self) {
        while self.connection.has_output() {
            let mut slices = Slices::new();
            self.connection.pending_output(&mut slices);
            let part: Vec<u8> = slices.iter().flat_map(|slice| slice.to_vec()).collect();
            drop(slices);
            self.connection.sent(part.len(), &HeapBuffers);
            self.output.extend(part);
        }
    }

    /// The next PDU of the target: its header and its data, without padding and digests, which are checked.
    fn receive(&mut self) -> Option<Vec<u8>> {
        self.collect_output();
        if self.output.is_empty() {
            return None;
        }
        let mut take = |len: usize| self.output.drain(..len).collect::<Vec<u8>>();
        let header = take(48);
        if self.header_digest {
            assert_eq!(take(4), crate::digest::crc32c_bytes(&header), "header digest");
        }
        let len = usize::from(header[6]) << 8 | usize::from(header[7]);
        let data = take(len);
        assert!(take(len.next_multiple_of(4) - len).iter().all(|byte| *byte == 0), "padding");
        if self.data_digest && len > 0 {
            assert_eq!(take(4), crate::digest::padded_digest(&data), "data digest");
        }
        Some([header, data].concat())
    }

    fn next_event(&mut self) -> Option<String> {
        // Only for a record: transcripts show what initiators and devices get.
        let is_shown = |event: &ConnectionEvent| !matches!(event, ConnectionEvent::CommandRejected(_));
        let event = std::iter::from_fn(|| self.connection.next_event()).find(is_shown)?;
        let shown = show_event(&event);
        if let ConnectionEvent::Command(command) = event {
            self.running.insert(command.tag.0.try_into().unwrap(), command);
        }
        Some(shown)
    }

    fn act(&mut self, words: &[&str], place: &str) {
        let hex = |text: &str| u32::from_str_radix(text, 16).unwrap_or_else(|_| panic!("{place}: {text}"));
        let byte = |text: &str| u8::try_from(hex(text)).unwrap();
        match *words {
            ["accept", tsih] => self.connection.accept_login(u16::try_from(hex(tsih)).unwrap(), NexusId(1)),
            ["reject", status] => {
                let [.., class, detail] = hex(status).to_be_bytes();
                self.connection.reject_login(LoginStatus(class, detail));
            }
            ["done", tag, status, ..] => self.complete(hex(tag), byte(status), words),
            ["management", tag, response] => self.connection.task_management_done(hex(tag), byte(response)),
            ["logout"] => self.connection.finish_logout(),
            ["discard", tag] => {
                let command = self.running.remove(&hex(tag)).unwrap();
                self.connection.complete_command(command.abort(), &HeapBuffers);
            }
            ["clear", lun] => self.connection.clear_tasks(Some(u64::from(hex(lun)) << 48), &HeapBuffers),
            ["abort"] => self.connection.abort(&HeapBuffers),
            ["log-out-request", seconds] => self.connection.request_logout(u16::try_from(hex(seconds)).unwrap()),
            ["timeout", seconds] => {
                self.now += 1_000_000 * seconds.parse::<u64>().unwrap();
                self.connection.handle_timeout(self.now, &HeapBuffers);
            }
            _ => panic!("{place}: unknown action"),
        }
    }

    /// Completes a command as the device would. This is the only place that builds responses.
    fn complete(&mut self, tag: u32, status: u8, words: &[&str]) {
        let mut command = self.running.remove(&tag).unwrap_or_else(|| panic!("command {tag:x} does not run"));
        let number =
            |name: &str| words.iter().find_map(|word| word.strip_prefix(name)?.strip_prefix('=')?.parse().ok());
        let data = bytes(&section(words, "in"));
        let len = data.len().min(command.data.data_in_capacity);
        command.data.data_in[..len].copy_from_slice(&data[..len]);
        let sense = bytes(&section(words, "sense"));
        let completion = Completion {
            sense: (!sense.is_empty()).then(|| SenseBytes::truncated(&sense)),
            data_in: len,
            data_in_wanted: number("wanted").unwrap_or(data.len()),
            data_out: number("consumed").unwrap_or(command.data.data_out_len),
            data_out_missing: number("missing").unwrap_or(0),
            ..Completion::with_status(Status(status))
        };
        self.connection.complete_command(command.complete(completion), &HeapBuffers);
    }
}

/// An event as in a transcript.
fn show_event(event: &ConnectionEvent) -> String {
    match event {
        ConnectionEvent::Login(LoginRequest { initiator, target, isid, tsih, cid, discovery }) => {
            let isid: String = isid.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("login {initiator} target={target} isid={isid} tsih={tsih:x} cid={cid:x} discovery={discovery}")
        }
        ConnectionEvent::Command(command) => {
            let cdb: String = command.cdb.iter().map(|byte| format!("{byte:02x}")).collect();
            let out = show(&command.data.data_out[..command.data.data_out_len]);
            let (tag, lun, room) = (command.tag.0, command.lun, command.data.data_in_capacity);
            format!("command {tag:x} lun={lun:x} cdb={} in={room} out {out}", cdb.trim_end_matches('0')).trim().into()
        }
        ConnectionEvent::TaskManagement(TaskManagement { tag, function, lun, tasks }) => {
            let tasks: Vec<u64> = tasks.iter().map(|task| task.0).collect();
            format!("management {tag:x} {function:?} lun={lun:x} tasks={tasks:x?}")
        }
        ConnectionEvent::Logout => "logout".into(),
        ConnectionEvent::NopOut(_) => "nop out".into(),
        ConnectionEvent::CommandRejected(rejected) => format!("ended {:x}", rejected.tag.0),
        ConnectionEvent::LoginRejected(RejectedLogin { initiator, refusal, reason }) => {
            format!("rejected {:02x}{:02x} {initiator:?} {reason}", refusal.0, refusal.1).trim().into()
        }
    }
}

/// Bytes as words, with runs of four and more as `5a*8192`.
fn show(bytes: &[u8]) -> String {
    let runs = bytes.chunk_by(|a, b| a == b);
    let words = runs.flat_map(|run| match run.len() {
        1..4 => vec![format!("{:02x}", run[0]); run.len()],
        len => vec![format!("{:02x}*{len}", run[0])],
    });
    words.collect::<Vec<_>>().join(" ")
}

fn join((header, data): &(Vec<u8>, Vec<u8>)) -> Vec<u8> {
    [header.as_slice(), data].concat()
}

/// The words after `name`, up to the name of another section.
fn section<'a>(words: &[&'a str], name: &str) -> Vec<&'a str> {
    let is_name =
        |word: &&&str| !["text", "data", "in", "sense", "bad-data-digest", "bad-header-digest"].contains(word);
    words.iter().skip_while(|word| **word != name).skip(1).take_while(is_name).copied().collect()
}

fn bytes(words: &[&str]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for word in words {
        append_word(&mut bytes, word).unwrap_or_else(|| panic!("{word}"));
    }
    bytes
}

/// The header and the data of a PDU.
fn parse(line: &str, immediate: u8) -> (Vec<u8>, Vec<u8>) {
    let words: Vec<&str> = line.split_whitespace().collect();
    let opcode = PDUS.iter().find(|(name, _)| *name == words[0]).unwrap_or_else(|| panic!("{line}: unknown PDU")).1;
    let text = section(&words, "text").iter().flat_map(|pair| [pair.as_bytes(), &[0]].concat()).collect();
    let data: Vec<u8> = [text, bytes(&section(&words, "data"))].concat();
    let mut header = vec![0; 48];
    header[0] = opcode | immediate;
    header[5..8].copy_from_slice(&u32::try_from(data.len()).unwrap().to_be_bytes()[1..]);
    let is_field = |word: &&&str| !["text", "data", "bad-data-digest", "bad-header-digest"].contains(*word);
    for word in words.iter().skip(1).take_while(is_field) {
        let (name, value) = word.split_once('=').unwrap_or_else(|| panic!("{line}: {word}"));
        let field = FIELDS.iter().find(|(field, ..)| *field == name);
        let (_, at, len) = *field.unwrap_or_else(|| panic!("{line}: unknown field {name}"));
        let digits = if name == "cdb" { format!("{value:0<32}") } else { format!("{value:0>width$}", width = 2 * len) };
        for (index, slot) in header[at..at + len].iter_mut().enumerate() {
            *slot = u8::from_str_radix(&digits[2 * index..2 * index + 2], 16).unwrap();
        }
    }
    (header, data)
}
