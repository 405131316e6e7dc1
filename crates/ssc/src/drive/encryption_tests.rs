//! Encryption by SECURITY PROTOCOL IN and OUT, as literal bytes.

use super::tests::{
    HOST, OTHER, bytes, cartridge, cartridge_in_format, check, clear_attentions, empty, good, loaded, position, run,
    run_as,
};
use tape_store::cartridge::{CartridgeKind, Format};
use tape_store::media::{LTO_3, LTO_4, LTO_8};

/// SECURITY PROTOCOL IN of a page, with an allocation length of 512 bytes.
fn page(drive: &mut super::Drive, code: &str) -> Vec<u8> {
    let (status, sense, data) = run(drive, &format!("a2 20 00 {code} 00 00 00 00 02 00 00 00"), &[], 512);
    assert_eq!((status, sense), (0, vec![]), "{code}");
    data
}

/// Set Data Encryption list: scope and lock, flags, modes; then the key and its key-associated data.
fn set(head: &str, key: &[u8], kads: &str) -> Vec<u8> {
    let mut list = bytes(&format!("00 10 00 00 {head} 01 00 00 00 00 00 00 00 00 00"));
    list.extend_from_slice(&u16::try_from(key.len()).unwrap().to_be_bytes());
    list.extend_from_slice(key);
    list.extend_from_slice(&bytes(kads));
    let len = u16::try_from(list.len() - 4).unwrap().to_be_bytes();
    list[2..4].copy_from_slice(&len);
    list
}

fn send(drive: &mut super::Drive, nexus: scsi_core::nexus::NexusId, list: &[u8]) -> (u8, Vec<u8>) {
    let cdb = format!("b5 20 00 10 00 00 00 00 {:02x} {:02x} 00 00", list.len() / 256, list.len() % 256);
    let (status, sense, _) = run_as(drive, nexus, &cdb, list, 0);
    (status, sense)
}

const GOOD: (u8, Vec<u8>) = (0, Vec::new());

/// Sense key, code and qualifier of a response.
fn codes(answer: &(u8, Vec<u8>, Vec<u8>)) -> (u8, u8, u8) {
    (answer.1[2] & 0x0f, answer.1[12], answer.1[13])
}

#[test]
fn encryption_capabilities() {
    let mut drive = loaded(1 << 30);
    let protocols = run(&mut drive, "a2 00 00 00 00 00 00 00 00 40 00 00", &[], 64).2;
    assert_eq!(protocols, bytes("00 00 00 00 00 00 00 02 00 20"));
    assert_eq!(
        page(&mut drive, "00"),
        bytes("00 00 00 14 00 00 00 01 00 10 00 11 00 12 00 20 00 21 00 22 00 30 00 31")
    );
    assert_eq!(page(&mut drive, "01"), bytes("00 01 00 02 00 10"));
    let capabilities = "00 10 00 28 05 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 \
        01 00 00 14 ba 98 00 20 00 0c 00 20 e9 00 00 00 00 00 00 00 00 01 00 14";
    assert_eq!(page(&mut drive, "10"), bytes(capabilities));
    assert_eq!(page(&mut drive, "11"), bytes("00 11 00 02 00 02"));
    assert_eq!(page(&mut drive, "12"), bytes("00 12 00 0c 01 07 00 07 00 00 00 00 00 00 00 00"));
    let clear = "00 20 00 14 00 00 00 00 00 00 00 00 10 00 00 00 00 00 00 00 00 00 00 00";
    assert_eq!(page(&mut drive, "20"), bytes(clear));
    // Truncated to the allocation length; INC_512 counts units of 512 bytes and pads.
    assert_eq!(run(&mut drive, "a2 20 00 12 00 00 00 00 00 06 00 00", &[], 512).2, bytes("00 12 00 0c 01 07"));
    assert_eq!(run(&mut drive, "a2 20 00 12 80 00 00 00 00 01 00 00", &[], 512).2.len(), 512);
    for (cdb, byte) in [("a2 20 00 32 00 00 00 00 00 40 00 00", 2), ("a2 21 00 00 00 00 00 00 00 40 00 00", 1)] {
        let sense = run(&mut drive, cdb, &[], 64).1;
        assert_eq!((sense[2], sense[12], sense[15], sense[17]), (5, 0x24, 0xc0, byte), "{cdb}");
    }
}

