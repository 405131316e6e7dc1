//! Commands while a tape is being threaded, while a VERIFY with IMMED=1 uses it, and while the drive is
//! offline.

use super::tests::{HOST, OTHER, bytes, cartridge, check, empty, good, loaded, run_as};
use super::*;
use scsi_core::data::Data;
use scsi_core::nexus::NexusId;
use scsi_core::nexus::TransportId;
use scsi_core::target::{LogicalUnit, Request, TransportEvent};
use scsi_core::time::Instant;
use std::io::{IoSlice, IoSliceMut};
use std::time::Duration;
use tape_store::cartridge::CartridgeKind;
use tape_store::media::{LTO_3, LTO_8, MediaSpec};

const BECOMING_READY: &str = "70 00 02 00 00 00 00 0a 00 00 00 00 04 01 00 00 00 00";
const MEDIUM_CHANGED: &str = "70 00 06 00 00 00 00 0a 00 00 00 00 28 00 00 00 00 00";
const TEST_UNIT_READY: &str = "00 00 00 00 00 00";

/// Runs a command `seconds` after power-on. Returns its sense and its data.
fn run_at(drive: &mut Drive, nexus: NexusId, seconds: u64, cdb: &str, room: usize) -> (Vec<u8>, Vec<u8>) {
    let (mut answer, cdb) = (vec![0; room], bytes(cdb));
    let request = Request::new(nexus, &cdb, at(seconds));
    let done = drive.execute(&request, Data::new(&[IoSlice::new(&[])], &mut [IoSliceMut::new(&mut answer)]));
    answer.truncate(done.data_in);
    (done.sense.map(|sense| sense.as_slice().to_vec()).unwrap_or_default(), answer)
}

fn at(seconds: u64) -> Now {
    Now { mono: Instant(seconds * 1_000_000), ..Now::default() }
}

/// A drive whose tape is threaded ten seconds after power-on.
fn threading(media: &'static MediaSpec) -> Drive {
    let mut drive = empty("ULT3580-TD8");
    drive.delays_mut().load = Duration::from_secs(10);
    drive.insert_with_delay(cartridge(media, CartridgeKind::Data, 1 << 30), at(0)).unwrap();
    drive
}

#[test]
fn commands_that_need_the_medium_wait_for_threading() {
    let mut drive = threading(&LTO_8);
    for cdb in [
        TEST_UNIT_READY,
        "01 00 00 00 00 00",
        "08 00 00 00 07 00",
        "11 00 00 00 01 00",
        "13 24 00 00 00 00",
        "34 00 00 00 00 00 00 00 00 00",
        "44 01 00 00 00 00 00 00 40 00",
        "8c 00 00 00 00 00 00 00 00 00 00 00 00 40 00 00",
        "8d 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00",
        "a2 20 00 21 00 00 00 00 00 40 00 00",
        // LOAD, LOAD with HOLD, UNLOAD, UNLOAD with HOLD.
        "1b 00 00 00 01 00",
        "1b 00 00 00 09 00",
        "1b 00 00 00 00 00",
        "1b 00 00 00 08 00",
    ] {
        assert_eq!(run_at(&mut drive, HOST, 9, cdb, 64), (bytes(BECOMING_READY), vec![]), "{cdb}");
    }
    assert_eq!(run_at(&mut drive, HOST, 9, "03 00 00 00 12 00", 18), (vec![], bytes(BECOMING_READY)));
    // Ten seconds after the insert each nexus gets one unit attention, and the tape is ready.
    for nexus in [HOST, OTHER] {
        assert_eq!(run_at(&mut drive, nexus, 10, TEST_UNIT_READY, 0).0, bytes(MEDIUM_CHANGED));
        assert_eq!(run_at(&mut drive, nexus, 10, TEST_UNIT_READY, 0).0, []);
    }
}

/// Page 11h: INXTN, MPRSNT and MSTD without MTHRD and MOUNTED, and DT DEVICE ACTIVITY 02h (volume is being loaded).
#[test]
fn pages_show_no_mounted_medium_during_threading() {
    let mut drive = threading(&LTO_8);
    let mode_sense = "1a 00 00 00 0c 00";
    let status = "4d 00 51 00 00 00 00 00 0c 00";
    assert_eq!(run_at(&mut drive, HOST, 9, mode_sense, 12).1[..5], bytes("0b 00 10 08 00"));
    assert_eq!(run_at(&mut drive, HOST, 9, status, 12).1[8..11], bytes("11 94 02"));
    assert_eq!(run_at(&mut drive, HOST, 10, TEST_UNIT_READY, 0).0, bytes(MEDIUM_CHANGED));
    assert_eq!(run_at(&mut drive, HOST, 10, mode_sense, 12).1[..5], bytes("0b 88 10 08 5e"));
    assert_eq!(run_at(&mut drive, HOST, 10, status, 12).1[8..11], bytes("31 17 00"));
}

