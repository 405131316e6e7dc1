//! A cartridge that this daemon has taken, with its files in a local directory.

use super::commit::Snapshot;
use super::local::{LocalDirectory, LocalFile, LocalRecord, SparseFile};
use super::prefetch::Prefetch;
use super::reading::RESERVE;
use super::recent::Seen;
use super::thawing::{Segments, renew_daily};
use super::tracked_file::{SMALL_LEN, TrackedFile};
use super::{Shared, lock};
use crate::manifest::{Content, FileContent};
use crate::owned::OwnedCartridge;
use crate::protection::Protection;
use crate::{Manifest, Shelf, ShelfError, TakeError};
use rustix::fs::Advice;
use std::collections::BTreeMap;
use std::io::{self, IoSlice, IoSliceMut};
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use tape_store::backend::{Folder, FolderProtection, MAX_SMALL_FILE, TakenOver};
use tape_store::mam::Mam;
use tokio::runtime::Handle;
use tokio::sync::{Mutex as AsyncMutex, Semaphore};
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// Segments that are put at the same time before a commit.
const PARALLEL_SEALS: usize = 4;

/// A file: its bookkeeping and its local file.
pub(super) struct OpenFile {
    pub(super) tracked: TrackedFile,
    pub(super) local: Arc<SparseFile>,
    /// End and length of the last range that was fetched.
    pub(super) fetched: (u64, u64),
    /// Bytes of the file that the cache counts.
    pub(super) counted: u64,
    /// Whether fetched bytes may not be durable in the local file.
    pub(super) is_unsynchronised: bool,
}

impl OpenFile {
    const fn new(tracked: TrackedFile, local: Arc<SparseFile>) -> Self {
        Self { tracked, local, fetched: (0, 0), counted: 0, is_unsynchronised: false }
    }
}

pub(super) struct State {
    pub(super) files: BTreeMap<String, OpenFile>,
    pub(super) record: LocalRecord,
    /// The daemon that has taken the cartridge over.
    pub(super) taken_over_by: Option<String>,
    /// Number of the changes of the names of files, and the number at the newest manifest.
    pub(super) renames: u64,
    pub(super) shelved_renames: u64,
    pub(super) last_commit: Option<Instant>,
    /// What was synchronised on this machine, and is to be committed in the background.
    pub(super) pending: Option<Snapshot>,
    /// When the cartridge was taken, or a commit in the background has ended.
    pub(super) last_attempt: Instant,
    /// When a file was changed.
    pub(super) last_change: Instant,
    /// When the disk had no room for fetched bytes.
    pub(super) disk_full_since: Option<Instant>,
    /// Whether the stored record may be another than this one, because it could not be stored.
    pub(super) is_record_stale: bool,
    /// Whether the local files are prepared, so that a record of them can be stored.
    is_prepared: bool,
}

impl State {
    /// Whether the files differ from those of the newest manifest.
    pub(super) fn is_changed(&self) -> bool {
        self.renames != self.shelved_renames || self.files.values().any(|file| file.tracked.is_changed())
    }

    /// A file is changed from this offset on: what was synchronised may no longer be there as a whole.
    fn changes(&mut self, name: &str, from: u64) {
        self.pending = self.pending.take().filter(|pending| pending.allows_change(name, from));
        self.last_change = Instant::now();
    }
}

/// A cartridge that this daemon has taken. All methods block the calling thread, which must not be one of the runtime.
pub(crate) struct CachedCartridge {
    pub(super) shelf: Shelf,
    pub(super) runtime: Handle,
    pub(super) shared: Arc<Shared>,
    pub(super) barcode: String,
    pub(super) epoch: u64,
    pub(super) directory: LocalDirectory,
    pub(super) owned: AsyncMutex<OwnedCartridge>,
    pub(super) state: Mutex<State>,
    pub(super) last_segment: AtomicU64,
    pub(super) seals: Arc<Semaphore>,
    /// Signalled with the state when a segment was put, or was not.
    pub(super) sealed: Condvar,
    /// The threads that put segments before a commit.
    pub(super) uploads: Handle,
    /// Locked during a commit.
    pub(super) committing: Mutex<()>,
    /// Whether a task commits in the background.
    pub(super) is_in_background: AtomicBool,
    pub(super) beats: JoinHandle<()>,
    /// Renews the restored copies of segments.
    renewals: Option<JoinHandle<()>>,
}

