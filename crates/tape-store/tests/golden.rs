//! Every cartridge that mhvtl wrote opens, and has exactly the objects of the listing next to it. The listing is
//! described in `golden/mhvtl-1.8/README.md`.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "test code")]

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::io::{IoSlice, IoSliceMut};
use std::ops::ControlFlow;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tape_store::backend::file::OsFolderStore;
use tape_store::cartridge::{Barcode, Cartridge, CartridgeKind, Format};
use tape_store::convert::Conversion;
use tape_store::encrypt::{DecryptError, Decryption, Key};
use tape_store::error::StoreError;
use tape_store::integrity::crc32c;
use tape_store::mam::{AttrId, Flags, Mam};
use tape_store::media::LTO_8;
use tape_store::medium::{Codec, Medium, ReadOutcome, WriteOutcome};
use tape_store::mhvtl;
use tape_store::store::{NewCartridge, TapeStore};
use tape_store::three_file::Recovery;

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/mhvtl-1.8")
}

fn listing() -> String {
    fs::read_to_string(golden().join("README.md")).unwrap()
}

fn cartridge_at(folders: &Path, barcode: &str) -> Cartridge {
    let store = TapeStore::new(Box::new(OsFolderStore::at(folders).unwrap()));
    // Deliberately wrong facts: the files override them.
    store.cartridge(&Barcode::new(barcode).unwrap(), &LTO_8, CartridgeKind::Data, 1)
}

/// A writable copy.
fn copy(barcode: &str) -> tempfile::TempDir {
    let to = tempfile::tempdir().unwrap();
    fs::create_dir(to.path().join(barcode)).unwrap();
    for file in fs::read_dir(golden().join(barcode)).unwrap() {
        let file = file.unwrap();
        let target = to.path().join(barcode).join(file.file_name());
        fs::write(target, fs::read(file.path()).unwrap()).unwrap();
    }
    to
}

fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let read = |entry: fs::DirEntry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap());
    fs::read_dir(folder).unwrap().map(|entry| read(entry.unwrap())).collect()
}

/// The byte patterns of the listing.
fn content(pattern: &str, len: usize) -> Vec<u8> {
    let (name, seed) = pattern.trim_end_matches(')').split_once('(').unwrap_or((pattern, "0"));
    let seed: u32 = seed.parse().unwrap();
    match name {
        "zeros" => vec![0; len],
        "ramp" => (0..len).map(|at| u8::try_from((at + seed as usize) % 256).unwrap()).collect(),
        "lcg" => {
            let mut state = seed;
            let mut next = || {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                state.to_be_bytes()[0]
            };
            (0..len).map(|_| next()).collect()
        }
        "text" => format!("block {seed:08} of mhvtl golden medium\n").bytes().cycle().take(len).collect(),
        other => panic!("{other}"),
    }
}

#[derive(Debug)]
struct Object {
    partition: u8,
    number: u64,
    /// `None` for a filemark.
    pattern: Option<String>,
    len: usize,
    stored: u64,
    crc: u32,
    encrypted: bool,
}

/// The objects of a cartridge in the listing.
fn objects(barcode: &str) -> Vec<Object> {
    let text = listing();
    let Some((_, section)) = text.split_once(&format!("### {barcode}\n")) else { return Vec::new() };
    let section = section.split("\n##").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| part"));
    rows.map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let pattern = (cells[2] != "filemark").then(|| cells[2].split('`').nth(1).unwrap().to_owned());
        Object {
            partition: cells[0].parse().unwrap(),
            number: cells[1].parse().unwrap(),
            pattern,
            len: cells[3].parse().unwrap(),
            stored: cells[4].parse().unwrap(),
            crc: u32::from_str_radix(cells[7], 16).unwrap(),
            encrypted: cells[5].contains("encr"),
        }
    })
    .collect()
}

/// A value `name VALUE` of a cartridge's MAM line.
fn fact<'a>(line: &'a str, name: &str) -> &'a str {
    let rest = line.split(name).nth(1).unwrap_or_else(|| panic!("{name} in {line}")).trim_start();
    rest.split([',', ' ', '.']).next().unwrap()
}

