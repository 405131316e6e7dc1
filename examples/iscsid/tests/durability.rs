//! Completed changes survive SIGTERM, `kill -9` and a restart: moves, synchronised data and
//! reservations.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "test code")]

mod common;

use common::{
    DRIVE, Daemon, SLOT, SMALL, command, filemark, load, move_medium, options, read, ready, record, rewind, write,
};
use initiator::{CommandResponse, Initiator, Transfer};
use std::path::Path;
use tempfile::tempdir;

fn barcode_in(session: &mut Initiator, kind: u8, address: u16) -> Option<String> {
    let [a, b] = address.to_be_bytes();
    let status =
        session.command(0, &[0xb8, 0x10 | kind, a, b, 0, 1, 0x02, 0, 0, 255, 0, 0], Transfer::In(255)).unwrap();
    let full = status.data[18] & 1 != 0;
    full.then(|| String::from_utf8_lossy(&status.data[28..60]).trim().to_owned())
}

#[test]
fn moves_survive_kill() {
    let dir = tempdir().unwrap();
    let data = dir.path().join("d");
    for _ in 0..3 {
        let daemon = Daemon::start(&data, SMALL);
        let mut session = daemon.login(1);
        assert_eq!(move_medium(&mut session, SLOT, 10), CommandResponse::default());
        daemon.kill();
        let daemon = Daemon::start(&data, SMALL);
        let mut session = daemon.login(1);
        assert_eq!(barcode_in(&mut session, 2, SLOT), None);
        assert_eq!(barcode_in(&mut session, 3, 10).as_deref(), Some("V00001L8"));
        assert_eq!(move_medium(&mut session, 10, SLOT), CommandResponse::default());
        daemon.kill();
    }
}

#[test]
fn sigterm_closes_and_rewinds() {
    let dir = tempdir().unwrap();
    let data = dir.path().join("d");
    let daemon = Daemon::start(&data, SMALL);
    let (iqn, mut session) = (daemon.iqn.clone(), daemon.login(1));
    load(&mut session);
    let last = record(5, 70_000);
    write(&mut session, &record(4, 100));
    write(&mut session, &last);
    assert_eq!(daemon.terminate(), Some(0));
    let daemon = Daemon::start(&data, SMALL);
    assert_eq!(daemon.iqn, iqn);
    let mut session = daemon.login_with(options(1));
    assert_eq!(ready(&mut session).sense_codes(), Some((6, 0x29, 0x00)));
    assert_eq!(ready(&mut session).sense_codes(), Some((6, 0x28, 0x00)));
    assert_eq!(ready(&mut session), CommandResponse::default());
    assert_eq!(read(&mut session, 100).data, record(4, 100));
    assert_eq!(read(&mut session, 70_000).data, last);
}

/// MODE SELECT with SP=1: durable before GOOD.
#[test]
fn a_saved_mode_page_survives_kill() {
    let dir = tempdir().unwrap();
    let data = dir.path().join("d");
    let daemon = Daemon::start(&data, SMALL);
    let mut session = daemon.login(1);
    // Device configuration extension: programmable early warning at 1234h MB.
    let mut list = vec![0, 0, 0x10, 0, 0x50, 0x01, 0, 0x1c, 0, 0x02, 0x12, 0x34];
    list.resize(36, 0);
    assert_eq!(
        session.command(1, &[0x15, 0x11, 0, 0, 36, 0], Transfer::Out(&list)).unwrap(),
        CommandResponse::default()
    );
    daemon.kill();
    let daemon = Daemon::start(&data, SMALL);
    let mut session = daemon.login(1);
    for (control, early_warning) in [(0x00, [0x12, 0x34]), (0x80, [0, 0]), (0xc0, [0x12, 0x34])] {
        let page = session.command(1, &[0x1a, 0x08, control | 0x10, 0x01, 36, 0], Transfer::In(36)).unwrap();
        assert_eq!((&page.data[4..8], &page.data[10..12]), (&[0xd0, 0x01, 0, 0x1c][..], &early_warning[..]));
    }
}

