//! Bodies of fuzz targets. Their corpus is replayed by `cargo test`.

use crate::config::{Limits, TargetConfig};
use crate::connection::{Answer, Connection, Event};
use crate::pool::NoPool;
use crate::text;
use std::sync::Arc;

/// A target whose limits are small, so that a fuzzer reaches them.
#[must_use]
pub fn target() -> TargetConfig {
    TargetConfig {
        limits: Limits {
            max_recv_segment: 65_536,
            first_burst: 8192,
            buffered: 1 << 18,
            transfer: 65_536,
            ..Limits::default()
        },
        ..TargetConfig::new("iqn.t", "t")
    }
}

/// Answers everything as a device would that takes and gives all it can.
pub fn answer(connection: &mut Connection) {
    while let Some(event) = connection.next_event() {
        match event {
            Event::Login(_) => connection.admit(1),
            Event::Command(command) => {
                let mut data_in = command.data_in;
                data_in.fill(0x5a);
                let fails = command.cdb.first() == Some(&0xff);
                let answer = Answer {
                    status: if fails { 2 } else { 0 },
                    sense: if fails { vec![0x70, 0, 5] } else { Vec::new() },
                    produced: command.room,
                    wanted: command.room,
                    data_in,
                    consumed: command.data_len,
                    missing: 0,
                    data_out: command.data_out,
                };
                connection.complete(command.task, answer, &NoPool);
            }
            Event::TaskManagement(request) => connection.task_management_done(request.tag, 0),
            Event::Logout => connection.logged_out(),
            Event::LoginRefused(_) => {}
        }
    }
}

/// Fuzz body: a stream of bytes into a connection, cut in pieces by its own first byte. With an odd first byte the
/// connection is logged in before.
///
/// # Panics
/// If the connection offers to receive nothing and does not end.
pub fn stream(data: &[u8]) {
    let Some((control, data)) = data.split_first() else { return };
    let mut connection = Connection::new(Arc::new(target()), "127.0.0.1:3260".into(), [3; 32], 0);
    if control & 1 == 1 {
        feed(&mut connection, &login(), 4096);
        assert!(connection.is_full_feature());
    }
    feed(&mut connection, data, 1 + usize::from(control >> 1));
    connection.handle_timeout(1 << 40, &NoPool);
    connection.abandon(&NoPool);
    assert!(!connection.has_output());
}

fn feed(connection: &mut Connection, mut data: &[u8], piece: usize) {
    while !data.is_empty() {
        let space = connection.space();
        let len = space.len().min(piece).min(data.len());
        if len == 0 {
            assert!(connection.is_closing(), "no room and no end");
            return;
        }
        let (now, later) = data.split_at(len);
        if let Some(slot) = space.get_mut(..len) {
            slot.copy_from_slice(now);
        }
        data = later;
        connection.filled(len, 0, &NoPool);
        answer(connection);
        let mut slices = crate::connection::Slices::new();
        connection.output(&mut slices);
        let sent = slices.iter().map(|slice| slice.len()).sum();
        drop(slices);
        connection.sent(sent, &NoPool);
    }
}

/// A login request in one PDU.
#[must_use]
pub fn login() -> Vec<u8> {
    login_with(&[("InitiatorName", "iqn.i"), ("TargetName", "iqn.t"), ("InitialR2T", "No"), ("MaxBurstLength", "8192")])
}

/// A login request with these keys, straight to full feature.
#[must_use]
pub fn login_with(pairs: &[(&str, &str)]) -> Vec<u8> {
    let mut keys = Vec::new();
    for (key, value) in pairs {
        text::push(&mut keys, key, value);
    }
    let mut pdu = vec![0; crate::wire::BHS];
    if let [opcode, flags, _, _, _, _, high, low, ..] = pdu.as_mut_slice() {
        (*opcode, *flags) = (0x43, 0x87);
        [*high, *low] = u16::try_from(keys.len()).unwrap_or(0).to_be_bytes();
    }
    pdu.append(&mut keys);
    pdu.resize(pdu.len().next_multiple_of(4), 0);
    pdu
}
