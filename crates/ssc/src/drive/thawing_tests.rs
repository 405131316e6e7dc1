//! Cartridges whose store must thaw objects before they are read. Literal bytes, as in `tests.rs`.

use super::tests::{HOST, OTHER, bytes, clear_attentions, empty, good};
use super::*;
use scsi_core::data::Data;
use scsi_core::nexus::NexusId;
use scsi_core::target::{LogicalUnit, Request};
use std::io::{ErrorKind, IoSlice, IoSliceMut};
use std::time::Duration;
use tape_store::backend::FolderStore;
use tape_store::backend::memory::MemoryFolderStore;
use tape_store::cartridge::{CartridgeFacts, CartridgeKind};
use tape_store::media::{LTO_3, LTO_8, MediaSpec};
use tape_store::store::{NewCartridge, TapeStore};
use tape_store::testing::FrozenStore;
use tape_store::three_file::ThreeFileSource;

const TEST_UNIT_READY: &str = "00 00 00 00 00 00";
const REQUEST_SENSE: &str = "03 00 00 00 12 00";
const LOAD: &str = "1b 00 00 00 01 00";
const LOAD_IMMED: &str = "1b 01 00 00 01 00";
const LOAD_HOLD: &str = "1b 00 00 00 09 00";
const UNLOAD: &str = "1b 00 00 00 00 00";
const READ_ATTRIBUTE: &str = "8c 00 00 00 00 00 00 00 00 00 00 00 00 40 00 00";
const MEDIUM_CHANGED: &str = "70 00 06 00 00 00 00 0a 00 00 00 00 28 00 00 00 00 00";
const NO_MEDIUM: &str = "70 00 02 00 00 00 00 0a 00 00 00 00 3a 00 00 00 00 00";
const LOAD_FAILED: &str = "70 00 03 00 00 00 00 0a 00 00 00 00 53 00 00 00 00 00";

/// NOT READY 04h/01h with a progress indication.
fn thawing(progress: &str) -> Vec<u8> {
    bytes(&format!("70 00 02 00 00 00 00 0a 00 00 00 00 04 01 00 80 {progress}"))
}

fn at(seconds: u64) -> Now {
    Now { mono: Instant(seconds * 1_000_000), ..Now::default() }
}

/// Runs a command `seconds` after power-on. Returns its sense and its data.
fn run_at(drive: &mut Drive, nexus: NexusId, seconds: u64, cdb: &str, room: usize) -> (Vec<u8>, Vec<u8>) {
    let (mut answer, cdb) = (vec![0; room], bytes(cdb));
    let request = Request::new(nexus, &cdb, at(seconds));
    let done = drive.execute(&request, Data::new(&[IoSlice::new(&[])], &mut [IoSliceMut::new(&mut answer)]));
    answer.truncate(done.data_in);
    (done.sense.map(|sense| sense.as_slice().to_vec()).unwrap_or_default(), answer)
}

fn cartridge_in(store: &FrozenStore, media: &'static MediaSpec) -> Cartridge {
    let (folders, barcode) = (MemoryFolderStore::default(), Barcode::new("T00001L8").unwrap());
    let new = NewCartridge::data(media).with_serial("S1").with_capacity(1 << 30);
    TapeStore::new(Box::new(folders.clone())).create(&barcode, &new).unwrap();
    let facts = CartridgeFacts { barcode, media, kind: CartridgeKind::Data, capacity: 1 << 30 };
    let files = ThreeFileSource::new(Box::new(move || Ok(folders.open("T00001L8").unwrap())));
    Cartridge::new(facts, store.source(Box::new(files)))
}

/// A store whose objects are frozen: none of four can be read.
fn frozen() -> FrozenStore {
    let store = FrozenStore::default();
    store.state().is_frozen = true;
    store.state().progress = ThawProgress { ready: 0, objects: 4 };
    store
}

