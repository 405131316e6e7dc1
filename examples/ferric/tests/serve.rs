//! The daemons in the program `ferric`: by `ferric serve`, and by links with their names.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "test code")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use tempfile::tempdir;

fn ferric(directory: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ferric"));
    command.args(arguments).current_dir(directory).env_remove("FERRIC_DATA").output().unwrap()
}

fn text(output: Vec<u8>) -> String {
    String::from_utf8(output).unwrap()
}

/// Starts a daemon and returns its process and its ready line.
fn start(program: &Path, directory: &Path, arguments: &[&str]) -> (Child, String) {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(directory).env_remove("FERRIC_DATA").stdout(Stdio::piped());
    let mut child = command.stderr(Stdio::null()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    (child, line)
}

fn terminate(mut child: Child) {
    Command::new("kill").arg(child.id().to_string()).status().unwrap();
    assert!(child.wait().unwrap().success());
}

#[test]
fn one_program_serves_and_operates() {
    let dir = tempdir().unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_ferric"));
    let words = ["--data", "tapes", "serve", "iscsi", "--bind", "127.0.0.1:0", "--json"];
    let (child, line) = start(program, dir.path(), &words);
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line["ready"], "iscsi");
    assert_eq!(line["data"].as_str().map(Path::new), Some(&*dir.path().join("tapes")));
    let loaded = ferric(dir.path(), &["load", "V00001L8", "--data", "tapes"]);
    assert!(loaded.status.success(), "{loaded:?}");
    terminate(child);
    let gone = ferric(dir.path(), &["status", "--data", "tapes"]);
    let message = "ferric: no daemon answers at tapes/control.sock: start ferric serve iscsi, or name its data directory \
                   with --data DIR\n";
    assert_eq!(text(gone.stderr), message);
}

#[test]
fn links_are_the_programs_of_their_names() {
    let dir = tempdir().unwrap();
    fs::create_dir(dir.path().join("bin")).unwrap();
    let created = ferric(dir.path(), &["links", "bin"]);
    assert_eq!(text(created.stdout).lines().count(), 3);
    let again = ferric(dir.path(), &["links", "bin", "--mhvtl", "--json"]);
    let links: serde_json::Value = serde_json::from_slice(&again.stdout).unwrap();
    assert_eq!(links.as_array().unwrap().len(), 18);
    assert_eq!(links[0]["link"], "bin/ferric-iscsid");
    let output = |name: &str, arguments: &[&str]| {
        let program = dir.path().join("bin").join(name);
        let output = Command::new(program).args(arguments).current_dir(dir.path()).output().unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    let version = env!("CARGO_PKG_VERSION");
    for name in ["ferric-iscsid", "ferric-mhvtld", "vtltape", "vtllibrary"] {
        assert_eq!(output(name, &["--version"]), (Some(0), format!("{name} {version}\n"), String::new()));
        let script = output(name, &["--completions", "bash"]).1;
        assert!(script.contains("complete -F _") && script.trim_end().ends_with(&format!(" {name}\nfi")), "{script}");
    }
    assert!(output("mktape", &[]).2.starts_with("error: not enough arguments\nUsage: mktape "));
    assert!(output("ferric-mhvtl", &["--help"]).1.starts_with("Usage: ferric-mhvtl "));
    // The process in the background has the name of the link, too.
    let (code, _, error) = output("vtltape", &["-q", "11", "--mhvtl-config", "none"]);
    assert_eq!(code, Some(1));
    assert!(
        error.starts_with("vtltape: none/device.conf: does not exist\nvtltape: the background process did not start")
    );
    let (child, line) =
        start(&dir.path().join("bin/ferric-iscsid"), dir.path(), &["--ephemeral", "--bind", "127.0.0.1:0"]);
    assert!(line.starts_with("ready iscsi 127.0.0.1:"), "{line}");
    terminate(child);
    fs::remove_file(dir.path().join("bin/mktape")).unwrap();
    fs::write(dir.path().join("bin/mktape"), "another program").unwrap();
    let refused = ferric(dir.path(), &["links", "bin", "--mhvtl"]);
    assert_eq!(text(refused.stderr), "ferric: bin/mktape: another file has this name and was not replaced\n");
}

#[test]
fn errors_of_a_daemon_are_those_of_a_command() {
    let dir = tempdir().unwrap();
    fs::write(dir.path().join("file"), "").unwrap();
    let refused = ferric(dir.path(), &["serve", "iscsi", "--data", "file", "--json"]);
    assert_eq!(refused.status.code(), Some(1));
    let expected = "{\"error\":{\"code\":\"failed\",\"message\":\"--data: file is not a directory\"}}\n";
    assert_eq!(text(refused.stderr), expected);
    let refused = ferric(dir.path(), &["serve", "vtltape", "-F", "-q", "11", "--mhvtl-config", "none"]);
    assert_eq!(text(refused.stderr), "ferric: none/device.conf: does not exist\n");
}
