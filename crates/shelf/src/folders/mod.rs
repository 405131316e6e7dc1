//! The cartridges of a shelf as folders, for a store of tapes: with local files for the cartridges in use.
//!
//! A folder that is locked exclusively is taken from the shelf. Its files are local files with holes: what they do not have is
//! fetched when it is read. Written bytes are in the local files first, and become segments and a manifest when the shelf's
//! [`Durability`] requires it, and when the folder is released. A folder that is not taken shows the newest manifest.

mod background;
mod cache;
mod cached_cartridge;
mod catalog_writer;
mod commit;
mod folder;
mod local;
mod monitor;
mod prefetch;
mod reading;
mod recent;
mod release_failure;
mod releases;
mod seals;
mod slot;
mod snapshot;
#[cfg(test)]
mod tests;
mod thawing;
mod tracked_file;

use crate::replica::{Newest, ReplicaSetup, Replications};
use crate::{Content, FileContent, Shelf, ShelfError};
use cache::Cache;
use cached_cartridge::CachedCartridge;
use catalog_writer::{CatalogWriter, PendingChanges};
use folder::ShelfFolder;
use local::LocalDirectory;
use monitor::{ShelfMonitor, UnshelvedCartridge};
use recent::{Look, Recent, Seen};
use releases::Releases;
use slot::{Slot, Use};
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use tape_store::backend::file::create_private_folders;
use tape_store::backend::{Folder, FolderProtection, FolderStore, Protected, Shelving, SyncTimer};
use thawing::SegmentThawing;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::JoinError;

/// Threads of the runtime of a shelf.
const WORKER_THREADS: usize = 2;
/// Time between two attempts to release a cartridge while the store does not respond.
const RETRY: Duration = Duration::from_secs(5);

/// A request for a part of a file.
type Fetch = tokio::task::JoinHandle<Result<Vec<u8>, ShelfError>>;

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The storage that has the data of a tape when a synchronisation of the tape ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// What was synchronised is on the local disk. It is on the shelf when the tape was unloaded, and a part of it before: a task
    /// commits it in the background.
    Local,
    /// What was synchronised is on the shelf. There is at most one commit in a second for each tape.
    #[default]
    Remote,
}

/// The end of an unload of a tape with data that is not on the shelf yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unload {
    /// When the shelf has the data.
    #[default]
    Wait,
    /// At once: the data is on the local disk. A thread puts it on the shelf. Meanwhile no other daemon can take the cartridge, and
    /// this process can use it again.
    Later,
}

/// The local directory of a shelf, its size, and the times of commits.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FoldersSetup {
    /// Directory of the local files. One process uses it at a time.
    pub directory: PathBuf,
    /// The storage that has the data when a synchronisation ends.
    pub durability: Durability,
    /// The end of an unload.
    pub unload: Unload,
    /// Bytes that the local files may use for what the shelf has. Bytes that are not on the shelf yet come in addition.
    pub cache: u64,
    /// Shortest time between two commits of a tape, with [`Durability::Remote`]: a synchronisation that comes earlier waits.
    pub commit_interval: Duration,
    /// With [`Durability::Local`]: longest time between two commits of a tape that is written and synchronised without a pause.
    pub background_interval: Duration,
    /// With [`Durability::Local`]: time without a change after which what was synchronised is committed.
    pub idle: Duration,
    /// The shelves to which cartridges are copied after each change, and from which they are read while the first one does not
    /// respond. A cartridge has the first one whose rule it meets.
    pub replicas: Vec<ReplicaSetup>,
}

impl FoldersSetup {
    /// The setup with this local directory: with [`Durability::Remote`], a cache of 10 GB and at most one commit in a second. With
    /// [`Durability::Local`], there is a commit after 3 seconds without a change, or after 30 seconds.
    #[must_use]
    pub const fn new(directory: PathBuf) -> Self {
        let commit_interval = Duration::from_secs(1);
        let (background_interval, idle) = (Duration::from_secs(30), Duration::from_secs(3));
        let (durability, cache) = (Durability::Remote, 10_000_000_000);
        let unload = Unload::Wait;
        Self { directory, durability, unload, cache, commit_interval, background_interval, idle, replicas: Vec::new() }
    }

    /// The same setup with another meaning of a synchronisation.
    #[must_use]
    pub fn with_durability(self, durability: Durability) -> Self {
        Self { durability, ..self }
    }

    /// The same setup with another end of an unload.
    #[must_use]
    pub fn with_unload(self, unload: Unload) -> Self {
        Self { unload, ..self }
    }

    /// The same setup with a cache of this length in bytes.
    #[must_use]
    pub fn with_cache(self, cache: u64) -> Self {
        Self { cache, ..self }
    }

