//! Libraries of an mhvtl configuration with a simulated kernel module.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "test code"
)]

mod common;

use common::{LOAD, codes, etc, ready};
use mhvtl_lld::abi::HostAddress;
use mhvtl_lld::queue::{Queue, Received, TOOL_ID};
use mhvtl_lld::simulator::{HostResult, HostStatus, HostTransfer, Simulator, SimulatorDevice};
use mhvtl_lld::{CommandResponse, Module, UnitDevice};
use mhvtld::lock::Lock;
use mhvtld::log::Log;
use mhvtld::site_messages::message_handlers;
use mhvtld::{Frontend, MessageListener, attachments};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use tape_store::backend::file::OsFolderStore;
use tape_store::cartridge::{Barcode, Format};
use tape_store::media::LTO_8;
use tape_store::store::{NewCartridge, TapeStore};
use tempfile::{TempDir, tempdir};
use vtl::audit::{Filter, read};
use vtl::config::mhvtl::{DeviceSlot, import};
use vtl::config::parse;
use vtl::site::{OpenSite, Site};

fn site(dir: &TempDir) -> (OpenSite, Vec<DeviceSlot>) {
    etc(dir.path());
    let imported = import(&dir.path().join("etc")).unwrap();
    let config = parse("made", &imported.text).unwrap();
    (Site::open(&dir.path().join("data"), &config).unwrap(), imported.device_slots)
}

#[test]
fn library_matches_mhvtl() {
    let dir = tempdir().unwrap();
    let (site, slots) = site(&dir);
    let module = Simulator::default();
    let frontend = Frontend::open(&module, attachments(&site, &slots).unwrap()).unwrap();
    let at = |target| HostAddress { channel: 0, target, lun: 0 };
    assert_eq!(module.units().into_iter().collect::<Vec<_>>(), [(10, at(0)), (11, at(1)), (12, at(2))]);
    let inquiry = module.send(10, &[0x12, 0, 0, 0, 36, 0], HostTransfer::DataIn(36)).wait();
    assert_eq!(&inquiry.data[8..32], b"STK     L700            ");
    let got = module.send(10, &[0; 6], HostTransfer::NoData).wait();
    assert_eq!((got.status, codes(&got)), (2, (6, 0x29, 0x00)));
    assert_eq!(module.send(10, &LOAD, HostTransfer::NoData).wait(), HostResult::default());
    ready(&module, 11);
    // Blocks of the maximum transfer length, and short ones; a READ of more than the block has.
    let long: Vec<u8> = (0..512 * 1024_u32).map(|byte| byte.to_le_bytes()[1]).collect();
    for data in [&long[..], b"short"] {
        let [_, a, b, c] = u32::try_from(data.len()).unwrap().to_be_bytes();
        assert_eq!(
            module.send(11, &[0x0a, 0, a, b, c, 0], HostTransfer::DataOut(data.to_vec())).wait(),
            HostResult::default()
        );
    }
    assert_eq!(module.send(11, &[0x10, 0, 0, 0, 1, 0], HostTransfer::NoData).wait(), HostResult::default());
    assert_eq!(module.send(11, &[0x01, 0, 0, 0, 0, 0], HostTransfer::NoData).wait(), HostResult::default());
    let got = module.send(11, &[0x08, 0, 8, 0, 0, 0], HostTransfer::DataIn(512 * 1024)).wait();
    assert!(got.data == long && got.status == 0);
    let got = module.send(11, &[0x08, 0, 0, 1, 0, 0], HostTransfer::DataIn(256)).wait();
    assert_eq!((got.data.as_slice(), got.residual, got.status, got.sense[2]), (&b"short"[..], 251, 2, 0x20));
    frontend.close();
    assert!(module.units().is_empty());
    assert_eq!(module.send(11, &[0; 6], HostTransfer::NoData).wait().host, HostStatus::NoConnect);
}

