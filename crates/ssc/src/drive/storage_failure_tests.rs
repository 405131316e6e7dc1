//! Failing storage: the sense that a host gets, and that the drive continues. Literal bytes, as in `tests.rs`.

use super::tests::*;
use super::*;
use crate::alert::Alert;
use std::io::ErrorKind;
use tape_store::backend::faulty::FaultyFolder;
use tape_store::backend::memory::MemoryFolderStore;
use tape_store::backend::{Folder, FolderStore};
use tape_store::cartridge::{Barcode, CartridgeKind, Format};
use tape_store::media::LTO_8;
use tape_store::store::{NewCartridge, TapeStore};

/// A drive with a cartridge of this format, on a disk that fails on request.
pub(super) fn drive_on(disk: &FaultyFolder, level: Format) -> Drive {
    let shelves = MemoryFolderStore::default();
    let store = TapeStore::new(Box::new(shelves.clone()));
    let new = NewCartridge::data(&LTO_8).with_serial("S1").with_capacity(1 << 30).with_format(level);
    store.create(&Barcode::new("T00001L8").unwrap(), &new).unwrap();
    let (mut made, mut disk_files) = (shelves.open("T00001L8").unwrap(), disk.clone());
    for name in made.list().unwrap() {
        disk_files.replace(&name, &made.read(&name).unwrap().unwrap()).unwrap();
    }
    insert(disk)
}

pub(super) fn insert(disk: &FaultyFolder) -> Drive {
    let folder = disk.clone();
    let open = move || Ok(Box::new(folder.clone()) as Box<dyn Folder>);
    let barcode = Barcode::new("T00001L8").unwrap();
    let mut drive = empty("ULT3580-TD8");
    drive.insert(Cartridge::in_folder(barcode, &LTO_8, CartridgeKind::Data, 1 << 30, Box::new(open))).unwrap();
    clear_attentions(&mut drive);
    drive
}

/// A cartridge was loaded from a copy with HOLD=1, and its original can be written again: WRITE ATTRIBUTE must not save the cartridge
/// memory of the copy there.
#[test]
fn the_cartridge_memory_of_a_copy_is_not_written_to_the_original() {
    // Attribute 080Ch of partition 0.
    let (write_attribute, list) =
        ("8d 00 00 00 00 00 00 00 00 00 00 00 00 0a 00 00", bytes("00 00 00 06 08 0c 00 00 01 55"));
    let disk = FaultyFolder::default();
    let mut drive = drive_on(&disk, Format::Native);
    let (unload, load_with_hold) = ("1b 00 00 00 00 00", "1b 00 00 00 09 00");
    good(&mut drive, unload, b"");
    disk.set_read_only(true);
    good(&mut drive, load_with_hold, b"");
    disk.set_read_only(false);
    let before = disk.bytes("ferric.mam");
    for _ in 0..2 {
        let (status, sense, _) = run(&mut drive, write_attribute, &list, 0);
        // MEDIUM ERROR, AUXILIARY MEMORY WRITE ERROR.
        assert_eq!((status, sense_codes(&sense)), (2, (3, 0x0c, 0x0b, false)));
        assert_eq!(disk.bytes("ferric.mam"), before);
    }
    // After the next load it can be written.
    good(&mut drive, unload, b"");
    good(&mut drive, load_with_hold, b"");
    good(&mut drive, write_attribute, &list);
    assert_ne!(disk.bytes("ferric.mam"), before);
}

/// Key, code and qualifier of a fixed-format sense, and whether EOM is set.
fn sense_codes(sense: &[u8]) -> (u8, u8, u8, bool) {
    (sense[2] & 0x0f, sense[12], sense[13], sense[2] & 0x40 != 0)
}

/// WRITE(6) of one block of this length.
fn cdb(len: usize) -> String {
    let [_, a, b, c] = u32::try_from(len).unwrap().to_be_bytes();
    format!("0a 00 {a:02x} {b:02x} {c:02x} 00")
}

fn length(number: u8) -> usize {
    if number.is_multiple_of(3) { 70_000 } else { 200 }
}

