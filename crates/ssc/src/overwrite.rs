//! Where a medium may be written: append-only mode (SSC-5 §4.2.17), cartridges that are written once (§4.2.18), and those
//! that are retained until a date, which is ours.

use crate::fault::{self, Operation};
use crate::mounted::Mounted;
use scsi_core::asc::Asc;
use scsi_core::sense::{Sense, SenseKey};
use tape_store::cartridge::CartridgeKind;
use tape_store::mam::AttrId;
use tape_store::medium::{Position, SpaceUnit, StopReason};

/// What ALLOW OVERWRITE has allowed in append-only mode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum AllowedOverwrite {
    /// Nothing.
    #[default]
    Nothing,
    /// A write at this object of this partition.
    Write(u8, u64),
    /// FORMAT MEDIUM.
    Format,
}

/// What is about to happen to a medium.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MediumChange {
    /// Blocks or filemarks are written at the position.
    Write,
    /// What follows the position is erased.
    Erase,
    /// All of it becomes blank.
    Format,
}

/// What follows the position.
struct FollowingObjects {
    objects: u64,
    filemarks: u64,
}

impl Mounted {
    /// Refuses to overwrite what must not be.
    ///
    /// # Errors
    /// 7/30/0C and 7/30/0D for a cartridge that is written once, 7/27/04 for one that is retained, 7/5A/02 in append-only
    /// mode.
    pub(crate) fn check_overwrite(&mut self, change: MediumChange) -> Result<(), Sense> {
        if self.cartridge.kind() == CartridgeKind::Worm {
            if self.worm_integrity_failed {
                return Err(fault::protected(Asc::WORM_MEDIUM_INTEGRITY_CHECK));
            }
            if !self.is_overwrite_free(change, true)? {
                return Err(fault::protected(Asc::WORM_MEDIUM_OVERWRITE_ATTEMPTED));
            }
            self.note_fewer_objects()?;
        }
        if self.retained_until > self.today && !self.is_overwrite_free(change, false)? {
            return Err(fault::protected(Asc::PERSISTENT_WRITE_PROTECT));
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
                return Err(fault::protected(Asc::OPERATOR_SELECTED_WRITE_PROTECT));
            }
        }
        Ok(())
    }

    /// A label is overwritten: the cartridge's memory must not miss, after a crash, what is to go now.
    fn note_fewer_objects(&mut self) -> Result<(), Sense> {
        let at = self.medium.position();
        if self.mam.partition_number_value(AttrId::WORM_OBJECTS, at.partition) <= at.object {
            return Ok(());
        }
        self.mam.set(AttrId::WORM_OBJECTS, at.partition, &at.object.to_be_bytes());
        // Its copy too: it must not ask for more objects than there are.
        self.cartridge.save_mam_and_copy(&self.mam).map_err(|error| fault::mam_error_before_write(&error))
    }

    /// Whether the change takes nothing that is written: at end of data; with only filemarks to follow, behind one that
    /// stays; and, for labels, at the beginning of one or two blocks with only filemarks behind them.
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
        let moved = |error| fault::sense(&error, Operation::Moving);
        let at = self.medium.position();
        let tail = self.tail(at)?;
        let only_filemarks = tail.objects == tail.filemarks;
        let open = match at.object {
            0 => {
                let blocks = tail.objects - tail.filemarks;
                let leading =
                    self.medium.space(SpaceUnit::Blocks, i64::try_from(blocks).unwrap_or(i64::MAX)).map_err(moved)?;
                labels && (only_filemarks || blocks <= 2 && leading.stopped_by == StopReason::Count)
            }
            _ => {
                let before = self.medium.space(SpaceUnit::Blocks, -1).map_err(moved)?;
                only_filemarks && before.stopped_by == StopReason::Filemark
            }
        };
        self.medium.locate(at.partition, at.object).map_err(moved)?;
        Ok(open)
    }

    fn tail(&mut self, at: Position) -> Result<FollowingObjects, Sense> {
        let moved = |error| fault::sense(&error, Operation::Moving);
        self.medium.space_to_end().map_err(moved)?;
        let end = self.medium.position();
        self.medium.locate(at.partition, at.object).map_err(moved)?;
        Ok(FollowingObjects { objects: end.object - at.object, filemarks: end.file - at.file })
    }

    /// Refuses to read a cartridge that was written once and is not what it was.
    ///
    /// # Errors
    /// 3/30/0D.
    pub(crate) fn check_worm_integrity(&self) -> Result<(), Sense> {
        if !self.worm_integrity_failed {
            return Ok(());
        }
        Err(Sense::new(SenseKey::MEDIUM_ERROR, Asc::WORM_MEDIUM_INTEGRITY_CHECK))
    }
}
