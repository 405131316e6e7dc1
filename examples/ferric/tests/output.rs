//! Output whose reader has gone, or whose disk is full.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test that cannot go on has failed")]

use std::fs::OpenOptions;
use std::process::{Command, Output, Stdio};

fn gone() -> Stdio {
    std::io::pipe().unwrap().1.into()
}

fn full() -> Stdio {
    OpenOptions::new().write(true).open("/dev/full").unwrap().into()
}

#[test]
fn no_command_panics_and_nothing_is_left_half_done() {
    let dir = tempfile::tempdir().unwrap();
    let run = |arguments: &str, output: Stdio| {
        let mut tool = Command::new(env!("CARGO_BIN_EXE_ferric"));
        tool.args(arguments.split_whitespace()).current_dir(dir.path()).stdout(output);
        let Output { status, stderr, .. } = tool.output().unwrap();
        (status.code(), String::from_utf8(stderr).unwrap())
    };
    let quiet = (Some(0), String::new());
    assert_eq!(run("tape create V00001L8 --size 64MB", gone()), quiet);
    assert!(dir.path().join("V00001L8/ferric.mam").exists());
    std::fs::write(dir.path().join("in"), vec![0x5a; 100_000]).unwrap();
    assert_eq!(run("tape import in V00001L8", gone()), quiet);
    for shows in ["tape list .", "tape show V00001L8", "tape dump V00001L8", "tape verify V00001L8"] {
        assert_eq!(run(shows, gone()), quiet, "{shows}");
        let (code, said) = run(shows, full());
        assert_eq!(code, Some(1), "{shows}");
        assert_eq!(said, "ferric: the output: No space left on device (os error 28)\n", "{shows}");
    }
    for shows in ["config models", "config reference", "--help", "tape --help", "--version"] {
        assert_eq!(run(shows, gone()), quiet, "{shows}");
        assert_eq!(run(shows, full()).0.filter(|code| *code > 1), None, "{shows}");
    }
    // An image that was cut short is no success, and is no reason for a message either.
    assert_eq!(run("tape export V00001L8 -", gone()), (Some(1), String::new()));
    assert_eq!(run("tape export V00001L8 -", full()).0, Some(1));
}

#[test]
fn errors_whose_reader_has_gone() {
    for arguments in [&["tape", "show", "nowhere"][..], &["no-such-word"], &["config", "check", "nowhere"]] {
        for output in [gone(), full()] {
            let status = Command::new(env!("CARGO_BIN_EXE_ferric")).args(arguments).stderr(output).status().unwrap();
            assert!(matches!(status.code(), Some(1 | 2)), "{arguments:?}: {status}");
        }
    }
}
