//! Daemons that share a shelf, on machines with a full disk or a wrong clock. `cargo xtask object-store` runs this on an object store, whose
//! URL is in `FERRIC_TEST_SHELF`; without it, the shelf is a directory.
#![cfg(feature = "shelf")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, clippy::print_stderr, reason = "test code")]

mod common;

use common::shared::{RECORD, Shared, append, login, numbered, numbers, space_to_end, try_load, variable};
use common::{DRIVE, Daemon, SLOT, filemark, load, move_medium, write};
use initiator::{CommandResponse, Initiator, Transfer};
use std::path::Path;
use std::process::Command;

/// The same command with a file system of this size for `directory`, which is lost when it ends.
fn with_small_disk(command: &Command, directory: &Path, megabytes: u32) -> Command {
    let mut small = Command::new("unshare");
    // A user namespace needs no privilege where the kernel allows it; root needs none.
    small.arg("--mount").args((!rustix::process::geteuid().is_root()).then_some("--map-root-user"));
    let script = format!("mkdir -p \"$1\" && mount -t tmpfs -o size={megabytes}m none \"$1\" && shift && exec \"$@\"");
    small.args(["sh", "-ec", &script, "sh"]).arg(directory).arg(command.get_program()).args(command.get_args());
    small
}

/// Writes numbered records, each with a filemark; each fiftieth one is synchronised. Returns how many were written before a failure,
/// how many of them were synchronised, and the failure.
fn append_all(session: &mut Initiator, count: u32) -> (u32, u32, Option<(u8, u8, u8)>) {
    let mut synchronised = 0;
    for number in 0..count {
        let immediate = u8::from(number % 50 < 49);
        let mark = [0x10, immediate, 0, 0, 1, 0];
        for response in [write(session, &numbered(number, RECORD)), session.command(1, &mark, Transfer::None).unwrap()]
        {
            match response.sense_codes() {
                // Early warning: the record or the filemark was written.
                None | Some((0, 0, 2)) => {}
                failure => return (number, synchronised, failure),
            }
        }
        if immediate == 0 {
            synchronised = number + 1;
        }
    }
    (count, synchronised, None)
}

/// With `remote`, what is on the shelf is removed from the full disk. With `local`, the tape ends.
#[test]
fn a_tape_is_written_on_a_full_disk() {
    for durability in ["remote", "local"] {
        let shared = Shared::new(&format!("full-{durability}"));
        let first = shared.command("first", durability, "64MB");
        let first = Daemon::spawn(&mut with_small_disk(&first, &shared.data("first"), 12));
        let mut session = login(&first);
        load(&mut session);
        let (written, synchronised, failure) = append_all(&mut session, 700);
        match durability {
            "remote" => assert_eq!((written, failure), (700, None)),
            _ => assert_eq!(failure, Some((0x0d, 0, 2))),
        }
        assert_eq!(move_medium(&mut session, DRIVE, SLOT), CommandResponse::default());
        let second = shared.start("second", durability);
        let mut session = login(&second);
        load(&mut session);
        let found = numbers(&mut session);
        let len = u32::try_from(found.len()).unwrap();
        assert!(found.into_iter().eq(0..len));
        assert!((synchronised..=written + 1).contains(&len), "{durability}: {len} of {synchronised} to {written}");
    }
}

