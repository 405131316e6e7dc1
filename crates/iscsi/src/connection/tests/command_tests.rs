//! SCSI Command PDUs as literal bytes: extended CDBs, task attributes, and commands that are rejected.

use super::*;

/// A SCSI Command PDU with immediate flag off, LUN 1, tag 21h and this CmdSN. `flags` is byte 1. The data is padded.
fn pdu(flags: u8, cmd_sn: u8, expected: u8, cdb: &[u8], additional: &[u8], data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![
        0x01, flags, 0, 0, 0, 0, 0, 0, // opcode, flags, lengths
        0, 1, 0, 0, 0, 0, 0, 0, // LUN 1
        0, 0, 0, 0x21, 0, 0, 0, expected, // tag, Expected Data Transfer Length
        0, 0, 0, cmd_sn, 0, 0, 0, 0, // CmdSN, ExpStatSN
    ];
    bytes.extend_from_slice(cdb);
    bytes.resize(48, 0);
    bytes[4] = u8::try_from(additional.len() / 4).unwrap();
    bytes[7] = u8::try_from(data.len()).unwrap();
    bytes.extend_from_slice(additional);
    bytes.extend_from_slice(data);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn next_command(connection: &mut Connection) -> Option<Command> {
    match connection.next_event()? {
        ConnectionEvent::Command(command) => Some(command),
        other => panic!("{other:?}"),
    }
}

/// The reason of the Reject PDU that is the only output, with the rejected header.
fn rejected(connection: &mut Connection) -> (u8, Vec<u8>) {
    let mut pdus = sent(connection);
    let (header, data) = pdus.remove(0);
    assert_eq!((header.opcode, header.itt.get(), pdus.len()), (0x3f, 0xffff_ffff, 0));
    assert!(connection.is_full_feature() && connection.next_event().is_none());
    (header.response, data)
}

#[test]
fn extended_cdb_is_part_of_the_command() {
    let mut connection = logged_in();
    let mut cdb = [0; 16];
    (cdb[0], cdb[7], cdb[15]) = (0x7f, 24, 0x0f);
    let additional = [0, 17, 1, 0, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31];
    let immediate_data = *b"data";
    feed(&mut connection, &pdu(0xa1, 0, 4, &cdb, &additional, &immediate_data));
    let command = next_command(&mut connection).unwrap();
    let expected: Vec<u8> = [&cdb[..], &(16..32).collect::<Vec<u8>>()].concat();
    assert_eq!(
        (command.cdb.to_vec(), command.tag, command.lun, command.nexus),
        (expected, Tag(0x21), 1 << 48, NexusId(1))
    );
    assert_eq!(&command.data.data_out[..command.data.data_out_len], b"data");
    // Padded AHS: 17 bytes of CDB.
    connection.complete_command(complete(command), &HeapBuffers);
    sent(&mut connection);
    feed(&mut connection, &pdu(0x81, 1, 0, &cdb, &[0, 2, 1, 0, 0xaa, 0, 0, 0], b""));
    let command = next_command(&mut connection).unwrap();
    assert_eq!((command.cdb.len(), command.cdb[16]), (17, 0xaa));
}

#[test]
fn longest_extended_cdb_is_kept_while_it_waits_for_its_cmdsn() {
    let mut connection = logged_in();
    let mut additional = vec![0, 245, 1, 0];
    additional.extend((0..244).map(|number| number ^ 0x55));
    let late = pdu(0x81, 1, 0, &[0x7f], &additional, b"");
    feed(&mut connection, &late);
    assert!(next_command(&mut connection).is_none());
    let mut first = pdu(0x81, 0, 0, &[0; 6], &[], b"");
    first[19] = 0x20;
    feed(&mut connection, &first);
    assert_eq!(next_command(&mut connection).unwrap().cdb.len(), 16);
    let command = next_command(&mut connection).unwrap();
    assert_eq!((command.cdb.len(), command.cdb[16], command.cdb[259]), (260, 0x55, 243 ^ 0x55));
}

#[test]
fn malformed_and_bidirectional_commands_are_rejected() {
    for (flags, additional, reason) in [
        // Extended CDB that ends after TotalAHSLength, and without a byte of the CDB.
        (0xc1, &[0, 9, 1, 0, 1, 2, 3, 4][..], 0x09),
        (0xc1, &[0, 1, 1, 0], 0x09),
        // Reserved AHSType.
        (0xc1, &[0, 5, 9, 0, 1, 2, 3, 4], 0x04),
        // Bidirectional Read Expected Data Transfer Length; R and W, with and without it.
        (0xc1, &[0, 5, 2, 0, 0, 0, 0, 8], 0x09),
        (0xe1, &[0, 5, 2, 0, 0, 0, 0, 8], 0x09),
        (0xe1, &[], 0x09),
        // Reserved task attributes.
        (0xc5, &[], 0x04),
        (0xc7, &[], 0x04),
    ] {
        let mut connection = logged_in();
        let command = pdu(flags, 0, 4, &[0x08, 0, 0, 0, 4, 0], additional, b"");
        feed(&mut connection, &command);
        assert_eq!(rejected(&mut connection), (reason, command[..48].to_vec()), "{flags:02x} {additional:02x?}");
        // The CmdSN is used: the next command runs.
        feed(&mut connection, &pdu(0x81, 1, 0, &[0; 6], &[], b""));
        assert_eq!(next_command(&mut connection).unwrap().tag, Tag(0x21));
    }
}

#[test]
fn task_attributes_are_decoded() {
    use TaskAttribute::{HeadOfQueue, Ordered, Simple};
    for (flags, attribute) in [(0xc0, Simple), (0xc1, Simple), (0xc2, Ordered), (0xc3, HeadOfQueue)] {
        let mut connection = logged_in();
        feed(&mut connection, &pdu(flags, 0, 4, &[0x08, 0, 0, 0, 4, 0], &[], b""));
        let command = next_command(&mut connection).unwrap();
        assert_eq!((command.attribute, command.priority), (attribute, 0), "{flags:02x}");
    }
}

/// SAM-5 §8.6: ILLEGAL REQUEST 49h/00h, because no unit has an ACA condition.
#[test]
fn aca_task_attribute_is_refused() {
    let mut connection = logged_in();
    feed(&mut connection, &pdu(0xc4, 0, 4, &[0x08, 0, 0, 0, 4, 0], &[], b""));
    let Some(ConnectionEvent::CommandRejected(rejected)) = connection.next_event() else { panic!("no record") };
    assert_eq!((rejected.nexus, rejected.lun, rejected.tag), (NexusId(1), 1 << 48, Tag(0x21)));
    assert_eq!((&rejected.cdb[..6], rejected.completion.status.0), (&[0x08, 0, 0, 0, 4, 0][..], 2));
    assert!(next_command(&mut connection).is_none());
    let pdus = sent(&mut connection);
    let sense = [0, 18, 0x70, 0, 0x05, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x49, 0x00, 0, 0, 0, 0];
    // SCSI Response, CHECK CONDITION, residual underflow of 4 bytes.
    let header = pdus[0].0;
    assert_eq!((header.opcode, header.flags, header.response, header.reserved_3), (0x21, 0x82, 0, 0x02));
    assert_eq!((header.word_44.get(), pdus[0].1.as_slice(), pdus.len()), (4, &sense[..], 1));
}

/// A buffer source that notes whether a buffer was released with data in it.
#[derive(Default)]
struct NotingBuffers(std::cell::RefCell<Vec<bool>>);

impl BufferSource for NotingBuffers {
    fn acquire(&self, len: usize) -> Option<Vec<u8>> {
        Some(vec![0; len])
    }

    fn release(&self, buffer: Vec<u8>) {
        if !buffer.is_empty() {
            self.0.borrow_mut().push(buffer.iter().any(|byte| *byte != 0));
        }
    }
}

/// SECURITY PROTOCOL OUT with immediate data. Its owner wipes the data after it has run the command; the connection wipes
/// that of a command that its owner never gets: refused because of ACA, aborted while data is missing, before and after the
/// rest is requested into a larger buffer, received out of order, and received outside the window.
#[test]
fn data_out_of_commands_that_are_not_run_is_wiped() {
    let cdb = [0xb5, 0x20, 0, 0x10, 0, 0, 0, 0, 0, 4, 0, 0];
    for (flags, cmd_sn, expected) in [(0xa4, 0, 4), (0x21, 0, 200), (0xa1, 0, 200), (0xa1, 1, 4), (0xa1, 250, 4)] {
        let (mut connection, buffers) = (logged_in(), NotingBuffers::default());
        let mut bytes = &pdu(flags, cmd_sn, expected, &cdb, &[], b"keys")[..];
        while !bytes.is_empty() {
            let space = connection.receive_buffer();
            let len = space.len().min(bytes.len());
            space[..len].copy_from_slice(&bytes[..len]);
            connection.received(len, 0, &buffers);
            bytes = &bytes[len..];
        }
        connection.abort(&buffers);
        let released = buffers.0.borrow();
        assert!(!released.is_empty() && !released.contains(&true), "{flags:02x} {cmd_sn}: {released:?}");
    }
}

/// A write that still collects data holds SIMPLE and ORDERED commands of its LUN, but not HEAD OF QUEUE.
#[test]
fn head_of_queue_passes_commands_that_wait_for_data() {
    let mut connection = logged_in();
    let number = |tag: u8, mut pdu: Vec<u8>| {
        pdu[19] = tag;
        pdu
    };
    feed(&mut connection, &number(1, pdu(0xa1, 0, 200, &[0x0a, 0, 0, 0, 200, 0], &[], b"")));
    feed(&mut connection, &number(2, pdu(0x82, 1, 0, &[0; 6], &[], b"")));
    feed(&mut connection, &number(3, pdu(0x83, 2, 0, &[0; 6], &[], b"")));
    let command = next_command(&mut connection).unwrap();
    assert_eq!((command.tag, command.attribute), (Tag(3), TaskAttribute::HeadOfQueue));
    assert!(next_command(&mut connection).is_none());
}
