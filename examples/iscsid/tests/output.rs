//! Output that cannot be written has no effect on the service: a full disk, a closed pipe, a blocked pipe.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "test code")]

mod common;

use common::{DRIVE, Daemon, SLOT, SMALL, command, filemark, load, move_medium, record, write};
use initiator::{CommandResponse, Transfer};
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};
use tempfile::tempdir;

/// Runs moves that log a warning, and a backup, as if the log could be written.
fn check_service(daemon: &Daemon, data: &Path) {
    let mut session = daemon.login(1);
    load(&mut session);
    assert_eq!(write(&mut session, &record(1, 70_000)), CommandResponse::default());
    assert_eq!(filemark(&mut session), CommandResponse::default());
    // The next cartridge cannot be mounted, which is logged.
    std::fs::remove_dir_all(data.join("cartridges/V00002L8")).unwrap();
    assert_eq!(move_medium(&mut session, SLOT + 1, DRIVE + 1), CommandResponse::default());
    assert_eq!(session.command(2, &[0; 6], Transfer::None).unwrap().sense_codes(), Some((3, 0x31, 0x00)));
    assert_eq!(move_medium(&mut session, DRIVE + 1, SLOT + 1), CommandResponse::default());
    assert_eq!(move_medium(&mut session, SLOT + 1, 10), CommandResponse::default());
}

fn traced(data: &Path) -> Command {
    let mut command = command(data, SMALL);
    command.args(["--log", "trace"]);
    command
}

#[test]
fn full_disk_for_log_is_tolerated() {
    let dir = tempdir().unwrap();
    let data = dir.path().join("d");
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let daemon = Daemon::logging(&mut traced(&data), full.into());
    check_service(&daemon, &data);
    assert_eq!(daemon.terminate(), Some(0));
}

#[test]
fn closed_log_pipe_is_tolerated() {
    let dir = tempdir().unwrap();
    let data = dir.path().join("d");
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let daemon = Daemon::logging(&mut traced(&data), writer.into());
    check_service(&daemon, &data);
    assert_eq!(daemon.terminate(), Some(0));
}

#[test]
fn blocked_log_pipe_is_tolerated() {
    let dir = tempdir().unwrap();
    let data = dir.path().join("d");
    let (_reader, writer) = std::io::pipe().unwrap();
    let daemon = Daemon::logging(&mut traced(&data), writer.into());
    check_service(&daemon, &data);
    let mut session = daemon.login(2);
    // More than a pipe holds.
    for _ in 0..2000 {
        assert_eq!(session.command(0, &[0; 6], Transfer::None).unwrap(), CommandResponse::default());
    }
    assert_eq!(daemon.terminate(), Some(0));
}

#[test]
fn start_fails_if_the_ready_line_cannot_be_written() {
    for full in [false, true] {
        let dir = tempdir().unwrap();
        let data = dir.path().join("d");
        let output: Stdio = if full {
            OpenOptions::new().write(true).open("/dev/full").unwrap().into()
        } else {
            std::io::pipe().unwrap().1.into()
        };
        let mut child = command(&data, SMALL).stdout(output).stderr(Stdio::null()).spawn().unwrap();
        let socket = data.join("control.sock");
        let mut stream = loop {
            assert!(child.try_wait().unwrap().is_none(), "the daemon has ended");
            match UnixStream::connect(&socket) {
                Ok(stream) => break stream,
                Err(_) => std::thread::yield_now(),
            }
        };
        stream.write_all(b"{\"op\":\"status\"}\n").unwrap();
        let mut answer = String::new();
        BufReader::new(&stream).read_line(&mut answer).unwrap();
        assert!(answer.starts_with("{\"ok\":"), "{answer}");
        assert!(Command::new("kill").arg(child.id().to_string()).status().unwrap().success());
        assert_eq!(child.wait().unwrap().code(), Some(0));
    }
}

#[test]
fn partial_config_output_fails() {
    let dir = tempdir().unwrap();
    let data = dir.path().join("d");
    let printed = command(&data, SMALL).arg("--print-config").stdout(std::io::pipe().unwrap().1).output().unwrap();
    assert_eq!((printed.status.code(), printed.stderr.as_slice()), (Some(0), &b""[..]));
    let full = File::options().write(true).open("/dev/full").unwrap();
    let printed = command(&data, SMALL).arg("--print-config").stdout(full).output().unwrap();
    let text = String::from_utf8(printed.stderr).unwrap();
    assert_eq!(printed.status.code(), Some(1));
    assert_eq!(text, "ferric-iscsid: standard output: No space left on device (os error 28)\n");
}
