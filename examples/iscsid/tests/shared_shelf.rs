//! Daemons that share a shelf: they race for a cartridge, are stopped, and are killed. `cargo xtask object-store` runs this on an
//! object store, whose URL is in `FERRIC_TEST_SHELF`; without it, the shelf is a directory. `FERRIC_TEST_ROUNDS` is the number of
//! rounds.
#![cfg(feature = "shelf")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "test code")]

mod common;

use common::shared::{RECORD, Shared, append, login, numbered, numbers, rounds, space_to_end, try_load};
use common::{DRIVE, Daemon, SLOT, load, move_medium, ready, record, rewind, write};
use initiator::{CommandResponse, Initiator, Transfer};
use std::sync::{Barrier, Mutex};
use std::time::Duration;
use tempfile::tempdir;

#[expect(clippy::disallowed_methods, reason = "the daemon is killed at some time")]
fn wait(time: Duration) {
    std::thread::sleep(time);
}

#[test]
fn of_racing_loads_one_succeeds_and_every_record_counts() {
    let shared = Shared::new("race");
    let daemons = ["first", "second"].map(|name| shared.start(name, "remote"));
    let (written, wins) = (Mutex::new(Vec::new()), Mutex::new([0; 2]));
    let [start, tried, end] = [0; 3].map(|_| Barrier::new(2));
    let rounds = rounds(3);
    std::thread::scope(|scope| {
        for (at, daemon) in (0..).zip(&daemons) {
            let (written, wins, start, tried, end) = (&written, &wins, &start, &tried, &end);
            scope.spawn(move || {
                let mut session = login(daemon);
                for round in 0..u32::try_from(rounds).unwrap() {
                    start.wait();
                    let has_won = try_load(&mut session);
                    tried.wait();
                    if has_won {
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
    let wins = wins.into_inner().unwrap();
    assert_eq!(numbers, written, "{rounds} rounds, wins {wins:?}");
    // The number of a record has its round: in each round, one daemon has the cartridge.
    assert!(
        numbers.iter().map(|number| number / 2).eq(0..u32::try_from(rounds).unwrap()),
        "wins {wins:?}: {numbers:?}"
    );
    eprintln!("{rounds} rounds, wins {wins:?}");
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

/// Loads the cartridge, which is in its slot, or in the drive, which has lost it if another daemon has taken it over.
fn load_unless_loaded(session: &mut Initiator) {
    if ready(session) != CommandResponse::default() {
        let _ = move_medium(session, DRIVE, SLOT);
        load(session);
    }
}

#[test]
fn a_killed_daemon_has_every_synchronised_record_when_it_starts_again() {
    for durability in ["local", "remote"] {
        let shared = Shared::new(&format!("kill-{durability}"));
        let mut acknowledged: Vec<u32> = Vec::new();
        for round in 0..u32::try_from(rounds(3)).unwrap() {
            // After some of the kills, another machine takes the cartridge over, and is killed itself.
            let name = if durability == "remote" && round % 5 == 4 { "second" } else { "first" };
            let daemon = shared.start(name, durability);
            let mut session = login(&daemon);
            load_unless_loaded(&mut session);
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
                let Ok(written) =
                    session.command(1, &[0x0a, 0, 0, 0x9c, 0x40, 0], Transfer::Out(&numbered(number, RECORD)))
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
        load_unless_loaded(&mut session);
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
    let behind = path("data/shelves/first/not.replicated/second");
    let is_behind = || behind.join("V00001L8").exists();
    for _ in 0..600 {
        if !is_behind() && behind.join("initial.copy").exists() {
            break;
        }
        wait(Duration::from_millis(100));
    }
    assert!(!is_behind(), "the tape was not copied");
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
    assert_eq!(write(&mut session, &numbered(3, RECORD)).sense_codes(), Some((7, 0x27, 0)));
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