impl Drop for CachedCartridge {
    fn drop(&mut self) {
        self.beats.abort();
        if let Some(renewals) = &self.renewals {
            renewals.abort();
        }
        let state = lock(&self.state);
        // The files of a released cartridge stay in the cache.
        if !state.record.is_released {
            self.shared.cache.remove(state.files.values().map(|file| file.counted).sum());
        }
    }
}

fn take_error(error: TakeError) -> io::Error {
    match error {
        TakeError::Missing { .. } => io::ErrorKind::NotFound.into(),
        TakeError::InUse { .. } => {
            tracing::info!(%error, "the cartridge cannot be taken");
            io::Error::new(io::ErrorKind::WouldBlock, error)
        }
        TakeError::Shelf(error) => io::Error::other(error),
    }
}

impl CachedCartridge {
    /// Takes a cartridge from the shelf, and prepares its local files: those of an interrupted use are continued if no other
    /// daemon has used the cartridge since. `known` is what was found of the cartridge, and may be old.
    pub(crate) fn take(
        shelf: &Shelf,
        runtime: &Handle,
        shared: &Arc<Shared>,
        barcode: &str,
        known: Option<&Seen>,
    ) -> io::Result<Self> {
        let directory = LocalDirectory::at(shared.setup.directory.join(barcode));
        shared.cache.claim(barcode);
        let nonce = shelf.nonce().map_err(io::Error::other)?;
        let mut old = directory.record()?;
        let mut ended = lock(&shared.failed_leases).get(barcode).cloned().unwrap_or_default();
        if let Some(old) = old.as_mut().filter(|old| !old.is_released) {
            // One process uses the directory at a time: the processes that have asked for these leases have ended.
            ended.extend_from_slice(&old.leases);
            old.leases.push(nonce.clone());
            directory.store(old)?;
        }
        let prefetch = Prefetch::spawn(shelf, runtime, known, old.as_ref());
        let known = known.map(|known| &known.found);
        let taken = runtime.block_on(shelf.take_with(barcode, nonce.clone(), &ended, known));
        let (owned, former) = taken.map_err(take_error).inspect_err(|_| {
            // The lease may exist, or be created yet: this process does not use it.
            lock(&shared.failed_leases).entry(barcode.to_owned()).or_default().push(nonce.clone());
            if let Some(old) = old.as_ref().filter(|old| old.is_released) {
                shared.cache.release(barcode, old.cached_bytes());
            }
        })?;
        lock(&shared.failed_leases).remove(barcode);
        while shared.free_disk_bytes().is_some_and(|free| free < RESERVE) && shared.cache.remove_oldest() {}
        let taken = Self::new(shelf, runtime, shared, directory, owned, nonce.clone());
        let prepared = taken.prepare(old, &former, prefetch);
        if prepared.is_err() {
            // Nothing was changed: others need not wait for the end of the lease.
            let released = runtime.block_on(async {
                let mut owned = taken.owned.lock().await;
                let content = owned.content().clone();
                owned.release(content).await
            });
            if let Err(error) = released {
                tracing::debug!(barcode, %error, "the lease of a failed taking ends by itself");
                lock(&shared.failed_leases).entry(barcode.to_owned()).or_default().push(nonce);
            }
        }
        if let Err(error) = prepared {
            drop(taken);
            // The files that an earlier use has left in the cache can be removed again.
            let left = LocalDirectory::at(shared.setup.directory.join(barcode)).record().ok().flatten();
            if let Some(left) = left.filter(|left| left.is_released) {
                shared.cache.add(left.cached_bytes());
                shared.cache.release(barcode, left.cached_bytes());
            }
            return Err(error);
        }
        Ok(taken)
    }

