//! mhvtl's message queue: one System V queue, in which the type of a message is the number of its receiver.
//!
//! Only [`Queue::receive_blocking`] blocks: sending to a full queue fails, and receiving from an empty one returns
//! `None`. So a dead peer cannot block a sender.

use crate::sys;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

/// The System V key of mhvtl's queue.
pub const KEY: i32 = 0x4d61_726b;
/// The receiver number of mhvtl's control tool `vtlcmd`, which no unit has.
pub const TOOL_ID: u16 = 32_768;
/// Maximum length of a text in bytes, without its NUL.
pub const MAX_TEXT: usize = 1024;
/// Length of the type and the sender number in bytes.
const HEAD: usize = 16;

/// A message of the System V message queue between daemons and tools.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    /// Number of the sender: a unit, or [`TOOL_ID`].
    pub sender: u64,
    /// Text of the message, without its NUL.
    pub text: String,
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "message from {}: {:?}", self.sender, self.text)
    }
}

/// The result of receiving a message: a valid message, or an invalid one with the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received {
    /// A valid message of the queue.
    Message(Message),
    /// An invalid message, with the reason: it is truncated, too long or not printable.
    Malformed(&'static str),
}

/// Encodes a message for `msgsnd`: receiver, sender, and the NUL-terminated text.
#[must_use]
pub fn encode(receiver: u16, sender: u16, text: &str) -> Vec<u8> {
    let mut bytes = u64::from(receiver).to_le_bytes().to_vec();
    bytes.extend(u64::from(sender).to_le_bytes());
    bytes.extend(text.bytes().take(MAX_TEXT));
    bytes.push(0);
    bytes
}

/// Decodes a message from `msgrcv`. Some programs send eight bytes more than needed, so the NUL determines the length.
#[must_use]
pub fn decode(bytes: &[u8]) -> Received {
    let (Some(sender), Some(rest)) = (bytes.get(8..HEAD).and_then(|bytes| bytes.first_chunk()), bytes.get(HEAD..))
    else {
        return Received::Malformed("message has no sender");
    };
    let Some(end) = rest.iter().position(|byte| *byte == 0) else {
        return Received::Malformed("message text is not NUL-terminated");
    };
    let text = rest.get(..end).unwrap_or_default();
    if text.len() > MAX_TEXT {
        return Received::Malformed("message text is longer than 1024 bytes");
    }
    match std::str::from_utf8(text) {
        Ok(text) if text.bytes().all(|byte| byte == b'\n' || byte == b'\t' || (b' '..0x7f).contains(&byte)) => {
            Received::Message(Message { sender: u64::from_le_bytes(*sender), text: text.into() })
        }
        _ => Received::Malformed("message text contains unprintable characters"),
    }
}

/// A handle of the queue. Clones refer to the same queue.
///
/// The last of mhvtl's daemons to exit removes the queue with its messages. The handle then creates it again at its
/// next use.
#[derive(Clone, Debug)]
pub struct Queue {
    key: i32,
    id: Arc<AtomicI32>,
}

impl Queue {
    /// Opens mhvtl's queue, and creates it if it does not exist.
    ///
    /// # Errors
    /// The user has no access to the queue, or the system's limit of queues is reached.
    pub fn open() -> io::Result<Self> {
        Self::from_key(KEY)
    }

    /// Opens mhvtl's queue only if it exists. If it is removed later, it is not created again.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] if the queue does not exist; another error if the user has no access to it.
    pub fn open_existing() -> io::Result<Self> {
        Ok(Self { key: libc::IPC_PRIVATE, id: Arc::new(AtomicI32::new(sys::queue(KEY, false)?)) })
    }

    /// Creates a private queue, for tests.
    ///
    /// # Errors
    /// The system's limit of queues is reached.
    pub fn open_private() -> io::Result<Self> {
        Self::from_key(libc::IPC_PRIVATE)
    }

    fn from_key(key: i32) -> io::Result<Self> {
        Ok(Self { key, id: Arc::new(AtomicI32::new(sys::queue(key, true)?)) })
    }

    /// Calls `call` with the identifier of the queue. If the queue was removed, creates it and calls again.
    fn with<T>(&self, call: impl Fn(i32) -> io::Result<T>) -> io::Result<T> {
        match call(self.id.load(Ordering::Acquire)) {
            Err(error) if self.key != libc::IPC_PRIVATE && is_removed_error(&error) => {
                self.id.store(sys::queue(self.key, true)?, Ordering::Release);
                call(self.id.load(Ordering::Acquire))
            }
            done => done,
        }
    }

