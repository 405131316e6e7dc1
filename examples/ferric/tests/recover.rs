//! `ferric site recover`: it restores a site as far as its files are intact, and keeps the old files.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test that cannot go on has failed")]

use smc::element::ElementAddress;
use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::Path;
use std::process::Command;
use tempfile::{TempDir, tempdir};
use vtl::config::parse;
use vtl::inventory::Location;
use vtl::site::{OpenSite, Site};

const CONFIG: &str = "[library]\nslots = 6\nshelf = \"vault\"\n[[drive]]\nmodel = \"ULT3580-TD8\"\n[[cartridges]]\n\
    pattern = \"A##L8\"\ncount = 3\nsize = \"64MB\"\n[[pool]]\nname = \"daily\"\npattern = \"D##L8\"\nsize = \"64MB\"\n\
    scratch = 1\n";

fn open(directory: &Path) -> Result<OpenSite, String> {
    Site::open(directory, &parse("f", CONFIG).unwrap()).map_err(|error| error.to_string())
}

fn recover(dir: &TempDir, options: &[&str]) -> (i32, String) {
    let (data, config) = (dir.path().join("d"), dir.path().join("c.toml"));
    let output = Command::new(env!("CARGO_BIN_EXE_ferric"))
        .args(["site", "recover"])
        .arg(&data)
        .arg("--config")
        .arg(&config)
        .args(options)
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap()).concat();
    (output.status.code().unwrap(), text.replace(data.to_str().unwrap(), "DIR"))
}

/// A site with a cartridge in its drive, and its names for hosts.
fn site() -> (TempDir, Vec<String>) {
    let dir = tempdir().unwrap();
    fs::write(dir.path().join("c.toml"), CONFIG).unwrap();
    let site = open(&dir.path().join("d")).unwrap();
    let library = &site.libraries()[0];
    library
        .move_medium(ElementAddress(library.layout().storage.first), ElementAddress(library.layout().drives.first))
        .unwrap();
    let names = names(&site);
    (dir, names)
}

fn names(site: &Site) -> Vec<String> {
    let target = &site.targets()[0];
    let units = site.overview(target).into_iter().map(|unit| format!("{} {}", unit.lun, unit.serial));
    std::iter::once(target.name().to_owned()).chain(units).collect()
}

fn place(site: &Site, name: &str) -> Location {
    site.inventory()[name].location.clone()
}

#[test]
fn intact_site_is_unchanged_and_busy_site_is_refused() {
    let (dir, _) = site();
    let data = dir.path().join("d");
    let before = fs::read(data.join("state.1")).unwrap();
    let (code, text) = recover(&dir, &["--yes"]);
    assert_eq!((code, text.as_str()), (0, "DIR: the state is intact; nothing needs to be recovered\n"));
    assert_eq!(fs::read(data.join("state.1")).unwrap(), before);
    let _site = open(&data).unwrap();
    let (code, text) = recover(&dir, &["--yes"]);
    assert!(code == 1 && text.contains("is in use by process "), "{text}");
    let nothing = tempdir().unwrap();
    fs::write(nothing.path().join("c.toml"), CONFIG).unwrap();
    let (code, text) = recover(&nothing, &[]);
    assert!(code == 1 && text.contains("is not a directory"), "{text}");
}

#[test]
fn only_records_damaged_in_both_files_are_lost() {
    let (dir, known) = site();
    let data = dir.path().join("d");
    for name in ["state.1", "state.2"] {
        let mut bytes = fs::read(data.join(name)).unwrap();
        // The line of the move into the drive.
        let key = b"\"cartridge/A01L8\"";
        let at = bytes.windows(key.len()).rposition(|window| window == key).unwrap();
        bytes[at + key.len() + 2] ^= 1;
        fs::write(data.join(name), &bytes).unwrap();
    }
    let refused = open(&data).map(drop).unwrap_err();
    assert!(refused.contains("state.1 and state.2") && refused.contains("ferric site recover"), "{refused}");
    let (code, text) = recover(&dir, &[]);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("DIR: nothing was changed; add --yes"), "{text}");
    assert!(text.contains("A01L8: in library main, slot1"), "{text}");
    assert_eq!(recover(&dir, &["--dry-run"]).0, 0);
    assert_eq!(open(&data).map(drop).unwrap_err(), refused);
    let (code, text) = recover(&dir, &["--yes"]);
    assert_eq!(code, 0, "{text}");
    assert!(
        text.ends_with("DIR: recovered; the old files are state.1.old, state.2.old, identities.toml.old\n"),
        "{text}"
    );
    let site = open(&data).unwrap();
    assert_eq!(names(&site), known);
    let slot = site.libraries()[0].layout().storage.first;
    assert!(matches!(place(&site, "A01L8"), Location::Element { address, .. } if address == slot));
}