fn keys() -> [Key; 3] {
    let rising: Vec<u8> = (0..32).collect();
    let falling: Vec<u8> = (0xe0..=0xff).rev().collect();
    [&rising[..], &falling, b"sixteen byte key"].map(|key| Key::new(key).unwrap())
}

/// Reads a whole tape and compares it with the listing.
fn check(tape: &mut dyn Medium, barcode: &str) {
    let expected = objects(barcode);
    let keys = keys();
    let mut buffer = vec![0; 4 << 20];
    for partition in 0..tape.partitions() {
        tape.locate(partition, 0).unwrap();
        let mut next_key = keys.iter();
        for object in expected.iter().filter(|object| object.partition == partition) {
            assert_eq!(tape.position().object, object.number, "{barcode}");
            let decryption =
                if object.encrypted { Decryption::Decrypt(next_key.next().unwrap()) } else { Decryption::Disable };
            let found = tape.read_decrypting(&mut [IoSliceMut::new(&mut buffer)], decryption);
            match &object.pattern {
                None => assert_eq!(found.unwrap(), ReadOutcome::Filemark, "{barcode} {object:?}"),
                Some(none) if none == "(not stored)" => {
                    assert!(matches!(found, Err(StoreError::Damaged { .. })), "{barcode} {object:?}");
                }
                Some(pattern) => {
                    let found = found.unwrap_or_else(|error| panic!("{barcode} {object:?}: {error}"));
                    assert_eq!(
                        found,
                        ReadOutcome::Block { len: object.len, stored: object.stored },
                        "{barcode} {object:?}"
                    );
                    assert!(buffer[..object.len] == content(pattern, object.len), "{barcode} {object:?}");
                    assert_eq!(crc32c(&buffer[..object.len]), object.crc, "{barcode} {object:?}");
                }
            }
        }
        assert_eq!(tape.read(&mut [IoSliceMut::new(&mut buffer)]).unwrap(), ReadOutcome::EndOfData, "{barcode}");
        let marks = expected.iter().filter(|object| object.partition == partition && object.pattern.is_none());
        for (file, mark) in (1..).zip(marks) {
            assert!(tape.locate_file(partition, file).unwrap(), "{barcode}");
            assert_eq!(tape.position().object, mark.number + 1, "{barcode}");
        }
    }
    let partitions = expected.iter().map(|object| object.partition + 1).max().unwrap_or(1);
    assert_eq!(tape.partitions(), partitions, "{barcode}");
}

fn barcodes() -> Vec<String> {
    let all: Vec<String> = fs::read_dir(golden())
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_type().unwrap().is_dir())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    assert_eq!(all.len(), 50);
    all
}

#[test]
fn every_cartridge_reads_as_listed_and_is_not_modified() {
    for barcode in barcodes() {
        let before = files(&golden().join(&barcode));
        let mut cartridge = cartridge_at(&golden(), &barcode);
        let (mut tape, recovery) = cartridge.open_read_only().unwrap_or_else(|error| panic!("{barcode}: {error}"));
        assert!(!recovery.damaged, "{barcode}");
        check(&mut tape, &barcode);
        assert_eq!(cartridge.format().unwrap(), Format::Mhvtl);
        assert_eq!(files(&golden().join(&barcode)), before, "{barcode}");
    }
}

/// Opens each cartridge for writing, closes it and opens it again by its watermark; older formats are upgraded.
#[test]
fn every_cartridge_opens_for_writing_without_change() {
    for barcode in barcodes() {
        let shelf = copy(&barcode);
        let mut cartridge = cartridge_at(shelf.path(), &barcode);
        for _ in 0..2 {
            let mam = cartridge.mam().unwrap();
            let (mut tape, _) = cartridge.open().unwrap_or_else(|error| panic!("{barcode}: {error}"));
            check(tape.as_mut(), &barcode);
            tape.close().unwrap();
            drop(tape);
            cartridge.save_mam(&mam).unwrap();
            assert_eq!(mam_attributes(&cartridge.mam().unwrap()), mam_attributes(&mam), "{barcode}");
        }
        let after = files(&shelf.path().join(&barcode));
        for (name, bytes) in files(&golden().join(&barcode)) {
            let plain = ["data", "indx"].contains(&name.as_str());
            if name.starts_with("data") || name.starts_with("indx") {
                let now = if plain { format!("{name}.0") } else { name.clone() };
                assert!(after[&now] == bytes, "{barcode} {name}");
            }
            if name.starts_with("meta.") {
                assert!(after[&name] == bytes, "{barcode} {name}");
            }
        }
    }
}

