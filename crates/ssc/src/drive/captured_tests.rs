//! Log pages as captured from real drives: lists, codes, control bytes and lengths.
//!
//! Sources: an HP Ultrium 6-SCSI (331U), printed by `sg_logs --all` in Bareos' manual; two HP Ultrium 7-SCSI (Q387,
//! S2T1) and two HPE Ultrium 9-SCSI (S2S1, R3G3), captured as bytes.

use super::tests::*;
use super::*;
use crate::profile;
use tape_store::cartridge::CartridgeKind;

/// A drive of a model, with a cartridge of its native generation.
fn ready(product: &str) -> Drive {
    let mut drive = empty(product);
    let native = profile::by_product(product).unwrap().native_media;
    drive.insert(cartridge(native, CartridgeKind::Data, 1 << 30)).unwrap();
    clear_attentions(&mut drive);
    drive
}

fn page(drive: &mut Drive, page: &str) -> Vec<u8> {
    let [code, subpage] = bytes(page)[..] else { panic!("page and subpage") };
    let cdb = format!("4d 00 {:02x} {subpage:02x} 00 00 00 ff ff 00", 0x40 | code);
    let (status, sense, data) = run(drive, &cdb, &[], 4096);
    assert_eq!(status, 0, "{page}: {sense:02x?}");
    data
}

/// The parameters of a page as "code:control/length".
fn parameters(drive: &mut Drive, id: &str) -> String {
    let page = page(drive, id);
    let (mut text, mut rest) = (Vec::new(), &page[4..]);
    while let [high, low, control, len, after @ ..] = rest {
        text.push(format!("{high:02x}{low:02x}:{control:02x}/{len}"));
        rest = &after[usize::from(*len)..];
    }
    text.join(" ")
}

/// The value of one parameter.
fn value(drive: &mut Drive, id: &str, code: u16) -> Vec<u8> {
    let page = page(drive, id);
    let mut rest = &page[4..];
    while let [high, low, _, len, after @ ..] = rest {
        let (value, next) = after.split_at(usize::from(*len));
        if u16::from_be_bytes([*high, *low]) == code {
            return value.to_vec();
        }
        rest = next;
    }
    panic!("{id} has no parameter {code:04x}");
}

#[test]
fn supported_log_pages_match_captures() {
    let mut hp = ready("Ultrium 6-SCSI");
    let list = "00 00 00 15 00 02 03 0c 0d 11 12 13 14 15 16 17 18 1b 2e 30 31 32 34 35 3e";
    assert_eq!(page(&mut hp, "00 00"), bytes(list));
    let lto_7 = "00 00 00 ff 02 00 03 00 06 00 0c 00 11 00 12 00 14 00 16 00 17 00 17 01 17 02 18 00 1a 00 1b 00 2e 00 30 00 \
        31 00 32 00 33 00 34 00 37 00 37 10 37 20 37 40 37 50 37 60 37 80 37 90 37 a0 38 00 39 00 3b 00 3c 00 3d 00";
    let lto_9 = lto_7.replace("0c 00 11 00", "0c 00 0d 01 11 00");
    for (product, list) in [
        ("Ultrium 7-SCSI", lto_7),
        ("ULT3580-TD8", lto_7),
        ("ULT3580-TD9", lto_9.as_str()),
        ("Ultrium 9-SCSI", lto_9.as_str()),
    ] {
        assert_eq!(page(&mut ready(product), "00 ff")[4..], bytes(list), "{product}");
    }
    // Self-test and exception pages are supported although not listed; page 33h of HP is not.
    for product in ["Ultrium 6-SCSI", "Ultrium 7-SCSI"] {
        let mut drive = ready(product);
        assert_eq!(page(&mut drive, "10 00").len(), 4 + 20 * 20, "{product}");
        assert_eq!(page(&mut drive, "2f 00").len(), 12, "{product}");
    }
    let missing = "70 00 05 00 00 00 00 0a 00 00 00 00 24 00 00 c0 00 02";
    check(&mut hp, "4d 00 73 00 00 00 00 ff ff 00", &[], 64, missing, b"");
}

