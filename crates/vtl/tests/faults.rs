//! Faults on demand: each script of examples/faults, on a library as a host sees it, and the conditions of the language.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "test code")]

use scsi_core::time::TimeMode;
use std::path::Path;
use vtl::config::parse;
use vtl::control::ReloadChange;
use vtl::data_dir::DataDir;
use vtl::faults::{FAULT_KINDS, FaultScript};
use vtl::frontend::Frontend;
use vtl::host::{Host, HostError, ReadOutcome, SpaceUnit, WriteOutcome};
use vtl::site::{OpenSite, Site};
use vtl::{Library, Status};

const BLOCK: usize = 64 << 10;

struct Fixture {
    site: OpenSite,
    host: Host,
}

impl Fixture {
    /// A library of two drives: LUN 0 is the changer; A1L8 is in drive1, which is LUN 1 and element 500.
    fn new() -> Self {
        let site = Library::builder().slots(4).drives("ULT3580-TD8", 2).cartridges("A#L8", 3, "64MB").open().unwrap();
        let host = Host::login(&site.targets()[0], 1);
        host.clear_unit_attentions();
        host.move_medium(0, 1000, 500).unwrap();
        host.clear_unit_attentions();
        let mut compression = host.mode_page(1, 0x0f, 0).unwrap();
        compression[2] &= 0x7f;
        host.set_mode_page(1, &compression).unwrap();
        Self { site, host }
    }

    fn with_script(name: &str) -> Self {
        let it = Self::new();
        it.add(&script(name));
        it
    }

    fn add(&self, text: &str) {
        self.site.add_faults(&FaultScript::parse(text).unwrap()).unwrap();
    }

    /// Name, matched, fired, active.
    fn listed(&self) -> Vec<(String, u64, u64, bool)> {
        self.site.faults().into_iter().map(|it| (it.name, it.matched, it.fired, it.active)).collect()
    }

    fn fired(&self) -> Vec<u64> {
        self.site.faults().iter().map(|fault| fault.fired).collect()
    }

    fn object(&self) -> u64 {
        self.host.position(1).unwrap().object
    }

    /// A WRITE ERROR or READ ERROR counter: parameter 3 or 6 of log page 02h or 03h.
    fn total_uncorrected(&self, page: u8) -> u8 {
        *self.host.log_page(1, page, 0).unwrap()[&6].last().unwrap()
    }

    fn has_alert(&self, flag: u16) -> bool {
        self.host.tape_alerts(1).unwrap().contains(&flag)
    }
}

fn script(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/faults");
    std::fs::read_to_string(folder.join(name).with_extension("toml")).unwrap()
}

fn block(number: u64) -> Vec<u8> {
    let mut block = vec![0; BLOCK];
    block[..8].copy_from_slice(&number.to_be_bytes());
    block
}

fn codes<T: std::fmt::Debug>(result: Result<T, HostError>) -> (u8, u8, u8) {
    result.unwrap_err().sense_codes().unwrap()
}

#[test]
fn every_script_is_accepted_and_has_a_test() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/faults");
    let tests = [include_str!("faults.rs"), include_str!("../../../examples/iscsid/tests/link_faults.rs")];
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        // Some need an iSCSI portal, or a model of time.
        let builder = Library::builder().slots(4).drives("ULT3580-TD8", 1).cartridges("A#L8", 3, "64MB");
        let site = builder.frontend(Frontend::ISCSI).time(TimeMode::Counted).open().unwrap();
        site.add_faults(&FaultScript::parse(&script(&name)).unwrap()).unwrap();
        assert!(tests.iter().any(|tests| tests.contains(&format!("script(\"{name}\")"))), "{name} has no test");
        names.push(name);
    }
    assert!(names.len() >= 12, "{names:?}");
}

#[test]
fn error_before_early_warning_is_at_the_last_block_and_writes_nothing() {
    let it = Fixture::with_script("error-before-early-warning");
    let mut number = 0;
    let error = loop {
        match it.host.write(1, &block(number)) {
            Ok(WriteOutcome::Written) => number += 1,
            Ok(WriteOutcome::EarlyWarning) => panic!("early warning came first"),
            Err(error) => break error,
        }
    };
    let sense = error.sense.clone().unwrap();
    assert_eq!((error.sense_codes(), sense.information), (Some((3, 0x0c, 0)), Some(BLOCK as i64)));
    assert_eq!((it.object(), it.total_uncorrected(2)), (number, 1));
    let alerts = it.host.tape_alerts(1).unwrap();
    assert!(alerts.contains(&3) && alerts.contains(&6), "{alerts:?}");
    // The block that failed is not on tape, and at most four more fit before early warning.
    it.host.locate(1, 0, number - 1).unwrap();
    assert_eq!(it.host.read(1, BLOCK).unwrap(), ReadOutcome::Block(block(number - 1)));
    assert_eq!(it.host.read(1, BLOCK).unwrap(), ReadOutcome::EndOfData);
    let outcomes: Vec<_> = (0..5).map(|_| it.host.write(1, &block(number)).unwrap()).collect();
    assert!(outcomes.contains(&WriteOutcome::EarlyWarning), "{outcomes:?}");
}

