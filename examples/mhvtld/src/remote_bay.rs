//! Bays of drives that other processes serve, Ferric's or mhvtl's: the robot reaches them by messages.
//!
//! The inventory of the library is authoritative: a drive that holds a cartridge which the inventory has in another
//! element is emptied, and a drive that lacks the cartridge which the inventory has in it must load it again. If a
//! drive does not reply in time, the move fails and the cartridge stays in its element; if the drive did execute the
//! request, the next message that it reads undoes that.

use crate::standalone_drive::REGISTER;
use mhvtl_lld::queue::Queue;
use scsi_core::time::Now;
use smc::bay::{Bay, BayName, BayStatus};
use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tape_store::cartridge::{Barcode, Cartridge, InsertError, RemoveError};

/// Cartridges that a drive may hold although it did not confirm the load in time, by the number of the drive.
pub type UncertainLoads = Arc<Mutex<BTreeMap<u16, Barcode>>>;

/// Exchanges messages with one drive.
pub struct QueueClient {
    queue: Queue,
    library: u16,
    drive: u16,
    /// Time limit for a reply.
    timeout: Duration,
    uncertain_loads: UncertainLoads,
    state: Mutex<DriveState>,
    reply_received: Condvar,
}

#[derive(Default)]
struct DriveState {
    /// The robot has started. Before that, cartridges are restored to their elements without messages.
    started: bool,
    cartridge: Option<Cartridge>,
    /// A host has unloaded the cartridge.
    accessible: bool,
    /// Prefixes of the replies that the pending request expects.
    expected_replies: Vec<String>,
    reply: Option<String>,
}

/// Messages of a drive, by their prefix.
const REPLY_OCCUPIED: &str = "occupied";
const REPLY_EMPTY: &str = "Not occupied";
const REPLY_LOADED: &str = "Loaded OK";
const REPLY_LOAD_FAILED: &str = "Load failed";
const REPLY_UNLOADED: &str = "Unloaded OK";
const REPLY_UNLOAD_FAILED: &str = "Unload failed";
const REPLY_EJECT: &str = "eject";

/// Messages to a drive.
const REQUEST_STATE: &str = "mount_state";
const REQUEST_SET_EMPTY: &str = "set_empty";

