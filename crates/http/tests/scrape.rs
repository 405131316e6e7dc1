//! Debian's Prometheus scrapes the API of a site while a host writes to it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "test code")]

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;
use vtl::Library;
use vtl::config::HttpSetup;
use vtl::host::Host;
use vtl_http::HttpServer;

/// A Prometheus server that scrapes one target every second.
struct Prometheus {
    child: Child,
    address: SocketAddr,
}

impl Prometheus {
    fn start(directory: &Path, target: SocketAddr) -> Self {
        let config = format!(
            "global:\n  scrape_interval: 1s\nscrape_configs:\n  - job_name: ferric\n    static_configs:\n      - targets: [\"{target}\"]\n"
        );
        fs::write(directory.join("prometheus.yml"), config).unwrap();
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut command = Command::new("prometheus");
        command.arg("--config.file=prometheus.yml").arg("--storage.tsdb.path=data").current_dir(directory);
        command.arg(format!("--web.listen-address={address}")).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().unwrap_or_else(|error| panic!("prometheus: {error}; apt-get install prometheus"));
        Self { child, address }
    }

    /// The answer to a query, as JSON; `None` if the server does not answer yet.
    fn query(&self, query: &str) -> Option<serde_json::Value> {
        let mut stream = TcpStream::connect(self.address).ok()?;
        write!(stream, "GET /api/v1/query?query={query} HTTP/1.0\r\nHost: prometheus\r\n\r\n").ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        serde_json::from_str(text.split_once("\r\n\r\n")?.1).ok()
    }

    /// Waits until the first value of a query is this one.
    fn wait_for(&self, query: &str, value: &str) -> serde_json::Value {
        let mut last = None;
        for _ in 0..600 {
            last = self.query(query);
            let found = last.as_ref().map(|answer| &answer["data"]["result"][0]);
            if let Some(found) = found.filter(|found| found["value"][1] == value) {
                return found.clone();
            }
            thread::park_timeout(Duration::from_millis(100));
        }
        panic!("{query} is not {value} after 60 s: {last:?}");
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn prometheus_has_the_bytes_of_a_backup() {
    let directory = tempfile::tempdir().unwrap();
    let builder = Library::builder().slots(2).drives("ULT3580-TD8", 1).cartridges("A#L8", 1, "64MB");
    let site = builder.open().unwrap();
    site.control(&serde_json::from_str(r#"{"op":"load","cartridge":"A1L8"}"#).unwrap()).unwrap();
    let server = HttpServer::open(&site, &HttpSetup::default().with_listen("127.0.0.1:0")).unwrap().unwrap();
    let prometheus = Prometheus::start(directory.path(), server.address());
    prometheus.wait_for("up", "1");
    let host = Host::login(&site.targets()[0], 1);
    host.clear_unit_attentions();
    for _ in 0..100 {
        host.write(1, &[1; 65_536]).unwrap();
    }
    let found = prometheus.wait_for("ferric_drive_written_bytes_total", "6553600");
    assert_eq!((&found["metric"]["library"], &found["metric"]["drive"]), (&"main".into(), &"drive1".into()));
    prometheus.wait_for("ferric_drive_written_record_size_bytes_bucket{le=\"65536.0\"}", "100");
    prometheus.wait_for("ferric_drive_written_record_size_bytes_bucket{le=\"32768.0\"}", "0");
}