    /// Prepares the local files after the taking.
    fn prepare(&self, old: Option<LocalRecord>, former: &Manifest, prefetch: Prefetch) -> io::Result<()> {
        match old {
            Some(old) if self.continues(&old, former)? => self.continue_files(&old, former.content.clone())?,
            old => self.create_files(old.as_ref(), former.content.clone())?,
        }
        let mut state = lock(&self.state);
        let mut prefetch = prefetch.of(former);
        self.use_small_files(&mut state, &mut prefetch)?;
        self.fetch_small_files(&mut state)?;
        // The record counts small files as local: they must not be less durable than it.
        for file in state.files.values().filter(|file| file.tracked.is_small()) {
            file.local.sync()?;
        }
        self.store_record(&mut state)?;
        state.is_prepared = true;
        self.use_long_files(&mut state, prefetch)?;
        drop(state);
        self.protect_as(former.protection)
    }

    /// The bytes of a cartridge memory.
    fn memory(&self, name: &str) -> io::Result<Vec<u8>> {
        let len = self.len(name)?.min(MAX_SMALL_FILE);
        let mut bytes = vec![0; usize::try_from(len).map_err(io::Error::other)?];
        let got = self.read(name, 0, &mut [IoSliceMut::new(&mut bytes)])?;
        bytes.truncate(got);
        Ok(bytes)
    }

    /// The retention, by the clock of the store, or the legal hold of the newest manifest, or of the cartridge memory.
    pub(super) fn protection(&self) -> io::Result<Option<FolderProtection>> {
        let mut owned = self.runtime.block_on(self.owned.lock());
        let checked = self.runtime.block_on(owned.check_unprotected());
        let shelved = owned.protection();
        drop(owned);
        let now = match checked {
            Err(ShelfError::Protected { reason, .. }) => {
                // A hold whose release was interrupted may be in the store for some of the objects.
                return Ok(Some(FolderProtection { reason, in_store: shelved.in_store || shelved.release_begun }));
            }
            checked => checked.map_err(io::Error::other)?,
        };
        let memory = if self.has(Mam::FILE) { self.memory(Mam::FILE)? } else { Vec::new() };
        let reason = Protection::of_memory(&memory, shelved).and_then(|protection| protection.reason(now));
        Ok(reason.map(|reason| FolderProtection { reason, in_store: false }))
    }

    /// Adds the protection of the newest manifest of this process to a cartridge memory that lacks it: a request that failed may have
    /// created the manifest.
    pub(super) fn add_protection(&self) -> io::Result<()> {
        let protection = self.runtime.block_on(self.owned.lock()).protection();
        self.protect_as(protection)
    }

    /// Adds the protection of the newest manifest to a cartridge memory that lacks it, so that drives refuse to overwrite the data.
    fn protect_as(&self, protection: Protection) -> io::Result<()> {
        for name in [Mam::FILE, Mam::COPY].into_iter().filter(|name| !protection.is_none() && self.has(name)) {
            let bytes = self.memory(name)?;
            if let Some(protected) = protection.added_to_memory(&bytes) {
                tracing::warn!(
                    barcode = self.barcode,
                    file = name,
                    "the cartridge memory lacks the protection that the shelf has; it is added"
                );
                self.replace(name, &protected)?;
            }
        }
        Ok(())
    }

