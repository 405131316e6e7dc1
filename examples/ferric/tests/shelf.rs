//! `ferric shelf` with a shelf in a directory.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "test code")]

#[path = "../../../crates/shelf/tests/stand_in/mod.rs"]
mod stand_in;

use shelf::{Content, Shelf, ShelfOptions, SiteCopy};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tape_store::backend::file::OsFolderStore;
use tape_store::cartridge::Barcode;
use tape_store::store::TapeStore;

struct Site {
    directory: tempfile::TempDir,
    /// The server with the shelf; without it, the shelf is in the directory.
    server: Option<stand_in::StandIn>,
}

impl Site {
    /// A directory with a cartridge that has data, a shelf, and a place for recalled cartridges.
    fn new() -> Self {
        let site = Self { directory: tempfile::tempdir().unwrap(), server: None };
        for name in ["shelf", "tapes", "recalled"] {
            fs::create_dir(site.path(name)).unwrap();
        }
        site.run("tape create tapes/V00001L8 --size 64MB");
        fs::write(site.path("image"), vec![7; 700_000]).unwrap();
        site.run("tape import image tapes/V00001L8");
        site
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn url(&self) -> String {
        match self.server {
            Some(_) => format!("s3://{}/site", stand_in::BUCKET),
            None => format!("file://{}", self.path("shelf").display()),
        }
    }

    fn output(&self, line: &str) -> Output {
        let url = self.url();
        let words = line.split(' ').map(|word| if word == "URL" { url.as_str() } else { word });
        let settings = self.server.as_ref().map(stand_in::StandIn::settings).unwrap_or_default();
        let mut command = Command::new(env!("CARGO_BIN_EXE_ferric"));
        command.args(words).envs(settings).current_dir(self.directory.path()).output().unwrap()
    }

    fn run(&self, line: &str) -> String {
        let output = self.output(line);
        assert!(output.status.success(), "{line}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn refused(&self, line: &str) -> String {
        let output = self.output(line);
        assert_eq!(output.status.code(), Some(1), "{line}: {output:?}");
        String::from_utf8(output.stderr).unwrap()
    }

    fn shelf(&self) -> Shelf {
        static LAST: AtomicU64 = AtomicU64::new(1);
        let entropy = Arc::new(|into: &mut [u8]| {
            let bytes = LAST.fetch_add(1, Ordering::Relaxed).to_be_bytes();
            into.iter_mut().rev().zip(bytes.iter().rev()).for_each(|(slot, byte)| *slot = *byte);
            Ok(())
        });
        Shelf::open(&self.url(), [], ShelfOptions::new("another program"), entropy).unwrap()
    }

    fn assert_same(&self, left: &str, right: &str) {
        let names = |path: &Path| {
            let mut names: Vec<_> = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name()).collect();
            names.sort();
            names
        };
        let (left, right) = (self.path(left), self.path(right));
        assert_eq!(names(&left), names(&right));
        for name in names(&left) {
            assert!(fs::read(left.join(&name)).unwrap() == fs::read(right.join(&name)).unwrap(), "{name:?}");
        }
    }

    /// The objects whose names contain a text.
    fn objects(&self, text: &str) -> Vec<PathBuf> {
        let mut directories = vec![self.path("shelf")];
        let mut found = Vec::new();
        while let Some(directory) = directories.pop() {
            for entry in fs::read_dir(directory).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    directories.push(path);
                } else if path.to_string_lossy().contains(text) {
                    found.push(path);
                }
            }
        }
        found.sort();
        found
    }
}

#[test]
fn a_cartridge_returns_from_the_shelf_as_it_was() {
    let site = Site::new();
    site.run("shelf archive --shelf URL tapes/V00001L8");
    assert!(site.run("shelf list --shelf URL").contains("state 3"));
    site.run("shelf recall --shelf URL V00001L8 --to recalled");
    site.assert_same("tapes/V00001L8", "recalled/V00001L8");
    let text = site.refused("shelf recall --shelf URL V00001L8 --to recalled");
    assert_eq!(text, "ferric: recalled/V00001L8: exists already; nothing was changed\n");
    // A newer state replaces the former one.
    site.run("tape import image tapes/V00001L8");
    site.run("shelf archive --shelf URL tapes/V00001L8");
    fs::remove_dir_all(site.path("recalled/V00001L8")).unwrap();
    site.run("shelf recall --shelf URL V00001L8 --to recalled");
    site.assert_same("tapes/V00001L8", "recalled/V00001L8");
    assert_eq!(fs::read_dir(site.path("recalled")).unwrap().count(), 1);
}