/// mhvtl's daemons use the directory with their own user or group; a conversion does not lock them out.
#[test]
fn a_converted_cartridge_keeps_the_mode_of_its_directory() {
    let shelf = copy("OVW001L8");
    let path = shelf.path().join("OVW001L8");
    let (mode, entropy) = (0o2770, |into: &mut [u8]| {
        into.fill(1);
        Ok(())
    });
    fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
    let store = TapeStore::new(Box::new(OsFolderStore::at_unchecked(shelf.path())));
    let mut cartridge = store.find(&Barcode::new("OVW001L8").unwrap()).unwrap();
    let conversion = Conversion::new(Format::Native, entropy);
    store.convert(&mut cartridge, conversion, &mut |_| ControlFlow::Continue(())).unwrap();
    assert_eq!(cartridge.format().unwrap(), Format::Native);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, mode);
}

/// The attributes, except the ones that older releases omitted.
fn mam_attributes(mam: &Mam) -> Vec<(AttrId, u8, Vec<u8>)> {
    let filled_in =
        [AttrId::MAM_SPACE_REMAINING, AttrId::MAM_CAPACITY, AttrId::VOLUME_CHANGE_REFERENCE, AttrId(0x1623)];
    let set = mam.iter().filter(|(id, ..)| !filled_in.contains(id));
    set.map(|(id, partition, value)| (id, partition, value.to_vec())).collect()
}

#[test]
fn mams_match_the_listing() {
    let text = listing();
    for barcode in barcodes() {
        let Some((_, section)) = text.split_once(&format!("### {barcode}\n")) else { continue };
        let section = section.split("\n##").next().unwrap();
        let Some(line) = section.lines().find(|line| line.starts_with("MAM: ")) else { continue };
        let mut cartridge = cartridge_at(&golden(), &barcode);
        let mam = cartridge.mam().unwrap();
        let number = |id| mam.number(id).to_string();
        assert_eq!(number(AttrId::MAXIMUM_CAPACITY), fact(line, "capacity"), "{barcode}");
        assert_eq!(cartridge.capacity().to_string(), fact(line, "capacity"), "{barcode}");
        assert_eq!(number(AttrId::REMAINING_CAPACITY), fact(line, "remaining"), "{barcode}");
        assert_eq!(number(AttrId::LOAD_COUNT), fact(line, "load count"), "{barcode}");
        assert_eq!(number(AttrId::VOLUME_CHANGE_REFERENCE), fact(line, "reference"), "{barcode}");
        let (written, read) = fact(line, "in life").split_once('/').unwrap();
        assert_eq!((number(AttrId::LIFE_WRITTEN).as_str(), number(AttrId::LIFE_READ).as_str()), (written, read));
        assert_eq!(format!("0x{:x}", mam.number(AttrId::DENSITY)), fact(line, "density"), "{barcode}");
        assert_eq!(mam.flags().contains(Flags::LOADED), fact(line, "record_dirty") == "1", "{barcode}");
        let kind = match fact(line, "medium type") {
            "0" => CartridgeKind::Data,
            "1" => CartridgeKind::Worm,
            "2" => CartridgeKind::Null,
            other => panic!("{other}"),
        };
        assert_eq!((mam.kind(), cartridge.kind()), (kind, kind), "{barcode}");
        let drive = mam.get(AttrId::LAST_DRIVE, 0).unwrap();
        assert!(drive.starts_with(b"IBM     XYZZY_A1"), "{barcode}");
    }
}

