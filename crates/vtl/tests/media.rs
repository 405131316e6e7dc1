//! Cartridge operations, and configuration reload while the site is in use.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "test code")]

mod common;

use common::{Disk, barcode, in_slot, in_slot_from, record_of};
use smc::element::ElementAddress;
use vtl::clock::Clock;
use vtl::config::parse;
use vtl::control::{ControlError, ErrorCode};
use vtl::events::{Event, EventRecord};
use vtl::host::Host;
use vtl::inventory::Location;
use vtl::site::Site;

const POOL: &str = "[library]\nslots = 3\nimport_export = 1\n[[drive]]\nmodel = \"ULT3580-TD8\"\n[[cartridges]]\n\
    pattern = \"A#L8\"\nat = \"slot2\"\nsize = \"64MB\"\n[[pool]]\nname = \"scratch\"\npattern = \"S##L8\"\nsize = \"64MB\"\n";

#[test]
fn a_pool_keeps_blank_cartridges() {
    let disk = Disk::default();
    let site = disk.start(&format!("{POOL}scratch = 3\n")).unwrap();
    // Two slots were free; the third is on the shelf.
    assert_eq!(record_of(&site, "S01L8"), (in_slot("main", 1000), Some(true)));
    assert_eq!(record_of(&site, "S02L8"), (in_slot("main", 1002), Some(true)));
    assert_eq!(record_of(&site, "S03L8"), (Location::Shelf("main".into()), Some(true)));
    assert_eq!(record_of(&site, "A1L8").0, in_slot("main", 1001));
    let pools = site.pool_status();
    assert_eq!((pools[0].cartridges, pools[0].scratch, pools[0].wanted), (3, 3, 3));
    // One is loaded into the drive, and is replaced; when it is unloaded blank, there is one too many, which stays.
    let mut events = site.subscribe();
    let library = &site.libraries()[0];
    library.move_medium(ElementAddress(1000), ElementAddress(500)).unwrap();
    let created = events.by_ref().find(|record| matches!(record.event, Event::Created { .. })).unwrap();
    assert_eq!(created.event, Event::Created { pool: "scratch".into() });
    assert_eq!(created.barcode.as_deref(), Some("S04L8"));
    site.reconcile().unwrap();
    // Not in the slot of the loaded one: a host moves that back to its source element.
    assert_eq!(record_of(&site, "S04L8").0, Location::Shelf("main".into()));
    library.move_medium(ElementAddress(500), ElementAddress(1000)).unwrap();
    assert_eq!(record_of(&site, "S01L8").0, in_slot_from("main", 1000, 1000));
    drop(site);
    // No further cartridges are created when the site is opened.
    let site = disk.start(&format!("{POOL}scratch = 3\n")).unwrap();
    assert_eq!(site.pool_status()[0].cartridges, 4);
    assert_eq!(site.create_cartridges("scratch", 2).unwrap(), [barcode("S05L8"), barcode("S06L8")]);
    assert_eq!(
        site.create_cartridges("other", 2).unwrap_err().to_string(),
        "there is no pool \"other\"; the site has \"scratch\""
    );
    let message = site.create_cartridges("scratch", 94).unwrap_err().to_string();
    assert_eq!(message, "pool \"scratch\" has no unused barcode of S##L8 left");
    assert_eq!(site.pool_status()[0].cartridges, 99);
}

/// A cartridge that the configuration lists does not take the slot of a loaded one when the site is opened, either.
#[test]
fn a_listed_cartridge_does_not_take_the_slot_of_a_loaded_one() {
    let disk = Disk::default();
    let text = POOL.replace("at = \"slot2\"\n", "count = 1\n");
    let site = disk.start(&text).unwrap();
    site.libraries()[0].move_medium(ElementAddress(1000), ElementAddress(500)).unwrap();
    drop(site);
    let site = disk.start(&text.replace("count = 1", "count = 2")).unwrap();
    assert_eq!(record_of(&site, "A2L8").0, in_slot("main", 1001));
    drop(site);
    // There are no other slots.
    let site = disk.start(&text.replace("count = 1", "count = 4")).unwrap();
    assert_eq!(record_of(&site, "A3L8").0, in_slot("main", 1000));
}

