//! The daemon is killed during a series of moves: each cartridge is where the last completed move put it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "test code")]

mod common;

use common::Daemon;
use initiator::{CommandResponse, Initiator, Transfer};
use std::collections::BTreeMap;
use std::sync::mpsc::{SyncSender, sync_channel};
use tempfile::tempdir;

const CONFIG: &str = "[library]\nslots = 6\nimport_export = 2\n[[drive]]\nmodel = \"ULT3580-TD8\"\ncount = 2\n\
    [[cartridges]]\npattern = \"M#L8\"\ncount = 6\nsize = \"64MB\"\n";
const ELEMENTS: [u16; 10] = [1000, 1001, 1002, 1003, 1004, 1005, 10, 11, 500, 501];

/// Number of times that the daemon is killed, and the maximum number of moves before that.
const ROUNDS: usize = 40;
const MAX_MOVES: usize = 6;

type Locations = BTreeMap<u16, String>;

/// Every full element, and the barcode in it.
fn locations(session: &mut Initiator) -> Locations {
    let cdb = [0xb8, 0x10, 0, 0, 0xff, 0xff, 0, 0, 0x10, 0, 0, 0];
    let data = session.command(0, &cdb, Transfer::In(4096)).unwrap().data;
    let word = |at: usize| u16::from_be_bytes([data[at], data[at + 1]]);
    let (mut at, mut locations) = (8, Locations::new());
    while at < data.len() {
        let (stride, bytes) = (usize::from(word(at + 2)), usize::from(word(at + 6)));
        at += 8;
        for descriptor in data[at..at + bytes].chunks(stride).filter(|descriptor| descriptor[2] & 1 != 0) {
            let label = String::from_utf8_lossy(&descriptor[12..44]).trim().to_owned();
            locations.insert(u16::from_be_bytes([descriptor[0], descriptor[1]]), label);
        }
        at += bytes;
    }
    locations
}

/// Moves cartridges until the connection breaks, and reports each completed move. Returns the locations without and
/// with the last move, which may have been executed.
fn run(
    mut session: Initiator,
    mut locations: Locations,
    mut random: impl FnMut() -> usize,
    answered: &SyncSender<()>,
) -> (Locations, Locations) {
    loop {
        let from = *locations.keys().nth(random() % locations.len()).unwrap();
        let free: Vec<u16> = ELEMENTS.into_iter().filter(|address| !locations.contains_key(address)).collect();
        let to = free[random() % free.len()];
        let mut after = locations.clone();
        let label = after.remove(&from).unwrap();
        after.insert(to, label);
        let ([a, b], [c, d]) = (from.to_be_bytes(), to.to_be_bytes());
        match session.command(0, &[0xa5, 0, 0, 0, a, b, c, d, 0, 0, 0, 0], Transfer::None) {
            Ok(reply) => assert_eq!(reply, CommandResponse::default()),
            Err(_) => return (locations, after),
        }
        locations = after;
        let _ = answered.try_send(());
    }
}

#[test]
fn kill_during_moves_keeps_inventory() {
    let dir = tempdir().unwrap();
    let data = dir.path().join("d");
    let mut seed = 11_u32;
    let mut random = move || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 8) as usize
    };
    let mut known: Option<(Locations, Locations)> = None;
    let mut moves = 0;
    for _ in 0..ROUNDS {
        let daemon = Daemon::start(&data, CONFIG);
        let mut session = daemon.login(1);
        let current = locations(&mut session);
        if let Some((before, after)) = &known {
            assert!(current == *before || current == *after, "{current:?} is neither {before:?} nor {after:?}");
        }
        // The daemon is killed after some completed moves, while the next one is executed.
        let (answered, moved) = sync_channel(MAX_MOVES);
        let count = 1 + random() % MAX_MOVES;
        let mut completed = 0;
        known = Some(std::thread::scope(|scope| {
            let start = current.clone();
            let mover = scope.spawn(|| run(session, start, &mut random, &answered));
            completed = moved.iter().take(count).count();
            daemon.kill();
            mover.join().unwrap()
        }));
        moves += completed;
    }
    assert!(moves > ROUNDS, "{moves} moves");
}
