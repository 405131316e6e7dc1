//! A logical unit that has failed: a command did not come to its end because of a defect of this program.
//!
//! The state that the command left is not used: every command ends with HARDWARE ERROR 44h/00h until the unit is reloaded.
//! INQUIRY, REPORT LUNS and REQUEST SENSE are executed, as SPC-4 requires of a logical unit that cannot execute
//! other commands; REQUEST SENSE returns the same sense.

use crate::asc::Asc;
use crate::fault::Save;
use crate::lu::{Lu, SavedState};
use crate::reservation::PersistentReservations;
use crate::sense::{Sense, SenseKey};

impl Lu {
    /// Marks the unit as faulty. From now on [`Self::failure`] is the sense of its commands.
    pub const fn set_faulty(&mut self) {
        self.faulty = true;
    }

    /// Returns whether the unit is faulty, until [`Self::recover`].
    #[must_use]
    pub const fn is_faulty(&self) -> bool {
        self.faulty
    }

    /// HARDWARE ERROR 44h/00h while the unit is faulty; `None` otherwise.
    #[must_use]
    pub fn failure(&self) -> Option<Sense> {
        self.faulty.then(|| Sense::new(SenseKey::HARDWARE_ERROR, Asc::INTERNAL_TARGET_FAILURE))
    }

    /// Gives the SPC state the values that it would have after power-on, with `saved` as the last durable state. Lifetime
    /// counters and pending unit attentions stay.
    pub fn restore(&mut self, saved: SavedState) {
        self.reset_volatile_state();
        self.save = Save::empty();
        self.abort_nexuses.clear();
        self.injected = None;
        self.reservations.persistent = PersistentReservations::from_saved(saved.reservations);
        self.mode.restore(saved.mode);
        self.identifying = saved.identifying;
    }

    /// Ends the faulty state, after the unit was reloaded: raises UNIT ATTENTION 29h/04h (DEVICE INTERNAL RESET) for every
    /// nexus. Has no effect on a unit that is not faulty.
    pub fn recover(&mut self) {
        if std::mem::take(&mut self.faulty) {
            self.attentions.raise_all(Asc::DEVICE_INTERNAL_RESET);
        }
    }
}
