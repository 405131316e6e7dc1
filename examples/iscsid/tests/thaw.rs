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

/// Writes the records to the cartridge, and puts it into its slot.
fn write_records(session: &mut Initiator) {
    load(session);
    for seed in 0..RECORDS {
        assert_eq!(write(session, &record(seed, RECORD)), CommandResponse::default());
    }
    assert_eq!(filemark(session), CommandResponse::default());
    assert_eq!(move_medium(session, DRIVE, SLOT), CommandResponse::default());
}

/// Numbers of the restores that were requested, and of the segments that cannot be read.
fn asked(server: &StandIn) -> (usize, usize) {
    let state = server.state();
    let restores = state.requests.iter().filter(|request| request.query.contains_key("restore"));
    (restores.count(), state.objects.values().filter(|object| object.is_frozen).count())
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
        write_records(&mut session);
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
    while asked(&server).0 < asked(&server).1 {
        assert_eq!(ready(&mut session).sense_codes(), Some((2, 0x04, 0x01)));
    }
    let (restores, frozen) = asked(&server);
    assert!(restores == frozen && frozen > 0, "{restores} {frozen}");
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

/// A lifecycle rule moves the segments of a tape in a drive.
#[test]
fn a_host_repeats_a_read_until_the_segment_is_thawed() {
    let (server, dir) = (StandIn::start(), tempdir().unwrap());
    let first = start(&server, &dir.path().join("first"));
    write_records(&mut login(&first));
    assert_eq!(first.terminate(), Some(0));
    server.state().objects.values_mut().for_each(|object| (object.is_frozen, object.class) = (false, None));
    let data = dir.path().join("second");
    let second = start(&server, &data);
    let mut session = login(&second);
    load(&mut session);
    server.state().freeze(|_| true);
    let mut seed = 0;
    let waits = loop {
        let response = read(&mut session, 60_000);
        if response.sense_codes().is_some() {
            break response.sense_codes();
        }
        assert!(response.data == record(seed, RECORD), "{seed}");
        seed += 1;
    };
    assert!(waits == Some((2, 0x04, 0x01)) && seed < RECORDS, "{seed} {waits:?}");
    let status = request(&data, r#"{"op":"shelf_list"}"#);
    assert!(status.contains(r#""thawing":{"V00001L8":{"ready":0,"#), "{status}");
    // The drive is ready: other commands need nothing of the store.
    assert_eq!(ready(&mut session), CommandResponse::default());
    while asked(&server).0 == 0 {
        assert_eq!(read(&mut session, 60_000).sense_codes(), waits);
    }
    server.state().end_restores();
    while seed < RECORDS {
        let response = read(&mut session, 60_000);
        match response.sense_codes() {
            None => {
                assert!(response.data == record(seed, RECORD), "{seed}");
                seed += 1;
            }
            codes => {
                assert_eq!(codes, waits);
                server.state().end_restores();
            }
        }
    }
    let status = request(&data, r#"{"op":"shelf_list"}"#);
    assert!(!status.contains("thawing"), "{status}");
    drop(session);
    assert_eq!(second.terminate(), Some(0));
}
