//! Storage classes over HTTP: segments in a class whose objects must be thawed, and the loads of their cartridges.
#![cfg(feature = "s3")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "test code, which waits for a store"
)]

mod stand_in;

use shelf::{
    FoldersSetup, ReplicaSetup, RetryPolicy, Shelf, ShelfError, ShelfFolders, ShelfOptions, StorageClass, ThawTier,
};
use stand_in::{BUCKET, Object, Request, StandIn};
use std::io::IoSliceMut;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tape_store::backend::{FolderStore, ReplicaLag, ThawProgress, Thawing};
use tape_store::cartridge::{Barcode, Cartridge};
use tape_store::error::StoreError;
use tape_store::image::{PlainReader, write_to_cartridge};
use tape_store::media::LTO_8;
use tape_store::medium::{Codec, Medium, ReadOutcome};
use tape_store::store::{NewCartridge, TapeStore};
use tempfile::TempDir;

fn open(server: &StandIn) -> Shelf {
    // Different in each process and for each shelf: names of segments are never used twice.
    static COUNT: AtomicU64 = AtomicU64::new(1);
    let entropy = Arc::new(|into: &mut [u8]| {
        let bytes = COUNT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        into.iter_mut().rev().zip(bytes.iter().rev()).for_each(|(slot, byte)| *slot = *byte);
        Ok(())
    });
    let options = ShelfOptions::new("test").with_retry(RetryPolicy::new(3, Duration::from_millis(10)));
    Shelf::open(&format!("s3://{BUCKET}/site"), server.settings(), options, entropy).unwrap()
}

fn barcode() -> Barcode {
    Barcode::new("V00001L8").unwrap()
}

fn tapes(shelf: Shelf, directory: &Path) -> TapeStore {
    let shelf = shelf.with_thaw(3, ThawTier::Bulk);
    TapeStore::new(Box::new(ShelfFolders::open(shelf, FoldersSetup::new(directory.into())).unwrap()))
}

/// Creates a cartridge with 3 MB of data on a shelf, from a machine with this directory.
fn create(shelf: Shelf, directory: &Path) {
    let tapes = tapes(shelf, directory);
    tapes.create(&barcode(), &NewCartridge::data(&LTO_8).with_capacity(1 << 30)).unwrap();
    let data: Vec<u8> = (0..3_000_000_u32).map(|number| (number % 251) as u8).collect();
    let mut cartridge = tapes.find(&barcode()).unwrap();
    let mut blocks = PlainReader::new(data.as_slice(), 100_000);
    write_to_cartridge(&mut blocks, &mut cartridge, 0, false, Codec::NONE).unwrap();
}

