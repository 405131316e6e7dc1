//! A unit after a panic: it ends every command with HARDWARE ERROR 44h/00h until it is reloaded, and does not use the
//! state that the panic left behind.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "test code")]

use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::sync::Once;
use vtl::control::ControlRequest;
use vtl::events::EventReader;
use vtl::host::{CommandResponse, Host};
use vtl::site::{OpenSite, Site};
use vtl::unit::Device;
use vtl::{ElementAddress, Library, scsi_core};

/// The panic that the tests cause.
const PANIC: &str = "in the middle of a command";
const CHANGER: usize = 0;
const DRIVE: usize = 1;
const SENSE: [u8; 18] = [0x70, 0, 4, 0, 0, 0, 0, 0x0a, 0, 0, 0, 0, 0x44, 0, 0, 0, 0, 0];
const LOAD: [u8; 6] = [0x1b, 0, 0, 0, 1, 0];
const UNLOAD: [u8; 6] = [0x1b, 0, 0, 0, 0, 0];
const TEST_UNIT_READY: [u8; 6] = [0; 6];
/// MODE SENSE of page 0Ah with its current values.
const CONTROL_PAGE: [u8; 6] = [0x1a, 0x08, 0x0a, 0, 0xff, 0];

/// A drive with a tape that holds one block and a filemark, and a host without unit attentions.
fn site() -> (OpenSite, Host) {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if panic.payload().downcast_ref() != Some(&PANIC) {
                hook(panic);
            }
        }));
    });
    let site = Library::builder().slots(4).drives("ULT3580-TD8", 1).cartridges("A#L8", 3, "64MB").open().unwrap();
    site.libraries()[0].move_medium(ElementAddress(1000), ElementAddress(500)).unwrap();
    let host = Host::login(&site.targets()[0], 1);
    host.clear_unit_attentions();
    host.command_with_data(DRIVE, &[0x0a, 0, 0, 0, 5, 0], b"block").into_result().unwrap();
    host.command(DRIVE, &[0x10, 0, 0, 0, 1, 0], 0).into_result().unwrap();
    (site, host)
}

/// Panics in the unit, after changes that nothing has made durable.
fn panic_in(host: &Host, lun: usize) {
    let unit = host.target().unit((lun as u64) << 48).unwrap();
    let change = |device: &mut Device| {
        // SWP of the control mode page, and medium removal prevented.
        device.lu().mode.set_bits(scsi_core::mode::control_0a::ID, 4, 0x08, true);
        panic_any(PANIC);
    };
    assert!(catch_unwind(AssertUnwindSafe(|| unit.with_device(change))).is_err());
}

