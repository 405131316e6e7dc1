//! Histories of several daemons over a store that loses, delays and repeats requests and serves old states, in virtual time.
//!
//! Each daemon takes cartridges, appends numbers to them, commits, pauses, loses its lease and crashes at any request. After
//! each history, the manifests in the store are compared with what was acknowledged.

use crate::keys::CartridgeKeys;
use crate::manifest::{Content, Extent, FileContent, Manifest, ManifestState};
use crate::take::{FoundManifest, newest};
use crate::{CommitError, Entropy, OwnedCartridge, RetryPolicy, Shelf, ShelfOptions, TakeError};
use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

const BARCODES: [&str; 2] = ["A00001L8", "A00002L8"];
const BEAT: Duration = Duration::from_secs(1);

/// A generator of pseudo-random numbers (SplitMix64), the same for a seed.
#[derive(Clone)]
struct Random(Arc<Mutex<u64>>);

impl Random {
    fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(seed)))
    }

    fn next(&self) -> u64 {
        let mut state = self.0.lock().unwrap();
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = *state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn one_in(&self, n: u64) -> bool {
        self.below(n) == 0
    }

    fn millis(&self, limit: u64) -> Duration {
        Duration::from_millis(self.below(limit))
    }
}

/// Counts of the faults that a history had, so that a test notices when one kind no longer occurs.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    lost_requests: u64,
    lost_responses: u64,
    late_requests: u64,
    repeated_requests: u64,
    stops: u64,
    old_reads: u64,
    commits: u64,
    uncertain_commits: u64,
    takes: u64,
    known_takes: u64,
    refused_takes: u64,
    taken_over: u64,
    crashes: u64,
}

/// A store whose requests and responses get lost, with reads that may be old.
struct UnreliableStore {
    inner: Arc<InMemory>,
    random: Random,
    /// Former content of each object, and when it was replaced; `None` if the object did not exist.
    former: Mutex<HashMap<Path, (Option<Bytes>, Instant)>>,
    counts: Arc<Mutex<Counts>>,
}

impl fmt::Debug for UnreliableStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UnreliableStore")
    }
}

impl fmt::Display for UnreliableStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("unreliable")
    }
}

fn lost() -> Error {
    Error::Generic { store: "unreliable", source: "no response".into() }
}

impl UnreliableStore {
    fn count(&self, add: impl FnOnce(&mut Counts)) {
        add(&mut self.counts.lock().unwrap());
    }

    async fn put_now(&self, path: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let before = match self.inner.get(path).await {
            Ok(found) => Some(found.bytes().await?),
            Err(_) => None,
        };
        let done = self.inner.put_opts(path, payload, options).await?;
        self.former.lock().unwrap().insert(path.clone(), (before, Instant::now()));
        Ok(done)
    }
}

#[async_trait]
impl ObjectStore for UnreliableStore {
    async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        sleep(self.random.millis(40)).await;
        if self.random.one_in(200) {
            // The program is stopped for longer than its lease, before its request.
            self.count(|counts| counts.stops += 1);
            sleep(Duration::from_secs(4) + self.random.millis(5_000)).await;
        }
        match self.random.below(24) {
            0 => {
                self.count(|counts| counts.lost_requests += 1);
                Err(lost())
            }
            1 => {
                self.count(|counts| counts.lost_responses += 1);
                let _ = self.put_now(path, payload, options).await;
                sleep(self.random.millis(400)).await;
                Err(lost())
            }
            // The client ends the connection; the request is executed long after it.
            2 => {
                self.count(|counts| counts.late_requests += 1);
                let (inner, path, delay) = (Arc::clone(&self.inner), path.clone(), self.random.millis(9_000));
                tokio::spawn(async move {
                    sleep(delay).await;
                    let _ = inner.put_opts(&path, payload, options).await;
                });
                Err(lost())
            }
            // A proxy repeats the request, and returns the second response.
            3 => {
                self.count(|counts| counts.repeated_requests += 1);
                let _ = self.put_now(path, payload.clone(), options.clone()).await;
                self.put_now(path, payload, options).await
            }
            _ => {
                let done = self.put_now(path, payload, options).await;
                sleep(self.random.millis(20)).await;
                done
            }
        }
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        sleep(self.random.millis(30)).await;
        if self.random.one_in(24) {
            return Err(lost());
        }
        let former = self.former.lock().unwrap().get(path).cloned();
        if let Some((former, replaced)) = former
            && replaced.elapsed() < Duration::from_secs(5)
            && self.random.one_in(4)
        {
            self.count(|counts| counts.old_reads += 1);
            let Some(former) = former else {
                return Err(Error::NotFound { path: path.to_string(), source: "old state".into() });
            };
            let old = InMemory::new();
            old.put(path, former.into()).await?;
            return old.get_opts(path, options).await;
        }
        self.inner.get_opts(path, options).await
    }

    async fn put_multipart_opts(&self, _: &Path, _: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        Err(Error::NotImplemented { operation: "multipart".into(), implementer: "unreliable".into() })
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(paths)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, _: Option<&Path>) -> Result<ListResult> {
        Err(Error::NotImplemented { operation: "list".into(), implementer: "unreliable".into() })
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> Result<()> {
        Err(Error::NotImplemented { operation: "copy".into(), implementer: "unreliable".into() })
    }
}

