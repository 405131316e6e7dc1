//! A shelf with a replica: copies after changes, and reads while one of the two stores does not respond.

use super::*;
use crate::keys::CartridgeKeys;
use futures_util::TryStreamExt;
use object_store::ObjectStoreExt;
use tape_store::backend::ReplicaLag;

const BLOCK: usize = 100_000;

/// A machine whose shelf and replica are in two stores.
struct Replicated {
    first: Arc<Connection>,
    replica: Arc<Connection>,
    stores: [Arc<InMemory>; 2],
    directory: tempfile::TempDir,
}

impl Replicated {
    fn new() -> Self {
        let stores = [Arc::new(InMemory::new()), Arc::new(InMemory::new())];
        let [first, replica] = stores.each_ref().map(Connection::new);
        Self { first, replica, stores, directory: tempfile::tempdir().unwrap() }
    }

    fn machine(&self, name: &str, directory: &Path) -> Machine {
        let setup = MachineSetup { replica: Some(Arc::clone(&self.replica) as _), ..MachineSetup::default() };
        machine_with(name, Arc::clone(&self.first) as _, directory, &setup)
    }

    /// A machine of the first shelf without its replica.
    fn start_alone(&self) -> Machine {
        machine_with("a", Arc::clone(&self.first) as _, self.directory.path(), &MachineSetup::default())
    }

    /// The cartridges that the second store has.
    fn copied(&self) -> Vec<String> {
        let other = tempfile::tempdir().unwrap();
        super::machine("b", &self.stores[1], other.path()).folders.list().unwrap()
    }

    fn start(&self) -> Machine {
        self.machine("a", self.directory.path())
    }
}

fn lag(machine: &Machine) -> ReplicaLag {
    machine.folders.shelving().replicas[0].1.clone()
}

#[expect(clippy::disallowed_methods, reason = "the copies are made by another thread")]
pub(super) fn wait_until(condition: impl Fn() -> bool) {
    let start = std::time::Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(60), "nothing happens");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn write(machine: &Machine, from: u64, count: u64) {
    let mut tape = machine.load();
    assert!(tape.locate(0, from).unwrap());
    (from..from + count).for_each(|number| append(tape.as_mut(), &block(number, BLOCK)).unwrap());
    tape.close().unwrap();
}

fn blocks(count: u64) -> Vec<Vec<u8>> {
    (0..count).map(|number| block(number, BLOCK)).collect()
}

#[test]
fn a_tape_is_copied_after_its_release_and_read_only_while_the_first_shelf_is_away() {
    let site = Replicated::new();
    let machine = site.start();
    machine.create();
    write(&machine, 0, 30);
    wait_until(|| lag(&machine) == ReplicaLag::default());
    // A machine with the second store only has it all.
    let other = tempfile::tempdir().unwrap();
    let second = super::machine("b", &site.stores[1], other.path());
    // A site with both shelves knows which one has the copy.
    let is_copied = |machine: &Machine| machine.folders.open(BARCODE).unwrap().is_copied();
    assert!(is_copied(&second) && !is_copied(&machine));
    assert!(second.blocks(BLOCK) == blocks(30));

    let third = tempfile::tempdir().unwrap();
    let machine = site.machine("c", third.path());
    site.first.fail_from(0);
    let mut cartridge = machine.cartridge();
    let (mut tape, _) = cartridge.open().unwrap();
    assert!(cartridge.is_read_only() && tape.read_only().is_some());
    assert!(tape.locate(0, 30).unwrap());
    assert!(matches!(append(tape.as_mut(), b"x"), Err(StoreError::ReadOnly(_))));
    let mam = cartridge.mam().unwrap();
    tape.close().unwrap();
    drop(tape);
    assert!(machine.blocks(BLOCK) == blocks(30));
    // Also when the store responds again: the files of before were a copy.
    site.first.fail_from(u64::MAX);
    assert!(matches!(cartridge.save_mam(&mam), Err(StoreError::ReadOnly(_))));
    wait_until(|| machine.cartridge().open().is_ok_and(|(tape, _)| tape.read_only().is_none()));
}

/// The state and the small files of the cartridge are still remembered, so that the first request that fails is that for the lease.
#[test]
fn a_tape_whose_state_is_remembered_is_loaded_from_the_replica() {
    let site = Replicated::new();
    let machine = site.start();
    machine.create();
    write(&machine, 0, 3);
    wait_until(|| lag(&machine) == ReplicaLag::default());
    machine.cartridge().mam().unwrap();
    site.first.fail_from(0);
    let mut cartridge = machine.cartridge();
    let (tape, _) = cartridge.open().unwrap();
    assert!(cartridge.is_read_only() && tape.read_only().is_some());
}

