//! Limits for initiators: memory and connections, and the effect of initiators that exceed them.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "test code")]

mod common;

use common::{Daemon, SMALL, command, move_medium, options, record};
use initiator::{CommandResponse, Initiator, Options, Transfer};
use socket2::{Domain, Socket, Type};
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;
use tempfile::tempdir;

/// A connection from an address of this machine.
fn connect_from(last: u8, portal: &str) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((Ipv4Addr::new(127, 0, 0, last), 0)).into()).unwrap();
    socket.connect(&portal.parse::<SocketAddr>().unwrap().into()).unwrap();
    let stream: TcpStream = socket.into();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream
}

/// Whether the target has closed a connection, which it does without a response.
fn is_closed(mut stream: &TcpStream) -> bool {
    matches!(stream.read(&mut [0; 1]), Ok(0) | Err(_))
}

fn check_daemon_responds(daemon: &Daemon) -> bool {
    let mut session = daemon.login_with(options(7));
    let inquiry = session.command(1, &[0x12, 0, 0, 0, 36, 0], Transfer::In(36)).unwrap();
    inquiry.status == 0 && session.logout().is_ok()
}

/// Ends a daemon and returns its log.
fn log_of(daemon: Daemon, path: &Path) -> String {
    assert_eq!(daemon.terminate(), Some(0));
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn half_open_connections_do_not_block_logins() {
    let dir = tempdir().unwrap();
    let log = dir.path().join("log");
    let daemon = Daemon::logging(&mut command(&dir.path().join("d"), SMALL), File::create(&log).unwrap().into());
    let mut open: Vec<TcpStream> = (0..140).map(|_| connect_from(1, &daemon.portal)).collect();
    assert!(check_daemon_responds(&daemon), "after 140 connections from the same address");
    assert!(is_closed(&open[0]), "the oldest connection was closed");
    for last in 2..6 {
        for _ in 0..120 {
            let mut stream = connect_from(last, &daemon.portal);
            // The beginning of a header.
            stream.write_all(&[0x43, 0x87, 0, 0]).unwrap();
            open.push(stream);
        }
    }
    assert!(check_daemon_responds(&daemon), "after 480 connections from other addresses");
    let log = log_of(daemon, &log);
    assert!(log.contains("WARN") && log.contains("peer=127.0.0.1"), "{log}");
    assert!(log.matches("connection closed: oldest connection without a login").count() <= 10, "{log}");
}

#[test]
fn idle_discovery_sessions_do_not_block_logins() {
    let dir = tempdir().unwrap();
    let daemon = Daemon::start(&dir.path().join("d"), SMALL);
    let keys = b"InitiatorName=iqn.i\0SessionType=Discovery\0";
    let mut header = [0; 48];
    (header[0], header[1], header[7]) = (0x43, 0x87, u8::try_from(keys.len()).unwrap());
    let discovery = |last: u8| {
        let mut stream = connect_from(last, &daemon.portal);
        stream.write_all(&header).unwrap();
        stream.write_all(keys).unwrap();
        stream.write_all(&vec![0; keys.len().next_multiple_of(4) - keys.len()]).unwrap();
        let mut answer = [0; 48];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!((answer[0], answer[36]), (0x23, 0));
        stream
    };
    let open: Vec<TcpStream> = (0..150).map(|number| discovery(2 + number / 25)).collect();
    assert!(check_daemon_responds(&daemon));
    assert_eq!(Initiator::discover(&daemon.portal, options(3)).unwrap().len(), 2);
    drop(open);
}

#[test]
fn only_addresses_of_the_networks_connect() {
    let dir = tempdir().unwrap();
    let log = dir.path().join("log");
    let config = "[iscsi]\nnetworks = [\"127.0.0.1\", \"127.1.0.0/16\"]\n";
    let daemon = Daemon::logging(&mut command(&dir.path().join("d"), config), File::create(&log).unwrap().into());
    assert!(check_daemon_responds(&daemon));
    assert!(is_closed(&connect_from(2, &daemon.portal)));
    let log = log_of(daemon, &log);
    assert!(
        log.contains("connection refused: the address is not in iscsi.networks") && log.contains("peer=127.0.0.2"),
        "{log}"
    );
    let none = Daemon::start(&dir.path().join("e"), "[iscsi]\nnetworks = []\n");
    assert!(Initiator::login(&none.portal, &none.iqn, options(1)).is_err());
}

#[test]
fn connections_per_address_are_limited() {
    let dir = tempdir().unwrap();
    let config = format!("{SMALL}[iscsi]\nmax_connections_per_address = 3\n");
    let daemon = Daemon::start(&dir.path().join("d"), &config);
    let sessions: Vec<_> = (1..=3).map(|port| daemon.login_with(options(port))).collect();
    let mut replaced = Vec::new();
    let refused = Initiator::login(&daemon.portal, &daemon.iqn, options(4)).err().unwrap().to_string();
    assert_eq!(refused, "login refused: 0302");
    // An initiator that lost its connection, which the target takes for alive, replaces its session (RFC 7143, 6.3.5).
    for port in [2, 1, 3, 1] {
        let again = Initiator::login(&daemon.portal, &daemon.iqn, options(port)).unwrap();
        assert!(Initiator::login(&daemon.portal, &daemon.iqn, options(4)).is_err());
        replaced.push(again);
    }
    assert!(Initiator::discover(&daemon.portal, options(5)).is_ok());
    drop(connect_from(2, &daemon.portal));
    drop(replaced);
    drop(sessions);
    // The connections are free when the target has noticed the closed sockets.
    assert!((0..1000).any(|_| Initiator::login(&daemon.portal, &daemon.iqn, options(4)).is_ok()));
}

#[test]
fn a_session_is_replaced_when_all_memory_is_guaranteed() {
    let dir = tempdir().unwrap();
    let config = format!("{SMALL}[iscsi]\nbuffer_memory = \"104MB\"\nmax_connections_per_address = 1000\n");
    let daemon = Daemon::start(&dir.path().join("d"), &config);
    let port = |number: u16| {
        let [high, low] = number.to_be_bytes();
        Options { isid: [0x80, 0, 0, 2, high, low], ..Options::default() }
    };
    let mut sessions: Vec<_> =
        (0..1000).map_while(|number| Initiator::login(&daemon.portal, &daemon.iqn, port(number)).ok()).collect();
    assert!(sessions.len() > 20 && sessions.len() < 1000, "{} sessions have a guarantee", sessions.len());
    // For the target the old session is active: its connection is open.
    for number in [0, 3, 0, 0] {
        let mut again = Initiator::login(&daemon.portal, &daemon.iqn, port(number)).unwrap();
        assert_eq!(again.command(1, &[0x12, 0, 0, 0, 36, 0], Transfer::In(36)).unwrap().status, 0);
        sessions.push(again);
    }
    // A session that logs out releases its memory before the logout response.
    let again = sessions.pop().unwrap();
    assert!(again.logout().is_ok());
    assert!(Initiator::login(&daemon.portal, &daemon.iqn, port(2000)).is_ok());
}

#[test]
fn a_refused_login_is_logged_with_the_name_escaped() {
    let dir = tempdir().unwrap();
    let log = dir.path().join("log");
    let daemon = Daemon::logging(&mut command(&dir.path().join("d"), SMALL), File::create(&log).unwrap().into());
    let bad = Options { name: "iqn.a\u{1b}[31m\nb".into(), ..options(1) };
    assert!(Initiator::login(&daemon.portal, &daemon.iqn, bad).is_err());
    let log = log_of(daemon, &log);
    let line = log.lines().find(|line| line.contains("login refused")).unwrap();
    assert!(line.contains("0200") && line.contains("peer=127.0.0.1:") && line.contains("u{1b}"), "{line}");
    assert!(!line.contains('\u{1b}'), "{line}");
}

#[test]
fn idle_control_connections_do_not_block_operators() {
    let dir = tempdir().unwrap();
    let data = dir.path().join("d");
    let _daemon = Daemon::start(&data, SMALL);
    let connect = || UnixStream::connect(data.join("control.sock")).unwrap();
    let ask = |mut stream: &UnixStream, request: &str| {
        writeln!(stream, "{request}").unwrap();
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).unwrap();
        line
    };
    let mut open: Vec<UnixStream> = (0..80).map(|_| connect()).collect();
    for mut half in (0..80).map(|_| connect()) {
        half.write_all(b"{\"op\":").unwrap();
        open.push(half);
    }
    assert!(ask(&connect(), r#"{"op":"status"}"#).starts_with("{\"ok\":"));
    // Subscribers to events may use half of the connections.
    let events: Vec<UnixStream> = (0..40).map(|_| connect()).collect();
    let taken = events.iter().filter(|stream| ask(stream, r#"{"op":"events"}"#).starts_with("{\"ok\":")).count();
    assert_eq!(taken, 32);
    assert!(ask(&connect(), r#"{"op":"status"}"#).starts_with("{\"ok\":"));
}

#[test]
fn control_connections_that_read_no_responses_do_not_block_operators() {
    let dir = tempdir().unwrap();
    let data = dir.path().join("d");
    let daemon = Daemon::start(&data, SMALL);
    let before = daemon.resident();
    let requests = b"{\"do\":\"status\"}\n".repeat(4000);
    // All places, and as many again. The responses to these requests are several MB, and none is read.
    let open: Vec<UnixStream> = (0..128)
        .map(|_| {
            let stream = UnixStream::connect(data.join("control.sock")).unwrap();
            stream.set_nonblocking(true).unwrap();
            let _ = (&stream).write(&requests);
            stream
        })
        .collect();
    let status = || {
        let mut stream = UnixStream::connect(data.join("control.sock")).unwrap();
        let mut line = String::new();
        let _ = writeln!(stream, "{{\"do\":\"status\"}}");
        let _ = BufReader::new(stream).read_line(&mut line);
        line.starts_with("{\"ok\":")
    };
    // Until their sockets are full, these connections are busy.
    let again = |_| {
        std::thread::park_timeout(Duration::from_millis(10));
        (0..64).all(|_| status())
    };
    assert!((0..1000).any(again), "an operator gets each answer");
    let grown = daemon.resident().saturating_sub(before);
    assert!(grown < 64 * 1024, "{grown} KiB");
    drop(open);
    assert_eq!(daemon.terminate(), Some(0));
}

/// Limit on the address space of the daemon in bytes.
const SPACE: u64 = 1_500_000_000;
const HOSTILE: u16 = 200;
const BLOCK: [u8; 3] = [0x80, 0, 0];
const BLOCK_LEN: usize = 8 << 20;

/// Starts a daemon with limited address space, an 8 MiB record in the first drive and an empty cartridge in the second.
fn limited_daemon(data: &Path) -> (Daemon, Initiator) {
    let config = SMALL.replace("64MB", "640MB");
    let plain = command(data, &config);
    let mut limited = Command::new("sh");
    limited.args(["-c", &format!("ulimit -v {}; exec \"$@\"", SPACE / 1024), "sh"]);
    limited.arg(plain.get_program()).args(plain.get_args());
    let daemon = Daemon::logging(&mut limited, Stdio::inherit());
    let mut good = daemon.login(1);
    for (slot, drive) in [(1000, 500), (1001, 501)] {
        assert_eq!(move_medium(&mut good, slot, drive), CommandResponse::default());
    }
    for lun in 1..=2 {
        while good.command(lun, &[0; 6], Transfer::None).unwrap().status != 0 {}
    }
    let [a, b, c] = BLOCK;
    let long = record(1, BLOCK_LEN);
    assert_eq!(good.command(1, &[0x0a, 0, a, b, c, 0], Transfer::Out(&long)).unwrap(), CommandResponse::default());
    (daemon, good)
}

/// Requests much data and reads none, or announces much data and sends none.
fn hostile(daemon: &Daemon, number: u16) -> Initiator {
    let [high, low] = number.to_be_bytes();
    let options = Options { isid: [0x80, 0, 0, 1, high, low], ..Options::default() };
    let mut session = Initiator::login(&daemon.portal, &daemon.iqn, options).unwrap();
    while session.command(1, &[0; 6], Transfer::None).unwrap().status != 0 {}
    let [a, b, c] = BLOCK;
    let part = vec![0; BLOCK_LEN];
    session.stream().set_write_timeout(Some(Duration::from_millis(100))).unwrap();
    for _ in 0..15 {
        // The target is expected to stop reading.
        let _ = session.start(1, &[0x01, 0, 0, 0, 0, 0], Transfer::None);
        let sent = if number % 4 == 3 {
            session.start(1, &[0x3b, 0x02, 0, 0, 0, 0, a, b, c, 0], Transfer::Out(&part))
        } else {
            session.start(1, &[0x08, 0, a, b, c, 0], Transfer::In(BLOCK_LEN))
        };
        if sent.is_err() {
            break;
        }
    }
    session
}

#[test]
fn hostile_initiators_use_bounded_memory() {
    let dir = tempdir().unwrap();
    let (daemon, mut good) = limited_daemon(&dir.path().join("d"));
    let hostile: Vec<Initiator> = (0..HOSTILE).map(|number| hostile(&daemon, number)).collect();
    // 256 KiB are within the guarantee of every session. A new session works like an older one.
    let mut late = daemon.login_with(options(2));
    while late.command(2, &[0; 6], Transfer::None).unwrap().status != 0 {}
    for (seed, session) in [(10, &mut good), (500, &mut late)] {
        session.command(2, &[0x01, 0, 0, 0, 0, 0], Transfer::None).unwrap();
        let records: Vec<Vec<u8>> = (seed..seed + 8).map(|seed| record(seed, 262_144)).collect();
        for record in records.iter().cycle().take(100) {
            let reply = session.command(2, &[0x0a, 0, 0x04, 0, 0, 0], Transfer::Out(record)).unwrap();
            assert_eq!(reply, CommandResponse::default());
        }
        session.command(2, &[0x01, 0, 0, 0, 0, 0], Transfer::None).unwrap();
        for record in records.iter().cycle().take(100) {
            let reply = session.command(2, &[0x08, 0, 0x04, 0, 0, 0], Transfer::In(262_144)).unwrap();
            assert!(reply.status == 0 && reply.data == *record);
        }
    }
    // A quarter of the address space for commands, and the memory of a daemon with 200 threads.
    let resident = daemon.resident() * 1024;
    assert!(resident < SPACE / 4 + 150_000_000, "{resident} bytes resident");
    drop(hostile);
    assert_eq!(daemon.terminate(), Some(0));
}
