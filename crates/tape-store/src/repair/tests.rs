//! Repair under power loss at each of its storage calls: what was readable before is readable after, and another repair
//! completes.

use super::*;
use crate::backend::faulty::FaultyFolder;
use crate::backend::memory::MemoryFolderStore;
use crate::backend::{Folder, FolderStore};
use crate::cartridge::{Barcode, CartridgeKind};
use crate::mam::Mam;
use crate::media::LTO_8;
use crate::medium::{Codec, ReadOutcome};
use crate::store::{NewCartridge, TapeStore};
use std::collections::BTreeMap;

type Files = BTreeMap<String, Vec<u8>>;

fn cartridge(disk: &FaultyFolder) -> Cartridge {
    let disk = disk.clone();
    let open = move || Ok(Box::new(disk.clone()) as Box<dyn Folder>);
    Cartridge::in_folder(Barcode::new("D00001L8").unwrap(), &LTO_8, CartridgeKind::Data, 0, Box::new(open))
}

/// The files of a cartridge with two partitions.
fn files(format: Format) -> Files {
    let folders = MemoryFolderStore::default();
    let store = TapeStore::new(Box::new(folders.clone()));
    let barcode = Barcode::new("D00001L8").unwrap();
    let new = NewCartridge { serial: "S1", capacity: 1 << 24, format, ..NewCartridge::data(&LTO_8) };
    store.create(&barcode, &new).unwrap();
    let mut cartridge = store.find(&barcode).unwrap();
    let (mut tape, _) = cartridge.open().unwrap();
    tape.format(&[1 << 23, 1 << 23]).unwrap();
    for partition in 0..2 {
        tape.locate(partition, 0).unwrap();
        for number in 0..5_u8 {
            tape.append(&[IoSlice::new(&[number; 200])], Codec::NONE).unwrap();
            tape.append_filemark().unwrap();
        }
    }
    tape.close().unwrap();
    drop(tape);
    let mut mam = cartridge.mam().unwrap();
    for partition in 0..2 {
        mam.set(crate::mam::AttrId::PARTITION_SIZE, partition, &(1_u64 << 23).to_be_bytes());
    }
    cartridge.save_mam_and_copy(&mam).unwrap();
    let mut folder = folders.open("D00001L8").unwrap();
    let names = folder.list().unwrap();
    names.into_iter().map(|name| (name.clone(), folder.read(&name).unwrap().unwrap())).collect()
}

/// The objects of each partition as text; `None` for an object that cannot be read.
fn readable(cartridge: &mut Cartridge) -> Vec<Vec<Option<String>>> {
    let (mut tape, _) = cartridge.open_read_only().unwrap();
    let mut buffer = [0; 300];
    let mut all = Vec::new();
    for partition in 0..tape.partitions() {
        let mut objects = Vec::new();
        for object in 0..40 {
            if !tape.locate(partition, object).unwrap_or(true) {
                break;
            }
            let found = tape.read(&mut [IoSliceMut::new(&mut buffer)]);
            match found {
                Ok(ReadOutcome::EndOfData) => break,
                Ok(ReadOutcome::Filemark) => objects.push(Some("filemark".into())),
                Ok(ReadOutcome::Block { len, .. }) => objects.push(Some(format!("{:?}", &buffer[..len]))),
                Err(_) => objects.push(None),
            }
        }
        all.push(objects);
    }
    all
}

/// Objects, cartridge memory and findings of a cartridge.
#[derive(Debug, PartialEq)]
struct Inspection {
    objects: Vec<Vec<Option<String>>>,
    mam: Mam,
    findings: Vec<Finding>,
}

fn inspect_cartridge(disk: &FaultyFolder) -> Inspection {
    let mut cartridge = cartridge(disk);
    let (mam, _) = cartridge.mam_or_rebuilt().unwrap();
    let findings = cartridge.examine().unwrap();
    Inspection { objects: readable(&mut cartridge), mam, findings }
}

fn check_no_object_lost(before: &Inspection, after: &Inspection, what: &str) {
    assert!(after.objects.len() >= before.objects.len(), "{what}");
    for (partition, (before, after)) in before.objects.iter().zip(&after.objects).enumerate() {
        for (object, found) in before.iter().enumerate().filter(|(_, found)| found.is_some()) {
            assert_eq!(after.get(object), Some(found), "{what}: partition {partition}, object {object}");
        }
    }
}