#[test]
fn blank_mams_match_the_listing() {
    let text = listing();
    let rows = text.lines().filter(|line| line.matches('|').count() == 10 && line.contains("| 0x"));
    let mut seen = 0;
    for row in rows {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [barcode, made, _, density, kind, capacity, flags, _, memory] = cells[..] else { panic!("{row}") };
        let mut cartridge = cartridge_at(&golden(), barcode);
        let mam = cartridge.mam().unwrap();
        assert_eq!(format!("0x{:02x}", mam.number(AttrId::DENSITY)), density, "{barcode}");
        assert_eq!(mam.number(AttrId::MAXIMUM_CAPACITY).to_string(), capacity, "{barcode}");
        assert_eq!(mam.flags().contains(Flags::WRITE_PROTECTED), flags == "0200", "{barcode}");
        let (most, space) = memory.split_once(" / ").unwrap();
        assert_eq!(mam.number(AttrId::MAM_CAPACITY).to_string(), most, "{barcode}");
        assert_eq!(mam.number(AttrId::MAM_SPACE_REMAINING).to_string(), space, "{barcode}");
        let expected = match &kind[..1] {
            "0" => CartridgeKind::Data,
            "1" => CartridgeKind::Worm,
            "2" => CartridgeKind::Null,
            _ => CartridgeKind::Cleaning,
        };
        assert_eq!(mam.kind(), expected, "{barcode}");
        let name = made.split(' ').next().unwrap();
        assert_eq!(cartridge.media().name.replace('-', ""), name, "{barcode}");
        let serial = mam.get(AttrId::SERIAL, 0).unwrap();
        assert_eq!(String::from_utf8_lossy(serial).trim_end(), format!("{barcode}_1700000000"));
        assert_eq!(mam.get(AttrId::MANUFACTURE_DATE, 0), Some(&b"20231114"[..]), "{barcode}");
        seen += 1;
    }
    assert_eq!(seen, 24);
}

#[test]
fn host_attributes_are_read() {
    let mam = cartridge_at(&golden(), "MAM001L8").mam().unwrap();
    let get = |id, partition| mam.get(AttrId(id), partition).unwrap_or_default();
    assert_eq!(get(0x0800, 0), b"ACME    ");
    assert_eq!(get(0x0801, 0), b"golden-app                      ");
    assert!(get(0x0803, 0).starts_with("user text label \u{e9}\0".as_bytes()));
    assert_eq!(get(0x0804, 0), b"202311142213");
    assert_eq!(get(0x0805, 0), [0x81]);
    assert!(get(0x0807, 0).starts_with(b"host.example\0"));
    assert_eq!(get(0x1623, 0), [0x55]);
    for partition in 0..2 {
        let coherency = get(0x080c, partition);
        assert_eq!(coherency.len(), 70);
        assert_eq!(coherency[..9], [4, 0, 0, 0, 1, 0, 0, 0, 0]);
        assert_eq!(coherency[16], 10 + partition);
    }
    assert_eq!(get(0x080c, 2), b"");
    assert_eq!(mam.partition_sizes(), [100_000_000, 424_288_000]);
    assert_eq!(mam.number(AttrId::MEDIUM_TYPE_INFORMATION), 0);
    let cleaning = cartridge_at(&golden(), "CLN008L8").mam().unwrap();
    assert_eq!(cleaning.get(AttrId::MEDIUM_TYPE_INFORMATION, 0), Some(&[0, 20][..]));
}

#[test]
fn emulated_encryption_needs_its_key() {
    let (mut tape, _) = cartridge_at(&golden(), "ENC001L8").open_read_only().unwrap();
    let keys = keys();
    let mut buffer = vec![0; 1000];
    let mut read = |decryption| match tape.read_decrypting(&mut [IoSliceMut::new(&mut buffer)], decryption) {
        Err(StoreError::CannotDecrypt { object, reason: why, .. }) => Err((object, why)),
        other => Ok(other.unwrap()),
    };
    assert_eq!(read(Decryption::Disable), Err((0, DecryptError::NoKey)));
    assert_eq!(read(Decryption::Mixed(&keys[1])), Err((0, DecryptError::WrongKey)));
    assert_eq!(read(Decryption::Mixed(&keys[0])), Ok(ReadOutcome::Block { len: 500, stored: 500 }));
    let kads = tape.next_encryption().unwrap().unwrap();
    assert_eq!((kads.kads.unauthenticated, kads.kads.authenticated), (Vec::new(), b"akad-bytes12".to_vec()));
    tape.locate(0, 4).unwrap();
    let mut read = |decryption| tape.read_decrypting(&mut [IoSliceMut::new(&mut buffer)], decryption);
    assert!(matches!(
        read(Decryption::Decrypt(&keys[0])),
        Err(StoreError::CannotDecrypt { reason: DecryptError::NotEncrypted, .. })
    ));
    assert!(matches!(read(Decryption::Mixed(&keys[0])), Ok(ReadOutcome::Block { len: 800, .. })));
}

