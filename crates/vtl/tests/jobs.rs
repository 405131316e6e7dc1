//! Jobs: create, verify, convert, import and export, their progress, their end and their records.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "test code")]

use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use vtl::Library;
use vtl::audit::{Filter, read};
use vtl::control::{ControlError, ErrorCode};
use vtl::events::Event;
use vtl::host::Host;
use vtl::jobs::{JobState, JobStatus};
use vtl::site::{OpenSite, Site};

const CONFIG: &str = "[library]\nslots = 6\nimport_export = 1\n[[drive]]\nmodel = \"ULT3580-TD8\"\n\
    [[cartridges]]\npattern = \"A#L8\"\ncount = 3\nsize = \"64MB\"\n\
    [[pool]]\nname = \"p\"\npattern = \"P#####L8\"\nsize = \"64MB\"\n";

fn open(directory: &Path) -> OpenSite {
    Site::open(directory, &vtl::config::parse("f", CONFIG).unwrap()).unwrap()
}

fn request(site: &Site, request: &Value) -> Result<Value, ControlError> {
    let response = site.control(&serde_json::from_value(request.clone()).unwrap());
    response.map(|response| serde_json::to_value(response).unwrap())
}

fn start(site: &Site, work: &Value) -> Result<u64, ControlError> {
    let started = request(site, &json!({ "op": "start_job", "work": work }))?;
    assert_eq!((&started["state"], &started["work"]), (&json!("running"), work));
    Ok(started["job"].as_u64().unwrap())
}

/// Starts a job and waits for its end.
fn run(site: &Site, work: &Value) -> JobStatus {
    let job = start(site, work).unwrap();
    loop {
        let mut jobs = request(site, &json!({ "op": "jobs", "job": job, "wait_ms": 1000 })).unwrap();
        let status: JobStatus = serde_json::from_value(jobs[0].take()).unwrap();
        if status.state != JobState::Running {
            assert!(status.ended.unwrap() >= status.started);
            return status;
        }
    }
}

/// The result of a job that is done.
fn result(site: &Site, work: &Value) -> Value {
    let status = run(site, work);
    assert_eq!((status.state, &status.failure), (JobState::Done, &None), "{work}");
    assert_eq!(status.progress.cartridges, status.progress.cartridges_total);
    serde_json::to_value(status.result).unwrap()
}

/// Writes ten blocks and a filemark to A1L8, and moves it back to slot 1.
fn write_tape(site: &Site) {
    request(site, &json!({ "op": "load", "cartridge": "A1L8" })).unwrap();
    let host = Host::login(&site.targets()[0], 1);
    host.clear_unit_attentions();
    for number in 0..10 {
        let mut noise = 0x9E37_79B9_u32 + u32::from(number);
        let mut block: Vec<u8> = (0..1000)
            .map(|_| {
                noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                noise.to_be_bytes()[0]
            })
            .collect();
        block[999] = number;
        host.write(1, &block).unwrap();
    }
    host.write_filemarks(1, 1).unwrap();
    host.unload(1).unwrap();
    request(site, &json!({ "op": "unload", "drive": "drive1" })).unwrap();
}

fn read_tape(site: &Site) -> Vec<u8> {
    request(site, &json!({ "op": "load", "cartridge": "A1L8" })).unwrap();
    let host = Host::login(&site.targets()[0], 2);
    host.clear_unit_attentions();
    let first = (0..10).map(|_| host.read(1, 1000).unwrap().block().unwrap()[999]).collect();
    assert_eq!(host.read(1, 1000).unwrap().block(), None, "the filemark");
    host.unload(1).unwrap();
    request(site, &json!({ "op": "unload", "drive": "drive1" })).unwrap();
    first
}

#[test]
fn cartridges_are_created_with_events_and_audit_records() {
    let directory = tempfile::tempdir().unwrap();
    let site = open(directory.path());
    let mut events = site.subscribe();
    let created = result(&site, &json!({ "kind": "create", "pool": "p", "count": 3 }));
    assert_eq!(created, json!({ "created": ["P00001L8", "P00002L8", "P00003L8"] }));
    let events: Vec<Event> = events.try_iter().map(|record| record.event.clone()).collect();
    assert_eq!(events.first(), Some(&Event::JobStarted { job: 1 }));
    assert_eq!(events.iter().filter(|event| matches!(event, Event::Created { .. })).count(), 3);
    drop(site);
    let records = read(&directory.path().join("audit"), &Filter::default(), usize::MAX).unwrap();
    let of_jobs: Vec<_> = records.into_iter().filter(|record| record.entry.action.ends_with("_job")).collect();
    let (started, ended) = (&of_jobs[0].entry, &of_jobs[1].entry);
    assert_eq!(
        (&*started.action, &started.objects, &started.after),
        ("start_job", &vec!["p".into()], &json!({"job":1}))
    );
    let after = json!({ "count": 3, "first": "P00001L8", "last": "P00003L8" });
    assert_eq!((&*ended.action, &*ended.result, &ended.after), ("end_job", "done", &after));
    assert_eq!(ended.details, json!({ "job": 1, "kind": "create" }));
    assert_eq!(started.actor, ended.actor);
}

