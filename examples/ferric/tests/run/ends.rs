//! The end of programs, of the command and of `ferric run` itself.

use crate::{Directory, assert_contains};
use std::process::Command;
use std::time::Duration;

/// Waits until a program has written a file.
fn wait_for(directory: &Directory, file: &str) {
    while !directory.path().join(file).exists() {
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

#[test]
fn the_exit_status_is_that_of_the_command() {
    let directory = Directory::new();
    for (script, code) in [("true", 0), ("exit 7", 7), ("kill -9 $$", 137), ("kill -TERM $$", 143)] {
        assert_eq!(directory.run(&[], script).code, code, "{script}");
    }
}

#[test]
fn signals_are_passed_to_the_command() {
    let directory = Directory::new();
    let script = "trap 'echo stopped; exit 3' TERM; echo ready > ready; while true; do sleep 0.1; done";
    let mut ferric = directory.ferric(&["run", "--", "bash", "-c", script]);
    let child = ferric.stdout(std::process::Stdio::piped()).spawn().unwrap();
    wait_for(&directory, "ready");
    // `timeout` passes the signal on, to its whole process group: the command may get it twice.
    assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert!(output.stdout.starts_with(b"stopped\n"), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn ignored_signals_stay_ignored() {
    let directory = Directory::new();
    let out = directory.succeed(
        &[],
        "trap '' HUP; grep SigIgn /proc/self/status | tail -c 2; \
        $(readlink -f /proc/$PPID/exe) run -- sh -c 'grep SigIgn /proc/self/status | tail -c 2'",
    );
    assert_eq!(out, "1\n1\n");
}

#[test]
fn a_killed_program_frees_the_drive_at_once() {
    let out = Directory::new().succeed(
        &["--load", "V00001L8"],
        "for _ in $(seq 5); do
            dd if=/dev/zero of=/dev/nst0 bs=1M status=none & writer=$!
            until readlink /proc/$writer/fd/1 | grep -q socket; do sleep 0.01; done
            { mt -f /dev/nst0 status 2>&1 || true; } | grep -q busy
            kill -9 $writer; wait $writer || true
            mt -f /dev/nst0 rewind
         done
         mt -f /dev/nst0 fsf 1 && mt -f /dev/nst0 status",
    );
    // The driver wrote a filemark when the program had gone.
    assert_contains(&out, &["File number=1, block number=0"]);
}

#[test]
fn without_ferric_every_call_fails_with_a_message() {
    let directory = Directory::new();
    let script = "exec 3> /dev/nst0
        echo data >&3
        kill -9 $PPID
        while kill -0 $PPID 2>/dev/null; do sleep 0.05; done
        dd if=/dev/zero bs=512 count=1 >&3 2> dd.err || echo dd $? > result
        mt -f /dev/nst0 status 2> mt.err || echo mt $? >> result
        cp result done";
    let mut ferric = directory.ferric(&["run", "--load", "V00001L8", "--", "bash", "-c", script]);
    assert!(!ferric.status().unwrap().success());
    wait_for(&directory, "done");
    let read = |name: &str| std::fs::read_to_string(directory.path().join(name)).unwrap();
    assert_eq!(read("result"), "dd 1\nmt 1\n");
    let message = "ferric run has ended, and its devices with it";
    assert_contains(&read("dd.err"), &[message, "Input/output error"]);
    assert_contains(&read("mt.err"), &[message, "No such device or address"]);
}

#[test]
fn without_capabilities_network_and_writable_dev() {
    // As in a container. A user namespace needs no privilege where the kernel allows it; root needs none.
    let directory = Directory::new();
    let script = "mount --bind /dev /dev && mount -o remount,bind,ro /dev && \
        exec setpriv --no-new-privs \"$@\"";
    let is_root = rustix::process::geteuid().is_root();
    let mut container = Command::new("unshare");
    container.args(["--mount", "--net"]);
    if !is_root {
        container.arg("--map-root-user");
    }
    let ferric = directory.ferric(&[
        "run",
        "--load",
        "V00001L8",
        "--",
        "bash",
        "-ec",
        "tar cf /dev/nst0 /etc/passwd; mtx -f /dev/sg0 status; ! touch /dev/new 2>/dev/null",
    ]);
    container
        .args(["sh", "-c", script, "sh"])
        .arg(ferric.get_program())
        .args(ferric.get_args())
        .current_dir(directory.path());
    let output = container.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert_contains(&text, &["VolumeTag = V00001L8"]);
}
