//! The search of a command for the daemon, and the form of its errors.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "test code")]

use std::fs;
use std::path::Path;
use std::process::Command;
use vtl::config::parse;
use vtl::control::socket::ControlSocket;
use vtl::data_dir::DataDir;
use vtl::site::{OpenSite, Site};

/// A site with one library of this name, whose control socket is in a data directory.
fn serve(data: &Path, library: &str) -> (OpenSite, ControlSocket) {
    fs::create_dir_all(data).unwrap();
    let text = format!("[library]\nname = \"{library}\"\nslots = 2\n[[cartridges]]\npattern = \"A1L8\"\n");
    let site = Site::open_data_dir(DataDir::in_memory(), &parse("f", &text).unwrap()).unwrap();
    let control = ControlSocket::open(&data.join("control.sock"), &site).unwrap();
    (site, control)
}

/// Runs a command line. Returns the exit code and both outputs.
fn run(directory: &Path, line: &str, variable: Option<&str>) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ferric"));
    command.args(line.split(' ')).current_dir(directory).env_remove("FERRIC_DATA");
    command.envs(variable.map(|value| ("FERRIC_DATA", value)));
    let output = command.output().unwrap();
    let [stdout, stderr] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    (output.status.code().unwrap(), stdout, stderr)
}

#[test]
fn socket_then_option_then_variable_then_working_directory() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path();
    let _open = [("ferric-data", "local"), ("by-variable", "variable"), ("by-option", "option"), ("s", "socket")]
        .map(|(data, library)| serve(&path.join(data), library));
    let name = |line: &str, variable: Option<&str>| {
        let (code, stdout, stderr) = run(path, line, variable);
        assert_eq!((code, stderr.as_str()), (0, ""), "{line}");
        stdout.split(' ').next().unwrap().to_owned()
    };
    assert_eq!(name("library", None), "local");
    assert_eq!(name("library", Some("")), "local");
    assert_eq!(name("library", Some("by-variable")), "variable");
    assert_eq!(name("library --data by-option", Some("by-variable")), "option");
    assert_eq!(name("--data by-option library", Some("by-variable")), "option");
    assert_eq!(name("--socket s/control.sock library --data by-option", Some("by-variable")), "socket");
}

#[test]
fn error_lists_the_sockets_that_were_tried() {
    let dir = tempfile::tempdir().unwrap();
    let _other = serve(&dir.path().join("ferric-data"), "local");
    let advice = "start ferric serve iscsi, or name its data directory with --data DIR";
    // A directory that the user has chosen is the only one: no command may reach another daemon.
    for (line, variable) in [("status --data gone", None), ("status", Some("gone"))] {
        let expected = format!("ferric: no daemon answers at gone/control.sock: {advice}\n");
        assert_eq!(run(dir.path(), line, variable), (1, String::new(), expected), "{line}");
    }
    let empty = tempfile::tempdir().unwrap();
    let (code, _, stderr) = run(empty.path(), "status", None);
    let tried = "./ferric-data/control.sock or /var/lib/ferric/control.sock";
    assert_eq!((code, stderr), (1, format!("ferric: no daemon answers at {tried}: {advice}\n")));
}

#[test]
fn listing_uses_the_same_data_directories() {
    let dir = tempfile::tempdir().unwrap();
    for (data, barcode) in [("ferric-data", "V00001L8"), ("other", "V00002L8")] {
        fs::create_dir_all(dir.path().join(data).join("cartridges")).unwrap();
        let (code, _, stderr) = run(dir.path(), &format!("tape create {data}/cartridges/{barcode} --size 64MB"), None);
        assert_eq!((code, stderr.as_str()), (0, ""));
    }
    let listed = |line: &str, variable: Option<&str>| run(dir.path(), line, variable).1;
    assert!(listed("tape list", None).contains("V00001L8"));
    assert!(listed("tape list", Some("other")).contains("V00002L8"));
    assert!(listed("--data other tape list", None).contains("V00002L8"));
    let (code, _, stderr) = run(dir.path(), "tape list other --data other", None);
    assert!(code == 2 && stderr.contains("cannot be used with '--data <DIR>'"), "{stderr}");
}

#[test]
fn errors_are_json_with_a_code() {
    let dir = tempfile::tempdir().unwrap();
    let _site = serve(&dir.path().join("ferric-data"), "main");
    let none =
        "no daemon answers at gone/control.sock: start ferric serve iscsi, or name its data directory with --data DIR";
    for (line, exit, code, message) in [
        ("status --data gone --json", 1, "unavailable", none),
        ("--json tape show V00001L8", 1, "not_found", "V00001L8: cartridge does not exist"),
        ("tape create v1 --json", 1, "invalid", "v1: \"v1\" is not a barcode: 1 to 16 of A-Z, 0-9, - and _"),
        ("config check gone --json", 1, "not_found", "gone: No such file or directory (os error 2)"),
        (
            "door ajar open --json",
            2,
            "usage",
            "invalid value 'ajar' for '<DOOR>' [possible values: access, io-station]",
        ),
        (
            "--socket s --json config models",
            2,
            "usage",
            "the option '--socket' does not apply to 'ferric config models'",
        ),
    ] {
        let (status, stdout, stderr) = run(dir.path(), line, None);
        let expected = serde_json::json!({ "error": { "code": code, "message": message } });
        assert_eq!((status, stdout.as_str()), (exit, ""), "{line}: {stderr}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&stderr).unwrap(), expected, "{line}");
    }
    let (status, _, stderr) = run(dir.path(), "load A9L8 --json", None);
    let error: serde_json::Value = serde_json::from_str(&stderr).unwrap();
    assert_eq!((status, error["error"]["message"].is_string(), error["error"]["code"].is_string()), (1, true, true));
    let (_, _, stderr) = run(dir.path(), "fail load --json", None);
    let warning =
        "{\"warning\":\"write ferric fault instead of ferric fail; the next release refuses the former words\"}\n";
    assert_eq!(stderr, warning);
}

/// The code, the message and the fields of an error of the daemon are passed on.
#[test]
fn errors_of_the_daemon_are_passed_on() {
    use std::io::{BufRead, BufReader, Write};
    let dir = tempfile::tempdir().unwrap();
    let listener = std::os::unix::net::UnixListener::bind(dir.path().join("s")).unwrap();
    let daemon = std::thread::spawn(move || {
        for _ in 0..2 {
            let (mut stream, _) = listener.accept().unwrap();
            BufReader::new(stream.try_clone().unwrap()).read_line(&mut String::new()).unwrap();
            let error = r#"{"error":"drive1 is locked","code":"locked","fields":{"element":"drive1"}}"#;
            writeln!(stream, "{error}").unwrap();
        }
    });
    let expected = r#"{"error":{"code":"locked","fields":{"element":"drive1"},"message":"drive1 is locked"}}"#;
    let (status, stdout, stderr) = run(dir.path(), "unload drive1 --socket s --json", None);
    assert_eq!((status, stdout.as_str(), stderr.trim_end()), (1, "", expected));
    let expected = "ferric: drive1 is locked\n";
    assert_eq!(run(dir.path(), "unload drive1 --socket s", None), (1, String::new(), expected.into()));
    daemon.join().unwrap();
}
