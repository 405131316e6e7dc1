//! A panic at every step of the operations of a standalone drive: at each log line, and before and after each call of
//! the storage and of the state store. The cartridge is where the result says, the drive responds, and a restart shows
//! the same.
#![allow(clippy::print_stderr, clippy::print_stdout, reason = "the test says how many steps it had, and why it failed")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "test code")]

#[path = "common/tripwire.rs"]
mod tripwire;

use std::panic::{AssertUnwindSafe, catch_unwind};
use tape_store::backend::faulty::FaultyFolder;
use tape_store::backend::memory::MemoryFolderStore;
use tape_store::cartridge::Barcode;
use tape_store::media::LTO_8;
use tape_store::store::{NewCartridge, TapeStore};
use tripwire::{Log, Tripwire, disarm_panic, panic_after};
use vtl::config::parse;
use vtl::data_dir::DataDir;
use vtl::host::{CommandResponse, Host};
use vtl::standalone::Standalone;

const TEXT: &str = "[[library]]\nname = \"alone\"\n[[library.drive]]\nmodel = \"ULT3580-TD8\"\n";
const UNLOAD: [u8; 6] = [0x1b, 0, 0, 0, 0, 0];
const LOAD: [u8; 6] = [0x1b, 0, 0, 0, 1, 0];

#[derive(Default)]
struct World {
    shelves: MemoryFolderStore,
    state: FaultyFolder,
}

struct Drive {
    drive: Standalone,
    host: Host,
}

fn label() -> Barcode {
    Barcode::new("A00001L8").unwrap()
}

impl World {
    fn new() -> Self {
        let world = Self::default();
        let new = NewCartridge::data(&LTO_8).with_capacity(64 << 20);
        TapeStore::new(Box::new(world.shelves.clone())).create(&label(), &new).unwrap();
        world
    }

    fn open(&self) -> Drive {
        let shelves = Box::new(Tripwire(Box::new(self.shelves.clone()) as _));
        let data = DataDir::from_folders(shelves, tripwire::folder(Box::new(self.state.clone()))).with_new_site(true);
        let drive = Standalone::open(data, &parse("panics", TEXT).unwrap().libraries[0]).unwrap();
        let host = Host::login(drive.target(), 1);
        host.clear_unit_attentions();
        Drive { drive, host }
    }
}

impl Drive {
    fn command(&self, cdb: &[u8]) -> CommandResponse {
        self.host.command(self.drive.target().luns()[0], cdb, 0)
    }

    fn write(&self) -> bool {
        let lun = self.drive.target().luns()[0];
        self.host.command_with_data(lun, &[0x0a, 0, 0, 0, 5, 0], b"block").into_result().is_ok()
            && self.command(&[0x10, 0, 0, 0, 1, 0]).into_result().is_ok()
    }

    fn is_full(&self) -> bool {
        self.drive.status().barcode.is_some()
    }

    /// The drive responds, and works again after its cartridge was reloaded.
    fn answers(&self, name: &str) {
        self.host.clear_unit_attentions();
        if self.is_full() {
            assert!(self.command(&UNLOAD).into_result().is_ok(), "{name}");
            assert!(self.command(&LOAD).into_result().is_ok(), "{name}");
            self.host.clear_unit_attentions();
            assert!(self.command(&[0; 6]).into_result().is_ok(), "{name}");
        } else {
            let codes = self.command(&[0; 6]).sense_codes();
            assert!([Some((2, 0x3a, 0)), Some((4, 0x44, 0))].contains(&codes), "{name}: {codes:?}");
        }
    }
}

/// A step, whether a cartridge is in the drive before it, and after it if it succeeds.
type Scenario = (&'static str, bool, bool, fn(&Drive) -> bool);

const SCENARIOS: [Scenario; 7] = [
    ("load", false, true, |it| it.drive.load(&label(), true).is_ok()),
    ("take", true, false, |it| it.drive.force_remove().is_ok()),
    ("eject", true, true, |it| it.drive.eject().is_ok()),
    ("unload by a host", true, true, |it| it.command(&UNLOAD).into_result().is_ok()),
    ("write", true, true, Drive::write),
    ("shut down", true, true, |it| it.drive.shut_down().is_ok()),
    ("is usable", true, true, |it| it.drive.is_usable()),
];

#[test]
fn drive_serves_after_any_panic() {
    tracing::subscriber::set_global_default(Log).unwrap();
    // Thousands of panics are expected.
    std::panic::set_hook(Box::new(|panic| {
        if !panic.payload().is::<&str>() {
            eprintln!("{panic}");
        }
    }));
    for (name, full, after, step) in SCENARIOS {
        for at in 0.. {
            let (world, name) = (World::new(), format!("{name} at {at}"));
            let opened = world.open();
            if full {
                opened.drive.load(&label(), true).unwrap();
                opened.host.clear_unit_attentions();
                assert!(opened.write(), "{name}");
            }
            panic_after(at);
            let done = catch_unwind(AssertUnwindSafe(|| step(&opened)));
            let panicked = disarm_panic();
            let done = done.unwrap_or_else(|_| panic!("{name}: the panic left the call"));
            assert!(done || panicked, "{name}: it was refused");
            if !name.starts_with("shut down") {
                assert_eq!(opened.is_full(), if done { after } else { full }, "{name}: done: {done}");
                opened.answers(&name);
            }
            let now = if name.starts_with("shut down") { after } else { opened.is_full() };
            drop(opened);
            let opened = world.open();
            assert_eq!(opened.is_full(), now, "{name}: after a restart");
            opened.answers(&name);
            if !panicked {
                println!("{name}: the last step");
                break;
            }
        }
    }
}
