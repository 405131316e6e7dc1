//! What a host was told survives: moves, synchronised data, reservations; through SIGTERM, `kill -9` and a second start.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test that cannot go on has failed")]

mod common;

use common::{
    DRIVE, Daemon, SLOT, SMALL, command, filemark, load, movement, options, read, ready, record, rewind, write,
};
use initiator::{Initiator, Reply, Transfer};
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
fn what_moved_stays_moved() {
    let dir = tempdir().unwrap();
    let data = dir.path().join("d");
    for _ in 0..3 {
        let daemon = Daemon::start(&data, SMALL);
        let mut session = daemon.login(1);
        assert_eq!(movement(&mut session, SLOT, 10), Reply::default());
        daemon.kill();
        let daemon = Daemon::start(&data, SMALL);
        let mut session = daemon.login(1);
        assert_eq!(barcode_in(&mut session, 2, SLOT), None);
        assert_eq!(barcode_in(&mut session, 3, 10).as_deref(), Some("V00001L8"));
        assert_eq!(movement(&mut session, 10, SLOT), Reply::default());
        daemon.kill();
    }
}

#[test]
fn sigterm_closes_everything_and_the_tape_waits_at_its_beginning() {
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
    assert_eq!(ready(&mut session).sense_codes(), Some((6, 0x29, 0x01)));
    assert_eq!(ready(&mut session).sense_codes(), Some((6, 0x28, 0x00)));
    assert_eq!(ready(&mut session), Reply::default());
    assert_eq!(read(&mut session, 100).data, record(4, 100));
    assert_eq!(read(&mut session, 70_000).data, last);
}

#[test]
fn a_second_instance_is_refused_by_name() {
    let dir = tempdir().unwrap();
    let data = dir.path().join("d");
    let _daemon = Daemon::start(&data, SMALL);
    let second = command(&data, SMALL).output().unwrap();
    let said = String::from_utf8(second.stderr).unwrap();
    assert_eq!(second.status.code(), Some(1));
    assert!(said.contains("is in use by process "), "{said}");
}

#[test]
fn synchronised_filemarks_survive_kill_9() {
    let dir = tempdir().unwrap();
    let data = dir.path().join("d");
    for round in 0..10_u32 {
        let daemon = Daemon::start(&data, SMALL);
        let mut session = daemon.login(1);
        if round == 0 {
            load(&mut session);
        }
        rewind(&mut session);
        let mut synced = 0;
        for n in 0..=round {
            for part in 0..4 {
                assert_eq!(
                    write(&mut session, &record(round * 100 + n * 4 + part, 20_000 + 30_000 * part as usize)),
                    Reply::default()
                );
            }
            assert_eq!(filemark(&mut session), Reply::default());
            synced += 1;
        }
        // Not synchronised: may be lost, but only whole.
        write(&mut session, &record(round, 5000));
        daemon.kill();
        let daemon = Daemon::start(&data, SMALL);
        let mut session = daemon.login(1);
        for n in 0..synced {
            for part in 0..4 {
                let len = 20_000 + 30_000 * part;
                assert_eq!(
                    read(&mut session, len).data,
                    record(round * 100 + n * 4 + part, len as usize),
                    "round {round}"
                );
            }
            assert_eq!(read(&mut session, 10).sense_codes(), Some((0, 0, 1)));
        }
        let tail = read(&mut session, 5000);
        assert!(tail.data == record(round, 5000) || tail.sense_codes() == Some((8, 0, 5)), "{tail:?}");
    }
}

fn reserve_out(session: &mut Initiator, action: u8, kind: u8, key: u64, action_key: u64, flags: u8) -> Reply {
    let mut list = [0; 24];
    list[..8].copy_from_slice(&key.to_be_bytes());
    list[8..16].copy_from_slice(&action_key.to_be_bytes());
    list[20] = flags;
    session.command(1, &[0x5f, action, kind, 0, 0, 0, 0, 0, 24, 0], Transfer::Out(&list)).unwrap()
}

#[test]
fn reservations_are_enforced_and_survive_if_asked_to() {
    let dir = tempdir().unwrap();
    let data = dir.path().join("d");
    for aptpl in [0, 1] {
        let daemon = Daemon::start(&data, SMALL);
        let (mut one, mut two) = (daemon.login(1), daemon.login(2));
        assert_eq!(reserve_out(&mut one, 6, 0, 0, 0xabc, aptpl), Reply::default());
        assert_eq!(reserve_out(&mut one, 1, 3, 0xabc, 0, 0), Reply::default());
        assert_eq!(ready(&mut two).sense_codes(), Some((2, 0x3a, 0)));
        assert_eq!(rewind(&mut two).status, 0x18);
        assert_eq!(rewind(&mut one).sense_codes(), Some((2, 0x3a, 0)));
        daemon.kill();
        let daemon = Daemon::start(&data, SMALL);
        let (mut one, mut two) = (daemon.login(1), daemon.login(2));
        if aptpl == 1 {
            assert_eq!(rewind(&mut two).status, 0x18);
            assert_eq!(reserve_out(&mut one, 3, 0, 0xabc, 0, 0), Reply::default());
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
fn the_file_owns_shape_and_the_directory_owns_cartridges() {
    let dir = tempdir().unwrap();
    let data = dir.path().join("d");
    let daemon = Daemon::start(&data, SMALL);
    let mut session = daemon.login(1);
    assert_eq!(movement(&mut session, SLOT, DRIVE + 1), Reply::default());
    daemon.kill();
    let fewer_drives = SMALL.replace("count = 2", "count = 1");
    let said = refusal(&data, &fewer_drives);
    assert!(said.contains("V00001L8") && said.contains("element 501"), "{said}");
    let fewer_slots = format!("[library]\nslots = 3\n{SMALL}");
    let said = refusal(&data, &fewer_slots);
    assert!(said.contains("V00004L8") && said.contains("element 1003"), "{said}");
    // One that is no longer listed stays, a new one is made.
    let other = "[[drive]]\nmodel = \"ULT3580-TD8\"\ncount = 2\n[[cartridges]]\npattern = \"N1L8\"\n";
    let daemon = Daemon::start(&data, other);
    let mut session = daemon.login(1);
    assert_eq!(barcode_in(&mut session, 4, DRIVE + 1).as_deref(), Some("V00001L8"));
    assert_eq!(barcode_in(&mut session, 2, SLOT + 1).as_deref(), Some("V00002L8"));
    assert_eq!(barcode_in(&mut session, 2, SLOT).as_deref(), Some("N1L8"));
    daemon.kill();
    // Damage in a file of the directory is named, not repaired by forgetting.
    std::fs::write(data.join("inventory.json"), "{").unwrap();
    assert!(refusal(&data, other).contains("inventory.json"));
}

#[test]
fn small_cartridges_end() {
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
