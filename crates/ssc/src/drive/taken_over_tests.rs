//! Cartridges in a store that several daemons share: commits, and the drive after another daemon has taken over its cartridge.
//! Literal bytes, as in `tests.rs`.

use super::storage_failure_tests::{drive_on, insert};
use super::tests::*;
use super::*;
use scsi_core::nexus::NexusId;
use std::io::ErrorKind;
use std::sync::Mutex;
use tape_store::backend::CommitPoint;
use tape_store::backend::faulty::FaultyFolder;
use tape_store::cartridge::Format;

const WRITE: &str = "0a 00 00 00 08 00";
const WRITE_FILEMARK: &str = "10 00 00 00 01 00";
const REWIND: &str = "01 00 00 00 00 00";
const READ: &str = "08 00 00 00 08 00";
const TEST_UNIT_READY: &str = "00 00 00 00 00 00";
const UNLOAD: &str = "1b 00 00 00 00 00";
const LOAD: &str = "1b 00 00 00 01 00";
const READ_ATTRIBUTE: &str = "8c 00 00 00 00 00 00 00 00 00 00 00 00 40 00 00";
const LOG_SENSE: &str = "4d 00 4c 00 00 00 00 00 04 00";
/// Commands that use the tape or the cartridge memory: READ(6), WRITE(6), WRITE FILEMARKS(6), SPACE(6) to end of data, TEST
/// UNIT READY, REWIND, LOCATE(10), VERIFY(6), ERASE(6), READ POSITION, READ ATTRIBUTE, FORMAT MEDIUM.
const MEDIUM_COMMANDS: [&str; 12] = [
    READ,
    WRITE,
    WRITE_FILEMARK,
    "11 03 00 00 00 00",
    TEST_UNIT_READY,
    REWIND,
    "2b 00 00 00 00 00 00 00 00 00",
    "13 00 00 00 01 00",
    "19 00 00 00 00 00",
    "34 00 00 00 00 00 00 00 00 00",
    READ_ATTRIBUTE,
    "04 00 00 00 00 00",
];

/// Response code, sense key, additional sense code and qualifier.
fn codes(sense: &[u8]) -> [u8; 4] {
    [sense[0] & 0x7f, sense[2] & 0x0f, sense[12], sense[13]]
}

/// NOT READY 3Ah/00h, as a current and as a deferred error.
const GONE: [u8; 4] = [0x70, 2, 0x3a, 0];
const GONE_DEFERRED: [u8; 4] = [0x71, 2, 0x3a, 0];

fn sense_of(drive: &mut Drive, nexus: NexusId, cdb: &str) -> [u8; 4] {
    let out: &[u8] = if cdb == WRITE { &[7; 8] } else { &[] };
    let (status, sense, _) = run_as(drive, nexus, cdb, out, 64);
    assert_eq!(status, 2, "{cdb}");
    codes(&sense)
}

/// Both nexuses get NOT READY 3Ah/00h for every command for the medium, and the robot gets the cartridge.
fn check_dropped(drive: &mut Drive, what: &str) {
    for nexus in [HOST, OTHER] {
        for cdb in MEDIUM_COMMANDS {
            assert_eq!(sense_of(drive, nexus, cdb), GONE, "{what}: {cdb}");
        }
    }
    assert_eq!(drive.loaded().map(|(_, state)| state), Some(LoadState::NotThreaded), "{what}");
    assert_eq!(drive.refusal().map(|sense| sense.asc), Some(Asc::MEDIUM_NOT_PRESENT), "{what}");
}

/// The faults that the drive has reported to its owner.
fn faults(drive: &mut Drive) -> Vec<(String, String, bool)> {
    let each = |fault: MediumFault| (fault.barcode.to_string(), fault.reason, fault.unusable);
    drive.take_faults().into_iter().map(each).collect()
}

fn taken_over_by_vault2() -> (String, String, bool) {
    ("T00001L8".into(), "the cartridge was taken over by vault2".into(), true)
}

