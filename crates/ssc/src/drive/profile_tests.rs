//! Checks of every model: each listed page exists, is complete, and has the length that it reports.

use super::tests::*;
use super::*;
use crate::profile;
use scsi_core::port::TargetPort;
use scsi_core::target::{LogicalUnit, TransportEvent};
use tape_store::cartridge::CartridgeKind;

fn word(bytes: &[u8]) -> usize {
    usize::from(u16::from_be_bytes(bytes[..2].try_into().unwrap()))
}

/// A drive of a model, with a cartridge of its native generation.
fn ready(product: &str) -> Drive {
    let mut drive = empty(product);
    let native = profile::by_product(product).unwrap().native_media;
    drive.insert(cartridge(native, CartridgeKind::Data, 1 << 30)).unwrap();
    clear_attentions(&mut drive);
    drive
}

#[test]
fn every_listed_page_can_be_read() {
    for profile in profile::ALL {
        let product = profile.name();
        for mut drive in [empty(product), ready(product)] {
            let inquiry = run(&mut drive, "12 00 00 00 ff 00", &[], 255).2;
            assert_eq!(inquiry.len(), usize::from(inquiry[4]) + 5, "{product}");
            assert_eq!(inquiry[8..32], *format!("{:<8}{:<16}", profile.model.vendor, profile.model.product).as_bytes());
            let pages = run(&mut drive, "12 01 00 00 ff 00", &[], 255).2;
            for code in &pages[4..] {
                let (status, _, page) = run(&mut drive, &format!("12 01 {code:02x} 02 00 00"), &[], 512);
                assert_eq!((status, page[1], page.len()), (0, *code, word(&page[2..]) + 4), "{product} VPD {code:02x}");
            }
            let logs = run(&mut drive, "4d 00 40 ff 00 00 00 ff ff 00", &[], 1024).2;
            for id in logs[4..].chunks(2).filter(|id| id[1] != 0xff) {
                let cdb = format!("4d 00 {:02x} {:02x} 00 00 00 ff ff 00", 0x40 | id[0], id[1]);
                let (status, _, page) = run(&mut drive, &cdb, &[], 4096);
                assert_eq!((status, page.len()), (0, word(&page[2..]) + 4), "{product} log {id:02x?}");
                let mut rest = &page[4..];
                while id != [0, 0] && !rest.is_empty() {
                    assert!(rest.len() >= 4 + usize::from(rest[3]), "{product} log {id:02x?}");
                    rest = &rest[4 + usize::from(rest[3])..];
                }
            }
            // Current, changeable, default and saved values of a mode page have the same length. A drive that saves no
            // page has no saved values.
            let [current, others @ .., saved] = ["3f", "7f", "bf", "ff"]
                .map(|page| run(&mut drive, &format!("5a 08 {page} ff 00 00 00 ff ff 00"), &[], 4096).2.len());
            let expected = if profile.mode_pages.iter().any(|page| page.saveable) { current } else { 0 };
            assert_eq!((others, saved), ([current; 2], expected), "{product}");
            let opcodes = run(&mut drive, "a3 0c 80 00 00 00 00 00 ff ff 00 00", &[], 8192).2;
            assert_eq!((opcodes.len() - 4) % 20, 0, "{product}");
            assert!(opcodes.len() < 4096, "LTFS reads at most 4096 bytes");
        }
    }
}

/// Drives of two vendors with the same product identification.
#[test]
fn quantum_drives_in_bytes() {
    let inquiry = |name: &str| run(&mut empty(name), "12 00 00 00 ff 00", &[], 255).2[8..36].to_vec();
    assert_eq!(inquiry("QUANTUM ULTRIUM-HH7"), *b"QUANTUM ULTRIUM-HH7     K4K5");
    assert_eq!(inquiry("ULTRIUM-HH7"), *b"IBM     ULTRIUM-HH7     MA71");
    assert_eq!(inquiry("QUANTUM ULTRIUM-HH9")[..24], *b"QUANTUM ULTRIUM-HH9     ");
    let mode = |name: &str| run(&mut ready(name), "1a 00 00 00 0c 00", &[], 12).2[1];
    assert_eq!((mode("QUANTUM ULTRIUM-HH5"), mode("QUANTUM ULTRIUM-HH8")), (0x58, 0x88));
    let designator = run(&mut empty("QUANTUM ULTRIUM-HH6"), "12 01 83 00 ff 00", &[], 255).2;
    assert_eq!(designator[8..42], *b"QUANTUM ULTRIUM-HH6     1234567890");
}

