//! Daemons whose connections to the store are cut. `cargo xtask object-store` runs this on an object store, whose URL is in
//! `FERRIC_TEST_SHELF`. `FERRIC_TEST_STEP` is the number of bytes between two cuts, and `FERRIC_TEST_FIRST` that before the first one.
#![cfg(feature = "shelf")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "test code"
)]

#[path = "../common/mod.rs"]
mod common;
mod proxy;

use common::shared::{Shared, append_of, login, numbers_of, space_to_end, variable};
use common::{DRIVE, Daemon, SLOT, load, move_medium, rewind};
use initiator::{CommandResponse, Initiator};
use proxy::{Cut, Proxy};

/// Length of the records: the objects of the tape are small.
const RECORD: usize = 300;

/// Two daemons that share a cartridge; the connections of the first one to the store are cut.
struct Fixture {
    proxy: Proxy,
    first: Initiator,
    acknowledged: Vec<u32>,
    daemons: [Daemon; 2],
    _shared: Shared,
}

impl Fixture {
    fn new(name: &str) -> Self {
        let shared = Shared::new(name);
        let proxy = Proxy::start(&variable("AWS_ENDPOINT").expect("AWS_ENDPOINT is the address of the store"));
        let mut first = shared.command("first", "remote", "64MB");
        let daemons = [Daemon::spawn(first.env("AWS_ENDPOINT", proxy.url())), shared.start("second", "remote")];
        let first = login(&daemons[0]);
        Self { proxy, first, acknowledged: Vec::new(), daemons, _shared: shared }
    }

    /// Loads, appends and unloads at the first daemon, with a cut in the first of these steps that transfers enough. All of them
    /// succeed. Returns the number of cuts.
    fn append_with(&mut self, cut: Cut) -> u64 {
        let number = u32::try_from(self.acknowledged.len()).unwrap();
        self.proxy.set(cut);
        load(&mut self.first);
        if number == 0 {
            assert_eq!(rewind(&mut self.first), CommandResponse::default());
        } else {
            space_to_end(&mut self.first);
        }
        assert_eq!(append_of(&mut self.first, number, RECORD), CommandResponse::default(), "{cut:?}");
        assert_eq!(move_medium(&mut self.first, DRIVE, SLOT), CommandResponse::default(), "{cut:?}");
        self.acknowledged.push(number);
        self.proxy.clear()
    }

    /// The second daemon finds each record once. The first one overwrites them.
    fn check(&mut self) {
        // A session that is not used does not respond to pings.
        let mut second = login(&self.daemons[1]);
        load(&mut second);
        assert_eq!(numbers_of(&mut second, RECORD), self.acknowledged);
        assert_eq!(move_medium(&mut second, DRIVE, SLOT), CommandResponse::default());
        self.acknowledged.clear();
    }

    /// Cuts later and later until the transfer is shorter. Returns the number of cuts.
    fn cut_everywhere(&mut self, first: u64, step: u64, cut: fn(u64) -> Cut) -> u64 {
        let mut places = 0;
        while self.append_with(cut(first + places * step)) > 0 {
            places += 1;
            if places % 50 == 0 {
                self.check();
            }
        }
        self.check();
        places
    }
}

fn number(name: &str) -> Option<u64> {
    variable(name).map(|number| number.parse().unwrap())
}

/// Cuts at each of these bytes of a transfer, which has at least `len` bytes.
fn cut_bytes(name: &str, len: u64, default_step: u64, cut: fn(u64) -> Cut) {
    let (first, step) = (number("FERRIC_TEST_FIRST").unwrap_or(0), number("FERRIC_TEST_STEP").unwrap_or(default_step));
    let cuts = Fixture::new(name).cut_everywhere(first, step, cut);
    eprintln!("{name}: {cuts} cuts");
    assert!(cuts >= len / step, "{cuts} cuts");
}

#[test]
#[ignore = "needs an object store"]
fn requests_that_are_cut_after_any_number_of_bytes_lose_nothing() {
    cut_bytes("requests", 10_000, 1999, Cut::Requests);
}

#[test]
#[ignore = "needs an object store"]
fn responses_that_are_cut_after_any_number_of_bytes_lose_nothing() {
    cut_bytes("responses", 5_000, 1301, Cut::Responses);
}

/// A store must not create an empty object for a request whose body it has not received.
#[test]
#[ignore = "needs an object store"]
fn requests_that_are_cut_before_their_bodies_lose_nothing() {
    let cuts = Fixture::new("bodies").cut_everywhere(0, 1, |after| Cut::Body { after });
    eprintln!("bodies: {cuts} cuts");
    assert!(cuts >= 5, "{cuts} cuts");
}

/// The store executes a request, and its answer is lost; also those of the repeated request.
#[test]
#[ignore = "needs an object store"]
fn answers_that_are_lost_after_success_lose_and_double_nothing() {
    let mut fixture = Fixture::new("answers");
    let once = fixture.cut_everywhere(0, 1, |after| Cut::Answers { after, count: 1 });
    let thrice = fixture.cut_everywhere(0, 5, |after| Cut::Answers { after, count: 3 });
    eprintln!("answers: {once} lost, {thrice} times three lost");
    assert!(once >= 10 && thrice >= 2, "{once} {thrice}");
}
