//! A trace of a site is replayed against a site in memory, with the same results.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "test code")]

use scsi_core::nexus::NexusId;
use scsi_core::time::{Now, TimeMode, Timestamp};
use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::time::Duration;
use vtl::Library;
use vtl::clock::VirtualClock;
use vtl::control::ControlRequest;
use vtl::host::Host;
use vtl::observer::{CommandOutcome, OrderedTrace, TraceEntry, TraceReader, TracedSite};
use vtl::replay::{Difference, DifferenceKind, Replay, Replayed};
use vtl::target::TaskFunction;

/// A session of two hosts and an operator, with unit attentions, a filemark, identities and an error.
fn record(path: &Path) {
    let site = Library::builder().slots(3).drives("ULT3580-TD8", 2).cartridges("A#L8", 2, "64MB").open().unwrap();
    site.trace_to(path, 1 << 16).unwrap();
    let (one, two) = (Host::login(&site.targets()[0], 1), Host::login(&site.targets()[0], 2));
    site.control(&ControlRequest::Load { library: None, cartridge: "A2L8".into(), drive: Some("drive2".into()) })
        .unwrap();
    site.control(&ControlRequest::Unload { library: None, drive: "drive1".into() }).unwrap_err();
    for page in [0x00, 0x80, 0x83] {
        one.vpd_page(1, page).unwrap_or_default();
    }
    one.clear_unit_attentions();
    let _ = two.command(2, &[0; 6], 0);
    two.clear_unit_attentions();
    one.move_medium(0, 1000, 500).unwrap();
    one.clear_unit_attentions();
    one.write(1, b"a block").unwrap();
    one.write_filemarks(1, 1).unwrap();
    one.rewind(1).unwrap();
    assert_eq!(one.read(1, 7).unwrap().block().unwrap(), b"a block");
    let _ = one.read(1, 100).unwrap();
    // A LUN without a unit, an unknown command and a field that is wrong.
    for (lun, cdb) in [(9, vec![0; 6]), (1, vec![0xff; 6]), (1, vec![0x08, 1, 0, 0, 1, 0])] {
        let _ = one.command(lun, &cdb, 64);
    }
    let _ = two.command(0, &[0xb8, 0x10, 0, 0, 0, 50, 0, 0, 0x10, 0, 0, 0], 4096);
    let _ = two.element_status(0).unwrap();
    drop(two);
    one.unload(1).unwrap();
    site.shut_down().unwrap();
}

fn entries(path: &Path) -> Vec<TraceEntry> {
    TraceReader::new(BufReader::new(File::open(path).unwrap())).unwrap().collect::<Result<_, _>>().unwrap()
}

fn site_of(entries: &[TraceEntry]) -> &TracedSite {
    let TraceEntry::Site(site) = &entries[0] else { panic!("{:?}", entries[0]) };
    site
}

/// The effects of all entries.
fn replay(entries: &[TraceEntry]) -> Vec<Replayed> {
    let site = site_of(entries);
    let mut replay = Replay::open(&site.config().unwrap(), site.frontend(), site.at_ms).unwrap();
    let mut replayed: Vec<_> = entries.iter().flat_map(|entry| replay.replay(entry).unwrap()).collect();
    replayed.extend(replay.finish().unwrap());
    replayed
}

fn differences(entries: &[TraceEntry]) -> Vec<Difference> {
    let different = |replayed| match replayed {
        Replayed::Different(difference) => Some(*difference),
        Replayed::Same => None,
        Replayed::LeftOut(what) => panic!("{what}"),
    };
    replay(entries).into_iter().filter_map(different).collect()
}

#[test]
fn trace_is_replayed_with_the_same_results() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("trace");
    record(&path);
    let mut entries = entries(&path);
    let commands = entries.iter().filter(|entry| matches!(entry, TraceEntry::Command(_))).count();
    let logins = entries.iter().filter(|entry| matches!(entry, TraceEntry::Login(_))).count();
    let operations: Vec<bool> = entries
        .iter()
        .filter_map(|entry| match entry {
            TraceEntry::Operation(operation) => Some(operation.error.is_some()),
            _ => None,
        })
        .collect();
    assert!(commands > 25, "{commands}");
    assert_eq!((logins, operations), (2, vec![false, true]));
    assert_eq!(differences(&entries), []);
    // The same trace with another result: each kind of difference is found.
    let at =
        entries.iter().position(|entry| matches!(entry, TraceEntry::Command(record) if record.bytes_in == 7)).unwrap();
    let TraceEntry::Command(original) = entries[at].clone() else { panic!() };
    let mut changed = original.clone();
    changed.data_in[2] ^= 0xff;
    entries[at] = TraceEntry::Command(changed);
    let found = differences(&entries);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].kind, DifferenceKind::Data(2, b'b' ^ 0xff, b'b'));
    let mut changed = original.clone();
    (changed.status, changed.sense) = (2, vec![0x70, 0, 3, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x11, 0, 0, 0, 0, 0]);
    entries[at] = TraceEntry::Command(changed);
    let text = differences(&entries)[0].kind.to_string();
    assert!(text.starts_with("status CHECK CONDITION: MEDIUM ERROR 11h/00h"), "{text}");
    assert!(text.ends_with("in the trace, GOOD in the replay"), "{text}");
    let mut changed = original;
    changed.bytes_in = 8;
    entries[at] = TraceEntry::Command(changed);
    assert_eq!(differences(&entries)[0].kind, DifferenceKind::DataLength(8, 7));
}