#[test]
fn key_is_used_on_write_and_read() {
    let (key, wrong) = ([0x11; 32], [0x22; 32]);
    let mut drive = loaded(1 << 30);
    // ALL I_T NEXUS, encrypt, mixed, with a U-KAD and an A-KAD.
    let kads = "00 00 00 04 6b 65 79 31 01 00 00 02 aa bb";
    assert_eq!(send(&mut drive, HOST, &set("40 00 02 03", &key, kads)), GOOD);
    let status = "00 20 00 22 42 02 03 01 00 00 00 01 11 00 00 00 00 00 00 00 00 00 00 00 \
        00 00 00 04 6b 65 79 31 01 00 00 02 aa bb";
    assert_eq!(page(&mut drive, "20"), bytes(status));
    good(&mut drive, "0a 00 00 00 05 00", b"hello");
    assert_eq!(send(&mut drive, HOST, &set("40 00 00 00", &[], "")), GOOD);
    good(&mut drive, "0a 00 00 00 05 00", b"clear");
    good(&mut drive, "10 00 00 00 01 00", &[]);
    good(&mut drive, "01 00 00 00 00 00", &[]);
    let read = "08 00 00 00 05 00";
    // Without a key, with another one, with one that reads no unencrypted blocks; the position stays before the block.
    assert_eq!(codes(&run(&mut drive, read, &[], 5)), (7, 0x74, 0x01));
    let next = page(&mut drive, "21");
    assert_eq!(next[4..16], bytes("00 00 00 00 00 00 00 00 06 01 01 00"));
    assert_eq!(next[16..24], bytes("00 01 00 04 6b 65 79 31"));
    assert_eq!(send(&mut drive, HOST, &set("40 00 00 03", &wrong, "")), GOOD);
    assert_eq!(codes(&run(&mut drive, read, &[], 5)), (7, 0x74, 0x03));
    assert_eq!(position(&mut drive), 0);
    assert_eq!(send(&mut drive, HOST, &set("40 00 00 02", &key, "")), GOOD);
    assert_eq!(page(&mut drive, "21")[12..14], bytes("05 01"));
    assert_eq!(run(&mut drive, read, &[], 5), (0, vec![], b"hello".to_vec()));
    assert_eq!(page(&mut drive, "21")[12..14], bytes("03 00"));
    assert_eq!(codes(&run(&mut drive, read, &[], 5)), (7, 0x74, 0x02));
    assert_eq!(send(&mut drive, HOST, &set("40 00 00 03", &key, "")), GOOD);
    assert_eq!(run(&mut drive, read, &[], 5), (0, vec![], b"clear".to_vec()));
    assert_eq!(page(&mut drive, "21")[12..14], bytes("02 00"));
    // SPACE and LOCATE need no key.
    assert_eq!(send(&mut drive, HOST, &set("40 00 00 00", &[], "")), GOOD);
    good(&mut drive, "2b 00 00 00 00 00 01 00 00 00", &[]);
    good(&mut drive, "11 00 ff ff ff 00", &[]);
    assert_eq!(position(&mut drive), 0);
}

#[test]
fn parameters_follow_their_scope() {
    let mut drive = loaded(1 << 30);
    let unit_attention = |drive: &mut super::Drive, nexus| {
        let answer = run_as(drive, nexus, "00 00 00 00 00 00", &[], 0);
        if answer.0 == 0 { None } else { Some(codes(&answer)) }
    };
    assert_eq!(send(&mut drive, HOST, &set("40 00 02 03", &[1; 32], "")), GOOD);
    assert_eq!(unit_attention(&mut drive, OTHER), Some((6, 0x2a, 0x11)));
    assert_eq!(unit_attention(&mut drive, HOST), None);
    // The other nexus locks that key, and can write until it changes.
    assert_eq!(send(&mut drive, OTHER, &set("01 00 00 00", &[], "")), GOOD);
    assert_eq!(run_as(&mut drive, OTHER, "0a 00 00 00 01 00", b"x", 0).0, 0);
    assert_eq!(send(&mut drive, HOST, &set("40 00 02 03", &[2; 32], "")), GOOD);
    assert_eq!(unit_attention(&mut drive, OTHER), Some((6, 0x2a, 0x11)));
    assert_eq!(codes(&run_as(&mut drive, OTHER, "0a 00 00 00 01 00", b"x", 0)), (7, 0x2a, 0x13));
    // With a local key it neither shares the key nor gets a unit attention.
    assert_eq!(send(&mut drive, OTHER, &set("20 00 02 03", &[3; 32], "")), GOOD);
    assert_eq!(run_as(&mut drive, OTHER, "0a 00 00 00 01 00", b"x", 0).0, 0);
    assert_eq!(send(&mut drive, HOST, &set("40 00 00 00", &[], "")), GOOD);
    assert_eq!(unit_attention(&mut drive, OTHER), None);
    let own = run_as(&mut drive, OTHER, "a2 20 00 20 00 00 00 00 02 00 00 00", &[], 512).2;
    assert_eq!(own[4..8], bytes("21 02 03 01"));
}