/// Reads from the beginning, and returns the numbers of the blocks up to end of data.
fn read_back(drive: &mut Drive) -> Vec<u8> {
    // The first command may report the failure; the motion is done by then.
    if run(drive, "01 00 00 00 00 00", &[], 0).0 != 0 {
        good(drive, "01 00 00 00 00 00", b"");
    }
    let mut found = Vec::new();
    loop {
        let (status, sense, data) = run(drive, "08 02 02 00 00 00", &[], 0x2_0000);
        match (status, sense.get(2).map(|byte| byte & 0x8f)) {
            (0, _) => {
                assert!(data.iter().all(|byte| *byte == data[0]) && data.len() == length(data[0]), "{}", data.len());
                found.push(data[0]);
            }
            // Skip a filemark.
            (2, Some(0x80)) => {}
            (2, Some(0x08)) => return found,
            other => panic!("{other:?} {sense:02x?}"),
        }
    }
}

/// Commands of a host, and their outcomes.
struct HostOutcome {
    /// Blocks that were accepted and not reported as lost.
    accepted: Vec<u8>,
    senses: Vec<Vec<u8>>,
}

/// Writes six blocks with a filemark after each second one, while the disk fails from some call on. The host stops at
/// the first error.
fn write_until_it_fails(drive: &mut Drive) -> HostOutcome {
    let mut story = HostOutcome { accepted: Vec::new(), senses: Vec::new() };
    for number in 0..6_u8 {
        let (status, sense, _) = run(drive, &cdb(length(number)), &vec![number; length(number)], 0);
        if status == 0 {
            story.accepted.push(number);
        } else {
            story.senses.push(sense);
            return story;
        }
        if number % 2 == 1 {
            let (status, sense, _) = run(drive, "10 00 00 00 01 00", &[], 0);
            if status != 0 {
                story.senses.push(sense);
                return story;
            }
        }
    }
    story
}

#[test]
fn each_failing_call_has_its_own_sense() {
    each_failing_call(Format::Native);
}

/// The same for a cartridge in mhvtl format, whose filemarks are in a separate file.
#[test]
fn each_failing_call_has_its_own_sense_in_mhvtl_format() {
    each_failing_call(Format::Mhvtl);
}

fn each_failing_call(level: Format) {
    let full = [ErrorKind::StorageFull, ErrorKind::QuotaExceeded, ErrorKind::FileTooLarge];
    let broken = [ErrorKind::Other, ErrorKind::ReadOnlyFilesystem];
    for error in full.into_iter().chain(broken) {
        let is_full = full.contains(&error);
        let mut failures = 0;
        for at in 0..60 {
            let disk = FaultyFolder::default();
            let mut drive = drive_on(&disk, level);
            disk.fail_at(Some(disk.calls() + at), error);
            let mut story = write_until_it_fails(&mut drive);
            if story.senses.is_empty() {
                continue;
            }
            failures += 1;
            let what = format!("{error} call {at}");
            // Each retry of the host gets the same sense. A short block may still fit into the buffer.
            for _ in 0..2 {
                let (status, sense, _) = run(&mut drive, &cdb(200), &[10; 200], 0);
                match status {
                    0 => story.accepted.push(10),
                    _ => story.senses.push(sense),
                }
                let (status, sense, _) = run(&mut drive, "10 00 00 00 01 00", &[], 0);
                assert_eq!(status, 2, "{what}");
                story.senses.push(sense);
            }
            for sense in &story.senses {
                let expected: &[(u8, u8, u8, bool)] =
                    if is_full { &[(0xd, 0, 2, true)] } else { &[(3, 0x0c, 0, false), (3, 0x0c, 0x0b, false)] };
                assert!(expected.contains(&sense_codes(sense)), "{what}: {sense:02x?}");
            }
            let alerts = drive.alerts();
            let write =
                [Alert::WRITE_WARNING, Alert::HARD_ERROR, Alert::WRITE_FAILURE].map(|alert| alerts.is_set(alert));
            let lost = story.senses.iter().any(|sense| sense[0] & 0x7f == 0x71);
            assert!(if is_full { write[0] || write[2] && lost } else { write[1] && write[2] }, "{what}: {write:?}");
            // The data on the tape can be read while the disk still fails; lost data was reported, with the position at
            // its start.
            let found = read_back(&mut drive);
            assert!(story.accepted.starts_with(&found), "{what}: {found:?} of {:?}", story.accepted);
            assert!(lost || found.len() == story.accepted.len(), "{what}: {found:?} of {:?}", story.accepted);
            // The drive continues without a load once the disk works again.
            disk.fail_at(None, error);
            good(&mut drive, "11 03 00 00 00 00", b"");
            good(&mut drive, &cdb(200), &[7; 200]);
            good(&mut drive, "10 00 00 00 01 00", b"");
            good(&mut drive, "1b 00 00 00 00 00", b"");
            drop(drive);
            let mut drive = insert(&disk.crash(|_| 0));
            assert_eq!(read_back(&mut drive), [found, vec![7]].concat(), "{what}");
        }
        assert!(failures > 10, "{error}: {failures}");
    }
}