#[test]
fn volume_statistics_match_hp_lto_6_capture() {
    let mut drive = ready("Ultrium 6-SCSI");
    assert_eq!(
        parameters(&mut drive, "17 00"),
        "0000:43/1 0001:43/4 0002:43/8 0003:43/4 0004:43/2 0005:43/2 0006:43/2 0007:43/8 0008:43/4 0009:43/2 000c:43/2 \
         000d:43/2 000e:43/4 000f:43/4 0010:43/8 0011:43/8 0012:43/2 0013:43/2 0014:43/6 0015:43/6 0016:43/4 0017:43/4 \
         0040:41/32 0041:41/8 0042:41/32 0043:41/8 0044:41/4 0045:41/9 0046:41/8 0080:43/1 0081:43/1 0082:43/1 0101:43/4 \
         0102:43/4 0200:43/10 0201:43/10 0202:43/8 0203:43/8 0300:43/44 f000:43/2"
    );
    assert_eq!(value(&mut drive, "17 00", 0x45), *b"Ultrium-6");
    assert_eq!(value(&mut drive, "17 00", 0x46), *b"20260101");
    assert_eq!(value(&mut drive, "17 00", 0xf000), [0, 1]);
    // Mount history: this drive once; then twice.
    let entry = |index: u8| [&[43, 0, 0, index][..], b"HP      1234567890                      "].concat();
    assert_eq!(value(&mut drive, "17 00", 0x300), entry(0));
    good(&mut drive, "1b 00 00 00 00 00", b"");
    good(&mut drive, "1b 00 00 00 01 00", b"");
    assert_eq!(value(&mut drive, "17 00", 0x300), [entry(0), entry(1)].concat());
}

#[test]
fn other_log_pages_match_hp_lto_6_capture() {
    let mut drive = ready("Ultrium 6-SCSI");
    for (id, expected) in [
        ("02 00", "0000:40/4 0001:40/4 0002:40/4 0003:40/4 0004:40/4 0005:40/6 0006:40/4"),
        ("11 00", "0000:03/4 0001:03/2 0101:03/12 0102:03/12 8000:03/6 8010:03/8 b101:03/16 b102:03/16"),
        ("31 00", "0001:c0/4 0002:c0/4 0003:c0/4 0004:c0/4 0005:60/4 0006:60/4 0007:60/4 0008:60/4"),
        ("34 00", "0000:60/2 0001:60/2 0002:60/2 0003:60/2 0004:40/2"),
        ("35 00", "0000:03/22 0001:03/86"),
        ("3e 00", "0000:40/4 0001:40/4 0002:60/4 0003:40/4 0004:40/4"),
    ] {
        assert_eq!(parameters(&mut drive, id), expected, "{id}");
    }
    assert_eq!(page(&mut drive, "2e 00").len(), 4 + 64 * 5);
    assert_eq!(value(&mut drive, "0d 00", 1), [0, 0xff], "no reference temperature");
    assert_eq!(value(&mut drive, "34 00", 4), [0x06, 0x40]);
    assert_eq!(value(&mut drive, "0c 00", 8), [0, 0, 0x01, 0xa2], "418 MB");
    // Very high frequency data: PAMR, MACC, CMPR, DINIT; MPRSNT, MSTD, MTHRD, MOUNTED; VS, INTFC.
    good(&mut drive, "1e 00 00 00 01 00", b"");
    assert_eq!(value(&mut drive, "11 00", 0), bytes("b1 17 00 82"));
    assert_eq!(value(&mut drive, "11 00", 0x8000), bytes("b1 17 00 82 00 06"));
    assert_eq!(value(&mut drive, "11 00", 1), [0, 16]);
    // Duty cycles in percent; then MB written and read in the sample time.
    let statistics = parameters(&mut drive, "14 00");
    assert!(statistics.contains("0010:40/8 0011:40/4 0012:40/4 0013:40/4 0014:40/4 0015:40/4 0016:40/8 0017:40/8"));
    assert_eq!([0x14, 0x15].map(|code| value(&mut drive, "14 00", code)[3]), [0, 100]);
}

