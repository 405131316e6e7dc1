//! Each capability that a drive reports is compared with its behaviour.

use super::tests::*;
use super::*;
use crate::profile;
use scsi_core::nexus::TransportId;
use scsi_core::target::{LogicalUnit, TransportEvent};
use tape_store::cartridge::CartridgeKind;

/// A drive of a model, with a cartridge of its native generation.
fn ready(product: &str) -> Drive {
    let mut drive = empty(product);
    let native = profile::by_product(product).unwrap().native_media;
    drive.insert(cartridge(native, CartridgeKind::Data, 1 << 30)).unwrap();
    clear_attentions(&mut drive);
    drive
}

fn models() -> impl Iterator<Item = &'static str> {
    profile::ALL.iter().map(|profile| profile.name())
}

/// SECURITY PROTOCOL IN of a page; `None` for a drive without encryption.
fn security(drive: &mut Drive, code: &str) -> Option<Vec<u8>> {
    let (status, sense, data) = run(drive, &format!("a2 20 00 {code} 00 00 00 00 02 00 00 00"), &[], 512);
    assert!(status == 0 || sense[12] == 0x20, "{code}: {sense:02x?}");
    (status == 0).then_some(data)
}

/// Sends Set Data Encryption: scope and flags, modes, algorithm, formats; key and key-associated data.
fn encrypt(drive: &mut Drive, head: &str, key: &[u8], kads: &str) -> Result<(), (u8, [u8; 3])> {
    let mut list = bytes(&format!("00 10 00 00 {head} 00 00 00 00 00 00 00"));
    list.extend_from_slice(&u16::try_from(key.len()).unwrap().to_be_bytes());
    list.extend_from_slice(key);
    list.extend_from_slice(&bytes(kads));
    let len = u16::try_from(list.len() - 4).unwrap().to_be_bytes();
    list[2..4].copy_from_slice(&len);
    let cdb = format!("b5 20 00 10 00 00 00 00 {:02x} {:02x} 00 00", list.len() / 256, list.len() % 256);
    let (status, sense, _) = run(drive, &cdb, &list, 0);
    if status == 0 { Ok(()) } else { Err((sense[2], [sense[12], sense[13], sense[17]])) }
}

/// Sense codes of a READ of five bytes; `None` for GOOD.
fn read(drive: &mut Drive) -> Option<(u8, u8, u8)> {
    let (status, sense, _) = run(drive, "08 02 00 02 00 00", &[], 512);
    (status != 0).then(|| (sense[2] & 0x0f, sense[12], sense[13]))
}

#[test]
fn data_encryption_capabilities_match_behaviour() {
    let key = [7; 32];
    for product in models() {
        let mut drive = ready(product);
        let Some(page) = security(&mut drive, "10") else { continue };
        assert_eq!((page.len(), page[4], &page[22..24]), (44, 0x05, &[0x00, 0x14][..]), "{product}");
        let index = page[20];
        // AVFMV and AVFCLP 10b, MAC_C, DELB_C, both in hardware; NONCE_C 01b, KADF_C; U-KAD, A-KAD and key in bytes.
        assert_eq!(page[24..32], bytes("ba 98 00 20 00 0c 00 20"), "{product}");
        assert_eq!(page[40..44], bytes("00 01 00 14"), "{product}: AES-256-GCM");
        let modes = |flags: &str, modes: &str| format!("40 {flags} {modes} {index:02x} 00 00");
        // DKAD_C 11b: a key that only decrypts may have key-associated data.
        assert_eq!(page[32] >> 6, 0b11, "{product}");
        for kads in ["", "00 00 00 01 aa", "00 00 00 01 aa 01 00 00 01 bb"] {
            for encryption in ["00 02", "00 03", "02 02"] {
                assert_eq!(encrypt(&mut drive, &modes("00", encryption), &key, kads), Ok(()), "{product} {kads}");
            }
        }
        // Maximum length of U-KAD and A-KAD, and one byte more; KADF_C: KAD FORMAT 2h; key of another size.
        let (longest, longer) =
            (format!("00 00 00 20{}", " 41".repeat(32)), format!("00 00 00 21{}", " 41".repeat(33)));
        assert_eq!(encrypt(&mut drive, &modes("00", "02 02"), &key, &longest), Ok(()), "{product}");
        assert_eq!(encrypt(&mut drive, &modes("00", "02 02"), &key, &longer), Err((5, [0x26, 0, 54])), "{product}");
        assert_eq!(
            encrypt(&mut drive, &modes("00", "02 02"), &key, &format!("01 00 00 0d{}", " 41".repeat(13))),
            Err((5, [0x26, 0, 54]))
        );
        assert_eq!(encrypt(&mut drive, &modes("00", "02 02").replace("00 00", "00 02"), &key, ""), Ok(()), "{product}");
        assert_eq!(encrypt(&mut drive, &modes("00", "02 02"), &key[..16], ""), Err((5, [0x26, 0, 18])), "{product}");
        // SDK_C 0: no supplemental decryption keys, and no externally encrypted data keys.
        assert_eq!(encrypt(&mut drive, &modes("08", "00 02"), &key, ""), Err((5, [0x26, 0, 5])), "{product}");
        assert_eq!(page[33..40], [0; 7], "{product}");
        raw_reads(product, &page);
    }
}

