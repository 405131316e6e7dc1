//! Commands through the HTTP API of a daemon: with and without TLS and tokens.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "test code")]

use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use vtl::config::parse;
use vtl::control::socket::ControlSocket;
use vtl::site::{OpenSite, Site};
use vtl_http::HttpServer;

const SITE: &str = r##"
[library]
slots = 4
import_export = 1
[[drive]]
model = "ULT3580-TD8"
count = 2
[[cartridges]]
pattern = "A#L8"
count = 3
size = "64MB"
[[pool]]
name = "scratch"
pattern = "P#L8"
size = "64MB"
"##;

/// A site with its control socket, and its HTTP API on a free port.
struct Served {
    directory: tempfile::TempDir,
    server: HttpServer,
    _control: ControlSocket,
    site: OpenSite,
}

/// `http` is the rest of the table `[http]`, in which `DIR` is the directory of the test.
fn serve(directory: tempfile::TempDir, http: &str) -> Served {
    let path = directory.path();
    let http = http.replace("DIR", path.to_str().unwrap());
    let config = parse("f", &format!("{SITE}[http]\nlisten = \"127.0.0.1:0\"\n{http}")).unwrap();
    let site = Site::open(&path.join("ferric-data"), &config).unwrap();
    let control = ControlSocket::open(&path.join("ferric-data/control.sock"), &site).unwrap();
    let server = HttpServer::open(&site, &config.http).unwrap().unwrap();
    Served { directory, server, _control: control, site }
}

/// Runs a command line. Returns the exit code and both outputs.
fn run(directory: &Path, line: &str) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ferric"));
    let output = command.args(line.split(' ')).current_dir(directory).env_remove("FERRIC_DATA").output().unwrap();
    let [stdout, stderr] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    (output.status.code().unwrap(), stdout, stderr)
}

impl Served {
    /// Runs a command line with `--url`, and other options in front.
    fn remote(&self, options: &str, line: &str) -> (i32, String, String) {
        run(self.directory.path(), &format!("--url {}{options} {line}", self.server.url()))
    }
}

/// Commands that show something, after which nothing has changed.
const SHOWN: &[&str] = &[
    "status",
    "status --json",
    "library",
    "drive",
    "drive drive2",
    "slot",
    "slot slot4 --json",
    "cartridge",
    "cartridge A2L8 --json",
    "cartridge --library main",
    "alert",
    "pool",
    "pool scratch --json",
    "counters --json",
    "trace --since 1h --json",
    "audit",
    "audit --object A2L8 --json",
    "audit verify",
    "token list",
    "sessions --json",
    "cartridge contents A1L8",
    "cartridge contents A1L8 --json",
    "cartridge files A1L8",
    "cartridge contents X9L8",
    "alarm list",
    "alarm list --all --json",
    "log",
    "config show",
    "config show --json",
    "load X9L8",
    "reload",
];

#[test]
fn every_command_has_the_result_of_the_control_socket() {
    let served = serve(tempfile::tempdir().unwrap(), "");
    let host = vtl::Host::login(&served.site.targets()[0], 1);
    host.clear_unit_attentions();
    for (line, stdout) in [
        ("load A1L8", "A1L8: slot1 -> drive1\n"),
        ("unload drive1", "A1L8: drive1 -> slot1\n"),
        ("move A2L8 io1", "A2L8: slot2 -> io1\n"),
        ("export A2L8", "A2L8: io1 -> shelf main\n"),
        ("import A2L8", "A2L8: shelf main -> io1\n"),
        ("door access open", ""),
        ("door access close", ""),
        ("robot offline", ""),
        ("robot online", ""),
        ("drive drive2 offline", ""),
        ("slot slot4 disable", ""),
        ("label A1L8 unreadable", ""),
        ("alert 3 raise --drive drive1", ""),
        ("pool scratch --create 2", "P1L8\nP2L8\n"),
        ("cartridge A3L8 --protect on", ""),
        ("cartridge P2L8 --forget", ""),
        ("fault load", ""),
    ] {
        assert_eq!(served.remote("", line), (0, stdout.to_owned(), String::new()), "{line}");
    }
    for line in SHOWN.iter().copied() {
        let local = run(served.directory.path(), line);
        assert_eq!(served.remote("", line), local, "{line}");
        let is_refused = ["load X9L8", "reload", "log", "cartridge contents X9L8"].contains(&line);
        assert!((local.0 == 0) != is_refused, "{line}: {local:?}");
    }
    let (code, metrics, _) = served.remote("", "metrics");
    assert!(code == 0 && metrics.contains("ferric_build_info"), "{metrics}");
    let actors = served.remote("", "audit --object A1L8").1;
    assert!(actors.contains(" http_client 127.0.0.1:"), "{actors}");
}

