//! `ferric migrate mhvtl`: its report and the files that it writes.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;
use std::fs;
use std::io::{IoSlice, IoSliceMut};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tape_store::backend::file::OsFolderStore;
use tape_store::cartridge::{Barcode, Cartridge, Format};
use tape_store::media::LTO_8;
use tape_store::medium::{Codec, Medium, ReadOutcome};
use tape_store::store::{NewCartridge, TapeStore};
use tempfile::{TempDir, tempdir};
use vtl::control::socket::ControlSocket;
use vtl::site::Site;

fn migrate(dir: &Path, more: &[&str]) -> (String, i32) {
    let output = Command::new(env!("CARGO_BIN_EXE_ferric"))
        .args(["migrate", "mhvtl", "--config", "etc"])
        .args(more)
        .current_dir(dir)
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap()).concat();
    (text.replace(&dir.display().to_string(), "DIR"), output.status.code().unwrap())
}

#[test]
fn migration_keeps_libraries_serials_and_tapes() {
    let dir = tempdir().unwrap();
    let (etc, home) = (dir.path().join("etc"), dir.path().join("home"));
    fs::create_dir(&etc).unwrap();
    let devices = format!(
        "Library: 10 CHANNEL: 00 TARGET: 00 LUN: 00\n Vendor identification: STK\n Product identification: L700\n\
         Unit serial number: XYZZY_A\n Home directory: {}\n movecommand: /bin/true\n\n\
         Drive: 11 CHANNEL: 00 TARGET: 01 LUN: 00\n Library ID: 10 Slot: 01\n Vendor identification: IBM\n\
         Product identification: ULT3580-TD8\n Product revision level: 0107\n Unit serial number: XYZZY_A1\n\
         Compression: factor 1 enabled 1\n Compression type: lzo\n\n",
        home.display()
    );
    fs::write(etc.join("device.conf"), devices).unwrap();
    let contents = "Drive 1:\n\nMAP 1:\n\nSlot 1: E01001L8\nSlot 2: E01002L8\nSlot 3: E01003L8\n";
    fs::write(etc.join("library_contents.10"), contents).unwrap();
    let store = TapeStore::new(Box::new(OsFolderStore::at(&home).unwrap()));
    let new = NewCartridge::data(&LTO_8).with_format(Format::Mhvtl);
    for name in ["E01001L8", "E01002L8"] {
        store.create(&Barcode::new(name).unwrap(), &new).unwrap();
    }
    // This one is damaged.
    fs::write(home.join("E01002L8").join("mam"), "nonsense").unwrap();
    let (said, code) = migrate(dir.path(), &["--check"]);
    insta::assert_snapshot!(format!("{said}[{code}]"));
    assert!(!dir.path().join("ferric.toml").exists());
    let (said, code) = migrate(dir.path(), &[]);
    assert!(said.contains("written     ferric.toml") && code == 0, "{said}");
    let text = fs::read_to_string(dir.path().join("ferric.toml")).unwrap();
    assert_eq!(vtl::config::parse("f", &text).unwrap().libraries[0].names.serial.as_deref(), Some("XYZZY_A"));
    let (said, code) = migrate(dir.path(), &[]);
    assert!(said.contains("ferric.toml: File exists") && code == 1, "an existing file is not overwritten: {said}");
}

/// The cartridges of mhvtl 1.8 in the tests of the store.
fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crates/tape-store/tests/golden/mhvtl-1.8")
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        fs::write(to.join(entry.file_name()), fs::read(entry.path()).unwrap()).unwrap();
    }
}