/// The content with another number at its end. A number replaces the name of a segment.
fn appended(content: &Content, number: u64) -> Content {
    let mut content = content.clone();
    let file = content.files.entry("data.0".into()).or_default();
    file.extents.push(Extent { offset: file.len, len: 1, segment: number.to_string(), at: 0 });
    file.len += 1;
    content
}

fn numbers(content: &Content) -> Vec<u64> {
    let file = content.files.get("data.0").cloned().unwrap_or_else(FileContent::default);
    file.extents.iter().map(|extent| extent.segment.parse().unwrap()).collect()
}

/// The results that the daemons of a history got.
struct History {
    random: Random,
    counts: Arc<Mutex<Counts>>,
    /// Numbers whose commit was acknowledged, by cartridge.
    acknowledged: Mutex<HashMap<&'static str, Vec<u64>>>,
    next: Mutex<u64>,
}

impl History {
    fn count(&self, add: impl FnOnce(&mut Counts)) {
        add(&mut self.counts.lock().unwrap());
    }

    fn number(&self) -> u64 {
        let mut next = self.next.lock().unwrap();
        *next += 1;
        *next
    }

    /// One life of a daemon: it loads and unloads cartridges until it is dropped.
    async fn run_daemon(&self, shelf: &Shelf) {
        loop {
            sleep(self.random.millis(1_500)).await;
            let barcode = BARCODES[usize::try_from(self.random.below(2)).unwrap()];
            // A drive has looked at the cartridge before it takes it. The manifest that it has found may be old.
            let keys = CartridgeKeys::new(barcode);
            let known = if self.random.one_in(2) { newest(shelf.objects(), &keys).await.ok().flatten() } else { None };
            if known.is_some() {
                sleep(self.random.millis(4_000)).await;
            }
            let acknowledged = self.acknowledged.lock().unwrap().get(barcode).cloned().unwrap_or_default();
            let nonce = shelf.nonce().unwrap();
            match shelf.take_with(barcode, nonce, &[], known.as_ref()).await.map(|(owned, _)| owned) {
                Ok(owned) => {
                    let was_free = |known: &FoundManifest| known.manifest.state == ManifestState::Closed;
                    let begins_with = |known: FoundManifest| known.manifest.epoch + 1 == owned.epoch();
                    if known.filter(was_free).is_some_and(begins_with) {
                        self.count(|counts| counts.known_takes += 1);
                    }
                    self.count(|counts| counts.takes += 1);
                    // What was acknowledged before the taking began. A daemon that was stopped in it may have been taken over
                    // already, by one that has committed since.
                    let found = numbers(owned.content());
                    assert!(acknowledged.iter().all(|number| found.contains(number)), "{acknowledged:?} {found:?}");
                    self.use_cartridge(barcode, owned).await;
                }
                Err(TakeError::InUse { .. }) => self.count(|counts| counts.refused_takes += 1),
                Err(TakeError::Shelf(_)) => {}
                Err(missing @ TakeError::Missing { .. }) => panic!("{missing}"),
            }
        }
    }

    async fn use_cartridge(&self, barcode: &'static str, mut owned: OwnedCartridge) {
        let mut content = owned.content().clone();
        for _ in 0..self.random.below(8) {
            match self.random.below(10) {
                // The process is stopped for longer than its lease.
                0 => sleep(Duration::from_secs(4) + self.random.millis(4_000)).await,
                1..4 => drop(owned.beat().await),
                _ => {
                    let number = self.number();
                    content = appended(&content, number);
                    match owned.commit(content.clone()).await {
                        Ok(()) => self.acknowledge(barcode, number),
                        Err(CommitError::TakenOver { .. }) => return self.count(|counts| counts.taken_over += 1),
                        Err(CommitError::Shelf(_)) => self.count(|counts| counts.uncertain_commits += 1),
                    }
                }
            }
        }
        if !self.random.one_in(4) {
            let number = self.number();
            match owned.release(appended(&content, number)).await {
                Ok(()) => self.acknowledge(barcode, number),
                Err(CommitError::TakenOver { .. }) => self.count(|counts| counts.taken_over += 1),
                Err(CommitError::Shelf(_)) => self.count(|counts| counts.uncertain_commits += 1),
            }
        }
    }

    fn acknowledge(&self, barcode: &'static str, number: u64) {
        self.count(|counts| counts.commits += 1);
        self.acknowledged.lock().unwrap().entry(barcode).or_default().push(number);
    }
}

