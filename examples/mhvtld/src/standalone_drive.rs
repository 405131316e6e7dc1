//! Messages to a drive whose library is another process, Ferric's or mhvtl's.

use crate::fifo::Fifo;
use crate::log::Log;
use crate::{Reply, verbs};
use mhvtl_lld::queue::{Message, Queue, TOOL_ID};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use tape_store::cartridge::{Barcode, RemoveError};
use vtl::standalone::Standalone;

/// The message with which a library of Ferric registers with a drive. mhvtl's libraries send the first word only; the
/// second means that the library has the content of the drive after a restart of either process.
pub const REGISTER: &str = "Register Ferric";

/// Unit numbers are below this.
const MAX_UNITS: u16 = 1025;

/// Handles the messages to a drive whose library is another process.
pub struct StandaloneDrive {
    drive: Arc<Standalone>,
    unit: u16,
    queue: Queue,
    log: Log,
    /// Unit number of its library; 0 without a library.
    library: Arc<AtomicU16>,
    /// The library has the content of the drive after a restart.
    restore_after_restart: bool,
    fifo: Fifo,
}

impl StandaloneDrive {
    /// The handler for the drive with this unit number and the library that `device.conf` assigns to it.
    #[must_use]
    pub fn new(drive: Arc<Standalone>, unit: u16, library: Option<u16>, queue: &Queue, log: &Log, fifo: &Fifo) -> Self {
        let library = Arc::new(AtomicU16::new(library.unwrap_or(0)));
        let (queue, log, fifo) = (queue.clone(), log.clone(), fifo.clone());
        Self { drive, unit, queue, log, library, restore_after_restart: false, fifo }
    }

    /// Returns the hook to call after each command: it notifies the library when a host has unloaded the cartridge.
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
                tracing::warn!(minor = unit, %error, "cannot notify the library of an unload");
            }
            ejected = is_ejected;
        })
    }

    /// Handles one message and returns the result.
    pub fn receive(&mut self, message: &Message) -> Reply {
        let text = message.text.as_str();
        let reply = |text: &str| Reply::Text(text.into());
        if text.starts_with("Register") {
            self.register_library(message);
            return Reply::NoReply;
        }
        if text.starts_with("mount_state") {
            return reply(if self.drive.status().barcode.is_some() { "occupied" } else { "Not occupied" });
        }
        if let Some(label) = text.strip_prefix("lload ") {
            return Reply::Text(self.load_for_library(message, label.trim()));
        }
        if let Some(label) = text.strip_prefix("load ") {
            return self.load(label.trim(), false).map_or_else(Reply::Rejected, |()| Reply::NoReply);
        }
        if text.starts_with("set_empty") {
            return match self.drive.force_remove() {
                Ok(_) => reply("Unloaded OK"),
                Err(error) => Reply::Text(format!("Unload failed: {error}")),
            };
        }
        if text.starts_with("unload") {
            return self.unload(message);
        }
        let unit = self.drive.unit();
        verbs::common(unit, &self.log, text)
            .or_else(|| verbs::drive::apply_setting(unit, text))
            .unwrap_or_else(|| Reply::Rejected("unknown message for a drive".into()))
    }

    fn register_library(&mut self, message: &Message) {
        let Some(library) = self.library_of(message) else { return };
        self.library.store(library, Ordering::Release);
        self.restore_after_restart = message.text.starts_with(REGISTER);
        tracing::info!(minor = self.unit, library_minor = library, "drive registered with library");
    }

    /// The number of the sender, if it can be a library; `None` for the control tool, whose number no unit has.
    fn library_of(&self, message: &Message) -> Option<u16> {
        let library = u16::try_from(message.sender).ok().filter(|library| (1..MAX_UNITS).contains(library));
        if library.is_none() {
            tracing::warn!(
                minor = self.unit,
                sender = message.sender,
                message_text = message.text,
                "message from an unexpected sender ignored"
            );
        }
        library
    }

    /// Loads a cartridge for the library. The replies are mhvtl's texts.
    fn load_for_library(&mut self, message: &Message, label: &str) -> String {
        // The sender of a load request is the drive's library.
        if let Some(library) = self.library_of(message) {
            self.library.store(library, Ordering::Release);
        }
        if self.drive.status().barcode.is_some() {
            return format!("Load failed - {label} is already in mouth of drive");
        }
        let load = || {
            self.load(label, self.restore_after_restart)?;
            if self.drive.is_usable() { Ok(()) } else { Err("the drive cannot use the cartridge".into()) }
        };
        let loaded = catch_unwind(AssertUnwindSafe(load)).unwrap_or_else(|_| Err("internal error".into()));
        // As mhvtl's drives do: a cartridge that cannot be used is ejected, and the library moves it back.
        let loaded =
            loaded.or_else(|reason| self.drive.force_remove().map_err(|error| error.to_string()).and(Err(reason)));
        match loaded {
            Ok(()) => format!("Loaded OK: {label}"),
            Err(reason) => {
                tracing::warn!(minor = self.unit, barcode = label, reason, "cartridge not loaded");
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
            // mhvtl's drives send this reply when they are empty, too.
            Ok(()) | Err(RemoveError::Empty) => Ok("Unloaded OK"),
            Err(RemoveError::Prevented) => Err("Unload failed: a host prevents removal"),
            Err(RemoveError::Unavailable) => Err("Unload failed"),
        };
        match unloaded {
            // The control tool does not wait for a reply; its next call would mistake this one for its reply.
            Ok(_) if message.sender == u64::from(TOOL_ID) => Reply::NoReply,
            Err(reason) if message.sender == u64::from(TOOL_ID) => Reply::Rejected(reason.into()),
            Ok(text) | Err(text) => Reply::Text(text.into()),
        }
    }
}
