//! Retained cartridges on a shelf whose store locks objects.

use super::replication::wait_until;
use super::*;
use crate::Manifest;
use crate::object_lock::{Sent, SignedRequest, SignedRequests, SignedResponse};
use std::collections::BTreeSet;
use tape_store::mam::{AttrId, Mam};

/// The year 2100, and a later time, in seconds since 1970.
const YEAR_2100: u64 = 4_102_444_800;
const LATER: u64 = YEAR_2100 + 86_400;

/// The locks of a store in memory.
#[derive(Debug)]
pub(super) struct Locks {
    store: Arc<InMemory>,
    retained: Mutex<BTreeMap<String, String>>,
    held: Mutex<BTreeSet<String>>,
    /// The objects of all requests, in their order, with the subresource.
    requests: Mutex<Vec<(String, &'static str)>>,
    /// Objects with this in their names are not locked.
    refused: Mutex<Option<&'static str>>,
    /// Whether the store denies a lock that is as long as the lock that the object has.
    refuses_later: Mutex<bool>,
    /// The clock of the store.
    date: Mutex<&'static str>,
    /// Objects are locked in this mode until this time when they are created.
    default: Mutex<Option<(&'static str, &'static str)>>,
}

fn element<'a>(text: &'a str, name: &str) -> &'a str {
    text.split_once(&format!("<{name}>")).unwrap().1.split_once('<').unwrap().0
}

impl Locks {
    fn new(store: &Arc<InMemory>) -> Arc<Self> {
        Arc::new(Self {
            store: Arc::clone(store),
            retained: Mutex::default(),
            held: Mutex::default(),
            requests: Mutex::default(),
            refused: Mutex::default(),
            refuses_later: Mutex::default(),
            date: Mutex::new("Mon, 30 Nov 2026 19:18:57 GMT"),
            default: Mutex::default(),
        })
    }

    fn respond(&self, object: &str, request: &SignedRequest) -> (u16, String) {
        let error = |status, code: &str| (status, format!("<Error><Code>{code}</Code><Message>no</Message></Error>"));
        if lock(&self.refused).is_some_and(|refused| object.contains(refused)) {
            return error(403, "AccessDenied");
        }
        let locked = lock(&self.retained).get(object).map(|until| ("COMPLIANCE", until.clone()));
        let former = locked.or(lock(&self.default).map(|(mode, until)| (mode, until.to_owned())));
        match (request.method, request.query) {
            ("GET", "retention") => match former {
                Some((mode, until)) => {
                    let text = format!("<Mode>{mode}</Mode><RetainUntilDate>{until}</RetainUntilDate>");
                    (200, format!("<Retention>{text}</Retention>"))
                }
                None => error(404, "NoSuchObjectLockConfiguration"),
            },
            ("PUT", "retention") => {
                assert_eq!(element(&request.body, "Mode"), "COMPLIANCE");
                let until = element(&request.body, "RetainUntilDate").to_owned();
                let now = lock(&self.date).split(' ').nth(3).unwrap().to_owned();
                if until < now {
                    return error(400, "InvalidRequest");
                }
                if former.is_some_and(|(_, former)| former > until || (*lock(&self.refuses_later) && former == until)) {
                    return error(403, "AccessDenied");
                }
                lock(&self.retained).insert(object.to_owned(), until);
                (200, String::new())
            }
            ("PUT", "legal-hold") => {
                match element(&request.body, "Status") {
                    "ON" => lock(&self.held).insert(object.to_owned()),
                    "OFF" => lock(&self.held).remove(object),
                    other => panic!("{other}"),
                };
                (200, String::new())
            }
            other => panic!("{other:?}"),
        }
    }

    fn take_requests(&self) -> Vec<(String, &'static str)> {
        std::mem::take(&mut lock(&self.requests))
    }
}