    /// The same setup with one more replica. The cartridges that are on the shelf already are copied to it in the background.
    #[must_use]
    pub fn with_replica(mut self, replica: ReplicaSetup) -> Self {
        self.replicas.push(replica);
        self
    }

    /// The same setup with another time between two commits.
    #[must_use]
    pub fn with_commit_interval(self, commit_interval: Duration) -> Self {
        Self { commit_interval, ..self }
    }

    /// The same setup with other times of the commits in the background.
    #[must_use]
    pub fn with_background(self, background_interval: Duration, idle: Duration) -> Self {
        Self { background_interval, idle, ..self }
    }
}

/// What all cartridges of a shelf share.
struct Shared {
    setup: FoldersSetup,
    cache: Cache,
    /// The threads that put segments for which no host waits.
    uploads: Option<Handle>,
    timer: OnceLock<Arc<dyn SyncTimer>>,
    /// Nonces of the leases of takings that have failed, by barcode: this process does not use them.
    failed_leases: Mutex<BTreeMap<String, Vec<String>>>,
    /// The thawings that reads have begun, by barcode.
    thawings: Mutex<BTreeMap<String, SegmentThawing>>,
    /// Whether the store is being dropped.
    is_stopped: AtomicBool,
    replications: Replications,
    catalog: PendingChanges,
}

impl Shared {
    fn sync(&self, sync: &mut dyn FnMut() -> io::Result<()>) -> io::Result<()> {
        match self.timer.get() {
            Some(timer) => timer.time(sync),
            None => sync(),
        }
    }

    /// Free bytes of the disk of the local files, if the file system tells.
    fn free_disk_bytes(&self) -> Option<u64> {
        let disk = rustix::fs::statvfs(&self.setup.directory).ok()?;
        Some(disk.f_bavail.saturating_mul(disk.f_frsize))
    }
}

/// What folders and their store share.
#[derive(Clone)]
struct Access {
    shelf: Shelf,
    /// Whether the shelf is the replica of another one, which does not respond.
    is_replica: bool,
    shared: Arc<Shared>,
    runtime: Handle,
    slots: Arc<Mutex<BTreeMap<String, Arc<Slot>>>>,
    recent: Arc<Recent>,
    unreleased: Sender<Arc<Slot>>,
}

impl Access {
    /// The access to a replica of the shelf.
    fn replica(&self, shelf: Shelf) -> Self {
        Self { shelf, is_replica: true, ..self.clone() }
    }

    fn slot(&self, barcode: &str) -> Arc<Slot> {
        let new = || Arc::new(Slot::new(barcode));
        Arc::clone(lock(&self.slots).entry(barcode.to_owned()).or_insert_with(new))
    }

    /// Uses a cartridge that this process has taken, or takes it.
    fn acquire(&self, barcode: &str) -> io::Result<Arc<Use>> {
        self.slot(barcode).acquire(&self.unreleased, || {
            let known = self.recent.forget(barcode);
            CachedCartridge::take(&self.shelf, &self.runtime, &self.shared, barcode, known.as_deref())
        })
    }

    /// The newest manifest of a cartridge, or one that was the newest a moment ago; `None` if there is no such cartridge. The
    /// second value is the shelf that has it, if it is the replica.
    fn newest(&self, look: &Look<'_>, barcode: &str) -> io::Result<Option<(Arc<Seen>, Option<Shelf>)>> {
        // While the shelf does not respond, it cannot be taken, and a drive needs the state of the replica.
        if !self.shelf.is_away(barcode)
            && let Some(seen) = look.remembered()
        {
            return Ok(Some((seen, None)));
        }
        // Another program may have destroyed the key since.
        self.shelf.data_keys.forget(barcode);
        match self.runtime.block_on(self.shelf.newest_either(barcode)).map_err(io::Error::other)? {
            Newest::First(None) => Ok(None),
            Newest::First(Some(found)) => {
                let seen = Arc::new(Seen::new(found));
                look.remember(&seen);
                Ok(Some((seen, None)))
            }
            Newest::Replica(shelf, found) => Ok(Some((Arc::new(Seen::new(found)), Some(*shelf)))),
        }
    }

    /// Uses a cartridge that this process has taken; `None` if it has not.
    fn in_use(&self, barcode: &str) -> Option<Arc<Use>> {
        let slot = Arc::clone(lock(&self.slots).get(barcode)?);
        slot.in_use(&self.unreleased)
    }
}