/// A drive into which the robot has put a frozen cartridge 10 seconds after power-on.
fn drive_with(store: &FrozenStore) -> Drive {
    let mut drive = empty("ULT3580-TD8");
    run_at(&mut drive, HOST, 10, TEST_UNIT_READY, 0);
    drive.insert_with_delay(cartridge_in(store, &LTO_8), at(10)).unwrap();
    drive
}

/// Ends the thawing, and lets the drive look at it.
fn end(drive: &mut Drive, store: &FrozenStore, seconds: u64) {
    store.state().is_frozen = false;
    assert_eq!(drive.poll_background(at(seconds)), None);
}

#[test]
fn a_load_waits_until_the_store_has_thawed_the_cartridge() {
    for is_mam_frozen in [false, true] {
        let store = frozen();
        store.state().is_mam_frozen = is_mam_frozen;
        let mut drive = drive_with(&store);
        assert_eq!(drive.loaded().map(|(_, state)| state), Some(LoadState::Thawing));
        assert!(drive.loads() == 0 && drive.refusal().is_none() && drive.take_faults().is_empty());
        for nexus in [HOST, OTHER] {
            for cdb in [TEST_UNIT_READY, "08 00 00 00 07 00", "01 00 00 00 00 00", READ_ATTRIBUTE, LOAD, LOAD_IMMED] {
                assert_eq!(run_at(&mut drive, nexus, 11, cdb, 64), (thawing("00 00"), vec![]), "{cdb}");
            }
        }
        store.state().progress.ready = 3;
        assert_eq!(run_at(&mut drive, HOST, 12, REQUEST_SENSE, 18), (vec![], thawing("c0 00")));
        assert_eq!(run_at(&mut drive, HOST, 12, TEST_UNIT_READY, 0).0, thawing("c0 00"));
        store.state().progress.ready = 4;
        assert_eq!(run_at(&mut drive, HOST, 12, TEST_UNIT_READY, 0).0, thawing("ff ff"));
        // The drive looks once a second: no command continues the load.
        assert_eq!(drive.poll_background(at(12)), Some(Instant(13_000_000)));
        store.state().is_frozen = false;
        assert_eq!(run_at(&mut drive, HOST, 20, TEST_UNIT_READY, 0).0, thawing("ff ff"));
        assert_eq!(
            drive.poll_background(Now { mono: Instant(12_999_999), ..Now::default() }),
            Some(Instant(13_000_000))
        );
        assert_eq!(drive.poll_background(at(13)), None);
        assert_eq!(drive.thawing(), None);
        for nexus in [HOST, OTHER] {
            assert_eq!(run_at(&mut drive, nexus, 13, TEST_UNIT_READY, 0).0, bytes(MEDIUM_CHANGED));
            assert_eq!(run_at(&mut drive, nexus, 13, TEST_UNIT_READY, 0).0, []);
        }
        assert_eq!((drive.loads(), store.thawings()), (1, (1, 1)));
    }
}

#[test]
fn the_tape_is_threaded_after_the_thawing() {
    let store = frozen();
    let mut drive = empty("ULT3580-TD8");
    drive.delays_mut().load = Duration::from_secs(10);
    drive.insert_with_delay(cartridge_in(&store, &LTO_8), at(0)).unwrap();
    assert_eq!(run_at(&mut drive, HOST, 50, TEST_UNIT_READY, 0).0, thawing("00 00"));
    end(&mut drive, &store, 60);
    let threading = bytes("70 00 02 00 00 00 00 0a 00 00 00 00 04 01 00 00 00 00");
    assert_eq!(run_at(&mut drive, HOST, 69, TEST_UNIT_READY, 0).0, threading);
    assert_eq!(run_at(&mut drive, HOST, 70, TEST_UNIT_READY, 0).0, bytes(MEDIUM_CHANGED));
}

