//! Sites with cartridges on shelves on object storage: stores of folders in addition to the directory of cartridges.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "test code")]

mod common;

use common::barcode;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use tape_store::backend::memory::{MemoryFolder, MemoryFolderStore};
use tape_store::backend::{Backend, Folder, FolderProtection, FolderStore, ReplicaLag, Shelving, ThawProgress};
use tape_store::cartridge::Cartridge;
use tape_store::image::{PlainReader, write_to_cartridge};
use tape_store::media::LTO_8;
use tape_store::medium::Codec;
use tape_store::store::{NewCartridge, TapeStore};
use vtl::config::parse;
use vtl::control::{ControlRequest, ErrorCode};
use vtl::data_dir::{DataDir, mark_restored};
use vtl::host::Host;
use vtl::jobs::{JobState, JobStatus, Work};
use vtl::site::{OpenSite, Site};

const LIBRARY: &str = "[library]\nslots = 8\n[[cartridges]]\npattern = \"V0000#L8\"\ncount = 2\nsize = \"64MB\"\n";
const SHELVES: &str =
    "[[shelf]]\nname = \"a\"\nurl = \"s3://tapes/a\"\n[[shelf]]\nname = \"b\"\nurl = \"s3://tapes/b\"\n";

/// A store on which every operation fails while it is away, and waits while it is blocked. It counts the operations. The folder of
/// one cartridge may fail, too.
#[derive(Clone, Default)]
struct Store(
    MemoryFolderStore,
    Arc<AtomicBool>,
    Arc<Mutex<()>>,
    Arc<AtomicUsize>,
    Arc<Mutex<Option<&'static str>>>,
    Arc<AtomicBool>,
    Arc<AtomicBool>,
    Arc<Mutex<Option<FolderProtection>>>,
);

/// A folder whose files are a copy, because the store of the original does not respond, or that was copied from another store, or that
/// its store protects.
struct CopyFolder(Box<dyn Folder>, Copied, Option<FolderProtection>);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Copied {
    No,
    Now,
    Before,
}

impl CopyFolder {
    fn writable(&mut self) -> io::Result<&mut dyn Folder> {
        if self.is_read_only() { Err(io::ErrorKind::ReadOnlyFilesystem.into()) } else { Ok(self.0.as_mut()) }
    }
}

impl Folder for CopyFolder {
    fn lock(&mut self, shared: bool) -> io::Result<()> {
        self.0.lock(shared)
    }
    fn open_read_only(&mut self, name: &str) -> io::Result<Option<Box<dyn Backend>>> {
        self.0.open_read_only(name)
    }
    fn reopen(&mut self) -> io::Result<Box<dyn Folder>> {
        Ok(Box::new(Self(self.0.reopen()?, self.1, self.2.clone())))
    }
    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        self.writable()?.rename(from, to)
    }
    fn open(&mut self, name: &str) -> io::Result<Box<dyn Backend>> {
        self.0.open(name)
    }
    fn read(&mut self, name: &str) -> io::Result<Option<Vec<u8>>> {
        self.0.read(name)
    }
    fn replace(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.writable()?.replace(name, bytes)
    }
    fn remove(&mut self, name: &str) -> io::Result<()> {
        self.writable()?.remove(name)
    }
    fn list(&mut self) -> io::Result<Vec<String>> {
        self.0.list()
    }
    fn available(&mut self) -> Option<u64> {
        self.0.available()
    }
    fn is_read_only(&self) -> bool {
        self.1 == Copied::Now
    }
    fn is_copied(&self) -> bool {
        self.1 == Copied::Before
    }
    fn protection(&mut self) -> io::Result<Option<FolderProtection>> {
        Ok(self.2.clone())
    }
}

impl Store {
    fn reach(&self) -> io::Result<&MemoryFolderStore> {
        self.3.fetch_add(1, Ordering::Relaxed);
        let _blocked = self.2.lock().unwrap();
        if self.1.load(Ordering::Relaxed) { Err(io::ErrorKind::ConnectionRefused.into()) } else { Ok(&self.0) }
    }

    /// Lets all operations wait until the value is dropped.
    fn block(&self) -> MutexGuard<'_, ()> {
        self.2.lock().unwrap()
    }

    fn set_away(&self, away: bool) {
        self.1.store(away, Ordering::Relaxed);
    }

    /// Lets the folders be copies.
    fn set_copies(&self, copies: bool) {
        self.5.store(copies, Ordering::Relaxed);
    }

    /// Lets the store record that its folders are under a legal hold, and whether it denies the removal of their files itself.
    fn hold(&self, in_store: Option<bool>) {
        let reason = "is under a legal hold".to_owned();
        *self.7.lock().unwrap() = in_store.map(|in_store| FolderProtection { reason, in_store });
    }

    fn fail_for(&self, name: Option<&'static str>) {
        *self.4.lock().unwrap() = name;
    }

    /// The number of operations since the last call.
    fn take_calls(&self) -> usize {
        self.3.swap(0, Ordering::Relaxed)
    }

    /// The folders with files.
    fn names(&self) -> Vec<String> {
        let mut names = self.0.list().unwrap();
        names.retain(|name| !self.0.open(name).unwrap().list().unwrap().is_empty());
        names.sort();
        names
    }
}

