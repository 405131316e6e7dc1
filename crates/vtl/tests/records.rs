//! The record of each command, whether it was executed or not.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "test code")]

mod common;

use common::commands::{Completions, DRIVE, command};
use std::io::{IoSlice, IoSliceMut};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;
use vtl::clock::VirtualClock;
use vtl::observer::{CommandObserver, CommandRecord, TraceRecord};
use vtl::scsi_core::cdb::Opcode;
use vtl::scsi_core::data::Data;
use vtl::scsi_core::fault::Completion;
use vtl::scsi_core::injected_fault::{CommandMatcher, FaultOutcome, FaultRule};
use vtl::scsi_core::nexus::{NexusId, TransportId};
use vtl::scsi_core::target::{Request, Tag, TaskAttribute};
use vtl::scsi_core::time::Now;
use vtl::site::OpenSite;
use vtl::target::Target;
use vtl::unit::{CompletionHandler, Submitted, Unit};
use vtl::{ElementAddress, Library, Status};

const TEST_UNIT_READY: [u8; 6] = [0; 6];
const REWIND: [u8; 6] = [0x01, 0, 0, 0, 0, 0];
const TEN_MINUTES: Duration = Duration::from_secs(600);

/// Collects records as a trace file does, with four bytes of data.
#[derive(Default)]
struct Records(Mutex<Vec<TraceRecord>>);

impl CommandObserver for Records {
    fn observe(&self, record: &CommandRecord<'_>) {
        self.0.lock().unwrap().push(TraceRecord::new(1, record, 4));
    }
}

impl Records {
    /// The lines of the records since the last call, without time of day, unit and initiator.
    fn take(&self) -> Vec<String> {
        let records = std::mem::take(&mut *self.0.lock().unwrap());
        records.iter().map(|record| record.to_string().split_once(": ").unwrap().1.to_owned()).collect()
    }
}

/// A drive with a loaded tape in virtual time, and a nexus without unit attentions.
struct Fixture {
    clock: VirtualClock,
    site: OpenSite,
    target: Arc<Target>,
    unit: Arc<Unit>,
    nexus: NexusId,
    completions: Arc<Completions>,
    records: Arc<Records>,
}

impl Fixture {
    fn new() -> Self {
        let clock = VirtualClock::default();
        let builder = Library::builder().slots(4).drives("ULT3580-TD8", 1).cartridges("A#L8", 1, "64MB");
        let site = builder.clock(clock.clock()).open().unwrap();
        site.libraries()[0].move_medium(ElementAddress(1000), ElementAddress(500)).unwrap();
        let target = Arc::clone(&site.targets()[0]);
        let nexus = target.login(&TransportId::local(2));
        let (unit, records) = (target.unit(DRIVE).unwrap(), Arc::new(Records::default()));
        let it = Self { clock, target, unit, nexus, completions: Arc::default(), records, site };
        while it.execute(9, &TEST_UNIT_READY).status != Status::GOOD {}
        it.site.add_observer(Arc::clone(&it.records) as _);
        it
    }

    fn submit(&self, tag: u64, cdb: &[u8]) -> Submitted {
        let reply: Arc<dyn CompletionHandler> = Arc::clone(&self.completions) as _;
        self.target.submit(command(self.nexus, tag, TaskAttribute::Simple, cdb, b""), &reply)
    }

    fn request<'a>(&self, tag: u64, cdb: &'a [u8]) -> Request<'a> {
        Request { lun: DRIVE, tag: Tag(tag), ..Request::new(self.nexus, cdb, Now::default()) }
    }

    fn execute(&self, tag: u64, cdb: &[u8]) -> Completion {
        self.target.execute(&self.request(tag, cdb), Data::new(&[], &mut []))
    }

    fn inject(&self, opcode: u8, outcome: FaultOutcome) {
        let matcher = CommandMatcher::of_opcode(Opcode(opcode));
        assert!(self.unit.inject(FaultRule::once(matcher, outcome)));
    }
}

#[test]
fn commands_that_are_not_executed_have_records() {
    let it = Fixture::new();
    let before = it.unit.counters().commands;
    it.unit.with_device(|_| {
        for tag in 0..4096 {
            assert!(matches!(it.submit(tag, &TEST_UNIT_READY), Submitted::Queued));
        }
        let Submitted::Completed(full) = it.submit(5000, &REWIND) else { panic!("no TASK SET FULL") };
        assert_eq!(full.completion.status.0, 0x28);
        assert_eq!(it.execute(5001, &REWIND).status.0, 0x28);
        assert_eq!(
            it.records.take(),
            ["REWIND, TASK SET FULL, rejected, 0 us", "REWIND, TASK SET FULL, rejected, 0 us"]
        );
        it.clock.advance(Duration::from_micros(3));
        it.unit.abort(|_, tag| tag == Tag(7) || tag == Tag(8));
        let aborted = "TEST UNIT READY, no response, aborted, queued 3 us, 0 us";
        assert_eq!(it.records.take(), [aborted, aborted]);
    });
    it.completions.wait_for(4096);
    let count = |opcode: u8| {
        let after = it.unit.counters().commands;
        let find = |counts: &[vtl::observer::CommandCount]| counts.iter().find(|count| count.opcode == opcode).cloned();
        let old = find(&before).map_or((0, 0), |count| (count.good, count.other));
        find(&after).map(|count| (count.good - old.0, count.other - old.1))
    };
    assert_eq!((count(0x00), count(0x01)), (Some((4094, 2)), Some((0, 2))));
}

