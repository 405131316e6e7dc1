//! The identity of a library and its drives stays the same when mhvtl is replaced: backup software finds its devices again. What the
//! migrated library returns is compared with the text of `device.conf`, and with what mhvtl returns for it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "test code")]

mod common;

use common::Disk;
use std::collections::BTreeMap;
use std::fs;
use vtl::config::mhvtl::{ImportOptions, import_with};
use vtl::host::Host;
use vtl::site::Site;

/// The device.conf that mhvtl's generator makes, with other NAAs and revisions than defaults. The drives are not in the order of
/// their slots.
const DEVICES: &str = "VERSION: 5\n
Library: 10 CHANNEL: 00 TARGET: 00 LUN: 00
 Vendor identification: STK
 Product identification: L700
 Unit serial number: XYZZY_A
 NAA: 10:22:33:44:ab:00:00:00
 Home directory: /nowhere/10
\nDrive: 12 CHANNEL: 00 TARGET: 02 LUN: 00
 Library ID: 10 Slot: 02
 Vendor identification: IBM
 Product identification: ULT3580-TD8
 Product revision level: H4Q1
 Unit serial number: XYZZY_A2
 NAA: 10:22:33:44:ab:00:02:00
\nDrive: 11 CHANNEL: 00 TARGET: 01 LUN: 00
 Library ID: 10 Slot: 01
 Vendor identification: IBM
 Product identification: ULT3580-TD8
 Unit serial number: XYZZY_A1
 NAA: 10:22:33:44:ab:00:01:00
\nDrive: 13 CHANNEL: 00 TARGET: 03 LUN: 00
 Library ID: 10 Slot: 03
 Vendor identification: IBM
 Product identification: ULT3580-TD6
 Unit serial number: XYZZY_A3
 NAA: 10:22:33:44:ab:00:03:00
\nDrive: 14 CHANNEL: 00 TARGET: 04 LUN: 00
 Library ID: 10 Slot: 04
 Vendor identification: IBM
 Product identification: ULT3580-TD6
 Unit serial number: XYZZY_A4
 NAA: 10:22:33:44:ab:00:04:00
\nLibrary: 30 CHANNEL: 00 TARGET: 08 LUN: 00
 Vendor identification: IBM
 Product identification: 3573-TL
 Unit serial number: XYZZY_B
 NAA: 30:22:33:44:ab:00:08:00
 Home directory: /nowhere/30
\nDrive: 31 CHANNEL: 00 TARGET: 09 LUN: 00
 Library ID: 30 Slot: 01
 Vendor identification: HP
 Product identification: Ultrium 5-SCSI
 Unit serial number: XYZZY_B1
 NAA: 30:22:33:44:ab:00:09:00
\n";

/// The libraries by their numbers; their drives in the order of slots.
const LIBRARIES: [(u32, &[u32]); 2] = [(10, &[11, 12, 13, 14]), (30, &[31])];

/// First element of each type that mhvtl has: robot, slots, I/O elements, drives.
const FIRST: [[u16; 4]; 2] = [[0x0001, 0x03e8, 0x000a, 0x01f4], [0x0001, 0x1000, 0x0010, 0x0100]];

const IQN: &str = "iqn.2003-01.org.linux-iscsi.backup:mhvtl";

/// A section of `device.conf`: the value of each key.
fn section(number: u32) -> BTreeMap<String, String> {
    let blocks = DEVICES.split("\n\n").map(|block| block.trim_start_matches('\n'));
    let heads = [format!("Library: {number} "), format!("Drive: {number} ")];
    let block = blocks.clone().find(|block| heads.iter().any(|head| block.starts_with(head.as_str()))).unwrap();
    let lines = block.lines().skip(1).filter_map(|line| line.trim().split_once(": "));
    lines.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// The text of a field that is padded with spaces.
fn padded(text: &str, len: usize) -> Vec<u8> {
    format!("{text:<len$}").into_bytes()
}

fn migrated() -> String {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("device.conf"), DEVICES).unwrap();
    let slots: String = (1..=40).map(|slot| format!("Slot {slot}:\n")).collect();
    let drives = |count: u32| (1..=count).map(|drive| format!("Drive {drive}:\n")).collect::<String>();
    let maps: String = (1..=4).map(|map| format!("MAP {map}:\n")).collect();
    for (library, count) in [(10, 4), (30, 1)] {
        let text = format!("VERSION: 2\n{}Picker 1:\n{maps}{slots}", drives(count));
        fs::write(directory.path().join(format!("library_contents.{library}")), text).unwrap();
    }
    let copies = Some(directory.path().join("copies"));
    let options = ImportOptions { copies, iqn: Some(IQN.into()) };
    let imported = import_with(directory.path(), &options).unwrap();
    assert_eq!(imported.notes, Vec::<String>::new());
    imported.text
}

fn vital(host: &Host, lun: usize, page: u8) -> Vec<u8> {
    host.command(lun, &[0x12, 1, page, 0, 255, 0], 255).into_result().unwrap()
}

