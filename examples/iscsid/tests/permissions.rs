//! Files of the daemon are accessible to their owner only, or readable by a group, regardless of the umask and of
//! existing permissions.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "test code")]

mod common;

use common::{Daemon, SMALL, command, filemark, load, move_medium, ready, record, write};
use initiator::{CommandResponse, Initiator, Transfer};
use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Command;
use tempfile::tempdir;

/// Permissions and group of a directory and everything in it.
fn modes(path: &Path, into: &mut BTreeMap<String, (u32, u32)>) {
    let metadata = fs::symlink_metadata(path).unwrap();
    into.insert(path.display().to_string(), (metadata.mode() & 0o7777, metadata.gid()));
    if metadata.is_dir() {
        fs::read_dir(path).unwrap().for_each(|entry| modes(&entry.unwrap().path(), into));
    }
}

fn check(path: &Path, directory: u32, file: u32) {
    let mut found = BTreeMap::new();
    modes(path, &mut found);
    for (name, (mode, _)) in &found {
        let own = ["lock", "control.sock"].iter().any(|own| name.ends_with(own));
        let wanted = match fs::symlink_metadata(name).unwrap() {
            metadata if metadata.is_dir() => directory,
            _ if own => 0o600,
            _ => file,
        };
        assert_eq!(*mode, wanted, "{name}: {mode:o}");
    }
}

/// The command of the daemon with a umask, which the shell sets.
fn masked(data: &Path, config: &str, umask: &str) -> Command {
    let daemon = command(data, config);
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(format!("umask {umask}; exec \"$0\" \"$@\"")).arg(daemon.get_program()).args(daemon.get_args());
    shell
}

fn backup(daemon: &Daemon) {
    let mut session = daemon.login(1);
    load(&mut session);
    assert_eq!(write(&mut session, &record(1, 70_000)), CommandResponse::default());
    assert_eq!(filemark(&mut session), CommandResponse::default());
}

/// Makes everything accessible to all, as an older version did.
fn make_accessible(path: &Path) {
    let mut found = BTreeMap::new();
    modes(path, &mut found);
    for name in found.keys() {
        let is_dir = fs::symlink_metadata(name).unwrap().is_dir();
        fs::set_permissions(name, Permissions::from_mode(if is_dir { 0o755 } else { 0o644 })).unwrap();
    }
}

#[test]
fn files_are_private_by_default() {
    let dir = tempdir().unwrap();
    let data = dir.path().join("new/d");
    fs::create_dir(dir.path().join("new")).unwrap();
    let daemon = Daemon::spawn(&mut masked(&data, SMALL, "000"));
    backup(&daemon);
    check(&data, 0o700, 0o600);
    assert_eq!(daemon.terminate(), Some(0));
    make_accessible(&data);
    let log = fs::File::create(dir.path().join("log")).unwrap();
    let daemon = Daemon::logging(&mut masked(&data, SMALL, "022"), log.into());
    check(&data, 0o700, 0o600);
    assert_eq!(daemon.terminate(), Some(0));
    let printed = fs::read_to_string(dir.path().join("log")).unwrap();
    assert!(printed.contains("permissions of existing files and directories were corrected"), "{printed}");
}

#[test]
fn group_of_the_site_may_read_its_files() {
    let dir = tempdir().unwrap();
    let data = dir.path().join("d");
    let group = rustix::process::getegid().as_raw();
    let config = format!("{SMALL}[storage]\ngroup = \"{group}\"\n");
    let daemon = Daemon::spawn(&mut masked(&data, &config, "077"));
    backup(&daemon);
    check(&data, 0o2750, 0o640);
    assert_eq!(daemon.terminate(), Some(0));
    // Without the group, only the owner has access again.
    let daemon = Daemon::spawn(&mut masked(&data, SMALL, "022"));
    check(&data, 0o700, 0o600);
    assert_eq!(daemon.terminate(), Some(0));
    let unknown = format!("{SMALL}[storage]\ngroup = \"no such group\"\n");
    let printed = command(&data, &unknown).output().unwrap();
    let text = String::from_utf8(printed.stderr).unwrap();
    assert!(text.contains("storage.group: there is no group \"no such group\""), "{text}");
}

#[test]
fn external_cartridge_directories() {
    for shared in [false, true] {
        let dir = tempdir().unwrap();
        let (data, home) = (dir.path().join("d"), dir.path().join("home"));
        fs::create_dir(&home).unwrap();
        fs::set_permissions(&home, Permissions::from_mode(0o755)).unwrap();
        // Files of other programs, in a folder whose name could be a barcode.
        let others = home.join("ISO");
        fs::create_dir(&others).unwrap();
        fs::write(others.join("debian.iso"), b"x").unwrap();
        let config = format!("{SMALL}[storage]\ncartridges = [{home:?}]\nshared = {shared}\n");
        for first in [true, false] {
            make_accessible(&others);
            let daemon = Daemon::spawn(&mut masked(&data, &config, "022"));
            if first {
                backup(&daemon);
            }
            let (directory, file) = if shared { (0o755, 0o644) } else { (0o700, 0o600) };
            let mut theirs = BTreeMap::new();
            modes(&others, &mut theirs);
            assert_eq!(theirs.values().map(|(mode, _)| *mode).collect::<Vec<_>>(), [0o755, 0o644]);
            fs::remove_dir_all(&others).unwrap();
            check(&home, directory, file);
            fs::create_dir(&others).unwrap();
            fs::write(others.join("debian.iso"), b"x").unwrap();
            assert_eq!(daemon.terminate(), Some(0));
            make_accessible(&home);
        }
    }
}

