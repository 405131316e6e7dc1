//! Manifests of a taken cartridge.
//!
//! A commit puts the state of one moment on the shelf, at which all files were synchronised: the length of each long file, and the bytes
//! of each small one. Meanwhile files may be changed. If bytes of a long file before its length then are changed before all of
//! them were put, the commit is given up.

use super::cached_cartridge::{CachedCartridge, OpenFile, State};
use super::local::SparseFile;
use super::{Durability, lock};
use crate::manifest::{Content, Extent, FileContent};
use crate::owned::{CommitError, OwnedCartridge};
use crate::protection::Protection;
use crate::segment::SEGMENT_LEN;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use tape_store::backend::TakenOver;
use tape_store::mam::Mam;
use tokio::time::Instant;

/// The files of a cartridge at one moment.
pub(super) struct Snapshot {
    files: BTreeMap<String, FileSnapshot>,
    /// Number of the changes of the names of files.
    renames: u64,
}

struct FileSnapshot {
    local: Arc<SparseFile>,
    /// Number of the changes of the file.
    changes: u64,
    content: SnapshotContent,
}

#[derive(Clone)]
enum SnapshotContent {
    /// A small file that is not changed.
    Shelved(FileContent),
    /// The bytes of a small file.
    Small(Bytes),
    /// The bytes of a long file up to this offset.
    Long(u64),
}

/// The purpose of a commit.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// No host waits for it.
    Background,
    Commit,
    Release,
}

/// Parts of files that become a segment.
#[derive(Default)]
struct NextSegment {
    content: Vec<u8>,
    /// The file of each part, and its extent, without the name of the segment.
    parts: Vec<(String, Extent)>,
}

/// The new extents of each file.
type NewExtents = BTreeMap<String, Vec<Extent>>;

impl FileSnapshot {
    fn of(file: &OpenFile, former: Option<&Self>) -> io::Result<Self> {
        let (tracked, changes) = (&file.tracked, file.tracked.changes());
        let is_same = |former: &&Self| former.changes == changes && Arc::ptr_eq(&former.local, &file.local);
        let content = match former.filter(is_same).map(|former| &former.content) {
            Some(small @ SnapshotContent::Small(_)) if tracked.is_changed() => small.clone(),
            _ if !tracked.is_small() => SnapshotContent::Long(tracked.len()),
            _ if !tracked.is_changed() => SnapshotContent::Shelved(tracked.extents(&(0..tracked.len()))),
            _ => SnapshotContent::Small(file.local.read_range(&(0..tracked.len()))?.into()),
        };
        Ok(Self { local: Arc::clone(&file.local), changes, content })
    }

    /// Whether the file still has the bytes of the snapshot, or the snapshot itself has them.
    fn is_valid(&self, now: Option<&OpenFile>, changed_from: impl Fn(&OpenFile) -> u64) -> bool {
        let SnapshotContent::Long(len) = self.content else { return true };
        now.is_some_and(|now| Arc::ptr_eq(&now.local, &self.local) && changed_from(now) >= len)
    }
}

impl Snapshot {
    fn of(state: &State, former: Option<&Self>) -> io::Result<Self> {
        let of = |(name, file): (&String, &OpenFile)| {
            let former = former.and_then(|former| former.files.get(name));
            Ok((name.clone(), FileSnapshot::of(file, former)?))
        };
        Ok(Self { files: state.files.iter().map(of).collect::<io::Result<_>>()?, renames: state.renames })
    }

    /// Whether a change of a file from this offset on leaves the snapshot valid.
    pub(super) fn allows_change(&self, name: &str, from: u64) -> bool {
        !self.files.get(name).is_some_and(|file| matches!(file.content, SnapshotContent::Long(len) if from < len))
    }

    fn is_valid(&self, state: &State) -> bool {
        let changed_from = |file: &OpenFile| file.tracked.changed_from();
        self.files.iter().all(|(name, file)| file.is_valid(state.files.get(name), changed_from))
    }
}

impl CachedCartridge {
    /// Makes what was synchronised durable as the shelf promises: with [`Durability::Remote`], it is on the shelf when this returns.
    pub(crate) fn synchronised(self: &Arc<Self>) -> io::Result<()> {
        match self.shared.setup.durability {
            Durability::Local => self.synchronised_here(),
            Durability::Remote => self.commit_grouped(),
        }
    }

    /// All files were made durable on this machine: a task can commit this state.
    pub(super) fn synchronised_here(&self) -> io::Result<()> {
        let mut state = lock(&self.state);
        Self::check_owned(&state)?;
        state.pending = match state.is_changed() {
            true => Some(Snapshot::of(&state, state.pending.as_ref())?),
            false => None,
        };
        Ok(())
    }

    /// Commits, but at most once in the interval of the setup.
    fn commit_grouped(self: &Arc<Self>) -> io::Result<()> {
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
        lock(&self.state).is_changed()
    }

