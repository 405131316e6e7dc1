//! The typed commands of `Host`, and how they decode responses.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "test code")]

use vtl::host::{Host, Position, ReadOutcome, SpaceUnit, WriteOutcome};
use vtl::{Asc, ElementAddress, ElementType, Library, SenseKey, Status};

fn loaded() -> (vtl::site::OpenSite, Host) {
    let site = Library::builder().slots(4).drives("ULT3580-TD8", 1).cartridges("A#L8", 3, "64MB").open().unwrap();
    let host = Host::login(&site.targets()[0], 1);
    host.clear_unit_attentions();
    host.move_medium(0, 1000, 500).unwrap();
    assert_eq!(host.test_unit_ready(1).unwrap_err().sense_codes(), Some((6, 0x28, 0)));
    (site, host)
}

#[test]
fn blocks_filemarks_and_positions() {
    let (_site, host) = loaded();
    assert_eq!(host.read(1, 10).unwrap(), ReadOutcome::EndOfData);
    for block in [&b"one"[..], b"second", b""] {
        assert_eq!(host.write(1, block), Ok(WriteOutcome::Written));
    }
    host.write_filemarks(1, 2).unwrap();
    let at = |object, file| Position { partition: 0, object, file, at_beginning: object == 0, near_end: false };
    assert_eq!(host.position(1), Ok(at(4, 2)));
    host.rewind(1).unwrap();
    assert_eq!(host.position(1), Ok(at(0, 0)));
    assert_eq!(host.read(1, 3).unwrap(), ReadOutcome::Block(b"one".to_vec()));
    assert_eq!(host.read(1, 100).unwrap().block().unwrap(), b"second");
    assert_eq!(host.read(1, 100).unwrap(), ReadOutcome::Filemark);
    host.space(1, SpaceUnit::Blocks, -2).unwrap_err();
    host.locate(1, 0, 1).unwrap();
    let longer = host.read(1, 4).unwrap_err();
    let sense = longer.sense.clone().unwrap();
    assert_eq!((sense.ili, sense.information), (true, Some(-2)));
    assert_eq!(
        longer.to_string(),
        "READ(6) to LUN 1: CHECK CONDITION, NO SENSE 00h/00h (No additional sense information)"
    );
    host.rewind(1).unwrap();
    host.space(1, SpaceUnit::Filemarks, 1).unwrap();
    assert_eq!(host.position(1), Ok(at(3, 1)));
    host.space(1, SpaceUnit::Blocks, -1).unwrap_err();
    host.space(1, SpaceUnit::EndOfData, 0).unwrap();
    assert_eq!(host.position(1), Ok(at(4, 2)));
    let behind = host.locate(1, 0, 9).unwrap_err();
    assert_eq!((behind.status, behind.sense_codes()), (Status::CHECK_CONDITION, Some((8, 0, 5))));
    let partition = host.locate(1, 7, 0).unwrap_err();
    assert_eq!(partition.sense.map(|sense| (sense.key, sense.asc)), Some((SenseKey::ILLEGAL_REQUEST, Asc(0x2400))));
    // More than 32 bits need another command.
    assert_eq!(host.locate(1, 0, 1 << 40).unwrap_err().command, "LOCATE(16)");
    for error in [host.read(1, 1 << 24).unwrap_err(), host.space(1, SpaceUnit::Blocks, 1 << 23).unwrap_err()] {
        assert_eq!(error.sense_codes(), Some((5, 0x24, 0)));
    }
    host.unload(1).unwrap();
    assert_eq!(host.rewind(1).unwrap_err().sense_codes(), Some((2, 0x3a, 0)));
    host.load(1).unwrap();
}

