//! Diagnostic dumps as LTFS, sg3_utils and vendor tools take and read them.

use super::tests::*;
use super::*;
use scsi_core::target::{LogicalUnit, TransportEvent};

const FIELD: &str = "70 00 05 00 00 00 00 0a 00 00 00 00 24 00 00";

fn refused(drive: &mut Drive, cdb: &str, pointer: &str) {
    check(drive, cdb, &[], 4096, &format!("{FIELD} {pointer}"), b"");
}

/// Reads the dump of an IBM LTO drive: the descriptor of buffer 01h, then the number of bytes that it reports.
fn ibm_dump(drive: &mut Drive) -> String {
    let (status, _, descriptor) = run(drive, "3c 03 01 00 00 00 00 00 04 00", &[], 4);
    assert_eq!((status, descriptor.len(), descriptor[0]), (0, 4, 0));
    let len = usize::from(descriptor[1]) << 16 | usize::from(descriptor[2]) << 8 | usize::from(descriptor[3]);
    // LTFS: 512 KiB at a time.
    let (status, _, dump) = run(drive, "3c 02 01 00 00 00 08 00 00 00", &[], 512 << 10);
    assert_eq!((status, dump.len()), (0, len));
    let (status, _, tail) = run(drive, "3c 02 01 00 00 05 08 00 00 00", &[], 512 << 10);
    assert_eq!((status, &tail[..]), (0, &dump[5..]));
    String::from_utf8(dump).unwrap()
}

#[test]
fn ltfs_forces_and_reads_a_dump() {
    let mut drive = loaded(1 << 30);
    good(&mut drive, "0a 00 00 00 03 00", b"\xaa\xbb\xcc");
    // A key, which must not appear in the dump.
    let key = [&bytes("00 10 00 30 40 00 02 02 01 00 00 00 00 00 00 00 00 00 00 20")[..], &[0x5a; 32]].concat();
    good(&mut drive, "b5 20 00 10 00 00 00 00 00 34 00 00", &key);
    check(&mut drive, "12 00 80 00 ff 00", &[], 255, &format!("{FIELD} c0 00 02"), b"");
    good(&mut drive, "1d 10 00 00 08 00", &bytes("80 00 00 04 01 60 00 00"));
    let dump = ibm_dump(&mut drive);
    assert!(dump.starts_with("drive dump version=1\n") && dump.ends_with("\nend\n"), "{dump}");
    for part in [
        "vendor=IBM product=ULT3580-TD8 revision=MA21 serial=1234567890\n",
        "medium=T00001 type=LTO-8 kind=Data state=\"mounted\"\n",
        "partition=0 object=1 file=0 ",
        "cdb=0a0000000300 status=00\n",
        "cdb=1200800 0ff00".replace(' ', "").as_str(),
        "sense=70000500000000 0a00000000240000c00002".replace(' ', "").as_str(),
        "cdb=b5 status=00\n",
    ] {
        assert!(dump.contains(part), "{part} in {dump}");
    }
    for secret in ["5a5a", "b520", "aabbcc", "ZZZZ"] {
        assert!(!dump.contains(secret), "{secret} in {dump}");
    }
    // The dump stays unchanged until the next dump is taken.
    good(&mut drive, "01 00 00 00 00 00", b"");
    assert_eq!(ibm_dump(&mut drive), dump);
    good(&mut drive, "1d 10 00 00 08 00", &bytes("80 00 00 04 01 60 00 00"));
    assert!(ibm_dump(&mut drive).contains("partition=0 object=0 file=0 "));
    // The page is listed, without results.
    assert_eq!(run(&mut drive, "1c 00 00 00 ff 00", &[], 255).2, bytes("00 00 00 02 00 80"));
    refused(&mut drive, "1c 01 80 00 ff 00", "c0 00 02");
    refused(&mut drive, "3c 02 01 ff ff ff 00 00 04 00", "c0 00 03");
    assert_eq!(run(&mut drive, "3c 03 02 00 00 00 00 00 04 00", &[], 4).2, bytes("00 00 00 00"));
}

