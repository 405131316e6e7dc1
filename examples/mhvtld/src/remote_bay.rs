//! Drives that other processes serve, ours or mhvtl's: the robot reaches them by messages.
//!
//! What the library knows counts: a drive that has what the library knows elsewhere is emptied, and one that lacks what
//! the library knows in it is given it again. A drive that does not answer in time is a move that failed, and the cartridge
//! is where it was; what the drive may have done with it meanwhile is undone by the next message that it reads.

use crate::standalone_drive::REGISTER;
use mhvtl_lld::queue::Queue;
use scsi_core::time::Now;
use smc::bay::{Bay, BayName, BayStatus};
use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tape_store::cartridge::{Barcode, Cartridge, InsertError, RemoveError};

/// What drives may have, although they did not say so in time: by the numbers of the drives.
pub type UncertainLoads = Arc<Mutex<BTreeMap<u16, Barcode>>>;

/// The line to one drive.
pub struct QueueClient {
    queue: Queue,
    library: u16,
    drive: u16,
    /// How long an answer may take.
    timeout: Duration,
    uncertain_loads: UncertainLoads,
    state: Mutex<DriveState>,
    reply_received: Condvar,
}

#[derive(Default)]
struct DriveState {
    /// The robot works; before, cartridges are put where they were.
    started: bool,
    cartridge: Option<Cartridge>,
    /// A host has unloaded it.
    accessible: bool,
    /// What the drive is asked: beginnings of the answers to it.
    expected_replies: Vec<String>,
    reply: Option<String>,
}

/// What a drive says.
const REPLY_OCCUPIED: &str = "occupied";
const REPLY_EMPTY: &str = "Not occupied";
const REPLY_LOADED: &str = "Loaded OK";
const REPLY_LOAD_FAILED: &str = "Load failed";
const REPLY_UNLOADED: &str = "Unloaded OK";
const REPLY_UNLOAD_FAILED: &str = "Unload failed";
const REPLY_EJECT: &str = "eject";

/// What it is told.
const REQUEST_STATE: &str = "mount_state";
const REQUEST_SET_EMPTY: &str = "set_empty";

