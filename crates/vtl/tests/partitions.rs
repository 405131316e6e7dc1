//! Partitions of a chassis: what hosts see of them, what they share, and how operators assign cartridges to them.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "test code")]

mod common;

use common::{Disk, barcode, in_slot};
use vtl::control::{ControlError, ControlRequest as Request, ControlResponse, Door, ErrorCode};
use vtl::host::Host;
use vtl::inventory::Location;
use vtl::site::{OpenSite, Site};
use vtl::{ElementAddress, ElementType};

const MSL3040: &str = include_str!("../../../examples/partitions/msl3040.toml");
const TS3500: &str = include_str!("../../../examples/partitions/ts3500.toml");
/// First addresses of an MSL3040.
const SLOT: u16 = 1001;
const IO: u16 = 101;
const DRIVE: u16 = 1;

fn host(site: &Site, library: &str, number: u8) -> Host {
    let host = Host::login(site.library(library).unwrap().target(), number);
    host.clear_unit_attentions();
    host
}

/// The MSL3040 of the example, and a host of each partition.
fn msl3040(disk: &Disk) -> (OpenSite, Host, Host) {
    let site = disk.start(MSL3040).unwrap();
    let (backup, archive) = (host(&site, "backup", 1), host(&site, "archive", 2));
    (site, backup, archive)
}

fn assign(site: &Site, cartridge: &str, library: &str, to: Option<&str>) -> Result<String, ControlError> {
    let request =
        Request::Assign { cartridge: cartridge.into(), library: library.into(), to: to.map(ToString::to_string) };
    match site.control(&request)? {
        ControlResponse::Assign(done) => {
            Ok(format!("{}/{} {}/{}", done.from_library, done.from_element, done.library, done.to_element))
        }
        other => panic!("{other:?}"),
    }
}

fn message<T: std::fmt::Debug>(result: Result<T, ControlError>) -> String {
    result.unwrap_err().message
}

fn import(site: &Site, library: &str, cartridge: &str) -> Result<ControlResponse, ControlError> {
    site.control(&Request::Import { library: Some(library.into()), cartridge: cartridge.into(), to: None })
}

fn location(site: &Site, cartridge: &str) -> Location {
    site.inventory()[cartridge].location.clone()
}

/// Address, FULL and ACCESS of the elements of a kind that a host sees.
fn elements(host: &Host, kind: ElementType) -> Vec<(u16, bool, bool)> {
    let status =
        host.command(0, &[0xb8, kind.0, 0, 0, 0xff, 0xff, 0, 0, 0xff, 0xff, 0, 0], 0xffff).into_result().unwrap();
    let length = usize::from(u16::from_be_bytes([status[10], status[11]]));
    let element = |bytes: &[u8]| (u16::from_be_bytes([bytes[0], bytes[1]]), bytes[2] & 0x01 != 0, bytes[2] & 0x08 != 0);
    status[16..].chunks(length).map(element).collect()
}

/// HPE MSL3040, capture: VPD page 80h has the serial number of the chassis, `_LL` and the number of the partition.
#[test]
fn partitions_are_libraries_with_serial_numbers_of_the_chassis() {
    let (_site, backup, archive) = msl3040(&Disk::default());
    let serial = |host: &Host| String::from_utf8(host.vpd_page(0, 0x80).unwrap()[4..].to_vec()).unwrap();
    assert_eq!([serial(&backup), serial(&archive)], ["DEC0000001_LL01", "DEC0000001_LL02"]);
    // Mode page 1Dh: every partition has its elements from the first address on.
    let addresses = |host: &Host| host.mode_page(0, 0x1d, 0).unwrap()[2..18].to_vec();
    assert_eq!(addresses(&backup), [0, 0, 0, 1, 3, 0xe9, 0, 30, 0, 0x65, 0, 5, 0, 1, 0, 2]);
    assert_eq!(addresses(&archive), [0, 0, 0, 1, 3, 0xe9, 0, 10, 0, 0x65, 0, 5, 0, 1, 0, 1]);
    // A host moves cartridges of its partition only.
    archive.move_medium(0, SLOT, DRIVE).unwrap();
    assert_eq!(archive.move_medium(0, SLOT + 10, DRIVE).unwrap_err().sense_codes(), Some((5, 0x21, 1)));
    assert_eq!(elements(&backup, ElementType::DRIVE), [(1, false, true), (2, false, true)]);
}

