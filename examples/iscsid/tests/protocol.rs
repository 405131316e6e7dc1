//! The iSCSI frontend, from the network: sessions, all kinds of data transfer, residuals, digests, authentication,
//! protocol violations.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "test code")]

mod common;

use common::{Daemon, SMALL, filemark, load, move_medium, options, read, ready, record, rewind, write};
use initiator::{CommandResponse, Initiator, Options, Transfer};
use iscsi::wire::{self, BHS, Opcode, as_layout};
use std::io::Read;
use std::time::Duration;
use tempfile::tempdir;
use zerocopy::IntoBytes;

#[test]
fn discovery_returns_target_name_and_address() {
    let dir = tempdir().unwrap();
    let daemon = Daemon::start(&dir.path().join("d"), "");
    let found = Initiator::discover(&daemon.portal, options(1)).unwrap();
    assert_eq!(found, [format!("TargetName={}", daemon.iqn), format!("TargetAddress={},1", daemon.portal)]);
    let config = "[iscsi]\nadvertise = \"192.0.2.1:3260\"\n";
    let other = Daemon::start(&dir.path().join("e"), config);
    assert_ne!(other.iqn, daemon.iqn);
    let found = Initiator::discover(&other.portal, options(1)).unwrap();
    assert_eq!(found[1], "TargetAddress=192.0.2.1:3260,1");
}

#[test]
fn identities_luns_and_first_attentions() {
    let dir = tempdir().unwrap();
    let daemon = Daemon::start(&dir.path().join("d"), "");
    let mut session = daemon.login_with(options(1));
    let luns = session.command(0, &[0xa0, 0, 0, 0, 0, 0, 0, 0, 0, 64, 0, 0], Transfer::In(64)).unwrap();
    assert_eq!(luns.data.len(), 32);
    assert_eq!((luns.data[3], luns.data[9], luns.data[17], luns.data[25], luns.residual), (24, 0, 1, 2, 32));
    for (lun, name) in [(0, &b"STK     L700            "[..]), (1, b"IBM     ULT3580-TD8     ")] {
        let inquiry = session.command(lun, &[0x12, 0, 0, 0, 255, 0], Transfer::In(255)).unwrap();
        assert_eq!(&inquiry.data[8..32], name);
        assert_eq!(ready_at(&mut session, lun).sense_codes(), Some((6, 0x29, 0x00)));
    }
    assert_eq!(ready_at(&mut session, 0), CommandResponse::default());
    assert_eq!(ready_at(&mut session, 1).sense_codes(), Some((2, 0x3a, 0x00)));
    assert_eq!(ready_at(&mut session, 9).sense_codes(), Some((5, 0x25, 0x00)));
    let missing = session.command(9, &[0x12, 0, 0, 0, 36, 0], Transfer::In(36)).unwrap();
    assert_eq!((missing.status, missing.data[0]), (0, 0x7f));
}

fn ready_at(session: &mut Initiator, lun: u64) -> CommandResponse {
    session.command(lun, &[0; 6], Transfer::None).unwrap()
}

#[test]
fn short_record_returns_data_and_sense() {
    let dir = tempdir().unwrap();
    let daemon = Daemon::start(&dir.path().join("d"), SMALL);
    let mut session = daemon.login(1);
    load(&mut session);
    let short = record(1, 1000);
    assert_eq!(write(&mut session, &short), CommandResponse::default());
    assert_eq!(filemark(&mut session), CommandResponse::default());
    rewind(&mut session);
    let got = read(&mut session, 4096);
    assert_eq!((got.status, got.information(), got.residual), (2, Some(3096), 3096));
    assert_eq!((got.sense[2], got.data), (0x20, short.clone()));
    let mark = read(&mut session, 4096);
    assert_eq!((mark.sense[2], mark.information(), mark.residual, mark.data.len()), (0x80, Some(4096), 4096, 0));
    assert_eq!(read(&mut session, 4096).sense_codes(), Some((8, 0, 5)));
    rewind(&mut session);
    let long = read(&mut session, 100);
    assert_eq!((long.information(), long.residual, &long.data[..]), (Some(-900), 0, &short[..100]));
    rewind(&mut session);
    let silent = session.command(1, &[0x08, 0x02, 0, 0x10, 0, 0], Transfer::In(4096)).unwrap();
    assert_eq!((silent.status, silent.residual, silent.data), (0, 3096, short));
}