/// Blocks that are compressed by workers count, too.
#[test]
fn early_warning_is_measured_with_compression() {
    let it = Fixture::new();
    let mut compression = it.host.mode_page(1, 0x0f, 0).unwrap();
    compression[2] |= 0x80;
    it.host.set_mode_page(1, &compression).unwrap();
    it.add(&script("error-before-early-warning"));
    let mut state = 1_u64;
    let error = loop {
        let noise: Vec<u8> = (0..BLOCK / 8)
            .flat_map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                state.to_le_bytes()
            })
            .collect();
        match it.host.write(1, &noise) {
            Ok(WriteOutcome::Written) => {}
            Ok(WriteOutcome::EarlyWarning) => panic!("early warning came first"),
            Err(error) => break error,
        }
    };
    assert_eq!(error.sense_codes(), Some((3, 0x0c, 0)));
}

/// The flags, the counters and the cartridge memory of a drive after one fault of each kind, as after a failure of hardware:
/// TapeAlert; total uncorrected errors of log pages 02h and 03h; TapeAlert flags in the cartridge memory after the unload.
#[test]
fn alerts_counters_and_cartridge_memory_follow_each_fault() {
    for (kind, script, alerts, uncorrected, in_memory) in [
        ("recovered_read", "", &[1][..], [0, 0], true),
        ("recovered_write", "", &[2], [0, 0], true),
        ("read_error", "", &[3, 5], [0, 1], true),
        ("write_error", "", &[3, 6], [1, 0], true),
        ("hardware_error", "commands = [\"WRITE\"]", &[30], [1, 0], true),
        ("hardware_error", "commands = [\"READ\"]", &[30], [0, 1], true),
        ("aborted_command", "commands = [\"WRITE\"]", &[], [0, 0], true),
        ("sense", "sense = \"3/11/00\"\ncommands = [\"READ\"]", &[3, 5], [0, 1], true),
        ("sense_after", "sense = \"1/17/01\"\ncommands = [\"READ\"]", &[1], [0, 0], true),
        ("busy", "commands = [\"READ\"]", &[], [0, 0], true),
        ("early_warning", "", &[], [0, 0], true),
        ("end_of_medium", "", &[], [0, 0], true),
        ("cleaning_required", "", &[2, 20], [0, 0], true),
        ("drop_response", "commands = [\"WRITE\"]", &[], [0, 0], true),
        ("load_failure", "", &[55], [0, 0], false),
        ("unload_failure", "", &[56], [0, 0], false),
        ("filemark_lost", "", &[3, 6, 51, 52], [1, 0], false),
    ] {
        let it = Fixture::new();
        it.add(&format!("[[fault]]\nkind = \"{kind}\"\n{script}"));
        let _ = it.host.submit(1, &[0x0a, 0, 1, 0, 0, 0], block(1), BLOCK, 0).unwrap();
        let _ = it.host.write(1, &block(1));
        let _ = it.host.write_filemarks(1, 1);
        let _ = it.host.rewind(1);
        let _ = it.host.read(1, BLOCK);
        if !in_memory {
            let _ = it.host.space(1, SpaceUnit::EndOfData, 0);
            let _ = it.host.unload(1);
            let _ = it.host.load(1);
        }
        assert_eq!(it.fired(), [1], "{kind}");
        let uncorrected_now = [it.total_uncorrected(2), it.total_uncorrected(3)];
        let raised = it.host.tape_alerts(1).unwrap();
        assert_eq!(raised, alerts, "{kind}");
        assert_eq!(uncorrected_now, uncorrected, "{kind}");
        if in_memory {
            it.host.unload(1).unwrap();
            it.host.load(1).unwrap();
            let attribute = it.host.attribute(1, 0, 0x0002).unwrap().unwrap();
            let flags = u64::from_be_bytes(attribute.try_into().unwrap());
            let stored: Vec<u16> = (1..=64).filter(|flag| flags >> (64 - flag) & 1 != 0).collect();
            assert_eq!(stored, alerts, "{kind}");
        }
    }
}