impl FolderStore for Store {
    fn list(&self) -> io::Result<Vec<String>> {
        self.reach()?.list()
    }
    fn open(&self, name: &str) -> io::Result<Box<dyn Folder>> {
        let store = self.reach()?;
        if *self.4.lock().unwrap() == Some(name) {
            return Err(io::ErrorKind::TimedOut.into());
        }
        let folder = store.open(name)?;
        let copied = match (self.5.load(Ordering::Relaxed), self.6.load(Ordering::Relaxed)) {
            (true, _) => Copied::Now,
            (_, true) => Copied::Before,
            _ => Copied::No,
        };
        Ok(Box::new(CopyFolder(folder, copied, self.7.lock().unwrap().clone())))
    }
    fn create(&self, name: &str) -> io::Result<Box<dyn Folder>> {
        self.reach()?.create(name)
    }
    fn remove(&self, name: &str) -> io::Result<()> {
        self.reach()?.remove(name)
    }
    fn create_replacement(&self, name: &str) -> io::Result<Box<dyn Folder>> {
        self.reach()?.create_replacement(name)
    }
    fn replace(&self, name: &str) -> io::Result<()> {
        self.reach()?.replace(name)
    }
    fn remove_replacement(&self, name: &str) -> io::Result<()> {
        self.reach()?.remove_replacement(name)
    }
    fn shelving(&self) -> Shelving {
        // A shelf reports its error without a call.
        let error = self.1.load(Ordering::Relaxed).then(|| "connection refused".to_owned());
        let unshelved = [("V00001L8".to_owned(), 7), ("V00002L8".to_owned(), 0)].into();
        let failed = [("V00001L8".to_owned(), "no space".to_owned())].into();
        let lag = ReplicaLag { folders: 1, bytes: 2, seconds: 3, failed };
        let replicas = vec![("b".into(), lag.clone()), ("c".into(), lag)];
        let denied = |name: &str| (name.to_owned(), "denied".to_owned());
        let unreleased = [denied("V00001L8"), denied("V00000L8")].into();
        let thawing = [("V00001L8".into(), ThawProgress { ready: 1, objects: 2 })].into();
        Shelving { unshelved, unreleased, cached_bytes: 5, cache_bytes: 9, error, replicas, thawing }
    }
}

/// The storage of a site, which can be opened again.
#[derive(Clone, Default)]
struct Storage {
    directory: Store,
    state: MemoryFolder,
    a: Store,
    b: Store,
}

impl Storage {
    fn start(&self, text: &str) -> Result<OpenSite, String> {
        // Not in the order of the configuration, which decides.
        let data = DataDir::from_folders(Box::new(self.directory.clone()), Box::new(self.state.clone()))
            .with_shelf("b", Box::new(self.b.clone()))
            .with_shelf("a", Box::new(self.a.clone()));
        Site::open_data_dir(data, &parse("f", text).unwrap()).map_err(|error| error.to_string())
    }

    fn names(&self) -> [Vec<String>; 3] {
        [self.directory.names(), self.a.names(), self.b.names()]
    }
}

/// A cartridge of another site in a store, with data if it is not blank.
fn put(store: &Store, name: &str, blank: bool) {
    let store = TapeStore::new(Box::new(store.clone()));
    store.create(&barcode(name), &NewCartridge::data(&LTO_8).with_capacity(64 << 20)).unwrap();
    if !blank {
        write(&store, name);
    }
}

fn write(store: &TapeStore, name: &str) {
    let mut cartridge: Cartridge = store.find(&barcode(name)).unwrap();
    let mut data = PlainReader::new(&[7; 294_000][..], 1000);
    write_to_cartridge(&mut data, &mut cartridge, 0, false, Codec::NONE).unwrap();
}

/// Whether each cartridge of the site is blank; `None` for an unusable one.
fn blank(site: &Site) -> Vec<(String, Option<bool>)> {
    let all = site.cartridges().into_iter();
    all.map(|one| (one.cartridge, one.unusable.is_none().then_some(one.blank == Some(true)))).collect()
}

fn pairs<T: Copy>(pairs: &[(&str, T)]) -> Vec<(String, T)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect()
}

#[test]
fn new_cartridges_are_created_in_the_directory_or_on_the_named_shelf() {
    let storage = Storage::default();
    let pool = "[[pool]]\nname = \"p\"\npattern = \"P####L8\"\nsize = \"64MB\"\nscratch = 1\n";
    drop(storage.start(&format!("{LIBRARY}{SHELVES}")).unwrap());
    assert_eq!(storage.names(), [vec!["V00001L8", "V00002L8"], vec![], vec![]]);
    // Those of the directory stay there, and the others are created on the shelf: of the configuration, of a pool and of
    // an operator.
    let more = LIBRARY.replace("count = 2", "count = 3");
    let text = format!("{more}{pool}{SHELVES}[storage]\nnew_cartridges = \"b\"\n");
    let site = storage.start(&text).unwrap();
    let request = ControlRequest::Create { pool: "p".into(), count: 1 };
    site.control(&request).unwrap();
    let on_shelf = vec!["P0001L8", "P0002L8", "V00003L8"];
    assert_eq!(storage.names(), [vec!["V00001L8", "V00002L8"], vec![], on_shelf]);
    let all = ["P0001L8", "P0002L8", "V00001L8", "V00002L8", "V00003L8"].map(|name| (name, Some(true)));
    assert_eq!(blank(&site), pairs(&all));
}

