//! `ferric migrate mhvtl`: its report and the files that it writes.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test that cannot go on has failed")]

use std::fs;
use std::path::Path;
use std::process::Command;
use tape_store::backend::file::OsFolderStore;
use tape_store::cartridge::{Barcode, Format};
use tape_store::media::LTO_8;
use tape_store::store::{NewCartridge, TapeStore};
use tempfile::tempdir;

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
