//! Drives that other processes serve, ours or mhvtl's: the robot reaches them by messages.
//!
//! A drive that does not answer in time is a move that failed, and the cartridge is where it was. Nothing is asked of a
//! drive that has not just said how it stands, so that one which is dead finds no order when it comes back.

use crate::lone::REGISTER;
use mhvtl_lld::queue::Queue;
use scsi_core::time::Now;
use smc::bay::{Bay, BayName, BayStatus};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tape_store::cartridge::{Cartridge, Refused, WhyNot};

/// The line to one drive.
pub struct Line {
    queue: Queue,
    library: u16,
    drive: u16,
    /// How long an answer may take. The kernel module gives a command 50 s or more.
    patience: Duration,
    state: Mutex<State>,
    heard: Condvar,
}

#[derive(Default)]
struct State {
    /// The robot works; before, cartridges are put where they were.
    at_work: bool,
    cartridge: Option<Cartridge>,
    /// A host has unloaded it.
    accessible: bool,
    /// What the drive has said to what it was asked.
    answer: Option<String>,
    asked: bool,
}

/// What a drive says.
const OCCUPIED: &str = "occupied";
const EMPTY: &str = "Not occupied";
const LOADED: &str = "Loaded OK";
const UNLOADED: &str = "Unloaded OK";
const EJECT: &str = "eject";

impl Line {
    /// A line from a library to a drive, by their numbers.
    #[must_use]
    pub fn new(queue: &Queue, library: u16, drive: u16, patience: Duration) -> Arc<Self> {
        let (queue, state, heard) = (queue.clone(), Mutex::default(), Condvar::new());
        Arc::new(Self { queue, library, drive, patience, state, heard })
    }

    /// The number of the drive.
    #[must_use]
    pub const fn drive(&self) -> u16 {
        self.drive
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn say(&self, text: &str) -> bool {
        let sent = self.queue.send(self.drive, self.library, text);
        if let Err(error) = &sent {
            tracing::warn!(drive = self.drive, text, %error, "a message could not be sent");
        }
        sent.is_ok()
    }

    /// The robot begins to work: the drive learns of its library, and what is in it is threaded again if need be. A drive
    /// that is not there yet finds the messages when it comes.
    pub fn begin(&self) {
        self.state().at_work = true;
        self.say(REGISTER);
        if self.state().cartridge.is_some() {
            self.say("mount_state");
        }
    }

    /// The drive has said something.
    pub fn hear(&self, text: &str) {
        let mut state = self.state();
        if text.starts_with(EJECT) {
            state.accessible = true;
        } else if state.asked {
            state.answer = Some(text.into());
            self.heard.notify_all();
        } else if text.starts_with(EMPTY)
            && let Some(cartridge) = &state.cartridge
        {
            // The drive has begun anew, and what is in it is not threaded.
            let order = format!("lload {}", cartridge.barcode());
            drop(state);
            self.say(&order);
        } else if !text.starts_with(OCCUPIED) && !text.starts_with(LOADED) {
            tracing::warn!(drive = self.drive, text, "a drive says what nobody asked");
        }
    }

    /// Asks, and waits for the answer. Nothing, if none comes.
    fn ask(&self, text: &str) -> Option<String> {
        {
            let mut state = self.state();
            (state.asked, state.answer) = (true, None);
        }
        let sent = self.say(text);
        let mut state = self.state();
        if sent {
            let waits = |state: &mut State| state.answer.is_none();
            state = match self.heard.wait_timeout_while(state, self.patience, waits) {
                Ok((state, _)) => state,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
        state.asked = false;
        let answer = state.answer.take();
        drop(state);
        if answer.is_none() {
            tracing::warn!(drive = self.drive, text, "a drive does not answer");
            if sent && let Err(error) = self.queue.withdraw(self.drive, self.library) {
                tracing::warn!(drive = self.drive, %error, "an order could not be taken back");
            }
        }
        answer
    }

    /// Whether there is a cartridge in the drive, if it answers.
    fn is_full(&self) -> Option<bool> {
        let answer = self.ask("mount_state")?;
        match answer.as_str() {
            text if text.starts_with(EMPTY) => Some(false),
            text if text.starts_with(OCCUPIED) => Some(true),
            other => {
                tracing::warn!(drive = self.drive, other, "a drive does not say how it stands");
                None
            }
        }
    }

    fn load(&self, cartridge: &Cartridge) -> Result<(), &'static str> {
        match self.is_full() {
            None => return Err("the drive does not answer"),
            Some(true) => return Err("the drive is full"),
            Some(false) => {}
        }
        // A drive that began anew does not know its library any more, and would not answer.
        self.say(REGISTER);
        let answer = self.ask(&format!("lload {}", cartridge.barcode())).ok_or("the drive does not answer")?;
        if answer.starts_with(LOADED) { Ok(()) } else { Err("the drive does not take the cartridge") }
    }

    fn unload(&self, cartridge: &Cartridge, accessible: bool) -> Result<(), WhyNot> {
        let full = self.is_full().ok_or(WhyNot::NoAnswer)?;
        if full && !accessible {
            let answer = self.ask(&format!("unload {:<16}", cartridge.barcode())).ok_or(WhyNot::NoAnswer)?;
            if !answer.starts_with(UNLOADED) {
                return Err(WhyNot::Prevented);
            }
        }
        if full {
            self.ask("set_empty").ok_or(WhyNot::NoAnswer)?;
        }
        Ok(())
    }
}

/// The door of such a drive.
pub struct Far {
    line: Arc<Line>,
    name: BayName,
}

impl Far {
    /// The door at the end of a line.
    #[must_use]
    pub const fn new(line: Arc<Line>, name: BayName) -> Self {
        Self { line, name }
    }
}

impl Bay for Far {
    fn name(&self) -> BayName {
        self.name.clone()
    }

    fn status(&self) -> BayStatus {
        let state = self.line.state();
        state.cartridge.as_ref().map_or_else(BayStatus::default, |cartridge| BayStatus {
            barcode: Some(cartridge.barcode().clone()),
            kind: cartridge.kind(),
            accessible: state.accessible,
        })
    }

    /// Only the drive knows; it refuses to unload then.
    fn locked(&self) -> bool {
        false
    }

    fn set_online(&mut self, online: bool) {
        if !online {
            tracing::warn!(drive = self.line.drive, "hosts still reach the drive: nothing tells its process");
        }
    }

    fn insert(&mut self, cartridge: Cartridge, _now: Now) -> Result<(), Box<Refused>> {
        let (full, at_work) = {
            let state = self.line.state();
            (state.cartridge.is_some(), state.at_work)
        };
        let put = match (full, at_work) {
            (true, _) => Err("the drive is full"),
            (false, false) => Ok(()),
            (false, true) => self.line.load(&cartridge),
        };
        if let Err(why) = put {
            tracing::warn!(drive = self.line.drive, barcode = %cartridge.barcode(), why, "a cartridge was refused");
            return Err(Box::new(Refused { cartridge, why }));
        }
        let mut state = self.line.state();
        (state.cartridge, state.accessible) = (Some(cartridge), false);
        Ok(())
    }

    fn remove(&mut self, _now: Now) -> Result<Cartridge, WhyNot> {
        let (cartridge, accessible) = {
            let mut state = self.line.state();
            (state.cartridge.take().ok_or(WhyNot::Empty)?, state.accessible)
        };
        let taken = self.line.unload(&cartridge, accessible);
        let mut state = self.line.state();
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
