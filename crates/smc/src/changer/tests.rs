//! Every command of SMC and its errors, in literal bytes.

use super::*;
use crate::alert::Alert;
use crate::chassis::{Chassis, Partition};
use crate::element::{ElementFault, LabelDefect};
use crate::library::SourceElement;
use crate::profile;
use crate::robot::RobotFault;
use crate::testing::{cartridge, changer_of, changer_with};
use scsi_core::nexus::NexusId;
use scsi_core::target::LogicalUnit;
use scsi_core::time::Instant;
use std::io::{IoSlice, IoSliceMut};
use std::sync::Arc;

const HOST: NexusId = NexusId(1);
const OTHER: NexusId = NexusId(2);

fn bytes(text: &str) -> Vec<u8> {
    text.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()
}

fn run_as(
    changer: &mut Changer,
    nexus: NexusId,
    cdb: &str,
    data_out: &[u8],
    data_in_capacity: usize,
) -> (u8, Vec<u8>, Vec<u8>) {
    let (cdb, mut data) = (bytes(cdb), vec![0; data_in_capacity]);
    let data_out = [IoSlice::new(data_out)];
    let mut into = [IoSliceMut::new(&mut data)];
    let request = Request::new(nexus, &cdb, Now::default());
    let done = changer.execute(&request, Data::new(&data_out, &mut into));
    data.truncate(done.data_in);
    (done.status.0, done.sense.map(|sense| sense.as_slice().to_vec()).unwrap_or_default(), data)
}

fn run(changer: &mut Changer, cdb: &str, data_out: &[u8], data_in_capacity: usize) -> (u8, Vec<u8>, Vec<u8>) {
    run_as(changer, HOST, cdb, data_out, data_in_capacity)
}

/// A library whose power-on unit attentions are cleared.
fn ready_of(profile: &'static ChangerProfile) -> Changer {
    let mut changer = changer_of(profile);
    for nexus in [HOST, OTHER] {
        assert_eq!(run_as(&mut changer, nexus, "00 00 00 00 00 00", &[], 0).0, 2);
    }
    changer
}

fn ready() -> Changer {
    ready_of(&profile::STK_L700)
}

#[track_caller]
fn good(changer: &mut Changer, cdb: &str, expected: &str) {
    assert_eq!(run(changer, cdb, &[], 4096), (0, vec![], bytes(expected)), "{cdb}");
}

#[track_caller]
fn check(changer: &mut Changer, cdb: &str, sense: &str) {
    assert_eq!(run(changer, cdb, &[], 4096), (2, bytes(sense), vec![]), "{cdb}");
}

/// Sense without a field pointer.
#[track_caller]
fn fails(changer: &mut Changer, cdb: &str, key: u8, asc: u8, ascq: u8) {
    check(changer, cdb, &format!("70 00 {key:02x} 00 00 00 00 0a 00 00 00 00 {asc:02x} {ascq:02x} 00 00 00 00"));
}

/// ILLEGAL REQUEST with a field pointer to a byte, and possibly a bit, of the CDB.
#[track_caller]
fn illegal(changer: &mut Changer, cdb: &str, asc: &str, specific: &str, byte: u8) {
    check(changer, cdb, &format!("70 00 05 00 00 00 00 0a 00 00 00 00 {asc} 00 {specific} 00 {byte:02x}"));
}

#[track_caller]
fn attention(changer: &mut Changer, nexus: NexusId, asc: u8, ascq: u8) {
    let sense = bytes(&format!("70 00 06 00 00 00 00 0a 00 00 00 00 {asc:02x} {ascq:02x} 00 00 00 00"));
    assert_eq!(run_as(changer, nexus, "00 00 00 00 00 00", &[], 0), (2, sense, vec![]));
}

const TEST: &str = "00 00 00 00 00 00";
/// Slot 1000 to drive 500, and back.
const LOAD: &str = "a5 00 00 00 03 e8 01 f4 00 00 00 00";
const UNLOAD: &str = "a5 00 00 00 01 f4 03 e8 00 00 00 00";

#[test]
fn move_medium() {
    let mut changer = ready();
    good(&mut changer, LOAD, "");
    fails(&mut changer, LOAD, 5, 0x3b, 0x0e);
    fails(&mut changer, "a5 00 00 00 03 e9 01 f4 00 00 00 00", 5, 0x3b, 0x0d);
    // No element 2000; no transport element 7; a transport element cannot be a destination.
    illegal(&mut changer, "a5 00 00 00 07 d0 01 f4 00 00 00 00", "21 01", "c0", 4);
    illegal(&mut changer, "a5 00 00 00 03 e9 07 d0 00 00 00 00", "21 01", "c0", 6);
    illegal(&mut changer, "a5 00 00 07 03 e9 01 f5 00 00 00 00", "21 01", "c0", 2);
    illegal(&mut changer, "a5 00 00 00 03 e9 00 00 00 00 00 00", "21 01", "c0", 6);
    // INVERT is refused.
    illegal(&mut changer, "a5 00 00 00 03 e9 01 f5 00 00 01 00", "24 00", "c8", 10);
    // The source is its own destination.
    good(&mut changer, "a5 00 00 00 03 e9 03 e9 00 00 00 00", "");
    good(&mut changer, "a5 00 00 00 01 f4 00 0a 00 00 00 00", "");
    good(&mut changer, "a5 00 00 00 00 0a 03 ed 00 00 00 00", "");
}

/// The duration of moves: MOVE MEDIUM and EXCHANGE MEDIUM are due 30 s after their start, if they end with GOOD.
#[test]
fn moves_are_due_after_their_duration() {
    let mut changer = ready();
    let run = |changer: &mut Changer, cdb: &str| {
        let now = Now { mono: Instant(5), ..Now::default() };
        let done = changer.execute(&Request::new(HOST, &bytes(cdb), now), Data::new(&[], &mut []));
        (done.status.0, done.due.map(|due| due.0))
    };
    assert_eq!(run(&mut changer, LOAD), (0, None));
    changer.set_move_duration(Duration::from_secs(30));
    assert_eq!(run(&mut changer, LOAD), (2, None));
    assert_eq!(run(&mut changer, UNLOAD), (0, Some(30_000_005)));
    assert_eq!(run(&mut changer, LOAD), (0, Some(30_000_005)));
    assert_eq!(run(&mut changer, "a6 00 00 00 03 e9 01 f4 03 e8 00 00"), (0, Some(30_000_005)));
    assert_eq!(run(&mut changer, TEST), (0, None));
}

#[test]
fn exchange_and_position() {
    let mut changer = ready();
    good(&mut changer, LOAD, "");
    // From 1001 to drive 500, and the cartridge in drive 500 to 1000.
    good(&mut changer, "a6 00 00 00 03 e9 01 f4 03 e8 00 00", "");
    assert_eq!(changer.content(ElementAddress(500)).unwrap().barcode.as_str(), "A00002L8");
    assert_eq!(changer.content(ElementAddress(1000)).unwrap().barcode.as_str(), "A00001L8");
    fails(&mut changer, "a6 00 00 00 03 ed 01 f4 03 e8 00 00", 5, 0x3b, 0x0e);
    fails(&mut changer, "a6 00 00 00 03 ea 01 f4 03 e8 00 00", 5, 0x3b, 0x0d);
    illegal(&mut changer, "a6 00 00 00 03 ea 01 f4 07 d0 00 00", "21 01", "c0", 8);
    illegal(&mut changer, "a6 00 00 00 03 ea 01 f4 03 ed 02 00", "24 00", "c9", 10);
    good(&mut changer, "2b 00 00 00 03 e8 00 00 00 00", "");
    illegal(&mut changer, "2b 00 00 00 00 00 00 00 00 00", "21 01", "c0", 4);
    illegal(&mut changer, "2b 00 00 00 03 e8 00 00 01 00", "24 00", "c8", 8);
    // A TS3200 does not support exchanges.
    let mut changer = ready_of(&profile::IBM_3573_TL);
    fails(&mut changer, "a6 00 00 00 10 00 01 00 10 01 00 00", 5, 0x20, 0);
}

