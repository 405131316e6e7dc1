//! A panic at every step of each operation that moves a cartridge: at each log line, and before and after each call of
//! the storage and of the state store. The cartridge has exactly one location, all units respond, and a restart shows
//! the same.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "test code")]

#[path = "common/tripwire.rs"]
mod tripwire;

use smc::element::ElementAddress;
use std::collections::BTreeMap;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, Once, PoisonError};
use tape_store::backend::faulty::FaultyFolder;
use tape_store::backend::memory::MemoryFolderStore;
use tape_store::cartridge::Barcode;
use tripwire::{Log, Tripwire, disarm_panic, panic_after};
use vtl::config::parse;
use vtl::control::ControlRequest;
use vtl::data_dir::DataDir;
use vtl::host::{CommandResponse, Host};
use vtl::site::{OpenSite, Site};

/// Slots from 1000, import/export elements from 10, a drive at 500.
const TEXT: &str = "[[library]]\nslots = 4\nimport_export = 2\n[[library.drive]]\nmodel = \"ULT3580-TD8\"\n\
    [[library.cartridges]]\npattern = \"A#L8\"\ncount = 2\nsize = \"64MB\"\n";

/// All tests share one countdown.
static ALONE: Mutex<()> = Mutex::new(());

/// Location of each cartridge: an element, or 0 for the shelf.
type Places = BTreeMap<String, u16>;

#[derive(Default)]
struct TestSite {
    shelves: MemoryFolderStore,
    state: FaultyFolder,
    site: Option<OpenSite>,
    host: Option<Host>,
}

impl TestSite {
    fn new() -> Self {
        static ONCE: Once = Once::new();
        ONCE.call_once(|| {
            tracing::subscriber::set_global_default(Log).unwrap();
            // Thousands of panics are expected; an unexpected one fails the test.
            std::panic::set_hook(Box::new(|_| {}));
        });
        let mut world = Self::default();
        world.open();
        world
    }

    fn open(&mut self) {
        let data = DataDir::from_folders(
            Box::new(Tripwire(Box::new(self.shelves.clone()) as _)),
            tripwire::folder(Box::new(self.state.clone())),
        );
        let site = Site::open_data_dir(data, &parse("panics", TEXT).unwrap()).unwrap();
        let host = Host::login(&site.targets()[0], 1);
        host.clear_unit_attentions();
        (self.site, self.host) = (Some(site), Some(host));
    }

    fn restart(&mut self) {
        (self.host, self.site) = (None, None);
        self.open();
    }

    fn site(&self) -> &Site {
        self.site.as_ref().unwrap()
    }

    fn command(&self, lun: usize, cdb: &[u8]) -> CommandResponse {
        self.host.as_ref().unwrap().command(lun, cdb, 0)
    }

    fn clear_unit_attentions(&self) {
        self.host.as_ref().unwrap().clear_unit_attentions();
    }

    /// Every cartridge in elements and on the shelf: each has exactly one location.
    fn locations(&self) -> Places {
        let (mut locations, status) = (Places::new(), self.site().status());
        for library in status.libraries {
            let drives = library.drives.into_iter().map(|drive| drive.element);
            for element in drives.chain(library.io_elements).chain(library.slots) {
                if let Some(name) = element.cartridge {
                    assert_eq!(locations.insert(name.clone(), element.address), None, "{name} is in two places");
                }
            }
        }
        for name in status.shelves.into_values().flatten() {
            assert_eq!(locations.insert(name.clone(), 0), None, "{name} is also on the shelf");
        }
        assert_eq!(locations.len(), 2, "{locations:?}");
        locations
    }

    fn moved(&self, from: u16, to: u16) -> bool {
        let ([a, b], [c, d]) = (from.to_be_bytes(), to.to_be_bytes());
        self.command(0, &[0xa5, 0, 0, 0, a, b, c, d, 0, 0, 0, 0]).into_result().is_ok()
    }
}

/// The steps before the one that panics, and that step, which returns whether it was done.
struct Scenario {
    name: &'static str,
    before: fn(&TestSite),
    step: fn(&TestSite) -> bool,
}

fn nothing(_: &TestSite) {}

fn loaded(world: &TestSite) {
    assert!(world.moved(1000, 500));
    world.clear_unit_attentions();
    let host = world.host.as_ref().unwrap();
    host.command_with_data(1, &[0x0a, 0, 0, 0, 5, 0], b"block").into_result().unwrap();
    host.command(1, &[0x10, 0, 0, 0, 1, 0], 0).into_result().unwrap();
}

fn shelved(world: &TestSite) {
    assert!(world.moved(1000, 10));
    world.site().libraries()[0].export(ElementAddress(10)).unwrap();
}

const UNLOAD: [u8; 6] = [0x1b, 0, 0, 0, 0, 0];
const LOAD: [u8; 6] = [0x1b, 0, 0, 0, 1, 0];

