//! Rules for reads and writes of a medium: protection, WORM, append-only mode, warnings, explicit addresses. Literal
//! bytes, as in `tests.rs`.

use super::tests::*;
use super::*;
use crate::alert::Alert;
use scsi_core::data::Data;
use scsi_core::nexus::NexusId;
use scsi_core::target::{LogicalUnit, Request, TransportEvent};
use scsi_core::time::Timestamp;
use std::io::IoSlice;
use tape_store::cartridge::CartridgeKind;
use tape_store::media::LTO_8;

/// MODE SELECT of the control data protection page: method, length, LBP_W and LBP_R.
fn protect(drive: &mut Drive, nexus: NexusId, method: &str, flags: &str) -> (u8, Vec<u8>, Vec<u8>) {
    let page = format!("00 00 10 00 4a f0 00 1c {method} 04 {flags}");
    let mut list = bytes(&page);
    list.resize(4 + 32, 0);
    run_as(drive, nexus, "15 10 00 00 24 00", &list, 0)
}

const GUARD: &str = "f0 00 04 00 00 00 07 0a 00 00 00 00 10 01 00 00 00 00";

#[test]
fn logical_block_protection() {
    let mut drive = loaded(1 << 30);
    let inquiry = run(&mut drive, "12 00 00 00 60 00", &[], 96).2;
    assert_eq!(inquiry[5] & 1, 1);
    assert_eq!(run(&mut drive, "12 01 86 00 ff 00", &[], 255).2[4], 0x08);
    let methods = "01 b5 00 1c 00 00 00 00 07 00 00 c0 00 00 00 00 07 01 04 c0 00 00 00 00 07 02 04 c0 00 00 00 00";
    assert_eq!(run(&mut drive, "12 01 b5 00 ff 00", &[], 255).2, bytes(methods));
    assert_eq!(protect(&mut drive, HOST, "02", "c0").0, 0);
    // The setting is per nexus: the other nexus gets no unit attention, and writes and reads without protection.
    assert_eq!(run_as(&mut drive, OTHER, "00 00 00 00 00 00", &[], 0).0, 0);
    // CRC-32C of "abc" is 364B3FB7h, least significant byte first.
    good(&mut drive, "0a 00 00 00 07 00", b"abc\xb7\x3f\x4b\x36");
    // A block with a wrong CRC is not written, nor is an empty block.
    check(&mut drive, "0a 00 00 00 07 00", b"abd\xb7\x3f\x4b\x36", 0, GUARD, b"");
    let short = GUARD.replacen("07", "04", 1);
    check(&mut drive, "0a 00 00 00 04 00", &[0; 4], 0, &short, b"");
    assert_eq!(position(&mut drive), 1);
    good(&mut drive, "01 00 00 00 00 00", b"");
    assert_eq!(run(&mut drive, "08 00 00 00 07 00", &[], 7).2, b"abc\xb7\x3f\x4b\x36");
    good(&mut drive, "01 00 00 00 00 00", b"");
    // Lengths include the four bytes: shorter and longer.
    let ili = "f0 00 20 00 00 00 02 0a 00 00 00 00 00 00 00 00 00 00";
    check(&mut drive, "08 00 00 00 09 00", &[], 9, ili, b"abc\xb7\x3f\x4b\x36");
    good(&mut drive, "01 00 00 00 00 00", b"");
    let over = "f0 00 20 ff ff ff fe 0a 00 00 00 00 00 00 00 00 00 00";
    check(&mut drive, "08 00 00 00 05 00", &[], 5, over, b"abc\xb7\x3f");
    assert_eq!(position(&mut drive), 1);
    // The other nexus reads the block without protection information.
    good(&mut drive, "01 00 00 00 00 00", b"");
    assert_eq!(run_as(&mut drive, OTHER, "08 00 00 00 03 00", &[], 3).2, b"abc");
    // VERIFY checks the protection information of the data, then compares; VLBPM needs a method.
    good(&mut drive, "01 00 00 00 00 00", b"");
    good(&mut drive, "13 02 00 00 07 00", b"abc\xb7\x3f\x4b\x36");
    good(&mut drive, "01 00 00 00 00 00", b"");
    check(&mut drive, "13 02 00 00 07 00", b"abc\xb7\x3f\x4b\x37", 0, GUARD, b"");
    good(&mut drive, "13 10 00 00 03 00", b"");
    // Reed-Solomon, fixed blocks: the blocks before the wrong one are written.
    assert_eq!(protect(&mut drive, HOST, "01", "80").0, 0);
    good(&mut drive, "15 10 00 00 0c 00", &bytes("00 00 10 08 00 00 00 00 00 00 00 0d"));
    good(&mut drive, "01 00 00 00 00 00", b"");
    let fixed = "f0 00 04 00 00 00 01 0a 00 00 00 00 10 01 00 00 00 00";
    let two = b"123456789\x4b\x4f\x67\x3a123456789\x4b\x4f\x67\x3b";
    check(&mut drive, "0a 01 00 00 02 00", two, 0, fixed, b"");
    assert_eq!(position(&mut drive), 1);
    // An unknown method, one without LBP_W and LBP_R, a wrong length.
    for (method, flags, at) in [("03", "c0", "80 00 08"), ("01", "00", "8f 00 0a"), ("00", "80", "8f 00 0a")] {
        let sense = format!("70 00 05 00 00 00 00 0a 00 00 00 00 26 00 00 {at}");
        assert_eq!(protect(&mut drive, HOST, method, flags), (2, bytes(&sense), vec![]), "{method} {flags}");
    }
    assert_eq!(protect(&mut drive, HOST, "00", "00").0, 0);
    // LTO-5 and LTO-6 support only Reed-Solomon.
    assert_eq!(protect(&mut empty("ULT3580-TD6"), HOST, "02", "c0").0, 2);
}

const OVERWRITE: &str = "f0 00 07 00 00 00 01 0a 00 00 00 00 30 0c 00 00 00 00";
const OVERWRITE_NO_INFO: &str = "70 00 07 00 00 00 00 0a 00 00 00 00 30 0c 00 00 00 00";

fn worm() -> Drive {
    let mut drive = empty("ULT3580-TD8");
    drive.insert(cartridge(&LTO_8, CartridgeKind::Worm, 1 << 30)).unwrap();
    clear_attentions(&mut drive);
    drive
}