fn made(shelf: &Path, barcode: &str, name: &str, kind: CartridgeKind, capacity: u64) -> Cartridge {
    let row = mhvtl::media::MHVTL_MEDIA.iter().find(|row| row.name == name).unwrap();
    let store = TapeStore::new(Box::new(OsFolderStore::at(shelf).unwrap()));
    let serial = format!("{barcode}_1700000000");
    // Only the media type distinguishes a row from an earlier one with the same description.
    let media = row.media();
    let new = NewCartridge::data(media)
        .with_kind(kind)
        .with_serial(&serial)
        .with_manufactured(1_700_000_000)
        .with_capacity(capacity)
        .with_format(Format::Mhvtl);
    let label = Barcode::new(barcode).unwrap();
    store.create(&label, &new).unwrap();
    store.cartridge(&label, media, kind, capacity)
}

/// Files of mhvtl only, without Ferric's.
fn without_ferric_files(mut files: BTreeMap<String, Vec<u8>>) -> BTreeMap<String, Vec<u8>> {
    files.retain(|name, _| !name.starts_with("mark.") && name != "ferric.owner");
    files
}

#[test]
fn blank_cartridges_are_byte_identical_to_mhvtl() {
    let text = listing();
    for row in text.lines().filter(|line| line.matches('|').count() == 10 && line.contains("| 0x")) {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let (name, kind) = cells[1].split_once(' ').unwrap();
        let kind = match kind {
            "data" => CartridgeKind::Data,
            "clean" => CartridgeKind::Cleaning,
            "WORM" => CartridgeKind::Worm,
            _ => CartridgeKind::Null,
        };
        let barcode = cells[0];
        let shelf = tempfile::tempdir().unwrap();
        let mut cartridge = made(shelf.path(), barcode, name, kind, cells[5].parse().unwrap());
        let mut expected = files(&golden().join(barcode));
        if cells[6] == "0200" {
            // mhvtl's tool, which sets the tab, counts the partitions again; this does the same.
            let mut mam = cartridge.mam().unwrap();
            mam.set_flag(Flags::WRITE_PROTECTED, true);
            cartridge.save_mam(&mam).unwrap();
        }
        let found = without_ferric_files(files(&shelf.path().join(barcode)));
        assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>(), "{barcode}");
        for (name, bytes) in &mut expected {
            assert_eq!(&found[name], bytes, "{barcode} {name}");
        }
    }
}

/// Rewriting what mhvtl wrote without compression and encryption yields the same bytes in every file.
#[test]
fn written_cartridges_are_byte_identical_to_mhvtl() {
    for barcode in ["FIX001L8", "FMK001L8", "LBP001L8", "UNC001L8", "OVW001L8", "ERS001L8"] {
        let shelf = tempfile::tempdir().unwrap();
        let mut cartridge = made(shelf.path(), barcode, "LTO8", CartridgeKind::Data, 524_288_000);
        let mhvtl_mam = cartridge_at(&golden(), barcode).mam().unwrap();
        let (mut tape, _) = cartridge.open().unwrap();
        let append = |tape: &mut dyn Medium, bytes: &[u8]| {
            let written = tape.append(&[IoSlice::new(bytes)], Codec::NONE).unwrap();
            assert!(matches!(written, WriteOutcome::Written { .. }));
        };
        let objects = objects(barcode);
        for object in &objects {
            match &object.pattern {
                None => drop(tape.append_filemark().unwrap()),
                Some(pattern) => append(tape.as_mut(), &content(pattern, object.len)),
            }
        }
        // Written and removed again: no trace of it remains.
        for _ in 0..5 {
            append(tape.as_mut(), &[7; 3000]);
            tape.append_filemark().unwrap();
        }
        tape.sync().unwrap();
        tape.locate(0, objects.len() as u64).unwrap();
        tape.truncate().unwrap();
        tape.close().unwrap();
        drop(tape);
        let mut mam = cartridge.mam().unwrap();
        for (id, partition, value) in mhvtl_mam.iter() {
            mam.set(id, partition, value);
        }
        cartridge.save_mam(&mam).unwrap();
        let (found, expected) = (files(&shelf.path().join(barcode)), files(&golden().join(barcode)));
        let found = without_ferric_files(found);
        assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>(), "{barcode}");
        for (name, bytes) in expected {
            assert!(found[&name] == bytes, "{barcode} {name}");
        }
    }
}

