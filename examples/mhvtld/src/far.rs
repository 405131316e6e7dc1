//! Drives that other processes serve, ours or mhvtl's: the robot reaches them by messages.
//!
//! What the library knows counts: a drive that has what the library knows elsewhere is emptied, and one that lacks what
//! the library knows in it is given it again. A drive that does not answer in time is a move that failed, and the cartridge
//! is where it was; what the drive may have done with it meanwhile is undone by the next message that it reads.

use crate::lone::REGISTER;
use mhvtl_lld::queue::Queue;
use scsi_core::time::Now;
use smc::bay::{Bay, BayName, BayStatus};
use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tape_store::cartridge::{Barcode, Cartridge, Refused, WhyNot};

/// What drives may have, although they did not say so in time: by the numbers of the drives.
pub type Doubts = Arc<Mutex<BTreeMap<u16, Barcode>>>;

/// The line to one drive.
pub struct Line {
    queue: Queue,
    library: u16,
    drive: u16,
    /// How long an answer may take.
    patience: Duration,
    doubts: Doubts,
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
    /// What the drive is asked: beginnings of the answers to it.
    asked: Vec<String>,
    answer: Option<String>,
}

/// What a drive says.
const OCCUPIED: &str = "occupied";
const EMPTY: &str = "Not occupied";
const LOADED: &str = "Loaded OK";
const FAILED: &str = "Load failed";
const UNLOADED: &str = "Unloaded OK";
const KEPT: &str = "Unload failed";
const EJECT: &str = "eject";

/// What it is told.
const STATE: &str = "mount_state";
const SET_EMPTY: &str = "set_empty";

