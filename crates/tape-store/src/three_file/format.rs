//! FORMAT MEDIUM: removes all objects, and creates or removes partitions with their files.
//!
//! A partition exists if its `data.P` does: that file is created first and removed last, so that a crash leaves blank
//! partitions, perhaps more or fewer than requested.

use super::{Recovery, ThreeFile, recover};
use crate::error::StoreError;

/// Maximum number of partitions of a cartridge.
const MAX_PARTITIONS: usize = 4;

impl ThreeFile {
    pub(super) fn format_partitions(&mut self, sizes: &[u64]) -> Result<(), StoreError> {
        if let Some(reason) = self.read_only {
            return Err(StoreError::ReadOnly(reason));
        }
        if sizes.is_empty() || sizes.len() > MAX_PARTITIONS {
            return Err(StoreError::NoPartition(u8::try_from(sizes.len()).unwrap_or(u8::MAX)));
        }
        // Blocks in flight are to be removed as well; an error storing them is irrelevant.
        let _ = self.drain();
        self.deferred = None;
        self.repeat_failed_commit()?;
        for part in &mut self.partitions {
            part.truncate(0)?;
        }
        self.partitions.first_mut().map_or(Ok(()), super::Partition::close)?;
        while self.partitions.len() > sizes.len() {
            let Some(part) = self.partitions.pop() else { break };
            let number = part.number;
            drop(part);
            for name in ["mark", "meta", "indx", "data"] {
                let name = format!("{name}.{number}");
                self.folder.remove(&name).map_err(StoreError::io(format!("removing {name}")))?;
            }
        }
        self.options.partition_sizes = sizes.to_vec();
        while self.partitions.len() < sizes.len() {
            let number = u8::try_from(self.partitions.len()).unwrap_or(u8::MAX);
            let name = format!("data.{number}");
            drop(self.folder.open(&name).map_err(StoreError::io(format!("creating {name}")))?);
            let (folder, recovery) = (self.folder.as_mut(), Recovery::default());
            let mut opener = recover::Opener { folder, options: &self.options, buffers: &mut self.buffers, recovery };
            let part = opener.open(number)?;
            self.partitions.push(part);
        }
        self.select_partition(0)?;
        self.move_within(0)
    }
}
