//! Every event, as the JSON that subscribers read, without the members `seq`, `start` and `at`.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use scsi_core::target::TransportEvent;
use serde_json::Value;
use std::time::Duration;
use vtl::config::parse;
use vtl::control::{ControlRequest, ControlResponse, Subscription};
use vtl::data_dir::DataDir;
use vtl::events::{EventPosition, EventReader, EventRecord, Received};
use vtl::host::Host;
use vtl::site::{OpenSite, Site};

const CONFIG: &str = "[iscsi]\niqn = \"iqn.2026-01.org.example:s\"\n[[library]]\nslots = 4\nimport_export = 1\n\
    [[library.drive]]\nmodel = \"ULT3580-TD8\"\ncount = 2\n\
    [[library.cartridges]]\npattern = \"A#L8\"\ncount = 3\nsize = \"64MB\"\n\
    [[pool]]\nname = \"p\"\npattern = \"P#L8\"\nsize = \"64MB\"\n";
const HOST: &str = r#""initiator":"host1","library":"main""#;

fn site() -> OpenSite {
    Site::open_data_dir(DataDir::in_memory(), &parse("f", CONFIG).unwrap()).unwrap()
}

fn control(site: &Site, request: &str) {
    let request: ControlRequest = serde_json::from_str(request).unwrap();
    site.control(&request).unwrap();
}

fn subscribe(site: &Site, since: Option<EventPosition>) -> Subscription {
    match site.control(&ControlRequest::Events { since }).unwrap() {
        ControlResponse::Events(subscription) => subscription,
        other => panic!("{other:?}"),
    }
}

/// The line of an event without the members that differ from run to run. It can be read back.
fn line(record: &EventRecord) -> String {
    let mut value = serde_json::to_value(record).unwrap();
    assert_eq!(&serde_json::from_value::<EventRecord>(value.clone()).unwrap(), record);
    for member in ["seq", "start", "at"] {
        value.as_object_mut().unwrap().remove(member).unwrap();
    }
    value.to_string()
}

fn assert_events(events: &mut EventReader, expected: &[&str]) {
    let lines: Vec<String> = events.try_iter().map(|record| line(&record)).collect();
    let sorted = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_else(|_| panic!("{text}")).to_string();
    assert_eq!(lines, expected.iter().map(|text| sorted(text)).collect::<Vec<_>>());
}