#[test]
fn ckod_clears_the_key_at_demount() {
    let mut drive = loaded(1 << 30);
    // CKOD.
    assert_eq!(send(&mut drive, HOST, &set("40 04 02 03", &[1; 32], "")), GOOD);
    clear_attentions(&mut drive);
    good(&mut drive, "1b 00 00 00 00 00", &[]);
    assert_eq!(codes(&run(&mut drive, "00 00 00 00 00 00", &[], 0)), (6, 0x2a, 0x12));
    assert_eq!(page(&mut drive, "20")[4..8], bytes("00 00 00 00"));
    // CKOD needs a mounted volume.
    assert_eq!(send(&mut drive, HOST, &set("40 04 02 03", &[1; 32], "")).1[12..18], bytes("26 00 00 8a 00 05"));
    // Without CKOD a key survives loads.
    assert_eq!(send(&mut drive, HOST, &set("40 00 02 03", &[1; 32], "")), GOOD);
    good(&mut drive, "1b 00 00 00 01 00", &[]);
    assert_eq!(page(&mut drive, "20")[4..8], bytes("42 02 03 01"));
}

#[test]
fn rejected_list_changes_nothing() {
    let mut drive = loaded(1 << 30);
    let key = [7; 32];
    // SENSE-KEY SPECIFIC: SKSV, BPV and the most significant bit of a field that is smaller than a byte; then its byte.
    for (list, specific, byte) in [
        (set("60 00 02 03", &key, ""), 0x8f, 4),
        (set("42 00 02 03", &key, ""), 0x89, 4),
        (set("10 00 00 00", &[], ""), 0x8c, 4),
        (set("40 08 02 03", &key, ""), 0x8b, 5),
        (set("40 10 02 03", &key, ""), 0x8d, 5),
        (set("40 02 02 03", &key, ""), 0x89, 5),
        (set("40 01 02 03", &key, ""), 0x88, 5),
        (set("40 00 03 03", &key, ""), 0x80, 6),
        (set("40 00 02 04", &key, ""), 0x80, 7),
        (set("40 00 02 03", &key[1..], ""), 0x80, 18),
        (set("40 00 02 03", &[], ""), 0x80, 18),
        (set("40 00 02 03", &key, "02 00 00 01 aa"), 0x80, 52),
        (set("40 00 02 03", &key, "00 f8 00 01 aa"), 0x8f, 53),
        (set("40 00 02 03", &key, "00 00 00 01 aa 01 08 00 01 bb"), 0x8b, 58),
        (set("40 00 00 03", &key, "00 f8 00 01 aa"), 0x8f, 53),
        (set("40 00 02 03", &key, "01 00 00 01 aa 00 00 00 01 bb"), 0x80, 57),
        (set("40 00 02 03", &key, "01 00 00 01 aa 01 00 00 01 bb"), 0x80, 57),
        (set("40 00 02 03", &key, "01 00 00 0d 00 00 00 00 00 00 00 00 00 00 00 00 00"), 0x80, 54),
        (set("40 00 02 03", &key, "00 00 00 09 aa"), 0x80, 54),
    ] {
        let (status, sense) = send(&mut drive, HOST, &list);
        assert_eq!((status, sense[2], sense[12], sense[13], sense[15]), (2, 5, 0x26, 0, specific), "byte {byte}");
        assert_eq!(u16::from_be_bytes([sense[16], sense[17]]), byte);
    }
    // Reserved bytes 11 to 17 of every scope except PUBLIC, of which only SCOPE and LOCK are used.
    for byte in 11..18_u8 {
        let mut list = set("40 00 02 03", &key, "");
        list[usize::from(byte)] = 0x04;
        assert_eq!(send(&mut drive, HOST, &list).1[12..18], [0x26, 0, 0, 0x8a, 0, byte]);
        list[4] = 0;
        assert_eq!(send(&mut drive, HOST, &list), GOOD);
    }
    let mut other = set("40 00 02 03", &key, "");
    other[8] = 2;
    assert_eq!(send(&mut drive, HOST, &other).1[12..18], bytes("26 00 00 80 00 08"));
    other[3] += 1;
    assert_eq!(send(&mut drive, HOST, &other).1[12..14], bytes("1a 00"));
    assert_eq!(send(&mut drive, HOST, &other[..10]).1[12..14], bytes("1a 00"));
    assert_eq!(page(&mut drive, "20")[4..12], bytes("00 00 00 00 00 00 00 00"));
    check(
        &mut drive,
        "b5 20 00 11 00 00 00 00 00 00 00 00",
        &[],
        0,
        "70 00 05 00 00 00 00 0a 00 00 00 00 24 00 00 c0 00 02",
        &[],
    );
    good(&mut drive, "b5 20 00 10 00 00 00 00 00 00 00 00", &[]);
    // Index 0 is accepted for 1, as stenc sends it.
    let mut zero = set("40 00 02 03", &key, "");
    zero[8] = 0;
    assert_eq!(send(&mut drive, HOST, &zero), GOOD);
    assert_eq!(page(&mut drive, "20")[4..8], bytes("42 02 03 01"));
}