/// RDMC_C: RDMC is supported, with this default; EEMC_C 10b: blocks are written in EXTERNAL mode.
fn raw_reads(product: &str, page: &[u8]) {
    let (mut drive, index) = (ready(product), page[20]);
    let by_default = match page[32] >> 1 & 0b111 {
        4 => false,
        5 => true,
        other => panic!("{product}: RDMC_C {other}"),
    };
    let of_hp = ["Ultrium 4-SCSI", "Ultrium 5-SCSI", "Ultrium 6-SCSI"].contains(&product);
    assert_eq!(by_default, of_hp, "{product}");
    for (rdmc, allowed) in [("00", by_default), ("20", true), ("30", false)] {
        assert_eq!(encrypt(&mut drive, &format!("40 {rdmc} 02 02 {index:02x} 00 00"), &[7; 32], ""), Ok(()));
        let status = security(&mut drive, "20").unwrap();
        assert_eq!(status[12] & 0x01 == 0, allowed, "{product}: RDMD");
        good(&mut drive, "01 00 00 00 00 00", b"");
        good(&mut drive, "0a 00 00 00 05 00", b"hello");
        good(&mut drive, "01 00 00 00 00 00", b"");
        assert_eq!(encrypt(&mut drive, &format!("40 00 00 01 {index:02x} 00 00"), &[], ""), Ok(()));
        assert_eq!(read(&mut drive), (!allowed).then_some((7, 0x74, 0x0a)), "{product}: RDMC {rdmc}");
    }
    assert_eq!(encrypt(&mut drive, &format!("40 10 02 02 {index:02x} 00 00"), &[7; 32], ""), Err((5, [0x26, 0, 5])));
    assert_eq!(page[32] >> 4 & 0b11, 0b10, "{product}: EEMC_C");
    assert_eq!(encrypt(&mut drive, &format!("40 00 01 01 {index:02x} 00 00"), &[], ""), Ok(()), "{product}");
}

#[test]
fn data_encryption_management_capabilities_match_behaviour() {
    for product in models() {
        let mut drive = ready(product);
        let Some(page) = security(&mut drive, "12") else { continue };
        // LOCK_C; CKOD_C, CKORP_C, CKORL_C; AITN_C, LOCAL_C, PUBLIC_C.
        assert_eq!(page[4..8], bytes("01 07 00 07"), "{product}");
        good(&mut drive, "5f 06 00 00 00 00 00 00 18 00", &[&[0; 15][..], &[5], &[0; 8]].concat());
        good(&mut drive, "5f 01 05 00 00 00 00 00 18 00", &[&[0; 7][..], &[5], &[0; 16]].concat());
        let index = security(&mut drive, "10").unwrap()[20];
        for (head, status) in [
            ("00 00 00 00", "00 00 00"),
            ("01 00 00 00", "00 00 00"),
            ("20 00 02 02", "21 02 02"),
            ("40 00 02 02", "42 02 02"),
            ("41 00 02 02", "42 02 02"),
            ("40 04 02 02", "42 02 02"),
            ("40 02 02 02", "42 02 02"),
            ("40 01 02 02", "42 02 02"),
        ] {
            assert_eq!(
                encrypt(&mut drive, &format!("{head} {index:02x} 00 00"), &[7; 32], ""),
                Ok(()),
                "{product} {head}"
            );
            let page = security(&mut drive, "20").unwrap();
            assert_eq!(page[4..7], bytes(status), "{product} {head}");
        }
        // Key formats: plain-text, and wrapped with the public key of page 0031h.
        assert_eq!(security(&mut drive, "11").unwrap()[4..], [0x00, 0x02], "{product}");
        assert_eq!(
            encrypt(&mut drive, &format!("40 00 02 02 {index:02x} 01 00"), &[7; 32], ""),
            Err((5, [0x26, 0, 9]))
        );
    }
}

