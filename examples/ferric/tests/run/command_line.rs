//! Options of `ferric run`, and commands that it refuses.

use crate::compatibility::record_result;
use crate::{Directory, Ended, assert_contains, installed};
use iscsid::Portal;
use std::fs;
use std::process::Command;
use vtl::Library;
use vtl::control::socket::ControlSocket;
use vtl::frontend::Frontend;

#[test]
fn nodes_are_printed_and_chosen() {
    let directory = Directory::new();
    let output = Ended::from(directory.ferric(&["run", "--print", "--drive", "/dev/nst4", "--json"]).output().unwrap());
    let nodes: serde_json::Value = serde_json::from_str(&output.out).unwrap();
    let node = |index: usize, key: &str| nodes[index][key].as_str().unwrap().to_owned();
    assert_eq!(
        (node(0, "node"), node(1, "node"), node(2, "node")),
        ("/dev/sch0".into(), "/dev/nst4".into(), "/dev/nst0".into())
    );
    assert_eq!((node(0, "model"), node(1, "generic")), ("STK L700".into(), "/dev/sg1".into()));
    let out = directory.succeed(
        &["--drive", "/dev/nst4", "--drive", "st2", "--load", "V00001L8", "--print"],
        "echo $FERRIC_CHANGER $FERRIC_DRIVE0 $FERRIC_DRIVE0_SG $FERRIC_DRIVE1 && mt -f /dev/nst4 status && test ! -e /dev/nst0",
    );
    assert_contains(
        &out,
        &["/dev/nst4    /dev/sg1   IBM ULT3580-TD8", "/dev/sg0 /dev/nst4 /dev/sg1 /dev/nst2\n", "ONLINE"],
    );
}

#[test]
fn commands_of_ferric_use_the_library_of_the_command() {
    let directory = Directory::new();
    let script = "ferric=$(readlink -f /proc/$PPID/exe); $ferric library; $ferric fault pick; test -S $FERRIC_SOCKET
        ! mtx -f /dev/sg0 load 2 1 &> failed && grep -c 'Sense Key=Hardware Error' failed
        $ferric robot online > /dev/null; $ferric load V00003L8 drive2 && mt -f /dev/nst1 status | grep -c ONLINE";
    let out = directory.succeed(&["--load", "V00001L8"], script);
    assert_contains(&out, &["STK L700", "\n1\n", "V00003L8"]);
}

/// The script of `--faults`: the third block that dd writes is refused, and is not on tape.
#[test]
fn faults_of_a_script_meet_the_command() {
    let directory = Directory::new();
    directory.write("faults.toml", "[[fault]]\nname = 'third'\nkind = 'write_error'\nrecords = [2, 2]\n");
    let script = "ferric=$(readlink -f /proc/$PPID/exe)
        ! dd if=/dev/zero of=/dev/nst0 bs=64k count=5 2> failed && grep -c 'Input/output error' failed
        $ferric fault list; mt -f /dev/nst0 rewind; dd if=/dev/nst0 of=/dev/null bs=64k 2>&1 | grep -o '^[0-9]*+0 records in'
        $ferric fault add --fault \"kind = 'busy', until_cleared = true\" && $ferric fault clear";
    let out = directory.succeed(&["--load", "V00001L8", "--faults", "faults.toml"], script);
    assert_contains(
        &out,
        &["1\nthird: write_error, finished, 1 of 1 failed\n2+0 records in\nfault1: busy, active, 0 of 0 failed\n"],
    );
    assert_contains(&out, &["third: cleared\nfault1: cleared\n"]);
    directory.write("faults.toml", "[[fault]]\nkind = 'bussy'\n");
    let refused = Ended::from(directory.ferric(&["run", "--faults", "faults.toml", "--", "true"]).output().unwrap());
    assert_contains(&refused.err, &["faults.toml: fault 1, kind: \"bussy\" is not a kind of fault"]);
}

