//! Buffer use of a connection, and its behaviour while no buffer is available.

use super::*;
use crate::config::ConnectionLimits;
use std::cell::Cell;

/// A buffer source of limited size; the value is the number of free bytes.
struct SmallBuffers(Cell<usize>);

impl BufferSource for SmallBuffers {
    fn acquire(&self, len: usize) -> Option<Vec<u8>> {
        self.0.set(self.0.get().checked_sub(len)?);
        Some(vec![0; len])
    }

    fn release(&self, buffer: Vec<u8>) {
        self.0.set(self.0.get() + buffer.len());
    }
}

fn large_transfers() -> Connection {
    let limits = ConnectionLimits {
        max_transfer: 1 << 20,
        data_in_bytes: 1 << 20,
        first_burst: 8192,
        ..ConnectionLimits::default()
    };
    let config = TargetConfig { limits, ..TargetConfig::new("iqn.t", "t") };
    let mut connection = Connection::new(Arc::new(config), "127.0.0.1:3260".into(), [3; 32], 0);
    feed(&mut connection, &login_pdu());
    complete_all(&mut connection);
    sent(&mut connection);
    connection
}

/// Feeds as many bytes as the connection accepts, and returns their number.
fn feed_from(connection: &mut Connection, bytes: &[u8], buffers: &dyn BufferSource) -> usize {
    let mut fed = 0;
    while fed < bytes.len() {
        let space = connection.receive_buffer();
        let len = space.len().min(bytes.len() - fed);
        if len == 0 {
            break;
        }
        space[..len].copy_from_slice(&bytes[fed..fed + len]);
        connection.received(len, 7, buffers);
        fed += len;
    }
    fed
}

fn next_command(connection: &mut Connection) -> Option<Command> {
    match connection.next_event()? {
        ConnectionEvent::Command(command) => Some(command),
        other => panic!("{other:?}"),
    }
}

#[test]
fn reads_wait_while_queued_data_in_exceeds_the_limit() {
    let mut connection = large_transfers();
    for number in 0..15 {
        feed(&mut connection, &command(number, 100 + number, READ, 600_000, b""));
    }
    for number in 0..15_u32 {
        let running = next_command(&mut connection).unwrap();
        assert_eq!((running.tag, running.data.data_in.len()), (Tag((100 + number).into()), 600_000));
        assert!(next_command(&mut connection).is_none(), "while {number} runs");
        connection.complete_command(complete(running), &HeapBuffers);
        assert!(next_command(&mut connection).is_none(), "while the data of {number} waits");
        sent(&mut connection);
    }
    assert!(next_command(&mut connection).is_none());
}

#[test]
fn small_responses_are_not_delayed_by_a_long_read() {
    let mut connection = large_transfers();
    feed(&mut connection, &command(0, 1, READ, 1 << 20, b""));
    feed(&mut connection, &command(1, 2, READ, 255, b""));
    assert_eq!(next_command(&mut connection).unwrap().tag, Tag(1));
    assert_eq!(next_command(&mut connection).unwrap().tag, Tag(2));
}

#[test]
fn read_waits_for_a_buffer_without_blocking_the_connection() {
    let (mut connection, buffers) = (large_transfers(), SmallBuffers(Cell::new(100_000)));
    feed_from(&mut connection, &command(0, 1, READ, 200_000, b""), &buffers);
    feed_from(&mut connection, &command(1, 2, READ, 90_000, b""), &buffers);
    assert!(next_command(&mut connection).is_none() && connection.needs_buffers() && !connection.is_blocked());
    let mut nop: wire::RequestHeader = wire::with_opcode(Opcode(0x40));
    (nop.flags, nop.itt, nop.ttt, nop.cmd_sn) = (0x80, 7.into(), 0xffff_ffff.into(), 2.into());
    feed_from(&mut connection, zerocopy::IntoBytes::as_bytes(&nop), &buffers);
    assert_eq!(sent_from(&mut connection, &buffers)[0].0.opcode, 0x20);
    connection.resume(8, &buffers);
    assert!(next_command(&mut connection).is_none() && connection.needs_buffers());
    buffers.0.set(300_000);
    connection.resume(9, &buffers);
    assert!(!connection.needs_buffers());
    assert_eq!(next_command(&mut connection).unwrap().tag, Tag(1));
    assert_eq!(next_command(&mut connection).unwrap().tag, Tag(2));
    assert_eq!(buffers.0.get(), 10_000);
}

