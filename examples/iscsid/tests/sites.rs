//! Daemons with `--site`: sites that are stored in an object store. `cargo xtask object-store` runs this on an object store, whose URL
//! is in `FERRIC_TEST_SHELF`; without it, the store is a directory.
#![cfg(feature = "shelf")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "test code")]

mod common;

use common::shared::variable;
use common::{DRIVE, Daemon, SLOT, command, filemark, load, move_medium, read, ready, record, write};
use initiator::{CommandResponse, Initiator, Transfer};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;
use tempfile::{TempDir, tempdir};

const RECORD: usize = 60_000;
/// The import/export element.
const IO: u16 = 10;

struct Store {
    dir: TempDir,
    url: String,
}

impl Store {
    fn new(name: &str) -> Self {
        let dir = tempdir().unwrap();
        let url = match variable("FERRIC_TEST_SHELF") {
            Some(url) => format!("{url}/{name}-{}", std::process::id()),
            None => {
                std::fs::create_dir(dir.path().join("store")).unwrap();
                format!("file://{}/store", dir.path().display())
            }
        };
        Self { dir, url }
    }

    fn data(&self, directory: &str) -> PathBuf {
        self.dir.path().join(directory)
    }

    /// The command of a daemon that runs a site; without a prefix of barcodes, without a configuration file.
    fn command(&self, directory: &str, site: &str, prefix: &str) -> Command {
        self.command_at(&self.url, directory, site, prefix)
    }

    fn command_at(&self, url: &str, directory: &str, site: &str, prefix: &str) -> Command {
        let config = format!(
            "[library]\nslots = 4\nimport_export = 2\n[[drive]]\nmodel = \"ULT3580-TD8\"\ncompression = \"none\"\n\
             [[cartridges]]\npattern = \"{prefix}#####L8\"\ncount = 2\nsize = \"64MB\"\n"
        );
        let mut command = command(&self.data(directory), if prefix.is_empty() { "" } else { &config });
        command.args(["--site", url, "--name", site]);
        command
    }

    fn start(&self, directory: &str, site: &str, prefix: &str) -> Daemon {
        Daemon::spawn(&mut self.command(directory, site, prefix))
    }

    /// The last line of the errors of a daemon that does not start.
    fn refused(&self, directory: &str, site: &str) -> String {
        Self::refused_command(&mut self.command(directory, site, "V"))
    }

    fn refused_command(command: &mut Command) -> String {
        let output = command.output().unwrap();
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap().lines().last().unwrap().to_owned()
    }

    /// Sends one request to the daemon of a directory, and returns the response.
    fn request(&self, directory: &str, request: &str) -> String {
        common::request(&self.data(directory), request)
    }
}

#[expect(clippy::disallowed_methods, reason = "the lease of the stopped daemon ends")]
fn wait(time: Duration) {
    std::thread::sleep(time);
}

#[expect(clippy::disallowed_methods, reason = "the duration is a result")]
fn now() -> std::time::Instant {
    std::time::Instant::now()
}

/// Logs in to a daemon with one drive, and clears the unit attentions.
fn login(daemon: &Daemon) -> Initiator {
    let mut session = daemon.login_with(common::options(1));
    for lun in 0..=1 {
        while session.command(lun, &[0x03, 0, 0, 0, 18, 0], Transfer::In(18)).unwrap().data[2] & 0x0f != 0 {}
    }
    session
}

fn write_records(session: &mut Initiator, count: u32) {
    for seed in 0..count {
        assert_eq!(write(session, &record(seed, RECORD)), CommandResponse::default());
    }
    assert_eq!(filemark(session), CommandResponse::default());
}

fn check_records(session: &mut Initiator, count: u32) {
    for seed in 0..count {
        assert!(read(session, 60_000).data == record(seed, RECORD), "record {seed}");
    }
    assert_eq!(read(session, 60_000).sense_codes(), Some((0, 0, 1)));
}

