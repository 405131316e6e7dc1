//! A panic at every step of executing commands of the module and of handling messages: the sender gets a reply, and the
//! unit serves the next command and message.
#![allow(clippy::print_stderr, clippy::print_stdout, reason = "the test prints the number of its steps, and failures")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "test code")]

#[path = "../../../crates/vtl/tests/common/tripwire.rs"]
mod tripwire;

use mhvtl_lld::queue::{Queue, Received, TOOL_ID};
use mhvtl_lld::simulator::{HostTransfer, Simulator};
use mhvtld::fifo::Fifo;
use mhvtld::log::Log;
use mhvtld::remote_drives::{self, QueueClients};
use mhvtld::standalone_drive::StandaloneDrive;
use mhvtld::{Attachment, Frontend, MessageHandler, MessageListener, attachments};
use std::sync::{Arc, Mutex, Once, PoisonError};
use std::thread;
use std::time::Duration;
use tape_store::backend::memory::{MemoryFolder, MemoryFolderStore};
use tape_store::cartridge::Barcode;
use tape_store::media::LTO_8;
use tape_store::store::{NewCartridge, TapeStore};
use tripwire::{Tripwire, disarm_panic, panic_after};
use vtl::config::mhvtl::DeviceSlot;
use vtl::config::parse;
use vtl::data_dir::DataDir;
use vtl::host::Host;
use vtl::site::Site;
use vtl::standalone::Standalone;

/// The tests share one countdown, so they run one at a time.
static TEST_LOCK: Mutex<()> = Mutex::new(());

fn prepare() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        tracing::subscriber::set_global_default(tripwire::Log).unwrap();
        // Thousands of panics are expected.
        std::panic::set_hook(Box::new(|panic| {
            if !panic.payload().is::<&str>() {
                eprintln!("{panic}");
            }
        }));
    });
}

fn data(store: &MemoryFolderStore) -> DataDir {
    let store = Box::new(Tripwire(Box::new(store.clone()) as _));
    DataDir::from_folders(store, tripwire::folder(Box::new(MemoryFolder::default()))).with_new_site(true)
}

fn device_slot(unit: usize, minor: u32) -> DeviceSlot {
    DeviceSlot { library: "l".into(), unit, minor, address: [0, minor - 10, 0], fifo: None }
}

/// Sends a message to a unit and waits for the reply.
fn reply(queue: &Queue, unit: u16, from: u16, text: &str) -> String {
    queue.send(unit, from, text).unwrap();
    loop {
        match queue.receive(from).unwrap() {
            Some(Received::Message(message)) => return message.text,
            _ => thread::yield_now(),
        }
    }
}

/// Calls a function with a panic at each of its steps.
fn at_each_step(name: &str, mut step: impl FnMut(i64) -> bool) {
    let steps = (0..).find(|at| !step(*at)).unwrap();
    println!("{name}: {steps} steps");
    assert!(steps > 0, "{name} has no step");
}

#[test]
fn standalone_drive_replies_after_panics() {
    let _guard = TEST_LOCK.lock().unwrap_or_else(PoisonError::into_inner);
    prepare();
    let text = "[[library]]\nname = \"l\"\n[[library.drive]]\nmodel = \"ULT3580-TD8\"\n";
    let config = parse("panics", text).unwrap();
    for request in ["Register Ferric", "mount_state", "lload A00001L8", "unload A00001L8", "set_empty"] {
        at_each_step_of_a_message(request, &config);
    }
}

fn at_each_step_of_a_message(request: &str, config: &vtl::config::Config) {
    for at in 0.. {
        let store = MemoryFolderStore::default();
        let new = NewCartridge::data(&LTO_8).with_capacity(64 << 20);
        let label = Barcode::new("A00001L8").unwrap();
        TapeStore::new(Box::new(store.clone())).create(&label, &new).unwrap();
        let drive = Arc::new(Standalone::open(data(&store), &config.libraries[0]).unwrap());
        let queue = Queue::open_private().unwrap();
        let mut message_handler =
            StandaloneDrive::new(Arc::clone(&drive), 11, Some(10), &queue, &Log::default(), &Fifo::default());
        let host = Arc::new(Host::login(drive.target(), 1));
        let attachment = Attachment::new(&device_slot(1, 11), Arc::clone(drive.unit()), host).unwrap();
        let module = Simulator::default();
        let frontend = Frontend::open(&module, vec![attachment]).unwrap();
        let receive = Box::new(move |message: &_| message_handler.receive(message));
        let handler = MessageHandler { unit: 11, exit_requested: Arc::clone(&frontend.stop_flags()[0]), receive };
        let messages = MessageListener::open(&queue, vec![handler], || {}).unwrap();
        if request.contains("unload") || request.contains("empty") {
            assert_eq!(reply(&queue, 11, 10, "lload A00001L8"), "Loaded OK: A00001L8");
        }
        panic_after(at);
        if request.starts_with("Register") {
            queue.send(11, 10, request).unwrap();
        } else {
            let text = reply(&queue, 11, 10, request);
            let full = drive.status().barcode.is_some();
            match text.as_str() {
                "Loaded OK: A00001L8" => assert!(full, "{request} at {at}"),
                "Load failed: A00001L8" => assert!(!full, "{request} at {at}"),
                "Unloaded OK" => assert!(!full || request.starts_with("unload"), "{request} at {at}"),
                text if text.starts_with("Unload failed") => {}
                text => assert!(text == "Not occupied", "{request} at {at}: {text}"),
            }
        }
        // The following messages are handled.
        let mounted = reply(&queue, 11, 10, "mount_state");
        let panicked = disarm_panic();
        assert_eq!(mounted == "occupied", drive.status().barcode.is_some(), "{request} at {at}");
        assert_eq!(reply(&queue, 11, 10, "set_empty"), "Unloaded OK", "{request} at {at}");
        assert_eq!(reply(&queue, 11, 10, "lload A00001L8"), "Loaded OK: A00001L8", "{request} at {at}");
        drop(messages);
        frontend.close();
        queue.remove().unwrap();
        if !panicked {
            return;
        }
    }
}

