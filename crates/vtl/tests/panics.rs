//! A panic at every step of whatever moves a cartridge: at each log line, and before and after each call of the storage
//! and of the state store. The cartridge is in one place, all units answer, and a restart shows the same.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test that cannot go on has failed")]

#[path = "common/tripwire.rs"]
mod tripwire;

use smc::element::Address;
use std::collections::BTreeMap;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, Once, PoisonError};
use tape_store::backend::faulty::FaultyFolder;
use tape_store::backend::memory::MemoryShelves;
use tape_store::cartridge::Barcode;
use tripwire::{Log, Tripwire, arm, disarm};
use vtl::config::parse;
use vtl::data_dir::Data;
use vtl::host::{Answer, Host};
use vtl::site::{Running, Site};

/// Slots from 1000, import/export elements from 10, a drive at 500.
const TEXT: &str = "[[library]]\nslots = 4\nimport_export = 2\n[[library.drive]]\nmodel = \"ULT3580-TD8\"\n\
    [[library.cartridges]]\npattern = \"A#L8\"\ncount = 2\nsize = \"64MB\"\n";

/// There is one countdown for all tests.
static ALONE: Mutex<()> = Mutex::new(());

/// Where each cartridge is: an element, or 0 for the shelf.
type Places = BTreeMap<String, u16>;

#[derive(Default)]
struct World {
    shelves: MemoryShelves,
    state: FaultyFolder,
    site: Option<Running>,
    host: Option<Host>,
}

impl World {
    fn new() -> Self {
        static ONCE: Once = Once::new();
        ONCE.call_once(|| {
            tracing::subscriber::set_global_default(Log).unwrap();
            // Thousands of panics are wanted; others are told by the test that they end.
            std::panic::set_hook(Box::new(|_| {}));
        });
        let mut world = Self::default();
        world.open();
        world
    }

    fn open(&mut self) {
        let data = Data::of(
            Box::new(Tripwire(Box::new(self.shelves.clone()) as _)),
            tripwire::folder(Box::new(self.state.clone())),
        );
        let site = Site::of(data, &parse("panics", TEXT).unwrap()).unwrap();
        let host = Host::login(&site.targets()[0], 1);
        host.settle();
        (self.site, self.host) = (Some(site), Some(host));
    }

    fn restart(&mut self) {
        (self.host, self.site) = (None, None);
        self.open();
    }

    fn site(&self) -> &Site {
        self.site.as_ref().unwrap()
    }

    fn command(&self, lun: usize, cdb: &[u8]) -> Answer {
        self.host.as_ref().unwrap().command(lun, cdb, 0)
    }

    fn settle(&self) {
        self.host.as_ref().unwrap().settle();
    }

    /// Every cartridge, as elements and shelf have it: each is in one place.
    fn places(&self) -> Places {
        let (mut places, status) = (Places::new(), self.site().status());
        for library in status.libraries {
            let drives = library.drives.into_iter().map(|drive| drive.element);
            for element in drives.chain(library.ports).chain(library.slots) {
                if let Some(name) = element.cartridge {
                    assert_eq!(places.insert(name.clone(), element.address), None, "{name} is in two places");
                }
            }
        }
        for name in status.shelves.into_values().flatten() {
            assert_eq!(places.insert(name.clone(), 0), None, "{name} is also on the shelf");
        }
        assert_eq!(places.len(), 2, "{places:?}");
        places
    }

    fn moved(&self, from: u16, to: u16) -> bool {
        let ([a, b], [c, d]) = (from.to_be_bytes(), to.to_be_bytes());
        self.command(0, &[0xa5, 0, 0, 0, a, b, c, d, 0, 0, 0, 0]).good().is_ok()
    }
}

/// Steps that bring a new site to where the step that panics begins, and that step; whether it was done.
struct Scenario {
    name: &'static str,
    before: fn(&World),
    step: fn(&World) -> bool,
}

fn nothing(_: &World) {}

fn loaded(world: &World) {
    assert!(world.moved(1000, 500));
    world.settle();
    let host = world.host.as_ref().unwrap();
    host.send(1, &[0x0a, 0, 0, 0, 5, 0], b"block").good().unwrap();
    host.command(1, &[0x10, 0, 0, 0, 1, 0], 0).good().unwrap();
}

