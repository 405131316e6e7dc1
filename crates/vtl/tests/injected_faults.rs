//! Injected faults, as an initiator sees them.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "test code")]

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;
use vtl::scsi_core::cdb::Opcode;
use vtl::scsi_core::data::Data;
use vtl::scsi_core::injected_fault::{CommandMatcher, FaultOutcome, FaultRule};
use vtl::scsi_core::nexus::{NexusId, TransportId};
use vtl::scsi_core::target::{CdbBytes, DataBuffers, Request, Tag, TaskAttribute};
use vtl::scsi_core::time::{Instant, Now};
use vtl::site::OpenSite;
use vtl::target::Target;
use vtl::unit::{Command, CompletedCommand, CompletionHandler, Submitted};
use vtl::{Asc, ElementAddress, Library, Motion, Sense, SenseKey, Status};

/// LUN 1.
const DRIVE: u64 = 0x0001_0000_0000_0000;

#[derive(Default)]
struct Completions(Mutex<Vec<CompletedCommand>>);

impl CompletionHandler for Completions {
    fn complete(&self, done: CompletedCommand) {
        self.0.lock().unwrap().push(done);
    }
}

struct Fixture {
    _site: OpenSite,
    target: Arc<Target>,
}

impl Fixture {
    fn new() -> Self {
        let site = Library::builder().slots(4).drives("ULT3580-TD8", 1).cartridges("A#L8", 1, "64MB").open().unwrap();
        site.libraries()[0].move_medium(ElementAddress(1000), ElementAddress(500)).unwrap();
        Self { target: Arc::clone(&site.targets()[0]), _site: site }
    }

    fn login(&self, number: u32) -> NexusId {
        let nexus = self.target.login(&TransportId::local(number));
        while self.send(nexus, &[0; 6], b"").0 != 0 {}
        nexus
    }

    fn inject(&self, rule: FaultRule) {
        assert!(self.target.unit(DRIVE).unwrap().inject(rule));
    }

    fn run(&self, nexus: NexusId, cdb: &[u8], out: &[u8]) -> CompletedCommand {
        let data = DataBuffers {
            data_out: out.to_vec(),
            data_out_len: out.len(),
            data_in_capacity: 64,
            ..DataBuffers::default()
        };
        let cdb = CdbBytes::from_slice(cdb);
        let command =
            Command { nexus, lun: DRIVE, tag: Tag(1), attribute: TaskAttribute::Simple, priority: 0, cdb, data };
        let completions = Arc::new(Completions::default());
        let reply: Arc<dyn CompletionHandler> = Arc::clone(&completions) as _;
        if let Submitted::Completed(done) = self.target.submit(command, &reply) {
            return done;
        }
        loop {
            if let Some(done) = completions.0.lock().unwrap().pop() {
                return done;
            }
            thread::yield_now();
        }
    }

    /// Status, sense data and Data-In.
    fn send(&self, nexus: NexusId, cdb: &[u8], out: &[u8]) -> (u8, Vec<u8>, Vec<u8>) {
        let done = self.run(nexus, cdb, out);
        assert!(!done.aborted, "{cdb:02x?} has no response");
        let sense = done.completion.sense.map(|sense| sense.as_slice().to_vec()).unwrap_or_default();
        (done.completion.status.0, sense, done.data.data_in[..done.completion.data_in].to_vec())
    }
}

fn of_opcode(opcode: u8) -> CommandMatcher {
    CommandMatcher::of_opcode(Opcode(opcode))
}

const READ: [u8; 6] = [0x08, 0, 0, 0, 1, 0];
/// LOCATE(10) to object 100.
const LOCATE: [u8; 10] = [0x2b, 0, 0, 0, 0, 0, 100, 0, 0, 0];

#[test]
fn third_read_at_object_100_of_one_nexus_fails() {
    let it = Fixture::new();
    let (first, second) = (it.login(1), it.login(2));
    for number in 0..102 {
        assert_eq!(it.send(first, &[0x0a, 0, 0, 0, 1, 0], &[number]).0, 0);
    }
    let matcher = of_opcode(0x08).with_nexus(second).with_position(100..=100);
    let sense = Sense::new(SenseKey::MEDIUM_ERROR, Asc(0x1100));
    it.inject(FaultRule::once(matcher, FaultOutcome::Sense(sense)).with_nth(3));
    let read_at_100 = |nexus| {
        assert_eq!(it.send(first, &LOCATE, b"").0, 0);
        it.send(nexus, &READ, b"")
    };
    let good = (0, Vec::new(), vec![100]);
    for nexus in [second, first, first, second, first] {
        assert_eq!(read_at_100(nexus), good);
        assert_eq!(it.send(second, &READ, b"").2, [101], "object 101 is not counted");
    }
    let failed = vec![0x70, 0, 3, 0, 0, 0, 0, 0x0a, 0, 0, 0, 0, 0x11, 0, 0, 0, 0, 0];
    assert_eq!(read_at_100(second), (2, failed, Vec::new()));
    assert_eq!(it.send(second, &READ, b""), good, "the tape did not move");
    assert_eq!(read_at_100(second), good);
}