impl SignedRequests for Locks {
    fn send(&self, request: SignedRequest) -> Sent<'_> {
        Box::pin(async move {
            let object = request.object.clone().unwrap();
            // A lock is for an object that exists.
            object_store::ObjectStoreExt::head(self.store.as_ref(), &object).await?;
            lock(&self.requests).push((object.to_string(), request.query));
            let (status, body) = self.respond(object.as_ref(), &request);
            let date = Some((*lock(&self.date)).to_owned());
            Ok(SignedResponse { status, date, body, ..SignedResponse::default() })
        })
    }
}

/// The newest manifest, and the objects that it needs.
fn named(machine: &Machine) -> (Manifest, BTreeSet<String>) {
    let access = &machine.folders.access;
    let newest = access.runtime.block_on(access.shelf.newest(BARCODE)).unwrap().unwrap();
    let keys = crate::keys::CartridgeKeys::new(BARCODE);
    let segments = newest.content.segments().into_keys().map(|name| keys.segment(&name));
    let objects = segments.chain([keys.manifest(newest.version)]).map(|key| format!("site/{key}")).collect();
    (newest, objects)
}

fn retained(locks: &Locks, until: &str) -> BTreeSet<String> {
    lock(&locks.retained).iter().filter(|(_, time)| *time == until).map(|(object, _)| object.clone()).collect()
}

fn write(machine: &Machine, number: u64) {
    let mut tape = machine.load();
    tape.space_to_end().unwrap();
    append(tape.as_mut(), &block(number, 200_000)).unwrap();
    tape.close().unwrap();
}

#[test]
fn a_retention_locks_all_that_the_manifest_names_and_then_only_what_is_new() {
    let (store, a) = (Arc::new(InMemory::new()), tempfile::tempdir().unwrap());
    let locks = Locks::new(&store);
    let setup = MachineSetup { locks: Some(Arc::clone(&locks)), ..MachineSetup::default() };
    let machine = machine_with("a", Arc::clone(&store) as _, a.path(), &setup);
    machine.create();
    write(&machine, 1);
    assert_eq!(locks.take_requests(), [], "the cartridge is not retained");

    machine.cartridge().retain_until(YEAR_2100).unwrap();
    let (manifest, objects) = named(&machine);
    let protection = manifest.protection;
    assert_eq!((protection.retained_until, protection.in_store), (YEAR_2100, true));
    assert!(retained(&locks, "2100-01-01T00:00:00Z").is_superset(&objects), "{objects:?}");
    // The manifest is created after the store has locked what it names, and locked itself then.
    let requests = locks.take_requests();
    assert!(requests.len() >= 3 && requests.last().unwrap().0.contains("/m/"), "{requests:?}");

    // A load that changes nothing but the cartridge memory locks only what is new.
    write(&machine, 2);
    let (_, objects) = named(&machine);
    let requests = locks.take_requests();
    let asked: BTreeSet<String> = requests.iter().map(|(object, _)| object.clone()).collect();
    assert_eq!(asked.len(), requests.len(), "an object was locked twice: {requests:?}");
    let locked = retained(&locks, "2100-01-01T00:00:00Z");
    assert!(locked.is_superset(&objects) && !asked.is_superset(&objects), "{objects:?} {asked:?}");

    // A longer retention is for all, also for segments that former manifests share.
    machine.cartridge().retain_until(LATER).unwrap();
    let (manifest, objects) = named(&machine);
    assert_eq!(manifest.protection.retained_until, LATER);
    assert!(retained(&locks, "2100-01-02T00:00:00Z").is_superset(&objects));
    assert!(machine.cartridge().retain_until(YEAR_2100).is_err());
    assert!(machine.blocks(300_000) == [block(1, 200_000), block(2, 200_000)]);
}