#[test]
fn a_second_instance_is_refused_by_name() {
    let dir = tempdir().unwrap();
    let data = dir.path().join("d");
    let _daemon = Daemon::start(&data, SMALL);
    let second = command(&data, SMALL).output().unwrap();
    let printed = String::from_utf8(second.stderr).unwrap();
    assert_eq!(second.status.code(), Some(1));
    assert!(printed.contains("is in use by process "), "{printed}");
}

/// An object of a backup: a record by its seed and length, or a filemark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Object {
    Record(u32, usize),
    Filemark,
}

impl Object {
    /// Half of the records are compressible, so that workers process them when the daemon is killed.
    fn bytes(seed: u32, len: usize) -> Vec<u8> {
        if seed.is_multiple_of(2) { record(seed, len) } else { record(seed, 64).repeat(len / 64 + 1)[..len].to_vec() }
    }
}

/// The objects that a backup has written, and how many of them are synchronised.
struct Backup {
    objects: Vec<Object>,
    /// The number of objects at the start, and the number of synchronised objects.
    at_start: usize,
    synced: usize,
    seed: u32,
}

impl Backup {
    fn random(&mut self) -> usize {
        self.seed = self.seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.seed >> 8) as usize
    }

    /// Writes until the connection breaks.
    fn run(&mut self, mut session: Initiator) {
        loop {
            for _ in 0..1 + self.random() % 6 {
                let len = [100, 3000, 40_000, 70_000, 200_000][self.random() % 5] + self.random() % 500;
                self.objects.push(Object::Record(self.seed, len));
                let bytes = Object::bytes(self.seed, len);
                let [_, a, b, c] = u32::try_from(len).unwrap().to_be_bytes();
                match session.command(1, &[0x0a, 0, a, b, c, 0], Transfer::Out(&bytes)) {
                    Ok(reply) => assert_eq!(reply, CommandResponse::default()),
                    Err(_) => return,
                }
            }
            self.objects.push(Object::Filemark);
            match session.command(1, &[0x10, 0, 0, 0, 1, 0], Transfer::None) {
                Ok(reply) => assert_eq!(reply, CommandResponse::default()),
                Err(_) => return,
            }
            self.synced = self.objects.len();
        }
    }

    /// Reads the tape and compares it with the backup, whose objects become those read. All synchronised objects must
    /// be there.
    fn verify(&mut self, session: &mut Initiator, before: &[Object]) {
        rewind(session);
        let mut objects_read = Vec::new();
        loop {
            let reply = read(session, 300_000);
            match reply.sense_codes() {
                Some((8, 0, 5)) => break,
                Some((0, 0, 1)) => objects_read.push(Object::Filemark),
                _ => {
                    let at = objects_read.len();
                    let old = before.get(at).copied().filter(|_| self.synced == self.at_start);
                    let candidates = [self.objects.get(at).copied(), old];
                    let same = |object: &Object| match object {
                        Object::Record(seed, len) => reply.data[..] == Object::bytes(*seed, *len),
                        Object::Filemark => false,
                    };
                    let object = candidates.into_iter().flatten().find(same);
                    objects_read.push(object.unwrap_or_else(|| panic!("object {at} is not what was written")));
                }
            }
        }
        let whole = self.objects.starts_with(&objects_read) && objects_read.len() >= self.synced;
        // Killed before the first overwrite of the old objects: all of them are still there.
        let untouched =
            self.synced == self.at_start && before.starts_with(&objects_read) && objects_read.len() == before.len();
        assert!(whole || untouched, "{} of {} synchronised objects", objects_read.len(), self.synced);
        self.objects = objects_read;
    }
}

