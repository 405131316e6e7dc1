//! A small S3 server for tests, with what real test servers lack: objects that must be restored, and denied deletions. It checks the
//! form of each request, not its signature: `cargo xtask object-store` has a server that does.

#![allow(dead_code, reason = "each test uses a part")]
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub(crate) const BUCKET: &str = "tapes";

/// An object, and its lock.
#[derive(Clone, Debug, Default)]
pub(crate) struct Object {
    pub(crate) bytes: Vec<u8>,
    /// Day of November 2026 of the last change.
    pub(crate) modified: u32,
    pub(crate) retained_until: Option<String>,
    pub(crate) is_held: bool,
    /// The storage class; none for the usual one.
    pub(crate) class: Option<String>,
    /// Whether the object must be restored before it can be read.
    pub(crate) is_frozen: bool,
    /// The value of `x-amz-restore`, if it was asked for.
    pub(crate) restore: Option<&'static str>,
}

/// A request, as the server got it.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// Name of the object; empty for the bucket.
    pub(crate) key: String,
    pub(crate) query: BTreeMap<String, String>,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

/// The content of the server, and its behaviour.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) objects: BTreeMap<String, Object>,
    pub(crate) requests: Vec<Request>,
    /// Today: a day of November 2026; 0 is the 1st.
    pub(crate) day: u32,
    /// Whether the bucket has Object Lock.
    pub(crate) can_lock: bool,
    /// Part of the names of new objects that must be restored before they are read.
    pub(crate) freezes: Option<&'static str>,
    /// Whether each request fails.
    pub(crate) fails: bool,
    /// Whether objects cannot be restored.
    pub(crate) denies_restores: bool,
}

/// A running server. It ends with the process.
#[derive(Clone)]
pub(crate) struct StandIn {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

struct Response {
    status: &'static str,
    headers: String,
    body: Vec<u8>,
}

impl Response {
    fn new(status: &'static str, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: String::new(), body: body.into() }
    }

    fn error(status: &'static str, code: &str) -> Self {
        Self::new(status, format!("<Error><Code>{code}</Code><Message>as the test says</Message></Error>"))
    }

    fn with(mut self, name: &str, value: &str) -> Self {
        write!(self.headers, "{name}: {value}\r\n").unwrap();
        self
    }
}

fn element<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    Some(text.split_once(&format!("<{name}>"))?.1.split_once("</")?.0)
}

impl StandIn {
    /// Starts a server with an empty bucket.
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Self { address: listener.local_addr().unwrap(), state: Arc::default() };
        let accepted = server.clone();
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let server = accepted.clone();
                std::thread::spawn(move || server.serve(&connection));
            }
        });
        server
    }

    /// The settings of a client, as in the environment of a process.
    pub(crate) fn settings(&self) -> Vec<(String, String)> {
        let endpoint = format!("http://{}", self.address);
        let settings = [
            ("AWS_ENDPOINT", endpoint.as_str()),
            ("AWS_ALLOW_HTTP", "true"),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", "key"),
            ("AWS_SECRET_ACCESS_KEY", "secret"),
        ];
        settings.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self, connection: &TcpStream) {
        // The head and the body of a response are written apart.
        connection.set_nodelay(true).unwrap();
        let mut reader = BufReader::new(connection);
        while let Some(request) = read(&mut reader) {
            let is_head = request.method == "HEAD";
            let Response { status, headers, body } = self.respond(&request);
            let mut text = format!("HTTP/1.1 {status}\r\nDate: Mon, 30 Nov 2026 19:18:57 GMT\r\n{headers}");
            write!(text, "Content-Length: {}\r\n\r\n", body.len()).unwrap();
            let mut writer = connection;
            let body = if is_head { &[] } else { body.as_slice() };
            if writer.write_all(text.as_bytes()).and_then(|()| writer.write_all(body)).is_err() {
                return;
            }
        }
    }

    fn respond(&self, request: &Request) -> Response {
        let authorization = request.headers.get("authorization").map_or("", String::as_str);
        assert!(authorization.starts_with("AWS4-HMAC-SHA256 Credential=key/"), "{request:?}");
        let mut state = self.state();
        state.requests.push(request.clone());
        let query = |name: &str| request.query.contains_key(name);
        if state.fails {
            return Response::error("503 Service Unavailable", "SlowDown");
        }
        match request.method.as_str() {
            "GET" if request.key.is_empty() && query("object-lock") => state.lock_configuration(),
            "GET" if request.key.is_empty() => state.list(&request.query),
            "PUT" | "GET" if query("retention") || query("legal-hold") => state.lock(request, authorization),
            "POST" if query("restore") => state.restore(request, authorization),
            "PUT" => state.put(request),
            "GET" | "HEAD" => state.get(request),
            "DELETE" => state.delete(&request.key),
            _ => Response::error("501 Not Implemented", "NotImplemented"),
        }
    }
}

