//! Messages to a library whose drives are served by other processes.

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

/// Time limit for the reply of a drive: longer than any delay that can be set. A move between a slow drive and one that
/// does not reply ends before the module aborts it, which is after 50 s at the earliest.
const REPLY_TIMEOUT: Duration = Duration::from_secs(22);
/// Maximum number of messages that wait for a move to end; further ones are rejected.
const MAX_QUEUED_MESSAGES: usize = 64;

/// The clients for the drives of a library, one [`QueueClient`] each.
#[derive(Clone)]
pub struct QueueClients {
    queue: Queue,
    library: u16,
    timeout: Duration,
    uncertain_loads: UncertainLoads,
    /// In the order of the drive elements.
    clients: Arc<Mutex<Vec<Arc<QueueClient>>>>,
}

impl QueueClients {
    /// Creates a client for each drive in the device slots.
    ///
    /// # Errors
    /// The number of a drive is not a valid minor number.
    pub fn new(queue: &Queue, library: u16, slots: &[DeviceSlot]) -> Result<Self, FrontendError> {
        Self::with_timeout(queue, library, slots, REPLY_TIMEOUT)
    }

    /// As [`Self::new`], with another time limit for replies.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn with_timeout(
        queue: &Queue,
        library: u16,
        slots: &[DeviceSlot],
        timeout: Duration,
    ) -> Result<Self, FrontendError> {
        let (queue, clients, uncertain_loads) = (queue.clone(), Arc::default(), Arc::default());
        let clients = Self { queue, library, timeout, uncertain_loads, clients };
        clients.add_drives(slots)?;
        Ok(clients)
    }

    /// Adds clients for the drives that are new, and returns these. Existing clients stay.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn add_drives(&self, slots: &[DeviceSlot]) -> Result<Vec<Arc<QueueClient>>, FrontendError> {
        let minors = slots.iter().filter(|slot| slot.unit > 0).map(minor).collect::<Result<Vec<u16>, _>>()?;
        let mut clients = self.all();
        let client =
            |drive: &u16| QueueClient::new(&self.queue, self.library, *drive, self.timeout, &self.uncertain_loads);
        let new: Vec<Arc<QueueClient>> = minors.iter().skip(clients.len()).map(client).collect();
        clients.extend(new.iter().cloned());
        *lock(&self.clients) = clients;
        Ok(new)
    }

    fn all(&self) -> Vec<Arc<QueueClient>> {
        lock(&self.clients).clone()
    }

    /// The client for a drive, by the number of the drive in the library, from 1. The client for an unknown number
    /// never gets a reply.
    #[must_use]
    pub fn client(&self, drive: usize) -> Arc<QueueClient> {
        let unknown = || QueueClient::new(&self.queue, self.library, 0, Duration::ZERO, &self.uncertain_loads);
        drive.checked_sub(1).and_then(|index| self.all().get(index).cloned()).unwrap_or_else(unknown)
    }

    /// Starts the exchange with every drive.
    pub fn start(&self) {
        self.all().iter().for_each(|client| client.start());
    }

    /// Passes a message to the client of its sender. Returns whether the sender is a drive of the library.
    fn receive(&self, message: &Message) -> bool {
        let client = self.all().into_iter().find(|client| u64::from(client.drive()) == message.sender);
        client.inspect(|client| client.receive(&message.text)).is_some()
    }
}

/// Creates the message handlers of a library. Messages from its drives are handled at once, because a move waits for
/// them; all others may wait for the move.
///
/// # Errors
/// The number of the library is not a valid minor number, or a thread cannot be spawned.
pub fn message_handlers(
    site: &Arc<Site>,
    frontend: &Frontend,
    slots: &[DeviceSlot],
    clients: &QueueClients,
    queue: &Queue,
    log: &Log,
) -> Result<Vec<MessageHandler>, FrontendError> {
    let mut handlers = site_messages::message_handlers(site, frontend, slots, log)?;
    for handler in &mut handlers {
        let requests =
            spawn_handler_thread(handler, queue).map_err(|error| FrontendError::Module(handler.unit.into(), error))?;
        let clients = clients.clone();
        handler.receive = Box::new(move |message| {
            if clients.receive(message) {
                return Reply::NoReply;
            }
            if message.text.starts_with("exit") {
                return Reply::Exit;
            }
            match requests.try_send(message.clone()) {
                Ok(()) => Reply::NoReply,
                Err(_) => Reply::Rejected("message queue of the library is full".into()),
            }
        });
    }
    Ok(handlers)
}

/// Moves a handler to a new thread that also sends the replies. Returns the queue to that thread.
fn spawn_handler_thread(handler: &mut MessageHandler, queue: &Queue) -> std::io::Result<SyncSender<Message>> {
    let (sender, messages) = sync_channel::<Message>(MAX_QUEUED_MESSAGES);
    let mut receive = std::mem::replace(&mut handler.receive, Box::new(|_| Reply::NoReply));
    let (queue, unit) = (queue.clone(), handler.unit);
    let run = move || {
        for message in messages {
            Reply::handle(&queue, unit, &message, &mut receive);
        }
    };
    Builder::new().name(format!("mhvtl-cmd-{unit}")).spawn(run)?;
    Ok(sender)
}
