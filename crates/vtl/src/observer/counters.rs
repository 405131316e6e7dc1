//! Counters and histograms of a unit: always on, without allocation.

use super::CommandRecord;
use super::histogram::{Histogram, HistogramCounts, add};
use crate::locks::lock;
use scsi_core::asc::Asc;
use scsi_core::sense::{Sense, SenseKey};
use scsi_core::status::Status;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// Most different sense codes that are counted; further ones are counted as key 0, ASC 0, ASCQ 0.
const MAX_SENSE_CODES: usize = 256;

/// Number of commands of one operation code by their status.
#[derive(Debug, Default)]
struct ByStatus {
    good: AtomicU64,
    check_condition: AtomicU64,
    reservation_conflict: AtomicU64,
    other: AtomicU64,
    /// Commands that ended without execution. They are counted while another command runs, so there are several writers.
    unexecuted: AtomicU64,
}

/// The counters of a unit since it was opened. The unit adds an executed command while no other of its commands can run,
/// so there is one writer.
#[derive(Debug)]
pub struct UnitCounters {
    by_opcode: Box<[ByStatus]>,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
    run_us: Histogram,
    queued_us: Histogram,
    sense: Mutex<BTreeMap<(u8, u8, u8), u64>>,
}

impl Default for UnitCounters {
    fn default() -> Self {
        Self {
            by_opcode: (0..256).map(|_| ByStatus::default()).collect(),
            bytes_in: AtomicU64::new(0),
            bytes_out: AtomicU64::new(0),
            run_us: Histogram::default(),
            queued_us: Histogram::default(),
            sense: Mutex::default(),
        }
    }
}

/// Number of commands of one operation code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandCount {
    /// OPERATION CODE of the commands.
    pub opcode: u8,
    /// Number of commands with status GOOD.
    pub good: u64,
    /// Commands with status CHECK CONDITION.
    pub check_condition: u64,
    /// Commands with status RESERVATION CONFLICT.
    pub reservation_conflict: u64,
    /// Commands with any other status, and commands that ended without execution.
    pub other: u64,
}

/// Number of commands that ended with one sense code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SenseCount {
    /// SENSE KEY of the commands.
    pub key: u8,
    /// ADDITIONAL SENSE CODE of the commands.
    pub asc: u8,
    /// ADDITIONAL SENSE CODE QUALIFIER of the commands.
    pub ascq: u8,
    /// Number of commands with this sense.
    pub count: u64,
}

/// The sense in words, such as `MEDIUM ERROR 11h/00h (Unrecovered read error)`.
impl fmt::Display for SenseCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Sense::new(SenseKey(self.key), Asc(u16::from_be_bytes([self.asc, self.ascq]))).fmt(f)
    }
}

/// The counts of a unit at one time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandCounters {
    /// Commands by operation code, without the operation codes that no host sent.
    pub commands: Vec<CommandCount>,
    /// Data-In bytes that were returned.
    pub bytes_in: u64,
    /// Data-Out bytes that were consumed.
    pub bytes_out: u64,
    /// Execution times of the commands, in microseconds.
    pub run_us: HistogramCounts,
    /// Waiting times before execution, in microseconds.
    pub queued_us: HistogramCounts,
    /// Sense data by code, ascending.
    pub sense: Vec<SenseCount>,
}

impl UnitCounters {
    /// Counts a command that was not executed: it has no times and no data.
    pub(crate) fn observe_unexecuted(&self, record: &CommandRecord<'_>) {
        let opcode = record.cdb.first().copied().unwrap_or_default();
        if let Some(counts) = self.by_opcode.get(usize::from(opcode)) {
            counts.unexecuted.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts a command that was executed.
    pub(crate) fn observe(&self, record: &CommandRecord<'_>) {
        let opcode = record.cdb.first().copied().unwrap_or_default();
        if let Some(counts) = self.by_opcode.get(usize::from(opcode)) {
            let counter = match record.status {
                Status::GOOD => &counts.good,
                Status::CHECK_CONDITION => &counts.check_condition,
                Status::RESERVATION_CONFLICT => &counts.reservation_conflict,
                _ => &counts.other,
            };
            add(counter, 1);
        }
        let bytes = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        add(&self.bytes_in, bytes(record.bytes_in));
        add(&self.bytes_out, bytes(record.bytes_out));
        self.run_us.add(record.run_us);
        self.queued_us.add(record.queued_us);
        if let Some(sense) = record.sense.and_then(|bytes| Sense::decode(bytes.as_slice())) {
            let mut counts = lock(&self.sense);
            let code = (sense.key.0, sense.asc.code(), sense.asc.qualifier());
            let code = if counts.len() < MAX_SENSE_CODES || counts.contains_key(&code) { code } else { (0, 0, 0) };
            *counts.entry(code).or_default() += 1;
        }
    }

    /// The counts of the unit at this time.
    #[must_use]
    pub fn counts(&self) -> CommandCounters {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let count = |(opcode, counts): (u8, &ByStatus)| CommandCount {
            opcode,
            good: load(&counts.good),
            check_condition: load(&counts.check_condition),
            reservation_conflict: load(&counts.reservation_conflict),
            other: load(&counts.other) + load(&counts.unexecuted),
        };
        let sent =
            |count: &CommandCount| count.good + count.check_condition + count.reservation_conflict + count.other != 0;
        CommandCounters {
            commands: (0..=u8::MAX).zip(&self.by_opcode).map(count).filter(sent).collect(),
            bytes_in: load(&self.bytes_in),
            bytes_out: load(&self.bytes_out),
            run_us: self.run_us.counts(),
            queued_us: self.queued_us.counts(),
            sense: lock(&self.sense)
                .iter()
                .map(|(&(key, asc, ascq), &count)| SenseCount { key, asc, ascq, count })
                .collect(),
        }
    }
}
