//! Tapes on a shelf: two machines, crashes, takeovers and a full cache.

#![allow(clippy::cast_possible_truncation, reason = "test data")]

mod locks;
mod replication;
mod rounds;

use super::*;
use crate::{Entropy, KEY_LEN, KeyRing, RetryPolicy, ShelfOptions, WrappingKey};
use futures::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::path::Path as ObjectPath;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult,
};
use std::io::{IoSlice, IoSliceMut};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tape_store::backend::CommitPoint;
use tape_store::backend::file::OsFolderStore;
use tape_store::cartridge::{Barcode, Cartridge};
use tape_store::error::StoreError;
use tape_store::folder_move::{move_from_shelf, move_to_shelf};
use tape_store::media::LTO_8;
use tape_store::medium::{Codec, Medium, ReadOutcome};
use tape_store::store::{NewCartridge, TapeStore};
use tokio::time::Instant;

const BARCODE: &str = "V00001L8";

/// A store in memory that fails from a given request on: the connection of one machine to it.
#[derive(Debug)]
struct Connection {
    store: Arc<InMemory>,
    requests: AtomicU64,
    fails_from: AtomicU64,
    /// Whether the store refuses segments.
    refuses_segments: AtomicBool,
    /// Whether segments wait before they are stored, and how many have waited.
    holds_segments: AtomicBool,
    held: AtomicU64,
    /// Time that each request needs, and the requests in their sequence; without it, none are recorded.
    rounds: Option<(Duration, Mutex<rounds::Rounds>)>,
}

impl Connection {
    fn new(store: &Arc<InMemory>) -> Arc<Self> {
        Arc::new(Self::with_rounds(store, None))
    }

    fn with_rounds(store: &Arc<InMemory>, rounds: Option<(Duration, Mutex<rounds::Rounds>)>) -> Self {
        let fails_from = AtomicU64::new(u64::MAX);
        let [refuses_segments, holds_segments] = [(); 2].map(|()| AtomicBool::new(false));
        let (store, requests, held) = (Arc::clone(store), AtomicU64::new(0), AtomicU64::new(0));
        Self { store, requests, fails_from, refuses_segments, holds_segments, held, rounds }
    }

    fn count(&self) -> object_store::Result<()> {
        let number = self.requests.fetch_add(1, Ordering::SeqCst);
        if number < self.fails_from.load(Ordering::SeqCst) {
            return Ok(());
        }
        Err(Error::Generic { store: "test", source: "no connection".into() })
    }

    fn fail_from(&self, request: u64) {
        self.fails_from.store(request, Ordering::SeqCst);
    }
}

impl fmt::Display for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("connection")
    }
}

#[async_trait::async_trait]
impl ObjectStore for Connection {
    async fn put_opts(
        &self,
        at: &ObjectPath,
        bytes: PutPayload,
        options: PutOptions,
    ) -> object_store::Result<PutResult> {
        self.count()?;
        let is_segment = at.as_ref().contains("/seg/");
        if self.refuses_segments.load(Ordering::SeqCst) && is_segment {
            return Err(Error::Generic { store: "test", source: "no segment".into() });
        }
        if self.holds_segments.load(Ordering::SeqCst) && is_segment {
            self.held.fetch_add(1, Ordering::SeqCst);
        }
        while self.holds_segments.load(Ordering::SeqCst) && is_segment {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        self.timed(format!("put {at}"), self.store.put_opts(at, bytes, options)).await
    }

    async fn put_multipart_opts(
        &self,
        at: &ObjectPath,
        options: PutMultipartOptions,
    ) -> object_store::Result<Box<dyn MultipartUpload>> {
        self.store.put_multipart_opts(at, options).await
    }

    async fn get_opts(&self, at: &ObjectPath, options: GetOptions) -> object_store::Result<GetResult> {
        self.count()?;
        self.timed(format!("get {at} {:?}", options.range), self.store.get_opts(at, options)).await
    }

    fn delete_stream(
        &self,
        paths: BoxStream<'static, object_store::Result<ObjectPath>>,
    ) -> BoxStream<'static, object_store::Result<ObjectPath>> {
        self.store.delete_stream(paths)
    }

    fn list(&self, prefix: Option<&ObjectPath>) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
        self.store.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&ObjectPath>) -> object_store::Result<ListResult> {
        self.store.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &ObjectPath, to: &ObjectPath, options: CopyOptions) -> object_store::Result<()> {
        self.store.copy_opts(from, to, options).await
    }
}

/// A machine with a shelf: its folders and the store of its tapes.
struct Machine {
    folders: Arc<ShelfFolders>,
    tapes: TapeStore,
}

/// A shared value as a store of folders.
struct SharedFolders(Arc<ShelfFolders>);

impl FolderStore for SharedFolders {
    fn list(&self) -> io::Result<Vec<String>> {
        self.0.list()
    }
    fn open(&self, name: &str) -> io::Result<Box<dyn Folder>> {
        self.0.open(name)
    }
    fn create(&self, name: &str) -> io::Result<Box<dyn Folder>> {
        self.0.create(name)
    }
    fn remove(&self, name: &str) -> io::Result<()> {
        self.0.remove(name)
    }
}

fn entropy(machine: &str) -> Entropy {
    let (machine, count) = (machine.to_owned(), AtomicU64::new(0));
    static STARTS: AtomicU64 = AtomicU64::new(0);
    let start = STARTS.fetch_add(1, Ordering::Relaxed);
    Arc::new(move |into: &mut [u8]| {
        let text = format!("{machine} {start} {}", count.fetch_add(1, Ordering::Relaxed));
        into.iter_mut().zip(blake3::hash(text.as_bytes()).as_bytes()).for_each(|(slot, byte)| *slot = *byte);
        Ok(())
    })
}

