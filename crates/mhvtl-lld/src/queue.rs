//! mhvtl's message queue: one System V queue, in which the type of a message is its receiver's number.
//!
//! Only [`Queue::receive_blocking`] waits: a queue that is full refuses a message, one without any gives none. So a peer that is dead
//! keeps nobody.

use crate::sys;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

/// The key that all of mhvtl's programs know.
pub const KEY: i32 = 0x4d61_726b;
/// The number of its control tool, which is that of no unit.
pub const TOOL_ID: u16 = 32_768;
/// The longest text.
pub const MAX_TEXT: usize = 1024;
/// Type and sender.
const HEAD: usize = 16;

/// A message.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    /// Who has sent it: a unit, or [`TOOL_ID`].
    pub sender: u64,
    /// What it says.
    pub text: String,
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} says {:?}", self.sender, self.text)
    }
}

/// What was received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received {
    /// A message.
    Message(Message),
    /// Something that is none: too short, without an end, or not of printable characters.
    Malformed(&'static str),
}

/// The bytes of a message as `msgsnd` takes them: receiver, sender, text and its NUL.
#[must_use]
pub fn encode(receiver: u16, sender: u16, text: &str) -> Vec<u8> {
    let mut bytes = u64::from(receiver).to_le_bytes().to_vec();
    bytes.extend(u64::from(sender).to_le_bytes());
    bytes.extend(text.bytes().take(MAX_TEXT));
    bytes.push(0);
    bytes
}

/// The message in bytes as `msgrcv` gives them. Programs send eight bytes more than they need, or not: the NUL counts.
#[must_use]
pub fn decode(bytes: &[u8]) -> Received {
    let (Some(sender), Some(rest)) = (bytes.get(8..HEAD).and_then(|bytes| bytes.first_chunk()), bytes.get(HEAD..))
    else {
        return Received::Malformed("it has no sender");
    };
    let Some(end) = rest.iter().position(|byte| *byte == 0) else { return Received::Malformed("its text has no end") };
    let text = rest.get(..end).unwrap_or_default();
    if text.len() > MAX_TEXT {
        return Received::Malformed("its text is too long");
    }
    match std::str::from_utf8(text) {
        Ok(text) if text.bytes().all(|byte| byte == b'\n' || byte == b'\t' || (b' '..0x7f).contains(&byte)) => {
            Received::Message(Message { sender: u64::from_le_bytes(*sender), text: text.into() })
        }
        _ => Received::Malformed("its text is not of printable characters"),
    }
}

/// The queue. Copies are the same queue.
///
/// The last of mhvtl's daemons to end removes it. It is made anew then, and what was in it is gone.
#[derive(Clone, Debug)]
pub struct Queue {
    key: i32,
    id: Arc<AtomicI32>,
}

impl Queue {
    /// Opens mhvtl's queue, made if it is not there.
    ///
    /// # Errors
    /// It may not be used by this user, or the system has no room for another.
    pub fn open() -> io::Result<Self> {
        Self::from_key(KEY)
    }

    /// mhvtl's queue, which some daemon has made. Once removed, it is not made anew.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] if none has, or it may not be used by this user.
    pub fn open_existing() -> io::Result<Self> {
        Ok(Self { key: libc::IPC_PRIVATE, id: Arc::new(AtomicI32::new(sys::queue(KEY, false)?)) })
    }

    /// A queue of nobody else, for tests.
    ///
    /// # Errors
    /// The system has no room for another.
    pub fn open_private() -> io::Result<Self> {
        Self::from_key(libc::IPC_PRIVATE)
    }

    fn from_key(key: i32) -> io::Result<Self> {
        Ok(Self { key, id: Arc::new(AtomicI32::new(sys::queue(key, true)?)) })
    }

