//! Delays in virtual time: no test here waits for the machine's clock.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "test code")]

mod common;

use common::commands::{Completions, DRIVE, command};
use scsi_core::data::Data;
use scsi_core::nexus::{NexusId, TransportId};
use scsi_core::target::{Request, Tag, TaskAttribute};
use scsi_core::time::{Instant, Now, TimeMode, Timestamp};
use std::sync::Arc;
use std::thread;
use std::time::Duration;
use vtl::clock::VirtualClock;
use vtl::control::{ControlRequest, Door, ErrorCode};
use vtl::host::Host;
use vtl::site::OpenSite;
use vtl::target::Target;
use vtl::unit::{CompletionHandler, Submitted, Unit};
use vtl::{Barcode, ElementAddress, Library, Motion};

const TEST_UNIT_READY: [u8; 6] = [0; 6];
const REWIND: [u8; 6] = [0x01, 0, 0, 0, 0, 0];
const TEN_MINUTES: Duration = Duration::from_secs(600);

/// A site that was opened at 2023-11-14 22:13:20 UTC.
fn open() -> (VirtualClock, OpenSite) {
    let clock = VirtualClock::new(Now { mono: Instant(0), wall: Timestamp(1_700_000_000_000) });
    let builder = Library::builder().slots(4).drives("ULT3580-TD8", 1).cartridges("A#L8", 3, "64MB");
    (clock.clone(), builder.clock(clock.clock()).open().unwrap())
}

/// A drive with a loaded tape whose rewind takes ten minutes, and a nexus without unit attentions.
struct Loaded {
    clock: VirtualClock,
    site: OpenSite,
    target: Arc<Target>,
    unit: Arc<Unit>,
    nexus: NexusId,
    completions: Arc<Completions>,
}

fn loaded() -> Loaded {
    let (clock, site) = open();
    let target = Arc::clone(&site.targets()[0]);
    site.libraries()[0].move_medium(ElementAddress(1000), ElementAddress(500)).unwrap();
    let nexus = target.login(&TransportId::local(2));
    let unit = target.unit(DRIVE).unwrap();
    let loaded = Loaded { clock, site, target, unit, nexus, completions: Arc::default() };
    while loaded.execute(9, &TEST_UNIT_READY) != 0 {}
    loaded.unit.set_delay(Motion::Rewind, TEN_MINUTES);
    loaded
}

impl Loaded {
    fn submit(&self, tag: u64, cdb: &[u8]) -> Submitted {
        let reply: Arc<dyn CompletionHandler> = Arc::clone(&self.completions) as _;
        self.target.submit(command(self.nexus, tag, TaskAttribute::Simple, cdb, b""), &reply)
    }

    /// Executes a command on this thread. Returns its status code.
    fn execute(&self, tag: u64, cdb: &[u8]) -> u8 {
        let request = Request { lun: DRIVE, tag: Tag(tag), ..Request::new(self.nexus, cdb, Now::default()) };
        self.target.execute(&request, Data::new(&[], &mut [])).status.0
    }
}

/// 2/04/01 until the tape is threaded, then 6/28/00.
#[test]
fn load_takes_ten_minutes() {
    let (clock, site) = open();
    site.libraries()[0].drives()[0].set_delay(Motion::Load, TEN_MINUTES);
    let host = Host::login(&site.targets()[0], 1);
    host.clear_unit_attentions();
    host.move_medium(0, 1000, 500).unwrap();
    let sense = || host.test_unit_ready(1).unwrap_err().sense_codes();
    assert_eq!(sense(), Some((2, 0x04, 0x01)));
    clock.advance(TEN_MINUTES - Duration::from_micros(1));
    assert_eq!(sense(), Some((2, 0x04, 0x01)));
    clock.advance(Duration::from_micros(1));
    assert_eq!(sense(), Some((6, 0x28, 0x00)));
    host.test_unit_ready(1).unwrap();
}