#[test]
fn a_nexus_established_during_threading_gets_the_attention_of_the_load_afterwards() {
    let mut drive = threading(&LTO_8);
    let event = |nexus| TransportEvent::NexusEstablished { nexus, port: TransportId::local(3), reestablished: false };
    drive.handle_event(event(NexusId(3)), at(9));
    let power_on = bytes("70 00 06 00 00 00 00 0a 00 00 00 00 29 00 00 00 00 00");
    assert_eq!(run_at(&mut drive, NexusId(3), 9, TEST_UNIT_READY, 0).0, power_on);
    assert_eq!(run_at(&mut drive, NexusId(3), 9, TEST_UNIT_READY, 0).0, bytes(BECOMING_READY));
    assert_eq!(run_at(&mut drive, NexusId(3), 10, TEST_UNIT_READY, 0).0, bytes(MEDIUM_CHANGED));
    assert_eq!(run_at(&mut drive, NexusId(3), 10, TEST_UNIT_READY, 0).0, []);
}

#[test]
fn an_unusable_cartridge_is_reported_after_threading() {
    let mut drive = threading(&LTO_3);
    let incompatible = bytes("70 00 03 00 00 00 00 0a 00 00 00 00 30 00 00 00 00 00");
    assert_eq!(drive.refusal().map(|sense| sense.asc.0), Some(0x3000));
    for cdb in [TEST_UNIT_READY, "1b 00 00 00 01 00", "1b 00 00 00 09 00"] {
        assert_eq!(run_at(&mut drive, HOST, 9, cdb, 0).0, bytes(BECOMING_READY), "{cdb}");
    }
    assert_eq!(run_at(&mut drive, HOST, 10, TEST_UNIT_READY, 0).0, incompatible);
    assert_eq!(run_at(&mut drive, HOST, 10, "1b 00 00 00 01 00", 0).0, incompatible);
}

#[test]
fn settings_and_removal_apply_to_a_tape_that_is_being_threaded() {
    let mut drive = threading(&LTO_8);
    assert!(drive.set_append_only(true));
    assert_eq!(run_at(&mut drive, HOST, 10, TEST_UNIT_READY, 0).0, bytes(MEDIUM_CHANGED));
    // ALLOW OVERWRITE is accepted only in append-only mode.
    good(&mut drive, "82 00 02 00 00 00 00 00 00 00 00 00 00 00 00 00", b"");
    let mut drive = threading(&LTO_8);
    assert_eq!(drive.loaded().map(|(_, state)| state), Some(LoadState::Threaded));
    assert_eq!(drive.remove().map(|cartridge| cartridge.barcode().to_string()), Ok("T00001".into()));
    let no_medium = "70 00 02 00 00 00 00 0a 00 00 00 00 3a 00 00 00 00 00";
    assert_eq!(run_at(&mut drive, HOST, 20, TEST_UNIT_READY, 0).0, bytes(no_medium));
}

#[test]
fn load_and_unload_wait_for_a_verify() {
    let mut drive = loaded(1 << 30);
    let block = vec![5; 8 << 20];
    for _ in 0..20 {
        good(&mut drive, "0a 00 80 00 00 00", &block);
    }
    good(&mut drive, "01 00 00 00 00 00", b"");
    good(&mut drive, "13 24 00 00 00 00", b"");
    for cdb in ["1b 00 00 00 00 00", "1b 00 00 00 01 00", "8c 00 00 00 00 00 00 00 00 00 00 00 00 40 00 00"] {
        let (_, sense, _) = run_as(&mut drive, HOST, cdb, &[], 64);
        assert_eq!((sense[2], &sense[12..14], sense[15]), (0x02, &[0x04, 0x07][..], 0x80), "{cdb}");
    }
    // Page 11h: the tape stays mounted; DT DEVICE ACTIVITY 0Ch (other).
    assert_eq!(run_as(&mut drive, HOST, "4d 00 51 00 00 00 00 00 0c 00", &[], 12).2[8..11], bytes("31 17 0c"));
    while drive.poll_background(Now::default()).is_some() {}
    good(&mut drive, "1b 00 00 00 00 00", b"");
}

/// Every command of SSC, with all other bytes of its CDB zero.
#[test]
fn offline_drive_rejects_ssc_commands() {
    let mut drive = loaded(1 << 30);
    drive.set_online(false);
    let offline = "70 00 02 00 00 00 00 0a 00 00 00 00 04 12 00 00 00 00";
    for opcode in [
        0x00, 0x01, 0x04, 0x05, 0x08, 0x0a, 0x0b, 0x0f, 0x10, 0x11, 0x13, 0x14, 0x19, 0x1b, 0x2b, 0x34, 0x44, 0x80,
        0x81, 0x82, 0x88, 0x8a, 0x8c, 0x8d, 0x8f, 0x91, 0x92, 0x93, 0xa2, 0xb5,
    ] {
        check(&mut drive, &format!("{opcode:02x}{}", " 00".repeat(15)), &[], 64, offline, b"");
    }
    for cdb in ["a3 1f 45 00 00 00 00 00 00 40 00 00", "ab 01 00 00 00 00 00 00 00 40 00 00"] {
        check(&mut drive, cdb, &[], 64, offline, b"");
    }
    drive.set_online(true);
    good(&mut drive, TEST_UNIT_READY, b"");
}