#[test]
fn a_lock_that_the_store_refuses_is_an_error_and_is_made_good_later() {
    let (store, a) = (Arc::new(InMemory::new()), tempfile::tempdir().unwrap());
    let locks = Locks::new(&store);
    let setup = MachineSetup { locks: Some(Arc::clone(&locks)), ..MachineSetup::default() };
    let machine = machine_with("a", Arc::clone(&store) as _, a.path(), &setup);
    machine.create();
    write(&machine, 1);
    *lock(&locks.refused) = Some("/seg/");
    let before = named(&machine).0.version;
    let error = machine.cartridge().retain_until(YEAR_2100).unwrap_err().to_string();
    let expected = "the store denies it: until 2100-01-01T00:00:00Z: status 403, AccessDenied: no";
    assert!(error.contains("retaining ") && error.ends_with(expected), "{error}");
    let (manifest, _) = named(&machine);
    assert!(manifest.protection.is_none(), "a manifest says what does not hold: {before} {}", manifest.version);
    assert_eq!(machine.cartridge().mam().unwrap().number(AttrId::RETAINED_UNTIL), 0);
    *lock(&locks.refused) = None;
    machine.cartridge().retain_until(YEAR_2100).unwrap();
    let (manifest, objects) = named(&machine);
    assert!(manifest.protection.in_store && retained(&locks, "2100-01-01T00:00:00Z").is_superset(&objects));
}

/// The cartridge can be released, with what both had before, also if an unload does not wait for the store.
#[test]
fn a_protection_that_the_store_refuses_changes_nothing_and_the_cartridge_is_released() {
    for unload in [Unload::Wait, Unload::Later] {
        let store = Arc::new(InMemory::new());
        let [a, b] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        let locks = Locks::new(&store);
        let beat = Duration::from_millis(500);
        let setup = MachineSetup { locks: Some(Arc::clone(&locks)), unload, beat, ..MachineSetup::default() };
        let machine = machine_with("a", Arc::clone(&store) as _, a.path(), &setup);
        let other = machine_with("b", Arc::clone(&store) as _, b.path(), &setup);
        let is_released = || {
            wait_until(|| !machine.folders.is_taken(BARCODE) && other.cartridge().open().is_ok());
            wait_until(|| !other.folders.is_taken(BARCODE));
        };
        machine.create();
        write(&machine, 1);
        is_released();
        *lock(&locks.refused) = Some("/seg/");
        for number in 0..2 {
            let refused = match number {
                0 => machine.cartridge().retain_until(YEAR_2100),
                _ => machine.cartridge().set_legal_hold(true),
            };
            assert!(refused.unwrap_err().to_string().contains("the store denies it"));
            is_released();
            let mam = other.cartridge().mam().unwrap();
            assert_eq!((mam.number(AttrId::RETAINED_UNTIL), mam.is_held()), (0, false));
            assert!(named(&other).0.protection.is_none());
        }
        // Only the manifest itself is refused, after it was created: both record it.
        *lock(&locks.refused) = Some("/m/");
        assert!(machine.cartridge().retain_until(YEAR_2100).is_err());
        *lock(&locks.refused) = None;
        is_released();
        assert_eq!(other.cartridge().mam().unwrap().number(AttrId::RETAINED_UNTIL), YEAR_2100);
        assert_eq!(named(&other).0.protection.retained_until, YEAR_2100);
        assert!(retained(&locks, "2100-01-01T00:00:00Z").is_superset(&named(&other).1));
        // A release that is refused leaves the hold.
        machine.cartridge().set_legal_hold(true).unwrap();
        *lock(&locks.refused) = Some("/seg/");
        assert!(machine.cartridge().set_legal_hold(false).is_err());
        assert!(machine.cartridge().mam().unwrap().is_held());
        *lock(&locks.refused) = None;
        is_released();
        assert!(named(&other).0.protection.is_held && lock(&locks.held).is_superset(&named(&other).1));
    }
}

