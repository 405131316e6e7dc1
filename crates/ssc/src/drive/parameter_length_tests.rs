//! Lengths of parameter lists as LTFS, st, stenc and sg3_utils send them, and lengths that drives reject.

use super::tests::*;
use super::*;

const LENGTH: &str = "70 00 05 00 00 00 00 0a 00 00 00 00 1a 00 00 00 00 00";

fn field(pointer: &str) -> String {
    format!("70 00 05 00 00 00 00 0a 00 00 00 00 26 00 00 {pointer}")
}

/// LTFS 2.4: PARAMETER DATA LENGTH includes itself (4Fh for 4Bh).
#[test]
fn write_attribute_of_ltfs() {
    let mut drive = loaded(1 << 30);
    let coherency = "00 00 00 4f 08 0c 00 00 46 08 00 00 00 00 00 00 00 01 00 00 00 00 00 00 00 01 00 00 00 00 00 00 00 05 00 2b 4c 54 46 53 00 \
        61 61 61 61 61 61 61 61 2d 61 61 61 61 2d 61 61 61 61 2d 61 61 61 61 2d 61 61 61 61 61 61 61 61 61 61 61 61 00 01";
    let list = bytes(coherency);
    assert_eq!(list.len(), 0x4f);
    good(&mut drive, "8d 01 00 00 00 00 00 00 00 00 00 00 00 4f 00 00", &list);
    let read = run(&mut drive, "8c 00 00 00 00 00 00 00 08 0c 00 00 00 4f 00 00", &[], 0x4f).2;
    assert_eq!((read.len(), &read[4..]), (0x4f, &list[4..]));
    // The field is ignored.
    for declared in ["00 00 00 4b", "00 00 00 00", "00 00 00 05", "ff ff ff ff"] {
        let list = [&bytes(declared)[..], &list[4..]].concat();
        good(&mut drive, "8d 00 00 00 00 00 00 00 00 00 00 00 00 4f 00 00", &list);
    }
}

#[test]
fn write_attribute_lengths() {
    let mut drive = loaded(1 << 30);
    let list = bytes("00 00 00 0d 08 00 01 00 08 46 45 52 52 49 43 20 20");
    let cdb = |len: &str| format!("8d 00 00 00 00 00 00 00 00 00 00 00 00 {len} 00 00");
    let there = |drive: &mut Drive| run(drive, "8c 00 00 00 00 00 00 00 08 00 00 00 00 ff 00 00", &[], 255).0 == 0;
    // No changes: no list, and a list without attributes.
    good(&mut drive, &cdb("00"), b"");
    good(&mut drive, &cdb("04"), &bytes("00 00 00 00"));
    // An attribute truncated in its value, in its header; a truncated list header; too little data.
    for (len, sent) in [("10", 16), ("08", 8), ("03", 3), ("11", 16), ("11", 0)] {
        check(&mut drive, &cdb(len), &list[..sent], 0, LENGTH, b"");
    }
    assert!(!there(&mut drive), "a rejected list changed something");
    let two = bytes("00 00 00 00 08 00 01 00 08 46 45 52 52 49 43 20 20 08 05 00 00 01");
    check(&mut drive, &cdb("16"), &two, 0, LENGTH, b"");
    assert!(!there(&mut drive), "a rejected list changed something");
    // An invalid attribute length.
    check(&mut drive, &cdb("0e"), &bytes("00 00 00 0a 08 00 01 00 05 46 45 52 52 49"), 0, &field("80 00 07"), b"");
    good(&mut drive, &cdb("11"), &list);
    assert!(there(&mut drive));
}

/// MODE DATA LENGTH is reserved in MODE SELECT: hosts send zero, or the value that MODE SENSE returned.
#[test]
fn mode_select_lengths() {
    let mut drive = loaded(1 << 30);
    let compression = "0f 0e 40 80 00 00 00 ff 00 00 00 ff 00 00 00 00";
    let compressing = |drive: &mut Drive| run(drive, "1a 08 0f 00 ff 00", &[], 255).2[6];
    for length in ["00", "1b", "ff"] {
        // st and stenc: (6), with and without block descriptor; LTFS: (10).
        good(
            &mut drive,
            "15 10 00 00 1c 00",
            &bytes(&format!("{length} 00 10 08 00 00 00 00 00 00 00 00 {compression}")),
        );
        assert_eq!(compressing(&mut drive), 0x40);
        good(
            &mut drive,
            "15 10 00 00 14 00",
            &bytes(&format!("{length} 00 10 00 {}", compression.replacen("40", "c0", 1))),
        );
        assert_eq!(compressing(&mut drive), 0xc0);
        let page = format!("00 {length} 88 10 00 00 00 08 5e 00 00 00 00 00 00 00 {compression}");
        good(&mut drive, "55 10 00 00 00 00 00 00 20 00", &bytes(&page));
        assert_eq!(compressing(&mut drive), 0x40);
    }
    // PS, as returned by MODE SENSE, is reserved in MODE SELECT as well.
    good(&mut drive, "15 10 00 00 14 00", &bytes(&format!("00 00 10 00 8f{}", &compression[2..])));
    // An empty list, and only the header.
    good(&mut drive, "15 10 00 00 00 00", b"");
    good(&mut drive, "55 10 00 00 00 00 00 00 00 00", b"");
    good(&mut drive, "15 10 00 00 04 00", &bytes("00 00 10 00"));
    good(&mut drive, "55 10 00 00 00 00 00 00 08 00", &bytes("00 00 00 10 00 00 00 00"));
    // Truncated in the header, the block descriptor, a page header, a page; less data than PARAMETER LIST LENGTH.
    for (cdb, out) in [
        ("15 10 00 00 03 00", "00 00 10"),
        ("15 10 00 00 08 00", "00 00 10 08 00 00 00 00"),
        ("15 10 00 00 05 00", "00 00 10 00 0f"),
        ("15 10 00 00 13 00", "00 00 10 00 0f 0e c0 80 00 00 00 ff 00 00 00 ff 00 00 00"),
        ("55 10 00 00 00 00 00 00 07 00", "00 00 00 10 00 00 00"),
        ("55 10 00 00 00 00 00 00 0c 00", "00 00 00 10 00 00 00 08 00 00 00 00"),
        ("55 10 00 00 00 00 00 00 0a 00", "00 00 00 10 00 00 00 00 50 01"),
        ("15 10 00 00 14 00", "00 00 10 00"),
    ] {
        check(&mut drive, cdb, &bytes(out), 0, LENGTH, b"");
    }
    assert_eq!(compressing(&mut drive), 0x40, "a rejected list changed something");
    // Invalid page length, and invalid block descriptor length.
    check(&mut drive, "15 10 00 00 08 00", &bytes("00 00 10 00 0f 02 c0 80"), 0, &field("80 00 05"), b"");
    check(&mut drive, "15 10 00 00 0c 00", &bytes("00 00 10 04 00 00 00 00 00 00 00 00"), 0, &field("80 00 03"), b"");
}

