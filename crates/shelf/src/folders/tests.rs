//! Tapes on a shelf, of one machine or several.

#![allow(clippy::cast_possible_truncation, reason = "test data")]

mod cache;
mod crashes;
mod keys;
mod locks;
mod moves;
mod replication;
mod rounds;
mod sharing;
mod unloads;
mod waits;

use super::*;
use crate::test_store::pass_other_requests;
use crate::{Entropy, KEY_LEN, KeyRing, RetryPolicy, ShelfOptions, WrappingKey};
use object_store::memory::InMemory;
use object_store::path::Path as ObjectPath;
use object_store::{Error, GetOptions, GetResult, ObjectStore, PutOptions, PutPayload, PutResult};
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

    async fn get_opts(&self, at: &ObjectPath, options: GetOptions) -> object_store::Result<GetResult> {
        self.count()?;
        self.timed(format!("get {at} {:?}", options.range), self.store.get_opts(at, options)).await
    }

    pass_other_requests!(store);
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