fn shelved(world: &World) {
    assert!(world.moved(1000, 10));
    world.site().libraries()[0].export(Address(10)).unwrap();
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
            world.command(1, &UNLOAD).good().unwrap();
        },
        step: |world| world.moved(500, 1003),
    },
    Scenario {
        name: "exchange with a drive",
        before: loaded,
        step: |world| {
            let ([a, b], [c, d], [e, f]) = (1001_u16.to_be_bytes(), 500_u16.to_be_bytes(), 1000_u16.to_be_bytes());
            world.command(0, &[0xa6, 0, 0, 0, a, b, c, d, e, f, 0, 0]).good().is_ok()
        },
    },
    Scenario {
        name: "export",
        before: |world| assert!(world.moved(1000, 10)),
        step: |world| world.site().libraries()[0].export(Address(10)).is_ok(),
    },
    Scenario {
        name: "import",
        before: shelved,
        step: |world| world.site().libraries()[0].import(Address(11), &Barcode::new("A1L8").unwrap()).is_ok(),
    },
    Scenario { name: "unload by a host", before: loaded, step: |world| world.command(1, &UNLOAD).good().is_ok() },
    Scenario {
        name: "load by a host",
        before: |world| {
            loaded(world);
            world.command(1, &UNLOAD).good().unwrap();
        },
        step: |world| world.command(1, &LOAD).good().is_ok(),
    },
    Scenario {
        name: "write",
        before: loaded,
        step: |world| {
            let host = world.host.as_ref().unwrap();
            let written = host.send(1, &[0x0a, 0, 0, 0, 5, 0], b"other").good().is_ok();
            written && host.command(1, &[0x10, 0, 0, 0, 1, 0], 0).good().is_ok()
        },
    },
];

/// The units answer, and the drive works again once its cartridge was loaded again.
fn answers(world: &World, name: &str) {
    world.settle();
    assert!(world.command(0, &[0; 6]).good().is_ok(), "{name}: the changer");
    let ready = world.command(1, &[0; 6]);
    if world.places().values().any(|place| *place == 500) {
        let codes = ready.codes();
        let known = [None, Some((2, 0x3a, 0)), Some((4, 0x44, 0))];
        assert!(known.contains(&codes), "{name}: {ready:?}");
        assert!(world.command(1, &UNLOAD).good().is_ok(), "{name}");
        assert!(world.command(1, &LOAD).good().is_ok(), "{name}");
        world.settle();
        assert!(world.command(1, &[0; 6]).good().is_ok(), "{name}");
    } else {
        assert_eq!(ready.codes(), Some((2, 0x3a, 0)), "{name}");
    }
}

/// A panic at step `at` of a scenario, with a state store that cannot be written meanwhile if `full`; whether there is
/// such a step.
fn play(scenario: &Scenario, at: i64, full: bool) -> bool {
    let (mut world, name) = (World::new(), format!("{} at {at}, full: {full}", scenario.name));
    (scenario.before)(&world);
    let before = world.places();
    if full {
        world.state.fail_at(Some(world.state.calls()), io::ErrorKind::StorageFull);
    }
    arm(at);
    let done = catch_unwind(AssertUnwindSafe(|| (scenario.step)(&world))).unwrap_or(false);
    let panicked = disarm();
    world.state.fail_at(None, io::ErrorKind::Other);
    let after = world.places();
    assert!(done || after == before, "{name}: {before:?} became {after:?}");
    assert!(done || panicked || full, "{name}: it was refused");
    answers(&world, &name);
    world.restart();
    assert_eq!(world.places(), after, "{name}: after a restart");
    answers(&world, &name);
    // Whatever was in the way is not: the move can be made now.
    if after.values().all(|place| *place != 1002) && after.contains_key("A2L8") && after["A2L8"] == 1001 {
        assert!(world.moved(1001, 1002), "{name}");
    }
    panicked
}

#[test]
fn a_cartridge_is_in_one_place_whatever_panics() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    for scenario in SCENARIOS {
        // Two faults at once are tried at every fifth step.
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

/// The end of a site: what panics while one drive is closed keeps nothing else from being closed.
#[test]
fn a_site_ends_whatever_panics() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    for at in 0.. {
        let mut world = World::new();
        loaded(&world);
        world.host.as_ref().unwrap().send(1, &[0x0a, 0, 0, 0, 5, 0], b"other").good().unwrap();
        let before = world.places();
        arm(at);
        let ended = catch_unwind(AssertUnwindSafe(|| world.site().shut_down()));
        let panicked = disarm();
        assert!(ended.unwrap().is_ok() || panicked, "at {at}");
        world.restart();
        assert_eq!(world.places(), before, "at {at}");
        answers(&world, "a restart");
        if !panicked {
            assert!(at > 5, "{at} steps");
            return;
        }
    }
}
