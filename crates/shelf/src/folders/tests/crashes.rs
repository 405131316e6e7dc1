//! Machines that stop, and commits in the background.

use super::*;

#[test]
fn what_was_synchronised_locally_survives_a_crash_and_is_shelved_at_the_next_start() {
    let (store, a, b) = (Arc::new(InMemory::new()), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let setup =
        MachineSetup { durability: Durability::Local, beat: Duration::from_secs(60), ..MachineSetup::default() };
    let first = machine_with("a", Arc::clone(&store) as _, a.path(), &setup);
    first.create();
    let mut tape = first.load();
    append(tape.as_mut(), &block(1, 200_000)).unwrap();
    tape.close().unwrap();
    drop(tape);
    let mut tape = first.load();
    assert!(tape.locate(0, 1).unwrap());
    append(tape.as_mut(), &block(2, 300_000)).unwrap();
    tape.sync().unwrap();
    assert!(first.folders.monitor().unshelved_bytes() >= 300_000);
    let crashed = copied(a.path());
    std::mem::forget((first, tape));

    // The first start ends before the store responds to anything.
    let dead = Connection::new(&store);
    dead.fail_from(3);
    drop(machine_with("a", dead, crashed.path(), &MachineSetup::default()));
    let restarted = machine("a", &store, crashed.path());
    assert!(restarted.blocks(400_000) == [block(1, 200_000), block(2, 300_000)]);
    assert!(machine("b", &store, b.path()).blocks(400_000) == [block(1, 200_000), block(2, 300_000)]);
}

/// Writes a script of records on a tape: after each step, the tape has the numbers in `written`. Returns the numbers of the last
/// state that was acknowledged, and of the states after it.
fn run_script(machine: &Machine) -> (Vec<u64>, Vec<Vec<u64>>) {
    let (mut acknowledged, mut later) = (Vec::new(), Vec::new());
    let _ = (|| -> Result<(), StoreError> {
        let mut written: Vec<u64> = Vec::new();
        for load in 0..2_u64 {
            let mut tape = machine.tapes.find(&barcode())?.open()?.0;
            for step in 0..3_u64 {
                // Each step overwrites the last record of the step before.
                written.truncate(written.len().saturating_sub(1));
                tape.locate(0, written.len() as u64)?;
                for record in 0..3 {
                    let number = load * 100 + step * 10 + record;
                    append(tape.as_mut(), &block(number, 90_000))?;
                    written.push(number);
                    later.push(written.clone());
                }
                tape.sync()?;
                (acknowledged, later) = (written.clone(), Vec::new());
            }
            tape.close()?;
        }
        Ok(())
    })();
    (acknowledged, later)
}

/// As [`run_script`] with local durability: after the last step of each load, what was synchronised is committed, as a task does in the
/// background. Returns the states that were synchronised, and how many of these states the shelf has for certain.
fn run_local_script(machine: &Machine) -> (Vec<Vec<u64>>, usize) {
    let (mut synchronised, mut shelved) = (vec![Vec::new()], 0);
    let _ = (|| -> Result<(), StoreError> {
        let mut written: Vec<u64> = Vec::new();
        for load in 0..2_u64 {
            let mut tape = machine.tapes.find(&barcode())?.open()?.0;
            for step in 0..4_u64 {
                written.truncate(written.len().saturating_sub(1));
                tape.locate(0, written.len() as u64)?;
                for record in 0..3 {
                    let number = load * 100 + step * 10 + record;
                    append(tape.as_mut(), &block(number, 90_000))?;
                    written.push(number);
                }
                tape.sync()?;
                synchronised.push(written.clone());
                // What follows is on the tape only, and is not committed.
                append(tape.as_mut(), &block(7, 50_000))?;
                tape.drain()?;
                let cartridge = machine.folders.access.slot(BARCODE).cartridge().unwrap();
                if step != 1 && cartridge.commit_pending().map_err(|_| StoreError::InUse)? {
                    shelved = synchronised.len();
                }
                tape.locate(0, written.len() as u64)?;
                tape.truncate()?;
            }
            tape.close()?;
            shelved = synchronised.len();
        }
        Ok(())
    })();
    (synchronised, shelved)
}

#[test]
fn a_commit_in_the_background_is_a_state_that_was_synchronised() {
    let script = |fails_from: u64| {
        let (store, a, b) = (Arc::new(InMemory::new()), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        machine("c", &store, b.path()).create();
        let connection = Connection::new(&store);
        let setup = MachineSetup { durability: Durability::Local, ..MachineSetup::default() };
        let first = machine_with("a", Arc::clone(&connection) as _, a.path(), &setup);
        connection.requests.store(0, Ordering::SeqCst);
        connection.fail_from(fails_from);
        let (synchronised, shelved) = run_local_script(&first);
        let (requests, crashed) = (connection.requests.load(Ordering::SeqCst), copied(a.path()));
        connection.fail_from(0);
        drop(first);
        let bytes = |numbers: &Vec<u64>| numbers.iter().map(|number| block(*number, 90_000)).collect::<Vec<_>>();
        let states: Vec<_> = synchronised.iter().map(bytes).collect();
        // The machine is lost: the shelf has one of the states, and not one before the last commit.
        let store_of_other = Arc::new(store.fork());
        let seen = machine("b", &store_of_other, b.path()).blocks(90_000);
        let first_allowed = shelved.saturating_sub(1);
        assert!(states[first_allowed..].contains(&seen), "request {fails_from}: {} of {shelved}", seen.len());
        // The machine starts again: it has the last state that was synchronised, and what was written after it.
        let continued = machine("a", &store, crashed.path()).blocks(90_000);
        let last = states.last().unwrap();
        assert!(continued.starts_with(last) && continued.len() <= last.len() + 3, "request {fails_from}");
        requests
    };
    let all = script(u64::MAX);
    assert!(all > 30, "{all} requests");
    let next = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some(fails_from) = Some(next.fetch_add(1, Ordering::Relaxed)).filter(|next| *next < all) {
                    script(fails_from);
                }
            });
        }
    });
}

