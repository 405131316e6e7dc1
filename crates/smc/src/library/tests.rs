//! Moves between elements: results, errors, robot faults and the state of source and destination.

use super::*;
use crate::bay::{BayName, BayStatus};
use crate::element::AddressRange;
use proptest::prelude::*;
use std::sync::{Arc, Mutex};
use tape_store::backend::Folder;
use tape_store::backend::memory::MemoryFolder;
use tape_store::cartridge::{CartridgeKind, InsertError};
use tape_store::media::LTO_8;

/// A drive bay without a drive.
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

    fn removal_prevented(&self) -> bool {
        self.inside.is_some() && *self.locked.lock().unwrap()
    }

    fn set_online(&mut self, _online: bool) {}

    fn insert(&mut self, cartridge: Cartridge, _now: Now) -> Result<(), Box<InsertError>> {
        if self.refuses {
            return Err(Box::new(InsertError { cartridge, reason: "broken" }));
        }
        self.inside = Some(cartridge);
        Ok(())
    }

    fn remove(&mut self, _now: Now) -> Result<Cartridge, RemoveError> {
        if *self.locked.lock().unwrap() {
            return Err(RemoveError::Prevented);
        }
        self.inside.take().ok_or(RemoveError::Empty)
    }
}

fn cartridge(name: &str) -> Cartridge {
    let open = || Ok(Box::new(MemoryFolder::default()) as Box<dyn Folder>);
    Cartridge::in_folder(Barcode::new(name).unwrap(), &LTO_8, CartridgeKind::Data, 1 << 20, Box::new(open))
}

/// Slots 100 to 104 (A and B in the first two), import/export elements 10 and 11, drives 50, 51, and 52, which rejects
/// cartridges.
fn library() -> (Library, Arc<Mutex<bool>>) {
    let range = |first, count| AddressRange { first, count };
    let layout = ElementLayout {
        transport: range(0, 1),
        storage: range(100, 5),
        import_export: range(10, 2),
        drives: range(50, 3),
    };
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
            .add_cartridge(ElementAddress(address), cartridge(name), SourceElement::default(), Now::default())
            .map_err(|(why, _)| why)
            .unwrap();
    }
    (library, lock)
}

fn at(library: &Library, address: u16) -> Option<String> {
    library.content(ElementAddress(address)).map(|content| content.barcode.to_string())
}

fn move_medium(library: &mut Library, source: u16, destination: u16) -> Result<(), MoveError> {
    library.move_medium(ElementAddress(source), ElementAddress(destination), Now::default())
}

#[test]
fn moves_succeed_or_return_the_error() {
    let (mut library, lock) = library();
    assert_eq!(move_medium(&mut library, 102, 50), Err(MoveError::SourceEmpty(ElementAddress(102))));
    assert_eq!(move_medium(&mut library, 100, 101), Err(MoveError::DestinationFull(ElementAddress(101))));
    assert_eq!(move_medium(&mut library, 100, 77), Err(MoveError::NoElement(ElementAddress(77))));
    assert_eq!(move_medium(&mut library, 100, 0), Err(MoveError::NoElement(ElementAddress(0))));
    assert_eq!(move_medium(&mut library, 100, 100), Ok(()));
    assert_eq!(move_medium(&mut library, 100, 52), Err(MoveError::DriveRefused(ElementAddress(52))));
    assert_eq!(at(&library, 100).as_deref(), Some("A"));
    move_medium(&mut library, 100, 50).unwrap();
    assert_eq!(library.content(ElementAddress(50)).unwrap().source, Some(ElementAddress(100)));
    *lock.lock().unwrap() = true;
    assert_eq!(move_medium(&mut library, 50, 10), Err(MoveError::Prevented(ElementAddress(50))));
    *lock.lock().unwrap() = false;
    move_medium(&mut library, 50, 10).unwrap();
    assert_eq!(at(&library, 10).as_deref(), Some("A"));
    assert_eq!(library.content(ElementAddress(10)).unwrap().source, Some(ElementAddress(100)));
}

