//! The values that a unit publishes about its device after a command, for readers that do not wait for the running
//! command.

use super::{Device, Unit};
use crate::control::HostSettings;
use crate::events::Cause;
use crate::locks::lock;
use scsi_core::alert::AlertSet;
use scsi_core::asc::Asc;
use scsi_core::time::Instant;
use smc::bay::BayStatus;
use ssc::alert::Alert;
use ssc::drive::{Drive, LoadState};
use std::sync::atomic::Ordering;
use tape_store::backend::ThawProgress;

/// State of the cartridge in a drive.
#[derive(Default)]
pub(super) struct MediumStatus {
    threaded: bool,
    refused: Option<String>,
    thawing: Option<ThawProgress>,
}

impl Unit {
    /// The state of a drive's bay: its cartridge, and whether it can be removed.
    pub(crate) fn bay_status(&self) -> BayStatus {
        lock(&self.bay_status).clone()
    }

    /// Reason why the drive cannot use its cartridge; `None` if it can. A cleaning cartridge is refused only when it has
    /// no uses left.
    pub(crate) fn refused(&self) -> Option<String> {
        lock(&self.medium).refused.clone()
    }

    /// Whether a tape is threaded.
    pub(crate) fn is_threaded(&self) -> bool {
        lock(&self.medium).threaded
    }

    /// How many objects of the cartridge can be read, while its load waits for a thawing.
    pub(crate) fn thawing(&self) -> Option<ThawProgress> {
        lock(&self.medium).thawing
    }

    fn medium_status(&self, drive: &Drive) -> MediumStatus {
        let Some((cartridge, threaded)) = drive.loaded() else { return MediumStatus::default() };
        let refused = drive.refusal().and_then(|sense| match sense.asc {
            Asc::CLEANING_CARTRIDGE_INSTALLED if !drive.alerts().is_set(Alert::EXPIRED_CLEANING_MEDIA.0) => None,
            Asc::CLEANING_CARTRIDGE_INSTALLED => Some("the cleaning cartridge has no uses left".into()),
            Asc::INCOMPATIBLE_MEDIUM_INSTALLED => {
                let (medium, drive) = (cartridge.media().name, &self.identity.strings.product);
                Some(format!("incompatible medium: {drive} does not take {medium} {}", cartridge.kind().name()))
            }
            asc => self.shared.unusable.reason(cartridge.barcode()).or_else(|| asc.name().map(str::to_lowercase)),
        });
        MediumStatus { threaded: threaded == LoadState::Threaded, refused, thawing: drive.thawing() }
    }

    /// The TapeAlert flags after the last command. Does not wait for the running command.
    #[must_use]
    pub fn alerts(&self) -> AlertSet {
        AlertSet::from_bits(self.alerts.load(Ordering::Acquire))
    }

    pub(super) fn publish_alerts(&self, device: &Device) {
        let alerts = device.alerts();
        // Most commands change none: loaded before it is written.
        if self.alerts.load(Ordering::Acquire) != alerts.bits() {
            let before = AlertSet::from_bits(self.alerts.swap(alerts.bits(), Ordering::AcqRel));
            self.notify_alerts(device, before);
        }
    }

    pub(super) fn publish_slow_accesses(&self, device: &Device) {
        let slow = device.slow_accesses().bits();
        // Most commands change none: loaded before it is written.
        if self.slow_accesses.load(Ordering::Acquire) != slow {
            self.slow_accesses.store(slow, Ordering::Release);
        }
    }

    /// Sends the events of damage that the drive has found in its cartridge. Returns whether the drive cannot use it.
    fn publish_medium_faults(&self, device: &mut Device) -> bool {
        let Device::Drive(drive) = device else { return false };
        let faults = drive.take_faults();
        let unusable = faults.iter().any(|fault| fault.unusable);
        if !faults.is_empty() {
            self.shared.record_medium_faults(&self.subject(Cause::unit()), faults);
        }
        unusable
    }

    /// Logs a move that a fault of the robot or of a drive has ended: it needs a person.
    fn log_failed_move(&self, device: &mut Device) {
        let Device::Changer(changer) = device else { return };
        if let Some(error) = changer.take_failed_move() {
            let (library, unit) = (&*self.name.library, &*self.name.unit);
            tracing::warn!(library, unit, error = error.to_string(), "move failed");
        }
    }

    /// Publishes the counters of the device, and counts the records that it could not read.
    fn publish_counters(&self, device: &Device) {
        let failed = self.device_counters.publish(device);
        if failed > 0
            && let Device::Drive(drive) = device
            && let Some((cartridge, _)) = drive.loaded()
        {
            self.shared.count_corrupt_records(cartridge.barcode(), failed);
        }
    }

    /// Publishes what any command can change, and requests a check of the free disk space once in a second.
    pub(super) fn publish_after_command(&self, device: &mut Device, now: Instant) {
        self.publish_alerts(device);
        self.publish_slow_accesses(device);
        if self.publish_medium_faults(device) {
            // A command that does not block can also find that the cartridge was taken over.
            self.publish_status(device);
        }
        self.log_failed_move(device);
        self.publish_counters(device);
        self.shared.disk_space.request_check(now);
    }

    pub(super) fn publish_status(&self, device: &mut Device) {
        self.publish_failure(device);
        self.publish_alerts(device);
        self.publish_slow_accesses(device);
        self.publish_medium_faults(device);
        self.log_failed_move(device);
        self.publish_counters(device);
        self.device_counters.publish_loads(device);
        let Device::Drive(drive) = device else { return };
        if let Some((cartridge, LoadState::Threaded)) = drive.loaded() {
            self.shared.mark_usable(cartridge.barcode(), || self.subject(Cause::unit()));
        }
        let status = drive.loaded().map_or_else(BayStatus::default, |(cartridge, threaded)| BayStatus {
            barcode: Some(cartridge.barcode().clone()),
            kind: cartridge.kind(),
            accessible: threaded == LoadState::Ejected,
        });
        let medium = self.medium_status(drive);
        *lock(&self.bay_status) = status;
        *lock(&self.medium) = medium;
        self.schedule_background(device);
    }

    /// Publishes whether an initiator prevents medium removal, and `RemovalAllowed` when none of a changer does any longer.
    pub(super) fn publish_removal_prevention(&self, device: &mut Device) {
        let prevented = device.lu().removal_prevented();
        // Most commands change nothing: loaded before it is written.
        if self.removal_prevented.load(Ordering::Acquire) == prevented {
            return;
        }
        self.removal_prevented.store(prevented, Ordering::Release);
        if !prevented && matches!(device, Device::Changer(_)) {
            self.notify_removal_allowed();
        }
    }

    /// What hosts have set, as of the last command. Does not wait for the unit.
    pub(crate) fn host_settings(&self) -> HostSettings {
        let removal_prevented = self.removal_prevented.load(Ordering::Acquire);
        lock(&self.settings).with_removal_prevented(removal_prevented)
    }
}
