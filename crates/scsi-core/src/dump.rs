//! Diagnostic dumps: what a device notes of its own state for its maker's support.
//!
//! A unit holds one dump at a time. It is taken when a host asks for it (SEND DIAGNOSTIC page 80h of IBM drives), when an
//! error history snapshot is created (READ BUFFER mode 1Ch, SPC-5 §6.18.9), or when a command ends with MEDIUM ERROR or
//! HARDWARE ERROR. Hosts read it through the buffer of the maker's (READ BUFFER modes 02h and 03h) or as error history.

use crate::lu::{Lu, SpcDevice};
use crate::nexus::NexusId;

/// The ways in which a model offers its dump.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DumpSupport {
    /// SEND DIAGNOSTIC page 80h, diagnostic 0160h (force dump), takes one.
    pub force_dump: bool,
    /// BUFFER ID under which READ BUFFER modes 02h and 03h return it.
    pub buffer: Option<u8>,
    /// READ BUFFER mode 1Ch returns it as error history.
    pub error_history: bool,
}

impl DumpSupport {
    /// A model without dumps.
    pub const NONE: Self = Self { force_dump: false, buffer: None, error_history: false };
}

/// What made a unit take its dump.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DumpTrigger {
    /// SEND DIAGNOSTIC, an error, or a read of the dump's buffer.
    Device,
    /// READ BUFFER mode 1Ch.
    ErrorHistory,
}

/// A dump that is kept until the next one.
#[derive(Debug)]
pub(crate) struct Dump {
    pub(crate) bytes: Vec<u8>,
    pub(crate) cause: DumpTrigger,
    /// A host has asked to clear the error history I_T nexus since.
    pub(crate) retrieved: bool,
}

/// The dump of a unit, and the error history I_T nexus.
#[derive(Debug, Default)]
pub struct DumpState {
    pub(crate) dump: Option<Dump>,
    pub(crate) error_history_nexus: Option<NexusId>,
}

impl DumpState {
    /// The nexus is gone: it is not the error history I_T nexus any more; the dump stays.
    pub(crate) fn remove_nexus(&mut self, nexus: NexusId) {
        self.error_history_nexus.take_if(|owner| *owner == nexus);
    }

    pub(crate) fn store(&mut self, bytes: Vec<u8>, cause: DumpTrigger) {
        self.dump = Some(Dump { bytes, cause, retrieved: false });
    }
}

impl Lu {
    /// Takes a dump after an error, unless a host is reading the last one as error history.
    pub fn dump_after_error(&mut self, device: &dyn SpcDevice) {
        if device.dump_support() != DumpSupport::NONE && self.dumps.error_history_nexus.is_none() {
            self.dumps.store(device.diagnostic_dump(&self.identity), DumpTrigger::Device);
        }
    }
}
