//! The initiator against the state machine of the target in memory, and against recorded bytes of a target that breaks
//! the protocol.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::cast_possible_truncation,
    reason = "a test that cannot continue has failed"
)]

use super::*;
use iscsi::buffers::HeapBuffers;
use iscsi::config::{ConnectionLimits, Credentials, Secret, TargetConfig};
use iscsi::connection::{self, Connection, ConnectionEvent};
use scsi_core::fault::Completion;
use scsi_core::nexus::NexusId;
use scsi_core::sense::SenseBytes;
use scsi_core::status::Status;
use scsi_core::target::Command;
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

/// Status, sense and data-in of a command.
type DeviceResponse = (u8, Vec<u8>, Vec<u8>);

/// A connection to a target in the same thread. A read after the last byte of the target is an end of file.
struct Loopback {
    connection: Connection,
    /// The device: executes each command, given its CDB and its data-out.
    device: fn(&[u8], &[u8]) -> DeviceResponse,
    received: VecDeque<u8>,
    /// All bytes that the initiator has sent.
    sent: Vec<u8>,
    /// The idle timer of the target expires before the next command runs.
    idle: bool,
}

impl Loopback {
    fn new(config: TargetConfig, device: fn(&[u8], &[u8]) -> DeviceResponse) -> Self {
        let connection = Connection::new(Arc::new(config), "192.0.2.1:3260".into(), [7; 32], 0);
        Self { connection, device, received: VecDeque::new(), sent: Vec::new(), idle: false }
    }

    fn handle_events(&mut self) {
        while let Some(event) = self.connection.next_event() {
            match event {
                ConnectionEvent::Login(_) => self.connection.accept_login(0x4321, NexusId(1)),
                ConnectionEvent::Command(command) => self.run(command),
                ConnectionEvent::TaskManagement(request) => self.connection.task_management_done(request.tag, 2),
                ConnectionEvent::Logout => self.connection.finish_logout(),
                ConnectionEvent::NopOut(request) => self.connection.respond_nop_out(request, &HeapBuffers),
                ConnectionEvent::LoginRejected(_) | ConnectionEvent::CommandRejected(_) => {}
            }
        }
        while self.connection.has_output() {
            let mut slices = connection::Slices::new();
            self.connection.pending_output(&mut slices);
            let bytes: Vec<u8> = slices.iter().flat_map(|slice| slice.to_vec()).collect();
            drop(slices);
            self.connection.sent(bytes.len(), &HeapBuffers);
            self.received.extend(bytes);
        }
    }

    /// Runs a command. This is the only place that builds responses of the device.
    fn run(&mut self, mut command: Command) {
        if self.idle {
            self.connection.handle_timeout(30_000_000, &HeapBuffers);
        }
        let (status, sense, data) = (self.device)(&command.cdb, &command.data.data_out[..command.data.data_out_len]);
        let len = data.len().min(command.data.data_in_capacity);
        command.data.data_in[..len].copy_from_slice(&data[..len]);
        let completion = Completion {
            sense: (!sense.is_empty()).then(|| SenseBytes::truncated(&sense)),
            data_in: len,
            data_in_wanted: data.len(),
            data_out: command.data.data_out_len,
            ..Completion::with_status(Status(status))
        };
        self.connection.complete_command(command.complete(completion), &HeapBuffers);
    }
}

impl Read for Loopback {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.handle_events();
        self.received.read(buffer)
    }
}