    /// Sends a message to a receiver.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] if the queue is full; [`io::ErrorKind::InvalidInput`] if the text is too long or
    /// contains a NUL, or the receiver is 0.
    pub fn send(&self, receiver: u16, sender: u16, text: &str) -> io::Result<()> {
        if text.len() > MAX_TEXT || text.contains('\0') || receiver == 0 {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let message = encode(receiver, sender, text);
        self.with(|id| sys::send(id, &message)).map(drop)
    }

    /// Removes and returns the next message for a receiver; `None` if there is none.
    ///
    /// # Errors
    /// An error of the system: the queue was removed, or the user has no access to it.
    pub fn receive(&self, receiver: u16) -> io::Result<Option<Received>> {
        Ok(self.try_receive_type(receiver.into())?.map(|(_, received)| received))
    }

    /// Removes the next message for any receiver, and returns it with the number of its receiver; `None` if there is
    /// none.
    ///
    /// # Errors
    /// As [`Self::receive`].
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

    /// Waits for the next message for a receiver. To end the wait, send a message to the receiver.
    ///
    /// # Errors
    /// As [`Self::receive`].
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
            // Longer than any valid message, so that a message that is too long is detected.
            let mut bytes = [0; HEAD + MAX_TEXT + 64];
            let length = sys::receive(id, kind, wait, &mut bytes)?;
            let receiver = bytes.first_chunk().copied().map_or(0, u64::from_le_bytes);
            Ok((receiver, decode(bytes.get(..8 + length).unwrap_or(&bytes))))
        })
    }

    /// Removes all messages of a sender that the receiver has not received yet. Messages of other senders to this
    /// receiver are queued again, after any that arrive in the meantime; malformed messages are dropped.
    ///
    /// # Errors
    /// As [`Self::receive`] and [`Self::send`].
    pub fn remove_pending(&self, receiver: u16, sender: u16) -> io::Result<()> {
        /// More messages than a queue holds with usual limits. Bounds the loop while another process keeps sending.
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
        // Send each message, even if an earlier one failed.
        others.into_iter().map(put_back).fold(Ok(()), Result::and)
    }

    /// Removes the queue and its messages.
    ///
    /// # Errors
    /// The queue was already removed.
    pub fn remove(self) -> io::Result<()> {
        sys::remove_queue(self.id.load(Ordering::Acquire)).map(drop)
    }
}

/// Returns whether an error means that the queue was removed.
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
        // mhvtl's daemons send eight more NULs.
        assert_eq!(decode(&[&bytes[..], &[0; 8]].concat()), message);
        for (bytes, reason) in [
            (&bytes[..12], "message has no sender"),
            (&bytes[..20], "message text is not NUL-terminated"),
            (&[&bytes[..16], &[b'x'; 1025], &[0]].concat(), "message text is longer than 1024 bytes"),
            (&[&bytes[..16], b"\x1b[2J\0"].concat(), "message text contains unprintable characters"),
            (&[&bytes[..16], b"\xff\0"].concat(), "message text contains unprintable characters"),
        ] {
            assert_eq!(decode(bytes), Received::Malformed(reason));
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
        // Sending to a full queue fails and does not wait.
        let full = std::iter::repeat_with(|| queue.send(11, 10, &long)).take(100_000).find_map(Result::err).unwrap();
        assert_eq!(full.kind(), io::ErrorKind::WouldBlock);
        // A message that is too long is removed and malformed.
        while queue.receive(11).unwrap().is_some() {}
        sys::send(queue.id.load(Ordering::Acquire), &[&encode(11, 10, "")[..16], &[b'x'; 4000]].concat()).unwrap();
        assert_eq!(queue.receive(11).unwrap(), Some(Received::Malformed("message text is not NUL-terminated")));
        assert_eq!(queue.receive(11).unwrap(), None);
        // The messages of one sender can be removed.
        for (sender, text) in [(10, "lload A"), (TOOL_ID, "verbose "), (10, "lload B")] {
            queue.send(11, sender, text).unwrap();
        }
        queue.remove_pending(11, 10).unwrap();
        assert_eq!(queue.receive_blocking(11).unwrap(), message(32_768, "verbose ").unwrap());
        assert_eq!(queue.receive(11).unwrap(), None);
        // Messages for any receiver.
        queue.send(12, 10, "Register").unwrap();
        let register = Received::Message(Message { sender: 10, text: "Register".into() });
        assert_eq!(queue.receive_any().unwrap(), Some((12, register)));
        assert_eq!(queue.receive_any().unwrap(), None);
        queue.clone().remove().unwrap();
        assert!(queue.receive_blocking(11).is_err(), "a private queue is not created again");
    }

    #[test]
    fn removed_queue_is_recreated() {
        // A key that no other process uses.
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
