//! A daemon on a store with the catalog of very many cartridges: how long it starts, how much memory it uses, and how long a load
//! takes. Run by hand: `cargo test --release -p iscsid --test catalog -- --ignored --nocapture`. `FERRIC_TEST_CARTRIDGES` is the
//! number of cartridges in the catalog, `FERRIC_TEST_SHELF` the URL of another store than a directory.
#![cfg(feature = "shelf")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, clippy::print_stdout, reason = "test code")]

mod common;

use common::{DRIVE, Daemon, SLOT, command, move_medium, read, ready, record, write};
use initiator::{CommandResponse, Initiator, Transfer};
use shelf::{CatalogChange, Shelf, ShelfOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use tape_store::backend::memory::{MemoryFolder, MemoryFolderStore};
use tape_store::backend::{Folder, FolderStore};
use tape_store::cartridge::Barcode;
use tape_store::media::LTO_8;
use tape_store::store::{NewCartridge, TapeStore};
use tempfile::tempdir;
use vtl::config::parse;
use vtl::data_dir::DataDir;
use vtl::site::Site;

/// Cartridges of the site of the daemon.
const OWN: u32 = 600;

#[expect(clippy::disallowed_methods, reason = "settings of a measurement")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

#[expect(clippy::disallowed_methods, reason = "durations are the result")]
fn now() -> std::time::Instant {
    std::time::Instant::now()
}

fn request(data: &Path, request: &str) -> String {
    let mut stream = UnixStream::connect(data.join("control.sock")).unwrap();
    writeln!(stream, "{request}").unwrap();
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).unwrap();
    line
}

fn login(daemon: &Daemon) -> Initiator {
    let mut session = daemon.login_with(common::options(1));
    for lun in 0..=1 {
        while session.command(lun, &[0x03, 0, 0, 0, 18, 0], Transfer::In(18)).unwrap().data[2] & 0x0f != 0 {}
    }
    session
}

/// Opens the shelf with the settings of the environment.
fn open(url: &str) -> Shelf {
    let entropy = Arc::new(vtl::entropy::fill);
    let settings = std::env::vars().filter(|(name, _)| name.starts_with("AWS_"));
    Shelf::open(url, settings, ShelfOptions::new("test"), entropy).unwrap()
}

#[test]
#[ignore = "a measurement with a million cartridges"]
fn a_daemon_starts_beside_a_million_cartridges() {
    let count: u32 = variable("FERRIC_TEST_CARTRIDGES").map_or(1_000_000, |count| count.parse().unwrap());
    let dir = tempdir().unwrap();
    let url = variable("FERRIC_TEST_SHELF").map_or_else(
        || {
            std::fs::create_dir(dir.path().join("store")).unwrap();
            format!("file://{}/store", dir.path().display())
        },
        |url| format!("{url}/catalog-{}", std::process::id()),
    );
    let data = dir.path().join("data");
    let config = format!(
        "[library]\nslots = {OWN}\n[[drive]]\nmodel = \"ULT3580-TD8\"\n\
         [[cartridges]]\npattern = \"V#####L8\"\ncount = {OWN}\nsize = \"64MB\"\n"
    );
    let start = || {
        let mut command = command(&data, &config);
        let began = now();
        let daemon = Daemon::spawn(command.args(["--site", &url]));
        (daemon, began.elapsed())
    };
    let (daemon, first) = start();
    println!("first start, which creates {OWN} cartridges: {first:?}");
    assert_eq!(daemon.terminate(), Some(0));

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let shelf = {
        let _context = runtime.enter();
        open(&url)
    };
    let began = now();
    let cartridges = (0..count).map(|number| (format!("S{number:07}L8"), true)).collect();
    runtime.block_on(shelf.change_catalog(&CatalogChange { cartridges })).unwrap();
    println!("{count} cartridges were added to the catalog in {:?}", began.elapsed());
    let began = now();
    let listed = runtime.block_on(shelf.catalog()).unwrap().unwrap();
    println!("the catalog with {} cartridges was read in {:?}", listed.len(), began.elapsed());
    assert_eq!(listed.len(), (count + OWN) as usize);

    for round in 0..3 {
        let (daemon, elapsed) = start();
        println!("start {elapsed:?}, {}", measure(&daemon, &data, SLOT + round));
        assert_eq!(daemon.terminate(), Some(0));
    }
}

