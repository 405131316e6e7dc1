//! Tests of the state machine in virtual time.

mod buffer_tests;
mod command_tests;
mod data_transcripts;
mod login_transcripts;
mod session_transcripts;
mod transcript;

use super::*;
use crate::buffers::HeapBuffers;
use crate::config::AdvertisedAddress;
use crate::testing::{complete, complete_all, login_pdu, login_pdu_with, target};
use crate::wire::{BHS, Opcode, as_layout};
use scsi_core::target::TaskAttribute;

fn connection() -> Connection {
    Connection::new(Arc::new(target()), "127.0.0.1:3260".into(), [3; 32], 0)
}

fn feed(connection: &mut Connection, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        let space = connection.receive_buffer();
        let len = space.len().min(bytes.len());
        assert!(len > 0, "the connection accepts no more input");
        space[..len].copy_from_slice(&bytes[..len]);
        connection.received(len, 0, &HeapBuffers);
        bytes = &bytes[len..];
    }
}

/// Returns all output of the connection, as headers with their data.
fn sent(connection: &mut Connection) -> Vec<(wire::TargetHeader, Vec<u8>)> {
    sent_from(connection, &HeapBuffers)
}

fn sent_from(connection: &mut Connection, buffers: &dyn BufferSource) -> Vec<(wire::TargetHeader, Vec<u8>)> {
    let mut bytes = Vec::new();
    while connection.has_output() {
        let mut slices = Slices::new();
        connection.pending_output(&mut slices);
        let part: Vec<u8> = slices.iter().flat_map(|slice| slice.to_vec()).collect();
        drop(slices);
        connection.sent(part.len(), buffers);
        bytes.extend(part);
    }
    let mut pdus = Vec::new();
    while !bytes.is_empty() {
        let header: [u8; BHS] = bytes[..BHS].try_into().unwrap();
        let len = as_layout::<BasicHeader>(&header).data_len();
        pdus.push((as_layout(&header), bytes[BHS..BHS + len].to_vec()));
        bytes.drain(..BHS + len.next_multiple_of(4));
    }
    pdus
}

use crate::wire;

fn logged_in() -> Connection {
    let mut connection = connection();
    feed(&mut connection, &login_pdu());
    complete_all(&mut connection);
    assert!(connection.is_full_feature());
    sent(&mut connection);
    connection
}