#[test]
fn ten_wrong_keys_lock_decryption() {
    let mut drive = loaded(1 << 30);
    assert_eq!(send(&mut drive, HOST, &set("40 00 02 03", &[1; 32], "")), GOOD);
    good(&mut drive, "0a 00 00 00 01 00", b"x");
    good(&mut drive, "01 00 00 00 00 00", &[]);
    for seed in 2..12 {
        assert_eq!(send(&mut drive, HOST, &set("40 00 00 03", &[seed; 32], "")), GOOD);
        assert_eq!(codes(&run(&mut drive, "08 00 00 00 01 00", &[], 1)), (7, 0x74, 0x03));
    }
    let (_, sense) = send(&mut drive, HOST, &set("40 00 00 03", &[1; 32], ""));
    assert_eq!((sense[2], sense[12], sense[13]), (7, 0x26, 0x10));
    good(&mut drive, "1b 00 00 00 00 00", &[]);
    good(&mut drive, "1b 00 00 00 01 00", &[]);
    assert_eq!(send(&mut drive, HOST, &set("40 00 00 03", &[1; 32], "")), GOOD);
    assert_eq!(run(&mut drive, "08 00 00 00 01 00", &[], 1).2, b"x");
}

#[test]
fn reset_clears_keys_and_mhvtl_volume_refuses_encryption() {
    let mut drive = loaded(1 << 30);
    assert_eq!(send(&mut drive, HOST, &set("40 00 02 03", &[1; 32], "")), GOOD);
    use scsi_core::target::{LogicalUnit, TransportEvent};
    drive.handle_event(TransportEvent::TargetReset, scsi_core::time::Now::default());
    clear_attentions(&mut drive);
    assert_eq!(page(&mut drive, "20")[4..8], bytes("00 00 00 00"));
    let mut drive = empty("ULT3580-TD8");
    assert_eq!(page(&mut drive, "10")[24..26], bytes("3a 18"));
    drive.insert(cartridge_in_format(Format::Mhvtl, &LTO_8, CartridgeKind::Data, 500 << 20)).unwrap();
    clear_attentions(&mut drive);
    assert_eq!(page(&mut drive, "10")[24..26], bytes("3a 58"));
    assert_eq!(send(&mut drive, HOST, &set("40 00 02 03", &[1; 32], "")), GOOD);
    assert_eq!(codes(&run(&mut drive, "0a 00 00 00 01 00", b"x", 0)), (7, 0x74, 0x07));
    assert_eq!(position(&mut drive), 0);
    let _ = cartridge(&LTO_8, CartridgeKind::Data, 1 << 20);
}