#[test]
fn delayed_command_ends_with_good_when_it_is_due() {
    let it = Fixture::new();
    let nexus = it.login(1);
    let rule = |opcode| FaultRule::once(of_opcode(opcode), FaultOutcome::Delay(Duration::from_millis(50)));
    it.inject(rule(0x00));
    let done = it.run(nexus, &[0; 6], b"");
    assert_eq!((done.completion.status.0, done.aborted, done.completion.due.is_some()), (0, false, true));
    // REWIND, too, whose own duration is zero.
    for opcode in [0x00, 0x01] {
        it.inject(rule(opcode));
        let due = it.target.unit(DRIVE).unwrap().with_device(|device| {
            let now = Now { mono: Instant(1_000), ..Now::default() };
            device.unit().execute(&Request::new(nexus, &[opcode, 0, 0, 0, 0, 0], now), Data::new(&[], &mut [])).due
        });
        assert_eq!(due, Some(Instant(51_000)), "{opcode:02x}");
    }
}

/// The delay is added to the duration of a motion, and applies whatever the status is.
#[test]
fn delay_adds_to_a_motion_and_applies_to_every_status() {
    let it = Fixture::new();
    let nexus = it.login(1);
    let delay = FaultOutcome::Delay(Duration::from_millis(50));
    let unit = it.target.unit(DRIVE).unwrap();
    unit.set_delay(Motion::Rewind, Duration::from_millis(7));
    let run = |cdb: &[u8]| {
        it.inject(FaultRule::once(of_opcode(cdb[0]), delay.clone()));
        unit.with_device(|device| {
            let now = Now { mono: Instant(1_000), ..Now::default() };
            let done = device.unit().execute(&Request::new(nexus, cdb, now), Data::new(&[], &mut []));
            (done.status.0, done.due, done.injected)
        })
    };
    assert_eq!(run(&[0x01, 0, 0, 0, 0, 0]), (0, Some(Instant(58_000)), true));
    // READ(6) of a blank tape: BLANK CHECK.
    assert_eq!(run(&READ), (2, Some(Instant(51_000)), true));
}

#[test]
fn dropped_command_does_not_run_and_has_no_response() {
    let it = Fixture::new();
    let nexus = it.login(1);
    it.inject(FaultRule::once(of_opcode(0x0a), FaultOutcome::Drop));
    let done = it.run(nexus, &[0x0a, 0, 0, 0, 1, 0], b"a");
    assert!(done.aborted && done.completion.dropped);
    // READ POSITION, short form: BOP, object 0.
    let position = it.send(nexus, &[0x34, 0, 0, 0, 0, 0, 0, 0, 0, 0], b"").2;
    assert_eq!(position, [vec![0x80], vec![0; 19]].concat());
    assert_eq!(it.send(nexus, &[0x0a, 0, 0, 0, 1, 0], b"b").0, 0);
    assert_eq!(it.send(nexus, &[0x2b, 0, 0, 0, 0, 0, 0, 0, 0, 0], b"").0, 0);
    assert_eq!(it.send(nexus, &READ, b"").2, b"b");
}

/// Unit attentions and reserved bits are checked before: a rule does not count commands that are not admitted.
#[test]
fn status_is_busy_twice() {
    let it = Fixture::new();
    let nexus = it.login(1);
    let busy = FaultOutcome::Status(Status::BUSY);
    it.inject(FaultRule::once(of_opcode(0x00), busy).with_count(2));
    assert_eq!(it.send(nexus, &[0, 1, 0, 0, 0, 0], b"").1[12..14], [0x24, 0]);
    let status: Vec<u8> = (0..4).map(|_| it.send(nexus, &[0; 6], b"").0).collect();
    assert_eq!(status, [8, 8, 0, 0]);
    it.inject(FaultRule::once(CommandMatcher::default(), FaultOutcome::Status(Status::TASK_SET_FULL)));
    assert_eq!(it.send(nexus, &[0x12, 0, 0, 0, 36, 0], b""), (0x28, Vec::new(), Vec::new()));
    it.inject(FaultRule::once(CommandMatcher::default(), FaultOutcome::Drop));
    it.target.unit(DRIVE).unwrap().clear_injected_faults();
    assert_eq!(it.send(nexus, &[0; 6], b"").0, 0);
}
