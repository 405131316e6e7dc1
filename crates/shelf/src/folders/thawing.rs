//! The thawing of the segments that a load needs.
//!
//! Most cartridges have no segment that must be thawed. So a load looks at three segments only, beside its other requests: the oldest
//! one, which a lifecycle rule of the store moves first, the newest one, whose class the configuration may name, and one between
//! them. If one of them is in a class whose objects must be thawed, all segments are looked at, and the load waits unless all can be read.
//!
//! Later, a read can meet a segment that must be thawed: one that was moved by hand, whose bytes were removed from the cache, or whose restored
//! copy has expired. The read begins a thawing of this segment and of the following ones of the file, and fails with [`BeingThawed`] until the
//! segment can be read. If a load does such a read, it waits for this thawing.

use super::cached_cartridge::{CachedCartridge, State as Files};
use super::local::LocalDirectory;
use super::tracked_file::TrackedFile;
use super::{Access, Shared, lock};
use crate::keys::CartridgeKeys;
use crate::manifest::{Extent, FileContent, Manifest};
use crate::objects::Objects;
use crate::storage_class::MIN_CLASSED;
use crate::thaw::{PARALLEL, State, ThawRequest};
use crate::{Shelf, ShelfError};
use futures_util::future::join_all;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::ops::Range;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tape_store::backend::{BeingThawed, ThawProgress, Thawing};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Pause before the second look at the segments that are being thawed. Each further pause is twice as long, up to the longest one.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Objects that are looked at before a load knows whether it must wait. If all of them can be read, the load of a longer tape waits for the
/// looks at the others.
const MAX_LOOKS: usize = 64;

/// The segments that have parts of files, and the length of these parts in bytes.
pub(super) type Segments = BTreeMap<String, u64>;

/// The thawing of segments, until it is dropped.
pub(super) struct SegmentThawing {
    /// The objects of the shelf that has the segments.
    objects: Objects,
    /// Whether a segment cannot be read yet, as the first looks show.
    is_frozen: Receiver<bool>,
    /// Lets the task request what must be thawed.
    go_ahead: Option<oneshot::Sender<()>>,
    outcome: Arc<Mutex<Outcome>>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Outcome {
    progress: ThawProgress,
    /// The objects that cannot be read yet, as far as is known.
    waiting: BTreeSet<String>,
    ended: Option<Result<(), ShelfError>>,
}

impl Drop for SegmentThawing {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Thawing for SegmentThawing {
    fn is_needed(&mut self) -> bool {
        let is_needed = self.is_frozen.recv().unwrap_or(false);
        if is_needed && let Some(go_ahead) = self.go_ahead.take() {
            let _ = go_ahead.send(());
        }
        is_needed
    }

    fn progress(&self) -> ThawProgress {
        lock(&self.outcome).progress
    }

    fn end(&mut self) -> Option<io::Result<()>> {
        match lock(&self.outcome).ended.take() {
            Some(ended) => Some(ended.map_err(io::Error::other)),
            None => self.task.is_finished().then(|| Err(io::Error::other("the thawing was interrupted"))),
        }
    }
}

impl Access {
    /// The segments of a manifest that have bytes which the local files do not have.
    pub(super) fn missing_segments(&self, manifest: &Manifest) -> Segments {
        let directory = LocalDirectory::at(self.shared.setup.directory.join(&manifest.barcode));
        let is_of = |record: &super::local::LocalRecord| {
            record.is_released && (record.version, &record.nonce) == (manifest.version, &manifest.nonce)
        };
        let record = directory.record().ok().flatten().filter(is_of);
        let mut segments = Segments::new();
        for (name, content) in &manifest.content.files {
            let mut file = TrackedFile::shelved(content.clone());
            let local = record.as_ref().and_then(|record| record.files.get(name));
            local.into_iter().flat_map(|local| &local.cached).for_each(|part| file.filled(part.clone()));
            file.add_missing_segments(&mut segments);
        }
        segments
    }