/// The memory of a daemon, the duration of a list, and those of two loads of a blank cartridge.
fn measure(daemon: &Daemon, data: &Path, slot: u16) -> String {
    let mut session = login(daemon);
    let began = now();
    let list = request(data, r#"{"op":"cartridges"}"#);
    let listing = began.elapsed();
    assert_eq!(list.matches("\"cartridge\"").count(), OWN as usize);
    let load = |session: &mut Initiator| {
        let began = now();
        assert_eq!(move_medium(session, slot, DRIVE), CommandResponse::default());
        while ready(session) != CommandResponse::default() {}
        let loaded = began.elapsed();
        let first = read(session, 60_000);
        (loaded, began.elapsed(), first)
    };
    let (blank, ..) = load(&mut session);
    assert_eq!(write(&mut session, &record(1, 60_000)), CommandResponse::default());
    common::filemark(&mut session);
    assert_eq!(move_medium(&mut session, DRIVE, slot), CommandResponse::default());
    let (again, to_first_record, first) = load(&mut session);
    assert!(first.data == record(1, 60_000));
    assert_eq!(move_medium(&mut session, DRIVE, slot), CommandResponse::default());
    format!(
        "resident {} KiB, list of {OWN} cartridges {listing:?}, load of a blank cartridge {blank:?}, of a written one {again:?}, \
         to its first record {to_first_record:?}",
        daemon.resident()
    )
}

/// A store that has every cartridge: a blank one.
struct EveryCartridge;

impl FolderStore for EveryCartridge {
    fn list(&self) -> io::Result<Vec<String>> {
        Ok(Vec::new())
    }
    fn open(&self, name: &str) -> io::Result<Box<dyn Folder>> {
        let store = MemoryFolderStore::default();
        let new = NewCartridge::data(&LTO_8).with_capacity(64 << 20);
        TapeStore::new(Box::new(store.clone())).create(&Barcode::new(name).unwrap(), &new).unwrap();
        store.open(name)
    }
    fn create(&self, _name: &str) -> io::Result<Box<dyn Folder>> {
        Err(io::ErrorKind::Unsupported.into())
    }
    fn remove(&self, _name: &str) -> io::Result<()> {
        Ok(())
    }
}

#[test]
#[ignore = "a measurement with very many cartridges"]
fn a_site_with_very_many_cartridges_starts() {
    let count: u32 = variable("FERRIC_TEST_CARTRIDGES").map_or(1_000_000, |count| count.parse().unwrap());
    let dir = tempdir().unwrap();
    std::fs::create_dir_all(dir.path().join("store")).unwrap();
    let config = format!("library = []\n[[shelf]]\nname = \"a\"\nurl = \"file://{}/store\"\n", dir.path().display());
    let mut state = MemoryFolder::default();
    {
        let storage = DataDir::from_folders(Box::<MemoryFolderStore>::default(), Box::new(state.clone()))
            .with_shelf("a", Box::new(EveryCartridge));
        let site = Site::open_data_dir(storage, &parse("f", &config).unwrap()).unwrap();
        let began = now();
        for number in 0..count {
            site.take_over_cartridge(&Barcode::new(&format!("S{number:07}L8")).unwrap(), "vault").unwrap();
        }
        assert_eq!(site.cartridges().len(), count as usize);
        site.shut_down().unwrap();
        println!("{count} cartridges were added to a site in {:?}", began.elapsed());
    }
    let data = dir.path().join("data");
    std::fs::create_dir_all(&data).unwrap();
    for name in state.list().unwrap() {
        let mut file = state.open_read_only(&name).unwrap().unwrap();
        let mut bytes = vec![0; usize::try_from(file.len().unwrap()).unwrap()];
        file.read_at(0, &mut [io::IoSliceMut::new(&mut bytes)]).unwrap();
        println!("{name}: {} bytes", bytes.len());
        std::fs::write(data.join(name), bytes).unwrap();
    }
    for _ in 0..2 {
        let began = now();
        let mut command = command(&data, &config);
        command.args(["--ready", "json"]).stdout(std::process::Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let elapsed = began.elapsed();
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
        let memory: Vec<_> =
            status.lines().filter(|line| line.starts_with("VmRSS") || line.starts_with("VmHWM")).collect();
        println!("a site with {count} cartridges: start {elapsed:?}, {memory:?}");
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
