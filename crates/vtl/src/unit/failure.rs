//! A unit after a panic: it is faulty until it is reloaded.

use super::{Device, Unit};
use crate::events::{Cause, Event};
use crate::locks::lock;
use crate::shared::operator_state_key;
use crate::state_store::StateError;
use serde::de::DeserializeOwned;
use smc::robot::OperatorState;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use tape_store::cartridge::Barcode;

impl Unit {
    /// Makes the unit faulty after a panic, which is a defect of this program. A drive closes its tape as after a crash; a
    /// changer returns every cartridge to its element. Both get their last durable state. Nothing here depends on the log.
    pub(super) fn recover_from_panic(&self, device: &mut Device) {
        let inside = self.bay_status().barcode;
        lock(&self.queue).background = None;
        // Each step is isolated: the cause of the panic may cause another one.
        let mut step = |call: &dyn Fn(&mut Device)| drop(catch_unwind(AssertUnwindSafe(|| call(device))));
        step(&|device| device.lu().set_faulty());
        step(&|device| self.restore_saved_state(device));
        step(&|device| {
            if let Device::Changer(changer) = device {
                self.shared.restore_locations(&self.id, changer);
            }
        });
        step(&|device| self.restore_cartridge(device, inside.as_ref()));
        step(&|device| self.publish_failure(device));
        step(&|device| self.publish_status(device));
        step(&|device| self.publish_settings(device, &Cause::unit()));
    }

    /// Gives the device the state that it would have after a restart, apart from cartridges.
    fn restore_saved_state(&self, device: &mut Device) {
        let saved = self.saved_state(&self.id.key());
        match device {
            Device::Drive(drive) => drive.fail_after_panic(saved),
            Device::Changer(changer) => {
                let operator_state: OperatorState = self.saved_state(&operator_state_key(&self.id.library));
                self.shared.publish_operator_state(&self.id.library, operator_state.clone());
                changer.fail_after_panic(saved, operator_state);
            }
        }
    }

    /// Takes the power from the unit and gives it back: its commands are aborted, and it has the state of a restart.
    pub(crate) fn lose_power(&self) {
        self.abort(|_, _| true);
        let now = self.shared.now();
        self.with_device(|device| {
            let saved = self.saved_state(&self.id.key());
            match device {
                Device::Drive(drive) => drive.lose_power(saved, now),
                Device::Changer(changer) => changer.lose_power(saved),
            }
        });
    }

    /// A value of the saved state. One that cannot be read is kept under another key, since the next save would replace it;
    /// the unit then begins with its defaults, and its status and event have the reason.
    fn saved_state<T: DeserializeOwned + Default>(&self, key: &str) -> T {
        let error = match self.shared.state.get(key) {
            Ok(saved) => return saved.unwrap_or_default(),
            // Nothing is saved from now on.
            Err(StateError::Closed) => return T::default(),
            Err(error) => error,
        };
        let reason = match self.shared.state.set_value_aside(key) {
            Ok(kept) => {
                format!("the saved state cannot be read and is replaced by defaults; it is kept as {kept:?}: {error}")
            }
            Err(failure) => {
                format!("the saved state cannot be read, and cannot be kept under another key: {error}; {failure}")
            }
        };
        tracing::error!(unit = %self.name, reason, "saved state is lost");
        *lock(&self.lost_state) = Some(reason);
        T::default()
    }

    /// Restores the cartridge that a drive lost in a panic.
    fn restore_cartridge(&self, device: &mut Device, inside: Option<&Barcode>) {
        if let Device::Drive(drive) = device
            && drive.loaded().is_none()
            && let Some(cartridge) = inside.and_then(|barcode| self.shared.recreate_cartridge(barcode))
        {
            let _ = drive.restore_cartridge(cartridge);
        }
    }

    /// Publishes that the unit has become faulty, with an event and an error in the log, or that it was reloaded.
    pub(super) fn publish_failure(&self, device: &mut Device) {
        let faulty = device.lu().is_faulty();
        if self.faulty.swap(faulty, Ordering::AcqRel) == faulty {
            return;
        }
        if !faulty {
            *lock(&self.lost_state) = None;
        }
        let reason = self.faulty();
        let event = reason.clone().map_or(Event::UnitRecovered, |reason| Event::UnitFaulty { reason });
        self.shared.events.notify(self.subject(Cause::unit()), event);
        match reason {
            Some(reason) => tracing::error!(unit = %self.name, reason, "unit is faulty"),
            None => tracing::info!(unit = %self.name, "unit was reloaded after an internal error"),
        }
    }

    /// Reason why the unit ends every command with HARDWARE ERROR 44h/00h, with the remedy; `None` if it does not.
    #[must_use]
    pub fn faulty(&self) -> Option<String> {
        let reload = match self.id.drive {
            Some(_) => "load a cartridge or set the drive online",
            None => "set the robot online",
        };
        let lost = || lock(&self.lost_state).as_ref().map_or_else(String::new, |reason| format!("; {reason}"));
        self.faulty
            .load(Ordering::Acquire)
            .then(|| format!("internal error in this program; to use it again, {reload}{}", lost()))
    }
}
