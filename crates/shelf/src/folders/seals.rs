//! Segments of a taken cartridge: parts of files that are put on the shelf before a manifest names them.

use super::cached_cartridge::{CachedCartridge, OpenFile, State};
use super::local::SparseFile;
use super::{Durability, lock};
use crate::ShelfError;
use crate::keys::CartridgeKeys;
use crate::manifest::Extent;
use crate::segment::{self, SEGMENT_LEN};
use std::io;
use std::ops::Range;
use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard, PoisonError, Weak};
use tokio::runtime::Handle;

/// Parts of files, in bytes, that are on this machine only before writes wait; if the cache is larger, that much.
const MIN_UNSHELVED: u64 = 256 << 20;

/// When parts of files are put on the shelf before a commit.
struct SealLimits {
    /// Bytes of a file that no task puts on the shelf yet.
    due: u64,
    /// Segments that are being put at the same time before writes wait.
    sealing: u64,
}

impl SealLimits {
    fn new(durability: Durability, cache: u64) -> Self {
        let most = cache.max(MIN_UNSHELVED);
        let (due, sealing) = match durability {
            Durability::Local => ((most / 2).max(SEGMENT_LEN as u64), most / 2),
            Durability::Remote => (SEGMENT_LEN as u64, most),
        };
        Self { due, sealing: sealing / SEGMENT_LEN as u64 }
    }

    /// Whether writes of up to a segment may wait, with the bytes of each file that no task puts on the shelf yet, and the number
    /// of segments that are being put.
    fn append_may_wait(&self, unsealed: impl Iterator<Item = u64>, sealing: u64) -> bool {
        let due = unsealed.map(|bytes| bytes + SEGMENT_LEN as u64).filter(|bytes| *bytes >= self.due);
        let new: u64 = due.map(|bytes| bytes / SEGMENT_LEN as u64).sum();
        sealing + new > self.sealing
    }
}

/// A part of a file that a task puts on the shelf.
struct Part {
    file: String,
    number: u64,
    range: Range<u64>,
    local: Arc<SparseFile>,
}

/// Reports the end of a task, also if it is cancelled.
struct SealEnd {
    cartridge: Weak<CachedCartridge>,
    part: Part,
    extent: Option<Extent>,
}

impl SealEnd {
    fn finish(mut self, extent: Option<Extent>) {
        self.extent = extent;
    }
}

impl Drop for SealEnd {
    fn drop(&mut self) {
        let Some(cartridge) = self.cartridge.upgrade() else { return };
        let extent = self.extent.take();
        // The file may have been removed meanwhile, or another one may have its name now.
        let _ = cartridge.with_file(&self.part.file, |file| {
            if Arc::ptr_eq(&file.local, &self.part.local) {
                file.tracked.sealed(self.part.number, extent);
            }
            Ok(())
        });
        cartridge.sealed.notify_all();
    }
}

impl State {
    /// The number of tasks that put parts of files on the shelf.
    fn sealing(&self) -> u64 {
        self.files.values().map(|file| file.tracked.sealing(u64::MAX) as u64).sum()
    }
}

impl CachedCartridge {
    fn segment_name(&self) -> Result<String, ShelfError> {
        let number = self.last_segment.fetch_add(1, Ordering::Relaxed) + 1;
        Ok(segment::name_of(self.epoch, number, &self.shelf.nonce()?, self.shelf.is_encrypted()))
    }

    /// Puts a segment with this content on the shelf; returns its name.
    pub(super) async fn put_segment(&self, content: Vec<u8>) -> Result<String, ShelfError> {
        let name = self.segment_name()?;
        let key = CartridgeKeys::new(&self.barcode).segment(&name);
        let data_key = self.shelf.data_key_for_writing(&self.barcode).await?;
        let object = segment::encode(&name, &content, data_key.as_deref())?;
        drop(content);
        self.shelf.objects().create_segment(&key, object).await?;
        Ok(name)
    }

    /// Puts the full segments of a file up to the offset `end` on the shelf before a commit names them. If that fails, the commit
    /// does it.
    pub(super) fn spawn_seals(self: &Arc<Self>, name: &str, end: u64, runtime: &Handle) {
        let mut parts = Vec::new();
        if let Some(file) = lock(&self.state).files.get_mut(name) {
            while let Some((number, range)) = file.tracked.next_seal(SEGMENT_LEN as u64, end) {
                parts.push(Part { file: name.to_owned(), number, range, local: Arc::clone(&file.local) });
            }
        }
        parts.into_iter().for_each(|part| self.spawn_seal(part, runtime));
    }

