//! Object Lock over HTTP: the requests to a store with the S3 protocol.
#![cfg(feature = "s3")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "test code")]

mod stand_in;

use shelf::{FoldersSetup, Shelf, ShelfError, ShelfFolders, ShelfOptions};
use stand_in::{BUCKET, Object, StandIn};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tape_store::cartridge::Barcode;
use tape_store::media::LTO_8;
use tape_store::store::{NewCartridge, TapeStore};

const YEAR_2100: u64 = 4_102_444_800;

fn open(server: &StandIn) -> Shelf {
    let count = AtomicU64::new(1);
    let entropy = Arc::new(move |into: &mut [u8]| {
        let bytes = count.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        into.iter_mut().rev().zip(bytes.iter().rev()).for_each(|(slot, byte)| *slot = *byte);
        Ok(())
    });
    let url = format!("s3://{BUCKET}/site");
    Shelf::open(&url, server.settings(), ShelfOptions::new("test"), entropy).unwrap()
}

/// A retained cartridge on the shelf of a server.
fn retained(server: &StandIn, directory: &std::path::Path) {
    let folders = ShelfFolders::open(open(server).with_object_lock(), FoldersSetup::new(directory.into())).unwrap();
    let tapes = TapeStore::new(Box::new(folders));
    let barcode = Barcode::new("V00001L8").unwrap();
    tapes.create(&barcode, &NewCartridge::data(&LTO_8).with_capacity(1 << 30)).unwrap();
    tapes.find(&barcode).unwrap().retain_until(YEAR_2100).unwrap();
}

#[test]
fn segments_and_manifests_of_a_retained_cartridge_are_locked() {
    let (server, directory) = (StandIn::start(), tempfile::tempdir().unwrap());
    server.state().can_lock = true;
    retained(&server, directory.path());
    let state = server.state();
    let of = |part: &str| state.objects.iter().filter(|(key, _)| key.contains(part)).collect::<Vec<_>>();
    let is_locked = |(_, object): &(&String, &Object)| object.retained_until.as_deref() == Some("2100-01-01T00:00:00Z");
    let manifests = of("/m/");
    assert!(is_locked(manifests.last().unwrap()), "{manifests:?}");
    let newest = String::from_utf8_lossy(&manifests.last().unwrap().1.bytes).into_owned();
    let segments: Vec<_> =
        of("/seg/").into_iter().filter(|(key, _)| newest.contains(key.rsplit('/').next().unwrap())).collect();
    assert!(!segments.is_empty() && segments.iter().all(is_locked), "{segments:?}");
    assert!(of("/beat/").iter().chain(&of("/l/")).all(|(_, object)| object.retained_until.is_none()));
}

#[test]
fn a_bucket_without_object_lock_is_refused() {
    let server = StandIn::start();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let error = runtime.block_on(open(&server).check_object_lock()).unwrap_err();
    assert!(matches!(error, ShelfError::NoObjectLock { .. }));
    assert_eq!(error.to_string(), "the store cannot lock objects: Object Lock is not enabled for the bucket");
    server.state().can_lock = true;
    runtime.block_on(open(&server).check_object_lock()).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let url = format!("file://{}", directory.path().display());
    let other = Shelf::open(&url, [], ShelfOptions::new("test"), Arc::new(|_: &mut [u8]| Ok(()))).unwrap();
    let error = runtime.block_on(other.check_object_lock()).unwrap_err().to_string();
    assert_eq!(error, "the store cannot lock objects: it has no Object Lock of the S3 protocol");
}
