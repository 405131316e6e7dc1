//! A site in memory with notification targets, and an HTTP server that records requests.
#![allow(dead_code, unreachable_pub, reason = "not every test uses all of it")]

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::spawn;
use vtl::clock::{Clock, VirtualClock};
use vtl::config::parse;
use vtl::control::{ControlError, ControlRequest, ControlResponse, ReloadChange};
use vtl::data_dir::DataDir;
use vtl::events::{Cause, Event, Subject};
use vtl::notifications::{NotifyStatus, NotifyTest};
use vtl::{OpenSite, Site, SiteOptions};
use vtl_notify::{Notifier, NotifyPlan};

/// One request that the server has received.
pub struct Request {
    /// The request line.
    pub line: String,
    /// The headers with names in lower case, one per line.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Request {
    pub fn header(&self, name: &str) -> &str {
        let found: Vec<_> = self.headers.iter().filter(|(other, _)| other == name).collect();
        assert_eq!(found.len(), 1, "{name}: {:?}", self.headers);
        &found[0].1
    }

    /// The event in the body.
    pub fn event(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// The reaction of the server to a request.
#[derive(Clone, Copy)]
pub enum Response {
    Status(u16),
    /// No response, and the connection stays open.
    Nothing,
    /// The connection is closed.
    Close,
}

/// An HTTP server on a free port of 127.0.0.1: it gives the scripted responses, and then status 204.
pub struct Server {
    pub address: SocketAddr,
    pub requests: Receiver<Request>,
    pub script: Arc<Mutex<VecDeque<Response>>>,
}

pub fn server(script: &[Response]) -> Server {
    serve(script, |stream| Box::new(stream))
}

/// A connection, with TLS or without.
pub trait Connection: Read + Write + Send {}
impl<T: Read + Write + Send> Connection for T {}

/// As [`server`]; `wrap` makes what is read and written of each connection.
pub fn serve(script: &[Response], wrap: impl Fn(TcpStream) -> Box<dyn Connection> + Send + 'static) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let script = Arc::new(Mutex::new(script.iter().copied().collect::<VecDeque<_>>()));
    let (sender, requests) = channel();
    let responses = Arc::clone(&script);
    spawn(move || {
        let mut open = Vec::new();
        for stream in listener.incoming() {
            let mut stream = BufReader::new(wrap(stream.unwrap()));
            while let Some(request) = read(&mut stream) {
                let response = responses.lock().unwrap().pop_front().unwrap_or(Response::Status(204));
                let is_open = respond(&mut stream, response, &sender, request);
                if !is_open {
                    break;
                }
            }
            // A connection without a response stays open.
            open.push(stream);
            if open.len() > 8 {
                open.remove(0);
            }
        }
    });
    Server { address, requests, script }
}

/// Records the request before the response, so that a client with the response finds the request recorded.
fn respond(
    stream: &mut BufReader<Box<dyn Connection>>,
    response: Response,
    sender: &Sender<Request>,
    request: Request,
) -> bool {
    if sender.send(request).is_err() {
        return false;
    }
    match response {
        Response::Status(status) => {
            let head = format!("HTTP/1.1 {status} Text\r\nlocation: /other\r\ncontent-length: 0\r\n\r\n");
            stream.get_mut().write_all(head.as_bytes()).and_then(|()| stream.get_mut().flush()).is_ok()
        }
        Response::Nothing | Response::Close => false,
    }
}

fn read(stream: &mut BufReader<Box<dyn Connection>>) -> Option<Request> {
    let mut line = || {
        let mut line = String::new();
        stream.read_line(&mut line).ok().filter(|len| *len > 0)?;
        Some(line.trim_end().to_owned())
    };
    let first = line()?;
    let mut headers = Vec::new();
    loop {
        let text = line()?;
        let Some((name, value)) = text.split_once(": ") else { break };
        headers.push((name.to_ascii_lowercase(), value.to_owned()));
    }
    let len = headers.iter().find(|(name, _)| name == "content-length").map_or(0, |(_, len)| len.parse().unwrap());
    let mut body = vec![0; len];
    stream.read_exact(&mut body).ok()?;
    Some(Request { line: first, headers, body })
}

/// A site in memory, and its notifications.
pub struct Fixture {
    pub site: OpenSite,
    pub notifier: Notifier,
}

fn config(targets: &str) -> vtl::Config {
    let text = format!("[library]\nslots = 2\ncartridges = []\n[[library.drive]]\nmodel = \"ULT3580-TD8\"\n{targets}");
    parse("site.toml", &text).unwrap()
}

pub fn open(targets: &str, clock: Clock) -> Fixture {
    let config = config(targets);
    let site = Site::open_with(DataDir::in_memory(), &config, SiteOptions::default().with_clock(clock)).unwrap();
    let notifier = Notifier::open(&site, NotifyPlan::new(&config.notify).unwrap(), || 0).unwrap();
    Fixture { site, notifier }
}

impl Fixture {
    pub fn reload(&self, targets: &str) -> Vec<ReloadChange> {
        self.notifier.reload(NotifyPlan::new(&config(targets).notify).unwrap()).unwrap()
    }

    /// Sends events about cartridges with the numbers as barcodes.
    pub fn send(&self, numbers: impl IntoIterator<Item = usize>) {
        for number in numbers {
            let subject = Subject::new(Cause::site()).with_barcode(format!("A{number}"));
            self.site.record(subject, Event::Damaged { reason: "bad".into() });
        }
    }

    pub fn status(&self) -> NotifyStatus {
        match self.site.control(&ControlRequest::NotifyList).unwrap() {
            ControlResponse::NotifyList(mut targets) => targets.remove(0),
            other => panic!("{other:?}"),
        }
    }

    /// Waits until the state of the target is as `until` says.
    pub fn wait(&self, until: impl Fn(&NotifyStatus) -> bool) -> NotifyStatus {
        loop {
            let status = self.status();
            if until(&status) {
                return status;
            }
            std::thread::yield_now();
        }
    }

    pub fn test(&self, target: &str) -> Result<NotifyTest, ControlError> {
        match self.site.control(&ControlRequest::NotifyTest { target: target.into() })? {
            ControlResponse::NotifyTest(test) => Ok(test),
            other => panic!("{other:?}"),
        }
    }
}

/// A clock that only a test advances, so that no delay passes by itself.
pub fn virtual_clock() -> VirtualClock {
    use vtl::scsi_core::time::{Instant, Now, Timestamp};
    VirtualClock::new(Now { mono: Instant(0), wall: Timestamp(1_795_307_362_999) })
}
