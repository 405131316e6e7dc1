//! Faults of connections: a lost session, a cut link, NOP-Out PDUs without NOP-In, and a loss of power.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "test code")]

use initiator::{Initiator, Options, Transfer};
use iscsid::Portal;
use std::path::Path;
use std::time::Duration;
use vtl::frontend::Frontend;
use vtl::site::OpenSite;
use vtl::{FaultScript, Library};

const TEST_UNIT_READY: [u8; 6] = [0; 6];
const WRITE: [u8; 6] = [0x0a, 0, 0, 0, 8, 0];
const READ_POSITION: [u8; 10] = [0x34, 0, 0, 0, 0, 0, 0, 0, 0, 0];

struct Fixture {
    site: OpenSite,
    portal: Portal,
}

impl Fixture {
    /// A site with a tape in its drive, LUN 1.
    fn new() -> Self {
        let builder = Library::builder().slots(4).drives("ULT3580-TD8", 1).cartridges("A#L8", 1, "64MB");
        let site = builder.frontend(Frontend::ISCSI).open().unwrap();
        let portal = Portal::on_free_port(&site).unwrap();
        let it = Self { site, portal };
        let mut session = it.login(1);
        let load = [0xa5, 0, 0, 0, 0x03, 0xe8, 0x01, 0xf4, 0, 0, 0, 0];
        assert_eq!(session.command(0, &load, Transfer::None).unwrap().status, 0);
        session.logout().unwrap();
        it
    }

    fn options(port: u8) -> Options {
        Options { isid: [0x80, 0, 0, 0, 0, port], ..Options::default() }
    }

    /// Logs in, and clears the unit attentions.
    fn login(&self, port: u8) -> Initiator {
        let target = self.site.targets()[0].name().to_owned();
        let mut session = Initiator::login(self.portal.address(), &target, Self::options(port)).unwrap();
        for lun in 0..2 {
            while session.command(lun, &[0x03, 0, 0, 0, 18, 0], Transfer::In(18)).unwrap().data[2] & 0x0f != 0 {}
        }
        session
    }

    fn add(&self, text: &str) {
        self.site.add_faults(&FaultScript::parse(text).unwrap()).unwrap();
    }

    fn fired(&self) -> u64 {
        self.site.faults()[0].fired
    }
}

/// A script of examples/faults.
fn script(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../faults");
    std::fs::read_to_string(folder.join(name).with_extension("toml")).unwrap()
}

/// LOGICAL OBJECT NUMBER of the short form of READ POSITION.
fn object(session: &mut Initiator) -> u8 {
    session.command(1, &READ_POSITION, Transfer::In(20)).unwrap().data[7]
}

#[test]
fn session_is_lost_after_its_command_has_run() {
    let it = Fixture::new();
    let (mut session, mut other) = (it.login(1), it.login(2));
    it.add("[[fault]]\nkind = \"lost_session\"\ncommands = [\"WRITE\"]\nnth = 2");
    assert_eq!(session.command(1, &WRITE, Transfer::Out(b"block 01")).unwrap().status, 0);
    assert!(session.command(1, &WRITE, Transfer::Out(b"block 02")).is_err());
    assert_eq!(object(&mut other), 2, "the block is written");
    let mut again = it.login(1);
    assert_eq!(again.command(1, &TEST_UNIT_READY, Transfer::None).unwrap().status, 0);
    assert_eq!(it.fired(), 1);
    it.portal.close();
}

/// The ready-made scripts, at the fifth WRITE of a backup: the block is on the tape in both cases, and the response of one comes late.
#[test]
fn connections_fail_in_a_backup() {
    for (name, is_lost) in [("lost-session-in-a-backup", true), ("cut-link-in-a-backup", false)] {
        let it = Fixture::new();
        let mut session = it.login(1);
        let text = if is_lost {
            script("lost-session-in-a-backup")
        } else {
            script("cut-link-in-a-backup").replace("5000", "500")
        };
        it.add(&text);
        for _ in 0..4 {
            assert_eq!(session.command(1, &WRITE, Transfer::Out(b"block 00")).unwrap().status, 0, "{name}");
        }
        let begin = it.site.clock().monotonic();
        let fifth = session.command(1, &WRITE, Transfer::Out(b"block 05"));
        assert_eq!(fifth.is_err(), is_lost, "{name}");
        let took = begin.duration_until(it.site.clock().monotonic());
        assert!(is_lost || took >= Duration::from_millis(500), "{name}: {took:?}");
        assert_eq!((object(&mut it.login(2)), it.fired()), (5, 1), "{name}");
        it.portal.close();
    }
}