struct MachineSetup {
    keys: Option<(u8, Vec<u8>)>,
    durability: Durability,
    cache: u64,
    beat: Duration,
    /// Times of commits in the background.
    background: (Duration, Duration),
    unload: Unload,
    replica: Option<Arc<dyn ObjectStore>>,
    /// Locks of objects, which the shelf uses.
    locks: Option<Arc<locks::Locks>>,
}

impl Default for MachineSetup {
    fn default() -> Self {
        let never = Duration::from_secs(3600);
        Self {
            keys: None,
            durability: Durability::Remote,
            cache: 1 << 30,
            beat: Duration::from_millis(30),
            background: (never, never),
            unload: Unload::Wait,
            replica: None,
            locks: None,
        }
    }
}

fn machine_with(name: &str, store: Arc<dyn ObjectStore>, directory: &Path, setup: &MachineSetup) -> Machine {
    let retry = RetryPolicy::new(2, Duration::from_millis(1));
    let options = ShelfOptions::new(name).with_beat(setup.beat).with_retry(retry);
    let shelf = |store| Shelf::new(store, "site", options.clone(), entropy(name)).unwrap();
    let replica = setup.replica.clone().map(|store| ReplicaSetup::new("replica", "memory", shelf(store)));
    let shelf = shelf(store);
    let shelf = match &setup.locks {
        Some(locks) => {
            Shelf { objects: shelf.objects.with_requests(Arc::clone(locks) as _), ..shelf }.with_object_lock()
        }
        None => shelf,
    };
    let key = |byte: &u8| WrappingKey::new(&[*byte; KEY_LEN]).unwrap();
    let shelf = match &setup.keys {
        Some((current, former)) => shelf.with_keys(KeyRing::new(key(current), former.iter().map(key).collect())),
        None => shelf,
    };
    let local = FoldersSetup::new(directory.into())
        .with_durability(setup.durability)
        .with_cache(setup.cache)
        .with_background(setup.background.0, setup.background.1)
        .with_unload(setup.unload)
        .with_commit_interval(Duration::from_millis(1));
    let local = FoldersSetup { replicas: replica.into_iter().collect(), ..local };
    let folders = Arc::new(ShelfFolders::open(shelf, local).unwrap());
    Machine { tapes: TapeStore::new(Box::new(SharedFolders(Arc::clone(&folders)))), folders }
}

fn machine(name: &str, store: &Arc<InMemory>, directory: &Path) -> Machine {
    machine_with(name, Arc::clone(store) as _, directory, &MachineSetup::default())
}

fn block(number: u64, len: usize) -> Vec<u8> {
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let byte = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    std::iter::repeat_with(byte).take(len).collect()
}

impl Machine {
    fn create(&self) {
        self.tapes.create(&barcode(), &NewCartridge::data(&LTO_8).with_capacity(1 << 30)).unwrap();
    }

    fn cartridge(&self) -> Cartridge {
        self.tapes.find(&barcode()).unwrap()
    }

    fn load(&self) -> Box<dyn Medium> {
        self.cartridge().open().unwrap().0
    }

    /// The blocks of the tape from the beginning.
    fn blocks(&self, len: usize) -> Vec<Vec<u8>> {
        let mut tape = self.load();
        let mut blocks = Vec::new();
        loop {
            let mut into = vec![0; len];
            match tape.read(&mut [IoSliceMut::new(&mut into)]).unwrap() {
                ReadOutcome::Block { len, .. } => {
                    into.truncate(len);
                    blocks.push(into);
                }
                ReadOutcome::EndOfData => return blocks,
                ReadOutcome::Filemark => {}
            }
        }
    }
}

fn barcode() -> Barcode {
    Barcode::new(BARCODE).unwrap()
}

fn append(tape: &mut dyn Medium, bytes: &[u8]) -> Result<(), StoreError> {
    tape.append(&[IoSlice::new(bytes)], Codec::NONE).map(drop)
}

