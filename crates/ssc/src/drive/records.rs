//! Records after a command: errors for diagnostics and the owner, lost data, keys of lost reservations, counters.

use super::Drive;
use crate::alert::Alert;
use crate::command::{self, Command};
use crate::device::DriveState;
use crate::fault::{self, Operation};
use crate::lifetime_counters;
use crate::log::{self, ErrorContext};
use crate::media::MediumFault;
use scsi_core::asc::Asc;
use scsi_core::cdb::Cdb;
use scsi_core::command::{DeviceCommand, SpcCommand};
use scsi_core::fault::{Fault, Outcome, Save};
use scsi_core::nexus::{NexusId, TransportId};
use scsi_core::sense::{Sense, SenseKey};
use scsi_core::time::Timestamp;
use tape_store::error::StoreError;
use tape_store::mam::AttrId;

impl Drive {
    pub(super) fn step(&mut self, bytes: u64) {
        let Some((operation, failure)) = self.state.media.step_verify(bytes) else { return };
        self.spend_verify(operation.began);
        if let Some(sense) = failure {
            let outcome = Err(Fault::from(sense.clone()));
            command::read::record_outcome(&mut self.state, operation.nexus, &outcome);
            self.record_error(&operation.cdb, self.state.health.last_seen.wall, &outcome);
            if medium_or_hardware_error(&outcome).is_some() {
                self.lu.dump_after_error(&self.state);
            }
            self.lu.defer_error(operation.nexus, sense);
            self.drop_taken_over(Some(operation.nexus));
        }
    }

    /// Reservation holders before a command that may change them.
    pub(super) fn reservations(&self, command: DeviceCommand<Command>) -> Option<Vec<TransportId>> {
        (command == DeviceCommand::Spc(SpcCommand::PersistentReserveOut)).then(|| self.lu.reservation_holders())
    }

    /// Clears encryption keys with CKORP or CKORL set whose owner has lost its reservation.
    pub(super) fn clear_keys_of_lost_reservations(&mut self, previous_holders: &[TransportId], cdb: &Cdb) {
        /// PREEMPT, and PREEMPT AND ABORT.
        const PREEMPT: [u16; 2] = [0x04, 0x05];
        let holders = self.lu.reservation_holders();
        let lost: Vec<TransportId> = previous_holders.iter().filter(|port| !holders.contains(port)).cloned().collect();
        if !lost.is_empty() {
            let cleared = self.state.encryption.reservation_lost(&lost, PREEMPT.contains(&cdb.service_action().0));
            self.state.notify_key_change(&mut self.lu, cleared);
        }
    }

    /// Reports to the owner, once, that the file system is full before the tape is.
    pub(super) fn report_storage_full(&mut self) {
        let Some(mounted) = self.state.media.threaded_mut() else { return };
        if mounted.storage_full == mounted.storage_full_reported {
            return;
        }
        mounted.storage_full_reported = mounted.storage_full;
        if mounted.storage_full {
            let barcode = mounted.cartridge.barcode().clone();
            let reason = "file system is full, tape ends before its capacity".into();
            self.state.health.report(MediumFault { barcode, reason, unusable: false });
        }
    }

    /// Records medium and hardware errors for log page 16h.
    pub(super) fn record_error(&mut self, cdb: &Cdb, at: Timestamp, outcome: &Outcome) {
        let Some(sense) = medium_or_hardware_error(outcome) else { return };
        let [since_cleaning, ..] = self.state.motion_ms_since_cleanings();
        let motion_hours = [self.state.motion_ms(), since_cleaning].map(log::motion_hours);
        let DriveState { media, health, profile, .. } = &mut self.state;
        let failed = media.threaded().map(|mounted| mounted.cartridge.barcode().clone());
        let medium = media.threaded().map(|mounted| {
            let serial = mounted.mam.get(AttrId::SERIAL, 0).unwrap_or_default();
            (mounted.cartridge.media().density, profile.medium_type(&mounted.cartridge), serial)
        });
        let revision = self.lu.identity.strings.revision.as_str();
        health.diagnostics.record(sense, &ErrorContext { cdb, at, revision, medium, motion_hours });
        if let Some(barcode) = failed.filter(|_| sense.asc == Asc::WRITE_ERROR && !sense.deferred) {
            self.state.health.alerts.raise(Alert::WRITE_FAILURE);
            let reason = "write failed: MEDIUM ERROR 0Ch/00h".into();
            self.state.health.report(MediumFault { barcode, reason, unusable: false });
        }
    }

    /// Requests a save of the lifetime counters if they changed. The next completion carries the request, or the caller
    /// takes it with [`Lu::take_save`].
    pub(super) fn save_lifetime_counters(&mut self) {
        if !self.state.health.lifetime.take_changed() {
            return;
        }
        let now = self.state.health.last_seen;
        let mut counters = self.state.health.lifetime.clone();
        counters.add(lifetime_counters::POWER_ON_SECONDS, self.state.power_on_ms(now) / 1000);
        self.lu.counters = counters.into_counters();
        self.lu.request_save(Save::COUNTERS);
    }

    /// Drops the tape of a cartridge that another daemon has taken over. Defers an error for accepted data that is lost to the
    /// nexus of the last write, unless that is `notified_nexus`, to which this command has just reported it.
    pub(super) fn drop_taken_over(&mut self, notified_nexus: Option<NexusId>) {
        if self.state.media.taken_over_by().is_none() {
            return;
        }
        self.report_lost_data(notified_nexus);
        let verify = self.state.media.abandon_verify();
        let lost_by = self.state.drop_tape();
        self.state.clear_keys_at_demount(&mut self.lu);
        let affected = [verify.map(|operation| operation.nexus), lost_by];
        for nexus in affected.into_iter().flatten().filter(|nexus| Some(*nexus) != notified_nexus) {
            self.lu.defer_error(nexus, fault::taken_over());
        }
    }

    /// Defers an error for accepted data that was lost. It goes to the nexus of the last write, unless that is
    /// `notified_nexus`, to which this command has just reported it.
    pub(super) fn report_lost_data(&mut self, notified_nexus: Option<NexusId>) {
        let Some(mounted) = self.state.media.threaded_mut() else { return };
        let Some(lost) = mounted.medium.take_deferred() else { return };
        if mounted.write_error.is_none() {
            // No command has reported it yet.
            let (partition, object) = lost.lost_from.partition_and_object();
            mounted.record_write_failure(&StoreError::LostObjects {
                partition,
                object,
                cause: Box::new(lost.cause.clone()),
            });
        }
        let (barcode, reason) = (mounted.cartridge.barcode().clone(), format!("written data is lost: {}", lost.cause));
        if let Some(writer) = mounted.last_writer.filter(|writer| Some(*writer) != notified_nexus) {
            self.lu.defer_error(writer, fault::sense(&lost.cause, Operation::Writing));
        }
        self.state.health.report(MediumFault { barcode, reason, unusable: false });
        self.state.health.alerts.raise(Alert::WRITE_FAILURE);
        if !lost.cause.is_full() && lost.cause.taken_over_by().is_none() {
            self.state.health.alerts.raise(Alert::HARD_ERROR);
        }
    }
}

/// Sense of an outcome with MEDIUM ERROR or HARDWARE ERROR.
pub(super) fn medium_or_hardware_error(outcome: &Outcome) -> Option<&Sense> {
    match outcome {
        Err(Fault::CheckCondition(sense)) if matches!(sense.key, SenseKey::MEDIUM_ERROR | SenseKey::HARDWARE_ERROR) => {
            Some(sense)
        }
        _ => None,
    }
}
