//! The modelled time of commands: waiting, counting, and the state of the drive meanwhile.

use super::tests::{HOST, OTHER, bytes, cartridge, clear_attentions, empty};
use super::*;
use scsi_core::data::Data;
use scsi_core::fault::Completion;
use scsi_core::nexus::NexusId;
use scsi_core::target::{LogicalUnit, Request};
use scsi_core::time::{Instant, TimeMode, Timestamp};
use std::collections::BTreeMap;
use std::io::{IoSlice, IoSliceMut};
use std::time::Duration;
use tape_store::cartridge::CartridgeKind;
use tape_store::media::{LTO_3, LTO_8, LTO_9, MediaSpec};

const LOCATE_999: &str = "92 00 00 00 00 00 00 00 00 00 03 e7 00 00 00 00";
const REWIND: &str = "01 00 00 00 00 00";
const REWIND_IMMEDIATE: &str = "01 01 00 00 00 00";
const TEST_UNIT_READY: &str = "00 00 00 00 00 00";
const UNLOAD: &str = "1b 00 00 00 00 00";

fn at(seconds: u64) -> Now {
    Now { mono: Instant(seconds * 1_000_000), wall: Timestamp(0) }
}

fn run_as(drive: &mut Drive, nexus: NexusId, now: Now, cdb: &str, out: &[u8]) -> Completion {
    let (cdb, mut data_in) = (bytes(cdb), [0; 64]);
    let (out, mut into) = ([IoSlice::new(out)], [IoSliceMut::new(&mut data_in)]);
    drive.execute(&Request::new(nexus, &cdb, now), Data::new(&out, &mut into))
}

fn run(drive: &mut Drive, seconds: u64, cdb: &str) -> Completion {
    run_as(drive, HOST, at(seconds), cdb, &[7; 1000])
}

fn sense(done: &Completion) -> Vec<u8> {
    done.sense.as_ref().map(|sense| sense.as_slice().to_vec()).unwrap_or_default()
}

/// A drive with 1000 blocks of 1000 bytes on a tape of 1 MB: all of its wraps are full. It is at the beginning.
fn full(product: &str, media: &'static MediaSpec, mode: TimeMode) -> Drive {
    let mut drive = empty(product);
    drive.insert(cartridge(media, CartridgeKind::Data, 1_000_000)).unwrap();
    clear_attentions(&mut drive);
    for _ in 0..1000 {
        run(&mut drive, 0, "0a 00 00 03 e8 00");
    }
    assert_eq!(drive.position(), Some((0, 1000)));
    run(&mut drive, 0, REWIND);
    drive.set_time_mode(mode);
    drive
}

fn due(done: &Completion) -> Option<u64> {
    done.due.map(|due| due.0 / 1_000_000)
}

/// Block 999 is on wrap 207 of LTO-8, which runs back: 201 m from the beginning of the tape. The locate takes
/// 4.29 + 6.69 + 3.2 + 5.22 s and 95.9 ms for each metre, the rewind 4.29 s and 114 ms for each metre.
#[test]
fn locate_and_rewind_wait_for_the_tape() {
    let mut drive = full("ULT3580-HH8", &LTO_8, TimeMode::Real);
    let done = run(&mut drive, 100, LOCATE_999);
    assert_eq!((done.status.0, due(&done), done.modelled.as_secs()), (0, Some(138), 38));
    let done = run(&mut drive, 200, REWIND);
    assert_eq!((done.status.0, due(&done)), (0, Some(227)));
    // At the beginning already.
    let done = run(&mut drive, 300, REWIND);
    assert_eq!((due(&done), done.modelled), (None, Duration::ZERO));
    assert_eq!(drive.modelled_time().total.as_secs(), 65);
}

#[test]
fn counted_time_is_reported_and_not_waited_for() {
    let mut drive = full("ULT3580-HH8", &LTO_8, TimeMode::Counted);
    let done = run(&mut drive, 100, LOCATE_999);
    assert_eq!((due(&done), done.modelled.as_secs()), (None, 38));
    assert_eq!(run(&mut drive, 100, REWIND_IMMEDIATE).due, None);
    assert_eq!(run(&mut drive, 100, TEST_UNIT_READY).status.0, 0);
    assert_eq!(drive.modelled_time().total.as_secs(), 65);
    drive.set_time_mode(TimeMode::parse("scaled:10").unwrap());
    let done = run(&mut drive, 100, LOCATE_999);
    assert_eq!((due(&done), done.modelled.as_secs()), (Some(103), 38));
}

