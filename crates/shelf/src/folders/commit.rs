//! Segments and manifests of a taken cartridge.

use super::cached_cartridge::{CachedCartridge, OpenFile, State};
use super::local::SparseFile;
use super::{Durability, lock};
use crate::ShelfError;
use crate::keys::CartridgeKeys;
use crate::manifest::{Content, Extent};
use crate::owned::{CommitError, OwnedCartridge};
use crate::segment::{self, SEGMENT_LEN};
use crate::transfer::create_segment;
use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard};
use tape_store::backend::TakenOver;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// Parts of files, in bytes, that wait for the store before writes wait too; if the cache is larger, that much.
const MIN_UNSHELVED: u64 = 256 << 20;

/// A part of a file that is on no segment.
struct Unsealed {
    file: String,
    local: Arc<SparseFile>,
    range: Range<u64>,
}

/// Parts of files that become a segment.
#[derive(Default)]
struct NextSegment {
    content: Vec<u8>,
    /// The file of each part, and its extent, without the name of the segment.
    parts: Vec<(String, Extent)>,
}

impl CachedCartridge {
    /// Lets a writer wait while too much waits for the store.
    pub(super) fn wait_for_seals(&self, mut state: MutexGuard<'_, State>) -> io::Result<()> {
        let limit = self.shared.cache.limit().max(MIN_UNSHELVED) / SEGMENT_LEN as u64;
        if (state.sealing.len() as u64) < limit {
            return Ok(());
        }
        let first = state.sealing.remove(0);
        drop(state);
        self.runtime.block_on(first).map_err(io::Error::other)
    }

    fn segment_name(&self) -> Result<String, ShelfError> {
        let number = self.last_segment.fetch_add(1, Ordering::Relaxed) + 1;
        Ok(segment::name_of(self.epoch, number, &self.shelf.nonce()?, self.shelf.is_encrypted()))
    }

    async fn put_segment(&self, content: Vec<u8>) -> Result<String, ShelfError> {
        let name = self.segment_name()?;
        let key = CartridgeKeys::new(&self.barcode).segment(&name);
        let data_key = self.shelf.data_key_for_writing(&self.barcode).await?;
        let object = segment::encode(&name, &content, data_key.as_deref())?;
        drop(content);
        create_segment(self.shelf.objects(), &key, object).await?;
        Ok(name)
    }

    /// Puts a part of a file on the shelf before a commit names it. If that fails, the commit does it.
    pub(super) fn spawn_seal(
        self: &Arc<Self>,
        name: String,
        number: u64,
        range: Range<u64>,
        local: Arc<SparseFile>,
    ) -> JoinHandle<()> {
        let (this, seals) = (Arc::downgrade(self), Arc::clone(&self.seals));
        self.runtime.spawn(async move {
            let Ok(_permit) = seals.acquire().await else { return };
            let Some(this) = this.upgrade() else { return };
            let (read, from) = (range.clone(), Arc::clone(&local));
            let sealed = match tokio::task::spawn_blocking(move || from.read_range(&read)).await {
                Ok(Ok(bytes)) => this.put_segment(bytes).await.map_err(io::Error::other),
                Ok(Err(error)) => Err(error),
                Err(ended) => Err(io::Error::other(ended)),
            };
            let extent = sealed
                .map(|segment| Extent { offset: range.start, len: range.end - range.start, segment, at: 0 })
                .inspect_err(|error| tracing::debug!(barcode = this.barcode, %error, "a segment was not put"))
                .ok();
            // The cartridge may have been released meanwhile, and the file removed.
            let _ = this.with_file(&name, |file| {
                // Another file may have this name now.
                if Arc::ptr_eq(&file.local, &local) {
                    file.tracked.sealed(number, extent);
                }
                Ok(())
            });
        })
    }

    /// Makes what was synchronised durable as the shelf promises: with [`Durability::Remote`], it is on the shelf when this returns.
    pub(crate) fn synchronised(&self) -> io::Result<()> {
        match self.shared.setup.durability {
            Durability::Local => Self::check_owned(&lock(&self.state)),
            Durability::Remote => self.commit_grouped(),
        }
    }

    /// Commits, but at most once in the interval of the setup.
    fn commit_grouped(&self) -> io::Result<()> {
        let last = lock(&self.state).last_commit;
        if self.is_changed()
            && let Some(last) = last
        {
            let interval = self.shared.setup.commit_interval;
            self.runtime.block_on(async move { tokio::time::sleep_until(last + interval).await });
        }
        self.commit()
    }

    fn is_changed(&self) -> bool {
        let state = lock(&self.state);
        state.has_other_files || state.files.values().any(|file| file.tracked.is_changed())
    }

    /// Puts everything on the shelf, with a manifest that names it.
    pub(crate) fn commit(&self) -> io::Result<()> {
        Self::check_owned(&lock(&self.state))?;
        if !self.is_changed() {
            return Ok(());
        }
        let content = self.put_files()?;
        let mut owned = self.runtime.block_on(self.owned.lock());
        let committed = self.runtime.block_on(owned.commit(content.clone()));
        self.committed(&owned, content, committed, false)
    }