#[test]
fn worm_overwrite_rules() {
    let mut drive = worm();
    assert_eq!(run(&mut drive, "1a 00 00 00 0c 00", &[], 12).2[1..3], [0x8c, 0x10]);
    assert_eq!(run(&mut drive, "1a 08 1d 00 ff 00", &[], 255).2[4..10], bytes("1d 1e 01 00 01 02"));
    assert_eq!(run(&mut drive, "12 01 b0 00 ff 00", &[], 255).2, bytes("01 b0 00 02 01 00"));
    // Labels: one block, or two, with filemarks after them can be overwritten.
    good(&mut drive, "0a 00 00 00 01 00", b"a");
    good(&mut drive, "10 00 00 00 01 00", b"");
    good(&mut drive, "01 00 00 00 00 00", b"");
    good(&mut drive, "0a 00 00 00 01 00", b"b");
    good(&mut drive, "0a 00 00 00 01 00", b"c");
    good(&mut drive, "10 00 00 00 02 00", b"");
    // The last filemark can be overwritten, the one before it cannot.
    good(&mut drive, "11 01 ff ff ff 00", b"");
    good(&mut drive, "0a 00 00 00 01 00", b"d");
    assert_eq!(position(&mut drive), 4);
    good(&mut drive, "10 00 00 00 01 00", b"");
    good(&mut drive, "11 01 ff ff ff 00", b"");
    check(&mut drive, "0a 00 00 00 01 00", b"x", 0, OVERWRITE, b"");
    check(&mut drive, "10 00 00 00 01 00", &[], 0, OVERWRITE_NO_INFO, b"");
    assert!(drive.alerts().is_set(Alert::WORM_OVERWRITE_ATTEMPTED));
    // With three blocks, the beginning cannot be overwritten.
    good(&mut drive, "01 00 00 00 00 00", b"");
    for cdb in ["0a 00 00 00 01 00", "10 00 00 00 01 00", "19 00 00 00 00 00", "04 00 00 00 00 00", "0b 00 00 80 00 00"]
    {
        let (status, sense, _) = run(&mut drive, cdb, b"x", 0);
        assert_eq!((status, &sense[12..14]), (2, &[0x30, 0x0c][..]), "{cdb}");
    }
    // The data is unchanged.
    good(&mut drive, "01 00 00 00 00 00", b"");
    assert_eq!(run(&mut drive, "08 00 00 00 01 00", &[], 1).2, b"b");
    good(&mut drive, "11 03 00 00 00 00", b"");
    assert_eq!(position(&mut drive), 5);
    good(&mut drive, "0a 00 00 00 01 00", b"e");
}

#[test]
fn worm_integrity_check_fails_after_loss() {
    let mut drive = worm();
    good(&mut drive, "0a 00 00 00 01 00", b"a");
    good(&mut drive, "0a 00 00 00 01 00", b"b");
    good(&mut drive, "1b 00 00 00 00 00", b"");
    let mut cartridge = drive.remove().unwrap();
    // The tape is truncated outside the drive.
    {
        let (mut tape, _) = cartridge.open().unwrap();
        tape.locate(0, 1).unwrap();
        tape.truncate().unwrap();
        tape.close().unwrap();
    }
    drive.insert(cartridge).unwrap();
    clear_attentions(&mut drive);
    assert!(drive.alerts().is_set(Alert::WORM_INTEGRITY));
    let tampered = "f0 00 07 00 00 00 01 0a 00 00 00 00 30 0d 00 00 00 00";
    check(&mut drive, "0a 00 00 00 01 00", b"x", 0, tampered, b"");
    check(&mut drive, "08 00 00 00 01 00", &[], 1, "70 00 03 00 00 00 00 0a 00 00 00 00 30 0d 00 00 00 00", b"");
    check(
        &mut drive,
        "2b 00 00 00 00 00 01 00 00 00",
        &[],
        0,
        "70 00 03 00 00 00 00 0a 00 00 00 00 30 0d 00 00 00 00",
        b"",
    );
    for cdb in ["01 00 00 00 00 00", "2b 00 00 00 00 00 00 00 00 00", "1b 00 00 00 00 00"] {
        good(&mut drive, cdb, b"");
    }
}

/// A command at a time, in seconds since 1970.
fn at(drive: &mut Drive, seconds: u64, cdb: &str, out: &[u8]) -> (u8, Vec<u8>) {
    let cdb = bytes(cdb);
    let now = Now { wall: Timestamp(seconds * 1000), ..Now::default() };
    let out = [IoSlice::new(out)];
    let done = drive.execute(&Request::new(HOST, &cdb, now), Data::new(&out, &mut []));
    (done.status.0, done.sense.map(|sense| sense.as_slice().to_vec()).unwrap_or_default())
}

#[test]
fn retention_date_blocks_overwrite() {
    let mut cartridge = cartridge(&LTO_8, CartridgeKind::Data, 1 << 30);
    cartridge.retain_until(1000).unwrap();
    let error = cartridge.retain_until(999).unwrap_err().to_string();
    assert!(error.ends_with("is already retained for longer"), "{error}");
    let mut drive = empty("ULT3580-TD8");
    drive.insert(cartridge).unwrap();
    clear_attentions(&mut drive);
    // Writes are allowed on a blank tape and at end of data.
    for block in [b"a", b"b", b"c"] {
        assert_eq!(at(&mut drive, 10, "0a 00 00 00 01 00", block).0, 0);
    }
    assert_eq!(at(&mut drive, 10, "2b 00 00 00 00 00 01 00 00 00", b"").0, 0);
    for cdb in ["0a 00 00 00 01 00", "10 00 00 00 01 00", "19 00 00 00 00 00", "19 01 00 00 00 00"] {
        let (status, sense) = at(&mut drive, 999, cdb, b"x");
        assert_eq!((status, sense[2], &sense[12..14]), (2, 7, &[0x27, 4][..]), "{cdb}");
    }
    assert!(drive.alerts().is_set(Alert::WRITE_PROTECT));
    assert_eq!(at(&mut drive, 999, "01 00 00 00 00 00", b"").0, 0);
    for cdb in ["0a 00 00 00 01 00", "04 00 00 00 00 00", "0b 00 00 80 00 00"] {
        let (status, sense) = at(&mut drive, 999, cdb, b"x");
        assert_eq!((status, &sense[12..14]), (2, &[0x27, 4][..]), "{cdb}");
    }
    // Neither ALLOW OVERWRITE nor another drive lifts the protection.
    let mut cartridge = {
        assert_eq!(at(&mut drive, 999, "1b 00 00 00 00 00", b"").0, 0);
        drive.remove().unwrap()
    };
    assert_eq!(cartridge.write_protection(999).unwrap(), Some("cartridge is retained"));
    assert_eq!(cartridge.write_protection(1000).unwrap(), None);
    let mut drive = empty("ULT3580-TD9");
    drive.insert(cartridge).unwrap();
    clear_attentions(&mut drive);
    assert_eq!(at(&mut drive, 999, "0a 00 00 00 01 00", b"x").0, 2);
    assert_eq!(at(&mut drive, 1000, "0a 00 00 00 01 00", b"x"), (0, vec![]));
}

