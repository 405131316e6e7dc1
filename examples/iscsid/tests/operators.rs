//! The daemon and its operators: reloading the configuration, configurations of mhvtl, the control socket.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "test code")]

mod common;

use common::{Daemon, SMALL, command, move_medium, options, ready};
use initiator::{CommandResponse, Initiator, Options, Transfer};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use tape_store::backend::file::OsFolderStore;
use tape_store::cartridge::Barcode;
use tape_store::media::LTO_8;
use tape_store::store::TapeStore;
use tempfile::tempdir;

/// Sends one request and returns the response.
fn send_request(data: &Path, request: &str) -> String {
    let mut stream = UnixStream::connect(data.join("control.sock")).unwrap();
    writeln!(stream, "{request}").unwrap();
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).unwrap();
    line.trim().into()
}

#[test]
fn reload_during_streaming() {
    let dir = tempdir().unwrap();
    let data = dir.path().join("d");
    let daemon = Daemon::start(&data, SMALL);
    let mut session = daemon.login(1);
    common::load(&mut session);
    common::write(&mut session, b"before");
    let more = format!(
        "{}\n[library]\nslots = 30\n[[pool]]\nname = \"s\"\npattern = \"S#L8\"\nscratch = 2\n",
        SMALL.replacen("count = 2", "count = 3", 1)
    );
    std::fs::write(data.with_extension("toml"), &more).unwrap();
    assert_eq!(
        send_request(&data, r#"{"op":"reload"}"#),
        r#"{"ok":{"changes":[{"change":"elements_added","library":"main","slots":6,"import_export":0,"drives":1},{"change":"pool_changed","pool":"s"}]}}"#
    );
    // The stream continues; there is a third drive now, and unit attentions report it to every nexus.
    let unit_attentions = |session: &mut Initiator, lun| {
        std::iter::from_fn(|| {
            session.command(lun, &[0; 6], Transfer::None).unwrap().sense_codes().filter(|codes| codes.0 == 6)
        })
        .collect::<Vec<_>>()
    };
    assert_eq!(unit_attentions(&mut session, 1), [(6, 0x3f, 0x0e)]);
    assert_eq!(unit_attentions(&mut session, 0), [(6, 0x28, 0x00), (6, 0x3f, 0x0e)]);
    assert_eq!(common::write(&mut session, b"behind"), CommandResponse::default());
    let luns = session.command(0, &[0xa0, 0, 0, 0, 0, 0, 0, 0, 0, 64, 0, 0], Transfer::In(64)).unwrap().data;
    assert_eq!(luns[..4], [0, 0, 0, 32]);
    assert_eq!(move_medium(&mut session, 1001, 502), CommandResponse::default());
    assert_eq!(unit_attentions(&mut session, 3), [(6, 0x29, 0x00), (6, 0x28, 0x00)]);
    // A reload that removes elements is refused and changes nothing.
    std::fs::write(data.with_extension("toml"), SMALL).unwrap();
    let response = send_request(&data, r#"{"op":"reload"}"#);
    assert!(response.contains("has 30 slots, not 24; this requires a restart"), "{response}");
    assert!(response.contains(r#""code":"conflict""#) && response.contains(r#""restart_required":["#), "{response}");
    let memory = format!("[iscsi]\nbuffer_memory = \"1GB\"\n{more}");
    std::fs::write(data.with_extension("toml"), memory).unwrap();
    assert_eq!(
        send_request(&data, r#"{"op":"reload"}"#),
        r#"{"error":"changing iscsi.buffer_memory requires a restart; nothing was changed","code":"conflict","fields":{"restart_required":["iscsi.buffer_memory"]}}"#
    );
    std::fs::write(data.with_extension("toml"), format!("[iscsi]\ninitiators = [\"iqn.ok\"]\n{more}")).unwrap();
    assert_eq!(send_request(&data, r#"{"op":"reload"}"#), r#"{"ok":{"changes":[{"change":"access_changed"}]}}"#);
    std::fs::write(data.with_extension("toml"), "[library]\nslotz = 1\n").unwrap();
    let response = send_request(&data, r#"{"op":"reload"}"#);
    assert!(response.contains(":2: library.slotz: unknown field"), "{response}");
    let file = data.with_extension("toml").display().to_string();
    assert!(response.ends_with(&format!(r#""code":"invalid","fields":{{"file":"{file}"}}}}"#)), "{response}");
    assert_eq!(ready(&mut session), CommandResponse::default());
    assert!(send_request(&data, r#"{"op":"pools"}"#).contains(r#""scratch":2"#));
}

#[test]
fn reload_adds_libraries() {
    let dir = tempdir().unwrap();
    let data = dir.path().join("d");
    let daemon = Daemon::start(&data, "[[library]]\n[[library.drive]]\nmodel = \"ULT3580-TD8\"\n");
    let second = "[[library]]\n[[library.drive]]\nmodel = \"ULT3580-TD8\"\n[[library]]\nname = \"two\"\n\
        [[library.drive]]\nmodel = \"ULT3580-TD9\"\n";
    std::fs::write(data.with_extension("toml"), second).unwrap();
    assert!(daemon.signal("-HUP"));
    // A signal has no response; the following request has one.
    while !send_request(&data, r#"{"op":"status"}"#).contains("\"two\"") {}
    let name = format!("{}:two", daemon.iqn);
    let login = || Initiator::login(&daemon.portal, &name, options(2));
    let mut session = std::iter::repeat_with(login).find_map(Result::ok).unwrap();
    let inquiry = session.command(1, &[0x12, 0, 0, 0, 36, 0], Transfer::In(36)).unwrap().data;
    assert_eq!(&inquiry[16..32], b"ULT3580-TD9     ");
}

#[test]
fn mhvtl_configuration_is_served_unchanged() {
    let dir = tempdir().unwrap();
    let (etc, home) = (dir.path().join("etc"), dir.path().join("home"));
    std::fs::create_dir(&etc).unwrap();
    let devices = format!(
        "VERSION: 5\n\nLibrary: 10 CHANNEL: 00 TARGET: 00 LUN: 00\n Vendor identification: STK\n\
         Product identification: L700\n Unit serial number: XYZZY_A\n Home directory: {}\n\n\
         Drive: 11 CHANNEL: 00 TARGET: 01 LUN: 00\n Library ID: 10 Slot: 01\n Vendor identification: IBM\n\
         Product identification: ULT3580-TD8\n Unit serial number: XYZZY_A1\n NAA: 50:22:33:44:ab:00:01:00\n\n\
         Drive: 12 CHANNEL: 00 TARGET: 02 LUN: 00\n Library ID: 10 Slot: 02\n Vendor identification: IBM\n\
         Product identification: ULT3580-TD6\n Unit serial number: XYZZY_A2\n\n",
        home.display()
    );
    std::fs::write(etc.join("device.conf"), devices).unwrap();
    std::fs::write(etc.join("library_contents.10"), "Drive 1:\nDrive 2:\n\nMAP 1:\n\nSlot 1: E01001L8\nSlot 2:\n")
        .unwrap();
    let data = dir.path().join("d");
    let daemon = Daemon::spawn(command(&data, "").arg("--mhvtl-config").arg(&etc));
    let mut session = daemon.login(1);
    let serial = session.command(1, &[0x12, 1, 0x80, 0, 64, 0], Transfer::In(64)).unwrap().data;
    assert_eq!(serial[4..], *b"XYZZY_A1");
    common::load(&mut session);
    common::write(&mut session, b"for mhvtl");
    assert_eq!(daemon.terminate(), Some(0));
    let store = TapeStore::new(Box::new(OsFolderStore::at(&home).unwrap()));
    let barcode = Barcode::new("E01001L8").unwrap();
    let mut cartridge = store.cartridge(&barcode, &LTO_8, tape_store::cartridge::CartridgeKind::Data, 0);
    assert_eq!((cartridge.format().unwrap(), cartridge.mam().is_ok()), (tape_store::cartridge::Format::Mhvtl, true));
    assert_eq!(cartridge.capacity(), 500 << 20);
}

#[test]
fn external_cartridge_is_imported() {
    let dir = tempdir().unwrap();
    let data = dir.path().join("d");
    let _daemon = Daemon::start(&data, SMALL);
    let import = r#"{"op":"import","cartridge":"NEW001L8"}"#;
    assert_eq!(
        send_request(&data, import),
        r#"{"error":"there is no cartridge NEW001L8; ferric cartridge lists the existing ones","code":"not_found","fields":{"barcode":"NEW001L8"}}"#
    );
    let store = TapeStore::new(Box::new(OsFolderStore::at(&data.join("cartridges")).unwrap()));
    let new = tape_store::store::NewCartridge::data(&LTO_8);
    store.create(&Barcode::new("NEW001L8").unwrap(), &new).unwrap();
    let answer = send_request(&data, import);
    assert!(answer.contains(r#""to":10,"to_element":"io1""#), "{answer}");
    assert!(send_request(&data, r#"{"op":"load","cartridge":"NEW001L8"}"#).contains("\"to\":500"));
}

#[test]
fn other_users_cannot_use_the_control_socket() {
    let dir = tempdir().unwrap();
    let data = dir.path().join("d");
    let _daemon = Daemon::start(&data, SMALL);
    let mode = Command::new("stat").args(["-c", "%a %F"]).arg(data.join("control.sock")).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&mode.stdout).trim(), "600 socket");
    assert!(send_request(&data, r#"{"op":"explode"}"#).contains(r#"\"explode\" is not an operation"#));
    assert!(send_request(&data, "nonsense").contains("error"));
    assert!(send_request(&data, r#"{"op":"status"}"#).starts_with(r#"{"ok":{"libraries":[{"#));
}

/// PERSISTENT RESERVE OUT to the changer: register with APTPL, or reserve (exclusive access), with this key.
fn reserve(session: &mut Initiator, action: u8, key: u64, flags: u8) -> CommandResponse {
    let mut list = [0; 24];
    let at = if action == 0 { 8 } else { 0 };
    list[at..at + 8].copy_from_slice(&key.to_be_bytes());
    list[20] = flags;
    session.command(0, &[0x5f, action, 3, 0, 0, 0, 0, 0, 24, 0], Transfer::Out(&list)).unwrap()
}

#[test]
fn changer_reservations_survive_kill() {
    let dir = tempdir().unwrap();
    let data = dir.path().join("d");
    let daemon = Daemon::start(&data, SMALL);
    let mut session = daemon.login(1);
    assert_eq!(reserve(&mut session, 0, 7, 1), CommandResponse::default());
    assert_eq!(reserve(&mut session, 1, 7, 0), CommandResponse::default());
    for (request, response) in [
        (r#"{"op":"door","door":"access","open":true}"#, r#"{"ok":{"door":"access","library":"main","open":true}}"#),
        (
            r#"{"op":"online","drive":"drive2","online":false}"#,
            r#"{"ok":{"drive":"drive2","library":"main","online":false}}"#,
        ),
        (
            r#"{"op":"label","cartridge":"V00002L8","label":"missing"}"#,
            r#"{"ok":{"barcode":"V00002L8","label":"missing"}}"#,
        ),
        (
            r#"{"op":"element","element":"slot9","fault":"disabled"}"#,
            r#"{"ok":{"element":"slot9","fault":"disabled","library":"main"}}"#,
        ),
    ] {
        assert_eq!(send_request(&data, request), response, "{request}");
    }
    daemon.kill();
    let daemon = Daemon::start(&data, SMALL);
    let (mut one, mut two) = (daemon.login_with(options(1)), daemon.login_with(options(2)));
    for session in [&mut one, &mut two] {
        assert_eq!(session.command(0, &[0; 6], Transfer::None).unwrap().sense_codes(), Some((6, 0x29, 0x00)));
    }
    assert_eq!(one.command(0, &[0; 6], Transfer::None).unwrap().sense_codes(), Some((2, 0x04, 0x18)));
    let status = send_request(&data, r#"{"op":"status"}"#);
    for expected in [r#""door_open":true"#, r#""online":false"#, r#""label":"missing""#, r#""fault":"disabled""#] {
        assert!(status.contains(expected), "{expected}: {status}");
    }
    assert_eq!(move_medium(&mut two, 1000, 500).status, 0x18);
}

/// Words of the previous release in the file and in requests: accepted, with a warning in the log.
#[test]
fn deprecated_words_are_accepted_and_logged() {
    let dir = tempdir().unwrap();
    let data = dir.path().join("d");
    let log = dir.path().join("log");
    let mut command = command(&data, &SMALL.replace("size =", "level = \"ferric\"\nsize ="));
    let _daemon = Daemon::logging(&mut command, std::fs::File::create(&log).unwrap().into());
    assert!(send_request(&data, r#"{"do":"move","from":"slot1","to":"port1"}"#).contains(r#""to_element":"io1""#));
    assert_eq!(send_request(&data, r#"{"op":"fail","failure":"load"}"#), r#"{"ok":{"fault":"load","library":"main"}}"#);
    assert_eq!(send_request(&data, r#"{"op":"status"}"#).matches("ports").count(), 0);
    let text = std::fs::read_to_string(&log).unwrap();
    let warnings: Vec<&str> = text.lines().filter(|line| line.contains("next release refuses")).collect();
    let [file, first, second] = warnings.as_slice() else { panic!("{text}") };
    assert!(file.contains("WARN") && file.contains("d.toml:8: cartridges.level: write format = \"native\""), "{file}");
    assert!(first.contains("WARN") && first.contains("port1") && first.contains("io1"), "{first}");
    assert!(second.contains("inject_fault") && second.contains("failure"), "{second}");
}

/// With `--log info`, the log has one line for each step in the life of the service.
#[test]
fn start_and_end_of_the_service_are_logged() {
    let dir = tempdir().unwrap();
    let data = dir.path().join("d");
    let log = dir.path().join("log");
    let mut command = command(&data, SMALL);
    command.args(["--log", "info"]);
    let daemon = Daemon::logging(&mut command, std::fs::File::create(&log).unwrap().into());
    for request in [
        r#"{"op":"load","cartridge":"slot1","drive":"drive1"}"#,
        r#"{"op":"unload","drive":"drive1"}"#,
        r#"{"op":"move","from":"slot1","to":"io1"}"#,
        r#"{"op":"export","from":"io1"}"#,
        r#"{"op":"reload"}"#,
    ] {
        assert!(send_request(&data, request).starts_with("{\"ok\""), "{request}");
    }
    assert_eq!(daemon.terminate(), Some(0));
    let text = std::fs::read_to_string(&log).unwrap();
    let words: Vec<&str> = text
        .lines()
        .filter(|line| line.contains("INFO"))
        .filter_map(|line| {
            ["start", "load", "unload", "move", "export", "reload", "stop"]
                .into_iter()
                .find(|word| line.contains(&format!(": {word} ")) || line.ends_with(&format!(": {word}")))
        })
        .collect();
    assert_eq!(words, ["start", "load", "unload", "move", "export", "reload", "stop"], "{text}");
    let load = text.lines().find(|line| line.contains(": load ")).unwrap();
    assert!(
        load.contains("library=\"main\"") && load.contains("unit=\"drive1\"") && load.contains("to=\"drive1\""),
        "{load}"
    );
}

/// Logins of initiators, refused ones too, and the end of the daemon are events.
#[test]
fn sessions_and_the_end_of_the_daemon_are_events() {
    let dir = tempdir().unwrap();
    let data = dir.path().join("d");
    let daemon = Daemon::start(&data, &format!("[iscsi]\ninitiators = [\"iqn.ok\"]\n{SMALL}"));
    let mut stream = UnixStream::connect(data.join("control.sock")).unwrap();
    writeln!(stream, r#"{{"op":"events","version":2}}"#).unwrap();
    let mut lines =
        BufReader::new(stream).lines().map(|line| serde_json::from_str::<serde_json::Value>(&line.unwrap()));
    let begin = lines.next().unwrap().unwrap();
    let mut seq = begin["ok"]["seq"].as_u64().unwrap();
    let mut next = || {
        let mut event = lines.next().unwrap().unwrap();
        seq += 1;
        assert_eq!((&event["seq"], &event["start"]), (&seq.into(), &begin["ok"]["start"]));
        let members = event.as_object_mut().unwrap();
        ["seq", "start", "at"].iter().for_each(|member| drop(members.remove(*member)));
        if let Some(peer) = members.get_mut("peer") {
            let is_local = peer.as_str().unwrap().starts_with("127.0.0.1:");
            *peer = is_local.into();
        }
        event.to_string()
    };
    let login = |name: &str| Initiator::login(&daemon.portal, &daemon.iqn, Options { name: name.into(), ..options(1) });
    login("iqn.other").map(drop).unwrap_err();
    assert_eq!(
        next(),
        r#"{"event":"login_refused","initiator":"iqn.other","peer":true,"reason":"the initiator is not in iscsi.initiators","source":"host","status":"0202","suppressed":0}"#
    );
    let session = login("iqn.ok").unwrap();
    let port = r#""initiator":"iqn.ok,i,0x800000000001""#;
    assert_eq!(next(), format!(r#"{{"event":"login",{port},"peer":true,"source":"host","target":"{}"}}"#, daemon.iqn));
    session.logout().unwrap();
    assert_eq!(next(), format!(r#"{{"event":"logout",{port},"source":"host","target":"{}"}}"#, daemon.iqn));
    assert_eq!(daemon.terminate(), Some(0));
    assert_eq!(next(), r#"{"event":"stopped","source":"site"}"#);
}