impl Write for Loopback {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let space = self.connection.receive_buffer();
        let len = space.len().min(bytes.len());
        space[..len].copy_from_slice(&bytes[..len]);
        self.sent.extend(&bytes[..len]);
        self.connection.received(len, 0, &HeapBuffers);
        self.handle_events();
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A target with small bursts: FirstBurstLength 1024, MaxBurstLength 2048, MaxRecvDataSegmentLength 512.
fn config() -> TargetConfig {
    let limits = ConnectionLimits::default().with_max_recv_segment(512).with_bursts(1024, 2048);
    TargetConfig::new("iqn.t", "alias").with_limits(limits)
}

fn with_chap(mutual: bool) -> TargetConfig {
    let credentials = |name: &str, secret: &str| Credentials::new(name, Secret(secret.into()));
    config()
        .with_users(vec![credentials("user", "secret-of-user")])
        .with_mutual(mutual.then(|| credentials("target", "secret-of-target")))
}

/// A device that checks the data of WRITE(6) and returns numbered bytes for READ(6); other commands fail.
fn tape(cdb: &[u8], data_out: &[u8]) -> DeviceResponse {
    match cdb {
        [0x0a, _, a, b, c, ..] => {
            let expected = u32::from_be_bytes([0, *a, *b, *c]) as usize;
            let is_right = data_out == numbered(expected);
            if is_right { (0, vec![], vec![]) } else { (2, vec![0x70, 0, 0x0e], vec![]) }
        }
        [0x08, _, a, b, c, ..] => (0, vec![], numbered(u32::from_be_bytes([0, *a, *b, *c]) as usize)),
        [0xff, ..] => {
            let sense = vec![0xf0, 0, 0x20, 0xff, 0xff, 0xff, 0xfd, 10, 0, 0, 0, 0, 0x11, 0x22, 0, 0, 0, 0];
            (2, sense, numbered(8))
        }
        [0xfe, ..] => (0x18, vec![], vec![]),
        _ => (0, vec![], vec![]),
    }
}

fn numbered(len: usize) -> Vec<u8> {
    (0..len).map(|number| (number % 251) as u8).collect()
}

fn session(config: TargetConfig, options: Options) -> Result<Initiator<Loopback>, Error> {
    let mut session = Initiator::over(Loopback::new(config, tape), options);
    session.log_in("iqn.t")?;
    Ok(session)
}

#[test]
fn login_records_the_negotiated_parameters() {
    let session = session(config(), Options::default()).unwrap();
    assert_eq!((session.tsih, session.first_burst, session.max_send), (0x4321, 1024, 512));
    assert_eq!((session.cmd_sn(), session.window()), (1, 32));
}

/// Immediate data up to MaxRecvDataSegmentLength of the target, then what its R2Ts request, in segments.
#[test]
fn data_out_arrives_complete() {
    for (header_digest, data_digest, immediate) in
        [(false, false, true), (false, false, false), (true, false, true), (false, true, true), (true, true, false)]
    {
        let options = Options { header_digest, data_digest, immediate, ..Options::default() };
        let mut session = session(config(), options).unwrap();
        for len in [0, 1, 511, 512, 513, 1024, 1025, 2048, 5000, 10_001] {
            let [_, a, b, c] = u32::try_from(len).unwrap().to_be_bytes();
            let reply = session.command(1, &[0x0a, 0, a, b, c, 0], Transfer::Out(&numbered(len))).unwrap();
            assert_eq!(reply, CommandResponse::default(), "{len} bytes, immediate {immediate}");
        }
    }
}

#[test]
fn data_in_arrives_complete() {
    for (header_digest, data_digest) in [(false, false), (true, false), (false, true), (true, true)] {
        let options = Options { header_digest, data_digest, max_recv: 512, ..Options::default() };
        let mut session = session(config(), options).unwrap();
        for len in [1, 512, 513, 2048, 2049, 10_001] {
            let [_, a, b, c] = u32::try_from(len).unwrap().to_be_bytes();
            let reply = session.command(1, &[0x08, 0, a, b, c, 0], Transfer::In(len)).unwrap();
            assert_eq!((reply.status, reply.residual, reply.data), (0, 0, numbered(len)));
        }
    }
}

#[test]
fn residuals_status_and_sense() {
    let mut session = session(config(), Options::default()).unwrap();
    let mut run = |cdb: &[u8], transfer| session.command(0, cdb, transfer).unwrap();
    let short = run(&[0x08, 0, 0, 0, 5, 0], Transfer::In(8));
    assert_eq!((short.residual, short.data), (3, numbered(5)));
    let long = run(&[0x08, 0, 0, 0, 20, 0], Transfer::In(8));
    assert_eq!((long.residual, long.data), (-12, numbered(8)));
    let failed = run(&[0xff], Transfer::In(8));
    assert_eq!((failed.status, failed.data.len(), failed.sense.len()), (2, 8, 18));
    assert_eq!((failed.sense_codes(), failed.information()), (Some((0, 0x11, 0x22)), Some(-3)));
    let conflict = run(&[0xfe], Transfer::None);
    assert_eq!((conflict.status, conflict.sense_codes(), conflict.information()), (0x18, None, None));
}

/// INFORMATION is negative only with ILI.
#[test]
fn information_is_negative_only_with_ili() {
    let sense = vec![0xf0, 0, 0x80, 0xff, 0xff, 0xff, 0xfe, 10, 0, 0, 0, 0, 0, 1];
    let reply = CommandResponse { status: 2, sense, ..CommandResponse::default() };
    assert_eq!((reply.information(), reply.sense_codes()), (Some(0xffff_fffe), Some((0, 0, 1))));
    let sense = vec![0x70, 0, 0x03, 0, 0, 0, 1, 10, 0, 0, 0, 0, 0x11, 0];
    assert_eq!(CommandResponse { sense, ..reply }.information(), None);
}

#[test]
fn commands_in_flight_end_in_any_order() {
    let mut session = session(config(), Options::default()).unwrap();
    let first = session.start(0, &[0x08, 0, 0, 0, 4, 0], Transfer::In(4)).unwrap();
    let second = session.start(1, &[0x0a, 0, 0, 0, 6, 0], Transfer::Out(&numbered(6))).unwrap();
    assert_ne!(first, second);
    assert_eq!(session.finish(first, Transfer::In(4)).unwrap().data, numbered(4));
    assert_eq!(session.finish(second, Transfer::Out(&numbered(6))).unwrap().status, 0);
}

#[test]
fn cdbs_of_more_than_sixteen_bytes() {
    for digests in [false, true] {
        let options = Options { header_digest: digests, ..Options::default() };
        let returns_cdb = Loopback::new(config(), |cdb, _| (0, Vec::new(), cdb.to_vec()));
        let mut session = Initiator::over(returns_cdb, options);
        session.log_in("iqn.t").unwrap();
        for len in [16, 17, 20, 32, 260] {
            let cdb = numbered(len);
            assert_eq!(session.command(0, &cdb, Transfer::In(300)).unwrap().data, cdb, "{len}");
        }
        let error = session.command(0, &numbered(261), Transfer::None).unwrap_err();
        assert_eq!(error.to_string(), "a CDB has at most 260 bytes, not 261");
    }
    let mut session = session(config(), Options::default()).unwrap();
    let before = session.stream().sent.len();
    session.command(0, &numbered(18), Transfer::None).unwrap();
    let pdu = &session.stream().sent[before..];
    // TotalAHSLength of two words; AHSLength 3, AHSType 1, two bytes of the CDB and two of padding.
    assert_eq!((pdu.len(), pdu[4], &pdu[48..]), (56, 2, &[0, 3, 1, 0, 16, 17, 0, 0][..]));
}

#[test]
fn chap_in_both_directions() {
    let chap = |secret: &str| Some(("user".to_owned(), secret.to_owned()));
    let options = Options { chap: chap("secret-of-user"), ..Options::default() };
    let mutual = |secret: &str| Options { mutual: Some(secret.into()), ..options.clone() };
    assert!(session(with_chap(false), options.clone()).is_ok());
    assert!(session(with_chap(true), options.clone()).is_ok());
    assert!(session(with_chap(true), mutual("secret-of-target")).is_ok());
    let error = |config, options| session(config, options).err().unwrap().to_string();
    let wrong = Options { chap: chap("secret-of-other"), ..Options::default() };
    assert_eq!(error(with_chap(false), wrong), "login refused: 0201");
    assert_eq!(error(with_chap(false), Options::default()), "login refused: 0201");
    assert_eq!(error(with_chap(false), mutual("secret-of-target")), "login refused: 0201");
    assert_eq!(error(with_chap(true), mutual("wrong")), "mutual CHAP: the response of the target is wrong");
    // The target offers no CHAP.
    assert_eq!(error(config(), options.clone()), "login refused: 0201");
}

#[test]
fn debug_output_hides_secrets() {
    let options = Options {
        chap: Some(("user".into(), "secret-1".into())),
        mutual: Some("secret-2".into()),
        ..Options::default()
    };
    let text = format!("{options:?}");
    assert!(text.contains("user") && !text.contains("secret-"), "{text}");
}

#[test]
fn challenges_differ() {
    let challenge = || {
        let options = Options {
            chap: Some(("user".into(), "secret-of-user".into())),
            mutual: Some("secret-of-target".into()),
            ..Options::default()
        };
        let mut session = Initiator::over(Loopback::new(with_chap(true), tape), options);
        session.log_in("iqn.t").unwrap();
        let sent = String::from_utf8_lossy(&session.stream().sent).into_owned();
        sent.split("CHAP_C=").nth(1).unwrap().split('\0').next().unwrap().to_owned()
    };
    let (first, second) = (challenge(), challenge());
    assert_eq!((first.len(), second.len()), (34, 34), "{first}");
    assert_ne!(first, second);
}

#[test]
fn unknown_target_is_refused() {
    let mut session = Initiator::over(Loopback::new(config(), tape), Options::default());
    assert_eq!(session.log_in("iqn.x").unwrap_err().to_string(), "login refused: 0203");
}

#[test]
fn discovery_lists_all_targets() {
    let config = config().with_names(vec!["iqn.t".into(), "iqn.u".into()]);
    let mut session = Initiator::over(Loopback::new(config, tape), Options::default());
    let address = "TargetAddress=192.0.2.1:3260,1";
    assert_eq!(session.send_targets().unwrap(), ["TargetName=iqn.t", address, "TargetName=iqn.u", address]);
}

#[test]
fn ping_task_management_text_and_logout() {
    let mut session = session(config(), Options::default()).unwrap();
    session.ping(b"").unwrap();
    session.ping(&numbered(300)).unwrap();
    assert_eq!(session.task_management(5, 1, u32::MAX).unwrap(), 2);
    assert_eq!(session.task_management(3, 1, u32::MAX).unwrap(), 5);
    assert_eq!(session.text(b"X-a=1\0").unwrap(), b"X-a=NotUnderstood\0");
    assert_eq!(session.cmd_sn(), 4);
    session.logout().unwrap();
}

/// The target sends a NOP-In during a long command. It gets its answer, so its timer does not expire.
#[test]
fn nop_in_is_answered() {
    let mut session = session(config(), Options::default()).unwrap();
    session.stream.idle = true;
    assert_eq!(session.command(0, &[0x00], Transfer::None).unwrap().status, 0);
    // The answer was received at time 0, so the next timeout is 30 s later and a second NOP-In follows.
    assert_eq!(session.stream.connection.deadline(), 30_000_000);
    assert_eq!(session.command(0, &[0x00], Transfer::None).unwrap().status, 0);
}

/// A stream with the recorded output of a target; the bytes that the initiator sends are recorded.
#[derive(Default)]
struct Recorded {
    output: VecDeque<u8>,
    sent: Vec<u8>,
    /// Before the output has this many bytes left, a read reaches its timeout.
    silences: Vec<usize>,
}

impl Read for Recorded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.silences.last() == Some(&self.output.len()) {
            self.silences.pop();
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.output.read(buffer)
    }
}