/// Cuts the power at each call of a repair; unsynchronised changes are lost, kept or torn.
fn cut_power(damaged: &Files, what: &str) -> u64 {
    let disk = FaultyFolder::from_files(damaged.clone());
    let (before, start) = (inspect_cartridge(&disk), disk.calls());
    assert!(!before.findings.is_empty(), "{what}: nothing to repair");
    cartridge(&disk).repair().unwrap();
    let (repaired, calls) = (inspect_cartridge(&disk), disk.calls() - start);
    check_no_object_lost(&before, &repaired, what);
    assert!(calls > 0 && repaired.findings.is_empty(), "{what}: {:?}", repaired.findings);
    for at in 0..calls {
        for (outcome, reaches) in
            [("lost", (|_| 0) as fn(usize) -> usize), ("kept", |len| len), ("torn", |len| len / 2)]
        {
            let what = format!("{what}, power lost at call {at}, the rest {outcome}");
            let disk = FaultyFolder::from_files(damaged.clone());
            disk.fail_at(Some(disk.calls() + at), io::ErrorKind::Other);
            assert!(cartridge(&disk).repair().is_err(), "{what}: the repair did not notice");
            let disk = disk.crash(reaches);
            let interrupted = inspect_cartridge(&disk);
            check_no_object_lost(&before, &interrupted, &what);
            assert!(
                interrupted.mam == before.mam || interrupted.mam == repaired.mam,
                "{what}: the memory is a mixture"
            );
            cartridge(&disk).repair().unwrap_or_else(|error| panic!("{what}: {error}"));
            assert_eq!(inspect_cartridge(&disk), repaired, "{what}, repaired again");
            let (_, recovery) = cartridge(&disk).open().unwrap();
            assert!(!recovery.damaged && recovery.dropped_objects == 0, "{what}: {recovery:?}");
        }
    }
    calls
}

fn flip(files: &mut Files, name: &str, at: usize) {
    files.get_mut(name).unwrap()[at] ^= 1;
}

#[test]
fn power_loss_during_a_repair_loses_no_object() {
    type Damage = fn(&mut Files);
    let damages: [(&str, Damage); 12] = [
        ("damaged memory", |files| flip(files, "ferric.mam", 40)),
        ("lost memory", |files| drop(files.remove("ferric.mam"))),
        ("lost memory and copy", |files| files.retain(|name, _| !name.starts_with("ferric.mam"))),
        ("damaged memory and no copy", |files| {
            flip(files, "ferric.mam", 40);
            files.remove("ferric.mam.copy");
        }),
        ("damaged copy", |files| flip(files, "ferric.mam.copy", 40)),
        ("short index", |files| files.get_mut("indx.0").unwrap().truncate(100)),
        ("empty index", |files| files.get_mut("indx.0").unwrap().clear()),
        ("lost index", |files| drop(files.remove("indx.1"))),
        ("damaged record", |files| flip(files, "indx.0", 3 * 32)),
        ("lost watermark", |files| files.get_mut("mark.0").unwrap().fill(0)),
        ("damaged frames", |files| {
            flip(files, "data.0", 0);
            flip(files, "data.1", 264 + 64);
        }),
        ("everything", |files| {
            flip(files, "ferric.mam", 40);
            files.remove("ferric.mam.copy");
            files.get_mut("indx.0").unwrap().truncate(100);
            files.get_mut("mark.1").unwrap().fill(0);
            flip(files, "data.1", 0);
        }),
    ];
    let intact = files(Format::Native);
    let mut calls = 0;
    for (what, damage) in damages {
        let mut damaged = intact.clone();
        damage(&mut damaged);
        calls += cut_power(&damaged, what);
    }
    assert!(calls > 60, "{calls} calls");
    let mut damaged = files(Format::Mhvtl);
    damaged.get_mut("mam").unwrap().truncate(6);
    assert!(cut_power(&damaged, "damaged memory of mhvtl") > 3);
}