#[test]
fn a_loaded_tape_is_read_from_the_replica() {
    let site = Replicated::new();
    let machine = site.start();
    machine.create();
    write(&machine, 0, 60);
    wait_until(|| lag(&machine) == ReplicaLag::default());
    let other = tempfile::tempdir().unwrap();
    let machine = site.machine("b", other.path());
    let mut tape = machine.load();
    site.first.fail_from(0);
    for expected in blocks(60) {
        let mut into = vec![0; BLOCK];
        assert!(matches!(tape.read(&mut [IoSliceMut::new(&mut into)]).unwrap(), ReadOutcome::Block { .. }));
        assert!(into == expected);
    }
    append(tape.as_mut(), b"written").unwrap();
    assert!(tape.close().is_err(), "nothing can be committed");
    site.first.fail_from(u64::MAX);
}

#[test]
fn a_replica_that_is_away_is_behind_until_it_returns_also_after_a_restart() {
    let site = Replicated::new();
    site.replica.fail_from(0);
    let machine = site.start();
    machine.create();
    write(&machine, 0, 10);
    wait_until(|| !lag(&machine).failed.is_empty() && lag(&machine).folders == 1);
    let behind = lag(&machine);
    assert!(behind.folders == 1 && behind.bytes > 10 * BLOCK as u64, "{behind:?}");
    assert!(behind.failed[BARCODE].starts_with("target shelf: "), "{behind:?}");
    drop(machine);
    let machine = site.start();
    assert_eq!((lag(&machine).folders, lag(&machine).bytes), (1, behind.bytes));
    site.replica.fail_from(u64::MAX);
    wait_until(|| lag(&machine) == ReplicaLag::default());
    let other = tempfile::tempdir().unwrap();
    assert!(super::machine("b", &site.stores[1], other.path()).blocks(BLOCK) == blocks(10));
    // A change of the copy is not replaced.
    drop(machine);
    let other = tempfile::tempdir().unwrap();
    write(&super::machine("b", &site.stores[1], other.path()), 10, 1);
    let machine = site.start();
    write(&machine, 10, 2);
    wait_until(|| !lag(&machine).failed.is_empty());
    assert!(lag(&machine).failed[BARCODE].contains("another state of cartridge V00001L8"), "{:?}", lag(&machine));
    assert_eq!(machine.blocks(BLOCK).len(), 12);
}

const OTHERS: [&str; 5] = ["V00002L8", "V00003L8", "V00004L8", "V00005L8", "V00006L8"];

fn create(machine: &Machine, barcode: &str) {
    let barcode = Barcode::new(barcode).unwrap();
    machine.tapes.create(&barcode, &NewCartridge::data(&LTO_8).with_capacity(1 << 30)).unwrap();
}

fn shelf_of(name: &str, store: &Arc<InMemory>) -> Shelf {
    Shelf::new(Arc::clone(store) as _, "site", ShelfOptions::new(name), entropy(name)).unwrap()
}

/// Removes the objects of a cartridge.
fn remove_all(store: &Arc<InMemory>, barcode: &str) {
    let prefix = ObjectPath::from(format!("site/{}/{barcode}", CartridgeKeys::new(barcode).hash()));
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
        let listed: Vec<_> = store.list(Some(&prefix)).try_collect().await.unwrap();
        assert!(!listed.is_empty());
        for object in listed {
            store.delete(&object.location).await.unwrap();
        }
    });
}

#[test]
fn a_new_replica_gets_the_cartridges_that_are_on_the_shelf() {
    let site = Replicated::new();
    let machine = site.start_alone();
    machine.create();
    write(&machine, 0, 10);
    OTHERS.iter().for_each(|barcode| create(&machine, barcode));
    drop(machine);
    site.replica.fail_from(0);
    let machine = site.start();
    // Each is behind, also the cartridges that no copy has begun with.
    wait_until(|| lag(&machine).failed.len() == 1);
    assert_eq!(lag(&machine).folders, 6);
    site.replica.fail_from(u64::MAX);
    drop(machine);
    let machine = site.start();
    wait_until(|| lag(&machine) == ReplicaLag::default());
    assert_eq!(site.copied().len(), 6);
    let other = tempfile::tempdir().unwrap();
    assert!(super::machine("b", &site.stores[1], other.path()).blocks(BLOCK) == blocks(10));
    drop(machine);
    // Nothing is compared again, until the replica is another one.
    let before = site.replica.requests.load(Ordering::SeqCst);
    let machine = site.start();
    assert_eq!(lag(&machine), ReplicaLag::default());
    drop(machine);
    assert_eq!(site.replica.requests.load(Ordering::SeqCst), before);
    let store = Arc::new(InMemory::new());
    let replica = ReplicaSetup::new("replica", "another", shelf_of("a", &store));
    let setup = FoldersSetup::new(site.directory.path().into()).with_replica(replica);
    let folders = ShelfFolders::open(shelf_of("a", &site.stores[0]), setup).unwrap();
    wait_until(|| folders.shelving().replicas[0].1 == ReplicaLag::default());
    let other = tempfile::tempdir().unwrap();
    assert_eq!(super::machine("b", &store, other.path()).folders.list().unwrap().len(), 6);
}