impl Write for Recorded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.sent.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A PDU of the target: opcode and flags, then bytes at offsets of the header, then the data.
fn pdu(opcode: u8, flags: u8, fields: &[(usize, &[u8])], data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 48];
    (bytes[0], bytes[1], bytes[7]) = (opcode, flags, u8::try_from(data.len()).unwrap());
    for (at, value) in fields {
        bytes[*at..at + value.len()].copy_from_slice(value);
    }
    bytes.extend_from_slice(data);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// An initiator whose target accepts the login (StatSN 0) and then sends these bytes.
fn after_login(options: Options, pdus: &[Vec<u8>]) -> Initiator<Recorded> {
    let keys = b"FirstBurstLength=512\0MaxRecvDataSegmentLength=512\0";
    let login = pdu(0x23, 0x87, &[(32, &[0, 0, 0, 9])], keys);
    let output: VecDeque<u8> = [login, pdus.concat()].concat().into();
    let mut session = Initiator::over(Recorded { output, ..Recorded::default() }, options);
    session.log_in("iqn.t").unwrap();
    session.stream.sent.clear();
    session
}

/// The error of a READ(6) of 8 bytes with Initiator Task Tag 1, if the target sends these bytes. StatSN 1 is next.
fn read_error(pdus: &[Vec<u8>]) -> String {
    let mut session = after_login(Options { max_recv: 100, ..Options::default() }, pdus);
    session.command(0, &[0x08, 0, 0, 0, 8, 0], Transfer::In(8)).unwrap_err().to_string()
}