#[test]
fn verification_finds_damage() {
    let directory = tempfile::tempdir().unwrap();
    let site = open(directory.path());
    write_tape(&site);
    let verify = json!({ "kind": "verify", "cartridges": ["A2L8", "A1L8"] });
    let found = result(&site, &verify);
    let tape = &found["verified"][1];
    assert_eq!((&tape["cartridge"], &tape["intact"]), (&json!("A1L8"), &json!(true)));
    assert_eq!((&tape["blocks"], &tape["filemarks"]), (&json!(10), &json!(1)));
    assert_eq!((&found["verified"][0]["blocks"], &found["verified"][0]["intact"]), (&json!(0), &json!(true)));

    let data = directory.path().join("cartridges/A1L8/data.0");
    let mut bytes = fs::read(&data).unwrap();
    // In the payload of the sixth block, behind its frame.
    let middle = bytes.len() / 2 + 500;
    bytes[middle] ^= 1;
    fs::write(&data, bytes).unwrap();
    let tape = &result(&site, &verify)["verified"][1];
    assert_eq!((&tape["intact"], &tape["blocks"], &tape["damaged_objects"]), (&json!(false), &json!(9), &json!(1)));
    assert_eq!(tape["damaged"], json!([{ "partition": 0, "object": 5, "damage": "checksum mismatch" }]));
    // The store counts what the job has found, and then what a drive finds.
    let counted = || {
        let counts = site.metrics().corrupt_records;
        let found: Vec<_> = counts.iter().filter(|count| count.found > 0).collect();
        assert!(found.iter().all(|count| *count.directory == *directory.path().display().to_string()), "{counts:?}");
        found.iter().map(|count| count.found).sum::<u64>()
    };
    assert_eq!(counted(), 1);
    let load = json!({ "op": "load", "cartridge": "A1L8", "drive": "drive1" });
    site.control(&serde_json::from_value(load).unwrap()).unwrap();
    let host = Host::login(&site.targets()[0], 1);
    host.clear_unit_attentions();
    let failed =
        (0..10).find(|_| host.command(1, &[0x08, 0, 0, 0xff, 0xff, 0], 65_535).sense_codes() == Some((3, 0x11, 0)));
    assert!(failed.is_some(), "the damaged block is read");
    assert_eq!(counted(), 2);
}

#[test]
fn conversion_keeps_the_data() {
    let directory = tempfile::tempdir().unwrap();
    let on_disk = open(directory.path());
    let in_memory = Library::builder().slots(6).import_export(1).drives("ULT3580-TD8", 1);
    let in_memory = in_memory.cartridges("A#L8", 3, "64MB").open().unwrap();
    for site in [&*on_disk, &*in_memory] {
        write_tape(site);
        let convert = |format: &str| json!({ "kind": "convert", "cartridge": "A1L8", "format": format });
        let converted = |format: &str, converted: bool| {
            assert_eq!(
                result(site, &convert(format)),
                json!({ "cartridge": "A1L8", "format": format, "converted": converted })
            );
        };
        converted("native", false);
        converted("mhvtl", true);
        assert_eq!(read_tape(site), (0..10).collect::<Vec<u8>>());
        converted("native", true);
        assert_eq!(read_tape(site), (0..10).collect::<Vec<u8>>());
        request(site, &json!({ "op": "retain", "cartridge": "A1L8", "until": 4_102_444_800_u64 })).unwrap();
        let refused = run(site, &convert("mhvtl"));
        assert_eq!((refused.state, refused.failure.unwrap().code), (JobState::Failed, ErrorCode::Locked));
        assert_eq!(read_tape(site), (0..10).collect::<Vec<u8>>());
    }
    assert!(!directory.path().join("cartridges/A1L8.convert").exists());
}