/// A load or an unload that fails, and then a load and an unload that succeed: TapeAlert; the error in log page 16h; TapeAlert, loads and
/// failures in the cartridge memory (attribute 0002h, page 17h) and in the life of the drive (page 14h).
#[test]
fn failed_loads_and_unloads_are_in_log_pages_and_cartridge_memory() {
    for (kind, alerts, failures, sense, loads) in [
        ("load_failure", &[55][..], [0, 0], [4, 0x53, 0], 3),
        ("unload_failure", &[56], [0, 0], [4, 0x53, 1], 2),
        ("filemark_lost", &[3, 6, 51, 52], [1, 0], [3, 0x0c, 0], 2),
    ] {
        let it = Fixture::new();
        it.host.write(1, &block(1)).unwrap();
        it.host.write_filemarks(1, 1).unwrap();
        it.add(&format!("[[fault]]\nkind = \"{kind}\""));
        let unloaded = it.host.unload(1);
        assert_eq!(unloaded.is_ok(), kind == "load_failure", "{kind}");
        if unloaded.is_ok() {
            it.host.load(1).unwrap_err();
            it.host.load(1).unwrap();
        }
        assert_eq!((it.fired(), it.host.tape_alerts(1).unwrap()), (vec![1], alerts.to_vec()), "{kind}");
        let log = |page| it.host.log_page(1, page, 0).unwrap();
        assert_eq!(log(0x16)[&0][9..12], sense, "{kind}");
        it.host.unload(1).unwrap();
        // LOAD with HOLD=1: the cartridge memory can be read, and the tape is not threaded.
        assert_eq!(it.host.command(1, &[0x1b, 0, 0, 0, 0x09, 0], 0).status, Status::GOOD);
        let flags = u64::from_be_bytes(it.host.attribute(1, 0, 0x0002).unwrap().unwrap().try_into().unwrap());
        let stored: Vec<u16> = (1..=64).filter(|flag| flags >> (64 - flag) & 1 != 0).collect();
        assert_eq!(stored, alerts, "{kind}");
        it.host.load(1).unwrap();
        let last = |value: &[u8]| *value.last().unwrap();
        let (volume, drive) = (log(0x17), log(0x14));
        assert_eq!([4, 9].map(|code| last(&volume[&code])), failures, "{kind}");
        assert_eq!([0x0e, 0x0f].map(|code| last(&drive[&code])), failures, "{kind}");
        assert_eq!([last(&volume[&1]), last(&drive[&0])], [loads; 2], "{kind}");
    }
}

/// TapeAlert flags of the changer, and of the drive that rejects or keeps a cartridge, after each fault of the robot.
#[test]
fn alerts_of_the_robot_follow_each_fault() {
    for (kind, alerts, of_drive) in [
        ("robot_pick", [13], &[][..]),
        ("robot_place", [14], &[]),
        ("robot_load", [15], &[55]),
        ("cartridge_stuck", [15], &[56]),
        ("double_pick", [13], &[]),
        ("door_opened", [16], &[]),
    ] {
        let it = Fixture::new();
        it.add(&format!("[[fault]]\nkind = \"{kind}\""));
        it.host.unload(1).unwrap();
        let _ = it.host.move_medium(0, 1001, if kind == "robot_place" { 1003 } else { 501 });
        if kind == "cartridge_stuck" {
            let _ = it.host.move_medium(0, 500, 1000);
        }
        assert_eq!(it.fired(), [1], "{kind}");
        it.host.clear_unit_attentions();
        assert_eq!(it.host.tape_alerts(0).unwrap(), alerts, "{kind}");
        let drive = if kind == "cartridge_stuck" { 1 } else { 2 };
        assert_eq!(it.host.tape_alerts(drive).unwrap(), of_drive, "{kind}");
    }
}

#[test]
fn filemark_is_lost_at_unload() {
    let it = Fixture::with_script("filemark-lost-at-unload");
    it.host.write(1, &block(1)).unwrap();
    it.host.write_filemarks(1, 1).unwrap();
    it.host.write(1, &block(2)).unwrap();
    it.host.write_filemarks(1, 1).unwrap();
    assert_eq!(codes(it.host.unload(1)), (3, 0x0c, 0));
    assert!(it.has_alert(51));
    it.host.unload(1).unwrap();
    it.host.load(1).unwrap();
    it.host.space(1, SpaceUnit::EndOfData, 0).unwrap();
    assert_eq!(it.object(), 3);
    it.host.locate(1, 0, 2).unwrap();
    assert_eq!(it.host.read(1, BLOCK).unwrap(), ReadOutcome::Block(block(2)));
    assert_eq!(it.host.read(1, BLOCK).unwrap(), ReadOutcome::EndOfData);
    // Without a filemark at end of data nothing is lost.
    it.site.clear_faults(None).unwrap();
    it.add(&script("filemark-lost-at-unload"));
    it.host.unload(1).unwrap();
}

#[test]
fn end_of_medium_comes_early() {
    let it = Fixture::with_script("end-of-medium-early");
    let mut outcomes = Vec::new();
    let error = loop {
        match it.host.write(1, &block(0)) {
            Ok(outcome) => outcomes.push(outcome),
            Err(error) => break error,
        }
    };
    // 31 blocks are the first 2 MB, 46 the first 3 MB.
    let warned = outcomes.iter().filter(|outcome| **outcome == WriteOutcome::EarlyWarning).count();
    assert_eq!((outcomes.len(), warned, error.sense_codes()), (46, 15, Some((0x0d, 0, 2))));
    let sense = error.sense.unwrap();
    assert_eq!((sense.eom, sense.information, it.object()), (true, Some(BLOCK as i64), 46));
    it.site.clear_faults(Some("end of medium")).unwrap();
    it.site.clear_faults(Some("early warning")).unwrap();
    assert_eq!(it.host.write(1, &block(0)), Ok(WriteOutcome::Written));
}

