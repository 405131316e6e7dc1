//! A daemon that loads a cartridge whose segments must be thawed first.
#![cfg(feature = "shelf")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "test code")]

mod common;
#[path = "../../../crates/shelf/tests/stand_in/mod.rs"]
mod stand_in;

use common::{DRIVE, Daemon, SLOT, command, filemark, load, move_medium, options, read, ready, record, request, write};
use initiator::{CommandResponse, Initiator, Transfer};
use stand_in::{BUCKET, StandIn};
use std::path::Path;
use tempfile::tempdir;

const RECORD: usize = 60_000;
const RECORDS: u32 = 40;
const UNLOAD: [u8; 6] = [0x1b, 0, 0, 0, 0, 0];

/// A daemon with one cartridge on a shelf in the class GLACIER.
fn start(server: &StandIn, data: &Path) -> Daemon {
    let config = format!(
        "[library]\nslots = 2\n[[drive]]\nmodel = \"ULT3580-TD8\"\ncompression = \"none\"\n\
         [[cartridges]]\npattern = \"V#####L8\"\ncount = 1\nsize = \"64MB\"\n\
         [storage]\nnew_cartridges = \"archive\"\n\
         [[shelf]]\nname = \"archive\"\nurl = \"s3://{BUCKET}/site\"\ncache = \"1GB\"\nclass = \"GLACIER\"\n\
         thaw_tier = \"bulk\"\nthaw_days = 3\n"
    );
    Daemon::spawn(command(data, &config).envs(server.settings()))
}

/// Logs in to a daemon with one drive, and clears the unit attentions.
fn login(daemon: &Daemon) -> Initiator {
    let mut session = daemon.login_with(options(1));
    for lun in 0..=1 {
        while session.command(lun, &[0x03, 0, 0, 0, 18, 0], Transfer::In(18)).unwrap().data[2] & 0x0f != 0 {}
    }
    session
}

#[test]
fn a_host_sees_the_progress_until_the_cartridge_is_thawed() {
    let (server, dir) = (StandIn::start(), tempdir().unwrap());
    let first = start(&server, &dir.path().join("first"));
    {
        let mut session = login(&first);
        load(&mut session);
        for seed in 0..RECORDS {
            assert_eq!(write(&mut session, &record(seed, RECORD)), CommandResponse::default());
        }
        assert_eq!(filemark(&mut session), CommandResponse::default());
        assert_eq!(move_medium(&mut session, DRIVE, SLOT), CommandResponse::default());
        // This daemon has all bytes in its cache.
        load(&mut session);
        assert_eq!(move_medium(&mut session, DRIVE, SLOT), CommandResponse::default());
    }
    assert_eq!(first.terminate(), Some(0));
    let data = dir.path().join("second");
    let second = start(&server, &data);
    let mut session = login(&second);
    assert_eq!(move_medium(&mut session, SLOT, DRIVE), CommandResponse::default());
    assert_eq!(ready(&mut session).sense_codes(), Some((2, 0x04, 0x01)));
    assert_eq!(read(&mut session, 60_000).sense_codes(), Some((2, 0x04, 0x01)));
    let status = request(&data, r#"{"op":"status"}"#);
    assert!(status.contains(r#""thawing":{"ready":"#), "{status}");
    // It is unloaded and loaded again meanwhile; the store is asked once for each segment.
    assert_eq!(session.command(1, &UNLOAD, Transfer::None).unwrap(), CommandResponse::default());
    assert_eq!(move_medium(&mut session, DRIVE, SLOT), CommandResponse::default());
    assert_eq!(move_medium(&mut session, SLOT, DRIVE), CommandResponse::default());
    assert_eq!(ready(&mut session).sense_codes(), Some((2, 0x04, 0x01)));
    let asked = || {
        let state = server.state();
        let restores = state.requests.iter().filter(|request| request.query.contains_key("restore"));
        let frozen = state.objects.values().filter(|object| object.is_frozen).count();
        (restores.count(), frozen)
    };
    while asked().0 < asked().1 {
        assert_eq!(ready(&mut session).sense_codes(), Some((2, 0x04, 0x01)));
    }
    assert!(asked().0 == asked().1 && asked().1 > 0, "{:?}", asked());
    server.state().end_restores();
    loop {
        match ready(&mut session).sense_codes() {
            Some((2, 0x04, 0x01)) => std::thread::yield_now(),
            other => break assert_eq!(other, Some((6, 0x28, 0x00))),
        }
    }
    assert_eq!(ready(&mut session), CommandResponse::default());
    for seed in 0..RECORDS {
        assert!(read(&mut session, 60_000).data == record(seed, RECORD), "{seed}");
    }
    let status = request(&data, r#"{"op":"status"}"#);
    assert!(!status.contains("thawing") && status.contains(r#""threaded":true"#), "{status}");
    drop(session);
    assert_eq!(second.terminate(), Some(0));
}