#[test]
fn a_cartridge_can_be_unloaded_and_removed_while_it_is_thawed() {
    let store = frozen();
    let mut drive = drive_with(&store);
    // PREVENT ALLOW MEDIUM REMOVAL applies to it.
    let (prevent, allow) = ("1e 00 00 00 01 00", "1e 00 00 00 00 00");
    assert_eq!(run_at(&mut drive, HOST, 11, prevent, 0).0, []);
    let prevented = bytes("70 00 05 00 00 00 00 0a 00 00 00 00 53 02 00 00 00 00");
    assert_eq!(run_at(&mut drive, HOST, 11, UNLOAD, 0).0, prevented);
    assert_eq!(drive.remove().err(), Some(RemoveError::Prevented));
    assert_eq!(run_at(&mut drive, HOST, 11, allow, 0).0, []);
    assert_eq!(run_at(&mut drive, HOST, 11, UNLOAD, 0).0, []);
    assert_eq!((store.thawings(), drive.background_due()), ((1, 1), None));
    assert_eq!(drive.loaded().map(|(_, state)| state), Some(LoadState::Ejected));
    assert_eq!(run_at(&mut drive, HOST, 12, TEST_UNIT_READY, 0).0, bytes(NO_MEDIUM));
    // LOAD begins again: with IMMED=0 it ends with 04h/01h, with IMMED=1 with GOOD.
    assert_eq!(run_at(&mut drive, HOST, 12, LOAD, 0).0, thawing("00 00"));
    assert_eq!(drive.remove().map(|cartridge| cartridge.barcode().to_string()), Ok("T00001L8".into()));
    assert_eq!(store.thawings(), (2, 2));
    assert_eq!(run_at(&mut drive, HOST, 12, TEST_UNIT_READY, 0).0, bytes(NO_MEDIUM));
    assert!(drive.shut_down().unwrap().is_none());
}

#[test]
fn load_with_immed_ends_at_once_and_each_nexus_gets_the_attention_of_the_load() {
    let store = frozen();
    let mut drive = drive_with(&store);
    assert_eq!(run_at(&mut drive, HOST, 11, UNLOAD, 0).0, []);
    assert_eq!(run_at(&mut drive, HOST, 12, LOAD_IMMED, 0).0, []);
    assert_eq!(run_at(&mut drive, HOST, 12, TEST_UNIT_READY, 0).0, thawing("00 00"));
    end(&mut drive, &store, 20);
    for nexus in [HOST, OTHER] {
        assert_eq!(run_at(&mut drive, nexus, 20, TEST_UNIT_READY, 0).0, bytes(MEDIUM_CHANGED));
        assert_eq!(run_at(&mut drive, nexus, 20, TEST_UNIT_READY, 0).0, []);
    }
}

#[test]
fn a_load_with_hold_waits_only_for_the_cartridge_memory() {
    let store = frozen();
    let mut drive = drive_with(&store);
    assert_eq!(run_at(&mut drive, HOST, 11, UNLOAD, 0).0, []);
    assert_eq!(run_at(&mut drive, HOST, 11, LOAD_HOLD, 0).0, []);
    assert_eq!(drive.loaded().map(|(_, state)| state), Some(LoadState::NotThreaded));
    assert_eq!(run_at(&mut drive, HOST, 11, UNLOAD, 0).0, []);
    store.state().is_mam_frozen = true;
    assert_eq!(run_at(&mut drive, HOST, 12, LOAD_HOLD, 0).0, thawing("00 00"));
    end(&mut drive, &store, 20);
    assert_eq!(drive.loaded().map(|(_, state)| state), Some(LoadState::NotThreaded));
    assert_eq!(run_at(&mut drive, HOST, 20, READ_ATTRIBUTE, 64).0, []);
}