#[test]
fn a_tape_written_on_one_machine_is_read_and_overwritten_on_another() {
    let (store, a, b) = (Arc::new(InMemory::new()), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (first, second) = (machine("a", &store, a.path()), machine("b", &store, b.path()));
    first.create();
    let all: Vec<_> = (0..40).map(|number| block(number, 50_000)).collect();
    let mut tape = first.load();
    all.iter().for_each(|bytes| append(tape.as_mut(), bytes).unwrap());
    tape.close().unwrap();
    drop(tape);
    assert_eq!(first.folders.monitor().unshelved_bytes(), 0);
    assert!(second.blocks(60_000) == all);

    // The second machine overwrites from block 7 on. The first one still has the former files.
    let mut tape = second.load();
    assert!(tape.locate(0, 7).unwrap());
    append(tape.as_mut(), &block(99, 70_000)).unwrap();
    tape.append_filemark().unwrap();
    tape.close().unwrap();
    drop(tape);
    let mut expected = all[..7].to_vec();
    expected.push(block(99, 70_000));
    assert!(first.blocks(80_000) == expected);
    assert!(second.blocks(80_000) == expected);
    assert_eq!(first.tapes.list().unwrap(), [barcode()]);
}

#[test]
fn one_machine_at_a_time_has_the_tape() {
    let (store, a, b) = (Arc::new(InMemory::new()), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (first, second) = (machine("a", &store, a.path()), machine("b", &store, b.path()));
    first.create();
    let tape = first.load();
    let in_use = |machine: &Machine| matches!(machine.cartridge().open(), Err(StoreError::InUse));
    assert!(in_use(&first) && in_use(&second));
    // A reader without the tape reads the newest manifest.
    assert!(second.cartridge().mam().is_ok());
    drop(tape);
    drop(second.load());
}

/// The copy of a directory, as it is when its machine stops.
fn copied(from: &Path) -> tempfile::TempDir {
    fn copy(from: &Path, to: &Path) {
        for entry in std::fs::read_dir(from).unwrap() {
            let (from, to) = (entry.as_ref().unwrap().path(), to.join(entry.unwrap().file_name()));
            if from.is_dir() {
                std::fs::create_dir(&to).unwrap();
                copy(&from, &to);
            } else {
                std::fs::copy(&from, &to).unwrap();
            }
        }
    }
    let to = tempfile::tempdir().unwrap();
    copy(from, to.path());
    to
}

#[test]
fn what_was_synchronised_locally_survives_a_crash_and_is_shelved_at_the_next_start() {
    let (store, a, b) = (Arc::new(InMemory::new()), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let setup =
        MachineSetup { durability: Durability::Local, beat: Duration::from_secs(60), ..MachineSetup::default() };
    let first = machine_with("a", Arc::clone(&store) as _, a.path(), &setup);
    first.create();
    let mut tape = first.load();
    append(tape.as_mut(), &block(1, 200_000)).unwrap();
    tape.close().unwrap();
    drop(tape);
    let mut tape = first.load();
    assert!(tape.locate(0, 1).unwrap());
    append(tape.as_mut(), &block(2, 300_000)).unwrap();
    tape.sync().unwrap();
    assert!(first.folders.monitor().unshelved_bytes() >= 300_000);
    let crashed = copied(a.path());
    std::mem::forget((first, tape));

    // The first start ends before the store responds to anything.
    let dead = Connection::new(&store);
    dead.fail_from(3);
    drop(machine_with("a", dead, crashed.path(), &MachineSetup::default()));
    let restarted = machine("a", &store, crashed.path());
    assert!(restarted.blocks(400_000) == [block(1, 200_000), block(2, 300_000)]);
    assert!(machine("b", &store, b.path()).blocks(400_000) == [block(1, 200_000), block(2, 300_000)]);
}

#[test]
fn after_a_takeover_nothing_is_accepted_and_local_data_is_kept_aside() {
    let (store, a, b) = (Arc::new(InMemory::new()), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    // No heartbeat in the time of this test.
    let silent = MachineSetup { beat: Duration::from_secs(60), ..MachineSetup::default() };
    let first = machine_with("a", Arc::clone(&store) as _, a.path(), &silent);
    first.create();
    let mut tape = first.load();
    append(tape.as_mut(), &block(1, 100_000)).unwrap();
    tape.sync().unwrap();
    let second = machine("b", &store, b.path());
    let mut taken = second.load();
    assert!(taken.locate(0, 1).unwrap());

    append(tape.as_mut(), &block(2, 100_000)).unwrap();
    let owner = |result: Result<(), StoreError>| match result {
        Err(StoreError::TakenOver { owner }) => owner,
        other => panic!("{other:?}"),
    };
    assert_eq!(owner(tape.sync()), "b");
    let error = append(tape.as_mut(), &block(3, 100_000)).and_then(|()| tape.sync());
    assert_eq!(owner(error), "b");
    let mut into = vec![0; 100_000];
    let read = tape.locate(0, 0).and_then(|_| tape.read(&mut [IoSliceMut::new(&mut into)]));
    assert_eq!(owner(read.map(drop)), "b");
    drop(tape);

    append(taken.as_mut(), &block(4, 100_000)).unwrap();
    taken.close().unwrap();
    drop(taken);
    let expected = [block(1, 100_000), block(4, 100_000)];
    assert!(second.blocks(100_000) == expected && first.blocks(100_000) == expected);
    let aside = std::fs::read_dir(a.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert!(aside.filter(|name| name.starts_with("V00001L8.unshelved-")).count() == 1);
}

#[test]
fn a_small_cache_is_enough_for_a_long_tape() {
    let (store, a, b) = (Arc::new(InMemory::new()), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let first = machine("a", &store, a.path());
    first.create();
    let mut tape = first.load();
    let all: Vec<_> = (0..60).map(|number| block(number, 1_000_000)).collect();
    all.iter().for_each(|bytes| append(tape.as_mut(), bytes).unwrap());
    tape.close().unwrap();
    drop(tape);
    const LIMIT: u64 = 20 << 20;
    let setup = MachineSetup { cache: LIMIT, ..MachineSetup::default() };
    let second = machine_with("b", Arc::clone(&store) as _, b.path(), &setup);
    let mut tape = second.load();
    for pass in 0..2 {
        assert!(tape.locate(0, 0).unwrap());
        for expected in &all {
            let mut into = vec![0; 1_000_000];
            tape.read(&mut [IoSliceMut::new(&mut into)]).unwrap();
            assert!(into == *expected, "pass {pass}");
            assert!(second.folders.monitor().cached_bytes() <= LIMIT, "{}", second.folders.monitor().cached_bytes());
        }
    }
    use std::os::unix::fs::MetadataExt;
    let data = std::fs::metadata(b.path().join(BARCODE).join("files/data.0")).unwrap();
    assert!(data.len() > 60_000_000 && data.blocks() * 512 < LIMIT + (1 << 20), "{} blocks", data.blocks());
    drop(tape);
    // The next load finds the remaining parts, and fetches the beginning only, which was given up first.
    let before = second.folders.monitor().cached_bytes();
    drop(second.load());
    let after = second.folders.monitor().cached_bytes();
    assert!(after <= LIMIT && before.abs_diff(after) <= 1 << 20, "{before} {after}");
    drop(second.load());
    assert_eq!(second.folders.monitor().cached_bytes(), after);
}

/// Writes a script of records on a tape: after each step, the tape has the numbers in `written`. Returns the numbers of the last
/// state that was acknowledged, and of the states after it.
fn run_script(machine: &Machine) -> (Vec<u64>, Vec<Vec<u64>>) {
    let (mut acknowledged, mut later) = (Vec::new(), Vec::new());
    let _ = (|| -> Result<(), StoreError> {
        let mut written: Vec<u64> = Vec::new();
        for load in 0..2_u64 {
            let mut tape = machine.tapes.find(&barcode())?.open()?.0;
            for step in 0..3_u64 {
                // Each step overwrites the last record of the step before.
                written.truncate(written.len().saturating_sub(1));
                tape.locate(0, written.len() as u64)?;
                for record in 0..3 {
                    let number = load * 100 + step * 10 + record;
                    append(tape.as_mut(), &block(number, 90_000))?;
                    written.push(number);
                    later.push(written.clone());
                }
                tape.sync()?;
                (acknowledged, later) = (written.clone(), Vec::new());
            }
            tape.close()?;
        }
        Ok(())
    })();
    (acknowledged, later)
}

/// As [`run_script`] with local durability: after the last step of each load, what was synchronised is committed, as a task does in the
/// background. Returns the states that were synchronised, and how many of these states the shelf has for certain.
fn run_local_script(machine: &Machine) -> (Vec<Vec<u64>>, usize) {
    let (mut synchronised, mut shelved) = (vec![Vec::new()], 0);
    let _ = (|| -> Result<(), StoreError> {
        let mut written: Vec<u64> = Vec::new();
        for load in 0..2_u64 {
            let mut tape = machine.tapes.find(&barcode())?.open()?.0;
            for step in 0..4_u64 {
                written.truncate(written.len().saturating_sub(1));
                tape.locate(0, written.len() as u64)?;
                for record in 0..3 {
                    let number = load * 100 + step * 10 + record;
                    append(tape.as_mut(), &block(number, 90_000))?;
                    written.push(number);
                }
                tape.sync()?;
                synchronised.push(written.clone());
                // What follows is on the tape only, and is not committed.
                append(tape.as_mut(), &block(7, 50_000))?;
                tape.drain()?;
                let cartridge = machine.folders.access.slot(BARCODE).cartridge().unwrap();
                if step != 1 && cartridge.commit_pending().map_err(|_| StoreError::InUse)? {
                    shelved = synchronised.len();
                }
                tape.locate(0, written.len() as u64)?;
                tape.truncate()?;
            }
            tape.close()?;
            shelved = synchronised.len();
        }
        Ok(())
    })();
    (synchronised, shelved)
}

#[test]
fn a_commit_in_the_background_is_a_state_that_was_synchronised() {
    let script = |fails_from: u64| {
        let (store, a, b) = (Arc::new(InMemory::new()), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        machine("c", &store, b.path()).create();
        let connection = Connection::new(&store);
        let setup = MachineSetup { durability: Durability::Local, ..MachineSetup::default() };
        let first = machine_with("a", Arc::clone(&connection) as _, a.path(), &setup);
        connection.requests.store(0, Ordering::SeqCst);
        connection.fail_from(fails_from);
        let (synchronised, shelved) = run_local_script(&first);
        let (requests, crashed) = (connection.requests.load(Ordering::SeqCst), copied(a.path()));
        connection.fail_from(0);
        drop(first);
        let bytes = |numbers: &Vec<u64>| numbers.iter().map(|number| block(*number, 90_000)).collect::<Vec<_>>();
        let states: Vec<_> = synchronised.iter().map(bytes).collect();
        // The machine is lost: the shelf has one of the states, and not one before the last commit.
        let store_of_other = Arc::new(store.fork());
        let seen = machine("b", &store_of_other, b.path()).blocks(90_000);
        let first_allowed = shelved.saturating_sub(1);
        assert!(states[first_allowed..].contains(&seen), "request {fails_from}: {} of {shelved}", seen.len());
        // The machine starts again: it has the last state that was synchronised, and what was written after it.
        let continued = machine("a", &store, crashed.path()).blocks(90_000);
        let last = states.last().unwrap();
        assert!(continued.starts_with(last) && continued.len() <= last.len() + 3, "request {fails_from}");
        requests
    };
    let all = script(u64::MAX);
    assert!(all > 30, "{all} requests");
    let next = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some(fails_from) = Some(next.fetch_add(1, Ordering::Relaxed)).filter(|next| *next < all) {
                    script(fails_from);
                }
            });
        }
    });
}

#[test]
fn another_machine_has_what_was_committed_in_the_background() {
    let (store, a, b) = (Arc::new(InMemory::new()), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let setup = MachineSetup {
        durability: Durability::Local,
        background: (Duration::from_millis(200), Duration::from_millis(20)),
        beat: Duration::from_secs(60),
        ..MachineSetup::default()
    };
    let first = machine_with("a", Arc::clone(&store) as _, a.path(), &setup);
    first.create();
    let mut tape = first.load();
    let version =
        || first.folders.access.runtime.block_on(first.folders.access.shelf.newest(BARCODE)).unwrap().unwrap().version;
    let before = version();
    let wait = |past: u64| {
        while version() <= past {
            std::thread::yield_now();
        }
    };
    append(tape.as_mut(), &block(1, 200_000)).unwrap();
    tape.sync().unwrap();
    wait(before);
    assert_eq!(first.folders.monitor().unshelved(), []);
    append(tape.as_mut(), &block(2, 200_000)).unwrap();
    tape.sync().unwrap();
    // A tape that is written without a pause is committed, too: the state of the synchronisation, not that of the moment.
    let (between, mut number) = (version(), 10);
    while version() == between {
        append(tape.as_mut(), &block(number, 20_000)).unwrap();
        tape.drain().unwrap();
        number += 1;
    }
    std::mem::forget((first, tape));
    assert!(machine("b", &store, b.path()).blocks(200_000) == [block(1, 200_000), block(2, 200_000)]);
}

#[test]
fn a_machine_that_stops_at_any_request_loses_nothing_that_was_acknowledged() {
    let script = |fails_from: u64| {
        let (store, a, b) = (Arc::new(InMemory::new()), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        machine("c", &store, b.path()).create();
        let connection = Connection::new(&store);
        let first = machine_with("a", Arc::clone(&connection) as _, a.path(), &MachineSetup::default());
        connection.requests.store(0, Ordering::SeqCst);
        connection.fail_from(fails_from);
        let (acknowledged, later) = run_script(&first);
        let (requests, crashed) = (connection.requests.load(Ordering::SeqCst), copied(a.path()));
        connection.fail_from(0);
        drop(first);
        // The other machine sees the last acknowledged state, or a later one.
        let blocks = |machine: &Machine| machine.blocks(90_000);
        let bytes = |numbers: &Vec<u64>| numbers.iter().map(|number| block(*number, 90_000)).collect::<Vec<_>>();
        let allowed: Vec<_> = std::iter::once(&acknowledged).chain(&later).map(bytes).collect();
        let other = copied(b.path());
        let seen = blocks(&machine("b", &store, other.path()));
        assert!(allowed.contains(&seen), "request {fails_from}: {} of {}", seen.len(), acknowledged.len());
        // The machine itself continues: the other one has not changed the tape. From then on, both see the same.
        let continued = blocks(&machine("a", &store, crashed.path()));
        assert!(allowed.contains(&continued) && continued.len() >= acknowledged.len(), "request {fails_from}");
        assert!(blocks(&machine("b", &store, other.path())) == continued, "request {fails_from}");
        requests
    };
    let all = script(u64::MAX);
    // Two loads, each with three commits and a release.
    assert!(all > 30, "{all} requests");
    let next = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    let fails_from = next.fetch_add(1, Ordering::Relaxed);
                    if fails_from >= all {
                        return;
                    }
                    script(fails_from);
                }
            });
        }
    });
}