    /// Calls with the number of the queue, once more if it was removed.
    fn with<T>(&self, call: impl Fn(i32) -> io::Result<T>) -> io::Result<T> {
        match call(self.id.load(Ordering::Acquire)) {
            Err(error) if self.key != libc::IPC_PRIVATE && is_removed_error(&error) => {
                self.id.store(sys::queue(self.key, true)?, Ordering::Release);
                call(self.id.load(Ordering::Acquire))
            }
            done => done,
        }
    }

    /// Sends a message.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] if the queue is full; [`io::ErrorKind::InvalidInput`] if the text is too long or has a
    /// NUL in it.
    pub fn send(&self, receiver: u16, sender: u16, text: &str) -> io::Result<()> {
        if text.len() > MAX_TEXT || text.contains('\0') || receiver == 0 {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let message = encode(receiver, sender, text);
        self.with(|id| sys::send(id, &message)).map(drop)
    }

    /// The next message for a receiver, if there is one.
    ///
    /// # Errors
    /// The queue cannot be used.
    pub fn receive(&self, receiver: u16) -> io::Result<Option<Received>> {
        Ok(self.try_receive_type(receiver.into())?.map(|(_, received)| received))
    }

    /// The next message, and for whom it was, if there is one: it is taken out, whoever waits for it.
    ///
    /// # Errors
    /// The queue cannot be used.
    pub fn receive_any(&self) -> io::Result<Option<(u64, Received)>> {
        self.try_receive_type(0)
    }

    fn try_receive_type(&self, kind: i64) -> io::Result<Option<(u64, Received)>> {
        match self.receive_type(kind, false) {
            Ok(taken) => Ok(Some(taken)),
            Err(error) if error.raw_os_error() == Some(libc::ENOMSG) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The next message for a receiver, waited for. Who wants to end the wait sends it one.
    ///
    /// # Errors
    /// The queue cannot be used.
    pub fn receive_blocking(&self, receiver: u16) -> io::Result<Received> {
        loop {
            match self.receive_type(receiver.into(), true) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                done => return done.map(|(_, received)| received),
            }
        }
    }

    fn receive_type(&self, kind: i64, wait: bool) -> io::Result<(u64, Received)> {
        self.with(|id| {
            // Longer than any that is meant, so that one that is not shows.
            let mut bytes = [0; HEAD + MAX_TEXT + 64];
            let length = sys::receive(id, kind, wait, &mut bytes)?;
            let receiver = bytes.first_chunk().copied().map_or(0, u64::from_le_bytes);
            Ok((receiver, decode(bytes.get(..8 + length).unwrap_or(&bytes))))
        })
    }

    /// Takes back what a sender has said to a receiver who has not heard it; what others have said is behind what comes
    /// meanwhile.
    ///
    /// # Errors
    /// The queue cannot be used.
    pub fn remove_pending(&self, receiver: u16, sender: u16) -> io::Result<()> {
        /// More than a queue holds as systems are set up: who goes on sending does not keep us.
        const MAX_MESSAGES: usize = 4096;
        let mut others = Vec::new();
        for _ in 0..MAX_MESSAGES {
            let Some(received) = self.receive(receiver)? else { break };
            if let Received::Message(message) = received
                && let Ok(from) = u16::try_from(message.sender)
                && from != sender
            {
                others.push((from, message.text));
            }
        }
        let put_back = |(from, text): (u16, String)| self.send(receiver, from, &text);
        // Each is tried, whatever became of those before.
        others.into_iter().map(put_back).fold(Ok(()), Result::and)
    }

    /// Removes the queue, with what is in it.
    ///
    /// # Errors
    /// It was removed before.
    pub fn remove(self) -> io::Result<()> {
        sys::remove_queue(self.id.load(Ordering::Acquire)).map(drop)
    }
}

/// Whether an error says that the queue was removed.
fn is_removed_error(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EIDRM | libc::EINVAL))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_bytes_match() {
        let bytes = encode(10, TOOL_ID, "list map ");
        assert_eq!(bytes[..16], [10, 0, 0, 0, 0, 0, 0, 0, 0, 0x80, 0, 0, 0, 0, 0, 0]);
        assert_eq!(&bytes[16..], b"list map \0");
        let message = Received::Message(Message { sender: 32_768, text: "list map ".into() });
        assert_eq!(decode(&bytes), message);
        // A daemon sends eight NULs more.
        assert_eq!(decode(&[&bytes[..], &[0; 8]].concat()), message);
        for (bytes, why) in [
            (&bytes[..12], "it has no sender"),
            (&bytes[..20], "its text has no end"),
            (&[&bytes[..16], &[b'x'; 1025], &[0]].concat(), "its text is too long"),
            (&[&bytes[..16], b"\x1b[2J\0"].concat(), "its text is not of printable characters"),
            (&[&bytes[..16], b"\xff\0"].concat(), "its text is not of printable characters"),
        ] {
            assert_eq!(decode(bytes), Received::Malformed(why));
        }
    }