    fn new(
        shelf: &Shelf,
        runtime: &Handle,
        shared: &Arc<Shared>,
        directory: LocalDirectory,
        owned: OwnedCartridge,
        lease: String,
    ) -> Self {
        let epoch = owned.epoch();
        let record = LocalRecord {
            epoch,
            version: owned.version(),
            nonce: owned.nonce().to_owned(),
            is_released: false,
            leases: vec![lease],
            files: BTreeMap::new(),
        };
        let state = State {
            files: BTreeMap::new(),
            record,
            taken_over_by: None,
            renames: 0,
            shelved_renames: 0,
            last_commit: None,
            pending: None,
            last_attempt: Instant::now(),
            last_change: Instant::now(),
            disk_full_since: None,
            is_record_stale: true,
            is_prepared: false,
        };
        let barcode = owned.keys().barcode().to_owned();
        // Beside the commits, which may take longer than the lease.
        let beats = runtime.spawn(owned.heartbeats());
        let renewals = shelf.objects().requests().is_some().then(|| {
            let segments = owned.content().segments();
            runtime.spawn(renew_daily(shelf.objects().clone(), barcode.clone(), segments, shelf.thaw))
        });
        let owned = AsyncMutex::new(owned);
        Self {
            shelf: shelf.clone(),
            runtime: runtime.clone(),
            shared: Arc::clone(shared),
            barcode,
            epoch,
            directory,
            owned,
            state: Mutex::new(state),
            last_segment: AtomicU64::new(0),
            seals: Arc::new(Semaphore::new(PARALLEL_SEALS)),
            sealed: Condvar::new(),
            uploads: shared.uploads.clone().unwrap_or_else(|| runtime.clone()),
            committing: Mutex::default(),
            is_in_background: AtomicBool::new(false),
            beats,
            renewals,
        }
    }

    /// Whether the local files belong to the content of this manifest: no other daemon has changed the cartridge since.
    fn continues(&self, old: &LocalRecord, newest: &Manifest) -> io::Result<bool> {
        if (old.version, &old.nonce) == (newest.version, &newest.nonce) {
            return Ok(true);
        }
        let continues = async {
            // This machine may have been interrupted after it had taken the cartridge. Each epoch since must be its own.
            if !old.is_released && self.are_own(old, old.epoch + 1..=newest.epoch).await? {
                return Ok(true);
            }
            // Another program may have taken the cartridge without a change.
            let then = self.shelf.manifest(&self.barcode, old.version).await?;
            Ok::<_, ShelfError>(then.is_some_and(|then| then.nonce == old.nonce && then.content == newest.content))
        };
        self.runtime.block_on(continues).map_err(io::Error::other)
    }