/// WRTOK of REPORT DENSITY SUPPORT, for each medium of a model: WRITE succeeds if and only if it is set.
#[test]
fn wrtok_matches_write_access() {
    for profile in profile::ALL {
        let product = profile.name();
        let descriptors = run(&mut empty(product), "44 00 00 00 00 00 00 00 ff ff", &[], 0).1;
        assert_eq!(descriptors[12..14], [0x24, 0x00], "{product}: CONTROL is reserved");
        let list = run(&mut empty(product), "44 00 00 00 00 00 00 0f ff 00", &[], 4096).2;
        let densities: Vec<&[u8]> = list[4..].chunks(52).collect();
        assert_eq!(densities.len(), profile.supported_media.len(), "{product}");
        assert_eq!(densities.iter().filter(|density| density[2] & 0x20 != 0).count(), 1, "{product}: one DEFLT");
        for (density, format) in densities.iter().zip(profile.supported_media) {
            // DUP 0, and DEFLT of the native generation.
            assert_eq!((density[0], density[2] & 0x5f), (format.media.density, 0), "{product}");
            assert_eq!(density[2] & 0x20 != 0, format.media == profile.native_media, "{product}");
            let mut drive = empty(product);
            drive.insert(cartridge(format.media, CartridgeKind::Data, 1 << 30)).unwrap();
            clear_attentions(&mut drive);
            let mounted = run(&mut drive, "44 01 00 00 00 00 00 0f ff 00", &[], 4096).2;
            assert_eq!(
                (mounted.len(), mounted[4], mounted[6] & 0x80),
                (56, density[0], density[2] & 0x80),
                "{product}"
            );
            let (status, sense, _) = run(&mut drive, "0a 00 00 00 05 00", b"hello", 0);
            assert_eq!(status == 0, density[2] & 0x80 != 0, "{product} {}: {sense:02x?}", format.media.name);
            let protected = run(&mut drive, "1a 08 0f 00 ff 00", &[], 255).2[2] & 0x80 != 0;
            assert_eq!(protected, density[2] & 0x80 == 0, "{product} {}: WP", format.media.name);
        }
    }
}

/// READ BLOCK LIMITS: maximum and minimum block length, and one byte beyond; MLOI.
#[test]
fn block_limits_are_enforced() {
    for product in ["ULT3580-TD8", "Ultrium 6-SCSI", "T10000B", "DLT8000", "VIRTUAL DRIVE"] {
        let mut drive = ready(product);
        let limits = run(&mut drive, "05 00 00 00 00 00", &[], 6).2;
        let (most, least) = (u32::from_be_bytes([0, limits[1], limits[2], limits[3]]), [limits[4], limits[5]]);
        assert_eq!((limits[0], most, least), (0, 0x0080_0000, [0, 1]), "{product}");
        let mut block = vec![0x5a; 0x0080_0001];
        good(&mut drive, "0a 00 80 00 00 00", &block[..0x0080_0000]);
        good(&mut drive, "0a 00 00 00 01 00", &block[..1]);
        let sense = run(&mut drive, "0a 00 80 00 01 00", &block, 0).1;
        assert_eq!((sense[2], sense[12], sense[13]), (5, 0x24, 0), "{product}");
        good(&mut drive, "01 00 00 00 00 00", b"");
        block.pop();
        assert_eq!(run(&mut drive, "08 00 80 00 00 00", &[], 0x0080_0000), (0, vec![], block), "{product}");
    }
}

