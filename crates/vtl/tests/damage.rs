//! A damaged state is restored from its second copy, or refused with the name of the file: a site that starts has the
//! same state as before.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "test code")]

mod common;

use common::Disk;
use redb::{Database, TableDefinition};
use smc::element::ElementAddress;
use std::collections::BTreeMap;
use std::io::IoSlice;
use tape_store::backend::Folder;
use tape_store::backend::faulty::FaultyFolder;
use vtl::data_dir::DataDir;
use vtl::host::Host;
use vtl::inventory::Location;
use vtl::site::Site;
use vtl::state_store::StateStore;

const SMALL: &str = "[library]\nslots = 8\n[[drive]]\nmodel = \"ULT3580-TD8\"\ncount = 2\n[[cartridges]]\n\
    pattern = \"V####L8\"\ncount = 6\nsize = \"64MB\"\n";
const FILES: [&str; 3] = ["state.1", "state.2", "identities.toml"];

/// A modification of a file.
type Damage<'a> = &'a dyn Fn(&mut Vec<u8>);
/// The new content of a file.
type Content<'a> = &'a dyn Fn(&str) -> Option<Vec<u8>>;
type Files = BTreeMap<String, Vec<u8>>;

/// Pseudo-random numbers, the same in each run.
struct Random(u64);

impl Random {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % most
    }
}

fn host(site: &Site) -> Host {
    let host = Host::login(&site.targets()[0], 7);
    host.clear_unit_attentions();
    host
}

/// The state that must be unchanged: identities, LUNs, locations, and a reservation with APTPL.
#[derive(Debug, PartialEq, Eq)]
struct ExpectedState {
    names: Vec<String>,
    locations: Vec<(String, Location)>,
    reservation: Vec<u8>,
}

impl ExpectedState {
    fn of(site: &Site) -> Self {
        let target = &site.targets()[0];
        let unit = |unit: vtl::site::UnitSummary| format!("{} {} {}", unit.lun, unit.serial, unit.content);
        let names = std::iter::once(target.name().to_owned()).chain(site.overview(target).into_iter().map(unit));
        let locations = site.inventory().into_iter().map(|(name, entry)| (name, entry.location));
        // PERSISTENT RESERVE IN, READ FULL STATUS.
        let status = host(site).command(2, &[0x5e, 3, 0, 0, 0, 0, 0, 0, 64, 0], 64).into_result().unwrap();
        // Without PRGENERATION, which starts at 0.
        let reservation = status[8..].to_vec();
        Self { names: names.collect(), locations: locations.collect(), reservation }
    }
}

/// PERSISTENT RESERVE OUT to the second drive.
fn reserve(host: &Host, action: u8, key: u64, new: u64, aptpl: u8) {
    let mut list = [key.to_be_bytes(), new.to_be_bytes(), [0; 8]].concat();
    list[20] = aptpl;
    host.command_with_data(2, &[0x5f, action, 3, 0, 0, 0, 0, 0, 24, 0], &list).into_result().unwrap();
}

fn move_medium(site: &Site, from: u16, to: u16) {
    site.libraries()[0].move_medium(ElementAddress(from), ElementAddress(to)).unwrap();
}

/// A site with a history: a reservation, a cartridge in a drive, one that was exported, one that was moved last.
fn site_with_history() -> (Disk, ExpectedState) {
    let disk = Disk::default();
    let site = disk.start(SMALL).unwrap();
    let host = host(&site);
    reserve(&host, 6, 0, 0xabc, 1);
    reserve(&host, 1, 0xabc, 0, 0);
    let layout = site.libraries()[0].layout();
    let (slot, port, drive) = (layout.storage.first, layout.import_export.first, layout.drives.first);
    move_medium(&site, slot, drive);
    move_medium(&site, slot + 1, port);
    site.libraries()[0].export(ElementAddress(port)).unwrap();
    move_medium(&site, slot + 3, slot + 6);
    move_medium(&site, slot + 6, slot + 3);
    for _ in 0..6 {
        move_medium(&site, slot + 2, slot + 7);
        move_medium(&site, slot + 7, slot + 2);
    }
    move_medium(&site, slot + 2, slot + 7);
    let expected = ExpectedState::of(&site);
    assert!(expected.locations.contains(&("V0002L8".into(), Location::Shelf("main".into()))), "{expected:?}");
    assert!(expected.reservation[..8] == [0, 0, 0, 0, 0, 0, 0xa, 0xbc], "{expected:?}");
    drop(host);
    site.shut_down().unwrap();
    drop(site);
    (disk, expected)
}

