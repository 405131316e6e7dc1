//! Partitions of one chassis over iSCSI: each has a separate target, and hosts share the robot and the I/O station.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "test code")]

mod common;

use common::{Daemon, move_medium, options, request};
use initiator::{Initiator, Transfer};

const CONFIG: &str = include_str!("../../partitions/msl3040.toml");
const SLOT: u16 = 1001;
const IO: u16 = 101;

/// Data-In of a command to the changer.
fn ask(session: &mut Initiator, cdb: &[u8]) -> Vec<u8> {
    let done = session.command(0, cdb, Transfer::In(255)).unwrap();
    assert_eq!(done.status, 0, "{cdb:02x?}");
    done.data
}

fn login(daemon: &Daemon, target: &str, port: u8) -> Initiator {
    let mut session = Initiator::login(&*daemon.portal, target, options(port)).unwrap();
    while session.command(0, &[0; 6], Transfer::None).unwrap().status != 0 {}
    session
}

#[test]
fn two_hosts_use_one_chassis() {
    let data = tempfile::tempdir().unwrap();
    let data = data.path().join("data");
    let daemon = Daemon::start(&data, CONFIG);
    let archive_target = format!("{}:archive", daemon.iqn);
    let found = Initiator::discover(&*daemon.portal, options(1)).unwrap();
    let targets: Vec<&str> = found.iter().filter_map(|key| key.strip_prefix("TargetName=")).collect();
    assert_eq!(targets, [&daemon.iqn, &archive_target]);
    let (mut backup, mut archive) = (login(&daemon, &daemon.iqn, 1), login(&daemon, &archive_target, 2));
    // VPD page 80h, as captured from a partition of an MSL3040.
    let serial = |session: &mut Initiator| String::from_utf8(ask(session, &[0x12, 1, 0x80, 0, 0xff, 0])[4..].to_vec());
    assert_eq!(serial(&mut backup).unwrap(), "DEC0000001_LL01");
    assert_eq!(serial(&mut archive).unwrap(), "DEC0000001_LL02");
    // FULL and ACCESS of mail slot 1, in READ ELEMENT STATUS with a descriptor at byte 16.
    let station = |session: &mut Initiator| ask(session, &[0xb8, 3, 0, 101, 0, 1, 0, 0, 0, 0xff, 0, 0])[18] & 0x09;
    assert_eq!(move_medium(&mut backup, SLOT, IO).status, 0);
    assert_eq!((station(&mut backup), station(&mut archive)), (0x09, 0x00));
    assert_eq!(move_medium(&mut archive, IO, SLOT + 9).sense_codes(), Some((2, 0x3a, 2)));
    let assigned = request(&data, r#"{"op":"assign","cartridge":"B00001L9","library":"archive"}"#);
    assert!(assigned.contains(r#""to_element":"io1""#), "{assigned}");
    let attention = |session: &mut Initiator| session.command(0, &[0; 6], Transfer::None).unwrap().sense_codes();
    assert_eq!((attention(&mut backup), attention(&mut archive)), (Some((6, 0x28, 0)), Some((6, 0x28, 0))));
    assert_eq!((station(&mut archive), move_medium(&mut archive, IO, SLOT + 9).status), (0x09, 0));
    assert_eq!(move_medium(&mut backup, SLOT + 1, IO).status, 0);
    assert_eq!(daemon.terminate(), Some(0));
    let daemon = Daemon::start(&data, CONFIG);
    let mut archive = login(&daemon, &archive_target, 3);
    assert_eq!(station(&mut archive), 0x00, "the mail slot is still that of the other partition");
}
