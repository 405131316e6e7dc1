//! Reserved bits of parameter lists: each is rejected with a pointer to its byte and bit; ignored bits are accepted.

use super::tests::*;
use super::*;

/// A command with a valid list, its reserved bits (byte, mask), and the bits that it ignores.
struct Case {
    cdb: &'static str,
    list: &'static str,
    reserved: &'static [(usize, u8)],
    ignored: &'static [(usize, u8)],
}

const CASES: &[Case] = &[
    // MODE SELECT(6) and (10) with a block descriptor: MODE DATA LENGTH, MEDIUM TYPE and WP are ignored.
    Case {
        cdb: "15 10 00 00 0c 00",
        list: "00 00 10 08 00 00 00 00 00 00 00 00",
        reserved: &[(2, 0x0f), (8, 0xff)],
        ignored: &[(0, 0xff), (1, 0xff), (2, 0x80)],
    },
    Case {
        cdb: "55 10 00 00 00 00 00 00 10 00",
        list: "00 00 00 10 00 00 00 08 00 00 00 00 00 00 00 00",
        reserved: &[(3, 0x0f), (4, 0xff), (5, 0xff), (12, 0xff)],
        ignored: &[(0, 0xff), (1, 0xff), (2, 0xff), (3, 0x80)],
    },
    // LOG SELECT: without SPF there is no subpage.
    Case {
        cdb: "4c 00 00 00 00 00 00 00 0e 00",
        list: "02 00 00 0a 00 05 40 06 00 00 00 00 01 00",
        reserved: &[(1, 0xff)],
        ignored: &[],
    },
    // PERSISTENT RESERVE OUT, REGISTER AND IGNORE EXISTING KEY: obsolete bytes are ignored.
    Case {
        cdb: "5f 06 00 00 00 00 00 00 18 00",
        list: "00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 05 00 00 00 00 00 00 00 00",
        reserved: &[(20, 0xf2), (21, 0xff)],
        ignored: &[(16, 0xff), (17, 0xff), (18, 0xff), (19, 0xff), (20, 0x05), (22, 0xff), (23, 0xff)],
    },
    // WRITE ATTRIBUTE of the application's vendor: READ ONLY is ignored.
    Case {
        cdb: "8d 00 00 00 00 00 00 00 00 00 00 00 00 11 00 00",
        list: "00 00 00 0d 08 00 01 00 08 46 45 52 52 49 43 20 20",
        reserved: &[(6, 0x7c)],
        ignored: &[(6, 0x80)],
    },
    // SEND DIAGNOSTIC, page 00h.
    Case { cdb: "1d 10 00 00 04 00", list: "00 00 00 00", reserved: &[(1, 0xff)], ignored: &[] },
    // SET TIMESTAMP.
    Case {
        cdb: "a4 0f 00 00 00 00 00 00 00 0c 00 00",
        list: "00 00 00 00 01 9b 00 00 00 00 00 00",
        reserved: &[(0, 0xff), (1, 0xff), (2, 0xff), (3, 0xff), (10, 0xff), (11, 0xff)],
        ignored: &[],
    },
    // WRITE BUFFER with a header.
    Case {
        cdb: "3b 00 00 00 00 00 00 00 08 00",
        list: "00 00 00 00 61 62 63 64",
        reserved: &[(0, 0xff), (1, 0xff), (2, 0xff), (3, 0xff)],
        ignored: &[],
    },
    // SECURITY PROTOCOL OUT, Set Data Encryption with a U-KAD: AUTHENTICATED is ignored.
    Case {
        cdb: "b5 20 00 10 00 00 00 00 00 39 00 00",
        list: "00 10 00 35 40 00 02 03 01 00 00 00 00 00 00 00 00 00 00 20 \
               11 11 11 11 11 11 11 11 11 11 11 11 11 11 11 11 11 11 11 11 11 11 11 11 11 11 11 11 11 11 11 11 \
               00 00 00 01 aa",
        reserved: &[
            (4, 0x1e),
            (11, 0xff),
            (12, 0xff),
            (13, 0xff),
            (14, 0xff),
            (15, 0xff),
            (16, 0xff),
            (17, 0xff),
            (53, 0xf8),
        ],
        ignored: &[(53, 0x07)],
    },
];

