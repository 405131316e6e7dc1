//! A library and its drives as separate daemons, with a queue and a simulated kernel module.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "test code")]

mod common;

use common::{LOAD, codes, etc, ready};
use mhvtl_lld::queue::{Message, Queue, Received, TOOL_ID};
use mhvtl_lld::simulator::{HostResult, HostTransfer, Simulator};
use mhvtld::fifo::Fifo;
use mhvtld::log::Log;
use mhvtld::remote_bay::RemoteBay;
use mhvtld::remote_drives::{self, QueueClients};
use mhvtld::standalone_drive::StandaloneDrive;
use mhvtld::{Attachment, Frontend, MessageHandler, MessageListener, attachments};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;
use tempfile::tempdir;
use vtl::clock::Clock;
use vtl::config::mhvtl::{import_drive, import_library};
use vtl::config::parse;
use vtl::data_dir::DataDir;
use vtl::frontend::SiteOptions;
use vtl::host::Host;
use vtl::site::{OpenSite, Site};
use vtl::standalone::Standalone;

const UNLOAD: [u8; 6] = [0x1b, 0, 0, 0, 0, 0];
const BACK: [u8; 12] = [0xa5, 0, 0, 0, 0x01, 0xf4, 0x03, 0xe8, 0, 0, 0, 0];

/// The daemon of a drive; its fields are dropped in this order.
struct Tape {
    _messages: MessageListener,
    _frontend: Frontend,
    drive: Arc<Standalone>,
}

fn tape(dir: &Path, module: &Simulator, queue: &Queue, unit: u16) -> Tape {
    let (imported, library) = import_drive(&dir.join("etc"), unit.into()).unwrap();
    assert_eq!(library, Some(10));
    let config = parse("made", &imported.text).unwrap();
    let data = DataDir::open_configured(&dir.join(format!("data/{unit}")), &config).unwrap();
    let drive = Arc::new(Standalone::open(data, &config.libraries[0]).unwrap());
    let mut message_handler =
        StandaloneDrive::new(Arc::clone(&drive), unit, None, queue, &Log::default(), &Fifo::default());
    let host = Arc::new(Host::login(drive.target(), 1));
    let mut attachment = Attachment::new(&imported.device_slots[0], Arc::clone(drive.unit()), host).unwrap();
    attachment.after = Some(message_handler.eject_notifier());
    let frontend = Frontend::open(module, vec![attachment]).unwrap();
    let ends = frontend.stop_flags().remove(0);
    let handler = MessageHandler {
        unit,
        exit_requested: ends,
        receive: Box::new(move |message| message_handler.receive(message)),
    };
    let messages = MessageListener::open(queue, vec![handler], || {}).unwrap();
    Tape { _messages: messages, _frontend: frontend, drive }
}

/// The daemon of a library.
struct Changer {
    _messages: MessageListener,
    _frontend: Frontend,
    site: OpenSite,
}

fn changer(dir: &Path, module: &Simulator, queue: &Queue, timeout: Duration) -> Changer {
    let imported = import_library(&dir.join("etc"), 10).unwrap();
    let config = parse("made", &imported.text).unwrap();
    let clients = QueueClients::with_timeout(queue, 10, &imported.device_slots, timeout).unwrap();
    let bay_factory = {
        let clients = clients.clone();
        Box::new(move |_: &str, drive, name| Box::new(RemoteBay::new(clients.client(drive), name)) as _)
    };
    let data = DataDir::open_configured(&dir.join("data/10"), &config).unwrap();
    let site = Site::open_with(data, &config, SiteOptions::default().with_remote_drives(bay_factory)).unwrap();
    let slots = &imported.device_slots[..1];
    let frontend = Frontend::open(module, attachments(&site, slots).unwrap()).unwrap();
    let handlers = remote_drives::message_handlers(&site, &frontend, slots, &clients, queue, &Log::default()).unwrap();
    let messages = MessageListener::open(queue, handlers, || {}).unwrap();
    clients.start();
    Changer { _messages: messages, _frontend: frontend, site }
}

const LONG: Duration = Duration::from_secs(30);

fn content(changer: &Changer, element: u16) -> Option<(String, bool)> {
    changer.site.libraries()[0].changer(|changer| {
        let address = smc::element::ElementAddress(element);
        let status = changer.library().bay(address).map(smc::bay::Bay::status);
        let content = changer.content(address)?;
        Some((content.barcode.to_string(), status.is_some_and(|status| status.accessible)))
    })
}

