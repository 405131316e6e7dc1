//! How a command ends.

use crate::nexus::NexusId;
use crate::sense::{Sense, SenseBytes, SenseFormat};
use crate::status::Status;
use bitflags::bitflags;

/// Why a command did not end with GOOD. Queue limits and aborts are the host's business, not a device's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// CHECK CONDITION with this sense. Data may have moved all the same (a READ with ILI).
    CheckCondition(Box<Sense>),
    /// Another nexus holds a reservation that excludes the command.
    ReservationConflict,
    /// The unit cannot take the command now.
    Busy,
}

impl From<Sense> for Fault {
    fn from(sense: Sense) -> Self {
        Self::CheckCondition(Box::new(sense))
    }
}

/// What a handler returns; data and counts are already in its buffers, also with `Err`.
pub type Outcome = Result<(), Fault>;

bitflags! {
    /// State that changed and must be durable before the status leaves.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Save: u8 {
        /// Saved mode pages or reservations with APTPL: [`crate::lu::Lu::saved`].
        const UNIT = 1;
        /// What is where in the library.
        const INVENTORY = 2;
    }
}

/// What a transport tells its initiator.
#[derive(Clone, Debug)]
pub struct Completion {
    /// The status byte.
    pub status: Status,
    /// Sense, with CHECK CONDITION only.
    pub sense: Option<SenseBytes>,
    /// Bytes that stand in the data-in buffer.
    pub data_in: usize,
    /// Bytes that the command would have sent into a larger buffer (residual overflow).
    pub data_in_wanted: usize,
    /// Bytes taken from the data-out buffer.
    pub data_out: usize,
    /// Bytes that the CDB asked for beyond those offered (residual overflow).
    pub data_out_missing: usize,
    /// State that the host makes durable first.
    pub save: Save,
    /// Nexuses whose other commands are aborted (PREEMPT AND ABORT).
    pub abort_nexuses: Vec<NexusId>,
}

impl Completion {
    /// A completion without data.
    #[must_use]
    pub fn new(outcome: Outcome, format: SenseFormat) -> Self {
        let (status, sense) = match outcome {
            Ok(()) => (Status::GOOD, None),
            Err(Fault::CheckCondition(sense)) => (Status::CHECK_CONDITION, Some(sense.encode(format))),
            Err(Fault::ReservationConflict) => (Status::RESERVATION_CONFLICT, None),
            Err(Fault::Busy) => (Status::BUSY, None),
        };
        Self {
            status,
            sense,
            data_in: 0,
            data_in_wanted: 0,
            data_out: 0,
            data_out_missing: 0,
            save: Save::empty(),
            abort_nexuses: Vec::new(),
        }
    }
}
