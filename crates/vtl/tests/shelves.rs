//! Sites with cartridges on shelves on object storage: stores of folders in addition to the directory of cartridges.
#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

mod common;

use common::barcode;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tape_store::backend::memory::{MemoryFolder, MemoryFolderStore};
use tape_store::backend::{Folder, FolderStore};
use tape_store::cartridge::Cartridge;
use tape_store::image::{PlainReader, write_to_cartridge};
use tape_store::media::LTO_8;
use tape_store::medium::Codec;
use tape_store::store::{NewCartridge, TapeStore};
use vtl::config::parse;
use vtl::control::ControlRequest;
use vtl::data_dir::DataDir;
use vtl::site::{OpenSite, Site};

const LIBRARY: &str = "[library]\nslots = 8\n[[cartridges]]\npattern = \"V0000#L8\"\ncount = 2\nsize = \"64MB\"\n";
const SHELVES: &str =
    "[[shelf]]\nname = \"a\"\nurl = \"s3://tapes/a\"\n[[shelf]]\nname = \"b\"\nurl = \"s3://tapes/b\"\n";

/// A store on which every operation fails while it is away.
#[derive(Clone, Default)]
struct Store(MemoryFolderStore, Arc<AtomicBool>);

impl Store {
    fn reach(&self) -> io::Result<&MemoryFolderStore> {
        if self.1.load(Ordering::Relaxed) { Err(io::ErrorKind::ConnectionRefused.into()) } else { Ok(&self.0) }
    }

    fn set_away(&self, away: bool) {
        self.1.store(away, Ordering::Relaxed);
    }

    fn names(&self) -> Vec<String> {
        let mut names = self.0.list().unwrap();
        names.sort();
        names
    }
}

impl FolderStore for Store {
    fn list(&self) -> io::Result<Vec<String>> {
        self.reach()?.list()
    }
    fn open(&self, name: &str) -> io::Result<Box<dyn Folder>> {
        self.reach()?.open(name)
    }
    fn create(&self, name: &str) -> io::Result<Box<dyn Folder>> {
        self.reach()?.create(name)
    }
    fn remove(&self, name: &str) -> io::Result<()> {
        self.reach()?.remove(name)
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
        let mut cartridge: Cartridge = store.find(&barcode(name)).unwrap();
        let mut data = PlainReader::new(&[7; 294_000][..], 1000);
        write_to_cartridge(&mut data, &mut cartridge, 0, false, Codec::NONE).unwrap();
    }
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
    ] {
        assert_eq!(reload(&text), Err(format!("changing {key} requires a restart; nothing was changed")));
    }
}