#[test]
fn ferric_library_with_ferric_drives() {
    let dir = tempdir().unwrap();
    etc(dir.path());
    let (module, queue) = (Simulator::default(), Queue::open_private().unwrap());
    let changer = self::changer(dir.path(), &module, &queue, LONG);
    let (one, two) = (tape(dir.path(), &module, &queue, 11), tape(dir.path(), &module, &queue, 12));
    ready(&module, 10);
    assert_eq!(module.send(10, &LOAD, HostTransfer::NoData).wait(), HostResult::default());
    ready(&module, 11);
    assert_eq!(
        module.send(11, &[0x0a, 0, 0, 0, 4, 0], HostTransfer::DataOut(b"data".to_vec())).wait(),
        HostResult::default()
    );
    assert_eq!(content(&changer, 500), Some(("E01001L8".into(), false)));
    // The control tool also works with a library whose drives are other processes.
    queue.send(10, TOOL_ID, "list map ").unwrap();
    assert_eq!(
        queue.receive_blocking(TOOL_ID).unwrap(),
        Received::Message(Message { sender: 10, text: String::new() })
    );
    // A host prevents removal, so the drive does not unload.
    assert_eq!(module.send(11, &[0x1e, 0, 0, 0, 1, 0], HostTransfer::NoData).wait(), HostResult::default());
    let got = module.send(10, &BACK, HostTransfer::NoData).wait();
    assert_eq!((got.status, codes(&got)), (2, (5, 0x53, 0x03)));
    assert_eq!(module.send(11, &[0x1e, 0, 0, 0, 0, 0], HostTransfer::NoData).wait(), HostResult::default());
    // The library is notified when a host has unloaded the cartridge.
    assert_eq!(module.send(11, &UNLOAD, HostTransfer::NoData).wait(), HostResult::default());
    while content(&changer, 500) != Some(("E01001L8".into(), true)) {
        thread::yield_now();
    }
    let to_two = [0xa5, 0, 0, 0, 0x01, 0xf4, 0x01, 0xf5, 0, 0, 0, 0];
    assert_eq!(module.send(10, &to_two, HostTransfer::NoData).wait(), HostResult::default());
    assert_eq!((one.drive.status().barcode, content(&changer, 501)), (None, Some(("E01001L8".into(), false))));
    ready(&module, 12);
    let got = module.send(12, &[0x08, 0, 0, 0, 4, 0], HostTransfer::DataIn(4)).wait();
    assert_eq!(got.data, b"data");
    // After a restart of one of them, and of all of them, the cartridge is still in the drive.
    drop(two);
    let two = tape(dir.path(), &module, &queue, 12);
    ready(&module, 12);
    drop((changer, one, two));
    let changer = self::changer(dir.path(), &module, &queue, LONG);
    let two = tape(dir.path(), &module, &queue, 12);
    ready(&module, 10);
    ready(&module, 12);
    assert_eq!(content(&changer, 501), Some(("E01001L8".into(), false)));
    let home = [0xa5, 0, 0, 0, 0x01, 0xf5, 0x03, 0xe8, 0, 0, 0, 0];
    assert_eq!(module.send(10, &home, HostTransfer::NoData).wait(), HostResult::default());
    assert_eq!((two.drive.status().barcode, content(&changer, 501)), (None, None));
    drop((changer, two));
    queue.remove().unwrap();
}

/// Receives an expected message to a drive, and replies as mhvtl's drives do.
fn expect(queue: &Queue, drive: u16, text: &str, answer: Option<&str>) {
    assert_eq!(queue.receive_blocking(drive).unwrap(), Received::Message(Message { sender: 10, text: text.into() }));
    answer.into_iter().for_each(|answer| queue.send(10, drive, answer).unwrap());
}