/// Locks a mutex, also after a panic of a holder.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl QueueClient {
    /// A client of a library for one of its drives, by their unit numbers. A reply may take `timeout`.
    #[must_use]
    pub fn new(
        queue: &Queue,
        library: u16,
        drive: u16,
        timeout: Duration,
        uncertain_loads: &UncertainLoads,
    ) -> Arc<Self> {
        let (queue, state, reply_received) = (queue.clone(), Mutex::default(), Condvar::new());
        Arc::new(Self {
            queue,
            library,
            drive,
            timeout,
            uncertain_loads: Arc::clone(uncertain_loads),
            state,
            reply_received,
        })
    }

    /// Unit number of the drive.
    #[must_use]
    pub const fn drive(&self) -> u16 {
        self.drive
    }

    /// Sends a message without waiting for a reply. Returns whether it was sent.
    fn send(&self, text: &str) -> bool {
        let sent = self.queue.send(self.drive, self.library, text);
        if let Err(error) = &sent {
            tracing::warn!(minor = self.drive, message_text = text, %error, "cannot send a message");
        }
        sent.is_ok()
    }

    /// Removes the messages that the drive has not read yet.
    fn discard_unread(&self) {
        if let Err(error) = self.queue.remove_pending(self.drive, self.library) {
            tracing::warn!(minor = self.drive, %error, "cannot remove unread messages");
        }
    }

    /// Starts the exchange: registers the library with the drive and requests the state of the drive. A drive that
    /// starts later reads these messages and none of the earlier ones.
    pub fn start(&self) {
        lock(&self.state).started = true;
        self.discard_unread();
        self.send(REGISTER);
        self.send(REQUEST_STATE);
    }

    /// Handles a message of the drive.
    pub fn receive(&self, text: &str) {
        let mut state = lock(&self.state);
        if text.starts_with(REPLY_EMPTY) || text.starts_with(REPLY_UNLOADED) {
            lock(&self.uncertain_loads).remove(&self.drive);
        }
        if text.starts_with(REPLY_EJECT) {
            state.accessible = true;
        } else if state.expected_replies.iter().any(|prefix| text.starts_with(prefix)) {
            state.expected_replies.clear();
            state.reply = Some(text.into());
            self.reply_received.notify_all();
        } else {
            self.handle_unsolicited(&state, text);
        }
    }

    /// Handles a message that no pending request expects: from the start of the drive, or too late. Called with the
    /// state locked, so that no move intervenes.
    fn handle_unsolicited(&self, state: &DriveState, text: &str) {
        match &state.cartridge {
            Some(cartridge) if text.starts_with(REPLY_EMPTY) => {
                self.send(REGISTER);
                self.send(&format!("lload {}", cartridge.barcode()));
            }
            None if (text.starts_with(REPLY_OCCUPIED) || text.starts_with(REPLY_LOADED))
                && state.expected_replies.is_empty() =>
            {
                tracing::warn!(
                    minor = self.drive,
                    message_text = text,
                    "drive reports a cartridge that the inventory has elsewhere; emptying the drive"
                );
                self.send(REQUEST_SET_EMPTY);
            }
            _ => tracing::info!(minor = self.drive, message_text = text, "unsolicited message from drive"),
        }
    }

    /// Sends a request and waits for a reply with one of these prefixes. Returns `None` without a reply in time; the
    /// request is then removed from the queue, unless the drive has read it.
    fn request(&self, text: &str, replies: &[&str]) -> Option<String> {
        {
            let mut state = lock(&self.state);
            state.expected_replies = replies.iter().map(|&reply| reply.into()).collect();
            state.reply = None;
        }
        let sent = self.send(text);
        let mut state = lock(&self.state);
        if sent {
            let waits = |state: &mut DriveState| state.reply.is_none();
            state = match self.reply_received.wait_timeout_while(state, self.timeout, waits) {
                Ok((state, _)) => state,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
        state.expected_replies.clear();
        let reply = state.reply.take();
        drop(state);
        if reply.is_none() {
            tracing::warn!(
                minor = self.drive,
                message_text = text,
                timeout_ms = self.timeout.as_millis(),
                "no reply from drive"
            );
            self.discard_unread();
        }
        reply
    }

    /// Whether the drive holds a cartridge; `None` without a reply.
    fn is_full(&self) -> Option<bool> {
        self.request(REQUEST_STATE, &[REPLY_EMPTY, REPLY_OCCUPIED]).map(|reply| reply.starts_with(REPLY_OCCUPIED))
    }

    fn load(&self, barcode: &Barcode) -> Result<(), &'static str> {
        const NO_REPLY: &str = "no reply from the drive";
        if lock(&self.uncertain_loads).values().any(|uncertain| uncertain == barcode) {
            return Err("another drive may hold the cartridge and does not reply");
        }
        if self.is_full().ok_or(NO_REPLY)? {
            // From before a crash, or loaded manually; the inventory has none in this drive.
            tracing::warn!(
                minor = self.drive,
                "drive reports a cartridge that the inventory has elsewhere; emptying the drive"
            );
            self.set_empty().map_err(|_| "the drive already holds a cartridge")?;
        }
        // A drive that has restarted does not know its library, and would not reply.
        self.send(REGISTER);
        lock(&self.uncertain_loads).insert(self.drive, barcode.clone());
        let replies = [
            format!("{REPLY_LOADED}: {barcode}"),
            format!("{REPLY_LOAD_FAILED}: {barcode}"),
            format!("{REPLY_LOAD_FAILED} - {barcode}"),
        ];
        let reply = self.request(&format!("lload {barcode}"), &replies.each_ref().map(String::as_str));
        match reply {
            None => {
                // A drive that has read the load request reads this after it.
                self.send(REQUEST_SET_EMPTY);
                Err(NO_REPLY)
            }
            Some(reply) => {
                lock(&self.uncertain_loads).remove(&self.drive);
                if reply.starts_with(REPLY_LOADED) { Ok(()) } else { Err("the drive rejects the cartridge") }
            }
        }
    }

    fn unload(&self, barcode: &Barcode, accessible: bool) -> Result<(), RemoveError> {
        let full = self.is_full().ok_or(RemoveError::Unavailable)?;
        if full && !accessible {
            let reply = self
                .request(&format!("unload {barcode:<16}"), &[REPLY_UNLOADED, REPLY_UNLOAD_FAILED])
                .ok_or(RemoveError::Unavailable)?;
            if !reply.starts_with(REPLY_UNLOADED) {
                return Err(RemoveError::Prevented);
            }
        }
        if full { self.set_empty() } else { Ok(()) }
    }

    fn set_empty(&self) -> Result<(), RemoveError> {
        let reply =
            self.request(REQUEST_SET_EMPTY, &[REPLY_UNLOADED, REPLY_UNLOAD_FAILED]).ok_or(RemoveError::Unavailable)?;
        if reply.starts_with(REPLY_UNLOADED) { Ok(()) } else { Err(RemoveError::Unavailable) }
    }
}

