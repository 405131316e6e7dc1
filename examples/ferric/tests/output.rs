//! Output whose reader has gone, or whose disk is full.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test that cannot go on has failed")]

use std::fs::OpenOptions;
use std::process::{Command, Output, Stdio};

fn closed_pipe() -> Stdio {
    std::io::pipe().unwrap().1.into()
}

fn full_disk() -> Stdio {
    OpenOptions::new().write(true).open("/dev/full").unwrap().into()
}

#[test]
fn output_errors_never_panic_or_leave_partial_files() {
    let dir = tempfile::tempdir().unwrap();
    let run = |arguments: &str, output: Stdio| {
        let mut tool = Command::new(env!("CARGO_BIN_EXE_ferric"));
        tool.args(arguments.split_whitespace()).current_dir(dir.path()).stdout(output);
        let Output { status, stderr, .. } = tool.output().unwrap();
        (status.code(), String::from_utf8(stderr).unwrap())
    };
    let quiet = (Some(0), String::new());
    assert_eq!(run("tape create V00001L8 --size 64MB", closed_pipe()), quiet);
    assert!(dir.path().join("V00001L8/ferric.mam").exists());
    std::fs::write(dir.path().join("in"), vec![0x5a; 100_000]).unwrap();
    assert_eq!(run("tape import in V00001L8", closed_pipe()), quiet);
    for shows in ["tape list .", "tape show V00001L8", "tape dump V00001L8", "tape verify V00001L8"] {
        assert_eq!(run(shows, closed_pipe()), quiet, "{shows}");
        let (code, said) = run(shows, full_disk());
        assert_eq!(code, Some(1), "{shows}");
        assert_eq!(said, "ferric: cannot write output: No space left on device (os error 28)\n", "{shows}");
    }
    for shows in ["config models", "config reference", "--help", "tape --help", "--version"] {
        assert_eq!(run(shows, closed_pipe()), quiet, "{shows}");
        assert_eq!(run(shows, full_disk()).0.filter(|code| *code > 1), None, "{shows}");
    }
    // An image that was cut short is no success, and is no reason for a message either.
    assert_eq!(run("tape export V00001L8 -", closed_pipe()), (Some(1), String::new()));
    assert_eq!(run("tape export V00001L8 -", full_disk()).0, Some(1));
}

#[test]
fn closed_stderr_is_tolerated() {
    for arguments in [&["tape", "show", "nowhere"][..], &["no-such-word"], &["config", "check", "nowhere"]] {
        for output in [closed_pipe(), full_disk()] {
            let status = Command::new(env!("CARGO_BIN_EXE_ferric")).args(arguments).stderr(output).status().unwrap();
            assert!(matches!(status.code(), Some(1 | 2)), "{arguments:?}: {status}");
        }
    }
}

/// A command that acts has done it, although its output cannot be written.
#[test]
fn what_was_done_is_no_failure() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("s");
    let text = "[library]\nslots = 4\n[[drive]]\nmodel = \"ULT3580-TD8\"\n[[cartridges]]\npattern = \"A#L8\"\ncount = 2\n\
        size = \"64MB\"\n[[pool]]\nname = \"p\"\npattern = \"P#L8\"\nsize = \"64MB\"\n";
    let config = vtl::config::parse("f", text).unwrap();
    let site = vtl::site::Site::open_data_dir(vtl::data_dir::DataDir::in_memory(), &config).unwrap();
    let _control = vtl::control::socket::ControlSocket::open(&socket, &site).unwrap();
    let run = |arguments: &str, output: Stdio| {
        let mut tool = Command::new(env!("CARGO_BIN_EXE_ferric"));
        tool.args(arguments.split_whitespace()).current_dir(dir.path()).stdout(output);
        let Output { status, stderr, .. } = tool.output().unwrap();
        (status.code(), String::from_utf8(stderr).unwrap())
    };
    let note =
        "ferric: note: the command was done, but its output cannot be written: No space left on device (os error 28)\n";
    for acts in [
        "load A1L8 --socket s",
        "unload drive1 --socket s",
        "load A1L8 --socket s",
        "move drive1 slot1 --socket s",
        "pool p --create 1 --socket s",
        "config init",
    ] {
        assert_eq!(run(acts, full_disk()), (Some(0), note.into()), "{acts}");
    }
    let json_note = "{\"note\":\"the command was done, but its output cannot be written: No space left on device (os error 28)\"}\n";
    assert_eq!(run("load A1L8 --socket s --json", full_disk()), (Some(0), json_note.into()));
    assert!(dir.path().join("ferric.toml").exists());
    assert_eq!(run("unload A1L8 --socket s", closed_pipe()), (Some(0), String::new()));
    // A command that only shows something has failed.
    assert_eq!(run("status --socket s", full_disk()).0, Some(1));
}

/// Numbers and words on the command line: the value, the argument, and what was expected.
#[test]
fn wrong_values_are_explained() {
    for (arguments, expected) in [
        ("alert 65", "invalid value '65' for '[FLAG]': expected the number of a TapeAlert flag, 1 to 64"),
        ("alert x", "invalid value 'x' for '[FLAG]': expected the number of a TapeAlert flag, 1 to 64"),
        (
            "pool p --create many",
            "invalid value 'many' for '--create <COUNT>': expected a number of cartridges, 1 to 10000",
        ),
        ("cartridge A1L8 --protect maybe", "invalid value 'maybe' for '--protect <on|off>': expected on or off"),
        (
            "cartridge A1L8 --retain soon",
            "invalid value 'soon' for '--retain <DATE>': expected a day such as 2030-01-31",
        ),
        (
            "tape dump A --partition x",
            "invalid value 'x' for '--partition <PARTITION>': expected the number of a partition, 0 to 3",
        ),
        (
            "tape dump A --object x",
            "invalid value 'x' for '--object <OBJECT>': expected the number of an object, 0 or more",
        ),
        ("tape dump A --count x", "invalid value 'x' for '--count <COUNT>': expected a number of objects, 1 or more"),
        ("tape dump A --data x", "invalid value 'x' for '--data [<BYTES>]': expected a number of bytes, 0 or more"),
        (
            "tape import f A --block-size 0",
            "invalid value '0' for '--block-size <BLOCK_SIZE>': expected a number of bytes, 1 to",
        ),
        (
            "tape export A f --file x",
            "invalid value 'x' for '--file <FILE>': expected the number of a tape file, 0 or more",
        ),
        ("door access ajar", "invalid value 'ajar' for '<STATE>'\n  [possible values: open, close]"),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_ferric")).args(arguments.split_whitespace()).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments}: {said}");
        assert!(said.contains(expected), "{arguments}: {said}");
        assert!(!said.contains("digit"), "{arguments}: {said}");
    }
}

#[test]
fn json_error_of_a_group_without_a_command_names_its_commands() {
    for (group, commands) in [("migrate", "mhvtl"), ("token", "create, list, remove")] {
        let output = Command::new(env!("CARGO_BIN_EXE_ferric")).args(["--json", group]).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{group}");
        let error: serde_json::Value = serde_json::from_slice(&output.stderr).unwrap();
        let expected =
            format!("'ferric {group}' requires a subcommand but one was not provided [subcommands: {commands}, help]");
        assert_eq!((&error["error"]["code"], &error["error"]["message"]), (&"usage".into(), &expected.into()));
    }
}
