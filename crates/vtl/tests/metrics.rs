//! The measurements of a site after what hosts and operators have done.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]

use vtl::control::{ControlRequest, ControlResponse};
use vtl::host::Host;
use vtl::metrics::{CartridgeCount, DriveMetrics, ElementCount, MoveMetrics, SiteMetrics};
use vtl::observer::TapePosition;
use vtl::site::{OpenSite, Site};
use vtl::{Library, Status};

/// A library on disk with a drive, four slots, an I/O element and three cartridges.
fn site(directory: &std::path::Path) -> OpenSite {
    let builder = Library::builder().slots(4).import_export(1).drives("ULT3580-TD8", 1);
    builder.cartridges("A#L8", 3, "64MB").data_dir(directory).open().unwrap()
}

fn metrics(site: &Site) -> SiteMetrics {
    let ControlResponse::Metrics(metrics) = site.control(&ControlRequest::Metrics).unwrap() else {
        unreachable!("the response to metrics")
    };
    // It passes through JSON on the control socket.
    serde_json::from_str(&serde_json::to_string(&metrics).unwrap()).unwrap()
}

fn control(site: &Site, request: &str) -> bool {
    site.control(&serde_json::from_str(request).unwrap()).is_ok()
}

fn drive(site: &Site) -> DriveMetrics {
    metrics(site).libraries[0].drives[0].clone()
}

#[test]
fn bytes_records_sizes_and_position_of_a_drive() {
    let directory = tempfile::tempdir().unwrap();
    let site = site(directory.path());
    assert_eq!(drive(&site).position, None);
    assert!(control(&site, r#"{"op":"load","cartridge":"A1L8"}"#));
    let host = Host::login(&site.targets()[0], 1);
    host.clear_unit_attentions();
    assert_eq!(drive(&site).position, Some(TapePosition { partition: 0, object: 0 }));
    for _ in 0..3 {
        host.write(1, &[0; 1000]).unwrap();
    }
    // MODE SELECT(6): block length 512. WRITE(6) with FIXED=1: four blocks.
    let select = [0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 2, 0];
    assert_eq!(host.command_with_data(1, &[0x15, 0x10, 0, 0, 12, 0], &select).status, Status::GOOD);
    assert_eq!(host.command_with_data(1, &[0x0a, 1, 0, 0, 4, 0], &[7; 2048]).status, Status::GOOD);
    host.write_filemarks(1, 2).unwrap();
    let written = drive(&site);
    assert_eq!((written.written_bytes, written.filemarks, written.read_bytes), (5048, 2, 0));
    assert!((1..5048).contains(&written.written_to_medium_bytes), "{}", written.written_to_medium_bytes);
    // Four blocks of at most 512 = 2^9 bytes, and three of at most 1024 bytes.
    assert_eq!(written.written_sizes.buckets, [0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 3]);
    assert_eq!((written.written_sizes.sum, written.read_sizes.sum), (5048, 0));
    assert_eq!(written.position, Some(TapePosition { partition: 0, object: 9 }));
    assert_eq!((written.loads, written.cleanings, written.threaded, written.unit.queue_depth), (1, 0, true, 0));
    host.rewind(1).unwrap();
    // READ(6) with FIXED=0 of 1000 bytes.
    assert_eq!(host.command(1, &[0x08, 0, 0, 3, 0xe8, 0], 1000).data, [0; 1000]);
    let read = drive(&site);
    assert_eq!((read.read_bytes, read.read_sizes.sum, read.written_bytes), (1000, 1000, 5048));
    assert!((1..1000).contains(&read.read_from_medium_bytes));
    // The counts stay when the tape leaves, the position does not.
    assert!(control(&site, r#"{"op":"unload","drive":"drive1"}"#));
    assert!(control(&site, r#"{"op":"load","cartridge":"A2L8"}"#));
    let reloaded = drive(&site);
    assert_eq!((reloaded.written_bytes, reloaded.read_bytes, reloaded.filemarks), (5048, 1000, 2));
    assert_eq!((reloaded.loads, reloaded.position), (2, Some(TapePosition { partition: 0, object: 0 })));
    assert!(control(&site, r#"{"op":"unload","drive":"drive1"}"#));
    let unloaded = drive(&site);
    assert_eq!((unloaded.position, unloaded.threaded, unloaded.written_bytes), (None, false, 5048));
    let metrics = metrics(&site);
    assert!(metrics.sync_us.buckets.iter().sum::<u64>() > 0);
    assert!(metrics.directories[0].free_bytes > 0 && metrics.directories[0].size_bytes > 0);
    assert!(metrics.process.threads > 1 && metrics.process.resident_bytes > 1_000_000);
}

#[test]
fn moves_elements_and_cartridges_of_a_library() {
    let directory = tempfile::tempdir().unwrap();
    let site = site(directory.path());
    let host = Host::login(&site.targets()[0], 1);
    host.clear_unit_attentions();
    // From slot 2 to slot 4, and to the slot 1, which is full.
    host.move_medium(0, 1001, 1003).unwrap();
    assert!(host.move_medium(0, 1003, 1000).is_err());
    assert!(!control(&site, r#"{"op":"move","from":"slot4","to":"slot1"}"#));
    assert!(control(&site, r#"{"op":"move","from":"slot4","to":"io1"}"#));
    assert!(control(&site, r#"{"op":"export","from":"io1"}"#));
    assert!(control(&site, r#"{"op":"inject_fault","fault":"pick"}"#));
    assert!(!control(&site, r#"{"op":"move","from":"slot1","to":"slot2"}"#));
    assert!(control(&site, r#"{"op":"element","element":"slot4","fault":"disabled"}"#));
    assert!(control(&site, r#"{"op":"alert","flag":28,"raised":true}"#));
    let metrics = metrics(&site);
    let library = &metrics.libraries[0];
    assert_eq!(library.moves, MoveMetrics { done: 2, refused: 2, failed: 1 });
    let element =
        |element: &str, state: &str, count| ElementCount { element: element.into(), state: state.into(), count };
    let expected = [
        element("io", "empty", 1),
        element("slot", "disabled", 1),
        element("slot", "empty", 1),
        element("slot", "full", 2),
    ];
    assert_eq!(library.elements, expected);
    let cartridges = |library: &str, count| CartridgeCount {
        library: library.into(),
        pool: String::new(),
        state: "blank".into(),
        count,
    };
    assert_eq!(metrics.cartridges, [cartridges("", 1), cartridges("main", 2)]);
    assert!(library.changer.alerts.contains(&(28, "Power supply".to_owned())), "{:?}", library.changer.alerts);
    assert_eq!((library.changer.online, library.drives[0].unit.online), (true, true));
    assert!(control(&site, r#"{"op":"online","drive":"drive1","online":false}"#));
    assert!(!drive(&site).unit.online);
}
