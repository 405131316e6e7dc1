//! Several machines with the same tape, one at a time.

use super::*;

#[test]
fn a_tape_written_on_one_machine_is_read_and_overwritten_on_another() {
    let (store, a, b) = (Arc::new(InMemory::new()), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (first, second) = (machine("a", &store, a.path()), machine("b", &store, b.path()));
    first.create();
    let all: Vec<_> = (0..40).map(|number| block(number, 50_000)).collect();
    let mut tape = first.load();
    all.iter().for_each(|bytes| append(tape.as_mut(), bytes).unwrap());
    tape.close().unwrap();
    drop(tape);
    assert_eq!(first.folders.monitor().unshelved_bytes(), 0);
    assert!(second.blocks(60_000) == all);

    // The second machine overwrites from block 7 on. The first one still has the former files.
    let mut tape = second.load();
    assert!(tape.locate(0, 7).unwrap());
    append(tape.as_mut(), &block(99, 70_000)).unwrap();
    tape.append_filemark().unwrap();
    tape.close().unwrap();
    drop(tape);
    let mut expected = all[..7].to_vec();
    expected.push(block(99, 70_000));
    assert!(first.blocks(80_000) == expected);
    assert!(second.blocks(80_000) == expected);
    assert_eq!(first.tapes.list().unwrap(), [barcode()]);
}

#[test]
fn one_machine_at_a_time_has_the_tape() {
    let (store, a, b) = (Arc::new(InMemory::new()), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (first, second) = (machine("a", &store, a.path()), machine("b", &store, b.path()));
    first.create();
    let tape = first.load();
    let in_use = |machine: &Machine| matches!(machine.cartridge().open(), Err(StoreError::InUse));
    assert!(in_use(&first) && in_use(&second));
    // A reader without the tape reads the newest manifest.
    assert!(second.cartridge().mam().is_ok());
    drop(tape);
    drop(second.load());
}

#[test]
fn after_a_takeover_nothing_is_accepted_and_local_data_is_kept_aside() {
    let (store, a, b) = (Arc::new(InMemory::new()), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    // No heartbeat in the time of this test.
    let silent = MachineSetup { beat: Duration::from_secs(60), ..MachineSetup::default() };
    let first = machine_with("a", Arc::clone(&store) as _, a.path(), &silent);
    first.create();
    let mut tape = first.load();
    append(tape.as_mut(), &block(1, 100_000)).unwrap();
    tape.sync().unwrap();
    let second = machine("b", &store, b.path());
    let mut taken = second.load();
    assert!(taken.locate(0, 1).unwrap());

    append(tape.as_mut(), &block(2, 100_000)).unwrap();
    let owner = |result: Result<(), StoreError>| match result {
        Err(StoreError::TakenOver { owner }) => owner,
        other => panic!("{other:?}"),
    };
    assert_eq!(owner(tape.sync()), "b");
    let error = append(tape.as_mut(), &block(3, 100_000)).and_then(|()| tape.sync());
    assert_eq!(owner(error), "b");
    let mut into = vec![0; 100_000];
    let read = tape.locate(0, 0).and_then(|_| tape.read(&mut [IoSliceMut::new(&mut into)]));
    assert_eq!(owner(read.map(drop)), "b");
    drop(tape);

    append(taken.as_mut(), &block(4, 100_000)).unwrap();
    taken.close().unwrap();
    drop(taken);
    let expected = [block(1, 100_000), block(4, 100_000)];
    assert!(second.blocks(100_000) == expected && first.blocks(100_000) == expected);
    let aside = std::fs::read_dir(a.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert!(aside.filter(|name| name.starts_with("V00001L8.unshelved-")).count() == 1);
}

#[test]
fn local_files_never_continue_the_tape_of_another_daemon() {
    let (store, a, b) = (Arc::new(InMemory::new()), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let silent = MachineSetup { beat: Duration::from_secs(60), ..MachineSetup::default() };
    let local = MachineSetup { durability: Durability::Local, ..silent };
    let first = machine_with("a", Arc::clone(&store) as _, a.path(), &local);
    first.create();
    let mut tape = first.load();
    (0..3).for_each(|number| append(tape.as_mut(), &block(number, 100_000)).unwrap());
    tape.sync().unwrap();
    let crashed = copied(a.path());
    std::mem::forget((first, tape));
    let second = machine("b", &store, b.path());
    let mut tape = second.load();
    (7..9).for_each(|number| append(tape.as_mut(), &block(number, 100_000)).unwrap());
    tape.close().unwrap();
    drop(tape);
    let expected = [block(7, 100_000), block(8, 100_000)];
    // The first machine is interrupted again, after each number of requests of its next taking.
    for requests in 0..20 {
        let (store, directory) = (Arc::new(store.fork()), copied(crashed.path()));
        let connection = Connection::new(&store);
        connection.fail_from(requests);
        let again = machine_with("a", Arc::clone(&connection) as _, directory.path(), &MachineSetup::default());
        drop(again.folders.access.acquire(BARCODE));
        connection.fail_from(0);
        drop(again);
        assert!(machine("a", &store, directory.path()).blocks(100_000) == expected, "{requests} requests");
        let names = std::fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name());
        assert_eq!(names.filter(|name| name.to_string_lossy().contains(".unshelved-")).count(), 1);
    }
}

#[test]
fn a_cartridge_is_shown_while_it_is_being_taken_and_a_failing_store_is_named() {
    let (store, a, b) = (Arc::new(InMemory::new()), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let first = machine("a", &store, a.path());
    first.create();
    let mut tape = first.load();
    append(tape.as_mut(), &block(1, 100_000)).unwrap();
    tape.sync().unwrap();
    append(tape.as_mut(), &block(2, 200_000)).unwrap();
    tape.drain().unwrap();
    let unshelved = first.folders.monitor().unshelved();
    assert!(unshelved.len() == 1 && unshelved[0].barcode == BARCODE, "{unshelved:?}");
    assert!((200_000..210_000).contains(&unshelved[0].bytes), "{unshelved:?}");
    std::mem::forget((first, tape));

    // The second machine waits for heartbeats of the first one, which has ended as far as it sees.
    let connection = Connection::new(&store);
    let slow = MachineSetup { beat: Duration::from_millis(700), ..MachineSetup::default() };
    let second = machine_with("b", Arc::clone(&connection) as _, b.path(), &slow);
    std::thread::scope(|scope| {
        let loading = scope.spawn(|| second.cartridge().open().map(drop));
        let requests = || connection.requests.load(Ordering::SeqCst);
        while requests() < 8 {
            std::thread::yield_now();
        }
        assert!(second.cartridge().mam().is_ok());
        assert_eq!(second.folders.monitor().unshelved(), []);
        assert!(!loading.is_finished());
        let _ = loading.join().unwrap();
    });
    assert_eq!(second.folders.monitor().failure(), None);
    connection.fail_from(0);
    second.folders.access.recent.forget(BARCODE);
    assert!(second.tapes.find(&barcode()).is_err());
    let failure = second.folders.monitor().failure().unwrap();
    assert!(failure.error.contains("no connection") && failure.failing_for < Duration::from_secs(60), "{failure:?}");
    connection.fail_from(u64::MAX);
    assert!(second.tapes.find(&barcode()).is_ok());
    assert_eq!(second.folders.monitor().failure(), None);
}

#[test]
fn a_machine_does_not_wait_for_a_lease_that_it_could_not_use() {
    let (store, a) = (Arc::new(InMemory::new()), tempfile::tempdir().unwrap());
    machine("a", &store, a.path()).create();
    let cut = |succeed: u64| {
        let (store, directory) = (Arc::new(store.fork()), tempfile::tempdir().unwrap());
        let connection = Connection::new(&store);
        // A machine that waits for heartbeats waits for minutes here.
        let setup = MachineSetup { beat: Duration::from_secs(60), ..MachineSetup::default() };
        let first = machine_with("a", Arc::clone(&connection) as _, directory.path(), &setup);
        connection.fail_from(succeed);
        let was_cut = first.folders.access.acquire(BARCODE).is_err();
        connection.fail_from(u64::MAX);
        let start = Instant::now();
        assert!(first.folders.access.acquire(BARCODE).is_ok(), "request {succeed}");
        assert!(start.elapsed() < Duration::from_secs(60), "request {succeed}");
        was_cut
    };
    let requests = (0..).find(|succeed| !cut(*succeed)).unwrap();
    assert!(requests > 4, "{requests} requests");
}