#[test]
fn without_a_mode_nothing_is_modelled() {
    let mut drive = full("ULT3580-HH8", &LTO_8, TimeMode::Off);
    let done = run(&mut drive, 100, LOCATE_999);
    assert_eq!((done.due, done.modelled, drive.modelled_time()), (None, Duration::ZERO, Default::default()));
}

/// SPACE to beyond end of data ends with BLANK CHECK when the tape is there: at the end of wrap 207, where the tape begins.
#[test]
fn failed_motion_is_reported_at_its_end() {
    let mut drive = full("ULT3580-HH8", &LTO_8, TimeMode::Real);
    let done = run(&mut drive, 100, "91 00 00 00 00 00 00 00 00 00 07 d0 00 00 00 00");
    assert_eq!((sense(&done)[2] & 0x0f, due(&done)), (8, Some(119)));
    // A rejected CDB moves nothing, nor does that of a READ(16): fixed blocks, and the length of a block is not set.
    assert_eq!(run(&mut drive, 200, "92 30 00 00 00 00 00 00 00 00 00 00 00 00 00 00").due, None);
    let done = run(&mut drive, 300, "88 01 00 00 00 00 00 00 00 00 00 03 00 00 01 00");
    assert_eq!((sense(&done)[2] & 0x0f, done.due), (5, None));
}

#[test]
fn immediate_rewind_continues_after_its_status() {
    let mut drive = full("ULT3580-HH8", &LTO_8, TimeMode::Real);
    run(&mut drive, 100, "92 00 00 00 00 00 00 00 00 00 00 03 00 00 00 00");
    run(&mut drive, 200, LOCATE_999);
    run(&mut drive, 300, "92 00 00 00 00 00 00 00 00 00 00 03 00 00 00 00");
    let done = run(&mut drive, 400, REWIND_IMMEDIATE);
    assert_eq!((done.status.0, done.due), (0, None));
    let time = done.modelled;
    let half = Now { mono: at(400).mono.saturating_add(time / 2), ..at(0) };
    for (nexus, cdb) in [(HOST, TEST_UNIT_READY), (OTHER, "08 00 00 03 e8 00"), (HOST, UNLOAD), (HOST, REWIND)] {
        let done = run_as(&mut drive, nexus, half, cdb, &[]);
        assert_eq!(sense(&done)[..16], bytes("70 00 02 00 00 00 00 0a 00 00 00 00 04 07 00 80"), "{cdb}");
        let progress = u16::from_be_bytes([sense(&done)[16], sense(&done)[17]]);
        assert!((0x7f00..0x8100).contains(&progress), "{progress:x}");
    }
    let (request, mut data) = (bytes("03 00 00 00 12 00"), [0; 18]);
    drive.execute(&Request::new(HOST, &request, half), Data::new(&[], &mut [IoSliceMut::new(&mut data)]));
    assert_eq!(data[..14], bytes("70 00 00 00 00 00 00 0a 00 00 00 00 00 1a"));
    let end = Now { mono: at(400).mono.saturating_add(time), ..at(0) };
    assert_eq!(run_as(&mut drive, HOST, end, TEST_UNIT_READY, &[]).status.0, 0);
}