#[test]
fn immediate_unsolicited_and_solicited_data() {
    let dir = tempdir().unwrap();
    let daemon = Daemon::start(&dir.path().join("d"), SMALL);
    let shapes = [
        Options::default(),
        Options { immediate: false, ..Options::default() },
        Options { burst: 4096, max_recv: 8192, ..Options::default() },
        Options { header_digest: true, ..Options::default() },
        Options { header_digest: true, data_digest: true, immediate: false, max_recv: 65_536, ..Options::default() },
        Options { data_digest: true, burst: 512, max_recv: 512, ..Options::default() },
    ];
    let mut first = daemon.login(1);
    load(&mut first);
    for (number, shape) in (2..).zip(shapes) {
        let mut session = daemon.login_with(Options { isid: [0x80, 0, 0, 0, 0, number], ..shape });
        while ready(&mut session).status != 0 {}
        rewind(&mut session);
        let records: Vec<_> =
            [1, 511, 512, 8191, 262_144, 1 << 20, 3].iter().map(|len| record(u32::from(number), *len)).collect();
        for record in &records {
            assert_eq!(write(&mut session, record), CommandResponse::default(), "shape {number}");
        }
        rewind(&mut session);
        for record in &records {
            let got = read(&mut session, u32::try_from(record.len()).unwrap());
            assert!(
                got.status == 0 && got.data == *record && got.residual == 0,
                "shape {number}, {} bytes",
                record.len()
            );
        }
        session.logout().unwrap();
    }
}

#[test]
fn many_commands_in_flight_stay_in_order() {
    let dir = tempdir().unwrap();
    let daemon = Daemon::start(&dir.path().join("d"), SMALL);
    let mut session = daemon.login(1);
    load(&mut session);
    let records: Vec<_> = (0..60).map(|n| record(n, 3000 + n as usize)).collect();
    let mut tags = Vec::new();
    for chunk in records.chunks(20) {
        for record in chunk {
            let [_, a, b, c] = u32::try_from(record.len()).unwrap().to_be_bytes();
            tags.push((session.start(1, &[0x0a, 0, a, b, c, 0], Transfer::Out(record)).unwrap(), record));
        }
        // A filemark in between may block, so it runs on the unit's own thread: what follows must still wait for it.
        let mark = session.start(1, &[0x10, 0, 0, 0, 1, 0], Transfer::None).unwrap();
        for (tag, record) in tags.drain(..) {
            assert_eq!(session.finish(tag, Transfer::Out(record)).unwrap(), CommandResponse::default());
        }
        assert_eq!(session.finish(mark, Transfer::None).unwrap(), CommandResponse::default());
    }
    rewind(&mut session);
    for (number, record) in records.iter().enumerate() {
        assert_eq!(read(&mut session, u32::try_from(record.len()).unwrap()).data, *record, "record {number}");
        if number % 20 == 19 {
            assert_eq!(read(&mut session, 10).sense_codes(), Some((0, 0, 1)));
        }
    }
}

#[test]
fn residual_underflow_and_overflow() {
    let dir = tempdir().unwrap();
    let daemon = Daemon::start(&dir.path().join("d"), SMALL);
    let mut session = daemon.login(1);
    let inquiry = session.command(1, &[0x12, 0, 0, 0, 36, 0], Transfer::In(20)).unwrap();
    assert_eq!((inquiry.status, inquiry.data.len(), inquiry.residual), (0, 20, -16));
    let none = session.command(1, &[0x12, 0, 0, 0, 36, 0], Transfer::None).unwrap();
    assert_eq!((none.status, none.residual), (0, -36));
    let refused = write(&mut session, &record(1, 500));
    assert_eq!((refused.sense_codes(), refused.residual), (Some((2, 0x3a, 0)), 500));
    load(&mut session);
    let less = session.command(1, &[0x0a, 0, 0, 4, 0, 0], Transfer::Out(&[7; 100])).unwrap();
    assert_eq!((less.sense_codes(), less.residual), (Some((5, 0x0e, 0x03)), -924));
    let more = session.command(1, &[0x0a, 0, 0, 0, 100, 0], Transfer::Out(&[7; 300])).unwrap();
    assert_eq!((more.status, more.residual), (0, 200));
    let huge = session.command(1, &[0x08, 0, 0xff, 0xff, 0xff, 0], Transfer::In(64 << 20)).unwrap();
    assert_eq!(huge.sense_codes(), Some((5, 0x24, 0)));
}