#[test]
fn element_status() {
    let mut changer = ready();
    good(&mut changer, LOAD, "");
    // Drive 500, without and with tags; it is loaded and not ejected.
    good(
        &mut changer,
        "b8 04 00 00 00 01 00 00 00 ff 00 00",
        "01 f4 00 01 00 00 00 1c 04 00 00 14 00 00 00 14 01 f4 01 00 00 00 00 00 00 81 03 e8 00 00 00 00 00 00 00 00",
    );
    let tag =
        "41 30 30 30 30 31 4c 38 20 20 20 20 20 20 20 20 20 20 20 20 20 20 20 20 20 20 20 20 20 20 20 20 00 00 00 00";
    good(
        &mut changer,
        "b8 14 00 00 00 01 00 00 00 ff 00 00",
        &format!(
            "01 f4 00 01 00 00 00 40 04 80 00 38 00 00 00 38 01 f4 01 00 00 00 00 00 00 81 03 e8 {tag} 00 00 00 00 00 00 00 00"
        ),
    );
    // DVCID: the drive's serial number in 32 bytes.
    let answer = run(&mut changer, "b8 04 01 f5 00 01 03 00 00 ff 00 00", &[], 255).2;
    assert_eq!(answer[8..16], bytes("04 00 00 34 00 00 00 34"));
    assert_eq!(answer[16..32], bytes("01 f5 08 00 00 00 00 00 00 00 00 00 02 00 00 20"));
    assert_eq!(answer[32..], *b"0123456789                      \0\0\0\0");
    // The header alone has the full byte count; only complete descriptors are returned.
    good(&mut changer, "b8 02 00 00 ff ff 00 00 00 08 00 00", "03 e8 00 06 00 00 00 80");
    good(&mut changer, "b8 02 00 00 ff ff 00 00 00 0f 00 00", "03 e8 00 06 00 00 00 80");
    assert_eq!(run(&mut changer, "b8 02 00 00 ff ff 00 00 00 37 00 00", &[], 255).2.len(), 8 + 8 + 20);
    // No element from the starting address on; zero elements requested.
    good(&mut changer, "b8 02 ff 00 ff ff 00 00 00 ff 00 00", "00 00 00 00 00 00 00 00");
    good(&mut changer, "b8 02 00 00 00 00 00 00 00 ff 00 00", "00 00 00 00 00 00 00 00");
    // All types, by address: transport 0, import/export 10, drives 500, slots 1000.
    let all = run(&mut changer, "b8 00 00 00 ff ff 00 00 10 00 00 00", &[], 4096).2;
    assert_eq!(all[..16], bytes("00 00 00 0b 00 00 00 fc 01 00 00 14 00 00 00 14"));
    assert_eq!(
        all[36..64],
        bytes("03 00 00 14 00 00 00 28 00 0a 38 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00")
    );
    // The obsolete LUN is ignored; type 5 does not exist; MIXED is refused.
    assert_eq!(run(&mut changer, "b8 e4 00 00 00 01 00 00 00 ff 00 00", &[], 255).0, 0);
    illegal(&mut changer, "b8 05 00 00 00 01 00 00 00 ff 00 00", "24 00", "cb", 1);
    illegal(&mut changer, "b8 04 00 00 00 01 04 00 00 ff 00 00", "24 00", "ca", 6);
}

#[test]
fn initialize_element_status() {
    let mut changer = ready();
    good(&mut changer, "07 00 00 00 00 00", "");
    good(&mut changer, "37 01 03 e8 00 00 00 02 00 00", "");
    good(&mut changer, "e7 03 03 e8 00 00 00 00 00 80", "");
    illegal(&mut changer, "37 01 07 d0 00 00 00 02 00 00", "21 01", "c0", 2);
    // Without RANGE the address is ignored.
    good(&mut changer, "37 00 07 d0 00 00 00 02 00 00", "");
    let page = run(&mut changer, "4d 00 54 00 00 00 00 01 00 00", &[], 256).2;
    // 3 + 2 + 3 + 3 labels read, two scans of the whole library.
    assert_eq!(page[4 + 5 * 12..][..12], bytes("00 05 40 08 00 00 00 00 00 00 00 0b"));
    assert_eq!(page[4 + 9 * 12..][..12], bytes("00 09 40 08 00 00 00 00 00 00 00 02"));
    // A TS3500 supports only opcode E7h.
    let mut changer = ready_of(&profile::IBM_03584L32);
    good(&mut changer, "e7 01 04 01 00 00 00 02 00 00", "");
    fails(&mut changer, "37 01 04 01 00 00 00 02 00 00", 5, 0x20, 0);
}

fn send_tag(changer: &mut Changer, nexus: NexusId, template: &str, action: u8) -> (u8, Vec<u8>, Vec<u8>) {
    let mut list = vec![0; 40];
    list[..template.len()].copy_from_slice(template.as_bytes());
    run_as(changer, nexus, &format!("b6 00 00 00 00 {action:02x} 00 00 00 28 00 00"), &list, 0)
}

#[test]
fn volume_tags() {
    let mut changer = ready();
    const REQUEST: &str = "b5 00 00 00 00 01 00 00 00 ff 00 00";
    fails(&mut changer, REQUEST, 5, 0x2c, 0);
    assert_eq!(send_tag(&mut changer, HOST, "A0000?L8", 5).0, 0);
    // Three matches; each is reported once, ascending, at the current element of its cartridge.
    good(&mut changer, "b5 00 00 00 00 09 00 00 00 08 00 00", "03 e8 00 03 05 00 00 44");
    good(
        &mut changer,
        REQUEST,
        "03 e8 00 01 05 00 00 1c 02 00 00 14 00 00 00 14 03 e8 09 00 00 00 00 00 00 01 00 00 00 00 00 00 00 00 00 00",
    );
    good(&mut changer, "a5 00 00 00 03 e9 01 f5 00 00 00 00", "");
    good(
        &mut changer,
        REQUEST,
        "01 f5 00 01 05 00 00 1c 04 00 00 14 00 00 00 14 01 f5 01 00 00 00 00 00 00 81 03 e9 00 00 00 00 00 00 00 00",
    );
    let with_tag = run(&mut changer, "b5 12 00 00 00 09 00 00 00 ff 00 00", &[], 255).2;
    assert_eq!(with_tag[..16], bytes("03 ea 00 01 05 00 00 40 02 80 00 38 00 00 00 38"));
    assert_eq!(with_tag[28..36], *b"A00003L8");
    good(&mut changer, REQUEST, "00 00 00 00 05 00 00 00");
    // The other nexus has sent no SEND VOLUME TAG.
    assert_eq!(run_as(&mut changer, OTHER, REQUEST, &[], 255).0, 2);
    // There are no alternate tags; all sequence numbers are zero.
    assert_eq!(send_tag(&mut changer, HOST, "A*", 6).0, 0);
    good(&mut changer, REQUEST, "00 00 00 00 06 00 00 00");
    assert_eq!(send_tag(&mut changer, HOST, "A*", 0).0, 0);
    good(&mut changer, "b5 00 00 00 00 09 00 00 00 08 00 00", "01 f5 00 03 00 00 00 4c");
    // An unreadable label does not match.
    changer.set_label_defect(&Barcode::new("A00001L8").unwrap(), Some(LabelDefect::Unreadable));
    assert_eq!(send_tag(&mut changer, HOST, "*1L8", 5).0, 0);
    good(&mut changer, REQUEST, "00 00 00 00 05 00 00 00");
    // Asserting a tag; undefined action; list too short.
    let refused = |byte: &str| bytes(&format!("70 00 05 00 00 00 00 0a 00 00 00 00 24 00 00 {byte} 00 05"));
    assert_eq!(send_tag(&mut changer, HOST, "A", 8), (2, refused("cc"), vec![]));
    assert_eq!(send_tag(&mut changer, HOST, "A", 3), (2, refused("cc"), vec![]));
    assert_eq!(run(&mut changer, "b6 00 00 00 00 05 00 00 00 27 00 00", &[0; 39], 0).1[12..14], [0x1a, 0]);
    // Less data than PARAMETER LIST LENGTH; no list, which has no effect.
    assert_eq!(run(&mut changer, "b6 00 00 00 00 05 00 00 00 28 00 00", &[0; 39], 0).1[12..14], [0x1a, 0]);
    assert_eq!(run(&mut changer, "b6 00 00 00 00 05 00 00 00 00 00 00", b"", 0), (0, vec![], vec![]));
    // Linux ch sends 255 bytes: the template and zeros.
    let mut list = [0; 255];
    list[..32].fill(b'*');
    assert_eq!(run(&mut changer, "b6 00 00 00 00 05 00 00 00 ff 00 00", &list, 0).0, 0);
    // Bytes 32 and 33, and 36 and 37, are reserved.
    for byte in [32, 33, 36, 37] {
        let mut list = [0; 40];
        list[byte] = 0x10;
        let sense = format!("70 00 05 00 00 00 00 0a 00 00 00 00 26 00 00 8c 00 {byte:02x}");
        assert_eq!(run(&mut changer, "b6 00 00 00 00 05 00 00 00 28 00 00", &list, 0), (2, bytes(&sense), vec![]));
    }
}