#[test]
fn world_writable_directory_is_unchanged() {
    let dir = tempdir().unwrap();
    let data = dir.path().join("d");
    fs::create_dir(&data).unwrap();
    fs::set_permissions(&data, Permissions::from_mode(0o1777)).unwrap();
    fs::write(data.join("mine"), "").unwrap();
    fs::set_permissions(data.join("mine"), Permissions::from_mode(0o644)).unwrap();
    let daemon = Daemon::start(&data, SMALL);
    assert_eq!(fs::metadata(&data).unwrap().mode() & 0o7777, 0o1777);
    assert_eq!(fs::metadata(data.join("mine")).unwrap().mode() & 0o7777, 0o644);
    check(&data.join("cartridges/V00001L8"), 0o700, 0o600);
    assert_eq!(daemon.terminate(), Some(0));
}

/// A daemon without root's access to all files: if the test runs as root, the daemon runs as another user, the owner of `directory`.
fn unprivileged(directory: &Path, config: &str) -> Command {
    let daemon = command(&directory.join("d"), config);
    if !rustix::process::geteuid().is_root() {
        return daemon;
    }
    // The directory where the program was built may be unreadable for that user.
    let program = directory.join("program");
    // By another process: a descriptor that a child of this one inherits would make the program a busy file.
    assert!(Command::new("cp").arg(daemon.get_program()).arg(&program).status().unwrap().success());
    assert!(Command::new("chown").args(["-R", "65534:65534"]).arg(directory).status().unwrap().success());
    let mut user = Command::new("setpriv");
    user.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]).arg(program).args(daemon.get_args());
    user
}