#[test]
fn a_release_that_the_store_denies_is_shown_and_tried_again() {
    let (store, a) = (Arc::new(InMemory::new()), tempfile::tempdir().unwrap());
    let locks = Locks::new(&store);
    let unload = Unload::Later;
    let setup = MachineSetup { locks: Some(Arc::clone(&locks)), unload, ..MachineSetup::default() };
    let machine = machine_with("a", Arc::clone(&store) as _, a.path(), &setup);
    machine.create();
    machine.cartridge().retain_until(YEAR_2100).unwrap();
    *lock(&locks.refused) = Some("/seg/");
    write(&machine, 1);
    let shown = || machine.folders.shelving().unreleased.get(BARCODE).cloned();
    wait_until(|| shown().is_some_and(|reason| reason.contains("the store denies it: until 2100-01-01T00:00:00Z")));
    *lock(&locks.refused) = None;
    wait_until(|| shown().is_none() && !machine.folders.is_taken(BARCODE));
    assert!(retained(&locks, "2100-01-01T00:00:00Z").is_superset(&named(&machine).1));
}

#[test]
fn longer_locks_of_the_bucket_and_ended_retentions_are_no_errors() {
    let (store, a) = (Arc::new(InMemory::new()), tempfile::tempdir().unwrap());
    let locks = Locks::new(&store);
    let setup = MachineSetup { locks: Some(Arc::clone(&locks)), ..MachineSetup::default() };
    let machine = machine_with("a", Arc::clone(&store) as _, a.path(), &setup);
    machine.create();
    *lock(&locks.default) = Some(("COMPLIANCE", "2200-01-01T00:00:00Z"));
    machine.cartridge().retain_until(YEAR_2100).unwrap();
    assert!(named(&machine).0.protection.in_store);
    // The retention ends.
    *lock(&locks.default) = None;
    *lock(&locks.date) = "Mon, 30 Nov 2101 19:18:57 GMT";
    write(&machine, 1);
    assert_eq!(lock(&locks.retained).len(), 0);
    assert!(machine.blocks(300_000) == [block(1, 200_000)]);
}