    /// Puts everything on the shelf, with a manifest that names it.
    pub(crate) fn commit(self: &Arc<Self>) -> io::Result<()> {
        let _committing = lock(&self.committing);
        Self::check_owned(&lock(&self.state))?;
        if !self.is_changed() {
            return self.store_stale_record(&mut lock(&self.state));
        }
        self.commit_all(Kind::Commit)
    }

    /// Puts everything on the shelf, and releases the cartridge, unless it is.
    pub(crate) fn release(self: &Arc<Self>) -> io::Result<()> {
        let _committing = lock(&self.committing);
        Self::check_owned(&lock(&self.state))?;
        {
            let mut state = lock(&self.state);
            if state.record.is_released {
                return self.store_stale_record(&mut state);
            }
        }
        self.commit_all(Kind::Release)
    }

    /// Commits what was synchronised last, if this is still possible. Returns whether it was.
    pub(super) fn commit_pending(self: &Arc<Self>) -> io::Result<bool> {
        let _committing = lock(&self.committing);
        let mut state = lock(&self.state);
        Self::check_owned(&state)?;
        let Some(snapshot) = state.pending.take().filter(|_| !state.record.is_released) else { return Ok(false) };
        state.files.values_mut().for_each(|file| file.tracked.begin_commit());
        drop(state);
        let committed = self.commit_snapshot(&snapshot, Kind::Background);
        let mut state = lock(&self.state);
        let can_continue = state.taken_over_by.is_none() && state.pending.is_none();
        if committed.is_err() && can_continue && snapshot.is_valid(&state) {
            state.pending = Some(snapshot);
        }
        committed
    }

    /// Commits the present files. A reader of the same process may change the cartridge memory meanwhile: then this is repeated.
    fn commit_all(self: &Arc<Self>, kind: Kind) -> io::Result<()> {
        loop {
            let mut state = lock(&self.state);
            let snapshot = Snapshot::of(&state, None)?;
            state.pending = None;
            state.files.values_mut().for_each(|file| file.tracked.begin_commit());
            drop(state);
            if self.commit_snapshot(&snapshot, kind)? {
                return Ok(());
            }
        }
    }

    /// Records that the replica will not have a manifest with this content.
    fn begin_replication(&self, former: &Content, content: &Content) -> io::Result<()> {
        let Some(replication) = self.shared.replications.of(&self.barcode) else { return Ok(()) };
        let former = former.segments();
        let new = content.segments().into_iter().filter(|(segment, _)| !former.contains_key(segment));
        replication.begin_change(&self.barcode, new.map(|(_, bytes)| bytes).sum())
    }

    /// Whether the cartridge was released, and was not changed since.
    pub(crate) fn is_released(&self) -> bool {
        lock(&self.state).record.is_released
    }

    /// Leaves the local files to the cache, after the release.
    pub(crate) fn leave_to_cache(&self) {
        self.shared.cache.release(&self.barcode, lock(&self.state).record.cached_bytes());
    }

    /// Puts a snapshot on the shelf, with a manifest that names it; `false` if files were changed before it was there.
    fn commit_snapshot(self: &Arc<Self>, snapshot: &Snapshot, kind: Kind) -> io::Result<bool> {
        self.sync_files()?;
        let mut new = self.put_files(snapshot, kind)?;
        let state = lock(&self.state);
        if !snapshot.is_valid(&state) {
            return Ok(false);
        }
        let content = |(name, file): (&String, &FileSnapshot)| {
            let new = new.remove(name).unwrap_or_default();
            let content = match &file.content {
                SnapshotContent::Shelved(content) => content.clone(),
                SnapshotContent::Small(bytes) => {
                    FileContent { len: bytes.len() as u64, extents: new, ..FileContent::default() }
                }
                SnapshotContent::Long(len) => state.files.get(name)?.tracked.content_with(new, *len),
            };
            Some((name.clone(), content))
        };
        let content = Content { files: snapshot.files.iter().filter_map(content).collect() };
        drop(state);
        let mut owned = self.runtime.block_on(self.owned.lock());
        if let Some(SnapshotContent::Small(memory)) = snapshot.files.get(Mam::FILE).map(|file| &file.content)
            && let Some(protection) = Protection::of_memory(memory, owned.protection())
        {
            owned.set_protection(protection);
        }
        self.begin_replication(owned.content(), &content)?;
        let (had_files, has_files) = (!owned.content().files.is_empty(), !content.files.is_empty());
        let is_release = kind == Kind::Release;
        let committed = match is_release {
            true => self.runtime.block_on(owned.release(content.clone())),
            false => self.runtime.block_on(owned.commit(content.clone())),
        };
        if let Some(replication) = self.shared.replications.of(&self.barcode) {
            replication.end_change(&self.barcode, is_release && committed.is_ok());
        }
        if committed.is_ok() && had_files != has_files {
            self.shared.catalog.note(&self.barcode, has_files);
        }
        self.committed(&owned, snapshot, content, committed, is_release)?;
        Ok(true)
    }

