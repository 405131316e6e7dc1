//! Bodies of fuzz targets, and helpers for tests. `cargo test` replays the corpus of the fuzz targets.

use crate::buffers::HeapBuffers;
use crate::config::{ConnectionLimits, TargetConfig};
use crate::connection::{Connection, ConnectionEvent};
use crate::text;
use scsi_core::asc::Asc;
use scsi_core::fault::Completion;
use scsi_core::nexus::NexusId;
use scsi_core::sense::{Sense, SenseFormat};
use scsi_core::target::{Command, CompletedCommand};
use std::sync::Arc;

/// Creates a target with small limits, so that a fuzzer reaches them.
#[must_use]
pub fn target() -> TargetConfig {
    TargetConfig {
        limits: ConnectionLimits {
            max_recv_segment: 65_536,
            first_burst: 8192,
            data_out_bytes: 1 << 18,
            max_transfer: 65_536,
            ..ConnectionLimits::default()
        },
        ..TargetConfig::new("iqn.t", "t")
    }
}

/// Completes all events like a device that consumes all data-out and fills all data-in.
pub fn complete_all(connection: &mut Connection) {
    while let Some(event) = connection.next_event() {
        match event {
            ConnectionEvent::Login(_) => connection.accept_login(1, NexusId(1)),
            ConnectionEvent::Command(mut command) => {
                command.data.data_in.fill(0x5a);
                connection.complete_command(complete(command), &HeapBuffers);
            }
            ConnectionEvent::TaskManagement(request) => connection.task_management_done(request.tag, 0),
            ConnectionEvent::Logout => connection.finish_logout(),
            ConnectionEvent::NopOut(request) => connection.respond_nop_out(request, &HeapBuffers),
            ConnectionEvent::LoginRejected(_) | ConnectionEvent::CommandRejected(_) => {}
        }
    }
}

/// Completes a command like a device that consumes all data-out and returns the whole data-in buffer. Operation code FFh ends with
/// CHECK CONDITION.
#[must_use]
pub fn complete(command: Command) -> CompletedCommand {
    let fails = command.cdb.first() == Some(&0xff);
    let outcome = if fails { Err(Sense::illegal_request(Asc(0x2000)).into()) } else { Ok(()) };
    let mut completion = Completion::new(&outcome, SenseFormat::Fixed);
    (completion.data_in, completion.data_in_wanted) = (command.data.data_in_capacity, command.data.data_in_capacity);
    completion.data_out = command.data.data_out_len;
    command.complete(completion)
}

/// Fuzz body: feeds a stream of bytes into a connection. The first byte selects the length of the pieces; if it is odd,
/// the connection is logged in first.
///
/// # Panics
/// If the connection accepts no input and does not close.
pub fn run_stream(data: &[u8]) {
    let Some((control, data)) = data.split_first() else { return };
    let mut connection = Connection::new(Arc::new(target()), "127.0.0.1:3260".into(), [3; 32], 0);
    if control & 1 == 1 {
        feed(&mut connection, &login_pdu(), 4096);
        assert!(connection.is_full_feature());
    }
    feed(&mut connection, data, 1 + usize::from(control >> 1));
    connection.handle_timeout(1 << 40, &HeapBuffers);
    connection.abort(&HeapBuffers);
    assert!(!connection.has_output());
}

fn feed(connection: &mut Connection, mut data: &[u8], piece: usize) {
    while !data.is_empty() {
        let space = connection.receive_buffer();
        let len = space.len().min(piece).min(data.len());
        if len == 0 {
            assert!(connection.is_closing(), "no receive buffer, but not closing");
            return;
        }
        let (now, later) = data.split_at(len);
        if let Some(slot) = space.get_mut(..len) {
            slot.copy_from_slice(now);
        }
        data = later;
        connection.received(len, 0, &HeapBuffers);
        complete_all(connection);
        let mut slices = crate::connection::Slices::new();
        connection.pending_output(&mut slices);
        let sent = slices.iter().map(|slice| slice.len()).sum();
        drop(slices);
        connection.sent(sent, &HeapBuffers);
    }
}

/// Returns a login request PDU of a normal session.
#[must_use]
pub fn login_pdu() -> Vec<u8> {
    login_pdu_with(&[
        ("InitiatorName", "iqn.i"),
        ("TargetName", "iqn.t"),
        ("InitialR2T", "No"),
        ("MaxBurstLength", "8192"),
    ])
}

/// Returns a login request PDU with these keys, from the operational stage to the full feature phase.
#[must_use]
pub fn login_pdu_with(pairs: &[(&str, &str)]) -> Vec<u8> {
    let mut keys = Vec::new();
    for (key, value) in pairs {
        text::push_pair(&mut keys, key, value);
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