#[test]
fn the_former_state_is_recalled_after_an_interrupted_archive() {
    let site = Site::new();
    site.run("shelf archive --shelf URL tapes/V00001L8");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    // Killed after it has taken the cartridge.
    let mut owned = runtime.block_on(site.shelf().take("V00001L8")).unwrap();
    assert!(site.run("shelf list --shelf URL").contains("not released by another program"));
    let alive = std::thread::scope(|scope| {
        let refused = scope.spawn(|| site.refused("shelf recall --shelf URL V00001L8 --to recalled"));
        for _ in 0..120 {
            if refused.is_finished() {
                break;
            }
            runtime.block_on(async {
                owned.beat().await.unwrap();
                tokio::time::sleep(Duration::from_millis(500)).await;
            });
        }
        refused.join().unwrap()
    });
    assert_eq!(alive, "ferric: cartridge V00001L8 is in use by another program\n");
    drop(owned);
    site.run("shelf recall --shelf URL V00001L8 --to recalled");
    site.assert_same("tapes/V00001L8", "recalled/V00001L8");
}

#[test]
fn damage_on_the_shelf_is_named_and_never_data() {
    let site = Site::new();
    site.run("shelf archive --shelf URL tapes/V00001L8");
    let segment = site.objects("/seg/").remove(0);
    let intact = fs::read(&segment).unwrap();
    let mut damaged = intact.clone();
    damaged[1000] ^= 1;
    for content in [damaged, intact[..500].to_vec(), Vec::new()] {
        fs::write(&segment, content).unwrap();
        let text = site.refused("shelf verify --shelf URL V00001L8");
        assert_eq!(text, "ferric: damaged on the shelf: V00001L8\n");
        let text = site.refused("shelf recall --shelf URL V00001L8 --to recalled");
        assert!(text.contains("V00001L8/seg/"), "{text}");
        assert_eq!(fs::read_dir(site.path("recalled")).unwrap().count(), 0);
    }
    // Another intact segment in its place.
    site.run("shelf archive --shelf URL tapes/V00001L8");
    let segments = site.objects("/seg/");
    fs::write(&segments[1], &intact).unwrap();
    site.refused("shelf verify --shelf URL V00001L8");
    site.refused("shelf recall --shelf URL V00001L8 --to recalled");
    fs::remove_file(&segments[1]).unwrap();
    assert!(site.refused("shelf recall --shelf URL V00001L8 --to recalled").contains("it is missing"));
}

/// The errors of the commands for several cartridges do not hide what was done before.
#[test]
fn a_report_has_what_was_done_before_an_error() {
    let site = Site::new();
    for name in ["tapes/V00002L8", "tapes/V00003L8"] {
        site.run(&format!("tape create {name} --size 64MB"));
    }
    site.run("shelf archive --shelf URL tapes/V00001L8 tapes/V00002L8 tapes/V00003L8");
    for manifest in site.objects("V00002L8/m/") {
        fs::write(manifest, "damaged").unwrap();
    }
    for (command, done) in [("gc --shelf URL", "0 objects removed"), ("destroy --yes --shelf URL", "it has no key")] {
        let output = site.output(&format!("shelf {command} V00001L8 V00002L8 V00003L8"));
        assert_eq!(output.status.code(), Some(1));
        let [text, error] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
        assert!(text.starts_with(&format!("V00001L8: {done}")) && text.lines().count() == 1, "{text}");
        assert!(error.contains("V00002L8/m/") && error.contains("is damaged"), "{error}");
    }
}

#[test]
fn a_removed_cartridge_is_not_listed() {
    let site = Site::new();
    site.run("shelf archive --shelf URL tapes/V00001L8");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let owned = site.shelf().take("V00001L8").await.unwrap();
        { owned }.release(Content::default()).await.unwrap();
    });
    assert_eq!(site.run("shelf list --shelf URL"), "no cartridges\n");
}