/// The target's own responses: its record has no library, and it is no command of a unit.
#[test]
fn commands_to_a_lun_without_a_unit_have_records() {
    let it = Fixture::new();
    let mut inquiry = [0; 36];
    let request = Request { lun: 9 << 48, ..it.request(1, &[0x12, 0, 0, 0, 36, 0]) };
    assert_eq!(it.target.execute(&request, Data::new(&[], &mut [IoSliceMut::new(&mut inquiry)])).status.0, 0);
    let records = it.site.trace().read(None, 1, |_| true).records;
    assert_eq!((&*records[0].unit.library, &*records[0].unit.unit, records[0].lun), ("", "target", 9 << 48));
    assert_eq!((&*records[0].target, &*records[0].start), (it.target.name(), &**it.site.trace().start()));
    assert_eq!(it.records.take(), ["INQUIRY ALLOCATION LENGTH=36, in 36, GOOD, 0 us"]);
    let request = Request { lun: 9 << 48, ..it.request(1, &TEST_UNIT_READY) };
    assert_eq!(it.target.execute(&request, Data::new(&[], &mut [])).status.0, 2);
    let lines = it.records.take();
    assert!(lines[0].starts_with("TEST UNIT READY, CHECK CONDITION: ILLEGAL REQUEST 25h/00h"), "{lines:?}");
    // Commands that a transport ends itself.
    it.target.record_rejected(&it.request(3, &REWIND), &Completion::data_missing());
    let lines = it.records.take();
    assert!(lines[0].starts_with("REWIND, CHECK CONDITION: ABORTED COMMAND 4bh/00h"), "{lines:?}");
    assert!(lines[0].ends_with(", rejected, 0 us"), "{lines:?}");
    let counts = it.unit.counters().commands;
    assert_eq!(counts.iter().find(|count| count.opcode == 0x01).unwrap().other, 1);
}

#[test]
fn record_of_borrowed_data_has_its_first_bytes() {
    let it = Fixture::new();
    let write = it.request(1, &[0x0a, 0, 0, 0, 6, 0]);
    let segments = [IoSlice::new(b"ab"), IoSlice::new(b""), IoSlice::new(b"cdef")];
    assert_eq!(it.target.execute(&write, Data::new(&segments, &mut [])).data_out, 6);
    assert_eq!(it.execute(2, &REWIND).status.0, 0);
    let (mut one, mut two) = ([0; 1], [0; 9]);
    let mut segments = [IoSliceMut::new(&mut one), IoSliceMut::new(&mut two)];
    let read = it.request(3, &[0x08, 0, 0, 0, 6, 0]);
    assert_eq!(it.target.execute(&read, Data::new(&[], &mut segments)).data_in, 6);
    let records = it.records.0.lock().unwrap();
    let data: Vec<_> = records.iter().map(|record| (&record.data_out[..], &record.data_in[..])).collect();
    assert_eq!(data, [(&b"abcd"[..], &b""[..]), (b"", b""), (b"", b"abcd")]);
}

#[test]
fn record_names_an_injected_fault() {
    let it = Fixture::new();
    it.inject(0x00, FaultOutcome::Drop);
    assert!(it.execute(1, &TEST_UNIT_READY).dropped);
    it.inject(0x00, FaultOutcome::Status(Status::BUSY));
    assert_eq!(it.execute(1, &TEST_UNIT_READY).status.0, 8);
    assert_eq!(
        it.records.take(),
        ["TEST UNIT READY, no response, dropped, injected fault, 0 us", "TEST UNIT READY, BUSY, injected fault, 0 us"]
            .map(|line| line.replace("READY,", "READY, at partition 0 object 0,"))
    );
}

/// The record of a delayed command is made at the end of the delay, when it is known whether it was aborted.
#[test]
fn record_of_a_delayed_command_has_its_outcome() {
    let (it, at) = (Fixture::new(), "REWIND, at partition 0 object 0,");
    for aborts in [false, true] {
        it.inject(0x01, FaultOutcome::Delay(TEN_MINUTES));
        assert!(matches!(it.submit(1, &REWIND), Submitted::Queued));
        assert_eq!(it.clock.wait_for_deadline(), TEN_MINUTES);
        assert!(it.records.take().is_empty());
        if aborts {
            it.unit.abort(|_, tag| tag == Tag(1));
        }
        it.clock.advance(TEN_MINUTES);
        it.completions.wait_for(1 + usize::from(aborts));
        let end = if aborts {
            "no response, aborted, injected fault, 0 us"
        } else {
            "GOOD, injected fault, 0 us, delayed 600000000 us"
        };
        assert_eq!(it.records.take(), [format!("{at} {end}")]);
    }
    assert_eq!(it.completions.wait_for(2), [(1, 0, false), (1, 0x40, true)]);
    // Of a caller.
    it.inject(0x01, FaultOutcome::Delay(TEN_MINUTES));
    thread::scope(|scope| {
        let rewind = scope.spawn(|| it.execute(2, &REWIND).status.0);
        assert_eq!(it.clock.wait_for_deadline(), TEN_MINUTES);
        it.clock.advance(TEN_MINUTES);
        assert_eq!(rewind.join().unwrap(), 0);
    });
    assert_eq!(it.records.take(), [format!("{at} GOOD, injected fault, 0 us, delayed 600000000 us")]);
}