#[test]
fn cartridges_are_found_in_the_directory_first_then_on_the_shelves_in_order() {
    let storage = Storage::default();
    put(&storage.a, "V00001L8", false);
    put(&storage.b, "V00001L8", true);
    put(&storage.b, "V00002L8", false);
    put(&storage.b, "V00003L8", true);
    // A new site uses cartridges of shelves; nothing is created in its directory.
    let site = storage.start(&format!("{LIBRARY}{SHELVES}")).unwrap();
    assert_eq!(blank(&site), pairs(&[("V00001L8", Some(false)), ("V00002L8", Some(false))]));
    // An operator imports one that the configuration does not list.
    let request = ControlRequest::Import { library: None, cartridge: "V00003L8".into(), to: None };
    site.control(&request).unwrap();
    assert_eq!(blank(&site)[2], ("V00003L8".to_owned(), Some(true)));
    assert_eq!(storage.names()[0], Vec::<String>::new());
    drop(site);
    let other = Storage { a: storage.a.clone(), b: storage.b.clone(), ..Storage::default() };
    put(&other.directory, "V00001L8", true);
    // The site has no state, and its directory has a cartridge: not another site by mistake.
    assert!(other.start(&format!("{LIBRARY}{SHELVES}")).err().unwrap().contains("remaining: 1 cartridges"));
    other.directory.0.remove("V00001L8").unwrap();
    drop(other.start(&format!("library = []\n{SHELVES}")).unwrap());
    put(&other.directory, "V00001L8", true);
    let site = other.start(&format!("{LIBRARY}{SHELVES}[storage]\nnew_cartridges = \"a\"\n")).unwrap();
    assert_eq!(blank(&site), pairs(&[("V00001L8", Some(true)), ("V00002L8", Some(false))]));
    assert_eq!(other.a.names(), ["V00001L8"], "none was created there");
}

#[test]
fn a_shelf_that_is_away_hides_no_other_and_nothing_is_created_meanwhile() {
    let storage = Storage::default();
    let text = format!("{LIBRARY}{SHELVES}");
    drop(storage.start(&text).unwrap());
    put(&storage.b, "V00003L8", false);
    storage.a.set_away(true);
    let more = text.replace("count = 2", "count = 4");
    {
        let site = storage.start(&more).unwrap();
        // Whether the fourth exists is unknown.
        let known = [("V00001L8", Some(true)), ("V00002L8", Some(true)), ("V00003L8", Some(false))];
        assert_eq!(blank(&site), pairs(&known));
        assert_eq!(storage.names()[0], ["V00001L8", "V00002L8"]);
    }
    storage.a.set_away(false);
    put(&storage.a, "V00004L8", false);
    let site = storage.start(&more).unwrap();
    assert_eq!(blank(&site)[3], ("V00004L8".to_owned(), Some(false)));
    assert_eq!(storage.names()[0], ["V00001L8", "V00002L8"]);
}

#[test]
fn neither_the_start_nor_a_list_asks_the_store_for_each_cartridge() {
    let storage = Storage::default();
    let pool = "[[pool]]\nname = \"p\"\npattern = \"V0000#L8\"\nsize = \"64MB\"\nscratch = 1\n";
    let text = format!("{LIBRARY}{pool}{SHELVES}[storage]\nnew_cartridges = \"a\"\n");
    let status = |site: &Site| site.cartridges();
    let first = {
        let site = storage.start(&text).unwrap();
        site.set_write_protect(&barcode("V00002L8"), true).unwrap();
        status(&site)
    };
    assert_eq!(first.iter().map(|one| one.write_protected).collect::<Vec<_>>(), [false, true]);
    assert!([&storage.a, &storage.b].map(Store::take_calls)[0] > 0);
    // Also when the store is away. A request that changes a cartridge needs it.
    storage.a.set_away(true);
    let site = storage.start(&text).unwrap();
    assert_eq!(status(&site), first);
    assert_eq!([&storage.a, &storage.b].map(Store::take_calls), [0, 0]);
    assert!(site.set_write_protect(&barcode("V00002L8"), false).is_err());
    storage.a.set_away(false);
    site.set_write_protect(&barcode("V00002L8"), false).unwrap();
    assert_eq!(status(&site).iter().map(|one| one.write_protected).collect::<Vec<_>>(), [false, false]);
    drop(site);
    // The directory counts before a shelf, also for a cartridge that was found on one.
    put(&storage.directory, "V00001L8", false);
    let site = storage.start(&text.replace("scratch = 1", "scratch = 0")).unwrap();
    assert_eq!(status(&site).iter().map(|one| one.shelf_name.as_deref()).collect::<Vec<_>>(), [None, Some("a")]);
}