/// FORMAT MEDIUM, SET CAPACITY and UNLOAD with IMMED=1: NOT READY with progress after the status, also from REQUEST SENSE.
#[test]
fn immediate_format_and_unload_continue_after_their_status() {
    let pollable = |drive: &mut Drive, now| {
        let (request, mut data) = (bytes("03 00 00 00 12 00"), [0; 18]);
        drive.execute(&Request::new(HOST, &request, now), Data::new(&[], &mut [IoSliceMut::new(&mut data)]));
        [data[2], data[12], data[13]]
    };
    for (cdb, not_ready, polled, afterwards) in [
        ("04 01 00 00 00 00", [4, 4], [2, 4, 4], None),
        ("0b 01 00 80 00 00", [4, 7], [0, 0, 0x1b], None),
        ("1b 01 00 00 00 00", [4, 7], [2, 4, 7], Some([0x3a, 0])),
    ] {
        let mut drive = full("ULT3580-HH8", &LTO_8, TimeMode::Real);
        let done = run(&mut drive, 100, cdb);
        assert_eq!((done.status.0, done.due), (0, None), "{cdb}");
        let time = done.modelled;
        assert!(time >= Duration::from_secs(20), "{cdb}: {time:?}");
        let half = Now { mono: at(100).mono.saturating_add(time / 2), ..at(0) };
        let refused = sense(&run_as(&mut drive, HOST, half, TEST_UNIT_READY, &[]));
        assert_eq!(([refused[2], refused[12], refused[13]]), [2, not_ready[0], not_ready[1]], "{cdb}");
        let progress = u16::from_be_bytes([refused[16], refused[17]]);
        assert!(refused[15] == 0x80 && (0x7f00..0x8100).contains(&progress), "{cdb}: {progress:x}");
        assert_eq!(pollable(&mut drive, half), polled, "{cdb}");
        let left = drive.time_until_removal(half.mono);
        assert!(left >= time / 2, "{cdb}: {left:?}");
        let end = Now { mono: at(100).mono.saturating_add(time), ..at(0) };
        let ended = sense(&run_as(&mut drive, HOST, end, TEST_UNIT_READY, &[]));
        assert_eq!(ended.get(12..14), afterwards.as_ref().map(|codes| &codes[..]), "{cdb}");
    }
}

/// IBM: 16 s for an initialised cartridge; the first load of an LTO-9 cartridge takes 20 minutes to two hours more.
#[test]
fn first_load_of_lto_9_initialises() {
    let mut drive = empty("ULT3580-HH9");
    drive.set_time_mode(TimeMode::Real);
    drive.insert_with_delay(cartridge(&LTO_9, CartridgeKind::Data, 1 << 30), at(0)).unwrap();
    let first = drive.modelled_time().total;
    assert!((1216..7216).contains(&first.as_secs()), "{first:?}");
    let before = Now { mono: Instant(u64::try_from(first.as_micros()).unwrap() - 1), ..at(0) };
    let done = run_as(&mut drive, HOST, before, TEST_UNIT_READY, &[]);
    assert_eq!(sense(&done)[..14], bytes("70 00 02 00 00 00 00 0a 00 00 00 00 04 01"));
    let done = run_as(&mut drive, HOST, Now { mono: Instant(before.mono.0 + 1), ..at(0) }, TEST_UNIT_READY, &[]);
    assert_eq!(sense(&done)[12..14], bytes("28 00"));
    // The second load takes 16 s, by the robot or by LOAD.
    let done = run(&mut drive, 8000, UNLOAD);
    assert_eq!(due(&done), Some(8056));
    let done = run(&mut drive, 9000, "1b 00 00 00 01 00");
    assert_eq!((done.status.0, due(&done)), (0, Some(9016)));
    run(&mut drive, 9100, UNLOAD);
    let attention = |drive: &mut Drive, nexus, seconds| {
        sense(&run_as(drive, nexus, at(seconds), TEST_UNIT_READY, &[])).get(12..14).map(<[u8]>::to_vec)
    };
    while attention(&mut drive, OTHER, 9199).is_some_and(|codes| codes != bytes("3a 00")) {}
    let done = run(&mut drive, 9200, "1b 01 00 00 01 00");
    assert_eq!((done.status.0, done.due), (0, None));
    // The attention comes once, at the end.
    for nexus in [HOST, OTHER] {
        assert_eq!(attention(&mut drive, nexus, 9215), Some(bytes("04 01")));
    }
    for nexus in [HOST, OTHER] {
        assert_eq!(attention(&mut drive, nexus, 9216), Some(bytes("28 00")));
        assert_eq!(attention(&mut drive, nexus, 9216), None);
    }
}

#[test]
fn synchronised_filemarks_stop_the_tape() {
    let mut drive = full("ULT3580-HH8", &LTO_8, TimeMode::Real);
    let filemark = |drive: &mut Drive, seconds, immediate: u8| {
        run(drive, seconds, "0a 00 00 03 e8 00");
        run(drive, seconds, &format!("10 {immediate:02x} 00 00 01 00")).modelled.as_millis()
    };
    let times = (filemark(&mut drive, 100, 0), filemark(&mut drive, 200, 1), filemark(&mut drive, 200, 0));
    assert_eq!(times, (100, 0, 2600));
    assert_eq!(drive.modelled_time().repositions, 1);
}