#[test]
fn protection_and_early_warning() {
    let (site, host) = loaded();
    let block = vec![0xa5; 1 << 20];
    // Disable compression: page 0Fh, DCE.
    let mut compression = host.mode_page(1, 0x0f, 0).unwrap();
    compression[2] &= 0x7f;
    host.set_mode_page(1, &compression).unwrap();
    assert_eq!(host.mode_page(1, 0x0f, 0).unwrap()[2] & 0x80, 0);
    let outcomes: Vec<_> = std::iter::repeat_with(|| host.write(1, &block)).take_while(Result::is_ok).collect();
    assert_eq!(outcomes.first(), Some(&Ok(WriteOutcome::Written)));
    assert_eq!(outcomes.last(), Some(&Ok(WriteOutcome::EarlyWarning)));
    assert!(host.position(1).unwrap().near_end);
    assert_eq!(host.write(1, &block).unwrap_err().sense_codes(), Some((0xd, 0, 2)));
    host.unload(1).unwrap();
    host.move_medium(0, 500, 1000).unwrap();
    site.set_write_protect(&vtl::Barcode::new("A1L8").unwrap(), true).unwrap();
    host.move_medium(0, 1000, 500).unwrap();
    host.clear_unit_attentions();
    let refused = host.write(1, b"no").unwrap_err();
    assert_eq!(refused.to_string(), "WRITE(6) to LUN 1: CHECK CONDITION, DATA PROTECT 27h/00h (Write protected)");
    assert_eq!(site.status().libraries[0].drives[0].alerts, ["Write protect"]);
    assert!(host.tape_alerts(1).unwrap().contains(&9));
    assert!(!host.tape_alerts(1).unwrap().contains(&9), "this host has read it");
    // Operators see the flag as long as it is raised.
    assert_eq!(site.status().libraries[0].drives[0].alerts, ["Write protect"]);
}

#[test]
fn elements_and_pages() {
    let (site, host) = loaded();
    let elements = host.element_status(0).unwrap();
    let full: Vec<_> = elements.iter().filter(|element| element.full).collect();
    let (kinds, barcodes): (Vec<_>, Vec<_>) =
        full.iter().map(|element| (element.kind, element.barcode.as_deref().unwrap())).unzip();
    assert_eq!(kinds, [ElementType::DRIVE, ElementType::STORAGE, ElementType::STORAGE]);
    assert_eq!(barcodes, ["A1L8", "A2L8", "A3L8"]);
    assert_eq!((full[0].address, full[0].source, full[0].exception), (500, Some(1000), None));
    assert_eq!(elements.len(), 1 + 4 + 4 + 1);
    site.libraries()[0]
        .operate(|changer| changer.set_element_fault(ElementAddress(1003), Some(vtl::ElementFault::Disabled)))
        .unwrap();
    assert_eq!(host.element_status(0).unwrap_err().sense_codes(), Some((6, 0x3b, 0x18)));
    let elements = host.element_status(0).unwrap();
    let disabled = elements.iter().find(|element| element.address == 1003).unwrap();
    assert_eq!(disabled.exception.map(|asc| asc.0), Some(0x3b18));
    for (from, to, codes) in
        [(1001, 1003, (5, 0x3b, 0x18)), (1001, 1002, (5, 0x3b, 0x0d)), (1000, 1002, (5, 0x3b, 0x0e))]
    {
        assert_eq!(host.move_medium(0, from, to).unwrap_err().sense_codes(), Some(codes), "{from} to {to}");
    }
}

#[test]
fn identities_logs_and_attributes() {
    let (site, host) = loaded();
    let changer = host.inquiry(0).unwrap();
    assert_eq!((changer.device_type, changer.vendor.as_str(), changer.product.as_str()), (8, "STK", "L700"));
    let drive = host.inquiry(1).unwrap();
    assert_eq!((drive.device_type, drive.vendor.as_str(), drive.product.as_str()), (1, "IBM", "ULT3580-TD8"));
    let serial = site.libraries()[0].drives()[0].identity().serial.clone();
    assert_eq!(host.vpd_page(1, 0x80).unwrap()[4..], *serial.as_bytes());
    host.write(1, b"data").unwrap();
    // Page 0Ch, parameter 0: bytes of WRITE commands.
    assert_eq!(host.log_page(1, 0x0c, 0).unwrap()[&0].last(), Some(&4));
    assert_eq!(host.log_page(1, 0x05, 0).unwrap_err().sense_codes(), Some((5, 0x24, 0)));
    assert!(host.attribute(1, 0, 0x0400).unwrap().unwrap().len() == 8, "medium manufacturer");
    assert_eq!(host.attribute(1, 0, 0x0806).unwrap(), None);
    let barcode = format!("{:<32}", "A1L8");
    host.write_attribute(1, 0, 0x0806, barcode.as_bytes()).unwrap();
    assert_eq!(host.attribute(1, 0, 0x0806).unwrap().as_deref(), Some(barcode.as_bytes()));
    host.write_attribute(1, 0, 0x0806, b"").unwrap();
    assert_eq!(host.attribute(1, 0, 0x0806).unwrap(), None);
    assert_eq!(host.write_attribute(1, 0, 0x0400, b"FERRIC  ").unwrap_err().sense_codes(), Some((5, 0x26, 0)));
}
