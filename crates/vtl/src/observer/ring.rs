//! The last commands of a site, in memory.

use super::{CommandNames, CommandOutcome, CommandRecord, TapePosition, TraceRecord, UnitName};
use crate::locks::lock;
use scsi_core::command_spec::CommandSpec;
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
/// Number of the newest commands that stay in the cache, before they are copied to the ring together: each copy alone would
/// wait for memory.
const STAGED: usize = 32;
/// Bytes of a CDB that the ring holds: all commands of drives and changers are shorter.
const MAX_CDB: usize = 32;

/// The numbers of a record: nothing in them is read or dropped when the entry is overwritten, because it is no longer in the
/// cache then.
#[derive(Clone, Copy)]
struct Entry {
    at: Timestamp,
    nexus: NexusId,
    lun: u64,
    tag: u64,
    cdb: [u8; MAX_CDB],
    cdb_len: u8,
    spec: Option<&'static CommandSpec>,
    status: Status,
    bytes_in: usize,
    bytes_out: usize,
    injected: bool,
    outcome: CommandOutcome,
    positions: (Option<TapePosition>, Option<TapePosition>),
    queued_us: u64,
    run_us: u64,
    delay_us: u64,
    modelled_us: u64,
}

impl Entry {
    fn new(record: &CommandRecord<'_>) -> Self {
        let mut cdb = [0; MAX_CDB];
        cdb.iter_mut().zip(record.cdb).for_each(|(slot, byte)| *slot = *byte);
        Self {
            at: record.at,
            nexus: record.nexus,
            lun: record.lun,
            tag: record.tag,
            cdb,
            cdb_len: u8::try_from(record.cdb.len().min(MAX_CDB)).unwrap_or(0),
            spec: record.spec,
            status: record.status,
            bytes_in: record.bytes_in,
            bytes_out: record.bytes_out,
            injected: record.injected,
            outcome: record.outcome,
            positions: record.positions,
            queued_us: record.queued_us,
            run_us: record.run_us,
            delay_us: record.delay_us,
            modelled_us: record.modelled_us,
        }
    }
}

/// A copy of a command in the ring.
struct Taken {
    number: u64,
    entry: Entry,
    names: Arc<CommandNames>,
    sense: Option<SenseBytes>,
}

impl Taken {
    fn decode(&self, start: &Arc<str>) -> TraceRecord {
        let entry = &self.entry;
        let record = CommandRecord {
            start,
            at: entry.at,
            names: &self.names,
            nexus: entry.nexus,
            lun: entry.lun,
            tag: entry.tag,
            cdb: entry.cdb.get(..usize::from(entry.cdb_len)).unwrap_or_default(),
            spec: entry.spec,
            status: entry.status,
            sense: self.sense.as_ref(),
            bytes_in: entry.bytes_in,
            bytes_out: entry.bytes_out,
            injected: entry.injected,
            outcome: entry.outcome,
            positions: entry.positions,
            queued_us: entry.queued_us,
            run_us: entry.run_us,
            delay_us: entry.delay_us,
            modelled_us: entry.modelled_us,
            data_out: &[],
            data_in: &[],
        };
        TraceRecord::new(self.number, &record, 0)
    }
}

/// The last commands. Command `n` is at index `(n - 1) % CAPACITY` of `ring`, or among the newest ones in `staged`.
struct Commands {
    /// Number of the next command.
    next: u64,
    ring: Slots,
    staged: Slots,
    /// Number of the commands in `staged`; its other slots are free.
    staged_len: usize,
    /// Sense data of the commands that have some, ascending by their numbers.
    sense: VecDeque<(u64, SenseBytes)>,
}

/// Entries, and the names of each.
struct Slots {
    entries: Vec<Entry>,
    names: Vec<Arc<CommandNames>>,
}

impl Slots {
    fn with_capacity(capacity: usize) -> Self {
        Self { entries: Vec::with_capacity(capacity), names: Vec::with_capacity(capacity) }
    }

    /// Replaces the entry at an index, or adds it at the end.
    fn set(&mut self, index: usize, entry: Entry, entry_names: &Arc<CommandNames>) {
        if let (Some(slot), Some(names)) = (self.entries.get_mut(index), self.names.get_mut(index)) {
            *slot = entry;
            if !Arc::ptr_eq(names, entry_names) {
                names.clone_from(entry_names);
            }
        } else {
            self.entries.push(entry);
            self.names.push(Arc::clone(entry_names));
        }
    }
}

impl Commands {
    fn new() -> Self {
        let (ring, staged) = (Slots::with_capacity(CAPACITY), Slots::with_capacity(STAGED));
        Self { next: 1, ring, staged, staged_len: 0, sense: VecDeque::new() }
    }

