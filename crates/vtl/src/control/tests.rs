use super::*;
use crate::config::parse;
use crate::data_dir::DataDir;
use crate::site::OpenSite;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;

fn site() -> OpenSite {
    let text = "[library]\nslots = 4\nimport_export = 1\n[[drive]]\nmodel = \"ULT3580-TD8\"\ncount = 2\n\
        [[cartridges]]\npattern = \"A#L8\"\ncount = 3\nsize = \"64MB\"\n";
    Site::open_data_dir(DataDir::in_memory(), &parse("f", text).unwrap()).unwrap()
}

fn send_request(site: &Site, text: &str) -> Result<Value, String> {
    let request: Request = serde_json::from_str(text).map_err(|error| error.to_string())?;
    site.control(&request).map_err(|error| error.to_string())
}

/// The answer to a move, without the names of elements.
fn moved(value: Value) -> Value {
    let Value::Object(mut fields) = value else { return value };
    for field in ["library", "from_element", "to_element"] {
        fields.remove(field);
    }
    Value::Object(fields)
}

#[test]
fn operator_requests() {
    let site = site();
    let good = [
        (r#"{"op":"load","cartridge":"A2L8"}"#, json!({"cartridge": "A2L8", "from": 1001, "to": 500})),
        (r#"{"op":"move","from":"drive1","to":"drive2"}"#, json!({"cartridge": "A2L8", "from": 500, "to": 501})),
        (r#"{"op":"unload","drive":"A2L8"}"#, json!({"cartridge": "A2L8", "from": 501, "to": 1001})),
        (r#"{"op":"move","from":"slot3","to":"io1"}"#, json!({"cartridge": "A3L8", "from": 1002, "to": 10})),
        (r#"{"op":"export","from":"10"}"#, json!({"cartridge": "A3L8", "from": 10, "shelf": "main"})),
        (r#"{"op":"import","cartridge":"A3L8"}"#, json!({"cartridge": "A3L8", "shelf": "main", "to": 10})),
        (r#"{"op":"door","door":"access","open":true}"#, Value::Null),
        (r#"{"op":"export","from":"A1L8"}"#, json!({"cartridge": "A1L8", "from": 1000, "shelf": "main"})),
        (r#"{"op":"door","door":"access","open":false}"#, Value::Null),
        (r#"{"op":"online","drive":"drive2","online":false}"#, Value::Null),
        (r#"{"op":"element","element":"slot4","fault":"disabled"}"#, Value::Null),
        (r#"{"op":"label","cartridge":"A2L8","label":"unreadable"}"#, Value::Null),
        (r#"{"op":"alert","flag":28,"raised":true}"#, Value::Null),
        (r#"{"op":"alert","drive":"drive1","flag":3,"raised":true}"#, Value::Null),
        (r#"{"op":"inject_fault","library":"main","fault":"load"}"#, Value::Null),
        (r#"{"op":"find","element":"A2L8"}"#, json!({"library": "main", "address": 1001, "element": "slot2"})),
    ];
    for (request, expected) in good {
        let expected = if request.contains("find") { Ok(expected) } else { Ok(moved(expected)) };
        let answer = send_request(&site, request);
        assert_eq!(if request.contains("find") { answer } else { answer.map(moved) }, expected, "{request}");
    }
    assert_eq!(
        send_request(&site, r#"{"op":"load","cartridge":"A2L8"}"#),
        Err("drive1 failed to load the cartridge".into())
    );
    let status = site.status();
    assert_eq!(status.shelves["main"], ["A1L8"]);
    let library = &status.libraries[0];
    assert_eq!(library.alerts[..2], ["Library load retry", "Library drive offline"]);
    assert_eq!(library.drives[0].alerts, ["Hard error"]);
    assert_eq!((library.drives[1].online, library.drives[1].element.number), (false, 2));
    assert_eq!(
        (library.slots[1].cartridge.as_deref(), library.slots[1].label),
        (Some("A2L8"), Some(LabelDefect::Unreadable))
    );
    // The answer can be read back.
    let text = serde_json::to_string(&status).unwrap();
    assert_eq!(serde_json::from_str::<SiteStatus>(&text).unwrap(), status);
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
    let control = socket::ControlSocket::open(&path, &site, Arc::new(|| Err("no file".into()))).unwrap();
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
    follower.write_all(b"{\"op\":\"events\"}\n").unwrap();
    assert_eq!(line(&mut events), "{\"ok\":null}\n");
    let (mut lines, mut stream) = connect();
    stream.write_all(b"{\"op\":\"load\",\"cartridge\":\"A1L8\"}\n{\"op\":\"dance\"}\n").unwrap();
    let answer = "{\"ok\":{\"cartridge\":\"A1L8\",\"from\":1000,\"from_element\":\"slot1\",\"library\":\"main\",\
                  \"to\":500,\"to_element\":\"drive1\"}}\n";
    assert_eq!(line(&mut lines), answer);
    assert!(line(&mut lines).starts_with("{\"error\":\"the request: \\\"dance\\\" is not an operation"));
    let event: Value = serde_json::from_str(&line(&mut events)).unwrap();
    assert_eq!((&event["event"], &event["barcode"]), (&json!("moved"), &json!("A1L8")));
    assert_eq!(event["to"]["element"]["address"], 500);
    // Neither noise nor a line without an end does harm.
    let (mut lines, mut stream) = connect();
    stream.write_all(&vec![b'x'; 70_000]).unwrap();
    assert!(line(&mut lines).starts_with("{\"error\""));
    drop(control);
    assert!(!path.exists());
}

mod targets;