/// A store with a cartridge, and another machine, with its directory, that has not used it yet.
fn shelved() -> (StandIn, TempDir, TapeStore) {
    let (server, first, second) = (StandIn::start(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    create(open(&server), first.path());
    let tapes = tapes(open(&server), second.path());
    (server, second, tapes)
}

const LONG: usize = 1 << 20;

/// Reads blocks from the position on. Returns how many, and the error if the last read has one.
fn read_blocks(tape: &mut dyn Medium) -> (u64, Option<StoreError>) {
    let mut block = vec![0; 100_000];
    for count in 0.. {
        let object = tape.position().object;
        match tape.read(&mut [IoSliceMut::new(&mut block)]) {
            Ok(ReadOutcome::Block { len, .. }) => {
                assert_eq!(len, 100_000);
                let first = object * 100_000;
                assert!(block.iter().zip(first..).all(|(byte, at)| u64::from(*byte) == at % 251), "{object}");
            }
            Ok(_) => return (count, None),
            Err(error) => {
                assert!(tape.position().object == object || error.being_thawed().is_none());
                return (count, Some(error));
            }
        }
    }
    unreachable!()
}

/// Reads until the store has thawed the data.
fn read_when_thawed(tape: &mut dyn Medium) -> u64 {
    let start = Instant::now();
    loop {
        match read_blocks(tape) {
            (0, Some(StoreError::BeingThawed(_))) => std::thread::sleep(Duration::from_millis(20)),
            (count, error) => return error.map_or(count, |error| panic!("{count}: {error}")),
        }
        assert!(start.elapsed() < Duration::from_secs(20));
    }
}

fn first_block(cartridge: &mut Cartridge) -> Vec<u8> {
    let mut tape = cartridge.open().unwrap().0;
    let mut block = vec![0; 100_000];
    tape.read(&mut [IoSliceMut::new(&mut block)]).unwrap();
    block
}

fn segments(server: &StandIn) -> Vec<(String, Object)> {
    let state = server.state();
    state.objects.iter().filter(|(key, _)| key.contains("/seg/")).map(|(key, it)| (key.clone(), it.clone())).collect()
}

fn restores(server: &StandIn) -> Vec<Request> {
    let state = server.state();
    state.requests.iter().filter(|request| request.query.contains_key("restore")).cloned().collect()
}

/// Waits until the store was asked to restore this number of objects.
fn wait_for_restores(server: &StandIn, count: usize) {
    let start = Instant::now();
    while restores(server).len() < count {
        assert!(start.elapsed() < Duration::from_secs(20), "{:?}", restores(server));
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Waits until a thawing has this number of objects that can be read.
fn wait_for(thawing: &dyn Thawing, ready: u64) -> ThawProgress {
    let start = Instant::now();
    while thawing.progress().ready < ready {
        assert!(start.elapsed() < Duration::from_secs(20), "{:?}", thawing.progress());
        std::thread::sleep(Duration::from_millis(20));
    }
    thawing.progress()
}

fn wait_for_end(thawing: &mut dyn Thawing) -> Result<(), String> {
    let start = Instant::now();
    loop {
        if let Some(ended) = thawing.end() {
            return ended.map_err(|error| error.to_string());
        }
        assert!(start.elapsed() < Duration::from_secs(20));
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn only_long_segments_have_the_class() {
    let (server, directory) = (StandIn::start(), tempfile::tempdir().unwrap());
    create(open(&server).with_class(StorageClass::StandardIa).unwrap(), directory.path());
    let long = |object: &Object| object.bytes.len() >= 1 << 20;
    let segments = segments(&server);
    assert!(segments.iter().any(|(_, object)| long(object)) && segments.iter().any(|(_, object)| !long(object)));
    let state = server.state();
    for (key, object) in &state.objects {
        let expected = (key.contains("/seg/") && long(object)).then_some("STANDARD_IA");
        assert_eq!(object.class.as_deref(), expected, "{key}");
    }
}

#[test]
fn a_store_without_the_protocol_has_no_classes() {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("file://{}", directory.path().display());
    let shelf = Shelf::open(&url, [], ShelfOptions::new("test"), Arc::new(|_: &mut [u8]| Ok(()))).unwrap();
    let error = shelf.with_class(StorageClass::Glacier).unwrap_err();
    assert!(matches!(error, ShelfError::NoStorageClass { .. }));
    assert_eq!(error.to_string(), "the store has no storage class GLACIER: it has no S3 protocol");
}

#[test]
fn the_segments_of_a_load_are_thawed() {
    let (server, first, second) = (StandIn::start(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let shelf = || open(&server).with_class(StorageClass::Glacier).unwrap();
    create(shelf(), first.path());
    let frozen = segments(&server).iter().filter(|(_, object)| object.is_frozen).count();
    assert!(frozen > 0);
    // The machine that has written it has its bytes.
    let mut cartridge = tapes(shelf(), first.path()).find(&barcode()).unwrap();
    assert!(cartridge.thaw().is_none());
    drop(cartridge);
    // Another one reads the cartridge memory, but not the data.
    let tapes = tapes(shelf(), second.path());
    let mut cartridge = tapes.find(&barcode()).unwrap();
    let mut thawing = cartridge.thaw().unwrap();
    cartridge.mam().unwrap();
    assert!(thawing.is_needed() && thawing.end().is_none());
    let objects = thawing.progress().objects;
    let ready = wait_for(thawing.as_ref(), objects - frozen as u64);
    assert_eq!(ready, ThawProgress { ready: objects - frozen as u64, objects });
    wait_for_restores(&server, frozen);
    let asked = restores(&server);
    let body = String::from_utf8_lossy(&asked[0].body).into_owned();
    assert!(body.contains("<Days>3</Days>") && body.contains("<Tier>Bulk</Tier>"), "{body}");
    assert_eq!(asked.len(), frozen);
    // It is given up, and begun again: the store is not asked again.
    drop(thawing);
    let mut thawing = cartridge.thaw().unwrap();
    assert!(thawing.is_needed());
    wait_for(thawing.as_ref(), objects - frozen as u64);
    server.state().end_some_restores(1);
    wait_for(thawing.as_ref(), objects - frozen as u64 + 1);
    server.state().end_restores();
    wait_for_end(thawing.as_mut()).unwrap();
    assert_eq!(restores(&server).len(), frozen);
    assert_eq!(first_block(&mut cartridge)[..5], [0, 1, 2, 3, 4]);
}

/// A lifecycle rule has moved the segments: the configuration does not name the class.
#[test]
fn segments_that_a_rule_has_moved_are_thawed() {
    let (server, _directory, tapes) = shelved();
    let mut cartridge = tapes.find(&barcode()).unwrap();
    assert!(!cartridge.thaw().unwrap().is_needed());
    for (key, object) in &mut server.state().objects {
        object.is_frozen = key.contains("/seg/") && object.bytes.len() >= 1 << 20;
    }
    let mut thawing = cartridge.thaw().unwrap();
    assert!(thawing.is_needed());
    let objects = thawing.progress().objects;
    let frozen = segments(&server).iter().filter(|(_, object)| object.is_frozen).count() as u64;
    wait_for(thawing.as_ref(), objects - frozen);
    wait_for_restores(&server, usize::try_from(frozen).unwrap());
    server.state().end_restores();
    wait_for_end(thawing.as_mut()).unwrap();
    assert_eq!(first_block(&mut cartridge)[..5], [0, 1, 2, 3, 4]);
}

#[test]
fn a_thawing_that_the_store_denies_ends_with_its_reason() {
    let (server, first, second) = (StandIn::start(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let shelf = || open(&server).with_class(StorageClass::DeepArchive).unwrap();
    create(shelf(), first.path());
    server.state().denies_restores = true;
    let mut cartridge = tapes(shelf(), second.path()).find(&barcode()).unwrap();
    let mut thawing = cartridge.thaw().unwrap();
    assert!(thawing.is_needed());
    let error = wait_for_end(thawing.as_mut()).unwrap_err();
    assert!(error.contains("thawing") && error.contains("/seg/") && error.contains("AccessDenied"), "{error}");
}

/// The segments were moved while the tape was in a drive.
#[test]
fn a_read_of_a_frozen_segment_can_be_repeated_until_it_is_thawed() {
    let (server, _directory, tapes) = shelved();
    let mut cartridge = tapes.find(&barcode()).unwrap();
    let mut tape = cartridge.open().unwrap().0;
    server.state().freeze(|len| len >= LONG);
    let (count, error) = read_blocks(tape.as_mut());
    assert!(count < 30 && matches!(error, Some(StoreError::BeingThawed(_))), "{count} {error:?}");
    // Repeated reads do not ask the store for the data.
    let gets = || server.state().requests.iter().filter(|request| request.method == "GET").count();
    let before = gets();
    for _ in 0..5 {
        let (none, error) = read_blocks(tape.as_mut());
        let Some(StoreError::BeingThawed(progress)) = error else { panic!("{error:?}") };
        assert_eq!((none, progress.ready), (0, 0));
    }
    assert_eq!(gets(), before);
    wait_for_restores(&server, 1);
    server.state().end_restores();
    assert_eq!(count + read_when_thawed(tape.as_mut()), 30);
    let long = segments(&server).iter().filter(|(_, object)| object.bytes.len() >= LONG).count();
    assert_eq!(restores(&server).len(), long);
}

/// The tape is longer than the cache, and the restored copies expire while it is in a drive.
#[test]
fn bytes_that_the_cache_has_removed_are_thawed_again() {
    let (server, first, second) = (StandIn::start(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    create(open(&server), first.path());
    let setup = FoldersSetup::new(second.path().into()).with_cache(1 << 20);
    let tapes = TapeStore::new(Box::new(ShelfFolders::open(open(&server), setup).unwrap()));
    let mut cartridge = tapes.find(&barcode()).unwrap();
    let mut tape = cartridge.open().unwrap().0;
    assert_eq!(read_when_thawed(tape.as_mut()), 30);
    server.state().freeze(|len| len >= LONG);
    tape.locate(0, 0).unwrap();
    let (count, error) = read_blocks(tape.as_mut());
    assert!(count < 30 && matches!(error, Some(StoreError::BeingThawed(_))), "{count} {error:?}");
    wait_for_restores(&server, 1);
    server.state().end_restores();
    assert_eq!(count + read_when_thawed(tape.as_mut()), 30);
}

/// The first shelf does not respond, and the replica has its own number of days and speed.
#[test]
fn a_read_from_a_replica_can_be_repeated_until_it_is_thawed() {
    let (server, far) = (StandIn::start(), StandIn::start());
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let folders = |directory: &TempDir| {
        let replica = ReplicaSetup::new("far", "far", open(&far).with_thaw(2, ThawTier::Standard));
        let setup = FoldersSetup::new(directory.path().into()).with_replica(replica);
        ShelfFolders::open(open(&server).with_thaw(3, ThawTier::Bulk), setup).unwrap()
    };
    create(open(&server), first.path());
    let copied = folders(&first);
    let start = Instant::now();
    while copied.shelving().replicas[0].1 != ReplicaLag::default() {
        assert!(start.elapsed() < Duration::from_secs(20), "{:?}", copied.shelving());
        std::thread::sleep(Duration::from_millis(20));
    }
    drop(copied);
    server.state().fails = true;
    let tapes = TapeStore::new(Box::new(folders(&second)));
    let mut cartridge = tapes.find(&barcode()).unwrap();
    let mut tape = cartridge.open().unwrap().0;
    far.state().freeze(|len| len >= LONG);
    let (count, error) = read_blocks(tape.as_mut());
    assert!(count < 30 && matches!(error, Some(StoreError::BeingThawed(_))), "{count} {error:?}");
    wait_for_restores(&far, 1);
    let body = String::from_utf8_lossy(&restores(&far)[0].body).into_owned();
    assert!(body.contains("<Days>2</Days>") && body.contains("<Tier>Standard</Tier>"), "{body}");
    far.state().end_restores();
    assert_eq!(count + read_when_thawed(tape.as_mut()), 30);
    assert!(restores(&server).is_empty());
}

/// A load looks at long segments only; the files that it meets are in short ones, which were moved after its look.
#[test]
fn a_load_that_meets_a_frozen_segment_waits_for_it() {
    let (server, _directory, tapes) = shelved();
    let mut cartridge = tapes.find(&barcode()).unwrap();
    assert!(!cartridge.thaw().unwrap().is_needed());
    server.state().freeze(|_| true);
    let error = cartridge.open().map(drop).unwrap_err();
    assert!(matches!(error, StoreError::BeingThawed(_)), "{error}");
    let mut thawing = cartridge.thaw().unwrap();
    assert!(thawing.is_needed());
    let objects = thawing.progress().objects;
    wait_for_restores(&server, usize::try_from(objects).unwrap());
    server.state().end_restores();
    wait_for_end(thawing.as_mut()).unwrap();
    drop(thawing);
    assert_eq!(first_block(&mut cartridge)[..5], [0, 1, 2, 3, 4]);
}

#[test]
fn a_read_names_the_reason_why_its_data_cannot_be_thawed() {
    let (server, _directory, tapes) = shelved();
    let mut cartridge = tapes.find(&barcode()).unwrap();
    let mut tape = cartridge.open().unwrap().0;
    server.state().freeze(|len| len >= LONG);
    server.state().denies_restores = true;
    let start = Instant::now();
    let error = loop {
        match read_blocks(tape.as_mut()).1.unwrap() {
            StoreError::BeingThawed(_) => std::thread::sleep(Duration::from_millis(20)),
            error => break error.to_string(),
        }
        assert!(start.elapsed() < Duration::from_secs(20));
    };
    assert!(error.contains("thawing") && error.contains("/seg/") && error.contains("AccessDenied"), "{error}");
}

#[test]
fn a_store_that_fails_does_not_end_a_thawing() {
    let (server, first, second) = (StandIn::start(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let shelf = || open(&server).with_class(StorageClass::Glacier).unwrap();
    create(shelf(), first.path());
    let mut cartridge = tapes(shelf(), second.path()).find(&barcode()).unwrap();
    let mut thawing = cartridge.thaw().unwrap();
    assert!(thawing.is_needed());
    wait_for_restores(&server, 1);
    server.state().fails = true;
    let before = server.state().requests.len();
    // Each look repeats its requests: this is more than one look.
    while server.state().requests.len() < before + 6 {
        assert!(thawing.end().is_none());
        std::thread::sleep(Duration::from_millis(20));
    }
    server.state().fails = false;
    server.state().end_restores();
    wait_for_end(thawing.as_mut()).unwrap();
}

/// The store is asked only for a load that waits.
#[test]
fn nothing_is_restored_for_a_load_that_does_not_wait() {
    let (server, first, second) = (StandIn::start(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let shelf = || open(&server).with_class(StorageClass::Glacier).unwrap();
    create(shelf(), first.path());
    let tapes = tapes(shelf(), second.path());
    let mut cartridge = tapes.find(&barcode()).unwrap();
    let looks = || server.state().requests.iter().filter(|request| request.method == "HEAD").count();
    let before = looks();
    let thawing = cartridge.thaw().unwrap();
    while looks() < before + 2 {
        std::thread::sleep(Duration::from_millis(20));
    }
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(restores(&server).len(), 0);
    drop(thawing);
    // An operator has let the store thaw it: the load does not wait.
    server.state().freeze(|len| len >= LONG);
    server.state().objects.values_mut().filter(|object| object.is_frozen).for_each(|object| {
        object.restore = Some("ongoing-request=\"true\"");
    });
    server.state().end_restores();
    assert!(!cartridge.thaw().unwrap().is_needed());
    assert_eq!(first_block(&mut cartridge)[..5], [0, 1, 2, 3, 4]);
    assert_eq!(restores(&server).len(), 0);
}