    /// Begins to thaw segments of a cartridge on a shelf. `None` if no object of its store must be thawed.
    pub(super) fn thaw(&self, shelf: &Shelf, barcode: &str, segments: &Segments) -> Option<SegmentThawing> {
        shelf.objects().requests()?;
        if segments.is_empty() {
            return None;
        }
        // The last load, or a read of it, has met segments that are still being thawed.
        let met = lock(&self.shared.thawings).remove(barcode);
        if let Some(met) = met.filter(|met| met.is_of(shelf) && !met.has_ended()) {
            return Some(met);
        }
        Some(SegmentThawing::spawn(shelf, &self.runtime, barcode, segments))
    }
}

impl TrackedFile {
    /// Adds the segments with the parts of the file that the local file does not have.
    pub(super) fn add_missing_segments(&self, segments: &mut Segments) {
        for part in self.missing(&(0..self.len())) {
            for extent in self.extents(&part).extents {
                *segments.entry(extent.segment).or_default() += extent.len;
            }
        }
    }
}

/// The segments that show whether any must be thawed: the oldest one, one in the middle, and the newest one, of the segments that may be
/// in another class than the usual one.
fn samples(segments: &Segments) -> Vec<&String> {
    let mut names: Vec<&String> =
        segments.iter().filter(|(_, len)| **len >= MIN_CLASSED).map(|(name, _)| name).collect();
    if names.is_empty() {
        names = segments.keys().collect();
    }
    let mut samples: Vec<&String> = [0, names.len() / 2, names.len().saturating_sub(1)]
        .into_iter()
        .filter_map(|at| names.get(at).copied())
        .collect();
    samples.dedup();
    samples
}

impl SegmentThawing {
    /// Looks at the segments. Restores are requested when the caller knows that they are needed.
    fn spawn(shelf: &Shelf, runtime: &Handle, barcode: &str, segments: &Segments) -> Self {
        let keys = CartridgeKeys::new(barcode);
        let samples: Vec<String> = samples(segments).into_iter().map(|name| keys.segment(name)).collect();
        let all: VecDeque<String> = segments.keys().map(|name| keys.segment(name)).collect();
        let (outcome, (first, is_frozen)) = (Arc::new(Mutex::new(Outcome::of(&all))), channel());
        let (go_ahead, may_go) = oneshot::channel();
        let (objects, request, shared) = (shelf.objects().clone(), shelf.thaw, Arc::clone(&outcome));
        let task = runtime.spawn(async move {
            let Some(waiting) = look(&objects, samples, all, &shared).await else { return };
            let _ = first.send(true);
            if may_go.await.is_ok() {
                let ended = thaw_all(&objects, waiting, request, &shared).await;
                lock(&shared).ended = Some(ended);
            }
        });
        Self { objects: shelf.objects().clone(), is_frozen, go_ahead: Some(go_ahead), outcome, task }
    }

    /// Begins a thawing of segments one of which must be thawed.
    fn spawn_for_read(shelf: &Shelf, runtime: &Handle, all: VecDeque<String>) -> Self {
        let (outcome, (first, is_frozen)) = (Arc::new(Mutex::new(Outcome::of(&all))), channel());
        let _ = first.send(true);
        let (objects, request, shared) = (shelf.objects().clone(), shelf.thaw, Arc::clone(&outcome));
        let task = runtime.spawn(async move {
            let ended = thaw_all(&objects, all, request, &shared).await;
            lock(&shared).ended = Some(ended);
        });
        Self { objects: shelf.objects().clone(), is_frozen, go_ahead: None, outcome, task }
    }

    /// Whether the segments are on this shelf, and not on its replica.
    fn is_of(&self, shelf: &Shelf) -> bool {
        self.objects.is_same(shelf.objects())
    }

    pub(super) fn has_ended(&self) -> bool {
        lock(&self.outcome).ended.is_some() || self.task.is_finished()
    }

    fn has_succeeded(&self) -> bool {
        matches!(lock(&self.outcome).ended, Some(Ok(())))
    }

    /// The progress, if one of these objects cannot be read yet.
    fn waits_for(&self, keys: &[String]) -> Option<BeingThawed> {
        let outcome = lock(&self.outcome);
        let waits = outcome.ended.is_none() && keys.iter().any(|key| outcome.waiting.contains(key));
        waits.then_some(BeingThawed(outcome.progress))
    }
}

impl Outcome {
    fn of(all: &VecDeque<String>) -> Self {
        let progress = ThawProgress { ready: 0, objects: all.len() as u64 };
        Self { progress, waiting: all.iter().cloned().collect(), ended: None }
    }

    fn ready(&mut self, key: &str) {
        self.progress.ready += u64::from(self.waiting.remove(key));
    }
}

/// Whether a request has failed because an object must be thawed before it is read.
pub(super) fn is_frozen(error: &io::Error) -> bool {
    let carried = error.get_ref().and_then(|error| error.downcast_ref());
    matches!(carried, Some(ShelfError::Frozen { .. }))
}

/// The objects that have these extents, in their order.
fn objects_of(barcode: &str, extents: &[Extent]) -> Vec<String> {
    let keys = CartridgeKeys::new(barcode);
    let mut objects: Vec<String> = extents.iter().map(|extent| keys.segment(&extent.segment)).collect();
    objects.dedup();
    objects
}

impl CachedCartridge {
    /// The objects that have parts of a file, in the order of the file.
    fn objects_of(&self, name: &str, parts: &[Range<u64>]) -> Vec<String> {
        let extents = self.with_file(name, |file| {
            Ok(parts.iter().flat_map(|part| file.tracked.extents(part).extents).collect::<Vec<_>>())
        });
        objects_of(&self.barcode, &extents.unwrap_or_default())
    }

