//! The data directory of a daemon that is started without `--data`.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "test code")]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A daemon that is killed at the end of its test.
struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts the daemon in a directory. Returns the data directory of its ready line.
fn data_directory(directory: &Path, options: &[&str], variable: &str) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ferric-iscsid"));
    command.args(["--bind", "127.0.0.1:0", "--ready", "json"]).args(options).current_dir(directory);
    command.env("FERRIC_DATA", variable).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut daemon = Daemon(command.spawn().unwrap());
    let mut line = String::new();
    BufReader::new(daemon.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    let data = Path::new(line["data"].as_str().unwrap());
    data.strip_prefix(directory).unwrap_or(data).display().to_string()
}

#[test]
fn option_then_variable_then_working_directory() {
    let dir = tempfile::tempdir().unwrap();
    let path = &dir.path().canonicalize().unwrap();
    assert_eq!(data_directory(path, &["--data", "by-option"], "by-variable"), "by-option");
    assert_eq!(data_directory(path, &[], "by-variable"), "by-variable");
    assert_eq!(data_directory(path, &[], ""), "ferric-data");
    assert!(!data_directory(path, &["--ephemeral"], "by-variable").starts_with("by-variable"));
}