#[test]
fn send_diagnostic_parameter_lists() {
    let mut drive = loaded(1 << 30);
    let list = |pointer: &str| format!("70 00 05 00 00 00 00 0a 00 00 00 00 26 00 00 {pointer}");
    let length = "70 00 05 00 00 00 00 0a 00 00 00 00 1a 00 00 00 00 00";
    for (len, out, sense) in [
        ("08", "80 00 00 04 01 00 00 00", list("80 00 04").as_str()),
        ("08", "80 00 00 05 01 60 00 00", list("80 00 02").as_str()),
        ("08", "81 00 00 04 01 60 00 00", list("80 00 00").as_str()),
        ("07", "80 00 00 04 01 60 00", length),
        ("04", "80 00 00 04", length),
        ("02", "80 00", length),
        ("09", "80 00 00 04 01 60 00 00 00", length),
        // Less data than the PARAMETER LIST LENGTH.
        ("08", "80 00 00 04 01 60", length),
    ] {
        check(&mut drive, &format!("1d 10 00 00 {len} 00"), &bytes(out), 0, sense, b"");
    }
    good(&mut drive, "1d 10 00 00 00 00", b"");
    // sg_senddiag requests the list of pages.
    good(&mut drive, "1d 10 00 00 04 00", &bytes("00 00 00 00"));
    // Without PF, and together with a self-test.
    rejected_with_data(&mut drive, "1d 00 00 00 08 00", "cc 00 01");
    rejected_with_data(&mut drive, "1d 14 00 00 08 00", "c0 00 03");
}

fn rejected_with_data(drive: &mut Drive, cdb: &str, pointer: &str) {
    check(drive, cdb, &bytes("80 00 00 04 01 60 00 00"), 0, &format!("{FIELD} {pointer}"), b"");
}

#[test]
fn reading_an_empty_dump_buffer_takes_a_dump() {
    // LTFS reads the existing dump before it forces a new one.
    assert!(ibm_dump(&mut loaded(1 << 30)).ends_with("\nend\n"));
    assert!(ibm_dump(&mut empty("ULTRIUM-HH5")).contains("medium=none\n"));
}

#[test]
fn dump_contains_the_last_64_commands() {
    let mut drive = loaded(1 << 30);
    good(&mut drive, "1e 00 00 00 00 00", b"");
    for _ in 0..63 {
        good(&mut drive, "00 00 00 00 00 00", b"");
    }
    good(&mut drive, "1d 10 00 00 08 00", &bytes("80 00 00 04 01 60 00 00"));
    let dump = ibm_dump(&mut drive);
    assert!(dump.contains("commands=64\n") && dump.contains("cdb=1e0000000000 "), "{dump}");
    assert_eq!(dump.matches("cdb=").count(), 64);
    // The next dump has the force and two reads instead of the oldest commands.
    good(&mut drive, "1d 10 00 00 08 00", &bytes("80 00 00 04 01 60 00 00"));
    let dump = ibm_dump(&mut drive);
    assert!(dump.contains("commands=64\n") && !dump.contains("cdb=1e0000000000 "), "{dump}");
}

#[test]
fn an_error_of_the_medium_takes_a_dump() {
    let mut drive = loaded(1 << 30);
    good(&mut drive, "1d 10 00 00 08 00", &bytes("80 00 00 04 01 60 00 00"));
    // Guard check of logical block protection: HARDWARE ERROR.
    let page =
        "00 00 10 00 4a f0 00 1c 02 04 c0 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00";
    good(&mut drive, "15 10 00 00 24 00", &bytes(page));
    assert_eq!(run(&mut drive, "0a 00 00 00 06 00", b"xx\0\0\0\0", 0).1[2], 0x04);
    let dump = ibm_dump(&mut drive);
    assert!(dump.contains("cdb=0a0000000600 status=02 sense=f00004"), "{dump}");
}

