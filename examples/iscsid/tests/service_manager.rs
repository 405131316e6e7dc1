//! The interface to a service manager: its listening socket, and the notifications that it receives.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "test code")]

mod common;

use common::{options, ready};
use initiator::Initiator;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use tempfile::tempdir;

/// Starts the daemon as systemd does: with descriptors from 3 on, and their number and the process ID in variables.
fn start(data: &Path, inherited: OwnedFd, count: &str) -> Child {
    let script = "exec 3<&0 4<&0 </dev/null; LISTEN_PID=$$ exec \"$@\"";
    let mut command = Command::new("sh");
    command.args(["-c", script, "sh", env!("CARGO_BIN_EXE_ferric-iscsid")]).arg("--data").arg(data.join("d"));
    command.env("LISTEN_FDS", count).env("NOTIFY_SOCKET", data.join("notify"));
    command.stdin(inherited).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

#[test]
fn the_listening_socket_is_used_and_start_and_end_are_notified() {
    let dir = tempdir().unwrap();
    let notified = UnixDatagram::bind(dir.path().join("notify")).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let mut child = start(dir.path(), listener.into(), "1");
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let words: Vec<&str> = line.split_whitespace().collect();
    assert_eq!(words[..3], ["ready", "iscsi", &address]);
    let message = || {
        let mut buffer = [0; 64];
        let length = notified.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..length]).trim().to_owned()
    };
    assert_eq!(message(), "READY=1");
    let mut session = Initiator::login(&address, words[3], options(1)).unwrap();
    assert_eq!(ready(&mut session).status, 2);
    drop(session);
    Command::new("kill").arg(child.id().to_string()).status().unwrap();
    assert_eq!(message(), "STOPPING=1");
    assert!(child.wait().unwrap().success());
}

#[test]
fn other_descriptors_are_refused_by_number() {
    let dir = tempdir().unwrap();
    let refused = |inherited: OwnedFd, count: &str| {
        let output = start(dir.path(), inherited, count).wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8(output.stderr).unwrap()
    };
    let not_listening = "ferric-iscsid: LISTEN_FDS: descriptor 3 is not a listening TCP socket\n";
    assert_eq!(refused(std::io::pipe().unwrap().0.into(), "1"), not_listening);
    let unix = UnixListener::bind(dir.path().join("unix")).unwrap();
    assert_eq!(refused(unix.into(), "1"), not_listening);
    let listener = || OwnedFd::from(TcpListener::bind("127.0.0.1:0").unwrap());
    assert_eq!(refused(listener(), "2"), "ferric-iscsid: LISTEN_FDS: 2 sockets; expected one, for iSCSI\n");
    assert_eq!(refused(listener(), "x"), "ferric-iscsid: LISTEN_FDS: invalid LISTEN_FDS\n");
    assert!(!dir.path().join("d").exists(), "nothing is created before");
}