#[test]
fn rewind_holds_the_next_command() {
    let loaded = loaded();
    assert!(matches!(loaded.submit(1, &REWIND), Submitted::Queued));
    assert_eq!(loaded.clock.wait_for_deadline(), TEN_MINUTES);
    // TEST UNIT READY runs on the submitting thread of an idle unit; this unit is not idle.
    assert!(matches!(loaded.submit(2, &TEST_UNIT_READY), Submitted::Queued));
    loaded.clock.advance(Duration::from_secs(599));
    assert_eq!(loaded.clock.wait_for_deadline(), Duration::from_secs(1));
    assert_eq!(loaded.completions.get(), []);
    loaded.clock.advance(Duration::from_secs(1));
    assert_eq!(loaded.completions.wait_for(2), [(1, 0, false), (2, 0, false)]);
}

#[test]
fn caller_waits_for_the_end_of_its_rewind() {
    let loaded = loaded();
    thread::scope(|scope| {
        let rewind = scope.spawn(|| loaded.execute(1, &REWIND));
        assert_eq!(loaded.clock.wait_for_deadline(), TEN_MINUTES);
        assert!(matches!(loaded.submit(2, &TEST_UNIT_READY), Submitted::Queued));
        assert!(!rewind.is_finished() && loaded.completions.get().is_empty());
        loaded.clock.advance(TEN_MINUTES);
        assert_eq!(rewind.join().unwrap(), 0);
    });
    assert_eq!(loaded.completions.wait_for(1), [(2, 0, false)]);
}

/// The status is not sent, and the unit is free for the next command.
#[test]
fn abort_ends_the_delay() {
    let loaded = loaded();
    loaded.submit(1, &REWIND);
    assert_eq!(loaded.clock.wait_for_deadline(), TEN_MINUTES);
    loaded.unit.abort(|_, tag| tag == Tag(2));
    assert_eq!(loaded.completions.get(), []);
    loaded.unit.abort(|nexus, tag| (nexus, tag) == (loaded.nexus, Tag(1)));
    assert_eq!(loaded.completions.get(), [(1, 0x40, true)]);
    assert!(matches!(loaded.submit(2, &TEST_UNIT_READY), Submitted::Completed(_)));
    // The unit's thread may still be waiting for the time of the aborted command: let that time pass.
    loaded.clock.advance(TEN_MINUTES);
    thread::scope(|scope| {
        let rewind = scope.spawn(|| loaded.execute(3, &REWIND));
        assert_eq!(loaded.clock.wait_for_deadline(), TEN_MINUTES);
        loaded.unit.abort(|_, tag| tag == Tag(3));
        assert_eq!(rewind.join().unwrap(), 0x40);
    });
    assert_eq!(loaded.execute(4, &TEST_UNIT_READY), 0);
    assert_eq!(loaded.completions.get(), [(1, 0x40, true)]);
}

#[test]
fn shutdown_does_not_wait_for_a_motion() {
    let loaded = loaded();
    loaded.submit(1, &REWIND);
    assert_eq!(loaded.clock.wait_for_deadline(), TEN_MINUTES);
    loaded.submit(2, &TEST_UNIT_READY);
    loaded.site.shut_down().unwrap();
    // The rewind was done; the command after it was dropped.
    assert_eq!(loaded.completions.get(), [(1, 0, false)]);
    let loaded = self::loaded();
    thread::scope(|scope| {
        let rewind = scope.spawn(|| loaded.execute(1, &REWIND));
        assert_eq!(loaded.clock.wait_for_deadline(), TEN_MINUTES);
        loaded.site.shut_down().unwrap();
        assert_eq!(rewind.join().unwrap(), 0);
    });
}

