use super::*;
use crate::config::parse;
use crate::data_dir::DataDir;
use crate::site::{OpenSite, Site};
use serde_json::{Value, json};
use smc::element::LabelDefect;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;

fn site() -> OpenSite {
    let text = "[library]\nslots = 4\nimport_export = 1\n[[drive]]\nmodel = \"ULT3580-TD8\"\ncount = 2\n\
        [[cartridges]]\npattern = \"A#L8\"\ncount = 3\nsize = \"64MB\"\n\
        [[pool]]\nname = \"scratch\"\npattern = \"P#L8\"\nsize = \"64MB\"\n";
    Site::open_data_dir(DataDir::in_memory(), &parse("f", text).unwrap()).unwrap()
}

/// The response to a request as JSON: that of the line without `ok`, or the error.
fn send_request(site: &Site, text: &str) -> Result<Value, ControlError> {
    let (request, _) = request_parser::parse(text.as_bytes())?;
    site.control(&request).map(|response| serde_json::to_value(response).unwrap())
}

/// Requests in the order in which they are made, and the response to each.
const RESPONSES: &[(&str, &str)] = &[
    (
        r#"{"op":"load","cartridge":"A2L8"}"#,
        r#"{"cartridge":"A2L8","from":1001,"from_element":"slot2","library":"main","to":500,"to_element":"drive1"}"#,
    ),
    (
        r#"{"op":"move","from":"drive1","to":"drive2"}"#,
        r#"{"cartridge":"A2L8","from":500,"from_element":"drive1","library":"main","to":501,"to_element":"drive2"}"#,
    ),
    (
        r#"{"op":"unload","drive":"A2L8"}"#,
        r#"{"cartridge":"A2L8","from":501,"from_element":"drive2","library":"main","to":1001,"to_element":"slot2"}"#,
    ),
    (
        r#"{"op":"move","from":"slot3","to":"io1"}"#,
        r#"{"cartridge":"A3L8","from":1002,"from_element":"slot3","library":"main","to":10,"to_element":"io1"}"#,
    ),
    (
        r#"{"op":"export","from":"10"}"#,
        r#"{"cartridge":"A3L8","from":10,"from_element":"io1","library":"main","shelf":"main"}"#,
    ),
    (
        r#"{"op":"import","cartridge":"A3L8"}"#,
        r#"{"cartridge":"A3L8","library":"main","shelf":"main","to":10,"to_element":"io1"}"#,
    ),
    (r#"{"op":"door","door":"io_station","open":true}"#, r#"{"door":"io_station","library":"main","open":true}"#),
    (r#"{"op":"door","door":"io_station","open":false}"#, r#"{"door":"io_station","library":"main","open":false}"#),
    (r#"{"op":"online","drive":"501","online":false}"#, r#"{"drive":"drive2","library":"main","online":false}"#),
    (r#"{"op":"online","online":true}"#, r#"{"library":"main","online":true}"#),
    (
        r#"{"op":"element","element":"slot4","fault":"disabled"}"#,
        r#"{"element":"slot4","fault":"disabled","library":"main"}"#,
    ),
    (r#"{"op":"element","element":"1003"}"#, r#"{"element":"slot4","library":"main"}"#),
    (r#"{"op":"label","cartridge":"A2L8","label":"unreadable"}"#, r#"{"barcode":"A2L8","label":"unreadable"}"#),
    (r#"{"op":"label","cartridge":"A1L8"}"#, r#"{"barcode":"A1L8"}"#),
    (
        r#"{"op":"alert","flag":28,"raised":true}"#,
        r#"{"library":"main","flag":28,"name":"Power supply","raised":true}"#,
    ),
    (
        r#"{"op":"alert","drive":"drive1","flag":3,"raised":true}"#,
        r#"{"library":"main","drive":"drive1","flag":3,"name":"Hard error","raised":true}"#,
    ),
    (
        r#"{"op":"fault_add","text":"[[fault]]\nname = \"bad block\"\nkind = \"read_error\"\nrecords = [10, 10]\n"}"#,
        r#"[{"name":"bad block","fault":{"kind":"read_error","name":"bad block","records":[10,10]},"matched":0,"fired":0,"active":true}]"#,
    ),
    (r#"{"op":"fault_clear","name":"bad block"}"#, r#"{"cleared":["bad block"]}"#),
    (r#"{"op":"fault_list"}"#, "[]"),
    (r#"{"op":"inject_fault","library":"main","fault":"load"}"#, r#"{"fault":"load","library":"main"}"#),
    (
        r#"{"op":"inject_fault","library":"main","fault":"pick","nth":900,"count":2}"#,
        r#"{"fault":"pick","library":"main"}"#,
    ),
    (r#"{"op":"find","element":"A2L8"}"#, r#"{"address":1001,"element":"slot2","library":"main"}"#),
    (r#"{"op":"protect","cartridge":"A1L8","on":true}"#, r#"{"barcode":"A1L8","write_protected":true}"#),
    (r#"{"op":"retain","cartridge":"A1L8","until":4102444800}"#, r#"{"barcode":"A1L8","retained_until":4102444800}"#),
    (r#"{"op":"hold","cartridge":"A1L8","on":true,"reason":"case 7"}"#, r#"{"barcode":"A1L8","legal_hold":true}"#),
    (r#"{"op":"create","pool":"scratch","count":2}"#, r#"{"created":["P1L8","P2L8"]}"#),
    (r#"{"op":"forget","cartridge":"P1L8"}"#, r#"{"barcode":"P1L8"}"#),
    (r#"{"op":"delete","cartridge":"P2L8"}"#, r#"{"barcode":"P2L8"}"#),
    (
        r#"{"op":"pools"}"#,
        r#"[{"pool":"scratch","pattern":"P#L8","library":"main","size":64000000,"cartridges":0,"scratch":0,"wanted":0}]"#,
    ),
    (
        r#"{"op":"cartridges","cartridge":"A2L8"}"#,
        r#"[{"cartridge":"A2L8","location":{"element":{"library":"main","address":1001,"source":1001,"by_operator":false}},"element":"slot2","size":64000000,"kind":"data","label":"unreadable","write_protected":false,"loads":2}]"#,
    ),
];

#[test]
fn each_request_has_its_response() {
    let site = site();
    for (request, expected) in RESPONSES {
        // A new cartridge is in a slot; only one on the shelf can be deleted.
        if request.contains("delete") {
            send_request(&site, r#"{"op":"door","door":"access","open":true}"#).unwrap();
            send_request(&site, r#"{"op":"export","from":"P2L8"}"#).unwrap();
            send_request(&site, r#"{"op":"door","door":"access","open":false}"#).unwrap();
        }
        let (parsed, _) = request_parser::parse(request.as_bytes()).unwrap();
        let response = site.control(&parsed).map(|response| serde_json::to_string(&response).unwrap());
        assert_eq!(response, Ok((*expected).to_owned()), "{request}");
    }
    let status = site.status();
    let library = &status.libraries[0];
    assert_eq!(library.alerts, ["Library drive offline", "Power supply", "Unreadable bar code labels"]);
    assert_eq!(library.drives[0].alerts, ["Hard error"]);
    assert_eq!((library.drives[1].online, library.drives[1].element.number), (false, 2));
    assert_eq!(
        (library.slots[1].cartridge.as_deref(), library.slots[1].label),
        (Some("A2L8"), Some(LabelDefect::Unreadable))
    );
    let text = serde_json::to_string(&status).unwrap();
    assert!(text.starts_with(r#"{"libraries":[{"name":"main","#), "{text}");
    assert!(text.ends_with(r#""shelves":{"main":[]},"version":2}"#), "{text}");
    assert_eq!(serde_json::from_str::<SiteStatus>(&text).unwrap(), status);
}

/// Requests, and the whole line of the error: the message that clients of version 1 read, then code and fields.
const ERRORS: &[(&str, &str)] = &[
    (
        r#"{"op":"load","library":"far","cartridge":"slot1"}"#,
        r#"{"error":"there is no library \"far\"; the site has \"main\"","code":"not_found","fields":{"library":"far"}}"#,
    ),
    (
        r#"{"op":"move","from":"slot9","to":"slot4"}"#,
        r#"{"error":"library \"main\" has no slot9; it has slot1 to slot4","code":"not_found","fields":{"library":"main","element":"slot9"}}"#,
    ),
    (
        r#"{"op":"cartridges","cartridge":"X1L8"}"#,
        r#"{"error":"there is no cartridge X1L8","code":"not_found","fields":{"barcode":"X1L8"}}"#,
    ),
    (
        r#"{"op":"create","pool":"daily","count":1}"#,
        r#"{"error":"there is no pool \"daily\"; the site has \"scratch\"","code":"not_found","fields":{"pool":"daily"}}"#,
    ),
    (
        r#"{"op":"load","cartridge":"A3L8","drive":"drive1"}"#,
        r#"{"error":"drive1 holds A2L8","code":"conflict","fields":{"library":"main","element":"drive1","barcode":"A3L8"}}"#,
    ),
    (
        r#"{"op":"retain","cartridge":"A1L8","until":4102444799}"#,
        r#"{"error":"cartridge A1L8: is already retained for longer","code":"locked","fields":{"barcode":"A1L8"}}"#,
    ),
    (
        r#"{"op":"retain","cartridge":"A3L8","until":1577836800}"#,
        r#"{"error":"A3L8 cannot be retained until 2020-01-01: the time is in the past","code":"invalid","fields":{"barcode":"A3L8","member":"until"}}"#,
    ),
    (
        r#"{"op":"hold","cartridge":"A1L8","on":false,"reason":" "}"#,
        r#"{"error":"a legal hold needs a reason of 1 to 1000 characters, for the audit log","code":"invalid","fields":{"barcode":"A1L8","member":"reason"}}"#,
    ),
    (
        r#"{"op":"move","from":"A3L8","to":"slot4"}"#,
        r#"{"error":"the robot failed to pick the cartridge from slot3","code":"unavailable","fields":{"library":"main","element":"slot3","barcode":"A3L8"}}"#,
    ),
    (r#"{"op":"reload"}"#, r#"{"error":"this site has no configuration file","code":"unavailable"}"#),
    (
        r#"{"op":"unload","drive":7}"#,
        r#"{"error":"the request: \"drive\": expected a string, not 7","code":"invalid","fields":{"member":"drive"}}"#,
    ),
    (
        r#"{"op":"status","version":1}"#,
        r#"{"error":"the client has version 1 of the control protocol, and the daemon version 2: use the client of the daemon's release, or restart the daemon after an update","code":"invalid","fields":{"member":"version"}}"#,
    ),
    (
        r#"{"op":"status","version":"2"}"#,
        r#"{"error":"the request: \"version\" must be a number, not \"2\"","code":"invalid","fields":{"member":"version"}}"#,
    ),
];

#[test]
fn errors_have_code_and_fields() {
    let site = site();
    send_request(&site, r#"{"op":"load","cartridge":"A2L8"}"#).unwrap();
    send_request(&site, r#"{"op":"retain","cartridge":"A1L8","until":4102444800}"#).unwrap();
    send_request(&site, r#"{"op":"inject_fault","fault":"pick"}"#).unwrap();
    for (request, expected) in ERRORS {
        let error = send_request(&site, request).unwrap_err();
        let line = serde_json::to_string(&error).unwrap();
        assert_eq!(line, *expected, "{request}");
        assert_eq!(serde_json::from_str::<ControlError>(&line).unwrap(), error);
    }
    send_request(&site, r#"{"op":"status","version":2}"#).unwrap();
}

/// The second load fails, and only that one.
#[test]
fn fault_of_a_later_operation_of_the_robot() {
    let site = site();
    send_request(&site, r#"{"op":"inject_fault","fault":"load","nth":2}"#).unwrap();
    let load = || send_request(&site, r#"{"op":"load","cartridge":"A2L8"}"#);
    for fails in [false, true, false] {
        let error = load().err().map(|error| error.message);
        assert_eq!(error.as_deref(), fails.then_some("drive1 failed to load the cartridge"));
        if !fails {
            send_request(&site, r#"{"op":"unload","drive":"A2L8"}"#).unwrap();
        }
    }
    let refused = |request: &str| send_request(&site, request).unwrap_err();
    let error = refused(r#"{"op":"inject_fault","fault":"load","count":0}"#);
    assert_eq!((error.message.as_str(), error.code), ("count is 0; expected at least 1", ErrorCode::Invalid));
    for _ in 0..64 {
        send_request(&site, r#"{"op":"inject_fault","fault":"place","nth":1000}"#).unwrap();
    }
    let error = refused(r#"{"op":"inject_fault","fault":"place"}"#);
    assert_eq!(error.message, "64 injected faults are pending in library \"main\" already");
    assert_eq!(error.code, ErrorCode::Conflict);
}

#[test]
fn a_host_that_prevents_removal_locks_the_library() {
    let site = site();
    let host = crate::host::Host::login(&site.targets()[0], 1);
    host.clear_unit_attentions();
    let prevent = host.command(0, &[0x1e, 0, 0, 0, 1, 0], 0);
    assert_eq!(prevent.status.0, 0);
    for request in [r#"{"op":"door","door":"access","open":true}"#, r#"{"op":"door","door":"io_station","open":true}"#]
    {
        let line = serde_json::to_string(&send_request(&site, request).unwrap_err()).unwrap();
        assert_eq!(
            line,
            r#"{"error":"the library is locked: a host prevents medium removal (PREVENT ALLOW MEDIUM REMOVAL)","code":"locked","fields":{"library":"main"}}"#
        );
    }
}

#[test]
fn the_status_shows_what_hosts_have_set() {
    let site = site();
    let host = crate::host::Host::login(&site.targets()[0], 1);
    host.clear_unit_attentions();
    let shown = || {
        let status = serde_json::to_value(site.status()).unwrap();
        let library = &status["libraries"][0];
        [library, &library["drives"][0], &library["drives"][1]]
            .map(|unit| (unit.get("removal_prevented").cloned(), unit.get("reservation").cloned()))
    };
    assert_eq!(shown(), [(None, None), (None, None), (None, None)]);
    for lun in [0, 1] {
        assert_eq!(host.command(lun, &[0x1e, 0, 0, 0, 1, 0], 0).status.0, 0);
        assert_eq!(host.command(lun, &[0x16, 0, 0, 0, 0, 0], 0).status.0, 0);
    }
    let set = || (Some(json!(true)), Some(json!({"kind": "reserve"})));
    assert_eq!(shown(), [set(), set(), (None, None)]);
    for lun in [0, 1] {
        assert_eq!(host.command(lun, &[0x1e, 0, 0, 0, 0, 0], 0).status.0, 0);
        assert_eq!(host.command(lun, &[0x17, 0, 0, 0, 0, 0], 0).status.0, 0);
    }
    assert_eq!(shown(), [(None, None), (None, None), (None, None)]);
}

/// Errors that do not come from a request itself: each kind with its code, file and setting.
#[test]
fn errors_of_the_site_have_codes() {
    use crate::config::ConfigError;
    use crate::data_dir::DataDirError;
    use crate::library::LibraryError;
    use crate::state_store::StateError;
    use std::io;
    use tape_store::error::StoreError;
    let full =
        || StoreError::Io { operation: "writing mam".into(), source: Arc::new(io::ErrorKind::StorageFull.into()) };
    let cartridge = |source| LibraryError::Cartridge { barcode: "A1L8".into(), source };
    let config =
        ConfigError { file: "f".into(), line: 3, key: "library.slots".into(), column: 0, message: "bad".into() };
    for (error, expected) in [
        (
            LibraryError::Config(config),
            r#"{"error":"f:3: library.slots: bad","code":"invalid","fields":{"file":"f","setting":"library.slots"}}"#,
        ),
        (
            LibraryError::Data(DataDirError::Io { path: "/d".into(), source: io::Error::other("gone") }),
            r#"{"error":"/d: gone","code":"unavailable","fields":{"file":"/d"}}"#,
        ),
        (
            LibraryError::Data(DataDirError::InUse { path: "/d".into(), holder: "process 7".into() }),
            r#"{"error":"/d is in use by process 7","code":"busy","fields":{"file":"/d"}}"#,
        ),
        (
            LibraryError::State(StateError::Io { file: "state.1".into(), source: io::Error::other("gone") }),
            r#"{"error":"state.1: gone","code":"unavailable","fields":{"file":"state.1"}}"#,
        ),
        (LibraryError::State(StateError::Closed), r#"{"error":"the site is shut down","code":"unavailable"}"#),
        (
            LibraryError::State(StateError::Panicked),
            r#"{"error":"state: internal error of the storage","code":"internal"}"#,
        ),
        (
            cartridge(full()),
            r#"{"error":"cartridge A1L8: writing mam failed: no storage space","code":"unavailable","fields":{"barcode":"A1L8"}}"#,
        ),
        (
            cartridge(StoreError::InUse),
            r#"{"error":"cartridge A1L8: the cartridge is in use","code":"busy","fields":{"barcode":"A1L8"}}"#,
        ),
        (
            LibraryError::Store(StoreError::Cartridge { barcode: "A1L8".into(), problem: "exists already" }),
            r#"{"error":"cartridge A1L8: exists already","code":"conflict","fields":{"barcode":"A1L8"}}"#,
        ),
        (LibraryError::Inconsistent("odd".into()), r#"{"error":"odd","code":"internal"}"#),
    ] {
        assert_eq!(serde_json::to_string(&ControlError::from(error)).unwrap(), expected);
    }
}

#[test]
fn alerts_are_listed_and_looked_up() {
    let site = site();
    send_request(&site, r#"{"op":"alert","flag":28,"raised":true}"#).unwrap();
    send_request(&site, r#"{"op":"alert","drive":"drive2","flag":4,"raised":true}"#).unwrap();
    let changer = json!({"library": "main", "flag": 28, "name": "Power supply", "raised": true});
    let drive = json!({"library": "main", "drive": "drive2", "flag": 4, "name": "Media", "raised": true});
    for (request, expected) in [
        (r#"{"op":"alerts"}"#, json!([changer, drive])),
        (r#"{"op":"alerts","drive":"drive2"}"#, json!([drive])),
        (r#"{"op":"alerts","drive":"drive1"}"#, json!([])),
        (r#"{"op":"alerts","flag":28}"#, json!([changer])),
        (
            r#"{"op":"alerts","flag":28,"drive":"501"}"#,
            json!([{"library": "main", "drive": "drive2", "flag": 28, "name": "Power consumption", "raised": false}]),
        ),
    ] {
        assert_eq!(send_request(&site, request), Ok(expected), "{request}");
    }
    send_request(&site, r#"{"op":"alert","drive":"drive2","flag":4,"raised":false}"#).unwrap();
    assert_eq!(send_request(&site, r#"{"op":"alerts"}"#), Ok(json!([changer])));
}

#[test]
fn the_socket() {
    let (site, dir) = (site(), tempfile::tempdir().unwrap());
    let path = dir.path().join("control.sock");
    std::fs::write(&path, "left over").unwrap();
    let control = socket::ControlSocket::open(&path, &site).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    let connect = || {
        let stream = UnixStream::connect(&path).unwrap();
        (BufReader::new(stream.try_clone().unwrap()), stream)
    };
    let line = |lines: &mut BufReader<UnixStream>| {
        let mut line = String::new();
        lines.read_line(&mut line).unwrap();
        line
    };
    let (mut events, mut follower) = connect();
    follower.write_all(b"{\"op\":\"events\",\"version\":2}\n").unwrap();
    let begin: Value = serde_json::from_str(&line(&mut events)).unwrap();
    let start = site.shared.events.position().start;
    assert_eq!(start.len(), 16);
    assert_eq!(
        (&begin["ok"]["version"], &begin["ok"]["start"], &begin["ok"]["seq"]),
        (&json!(2), &json!(start), &json!(1))
    );
    assert_eq!(begin["ok"]["snapshot"]["libraries"][0]["name"], "main");
    let (mut lines, mut stream) = connect();
    stream.write_all(b"{\"op\":\"load\",\"cartridge\":\"A1L8\"}\n{\"op\":\"dance\"}\n").unwrap();
    let answer = "{\"ok\":{\"cartridge\":\"A1L8\",\"from\":1000,\"from_element\":\"slot1\",\"library\":\"main\",\
                  \"to\":500,\"to_element\":\"drive1\"}}\n";
    assert_eq!(line(&mut lines), answer);
    assert!(line(&mut lines).starts_with("{\"error\":\"the request: \\\"dance\\\" is not an operation"));
    let mut event: Value = serde_json::from_str(&line(&mut events)).unwrap();
    assert!(event["at"].as_u64().unwrap() > 1_700_000_000_000, "{event}");
    event["at"] = json!(0);
    let expected = json!({
        "seq": 2, "start": start, "at": 0, "source": "operator", "library": "main", "barcode": "A1L8", "event": "loaded",
        "from": {"element": {"library": "main", "address": 1000, "by_operator": false}},
        "to": {"element": {"library": "main", "address": 500, "source": 1000, "by_operator": false}},
    });
    assert_eq!(event, expected);
    // Neither noise nor a line without an end does harm.
    let (mut lines, mut stream) = connect();
    stream.write_all(&vec![b'x'; 70_000]).unwrap();
    assert!(line(&mut lines).starts_with("{\"error\""));
    drop(control);
    assert!(!path.exists());
}

mod documentation;
mod targets;
