//! The thawing of the segments that a load needs.
//!
//! Most cartridges have no segment that must be thawed. So a load looks at three segments only, beside its other requests: the oldest
//! one, which a lifecycle rule of the store moves first, the newest one, whose class the configuration may name, and one between
//! them. If one of them is in a class whose objects must be thawed, all segments are looked at, and the load waits.

use super::local::LocalDirectory;
use super::tracked_file::TrackedFile;
use super::{Access, lock};
use crate::keys::CartridgeKeys;
use crate::manifest::Manifest;
use crate::objects::Objects;
use crate::storage_class::MIN_CLASSED;
use crate::thaw::{PARALLEL, State, ThawRequest};
use crate::{Shelf, ShelfError};
use futures_util::future::{join_all, try_join_all};
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tape_store::backend::{ThawProgress, Thawing};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

/// Pause before the second look at the segments that are being thawed. Each further pause is twice as long, up to the longest one.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// The segments that have parts of files, and the length of these parts in bytes.
pub(super) type Segments = BTreeMap<String, u64>;

/// The thawing of segments, until it is dropped.
pub(super) struct SegmentThawing {
    /// Whether one of the first segments is in a class whose objects must be thawed.
    is_classed: Receiver<bool>,
    outcome: Arc<Mutex<Outcome>>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Outcome {
    progress: ThawProgress,
    ended: Option<Result<(), ShelfError>>,
}

impl Drop for SegmentThawing {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Thawing for SegmentThawing {
    fn is_needed(&mut self) -> bool {
        self.is_classed.recv().unwrap_or(false)
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
        Some(SegmentThawing::spawn(shelf, &self.runtime, barcode, segments, self.shared.setup.thaw))
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
    fn spawn(shelf: &Shelf, runtime: &Handle, barcode: &str, segments: &Segments, request: ThawRequest) -> Self {
        let keys = CartridgeKeys::new(barcode);
        let samples: Vec<String> = samples(segments).into_iter().map(|name| keys.segment(name)).collect();
        let all: VecDeque<String> = segments.keys().map(|name| keys.segment(name)).collect();
        let progress = ThawProgress { ready: 0, objects: all.len() as u64 };
        let outcome = Arc::new(Mutex::new(Outcome { progress, ended: None }));
        let (first, is_classed) = channel();
        let task = run(shelf.objects().clone(), samples, all, request, Arc::clone(&outcome), first);
        Self { is_classed, outcome, task: runtime.spawn(task) }
    }
}

async fn run(
    objects: Objects,
    samples: Vec<String>,
    all: VecDeque<String>,
    request: ThawRequest,
    outcome: Arc<Mutex<Outcome>>,
    first: Sender<bool>,
) {
    // If the store does not respond, the load itself reports it.
    let looks = join_all(samples.iter().map(|key| objects.state_of(key))).await;
    let is_classed = looks.into_iter().flatten().any(|(is_classed, _)| is_classed);
    let _ = first.send(is_classed);
    if is_classed {
        let ended = thaw_all(&objects, all, request, &outcome).await;
        lock(&outcome).ended = Some(ended);
    }
}

/// Waits until all objects can be read. Each is looked at, and thawed, once; then the objects that were not ready in
/// turn, until none of some of them has become ready.
async fn thaw_all(
    objects: &Objects,
    mut waiting: VecDeque<String>,
    request: ThawRequest,
    outcome: &Mutex<Outcome>,
) -> Result<(), ShelfError> {
    let (mut is_first, mut pause) = (true, FIRST_PAUSE);
    loop {
        let mut rest = waiting.len();
        while rest > 0 {
            let keys: Vec<String> = waiting.drain(..rest.min(PARALLEL)).collect();
            rest -= keys.len();
            let states = try_join_all(keys.iter().map(|key| objects.thaw_if_frozen(key, request))).await?;
            let ready = states.iter().filter(|state| **state == State::Ready).count();
            lock(outcome).progress.ready += ready as u64;
            let is_waiting = |(key, state): (String, State)| (state != State::Ready).then_some(key);
            waiting.extend(keys.into_iter().zip(states).filter_map(is_waiting));
            if ready == 0 && !is_first {
                break;
            }
        }
        if waiting.is_empty() {
            return Ok(());
        }
        tokio::time::sleep(pause).await;
        (is_first, pause) = (false, (pause * 2).min(LONGEST_PAUSE));
    }
}