#[test]
fn import_and_export() {
    let mut changer = ready();
    const OPEN: &str = "1b 00 00 0a 00 00";
    const CLOSE: &str = "1b 00 00 0a 01 00";
    good(&mut changer, OPEN, "");
    good(&mut changer, OPEN, "");
    // The robot cannot reach the station: no ACCESS in READ ELEMENT STATUS.
    fails(&mut changer, "a5 00 00 00 03 e8 00 0a 00 00 00 00", 2, 0x3a, 0x02);
    assert_eq!(run(&mut changer, "b8 03 00 00 00 01 00 00 00 ff 00 00", &[], 255).2[18], 0xb0);
    assert!(changer.alerts().is_set(Alert::STATION));
    changer.import(ElementAddress(10), cartridge("B00001L8").unwrap(), Now::default()).unwrap();
    good(&mut changer, CLOSE, "");
    for nexus in [HOST, OTHER] {
        attention(&mut changer, nexus, 0x28, 0x01);
    }
    assert!(!changer.alerts().is_set(Alert::STATION));
    assert_eq!(run(&mut changer, "b8 03 00 00 00 01 00 00 00 ff 00 00", &[], 255).2[18], 0x3b);
    illegal(&mut changer, "1b 00 03 e8 00 00", "21 01", "c0", 2);
    illegal(&mut changer, "1b 00 00 0a 02 00", "24 00", "cc", 4);
    // PREVENT locks the station for hosts and operators.
    assert_eq!(run_as(&mut changer, OTHER, "1e 00 00 00 01 00", &[], 0).0, 0);
    fails(&mut changer, OPEN, 5, 0x53, 0x02);
    assert_eq!(changer.set_io_station(true), Err(OperatorError::Prevented));
    assert_eq!(changer.set_access_door(true), Err(OperatorError::Prevented));
    assert_eq!(changer.export(ElementAddress(10), Now::default()).map(drop), Err(OperatorError::Prevented));
    // PREVENT does not affect MOVE MEDIUM, except on a Scalar.
    good(&mut changer, "a5 00 00 00 03 e8 00 0b 00 00 00 00", "");
    let mut scalar = ready_of(&profile::ADIC_SCALAR_I500);
    good(&mut scalar, "1e 00 00 00 01 00", "");
    fails(&mut scalar, "a5 00 00 00 10 00 00 10 00 00 00 00", 5, 0x53, 0x02);
    assert_eq!(run_as(&mut changer, OTHER, "1e 00 00 00 00 00", &[], 0).0, 0);
    let exported = changer.export(ElementAddress(10), Now::default()).unwrap();
    assert_eq!(exported.barcode().as_str(), "B00001L8");
    attention(&mut changer, HOST, 0x28, 0x01);
    let changes = changer.take_changes();
    assert_eq!(changes.locations.iter().filter(|(_, location)| location.is_none()).count(), 1);
    assert_eq!(changes.operator_state.map(|state| state.station_open), Some(false));
}

#[test]
fn operator_doors_and_offline() {
    let mut changer = ready();
    changer.set_access_door(true).unwrap();
    for cdb in [TEST, LOAD, "07 00 00 00 00 00", "2b 00 00 00 03 e8 00 00 00 00", "b8 00 00 00 ff ff 00 00 00 ff 00 00"]
    {
        fails(&mut changer, cdb, 2, 0x04, 0x18);
    }
    // Commands without motion succeed.
    assert_eq!(run(&mut changer, "b8 00 00 00 ff ff 02 00 00 ff 00 00", &[], 255).0, 0);
    assert_eq!(run(&mut changer, "1a 00 1d 00 ff 00", &[], 255).0, 0);
    assert_eq!(
        run(&mut changer, "03 00 00 00 12 00", &[], 18).2,
        bytes("70 00 02 00 00 00 00 0a 00 00 00 00 04 18 00 00 00 00")
    );
    let exported = changer.export(ElementAddress(1002), Now::default()).unwrap();
    changer.import(ElementAddress(1005), exported, Now::default()).unwrap();
    changer.set_access_door(false).unwrap();
    attention(&mut changer, HOST, 0x28, 0);
    good(&mut changer, TEST, "");
    assert_eq!(changer.export(ElementAddress(1005), Now::default()).map(drop), Err(OperatorError::AccessDoorClosed));
    changer.set_online(false);
    fails(&mut changer, TEST, 2, 0x04, 0x12);
    assert!(changer.alerts().is_set(Alert::OFFLINE));
    changer.set_online(true);
    attention(&mut changer, HOST, 0x28, 0);
    good(&mut changer, TEST, "");
}

