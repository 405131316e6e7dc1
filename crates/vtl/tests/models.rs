//! Libraries of other media families than LTO, with custom identities and addresses.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "test code")]

mod common;

use common::{Disk, barcode, in_slot, record_of};
use smc::element::{ElementAddress, LabelDefect};
use tape_store::backend::FolderStore;
use tape_store::cartridge::CartridgeKind;
use tape_store::media::{LTO_6, by_name};
use tape_store::store::{NewCartridge, TapeStore};
use vtl::host::Host;
use vtl::inventory::Location;

/// mhvtl's default library, with one cartridge that these drives do not support and one without a label.
const LIBRARY: &str = "[library]\nname = \"stk\"\nmodel = \"STK L700\"\nproduct = \"L80\"\nrevision = \"0108\"\n\
    serial = \"XYZZY_B\"\nfirst = { robot = 1 }\nslots = 6\n\
    [[drive]]\nmodel = \"T10000B\"\nrevision = \"550V\"\nserial = \"XYZZY_B1\"\n\
    [[cartridges]]\npattern = \"G0300#TA\"\nsize = \"64MB\"\nformat = \"mhvtl\"\n\
    [[cartridges]]\npattern = \"G0300#TB\"\nsize = \"64MB\"\n\
    [[cartridges]]\npattern = \"E01001L8\"\nsize = \"64MB\"\n\
    [[cartridges]]\npattern = \"ARCHIVE\"\nmedium = \"T10KB\"\nsize = \"64MB\"\nlabel = \"missing\"\n";

/// Sense key, ASC and ASCQ of TEST UNIT READY after a cartridge was loaded.
fn load(site: &vtl::site::Site, host: &Host, from: u16) -> Option<(u8, u8, u8)> {
    site.libraries()[0].move_medium(ElementAddress(from), ElementAddress(500)).unwrap();
    host.clear_unit_attentions();
    host.command(1, &[0; 6], 0).sense_codes()
}

#[test]
fn t10000_drives_in_a_library_under_another_name() {
    let disk = Disk::default();
    let site = disk.start(LIBRARY).unwrap();
    let host = Host::login(&site.targets()[0], 1);
    host.clear_unit_attentions();
    let inquiry = |lun: usize| host.command(lun, &[0x12, 0, 0, 0, 36, 0], 36).into_result().unwrap();
    assert_eq!(inquiry(0)[8..36], *b"STK     L80             0108");
    assert_eq!(inquiry(1)[8..36], *b"STK     T10000B         550V");
    for (slot, data) in [(1000, b"one"), (1001, b"two")] {
        assert_eq!(load(&site, &host, slot), None);
        host.command_with_data(1, &[0x0a, 0, 0, 0, 3, 0], data).into_result().unwrap();
        host.command_with_data(1, &[0x10, 0, 0, 0, 1, 0], b"").into_result().unwrap();
        host.command(1, &[0x01, 0, 0, 0, 0, 0], 0).into_result().unwrap();
        assert_eq!(host.command(1, &[0x08, 0, 0, 0, 3, 0], 3).into_result().unwrap(), data);
        site.libraries()[0].move_medium(ElementAddress(500), ElementAddress(slot)).unwrap();
    }
    // MEDIUM ERROR, INCOMPATIBLE MEDIUM INSTALLED: it is an LTO-8.
    assert_eq!(load(&site, &host, 1002), Some((0x03, 0x30, 0x00)));
    site.libraries()[0].move_medium(ElementAddress(500), ElementAddress(1002)).unwrap();
    // The cartridge without a label: hosts see a full slot with EXCEPT, 83h/00h, and no volume tag.
    let status = host.command(0, &[0xb8, 0x12, 0x03, 0xeb, 0, 1, 0, 0, 1, 0, 0, 0], 256).into_result().unwrap();
    assert_eq!((status[16 + 2], status[16 + 4], status[16 + 5]), (0x0d, 0x83, 0x00), "{status:02x?}");
    assert!(!status.windows(7).any(|bytes| bytes == b"ARCHIVE"));
    assert_eq!(site.libraries()[0].status().slots[3].label, Some(LabelDefect::Missing));
    assert_eq!(load(&site, &host, 1003), None);
    drop((host, site));
    // Medium and kind are known after a restart.
    let site = disk.start(LIBRARY).unwrap();
    let host = Host::login(&site.targets()[0], 1);
    host.clear_unit_attentions();
    site.libraries()[0].move_medium(ElementAddress(500), ElementAddress(1003)).unwrap();
    assert_eq!(load(&site, &host, 1003), None);
}

#[test]
fn external_cartridge_is_identified_by_its_mam() {
    let disk = Disk::default();
    let site = disk.start(LIBRARY).unwrap();
    let store_folders: Box<dyn FolderStore> = Box::new(disk.0.clone());
    let store = TapeStore::new(store_folders);
    for (name, medium) in [("BESIDE", by_name("T10KA").unwrap()), ("OTHER", &LTO_6)] {
        store.create(&barcode(name), &NewCartridge::data(medium).with_kind(CartridgeKind::Worm)).unwrap();
        site.take_over_cartridge(&barcode(name), "stk").unwrap();
        assert_eq!(record_of(&site, name), (Location::Shelf("stk".into()), Some(true)));
    }
    assert_eq!(
        site.take_over_cartridge(&barcode("NOWHERE"), "stk").unwrap_err().to_string(),
        "the files of cartridge NOWHERE are missing"
    );
    let library = &site.libraries()[0];
    library.import(ElementAddress(10), &barcode("BESIDE")).unwrap();
    library.move_medium(ElementAddress(10), ElementAddress(1004)).unwrap();
    assert_eq!(library.status().slots[4].kind.as_deref(), Some("worm"));
    drop(site);
    let site = disk.start(LIBRARY).unwrap();
    assert!(matches!(record_of(&site, "BESIDE").0, Location::Element { address: 1004, .. }));
    assert_eq!(record_of(&site, "G03001TA").0, in_slot("stk", 1000));
}