/// The guard of a mutex, also after a panic of who had it.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Line {
    /// A line from a library to a drive, by their numbers.
    #[must_use]
    pub fn new(queue: &Queue, library: u16, drive: u16, patience: Duration, doubts: &Doubts) -> Arc<Self> {
        let (queue, state, heard) = (queue.clone(), Mutex::default(), Condvar::new());
        Arc::new(Self { queue, library, drive, patience, doubts: Arc::clone(doubts), state, heard })
    }

    /// The number of the drive.
    #[must_use]
    pub const fn drive(&self) -> u16 {
        self.drive
    }

    /// Sends, without waiting.
    fn say(&self, text: &str) -> bool {
        let sent = self.queue.send(self.drive, self.library, text);
        if let Err(error) = &sent {
            tracing::warn!(drive = self.drive, text, %error, "a message could not be sent");
        }
        sent.is_ok()
    }

    /// Takes back what the drive has not heard yet.
    fn withdraw(&self) {
        if let Err(error) = self.queue.withdraw(self.drive, self.library) {
            tracing::warn!(drive = self.drive, %error, "messages could not be taken back");
        }
    }

    /// The robot begins to work: the drive learns of its library, and the library of what is in it. A drive that is not
    /// there yet finds the messages when it comes, and none of those before.
    pub fn begin(&self) {
        locked(&self.state).at_work = true;
        self.withdraw();
        self.say(REGISTER);
        self.say(STATE);
    }

    /// The drive has said something.
    pub fn hear(&self, text: &str) {
        let mut state = locked(&self.state);
        if text.starts_with(EMPTY) || text.starts_with(UNLOADED) {
            locked(&self.doubts).remove(&self.drive);
        }
        if text.starts_with(EJECT) {
            state.accessible = true;
        } else if state.asked.iter().any(|beginning| text.starts_with(beginning)) {
            state.asked.clear();
            state.answer = Some(text.into());
            self.heard.notify_all();
        } else {
            self.put_right(&state, text);
        }
    }

    /// What nobody asked for now: of the beginning, or too late. Said while the state is held, so that no move is between.
    fn put_right(&self, state: &State, text: &str) {
        match &state.cartridge {
            Some(cartridge) if text.starts_with(EMPTY) => {
                self.say(REGISTER);
                self.say(&format!("lload {}", cartridge.barcode()));
            }
            None if (text.starts_with(OCCUPIED) || text.starts_with(LOADED)) && state.asked.is_empty() => {
                tracing::warn!(drive = self.drive, text, "a drive has what is not in it here, and is emptied");
                self.say(SET_EMPTY);
            }
            _ => tracing::info!(drive = self.drive, text, "a drive says what nobody asked"),
        }
    }

    /// Asks, and waits for an answer that begins so. Nothing, if none comes; what was asked is taken back then, unless the
    /// drive has heard it.
    fn ask(&self, text: &str, answers: &[&str]) -> Option<String> {
        {
            let mut state = locked(&self.state);
            state.asked = answers.iter().map(|&answer| answer.into()).collect();
            state.answer = None;
        }
        let sent = self.say(text);
        let mut state = locked(&self.state);
        if sent {
            let waits = |state: &mut State| state.answer.is_none();
            state = match self.heard.wait_timeout_while(state, self.patience, waits) {
                Ok((state, _)) => state,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
        state.asked.clear();
        let answer = state.answer.take();
        drop(state);
        if answer.is_none() {
            tracing::warn!(drive = self.drive, text, "a drive does not answer");
            self.withdraw();
        }
        answer
    }

    /// Whether there is a cartridge in the drive, if it answers.
    fn is_full(&self) -> Option<bool> {
        self.ask(STATE, &[EMPTY, OCCUPIED]).map(|answer| answer.starts_with(OCCUPIED))
    }

    fn load(&self, barcode: &Barcode) -> Result<(), &'static str> {
        const SILENT: &str = "the drive does not answer";
        if locked(&self.doubts).values().any(|doubtful| doubtful == barcode) {
            return Err("another drive may have the cartridge, and does not answer");
        }
        if self.is_full().ok_or(SILENT)? {
            // Of before a crash, or of somebody's hand; the library knows of none.
            tracing::warn!(drive = self.drive, "the drive has what is not in it here, and is emptied");
            self.empty().map_err(|_| "the drive is full")?;
        }
        // A drive that began anew does not know its library any more, and would not answer.
        self.say(REGISTER);
        locked(&self.doubts).insert(self.drive, barcode.clone());
        let answers = [format!("{LOADED}: {barcode}"), format!("{FAILED}: {barcode}"), format!("{FAILED} - {barcode}")];
        let answer = self.ask(&format!("lload {barcode}"), &answers.each_ref().map(String::as_str));
        match answer {
            None => {
                // If the drive has heard the one, it hears the other behind it.
                self.say(SET_EMPTY);
                Err(SILENT)
            }
            Some(answer) => {
                locked(&self.doubts).remove(&self.drive);
                if answer.starts_with(LOADED) { Ok(()) } else { Err("the drive does not take the cartridge") }
            }
        }
    }

    fn unload(&self, barcode: &Barcode, accessible: bool) -> Result<(), WhyNot> {
        let full = self.is_full().ok_or(WhyNot::NoAnswer)?;
        if full && !accessible {
            let answer = self.ask(&format!("unload {barcode:<16}"), &[UNLOADED, KEPT]).ok_or(WhyNot::NoAnswer)?;
            if !answer.starts_with(UNLOADED) {
                return Err(WhyNot::Prevented);
            }
        }
        if full { self.empty() } else { Ok(()) }
    }

    fn empty(&self) -> Result<(), WhyNot> {
        let answer = self.ask(SET_EMPTY, &[UNLOADED, KEPT]).ok_or(WhyNot::NoAnswer)?;
        if answer.starts_with(UNLOADED) { Ok(()) } else { Err(WhyNot::NoAnswer) }
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
        let state = locked(&self.line.state);
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
            let state = locked(&self.line.state);
            (state.cartridge.is_some(), state.at_work)
        };
        let put = match (full, at_work) {
            (true, _) => Err("the drive is full"),
            (false, false) => Ok(()),
            (false, true) => self.line.load(cartridge.barcode()),
        };
        if let Err(why) = put {
            tracing::warn!(drive = self.line.drive, barcode = %cartridge.barcode(), why, "a cartridge was refused");
            return Err(Box::new(Refused { cartridge, why }));
        }
        let mut state = locked(&self.line.state);
        (state.cartridge, state.accessible) = (Some(cartridge), false);
        Ok(())
    }

    fn remove(&mut self, _now: Now) -> Result<Cartridge, WhyNot> {
        let (cartridge, accessible) = {
            let mut state = locked(&self.line.state);
            (state.cartridge.take().ok_or(WhyNot::Empty)?, state.accessible)
        };
        let taken = self.line.unload(cartridge.barcode(), accessible);
        let mut state = locked(&self.line.state);
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
