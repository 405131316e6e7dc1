//! Positioning: objects by number, filemarks by bisection.

use super::ThreeFile;
use super::index::ObjectKind;
use crate::error::StoreError;
use crate::medium::{SpaceOutcome, SpaceUnit, StopReason};

impl ThreeFile {
    pub(super) fn space_by(&mut self, unit: SpaceUnit, count: i64) -> Result<SpaceOutcome, StoreError> {
        let distance = count.unsigned_abs();
        match unit {
            _ if count == 0 => Ok(SpaceOutcome { done: 0, stopped_by: StopReason::Count }),
            SpaceUnit::Blocks if count > 0 => self.blocks_forward(distance),
            SpaceUnit::Blocks => self.blocks_back(distance),
            SpaceUnit::Filemarks if count > 0 => self.filemarks_forward(distance),
            SpaceUnit::Filemarks => self.filemarks_back(distance),
            SpaceUnit::SequentialFilemarks => self.sequential_filemarks(count > 0, distance),
        }
    }

    fn blocks_forward(&mut self, count: u64) -> Result<SpaceOutcome, StoreError> {
        let from = self.object;
        let part = self.part()?;
        let filemarks = part.filemarks_before(from)?;
        let end = part.objects();
        let goal = from.saturating_add(count).min(end);
        // The object after the next filemark, if that is before the target.
        let after =
            if part.filemarks_before(goal)? > filemarks { part.first_after(filemarks, from, goal)? } else { goal };
        let met_filemark = part.filemarks_before(after)? > filemarks;
        self.move_within(after)?;
        let crossed = after - from;
        let done = crossed.saturating_sub(u64::from(met_filemark));
        let stopped_by = match (met_filemark, done == count) {
            (true, _) => StopReason::Filemark,
            (false, true) => StopReason::Count,
            (false, false) => StopReason::EndOfData,
        };
        Ok(SpaceOutcome { done, stopped_by })
    }

    fn blocks_back(&mut self, count: u64) -> Result<SpaceOutcome, StoreError> {
        let (from, filemarks) = (self.object, self.file);
        let goal = from.saturating_sub(count);
        let part = self.part()?;
        if part.filemarks_before(goal)? < filemarks {
            // Blocks after the last filemark, which is directly before them.
            let after = part.after_filemark(filemarks)?;
            self.move_within(after.saturating_sub(1))?;
            return Ok(SpaceOutcome { done: from.saturating_sub(after), stopped_by: StopReason::Filemark });
        }
        self.move_within(goal)?;
        let done = from - goal;
        Ok(SpaceOutcome { done, stopped_by: if done == count { StopReason::Count } else { StopReason::Beginning } })
    }

    fn filemarks_forward(&mut self, count: u64) -> Result<SpaceOutcome, StoreError> {
        let from = self.file;
        let part = self.part()?;
        let left = part.filemarks().saturating_sub(from);
        let target = if count <= left { part.after_filemark(from + count)? } else { part.objects() };
        self.move_within(target)?;
        let stopped_by = if count <= left { StopReason::Count } else { StopReason::EndOfData };
        Ok(SpaceOutcome { done: count.min(left), stopped_by })
    }

    fn filemarks_back(&mut self, count: u64) -> Result<SpaceOutcome, StoreError> {
        let from = self.file;
        let target = match from.checked_sub(count) {
            Some(left) => self.part()?.after_filemark(left + 1)?.saturating_sub(1),
            None => 0,
        };
        self.move_within(target)?;
        let stopped_by = if count <= from { StopReason::Count } else { StopReason::Beginning };
        Ok(SpaceOutcome { done: count.min(from), stopped_by })
    }

    /// Searches for `count` filemarks in a row and stops after them, or before them when moving backward.
    fn sequential_filemarks(&mut self, forward: bool, count: u64) -> Result<SpaceOutcome, StoreError> {
        let mut run = 0;
        let mut at = self.object;
        let part = self.part()?;
        loop {
            let crossed = if forward { (at < part.objects()).then_some(at) } else { at.checked_sub(1) };
            let Some(crossed) = crossed else {
                self.move_within(at)?;
                let stopped_by = if forward { StopReason::EndOfData } else { StopReason::Beginning };
                return Ok(SpaceOutcome { done: 0, stopped_by });
            };
            if part.record(crossed)?.kind == ObjectKind::Filemark {
                run += 1;
                at = if forward { crossed + 1 } else { crossed };
            } else {
                run = 0;
                at = part.skip_blocks(crossed, forward)?;
            }
            if run == count {
                self.move_within(at)?;
                return Ok(SpaceOutcome { done: count, stopped_by: StopReason::Count });
            }
        }
    }
}

impl super::partition::Partition {
    /// From a block to the nearer side of the next filemark in a direction.
    fn skip_blocks(&mut self, block: u64, forward: bool) -> Result<u64, StoreError> {
        let filemarks = self.filemarks_before(block)?;
        if !forward {
            return Ok(self.after_filemark(filemarks)?.min(block));
        }
        if filemarks == self.filemarks() {
            return Ok(self.objects());
        }
        // At least one step, even with a damaged index.
        Ok(self.after_filemark(filemarks + 1)?.saturating_sub(1).max(block + 1))
    }
}
