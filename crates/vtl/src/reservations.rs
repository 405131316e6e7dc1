//! Cartridges whose files a request of an operator, a policy of the site or a load uses. Each is reserved by itself, so
//! that a slow medium delays no other cartridge.

use crate::clock::{Clock, ClockListener};
use crate::control::ControlError;
use crate::events::{Cause, EventSource};
use crate::locks::lock;
use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread::{self, ThreadId};
use std::time::Duration;
use tape_store::cartridge::Barcode;

/// Longest time for which an operator's request waits for a reserved cartridge.
const OPERATOR_WAIT: Duration = Duration::from_millis(500);

/// The cartridges that are reserved or waited for.
type Reserved = BTreeMap<Barcode, Entry>;

/// The holder of a cartridge, and the threads that wait for it.
#[derive(Debug, Default)]
struct Entry {
    /// The thread that has reserved the cartridge, and the number of its reservations, at least 1. It can reserve it again.
    holder: Option<(ThreadId, usize)>,
    /// Number of other threads that wait for the cartridge.
    waiting: usize,
}

/// The reserved cartridges of a site.
#[derive(Debug, Default)]
pub(crate) struct Reservations {
    clock: Clock,
    reserved: Mutex<Reserved>,
    released: Condvar,
}

/// A reserved cartridge; dropping it releases the cartridge.
#[derive(Debug)]
pub(crate) struct Reservation<'a> {
    all: &'a Reservations,
    barcode: Barcode,
}

impl Reservations {
    /// No reservations; `clock` is the source of time of the site.
    pub(crate) fn new(clock: Clock) -> Self {
        Self { clock, ..Self::default() }
    }

    /// Reserves a cartridge. Waits while it is reserved.
    pub(crate) fn reserve(&self, barcode: &Barcode) -> Reservation<'_> {
        let mut reserved = lock(&self.reserved);
        if is_held_by_other(&reserved, barcode) {
            entry(&mut reserved, barcode).waiting += 1;
            let is_held = |reserved: &mut Reserved| is_held_by_other(reserved, barcode);
            reserved = self.released.wait_while(reserved, is_held).unwrap_or_else(PoisonError::into_inner);
            entry(&mut reserved, barcode).waiting -= 1;
        }
        self.add_holder(&mut reserved, barcode)
    }

    /// Reserves a cartridge. A request of an operator waits only for a short time.
    ///
    /// # Errors
    /// `busy` if the request is of an operator and the cartridge is still reserved after that time.
    pub(crate) fn reserve_for(&self, cause: &Cause, barcode: &Barcode) -> Result<Reservation<'_>, ControlError> {
        if cause.source != EventSource::Operator {
            return Ok(self.reserve(barcode));
        }
        let mut reserved = lock(&self.reserved);
        if is_held_by_other(&reserved, barcode) {
            entry(&mut reserved, barcode).waiting += 1;
            let until = self.clock.monotonic().saturating_add(OPERATOR_WAIT);
            let is_held = |reserved: &mut Reserved| is_held_by_other(reserved, barcode);
            let (waited, is_late) = self.clock.wait_while(&self.released, reserved, until, is_held);
            reserved = waited;
            entry(&mut reserved, barcode).waiting -= 1;
            if is_late {
                return Err(in_use(barcode));
            }
        }
        Ok(self.add_holder(&mut reserved, barcode))
    }

    /// Reserves a cartridge for a request that only reads. It does not wait, so that no job pauses for it.
    ///
    /// # Errors
    /// `busy` if another thread has reserved the cartridge.
    pub(crate) fn reserve_at_once(&self, barcode: &Barcode) -> Result<Reservation<'_>, ControlError> {
        let mut reserved = lock(&self.reserved);
        if is_held_by_other(&reserved, barcode) {
            Err(in_use(barcode))
        } else {
            Ok(self.add_holder(&mut reserved, barcode))
        }
    }

    /// Reserves a cartridge that no other thread has reserved.
    fn add_holder(&self, reserved: &mut Reserved, barcode: &Barcode) -> Reservation<'_> {
        entry(reserved, barcode).holder.get_or_insert((thread::current().id(), 0)).1 += 1;
        Reservation { all: self, barcode: barcode.clone() }
    }
}

fn in_use(barcode: &Barcode) -> ControlError {
    let message = format!("{barcode} is in use by another request or a load; try again later");
    ControlError::busy(message).with_barcode(barcode.as_str())
}

fn entry<'a>(reserved: &'a mut Reserved, barcode: &Barcode) -> &'a mut Entry {
    reserved.entry(barcode.clone()).or_default()
}

fn is_held_by_other(reserved: &Reserved, barcode: &Barcode) -> bool {
    let holder = reserved.get(barcode).and_then(|entry| entry.holder);
    holder.is_some_and(|(thread, _)| thread != thread::current().id())
}

impl Reservation<'_> {
    /// Whether a load or a request waits for the cartridge.
    pub(crate) fn is_wanted(&self) -> bool {
        lock(&self.all.reserved).get(&self.barcode).is_some_and(|entry| entry.waiting > 0)
    }
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        let mut reserved = lock(&self.all.reserved);
        let Some(Entry { holder: Some((_, count)), waiting }) = reserved.get_mut(&self.barcode) else { return };
        *count -= 1;
        if *count > 0 {
            return;
        }
        if *waiting == 0 {
            reserved.remove(&self.barcode);
        } else {
            entry(&mut reserved, &self.barcode).holder = None;
            self.all.released.notify_all();
        }
    }
}

impl ClockListener for Reservations {
    fn clock_advanced(&self) {
        let _locked = lock(&self.reserved);
        self.released.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first of two waiting threads gets the cartridge, while the other one still waits.
    #[test]
    fn the_next_holder_knows_who_still_waits() {
        let reservations = Reservations::default();
        let barcode = Barcode::new("A1L8").unwrap();
        let waiting = || lock(&reservations.reserved).get(&barcode).map_or(0, |entry| entry.waiting);
        let first = reservations.reserve(&barcode);
        let again = reservations.reserve(&barcode);
        assert!(!first.is_wanted());
        thread::scope(|scope| {
            let wait = || reservations.reserve(&barcode).is_wanted();
            let waiters = [scope.spawn(wait), scope.spawn(wait)];
            while waiting() < 2 {
                thread::yield_now();
            }
            assert!(first.is_wanted());
            assert!(scope.spawn(|| reservations.reserve_at_once(&barcode).is_err()).join().unwrap());
            assert_eq!(waiting(), 2, "a request that only reads does not wait");
            drop(first);
            assert!(again.is_wanted(), "the thread still holds it");
            drop(again);
            let mut wanted = waiters.map(|waiter| waiter.join().unwrap());
            wanted.sort_unstable();
            assert_eq!(wanted, [false, true]);
        });
        assert!(lock(&reservations.reserved).is_empty());
    }
}
