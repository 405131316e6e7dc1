//! The program that runs before each move: mhvtl's `movecommand` in a configuration of mhvtl, and `move_command`.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "test code")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use vtl::config::{mhvtl, parse};
use vtl::control::{ControlRequest, ReloadChange};
use vtl::data_dir::DataDir;
use vtl::host::Host;
use vtl::site::Site;
use vtl::{ErrorCode, OpenSite};

/// Writes a script that appends its arguments to `moves`, and then does what `end` says.
fn script(directory: &Path, end: &str) -> String {
    let path = directory.join("on-move");
    let text = format!("#!/bin/sh\necho \"$@\" >> {}\n{end}\n", directory.join("moves").display());
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path.display().to_string()
}

/// The lines that the script has written since the last call.
fn moves(directory: &Path) -> Vec<String> {
    let text = fs::read_to_string(directory.join("moves")).unwrap_or_default();
    let _ = fs::remove_file(directory.join("moves"));
    text.lines().map(str::to_owned).collect()
}

/// A site of a configuration of mhvtl: three slots with two cartridges, a MAP and two drives.
fn mhvtl_site(directory: &Path, lines: &str) -> OpenSite {
    let devices = format!(
        "VERSION: 5\n\nLibrary: 10 CHANNEL: 00 TARGET: 00 LUN: 00\n Vendor identification: STK\n\
         Product identification: L700\n Unit serial number: XYZZY_A\n Home directory: {}\n{lines}\n\
         Drive: 11 CHANNEL: 00 TARGET: 01 LUN: 00\n Library ID: 10 Slot: 01\n Vendor identification: IBM\n\
         Product identification: ULT3580-TD8\n Unit serial number: XYZZY_A1\n\n\
         Drive: 12 CHANNEL: 00 TARGET: 02 LUN: 00\n Library ID: 10 Slot: 02\n Vendor identification: IBM\n\
         Product identification: ULT3580-TD8\n Unit serial number: XYZZY_A2\n\n",
        directory.join("home").display()
    );
    fs::write(directory.join("device.conf"), devices).unwrap();
    let contents = "Drive 1:\nDrive 2:\n\nMAP 1:\n\nSlot 1: E01001L8\nSlot 2: E01002L8\nSlot 3:\n";
    fs::write(directory.join("library_contents.10"), contents).unwrap();
    let imported = mhvtl::import(directory).unwrap();
    assert_eq!(imported.notes, [""; 0]);
    Site::open(&directory.join("data"), &imported.config().unwrap()).unwrap()
}

fn host(site: &Site) -> Host {
    let host = Host::login(&site.targets()[0], 1);
    host.clear_unit_attentions();
    host
}

/// In the L700 of mhvtl, slots begin at 1000, drives at 500, MAPs at 10.
#[test]
fn movecommand_of_mhvtl_runs_before_each_move() {
    let dir = tempfile::tempdir().unwrap();
    let directory = dir.path();
    let program = script(directory, "");
    let site = mhvtl_site(directory, &format!(" movecommand: {program}\n commandtimeout: 30\n"));
    let host = host(&site);
    host.move_medium(0, 1000, 500).unwrap();
    host.move_medium(0, 500, 10).unwrap();
    assert_eq!(moves(directory), ["Storage 1 Drive 1 E01001L8", "Drive 1 MAP 1 E01001L8"]);
    // EXCHANGE MEDIUM: the cartridge in slot 2 goes to the MAP, whose cartridge goes to slot 3.
    let exchange = [0xa6, 0, 0, 0, 0x03, 0xe9, 0, 10, 0x03, 0xea, 0, 0];
    assert_eq!(host.command(0, &exchange, 0).sense_codes(), None);
    assert_eq!(moves(directory), ["MAP 1 Storage 3 E01001L8", "Storage 2 MAP 1 E01002L8"]);
    // A move that cannot be made runs nothing.
    assert_eq!(host.move_medium(0, 1000, 500).unwrap_err().sense_codes(), Some((5, 0x3b, 0x0e)));
    assert_eq!(moves(directory), [""; 0]);
    // Also before moves of operators.
    let load = ControlRequest::Load { library: None, cartridge: "E01001L8".into(), drive: Some("drive2".into()) };
    site.control(&load).unwrap();
    assert_eq!(moves(directory), ["Storage 3 Drive 2 E01001L8"]);
}