#[test]
fn missing_data_and_aborted_commands() {
    let dir = tempdir().unwrap();
    let (site, slots) = site(&dir);
    let module = Simulator::default();
    let _frontend = Frontend::open(&module, attachments(&site, &slots).unwrap()).unwrap();
    ready(&module, 10);
    assert_eq!(module.send(10, &LOAD, HostTransfer::NoData).wait(), HostResult::default());
    ready(&module, 11);
    // Less data than the CDB announces, none, and more.
    for transfer in [HostTransfer::DataOut(vec![1; 100]), HostTransfer::NoData, HostTransfer::DataIn(200)] {
        let got = module.send(11, &[0x0a, 0, 0, 0, 200, 0], transfer).wait();
        assert_eq!((got.status, codes(&got)), (2, (0x0b, 0x4b, 0x00)));
    }
    assert_eq!(
        module.send(11, &[0x0a, 0, 0, 0, 4, 0], HostTransfer::DataOut(b"datamore".to_vec())).wait(),
        HostResult::default()
    );
    let position = module.send(11, &[0x34, 0, 0, 0, 0, 0, 0, 0, 0, 0], HostTransfer::DataIn(20)).wait().data;
    assert_eq!(position[7], 1, "one block was written");
    // A command that the host aborts, and one that the module ends with GOOD because it takes too long: the next
    // command gets UNIT ATTENTION.
    site.libraries()[0].drives()[0].set_delay(ssc::timing::Motion::Rewind, std::time::Duration::from_millis(400));
    for expired in [false, true] {
        let sent = module.send(11, &[0x01, 0, 0, 0, 0, 0], HostTransfer::NoData);
        thread::sleep(std::time::Duration::from_millis(200));
        if expired {
            module.expire_all();
        } else {
            module.abort(sent.serial());
        }
        assert_eq!(sent.wait().status, 0);
        let got = module.send(11, &[0; 6], HostTransfer::NoData).wait();
        assert_eq!((got.status, codes(&got)), (2, (6, 0x29, 0x00)));
        ready(&module, 11);
    }
    assert_eq!(module.send(12, &[0; 6], HostTransfer::NoData).wait().host, HostStatus::Completed);
}

#[test]
fn unservable_units_are_named() {
    let dir = tempdir().unwrap();
    let (site, mut slots) = site(&dir);
    let module = Simulator::default();
    let refused = |slots: &[DeviceSlot]| {
        attachments(&site, slots)
            .and_then(|attachments| Frontend::open(&module, attachments))
            .map(drop)
            .unwrap_err()
            .to_string()
    };
    slots[2].unit = 3;
    assert_eq!(refused(&slots), "unit 12: library \"library10\" has no unit 3");
    assert!(module.units().is_empty(), "the other units were removed again");
    slots.truncate(1);
    slots[0].minor = 300;
    assert!(refused(&slots).starts_with("unit 300: "));
    slots[0].minor = 10;
    slots[0].address[2] = 32;
    assert!(refused(&slots).starts_with("unit 10: "));
}

/// Sends a message to a unit as the control tool and returns the reply.
fn send_as_tool(queue: &Queue, unit: u16, text: &str) -> String {
    queue.send(unit, TOOL_ID, text).unwrap();
    loop {
        if let Some(Received::Message(message)) = queue.receive(TOOL_ID).unwrap() {
            assert_eq!(message.sender, u64::from(unit));
            return message.text;
        }
        thread::yield_now();
    }
}

/// Each change of the tool has an audit record with its result.
fn check_audit_records(directory: &Path) {
    let filter = Filter { actor: Some("vtlcmd".into()), ..Filter::default() };
    let records = read(&directory.join("data/audit"), &filter, usize::MAX).unwrap();
    let changes = records.iter().map(|record| (&*record.entry.action, &*record.entry.result));
    // The messages to the drive and to the changer are handled at the same time.
    let (of_drive, mut of_changer): (Vec<_>, Vec<_>) = changes.partition(|change| change.0.ends_with("load"));
    of_changer.dedup();
    assert_eq!(of_drive.iter().map(|change| change.0).collect::<Vec<_>>(), ["load", "unload"]);
    assert_eq!(
        of_changer,
        [
            ("door", "done"),
            ("import", "not_found"),
            ("import", "done"),
            ("export", "done"),
            ("door", "done"),
            ("add_slot", "done"),
            ("online", "done"),
            ("alert", "done"),
        ]
    );
}