#[test]
fn cleaning_is_requested_in_a_job() {
    let it = Fixture::with_script("cleaning-in-a-job");
    let results: Vec<_> = (0..30).map(|number| it.host.write(1, &block(number))).collect();
    let failed: Vec<_> = results.iter().filter_map(|result| result.as_ref().err()).collect();
    assert_eq!(failed.iter().map(|error| error.sense_codes().unwrap()).collect::<Vec<_>>(), [(1, 0, 0x17)]);
    assert_eq!((it.object(), it.has_alert(20)), (30, true));
    let raised = &it.site.status().libraries[0].drives[0].alerts;
    assert_eq!(raised.iter().filter(|alert| *alert == "Clean now").count(), 1, "{raised:?}");
}

#[test]
fn cartridge_is_stuck_until_cleared() {
    let it = Fixture::with_script("cartridge-stuck");
    it.host.unload(1).unwrap();
    for _ in 0..3 {
        assert_eq!(codes(it.host.move_medium(0, 500, 1000)), (4, 0x53, 1));
    }
    assert_eq!(it.listed(), [("stuck".to_owned(), 3, 3, true)]);
    assert_eq!(it.site.clear_faults(Some("stuck")).unwrap().cleared, ["stuck"]);
    it.host.move_medium(0, 500, 1000).unwrap();
}

#[test]
fn label_is_unreadable_until_cleared() {
    let it = Fixture::with_script("unreadable-label");
    let barcodes = || {
        it.host.clear_unit_attentions();
        let elements = it.host.element_status(0).unwrap();
        let full = elements.into_iter().filter(|element| element.full);
        full.map(|element| element.barcode.unwrap_or_default()).collect::<Vec<_>>()
    };
    assert_eq!(barcodes(), ["", "A2L8", "A3L8"]);
    it.site.clear_faults(None).unwrap();
    assert_eq!(barcodes(), ["A1L8", "A2L8", "A3L8"]);
}

#[test]
fn drive_is_slow() {
    let it = Fixture::with_script("slow-drive");
    let begin = it.site.clock().monotonic();
    for number in 0..4 {
        it.host.write(1, &block(number)).unwrap();
    }
    // 4 blocks of 65,536 bytes at 2,000,000 bytes per second.
    let microseconds = it.site.clock().monotonic().0 - begin.0;
    assert!(microseconds >= 131_000, "{microseconds}");
}

#[test]
fn commands_are_busy_by_chance_and_the_same_ones_each_time() {
    let busy = || {
        let it = Fixture::with_script("busy-storm");
        let statuses: Vec<bool> = (0..100).map(|_| it.host.command(1, &[0; 6], 0).status == Status::BUSY).collect();
        assert!((10..30).contains(&it.fired()[0]), "{:?}", it.fired());
        assert_eq!(it.fired()[1], 0);
        let changer = (0..100).filter(|_| it.host.command(0, &[0; 6], 0).status == Status::BUSY).count();
        assert_eq!(it.fired()[1], changer as u64);
        statuses
    };
    assert_eq!(busy(), busy());
}

#[test]
fn busy_storm_loses_no_block() {
    let it = Fixture::with_script("busy-storm");
    for number in 0..50 {
        while it.host.write(1, &block(number)).is_err_and(|error| error.status == Status::BUSY) {}
    }
    it.site.clear_faults(None).unwrap();
    it.host.rewind(1).unwrap();
    for number in 0..50 {
        assert_eq!(it.host.read(1, BLOCK).unwrap(), ReadOutcome::Block(block(number)));
    }
    assert_eq!(it.host.read(1, BLOCK).unwrap(), ReadOutcome::EndOfData);
}

#[test]
fn reservation_conflicts_three_times() {
    let it = Fixture::with_script("reservation-conflict");
    let statuses: Vec<u8> = (0..5).map(|_| it.host.command(1, &[0; 6], 0).status.0).collect();
    assert_eq!(statuses, [0x18, 0x18, 0x18, 0, 0]);
    assert_eq!(it.listed(), [("conflict".to_owned(), 3, 3, false)]);
}

#[test]
fn response_is_lost_and_the_block_is_written() {
    let it = Fixture::with_script("lost-response");
    let cdb = [0x0a, 0, 1, 0, 0, 0];
    for number in 0..6 {
        let done = it.host.submit(1, &cdb, block(number), BLOCK, 0).unwrap();
        assert_eq!(done.completion.dropped, number == 4, "{number}");
    }
    assert_eq!(it.object(), 6);
    it.host.locate(1, 0, 4).unwrap();
    assert_eq!(it.host.read(1, BLOCK).unwrap(), ReadOutcome::Block(block(4)));
}

#[test]
fn block_10_cannot_be_read() {
    let it = Fixture::with_script("read-error-on-restore");
    for number in 0..20 {
        it.host.write(1, &block(number)).unwrap();
    }
    it.host.rewind(1).unwrap();
    for number in 0..10 {
        assert_eq!(it.host.read(1, BLOCK).unwrap(), ReadOutcome::Block(block(number)));
    }
    for _ in 0..2 {
        assert_eq!(codes(it.host.read(1, BLOCK)), (3, 0x11, 0));
        assert_eq!(it.object(), 10, "the tape does not move");
    }
    assert_eq!(it.total_uncorrected(3), 2);
    let alerts = it.host.tape_alerts(1).unwrap();
    assert!(alerts.contains(&3) && alerts.contains(&5), "{alerts:?}");
    it.host.locate(1, 0, 11).unwrap();
    assert_eq!(it.host.read(1, BLOCK).unwrap(), ReadOutcome::Block(block(11)));
    // The count of failures goes to the cartridge memory when the tape is unloaded: it is in its usage history, log page 17h.
    it.host.unload(1).unwrap();
    it.host.load(1).unwrap();
    assert_eq!(it.host.log_page(1, 0x17, 0).unwrap()[&9].last(), Some(&2));
}