#[test]
fn unbuffered_data_is_not_received_and_does_not_time_out() {
    let (mut connection, buffers) = (large_transfers(), SmallBuffers(Cell::new(500)));
    let write = command(0, 1, WRITE, 1000, &[9; 1000]);
    assert_eq!(feed_from(&mut connection, &write, &buffers), BHS);
    assert!(connection.is_blocked() && connection.needs_buffers());
    connection.handle_timeout(u64::MAX - 1, &HeapBuffers);
    assert!(!connection.has_output() && !connection.is_closing());
    buffers.0.set(1000);
    connection.resume(50_000_000, &buffers);
    assert!(!connection.is_blocked() && !connection.needs_buffers());
    assert_eq!(connection.deadline(), 80_000_000);
    assert_eq!(feed_from(&mut connection, &write[BHS..], &buffers), 1000);
    let running = next_command(&mut connection).unwrap();
    assert_eq!((running.data.data_out_len, running.data.data_out[999]), (1000, 9));
    connection.complete_command(complete(running), &buffers);
    assert_eq!((sent_from(&mut connection, &buffers)[0].0.opcode, buffers.0.get()), (0x21, 1000));
}

#[test]
fn r2t_is_sent_once_the_whole_buffer_is_available() {
    let (mut connection, buffers) = (large_transfers(), SmallBuffers(Cell::new(1000)));
    feed_from(&mut connection, &command(0, 1, WRITE, 50_000, b""), &buffers);
    feed_from(&mut connection, &command(1, 2, WRITE, 900, b""), &buffers);
    assert!(!connection.has_output() && connection.needs_buffers(), "the second does not take what the first lacks");
    buffers.0.set(60_000);
    connection.resume(9, &buffers);
    let r2ts = sent_from(&mut connection, &buffers);
    assert_eq!((r2ts[0].0.opcode, r2ts[0].0.itt.get()), (0x31, 1));
}

#[test]
fn closing_a_connection_releases_its_buffers() {
    let (mut connection, buffers) = (large_transfers(), SmallBuffers(Cell::new(1 << 20)));
    feed_from(&mut connection, &command(0, 1, READ, 100_000, b""), &buffers);
    feed_from(&mut connection, &command(1, 2, WRITE, 50_000, b""), &buffers);
    feed_from(&mut connection, &command(3, 4, WRITE, 500, &[1; 500]), &buffers);
    feed_from(&mut connection, &command(2, 3, READ, 100_000, b"")[..20], &buffers);
    let running = next_command(&mut connection).unwrap();
    connection.complete_command(complete(running), &buffers);
    assert!(buffers.0.get() < 1 << 20);
    connection.abort(&buffers);
    assert_eq!(buffers.0.get(), 1 << 20);
}

fn discovery(names: usize) -> Connection {
    let names: Vec<String> = (0..names).map(|number| format!("iqn.t:{number}")).collect();
    let config = TargetConfig { names, ..target() };
    let mut connection = Connection::new(Arc::new(config), "127.0.0.1:3260".into(), [3; 32], 0);
    let keys = [("InitiatorName", "iqn.i"), ("SessionType", "Discovery"), ("MaxRecvDataSegmentLength", "512")];
    feed(&mut connection, &login_pdu_with(&keys));
    complete_all(&mut connection);
    sent(&mut connection);
    connection
}

fn text(connection: &mut Connection, number: u32, tag: u32, keys: &[u8]) -> (wire::TargetHeader, Vec<u8>) {
    let mut request: wire::RequestHeader = wire::with_opcode(Opcode::TEXT);
    (request.flags, request.itt, request.ttt, request.cmd_sn) = (0x80, 5.into(), tag.into(), number.into());
    wire::set_data_length(&mut request.data_length, keys.len());
    let mut bytes = zerocopy::IntoBytes::as_bytes(&request).to_vec();
    bytes.extend_from_slice(keys);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    feed(connection, &bytes);
    sent(connection).remove(0)
}

#[test]
fn text_responses_are_bounded() {
    let mut connection = discovery(60);
    for number in 0..100 {
        let (header, part) = text(&mut connection, number, wire::NO_TAG, b"SendTargets=All\0");
        assert_eq!((header.opcode, header.flags), (0x24, 0x40));
        assert!(part.starts_with(b"TargetName=iqn.t:0\0"));
        assert!(connection.pending_text.len() < 8192);
    }
    // A continuation must not have keys while the response is incomplete.
    let (header, _) = text(&mut connection, 100, 1, b"SendTargets=All\0");
    assert_eq!((header.opcode, header.response), (0x3f, 0x04));
    assert!(connection.pending_text.is_empty());
}