/// The serial number of a TS3500 partition ends with the address of its first slot.
#[test]
fn ts3500_has_first_addresses_and_serial_numbers_by_partition() {
    let disk = Disk::default();
    let serials = |text: &str| {
        let site = disk.start(text).unwrap();
        ["prod", "test"].map(|name| site.library(name).unwrap().identity().serial.clone())
    };
    assert_eq!(serials(TS3500), ["0000780123400401", "0000780123400402"]);
    // Without a serial number in the configuration, the chassis has one that stays.
    let generated = TS3500.replace("serial = \"78012340\"\n", "");
    let first = serials(&generated);
    assert_eq!(serials(&generated), first);
    assert_eq!((&first[0][..12], &first[0][12..]), (&first[1][..12], "0401"));
    assert_ne!(&first[0][..12], "000078012340");
}

/// A model that does not make the serial number of a partition has one for each.
#[test]
fn partitions_of_other_models_have_serial_numbers_of_their_own() {
    let text = "[[chassis]]\nname = \"c\"\nslots = 20\ndrives = 4\n[[library]]\nslots = 8\ncartridges = []\nserial = \"FERRIC1\"\n\
                [library.partition]\nchassis = \"c\"\n[[library]]\nname = \"b\"\nslots = 8\n[library.partition]\nchassis = \"c\"\n";
    let site = Disk::default().start(text).unwrap();
    let serials: Vec<String> = site.libraries().iter().map(|library| library.identity().serial.clone()).collect();
    assert_eq!(serials[0], "FERRIC1");
    assert_ne!(serials[1], serials[0]);
}

/// A slot of the shared I/O station is that of the partition which uses it, also after a restart.
#[test]
fn one_partition_uses_a_slot_of_the_shared_station() {
    let disk = Disk::default();
    let (site, backup, archive) = msl3040(&disk);
    backup.move_medium(0, SLOT, IO).unwrap();
    assert_eq!(archive.move_medium(0, SLOT, IO).unwrap_err().sense_codes(), Some((2, 0x3a, 2)));
    assert_eq!(archive.move_medium(0, IO, SLOT + 9).unwrap_err().sense_codes(), Some((2, 0x3a, 2)));
    assert_eq!(elements(&archive, ElementType::IMPORT_EXPORT)[0], (IO, false, false));
    let moved = Request::Move { library: Some("archive".into()), from: "slot1".into(), to: "io1".into() };
    assert_eq!(
        message(site.control(&moved)),
        "another partition of the chassis uses io1; name another I/O element, or wait until it is empty"
    );
    // An import takes a slot that no partition uses.
    archive.move_medium(0, SLOT, IO + 1).unwrap();
    site.library("archive").unwrap().export(ElementAddress(IO + 1)).unwrap();
    import(&site, "archive", "A00001L9").unwrap();
    assert!(location(&site, "A00001L9").to_string().ends_with(&(IO + 1).to_string()));
    drop((site, backup, archive));
    let (site, backup, archive) = msl3040(&disk);
    assert_eq!(archive.move_medium(0, SLOT + 1, IO).unwrap_err().sense_codes(), Some((2, 0x3a, 2)));
    backup.move_medium(0, IO, SLOT).unwrap();
    archive.move_medium(0, SLOT + 1, IO).unwrap();
    assert_eq!(elements(&backup, ElementType::IMPORT_EXPORT)[..2], [(IO, false, false), (IO + 1, false, false)]);
    drop(site);
}