/// Checks that the headers of a request with a document are signed.
fn check_document(request: &Request, authorization: &str) {
    let checksum = request.headers.get("content-md5").unwrap();
    assert_eq!(checksum.len(), 24, "{checksum} is not the base64 of 16 bytes");
    let signed = authorization.split_once("SignedHeaders=").unwrap().1.split_once(',').unwrap().0;
    for header in ["content-md5", "host", "x-amz-content-sha256", "x-amz-date"] {
        assert!(signed.split(';').any(|one| one == header), "{header} is not signed: {authorization}");
    }
}

impl State {
    fn lock_configuration(&self) -> Response {
        if !self.can_lock {
            return Response::error("404 Not Found", "ObjectLockConfigurationNotFoundError");
        }
        let enabled = "<ObjectLockEnabled>Enabled</ObjectLockEnabled>";
        Response::new("200 OK", format!("<ObjectLockConfiguration>{enabled}</ObjectLockConfiguration>"))
    }

    fn list(&self, query: &BTreeMap<String, String>) -> Response {
        let prefix = query.get("prefix").map_or("", String::as_str);
        let delimiter = query.get("delimiter").map_or("", String::as_str);
        let mut text = String::from("<ListBucketResult><IsTruncated>false</IsTruncated>");
        let mut directories = std::collections::BTreeSet::new();
        for (key, object) in self.objects.iter().filter(|(key, _)| key.starts_with(prefix)) {
            if let Some((directory, _)) = key[prefix.len()..].split_once(delimiter).filter(|_| !delimiter.is_empty()) {
                directories.insert(format!("{prefix}{directory}{delimiter}"));
                continue;
            }
            let len = object.bytes.len();
            let modified = format!("2026-11-{:02}T19:18:57.000Z", object.modified);
            write!(text, "<Contents><Key>{key}</Key><LastModified>{modified}</LastModified>").unwrap();
            write!(text, "<ETag>\"x\"</ETag><Size>{len}</Size></Contents>").unwrap();
        }
        for directory in directories {
            write!(text, "<CommonPrefixes><Prefix>{directory}</Prefix></CommonPrefixes>").unwrap();
        }
        Response::new("200 OK", text + "</ListBucketResult>")
    }

    fn put(&mut self, request: &Request) -> Response {
        if request.headers.contains_key("if-none-match") && self.objects.contains_key(&request.key) {
            return Response::error("412 Precondition Failed", "PreconditionFailed");
        }
        let class = request.headers.get("x-amz-storage-class").cloned();
        let is_archived = class.as_deref().is_some_and(|class| ["GLACIER", "DEEP_ARCHIVE"].contains(&class));
        let is_frozen = is_archived || self.freezes.is_some_and(|part| request.key.contains(part));
        let modified = 1 + self.day;
        let object = Object { bytes: request.body.clone(), modified, class, is_frozen, ..Object::default() };
        self.objects.insert(request.key.clone(), object);
        Response::new("200 OK", "").with("ETag", "\"x\"")
    }

    fn get(&self, request: &Request) -> Response {
        let Some(object) = self.objects.get(&request.key) else {
            return Response::error("404 Not Found", "NoSuchKey");
        };
        if request.method == "GET" && object.is_frozen {
            return Response::error("403 Forbidden", "InvalidObjectState");
        }
        let range = request.headers.get("range").and_then(|range| range.strip_prefix("bytes="));
        let end = object.bytes.len();
        let mut response = match range.and_then(|range| range.split_once('-')) {
            Some((from, to)) => {
                let from: usize = from.parse().unwrap();
                let to = to.parse().map_or(end, |to: usize| end.min(to + 1));
                let part = object.bytes[from..to].to_vec();
                let content_range = format!("bytes {from}-{}/{end}", to - 1);
                Response::new("206 Partial Content", part).with("Content-Range", &content_range)
            }
            None => Response::new("200 OK", object.bytes.clone()),
        };
        let moved = (object.is_frozen || object.restore.is_some()).then_some("GLACIER");
        if let Some(class) = object.class.as_deref().or(moved) {
            response = response.with("x-amz-storage-class", class);
        }
        if let Some(restore) = object.restore {
            response = response.with("x-amz-restore", restore);
        }
        let modified = format!("{:02} Nov 2026 19:18:57 GMT", object.modified);
        response.with("ETag", "\"x\"").with("Last-Modified", &modified)
    }

