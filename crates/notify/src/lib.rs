//! Notifications: delivers the events of a site to webhooks, mail servers and programs.
//!
//! Each target has an [`Outbox`]: a bounded queue that keeps the order of the events, and decides when an attempt is due.
//! It uses no clock, thread or socket: the time and random numbers are arguments. [`Notifier`] has one thread for the
//! events of the site, and one for each target; nothing in the path of a command waits for them.
#![forbid(unsafe_code)]

mod backoff;
mod command;
mod mail;
mod notifier;
mod outbox;
mod signature;
mod target;
mod webhook;
mod words;

pub use backoff::delay;
pub use notifier::{Entropy, Notifier, NotifyPlan};
pub use outbox::{Next, Outbox, Policy};
pub use signature::signature;
pub use words::sentence;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use vtl::events::{Event, EventRecord};
use vtl::scsi_core::time::Timestamp;

/// Locks a mutex whose data is whole also after a panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Sends events to one target.
trait Delivery: Send + Sync {
    /// Sends events, which are at least one, and waits for the answer. `now` is the time of the attempt. Returns the
    /// answer in words, or the reason of the failure; neither contains a secret.
    fn deliver(&self, events: &[Arc<EventRecord>], now: Timestamp) -> Result<String, String>;
}

/// Identifier of a delivery: the same for each attempt to deliver an event, and different for different events.
fn delivery_id(record: &EventRecord) -> String {
    let EventRecord { start, seq, at, event, .. } = record;
    match event {
        Event::Missed { missed } => format!("{start}-{seq}-missed-{missed}"),
        Event::Test => format!("{start}-test-{at}"),
        _ => format!("{start}-{seq}"),
    }
}
