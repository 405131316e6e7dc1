//! The end of programs, of the command and of `ferric run` itself.

use crate::{Directory, Ended, assert_contains, installed};
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
fn the_end_of_ferric_in_every_state() {
    let directory = Directory::new();
    directory.write("killed.c", include_str!("killed.c"));
    directory.succeed(&[], "cc -O2 -Wall -Werror -o killed killed.c");
    let mut ferric = directory.ferric(&["run", "--load", "V00001L8", "--", "sh", "-c", "exec ./killed > out 2> err"]);
    assert!(!ferric.status().unwrap().success());
    wait_for(&directory, "done");
    let read = |name: &str| std::fs::read_to_string(directory.path().join(name)).unwrap();
    let text = read("done");
    let mut results: Vec<&str> = text.lines().collect();
    results.sort_unstable();
    let then = "read EIO, ioctl EIO, close EIO, open ENXIO";
    assert_eq!(
        results,
        [
            "failed 0",
            "idle: read ENOSYS, ioctl EIO, close EIO, open ENXIO",
            &format!("inherited: {then}"),
            &format!("inherited: {then}"),
            "opening: open EIO, again ENXIO",
            "stream: fclose EIO",
            &format!("writing: write EIO, then: {then}"),
        ]
    );
    let errors = read("err");
    let messages = errors.lines().filter(|line| line.contains("ferric run has ended")).count();
    assert_eq!(messages, 6, "one of each process: {errors}");
}

/// Runs `ferric run` with options and a script of bash in new namespaces, after the commands of `setup`; `$@` is the command.
/// A user namespace needs no privilege where the kernel allows it; root needs none.
fn in_namespaces(directory: &Directory, setup: &str, options: &[&str], script: &str) -> Ended {
    let is_root = rustix::process::geteuid().is_root();
    let mut container = Command::new("unshare");
    container.args(["--mount", "--net"]);
    if !is_root {
        container.arg("--map-root-user");
    }
    let ferric = directory.ferric(&[&["run"], options, &["--", "bash", "-ec", script]].concat());
    container.args(["sh", "-ec", setup, "sh"]).arg(ferric.get_program()).args(ferric.get_args());
    Ended::from(container.current_dir(directory.path()).output().unwrap())
}

const READ_ONLY_DEV: &str = "mount --bind /dev /dev && mount -o remount,bind,ro /dev";

#[test]
fn without_capabilities_network_and_writable_dev() {
    let setup = format!("{READ_ONLY_DEV} && exec setpriv --no-new-privs \"$@\"");
    let script = "tar cf /dev/nst0 /etc/passwd; mtx -f /dev/sg0 status; ! touch /dev/new 2>/dev/null";
    let ended = in_namespaces(&Directory::new(), &setup, &["--load", "V00001L8"], script);
    assert_eq!(ended.code, 0, "{}{}", ended.out, ended.err);
    assert_contains(&ended.out, &["VolumeTag = V00001L8"]);
}

/// A separate root directory with read-only system directories, an empty /proc and /sys and no /dev/shm; 64 open files; a
/// HOME that does not exist.
#[test]
fn in_a_bare_root_directory() {
    let directory = Directory::new();
    let setup = "mount -t tmpfs none /mnt && cd /mnt && mkdir dev proc sys tmp && chmod 1777 tmp
        for name in bin lib lib64 usr etc; do
            test ! -L /$name || { cp -P /$name .; continue; }
            mkdir $name && mount --rbind /$name $name && mount -o remount,bind,ro $name
        done
        for name in null zero urandom; do touch dev/$name && mount --bind /dev/$name dev/$name; done
        mkdir -p .$INSTALLED && mount --bind $INSTALLED .$INSTALLED && chmod 1777 tmp && mount -o remount,ro /mnt/dev 2>/dev/null || true
        ulimit -n 64 && unset TMPDIR && export HOME=/none && exec chroot . \"$@\"";
    let setup = format!("INSTALLED={}; {setup}", installed().display());
    let script = "test ! -e /proc/self && test ! -e /dev/shm && test \"$(ulimit -n)\" = 64
        tar cf /dev/nst0 /etc/passwd && mt -f /dev/nst0 rewind && tar tf /dev/nst0
        cd /dev && mt -f nst0 tell && echo nst? && mtx -f sg0 status | grep -c V00001L8 && test ! -e /dev/nst7
        for number in $(seq 3 60); do eval \"exec $number<>/dev/sg1\" || break; done 2>&1 | tail -1 | grep -o 'Too many open files.*'
        mt -f /dev/nst0 status | grep -c ONLINE";
    let ended = in_namespaces(&directory, &setup, &["--load", "V00001L8"], script);
    assert_eq!(ended.code, 0, "{}{}", ended.out, ended.err);
    assert_eq!(ended.out, "etc/passwd\nAt block 1.\nnst0 nst1\n1\nToo many open files in system\n1\n");
}

#[test]
fn directories_for_temporary_files() {
    let directory = Directory::new();
    let long = directory.path().join("d".repeat(100));
    std::fs::create_dir(&long).unwrap();
    std::os::unix::fs::symlink(&long, directory.path().join("short")).unwrap();
    let in_directory = |tmp: &std::path::Path| {
        let options = ["run", "--load", "V00001L8", "--", "mt", "-f", "/dev/nst0", "tell"];
        let ended = Ended::from(directory.ferric(&options).env("TMPDIR", tmp).env_remove("HOME").output().unwrap());
        (ended.code, ended.out + &ended.err)
    };
    // The address of a socket has at most 108 bytes: /tmp is used.
    for tmp in [&long, &directory.path().join("short")] {
        assert_eq!(in_directory(tmp), (0, "At block 0.\n".into()));
    }
    let missing = in_directory(&directory.path().join("missing"));
    let message = format!(
        "ferric: cannot create the directory of the devices: {}/missing: No such file or directory",
        directory.path().display()
    );
    assert_eq!(missing.0, 125);
    assert_contains(&missing.1, &[&message]);
}