#[test]
fn the_copy_of_present_cartridges_continues_after_a_restart() {
    let site = Replicated::new();
    let machine = site.start_alone();
    OTHERS.iter().for_each(|barcode| create(&machine, barcode));
    drop(machine);
    // The replica goes away after a part of the copies.
    site.replica.fail_from(40);
    let machine = site.start();
    wait_until(|| !lag(&machine).failed.is_empty());
    let behind = lag(&machine).folders;
    drop(machine);
    assert!((1..5).contains(&behind), "{behind}");
    // The first copy is removed behind its back: it is not looked at again.
    let hash = |barcode: &str| CartridgeKeys::new(barcode).hash().to_owned();
    let mut sorted = OTHERS.map(|barcode| (hash(barcode), barcode));
    sorted.sort();
    remove_all(&site.stores[1], sorted[0].1);
    site.replica.fail_from(u64::MAX);
    let machine = site.start();
    wait_until(|| lag(&machine) == ReplicaLag::default());
    let mut expected: Vec<_> = sorted[1..].iter().map(|(_, barcode)| (*barcode).to_owned()).collect();
    expected.sort();
    assert_eq!(site.copied(), expected);
}

/// The first replica has one cartridge, the second one the others. Then the rule is another one.
#[test]
fn each_cartridge_is_copied_to_the_replica_of_its_rule_and_read_from_there() {
    let site = Replicated::new();
    let [other, all] = [Arc::new(InMemory::new()), Arc::new(InMemory::new())];
    let open = |names: &'static [&'static str]| {
        let pool = ReplicaSetup::new("pool", names.join(" "), shelf_of("a", &other))
            .with_cartridges(Arc::new(move |barcode: &str| names.contains(&barcode)));
        let rest = ReplicaSetup::new("rest", names.join(" "), shelf_of("a", &all));
        let setup = FoldersSetup::new(site.directory.path().into()).with_replica(pool).with_replica(rest);
        let options = ShelfOptions::new("a").with_retry(RetryPolicy::new(2, Duration::from_millis(1)));
        let shelf = Shelf::new(Arc::clone(&site.first) as _, "site", options, entropy("a")).unwrap();
        let folders = Arc::new(ShelfFolders::open(shelf, setup).unwrap());
        Machine { tapes: TapeStore::new(Box::new(SharedFolders(Arc::clone(&folders)))), folders }
    };
    let names_on = |store: &Arc<InMemory>| {
        let directory = tempfile::tempdir().unwrap();
        super::machine("b", store, directory.path()).folders.list().unwrap()
    };
    let are_done = |machine: &Machine| machine.folders.shelving().replicas.iter().all(|(_, lag)| lag.folders == 0);
    let machine = open(&["V00002L8"]);
    machine.create();
    write(&machine, 0, 3);
    create(&machine, "V00002L8");
    wait_until(|| are_done(&machine));
    assert_eq!((names_on(&other), names_on(&all)), (vec!["V00002L8".into()], vec![BARCODE.to_owned()]));
    // Each is read from its replica.
    site.first.fail_from(0);
    let barcode = Barcode::new("V00002L8").unwrap();
    wait_until(|| machine.tapes.find(&barcode).is_ok_and(|mut tape| tape.open().is_ok() && tape.is_read_only()));
    assert!(machine.blocks(BLOCK) == blocks(3));
    assert_eq!(machine.folders.list().unwrap(), [BARCODE, "V00002L8"]);
    site.first.fail_from(u64::MAX);
    drop(machine);
    let machine = open(&["V00002L8", BARCODE]);
    wait_until(|| are_done(&machine));
    assert_eq!(names_on(&other), [BARCODE, "V00002L8"]);
}

#[test]
fn a_replica_that_was_not_configured_for_a_while_is_compared_again() {
    let site = Replicated::new();
    let machine = site.start();
    machine.create();
    write(&machine, 0, 5);
    wait_until(|| lag(&machine) == ReplicaLag::default());
    drop(machine);
    let machine = site.start_alone();
    write(&machine, 5, 5);
    drop(machine);
    let machine = site.start();
    wait_until(|| lag(&machine) == ReplicaLag::default());
    let other = tempfile::tempdir().unwrap();
    assert!(super::machine("b", &site.stores[1], other.path()).blocks(BLOCK) == blocks(10));
}

#[test]
fn a_new_replica_gets_a_cartridge_that_the_catalog_lacks() {
    let site = Replicated::new();
    let machine = site.start_alone();
    machine.create();
    drop(machine);
    let lacking = crate::CatalogChange { cartridges: [(BARCODE.to_owned(), false)].into() };
    let shelf = shelf_of("a", &site.stores[0]);
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
        shelf.rebuild_catalog(&mut |_| {}).await.unwrap();
        shelf.change_catalog(&lacking).await.unwrap();
        assert!(shelf.listed_barcodes().await.unwrap().is_empty());
    });
    let machine = site.start();
    wait_until(|| lag(&machine) == ReplicaLag::default());
    assert_eq!(site.copied(), [BARCODE]);
}
