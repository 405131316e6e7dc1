//! Cartridges whose files a request of an operator, a policy of the site or a load uses. Each is reserved by itself, so
//! that a slow medium delays no other cartridge.

use crate::clock::{Clock, ClockListener};
use crate::control::ControlError;
use crate::events::{Cause, EventSource};
use crate::locks::lock;
use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;
use tape_store::cartridge::Barcode;

/// Longest time for which an operator's request waits for a reserved cartridge.
const OPERATOR_WAIT: Duration = Duration::from_millis(500);

/// The reserved cartridges, each with the number of callers that wait for it.
type Reserved = BTreeMap<Barcode, usize>;

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
        while let Some(waiting) = reserved.get_mut(barcode) {
            *waiting += 1;
            let is_reserved = |reserved: &mut Reserved| reserved.contains_key(barcode);
            reserved = self.released.wait_while(reserved, is_reserved).unwrap_or_else(PoisonError::into_inner);
        }
        reserved.insert(barcode.clone(), 0);
        Reservation { all: self, barcode: barcode.clone() }
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
        if let Some(waiting) = reserved.get_mut(barcode) {
            *waiting += 1;
            let until = self.clock.monotonic().saturating_add(OPERATOR_WAIT);
            let is_reserved = |reserved: &mut Reserved| reserved.contains_key(barcode);
            let (mut waited, is_late) = self.clock.wait_while(&self.released, reserved, until, is_reserved);
            if is_late {
                waited.entry(barcode.clone()).and_modify(|waiting| *waiting = waiting.saturating_sub(1));
                let message = format!("{barcode} is in use by another request or a load; try again later");
                return Err(ControlError::busy(message).with_barcode(barcode.as_str()));
            }
            reserved = waited;
        }
        reserved.insert(barcode.clone(), 0);
        Ok(Reservation { all: self, barcode: barcode.clone() })
    }
}

impl Reservation<'_> {
    /// Whether a load or a request waits for the cartridge.
    pub(crate) fn is_wanted(&self) -> bool {
        lock(&self.all.reserved).get(&self.barcode).is_some_and(|waiting| *waiting > 0)
    }
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        lock(&self.all.reserved).remove(&self.barcode);
        self.all.released.notify_all();
    }
}

impl ClockListener for Reservations {
    fn clock_advanced(&self) {
        let _locked = lock(&self.reserved);
        self.released.notify_all();
    }
}