#[test]
fn library_replies_after_panics() {
    let _guard = TEST_LOCK.lock().unwrap_or_else(PoisonError::into_inner);
    prepare();
    let text = "[[library]]\nname = \"l\"\nslots = 4\nimport_export = 2\n[[library.drive]]\nmodel = \"ULT3580-TD8\"\n\
        [[library.cartridges]]\npattern = \"A#L8\"\ncount = 2\nsize = \"64MB\"\n";
    let site = Site::open_data_dir(data(&MemoryFolderStore::default()), &parse("panics", text).unwrap()).unwrap();
    let (slots, module, queue) =
        ([device_slot(0, 10), device_slot(1, 11)], Simulator::default(), Queue::open_private().unwrap());
    let frontend = Frontend::open(&module, attachments(&site, &slots).unwrap()).unwrap();
    let clients = QueueClients::with_timeout(&queue, 10, &[], Duration::ZERO).unwrap();
    let handlers =
        remote_drives::message_handlers(&site, &frontend, &slots, &clients, &queue, &Log::default()).unwrap();
    let messages = MessageListener::open(&queue, handlers, || {}).unwrap();
    let open = ["open map ", "close map "];
    at_each_step("open map", |at| {
        assert_eq!(reply(&queue, 10, TOOL_ID, open[1]), "OK");
        panic_after(at);
        let text = reply(&queue, 10, TOOL_ID, open[0]);
        let panicked = disarm_panic();
        assert!(text == "OK" || (panicked && !text.is_empty()), "open map at {at}: {text}");
        assert_eq!(reply(&queue, 10, TOOL_ID, "list map "), "", "at {at}");
        panicked
    });
    assert_eq!(reply(&queue, 10, TOOL_ID, open[1]), "OK");
    // Reloads the changer after a panic.
    let online = || site.libraries()[0].changer(|changer| changer.set_online(true));
    online();
    // Commands of the module: MOVE MEDIUM to the drive and back, WRITE with a filemark, an unknown operation code.
    let commands: [(u16, &[u8], HostTransfer); 5] = [
        (10, &[0xa5, 0, 0, 0, 0x03, 0xe8, 0x01, 0xf4, 0, 0, 0, 0], HostTransfer::NoData),
        (11, &[0x0a, 0, 0, 0, 5, 0], HostTransfer::DataOut(b"block".to_vec())),
        (11, &[0x10, 0, 0, 0, 1, 0], HostTransfer::NoData),
        (11, &[0xff, 0, 0, 0, 0, 0], HostTransfer::NoData),
        (10, &[0xa5, 0, 0, 0, 0x01, 0xf4, 0x03, 0xe8, 0, 0, 0, 0], HostTransfer::NoData),
    ];
    for (minor, cdb, transfer) in commands {
        for at in 0..60 {
            online();
            for unit in [10, 11] {
                for _ in 0..8 {
                    let _ = module.send(unit, &[0; 6], HostTransfer::NoData).wait();
                }
            }
            panic_after(at);
            let got = module.send(minor, cdb, transfer.clone()).wait();
            disarm_panic();
            assert!(matches!(got.status, 0 | 2), "{cdb:02x?} at {at}: {got:?}");
            // The robot's and the drive's units answer the next command.
            assert_eq!(module.send(10, &[0x12, 0, 0, 0, 36, 0], HostTransfer::DataIn(36)).wait().data.len(), 36);
            assert_eq!(module.send(11, &[0x12, 0, 0, 0, 36, 0], HostTransfer::DataIn(36)).wait().data.len(), 36);
        }
    }
    drop(messages);
    frontend.close();
    queue.remove().unwrap();
}
