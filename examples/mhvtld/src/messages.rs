//! The threads that receive from mhvtl's message queue, one for each unit.

use mhvtl_lld::queue::{Message, Queue, Received, TOOL_ID};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

/// Delay after an error of the queue.
const RETRY_DELAY: Duration = Duration::from_secs(1);

/// Number of attempts to wake a thread that waits for messages, and the time between them.
const WAKE_ATTEMPTS: usize = 50;
const WAKE_INTERVAL: Duration = Duration::from_millis(20);

/// The result of handling a message.
#[derive(Debug, PartialEq, Eq)]
pub enum Reply {
    /// The message is handled; the sender does not wait for a reply.
    NoReply,
    /// The message is handled; this text is sent to the sender.
    Text(String),
    /// The unit must exit; no reply is sent.
    Exit,
    /// The message is not supported or failed, for the reason in the log; no reply is sent.
    Rejected(String),
}

/// Commands to which mhvtl's control tool waits for a reply, without a time limit.
const REPLIED: [&str; 6] = ["add slot", "open map", "close map", "empty map", "list map", "load map"];

impl Reply {
    /// Handles a message and sends the reply. A panic in the handler becomes an error reply if the sender waits for
    /// one. Returns whether the unit must exit.
    pub(crate) fn handle(queue: &Queue, unit: u16, message: &Message, handle: impl FnOnce(&Message) -> Self) -> bool {
        let handled = catch_unwind(AssertUnwindSafe(|| handle(message)));
        let reply = handled.unwrap_or_else(|_| Self::after_panic(message));
        let exits = reply == Self::Exit;
        let _ = catch_unwind(AssertUnwindSafe(|| reply.send(queue, unit, message)));
        exits
    }

    /// The reply to a message whose handler panicked.
    fn after_panic(message: &Message) -> Self {
        const REASON: &str = "internal error";
        let (text, from_tool) = (message.text.as_str(), message.sender == u64::from(TOOL_ID));
        match text.strip_prefix("lload ") {
            Some(label) => Self::Text(format!("Load failed: {}", label.trim())),
            None if !from_tool && (text.starts_with("unload") || text.starts_with("set_empty")) => {
                Self::Text(format!("Unload failed: {REASON}"))
            }
            None if from_tool && REPLIED.iter().any(|command| text.starts_with(command)) => Self::Text(REASON.into()),
            None => Self::Rejected(REASON.into()),
        }
    }

    /// Sends the reply of a unit to the sender of the message `to`, or logs why there is none.
    pub fn send(self, queue: &Queue, unit: u16, to: &Message) {
        match self {
            Self::NoReply | Self::Exit => {}
            Self::Rejected(reason) => {
                tracing::warn!(minor = unit, message_text = to.text, reason, "message rejected")
            }
            Self::Text(text) => {
                let receiver = u16::try_from(to.sender).map_err(|_| io::ErrorKind::InvalidInput.into());
                if let Err(error) = receiver.and_then(|receiver| queue.send(receiver, unit, &text)) {
                    tracing::warn!(minor = unit, sender = to.sender, %error, "cannot send a reply");
                }
            }
        }
    }
}

/// Handles the messages to one unit.
pub struct MessageHandler {
    /// Number of the unit, which is also its minor number.
    pub unit: u16,
    /// Set when the unit receives an `exit` message.
    pub exit_requested: Arc<AtomicBool>,
    /// Handles one message and returns the result.
    pub receive: Box<dyn FnMut(&Message) -> Reply + Send>,
}

/// Receives the messages to a set of units until it is dropped.
pub struct MessageListener {
    queue: Queue,
    stop: Arc<AtomicBool>,
    threads: Vec<(u16, JoinHandle<()>)>,
}

impl MessageListener {
    /// Starts a thread for each handler. `all_exited` is called when the last unit has received an `exit` message.
    ///
    /// # Errors
    /// A thread cannot be spawned.
    pub fn open(
        queue: &Queue,
        handlers: Vec<MessageHandler>,
        all_exited: impl Fn() + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let mut messages = Self { queue: queue.clone(), stop: Arc::default(), threads: Vec::new() };
        let remaining = Arc::new(AtomicUsize::new(handlers.len()));
        let all_exited = Arc::new(all_exited);
        for mut handler in handlers {
            let (queue, stop, remaining, all_exited) =
                (queue.clone(), Arc::clone(&messages.stop), Arc::clone(&remaining), Arc::clone(&all_exited));
            let unit = handler.unit;
            let listen = move || {
                handler.listen(&queue, &stop, || {
                    if remaining.fetch_sub(1, Ordering::AcqRel) == 1 {
                        all_exited();
                    }
                });
            };
            messages.threads.push((unit, Builder::new().name(format!("mhvtl-msg-{unit}")).spawn(listen)?));
        }
        Ok(messages)
    }
}

impl Drop for MessageListener {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        for (unit, thread) in self.threads.drain(..) {
            // The empty message wakes the thread. A queue that other senders have filled may stay full for a while.
            for _ in 0..WAKE_ATTEMPTS {
                if thread.is_finished() || self.queue.send(unit, unit, "").is_ok() {
                    let _ = thread.join();
                    break;
                }
                sleep(WAKE_INTERVAL);
            }
            // The thread may have ended after another message, with this one still in the queue.
            let _ = self.queue.remove_pending(unit, unit);
        }
    }
}

impl MessageHandler {
    /// Receives messages until `stop` is set. An `exit` message does not end the loop: a running command may wait for a
    /// reply.
    fn listen(&mut self, queue: &Queue, stop: &AtomicBool, on_exit: impl Fn()) {
        while !stop.load(Ordering::Acquire) {
            // A panic must not end the thread.
            let _ = catch_unwind(AssertUnwindSafe(|| self.receive(queue, &on_exit)));
        }
    }

    fn receive(&mut self, queue: &Queue, on_exit: &impl Fn()) {
        match queue.receive_blocking(self.unit) {
            Ok(Received::Message(message)) if message.sender != u64::from(self.unit) => {
                let exits = Reply::handle(queue, self.unit, &message, &mut self.receive);
                if exits && !self.exit_requested.swap(true, Ordering::AcqRel) {
                    on_exit();
                }
            }
            Ok(Received::Message(_)) => {}
            Ok(Received::Malformed(reason)) => tracing::warn!(minor = self.unit, reason, "malformed message discarded"),
            Err(error) => {
                let log = || tracing::error!(minor = self.unit, %error, "cannot read the message queue");
                let _ = catch_unwind(AssertUnwindSafe(log));
                sleep(RETRY_DELAY);
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the thread has nothing else to do")]
fn sleep(time: Duration) {
    std::thread::sleep(time);
}