/// Differences between models, as bytes.
#[test]
fn model_differences_in_bytes() {
    let mode = |product: &str| run(&mut ready(product), "1a 00 00 00 0c 00", &[], 12).2[1];
    assert_eq!(["ULT3580-TD5", "ULT3580-HH6", "ULT3580-TD9"].map(mode), [0x58, 0x68, 0x98]);
    assert_eq!(["Ultrium 5-SCSI", "Ultrium 6-SCSI", "Ultrium 7-SCSI", "Ultrium 8-SCSI"].map(mode), [0, 0, 0x78, 0x88]);
    let page = |product: &str, cdb: &str| run(&mut empty(product), cdb, &[], 255).2;
    assert_eq!(page("Ultrium 6-SCSI", "1a 08 01 00 ff 00")[4..], bytes("01 0a 00 15 00 00 00 00 0a 00 00 00"));
    assert_eq!(page("ULT3580-TD6", "1a 08 01 00 ff 00")[4..], bytes("01 0a 28 ff 00 00 00 00 00 00 00 00"));
    assert_eq!(page("Ultrium 7-SCSI", "12 00 00 00 ff 00")[36..44], bytes("00 00 6a 00 01 6c 0e 00"));
    assert_eq!(page("Ultrium 5-SCSI", "12 01 c0 00 ff 00")[..12], *b"\x01\xc0\x00\x5cFirmware");
    // HP's drives check the CDB before they report a unit attention; IBM's report unit attentions first.
    let first = |product: &str| {
        let mut drive = empty(product);
        drive.lu().attentions.raise_all(Asc::MODE_PARAMETERS_CHANGED);
        run(&mut drive, "00 00 00 00 01 00", &[], 0).1[2]
    };
    assert_eq!((first("Ultrium 5-SCSI"), first("ULT3580-TD5")), (0x05, 0x06));
    // stenc's index 0: IBM's drives accept it for 1, HP's do not.
    let mut list = bytes("00 10 00 30 40 00 02 03 00 00 00 00 00 00 00 00 00 00 00 20");
    list.resize(52, 7);
    let set = |product: &str| run(&mut ready(product), "b5 20 00 10 00 00 00 00 00 34 00 00", &list, 0).0;
    assert_eq!((set("ULT3580-TD5"), set("Ultrium 6-SCSI")), (0, 2));
}

#[test]
fn older_drives_reject_newer_commands() {
    let sense = |product: &str, cdb: &str| {
        let (status, sense, _) = run(&mut ready(product), cdb, &[], 255);
        if status == 0 { Vec::new() } else { vec![sense[2], sense[12], sense[13]] }
    };
    let missing = bytes("05 20 00");
    let reservations = "5e 00 00 00 00 00 00 00 08 00";
    let encryption = "a2 20 00 00 00 00 00 00 00 ff 00 00";
    for (product, reserves, encrypts) in [
        ("ULT3580-TD4", true, true),
        ("ULT3580-TD3", true, false),
        ("Ultrium 4-SCSI", true, true),
        ("03592J1A", true, false),
        ("03592E05", true, true),
        ("T10000B", true, true),
        ("T9940B", true, true),
        ("SDLT600", true, false),
        ("DLT8000", false, false),
        ("SDX-300C", false, false),
        ("SDX-500V", true, false),
        ("VIRTUAL DRIVE", false, false),
    ] {
        assert_eq!(sense(product, reservations) == missing, !reserves, "{product}");
        assert_eq!(sense(product, encryption) == missing, !encrypts, "{product}");
        // ALLOW OVERWRITE, and the mode page with append-only mode.
        assert_eq!(sense(product, "82 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00"), missing, "{product}");
        assert_eq!(sense(product, "5a 08 10 01 00 00 00 00 ff 00"), bytes("05 24 00"), "{product}");
    }
}