/// mhvtl loads the cartridge and writes it: the older watermark is invalid.
#[test]
fn stale_watermark_after_mhvtl_is_ignored() {
    let shelf = tempfile::tempdir().unwrap();
    let mut cartridge = made(shelf.path(), "OVW001L8", "LTO8", CartridgeKind::Data, 524_288_000);
    let (mut tape, _) = cartridge.open().unwrap();
    for _ in 0..20 {
        tape.append(&[IoSlice::new(&[1; 5000])], Codec::NONE).unwrap();
        tape.append_filemark().unwrap();
    }
    tape.close().unwrap();
    drop(tape);
    // Replaces the files as an overwrite by mhvtl would.
    let folder = shelf.path().join("OVW001L8");
    for (name, bytes) in files(&golden().join("OVW001L8")) {
        fs::write(folder.join(name), bytes).unwrap();
    }
    // A later write of an attribute does not make the watermark valid again.
    let mut mam = cartridge.mam().unwrap();
    mam.set_text(AttrId::BARCODE, "OTHER");
    cartridge.save_mam_exclusive(&mam).unwrap();
    let (mut tape, recovery) = cartridge.open().unwrap();
    assert!(!recovery.damaged);
    check(tape.as_mut(), "OVW001L8");
    tape.close().unwrap();
    drop(tape);
    cartridge.save_mam(&mam).unwrap();
    let (mut tape, recovery) = cartridge.open().unwrap();
    assert_eq!(recovery, Recovery::default());
    check(tape.as_mut(), "OVW001L8");
    drop(tape);
    // Without a write by mhvtl, the same is damage.
    fs::write(folder.join("indx.0"), &fs::read(folder.join("indx.0")).unwrap()[..1024]).unwrap();
    let (tape, recovery) = cartridge.open().unwrap();
    assert!(recovery.damaged && tape.read_only().is_some());
    assert_eq!(fs::metadata(folder.join("data.0")).unwrap().len(), 6123);
}

