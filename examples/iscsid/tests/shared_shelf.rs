//! Daemons that share a shelf: they race for a cartridge, are stopped, and are killed. `cargo xtask object-store` runs this on an
//! object store, whose URL is in `FERRIC_TEST_SHELF`; without it, the shelf is a directory. `FERRIC_TEST_ROUNDS` is the number of
//! rounds.
#![cfg(feature = "shelf")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "test code")]

mod common;

use common::{DRIVE, Daemon, SLOT, filemark, load, move_medium, read, ready, record, rewind, write};
use initiator::{CommandResponse, Initiator, Transfer};
use std::path::PathBuf;
use std::sync::{Barrier, Mutex};
use std::time::Duration;
use tempfile::{TempDir, tempdir};

const RECORD: usize = 40_000;

struct Shared {
    dir: TempDir,
    url: String,
}

impl Shared {
    /// A shelf that no other test uses.
    fn new(name: &str) -> Self {
        let dir = tempdir().unwrap();
        let url = match variable("FERRIC_TEST_SHELF") {
            Some(url) => format!("{url}/{name}-{}", std::process::id()),
            None => {
                std::fs::create_dir(dir.path().join("shelf")).unwrap();
                format!("file://{}/shelf", dir.path().display())
            }
        };
        Self { dir, url }
    }

    fn data(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A daemon with one cartridge, which is on the shelf.
    fn start(&self, name: &str, durability: &str) -> Daemon {
        let config = format!(
            "[library]\nslots = 2\n[[drive]]\nmodel = \"ULT3580-TD8\"\ncompression = \"none\"\n\
             [[cartridges]]\npattern = \"V#####L8\"\ncount = 1\nsize = \"64MB\"\n\
             [storage]\nnew_cartridges = \"archive\"\n\
             [[shelf]]\nname = \"archive\"\nurl = \"{}\"\ndurability = \"{durability}\"\ncache = \"1GB\"\n",
            self.url
        );
        Daemon::start(&self.data(name), &config)
    }
}

#[expect(clippy::disallowed_methods, reason = "cargo xtask object-store passes the address of the store")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn rounds(default: usize) -> usize {
    variable("FERRIC_TEST_ROUNDS").map_or(default, |rounds| rounds.parse().unwrap())
}

/// Logs in to a daemon with one drive, and clears the unit attentions.
fn login(daemon: &Daemon) -> Initiator {
    let mut session = daemon.login_with(common::options(1));
    for lun in 0..=1 {
        while session.command(lun, &[0x03, 0, 0, 0, 18, 0], Transfer::In(18)).unwrap().data[2] & 0x0f != 0 {}
    }
    session
}

fn space_to_end(session: &mut Initiator) {
    let spaced = session.command(1, &[0x11, 3, 0, 0, 0, 0], Transfer::None).unwrap();
    assert_eq!(spaced, CommandResponse::default());
}

/// The numbers of the records on the tape, each of which is followed by a filemark.
fn numbers(session: &mut Initiator) -> Vec<u32> {
    assert_eq!(rewind(session), CommandResponse::default());
    let mut numbers = Vec::new();
    loop {
        let response = read(session, 40_000);
        if response.sense_codes() == Some((8, 0, 5)) {
            return numbers;
        }
        let number = u32::from_be_bytes(response.data[..4].try_into().unwrap());
        assert!(response.data == numbered(number), "record {} is {number}", numbers.len());
        numbers.push(number);
        assert_eq!(read(session, 40_000).sense_codes(), Some((0, 0, 1)));
    }
}

fn numbered(number: u32) -> Vec<u8> {
    let mut bytes = record(number, RECORD);
    bytes[..4].copy_from_slice(&number.to_be_bytes());
    bytes
}

fn append(session: &mut Initiator, number: u32) -> CommandResponse {
    let written = write(session, &numbered(number));
    if written == CommandResponse::default() { filemark(session) } else { written }
}

