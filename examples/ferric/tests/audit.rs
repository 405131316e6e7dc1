//! `ferric audit` and `ferric audit verify`: of a running site, of files without a daemon, and of changed files.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "test code")]

use std::fs;
use std::path::Path;
use std::process::Command;
use vtl::config::parse;
use vtl::control::socket::ControlSocket;
use vtl::site::Site;

const CONFIG: &str = "[library]\nslots = 4\n[[cartridges]]\npattern = \"A#L8\"\ncount = 2\nsize = \"64MB\"\n";

/// Runs a command line. Returns the exit code and both outputs.
fn run(directory: &Path, line: &str) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ferric"));
    let output = command.args(line.split(' ')).current_dir(directory).env_remove("FERRIC_DATA").output().unwrap();
    let [stdout, stderr] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    (output.status.code().unwrap(), stdout, stderr)
}

/// The lines of `ferric audit` that are records of requests, without time and actor.
fn requests(directory: &Path, line: &str) -> Vec<String> {
    let (code, stdout, stderr) = run(directory, line);
    assert_eq!((code, stderr.as_str()), (0, ""), "{line}");
    let own = stdout.lines().filter(|line| line.contains("control socket"));
    own.map(|line| line.split_once("): ").unwrap().1.to_owned()).collect()
}

#[test]
fn records_and_their_verification() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let site = Site::open(&path.join("ferric-data"), &parse("f", CONFIG).unwrap()).unwrap();
    let control = ControlSocket::open(&path.join("ferric-data/control.sock"), &site).unwrap();
    for (line, code) in [("load A1L8", 0), ("robot offline", 0), ("unload drive1", 1), ("robot online", 0)] {
        assert_eq!(run(path, line).0, code, "{line}");
    }
    let load = "load main main/slot1 main/drive1 A1L8, {\"location\":\"slot1 of library \\\"main\\\"\"} -> \
                {\"location\":\"drive1 of library \\\"main\\\"\"}, done";
    let offline = "online main, {\"online\":true} -> {\"online\":false}, done";
    let online = "online main, {\"online\":false} -> {\"online\":true}, done";
    let all = requests(path, "audit");
    assert_eq!((all.len(), &all[0][..], &all[1][..], &all[3][..]), (4, load, offline, online));
    assert!(all[2].starts_with("unload main main/drive1 A1L8, {\"location\":") && !all[2].ends_with("done"), "{all:?}");
    assert_eq!(requests(path, "audit --object A1L8 --since 1h").len(), 2);
    assert_eq!(requests(path, "audit --object main/slot1"), [load]);
    // The drive was not named in the request.
    assert_eq!(requests(path, "audit --object drive1")[0], load);
    assert_eq!(requests(path, "audit --actor alice"), [""; 0]);
    assert_eq!(requests(path, "audit --since 2100-01-01"), [""; 0]);
    let (code, stdout, _) = run(path, "audit --json --object main/slot1");
    let document: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((code, &document["action"], &document["details"]["cartridge"]), (0, &"load".into(), &"A1L8".into()));
    let (code, stdout, _) = run(path, "audit verify");
    assert!(code == 0 && stdout.contains(" records in 1 file, intact; the last one has the hash "), "{stdout}");
    site.shut_down().unwrap();
    drop((control, site));
    // Without a daemon: the files of the data directory.
    assert_eq!(requests(path, "audit"), all);
    assert_eq!(run(path, "audit verify").0, 0);
    let file = path.join("ferric-data/audit/000001.jsonl");
    let text = fs::read_to_string(&file).unwrap();
    let line = 1 + text.lines().position(|line| line.contains("\"action\":\"load\"")).unwrap();
    fs::write(&file, text.replace("\"cartridge\":\"A1L8\"", "\"cartridge\":\"A2L8\"")).unwrap();
    let expected = format!(
        "ferric: the audit log was changed or damaged: ./ferric-data/audit/000001.jsonl:{line}: the hash does not match: \
         the record, or the one before it, was changed\n"
    );
    let (code, stdout, stderr) = run(path, "audit verify");
    assert_eq!((code, stdout.as_str(), stderr.as_str()), (1, "", expected.as_str()));
    assert_eq!(run(path, "audit verify ferric-data").0, 1);
    let (code, _, stderr) = run(path, "audit verify nowhere");
    assert_eq!((code, stderr.contains("nowhere/audit")), (1, true), "{stderr}");
}
