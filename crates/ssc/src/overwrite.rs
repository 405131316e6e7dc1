//! Overwrite protection of a medium: append-only mode (SSC-4 §8.3.8), WORM cartridges, and retention until a
//! date, which is Ferric's own extension.

use crate::fault::{self, Operation};
use crate::mounted::Mounted;
use scsi_core::asc::Asc;
use scsi_core::sense::{Sense, SenseKey};
use tape_store::cartridge::CartridgeKind;
use tape_store::mam::AttrId;
use tape_store::medium::{Position, SpaceUnit, StopReason};

/// Overwrite that ALLOW OVERWRITE has allowed in append-only mode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum AllowedOverwrite {
    /// No overwrite.
    #[default]
    Nothing,
    /// A write at this object (second field) of this partition (first field).
    Write(u8, u64),
    /// FORMAT MEDIUM.
    Format,
}

/// A change of the medium, as checked for overwrite protection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MediumChange {
    /// Write blocks or filemarks at the position.
    Write,
    /// Erase from the position to the end of the partition.
    Erase,
    /// Format the medium: all partitions become blank.
    Format,
}

/// Objects after the position.
struct FollowingObjects {
    objects: u64,
    filemarks: u64,
}

impl Mounted {
    /// Checks that the change overwrites no protected data.
    ///
    /// # Errors
    /// DATA PROTECT 30h/0Ch and 30h/0Dh for a WORM cartridge, 27h/04h for a retained one or one under a legal hold, 5Ah/02h in append-only mode.
    pub(crate) fn check_overwrite(&mut self, change: MediumChange) -> Result<(), Sense> {
        if self.cartridge.kind() == CartridgeKind::Worm {
            if self.worm_integrity_failed {
                return Err(fault::data_protect(Asc::WORM_MEDIUM_INTEGRITY_CHECK));
            }
            if !self.is_overwrite_free(change, true)? {
                return Err(fault::data_protect(Asc::WORM_MEDIUM_OVERWRITE_ATTEMPTED));
            }
            self.lower_worm_objects()?;
        }
        if self.protected_until > self.today && !self.is_overwrite_free(change, false)? {
            return Err(fault::data_protect(Asc::PERSISTENT_WRITE_PROTECT));
        }
        if self.append_only {
            let at = self.medium.position();
            let allowed = match (std::mem::take(&mut self.allowed_overwrite), change) {
                (AllowedOverwrite::Write(partition, object), MediumChange::Write | MediumChange::Erase) => {
                    (partition, object) == (at.partition, at.object)
                }
                (AllowedOverwrite::Format, MediumChange::Format) => true,
                _ => false,
            };
            if !allowed && !self.is_overwrite_free(change, false)? {
                return Err(fault::data_protect(Asc::OPERATOR_SELECTED_WRITE_PROTECT));
            }
        }
        Ok(())
    }

    /// Lowers the recorded number of WORM objects before a label is overwritten; otherwise the integrity check would
    /// fail after a crash.
    fn lower_worm_objects(&mut self) -> Result<(), Sense> {
        let at = self.medium.position();
        if self.mam.partition_number_value(AttrId::WORM_OBJECTS, at.partition) <= at.object {
            return Ok(());
        }
        self.mam.set(AttrId::WORM_OBJECTS, at.partition, &at.object.to_be_bytes());
        // The copy as well: it must not record more objects than the tape holds.
        self.cartridge.save_mam_and_copy(&self.mam).map_err(|error| fault::mam_error_before_write(&error))
    }

    /// Whether the change overwrites no data: the position is at end of data; or only filemarks follow, and the object
    /// before it is a filemark; or, with `labels`, it is the beginning of a partition with at most two blocks, and
    /// filemarks after them.
    fn is_overwrite_free(&mut self, change: MediumChange, labels: bool) -> Result<bool, Sense> {
        if change == MediumChange::Format {
            return Ok((0..self.medium.partitions()).all(|part| self.medium.usage(part).is_ok_and(|u| u.objects == 0)));
        }
        if self.medium.at_end_of_data() {
            return Ok(true);
        }
        if change == MediumChange::Erase {
            return Ok(false);
        }
        let to_sense = |error| fault::sense(&error, Operation::Moving);
        let at = self.medium.position();
        let tail = self.tail(at)?;
        let only_filemarks = tail.objects == tail.filemarks;
        let open = match at.object {
            0 => {
                let blocks = tail.objects - tail.filemarks;
                let leading = self
                    .medium
                    .space(SpaceUnit::Blocks, i64::try_from(blocks).unwrap_or(i64::MAX))
                    .map_err(to_sense)?;
                labels && (only_filemarks || blocks <= 2 && leading.stopped_by == StopReason::Count)
            }
            _ => {
                let before = self.medium.space(SpaceUnit::Blocks, -1).map_err(to_sense)?;
                only_filemarks && before.stopped_by == StopReason::Filemark
            }
        };
        self.medium.locate(at.partition, at.object).map_err(to_sense)?;
        Ok(open)
    }

    fn tail(&mut self, at: Position) -> Result<FollowingObjects, Sense> {
        let to_sense = |error| fault::sense(&error, Operation::Moving);
        self.medium.space_to_end().map_err(to_sense)?;
        let end = self.medium.position();
        self.medium.locate(at.partition, at.object).map_err(to_sense)?;
        Ok(FollowingObjects { objects: end.object - at.object, filemarks: end.file - at.file })
    }

    /// Rejects reads of a cartridge that fails the WORM integrity check.
    ///
    /// # Errors
    /// MEDIUM ERROR 30h/0Dh.
    pub(crate) fn check_worm_integrity(&self) -> Result<(), Sense> {
        if !self.worm_integrity_failed {
            return Ok(());
        }
        Err(Sense::new(SenseKey::MEDIUM_ERROR, Asc::WORM_MEDIUM_INTEGRITY_CHECK))
    }
}