const SCENARIOS: [Scenario; 10] = [
    Scenario { name: "slot to slot", before: nothing, step: |world| world.moved(1000, 1002) },
    Scenario { name: "slot to drive", before: nothing, step: |world| world.moved(1000, 500) },
    Scenario { name: "drive to slot", before: loaded, step: |world| world.moved(500, 1003) },
    Scenario {
        name: "unloaded drive to slot",
        before: |world| {
            loaded(world);
            world.command(1, &UNLOAD).into_result().unwrap();
        },
        step: |world| world.moved(500, 1003),
    },
    Scenario {
        name: "exchange with a drive",
        before: loaded,
        step: |world| {
            let ([a, b], [c, d], [e, f]) = (1001_u16.to_be_bytes(), 500_u16.to_be_bytes(), 1000_u16.to_be_bytes());
            world.command(0, &[0xa6, 0, 0, 0, a, b, c, d, e, f, 0, 0]).into_result().is_ok()
        },
    },
    Scenario {
        name: "export",
        before: |world| assert!(world.moved(1000, 10)),
        step: |world| world.site().libraries()[0].export(ElementAddress(10)).is_ok(),
    },
    Scenario {
        name: "import",
        before: shelved,
        step: |world| world.site().libraries()[0].import(ElementAddress(11), &Barcode::new("A1L8").unwrap()).is_ok(),
    },
    Scenario {
        name: "unload by a host",
        before: loaded,
        step: |world| world.command(1, &UNLOAD).into_result().is_ok(),
    },
    Scenario {
        name: "load by a host",
        before: |world| {
            loaded(world);
            world.command(1, &UNLOAD).into_result().unwrap();
        },
        step: |world| world.command(1, &LOAD).into_result().is_ok(),
    },
    Scenario {
        name: "write",
        before: loaded,
        step: |world| {
            let host = world.host.as_ref().unwrap();
            let written = host.command_with_data(1, &[0x0a, 0, 0, 0, 5, 0], b"other").into_result().is_ok();
            written && host.command(1, &[0x10, 0, 0, 0, 1, 0], 0).into_result().is_ok()
        },
    },
];

const FAULTY: Option<(u8, u8, u8)> = Some((4, 0x44, 0));

/// All units respond. A faulty changer works again after it was set online, and a drive after its cartridge was reloaded.
fn check_units_respond(world: &TestSite, name: &str) {
    world.clear_unit_attentions();
    let online = |drive: Option<&str>| {
        let drive = drive.map(str::to_owned);
        world.site().control(&ControlRequest::Online { library: None, drive, online: true }).unwrap();
        world.clear_unit_attentions();
    };
    let changer = world.command(0, &[0; 6]);
    assert!([None, FAULTY].contains(&changer.sense_codes()), "{name}: {changer:?}");
    assert_eq!(world.site().status().libraries[0].faulty.is_some(), changer.sense_codes() == FAULTY, "{name}");
    if changer.sense_codes() == FAULTY {
        online(None);
    }
    assert!(world.command(0, &[0; 6]).into_result().is_ok(), "{name}: the changer");
    let ready = world.command(1, &[0; 6]);
    if world.locations().values().any(|location| *location == 500) {
        let known = [None, Some((2, 0x3a, 0)), FAULTY];
        assert!(known.contains(&ready.sense_codes()), "{name}: {ready:?}");
        assert!(world.command(1, &UNLOAD).into_result().is_ok(), "{name}");
        assert!(world.command(1, &LOAD).into_result().is_ok(), "{name}");
        world.clear_unit_attentions();
        assert!(world.command(1, &[0; 6]).into_result().is_ok(), "{name}");
    } else {
        assert!([Some((2, 0x3a, 0)), FAULTY].contains(&ready.sense_codes()), "{name}: {ready:?}");
        online(Some("drive1"));
        assert_eq!(world.command(1, &[0; 6]).sense_codes(), Some((2, 0x3a, 0)), "{name}");
    }
}

/// Runs a scenario with a panic at step `at`; with `full`, the state store cannot be written meanwhile. Returns whether
/// there is such a step.
fn play(scenario: &Scenario, at: i64, full: bool) -> bool {
    let (mut world, name) = (TestSite::new(), format!("{} at {at}, full: {full}", scenario.name));
    (scenario.before)(&world);
    let before = world.locations();
    if full {
        world.state.fail_at(Some(world.state.calls()), io::ErrorKind::StorageFull);
    }
    panic_after(at);
    let done = catch_unwind(AssertUnwindSafe(|| (scenario.step)(&world))).unwrap_or(false);
    let panicked = disarm_panic();
    world.state.fail_at(None, io::ErrorKind::Other);
    let after = world.locations();
    assert!(done || after == before, "{name}: {before:?} became {after:?}");
    assert!(done || panicked || full, "{name}: it was refused");
    check_units_respond(&world, &name);
    world.restart();
    assert_eq!(world.locations(), after, "{name}: after a restart");
    check_units_respond(&world, &name);
    // The fault is over: the move can be done now.
    if after.values().all(|location| *location != 1002) && after.contains_key("A2L8") && after["A2L8"] == 1001 {
        assert!(world.moved(1001, 1002), "{name}");
    }
    panicked
}

#[test]
fn panic_never_loses_or_duplicates_a_cartridge() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    for scenario in SCENARIOS {
        // Two faults at the same time are tried at every fifth step.
        for (full, stride) in [(false, 1), (true, 5)] {
            let mut steps = 0;
            while play(&scenario, steps, full) {
                steps += stride;
            }
            println!("{}: {steps} steps", scenario.name);
            assert!(steps > 4, "{}: {steps} steps", scenario.name);
        }
    }
}

/// A panic while one drive is closed does not keep the others from being closed.
#[test]
fn panic_in_one_drive_does_not_stop_shutdown() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    for at in 0.. {
        let mut world = TestSite::new();
        loaded(&world);
        world.host.as_ref().unwrap().command_with_data(1, &[0x0a, 0, 0, 0, 5, 0], b"other").into_result().unwrap();
        let before = world.locations();
        panic_after(at);
        let ended = catch_unwind(AssertUnwindSafe(|| world.site().shut_down()));
        let panicked = disarm_panic();
        assert!(ended.unwrap().is_ok() || panicked, "at {at}");
        world.restart();
        assert_eq!(world.locations(), before, "at {at}");
        check_units_respond(&world, "a restart");
        if !panicked {
            assert!(at > 5, "{at} steps");
            return;
        }
    }
}