#[test]
fn commit_at_each_synchronisation_and_at_the_unload() {
    for format in [Format::Native, Format::Mhvtl] {
        let disk = FaultyFolder::default();
        let mut drive = drive_on(&disk, format);
        assert_eq!(disk.take_commits(), []);
        good(&mut drive, WRITE, &[1; 8]);
        // WRITE FILEMARKS with IMMED=1.
        good(&mut drive, "10 01 00 00 01 00", b"");
        assert_eq!(disk.take_commits(), []);
        for count in ["00", "01", "03"] {
            good(&mut drive, &format!("10 00 00 00 {count} 00"), b"");
            assert_eq!(disk.take_commits(), [CommitPoint::Synchronise]);
        }
        good(&mut drive, WRITE, &[1; 8]);
        let calls = disk.calls();
        good(&mut drive, UNLOAD, b"");
        assert_eq!(disk.take_commits(), [CommitPoint::Unload]);
        assert!(disk.calls() > calls);
        // The robot unloads.
        let mut drive = insert(&disk);
        good(&mut drive, "19 00 00 00 00 00", b"");
        good(&mut drive, "04 00 00 00 00 00", b"");
        assert_eq!(disk.take_commits(), [CommitPoint::Synchronise; 2]);
        drive.remove().unwrap();
        assert_eq!(disk.take_commits(), [CommitPoint::Unload]);
    }
}

/// The store gets the cartridge memory of the unload: nothing is written after the commit.
#[test]
fn commit_of_the_unload_follows_the_cartridge_memory() {
    let disk = FaultyFolder::default();
    let mut drive = drive_on(&disk, Format::Native);
    good(&mut drive, WRITE, &[1; 8]);
    disk.fail_commits(Some(ErrorKind::TimedOut));
    // MEDIUM ERROR 0Ch/00h.
    assert_eq!(sense_of(&mut drive, HOST, UNLOAD), [0x70, 3, 0x0c, 0]);
    assert_eq!(disk.take_commits(), [CommitPoint::Unload]);
    let calls = disk.calls();
    assert!(disk.bytes("ferric.mam") == disk.bytes("ferric.mam.copy"));
    let reason = "not unloaded cleanly: committing the cartridge failed: timed out";
    assert_eq!(faults(&mut drive), [("T00001L8".into(), reason.into(), false)]);
    drive.remove().unwrap();
    assert_eq!(disk.calls(), calls);
}

#[test]
fn failed_commit_is_a_failed_synchronisation() {
    let disk = FaultyFolder::default();
    let mut drive = drive_on(&disk, Format::Native);
    good(&mut drive, WRITE, &[1; 8]);
    disk.fail_commits(Some(ErrorKind::TimedOut));
    // MEDIUM ERROR 0Ch/00h for the filemark, and for each write before the store works again.
    for cdb in [WRITE_FILEMARK, WRITE_FILEMARK, WRITE, "10 00 00 00 00 00"] {
        assert_eq!(sense_of(&mut drive, HOST, cdb), [0x70, 3, 0x0c, 0], "{cdb}");
    }
    assert!(drive.alerts().is_set(Alert::WRITE_FAILURE.0));
    // The failure was reported: the tape can be positioned and read.
    good(&mut drive, REWIND, b"");
    assert_eq!(run(&mut drive, READ, &[], 8).2, [1; 8]);
    assert_eq!(sense_of(&mut drive, HOST, WRITE), [0x70, 3, 0x0c, 0]);
    let _ = disk.take_commits();
    disk.fail_commits(None);
    good(&mut drive, WRITE, &[2; 8]);
    assert_eq!(disk.take_commits(), [CommitPoint::Synchronise]);
    good(&mut drive, WRITE_FILEMARK, b"");
    assert_eq!(disk.take_commits(), [CommitPoint::Synchronise]);
}