#[test]
fn load_fails_by_robot_and_by_command() {
    let it = Fixture::with_script("load-failure");
    assert_eq!(codes(it.host.move_medium(0, 1001, 501)), (4, 0x53, 0));
    it.host.move_medium(0, 1001, 501).unwrap();
    it.host.unload(1).unwrap();
    assert_eq!(codes(it.host.load(1)), (4, 0x53, 0));
    assert!(it.has_alert(55));
    it.host.load(1).unwrap();
    assert_eq!(it.fired(), [1, 1]);
}

#[test]
fn door_is_opened_in_a_move() {
    let it = Fixture::with_script("door-opened");
    for _ in 0..2 {
        assert_eq!(codes(it.host.move_medium(0, 1001, 1003)), (2, 4, 0x18));
    }
    assert_eq!(it.fired(), [1]);
    assert!(it.site.status().libraries[0].door_open);
    it.site.libraries()[0].operate(|changer| changer.set_access_door(false)).unwrap();
    it.host.clear_unit_attentions();
    it.host.move_medium(0, 1001, 1003).unwrap();
}

/// Block 2 of three is read with a wrong CRC, and with the right one when it is read again.
#[test]
fn crc_is_wrong_on_a_restore() {
    let it = Fixture::with_script("wrong-crc-on-restore");
    let mut page = it.host.mode_page(1, 0x0a, 0xf0).unwrap();
    page[4..7].copy_from_slice(&[0x02, 0x04, 0x40]);
    it.host.set_mode_page(1, &page).unwrap();
    for _ in 0..3 {
        it.host.write(1, &[0; 32]).unwrap();
    }
    it.host.rewind(1).unwrap();
    let crc = || it.host.read(1, 36).unwrap().block().unwrap().split_off(32);
    let right = [0xaa, 0x36, 0x91, 0x8a];
    let (first, second) = (crc(), crc());
    assert_eq!(first, right);
    assert_ne!(second, right);
    it.host.locate(1, 0, 1).unwrap();
    assert_eq!(crc(), right);
}

/// The backup is lost from the last filemark on, and the tape is at its beginning.
#[test]
fn power_fails_in_a_backup() {
    let it = Fixture::with_script("power-loss-in-a-backup");
    it.host.write(1, &block(0)).unwrap();
    it.host.write_filemarks(1, 1).unwrap();
    let written = (1..).take_while(|number| it.host.write(1, &block(*number)).is_ok()).count();
    assert!(written * BLOCK >= 3_900_000, "{written}");
    it.host.clear_unit_attentions();
    assert_eq!(it.object(), 0);
    it.host.space(1, SpaceUnit::EndOfData, 0).unwrap();
    assert_eq!(it.object(), 2);
}

/// One rewind is counted with 20 times its time.
#[test]
fn rewind_is_slow() {
    let builder = Library::builder().slots(4).drives("ULT3580-TD8", 1).cartridges("A#L8", 1, "64MB");
    let site = builder.time(TimeMode::Counted).open().unwrap();
    let host = Host::login(&site.targets()[0], 1);
    host.clear_unit_attentions();
    host.move_medium(0, 1000, 500).unwrap();
    host.clear_unit_attentions();
    let rewind = || {
        host.write(1, &[7; 60_000]).unwrap();
        let modelled = || site.status().libraries[0].drives[0].time.as_ref().unwrap().modelled_ms;
        let before = modelled();
        host.rewind(1).unwrap();
        modelled() - before
    };
    let usual = rewind();
    site.add_faults(&FaultScript::parse(&script("slow-rewind")).unwrap()).unwrap();
    // The data that the rewind writes before adds up to 0.1 s.
    let (slow, next) = (rewind(), rewind());
    assert!(usual > 4000 && next < 4500 && (80_000..90_000).contains(&slow), "{usual} {slow} {next}");
}