#[test]
fn element_faults() {
    let mut changer = ready();
    changer.set_element_fault(ElementAddress(1000), Some(ElementFault::Disabled)).unwrap();
    attention(&mut changer, HOST, 0x3b, 0x18);
    illegal(&mut changer, LOAD, "3b 18", "c0", 4);
    // EXCEPT, no ACCESS, 3B/18, ED.
    assert_eq!(
        run(&mut changer, "b8 02 00 00 00 01 00 00 00 ff 00 00", &[], 255).2[16..28],
        bytes("03 e8 05 00 3b 18 00 00 00 09 00 00")
    );
    changer.set_element_fault(ElementAddress(1000), None).unwrap();
    attention(&mut changer, HOST, 0x3b, 0x19);
    changer.set_element_fault(ElementAddress(500), Some(ElementFault::Blocked)).unwrap();
    fails(&mut changer, LOAD, 4, 0x15, 0x01);
    changer.set_element_fault(ElementAddress(500), None).unwrap();
    changer.set_drive_online(ElementAddress(500), false).unwrap();
    illegal(&mut changer, LOAD, "3b 18", "c0", 6);
    assert_eq!(
        run(&mut changer, "b8 04 00 00 00 01 00 00 00 ff 00 00", &[], 255).2[16..28],
        bytes("01 f4 04 00 04 12 00 00 00 08 00 00")
    );
    changer.set_drive_online(ElementAddress(500), true).unwrap();
    // A missing label: no tag, and EXCEPT with the code.
    changer.set_label_defect(&Barcode::new("A00001L8").unwrap(), Some(LabelDefect::Missing));
    let status = run(&mut changer, "b8 12 00 00 00 01 00 00 00 ff 00 00", &[], 255).2;
    assert_eq!(status[16..30], bytes("03 e8 0d 00 83 00 00 00 00 01 00 00 00 00"));
    for (fault, cdb, sense) in [
        (RobotFault::Pick, LOAD, (4, 0x15, 0x01)),
        (RobotFault::Load, LOAD, (4, 0x53, 0x00)),
        (RobotFault::Place, "a5 00 00 00 03 e8 03 ed 00 00 00 00", (4, 0x15, 0x01)),
    ] {
        assert!(changer.inject_fault(fault));
        fails(&mut changer, cdb, sense.0, sense.1, sense.2);
        assert_eq!(changer.content(ElementAddress(1000)).unwrap().barcode.as_str(), "A00001L8");
    }
    good(&mut changer, LOAD, "");
    assert!(changer.inject_fault(RobotFault::Unload));
    fails(&mut changer, UNLOAD, 4, 0x53, 0x01);
    good(&mut changer, UNLOAD, "");
    for alert in [Alert::PICK_RETRY, Alert::PLACE_RETRY, Alert::LOAD_RETRY, Alert::UNREADABLE_LABELS] {
        assert!(changer.alerts().is_set(alert), "{alert:?}");
    }
}

#[test]
fn alerts_and_counters() {
    let mut changer = ready();
    changer.raise_alert(Alert::POWER_SUPPLY);
    let page = run(&mut changer, "4d 00 6e 00 00 00 00 02 00 00", &[], 512).2;
    assert_eq!((page.len(), &page[..4]), (324, &bytes("2e 00 01 40")[..]));
    assert_eq!(page[4 + 27 * 5..][..5], bytes("00 1c c0 01 01"));
    // Reading clears the flag for this nexus only.
    assert_eq!(run(&mut changer, "4d 00 6e 00 00 00 00 02 00 00", &[], 512).2[4 + 27 * 5 + 4], 0);
    assert_eq!(run_as(&mut changer, OTHER, "4d 00 6e 00 00 00 00 02 00 00", &[], 512).2[4 + 27 * 5 + 4], 1);
    // Reported as a unit attention with MRIE 2 and DEXCPT 0.
    let list = bytes("00 00 00 00 1c 0a 00 02 00 00 00 00 00 00 00 00");
    assert_eq!(run(&mut changer, "15 10 00 00 10 00", &list, 0).0, 0);
    changer.raise_alert(Alert::COOLING_FAN);
    attention(&mut changer, HOST, 0x5d, 0);
    good(&mut changer, LOAD, "");
    let page = run(&mut changer, "4d 00 54 00 00 00 00 01 00 00", &[], 256).2;
    assert_eq!(page[..16], bytes("14 00 00 78 00 00 40 08 00 00 00 00 00 00 00 01"));
}

#[test]
fn element_information() {
    let mut changer = ready();
    changer.import(ElementAddress(10), cartridge("B00001L8").unwrap(), Now::default()).unwrap();
    attention(&mut changer, HOST, 0x28, 0x01);
    good(
        &mut changer,
        "9e 10 00 03 00 00 00 00 00 00 00 00 00 ff 00 00",
        "00 00 00 00 00 00 00 07 03 00 00 03 00 02 03",
    );
    good(
        &mut changer,
        "9e 10 02 02 00 00 00 00 03 e9 00 00 00 ff 00 00",
        "02 00 00 0c 00 00 00 0c 00 00 03 e9 00 00 00 05 02 00 00 00",
    );
    good(
        &mut changer,
        "9e 10 03 00 00 00 00 00 00 0a 00 00 00 ff 03 00",
        "03 00 00 08 00 00 00 18 00 00 00 0a 03 62 00 00 00 00 00 0b 03 82 00 00 00 00 01 f4 04 82 00 00",
    );
    illegal(&mut changer, "9e 10 04 00 00 00 00 00 00 00 00 00 00 ff 01 00", "24 00", "c0", 2);
    illegal(&mut changer, "9e 10 03 05 00 00 00 00 00 00 00 00 00 ff 01 00", "24 00", "cb", 3);
    illegal(&mut changer, "9e 11 03 00 00 00 00 00 00 00 00 00 00 ff 01 00", "24 00", "cc", 1);
}

#[test]
fn reservations() {
    let mut changer = ready();
    assert_eq!(run_as(&mut changer, OTHER, "16 00 00 00 00 00", &[], 0).0, 0);
    assert_eq!(run(&mut changer, LOAD, &[], 0).0, 0x18);
    assert_eq!(run(&mut changer, "b8 00 00 00 ff ff 00 00 00 ff 00 00", &[], 255).0, 0x18);
    assert_eq!(run(&mut changer, "b8 00 00 00 ff ff 02 00 00 ff 00 00", &[], 255).0, 0);
    assert_eq!(run(&mut changer, "9e 10 00 00 00 00 00 00 00 00 00 00 00 ff 00 00", &[], 255).0, 0);
    // An element reservation, obsolete since SMC-2, is refused.
    assert_eq!(run_as(&mut changer, OTHER, "17 00 00 00 00 00", &[], 0).0, 0);
    illegal(&mut changer, "16 01 00 00 06 00", "24 00", "c8", 1);
}

#[test]
fn drive_identifiers_by_wwn() {
    let mut ferric = ready_of(&profile::FERRIC);
    let drive = run(&mut ferric, "b8 04 01 00 00 01 01 00 01 00 00 00", &[], 256).2;
    assert_eq!(
        drive[16..],
        bytes("01 00 08 00 00 00 00 00 00 00 00 00 01 03 00 08 50 05 07 63 00 00 00 01 00 00 00 00")
    );
}

/// Linux puts the LUN into byte 1 for a device that claims SCSI-2, and for the other LUNs of its target until their
/// INQUIRY.
#[test]
fn lun_in_cdb_byte_1_is_ignored_for_scsi_2() {
    let mut python = ready_of(&profile::SPECTRA_PYTHON);
    assert_eq!(run(&mut python, "12 e0 00 00 24 00", &[], 36).0, 0);
    assert_eq!(run(&mut python, "00 20 00 00 00 00", &[], 0).0, 0);
    let mut l700 = ready();
    assert_eq!(run(&mut l700, "12 20 00 00 24 00", &[], 36).0, 0);
    illegal(&mut l700, "00 20 00 00 00 00", "24 00", "cd", 1);
    illegal(&mut l700, "12 22 00 00 24 00", "24 00", "c9", 1);
}

/// A model; vendor and product; version; VPD 80h; mode page 1Fh; length of a drive descriptor with VOLTAG and DVCID.
type ModelRow = (&'static ChangerProfile, &'static str, u8, &'static str, &'static str, u16);