const TAG: (usize, &[u8]) = (16, &[0, 0, 0, 1]);
const STAT_SN: (usize, &[u8]) = (24, &[0, 0, 0, 1]);

#[test]
fn protocol_violations_are_errors() {
    let response = pdu(0x21, 0x80, &[TAG, STAT_SN], b"");
    assert_eq!(after_login(Options::default(), &[response]).command(0, &[0], Transfer::None).unwrap().status, 0);
    let cases: [(Vec<u8>, &str); 8] = [
        (pdu(0x21, 0x80, &[TAG, (24, &[0, 0, 0, 2])], b""), "StatSN 2, expected 1"),
        (pdu(0x21, 0x80, &[(16, &[0, 0, 0, 7]), STAT_SN], b""), "unexpected tag 7, expected 1: Opcode(33)"),
        (
            pdu(0x25, 0x80, &[TAG, (40, &[0, 0, 0, 4])], b"data"),
            "the buffer offset of a Data-In is not the end of the previous one",
        ),
        (pdu(0x31, 0x80, &[TAG, (44, &[0, 0, 0, 1])], b""), "an R2T requests data beyond the Data-Out"),
        (pdu(0x31, 0x80, &[TAG, (40, &[0xff; 8])], b""), "an R2T requests data beyond the Data-Out"),
        (pdu(0x26, 0x80, &[TAG, STAT_SN], b""), "unexpected Opcode(38)"),
        (pdu(0x25, 0x80, &[TAG], &[0; 104]), "a data segment is longer than the declared MaxRecvDataSegmentLength"),
        (vec![0x21; 20], "failed to fill whole buffer"),
    ];
    for (bytes, error) in cases {
        assert_eq!(read_error(&[bytes]), error);
    }
}

