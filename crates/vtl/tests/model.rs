//! Two libraries and a shared shelf are compared with a model: moves, exchanges, access doors, reservations, failures
//! of robot and disk, restarts and power losses. Every cartridge is always in exactly the location that the model has.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "test code")]

use proptest::prelude::*;
use smc::element::ElementAddress;
use smc::robot::RobotFault;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use tape_store::backend::faulty::{CallHistory, CrashOutcome, FaultyFolder};
use tape_store::backend::memory::MemoryFolderStore;
use tape_store::cartridge::Barcode;
use vtl::config::{Config, parse};
use vtl::data_dir::DataDir;
use vtl::host::{CommandResponse, Host};
use vtl::inventory::Location;
use vtl::site::{OpenSite, Site};

const TEXT: &str = "[[library]]\nslots = 4\nimport_export = 2\nshelf = \"vault\"\n[[library.drive]]\n\
    model = \"ULT3580-TD8\"\ncount = 2\n[[library.cartridges]]\npattern = \"A#L8\"\ncount = 3\nsize = \"64MB\"\n\
    [[library]]\nname = \"two\"\nmodel = \"ADIC Scalar i500\"\nslots = 3\nimport_export = 1\nshelf = \"vault\"\n\
    [[library.drive]]\nmodel = \"ULT3580-TD8\"\n[[library.cartridges]]\npattern = \"B#L8\"\ncount = 2\nsize = \"64MB\"\n";
/// Elements of both libraries: slots, import/export elements, drives, and an invalid address.
const ELEMENTS: [[u16; 9]; 2] =
    [[1000, 1001, 1002, 1003, 10, 11, 500, 501, 99], [0x1000, 0x1001, 0x1002, 0x10, 0x100, 0x1000, 0x10, 0x100, 99]];

#[derive(Clone, Debug)]
enum Op {
    Move(usize, usize, usize),
    Exchange(usize, usize, usize, usize),
    Import(usize, usize, usize),
    Export(usize, usize),
    Reserve(usize, bool),
    Prevent(usize, bool),
    PreventDrive(bool),
    Door(usize, bool),
    Station(usize, bool),
    Online(usize, bool),
    InjectFault(usize, RobotFault),
    DiskFails(u64),
    Restart,
    PowerLoss(u8),
}

fn op() -> impl Strategy<Value = Op> {
    let failure =
        prop_oneof![Just(RobotFault::Pick), Just(RobotFault::Place), Just(RobotFault::Load), Just(RobotFault::Unload)];
    let (library, location) = (0..2_usize, 0..9_usize);
    prop_oneof![
        12 => (library.clone(), location.clone(), location.clone()).prop_map(|(l, a, b)| Op::Move(l, a, b)),
        3 => (library.clone(), location.clone(), location.clone(), location.clone()).prop_map(|(l, a, b, c)| Op::Exchange(l, a, b, c)),
        4 => (library.clone(), location.clone(), 0..5_usize).prop_map(|(l, a, c)| Op::Import(l, a, c)),
        4 => (library.clone(), location).prop_map(|(l, a)| Op::Export(l, a)),
        1 => (library.clone(), any::<bool>()).prop_map(|(l, on)| Op::Reserve(l, on)),
        1 => (library.clone(), any::<bool>()).prop_map(|(l, on)| Op::Prevent(l, on)),
        1 => any::<bool>().prop_map(Op::PreventDrive),
        1 => (library.clone(), any::<bool>()).prop_map(|(l, on)| Op::Door(l, on)),
        1 => (library.clone(), any::<bool>()).prop_map(|(l, on)| Op::Station(l, on)),
        1 => (library.clone(), any::<bool>()).prop_map(|(l, on)| Op::Online(l, on)),
        1 => (library, failure).prop_map(|(l, failure)| Op::InjectFault(l, failure)),
        1 => (0..12_u64).prop_map(Op::DiskFails),
        1 => Just(Op::Restart),
        1 => any::<u8>().prop_map(Op::PowerLoss),
    ]
}

/// A site and the disk below it.
struct TestSite {
    config: Config,
    shelves: MemoryFolderStore,
    disk: FaultyFolder,
    site: Option<OpenSite>,
    hosts: Vec<[Host; 2]>,
}

type Places = BTreeMap<String, Location>;

impl TestSite {
    fn new() -> Self {
        let config = parse("model", TEXT).unwrap();
        let mut world = Self {
            config,
            shelves: MemoryFolderStore::default(),
            disk: FaultyFolder::default(),
            site: None,
            hosts: Vec::new(),
        };
        world.open();
        world
    }

    fn open(&mut self) {
        let data = DataDir::from_folders(Box::new(self.shelves.clone()), Box::new(self.disk.clone()));
        let site = Site::open_data_dir(data, &self.config).unwrap();
        self.hosts = site.targets().iter().map(|target| [1, 2].map(|number| Host::login(target, number))).collect();
        self.hosts.iter().flatten().for_each(Host::clear_unit_attentions);
        self.site = Some(site);
    }

