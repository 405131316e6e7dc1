//! The audit log of a site: changes by requests, what hosts do, restarts.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "test code")]

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use vtl::Library;
use vtl::audit::{Actor, ActorKind, Filter, Record, read, verify};
use vtl::control::ControlResponse;
use vtl::control::socket::ControlSocket;
use vtl::host::Host;
use vtl::site::{OpenSite, Site};

fn open(directory: &Path) -> OpenSite {
    let builder = Library::builder().slots(4).import_export(1).drives("ULT3580-TD8", 1);
    builder.cartridges("A#L8", 2, "64MB").data_dir(directory).open().unwrap()
}

fn alice() -> Actor {
    Actor { request_id: Some("r1".into()), ..Actor::new(ActorKind::Token, "alice").with_origin("192.0.2.7:5000") }
}

/// Executes a request of alice. Returns the code of the error, if any.
fn control(site: &Site, request: &str) -> Option<String> {
    let result = site.control_as(&alice(), &serde_json::from_str(request).unwrap());
    result.err().map(|error| serde_json::to_value(error.code).unwrap().as_str().unwrap().to_owned())
}

fn records(directory: &Path) -> Vec<Record> {
    read(&directory.join("audit"), &Filter::default(), usize::MAX).unwrap()
}

/// The records of alice: action, objects, state before and after, and result.
fn changes(directory: &Path) -> Vec<(String, String, Value, Value, String)> {
    let own = records(directory).into_iter().map(|record| record.entry).filter(|entry| entry.actor.name == "alice");
    own.map(|entry| (entry.action, entry.objects.join(" "), entry.before, entry.after, entry.result)).collect()
}

