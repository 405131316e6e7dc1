//! Tests against a real object store. `cargo xtask object-store` starts one and runs them; it sets `FERRIC_TEST_SHELF` to the URL of an
//! empty prefix, `FERRIC_TEST_LOCKED_SHELF` to one in a bucket with Object Lock, and the credentials.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, reason = "test code")]

use shelf::trust::{self, Verdict};
use shelf::{
    CommitError, Content, Creation, Extent, FileContent, FoldersSetup, Shelf, ShelfFolders, ShelfOptions, TakeError,
};
use std::collections::BTreeSet;
use std::io::{IoSlice, IoSliceMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tape_store::backend::memory::MemoryFolderStore;
use tape_store::backend::{Folder, FolderStore};
use tape_store::cartridge::Barcode;
use tape_store::media::LTO_8;
use tape_store::store::{NewCartridge, TapeStore};
use tokio::task::JoinSet;

/// Rounds in which four clients take the same cartridge.
const ROUNDS: usize = 40;

fn open(owner: &str, replaced: &[(&str, &str)]) -> Shelf {
    open_in("FERRIC_TEST_SHELF", owner, replaced)
}

/// The shelf whose URL is in a variable.
fn open_in(variable: &str, owner: &str, replaced: &[(&str, &str)]) -> Shelf {
    #[expect(clippy::disallowed_methods, reason = "cargo xtask object-store passes the address of the store")]
    let url = std::env::var(variable).unwrap_or_else(|_| panic!("{variable} is the URL of a shelf"));
    let settings = std::env::vars().map(|(name, value)| {
        let other = replaced.iter().find(|(other, _)| *other == name);
        let value = other.map_or(value, |(_, other)| (*other).to_owned());
        (name, value)
    });
    let seed = AtomicU64::new(u64::from(std::process::id()));
    let name = owner.to_owned();
    let entropy = Arc::new(move |into: &mut [u8]| {
        let text = format!("{name} {} {:?}", seed.fetch_add(1, Ordering::Relaxed), std::thread::current().id());
        into.iter_mut().zip(blake3::hash(text.as_bytes()).as_bytes()).for_each(|(slot, byte)| *slot = *byte);
        Ok(())
    });
    let options = ShelfOptions::new(owner).with_beat(Duration::from_millis(300));
    Shelf::open(&url, settings, options, entropy).unwrap()
}

fn appended(content: &Content, text: &str) -> Content {
    let mut content = content.clone();
    let file: &mut FileContent = content.files.entry("data.0".into()).or_default();
    file.extents.push(Extent { offset: file.len, len: 1, segment: text.to_owned(), at: 0 });
    file.len += 1;
    content
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an object store"]
async fn a_real_store_creates_an_object_once_only() {
    let shelf = open("check", &[]);
    assert_eq!(trust::check(shelf.objects(), &shelf.nonce().unwrap()).await.unwrap(), Verdict::Once);
    assert_eq!(shelf.objects().create("trust/x", "1".into()).await.unwrap(), Creation::Created);
    assert_eq!(shelf.objects().create("trust/x", "2".into()).await.unwrap(), Creation::Exists("1".into()));
    assert_eq!(shelf.objects().create("trust/x", "1".into()).await.unwrap(), Creation::Created);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an object store"]
async fn a_wrong_secret_is_refused() {
    let shelf = open("wrong", &[("AWS_SECRET_ACCESS_KEY", "another secret")]);
    let error = shelf.add("W00001L8", Content::default()).await.unwrap_err().to_string();
    assert!(error.starts_with("creating ") && error.contains("W00001L8/m/00000001"), "{error}");
}

/// Four clients race for one cartridge. Each that gets it appends its commits, and releases it or is stopped without a release.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an object store"]
async fn racing_clients_lose_no_commit() {
    let creator = open("creator", &[]);
    assert!(creator.add("R00001L8", Content::default()).await.unwrap());
    let mut clients = JoinSet::new();
    for client in 0..4 {
        clients.spawn(async move {
            let shelf = open(&format!("client {client}"), &[]);
            let mut acknowledged = Vec::new();
            for round in 0..ROUNDS {
                let mut owned = match shelf.take("R00001L8").await {
                    Ok(owned) => owned,
                    Err(TakeError::InUse { .. }) => continue,
                    Err(other) => panic!("{other}"),
                };
                let text = format!("{client}-{round}");
                let content = appended(owned.content(), &text);
                match owned.commit(content.clone()).await {
                    Ok(()) => acknowledged.push(text),
                    Err(CommitError::TakenOver { .. }) => continue,
                    Err(other) => panic!("{other}"),
                }
                if round % 8 == 7 {
                    // Stopped for longer than its lease; the next owner takes it over.
                    tokio::time::sleep(Duration::from_millis(1_300)).await;
                }
                match owned.release(content).await {
                    Ok(()) | Err(CommitError::TakenOver { .. }) => {}
                    Err(other) => panic!("{other}"),
                }
            }
            acknowledged
        });
    }
    let acknowledged: Vec<String> = clients.join_all().await.into_iter().flatten().collect();
    let newest = creator.newest("R00001L8").await.unwrap().unwrap();
    let found: Vec<String> =
        newest.content.files.get("data.0").unwrap().extents.iter().map(|extent| extent.segment.clone()).collect();
    let unique: BTreeSet<&String> = found.iter().collect();
    assert_eq!(unique.len(), found.len(), "a commit stands twice");
    let missing: Vec<_> = acknowledged.iter().filter(|text| !unique.contains(text)).collect();
    assert!(missing.is_empty(), "lost: {missing:?}");
    assert!(acknowledged.len() >= ROUNDS, "{} commits", acknowledged.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an object store"]
async fn files_return_from_a_real_store() {
    let shelf = open("files", &[]);
    assert!(shelf.add("F00001L8", Content::default()).await.unwrap());
    let folders = MemoryFolderStore::default();
    let mut source = folders.create("source").unwrap();
    let bytes: Vec<u8> = (0_u32..20_000_000).flat_map(u32::to_le_bytes).collect();
    source.open("data.0").unwrap().write_at(0, &[IoSlice::new(&bytes)]).unwrap();
    let mut owned = shelf.take("F00001L8").await.unwrap();
    let content = owned.store_files(source.as_mut(), &mut |_| {}).await.unwrap();
    owned.release(content).await.unwrap();
    let manifest = shelf.newest("F00001L8").await.unwrap().unwrap();
    let mut target = folders.create("target").unwrap();
    shelf.fetch_files("F00001L8", &manifest.content, target.as_mut(), &mut |_| {}).await.unwrap();
    assert!(read(target.as_mut()) == bytes);
    assert_eq!(shelf.verify("F00001L8", &manifest.content, &mut |_| {}).await.unwrap().damaged, []);
    assert!(shelf.barcodes().await.unwrap().contains(&"F00001L8".to_owned()));
}

/// The bytes of eight segments are uploaded at 0.8 times the rate at which the same client creates objects of them, or faster. Checksums
/// are slow without optimisation.
#[cfg(not(debug_assertions))]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an object store"]
async fn an_upload_is_about_as_fast_as_the_creation_of_objects() {
    const SEGMENT: usize = 64 << 20;
    let shelf = open("figures", &[]);
    assert!(shelf.add("U00001L8", Content::default()).await.unwrap());
    let mut random = blake3::Hasher::new().update(&std::process::id().to_le_bytes()).finalize_xof();
    let mut bytes = vec![0; 8 * SEGMENT];
    random.fill(&mut bytes);
    let folders = MemoryFolderStore::default();
    let mut source = folders.create("source").unwrap();
    source.open("data.0").unwrap().write_at(0, &[IoSlice::new(&bytes)]).unwrap();
    let bytes = bytes::Bytes::from(bytes);
    let mut best = [f64::MAX; 2];
    for round in 0..3 {
        let began = tokio::time::Instant::now();
        let mut puts = JoinSet::new();
        for at in 0..8 {
            if puts.len() == 4 {
                puts.join_next().await.unwrap().unwrap();
            }
            let (objects, bytes) = (shelf.objects().clone(), bytes.slice(at * SEGMENT..(at + 1) * SEGMENT));
            puts.spawn(async move { objects.create(&format!("figures/{round}-{at}"), bytes).await.unwrap() });
        }
        puts.join_all().await;
        best[0] = best[0].min(began.elapsed().as_secs_f64());
        let mut owned = shelf.take("U00001L8").await.unwrap();
        let began = tokio::time::Instant::now();
        let content = owned.store_files(source.as_mut(), &mut |_| {}).await.unwrap();
        owned.commit(content.clone()).await.unwrap();
        best[1] = best[1].min(began.elapsed().as_secs_f64());
        owned.release(content).await.unwrap();
    }
    let [bare, upload] = best.map(|seconds| bytes.len() as f64 / seconds / 1e6);
    println!("creation of objects {bare:.0} MB/s, upload {upload:.0} MB/s, {:.2}", upload / bare);
    assert!(upload >= 0.8 * bare, "{upload} of {bare} MB/s");
}

fn read(folder: &mut dyn Folder) -> Vec<u8> {
    let mut file = folder.open_read_only("data.0").unwrap().unwrap();
    let mut bytes = vec![0; usize::try_from(file.len().unwrap()).unwrap()];
    file.read_at(0, &mut [IoSliceMut::new(&mut bytes)]).unwrap();
    bytes
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

#[test]
#[ignore = "needs an object store"]
fn a_real_store_locks_the_objects_of_a_retained_cartridge() {
    let plain = runtime().block_on(open("locks", &[]).check_object_lock()).unwrap_err().to_string();
    assert_eq!(plain, "the store cannot lock objects: Object Lock is not enabled for the bucket");
    let shelf = open_in("FERRIC_TEST_LOCKED_SHELF", "locks", &[]);
    let runtime = runtime();
    runtime.block_on(shelf.check_object_lock()).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let local = FoldersSetup::new(directory.path().into());
    let folders = ShelfFolders::open(shelf.clone().with_object_lock(), local).unwrap();
    let tapes = TapeStore::new(Box::new(folders));
    let barcode = Barcode::new("L00001L8").unwrap();
    tapes.create(&barcode, &NewCartridge::data(&LTO_8).with_capacity(1 << 30)).unwrap();
    // The years 2100 and 2101.
    tapes.find(&barcode).unwrap().retain_until(4_102_444_800).unwrap();
    tapes.find(&barcode).unwrap().retain_until(4_133_980_800).unwrap();
    let newest = runtime.block_on(shelf.newest("L00001L8")).unwrap().unwrap();
    assert_eq!((newest.protection.retained_until, newest.protection.in_store), (4_133_980_800, true));
    for on in [true, false] {
        tapes.find(&barcode).unwrap().set_legal_hold(on).unwrap();
        let newest = runtime.block_on(shelf.newest("L00001L8")).unwrap().unwrap();
        assert_eq!((newest.protection.is_held, newest.protection.in_store), (on, true));
    }
}