#[test]
fn another_machine_has_what_was_committed_in_the_background() {
    let (store, a, b) = (Arc::new(InMemory::new()), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let setup = MachineSetup {
        durability: Durability::Local,
        background: (Duration::from_millis(200), Duration::from_millis(20)),
        beat: Duration::from_secs(60),
        ..MachineSetup::default()
    };
    let first = machine_with("a", Arc::clone(&store) as _, a.path(), &setup);
    first.create();
    let mut tape = first.load();
    let version =
        || first.folders.access.runtime.block_on(first.folders.access.shelf.newest(BARCODE)).unwrap().unwrap().version;
    let before = version();
    let wait = |past: u64| {
        while version() <= past {
            std::thread::yield_now();
        }
    };
    append(tape.as_mut(), &block(1, 200_000)).unwrap();
    tape.sync().unwrap();
    wait(before);
    assert_eq!(first.folders.monitor().unshelved(), []);
    append(tape.as_mut(), &block(2, 200_000)).unwrap();
    tape.sync().unwrap();
    // A tape that is written without a pause is committed, too: the state of the synchronisation, not that of the moment.
    let (between, mut number) = (version(), 10);
    while version() == between {
        append(tape.as_mut(), &block(number, 20_000)).unwrap();
        tape.drain().unwrap();
        number += 1;
    }
    std::mem::forget((first, tape));
    assert!(machine("b", &store, b.path()).blocks(200_000) == [block(1, 200_000), block(2, 200_000)]);
}

#[test]
fn a_machine_that_stops_at_any_request_loses_nothing_that_was_acknowledged() {
    let script = |fails_from: u64| {
        let (store, a, b) = (Arc::new(InMemory::new()), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        machine("c", &store, b.path()).create();
        let connection = Connection::new(&store);
        let first = machine_with("a", Arc::clone(&connection) as _, a.path(), &MachineSetup::default());
        connection.requests.store(0, Ordering::SeqCst);
        connection.fail_from(fails_from);
        let (acknowledged, later) = run_script(&first);
        let (requests, crashed) = (connection.requests.load(Ordering::SeqCst), copied(a.path()));
        connection.fail_from(0);
        drop(first);
        // The other machine sees the last acknowledged state, or a later one.
        let blocks = |machine: &Machine| machine.blocks(90_000);
        let bytes = |numbers: &Vec<u64>| numbers.iter().map(|number| block(*number, 90_000)).collect::<Vec<_>>();
        let allowed: Vec<_> = std::iter::once(&acknowledged).chain(&later).map(bytes).collect();
        let other = copied(b.path());
        let seen = blocks(&machine("b", &store, other.path()));
        assert!(allowed.contains(&seen), "request {fails_from}: {} of {}", seen.len(), acknowledged.len());
        // The machine itself continues: the other one has not changed the tape. From then on, both see the same.
        let continued = blocks(&machine("a", &store, crashed.path()));
        assert!(allowed.contains(&continued) && continued.len() >= acknowledged.len(), "request {fails_from}");
        assert!(blocks(&machine("b", &store, other.path())) == continued, "request {fails_from}");
        requests
    };
    let all = script(u64::MAX);
    // Two loads, each with three commits and a release.
    assert!(all > 30, "{all} requests");
    let next = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    let fails_from = next.fetch_add(1, Ordering::Relaxed);
                    if fails_from >= all {
                        return;
                    }
                    script(fails_from);
                }
            });
        }
    });
}