    /// Checks that none of these parts of a file is known to be thawed now. This does not ask the store.
    ///
    /// # Errors
    /// The error carries [`BeingThawed`].
    pub(super) fn check_thawed(&self, name: &str, parts: &[Range<u64>]) -> io::Result<()> {
        self.shared.check_thawed(&self.shelf, &self.barcode, || self.objects_of(name, parts))
    }

    /// The error of a read from an offset on that has failed with this one. If the data must be thawed, this begins a thawing of what
    /// the local file lacks from there on, unless one is in progress, and the error carries [`BeingThawed`].
    pub(super) fn thaw_for_read(&self, name: &str, from: u64, error: io::Error) -> io::Error {
        if !is_frozen(&error) {
            return error;
        }
        let missing = self.with_file(name, |file| Ok(file.tracked.missing(&(from..file.tracked.len()))));
        self.thaw_objects(name, self.objects_of(name, &missing.unwrap_or_default()))
    }

    /// As [`Self::thaw_for_read`], for all that the local files lack: a load has met this error.
    pub(super) fn thaw_all_files(&self, files: &Files, name: &str, error: io::Error) -> io::Error {
        if !is_frozen(&error) {
            return error;
        }
        let mut segments = Segments::new();
        files.files.values().for_each(|file| file.tracked.add_missing_segments(&mut segments));
        let keys = CartridgeKeys::new(&self.barcode);
        self.thaw_objects(name, segments.keys().map(|segment| keys.segment(segment)).collect())
    }

    fn thaw_objects(&self, name: &str, objects: Vec<String>) -> io::Error {
        self.shared.thaw_for_read((&self.shelf, &self.runtime), (&self.barcode, name), objects)
    }
}

impl Access {
    /// Reads a range of a file of a cartridge that is not taken. On a replica, from which drives read, this begins a thawing of data that must be
    /// thawed, from the range on, and the error carries [`BeingThawed`] until it can be read.
    pub(super) fn read_snapshot(
        &self,
        (barcode, name): (&str, &str),
        file: &FileContent,
        range: &Range<u64>,
    ) -> io::Result<Vec<u8>> {
        let part = file.part(range);
        self.shared.check_thawed(&self.shelf, barcode, || objects_of(barcode, &part.extents))?;
        match self.runtime.block_on(self.shelf.read_extents(barcode, &part)) {
            Err(ShelfError::Frozen { .. }) if self.is_replica => {}
            read => return read.map_err(io::Error::other),
        }
        let objects = objects_of(barcode, &file.part(&(range.start..file.len)).extents);
        Err(self.shared.thaw_for_read((&self.shelf, &self.runtime), (barcode, name), objects))
    }
}

impl Shared {
    /// Checks that none of the objects that a read needs is known to be thawed now.
    fn check_thawed(&self, shelf: &Shelf, barcode: &str, objects: impl FnOnce() -> Vec<String>) -> io::Result<()> {
        if !lock(&self.thawings).contains_key(barcode) {
            return Ok(());
        }
        let objects = objects();
        let mut thawings = lock(&self.thawings);
        let Some(thawing) = thawings.get(barcode).filter(|thawing| thawing.is_of(shelf)) else { return Ok(()) };
        if let Some(being_thawed) = thawing.waits_for(&objects) {
            return Err(being_thawed.into());
        }
        if thawing.has_succeeded() {
            thawings.remove(barcode);
        }
        Ok(())
    }