/// VPD page B0h: WORM, and B5h: methods of logical block protection; page 86h.
#[test]
fn vpd_pages_match_behaviour() {
    for profile in profile::ALL {
        let product = profile.name();
        let mut drive = empty(product);
        let page = |drive: &mut Drive, code: &str| run(drive, &format!("12 01 {code} 02 00 00"), &[], 512);
        let worm = matches!(page(&mut drive, "b0"), (0, _, data) if data[4] & 0x01 != 0);
        let native = profile.native_media;
        if !native.worm_suffix.is_empty() && profile.vpd_pages.contains(&0xb0) {
            let mut drive = empty(product);
            drive.insert(cartridge(native, CartridgeKind::Worm, 1 << 30)).unwrap();
            clear_attentions(&mut drive);
            assert_eq!(run(&mut drive, "00 00 00 00 00 00", &[], 0).0 == 0, worm, "{product}: WORM");
        }
        let protect = |drive: &mut Drive, method: u8, length: u8, directions: u8| {
            let list = format!("00 00 00 10 00 00 00 00 4a f0 00 1c {method:02x} {length:02x} {directions:02x}");
            let mut list = bytes(&list);
            list.resize(40, 0);
            run(drive, "55 10 00 00 00 00 00 00 28 00", &list, 0).0 == 0
        };
        let (status, _, methods) = page(&mut drive, "b5");
        let known: Vec<&[u8]> = if status == 0 { methods[8..].chunks(8).collect() } else { vec![] };
        for method in 1..=0xff {
            let listed = known.iter().find(|descriptor| descriptor[1] == method);
            assert_eq!(protect(&mut drive, method, 4, 0xc0), listed.is_some(), "{product}: method {method:02x}");
            // LBP_W_C and LBP_R_C; no RECOVER BUFFERED DATA.
            assert!(listed.is_none_or(|descriptor| descriptor[2] == 4 && descriptor[3] & 0xe0 == 0xc0), "{product}");
        }
        if !known.is_empty() {
            assert!(!protect(&mut drive, known[1][1], 4, 0xe0), "{product}: RBDP");
        }
        if let (0, _, extended) = page(&mut drive, "86") {
            // SPT, SIMPSUP, and the maximum length of sense data.
            assert_eq!(
                (extended[4] & 0x38 != 0, extended[5], extended[13]),
                (!known.is_empty(), 0x01, 48),
                "{product}"
            );
        }
    }
}

/// Mode page 0Fh: DCC and DDE; 10h: BIS, REWIND ON RESET; 11h: number of partitions.
#[test]
fn mode_page_capabilities_match_behaviour() {
    for product in models() {
        let mut drive = ready(product);
        let page =
            |drive: &mut Drive, page: u8| run(drive, &format!("1a 08 {page:02x} 00 ff 00"), &[], 255).2[4..].to_vec();
        let used = |compressed: bool| {
            let (mut drive, zeros) = (ready(product), vec![0; 1 << 20]);
            drive.set_codec(Codec::zstd(1));
            let mut list = [&[0, 0, 0x10, 0], page(&mut drive, 0x0f).as_slice()].concat();
            list[6] = if compressed { 0xc0 } else { 0x40 };
            good(&mut drive, "15 10 00 00 14 00", &list);
            for _ in 0..4 {
                good(&mut drive, "0a 00 10 00 00 00", &zeros);
            }
            good(&mut drive, "10 00 00 00 00 00", b"");
            let left = run(&mut drive, "4d 00 71 00 00 00 00 00 ff 00", &[], 255).2;
            u32::from_be_bytes(left[8..12].try_into().unwrap())
        };
        let compression = page(&mut drive, 0x0f);
        assert_eq!((compression[2] & 0x40, compression[3] & 0x80), (0x40, 0x80), "{product}: DCC and DDE");
        assert!(used(true) > used(false) + 2, "{product}");
        // BIS: block numbers are supported. REWIND ON RESET 10b: a reset keeps the position.
        let device = page(&mut drive, 0x10);
        assert_eq!(device[8] & 0x40, 0x40, "{product}");
        good(&mut drive, "0a 00 00 00 05 00", b"hello");
        assert_eq!(position(&mut drive), 1, "{product}");
        drive.handle_event(TransportEvent::UnitReset, Now::default());
        clear_attentions(&mut drive);
        let stays = device[15] >> 3 & 0b11 != 0b01;
        assert_eq!(position(&mut drive), u32::from(stays), "{product}: REWIND ON RESET");
        good(&mut drive, "01 00 00 00 00 00", b"");
        // MAXIMUM ADDITIONAL PARTITIONS: that number, and no more. POFM: FORMAT MEDIUM creates them.
        let medium = page(&mut drive, 0x11);
        let select = |drive: &mut Drive, count: u8| {
            let mut list = [&[0, 0, 0x10, 0], medium.as_slice()].concat();
            (list[7], list[8]) = (count, list[8] & 0x1f | 0x40);
            run(drive, &format!("15 10 00 00 {:02x} 00", list.len()), &list, 0).0 == 0
        };
        assert!(!select(&mut drive, medium[2] + 1), "{product}");
        let fixed = run(&mut drive, "1a 08 51 00 ff 00", &[], 255).2[6..] == [0; 14];
        assert_eq!(select(&mut drive, medium[2]), !fixed, "{product}");
        assert_eq!(fixed, medium[2] == 0, "{product}: what is one partition stays one");
        assert_eq!(medium[4] & 0x04, 0x04, "{product}: POFM");
        good(&mut drive, "04 00 01 00 00 00", b"");
        assert_eq!(page(&mut drive, 0x11)[3], medium[2], "{product}");
    }
}