#[test]
fn written_cartridge_is_not_scratch() {
    let disk = Disk::default();
    let text = format!("{POOL}scratch = 1\n");
    let site = disk.start(&text).unwrap();
    assert_eq!(site.pool_status()[0].cartridges, 1);
    site.libraries()[0].move_medium(ElementAddress(1000), ElementAddress(500)).unwrap();
    site.reconcile().unwrap();
    assert_eq!(site.pool_status()[0].cartridges, 2);
    site.libraries()[0].move_medium(ElementAddress(500), ElementAddress(1000)).unwrap();
    // It was in a drive: its tape must be read again, or has been already.
    assert_ne!(record_of(&site, "S01L8").1, Some(false));
    assert_eq!(site.pool_status()[0].scratch, 2);
    assert_eq!(record_of(&site, "S01L8").1, Some(true));
    site.libraries()[0].move_medium(ElementAddress(1002), ElementAddress(500)).unwrap();
    let host = Host::login(&site.targets()[0], 1);
    host.clear_unit_attentions();
    host.command_with_data(1, &[0x0a, 0, 0, 0, 4, 0], b"data").into_result().unwrap();
    drop(site);
    assert_eq!(host.command(1, &[0; 6], 0).status, scsi_core::status::Status::TASK_SET_FULL);
    let site = disk.start(&text).unwrap();
    site.libraries()[0].move_medium(ElementAddress(500), ElementAddress(1002)).unwrap();
    site.reconcile().unwrap();
    let pools = site.pool_status();
    assert_eq!((pools[0].cartridges, pools[0].scratch), (2, 1), "{:?}", site.inventory());
}

#[test]
fn protect_retain_and_delete() {
    let disk = Disk::default();
    let site = disk.start(POOL).unwrap();
    let a1 = barcode("A1L8");
    let now = Clock::real().now().wall.seconds();
    site.set_write_protect(&a1, true).unwrap();
    assert!(site.cartridges()[0].write_protected);
    site.set_write_protect(&a1, false).unwrap();
    site.set_legal_hold(&a1, true, "case 7").unwrap();
    assert!(site.cartridges()[0].legal_hold);
    site.retain_cartridge(&a1, now + 1000).unwrap();
    assert!(site.retain_cartridge(&a1, now + 500).unwrap_err().to_string().contains("is already retained for longer"));
    assert_eq!(site.cartridges()[0].retained_until, Some(now + 1000));
    let refused = site.delete_cartridge(&a1).unwrap_err().to_string();
    assert_eq!(refused, "A1L8 is in slot2 of library \"main\"; export it first");
    let library = &site.libraries()[0];
    library.move_medium(ElementAddress(1001), ElementAddress(500)).unwrap();
    assert!(site.set_write_protect(&a1, true).unwrap_err().to_string().contains("A1L8 is in drive1; unload it first"));
    library.move_medium(ElementAddress(500), ElementAddress(10)).unwrap();
    library.export(ElementAddress(10)).unwrap();
    assert_eq!(site.delete_cartridge(&a1).unwrap_err().to_string(), "A1L8 is under a legal hold");
    site.set_legal_hold(&a1, false, "case 7 is closed").unwrap();
    assert!(!site.cartridges().iter().any(|cartridge| cartridge.legal_hold));
    let message = site.delete_cartridge(&a1).unwrap_err().to_string();
    let day = message.strip_prefix("A1L8 is retained until ").unwrap_or_else(|| panic!("{message}"));
    assert_eq!((day.len(), day.matches('-').count()), (10, 2), "{message}");
    // Another one can be deleted; after a restart neither it nor its files exist.
    site.create_cartridges("scratch", 1).unwrap();
    library.move_medium(ElementAddress(1000), ElementAddress(10)).unwrap();
    let s1 = library.export(ElementAddress(10)).unwrap();
    site.delete_cartridge(&s1).unwrap();
    assert_eq!(site.delete_cartridge(&s1).unwrap_err().to_string(), "there is no cartridge S01L8");
    drop(site);
    let site = disk.start(POOL).unwrap();
    assert_eq!(site.inventory().keys().collect::<Vec<_>>(), ["A1L8"]);
    assert_eq!(site.create_cartridges("scratch", 1).unwrap(), [s1]);
}