#[test]
fn log_pages_match_lto_7_and_lto_9_captures() {
    for product in ["Ultrium 7-SCSI", "ULT3580-TD9", "ULTRIUM-HH8", "Ultrium 9-SCSI"] {
        let mut drive = ready(product);
        for (id, expected) in [
            ("02 00", "0000:40/4 0001:40/4 0002:40/4 0003:40/4 0004:40/4 0005:40/6 0006:40/4 8000:40/8 8001:40/4"),
            ("03 00", "0000:40/4 0001:40/4 0002:40/4 0003:40/4 0004:40/4 0005:40/6 0006:40/4 8000:40/8"),
            ("06 00", "0000:40/4"),
            (
                "0c 00",
                "0000:40/8 0001:40/8 0002:40/8 0003:40/8 0004:40/4 0005:40/4 0006:40/4 0007:40/4 0008:40/4 0100:40/8 \
                 8000:40/4 8001:40/4 8002:40/4 8003:40/4",
            ),
            (
                "11 00",
                "0000:43/4 0001:43/2 0002:43/8 0003:43/12 0004:03/8 0101:43/12 0102:43/12 0200:03/1 0201:03/43 8000:43/8 \
                 8001:43/4 8100:43/4 9101:43/4 9102:43/4 e000:43/255",
            ),
            (
                "17 00",
                "0000:43/1 0001:43/4 0002:43/8 0003:43/4 0004:43/2 0005:43/2 0006:43/2 0007:43/8 0008:43/4 0009:43/2 \
                 000c:43/2 000d:43/2 000e:43/4 000f:43/4 0010:43/8 0011:43/8 0012:43/2 0013:43/2 0014:43/6 0015:43/6 \
                 0016:43/4 0017:43/4 0018:43/4 0019:43/1 0040:41/32 0041:41/8 0042:41/32 0043:41/8 0044:41/4 0045:41/9 \
                 0080:43/1 0081:43/1 0082:43/1 0101:43/4 0102:43/4 0200:43/10 0201:43/10 0202:43/8 0203:43/8 0204:43/8",
            ),
            (
                "30 00",
                "0001:c0/4 0002:c0/8 0003:c0/4 0004:c0/2 0005:c0/2 0006:c0/2 0007:c0/8 0008:c0/4 0009:c0/2 000a:c0/2 000b:c0/2",
            ),
            ("31 00", "0001:c0/4 0002:c0/4 0003:c0/4 0004:c0/4"),
            (
                "38 00",
                "0000:40/8 0001:40/8 0002:40/8 0003:40/8 0004:40/4 0005:40/6 0006:40/4 0007:40/6 0008:40/4 0009:40/6 000a:40/4 \
                 000b:40/6 000c:40/8 000d:40/1 000e:40/8 000f:40/1 0010:40/8 0011:40/8 0100:40/26",
            ),
            ("3b 00", "0000:40/2 0007:40/2 0008:40/2 0009:40/2 000a:40/2 0010:40/4"),
        ] {
            assert_eq!(parameters(&mut drive, id), expected, "{product} {id}");
        }
        assert_eq!(page(&mut drive, "11 00").len(), 441 + 4, "{product}");
        assert_eq!(page(&mut drive, "34 00").len(), 186 + 4, "{product}");
        assert_eq!(page(&mut drive, "2e 00")[4..9], bytes("00 01 c0 01 00"), "{product}");
        assert_eq!(value(&mut drive, "11 00", 0), bytes("31 17 00 00"), "{product}");
        assert_eq!(value(&mut drive, "11 00", 4), bytes("31 17 00 00 00 01 03 00"), "{product}");
        assert_eq!(value(&mut drive, "11 00", 1), [0x01, 0xf4], "{product}");
    }
    let of = |product: &str, id: &str, code| value(&mut ready(product), id, code);
    assert_eq!(of("ULT3580-TD9", "17 00", 0x45), *b"LTOL9G9  ");
    assert_eq!(of("Ultrium 7-SCSI", "17 00", 0x45), *b"Ultrium-7");
    assert_eq!(of("ULT3580-TD9", "17 00", 0x44), *b"0909");
    assert_eq!(of("ULT3580-TD9", "0c 00", 8), [0, 0, 0x02, 0x87]);
    assert_eq!(of("Ultrium 7-SCSI", "0c 00", 8), [0, 0, 0x02, 0x56]);
    let capacity = "8c 00 00 00 00 00 00 00 04 07 00 00 00 11 00 00";
    assert_eq!(run(&mut ready("ULT3580-TD9"), capacity, &[], 17).2[9..], bytes("00 00 00 00 00 00 7f e0"));
}

