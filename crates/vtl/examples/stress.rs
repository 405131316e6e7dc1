//! Eight threads move cartridges between three libraries while disks and robots fail and power is lost; a checker
//! verifies that every cartridge has exactly one location.
//!
//! `cargo run --release -p vtl --example stress -- SECONDS`
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "whatever goes wrong here is a finding"
)]
#![expect(clippy::disallowed_methods, reason = "a program, which waits")]

use smc::robot::RobotFault;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, RwLock};
use std::time::{Duration, Instant};
use tape_store::backend::faulty::FaultyFolder;
use tape_store::backend::memory::MemoryFolderStore;
use tape_store::cartridge::Barcode;
use vtl::config::{Config, parse};
use vtl::data_dir::DataDir;
use vtl::host::Host;
use vtl::inventory::Location;
use vtl::site::{OpenSite, Site};

const CONFIG: &str = "[[library]]\nname = \"a\"\nslots = 40\nimport_export = 4\nshelf = \"vault\"\n[[library.drive]]\n\
    model = \"ULT3580-TD8\"\ncount = 4\n[[library.cartridges]]\npattern = \"A##L8\"\ncount = 30\nsize = \"64MB\"\n\
    [[library]]\nname = \"b\"\nmodel = \"ADIC Scalar i500\"\nslots = 30\nimport_export = 4\nshelf = \"vault\"\n\
    [[library.drive]]\nmodel = \"ULT3580-TD8\"\ncount = 2\n[[library.cartridges]]\npattern = \"B##L8\"\ncount = 20\n\
    size = \"64MB\"\n[[library]]\nname = \"c\"\nmodel = \"Ferric\"\nslots = 60\nimport_export = 8\nshelf = \"vault\"\n\
    [[library.drive]]\nmodel = \"ULT3580-TD9\"\ncount = 4\n[[library.cartridges]]\npattern = \"C##L9\"\ncount = 30\n\
    size = \"64MB\"\n";
const CARTRIDGES: usize = 80;
const THREADS: u64 = 8;

/// Pseudo-random numbers.
struct Random(u64);

impl Random {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % most.max(1)
    }
}

#[derive(Default)]
struct Tally {
    moved: AtomicU64,
    refused: AtomicU64,
    transferred: AtomicU64,
    checks: AtomicU64,
    faults: AtomicU64,
    restarts: AtomicU64,
}