#[test]
fn robot_moves_take_their_duration() {
    let (clock, site) = open();
    site.libraries()[0].changer(|changer| changer.set_move_duration(Duration::from_secs(30)));
    let host = Host::login(&site.targets()[0], 1);
    host.clear_unit_attentions();
    thread::scope(|scope| {
        let moved = scope.spawn(|| host.move_medium(0, 1000, 500));
        assert_eq!(clock.wait_for_deadline(), Duration::from_secs(30));
        assert!(!moved.is_finished());
        clock.advance_to_deadline();
        moved.join().unwrap().unwrap();
    });
    // An error is reported at once: the source is empty.
    assert_eq!(host.move_medium(0, 1000, 1001).unwrap_err().sense_codes(), Some((5, 0x3b, 0x0e)));
}

/// 5 s to pick, 5 s to place, and the travel.
#[test]
fn robot_moves_take_the_time_of_hardware() {
    let clock = VirtualClock::default();
    let builder = Library::builder().slots(4).drives("ULT3580-TD8", 1).cartridges("A#L8", 3, "64MB");
    let site = builder.clock(clock.clock()).time(TimeMode::Real).open().unwrap();
    let host = Host::login(&site.targets()[0], 1);
    host.clear_unit_attentions();
    thread::scope(|scope| {
        let moved = scope.spawn(|| host.move_medium(0, 1000, 1003));
        let wait = clock.wait_for_deadline();
        assert!(wait > Duration::from_secs(10) && wait < Duration::from_secs(16), "{wait:?}");
        assert!(!moved.is_finished());
        clock.advance_to_deadline();
        moved.join().unwrap().unwrap();
    });
    // An error is reported at once: the source is empty.
    assert_eq!(host.move_medium(0, 1000, 1001).unwrap_err().sense_codes(), Some((5, 0x3b, 0x0e)));
}

/// A move from a drive that has not unloaded its tape waits for the unload: 24 s of an LTO-8 drive, by a host and an operator.
#[test]
fn robot_waits_for_the_unload_of_a_drive() {
    let clock = VirtualClock::default();
    let builder = Library::builder().slots(4).drives("ULT3580-TD8", 1).cartridges("A#L8", 1, "64MB");
    let site = builder.clock(clock.clock()).time(TimeMode::Real).open().unwrap();
    let host = Host::login(&site.targets()[0], 1);
    host.clear_unit_attentions();
    let library = &site.libraries()[0];
    let to_drive = || library.move_medium(ElementAddress(1000), ElementAddress(500)).map_err(|error| error.to_string());
    let by_operator =
        || library.move_medium(ElementAddress(500), ElementAddress(1000)).map_err(|error| error.to_string());
    let by_host = || host.move_medium(0, 500, 1000).map_err(|error| error.to_string());
    for from_drive in [&by_host as &(dyn Fn() -> Result<(), String> + Sync), &by_operator] {
        while_time_passes(&clock, to_drive).unwrap();
        while_time_passes(&clock, || while host.test_unit_ready(1).is_err() {});
        let before = library.drive_status()[0].time.clone().unwrap().modelled_ms;
        thread::scope(|scope| {
            let moved = scope.spawn(from_drive);
            let wait = clock.wait_for_deadline();
            assert!(wait > Duration::from_secs(34) && wait < Duration::from_secs(42), "{wait:?}");
            clock.advance_to_deadline();
            moved.join().unwrap().unwrap();
        });
        let unload = library.drive_status()[0].time.clone().unwrap().modelled_ms - before;
        assert_eq!(unload, 24_000);
    }
}

/// The status of a library has the modelled time of its robot, of hosts and operators: two moves of about 12 s.
#[test]
fn status_has_the_time_of_the_robot() {
    let builder = Library::builder().slots(4).drives("ULT3580-TD8", 1).cartridges("A#L8", 2, "64MB");
    let site = builder.time(TimeMode::Counted).open().unwrap();
    let library = &site.libraries()[0];
    let time = || library.status().time.unwrap();
    assert_eq!((time().mode.as_str(), time().modelled_ms), ("counted", 0));
    let host = Host::login(&site.targets()[0], 1);
    host.clear_unit_attentions();
    host.move_medium(0, 1000, 500).unwrap();
    let first = time().modelled_ms;
    assert!((10_000..16_000).contains(&first), "{first}");
    library.move_medium(ElementAddress(1001), ElementAddress(1002)).unwrap();
    let second = time().modelled_ms - first;
    assert!((10_000..12_000).contains(&second), "{second}");
    // A failed move does not count.
    library.move_medium(ElementAddress(1001), ElementAddress(1002)).unwrap_err();
    assert_eq!(time().modelled_ms, first + second);
    let off = Library::builder().slots(1).open().unwrap();
    assert_eq!(off.libraries()[0].status().time, None);
}