/// Moves the cartridge into the drive. Whether the drive has it: another daemon may use it.
fn try_load(session: &mut Initiator) -> bool {
    assert_eq!(move_medium(session, SLOT, DRIVE), CommandResponse::default());
    match ready(session).sense_codes() {
        Some((6, 0x28, 0)) => {}
        Some((3, 0x53, 0)) => return false,
        other => panic!("{other:?}"),
    }
    assert_eq!(ready(session), CommandResponse::default());
    true
}

#[expect(clippy::disallowed_methods, reason = "the daemon is killed at some time")]
fn wait(time: Duration) {
    std::thread::sleep(time);
}

#[test]
fn of_racing_loads_at_most_one_succeeds_and_every_record_counts() {
    let shared = Shared::new("race");
    let daemons = ["first", "second"].map(|name| shared.start(name, "remote"));
    let (written, wins) = (Mutex::new(Vec::new()), Mutex::new([0; 2]));
    let (start, end) = (Barrier::new(2), Barrier::new(2));
    let rounds = rounds(6);
    std::thread::scope(|scope| {
        for (at, daemon) in (0..).zip(&daemons) {
            let (written, wins, start, end) = (&written, &wins, &start, &end);
            scope.spawn(move || {
                let mut session = login(daemon);
                for round in 0..u32::try_from(rounds).unwrap() {
                    start.wait();
                    if try_load(&mut session) {
                        space_to_end(&mut session);
                        let number = round * 2 + at;
                        assert_eq!(append(&mut session, number), CommandResponse::default());
                        written.lock().unwrap().push(number);
                        wins.lock().unwrap()[at as usize] += 1;
                    }
                    assert_eq!(move_medium(&mut session, DRIVE, SLOT), CommandResponse::default());
                    end.wait();
                }
            });
        }
    });
    let mut session = login(&daemons[0]);
    load(&mut session);
    let (numbers, written) = (numbers(&mut session), written.into_inner().unwrap());
    assert_eq!(numbers, written, "{rounds} rounds, wins {:?}", wins.into_inner().unwrap());
    assert!(numbers.len() >= rounds, "in each round, one daemon has the cartridge");
}

#[test]
fn a_stopped_daemon_loses_the_cartridge_and_never_answers_good() {
    let shared = Shared::new("stop");
    let (first, second) = (shared.start("first", "remote"), shared.start("second", "remote"));
    let (mut a, mut b) = (login(&first), login(&second));
    load(&mut a);
    assert_eq!(append(&mut a, 1), CommandResponse::default());
    assert!(first.signal("-STOP"));
    // The second daemon waits for three heartbeats.
    load(&mut b);
    space_to_end(&mut b);
    assert_eq!(append(&mut b, 2), CommandResponse::default());
    assert!(first.signal("-CONT"));
    assert_eq!(append(&mut a, 3).sense_codes(), Some((2, 0x3a, 0)));
    assert_eq!(append(&mut a, 4).sense_codes(), Some((2, 0x3a, 0)));
    assert_eq!(append(&mut b, 5), CommandResponse::default());
    assert_eq!(move_medium(&mut b, DRIVE, SLOT), CommandResponse::default());
    // The first daemon gets the cartridge again, with what the second one has written.
    assert_eq!(move_medium(&mut a, DRIVE, SLOT), CommandResponse::default());
    load(&mut a);
    assert_eq!(numbers(&mut a), [1, 2, 5]);
}