    #[test]
    fn messages_reach_their_receiver() {
        let queue = Queue::open_private().unwrap();
        queue.send(11, 10, "lload E01001L8").unwrap();
        queue.send(12, TOOL_ID, "verbose ").unwrap();
        assert_eq!(queue.receive(10).unwrap(), None);
        let message = |sender, text: &str| Some(Received::Message(Message { sender, text: text.into() }));
        assert_eq!(queue.receive(12).unwrap(), message(32_768, "verbose "));
        assert_eq!(queue.receive(11).unwrap(), message(10, "lload E01001L8"));
        assert_eq!(queue.receive(11).unwrap(), None);
        let long = "x".repeat(MAX_TEXT);
        queue.send(11, 10, &long).unwrap();
        assert_eq!(queue.receive(11).unwrap(), message(10, &long));
        for text in ["y".repeat(MAX_TEXT + 1), "a\0b".into()] {
            assert_eq!(queue.send(11, 10, &text).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        }
        // One that is full refuses, and does not wait.
        let full = std::iter::repeat_with(|| queue.send(11, 10, &long)).take(100_000).find_map(Result::err).unwrap();
        assert_eq!(full.kind(), io::ErrorKind::WouldBlock);
        // One that is longer than any can be is taken out and refused.
        while queue.receive(11).unwrap().is_some() {}
        sys::send(queue.id.load(Ordering::Acquire), &[&encode(11, 10, "")[..16], &[b'x'; 4000]].concat()).unwrap();
        assert_eq!(queue.receive(11).unwrap(), Some(Received::Malformed("its text has no end")));
        assert_eq!(queue.receive(11).unwrap(), None);
        // What one sender has said can be taken back.
        for (sender, text) in [(10, "lload A"), (TOOL_ID, "verbose "), (10, "lload B")] {
            queue.send(11, sender, text).unwrap();
        }
        queue.remove_pending(11, 10).unwrap();
        assert_eq!(queue.receive_blocking(11).unwrap(), message(32_768, "verbose ").unwrap());
        assert_eq!(queue.receive(11).unwrap(), None);
        // Whoever they are for.
        queue.send(12, 10, "Register").unwrap();
        let register = Received::Message(Message { sender: 10, text: "Register".into() });
        assert_eq!(queue.receive_any().unwrap(), Some((12, register)));
        assert_eq!(queue.receive_any().unwrap(), None);
        queue.clone().remove().unwrap();
        assert!(queue.receive_blocking(11).is_err(), "one of nobody else is not made anew");
    }

    #[test]
    fn removed_queue_is_recreated() {
        // A key of no other program here.
        let key = i32::try_from(std::process::id()).unwrap() | 0x4000_0000;
        let queue = Queue::from_key(key).unwrap();
        let waiting = std::thread::spawn({
            let queue = queue.clone();
            move || queue.receive_blocking(11).unwrap()
        });
        queue.clone().remove().unwrap();
        queue.send(11, 10, "Register").unwrap();
        assert_eq!(waiting.join().unwrap(), Received::Message(Message { sender: 10, text: "Register".into() }));
        queue.remove().unwrap();
    }
}