#[test]
fn raw_read_and_external_write() {
    let mut drive = loaded(1 << 30);
    // One block that can be read raw, one that cannot.
    assert_eq!(send(&mut drive, HOST, &set("40 20 02 03", &[1; 32], "03 00 00 04 6d 6b 61 64")), GOOD);
    good(&mut drive, "0a 00 00 00 05 00", b"hello");
    assert_eq!(send(&mut drive, HOST, &set("40 30 02 03", &[1; 32], "")), GOOD);
    good(&mut drive, "0a 00 00 00 05 00", b"secret"[..5].as_ref());
    good(&mut drive, "01 00 00 00 00 00", &[]);
    assert_eq!(send(&mut drive, HOST, &set("40 00 00 01", &[], "")), GOOD);
    let (status, sense, raw) = run(&mut drive, "08 02 00 02 00 00", &[], 512);
    assert_eq!((status, sense), (0, vec![]));
    assert!(!raw.windows(5).any(|window| window == b"hello"));
    assert_eq!(codes(&run(&mut drive, "08 02 00 02 00 00", &[], 512)), (7, 0x74, 0x0a));
    assert_eq!(position(&mut drive), 1);
    // The raw block is written elsewhere unchanged, marked as EXTERNAL, and read there with its key.
    assert_eq!(send(&mut drive, HOST, &set("40 00 01 01", &[], "")), GOOD);
    good(&mut drive, "11 03 00 00 00 00", &[]);
    good(&mut drive, &format!("0a 00 00 00 {:02x} 00", raw.len()), &raw);
    let wrong = run(&mut drive, "0a 00 00 00 05 00", b"hello", 0);
    assert_eq!((codes(&wrong), position(&mut drive)), ((7, 0x74, 0x07), 3));
    good(&mut drive, "2b 00 00 00 00 00 02 00 00 00", &[]);
    assert_eq!(page(&mut drive, "21")[12..24], bytes("06 01 02 00 03 02 00 04 6d 6b 61 64"));
    assert_eq!(send(&mut drive, HOST, &set("40 00 00 02", &[1; 32], "")), GOOD);
    assert_eq!(run(&mut drive, "08 00 00 00 05 00", &[], 5).2, b"hello");
    // CEEM: first blocks written in EXTERNAL mode are rejected, then those written in ENCRYPT mode.
    let read = "08 00 00 00 05 00";
    assert_eq!(send(&mut drive, HOST, &set("40 80 00 02", &[1; 32], "")), GOOD);
    assert_eq!(page(&mut drive, "20")[12], 0x14);
    good(&mut drive, "2b 00 00 00 00 00 02 00 00 00", &[]);
    assert_eq!(codes(&run(&mut drive, read, &[], 5)), (7, 0x74, 0x09));
    good(&mut drive, "01 00 00 00 00 00", &[]);
    assert_eq!(run(&mut drive, read, &[], 5).2, b"hello");
    assert_eq!(send(&mut drive, HOST, &set("40 c0 00 02", &[1; 32], "")), GOOD);
    assert_eq!(codes(&run(&mut drive, read, &[], 5)), (7, 0x74, 0x09));
    // Encrypted range in the cartridge memory: first encrypted block, and no unencrypted one after it.
    let first = run(&mut drive, "8c 00 00 00 00 00 00 00 02 24 00 00 00 11 00 00", &[], 17).2;
    assert_eq!(first[4..], bytes("02 24 80 00 08 00 00 00 00 00 00 00 00"));
}

#[test]
fn ckorp_and_ckorl_clear_keys() {
    let register = |drive: &mut super::Drive, nexus, key: u8| {
        let mut list = vec![0; 24];
        list[15] = key;
        run_as(drive, nexus, "5f 06 00 00 00 00 00 00 18 00", &list, 0).0
    };
    let out = |drive: &mut super::Drive, nexus, action: u8, key: u8, other: u8| {
        let mut list = vec![0; 24];
        (list[7], list[15]) = (key, other);
        run_as(drive, nexus, &format!("5f {action:02x} 05 00 00 00 00 00 18 00"), &list, 0).0
    };
    for (flags, release, preempt) in [("02", false, true), ("01", true, true)] {
        for take in [false, true] {
            let mut drive = loaded(1 << 30);
            assert_eq!((register(&mut drive, HOST, 1), register(&mut drive, OTHER, 2)), (0, 0));
            // CKORP and CKORL need a reservation.
            let list = set(&format!("40 {flags} 02 03"), &[1; 32], "");
            assert_eq!(
                send(&mut drive, HOST, &list).1[15..18],
                bytes(if flags == "02" { "89 00 05" } else { "88 00 05" })
            );
            assert_eq!(out(&mut drive, HOST, 1, 1, 0), 0);
            assert_eq!(send(&mut drive, HOST, &list), GOOD);
            clear_attentions(&mut drive);
            let done = if take { out(&mut drive, OTHER, 4, 2, 1) } else { out(&mut drive, HOST, 2, 1, 0) };
            assert_eq!(done, 0);
            clear_attentions(&mut drive);
            let kept = page(&mut drive, "20")[5] == 2;
            assert_eq!(kept, !(if take { preempt } else { release }), "{flags} {take}");
        }
    }
}