#[test]
fn a_copy_on_another_shelf_follows_its_cartridge() {
    let site = Site::new();
    fs::create_dir(site.path("second")).unwrap();
    let second = format!("file://{}", site.path("second").display());
    let copy = format!("cartridge copy V00001L8 --from URL --to {second}");
    assert_eq!(site.refused(&copy), "ferric: cartridge V00001L8 is not on the shelf\n");
    site.run("shelf archive --shelf URL tapes/V00001L8");
    let text = site.run(&copy);
    assert!(text.ends_with("1 of 1 segment copied, state 3 on the shelf\n"), "{text}");
    assert!(site.run(&copy).contains(" 0 of 1 segment copied, state 3 "));
    site.run("tape import image tapes/V00001L8");
    site.run("shelf archive --shelf URL tapes/V00001L8");
    assert!(site.run(&copy).contains(" 1 of 1 segment copied, state 5 "));
    site.run(&format!("shelf verify --shelf {second} V00001L8 --sample 1"));
    site.run(&format!("shelf recall --shelf {second} V00001L8 --to recalled"));
    site.assert_same("tapes/V00001L8", "recalled/V00001L8");
    // What was written there is not replaced.
    site.run("tape import image recalled/V00001L8");
    site.run(&format!("shelf archive --shelf {second} recalled/V00001L8"));
    let text = site.refused(&copy);
    assert!(
        text.starts_with("ferric: the target shelf has another state of cartridge V00001L8: number 7, of"),
        "{text}"
    );
    site.run(&format!("cartridge copy V00001L8 --from {second} --to URL"));
    site.run("shelf recall --shelf URL V00001L8 --to tapes/..");
    site.assert_same("V00001L8", "recalled/V00001L8");
}

