//! Notifications of the daemon: the configuration, a reload, warnings, the test of a target, and the end.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "test code")]

mod common;

use common::{Daemon, command};
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use tempfile::tempdir;

const SHAPE: &str = "[library]\nslots = 2\ncartridges = []\n[[library.drive]]\nmodel = \"ULT3580-TD8\"\n";

fn control(data: &Path, request: &str) -> String {
    let mut stream = UnixStream::connect(data.join("control.sock")).unwrap();
    writeln!(stream, "{request}").unwrap();
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).unwrap();
    line.trim().into()
}

/// A server that answers each request with status 204, on a separate connection, and sends its body.
fn server() -> (SocketAddr, Receiver<serde_json::Value>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, bodies) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream.unwrap());
            let (mut line, mut len) = (String::new(), 0);
            while line != "\r\n" {
                line.clear();
                stream.read_line(&mut line).unwrap();
                if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length: ") {
                    len = value.trim().parse().unwrap();
                }
            }
            let mut body = vec![0; len];
            stream.read_exact(&mut body).unwrap();
            let close = b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n";
            stream.get_mut().write_all(close).unwrap();
            if sender.send(serde_json::from_slice(&body).unwrap()).is_err() {
                return;
            }
        }
    });
    (address, bodies)
}

#[test]
fn events_reach_the_target_of_the_configuration() {
    let dir = tempdir().unwrap();
    let data = dir.path().join("d");
    let (address, bodies) = server();
    let target = |name: &str| {
        let events = "events = [\"started\", \"door\", \"stopped\"]";
        format!(
            "{SHAPE}[[notify]]\nname = \"{name}\"\nurl = \"http://{address}\"\nsecret = \"do not show this\"\n{events}\n"
        )
    };
    let log = dir.path().join("log");
    let file = File::create(&log).unwrap();
    let mut daemon = command(&data, &target("ops"));
    let daemon = Daemon::logging(daemon.args(["--log", "debug"]), file.into());
    assert_eq!(bodies.recv().unwrap()["event"], "started");
    assert!(control(&data, r#"{"op":"door","door":"access","open":true}"#).starts_with("{\"ok\""));
    let door = bodies.recv().unwrap();
    assert_eq!(
        (&door["event"], &door["source"], &door["library"]),
        (&"door".into(), &"operator".into(), &"main".into())
    );
    // A reload changes the targets.
    std::fs::write(data.with_extension("toml"), target("others")).unwrap();
    let changes = r#"{"ok":{"changes":[{"change":"notify_target_changed","target":"others"},{"change":"notify_target_changed","target":"ops"}]}}"#;
    assert_eq!(control(&data, r#"{"op":"reload"}"#), changes);
    let test = control(&data, r#"{"op":"notify_test","target":"others"}"#);
    assert_eq!(test, r#"{"ok":{"target":"others","answer":"HTTP status 204"}}"#);
    assert_eq!(bodies.recv().unwrap()["event"], "test");
    let shown = ["status", "notify_list", "metrics", "audit"].map(|op| control(&data, &format!("{{\"op\":\"{op}\"}}")));
    assert!(
        shown[1]
            .starts_with(&format!(r#"{{"ok":[{{"target":"others","kind":"webhook","destination":"http://{address}","#))
    );
    // A file that is not there: nothing is changed.
    let missing = target("others").replace("secret = \"do not show this\"", "secret_file = \"/nonexistent/secret\"");
    std::fs::write(data.with_extension("toml"), missing).unwrap();
    let error = control(&data, r#"{"op":"reload"}"#);
    assert!(error.contains("toml:6: notify.secret_file: /nonexistent/secret: No such file"), "{error}");
    assert!(control(&data, r#"{"op":"notify_list"}"#).contains("\"target\":\"others\""));
    assert_eq!(daemon.terminate(), Some(0));
    assert_eq!(bodies.recv().unwrap()["event"], "stopped");
    let log = std::fs::read_to_string(log).unwrap();
    assert!(shown.iter().chain([&log, &error]).all(|text| !text.contains("do not show this")));
}

#[test]
fn a_stopped_daemon_says_what_was_not_delivered() {
    let dir = tempdir().unwrap();
    let data = dir.path().join("d");
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let config =
        format!("{SHAPE}[[notify]]\nname = \"ops\"\nurl = \"http://{address}\"\nevents = [\"started\", \"stopped\"]\n");
    let log = dir.path().join("log");
    let file = File::create(&log).unwrap();
    let daemon = Daemon::logging(&mut command(&data, &config), file.into());
    assert_eq!(daemon.terminate(), Some(0));
    let log = std::fs::read_to_string(log).unwrap();
    let line = log.lines().find(|line| line.contains("events were not delivered")).unwrap_or_else(|| panic!("{log}"));
    for part in ["WARN", "target=\"ops\"", "events=2", "first=1", "last=2", "Connection refused"] {
        assert!(line.contains(part), "{part}: {line}");
    }
}

#[test]
fn events_without_encryption_are_a_warning() {
    let dir = tempdir().unwrap();
    let data = dir.path().join("d");
    let target = |url: &str| format!("{SHAPE}[[notify]]\nname = \"ops\"\nurl = \"{url}\"\nevents = []\n");
    let _daemon = Daemon::start(&data, &target("http://192.0.2.1:8080/x"));
    let warning =
        r#""warnings":["notify \"ops\" sends events to http://192.0.2.1:8080 without encryption: use https"]"#;
    assert!(control(&data, r#"{"op":"status"}"#).contains(warning));
    for url in ["https://192.0.2.1/x", "http://localhost/x", "http://[::1]:80/x"] {
        std::fs::write(data.with_extension("toml"), target(url)).unwrap();
        let changes = r#"{"ok":{"changes":[{"change":"notify_target_changed","target":"ops"}]}}"#;
        assert_eq!(control(&data, r#"{"op":"reload"}"#), changes);
        assert!(!control(&data, r#"{"op":"status"}"#).contains("warnings"), "{url}");
    }
}