/// The daemon is killed fifty times in the middle of a backup. Each time, all synchronised objects are there, and the
/// others without gaps and complete.
#[test]
fn a_backup_survives_fifty_kills() {
    let dir = tempdir().unwrap();
    for (format, compression) in [("native", "zstd"), ("mhvtl", "zlib")] {
        let config = format!(
            "[[drive]]\nmodel = \"ULT3580-TD8\"\ncount = 2\ncompression = \"{compression}\"\n\
            [[cartridges]]\npattern = \"V#####L8\"\ncount = 5\nsize = \"2GB\"\nformat = \"{format}\"\n"
        );
        let data = dir.path().join(format);
        let mut backup = Backup { objects: Vec::new(), at_start: 0, synced: 0, seed: 7 };
        let mut before = Vec::new();
        for round in 0..25 {
            let daemon = Daemon::start(&data, &config);
            let mut session = daemon.login(1);
            if round == 0 {
                load(&mut session);
            } else {
                backup.verify(&mut session, &before);
            }
            before.clone_from(&backup.objects);
            // Append at the end of data, or overwrite the last objects.
            let keep = before.len() - if round % 3 == 2 { backup.random() % (before.len() / 2 + 1) } else { 0 };
            let [a, b, c, d] = u32::try_from(keep).unwrap().to_be_bytes();
            let located = session.command(1, &[0x2b, 0, 0, a, b, c, d, 0, 0, 0], Transfer::None).unwrap();
            assert_eq!(located, CommandResponse::default());
            backup.objects.truncate(keep);
            (backup.at_start, backup.synced) = (keep, keep);
            let delay = std::time::Duration::from_millis(5 + backup.random() as u64 % 60);
            std::thread::scope(|scope| {
                let writer = scope.spawn(|| backup.run(session));
                #[expect(clippy::disallowed_methods, reason = "the daemon is killed at any time")]
                std::thread::sleep(delay);
                daemon.kill();
                writer.join().unwrap();
            });
        }
    }
}

fn reserve_out(session: &mut Initiator, action: u8, kind: u8, key: u64, action_key: u64, flags: u8) -> CommandResponse {
    let mut list = [0; 24];
    list[..8].copy_from_slice(&key.to_be_bytes());
    list[8..16].copy_from_slice(&action_key.to_be_bytes());
    list[20] = flags;
    session.command(1, &[0x5f, action, kind, 0, 0, 0, 0, 0, 24, 0], Transfer::Out(&list)).unwrap()
}

#[test]
fn reservations_are_enforced_and_survive_with_aptpl() {
    let dir = tempdir().unwrap();
    let data = dir.path().join("d");
    for aptpl in [0, 1] {
        let daemon = Daemon::start(&data, SMALL);
        let (mut one, mut two) = (daemon.login(1), daemon.login(2));
        assert_eq!(reserve_out(&mut one, 6, 0, 0, 0xabc, aptpl), CommandResponse::default());
        assert_eq!(reserve_out(&mut one, 1, 3, 0xabc, 0, 0), CommandResponse::default());
        assert_eq!(ready(&mut two).sense_codes(), Some((2, 0x3a, 0)));
        assert_eq!(rewind(&mut two).status, 0x18);
        assert_eq!(rewind(&mut one).sense_codes(), Some((2, 0x3a, 0)));
        daemon.kill();
        let daemon = Daemon::start(&data, SMALL);
        let (mut one, mut two) = (daemon.login(1), daemon.login(2));
        if aptpl == 1 {
            assert_eq!(rewind(&mut two).status, 0x18);
            assert_eq!(reserve_out(&mut one, 3, 0, 0xabc, 0, 0), CommandResponse::default());
            assert_eq!(rewind(&mut two).sense_codes(), Some((2, 0x3a, 0)));
        } else {
            assert_eq!(rewind(&mut two).sense_codes(), Some((2, 0x3a, 0)));
        }
    }
}