#[test]
fn drives_of_other_families_load_their_own_media() {
    let medium = |name: &str| tape_store::media::by_name(name).unwrap();
    let load = |product: &str, name: &str, kind: CartridgeKind| {
        let mut drive = empty(product);
        drive.insert(cartridge(medium(name), kind, 1 << 30)).unwrap();
        clear_attentions(&mut drive);
        let (status, sense, _) = run(&mut drive, "00 00 00 00 00 00", &[], 0);
        let density = run(&mut drive, "1a 00 00 00 0c 00", &[], 12).2[4];
        if status == 0 { Ok(density) } else { Err([sense[2], sense[12], sense[13]]) }
    };
    let refused = Err([0x03, 0x30, 0x00]);
    for (product, name, kind, expected) in [
        ("T10000B", "T10KA", CartridgeKind::Data, Ok(0x4a)),
        ("T10000B", "T10KB", CartridgeKind::Worm, Ok(0x4b)),
        ("T10000A", "T10KA", CartridgeKind::Worm, refused),
        ("T10000B", "T10KC", CartridgeKind::Data, refused),
        // SDLT 600 and T10000A share a density code, as do LTO-2 and 9840A.
        ("T10000B", "SDLT600", CartridgeKind::Data, refused),
        ("ULT3580-TD2", "9840A", CartridgeKind::Data, refused),
        ("T9840B", "9840A", CartridgeKind::Data, Ok(0x42)),
        ("T9840B", "LTO-2", CartridgeKind::Data, refused),
        ("T9940A", "9940A", CartridgeKind::Data, Ok(0x43)),
        ("VIRTUAL DRIVE", "9840B", CartridgeKind::Worm, Ok(0x42)),
        ("VIRTUAL DRIVE", "DDS4", CartridgeKind::Data, Ok(0x26)),
        ("ULTRIUM-HH4", "LTO-2", CartridgeKind::Data, Ok(0x42)),
        ("ULT3580-TD2", "LTO-2", CartridgeKind::Worm, refused),
        ("03592E07", "J1A", CartridgeKind::Data, refused),
        // LTO-10 takes no older medium, and no older drive takes LTO-10.
        ("ULT3580-TDA", "LTO-10", CartridgeKind::Worm, Ok(0x62)),
        ("ULT3580-HHA", "LTO-10P", CartridgeKind::Data, Ok(0x63)),
        ("ULT3580-TDA", "LTO-9", CartridgeKind::Data, refused),
        ("ULTRIUM-TDA", "LTO-8", CartridgeKind::Data, refused),
        ("ULT3580-TD9", "LTO-10", CartridgeKind::Data, refused),
    ] {
        assert_eq!(load(product, name, kind), expected, "{name} in {product}");
    }
    // Density report of a T10000B: its native density is the default.
    let densities = run(&mut empty("T10000B"), "44 00 00 00 00 00 00 00 ff 00", &[], 255).2;
    assert_eq!(densities[..9], bytes("00 6a 00 00 4a 4a 80 00 00"));
    assert_eq!(densities[56..59], bytes("4b 4b a0"));
    assert_eq!(densities[72..92], *b"STK     T10000B STK ");
}

/// IBM GA32-0928-08 and FreeBSD's `mt`: 21,657 and 22,441 bits per mm, 15,104 tracks, 30 and 40 TB; 1,035 and 1,337 m.
#[test]
fn lto_10_media_in_bytes() {
    let densities = run(&mut empty("ULT3580-TDA"), "44 00 00 00 00 00 00 00 ff 00", &[], 255).2;
    assert_eq!(densities[..4], bytes("00 6a 00 00"));
    assert_eq!(densities[4..20], bytes("62 62 a0 00 00 00 54 99 00 7f 3b 00 01 c9 c3 80"));
    assert_eq!(densities[20..56], *b"LTO-CVE U1032A  Ultrium 10/32T      ");
    assert_eq!(densities[56..72], bytes("63 63 80 00 00 00 57 a9 00 7f 3b 00 02 62 5a 00"));
    assert_eq!(densities[72..108], *b"LTO-CVE U1032P  Ultrium 10/32T      ");
    // Medium types: LTO-10 data and WORM, Premium data.
    let types = run(&mut empty("ULT3580-TDA"), "44 02 00 00 00 00 00 00 ff 00", &[], 255).2;
    let listed: Vec<_> = types[4..].chunks(56).map(|medium| (medium[0], medium[5], word(&medium[16..]))).collect();
    assert_eq!(listed, [(0xa8, 0x62, 1035), (0xac, 0x62, 1035), (0xa9, 0x63, 1337)]);
    let loaded = |name: &str, kind: CartridgeKind| {
        let mut drive = empty("ULT3580-HHA");
        let media = tape_store::media::by_name(name).unwrap();
        drive.insert(cartridge(media, kind, 1 << 30)).unwrap();
        clear_attentions(&mut drive);
        drive
    };
    let medium_type = |name: &str, kind| run(&mut loaded(name, kind), "1a 00 00 00 0c 00", &[], 12).2[1];
    assert_eq!(medium_type("LTO-10", CartridgeKind::Data), 0xa8);
    assert_eq!(medium_type("LTO-10", CartridgeKind::Worm), 0xac);
    assert_eq!(medium_type("LTO-10P", CartridgeKind::Data), 0xa9);
    // Cartridge memory: length 0002h, density 0405h.
    let attribute = |id: &str, len: usize| {
        let cdb = format!("8c 00 00 00 00 00 00 00 {id} 00 00 00 ff 00 00");
        run(&mut loaded("LTO-10P", CartridgeKind::Data), &cdb, &[], 255).2[9..9 + len].to_vec()
    };
    assert_eq!((attribute("04 02", 4), attribute("04 05", 1)), (bytes("00 00 05 39"), vec![0x63]));
    // Firmware of an LTO-10 drive in VPD page C0h.
    let firmware = |product: &str| run(&mut empty(product), "12 01 c0 00 ff 00", &[], 255).2;
    assert_eq!(firmware("ULT3580-TDA")[4..16], *b"LTOA_S57A   ");
    assert_eq!(firmware("ULTRIUM-HHA")[4..16], *b"LTOA_S57A   ");
    assert_eq!(firmware("ULT3580-TD9")[4..16], *b"LTO9_PA60   ");
}