#[test]
fn drive_drops_a_cartridge_that_was_taken_over() {
    for cdb in ["10 00 00 00 01 00", "10 00 00 00 00 00", REWIND, "19 00 00 00 00 00", "13 00 00 00 01 00", UNLOAD] {
        let disk = FaultyFolder::default();
        let mut drive = drive_on(&disk, Format::Native);
        good(&mut drive, WRITE, &[1; 8]);
        good(&mut drive, WRITE_FILEMARK, b"");
        good(&mut drive, "2b 00 00 00 00 00 00 00 00 00", b"");
        let written = disk.bytes("ferric.mam");
        disk.take_over_at(disk.calls(), "vault2");
        assert_eq!(sense_of(&mut drive, HOST, cdb), GONE, "{cdb}");
        assert_eq!(faults(&mut drive), [taken_over_by_vault2()], "{cdb}");
        assert!(drive.alerts().is_set(Alert::FORCED_EJECT.0), "{cdb}");
        if cdb == UNLOAD {
            assert_eq!(drive.loaded().map(|(_, state)| state), Some(LoadState::Ejected));
        } else {
            check_dropped(&mut drive, cdb);
            good(&mut drive, UNLOAD, b"");
        }
        // A load finds that it still is.
        assert_eq!(sense_of(&mut drive, HOST, LOAD), GONE, "{cdb}");
        assert_eq!(faults(&mut drive), [taken_over_by_vault2()], "{cdb}");
        check_dropped(&mut drive, cdb);
        let barcode = drive.remove().unwrap().barcode().to_string();
        assert_eq!((barcode.as_str(), disk.bytes("ferric.mam") == written), ("T00001L8", true), "{cdb}");
        // The other daemon has released the cartridge.
        disk.give_back();
        let mut drive = insert(&disk);
        assert_eq!(run(&mut drive, READ, &[], 8).2, [1; 8]);
        drive.remove().unwrap();
    }
}

/// The robot unloads without a command: the cartridge is released, and nothing is written.
#[test]
fn robot_gets_a_cartridge_that_was_taken_over() {
    let disk = FaultyFolder::default();
    let mut drive = drive_on(&disk, Format::Native);
    good(&mut drive, WRITE, &[1; 8]);
    disk.take_over_at(disk.calls(), "vault2");
    let calls = disk.calls();
    assert_eq!(drive.remove().unwrap().barcode().as_str(), "T00001L8");
    assert_eq!(faults(&mut drive), [taken_over_by_vault2()]);
    assert_eq!(disk.calls(), calls);
    // The write was not synchronised.
    assert_eq!(sense_of(&mut drive, HOST, TEST_UNIT_READY), GONE_DEFERRED);
    assert_eq!(sense_of(&mut drive, OTHER, TEST_UNIT_READY), GONE);
    assert_eq!(sense_of(&mut drive, HOST, TEST_UNIT_READY), GONE);
}

/// Only the first call of the unload fails: nothing is written afterwards, though the storage would accept it.
#[test]
fn unload_writes_nothing_after_the_cartridge_was_taken_over() {
    let disk = FaultyFolder::default();
    let mut drive = drive_on(&disk, Format::Native);
    good(&mut drive, WRITE, &[1; 8]);
    let (hooked, later) = (disk.clone(), Arc::new(Mutex::new(None)));
    let calls: Arc<Mutex<Option<Vec<&'static str>>>> = Arc::clone(&later);
    disk.set_hook(Arc::new(move |call| {
        let mut calls = calls.lock().unwrap();
        match calls.as_mut() {
            None => {
                *calls = Some(Vec::new());
                hooked.take_over_at(0, "vault2");
            }
            Some(calls) => {
                hooked.give_back();
                calls.push(call);
            }
        }
    }));
    assert_eq!(drive.remove().unwrap().barcode().as_str(), "T00001L8");
    assert_eq!(*later.lock().unwrap(), Some(Vec::new()));
    assert_eq!(faults(&mut drive), [taken_over_by_vault2()]);
}

