//! The end of a command: the outcome that the device returns, and the completion that the transport sends.

use crate::asc::Asc;
use crate::nexus::NexusId;
use crate::sense::{Sense, SenseBytes, SenseFormat, SenseKey};
use crate::status::Status;
use crate::time::Instant;
use bitflags::bitflags;
use std::time::Duration;

/// The reason why a command ended without GOOD status. TASK SET FULL and TASK ABORTED are not listed: they come from
/// the task manager, not from a device.
///
/// This is an outcome of a command, which a transport reports to the initiator, and not an error of the program, so it does
/// not implement [`Error`](core::error::Error); [`Sense`] does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// CHECK CONDITION with this sense. Data may have been transferred nevertheless (a READ with ILI).
    CheckCondition(Box<Sense>),
    /// RESERVATION CONFLICT: a reservation of another I_T nexus excludes the command.
    ReservationConflict,
    /// BUSY: the unit cannot run the command now.
    Busy,
    /// Another status without sense data, by an injected fault.
    Status(Status),
}

impl From<Sense> for Fault {
    fn from(sense: Sense) -> Self {
        Self::CheckCondition(Box::new(sense))
    }
}

/// The result of a command handler. Data and counts are in the buffers of the command, also with `Err`.
pub type Outcome = Result<(), Fault>;

bitflags! {
    /// State that the command changed and that must be durable before the status is sent.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Save: u8 {
        /// The saved state of the unit, [`crate::lu::Lu::saved`].
        const UNIT = 1;
        /// The cartridge locations of the library.
        const INVENTORY = 2;
        /// The lifetime counters in the saved state of the unit. Unlike all other state, the caller may store them after
        /// the status.
        const COUNTERS = 4;
    }
}

/// An effect of an injected fault besides the end of its command. The owner of the unit and the transport carry it out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FaultEvent {
    /// The session of the I_T nexus ends: none of its commands gets a response.
    LoseSession,
    /// For this long, nothing passes between the target port and the address of the initiator.
    CutLink(Duration),
    /// The units and the target port lose their power, and get it back after this time.
    LosePower(Duration),
}

/// The end of a command, as the transport reports it to the initiator.
#[derive(Clone, Debug)]
pub struct Completion {
    /// SAM status of the command.
    pub status: Status,
    /// Sense data; only with CHECK CONDITION.
    pub sense: Option<SenseBytes>,
    /// Number of valid bytes in the Data-In buffer.
    pub data_in: usize,
    /// Number of bytes that the command would have sent into a larger buffer (residual overflow).
    pub data_in_wanted: usize,
    /// Number of bytes consumed from the Data-Out buffer.
    pub data_out: usize,
    /// Number of bytes that the CDB requests and the initiator did not send (residual overflow).
    pub data_out_missing: usize,
    /// State that the caller must make durable, before it sends the status unless it is [`Save::COUNTERS`] alone.
    pub save: Save,
    /// I_T nexuses whose other commands the caller must abort (PREEMPT AND ABORT).
    pub abort_nexuses: Vec<NexusId>,
    /// Monotonic time from which on the caller may send the status: the end of a motion or of an injected
    /// delay. Until then the caller runs no other command of the unit. `None`: at once.
    pub due: Option<Instant>,
    /// How long hardware would have taken for the command, if the device models it; of this, the part that the device waits
    /// is in `due`.
    pub modelled: Duration,
    /// The command was lost: the initiator gets no response.
    pub dropped: bool,
    /// An injected fault ended, delayed or lost the command.
    pub injected: bool,
    /// A further effect of an injected fault; `None` if there is none.
    pub event: Option<FaultEvent>,
}

impl Completion {
    /// A completion with a status that has no sense data, such as TASK SET FULL or TASK ABORTED.
    #[must_use]
    pub fn with_status(status: Status) -> Self {
        Self { status, ..Self::new(&Ok(()), SenseFormat::Fixed) }
    }

    /// A completion without data, with the sense in this format.
    #[must_use]
    pub fn new(outcome: &Outcome, format: SenseFormat) -> Self {
        let (status, sense) = match outcome {
            Ok(()) => (Status::GOOD, None),
            Err(Fault::CheckCondition(sense)) => (Status::CHECK_CONDITION, Some(sense.encode(format))),
            Err(Fault::ReservationConflict) => (Status::RESERVATION_CONFLICT, None),
            Err(Fault::Busy) => (Status::BUSY, None),
            Err(Fault::Status(status)) => (*status, None),
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
            due: None,
            modelled: Duration::ZERO,
            dropped: false,
            injected: false,
            event: None,
        }
    }

    fn with_sense(key: SenseKey, asc: Asc) -> Self {
        Self::new(&Err(Sense::new(key, asc).into()), SenseFormat::Fixed)
    }

    /// HARDWARE ERROR 44h/00h (INTERNAL TARGET FAILURE): the device server or its storage failed.
    #[must_use]
    pub fn internal_failure() -> Self {
        Self::with_sense(SenseKey::HARDWARE_ERROR, Asc::INTERNAL_TARGET_FAILURE)
    }

    /// ABORTED COMMAND 00h/00h: the target port lost the command before its end.
    #[must_use]
    pub fn command_lost() -> Self {
        Self::with_sense(SenseKey::ABORTED_COMMAND, Asc(0))
    }

    /// ABORTED COMMAND 4Bh/00h (DATA PHASE ERROR): the target port did not receive the data that the CDB announces.
    #[must_use]
    pub fn data_missing() -> Self {
        Self::with_sense(SenseKey::ABORTED_COMMAND, Asc::DATA_PHASE_ERROR)
    }

    /// BUSY: the target has no memory for the data now; the initiator repeats the command.
    #[must_use]
    pub fn busy() -> Self {
        Self::new(&Err(Fault::Busy), SenseFormat::Fixed)
    }
}
