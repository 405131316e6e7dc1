//! `ferric trace` and `ferric counters`: the commands of a host, from a running site and from a trace file.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "test code")]

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use vtl::Library;
use vtl::control::socket::ControlSocket;
use vtl::host::Host;
use vtl::observer::TraceFile;
use vtl::scsi_core::nexus::NexusId;
use vtl::target::TaskFunction;

fn ferric(directory: &Path, line: &str) -> (i32, String, String) {
    let output =
        Command::new(env!("CARGO_BIN_EXE_ferric")).args(line.split(' ')).current_dir(directory).output().unwrap();
    let [out, err] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    (output.status.code().unwrap(), out, err)
}

/// The lines of a trace, without the times.
fn lines(trace: &str) -> Vec<String> {
    let without_times = |line: &str| {
        let parts: Vec<&str> = line.split(", ").filter(|part| !part.ends_with(" us")).collect();
        parts.join(", ").split_once(' ').unwrap().1.to_owned()
    };
    trace.lines().map(without_times).collect()
}

const EXPECTED: [&str; 7] = [
    "main/drive1 host1: TEST UNIT READY, at partition 0 object 0, CHECK CONDITION: UNIT ATTENTION 28h/00h (Not ready to \
     ready change, medium may have changed)",
    "main/drive1 host1: WRITE(6) TRANSFER LENGTH=5, out 5, partition 0 object 0 to partition 0 object 1, GOOD",
    "main/drive1 host1: WRITE FILEMARKS(6) FILEMARK COUNT=1, partition 0 object 1 to partition 0 object 2, GOOD",
    "main/drive1 host1: REWIND, partition 0 object 2 to partition 0 object 0, GOOD",
    "main/drive1 host1: READ(6) TRANSFER LENGTH=5, in 5, partition 0 object 0 to partition 0 object 1, GOOD",
    "main/drive1 host1: READ(6) TRANSFER LENGTH=5, partition 0 object 1 to partition 0 object 2, CHECK CONDITION: \
     NO SENSE 00h/01h (Filemark detected), FILEMARK, information 5",
    "main/drive1 host1: SECURITY PROTOCOL OUT SECURITY PROTOCOL=32 SECURITY PROTOCOL SPECIFIC=16 TRANSFER LENGTH=52, \
     out 52, at partition 0 object 2, GOOD",
];

#[test]
fn commands_of_a_host_are_traced_and_counted() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path();
    let site = Library::builder().slots(2).drives("ULT3580-TD8", 1).cartridges("A#L8", 1, "64MB").open().unwrap();
    let trace_file = Arc::new(TraceFile::create(&path.join("file"), 4).unwrap());
    let _control = ControlSocket::open(&path.join("s"), &site).unwrap();
    let host = Host::login(&site.targets()[0], 1);
    host.clear_unit_attentions();
    host.move_medium(0, 1000, 500).unwrap();
    let begin = site.trace().last();
    site.add_observer(Arc::clone(&trace_file) as _);
    let mut set_key = vec![0, 0x10, 0, 48, 0x40, 0, 2, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32];
    set_key.extend([0x5a; 32]);
    let commands: [(&[u8], &[u8]); 7] = [
        (&[0; 6], &[]),
        (&[0x0a, 0, 0, 0, 5, 0], b"block"),
        (&[0x10, 0, 0, 0, 1, 0], &[]),
        (&[0x01, 0, 0, 0, 0, 0], &[]),
        (&[0x08, 0, 0, 0, 5, 0], &[]),
        (&[0x08, 0, 0, 0, 5, 0], &[]),
        (&[0xb5, 0x20, 0, 0x10, 0, 0, 0, 0, 0, 52, 0, 0], &set_key),
    ];
    for (cdb, data) in commands {
        if data.is_empty() {
            host.command(1, cdb, 5)
        } else {
            host.command_with_data(1, cdb, data)
        };
    }
    let (code, out, err) = ferric(path, "trace --socket s --unit drive1");
    assert_eq!((code, err.as_str()), (0, ""));
    let traced = lines(&out);
    assert_eq!(traced[traced.len() - 7..], EXPECTED);
    // The changer's commands are in the trace without a unit, and none before the last 5 minutes is left out.
    let all = lines(&ferric(path, "trace --socket s --since 5m").1);
    assert_eq!(u64::try_from(all.len()).unwrap(), begin + 7);
    assert!(all.iter().any(|line| line.starts_with("main/changer host1: MOVE MEDIUM SOURCE ADDRESS=1000")), "{all:?}");
    // Also since a time: the beginning of this century, and a time in the future.
    for (since, expected) in [("2001-01-01T00:00:00Z", all.len()), ("2001-01-01", all.len()), ("2100-01-01T12:30Z", 0)]
    {
        let (code, out, err) = ferric(path, &format!("trace --socket s --since {since}"));
        assert_eq!((code, lines(&out).len()), (0, expected), "{since}: {err}");
    }
    let json = ferric(path, "trace --socket s --unit drive1 --json").1;
    let write: serde_json::Value = serde_json::from_str(json.lines().rev().nth(5).unwrap()).unwrap();
    assert_eq!(
        (&write["cdb"], &write["decoded"]["fields"]["transfer_length"], &write["position_after"]["object"]),
        (&"0a0000000500".into(), &5.into(), &1.into())
    );

    site.shut_down().unwrap();
    drop(trace_file);
    let (code, out, err) = ferric(path, "trace --file file");
    assert_eq!((code, err.as_str()), (0, ""));
    assert_eq!(lines(&out), EXPECTED);
    let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(path.join("file")).unwrap());
    assert_eq!(mode & 0o777, 0o600);
    let text = std::fs::read_to_string(path.join("file")).unwrap();
    assert!(text.contains("\"data_out\":\"626c6f63\"") && text.contains("\"data_in\":\"626c6f63\""), "{text}");
    assert!(!text.contains("5a5a"), "a key is in the trace: {text}");
}