#[test]
fn faults_are_replayed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("trace");
    let site = Library::builder().slots(3).drives("ULT3580-TD8", 1).cartridges("A#L8", 1, "64MB").open().unwrap();
    site.trace_to(&path, 1 << 16).unwrap();
    let host = Host::login(&site.targets()[0], 1);
    host.clear_unit_attentions();
    host.move_medium(0, 1000, 500).unwrap();
    host.clear_unit_attentions();
    let faults =
        "[[fault]]\nkind = \"write_error\"\nnth = 2\n[[fault]]\nkind = \"drop_response\"\ncommands = [\"REWIND\"]\n";
    site.control(&ControlRequest::FaultAdd { text: faults.into() }).unwrap();
    host.write(1, b"first").unwrap();
    host.write(1, b"second").unwrap_err();
    let _ = host.command(1, &[0x01, 0, 0, 0, 0, 0], 0);
    assert_eq!(host.read(1, 5).unwrap().block().unwrap(), b"first");
    site.shut_down().unwrap();
    let mut entries = entries(&path);
    let lost =
        |entry: &&TraceEntry| matches!(entry, TraceEntry::Command(record) if record.outcome == CommandOutcome::Dropped);
    assert_eq!(entries.iter().filter(lost).count(), 1);
    assert_eq!(differences(&entries), []);
    // Without the faults, the results are others.
    entries.retain(|entry| !matches!(entry, TraceEntry::Operation(_)));
    let kinds: Vec<String> = differences(&entries).into_iter().map(|difference| difference.kind.to_string()).collect();
    assert!(kinds[0].starts_with("status CHECK CONDITION: MEDIUM ERROR 0ch/00h"), "{kinds:?}");
    assert!(kinds.contains(&"no response in the trace, a response in the replay".to_owned()), "{kinds:?}");
}

/// A reset and a CLEAR TASK SET: their unit attentions, and the reservation that the reset ends.
#[test]
fn task_management_is_replayed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("trace");
    let site = Library::builder().slots(3).drives("ULT3580-TD8", 1).cartridges("A#L8", 1, "64MB").open().unwrap();
    site.trace_to(&path, 1 << 16).unwrap();
    let target = &site.targets()[0];
    let (one, two) = (Host::login(target, 1), Host::login(target, 2));
    let ready = |host: &Host| host.command(1, &[0; 6], 0).sense_codes();
    one.clear_unit_attentions();
    two.clear_unit_attentions();
    assert_eq!(one.command(1, &[0x16, 0, 0, 0, 0, 0], 0).status.0, 0);
    assert_eq!(two.command(1, &[0; 6], 0).status.0, 0x18);
    // The nexuses have the numbers 1 and 2.
    let nexus = NexusId(2);
    assert!(target.manage_tasks(nexus, TaskFunction::UnitReset, 1 << 48, &[]));
    assert!(!target.manage_tasks(nexus, TaskFunction::UnitReset, 9 << 48, &[]));
    assert_eq!([ready(&one), ready(&two)], [Some((6, 0x29, 3)); 2]);
    assert_eq!(ready(&two), Some((2, 0x3a, 0)), "the reset has ended the reservation");
    assert!(target.manage_tasks(nexus, TaskFunction::ClearTaskSet, 1 << 48, &[]));
    assert_eq!([ready(&one), ready(&one)], [Some((6, 0x2f, 0)), Some((2, 0x3a, 0))]);
    assert_eq!(ready(&two), Some((2, 0x3a, 0)));
    assert!(target.manage_tasks(nexus, TaskFunction::TargetReset, 0, &[]));
    assert_eq!([ready(&one), ready(&two)], [Some((6, 0x29, 2)); 2]);
    site.shut_down().unwrap();
    let mut entries = entries(&path);
    let is_management = |entry: &TraceEntry| matches!(entry, TraceEntry::TaskManagement(_));
    assert_eq!(entries.iter().filter(|entry| is_management(entry)).count(), 3);
    assert_eq!(differences(&entries), []);
    entries.retain(|entry| !is_management(entry));
    assert!(differences(&entries).len() >= 5);
}

