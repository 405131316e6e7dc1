use super::*;
use crate::config::parse;
use crate::data_dir::Data;
use crate::site::Running;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;

fn site() -> Running {
    let text = "[library]\nslots = 4\nimport_export = 1\n[[drive]]\nmodel = \"ULT3580-TD8\"\ncount = 2\n\
        [[cartridges]]\npattern = \"A#L8\"\ncount = 3\nsize = \"64MB\"\n";
    Site::of(Data::in_memory(), &parse("f", text).unwrap()).unwrap()
}

fn ask(site: &Site, text: &str) -> Result<Value, String> {
    let request: Request = serde_json::from_str(text).map_err(|error| error.to_string())?;
    site.control(&request).map_err(|error| error.to_string())
}

#[test]
fn what_operators_ask() {
    let site = site();
    let good = [
        (r#"{"do":"load","cartridge":"A2L8"}"#, json!({"from": 1001, "to": 500})),
        (r#"{"do":"move","from":"drive1","to":"drive2"}"#, json!({"from": 500, "to": 501})),
        (r#"{"do":"unload","drive":"A2L8"}"#, json!({"from": 501, "to": 1001})),
        (r#"{"do":"move","from":"slot3","to":"port1"}"#, json!({"from": 1002, "to": 10})),
        (r#"{"do":"export","from":"10"}"#, json!({"cartridge": "A3L8", "shelf": "main"})),
        (r#"{"do":"import","cartridge":"A3L8"}"#, json!({"to": 10})),
        (r#"{"do":"door","door":"access","open":true}"#, Value::Null),
        (r#"{"do":"export","from":"A1L8"}"#, json!({"cartridge": "A1L8", "shelf": "main"})),
        (r#"{"do":"door","door":"access","open":false}"#, Value::Null),
        (r#"{"do":"online","drive":"drive2","online":false}"#, Value::Null),
        (r#"{"do":"element","element":"slot4","trouble":"disabled"}"#, Value::Null),
        (r#"{"do":"label","cartridge":"A2L8","label":"unreadable"}"#, Value::Null),
        (r#"{"do":"alert","flag":28,"raised":true}"#, Value::Null),
        (r#"{"do":"alert","drive":"drive1","flag":3,"raised":true}"#, Value::Null),
        (r#"{"do":"fail","library":"main","failure":"load"}"#, Value::Null),
    ];
    for (request, expected) in good {
        assert_eq!(ask(&site, request), Ok(expected), "{request}");
    }
    let bad = [
        (r#"{"do":"load","cartridge":"A2L8"}"#, "the robot failed (Load)"),
        (r#"{"do":"load","cartridge":"A2L8","drive":"drive2"}"#, "element 501 is disabled"),
        (
            r#"{"do":"load","cartridge":"A9L8"}"#,
            "library \"main\" has no \"A9L8\": name an address, slot1, drive1, port1, or a cartridge in it",
        ),
        (r#"{"do":"move","from":"slot9","to":"slot1"}"#, "library \"main\" has no slot9: there are 4"),
        (r#"{"do":"move","from":"7","to":"slot1"}"#, "library \"main\" has no element 7"),
        (r#"{"do":"move","library":"x","from":"7","to":"slot1"}"#, "there is no library \"x\"; there are main"),
        (r#"{"do":"import","cartridge":"A2L8","to":"port1"}"#, "there is no cartridge A2L8 on the shelf \"main\""),
        (r#"{"do":"import","cartridge":"A1L8"}"#, "no import/export element of library \"main\" is empty"),
        (r#"{"do":"alert","flag":65,"raised":true}"#, "there is no flag 65; they are 1 to 64"),
        (
            r#"{"do":"export","from":"slot2"}"#,
            "element 1001: slots are reached through the access door, and that is closed",
        ),
    ];
    for (request, expected) in bad {
        assert_eq!(ask(&site, request), Err(expected.into()), "{request}");
    }
    let status = site.status();
    assert_eq!(status.shelves["main"], ["A1L8"]);
    let library = &status.libraries[0];
    assert_eq!(library.alerts[..2], ["Library load retry", "Library drive offline"]);
    assert_eq!((library.drives[1].online, library.drives[1].element.number), (false, 2));
    assert_eq!(
        (library.slots[1].cartridge.as_deref(), library.slots[1].label),
        (Some("A2L8"), Some(Label::Unreadable))
    );
    // What is told is what is understood.
    let text = serde_json::to_string(&status).unwrap();
    assert_eq!(serde_json::from_str::<SiteStatus>(&text).unwrap(), status);
}

#[test]
fn the_socket() {
    let (site, dir) = (site(), tempfile::tempdir().unwrap());
    let path = dir.path().join("control.sock");
    std::fs::write(&path, "left over").unwrap();
    let control = socket::Control::open(&path, &site, Arc::new(|| Err("no file".into()))).unwrap();
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
    follower.write_all(b"{\"do\":\"events\"}\n").unwrap();
    assert_eq!(line(&mut events), "{\"ok\":null}\n");
    let (mut lines, mut stream) = connect();
    stream.write_all(b"{\"do\":\"load\",\"cartridge\":\"A1L8\"}\n{\"do\":\"dance\"}\n").unwrap();
    assert_eq!(line(&mut lines), "{\"ok\":{\"from\":1000,\"to\":500}}\n");
    assert!(line(&mut lines).starts_with("{\"error\":\"the request: unknown variant `dance`"));
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
