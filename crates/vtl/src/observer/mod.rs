//! One record of each command, for counters, logs and traces.
//!
//! A unit makes a [`CommandRecord`] of each command that it has executed, while no other of its commands can run. It also
//! makes one of each command that ends without execution, and the target of each command that no unit gets. An observer
//! must return soon: it may copy and count, not wait.

mod counters;
mod histogram;
mod log;
mod ring;
mod text;
mod trace_entry;
mod trace_file;

pub use counters::{CommandCount, CommandCounters, SenseCount, UnitCounters};
pub use histogram::{Histogram, HistogramCounts};
pub use ring::{TraceBatch, TraceRing};
pub use text::{Decoded, TraceRecord, time_of_day};
pub use trace_entry::{
    OrderedTrace, TraceEntry, TraceError, TraceReader, TracedLogin, TracedLogout, TracedOperation, TracedSite,
    TracedTaskManagement,
};
pub use trace_file::TraceFile;

use crate::locks::read;
use crate::shared::Shared;
use scsi_core::command_spec::CommandSpec;
use scsi_core::nexus::NexusId;
use scsi_core::sense::SenseBytes;
use scsi_core::status::Status;
use scsi_core::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::io::IoSlice;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use tape_store::cartridge::Barcode;

/// Kind of device of a unit, which determines its command table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceKind {
    /// A tape drive (SSC commands).
    Drive,
    /// A medium changer (SMC commands).
    Changer,
    /// The target itself, for a command to a LUN without logical unit.
    Target,
}

/// The end of a command: with a status, or without one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CommandOutcome {
    /// The unit executed the command, and its status is sent.
    #[default]
    Completed,
    /// The command ended with its status before any unit executed it: TASK SET FULL, or an error that the transport found.
    Rejected,
    /// The command was aborted, before or after its execution: its initiator gets no response.
    Aborted,
    /// An injected fault lost the command: it was not executed, and its initiator gets no response.
    Dropped,
}

impl CommandOutcome {
    /// The word in texts and JSON; `None` for a command that was executed and has a response.
    #[must_use]
    pub const fn reported_name(self) -> Option<&'static str> {
        match self {
            Self::Completed => None,
            Self::Rejected => Some("rejected"),
            Self::Aborted => Some("aborted"),
            Self::Dropped => Some("dropped"),
        }
    }

    /// Returns whether the initiator gets no response.
    #[must_use]
    pub const fn has_no_response(self) -> bool {
        matches!(self, Self::Aborted | Self::Dropped)
    }
}

/// The name of a unit: its library and its name there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnitName {
    /// Name of the library that has the unit.
    pub library: Arc<str>,
    /// `changer`, or `drive` and its number from 1; `target` in the record of a command that no unit gets.
    pub unit: Arc<str>,
    /// Kind of device, which determines the command table.
    pub device: DeviceKind,
}

/// The names of a command's target, unit and initiator. All commands of an I_T nexus to a unit share one value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandNames {
    /// Name of the target through which the command came.
    pub target: Arc<str>,
    /// The unit of the command; the target itself if the LUN has no unit.
    pub unit: Arc<UnitName>,
    /// Name of the initiator, such as an iSCSI name.
    pub initiator: Arc<str>,
}

/// A position on a tape: its partition, and the number of the next logical object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TapePosition {
    /// Number of the partition, from 0.
    pub partition: u8,
    /// LOGICAL OBJECT IDENTIFIER of the next object.
    pub object: u64,
}

/// The facts about a command that has ended in a unit.
#[derive(Clone, Copy, Debug)]
pub struct CommandRecord<'a> {
    /// Identifier of the start of the site, as in its events.
    pub start: &'a Arc<str>,
    /// Time at which the unit began to execute the command, or at which it ended without execution.
    pub at: Timestamp,
    /// The target, the unit and the initiator of the command.
    pub names: &'a Arc<CommandNames>,
    /// I_T nexus of the command.
    pub nexus: NexusId,
    /// LUN through which the command came, as eight bytes.
    pub lun: u64,
    /// Tag that the transport gave the command.
    pub tag: u64,
    /// The CDB, without the padding of the transport.
    pub cdb: &'a [u8],
    /// The row of the command; `None` if the unit does not know it.
    pub spec: Option<&'static CommandSpec>,
    /// SAM status of the command.
    pub status: Status,
    /// Sense data; only with CHECK CONDITION.
    pub sense: Option<&'a SenseBytes>,
    /// Number of Data-In bytes that the unit returned.
    pub bytes_in: usize,
    /// Number of Data-Out bytes that the unit consumed.
    pub bytes_out: usize,
    /// Whether an injected fault ended, delayed or lost the command.
    pub injected: bool,
    /// The end of the command: whether it was executed, and whether its initiator gets a response.
    pub outcome: CommandOutcome,
    /// Position of the tape before and after the command; `None` without a threaded tape.
    pub positions: (Option<TapePosition>, Option<TapePosition>),
    /// Microseconds from the arrival of the command to the begin of its execution.
    pub queued_us: u64,
    /// Microseconds of its execution, with the commit of changed state.
    pub run_us: u64,
    /// Microseconds from the end of its execution until its status is due: of a motion, or of an injected fault.
    pub delay_us: u64,
    /// Microseconds that hardware would have taken, if the unit models it.
    pub modelled_us: u64,
    /// Data that the unit consumed, as the segments of the initiator's buffer; empty for a command that carries keys.
    pub data_out: &'a [IoSlice<'a>],
    /// Data that the unit returned; empty for a command that carries keys.
    pub data_in: &'a [IoSlice<'a>],
}

/// Receives the record of each command of the units of a site.
pub trait CommandObserver: Send + Sync {
    /// Called once for each command, on the thread that executed or ended it, before its status is sent. It must not wait.
    fn observe(&self, record: &CommandRecord<'_>);

    /// Called once for each login, logout, task management function and request of an operator that changes a library, in the order of their effects. It
    /// must not wait. By default, it does nothing.
    fn observe_entry(&self, entry: &TraceEntry) {
        let _ = entry;
    }
}

/// The CDB without the zeros that fill the field of the transport (16 bytes in iSCSI).
pub(crate) fn without_padding<'a>(cdb: &'a [u8], spec: Option<&CommandSpec>) -> &'a [u8] {
    spec.and_then(|spec| cdb.get(..spec.cdb_usage.len())).unwrap_or(cdb)
}

/// Passes an entry that is no command to the observers of a site.
pub(crate) fn observe_entry(shared: &Shared, entry: impl FnOnce() -> TraceEntry) {
    let observers = read(&shared.observers);
    if !observers.is_empty() {
        let entry = entry();
        let _ = catch_unwind(AssertUnwindSafe(|| {
            observers.iter().for_each(|observer| observer.observe_entry(&entry));
        }));
    }
}

/// Passes a record to the observers of a site, its trace and its log. `barcode` returns the cartridge in the drive, `count`
/// adds the record to the counters of its unit. A panic in one of them must not lose the completion.
pub(crate) fn observe(
    shared: &Shared,
    record: &CommandRecord<'_>,
    barcode: impl FnOnce() -> Option<Barcode>,
    count: impl FnOnce(),
) {
    let _ = catch_unwind(AssertUnwindSafe(|| {
        count();
        shared.trace.observe(record);
        log::log_command(record, barcode);
        read(&shared.observers).iter().for_each(|observer| observer.observe(record));
    }));
}
