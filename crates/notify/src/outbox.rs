//! The queue of one target, as a state machine over time and events.

use crate::backoff::delay;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use vtl::events::{Event, EventRecord, RING_LEN, RING_WEIGHT};
use vtl::notifications::NotifyStatus;
use vtl::scsi_core::time::{Instant, Now, Timestamp};

/// Limits of size and time for the deliveries to a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Policy {
    /// Most events in one delivery, at least 1.
    pub batch: usize,
    /// Time during which events are collected for one delivery.
    pub collect: Duration,
    /// Age at which an event is given up.
    pub retry: Duration,
}

impl Policy {
    /// A delivery for each event, at once. An event is given up when it has this age.
    #[must_use]
    pub const fn at_once(retry: Duration) -> Self {
        Self { batch: 1, collect: Duration::ZERO, retry }
    }

    /// The same limits, with up to `batch` events in a delivery, which are collected for this time.
    #[must_use]
    pub const fn collecting(self, batch: usize, time: Duration) -> Self {
        Self { batch, collect: time, ..self }
    }
}

/// The next action of the owner of an [`Outbox`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Deliver these events, then call [`Outbox::delivered`] or [`Outbox::failed`].
    Deliver(Vec<Arc<EventRecord>>),
    /// Poll again at this time, or when an event was added.
    Wait(Instant),
    /// Poll again when an event was added.
    Idle,
    /// Nothing more: the outbox is closed, and empty or not deliverable.
    Closed,
}

#[derive(Debug)]
struct Waiting {
    record: Arc<EventRecord>,
    since: Instant,
}

/// Numbers since the outbox was created.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Counts {
    delivered: u64,
    failed_attempts: u64,
    dead_letters: u64,
    last_delivery: Option<Timestamp>,
    last_error: Option<(Timestamp, String)>,
}

/// The events that wait for delivery to one target, in their order. It has at most as many as the ring of the site: when it
/// is full, or when events are too old, they are given up, and one event [`Event::Missed`] takes their place.
#[derive(Debug)]
pub struct Outbox {
    policy: Policy,
    waiting: VecDeque<Waiting>,
    /// Sum of [`Event::weight`] of the waiting events.
    weight: usize,
    in_delivery: Vec<Waiting>,
    /// Attempts that failed since the last delivery.
    failures: u32,
    /// No attempt is made before this time.
    not_before: Instant,
    is_closing: bool,
    counts: Counts,
}

/// The number of events that a record stands for.
fn count(record: &EventRecord) -> u64 {
    if let Event::Missed { missed } = record.event { missed } else { 1 }
}

const fn is_missed(record: &EventRecord) -> bool {
    matches!(record.event, Event::Missed { .. })
}

/// The record that replaces events; `last` is the last of them.
fn missed(last: &EventRecord, missed: u64) -> Arc<EventRecord> {
    Arc::new(EventRecord::of_site(&last.start, last.seq, last.at, Event::Missed { missed }))
}