#[rustfmt::skip]
const MODEL_ROWS: &[ModelRow] = &[
    (&profile::STK_L180, "STK     L180            ", 3, "0123456789", "0e 02 00 0e 0e 0e", 0x58),
    (&profile::STK_L700, "STK     L700            ", 3, "0123456789", "0e 02 00 0e 0e 0e", 0x58),
    (&profile::IBM_03584L32, "IBM     03584L32        ", 3, "0012345678 9", "0e 00 00 0e 0e 0e", 0x56),
    (&profile::IBM_3573_TL, "IBM     3573-TL         ", 5, "000123456789_LL0", "0e 02 00 0e 0a 0e", 0x56),
    (&profile::HP_MSL_G3, "HP      MSL G3 Series   ", 5, "0123456789", "0a 07 0a 0e 0a 0e", 0x56),
    (&profile::SPECTRA_PYTHON, "SPECTRA PYTHON          ", 2, "0123456789", "0e 00 00 0e 0e 0e", 0x54),
    (&profile::ADIC_SCALAR_I500, "ADIC    Scalar i500     ", 3, "ADIC00012345", "0e 00 06 0e 0e 0e", 0x74),
    (
        &profile::QUANTUM_SCALAR_I500,
        "QUANTUM Scalar i500     ",
        3,
        "QUANTUM0123456789_LL1 ",
        "0e 00 06 0e 0e 0e",
        0x74,
    ),
    (&profile::QUANTUM_SCALAR_I40_I80, "QUANTUM Scalar i40-i80  ", 3, "QUANTUM", "0e 00 06 0e 0e 0e", 0x74),
    (&profile::QUANTUM_SCALAR_I3_I6, "QUANTUM Scalar i3-i6    ", 3, "QUANTUM", "0e 03 06 0e 0e 0e", 0x74),
    (&profile::QUANTUM_SCALAR_I6000, "QUANTUM Scalar i6000    ", 3, "QUANTUM", "0e 00 06 0e 0e 0e", 0x74),
    (&profile::IBM_TS4300, "IBM     3573-TL         ", 5, "000123456789_LL0", "0e 02 00 0e 0a 0e", 0x56),
    (&profile::HPE_MSL3040, "HPE     MSL3040         ", 5, "0123456789_LL01", "0a 07 0a 0e 0a 0e", 0x56),
    (&profile::HP_MSL6480, "HP      MSL6480 Series  ", 5, "0123456789_LL01", "0a 07 0a 0e 0a 0e", 0x56),
    (&profile::STK_SL150, "STK     SL150           ", 3, "0123456789", "0e 00 00 0e 0e 0e", 0x58),
    (&profile::STK_SL500, "STK     SL500           ", 3, "0123456789", "0e 00 00 0e 0e 0e", 0x58),
];