#[test]
fn nop_out_text_and_logout() {
    let dir = tempdir().unwrap();
    let daemon = Daemon::start(&dir.path().join("d"), SMALL);
    let mut session = daemon.login(1);
    session.ping(&record(9, 777)).unwrap();
    session.ping(b"").unwrap();
    let answer = session.text(b"SendTargets=\0X-unknown=1\0").unwrap();
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.contains(&format!("TargetName={}", daemon.iqn)) && answer.contains("X-unknown=NotUnderstood"));
    session.logout().unwrap();
}

#[test]
fn chap_secret_is_required() {
    let dir = tempdir().unwrap();
    let config = "[[iscsi.user]]\nname = \"backup\"\nsecret = \"a-secret-for-users\"\n\
        [iscsi.mutual]\nname = \"library\"\nsecret = \"a-secret-for-target\"\n";
    let daemon = Daemon::start(&dir.path().join("d"), config);
    let login = |chap: Option<(&str, &str)>, mutual: Option<&str>| {
        let chap = chap.map(|(name, secret)| (name.to_owned(), secret.to_owned()));
        let options = Options { chap, mutual: mutual.map(str::to_owned), ..options(1) };
        Initiator::login(&daemon.portal, &daemon.iqn, options).map(drop).map_err(|error| error.to_string())
    };
    assert_eq!(login(None, None), Err("login refused: 0201".into()));
    assert_eq!(login(Some(("backup", "not-the-secret!")), None), Err("login refused: 0201".into()));
    assert_eq!(login(Some(("unknown", "a-secret-for-users")), None), Err("login refused: 0201".into()));
    assert_eq!(login(Some(("backup", "a-secret-for-users")), None), Ok(()));
    assert_eq!(login(Some(("backup", "a-secret-for-users")), Some("a-secret-for-target")), Ok(()));
    assert!(login(Some(("backup", "a-secret-for-users")), Some("another-secret!")).is_err());
}

#[test]
fn only_listed_initiators_log_in() {
    let dir = tempdir().unwrap();
    let daemon = Daemon::start(&dir.path().join("d"), "[iscsi]\ninitiators = [\"iqn.ok\"]\n");
    let login = |name: &str| {
        let options = Options { name: name.into(), ..options(1) };
        Initiator::login(&daemon.portal, &daemon.iqn, options).map(drop).map_err(|error| error.to_string())
    };
    assert_eq!(login("iqn.ok"), Ok(()));
    assert_eq!(login("iqn.other"), Err("login refused: 0202".into()));
    let wrong =
        Initiator::login(&daemon.portal, "iqn.2026-01.no:such", Options { name: "iqn.ok".into(), ..options(1) });
    assert_eq!(wrong.map(drop).map_err(|error| error.to_string()), Err("login refused: 0203".into()));
}

#[test]
fn session_reinstatement() {
    let dir = tempdir().unwrap();
    let daemon = Daemon::start(&dir.path().join("d"), SMALL);
    let mut old = daemon.login(1);
    load(&mut old);
    assert_eq!(old.command(1, &[0x16, 0, 0, 0, 0, 0], Transfer::None).unwrap(), CommandResponse::default());
    let mut other = daemon.login(2);
    assert_eq!(ready(&mut other).status, 0x18);
    let mut new = daemon.login_with(options(1));
    assert_eq!(ready(&mut new).sense_codes(), Some((6, 0x29, 0x07)));
    assert!(old.command(1, &[0; 6], Transfer::None).is_err());
    assert_eq!(ready(&mut other), CommandResponse::default());
}