fn files(disk: &Disk) -> Files {
    FILES.iter().map(|name| ((*name).to_owned(), disk.1.bytes(name))).collect()
}

/// Number of bytes before the padding.
fn used(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1
}

fn flip(bytes: &mut [u8], bit: usize) {
    bytes[bit / 8] ^= 1 << (bit % 8);
}

/// The outcome of opening the site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    AsBefore,
    Recovered,
    Refused,
}

/// Opens a site with these files twice: its state is unchanged, or it does not start.
fn start(disk: &Disk, files: Files, expected: &ExpectedState, what: &str) -> Outcome {
    let folder = FaultyFolder::from_files(files);
    let opened = StateStore::open(Box::new(FaultyFolder::from_files(list(&folder))), "");
    let repairs = opened.ok().flatten().map_or(0, |state| state.repairs().len());
    let damaged = Disk(disk.0.clone(), folder);
    match damaged.start(SMALL) {
        Ok(site) => {
            assert_eq!(ExpectedState::of(&site), *expected, "{what}");
            site.shut_down().unwrap();
            drop(site);
            let again = StateStore::open(Box::new(damaged.1), "").unwrap().unwrap();
            assert_eq!(again.repairs(), [""; 0], "{what}");
            if repairs > 0 { Outcome::Recovered } else { Outcome::AsBefore }
        }
        Err(error) => {
            assert!(FILES.iter().chain(&["state.redb"]).any(|name| error.contains(name)), "{what}: {error}");
            assert!(error.contains("`ferric site recover"), "{what}: {error}");
            Outcome::Refused
        }
    }
}

fn list(folder: &FaultyFolder) -> Files {
    let names = Folder::list(&mut folder.clone()).unwrap();
    names.into_iter().map(|name| (name.clone(), folder.bytes(&name))).collect()
}

#[test]
fn single_bit_flip_in_one_file_is_repaired() {
    let (disk, expected) = site_with_history();
    let intact = files(&disk);
    let mut random = Random(13);
    for name in FILES {
        for _ in 0..140 {
            let mut damaged = intact.clone();
            let bytes = damaged.get_mut(name).unwrap();
            let bit = random.below(used(bytes) * 8);
            flip(bytes, bit);
            let end = start(&disk, damaged, &expected, &format!("{name}: bit {bit}"));
            assert_eq!(end, Outcome::Recovered, "{name}: bit {bit}");
        }
    }
}

#[test]
fn two_bit_flips_never_change_identity() {
    let (disk, expected) = site_with_history();
    let intact = files(&disk);
    let (mut random, mut ends) = (Random(29), BTreeMap::new());
    for round in 0..150 {
        let mut damaged = intact.clone();
        let len = used(&intact["state.1"]);
        let at = random.below(len * 8);
        // Every other time the same line in both files, where neither file can repair the other.
        let other = if round % 2 == 0 { at } else { random.below(len * 8) };
        flip(damaged.get_mut("state.1").unwrap(), at);
        flip(damaged.get_mut("state.2").unwrap(), other);
        let end = start(&disk, damaged, &expected, &format!("bits {at}, {other}"));
        *ends.entry(format!("{end:?}")).or_insert(0) += 1;
    }
    assert!(ends["Refused"] > 60 && ends["Recovered"] > 60 && ends.len() == 2, "{ends:?}");
}

