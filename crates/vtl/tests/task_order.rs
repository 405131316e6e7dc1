//! The order in which a unit runs the commands of its queue, and commands with data in memory of the caller.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "test code")]

mod common;

use common::commands::{Completions, DRIVE, command};
use scsi_core::data::Data;
use scsi_core::nexus::{NexusId, TransportId};
use scsi_core::target::{Request, Tag, TaskAttribute};
use scsi_core::time::Now;
use std::io::{IoSlice, IoSliceMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use vtl::host::Host;
use vtl::site::OpenSite;
use vtl::target::Target;
use vtl::unit::{CompletedCommand, CompletionHandler, Submitted, Unit};
use vtl::{ElementAddress, Library, Status};

const SIMPLE: TaskAttribute = TaskAttribute::Simple;
const ORDERED: TaskAttribute = TaskAttribute::Ordered;
const HEAD: TaskAttribute = TaskAttribute::HeadOfQueue;

/// A drive with a loaded tape, its unit, and a nexus without unit attentions.
fn loaded() -> (OpenSite, Arc<Target>, Arc<Unit>, NexusId) {
    let site = Library::builder().slots(4).drives("ULT3580-TD8", 1).cartridges("A#L8", 3, "64MB").open().unwrap();
    let target = Arc::clone(&site.targets()[0]);
    site.libraries()[0].move_medium(ElementAddress(1000), ElementAddress(500)).unwrap();
    let nexus = target.login(&TransportId::local(2));
    let unit = target.unit(DRIVE).unwrap();
    while execute(&target, nexus, &[0; 6], &[], &mut []).0 != Status::GOOD {}
    (site, target, unit, nexus)
}

/// Executes a SIMPLE command to the drive with borrowed data. Returns its status and the Data-In and Data-Out lengths.
fn execute(
    target: &Target,
    nexus: NexusId,
    cdb: &[u8],
    data_out: &[IoSlice<'_>],
    data_in: &mut [IoSliceMut<'_>],
) -> (Status, usize, usize) {
    let request = Request { lun: DRIVE, ..Request::new(nexus, cdb, Now::default()) };
    let done = target.execute(&request, Data::new(data_out, data_in));
    (done.status, done.data_in, done.data_out)
}

/// Submits TEST UNIT READY while the device is locked, so that the command is queued.
fn queue(target: &Target, nexus: NexusId, reply: &Arc<dyn CompletionHandler>, tag: u64, attribute: TaskAttribute) {
    let submitted = target.submit(command(nexus, tag, attribute, &[0; 6], b""), reply);
    assert!(matches!(submitted, Submitted::Queued));
}

/// Returns whether a command with this tag waits in the queue of the unit.
fn waits(unit: &Unit, wanted: u64) -> bool {
    let found = AtomicBool::new(false);
    unit.abort(|_, tag| {
        found.fetch_or(tag == Tag(wanted), Ordering::AcqRel);
        false
    });
    found.into_inner()
}

fn wait_until(condition: impl Fn() -> bool) {
    while !condition() {
        thread::yield_now();
    }
}

#[test]
fn head_of_queue_runs_first_and_other_commands_in_arrival_order() {
    let (_site, target, unit, nexus) = loaded();
    let completions = Arc::new(Completions::default());
    let reply: Arc<dyn CompletionHandler> = Arc::clone(&completions) as _;
    unit.with_device(|_| {
        for (tag, attribute) in
            [(1, SIMPLE), (2, SIMPLE), (3, ORDERED), (4, SIMPLE), (5, HEAD), (6, ORDERED), (7, HEAD)]
        {
            queue(&target, nexus, &reply, tag, attribute);
        }
    });
    wait_until(|| completions.get().len() == 7);
    let tags: Vec<u64> = completions.get().iter().map(|(tag, ..)| *tag).collect();
    assert_eq!(tags, [7, 5, 1, 2, 3, 4, 6]);
}

/// On an idle unit, a command runs on the thread that submits it, whatever its attribute.
#[test]
fn attributes_do_not_delay_a_command_of_an_idle_unit() {
    let (_site, target, _unit, nexus) = loaded();
    let reply: Arc<dyn CompletionHandler> = Arc::new(Completions::default());
    for attribute in [SIMPLE, ORDERED, HEAD] {
        match target.submit(command(nexus, 1, attribute, &[0; 6], b""), &reply) {
            Submitted::Completed(done) => assert_eq!(done.completion.status, Status::GOOD),
            Submitted::Queued => panic!("{attribute:?} was queued"),
        }
    }
}

#[test]
fn borrowed_data_may_have_several_segments() {
    let (_site, target, _unit, nexus) = loaded();
    let segments = [IoSlice::new(b"ab"), IoSlice::new(b""), IoSlice::new(b"cdefgh"), IoSlice::new(b"ij")];
    let write = execute(&target, nexus, &[0x0a, 0, 0, 0, 10, 0], &segments, &mut []);
    assert_eq!(write, (Status::GOOD, 0, 10));
    // REWIND may block: it runs on this thread nevertheless.
    assert_eq!(execute(&target, nexus, &[0x01, 0, 0, 0, 0, 0], &[], &mut []).0, Status::GOOD);
    let (mut one, mut two, mut three) = ([0; 1], [0; 7], [0; 4]);
    let mut segments = [IoSliceMut::new(&mut one), IoSliceMut::new(&mut two), IoSliceMut::new(&mut three)];
    let read = execute(&target, nexus, &[0x08, 0, 0, 0, 10, 0], &[], &mut segments);
    assert_eq!(read, (Status::GOOD, 10, 0));
    assert_eq!((&one, &two, &three), (b"a", b"bcdefgh", b"ij\0\0"));
    // A LUN without logical unit: PERIPHERAL QUALIFIER 011b.
    let mut inquiry = [0; 36];
    let request = Request { lun: 9 << 48, ..Request::new(nexus, &[0x12, 0, 0, 0, 36, 0], Now::default()) };
    let done = target.execute(&request, Data::new(&[], &mut [IoSliceMut::new(&mut inquiry)]));
    assert_eq!((done.status, done.data_in, inquiry[0]), (Status::GOOD, 36, 0x7f));
}

/// Commands of a caller and of the unit's thread run in one order.
#[test]
fn caller_waits_for_the_commands_before_it() {
    let (_site, target, unit, nexus) = loaded();
    let completions = Arc::new(Completions::default());
    let reply: Arc<dyn CompletionHandler> = Arc::clone(&completions) as _;
    let write = [0x0a, 0, 0, 0, 1, 0];
    let call = |tag, attribute, data: &[u8]| {
        let request = Request { lun: DRIVE, tag: Tag(tag), attribute, ..Request::new(nexus, &write, Now::default()) };
        target.execute(&request, Data::new(&[IoSlice::new(data)], &mut [])).status
    };
    let submit = |tag, data: &[u8]| {
        let submitted = target.submit(command(nexus, tag, SIMPLE, &write, data), &reply);
        assert!(matches!(submitted, Submitted::Queued));
    };
    thread::scope(|scope| {
        unit.with_device(|_| {
            submit(1, b"1");
            let simple = scope.spawn(|| assert_eq!(call(2, SIMPLE, b"2"), Status::GOOD));
            wait_until(|| waits(&unit, 2));
            submit(3, b"3");
            let head = scope.spawn(|| assert_eq!(call(4, HEAD, b"4"), Status::GOOD));
            wait_until(|| waits(&unit, 4));
            drop((simple, head));
        });
    });
    wait_until(|| completions.get().len() == 2);
    assert_eq!(completions.get(), [(1, 0, false), (3, 0, false)]);
    execute(&target, nexus, &[0x01, 0, 0, 0, 0, 0], &[], &mut []);
    let mut order = Vec::new();
    for _ in 0..4 {
        let mut byte = [0];
        execute(&target, nexus, &[0x08, 0, 0, 0, 1, 0], &[], &mut [IoSliceMut::new(&mut byte)]);
        order.push(byte[0]);
    }
    assert_eq!(order, b"4123");
}

#[test]
fn aborted_command_of_a_caller_is_not_run() {
    let (_site, target, unit, nexus) = loaded();
    let call = || {
        let (tag, cdb) = (Tag(7), [0x0a, 0, 0, 0, 1, 0]);
        let request = Request { lun: DRIVE, tag, ..Request::new(nexus, &cdb, Now::default()) };
        target.execute(&request, Data::new(&[IoSlice::new(b"x")], &mut []))
    };
    let aborted = thread::scope(|scope| {
        let call = unit.with_device(|_| {
            let call = scope.spawn(call);
            wait_until(|| waits(&unit, 7));
            unit.abort(|owner, tag| (owner, tag) == (nexus, Tag(7)));
            call
        });
        call.join().unwrap()
    });
    // TASK ABORTED; nothing was written.
    assert_eq!((aborted.status.0, aborted.sense, aborted.data_out), (0x40, None, 0));
    let mut position = [0; 32];
    execute(&target, nexus, &[0x34, 6, 0, 0, 0, 0, 0, 0, 0, 0], &[], &mut [IoSliceMut::new(&mut position)]);
    assert_eq!(position[8..16], [0; 8]);
}

struct PanickingHandler;

impl CompletionHandler for PanickingHandler {
    fn complete(&self, _: CompletedCommand) {
        panic!("a defect of a completion handler");
    }
}

#[test]
fn panicking_handler_does_not_lose_the_abort_of_another_command() {
    let (_site, target, unit, nexus) = loaded();
    let done = Arc::new(Completions::default());
    let (bad, good) = (Arc::new(PanickingHandler) as Arc<dyn CompletionHandler>, Arc::clone(&done) as _);
    unit.with_device(|_| {
        queue(&target, nexus, &bad, 1, SIMPLE);
        queue(&target, nexus, &good, 2, SIMPLE);
        unit.abort(|_, _| true);
    });
    assert_eq!(done.get(), [(2, 0x40, true)]);
}

#[test]
fn shutdown_ends_waiting_and_later_commands() {
    let (site, target, unit, nexus) = loaded();
    let completions = Arc::new(Completions::default());
    let reply: Arc<dyn CompletionHandler> = Arc::clone(&completions) as _;
    let ready = |tag| {
        let request = Request { lun: DRIVE, tag: Tag(tag), ..Request::new(nexus, &[0; 6], Now::default()) };
        target.execute(&request, Data::new(&[], &mut [])).status.0
    };
    thread::scope(|scope| {
        unit.with_device(|_| {
            queue(&target, nexus, &reply, 1, SIMPLE);
            let call = scope.spawn(|| ready(2));
            wait_until(|| waits(&unit, 2));
            scope.spawn(|| site.shut_down().unwrap());
            assert_eq!(call.join().unwrap(), 0x40);
        });
    });
    assert_eq!(ready(3), 0x28);
    // The queued command was dropped.
    assert_eq!(completions.get(), []);
}

/// An extended CDB is an unknown command: 5/20/00.
#[test]
fn extended_cdb_is_an_invalid_command() {
    let (site, target, _unit, _nexus) = loaded();
    let host = Host::login(&site.targets()[0], 1);
    host.clear_unit_attentions();
    let mut cdb = vec![0x7f, 0, 0, 0, 0, 0, 0, 24];
    cdb.resize(32, 0);
    for (lun, cdb) in [(1, cdb.as_slice()), (0, cdb.as_slice()), (1, &[0x00; 17]), (1, &[0x12; 260])] {
        assert_eq!(host.command(lun, cdb, 100).sense_codes(), Some((5, 0x20, 0x00)), "LUN {lun}, {cdb:02x?}");
    }
    assert_eq!(target.luns(), [0, 1]);
}