#[test]
fn a_logout_is_answered_after_the_reservation_is_gone() {
    let dir = tempdir().unwrap();
    let daemon = Daemon::start(&dir.path().join("d"), SMALL);
    let mut other = daemon.login(2);
    load(&mut other);
    for round in 0..200 {
        let mut session = daemon.login_with(options(1));
        while ready(&mut session).status != 0 {}
        assert_eq!(session.command(1, &[0x16, 0, 0, 0, 0, 0], Transfer::None).unwrap(), CommandResponse::default());
        assert_eq!(ready(&mut other).status, 0x18, "round {round}");
        session.logout().unwrap();
        assert_eq!(ready(&mut other), CommandResponse::default(), "round {round}");
    }
}

#[test]
fn initiator_names_that_rfc_3722_prohibits_are_refused() {
    let dir = tempdir().unwrap();
    let daemon = Daemon::start(&dir.path().join("d"), SMALL);
    let login = |name: &str| {
        let options = Options { name: name.into(), ..options(1) };
        Initiator::login(&daemon.portal, &daemon.iqn, options).map(drop).map_err(|error| error.to_string())
    };
    assert_eq!(login(""), Err("login refused: 0207".into()));
    for bad in ["iqn.a\nb", "iqn.a\u{1b}[31m", "iqn.a b", "host", &format!("iqn.{}", "x".repeat(220))] {
        assert_eq!(login(bad), Err("login refused: 0200".into()), "{bad:?}");
    }
    for good in ["iqn.2001-04.com.example:host_1", "eui.02004567A425678D", &format!("iqn.{}", "x".repeat(219))] {
        assert_eq!(login(good), Ok(()), "{good:?}");
    }
    assert!(Initiator::discover(&daemon.portal, Options { name: "iqn.a\tb".into(), ..options(1) }).is_err());
}

#[test]
fn resets_and_aborts() {
    let dir = tempdir().unwrap();
    let daemon = Daemon::start(&dir.path().join("d"), SMALL);
    let (mut one, mut two) = (daemon.login(1), daemon.login(2));
    assert_eq!(one.task_management(1, 1, 0x7777).unwrap(), 1);
    assert_eq!(one.task_management(5, 1, 0).unwrap(), 0);
    assert_eq!(ready(&mut one).sense_codes(), Some((6, 0x29, 0x03)));
    assert_eq!(ready(&mut two).sense_codes(), Some((6, 0x29, 0x03)));
    assert_eq!(one.task_management(5, 44, 0).unwrap(), 2);
    assert_eq!(one.task_management(2, 1, 0).unwrap(), 0);
    assert_eq!(one.task_management(4, 1, 0).unwrap(), 0);
    assert_eq!(ready(&mut two).sense_codes(), Some((6, 0x2f, 0x00)));
    assert_eq!(one.task_management(6, 0, 0).unwrap(), 0);
    assert_eq!(ready(&mut two).sense_codes(), Some((6, 0x29, 0x02)));
    assert_eq!(one.task_management(8, 0, 0).unwrap(), 4);
    assert_eq!(one.task_management(9, 0, 0).unwrap(), 5);
}