fn command(number: u32, tag: u32, flags: u8, expected: u32, data: &[u8]) -> Vec<u8> {
    let mut header: wire::ScsiCommand = wire::with_opcode(Opcode::COMMAND);
    (header.flags, header.itt, header.cmd_sn) = (flags, tag.into(), number.into());
    header.expected_length = expected.into();
    wire::set_data_length(&mut header.data_length, data.len());
    let mut bytes = zerocopy::IntoBytes::as_bytes(&header).to_vec();
    bytes.extend_from_slice(data);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

const READ: u8 = 0x80 | 0x40;
const WRITE: u8 = 0x80 | 0x20;

#[test]
fn login_times_out() {
    let mut connection = connection();
    feed(&mut connection, &login_pdu()[..20]);
    assert_eq!(connection.deadline(), 30_000_000);
    connection.handle_timeout(29_999_999, &HeapBuffers);
    assert!(!connection.is_closing());
    connection.handle_timeout(30_000_000, &HeapBuffers);
    assert!(connection.is_closing());
}

#[test]
fn slow_login_times_out_at_the_same_time() {
    let mut connection = connection();
    let mut now = 0;
    for byte in &login_pdu()[..30] {
        now += 999_999;
        connection.receive_buffer()[0] = *byte;
        connection.received(1, now, &HeapBuffers);
        connection.handle_timeout(now, &HeapBuffers);
        assert!(!connection.is_closing());
    }
    connection.handle_timeout(30_000_000, &HeapBuffers);
    assert!(connection.is_closing());
}

#[test]
fn idle_initiator_gets_one_nop_in_then_times_out() {
    let mut connection = logged_in();
    connection.handle_timeout(30_000_000, &HeapBuffers);
    let ping = sent(&mut connection);
    assert_eq!((ping[0].0.opcode, ping[0].0.itt.get()), (0x20, 0xffff_ffff));
    assert_eq!(connection.deadline(), 60_000_000);
    connection.handle_timeout(60_000_000, &HeapBuffers);
    assert!(connection.is_closing() && !connection.has_output());
}

#[test]
fn commands_run_in_cmdsn_order() {
    let mut connection = logged_in();
    feed(&mut connection, &command(2, 22, READ, 4, b""));
    feed(&mut connection, &command(1, 11, READ, 4, b""));
    assert!(connection.next_event().is_none());
    feed(&mut connection, &command(0, 10, READ, 4, b""));
    let mut tasks = Vec::new();
    while let Some(ConnectionEvent::Command(command)) = connection.next_event() {
        tasks.push(command.tag.0);
    }
    assert_eq!(tasks, [10, 11, 22]);
    // A duplicate CmdSN is dropped without a response.
    feed(&mut connection, &command(1, 99, READ, 4, b""));
    assert!(connection.next_event().is_none() && !connection.has_output());
}

#[test]
fn read_after_write_waits_for_write_data() {
    let mut connection = logged_in();
    feed(&mut connection, &command(0, 1, WRITE, 12_000, &[1; 1000]));
    feed(&mut connection, &command(1, 2, READ, 4, b""));
    assert!(connection.next_event().is_none());
    let r2ts = sent(&mut connection);
    assert_eq!((r2ts[0].0.opcode, r2ts[0].0.word_40.get(), r2ts[0].0.word_44.get()), (0x31, 1000, 8192));
    let mut data: wire::DataOut = wire::with_opcode(Opcode::DATA_OUT);
    (data.flags, data.itt, data.ttt, data.buffer_offset) = (0x80, 1.into(), r2ts[0].0.ttt, 1000.into());
    wire::set_data_length(&mut data.data_length, 8192);
    feed(&mut connection, zerocopy::IntoBytes::as_bytes(&data));
    feed(&mut connection, &[2; 8192]);
    let r2ts = sent(&mut connection);
    assert_eq!((r2ts[0].0.word_36.get(), r2ts[0].0.word_40.get(), r2ts[0].0.word_44.get()), (1, 9192, 2808));
    (data.ttt, data.buffer_offset) = (r2ts[0].0.ttt, 9192.into());
    wire::set_data_length(&mut data.data_length, 2808);
    feed(&mut connection, zerocopy::IntoBytes::as_bytes(&data));
    feed(&mut connection, &[3; 2808]);
    let Some(ConnectionEvent::Command(write)) = connection.next_event() else { panic!("no write") };
    assert_eq!((write.tag, write.data.data_out_len), (Tag(1), 12_000));
    let data = &write.data.data_out;
    assert_eq!((data[999], data[1000], data[11_999]), (1, 2, 3));
    assert!(matches!(connection.next_event(), Some(ConnectionEvent::Command(read)) if read.tag == Tag(2)));
}

#[test]
fn out_of_order_data_fails_only_the_command() {
    let mut connection = logged_in();
    feed(&mut connection, &command(0, 1, WRITE, 4000, b""));
    let r2ts = sent(&mut connection);
    let mut data: wire::DataOut = wire::with_opcode(Opcode::DATA_OUT);
    (data.flags, data.itt, data.ttt, data.buffer_offset) = (0x80, 1.into(), r2ts[0].0.ttt, 8.into());
    wire::set_data_length(&mut data.data_length, 3992);
    feed(&mut connection, zerocopy::IntoBytes::as_bytes(&data));
    feed(&mut connection, &[0; 3992]);
    let response = sent(&mut connection);
    let sense = &response[0].1;
    assert_eq!((response[0].0.opcode, sense[4], sense[14], sense[15]), (0x21, 0x0b, 0x0c, 0x0d));
    assert!(matches!(connection.next_event(), Some(ConnectionEvent::CommandRejected(_))));
    assert!(connection.next_event().is_none() && connection.is_full_feature());
}

#[test]
fn command_window_closes_while_commands_run() {
    let mut connection = logged_in();
    for number in 0..32 {
        feed(&mut connection, &command(number, 100 + number, READ, 4, b""));
    }
    let mut nop: wire::RequestHeader = wire::with_opcode(Opcode(0x40));
    (nop.flags, nop.itt, nop.ttt, nop.cmd_sn) = (0x80, 7.into(), 0xffff_ffff.into(), 32.into());
    feed(&mut connection, zerocopy::IntoBytes::as_bytes(&nop));
    let answers = sent(&mut connection);
    assert_eq!((answers[0].0.exp_cmd_sn.get(), answers[0].0.max_cmd_sn.get()), (32, 31));
    complete_all(&mut connection);
    let answers = sent(&mut connection);
    assert_eq!(answers.last().unwrap().0.max_cmd_sn.get(), 63);
}

#[test]
fn aborted_task_gets_no_response() {
    let mut connection = logged_in();
    feed(&mut connection, &command(0, 1, READ, 4, b""));
    let Some(ConnectionEvent::Command(running)) = connection.next_event() else { panic!("no command") };
    let mut abort: wire::TaskManagement = wire::with_opcode(Opcode(0x42));
    (abort.flags, abort.itt, abort.referenced_tag, abort.cmd_sn) = (0x81, 2.into(), 1.into(), 1.into());
    feed(&mut connection, zerocopy::IntoBytes::as_bytes(&abort));
    let Some(ConnectionEvent::TaskManagement(request)) = connection.next_event() else { panic!("no task management") };
    assert_eq!((request.function, request.tasks), (TaskFunction::AbortTask, vec![Tag(1)]));
    connection.complete_command(complete(running), &HeapBuffers);
    assert!(!connection.has_output());
    connection.task_management_done(request.tag, 0);
    assert_eq!(sent(&mut connection)[0].0.opcode, 0x22);
}

#[test]
fn logout_applies_to_the_named_connection() {
    let mut connection = logged_in();
    let mut logout = |number: u32, cid: u32| {
        let mut request: wire::RequestHeader = wire::with_opcode(Opcode::LOGOUT);
        (request.flags, request.itt, request.ttt, request.cmd_sn) = (0x81, 5.into(), (cid << 16).into(), number.into());
        feed(&mut connection, zerocopy::IntoBytes::as_bytes(&request));
        let requested = matches!(connection.next_event(), Some(ConnectionEvent::Logout));
        // The logout response is sent after the owner has ended the session.
        assert!(!requested || (!connection.has_output() && connection.is_full_feature()));
        connection.finish_logout();
        (requested, sent(&mut connection)[0].0.response, connection.is_full_feature())
    };
    assert_eq!(logout(0, 7), (false, 1, true));
    assert_eq!(logout(1, 0), (true, 0, false));
}

#[test]
fn rejected_login_has_a_reason() {
    let mut connection = connection();
    feed(&mut connection, &login_pdu_with(&[("InitiatorName", "iqn.a\u{7}b"), ("TargetName", "iqn.t")]));
    let Some(ConnectionEvent::LoginRejected(refused)) = connection.next_event() else { panic!("no event") };
    assert_eq!((refused.initiator.as_str(), refused.refusal.0, refused.refusal.1), ("", 2, 0));
    assert!(refused.reason.contains(r#"InitiatorName: "iqn.a\u{7}b" has a character"#), "{}", refused.reason);
    let bytes = sent(&mut connection);
    assert_eq!((bytes[0].0.opcode, connection.is_closing()), (0x23, true));
}

#[test]
fn long_target_list_is_split_into_segments() {
    let names: Vec<String> = (0..60).map(|number| format!("iqn.t:{number}")).collect();
    let config = TargetConfig { names: names.clone(), ..target() };
    let mut connection = Connection::new(Arc::new(config), "127.0.0.1:3260".into(), [3; 32], 0);
    let keys = [("InitiatorName", "iqn.i"), ("SessionType", "Discovery"), ("MaxRecvDataSegmentLength", "512")];
    feed(&mut connection, &login_pdu_with(&keys));
    complete_all(&mut connection);
    sent(&mut connection);
    let mut ask = |number: u32, tag: u32, keys: &[u8]| {
        let mut request: wire::RequestHeader = wire::with_opcode(Opcode::TEXT);
        (request.flags, request.itt, request.ttt, request.cmd_sn) = (0x80, 5.into(), tag.into(), number.into());
        wire::set_data_length(&mut request.data_length, keys.len());
        let mut bytes = zerocopy::IntoBytes::as_bytes(&request).to_vec();
        bytes.extend_from_slice(keys);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        feed(&mut connection, &bytes);
        sent(&mut connection).remove(0)
    };
    let (mut header, mut whole) = ask(0, wire::NO_TAG, b"SendTargets=All\0");
    let mut number = 0;
    while header.flags & 0x80 == 0 {
        assert_eq!((header.flags, whole.len() % 512), (0x40, 0));
        number += 1;
        let (next, part) = ask(number, header.ttt.get(), b"");
        header = next;
        whole.extend(part);
    }
    assert!(number > 3);
    let found: Vec<_> = whole.split(|byte| *byte == 0).filter_map(|pair| pair.strip_prefix(b"TargetName=")).collect();
    assert_eq!(found, names.iter().map(|name| name.as_bytes()).collect::<Vec<_>>());
}

/// Returns the SendTargets response to an initiator with this ISID.
fn targets_for(advertise: AdvertisedAddress, isid: [u8; 6], remote: bool) -> String {
    let config = TargetConfig { advertise, ..target() };
    let mut connection = Connection::new(Arc::new(config), "172.17.0.2:3260".into(), [3; 32], 0);
    connection.set_remote(remote);
    let mut login = login_pdu_with(&[("InitiatorName", "iqn.i"), ("SessionType", "Discovery")]);
    login[8..14].copy_from_slice(&isid);
    feed(&mut connection, &login);
    complete_all(&mut connection);
    sent(&mut connection);
    let mut request: wire::RequestHeader = wire::with_opcode(Opcode::TEXT);
    (request.flags, request.itt, request.ttt, request.cmd_sn) = (0x80, 5.into(), wire::NO_TAG.into(), 0.into());
    wire::set_data_length(&mut request.data_length, 16);
    let mut bytes = zerocopy::IntoBytes::as_bytes(&request).to_vec();
    bytes.extend_from_slice(b"SendTargets=All\0");
    feed(&mut connection, &bytes);
    String::from_utf8(sent(&mut connection).remove(0).1).unwrap()
}

/// With NAT, the target does not know the address that the initiator used. open-iscsi uses the address of its discovery
/// session if SendTargets returns no TargetAddress.
#[test]
fn send_targets_returns_a_reachable_address() {
    const OPEN_ISCSI: [u8; 6] = [0x00, 0x02, 0x3d, 0, 0, 0];
    const LIBISCSI: [u8; 6] = [0x80, 1, 2, 3, 0, 0];
    let with = "TargetName=iqn.t\0TargetAddress=172.17.0.2:3260,1\0";
    let without = "TargetName=iqn.t\0";
    assert_eq!(targets_for(AdvertisedAddress::Connection, OPEN_ISCSI, true), without);
    assert_eq!(targets_for(AdvertisedAddress::Connection, OPEN_ISCSI, false), with);
    assert_eq!(targets_for(AdvertisedAddress::Connection, LIBISCSI, true), with);
    assert_eq!(targets_for(AdvertisedAddress::Nothing, LIBISCSI, false), without);
    let given = targets_for(AdvertisedAddress::Portal("tape.example.com:3260".into()), OPEN_ISCSI, true);
    assert_eq!(given, "TargetName=iqn.t\0TargetAddress=tape.example.com:3260,1\0");
}
