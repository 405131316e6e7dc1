//! Libraries whose drives several daemons serve. `cargo xtask object-store` runs this on an object store, whose URL is in
//! `FERRIC_TEST_SHELF`; without it, the store is a directory.
#![cfg(feature = "shelf")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "test code")]

mod common;

use common::shared::Shared;
use common::{DRIVE, Daemon, SLOT, command, move_medium, record};
use initiator::{CommandResponse, Initiator, Transfer};
use std::fs::File;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::tempdir;

const RECORD: usize = 60_000;
/// The drive of the second daemon.
const OTHER: u16 = DRIVE + 1;
const CONFIG: &str = "[library]\nslots = 4\nimport_export = 2\n[[drive]]\nmodel = \"ULT3580-TD8\"\ncompression = \"none\"\n\
    [[drive]]\nmodel = \"ULT3580-TD8\"\ncompression = \"none\"\ndaemon = \"tape2\"\n\
    [[cartridges]]\npattern = \"V#####L8\"\ncount = 2\nsize = \"64MB\"\n";

struct Store(Shared);

impl Store {
    fn new(name: &str) -> Self {
        Self(Shared::new(name))
    }

    fn data(&self, directory: &str) -> PathBuf {
        self.0.data(directory)
    }

    fn log(&self, directory: &str) -> Stdio {
        File::create(self.data(directory).with_extension("log")).unwrap().into()
    }

    /// The daemon with the robot.
    fn robot(&self, directory: &str) -> Daemon {
        let config = if directory == "a" { CONFIG } else { "" };
        let mut command = command(&self.data(directory), config);
        Daemon::logging(command.args(["--site", &self.0.url, "--name", "main"]), self.log(directory))
    }

    fn drives_command(&self, directory: &str) -> Command {
        let mut command = command(&self.data(directory), "");
        command.args(["--site", &self.0.url, "--name", "main", "--drives", "tape2"]);
        command
    }

    /// The daemon with the second drive.
    fn drives(&self, directory: &str) -> Daemon {
        Daemon::logging(&mut self.drives_command(directory), self.log(directory))
    }

    fn request(&self, directory: &str, request: &str) -> String {
        common::request(&self.data(directory), request)
    }
}

#[expect(clippy::disallowed_methods, reason = "another daemon looks at the log of the drive")]
fn wait() {
    std::thread::sleep(Duration::from_millis(100));
}

#[expect(clippy::disallowed_methods, reason = "the duration is a result")]
fn now() -> Instant {
    Instant::now()
}

/// Waits until a condition is true.
#[expect(clippy::disallowed_methods, reason = "the limit of a wait")]
fn wait_until(what: &str, mut is_true: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_true() {
        assert!(start.elapsed() < Duration::from_secs(60), "{what}");
        wait();
    }
}

/// A session, without unit attentions.
fn login(daemon: &Daemon, luns: u64) -> Initiator {
    let mut session = daemon.login_with(common::options(1));
    for lun in 0..luns {
        while session.command(lun, &[0x03, 0, 0, 0, 18, 0], Transfer::In(18)).unwrap().data[2] & 0x0f != 0 {}
    }
    session
}

fn command_of(session: &mut Initiator, lun: u64, cdb: &[u8]) -> CommandResponse {
    session.command(lun, cdb, Transfer::None).unwrap()
}

fn wait_ready(session: &mut Initiator, lun: u64) {
    wait_until("drive is ready", || command_of(session, lun, &[0; 6]) == CommandResponse::default());
}

fn write_records(session: &mut Initiator, lun: u64, count: u32) {
    let len = u32::try_from(RECORD).unwrap().to_be_bytes();
    for seed in 0..count {
        let data = record(seed, RECORD);
        let cdb = [0x0a, 0, len[1], len[2], len[3], 0];
        assert_eq!(session.command(lun, &cdb, Transfer::Out(&data)).unwrap(), CommandResponse::default());
    }
    assert_eq!(command_of(session, lun, &[0x10, 0, 0, 0, 1, 0]), CommandResponse::default());
}

