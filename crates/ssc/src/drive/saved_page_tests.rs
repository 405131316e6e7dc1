//! Saved mode pages: PS, SP and PC=11b, through power loss and resets.

use super::tests::*;
use super::*;
use crate::profile;
use scsi_core::data::Data;
use scsi_core::fault::Save;
use scsi_core::nexus::TransportId;
use scsi_core::port::TargetPort;
use scsi_core::target::{LogicalUnit, Request, TransportEvent};

/// The drive after a power cycle, with the state that its owner saved.
fn power_cycle(drive: &mut Drive, product: &str) -> Drive {
    let saved = drive.lu().saved();
    let profile = profile::by_product(product).unwrap();
    let identity = Identity::new(profile.model, "1234567890", 1, TargetPort::ISCSI);
    let mut again =
        Drive::new(profile, identity, DriveConfig { codec: Codec::NONE, random: crate::testing::RANDOM }, saved);
    for nexus in [HOST, OTHER] {
        let port = TransportId::local(nexus.0);
        again.handle_event(TransportEvent::NexusEstablished { nexus, port, reestablished: false }, Now::default());
    }
    clear_attentions(&mut again);
    again
}

fn page(drive: &mut Drive, control: u8, page: &str) -> Vec<u8> {
    let [code, subpage] = bytes(page)[..] else { panic!("page and subpage") };
    run(drive, &format!("5a 08 {:02x} {subpage:02x} 00 00 00 01 00 00", control << 6 | code), &[], 256).2[8..].to_vec()
}

/// MODE SELECT(10) of one page.
fn select(drive: &mut Drive, save: bool, page: &[u8]) -> (u8, Vec<u8>) {
    let list = [&[0, 0, 0, 0x10, 0, 0, 0, 0], page].concat();
    let cdb = format!("55 {:02x} 00 00 00 00 00 00 {:02x} 00", 0x10 | u8::from(save), list.len());
    let done = drive.execute(
        &Request::new(HOST, &bytes(&cdb), Now::default()),
        Data::new(&[std::io::IoSlice::new(&list)], &mut []),
    );
    assert_eq!(done.save.contains(Save::UNIT), save && done.status.0 == 0, "saved pages must be durable before GOOD");
    (done.status.0, done.sense.map(|sense| sense.as_slice().to_vec()).unwrap_or_default())
}

const CURRENT: u8 = 0b00;
const DEFAULT: u8 = 0b10;
const SAVED: u8 = 0b11;
/// 5/24/00, byte 1 bit 0.
const NOT_SAVED: &str = "70 00 05 00 00 00 00 0a 00 00 00 00 24 00 00 c8 00 01";

#[test]
fn only_pages_with_ps_are_saved() {
    for (product, with_ps) in [
        ("ULTRIUM-HH9", &["10 00", "10 01", "1a 00", "2f 00"][..]),
        ("ULT3580-TD5", &["10 00", "10 01", "1a 00", "2f 00"]),
        ("Ultrium 6-SCSI", &["10 00", "10 01", "1a 00"]),
        ("Ultrium 7-SCSI", &["10 00", "10 01", "1a 00", "2f 00"]),
        ("ULT3580-TD3", &["10 00", "1a 00", "2f 00"]),
        ("DLT8000", &[]),
    ] {
        let mut drive = empty(product);
        for def in profile::by_product(product).unwrap().mode_pages {
            let id = format!("{:02x} {:02x}", def.id.page, def.id.subpage);
            let ps = with_ps.contains(&id.as_str());
            for control in [CURRENT, 0b01, DEFAULT] {
                assert_eq!(page(&mut drive, control, &id)[0] & 0x80 != 0, ps, "{product} {id}: PS");
            }
            let mut bits = page(&mut drive, CURRENT, &id);
            bits[0] &= 0x7f;
            let expected = if ps { (0, vec![]) } else { (2, bytes(NOT_SAVED)) };
            assert_eq!(select(&mut drive, true, &bits), expected, "{product} {id}: SP=1");
            assert_eq!(select(&mut drive, false, &bits).0, 0, "{product} {id}: SP=0");
        }
    }
    // Saved values exist if any page can be saved.
    assert_eq!(page(&mut empty("ULTRIUM-HH9"), SAVED, "10 00")[0], 0x90);
    assert_eq!(page(&mut empty("ULTRIUM-HH9"), SAVED, "0f 00")[0], 0x0f);
    let not_supported = bytes("70 00 05 00 00 00 00 0a 00 00 00 00 39 00 00 00 00 00");
    assert_eq!(run(&mut empty("DLT8000"), "1a 08 cf 00 ff 00", &[], 255), (2, not_supported, vec![]));
    let mut drive = empty("ULTRIUM-HH9");
    assert_eq!(run(&mut drive, "5a 00 10 01 00 00 00 00 30 00", &[], 48).2[16..20], bytes("d0 01 00 1c"));
    // SP=1 without a page saves the current values; a drive without saveable pages rejects it.
    assert_eq!(select(&mut drive, true, &[]), (0, vec![]));
    assert_eq!(select(&mut empty("DLT8000"), true, &[]), (2, bytes(NOT_SAVED)));
}