#[test]
fn ferric_library_with_mhvtl_drives() {
    let dir = tempdir().unwrap();
    etc(dir.path());
    let (module, queue) = (Simulator::default(), Queue::open_private().unwrap());
    let changer = self::changer(dir.path(), &module, &queue, Duration::from_millis(300));
    ready(&module, 10);
    for drive in [11, 12] {
        expect(&queue, drive, "Register Ferric", None);
        expect(&queue, drive, "mount_state", Some("Not occupied"));
    }
    let moving = |cdb: [u8; 12]| {
        let module = module.clone();
        thread::spawn(move || module.send(10, &cdb, HostTransfer::NoData).wait())
    };
    let load = moving(LOAD);
    expect(&queue, 11, "mount_state", Some("Not occupied"));
    expect(&queue, 11, "Register Ferric", None);
    // Messages of other senders are handled during the move.
    queue.send(10, TOOL_ID, "open map ").unwrap();
    queue.send(10, 12, "eject").unwrap();
    expect(&queue, 11, "lload E01001L8", Some("Loaded OK: E01001L8"));
    assert_eq!(load.join().unwrap(), HostResult::default());
    assert_eq!(queue.receive_blocking(TOOL_ID).unwrap(), Received::Message(Message { sender: 10, text: "OK".into() }));
    let back = moving(BACK);
    expect(&queue, 11, "mount_state", Some("occupied"));
    expect(&queue, 11, "unload E01001L8        ", Some("Unloaded OK"));
    expect(&queue, 11, "set_empty", Some("Unloaded OK"));
    assert_eq!(back.join().unwrap(), HostResult::default());
    // A drive that cannot read the medium, and one that does not reply: the move fails, and no load request stays in
    // the queue.
    let load = moving(LOAD);
    expect(&queue, 11, "mount_state", Some("Not occupied"));
    expect(&queue, 11, "Register Ferric", None);
    expect(&queue, 11, "lload E01001L8", Some("Load failed: E01001L8"));
    let got = load.join().unwrap();
    assert_eq!((got.status, codes(&got)), (2, (4, 0x53, 0x00)));
    let got = moving(LOAD).join().unwrap();
    assert_eq!((got.status, codes(&got)), (2, (4, 0x53, 0x00)));
    assert_eq!(queue.receive(11).unwrap(), None, "no request remains for the drive when it is back");
    assert_eq!((content(&changer, 500), content(&changer, 1000)), (None, Some(("E01001L8".into(), false))));
    // A drive that stops with a cartridge in it keeps it in the inventory.
    let load = moving(LOAD);
    expect(&queue, 11, "mount_state", Some("Not occupied"));
    expect(&queue, 11, "Register Ferric", None);
    expect(&queue, 11, "lload E01001L8", Some("Loaded OK: E01001L8"));
    assert_eq!(load.join().unwrap(), HostResult::default());
    let got = moving(BACK).join().unwrap();
    assert_eq!((got.status, codes(&got).0), (2, 4));
    assert_eq!(content(&changer, 500), Some(("E01001L8".into(), false)));
    // A restarted library has the drive load the cartridge that is in it.
    drop(changer);
    let changer = self::changer(dir.path(), &module, &queue, Duration::from_millis(300));
    expect(&queue, 11, "Register Ferric", None);
    expect(&queue, 11, "mount_state", Some("Not occupied"));
    expect(&queue, 11, "Register Ferric", None);
    expect(&queue, 11, "lload E01001L8", Some("Loaded OK: E01001L8"));
    assert_eq!(content(&changer, 500), Some(("E01001L8".into(), false)));
    drop(changer);
    queue.remove().unwrap();
}