#[test]
fn a_program_without_shelves_refuses_them_and_changes_require_a_restart() {
    let text = format!("{LIBRARY}{SHELVES}");
    let data = || DataDir::in_memory().with_shelf("a", Box::<MemoryFolderStore>::default());
    let refused = Site::open_data_dir(data(), &parse("f", &text).unwrap()).err().unwrap().to_string();
    assert_eq!(refused, "f:10: shelf.name: this program has no support for shelves on object storage");
    let storage = Storage::default();
    let site = storage.start(&text).unwrap();
    let reload = |text: &str| site.reload(&parse("f", text).unwrap()).map_err(|error| error.to_string());
    // The same tables at another place of the file.
    reload(&format!("\n{text}")).unwrap();
    let second = SHELVES.find("[[shelf]]\nname = \"b\"").unwrap();
    for (text, key) in [
        (LIBRARY.to_owned(), "shelf"),
        (format!("{LIBRARY}{}", &SHELVES[..second]), "shelf"),
        (format!("{LIBRARY}{}{}", &SHELVES[second..], &SHELVES[..second]), "shelf"),
        (format!("{text}cache = \"20GB\"\n"), "shelf"),
        (format!("{text}durability = \"local\"\n"), "shelf"),
        (format!("{text}[storage]\nnew_cartridges = \"a\"\n"), "storage.new_cartridges"),
        (format!("{text}[[pool]]\nname = \"p\"\npattern = \"P####L8\"\nreplica = \"b\"\n"), "pool.replica"),
    ] {
        assert_eq!(reload(&text), Err(format!("changing {key} requires a restart; nothing was changed")));
    }
}

/// Runs a job to its end; the error is that of the start or of the job.
fn run(site: &Site, work: Work) -> Result<JobStatus, String> {
    let request = |request: &ControlRequest| {
        let response = site.control(request).map_err(|error| error.to_string())?;
        Ok::<_, String>(serde_json::to_value(response).unwrap())
    };
    let started = request(&ControlRequest::StartJob { work })?;
    let job = started["job"].as_u64();
    loop {
        let jobs = request(&ControlRequest::Jobs { job, wait_ms: Some(1000) })?;
        let [status] = <[JobStatus; 1]>::try_from(serde_json::from_value::<Vec<JobStatus>>(jobs).unwrap()).unwrap();
        match status.state {
            JobState::Running => {}
            JobState::Done => return Ok(status),
            _ => return Err(status.failure.map_or_else(|| "cancelled".into(), |failure| failure.to_string())),
        }
    }
}

fn archive(site: &Site, to: Option<&str>, cartridges: &[&str]) -> Result<JobStatus, String> {
    let cartridges = cartridges.iter().map(|&name| name.to_owned()).collect();
    run(site, Work::Archive { to: to.map(str::to_owned), cartridges })
}

fn recall(site: &Site, cartridges: &[&str]) -> Result<JobStatus, String> {
    run(site, Work::Recall { cartridges: cartridges.iter().map(|&name| name.to_owned()).collect() })
}

/// Element, shelf and blankness of each cartridge.
fn places(site: &Site) -> Vec<(Option<String>, Option<String>, Option<bool>)> {
    site.cartridges().into_iter().map(|one| (one.element, one.shelf_name, one.blank)).collect()
}

fn name(name: &str) -> Option<String> {
    Some(name.to_owned())
}

#[test]
fn the_status_shows_what_is_not_shelved_yet() {
    let storage = Storage::default();
    let new =
        format!("[storage]\nnew_cartridges = \"b\"\n{LIBRARY}{SHELVES}durability = \"local\"\nencrypt = \"file:k\"\n");
    let site = storage.start(&new).unwrap();
    storage.a.set_away(true);
    let shelves = site.shelf_status();
    assert_eq!(site.status().object_shelves, shelves);
    assert_eq!(site.metrics().shelves, shelves);
    let shown = serde_json::to_value(shelves).unwrap();
    let unshelved = serde_json::json!([
        {"cartridge": "V00000L8", "bytes": 0, "error": "denied"},
        {"cartridge": "V00001L8", "bytes": 7, "error": "denied"}
    ]);
    let lag = |name: &str| serde_json::json!({"shelf": name, "cartridges": 1, "bytes": 2, "seconds": 3, "failed": {"V00001L8": "no space"}});
    let replicas = [lag("b"), lag("c")];
    let thawing = serde_json::json!({"V00001L8": {"ready": 1, "objects": 2}});
    assert_eq!(
        shown,
        serde_json::json!([
            {
                "shelf": "a", "url": "s3://tapes/a", "durability": "remote", "cartridges": 0, "unshelved_bytes": 7,
                "unshelved": unshelved, "cached_bytes": 5, "cache_bytes": 9, "error": "connection refused",
                "thawing": thawing, "pool_replicas": replicas
            },
            {
                "shelf": "b", "url": "s3://tapes/b", "durability": "local", "new_cartridges": true, "encrypted": true,
                "cartridges": 2, "unshelved_bytes": 7, "unshelved": unshelved, "cached_bytes": 5, "cache_bytes": 9,
                "thawing": thawing, "pool_replicas": replicas
            }
        ])
    );
    assert_eq!(
        site.control(&ControlRequest::ShelfList).map(|list| serde_json::to_value(list).unwrap()).unwrap(),
        shown
    );
    let cartridges = site.cartridges();
    assert_eq!(cartridges.iter().map(|one| one.unshelved_bytes).collect::<Vec<_>>(), [Some(7), None]);
}

