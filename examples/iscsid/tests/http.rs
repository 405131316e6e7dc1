//! The HTTP API of the daemon: its start, its end and its effect on the site.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "test code")]

use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A daemon with an HTTP API on a free port.
struct Daemon {
    process: Child,
    ready: Value,
}

fn program(data: &Path) -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_ferric-iscsid"));
    program.arg("--data").arg(data).args(["--bind", "127.0.0.1:0", "--ready", "json"]);
    program
}

impl Daemon {
    fn start(program: &mut Command) -> Self {
        let mut process = program.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { process, ready: serde_json::from_str(&line).unwrap() }
    }

    /// Sends a request on a new connection, and returns the whole response.
    fn send(&self, request: &str) -> String {
        let address = self.ready["http"].as_str().unwrap().strip_prefix("http://").unwrap();
        let mut stream = TcpStream::connect(address).unwrap();
        let (line, body) = request.split_once('\n').unwrap();
        let len = body.len();
        write!(
            stream,
            "{line} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {len}\r\n\r\n{body}"
        )
        .unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).unwrap();
        response
    }

    fn signal(&self, name: &str) {
        assert!(Command::new("kill").args([name, &self.process.id().to_string()]).status().unwrap().success());
    }
}

#[test]
fn the_api_operates_the_site_of_the_daemon() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("site.toml");
    let shape = "[library]\nslots = 4\n[[cartridges]]\npattern = \"A#L8\"\ncount = 2\nsize = \"64MB\"\n";
    std::fs::write(&config, format!("{shape}[http]\nlisten = \"127.0.0.1:0\"\n")).unwrap();
    let mut daemon = Daemon::start(program(&dir.path().join("data")).arg("--config").arg(&config));
    let response = daemon.send("POST /v1/loads\n{\"cartridge\":\"A2L8\"}");
    assert!(response.starts_with("HTTP/1.1 200 OK\r\n"), "{response}");
    assert!(response.contains("\"to_element\":\"drive1\""), "{response}");
    let response = daemon.send("GET /v1/status\n");
    assert!(response.contains(&format!("\"http\":[\"{}\"]", daemon.ready["http"].as_str().unwrap())), "{response}");
    // A reload reads the file that the daemon was started with; another address requires a restart.
    let response = daemon.send("POST /v1/reload\n");
    assert!(response.ends_with("{\"changes\":[]}"), "{response}");
    std::fs::write(&config, format!("{shape}[http]\nlisten = \"127.0.0.1:1\"\n")).unwrap();
    let response = daemon.send("POST /v1/reload\n");
    assert!(response.starts_with("HTTP/1.1 409 "), "{response}");
    assert!(response.contains("changing http requires a restart"), "{response}");
    daemon.signal("-TERM");
    assert!(daemon.process.wait().unwrap().success());
}

/// The JSON document of a response.
fn document(response: &str) -> Value {
    serde_json::from_str(response.split_once("\r\n\r\n").unwrap().1).unwrap()
}

#[test]
fn libraries_are_added_to_the_configuration_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("site.toml");
    let begin = "# Mine.\nlibrary = []\n\n[[iscsi.user]]\nname = \"host\"\nsecret = \"0123456789abcdef\"\n\n[http]\nlisten = \"127.0.0.1:0\"\n";
    std::fs::write(&file, begin).unwrap();
    let mut daemon = Daemon::start(program(&dir.path().join("data")).arg("--config").arg(&file));
    assert_eq!(daemon.ready["targets"], serde_json::json!([]));
    let add = |text: &str| daemon.send(&format!("POST /v1/configuration\n{}", serde_json::json!({ "text": text })));
    let shown = || document(&daemon.send("GET /v1/configuration\n"));
    let state = || shown()["file"]["state"].clone();
    assert!(shown()["text"].as_str().unwrap().starts_with("library = []\n"), "{}", shown());
    assert_eq!(state(), "in_use");
    // A refused text leaves the file as it is.
    let library = |name: &str| format!("[[library]]\nname = \"{name}\"\nslots = 4\ncartridges = []\n");
    for (text, status, expected) in [
        ("[http]\ninsecure = true\n".to_owned(), 422, "cannot be added; expected tables"),
        (format!("{}move_command = [\"/bin/sh\"]\n", library("a")), 422, "library.move_command cannot be added"),
        (library("a").replace("= 4", "= 4000"), 422, "STK L700 has at most 678 slots"),
    ] {
        let response = add(&text);
        assert!(response.starts_with(&format!("HTTP/1.1 {status} ")) && response.contains(expected), "{response}");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), begin);
        assert_eq!(state(), "in_use");
    }
    let added = document(&add(&library("a")));
    assert_eq!(added["changes"], serde_json::json!([{ "change": "library_added", "library": "a" }]));
    let text = std::fs::read_to_string(&file).unwrap();
    assert_eq!(text, format!("{}\n{}", begin.replace("library = []\n", ""), library("a")));
    assert_eq!((state(), shown()["text"].as_str().unwrap().contains("slots = 4\n")), ("in_use".into(), true));
    assert!(!shown().to_string().contains("0123456789abcdef"));
    // A changed file, and one that a reload refuses, differs from the configuration in use: the answer has its state.
    std::fs::write(&file, text.replace("slots = 4", "slots = 3")).unwrap();
    assert_eq!(state(), "changed");
    assert!(daemon.send("POST /v1/reload\n").starts_with("HTTP/1.1 409 "));
    assert!(shown()["file"]["reason"].as_str().unwrap().contains("requires a restart"), "{}", shown());
    assert_eq!((state(), shown()["text"].as_str().unwrap().contains("slots = 4\n")), ("refused".into(), true));
    // Access rules of a refused reload are in use, as documented, and shown.
    let user = text.replace("slots = 4", "slots = 3").replace("name = \"host\"", "name = \"guest\"");
    std::fs::write(&file, user).unwrap();
    assert!(daemon.send("POST /v1/reload\n").starts_with("HTTP/1.1 409 "));
    let configuration = shown()["text"].as_str().unwrap().to_owned();
    assert!(configuration.contains("name = \"guest\"") && configuration.contains("slots = 4\n"), "{configuration}");
    std::fs::remove_file(&file).unwrap();
    assert_eq!(state(), "unreadable");
    assert!(add(&library("b")).starts_with("HTTP/1.1 503 "));
    daemon.signal("-TERM");
    assert!(daemon.process.wait().unwrap().success());
}

