//! Programs that receive events: input, environment, order, failures and the limit of time.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "test code")]

mod common;

use common::{open, virtual_clock};
use std::fs;
use std::path::Path;
use std::time::Duration;
use vtl::clock::Clock;
use vtl::control::{ControlRequest, Door};

/// A target that runs this text as a script of the shell, in a directory.
fn target(directory: &Path, text: &str, more: &str) -> String {
    fs::write(directory.join("script"), format!("cd {}\n{text}\n", directory.display())).unwrap();
    let script = directory.join("script");
    format!("[[notify]]\nname = \"p\"\ncommand = [\"/bin/sh\", {script:?}, \"a b\", \"$HOME\"]\n{more}")
}

#[test]
fn a_program_gets_the_event() {
    let dir = tempfile::tempdir().unwrap();
    let text = "cat >> input; echo \"$1|$2|$FERRIC_EVENT|$FERRIC_EVENT_LEVEL|$FERRIC_EVENT_SEQ|$FERRIC_EVENT_AT|\
                $FERRIC_EVENT_SOURCE|$FERRIC_EVENT_LIBRARY|$FERRIC_EVENT_BARCODE|$FERRIC_EVENT_INITIATOR|\" >> seen";
    let fixture = open(&target(dir.path(), text, "events = [\"door\", \"damaged\"]\n"), virtual_clock().clock());
    let door = ControlRequest::Door { library: None, door: Door::IoStation, open: true };
    fixture.site.control(&door).unwrap();
    fixture.send([7]);
    let status = fixture.wait(|status| status.delivered == 2);
    assert_eq!((status.kind.as_str(), status.destination.as_str()), ("command", "/bin/sh"));
    let seen = fs::read_to_string(dir.path().join("seen")).unwrap();
    let lines: Vec<&str> = seen.lines().collect();
    assert!(lines[0].starts_with("a b|$HOME|door|info|"), "{seen}");
    assert!(lines[0].ends_with("|1795307362999|operator|main|||"), "{seen}");
    assert!(lines[1].starts_with("a b|$HOME|damaged|error|") && lines[1].ends_with("|site||A7||"), "{seen}");
    let input = fs::read_to_string(dir.path().join("input")).unwrap();
    let events: Vec<serde_json::Value> = input.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&events[0]["door"], &events[1]["barcode"]), (&"io_station".into(), &"A7".into()));
}

#[test]
fn a_failing_program_runs_again() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), virtual_clock());
    let text = "echo $FERRIC_EVENT_BARCODE >> seen; [ -e works ] || { echo not yet; exit 4; }";
    let fixture = open(&target(dir.path(), text, ""), clock.clock());
    fixture.send([1, 2]);
    let status = fixture.wait(|status| status.failures == 1);
    assert_eq!(status.last_error.as_deref(), Some("/bin/sh: exit status: 4: \"not yet\""));
    fs::write(dir.path().join("works"), "").unwrap();
    assert_eq!(clock.advance_to_deadline(), Duration::from_secs(1));
    fixture.wait(|status| status.delivered == 2);
    assert_eq!(fs::read_to_string(dir.path().join("seen")).unwrap(), "A1\nA1\nA2\n");
}

#[test]
fn a_program_that_does_not_end_is_killed() {
    let dir = tempfile::tempdir().unwrap();
    let fixture = open(&target(dir.path(), "sleep 600", "timeout_seconds = 1\n"), Clock::real());
    let error = fixture.test("p").unwrap_err();
    assert_eq!(error.message, "target \"p\": /bin/sh: killed after 1 s");
}

#[test]
fn one_program_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let text = "mkdir busy || { echo two at a time; exit 1; }; sleep 0.2; rmdir busy; echo x >> seen";
    let fixture = open(&target(dir.path(), text, ""), Clock::real());
    fixture.send([1, 2]);
    assert_eq!(fixture.test("p").unwrap().answer, "exit status 0");
    let status = fixture.wait(|status| status.delivered == 2);
    assert_eq!(
        (status.failed_attempts, fs::read_to_string(dir.path().join("seen")).unwrap().as_str()),
        (0, "x\nx\nx\n")
    );
}