/// The designators of VPD page 83h: code set, type and value.
fn designators(page: &[u8]) -> Vec<(u8, u8, Vec<u8>)> {
    let (mut found, mut rest) = (Vec::new(), &page[4..]);
    while let [code_set, kind, _, len, after @ ..] = rest {
        let (value, more) = after.split_at(usize::from(*len));
        found.push((code_set & 0x0f, kind & 0x3f, value.to_vec()));
        rest = more;
    }
    found
}

/// A unit returns its section of `device.conf`. mhvtl pads serial numbers with spaces, to other lengths than some real devices that Ferric
/// models; programs ignore these spaces.
fn check_unit(host: &Host, lun: usize, number: u32) {
    let section = section(number);
    let key = |key: &str| section[key].as_str();
    let (vendor, product) = (padded(key("Vendor identification"), 8), padded(key("Product identification"), 16));
    let revision = section.get("Product revision level").map_or("0108", String::as_str);
    let inquiry = host.command(lun, &[0x12, 0, 0, 0, 36, 0], 36).into_result().unwrap();
    assert_eq!(inquiry[8..36], [vendor.clone(), product.clone(), padded(revision, 4)].concat(), "unit {number}");
    let serial = key("Unit serial number").as_bytes();
    let page = vital(host, lun, 0x80);
    assert_eq!(page[4..].trim_ascii_end(), serial, "unit {number}");
    let found = designators(&vital(host, lun, 0x83));
    let t10 = [vendor, product, serial.to_vec()].concat();
    let has =
        |kind: u8, value: &[u8]| found.iter().any(|(_, of, bytes)| *of == kind && bytes.trim_ascii_end() == value);
    assert!(has(1, &t10), "unit {number}: {found:02x?}");
    let mut naa: Vec<u8> = key("NAA").split(':').map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect();
    naa[0] = naa[0] & 0x0f | 0x50;
    assert!(has(3, &naa), "unit {number}: {found:02x?}");
}

fn check_site(site: &Site) {
    let names: Vec<String> = site.targets().iter().map(|target| target.name().to_owned()).collect();
    assert_eq!(names, [IQN.to_owned(), format!("{IQN}:library30")]);
    for (((library, drives), first), target) in LIBRARIES.into_iter().zip(FIRST).zip(site.targets()) {
        let host = Host::login(&target, 1);
        host.clear_unit_attentions();
        let luns = host.command(0, &[0xa0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 0, 0], 255).into_result().unwrap();
        let luns: Vec<u8> = luns[8..].chunks(8).map(|lun| lun[1]).collect();
        assert_eq!(luns.len(), drives.len() + 1, "the changer, then the drives");
        check_unit(&host, 0, library);
        (1..).zip(drives).for_each(|(lun, drive)| check_unit(&host, lun, *drive));
        // Element addresses, in mode page 1Dh.
        let page = host.command(0, &[0x1a, 0x08, 0x1d, 0, 255, 0], 255).into_result().unwrap();
        let number = |at: usize| u16::from_be_bytes([page[4 + at], page[5 + at]]);
        let [robot, slots, ports, bays] = first;
        let groups = [2, 4, 6, 8, 10, 12, 14, 16].map(number);
        let count = u16::try_from(drives.len()).unwrap();
        assert_eq!(groups, [robot, 1, slots, 40, ports, 4, bays, count], "library {library}");
        // READ ELEMENT STATUS with DVCID: each drive is in its element.
        let [high, low] = bays.to_be_bytes();
        let status = host.command(0, &[0xb8, 4, high, low, 0, 16, 1, 0, 4, 0, 0, 0], 1024).into_result().unwrap();
        let len = usize::from(u16::from_be_bytes([status[10], status[11]]));
        for ((address, drive), descriptor) in (bays..).zip(drives).zip(status[16..].chunks(len)) {
            assert_eq!(descriptor[..2], address.to_be_bytes(), "library {library}");
            let serial = section(*drive)["Unit serial number"].clone();
            let is_there = descriptor.windows(serial.len()).any(|bytes| bytes == serial.as_bytes());
            assert!(is_there, "library {library}, element {address:04x}h: {descriptor:02x?}");
        }
    }
}

#[test]
fn identities_of_mhvtl_stay() {
    let (disk, text) = (Disk::default(), migrated());
    check_site(&disk.start(&text).unwrap());
    // And after a restart.
    check_site(&disk.start(&text).unwrap());
}

/// Mode page 1Dh as mhvtl's STK L80 and L700 were captured: 40 slots, 4 I/O elements, 4 drives (mhvtl issues 105 and 106).
#[test]
fn addresses_are_as_captured_from_mhvtl() {
    let site = Disk::default().start(&migrated()).unwrap();
    let host = Host::login(&site.targets()[0], 1);
    host.clear_unit_attentions();
    let page = host.command(0, &[0x1a, 0x08, 0x1d, 0, 255, 0], 255).into_result().unwrap();
    // mhvtl sets a reserved bit in the header before it (byte 2, 10h); it is no part of the identity.
    let captured = [0x1d, 0x12, 0, 1, 0, 1, 0x03, 0xe8, 0, 0x28, 0, 0x0a, 0, 4, 0x01, 0xf4, 0, 4];
    assert_eq!(page[4..][..captured.len()], captured, "{page:02x?}");
}