/// Requests with the objects of their records, the state before and after as JSON, and the result.
const CHANGES: &[[&str; 5]] = &[
    [r#"{"op":"load","cartridge":"A1L8"}"#, "main main/slot1 main/drive1 A1L8", SLOT1, DRIVE1, "done"],
    [r#"{"op":"unload","drive":"drive1"}"#, "main main/drive1 main/slot1 A1L8", DRIVE1, SLOT1, "done"],
    [r#"{"op":"door","door":"access","open":true}"#, "main", r#"{"open":false}"#, r#"{"open":true}"#, "done"],
    [r#"{"op":"door","door":"access","open":false}"#, "main", r#"{"open":true}"#, r#"{"open":false}"#, "done"],
    [r#"{"op":"online","online":false}"#, "main", r#"{"online":true}"#, r#"{"online":false}"#, "done"],
    [r#"{"op":"online","online":true}"#, "main", r#"{"online":false}"#, r#"{"online":true}"#, "done"],
    [
        r#"{"op":"online","drive":"drive1","online":false}"#,
        "main main/drive1",
        r#"{"online":true}"#,
        r#"{"online":false}"#,
        "done",
    ],
    [
        r#"{"op":"element","element":"slot4","fault":"disabled"}"#,
        "main main/slot4",
        r#"{"fault":null}"#,
        r#"{"fault":"disabled"}"#,
        "done",
    ],
    [
        r#"{"op":"label","cartridge":"A2L8","label":"missing"}"#,
        "A2L8",
        r#"{"label":null}"#,
        r#"{"label":"missing"}"#,
        "done",
    ],
    [r#"{"op":"alert","flag":28,"raised":true}"#, "main", r#"{"raised":false}"#, r#"{"raised":true}"#, "done"],
    [
        r#"{"op":"protect","cartridge":"A2L8","on":true}"#,
        "A2L8",
        r#"{"write_protected":false,"retained_until":0}"#,
        r#"{"write_protected":true,"retained_until":0}"#,
        "done",
    ],
    [
        r#"{"op":"retain","cartridge":"A2L8","until":4102444800}"#,
        "A2L8",
        r#"{"write_protected":true,"retained_until":0}"#,
        r#"{"write_protected":true,"retained_until":4102444800}"#,
        "done",
    ],
    [
        r#"{"op":"hold","cartridge":"A2L8","on":true,"reason":"case 7"}"#,
        "A2L8",
        r#"{"legal_hold":false}"#,
        r#"{"legal_hold":true}"#,
        "done",
    ],
    [r#"{"op":"inject_fault","fault":"pick"}"#, "main", "null", "null", "done"],
    [r#"{"op":"forget","cartridge":"A1L8"}"#, "A1L8", SLOT1, "null", "done"],
    [r#"{"op":"delete","cartridge":"A2L8"}"#, "A2L8", SLOT2, "null", "conflict"],
    [r#"{"op":"create","pool":"none","count":1}"#, "none", "null", "null", "not_found"],
    [r#"{"op":"reload"}"#, "", "null", "null", "unavailable"],
];
const SLOT1: &str = r#"{"location":"slot1 of library \"main\""}"#;
const SLOT2: &str = r#"{"location":"slot2 of library \"main\""}"#;
const DRIVE1: &str = r#"{"location":"drive1 of library \"main\""}"#;

#[test]
fn every_change_has_its_object_and_its_state() {
    let directory = tempfile::tempdir().unwrap();
    let site = open(directory.path());
    let json = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    for [request, objects, before, after, result] in CHANGES {
        let failed = control(&site, request);
        assert_eq!(failed.unwrap_or_else(|| "done".into()), *result, "{request}");
        // The record is on the disk when the answer is returned.
        let last = changes(directory.path()).pop().unwrap();
        let op = json(request)["op"].as_str().unwrap().to_owned();
        let expected = (op, (*objects).to_owned(), json(before), json(after), (*result).to_owned());
        assert_eq!(last, expected, "{request}");
    }
    // The load into the first empty drive is a change of this drive, too.
    let of_drive = Filter { object: Some("drive1".into()), ..Filter::default() };
    let of_drive = read(&directory.path().join("audit"), &of_drive, usize::MAX).unwrap();
    let actions: Vec<&str> = of_drive.iter().map(|record| record.entry.action.as_str()).collect();
    assert_eq!(actions, ["load", "unload", "online"]);
    // Requests that only show something have no record.
    for request in [r#"{"op":"status"}"#, r#"{"op":"audit"}"#, r#"{"op":"audit_verify"}"#, r#"{"op":"metrics"}"#] {
        assert_eq!(control(&site, request), None);
    }
    assert_eq!(changes(directory.path()).len(), CHANGES.len());
    let refused = records(directory.path()).into_iter().find(|record| record.entry.action == "delete").unwrap().entry;
    assert_eq!(refused.error.as_deref(), Some("A2L8 is in slot2 of library \"main\"; export it first"));
    assert_eq!((refused.actor, refused.details), (alice(), json!({"cartridge":"A2L8"})));
    site.shut_down().unwrap();
    drop(site);
    let verified = verify(&directory.path().join("audit"), None).unwrap().unwrap();
    let site = open(directory.path());
    let ControlResponse::AuditVerify(again) =
        site.control(&serde_json::from_str(r#"{"op":"audit_verify"}"#).unwrap()).unwrap()
    else {
        panic!("not the response to audit_verify")
    };
    assert!(again.last.seq >= verified.last.seq);
    site.shut_down().unwrap();
    drop(site);
    // The start and the end of the second site.
    let ended = verify(&directory.path().join("audit"), None).unwrap().unwrap();
    assert_eq!(ended.last.seq, verified.last.seq + 2);
}

/// The names of the recorded events of hosts, with their objects, after the site has ended.
fn host_events(directory: &Path) -> Vec<String> {
    let own = records(directory)
        .into_iter()
        .map(|record| record.entry)
        .filter(|entry| entry.actor.kind == ActorKind::Initiator);
    own.map(|entry| format!("{} {}", entry.action, entry.objects.join(" "))).collect()
}

#[test]
fn what_hosts_do_to_the_library_is_recorded() {
    let directory = tempfile::tempdir().unwrap();
    let site = open(directory.path());
    // Each record is on the disk when the status has come.
    let is_last = |expected: &str| assert_eq!(host_events(directory.path()).last().map(String::as_str), Some(expected));
    let host = Host::login(&site.targets()[0], 1);
    is_last("login ");
    host.clear_unit_attentions();
    host.move_medium(0, 1000, 500).unwrap();
    is_last("loaded main main/slot1 main/drive1 A1L8");
    host.clear_unit_attentions();
    host.write(1, &[1; 100]).unwrap();
    host.rewind(1).unwrap();
    // PERSISTENT RESERVE OUT: REGISTER key 1, RESERVE exclusive access.
    let key = |reservation: u8, service: u8| {
        let mut data = [0; 24];
        (data[7], data[15]) = (reservation, service);
        data
    };
    assert_eq!(host.command_with_data(1, &[0x5f, 0, 0, 0, 0, 0, 0, 0, 24, 0], &key(0, 1)).status.0, 0);
    assert_eq!(host.command_with_data(1, &[0x5f, 1, 3, 0, 0, 0, 0, 0, 24, 0], &key(1, 0)).status.0, 0);
    is_last("reservation_changed main main/drive1 A1L8");
    assert_eq!(control(&site, r#"{"op":"unload","drive":"drive1"}"#), None);
    assert_eq!(control(&site, r#"{"op":"retain","cartridge":"A1L8","until":4102444800}"#), None);
    assert_eq!(control(&site, r#"{"op":"load","cartridge":"A1L8"}"#), None);
    host.clear_unit_attentions();
    for _ in 0..8 {
        let refused = host.command_with_data(1, &[0x0a, 0, 0, 0, 4, 0], b"over");
        assert_eq!(refused.sense_codes(), Some((7, 0x27, 0x04)));
        is_last("retention_enforced main main/drive1 A1L8");
    }
    drop(host);
    site.shut_down().unwrap();
    let expected = [
        "login ",
        "loaded main main/slot1 main/drive1 A1L8",
        "reservation_changed main main/drive1 A1L8",
        // Five in ten seconds, however often a host tries.
        "retention_enforced main main/drive1 A1L8",
        "retention_enforced main main/drive1 A1L8",
        "retention_enforced main main/drive1 A1L8",
        "retention_enforced main main/drive1 A1L8",
        "retention_enforced main main/drive1 A1L8",
        "logout ",
    ];
    assert_eq!(host_events(directory.path()), expected);
    let own = records(directory.path());
    let sites = own.iter().filter(|record| record.entry.actor.kind == ActorKind::Site);
    let actions: Vec<&str> = sites.map(|record| record.entry.action.as_str()).collect();
    assert_eq!((actions.first(), actions.last()), (Some(&"audit_file_begun"), Some(&"stopped")));
    assert!(actions.contains(&"started"));
    verify(&directory.path().join("audit"), None).unwrap().unwrap();
}

#[test]
fn the_user_of_the_control_socket_is_the_actor() {
    let directory = tempfile::tempdir().unwrap();
    let site = open(directory.path());
    let _socket = ControlSocket::open(&directory.path().join("control.sock"), &site).unwrap();
    let mut stream = UnixStream::connect(directory.path().join("control.sock")).unwrap();
    stream
        .write_all(
            b"{\"op\":\"online\",\"online\":false}\n{\"op\":\"audit\",\"filter\":{\"object\":\"main\"},\"max\":9}\n",
        )
        .unwrap();
    let mut lines = BufReader::new(stream).lines();
    assert!(lines.next().unwrap().unwrap().starts_with("{\"ok\""));
    let answer: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
    let record = &answer["ok"][0];
    assert_eq!((&record["action"], &record["actor"]["kind"]), (&json!("online"), &json!("user")));
    let own = std::process::id();
    assert_eq!(record["actor"]["from"], format!("control socket (process {own})"));
    assert!(record["actor"]["uid"].is_u64() && record["actor"]["name"].is_string());
}

#[test]
fn a_site_in_memory_has_no_log() {
    let site = Library::builder().slots(2).drives("ULT3580-TD8", 1).open().unwrap();
    assert_eq!(control(&site, r#"{"op":"online","online":false}"#), None);
    assert_eq!(control(&site, r#"{"op":"audit_verify"}"#).as_deref(), Some("unavailable"));
}

/// A log that cannot be opened: the site starts, refuses changes, and accepts them when the log can be opened.
#[test]
fn changes_are_refused_while_the_log_cannot_be_opened() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("audit");
    std::fs::write(&log, "not a directory").unwrap();
    let site = open(directory.path());
    assert_eq!(control(&site, r#"{"op":"load","cartridge":"A1L8"}"#).as_deref(), Some("unavailable"));
    assert_eq!(control(&site, r#"{"op":"status"}"#), None);
    assert_eq!(site.libraries()[0].status().drives[0].element.cartridge, None);
    std::fs::remove_file(&log).unwrap();
    assert_eq!(control(&site, r#"{"op":"load","cartridge":"A1L8"}"#), None);
    assert_eq!(changes(directory.path()).len(), 1);
}
