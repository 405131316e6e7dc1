//! Readers of the ring of events.

use super::{EventRecord, Events};
use crate::locks::lock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

/// Reads the events of a site from a position on.
#[derive(Debug)]
pub struct EventReader {
    pub(super) events: Arc<Events>,
    /// Number of the next event to read.
    pub(super) next: u64,
    /// The reader was cancelled: it waits no longer.
    pub(super) cancelled: Arc<AtomicBool>,
}

/// Ends the waiting of an [`EventReader`] from another thread.
#[derive(Debug)]
pub struct EventCanceller {
    events: Arc<Events>,
    cancelled: Arc<AtomicBool>,
}

impl EventCanceller {
    /// Lets the reader return [`Received::Closed`] when it has no further event.
    pub fn cancel(&self) {
        let ring = lock(&self.events.ring);
        self.cancelled.store(true, Ordering::Release);
        drop(ring);
        self.events.changed.notify_all();
    }
}

/// What [`EventReader::receive`] returns: an event, or why there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received {
    /// The next event of the site.
    Event(Arc<EventRecord>),
    /// This many events were overwritten in the ring before they were read; the next one is the oldest in the ring.
    Lagged(u64),
    /// No event within the given time.
    TimedOut,
    /// The site is shut down, or the reader was cancelled, and all events were read.
    Closed,
}

impl EventReader {
    /// Waits for the next event; `None` waits without a limit.
    pub fn receive(&mut self, limit: Option<Duration>) -> Received {
        let ring = lock(&self.events.ring);
        let is_cancelled = || self.cancelled.load(Ordering::Acquire);
        let wait = |ring: &mut super::Ring| ring.next <= self.next && !ring.closed && !is_cancelled();
        let ring = match limit {
            None => self.events.changed.wait_while(ring, wait).unwrap_or_else(PoisonError::into_inner),
            Some(limit) => {
                self.events.changed.wait_timeout_while(ring, limit, wait).unwrap_or_else(PoisonError::into_inner).0
            }
        };
        let oldest = ring.oldest();
        if self.next < oldest {
            return Received::Lagged(oldest - std::mem::replace(&mut self.next, oldest));
        }
        let index = usize::try_from(self.next - oldest).unwrap_or(usize::MAX);
        match ring.records.get(index) {
            Some(record) => {
                self.next += 1;
                Received::Event(Arc::clone(record))
            }
            None if ring.closed || is_cancelled() => Received::Closed,
            None => Received::TimedOut,
        }
    }

    /// A handle that ends the waiting of this reader.
    #[must_use]
    pub fn canceller(&self) -> EventCanceller {
        EventCanceller { events: Arc::clone(&self.events), cancelled: Arc::clone(&self.cancelled) }
    }

    /// Number of the next event to read.
    #[must_use]
    pub const fn position(&self) -> u64 {
        self.next
    }

    /// Continues after the event of the number `seq`.
    pub(crate) const fn skip_to(&mut self, seq: u64) {
        self.next = seq.saturating_add(1);
    }

    /// The events that are in the ring now, without waiting. Events that were overwritten are left out.
    pub fn try_iter(&mut self) -> impl Iterator<Item = Arc<EventRecord>> {
        std::iter::from_fn(|| {
            loop {
                match self.receive(Some(Duration::ZERO)) {
                    Received::Event(record) => return Some(record),
                    Received::Lagged(_) => {}
                    Received::TimedOut | Received::Closed => return None,
                }
            }
        })
    }
}

impl Iterator for EventReader {
    type Item = Arc<EventRecord>;

    /// Waits for the next event; `None` when the site is shut down. Events that were overwritten are left out.
    fn next(&mut self) -> Option<Arc<EventRecord>> {
        loop {
            match self.receive(None) {
                Received::Event(record) => return Some(record),
                Received::Lagged(_) | Received::TimedOut => {}
                Received::Closed => return None,
            }
        }
    }
}