#[test]
fn thresholds_of_error_counters() {
    let mut drive = loaded(1 << 30);
    good(&mut drive, "0a 00 00 00 03 00", b"abc");
    let read =
        |drive: &mut Drive, control: &str| run(drive, &format!("4d 00 {control} 00 00 00 05 ff ff 00"), &[], 512).2;
    // Parameter 5: bytes, its threshold, the default threshold.
    assert_eq!(read(&mut drive, "42")[4..14], bytes("00 05 40 06 00 00 00 00 00 03"));
    assert_eq!(read(&mut drive, "02")[8..14], [0xff; 6]);
    let list = bytes("02 00 00 12 00 05 40 06 00 00 00 00 01 00 00 06 40 04 00 00 00 09");
    good(&mut drive, "4c 00 00 00 00 00 00 00 16 00", &list);
    assert_eq!(read(&mut drive, "02")[8..14], bytes("00 00 00 00 01 00"));
    assert_eq!(read(&mut drive, "82")[8..14], [0xff; 6]);
    let attention = bytes("70 00 06 00 00 00 00 0a 00 00 00 00 2a 02 00 00 00 00");
    assert_eq!(run_as(&mut drive, OTHER, "00 00 00 00 00 00", &[], 0).1, attention);
    // An unknown parameter, another length, a page without thresholds, values that cannot be set.
    for (cdb, list, byte) in [
        ("4c 00 00 00 00 00 00 00 0c 00", "02 00 00 08 00 55 40 04 00 00 00 01", 4),
        ("4c 00 00 00 00 00 00 00 0a 00", "02 00 00 06 00 06 40 02 00 01", 7),
        ("4c 00 00 00 00 00 00 00 09 00", "2e 00 00 05 00 01 40 01 01", 4),
        ("4c 00 40 00 00 00 00 00 0c 00", "02 00 00 08 00 06 40 04 00 00 00 01", 4),
    ] {
        let sense = format!("70 00 05 00 00 00 00 0a 00 00 00 00 26 00 00 80 00 {byte:02x}");
        check(&mut drive, cdb, &bytes(list), 0, &sense, b"");
    }
    // Both at once, and a reset to the defaults.
    check(
        &mut drive,
        "4c 02 00 00 00 00 00 00 16 00",
        &list,
        0,
        "70 00 05 00 00 00 00 0a 00 00 00 00 24 00 00 c9 00 01",
        b"",
    );
    good(&mut drive, "4c 00 80 00 00 00 00 00 00 00", b"");
    assert_eq!(read(&mut drive, "02")[8..14], [0xff; 6]);
    // The same by a list, for the pages in the list.
    good(&mut drive, "4c 00 00 00 00 00 00 00 16 00", &list);
    good(&mut drive, "4c 00 80 00 00 00 00 00 16 00", &list);
    assert_eq!(read(&mut drive, "02")[8..14], [0xff; 6]);
}