/// The check value of RFC 3720 for 32 zero bytes is AA 36 91 8A. Commands without protection are not counted.
#[test]
fn crc_of_a_protected_block_is_wrong_once() {
    let it = Fixture::new();
    it.add("[[fault]]\nkind = \"wrong_crc\"\nnth = 2");
    let other = Host::login(&it.site.targets()[0], 2);
    other.clear_unit_attentions();
    let mut page = it.host.mode_page(1, 0x0a, 0xf0).unwrap();
    page[4..7].copy_from_slice(&[0x02, 0x04, 0x40]);
    it.host.set_mode_page(1, &page).unwrap();
    for _ in 0..3 {
        it.host.write(1, &[0; 32]).unwrap();
    }
    let read = |host: &Host, len: usize| {
        it.host.rewind(1).unwrap();
        host.read(1, len).unwrap().block().unwrap().split_off(32)
    };
    for _ in 0..3 {
        assert_eq!(read(&other, 32).len(), 0);
    }
    assert_eq!(read(&it.host, 36), [0xaa, 0x36, 0x91, 0x8a]);
    assert_eq!(it.listed(), [("fault1".to_owned(), 1, 0, true)]);
    assert_eq!(read(&it.host, 36), [0xaa, 0x36, 0x91, 0x75]);
    assert_eq!(read(&it.host, 36), [0xaa, 0x36, 0x91, 0x8a]);
    assert_eq!(it.listed(), [("fault1".to_owned(), 2, 1, false)]);
}

#[test]
fn modelled_time_is_multiplied() {
    let builder = Library::builder().slots(4).drives("ULT3580-TD8", 1).cartridges("A#L8", 3, "64MB");
    let site = builder.time(TimeMode::Counted).open().unwrap();
    let host = Host::login(&site.targets()[0], 1);
    host.clear_unit_attentions();
    host.move_medium(0, 1000, 500).unwrap();
    host.clear_unit_attentions();
    let modelled = |site: &OpenSite| site.status().libraries[0].drives[0].time.as_ref().unwrap().modelled_ms;
    let rewind = || {
        host.write(1, &[0; 32]).unwrap();
        let before = modelled(&site);
        host.rewind(1).unwrap();
        modelled(&site) - before
    };
    let once = rewind();
    assert!(once > 4000, "{once}");
    let add = |text: &str| site.add_faults(&FaultScript::parse(text).unwrap());
    add("[[fault]]\nkind = \"slow_by_factor\"\nfactor = 2.5\ncommands = [\"REWIND\"]").unwrap();
    assert_eq!((rewind(), rewind()), (once * 5 / 2, once));
    // The robot: 5 s to pick, 5 s to place, and the travel.
    add("[[fault]]\nkind = \"slow_by_factor\"\nfactor = 10.0\nchanger = true\ncommands = [\"MOVE MEDIUM\"]").unwrap();
    for from in [1001, 1002] {
        host.move_medium(0, from, from + 2).unwrap_or_default();
    }
    let times: Vec<u64> =
        site.trace().read(None, 4096, |_| true).records.iter().map(|record| record.modelled_us).collect();
    assert!(times.iter().filter(|time| (100_000_000..160_000_000).contains(*time)).count() == 1, "{times:?}");
    let without = Fixture::new();
    let script = FaultScript::parse("[[fault]]\nkind = \"slow_by_factor\"\nfactor = 2.0").unwrap();
    let error = without.site.add_faults(&script).unwrap_err().to_string();
    assert!(error.contains("main/drive1 does not model the time of hardware; set the key time"), "{error}");
}

/// Data that was not synchronised is lost; the tape is at its beginning, and the reservation is gone.
#[test]
fn loss_of_power_loses_what_is_not_synchronised() {
    let it = Fixture::new();
    it.host.write(1, &block(1)).unwrap();
    it.host.write_filemarks(1, 1).unwrap();
    it.host.write(1, &block(2)).unwrap();
    let reserve = [0x16, 0, 0, 0, 0, 0];
    assert_eq!(it.host.command(1, &reserve, 0).status, Status::GOOD);
    it.add("[[fault]]\nkind = \"power_loss\"\ncommands = [\"READ POSITION\"]");
    let done = it.host.submit(1, &[0x34, 0, 0, 0, 0, 0, 0, 0, 0, 0], Vec::new(), 0, 20).unwrap();
    assert!(done.aborted, "{:?}", done.completion);
    let other = Host::login(&it.site.targets()[0], 2);
    other.clear_unit_attentions();
    for lun in 0..3 {
        assert_eq!(codes(it.host.test_unit_ready(lun)), (6, 0x29, 0), "{lun}");
    }
    assert_eq!(codes(it.host.test_unit_ready(1)), (6, 0x28, 0));
    assert_eq!(it.host.test_unit_ready(0), Ok(()));
    assert!(it.has_alert(50), "the statistics of the load are lost");
    assert_eq!(other.test_unit_ready(1), Ok(()), "no reservation");
    assert_eq!(it.object(), 0);
    assert_eq!(it.host.read(1, BLOCK).unwrap(), ReadOutcome::Block(block(1)));
    assert_eq!(it.host.read(1, BLOCK).unwrap(), ReadOutcome::Filemark);
    assert_eq!(it.host.read(1, BLOCK).unwrap(), ReadOutcome::EndOfData);
    // The cartridge is in the drive; the robot can take it.
    it.host.unload(1).unwrap();
    it.host.move_medium(0, 500, 1000).unwrap();
}

#[test]
fn faults_of_connections_need_an_iscsi_portal() {
    let it = Fixture::new();
    for kind in ["lost_session", "nop_unanswered"] {
        let script = FaultScript::parse(&format!("[[fault]]\nkind = \"{kind}\"")).unwrap();
        let error = it.site.add_faults(&script).unwrap_err().to_string();
        let wanted = format!("kind: {kind:?} acts on iSCSI connections, and this site has no iSCSI portal");
        assert!(error.contains(&wanted), "{error}");
    }
}