/// A robot and two drives that take the time of hardware: while a MOVE MEDIUM, an operator's load and a REWIND wait, hosts ask the
/// drives whether they are ready. The trace has the commands in the order of their ends.
#[test]
fn commands_during_a_motion_are_replayed_in_the_order_of_their_begin() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("trace");
    let clock = VirtualClock::new(Now { wall: Timestamp(1_700_000_000_000), ..Now::default() });
    let builder = Library::builder().slots(3).drives("ULT3580-TD8", 2).cartridges("A#L8", 2, "64MB");
    let site = builder.clock(clock.clock()).time(TimeMode::Real).open().unwrap();
    site.trace_to(&path, 1 << 16).unwrap();
    let target = &site.targets()[0];
    let (one, two) = (Host::login(target, 1), Host::login(target, 2));
    one.clear_unit_attentions();
    two.clear_unit_attentions();
    let ready = |lun| two.command(lun, &[0; 6], 0).sense_codes();
    std::thread::scope(|scope| {
        let moving = scope.spawn(|| one.move_medium(0, 1000, 500));
        let rest = clock.wait_for_deadline();
        clock.advance(Duration::from_secs(1));
        assert_eq!([ready(1), ready(2)], [Some((2, 4, 1)), Some((2, 0x3a, 0))]);
        clock.advance(rest);
        moving.join().unwrap().unwrap();
    });
    let load = ControlRequest::Load { library: None, cartridge: "A2L8".into(), drive: Some("drive2".into()) };
    std::thread::scope(|scope| {
        let loading = scope.spawn(|| site.control(&load).map(drop).map_err(|error| error.to_string()));
        let rest = clock.wait_for_deadline();
        clock.advance(Duration::from_secs(1));
        assert_eq!(ready(2), Some((2, 4, 1)));
        clock.advance(rest);
        loading.join().unwrap().unwrap();
    });
    clock.advance(Duration::from_secs(60));
    one.clear_unit_attentions();
    two.clear_unit_attentions();
    one.write(1, &[7; 60_000]).unwrap();
    std::thread::scope(|scope| {
        let rewinding = scope.spawn(|| one.command(1, &[0x01, 0, 0, 0, 0, 0], 0));
        assert!(clock.wait_for_deadline() > Duration::from_secs(1));
        clock.advance(Duration::from_secs(1));
        assert_eq!(ready(2), None);
        // The nexuses have the numbers 1 and 2.
        assert!(target.manage_tasks(NexusId(2), TaskFunction::UnitReset, 1 << 48, &[]));
        rewinding.join().unwrap();
    });
    assert_eq!([ready(1), ready(1)], [Some((6, 0x29, 3)), None]);
    site.shut_down().unwrap();
    let ordered: Vec<TraceEntry> = OrderedTrace::open(&path).unwrap().collect::<Result<_, _>>().unwrap();
    assert_eq!(differences(&ordered), []);
    assert!(
        !differences(&entries(&path)).is_empty(),
        "in the order of the file, drives are not ready or ready too early"
    );
}

#[test]
fn commands_without_their_data_or_effect_are_left_out() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("trace");
    record(&path);
    let mut entries = entries(&path);
    let mut left_out = 0;
    for entry in &mut entries {
        let TraceEntry::Command(record) = entry else { continue };
        if record.bytes_out > 0 {
            record.data_out.clear();
            left_out += 1;
        }
    }
    entries.push(TraceEntry::Lost(3));
    assert!(left_out > 0);
    let what = |wanted: &str| {
        replay(&entries)
            .iter()
            .filter(|replayed| {
                **replayed
                    == Replayed::LeftOut(match wanted {
                        "data" => "commands whose data is not in the trace",
                        _ => "entries that are not in the trace",
                    })
            })
            .count()
    };
    assert_eq!((what("data"), what("lost")), (left_out, 1));
}

#[test]
fn trace_of_the_first_version_is_read() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("trace");
    record(&path);
    let text = std::fs::read_to_string(&path).unwrap();
    let mut lines: Vec<&str> = text.lines().collect();
    let site = site_of(&entries(&path)).clone();
    lines.retain(|line| line.contains("\"cdb\""));
    // The hosts were logged in before: their first commands have no unit attention.
    let first = lines.iter().position(|line| line.contains("\"bytes_out\":7")).unwrap();
    let commands: Vec<&str> = lines[first..].to_vec();
    std::fs::write(&path, format!("{{\"format\":\"ferric-trace\",\"version\":1}}\n{}\n", commands.join("\n"))).unwrap();
    let config = site.config().unwrap();
    let mut replay = Replay::open(&config, site.frontend(), site.at_ms).unwrap();
    let load = ControlRequest::Load { library: None, cartridge: "A1L8".into(), drive: Some("drive1".into()) };
    replay.site().control(&load).unwrap();
    let replayed: Vec<Replayed> = entries(&path)[..4].iter().flat_map(|entry| replay.replay(entry).unwrap()).collect();
    assert_eq!(replayed, [Replayed::Same, Replayed::Same, Replayed::Same, Replayed::Same]);
    // Another version is refused by name.
    std::fs::write(&path, "{\"format\":\"ferric-trace\",\"version\":3}\n").unwrap();
    let error = TraceReader::new(BufReader::new(File::open(&path).unwrap())).err().unwrap().to_string();
    assert_eq!(error, "line 1: unknown version of the trace format; this ferric reads versions 1 to 2");
}