/// Every error of a move and of an exchange names the element at which it occurs.
#[test]
fn errors_name_their_element() {
    let (mut library, lock) = library();
    let error = |result: Result<(), MoveError>| result.unwrap_err().to_string();
    let exchange = |library: &mut Library, [source, first, second]: [u16; 3]| {
        library.exchange(ElementAddress(source), ElementAddress(first), ElementAddress(second), Now::default())
    };
    assert_eq!(error(move_medium(&mut library, 102, 50)), "source element 102 is empty");
    assert_eq!(error(move_medium(&mut library, 100, 101)), "destination element 101 is full");
    assert_eq!(error(move_medium(&mut library, 100, 77)), "element 77 does not exist or cannot hold a cartridge");
    assert_eq!(error(move_medium(&mut library, 100, 52)), "the drive in element 52 rejects the cartridge");
    assert_eq!(error(exchange(&mut library, [100, 102, 100])), "source element 102 is empty");
    assert!(library.inject_fault(RobotFault::Place));
    assert_eq!(error(move_medium(&mut library, 100, 102)), "robot fault at element 102: place failed");
    move_medium(&mut library, 100, 50).unwrap();
    assert!(library.inject_fault(RobotFault::Unload));
    assert_eq!(error(move_medium(&mut library, 50, 10)), "robot fault at element 50: unload failed");
    *lock.lock().unwrap() = true;
    assert_eq!(
        error(exchange(&mut library, [101, 50, 102])),
        "a host prevents medium removal from the drive in element 50"
    );
    library.operator_state.station_open = true;
    assert_eq!(
        error(move_medium(&mut library, 101, 11)),
        "the robot cannot reach element 11 while the I/O station is open"
    );
    library.operator_state.element_faults.insert(ElementAddress(102), ElementFault::Blocked);
    assert_eq!(error(move_medium(&mut library, 101, 102)), "robot fault at element 102: pick failed");
    library.operator_state.element_faults.insert(ElementAddress(102), ElementFault::Disabled);
    assert_eq!(error(move_medium(&mut library, 101, 102)), "element 102 is disabled");
    library.capabilities = crate::profile::IBM_3573_TL.capabilities;
    assert_eq!(
        error(exchange(&mut library, [101, 50, 103])),
        "this model does not support a move from element 101 to element 50"
    );
}

#[test]
fn exchange_medium() {
    let (mut library, _) = library();
    move_medium(&mut library, 100, 50).unwrap();
    library.exchange(ElementAddress(101), ElementAddress(50), ElementAddress(100), Now::default()).unwrap();
    assert_eq!((at(&library, 50).as_deref(), at(&library, 100).as_deref()), (Some("B"), Some("A")));
    library.exchange(ElementAddress(100), ElementAddress(50), ElementAddress(100), Now::default()).unwrap();
    assert_eq!((at(&library, 50).as_deref(), at(&library, 100).as_deref()), (Some("A"), Some("B")));
}

/// Each robot fault, at each step of an exchange, leaves both cartridges in their elements.
#[test]
fn failed_exchange_leaves_cartridges_in_place() {
    let all = [RobotFault::Pick, RobotFault::Place, RobotFault::Load, RobotFault::Unload];
    for (source, first, second) in [(101, 50, 102), (101, 50, 101), (50, 101, 51), (50, 101, 50), (50, 101, 102)] {
        for fault in all {
            let (mut library, _) = library();
            move_medium(&mut library, 100, 50).unwrap();
            let before = library.locations();
            assert!(library.inject_fault(fault));
            let [a, b, c] = [source, first, second].map(ElementAddress);
            if library.exchange(a, b, c, Now::default()).is_err() {
                assert_eq!(library.locations(), before, "{source} {first} {second} {fault:?}");
            } else {
                assert_eq!(library.cartridge_count(), 2);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_cartridge_is_lost_or_duplicated(moves in prop::collection::vec((0..12_usize, 0..12_usize, 0..12_usize, any::<bool>(), any::<bool>(), 0..8_usize), 1..60)) {
        const PLACES: [u16; 12] = [100, 101, 102, 103, 104, 10, 11, 50, 51, 52, 0, 999];
        let (mut library, lock) = library();
        for (a, b, c, exchange, locked, fault) in moves {
            let faults = [RobotFault::Pick, RobotFault::Place, RobotFault::Load, RobotFault::Unload];
            faults.get(fault).into_iter().for_each(|fault| assert!(library.inject_fault(*fault)));
            *lock.lock().unwrap() = locked;
            let [a, b, c] = [a, b, c].map(|at| ElementAddress(PLACES[at]));
            let _ = if exchange { library.exchange(a, b, c, Now::default()) } else { library.move_medium(a, b, Now::default()) };
            let mut names: Vec<_> = library.locations().iter().map(|location| location.barcode.to_string()).collect();
            names.sort();
            prop_assert_eq!(names, ["A", "B"]);
            let locations: BTreeSet<_> = library.locations().iter().map(|location| location.address).collect();
            prop_assert_eq!(locations.len(), 2);
        }
    }
}