/// Returns the byte and bit of each bit in these masks.
fn bits(masks: &[(usize, u8)]) -> impl Iterator<Item = (usize, u8)> {
    masks.iter().flat_map(|(byte, mask)| (0..8).filter(move |bit| mask >> bit & 1 == 1).map(move |bit| (*byte, bit)))
}

#[test]
fn reserved_bits_are_rejected_with_field_pointer() {
    let mut drive = loaded(1 << 30);
    for Case { cdb, list, reserved, ignored } in CASES {
        let list = bytes(list);
        assert_eq!(run(&mut drive, cdb, &list, 0), (0, vec![], vec![]), "{cdb}");
        for (byte, bit) in bits(reserved) {
            let mut wrong = list.clone();
            wrong[byte] |= 1 << bit;
            // The pointer names the field's most significant bit: SPEED is one field.
            let first = if matches!((cdb[..2].parse(), byte), (Ok(15), 2) | (Ok(55), 3)) { 3 } else { bit };
            let sense = format!("70 00 05 00 00 00 00 0a 00 00 00 00 26 00 00 {:02x} 00 {byte:02x}", 0x88 | first);
            assert_eq!(run(&mut drive, cdb, &wrong, 0), (2, bytes(&sense), vec![]), "{cdb}: {byte} bit {bit}");
        }
        for (byte, bit) in bits(ignored) {
            let mut odd = list.clone();
            odd[byte] |= 1 << bit;
            assert_eq!(run(&mut drive, cdb, &odd, 0).0, 0, "{cdb}: {byte} bit {bit}");
        }
    }
}

#[test]
fn register_and_move_reserved_bits() {
    let mut drive = loaded(1 << 30);
    good(&mut drive, "5f 06 00 00 00 00 00 00 18 00", &[&[0; 15][..], &[5], &[0; 8]].concat());
    good(&mut drive, "5f 01 03 00 00 00 00 00 18 00", &[&[0; 7][..], &[5], &[0; 16]].concat());
    for (byte, bit) in bits(&[(16, 0xff), (17, 0xfc)]) {
        let mut list = [0; 24];
        (list[7], list[15], list[19]) = (5, 6, 1);
        list[byte] |= 1 << bit;
        let sense = format!("70 00 05 00 00 00 00 0a 00 00 00 00 26 00 00 {:02x} 00 {byte:02x}", 0x88 | bit);
        assert_eq!(run(&mut drive, "5f 07 00 00 00 00 00 00 18 00", &list, 0).1, bytes(&sense));
    }
}

/// For every page of every model, a bit outside the changeable mask is rejected with a pointer to the bit.
#[test]
fn unchangeable_mode_page_bits_are_rejected_with_field_pointer() {
    for profile in crate::profile::ALL {
        let product = profile.name();
        let mut drive = empty(product);
        for def in profile.mode_pages {
            let (page, subpage) = (def.id.page, def.id.subpage);
            let sense = |drive: &mut Drive, control: u8| {
                let cdb = format!("5a 08 {:02x} {subpage:02x} 00 00 00 01 00 00", control << 6 | page);
                run(drive, &cdb, &[], 256).2[8..].to_vec()
            };
            let (mut current, mask) = (sense(&mut drive, 0), sense(&mut drive, 1));
            current[0] &= 0x7f;
            let header = if subpage == 0 { 2 } else { 4 };
            for byte in header..current.len() {
                for bit in (0..8).filter(|bit| mask[byte] >> bit & 1 == 0) {
                    let mut list = [&[0, 0, 0, 0x10, 0, 0, 0, 0], current.as_slice()].concat();
                    list[8 + byte] ^= 1 << bit;
                    let select = format!("55 10 00 00 00 00 00 00 {:02x} 00", list.len());
                    let (status, sense, _) = run(&mut drive, &select, &list, 0);
                    let expected = [0x26, 0, 0, 0x88 | bit, 0, u8::try_from(8 + byte).unwrap()];
                    assert_eq!((status, sense[12..18].to_vec()), (2, expected.to_vec()), "{product} {page:02x} {byte}");
                }
            }
            let list = [&[0, 0, 0, 0x10, 0, 0, 0, 0], current.as_slice()].concat();
            good(&mut drive, &format!("55 10 00 00 00 00 00 00 {:02x} 00", list.len()), &list);
        }
    }
}
