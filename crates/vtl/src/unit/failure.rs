//! A unit after a panic: it is faulty until it is reloaded.

use super::{Device, Unit};
use crate::events::{Cause, Event};
use crate::locks::lock;
use crate::shared::operator_state_key;
use smc::robot::OperatorState;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use tape_store::cartridge::Barcode;

impl Unit {
    /// Makes the unit faulty after a panic, which is a defect of this program. A drive closes its tape as after a crash; a
    /// changer returns every cartridge to its element. Both get their last durable state. Nothing here depends on the log.
    pub(super) fn recover_from_panic(&self, device: &mut Device) {
        let inside = self.bay_status().barcode;
        lock(&self.queue).background = false;
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

    /// Gives the device the state that it would have after a restart, apart from cartridges. State that cannot be read is
    /// taken as never saved.
    fn restore_saved_state(&self, device: &mut Device) {
        let saved = self.shared.state.get(&self.id.key()).ok().flatten().unwrap_or_default();
        match device {
            Device::Drive(drive) => drive.fail_after_panic(saved),
            Device::Changer(changer) => {
                let operator_state = self.shared.state.get(&operator_state_key(&self.id.library));
                let operator_state: OperatorState = operator_state.ok().flatten().unwrap_or_default();
                self.shared.publish_operator_state(&self.id.library, operator_state.clone());
                changer.fail_after_panic(saved, operator_state);
            }
        }
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
        let reason = self.faulty();
        let event = reason.clone().map_or(Event::UnitRecovered, |reason| Event::UnitFaulty { reason });
        self.shared.events.notify(self.subject(Cause::unit()), event);
        match reason {
            Some(reason) => tracing::error!(unit = self.name(), reason, "unit is faulty"),
            None => tracing::info!(unit = self.name(), "unit was reloaded after an internal error"),
        }
    }

    /// Why the unit ends every command with HARDWARE ERROR 44h/00h, and what ends that; `None` if it does not.
    pub(crate) fn faulty(&self) -> Option<String> {
        let reload = match self.label.device {
            crate::observer::DeviceKind::Drive => "load a cartridge or set the drive online",
            crate::observer::DeviceKind::Changer => "set the robot online",
        };
        self.faulty
            .load(Ordering::Acquire)
            .then(|| format!("internal error in this program; to use it again, {reload}"))
    }
}
