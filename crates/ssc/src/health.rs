//! Condition of a drive: TapeAlert flags and informational exceptions, errors and commands for diagnostics, counters of
//! its life, and faults of cartridges for its owner.

use crate::alert::Alert;
use crate::counters::Counters;
use crate::dump::CommandHistory;
use crate::lifetime_counters;
use crate::log::{Diagnostics, VOLUMES};
use crate::media::MediumFault;
use crate::mounted::Mounted;
use crate::timing::TapeMotion;
use scsi_core::alert::{InformationalExceptions, TapeAlert};
use scsi_core::asc::Asc;
use scsi_core::fault::{Fault, Outcome};
use scsi_core::lifetime_counters::LifetimeCounters;
use scsi_core::log::Parameter;
use scsi_core::sense::SenseKey;
use scsi_core::time::{Instant, Now};
use std::collections::VecDeque;
use tape_store::cartridge::CartridgeKind;
use tape_store::mam::AttrId;
use tape_store::media::MediaSpec;

/// Unit of the lifetime counters in bytes.
const MB: u64 = 1_000_000;

/// Condition and statistics of a drive.
#[derive(Default)]
pub(crate) struct Health {
    pub(crate) alerts: TapeAlert,
    /// Settings and pending reports of informational exceptions (mode page 1Ch).
    pub(crate) exceptions: InformationalExceptions,
    pub(crate) lifetime: LifetimeCounters,
    /// Last errors, for log page 16h.
    pub(crate) diagnostics: Diagnostics,
    /// Last commands, for the diagnostic dump.
    pub(crate) history: CommandHistory,
    /// Loads since power-on.
    pub(crate) loads: u64,
    /// Counters of the loads since power-on that have ended.
    pub(crate) earlier_loads: Counters,
    /// Statistics of earlier volumes, newest first (log page 17h).
    pub(crate) volumes: VecDeque<Vec<Parameter>>,
    /// Time of the last command or event.
    pub(crate) last_seen: Now,
    /// Time of power-on: the first time that the drive was given.
    power_on_at: Option<Instant>,
    /// Faults of cartridges that the owner has not taken yet.
    pending_faults: Vec<MediumFault>,
}

impl Health {
    /// Notes the time of a command or event.
    pub(crate) const fn note_time(&mut self, now: Now) {
        self.last_seen = now;
        if self.power_on_at.is_none() {
            self.power_on_at = Some(now.mono);
        }
    }

    /// Milliseconds since power-on.
    pub(crate) fn power_on_ms(&self, now: Now) -> u64 {
        let since = self.power_on_at.unwrap_or(now.mono);
        now.mono.0.saturating_sub(since.0) / 1000
    }

    /// Seconds since power-on.
    pub(crate) fn power_on_seconds(&self, now: Now) -> u64 {
        self.power_on_ms(now) / 1000
    }

    /// Whether the drive requests cleaning (TapeAlert 20 or 21).
    pub(crate) fn requests_cleaning(&self) -> bool {
        let alerts = self.alerts.raised_flags();
        alerts.is_set(Alert::CLEAN_NOW) || alerts.is_set(Alert::CLEAN_PERIODIC)
    }

    /// Raises the TapeAlert flags whose condition holds.
    pub(crate) fn raise_if<const N: usize>(&mut self, alerts: [(bool, Alert); N]) {
        alerts.into_iter().filter(|(holds, _)| *holds).for_each(|(_, alert)| self.alerts.raise(alert));
    }

    /// Clears the TapeAlert flags after a reset, and raises those again that still hold for the tape in the drive.
    pub(crate) fn reset_alerts(&mut self, opened: Option<&Mounted>) {
        self.alerts.clear_all();
        let Some(mounted) = opened else { return };
        self.raise_if([
            (mounted.write_protection == Some(Asc::CANNOT_WRITE_MEDIUM_INCOMPATIBLE_FORMAT), Alert::READ_ONLY_FORMAT),
            (mounted.worm_integrity_failed, Alert::WORM_INTEGRITY),
            (mounted.mam_failed, Alert::MEMORY_CHIP),
            (mounted.mam.get(AttrId::SET_CAPACITY_BYTES, 0).is_some(), Alert::DIMINISHED_CAPACITY),
        ]);
    }

    /// Queues a fault for the owner of the drive.
    pub(crate) fn report(&mut self, fault: MediumFault) {
        const MAX_FAULTS: usize = 64;
        if self.pending_faults.len() < MAX_FAULTS {
            self.pending_faults.push(fault);
        }
    }