/// A configuration of mhvtl in `etc`, whose library has these cartridges, in `home`.
fn mhvtl(barcodes: &[&str]) -> TempDir {
    let dir = tempdir().unwrap();
    let (etc, home) = (dir.path().join("etc"), dir.path().join("home"));
    fs::create_dir(&etc).unwrap();
    let devices = format!(
        "Library: 10 CHANNEL: 00 TARGET: 00 LUN: 00\n Vendor identification: STK\n Product identification: L700\n\
         Unit serial number: XYZZY_A\n Home directory: {}\n\n\
         Drive: 11 CHANNEL: 00 TARGET: 01 LUN: 00\n Library ID: 10 Slot: 01\n Vendor identification: IBM\n\
         Product identification: ULT3580-TD8\n Unit serial number: XYZZY_A1\n\n",
        home.display()
    );
    fs::write(etc.join("device.conf"), devices).unwrap();
    let slots: String = (1..).zip(barcodes).map(|(slot, barcode)| format!("Slot {slot}: {barcode}\n")).collect();
    fs::write(etc.join("library_contents.10"), format!("Drive 1:\n\nMAP 1:\n\n{slots}")).unwrap();
    barcodes.iter().for_each(|barcode| copy_folder(&golden().join(barcode), &home.join(barcode)));
    dir
}

/// All files below a directory, with their content.
fn files(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(directory).into_iter().flatten().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            found.insert(entry.path(), Vec::new());
            found.extend(files(&entry.path()));
        } else {
            found.insert(entry.path(), fs::read(entry.path()).unwrap());
        }
    }
    found
}

fn find(directory: &Path, barcode: &str) -> Cartridge {
    let store = TapeStore::new(Box::new(OsFolderStore::at_unchecked(directory)));
    store.find(&Barcode::new(barcode).unwrap()).unwrap()
}

/// Appends a block at the end of a cartridge, as a week of production would.
fn append(directory: &Path, barcode: &str, block: &[u8]) {
    let (mut tape, _) = find(directory, barcode).open().unwrap();
    tape.space_to_end().unwrap();
    tape.append(&[IoSlice::new(block)], Codec::zstd(1)).unwrap();
    tape.append_filemark().unwrap();
    tape.close().unwrap();
}

/// The last block of a cartridge.
fn last_block(directory: &Path, barcode: &str) -> Vec<u8> {
    let (mut tape, _) = find(directory, barcode).open_read_only().unwrap();
    tape.space_to_end().unwrap();
    let objects = tape.position().object;
    tape.locate(0, objects - 2).unwrap();
    let mut buffer = vec![0; 1 << 20];
    let ReadOutcome::Block { len, .. } = tape.read(&mut [IoSliceMut::new(&mut buffer)]).unwrap() else { panic!() };
    buffer.truncate(len);
    buffer
}

const WEEK: &[u8] = b"backup of the week after the migration";

#[test]
fn verification_prints_a_line_for_each_cartridge_and_changes_nothing() {
    let barcodes =
        ["OVW001L8", "PAR002L6", "LZO001L8", "ZLB001L6", "ENC001L8", "NUL001L8", "DRT001L8", "V3A001L6", "FMK001L8"];
    let dir = mhvtl(&barcodes);
    let home = dir.path().join("home");
    let mut data = fs::read(home.join("FMK001L8/data.0")).unwrap();
    data[100] ^= 1;
    fs::write(home.join("FMK001L8/data.0"), data).unwrap();
    copy_folder(&golden().join("FIX001L8"), &home.join("lower01l8"));
    copy_folder(&golden().join("FIX001L8"), &home.join("FIX001L8"));
    fs::write(home.join("FIX001L8/mam"), "nonsense").unwrap();
    let before = files(dir.path());
    let (said, code) = migrate(dir.path(), &["--verify"]);
    insta::assert_snapshot!(format!("{said}[{code}]"));
    let (json, code) = migrate(dir.path(), &["--verify", "--json"]);
    let rows: serde_json::Value = serde_json::Deserializer::from_str(&json).into_iter().next().unwrap().unwrap();
    let row = rows.as_array().unwrap().iter().find(|row| row["barcode"] == "PAR002L6").unwrap();
    assert_eq!((row["state"].as_str(), row["blocks"].as_u64(), code), (Some("equal"), Some(5), 1));
    assert_eq!(files(dir.path()), before);
    // Without the cartridges that have a problem.
    let dir = mhvtl(&["OVW001L8", "PAR002L6"]);
    let (said, code) = migrate(dir.path(), &["--verify"]);
    assert!(said.ends_with("2 cartridges: 2 equal\n") && code == 0, "{said}");
}

