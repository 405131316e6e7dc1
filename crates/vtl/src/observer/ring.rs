//! The last commands of a site, in memory.

use super::{CommandRecord, TapePosition, TraceRecord, UnitName};
use crate::locks::lock;
use scsi_core::fault::Completion;
use scsi_core::nexus::NexusId;
use scsi_core::sense::SenseBytes;
use scsi_core::status::Status;
use scsi_core::time::Timestamp;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// Number of commands that the ring holds.
const CAPACITY: usize = 4096;
/// Bytes of a CDB that the ring holds: all commands of drives and changers are shorter.
const MAX_CDB: usize = 32;

/// A record without an allocation.
#[derive(Clone)]
struct Entry {
    at: Timestamp,
    unit: Arc<UnitName>,
    initiator: Arc<str>,
    nexus: NexusId,
    lun: u64,
    tag: u64,
    cdb: [u8; MAX_CDB],
    cdb_len: usize,
    status: Status,
    sense: Option<SenseBytes>,
    bytes_in: usize,
    bytes_out: usize,
    positions: (Option<TapePosition>, Option<TapePosition>),
    queued_us: u64,
    run_us: u64,
}

#[derive(Default)]
struct Entries {
    /// Number of the first entry in `last`.
    first: u64,
    last: VecDeque<Entry>,
}

/// The last 4,096 commands of a site. An entry contains no data, so no key.
pub struct TraceRing {
    entries: Mutex<Entries>,
    added: Condvar,
    /// Number of readers that wait for the next command.
    waiting: AtomicUsize,
}

/// Commands that were read from the ring.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TraceBatch {
    /// Commands, ascending by their number.
    pub records: Vec<TraceRecord>,
    /// Number of commands that were overwritten before they were read.
    pub lost: u64,
}

impl Default for TraceRing {
    fn default() -> Self {
        let entries = Entries { first: 1, last: VecDeque::with_capacity(CAPACITY) };
        Self { entries: Mutex::new(entries), added: Condvar::new(), waiting: AtomicUsize::new(0) }
    }
}

impl TraceRing {
    pub(crate) fn observe(&self, record: &CommandRecord<'_>) {
        let mut cdb = [0; MAX_CDB];
        cdb.iter_mut().zip(record.cdb).for_each(|(slot, byte)| *slot = *byte);
        let Completion { status, sense, data_in, data_out, .. } = *record.completion;
        let entry = Entry {
            at: record.at,
            unit: Arc::clone(record.unit),
            initiator: Arc::clone(record.initiator),
            nexus: record.nexus,
            lun: record.lun,
            tag: record.tag,
            cdb,
            cdb_len: record.cdb.len().min(MAX_CDB),
            status,
            sense,
            bytes_in: data_in,
            bytes_out: data_out,
            positions: record.positions,
            queued_us: record.queued_us,
            run_us: record.run_us,
        };
        let mut entries = lock(&self.entries);
        let oldest = if entries.last.len() == CAPACITY { entries.last.pop_front() } else { None };
        entries.first += u64::from(oldest.is_some());
        entries.last.push_back(entry);
        drop(entries);
        if self.waiting.load(Ordering::Acquire) > 0 {
            self.added.notify_all();
        }
    }

    /// Number of the last command, 0 if there was none.
    #[must_use]
    pub fn last(&self) -> u64 {
        let entries = lock(&self.entries);
        entries.first + u64::try_from(entries.last.len()).unwrap_or(0) - 1
    }

    /// The commands after number `since`.
    #[must_use]
    pub fn read(&self, since: u64) -> TraceBatch {
        let entries = lock(&self.entries);
        let next = since.saturating_add(1);
        let skip = usize::try_from(next.saturating_sub(entries.first)).unwrap_or(usize::MAX);
        let first = entries.first.max(next);
        let lost = entries.first.saturating_sub(next);
        let copied: Vec<Entry> = entries.last.iter().skip(skip).cloned().collect();
        // Decoded after the ring is free again: each command of every unit needs it.
        drop(entries);
        TraceBatch { lost, records: (first..).zip(&copied).map(Entry::to_record).collect() }
    }

    /// Waits until there is a command after number `since`, for at most `timeout`.
    pub fn wait(&self, since: u64, timeout: Duration) {
        self.waiting.fetch_add(1, Ordering::AcqRel);
        let entries = lock(&self.entries);
        let none = |entries: &mut Entries| {
            entries.first + u64::try_from(entries.last.len()).unwrap_or(0) <= since.saturating_add(1)
        };
        drop(self.added.wait_timeout_while(entries, timeout, none).unwrap_or_else(PoisonError::into_inner));
        self.waiting.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Entry {
    fn to_record((seq, entry): (u64, &Self)) -> TraceRecord {
        let count = |bytes: usize| u64::try_from(bytes).unwrap_or(u64::MAX);
        TraceRecord {
            seq,
            at_ms: entry.at.0,
            unit: Arc::clone(&entry.unit),
            initiator: Arc::clone(&entry.initiator),
            nexus: entry.nexus.0,
            lun: entry.lun,
            tag: entry.tag,
            cdb: entry.cdb.get(..entry.cdb_len).unwrap_or_default().to_vec(),
            status: entry.status.0,
            sense: entry.sense.as_ref().map(|sense| sense.as_slice().to_vec()).unwrap_or_default(),
            bytes_in: count(entry.bytes_in),
            bytes_out: count(entry.bytes_out),
            position_before: entry.positions.0,
            position_after: entry.positions.1,
            queued_us: entry.queued_us,
            run_us: entry.run_us,
            data_in: Vec::new(),
            data_out: Vec::new(),
            decoded: super::Decoded::default(),
        }
        .decode()
    }
}