/// Every command except `reload` and the commands that identify the unit ends with 44h/00h.
fn assert_faulty(host: &Host, lun: usize, reload: &[u8]) {
    for opcode in (0..=255_u8).filter(|opcode| ![0x03, 0x12, 0xa0].contains(opcode) && !reload.contains(opcode)) {
        let mut cdb = [0; 16];
        cdb[0] = opcode;
        let done = host.command(lun, &cdb, 64);
        assert_eq!((done.status.0, done.sense.as_slice()), (2, SENSE.as_slice()), "{opcode:02x}");
    }
    let inquiry = host.command(lun, &[0x12, 0, 0, 0, 36, 0], 36).into_result().unwrap();
    assert_eq!((inquiry[0], inquiry.len()), (if lun == CHANGER { 0x08 } else { 0x01 }, 36));
    assert_eq!(host.command(lun, &[0x03, 0, 0, 0, 18, 0], 18).into_result().unwrap(), SENSE);
    let luns = host.command(lun, &[0xa0, 0, 0, 0, 0, 0, 0, 0, 0, 24, 0, 0], 24).into_result().unwrap();
    assert_eq!(luns, [0, 0, 0, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
}

/// DEVICE INTERNAL RESET, then GOOD.
fn assert_reloaded(host: &Host, lun: usize) {
    assert_eq!(host.command(lun, &TEST_UNIT_READY, 0).sense_codes(), Some((6, 0x29, 0x04)));
    host.clear_unit_attentions();
    assert_eq!(host.command(lun, &TEST_UNIT_READY, 0).status.0, 0);
}

fn online(site: &Site, drive: Option<&str>) {
    let drive = drive.map(str::to_owned);
    site.control(&ControlRequest::Online { library: None, drive, online: true }).unwrap();
}

fn read_block(host: &Host) -> CommandResponse {
    host.command(DRIVE, &[0x08, 0, 0, 0, 5, 0], 5)
}

/// The unit and the name of each event.
fn events(reader: &mut EventReader) -> Vec<(String, String)> {
    let name = |event| serde_json::to_value(event).unwrap()["event"].as_str().unwrap().to_owned();
    reader.try_iter().map(|record| (record.unit.clone().unwrap_or_default(), name(record.event.clone()))).collect()
}

fn is_event(reader: &mut EventReader, unit: &str, event: &str) -> bool {
    events(reader).contains(&(unit.to_owned(), event.to_owned()))
}

#[test]
fn drive_is_faulty_until_a_host_loads_the_cartridge() {
    let (site, host) = site();
    let mut reader = site.subscribe();
    let control = host.command(DRIVE, &CONTROL_PAGE, 64).into_result().unwrap();
    panic_in(&host, DRIVE);
    assert_faulty(&host, DRIVE, &[0x1b]);
    let drive = &site.status().libraries[0].drives[0];
    assert!(drive.faulty.as_ref().unwrap().contains("internal error"), "{drive:?}");
    assert_eq!((drive.threaded, drive.alerts.join(",").as_str()), (false, "Microcode failure"), "{drive:?}");
    assert!(site.status().libraries[0].faulty.is_none());
    assert!(is_event(&mut reader, "drive1", "unit_faulty"));
    assert_eq!(host.command(CHANGER, &TEST_UNIT_READY, 0).status.0, 0, "the changer is not concerned");
    // An unload does not reload the drive.
    assert_eq!(host.command(DRIVE, &UNLOAD, 0).status.0, 0);
    assert_faulty(&host, DRIVE, &[0x1b]);
    assert_eq!(host.command(DRIVE, &LOAD, 0).status.0, 0);
    assert_reloaded(&host, DRIVE);
    assert!(is_event(&mut reader, "drive1", "unit_recovered"));
    assert!(site.status().libraries[0].drives[0].faulty.is_none());
    assert_eq!(read_block(&host).into_result().unwrap(), b"block", "acknowledged data");
    assert_eq!(host.command(DRIVE, &CONTROL_PAGE, 64).into_result().unwrap(), control, "the values before the panic");
}

#[test]
fn drive_is_reloaded_by_the_robot_or_set_online() {
    let (site, host) = site();
    panic_in(&host, DRIVE);
    online(&site, Some("drive1"));
    assert_reloaded(&host, DRIVE);
    assert_eq!(read_block(&host).into_result().unwrap(), b"block");
    panic_in(&host, DRIVE);
    site.libraries()[0].move_medium(ElementAddress(500), ElementAddress(1000)).unwrap();
    // Without a cartridge, LOAD UNLOAD cannot reload the drive.
    assert_faulty(&host, DRIVE, &[]);
    site.libraries()[0].move_medium(ElementAddress(1000), ElementAddress(500)).unwrap();
    assert_reloaded(&host, DRIVE);
    assert_eq!(read_block(&host).into_result().unwrap(), b"block");
    // An empty drive has nothing to load: an operator sets it online.
    site.libraries()[0].move_medium(ElementAddress(500), ElementAddress(1000)).unwrap();
    panic_in(&host, DRIVE);
    assert_faulty(&host, DRIVE, &[]);
    online(&site, Some("drive1"));
    host.clear_unit_attentions();
    assert_eq!(host.command(DRIVE, &TEST_UNIT_READY, 0).sense_codes(), Some((2, 0x3a, 0)));
}

#[test]
fn changer_is_faulty_until_it_is_set_online() {
    let (site, host) = site();
    let mut reader = site.subscribe();
    panic_in(&host, CHANGER);
    assert_faulty(&host, CHANGER, &[]);
    assert!(is_event(&mut reader, "changer", "unit_faulty"));
    assert!(site.status().libraries[0].faulty.as_ref().unwrap().contains("set the robot online"));
    assert_eq!(read_block(&host).status.0, 2, "the drive is not concerned: the tape is behind the filemark");
    let request = r#"{"op":"move","from":"slot2","to":"slot4"}"#;
    let error = site.control(&serde_json::from_str(request).unwrap()).unwrap_err();
    assert_eq!(serde_json::to_value(error.code).unwrap(), "unavailable", "{error}");
    assert!(error.to_string().contains("ferric robot online"), "{error}");
    online(&site, None);
    assert_reloaded(&host, CHANGER);
    assert!(is_event(&mut reader, "changer", "unit_recovered"));
    site.control(&serde_json::from_str(request).unwrap()).unwrap();
}

/// RESERVE(6) is lost as by a power cycle; a persistent reservation with APTPL is kept.
#[test]
fn faulty_unit_has_its_durable_reservations() {
    let (site, host) = site();
    let other = Host::login(&site.targets()[0], 2);
    other.clear_unit_attentions();
    for lun in [CHANGER, DRIVE] {
        assert_eq!(host.command(lun, &[0x16, 0, 0, 0, 0, 0], 0).status.0, 0);
        assert_eq!(other.command(lun, &TEST_UNIT_READY, 0).status.0, 0x18);
        panic_in(&host, lun);
        online(&site, (lun == DRIVE).then_some("drive1"));
        other.clear_unit_attentions();
        assert_eq!(other.command(lun, &TEST_UNIT_READY, 0).status.0, 0);
        host.clear_unit_attentions();
        // REGISTER with APTPL, RESERVE with exclusive access.
        let mut list = [0; 24];
        (list[15], list[20]) = (7, 1);
        let register = [0x5f, 0, 0, 0, 0, 0, 0, 0, 24, 0];
        host.command_with_data(lun, &register, &list).into_result().unwrap();
        let mut list = [0; 24];
        list[7] = 7;
        host.command_with_data(lun, &[0x5f, 1, 3, 0, 0, 0, 0, 0, 24, 0], &list).into_result().unwrap();
        panic_in(&host, lun);
        online(&site, (lun == DRIVE).then_some("drive1"));
        other.clear_unit_attentions();
        assert_eq!(other.command(lun, &[0x1a, 0, 0x0a, 0, 0xff, 0], 64).status.0, 0x18);
    }
}
