//! Daemons with cartridges on a shelf.
#![cfg(feature = "shelf")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "test code")]

mod common;

use common::{DRIVE, Daemon, SLOT, command, filemark, load, move_medium, read, ready, record, rewind, write};
use initiator::CommandResponse;
use std::path::{Path, PathBuf};
use tempfile::tempdir;

const RECORD: usize = 60_000;

/// The configuration of a library with two cartridges on the shelf in a directory.
fn config(shelf: &Path, durability: &str) -> String {
    format!(
        "[library]\nslots = 4\n[[drive]]\nmodel = \"ULT3580-TD8\"\ncount = 2\ncompression = \"none\"\n\
         [[cartridges]]\npattern = \"V#####L8\"\ncount = 2\nsize = \"64MB\"\n\
         [storage]\nnew_cartridges = \"archive\"\n\
         [[shelf]]\nname = \"archive\"\nurl = \"file://{}\"\ndurability = \"{durability}\"\ncache = \"1GB\"\n",
        shelf.display()
    )
}

/// The directory of the shelf, which exists.
fn shelf(dir: &Path) -> PathBuf {
    let shelf = dir.join("shelf");
    std::fs::create_dir(&shelf).unwrap();
    shelf
}

/// Names of the directories of cartridges in a data directory.
fn in_directory(data: &Path) -> usize {
    std::fs::read_dir(data.join("cartridges")).map_or(0, |entries| entries.count())
}

/// The error of a daemon that does not start.
fn refused(data: &Path, config: &str) -> String {
    let output = command(data, config).output().unwrap();
    assert!(!output.status.success());
    String::from_utf8(output.stderr).unwrap().lines().last().unwrap().to_owned()
}

#[test]
fn another_daemon_reads_what_was_written_to_the_shelf() {
    for durability in ["remote", "local"] {
        let dir = tempdir().unwrap();
        let (shelf, first, second) = (shelf(dir.path()), dir.path().join("first"), dir.path().join("second"));
        let config = config(&shelf, durability);
        let records: Vec<Vec<u8>> = (0..20).map(|seed| record(seed, RECORD)).collect();
        let daemon = Daemon::start(&first, &config);
        {
            let mut session = daemon.login(1);
            load(&mut session);
            for one in &records {
                assert_eq!(write(&mut session, one), CommandResponse::default());
            }
            assert_eq!(filemark(&mut session), CommandResponse::default());
            assert_eq!(move_medium(&mut session, DRIVE, SLOT), CommandResponse::default());
        }
        assert_eq!(daemon.terminate(), Some(0));
        let daemon = Daemon::start(&second, &config);
        {
            let mut session = daemon.login(1);
            load(&mut session);
            for one in &records {
                assert!(read(&mut session, 60_000).data == *one, "{durability}");
            }
            assert_eq!(read(&mut session, 60_000).sense_codes(), Some((0, 0, 1)));
            assert_eq!(rewind(&mut session), CommandResponse::default());
            assert_eq!(move_medium(&mut session, DRIVE, SLOT), CommandResponse::default());
        }
        assert_eq!(daemon.terminate(), Some(0));
        assert_eq!([in_directory(&first), in_directory(&second)], [0, 0]);
    }
}

/// A synchronised filemark of a shelf with `durability = "remote"` is on the shelf when it ends: another machine reads what is
/// before it after the first one is lost.
#[test]
fn a_synchronised_filemark_survives_the_loss_of_the_machine() {
    let dir = tempdir().unwrap();
    let (shelf, first, second) = (shelf(dir.path()), dir.path().join("first"), dir.path().join("second"));
    let config = config(&shelf, "remote");
    let daemon = Daemon::start(&first, &config);
    let mut session = daemon.login(1);
    load(&mut session);
    for seed in 0..3 {
        assert_eq!(write(&mut session, &record(seed, RECORD)), CommandResponse::default());
        assert_eq!(filemark(&mut session), CommandResponse::default());
    }
    drop(session);
    daemon.kill();
    std::fs::remove_dir_all(&first).unwrap();
    let daemon = Daemon::start(&second, &config);
    let mut session = daemon.login(1);
    load(&mut session);
    for seed in 0..3 {
        assert!(read(&mut session, 60_000).data == record(seed, RECORD));
        assert_eq!(read(&mut session, 60_000).sense_codes(), Some((0, 0, 1)));
    }
}

/// The second daemon gets the cartridge when the first one has unloaded it.
#[test]
fn a_cartridge_is_in_one_drive_of_one_daemon() {
    let dir = tempdir().unwrap();
    let (shelf, first, second) = (shelf(dir.path()), dir.path().join("first"), dir.path().join("second"));
    let config = config(&shelf, "remote");
    let (one, two) = (Daemon::start(&first, &config), Daemon::start(&second, &config));
    let (mut a, mut b) = (one.login(1), two.login(1));
    load(&mut a);
    assert_eq!(write(&mut a, &record(1, RECORD)), CommandResponse::default());
    assert_eq!(filemark(&mut a), CommandResponse::default());
    assert_eq!(move_medium(&mut b, SLOT, DRIVE), CommandResponse::default());
    assert_eq!(ready(&mut b).sense_codes(), Some((3, 0x53, 0x00)));
    assert_eq!(move_medium(&mut b, DRIVE, SLOT), CommandResponse::default());
    assert_eq!(move_medium(&mut a, DRIVE, SLOT), CommandResponse::default());
    load(&mut b);
    assert!(read(&mut b, 60_000).data == record(1, RECORD));
}

#[test]
fn shelves_that_cannot_be_used_are_refused() {
    let dir = tempdir().unwrap();
    let (shelf, data) = (shelf(dir.path()), dir.path().join("data"));
    let good = config(&shelf, "remote");
    let place = format!("ferric-iscsid: {}:13: shelf.", data.with_extension("toml").display());
    let missing = good.replace("/shelf\"", "/missing\"");
    let message = refused(&data, &missing);
    assert!(message.starts_with(&format!("{place}url: \"file://{}/missing\": ", dir.path().display())), "{message}");
    assert_eq!(Daemon::start(&data, &good).terminate(), Some(0));
    // The local files of a shelf are never those of another one.
    std::fs::create_dir(dir.path().join("missing")).unwrap();
    let local = data.join("shelves/archive");
    let url = |name: &str| format!("file://{}/{name}", dir.path().display());
    let expected = format!(
        "{place}url: {} has the local files of {}; use another name for {}",
        local.display(),
        url("shelf"),
        url("missing")
    );
    assert_eq!(refused(&data, &missing), expected);
    // The disk of the directory is not mounted.
    std::fs::rename(&shelf, dir.path().join("disk")).unwrap();
    std::fs::create_dir(&shelf).unwrap();
    let message = refused(&data, &good);
    let place = format!("{place}url: {}: the shelf has no cartridges, but {} has", url("shelf"), local.display());
    assert!(message.starts_with(&format!("{place} local files of 2; mount its disk")), "{message}");
    assert_eq!(std::fs::read_dir(&shelf).unwrap().count(), 0);
    std::fs::remove_dir(&shelf).unwrap();
    std::fs::rename(dir.path().join("disk"), &shelf).unwrap();
    assert_eq!(Daemon::start(&data, &good).terminate(), Some(0));
}