    /// Puts everything on the shelf, and releases the cartridge, unless it is.
    pub(crate) fn release(&self) -> io::Result<()> {
        Self::check_owned(&lock(&self.state))?;
        if lock(&self.state).record.is_released {
            return Ok(());
        }
        let content = self.put_files()?;
        let mut owned = self.runtime.block_on(self.owned.lock());
        let committed = self.runtime.block_on(owned.release(content.clone()));
        self.committed(&owned, content, committed, true)
    }

    /// Whether the cartridge was released, and was not changed since.
    pub(crate) fn is_released(&self) -> bool {
        lock(&self.state).record.is_released
    }

    /// Leaves the local files to the cache, after the release.
    pub(crate) fn leave_to_cache(&self) {
        self.shared.cache.release(&self.barcode, lock(&self.state).record.cached_bytes());
    }

    fn committed(
        &self,
        owned: &OwnedCartridge,
        content: Content,
        committed: Result<(), CommitError>,
        is_released: bool,
    ) -> io::Result<()> {
        let mut state = lock(&self.state);
        match committed {
            Ok(()) => {}
            Err(CommitError::TakenOver { owner, .. }) => {
                tracing::error!(barcode = self.barcode, owner, "the cartridge was taken over by another daemon");
                state.taken_over_by = Some(owner.clone());
                return Err(TakenOver { owner }.into());
            }
            Err(CommitError::Shelf(error)) => return Err(io::Error::other(error)),
        }
        for (name, shelved) in content.files {
            if let Some(file) = state.files.get_mut(&name) {
                file.tracked.committed(shelved);
                self.recount(file);
            }
        }
        if is_released {
            // The record names the cached bytes, whose checksums were compared when they were fetched.
            state.files.values().try_for_each(|file| file.local.sync())?;
        }
        state.has_other_files = false;
        state.last_commit = Some(Instant::now());
        (state.record.version, state.record.nonce) = (owned.version(), owned.nonce().to_owned());
        state.record.is_released = is_released;
        self.store_record(&mut state)
    }

    /// Puts the parts of all files on the shelf that it does not have, and returns the content that names them.
    fn put_files(&self) -> io::Result<Content> {
        let sealing = std::mem::take(&mut lock(&self.state).sealing);
        // A task that has failed leaves its part to this commit; none may end later.
        for task in sealing {
            let _ = self.runtime.block_on(task);
        }
        let mut new: BTreeMap<String, Vec<Extent>> = BTreeMap::new();
        let mut next = NextSegment::default();
        for Unsealed { file, local, mut range } in self.unsealed()? {
            while !range.is_empty() {
                let room = (SEGMENT_LEN - next.content.len()) as u64;
                let piece = range.start..range.end.min(range.start + room);
                next.push(&file, piece.start, &local.read_range(&piece)?);
                range.start = piece.end;
                if next.content.len() == SEGMENT_LEN {
                    self.put_parts(&mut next, &mut new)?;
                }
            }
        }
        if !next.content.is_empty() {
            self.put_parts(&mut next, &mut new)?;
        }
        let state = lock(&self.state);
        let content = |(name, file): (&String, &OpenFile)| {
            (name.clone(), file.tracked.content_with(new.remove(name).unwrap_or_default()))
        };
        Ok(Content { files: state.files.iter().map(content).collect() })
    }

    /// Makes the local files durable, and returns the parts that are on no segment: the shelf is never ahead of them.
    fn unsealed(&self) -> io::Result<Vec<Unsealed>> {
        let mut state = lock(&self.state);
        let mut parts = Vec::new();
        for (name, file) in &mut state.files {
            if file.tracked.is_changed() {
                file.local.sync()?;
            }
            let of = |range| Unsealed { file: name.clone(), local: Arc::clone(&file.local), range };
            parts.extend(file.tracked.unsealed().into_iter().map(of));
        }
        Ok(parts)
    }

    /// Puts a segment, and adds its parts to the extents of their files.
    fn put_parts(&self, next: &mut NextSegment, new: &mut BTreeMap<String, Vec<Extent>>) -> io::Result<()> {
        let NextSegment { content, parts } = std::mem::take(next);
        let segment = self.runtime.block_on(self.put_segment(content)).map_err(io::Error::other)?;
        for (file, extent) in parts {
            new.entry(file).or_default().push(Extent { segment: segment.clone(), ..extent });
        }
        Ok(())
    }
}

impl NextSegment {
    fn push(&mut self, file: &str, offset: u64, bytes: &[u8]) {
        let at = self.content.len() as u64;
        let extent = Extent { offset, len: bytes.len() as u64, segment: String::new(), at };
        self.parts.push((file.to_owned(), extent));
        self.content.extend_from_slice(bytes);
    }
}