#[test]
fn zeroed_torn_or_truncated_pages_are_handled() {
    let (disk, expected) = site_with_history();
    let intact = files(&disk);
    for name in FILES {
        let used = used(&intact[name]);
        for at in (0..used).step_by(512) {
            let end = (at + 512).min(used);
            let zeroed = |bytes: &mut Vec<u8>| bytes[at..end].fill(0);
            let torn = |bytes: &mut Vec<u8>| bytes.copy_within(at..at + (end - at) / 2, at + (end - at) / 2);
            let cut = |bytes: &mut Vec<u8>| bytes.truncate(at);
            let ways: [(&str, Damage<'_>); 3] = [("zeroed", &zeroed), ("torn", &torn), ("cut", &cut)];
            for (way, damage) in ways {
                let mut damaged = intact.clone();
                damage(damaged.get_mut(name).unwrap());
                let end = start(&disk, damaged, &expected, &format!("{name}: {way} at {at}"));
                assert_eq!(end, Outcome::Recovered, "{name}: {way} at {at}");
            }
        }
    }
}

#[test]
fn missing_empty_old_or_foreign_files_are_handled() {
    let (disk, expected) = site_with_history();
    let intact = files(&disk);
    let (other, _) = site_with_history();
    let other = files(&other);
    // The same site, some moves earlier.
    let old = {
        let disk = Disk(disk.0.clone(), FaultyFolder::from_files(intact.clone()));
        let site = disk.start(SMALL).unwrap();
        let slot = site.libraries()[0].layout().storage.first;
        (0..3).for_each(|_| {
            move_medium(&site, slot + 3, slot + 6);
            move_medium(&site, slot + 6, slot + 3);
        });
        drop(site);
        files(&disk)
    };
    let (newer, old) = (old, intact.clone());
    let ways: [(&str, Content<'_>); 4] = [
        ("missing", &|_| None),
        ("empty", &|_| Some(Vec::new())),
        ("old", &|name| Some(old[name].clone())),
        ("another site's", &|name| Some(other[name].clone())),
    ];
    for (way, content) in ways {
        for chosen in 1_usize..8 {
            let names: Vec<&str> = (0..3).filter(|bit| chosen & (1 << bit) != 0).map(|bit| FILES[bit]).collect();
            let mut damaged = newer.clone();
            for name in &names {
                damaged.remove(*name);
                damaged.extend(content(name).map(|bytes| ((*name).to_owned(), bytes)));
            }
            let what = format!("{way}: {names:?}");
            if chosen == 7 && ["old", "another site's"].contains(&way) {
                // A complete older directory is what a restored backup looks like.
                continue;
            }
            let end = start(&disk, damaged, &expected, &what);
            let one = [1, 2, 4].contains(&chosen);
            let expected = match (way, chosen) {
                // The identities have not changed since.
                ("old", 4) => Outcome::AsBefore,
                ("old", 5 | 6) | ("missing" | "empty", 5 | 6) => Outcome::Recovered,
                ("another site's", _) => Outcome::Refused,
                _ if one => Outcome::Recovered,
                _ => Outcome::Refused,
            };
            assert_eq!(end, expected, "{what}");
        }
    }
    // The two files have the same content, so they may be swapped.
    let mut swapped = intact.clone();
    swapped.insert("state.1".into(), intact["state.2"].clone());
    swapped.insert("state.2".into(), intact["state.1"].clone());
    assert_eq!(start(&disk, swapped, &expected, "swapped"), Outcome::AsBefore);
}

#[test]
fn file_damaged_in_use_is_rewritten() {
    let (disk, expected) = site_with_history();
    let intact = files(&disk);
    let mut random = Random(31);
    for round in 0..60 {
        let disk = Disk(disk.0.clone(), FaultyFolder::from_files(intact.clone()));
        let site = disk.start(SMALL).unwrap();
        let slot = site.libraries()[0].layout().storage.first;
        let name = FILES[round % 3];
        let mut bytes = disk.1.bytes(name);
        let at = random.below(used(&bytes) * 8);
        flip(&mut bytes, at);
        let changed_byte = [bytes[at / 8]];
        let mut file = Folder::open(&mut disk.1.clone(), name).unwrap();
        file.write_at(at as u64 / 8, &[IoSlice::new(&changed_byte)]).unwrap();
        // Commits continue, and nothing is lost on shutdown or, every other time, when the process ends without one.
        move_medium(&site, slot + 3, slot + 6);
        let files = files(&disk);
        move_medium(&site, slot + 6, slot + 3);
        site.shut_down().unwrap();
        let stopped = list(&disk.1);
        drop(site);
        let what = format!("{name}: bit {at}");
        assert_eq!(
            ExpectedState::of(&Disk(disk.0.clone(), FaultyFolder::from_files(stopped.clone())).start(SMALL).unwrap()),
            expected
        );
        let repairs =
            StateStore::open(Box::new(FaultyFolder::from_files(stopped)), "").unwrap().unwrap().repairs().len();
        assert_eq!(repairs, 0, "{what}: a stop mends what is damaged");
        let killed = Disk(disk.0.clone(), FaultyFolder::from_files(files)).start(SMALL).unwrap();
        assert_eq!(killed.inventory()["V0004L8"].location, common::in_slot_from("main", slot + 6, slot + 3), "{what}");
    }
}

/// A database of format version 2: closed, or left by a process that was killed.
fn database(disk: &Disk, closed: bool) -> Vec<u8> {
    let state = StateStore::open(Box::new(FaultyFolder::from_files(files(disk))), "").unwrap().unwrap();
    let values: BTreeMap<String, serde_json::Value> = state.get_prefix("").unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.redb");
    let table: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("state");
    let database = Database::create(&path).unwrap();
    let set = |changes: &[(&str, Vec<u8>)]| {
        let transaction = database.begin_write().unwrap();
        {
            let mut table = transaction.open_table(table).unwrap();
            for (key, value) in changes {
                table.insert(*key, value.as_slice()).unwrap();
            }
        }
        transaction.commit().unwrap();
    };
    let version: u32 = 2;
    let all = values.iter().map(|(key, value)| {
        let version = serde_json::to_vec(&version).unwrap();
        (key.as_str(), if key == "version" { version } else { serde_json::to_vec(value).unwrap() })
    });
    set(&all.collect::<Vec<_>>());
    // The location before the last move was another one.
    let moved = serde_json::to_vec(&values["cartridge/V0003L8"]).unwrap();
    let before = br#"{"place":{"shelf":"main"},"size":64000000}"#.to_vec();
    set(&[("cartridge/V0003L8", before)]);
    set(&[("cartridge/V0003L8", moved)]);
    if closed {
        drop(database);
        return std::fs::read(&path).unwrap();
    }
    std::fs::read(&path).unwrap()
}

#[test]
fn old_database_is_upgraded_completely_or_refused() {
    let (disk, expected) = site_with_history();
    for closed in [true, false] {
        let bytes = database(&disk, closed);
        let old = Files::from([("state.redb".to_owned(), bytes.clone())]);
        assert_eq!(start(&disk, old, &expected, "whole"), Outcome::AsBefore);
        let (mut random, mut refused) = (Random(41), 0);
        for round in 0..200 {
            let mut damaged = bytes.clone();
            // The headers of the database and of its pages, as well as everything else.
            let at = match round % 4 {
                0 => random.below(320 * 8),
                1 => random.below(bytes.len() / 4096) * 4096 * 8 + random.below(64 * 8),
                _ => random.below(bytes.len() * 8),
            };
            flip(&mut damaged, at);
            let old = Files::from([("state.redb".to_owned(), damaged)]);
            refused +=
                u32::from(start(&disk, old, &expected, &format!("closed {closed}, bit {at}")) == Outcome::Refused);
        }
        assert!(refused > 10, "{refused}");
        for at in (0..bytes.len()).step_by(bytes.len() / 4096 / 16 * 4096) {
            let mut zeroed = bytes.clone();
            zeroed[at..(at + 4096).min(bytes.len())].fill(0);
            start(&disk, Files::from([("state.redb".to_owned(), zeroed)]), &expected, &format!("zeroed at {at}"));
            let cut = bytes[..at].to_vec();
            start(&disk, Files::from([("state.redb".to_owned(), cut)]), &expected, &format!("cut at {at}"));
        }
    }
}

#[test]
fn new_site_needs_permission() {
    let (disk, expected) = site_with_history();
    let config = vtl::config::parse("f", SMALL).unwrap();
    let data =
        |files: Files| DataDir::from_folders(Box::new(disk.0.clone()), Box::new(FaultyFolder::from_files(files)));
    let error = Site::open_data_dir(data(Files::new()), &config).map(drop).unwrap_err().to_string();
    assert!(error.contains("6 cartridges") && error.contains("--new-site"), "{error}");
    let site = Site::open_data_dir(data(Files::new()).with_new_site(true), &config).unwrap();
    assert_ne!(ExpectedState::of(&site).names, expected.names);
    drop(site);
    // If there is a state, the permission has no effect.
    let site = Site::open_data_dir(data(files(&disk)).with_new_site(true), &config).unwrap();
    assert_eq!(ExpectedState::of(&site), expected);
    drop(site);
    let mut damaged = files(&disk);
    ["state.1", "state.2"].iter().for_each(|name| damaged.get_mut(*name).unwrap()[100] ^= 1);
    let error = Site::open_data_dir(data(damaged).with_new_site(true), &config).map(drop).unwrap_err().to_string();
    assert!(error.contains("state.1") && error.contains("ferric site recover"), "{error}");
}