#[test]
fn events_are_printed_until_the_daemon_ends() {
    let served = serve(tempfile::tempdir().unwrap(), "");
    let mut command = Command::new(env!("CARGO_BIN_EXE_ferric"));
    command.args(["--url", served.server.url(), "events", "--json"]).stdout(Stdio::piped());
    let mut process = command.spawn().unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    let mut next = || -> Option<Value> { Some(serde_json::from_str(&lines.next()?.unwrap()).unwrap()) };
    assert_eq!(next().unwrap()["snapshot"]["libraries"][0]["name"], "main");
    assert_eq!(served.remote("", "load A1L8").0, 0);
    let loaded = next().unwrap();
    assert_eq!((&loaded["event"], &loaded["barcode"]), (&"loaded".into(), &"A1L8".into()));
    served.site.shut_down().unwrap();
    assert_eq!(next().unwrap()["event"], "stopped");
    assert_eq!(next(), None);
    assert!(process.wait().unwrap().success());
}

#[test]
fn tokens_and_certificates_over_tls() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().to_owned();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    fs::write(path.join("server.pem"), made.cert.pem()).unwrap();
    fs::write(path.join("server.key"), made.signing_key.serialize_pem()).unwrap();
    let keys = "loopback = \"token\"\ncertificate = \"DIR/server.pem\"\nkey = \"DIR/server.key\"\n";
    let served = serve(directory, keys);
    let url = served.server.url();
    assert!(url.starts_with("https://127.0.0.1:"), "{url}");
    let (code, token, _) = run(&path, "token create reader --role read");
    assert!(code == 0 && token.starts_with("ferric_"), "{token}");
    fs::write(path.join("token"), token).unwrap();
    fs::write(path.join("other"), "ferric_00\n").unwrap();
    fs::write(path.join("empty"), "\n").unwrap();
    let (code, stdout, stderr) = served.remote(" --ca server.pem --token-file token", "library");
    assert_eq!((code, stdout.split(' ').next(), stderr.as_str()), (0, Some("main"), ""));
    for (options, line, expected) in [
        (
            " --ca server.pem --token-file token",
            "robot offline",
            "reader has the role read, and this request needs the role operate".to_owned(),
        ),
        (" --ca server.pem", "status", format!("{url}: the daemon needs a token: --token-file FILE")),
        (
            " --ca server.pem --token-file other",
            "status",
            format!("{url}: the token is unknown; it was removed, or is of another site"),
        ),
        (
            " --token-file token",
            "status",
            format!(
                "{url}: the certificate of the daemon is of an unknown authority; name its certificate with --ca FILE"
            ),
        ),
        (" --token-file empty", "status", "empty has no token; expected the output of ferric token create".into()),
        (" --token-file gone", "status", "gone: No such file or directory (os error 2)".into()),
        (" --ca token", "status", "token has no certificate in PEM".into()),
    ] {
        assert_eq!(
            served.remote(options, line),
            (1, String::new(), format!("ferric: {expected}\n")),
            "{options} {line}"
        );
    }
    let (code, stdout, _) = served.remote(" --ca server.pem", "status --json");
    assert_eq!((code, stdout.as_str()), (1, ""));
}