#[test]
fn jobs_move_cartridges_to_a_shelf_and_back() {
    let storage = Storage::default();
    let text = format!("{LIBRARY}[[drive]]\nmodel = \"ULT3580-TD8\"\n{SHELVES}");
    drop(storage.start(&text).unwrap());
    storage.directory.0.remove("V00001L8").unwrap();
    put(&storage.directory, "V00001L8", false);
    let site = storage.start(&text).unwrap();
    let before = places(&site);
    assert_eq!(before.iter().map(|(_, shelf, _)| shelf.clone()).collect::<Vec<_>>(), [None, None]);
    let done = archive(&site, Some("b"), &["V00001L8", "V00002L8"]).unwrap();
    assert_eq!((done.progress.cartridges, done.progress.cartridges_total), (2, 2));
    assert!(done.progress.bytes > 0 && done.progress.bytes == done.progress.bytes_total);
    let both = vec!["V00001L8", "V00002L8"];
    assert_eq!(storage.names(), [vec![], vec![], both.clone()]);
    let with_shelf = |shelf: Option<&str>| {
        before.iter().map(|(place, _, blank)| (place.clone(), shelf.map(str::to_owned), *blank)).collect::<Vec<_>>()
    };
    assert_eq!(places(&site), with_shelf(Some("b")));
    // A drive uses it there.
    let load = ControlRequest::Load { library: None, cartridge: "V00001L8".into(), drive: None };
    site.control(&load).unwrap();
    assert_eq!(recall(&site, &["V00001L8"]).unwrap_err(), "V00001L8 is in drive1; unload it first");
    site.control(&ControlRequest::Unload { library: None, drive: "drive1".into() }).unwrap();
    // The shelf is remembered.
    drop(site);
    let site = storage.start(&text).unwrap();
    assert_eq!(places(&site), with_shelf(Some("b")));
    recall(&site, &["V00001L8", "V00002L8"]).unwrap();
    assert_eq!(storage.names(), [both, vec![], vec![]]);
    assert_eq!(places(&site), with_shelf(None));
    // The empty folder on the other shelf does not matter.
    archive(&site, Some("a"), &["V00002L8"]).unwrap();
    assert_eq!(storage.names(), [vec!["V00001L8"], vec!["V00002L8"], vec![]]);
    assert_eq!(site.cartridges()[1].shelf_name, name("a"));
}

#[test]
fn moves_that_are_impossible_are_refused_and_change_nothing() {
    let storage = Storage::default();
    let site = storage.start(LIBRARY).unwrap();
    let without = "the configuration has no shelf on object storage ([[shelf]])";
    assert_eq!(archive(&site, None, &["V00001L8"]).unwrap_err(), without);
    assert_eq!(archive(&site, Some("a"), &["V00001L8"]).unwrap_err(), without);
    let in_directory = "V00001L8 is on no shelf; its files are in the directory of cartridges";
    assert_eq!(recall(&site, &["V00001L8"]).unwrap_err(), in_directory);
    drop(site);
    let site = storage.start(&format!("{LIBRARY}{SHELVES}")).unwrap();
    let several = "to: the configuration has the shelves \"a\", \"b\"; name one of them";
    assert_eq!(archive(&site, None, &["V00001L8"]).unwrap_err(), several);
    let unknown = "to: there is no shelf \"c\" on object storage; the configuration has \"a\", \"b\"";
    assert_eq!(archive(&site, Some("c"), &["V00001L8"]).unwrap_err(), unknown);
    assert_eq!(archive(&site, Some("a"), &["V00009L8"]).unwrap_err(), "there is no cartridge V00009L8");
    let twice = "cartridges: V00001L8 is named twice";
    assert_eq!(archive(&site, Some("a"), &["V00001L8", "V00001L8"]).unwrap_err(), twice);
    put(&storage.b, "V00001L8", false);
    let former = "shelf \"b\" has a former state of V00001L8, too; archive the cartridge to \"b\"";
    assert_eq!(archive(&site, Some("a"), &["V00001L8"]).unwrap_err(), former);
    storage.b.set_away(true);
    let away = "cartridge V00001L8: opening the cartridge failed: connection refused";
    assert_eq!(archive(&site, Some("a"), &["V00001L8"]).unwrap_err(), away);
    let creating = "cartridge V00001L8: creating the cartridge on the shelf failed: connection refused";
    assert_eq!(archive(&site, Some("b"), &["V00001L8"]).unwrap_err(), creating);
    storage.b.set_away(false);
    assert_eq!(site.cartridges()[0].blank, Some(true));
    let other = "cartridge V00001L8: the shelf has another state of it, which only `ferric shelf archive` replaces";
    assert_eq!(archive(&site, Some("b"), &["V00001L8"]).unwrap_err(), other);
    storage.b.remove("V00001L8").unwrap();
    archive(&site, Some("b"), &["V00001L8"]).unwrap();
    assert_eq!(archive(&site, Some("b"), &["V00001L8"]).unwrap_err(), "V00001L8 is on shelf \"b\" already");
    let elsewhere = "V00001L8 is on shelf \"b\"; recall it first";
    assert_eq!(archive(&site, Some("a"), &["V00001L8"]).unwrap_err(), elsewhere);
    assert_eq!(storage.names(), [vec!["V00002L8"], vec![], vec!["V00001L8"]]);
    assert_eq!(TapeStore::new(Box::new(storage.b.clone())).is_blank(&barcode("V00001L8")).unwrap(), Some(true));
}