#[test]
fn copies_leave_the_cartridges_of_mhvtl_and_are_compared() {
    let dir = mhvtl(&["OVW001L8", "PAR002L6", "LZO001L8", "V3A001L6", "NUL001L8"]);
    let (home, copies) = (dir.path().join("home"), dir.path().join("tapes"));
    let before = files(&home);
    let (said, code) = migrate(dir.path(), &["--copy", "tapes", "--iqn", "iqn.2001-04.com.example:vtl"]);
    assert_eq!(code, 0, "{said}");
    insta::assert_snapshot!(said);
    let text = fs::read_to_string(dir.path().join("ferric.toml")).unwrap();
    let config = vtl::config::parse("f", &text).unwrap();
    assert_eq!(config.cartridge_directories, std::slice::from_ref(&copies));
    assert_eq!(config.iscsi.iqn.as_deref(), Some("iqn.2001-04.com.example:vtl"));
    assert_eq!(find(&copies, "PAR002L6").format().unwrap(), Format::Native);
    let (said, code) = migrate(dir.path(), &["--verify"]);
    assert!(said.contains("5 cartridges: 4 equal, 1 no data") && code == 0, "{said}");
    append(&copies, "OVW001L8", WEEK);
    let (said, code) = migrate(dir.path(), &["--verify"]);
    let line = "OVW001L8         different  partition 0, object 8: mhvtl's cartridge has end of data, the native copy has a block of \
                38 bytes; before it 7 blocks, 1 filemark, 6.1 kB are equal\n";
    assert!(said.contains(line) && code == 1, "{said}");
    assert_eq!(files(&home), before);
}

/// A library must not get a blank cartridge in place of one that could not be copied.
#[test]
fn a_cartridge_that_cannot_be_copied_stops_the_migration() {
    let dir = mhvtl(&["OVW001L8", "DRT001L8"]);
    let (said, code) = migrate(dir.path(), &["--copy", "tapes"]);
    assert!(
        said.contains("ferric.toml was not written: a library would have blank cartridges instead of DRT001L8;"),
        "{said}"
    );
    assert!(code == 1 && !dir.path().join("ferric.toml").exists(), "{said}");
    // Repaired, the rest is done; the copy that is complete stays.
    fs::remove_dir_all(dir.path().join("home/DRT001L8")).unwrap();
    copy_folder(&golden().join("PAR002L6"), &dir.path().join("home/DRT001L8"));
    let before = files(&dir.path().join("tapes/OVW001L8"));
    let (said, code) = migrate(dir.path(), &["--copy", "tapes"]);
    assert!(said.contains("2 cartridges copied") && code == 0, "{said}");
    assert_eq!(files(&dir.path().join("tapes/OVW001L8")), before);
}

#[test]
fn a_rollback_without_new_data_leaves_the_directory_of_mhvtl_as_it_was() {
    for more in [&[][..], &["--copy", "tapes"]] {
        let dir = mhvtl(&["OVW001L8", "PAR002L6", "V3A001L6", "NUL001L8"]);
        let before = files(dir.path());
        assert_eq!(migrate(dir.path(), more).1, 0);
        let migrated = files(dir.path());
        let (said, code) = migrate(dir.path(), &["--rollback", "--check"]);
        assert!(said.contains("ferric.toml would be removed") && code == 0, "{said}");
        assert_eq!(files(dir.path()), migrated);
        let (said, code) = migrate(dir.path(), &["--rollback"]);
        assert!(
            said.contains("4 cartridges of mhvtl as before") || said.contains("3 cartridges of mhvtl as before"),
            "{said}"
        );
        assert_eq!((files(dir.path()), code), (before, 0));
        let (said, code) = migrate(dir.path(), &["--rollback"]);
        assert!(said.contains("ferric.toml: does not exist: name the configuration file") && code == 1, "{said}");
    }
}