/// The script and the tables of a configuration; a reload applies them to the drives that it adds.
#[test]
fn configuration_has_faults_and_a_reload_applies_them_to_new_drives() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("busy.toml");
    let script = "[[fault]]\nname = \"of the script\"\nkind = \"busy\"\ncommands = [\"REWIND\"]\ncount = 3\n";
    std::fs::write(&file, script).unwrap();
    let text = |drives: u8, name: &str| {
        format!(
            "faults = {file:?}\n[[library]]\nslots = 4\n[[library.drive]]\nmodel = \"ULT3580-TD8\"\ncount = {drives}\n\
             [[fault]]\nname = \"{name}\"\nkind = \"aborted_command\"\nchanger = true\nnth = 5\n"
        )
    };
    let config = |drives, name| parse("f.toml", &text(drives, name)).unwrap();
    let site = Site::open_data_dir(DataDir::in_memory(), &config(1, "a")).unwrap();
    let names = || site.faults().into_iter().map(|fault| fault.name).collect::<Vec<_>>();
    assert_eq!(names(), ["of the script", "a"]);
    let host = Host::login(&site.targets()[0], 1);
    host.clear_unit_attentions();
    let is_busy = |lun| host.command(lun, &[1, 0, 0, 0, 0, 0], 0).status == Status::BUSY;
    assert!(is_busy(1));
    let changes = site.reload(&config(2, "a")).unwrap().changes;
    assert!(matches!(changes[..], [ReloadChange::ElementsAdded { drives: 1, .. }]), "{changes:?}");
    host.clear_unit_attentions();
    assert!(is_busy(2));
    assert_eq!(site.faults()[0].fired, 2);
    // The text of the configuration needs no other file.
    let shown = site.configuration().text;
    assert!(!shown.contains("busy.toml"), "{shown}");
    let both = parse("shown", &shown).unwrap().faults.faults;
    assert_eq!(both, config(2, "a").faults.read().unwrap());
    assert_eq!(site.reload(&config(2, "b")).unwrap().changes, [ReloadChange::FaultsChanged]);
    assert_eq!(names(), ["of the script", "b"]);
    assert_eq!(site.reload(&config(2, "b")).unwrap().changes, []);
    std::fs::write(&file, "[[fault]]\nkind = \"bussy\"\n").unwrap();
    let error = site.reload(&config(2, "b")).unwrap_err().to_string();
    assert!(
        error.starts_with("f.toml:1: faults: ") && error.contains("busy.toml: fault 1, kind: \"bussy\""),
        "{error}"
    );
    let error = parse("f.toml", "[[fault]]\nkind = \"busy\"\nnth = 0\n").unwrap_err().to_string();
    assert!(error.starts_with("f.toml:1: fault.nth: 0 is too small"), "{error}");
}

/// The fault is only for the host that it names.
#[test]
fn initiator_is_a_condition() {
    let it = Fixture::new();
    let other = Host::login(&it.site.targets()[0], 2);
    other.clear_unit_attentions();
    it.add("[[fault]]\nkind = \"busy\"\ninitiator = \"*2\"\nuntil_cleared = true");
    let status = |host: &Host| host.command(1, &[0; 6], 0).status;
    assert_eq!([status(&it.host), status(&other), status(&it.host)], [Status::GOOD, Status::BUSY, Status::GOOD]);
}

/// One count for all drives, of which a barcode selects one; commands of other tapes are not counted.
#[test]
fn conditions_select_commands_of_all_drives_together() {
    let it = Fixture::new();
    it.host.move_medium(0, 1001, 501).unwrap();
    it.host.clear_unit_attentions();
    it.add("[[fault]]\nkind = \"task_set_full\"\ncommands = [\"rewind\"]\nnth = 3\ncount = 2");
    let full = |lun| it.host.command(lun, &[1, 0, 0, 0, 0, 0], 0).status == Status::TASK_SET_FULL;
    assert_eq!([1, 2, 1, 2, 1].map(full), [false, false, true, true, false]);
    it.add("[[fault]]\nkind = \"hardware_error\"\nbarcode = \"A2*\"\ntape_alerts = [31]\ncommands = [\"REWIND\"]");
    assert_eq!(it.host.rewind(1), Ok(()));
    assert_eq!(codes(it.host.rewind(2)), (4, 0x44, 0));
    let alerts = it.host.tape_alerts(2).unwrap();
    assert!(alerts.contains(&30) && alerts.contains(&31), "{alerts:?}");
    it.add("[[fault]]\nkind = \"sense\"\nsense = \"2/04/01\"\ndrive = \"drive2\"\ncommands = [\"TEST UNIT READY\"]");
    assert_eq!(it.host.test_unit_ready(1), Ok(()));
    assert_eq!(codes(it.host.test_unit_ready(2)), (2, 4, 1));
    it.add("[[fault]]\nkind = \"double_pick\"\nelement = \"slot3\"\nbarcode = \"A3L8\"");
    assert_eq!(codes(it.host.move_medium(0, 1002, 1003)), (4, 0x3b, 0x16));
    it.host.move_medium(0, 1002, 1003).unwrap();
    it.add("[[fault]]\nkind = \"recovered_write\"\nafter_ms = 3600000\ncommands = [\"WRITE\"]");
    it.host.write(1, b"good").unwrap();
    it.add("[[fault]]\nname = \"now\"\nkind = \"recovered_write\"");
    assert_eq!(codes(it.host.write(1, b"written")), (1, 0x0c, 0));
    assert_eq!(it.object(), 2);
    assert_eq!(it.listed().last(), Some(&("now".to_owned(), 1, 1, false)));
}