fn check_records(session: &mut Initiator, lun: u64, count: u32) {
    assert_eq!(command_of(session, lun, &[0x01, 0, 0, 0, 0, 0]), CommandResponse::default());
    let len = u32::try_from(RECORD).unwrap().to_be_bytes();
    for seed in 0..count {
        let cdb = [0x08, 0, len[1], len[2], len[3], 0];
        let read = session.command(lun, &cdb, Transfer::In(RECORD)).unwrap();
        assert!(read.data == record(seed, RECORD), "record {seed}: {:?}", read.sense_codes());
    }
}

/// Whether READ ELEMENT STATUS shows a cartridge in an element.
fn is_full(session: &mut Initiator, element: u16) -> bool {
    let [high, low] = element.to_be_bytes();
    let cdb = [0xb8, 0x10, high, low, 0, 1, 0, 0, 1, 0, 0, 0];
    session.command(0, &cdb, Transfer::In(256)).unwrap().data[16 + 2] & 1 != 0
}

fn place(session: &mut Initiator, from: u16, to: u16) {
    let moved = move_medium(session, from, to);
    assert_eq!(moved, CommandResponse::default(), "{from} to {to}: {:?}", moved.sense_codes());
}

fn serial(session: &mut Initiator, lun: u64) -> Vec<u8> {
    let page = session.command(lun, &[0x12, 1, 0x80, 0, 64, 0], Transfer::In(64)).unwrap().data;
    page[4..4 + usize::from(page[3])].to_vec()
}

/// READ ELEMENT STATUS of the second drive, with its identity.
fn element(session: &mut Initiator) -> Vec<u8> {
    let [high, low] = OTHER.to_be_bytes();
    let cdb = [0xb8, 0x14, high, low, 0, 1, 1, 0, 1, 0, 0, 0];
    session.command(0, &cdb, Transfer::In(256)).unwrap().data
}

