//! Truncation of a partition before an object, by an append and by `repair`.

use super::{FailureState, Partition};
use crate::error::StoreError;
use crate::three_file::index::IndexLayout;
use crate::three_file::index512::FilemarkTable;
use crate::three_file::recover::NO_INDEX;
use crate::three_file::watermark::{SLOT, Watermark};

impl Partition {
    /// The loss by truncation before this object: number of objects, including those only counted by the
    /// watermark, and bytes of data.
    pub(in crate::three_file) fn loss_if_cut(&mut self, object: u64) -> Result<(u64, u64), StoreError> {
        let (end, _) = self.object_start(object)?;
        let data = self.data.len().map_err(self.io("getting the length of", "data"))?;
        Ok((self.objects.max(self.expected) - object, data.saturating_sub(end)))
    }

    /// Truncates the partition before this object, and accepts the objects before it as intact.
    pub(in crate::three_file) fn cut_before(&mut self, object: u64) -> Result<(), StoreError> {
        let (end, filemarks) =
            if object < self.objects { self.object_start(object)? } else { (self.end, self.filemarks) };
        self.with_filemarks("truncating", |table| table.count_before(object))?;
        let len = object * self.layout.size() as u64;
        self.indx.set_len(len).map_err(self.io("truncating", "indx"))?;
        if let IndexLayout::Index512(table) = &mut self.layout {
            table.remove_from(object);
        }
        self.set_extent(object, end, filemarks);
        if object == 0 {
            self.set_framed(true);
        }
        self.expected = object;
        self.append_blocked = None;
        self.reconcile()
    }

    /// Removes all objects from this one on. The watermark is lowered first, and the truncation is durable before
    /// anything is written after it, so that old and new objects never mix.
    pub(in crate::three_file) fn truncate(&mut self, object: u64) -> Result<(), StoreError> {
        // If the index is lost, `repair` may restore all objects: reject even a write at the beginning.
        if let Some(reason) = self.append_blocked.filter(|reason| object > 0 || *reason == NO_INDEX) {
            return Err(StoreError::Malformed { file: format!("partition {}", self.number), problem: reason.into() });
        }
        if object >= self.objects && self.append_blocked.is_none() {
            return Ok(());
        }
        self.check_usable()?;
        self.flush()?;
        let (end, filemarks) = self.object_start(object)?;
        if object < self.watermark.objects || self.append_blocked.is_some() {
            let watermark = self.watermark_for(object, end, filemarks)?;
            let framed = watermark.framed || object == 0;
            self.watermark_file.set_len(2 * SLOT).map_err(self.io("creating", "mark"))?;
            self.write_watermark(Watermark { framed, ..watermark })?;
        }
        if self.unsynced_watermarks > 0 {
            self.sync_watermark()?;
        }
        // A partial truncation is resolved when the tape is opened again, not by further writes.
        self.failure = FailureState::PartlyTruncated;
        self.with_filemarks("truncating", |table| table.count_before(object))?;
        self.indx.set_len(object * self.layout.size() as u64).map_err(self.io("truncating", "indx"))?;
        // From here on the objects are removed, even if a later step fails.
        if let IndexLayout::Index512(table) = &mut self.layout {
            table.remove_from(object);
        }
        self.set_extent(object, end, filemarks);
        if object == 0 {
            self.set_framed(true);
        }
        self.with_filemarks("truncating", FilemarkTable::trim)?;
        self.indx.sync().map_err(self.io("synchronising", "indx"))?;
        self.data.set_len(end).map_err(self.io("truncating", "data"))?;
        // Otherwise a power loss could leave overwritten objects after new ones, for `repair` to find.
        self.data.sync().map_err(self.io("synchronising", "data"))?;
        (self.failure, self.append_blocked) = (FailureState::None, None);
        Ok(())
    }
}
