//! A drive whose robot is another process, ours or mhvtl's: what is said to it.

use crate::fifo::Fifo;
use crate::log::Log;
use crate::{Reply, verbs};
use mhvtl_lld::queue::{Message, Queue, TOOL_ID};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use tape_store::cartridge::{Barcode, RemoveError};
use vtl::standalone::Standalone;

/// What a library of ours says to a drive when it begins. mhvtl's say the first word: the second tells that the library
/// knows what is in its drives after a restart of either.
pub const REGISTER: &str = "Register Ferric";

/// Numbers of units are below this.
const MAX_UNITS: u16 = 1025;

/// A drive of its own, as messages mean it.
pub struct StandaloneDrive {
    drive: Arc<Standalone>,
    unit: u16,
    queue: Queue,
    log: Log,
    /// The number of its library, 0 if it is in none.
    library: Arc<AtomicU16>,
    /// The library knows what is in the drive after a restart.
    restore_after_restart: bool,
    fifo: Fifo,
}

impl StandaloneDrive {
    /// A drive of this number, and of the library that `device.conf` names.
    #[must_use]
    pub fn new(drive: Arc<Standalone>, unit: u16, library: Option<u16>, queue: &Queue, log: &Log, fifo: &Fifo) -> Self {
        let library = Arc::new(AtomicU16::new(library.unwrap_or(0)));
        let (queue, log, fifo) = (queue.clone(), log.clone(), fifo.clone());
        Self { drive, unit, queue, log, library, restore_after_restart: false, fifo }
    }

    /// What is done after each command: the library hears when a host has unloaded the tape.
    #[must_use]
    pub fn eject_notifier(&self) -> Box<dyn FnMut() + Send> {
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
    pub fn receive(&mut self, message: &Message) -> Reply {
        let text = message.text.as_str();
        let said = |text: &str| Reply::Text(text.into());
        if text.starts_with("Register") {
            self.register_library(message);
            return Reply::NoReply;
        }
        if text.starts_with("mount_state") {
            return said(if self.drive.status().barcode.is_some() { "occupied" } else { "Not occupied" });
        }
        if let Some(label) = text.strip_prefix("lload ") {
            return Reply::Text(self.load_for_library(message, label.trim()));
        }
        if let Some(label) = text.strip_prefix("load ") {
            return self.load(label.trim(), false).map_or_else(Reply::Rejected, |()| Reply::NoReply);
        }
        if text.starts_with("set_empty") {
            return match self.drive.force_remove() {
                Ok(_) => said("Unloaded OK"),
                Err(error) => Reply::Text(format!("Unload failed: {error}")),
            };
        }
        if text.starts_with("unload") {
            return self.unload(message);
        }
        let unit = self.drive.unit();
        verbs::common(unit, &self.log, text)
            .or_else(|| verbs::drive::apply_setting(unit, text))
            .unwrap_or_else(|| Reply::Rejected("it means nothing to a drive".into()))
    }

    fn register_library(&mut self, message: &Message) {
        let Some(library) = self.library_of(message) else { return };
        self.library.store(library, Ordering::Release);
        self.restore_after_restart = message.text.starts_with(REGISTER);
        tracing::info!(unit = self.unit, library, "a library has this drive");
    }

    /// Who may be a library: units have low numbers, and the control tool is none.
    fn library_of(&self, message: &Message) -> Option<u16> {
        let library = u16::try_from(message.sender).ok().filter(|library| (1..MAX_UNITS).contains(library));
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
            self.load(label, self.restore_after_restart)?;
            if self.drive.is_usable() { Ok(()) } else { Err("the drive cannot use it".into()) }
        };
        let loaded = catch_unwind(AssertUnwindSafe(load)).unwrap_or_else(|_| Err("an internal error".into()));
        // mhvtl's drives do not keep what they cannot use, and their library puts it back.
        let loaded = loaded.or_else(|why| self.drive.force_remove().map_err(|error| error.to_string()).and(Err(why)));
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
        self.fifo.notify("Loading");
        let loaded = self.drive.load(&barcode, returns).map_err(|error| error.to_string());
        self.fifo.notify(if loaded.is_ok() && self.drive.is_usable() { "Loaded" } else { "Load failed" });
        loaded
    }

    fn unload(&self, message: &Message) -> Reply {
        self.fifo.notify("Unloading");
        let unloaded = match self.drive.eject() {
            // mhvtl's drives answer so to an empty drive as well.
            Ok(()) | Err(RemoveError::Empty) => Ok("Unloaded OK"),
            Err(RemoveError::Prevented) => Err("Unload failed: a host prevents removal"),
            Err(RemoveError::Unavailable) => Err("Unload failed"),
        };
        match unloaded {
            // The control tool does not wait for an answer, and the next one of its kind must not find it.
            Ok(_) if message.sender == u64::from(TOOL_ID) => Reply::NoReply,
            Err(why) if message.sender == u64::from(TOOL_ID) => Reply::Rejected(why.into()),
            Ok(answer) | Err(answer) => Reply::Text(answer.into()),
        }
    }
}