#[test]
fn start_login_logout_and_stop() {
    let site = site();
    let mut all = subscribe(&site, None);
    assert_eq!((all.version, all.position.seq), (2, 1));
    let start = all.position.start.clone();
    let mut late = subscribe(&site, Some(EventPosition { start: start.clone(), seq: 0 }));
    assert!(late.snapshot.is_none());
    let next = |of: &mut Subscription| match of.receive(&site, Duration::from_secs(10)) {
        Received::Event(record) => line(&record),
        other => panic!("{other:?}"),
    };
    let started: Value = serde_json::from_str(&next(&mut late)).unwrap();
    assert_eq!(started, serde_json::json!({"source": "site", "event": "started", "release": "0.1.0", "version": 2}));
    drop(Host::login(&site.targets()[0], 1));
    let initiator = r#""initiator":"host1","source":"host""#;
    let target = r#""target":"iqn.2026-01.org.example:s""#;
    assert_eq!(next(&mut all), format!(r#"{{"event":"login",{initiator},{target}}}"#));
    assert_eq!(next(&mut all), format!(r#"{{"event":"logout",{initiator},{target}}}"#));
    site.shut_down().unwrap();
    assert_eq!(next(&mut all), r#"{"event":"stopped","source":"site"}"#);
    assert_eq!(all.receive(&site, Duration::ZERO), Received::Closed);
}

/// An operator and a host move cartridges; the events name who did it.
#[test]
fn moves() {
    let site = site();
    let host = Host::login(&site.targets()[0], 1);
    let mut events = site.subscribe();
    let slot = |address: u16| {
        format!(r#"{{"element":{{"library":"main","address":{address},"source":{address},"by_operator":false}}}}"#)
    };
    let new = |address: u16| format!(r#"{{"element":{{"library":"main","address":{address},"by_operator":false}}}}"#);
    let from = |address: u16, source: u16| {
        format!(r#"{{"element":{{"library":"main","address":{address},"source":{source},"by_operator":false}}}}"#)
    };
    control(&site, r#"{"op":"load","cartridge":"A1L8"}"#);
    let loaded = format!(
        r#"{{"source":"operator","library":"main","barcode":"A1L8","event":"loaded","from":{},"to":{}}}"#,
        new(1000),
        from(500, 1000)
    );
    assert_events(&mut events, &[&loaded]);
    control(&site, r#"{"op":"unload","drive":"drive1"}"#);
    let unloaded = format!(
        r#"{{"source":"operator","library":"main","barcode":"A1L8","event":"unloaded","from":{},"to":{}}}"#,
        from(500, 1000),
        slot(1000)
    );
    assert_events(&mut events, &[&unloaded]);
    host.clear_unit_attentions();
    // MOVE MEDIUM from the second slot to the I/O element.
    host.command(0, &[0xa5, 0, 0, 0, 0x03, 0xe9, 0, 10, 0, 0, 0, 0], 0).into_result().unwrap();
    let moved = format!(
        r#"{{"source":"host",{HOST},"barcode":"A2L8","event":"moved","from":{},"to":{}}}"#,
        new(1001),
        from(10, 1001)
    );
    assert_events(&mut events, &[&moved]);
    control(&site, r#"{"op":"export","from":"io1"}"#);
    let exported = format!(
        r#"{{"source":"operator","library":"main","barcode":"A2L8","event":"exported","from":{},"to":{{"shelf":"main"}}}}"#,
        from(10, 1001)
    );
    assert_events(&mut events, &[&exported]);
    control(&site, r#"{"op":"import","cartridge":"A2L8"}"#);
    let imported = r#"{"source":"operator","library":"main","barcode":"A2L8","event":"imported","from":{"shelf":"main"},
        "to":{"element":{"library":"main","address":10,"by_operator":true}}}"#;
    assert_events(&mut events, &[imported]);
}

#[test]
fn what_operators_do() {
    let site = site();
    let mut events = site.subscribe();
    let state = |open: bool| {
        format!(
            r#"{{"source":"operator","library":"main","event":"operator_state","state":{{"offline":false,"door_open":false,
            "station_open":{open},"faults":{{}},"drives_offline":[],"labels":{{}}}}}}"#
        )
    };
    for open in [true, false] {
        control(&site, &format!(r#"{{"op":"door","door":"io_station","open":{open}}}"#));
        let door =
            format!(r#"{{"source":"operator","library":"main","event":"door","door":"io_station","open":{open}}}"#);
        let alert = if open { "alert_raised" } else { "alert_cleared" };
        let alert = format!(
            r#"{{"source":"unit","library":"main","unit":"changer","event":"{alert}","flag":17,"name":"Library mailslot"}}"#
        );
        assert_events(&mut events, &[&alert, &door, &state(open)]);
    }
    control(&site, r#"{"op":"alert","flag":28,"raised":true}"#);
    control(&site, r#"{"op":"alert","flag":28,"raised":true}"#);
    control(&site, r#"{"op":"alert","flag":28,"raised":false}"#);
    let alert = |event: &str| {
        format!(
            r#"{{"source":"unit","library":"main","unit":"changer","event":"{event}","flag":28,"name":"Power supply"}}"#
        )
    };
    assert_events(&mut events, &[&alert("alert_raised"), &alert("alert_cleared")]);
    control(&site, r#"{"op":"protect","cartridge":"A1L8","on":true}"#);
    control(&site, r#"{"op":"protect","cartridge":"A1L8","on":false}"#);
    assert_events(
        &mut events,
        &[
            r#"{"source":"operator","barcode":"A1L8","event":"write_protect_changed","on":true}"#,
            r#"{"source":"operator","barcode":"A1L8","event":"write_protect_changed","on":false}"#,
        ],
    );
    control(&site, r#"{"op":"create","pool":"p","count":1}"#);
    control(&site, r#"{"op":"forget","cartridge":"P1L8"}"#);
    let imported = r#"{"source":"site","library":"main","barcode":"P1L8","event":"imported","from":{"shelf":"main"},
        "to":{"element":{"library":"main","address":1003,"by_operator":false}}}"#;
    assert_events(
        &mut events,
        &[
            imported,
            r#"{"source":"operator","library":"main","barcode":"P1L8","event":"created","pool":"p"}"#,
            r#"{"source":"operator","barcode":"P1L8","event":"forgotten"}"#,
        ],
    );
    control(&site, r#"{"op":"move","from":"A3L8","to":"io1"}"#);
    control(&site, r#"{"op":"export","from":"io1"}"#);
    events.try_iter().for_each(drop);
    control(&site, r#"{"op":"delete","cartridge":"A3L8"}"#);
    assert_events(&mut events, &[r#"{"source":"operator","barcode":"A3L8","event":"deleted"}"#]);
    // The configuration still lists the deleted cartridge.
    site.reload(&parse("f", &CONFIG.replace("P#L8", "P##L8")).unwrap()).unwrap();
    let imported = r#"{"source":"site","library":"main","barcode":"A3L8","event":"imported","from":{"shelf":"main"},
        "to":{"element":{"library":"main","address":1002,"by_operator":false}}}"#;
    let reloaded = r#"{"source":"operator","event":"reloaded","changes":[
        {"change":"cartridges_created","library":"main","count":1},{"change":"pool_changed","pool":"p"}]}"#;
    assert_events(&mut events, &[imported, reloaded]);
}

/// LOAD UNLOAD by a host, without a move of the robot.
#[test]
fn load_and_unload_at_the_drive() {
    let site = site();
    let host = Host::login(&site.targets()[0], 1);
    control(&site, r#"{"op":"load","cartridge":"A1L8"}"#);
    host.clear_unit_attentions();
    let mut events = site.subscribe();
    let of_tape = |rest: &str| format!(r#"{{"source":"host",{HOST},"unit":"drive1","barcode":"A1L8",{rest}}}"#);
    let unloaded = |ejected: bool| of_tape(&format!(r#""event":"tape_unloaded","ejected":{ejected}"#));
    let loaded = of_tape(r#""event":"tape_loaded""#);
    // Unload and eject; load; the same again; unload with HOLD=1.
    for (action, expected) in
        [(0, vec![unloaded(true)]), (1, vec![loaded]), (1, Vec::new()), (8, vec![unloaded(false)])]
    {
        host.command(1, &[0x1b, 0, 0, 0, action, 0], 0).into_result().unwrap();
        assert_events(&mut events, &expected.iter().map(String::as_str).collect::<Vec<_>>());
        host.clear_unit_attentions();
    }
    // The robot takes the cartridge: one event.
    control(&site, r#"{"op":"unload","drive":"drive1"}"#);
    let names: Vec<Value> =
        events.try_iter().map(|record| serde_json::to_value(&*record).unwrap()["event"].clone()).collect();
    assert_eq!(names, ["unloaded"]);
}

/// A reset returns mode pages to their saved values.
#[test]
fn reset_changes_mode_pages() {
    let site = site();
    let host = Host::login(&site.targets()[0], 1);
    host.clear_unit_attentions();
    let mut list = host.command(1, &[0x1a, 0x08, 0x0a, 0, 0xff, 0], 255).into_result().unwrap();
    (list[0], list[2]) = (0, 0);
    list[4] &= 0x3f;
    list[6] ^= 0x04;
    host.command_with_data(1, &[0x15, 0x10, 0, 0, u8::try_from(list.len()).unwrap(), 0], &list).into_result().unwrap();
    let mut events = site.subscribe();
    for _ in 0..2 {
        site.libraries()[0].drives()[0].post(TransportEvent::UnitReset);
    }
    assert_events(
        &mut events,
        &[r#"{"source":"unit","library":"main","unit":"drive1","event":"mode_changed","pages":["0a"]}"#],
    );
}

#[test]
fn retention_by_an_operator() {
    let site = site();
    let mut events = site.subscribe();
    control(&site, r#"{"op":"retain","cartridge":"A1L8","until":4102444800}"#);
    assert_events(
        &mut events,
        &[r#"{"source":"operator","barcode":"A1L8","event":"retention_changed","until":4102444800}"#],
    );
}

/// MODE SELECT, reservations, encryption and PREVENT ALLOW MEDIUM REMOVAL by a host; the same value again is no event.
#[test]
fn what_hosts_change() {
    let site = site();
    let host = Host::login(&site.targets()[0], 1);
    host.clear_unit_attentions();
    let mut events = site.subscribe();
    let of_drive = |rest: &str| format!(r#"{{"source":"host",{HOST},"unit":"drive1",{rest}}}"#);
    // D_SENSE of the control mode page.
    let mut list = host.command(1, &[0x1a, 0x08, 0x0a, 0, 0xff, 0], 255).into_result().unwrap();
    list[0] = 0;
    list[2] = 0;
    list[4] &= 0x3f;
    list[6] ^= 0x04;
    let select = [0x15, 0x10, 0, 0, u8::try_from(list.len()).unwrap(), 0];
    for _ in 0..2 {
        host.command_with_data(1, &select, &list).into_result().unwrap();
    }
    assert_events(&mut events, &[&of_drive(r#""event":"mode_changed","pages":["0a"]"#)]);
    for cdb in [[0x16, 0, 0, 0, 0, 0], [0x16, 0, 0, 0, 0, 0], [0x17, 0, 0, 0, 0, 0]] {
        host.command(1, &cdb, 0).into_result().unwrap();
    }
    let released = of_drive(r#""event":"reservation_changed","reservation":null"#);
    assert_events(
        &mut events,
        &[&of_drive(r#""event":"reservation_changed","reservation":{"kind":"reserve"}"#), &released],
    );
    let reserve_out = |action: u8, kind: u8, key: u8, new_key: u8| {
        let mut list = [0; 24];
        (list[7], list[15]) = (key, new_key);
        host.command_with_data(1, &[0x5f, action, kind, 0, 0, 0, 0, 0, 24, 0], &list).into_result().unwrap();
    };
    reserve_out(0, 0, 0, 7);
    reserve_out(1, 3, 7, 0);
    reserve_out(2, 3, 7, 0);
    let holder = r#"{"kind":"persistent","type":3,"holders":["host1"]}"#;
    let reserved = of_drive(&format!(r#""event":"reservation_changed","reservation":{holder}"#));
    assert_events(&mut events, &[&reserved, &released]);
    // Set Data Encryption: scope all, encrypt and decrypt; then disable both.
    let mut page = vec![0x00, 0x10, 0, 48, 0x40, 0x00, 2, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32];
    page.extend([9; 32]);
    host.command_with_data(1, &[0xb5, 0x20, 0, 0x10, 0, 0, 0, 0, 0, 52, 0, 0], &page).into_result().unwrap();
    let off = [0x00, 0x10, 0, 16, 0x40, 0x00, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    host.command_with_data(1, &[0xb5, 0x20, 0, 0x10, 0, 0, 0, 0, 0, 20, 0, 0], &off).into_result().unwrap();
    assert_events(&mut events, &[&of_drive(r#""event":"encryption_on""#), &of_drive(r#""event":"encryption_off""#)]);
    host.command(0, &[0x1e, 0, 0, 0, 1, 0], 0).into_result().unwrap();
    host.command(0, &[0x1e, 0, 0, 0, 0, 0], 0).into_result().unwrap();
    assert_events(&mut events, &[r#"{"source":"unit","library":"main","unit":"changer","event":"removal_allowed"}"#]);
    // The loss of the nexus releases its reservation; RESERVE requires that no port is registered.
    reserve_out(0, 0, 7, 0);
    host.command(1, &[0x16, 0, 0, 0, 0, 0], 0).into_result().unwrap();
    drop(host);
    site.libraries()[0].drives()[0].with_device(|_| ());
    let lines: Vec<String> = events.try_iter().map(|record| line(&record)).collect();
    let released =
        r#"{"event":"reservation_changed","library":"main","reservation":null,"source":"unit","unit":"drive1"}"#;
    assert!(lines.iter().any(|line| line == released), "{lines:?}");
}

/// A snapshot, then events without a gap; after a lag, again a snapshot.
#[test]
fn subscriptions_have_no_gap() {
    let site = site();
    let mut events = subscribe(&site, None);
    let first = events.snapshot.take().unwrap();
    assert_eq!(first.libraries[0].drives[0].element.cartridge, None);
    control(&site, r#"{"op":"load","cartridge":"A1L8"}"#);
    let next = |of: &mut Subscription| match of.receive(&site, Duration::from_secs(10)) {
        Received::Event(record) => serde_json::to_value(&*record).unwrap(),
        other => panic!("{other:?}"),
    };
    let loaded = next(&mut events);
    assert_eq!((&loaded["seq"], &loaded["event"]), (&2.into(), &"loaded".into()));
    // Resumed after the last event that the client has: neither a snapshot nor a gap.
    let position = EventPosition { start: events.position.start.clone(), seq: 2 };
    control(&site, r#"{"op":"unload","drive":"drive1"}"#);
    let mut resumed = subscribe(&site, Some(position));
    assert!(resumed.snapshot.is_none());
    assert_eq!(next(&mut resumed)["seq"], 3);
    // Of the present start, without its identifier.
    let request = serde_json::from_str(r#"{"op":"events","since":{"seq":2}}"#).unwrap();
    let ControlResponse::Events(mut resumed) = site.control(&request).unwrap() else { panic!() };
    assert!(resumed.snapshot.is_none());
    assert_eq!(resumed.position.start, events.position.start);
    assert_eq!(next(&mut resumed)["seq"], 3);
    // Another start of the daemon.
    let other = EventPosition { start: "0123456789abcdef".into(), seq: 2 };
    let restarted = subscribe(&site, Some(other));
    assert_eq!((restarted.position.seq, restarted.snapshot.is_some()), (3, true));
    for _ in 0..1100 {
        control(&site, r#"{"op":"protect","cartridge":"A2L8","on":true}"#);
    }
    let lagged = next(&mut events);
    assert_eq!((&lagged["event"], &lagged["seq"], &lagged["missed"]), (&"lagged".into(), &1103.into(), &1101.into()));
    assert_eq!(lagged["snapshot"]["version"], 2);
    control(&site, r#"{"op":"protect","cartridge":"A2L8","on":false}"#);
    assert_eq!(next(&mut events)["seq"], 1104);
    // Too old: a snapshot.
    let old = EventPosition { start: events.position.start.clone(), seq: 2 };
    assert_eq!(subscribe(&site, Some(old)).position.seq, 1104);
}