#[test]
fn an_encrypted_cartridge_needs_its_key_which_can_be_rotated_and_destroyed() {
    let (store, data) = (Arc::new(InMemory::new()), tempfile::tempdir().unwrap());
    let count = AtomicU64::new(0);
    let machine = |current: Option<u8>, former: &[u8]| {
        let keys = current.map(|current| (current, former.to_vec()));
        let setup = MachineSetup { keys, ..MachineSetup::default() };
        let directory = data.path().join(count.fetch_add(1, Ordering::Relaxed).to_string());
        machine_with("a", Arc::clone(&store) as _, &directory, &setup)
    };
    let all: Vec<_> = (0..5).map(|number| block(number, 300_000)).collect();
    let first = machine(Some(1), &[]);
    first.create();
    let mut tape = first.load();
    all.iter().for_each(|bytes| append(tape.as_mut(), bytes).unwrap());
    tape.close().unwrap();
    drop((tape, first));
    // Nothing of the data, or of the cartridge memory, is in the store.
    let objects = tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
        let all: Vec<_> = futures::TryStreamExt::try_collect(store.list(None)).await.unwrap();
        let mut contents = Vec::new();
        for meta in all {
            contents.push((
                meta.location.to_string(),
                store.get_opts(&meta.location, GetOptions::default()).await.unwrap().bytes().await.unwrap(),
            ));
        }
        contents
    });
    let mut texts = all.iter().map(|bytes| &bytes[1000..1016]).chain([b"LTO-8".as_slice()]);
    assert!(texts.all(|text| objects.iter().all(|(_, bytes)| bytes.windows(text.len()).all(|window| window != text))));

    assert!(machine(Some(1), &[]).blocks(300_000) == all);
    assert!(machine(Some(2), &[1]).blocks(300_000) == all);
    for wrong in [machine(None, &[]), machine(Some(2), &[])] {
        let error = wrong.tapes.find(&barcode()).err().unwrap().to_string();
        assert!(
            error.contains("cartridge V00001L8: it is encrypted, and the key ") && error.contains(" is not configured"),
            "{error}"
        );
    }

    let with_owned = |machine: &Machine, call: &dyn Fn(&mut crate::OwnedCartridge, &Handle) -> bool| {
        let access = &machine.folders.access;
        let mut owned = access.runtime.block_on(access.shelf.take(BARCODE)).unwrap();
        let result = call(&mut owned, &access.runtime);
        let content = owned.content().clone();
        access.runtime.block_on(owned.release(content)).unwrap();
        result
    };
    let rewrap =
        |machine: &Machine| with_owned(machine, &|owned, runtime| runtime.block_on(owned.rewrap_key()).unwrap());
    assert_eq!([rewrap(&machine(Some(2), &[1])), rewrap(&machine(Some(2), &[1]))], [true, false]);
    assert!(machine(Some(2), &[]).blocks(300_000) == all);
    assert!(machine(Some(1), &[]).tapes.find(&barcode()).is_err());

    let last = machine(Some(2), &[]);
    assert!(with_owned(&last, &|owned, runtime| runtime.block_on(owned.destroy_key()).unwrap()));
    let error = machine(Some(2), &[1]).tapes.find(&barcode()).err().unwrap().to_string();
    assert!(error.ends_with("its key was destroyed: its data can no longer be read"), "{error}");
}

