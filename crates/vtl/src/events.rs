//! Events of a site, and the ring that keeps the latest ones for subscribers.

mod event;
mod kind;
pub(crate) mod log;
mod reader;

pub use event::{Cause, Event, EventRecord, EventSource, ReservationStatus, Subject};
pub use kind::{EVENT_KINDS, EventLevel};
pub use reader::{EventCanceller, EventReader, Received};

use crate::alarms::Alarms;
use crate::audit_trail::AuditTrail;
use crate::clock::Clock;
use crate::locks::lock;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::fmt;
use std::num::ParseIntError;
use std::str::FromStr;
use std::sync::{Arc, Condvar, Mutex, OnceLock};

/// A position in the events of a site: the last event that a client has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventPosition {
    /// Identifier of the start of the daemon, which numbers its events from 1. In a request, an empty one is the present
    /// start.
    #[serde(default)]
    pub start: String,
    /// Number of the event; 0 is before the first one.
    pub seq: u64,
}

impl FromStr for EventPosition {
    type Err = ParseIntError;

    /// Parses `SEQ`, or `START/SEQ` with the identifier of a start of the daemon.
    fn from_str(text: &str) -> Result<Self, ParseIntError> {
        let (start, seq) = text.rsplit_once('/').unwrap_or(("", text));
        Ok(Self { start: start.into(), seq: seq.parse()? })
    }
}

impl fmt::Display for EventPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.start, self.seq)
    }
}

/// Number of events that the ring keeps.
pub const RING_LEN: usize = 1024;
/// Maximum of the sum of [`Event::weight`] in the ring, which bounds its memory.
pub const RING_WEIGHT: usize = 65_536;

/// The latest events of a site. Readers take them from one ring, so that a slow reader needs no memory.
#[derive(Debug)]
pub struct Events {
    start: String,
    clock: Clock,
    ring: Mutex<Ring>,
    changed: Condvar,
    /// The events that need a person.
    alarms: Alarms,
    /// Records the events of hosts and of the site.
    auditor: OnceLock<Arc<AuditTrail>>,
}

#[derive(Debug)]
struct Ring {
    records: VecDeque<Arc<EventRecord>>,
    weight: usize,
    /// Number of the next event.
    next: u64,
    closed: bool,
}

impl Ring {
    /// Number of the oldest event in the ring; that of the next event if the ring is empty.
    fn oldest(&self) -> u64 {
        self.records.front().map_or(self.next, |record| record.seq)
    }

    fn push(&mut self, record: Arc<EventRecord>) {
        self.weight += record.event.weight();
        self.records.push_back(record);
        while self.records.len() > RING_LEN || (self.weight > RING_WEIGHT && self.records.len() > 1) {
            self.weight -= self.records.pop_front().map_or(0, |record| record.event.weight());
        }
    }
}

impl Events {
    /// An empty ring; `start` identifies the start of the daemon, `clock` is the source of time of the site.
    pub(crate) fn new(start: String, clock: Clock) -> Self {
        let ring = Ring { records: VecDeque::new(), weight: 0, next: 1, closed: false };
        Self {
            start,
            clock,
            ring: Mutex::new(ring),
            changed: Condvar::new(),
            alarms: Alarms::default(),
            auditor: OnceLock::new(),
        }
    }

    /// Sets the audit log that records the events of hosts and of the site from now on.
    pub(crate) fn set_auditor(&self, auditor: Arc<AuditTrail>) {
        let _ = self.auditor.set(auditor);
    }

    /// Adds an event and wakes the readers. If the audit log records it, the record is durable before this returns, and so
    /// before the status of the command that has caused it. Events after the end of the site are dropped.
    pub(crate) fn notify(&self, subject: Subject, event: Event) {
        let at = self.clock.now().wall.0;
        let mut ring = lock(&self.ring);
        if ring.closed {
            return;
        }
        let seq = ring.next;
        ring.next += 1;
        let elements = subject.elements.clone();
        let record = Arc::new(subject.into_record(self.start.clone(), seq, at, event));
        ring.push(Arc::clone(&record));
        self.alarms.add(&record);
        drop(ring);
        self.changed.notify_all();
        if let Some(auditor) = self.auditor.get() {
            auditor.record(&record, elements);
        }
        log::log(&record);
    }

    /// The events that need a person.
    pub(crate) const fn alarms(&self) -> &Alarms {
        &self.alarms
    }

    /// The position after the latest event.
    #[must_use]
    pub fn position(&self) -> EventPosition {
        EventPosition { start: self.start.clone(), seq: lock(&self.ring).next - 1 }
    }

    /// Whether the events after a position are still in the ring.
    #[must_use]
    pub fn has_all_after(&self, position: &EventPosition) -> bool {
        let ring = lock(&self.ring);
        (position.start.is_empty() || position.start == self.start)
            && position.seq < ring.next
            && position.seq + 1 >= ring.oldest()
    }

    /// A reader of the events after the number `seq`.
    pub(crate) fn reader(self: &Arc<Self>, seq: u64) -> EventReader {
        EventReader { events: Arc::clone(self), next: seq.saturating_add(1), cancelled: Arc::default() }
    }

    /// Ends all subscriptions. Readers still receive the events before this call.
    pub(crate) fn close(&self) {
        lock(&self.ring).closed = true;
        self.changed.notify_all();
    }
}

#[cfg(test)]
mod tests;
