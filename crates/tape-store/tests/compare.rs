//! Cartridges that mhvtl wrote are compared with their copies in the native format, and differences are found.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "test code")]

use std::fs;
use std::io::{self, IoSlice};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use tape_store::backend::file::OsFolderStore;
use tape_store::backend::memory::MemoryFolderStore;
use tape_store::backend::{FolderStore, file};
use tape_store::cartridge::{Barcode, Cartridge, CartridgeKind, Format};
use tape_store::compare::{Comparison, Difference, ObjectSummary, PIECE, compare, compare_formats};
use tape_store::convert::{Conversion, convert};
use tape_store::error::StoreError;
use tape_store::mam::AttrId;
use tape_store::medium::Codec;
use tape_store::store::TapeStore;

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/mhvtl-1.8")
}

fn open(directory: &Path, barcode: &str) -> Cartridge {
    let store = TapeStore::new(Box::new(OsFolderStore::at_unchecked(directory)));
    store.find(&Barcode::new(barcode).unwrap()).unwrap()
}

fn barcodes() -> Vec<String> {
    let entries = fs::read_dir(golden()).unwrap().map(Result::unwrap);
    let folders = entries.filter(|entry| entry.file_type().unwrap().is_dir());
    folders.map(|entry| entry.file_name().into_string().unwrap()).collect()
}

/// Salts of a test: not random.
fn entropy(into: &mut [u8]) -> io::Result<()> {
    into.fill(7);
    Ok(())
}

fn go_on(_: u64) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// A native copy of a cartridge of mhvtl, in memory.
fn copy(barcode: &str) -> Cartridge {
    let folders = MemoryFolderStore::default();
    let folder = folders.create(barcode).unwrap();
    convert(&mut open(&golden(), barcode), folder, Conversion::new(Format::Native, entropy), &mut go_on).unwrap();
    TapeStore::new(Box::new(folders)).find(&Barcode::new(barcode).unwrap()).unwrap()
}

/// A directory with a cartridge of mhvtl whose files `change` changes.
fn changed(barcode: &str, change: impl Fn(&str, &mut Vec<u8>)) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join(barcode)).unwrap();
    for entry in fs::read_dir(golden().join(barcode)).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        let mut bytes = fs::read(entry.path()).unwrap();
        change(&name, &mut bytes);
        file::replace(&directory.path().join(barcode).join(name), &bytes).unwrap();
    }
    directory
}

fn compare_with(barcode: &str, other: &mut Cartridge) -> Comparison {
    compare(&mut open(&golden(), barcode), other, &mut go_on).unwrap()
}

/// Each cartridge is equal in both formats, in pieces of any size, and equal to a whole copy; both count the same objects.
#[test]
fn cartridges_of_mhvtl_are_equal_in_both_formats() {
    let mut seen = Comparison::default();
    for barcode in barcodes() {
        let mut cartridge = open(&golden(), &barcode);
        if cartridge.kind() == CartridgeKind::Null || barcode == SHORT_KEY.0 {
            continue;
        }
        let compared = [PIECE, 1, 5000].map(|piece| {
            let compared = compare_formats(&mut cartridge, entropy, piece, &mut go_on);
            let compared = compared.unwrap_or_else(|error| panic!("{barcode} in pieces of {piece} bytes: {error}"));
            let difference = compared.difference.as_ref().map(|difference| difference.describe(["mhvtl", "native"]));
            assert_eq!(difference, None, "{barcode} in pieces of {piece} bytes");
            compared
        });
        let whole = compare_with(&barcode, &mut copy(&barcode));
        assert!(whole.difference.is_none(), "{barcode}: {:?}", whole.difference);
        let counts = |one: &Comparison| (one.blocks, one.filemarks, one.bytes, one.compressed, one.encrypted);
        for one in &compared {
            assert_eq!(counts(one), counts(&whole), "{barcode}");
        }
        seen.blocks += whole.blocks;
        seen.filemarks += whole.filemarks;
        seen.compressed += whole.compressed;
    }
    assert!(seen.blocks > 100 && seen.filemarks > 10 && seen.compressed > 10, "{seen:?}");
}

/// A cartridge, and the block on it whose key has 16 bytes. mhvtl only stores the key, but the native format encrypts with keys of 32.
const SHORT_KEY: (&str, u64) = ("ENC001L8", 2);

#[test]
fn an_object_that_the_native_format_cannot_store_is_named() {
    let (barcode, number) = SHORT_KEY;
    let error = compare_formats(&mut open(&golden(), barcode), entropy, PIECE, &mut go_on).unwrap_err();
    assert!(matches!(error, StoreError::AtObject { partition: 0, object, .. } if object == number), "{error}");
}

