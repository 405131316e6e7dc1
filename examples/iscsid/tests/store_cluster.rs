//! Two daemons on a cluster of SeaweedFS, whose filer and volume server are killed during writes and reads. `cargo xtask object-store
//! cluster` starts it; `FERRIC_TEST_GATEWAYS` has the addresses of its gateways, and `FERRIC_TEST_VICTIMS` the processes to kill, with
//! spaces between them.
#![cfg(feature = "shelf")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, clippy::print_stderr, reason = "test code")]

mod common;

use common::shared::{Shared, append, login, numbers, rounds, space_to_end, variable};
use common::{DRIVE, Daemon, SLOT, load, move_medium};
use initiator::CommandResponse;
use std::process::Command;
use std::time::{Duration, Instant};

#[expect(clippy::disallowed_methods, reason = "the duration is a result")]
fn now() -> Instant {
    Instant::now()
}

/// Each record is synchronised. While the first daemon writes, processes of the cluster are killed; then the second daemon, which uses
/// another gateway, reads the tape and appends to it.
#[test]
#[ignore = "needs a cluster"]
fn killed_servers_of_a_cluster_lose_no_synchronised_record() {
    let gateways = variable("FERRIC_TEST_GATEWAYS").unwrap();
    let gateways: Vec<&str> = gateways.split(' ').collect();
    let victims = variable("FERRIC_TEST_VICTIMS").unwrap();
    let shared = Shared::new("cluster");
    let daemons: Vec<Daemon> = (["first", "second"].into_iter().zip(&gateways))
        .map(|(name, gateway)| Daemon::spawn(shared.command(name, "remote", "64MB").env("AWS_ENDPOINT", gateway)))
        .collect();
    let per_victim = u32::try_from(rounds(10)).unwrap();
    let (mut next, mut slowest) = (0..u32::MAX, Duration::ZERO);
    let mut acknowledged: Vec<u32> = Vec::new();
    let mut victims = victims.split(' ').peekable();
    while victims.peek().is_some() {
        for (daemon, name) in daemons.iter().zip(["first", "second"]) {
            let mut session = login(daemon);
            load(&mut session);
            assert_eq!(numbers(&mut session), acknowledged, "{name}");
            space_to_end(&mut session);
            for number in next.by_ref().take(per_victim as usize) {
                if number % per_victim == per_victim / 2
                    && let Some(victim) = victims.next()
                {
                    assert!(Command::new("kill").args(["-9", victim]).status().unwrap().success());
                }
                let began = now();
                assert_eq!(append(&mut session, number), CommandResponse::default(), "{name}, record {number}");
                slowest = slowest.max(began.elapsed());
                acknowledged.push(number);
            }
            assert_eq!(move_medium(&mut session, DRIVE, SLOT), CommandResponse::default());
        }
    }
    for daemon in &daemons {
        let mut session = login(daemon);
        load(&mut session);
        assert_eq!(numbers(&mut session), acknowledged);
        assert_eq!(move_medium(&mut session, DRIVE, SLOT), CommandResponse::default());
    }
    eprintln!("{} records; the slowest filemark took {slowest:?}", acknowledged.len());
}