#[test]
fn a_failed_thawing_is_a_failed_load() {
    let store = frozen();
    let mut drive = drive_with(&store);
    store.state().error = Some(ErrorKind::PermissionDenied);
    end(&mut drive, &store, 20);
    let fault = drive.take_faults().pop().unwrap();
    assert!(fault.unusable && fault.reason.contains("thawing the cartridge failed: permission denied"), "{fault:?}");
    assert!(drive.alerts().is_set(Alert::LOADING_FAILURE.0));
    assert_eq!(run_at(&mut drive, HOST, 20, TEST_UNIT_READY, 0).0, bytes(LOAD_FAILED));
    // It can be loaded again.
    store.state().error = None;
    store.state().is_frozen = true;
    assert_eq!(run_at(&mut drive, HOST, 21, LOAD, 0).0, thawing("00 00"));
    end(&mut drive, &store, 30);
    clear_attentions(&mut drive);
    assert_eq!(run_at(&mut drive, HOST, 30, TEST_UNIT_READY, 0).0, []);
}

#[test]
fn nothing_is_thawed_for_a_drive_that_does_not_take_the_cartridge() {
    let store = frozen();
    let mut drive = empty("ULT3580-TD8");
    drive.insert(cartridge_in(&store, &LTO_3)).unwrap();
    let incompatible = bytes("70 00 03 00 00 00 00 0a 00 00 00 00 30 00 00 00 00 00");
    assert_eq!(run_at(&mut drive, HOST, 1, TEST_UNIT_READY, 0).0, incompatible);
    assert_eq!(store.thawings(), (1, 1));
}

#[test]
fn a_load_that_meets_frozen_data_waits_for_it() {
    for is_mam_frozen in [false, true] {
        let store = frozen();
        store.state().is_mam_frozen = is_mam_frozen;
        store.state().is_unnoticed = true;
        let mut drive = drive_with(&store);
        assert_eq!(drive.loaded().map(|(_, state)| state), Some(LoadState::Thawing));
        assert_eq!(run_at(&mut drive, HOST, 11, TEST_UNIT_READY, 0).0, thawing("00 00"));
        assert!(drive.take_faults().is_empty());
        end(&mut drive, &store, 30);
        clear_attentions(&mut drive);
        assert_eq!(run_at(&mut drive, HOST, 30, TEST_UNIT_READY, 0).0, []);
    }
}

/// Page 11h: as while a tape is threaded.
#[test]
fn pages_and_panics_of_a_load_that_waits() {
    let store = frozen();
    let mut drive = drive_with(&store);
    assert_eq!(run_at(&mut drive, HOST, 11, "4d 00 51 00 00 00 00 00 0c 00", 12).1[8..11], bytes("11 94 02"));
    drive.set_online(false);
    let offline = bytes("70 00 02 00 00 00 00 0a 00 00 00 00 04 12 00 00 00 00");
    assert_eq!(run_at(&mut drive, HOST, 11, TEST_UNIT_READY, 0).0, offline);
    drive.set_online(true);
    assert_eq!(run_at(&mut drive, HOST, 11, TEST_UNIT_READY, 0).0, thawing("00 00"));
    drive.fail_after_panic(lu::SavedState::default());
    assert_eq!(drive.loaded().map(|(_, state)| state), Some(LoadState::NotThreaded));
    assert_eq!(store.thawings(), (1, 1));
    drive.set_online(true);
    assert_eq!(drive.loaded().map(|(_, state)| state), Some(LoadState::Thawing));
}