    /// The caller has not locked the state, which the end of the task locks.
    fn spawn_seal(self: &Arc<Self>, part: Part, runtime: &Handle) {
        let (seals, end) = (Arc::clone(&self.seals), SealEnd { cartridge: Arc::downgrade(self), part, extent: None });
        runtime.spawn(async move {
            let Ok(_permit) = seals.acquire().await else { return };
            let Some(this) = end.cartridge.upgrade().filter(|this| this.is_wanted(&end.part)) else { return };
            let (read, from) = (end.part.range.clone(), Arc::clone(&end.part.local));
            let sealed = match tokio::task::spawn_blocking(move || from.read_range(&read)).await {
                Ok(Ok(bytes)) => this.put_segment(bytes).await.map_err(io::Error::other),
                Ok(Err(error)) => Err(error),
                Err(ended) => Err(io::Error::other(ended)),
            };
            let Range { start, end: to } = end.part.range;
            let extent = sealed
                .map(|segment| Extent { offset: start, len: to - start, segment, at: 0 })
                .inspect_err(|error| tracing::debug!(barcode = this.barcode, %error, "a segment was not put"))
                .ok();
            end.finish(extent);
        });
    }

    /// Whether a part is still that of its file.
    fn is_wanted(&self, part: &Part) -> bool {
        let wanted =
            |file: &mut OpenFile| Ok(Arc::ptr_eq(&file.local, &part.local) && file.tracked.is_sealing(part.number));
        self.with_file(&part.file, wanted).unwrap_or(false)
    }

    fn seal_limits(&self) -> SealLimits {
        SealLimits::new(self.shared.setup.durability, self.shared.cache.limit())
    }

    /// Puts full segments of a file that was written, when this is due: with [`Durability::Local`], uploads compete with hosts only
    /// if many bytes wait. Lets the writer wait if too many do.
    pub(super) fn seal_written(self: &Arc<Self>, state: MutexGuard<'_, State>, name: &str) {
        let limits = self.seal_limits();
        if state.files.get(name).is_none_or(|file| file.tracked.unsealed_bytes() < limits.due) {
            return;
        }
        drop(state);
        self.spawn_seals(name, u64::MAX, &self.uploads);
        let is_full = |state: &mut State| state.sealing() > limits.sealing;
        drop(self.sealed.wait_while(lock(&self.state), is_full).unwrap_or_else(PoisonError::into_inner));
    }

    /// Whether [`Self::seal_written`] may wait after writes of up to a segment.
    pub(crate) fn append_may_wait(&self) -> bool {
        let state = lock(&self.state);
        let unsealed = state.files.values().map(|file| file.tracked.unsealed_bytes());
        self.seal_limits().append_may_wait(unsealed, state.sealing())
    }

    /// Waits until no task puts a part of this file on the shelf that begins before the offset `end`.
    pub(super) fn wait_for_seals(&self, name: &str, end: u64) {
        let is_sealing = |state: &mut State| state.files.get(name).is_some_and(|file| file.tracked.sealing(end) > 0);
        drop(self.sealed.wait_while(lock(&self.state), is_sealing).unwrap_or_else(PoisonError::into_inner));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEGMENT: u64 = SEGMENT_LEN as u64;

    #[test]
    fn appends_may_wait_only_before_too_many_segments_are_on_the_way() {
        for (durability, cache, free, most) in [
            (Durability::Local, 0, 0, 2),
            (Durability::Local, 20 * SEGMENT, 8 * SEGMENT, 10),
            (Durability::Remote, 20 * SEGMENT, 0, 20),
        ] {
            let limits = SealLimits::new(durability, cache);
            let waits = |unsealed: &[u64], sealing| limits.append_may_wait(unsealed.iter().copied(), sealing);
            assert!(!waits(&[0], 0) && !waits(&[free], 0) && !waits(&[free, 0, 100], 0));
            // A write of a segment more would begin to put all full segments.
            let begun = (limits.due - SEGMENT) / SEGMENT + 1;
            assert!(!waits(&[limits.due - SEGMENT], most - begun));
            assert!(waits(&[limits.due - SEGMENT], most - begun + 1));
            assert!(waits(&[0], most + 1));
        }
    }
}