#[test]
fn a_daemon_without_a_file_adds_nothing_to_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut daemon = Daemon::start(program(dir.path()).args(["--http", "127.0.0.1:0"]));
    let response = daemon.send("POST /v1/configuration\n{\"text\":\"[[library]]\\nname = \\\"b\\\"\\n\"}");
    assert!(
        response.starts_with("HTTP/1.1 503 ") && response.contains("was started without --config FILE"),
        "{response}"
    );
    assert_eq!(document(&daemon.send("GET /v1/configuration\n")).get("file"), None);
    // The log has lines of the level info, although standard error has only warnings.
    let log = document(&daemon.send("GET /v1/log\n"));
    let lines: Vec<&str> = log["lines"].as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect();
    assert!(lines.iter().any(|line| line.contains(" INFO ") && line.contains("start")), "{lines:?}");
    assert!(!lines.iter().any(|line| line.contains('\u{1b}')), "{lines:?}");
    daemon.signal("-TERM");
    assert!(daemon.process.wait().unwrap().success());
}

/// A request with curl, which accepts only the certificate of the daemon. Returns the body and the status.
fn fetch(dir: &Path, url: &str, options: &[&str]) -> (String, String) {
    let mut curl = Command::new("curl");
    curl.args(["-s", "--cacert", "server.pem", "-w", "\n%{http_code}", url]).args(options).current_dir(dir);
    let output = curl.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let (body, status) = text.rsplit_once('\n').unwrap();
    (body.into(), status.into())
}

#[test]
fn the_daemon_serves_https_on_every_address() {
    let dir = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    std::fs::write(dir.path().join("server.pem"), made.cert.pem()).unwrap();
    std::fs::write(dir.path().join("server.key"), made.signing_key.serialize_pem()).unwrap();
    let start = |text: &str| {
        std::fs::write(dir.path().join("site.toml"), text).unwrap();
        let mut program = program(&dir.path().join("data"));
        program.args(["--config", "site.toml"]).current_dir(dir.path());
        program
    };
    let open = "[http]\nlisten = \"0.0.0.0:0\"\n";
    let refused = start(open).output().unwrap();
    let stderr = String::from_utf8(refused.stderr).unwrap();
    assert!(!refused.status.success() && stderr.contains("is open to the network without TLS"), "{stderr}");
    let keys = "certificate = \"server.pem\"\nkey = \"server.key\"\n";
    let mut daemon = Daemon::start(&mut start(&format!("{open}{keys}")));
    let port = daemon.ready["http"].as_str().unwrap().strip_prefix("https://0.0.0.0:").unwrap();
    let url = format!("https://127.0.0.1:{port}/v1/libraries");
    assert_eq!(fetch(dir.path(), &url, &[]).1, "401");
    let mut control = std::os::unix::net::UnixStream::connect(daemon.ready["control"].as_str().unwrap()).unwrap();
    control.write_all(b"{\"op\":\"token_create\",\"name\":\"reader\",\"role\":\"read\"}\n").unwrap();
    let mut line = String::new();
    BufReader::new(control).read_line(&mut line).unwrap();
    let response: Value = serde_json::from_str(&line).unwrap();
    let header = format!("Authorization: Bearer {}", response["ok"]["token"].as_str().unwrap());
    let (body, status) = fetch(dir.path(), &url, &["-H", &header]);
    assert!(status == "200" && body.contains("\"name\":\"main\""), "{status} {body}");
    daemon.signal("-TERM");
    assert!(daemon.process.wait().unwrap().success());
}

#[test]
fn an_address_that_cannot_be_served_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    for (address, expected) in [
        (
            "192.0.2.1:0",
            "ferric-iscsid: cannot serve HTTP on 192.0.2.1:0: Cannot assign requested address (os error 99)\n",
        ),
        ("8080", "ferric-iscsid: --http: \"8080\" is not ADDRESS:PORT, such as \"0.0.0.0:3260\"\n"),
    ] {
        let output = program(&dir.path().join("data")).args(["--http", address]).output().unwrap();
        assert_eq!((output.status.code(), String::from_utf8(output.stderr).unwrap().as_str()), (Some(1), expected));
    }
}

#[test]
fn there_is_no_api_by_default() {
    let dir = tempfile::tempdir().unwrap();
    let mut daemon = Daemon::start(&mut program(dir.path()));
    assert_eq!(daemon.ready.get("http"), None);
    daemon.signal("-TERM");
    assert!(daemon.process.wait().unwrap().success());
}