#[test]
fn cleaning_takes_two_minutes() {
    let mut drive = empty("ULT3580-HH8");
    drive.set_time_mode(TimeMode::Real);
    drive.insert_with_delay(cartridge(&LTO_8, CartridgeKind::Cleaning, 0), at(0)).unwrap();
    assert_eq!(drive.modelled_time().total.as_secs(), 120);
    assert_eq!(sense(&run(&mut drive, 119, TEST_UNIT_READY))[12..14], bytes("04 01"));
    assert_eq!(sense(&run(&mut drive, 120, TEST_UNIT_READY))[12..14], bytes("30 03"));
}

/// The values of a log page by their parameter codes.
fn log_page(drive: &mut Drive, seconds: u64, page: u8) -> BTreeMap<u16, Vec<u8>> {
    let (cdb, mut data_in) = (bytes(&format!("4d 00 {:02x} 00 00 00 00 20 00 00", 0x40 | page)), [0; 8192]);
    let done = {
        let mut into = [IoSliceMut::new(&mut data_in)];
        drive.execute(&Request::new(HOST, &cdb, at(seconds)), Data::new(&[], &mut into))
    };
    assert_eq!(done.status.0, 0);
    let (mut rest, mut values) = (&data_in[4..done.data_in], BTreeMap::new());
    while let [a, b, _, len, after @ ..] = rest {
        let (value, next) = after.split_at(usize::from(*len));
        values.insert(u16::from_be_bytes([*a, *b]), value.to_vec());
        rest = next;
    }
    values
}

