//! An operation that goes on after its command was answered: IMMED with work that takes time.
//!
//! It goes on step by step: a short one before each command that follows, and long ones while the drive has nothing else to do
//! ([`crate::drive::Drive::poll_background`]). Until it ends, commands that need the medium are refused with 2/04/07, and REQUEST
//! SENSE says how far it has come.

use crate::command::verify::Verification;
use crate::encryption::DecryptionParameters;
use crate::mounted::Mounted;
use scsi_core::asc::Asc;
use scsi_core::cdb::Cdb;
use scsi_core::nexus::NexusId;
use scsi_core::sense::{Sense, SenseKey, SenseKeySpecific};

/// Bytes of a step before a command, which must not wait long, and of one while there is nothing else to do.
pub(crate) const SHORT: u64 = 1 << 20;
pub(crate) const LONG: u64 = 64 << 20;

/// A verification that goes on.
pub(crate) struct BackgroundVerify {
    /// Who hears of a failure.
    pub(crate) nexus: NexusId,
    /// The command that began it.
    pub(crate) cdb: Cdb,
    verification: Verification,
    reader: DecryptionParameters,
    /// In 65536ths.
    progress: u16,
}

impl BackgroundVerify {
    pub(crate) const fn new(
        nexus: NexusId,
        cdb: Cdb,
        verification: Verification,
        reader: DecryptionParameters,
    ) -> Self {
        Self { nexus, cdb, verification, reader, progress: 0 }
    }

    /// 0/00/1C with progress.
    pub(crate) fn pollable_sense(&self) -> Sense {
        let mut sense = Sense::new(SenseKey::NO_SENSE, Asc::VERIFY_OPERATION_IN_PROGRESS);
        sense.key_specific = Some(SenseKeySpecific::Progress(self.progress));
        sense
    }

    /// 2/04/07 with progress.
    pub(crate) fn not_ready(&self) -> Sense {
        let mut sense = Sense::new(SenseKey::NOT_READY, Asc::LOGICAL_UNIT_NOT_READY_OPERATION_IN_PROGRESS);
        sense.key_specific = Some(SenseKeySpecific::Progress(self.progress));
        sense
    }

    /// One step of about so many bytes; says whether all is done.
    ///
    /// # Errors
    /// What the verification met.
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