#[test]
fn log_select_lengths() {
    let mut drive = loaded(1 << 30);
    // sg_logs: PCR of a page, and of all, without a list.
    good(&mut drive, "4c 02 6e 00 00 00 00 00 00 00", b"");
    good(&mut drive, "4c 02 c0 00 00 00 00 00 00 00", b"");
    // A threshold; then truncated in the page header, the parameter, the data.
    good(&mut drive, "4c 00 00 00 00 00 00 00 0c 00", &bytes("02 00 00 08 00 03 00 04 00 00 00 05"));
    for (len, out) in
        [("03", "02 00 00"), ("04", "02 00 00 08"), ("0b", "02 00 00 08 00 03 00 04 00 00 00"), ("0c", "02 00 00 08")]
    {
        check(&mut drive, &format!("4c 00 00 00 00 00 00 00 {len} 00"), &bytes(out), 0, LENGTH, b"");
    }
    // The page ends inside its parameter: a field of the list is invalid, not the list length.
    let out = bytes("02 00 00 07 00 03 00 04 00 00 00");
    check(&mut drive, "4c 00 00 00 00 00 00 00 0b 00", &out, 0, &field("80 00 07"), b"");
}

#[test]
fn persistent_reserve_out_lengths() {
    let mut drive = loaded(1 << 30);
    // LTFS and sg_persist: exactly 24 bytes.
    let list = bytes("00 00 00 00 00 00 00 00 11 22 33 44 55 66 77 88 00 00 00 00 00 00 00 00");
    good(&mut drive, "5f 06 00 00 00 00 00 00 18 00", &list);
    for (len, sent) in [("00", 0), ("17", 23), ("18", 23)] {
        check(&mut drive, &format!("5f 06 00 00 00 00 00 00 {len} 00"), &list[..sent], 0, LENGTH, b"");
    }
    check(&mut drive, "5f 06 00 00 00 00 00 00 1c 00", &[&list[..], &[0; 4]].concat(), 0, LENGTH, b"");
    // REGISTER AND MOVE: a truncated TransportID.
    let moving = bytes("11 22 33 44 55 66 77 88 00 00 00 00 00 00 00 01 00 00 00 01 00 00 00 18");
    check(&mut drive, "5f 07 03 00 00 00 00 00 18 00", &moving, 0, LENGTH, b"");
}

#[test]
fn security_protocol_out_lengths() {
    let mut drive = loaded(1 << 30);
    // stenc: a key of 32 bytes with a name; disabling encryption without a key.
    let on = [&bytes("00 10 00 38 40 00 02 02 01 00 00 00 00 00 00 00 00 00 00 20")[..], &[7; 32], b"\0\0\0\x04name"]
        .concat();
    good(&mut drive, "b5 20 00 10 00 00 00 00 00 3c 00 00", &on);
    let off = bytes("00 10 00 10 40 00 00 00 01 00 00 00 00 00 00 00 00 00 00 00");
    good(&mut drive, "b5 20 00 10 00 00 00 00 00 14 00 00", &off);
    // LTFS: a key, with its name as A-KAD.
    let ltfs = [
        &bytes("00 10 00 40 40 00 02 03 01 00 00 00 00 00 00 00 00 00 00 20")[..],
        &[7; 32],
        &bytes("01 00 00 0c")[..],
        b"LTF\0\0\0\0\0\0\0\0\x01",
    ]
    .concat();
    good(&mut drive, "b5 20 00 10 00 00 00 00 00 44 00 00", &ltfs);
    // An empty list; more than the page; INC_512, which pads it.
    good(&mut drive, "b5 20 00 10 00 00 00 00 00 00 00 00", b"");
    good(&mut drive, "b5 20 00 10 00 00 00 00 00 18 00 00", &[&off[..], &[0; 4]].concat());
    good(&mut drive, "b5 20 00 10 80 00 00 00 00 01 00 00", &[&off[..], &[0; 492]].concat());
    // Truncated.
    for (len, sent) in [("13", 19), ("14", 19), ("03", 3)] {
        check(&mut drive, &format!("b5 20 00 10 00 00 00 00 00 {len} 00 00"), &off[..sent], 0, LENGTH, b"");
    }
    check(&mut drive, "b5 20 00 10 00 00 00 00 00 3b 00 00", &on[..59], 0, LENGTH, b"");
}