/// The bay of a drive that another process serves.
pub struct RemoteBay {
    client: Arc<QueueClient>,
    name: BayName,
}

impl RemoteBay {
    /// The bay with this name, whose drive is reached through a client.
    #[must_use]
    pub const fn new(client: Arc<QueueClient>, name: BayName) -> Self {
        Self { client, name }
    }
}

impl Bay for RemoteBay {
    fn name(&self) -> BayName {
        self.name.clone()
    }

    fn status(&self) -> BayStatus {
        let state = lock(&self.client.state);
        state.cartridge.as_ref().map_or_else(BayStatus::default, |cartridge| BayStatus {
            barcode: Some(cartridge.barcode().clone()),
            kind: cartridge.kind(),
            accessible: state.accessible,
        })
    }

    /// Always false: only the drive has this state, and it refuses to unload.
    fn removal_prevented(&self) -> bool {
        false
    }

    fn set_online(&mut self, online: bool) {
        if !online {
            tracing::warn!(
                minor = self.client.drive,
                "drive in another process stays online for hosts: mhvtl has no message for offline"
            );
        }
    }

    fn insert(&mut self, cartridge: Cartridge, _now: Now) -> Result<(), Box<InsertError>> {
        let (full, started) = {
            let state = lock(&self.client.state);
            (state.cartridge.is_some(), state.started)
        };
        let result = match (full, started) {
            (true, _) => Err("the drive already holds a cartridge"),
            (false, false) => Ok(()),
            (false, true) => self.client.load(cartridge.barcode()),
        };
        if let Err(reason) = result {
            tracing::warn!(minor = self.client.drive, barcode = %cartridge.barcode(), reason, "cartridge not loaded");
            return Err(Box::new(InsertError { cartridge, reason }));
        }
        let mut state = lock(&self.client.state);
        (state.cartridge, state.accessible) = (Some(cartridge), false);
        Ok(())
    }

    fn remove(&mut self, _now: Now) -> Result<Cartridge, RemoveError> {
        let (cartridge, accessible) = {
            let mut state = lock(&self.client.state);
            (state.cartridge.take().ok_or(RemoveError::Empty)?, state.accessible)
        };
        let result = self.client.unload(cartridge.barcode(), accessible);
        let mut state = lock(&self.client.state);
        match result {
            Ok(()) => {
                state.accessible = false;
                Ok(cartridge)
            }
            Err(reason) => {
                state.cartridge = Some(cartridge);
                Err(reason)
            }
        }
    }
}