/// Late replies, replies to other requests, and drives with a cartridge that the library has in another element.
#[test]
fn uncertain_load_is_resolved() {
    let dir = tempdir().unwrap();
    etc(dir.path());
    let (module, queue) = (Simulator::default(), Queue::open_private().unwrap());
    // A message of an earlier library that was not read.
    queue.send(11, 10, "lload E01003L8").unwrap();
    let changer = self::changer(dir.path(), &module, &queue, Duration::from_millis(500));
    ready(&module, 10);
    let moving = |cdb: [u8; 12]| {
        let module = module.clone();
        thread::spawn(move || module.send(10, &cdb, HostTransfer::NoData).wait())
    };
    // A drive with a cartridge that is in a slot is emptied, at the start and before a load.
    for drive in [11, 12] {
        expect(&queue, drive, "Register Ferric", None);
        expect(&queue, drive, "mount_state", Some("occupied"));
        expect(&queue, drive, "set_empty", Some("Unloaded OK"));
    }
    let load = moving(LOAD);
    expect(&queue, 11, "mount_state", Some("occupied"));
    expect(&queue, 11, "set_empty", Some("Unloaded OK"));
    expect(&queue, 11, "Register Ferric", None);
    // The drive reads the request and does not reply in time: a late load is undone, and until then no other drive gets
    // the cartridge.
    expect(&queue, 11, "lload E01001L8", None);
    let got = load.join().unwrap();
    assert_eq!((got.status, codes(&got)), (2, (4, 0x53, 0x00)));
    let to_two = [0xa5, 0, 0, 0, 0x03, 0xe8, 0x01, 0xf5, 0, 0, 0, 0];
    let got = moving(to_two).join().unwrap();
    assert_eq!((got.status, codes(&got)), (2, (4, 0x53, 0x00)));
    assert_eq!(queue.receive(12).unwrap(), None, "no request was sent to the other drive");
    queue.send(10, 11, "Loaded OK: E01001L8").unwrap();
    for _ in 0..2 {
        expect(&queue, 11, "set_empty", Some("Unloaded OK"));
    }
    // A reply to an earlier request does not count for the current one.
    let load = moving(to_two);
    expect(&queue, 12, "mount_state", Some("Not occupied"));
    expect(&queue, 12, "Register Ferric", None);
    expect(&queue, 12, "lload E01001L8", None);
    for text in ["Not occupied", "Loaded OK: E01002L8", "Loaded OK: E01001L8"] {
        queue.send(10, 12, text).unwrap();
    }
    assert_eq!(load.join().unwrap(), HostResult::default());
    // A drive that fails to release the cartridge keeps it.
    let back = [0xa5, 0, 0, 0, 0x01, 0xf5, 0x03, 0xe8, 0, 0, 0, 0];
    let unload = moving(back);
    expect(&queue, 12, "mount_state", Some("occupied"));
    expect(&queue, 12, "unload E01001L8        ", Some("Unloaded OK"));
    expect(&queue, 12, "set_empty", Some("Unload failed: it is stuck"));
    let got = unload.join().unwrap();
    assert_eq!((got.status, codes(&got)), (2, (4, 0x53, 0x01)));
    assert_eq!(content(&changer, 501), Some(("E01001L8".into(), false)));
    drop(changer);
    queue.remove().unwrap();
}

/// The daemon is asked to exit while a move waits for its drive: the move is completed first.
#[test]
fn exit_during_move() {
    let dir = tempdir().unwrap();
    etc(dir.path());
    let (module, queue) = (Simulator::default(), Queue::open_private().unwrap());
    let Changer { _messages, _frontend, site } = self::changer(dir.path(), &module, &queue, LONG);
    ready(&module, 10);
    expect(&queue, 11, "Register Ferric", None);
    expect(&queue, 11, "mount_state", Some("Not occupied"));
    let load = thread::spawn({
        let module = module.clone();
        move || module.send(10, &LOAD, HostTransfer::NoData).wait()
    });
    expect(&queue, 11, "mount_state", Some("Not occupied"));
    expect(&queue, 11, "Register Ferric", None);
    queue.send(10, TOOL_ID, "exit ").unwrap();
    expect(&queue, 11, "lload E01001L8", None);
    while !_frontend.stop_flags()[0].load(std::sync::atomic::Ordering::Acquire) {
        thread::yield_now();
    }
    queue.send(10, 11, "Loaded OK: E01001L8").unwrap();
    _frontend.close();
    assert_eq!(load.join().unwrap(), HostResult::default());
    drop(_messages);
    let drive = vtl::inventory::Location::Element {
        library: "library10".into(),
        address: 500,
        source: Some(1000),
        by_operator: false,
    };
    assert_eq!(site.inventory()["E01001L8"].location, drive);
    drop(site);
    queue.remove().unwrap();
}