/// In a divided I/O station, each partition has separate slots, at the same addresses.
#[test]
fn partitions_of_a_divided_station_do_not_share_slots() {
    let site = Disk::default().start(TS3500).unwrap();
    let (prod, test) = (host(&site, "prod", 1), host(&site, "test", 2));
    for (host, slot) in [(&prod, 0x401), (&test, 0x402)] {
        host.move_medium(0, slot, 0x301).unwrap();
    }
    assert_eq!(message(assign(&site, "P00001L8", "test", Some("io1"))), "io1 holds T00001L8");
    assert_eq!(assign(&site, "P00001L8", "test", Some("io2")).unwrap(), "prod/io1 test/io2");
}

/// A cartridge in the shared I/O station stays in its slot, as with "Assign I/E" of a Scalar.
#[test]
fn assignment_in_the_shared_station_moves_nothing() {
    let disk = Disk::default();
    let (site, backup, archive) = msl3040(&disk);
    backup.move_medium(0, SLOT, IO).unwrap();
    assert_eq!(assign(&site, "B00001L9", "archive", None).unwrap(), "backup/io1 archive/io1");
    for host in [&backup, &archive] {
        assert_eq!(host.test_unit_ready(0).unwrap_err().sense_codes(), Some((6, 0x28, 0)));
    }
    assert_eq!(elements(&backup, ElementType::IMPORT_EXPORT)[0], (IO, false, false));
    assert_eq!(elements(&archive, ElementType::IMPORT_EXPORT)[0], (IO, true, true));
    archive.move_medium(0, IO, SLOT + 9).unwrap();
    backup.move_medium(0, SLOT + 1, IO).unwrap();
    drop((site, backup, archive));
    let (site, ..) = msl3040(&disk);
    assert_eq!(location(&site, "B00001L9"), in_slot("archive", SLOT + 9));
}

#[test]
fn robot_moves_a_cartridge_to_another_partition() {
    let disk = Disk::default();
    let (site, backup, archive) = msl3040(&disk);
    assert_eq!(assign(&site, "B00002L9", "archive", None).unwrap(), "backup/slot2 archive/slot5");
    assert_eq!(assign(&site, "B00003L9", "archive", Some("slot9")).unwrap(), "backup/slot3 archive/slot9");
    archive.clear_unit_attentions();
    archive.move_medium(0, SLOT + 8, DRIVE).unwrap();
    let refusals = [
        ("A00001L9", "archive", None, "A00001L9 is in library \"archive\" already"),
        ("B00003L9", "backup", None, "B00003L9 is in drive1; unload it first: ferric unload drive1"),
        ("B00004L9", "archive", Some("slot1"), "slot1 holds A00001L9"),
        ("B00004L9", "archive", Some("drive1"), "drive1 is neither a slot nor an I/O element; name one of them"),
        ("B00004L9", "archive", Some("slot11"), "library \"archive\" has no slot11; it has slot1 to slot10"),
        ("B00004L9", "other", None, "there is no library \"other\"; the site has \"backup\", \"archive\""),
    ];
    for (cartridge, library, to, expected) in refusals {
        assert_eq!(message(assign(&site, cartridge, library, to)), expected);
    }
    backup.clear_unit_attentions();
    backup.move_medium(0, SLOT + 3, IO).unwrap();
    site.library("backup").unwrap().export(ElementAddress(IO)).unwrap();
    assert_eq!(
        message(assign(&site, "B00004L9", "archive", None)),
        "B00004L9 is on shelf \"backup\"; import it into library \"archive\": ferric import B00004L9 --library archive"
    );
    // The robot of the chassis is that of both partitions.
    site.control(&Request::Online { library: Some("archive".into()), drive: None, online: false }).unwrap();
    let offline = assign(&site, "B00005L9", "archive", None).unwrap_err();
    assert_eq!(
        (offline.code, offline.message.as_str()),
        (ErrorCode::Conflict, "the robot is offline; to set it online: ferric robot online")
    );
    drop((site, backup, archive));
    let (site, ..) = msl3040(&disk);
    assert_eq!(location(&site, "B00002L9").to_string(), "element 1005");
    assert_eq!(location(&site, "B00005L9"), in_slot("backup", SLOT + 4));
    assert!(site.inventory().contains_key(barcode("B00003L9").as_str()));
}