#[test]
fn inquiry_of_each_model() {
    for &(profile, names, version, serial, capabilities, length) in MODEL_ROWS {
        let mut changer = ready_of(profile);
        let inquiry = run(&mut changer, "12 00 00 00 60 00", &[], 96).2;
        assert_eq!((inquiry[0], inquiry[2], &inquiry[8..32]), (8, version, names.as_bytes()), "{names}");
        let page = run(&mut changer, "12 01 80 00 ff 00", &[], 255).2;
        let first = if *profile.name == *"IBM 03584L32" { "0001234567890401" } else { serial };
        assert!(page[4..].starts_with(first.as_bytes()), "{names}: {:?}", String::from_utf8_lossy(&page[4..]));
        let list = run(&mut changer, "12 01 00 00 ff 00", &[], 255).2;
        for code in &list[4..] {
            assert_eq!(run(&mut changer, &format!("12 01 {code:02x} 00 ff 00"), &[], 255).0, 0, "{names} {code:02x}");
        }
        let page = run(&mut changer, "1a 08 1f 00 ff 00", &[], 255).2;
        assert_eq!(page[6..12], bytes(capabilities), "{names}");
        let page = run(&mut changer, "1a 08 1d 00 ff 00", &[], 255).2;
        let addresses: Vec<u16> = page[6..22].chunks(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
        let [mt, st, ie, dt] = profile.first_addresses;
        assert_eq!(addresses, [mt, 1, st, 6, ie, 2, dt, 2], "{names}");
        let status = run(&mut changer, "b8 14 00 00 00 01 01 00 00 ff 00 00", &[], 255).2;
        assert_eq!(u16::from_be_bytes([status[10], status[11]]), length, "{names}");
        assert_eq!(status.len(), 16 + usize::from(length), "{names}");
        // Every listed mode and log page exists; every unsupported command is refused.
        assert_eq!(run(&mut changer, "1a 08 3f 00 ff 00", &[], 255).0, 0, "{names}");
        let logs = run(&mut changer, "4d 00 40 00 00 00 00 00 ff 00", &[], 255).2;
        for code in &logs[4..] {
            assert_eq!(run(&mut changer, &format!("4d 00 {:02x} 00 00 00 00 02 00 00", code | 0x40), &[], 512).0, 0);
        }
        for name in profile.unsupported_commands {
            let spec = COMMANDS.specs().into_iter().find(|spec| spec.name == *name).unwrap();
            let mut cdb = vec![0; spec.cdb_usage.len()];
            cdb[0] = spec.opcode.0;
            cdb[1] = spec.service_action.map_or(0, |action| u8::try_from(action.0).unwrap());
            let text: Vec<_> = cdb.iter().map(|byte| format!("{byte:02x}")).collect();
            fails(&mut changer, &text.join(" "), 5, 0x20, 0);
        }
    }
    // An MSL returns a block descriptor of zeros; a Spectra reports ten characters of a label.
    let mut changer = ready_of(&profile::HP_MSL_G3);
    assert_eq!(
        run(&mut changer, "1a 00 1e 00 ff 00", &[], 255).2,
        bytes("0f 00 00 08 00 00 00 00 00 00 00 00 1e 02 00 00")
    );
    let mut changer = ready_of(&profile::SPECTRA_PYTHON);
    changer.import(ElementAddress(0x10), cartridge("SPECTRA00001L8").unwrap(), Now::default()).unwrap();
    attention(&mut changer, HOST, 0x28, 0x01);
    let status = run(&mut changer, "b8 13 00 00 00 02 00 00 00 ff 00 00", &[], 255).2;
    assert_eq!(status[28..60], *b"SPECTRA000                      ");
    // The tag of an empty element is spaces on a Spectra and zeros on an L700.
    assert_eq!(status[80..112], [b' '; 32]);
}

/// TL2000 and TL4000 SCSI reference: tables of additional sense codes after each element status page.
#[test]
fn a_3573_reports_cleaning_cartridges() {
    const IMPORT_EXPORT: &str = "b8 03 00 10 00 01 00 00 00 ff 00 00";
    let barcode = Barcode::new("CLNU01L1").unwrap();
    for (profile, labelled, unlabelled) in [
        (&profile::IBM_3573_TL, [0x3f, 0x00, 0x30, 0x03], [0x3f, 0x00, 0x30, 0x83]),
        (&profile::STK_L700, [0x3b, 0x00, 0x00, 0x00], [0x3f, 0x00, 0x83, 0x00]),
    ] {
        let mut changer = ready_of(profile);
        let [_, _, station, _] = profile.first_addresses;
        changer.import(ElementAddress(station), cartridge("CLNU01L1").unwrap(), Now::default()).unwrap();
        attention(&mut changer, HOST, 0x28, 0x01);
        let status = |changer: &mut Changer| {
            let cdb = IMPORT_EXPORT.replace("00 10", &format!("{:02x} {:02x}", station >> 8, station & 0xff));
            let status = run(changer, &cdb, &[], 255).2;
            assert_eq!(status[25] & 0x07, 2, "MEDIUM TYPE");
            [status[18], status[19], status[20], status[21]]
        };
        assert_eq!(status(&mut changer), labelled, "{}", profile.name);
        for label in [LabelDefect::Missing, LabelDefect::Unreadable] {
            changer.set_label_defect(&barcode, Some(label));
            assert_eq!(status(&mut changer), unlabelled, "{} {label:?}", profile.name);
        }
        changer.set_label_defect(&barcode, None);
        assert_eq!(status(&mut changer), labelled, "{}", profile.name);
    }
}

#[test]
fn reserved_bits_of_mode_lists_are_refused_by_byte_and_bit() {
    for profile in profile::ALL {
        let mut changer = ready_of(profile);
        let refused = |bit: u8, byte: usize| {
            bytes(&format!("70 00 05 00 00 00 00 0a 00 00 00 00 26 00 00 {:02x} 00 {byte:02x}", 0x88 | bit))
        };
        // MODE DATA LENGTH and MEDIUM TYPE are ignored; SMC defines no bit of DEVICE-SPECIFIC PARAMETER.
        assert_eq!(run(&mut changer, "15 10 00 00 04 00", &bytes("12 34 00 00"), 0).0, 0, "{}", profile.name);
        assert_eq!(run(&mut changer, "15 10 00 00 04 00", &bytes("00 00 10 00"), 0).1, refused(4, 2));
        for def in profile.mode_pages {
            let sense = |changer: &mut Changer, page: u8| {
                run(changer, &format!("1a 08 {page:02x} 00 ff 00"), &[], 255).2[4..].to_vec()
            };
            let (mut current, mask) = (sense(&mut changer, def.id.page), sense(&mut changer, 0x40 | def.id.page));
            current[0] &= 0x7f;
            let bits = (2..current.len()).flat_map(|byte| (0..8).map(move |bit| (byte, bit)));
            for (byte, bit) in bits.filter(|(byte, bit)| mask[*byte] >> bit & 1 == 0) {
                let mut list = [&[0; 4], current.as_slice()].concat();
                list[4 + byte] ^= 1 << bit;
                let got = run(&mut changer, &format!("15 10 00 00 {:02x} 00", list.len()), &list, 0);
                assert_eq!(got.1, refused(bit, 4 + byte), "{} page {:02x}h", profile.name, def.id.page);
            }
        }
    }
}

/// Moves and exchanges between element types succeed if mode page 1Fh reports them, and are refused otherwise.
#[test]
fn device_capabilities_match_move_and_exchange() {
    for (profile, import_export) in profile::ALL.iter().flat_map(|profile| [(*profile, 2), (*profile, 0)]) {
        let fresh = || {
            let mut changer = changer_with(profile, import_export);
            assert_eq!(run(&mut changer, TEST, &[], 0).0, 2);
            changer
        };
        let sense =
            if profile.name == "SPECTRA PYTHON" { "1a 08 1f 00 ff 00" } else { "5a 08 1f 00 00 00 00 00 ff 00" };
        let at = if sense.starts_with("1a") { 4 } else { 8 };
        let page = run(&mut fresh(), sense, &[], 255).2[at..].to_vec();
        let layout = profile.layout(6, import_export, 2).unwrap();
        let types: Vec<(usize, Vec<u16>)> = layout
            .ranges()
            .iter()
            .enumerate()
            .skip(1)
            .map(|(bit, (_, range))| (bit, range.addresses().map(|address| address.0).collect()))
            .collect();
        for ((from, sources), (to, destinations)) in
            types.iter().flat_map(|from| types.iter().map(move |to| (from, to)))
        {
            let promised = page[4 + from] >> to & 1 == 1;
            let (Some(source), Some(destination)) = (sources.first(), destinations.last()) else {
                assert!(!promised, "{} {from} {to}: there are no such elements", profile.name);
                continue;
            };
            let mut changer = fresh();
            if *from != 1 {
                let moved = cartridge("B00001L8").unwrap();
                changer
                    .state
                    .library
                    .add_cartridge(ElementAddress(*source), moved, SourceElement::default(), Now::default())
                    .unwrap();
            }
            let [s, d] = [source, destination].map(|address| format!("{:02x} {:02x}", address >> 8, address & 0xff));
            let hand = format!("{:02x} {:02x}", profile.first_addresses[0] >> 8, profile.first_addresses[0] & 0xff);
            let (status, got, _) = run(&mut changer, &format!("a5 00 {hand} {s} {d} 00 00 00 00"), &[], 0);
            assert_eq!(status == 0, promised, "{} {from} {to}: {got:02x?}", profile.name);
            if import_export == 0 || profile.unsupported_commands.contains(&"EXCHANGE MEDIUM") {
                continue;
            }
            // The source cartridge goes to the destination, the cartridge there to the source.
            let promised = page[12 + from] >> to & 1 == 1 && page[12 + to] >> from & 1 == 1;
            let mut changer = fresh();
            for (address, name) in [(source, "B00001L8"), (destination, "B00002L8")] {
                let put = cartridge(name).unwrap();
                drop(changer.state.library.remove_cartridge(ElementAddress(*address), Now::default()));
                changer
                    .state
                    .library
                    .add_cartridge(ElementAddress(*address), put, SourceElement::default(), Now::default())
                    .unwrap();
            }
            let (status, got, _) = run(&mut changer, &format!("a6 00 {hand} {s} {d} {s} 00 00"), &[], 0);
            assert_eq!(status == 0, promised, "{} exchange {from} {to}: {got:02x?}", profile.name);
        }
    }
}

/// A CDB bit that is zero in CDB USAGE DATA is refused, with the field pointer at this bit.
#[test]
fn cdb_usage_bits_match_accepted_cdbs() {
    for profile in [&profile::STK_L700, &profile::IBM_03584L32, &profile::HP_MSL_G3] {
        let mut changer = ready_of(profile);
        let list = run(&mut changer, "a3 0c 00 00 00 00 00 00 ff ff 00 00", &[], 8192).2;
        for command in list[4..].chunks(8) {
            let has_action = command[5] & 0x01 == 1;
            let options = if has_action { 2 } else { 1 };
            let [opcode, high, low] = [command[0], command[2], command[3]];
            let ask = format!("a3 0c {options:02x} {opcode:02x} {high:02x} {low:02x} 00 00 01 00 00 00");
            let usage = run(&mut changer, &ask, &[], 256).2[4..].to_vec();
            for (byte, bit) in (1..usage.len()).flat_map(|byte| (0..8).map(move |bit| (byte, bit))) {
                let lun = opcode == 0x12 && byte == 1 && bit > 4;
                if has_action && byte == 1 && bit < 5 || usage[byte] >> bit & 1 == 1 || lun {
                    continue;
                }
                let mut cdb = vec![0; usage.len()];
                (cdb[0], cdb[1]) = (opcode, low);
                cdb[byte] |= 1 << bit;
                let text = cdb.iter().map(|byte| format!("{byte:02x} ")).collect::<String>();
                let (status, sense, _) = run(&mut changer, &text, &[], 64);
                let at = [0x24, 0, 0, 0xc8 | bit, 0, u8::try_from(byte).unwrap()];
                assert_eq!((status, &sense[12..18]), (2, &at[..]), "{} {text}", profile.name);
            }
        }
    }
}

/// An MSL3040 without import/export elements matches the capture, except for serial number and world wide name.
#[test]
fn msl3040_matches_capture() {
    let mut changer = changer_with(&profile::HPE_MSL3040, 0);
    assert_eq!(run(&mut changer, TEST, &[], 0).0, 2);
    good(
        &mut changer,
        "12 00 00 00 60 00",
        "08 80 05 02 45 00 11 02 48 50 45 20 20 20 20 20 4d 53 4c 33 30 34 30 20 20 20 20 20 20 20 20 20 33 33 35 30 \
         00 00 00 00 00 1c 00 01 00 00 00 00 00 00 00 00 00 00 00 01 00 00 00 5c 00 00 03 0f 02 fe 00 00 00 00 00 00 00 00",
    );
    good(&mut changer, "12 01 00 00 60 00", "08 00 00 08 00 80 83 85 c0 c8 cc d0");
    good(
        &mut changer,
        "12 01 83 00 60 00",
        "08 83 00 37 01 03 00 08 30 00 00 00 00 00 00 02 02 01 00 27 48 50 45 20 20 20 20 20 4d 53 4c 33 30 34 30 20 20 20 \
         20 20 20 20 20 20 30 31 32 33 34 35 36 37 38 39 5f 4c 4c 30 31",
    );
    assert_eq!(run(&mut changer, "12 01 80 00 60 00", &[], 96).2, b"\x08\x80\x00\x0f0123456789_LL01");
    let lengths = ["c0", "cc", "d0"].map(|page| run(&mut changer, &format!("12 01 {page} 00 60 00"), &[], 96).2[3]);
    assert_eq!(lengths, [0x3c, 0x20, 0x10]);
    for (page, expected) in [
        ("1c", "00 1a 00 00 00 00 00 08 00 00 00 00 00 00 00 00 1c 0a 09 00 00 00 00 00 00 00 00 00"),
        ("1e", "00 12 00 00 00 00 00 08 00 00 00 00 00 00 00 00 1e 02 00 00"),
        (
            "1f",
            "00 22 00 00 00 00 00 08 00 00 00 00 00 00 00 00 1f 12 0a 07 0a 0a 00 0a 00 00 00 00 00 0a 00 0a 00 00 00 00",
        ),
        (
            "1d",
            "00 22 00 00 00 00 00 08 00 00 00 00 00 00 00 00 9d 12 00 00 00 01 03 e9 00 06 00 65 00 00 00 01 00 02 00 00",
        ),
    ] {
        good(&mut changer, &format!("5a 00 {page} 00 00 00 00 00 ff 00"), expected);
    }
    let refused = run(&mut changer, "5a 00 0a 00 00 00 00 00 ff 00", &[], 255);
    assert_eq!((refused.0, refused.1[2], refused.1[12]), (2, 5, 0x24));
    good(&mut changer, "4d 00 40 00 00 00 00 00 ff 00", "00 00 00 0a 00 07 0d 2e 30 34 38 3a 3b 3e");
    let temperatures = run(&mut changer, "4d 00 4d 00 00 00 00 00 ff 00", &[], 255).2;
    assert_eq!((temperatures.len(), &temperatures[4..8]), (16, &[0, 0, 0x40, 2][..]));
    assert_eq!(temperatures[10..], [0, 1, 0x40, 2, 0, 0x5f]);
    let alerts = run(&mut changer, "4d 00 6e 00 00 00 00 02 00 00", &[], 512).2;
    assert_eq!((alerts.len(), &alerts[4..9]), (324, &[0, 1, 0x40, 1, 0][..]));
    let usage = run(&mut changer, "4d 00 70 00 00 00 00 00 ff 00", &[], 255).2;
    assert_eq!((usage[..8].to_vec(), usage.len()), (bytes("30 00 00 20 00 01 40 04"), 36));
    let device = run(&mut changer, "4d 00 7e 00 00 00 00 00 ff 00", &[], 255).2;
    let mut codes = Vec::new();
    let mut rest = &device[4..];
    while let [high, low, control, len, after @ ..] = rest {
        codes.push(format!("{high:02x}{low:02x}:{control:02x}/{len}"));
        rest = &after[usize::from(*len)..];
    }
    assert_eq!(
        codes.join(" "),
        "0000:40/4 0001:40/4 0002:40/4 0003:00/4 0004:40/8 1000:40/4 1001:40/4 1004:40/4 1005:40/4 1006:40/4 1007:40/4 \
         1008:40/4 1009:40/4 100a:40/4 100b:40/4 100c:40/4 100d:40/4"
    );
    assert_eq!(device.len(), 144);
    for empty in ["34", "38", "3a", "3b", "07"] {
        let page = u8::from_str_radix(empty, 16).unwrap();
        good(&mut changer, &format!("4d 00 {:02x} 00 00 00 00 00 ff 00", 0x40 | page), &format!("{empty} 00 00 00"));
    }
}

/// A partition of a chassis with a shared I/O station: a changer as [`ready`], with the slots from `first` on.
fn partition_of(chassis: &Arc<Chassis>, number: u16, first: u16) -> Changer {
    let mut changer = ready();
    let partition = Partition::new(Arc::clone(chassis), number, [first, 0, 0]);
    changer.library_mut().set_partition(Some(partition));
    changer
}

fn chassis_of_two() -> Arc<Chassis> {
    Arc::new(Chassis::new(profile::STK_L700.layout(12, 2, 4).unwrap(), true))
}

/// Slot 1000 to import/export element 10, and back.
const EXPORT: &str = "a5 00 00 00 03 e8 00 0a 00 00 00 00";
const IMPORT: &str = "a5 00 00 00 00 0a 03 e8 00 00 00 00";
/// READ ELEMENT STATUS of import/export element 10.
const STATION: &str = "b8 03 00 0a 00 01 00 00 00 80 00 00";

/// Oracle, SL150 interface reference, appendix B: a mail slot of another partition is as though the station were open.
#[test]
fn slot_of_the_station_belongs_to_one_partition() {
    let chassis = chassis_of_two();
    let [mut one, mut two] = [(1, 0), (2, 6)].map(|(number, first)| partition_of(&chassis, number, first));
    let flags = |changer: &mut Changer| run(changer, STATION, &[], 4096).2[18];
    assert_eq!((flags(&mut one), flags(&mut two)), (0x38, 0x38));
    good(&mut one, EXPORT, "");
    // FULL and ACCESS for its owner; neither for the other partition.
    assert_eq!((flags(&mut one), flags(&mut two)), (0x39, 0x30));
    fails(&mut two, EXPORT, 2, 0x3a, 0x02);
    fails(&mut two, IMPORT, 2, 0x3a, 0x02);
    assert_eq!(two.content(ElementAddress(1000)).unwrap().barcode.as_str(), "A00001L8");
    // The other slot of the station is free.
    good(&mut two, "a5 00 00 00 03 e8 00 0b 00 00 00 00", "");
    good(&mut one, IMPORT, "");
    assert_eq!(flags(&mut two), 0x30, "until the change is stored");
    one.library_mut().release_empty_slots();
    assert_eq!(flags(&mut two), 0x38);
    good(&mut two, "a5 00 00 00 03 e9 00 0a 00 00 00 00", "");
}

/// Opening the I/O station through one partition opens it for all: there is one door. So is the lock of a host.
#[test]
fn partitions_share_the_door_of_the_io_station() {
    let chassis = chassis_of_two();
    let [mut one, mut two] = [(1, 0), (2, 6)].map(|(number, first)| partition_of(&chassis, number, first));
    let station = |open: bool| if open { "1b 00 00 0a 00 00" } else { "1b 00 00 0a 01 00" };
    good(&mut two, "1e 00 00 00 01 00", "");
    fails(&mut one, station(true), 5, 0x53, 0x02);
    good(&mut two, "1e 00 00 00 00 00", "");
    good(&mut one, station(true), "");
    assert!(chassis.station_open());
    fails(&mut two, EXPORT, 2, 0x3a, 0x02);
    good(&mut two, station(false), "");
    assert!(!chassis.station_open());
    for changer in [&mut one, &mut two] {
        attention(changer, HOST, 0x28, 0x01);
    }
    // Partition 2 has missed an opening and a closing.
    good(&mut one, station(true), "");
    good(&mut one, station(false), "");
    attention(&mut two, HOST, 0x28, 0x01);
    attention(&mut one, HOST, 0x28, 0x01);
    // A reset ends the prevention of its partition.
    good(&mut two, "1e 00 00 00 01 00", "");
    assert_eq!(one.set_io_station(true), Err(OperatorError::Prevented));
    two.handle_event(TransportEvent::TargetReset, Now::default());
    one.set_io_station(true).unwrap();
}

/// The robot of a chassis makes one move after the other, whichever partition has the command.
#[test]
fn robot_serves_one_partition_at_a_time() {
    let chassis = chassis_of_two();
    let [mut one, mut two] = [(1, 0), (2, 6)].map(|(number, first)| partition_of(&chassis, number, first));
    let run = |changer: &mut Changer, at: u64| {
        changer.set_time_mode(TimeMode::Real);
        let now = Now { mono: Instant(at), ..Now::default() };
        let done = changer.execute(&Request::new(HOST, &bytes(LOAD), now), Data::new(&[], &mut []));
        (done.status.0, done.modelled, done.due.unwrap())
    };
    let (status, first, due) = run(&mut one, 5);
    assert_eq!((status, due), (0, Instant(5).saturating_add(first)));
    let (status, second, due) = run(&mut two, 1_000_005);
    assert_eq!((status, due), (0, Instant(5).saturating_add(first + second)));
    assert!(second > Duration::from_secs(10), "{second:?}");
    // A motion that was only counted does not occupy the robot.
    two.set_time_mode(TimeMode::Counted);
    let now = Now { mono: Instant(2_000_000), ..Now::default() };
    let done = two.execute(&Request::new(HOST, &bytes(UNLOAD), now), Data::new(&[], &mut []));
    assert_eq!((done.status.0, done.due), (0, None));
}

/// The way from slot to drive is that in the chassis: partition 2 has the slots behind those of partition 1.
#[test]
fn moves_take_the_time_of_their_distance_in_the_chassis() {
    let chassis = chassis_of_two();
    let [one, two] = [(1, 0), (2, 6)].map(|(number, first)| partition_of(&chassis, number, first));
    let time = |changer: &Changer| changer.state.library.move_time(ElementAddress(1000), ElementAddress(500));
    assert!(time(&one) > time(&two), "{:?} {:?}", time(&one), time(&two));
}

#[test]
fn operator_gives_a_cartridge_to_another_partition() {
    let chassis = chassis_of_two();
    let [mut one, mut two] = [(1, 0), (2, 6)].map(|(number, first)| partition_of(&chassis, number, first));
    let full = ElementAddress(1000);
    let (given, source) = one.give_to_partition(full, Now::default()).unwrap();
    assert_eq!(source, SourceElement::default());
    assert_eq!(two.check_receives(full), Err(OperatorError::Element(MoveError::DestinationFull(full))));
    let (error, given) = two.receive_from_partition(full, given, Now::default()).unwrap_err();
    assert_eq!(error, OperatorError::Element(MoveError::DestinationFull(full)));
    assert!(two.receive_from_partition(ElementAddress(1004), *given, Now::default()).is_ok());
    for changer in [&mut one, &mut two] {
        attention(changer, HOST, 0x28, 0x00);
    }
    let drive = ElementAddress(500);
    assert_eq!(
        one.give_to_partition(drive, Now::default()).unwrap_err(),
        OperatorError::Element(MoveError::NoElement(drive))
    );
    one.set_online(false);
    assert_eq!(one.give_to_partition(ElementAddress(1001), Now::default()).unwrap_err(), OperatorError::NotReady);
}

/// Quantum 6-00423: INQUIRY of 56 bytes with the full firmware level, MEDIUM TYPE 0 for data, 1 for cleaning and 4 for WORM
/// cartridges, the serial number as a Scalar i6000 reports it (mhvtl issue 152).
#[test]
fn a_scalar_of_quantum_matches_its_reference() {
    let mut changer = ready_of(&profile::QUANTUM_SCALAR_I3_I6);
    good(
        &mut changer,
        "12 00 00 00 60 00",
        "08 80 03 12 33 00 20 02 51 55 41 4e 54 55 4d 20 53 63 61 6c 61 72 20 69 33 2d 69 36 20 20 20 20 32 32 35 47 32 32 35 47 \
         20 20 20 20 20 20 20 20 20 20 20 20 20 20 20 01",
    );
    good(&mut changer, "12 01 00 00 60 00", "08 00 00 05 00 80 83 85 c8");
    good(&mut changer, "12 01 c8 00 60 00", "08 c8 00 04 00 00 00 00");
    assert_eq!(run(&mut changer, "12 01 80 00 60 00", &[], 96).2, b"\x08\x80\x00\x18QUANTUM0123456789_LL1   ");
    for (element, name) in [(0x10, "CLNU01L1"), (0x11, "W00001LY")] {
        changer.import(ElementAddress(element), cartridge(name).unwrap(), Now::default()).unwrap();
    }
    attention(&mut changer, HOST, 0x28, 0x01);
    let types = |changer: &mut Changer, cdb: &str, length: usize| {
        let status = run(changer, cdb, &[], 512).2;
        status[16..].chunks(length).map(|descriptor| descriptor[9] & 7).collect::<Vec<u8>>()
    };
    assert_eq!(types(&mut changer, "b8 13 00 10 00 02 00 00 02 00 00 00", 52), [1, 4]);
    assert_eq!(types(&mut changer, "b8 12 10 00 00 01 00 00 02 00 00 00", 52), [0]);
    let serial = profile::QUANTUM_SCALAR_I6000.unit_serial("273101164", 6, ElementAddress(0x1000));
    assert_eq!(serial, "273101164_LL7");
    assert_eq!(run(&mut changer, "9e 10 00 00 00 00 00 00 00 02 00 00 00 ff 00 00", &[], 255).0, 0);
    fails(
        &mut ready_of(&profile::QUANTUM_SCALAR_I40_I80),
        "9e 10 00 00 00 00 00 00 00 02 00 00 00 ff 00 00",
        5,
        0x20,
        0,
    );
}

/// SL500 interface reference, tables 6-73 to 6-77: media domain `L` and type, transport domain and type, and the serial
/// number of a drive, which DVCID moves in front of the domains.
#[test]
fn descriptors_of_an_sl500_have_domains() {
    let mut changer = ready_of(&profile::STK_SL500);
    good(&mut changer, "12 01 83 00 60 00", "08 83 00 0c 01 03 00 08 30 00 00 00 00 00 00 02");
    for (element, name) in [(10, "CLNU01L1"), (11, "W00001LX")] {
        changer.import(ElementAddress(element), cartridge(name).unwrap(), Now::default()).unwrap();
    }
    attention(&mut changer, HOST, 0x28, 0x01);
    let status = run(&mut changer, "b8 13 00 0a 00 02 00 00 02 00 00 00", &[], 512).2;
    assert_eq!(status[10..12], [0, 56]);
    let tails: Vec<&[u8]> = status[16..].chunks(56).map(|descriptor| &descriptor[48..]).collect();
    assert_eq!(tails, [b"\0\0\0\0CU\0\0", b"\0\0\0\0LX\0\0"]);
    let storage = run(&mut changer, "b8 12 03 e8 00 06 00 00 02 00 00 00", &[], 512).2;
    assert_eq!(storage[16 + 48..16 + 56], *b"\0\0\0\0L8\0\0");
    assert_eq!(storage[16 + 3 * 56 + 48..16 + 4 * 56], [0; 8], "an empty cell");
    // The drive of this test is no drive of an SL500.
    let without = run(&mut changer, "b8 14 01 f4 00 01 00 00 02 00 00 00", &[], 512).2;
    assert_eq!(without[16 + 48..], *b"\0\0\0\0\0\0\xff\xff0123456789                      ");
    let with = run(&mut changer, "b8 14 01 f4 00 01 01 00 02 00 00 00", &[], 512).2;
    assert_eq!(with[16 + 48..], *b"\x02\0\0\x0a0123456789                      \0\0\xff\xff");
}

#[test]
fn an_l20_has_no_device_identification() {
    let mut changer = changer_with(&profile::STK_L20, 1);
    assert_eq!(run(&mut changer, TEST, &[], 0).0, 2);
    good(&mut changer, "12 01 00 00 60 00", "08 00 00 02 00 80");
    assert_eq!(run(&mut changer, "12 01 83 00 60 00", &[], 96).0, 2);
}