impl Outbox {
    /// Creates an empty outbox with this policy.
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        Self {
            policy,
            waiting: VecDeque::new(),
            weight: 0,
            in_delivery: Vec::new(),
            failures: 0,
            not_before: Instant(0),
            is_closing: false,
            counts: Counts::default(),
        }
    }

    /// Changes the policy, and makes the next attempt due: the configuration has changed.
    pub fn set_policy(&mut self, policy: Policy) {
        self.policy = policy;
        self.not_before = Instant(0);
    }

    /// Adds an event. An event [`Event::Missed`] counts as given up.
    pub fn push(&mut self, record: Arc<EventRecord>, now: Now) {
        if is_missed(&record) {
            self.counts.dead_letters = self.counts.dead_letters.saturating_add(count(&record));
        }
        self.weight += record.event.weight();
        self.waiting.push_back(Waiting { record, since: now.mono });
        self.enforce_limits();
    }

    fn enforce_limits(&mut self) {
        while self.waiting.len() > 1 && (self.waiting.len() > RING_LEN || self.weight > RING_WEIGHT) {
            self.give_up_oldest();
        }
    }

    /// Index of the oldest event; a record of events that were given up may be before it.
    fn oldest(&self) -> usize {
        usize::from(self.waiting.front().is_some_and(|first| is_missed(&first.record)))
    }

    /// Replaces the oldest event by a record of events that were given up, or adds it to that record.
    fn give_up_oldest(&mut self) {
        let oldest = self.oldest();
        let Some(given_up) = self.waiting.remove(oldest) else { return };
        let before = if oldest == 0 { None } else { self.waiting.pop_front() };
        let replaced = [before.as_ref(), Some(&given_up)].into_iter().flatten();
        let (missing, weight) = replaced.fold((0, 0), |(missing, weight), waiting| {
            (missing + count(&waiting.record), weight + waiting.record.event.weight())
        });
        if !is_missed(&given_up.record) {
            self.counts.dead_letters = self.counts.dead_letters.saturating_add(1);
        }
        let record = missed(&given_up.record, missing);
        self.weight = self.weight.saturating_sub(weight) + record.event.weight();
        self.waiting.push_front(Waiting { record, since: given_up.since });
    }

    /// Gives up the events that are too old.
    fn expire(&mut self, now: Now) {
        let is_old = |waiting: &Waiting| {
            !is_missed(&waiting.record) && waiting.since.saturating_add(self.policy.retry) <= now.mono
        };
        let old = self.waiting.iter().skip(self.oldest()).take_while(|waiting| is_old(waiting)).count();
        (0..old).for_each(|_| self.give_up_oldest());
    }

    /// What to do at this time.
    pub fn next(&mut self, now: Now) -> Next {
        if !self.in_delivery.is_empty() {
            return Next::Idle;
        }
        self.expire(now);
        let Some(first) = self.waiting.front() else {
            return if self.is_closing { Next::Closed } else { Next::Idle };
        };
        let is_full = self.waiting.len() >= self.policy.batch;
        let collected = if is_full { first.since } else { first.since.saturating_add(self.policy.collect) };
        let due = collected.max(self.not_before);
        if self.is_closing && self.failures > 0 && self.not_before > now.mono {
            return Next::Closed;
        }
        if due > now.mono && !self.is_closing {
            return Next::Wait(due);
        }
        let batch = self.waiting.len().min(self.policy.batch.max(1));
        self.in_delivery = self.waiting.drain(..batch).collect();
        let weight: usize = self.in_delivery.iter().map(|waiting| waiting.record.event.weight()).sum();
        self.weight = self.weight.saturating_sub(weight);
        Next::Deliver(self.in_delivery.iter().map(|waiting| Arc::clone(&waiting.record)).collect())
    }

    /// The events that [`Self::next`] returned were delivered.
    pub fn delivered(&mut self, now: Now) {
        let events = self.in_delivery.drain(..).filter(|waiting| !is_missed(&waiting.record)).count();
        self.counts.delivered += events as u64;
        self.counts.last_delivery = Some(now.wall);
        self.failures = 0;
        self.not_before = Instant(0);
    }

    /// The attempt to deliver the events that [`Self::next`] returned has failed. `entropy` is a random number.
    pub fn failed(&mut self, now: Now, reason: String, entropy: u64) {
        for waiting in self.in_delivery.drain(..).rev() {
            self.weight += waiting.record.event.weight();
            self.waiting.push_front(waiting);
        }
        self.enforce_limits();
        self.counts.failed_attempts += 1;
        self.counts.last_error = Some((now.wall, reason));
        self.failures = self.failures.saturating_add(1);
        self.not_before = now.mono.saturating_add(delay(self.failures, entropy));
    }

    /// Closes the outbox: what waits is due at once, and after the next failure nothing more is tried.
    pub const fn close(&mut self) {
        self.is_closing = true;
        self.not_before = Instant(0);
    }

    /// Number of attempts that failed since the last delivery.
    #[must_use]
    pub const fn failures(&self) -> u32 {
        self.failures
    }

    /// Number of events that were given up.
    #[must_use]
    pub const fn dead_letters(&self) -> u64 {
        self.counts.dead_letters
    }

    /// Number of events that are not delivered, and the numbers of the first and the last one.
    #[must_use]
    pub fn undelivered(&self) -> Option<(u64, u64, u64)> {
        let mut all = self.in_delivery.iter().chain(&self.waiting).map(|waiting| &waiting.record);
        let first = all.next()?;
        let (last, rest) = all.fold((first, 0), |(_, sum), record| (record, sum + count(record)));
        Some((count(first) + rest, first.seq, last.seq))
    }

    /// The numbers of the outbox, without the name of its target.
    #[must_use]
    pub fn status(&self) -> NotifyStatus {
        let Counts { delivered, failed_attempts, dead_letters, last_delivery, last_error } = self.counts.clone();
        let (last_error_at, last_error) = last_error.unzip();
        NotifyStatus {
            waiting: (self.waiting.len() + self.in_delivery.len()) as u64,
            delivered,
            failed_attempts,
            dead_letters,
            last_delivery: last_delivery.map(|time| time.0),
            last_error,
            last_error_at: last_error_at.map(|time| time.0),
            failures: self.failures,
            ..NotifyStatus::default()
        }
    }
}

#[cfg(test)]
mod tests;