#[test]
fn task_management_functions_are_printed_from_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path();
    let site = Library::builder().slots(2).drives("ULT3580-TD8", 2).open().unwrap();
    site.trace_to(&path.join("t"), 64).unwrap();
    let target = &site.targets()[0];
    let host = Host::login(target, 1);
    host.clear_unit_attentions();
    // The host has sent a command to drive2, the other nexus none at all.
    let (first, other) = (NexusId(1), NexusId(7));
    for (nexus, function, lun) in [
        (first, TaskFunction::UnitReset, 2),
        (other, TaskFunction::ClearTaskSet, 1),
        (first, TaskFunction::TargetReset, 0),
    ] {
        assert!(target.manage_tasks(nexus, function, lun << 48, &[]));
    }
    let name = target.name().to_owned();
    site.shut_down().unwrap();
    let functions = |line: &str| {
        let (code, out, err) = ferric(path, line);
        assert_eq!((code, err.as_str()), (0, ""));
        lines(&out)
            .into_iter()
            .filter(|line| !line.contains("host1: TEST") && !line.contains("REQUEST SENSE"))
            .collect()
    };
    let all: Vec<String> = functions("trace --file t");
    let target_reset = format!("{name} host1: TARGET RESET");
    assert_eq!(
        all,
        ["main/drive2 host1: LOGICAL UNIT RESET", "main/drive1 I_T nexus 7: CLEAR TASK SET", &target_reset]
    );
    let of_drive: Vec<String> = functions("trace --file t --unit drive2");
    assert_eq!(of_drive, ["main/drive2 host1: LOGICAL UNIT RESET"]);
    let json = ferric(path, "trace --file t --unit drive2 --json").1;
    assert!(json.contains("{\"task_management\":{") && !json.contains("clear_task_set"), "{json}");
}