#[test]
fn idle_discovery_session_times_out() {
    let mut connection = discovery(1);
    text(&mut connection, 0, wire::NO_TAG, b"SendTargets=All\0");
    connection.handle_timeout(29_999_999, &HeapBuffers);
    assert!(!connection.is_closing());
    connection.handle_timeout(30_000_000, &HeapBuffers);
    assert!(
        connection.is_closing() && !connection.has_output(),
        "without a NOP-In, which discovery sessions do not have"
    );
}

#[test]
fn connection_memory_stays_within_its_limits() {
    for (total, most) in [(96 << 20, 57 << 20), (500_000_000, 80 << 20), (usize::MAX, 102 << 20)] {
        let needed = ConnectionLimits::for_memory(total).max_memory();
        assert!(needed <= most, "{needed} of {total}");
    }
}

/// A session with MaxRecvDataSegmentLength 512, MaxBurstLength 1300 and data digests.
fn small_segments() -> Connection {
    let limits = ConnectionLimits { max_transfer: 1 << 20, ..ConnectionLimits::default() };
    let config = TargetConfig { limits, ..TargetConfig::new("iqn.t", "t") };
    let mut connection = Connection::new(Arc::new(config), "127.0.0.1:3260".into(), [3; 32], 0);
    let keys = [
        ("InitiatorName", "iqn.i"),
        ("TargetName", "iqn.t"),
        ("MaxRecvDataSegmentLength", "512"),
        ("MaxBurstLength", "1300"),
        ("DataDigest", "CRC32C"),
    ];
    feed(&mut connection, &login_pdu_with(&keys));
    complete_all(&mut connection);
    sent(&mut connection);
    connection
}

#[test]
fn pdu_headers_are_built_when_sent() {
    let mut connection = small_segments();
    feed(&mut connection, &command(0, 1, READ, 10_001, b""));
    feed(&mut connection, &command(1, 2, READ, 4, b""));
    let (mut one, two) = (next_command(&mut connection).unwrap(), next_command(&mut connection).unwrap());
    one.data.data_in.iter_mut().zip(0_u32..).for_each(|(byte, number)| *byte = number.to_be_bytes()[3]);
    connection.complete_command(complete(one), &HeapBuffers);
    connection.complete_command(complete(two), &HeapBuffers);
    assert!(connection.output_is_full());
    let (mut data, mut number) = (Vec::new(), 0);
    let mut bytes = Vec::new();
    while connection.has_output() {
        let mut slices = Slices::new();
        connection.pending_output(&mut slices);
        assert!(slices.len() <= 64);
        let part: Vec<u8> = slices.iter().flat_map(|slice| slice.to_vec()).take(700).collect();
        drop(slices);
        connection.sent(part.len(), &HeapBuffers);
        bytes.extend(part);
    }
    let stat_sn = |header: &wire::TargetHeader| header.stat_sn.get();
    let mut last = None;
    while !bytes.is_empty() {
        let header: [u8; BHS] = bytes[..BHS].try_into().unwrap();
        let len = as_layout::<BasicHeader>(&header).data_len();
        let target: wire::TargetHeader = as_layout(&header);
        let whole = BHS + len.next_multiple_of(4) + 4;
        if target.itt.get() == 1 {
            // DataSN, Buffer Offset, F at the end of each burst and of the data, status in the last PDU.
            assert_eq!(
                (target.opcode, target.word_36.get(), target.word_40.get() as usize),
                (0x25, number, data.len())
            );
            data.extend_from_slice(&bytes[BHS..BHS + len]);
            let ends = data.len() == 10_001;
            let flags = if ends {
                0x81
            } else if data.len() % 1300 == 0 {
                0x80
            } else {
                0
            };
            assert_eq!((target.flags, len <= 512), (flags, true), "PDU {number}");
            number += 1;
            last = ends.then(|| stat_sn(&target)).or(last);
        } else {
            assert_eq!((data.len(), stat_sn(&target)), (10_001, last.unwrap() + 1));
        }
        bytes.drain(..whole);
    }
    assert_eq!(number, 7 * 3 + 2);
    assert!(data.iter().zip(0_u32..).all(|(byte, number)| *byte == number.to_be_bytes()[3]));
}
