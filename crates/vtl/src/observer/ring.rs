//! The last commands of a site, in memory.

use super::{CommandOutcome, CommandRecord, TapePosition, TraceRecord, UnitName};
use crate::locks::lock;
use scsi_core::command_spec::CommandSpec;
use scsi_core::fault::Completion;
use scsi_core::nexus::NexusId;
use scsi_core::time::Timestamp;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// Number of commands that the ring holds.
const CAPACITY: usize = 4096;
/// Bytes of a CDB that the ring holds: all commands of drives and changers are shorter.
const MAX_CDB: usize = 32;

/// An owned record without data and without an allocation.
#[derive(Clone)]
struct Entry {
    at: Timestamp,
    target: Arc<str>,
    unit: Arc<UnitName>,
    nexus: NexusId,
    initiator: Arc<str>,
    lun: u64,
    tag: u64,
    cdb: [u8; MAX_CDB],
    cdb_len: usize,
    spec: Option<&'static CommandSpec>,
    completion: Completion,
    outcome: CommandOutcome,
    positions: (Option<TapePosition>, Option<TapePosition>),
    queued_us: u64,
    run_us: u64,
    delay_us: u64,
}

impl Entry {
    fn new(record: &CommandRecord<'_>) -> Self {
        let mut cdb = [0; MAX_CDB];
        cdb.iter_mut().zip(record.cdb).for_each(|(slot, byte)| *slot = *byte);
        Self {
            at: record.at,
            target: Arc::clone(record.target),
            unit: Arc::clone(record.unit),
            nexus: record.nexus,
            initiator: Arc::clone(record.initiator),
            lun: record.lun,
            tag: record.tag,
            cdb,
            cdb_len: record.cdb.len().min(MAX_CDB),
            spec: record.spec,
            completion: record.completion.clone(),
            outcome: record.outcome,
            positions: record.positions,
            queued_us: record.queued_us,
            run_us: record.run_us,
            delay_us: record.delay_us,
        }
    }

    fn record<'a>(&'a self, start: &'a Arc<str>) -> CommandRecord<'a> {
        CommandRecord {
            start,
            at: self.at,
            target: &self.target,
            unit: &self.unit,
            nexus: self.nexus,
            initiator: &self.initiator,
            lun: self.lun,
            tag: self.tag,
            cdb: self.cdb.get(..self.cdb_len).unwrap_or_default(),
            spec: self.spec,
            completion: &self.completion,
            outcome: self.outcome,
            positions: self.positions,
            queued_us: self.queued_us,
            run_us: self.run_us,
            delay_us: self.delay_us,
            data_out: &[],
            data_in: &[],
        }
    }
}

#[derive(Default)]
struct Entries {
    /// Number of the first entry in `last`.
    first: u64,
    last: VecDeque<Entry>,
}

impl Entries {
    /// Number of the next command.
    fn next(&self) -> u64 {
        self.first + u64::try_from(self.last.len()).unwrap_or(0)
    }
}

/// The last 4,096 commands of a site. An entry contains no data, so no key.
pub struct TraceRing {
    /// Identifier of the start of the site, which numbers its commands from 1.
    start: Arc<str>,
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
    /// Number of the last command that was considered: `since` of the next call.
    pub last: u64,
    /// Number of commands that were overwritten before they were read.
    pub lost: u64,
}

impl TraceRing {
    pub(crate) fn new(start: Arc<str>) -> Self {
        let entries = Entries { first: 1, last: VecDeque::with_capacity(CAPACITY) };
        Self { start, entries: Mutex::new(entries), added: Condvar::new(), waiting: AtomicUsize::new(0) }
    }

    /// Identifier of the start of the site, as in its events. Numbers of different starts are not related.
    #[must_use]
    pub const fn start(&self) -> &Arc<str> {
        &self.start
    }

    pub(crate) fn observe(&self, record: &CommandRecord<'_>) {
        let entry = Entry::new(record);
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
        lock(&self.entries).next() - 1
    }

    /// The first `max` commands after number `since`, or the last `max` commands, of the units that `is_wanted` selects.
    #[must_use]
    pub fn read(&self, since: Option<u64>, max: usize, is_wanted: impl Fn(&UnitName) -> bool) -> TraceBatch {
        let entries = lock(&self.entries);
        let next = since.map_or(entries.first, |since| since.saturating_add(1));
        let skipped = usize::try_from(next.saturating_sub(entries.first)).unwrap_or(usize::MAX);
        let numbered = (next.max(entries.first)..).zip(entries.last.iter().skip(skipped));
        let wanted: Vec<(u64, &Entry)> = numbered.filter(|(_, entry)| is_wanted(&entry.unit)).collect();
        let rest = wanted.len().saturating_sub(max);
        let taken = if since.is_some() { wanted.get(..wanted.len() - rest) } else { wanted.get(rest..) };
        let taken: Vec<(u64, Entry)> =
            taken.unwrap_or_default().iter().map(|(seq, entry)| (*seq, (*entry).clone())).collect();
        let last = match taken.last() {
            Some((seq, _)) if since.is_some() && rest > 0 => *seq,
            _ => entries.next().max(next) - 1,
        };
        let lost = entries.first.saturating_sub(next);
        // Decoded after the ring is free again: each command of every unit needs it.
        drop(entries);
        let records = taken.iter().map(|(seq, entry)| TraceRecord::new(*seq, &entry.record(&self.start), 0)).collect();
        TraceBatch { records, last, lost }
    }

    /// Waits until there is a command after number `since`, for at most `timeout`.
    pub fn wait(&self, since: u64, timeout: Duration) {
        self.waiting.fetch_add(1, Ordering::AcqRel);
        let entries = lock(&self.entries);
        let none = |entries: &mut Entries| entries.next() <= since.saturating_add(1);
        drop(self.added.wait_timeout_while(entries, timeout, none).unwrap_or_else(PoisonError::into_inner));
        self.waiting.fetch_sub(1, Ordering::AcqRel);
    }
}
