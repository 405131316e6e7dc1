//! Concurrent operations, disks that fail in between, and requests after shutdown.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "test code")]

mod common;

use common::{Disk, barcode, in_slot, record_of};
use smc::element::ElementAddress;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use vtl::config::parse;
use vtl::events::{Event, EventRecord, EventSource};
use vtl::host::Host;
use vtl::inventory::Location;

const ONE: &str = "[[library]]\nslots = 4\n[[library.drive]]\nmodel = \"ULT3580-TD8\"\ncount = 2\n\
    [[library.cartridges]]\npattern = \"A#L8\"\ncount = 3\nsize = \"64MB\"\n";

/// Pools probe cartridges only while no drive can load them.
#[test]
fn blank_probe_does_not_block_load() {
    let pool = "[[pool]]\nname = \"a\"\npattern = \"A#L8\"\nscratch = 2\n";
    let site = Disk::default().start(&format!("{ONE}{pool}")).unwrap();
    let host = Host::login(&site.targets()[0], 1);
    let ends = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !ends.load(Ordering::Acquire) {
                let _ = site.pool_status();
            }
        });
        let _end = StopGuard(&ends);
        for _ in 0..200 {
            let library = &site.libraries()[0];
            library.move_medium(ElementAddress(1000), ElementAddress(500)).unwrap();
            host.clear_unit_attentions();
            host.command(1, &[0; 6], 0).into_result().unwrap();
            library.move_medium(ElementAddress(500), ElementAddress(1000)).unwrap();
        }
    });
}

/// Stops the other threads, even if this one fails.
struct StopGuard<'a>(&'a AtomicBool);

impl Drop for StopGuard<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

#[test]
fn concurrent_reloads_create_one_library() {
    for _ in 0..5 {
        let site = Disk::default().start(ONE).unwrap();
        let two = format!("{ONE}{}", ONE.replace("[[library]]", "[[library]]\nname = \"two\"").replace("A#L8", "B#L8"));
        let config = parse("f", &two).unwrap();
        let ends = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !ends.load(Ordering::Acquire) {
                    let _ = site.status();
                }
            });
            let _end = StopGuard(&ends);
            let reloads: Vec<_> = (0..2).map(|_| scope.spawn(|| site.reload(&config))).collect();
            reloads.into_iter().for_each(|reload| drop(reload.join().unwrap().unwrap()));
        });
        assert_eq!(site.libraries().len(), 2);
        assert_eq!(site.targets().len(), 2);
        assert_eq!(site.inventory().len(), 6);
    }
}

#[test]
fn no_move_after_shutdown() {
    let disk = Disk::default();
    let site = disk.start(ONE).unwrap();
    let library = site.libraries()[0].clone();
    library.move_medium(ElementAddress(1000), ElementAddress(500)).unwrap();
    site.shut_down().unwrap();
    assert!(library.move_medium(ElementAddress(1001), ElementAddress(500)).is_err());
    assert!(site.reload(&parse("f", ONE).unwrap()).is_err());
    // Another process may have locked the directory: the old library must not change anything in it.
    let again = disk.start(ONE).unwrap();
    again.libraries()[0].move_medium(ElementAddress(1001), ElementAddress(501)).unwrap();
    drop((library, site, again));
    let again = disk.start(ONE).unwrap();
    let in_drive = |address, source| Location::Element {
        library: "main".into(),
        address,
        source: Some(source),
        by_operator: false,
    };
    assert_eq!(record_of(&again, "A1L8").0, in_drive(500, 1000));
    assert_eq!(record_of(&again, "A2L8").0, in_drive(501, 1001));
}

/// A change that was refused because the disk was full is not made later.
#[test]
fn refused_change_is_not_retried() {
    let disk = Disk::default();
    let site = disk.start(&format!("{ONE}[[pool]]\nname = \"p\"\npattern = \"P#L8\"\nsize = \"64MB\"\n")).unwrap();
    let library = site.libraries()[0].clone();
    library.move_medium(ElementAddress(1000), ElementAddress(10)).unwrap();
    library.export(ElementAddress(10)).unwrap();
    disk.1.fail_at(Some(disk.1.calls()), io::ErrorKind::StorageFull);
    assert!(site.delete_cartridge(&barcode("A1L8")).is_err());
    assert!(site.create_cartridges("p", 1).is_err());
    disk.1.fail_at(None, io::ErrorKind::Other);
    library.import(ElementAddress(10), &barcode("A1L8")).unwrap();
    drop((library, site));
    let site = disk.start(ONE).unwrap();
    assert_eq!(site.inventory().keys().collect::<Vec<_>>(), ["A1L8", "A2L8", "A3L8"]);
    assert!(matches!(record_of(&site, "A1L8").0, Location::Element { address: 10, .. }));
}