#[test]
fn accepted_data_of_a_cartridge_that_was_taken_over_is_reported_as_lost() {
    // Data in memory only: a deferred error for the command of the same nexus.
    let disk = FaultyFolder::default();
    let mut drive = drive_on(&disk, Format::Native);
    good(&mut drive, WRITE, &[1; 8]);
    disk.take_over_at(disk.calls(), "vault2");
    assert_eq!(sense_of(&mut drive, HOST, WRITE_FILEMARK), GONE_DEFERRED);
    let lost = ("T00001L8".into(), "written data is lost: the cartridge was taken over by vault2".into(), false);
    assert_eq!(faults(&mut drive), [lost, taken_over_by_vault2()]);
    assert!(!drive.alerts().is_set(Alert::HARD_ERROR.0));
    check_dropped(&mut drive, "WRITE FILEMARKS");

    // Data that is not synchronised: another nexus finds it, at any call of the synchronisation or at the commit, and the writer
    // gets a deferred error once.
    for at in 0..4 {
        let disk = FaultyFolder::default();
        let mut drive = drive_on(&disk, Format::Native);
        good(&mut drive, WRITE, &[1; 8]);
        good(&mut drive, WRITE_FILEMARK, b"");
        good(&mut drive, "0a 00 01 11 70 00", &[2; 70_000]);
        disk.take_over_at(disk.calls() + at, "vault2");
        assert_eq!(sense_of(&mut drive, OTHER, REWIND), GONE, "call {at}");
        assert_eq!(sense_of(&mut drive, HOST, TEST_UNIT_READY), GONE_DEFERRED, "call {at}");
        check_dropped(&mut drive, "REWIND");
    }

    // Everything is synchronised: no deferred error.
    let disk = FaultyFolder::default();
    let mut drive = drive_on(&disk, Format::Native);
    good(&mut drive, WRITE, &[1; 8]);
    good(&mut drive, WRITE_FILEMARK, b"");
    disk.take_over_at(disk.calls(), "vault2");
    assert_eq!(sense_of(&mut drive, OTHER, REWIND), GONE);
    check_dropped(&mut drive, "REWIND");
}

/// LOG SENSE and READ ATTRIBUTE write the blocks of the workers and ignore the failure. READ ATTRIBUTE, a command for the medium,
/// does not end with GOOD.
#[test]
fn command_that_ignores_a_failure_finds_that_the_cartridge_was_taken_over() {
    let noise = |seed: &mut u32| {
        *seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        Some(seed.to_be_bytes()[0])
    };
    let block: Vec<u8> = (0..70_000).scan(1, |seed, _| noise(seed)).collect();
    for (cdb, expected) in [(LOG_SENSE, None), (READ_ATTRIBUTE, Some(GONE))] {
        let disk = FaultyFolder::default();
        let mut drive = drive_on(&disk, Format::Native);
        drive.eject().unwrap();
        drive.set_workers(Arc::new(tape_store::workers::InlineWorkers(4)));
        drive.set_codec(Codec::zstd(1));
        good(&mut drive, LOAD, b"");
        clear_attentions(&mut drive);
        good(&mut drive, "0a 00 01 11 70 00", &block);
        disk.take_over_at(disk.calls(), "vault2");
        let (status, sense, _) = run(&mut drive, cdb, &[], 1024);
        assert_eq!((status == 2).then(|| codes(&sense)), expected, "{cdb}");
        assert_eq!(sense_of(&mut drive, HOST, TEST_UNIT_READY), GONE_DEFERRED, "{cdb}");
        check_dropped(&mut drive, cdb);
    }
}

