//! Damages each file of a small cartridge: changes each byte, truncates to each length, removes the file. Each object
//! is read correctly or reported as damaged, or the cartridge is refused. The counts are the table of `docs/format.md`.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, clippy::print_stdout, reason = "test code")]

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io::{IoSlice, IoSliceMut};
use std::path::Path;
use tape_store::backend::memory::MemoryFolderStore;
use tape_store::backend::{Folder, FolderStore};
use tape_store::cartridge::{Barcode, Cartridge, CartridgeKind};
use tape_store::encrypt::{Decryption, Encryption, Key, KeyAssociatedData};
use tape_store::error::StoreError;
use tape_store::media::LTO_8;
use tape_store::medium::{Codec, Medium, ReadOutcome};
use tape_store::store::{NewCartridge, TapeStore};

type Files = BTreeMap<String, Vec<u8>>;

const LABEL: &str = "D00001L8";

fn key() -> Key {
    Key::new(&[7; 32]).unwrap()
}

/// A cartridge with these files, and its folder.
fn cartridge_of(label: &str, files: &Files) -> (Cartridge, Box<dyn Folder>) {
    let folders = MemoryFolderStore::default();
    let mut folder = folders.create(label).unwrap();
    for (name, bytes) in files {
        folder.replace(name, bytes).unwrap();
    }
    let store = TapeStore::new(Box::new(folders));
    (store.cartridge(&Barcode::new(label).unwrap(), &LTO_8, CartridgeKind::Data, 0), folder)
}

fn files_in(folder: &mut dyn Folder) -> Files {
    let names = folder.list().unwrap();
    names.into_iter().map(|name| (name.clone(), folder.read(&name).unwrap().unwrap())).collect()
}

/// The result of reading an object.
#[derive(Clone, PartialEq, Eq)]
enum Object {
    Block(Vec<u8>),
    Filemark,
    /// An error with its position.
    Damaged,
}

/// All objects of each partition. A tape without an end fails the test.
fn read(tape: &mut dyn Medium, most: usize) -> Result<Vec<Vec<Object>>, StoreError> {
    let (key, mut buffer, mut all) = (key(), vec![0; 1 << 16], Vec::new());
    for partition in 0..tape.partitions() {
        tape.locate(partition, 0)?;
        let mut objects = Vec::new();
        loop {
            assert!(objects.len() <= most, "no end of data after {most} objects");
            let position = tape.position().object;
            let found = tape.read_decrypting(&mut [IoSliceMut::new(&mut buffer)], Decryption::Mixed(&key));
            objects.push(match found {
                Ok(ReadOutcome::EndOfData) => break,
                Ok(ReadOutcome::Filemark) => Object::Filemark,
                Ok(ReadOutcome::Block { len, .. }) => Object::Block(buffer[..len].to_vec()),
                Err(StoreError::Damaged { object, .. } | StoreError::CannotDecrypt { object, .. }) => {
                    assert_eq!(object, position, "position in the error");
                    if tape.position().object == position && !tape.locate(partition, position + 1).unwrap_or(false) {
                        objects.push(Object::Damaged);
                        break;
                    }
                    Object::Damaged
                }
                Err(other) => return Err(other),
            });
        }
        all.push(objects);
    }
    Ok(all)
}

/// Result of loading a damaged cartridge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// Every object is read correctly.
    Intact,
    /// Each object is read correctly or reported as damaged.
    Reported,
    /// The cartridge does not open.
    Refused,
    /// Objects are missing without a report.
    Missing,
    /// An object is read that differs from the written one. This never happens in the native format; mhvtl's checksums do not cover
    /// everything.
    Wrong,
}

#[derive(Clone, Copy, Default)]
struct Counts {
    cases: u32,
    intact: u32,
    reported: u32,
    refused: u32,
    missing: u32,
    wrong: u32,
    /// Intact after a repair.
    repaired_intact: u32,
    /// Reported after a repair.
    repaired_reported: u32,
}

impl Counts {
    fn add(&mut self, loaded: Outcome, repaired: Outcome) {
        self.cases += 1;
        match loaded {
            Outcome::Intact => self.intact += 1,
            Outcome::Reported => self.reported += 1,
            Outcome::Refused => self.refused += 1,
            Outcome::Missing => self.missing += 1,
            Outcome::Wrong => self.wrong += 1,
        }
        match repaired {
            Outcome::Intact => self.repaired_intact += 1,
            Outcome::Reported => self.repaired_reported += 1,
            Outcome::Refused | Outcome::Missing | Outcome::Wrong => {}
        }
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cases, intact, reported, refused, missing, wrong, repaired_intact, repaired_reported } = self;
        write!(
            f,
            "{cases} | {intact} | {reported} | {refused} | {missing} | {wrong} | {repaired_intact} | {repaired_reported}"
        )
    }
}