#[test]
fn cartridges_retained_before_the_shelf_used_locks_get_them_and_copies_keep_the_retention() {
    let (store, a, b) = (Arc::new(InMemory::new()), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let plain = machine("a", &store, a.path());
    plain.create();
    plain.cartridge().retain_until(YEAR_2100).unwrap();
    write(&plain, 1);
    assert_eq!((named(&plain).0.protection.retained_until, named(&plain).0.protection.in_store), (YEAR_2100, false));
    drop(plain);
    let locks = Locks::new(&store);
    let setup = MachineSetup { locks: Some(Arc::clone(&locks)), ..MachineSetup::default() };
    let machine = machine_with("a", Arc::clone(&store) as _, b.path(), &setup);
    drop(machine.load());
    let (manifest, objects) = named(&machine);
    assert!(manifest.protection.in_store && retained(&locks, "2100-01-01T00:00:00Z").is_superset(&objects));

    let access = &machine.folders.access;
    let options = ShelfOptions::new("copy").with_beat(Duration::from_millis(30));
    let target = Shelf::new(Arc::new(InMemory::new()), "site", options, entropy("copy")).unwrap();
    let mut keep_on = |_, _| std::ops::ControlFlow::Continue(());
    access.runtime.block_on(access.shelf.copy_cartridge(BARCODE, &target, &mut keep_on)).unwrap();
    let copy = access.runtime.block_on(target.newest(BARCODE)).unwrap().unwrap().protection;
    assert_eq!((copy.retained_until, copy.in_store), (YEAR_2100, false));
}

#[test]
fn a_legal_hold_is_set_for_all_that_the_manifest_names_and_released_for_all() {
    let (store, a) = (Arc::new(InMemory::new()), tempfile::tempdir().unwrap());
    let locks = Locks::new(&store);
    let setup =
        MachineSetup { locks: Some(Arc::clone(&locks)), keys: Some((1, Vec::new())), ..MachineSetup::default() };
    let machine = machine_with("a", Arc::clone(&store) as _, a.path(), &setup);
    machine.create();
    write(&machine, 1);
    machine.cartridge().set_legal_hold(true).unwrap();
    let (manifest, mut objects) = named(&machine);
    assert!(manifest.protection.is_held && manifest.protection.in_store);
    objects.insert(format!("site/{}", crate::keys::CartridgeKeys::new(BARCODE).key()));
    assert!(lock(&locks.held).is_superset(&objects), "{objects:?}");
    // Data that is appended is held, too.
    write(&machine, 2);
    assert!(lock(&locks.held).is_superset(&named(&machine).1));

    // An object whose hold cannot be released leaves the cartridge held.
    *lock(&locks.refused) = Some("/key");
    let error = machine.cartridge().set_legal_hold(false).unwrap_err().to_string();
    assert!(error.contains("releasing ") && error.contains("/key: the store denies it: "), "{error}");
    assert!(named(&machine).0.protection.is_held);
    *lock(&locks.refused) = None;
    machine.cartridge().set_legal_hold(false).unwrap();
    assert!(!named(&machine).0.protection.is_held);
    assert_eq!(*lock(&locks.held), BTreeSet::new());
    // A hold and a retention do not change each other.
    machine.cartridge().retain_until(YEAR_2100).unwrap();
    machine.cartridge().set_legal_hold(true).unwrap();
    machine.cartridge().set_legal_hold(false).unwrap();
    let (manifest, objects) = named(&machine);
    assert_eq!((manifest.protection.retained_until, manifest.protection.is_held), (YEAR_2100, false));
    assert!(retained(&locks, "2100-01-01T00:00:00Z").is_superset(&objects) && lock(&locks.held).is_empty());
}

/// The file with the cartridge memory, or its copy.
fn memory(machine: &Machine, name: &str) -> Vec<u8> {
    machine.folders.open(BARCODE).unwrap().read(name).unwrap().unwrap()
}

#[test]
fn only_a_memory_with_the_attribute_releases_the_legal_hold_of_the_shelf() {
    let (store, a) = (Arc::new(InMemory::new()), tempfile::tempdir().unwrap());
    let locks = Locks::new(&store);
    let setup = MachineSetup { locks: Some(Arc::clone(&locks)), ..MachineSetup::default() };
    let machine = machine_with("a", Arc::clone(&store) as _, a.path(), &setup);
    machine.create();
    write(&machine, 1);
    let former = [Mam::FILE, Mam::COPY].map(|name| (name, memory(&machine, name)));
    machine.cartridge().retain_until(YEAR_2100).unwrap();
    machine.cartridge().set_legal_hold(true).unwrap();
    // The memory is that of the time before.
    let mut folder = machine.folders.open(BARCODE).unwrap();
    folder.lock(false).unwrap();
    former.iter().for_each(|(name, bytes)| folder.replace(name, bytes).unwrap());
    folder.commit(CommitPoint::Unload).unwrap();
    drop(folder);
    let (manifest, objects) = named(&machine);
    assert!(manifest.protection.is_held && manifest.protection.in_store, "{:?}", manifest.protection);
    assert!(lock(&locks.held).is_superset(&objects));
    assert!(!machine.cartridge().mam().unwrap().is_held());

    // A drive refuses to overwrite, also after the unload.
    let tape = machine.load();
    for _ in 0..2 {
        let mam = machine.cartridge().mam().unwrap();
        assert_eq!((mam.is_held(), mam.number(AttrId::RETAINED_UNTIL)), (true, YEAR_2100));
        assert_eq!(machine.cartridge().write_protection(0).unwrap(), Some("cartridge is under a legal hold"));
    }
    drop(tape);
    assert_eq!(memory(&machine, Mam::FILE), memory(&machine, Mam::COPY));
    assert!(machine.cartridge().mam().unwrap().is_held() && named(&machine).0.protection.is_held);
    machine.cartridge().set_legal_hold(false).unwrap();
    assert!(!named(&machine).0.protection.is_held && lock(&locks.held).is_empty());
}

/// Archives the files of a folder as the state of the cartridge.
fn archive(machine: &Machine, text: &[u8]) -> Result<(), String> {
    use tape_store::backend::memory::MemoryFolderStore;
    let access = &machine.folders.access;
    let mut folder = MemoryFolderStore::default().create("files").unwrap();
    folder.replace("data.0", text).unwrap();
    access.runtime.block_on(async {
        let mut owned = access.shelf.take(BARCODE).await.unwrap();
        let former = owned.content().clone();
        let stored = owned.store_files(folder.as_mut(), &mut |_| {}).await;
        owned.release(stored.as_ref().unwrap_or(&former).clone()).await.unwrap();
        stored.map(drop).map_err(|error| error.to_string())
    })
}

#[test]
fn an_archive_does_not_replace_a_protected_cartridge() {
    let (store, a) = (Arc::new(InMemory::new()), tempfile::tempdir().unwrap());
    let locks = Locks::new(&store);
    let setup = MachineSetup { locks: Some(Arc::clone(&locks)), ..MachineSetup::default() };
    let machine = machine_with("a", Arc::clone(&store) as _, a.path(), &setup);
    machine.create();
    write(&machine, 1);
    machine.cartridge().set_legal_hold(true).unwrap();
    assert_eq!(archive(&machine, b"other"), Err(format!("cartridge {BARCODE} is under a legal hold")));
    assert!(machine.blocks(300_000) == [block(1, 200_000)]);
    machine.cartridge().retain_until(YEAR_2100).unwrap();
    machine.cartridge().set_legal_hold(false).unwrap();
    let error = archive(&machine, b"other").unwrap_err();
    assert_eq!(error, format!("cartridge {BARCODE} is retained until 2100-01-01T00:00:00Z"));
    assert!(machine.blocks(300_000) == [block(1, 200_000)]);
}

#[test]
fn a_longer_lock_that_can_be_shortened_gets_the_mode_in_which_it_cannot() {
    let (store, a) = (Arc::new(InMemory::new()), tempfile::tempdir().unwrap());
    let locks = Locks::new(&store);
    let setup = MachineSetup { locks: Some(Arc::clone(&locks)), ..MachineSetup::default() };
    let machine = machine_with("a", Arc::clone(&store) as _, a.path(), &setup);
    machine.create();
    write(&machine, 1);
    *lock(&locks.default) = Some(("GOVERNANCE", "2200-01-01T00:00:00Z"));
    machine.cartridge().retain_until(YEAR_2100).unwrap();
    let (manifest, objects) = named(&machine);
    assert!(manifest.protection.in_store && retained(&locks, "2200-01-01T00:00:00Z").is_superset(&objects));
    // The store denies this.
    *lock(&locks.default) = Some(("GOVERNANCE", "2300-01-01T00:00:00Z"));
    *lock(&locks.refuses_later) = true;
    let version = named(&machine).0.version;
    let error = machine.cartridge().retain_until(LATER).unwrap_err().to_string();
    let expected = "its lock until 2300-01-01T00:00:00Z can be shortened, and cannot be made a lock in compliance mode: \
        status 403, AccessDenied: no";
    assert!(error.ends_with(expected), "{error}");
    assert_eq!(named(&machine).0.protection.retained_until, YEAR_2100, "{version}");
}

#[test]
fn a_hold_after_an_interrupted_release_is_for_all_objects() {
    let (store, a) = (Arc::new(InMemory::new()), tempfile::tempdir().unwrap());
    let locks = Locks::new(&store);
    let setup =
        MachineSetup { locks: Some(Arc::clone(&locks)), keys: Some((1, Vec::new())), ..MachineSetup::default() };
    let machine = machine_with("a", Arc::clone(&store) as _, a.path(), &setup);
    machine.create();
    write(&machine, 1);
    machine.cartridge().set_legal_hold(true).unwrap();
    let (_, objects) = named(&machine);
    locks.take_requests();
    *lock(&locks.refused) = Some("/key");
    machine.cartridge().set_legal_hold(false).unwrap_err();
    assert!(!lock(&locks.held).is_superset(&objects), "nothing was released");
    let (manifest, _) = named(&machine);
    assert_eq!((manifest.protection.is_held, manifest.protection.in_store), (true, false));
    *lock(&locks.refused) = None;
    machine.cartridge().set_legal_hold(true).unwrap();
    let (manifest, mut objects) = named(&machine);
    objects.insert(format!("site/{}", crate::keys::CartridgeKeys::new(BARCODE).key()));
    assert_eq!((manifest.protection.is_held, manifest.protection.in_store), (true, true));
    assert!(lock(&locks.held).is_superset(&objects), "{objects:?}");
    machine.cartridge().set_legal_hold(false).unwrap();
    assert!(named(&machine).0.protection.is_none() && lock(&locks.held).is_empty());
}

#[test]
fn a_copy_of_the_same_state_is_locked_as_the_first_one_and_so_is_its_manifest() {
    let (store, a) = (Arc::new(InMemory::new()), tempfile::tempdir().unwrap());
    let machine = machine("a", &store, a.path());
    machine.create();
    write(&machine, 1);
    machine.cartridge().set_legal_hold(true).unwrap();
    let (access, target) = (&machine.folders.access, Arc::new(InMemory::new()));
    let locks = Locks::new(&target);
    let shelf = || {
        let options = ShelfOptions::new("copy").with_beat(Duration::from_millis(30));
        let shelf = Shelf::new(Arc::clone(&target) as _, "site", options, entropy("copy")).unwrap();
        Shelf { objects: shelf.objects.with_requests(Arc::clone(&locks) as _), ..shelf }
    };
    let copy = |to: &Shelf| {
        let mut keep_on = |_, _| std::ops::ControlFlow::Continue(());
        access
            .runtime
            .block_on(access.shelf.copy_cartridge(BARCODE, to, &mut keep_on))
            .map_err(|error| error.to_string())
    };
    copy(&shelf()).unwrap();
    assert_eq!(locks.take_requests(), []);
    // The shelf has locks now.
    let to = shelf().with_object_lock();
    *lock(&locks.refused) = Some("/m/");
    assert!(copy(&to).unwrap_err().contains("the store denies it"));
    *lock(&locks.refused) = None;
    copy(&to).unwrap();
    let newest = access.runtime.block_on(to.newest(BARCODE)).unwrap().unwrap();
    assert!(newest.protection.in_store);
    let keys = crate::keys::CartridgeKeys::new(BARCODE);
    let segments = newest.content.segments().into_keys().map(|name| keys.segment(&name));
    let objects = segments.chain([keys.manifest(newest.version)]).map(|key| format!("site/{key}")).collect();
    assert!(lock(&locks.held).is_superset(&objects), "{objects:?}");
}

#[test]
fn a_key_that_is_wrapped_is_locked_again() {
    let (store, a) = (Arc::new(InMemory::new()), tempfile::tempdir().unwrap());
    let locks = Locks::new(&store);
    let setup =
        MachineSetup { locks: Some(Arc::clone(&locks)), keys: Some((1, Vec::new())), ..MachineSetup::default() };
    let machine = machine_with("a", Arc::clone(&store) as _, a.path(), &setup);
    machine.create();
    write(&machine, 1);
    machine.cartridge().set_legal_hold(true).unwrap();
    locks.take_requests();
    let key = format!("site/{}", crate::keys::CartridgeKeys::new(BARCODE).key());
    let access = &machine.folders.access;
    access.runtime.block_on(async {
        let mut owned = access.shelf.take(BARCODE).await.unwrap();
        assert!(!owned.rewrap_key().await.unwrap());
        let content = owned.content().clone();
        owned.release(content).await.unwrap();
    });
    assert!(locks.take_requests().contains(&(key, "legal-hold")));
}

/// Its objects would stay in the store, and nothing would release their hold.
#[test]
fn a_cartridge_whose_objects_are_locked_is_not_moved_to_a_directory() {
    let (store, a, to) = (Arc::new(InMemory::new()), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let locks = Locks::new(&store);
    let setup = MachineSetup { locks: Some(Arc::clone(&locks)), ..MachineSetup::default() };
    let machine = machine_with("a", Arc::clone(&store) as _, a.path(), &setup);
    machine.create();
    write(&machine, 1);
    let directory = OsFolderStore::at_unchecked(to.path());
    let recall =
        || move_from_shelf(machine.folders.as_ref(), &directory, BARCODE, &mut |_| std::ops::ControlFlow::Continue(()));
    machine.cartridge().set_legal_hold(true).unwrap();
    let refused = |error: StoreError, expected: &str| {
        assert!(matches!(&error, StoreError::Protected { reason } if reason.starts_with(expected)), "{error}");
        assert_eq!(std::fs::read_dir(to.path()).unwrap().count(), 0);
    };
    refused(recall().unwrap_err(), "is under a legal hold");
    // Also after a release that has ended in part.
    *lock(&locks.refused) = Some("/seg/");
    assert!(machine.cartridge().set_legal_hold(false).is_err());
    refused(recall().unwrap_err(), "is under a legal hold");
    *lock(&locks.refused) = None;
    machine.cartridge().retain_until(YEAR_2100).unwrap();
    machine.cartridge().set_legal_hold(false).unwrap();
    refused(recall().unwrap_err(), "is retained until 2100-01-01T00:00:00Z");
    assert!(machine.blocks(300_000) == [block(1, 200_000)]);
    // Without a lock, it is moved, and its cartridge memory has the hold.
    let (store, b) = (Arc::new(InMemory::new()), tempfile::tempdir().unwrap());
    let machine = super::machine("b", &store, b.path());
    machine.create();
    machine.cartridge().set_legal_hold(true).unwrap();
    move_from_shelf(machine.folders.as_ref(), &directory, BARCODE, &mut |_| std::ops::ControlFlow::Continue(()))
        .unwrap();
    let recalled = TapeStore::new(Box::new(OsFolderStore::at_unchecked(to.path())));
    assert!(recalled.find(&barcode()).unwrap().mam().unwrap().is_held());
}

#[test]
fn a_protected_cartridge_is_not_removed() {
    let (store, a) = (Arc::new(InMemory::new()), tempfile::tempdir().unwrap());
    let machine = machine("a", &store, a.path());
    machine.create();
    write(&machine, 1);
    let former = [Mam::FILE, Mam::COPY].map(|name| (name, memory(&machine, name)));
    let removed = || machine.folders.remove(BARCODE).map_err(|error| error.to_string());
    machine.cartridge().set_legal_hold(true).unwrap();
    let held = Err("the cartridge is under a legal hold".to_owned());
    assert_eq!(removed(), held);
    // Also if the memory lacks the hold.
    let mut folder = machine.folders.open(BARCODE).unwrap();
    folder.lock(false).unwrap();
    former.iter().for_each(|(name, bytes)| folder.replace(name, bytes).unwrap());
    folder.commit(CommitPoint::Unload).unwrap();
    drop(folder);
    assert_eq!(removed(), held);
    assert!(machine.blocks(300_000) == [block(1, 200_000)]);
    machine.cartridge().set_legal_hold(false).unwrap();
    assert_eq!(removed(), Ok(()));
    assert_eq!(machine.folders.open(BARCODE).err().map(|error| error.kind()), Some(io::ErrorKind::NotFound));
}
