//! When an operation of a tape may wait for the store.

use super::*;
use tape_store::medium::MediumOperation;

#[test]
fn appends_at_the_end_do_not_wait_for_the_store() {
    let (store, a) = (Arc::new(InMemory::new()), tempfile::tempdir().unwrap());
    let setup = MachineSetup { durability: Durability::Local, ..MachineSetup::default() };
    let machine = machine_with("a", Arc::clone(&store) as _, a.path(), &setup);
    machine.create();
    let mut tape = machine.load();
    let waits = |tape: &dyn Medium| tape.may_wait(MediumOperation::Append);
    append(tape.as_mut(), &block(0, 100)).unwrap();
    assert!(!waits(tape.as_ref()) && tape.may_wait(MediumOperation::Read));
    // The next append would remove a block.
    assert!(tape.locate(0, 0).unwrap());
    assert!(waits(tape.as_ref()));
    assert!(tape.locate(0, 1).unwrap());
    assert!(!waits(tape.as_ref()));
    tape.close().unwrap();
}
