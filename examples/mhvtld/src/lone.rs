//! A drive whose robot is another process, ours or mhvtl's: what is said to it.

use crate::fifo::Fifo;
use crate::log::Log;
use crate::{Heard, verbs};
use mhvtl_lld::queue::{Message, Queue, TOOL};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use tape_store::cartridge::{Barcode, WhyNot};
use vtl::standalone::Standalone;

/// What a library of ours says to a drive when it begins. mhvtl's say the first word: the second tells that the library
/// knows what is in its drives after a restart of either.
pub const REGISTER: &str = "Register Ferric";

/// Numbers of units are below this.
const UNITS: u16 = 1025;

/// A drive of its own, as messages mean it.
pub struct Lone {
    drive: Arc<Standalone>,
    unit: u16,
    queue: Queue,
    log: Log,
    /// The number of its library, 0 if it is in none.
    library: Arc<AtomicU16>,
    /// The library knows what is in the drive after a restart.
    returns: bool,
    fifo: Fifo,
}

impl Lone {
    /// A drive of this number, and of the library that `device.conf` names.
    #[must_use]
    pub fn new(drive: Arc<Standalone>, unit: u16, library: Option<u16>, queue: &Queue, log: &Log, fifo: &Fifo) -> Self {
        let library = Arc::new(AtomicU16::new(library.unwrap_or(0)));
        let (queue, log, fifo) = (queue.clone(), log.clone(), fifo.clone());
        Self { drive, unit, queue, log, library, returns: false, fifo }
    }

    /// What is done after each command: the library hears when a host has unloaded the tape.
    #[must_use]
    pub fn watch(&self) -> Box<dyn FnMut() + Send> {
        let (drive, library) = (Arc::clone(&self.drive), Arc::clone(&self.library));
        let (queue, unit) = (self.queue.clone(), self.unit);
        let mut ejected = false;
        Box::new(move || {
            let is_ejected = drive.status().accessible;
            let library = library.load(Ordering::Acquire);
            if is_ejected
                && !ejected
                && library > 0
                && let Err(error) = queue.send(library, unit, "eject")
            {
                tracing::warn!(unit, %error, "the library does not hear of an unload");
            }
            ejected = is_ejected;
        })
    }

    /// Does what a text asks.
    pub fn hear(&mut self, message: &Message) -> Heard {
        let text = message.text.as_str();
        let said = |text: &str| Heard::Said(text.into());
        if text.starts_with("Register") {
            self.registered(message);
            return Heard::Silent;
        }
        if text.starts_with("mount_state") {
            return said(if self.drive.status().barcode.is_some() { "occupied" } else { "Not occupied" });
        }
        if let Some(label) = text.strip_prefix("lload ") {
            return Heard::Said(self.load_for_library(message, label.trim()));
        }
        if let Some(label) = text.strip_prefix("load ") {
            return self.load(label.trim(), false).map_or_else(Heard::Refused, |()| Heard::Silent);
        }
        if text.starts_with("set_empty") {
            return match self.drive.take() {
                Ok(_) => said("Unloaded OK"),
                Err(error) => Heard::Said(format!("Unload failed: {error}")),
            };
        }
        if text.starts_with("unload") {
            return self.unload(message);
        }
        let unit = self.drive.unit();
        verbs::common(unit, &self.log, text)
            .or_else(|| verbs::drive::setting(unit, text))
            .unwrap_or_else(|| Heard::Refused("it means nothing to a drive".into()))
    }

    fn registered(&mut self, message: &Message) {
        let Some(library) = self.library_of(message) else { return };
        self.library.store(library, Ordering::Release);
        self.returns = message.text.starts_with(REGISTER);
        tracing::info!(unit = self.unit, library, "a library has this drive");
    }

    /// Who may be a library: units have low numbers, and the control tool is none.
    fn library_of(&self, message: &Message) -> Option<u16> {
        let library = u16::try_from(message.sender).ok().filter(|library| (1..UNITS).contains(library));
        if library.is_none() {
            tracing::warn!(unit = self.unit, sender = message.sender, text = message.text, "no library says so");
        }
        library
    }

    /// The answers are mhvtl's.
    fn load_for_library(&mut self, message: &Message, label: &str) -> String {
        // Whoever moves cartridges into it is its library.
        if let Some(library) = self.library_of(message) {
            self.library.store(library, Ordering::Release);
        }
        if self.drive.status().barcode.is_some() {
            return format!("Load failed - {label} is already in mouth of drive");
        }
        let load = || {
            self.load(label, self.returns)?;
            if self.drive.is_usable() { Ok(()) } else { Err("the drive cannot use it".into()) }
        };
        let loaded = catch_unwind(AssertUnwindSafe(load)).unwrap_or_else(|_| Err("an internal error".into()));
        // mhvtl's drives do not keep what they cannot use, and their library puts it back.
        let loaded = loaded.or_else(|why| self.drive.take().map_err(|error| error.to_string()).and(Err(why)));
        match loaded {
            Ok(()) => format!("Loaded OK: {label}"),
            Err(why) => {
                tracing::warn!(unit = self.unit, label, why, "a cartridge was not loaded");
                format!("Load failed: {label}")
            }
        }
    }

    fn load(&self, label: &str, returns: bool) -> Result<(), String> {
        let barcode = Barcode::new(label).ok_or_else(|| format!("{label:?} is not a barcode"))?;
        self.fifo.tell("Loading");
        let loaded = self.drive.load(&barcode, returns).map_err(|error| error.to_string());
        self.fifo.tell(if loaded.is_ok() && self.drive.is_usable() { "Loaded" } else { "Load failed" });
        loaded
    }

    fn unload(&self, message: &Message) -> Heard {
        self.fifo.tell("Unloading");
        let unloaded = match self.drive.eject() {
            // mhvtl's drives answer so to an empty drive as well.
            Ok(()) | Err(WhyNot::Empty) => Ok("Unloaded OK"),
            Err(WhyNot::Prevented) => Err("Unload failed: a host prevents removal"),
            Err(WhyNot::NoAnswer) => Err("Unload failed"),
        };
        match unloaded {
            // The control tool does not wait for an answer, and the next one of its kind must not find it.
            Ok(_) if message.sender == u64::from(TOOL) => Heard::Silent,
            Err(why) if message.sender == u64::from(TOOL) => Heard::Refused(why.into()),
            Ok(answer) | Err(answer) => Heard::Said(answer.into()),
        }
    }
}
