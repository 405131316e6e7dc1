//! Diagnostic dumps: records of a device's internal state for the vendor's support.
//!
//! A unit holds one dump at a time. It takes a dump when a host requests one (SEND DIAGNOSTIC page 80h of IBM drives),
//! when an error history snapshot is created (READ BUFFER mode 1Ch, SPC-4 §6.18.9), and when a command ends with MEDIUM
//! ERROR or HARDWARE ERROR. Hosts read it from a vendor-specific buffer (READ BUFFER modes 02h and 03h) or as error
//! history.

use crate::lu::{Lu, SpcDevice};
use crate::nexus::NexusId;

/// The ways in which hosts can take and read the dump of a model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DumpSupport {
    /// SEND DIAGNOSTIC page 80h, diagnostic 0160h (force dump), takes a dump.
    pub force_dump: bool,
    /// BUFFER ID from which READ BUFFER modes 02h and 03h return the dump; `None` if there is no such buffer.
    pub buffer: Option<u8>,
    /// READ BUFFER mode 1Ch returns the dump as error history.
    pub error_history: bool,
}

impl DumpSupport {
    /// Support of a model without dumps.
    pub const NONE: Self = Self { force_dump: false, buffer: None, error_history: false };
}

/// The reason why a unit took its dump.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DumpTrigger {
    /// SEND DIAGNOSTIC, an error, or a READ BUFFER of the dump's buffer.
    Device,
    /// READ BUFFER mode 1Ch.
    ErrorHistory,
}

/// A dump; the next one replaces it.
#[derive(Debug)]
pub(crate) struct Dump {
    pub(crate) bytes: Vec<u8>,
    pub(crate) cause: DumpTrigger,
    /// A host has cleared the error history I_T nexus since the dump was taken.
    pub(crate) retrieved: bool,
}

/// The dump of a logical unit, and its error history I_T nexus.
#[derive(Debug, Default)]
pub struct DumpState {
    pub(crate) dump: Option<Dump>,
    pub(crate) error_history_nexus: Option<NexusId>,
}

impl DumpState {
    /// Removes the state of a nexus after I_T nexus loss: clears the error history I_T nexus if it is this one. The
    /// dump stays.
    pub(crate) fn remove_nexus(&mut self, nexus: NexusId) {
        self.error_history_nexus.take_if(|owner| *owner == nexus);
    }

    pub(crate) fn store(&mut self, bytes: Vec<u8>, cause: DumpTrigger) {
        self.dump = Some(Dump { bytes, cause, retrieved: false });
    }
}

impl Lu {
    /// Takes a dump after an error, unless a host is reading the last dump as error history.
    pub fn dump_after_error(&mut self, device: &dyn SpcDevice) {
        if device.dump_support() != DumpSupport::NONE && self.dumps.error_history_nexus.is_none() {
            self.dumps.store(device.diagnostic_dump(&self.identity), DumpTrigger::Device);
        }
    }
}