/// A move of an operator takes as long as one of a host, and the robot does nothing else meanwhile.
#[test]
fn robot_moves_of_operators_take_their_duration() {
    let (clock, site) = open();
    let library = &site.libraries()[0];
    library.changer(|changer| changer.set_move_duration(Duration::from_secs(30)));
    let load = || site.control(&ControlRequest::Load { library: None, cartridge: "A1L8".into(), drive: None });
    let slots = || library.move_medium(ElementAddress(1001), ElementAddress(1003));
    for moved in [&(|| load().map(drop).map_err(|error| error.to_string())) as &(dyn Fn() -> _ + Sync), &|| {
        slots().map_err(|error| error.to_string())
    }] {
        thread::scope(|scope| {
            let moving = scope.spawn(moved);
            assert_eq!(clock.wait_for_deadline(), Duration::from_secs(30));
            assert!(!moving.is_finished());
            // The drive is free when it has the cartridge; the robot is not.
            site.control(&ControlRequest::Alert { library: None, drive: Some("drive1".into()), flag: 3, raised: true })
                .unwrap();
            let open =
                scope.spawn(|| site.control(&ControlRequest::Door { library: None, door: Door::Access, open: true }));
            while clock.wait_for_deadline() != Duration::from_millis(500) {
                thread::yield_now();
            }
            clock.advance_to_deadline();
            let error = open.join().unwrap().unwrap_err();
            assert_eq!((error.code, error.fields.unit.as_deref()), (ErrorCode::Busy, Some("changer")));
            assert_eq!(clock.advance_to_deadline(), Duration::from_millis(29_500));
            assert_eq!(moving.join().unwrap(), Ok(()));
        });
    }
    // An error is reported at once: the source is empty.
    assert!(library.move_medium(ElementAddress(1000), ElementAddress(1001)).is_err());
}

/// A command with a delayed status keeps an operator's request out for half a second.
#[test]
fn operator_gets_busy_while_a_drive_rewinds() {
    let loaded = loaded();
    assert!(matches!(loaded.submit(1, &REWIND), Submitted::Queued));
    assert_eq!(loaded.clock.wait_for_deadline(), TEN_MINUTES);
    let unload = || loaded.site.control(&ControlRequest::Unload { library: None, drive: "drive1".into() });
    thread::scope(|scope| {
        let unloaded = scope.spawn(unload);
        while loaded.clock.wait_for_deadline() != Duration::from_millis(500) {
            thread::yield_now();
        }
        loaded.clock.advance_to_deadline();
        let error = unloaded.join().unwrap().unwrap_err();
        assert_eq!(error.message, "drive1 is busy with REWIND; try again later");
        assert_eq!(error.code, ErrorCode::Busy);
    });
    loaded.clock.advance(TEN_MINUTES);
    loaded.completions.wait_for(1);
    unload().unwrap();
}

/// Calls `call` on a thread, and advances the clock by seconds until it has returned.
fn while_time_passes<T: Send>(clock: &VirtualClock, call: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| {
        let called = scope.spawn(call);
        while !called.is_finished() {
            clock.advance(Duration::from_secs(1));
            thread::yield_now();
        }
        called.join().unwrap()
    })
}