/// The guard of a mutex, also after a panic of who had it.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl QueueClient {
    /// A line from a library to a drive, by their numbers.
    #[must_use]
    pub fn new(queue: &Queue, library: u16, drive: u16, patience: Duration, doubts: &UncertainLoads) -> Arc<Self> {
        let (queue, state, heard) = (queue.clone(), Mutex::default(), Condvar::new());
        Arc::new(Self {
            queue,
            library,
            drive,
            timeout: patience,
            uncertain_loads: Arc::clone(doubts),
            state,
            reply_received: heard,
        })
    }

    /// The number of the drive.
    #[must_use]
    pub const fn drive(&self) -> u16 {
        self.drive
    }

    /// Sends, without waiting.
    fn send(&self, text: &str) -> bool {
        let sent = self.queue.send(self.drive, self.library, text);
        if let Err(error) = &sent {
            tracing::warn!(drive = self.drive, text, %error, "a message could not be sent");
        }
        sent.is_ok()
    }

    /// Takes back what the drive has not heard yet.
    fn discard_unread(&self) {
        if let Err(error) = self.queue.remove_pending(self.drive, self.library) {
            tracing::warn!(drive = self.drive, %error, "messages could not be taken back");
        }
    }

    /// The robot begins to work: the drive learns of its library, and the library of what is in it. A drive that is not
    /// there yet finds the messages when it comes, and none of those before.
    pub fn start(&self) {
        lock(&self.state).started = true;
        self.discard_unread();
        self.send(REGISTER);
        self.send(REQUEST_STATE);
    }

    /// The drive has said something.
    pub fn receive(&self, text: &str) {
        let mut state = lock(&self.state);
        if text.starts_with(REPLY_EMPTY) || text.starts_with(REPLY_UNLOADED) {
            lock(&self.uncertain_loads).remove(&self.drive);
        }
        if text.starts_with(REPLY_EJECT) {
            state.accessible = true;
        } else if state.expected_replies.iter().any(|beginning| text.starts_with(beginning)) {
            state.expected_replies.clear();
            state.reply = Some(text.into());
            self.reply_received.notify_all();
        } else {
            self.handle_unsolicited(&state, text);
        }
    }

    /// What nobody asked for now: of the beginning, or too late. Said while the state is held, so that no move is between.
    fn handle_unsolicited(&self, state: &DriveState, text: &str) {
        match &state.cartridge {
            Some(cartridge) if text.starts_with(REPLY_EMPTY) => {
                self.send(REGISTER);
                self.send(&format!("lload {}", cartridge.barcode()));
            }
            None if (text.starts_with(REPLY_OCCUPIED) || text.starts_with(REPLY_LOADED))
                && state.expected_replies.is_empty() =>
            {
                tracing::warn!(drive = self.drive, text, "a drive has what is not in it here, and is emptied");
                self.send(REQUEST_SET_EMPTY);
            }
            _ => tracing::info!(drive = self.drive, text, "a drive says what nobody asked"),
        }
    }

    /// Asks, and waits for an answer that begins so. Nothing, if none comes; what was asked is taken back then, unless the
    /// drive has heard it.
    fn request(&self, text: &str, answers: &[&str]) -> Option<String> {
        {
            let mut state = lock(&self.state);
            state.expected_replies = answers.iter().map(|&answer| answer.into()).collect();
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
        let answer = state.reply.take();
        drop(state);
        if answer.is_none() {
            tracing::warn!(drive = self.drive, text, "a drive does not answer");
            self.discard_unread();
        }
        answer
    }

    /// Whether there is a cartridge in the drive, if it answers.
    fn is_full(&self) -> Option<bool> {
        self.request(REQUEST_STATE, &[REPLY_EMPTY, REPLY_OCCUPIED]).map(|answer| answer.starts_with(REPLY_OCCUPIED))
    }

    fn load(&self, barcode: &Barcode) -> Result<(), &'static str> {
        const SILENT: &str = "the drive does not answer";
        if lock(&self.uncertain_loads).values().any(|doubtful| doubtful == barcode) {
            return Err("another drive may have the cartridge, and does not answer");
        }
        if self.is_full().ok_or(SILENT)? {
            // Of before a crash, or of somebody's hand; the library knows of none.
            tracing::warn!(drive = self.drive, "the drive has what is not in it here, and is emptied");
            self.set_empty().map_err(|_| "the drive is full")?;
        }
        // A drive that began anew does not know its library any more, and would not answer.
        self.send(REGISTER);
        lock(&self.uncertain_loads).insert(self.drive, barcode.clone());
        let answers = [
            format!("{REPLY_LOADED}: {barcode}"),
            format!("{REPLY_LOAD_FAILED}: {barcode}"),
            format!("{REPLY_LOAD_FAILED} - {barcode}"),
        ];
        let answer = self.request(&format!("lload {barcode}"), &answers.each_ref().map(String::as_str));
        match answer {
            None => {
                // If the drive has heard the one, it hears the other behind it.
                self.send(REQUEST_SET_EMPTY);
                Err(SILENT)
            }
            Some(answer) => {
                lock(&self.uncertain_loads).remove(&self.drive);
                if answer.starts_with(REPLY_LOADED) { Ok(()) } else { Err("the drive does not take the cartridge") }
            }
        }
    }

    fn unload(&self, barcode: &Barcode, accessible: bool) -> Result<(), RemoveError> {
        let full = self.is_full().ok_or(RemoveError::Unavailable)?;
        if full && !accessible {
            let answer = self
                .request(&format!("unload {barcode:<16}"), &[REPLY_UNLOADED, REPLY_UNLOAD_FAILED])
                .ok_or(RemoveError::Unavailable)?;
            if !answer.starts_with(REPLY_UNLOADED) {
                return Err(RemoveError::Prevented);
            }
        }
        if full { self.set_empty() } else { Ok(()) }
    }

    fn set_empty(&self) -> Result<(), RemoveError> {
        let answer =
            self.request(REQUEST_SET_EMPTY, &[REPLY_UNLOADED, REPLY_UNLOAD_FAILED]).ok_or(RemoveError::Unavailable)?;
        if answer.starts_with(REPLY_UNLOADED) { Ok(()) } else { Err(RemoveError::Unavailable) }
    }
}

/// The door of such a drive.
pub struct RemoteBay {
    client: Arc<QueueClient>,
    name: BayName,
}

impl RemoteBay {
    /// The door at the end of a line.
    #[must_use]
    pub const fn new(line: Arc<QueueClient>, name: BayName) -> Self {
        Self { client: line, name }
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

    /// Only the drive knows; it refuses to unload then.
    fn removal_prevented(&self) -> bool {
        false
    }

    fn set_online(&mut self, online: bool) {
        if !online {
            tracing::warn!(drive = self.client.drive, "hosts still reach the drive: nothing tells its process");
        }
    }

    fn insert(&mut self, cartridge: Cartridge, _now: Now) -> Result<(), Box<InsertError>> {
        let (full, at_work) = {
            let state = lock(&self.client.state);
            (state.cartridge.is_some(), state.started)
        };
        let put = match (full, at_work) {
            (true, _) => Err("the drive is full"),
            (false, false) => Ok(()),
            (false, true) => self.client.load(cartridge.barcode()),
        };
        if let Err(why) = put {
            tracing::warn!(drive = self.client.drive, barcode = %cartridge.barcode(), why, "a cartridge was refused");
            return Err(Box::new(InsertError { cartridge, reason: why }));
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
        let taken = self.client.unload(cartridge.barcode(), accessible);
        let mut state = lock(&self.client.state);
        match taken {
            Ok(()) => {
                state.accessible = false;
                Ok(cartridge)
            }
            Err(why) => {
                state.cartridge = Some(cartridge);
                Err(why)
            }
        }
    }
}