#[test]
fn forgotten_cartridge_is_not_restored() {
    let (dir, _) = site();
    let data = dir.path().join("d");
    let site = open(&data).unwrap();
    for name in ["A02L8", "D01L8"] {
        site.forget_cartridge(&tape_store::cartridge::Barcode::new(name).unwrap()).unwrap();
    }
    drop(site);
    for name in ["state.1", "state.2"] {
        let mut bytes = fs::read(data.join(name)).unwrap();
        let key = b"\"cartridge/A01L8\"";
        let at = bytes.windows(key.len()).position(|window| window == key).unwrap();
        bytes[at + key.len() + 2] ^= 1;
        fs::write(data.join(name), &bytes).unwrap();
    }
    let (code, text) = recover(&dir, &["--yes"]);
    assert_eq!(code, 0, "{text}");
    for name in ["A02L8", "D01L8"] {
        assert!(text.contains(&format!("{name}: forgotten; stays out\n")), "{text}");
    }
    // The pool has one for that which was forgotten.
    assert_eq!(open(&data).unwrap().inventory().into_keys().collect::<Vec<_>>(), ["A01L8", "A03L8", "D02L8"]);
}

fn list(path: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// A recovery that is only shown creates nothing. One that root does creates files of the owner of the directory, whose daemon
/// opens them.
#[test]
fn a_dry_run_creates_nothing_and_new_files_have_the_owner_of_the_directory() {
    let (dir, _) = site();
    let data = dir.path().join("d");
    fs::remove_file(data.join("state.1")).unwrap();
    fs::remove_file(data.join("state.2")).unwrap();
    fs::remove_file(data.join("lock")).unwrap();
    fs::remove_dir_all(data.join("cartridges")).unwrap();
    let before = list(&data);
    assert_eq!(recover(&dir, &["--dry-run"]).0, 0);
    assert_eq!(recover(&dir, &[]).0, 1);
    assert_eq!(list(&data), before);
    // Root alone gives files away; for others the owners are the same anyway.
    let _ = chown(&data, Some(12345), Some(12345));
    let owner = fs::metadata(&data).unwrap().uid();
    let (code, text) = recover(&dir, &["--yes"]);
    assert_eq!(code, 0, "{text}");
    for name in ["state.1", "state.2", "identities.toml.old", "lock"] {
        assert_eq!(fs::metadata(data.join(name)).unwrap().uid(), owner, "{name}");
    }
}

#[test]
fn site_is_recovered_without_state_files() {
    let (dir, known) = site();
    let data = dir.path().join("d");
    fs::remove_file(data.join("state.1")).unwrap();
    fs::write(data.join("state.2"), "").unwrap();
    let refused = open(&data).map(drop).unwrap_err();
    assert!(refused.contains("state.2 (empty), identities.toml, 4 cartridges"), "{refused}");
    let (code, text) = recover(&dir, &["--yes"]);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("A01L8: in no state file; put into a free slot of main at the next start"), "{text}");
    assert!(text.contains("D01L8: on the shelf vault"), "{text}");
    let site = open(&data).unwrap();
    assert_eq!(names(&site), known);
    assert!(matches!(place(&site, "A01L8"), Location::Element { .. }));
    assert_eq!(place(&site, "D01L8"), Location::Shelf("vault".into()));
}

/// An empty directory, or one with other things, is no lost site.
#[test]
fn a_directory_without_a_site_has_nothing_to_recover() {
    let dir = tempdir().unwrap();
    fs::write(dir.path().join("c.toml"), CONFIG).unwrap();
    let data = dir.path().join("d");
    fs::create_dir(&data).unwrap();
    let said = (1, "ferric: nothing to recover in DIR: it has no cartridges and no state\n".to_owned());
    for options in [&[][..], &["--dry-run"], &["--yes"]] {
        assert_eq!(recover(&dir, options), said);
        assert_eq!(fs::read_dir(&data).unwrap().count(), 0);
    }
    fs::write(data.join("notes.txt"), "x").unwrap();
    fs::create_dir(data.join("cartridges")).unwrap();
    assert_eq!(recover(&dir, &["--yes"]), said);
    // A damaged state is not nothing.
    fs::write(data.join("state.1"), "x").unwrap();
    assert!(recover(&dir, &["--dry-run"]).1.contains("state.1"));
}