/// MODE SELECT of the device configuration extension page: WRITE MODE and PEWS.
fn extension(drive: &mut Drive, mode: &str, pews: &str) -> (u8, Vec<u8>, Vec<u8>) {
    let mut list = bytes(&format!("00 00 10 00 50 01 00 1c 00 {mode} {pews}"));
    list.resize(4 + 32, 0);
    run(drive, "15 10 00 00 24 00", &list, 0)
}

const APPEND_ONLY: &str = "f0 00 07 00 00 00 01 0a 00 00 00 00 5a 02 00 00 00 00";

#[test]
fn append_only_mode() {
    let mut drive = loaded(1 << 30);
    let off = "70 00 05 00 00 00 00 0a 00 00 00 00 20 0c 00 00 00 00";
    check(&mut drive, "82 00 01 00 00 00 00 00 00 00 00 00 00 00 00 00", &[], 0, off, b"");
    good(&mut drive, "0a 00 00 00 01 00", b"a");
    good(&mut drive, "0a 00 00 00 01 00", b"b");
    assert_eq!(extension(&mut drive, "12", "00 00").0, 0);
    assert_eq!(run(&mut drive, "1a 08 10 01 ff 00", &[], 255).2[4..12], bytes("d0 01 00 1c 00 12 00 00"));
    good(&mut drive, "0a 00 00 00 01 00", b"c");
    good(&mut drive, "2b 00 00 00 00 00 01 00 00 00", b"");
    check(&mut drive, "0a 00 00 00 01 00", b"x", 0, APPEND_ONLY, b"");
    assert!(drive.alerts().is_set(Alert::WRITE_PROTECT));
    check(
        &mut drive,
        "19 00 00 00 00 00",
        &[],
        0,
        &APPEND_ONLY.replacen("f0 00 07 00 00 00 01", "70 00 07 00 00 00 00", 1),
        b"",
    );
    // Allowed at the current position, once, and until the position changes.
    let elsewhere = "70 00 05 00 00 00 00 0a 00 00 00 00 3b 00 00 00 00 00";
    check(&mut drive, "82 00 01 00 00 00 00 00 00 00 00 02 00 00 00 00", &[], 0, elsewhere, b"");
    good(&mut drive, "82 00 01 00 00 00 00 00 00 00 00 01 00 00 00 00", b"");
    good(&mut drive, "2b 00 00 00 00 00 01 00 00 00", b"");
    check(&mut drive, "0a 00 00 00 01 00", b"x", 0, APPEND_ONLY, b"");
    good(&mut drive, "82 00 01 00 00 00 00 00 00 00 00 01 00 00 00 00", b"");
    good(&mut drive, "0a 00 00 00 01 00", b"x");
    good(&mut drive, "0a 00 00 00 01 00", b"y");
    // FORMAT MEDIUM needs its own permission.
    good(&mut drive, "01 00 00 00 00 00", b"");
    let refused = "70 00 07 00 00 00 00 0a 00 00 00 00 5a 02 00 00 00 00";
    check(&mut drive, "04 00 00 00 00 00", &[], 0, refused, b"");
    good(&mut drive, "82 00 02 00 00 00 00 00 00 00 00 00 00 00 00 00", b"");
    good(&mut drive, "04 00 00 00 00 00", b"");
    // The mode stays on while a volume is mounted.
    let sense = bytes("70 00 05 00 00 00 00 0a 00 00 00 00 26 00 00 8f 00 09");
    assert_eq!(extension(&mut drive, "02", "00 00"), (2, sense, vec![]));
    good(&mut drive, "1b 00 00 00 00 00", b"");
    assert_eq!(extension(&mut drive, "02", "00 00").0, 0);
}

#[test]
fn programmable_early_warning() {
    // 32 MB, of which the last 2 are beyond early warning; PEWS is 4 MB.
    let mut drive = loaded(32_000_000);
    assert_eq!(extension(&mut drive, "02", "00 04").0, 0);
    let block = vec![9; 5_000_000];
    for _ in 0..5 {
        good(&mut drive, "0a 00 4c 4b 40 00", &block);
    }
    let warned = "f0 00 40 00 00 00 00 0a 00 00 00 00 00 07 00 00 00 00";
    let early = "f0 00 40 00 00 00 00 0a 00 00 00 00 00 02 00 00 00 00";
    let flags = |drive: &mut Drive| run(drive, "34 00 00 00 00 00 00 00 00 00", &[], 20).2[0];
    assert_eq!(flags(&mut drive), 0x00);
    check(&mut drive, "0a 00 1e 84 80 00", &block[..2_000_000], 0, warned, b"");
    assert_eq!(flags(&mut drive), 0x01);
    good(&mut drive, "0a 00 00 00 01 00", b"x");
    check(&mut drive, "0a 00 3d 09 00 00", &block[..4_000_000], 0, early, b"");
    assert_eq!(flags(&mut drive), 0x41);
    // Left and entered again, this time beyond both: the first write reports the one, the next write the other.
    good(&mut drive, "2b 00 00 00 00 00 05 00 00 00", b"");
    assert_eq!(flags(&mut drive), 0x00);
    check(
        &mut drive,
        "0a 00 4c 4b 41 00",
        &[9; 5_000_001],
        0,
        early.replacen("00 02 00 00", "00 07 00 00", 1).as_str(),
        b"",
    );
    check(&mut drive, "10 00 00 00 01 00", &[], 0, early, b"");
}