    fn push(&mut self, entry: Entry, record: &CommandRecord<'_>) {
        self.staged.set(self.staged_len, entry, record.names);
        self.staged_len += 1;
        self.sense.extend(record.sense.map(|sense| (self.next, *sense)));
        self.next += 1;
        if self.staged_len == STAGED {
            self.flush();
        }
    }

    /// Copies the newest commands to the ring.
    fn flush(&mut self) {
        let first = self.next - u64::try_from(self.staged_len).unwrap_or(0);
        let staged = self.staged.entries.iter().zip(&self.staged.names).take(self.staged_len);
        for (number, (entry, names)) in (first..).zip(staged) {
            self.ring.set(Self::index(number), *entry, names);
        }
        self.staged_len = 0;
        let oldest = self.first();
        while self.sense.pop_front_if(|(number, _)| *number < oldest).is_some() {}
    }

    /// Number of the oldest command of the ring.
    fn first(&self) -> u64 {
        self.next - u64::try_from(self.staged_len + self.ring.entries.len()).unwrap_or(0)
    }

    /// The numbers of the commands from this one on, of the units that `is_wanted` selects.
    fn wanted(&self, from: u64, is_wanted: impl Fn(&UnitName) -> bool) -> Vec<u64> {
        let is_wanted =
            |number: &u64| self.ring.names.get(Self::index(*number)).is_some_and(|names| is_wanted(&names.unit));
        (from.max(self.first())..self.next).filter(is_wanted).collect()
    }

    fn take(&self, number: u64) -> Option<Taken> {
        let index = Self::index(number);
        let sense = self.sense.binary_search_by_key(&number, |(number, _)| *number).ok();
        let sense = sense.and_then(|index| self.sense.get(index)).map(|(_, sense)| *sense);
        Some(Taken {
            number,
            entry: *self.ring.entries.get(index)?,
            names: Arc::clone(self.ring.names.get(index)?),
            sense,
        })
    }

    fn index(number: u64) -> usize {
        usize::try_from(number.saturating_sub(1)).unwrap_or(usize::MAX) % CAPACITY
    }
}

/// The last 4,096 commands of a site. An entry contains no data, so no key.
pub struct TraceRing {
    /// Identifier of the start of the site, which numbers its commands from 1.
    start: Arc<str>,
    commands: Mutex<Commands>,
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
        Self { start, commands: Mutex::new(Commands::new()), added: Condvar::new(), waiting: AtomicUsize::new(0) }
    }

    /// Identifier of the start of the site, as in its events. Numbers of different starts are not related.
    #[must_use]
    pub const fn start(&self) -> &Arc<str> {
        &self.start
    }

    pub(crate) fn observe(&self, record: &CommandRecord<'_>) {
        let entry = Entry::new(record);
        lock(&self.commands).push(entry, record);
        if self.waiting.load(Ordering::Acquire) > 0 {
            self.added.notify_all();
        }
    }

    /// Number of the last command, 0 if there was none.
    #[must_use]
    pub fn last(&self) -> u64 {
        lock(&self.commands).next - 1
    }

    /// The first `max` commands after number `since`, or the last `max` commands, of the units that `is_wanted` selects.
    #[must_use]
    pub fn read(&self, since: Option<u64>, max: usize, is_wanted: impl Fn(&UnitName) -> bool) -> TraceBatch {
        let mut commands = lock(&self.commands);
        commands.flush();
        let next = since.map_or(commands.first(), |since| since.saturating_add(1));
        let wanted = commands.wanted(next, is_wanted);
        let rest = wanted.len().saturating_sub(max);
        let taken = if since.is_some() { wanted.get(..wanted.len() - rest) } else { wanted.get(rest..) };
        let taken: Vec<Taken> = taken.unwrap_or_default().iter().filter_map(|number| commands.take(*number)).collect();
        let last = match taken.last() {
            Some(taken) if since.is_some() && rest > 0 => taken.number,
            _ => commands.next.max(next) - 1,
        };
        let lost = commands.first().saturating_sub(next);
        // Decoded after the ring is free again: each command of every unit needs it.
        drop(commands);
        let records = taken.iter().map(|taken| taken.decode(&self.start)).collect();
        TraceBatch { records, last, lost }
    }

    /// Waits until there is a command after number `since`, for at most `timeout`.
    pub fn wait(&self, since: u64, timeout: Duration) {
        self.waiting.fetch_add(1, Ordering::AcqRel);
        let commands = lock(&self.commands);
        let none = |commands: &mut Commands| commands.next <= since.saturating_add(1);
        drop(self.added.wait_timeout_while(commands, timeout, none).unwrap_or_else(PoisonError::into_inner));
        self.waiting.fetch_sub(1, Ordering::AcqRel);
    }
}