#[test]
fn a_small_file_that_has_grown_long_is_not_shelved_as_its_former_state() {
    let (store, a, b) = (Arc::new(InMemory::new()), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let setup = MachineSetup { durability: Durability::Local, ..MachineSetup::default() };
    let first = machine_with("a", Arc::clone(&store) as _, a.path(), &setup);
    first.create();
    let mut tape = first.load();
    append(tape.as_mut(), &block(1, 10_000)).unwrap();
    tape.sync().unwrap();
    assert!(tape.locate(0, 0).unwrap());
    append(tape.as_mut(), &block(2, 90_000)).unwrap();
    tape.drain().unwrap();
    let cartridge = first.folders.access.slot(BARCODE).cartridge().unwrap();
    cartridge.commit_pending().unwrap();
    drop(cartridge);
    append(tape.as_mut(), &block(3, 90_000)).unwrap();
    tape.close().unwrap();
    drop(tape);
    let expected = [block(2, 90_000), block(3, 90_000)];
    assert!(machine("b", &store, b.path()).blocks(90_000) == expected);
    assert!(first.blocks(90_000) == expected);
}

#[test]
fn the_error_of_a_local_file_that_was_truncated_names_the_file() {
    let (store, a) = (Arc::new(InMemory::new()), tempfile::tempdir().unwrap());
    let machine = machine("a", &store, a.path());
    machine.create();
    let mut tape = machine.load();
    append(tape.as_mut(), &block(1, 200_000)).unwrap();
    let file = std::fs::OpenOptions::new().write(true).open(a.path().join(BARCODE).join("files/data.0")).unwrap();
    file.set_len(70_000).unwrap();
    let error = machine.folders.access.slot(BARCODE).cartridge().unwrap().commit().unwrap_err().to_string();
    assert_eq!(error, "local file data.0: failed to fill whole buffer");
}

#[test]
fn the_cache_keeps_the_bytes_that_the_record_on_the_disk_counts_as_local() {
    const LEN: usize = 1_000_000;
    let (store, a, b) = (Arc::new(InMemory::new()), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let all: Vec<_> = (0..50).map(|number| block(number, LEN)).collect();
    let other = machine("b", &store, b.path());
    other.create();
    let mut tape = other.load();
    all[..40].iter().for_each(|bytes| append(tape.as_mut(), bytes).unwrap());
    tape.close().unwrap();
    drop((tape, other));
    let setup = MachineSetup { cache: 20 << 20, ..MachineSetup::default() };
    let connection = Connection::new(&store);
    let machine = machine_with("a", Arc::clone(&connection) as _, a.path(), &setup);
    let mut tape = machine.load();
    assert!(tape.locate(0, 40).unwrap());
    append(tape.as_mut(), &all[40]).unwrap();
    tape.drain().unwrap();
    // The manifest of the next commit exists, but the record cannot be replaced.
    let record = a.path().join(BARCODE).join("record");
    let before = std::fs::read(&record).unwrap();
    std::fs::remove_file(&record).unwrap();
    std::fs::create_dir_all(record.join("full")).unwrap();
    all[41..].iter().for_each(|bytes| append(tape.as_mut(), bytes).unwrap());
    assert!(tape.sync().is_err());
    // The reads that follow need the whole cache.
    assert!(tape.locate(0, 0).unwrap());
    for expected in &all[..30] {
        let mut into = vec![0; LEN];
        tape.read(&mut [IoSliceMut::new(&mut into)]).unwrap();
        assert!(into == *expected);
    }
    let crashed = copied(a.path());
    connection.fail_from(0);
    drop((tape, machine));
    let record = crashed.path().join(BARCODE).join("record");
    std::fs::remove_dir_all(&record).unwrap();
    std::fs::write(&record, before).unwrap();
    let machine = machine_with("a", Arc::clone(&store) as _, crashed.path(), &setup);
    assert!(machine.blocks(LEN) == all);
    // The machine puts the same bytes on the shelf.
    drop(machine);
    let other = tempfile::tempdir().unwrap();
    assert!(super::machine("b", &store, other.path()).blocks(LEN) == all);
}