#[test]
fn lifetime_counters_survive_power_cycles() {
    let mut drive = loaded(1 << 30);
    good(&mut drive, "0a 00 1e 84 80 00", &vec![1; 2_000_000]);
    good(&mut drive, "1b 00 00 00 00 00", b"");
    good(&mut drive, "1b 00 00 00 01 00", b"");
    let statistics = |drive: &mut Drive| run(drive, "4d 00 54 00 00 00 00 ff ff 00", &[], 1024).2;
    let page = statistics(&mut drive);
    assert_eq!(
        (&page[4..12], &page[4 + 13 * 8..12 + 13 * 8]),
        (&bytes("00 00 40 04 00 00 00 02")[..], &bytes("00 0d 40 04 00 00 00 02")[..])
    );
    // After a power cycle: lifetime loads stay, loads since power-on restart at zero, power cycles grow by one.
    let saved = drive.lu().saved();
    let profile = &profile::ULT3580_TD8;
    let identity = Identity::new(profile.model, "1234567890", 1, TargetPort::ISCSI);
    let mut again =
        Drive::new(profile, identity, DriveConfig { codec: Codec::NONE, random: crate::testing::RANDOM }, saved);
    let port = scsi_core::nexus::TransportId::local(1);
    again.handle_event(TransportEvent::NexusEstablished { nexus: HOST, port, reestablished: false }, Now::default());
    let _ = run(&mut again, "03 00 00 00 12 00", &[], 18);
    let page = statistics(&mut again);
    let value = |code: usize| u32::from_be_bytes(page[8 + code * 8..12 + code * 8].try_into().unwrap());
    assert_eq!((value(0), value(12), value(13)), (2, 2, 0));
    // Lifetime of the volume, in the cartridge memory and on page 17h: 2 MB in one load, none in this load.
    let life = run(&mut drive, "8c 00 00 00 00 00 00 00 02 20 00 00 00 11 00 00", &[], 17).2;
    assert_eq!(life[9..], bytes("00 00 00 00 00 00 00 02"));
    let volume = run(&mut drive, "4d 00 57 00 00 00 10 00 10 00", &[], 16).2;
    assert_eq!(volume[4..], bytes("00 10 43 08 00 00 00 00 00 00 00 02"));
}

#[test]
fn last_load_statistics_are_reported() {
    let mut drive = loaded(1 << 30);
    // The barcode label is the volume identifier.
    let label = run(&mut drive, "8c 00 00 00 00 00 00 00 00 08 00 00 00 29 00 00", &[], 41).2;
    assert_eq!(label[4..15], *b"\x00\x08\x81\x00\x20T00001");
    assert_eq!(drive.alerts().bits(), 0);
    drive.raise_alert(crate::alert::Alert::MEDIA);
    let alerts = run(&mut drive, "8c 00 00 00 00 00 00 00 00 02 00 00 00 11 00 00", &[], 17).2;
    assert_eq!(alerts[9..], bytes("10 00 00 00 00 00 00 00"));
    // A cartridge that was not unloaded: its statistics are lost, and TapeAlert reports it.
    let mut cartridge = cartridge(&tape_store::media::LTO_8, CartridgeKind::Data, 1 << 30);
    let mut mam = cartridge.mam().unwrap();
    mam.set_flag(tape_store::mam::Flags::LOADED, true);
    cartridge.save_mam(&mam).unwrap();
    let mut drive = empty("ULT3580-TD8");
    drive.insert(cartridge).unwrap();
    assert!(drive.alerts().is_set(crate::alert::Alert::LOST_STATISTICS));
}

#[test]
fn previous_volume_statistics() {
    let mut drive = empty("ULT3580-TD8");
    let label = |drive: &mut Drive, subpage: &str| {
        let page = run(drive, &format!("4d 00 57 {subpage} 00 00 00 ff ff 00"), &[], 1024).2;
        let barcode = (4..page.len() - 4).find(|at| page[*at..].starts_with(&[0x00, 0x42, 0x41, 0x20]));
        (page[8], barcode.map(|at| String::from_utf8_lossy(&page[at + 4..at + 10]).into_owned()))
    };
    assert_eq!(label(&mut drive, "00"), (0, None));
    for name in ["A00001", "B00001", "C00001"] {
        let cartridge = crate::testing::cartridge(name, 1 << 30).unwrap();
        drive.insert(cartridge).unwrap();
        clear_attentions(&mut drive);
        assert_eq!(label(&mut drive, "00"), (1, Some(name.into())));
        drop(drive.remove().unwrap());
    }
    let names = ["00", "01", "02"].map(|subpage| label(&mut drive, subpage).1.unwrap());
    assert_eq!(names, ["C00001", "B00001", "A00001"]);
    drive.insert(crate::testing::cartridge("D00001", 1 << 30).unwrap()).unwrap();
    clear_attentions(&mut drive);
    let names = ["00", "01", "02"].map(|subpage| label(&mut drive, subpage).1.unwrap());
    assert_eq!(names, ["D00001", "C00001", "B00001"]);
}