impl Tally {
    fn add(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// The site and the disks below it. Threads that move cartridges lock it for reading; the checker locks it for writing
/// to see it at rest.
struct TestSite {
    config: Config,
    shelves: MemoryFolderStore,
    disk: Mutex<FaultyFolder>,
    site: RwLock<Option<OpenSite>>,
    tally: Tally,
    ends: AtomicBool,
}

impl TestSite {
    fn open(&self) -> OpenSite {
        let disk = self.disk.lock().unwrap().clone();
        Site::open_data_dir(DataDir::from_folders(Box::new(self.shelves.clone()), Box::new(disk)), &self.config)
            .unwrap()
    }

    fn ended(&self) -> bool {
        self.ends.load(Ordering::Acquire)
    }
}

/// Moves and exchanges by a host, imports and exports by an operator.
fn run_moves(world: &TestSite, seed: u64) {
    let mut random = Random(seed);
    while !world.ended() {
        let guard = world.site.read().unwrap();
        let site = guard.as_ref().unwrap();
        let number = random.below(3);
        let library = &site.libraries()[number];
        let host = Host::login(library.target(), u8::try_from(seed).unwrap());
        host.clear_unit_attentions();
        for _ in 0..50 {
            let layout = library.layout();
            let elements: Vec<u16> = [layout.storage, layout.storage, layout.import_export, layout.drives]
                .iter()
                .flat_map(|range| range.addresses().map(|address| address.0))
                .collect();
            let mut any = || elements[random.below(elements.len())];
            let (from, to, away) = (any(), any(), any());
            let port = layout.import_export.addresses().nth(random.below(4)).unwrap();
            let response = match random.below(12) {
                0 => {
                    let mut cdb = vec![0xa6, 0, 0, 0];
                    [from, to, away].iter().for_each(|address| cdb.extend(address.to_be_bytes()));
                    host.command(0, &cdb, 0).into_result().is_ok()
                }
                1 => count_transfer(world, library.export(port).is_ok()),
                2 => {
                    let shelved =
                        site.inventory().into_iter().filter(|(_, entry)| matches!(entry.location, Location::Shelf(_)));
                    let names: Vec<String> = shelved.map(|(name, _)| name).collect();
                    let name = names.get(random.below(names.len())).and_then(|name| Barcode::new(name));
                    count_transfer(world, name.is_some_and(|name| library.import(port, &name).is_ok()))
                }
                _ => {
                    let mut cdb = vec![0xa5, 0, 0, 0];
                    [from, to].iter().for_each(|address| cdb.extend(address.to_be_bytes()));
                    host.command(0, &cdb, 0).into_result().is_ok()
                }
            };
            Tally::add(if response { &world.tally.moved } else { &world.tally.refused });
        }
    }
}

fn count_transfer(world: &TestSite, done: bool) -> bool {
    if done {
        Tally::add(&world.tally.transferred);
    }
    done
}

/// Injects robot faults, and a disk that is full for some time.
fn inject_faults(world: &TestSite) {
    let mut random = Random(99);
    while !world.ended() {
        std::thread::sleep(Duration::from_millis(20));
        let guard = world.site.read().unwrap();
        let failure = [RobotFault::Pick, RobotFault::Place, RobotFault::Load, RobotFault::Unload][random.below(4)];
        guard.as_ref().unwrap().libraries()[random.below(3)].changer(|changer| changer.inject_fault(failure));
        Tally::add(&world.tally.faults);
        if random.below(10) == 0 {
            let disk = world.disk.lock().unwrap().clone();
            disk.fail_at(Some(disk.calls() + random.below(20) as u64), io::ErrorKind::StorageFull);
            std::thread::sleep(Duration::from_millis(2));
            disk.fail_at(None, io::ErrorKind::Other);
            Tally::add(&world.tally.faults);
        }
    }
}

type Places = BTreeMap<String, Location>;

/// All locations at rest, in libraries and on the shelf: each cartridge once, none missing.
fn locations(site: &Site) -> Places {
    let mut locations = Places::new();
    for library in site.libraries() {
        for (barcode, location) in library.locations() {
            assert!(locations.insert(barcode.to_string(), location).is_none(), "{barcode} is in two places");
        }
    }
    for (barcode, entry) in site.inventory() {
        match entry.location {
            Location::Shelf(_) => {
                assert!(locations.insert(barcode, entry.location).is_none(), "in a library and on the shelf")
            }
            location => {
                assert_eq!(locations.get(&barcode), Some(&location), "{barcode}: the inventory has it elsewhere")
            }
        }
    }
    assert_eq!(locations.len(), CARTRIDGES);
    locations
}

/// Checks what a library reports to hosts during moves: no volume tag twice.
fn check_host_view(site: &Site, number: usize) {
    let library = &site.libraries()[number];
    let host = Host::login(library.target(), 200);
    let ask = || host.command(0, &[0xb8, 0x10, 0, 0, 0xff, 0xff, 0, 1, 0, 0, 0, 0], 65_536);
    // Other threads import and export, which raises unit attentions first.
    let response = std::iter::repeat_with(ask).find(|response| response.sense_codes().is_none_or(|(key, ..)| key != 6));
    let data = response.unwrap().into_result().unwrap();
    let word = |at: usize| u16::from_be_bytes([data[at], data[at + 1]]);
    let (mut at, mut seen, mut elements) = (8, BTreeSet::new(), 0);
    while at < data.len() {
        let (stride, bytes) = (usize::from(word(at + 2)), usize::from(word(at + 6)));
        at += 8;
        for descriptor in data[at..at + bytes].chunks(stride) {
            elements += 1;
            if descriptor[2] & 1 != 0 {
                assert!(seen.insert(descriptor[12..44].to_vec()), "a label twice");
            }
        }
        at += bytes;
    }
    assert_eq!(elements, library.layout().ranges().iter().map(|(_, range)| usize::from(range.count)).sum::<usize>());
}

/// Checks the hosts' view continuously, all locations from time to time, and cuts the power now and then.
fn check(world: &TestSite) {
    let mut random = Random(7);
    while !world.ended() {
        std::thread::sleep(Duration::from_millis(10));
        check_host_view(world.site.read().unwrap().as_ref().unwrap(), random.below(3));
        Tally::add(&world.tally.checks);
        if random.below(20) == 0 {
            let mut guard = world.site.write().unwrap();
            let before = locations(guard.as_ref().unwrap());
            if random.below(5) == 0 {
                // Changes that could not be stored while the disk was full are stored with this one.
                for library in guard.as_ref().unwrap().libraries() {
                    for online in [false, true] {
                        library.changer(|changer| changer.set_online(online));
                    }
                }
                let after = world.disk.lock().unwrap().crash(|len| random.below(len + 1));
                *guard = None;
                *world.disk.lock().unwrap() = after;
                *guard = Some(world.open());
                assert_eq!(locations(guard.as_ref().unwrap()), before, "after a loss of power");
                Tally::add(&world.tally.restarts);
            }
        }
    }
}

fn main() {
    let seconds = std::env::args().nth(1).map_or(600, |text| text.parse().unwrap());
    let world = TestSite {
        config: parse("stress", CONFIG).unwrap(),
        shelves: MemoryFolderStore::default(),
        disk: Mutex::default(),
        site: RwLock::default(),
        tally: Tally::default(),
        ends: AtomicBool::new(false),
    };
    *world.site.write().unwrap() = Some(world.open());
    let start = Instant::now();
    let panicked = std::thread::scope(|scope| {
        let mut threads: Vec<_> = (1..=THREADS)
            .map(|seed| {
                scope.spawn({
                    let world = &world;
                    move || run_moves(world, seed)
                })
            })
            .collect();
        threads.push(scope.spawn(|| inject_faults(&world)));
        threads.push(scope.spawn(|| check(&world)));
        while start.elapsed() < Duration::from_secs(seconds) && !threads.iter().any(|thread| thread.is_finished()) {
            std::thread::sleep(Duration::from_millis(100));
        }
        world.ends.store(true, Ordering::Release);
        threads.into_iter().filter_map(|thread| thread.join().err()).count()
    });
    assert_eq!(panicked, 0, "see above");
    locations(world.site.read().unwrap().as_ref().unwrap());
    let Tally { moved, refused, transferred: carried, checks, faults, restarts } = &world.tally;
    let _ = writeln!(
        io::stdout(),
        "{} s: {moved:?} moves made ({carried:?} in or out), {refused:?} refused, {faults:?} faults, {restarts:?} losses of \
         power, {checks:?} checks: every cartridge is in one place",
        start.elapsed().as_secs()
    );
}