    /// Whether this machine has asked for the leases of all these epochs.
    async fn are_own(&self, old: &LocalRecord, epochs: RangeInclusive<u64>) -> Result<bool, ShelfError> {
        for epoch in epochs {
            let nonce = self.shelf.lease_nonce(&self.barcode, epoch).await?;
            if nonce.is_none_or(|nonce| !old.leases.contains(&nonce)) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Continues with the local files of an earlier use.
    fn continue_files(&self, old: &LocalRecord, content: Content) -> io::Result<()> {
        if old.is_released {
            return self.continue_released(old, content);
        }
        let mut state = lock(&self.state);
        let mut content = content.files;
        for name in self.directory.names()? {
            let local = self.directory.open(&name)?;
            let known = old.files.get(&name).cloned().unwrap_or_default();
            // An extension that was not durable when the machine stopped.
            if local.len()? < known.shelved {
                local.set_len(known.shelved)?;
            }
            let shelved = content.remove(&name).unwrap_or_default();
            let tracked = TrackedFile::local(local.len()?, known.shelved, shelved);
            state.files.insert(name, OpenFile::new(tracked, Arc::new(local)));
        }
        state.renames += u64::from(!content.is_empty());
        Ok(())
    }

    /// Continues with the local files of a cartridge that was released: they are only a cache.
    fn continue_released(&self, old: &LocalRecord, content: Content) -> io::Result<()> {
        let mut state = lock(&self.state);
        for name in self.directory.names()? {
            if !content.files.contains_key(&name) {
                self.directory.remove_file(&name)?;
            }
        }
        for (name, shelved) in content.files {
            let local = self.directory.open(&name)?;
            let cached = old.files.get(&name).map_or(&[][..], |file| &file.cached);
            let is_whole = local.len()? == shelved.len;
            if !is_whole {
                local.set_len(0)?;
                local.set_len(shelved.len)?;
            }
            let mut open = OpenFile::new(TrackedFile::shelved(shelved), Arc::new(local));
            for part in cached.iter().filter(|_| is_whole) {
                open.tracked.filled(part.clone());
            }
            open.counted = cached.iter().map(|part| part.end.saturating_sub(part.start)).sum();
            self.recount(&mut open);
            state.files.insert(name, open);
        }
        Ok(())
    }

    /// Creates the local files, without their bytes.
    fn create_files(&self, old: Option<&LocalRecord>, content: Content) -> io::Result<()> {
        match old {
            Some(old) if old.is_released => self.shared.cache.remove(old.cached_bytes()),
            Some(_) => self.set_aside()?,
            None => {}
        }
        self.directory.create_empty()?;
        let mut state = lock(&self.state);
        for (name, file) in content.files {
            let open = self.create_file(&name, file)?;
            state.files.insert(name, open);
        }
        Ok(())
    }

    fn create_file(&self, name: &str, content: FileContent) -> io::Result<OpenFile> {
        let local = self.directory.open(name)?;
        local.set_len(content.len)?;
        Ok(OpenFile::new(TrackedFile::shelved(content), Arc::new(local)))
    }

    /// Local files of an interrupted use that another daemon has followed are not removed: they may have data that was
    /// acknowledged on this machine only.
    fn set_aside(&self) -> io::Result<()> {
        let path = self.directory.set_aside("unshelved")?;
        tracing::warn!(
            barcode = self.barcode,
            path = %path.display(),
            "another daemon has used the cartridge since it was last written here; the former local files were set aside"
        );
        Ok(())
    }

    /// Stores what the local files are. It must be durable before a byte is changed that it counts as shelved.
    pub(super) fn store_record(&self, state: &mut State) -> io::Result<()> {
        let of = |file: &OpenFile| LocalFile {
            shelved: if file.tracked.is_small() { 0 } else { file.tracked.shelved_len() },
            cached: if state.record.is_released { file.tracked.cached() } else { Vec::new() },
        };
        let files = state.files.iter().map(|(name, file)| (name.clone(), of(file))).collect();
        state.record.files = files;
        state.is_record_stale = true;
        self.directory.store(&state.record)?;
        state.is_record_stale = false;
        Ok(())
    }

    /// Whether parts of the local files that are on the shelf can be removed: the record counts them as shelved.
    pub(super) fn may_evict(&self, state: &mut State) -> bool {
        state.is_prepared && self.store_stale_record(state).is_ok()
    }

    /// Stores the record again if this has failed.
    pub(super) fn store_stale_record(&self, state: &mut State) -> io::Result<()> {
        if state.is_record_stale { self.store_record(state) } else { Ok(()) }
    }

    pub(super) fn check_owned(state: &State) -> io::Result<()> {
        let taken_over = |owner: &String| -> io::Error { TakenOver { owner: owner.clone() }.into() };
        state.taken_over_by.as_ref().map(taken_over).map_or(Ok(()), Err)
    }

    /// Called before each change: the local files differ from the shelf from then on, also after a release.
    fn begin_change(&self, state: &mut State) -> io::Result<()> {
        Self::check_owned(state)?;
        if state.record.is_released || state.is_record_stale {
            state.record.is_released = false;
            self.store_record(state)?;
        }
        Ok(())
    }

    /// The names of the files.
    pub(crate) fn names(&self) -> Vec<String> {
        lock(&self.state).files.keys().cloned().collect()
    }

    /// Creates a file if it does not exist.
    pub(crate) fn create(&self, name: &str) -> io::Result<()> {
        let mut state = lock(&self.state);
        self.begin_change(&mut state)?;
        if !state.files.contains_key(name) {
            let open = self.create_file(name, FileContent::default())?;
            state.files.insert(name.to_owned(), open);
            state.renames += 1;
        }
        Ok(())
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        lock(&self.state).files.contains_key(name)
    }

    pub(super) fn with_file<T>(&self, name: &str, call: impl FnOnce(&mut OpenFile) -> io::Result<T>) -> io::Result<T> {
        let mut state = lock(&self.state);
        call(state.files.get_mut(name).ok_or(io::ErrorKind::NotFound)?)
    }

    pub(crate) fn len(&self, name: &str) -> io::Result<u64> {
        self.with_file(name, |file| Ok(file.tracked.len()))
    }

    /// Gives up what the shelf has from an offset on, before the local file is changed there. Until the state is unlocked, no commit
    /// changes that.
    fn lower(&self, name: &str, at: u64) -> io::Result<MutexGuard<'_, State>> {
        let mut state = lock(&self.state);
        self.lower_in(&mut state, name, at)?;
        Ok(state)
    }

    fn lower_in(&self, state: &mut State, name: &str, at: u64) -> io::Result<()> {
        self.begin_change(state)?;
        let file = state.files.get_mut(name).ok_or(io::ErrorKind::NotFound)?;
        if !file.tracked.is_small() && at < file.tracked.shelved_len() {
            file.tracked.cut(at);
            self.recount(file);
            state.changes(name, at);
            self.store_record(state)?;
        }
        Ok(())
    }

    /// As [`Self::lower`], before bytes are written at an offset: what follows them is from now on in the local file only.
    fn lower_for_write(&self, name: &str, offset: u64) -> io::Result<MutexGuard<'_, State>> {
        loop {
            let (shelved, is_small) =
                self.with_file(name, |file| Ok((file.tracked.shelved_len(), file.tracked.is_small())))?;
            if offset < shelved && !is_small {
                self.fetch_all(name, offset..shelved)?;
                self.sync_file(name)?;
            }
            let mut state = lock(&self.state);
            // Otherwise a commit has ended meanwhile.
            if state.files.get(name).is_none_or(|file| file.tracked.shelved_len() <= shelved) {
                self.lower_in(&mut state, name, offset)?;
                return Ok(state);
            }
        }
    }