#[test]
fn damaged_cartridge_is_never_blank() {
    type Harm = fn(&Path);
    type Edit = fn(&mut Vec<u8>);
    let refused: [(&str, Harm); 3] = [
        ("no mam", |folder| fs::remove_file(folder.join("mam")).unwrap()),
        ("no data", |folder| fs::remove_file(folder.join("data.0")).unwrap()),
        ("no index", |folder| fs::remove_file(folder.join("indx.0")).unwrap()),
    ];
    for (what, harm) in refused {
        let shelf = copy("UNC001L8");
        harm(&shelf.path().join("UNC001L8"));
        assert!(cartridge_at(shelf.path(), "UNC001L8").open().is_err(), "{what}");
    }
    let edit = |folder: &Path, name: &str, change: fn(&mut Vec<u8>)| {
        let mut bytes = fs::read(folder.join(name)).unwrap();
        change(&mut bytes);
        fs::write(folder.join(name), bytes).unwrap();
    };
    let read_only: [(&str, &str, Edit); 6] = [
        ("empty index", "indx.0", Vec::clear),
        ("index cut in a record", "indx.0", |bytes| bytes.truncate(700)),
        ("wrong kind", "indx.0", |bytes| bytes[3 * 512 + 8] = 9),
        ("wrong number", "indx.0", |bytes| bytes[3 * 512 + 16] = 9),
        ("wrong partition", "indx.0", |bytes| bytes[3 * 512 + 144] = 9),
        ("short data", "data.0", |bytes| bytes.truncate(1000)),
    ];
    for (what, name, change) in read_only {
        let shelf = copy("UNC001L8");
        let folder = shelf.path().join("UNC001L8");
        edit(&folder, name, change);
        let before = files(&folder);
        let (mut tape, recovery) = cartridge_at(shelf.path(), "UNC001L8").open().unwrap();
        assert!(recovery.damaged && tape.read_only().is_some(), "{what}");
        assert!(matches!(tape.append_filemark(), Err(StoreError::ReadOnly(_))), "{what}");
        assert!(tape.truncate().is_err(), "{what}");
        tape.close().unwrap();
        drop(tape);
        assert_eq!(without_ferric_files(files(&folder)), before, "{what}");
    }
    // Without a valid cartridge memory, the tape is readable and write-protected.
    for mam in [&b""[..], &[9; 1071]] {
        let shelf = copy("UNC001L8");
        let folder = shelf.path().join("UNC001L8");
        fs::write(folder.join("mam"), mam).unwrap();
        let before = files(&folder);
        let (mut tape, _) = cartridge_at(shelf.path(), "UNC001L8").open().unwrap();
        check(tape.as_mut(), "UNC001L8");
        assert!(matches!(tape.append_filemark(), Err(StoreError::ReadOnly(_))));
        tape.close().unwrap();
        drop(tape);
        assert_eq!(files(&folder), before);
    }
    // A wrong checksum damages one block; the table of filemarks is rebuilt from the index.
    for (name, change) in
        [("data.0", (|bytes| bytes[3] ^= 1) as Edit), ("meta.0", |bytes| bytes[0] = 1), ("meta.0", Vec::clear)]
    {
        let shelf = copy("UNC001L8");
        edit(&shelf.path().join("UNC001L8"), name, change);
        let (mut tape, recovery) = cartridge_at(shelf.path(), "UNC001L8").open().unwrap();
        assert!(!recovery.damaged, "{name}");
        assert!(tape.locate_file(0, 4).unwrap(), "{name}");
        assert_eq!(tape.position().object, 20);
    }
}

/// A load by a drive: opens the tape and writes the cartridge memory.
fn load(cartridge: &mut Cartridge) -> (Box<dyn Medium>, Recovery) {
    let (tape, recovery) = cartridge.open().unwrap();
    let mut mam = cartridge.mam().unwrap();
    mam.set_number(AttrId::LOAD_COUNT, mam.number(AttrId::LOAD_COUNT) + 1);
    cartridge.save_mam(&mam).unwrap();
    (tape, recovery)
}

/// mhvtl appended, then a record was damaged: no load may take it for an incomplete tail.
#[test]
fn damage_after_a_stale_watermark_is_not_truncated() {
    let shelf = tempfile::tempdir().unwrap();
    let mut cartridge = made(shelf.path(), "UNC001L8", "LTO8", CartridgeKind::Data, 524_288_000);
    let (mut tape, _) = cartridge.open().unwrap();
    tape.append(&[IoSlice::new(&content("ramp(0)", 1))], Codec::NONE).unwrap();
    tape.close().unwrap();
    drop(tape);
    // mhvtl wrote the same first block, and nineteen more objects.
    let folder = shelf.path().join("UNC001L8");
    for (name, bytes) in files(&golden().join("UNC001L8")) {
        fs::write(folder.join(name), bytes).unwrap();
    }
    let mut index = fs::read(folder.join("indx.0")).unwrap();
    index[13 * 512 + 8] = 99;
    fs::write(folder.join("indx.0"), &index).unwrap();
    for _ in 0..3 {
        let (mut tape, recovery) = load(&mut cartridge);
        assert!(recovery.damaged && tape.read_only().is_some());
        tape.close().unwrap();
        drop(tape);
        assert!(fs::read(folder.join("indx.0")).unwrap() == index);
    }
    // After an external repair the tape is intact, and the watermark becomes valid.
    index[13 * 512 + 8] = 11;
    fs::write(folder.join("indx.0"), &index).unwrap();
    for _ in 0..2 {
        let (mut tape, recovery) = load(&mut cartridge);
        assert_eq!(recovery, Recovery::default());
        check(tape.as_mut(), "UNC001L8");
    }
}