#[test]
fn a_rollback_writes_new_data_in_the_format_of_mhvtl_or_discards_it() {
    let barcodes = ["OVW001L8", "PAR002L6", "FIX001L8"];
    for discard in [false, true] {
        let dir = mhvtl(&barcodes);
        let (home, copies) = (dir.path().join("home"), dir.path().join("tapes"));
        let before = files(dir.path());
        migrate(dir.path(), &["--copy", "tapes"]);
        append(&copies, "OVW001L8", WEEK);
        let store = TapeStore::new(Box::new(OsFolderStore::at_unchecked(&copies)));
        store.create(&Barcode::new("NEW001L8").unwrap(), &NewCartridge::data(&LTO_8)).unwrap();
        append(&copies, "NEW001L8", WEEK);
        let more = if discard { &["--rollback", "--discard-new-data"][..] } else { &["--rollback"] };
        let (said, code) = migrate(dir.path(), more);
        insta::assert_snapshot!(format!("rollback_{}", if discard { "discards" } else { "writes" }), said);
        assert_eq!(code, 0);
        if discard {
            assert_eq!(files(dir.path()), before);
            continue;
        }
        for barcode in ["OVW001L8", "NEW001L8"] {
            assert_eq!(find(&home, barcode).format().unwrap(), Format::Mhvtl);
            assert_eq!(last_block(&home, barcode), WEEK, "{barcode}");
        }
        let others = |all: &BTreeMap<PathBuf, Vec<u8>>| -> BTreeMap<PathBuf, Vec<u8>> {
            let is_other = |path: &Path| ["OVW001L8", "NEW001L8"].iter().all(|name| !path.starts_with(home.join(name)));
            all.iter().filter(|(path, _)| is_other(path)).map(|(path, bytes)| (path.clone(), bytes.clone())).collect()
        };
        assert_eq!(others(&files(dir.path())), others(&before));
        let own = files(&home).keys().filter(|path| path.ends_with("mark.0") || path.ends_with("ferric.owner")).count();
        assert_eq!(own, 0, "mhvtl has no files of Ferric");
    }
}

/// One cartridge that mhvtl's format cannot store: nothing changes, not even for the others.
#[test]
fn a_rollback_that_would_lose_something_is_refused() {
    let dir = mhvtl(&["OVW001L8", "PAR002L6"]);
    let copies = dir.path().join("tapes");
    migrate(dir.path(), &["--copy", "tapes"]);
    append(&copies, "OVW001L8", WEEK);
    append(&copies, "PAR002L6", &vec![7; 3 << 20]);
    let before = files(dir.path());
    let (said, code) = migrate(dir.path(), &["--rollback"]);
    let why = "nothing was changed: PAR002L6: mhvtl's format cannot store it: partition 0, object ";
    assert!(said.contains(why) && said.contains("block of 3145728 bytes exceeds the maximum of 2097152"), "{said}");
    assert_eq!((files(dir.path()), code), (before, 1));
}

