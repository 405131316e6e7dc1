//! GENERATE and RECEIVE RECOMMENDED ACCESS ORDER.

use super::tests::{bytes, cartridge, clear_attentions, empty, run};
use super::*;
use tape_store::cartridge::CartridgeKind;
use tape_store::media::{LTO_8, LTO_9, MediaSpec};

const RECEIVE: &str = "a3 1d 00 00 00 00 00 00 10 00 00 00";

/// A drive with 1000 blocks that fill the tape, at its beginning.
fn full(product: &str, media: &'static MediaSpec) -> Drive {
    let mut drive = empty(product);
    drive.insert(cartridge(media, CartridgeKind::Data, 1_000_000)).unwrap();
    clear_attentions(&mut drive);
    for _ in 0..1000 {
        run(&mut drive, "0a 00 00 03 e8 00", &[7; 1000], 0);
    }
    run(&mut drive, "01 00 00 00 00 00", &[], 0);
    drive
}

/// A parameter list with these segments: name, first and last object in partition 0.
fn list(segments: &[(&str, u64, u64)]) -> Vec<u8> {
    let mut list = vec![0; 4];
    list.extend(u32::try_from(segments.len() * 32).unwrap().to_be_bytes());
    for (name, first, last) in segments {
        list.extend(bytes("00 1e 00 00 00"));
        list.extend(format!("{name:<10}").bytes());
        list.push(0);
        list.extend(first.to_be_bytes());
        list.extend(last.to_be_bytes());
    }
    list
}

fn generate(drive: &mut Drive, process: u8, list: &[u8]) -> (u8, Vec<u8>) {
    let [a, b] = u16::try_from(list.len()).unwrap().to_be_bytes();
    let (status, sense, _) = run(drive, &format!("a4 1d {process:02x} 00 00 00 00 00 {a:02x} {b:02x} 00 00"), list, 0);
    (status, sense)
}

fn names(drive: &mut Drive) -> (Vec<u8>, Vec<String>) {
    let (status, _, data) = run(drive, RECEIVE, &[], 4096);
    assert_eq!(status, 0);
    let name = |segment: &[u8]| String::from_utf8(segment[5..15].to_vec()).unwrap().trim_end().to_owned();
    (data[..8].to_vec(), data[8..].chunks(32).map(name).collect())
}

/// The tape is at block 0; block 500 is on wrap 140.
#[test]
fn segments_are_returned_in_the_recommended_order() {
    let mut drive = full("ULT3580-TD9", &LTO_9);
    assert_eq!(names(&mut drive), (vec![0; 8], vec![]));
    let segments = list(&[("far", 500, 501), ("near", 0, 1), ("again", 502, 503)]);
    assert_eq!(generate(&mut drive, 2, &segments), (0, vec![]));
    let (header, order) = names(&mut drive);
    assert_eq!(header, bytes("02 01 00 00 00 00 00 60"));
    assert_eq!(order, ["near", "far", "again"]);
    // Process 1 keeps the order, and an empty list clears it.
    assert_eq!(generate(&mut drive, 1, &segments), (0, vec![]));
    assert_eq!(
        names(&mut drive),
        (bytes("01 01 00 00 00 00 00 60"), vec!["far".into(), "near".into(), "again".into()])
    );
    // The second descriptor, by RAO LIST OFFSET.
    let (_, _, rest) = run(&mut drive, "a3 1d 00 00 00 28 00 00 00 20 00 00", &[], 64);
    assert_eq!((rest.len(), &rest[5..9]), (32, &b"near"[..]));
    assert_eq!(generate(&mut drive, 2, &[]), (0, vec![]));
    assert_eq!(names(&mut drive), (vec![0; 8], vec![]));
}

/// A single object first, and single objects last, are binding points.
#[test]
fn binding_points_keep_their_places() {
    let mut drive = full("ULT3580-TD9", &LTO_9);
    let segments = list(&[("start", 900, 900), ("b", 500, 501), ("a", 1, 2), ("end", 700, 700), ("unloaded", 0, 0)]);
    assert_eq!(generate(&mut drive, 2, &segments), (0, vec![]));
    let (_, order) = names(&mut drive);
    assert_eq!((order[0].as_str(), &order[3..]), ("start", &["end".to_owned(), "unloaded".into()][..]));
}

#[test]
fn limits_and_errors() {
    let mut drive = full("ULT3580-TD9", &LTO_9);
    assert_eq!(run(&mut drive, "a3 9d 00 00 00 00 00 00 00 04 00 00", &[], 4).2, bytes("0a aa 00 20"));
    let codes = |(status, sense): (u8, Vec<u8>)| (status, sense[2] & 0x0f, sense[12], sense[13]);
    let one = list(&[("a", 1, 2)]);
    assert_eq!(codes(generate(&mut drive, 0, &one)), (2, 5, 0x24, 0));
    assert_eq!(codes(generate(&mut drive, 3, &one)), (2, 5, 0x24, 0));
    assert_eq!(codes(generate(&mut drive, 2, &one[..39])), (2, 5, 0x1a, 0));
    assert_eq!(codes(generate(&mut drive, 2, &list(&[("a", 2, 1)]))), (2, 5, 0x26, 0));
    let (status, sense, _) = run(&mut drive, "a3 1d 00 00 00 02 00 00 00 20 00 00", &[], 32);
    assert_eq!(codes((status, sense)), (2, 5, 0x24, 0));
    // The list ends with the load.
    assert_eq!(generate(&mut drive, 2, &one), (0, vec![]));
    run(&mut drive, "1b 00 00 00 00 00", &[], 0);
    let (status, sense, _) = run(&mut drive, RECEIVE, &[], 32);
    assert_eq!(codes((status, sense)), (2, 2, 0x3a, 0));
    run(&mut drive, "1b 00 00 00 01 00", &[], 0);
    assert_eq!(names(&mut drive), (vec![0; 8], vec![]));
}

/// Full-height LTO-9 has the commands; half-height LTO-9 and LTO-8 reject and do not list them.
#[test]
fn models_with_recommended_access_order() {
    for (product, media, has) in
        [("ULT3580-TD9", &LTO_9, true), ("ULT3580-HH9", &LTO_9, false), ("ULT3580-TD8", &LTO_8, false)]
    {
        let mut drive = full(product, media);
        let (_, sense, _) = run(&mut drive, "a3 9d 00 00 00 00 00 00 00 04 00 00", &[], 4);
        assert_eq!(sense.is_empty(), has, "{product}");
        assert!(has || sense[12..14] == [0x20, 0], "{product}");
        // REPORT SUPPORTED OPERATION CODES of A4h/1Dh: SUPPORT 3 or 1.
        let (_, _, data) = run(&mut drive, "a3 0c 02 a4 00 1d 00 00 00 40 00 00", &[], 64);
        assert_eq!(data[1] & 0x07, if has { 3 } else { 1 }, "{product}");
    }
}