/// LTFS loads a threaded tape to get to the beginning of partition 0; REWIND stays in its partition.
#[test]
fn load_positions_at_partition_0() {
    let mut drive = loaded(100_000_000_000);
    good(&mut drive, "15 10 00 00 14 00", &bytes("00 00 10 00 11 0e 03 01 3c 03 09 00 00 0a ff ff 00 00 00 00"));
    good(&mut drive, "04 00 01 00 00 00", b"");
    let place = |drive: &mut Drive| run(drive, "34 06 00 00 00 00 00 00 00 00", &[], 32).2[4..16].to_vec();
    good(&mut drive, "92 02 00 01 00 00 00 00 00 00 00 00 00 00 00 00", b"");
    good(&mut drive, "0a 00 00 00 01 00", b"x");
    good(&mut drive, "01 00 00 00 00 00", b"");
    assert_eq!(place(&mut drive), bytes("00 00 00 01 00 00 00 00 00 00 00 00"));
    good(&mut drive, "1b 00 00 00 01 00", b"");
    assert_eq!(place(&mut drive), bytes("00 00 00 00 00 00 00 00 00 00 00 00"));
    good(&mut drive, "04 00 00 00 00 00", b"");
}

#[test]
fn explicit_address_commands() {
    let mut drive = loaded(1 << 30);
    // WRITE(16) with FCS and LCS; TRANSFER LENGTH is in bytes 12 to 14.
    good(&mut drive, "8a 0c 00 00 00 00 00 00 00 00 00 00 00 00 03 00", b"abc");
    good(&mut drive, "8a 0c 00 00 00 00 00 00 00 00 00 01 00 00 05 00", b"defgh");
    good(&mut drive, "80 0c 00 00 00 00 00 00 00 00 00 02 00 00 01 00", b"");
    assert_eq!(position(&mut drive), 3);
    assert_eq!(run(&mut drive, "88 00 00 00 00 00 00 00 00 00 00 01 00 00 05 00", &[], 5).2, b"defgh");
    assert_eq!(run(&mut drive, "88 02 00 00 00 00 00 00 00 00 00 00 00 00 09 00", &[], 9).2, b"abc");
    // An object that does not exist, a partition that does not exist.
    let end = "f0 00 08 00 00 00 05 0a 00 00 00 00 00 05 00 00 00 00";
    check(&mut drive, "88 00 00 00 00 00 00 00 00 00 00 09 00 00 05 00", &[], 5, end, b"");
    let partition = "f0 00 05 00 00 00 05 0a 00 00 00 00 24 00 00 c0 00 03";
    check(&mut drive, "88 00 00 01 00 00 00 00 00 00 00 00 00 00 05 00", &[], 5, partition, b"");
    check(&mut drive, "8a 00 00 01 00 00 00 00 00 00 00 00 00 00 05 00", b"defgh", 0, partition, b"");
    good(&mut drive, "8f 02 00 00 00 00 00 00 00 00 00 00 00 00 03 00", b"abc");
    good(&mut drive, "93 00 00 00 00 00 00 00 00 00 00 01 00 00 00 00", b"");
    good(&mut drive, "11 03 00 00 00 00", b"");
    assert_eq!(position(&mut drive), 1);
}

#[test]
fn read_reverse() {
    let mut drive = three_blocks();
    good(&mut drive, "11 03 00 00 00 00", b"");
    assert_eq!(run(&mut drive, "0f 04 00 00 04 00", &[], 4).2, b"ijkl");
    assert_eq!(position(&mut drive), 3);
    let filemark = "f0 00 80 00 00 00 05 0a 00 00 00 00 00 01 00 00 00 00";
    check(&mut drive, "0f 00 00 00 05 00", &[], 5, filemark, b"");
    assert_eq!(position(&mut drive), 2);
    assert_eq!(run(&mut drive, "0f 00 00 00 05 00", &[], 5).2, b"hgfed");
    let short = "f0 00 20 00 00 00 02 0a 00 00 00 00 00 00 00 00 00 00";
    check(&mut drive, "0f 00 00 00 05 00", &[], 5, short, b"cba");
    check(&mut drive, "0f 00 00 00 05 00", &[], 5, "f0 00 40 00 00 00 05 0a 00 00 00 00 00 04 00 00 00 00", b"");
    assert_eq!(run(&mut drive, "81 04 00 00 00 00 00 00 00 00 00 02 00 00 05 00", &[], 5).2, b"defgh");
    let empty = "f0 00 40 00 00 00 05 0a 00 00 00 00 00 02 00 00 00 00";
    check(&mut drive, "14 00 00 00 05 00", &[], 5, empty, b"");
    good(&mut drive, "14 00 00 00 00 00", b"");
}

#[test]
fn set_capacity() {
    let mut drive = loaded(10_000_000_000);
    let maximum = "8c 00 00 00 00 00 00 00 00 01 00 00 00 11 00 00";
    good(&mut drive, "0a 00 00 00 01 00", b"x");
    check(&mut drive, "0b 00 00 80 00 00", &[], 0, "70 00 05 00 00 00 00 0a 00 00 00 00 3b 0c 00 00 00 00", b"");
    good(&mut drive, "01 00 00 00 00 00", b"");
    good(&mut drive, "0b 00 00 80 00 00", b"");
    // 10 GB * 8000h / FFFFh, in MiB; all data is erased, and a TapeAlert flag is raised.
    assert_eq!(run(&mut drive, maximum, &[], 17).2[9..], bytes("00 00 00 00 00 00 12 a0"));
    assert!(drive.alerts().is_set(Alert::DIMINISHED_CAPACITY));
    good(&mut drive, "11 03 00 00 00 00", b"");
    assert_eq!(position(&mut drive), 0);
    good(&mut drive, "1b 00 00 00 00 00", b"");
    good(&mut drive, "1b 00 00 00 01 00", b"");
    assert_eq!(run(&mut drive, maximum, &[], 17).2[9..], bytes("00 00 00 00 00 00 12 a0"));
    // At least five percent; then the whole capacity again.
    good(&mut drive, "0b 00 00 00 00 00", b"");
    assert_eq!(run(&mut drive, maximum, &[], 17).2[9..], bytes("00 00 00 00 00 00 01 dc"));
    good(&mut drive, "0b 00 00 ff ff 00", b"");
    assert_eq!(run(&mut drive, maximum, &[], 17).2[9..], bytes("00 00 00 00 00 00 25 40"));
    assert!(!drive.alerts().is_set(Alert::DIMINISHED_CAPACITY));
}