/// Cartridges that are used in place have new data in mhvtl's format already; one that was created in the native format is converted.
#[test]
fn a_rollback_in_place_keeps_new_data() {
    let dir = mhvtl(&["OVW001L8"]);
    let home = dir.path().join("home");
    migrate(dir.path(), &[]);
    append(&home, "OVW001L8", WEEK);
    let store = TapeStore::new(Box::new(OsFolderStore::at_unchecked(&home)));
    store.create(&Barcode::new("NEW001L8").unwrap(), &NewCartridge::data(&LTO_8)).unwrap();
    append(&home, "NEW001L8", WEEK);
    assert!(home.join("OVW001L8/mark.0").exists());
    let (said, code) = migrate(dir.path(), &["--rollback", "--discard-new-data"]);
    assert!(said.contains("uses mhvtl's cartridges in place: there is no older state of them") && code == 1, "{said}");
    let (said, code) = migrate(dir.path(), &["--rollback"]);
    assert_eq!(code, 0, "{said}");
    for barcode in ["OVW001L8", "NEW001L8"] {
        assert_eq!(find(&home, barcode).format().unwrap(), Format::Mhvtl);
        assert_eq!(last_block(&home, barcode), WEEK, "{barcode}");
        assert!(!home.join(barcode).join("mark.0").exists());
    }
    assert!(!dir.path().join("ferric.toml").exists());
}

/// Runs a command, and kills it after a while. Returns whether it was killed.
fn kill_after(dir: &Path, more: &[&str], time: Duration) -> bool {
    let mut command = Command::new("timeout");
    command.args(["--signal", "KILL", &format!("{:.4}", time.as_secs_f64()), env!("CARGO_BIN_EXE_ferric")]);
    command.args(["migrate", "mhvtl", "--config", "etc"]).args(more).current_dir(dir);
    !command.output().unwrap().status.success()
}

/// After a kill at any time, the state is that before or that after the command, or the command can be repeated.
#[test]
fn migration_and_rollback_can_be_killed_at_any_time() {
    let barcodes = ["OVW001L8", "PAR002L6", "FIX001L8", "LZO001L8", "ZLB001L6", "ZLB009L6", "MIX001L8", "UNC001L8"];
    let written = ["OVW001L8", "FIX001L8", "UNC001L8"];
    let (mut interrupted, steps) = (0, 10);
    let clock = vtl::clock::Clock::real();
    let start = clock.now().mono;
    let dir = mhvtl(&barcodes);
    migrate(dir.path(), &["--copy", "tapes"]);
    let duration = Duration::from_micros(clock.now().mono.0 - start.0);
    for step in 1..=steps {
        let dir = mhvtl(&barcodes);
        let (home, copies) = (dir.path().join("home"), dir.path().join("tapes"));
        let before = files(&home);
        let time = duration * step / steps;
        interrupted += u32::from(kill_after(dir.path(), &["--copy", "tapes"], time));
        assert_eq!(files(&home), before, "the copy changes nothing of mhvtl");
        if !dir.path().join("ferric.toml").exists() {
            let (said, code) = migrate(dir.path(), &["--copy", "tapes"]);
            assert_eq!(code, 0, "{said}");
        }
        let (said, code) = migrate(dir.path(), &["--verify"]);
        assert!(said.contains("8 cartridges: 8 equal") && code == 0, "{said}");
        written.iter().for_each(|barcode| append(&copies, barcode, WEEK));
        interrupted += u32::from(kill_after(dir.path(), &["--rollback"], time));
        if dir.path().join("ferric.toml").exists() {
            // The migrated state: every copy is there, with its new data.
            barcodes.iter().for_each(|barcode| drop(find(&copies, barcode)));
            written.iter().for_each(|barcode| assert_eq!(last_block(&copies, barcode), WEEK, "{barcode}"));
        }
        if dir.path().join("ferric.toml").exists() || dir.path().join("ferric.toml.rolled-back").exists() {
            let (said, code) = migrate(dir.path(), &["--rollback"]);
            assert_eq!(code, 0, "{said}");
        }
        written.iter().for_each(|barcode| assert_eq!(last_block(&home, barcode), WEEK, "{barcode}"));
        let is_other = |path: &PathBuf| written.iter().all(|name| !path.starts_with(home.join(name)));
        let others =
            |all: BTreeMap<PathBuf, Vec<u8>>| all.into_iter().filter(|(path, _)| is_other(path)).collect::<Vec<_>>();
        assert!(others(files(&home)) == others(before), "the other cartridges are as before");
        assert!(!copies.exists(), "the copies are removed");
    }
    assert!(interrupted >= 3, "{interrupted} of {} were interrupted", 2 * steps);
}

