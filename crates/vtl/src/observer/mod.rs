//! One record of each command, for counters, logs and traces.
//!
//! A unit makes a [`CommandRecord`] after each command, while no other of its commands can run, and passes it to the
//! observers. An observer must return soon: it may copy and count, not wait.

mod counters;
mod histogram;
mod log;
mod ring;
mod text;
mod trace_file;

pub use counters::{CommandCount, CommandCounters, SenseCount, UnitCounters};
pub use histogram::{Histogram, HistogramCounts};
pub use ring::{TraceBatch, TraceRing};
pub use text::{Decoded, TraceRecord};
pub use trace_file::TraceFile;

pub(crate) use log::log_command;

use scsi_core::command_spec::CommandSpec;
use scsi_core::fault::Completion;
use scsi_core::nexus::NexusId;
use scsi_core::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Kind of device of a unit, which determines its command table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceKind {
    /// A tape drive (SSC commands).
    Drive,
    /// A medium changer (SMC commands).
    Changer,
}

/// The name of a unit for people: its library and its name there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnitName {
    /// Name of the library that has the unit.
    pub library: Arc<str>,
    /// `changer`, or `drive` and its number from 1.
    pub unit: Arc<str>,
    /// Kind of device, which determines the command table.
    pub device: DeviceKind,
}

/// A position on a tape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TapePosition {
    /// Number of the partition, from 0.
    pub partition: u8,
    /// LOGICAL OBJECT IDENTIFIER of the next object.
    pub object: u64,
}

/// What a unit knows about a command that it has executed.
#[derive(Clone, Copy, Debug)]
pub struct CommandRecord<'a> {
    /// Time at which the unit began to execute the command.
    pub at: Timestamp,
    /// The unit that executed the command.
    pub unit: &'a Arc<UnitName>,
    /// I_T nexus of the command.
    pub nexus: NexusId,
    /// Name of the initiator, such as an iSCSI name.
    pub initiator: &'a Arc<str>,
    /// LUN through which the command came, as eight bytes.
    pub lun: u64,
    /// Tag that the transport gave the command.
    pub tag: u64,
    /// The CDB, without the padding of the transport.
    pub cdb: &'a [u8],
    /// The row of the command; `None` if the unit does not know it.
    pub spec: Option<&'static CommandSpec>,
    /// Status, sense data and byte counts.
    pub completion: &'a Completion,
    /// Position of the tape before and after the command; `None` without a threaded tape.
    pub positions: (Option<TapePosition>, Option<TapePosition>),
    /// Microseconds from the arrival of the command to the begin of its execution.
    pub queued_us: u64,
    /// Microseconds of its execution, with the commit of changed state.
    pub run_us: u64,
    /// Data that the unit consumed; empty for a command that carries keys.
    pub data_out: &'a [u8],
    /// Data that the unit returned; empty for a command that carries keys.
    pub data_in: &'a [u8],
}

/// Receives the record of each command of the units of a site.
pub trait CommandObserver: Send + Sync {
    /// Called once for each executed command, on the thread that executed it, before its status is sent. It must not
    /// wait.
    fn observe(&self, record: &CommandRecord<'_>);
}