#[test]
fn verify_with_immed_runs_in_background() {
    let mut drive = three_blocks();
    good(&mut drive, "13 24 00 00 00 00", b"");
    // The verification ends before the next command, which reports the position.
    assert_eq!(position(&mut drive), 4);
    // A failure is reported as a deferred error.
    good(&mut drive, "01 00 00 00 00 00", b"");
    good(&mut drive, "13 0c 00 00 05 00", b"");
    let deferred = "f1 00 08 00 00 00 04 0a 00 00 00 00 00 05 00 00 00 00";
    assert_eq!(drive.poll_background(Now::default()), None);
    check(&mut drive, "00 00 00 00 00 00", &[], 0, deferred, b"");
    good(&mut drive, "00 00 00 00 00 00", b"");
    // 160 MiB take three steps: until then the drive is not ready, and reports progress.
    let mut drive = loaded(1 << 30);
    let block = vec![5; 8 << 20];
    for _ in 0..20 {
        good(&mut drive, "0a 00 80 00 00 00", &block);
    }
    good(&mut drive, "01 00 00 00 00 00", b"");
    good(&mut drive, "13 24 00 00 00 00", b"");
    let busy = run(&mut drive, "00 00 00 00 00 00", &[], 0).1;
    assert_eq!((busy[2], &busy[12..14], busy[15]), (0x02, &[0x04, 0x07][..], 0x80));
    let progress = run(&mut drive, "03 00 00 00 12 00", &[], 18).2;
    assert_eq!((progress[2], &progress[12..14], progress[15]), (0x00, &[0x00, 0x1c][..], 0x80));
    assert!(progress[16..18] > busy[16..18], "{progress:02x?} {busy:02x?}");
    while drive.poll_background(Now::default()).is_some() {}
    assert_eq!(position(&mut drive), 20);
}

#[test]
fn informational_exceptions() {
    let select = |drive: &mut Drive, flags: &str, mrie: &str, number: &str| {
        let list = bytes(&format!("00 00 10 00 1c 0a {flags} {mrie} 00 00 00 00 {number}"));
        run(drive, "15 10 00 00 10 00", &list, 0)
    };
    let mut drive = loaded(1 << 30);
    // A unit attention for every nexus.
    assert_eq!(select(&mut drive, "00", "02", "00 00 00 00").0, 0);
    clear_attentions(&mut drive);
    drive.raise_alert(Alert::DRIVE_TEMPERATURE);
    good(&mut drive, "00 00 00 00 00 00", b"");
    let attention = bytes("70 00 06 00 00 00 00 0a 00 00 00 00 5d 00 00 00 00 00");
    assert_eq!(run(&mut drive, "00 00 00 00 00 00", &[], 0).1, attention);
    assert_eq!(run_as(&mut drive, OTHER, "00 00 00 00 00 00", &[], 0).1, attention);
    // RECOVERED ERROR once, with a command that went through.
    assert_eq!(select(&mut drive, "00", "04", "00 00 00 00").0, 0);
    drive.raise_alert(Alert::COOLING_FAN_FAILURE);
    check(&mut drive, "01 00 00 00 00 00", &[], 0, "70 00 01 00 00 00 00 0a 00 00 00 00 5d 00 00 00 00 00", b"");
    good(&mut drive, "01 00 00 00 00 00", b"");
    // A test: the flag, and 5D/FF.
    assert_eq!(
        select(&mut drive, "04", "05", "00 00 00 14").1,
        bytes("70 00 00 00 00 00 00 0a 00 00 00 00 5d ff 00 00 00 00")
    );
    assert!(drive.alerts().is_set(Alert::CLEAN_NOW));
    assert_eq!(select(&mut drive, "04", "05", "ff ff ff ec").0, 0);
    assert!(!drive.alerts().is_set(Alert::CLEAN_NOW));
    // Only on request.
    assert_eq!(select(&mut drive, "00", "06", "00 00 00 00").0, 0);
    drive.raise_alert(Alert::DRIVE_VOLTAGE);
    good(&mut drive, "00 00 00 00 00 00", b"");
    assert_eq!(run(&mut drive, "03 00 00 00 12 00", &[], 18).2[12..14], [0x5d, 0x00]);
    assert_eq!(run(&mut drive, "03 00 00 00 12 00", &[], 18).2[12..14], [0x5d, 0x00]);
    // A test with that method is reported once; a pending report does not survive a change of the method.
    assert_eq!(select(&mut drive, "04", "06", "00 00 00 00").0, 0);
    assert_eq!(run(&mut drive, "03 00 00 00 12 00", &[], 18).2[12..14], [0x5d, 0xff]);
    assert_eq!(run(&mut drive, "03 00 00 00 12 00", &[], 18).2[12..14], [0x00, 0x00]);
    // A test while disabled, an invalid flag, an invalid method.
    for (flags, mrie, number, at) in [
        ("0c", "04", "00 00 00 00", "8a 00 06"),
        ("04", "04", "00 00 00 41", "80 00 0c"),
        ("00", "01", "00 00 00 00", "8b 00 07"),
    ] {
        let sense = format!("70 00 05 00 00 00 00 0a 00 00 00 00 26 00 00 {at}");
        assert_eq!(select(&mut drive, flags, mrie, number).1, bytes(&sense), "{flags} {mrie} {number}");
    }
}

#[test]
fn tape_alert_of_each_nexus() {
    let mut drive = loaded(1 << 30);
    drive.raise_alert(Alert::MEDIA_LIFE);
    let flag = |drive: &mut Drive, nexus| run_as(drive, nexus, "4d 00 6e 00 00 00 07 00 09 00", &[], 9).2[8];
    assert_eq!((flag(&mut drive, HOST), flag(&mut drive, HOST), flag(&mut drive, OTHER)), (1, 0, 1));
    // Page 12h shows all raised flags, regardless of reads.
    assert_eq!(run(&mut drive, "4d 00 52 00 00 00 00 00 10 00", &[], 16).2[8..], bytes("02 00 00 00 00 00 00 00"));
    // A flag that is raised again is reported again; LOG SELECT clears it for all nexuses.
    drive.raise_alert(Alert::MEDIA_LIFE);
    assert_eq!(flag(&mut drive, HOST), 1);
    drive.raise_alert(Alert::MEDIA_LIFE);
    good(&mut drive, "4c 02 6e 00 00 00 00 00 00 00", b"");
    assert_eq!((flag(&mut drive, HOST), drive.alerts().bits()), (0, 0));
}