/// Loads a cartridge and compares its objects with the written ones. `what` describes the damage.
fn load(cartridge: &mut Cartridge, written: &[Vec<Object>], what: &str) -> Outcome {
    let most = written.iter().map(Vec::len).max().unwrap();
    let Ok((mut tape, recovery)) = cartridge.open() else { return Outcome::Refused };
    let read = match read(tape.as_mut(), most) {
        Ok(read) => read,
        Err(error) => panic!("{what}: {error}"),
    };
    let (mut outcome, mut objects_missing) = (Outcome::Intact, read.len() < written.len());
    for (read, written) in read.iter().zip(written) {
        for (number, (read, written)) in read.iter().zip(written).enumerate() {
            match read {
                Object::Damaged => outcome = Outcome::Reported,
                read if read == written => {}
                _ => {
                    println!("{what}: object {number} differs from the written one");
                    return Outcome::Wrong;
                }
            }
        }
        if read.len() > written.len() {
            println!("{what}: {} objects were read, {} were written", read.len(), written.len());
            return Outcome::Wrong;
        }
        objects_missing |= read.len() < written.len();
    }
    let reported = recovery.damaged || recovery.dropped_objects > 0 || tape.read_only().is_some();
    match objects_missing {
        true if reported => Outcome::Reported,
        true => Outcome::Missing,
        false => outcome,
    }
}

/// All damaged versions of a file, with a description; these bits are changed in each byte.
fn damages(bytes: &[u8], changes: &[u8]) -> Vec<(Option<Vec<u8>>, String)> {
    let changed = (0..bytes.len()).flat_map(|at| changes.iter().map(move |bits| (at, bits)));
    let changed = changed.map(|(at, bits)| {
        let mut damaged = bytes.to_vec();
        damaged[at] ^= bits;
        (Some(damaged), format!("byte {at} changed by {bits:02X}h"))
    });
    let truncated = (0..bytes.len()).map(|len| (Some(bytes[..len].to_vec()), format!("truncated to {len} bytes")));
    changed.chain(truncated).chain([(None, "removed".to_owned())]).collect()
}

/// Tries all damaged versions of all files.
fn try_all(label: &str, files: &Files, written: &[Vec<Object>], changes: &[u8]) -> BTreeMap<String, Counts> {
    let mut all = BTreeMap::new();
    for (name, bytes) in files {
        let counts: &mut Counts = all.entry(name.clone()).or_default();
        for (damaged, damage) in damages(bytes, changes) {
            let what = format!("{label}/{name}, {damage}");
            let mut files = files.clone();
            match damaged {
                Some(bytes) => files.insert(name.clone(), bytes),
                None => files.remove(name),
            };
            let loaded = load(&mut cartridge_of(label, &files).0, written, &what);
            let (mut cartridge, _) = cartridge_of(label, &files);
            let repaired = match cartridge.repair() {
                Ok(_) => load(&mut cartridge, written, &format!("{what}, repaired")),
                Err(_) => Outcome::Refused,
            };
            counts.add(loaded, repaired);
        }
    }
    all
}

fn write_blocks(tape: &mut dyn Medium) {
    let words: Vec<u8> = b"tape words ".iter().copied().cycle().take(300).collect();
    let kads = KeyAssociatedData { unauthenticated: b"u".to_vec(), ..KeyAssociatedData::default() };
    let encryption = Encryption { key: key(), kads, raw_read_disabled: false, entropy: tape_store::testing::entropy };
    tape.append(&[IoSlice::new(b"VOL1")], Codec::NONE).unwrap();
    tape.append(&[IoSlice::new(&words)], Codec::zstd(1)).unwrap();
    tape.append_filemark().unwrap();
    tape.append_encrypted(&[IoSlice::new(&words[1..])], Codec::zstd(1), &encryption).unwrap();
    tape.append_filemark().unwrap();
    tape.append_filemark().unwrap();
    tape.append(&[IoSlice::new(&words[2..])], Codec::zlib(1)).unwrap();
    tape.sync().unwrap();
    tape.append_encrypted(&[IoSlice::new(b"last")], Codec::NONE, &encryption).unwrap();
    tape.locate(1, 0).unwrap();
    tape.append(&[IoSlice::new(&words[..40])], Codec::NONE).unwrap();
    tape.append_filemark().unwrap();
    tape.append(&[IoSlice::new(&words[3..])], Codec::zstd(1)).unwrap();
}