/// A damaged tape in an older format is not upgraded: no file changes.
#[test]
fn damaged_old_format_cartridge_is_not_modified() {
    for barcode in ["V3A001L6", "V4A001L6", "V5A001L6"] {
        let shelf = copy(barcode);
        let folder = shelf.path().join(barcode);
        let mut index = fs::read(folder.join("indx")).unwrap();
        index[3 * 512 + 8] = 99;
        fs::write(folder.join("indx"), index).unwrap();
        let before = files(&folder);
        let (tape, recovery) = cartridge_at(shelf.path(), barcode).open().unwrap();
        assert!(recovery.damaged && tape.read_only().is_some());
        drop(tape);
        assert_eq!(files(&folder), before, "{barcode}");
    }
}

#[test]
fn attributes_unknown_to_mhvtl_are_kept_or_refused() {
    let shelf = tempfile::tempdir().unwrap();
    let mut cartridge = made(shelf.path(), "MAM001L8", "LTO8", CartridgeKind::Data, 524_288_000);
    let mut mam = cartridge.mam().unwrap();
    mam.set(AttrId(0x0820), 0, &[7; 36]);
    mam.set(AttrId(0x0809), 0, b"partition zero  ");
    mam.set(AttrId(0x0805), 0, &[0]);
    cartridge.save_mam(&mam).unwrap();
    let again = cartridge.mam().unwrap();
    assert_eq!(again.get(AttrId(0x0820), 0), Some(&[7; 36][..]));
    assert_eq!(again.get(AttrId(0x0809), 0), Some(&b"partition zero  "[..]));
    assert_eq!(again.get(AttrId(0x0805), 0), Some(&[0][..]));
    for (id, partition, value) in [(0x080c, 0, &[1; 71][..]), (0x080c, 2, &[1; 71]), (0x0809, 1, b"partition one   ")] {
        let mut more = again.clone();
        more.set(AttrId(id), partition, value);
        assert!(
            matches!(cartridge.save_mam(&more), Err(StoreError::AttributeTooLarge { id: other, .. }) if other == id)
        );
    }
    let mut fewer = again.clone();
    fewer.set(AttrId(0x0820), 0, &[]);
    cartridge.save_mam(&fewer).unwrap();
    assert_eq!(cartridge.mam().unwrap().get(AttrId(0x0820), 0), None);
}

/// A cartridge converted to another medium and kind equals one created so.
#[test]
fn converted_density_equals_a_new_cartridge() {
    let dir = tempfile::tempdir().unwrap();
    let store = TapeStore::new(Box::new(OsFolderStore::at(dir.path()).unwrap()));
    let make = |name: &str, density: &str, kind| {
        let media = mhvtl::media::by_name(density).unwrap().media();
        let new = NewCartridge::data(media)
            .with_format(Format::Mhvtl)
            .with_serial("S1")
            .with_capacity(1 << 30)
            .with_kind(kind);
        store.create(&Barcode::new(name).unwrap(), &new).unwrap();
    };
    make("A", "LTO8", CartridgeKind::Null);
    let was = files(&dir.path().join("A"));
    make("B", "E06", CartridgeKind::Cleaning);
    let mut cartridge = cartridge_at(dir.path(), "A");
    let mut mam = cartridge.mam().unwrap();
    mhvtl::media::by_name("E06").unwrap().describe_in(&mut mam);
    mhvtl::set_kind(&mut mam, CartridgeKind::Cleaning);
    mam.set(AttrId::BARCODE, 0, format!("{:<31}\0", "B").as_bytes());
    cartridge.save_mam_exclusive(&mam).unwrap();
    assert_eq!(files(&dir.path().join("A")), files(&dir.path().join("B")));
    assert_ne!(was, files(&dir.path().join("A")));
    // From NULL to data.
    mhvtl::set_kind(&mut mam, CartridgeKind::Null);
    cartridge.save_mam_exclusive(&mam).unwrap();
    assert_eq!(cartridge.mam().unwrap().kind(), CartridgeKind::Null);
    mhvtl::set_kind(&mut mam, CartridgeKind::Data);
    cartridge.save_mam_exclusive(&mam).unwrap();
    assert_eq!((cartridge.mam().unwrap().kind(), cartridge.media().name), (CartridgeKind::Data, "E06"));
}