#[test]
fn scripts_are_refused_with_the_fault_the_key_and_the_value() {
    for (text, wanted) in [
        ("", "the script has no fault; write a table [[fault]] with a kind"),
        ("\n[[fault]]\nkind = \"busy\"\nnht = 2", "line 4: unknown field `nht`"),
        (
            "[[fault]]\nkind = \"bussy\"",
            "fault 1, kind: \"bussy\" is not a kind of fault; expected one of recovered_read, ",
        ),
        (
            "[[fault]]\nkind = \"busy\"\n[[fault]]\nname = \"x\"\nkind = \"busy\"\nnth = 0",
            "fault \"x\", nth: 0 is too small",
        ),
        ("[[fault]]\nkind = \"busy\"\nprobability = 1.5", "fault 1, probability: 1.5 is out of range"),
        ("[[fault]]\nkind = \"busy\"\nrecords = [5, 4]", "fault 1, records: [5, 4] is empty"),
        ("[[fault]]\nkind = \"busy\"\ntape_alerts = [65]", "fault 1, tape_alerts: 65 does not exist"),
        ("[[fault]]\nkind = \"sense\"\nsense = \"3/11\"", "fault 1, sense: \"3/11\" is not KEY/ASC/ASCQ"),
        ("[[fault]]\nkind = \"slow_by_factor\"", "fault 1, factor: is missing"),
        ("[[fault]]\nkind = \"slow_by_factor\"\nfactor = 0.0", "fault 1, factor: 0 is out of range; expected 0.001"),
        ("[[fault]]\nkind = \"busy\"\nfactor = 2.0", "fault 1, factor: has no effect here, with kind \"busy\""),
        ("[[fault]]\nkind = \"cut_link\"", "fault 1, outage_ms: is missing"),
        (
            "[[fault]]\nkind = \"nop_unanswered\"\nbarcode = \"A*\"",
            "fault 1, barcode: has no effect here, with kind \"nop_unanswered\"",
        ),
        ("[[fault]]\nkind = \"slow\"", "fault 1, bytes_per_second: is missing"),
        ("[[fault]]\nkind = \"unreadable_label\"", "fault 1, barcode: is missing"),
        (
            "[[fault]]\nkind = \"robot_pick\"\ndrive = \"drive1\"",
            "fault 1, drive: has no effect here, with kind \"robot_pick\"",
        ),
    ] {
        let error = FaultScript::parse(text).unwrap_err().to_string();
        assert!(error.starts_with(wanted), "{error}");
    }
    let it = Fixture::new();
    let refused = |text: &str| it.site.add_faults(&FaultScript::parse(text).unwrap()).unwrap_err().to_string();
    for (text, wanted) in [
        ("kind = \"busy\"\ndrive = \"drive9\"", "fault \"fault1\": library \"main\" has no drive9"),
        ("kind = \"busy\"\nlibrary = \"other\"", "fault \"fault2\": there is no library \"other\""),
        ("kind = \"busy\"\ncommands = [\"REED\"]", "fault \"fault3\": commands: \"REED\" is not the name of a command"),
        ("kind = \"missing_label\"\nbarcode = \"Z*\"", "fault \"fault4\": barcode: no library has a cartridge \"Z*\""),
    ] {
        let error = refused(&format!("[[fault]]\n{text}"));
        assert!(error.starts_with(wanted), "{error}");
    }
    let named = "[[fault]]\nname = \"a\"\nkind = \"busy\"\ncommands = [\"ERASE\"]\n";
    it.add(named);
    assert!(refused(named).starts_with("there is a fault \"a\" already"));
    let missing = it.site.clear_faults(Some("b")).unwrap_err().to_string();
    assert_eq!(missing, "there is no fault \"b\"; expected a");
    let many: String = (0..65).map(|_| "[[fault]]\nkind = \"busy\"\ncommands = [\"ERASE\"]\n").collect();
    assert!(refused(&many).contains("has 64 injected faults already"));
    assert_eq!(it.listed().len(), 1, "all or none");
}

#[test]
fn every_kind_is_described() {
    let page = include_str!("../../../docs/faults.md");
    for kind in FAULT_KINDS {
        assert!(
            page.contains(&format!("| `{}` | {} |", kind.name, kind.summary)),
            "| `{}` | {} |",
            kind.name,
            kind.summary
        );
    }
}