/// A cartridge in the native format with all codecs, encryption, filemarks and two partitions.
fn native() -> (Files, Vec<Vec<Object>>) {
    let folders = MemoryFolderStore::default();
    let store = TapeStore::new(Box::new(folders.clone()));
    let barcode = Barcode::new(LABEL).unwrap();
    let new = NewCartridge::data(&LTO_8).with_serial("S1").with_capacity(1 << 24);
    store.create(&barcode, &new).unwrap();
    let mut cartridge = store.find(&barcode).unwrap();
    let (mut tape, _) = cartridge.open().unwrap();
    tape.format(&[1 << 23, 1 << 23]).unwrap();
    write_blocks(tape.as_mut());
    tape.close().unwrap();
    let written = read(tape.as_mut(), 20).unwrap();
    assert_eq!(written.iter().map(Vec::len).collect::<Vec<_>>(), [8, 3]);
    let mut mam = cartridge.mam().unwrap();
    for partition in 0..2 {
        mam.set(tape_store::mam::AttrId::PARTITION_SIZE, partition, &(1_u64 << 23).to_be_bytes());
    }
    cartridge.save_mam_and_copy(&mam).unwrap();
    (files_in(folders.open(LABEL).unwrap().as_mut()), written)
}

fn table(all: &BTreeMap<String, Counts>) -> String {
    all.iter().map(|(name, counts)| format!("| `{name}` | {counts} |\n")).collect()
}

/// The rows of the table in `docs/format.md` after this heading.
fn documented(heading: &str) -> String {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/format.md")).unwrap();
    let (_, section) = text.split_once(heading).unwrap_or_else(|| panic!("{heading}"));
    let rows = section.lines().skip_while(|line| !line.starts_with("| `")).take_while(|line| line.starts_with("| `"));
    rows.map(|row| format!("{row}\n")).collect()
}

#[test]
fn every_damage_of_a_native_cartridge_is_reported() {
    let (files, written) = native();
    let all = try_all(LABEL, &files, &written, &[0x01, 0x08, 0xff]);
    print!("{}", table(&all));
    // A cartridge without cartridge memory is refused.
    assert_eq!(all["ferric.mam"].refused, 1);
    assert_eq!(all.values().map(|counts| counts.refused + counts.missing + counts.wrong).sum::<u32>(), 1);
    assert_eq!(table(&all), documented("#### Format `native`, three changes of each byte"));
}

/// The files in a directory of fixtures.
fn fixture(path: &str) -> Files {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(path);
    let read = |entry: fs::DirEntry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap());
    fs::read_dir(folder).unwrap().map(|entry| read(entry.unwrap())).collect()
}

/// The objects of an intact cartridge, and its files after one load.
fn objects_and_files(label: &str, files: &Files) -> (Vec<Vec<Object>>, Files) {
    let (mut cartridge, mut folder) = cartridge_of(label, files);
    let (mut tape, _) = cartridge.open().unwrap();
    let objects = read(tape.as_mut(), 200).unwrap();
    tape.close().unwrap();
    (objects, files_in(folder.as_mut()))
}

/// Tapes of releases without frames are read and repaired as far as the index allows.
#[test]
fn every_damage_of_a_native_cartridge_without_frames_is_reported() {
    let files = fixture("ferric-1/D00001L8");
    let (written, _) = objects_and_files(LABEL, &files);
    assert!(written == native().1);
    let all = try_all(LABEL, &files, &written, &[0x08]);
    print!("{}", table(&all));
    // A cartridge without cartridge memory is refused.
    assert_eq!(all["ferric.mam"].refused, 1);
    assert_eq!(all.values().map(|counts| counts.refused + counts.missing + counts.wrong).sum::<u32>(), 1);
    assert_eq!(table(&all), documented("#### Format `native` without frames, one change of each byte"));
}

fn mhvtl(label: &str, loaded: bool, heading: &str) {
    let made = fixture(&format!("mhvtl-1.8/{label}"));
    let (written, loaded_files) = objects_and_files(label, &made);
    let all = try_all(label, if loaded { &loaded_files } else { &made }, &written, &[0x08]);
    print!("{}", table(&all));
    assert_eq!(table(&all), documented(heading));
}

#[test]
fn every_damage_of_an_mhvtl_cartridge() {
    mhvtl("PAR002L6", false, "#### mhvtl format, written by mhvtl 1.8 (`PAR002L6`)");
}

#[test]
fn every_damage_of_an_mhvtl_cartridge_after_load() {
    mhvtl("PAR002L6", true, "#### mhvtl format, after one load (`PAR002L6`)");
}

#[test]
fn every_damage_of_an_old_format_mhvtl_cartridge() {
    mhvtl("V3A001L6", false, "#### mhvtl's format 3 (`V3A001L6`)");
}