#[test]
fn data_buffers_and_diagnostics() {
    let mut drive = loaded(1 << 30);
    assert_eq!(run(&mut drive, "3c 03 00 00 00 00 00 00 04 00", &[], 4).2, bytes("00 01 00 00"));
    good(&mut drive, "3b 02 00 00 00 10 00 00 03 00", b"abc");
    assert_eq!(run(&mut drive, "3c 02 00 00 00 0f 00 00 05 00", &[], 5).2, b"\0abc\0");
    good(&mut drive, "3b 00 00 00 00 00 00 00 06 00", b"\0\0\0\0xy");
    assert_eq!(run(&mut drive, "3c 00 00 00 00 00 00 00 06 00", &[], 6).2, b"\0\x01\0\0xy");
    let sequence = "70 00 05 00 00 00 00 0a 00 00 00 00 2c 00 00 00 00 00";
    check(&mut drive, "3c 0a 00 00 00 00 00 00 08 00", &[], 8, sequence, b"");
    good(&mut drive, "3b 0a 00 00 00 00 00 00 04 00", b"echo");
    assert_eq!(run(&mut drive, "3c 0a 00 00 00 00 00 00 08 00", &[], 8).2, b"echo");
    assert_eq!(run(&mut drive, "3c 0b 00 00 00 00 00 00 04 00", &[], 4).2, bytes("01 00 10 00"));
    // The other nexus has its own echo buffer.
    assert_eq!(run_as(&mut drive, OTHER, "3c 0a 00 00 00 00 00 00 08 00", &[], 8).0, 2);
    for (cdb, pointer) in [
        ("3c 02 02 00 00 00 00 00 04 00", "c0 00 02"),
        ("3c 02 00 01 00 01 00 00 04 00", "c0 00 03"),
        ("3c 1d 00 00 00 00 00 00 04 00", "cc 00 01"),
        ("3b 02 00 00 ff ff 00 00 02 00", "c0 00 06"),
        ("3b 0a 00 00 00 00 00 10 01 00", "c0 00 06"),
    ] {
        let sense = format!("70 00 05 00 00 00 00 0a 00 00 00 00 24 00 00 {pointer}");
        check(&mut drive, cdb, b"xx", 4, &sense, b"");
    }
    // Microcode is received, and rejected as unsuitable.
    let image = "70 00 05 00 00 00 00 0a 00 00 00 00 26 00 00 80 00 00";
    check(&mut drive, "3b 05 00 00 00 00 00 00 04 00", b"code", 0, image, b"");
    assert!(drive.alerts().is_set(Alert::MICROCODE_UPDATE_FAIL));
    // Self-tests, and the self-test results page.
    good(&mut drive, "1d 04 00 00 00 00", b"");
    good(&mut drive, "1d 20 00 00 00 00", b"");
    good(&mut drive, "1d c0 00 00 00 00", b"");
    let results = run(&mut drive, "4d 00 50 00 00 00 00 01 94 00", &[], 404).2;
    assert_eq!((results.len(), &results[4..9], results[28]), (404, &bytes("00 01 43 10 c0")[..], 0x20));
    assert_eq!(results[48], 0);
    good(&mut drive, "1d 10 00 00 04 00", &bytes("00 00 00 00"));
    assert_eq!(run(&mut drive, "1c 00 00 00 ff 00", &[], 255).2, bytes("00 00 00 02 00 80"));
    check(&mut drive, "1c 01 80 00 ff 00", &[], 255, "70 00 05 00 00 00 00 0a 00 00 00 00 24 00 00 c0 00 02", b"");
    check(&mut drive, "1d 10 00 00 04 00", &bytes("81 00 00 00"), 0, image, b"");
}

#[test]
fn medium_types_and_names() {
    let mut drive = loaded(1 << 30);
    let types = run(&mut drive, "44 02 00 00 00 00 00 ff ff 00", &[], 1024).2;
    assert_eq!((types.len(), &types[..4]), (4 + 5 * 56, &bytes("01 1a 00 00")[..]));
    assert_eq!(types[4..22], bytes("78 00 00 34 01 5c 00 00 00 00 00 00 00 00 00 7f 03 c0"));
    assert_eq!(&types[24..60], b"LTO-CVE LTO7DataUltrium 7 Data Tape ");
    assert_eq!(types[60], 0x7c);
    let mounted = run(&mut drive, "44 03 00 00 00 00 00 ff ff 00", &[], 1024).2;
    assert_eq!((mounted.len(), mounted[4], mounted[9]), (60, 0x88, 0x5e));
    // Identifying information that hosts set.
    good(&mut drive, "a4 06 00 00 00 00 00 00 00 05 00 00", b"drive");
    assert_eq!(run(&mut drive, "a3 05 00 00 00 00 00 00 00 ff 00 00", &[], 255).2, b"\0\0\0\x05drive");
    let attention = bytes("70 00 06 00 00 00 00 0a 00 00 00 00 3f 05 00 00 00 00");
    assert_eq!(run_as(&mut drive, OTHER, "00 00 00 00 00 00", &[], 0).1, attention);
    assert_eq!(
        run(&mut drive, "a3 05 00 00 00 00 00 00 00 ff fe 00", &[], 255).2,
        bytes("00 00 00 08 00 00 00 40 04 00 01 00")
    );
    // End of wrap: one wrap holds data, and ends at end of data.
    good(&mut drive, "0a 00 00 00 01 00", b"x");
    assert_eq!(
        run(&mut drive, "a3 1f 45 00 00 00 00 00 00 ff 00 00", &[], 255).2,
        bytes("00 08 00 00 00 00 00 00 00 01")
    );
    let all = run(&mut drive, "a3 1f 45 02 00 00 00 00 00 ff 00 00", &[], 255).2;
    assert_eq!(all, bytes("00 0e 00 00 00 00 00 00 00 00 00 00 00 00 00 01"));
    let unknown = "70 00 05 00 00 00 00 0a 00 00 00 00 20 00 00 00 00 00";
    check(&mut empty("ULT3580-TD6"), "a3 1f 45 00 00 00 00 00 00 ff 00 00", &[], 255, unknown, b"");
}