#[test]
fn saved_values_survive_power_loss_and_reset() {
    let product = "ULTRIUM-HH9";
    let mut drive = empty(product);
    let warning = bytes(&format!("50 01 00 1c 00 02 12 34{}", " 00".repeat(24)));
    let other = bytes(&format!("50 01 00 1c 00 02 56 78{}", " 00".repeat(24)));
    let uncompressed = bytes("10 0e 00 00 00 00 01 2c 40 00 10 00 00 00 00 90");
    assert_eq!(select(&mut drive, true, &warning), (0, vec![]));
    assert_eq!(select(&mut drive, true, &uncompressed), (0, vec![]));
    // A change that is not saved is lost at power-off.
    assert_eq!(select(&mut drive, false, &other), (0, vec![]));
    let pews =
        |drive: &mut Drive| [CURRENT, DEFAULT, SAVED].map(|control| page(drive, control, "10 01")[6..8].to_vec());
    assert_eq!(pews(&mut drive), [[0x56, 0x78], [0, 0], [0x12, 0x34]]);
    let mut drive = power_cycle(&mut drive, product);
    assert_eq!(pews(&mut drive), [[0x12, 0x34], [0, 0], [0x12, 0x34]]);
    // SELECT DATA COMPRESSION of page 10h, and DCE of page 0Fh with it.
    assert_eq!(page(&mut drive, CURRENT, "10 00")[14], 0);
    assert_eq!(page(&mut drive, CURRENT, "0f 00")[2], 0x40);
    // A reset restores saved values, not defaults.
    assert_eq!(select(&mut drive, false, &other), (0, vec![]));
    drive.handle_event(TransportEvent::UnitReset, Now::default());
    clear_attentions(&mut drive);
    assert_eq!(pews(&mut drive), [[0x12, 0x34], [0, 0], [0x12, 0x34]]);
    // A rejected list saves nothing.
    let mut wrong = other.clone();
    wrong[20] = 1;
    assert_eq!(select(&mut drive, true, &wrong).0, 2);
    assert_eq!(pews(&mut drive)[2], [0x12, 0x34]);
    // Default values can be saved.
    let default = bytes(&format!("50 01 00 1c 00 02 00 00{}", " 00".repeat(24)));
    assert_eq!(select(&mut drive, true, &default), (0, vec![]));
    assert_eq!(pews(&mut power_cycle(&mut drive, product)), [[0, 0], [0, 0], [0, 0]]);
}

#[test]
fn rendered_values_are_not_saved() {
    let product = "ULT3580-TD8";
    let mut drive = loaded(1 << 30);
    good(&mut drive, "15 10 00 00 14 00", &bytes("00 00 10 00 11 0e 03 01 5c 03 09 00 00 00 00 00 00 00 00 00"));
    good(&mut drive, "04 00 02 00 00 00", b"");
    good(&mut drive, "92 02 00 01 00 00 00 00 00 00 00 00 00 00 00 00", b"");
    let mut shown = page(&mut drive, CURRENT, "10 00");
    assert_eq!(shown[3], 1, "ACTIVE PARTITION");
    shown[0] &= 0x7f;
    assert_eq!(select(&mut drive, true, &shown), (0, vec![]));
    assert_eq!(page(&mut drive, SAVED, "10 00")[3], 0);
    assert_eq!(page(&mut power_cycle(&mut drive, product), CURRENT, "10 00")[3], 0);
}