#[test]
fn errors_name_what_is_wrong() {
    let site = Site::new();
    for (line, error) in [
        ("shelf recall --shelf URL V00009L8", "cartridge V00009L8 is not on the shelf"),
        ("shelf verify --shelf URL V00009L8", "cartridge V00009L8 is not on the shelf"),
        ("shelf archive --shelf URL tapes/V00009L8", "tapes/V00009L8: cartridge does not exist"),
        ("shelf recall --shelf URL V00001L8 --to nowhere", "nowhere: directory does not exist"),
        ("shelf list --shelf memory:///", "shelf \"memory:///\": the scheme is none of s3, gs, az and file"),
        (
            "shelf list --shelf file:///no/such",
            "shelf \"file:///no/such\": the directory does not exist; create it, or mount its disk",
        ),
        ("shelf list --shelf bucket", "shelf \"bucket\": relative URL without a base"),
    ] {
        assert_eq!(site.refused(line), format!("ferric: {error}\n"));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(site.shelf().add("V00007L8", Content::default())).unwrap();
    let text = site.refused("shelf recall --shelf URL V00007L8");
    assert_eq!(text, "ferric: cartridge V00007L8 has no files on the shelf: archive it again\n");
}

#[tokio::test]
async fn a_site_is_restored_into_a_new_directory_only() {
    let site = Site::new();
    assert!(site.refused("site restore URL restored").contains(" has no copy of a site"));
    let files = [("state.1", b"state".to_vec()), ("site.toml", b"# configuration".to_vec())];
    let copy = SiteCopy { site: "0a1b2c3d".into(), files: files.map(|(name, bytes)| (name.into(), bytes)).into() };
    site.shelf().put_site(&copy).await.unwrap();
    let text = "site 0a1b2c3d is restored in restored: 2 files\n\
        start it with: ferric-iscsid --data restored --config restored/site.toml\n";
    assert_eq!(site.run("site restore URL restored"), text);
    assert_eq!(fs::read(site.path("restored/state.1")).unwrap(), b"state");
    // The next start does not believe the copy about cartridges on shelves.
    assert!(site.path("restored/restored").exists());
    let refused = site.refused("site restore URL restored");
    assert!(refused.contains("restored is not empty: a site is restored into a new directory"), "{refused}");

    site.shelf().put_site(&SiteCopy { site: "ffffffff".into(), files: [].into() }).await.unwrap();
    let refused = site.refused("site restore URL other");
    assert!(refused.contains("has copies of several sites; select one with --site: 0a1b2c3d, ffffffff"), "{refused}");
    assert!(site.refused("site restore URL other --site 00000000").contains("has no copy of a site 00000000"));
    assert!(site.run("site restore URL other --site ffffffff").ends_with("ferric-iscsid --data other\n"));
}

#[test]
fn what_no_recent_state_names_is_removed_after_a_day_only() {
    let site = Site::new();
    site.run("shelf archive --shelf URL ./tapes/V00001L8");
    site.run("shelf archive --shelf URL ./tapes/V00001L8");
    let segments = site.objects("/seg/").len();
    assert_eq!(segments, 2);
    let text = site.run("shelf gc --shelf URL --dry-run");
    assert!(text.starts_with("V00001L8: 0 objects would be removed (0 bytes), 5 objects kept ("), "{text}");
    // The store says that the first archive is two days old.
    let objects: Vec<_> = site.objects("/V00001L8/");
    let old = fs::metadata(&objects[0]).unwrap().modified().unwrap() - Duration::from_secs(2 * 24 * 3600);
    for path in objects.iter().filter(|path| path.to_string_lossy().contains("/seg/0000001-")) {
        fs::File::options().write(true).open(path).unwrap().set_modified(old).unwrap();
    }
    for path in objects.iter().filter(|path| path.to_string_lossy().contains("/m/")) {
        fs::File::options().write(true).open(path).unwrap().set_modified(old).unwrap();
    }
    let text = site.run("shelf gc --shelf URL V00001L8");
    assert!(text.starts_with("V00001L8: 1 object removed ("), "{text}");
    assert_eq!(site.objects("/seg/").len(), 1);
    site.run("shelf recall --shelf URL V00001L8 --to recalled");
    site.assert_same("tapes/V00001L8", "recalled/V00001L8");
    assert!(site.refused("shelf gc --shelf URL V00009L8").contains("cartridge V00009L8 is not on the shelf"));
}

#[test]
fn the_catalog_has_the_archived_cartridges_and_is_rebuilt_without_loss() {
    let site = Site::new();
    let refused = site.refused("shelf catalog --shelf URL");
    assert!(refused.ends_with("has no complete catalog; `ferric shelf catalog --rebuild` creates it\n"), "{refused}");
    site.run("shelf archive --shelf URL tapes/V00001L8");
    assert_eq!(site.run("shelf catalog --shelf URL"), "V00001L8\n");
    assert_eq!(site.run("shelf catalog --shelf URL --rebuild"), "the catalog has 1 cartridge: 0 added, 0 removed\n");
    // A program of a former release has added a cartridge, or one that ended before it wrote the catalog.
    fs::remove_dir_all(site.path("shelf/catalog")).unwrap();
    assert_eq!(site.run("shelf catalog --shelf URL --rebuild"), "the catalog has 1 cartridge: 1 added, 0 removed\n");
    assert_eq!(site.run("shelf catalog --shelf URL"), "V00001L8\n");
}

#[test]
fn the_cost_is_counted_from_the_objects() {
    let site = Site::new();
    let text = site.run("shelf cost --shelf URL");
    assert!(text.starts_with("0 cartridges, 0 objects, 0 bytes stored, 0 bytes of files\n"), "{text}");
    site.run("shelf archive --shelf URL ./tapes/V00001L8");
    let line = "shelf cost --shelf URL --json --storage-price 1000000 --write-price 1000 --read-price 500";
    let report: serde_json::Value = serde_json::from_str(&site.run(line)).unwrap();
    let stored: u64 = ["/seg/", "/m/", "/l/", "/ix/"]
        .iter()
        .flat_map(|kind| site.objects(kind))
        .map(|path| fs::metadata(path).unwrap().len())
        .sum();
    assert_eq!((&report["cartridges"], &report["stored_bytes"]), (&1.into(), &stored.into()));
    let month = report["storage_per_month"].as_f64().unwrap();
    assert!((month - stored as f64 / 1e9 * 1e6).abs() < 1e-6, "{month}");
    // A price is that of 1,000 requests.
    assert_eq!(report["write_cost_per_tb"].as_f64(), report["write_requests_per_tb"].as_f64());
    assert_eq!(report["read_cost_per_tb"].as_f64().map(|cost| cost * 2.0), report["read_requests_per_tb"].as_f64());
}

#[test]
fn an_encrypted_cartridge_is_rewrapped_and_destroyed() {
    let site = Site::new();
    for (name, digit) in [("old.key", "1"), ("new.key", "2")] {
        fs::write(site.path(name), digit.repeat(64)).unwrap();
    }
    site.run("shelf archive --shelf URL --key file:old.key ./tapes/V00001L8");
    site.run("shelf verify --shelf URL V00001L8");
    let refused = site.refused("shelf recall --shelf URL V00001L8 --to recalled");
    assert!(refused.contains("cartridge V00001L8: it is encrypted, and the key "), "{refused}");
    let rewrap = "shelf rewrap --shelf URL --key file:new.key --former-key file:old.key";
    assert_eq!(site.run(rewrap), "V00001L8: its data key is wrapped with the new key\n");
    assert_eq!(site.run(rewrap), "V00001L8: nothing to do\n");
    site.run("shelf recall --shelf URL --key file:new.key V00001L8 --to recalled");
    site.assert_same("tapes/V00001L8", "recalled/V00001L8");

    let refused = site.refused("shelf destroy --shelf URL V00001L8");
    assert!(refused.contains("the data of V00001L8 would be lost forever; nothing was changed"), "{refused}");
    let done = site.run("shelf destroy --shelf URL V00001L8 --yes");
    assert_eq!(done, "V00001L8: its key is destroyed, and with it the data\n");
    fs::remove_dir_all(site.path("recalled/V00001L8")).unwrap();
    let refused = site.refused("shelf recall --shelf URL --key file:new.key V00001L8 --to recalled");
    assert!(refused.contains("its key was destroyed: its data can no longer be read"), "{refused}");
    let again = site.run("shelf destroy --shelf URL V00001L8 --yes");
    assert!(again.contains("it has no key"), "{again}");
    assert!(site.refused("shelf rewrap --shelf URL").contains("the new key is missing: give it with --key"));
}

#[test]
fn a_retained_cartridge_loses_no_object_and_no_key() {
    let site = Site::new();
    fs::write(site.path("key"), "1".repeat(64)).unwrap();
    let tapes = TapeStore::new(Box::new(OsFolderStore::at_unchecked(&site.path("tapes"))));
    // The year 2100.
    tapes.find(&Barcode::new("V00001L8").unwrap()).unwrap().retain_until(4_102_444_800).unwrap();
    site.run("shelf archive --shelf URL --key file:key ./tapes/V00001L8");
    let retained = "cartridge V00001L8 is retained until 2100-01-01T00:00:00Z";
    assert_eq!(site.run("shelf gc --shelf URL"), format!("V00001L8: skipped: {retained}\n"));
    let refused = site.refused("shelf destroy --shelf URL V00001L8 --yes");
    assert_eq!(refused, "ferric: the keys of these cartridges are not destroyed: V00001L8\n");
    let output = site.output("shelf destroy --shelf URL V00001L8 --yes --json");
    assert!(String::from_utf8_lossy(&output.stdout).contains(&format!("\"skipped\": \"{retained}\"")), "{output:?}");
    assert_eq!(site.objects("/key").len(), 1);
    // No other state replaces it.
    let refused = site.refused("shelf archive --shelf URL --key file:key ./tapes/V00001L8");
    assert_eq!(refused, format!("ferric: {retained}\n"));
    site.run("shelf recall --shelf URL --key file:key V00001L8 --to recalled");
    site.assert_same("tapes/V00001L8", "recalled/V00001L8");
}

#[test]
fn a_deletion_that_the_store_denies_is_shown_and_skipped() {
    let site = Site { server: Some(stand_in::StandIn::start()), ..Site::new() };
    let server = site.server.as_ref().unwrap();
    fs::write(site.path("key"), "1".repeat(64)).unwrap();
    for _ in 0..2 {
        site.run("shelf archive --shelf URL --key file:key ./tapes/V00001L8");
    }
    // The bucket locks objects by itself: each in another way.
    let mut names = Vec::new();
    for (key, object) in &mut server.state().objects {
        match (key.contains("/seg/"), key.ends_with("/key")) {
            (true, _) => object.retained_until = Some("2100-01-01T00:00:00Z".into()),
            (_, true) => object.is_held = true,
            _ => continue,
        }
        names.push(key.trim_start_matches("site/").to_owned());
    }
    server.state().day = 9;
    // The former state is garbage a day after the next one.
    site.run("shelf archive --shelf URL --key file:key ./tapes/V00001L8");
    server.state().day = 19;
    let output = site.output("shelf gc --shelf URL");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let denied: Vec<_> = text.lines().filter(|line| line.contains("the store denies the deletion")).collect();
    assert!(!denied.is_empty(), "{text}");
    for line in denied {
        let (object, reason) = line.split_once(": ").unwrap();
        assert!(names.contains(&object.to_owned()), "{line}");
        assert_eq!(reason, "the store denies the deletion: retained until 2100-01-01T00:00:00Z");
    }
    assert!(String::from_utf8_lossy(&output.stderr).contains("the store denies the deletion of objects of V00001L8"));
    let output = site.output("shelf destroy --shelf URL V00001L8 --yes");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let key = names.iter().find(|name| name.ends_with("/key")).unwrap();
    assert_eq!(text, format!("V00001L8: skipped: {key}: the store denies the deletion: under a legal hold\n"));
    site.run("shelf recall --shelf URL --key file:key V00001L8 --to recalled");
}

/// The shelf has locked nothing of the cartridge before.
#[test]
fn an_archive_and_a_copy_lock_the_objects_of_a_protected_cartridge() {
    let site = Site { server: Some(stand_in::StandIn::start()), ..Site::new() };
    let server = site.server.as_ref().unwrap();
    let tapes = TapeStore::new(Box::new(OsFolderStore::at_unchecked(&site.path("tapes"))));
    let barcode = Barcode::new("V00001L8").unwrap();
    tapes.find(&barcode).unwrap().retain_until(4_102_444_800).unwrap();
    tapes.find(&barcode).unwrap().set_legal_hold(true).unwrap();
    let of = |part: &str| {
        let objects = server.state().objects.clone();
        objects.into_iter().filter(|(key, _)| key.contains(part)).map(|(_, object)| object).collect::<Vec<_>>()
    };
    let is_locked = |object: &stand_in::Object| object.is_held && object.retained_until.is_some();
    let archive = |line: &str| {
        let output = site.output(line);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    // A bucket without Object Lock: the command warns.
    let warning = archive("shelf archive --shelf URL ./tapes/V00001L8");
    let expected = "V00001L8 is under a legal hold, but its objects can be deleted: the store cannot lock objects: Object Lock is not \
                    enabled for the bucket";
    assert!(warning.contains(expected), "{warning}");
    assert!(!of("/seg/").iter().any(is_locked));
    let from = format!("file://{}", site.path("shelf").display());
    archive(&format!("shelf archive --shelf {from} ./tapes/V00001L8"));
    for line in
        ["shelf archive --shelf URL ./tapes/V00001L8", &format!("cartridge copy V00001L8 --from {from} --to URL")]
    {
        server.state().objects.clear();
        server.state().can_lock = true;
        assert_eq!(archive(line), "");
        assert!(!of("/seg/").is_empty() && of("/seg/").iter().all(is_locked), "{line}");
        assert!(is_locked(of("/m/").last().unwrap()), "{line}");
    }
}

#[test]
fn a_frozen_cartridge_is_thawed_and_recalled() {
    let site = Site { server: Some(stand_in::StandIn::start()), ..Site::new() };
    let server = site.server.as_ref().unwrap();
    server.state().freezes = Some("/seg/");
    site.run("shelf archive --shelf URL ./tapes/V00001L8");
    let refused = site.refused("shelf recall --shelf URL V00001L8 --to recalled");
    assert!(refused.contains("/seg/") && refused.contains("it must be thawed first (ferric shelf thaw)"), "{refused}");
    let thaw = |line: &str, code: i32| {
        let output = site.output(line);
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let line = "shelf thaw --shelf URL V00001L8 --days 3";
    let dry = thaw("shelf thaw --shelf URL V00001L8 --dry-run", 1);
    assert_eq!(dry, "V00001L8: 0 of 1 object can be read, 0 being thawed, 1 frozen\n");
    for _ in 0..2 {
        assert_eq!(thaw(line, 1), "V00001L8: 0 of 1 object can be read, 1 being thawed, 0 frozen\n");
    }
    {
        let mut state = server.state();
        // It was asked for once.
        let asked: Vec<_> = state.requests.iter().filter(|request| request.query.contains_key("restore")).collect();
        let body = String::from_utf8_lossy(&asked[0].body).into_owned();
        assert_eq!(asked.len(), 1);
        assert!(body.contains("<Days>3</Days>") && body.contains("<Tier>Standard</Tier>"), "{body}");
        state.end_restores();
    }
    assert_eq!(thaw(line, 0), "V00001L8: 1 of 1 object can be read, 0 being thawed, 0 frozen\n");
    site.run("shelf recall --shelf URL V00001L8 --to recalled");
    site.assert_same("tapes/V00001L8", "recalled/V00001L8");
}