#[test]
fn wrong_digests_are_errors() {
    let header = pdu(0x25, 0x81, &[TAG, STAT_SN], b"");
    let mut with_data = pdu(0x25, 0x81, &[TAG, STAT_SN], b"data");
    let options = Options { header_digest: true, ..Options::default() };
    let mut session = after_login(options, &[header, vec![1, 2, 3, 4]]);
    let error = session.command(0, &[0x08], Transfer::In(4)).unwrap_err();
    assert_eq!(error.to_string(), "the header digest of a PDU is wrong");
    with_data.extend_from_slice(&[1, 2, 3, 4]);
    let options = Options { data_digest: true, ..Options::default() };
    let error = after_login(options, &[with_data]).command(0, &[0x08], Transfer::In(4)).unwrap_err();
    assert_eq!(error.to_string(), "the data digest of a PDU is wrong");
}

#[test]
fn wrong_responses_are_errors() {
    let other = || [pdu(0x3f, 0x80, &[STAT_SN], b"")];
    let session = || after_login(Options::default(), &other());
    assert_eq!(session().text(b"").unwrap_err().to_string(), "the response is not a Text Response");
    assert_eq!(
        session().ping(b"x").unwrap_err().to_string(),
        "the response is not a NOP-In with the data of the NOP-Out"
    );
    assert_eq!(session().logout().unwrap_err().to_string(), "the response is not a Logout Response");
    let mut session = after_login(Options::default(), &[pdu(0x3f, 0x80, &[TAG, STAT_SN], b"")]);
    assert_eq!(
        session.task_management(5, 0, 0).unwrap_err().to_string(),
        "the response is not a Task Management Function Response"
    );
    let output = pdu(0x20, 0x80, &[], b"").into();
    let mut session = Initiator::over(Recorded { output, ..Recorded::default() }, Options::default());
    assert_eq!(session.log_in("iqn.t").unwrap_err().to_string(), "login refused: 0000");
}