/// A new site of an unprivileged daemon, whose cartridges are in `home`. Permissions in a shared directory are not corrected.
fn unprivileged_site(directory: &Path) -> String {
    let home = directory.join("home");
    fs::create_dir(&home).unwrap();
    let config = format!("{SMALL}[storage]\ncartridges = [{home:?}]\nshared = true\n");
    assert_eq!(Daemon::spawn(&mut unprivileged(directory, &config)).terminate(), Some(0));
    config
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// Moves a cartridge into the first drive, which refuses it, and back.
fn check_refused(session: &mut Initiator, slot: u16) {
    // The changer moves the cartridge; the drive refuses it.
    assert_eq!(move_medium(session, slot, 500), CommandResponse::default(), "slot {slot}");
    let mut sense = ready(session).sense_codes();
    if matches!(sense, Some((6, ..))) {
        sense = ready(session).sense_codes();
    }
    assert_eq!(sense, Some((3, 0x31, 0)), "slot {slot}");
    assert_eq!(move_medium(session, 500, slot), CommandResponse::default(), "slot {slot}");
}

#[test]
fn unreadable_cartridges_do_not_affect_others() {
    let dir = tempdir().unwrap();
    let config = unprivileged_site(dir.path());
    let home = dir.path().join("home");
    let daemon = Daemon::spawn(&mut unprivileged(dir.path(), &config));
    let mut session = daemon.login(1);
    assert_eq!(move_medium(&mut session, 1003, 500), CommandResponse::default());
    assert_eq!(ready(&mut session).sense_codes(), Some((6, 0x28, 0)));
    assert_eq!(write(&mut session, &record(1, 1000)), CommandResponse::default());
    assert_eq!(move_medium(&mut session, 500, 1003), CommandResponse::default());
    drop(session);
    assert_eq!(daemon.terminate(), Some(0));
    set_mode(&home.join("V00001L8"), 0o000);
    set_mode(&home.join("V00002L8/ferric.mam"), 0o000);
    set_mode(&home.join("V00002L8/ferric.mam.copy"), 0o000);
    // The drive can neither create files in the third cartridge nor write those of the fourth.
    set_mode(&home.join("V00003L8"), 0o555);
    for file in fs::read_dir(home.join("V00004L8")).unwrap() {
        set_mode(&file.unwrap().path(), 0o444);
    }
    let log = dir.path().join("log");
    let daemon = Daemon::logging(&mut unprivileged(dir.path(), &config), fs::File::create(&log).unwrap().into());
    let mut session = daemon.login(1);
    (1000..1004).for_each(|slot| check_refused(&mut session, slot));
    // The cartridge that can be used is usable.
    assert_eq!(move_medium(&mut session, 1004, 501), CommandResponse::default());
    assert_eq!(session.command(2, &[0; 6], Transfer::None).unwrap().sense_codes(), Some((6, 0x28, 0)));
    assert_eq!(session.command(2, &[0; 6], Transfer::None).unwrap(), CommandResponse::default());
    assert_eq!(daemon.terminate(), Some(0));
    let said = fs::read_to_string(&log).unwrap();
    for barcode in ["V00001L8", "V00002L8", "V00003L8", "V00004L8"] {
        let denied = |line: &str| {
            line.contains("WARN") && line.contains(barcode) && line.contains("Permission denied (os error 13)")
        };
        assert!(said.lines().any(denied), "{barcode}: {said}");
    }
}

#[test]
fn unreadable_cartridge_directory_does_not_prevent_the_start() {
    let dir = tempdir().unwrap();
    let config = unprivileged_site(dir.path());
    let home = dir.path().join("home");
    set_mode(&home, 0o000);
    let log = dir.path().join("log");
    let daemon = Daemon::logging(&mut unprivileged(dir.path(), &config), fs::File::create(&log).unwrap().into());
    let mut session = daemon.login(1);
    (1000..1005).for_each(|slot| check_refused(&mut session, slot));
    assert_eq!(daemon.terminate(), Some(0));
    let said = fs::read_to_string(&log).unwrap();
    let named = |line: &str| {
        line.contains("ERROR") && line.contains(home.to_str().unwrap()) && line.contains("Permission denied")
    };
    assert!(said.lines().any(named), "{said}");
    // The cartridges are as before when the permissions are.
    set_mode(&home, 0o755);
    let daemon = Daemon::spawn(&mut unprivileged(dir.path(), &config));
    let mut session = daemon.login(1);
    load(&mut session);
    assert_eq!(write(&mut session, &record(1, 70_000)), CommandResponse::default());
    drop(session);
    assert_eq!(daemon.terminate(), Some(0));
}

#[test]
fn files_of_the_site_without_permission_are_named() {
    let dir = tempdir().unwrap();
    let config = unprivileged_site(dir.path());
    let data = dir.path().join("d");
    let before = fs::read(data.join("state.1")).unwrap();
    for file in ["state.1", "state.2", "identities.toml", "lock"] {
        set_mode(&data.join(file), 0o000);
        let refused = unprivileged(dir.path(), &config).output().unwrap();
        let text = String::from_utf8(refused.stderr).unwrap();
        assert_eq!(refused.status.code(), Some(1), "{file}: {text}");
        assert!(text.contains(&format!("d/{file}: Permission denied")), "{file}: {text}");
        set_mode(&data.join(file), 0o600);
    }
    // No file was replaced by that of a new site.
    assert_eq!(fs::read(data.join("state.1")).unwrap(), before);
    assert_eq!(Daemon::spawn(&mut unprivileged(dir.path(), &config)).terminate(), Some(0));
}

/// A key that a host gives the drive.
const KEY: [u8; 32] = *b"\x07Never\x13In\x99A Dump\xfe of\x81 Memory! \xc3\x5a";

/// The core dump of a daemon that is killed while it holds a key; `None` without a dump.
fn core_of(directory: &Path, argument: Option<&str>) -> Option<Vec<u8>> {
    let mut daemon = command(&directory.join("d"), SMALL);
    daemon.args(argument);
    let mut shell = Command::new("sh");
    shell.args(["-c", "ulimit -c unlimited; exec \"$0\" \"$@\""]).arg(daemon.get_program()).args(daemon.get_args());
    let daemon = Daemon::spawn(shell.current_dir(directory));
    let mut session = daemon.login(1);
    load(&mut session);
    // SECURITY PROTOCOL OUT, set data encryption: all I_T nexuses, encrypt and decrypt, with this key.
    let mut page = vec![0x00, 0x10, 0x00, 0x30, 0x40, 0x00, 0x02, 0x02, 0x01, 0x00, 0, 0, 0, 0, 0, 0, 0, 0, 0x00, 0x20];
    page.extend(KEY);
    let cdb = [0xb5, 0x20, 0x00, 0x10, 0, 0, 0, 0, 0, 52, 0, 0];
    assert_eq!(session.command(1, &cdb, Transfer::Out(&page)).unwrap(), CommandResponse::default());
    assert_eq!(write(&mut session, &record(1, 70_000)), CommandResponse::default());
    assert_eq!(filemark(&mut session), CommandResponse::default());
    daemon.abort();
    let core = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let core = core.into_iter().find(|path| path.file_name().unwrap().to_string_lossy().starts_with("core"));
    core.map(|path| fs::read(path).unwrap())
}

#[test]
fn core_dumps_are_off_and_never_hold_keys() {
    let dir = tempdir().unwrap();
    assert!(core_of(dir.path(), None).is_none());
    // On other systems, the kernel's pattern may send dumps to a program, and the limit may not be raised.
    let pattern = fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap();
    if pattern.trim() != "core" || !rustix::process::geteuid().is_root() {
        return;
    }
    let dir = tempdir().unwrap();
    let core = core_of(dir.path(), Some("--allow-core-dumps")).unwrap();
    // The dump contains the barcode and not the key.
    let has = |bytes: &[u8]| core.windows(bytes.len()).any(|window| window == bytes);
    assert!(has(b"V00001L8"));
    assert!(!has(&KEY));
}
