//! The time at which the status of a command with a mechanical motion is due.

use super::tests::{HOST, bytes, empty, loaded};
use super::*;
use scsi_core::data::Data;
use scsi_core::target::{LogicalUnit, Request};
use scsi_core::time::{Instant, Timestamp};
use std::io::{IoSlice, IoSliceMut};
use std::time::Duration;

/// Runs a command 100 s after power-on. Returns its status code and the microsecond at which the status is due.
fn run(drive: &mut Drive, cdb: &str) -> (u8, Option<u64>) {
    let (cdb, mut data_in) = (bytes(cdb), [0; 64]);
    let now = Now { mono: Instant(100_000_000), wall: Timestamp(0) };
    let (out, mut into) = ([IoSlice::new(b"block")], [IoSliceMut::new(&mut data_in)]);
    let done = drive.execute(&Request::new(HOST, &cdb, now), Data::new(&out, &mut into));
    (done.status.0, done.due.map(|due| due.0))
}

/// Load takes 1 s, unload 2 s, rewind 3 s, positioning 4 s.
fn set_delays(drive: &mut Drive) {
    let seconds = Duration::from_secs;
    *drive.delays_mut() = Delays { load: seconds(1), unload: seconds(2), rewind: seconds(3), position: seconds(4) };
}

#[test]
fn status_of_a_motion_is_due_at_its_end() {
    let mut drive = loaded(1 << 30);
    set_delays(&mut drive);
    for (cdb, due) in [
        ("0a 00 00 00 05 00", None),
        ("01 00 00 00 00 00", Some(103_000_000)),
        ("01 01 00 00 00 00", Some(103_000_000)),
        ("08 00 00 00 05 00", None),
        ("11 00 ff ff ff 00", Some(104_000_000)),
        ("11 00 00 00 00 00", Some(104_000_000)),
        ("91 00 00 00 00 00 00 00 00 00 00 01 00 00 00 00", Some(104_000_000)),
        ("2b 00 00 00 00 00 00 00 00 00", Some(104_000_000)),
        ("92 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00", Some(104_000_000)),
        ("00 00 00 00 00 00", None),
        ("1b 00 00 00 00 00", Some(102_000_000)),
        ("1b 00 00 00 01 00", Some(101_000_000)),
        ("1b 00 00 00 08 00", Some(102_000_000)),
        ("1b 00 00 00 09 00", Some(101_000_000)),
    ] {
        assert_eq!(run(&mut drive, cdb), (0, due), "{cdb}");
    }
}

#[test]
fn failed_motion_and_a_motion_without_duration_end_at_once() {
    let mut drive = empty("ULT3580-TD8");
    set_delays(&mut drive);
    for cdb in ["01 00 00 00 00 00", "1b 00 00 00 01 00", "11 00 00 00 01 00"] {
        assert_eq!(run(&mut drive, cdb), (2, None), "{cdb}");
    }
    assert_eq!(run(&mut drive, "12 00 00 00 24 00"), (0, None));
    let mut drive = loaded(1 << 30);
    assert_eq!(run(&mut drive, "01 00 00 00 00 00"), (0, None));
}