#[test]
fn ferric_drive_with_mhvtl_library() {
    let dir = tempdir().unwrap();
    etc(dir.path());
    let (module, queue) = (Simulator::default(), Queue::open_private().unwrap());
    drop(self::changer(dir.path(), &module, &queue, LONG));
    while queue.receive(11).unwrap().is_some() {}
    let drive = tape(dir.path(), &module, &queue, 11);
    let ask = |text: &str| {
        queue.send(11, 10, text).unwrap();
        match queue.receive_blocking(10).unwrap() {
            Received::Message(message) => {
                assert_eq!(message.sender, 11);
                message.text
            }
            Received::Malformed(why) => panic!("{why}"),
        }
    };
    queue.send(11, 10, "Register").unwrap();
    assert_eq!(ask("mount_state"), "Not occupied");
    assert_eq!(ask("lload E01009L8"), "Load failed: E01009L8");
    assert_eq!(ask("lload E01001L8"), "Loaded OK: E01001L8");
    assert_eq!(ask("lload E01002L8"), "Load failed - E01002L8 is already in mouth of drive");
    assert_eq!(ask("mount_state"), "occupied");
    // A sender that cannot be a library does not become the drive's library.
    queue.send(11, TOOL_ID, "Register").unwrap();
    ready(&module, 11);
    // `unload` respects a host's prevention; `set_empty`, which mhvtl's library sends, does not.
    assert_eq!(module.send(11, &[0x1e, 0, 0, 0, 1, 0], HostTransfer::NoData).wait(), HostResult::default());
    assert_eq!(ask("unload E01001L8        "), "Unload failed: a host prevents removal");
    assert_eq!(ask("set_empty"), "Unloaded OK");
    assert_eq!(module.send(11, &[0x1e, 0, 0, 0, 0, 0], HostTransfer::NoData).wait(), HostResult::default());
    assert_eq!(ask("lload E01002L8"), "Loaded OK: E01002L8");
    ready(&module, 11);
    assert_eq!(module.send(11, &UNLOAD, HostTransfer::NoData).wait(), HostResult::default());
    assert_eq!(queue.receive_blocking(10).unwrap(), Received::Message(Message { sender: 11, text: "eject".into() }));
    assert_eq!((ask("mount_state").as_str(), ask("set_empty").as_str()), ("occupied", "Unloaded OK"));
    // After a restart, mhvtl's library has the cartridges of drives in their slots: so the drive starts empty.
    assert_eq!(ask("lload E01001L8"), "Loaded OK: E01001L8");
    drop(drive);
    let drive = tape(dir.path(), &module, &queue, 11);
    assert_eq!(ask("mount_state"), "Not occupied");
    // Without a library: loaded by the control tool.
    queue.send(11, TOOL_ID, "load E01002L8 ").unwrap();
    assert_eq!(ask("mount_state"), "occupied");
    queue.send(11, TOOL_ID, "unload E01002L8 ").unwrap();
    assert_eq!((ask("mount_state").as_str(), drive.drive.status().accessible), ("occupied", true));
    assert_eq!(queue.receive(TOOL_ID).unwrap(), None);
    // Settings of a drive, and unknown ones.
    for text in
        ["delay rewind 1 ", "compression lzo ", "Append Only No ", "delay jump 1 ", "compression rar ", "nonsense "]
    {
        queue.send(11, TOOL_ID, text).unwrap();
    }
    assert_eq!(ask("mount_state"), "occupied");
    drop(drive);
    queue.remove().unwrap();
}

#[test]
fn delays() {
    let dir = tempdir().unwrap();
    etc(dir.path());
    let (module, queue) = (Simulator::default(), Queue::open_private().unwrap());
    drop(self::changer(dir.path(), &module, &queue, LONG));
    let drive = tape(dir.path(), &module, &queue, 11);
    for text in ["delay load 1 ", "delay rewind 1 ", "load E01001L8 "] {
        queue.send(11, TOOL_ID, text).unwrap();
    }
    while drive.drive.status().barcode.is_none() {
        thread::yield_now();
    }
    let begun = Clock::real().now().mono.0;
    let sense = |got: &HostResult| (got.status, codes(got));
    let mut seen = Vec::new();
    loop {
        let got = module.send(11, &[0; 6], HostTransfer::NoData).wait();
        if got.status == 0 {
            break;
        }
        if seen.last() != Some(&sense(&got)) {
            seen.push(sense(&got));
        }
    }
    // Power on, becoming ready, and only then medium changed.
    assert_eq!(seen, [(2, (6, 0x29, 0x00)), (2, (2, 0x04, 0x01)), (2, (6, 0x28, 0x00))]);
    assert!(Clock::real().now().mono.0 - begun > 500_000);
    let begun = Clock::real().now().mono.0;
    assert_eq!(module.send(11, &[0x01, 0, 0, 0, 0, 0], HostTransfer::NoData).wait(), HostResult::default());
    assert!(Clock::real().now().mono.0 - begun >= 1_000_000, "the rewind takes at least the configured delay");
    drop(drive);
    queue.remove().unwrap();
}