#[test]
fn auto_import_and_auto_export() {
    let text = "[[library]]\nname = \"one\"\nslots = 2\nimport_export = 2\nshelf = \"vault\"\nexport = \"auto\"\n\
        [[library.drive]]\nmodel = \"ULT3580-TD8\"\n[[library.cartridges]]\npattern = \"A#L8\"\ncount = 2\nsize = \"64MB\"\n\
        [[library]]\nname = \"two\"\nslots = 2\nimport_export = 1\nshelf = \"vault\"\nimport = \"auto\"\n\
        [[library.drive]]\nmodel = \"ULT3580-TD8\"\n";
    let site = Disk::default().start(text).unwrap();
    let libraries = site.libraries();
    let mut events = site.subscribe();
    libraries[0].move_medium(ElementAddress(1000), ElementAddress(10)).unwrap();
    let arrived = |record: &EventRecord| {
        record.library.as_deref() == Some("two") && matches!(record.event, Event::Imported { .. })
    };
    assert!(events.by_ref().any(|record| arrived(&record)));
    let by_operator = Location::Element { library: "two".into(), address: 10, source: None, by_operator: true };
    assert_eq!(record_of(&site, "A1L8").0, by_operator);
    // The I/O station of the second library is full: the next cartridge waits on the shelf.
    libraries[0].move_medium(ElementAddress(1001), ElementAddress(11)).unwrap();
    site.reconcile().unwrap();
    assert_eq!(record_of(&site, "A2L8").0, Location::Shelf("vault".into()));
    libraries[1].move_medium(ElementAddress(10), ElementAddress(1000)).unwrap();
    site.reconcile().unwrap();
    assert_eq!(record_of(&site, "A2L8").0, by_operator);
    // A cartridge that an operator exports from the second library is not imported again.
    libraries[1].export(ElementAddress(10)).unwrap();
    site.reconcile().unwrap();
    assert_eq!(record_of(&site, "A2L8").0, Location::Shelf("vault".into()));
}

/// A configuration with one library, and more.
fn one_library(slots: u16, drives: u16, more: &str) -> String {
    format!(
        "[[library]]\nslots = {slots}\n[[library.drive]]\nmodel = \"ULT3580-TD8\"\ncount = {drives}\n\
         [[library.cartridges]]\npattern = \"A#L8\"\ncount = {slots}\nsize = \"64MB\"\n{more}"
    )
}

const SECOND: &str = "[[library]]\nname = \"two\"\n[[library.drive]]\nmodel = \"ULT3580-TD9\"\n";

/// Reloads a configuration and returns the report as JSON.
fn reload(site: &Site, text: &str) -> Result<String, ControlError> {
    Ok(serde_json::to_string(&site.reload(&parse("f", text).unwrap())?).unwrap())
}