#[test]
fn lost_buffered_data_is_a_deferred_error() {
    check_lost_buffered_data(Format::Native);
    check_lost_buffered_data(Format::Mhvtl);
}

fn check_lost_buffered_data(level: Format) {
    let disk = FaultyFolder::default();
    let mut drive = drive_on(&disk, level);
    good(&mut drive, &cdb(200), &[1; 200]);
    good(&mut drive, "10 00 00 00 01 00", b"");
    // Two buffered blocks, which the next filemark cannot store.
    good(&mut drive, &cdb(200), &[2; 200]);
    good(&mut drive, &cdb(200), &[4; 200]);
    disk.fail_at(Some(disk.calls()), ErrorKind::StorageFull);
    // VOLUME OVERFLOW with EOM, deferred.
    check(&mut drive, "10 00 00 00 01 00", b"", 0, "f1 00 4d 00 00 00 01 0a 00 00 00 00 00 02 00 00 00 00", b"");
    // The position is at the first lost block.
    assert_eq!(position(&mut drive), 2);
    // Writes are rejected until the host moves the tape: new data would take the position of the lost data.
    check(&mut drive, &cdb(200), &[5; 200], 0, "f0 00 4d 00 00 00 c8 0a 00 00 00 00 00 02 00 00 00 00", b"");
    disk.fail_at(None, ErrorKind::StorageFull);
    check(&mut drive, &cdb(200), &[5; 200], 0, "f0 00 4d 00 00 00 c8 0a 00 00 00 00 00 02 00 00 00 00", b"");
    good(&mut drive, "2b 00 00 00 00 00 02 00 00 00", b"");
    good(&mut drive, &cdb(200), &[2; 200]);
    good(&mut drive, "10 00 00 00 01 00", b"");
    assert_eq!(read_back(&mut drive), [1, 2]);
    assert!(drive.alerts().is_set(Alert::WRITE_FAILURE) && !drive.alerts().is_set(Alert::HARD_ERROR));
}

#[test]
fn full_file_system_ends_the_tape_until_space_is_freed() {
    check_full_file_system(Format::Native);
    check_full_file_system(Format::Mhvtl);
}

fn check_full_file_system(level: Format) {
    let disk = FaultyFolder::default();
    let mut drive = drive_on(&disk, level);
    disk.set_available(60_000);
    // Beyond early warning, because the file system has less space left.
    let warned = "f0 00 40 00 00 00 00 0a 00 00 00 00 00 02 00 00 00 00";
    check(&mut drive, &cdb(200), &[1; 200], 0, warned, b"");
    assert!(!drive.alerts().is_set(Alert::WRITE_WARNING));
    check(&mut drive, &cdb(70_000), &[3; 70_000], 0, "f0 00 4d 00 01 11 70 0a 00 00 00 00 00 02 00 00 00 00", b"");
    // 02h: no data is lost, and the capacity is reduced.
    assert!(drive.alerts().is_set(Alert::WRITE_WARNING) && !drive.alerts().is_set(Alert::WRITE_FAILURE));
    let reasons: Vec<String> = drive.take_faults().into_iter().map(|fault| fault.reason).collect();
    assert_eq!(reasons, ["file system is full, tape ends before its capacity"]);
    disk.set_available(1 << 40);
    good(&mut drive, &cdb(70_000), &[3; 70_000]);
    good(&mut drive, "10 00 00 00 01 00", b"");
    assert_eq!(read_back(&mut drive), [1, 3]);
}