    fn site(&self) -> &Site {
        self.site.as_ref().unwrap()
    }

    fn run(&self, library: usize, host: usize, lun: usize, cdb: &[u8]) -> CommandResponse {
        self.hosts[library][host].command(lun, cdb, 0)
    }

    /// Sends a command from the first host after clearing its unit attentions. Returns whether its status is GOOD.
    fn ask(&self, library: usize, cdb: &[u8]) -> bool {
        self.hosts[library][0].clear_unit_attentions();
        self.run(library, 0, 0, cdb).into_result().is_ok()
    }

    /// All locations: of the libraries for their elements, of the inventory for the shelf.
    fn locations(&self) -> Places {
        let mut locations = Places::new();
        for library in self.site().libraries() {
            for (barcode, location) in library.locations() {
                assert!(locations.insert(barcode.to_string(), location).is_none(), "{barcode} is in two places");
            }
        }
        for (barcode, entry) in self.site().inventory() {
            if matches!(entry.location, Location::Shelf(_)) {
                let before = locations.insert(barcode.clone(), entry.location);
                assert!(before.is_none(), "{barcode} is on the shelf and in a library");
            }
        }
        locations
    }
}

fn address(bytes: &mut Vec<u8>, address: u16) {
    bytes.extend(address.to_be_bytes());
}

/// The effect of a successful move on the locations.
fn moved(locations: &mut Places, library: &str, from: u16, to: u16) {
    if from == to {
        return;
    }
    let at = |location: &Location| matches!(location, Location::Element { library: l, address, .. } if l == library && *address == from);
    let entry = locations.values_mut().find(|location| at(location)).unwrap();
    let Location::Element { source, .. } = entry.clone() else { panic!("outside") };
    let storage = if library == "two" { 0x1000..0x1003 } else { 1000..1004 };
    let source = if storage.contains(&from) { Some(from) } else { source };
    *entry = Location::Element { library: library.into(), address: to, source, by_operator: false };
}

const NAMES: [&str; 5] = ["A1L8", "A2L8", "A3L8", "B1L8", "B2L8"];
const LIBRARIES: [&str; 2] = ["main", "two"];

/// A robot operation that a host requests. The model follows if it succeeds.
fn apply_host_move(world: &TestSite, locations: &mut Places, op: &Op) {
    match op {
        Op::Move(library, from, to) => {
            let (from, to) = (ELEMENTS[*library][*from], ELEMENTS[*library][*to]);
            let mut cdb = vec![0xa5, 0, 0, 0];
            address(&mut cdb, from);
            address(&mut cdb, to);
            cdb.extend([0; 4]);
            if world.ask(*library, &cdb) {
                moved(locations, LIBRARIES[*library], from, to);
            }
        }
        Op::Exchange(library, from, to, away) => {
            let [from, to, away] = [from, to, away].map(|at| ELEMENTS[*library][*at]);
            let mut cdb = vec![0xa6, 0, 0, 0];
            [from, to, away].into_iter().for_each(|at| address(&mut cdb, at));
            cdb.extend([0; 2]);
            let good = world.ask(*library, &cdb);
            assert!(*library == 0 || !good, "a Scalar exchanges");
            if good {
                exchanged(locations, from, to, away);
            }
        }
        _ => panic!("{op:?} moves nothing"),
    }
}

/// The effect of an exchange on the locations.
fn exchanged(locations: &mut Places, from: u16, to: u16, away: u16) {
    const AIR: u16 = 0xffff;
    if from == to {
        return moved(locations, "main", to, away);
    }
    moved(locations, "main", to, AIR);
    moved(locations, "main", from, to);
    let displaced =
        locations.values_mut().find(|location| matches!(location, Location::Element { address: AIR, .. })).unwrap();
    let Location::Element { address, .. } = displaced else { unreachable!() };
    *address = away;
}

/// An operator action.
fn apply_operator_action(world: &TestSite, locations: &mut Places, op: &Op) {
    let here = |library: usize| Arc::clone(&world.site().libraries()[library]);
    match op {
        Op::Import(library, to, name) => {
            let to = ELEMENTS[*library][*to];
            if here(*library).import(ElementAddress(to), &Barcode::new(NAMES[*name]).unwrap()).is_ok() {
                let library = LIBRARIES[*library].into();
                let location = Location::Element { library, address: to, source: None, by_operator: true };
                assert_eq!(locations.insert(NAMES[*name].into(), location), Some(Location::Shelf("vault".into())));
            }
        }
        Op::Export(library, from) => {
            if let Ok(barcode) = here(*library).export(ElementAddress(ELEMENTS[*library][*from])) {
                locations.insert(barcode.to_string(), Location::Shelf("vault".into()));
            }
        }
        Op::Reserve(library, on) => drop(world.run(*library, 1, 0, &[if *on { 0x16 } else { 0x17 }, 0, 0, 0, 0, 0])),
        Op::Prevent(library, on) => drop(world.run(*library, 1, 0, &[0x1e, 0, 0, 0, u8::from(*on), 0])),
        Op::PreventDrive(on) => drop(world.run(0, 1, 1, &[0x1e, 0, 0, 0, u8::from(*on), 0])),
        Op::Door(library, open) => drop(here(*library).operate(|changer| changer.set_access_door(*open))),
        Op::Station(library, open) => drop(here(*library).operate(|changer| changer.set_io_station(*open))),
        Op::Online(library, online) => here(*library).changer(|changer| changer.set_online(*online)),
        Op::InjectFault(library, failure) => {
            let _accepted = here(*library).changer(|changer| changer.inject_fault(*failure));
        }
        _ => panic!("{op:?} is not an operator's"),
    }
}