#[test]
fn wrapped_keys_and_random_numbers() {
    let mut drive = loaded(1 << 30);
    let random = page(&mut drive, "30");
    assert_eq!((&random[..4], random.len()), (&bytes("00 30 00 20")[..], 36));
    assert_ne!(random, page(&mut drive, "30"));
    assert_eq!(page(&mut drive, "22"), bytes("00 22 00 00 00 00 00 00"));
    let public = run(&mut drive, "a2 20 00 31 00 00 00 00 04 00 00 00", &[], 1024).2;
    assert_eq!((&public[..14], public.len()), (&bytes("00 31 02 0a 00 00 00 00 00 00 00 00 02 00")[..], 14 + 512));
    assert_eq!(public, run(&mut drive, "a2 20 00 31 00 00 00 00 04 00 00 00", &[], 1024).2);
    // Parameter set, label, wrapped key, no signature.
    let wrapped = tape_store::key_wrapping::wrap_key(&public[14..], &[1; 32], b"label");
    let mut field = bytes("00 00 00 05");
    field.extend_from_slice(b"label");
    field.extend_from_slice(&bytes("01 00"));
    field.extend_from_slice(&wrapped);
    field.extend_from_slice(&[0, 0]);
    let mut list = set("40 00 02 03", &field, "");
    list[9] = 2;
    assert_eq!(send(&mut drive, HOST, &list), GOOD);
    good(&mut drive, "0a 00 00 00 05 00", b"hello");
    good(&mut drive, "01 00 00 00 00 00", &[]);
    assert_eq!(send(&mut drive, HOST, &set("40 00 00 02", &[1; 32], "")), GOOD);
    assert_eq!(run(&mut drive, "08 00 00 00 05 00", &[], 5).2, b"hello");
    // Another label, another parameter set, a truncated field.
    for (at, value, byte) in [(24, b'L', 29), (20, 1, 20), (23, 0xff, 20 + 269)] {
        let mut bad = list.clone();
        bad[at] = value;
        let (_, sense) = send(&mut drive, HOST, &bad);
        assert_eq!((&sense[12..16], u16::from_be_bytes([sense[16], sense[17]])), (&bytes("26 00 00 80")[..], byte));
    }
}

/// READ ATTRIBUTE of one attribute of a partition; `None` if it does not exist.
fn attribute(drive: &mut super::Drive, partition: u8, id: &str) -> Option<Vec<u8>> {
    let cdb = format!("8c 00 00 00 00 00 00 {partition:02x} {id} 00 00 00 11 00 00");
    let (status, _, data) = run(drive, &cdb, &[], 17);
    (status == 0).then(|| data[9..].to_vec())
}

#[test]
fn encrypted_object_attributes_follow_overwrites() {
    let mut drive = loaded(1 << 30);
    assert_eq!(send(&mut drive, HOST, &set("40 00 02 03", &[1; 32], "")), GOOD);
    good(&mut drive, "0a 00 00 00 01 00", b"x");
    assert_eq!(attribute(&mut drive, 0, "02 24"), Some(vec![0; 8]));
    for gone in ["19 00 00 00 00 00", "10 00 00 00 01 00", "04 00 00 00 00 00"] {
        good(&mut drive, "01 00 00 00 00 00", &[]);
        good(&mut drive, gone, &[]);
        assert_eq!(attribute(&mut drive, 0, "02 24"), None, "{gone}");
        good(&mut drive, "01 00 00 00 00 00", &[]);
        good(&mut drive, "0a 00 00 00 01 00", b"x");
        assert_eq!(attribute(&mut drive, 0, "02 24"), Some(vec![0; 8]));
    }
    // A rejected write wrote nothing: a cartridge in mhvtl format, whose cartridge memory cannot hold the attribute.
    let mut drive = empty("ULT3580-TD8");
    drive.insert(cartridge_in_format(Format::Mhvtl, &LTO_8, CartridgeKind::Data, 500 << 20)).unwrap();
    clear_attentions(&mut drive);
    good(&mut drive, "15 10 00 00 14 00", &bytes("00 00 10 00 11 0e 03 01 5c 03 09 00 00 00 00 00 00 00 00 00"));
    good(&mut drive, "04 00 02 00 00 00", &[]);
    good(&mut drive, "92 02 00 01 00 00 00 00 00 00 00 00 00 00 00 00", &[]);
    assert_eq!(send(&mut drive, HOST, &set("40 00 02 03", &[1; 32], "")), GOOD);
    assert_eq!(codes(&run(&mut drive, "0a 00 00 00 01 00", b"x", 0)), (7, 0x74, 0x07));
    assert_eq!(attribute(&mut drive, 1, "02 24"), None);
    good(&mut drive, "1b 00 00 00 00 00", &[]);
}