/// The first two blocks of that cartridge, whose keys have 32 bytes.
#[test]
fn encrypted_blocks_are_compared_with_their_keys() {
    let directory = changed(SHORT_KEY.0, |name, bytes| match name {
        "indx.0" => bytes.truncate(2 * 512),
        "data.0" => bytes.truncate(1100),
        "meta.0" => *bytes = vec![0; 512],
        _ => {}
    });
    let compared = compare_formats(&mut open(directory.path(), SHORT_KEY.0), entropy, PIECE, &mut go_on).unwrap();
    assert!(compared.difference.is_none(), "{:?}", compared.difference);
    assert_eq!((compared.blocks, compared.encrypted, compared.bytes), (2, 2, 1100));
}

/// OVW001L8 has six blocks of 1000 bytes, one of 123 bytes, and a filemark.
#[test]
fn the_first_difference_is_found() {
    let appended = |block: &[u8], at: u64| {
        let mut other = copy("OVW001L8");
        let (mut tape, _) = other.open().unwrap();
        tape.locate(0, at).unwrap();
        tape.append(&[IoSlice::new(block)], Codec::NONE).unwrap();
        tape.close().unwrap();
        let compared = compare_with("OVW001L8", &mut other);
        (compared.blocks, compared.filemarks, compared.difference.unwrap())
    };
    let object = |number, first, second| Difference::Object { partition: 0, object: number, first, second };
    let block = |len| ObjectSummary::Block { len, encrypted: false };
    for (found, blocks, filemarks, expected) in [
        (appended(&[1; 10], 8), 7, 1, object(8, ObjectSummary::EndOfData, block(10))),
        (appended(&[1; 10], 7), 7, 0, object(7, ObjectSummary::Filemark, block(10))),
        (appended(&[1; 1000], 2), 2, 0, Difference::Content { partition: 0, object: 2, byte: 0 }),
        (appended(&[1; 999], 2), 2, 0, object(2, block(1000), block(999))),
    ] {
        assert_eq!((found.0, found.1), (blocks, filemarks));
        assert_eq!(format!("{:?}", found.2), format!("{expected:?}"));
    }
    let mut other = copy("OVW001L8");
    let mut mam = other.mam().unwrap();
    mam.set_number(AttrId::LOAD_COUNT, 99);
    other.save_mam(&mam).unwrap();
    assert!(compare_with("OVW001L8", &mut other).difference.is_none(), "a load is no difference");
    mam.set_text(AttrId(0x0803), "changed");
    other.save_mam(&mam).unwrap();
    let difference = compare_with("OVW001L8", &mut other).difference.unwrap();
    assert_eq!(
        difference.describe(["mhvtl", "native"]),
        "MAM attribute 0803h (user medium text label) of partition 0 differs"
    );
    let difference = compare_with("OVW001L8", &mut copy("PAR002L6")).difference.unwrap();
    assert_eq!(difference.describe(["mhvtl", "the copy"]), "mhvtl has 1 partitions, the copy has 2");
}

/// Damage of the first cartridge is an error with its place; damage of the second one is a difference.
#[test]
fn damage_has_its_place() {
    let directory = changed("OVW001L8", |name, bytes| {
        if name == "data.0" {
            bytes[3500] ^= 1;
        }
    });
    let mut damaged = open(directory.path(), "OVW001L8");
    let error = compare_formats(&mut damaged, entropy, PIECE, &mut go_on).unwrap_err();
    assert_eq!(error.to_string(), "partition 0, object 3: checksum mismatch");
    let error = compare(&mut damaged, &mut copy("OVW001L8"), &mut go_on).unwrap_err();
    assert!(matches!(error, StoreError::Damaged { object: 3, .. }), "{error}");
    let compared = compare_with("OVW001L8", &mut damaged);
    assert_eq!(compared.blocks, 3);
    let difference = compared.difference.unwrap().describe(["mhvtl", "the copy"]);
    assert_eq!(difference, "the copy: partition 0, object 3: checksum mismatch");
}

#[test]
fn a_comparison_can_be_stopped() {
    let mut stop = |_| ControlFlow::Break(());
    let stopped = compare_formats(&mut open(&golden(), "OVW001L8"), entropy, PIECE, &mut stop);
    assert!(matches!(stopped, Err(StoreError::Stopped)));
    let stopped = compare(&mut open(&golden(), "OVW001L8"), &mut copy("OVW001L8"), &mut stop);
    assert!(matches!(stopped, Err(StoreError::Stopped)));
}