#[test]
fn a_cartridge_goes_from_one_daemon_to_another_by_its_barcode() {
    let store = Store::new("import");
    // A daemon that is stopped at once has its new cartridges in the catalog.
    assert_eq!(store.start("a", "rack1", "A").terminate(), Some(0));
    if store.url.starts_with("file:") {
        let parts =
            std::fs::read_dir(store.dir.path().join("store/catalog")).unwrap().map(|entry| entry.unwrap().path());
        assert_eq!(parts.filter(|part| part.is_dir()).count(), 2);
    }
    let (first, second) = (store.start("a", "rack1", "A"), store.start("b", "rack2", "B"));
    assert_ne!(first.iqn, second.iqn);
    let (mut a, mut b) = (login(&first), login(&second));
    load(&mut a);
    write_records(&mut a, 20);
    assert_eq!(move_medium(&mut a, DRIVE, SLOT), CommandResponse::default());
    let began = now();
    assert_eq!(move_medium(&mut a, SLOT, IO), CommandResponse::default());
    let exported = store.request("a", r#"{"op":"export","from":"A00001L8"}"#);
    assert!(exported.starts_with("{\"ok\""), "{exported}");
    // The configuration of the second daemon does not list it.
    let imported = store.request("b", r#"{"op":"import","cartridge":"A00001L8"}"#);
    assert!(imported.contains(r#""to_element":"io1""#), "{imported}");
    // The import raises a unit attention of the changer.
    assert_eq!(b.command(0, &[0; 6], Transfer::None).unwrap().sense_codes(), Some((6, 0x28, 0x01)));
    assert_eq!(move_medium(&mut b, IO, DRIVE), CommandResponse::default());
    while ready(&mut b) != CommandResponse::default() {}
    assert!(read(&mut b, 60_000).data == record(0, RECORD));
    let elapsed = began.elapsed();
    assert!(elapsed < Duration::from_secs(5), "from the export to the first record: {elapsed:?}");
    eprintln!("from the export to the first record: {elapsed:?}");
    common::rewind(&mut b);
    check_records(&mut b, 20);
    // A list of the second daemon has its two cartridges and this one, on the shelf of the site.
    let listed = store.request("b", r#"{"op":"cartridges"}"#);
    assert_eq!(listed.matches(r#""shelf_name":"site""#).count(), 3, "{listed}");
    let missing = store.request("b", r#"{"op":"import","cartridge":"C00001L8"}"#);
    assert!(missing.contains("there is no cartridge C00001L8"), "{missing}");
    assert_eq!(first.terminate(), Some(0));
    assert_eq!(second.terminate(), Some(0));
}

#[test]
fn a_site_continues_on_any_machine_with_its_newest_state() {
    let store = Store::new("continue");
    let place = |session: &mut Initiator, from: u16, to: u16| {
        assert_eq!(move_medium(session, from, to), CommandResponse::default());
    };
    let first = store.start("one", "main", "V");
    let iqn = first.iqn.clone();
    let mut session = login(&first);
    load(&mut session);
    write_records(&mut session, 5);
    place(&mut session, DRIVE, SLOT + 2);
    drop(session);
    assert_eq!(first.terminate(), Some(0));
    // An empty machine without a configuration file.
    let second = store.start("two", "main", "");
    assert_eq!(second.iqn, iqn);
    assert!(std::fs::read_to_string(store.data("two").join("site.toml")).unwrap().contains("V#####L8"));
    let mut session = login(&second);
    place(&mut session, SLOT + 2, DRIVE);
    while ready(&mut session) != CommandResponse::default() {}
    check_records(&mut session, 5);
    place(&mut session, DRIVE, SLOT + 3);
    drop(session);
    assert_eq!(second.terminate(), Some(0));
    // The first machine has an old state, which is not used.
    let third = store.start("one", "main", "V");
    assert_eq!(third.iqn, iqn);
    let mut session = login(&third);
    place(&mut session, SLOT + 3, SLOT + 2);
    assert!(store.data("one").join("state.1.before").exists());
    drop(session);
    // Within seconds, a change is in the copy: this machine is lost.
    wait(Duration::from_secs(4));
    third.kill();
    std::fs::remove_dir_all(store.data("one")).unwrap();
    let fourth = store.start("three", "main", "");
    let mut session = login(&fourth);
    place(&mut session, SLOT + 2, SLOT);
    // A killed daemon continues in its own directory without a wait.
    drop(session);
    fourth.kill();
    let began = now();
    let fifth = store.start("three", "main", "");
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    assert_eq!(fifth.iqn, iqn);
    let mut session = login(&fifth);
    load(&mut session);
}

#[test]
fn a_site_is_run_by_one_daemon() {
    let store = Store::new("lease");
    let data = store.data("one");
    let log = store.data("one.log");
    let first = Daemon::logging(&mut store.command("one", "main", "V"), std::fs::File::create(&log).unwrap().into());
    let refused = store.refused("two", "main");
    let prefix = format!("ferric-iscsid: --site: {}: site main is in use by ferric-iscsid, process ", store.url);
    assert!(refused.starts_with(&prefix), "{refused}");
    assert!(refused.ends_with("; stop it first, or use another --name"), "{refused}");
    let refused = store.refused("one", "main");
    assert_eq!(refused, format!("ferric-iscsid: --site: {} is in use by another ferric-iscsid", data.display()));
    assert!(first.signal("-STOP"));
    // The second one waits for three heartbeats.
    let second = store.start("two", "main", "V");
    assert_eq!(second.iqn, first.iqn);
    let mut session = login(&second);
    load(&mut session);
    assert!(first.signal("-CONT"));
    // It notices at its next heartbeat that it was taken over.
    assert_eq!(first.wait(), Some(1));
    let log = std::fs::read_to_string(log).unwrap();
    assert!(
        log.lines().last().unwrap().starts_with("ferric-iscsid: site main was taken over by ferric-iscsid"),
        "{log}"
    );
    // The directory of another site is not used for this one.
    drop(session);
    assert_eq!(Daemon::spawn(&mut command(&store.data("other"), "")).terminate(), Some(0));
    assert_eq!(second.terminate(), Some(0));
    let refused = store.refused("other", "main");
    assert!(refused.contains("other has the state of another site, and site main was run by "), "{refused}");
}

#[test]
fn a_data_directory_is_used_for_its_site_only() {
    let store = Store::new("directory");
    assert_eq!(store.start("one", "rack1", "V").terminate(), Some(0));
    let data = store.data("one");
    let expected = |site: &str, url: &str| {
        format!(
            "ferric-iscsid: --site: {} has the state of site rack1 in {}, not that of site {site} in {url}; use an empty directory, or \
             the --site and --name of its state",
            data.display(),
            store.url
        )
    };
    // The other site is new, or exists.
    assert_eq!(store.refused("one", "rack2"), expected("rack2", &store.url));
    assert_eq!(store.start("two", "rack2", "W").terminate(), Some(0));
    assert_eq!(store.refused("one", "rack2"), expected("rack2", &store.url));
    // The same name in another store.
    let other = format!("{}/other", store.url);
    let refused = Store::refused_command(&mut store.command_at(&other, "one", "rack1", "V"));
    assert_eq!(refused, expected("rack1", &other));
    assert!(!data.join("state.1.before").exists());
    // A damaged file is not taken for a missing one.
    let lease = data.join("site.lease");
    let intact = std::fs::read(&lease).unwrap();
    std::fs::write(&lease, "{").unwrap();
    let refused = store.refused("one", "rack1");
    assert!(refused.starts_with(&format!("ferric-iscsid: --site: {} is damaged: ", lease.display())), "{refused}");
    std::fs::write(&lease, intact).unwrap();
    assert_eq!(store.start("one", "rack1", "V").terminate(), Some(0));
}

#[test]
fn a_start_that_fails_after_its_lease_was_created_loses_no_state() {
    let store = Store::new("asked");
    if !store.url.starts_with("file:") {
        return;
    }
    let first = store.start("one", "main", "V");
    let iqn = first.iqn.clone();
    let mut session = login(&first);
    // The copy in the store does not have this move: the daemon is killed at once.
    wait(Duration::from_secs(4));
    assert_eq!(move_medium(&mut session, SLOT, SLOT + 3), CommandResponse::default());
    first.kill();
    // The heartbeat of the next daemon fails.
    let site = store.dir.path().join("store/sites/main");
    std::fs::rename(site.join("beat"), site.join("away")).unwrap();
    std::fs::write(site.join("beat"), "").unwrap();
    let refused = store.refused("one", "main");
    assert!(refused.contains("sites/main/beat/0000002"), "{refused}");
    assert!(site.join("l/0000002").exists());
    std::fs::remove_file(site.join("beat")).unwrap();
    let began = now();
    let third = store.start("one", "main", "V");
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    assert_eq!(third.iqn, iqn);
    assert_eq!(move_medium(&mut login(&third), SLOT + 3, SLOT), CommandResponse::default());
    assert!(!store.data("one").join("state.1.before").exists());
    // The errors of the store name its URL.
    assert_eq!(third.terminate(), Some(0));
    let copies = site.join("copies");
    for copy in std::fs::read_dir(copies).unwrap() {
        std::fs::write(copy.unwrap().path(), "damaged").unwrap();
    }
    let refused = store.refused("two", "main");
    assert!(refused.starts_with(&format!("ferric-iscsid: --site: {}: sites/main/copies/", store.url)), "{refused}");
}