#[test]
fn a_cancelled_job_changes_nothing_more() {
    let storage = Storage::default();
    let site = storage.start(&format!("{LIBRARY}{SHELVES}")).unwrap();
    // The job is cancelled while the store waits.
    let waiting = storage.a.block();
    let cartridges = vec!["V00001L8".to_owned(), "V00002L8".to_owned()];
    let work = Work::Archive { to: name("a"), cartridges };
    let started = serde_json::to_value(site.control(&ControlRequest::StartJob { work }).unwrap()).unwrap();
    let job = started["job"].as_u64().unwrap();
    site.control(&ControlRequest::CancelJob { job }).unwrap();
    drop(waiting);
    let jobs = loop {
        let jobs = site.control(&ControlRequest::Jobs { job: Some(job), wait_ms: Some(1000) }).unwrap();
        let jobs = serde_json::to_value(jobs).unwrap();
        if jobs[0]["state"] != "running" {
            break jobs;
        }
    };
    assert_eq!((&jobs[0]["state"], &jobs[0]["result"]["moved"]), (&"cancelled".into(), &serde_json::json!([])));
    assert_eq!(storage.names(), [vec!["V00001L8", "V00002L8"], vec![], vec![]]);
}

/// The cartridge memory does not say that the cartridge is held, but the shelf has recorded it.
#[test]
fn a_deletion_that_the_shelf_refuses_is_given_up() {
    let storage = Storage::default();
    let text = format!("{LIBRARY}{SHELVES}[storage]\nnew_cartridges = \"a\"\n");
    let site = storage.start(&text).unwrap();
    export(&site, "V00001L8");
    let listed = |site: &Site| site.cartridges().into_iter().map(|one| one.cartridge).collect::<Vec<_>>();
    let both = ["V00001L8", "V00002L8"];
    // A part of a former state in the directory is not removed either.
    storage.directory.0.create("V00001L8").unwrap();
    storage.a.hold(Some(true));
    let delete = || ControlRequest::Delete { cartridge: "V00001L8".into() };
    let error = site.control(&delete()).unwrap_err();
    assert_eq!(error.to_string(), "V00001L8 is under a legal hold on its shelf");
    assert_eq!(error.code, ErrorCode::Locked);
    assert_eq!(
        (listed(&site), storage.a.names()),
        (both.map(str::to_owned).to_vec(), both.map(str::to_owned).to_vec())
    );
    assert!(storage.directory.0.list().unwrap().contains(&"V00001L8".to_owned()));
    drop(site);
    // The next start tries nothing.
    storage.a.hold(None);
    let site = storage.start(&text).unwrap();
    assert_eq!(listed(&site), both);
    // The store does not respond: the deletion is left to the next start, before which the cartridge is held.
    storage.b.set_away(true);
    site.control(&delete()).unwrap();
    assert_eq!(listed(&site), both[1..]);
    drop(site);
    storage.b.set_away(false);
    storage.a.hold(Some(true));
    for _ in 0..2 {
        let site = storage.start(&text).unwrap();
        assert_eq!(
            (listed(&site), storage.a.names()),
            (both.map(str::to_owned).to_vec(), both.map(str::to_owned).to_vec())
        );
        storage.a.hold(None);
    }
    let site = storage.start(&text).unwrap();
    site.control(&delete()).unwrap();
    assert_eq!((listed(&site), storage.a.names()), (vec![both[1].to_owned()], vec![both[1].to_owned()]));
}

#[test]
fn a_cartridge_whose_objects_the_store_locks_is_not_recalled() {
    let storage = Storage::default();
    let site = storage.start(&format!("{LIBRARY}{SHELVES}[storage]\nnew_cartridges = \"a\"\n")).unwrap();
    storage.a.hold(Some(true));
    let error = recall(&site, &["V00001L8"]).unwrap_err();
    let expected = "cartridge V00001L8: the cartridge is under a legal hold, and the store of shelf \"a\" would keep its files; \
                    wait for the end or release the hold, or copy it with `ferric shelf recall`";
    assert_eq!(error, expected);
    assert_eq!(storage.names(), [vec![], vec!["V00001L8", "V00002L8"], vec![]]);
    // The cartridge memory alone has the hold, which moves with it.
    storage.a.hold(Some(false));
    recall(&site, &["V00001L8"]).unwrap();
    assert_eq!(storage.names(), [vec!["V00001L8"], vec!["V00002L8"], vec![]]);
}

/// The replica of a shelf that cannot be read is not used in its place: what is written to it would be lost.
#[test]
fn the_replica_of_a_shelf_that_is_away_is_not_changed() {
    let storage = Storage::default();
    let replicated = SHELVES.replace("/a\"\n", "/a\"\nreplica = \"b\"\n");
    let library = LIBRARY.replace("count = 2", "count = 0");
    put(&storage.a, "V00001L8", false);
    put(&storage.b, "V00001L8", true);
    let site = storage.start(&format!("{library}{replicated}")).unwrap();
    let import = ControlRequest::Import { library: None, cartridge: "V00001L8".into(), to: None };
    storage.a.set_away(true);
    site.control(&import).unwrap_err();
    storage.a.set_away(false);
    site.control(&import).unwrap();
    assert_eq!(blank(&site), pairs(&[("V00001L8", Some(false))]));
}