#[test]
fn hostile_initiator_does_not_affect_others() {
    let dir = tempdir().unwrap();
    let daemon = Daemon::start(&dir.path().join("d"), SMALL);
    let mut good = daemon.login(1);
    load(&mut good);
    let closed = |mut session: Initiator| {
        session.stream().set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let mut rest = Vec::new();
        let _ = session.stream().read_to_end(&mut rest);
        assert!(session.command(1, &[0; 6], Transfer::None).is_err());
    };
    // A command before login.
    let mut rude = Initiator::connect(&daemon.portal, options(9)).unwrap();
    let command: wire::ScsiCommand = wire::with_opcode(Opcode::COMMAND);
    rude.send(command.as_bytes(), &[]).unwrap();
    closed(rude);
    // Garbage.
    let mut rude = Initiator::connect(&daemon.portal, options(9)).unwrap();
    rude.send(&[0xff; BHS], &[]).unwrap();
    closed(rude);
    // A data segment longer than was declared.
    let mut rude = daemon.login_with(options(9));
    let mut nop: wire::RequestHeader = wire::with_opcode(Opcode::NOP_OUT);
    nop.data_length = [0xff, 0xff, 0xff];
    rude.send(nop.as_bytes(), &[]).unwrap();
    closed(rude);
    // A wrong header digest.
    let rude = daemon.login_with(Options { header_digest: true, ..options(9) });
    let bytes = [0_u8; BHS + 4];
    std::io::Write::write_all(&mut rude.stream(), &bytes).unwrap();
    closed(rude);
    assert_eq!(write(&mut good, &record(1, 100)), CommandResponse::default());
}

#[test]
fn unsupported_pdus_are_rejected() {
    let dir = tempdir().unwrap();
    let daemon = Daemon::start(&dir.path().join("d"), SMALL);
    let mut session = daemon.login(1);
    let snack: wire::RequestHeader = wire::with_opcode(Opcode::SNACK);
    session.send(snack.as_bytes(), &[]).unwrap();
    let reject = session.receive().unwrap();
    assert_eq!((reject.opcode(), as_layout::<wire::TargetHeader>(&reject.header).response), (Opcode::REJECT, 0x03));
    assert_eq!(reject.data.len(), BHS);
    // A command with a CmdSN outside the window is ignored.
    let mut stray: wire::ScsiCommand = wire::with_opcode(Opcode::COMMAND);
    stray.cmd_sn = session.cmd_sn().wrapping_add(5000).into();
    session.send(stray.as_bytes(), &[]).unwrap();
    stray.cmd_sn = session.cmd_sn().wrapping_sub(3).into();
    session.send(stray.as_bytes(), &[]).unwrap();
    // The Reject has consumed a StatSN, which this initiator does not track; a new session shows that the target still
    // works.
    let mut again = daemon.login(2);
    assert_eq!(move_medium(&mut again, 1000, 500), CommandResponse::default());
}

/// A CDB of 32 bytes: its last 16 are in an Extended CDB AHS, which the header digest covers. The units have no such
/// command, so it ends with INVALID COMMAND OPERATION CODE, and its Data-Out is accepted.
#[test]
fn extended_cdb_is_an_invalid_command() {
    let dir = tempdir().unwrap();
    let daemon = Daemon::start(&dir.path().join("d"), "");
    for options in [options(1), Options { header_digest: true, data_digest: true, ..options(2) }] {
        let mut session = daemon.login_with(options);
        for lun in [0, 1] {
            assert_eq!(ready_at(&mut session, lun).sense_codes(), Some((6, 0x29, 0x00)));
        }
        for lun in [0_u8, 1] {
            // Immediate; F, W, SIMPLE; 5 words of AHS; 4 bytes of data.
            let mut pdu = vec![0x41, 0xa1, 0, 0, 5, 0, 0, 4, 0, lun, 0, 0, 0, 0, 0, 0];
            pdu.extend([0, 0, 0x77, lun, 0, 0, 0, 4]);
            pdu.extend(session.cmd_sn().to_be_bytes());
            pdu.extend([0; 4]);
            pdu.extend([0x7f, 0, 0, 0, 0, 0, 0, 24, 0, 0x0b, 0, 0, 0, 0, 0, 0]);
            pdu.extend([0, 17, 1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]);
            session.send(&pdu, b"data").unwrap();
            let done = session.finish(0x7700 + u32::from(lun), Transfer::None).unwrap();
            assert_eq!((done.status, done.sense_codes(), done.residual), (2, Some((5, 0x20, 0x00)), 4), "LUN {lun}");
        }
        let inquiry = session.command(1, &[0x12, 0, 0, 0, 36, 0], Transfer::In(36)).unwrap();
        assert_eq!((inquiry.status, inquiry.data.len()), (0, 36));
    }
}