#[test]
fn aborted_verification_is_reported() {
    let mut drive = loaded(1 << 30);
    let block = vec![5; 8 << 20];
    (0..20).for_each(|_| good(&mut drive, "0a 00 80 00 00 00", &block));
    good(&mut drive, "01 00 00 00 00 00", b"");
    good(&mut drive, "13 24 00 00 00 00", b"");
    let unload = run_as(&mut drive, OTHER, "1b 00 00 00 00 00", &[], 0).1;
    assert_eq!((unload[2], &unload[12..14]), (2, &[0x04, 0x07][..]));
    // The robot can still remove the cartridge; the nexus of the verification gets a deferred error.
    assert!(drive.remove().is_ok());
    let (status, sense, _) = run(&mut drive, "00 00 00 00 00 00", &[], 0);
    assert_eq!((status, sense[0], sense[2]), (2, 0x71, 0x0b));
    // INFORMATION as of the same command without IMMED.
    let mut drive = three_blocks();
    good(&mut drive, "13 04 00 00 09 00", b"");
    drive.poll_background(Now::default());
    check(&mut drive, "01 00 00 00 00 00", &[], 0, "f1 00 20 00 00 00 06 0a 00 00 00 00 00 00 00 00 00 00", b"");
}

#[test]
fn state_after_format_and_reset() {
    let mut drive = loaded(1 << 30);
    let read =
        |drive: &mut Drive, id: &str| run(drive, &format!("8c 00 00 00 00 00 00 00 {id} 00 00 00 29 00 00"), &[], 41);
    let list = bytes(
        "00 00 00 2b 08 05 00 00 01 81 08 06 01 00 20 42 41 52 43 4f 44 45 20 20 20 20 20 20 20 20 20 20 20 20 20 20 20 20 20 20 20 20 20 20 20 20 20",
    );
    good(&mut drive, "8d 00 00 00 00 00 00 00 00 00 00 00 00 2f 00 00", &list);
    good(&mut drive, "04 00 00 00 00 00", b"");
    assert_eq!((read(&mut drive, "08 05").0, &read(&mut drive, "08 06").2[9..16]), (2, &b"BARCODE"[..]));
    // Append-only mode survives a reset; TapeAlert flags do not.
    good(&mut drive, "0a 00 00 00 01 00", b"a");
    assert_eq!(extension(&mut drive, "12", "00 00").0, 0);
    drive.raise_alert(Alert::MEDIA);
    drive.handle_event(TransportEvent::UnitReset, Now::default());
    clear_attentions(&mut drive);
    assert_eq!(drive.alerts().bits(), 0);
    good(&mut drive, "01 00 00 00 00 00", b"");
    check(&mut drive, "0a 00 00 00 01 00", b"x", 0, APPEND_ONLY, b"");
    assert_eq!(run(&mut drive, "1a 08 10 01 ff 00", &[], 255).2[9], 0x12);
}

#[test]
fn compression_set_by_page_0fh_or_10h() {
    let mut drive = loaded(1 << 30);
    let both = |drive: &mut Drive| {
        let here = run(drive, "1a 08 0f 00 ff 00", &[], 255).2[6] >> 7;
        (here, run(drive, "1a 08 10 00 ff 00", &[], 255).2[18])
    };
    assert_eq!(both(&mut drive), (1, 1));
    good(&mut drive, "15 10 00 00 14 00", &bytes("00 00 10 00 10 0e 00 00 00 00 01 2c 40 00 10 00 00 00 00 90"));
    assert_eq!(both(&mut drive), (0, 0));
    good(&mut drive, "15 10 00 00 14 00", &bytes("00 00 10 00 0f 0e c0 80 00 00 00 ff 00 00 00 ff 00 00 00 00"));
    assert_eq!(both(&mut drive), (1, 1));
}

#[test]
fn long_blocks_and_unreachable_mam() {
    let mut drive = loaded(1 << 30);
    // MODE SELECT accepts block lengths up to that of READ BLOCK LIMITS, plus the four bytes of logical block
    // protection.
    let select = "15 10 00 00 0c 00";
    let too_long = "70 00 05 00 00 00 00 0a 00 00 00 00 26 00 00 80 00 09";
    assert_eq!(run(&mut drive, "05 00 00 00 00 00", &[], 6).2, bytes("00 80 00 00 00 01"));
    good(&mut drive, select, &bytes("00 00 10 08 00 00 00 00 00 80 00 00"));
    check(&mut drive, select, &bytes("00 00 10 08 00 00 00 00 00 80 00 01"), 0, too_long, b"");
    check(&mut drive, select, &bytes("00 00 10 08 00 00 00 00 00 ff ff ff"), 0, too_long, b"");
    assert_eq!(protect(&mut drive, HOST, "01", "80").0, 0);
    good(&mut drive, select, &bytes("00 00 10 08 00 00 00 00 00 80 00 04"));
    check(&mut drive, select, &bytes("00 00 10 08 00 00 00 00 00 80 00 05"), 0, too_long, b"");
    assert_eq!(run_as(&mut drive, OTHER, select, &bytes("00 00 10 08 00 00 00 00 00 80 00 04"), 0).0, 2);
    assert_eq!(protect(&mut drive, HOST, "00", "00").0, 0);
    // A block that is too long once protection is disabled.
    let long = vec![0; 0x0080_0004];
    let sense = "70 00 05 00 00 00 00 0a 00 00 00 00 24 00 00 c8 00 01";
    check(&mut drive, "0a 01 00 00 01 00", &long, 0, sense, b"");
    // Remaining capacity of each partition, and host attributes, of a cartridge that is loaded but not threaded.
    good(&mut drive, "15 10 00 00 14 00", &bytes("00 00 10 00 11 0e 03 01 5c 03 09 00 00 00 00 00 00 00 00 00"));
    good(&mut drive, "04 00 02 00 00 00", b"");
    good(&mut drive, "92 02 00 01 00 00 00 00 00 00 00 00 00 00 00 00", b"");
    let room = |drive: &mut Drive, partition: u8| {
        run(drive, &format!("8c 00 00 00 00 00 00 {partition:02x} 00 00 00 00 00 11 00 00"), &[], 17).2[9..].to_vec()
    };
    let before = [room(&mut drive, 0), room(&mut drive, 1)];
    good(&mut drive, "1b 00 00 00 08 00", b"");
    assert_eq!([room(&mut drive, 0), room(&mut drive, 1)], before);
    good(&mut drive, "8d 00 00 00 00 00 00 01 00 00 00 00 00 0a 00 00", &bytes("00 00 00 06 08 0c 00 00 01 55"));
    good(&mut drive, "1b 00 00 00 01 00", b"");
    let kept = run(&mut drive, "8c 00 00 00 00 00 00 01 08 0c 00 00 00 0a 00 00", &[], 10).2;
    assert_eq!(kept, bytes("00 00 00 06 08 0c 00 00 01 55"));
}

