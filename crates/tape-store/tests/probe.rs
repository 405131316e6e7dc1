//! A probe returns the error that a load would return, and changes nothing.
#![allow(clippy::unwrap_used, reason = "test code")]

use std::fs::{self, File};
use tape_store::backend::file::OsFolderStore;
use tape_store::cartridge::Barcode;
use tape_store::error::StoreError;
use tape_store::media::LTO_8;
use tape_store::store::{NewCartridge, TapeStore};

#[test]
fn probe_reports_the_load_error_and_changes_nothing() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("A00001L8");
    let (store, barcode) =
        (TapeStore::new(Box::new(OsFolderStore::at(home.path()).unwrap())), Barcode::new("A00001L8").unwrap());
    assert_eq!(store.fingerprint(&barcode), Some(0));
    store.create(&barcode, &NewCartridge::data(&LTO_8).with_capacity(64 << 20)).unwrap();
    let mut cartridge = store.find(&barcode).unwrap();
    // Before the first load and after it.
    for _ in 0..2 {
        let before = store.fingerprint(&barcode);
        cartridge.probe().unwrap();
        assert_eq!(store.fingerprint(&barcode), before);
        cartridge.open().unwrap();
    }
    // In use by another program, as a reader.
    let reader = File::open(&folder).unwrap();
    reader.lock_shared().unwrap();
    cartridge.open_read_only().unwrap();
    assert!(matches!(cartridge.probe(), Err(StoreError::InUse)));
    assert!(matches!(cartridge.open(), Err(StoreError::InUse)));
    drop(reader);
    cartridge.probe().unwrap();
    // Cannot be opened for writing.
    fs::remove_file(folder.join("data.0")).unwrap();
    fs::create_dir(folder.join("data.0")).unwrap();
    assert_eq!(cartridge.probe().unwrap_err().to_string(), cartridge.open().err().unwrap().to_string());
    fs::remove_dir(folder.join("data.0")).unwrap();
    let before = store.fingerprint(&barcode);
    fs::write(folder.join("data.0"), "").unwrap();
    assert_ne!(store.fingerprint(&barcode), before);
    cartridge.probe().unwrap();
    // A drive refuses a cartridge without cartridge memory.
    fs::remove_file(folder.join("ferric.mam")).unwrap();
    assert!(matches!(cartridge.probe(), Err(StoreError::NoCartridgeMemory)));
}