/// The cartridges of a shelf as folders. Its methods block the calling thread, which must not be one that executes
/// asynchronous tasks.
///
/// A folder that this process does not lock exclusively shows the newest manifest, or one that was the newest up to two
/// seconds before the folder was opened: a change of another daemon in this time may not be there. An exclusive lock always shows the newest state.
pub struct ShelfFolders {
    access: Access,
    releasing: Option<JoinHandle<()>>,
    /// `None` only while it is dropped.
    catalog: Option<CatalogWriter>,
    /// Empty only while it is dropped.
    runtimes: Vec<Runtime>,
}

impl fmt::Debug for ShelfFolders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShelfFolders").field("shelf", &self.access.shelf).finish_non_exhaustive()
    }
}

impl ShelfFolders {
    /// The cartridges of a shelf. What an earlier process has left in the local directory without shelving it is shelved now, in
    /// the background.
    ///
    /// # Errors
    /// The directory cannot be created or read, or a thread cannot be spawned.
    pub fn open(shelf: Shelf, setup: FoldersSetup) -> io::Result<Self> {
        create_private_folders(&setup.directory)?;
        let cache = Cache::open(&setup.directory, setup.cache)?;
        let threads = |name: &str| {
            let mut builder = Builder::new_multi_thread();
            builder.worker_threads(WORKER_THREADS).thread_name(name).enable_all();
            builder
        };
        let runtime = threads("shelf").build()?;
        let uploads = match setup.durability {
            Durability::Local => Some(threads("shelf/upload").on_thread_start(background::lower_priority).build()?),
            Durability::Remote => None,
        };
        let (unreleased, slots) = channel();
        // No cartridge has this name.
        let replications = Replications::open(&shelf, &setup.replicas, &setup.directory.join("not.replicated"))?;
        for replication in replications.all() {
            runtime.spawn(Arc::clone(replication).run());
        }
        let replicas = setup.replicas.iter().map(|setup| (Arc::clone(&setup.cartridges), setup.shelf.clone()));
        let shelf = shelf.with_replicas(replicas.collect());
        let access = Access {
            is_replica: false,
            shelf,
            shared: Arc::new(Shared {
                setup,
                cache,
                uploads: uploads.as_ref().map(|it| it.handle().clone()),
                timer: OnceLock::new(),
                failed_leases: Mutex::default(),
                thawings: Mutex::default(),
                is_stopped: AtomicBool::new(false),
                replications,
                catalog: PendingChanges::default(),
            }),
            runtime: runtime.handle().clone(),
            slots: Arc::default(),
            recent: Arc::default(),
            unreleased,
        };
        let catalog =
            CatalogWriter::start(access.shelf.clone(), runtime.handle().clone(), access.shared.catalog.clone())?;
        let left = access.left_barcodes()?;
        if let Some(uploads) = &uploads {
            let tick = access.shared.setup.idle / 4;
            background::spawn_commits(uploads.handle(), Arc::clone(&access.slots), tick);
        }
        let finisher = access.clone();
        let release = move || Releases::new(finisher, left).run(&slots);
        let releasing = std::thread::Builder::new().name("shelf".into()).spawn(release)?;
        let copies = match access.shared.replications.all().next() {
            Some(_) => Some(threads("shelf/replica").on_thread_start(background::lower_priority).build()?),
            None => None,
        };
        for (replication, copies) in access.shared.replications.all().zip(copies.iter().cycle()) {
            copies.spawn(Arc::clone(replication).run_initial());
        }
        let runtimes = uploads.into_iter().chain(copies).chain([runtime]).collect();
        Ok(Self { access, releasing: Some(releasing), catalog: Some(catalog), runtimes })
    }

    /// A view of what waits for the store, which never waits for the store.
    fn monitor(&self) -> ShelfMonitor {
        ShelfMonitor::new(self.access.clone())
    }
}

impl Drop for ShelfFolders {
    fn drop(&mut self) {
        FolderStore::stop(self);
        self.access.shared.is_stopped.store(true, Ordering::Release);
        let _ = self.access.unreleased.send(Arc::new(Slot::new("")));
        if let Some(thread) = self.releasing.take() {
            let _ = thread.join();
        }
        drop(self.catalog.take());
        self.runtimes.drain(..).for_each(Runtime::shutdown_background);
    }
}

impl Access {
    /// Takes a cartridge of an earlier process, and releases it. Nothing else uses it meanwhile.
    fn finish(&self, barcode: &str) -> io::Result<()> {
        let slot = self.slot(barcode);
        let take = || CachedCartridge::take(&self.shelf, &self.runtime, &self.shared, barcode, None);
        if slot.finish(take)? {
            let _ = self.unreleased.send(slot);
        }
        Ok(())
    }

