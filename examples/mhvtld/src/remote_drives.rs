//! A library whose drives are other processes: what is said to it.

use crate::log::Log;
use crate::remote_bay::{QueueClient, UncertainLoads, lock};
use crate::{Frontend, FrontendError, MessageHandler, Reply, minor, site_messages};
use mhvtl_lld::queue::{Message, Queue};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::Builder;
use std::time::Duration;
use vtl::config::mhvtl::DeviceSlot;
use vtl::site::Site;

/// How long a drive may take for an answer: longer than any delay that can be set. With one that is slow and one that is
/// silent, a move ends before the module gives it up, which is after 50 s at the least.
const REPLY_TIMEOUT: Duration = Duration::from_secs(22);
/// Messages that wait for a move to end; more are refused.
const MAX_QUEUED_MESSAGES: usize = 64;

/// The lines to the drives of a library.
#[derive(Clone)]
pub struct QueueClients {
    queue: Queue,
    library: u16,
    timeout: Duration,
    uncertain_loads: UncertainLoads,
    /// In the order of their elements.
    clients: Arc<Mutex<Vec<Arc<QueueClient>>>>,
}

impl QueueClients {
    /// Lines to the drives that have seats.
    ///
    /// # Errors
    /// The number of a drive cannot be a unit's.
    pub fn new(queue: &Queue, library: u16, seats: &[DeviceSlot]) -> Result<Self, FrontendError> {
        Self::with_timeout(queue, library, seats, REPLY_TIMEOUT)
    }

    /// As [`Self::of`], with another patience.
    ///
    /// # Errors
    /// As [`Self::of`].
    pub fn with_timeout(
        queue: &Queue,
        library: u16,
        seats: &[DeviceSlot],
        patience: Duration,
    ) -> Result<Self, FrontendError> {
        let (queue, lines, doubts) = (queue.clone(), Arc::default(), Arc::default());
        let lines = Self { queue, library, timeout: patience, uncertain_loads: doubts, clients: lines };
        lines.add_drives(seats)?;
        Ok(lines)
    }

    /// Adds the lines to drives that have come; those there are stay. The new ones.
    ///
    /// # Errors
    /// As [`Self::of`].
    pub fn add_drives(&self, seats: &[DeviceSlot]) -> Result<Vec<Arc<QueueClient>>, FrontendError> {
        let minors = seats.iter().filter(|seat| seat.unit > 0).map(minor).collect::<Result<Vec<u16>, _>>()?;
        let mut lines = self.all();
        let line =
            |drive: &u16| QueueClient::new(&self.queue, self.library, *drive, self.timeout, &self.uncertain_loads);
        let new: Vec<Arc<QueueClient>> = minors.iter().skip(lines.len()).map(line).collect();
        lines.extend(new.iter().cloned());
        *lock(&self.clients) = lines;
        Ok(new)
    }

    fn all(&self) -> Vec<Arc<QueueClient>> {
        lock(&self.clients).clone()
    }

    /// The line to a drive, by its number in the library.
    #[must_use]
    pub fn client(&self, drive: usize) -> Arc<QueueClient> {
        // One that nobody has a number for does not answer.
        let nobody = || QueueClient::new(&self.queue, self.library, 0, Duration::ZERO, &self.uncertain_loads);
        drive.checked_sub(1).and_then(|index| self.all().get(index).cloned()).unwrap_or_else(nobody)
    }

    /// The robot begins to work.
    pub fn start(&self) {
        self.all().iter().for_each(|line| line.start());
    }

    /// A drive may have said something; whether it was one.
    fn receive(&self, message: &Message) -> bool {
        let line = self.all().into_iter().find(|line| u64::from(line.drive()) == message.sender);
        line.inspect(|line| line.receive(&message.text)).is_some()
    }
}

/// What a library does about messages. What its drives say is heard at once: a move waits for it, and all else may wait
/// for the move.
///
/// # Errors
/// The library's number cannot be a unit's, or there is no thread to be had.
pub fn message_handlers(
    site: &Arc<Site>,
    door: &Frontend,
    seats: &[DeviceSlot],
    lines: &QueueClients,
    queue: &Queue,
    log: &Log,
) -> Result<Vec<MessageHandler>, FrontendError> {
    let mut ears = site_messages::message_handlers(site, door, seats, log)?;
    for ear in &mut ears {
        let desk = spawn_handler_thread(ear, queue).map_err(|error| FrontendError::Module(ear.unit.into(), error))?;
        let lines = lines.clone();
        ear.receive = Box::new(move |message| {
            if lines.receive(message) {
                return Reply::NoReply;
            }
            if message.text.starts_with("exit") {
                return Reply::Exit;
            }
            match desk.try_send(message.clone()) {
                Ok(()) => Reply::NoReply,
                Err(_) => Reply::Rejected("too many wait already".into()),
            }
        });
    }
    Ok(ears)
}

/// A thread that does what an ear did, and answers.
fn spawn_handler_thread(ear: &mut MessageHandler, queue: &Queue) -> std::io::Result<SyncSender<Message>> {
    let (sender, messages) = sync_channel::<Message>(MAX_QUEUED_MESSAGES);
    let mut hear = std::mem::replace(&mut ear.receive, Box::new(|_| Reply::NoReply));
    let (queue, unit) = (queue.clone(), ear.unit);
    let work = move || {
        for message in messages {
            Reply::handle(&queue, unit, &message, &mut hear);
        }
    };
    Builder::new().name(format!("desk{unit}")).spawn(work)?;
    Ok(sender)
}
