//! The threads that listen to mhvtl's message queue, one for each unit.

use mhvtl_lld::queue::{Message, Queue, Received, TOOL_ID};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

/// After the queue has failed.
const RETRY_DELAY: Duration = Duration::from_secs(1);

/// How often, and how long after one another, a thread is called that waits for messages.
const WAKE_ATTEMPTS: usize = 50;
const WAKE_INTERVAL: Duration = Duration::from_millis(20);

/// What is done about a text.
#[derive(Debug, PartialEq, Eq)]
pub enum Reply {
    /// Nothing that the sender waits for.
    NoReply,
    /// This is said back.
    Text(String),
    /// The unit is to end.
    Exit,
    /// We do not do that; why, for the log.
    Rejected(String),
}

/// Commands to which mhvtl's control tool waits for a reply, without a time limit.
const REPLIED: [&str; 6] = ["add slot", "open map", "close map", "empty map", "list map", "load map"];

impl Reply {
    /// Handles a message, and sends the reply. A panic in the handler becomes a reply that says so, where the sender waits
    /// for one; the thread goes on. Whether the unit is to end.
    pub(crate) fn handle(queue: &Queue, unit: u16, message: &Message, handle: impl FnOnce(&Message) -> Self) -> bool {
        let handled = catch_unwind(AssertUnwindSafe(|| handle(message)));
        let reply = handled.unwrap_or_else(|_| Self::after_panic(message));
        let exits = reply == Self::Exit;
        let _ = catch_unwind(AssertUnwindSafe(|| reply.send(queue, unit, message)));
        exits
    }

    /// The reply to a message whose handler panicked.
    fn after_panic(message: &Message) -> Self {
        const WHY: &str = "internal error";
        let (text, from_tool) = (message.text.as_str(), message.sender == u64::from(TOOL_ID));
        match text.strip_prefix("lload ") {
            Some(label) => Self::Text(format!("Load failed: {}", label.trim())),
            None if !from_tool && (text.starts_with("unload") || text.starts_with("set_empty")) => {
                Self::Text(format!("Unload failed: {WHY}"))
            }
            None if from_tool && REPLIED.iter().any(|command| text.starts_with(command)) => Self::Text(WHY.into()),
            None => Self::Rejected(WHY.into()),
        }
    }

    /// Says what is to be said, as a unit, to who has sent the message.
    pub fn send(self, queue: &Queue, unit: u16, to: &Message) {
        match self {
            Self::NoReply | Self::Exit => {}
            Self::Rejected(why) => tracing::warn!(unit, text = to.text, why, "a message was not followed"),
            Self::Text(answer) => {
                let receiver = u16::try_from(to.sender).map_err(|_| io::ErrorKind::InvalidInput.into());
                if let Err(error) = receiver.and_then(|receiver| queue.send(receiver, unit, &answer)) {
                    tracing::warn!(unit, sender = to.sender, %error, "an answer could not be sent");
                }
            }
        }
    }
}

/// What a unit does about what is said to it.
pub struct MessageHandler {
    /// Its number, which is its minor.
    pub unit: u16,
    /// Set when it is told to end.
    pub exit_requested: Arc<AtomicBool>,
    /// What it does.
    pub receive: Box<dyn FnMut(&Message) -> Reply + Send>,
}

/// Who listens, until this is dropped.
pub struct MessageListener {
    queue: Queue,
    stop: Arc<AtomicBool>,
    threads: Vec<(u16, JoinHandle<()>)>,
}

impl MessageListener {
    /// Listens for units. `over` is called when the last of them was told to end.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub fn open(queue: &Queue, ears: Vec<MessageHandler>, over: impl Fn() + Send + Sync + 'static) -> io::Result<Self> {
        let mut messages = Self { queue: queue.clone(), stop: Arc::default(), threads: Vec::new() };
        let left = Arc::new(AtomicUsize::new(ears.len()));
        let over = Arc::new(over);
        for mut ear in ears {
            let (queue, stop, left, over) =
                (queue.clone(), Arc::clone(&messages.stop), Arc::clone(&left), Arc::clone(&over));
            let unit = ear.unit;
            let listen = move || {
                ear.listen(&queue, &stop, || {
                    if left.fetch_sub(1, Ordering::AcqRel) == 1 {
                        over();
                    }
                });
            };
            messages.threads.push((unit, Builder::new().name(format!("ear{unit}")).spawn(listen)?));
        }
        Ok(messages)
    }
}

impl Drop for MessageListener {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        for (unit, thread) in self.threads.drain(..) {
            // Who waits for a message looks up. A queue that others have filled may have no room for long.
            for _ in 0..WAKE_ATTEMPTS {
                if thread.is_finished() || self.queue.send(unit, unit, "").is_ok() {
                    let _ = thread.join();
                    break;
                }
                rest(WAKE_INTERVAL);
            }
            // It may have looked up for another.
            let _ = self.queue.remove_pending(unit, unit);
        }
    }
}

impl MessageHandler {
    /// Listens until nobody is to listen any more. Who is told to end listens on: what it is doing may need an answer.
    fn listen(&mut self, queue: &Queue, stop: &AtomicBool, ends: impl Fn()) {
        while !stop.load(Ordering::Acquire) {
            // The thread receives for as long as the daemon runs, whatever panics in it.
            let _ = catch_unwind(AssertUnwindSafe(|| self.receive(queue, &ends)));
        }
    }

    fn receive(&mut self, queue: &Queue, ends: &impl Fn()) {
        match queue.receive_blocking(self.unit) {
            Ok(Received::Message(message)) if message.sender != u64::from(self.unit) => {
                let exits = Reply::handle(queue, self.unit, &message, &mut self.receive);
                if exits && !self.exit_requested.swap(true, Ordering::AcqRel) {
                    ends();
                }
            }
            Ok(Received::Message(_)) => {}
            Ok(Received::Malformed(why)) => tracing::warn!(unit = self.unit, why, "a message was refused"),
            Err(error) => {
                let log = || tracing::error!(unit = self.unit, %error, "the message queue cannot be read");
                let _ = catch_unwind(AssertUnwindSafe(log));
                rest(RETRY_DELAY);
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the thread has nothing to listen to")]
fn rest(time: Duration) {
    std::thread::sleep(time);
}