#[test]
fn trace_is_replayed_by_another_process() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path();
    let site = Library::builder().slots(2).drives("ULT3580-TD8", 1).cartridges("A#L8", 1, "64MB").open().unwrap();
    site.trace_to(&path.join("t"), 64).unwrap();
    let host = Host::login(&site.targets()[0], 1);
    host.clear_unit_attentions();
    host.move_medium(0, 1000, 500).unwrap();
    host.clear_unit_attentions();
    host.write(1, &[7; 100]).unwrap();
    site.shut_down().unwrap();
    let commands = std::fs::read_to_string(path.join("t")).unwrap().lines().filter(|line| line.contains("cdb")).count();
    let note = "ferric: note: of 1 command, the trace has only the first bytes of the data; the rest was zero (--trace-data)\n";
    for line in ["trace replay t", "trace replay t --compare"] {
        let summary = format!("{commands} commands, 0 of them different\n");
        assert_eq!(ferric(path, line), (0, summary, note.to_owned()), "{line}");
    }
    // Another result is found.
    let text = std::fs::read_to_string(path.join("t")).unwrap();
    let last = text.lines().last().unwrap().to_owned();
    let busy = last.replace("\"status\":0", "\"status\":8");
    std::fs::write(path.join("t"), text.replace(&last, &busy)).unwrap();
    let (code, out, err) = ferric(path, "trace replay t --compare");
    assert!(out.contains("  status BUSY in the trace, GOOD in the replay\n"), "{out}");
    assert!(err.ends_with("ferric: the replay differs from the trace\n"), "{err}");
    assert_eq!(code, 1);
    let (code, out, _) = ferric(path, "trace replay t --json");
    let summary: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (code, &summary["different"], &summary["first_difference"]["record"]["status"]),
        (0, &1.into(), &8.into())
    );
    // A trace without libraries needs a configuration.
    std::fs::write(path.join("t"), format!("{{\"format\":\"ferric-trace\",\"version\":1}}\n{busy}\n")).unwrap();
    let (code, _, err) = ferric(path, "trace replay t");
    assert_eq!(
        (code, err.as_str()),
        (1, "ferric: t: the trace has no libraries; name a configuration with --config\n")
    );
    std::fs::write(path.join("c"), "[[library]]\nslots = 2\n[[library.drive]]\nmodel = \"ULT3580-TD8\"\n").unwrap();
    let (code, out, err) = ferric(path, "trace replay t --config c --compare");
    assert_eq!(code, 1, "{out} {err}");
    assert!(out.contains("status BUSY in the trace, CHECK CONDITION: NOT READY 3ah/00h (Medium not present)"), "{out}");
}

#[test]
fn counters_name_errors_and_times() {
    let dir = tempfile::tempdir().unwrap();
    let site = Library::builder().slots(2).drives("ULT3580-TD8", 1).open().unwrap();
    let _control = ControlSocket::open(&dir.path().join("s"), &site).unwrap();
    let host = Host::login(&site.targets()[0], 1);
    host.clear_unit_attentions();
    for _ in 0..3 {
        assert_eq!(host.command(1, &[0; 6], 0).status.0, 2);
    }
    let (code, out, _) = ferric(dir.path(), "counters --socket s");
    assert_eq!(code, 0);
    assert!(out.contains("main/drive1: "), "{out}");
    assert!(out.contains("       4 x NOT READY 3ah/00h (Medium not present)"), "{out}");
    let (_, out, _) = ferric(dir.path(), "counters --socket s --json");
    let units: serde_json::Value = serde_json::from_str(&out).unwrap();
    let drive = units.as_array().unwrap().iter().find(|unit| unit["unit"] == "drive1").unwrap();
    let test_unit_ready = drive["commands"].as_array().unwrap().iter().find(|row| row["opcode"] == 0).unwrap();
    assert_eq!(test_unit_ready["check_condition"], 5);
}

#[test]
fn files_that_are_not_traces_are_named_with_their_line() {
    let dir = tempfile::tempdir().unwrap();
    for (text, message) in [
        ("", "t:1: not a trace file: the first line has no \"format\": \"ferric-trace\""),
        (
            "{\"format\":\"ferric-trace\",\"version\":3}\n",
            "t:1: unknown version of the trace format; this ferric reads versions 1 to 2",
        ),
        ("{\"format\":\"ferric-trace\",\"version\":1}\n{\"seq\":1}\n", "t:2: missing field `at_ms`"),
        ("{\"format\":\"ferric-trace\",\"version\":1}\n{\"lost\":2}\nx\n", "t:3: expected value at line 1 column 1"),
    ] {
        std::fs::write(dir.path().join("t"), text).unwrap();
        let (code, out, err) = ferric(dir.path(), "trace --file t");
        assert_eq!((code, out.as_str()), (1, ""), "{text}");
        assert!(err.ends_with(&format!("ferric: {message}\n")), "{err}");
    }
    // A daemon that was killed has not ended its last line.
    std::fs::write(dir.path().join("t"), "{\"format\":\"ferric-trace\",\"version\":1}\n{\"seq\":").unwrap();
    let (code, _, err) = ferric(dir.path(), "trace --file t");
    assert_eq!((code, err.as_str()), (0, "ferric: note: t:2: the last line is incomplete\n"));
    let (code, _, err) = ferric(dir.path(), "trace --since 5");
    assert_eq!(code, 2);
    assert!(
        err.contains(
            "invalid value '5' for '--since <TIME>': expected a number with s, m or h, such as 5m or 2h, a time such as"
        ),
        "{err}"
    );
}