/// The bytes of a SCSI command with immediate data, and of the answer to a NOP-In.
#[test]
fn sent_pdus_as_bytes() {
    let ask = pdu(0x20, 0x80, &[(16, &[0xff; 4]), (20, &[0, 0, 0, 5]), STAT_SN], b"");
    let no_answer = pdu(0x20, 0x80, &[(16, &[0xff; 8]), STAT_SN], b"");
    let response = pdu(0x21, 0x80, &[TAG, STAT_SN], b"");
    let mut session = after_login(Options::default(), &[ask, no_answer, response]);
    session.command(2, &[0x0a, 0, 0, 0, 3], Transfer::Out(b"abc")).unwrap();
    let fields: [(usize, &[u8]); 7] = [
        (8, &[0, 2]),
        (16, &[0, 0, 0, 1]),
        (20, &[0, 0, 0, 3]),
        (24, &[0, 0, 0, 1]),
        (28, &[0, 0, 0, 1]),
        (32, &[0x0a, 0, 0, 0, 3]),
        (44, &[0, 0, 0, 0]),
    ];
    let command = pdu(0x01, 0xa1, &fields, b"abc");
    let answer_fields: [(usize, &[u8]); 4] =
        [(16, &[0xff; 4]), (20, &[0, 0, 0, 5]), (24, &[0, 0, 0, 2]), (28, &[0, 0, 0, 1])];
    assert_eq!(session.stream.sent, [command, pdu(0x40, 0x80, &answer_fields, b"")].concat());
}

/// The target needs long for a command: the initiator sends a NOP-Out meanwhile.
#[test]
fn pings_during_a_long_command() {
    let nop_in = pdu(0x20, 0x80, &[(16, &[0, 0, 0, 2]), (20, &[0xff; 4]), STAT_SN], b"");
    let response = pdu(0x21, 0x80, &[TAG, (24, &[0, 0, 0, 2])], b"");
    let mut session = after_login(Options::default(), &[nop_in, response]);
    session.stream.silences = vec![48, 96, 96];
    let tag = session.start(0, &[0; 6], Transfer::None).unwrap();
    session.stream.sent.clear();
    let mut periods = Vec::new();
    let ended = session.finish_while(tag, Transfer::None, |session, period| {
        periods.push(period);
        if period == 2 { session.send_ping(b"") } else { Ok(()) }
    });
    assert_eq!((ended.unwrap().status, periods), (0, vec![1, 2, 1]));
    let fields: [(usize, &[u8]); 4] = [(16, &[0, 0, 0, 2]), (20, &[0xff; 4]), (24, &[0, 0, 0, 2]), (28, &[0, 0, 0, 1])];
    assert_eq!(session.stream.sent, pdu(0x00, 0x80, &fields, b""));
}

/// A command without response is aborted. What the target sent for it before is dropped.
#[test]
fn commands_without_response_are_aborted() {
    let late = pdu(0x31, 0x80, &[TAG, (20, &[0, 0, 0, 9]), (44, &[0, 0, 0, 3])], b"");
    let response = pdu(0x22, 0x80, &[(16, &[0, 0, 0, 2]), STAT_SN], b"");
    let mut session = after_login(Options::default(), &[late, response]);
    session.stream.silences = vec![96];
    let tag = session.start(2, &[0; 6], Transfer::None).unwrap();
    session.stream.sent.clear();
    let error = session.finish(tag, Transfer::None).unwrap_err();
    assert_eq!(error.downcast_ref(), Some(&NoResponse));
    assert_eq!(session.task_management(1, 2, tag).unwrap(), 0);
    // RefCmdSN is that of the command, CmdSN the next one.
    let fields: [(usize, &[u8]); 6] = [
        (8, &[0, 2]),
        (16, &[0, 0, 0, 2]),
        (20, &[0, 0, 0, 1]),
        (24, &[0, 0, 0, 2]),
        (28, &[0, 0, 0, 1]),
        (32, &[0, 0, 0, 1]),
    ];
    assert_eq!(session.stream.sent, pdu(0x42, 0x81, &fields, b""));
}