/// Runs a history of `daemons` daemons, and checks all manifests of each cartridge.
async fn run_history(seed: u64, daemons: u64) -> Counts {
    let random = Random::new(seed);
    let inner = Arc::new(InMemory::new());
    let counts = Arc::new(Mutex::new(Counts::default()));
    let store = Arc::new(UnreliableStore {
        inner: Arc::clone(&inner),
        random: random.clone(),
        former: Mutex::default(),
        counts: Arc::clone(&counts),
    });
    let history = Arc::new(History {
        random: random.clone(),
        counts: Arc::clone(&counts),
        acknowledged: Mutex::default(),
        next: Mutex::default(),
    });
    let bytes = random.clone();
    let entropy: Entropy = Arc::new(move |into: &mut [u8]| {
        into.chunks_mut(8).for_each(|part| part.copy_from_slice(&bytes.next().to_be_bytes()[..part.len()]));
        Ok(())
    });
    let reliable = Shelf::new(inner.clone(), "site", ShelfOptions::new("creator"), entropy.clone()).unwrap();
    for barcode in BARCODES {
        assert!(reliable.add(barcode, Content::default()).await.unwrap());
    }
    let mut tasks = Vec::new();
    for daemon in 0..daemons {
        let options = ShelfOptions::new(format!("daemon{daemon}"))
            .with_beat(BEAT)
            .with_retry(RetryPolicy::new(4, Duration::from_millis(50)));
        let shelf = Shelf::new(store.clone(), "site", options, entropy.clone()).unwrap();
        let history = Arc::clone(&history);
        tasks.push(tokio::spawn(async move {
            for _ in 0..3 {
                // The daemon crashes at this moment, whatever it does, and starts again.
                let life = Duration::from_secs(3) + history.random.millis(20_000);
                let _ = timeout(life, history.run_daemon(&shelf)).await;
                history.count(|counts| counts.crashes += 1);
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    // The last late requests are executed.
    sleep(Duration::from_secs(20)).await;
    for barcode in BARCODES {
        let acknowledged = history.acknowledged.lock().unwrap().get(barcode).cloned().unwrap_or_default();
        check_manifests(&reliable, barcode, &acknowledged).await;
    }
    *counts.lock().unwrap()
}

/// Each manifest continues the one before it, epochs do not decrease, and the last has each acknowledged number once.
async fn check_manifests(shelf: &Shelf, barcode: &str, acknowledged: &[u64]) {
    let keys = CartridgeKeys::new(barcode);
    let (mut content, mut epoch, mut version) = (Vec::new(), 0, 0);
    loop {
        version += 1;
        let key = keys.manifest(version);
        let Some(bytes) = shelf.objects().get(&key).await.unwrap() else { break };
        let manifest = Manifest::decode(&keys, version, &bytes).unwrap();
        let now = numbers(&manifest.content);
        assert!(now.starts_with(&content), "{barcode} manifest {version}: {now:?} does not continue {content:?}");
        assert!(manifest.epoch >= epoch, "{barcode} manifest {version}: epoch {} after {epoch}", manifest.epoch);
        (content, epoch) = (now, manifest.epoch);
    }
    assert_eq!(shelf.newest(barcode).await.unwrap().unwrap().version, version - 1);
    for number in acknowledged {
        assert_eq!(content.iter().filter(|other| *other == number).count(), 1, "{barcode}: number {number}");
    }
    let mut unique = content.clone();
    unique.sort_unstable();
    unique.dedup();
    assert_eq!(unique.len(), content.len(), "{barcode}: a number stands twice");
}

/// Runs the histories of these seeds, and returns the sums of their counts.
fn run_histories(seeds: std::ops::Range<u64>) -> Counts {
    let mut sum = Counts::default();
    for seed in seeds {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let run = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            runtime.block_on(run_history(seed, 2 + seed % 3))
        }));
        let counts = run.unwrap_or_else(|panic| {
            println!("history {seed} fails");
            std::panic::resume_unwind(panic)
        });
        sum.lost_requests += counts.lost_requests;
        sum.lost_responses += counts.lost_responses;
        sum.late_requests += counts.late_requests;
        sum.repeated_requests += counts.repeated_requests;
        sum.stops += counts.stops;
        sum.old_reads += counts.old_reads;
        sum.commits += counts.commits;
        sum.uncertain_commits += counts.uncertain_commits;
        sum.takes += counts.takes;
        sum.known_takes += counts.known_takes;
        sum.refused_takes += counts.refused_takes;
        sum.taken_over += counts.taken_over;
        sum.crashes += counts.crashes;
    }
    println!("{sum:?}");
    sum
}

#[test]
fn histories_lose_and_double_nothing() {
    let counts = run_histories(0..300);
    // Each kind of fault has occurred.
    for count in [
        counts.lost_requests,
        counts.lost_responses,
        counts.late_requests,
        counts.repeated_requests,
        counts.stops,
        counts.old_reads,
        counts.commits,
        counts.uncertain_commits,
        counts.takes,
        counts.known_takes,
        counts.refused_takes,
        counts.taken_over,
        counts.crashes,
    ] {
        assert!(count > 10, "{counts:?}");
    }
}

#[test]
#[ignore = "needs optimisation"]
fn one_hundred_thousand_histories_lose_and_double_nothing() {
    let (first, second) = (0..50_000, 50_000..100_000);
    let other = std::thread::spawn(|| run_histories(second));
    run_histories(first);
    other.join().unwrap();
}
