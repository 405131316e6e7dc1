//! A tape that lost its index and its watermark is not blank: `repair` can restore every object, so writes are
//! rejected.
#![allow(clippy::unwrap_used, reason = "test code")]

use std::io::{IoSlice, IoSliceMut};
use tape_store::backend::FolderStore;
use tape_store::backend::memory::MemoryFolderStore;
use tape_store::cartridge::Barcode;
use tape_store::error::StoreError;
use tape_store::media::LTO_8;
use tape_store::medium::{Codec, ReadOutcome};
use tape_store::store::{NewCartridge, TapeStore};

const LABEL: &str = "A00001L8";

/// A cartridge with 294 objects, of which these files are then emptied or removed.
fn damaged(files: &[&str], remove: bool) -> (TapeStore, Barcode) {
    let folders = MemoryFolderStore::default();
    let (store, barcode) = (TapeStore::new(Box::new(folders.clone())), Barcode::new(LABEL).unwrap());
    store.create(&barcode, &NewCartridge::data(&LTO_8).with_capacity(64 << 20)).unwrap();
    assert_eq!(store.is_blank(&barcode).unwrap(), Some(true));
    let mut cartridge = store.find(&barcode).unwrap();
    let (mut tape, _) = cartridge.open().unwrap();
    for _ in 0..293 {
        tape.append(&[IoSlice::new(&[7; 1000])], Codec::NONE).unwrap();
    }
    tape.append_filemark().unwrap();
    tape.close().unwrap();
    drop(tape);
    assert!(!cartridge.is_blank().unwrap());
    let mut folder = folders.open(LABEL).unwrap();
    for name in files {
        if remove {
            folder.remove(name).unwrap();
        } else {
            folder.open(name).unwrap().set_len(0).unwrap();
        }
    }
    (store, barcode)
}

#[test]
fn tape_without_index_is_not_blank_and_refuses_writes() {
    for remove in [true, false] {
        let (store, barcode) = damaged(&["indx.0", "mark.0"], remove);
        assert_ne!(store.is_blank(&barcode).unwrap(), Some(true));
        let mut cartridge = store.find(&barcode).unwrap();
        assert!(!cartridge.is_blank().unwrap());
        let (mut tape, recovery) = cartridge.open().unwrap();
        assert!(recovery.damaged);
        let mut buffer = [0; 1000];
        let read = tape.read(&mut [IoSliceMut::new(&mut buffer)]).unwrap_err();
        assert!(matches!(read, StoreError::Damaged { partition: 0, object: 0, .. }), "{read}");
        assert_eq!(tape.read(&mut [IoSliceMut::new(&mut buffer)]).unwrap(), ReadOutcome::EndOfData);
        for object in [0, 1] {
            tape.locate(0, object).unwrap();
            let refused = [
                tape.append(&[IoSlice::new(b"VOL1")], Codec::NONE).map(drop),
                tape.append_filemark().map(drop),
                tape.truncate(),
                tape.format(&[64 << 20]),
            ];
            for refused in refused {
                let error = refused.unwrap_err();
                assert_eq!(error.to_string(), "partition 0: index is lost, data is not");
            }
        }
        tape.close().unwrap();
        drop(tape);
        cartridge.repair().unwrap();
        let (tape, recovery) = cartridge.open_read_only().unwrap();
        assert!(!recovery.damaged);
        assert_eq!(tape_store::medium::Medium::usage(&tape, 0).unwrap().objects, 294);
    }
}

/// The watermark still counts the objects.
#[test]
fn tape_without_data_and_index_is_not_blank() {
    for remove in [true, false] {
        let (store, barcode) = damaged(&["data.0", "indx.0"], remove);
        assert_eq!(store.is_blank(&barcode).unwrap(), Some(false), "{remove}");
        assert!(!store.find(&barcode).unwrap().is_blank().unwrap());
    }
}