#[test]
fn a_killed_daemon_has_every_synchronised_record_when_it_starts_again() {
    for durability in ["local", "remote"] {
        let shared = Shared::new(&format!("kill-{durability}"));
        let mut acknowledged: Vec<u32> = Vec::new();
        for round in 0..u32::try_from(rounds(3)).unwrap() {
            let daemon = shared.start("first", durability);
            let mut session = login(&daemon);
            if ready(&mut session) != CommandResponse::default() {
                load(&mut session);
            }
            let found = numbers(&mut session);
            assert!(found.starts_with(&acknowledged), "round {round}: {found:?} of {acknowledged:?}");
            acknowledged = found;
            if acknowledged.len() > 200 {
                // The tape is overwritten from its beginning: until the first filemark, it has the former records or none.
                assert_eq!(rewind(&mut session), CommandResponse::default());
                acknowledged.clear();
            }
            let killed_after = Duration::from_millis(u64::from(record(round, 1)[0]) * 12);
            let killer = std::thread::spawn(move || {
                wait(killed_after);
                daemon.kill();
            });
            for number in round * 1000.. {
                let Ok(written) = session.command(1, &[0x0a, 0, 0, 0x9c, 0x40, 0], Transfer::Out(&numbered(number)))
                else {
                    break;
                };
                assert_eq!(written, CommandResponse::default());
                let Ok(synchronised) = session.command(1, &[0x10, 0, 0, 0, 1, 0], Transfer::None) else { break };
                assert_eq!(synchronised, CommandResponse::default());
                acknowledged.push(number);
            }
            killer.join().unwrap();
        }
        let daemon = shared.start("first", durability);
        let mut session = login(&daemon);
        assert!(numbers(&mut session).starts_with(&acknowledged));
        assert_eq!(move_medium(&mut session, DRIVE, SLOT), CommandResponse::default());
        let other = shared.start("second", durability);
        let mut session = login(&other);
        load(&mut session);
        assert!(numbers(&mut session).starts_with(&acknowledged));
    }
}

/// A tape is read from the replica while the directory of its shelf is away, and is write-protected meanwhile.
#[test]
fn a_tape_is_read_from_the_replica_of_its_shelf() {
    let dir = tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    for name in ["first", "second"] {
        std::fs::create_dir(path(name)).unwrap();
    }
    let shelf = |name: &str| format!("[[shelf]]\nname = \"{name}\"\nurl = \"file://{}\"\n", path(name).display());
    let config = format!(
        "[library]\nslots = 2\n[[drive]]\nmodel = \"ULT3580-TD8\"\ncompression = \"none\"\n\
         [[cartridges]]\npattern = \"V#####L8\"\ncount = 1\nsize = \"64MB\"\n\
         [storage]\nnew_cartridges = \"first\"\n{}replica = \"second\"\n{}",
        shelf("first"),
        shelf("second")
    );
    let daemon = Daemon::start(&path("data"), &config);
    let mut session = login(&daemon);
    load(&mut session);
    for number in 0..3 {
        assert_eq!(append(&mut session, number), CommandResponse::default());
    }
    assert_eq!(move_medium(&mut session, DRIVE, SLOT), CommandResponse::default());
    // The directory has a file for each cartridge that is not on the replica yet.
    let behind = path("data/shelves/first/not.replicated");
    for _ in 0..600 {
        if std::fs::read_dir(&behind).unwrap().count() == 0 {
            break;
        }
        wait(Duration::from_millis(100));
    }
    assert_eq!(std::fs::read_dir(&behind).unwrap().count(), 0, "the tape was not copied");
    drop(session);
    drop(daemon);
    // The cache does not have it.
    std::fs::remove_dir_all(path("data/shelves/first/V00001L8")).unwrap();
    let daemon = Daemon::start(&path("data"), &config);
    let mut session = login(&daemon);
    // A file in place of the directory: each request fails.
    std::fs::rename(path("first"), path("away")).unwrap();
    std::fs::write(path("first"), "").unwrap();
    load(&mut session);
    assert_eq!(numbers(&mut session), [0, 1, 2]);
    assert_eq!(write(&mut session, &numbered(3)).sense_codes(), Some((7, 0x27, 0)));
    assert_eq!(move_medium(&mut session, DRIVE, SLOT), CommandResponse::default());
    std::fs::remove_file(path("first")).unwrap();
    std::fs::rename(path("away"), path("first")).unwrap();
    // The replica is read for 10 seconds after a failure.
    wait(Duration::from_secs(11));
    load(&mut session);
    space_to_end(&mut session);
    assert_eq!(append(&mut session, 3), CommandResponse::default());
    assert_eq!(numbers(&mut session), [0, 1, 2, 3]);
}
