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

/// The reserved cartridges.
type Reserved = BTreeMap<Barcode, Holder>;

/// The thread that has reserved a cartridge. It can reserve it again.
#[derive(Debug)]
struct Holder {
    thread: ThreadId,
    /// Number of its reservations, at least 1.
    count: usize,
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
        while let Some(holder) = other_holder(&mut reserved, barcode) {
            holder.waiting += 1;
            let is_reserved = |reserved: &mut Reserved| reserved.contains_key(barcode);
            reserved = self.released.wait_while(reserved, is_reserved).unwrap_or_else(PoisonError::into_inner);
        }
        self.hold(&mut reserved, barcode)
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
        if let Some(holder) = other_holder(&mut reserved, barcode) {
            holder.waiting += 1;
            let until = self.clock.monotonic().saturating_add(OPERATOR_WAIT);
            let is_reserved = |reserved: &mut Reserved| reserved.contains_key(barcode);
            let (mut waited, is_late) = self.clock.wait_while(&self.released, reserved, until, is_reserved);
            if is_late {
                waited.entry(barcode.clone()).and_modify(|holder| holder.waiting = holder.waiting.saturating_sub(1));
                let message = format!("{barcode} is in use by another request or a load; try again later");
                return Err(ControlError::busy(message).with_barcode(barcode.as_str()));
            }
            reserved = waited;
        }
        Ok(self.hold(&mut reserved, barcode))
    }

    /// Reserves a cartridge that no other thread has reserved.
    fn hold(&self, reserved: &mut Reserved, barcode: &Barcode) -> Reservation<'_> {
        let holder = Holder { thread: thread::current().id(), count: 0, waiting: 0 };
        reserved.entry(barcode.clone()).or_insert(holder).count += 1;
        Reservation { all: self, barcode: barcode.clone() }
    }
}

/// The holder of a cartridge that another thread has reserved.
fn other_holder<'a>(reserved: &'a mut Reserved, barcode: &Barcode) -> Option<&'a mut Holder> {
    reserved.get_mut(barcode).filter(|holder| holder.thread != thread::current().id())
}

impl Reservation<'_> {
    /// Whether a load or a request waits for the cartridge.
    pub(crate) fn is_wanted(&self) -> bool {
        lock(&self.all.reserved).get(&self.barcode).is_some_and(|holder| holder.waiting > 0)
    }
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        let mut reserved = lock(&self.all.reserved);
        let Some(holder) = reserved.get_mut(&self.barcode) else { return };
        holder.count -= 1;
        if holder.count == 0 {
            reserved.remove(&self.barcode);
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
