//! Cartridges that move between a shelf and a directory.

use super::*;

/// The names of the files of the cartridge in a store; none without a folder.
fn files(store: &dyn FolderStore) -> Vec<String> {
    match store.open(BARCODE) {
        Ok(mut folder) => folder.list().unwrap(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => panic!("{error}"),
    }
}

fn move_cartridge(machine: &Machine, directory: &OsFolderStore, is_recall: bool) -> Result<(), StoreError> {
    let (shelf, mut keep_on) = (machine.folders.as_ref(), |_| std::ops::ControlFlow::Continue(()));
    if is_recall {
        move_from_shelf(shelf, directory, BARCODE, &mut keep_on)
    } else {
        move_to_shelf(directory, shelf, BARCODE, &mut keep_on)
    }
}

/// A move in which this number of requests succeeds before all others fail; then the machine is started again, and repeats it.
/// Returns whether a request has failed.
fn cut_move(is_recall: bool, succeed: u64) -> bool {
    let (store, home) = (Arc::new(InMemory::new()), tempfile::tempdir().unwrap());
    let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let directory = OsFolderStore::at(home.path()).unwrap();
    let other = machine("b", &store, b.path());
    let local = Machine { tapes: TapeStore::new(Box::new(OsFolderStore::at(home.path()).unwrap())), ..other };
    local.create();
    let all: Vec<_> = (0..4).map(|number| block(number, 90_000)).collect();
    let mut tape = local.load();
    all.iter().for_each(|bytes| append(tape.as_mut(), bytes).unwrap());
    tape.close().unwrap();
    drop(tape);
    let connection = Connection::new(&store);
    let first = machine_with("a", Arc::clone(&connection) as _, a.path(), &MachineSetup::default());
    if is_recall {
        move_cartridge(&first, &directory, false).unwrap();
        assert!(files(&directory).is_empty());
    }
    let limit = connection.requests.load(Ordering::SeqCst) + succeed;
    connection.fail_from(limit);
    let done = move_cartridge(&first, &directory, is_recall);
    let (was_cut, crashed) = (connection.requests.load(Ordering::SeqCst) > limit, copied(a.path()));
    connection.fail_from(0);
    drop(first);
    let restarted = machine("a", &store, crashed.path());
    let has_files = !files(&directory).is_empty();
    let found = if has_files { &local } else { &restarted };
    assert!(found.blocks(100_000) == all, "recall: {is_recall}, request {succeed}");
    if has_files != is_recall {
        move_cartridge(&restarted, &directory, is_recall).unwrap();
    }
    let (place, former) = (if is_recall { &local } else { &restarted }, files(restarted.folders.as_ref()));
    assert!(place.blocks(100_000) == all, "recall: {is_recall}, request {succeed}, after the next attempt");
    assert_eq!(files(&directory).is_empty(), !is_recall);
    // A recall whose last requests have failed leaves the former state on the shelf.
    assert!(!is_recall || former.is_empty() || (done.is_err() && has_files));
    assert!(was_cut || done.is_ok(), "recall: {is_recall}: {done:?}");
    was_cut
}

#[test]
fn a_cartridge_that_moves_while_requests_fail_is_in_one_place() {
    for is_recall in [false, true] {
        let requests = (0..).find(|succeed| !cut_move(is_recall, *succeed)).unwrap();
        assert!(requests > 5, "{requests} requests");
    }
}

#[test]
fn a_cartridge_that_was_moved_to_another_place_is_not_in_the_catalog() {
    let (store, directory) = (Arc::new(InMemory::new()), tempfile::tempdir().unwrap());
    let folders = machine("a", &store, directory.path()).folders;
    let shelf = folders.access.shelf.clone();
    folders.access.runtime.block_on(shelf.begin_catalog()).unwrap();
    let catalog = || {
        folders.flush().unwrap();
        folders.access.runtime.block_on(shelf.catalog()).unwrap().unwrap()
    };
    let mut folder = folders.create("V00009L8").unwrap();
    folder.open("mam").unwrap().write_at(0, &[io::IoSlice::new(b"memory")]).unwrap();
    folder.commit(CommitPoint::Copy).unwrap();
    assert_eq!(catalog(), ["V00009L8"]);
    // Its files are in another place now.
    folder.remove("mam").unwrap();
    folder.commit(CommitPoint::Copy).unwrap();
    assert_eq!(catalog(), Vec::<String>::new());
}