fn refusal(data: &Path, config: &str) -> String {
    let output = command(data, config).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn configuration_sets_layout_and_data_dir_keeps_cartridges() {
    let dir = tempdir().unwrap();
    let data = dir.path().join("d");
    let daemon = Daemon::start(&data, SMALL);
    let mut session = daemon.login(1);
    assert_eq!(move_medium(&mut session, SLOT, DRIVE + 1), CommandResponse::default());
    daemon.kill();
    let fewer_drives = SMALL.replace("count = 2", "count = 1");
    let printed = refusal(&data, &fewer_drives);
    assert!(printed.contains("V00001L8") && printed.contains("element 501"), "{printed}");
    let fewer_slots = format!("[library]\nslots = 3\n{SMALL}");
    let printed = refusal(&data, &fewer_slots);
    assert!(printed.contains("V00004L8") && printed.contains("element 1003"), "{printed}");
    // A cartridge that is no longer configured stays, a new one is created.
    let other = "[[drive]]\nmodel = \"ULT3580-TD8\"\ncount = 2\n[[cartridges]]\npattern = \"N1L8\"\n";
    let daemon = Daemon::start(&data, other);
    let mut session = daemon.login(1);
    assert_eq!(barcode_in(&mut session, 4, DRIVE + 1).as_deref(), Some("V00001L8"));
    assert_eq!(barcode_in(&mut session, 2, SLOT + 1).as_deref(), Some("V00002L8"));
    // Not in the source slot of the loaded cartridge.
    assert_eq!(barcode_in(&mut session, 2, SLOT).as_deref(), None);
    assert_eq!(barcode_in(&mut session, 2, SLOT + 5).as_deref(), Some("N1L8"));
    daemon.kill();
    // Damage in a file of the directory is reported; nothing is discarded to repair it.
    std::fs::write(data.join("state.1"), "{").unwrap();
    let daemon = Daemon::start(&data, other);
    assert_eq!(barcode_in(&mut daemon.login(1), 4, DRIVE + 1).as_deref(), Some("V00001L8"));
    daemon.kill();
    ["state.1", "state.2"].iter().for_each(|name| std::fs::write(data.join(name), "{").unwrap());
    assert!(refusal(&data, other).contains("state.1 and state.2: hold no line that passes its checksum"));
    ["state.1", "state.2"].iter().for_each(|name| std::fs::remove_file(data.join(name)).unwrap());
    let printed = refusal(&data, other);
    assert!(printed.contains("identities.toml") && printed.contains("--new-site"), "{printed}");
}

#[test]
fn new_site_needs_option() {
    let dir = tempdir().unwrap();
    let data = dir.path().join("d");
    let daemon = Daemon::start(&data, SMALL);
    let iqn = daemon.iqn.clone();
    daemon.kill();
    ["state.1", "state.2"].iter().for_each(|name| std::fs::write(data.join(name), "").unwrap());
    assert!(refusal(&data, SMALL).contains("state.1 (empty), state.2 (empty), identities.toml, "));
    let daemon = Daemon::spawn(command(&data, SMALL).arg("--new-site"));
    assert_ne!(daemon.iqn, iqn);
    let iqn = daemon.iqn.clone();
    daemon.kill();
    // With the option still given, an existing site is opened, not replaced.
    let daemon = Daemon::spawn(command(&data, SMALL).arg("--new-site"));
    assert_eq!(daemon.iqn, iqn);
    daemon.kill();
}

#[test]
fn end_of_medium_on_small_cartridge() {
    let dir = tempdir().unwrap();
    let daemon = Daemon::start(&dir.path().join("d"), SMALL);
    let mut session = daemon.login(1);
    load(&mut session);
    let block = record(3, 1 << 20);
    let (mut written, mut warned) = (0, 0);
    let end = loop {
        let reply = write(&mut session, &block);
        match reply.sense_codes() {
            None => assert_eq!((reply.status, warned), (0, 0)),
            Some((0, 0, 2)) => {
                assert_eq!((reply.sense[2], reply.information()), (0x40, Some(0)));
                warned += 1;
            }
            Some(_) => break reply,
        }
        written += 1;
    };
    assert_eq!((end.sense[2], end.sense_codes(), end.information()), (0x4d, Some((0x0d, 0, 2)), Some(1 << 20)));
    assert_eq!((written, warned), (61, 4));
    assert_eq!(filemark(&mut session).sense_codes(), Some((0, 0, 2)));
    rewind(&mut session);
    assert_eq!(read(&mut session, 1 << 20).data, block);
}