#[test]
fn vtlcmd_messages() {
    let dir = tempdir().unwrap();
    let (site, slots) = site(&dir);
    let module = Simulator::default();
    let frontend = Frontend::open(&module, attachments(&site, &slots).unwrap()).unwrap();
    let queue = Queue::open_private().unwrap();
    let all_exited = Arc::<AtomicBool>::default();
    let all_exited_flag = Arc::clone(&all_exited);
    let handlers = message_handlers(&site, &frontend, &slots, &Log::default()).unwrap();
    let messages =
        MessageListener::open(&queue, handlers, move || all_exited_flag.store(true, Ordering::Release)).unwrap();
    assert_eq!(send_as_tool(&queue, 10, "list map "), "");
    assert_eq!(send_as_tool(&queue, 10, "load map E01009L8 "), "MAP not opened");
    assert_eq!(send_as_tool(&queue, 10, "empty map "), "Can't empty map while MAP is closed");
    assert_eq!(send_as_tool(&queue, 10, "open map "), "OK");
    assert_eq!(send_as_tool(&queue, 10, "load map -- "), "Bad barcode");
    assert_eq!(send_as_tool(&queue, 10, "load map E01001L8 "), "barcode already in library");
    assert_eq!(send_as_tool(&queue, 10, "load map E01009010090100L8 "), "barcode length too long");
    assert!(send_as_tool(&queue, 10, "load map E01009L8 ").contains("there is no cartridge E01009L8"));
    // A cartridge as mktape creates it.
    let home = TapeStore::new(Box::new(OsFolderStore::at(&dir.path().join("home")).unwrap()));
    let new = NewCartridge::data(&LTO_8).with_format(Format::Mhvtl).with_capacity(64 << 20);
    home.create(&Barcode::new("E01009L8").unwrap(), &new).unwrap();
    assert_eq!(send_as_tool(&queue, 10, "load map E01009L8 "), "OK");
    assert_eq!(send_as_tool(&queue, 10, "load map E01009L8 "), "barcode already in library");
    assert_eq!(send_as_tool(&queue, 10, "list map "), "E01009L8        ");
    assert_eq!(send_as_tool(&queue, 10, "empty map "), "OK");
    assert_eq!(send_as_tool(&queue, 10, "close map "), "OK");
    assert_eq!(send_as_tool(&queue, 10, "add slot "), "slot=5");
    // Messages without a reply are handled before the next message with one.
    queue.send(12, TOOL_ID, "load E01002L8 ").unwrap();
    queue.send(12, TOOL_ID, "unload E01002L8 ").unwrap();
    queue.send(10, TOOL_ID, "offline ").unwrap();
    queue.send(10, TOOL_ID, "TapeAlert 4 ").unwrap();
    queue.send(10, TOOL_ID, "nonsense ").unwrap();
    assert_eq!(send_as_tool(&queue, 10, "list map "), "");
    let got = module.send(10, &LOAD, HostTransfer::NoData).wait();
    assert_eq!((got.status, codes(&got).0), (2, 6));
    for unit in [10, 11, 12] {
        queue.send(unit, TOOL_ID, "exit ").unwrap();
    }
    while !all_exited.load(Ordering::Acquire) {
        thread::yield_now();
    }
    drop(messages);
    frontend.close();
    assert!(module.units().is_empty());
    queue.remove().unwrap();
    drop(site);
    check_audit_records(dir.path());
    // The added slot and the imported cartridge are persistent.
    let (site, _) = self::site(&dir);
    assert_eq!(site.libraries()[0].layout().storage.count, 5);
    assert_eq!(site.inventory()["E01009L8"].location, vtl::inventory::Location::Shelf("library10".into()));
    assert!(site.libraries()[0].changer(|changer| changer.library().operator_state().offline));
}

#[test]
fn interrupted_command_is_aborted_after_kill() {
    let dir = tempdir().unwrap();
    let (site, slots) = site(&dir);
    let module = Simulator::default();
    let locks = dir.path().join("locks");
    let frontend = Frontend::open(&module, attachments(&site, &slots).unwrap()).unwrap();
    // Another process takes a command and is killed, with its lock file left.
    drop(frontend);
    let mut dead = module.open(10).unwrap();
    let adding = thread::spawn({
        let module = module.clone();
        move || module.add_unit(10, HostAddress { channel: 0, target: 0, lun: 0 })
    });
    let next = |device: &mut SimulatorDevice| {
        loop {
            if let Some(command) = device.next_command().unwrap() {
                return command;
            }
        }
    };
    let command = next(&mut dead);
    dead.complete(command.serial, &CommandResponse { data: &[0; 36], ..CommandResponse::default() }).unwrap();
    adding.join().unwrap().unwrap();
    let waiting = module.send(10, &LOAD, HostTransfer::NoData);
    assert_eq!(next(&mut dead).serial, waiting.serial());
    drop(dead);
    fs::create_dir_all(&locks).unwrap();
    fs::write(locks.join("mhvtl9010"), format!("process 1\ncommand {}\n", waiting.serial() - 2)).unwrap();
    let mut attachments = attachments(&site, &slots[..1]).unwrap();
    attachments[0].lock = Some(Lock::acquire_in(&locks, 9010).unwrap());
    let frontend = Frontend::open(&module, attachments).unwrap();
    let got = waiting.wait();
    assert_eq!((got.status, codes(&got)), (2, (0x0b, 0, 0)));
    ready(&module, 10);
    assert_eq!(module.send(10, &LOAD, HostTransfer::NoData).wait(), HostResult::default());
    drop(frontend);
}