#[test]
fn a_tape_that_is_longer_than_the_disk_is_read_also_when_the_disk_is_full() {
    let shared = Shared::new("long");
    let second = shared.start("second", "local");
    let mut session = login(&second);
    load(&mut session);
    let expected: Vec<u32> = (0..1000).collect();
    assert_eq!(append_all(&mut session, 1000), (1000, 1000, None));
    assert_eq!(move_medium(&mut session, DRIVE, SLOT), CommandResponse::default());
    let first = shared.command("first", "remote", "64MB");
    let first = Daemon::spawn(&mut with_small_disk(&first, &shared.data("first"), 12));
    let mut session = login(&first);
    load(&mut session);
    assert_eq!(numbers(&mut session), expected);
    // Another program fills the disk.
    let filler = first.root().join(shared.data("first").strip_prefix("/").unwrap()).join("filler");
    let error = std::fs::write(&filler, vec![1; 16_000_000]).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
    assert_eq!(numbers(&mut session), expected);
    assert_eq!(move_medium(&mut session, DRIVE, SLOT), CommandResponse::default());
    std::fs::remove_file(&filler).unwrap();
    load(&mut session);
    space_to_end(&mut session);
    // Early warning: the record was written.
    assert_eq!(write(&mut session, &numbered(1000, RECORD)).sense_codes(), Some((0, 0, 2)));
    assert_eq!(filemark(&mut session).sense_codes(), Some((0, 0, 2)));
    assert_eq!(numbers(&mut session), expected.into_iter().chain([1000]).collect::<Vec<_>>());
}

/// Gives the command a clock with this offset.
fn with_clock<'a>(command: &'a mut Command, offset: &str) -> &'a mut Command {
    // The loader replaces $LIB by the directory of libraries of this architecture.
    command.env("LD_PRELOAD", "/usr/$LIB/faketime/libfaketimeMT.so.1");
    command.envs([("FAKETIME", offset), ("FAKETIME_DONT_FAKE_MONOTONIC", "1")])
}

/// Leases and takeovers between a daemon whose clock is a year late or early, and another one.
fn check_wrong_clock(offset: &str) {
    let shared = Shared::new(&format!("clock{offset}"));
    let log = shared.data("first.log");
    let mut first = shared.command("first", "remote", "64MB");
    with_clock(&mut first, offset);
    if shared.url.starts_with("s3:") && variable("AWS_SKIP_SIGNATURE").is_none() {
        // The signatures of S3 have the time.
        let refused = String::from_utf8(first.output().unwrap().stderr).unwrap();
        assert!(refused.contains("<Code>RequestTimeTooSkewed</Code>"), "{refused}");
        return;
    }
    let first = Daemon::logging(&mut first, std::fs::File::create(&log).unwrap().into());
    let second = shared.start("second", "remote");
    let (mut a, mut b) = (login(&first), login(&second));
    load(&mut a);
    assert_eq!(append(&mut a, 1), CommandResponse::default());
    assert!(!try_load(&mut b), "the heartbeat of the first daemon counts");
    assert_eq!(move_medium(&mut b, DRIVE, SLOT), CommandResponse::default());
    assert!(first.signal("-STOP"));
    load(&mut b);
    space_to_end(&mut b);
    assert_eq!(append(&mut b, 2), CommandResponse::default());
    assert!(first.signal("-CONT"));
    assert_eq!(append(&mut a, 3).sense_codes(), Some((2, 0x3a, 0)));
    assert_eq!(move_medium(&mut a, DRIVE, SLOT), CommandResponse::default());
    assert!(!try_load(&mut a), "the heartbeat of the second daemon counts");
    assert_eq!(move_medium(&mut a, DRIVE, SLOT), CommandResponse::default());
    assert!(second.signal("-STOP"));
    load(&mut a);
    space_to_end(&mut a);
    assert_eq!(append(&mut a, 4), CommandResponse::default());
    assert!(second.signal("-CONT"));
    assert_eq!(append(&mut b, 5).sense_codes(), Some((2, 0x3a, 0)));
    assert_eq!(numbers(&mut a), [1, 2, 4]);
    // The log has the other year.
    let this_year = String::from_utf8(Command::new("date").arg("+%Y-").output().unwrap().stdout).unwrap();
    let log = std::fs::read_to_string(log).unwrap();
    let line = log.lines().find(|line| line.contains("was taken over")).unwrap();
    assert!(!line.starts_with(this_year.trim()), "{line}");
}

#[test]
fn a_clock_that_is_a_year_early_changes_no_lease() {
    check_wrong_clock("+1y");
}

#[test]
fn a_clock_that_is_a_year_late_changes_no_lease() {
    check_wrong_clock("-1y");
}