/// A shelf that was a replica earlier has an old copy, and the new replica has none yet.
#[test]
fn the_copy_of_a_former_replica_is_only_read_while_the_shelf_is_away() {
    let storage = Storage::default();
    let text = format!("{LIBRARY}[[drive]]\nmodel = \"ULT3580-TD8\"\n{SHELVES}[storage]\nnew_cartridges = \"a\"\n");
    drop(storage.start(&text).unwrap());
    put(&storage.b, "V00001L8", true);
    // Also after a restart, and for each load again.
    for away in [true, true, false, true, false] {
        storage.a.set_away(away);
        let site = storage.start(&text).unwrap();
        let host = Host::login(&site.targets()[0], 1);
        let changed = site.set_write_protect(&barcode("V00001L8"), false);
        assert_eq!(changed.is_err(), away);
        let load = ControlRequest::Load { library: None, cartridge: "V00001L8".into(), drive: None };
        site.control(&load).unwrap();
        host.clear_unit_attentions();
        let written = host.command_with_data(1, &[0x0a, 0, 0, 0, 4, 0], b"lost");
        assert_eq!(written.sense_codes(), away.then_some((7, 0x27, 0x00)));
        site.control(&ControlRequest::Unload { library: None, drive: "drive1".into() }).unwrap();
        if away {
            let error = recall(&site, &["V00001L8"]).unwrap_err();
            assert_eq!(error, "cartridge V00001L8: opening the cartridge failed: connection refused");
        }
        assert_eq!(site.cartridges()[0].shelf_name, name("a"));
    }
    let blank = |store: &Store| TapeStore::new(Box::new(store.clone())).is_blank(&barcode("V00001L8")).unwrap();
    assert_eq!((blank(&storage.a), blank(&storage.b)), (None, Some(true)));
    assert_eq!(storage.names(), [vec![], vec!["V00001L8", "V00002L8"], vec!["V00001L8"]]);
}

/// The site does not know the place of the cartridge yet.
#[test]
fn a_copy_is_only_read_while_an_earlier_shelf_is_away() {
    let storage = Storage::default();
    let text = format!("{}{SHELVES}", LIBRARY.replace("count = 2", "count = 0"));
    put(&storage.a, "V00001L8", false);
    put(&storage.b, "V00001L8", true);
    storage.b.6.store(true, Ordering::Relaxed);
    let site = storage.start(&text).unwrap();
    storage.a.set_away(true);
    import(&site, "V00001L8");
    let label = barcode("V00001L8");
    assert!(site.set_write_protect(&label, true).unwrap_err().to_string().contains("its files are a copy"));
    storage.a.set_away(false);
    site.set_write_protect(&label, true).unwrap();
    assert_eq!(site.cartridges()[0].shelf_name, name("a"));
    // A cartridge that is on the other shelf only can be changed there.
    put(&storage.b, "V00002L8", true);
    import(&site, "V00002L8");
    storage.a.set_away(true);
    site.set_write_protect(&barcode("V00002L8"), true).unwrap();
}

/// A library whose pool is on shelf `a`.
fn pool_on_shelf(scratch: u32) -> String {
    let pool = "[[pool]]\nname = \"p\"\npattern = \"P####L8\"\nsize = \"64MB\"\n";
    let library = LIBRARY.replace("count = 2", "count = 0");
    format!("{library}{pool}scratch = {scratch}\n{SHELVES}[storage]\nnew_cartridges = \"a\"\n")
}

/// Number of cartridges and of scratch cartridges in the pool.
fn pool(site: &Site) -> (usize, usize) {
    let pools = site.pool_status();
    (pools[0].cartridges, pools[0].scratch)
}

fn import(site: &Site, cartridge: &str) {
    let to = None;
    site.control(&ControlRequest::Import { library: None, cartridge: cartridge.into(), to }).unwrap();
}

fn export(site: &Site, cartridge: &str) {
    let (from, to) = (cartridge.to_owned(), "io1".to_owned());
    site.control(&ControlRequest::Move { library: None, from, to }).unwrap();
    site.control(&ControlRequest::Export { library: None, from: cartridge.into() }).unwrap();
}

/// Blankness and write protection of each cartridge.
fn contents(site: &Site) -> Vec<(Option<bool>, bool)> {
    site.cartridges().into_iter().map(|one| (one.blank, one.write_protected)).collect()
}

#[test]
fn a_cartridge_that_another_site_has_written_is_no_scratch_cartridge() {
    // The second cartridge is counted only after its return.
    for counted in [true, false] {
        let storage = Storage::default();
        let site = storage.start(&pool_on_shelf(0)).unwrap();
        site.control(&ControlRequest::Create { pool: "p".into(), count: 2 }).unwrap();
        assert_eq!((pool(&site), contents(&site)), ((2, 2), vec![(Some(true), false); 2]));
        for name in ["P0001L8", "P0002L8"] {
            export(&site, name);
        }
        if counted {
            assert_eq!(pool(&site), (2, 2), "on the shelf of the library");
        }
        {
            let other = Storage { a: storage.a.clone(), ..Storage::default() };
            let library = LIBRARY.replace("count = 2", "count = 0");
            let other = other.start(&format!("{library}{SHELVES}")).unwrap();
            import(&other, "P0001L8");
            assert_eq!(other.cartridges()[0].blank, Some(true));
            write(&TapeStore::new(Box::new(storage.a.clone())), "P0001L8");
            import(&other, "P0002L8");
            other.set_write_protect(&barcode("P0002L8"), true).unwrap();
        }
        if counted {
            assert_eq!(pool(&site), (2, 0));
        }
        for name in ["P0001L8", "P0002L8"] {
            import(&site, name);
        }
        assert_eq!(contents(&site), [(None, false), (None, true)]);
        assert_eq!(pool(&site), (2, 0));
        assert_eq!(contents(&site), [(Some(false), false), (Some(true), true)]);
    }
}

