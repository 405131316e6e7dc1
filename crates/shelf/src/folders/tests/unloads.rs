//! Unloads, and releases for which no host waits.

use super::*;

#[test]
fn an_unload_that_does_not_wait_leaves_the_cartridge_to_this_machine_until_it_is_shelved() {
    for durability in [Durability::Local, Durability::Remote] {
        let (store, a, b) = (Arc::new(InMemory::new()), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let connection = Connection::new(&store);
        let setup = MachineSetup { durability, unload: Unload::Later, ..MachineSetup::default() };
        let first = machine_with("a", Arc::clone(&connection) as _, a.path(), &setup);
        first.create();
        let second = machine_with("b", Arc::clone(&store) as _, b.path(), &MachineSetup::default());
        let shelved = || {
            while first.folders.access.slot(BARCODE).cartridge().is_some() {
                std::thread::yield_now();
            }
        };
        shelved();
        connection.refuses_segments.store(true, Ordering::SeqCst);
        for number in 1..3 {
            let mut tape = first.load();
            assert!(tape.locate(0, number - 1).unwrap());
            append(tape.as_mut(), &block(number, 200_000)).unwrap();
            tape.close().unwrap();
            drop(tape);
            let unshelved = first.folders.monitor().unshelved_bytes();
            assert!(unshelved >= number * 200_000, "{unshelved}");
            assert!(matches!(second.cartridge().open(), Err(StoreError::InUse)));
        }
        connection.refuses_segments.store(false, Ordering::SeqCst);
        shelved();
        assert_eq!(first.folders.monitor().unshelved(), []);
        assert!(second.blocks(200_000) == [block(1, 200_000), block(2, 200_000)]);
        assert!(first.blocks(200_000) == [block(1, 200_000), block(2, 200_000)]);
    }
}

/// The upload after an unload takes long, and a drive loads the cartridge again meanwhile.
#[test]
fn a_cartridge_that_is_loaded_during_its_release_is_not_released() {
    let (store, a, b) = (Arc::new(InMemory::new()), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let connection = Connection::new(&store);
    let setup = MachineSetup { durability: Durability::Local, unload: Unload::Later, ..MachineSetup::default() };
    let first = machine_with("a", Arc::clone(&connection) as _, a.path(), &setup);
    first.create();
    let second = machine_with("b", Arc::clone(&store) as _, b.path(), &MachineSetup::default());
    let mut tape = first.load();
    append(tape.as_mut(), &block(1, 200_000)).unwrap();
    connection.holds_segments.store(true, Ordering::SeqCst);
    tape.close().unwrap();
    drop(tape);
    while connection.held.load(Ordering::SeqCst) == 0 {
        std::thread::yield_now();
    }
    let mut tape = first.load();
    connection.holds_segments.store(false, Ordering::SeqCst);
    while first.folders.monitor().unshelved_bytes() > 0 {
        std::thread::yield_now();
    }
    // The thread that releases has ended.
    assert!(first.folders.access.slot(BARCODE).release());
    assert!(matches!(second.cartridge().open(), Err(StoreError::InUse)));
    assert!(tape.locate(0, 1).unwrap());
    append(tape.as_mut(), &block(2, 200_000)).unwrap();
    tape.close().unwrap();
    drop(tape);
    first.folders.flush().unwrap();
    assert!(second.blocks(200_000) == [block(1, 200_000), block(2, 200_000)]);
}

#[test]
fn the_stop_of_a_machine_names_the_cartridges_that_are_not_shelved() {
    let (store, a) = (Arc::new(InMemory::new()), tempfile::tempdir().unwrap());
    let connection = Connection::new(&store);
    let setup = MachineSetup { unload: Unload::Later, ..MachineSetup::default() };
    let first = machine_with("a", Arc::clone(&connection) as _, a.path(), &setup);
    first.create();
    connection.refuses_segments.store(true, Ordering::SeqCst);
    let mut tape = first.load();
    append(tape.as_mut(), &block(1, 200_000)).unwrap();
    tape.close().unwrap();
    drop(tape);
    first.folders.stop();
    let error = first.folders.flush().unwrap_err().to_string();
    assert!(
        error.starts_with("cartridge V00001L8: 2") && error.ends_with(" bytes are not on its shelf yet"),
        "{error}"
    );
    connection.refuses_segments.store(false, Ordering::SeqCst);
    first.folders.flush().unwrap();
}

/// One upload takes long: others do not wait for it.
#[test]
fn several_cartridges_are_released_at_the_same_time() {
    let (store, a) = (Arc::new(InMemory::new()), tempfile::tempdir().unwrap());
    let connection = Connection::new(&store);
    let setup = MachineSetup { durability: Durability::Local, unload: Unload::Later, ..MachineSetup::default() };
    let machine = machine_with("a", Arc::clone(&connection) as _, a.path(), &setup);
    let barcodes = [1, 2, 3].map(|number| Barcode::new(&format!("V{number:05}L8")).unwrap());
    for barcode in &barcodes {
        machine.tapes.create(barcode, &NewCartridge::data(&LTO_8).with_capacity(1 << 30)).unwrap();
    }
    while machine.folders.monitor().unshelved_bytes() > 0 {
        std::thread::yield_now();
    }
    connection.holds_segments.store(true, Ordering::SeqCst);
    for barcode in &barcodes {
        let mut tape = machine.tapes.find(barcode).unwrap().open().unwrap().0;
        append(tape.as_mut(), &block(1, 200_000)).unwrap();
        tape.close().unwrap();
    }
    replication::wait_until(|| connection.held.load(Ordering::SeqCst) == 3);
    connection.holds_segments.store(false, Ordering::SeqCst);
    replication::wait_until(|| machine.folders.monitor().unshelved_bytes() == 0);
}