const LTO_10: &str = "[library]\nslots = 5\n[[drive]]\nmodel = \"ULT3580-TDA\"\n\
    [[cartridges]]\npattern = \"A00001LA\"\nsize = \"64MB\"\n[[cartridges]]\npattern = \"A00001PA\"\nsize = \"64MB\"\n\
    [[cartridges]]\npattern = \"A00001LH\"\nsize = \"64MB\"\n[[cartridges]]\npattern = \"A00001L9\"\nsize = \"64MB\"\n\
    [[cartridges]]\npattern = \"A00002LA\"\n";

#[test]
fn lto_10_drives_take_the_media_that_their_barcodes_name() {
    let disk = Disk::default();
    let site = disk.start(LTO_10).unwrap();
    let host = Host::login(&site.targets()[0], 1);
    host.clear_unit_attentions();
    let inquiry = host.command(1, &[0x12, 0, 0, 0, 36, 0], 36).into_result().unwrap();
    assert_eq!(inquiry[8..32], *b"IBM     ULT3580-TDA     ");
    // Medium type and density of LTO-10, LTO-10 Premium and LTO-10 WORM.
    for (slot, medium_type, density) in [(1000, 0xa8, 0x62), (1001, 0xa9, 0x63), (1002, 0xac, 0x62)] {
        assert_eq!(load(&site, &host, slot), None);
        let mode = host.command(1, &[0x1a, 0, 0, 0, 12, 0], 12).into_result().unwrap();
        assert_eq!((mode[1], mode[4]), (medium_type, density));
        host.command_with_data(1, &[0x0a, 0, 0, 0, 3, 0], b"ten").into_result().unwrap();
        host.command_with_data(1, &[0x10, 0, 0, 0, 1, 0], b"").into_result().unwrap();
        host.command(1, &[0x01, 0, 0, 0, 0, 0], 0).into_result().unwrap();
        assert_eq!(host.command(1, &[0x08, 0, 0, 0, 3, 0], 3).into_result().unwrap(), b"ten");
        site.libraries()[0].move_medium(ElementAddress(500), ElementAddress(slot)).unwrap();
    }
    // MEDIUM ERROR, INCOMPATIBLE MEDIUM INSTALLED: LTO-9 is neither written nor read.
    assert_eq!(load(&site, &host, 1003), Some((0x03, 0x30, 0x00)));
    site.libraries()[0].move_medium(ElementAddress(500), ElementAddress(1003)).unwrap();
    // Without a size, the cartridge has the capacity of the medium: 30 TB.
    assert_eq!(load(&site, &host, 1004), None);
    let density = host.command(1, &[0x44, 1, 0, 0, 0, 0, 0, 0, 56, 0], 56).into_result().unwrap();
    assert_eq!(density[16..20], 30_000_000_u32.to_be_bytes());
}

const LONG_SERIALS: &str = "[library]\nmodel = \"IBM 3573-TL\"\nslots = 2\nserial = \"0123456789ABCDEF0123456789ABCDEF\"\n\
    [[drive]]\nmodel = \"QUANTUM ULTRIUM-HH7\"\nserial = \"F0027BE0F0027BE0F0027BE0F0027BE0\"\n";

#[test]
fn serial_numbers_of_32_characters() {
    let disk = Disk::default();
    let site = disk.start(LONG_SERIALS).unwrap();
    let host = Host::login(&site.targets()[0], 1);
    host.clear_unit_attentions();
    let page = |lun: usize, code: u8| host.command(lun, &[0x12, 1, code, 0, 255, 0], 255).into_result().unwrap();
    assert_eq!(page(1, 0x80), *b"\x01\x80\x00\x20F0027BE0F0027BE0F0027BE0F0027BE0");
    let designator = page(1, 0x83);
    assert_eq!(designator[4..8], [0x02, 0x01, 0x00, 56]);
    assert_eq!(designator[8..64], *b"QUANTUM ULTRIUM-HH7     F0027BE0F0027BE0F0027BE0F0027BE0");
    let changer = page(0, 0x80);
    assert_eq!(usize::from(changer[3]) + 4, changer.len());
    assert!(changer.windows(32).any(|bytes| bytes == b"0123456789ABCDEF0123456789ABCDEF"), "{changer:02x?}");
    // READ ELEMENT STATUS with DVCID: every descriptor has the length that the page header names.
    let status = host.command(0, &[0xb8, 0x14, 0, 0, 0xff, 0xff, 0x01, 0, 4, 0, 0, 0], 1024).into_result().unwrap();
    let (descriptor, of_page) = (u16::from_be_bytes([status[10], status[11]]), &status[13..16]);
    assert_eq!(of_page, &u32::from(descriptor).to_be_bytes()[1..]);
    assert!(status.windows(8).any(|bytes| bytes == b"F0027BE0"), "{status:02x?}");
    drop((host, site));
    // The serial numbers survive a restart.
    let site = disk.start(LONG_SERIALS).unwrap();
    let host = Host::login(&site.targets()[0], 1);
    host.clear_unit_attentions();
    let serial = host.command(1, &[0x12, 1, 0x80, 0, 255, 0], 255).into_result().unwrap();
    assert_eq!(serial[4..], *b"F0027BE0F0027BE0F0027BE0F0027BE0");
}