/// Twenty drives whose rewinds take their modelled time: none of them uses a thread meanwhile, and all of them end.
#[test]
fn twenty_drives_wait_for_the_time_of_hardware() {
    const LOCATE_1: [u8; 10] = [0x2b, 0, 0, 0, 0, 0, 1, 0, 0, 0];
    const WRITE: [u8; 6] = [0x0a, 0, 1, 0, 0, 0];
    // Does not compress.
    let noise = |seed: u32| seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
    let block: Vec<u8> = std::iter::successors(Some(1), |seed| Some(noise(*seed)))
        .map(|seed| seed.to_be_bytes()[0])
        .take(65_536)
        .collect();
    let clock = VirtualClock::default();
    let builder = Library::builder().slots(20).drives("ULT3580-TD8", 20).cartridges("A##L8", 20, "64MB");
    let site = builder.clock(clock.clock()).time(TimeMode::Real).open().unwrap();
    let (target, library) = (Arc::clone(&site.targets()[0]), &site.libraries()[0]);
    let nexus = target.login(&TransportId::local(2));
    let lun = |drive: u16| u64::from(drive + 1) << 48;
    let execute = |drive: u16, cdb: &[u8], data: &[u8]| {
        let request = Request { lun: lun(drive), tag: Tag(1), ..Request::new(nexus, cdb, Now::default()) };
        target.execute(&request, Data::new(&[std::io::IoSlice::new(data)], &mut [])).status.0
    };
    for drive in 0..20 {
        let (slot, element) = (ElementAddress(1000 + drive), ElementAddress(500 + drive));
        while_time_passes(&clock, || library.move_medium(slot, element)).unwrap();
        while_time_passes(&clock, || while execute(drive, &TEST_UNIT_READY, &[]) != 0 {});
        assert_eq!(execute(drive, &WRITE, &block), 0);
        assert_eq!(execute(drive, &WRITE, &block), 0);
        while_time_passes(&clock, || assert_eq!(execute(drive, &REWIND, &[]), 0));
    }
    let completions = Arc::new(Completions::default());
    for drive in 0..20 {
        let reply: Arc<dyn CompletionHandler> = Arc::clone(&completions) as _;
        let command = command(nexus, drive.into(), TaskAttribute::Simple, &LOCATE_1, b"");
        assert!(matches!(target.submit(vtl::unit::Command { lun: lun(drive), ..command }, &reply), Submitted::Queued));
    }
    // A block is 204 m of a wrap of this small cartridge: 4.29 s, and 95.9 ms for each metre.
    let wait = clock.wait_for_deadline();
    assert!(wait > Duration::from_secs(23) && wait < Duration::from_secs(25), "{wait:?}");
    assert_eq!(completions.get(), []);
    // A drive begins its locate when its thread runs.
    while_time_passes(&clock, || completions.wait_for(20));
    assert!(completions.get().iter().all(|(_, status, aborted)| (*status, *aborted) == (0, false)));
    let drives = library.drive_status();
    let times: Vec<_> = drives.iter().map(|drive| drive.time.clone().unwrap()).collect();
    assert!(times.iter().all(|time| time.mode == "real" && time.modelled_ms > 15_000), "{times:?}");
}

/// The wall clock of the site: times of events, and retention.
#[test]
fn events_and_retention_have_the_time_of_the_site() {
    let (clock, site) = open();
    let (mut events, barcode) = (site.subscribe(), Barcode::new("A1L8").unwrap());
    site.libraries()[0].changer(|changer| changer.set_access_door(true)).unwrap();
    site.libraries()[0].export(ElementAddress(1000)).unwrap();
    clock.advance(Duration::from_secs(60));
    site.libraries()[0].changer(|changer| changer.set_access_door(false)).unwrap();
    site.retain_cartridge(&barcode, 1_700_000_061).unwrap();
    let times: Vec<u64> = events.try_iter().map(|record| record.at).collect();
    assert_eq!((times.first(), times.last()), (Some(&1_700_000_000_000), Some(&1_700_000_060_000)));
    let error = site.delete_cartridge(&barcode).unwrap_err().to_string();
    assert_eq!(error, "A1L8 is retained until 2023-11-14");
    clock.advance(Duration::from_secs(1));
    site.delete_cartridge(&barcode).unwrap();
}