#[test]
fn a_kept_library_is_there_again() {
    let directory = Directory::new();
    let keep = ["--keep", "tapes"];
    directory.succeed(&keep, "mtx -f /dev/sg0 load 3 0 && echo kept > /dev/nst0");
    let out = directory.succeed(&keep, "mt -f /dev/nst0 rewind && cat /dev/nst0 && mtx -f /dev/sg0 status");
    assert_contains(&out, &["kept\n", "Storage Element 3 Loaded):VolumeTag = V00003L8"]);
    let ended = directory.run(&keep, "ferric=$(readlink -f /proc/$PPID/exe); $ferric run --keep tapes -- true");
    assert_eq!(ended.code, 125, "{}", ended.err);
    assert_contains(&ended.err, &["tapes"]);
}

#[test]
fn every_command_begins_with_the_same_snapshot() {
    let directory = Directory::new();
    directory.succeed(&["--load", "V00001L8", "--snapshot", "begin"], "echo first > /dev/nst0");
    for _ in 0..2 {
        let out = directory.succeed(
            &["--restore", "begin"],
            "mt -f /dev/nst0 rewind && cat /dev/nst0 && mt -f /dev/nst0 rewind && echo second > /dev/nst0",
        );
        assert_eq!(out, "first\n");
    }
    directory.succeed(&["--restore", "begin", "--keep", "kept"], "mtx -f /dev/sg0 load 2 1");
    let out = directory.succeed(&["--keep", "kept"], "mtx -f /dev/sg0 status");
    assert_contains(
        &out,
        &["Storage Element 1 Loaded):VolumeTag = V00001L8", "Storage Element 2 Loaded):VolumeTag = V00002L8"],
    );
    for (options, message) in [
        (["--restore", "missing"], "missing: not the directory of a library"),
        (["--snapshot", "kept"], "kept: not empty; name a directory that does not exist"),
    ] {
        let ended = directory.run(&options, "true");
        assert_eq!(ended.code, 125, "{options:?}");
        assert_contains(&ended.err, &[message]);
    }
}

#[test]
fn commands_of_the_program_are_traced() {
    let directory = Directory::new();
    directory.succeed(&["--load", "V00001L8", "--trace", "trace"], "mt -f /dev/nst0 weof && mt -f /dev/nst0 rewind");
    let trace = fs::read_to_string(directory.path().join("trace")).unwrap();
    assert_contains(&trace, &["WRITE FILEMARKS", "REWIND"]);
}

