use super::*;
use crate::bay::{BayName, BayStatus};
use crate::element::Range;
use proptest::prelude::*;
use std::sync::{Arc, Mutex};
use tape_store::backend::Folder;
use tape_store::backend::memory::MemoryFolder;
use tape_store::cartridge::{Kind, Refused};
use tape_store::media::LTO_8;

/// A drive that is nothing but its door.
#[derive(Default)]
struct TestBay {
    inside: Option<Cartridge>,
    locked: Arc<Mutex<bool>>,
    refuses: bool,
}

impl Bay for TestBay {
    fn name(&self) -> BayName {
        BayName::default()
    }

    fn status(&self) -> BayStatus {
        BayStatus { barcode: self.inside.as_ref().map(|inside| inside.barcode().clone()), ..BayStatus::default() }
    }

    fn locked(&self) -> bool {
        self.inside.is_some() && *self.locked.lock().unwrap()
    }

    fn set_online(&mut self, _online: bool) {}

    fn insert(&mut self, cartridge: Cartridge, _now: Now) -> Result<(), Box<Refused>> {
        if self.refuses {
            return Err(Box::new(Refused { cartridge, why: "broken" }));
        }
        self.inside = Some(cartridge);
        Ok(())
    }

    fn remove(&mut self, _now: Now) -> Result<Cartridge, WhyNot> {
        if *self.locked.lock().unwrap() {
            return Err(WhyNot::Prevented);
        }
        self.inside.take().ok_or(WhyNot::Empty)
    }
}

fn cartridge(name: &str) -> Cartridge {
    let open = || Ok(Box::new(MemoryFolder::default()) as Box<dyn Folder>);
    Cartridge::new(Barcode::new(name).unwrap(), &LTO_8, Kind::Data, 1 << 20, Box::new(open))
}

/// Slots 100 to 104 (A and B in the first two), import/export 10 and 11, drives 50, 51, and 52 which takes nothing.
fn library() -> (Library, Arc<Mutex<bool>>) {
    let range = |first, count| Range { first, count };
    let layout =
        Layout { transport: range(0, 1), storage: range(100, 5), import_export: range(10, 2), drives: range(50, 3) };
    let lock = Arc::new(Mutex::new(false));
    let locked = TestBay { locked: Arc::clone(&lock), ..TestBay::default() };
    let broken = TestBay { refuses: true, ..TestBay::default() };
    let mut library = Library::new(
        layout,
        crate::profile::STK_L700.capabilities,
        vec![Box::new(locked), Box::new(TestBay::default()), Box::new(broken)],
    );
    for (address, name) in [(100, "A"), (101, "B")] {
        library
            .put(Address(address), cartridge(name), Origin::default(), Now::default())
            .map_err(|(why, _)| why)
            .unwrap();
    }
    (library, lock)
}

fn at(library: &Library, address: u16) -> Option<String> {
    library.content(Address(address)).map(|content| content.barcode.to_string())
}

fn go(library: &mut Library, source: u16, destination: u16) -> Result<(), MoveError> {
    library.move_medium(Address(source), Address(destination), Now::default())
}

#[test]
fn moves_and_refusals() {
    let (mut library, lock) = library();
    assert_eq!(go(&mut library, 102, 50), Err(MoveError::SourceEmpty));
    assert_eq!(go(&mut library, 100, 101), Err(MoveError::DestinationFull));
    assert_eq!(go(&mut library, 100, 77), Err(MoveError::NoElement(Address(77))));
    assert_eq!(go(&mut library, 100, 0), Err(MoveError::NoElement(Address(0))));
    assert_eq!(go(&mut library, 100, 100), Ok(()));
    assert_eq!(go(&mut library, 100, 52), Err(MoveError::DriveRefused));
    assert_eq!(at(&library, 100).as_deref(), Some("A"));
    go(&mut library, 100, 50).unwrap();
    assert_eq!(library.content(Address(50)).unwrap().source, Some(Address(100)));
    *lock.lock().unwrap() = true;
    assert_eq!(go(&mut library, 50, 10), Err(MoveError::Prevented));
    *lock.lock().unwrap() = false;
    go(&mut library, 50, 10).unwrap();
    assert_eq!(at(&library, 10).as_deref(), Some("A"));
    assert_eq!(library.content(Address(10)).unwrap().source, Some(Address(100)));
}

#[test]
fn exchanges() {
    let (mut library, _) = library();
    go(&mut library, 100, 50).unwrap();
    library.exchange(Address(101), Address(50), Address(100), Now::default()).unwrap();
    assert_eq!((at(&library, 50).as_deref(), at(&library, 100).as_deref()), (Some("B"), Some("A")));
    library.exchange(Address(100), Address(50), Address(100), Now::default()).unwrap();
    assert_eq!((at(&library, 50).as_deref(), at(&library, 100).as_deref()), (Some("A"), Some("B")));
}

/// Whatever of the robot fails, and when: both cartridges are where they were.
#[test]
fn exchanges_that_fail() {
    let all = [Failure::Pick, Failure::Place, Failure::Load, Failure::Unload];
    for (source, first, second) in [(101, 50, 102), (101, 50, 101), (50, 101, 51), (50, 101, 50), (50, 101, 102)] {
        for failure in all {
            let (mut library, _) = library();
            go(&mut library, 100, 50).unwrap();
            let before = library.places();
            library.fail_next(failure);
            let [a, b, c] = [source, first, second].map(Address);
            if library.exchange(a, b, c, Now::default()).is_err() {
                assert_eq!(library.places(), before, "{source} {first} {second} {failure:?}");
            } else {
                assert_eq!(library.count(), 2);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_cartridge_is_ever_lost_or_copied(moves in prop::collection::vec((0..12_usize, 0..12_usize, 0..12_usize, any::<bool>(), any::<bool>(), 0..8_usize), 1..60)) {
        const PLACES: [u16; 12] = [100, 101, 102, 103, 104, 10, 11, 50, 51, 52, 0, 999];
        let (mut library, lock) = library();
        for (a, b, c, exchange, locked, failure) in moves {
            let failures = [Failure::Pick, Failure::Place, Failure::Load, Failure::Unload];
            failures.get(failure).into_iter().for_each(|failure| library.fail_next(*failure));
            *lock.lock().unwrap() = locked;
            let [a, b, c] = [a, b, c].map(|at| Address(PLACES[at]));
            let _ = if exchange { library.exchange(a, b, c, Now::default()) } else { library.move_medium(a, b, Now::default()) };
            let mut names: Vec<_> = library.places().iter().map(|place| place.barcode.to_string()).collect();
            names.sort();
            prop_assert_eq!(names, ["A", "B"]);
            let places: BTreeSet<_> = library.places().iter().map(|place| place.address).collect();
            prop_assert_eq!(places.len(), 2);
        }
    }
}