/// A library that is not a partition of the same chassis gets cartridges through the shelf only.
#[test]
fn libraries_without_a_chassis_have_no_assignments() {
    let text = "[[library]]\nslots = 4\n[[library.cartridges]]\npattern = \"V#L8\"\nsize = \"64MB\"\n[[library]]\nname = \"b\"\n";
    let site = Disk::default().start(text).unwrap();
    assert_eq!(
        message(assign(&site, "V1L8", "b", None)),
        "libraries \"main\" and \"b\" are not partitions of one chassis; export V1L8 and import it"
    );
    assert_eq!(site.status().chassis, []);
}

/// The doors are those of the chassis, and a host of any partition locks them.
#[test]
fn doors_belong_to_the_chassis() {
    let (site, backup, archive) = msl3040(&Disk::default());
    let door = |door, open| site.control(&Request::Door { library: Some("backup".into()), door, open });
    door(Door::Access, true).unwrap();
    for host in [&backup, &archive] {
        assert_eq!(host.test_unit_ready(0).unwrap_err().sense_codes(), Some((2, 0x04, 0x18)));
    }
    door(Door::Access, false).unwrap();
    for host in [&backup, &archive] {
        assert_eq!(host.test_unit_ready(0).unwrap_err().sense_codes(), Some((6, 0x28, 0)));
    }
    archive.command(0, &[0x1e, 0, 0, 0, 1, 0], 0).into_result().unwrap();
    let locked = door(Door::IoStation, true).unwrap_err();
    assert_eq!(locked.code, ErrorCode::Locked);
    assert!(locked.message.starts_with("the chassis is locked: a host of library \"archive\" prevents"), "{locked}");
    assert!(!site.library("backup").unwrap().status().station_open);
}

#[test]
fn status_shows_the_chassis() {
    let (site, ..) = msl3040(&Disk::default());
    let status = serde_json::to_value(site.status().chassis).unwrap();
    let expected = r#"[{"name":"msl","model":"HPE MSL3040","serial":"DEC0000001","slots":40,"import_export":5,"drives":3,
        "shared_station":true,"partitions":[
        {"library":"backup","number":1,"serial":"DEC0000001_LL01","slots":[1,30],"import_export":[1,5],"drives":[1,2]},
        {"library":"archive","number":2,"serial":"DEC0000001_LL02","slots":[31,40],"import_export":[1,5],"drives":[3,3]}]}]"#;
    assert_eq!(status, serde_json::from_str::<serde_json::Value>(expected).unwrap());
    assert_eq!(site.library("archive").unwrap().summary().chassis.as_deref(), Some("msl"));
}