fn number(value: &[u8]) -> u64 {
    value.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// A locate and a rewind of 38 s and 26 s over 200 m each. The clock of the modelled time is ahead of the other by them.
#[test]
fn log_pages_have_the_counted_motion() {
    let mut drive = full("ULT3580-HH8", &LTO_8, TimeMode::Counted);
    let statistics = |drive: &mut Drive, seconds, code| number(&log_page(drive, seconds, 0x14)[&code]);
    assert_eq!([0x03, 0x04, 0x08, 0x13].map(|code| statistics(&mut drive, 100, code)), [0, 0, 0, 0]);
    run(&mut drive, 100, LOCATE_999);
    run(&mut drive, 100, REWIND);
    let page = log_page(&mut drive, 100, 0x14);
    let values = [0x03, 0x04, 0x05, 0x08, 0x09, 0x0a].map(|code| number(&page[&code]));
    // Hours are rounded up; no cartridge was incompatible, and no cleaning was done.
    assert_eq!(values, [1, 399, 0, 1, 1, 1]);
    // Sample time in ms; shares of it: reading, writing, motion.
    assert_eq!(number(&page[&0x10]) / 1000, 165);
    assert_eq!([0x11, 0x12, 0x13].map(|code| number(&page[&code])), [0, 0, 39]);
    // LTO-8 data cartridges, density 5Eh and medium type 88h; WORM.
    let table = &page[&0x1000];
    let entry = |kind: &str| table.chunks(8).find(|entry| entry[..4] == bytes(kind)).unwrap()[4..].to_vec();
    assert_eq!([entry("00 00 5e 88"), entry("00 00 5e 8c")], [vec![0, 0, 0, 1], vec![0, 0, 0, 0]]);
    // A read moves the tape, too: 500 blocks of 1000 bytes.
    for _ in 0..500 {
        run(&mut drive, 100, "08 00 00 03 e8 00");
    }
    assert_eq!(number(&log_page(&mut drive, 100, 0x14)[&0x11]), 0, "1.4 ms");
    run(&mut drive, 200, UNLOAD);
    // After the unload, the lifetime counters have it, with the time of the unload.
    let saved = drive.lu().counters.clone();
    assert_eq!(saved["motion_ms"], saved["motion_ms_LTO-8"]);
    assert!((90_000..115_000).contains(&saved["motion_ms"]), "{saved:?}");
    assert_eq!(statistics(&mut drive, 200, 0x03), 1);
    drive.remove().unwrap();
    // A cleaning: the hours since the last one begin again.
    drive.insert_with_delay(cartridge(&LTO_8, CartridgeKind::Cleaning, 0), at(300)).unwrap();
    drive.remove().unwrap();
    assert_eq!([0x01, 0x03, 0x08, 0x09].map(|code| statistics(&mut drive, 400, code)), [1, 1, 0, 1]);
    drive.insert_with_delay(cartridge(&LTO_3, CartridgeKind::Data, 1_000_000), at(500)).unwrap();
    assert_eq!(statistics(&mut drive, 500, 0x05), 1);
}

#[test]
fn log_pages_have_the_time_of_a_mount() {
    for (mode, waited) in [("counted", 15), ("real", 0), ("off", 0)] {
        let mut drive = empty("ULT3580-HH8");
        drive.set_time_mode(TimeMode::parse(mode).unwrap());
        drive.insert_with_delay(cartridge(&LTO_8, CartridgeKind::Data, 1_000_000), at(100)).unwrap();
        let load = if mode == "off" { 0 } else { 15 };
        // UNIT ATTENTION 28h/00h.
        run(&mut drive, 120, TEST_UNIT_READY);
        for seconds in [120, 200] {
            let page = log_page(&mut drive, seconds, 0x17);
            let since_mount = (seconds - 100 + waited) * 1000;
            let values = [0x14, 0x15].map(|code| number(&page[&code]));
            assert_eq!(values, [since_mount, since_mount - load * 1000], "{mode} {seconds}");
        }
        // Its time ends with its mount.
        run(&mut drive, 300, UNLOAD);
        let ended = log_page(&mut drive, 900, 0x17)[&0x14].clone();
        assert_eq!(number(&ended), (200 + waited) * 1000, "{mode}");
    }
}

/// DT DEVICE ACTIVITY of library firmware, which polls page 11h: rewinding, locating, unloading.
#[test]
fn device_status_has_the_activity_of_a_motion() {
    let mut drive = full("ULT3580-HH8", &LTO_8, TimeMode::Real);
    let activity = |drive: &mut Drive, seconds| log_page(drive, seconds, 0x11)[&0][1..3].to_vec();
    run(&mut drive, 100, &LOCATE_999.replacen("92 00", "92 01", 1));
    assert_eq!(activity(&mut drive, 110), bytes("17 07"));
    assert_eq!(activity(&mut drive, 190), bytes("17 00"));
    run(&mut drive, 200, REWIND_IMMEDIATE);
    assert_eq!(activity(&mut drive, 210), bytes("17 08"));
    run(&mut drive, 300, "1b 01 00 00 00 00");
    assert_eq!(activity(&mut drive, 310), bytes("90 03"));
    assert_eq!(activity(&mut drive, 400), bytes("10 00"));
}

/// A VERIFY of 1 MB takes 3.3 ms at 306 MB/s. Its status does not wait, and it continues.
#[test]
fn immediate_verify_takes_the_time_of_its_reads() {
    let mut drive = full("ULT3580-HH8", &LTO_8, TimeMode::Real);
    let done = run(&mut drive, 100, "13 24 00 00 00 00");
    assert_eq!((done.status.0, done.due), (0, None));
    while drive.poll_background(at(100)).is_some() {}
    let after = |microseconds: u64| Now { mono: Instant(100_000_000 + microseconds), ..at(0) };
    let done = run_as(&mut drive, HOST, after(1700), TEST_UNIT_READY, &[]);
    assert_eq!(sense(&done)[..16], bytes("70 00 02 00 00 00 00 0a 00 00 00 00 04 07 00 80"));
    assert!((0x7f..0x88).contains(&sense(&done)[16]), "{:x?}", sense(&done));
    let (request, mut data) = (bytes("03 00 00 00 12 00"), [0; 18]);
    let mut into = [IoSliceMut::new(&mut data)];
    drive.execute(&Request::new(OTHER, &request, after(1800)), Data::new(&[], &mut into));
    assert_eq!((data[2], &data[12..14]), (0, &bytes("00 1c")[..]));
    assert_eq!(run_as(&mut drive, HOST, after(3400), TEST_UNIT_READY, &[]).status.0, 0);
    assert_eq!(drive.modelled_time().total.as_micros(), 3263);
}