/// PERSISTENT RESERVE IN, REPORT CAPABILITIES.
#[test]
fn report_capabilities_match_behaviour() {
    let mut drive = loaded(1 << 30);
    let capabilities = |drive: &mut Drive| run(drive, "5e 02 00 00 00 00 00 00 08 00", &[], 8).2;
    let register = |drive: &mut Drive, old: u8, new: u8, flags: u8, more: &[u8]| {
        let mut list = vec![0; 24];
        (list[7], list[15], list[20]) = (old, new, flags);
        list.extend_from_slice(more);
        run(drive, &format!("5f 00 00 00 00 00 00 00 {:02x} 00", list.len()), &list, 0).0
    };
    // SIP_C, ATP_C, PTPL_C; TMV and the type mask; PTPL_A as requested.
    assert_eq!(capabilities(&mut drive), bytes("00 08 0d 80 ea 01 00 00"));
    let other = TransportId::local(2);
    let ids = [&u32::try_from(other.as_bytes().len()).unwrap().to_be_bytes()[..], other.as_bytes()].concat();
    assert_eq!(register(&mut drive, 0, 5, 0x0c, &ids), 0);
    let keys = run(&mut drive, "5e 00 00 00 00 00 00 00 ff 00", &[], 255).2;
    assert_eq!(keys[7], 16, "SIP_C: both are registered");
    let full = run(&mut drive, "5e 03 00 00 00 00 00 01 00 00", &[], 256).2;
    assert_eq!(full[8 + 12] & 0x02, 0x02, "ATP_C");
    assert_eq!(register(&mut drive, 5, 5, 0x01, &[]), 0);
    assert_eq!(capabilities(&mut drive)[3] & 0x01, 0x01, "PTPL_A");
    assert_ne!(drive.lu().saved().reservations, lu::SavedState::default().reservations, "PTPL_C");
    assert_eq!(register(&mut drive, 5, 5, 0x00, &[]), 0);
    assert_eq!(capabilities(&mut drive)[3] & 0x01, 0x00);
    // Types in the mask can be reserved, others cannot.
    for kind in 0..16_u16 {
        let named = 0x01ea >> kind & 1 == 1;
        let list = [&[0; 7][..], &[5], &[0; 16]].concat();
        let reserve = |action: u8| format!("5f {action:02x} {kind:02x} 00 00 00 00 00 18 00");
        let (status, sense, _) = run(&mut drive, &reserve(1), &list, 0);
        assert_eq!(status == 0, named, "type {kind}");
        if named {
            good(&mut drive, &reserve(2), &list);
        } else {
            assert_eq!(sense[12..18], bytes("24 00 00 cb 00 02"), "type {kind}");
        }
    }
    // CRH 0: a RESERVE conflicts. RLR_C 0: REPLACE LOST RESERVATION is not supported.
    assert_eq!(run(&mut drive, "16 00 00 00 00 00", &[], 0).0, 0x18);
    assert_eq!(run(&mut drive, "5f 08 00 00 00 00 00 00 18 00", &[0; 24], 0).1[12..18], bytes("24 00 00 cc 00 01"));
}

/// Bits of fields with invalid values: operation code, service action, byte, bit.
const FIELDS_WITH_RESERVED_VALUES: [(u8, u8, usize, u8); 16] = [
    // FORMAT above 3h; CODE above 7h; BYTCMP without data and VLBPM without a method; unsupported page 20h.
    (0x04, 0, 2, 3),
    (0x11, 0, 1, 3),
    (0x13, 0, 1, 0),
    (0x13, 0, 1, 4),
    (0x1a, 0, 2, 5),
    // SELF-TEST CODE 4h: no background self-test runs that could be aborted.
    (0x1d, 0, 1, 7),
    // MODE SPECIFIC, of microcode modes only; modes above 0Fh; page 20h.
    (0x3b, 0, 1, 4),
    (0x3b, 0, 1, 7),
    (0x3c, 0, 1, 4),
    (0x4c, 0, 2, 5),
    (0x5a, 0, 2, 5),
    // CODE, DEST_TYPE, INFORMATION TYPE, REPORTING OPTIONS.
    (0x91, 0, 1, 3),
    (0x92, 0, 1, 5),
    (0xa3, 0x05, 10, 7),
    (0xa3, 0x0c, 2, 2),
    (0xa4, 0x06, 10, 7),
];

