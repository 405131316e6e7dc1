//! A client that writes and reads the bytes of HTTP/1.1.

use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// A connection, with or without TLS.
trait Stream: Read + Write {}

impl<S: Read + Write> Stream for S {}

pub(super) struct Client {
    stream: BufReader<Box<dyn Stream>>,
    host: String,
    local_address: String,
}

#[derive(Debug)]
pub(super) struct Response {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: String,
}

impl Response {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Status, and `code` and `detail` of the problem.
    pub(super) fn problem(&self) -> (u16, String, String) {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        let problem = self.json();
        assert_eq!(problem["status"], self.status);
        (self.status, problem["code"].as_str().unwrap().into(), problem["detail"].as_str().unwrap().into())
    }
}

impl Client {
    pub(super) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let local_address = stream.local_addr().unwrap().to_string();
        Self { local_address, ..Self::over(stream, &address.to_string()) }
    }

    pub(super) fn over(stream: impl Read + Write + 'static, host: &str) -> Self {
        Self { stream: BufReader::new(Box::new(stream)), host: host.into(), local_address: String::new() }
    }

    /// Writes bytes, and returns the next line; `None` if the connection has ended.
    pub(super) fn try_line(&mut self, text: &str) -> Option<String> {
        self.stream.get_mut().write_all(text.as_bytes()).ok()?;
        let mut line = String::new();
        (self.stream.read_line(&mut line).ok()? > 0).then_some(line)
    }

    /// Address and port of this end of the connection.
    pub(super) fn local_address(&self) -> String {
        self.local_address.clone()
    }

    pub(super) fn write(&mut self, bytes: &[u8]) {
        self.stream.get_mut().write_all(bytes).unwrap();
    }

    pub(super) fn send(
        &mut self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: Option<&str>,
    ) -> Response {
        let mut request = format!("{method} {target} HTTP/1.1\r\nHost: {}\r\n", self.host);
        if let Some(body) = body {
            request += &format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len());
        }
        for (name, value) in headers {
            request += &format!("{name}: {value}\r\n");
        }
        request += "\r\n";
        request += body.unwrap_or_default();
        self.write(request.as_bytes());
        self.read_response()
    }

    pub(super) fn read_response(&mut self) -> Response {
        let status = self.line();
        let status = status.strip_prefix("HTTP/1.1 ").unwrap_or_else(|| panic!("{status:?}"))[..3].parse().unwrap();
        let mut headers = Vec::new();
        loop {
            let line = self.line();
            let Some((name, value)) = line.split_once(": ") else { break };
            headers.push((name.to_ascii_lowercase(), value.to_owned()));
        }
        let mut response = Response { status, headers, body: String::new() };
        let len = response.header("content-length").map_or(0, |len| len.parse().unwrap());
        let mut body = vec![0; len];
        self.stream.read_exact(&mut body).unwrap();
        response.body = String::from_utf8(body).unwrap();
        response
    }

    pub(super) fn line(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }
}