    /// The cartridges whose local files an earlier process did not release.
    fn left_barcodes(&self) -> io::Result<Vec<String>> {
        let mut left = Vec::new();
        for entry in std::fs::read_dir(&self.shared.setup.directory)? {
            let entry = entry?;
            let Ok(barcode) = entry.file_name().into_string() else { continue };
            if !barcode.contains('.')
                && let Ok(Some(record)) = LocalDirectory::at(entry.path()).record()
                && !record.is_released
            {
                left.push(barcode);
            }
        }
        Ok(left)
    }
}

impl FolderStore for ShelfFolders {
    fn list(&self) -> io::Result<Vec<String>> {
        let listed = self.access.runtime.block_on(self.access.shelf.list_either());
        listed.map_err(io::Error::other)
    }

    fn flush(&self) -> io::Result<()> {
        let slots: Vec<_> = lock(&self.access.slots).values().cloned().collect();
        for slot in slots {
            slot.release();
        }
        if let Err((changes, error)) = self.access.shared.catalog.flush(&self.access.shelf, &self.access.runtime) {
            tracing::warn!(%error, changes, "the catalog of the shelf does not have the last changes; ferric shelf catalog --rebuild");
        }
        let unshelved = self.monitor().unshelved();
        let text =
            |it: &UnshelvedCartridge| format!("cartridge {}: {} bytes are not on its shelf yet", it.barcode, it.bytes);
        match unshelved.as_slice() {
            [] => Ok(()),
            some => Err(io::Error::other(some.iter().map(text).collect::<Vec<_>>().join("; "))),
        }
    }

    fn is_empty(&self) -> io::Result<bool> {
        let has_cartridges = self.access.runtime.block_on(self.access.shelf.has_cartridges());
        has_cartridges.map(|has_cartridges| !has_cartridges).map_err(io::Error::other)
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn Folder>> {
        check_name(name)?;
        Ok(Box::new(ShelfFolder::open(self.access.clone(), name)?))
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn Folder>> {
        check_name(name)?;
        let added = self.access.runtime.block_on(self.access.shelf.add(name, Content::default()));
        let exists = !added.map_err(io::Error::other)?;
        // A manifest without files is what a removed cartridge, or an interrupted creation, has left.
        let newest = || self.access.runtime.block_on(self.access.shelf.newest(name)).map_err(io::Error::other);
        if exists && newest()?.is_some_and(|newest| !newest.content.files.is_empty()) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        Ok(Box::new(ShelfFolder::taken(self.access.clone(), name)?))
    }

    fn shelving(&self) -> Shelving {
        let monitor = self.monitor();
        Shelving {
            unshelved: monitor.unshelved().into_iter().map(|cartridge| (cartridge.barcode, cartridge.bytes)).collect(),
            unreleased: monitor.unreleased(),
            cached_bytes: monitor.cached_bytes(),
            cache_bytes: monitor.cache_limit(),
            error: monitor.failure().map(|failure| failure.error),
            replicas: self.access.shared.replications.lags(),
            thawing: monitor.thawing(),
        }
    }

    fn is_taken(&self, name: &str) -> bool {
        lock(&self.access.slots).get(name).is_some_and(|slot| slot.cartridge().is_some())
    }

    fn stop(&self) {
        self.access.shelf.objects().stop();
    }

    fn set_sync_timer(&mut self, timer: Arc<dyn SyncTimer>) {
        let _ = self.access.shared.timer.set(timer);
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        check_name(name)?;
        match self.access.acquire(name) {
            Ok(taken) if taken.is_locked() => Err(io::ErrorKind::WouldBlock.into()),
            Ok(taken) => {
                if let Some(FolderProtection { reason, .. }) = taken.cartridge.protection()? {
                    return Err(Protected { reason }.into());
                }
                taken.cartridge.names().iter().try_for_each(|file| taken.cartridge.remove(file))?;
                taken.commit_unload(Unload::Wait)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// Refuses names that are not one part of a path.
fn check_name(name: &str) -> io::Result<()> {
    let is_part = !name.is_empty() && !name.contains(['/', '\\', '\0', '.']);
    if is_part { Ok(()) } else { Err(io::Error::new(io::ErrorKind::NotFound, format!("{name:?} is not a barcode"))) }
}

/// Begins to fetch a part of a file.
fn spawn_fetch(shelf: &Shelf, runtime: &Handle, barcode: &str, content: FileContent) -> Fetch {
    let (shelf, barcode) = (shelf.clone(), barcode.to_owned());
    runtime.spawn(async move { shelf.read_extents(&barcode, &content).await })
}

/// The bytes of a request of [`spawn_fetch`] that has ended.
fn fetched(ended: Result<Result<Vec<u8>, ShelfError>, JoinError>) -> io::Result<Vec<u8>> {
    ended.unwrap_or_else(|ended| Err(ShelfError::Interrupted(ended.to_string()))).map_err(io::Error::other)
}