/// The names of the files of the cartridge in a store; none without a folder.
fn files(store: &dyn FolderStore) -> Vec<String> {
    match store.open(BARCODE) {
        Ok(mut folder) => folder.list().unwrap(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => panic!("{error}"),
    }
}

fn move_cartridge(machine: &Machine, directory: &OsFolderStore, is_recall: bool) -> Result<(), StoreError> {
    let (shelf, mut keep_on) = (machine.folders.as_ref(), |_| std::ops::ControlFlow::Continue(()));
    if is_recall {
        move_from_shelf(shelf, directory, BARCODE, &mut keep_on)
    } else {
        move_to_shelf(directory, shelf, BARCODE, &mut keep_on)
    }
}

/// A move in which this number of requests succeeds before all others fail; then the machine is started again, and repeats it.
/// Returns whether a request has failed.
fn cut_move(is_recall: bool, succeed: u64) -> bool {
    let (store, home) = (Arc::new(InMemory::new()), tempfile::tempdir().unwrap());
    let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let directory = OsFolderStore::at(home.path()).unwrap();
    let other = machine("b", &store, b.path());
    let local = Machine { tapes: TapeStore::new(Box::new(OsFolderStore::at(home.path()).unwrap())), ..other };
    local.create();
    let all: Vec<_> = (0..4).map(|number| block(number, 90_000)).collect();
    let mut tape = local.load();
    all.iter().for_each(|bytes| append(tape.as_mut(), bytes).unwrap());
    tape.close().unwrap();
    drop(tape);
    let connection = Connection::new(&store);
    let first = machine_with("a", Arc::clone(&connection) as _, a.path(), &MachineSetup::default());
    if is_recall {
        move_cartridge(&first, &directory, false).unwrap();
        assert!(files(&directory).is_empty());
    }
    let limit = connection.requests.load(Ordering::SeqCst) + succeed;
    connection.fail_from(limit);
    let done = move_cartridge(&first, &directory, is_recall);
    let (was_cut, crashed) = (connection.requests.load(Ordering::SeqCst) > limit, copied(a.path()));
    connection.fail_from(0);
    drop(first);
    let restarted = machine("a", &store, crashed.path());
    let has_files = !files(&directory).is_empty();
    let found = if has_files { &local } else { &restarted };
    assert!(found.blocks(100_000) == all, "recall: {is_recall}, request {succeed}");
    if has_files != is_recall {
        move_cartridge(&restarted, &directory, is_recall).unwrap();
    }
    let (place, former) = (if is_recall { &local } else { &restarted }, files(restarted.folders.as_ref()));
    assert!(place.blocks(100_000) == all, "recall: {is_recall}, request {succeed}, after the next attempt");
    assert_eq!(files(&directory).is_empty(), !is_recall);
    // A recall whose last requests have failed leaves the former state on the shelf.
    assert!(!is_recall || former.is_empty() || (done.is_err() && has_files));
    assert!(was_cut || done.is_ok(), "recall: {is_recall}: {done:?}");
    was_cut
}

#[test]
fn a_cartridge_that_moves_while_requests_fail_is_in_one_place() {
    for is_recall in [false, true] {
        let requests = (0..).find(|succeed| !cut_move(is_recall, *succeed)).unwrap();
        assert!(requests > 5, "{requests} requests");
    }
}

#[test]
fn local_files_never_continue_the_tape_of_another_daemon() {
    let (store, a, b) = (Arc::new(InMemory::new()), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let silent = MachineSetup { beat: Duration::from_secs(60), ..MachineSetup::default() };
    let local = MachineSetup { durability: Durability::Local, ..silent };
    let first = machine_with("a", Arc::clone(&store) as _, a.path(), &local);
    first.create();
    let mut tape = first.load();
    (0..3).for_each(|number| append(tape.as_mut(), &block(number, 100_000)).unwrap());
    tape.sync().unwrap();
    let crashed = copied(a.path());
    std::mem::forget((first, tape));
    let second = machine("b", &store, b.path());
    let mut tape = second.load();
    (7..9).for_each(|number| append(tape.as_mut(), &block(number, 100_000)).unwrap());
    tape.close().unwrap();
    drop(tape);
    let expected = [block(7, 100_000), block(8, 100_000)];
    // The first machine is interrupted again, after each number of requests of its next taking.
    for requests in 0..20 {
        let (store, directory) = (Arc::new(store.fork()), copied(crashed.path()));
        let connection = Connection::new(&store);
        connection.fail_from(requests);
        let again = machine_with("a", Arc::clone(&connection) as _, directory.path(), &MachineSetup::default());
        drop(again.folders.access.acquire(BARCODE));
        connection.fail_from(0);
        drop(again);
        assert!(machine("a", &store, directory.path()).blocks(100_000) == expected, "{requests} requests");
        let names = std::fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name());
        assert_eq!(names.filter(|name| name.to_string_lossy().contains(".unshelved-")).count(), 1);
    }
}

#[test]
fn a_key_that_is_destroyed_between_two_loads_is_not_used_again() {
    let (store, data) = (Arc::new(InMemory::new()), tempfile::tempdir().unwrap());
    let setup = MachineSetup { keys: Some((1, Vec::new())), ..MachineSetup::default() };
    let first = machine_with("a", Arc::clone(&store) as _, data.path(), &setup);
    first.create();
    let mut tape = first.load();
    append(tape.as_mut(), &block(1, 200_000)).unwrap();
    tape.close().unwrap();
    drop(tape);
    let elsewhere = tempfile::tempdir().unwrap();
    let other = machine("b", &store, elsewhere.path());
    let access = &other.folders.access;
    let mut owned = access.runtime.block_on(access.shelf.take(BARCODE)).unwrap();
    assert!(access.runtime.block_on(owned.destroy_key()).unwrap());
    let content = owned.content().clone();
    access.runtime.block_on(owned.release(content)).unwrap();
    // A machine remembers a cartridge for two seconds.
    first.folders.access.recent.forget(BARCODE);
    let error = first.tapes.find(&barcode()).err().unwrap().to_string();
    assert!(error.contains("its key was destroyed"), "{error}");
}

#[test]
fn a_cartridge_is_shown_while_it_is_being_taken_and_a_failing_store_is_named() {
    let (store, a, b) = (Arc::new(InMemory::new()), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let first = machine("a", &store, a.path());
    first.create();
    let mut tape = first.load();
    append(tape.as_mut(), &block(1, 100_000)).unwrap();
    tape.sync().unwrap();
    append(tape.as_mut(), &block(2, 200_000)).unwrap();
    tape.drain().unwrap();
    let unshelved = first.folders.monitor().unshelved();
    assert!(unshelved.len() == 1 && unshelved[0].barcode == BARCODE, "{unshelved:?}");
    assert!((200_000..210_000).contains(&unshelved[0].bytes), "{unshelved:?}");
    std::mem::forget((first, tape));

    // The second machine waits for heartbeats of the first one, which has ended as far as it sees.
    let connection = Connection::new(&store);
    let slow = MachineSetup { beat: Duration::from_millis(700), ..MachineSetup::default() };
    let second = machine_with("b", Arc::clone(&connection) as _, b.path(), &slow);
    std::thread::scope(|scope| {
        let loading = scope.spawn(|| second.cartridge().open().map(drop));
        let requests = || connection.requests.load(Ordering::SeqCst);
        while requests() < 8 {
            std::thread::yield_now();
        }
        assert!(second.cartridge().mam().is_ok());
        assert_eq!(second.folders.monitor().unshelved(), []);
        assert!(!loading.is_finished());
        let _ = loading.join().unwrap();
    });
    assert_eq!(second.folders.monitor().failure(), None);
    connection.fail_from(0);
    second.folders.access.recent.forget(BARCODE);
    assert!(second.tapes.find(&barcode()).is_err());
    let failure = second.folders.monitor().failure().unwrap();
    assert!(failure.error.contains("no connection") && failure.failing_for < Duration::from_secs(60), "{failure:?}");
    connection.fail_from(u64::MAX);
    assert!(second.tapes.find(&barcode()).is_ok());
    assert_eq!(second.folders.monitor().failure(), None);
}

#[test]
fn an_unload_that_does_not_wait_leaves_the_cartridge_to_this_machine_until_it_is_shelved() {
    for durability in [Durability::Local, Durability::Remote] {
        let (store, a, b) = (Arc::new(InMemory::new()), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let connection = Connection::new(&store);
        let setup = MachineSetup { durability, unload: Unload::Later, ..MachineSetup::default() };
        let first = machine_with("a", Arc::clone(&connection) as _, a.path(), &setup);
        first.create();
        let second = machine_with("b", Arc::clone(&store) as _, b.path(), &MachineSetup::default());
        let shelved = || {
            while first.folders.access.slot(BARCODE).cartridge().is_some() {
                std::thread::yield_now();
            }
        };
        shelved();
        connection.refuses_segments.store(true, Ordering::SeqCst);
        for number in 1..3 {
            let mut tape = first.load();
            assert!(tape.locate(0, number - 1).unwrap());
            append(tape.as_mut(), &block(number, 200_000)).unwrap();
            tape.close().unwrap();
            drop(tape);
            let unshelved = first.folders.monitor().unshelved_bytes();
            assert!(unshelved >= number * 200_000, "{unshelved}");
            assert!(matches!(second.cartridge().open(), Err(StoreError::InUse)));
        }
        connection.refuses_segments.store(false, Ordering::SeqCst);
        shelved();
        assert_eq!(first.folders.monitor().unshelved(), []);
        assert!(second.blocks(200_000) == [block(1, 200_000), block(2, 200_000)]);
        assert!(first.blocks(200_000) == [block(1, 200_000), block(2, 200_000)]);
    }
}

/// The upload after an unload takes long, and a drive loads the cartridge again meanwhile.
#[test]
fn a_cartridge_that_is_loaded_during_its_release_is_not_released() {
    let (store, a, b) = (Arc::new(InMemory::new()), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let connection = Connection::new(&store);
    let setup = MachineSetup { durability: Durability::Local, unload: Unload::Later, ..MachineSetup::default() };
    let first = machine_with("a", Arc::clone(&connection) as _, a.path(), &setup);
    first.create();
    let second = machine_with("b", Arc::clone(&store) as _, b.path(), &MachineSetup::default());
    let mut tape = first.load();
    append(tape.as_mut(), &block(1, 200_000)).unwrap();
    connection.holds_segments.store(true, Ordering::SeqCst);
    tape.close().unwrap();
    drop(tape);
    while connection.held.load(Ordering::SeqCst) == 0 {
        std::thread::yield_now();
    }
    let mut tape = first.load();
    connection.holds_segments.store(false, Ordering::SeqCst);
    while first.folders.monitor().unshelved_bytes() > 0 {
        std::thread::yield_now();
    }
    // The thread that releases has ended.
    assert!(first.folders.access.slot(BARCODE).release());
    assert!(matches!(second.cartridge().open(), Err(StoreError::InUse)));
    assert!(tape.locate(0, 1).unwrap());
    append(tape.as_mut(), &block(2, 200_000)).unwrap();
    tape.close().unwrap();
    drop(tape);
    first.folders.flush().unwrap();
    assert!(second.blocks(200_000) == [block(1, 200_000), block(2, 200_000)]);
}

#[test]
fn the_stop_of_a_machine_names_the_cartridges_that_are_not_shelved() {
    let (store, a) = (Arc::new(InMemory::new()), tempfile::tempdir().unwrap());
    let connection = Connection::new(&store);
    let setup = MachineSetup { unload: Unload::Later, ..MachineSetup::default() };
    let first = machine_with("a", Arc::clone(&connection) as _, a.path(), &setup);
    first.create();
    connection.refuses_segments.store(true, Ordering::SeqCst);
    let mut tape = first.load();
    append(tape.as_mut(), &block(1, 200_000)).unwrap();
    tape.close().unwrap();
    drop(tape);
    first.folders.stop();
    let error = first.folders.flush().unwrap_err().to_string();
    assert!(
        error.starts_with("cartridge V00001L8: 2") && error.ends_with(" bytes are not on its shelf yet"),
        "{error}"
    );
    connection.refuses_segments.store(false, Ordering::SeqCst);
    first.folders.flush().unwrap();
}

#[test]
fn a_small_file_that_has_grown_long_is_not_shelved_as_its_former_state() {
    let (store, a, b) = (Arc::new(InMemory::new()), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let setup = MachineSetup { durability: Durability::Local, ..MachineSetup::default() };
    let first = machine_with("a", Arc::clone(&store) as _, a.path(), &setup);
    first.create();
    let mut tape = first.load();
    append(tape.as_mut(), &block(1, 10_000)).unwrap();
    tape.sync().unwrap();
    assert!(tape.locate(0, 0).unwrap());
    append(tape.as_mut(), &block(2, 90_000)).unwrap();
    tape.drain().unwrap();
    let cartridge = first.folders.access.slot(BARCODE).cartridge().unwrap();
    cartridge.commit_pending().unwrap();
    drop(cartridge);
    append(tape.as_mut(), &block(3, 90_000)).unwrap();
    tape.close().unwrap();
    drop(tape);
    let expected = [block(2, 90_000), block(3, 90_000)];
    assert!(machine("b", &store, b.path()).blocks(90_000) == expected);
    assert!(first.blocks(90_000) == expected);
}

#[test]
fn a_machine_does_not_wait_for_a_lease_that_it_could_not_use() {
    let (store, a) = (Arc::new(InMemory::new()), tempfile::tempdir().unwrap());
    machine("a", &store, a.path()).create();
    let cut = |succeed: u64| {
        let (store, directory) = (Arc::new(store.fork()), tempfile::tempdir().unwrap());
        let connection = Connection::new(&store);
        // A machine that waits for heartbeats waits for minutes here.
        let setup = MachineSetup { beat: Duration::from_secs(60), ..MachineSetup::default() };
        let first = machine_with("a", Arc::clone(&connection) as _, directory.path(), &setup);
        connection.fail_from(succeed);
        let was_cut = first.folders.access.acquire(BARCODE).is_err();
        connection.fail_from(u64::MAX);
        let start = Instant::now();
        assert!(first.folders.access.acquire(BARCODE).is_ok(), "request {succeed}");
        assert!(start.elapsed() < Duration::from_secs(60), "request {succeed}");
        was_cut
    };
    let requests = (0..).find(|succeed| !cut(*succeed)).unwrap();
    assert!(requests > 4, "{requests} requests");
}

#[test]
fn a_cartridge_that_was_moved_to_another_place_is_not_in_the_catalog() {
    let (store, directory) = (Arc::new(InMemory::new()), tempfile::tempdir().unwrap());
    let folders = machine("a", &store, directory.path()).folders;
    let shelf = folders.access.shelf.clone();
    folders.access.runtime.block_on(shelf.begin_catalog()).unwrap();
    let catalog = || {
        folders.flush().unwrap();
        folders.access.runtime.block_on(shelf.catalog()).unwrap().unwrap()
    };
    let mut folder = folders.create("V00009L8").unwrap();
    folder.open("mam").unwrap().write_at(0, &[io::IoSlice::new(b"memory")]).unwrap();
    folder.commit(CommitPoint::Copy).unwrap();
    assert_eq!(catalog(), ["V00009L8"]);
    // Its files are in another place now.
    folder.remove("mam").unwrap();
    folder.commit(CommitPoint::Copy).unwrap();
    assert_eq!(catalog(), Vec::<String>::new());
}

/// One upload takes long: others do not wait for it.
#[test]
fn several_cartridges_are_released_at_the_same_time() {
    let (store, a) = (Arc::new(InMemory::new()), tempfile::tempdir().unwrap());
    let connection = Connection::new(&store);
    let setup = MachineSetup { durability: Durability::Local, unload: Unload::Later, ..MachineSetup::default() };
    let machine = machine_with("a", Arc::clone(&connection) as _, a.path(), &setup);
    let barcodes = [1, 2, 3].map(|number| Barcode::new(&format!("V{number:05}L8")).unwrap());
    for barcode in &barcodes {
        machine.tapes.create(barcode, &NewCartridge::data(&LTO_8).with_capacity(1 << 30)).unwrap();
    }
    while machine.folders.monitor().unshelved_bytes() > 0 {
        std::thread::yield_now();
    }
    connection.holds_segments.store(true, Ordering::SeqCst);
    for barcode in &barcodes {
        let mut tape = machine.tapes.find(barcode).unwrap().open().unwrap().0;
        append(tape.as_mut(), &block(1, 200_000)).unwrap();
        tape.close().unwrap();
    }
    replication::wait_until(|| connection.held.load(Ordering::SeqCst) == 3);
    connection.holds_segments.store(false, Ordering::SeqCst);
    replication::wait_until(|| machine.folders.monitor().unshelved_bytes() == 0);
}

#[test]
fn the_error_of_a_local_file_that_was_truncated_names_the_file() {
    let (store, a) = (Arc::new(InMemory::new()), tempfile::tempdir().unwrap());
    let machine = machine("a", &store, a.path());
    machine.create();
    let mut tape = machine.load();
    append(tape.as_mut(), &block(1, 200_000)).unwrap();
    let file = std::fs::OpenOptions::new().write(true).open(a.path().join(BARCODE).join("files/data.0")).unwrap();
    file.set_len(70_000).unwrap();
    let error = machine.folders.access.slot(BARCODE).cartridge().unwrap().commit().unwrap_err().to_string();
    assert_eq!(error, "local file data.0: failed to fill whole buffer");
}