#[test]
fn repeated_use_of_a_wrong_key_counts_once() {
    let mut drive = loaded(1 << 30);
    assert_eq!(send(&mut drive, HOST, &set("40 00 02 03", &[1; 32], "")), GOOD);
    good(&mut drive, "0a 00 00 00 01 00", b"x");
    good(&mut drive, "01 00 00 00 00 00", &[]);
    assert_eq!(send(&mut drive, HOST, &set("40 00 00 03", &[2; 32], "")), GOOD);
    for _ in 0..20 {
        assert_eq!(codes(&run(&mut drive, "08 00 00 00 01 00", &[], 1)), (7, 0x74, 0x03));
    }
    // By each command: READ, VERIFY with IMMED=1, the next block status page.
    for seed in 3..12 {
        assert_eq!(send(&mut drive, HOST, &set("40 00 00 03", &[seed; 32], "")), GOOD, "{seed}");
        match seed % 3 {
            0 => drop(page(&mut drive, "21")),
            1 => {
                good(&mut drive, "13 04 00 00 01 00", &[]);
                // The step before the next command ends the verification, and that command gets the deferred error.
                assert_eq!(codes(&run(&mut drive, "01 00 00 00 00 00", &[], 0)), (7, 0x74, 0x03));
            }
            _ => assert_eq!(codes(&run(&mut drive, "08 00 00 00 01 00", &[], 1)), (7, 0x74, 0x03)),
        }
    }
    let (_, sense) = send(&mut drive, HOST, &set("40 00 00 03", &[1; 32], ""));
    assert_eq!((sense[2], sense[12], sense[13]), (7, 0x26, 0x10));
}

#[test]
fn encryption_status_pages() {
    let mut drive = loaded(1 << 30);
    assert_eq!(send(&mut drive, HOST, &set("40 00 02 00", &[1; 32], "")), GOOD);
    good(&mut drive, "0a 00 00 00 01 00", b"x");
    good(&mut drive, "01 00 00 00 00 00", &[]);
    // The encryption key does not decrypt while decryption is disabled.
    assert_eq!(page(&mut drive, "21")[12], 0x06);
    assert_eq!(codes(&run(&mut drive, "08 00 00 00 01 00", &[], 1)), (7, 0x74, 0x01));
    // A nexus that set the shared parameters and then selects PUBLIC has scope PUBLIC.
    assert_eq!(page(&mut drive, "20")[4], 0x42);
    assert_eq!(send(&mut drive, HOST, &set("00 00 00 00", &[], "")), GOOD);
    assert_eq!(page(&mut drive, "20")[4], 0x02);
    // VERIFY checks CEEM as READ does.
    assert_eq!(send(&mut drive, HOST, &set("40 c0 00 03", &[1; 32], "")), GOOD);
    assert_eq!(codes(&run(&mut drive, "13 00 00 00 01 00", &[], 0)), (7, 0x74, 0x09));
}

#[test]
fn ckorl_applies_after_holder_logged_out() {
    use scsi_core::nexus::{NexusId, TransportId};
    use scsi_core::target::{LogicalUnit, TransportEvent};
    let mut drive = loaded(1 << 30);
    let out = |drive: &mut super::Drive, nexus, action: u8, key: u8, other: u8| {
        let mut list = vec![0; 24];
        (list[7], list[15]) = (key, other);
        run_as(drive, nexus, &format!("5f {action:02x} 05 00 00 00 00 00 18 00"), &list, 0).0
    };
    assert_eq!(
        (out(&mut drive, HOST, 6, 0, 1), out(&mut drive, OTHER, 6, 0, 2), out(&mut drive, HOST, 1, 1, 0)),
        (0, 0, 0)
    );
    assert_eq!(send(&mut drive, HOST, &set("40 02 02 03", &[1; 32], "")), GOOD);
    let now = scsi_core::time::Now::default();
    drive.handle_event(TransportEvent::NexusLost(HOST), now);
    // It logs in again as another nexus and keeps its key; then its reservation is preempted.
    drive.handle_event(
        TransportEvent::NexusEstablished { nexus: NexusId(7), port: TransportId::local(1), reestablished: true },
        now,
    );
    for nexus in [NexusId(7), OTHER] {
        while run_as(&mut drive, nexus, "03 00 00 00 12 00", &[], 18).2[2] & 0x0f != 0 {}
    }
    let status =
        |drive: &mut super::Drive| run_as(drive, NexusId(7), "a2 20 00 20 00 00 00 00 02 00 00 00", &[], 512).2;
    assert_eq!(status(&mut drive)[5], 2);
    assert_eq!(out(&mut drive, OTHER, 4, 2, 1), 0);
    while run_as(&mut drive, NexusId(7), "03 00 00 00 12 00", &[], 18).2[2] & 0x0f != 0 {}
    assert_eq!(status(&mut drive)[5], 0);
}

