//! Ten thousand idle connections. The test runs alone in a process, whose memory and threads are counted.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "test code")]

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;
use vtl::Site;
use vtl_http::HttpServer;

const SITE: &str =
    "[library]\nslots = 4\n[[cartridges]]\npattern = \"A#L8\"\ncount = 2\n[http]\nlisten = \"127.0.0.1:0\"\n";

/// A connection with the begin of a request.
fn open(address: SocketAddr, begin: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(begin.as_bytes()).unwrap();
    stream
}

/// The first line of the response to a whole request.
fn status(address: SocketAddr) -> String {
    let mut stream = open(address, "GET /v1/robot HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    response.lines().next().unwrap().to_owned()
}

#[test]
fn ten_thousand_idle_connections_need_bounded_memory() {
    let data = tempfile::tempdir().unwrap();
    let config = vtl::config::parse("f", SITE).unwrap();
    let site = Site::open(data.path(), &config).unwrap();
    let server = HttpServer::open(&site, &config.http).unwrap().unwrap();
    let resident = || site.metrics().process.resident_bytes;
    let threads = || site.metrics().process.threads;
    let (memory_before, threads_before) = (resident(), threads());
    let mut last = VecDeque::new();
    for _ in 0..200 {
        last.extend((0..50).map(|_| open(server.address(), "GET /v1/robot HT")));
        last.drain(..last.len().saturating_sub(500));
        assert_eq!(status(server.address()), "HTTP/1.1 200 OK");
    }
    // The oldest client that is still open was displaced: it reads the end of the stream.
    last[0].set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    match last[0].read(&mut [0]) {
        Ok(len) => assert_eq!(len, 0),
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
    }
    let grown = resident().saturating_sub(memory_before);
    assert!(grown < 32 << 20, "{grown} bytes more");
    assert!(threads() <= threads_before + 32, "{} threads", threads());
}
