//! `ferric events`, against a site in this process.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "test code")]

use serde_json::Value;
use std::io::{BufRead, BufReader, Lines};
use std::path::Path;
use std::process::{ChildStdout, Command, Stdio};
use vtl::config::parse;
use vtl::control::ControlRequest;
use vtl::control::socket::ControlSocket;
use vtl::data_dir::DataDir;
use vtl::site::{OpenSite, Site};

/// Starts the program. It ends when the site is shut down.
fn events(directory: &Path, arguments: &[&str]) -> Lines<BufReader<ChildStdout>> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ferric"));
    command.arg("events").args(arguments).arg("--data").arg(directory);
    BufReader::new(command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap().stdout.unwrap()).lines()
}

fn next(lines: &mut Lines<BufReader<ChildStdout>>) -> Value {
    serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap()
}

fn control(site: &Site, request: &str) {
    let request: ControlRequest = serde_json::from_str(request).unwrap();
    site.control(&request).unwrap();
}

fn site(directory: &Path) -> (OpenSite, ControlSocket) {
    let site = Site::open_data_dir(DataDir::in_memory(), &parse("f", "").unwrap()).unwrap();
    let control = ControlSocket::open(&directory.join("control.sock"), &site).unwrap();
    (site, control)
}

#[test]
fn json_begins_with_the_position() {
    let directory = tempfile::tempdir().unwrap();
    let (site, _control) = site(directory.path());
    let mut all = events(directory.path(), &["--json"]);
    let first = next(&mut all);
    assert_eq!(first["snapshot"]["libraries"][0]["name"], "main");
    let (start, seq) = (first["start"].as_str().unwrap(), first["seq"].as_u64().unwrap());
    control(&site, r#"{"op":"load","cartridge":"V00001L8"}"#);
    let loaded = next(&mut all);
    assert_eq!((&loaded["event"], &loaded["seq"]), (&"loaded".into(), &(seq + 1).into()));
    // Later, without a gap: of the present start, and of a named one.
    for since in [seq.to_string(), format!("{start}/{seq}")] {
        let mut resumed = events(directory.path(), &["--json", "--since", &since]);
        let position = next(&mut resumed);
        assert_eq!((&position["start"], &position["seq"]), (&start.into(), &seq.into()));
        assert_eq!(position.get("snapshot"), None);
        assert_eq!(next(&mut resumed), loaded);
    }
    // Of another start: a snapshot.
    let mut other = events(directory.path(), &["--json", "--since", "0123456789abcdef/1"]);
    assert_eq!(next(&mut other)["snapshot"]["version"], 2);
    site.shut_down().unwrap();
    assert_eq!(next(&mut all)["event"], "stopped");
    assert!(all.next().is_none());
}

#[test]
fn text_begins_with_the_listing_of_the_site() {
    let directory = tempfile::tempdir().unwrap();
    let (site, _control) = site(directory.path());
    let mut all = events(directory.path(), &[]);
    let snapshot: Vec<String> = all.by_ref().map(Result::unwrap).take_while(|line| !line.ends_with(':')).collect();
    assert!(snapshot[0].starts_with("main  STK L700  "), "{snapshot:?}");
    assert!(snapshot.iter().any(|line| line.starts_with("  slot    1  V00001L8")), "{snapshot:?}");
    control(&site, r#"{"op":"load","cartridge":"V00001L8"}"#);
    site.shut_down().unwrap();
    let lines: Vec<String> = all.map(Result::unwrap).collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].ends_with(" loaded library=main barcode=V00001L8 source=operator from=1000 to=500"), "{lines:?}");
    assert!(lines[1].ends_with(" stopped source=site"), "{lines:?}");
}