/// WRITE ATTRIBUTE to a threaded tape, and after a load with HOLD=1.
#[test]
fn cartridge_memory_of_a_cartridge_that_was_taken_over() {
    // Attribute 080Ch of partition 0.
    let write_attribute = "8d 00 00 00 00 00 00 00 00 00 00 00 00 0a 00 00";
    let list = bytes("00 00 00 06 08 0c 00 00 01 55");
    for hold in [false, true] {
        let disk = FaultyFolder::default();
        let mut drive = drive_on(&disk, Format::Native);
        if hold {
            good(&mut drive, UNLOAD, b"");
            good(&mut drive, "1b 00 00 00 09 00", b"");
        }
        disk.take_over_at(disk.calls(), "vault2");
        let (status, sense, _) = run(&mut drive, write_attribute, &list, 0);
        assert_eq!((status, codes(&sense)), (2, GONE), "hold {hold}");
        assert_eq!(faults(&mut drive), [taken_over_by_vault2()]);
        check_dropped(&mut drive, "WRITE ATTRIBUTE");
        drive.remove().unwrap();
    }
}

/// A VERIFY with IMMED=1 finds it in the background: the host that started it gets a deferred error.
#[test]
fn background_verify_of_a_cartridge_that_was_taken_over() {
    let disk = FaultyFolder::default();
    let mut drive = drive_on(&disk, Format::Native);
    for _ in 0..3 {
        good(&mut drive, "0a 00 01 11 70 00", &[2; 70_000]);
    }
    good(&mut drive, WRITE_FILEMARK, b"");
    good(&mut drive, REWIND, b"");
    good(&mut drive, "13 04 00 00 03 00", b"");
    disk.take_over_at(disk.calls(), "vault2");
    assert_eq!(drive.poll_background(Now::default()), None);
    assert_eq!(faults(&mut drive), [taken_over_by_vault2()]);
    assert_eq!(sense_of(&mut drive, OTHER, TEST_UNIT_READY), GONE);
    assert_eq!(sense_of(&mut drive, HOST, TEST_UNIT_READY), GONE_DEFERRED);
    check_dropped(&mut drive, "VERIFY");
}

/// Whichever call of the storage finds it: no command for the medium ends with GOOD afterwards, the drive drops the tape, and
/// synchronised blocks remain.
#[test]
fn cartridge_is_taken_over_at_each_call() {
    let (mut found, mut at) = (0, 0);
    loop {
        let disk = FaultyFolder::default();
        let mut drive = drive_on(&disk, Format::Native);
        disk.take_over_at(disk.calls() + at, "vault2");
        let (mut synced, mut failed) = (0, false);
        for number in 1..=6_u8 {
            let (cdb, len) = if number % 2 == 0 { ("0a 00 01 11 70 00", 70_000) } else { (WRITE, 8) };
            let written = run(&mut drive, cdb, &vec![number; len], 0);
            let filemark = run(&mut drive, WRITE_FILEMARK, &[], 0);
            for (status, sense, _) in [written, filemark] {
                assert!(!failed || status == 2, "call {at}, block {number}");
                failed |= status == 2;
                assert!(!failed || [GONE, GONE_DEFERRED].contains(&codes(&sense)), "call {at}: {sense:02x?}");
            }
            synced = if failed { synced } else { number };
        }
        if !failed {
            break;
        }
        found += 1;
        let calls = disk.calls();
        disk.give_back();
        check_dropped(&mut drive, &format!("call {at}"));
        assert!(faults(&mut drive).contains(&taken_over_by_vault2()), "call {at}");
        drive.remove().unwrap();
        assert_eq!(disk.calls(), calls, "call {at}: a call after the loss");
        let mut drive = insert(&disk.crash(|_| 0));
        for number in 1..=synced {
            let (status, _, data) = run(&mut drive, "08 02 02 00 00 00", &[], 0x2_0000);
            assert_eq!((status, data.first()), (0, Some(&number)), "call {at}");
            good(&mut drive, "11 01 00 00 01 00", b"");
        }
        at += 1;
    }
    assert!(found > 20, "{found}");
}