#[test]
fn inquiry_matches_lto_7_and_lto_9_captures() {
    let head = "01 80 06 12 41 01 10 02";
    for (product, vendor, revision, vendor_specific) in [
        ("Ultrium 9-SCSI", "HPE     ", "S2S1", "00 00 6b 00 01 8c 0e 00 00 00 00 00 00 00 00 00 00 00 00 00"),
        ("Ultrium 7-SCSI", "HP      ", "Q387", "00 00 6a 00 01 6c 0e 00 00 00 00 00 00 00 00 00 00 00 00 00"),
    ] {
        let inquiry = run(&mut empty(product), "12 00 00 00 ff 00", &[], 255).2;
        assert_eq!(inquiry[..8], bytes(head), "{product}");
        assert_eq!(inquiry[8..36], *format!("{vendor}{product:<16}{revision}").as_bytes());
        assert_eq!(inquiry[36..56], bytes(vendor_specific), "{product}");
    }
    let mut drive = ready("Ultrium 9-SCSI");
    let vpd = |drive: &mut Drive, code: &str| run(drive, &format!("12 01 {code} 00 ff 00"), &[], 255).2;
    assert_eq!(vpd(&mut drive, "cc"), *b"\x01\xcc\x00\x20\x00\x00\x00\x02HPE     ULTRIUM-9 45000 S2S1");
    assert_eq!(vpd(&mut drive, "d0"), bytes("01 d0 00 10 00 40 82 00 3c 00 ff ff 00 78 00 00 00 00 00 00"));
    let mut lto_7 = empty("Ultrium 7-SCSI");
    assert_eq!(vpd(&mut lto_7, "cc"), *b"\x01\xcc\x00\x20\x00\x00\x00\x02HP      ULTRIUM-7 15000 Q387");
    for (page, expected) in [
        ("0a", "0a 0a 00 01 00 00 00 00 ff ff 00 00"),
        ("0f", "0f 0e c0 80 00 00 00 ff 00 00 00 ff 00 00 00 00"),
        ("10", "90 0e 00 00 00 00 01 2c 40 00 10 00 00 00 01 90"),
        ("1c", "1c 0a 08 04 00 00 00 00 00 00 00 00"),
    ] {
        let sensed = run(&mut drive, &format!("5a 00 {page} 00 00 00 00 00 ff 00"), &[], 255).2;
        assert_eq!((&sensed[2..4], &sensed[8..16]), (&bytes("98 10")[..], &bytes("60 00 00 00 00 00 00 00")[..]));
        assert_eq!(sensed[16..], bytes(expected), "{page}");
    }
}

/// LTO-7 and LTO-9 drives list 00 03 80 83 86 87 88 90 B0 B1 B3 B4 B5 C0 C1 C2 C3 C7 C8 CC D0 E0 E1; an LTO-6 drive of
/// HP lists B2h.
#[test]
fn supported_vpd_pages_match_captures() {
    for (product, pages) in [
        ("Ultrium 9-SCSI", "00 80 83 86 87 88 b0 b1 b3 b4 b5 c0 c1 cc d0"),
        ("Ultrium 7-SCSI", "00 80 83 86 87 88 b0 b1 b3 b4 b5 c0 c1 cc d0"),
        ("ULT3580-TD9", "00 80 83 86 87 88 b0 b1 b3 b4 b5 c0 c1"),
        ("Ultrium 6-SCSI", "00 80 83 85 86 87 88 b0 b1 b2 b3 b4 b5 c0 c1 c2 c3 c4"),
    ] {
        let mut drive = empty(product);
        assert_eq!(run(&mut drive, "12 01 00 00 ff 00", &[], 255).2[4..], bytes(pages), "{product}");
        let alerts = run(&mut drive, "12 01 b2 00 ff 00", &[], 255);
        let expected = if pages.contains("b2") { 0 } else { 2 };
        assert_eq!(alerts.0, expected, "{product}: {:02x?}", alerts.1);
    }
}

/// Log pages that CTA reads from each drive family, and the parameters that it uses.
#[test]
fn log_parameters_read_by_cta_are_present() {
    for (product, pages) in [
        (
            "ULT3580-TD9",
            &["02 00", "03 00", "06 00", "0c 00", "17 00", "2e 00", "32 00", "33 00", "34 00", "38 00"][..],
        ),
        ("Ultrium 6-SCSI", &["02 00", "03 00", "0c 00", "17 00", "2e 00", "32 00", "34 00"]),
        ("03592E07", &["02 00", "03 00", "06 00", "0c 00", "17 00", "2e 00", "38 00"]),
        ("T10000B", &["02 00", "03 00", "06 00", "0c 00", "17 00", "2e 00"]),
    ] {
        let mut drive = ready(product);
        good(&mut drive, "0a 00 00 10 00 00", &[0x5a; 4096]);
        for id in pages {
            assert!(page(&mut drive, id).len() > 4, "{product} {id}");
        }
        if pages.contains(&"38 00") {
            assert_eq!(value(&mut drive, "38 00", 1), [0, 0, 0, 0, 0, 0, 0, 4], "{product}: KiB that the host wrote");
        }
    }
}
