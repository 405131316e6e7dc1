//! Background operation of a command with IMMED=1, which continues after the command has completed.
//!
//! It runs in steps: a short step before each further command, and long steps while the drive is idle
//! ([`crate::drive::Drive::poll_background`]). Until it ends, commands that need the medium end with NOT READY 04h/07h,
//! and REQUEST SENSE reports its progress.

use crate::command::verify::Verification;
use crate::counters::Counters;
use crate::encryption::DecryptionParameters;
use crate::mounted::Mounted;
use scsi_core::asc::Asc;
use scsi_core::cdb::Cdb;
use scsi_core::nexus::NexusId;
use scsi_core::sense::{Sense, SenseKey, SenseKeySpecific};
use scsi_core::time::Instant;

/// Bytes of a step before a command, which it delays, and of a step while the drive is idle.
pub(crate) const SHORT: u64 = 1 << 20;
pub(crate) const LONG: u64 = 64 << 20;

/// A VERIFY that runs in the background.
pub(crate) struct BackgroundVerify {
    /// Nexus that gets a failure as a deferred error.
    pub(crate) nexus: NexusId,
    /// CDB of the command that started it.
    pub(crate) cdb: Cdb,
    verification: Verification,
    reader: DecryptionParameters,
    /// Time at which it began, and the counters of the load then.
    pub(crate) began: (Instant, Counters),
    /// PROGRESS INDICATION, in 65536ths.
    progress: u16,
}

impl BackgroundVerify {
    pub(crate) const fn new(
        nexus: NexusId,
        cdb: Cdb,
        verification: Verification,
        reader: DecryptionParameters,
        began: (Instant, Counters),
    ) -> Self {
        Self { nexus, cdb, verification, reader, began, progress: 0 }
    }

    /// NO SENSE 00h/1Ch with progress, for REQUEST SENSE.
    pub(crate) fn pollable_sense(&self) -> Sense {
        let mut sense = Sense::new(SenseKey::NO_SENSE, Asc::VERIFY_OPERATION_IN_PROGRESS);
        sense.key_specific = Some(SenseKeySpecific::Progress(self.progress));
        sense
    }

    /// NOT READY 04h/07h with progress.
    pub(crate) fn not_ready(&self) -> Sense {
        let mut sense = Sense::new(SenseKey::NOT_READY, Asc::LOGICAL_UNIT_NOT_READY_OPERATION_IN_PROGRESS);
        sense.key_specific = Some(SenseKeySpecific::Progress(self.progress));
        sense
    }

    /// Runs one step of about `bytes` bytes. Returns whether the operation has ended.
    ///
    /// # Errors
    /// The sense with which the verification ended, as of READ(6).
    pub(crate) fn step(&mut self, mounted: &mut Mounted, bytes: u64) -> Result<bool, Sense> {
        let ended = self.verification.advance(mounted, &self.reader, bytes)?;
        let at = mounted.medium.position().partition;
        if let Ok(usage) = mounted.medium.usage(at) {
            let share = (usage.position.saturating_mul(0xffff)).checked_div(usage.used).unwrap_or(0xffff);
            self.progress = u16::try_from(share).unwrap_or(0xffff);
        }
        Ok(ended)
    }
}