/// REPORT SUPPORTED OPERATION CODES: CDB USAGE DATA of each command. A bit outside it is rejected with a pointer to the
/// bit, a bit in it is accepted.
#[test]
fn cdb_usage_bits_match_accepted_cdbs() {
    for product in ["ULT3580-TD8", "Ultrium 6-SCSI", "T10000B"] {
        let mut drive = ready(product);
        let list = run(&mut drive, "a3 0c 00 00 00 00 00 00 ff ff 00 00", &[], 8192).2;
        for command in list[4..].chunks(8) {
            let has_action = command[5] & 0x01 == 1;
            let options = if has_action { 2 } else { 1 };
            let [opcode, high, low] = [command[0], command[2], command[3]];
            let ask = format!("a3 0c {options:02x} {opcode:02x} {high:02x} {low:02x} 00 00 01 00 00 00");
            let usage = run(&mut drive, &ask, &[], 256).2[4..].to_vec();
            assert_eq!((usage.len(), usage[0]), (usize::from(command[7]), opcode), "{product} {command:02x?}");
            for (byte, bit) in (1..usage.len()).flat_map(|byte| (0..8).map(move |bit| (byte, bit))) {
                if has_action && byte == 1 && bit < 5 {
                    continue;
                }
                let mut cdb = vec![0; usage.len()];
                (cdb[0], cdb[1]) = (opcode, low);
                cdb[byte] |= 1 << bit;
                let text = cdb.iter().map(|byte| format!("{byte:02x} ")).collect::<String>();
                clear_attentions(&mut drive);
                let (status, sense, _) = run(&mut drive, &text, &[], 64);
                let at = [0x24, 0, 0, 0xc8 | bit, 0, u8::try_from(byte).unwrap()];
                let refused = status == 2 && sense[12..18] == at;
                let defined = usage[byte] >> bit & 1 == 1;
                // INQUIRY accepts a LUN in byte 1.
                let lun = opcode == 0x12 && byte == 1 && bit > 4;
                let value = FIELDS_WITH_RESERVED_VALUES.contains(&(opcode, low, byte, bit));
                assert_eq!(refused, !defined && !lun || value, "{product} {text}: {sense:02x?}");
            }
        }
    }
}

/// Changeable values: of each byte with changeable bits, at least one bit can be changed alone.
#[test]
fn changeable_bits_can_be_changed() {
    for profile in profile::ALL {
        let product = profile.name();
        for def in profile.mode_pages {
            let (page, subpage) = (def.id.page, def.id.subpage);
            let sense = |drive: &mut Drive, control: u8| {
                let cdb = format!("5a 08 {:02x} {subpage:02x} 00 00 00 01 00 00", control << 6 | page);
                run(drive, &cdb, &[], 256).2[8..].to_vec()
            };
            let mask = sense(&mut empty(product), 1);
            let header = if subpage == 0 { 2 } else { 4 };
            for (byte, mask) in mask.iter().enumerate().skip(header).filter(|(_, mask)| **mask != 0) {
                // A protection method needs LBP_W or LBP_R.
                if (page, subpage, byte) == (0x0a, 0xf0, 4) || (page, subpage, byte) == (0x0a, 0xf0, 6) {
                    continue;
                }
                let changed = (0..8).filter(|bit| mask >> bit & 1 == 1).any(|bit| {
                    let mut drive = ready(product);
                    let mut list = [&[0, 0, 0, 0x10, 0, 0, 0, 0], sense(&mut drive, 0).as_slice()].concat();
                    list[8] &= 0x7f;
                    list[8 + byte] ^= 1 << bit;
                    run(&mut drive, &format!("55 10 00 00 00 00 00 00 {:02x} 00", list.len()), &list, 0).0 == 0
                });
                assert!(changed, "{product}: page {page:02x}/{subpage:02x} byte {byte}");
            }
        }
    }
}