/// Media older than LTO-4 cannot be encrypted, even in a drive that can encrypt: page 0010h reports it, and a write in
/// ENCRYPT or EXTERNAL mode is rejected with nothing written. Unencrypted blocks are written.
#[test]
fn media_that_cannot_be_encrypted() {
    for product in ["ULT3580-TD4", "ULTRIUM-TD4", "Ultrium 4-SCSI"] {
        let mut drive = empty(product);
        drive.insert(cartridge(&LTO_3, CartridgeKind::Data, 1 << 30)).unwrap();
        clear_attentions(&mut drive);
        // AVFMV 0, AVFCLP 01b: this algorithm cannot be used for the mounted volume.
        let capabilities = page(&mut drive, "10");
        assert_eq!((capabilities[24] & 0x80, capabilities[25] & 0xc0), (0, 0x40), "{product}");
        for (modes, key) in [("40 00 02 03", &[1; 32][..]), ("40 00 01 01", &[])] {
            // The key can be set, because the next volume may support it.
            assert_eq!(send(&mut drive, HOST, &set(modes, key, "")), GOOD);
            assert_eq!(codes(&run(&mut drive, "0a 00 00 00 01 00", b"x", 0)), (7, 0x74, 0x07), "{product}");
            assert_eq!(position(&mut drive), 0);
        }
        assert!(!drive.alerts().is_set(crate::alert::Alert::WRITE_PROTECT));
        assert_eq!(send(&mut drive, HOST, &set("40 00 00 00", &[], "")), GOOD);
        good(&mut drive, "0a 00 00 00 01 00", b"x");
        good(&mut drive, "10 00 00 00 01 00", &[]);
        assert_eq!(position(&mut drive), 2);
        good(&mut drive, "1b 00 00 00 00 00", &[]);
    }
    // With an LTO-4 cartridge blocks are encrypted.
    for product in ["ULT3580-TD4", "Ultrium 4-SCSI"] {
        let mut drive = empty(product);
        drive.insert(cartridge(&LTO_4, CartridgeKind::Data, 1 << 30)).unwrap();
        clear_attentions(&mut drive);
        let capabilities = page(&mut drive, "10");
        assert_eq!((capabilities[24] & 0x80, capabilities[25] & 0xc0), (0x80, 0x80), "{product}");
        assert_eq!(send(&mut drive, HOST, &set("40 00 02 03", &[1; 32], "")), GOOD);
        good(&mut drive, "0a 00 00 00 01 00", b"x");
    }
    // If the drive can only read the medium, it rejects every write for that reason.
    let mut drive = empty("ULT3580-TD5");
    drive.insert(cartridge(&LTO_3, CartridgeKind::Data, 1 << 30)).unwrap();
    clear_attentions(&mut drive);
    assert_eq!(send(&mut drive, HOST, &set("40 00 02 03", &[1; 32], "")), GOOD);
    assert_eq!(codes(&run(&mut drive, "0a 00 00 00 01 00", b"x", 0)), (7, 0x30, 0x05));
}

#[test]
fn random_values_come_from_the_owner_of_the_drive() {
    let mut drive = loaded(1 << 30);
    drive.state.random.bytes = |bytes| {
        bytes.fill(0x5a);
        Ok(())
    };
    assert_eq!(page(&mut drive, "30"), [&bytes("00 30 00 20")[..], &[0x5a; 32]].concat());
    // The first 32 bytes of a stored block are its salt: read raw (DECRYPTION MODE 1h, RDMC 10b), after the header.
    assert_eq!(send(&mut drive, HOST, &set("40 20 02 03", &[1; 32], "")), GOOD);
    good(&mut drive, "0a 00 00 00 05 00", b"hello");
    good(&mut drive, "01 00 00 00 00 00", &[]);
    assert_eq!(send(&mut drive, HOST, &set("40 20 00 01", &[], "")), GOOD);
    let raw = run(&mut drive, "08 02 00 02 00 00", &[], 512).2;
    assert!(raw.windows(32).any(|window| window == [0x5a; 32]), "{raw:02x?}");
    // A drive without a source.
    let mut drive = loaded(1 << 30);
    drive.state.random = super::RandomSource::NONE;
    for page in ["30", "31"] {
        let answer = run(&mut drive, &format!("a2 20 00 {page} 00 00 00 00 02 00 00 00"), &[], 512);
        assert_eq!((codes(&answer), answer.2), ((4, 0x44, 0x00), vec![]), "{page}");
    }
    assert_eq!(send(&mut drive, HOST, &set("40 00 02 03", &[1; 32], "")), GOOD);
    assert_eq!(codes(&run(&mut drive, "0a 00 00 00 05 00", b"hello", 0)), (3, 0x0c, 0x00));
    assert_eq!(position(&mut drive), 0);
}