#[test]
fn write_at_bop_changes_density() {
    let mut drive = empty("ULT3580-TD8");
    drive.insert(cartridge(&tape_store::media::LTO_7, CartridgeKind::Data, 600_000_000)).unwrap();
    clear_attentions(&mut drive);
    let density = |drive: &mut Drive| run(drive, "1a 00 00 00 0c 00", &[], 12).2[4];
    good(&mut drive, "0a 00 00 00 03 00", b"old");
    // The selected density applies at the beginning; a write elsewhere does not convert the medium.
    good(&mut drive, "15 10 00 00 0c 00", &bytes("00 00 10 08 5d 00 00 00 00 00 00 00"));
    good(&mut drive, "0a 00 00 00 03 00", b"old");
    assert_eq!(density(&mut drive), 0x5c);
    good(&mut drive, "01 00 00 00 00 00", b"");
    assert_eq!(density(&mut drive), 0x5d);
    assert_eq!(run(&mut drive, "08 00 00 00 03 00", &[], 3).2, b"old");
    good(&mut drive, "01 00 00 00 00 00", b"");
    good(&mut drive, "0a 00 00 00 03 00", b"new");
    good(&mut drive, "1b 00 00 00 00 00", b"");
    good(&mut drive, "1b 00 00 00 01 00", b"");
    // The capacity grows by half, the tape is blank except for the write, and the conversion is final.
    assert_eq!(density(&mut drive), 0x5d);
    let maximum = run(&mut drive, "8c 00 00 00 00 00 00 00 00 01 00 00 00 11 00 00", &[], 17).2;
    assert_eq!(maximum[9..], bytes("00 00 00 00 00 00 03 5a"));
    assert_eq!(run(&mut drive, "08 00 00 00 03 00", &[], 3).2, b"new");
    assert_eq!(run(&mut drive, "08 00 00 00 03 00", &[], 3).1[12..14], [0x00, 0x05]);
    let back = "70 00 05 00 00 00 00 0a 00 00 00 00 26 00 00 80 00 04";
    check(&mut drive, "15 10 00 00 0c 00", &bytes("00 00 10 08 5c 00 00 00 00 00 00 00"), 0, back, b"");
    // An LTO-7 drive no longer supports the cartridge.
    let cartridge = drive.remove().unwrap();
    let mut other = empty("ULT3580-TD7");
    other.insert(cartridge).unwrap();
    assert_eq!(run(&mut other, "00 00 00 00 00 00", &[], 0).1[12..14], [0x30, 0x00]);
}

#[test]
fn vendor_specific_host_attributes() {
    let mut drive = loaded(1 << 30);
    let list = bytes("00 00 00 14 14 05 00 00 03 aa bb cc 16 23 00 00 01 80 17 ff 00 00 01 01");
    good(&mut drive, "8d 00 00 00 00 00 00 00 00 00 00 00 00 18 00 00", &list);
    good(&mut drive, "1b 00 00 00 00 00", b"");
    good(&mut drive, "1b 00 00 00 01 00", b"");
    let kept = run(&mut drive, "8c 00 00 00 00 00 00 00 14 05 00 00 00 ff 00 00", &[], 255).2;
    assert_eq!(kept, list);
    // Length zero removes an attribute; both ends of the attribute range.
    good(&mut drive, "8d 00 00 00 00 00 00 00 00 00 00 00 00 09 00 00", &bytes("00 00 00 05 14 05 00 00 00"));
    assert_eq!(run(&mut drive, "8c 00 00 00 00 00 00 00 14 05 00 00 00 ff 00 00", &[], 255).0, 2);
    let beyond = "70 00 05 00 00 00 00 0a 00 00 00 00 26 00 00 80 00 04";
    check(
        &mut drive,
        "8d 00 00 00 00 00 00 00 00 00 00 00 00 0a 00 00",
        &bytes("00 00 00 06 18 00 00 00 01 aa"),
        0,
        beyond,
        b"",
    );
    good(&mut drive, "04 00 00 00 00 00", b"");
    assert_eq!(run(&mut drive, "8c 00 00 00 00 00 00 00 17 ff 00 00 00 ff 00 00", &[], 255).0, 2);
}

#[test]
fn offline_drive_is_not_ready() {
    let mut drive = loaded(1 << 30);
    drive.set_online(false);
    let offline = "70 00 02 00 00 00 00 0a 00 00 00 00 04 12 00 00 00 00";
    for cdb in ["00 00 00 00 00 00", "08 00 00 00 07 00", "1b 00 00 00 00 00"] {
        check(&mut drive, cdb, &[], 16, offline, b"");
    }
    assert_eq!(run(&mut drive, "12 00 00 00 24 00", &[], 36).0, 0);
    drive.set_online(true);
    good(&mut drive, "00 00 00 00 00 00", b"");
}

#[test]
fn a_legal_hold_blocks_overwrite_until_it_is_released() {
    let mut cartridge = cartridge(&LTO_8, CartridgeKind::Data, 1 << 30);
    cartridge.set_legal_hold(true).unwrap();
    assert_eq!(cartridge.write_protection(u64::MAX - 1).unwrap(), Some("cartridge is under a legal hold"));
    let mut drive = empty("ULT3580-TD8");
    drive.insert(cartridge).unwrap();
    clear_attentions(&mut drive);
    assert_eq!(at(&mut drive, 10, "0a 00 00 00 01 00", b"a").0, 0);
    assert_eq!(at(&mut drive, 10, "01 00 00 00 00 00", b"").0, 0);
    let far = 4_102_444_800;
    for cdb in ["0a 00 00 00 01 00", "10 00 00 00 01 00", "19 01 00 00 00 00", "04 00 00 00 00 00"] {
        let (status, sense) = at(&mut drive, far, cdb, b"x");
        assert_eq!((status, sense[2], &sense[12..14]), (2, 7, &[0x27, 4][..]), "{cdb}");
    }
    assert_eq!(at(&mut drive, 10, "1b 00 00 00 00 00", b"").0, 0);
    let mut cartridge = drive.remove().unwrap();
    cartridge.set_legal_hold(false).unwrap();
    drive.insert(cartridge).unwrap();
    clear_attentions(&mut drive);
    assert_eq!(at(&mut drive, 10, "0a 00 00 00 01 00", b"b").0, 0);
}
