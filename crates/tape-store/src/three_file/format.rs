//! Formatting: every object goes, and partitions come and go with their files.
//!
//! A partition exists with its `data.P`: that file is the first to be made and the last to be removed, so a crash leaves
//! partitions that are blank, more or fewer.

use super::{Recovery, ThreeFile, recover};
use crate::error::StoreError;

/// The most partitions that a cartridge can have.
const MAX_PARTITIONS: usize = 4;

impl ThreeFile {
    pub(super) fn format_partitions(&mut self, sizes: &[u64]) -> Result<(), StoreError> {
        if let Some(why) = self.read_only {
            return Err(StoreError::ReadOnly(why));
        }
        if sizes.is_empty() || sizes.len() > MAX_PARTITIONS {
            return Err(StoreError::NoPartition(u8::try_from(sizes.len()).unwrap_or(u8::MAX)));
        }
        // What workers still have is to go as well; that it could not be stored is no matter any more.
        let _ = self.drain();
        self.deferred = None;
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
            drop(self.folder.open(&name).map_err(StoreError::io(format!("making {name}")))?);
            let (folder, recovery) = (self.folder.as_mut(), Recovery::default());
            let mut opener = recover::Opener { folder, options: &self.options, buffers: &mut self.buffers, recovery };
            let part = opener.open(number)?;
            self.partitions.push(part);
        }
        self.enter(0)?;
        self.move_within(0)
    }
}