/// A disk that fails during a move: the move stays done in the libraries, and is stored with the next change.
fn fail_disk(world: &TestSite, at: u64) -> Places {
    world.disk.fail_at(Some(world.disk.calls() + at), io::ErrorKind::StorageFull);
    let _ = world.site().libraries()[0].move_medium(ElementAddress(1000), ElementAddress(1003));
    world.disk.fail_at(None, io::ErrorKind::Other);
    for online in [false, true] {
        world.site().libraries()[0].changer(|changer| changer.set_online(online));
    }
    world.locations()
}

/// Power loss during a move: all acknowledged changes are present, and the move is done or not.
fn lose_power(world: &mut TestSite, outcome: u8) -> Places {
    let before = world.locations();
    let files = world.disk.start_recording();
    let _ = world.site().libraries()[0].move_medium(ElementAddress(1001), ElementAddress(1002));
    let history = world.disk.history(files);
    let after = world.locations();
    world.hosts.clear();
    drop(world.site.take());
    let moment = usize::from(outcome) * history.crash_points() / 256;
    reopen(world, &history, moment, FATES[usize::from(outcome) % 3]);
    let actual = world.locations();
    assert!(actual == before || actual == after, "{actual:?} is neither {before:?} nor {after:?}");
    actual
}

const FATES: [CrashOutcome; 3] = [CrashOutcome::Written, CrashOutcome::Dropped, CrashOutcome::Torn];

fn reopen(world: &mut TestSite, history: &CallHistory, moment: usize, outcome: CrashOutcome) {
    world.disk = history.crash(moment, &vec![outcome; history.unsynced_changes(moment)]);
    world.open();
}

/// A complete cycle of a cartridge, through a drive and the import/export element to the shelf and back, with a power
/// loss at each write and each synchronisation.
#[test]
fn power_loss_never_duplicates_a_cartridge() {
    const STEPS: [fn(&Site); 5] = [
        |site| site.libraries()[0].move_medium(ElementAddress(1000), ElementAddress(500)).unwrap(),
        |site| site.libraries()[0].move_medium(ElementAddress(500), ElementAddress(10)).unwrap(),
        |site| drop(site.libraries()[0].export(ElementAddress(10)).unwrap()),
        |site| site.libraries()[1].import(ElementAddress(0x10), &Barcode::new("A1L8").unwrap()).unwrap(),
        |site| site.libraries()[1].move_medium(ElementAddress(0x10), ElementAddress(0x1002)).unwrap(),
    ];
    let mut world = TestSite::new();
    for step in STEPS {
        let before = world.locations();
        let files = world.disk.start_recording();
        step(world.site());
        let history = world.disk.history(files);
        let after = world.locations();
        assert_ne!(before, after);
        for moment in 0..history.crash_points() {
            for outcome in FATES {
                world.hosts.clear();
                drop(world.site.take());
                reopen(&mut world, &history, moment, outcome);
                let actual = world.locations();
                let done = moment + 1 == history.crash_points();
                assert!(actual == after || !done && actual == before, "at {moment}, {outcome:?}: {actual:?}");
            }
        }
    }
}

fn play(ops: Vec<Op>) {
    let mut world = TestSite::new();
    let mut locations = world.locations();
    for op in ops {
        let before = locations.clone();
        match &op {
            Op::Move(..) | Op::Exchange(..) => apply_host_move(&world, &mut locations, &op),
            Op::DiskFails(at) => locations = fail_disk(&world, *at),
            Op::PowerLoss(outcome) => locations = lose_power(&mut world, *outcome),
            Op::Restart => {
                world.site().shut_down().unwrap();
                world.hosts.clear();
                drop(world.site.take());
                world.open();
            }
            _ => apply_operator_action(&world, &mut locations, &op),
        }
        assert_eq!(world.locations(), locations, "{op:?} after {before:?}");
        let stored: Places = world.site().inventory().into_iter().map(|(name, entry)| (name, entry.location)).collect();
        assert_eq!(stored, locations, "{op:?}: the inventory");
        assert_eq!(locations.keys().map(String::as_str).collect::<Vec<_>>(), NAMES, "{op:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn cartridges_match_model(ops in prop::collection::vec(op(), 1..80)) {
        play(ops);
    }
}