#[test]
fn error_history_of_hp_and_ibm() {
    for (product, vendor, revision) in [("Ultrium 6-SCSI", "HP      ", "35GD"), ("ULT3580-TD8", "IBM     ", "MA21")] {
        let mut drive = empty(product);
        let directory = |drive: &mut Drive, id: &str| run(drive, &format!("3c 1c {id} 00 00 00 00 01 00 00"), &[], 256);
        let sequence = "70 00 05 00 00 00 00 0a 00 00 00 00 2c 00 00 00 00 00";
        check(&mut drive, "3c 1c 10 00 00 00 00 10 00 00", &[], 4096, sequence, b"");
        // Directory, and a first snapshot: created by this command, not retrieved.
        let (status, _, first) = directory(&mut drive, "02");
        assert_eq!((status, first.len(), &first[..8]), (0, 72, vendor.as_bytes()));
        assert_eq!(first[8..10], bytes("01 12"));
        assert_eq!(
            first[30..64],
            bytes(
                "00 28 00 00 00 00 00 00 00 48 01 00 00 00 00 00 00 48 02 00 00 00 00 00 00 48 03 00 00 00 00 00 00 48"
            )
        );
        assert_eq!(first[64..68], bytes("10 00 00 00"));
        let len = u32::from_be_bytes(first[68..].try_into().unwrap()) as usize;
        let (status, _, dump) = run(&mut drive, "3c 1c 10 00 00 00 00 ff ff 00", &[], 65_535);
        assert_eq!((status, dump.len()), (0, len));
        let dump = String::from_utf8(dump).unwrap();
        assert!(
            dump.contains(&format!("product={product} revision={revision} ")) && dump.ends_with("\nend\n"),
            "{dump}"
        );
        assert_eq!(run(&mut drive, "3c 1c 10 00 00 05 00 00 08 00", &[], 8).2, dump.as_bytes()[5..13]);
        refused(&mut drive, "3c 1c 10 ff ff ff 00 00 04 00", "c0 00 03");
        refused(&mut drive, "3c 1c 11 00 00 00 00 00 04 00", "c0 00 02");
        refused(&mut drive, "3c 1c 00 00 00 01 00 00 04 00", "c0 00 03");
        // Now created by an earlier command.
        assert_eq!(directory(&mut drive, "00").2[9], 0x14);
        // Another nexus has to take over the snapshot.
        let busy = bytes("70 00 05 00 00 00 00 0a 00 00 00 00 00 16 00 00 00 00");
        assert_eq!(run_as(&mut drive, OTHER, "3c 1c 00 00 00 00 00 01 00 00", &[], 256).1, busy);
        assert_eq!(run_as(&mut drive, OTHER, "3c 1c ff 00 00 00 00 00 00 00", &[], 0).1, busy);
        assert_eq!(run_as(&mut drive, OTHER, "3c 1c 03 00 00 00 00 01 00 00", &[], 256).2[9], 0x12);
        assert_eq!(run(&mut drive, "3c 1c 10 00 00 00 00 10 00 00", &[], 4096).1, busy);
        // FEh: retrieved, and available to all nexuses; FFh: released.
        assert_eq!(run_as(&mut drive, OTHER, "3c 1c fe 00 00 00 00 00 00 00", &[], 0).0, 0);
        assert_eq!(directory(&mut drive, "00").2[9], 0x0c);
        good(&mut drive, "3c 1c ff 00 00 00 00 00 00 00", b"");
        check(&mut drive, "3c 1c 10 00 00 00 00 10 00 00", &[], 4096, sequence, b"");
        // I_T nexus loss releases the snapshot.
        assert_eq!(directory(&mut drive, "01").0, 0);
        drive.handle_event(TransportEvent::NexusLost(HOST), Now::default());
        assert_eq!(run_as(&mut drive, OTHER, "3c 1c 00 00 00 00 00 01 00 00", &[], 256).2[9], 0x14);
    }
}

#[test]
fn dump_support_of_each_model() {
    let image = "70 00 05 00 00 00 00 0a 00 00 00 00 26 00 00 80 00 00";
    for profile in crate::profile::ALL {
        let product = profile.name();
        let mut drive = empty(product);
        let dumps = profile.dump_support;
        let forced = run(&mut drive, "1d 10 00 00 08 00", &bytes("80 00 00 04 01 60 00 00"), 0);
        let expected = if dumps.force_dump { (0, vec![], vec![]) } else { (2, bytes(image), vec![]) };
        assert_eq!(forced, expected, "{product}");
        assert_eq!(run(&mut drive, "3c 1c 00 00 00 00 00 01 00 00", &[], 256).0 == 0, dumps.error_history, "{product}");
        assert_eq!(
            run(&mut drive, "3c 03 01 00 00 00 00 00 04 00", &[], 4).2 != bytes("00 00 00 00"),
            dumps.buffer == Some(1),
            "{product}"
        );
        let ibm = profile.model.vendor == "IBM";
        assert_eq!(
            dumps.force_dump,
            ibm || product.starts_with("QUANTUM ULTRIUM-HH")
                || matches!(product, "Ultrium 7-SCSI" | "Ultrium 8-SCSI" | "Ultrium 9-SCSI"),
            "{product}"
        );
    }
}

#[test]
fn dump_of_3592_is_in_the_shared_buffer() {
    let mut drive = empty("03592E07");
    assert_eq!(run(&mut drive, "3c 03 00 00 00 00 00 00 04 00", &[], 4).2, bytes("00 01 00 00"));
    good(&mut drive, "1d 10 00 00 08 00", &bytes("80 00 00 04 01 60 00 00"));
    assert_ne!(run(&mut drive, "3c 03 00 00 00 00 00 00 04 00", &[], 4).2, bytes("00 01 00 00"));
    assert!(run(&mut drive, "3c 02 00 00 00 00 00 10 00 00", &[], 4096).2.starts_with(b"drive dump version=1\n"));
    good(&mut drive, "3b 02 00 00 00 00 00 00 03 00", b"abc");
    assert_eq!(run(&mut drive, "3c 02 00 00 00 00 00 00 05 00", &[], 5).2, b"abc\0\0");
}