    /// The error of a read of a file that needs these objects, the first of which must be thawed. This begins a thawing of them, unless one is
    /// in progress.
    fn thaw_for_read(
        &self,
        (shelf, runtime): (&Shelf, &Handle),
        (barcode, name): (&str, &str),
        mut objects: Vec<String>,
    ) -> io::Error {
        let mut thawings = lock(&self.thawings);
        let first = objects.get(..1).unwrap_or_default();
        match thawings.get(barcode).filter(|thawing| thawing.is_of(shelf)) {
            Some(thawing) if let Some(being_thawed) = thawing.waits_for(first) => return being_thawed.into(),
            Some(thawing) if let Some(Err(denied)) = lock(&thawing.outcome).ended.take() => {
                tracing::warn!(barcode, file = name, error = %denied, "data cannot be thawed");
                return io::Error::other(denied);
            }
            _ => {}
        }
        objects.sort();
        objects.dedup();
        tracing::info!(barcode, file = name, objects = objects.len(), "a read waits until data is thawed");
        let thawing = SegmentThawing::spawn_for_read(shelf, runtime, objects.into());
        let being_thawed = BeingThawed(thawing.progress());
        thawings.insert(barcode.to_owned(), thawing);
        being_thawed.into()
    }
}

/// Looks at objects until one cannot be read yet, or at [`MAX_LOOKS`] of them. Returns the objects that may have to be waited for; `None` if
/// all can be read, or none of the samples is in a class whose objects must be thawed.
async fn look(
    objects: &Objects,
    samples: Vec<String>,
    mut all: VecDeque<String>,
    outcome: &Mutex<Outcome>,
) -> Option<VecDeque<String>> {
    // If the store does not respond, the load itself reports it.
    let looks = join_all(samples.iter().map(|key| objects.look(key))).await;
    let is_classed = looks.into_iter().flatten().any(|look| look.archive.is_some());
    for _ in 0..MAX_LOOKS / PARALLEL {
        if !is_classed || all.is_empty() {
            return None;
        }
        let keys: Vec<String> = all.drain(..all.len().min(PARALLEL)).collect();
        let looks = join_all(keys.iter().map(|key| objects.look(key))).await;
        let mut waiting = VecDeque::new();
        for (key, look) in keys.into_iter().zip(looks) {
            match look.map(|look| look.state) {
                Ok(State::Ready | State::Missing) => lock(outcome).ready(&key),
                Ok(State::Thawing | State::Frozen) | Err(_) => waiting.push_back(key),
            }
        }
        if !waiting.is_empty() {
            waiting.append(&mut all);
            return Some(waiting);
        }
    }
    Some(all).filter(|all| !all.is_empty())
}

/// Waits until all objects can be read. Each is looked at, and thawed, once; then the objects that were not ready in
/// turn, until none of some of them has become ready. While the store fails, this waits: it ends only if the store denies a request.
async fn thaw_all(
    objects: &Objects,
    mut waiting: VecDeque<String>,
    request: ThawRequest,
    outcome: &Mutex<Outcome>,
) -> Result<(), ShelfError> {
    let (mut is_first, mut is_failing, mut pause) = (true, false, FIRST_PAUSE);
    loop {
        match thaw_some(objects, &mut waiting, request, (is_first, outcome)).await {
            Ok(()) => (is_first, is_failing) = (false, false),
            Err(error @ ShelfError::Store { .. }) => {
                if !std::mem::replace(&mut is_failing, true) {
                    tracing::warn!(%error, "the store fails while segments are being thawed; the thawing continues when it responds");
                }
            }
            Err(error) => return Err(error),
        }
        if waiting.is_empty() {
            return Ok(());
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Looks at each waiting object, and thaws it, in turn; unless this is the first time, until none of some of them has become ready.
async fn thaw_some(
    objects: &Objects,
    waiting: &mut VecDeque<String>,
    request: ThawRequest,
    (is_first, outcome): (bool, &Mutex<Outcome>),
) -> Result<(), ShelfError> {
    let mut rest = waiting.len();
    while rest > 0 {
        let keys: Vec<String> = waiting.drain(..rest.min(PARALLEL)).collect();
        rest -= keys.len();
        let looks = join_all(keys.iter().map(|key| objects.thaw_if_frozen(key, request))).await;
        let (mut has_ready, mut failed) = (false, None);
        for (key, look) in keys.into_iter().zip(looks) {
            match look {
                // The newest state, which the load reads at its end, does not name a missing object.
                Ok(State::Ready | State::Missing) => {
                    has_ready = true;
                    lock(outcome).ready(&key);
                }
                Ok(State::Thawing | State::Frozen) => waiting.push_back(key),
                Err(error) => {
                    failed = Some(error);
                    waiting.push_back(key);
                }
            }
        }
        if let Some(error) = failed {
            return Err(error);
        }
        if !has_ready && !is_first {
            break;
        }
    }
    Ok(())
}

/// Pause between the take of a cartridge and the first renewal, and between renewals.
const FIRST_RENEWAL: Duration = Duration::from_secs(60);
const RENEWAL_PERIOD: Duration = Duration::from_secs(24 * 60 * 60);

/// Renews the restored copies of segments while a cartridge is taken: the segments of these names. This ends at once for a cartridge that
/// needs none.
pub(super) async fn renew_daily(objects: Objects, barcode: String, segments: Segments, request: ThawRequest) {
    let keys = CartridgeKeys::new(&barcode);
    let samples: Vec<String> = samples(&segments).into_iter().map(|name| keys.segment(name)).collect();
    let mut pause = FIRST_RENEWAL;
    loop {
        tokio::time::sleep(std::mem::replace(&mut pause, RENEWAL_PERIOD)).await;
        renew(&objects, &barcode, &samples, &segments, request).await;
    }
}

async fn renew(objects: &Objects, barcode: &str, samples: &[String], segments: &Segments, request: ThawRequest) {
    let looks = join_all(samples.iter().map(|key| objects.look(key))).await;
    if !looks.into_iter().flatten().any(|look| look.archive.is_some()) {
        return;
    }
    let keys = CartridgeKeys::new(barcode);
    let all: Vec<String> = segments.keys().map(|name| keys.segment(name)).collect();
    let mut renewed = 0_usize;
    for some in all.chunks(PARALLEL) {
        for done in join_all(some.iter().map(|key| objects.renew(key, request))).await {
            match done {
                Ok(is_renewed) => renewed += usize::from(is_renewed),
                // A read thaws it again if it expires.
                Err(error) => tracing::warn!(barcode, %error, "a restored segment cannot be renewed"),
            }
        }
    }
    if renewed > 0 {
        tracing::info!(barcode, segments = renewed, "restored segments can be read for longer");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object_lock::{Sent, SignedRequest, SignedRequests, SignedResponse};
    use crate::{RetryPolicy, ThawTier};
    use object_store::memory::InMemory;
    use tokio::runtime::Builder;

    /// A store at a date, whose restored copies expire in the night after 4 December.
    #[derive(Debug)]
    struct Restored {
        date: Mutex<&'static str>,
        class: &'static str,
        requests: Mutex<Vec<SignedRequest>>,
    }

    impl SignedRequests for Restored {
        fn send(&self, request: SignedRequest) -> Sent<'_> {
            let restore = "ongoing-request=\"false\", expiry-date=\"Sat, 05 Dec 2026 00:00:00 GMT\"".to_owned();
            let (date, class) = (Some((*lock(&self.date)).to_owned()), Some(self.class.to_owned()));
            lock(&self.requests).push(request);
            Box::pin(async move {
                Ok(SignedResponse { status: 200, date, class, restore: Some(restore), ..SignedResponse::default() })
            })
        }
    }

    fn store(class: &'static str) -> (Arc<Restored>, Objects) {
        let (date, requests) = (Mutex::new("Mon, 30 Nov 2026 12:00:00 GMT"), Mutex::default());
        let store = Arc::new(Restored { date, class, requests });
        let objects = Objects::new(Arc::new(InMemory::new()), "site", RetryPolicy::default()).unwrap();
        (Arc::clone(&store), objects.with_requests(store))
    }

    #[test]
    fn restored_copies_are_renewed_before_they_expire() {
        Builder::new_current_thread().enable_all().start_paused(true).build().unwrap().block_on(async {
            let (store, objects) = store("GLACIER");
            let segments: Segments = ["1", "2"].map(|name| (name.to_owned(), MIN_CLASSED)).into();
            let request = (7, ThawTier::Bulk);
            let task = tokio::spawn(renew_daily(objects, "V00001L8".into(), segments, request));
            let restores = || lock(&store.requests).iter().filter(|request| request.query == "restore").count();
            tokio::time::sleep(FIRST_RENEWAL * 2).await;
            // More than half of 7 days is left.
            assert_eq!(restores(), 0);
            assert_eq!(lock(&store.requests).len(), 4);
            *lock(&store.date) = "Tue, 01 Dec 2026 12:30:00 GMT";
            tokio::time::sleep(RENEWAL_PERIOD).await;
            assert_eq!(restores(), 2);
            assert!(lock(&store.requests).last().unwrap().body.contains("<Days>7</Days>"));
            task.abort();
        });
    }

    #[test]
    fn a_tape_without_archived_segments_is_not_looked_at_as_a_whole() {
        Builder::new_current_thread().enable_all().start_paused(true).build().unwrap().block_on(async {
            let (store, objects) = store("STANDARD");
            let segments: Segments = (0..100).map(|name| (name.to_string(), MIN_CLASSED)).collect();
            let task = tokio::spawn(renew_daily(objects, "V00001L8".into(), segments, (7, ThawTier::Bulk)));
            tokio::time::sleep(FIRST_RENEWAL * 2).await;
            assert_eq!(lock(&store.requests).len(), 3);
            task.abort();
        });
    }
}