/// A daemon with mutual TLS gives a client with a certificate of its authority a role, without a token.
#[test]
fn a_client_certificate_needs_no_token() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().to_owned();
    let write = |name: &str, text: String| fs::write(path.join(name), text).unwrap();
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    write("server.pem", made.cert.pem());
    write("server.key", made.signing_key.serialize_pem());
    let authority_key = rcgen::KeyPair::generate().unwrap();
    let mut parameters = rcgen::CertificateParams::new([]).unwrap();
    parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    write("clients.pem", parameters.self_signed(&authority_key).unwrap().pem());
    let authority = rcgen::Issuer::new(parameters, authority_key);
    let client_key = rcgen::KeyPair::generate().unwrap();
    let client = rcgen::CertificateParams::new(["robot".to_owned()]).unwrap();
    write("client.pem", client.signed_by(&client_key, &authority).unwrap().pem());
    write("client.key", client_key.serialize_pem());
    write("other.key", rcgen::KeyPair::generate().unwrap().serialize_pem());
    let keys = "loopback = \"token\"\ncertificate = \"DIR/server.pem\"\nkey = \"DIR/server.key\"\n\
                client_ca = \"DIR/clients.pem\"\nclient_role = \"operate\"\n";
    let served = serve(directory, keys);
    let options = " --ca server.pem --client-certificate client.pem --client-key client.key";
    assert_eq!(served.remote(options, "load A1L8"), (0, "A1L8: slot1 -> drive1\n".into(), String::new()));
    let (code, _, stderr) = served.remote(options, "token list");
    assert!(code == 1 && stderr.contains("has the role operate, and this request needs the role admin"), "{stderr}");
    let audit = run(&path, "audit --object A1L8").1;
    assert!(audit.contains("certificate"), "{audit}");
    let (code, _, stderr) = served.remote(" --ca server.pem", "status");
    assert!(code == 1 && stderr.contains("the daemon needs a token"), "{stderr}");
    for (options, expected) in [
        (
            " --client-certificate client.pem --client-key other.key",
            "client.pem: the client certificate cannot be used: ",
        ),
        (" --client-certificate client.key --client-key client.key", "client.key has no certificate in PEM"),
        (" --client-certificate client.pem --client-key client.pem", "client.pem has no private key in PEM"),
        (" --client-certificate client.pem --client-key gone", "gone: No such file or directory"),
    ] {
        let (code, _, stderr) = served.remote(options, "status");
        assert!(code == 1 && stderr.starts_with(&format!("ferric: {expected}")), "{options}: {stderr}");
    }
    for (options, expected) in [
        (" --client-certificate c", "the option '--client-certificate' needs '--client-key'"),
        (" --client-key k", "the option '--client-key' needs '--client-certificate'"),
    ] {
        let (code, _, stderr) = served.remote(options, "status");
        assert!(code == 2 && stderr.contains(expected), "{options}: {stderr}");
    }
}

#[test]
fn wrong_urls_and_options_are_errors() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    // A port that was free a moment ago, and a server that is no daemon.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let other = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = [0; 1024];
        let _ = stream.read(&mut request);
        stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\nNone.").unwrap();
    });
    let (code, _, stderr) = run(path, &format!("--url http://{other}/ status"));
    let expected = format!(
        "ferric: http://{other}: the response has the status 404 Not Found; is this the HTTP API of a daemon?\n"
    );
    assert_eq!((code, stderr), (1, expected));
    let (code, _, stderr) = run(path, "--url http://127.0.0.1:1 audit");
    assert!(code == 1 && stderr.starts_with("ferric: http://127.0.0.1:1: cannot reach the daemon: "), "{stderr}");
    for (line, expected) in [
        ("--url tape:8443 status", "expected a URL that begins with http:// or https://"),
        ("--url https:// status", "expected a host and a port, such as https://tape:8443"),
        ("--url http://tape:8080 --data d status", "the option '--data' cannot be used with '--url'"),
        ("status --socket s --url http://tape:8080", "the option '--socket' cannot be used with '--url'"),
        ("--token-file t status", "the option '--token-file' needs '--url'"),
        ("status --ca c", "the option '--ca' needs '--url'"),
        ("--url http://tape:8080 tape list", "the option '--url' does not apply to 'ferric tape list'"),
    ] {
        let (code, _, stderr) = run(path, line);
        assert!(code == 2 && stderr.contains(expected), "{line}: {stderr}");
    }
}