#[test]
fn a_failing_movecommand_refuses_the_move() {
    let dir = tempfile::tempdir().unwrap();
    let directory = dir.path();
    let program = script(directory, "exit 1");
    let site = mhvtl_site(directory, &format!(" movecommand: {program}\n"));
    let host = host(&site);
    // HARDWARE ERROR, LOGICAL UNIT NOT READY, MANUAL INTERVENTION REQUIRED.
    assert_eq!(host.move_medium(0, 1000, 500).unwrap_err().sense_codes(), Some((4, 0x04, 0x03)));
    let exchange = [0xa6, 0, 0, 0, 0x03, 0xe8, 0x03, 0xe9, 0x03, 0xea, 0, 0];
    assert_eq!(host.command(0, &exchange, 0).sense_codes(), Some((4, 0x04, 0x03)));
    assert_eq!(moves(directory), ["Storage 1 Drive 1 E01001L8", "Storage 2 Storage 3 E01002L8"]);
    let load = ControlRequest::Load { library: None, cartridge: "E01001L8".into(), drive: None };
    let error = site.control(&load).unwrap_err();
    let message = "the move command of library \"library10\" has failed; the log of the daemon has the reason";
    assert_eq!((error.code, error.message.as_str()), (ErrorCode::Unavailable, message));
    let elements = host.element_status(0).unwrap();
    let at = |address| elements.iter().find(|element| element.address == address).unwrap().barcode.clone();
    assert_eq!([at(1000), at(1001), at(1002), at(500)], [Some("E01001L8".into()), Some("E01002L8".into()), None, None]);
    assert_eq!(site.metrics().libraries[0].moves.failed, 3);
    // A program that does not exist.
    fs::remove_file(directory.join("on-move")).unwrap();
    assert_eq!(host.move_medium(0, 1000, 500).unwrap_err().sense_codes(), Some((4, 0x04, 0x03)));
}

#[test]
fn a_movecommand_that_does_not_end_is_killed() {
    let dir = tempfile::tempdir().unwrap();
    let directory = dir.path();
    let program = script(directory, "sleep 600");
    let site = mhvtl_site(directory, &format!(" movecommand: {program}\n commandtimeout: 1\n"));
    assert_eq!(host(&site).move_medium(0, 1000, 500).unwrap_err().sense_codes(), Some((4, 0x04, 0x03)));
}

#[test]
fn a_reload_changes_the_move_command() {
    let dir = tempfile::tempdir().unwrap();
    let program = script(dir.path(), "");
    let config = |line: &str| {
        let rest =
            "[[library.drive]]\nmodel = \"ULT3580-TD8\"\n[[library.cartridges]]\npattern = \"A1L8\"\nsize = \"64MB\"\n";
        parse("f", &format!("[library]\nslots = 2\n{line}{rest}")).unwrap()
    };
    let site = Site::open_data_dir(DataDir::in_memory(), &config("")).unwrap();
    let host = host(&site);
    host.move_medium(0, 1000, 500).unwrap();
    assert_eq!(moves(dir.path()), [""; 0]);
    let changed = [ReloadChange::PoliciesChanged { library: "main".into() }];
    let command = format!("move_command = [{program:?}, \"a b\"]\n");
    assert_eq!(site.reload(&config(&command)).unwrap().changes, changed);
    host.move_medium(0, 500, 1001).unwrap();
    assert_eq!(moves(dir.path()), ["a b Drive 1 Storage 2 A1L8"]);
    assert_eq!(site.reload(&config("")).unwrap().changes, changed);
    host.move_medium(0, 1001, 500).unwrap();
    assert_eq!(moves(dir.path()), [""; 0]);
}