fn import(dir: &Path, line: &str) -> (String, i32) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ferric"));
    let output = command.args(line.split(' ')).current_dir(dir).output().unwrap();
    let text = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap()).concat();
    (text.replace(&dir.display().to_string(), "DIR"), output.status.code().unwrap())
}

/// A running daemon gets copies of single cartridges, under their barcodes or others.
#[test]
fn single_cartridges_are_imported_into_a_running_library() {
    let dir = mhvtl(&["OVW001L8", "PAR002L6", "DRT001L8", "ENC001L8"]);
    let (data, home) = (dir.path().join("data"), dir.path().join("home"));
    copy_folder(&golden().join("FIX001L8"), &home.join("lower01l8"));
    let config = vtl::config::parse("f", "[library]\nslots = 4\nimport_export = 3\ncartridges = []\n").unwrap();
    let site = Site::open(&data, &config).unwrap();
    let _control = ControlSocket::open(&data.join("control.sock"), &site).unwrap();
    let before = files(&home);
    for (line, expected, code) in [
        ("OVW001L8", "OVW001L8: shelf main -> io1\n", 0),
        (
            "OVW001L8",
            "ferric: OVW001L8: the site has a cartridge with this barcode already; give another one with --barcode\n",
            1,
        ),
        ("PAR002L6 io3 --barcode B00001L6", "B00001L6: shelf main -> io3\n", 0),
        (
            "lower01l8",
            "ferric: home/lower01l8: \"lower01l8\" is not a barcode: 1 to 16 of A-Z, 0-9, - and _; give another one with --barcode\n",
            1,
        ),
        ("lower01l8 --barcode LOWER1L8", "LOWER1L8: shelf main -> io2\n", 0),
        (
            "DRT001L8",
            "ferric: home/DRT001L8: is loaded by mhvtl or was not unloaded cleanly; if no drive has it, repair it first\n",
            1,
        ),
        (
            "ENC001L8",
            "ferric: home/ENC001L8: partition 0, object 2: encrypting a block failed: expected a key of 32 bytes and key-associated data of at most 255 bytes\n",
            1,
        ),
        ("GONE01L8", "ferric: home/GONE01L8: directory does not exist\n", 1),
    ] {
        let said = import(dir.path(), &format!("import mhvtl --data data home/{line}"));
        assert_eq!(said, (expected.to_owned(), code), "{line}");
    }
    // No empty I/O element is left: the copy stays, and can be imported later.
    copy_folder(&golden().join("FIX001L8"), &home.join("LATE01L8"));
    let (said, code) = import(dir.path(), "import mhvtl --data data home/LATE01L8");
    assert!(said.starts_with("ferric: LATE01L8 was copied to data/cartridges/LATE01L8, but not imported: "), "{said}");
    assert!(said.ends_with("; ferric import LATE01L8 imports it\n") && code == 1, "{said}");
    fs::remove_dir_all(home.join("LATE01L8")).unwrap();
    assert_eq!(import(dir.path(), "move --data data io1 slot1").1, 0);
    let said = import(dir.path(), "import --data data LATE01L8");
    assert_eq!(said, ("LATE01L8: shelf main -> io1\n".to_owned(), 0));
    assert_eq!(files(&home), before);
    drop(site);
    let copies = data.join("cartridges");
    assert_eq!(find(&copies, "B00001L6").format().unwrap(), Format::Native);
    let mut compared = find(&home, "OVW001L8");
    let compared =
        tape_store::compare::compare(&mut compared, &mut find(&copies, "OVW001L8"), &mut |_| ControlFlow::Continue(()));
    assert!(compared.unwrap().difference.is_none());
    assert!(!copies.join("ENC001L8").exists() && !copies.join("ENC001L8.convert").exists());
}