/// The counted state of an exported cartridge is that of the shelf, and that of before is forgotten when it returns.
#[test]
fn a_cartridge_that_was_written_after_the_count_is_no_scratch_cartridge_when_it_returns() {
    let storage = Storage::default();
    let site = storage.start(&pool_on_shelf(0)).unwrap();
    site.control(&ControlRequest::Create { pool: "p".into(), count: 1 }).unwrap();
    export(&site, "P0001L8");
    assert_eq!((pool(&site), site.cartridges()[0].blank), ((1, 1), Some(true)));
    write(&TapeStore::new(Box::new(storage.a.clone())), "P0001L8");
    import(&site, "P0001L8");
    assert_eq!(site.cartridges()[0].blank, None);
    assert_eq!((pool(&site), site.cartridges()[0].blank), ((1, 0), Some(false)));
    // It is asked once.
    storage.a.take_calls();
    assert_eq!(pool(&site), (1, 0));
    assert_eq!(storage.a.take_calls(), 0);
}

/// Another folder with the same files.
fn copy_of(folder: &MemoryFolder) -> MemoryFolder {
    let (mut from, mut to) = (folder.clone(), MemoryFolder::default());
    for name in from.list().unwrap() {
        to.replace(&name, &from.read(&name).unwrap().unwrap()).unwrap();
    }
    to
}

#[test]
fn a_state_that_was_restored_from_a_copy_does_not_know_what_was_written_since() {
    let storage = Storage::default();
    let text = pool_on_shelf(2);
    drop(storage.start(&text).unwrap());
    let mut state = copy_of(&storage.state);
    // Afterwards, the machine is lost.
    let store = TapeStore::new(Box::new(storage.a.clone()));
    write(&store, "P0001L8");
    store.find(&barcode("P0002L8")).unwrap().set_write_protect_tab(true).unwrap();
    mark_restored(&mut state).unwrap();
    let restored = Storage { a: storage.a.clone(), state: state.clone(), ..Storage::default() };
    let site = restored.start(&text).unwrap();
    assert!(!state.list().unwrap().contains(&"restored".to_owned()));
    assert_eq!(pool(&site), (4, 2));
    assert_eq!(contents(&site)[..2], [(Some(false), false), (Some(true), true)]);
    drop(site);
    // What was read is remembered.
    restored.a.take_calls();
    let site = restored.start(&text).unwrap();
    assert_eq!(contents(&site)[..2], [(Some(false), false), (Some(true), true)]);
    assert_eq!((pool(&site).1, restored.a.take_calls()), (2, 0));
}

#[test]
fn a_pool_replaces_no_cartridge_of_which_it_is_unknown_whether_it_is_blank() {
    let storage = Storage::default();
    let text = pool_on_shelf(2);
    drop(storage.start(&text).unwrap());
    mark_restored(&mut storage.state.clone()).unwrap();
    storage.a.fail_for(Some("P0001L8"));
    let site = storage.start(&text).unwrap();
    for _ in 0..3 {
        site.reconcile().unwrap();
    }
    assert_eq!(storage.a.names(), ["P0001L8", "P0002L8"]);
    assert_eq!((pool(&site), contents(&site)[0].0), ((2, 1), None));
    // Nor while the store does not respond.
    drop(site);
    mark_restored(&mut storage.state.clone()).unwrap();
    storage.a.set_away(true);
    let site = storage.start(&text).unwrap();
    site.reconcile().unwrap();
    assert_eq!((pool(&site), contents(&site)), ((2, 0), vec![(None, false); 2]));
    storage.a.set_away(false);
    storage.a.fail_for(None);
    site.reconcile().unwrap();
    assert_eq!((pool(&site), contents(&site)), ((2, 2), vec![(Some(true), false); 2]));
    // One that was written is replaced.
    write(&TapeStore::new(Box::new(storage.a.clone())), "P0002L8");
    drop(site);
    mark_restored(&mut storage.state.clone()).unwrap();
    assert_eq!(pool(&storage.start(&text).unwrap()), (3, 2));
}

/// The replica of a shelf has a former state of the cartridges.
#[test]
fn what_is_read_from_a_replica_is_not_remembered() {
    let storage = Storage::default();
    drop(storage.start(&pool_on_shelf(2)).unwrap());
    mark_restored(&mut storage.state.clone()).unwrap();
    storage.a.set_copies(true);
    let site = storage.start(&pool_on_shelf(0)).unwrap();
    assert_eq!((pool(&site), contents(&site)), ((2, 0), vec![(None, false); 2]));
    // An unlisted cartridge that is imported is not known to be blank.
    put(&storage.a, "X00001L8", true);
    import(&site, "X00001L8");
    assert_eq!(contents(&site)[2].0, None);
    // The originals respond again.
    storage.a.set_copies(false);
    let store = TapeStore::new(Box::new(storage.a.clone()));
    write(&store, "P0001L8");
    store.find(&barcode("P0002L8")).unwrap().set_write_protect_tab(true).unwrap();
    assert_eq!(contents(&site)[..2], [(None, false), (None, true)]);
    assert_eq!(pool(&site).1, 0);
    assert_eq!(contents(&site)[..2], [(Some(false), false), (Some(true), true)]);
}