    fn committed(
        &self,
        owned: &OwnedCartridge,
        snapshot: &Snapshot,
        content: Content,
        committed: Result<(), CommitError>,
        is_release: bool,
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
        // Until the record counts them as shelved, the bytes of this commit must not be removed from the local files: after a crash,
        // they would be taken for local data.
        state.is_record_stale = true;
        for (name, shelved) in content.files {
            let (Some(then), Some(file)) = (snapshot.files.get(&name), state.files.get_mut(&name)) else { continue };
            // The bytes of a small file that was changed since are those of another state: they are no part of a file that is long now.
            let is_part = matches!(then.content, SnapshotContent::Long(_)) || file.tracked.changes() == then.changes;
            if is_part && Arc::ptr_eq(&then.local, &file.local) {
                file.tracked.committed(shelved, then.changes);
                self.recount(file);
            }
        }
        state.shelved_renames = snapshot.renames;
        let is_released = is_release && !state.is_changed();
        if is_released {
            // The record names the cached bytes, whose checksums were compared when they were fetched.
            for file in state.files.values_mut().filter(|file| file.is_unsynchronised) {
                file.local.sync()?;
                file.is_unsynchronised = false;
            }
        }
        state.last_commit = Some(Instant::now());
        (state.record.version, state.record.nonce) = (owned.version(), owned.nonce().to_owned());
        state.record.is_released = is_released;
        self.store_record(&mut state)
    }

    /// Makes the local files durable: the shelf is never ahead of them.
    fn sync_files(&self) -> io::Result<()> {
        let state = lock(&self.state);
        let changed = state.files.values().filter(|file| file.tracked.is_changed());
        let changed: Vec<_> = changed.map(|file| Arc::clone(&file.local)).collect();
        drop(state);
        changed.iter().try_for_each(|file| file.sync())
    }

    /// Puts the parts of a snapshot on the shelf that are on no segment, and returns their extents.
    fn put_files(self: &Arc<Self>, snapshot: &Snapshot, kind: Kind) -> io::Result<NewExtents> {
        let long = |(name, file): (_, &FileSnapshot)| match file.content {
            SnapshotContent::Long(len) => Some((name, len)),
            _ => None,
        };
        let runtime = if kind == Kind::Background { &self.uploads } else { &self.runtime };
        snapshot.files.iter().filter_map(long).for_each(|(name, len)| self.spawn_seals(name, len, runtime));
        let (mut new, mut next) = (NewExtents::new(), NextSegment::default());
        for (name, file) in &snapshot.files {
            if let SnapshotContent::Small(bytes) = &file.content {
                self.put_bytes(name, 0, bytes, &mut next, &mut new)?;
            }
        }
        // The cartridge memory must be readable at once: it is in no segment of the class.
        if self.shelf.class().is_some() && !next.content.is_empty() {
            self.put_parts(&mut next, &mut new)?;
        }
        for (name, file) in &snapshot.files {
            if let SnapshotContent::Long(len) = file.content {
                self.put_rest(name, file, len, &mut next, &mut new)?;
            }
        }
        if !next.content.is_empty() {
            self.put_parts(&mut next, &mut new)?;
        }
        Ok(new)
    }

    /// Puts what no segment has of a long file up to the offset `end`.
    fn put_rest(
        &self,
        name: &str,
        file: &FileSnapshot,
        end: u64,
        next: &mut NextSegment,
        new: &mut NewExtents,
    ) -> io::Result<()> {
        // A task that has failed leaves its part to this commit.
        self.wait_for_seals(name, end);
        let unsealed = lock(&self.state).files.get(name).map(|file| file.tracked.unsealed(end));
        for mut range in unsealed.unwrap_or_default() {
            while !range.is_empty() {
                let piece = range.start..range.end.min(range.start + (SEGMENT_LEN - next.content.len()) as u64);
                // A local file that something has truncated meanwhile.
                let of_file = |error: io::Error| io::Error::new(error.kind(), format!("local file {name}: {error}"));
                let bytes = file.local.read_range(&piece).map_err(of_file)?;
                self.put_bytes(name, piece.start, &bytes, next, new)?;
                range.start = piece.end;
            }
        }
        Ok(())
    }

    fn put_bytes(
        &self,
        name: &str,
        mut offset: u64,
        mut bytes: &[u8],
        next: &mut NextSegment,
        new: &mut NewExtents,
    ) -> io::Result<()> {
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(SEGMENT_LEN - next.content.len()));
            next.push(name, offset, now);
            (offset, bytes) = (offset + now.len() as u64, later);
            if next.content.len() == SEGMENT_LEN {
                self.put_parts(next, new)?;
            }
        }
        Ok(())
    }

    /// Puts a segment, and adds its parts to the extents of their files.
    fn put_parts(&self, next: &mut NextSegment, new: &mut NewExtents) -> io::Result<()> {
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