    pub(crate) fn write(self: &Arc<Self>, name: &str, offset: u64, from: &[IoSlice<'_>]) -> io::Result<()> {
        let len: u64 = from.iter().map(|slice| slice.len() as u64).sum();
        let mut state = self.lower_for_write(name, offset)?;
        let file = state.files.get_mut(name).ok_or(io::ErrorKind::NotFound)?;
        // Also if it fails: then the bytes are unknown.
        let start = offset.min(file.tracked.len());
        file.tracked.written(&(start..start));
        let written = self.write_local(&mut state, name, offset, from, &(offset..u64::MAX));
        if let (Ok(()), Some(file)) = (&written, state.files.get_mut(name)) {
            file.tracked.written(&(offset..offset + len));
        }
        state.changes(name, offset);
        written?;
        self.seal_written(state, name);
        Ok(())
    }

    pub(crate) fn set_len(&self, name: &str, len: u64) -> io::Result<()> {
        if len <= SMALL_LEN && self.len(name)? > SMALL_LEN {
            // A small file is in the local file as a whole.
            self.fetch_all(name, 0..len)?;
        }
        let mut state = self.lower(name, len)?;
        let file = state.files.get_mut(name).ok_or(io::ErrorKind::NotFound)?;
        let was_small = file.tracked.is_small();
        let former = file.tracked.len();
        file.local.set_len(len)?;
        file.tracked.set_len(len);
        self.recount(file);
        let is_small = file.tracked.is_small();
        state.changes(name, len.min(former));
        if was_small == is_small {
            return Ok(());
        }
        let file = state.files.get_mut(name).ok_or(io::ErrorKind::NotFound)?;
        // A small file counts as local from its beginning.
        file.local.sync()?;
        self.store_record(&mut state)
    }

    /// Tells the system how a range of the local file is used next. That of a file that was removed is not used.
    pub(crate) fn advise(&self, name: &str, offset: u64, len: u64, advice: Advice) {
        if let Ok(local) = self.local(name) {
            local.advise(offset, len, advice);
        }
    }

    fn local(&self, name: &str) -> io::Result<Arc<SparseFile>> {
        self.with_file(name, |file| Ok(Arc::clone(&file.local)))
    }

    pub(crate) fn sync_file(&self, name: &str) -> io::Result<()> {
        let local = self.local(name)?;
        self.shared.sync(&mut || local.sync())
    }

    /// Lets a file count as local from its beginning, before its name gets another content. A crash leaves the former content.
    fn make_local(&self, name: &str) -> io::Result<()> {
        let len = self.len(name)?;
        self.fetch_all(name, 0..len)?;
        self.sync_file(name)?;
        self.lower(name, 0).map(drop)
    }

    /// Replaces a whole small file.
    pub(crate) fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        if self.has(name) {
            self.make_local(name)?;
        }
        let mut state = lock(&self.state);
        self.begin_change(&mut state)?;
        state.changes(name, 0);
        self.with_room(&mut state, || self.directory.folder().replace(name, bytes))?;
        let local = Arc::new(self.directory.open(name)?);
        let tracked = TrackedFile::local(bytes.len() as u64, 0, FileContent::default());
        self.insert(&mut state, name, OpenFile::new(tracked, local));
        Ok(())
    }