    /// Takes the faults that were queued since the last call.
    pub(crate) fn take_faults(&mut self) -> Vec<MediumFault> {
        std::mem::take(&mut self.pending_faults)
    }

    /// Counts a load.
    pub(crate) fn count_load(&mut self) {
        self.loads += 1;
        self.lifetime.add(lifetime_counters::LOADS, 1);
    }

    /// Counts the work of a load that ends, and keeps the statistics of its volume.
    pub(crate) fn count_demount(&mut self, statistics: Vec<Parameter>, counters: Counters) {
        self.earlier_loads = self.earlier_loads.plus(counters);
        self.volumes.truncate(VOLUMES - 1);
        self.volumes.push_front(statistics);
        for (id, count) in [
            (lifetime_counters::MB_WRITTEN, counters.written_by_host / MB),
            (lifetime_counters::MB_READ, counters.read_by_host / MB),
            (lifetime_counters::MB_SINCE_CLEAN, (counters.written_by_host + counters.read_by_host) / MB),
            (lifetime_counters::WRITE_ERRORS, counters.write_failures),
            (lifetime_counters::READ_ERRORS, counters.read_failures),
        ] {
            self.lifetime.add(id, count);
        }
    }

    /// Counts the motion of a tape with this medium.
    pub(crate) fn count_motion(&mut self, motion: TapeMotion, (medium, kind): (&MediaSpec, CartridgeKind)) {
        if motion != TapeMotion::default() {
            let time = motion.milliseconds();
            self.lifetime.add(lifetime_counters::MOTION_MS, time);
            self.lifetime.add(&lifetime_counters::motion_ms_of(medium.name, kind), time);
            self.lifetime.add(lifetime_counters::TAPE_MM, motion.millimetres);
        }
    }

    /// Records the load of a cartridge that the drive does not support.
    pub(crate) fn count_incompatible(&mut self) {
        self.alerts.raise(Alert::UNSUPPORTED_FORMAT);
        let motion = self.lifetime.get(lifetime_counters::MOTION_MS);
        if motion > 0 {
            self.lifetime.set(lifetime_counters::MOTION_MS_AT_INCOMPATIBLE, motion);
        }
    }

    /// Counts a cleaning, which ends the requests for it.
    pub(crate) fn count_cleaning(&mut self) {
        self.lifetime.add(lifetime_counters::CLEANINGS, 1);
        let [last, second, third] = lifetime_counters::MOTION_MS_AT_CLEANING;
        for (to, from) in [(third, second), (second, last), (last, lifetime_counters::MOTION_MS)] {
            let motion = self.lifetime.get(from);
            self.lifetime.set(to, motion);
        }
        self.lifetime.reset(lifetime_counters::MB_SINCE_CLEAN);
        self.alerts.clear_flag(Alert::CLEAN_NOW);
        self.alerts.clear_flag(Alert::CLEAN_PERIODIC);
    }

    /// Raises the TapeAlert flags of a failed read.
    pub(crate) fn record_read(&mut self, outcome: &Outcome) {
        let Err(Fault::CheckCondition(sense)) = outcome else { return };
        let failed = sense.key == SenseKey::MEDIUM_ERROR;
        self.raise_if([(failed, Alert::HARD_ERROR), (failed, Alert::READ_FAILURE)]);
    }

    /// Raises the TapeAlert flags of a failed write.
    pub(crate) fn record_write(&mut self, outcome: &Outcome, mounted: &Mounted) {
        let Err(Fault::CheckCondition(sense)) = outcome else { return };
        match sense.asc {
            Asc::WORM_MEDIUM_OVERWRITE_ATTEMPTED => self.alerts.raise(Alert::WORM_OVERWRITE_ATTEMPTED),
            // TapeAlert 59 was raised when the cartridge was loaded.
            Asc::WORM_MEDIUM_INTEGRITY_CHECK => {}
            // The file system is full before the tape; the data that fit is written.
            _ if sense.key == SenseKey::VOLUME_OVERFLOW && mounted.storage_full => {
                self.alerts.raise(Alert::WRITE_WARNING);
            }
            _ if sense.key == SenseKey::MEDIUM_ERROR => {
                self.alerts.raise(Alert::HARD_ERROR);
                self.alerts.raise(Alert::WRITE_FAILURE);
            }
            _ if sense.key == SenseKey::DATA_PROTECT && !matches!(sense.asc.code(), 0x2a | 0x26 | 0x74) => {
                self.alerts.raise(Alert::WRITE_PROTECT);
            }
            _ => {}
        }
    }
}
