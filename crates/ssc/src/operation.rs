//! An operation that goes on after its command was answered: IMMED with work that takes time.
//!
//! It goes on step by step, one before each command that follows and while the drive has nothing else to do
//! ([`crate::drive::Drive::work`]). Until it ends, commands that need the medium are refused with 2/04/07, and REQUEST
//! SENSE says how far it has come.

use crate::encryption::Reader;
use crate::load::Mounted;
use scsi_core::asc::Asc;
use scsi_core::nexus::NexusId;
use scsi_core::sense::{Sense, SenseKey, Specific};
use std::io::IoSliceMut;
use tape_store::medium::{Found, MAX_BLOCK};

/// Bytes of one step.
const STEP: u64 = 64 << 20;

/// A verification that goes on.
pub(crate) struct Operation {
    /// Who hears of a failure.
    pub(crate) nexus: NexusId,
    /// What is left to be verified.
    pub(crate) left: Left,
    /// How blocks that are sealed are read.
    pub(crate) reader: Reader,
    /// In 65536ths.
    progress: u16,
}

/// What is left of a verification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    /// All objects to end of data.
    ToEnd,
    /// So many filemarks.
    Filemarks(u32),
    /// So many blocks of this length.
    Blocks(u32, u32),
}

impl Operation {
    pub(crate) const fn new(nexus: NexusId, left: Left, reader: Reader) -> Self {
        Self { nexus, left, reader, progress: 0 }
    }

    /// 0/00/1C with progress.
    pub(crate) fn condition(&self) -> Sense {
        let mut sense = Sense::new(SenseKey::NO_SENSE, Asc::VERIFY_OPERATION_IN_PROGRESS);
        sense.specific = Some(Specific::Progress(self.progress));
        sense
    }

    /// 2/04/07 with progress.
    pub(crate) fn not_ready(&self) -> Sense {
        let mut sense = Sense::new(SenseKey::NOT_READY, Asc::LOGICAL_UNIT_NOT_READY_OPERATION_IN_PROGRESS);
        sense.specific = Some(Specific::Progress(self.progress));
        sense
    }

    /// One step; says whether all is done.
    ///
    /// # Errors
    /// What the verification met.
    pub(crate) fn step(&mut self, mounted: &mut Mounted) -> Result<bool, Sense> {
        let mut scratch = vec![0; MAX_BLOCK];
        let mut done = 0;
        while done < STEP {
            if matches!(self.left, Left::Filemarks(0) | Left::Blocks(0, _)) {
                return Ok(true);
            }
            let found = mounted.medium.read_sealed(&mut [IoSliceMut::new(&mut scratch)], self.reader.unseal());
            if let Ok(Found::Block { stored, .. }) = found {
                done += stored;
            }
            if self.met(crate::command::verify::meet(mounted, found))? {
                return Ok(true);
            }
        }
        let at = mounted.medium.position().partition;
        if let Ok(usage) = mounted.medium.usage(at) {
            let share = (usage.here.saturating_mul(0xffff)).checked_div(usage.used).unwrap_or(0xffff);
            self.progress = u16::try_from(share).unwrap_or(0xffff);
        }
        Ok(false)
    }

    /// Counts an object that was met; whether it was the last.
    fn met(&mut self, met: Result<usize, Sense>) -> Result<bool, Sense> {
        match (met, &mut self.left) {
            (Ok(_), Left::ToEnd | Left::Filemarks(_)) => Ok(false),
            (Ok(len), Left::Blocks(left, size)) => {
                if len != *size as usize {
                    return Err(Sense::NONE.with_ili().info((*left).into()));
                }
                *left -= 1;
                Ok(*left == 0)
            }
            (Err(sense), Left::ToEnd) if sense.filemark => Ok(false),
            (Err(sense), Left::ToEnd) if sense.key == SenseKey::BLANK_CHECK => Ok(true),
            (Err(sense), Left::Filemarks(left)) if sense.filemark => {
                *left -= 1;
                Ok(*left == 0)
            }
            (Err(sense), Left::Filemarks(left) | Left::Blocks(left, _)) => Err(sense.info((*left).into())),
            (Err(sense), Left::ToEnd) => Err(sense),
        }
    }
}