/// The partition sizes of a rebuilt cartridge memory fit the data, and the barcode is the volume identifier.
#[test]
fn rebuilt_cartridge_memory_fits_the_data() {
    let mut damaged = files(Format::Native);
    damaged.retain(|name, _| !name.starts_with("ferric.mam"));
    let of_data = |partition: &str| damaged[partition].len() as u64;
    assert_eq!((of_data("data.0"), of_data("data.1")), (5 * 200 + 10 * 64, 5 * 200 + 10 * 64));
    let disk = FaultyFolder::from_files(damaged);
    // A sparse file in memory; longer than an even share of a small cartridge.
    disk.clone().open("data.1").unwrap().set_len(3_000_000).unwrap();
    let small = |disk: &FaultyFolder, capacity| {
        let disk = disk.clone();
        let open = move || Ok(Box::new(disk.clone()) as Box<dyn Folder>);
        Cartridge::in_folder(Barcode::new("D00001L8").unwrap(), &LTO_8, CartridgeKind::Data, capacity, Box::new(open))
    };
    let (mam, damage) = small(&disk, 4_000_000).mam_or_rebuilt().unwrap();
    assert!(damage.is_some());
    assert_eq!(mam.partition_sizes(), [500_820, 3_499_180]);
    assert_eq!(mam.get(crate::mam::AttrId::VOLUME_IDENTIFIER, 0).unwrap(), b"D00001L8                        ");
    // More data than the stated capacity: the cartridge held that much.
    let mut cartridge = small(&disk, 2_000_000);
    assert_eq!(cartridge.mam_or_rebuilt().unwrap().0.partition_sizes(), [1_640, 3_000_000]);
    assert_eq!(cartridge.capacity(), 3_001_640);
}

/// Partition 0 after ten blocks of 200 bytes were overwritten from object 3 on by two blocks of `len` bytes, and the
/// truncation of `data.0` was lost: leftovers of the old blocks follow the new ones. The watermark counts five objects;
/// the second value is the watermark of the moment of the truncation, which counts three. The third is the leftovers.
fn overwritten(len: usize) -> (Files, Vec<u8>, Vec<u8>) {
    let disk = FaultyFolder::from_files(files(Format::Native));
    let mut cartridge = cartridge(&disk);
    let (mut tape, _) = cartridge.open().unwrap();
    for number in 0..10_u8 {
        tape.append(&[IoSlice::new(&[number; 200])], Codec::NONE).unwrap();
    }
    tape.close().unwrap();
    let old = disk.bytes("data.0");
    tape.locate(0, 3).unwrap();
    tape.append(&[IoSlice::new(&vec![103; len])], Codec::NONE).unwrap();
    let watermark = disk.bytes("mark.0");
    tape.append(&[IoSlice::new(&vec![104; len])], Codec::NONE).unwrap();
    tape.close().unwrap();
    drop(tape);
    let mut folder = disk;
    let names = folder.list().unwrap();
    let mut files: Files = names.into_iter().map(|name| (name.clone(), folder.bytes(&name))).collect();
    let data = files.get_mut("data.0").unwrap();
    assert_eq!((old.len(), data.len()), (10 * 264, 3 * 264 + 2 * (64 + len)));
    let leftovers = old[data.len()..].to_vec();
    data.extend_from_slice(&leftovers);
    (files, watermark, leftovers)
}

#[test]
fn repair_never_restores_overwritten_objects() {
    for len in [200, 150] {
        let (files, lower, leftovers) = overwritten(len);
        let text = |byte: u8, len: usize| Some(format!("{:?}", vec![byte; len]));
        let expected = vec![text(0, 200), text(1, 200), text(2, 200), text(103, len), text(104, len)];
        let check = |what: &str, expected: &[Option<String>], damage: &dyn Fn(&mut Files)| {
            let what = format!("blocks of {len} bytes, {what}");
            let mut damaged = files.clone();
            // Damage inside the watermark, so that the index is rebuilt.
            flip(&mut damaged, "indx.0", 32);
            flip(&mut damaged, "indx.0", 2 * 32);
            damage(&mut damaged);
            let mut disk = FaultyFolder::from_files(damaged);
            cartridge(&disk).repair().unwrap();
            let objects = readable(&mut cartridge(&disk)).swap_remove(0);
            assert!(objects == expected, "{what}: {} objects instead of {}", objects.len(), expected.len());
            let (_, recovery) = cartridge(&disk).open().unwrap();
            assert!(!recovery.damaged && recovery.dropped_objects == 0, "{what}: {recovery:?}");
            assert_eq!(disk.bytes("data.0").len(), 3 * 264 + 2 * (64 + len), "{what}");
            assert_eq!(disk.read("data.0.damaged").unwrap(), Some(leftovers.clone()), "{what}");
        };
        check("all objects in the watermark", &expected, &|_| {});
        check("new objects after the watermark", &expected, &|files| {
            files.insert("mark.0".into(), lower.clone());
        });
        let without_last = [&expected[..4], &[None]].concat();
        check("last object lost", &without_last, &|files| {
            flip(files, "indx.0", 4 * 32);
            flip(files, "data.0", 3 * 264 + 64 + len);
        });
        if len == 200 {
            check("watermark lost", &expected, &|files| files.get_mut("mark.0").unwrap().fill(0));
        }
    }
}