    /// Adds a file, which replaces another one of this name.
    fn insert(&self, state: &mut State, name: &str, file: OpenFile) {
        if let Some(former) = state.files.insert(name.to_owned(), file) {
            self.shared.cache.remove(former.counted);
        }
    }

    pub(crate) fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = lock(&self.state);
        self.begin_change(&mut state)?;
        self.directory.remove_file(name)?;
        let Some(removed) = state.files.remove(name) else { return Ok(()) };
        self.shared.cache.remove(removed.counted);
        state.pending = None;
        state.renames += 1;
        // A new file of this name has nothing of the shelf.
        self.store_record(&mut state)
    }

    pub(crate) fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let len = self.len(from)?;
        // The record of one name must not count for the file of the other one.
        self.make_local(from)?;
        if self.has(to) {
            self.make_local(to)?;
        }
        let mut state = lock(&self.state);
        self.begin_change(&mut state)?;
        self.directory.folder().rename(from, to)?;
        let local = Arc::new(self.directory.open(to)?);
        if let Some(former) = state.files.remove(from) {
            self.shared.cache.remove(former.counted);
        }
        let tracked = TrackedFile::local(len, 0, FileContent::default());
        self.insert(&mut state, to, OpenFile::new(tracked, local));
        state.pending = None;
        state.renames += 1;
        Ok(())
    }

    /// Lets the cache count the bytes that a file has now.
    pub(super) fn recount(&self, file: &mut OpenFile) {
        let now = file.tracked.cached_bytes();
        self.shared.cache.add(now.saturating_sub(file.counted));
        self.shared.cache.remove(file.counted.saturating_sub(now));
        file.counted = now;
    }

    /// The segments of the newest manifest that have bytes which the local files do not have.
    pub(super) fn missing_segments(&self) -> Segments {
        let mut segments = Segments::new();
        lock(&self.state).files.values().for_each(|file| file.tracked.add_missing_segments(&mut segments));
        segments
    }

    /// Bytes that no manifest names.
    pub(crate) fn unshelved_bytes(&self) -> u64 {
        lock(&self.state).files.values().map(|file| file.tracked.unshelved_bytes()).sum()
    }
}