#[test]
fn two_nop_outs_of_an_initiator_have_no_answer() {
    let it = Fixture::new();
    let mut session = it.login(1);
    it.add(&script("nop-unanswered"));
    session.set_read_timeout(Duration::from_millis(200)).unwrap();
    for ping in [b"one", b"two"] as [&[u8]; 2] {
        assert!(session.ping(ping).is_err());
    }
    session.set_read_timeout(Duration::from_secs(20)).unwrap();
    session.ping(b"three").unwrap();
    it.portal.close();
}

/// The data of a long block is read into its buffer, and nothing follows it on the connection.
#[test]
fn the_response_of_a_long_write_does_not_pass_a_cut_link() {
    const LONG_WRITE: [u8; 6] = [0x0a, 0, 4, 0, 0, 0];
    let it = Fixture::new();
    let mut session = it.login(1);
    it.add("[[fault]]\nkind = \"cut_link\"\noutage_ms = 700\ncommands = [\"WRITE\"]");
    session.set_read_timeout(Duration::from_millis(100)).unwrap();
    let block = vec![7; 256 << 10];
    let tag = session.start(1, &LONG_WRITE, Transfer::Out(&block)).unwrap();
    assert!(session.finish(tag, Transfer::Out(&block)).is_err(), "the response does not pass");
    session.set_read_timeout(Duration::from_secs(20)).unwrap();
    assert_eq!(session.finish(tag, Transfer::Out(&block)).unwrap().status, 0);
    assert_eq!((object(&mut session), it.fired()), (1, 1));
    it.portal.close();
}

#[test]
fn link_is_cut_and_comes_back() {
    let it = Fixture::new();
    let mut session = it.login(1);
    it.add("[[fault]]\nkind = \"cut_link\"\noutage_ms = 700\ncommands = [\"TEST UNIT READY\"]");
    let begin = it.site.clock().monotonic();
    session.set_read_timeout(Duration::from_millis(100)).unwrap();
    let tag = session.start(1, &TEST_UNIT_READY, Transfer::None).unwrap();
    assert!(session.finish(tag, Transfer::None).is_err(), "the response does not pass");
    // Nor do the PDUs of another connection from this address.
    let other = std::thread::scope(|scope| {
        let login = scope.spawn(|| it.login(2));
        session.set_read_timeout(Duration::from_secs(20)).unwrap();
        assert_eq!(session.finish(tag, Transfer::None).unwrap().status, 0);
        login.join().unwrap()
    });
    let took = begin.duration_until(it.site.clock().monotonic());
    assert!(took >= Duration::from_millis(700) && took < Duration::from_secs(20), "{took:?}");
    assert_eq!(session.command(1, &TEST_UNIT_READY, Transfer::None).unwrap().status, 0);
    other.logout().unwrap();
    it.portal.close();
}

#[test]
fn nop_outs_get_no_answer_as_often_as_asked() {
    let it = Fixture::new();
    let mut session = it.login(1);
    let name = Fixture::options(1).name;
    it.add(&format!("[[fault]]\nkind = \"nop_unanswered\"\ninitiator = {name:?}\nnth = 2\ncount = 2"));
    session.ping(b"one").unwrap();
    session.set_read_timeout(Duration::from_millis(200)).unwrap();
    for ping in [b"two", b"three"] as [&[u8]; 2] {
        assert!(session.ping(ping).is_err());
    }
    session.set_read_timeout(Duration::from_secs(20)).unwrap();
    session.ping(b"four").unwrap();
    assert_eq!(session.command(1, &TEST_UNIT_READY, Transfer::None).unwrap().status, 0);
    assert_eq!(it.fired(), 2);
    it.portal.close();
}

/// All sessions end; the portal serves new ones after the outage. Data that was not synchronised is lost.
#[test]
fn loss_of_power_ends_all_sessions() {
    let it = Fixture::new();
    let (mut session, mut other) = (it.login(1), it.login(2));
    assert_eq!(session.command(1, &WRITE, Transfer::Out(b"block 01")).unwrap().status, 0);
    it.add("[[fault]]\nkind = \"power_loss\"\noutage_ms = 500\ncommands = [\"TEST UNIT READY\"]");
    let begin = it.site.clock().monotonic();
    assert!(session.command(1, &TEST_UNIT_READY, Transfer::None).is_err());
    assert!(other.command(1, &TEST_UNIT_READY, Transfer::None).is_err());
    let mut again = it.login(1);
    let took = begin.duration_until(it.site.clock().monotonic());
    assert!(took >= Duration::from_millis(500), "{took:?}");
    assert_eq!(again.command(1, &TEST_UNIT_READY, Transfer::None).unwrap().status, 0);
    assert_eq!(object(&mut again), 0);
    let read = again.command(1, &[0x08, 0, 0, 0, 8, 0], Transfer::In(8)).unwrap();
    assert_eq!(read.sense_codes(), Some((8, 0, 5)));
    it.portal.close();
}