/// A threaded tape with blocks of 3, 5 and 4 bytes; the data of the last two is being thawed, in 1 of 4 objects.
fn partly_frozen() -> (FrozenStore, Drive) {
    let (store, folders, barcode) =
        (FrozenStore::default(), MemoryFolderStore::default(), Barcode::new("T00001L8").unwrap());
    let new = NewCartridge::data(&LTO_8).with_serial("S1").with_capacity(1 << 30);
    TapeStore::new(Box::new(folders.clone())).create(&barcode, &new).unwrap();
    let facts = CartridgeFacts { barcode, media: &LTO_8, kind: CartridgeKind::Data, capacity: 1 << 30 };
    let frozen = store.clone();
    let open = move || Ok(frozen.folder(folders.open("T00001L8").unwrap()));
    let mut drive = empty("ULT3580-TD8");
    drive.insert(Cartridge::new(facts, Box::new(ThreeFileSource::new(Box::new(open))))).unwrap();
    clear_attentions(&mut drive);
    for block in ["abc", "defgh", "ijkl"] {
        good(&mut drive, &format!("0a 00 00 00 {:02x} 00", block.len()), block.as_bytes());
    }
    good(&mut drive, "10 00 00 00 01 00", b"");
    good(&mut drive, "01 00 00 00 00 00", b"");
    // Each block has a frame of 64 bytes.
    store.state().frozen_data = Some(67);
    store.state().progress = ThawProgress { ready: 1, objects: 4 };
    (store, drive)
}

/// READ of 8 bytes with SILI.
const READ: &str = "08 02 00 00 08 00";
const READ_POSITION: &str = "34 00 00 00 00 00 00 00 00 00";

fn position(drive: &mut Drive) -> u8 {
    run_at(drive, HOST, 1, READ_POSITION, 20).1[7]
}

#[test]
fn a_read_of_data_that_is_being_thawed_can_be_repeated() {
    let (store, mut drive) = partly_frozen();
    assert_eq!(run_at(&mut drive, HOST, 1, READ, 8), (vec![], b"abc".to_vec()));
    for _ in 0..3 {
        assert_eq!(run_at(&mut drive, HOST, 1, READ, 8), (thawing("40 00"), vec![]));
        assert_eq!(position(&mut drive), 1);
    }
    // VERIFY(6) of the next block.
    assert_eq!(run_at(&mut drive, HOST, 1, "13 00 00 00 08 00", 0).0, thawing("40 00"));
    assert_eq!(position(&mut drive), 1);
    // The tape is ready for other commands.
    assert_eq!(run_at(&mut drive, HOST, 1, TEST_UNIT_READY, 0).0, []);
    assert_eq!(run_at(&mut drive, HOST, 1, "2b 00 00 00 00 00 03 00 00 00", 0).0, []);
    assert_eq!(run_at(&mut drive, HOST, 1, "2b 00 00 00 00 00 01 00 00 00", 0).0, []);
    // Nothing has failed.
    assert!(!drive.alerts().is_set(Alert::READ_FAILURE.0) && !drive.alerts().is_set(Alert::HARD_ERROR.0));
    assert!(drive.take_faults().is_empty());
    store.state().frozen_data = None;
    assert_eq!(run_at(&mut drive, HOST, 1, READ, 8), (vec![], b"defgh".to_vec()));
    assert_eq!(run_at(&mut drive, HOST, 1, READ, 8), (vec![], b"ijkl".to_vec()));
}

/// READ(6) with FIXED=1: the blocks that were read before the frozen one are read again.
#[test]
fn a_read_of_several_blocks_is_repeated_as_a_whole() {
    let (store, mut drive) = partly_frozen();
    // MODE SELECT(6): block length 1.
    good(&mut drive, "15 10 00 00 0c 00", &bytes("00 00 10 08 00 00 00 00 00 00 00 01"));
    good(&mut drive, "0a 01 00 00 04 00", b"wxyz");
    good(&mut drive, "01 00 00 00 00 00", b"");
    // The third block is the first one that is frozen.
    store.state().frozen_data = Some(130);
    let (sense, _) = run_at(&mut drive, HOST, 1, "08 01 00 00 04 00", 4);
    assert_eq!((sense, position(&mut drive)), (thawing("40 00"), 0));
    store.state().frozen_data = None;
    assert_eq!(run_at(&mut drive, HOST, 1, "08 01 00 00 04 00", 4), (vec![], b"wxyz".to_vec()));
}