    fn delete(&mut self, key: &str) -> Response {
        if self.objects.get(key).is_some_and(|object| object.is_held || object.retained_until.is_some()) {
            return Response::error("403 Forbidden", "AccessDenied");
        }
        self.objects.remove(key);
        Response::new("204 No Content", "")
    }

    fn lock(&mut self, request: &Request, authorization: &str) -> Response {
        let Some(object) = self.objects.get_mut(&request.key) else {
            return Response::error("404 Not Found", "NoSuchKey");
        };
        let is_hold = request.query.contains_key("legal-hold");
        if request.method == "GET" {
            let status = if object.is_held { "ON" } else { "OFF" };
            let until = object.retained_until.clone();
            return match until {
                _ if is_hold => Response::new("200 OK", format!("<LegalHold><Status>{status}</Status></LegalHold>")),
                Some(until) => {
                    let until = format!("<RetainUntilDate>{until}</RetainUntilDate>");
                    Response::new("200 OK", format!("<Retention><Mode>COMPLIANCE</Mode>{until}</Retention>"))
                }
                None => Response::error("404 Not Found", "NoSuchObjectLockConfiguration"),
            };
        }
        check_document(request, authorization);
        let body = String::from_utf8_lossy(&request.body).into_owned();
        if is_hold {
            object.is_held = element(&body, "Status") == Some("ON");
            return Response::new("200 OK", "");
        }
        assert_eq!(element(&body, "Mode"), Some("COMPLIANCE"));
        let until = element(&body, "RetainUntilDate").unwrap().to_owned();
        if object.retained_until.as_ref().is_some_and(|former| *former > until) {
            return Response::error("403 Forbidden", "AccessDenied");
        }
        object.retained_until = Some(until);
        Response::new("200 OK", "")
    }

    fn restore(&mut self, request: &Request, authorization: &str) -> Response {
        check_document(request, authorization);
        let Some(object) = self.objects.get_mut(&request.key) else {
            return Response::error("404 Not Found", "NoSuchKey");
        };
        if self.denies_restores {
            return Response::error("403 Forbidden", "AccessDenied");
        }
        match object.restore {
            None => {}
            Some(restore) if restore.contains("\"true\"") => {
                return Response::error("409 Conflict", "RestoreAlreadyInProgress");
            }
            // The restored copy can be read for longer.
            Some(_) => {
                object.restore = Some("ongoing-request=\"false\", expiry-date=\"Fri, 11 Dec 2026 00:00:00 GMT\"");
                return Response::new("200 OK", "");
            }
        }
        object.restore = Some("ongoing-request=\"true\"");
        Response::new("202 Accepted", "")
    }

    /// The segments of this length must be restored before they are read, whatever was restored before.
    pub(crate) fn freeze(&mut self, is_of: impl Fn(usize) -> bool) {
        let segments =
            self.objects.iter_mut().filter(|(key, object)| key.contains("/seg/") && is_of(object.bytes.len()));
        segments.for_each(|(_, object)| (object.is_frozen, object.restore) = (true, None));
    }

    /// The restoring of all objects that was asked for ends.
    pub(crate) fn end_restores(&mut self) {
        self.end_some_restores(usize::MAX);
    }

    /// The restoring of this number of objects ends.
    pub(crate) fn end_some_restores(&mut self, count: usize) {
        let waits = |object: &&mut Object| object.is_frozen && object.restore.is_some();
        for object in self.objects.values_mut().filter(waits).take(count) {
            object.is_frozen = false;
            object.restore = Some("ongoing-request=\"false\", expiry-date=\"Sat, 05 Dec 2026 00:00:00 GMT\"");
        }
    }
}

fn decoded(text: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let Some((first, others)) = rest.split_first() {
        let code = (*first == b'%').then(|| std::str::from_utf8(&others[..2]).unwrap());
        bytes.push(code.map_or(*first, |code| u8::from_str_radix(code, 16).unwrap()));
        rest = &others[if code.is_some() { 2 } else { 0 }..];
    }
    String::from_utf8(bytes).unwrap()
}

fn read(reader: &mut impl BufRead) -> Option<Request> {
    let mut line = String::new();
    if reader.read_line(&mut line).ok()? == 0 {
        return None;
    }
    let mut words = line.split_whitespace();
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let len = headers.get("content-length").map_or(0, |len| len.parse().unwrap());
    let mut body = vec![0; len];
    reader.read_exact(&mut body).ok()?;
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let key = path.strip_prefix(&format!("/{BUCKET}")).unwrap_or(path).trim_start_matches('/');
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    let query = pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (decoded(name), decoded(value)));
    Some(Request { method, key: decoded(key), query: query.collect(), headers, body })
}