/// A reload adds a partition; another place in the chassis requires a restart.
#[test]
fn reload_adds_a_partition_and_moves_none() {
    let disk = Disk::default();
    let chassis = "[[chassis]]\nname = \"c\"\nmodel = \"HPE MSL3040\"\nslots = 20\nimport_export = 2\ndrives = 6\n";
    let library = |name: &str, slots: u16| {
        format!(
            "[[library]]\nname = \"{name}\"\nslots = {slots}\ncartridges = []\n[library.partition]\nchassis = \"c\"\n"
        )
    };
    let site = disk.start(&[chassis, &library("a", 5), &library("b", 5)].concat()).unwrap();
    let reload = |text: String| {
        site.reload(&vtl::config::parse("f", &text).unwrap()).map(|_| ()).map_err(|error| error.to_string())
    };
    let three = [chassis, &library("a", 5), &library("b", 5), &library("d", 5)].concat();
    reload(three).unwrap();
    assert!(site.library("d").unwrap().identity().serial.ends_with("_LL03"));
    let moved = [chassis, &library("a", 6), &library("b", 5), &library("d", 5)].concat();
    let error = reload(moved).unwrap_err();
    assert!(error.contains("library \"b\" has another place in a chassis"), "{error}");
    let other =
        [&chassis.replace("= 20", "= 30"), library("a", 5).as_str(), &library("b", 5), &library("d", 5)].concat();
    assert!(reload(other).unwrap_err().contains("this requires a restart; nothing was changed"));
    let added = site.add_slot(&audit::Actor::new(audit::ActorKind::Program, ""), "a").unwrap_err();
    assert_eq!(
        added.message,
        "library \"a\" is a partition of chassis \"c\"; its slots are those of the configuration"
    );
}

/// A reload adds a chassis with its partitions; a change of one requires a restart.
#[test]
fn reload_adds_a_chassis() {
    let site = Disk::default().start("library = []\n").unwrap();
    let reload = |text: &str| {
        site.reload(&vtl::config::parse("f", text).unwrap()).map(|_| ()).map_err(|error| error.to_string())
    };
    reload(MSL3040).unwrap();
    let ControlResponse::Status(status) = site.control(&Request::Status).unwrap() else { panic!() };
    assert_eq!(status.chassis[0].partitions.len(), 2);
    let backup = host(&site, "backup", 1);
    backup.move_medium(0, SLOT, IO).unwrap();
    let archive = host(&site, "archive", 2);
    assert_eq!(archive.move_medium(0, SLOT, IO).unwrap_err().sense_codes(), Some((2, 0x3a, 2)));
    let unused = format!("{MSL3040}\n[[chassis]]\nname = \"unused\"\n");
    reload(&unused).unwrap();
    assert_eq!(reload(MSL3040).unwrap_err(), "chassis \"unused\": a change requires a restart; nothing was changed");
}

/// A host opens the I/O station through its partition: it is open for operators and hosts of all, also after a restart.
#[test]
fn a_host_opens_the_station_of_the_chassis() {
    let disk = Disk::default();
    let (site, backup, archive) = msl3040(&disk);
    let [open, close] = [0, 1].map(|action| [0x1b, 0, 0, IO.to_be_bytes()[1], action, 0]);
    let prevent = |host: &Host, on: u8| host.command(0, &[0x1e, 0, 0, 0, on, 0], 0).into_result().unwrap();
    prevent(&archive, 1);
    assert_eq!(backup.command(0, &open, 0).into_result().unwrap_err().sense_codes(), Some((5, 0x53, 2)));
    prevent(&archive, 0);
    backup.command(0, &open, 0).into_result().unwrap();
    assert_eq!(archive.move_medium(0, SLOT, IO + 1).unwrap_err().sense_codes(), Some((2, 0x3a, 2)));
    archive.command(0, &close, 0).into_result().unwrap();
    let stations = |site: &Site| ["backup", "archive"].map(|name| site.library(name).unwrap().status().station_open);
    // Without a command of its host, the site lets the other partition follow.
    let follows = |site: &Site, expected: [bool; 2]| {
        site.reconcile().unwrap();
        assert_eq!(stations(site), expected);
    };
    follows(&site, [false; 2]);
    backup.clear_unit_attentions();
    backup.command(0, &open, 0).into_result().unwrap();
    follows(&site, [true; 2]);
    drop((site, backup, archive));
    let (site, _backup, archive) = msl3040(&disk);
    assert_eq!(stations(&site), [true; 2]);
    archive.command(0, &close, 0).into_result().unwrap();
    follows(&site, [false; 2]);
}