#[test]
fn failed_library_creation_leaves_nothing() {
    let disk = Disk::default();
    let site = disk.start(ONE).unwrap();
    let with = |slots: u16, count: u16| {
        format!(
            "{ONE}[[library]]\nname = \"two\"\nslots = {slots}\n[[library.drive]]\nmodel = \"ULT3580-TD8\"\n\
             [[library.cartridges]]\npattern = \"B#L8\"\ncount = {count}\nsize = \"64MB\"\n"
        )
    };
    let message = site.reload(&parse("f", &with(2, 3)).unwrap()).unwrap_err().to_string();
    assert!(message.contains("no slot of 2 is left for cartridge B3L8"), "{message}");
    assert_eq!((site.libraries().len(), site.inventory().len()), (1, 3));
    site.reload(&parse("f", &with(3, 3)).unwrap()).unwrap();
    drop(site);
    // They exist although they are not listed: they were stored.
    let unlisted =
        with(3, 3).replace("pattern = \"B#L8\"\ncount = 3\n", "pattern = \"C1L8\"\n").replace("slots = 3", "slots = 4");
    let site = disk.start(&unlisted).unwrap();
    assert_eq!(record_of(&site, "B1L8").0, in_slot("two", 1000));
    assert_eq!(record_of(&site, "C1L8").0, in_slot("two", 1003));
}

#[test]
fn luns_stay_when_another_library_grows() {
    let disk = Disk::default();
    let text = |drives: u16, lun: &str| {
        format!(
            "[[library]]\ntarget = \"t\"\n[[library.drive]]\nmodel = \"ULT3580-TD8\"\ncount = {drives}\n[[library]]\n\
             name = \"two\"\ntarget = \"t\"\n{lun}[[library.drive]]\nmodel = \"ULT3580-TD8\"\n"
        )
    };
    let luns = |text: &str| {
        let site = disk.start(text)?;
        Ok::<_, String>(
            site.libraries().iter().map(|library| library.lun()).chain(site.targets()[0].luns()).collect::<Vec<_>>(),
        )
    };
    assert_eq!(luns(&text(2, "")).unwrap(), [0, 3, 0, 1, 2, 3, 4]);
    assert_eq!(luns(&text(3, "")).unwrap(), [0, 3, 0, 1, 2, 3, 4, 5]);
    // A configured LUN is used, or refused.
    assert_eq!(luns(&text(3, "lun = 300\n")).unwrap(), [0, 300, 0, 1, 2, 5, 300, 301]);
    assert_eq!(luns(&text(3, "lun = 10\n")).unwrap(), [0, 10, 0, 1, 2, 5, 10, 11]);
    assert!(luns(&text(3, "lun = 5\n")).unwrap_err().contains("LUN 5 of target"), "it is a drive's");
}

#[test]
fn auto_export_runs_when_removal_is_allowed() {
    let text = ONE.replace("slots = 4", "slots = 4\nexport = \"auto\"");
    let site = Disk::default().start(&text).unwrap();
    let host = Host::login(&site.targets()[0], 1);
    host.clear_unit_attentions();
    host.command(0, &[0x1e, 0, 0, 0, 1, 0], 0).into_result().unwrap();
    let mut events = site.subscribe();
    host.command(0, &[0xa5, 0, 0, 0, 0x03, 0xe8, 0, 10, 0, 0, 0, 0], 0).into_result().unwrap();
    site.reconcile().unwrap();
    assert!(matches!(record_of(&site, "A1L8").0, Location::Element { address: 10, .. }));
    host.command(0, &[0x1e, 0, 0, 0, 0, 0], 0).into_result().unwrap();
    let exported = |record: &EventRecord| {
        record.source == EventSource::Site && matches!(record.event, Event::Exported { to: Location::Shelf(_), .. })
    };
    assert!(events.by_ref().any(|record| exported(&record)));
}
