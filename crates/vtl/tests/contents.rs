//! The contents of cartridges that are not in drives: their use, their MAM and the map of their files.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "test code")]

use serde_json::{Value, json};
use vtl::control::{ControlError, ErrorCode};
use vtl::host::Host;
use vtl::site::{OpenSite, Site};

const CONFIG: &str = "[library]\nslots = 6\n[[drive]]\nmodel = \"ULT3580-TD8\"\n\
    [[cartridges]]\npattern = \"A#L8\"\ncount = 3\nsize = \"64MB\"\n[[cartridges]]\npattern = \"CLN#L8\"\n";

fn request(site: &Site, request: &Value) -> Result<Value, ControlError> {
    let response = site.control(&serde_json::from_value(request.clone()).unwrap());
    response.map(|response| serde_json::to_value(response).unwrap())
}

fn ok(site: &Site, value: &Value) -> Value {
    request(site, value).unwrap_or_else(|error| panic!("{value}: {error}"))
}

/// A1L8 has the files: 3 blocks of 100, 200 and 65,536 bytes; none; 12,000 blocks of 10 bytes; 1 block without a filemark.
fn written() -> (OpenSite, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let site = Site::open(directory.path(), &vtl::config::parse("f", CONFIG).unwrap()).unwrap();
    ok(&site, &json!({ "op": "load", "cartridge": "A1L8" }));
    let host = Host::login(&site.targets()[0], 1);
    host.clear_unit_attentions();
    for len in [100, 200, 65_536] {
        host.write(1, &vec![7; len]).unwrap();
    }
    host.write_filemarks(1, 2).unwrap();
    for _ in 0..12_000 {
        host.write(1, b"0123456789").unwrap();
    }
    host.write_filemarks(1, 1).unwrap();
    host.write(1, b"the last block").unwrap();
    drop(host);
    (site, directory)
}

fn file(file: u64, object: u64, sizes: (u64, u64, u64, u64), end: &str) -> Value {
    let (blocks, bytes, smallest, largest) = sizes;
    json!({ "file": file, "object": object, "blocks": blocks, "bytes": bytes, "smallest": smallest, "largest": largest,
        "damaged": 0, "end": end })
}

/// A part of the map of A1L8, without the bytes on the medium, which depend on the compression.
fn map(site: &Site, object: u64, max: u64) -> (Vec<Value>, Value) {
    let part = json!({ "op": "cartridge_files", "cartridge": "A1L8", "object": object, "max": max });
    let mut read = ok(site, &part);
    for file in read["files"].as_array_mut().unwrap() {
        let stored = file.as_object_mut().unwrap().remove("stored").unwrap();
        assert_eq!(stored.as_u64().unwrap() > 0, file["blocks"].as_u64().unwrap() > 0);
    }
    (read["files"].as_array().unwrap().clone(), read["next"].clone())
}

#[test]
fn files_are_mapped_after_the_unload() {
    let (site, _directory) = written();
    let loaded = request(&site, &json!({ "op": "cartridge_files", "cartridge": "A1L8" })).unwrap_err();
    assert_eq!((loaded.code, &*loaded.message), (ErrorCode::Conflict, "A1L8 is in drive1; unload it first"));
    ok(&site, &json!({ "op": "unload", "drive": "drive1" }));
    let first = file(0, 0, (3, 65_836, 100, 65_536), "filemark");
    let empty = file(1, 4, (0, 0, 0, 0), "filemark");
    let many = file(2, 5, (12_000, 120_000, 10, 10), "filemark");
    let last = file(3, 12_006, (1, 14, 14, 14), "end_of_data");
    assert_eq!(map(&site, 0, 1000), (vec![first.clone(), empty.clone(), many.clone(), last.clone()], Value::Null));
    assert_eq!(map(&site, 0, 2), (vec![first, empty], json!(5)));
    assert_eq!(map(&site, 5, 1), (vec![many], json!(12_006)));
    assert_eq!(map(&site, 12_006, 1), (vec![last], Value::Null));
    // In the middle of a file.
    assert_eq!(map(&site, 12_000, 1).0, [file(2, 12_000, (5, 50, 10, 10), "filemark")]);
    assert_eq!(map(&site, 99_999, 1), (vec![], Value::Null));
    let blank = ok(&site, &json!({ "op": "cartridge_files", "cartridge": "A2L8" }));
    assert_eq!(blank, json!({ "files": [] }));
    let refused = |more: Value| {
        let mut request_ = json!({ "op": "cartridge_files", "cartridge": "A1L8" });
        request_.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let error = request(&site, &request_).unwrap_err();
        (error.code, error.message, error.fields.member)
    };
    let member = |name: &str| Some(name.to_owned());
    let none = (ErrorCode::NotFound, "A1L8 has no partition 1".to_owned(), member("partition"));
    assert_eq!(refused(json!({ "partition": 1 })), none);
    assert_eq!(
        refused(json!({ "max": 0 })),
        (ErrorCode::Invalid, "max is 0; expected at least 1".to_owned(), member("max"))
    );
}

#[test]
fn contents_have_the_use_and_the_mam() {
    let (site, _directory) = written();
    let contents = json!({ "op": "cartridge_contents", "cartridge": "A1L8" });
    assert_eq!(request(&site, &contents).unwrap_err().code, ErrorCode::Conflict);
    ok(&site, &json!({ "op": "unload", "drive": "drive1" }));
    let read = ok(&site, &contents);
    assert_eq!((&read["medium"], &read["format"], &read["loaded"]), (&json!("LTO-8"), &json!("native"), &json!(false)));
    assert_eq!((&read["capacity"], &read["loads"], &read["damage"]), (&json!(64_000_000), &json!(1), &Value::Null));
    let partition = &read["partitions"][0];
    assert_eq!((&partition["objects"], &partition["filemarks"]), (&json!(12_007), &json!(3)));
    assert!(partition["used"].as_u64().unwrap() > 14);
    let attribute = |id: &str| {
        let all = read["attributes"].as_array().unwrap();
        all.iter().find(|attribute| attribute["id"] == id).unwrap_or_else(|| panic!("no {id}")).clone()
    };
    let loads = json!({ "id": "0003h", "name": "load count", "partition": 0, "value": "1" });
    assert_eq!(attribute("0003h"), loads);
    assert_eq!(attribute("0405h")["value"], "94", "medium density code 5Eh");
    // A cleaning cartridge has no partition.
    let cleaning = ok(&site, &json!({ "op": "cartridge_contents", "cartridge": "CLN1L8" }));
    assert_eq!((&cleaning["partitions"], &cleaning["damage"]), (&json!([]), &Value::Null));
    let missing = request(&site, &json!({ "op": "cartridge_contents", "cartridge": "A9L8" })).unwrap_err();
    assert_eq!(missing.code, ErrorCode::NotFound);
}