#[test]
fn many_cartridges_are_exported_and_imported() {
    let directory = tempfile::tempdir().unwrap();
    let site = open(directory.path());
    let all = json!(["A3L8", "A1L8"]);
    let moved = json!({ "moved": all });
    assert_eq!(result(&site, &json!({ "kind": "export", "cartridges": all })), moved);
    let location = |barcode: &str| {
        let cartridge = request(&site, &json!({ "op": "cartridges", "cartridge": barcode })).unwrap();
        cartridge[0]["location"].clone()
    };
    assert_eq!(location("A3L8"), json!({ "shelf": "main" }));
    assert_eq!(result(&site, &json!({ "kind": "import", "cartridges": all })), moved);
    assert_eq!(location("A3L8")["element"]["address"], 1000);
    assert_eq!(location("A1L8")["element"]["address"], 1002);
    // One that is in a drive cannot be exported; those before it are.
    request(&site, &json!({ "op": "load", "cartridge": "A1L8" })).unwrap();
    let status = run(&site, &json!({ "kind": "export", "library": "main", "cartridges": ["A2L8", "A1L8", "A3L8"] }));
    assert_eq!(status.state, JobState::Failed);
    assert_eq!(serde_json::to_value(status.result).unwrap(), json!({ "moved": ["A2L8"] }));
    assert_eq!(status.failure.unwrap().to_string(), "A1L8 is in drive1; unload it first: ferric unload drive1");
}

#[test]
fn a_cancelled_job_keeps_what_it_has_done() {
    let directory = tempfile::tempdir().unwrap();
    let site = open(directory.path());
    let job = start(&site, &json!({ "kind": "create", "pool": "p", "count": 10_000 })).unwrap();
    while request(&site, &json!({ "op": "jobs", "job": job })).unwrap()[0]["progress"]["cartridges"] == 0 {
        std::thread::yield_now();
    }
    assert_eq!(request(&site, &json!({ "op": "cancel_job", "job": job })).unwrap()["job"], job);
    let ended = loop {
        let ended = request(&site, &json!({ "op": "jobs", "job": job, "wait_ms": 1000 })).unwrap()[0].take();
        if ended["state"] != "running" {
            break ended;
        }
    };
    assert_eq!(ended["state"], "cancelled");
    let created = ended["result"]["created"].as_array().unwrap().len() as u64;
    assert_eq!((created, site.pool_status()[0].cartridges), (created, usize::try_from(created).unwrap()));
    assert!((1..10_000).contains(&created) && ended["progress"]["cartridges"] == created, "{created}");
    let again = request(&site, &json!({ "op": "cancel_job", "job": job })).unwrap_err();
    assert_eq!(again.to_string(), "job 1 has ended already");
}

#[test]
fn the_site_ends_its_jobs() {
    let directory = tempfile::tempdir().unwrap();
    let site = open(directory.path());
    start(&site, &json!({ "kind": "create", "pool": "p", "count": 10_000 })).unwrap();
    drop(site);
    let site = open(directory.path());
    assert!(site.pool_status()[0].cartridges < 10_000);
    assert_eq!(request(&site, &json!({ "op": "jobs" })).unwrap(), json!([]));
    let records = read(&directory.path().join("audit"), &Filter::default(), usize::MAX).unwrap();
    let ended = records.iter().find(|record| record.entry.action == "end_job").unwrap();
    assert_eq!(ended.entry.result, "cancelled");
}

#[test]
fn wrong_requests_name_what_is_wrong() {
    let directory = tempfile::tempdir().unwrap();
    let site = open(directory.path());
    let many: Vec<String> = (0..10_001).map(|number| format!("X{number}")).collect();
    for (work, expected) in [
        (json!({ "kind": "create", "pool": "p", "count": 0 }), "count: a job has 1 to 10000 cartridges, not 0"),
        (json!({ "kind": "create", "pool": "P", "count": 1 }), r#"there is no pool "P"; did you mean "p"?"#),
        (json!({ "kind": "verify", "cartridges": [] }), "cartridges: a job has 1 to 10000 cartridges, not 0"),
        (json!({ "kind": "verify", "cartridges": many }), "cartridges: a job has 1 to 10000 cartridges, not 10001"),
        (json!({ "kind": "verify", "cartridges": ["A1L8", "A1L8"] }), "cartridges: A1L8 is named twice"),
        (json!({ "kind": "verify", "cartridges": ["A1L8", "B1L8"] }), "there is no cartridge B1L8"),
        (
            json!({ "kind": "convert", "cartridge": "a1l8", "format": "mhvtl" }),
            r#"there is no cartridge "a1l8"; did you mean A1L8?"#,
        ),
        (
            json!({ "kind": "export", "library": "x", "cartridges": ["A1L8"] }),
            r#"there is no library "x"; the site has "main""#,
        ),
    ] {
        assert_eq!(start(&site, &work).unwrap_err().to_string(), expected, "{work}");
    }
    let unknown = request(&site, &json!({ "op": "jobs", "job": 7 })).unwrap_err();
    assert_eq!((unknown.code, unknown.to_string()), (ErrorCode::NotFound, "there is no job 7".into()));
    assert_eq!(request(&site, &json!({ "op": "jobs" })).unwrap(), json!([]), "none was started");
}
