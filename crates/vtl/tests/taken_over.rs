//! A cartridge in a store that several daemons share, which another daemon takes over while a drive has it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "test code")]

#[path = "common/faulty_store.rs"]
mod faulty_store;

use faulty_store::FaultyStore;
use tape_store::backend::memory::MemoryFolder;
use vtl::config::parse;
use vtl::data_dir::DataDir;
use vtl::events::Event;
use vtl::host::Host;
use vtl::site::{OpenSite, Site};
use vtl::{ElementAddress, Status};

const TEXT: &str = "[library]\nslots = 3\n[[drive]]\nmodel = \"ULT3580-TD8\"\n[[cartridges]]\npattern = \"A#L8\"\ncount = 2\n\
    size = \"64MB\"\n";
const WRITE: [u8; 6] = [0x0a, 0, 0, 0, 5, 0];
const WRITE_FILEMARK: [u8; 6] = [0x10, 0, 0, 0, 1, 0];
const READ: [u8; 6] = [0x08, 0, 0, 0, 5, 0];
const REWIND: [u8; 6] = [0x01, 0, 0, 0, 0, 0];
const TEST_UNIT_READY: [u8; 6] = [0; 6];
const GONE: Option<(u8, u8, u8)> = Some((2, 0x3a, 0));

/// A site whose drive has a cartridge with a block and a filemark.
fn site() -> (OpenSite, Host, FaultyStore) {
    let store = FaultyStore::default();
    let data = DataDir::from_folders(Box::new(store.clone()), Box::<MemoryFolder>::default());
    let site = Site::open_data_dir(data, &parse("f", TEXT).unwrap()).unwrap();
    site.libraries()[0].move_medium(ElementAddress(1000), ElementAddress(500)).unwrap();
    let host = Host::login(&site.targets()[0], 7);
    host.clear_unit_attentions();
    host.command_with_data(1, &WRITE, b"hello").into_result().unwrap();
    host.command(1, &WRITE_FILEMARK, 0).into_result().unwrap();
    (site, host, store)
}

#[test]
fn host_and_operator_learn_that_a_cartridge_was_taken_over() {
    let commands: [(&[&[u8]], &[u8]); 3] =
        [(&[&WRITE_FILEMARK], b""), (&[&WRITE, &WRITE_FILEMARK], b"world"), (&[&REWIND], b"")];
    for (commands, data) in commands {
        let (site, host, store) = site();
        let mut events = site.subscribe();
        let disk = store.disk("A1L8");
        disk.take_over_at(disk.calls(), "vault2");
        let (last, before) = commands.split_last().unwrap();
        before.iter().for_each(|cdb| drop(host.command_with_data(1, cdb, data)));
        let last = host.command_with_data(1, last, b"");
        assert_eq!((last.status, last.sense_codes()), (Status::CHECK_CONDITION, GONE), "{commands:02x?}");
        for cdb in [WRITE_FILEMARK, WRITE, READ, REWIND, TEST_UNIT_READY] {
            let out: &[u8] = if cdb == WRITE { b"hello" } else { b"" };
            assert_eq!(host.command_with_data(1, &cdb, out).sense_codes(), GONE, "{cdb:02x?}");
        }
        let unusable = events.try_iter().find(|record| matches!(record.event, Event::Unusable { .. })).unwrap();
        assert_eq!((unusable.unit.as_deref(), unusable.barcode.as_deref()), (Some("drive1"), Some("A1L8")));
        let reason = "the cartridge was taken over by vault2";
        assert!(matches!(&unusable.event, Event::Unusable { reason: given } if given == reason), "{unusable:?}");
        let drive = &site.status().libraries[0].drives[0];
        assert_eq!((drive.threaded, drive.element.cartridge.as_deref()), (false, Some("A1L8")));
        assert_eq!(drive.refused.as_deref(), Some(reason));
        // The robot moves it away, and another cartridge is used.
        let library = &site.libraries()[0];
        library.move_medium(ElementAddress(500), ElementAddress(1002)).unwrap();
        library.move_medium(ElementAddress(1001), ElementAddress(500)).unwrap();
        host.clear_unit_attentions();
        host.command_with_data(1, &WRITE, b"hello").into_result().unwrap();
        // The other daemon has released it.
        disk.give_back();
        library.move_medium(ElementAddress(500), ElementAddress(1001)).unwrap();
        library.move_medium(ElementAddress(1002), ElementAddress(500)).unwrap();
        host.clear_unit_attentions();
        assert_eq!(host.command(1, &READ, 5).into_result().unwrap(), b"hello");
        assert!(site.status().libraries[0].drives[0].threaded);
        drop(host);
        site.shut_down().unwrap();
    }
}

/// A READ(6) that finds it runs on the thread of a connection, and the status shows it without a further command.
#[test]
fn status_shows_what_a_read_has_found() {
    let (site, host, store) = site();
    host.command(1, &REWIND, 0).into_result().unwrap();
    let disk = store.disk("A1L8");
    disk.take_over_at(disk.calls(), "vault2");
    assert_eq!(host.command(1, &READ, 5).sense_codes(), GONE);
    let drive = &site.status().libraries[0].drives[0];
    assert_eq!((drive.threaded, drive.refused.as_deref()), (false, Some("the cartridge was taken over by vault2")));
    // At the shutdown, nothing is left to be stored.
    let calls = disk.calls();
    drop(host);
    site.shut_down().unwrap();
    assert_eq!(disk.calls(), calls);
}