#[test]
fn programs_that_cannot_be_served_are_refused() {
    let directory = Directory::new();
    directory.write("script", "#!/bin/busybox sh\ntrue\n");
    directory.write("text", "no program");
    fs::set_permissions(directory.path().join("text"), std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    for (command, code, message) in [
        ("busybox", 126, "is linked statically, so nothing can be preloaded; serve the library over iSCSI"),
        ("./script", 126, "is linked statically"),
        ("./text", 126, "./text: is not executable"),
        ("./missing", 127, "./missing: no such program"),
        ("no-such-program", 127, "no-such-program: no such program"),
    ] {
        let ended = Ended::from(directory.ferric(&["run", "--", command]).output().unwrap());
        assert_eq!((ended.code, ended.out.as_str()), (code, ""), "{command}: {}", ended.err);
        assert_contains(&ended.err, &["ferric: ", message]);
    }
    // A program of another user that changes to it; root would not change.
    let ended = Ended::from(directory.ferric(&["run", "--", "su", "-c", "true"]).output().unwrap());
    assert_eq!(ended.code, 126);
    assert_contains(&ended.err, &["runs as another user (setuid or setgid)"]);
    // A descendant runs, with a warning.
    let ended = directory.run(&[], "busybox echo runs");
    assert_eq!((ended.code, ended.out.as_str()), (0, "runs\n"));
    assert_contains(&ended.err, &["busybox is linked statically: it does not see the devices of ferric run"]);
    record_result("programs that are linked statically", "busybox-static", "start of busybox", "refused, with advice");
    record_result("programs that are setuid", "util-linux", "start of su by another user", "refused, with advice");
}

#[test]
fn wrong_options_are_named() {
    let directory = Directory::new();
    directory.write("bad.toml", "[library]\nslots = \"many\"\n");
    for (options, code, message) in [
        (&["run"][..], 2, "the following required arguments were not provided"),
        (&["run", "--drive", "/dev/sg3", "--", "true"], 2, "expected a tape node from /dev/nst0 to /dev/nst2047"),
        (
            &["run", "--portal", "h:1", "--load", "A", "--", "true"],
            2,
            "ferric: the option '--load' does not apply with '--portal'",
        ),
        (
            &["run", "--data", ".", "--load", "A", "--", "true"],
            2,
            "ferric: the option '--load' does not apply with '--data'",
        ),
        (
            &["run", "--socket", "s", "--trace", "t", "--", "true"],
            2,
            "the option '--trace' does not apply with '--socket'",
        ),
        (
            &["run", "--data", ".", "--portal", "h:1", "--", "true"],
            2,
            "the option '--data' does not apply with '--portal'",
        ),
        (&["run", "--user", "u", "--", "true"], 2, "the option '--user' needs '--portal', '--data' or '--socket'"),
        (&["run", "--portal", "h:1", "--secret-file", "s", "--", "true"], 2, "--user <NAME>"),
        (&["run", "--load", "NONE00L8", "--", "true"], 125, "--load NONE00L8: "),
        (&["run", "--config", "missing.toml", "--", "true"], 125, "missing.toml: No such file or directory"),
        (&["run", "--config", "bad.toml", "--", "true"], 125, "bad.toml:2: library.slots"),
        (&["run", "--trace", "missing/trace", "--", "true"], 125, "--trace: missing/trace: "),
    ] {
        let ended = Ended::from(directory.ferric(options).output().unwrap());
        assert_eq!(ended.code, code, "{options:?}: {}", ended.err);
        assert_contains(&ended.err, &[message]);
    }
}

#[test]
fn the_environment_survives_programs_that_clear_it() {
    let out = Directory::new()
        .succeed(&["--load", "V00001L8"], "env -i /bin/sh -c 'mt -f /dev/nst0 status; echo ${FERRIC_DRIVE0:-none}'");
    assert_contains(&out, &["ONLINE", "none"]);
}

#[test]
fn the_targets_of_a_portal_are_devices() {
    let site = Library::builder()
        .drives("ULT3580-TD9", 1)
        .cartridges("A#L9", 2, "64MB")
        .frontend(Frontend::ISCSI)
        .open()
        .unwrap();
    let portal = Portal::on_free_port(&site).unwrap();
    let address = portal.address().to_string();
    let directory = Directory::new();
    let out = directory.succeed(
        &["--portal", &address, "--print"],
        "mtx -f /dev/sg0 load 2 0 && echo remote > /dev/nst0 && mt -f /dev/nst0 rewind && cat /dev/nst0",
    );
    assert_contains(&out, &["/dev/nst0    /dev/sg1   IBM ULT3580-TD9", "remote\n"]);
    // The cartridge stays in the drive of the daemon.
    assert_contains(&directory.succeed(&["--portal", &address], "mtx -f /dev/sg0 status"), &["VolumeTag = A2L9"]);
    portal.close();
    let ended = Ended::from(directory.ferric(&["run", "--portal", &address, "--", "true"]).output().unwrap());
    assert_eq!(ended.code, 125);
    assert_contains(&ended.err, &[&format!("ferric: iSCSI portal {address}: ")]);
}

#[test]
fn a_portal_with_chap() {
    let users = "[[iscsi.user]]\nname = \"backup\"\nsecret = \"a-secret-for-users\"\n\
        [iscsi.mutual]\nname = \"library\"\nsecret = \"a-secret-for-target\"\n";
    let config = vtl::config::parse("test", users).unwrap();
    let site = Library::builder().drives("ULT3580-TD9", 1).frontend(Frontend::ISCSI).open().unwrap();
    let portal = Portal::open(&site, &config.iscsi.with_bind("127.0.0.1:0")).unwrap();
    let address = portal.address().to_string();
    let directory = Directory::new();
    for (name, secret) in [
        ("right", "a-secret-for-users\n"),
        ("wrong", "another-secret"),
        ("target", "a-secret-for-target"),
        ("empty", "\n"),
    ] {
        directory.write(name, secret);
    }
    let run = |options: &[&str], secret: Option<&str>| {
        let script = "echo ${FERRIC_CHAP_SECRET-none} && sg_raw -r 96 /dev/sg1 12 0 0 0 60 0 2>&1 | grep -o ULT3580";
        let mut command =
            directory.ferric(&[&["run", "--portal", &address], options, &["--", "sh", "-c", script]].concat());
        secret.map(|secret| command.env("FERRIC_CHAP_SECRET", secret));
        let ended = Ended::from(command.output().unwrap());
        (ended.code, ended.out + &ended.err)
    };
    let user = ["--user", "backup"];
    let with = |options: &[&'static str]| [&user[..], options].concat();
    for (options, secret) in [
        (with(&["--secret-file", "right"]), None),
        (with(&["--secret-file", "right"]), Some("not-used")),
        (with(&["--secret-file", "right", "--target-secret-file", "target"]), None),
        (with(&[]), Some("a-secret-for-users")),
    ] {
        assert_eq!(run(&options, secret), (0, "none\nULT3580\n".into()), "{options:?}");
    }
    let refused = format!("ferric: iSCSI portal {address}: ");
    let check = "(authentication failure): check --user, its secret, and whether the portal uses CHAP\n";
    for (options, secret, message) in [
        (with(&["--secret-file", "wrong"]), None, format!("{refused}login refused: 0201 {check}")),
        (with(&[]), Some("too-short"), format!("{refused}login refused: 0201 {check}")),
        (
            vec![],
            None,
            format!("{refused}login refused: 0201 (authentication failure): the portal requires CHAP, give --user\n"),
        ),
        (
            with(&["--secret-file", "right", "--target-secret-file", "wrong"]),
            None,
            format!("{refused}mutual CHAP: the response of the target is wrong\n"),
        ),
        (
            with(&[]),
            None,
            "ferric: the option '--user' needs a secret: give --secret-file or set FERRIC_CHAP_SECRET\n".into(),
        ),
        (with(&["--secret-file", "empty"]), None, "ferric: empty: expected a CHAP secret, one line of text\n".into()),
        (with(&["--secret-file", "none"]), None, "ferric: none: No such file or directory (os error 2)\n".into()),
    ] {
        assert_eq!(run(&options, secret), (125, message), "{options:?}");
    }
}

#[test]
fn cdbs_of_more_than_sixteen_bytes_at_a_portal() {
    let site = Library::builder().drives("ULT3580-TD9", 1).frontend(Frontend::ISCSI).open().unwrap();
    let portal = Portal::on_free_port(&site).unwrap();
    let send = "sg_raw /dev/sg1 7f 0 0 0 0 0 0 18 0 9 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 1 2>&1 || true";
    let directory = Directory::new();
    let remote = directory.succeed(&["--portal", &portal.address().to_string()], send);
    assert_contains(&remote, &["Invalid command operation code"]);
    assert_eq!(remote, directory.succeed(&[], send));
}

/// Only the user who runs the daemon may use its control socket, so this command runs as the user of this process.
#[test]
fn the_library_of_a_daemon_is_found_through_its_control_socket() {
    let site = Library::builder().drives("ULT3580-TD9", 1).cartridges("A#L9", 2, "64MB").frontend(Frontend::ISCSI);
    let site = site.open().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let _control = ControlSocket::open(&directory.path().join("control.sock"), &site).unwrap();
    let run = |options: &[&str]| {
        let mut command = Command::new(installed().join("ferric"));
        command.current_dir(directory.path()).arg("run").args(options).args(["--", "mtx", "-f", "/dev/sg0", "status"]);
        Ended::from(command.output().unwrap())
    };
    let without = run(&["--data", "."]);
    assert_eq!((without.code, without.err.as_str()), (125, "ferric: the daemon serves no targets over iSCSI\n"));
    let portal = Portal::on_free_port(&site).unwrap();
    for options in [&["--data", "."][..], &["--socket", "control.sock"]] {
        let ended = run(options);
        assert_eq!(ended.code, 0, "{}", ended.err);
        assert_contains(&ended.out, &["VolumeTag=A1L9"]);
    }
    portal.close();
    assert_eq!(run(&["--socket", "control.sock"]).err, without.err);
}