#[test]
fn the_robot_of_one_daemon_loads_the_drive_of_another() {
    let store = Store::new("divided");
    let (robot, drives) = (store.robot("a"), store.drives("b"));
    assert_eq!(drives.iqn, format!("{}.tape2", drives.iqn.trim_end_matches(".tape2")));
    let (mut a, mut b) = (login(&robot, 2), login(&drives, 1));
    // The element of the library has the identity that the drive itself shows.
    let serial = serial(&mut b, 0);
    let shown = element(&mut a);
    assert!(shown.windows(serial.len()).any(|part| part == serial), "{serial:?} in {shown:02x?}");
    // The second daemon has no robot for hosts, and none for operators.
    assert_eq!(b.command(0, &[0x12, 0, 0, 0, 36, 0], Transfer::In(36)).unwrap().data[0], 0x01);
    place(&mut a, SLOT, OTHER);
    wait_ready(&mut b, 0);
    let refused = store.request("b", r#"{"op":"move","from":"drive2","to":"slot1"}"#);
    assert!(refused.contains("is served by the daemon that runs its site"), "{refused}");
    write_records(&mut b, 0, 20);
    // While a host prevents removal, the robot cannot take the cartridge.
    assert_eq!(command_of(&mut b, 0, &[0x1e, 0, 0, 0, 1, 0]), CommandResponse::default());
    assert_eq!(move_medium(&mut a, OTHER, SLOT).sense_codes(), Some((5, 0x53, 0x03)));
    assert_eq!(command_of(&mut b, 0, &[0x1e, 0, 0, 0, 0, 0]), CommandResponse::default());
    // After UNLOAD, the element shows that the robot can reach the cartridge.
    assert_eq!(element(&mut a)[16 + 2] & 0x08, 0);
    assert_eq!(command_of(&mut b, 0, &[0x1b, 0, 0, 0, 0, 0]), CommandResponse::default());
    wait_until("the element is accessible", || element(&mut a)[16 + 2] & 0x08 != 0);
    place(&mut a, OTHER, SLOT);
    // The drive of the daemon with the robot reads what the other one has written.
    place(&mut a, SLOT, DRIVE);
    wait_ready(&mut a, 1);
    check_records(&mut a, 1, 20);
    // A move from drive to drive.
    place(&mut a, DRIVE, OTHER);
    wait_ready(&mut b, 0);
    check_records(&mut b, 0, 20);
    let listed = store.request("a", r#"{"op":"status"}"#);
    assert!(listed.contains(r#""daemon":"tape2""#), "{listed}");
    assert_eq!(drives.terminate(), Some(0));
    assert_eq!(robot.terminate(), Some(0));
}

#[test]
fn either_daemon_continues_on_another_machine() {
    let store = Store::new("replaced");
    let (robot, drives) = (store.robot("a"), store.drives("b"));
    let (mut a, mut b) = (login(&robot, 2), login(&drives, 1));
    place(&mut a, SLOT, OTHER);
    wait_ready(&mut b, 0);
    write_records(&mut b, 0, 5);
    // The machine of the drive is lost, and another one has the drive with its cartridge.
    drop(b);
    let serial_before = serial(&mut login(&drives, 1), 0);
    drives.kill();
    let drives = store.drives("c");
    let mut b = login(&drives, 1);
    assert_eq!(serial(&mut b, 0), serial_before);
    wait_ready(&mut b, 0);
    check_records(&mut b, 0, 5);
    // The machine of the robot is lost before the state of the site is copied: the drive has another cartridge by then, and works on.
    place(&mut a, OTHER, SLOT + 2);
    place(&mut a, SLOT + 1, OTHER);
    drop(a);
    robot.kill();
    wait_ready(&mut b, 0);
    write_records(&mut b, 0, 3);
    let robot = store.robot("d");
    let mut a = login(&robot, 2);
    // The drive is believed: no robot takes its cartridge away. The other one is in a slot.
    let listed = store.request("d", r#"{"op":"find","element":"V00002L8"}"#);
    assert!(listed.contains("501"), "{listed}");
    assert!(!store.request("d", r#"{"op":"find","element":"V00001L8"}"#).contains("501"));
    check_records(&mut b, 0, 3);
    place(&mut a, OTHER, SLOT + 1);
    let slot = (SLOT..SLOT + 4).find(|slot| *slot != SLOT + 1 && is_full(&mut a, *slot)).unwrap();
    place(&mut a, slot, OTHER);
    wait_ready(&mut b, 0);
    check_records(&mut b, 0, 5);
    place(&mut a, OTHER, SLOT + 3);
    assert_eq!(command_of(&mut b, 0, &[0; 6]).sense_codes().map(|(key, ..)| key), Some(2));
    // A daemon that was killed finds its drive empty if the robot has nothing in it.
    drop(b);
    drives.kill();
    let drives = store.drives("c");
    let mut b = login(&drives, 1);
    assert_eq!(command_of(&mut b, 0, &[0; 6]).sense_codes(), Some((2, 0x3a, 0)));
    place(&mut a, SLOT + 3, OTHER);
    wait_ready(&mut b, 0);
    check_records(&mut b, 0, 5);
}

#[test]
fn a_drive_whose_daemon_does_not_run_takes_no_cartridge() {
    let store = Store::new("away");
    let robot = store.robot("a");
    let mut a = login(&robot, 2);
    // Its daemon does not answer: the cartridge stays in its slot.
    let moved = move_medium(&mut a, SLOT, OTHER);
    assert_eq!(moved.sense_codes(), Some((4, 0x53, 0)));
    place(&mut a, SLOT, DRIVE);
    // A daemon that starts later finds no request that is still valid.
    let drives = store.drives("b");
    let mut b = login(&drives, 1);
    assert_eq!(command_of(&mut b, 0, &[0; 6]).sense_codes(), Some((2, 0x3a, 0)));
    place(&mut a, SLOT + 1, OTHER);
    wait_ready(&mut b, 0);
    // One daemon at a time serves the drive.
    let output = store.drives_command("c").output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("site main.drives.tape2 is in use by ferric-iscsid"), "{error}");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn a_robot_does_not_wait_for_a_drive_whose_machine_was_lost() {
    let store = Store::new("lost");
    let (robot, drives) = (store.robot("a"), store.drives("b"));
    let (mut a, mut b) = (login(&robot, 2), login(&drives, 1));
    place(&mut a, SLOT, OTHER);
    wait_ready(&mut b, 0);
    drop(b);
    // The machine hangs while a request is pending; it does not begin to unload.
    assert!(drives.signal("-STOP"));
    assert_eq!(move_medium(&mut a, OTHER, SLOT).sense_codes().map(|(key, ..)| key), Some(4));
    // The daemon of the robot stops although a move waits.
    drop(a);
    let portal = (robot.portal.clone(), robot.iqn.clone());
    let waiting = std::thread::spawn(move || {
        let options = common::options(2);
        let mut session = Initiator::login(&portal.0, &portal.1, options).ok()?;
        while session.command(0, &[0x03, 0, 0, 0, 18, 0], Transfer::In(18)).ok()?.data[2] & 0x0f != 0 {}
        let ([a, b], [c, d]) = (OTHER.to_be_bytes(), SLOT.to_be_bytes());
        session.command(0, &[0xa5, 0, 0, 0, a, b, c, d, 0, 0, 0, 0], Transfer::None).ok()
    });
    (0..20).for_each(|_| wait());
    let began = now();
    assert_eq!(robot.terminate(), Some(0));
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    let _ = waiting.join();
}

#[test]
fn the_daemons_of_drives_change_at_a_restart() {
    let store = Store::new("change");
    let (robot, drives) = (store.robot("a"), store.drives("b"));
    let (mut a, mut b) = (login(&robot, 2), login(&drives, 1));
    place(&mut a, SLOT, OTHER);
    wait_ready(&mut b, 0);
    write_records(&mut b, 0, 3);
    let own = CONFIG.replace("daemon = \"tape2\"\n", "");
    let file = store.data("a").with_extension("toml");
    // A new drive of another daemon, or another daemon of a drive, requires a restart.
    let third = "daemon = \"tape2\"\n[[drive]]\nmodel = \"ULT3580-TD8\"\ndaemon = \"tape3\"\n";
    std::fs::write(&file, CONFIG.replace("daemon = \"tape2\"\n", third)).unwrap();
    let refused = store.request("a", r#"{"op":"reload"}"#);
    assert!(refused.contains(r#"has a new drive of the daemon \"tape3\"; this requires a restart"#), "{refused}");
    std::fs::write(&file, &own).unwrap();
    let refused = store.request("a", r#"{"op":"reload"}"#);
    assert!(refused.contains("has another drive 2; this requires a restart"), "{refused}");
    drop((a, b));
    assert_eq!(robot.terminate(), Some(0));
    // The robot's daemon serves the drive itself now; the other daemon ends, and is refused afterwards.
    let mut command = command(&store.data("a"), &own);
    let robot = Daemon::logging(command.args(["--site", &store.0.url, "--name", "main"]), store.log("a"));
    assert_eq!(drives.wait(), Some(0));
    let output = store.drives_command("b").output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(error.lines().last(), Some("ferric-iscsid: --drives: no drive of the site has daemon = \"tape2\""));
    let mut a = login(&robot, 3);
    // The other daemon had the cartridge when this one started.
    place(&mut a, OTHER, SLOT);
    place(&mut a, SLOT, OTHER);
    wait_ready(&mut a, 2);
    check_records(&mut a, 2, 3);
}

#[test]
fn drives_of_daemons_require_a_site_in_a_store() {
    let directory = tempdir().unwrap();
    let output = command(&directory.path().join("data"), CONFIG).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8(output.stderr).unwrap();
    let expected = "ferric-iscsid: drive.daemon \"tape2\" requires a site in an object store: --site";
    assert_eq!(error.lines().last(), Some(expected));
}
