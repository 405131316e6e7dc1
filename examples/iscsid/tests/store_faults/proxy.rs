//! A proxy between a daemon and its store, which cuts connections.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread::spawn;

/// The next connections that the proxy cuts.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cut {
    /// The connection that transfers the byte after this many bytes of requests; the bytes before it are forwarded.
    Requests(u64),
    /// The connection that transfers the byte after this many bytes of responses; the bytes before it are forwarded.
    Responses(u64),
    /// The connection with a PUT request, after `after` other ones: its headers are forwarded, its body is not.
    Body { after: u64 },
    /// The connections with `count` responses, after `after` other ones. The store has executed their requests.
    Answers { after: u64, count: u64 },
}

/// The next cut, and the number of cuts that were made.
#[derive(Default)]
struct Plan {
    cut: Option<Cut>,
    cuts: u64,
}

/// The treatment of a block of bytes.
enum Fate {
    Forward,
    /// These bytes are forwarded, then the connection is cut.
    Cut(usize),
}

impl Plan {
    fn bytes(&mut self, left: u64, len: usize, next: fn(u64) -> Cut) -> Fate {
        match left.checked_sub(len as u64) {
            Some(left) => {
                self.cut = Some(next(left));
                Fate::Forward
            }
            None => {
                self.cut = None;
                self.cuts += 1;
                Fate::Cut(usize::try_from(left).unwrap())
            }
        }
    }

    fn request(&mut self, block: &[u8]) -> Fate {
        let end_of_headers =
            block.windows(4).position(|bytes| bytes == b"\r\n\r\n").filter(|_| block.starts_with(b"PUT "));
        match (self.cut, end_of_headers) {
            (Some(Cut::Requests(left)), _) => self.bytes(left, block.len(), Cut::Requests),
            (Some(Cut::Body { after: 0 }), Some(end)) => {
                self.cut = None;
                self.cuts += 1;
                Fate::Cut(end + 4)
            }
            (Some(Cut::Body { after }), Some(_)) => {
                self.cut = Some(Cut::Body { after: after - 1 });
                Fate::Forward
            }
            _ => Fate::Forward,
        }
    }

    /// `is_begin`: the block is the first one after a request.
    fn response(&mut self, len: usize, is_begin: bool) -> Fate {
        match self.cut {
            Some(Cut::Responses(left)) => self.bytes(left, len, Cut::Responses),
            Some(Cut::Answers { after: 0, count }) if is_begin => {
                self.cut = (count > 1).then(|| Cut::Answers { after: 0, count: count - 1 });
                self.cuts += 1;
                Fate::Cut(0)
            }
            Some(Cut::Answers { after, count }) if is_begin => {
                self.cut = Some(Cut::Answers { after: after - 1, count });
                Fate::Forward
            }
            _ => Fate::Forward,
        }
    }
}

pub(crate) struct Proxy {
    address: SocketAddr,
    plan: Arc<Mutex<Plan>>,
}

impl Proxy {
    /// A proxy for a store, whose URL begins with `http://`.
    pub(crate) fn start(store: &str) -> Self {
        let store = store.strip_prefix("http://").unwrap().trim_end_matches('/').to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = Self { address: listener.local_addr().unwrap(), plan: Arc::default() };
        let plan = Arc::clone(&proxy.plan);
        spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect(&store) else { continue };
                connect(client, server, &plan);
            }
        });
        proxy
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Sets the next cut.
    pub(crate) fn set(&self, cut: Cut) {
        *self.plan.lock().unwrap() = Plan { cut: Some(cut), cuts: 0 };
    }

    /// Clears the next cut, and returns the number of those since [`Self::set`].
    pub(crate) fn clear(&self) -> u64 {
        std::mem::take(&mut *self.plan.lock().unwrap()).cuts
    }
}

/// Forwards both directions of a connection.
fn connect(client: TcpStream, server: TcpStream, plan: &Arc<Mutex<Plan>>) {
    // Whether the last bytes were those of a request.
    let is_request = Arc::new(Mutex::new(true));
    for (direction, from, to) in [(true, &client, &server), (false, &server, &client)] {
        let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
        let (plan, is_request) = (Arc::clone(plan), Arc::clone(&is_request));
        to.set_nodelay(true).unwrap();
        spawn(move || {
            let mut block = vec![0; 64 << 10];
            while let Ok(len @ 1..) = from.read(&mut block) {
                let was_request = std::mem::replace(&mut *is_request.lock().unwrap(), direction);
                let fate = if direction {
                    plan.lock().unwrap().request(&block[..len])
                } else {
                    plan.lock().unwrap().response(len, was_request)
                };
                let end = if let Fate::Cut(end) = &fate { *end } else { len };
                if to.write_all(&block[..end]).is_err() || matches!(fate, Fate::Cut(_)) {
                    break;
                }
            }
            for stream in [&from, &to] {
                let _ = stream.shutdown(Shutdown::Both);
            }
        });
    }
}