#[test]
fn reload_adds_and_never_removes() {
    let disk = Disk::default();
    let site = disk.start(&one_library(2, 1, "")).unwrap();
    site.libraries()[0].move_medium(ElementAddress(1000), ElementAddress(500)).unwrap();
    let serial = site.libraries()[0].drives()[0].identity().serial.clone();
    assert_eq!(reload(&site, &one_library(2, 1, "")).unwrap(), r#"{"changes":[]}"#);
    assert_eq!(
        reload(&site, &one_library(4, 3, SECOND)).unwrap(),
        r#"{"changes":[{"change":"elements_added","library":"main","slots":2,"import_export":0,"drives":2},{"change":"cartridges_created","library":"main","count":2},{"change":"library_added","library":"two"}]}"#
    );
    let pool = "[[pool]]\nname = \"p\"\npattern = \"P##L8\"\nlibrary = \"main\"\nsize = \"64MB\"\n";
    let auto = one_library(4, 3, SECOND).replacen("slots", "export = \"auto\"\nslots", 1);
    assert_eq!(
        reload(&site, &format!("{auto}{pool}")).unwrap(),
        r#"{"changes":[{"change":"policies_changed","library":"main"},{"change":"pool_changed","pool":"p"}]}"#
    );
    let libraries = site.libraries();
    assert_eq!((libraries.len(), libraries[0].layout().storage.count, libraries[0].drives().len()), (2, 4, 3));
    assert_eq!(libraries[0].target().luns(), [0, 1, 2, 3]);
    assert_eq!(libraries[0].drives()[0].identity().serial, serial);
    // The slot of A1L8, which is in the drive, is reserved for it.
    assert_eq!(
        (record_of(&site, "A3L8").0, record_of(&site, "A4L8").0),
        (in_slot("main", 1002), in_slot("main", 1003))
    );
    libraries[0].move_medium(ElementAddress(1002), ElementAddress(502)).unwrap();
    assert_eq!(site.targets()[1].luns(), [0, 1]);
    drop((libraries, site));
    let site = disk.start(&one_library(4, 3, SECOND)).unwrap();
    assert_eq!(site.libraries()[0].drives()[0].identity().serial, serial);
    assert_eq!(site.targets()[0].luns(), [0, 1, 2, 3]);
}

#[test]
fn reload_names_the_settings_that_require_a_restart() {
    let site = Disk::default().start(&one_library(4, 3, SECOND)).unwrap();
    for (text, why, setting) in [
        (
            one_library(3, 3, SECOND),
            "f:2: library.slots: library \"main\" has 4 slots, not 3; this requires a restart; nothing was changed",
            "library.slots",
        ),
        (
            one_library(4, 3, SECOND).replacen("ULT3580-TD8", "ULT3580-TD9", 1),
            "f:4: drive: library \"main\" has another drive 1; this requires a restart; nothing was changed",
            "drive",
        ),
        (
            one_library(4, 3, ""),
            "library \"two\" is missing: removing a library requires a restart; nothing was changed",
            "library",
        ),
        (
            format!("[iscsi]\niqn = \"iqn.2026-01.org.example:x\"\n{}", one_library(4, 3, SECOND)),
            "changing iscsi.iqn requires a restart; nothing was changed",
            "iscsi.iqn",
        ),
        (
            format!("[storage]\nshared = true\ncartridges = [\"/srv/tapes\"]\n{}", one_library(4, 3, SECOND)),
            "changing storage.cartridges, storage.shared requires a restart; nothing was changed",
            "storage.cartridges,storage.shared",
        ),
    ] {
        let error = reload(&site, &text).unwrap_err();
        assert_eq!((error.message.as_str(), error.code), (why, ErrorCode::Conflict));
        assert_eq!(error.fields.restart_required.join(","), setting);
    }
    let renamed = SECOND.replace("two", "three");
    let message = reload(&site, &one_library(4, 3, &renamed)).unwrap_err().message;
    assert!(message.starts_with("f:10: library.name: expected library \"two\", found \"three\""), "{message}");
}

#[test]
fn reload_refuses_configuration_without_room() {
    let head = "[library]\nslots = 6\nimport_export = 2\n[[drive]]\nmodel = \"ULT3580-TD8\"\n";
    let text = format!("{head}[[cartridges]]\npattern = \"A#L8\"\ncount = 4\nsize = \"64MB\"\n");
    let site = Disk::default().start(&text).unwrap();
    let reload = |text: &str| site.reload(&parse("f", text).unwrap()).map_err(|error| error.to_string());
    let new = |at: &str| format!("{text}[[cartridges]]\npattern = \"B1L8\"\nsize = \"64MB\"\nat = \"{at}\"\n");
    for (text, why) in [
        (
            text.replace("count = 4", "count = 9"),
            "f:2: library.slots: no slot of 6 is left for cartridge A7L8; give more slots or list fewer cartridges",
        ),
        (
            new("slot1"),
            "f:13: cartridges.at: slot1 is occupied by or reserved for cartridge A1L8, so B1L8 cannot be put there; name an empty element, or none",
        ),
    ] {
        assert_eq!(reload(&text), Err(why.into()));
        assert_eq!(site.inventory().len(), 4);
    }
    reload(&new("io2")).unwrap();
    assert_eq!(record_of(&site, "B1L8").0, in_slot_from("main", 11, 1004));
}

#[test]
fn a_reload_refuses_luns_before_it_changes_anything() {
    let library = |name: &str, slots: u16, more: &str| {
        format!("[[library]]\nname = \"{name}\"\nslots = {slots}\n{more}[[library.drive]]\nmodel = \"ULT3580-TD8\"\n")
    };
    let site = Disk::default().start(&library("one", 2, "target = \"t\"\n")).unwrap();
    let text = library("one", 5, "target = \"t\"\n") + &library("two", 2, "target = \"t\"\nlun = 1\n");
    let message = site.reload(&parse("f", &text).unwrap()).unwrap_err().to_string();
    assert!(message.starts_with("f:11: library.lun: LUN 1 of target "), "{message}");
    assert_eq!((site.libraries().len(), site.libraries()[0].layout().storage.count), (1, 2));
}
