//! Counters and histograms of a unit: always on. They are allocated with the unit; counting allocates nothing.

use super::CommandRecord;
use super::histogram::{Histogram, HistogramCounts, add};
use scsi_core::asc::Asc;
use scsi_core::sense::{Sense, SenseKey};
use scsi_core::status::Status;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

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
    sense: SenseCounters,
}
impl Default for UnitCounters {
    fn default() -> Self {
        Self {
            by_opcode: (0..256).map(|_| ByStatus::default()).collect(),
            bytes_in: AtomicU64::new(0),
            bytes_out: AtomicU64::new(0),
            run_us: Histogram::default(),
            queued_us: Histogram::default(),
            sense: SenseCounters::default(),
        }
    }
}

/// The counters of sense codes, in the order in which they occurred first. There is one writer, which does not allocate.
#[derive(Debug)]
struct SenseCounters(Box<[SenseCounter]>);

/// One sense code and its number of commands.
#[derive(Debug, Default)]
struct SenseCounter {
    /// Sense key, ASC and ASCQ in this order in the low bytes; 0 before its first use.
    code: AtomicU32,
    count: AtomicU64,
}

impl Default for SenseCounters {
    fn default() -> Self {
        // The last one has the codes that have no counter.
        Self((0..=MAX_SENSE_CODES).map(|_| SenseCounter::default()).collect())
    }
}

impl SenseCounters {
    fn add(&self, key: u8, asc: u8, ascq: u8) {
        let code = u32::from_be_bytes([0, key, asc, ascq]);
        let Some((last, counters)) = self.0.split_last() else { return };
        let is_of = |counter: &&SenseCounter| {
            counter.code.load(Ordering::Relaxed) == code || counter.count.load(Ordering::Relaxed) == 0
        };
        let counter = counters.iter().find(is_of);
        if let Some(counter) = counter {
            counter.code.store(code, Ordering::Relaxed);
        }
        // A reader that sees the count sees its code.
        let count = &counter.unwrap_or(last).count;
        count.store(count.load(Ordering::Relaxed) + 1, Ordering::Release);
    }

    /// The counts by code, ascending.
    fn counts(&self) -> Vec<SenseCount> {
        let mut counts: BTreeMap<u32, u64> = BTreeMap::new();
        for counter in &self.0 {
            let count = counter.count.load(Ordering::Acquire);
            if count != 0 {
                *counts.entry(counter.code.load(Ordering::Relaxed)).or_default() += count;
            }
        }
        let sense = |(code, count): (u32, u64)| {
            let [_, key, asc, ascq] = code.to_be_bytes();
            SenseCount { key, asc, ascq, count }
        };
        counts.into_iter().map(sense).collect()
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
            self.sense.add(sense.key.0, sense.asc.code(), sense.asc.qualifier());
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
            sense: self.sense.counts(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sense_codes_without_a_counter_are_counted_together() {
        let counters = SenseCounters::default();
        counters.add(3, 0x11, 0);
        // 0/00/00 and 255 other codes; the last of them has no counter.
        for ascq in 0..=255 {
            counters.add(0, 0, ascq);
        }
        counters.add(3, 0x11, 0);
        counters.add(5, 0x24, 0);
        let counts = counters.counts();
        let count = |key, asc, ascq| {
            counts.iter().find(|count| (count.key, count.asc, count.ascq) == (key, asc, ascq)).map(|count| count.count)
        };
        assert_eq!((counts.len(), counts.iter().map(|count| count.count).sum()), (256, 259));
        assert_eq!((count(0, 0, 0), count(0, 0, 1), count(0, 0, 254)), (Some(3), Some(1), Some(1)));
        assert_eq!((count(0, 0, 255), count(3, 0x11, 0), count(5, 0x24, 0)), (None, Some(2), None));
        assert!(counts.is_sorted_by_key(|count| (count.key, count.asc, count.ascq)));
    }
}
