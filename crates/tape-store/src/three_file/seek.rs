//! Motion: objects by their number, filemarks by bisection.

use super::ThreeFile;
use super::index::Kind;
use crate::error::StoreError;
use crate::medium::{Spaced, Stop, Unit};

impl ThreeFile {
    pub(super) fn space_by(&mut self, unit: Unit, count: i64) -> Result<Spaced, StoreError> {
        let distance = count.unsigned_abs();
        match unit {
            _ if count == 0 => Ok(Spaced { done: 0, stopped_by: Stop::Count }),
            Unit::Blocks if count > 0 => self.blocks_forward(distance),
            Unit::Blocks => self.blocks_back(distance),
            Unit::Filemarks if count > 0 => self.files_forward(distance),
            Unit::Filemarks => self.files_back(distance),
            Unit::SequentialFilemarks => self.run_of_files(count > 0, distance),
        }
    }

    fn blocks_forward(&mut self, count: u64) -> Result<Spaced, StoreError> {
        let from = self.object;
        let part = self.part()?;
        let files = part.files_before(from)?;
        let end = part.objects();
        let goal = from.saturating_add(count).min(end);
        // The object behind the next filemark, if that lies before the goal.
        let behind = if part.files_before(goal)? > files { part.first_behind(files, from, goal)? } else { goal };
        let met_filemark = part.files_before(behind)? > files;
        self.go(behind)?;
        let crossed = behind - from;
        let done = crossed.saturating_sub(u64::from(met_filemark));
        let stopped_by = match (met_filemark, done == count) {
            (true, _) => Stop::Filemark,
            (false, true) => Stop::Count,
            (false, false) => Stop::EndOfData,
        };
        Ok(Spaced { done, stopped_by })
    }

    fn blocks_back(&mut self, count: u64) -> Result<Spaced, StoreError> {
        let (from, files) = (self.object, self.file);
        let goal = from.saturating_sub(count);
        let part = self.part()?;
        if part.files_before(goal)? < files {
            // Blocks behind the last filemark, which lies just before them.
            let behind = part.behind_filemark(files)?;
            self.go(behind.saturating_sub(1))?;
            return Ok(Spaced { done: from.saturating_sub(behind), stopped_by: Stop::Filemark });
        }
        self.go(goal)?;
        let done = from - goal;
        Ok(Spaced { done, stopped_by: if done == count { Stop::Count } else { Stop::Beginning } })
    }

    fn files_forward(&mut self, count: u64) -> Result<Spaced, StoreError> {
        let from = self.file;
        let part = self.part()?;
        let left = part.files().saturating_sub(from);
        let target = if count <= left { part.behind_filemark(from + count)? } else { part.objects() };
        self.go(target)?;
        let stopped_by = if count <= left { Stop::Count } else { Stop::EndOfData };
        Ok(Spaced { done: count.min(left), stopped_by })
    }

    fn files_back(&mut self, count: u64) -> Result<Spaced, StoreError> {
        let from = self.file;
        let target = match from.checked_sub(count) {
            Some(left) => self.part()?.behind_filemark(left + 1)?.saturating_sub(1),
            None => 0,
        };
        self.go(target)?;
        let stopped_by = if count <= from { Stop::Count } else { Stop::Beginning };
        Ok(Spaced { done: count.min(from), stopped_by })
    }

    /// Looks for `count` filemarks in a row and stops behind (or before) them.
    fn run_of_files(&mut self, forward: bool, count: u64) -> Result<Spaced, StoreError> {
        let mut run = 0;
        let mut at = self.object;
        let part = self.part()?;
        loop {
            let crossed = if forward { (at < part.objects()).then_some(at) } else { at.checked_sub(1) };
            let Some(crossed) = crossed else {
                self.go(at)?;
                let stopped_by = if forward { Stop::EndOfData } else { Stop::Beginning };
                return Ok(Spaced { done: 0, stopped_by });
            };
            if part.record(crossed)?.kind == Kind::Filemark {
                run += 1;
                at = if forward { crossed + 1 } else { crossed };
            } else {
                run = 0;
                at = part.skip_blocks(crossed, forward)?;
            }
            if run == count {
                self.go(at)?;
                return Ok(Spaced { done: count, stopped_by: Stop::Count });
            }
        }
    }
}

impl super::partition::Partition {
    /// From a block to the next filemark in a direction: its near side.
    fn skip_blocks(&mut self, block: u64, forward: bool) -> Result<u64, StoreError> {
        let files = self.files_before(block)?;
        if !forward {
            return Ok(self.behind_filemark(files)?.min(block));
        }
        if files == self.files() {
            return Ok(self.objects());
        }
        // At least one step, whatever a damaged index says.
        Ok(self.behind_filemark(files + 1)?.saturating_sub(1).max(block + 1))
    }
}
