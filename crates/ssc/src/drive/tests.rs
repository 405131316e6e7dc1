//! Commands as literal bytes, on a drive with a cartridge in RAM.
//! Columns: CDB · data out · expected: status, sense, data in.

use super::*;
use scsi_core::data::Data;
use scsi_core::nexus::NexusId;
use scsi_core::nexus::TransportId;
use scsi_core::port::TargetPort;
use scsi_core::target::{LogicalUnit, Request, TransportEvent};
use std::io::{IoSlice, IoSliceMut};
use tape_store::backend::FolderStore;
use tape_store::backend::memory::MemoryFolderStore;
use tape_store::cartridge::{Barcode, CartridgeKind, Format};
use tape_store::error::StoreError;
use tape_store::media::{LTO_3, LTO_5, LTO_8, MediaSpec};
use tape_store::store::{NewCartridge, TapeStore};

pub(super) const HOST: NexusId = NexusId(1);
pub(super) const OTHER: NexusId = NexusId(2);

pub(super) fn cartridge(media: &'static MediaSpec, kind: CartridgeKind, size: u64) -> Cartridge {
    cartridge_in_format(Format::Native, media, kind, size)
}

pub(super) fn cartridge_in_format(
    level: Format,
    media: &'static MediaSpec,
    kind: CartridgeKind,
    size: u64,
) -> Cartridge {
    let store = TapeStore::new(Box::new(MemoryFolderStore::default()));
    let barcode = Barcode::new("T00001").unwrap();
    let (made, capacity) = (1_767_225_600, size);
    store
        .create(
            &barcode,
            &NewCartridge::data(media)
                .with_kind(kind)
                .with_serial("S1")
                .with_manufactured(made)
                .with_capacity(capacity)
                .with_format(level),
        )
        .unwrap();
    store.cartridge(&barcode, media, kind, size)
}

pub(super) fn empty(product: &str) -> Drive {
    let profile = crate::profile::by_product(product).unwrap();
    let identity = Identity::new(profile.model, "1234567890", 0x3001_0203_0405_0607, TargetPort::ISCSI);
    let config = DriveConfig { codec: Codec::NONE, random: crate::testing::RANDOM };
    let mut drive = Drive::new(profile, identity, config, lu::SavedState::default());
    for nexus in [HOST, OTHER] {
        let port = TransportId::local(nexus.0);
        drive.handle_event(TransportEvent::NexusEstablished { nexus, port, reestablished: false }, Now::default());
    }
    clear_attentions(&mut drive);
    drive
}

/// Clears the unit attentions of both nexuses.
pub(super) fn clear_attentions(drive: &mut Drive) {
    for nexus in [HOST, OTHER] {
        while run_as(drive, nexus, "03 00 00 00 12 00", &[], 18).2[2] & 0x0f != 0 {}
    }
}

/// An LTO-8 drive with a cartridge of this size, ready, without unit attentions.
pub(super) fn loaded(size: u64) -> Drive {
    let mut drive = empty("ULT3580-TD8");
    drive.insert(cartridge(&LTO_8, CartridgeKind::Data, size)).unwrap();
    clear_attentions(&mut drive);
    drive
}

pub(super) fn bytes(hex: &str) -> Vec<u8> {
    hex.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()
}

pub(super) fn run_as(drive: &mut Drive, nexus: NexusId, cdb: &str, out: &[u8], room: usize) -> (u8, Vec<u8>, Vec<u8>) {
    let mut answer = vec![0; room];
    let cdb = bytes(cdb);
    let request = Request::new(nexus, &cdb, Now::default());
    let out = [IoSlice::new(out)];
    let mut into = [IoSliceMut::new(&mut answer)];
    let done = drive.execute(&request, Data::new(&out, &mut into));
    answer.truncate(done.data_in);
    (done.status.0, done.sense.map(|sense| sense.as_slice().to_vec()).unwrap_or_default(), answer)
}

pub(super) fn run(drive: &mut Drive, cdb: &str, out: &[u8], room: usize) -> (u8, Vec<u8>, Vec<u8>) {
    run_as(drive, HOST, cdb, out, room)
}

/// GOOD status without data.
pub(super) fn good(drive: &mut Drive, cdb: &str, out: &[u8]) {
    assert_eq!(run(drive, cdb, out, 0), (0, vec![], vec![]), "{cdb}");
}

/// CHECK CONDITION with this fixed-format sense, and this data.
pub(super) fn check(drive: &mut Drive, cdb: &str, out: &[u8], room: usize, sense: &str, data: &[u8]) {
    assert_eq!(run(drive, cdb, out, room), (2, bytes(sense), data.to_vec()), "{cdb}");
}

const NOT_READY: &str = "70 00 02 00 00 00 00 0a 00 00 00 00 3a 00 00 00 00 00";

/// Drive with a tape of blocks of 3, 5 and 4 bytes and a filemark after the second, positioned at the beginning.
pub(super) fn three_blocks() -> Drive {
    let mut drive = loaded(1 << 30);
    good(&mut drive, "0a 00 00 00 03 00", b"abc");
    good(&mut drive, "0a 00 00 00 05 00", b"defgh");
    good(&mut drive, "10 00 00 00 01 00", b"");
    good(&mut drive, "0a 00 00 00 04 00", b"ijkl");
    good(&mut drive, "01 00 00 00 00 00", b"");
    drive
}

/// Block address of READ POSITION, short form.
pub(super) fn position(drive: &mut Drive) -> u32 {
    let (status, _, data) = run(drive, "34 00 00 00 00 00 00 00 00 00", &[], 20);
    assert_eq!((status, data.len()), (0, 20));
    u32::from_be_bytes(data[4..8].try_into().unwrap())
}

#[test]
fn commands_without_a_cartridge() {
    let mut drive = empty("ULT3580-TD8");
    for cdb in [
        "00 00 00 00 00 00",
        "01 00 00 00 00 00",
        "08 00 00 00 01 00",
        "34 00 00 00 00 00 00 00 00 00",
        "1b 00 00 00 01 00",
    ] {
        check(&mut drive, cdb, &[], 0, NOT_READY, &[]);
    }
    good(&mut drive, "1b 00 00 00 00 00", b"");
    assert_eq!(run(&mut drive, "05 00 00 00 00 00", &[], 6), (0, vec![], bytes("00 80 00 00 00 01")));
    let (_, _, mode) = run(&mut drive, "1a 00 00 00 0c 00", &[], 12);
    assert_eq!(mode, bytes("0b 00 10 08 00 00 00 00 00 00 00 00"));
}

#[test]
fn reading_variable_blocks() {
    let mut drive = three_blocks();
    assert_eq!(run(&mut drive, "08 00 00 00 03 00", &[], 3), (0, vec![], b"abc".to_vec()));
    check(&mut drive, "08 00 00 00 08 00", &[], 8, "f0 00 20 00 00 00 03 0a 00 00 00 00 00 00 00 00 00 00", b"defgh");
    check(&mut drive, "08 00 00 00 08 00", &[], 8, "f0 00 80 00 00 00 08 0a 00 00 00 00 00 01 00 00 00 00", b"");
    check(&mut drive, "08 00 00 00 02 00", &[], 2, "f0 00 20 ff ff ff fe 0a 00 00 00 00 00 00 00 00 00 00", b"ij");
    check(&mut drive, "08 00 00 00 02 00", &[], 2, "f0 00 08 00 00 00 02 0a 00 00 00 00 00 05 00 00 00 00", b"");
    assert_eq!(position(&mut drive), 4);
    good(&mut drive, "08 00 00 00 00 00", b"");
    good(&mut drive, "01 00 00 00 00 00", b"");
    assert_eq!(run(&mut drive, "08 02 00 00 08 00", &[], 8), (0, vec![], b"abc".to_vec()));
    assert_eq!(run(&mut drive, "08 02 00 00 02 00", &[], 2), (0, vec![], b"de".to_vec()));
}

#[test]
fn fixed_blocks() {
    let mut drive = loaded(1 << 30);
    check(&mut drive, "08 01 00 00 02 00", &[], 8, "f0 00 05 00 00 00 02 0a 00 00 00 00 24 00 00 c8 00 01", b"");
    check(
        &mut drive,
        "0a 01 00 00 02 00",
        b"aaaabbbb",
        0,
        "f0 00 05 00 00 00 02 0a 00 00 00 00 24 00 00 c8 00 01",
        b"",
    );
    good(&mut drive, "15 10 00 00 0c 00", &bytes("00 00 10 08 00 00 00 00 00 00 00 04"));
    good(&mut drive, "0a 01 00 00 03 00", b"aaaabbbbcccc");
    good(&mut drive, "0a 00 00 00 06 00", b"longer");
    good(&mut drive, "10 00 00 00 01 00", b"");
    good(&mut drive, "01 00 00 00 00 00", b"");
    check(&mut drive, "08 03 00 00 01 00", &[], 4, "f0 00 05 00 00 00 01 0a 00 00 00 00 24 00 00 c9 00 01", b"");
    assert_eq!(run(&mut drive, "08 01 00 00 02 00", &[], 8), (0, vec![], b"aaaabbbb".to_vec()));
    // One matching block of three, then one of another length: ILI, and the position is after it.
    check(&mut drive, "08 01 00 00 03 00", &[], 12, "f0 00 20 00 00 00 02 0a 00 00 00 00 00 00 00 00 00 00", b"cccc");
    assert_eq!(position(&mut drive), 4);
    check(&mut drive, "08 01 00 00 03 00", &[], 12, "f0 00 80 00 00 00 03 0a 00 00 00 00 00 01 00 00 00 00", b"");
    good(&mut drive, "01 00 00 00 00 00", b"");
    // SILI suppresses the report of a longer block only while the block length is zero.
    assert_eq!(run(&mut drive, "08 02 00 00 04 00", &[], 4).2, b"aaaa");
    check(&mut drive, "08 02 00 00 03 00", &[], 3, "f0 00 20 ff ff ff ff 0a 00 00 00 00 00 00 00 00 00 00", b"bbb");
}

#[test]
fn spacing_forward_and_backward() {
    let mut drive = three_blocks();
    good(&mut drive, "11 00 00 00 02 00", b"");
    assert_eq!(position(&mut drive), 2);
    check(&mut drive, "11 00 00 00 02 00", &[], 0, "f0 00 80 00 00 00 02 0a 00 00 00 00 00 01 00 00 00 00", b"");
    assert_eq!(position(&mut drive), 3);
    check(&mut drive, "11 00 00 00 02 00", &[], 0, "f0 00 08 00 00 00 01 0a 00 00 00 00 00 05 00 00 00 00", b"");
    check(&mut drive, "11 00 ff ff fd 00", &[], 0, "f0 00 80 00 00 00 02 0a 00 00 00 00 00 01 00 00 00 00", b"");
    assert_eq!(position(&mut drive), 2);
    check(&mut drive, "11 00 ff ff fb 00", &[], 0, "f0 00 40 00 00 00 03 0a 00 00 00 00 00 04 00 00 00 00", b"");
    assert_eq!(position(&mut drive), 0);
    good(&mut drive, "11 01 00 00 01 00", b"");
    assert_eq!(position(&mut drive), 3);
    good(&mut drive, "11 01 ff ff ff 00", b"");
    assert_eq!(position(&mut drive), 2);
    check(&mut drive, "11 01 7f ff ff 00", &[], 0, "f0 00 08 00 7f ff fe 0a 00 00 00 00 00 05 00 00 00 00", b"");
    check(&mut drive, "11 01 ff ff fe 00", &[], 0, "f0 00 40 00 00 00 01 0a 00 00 00 00 00 04 00 00 00 00", b"");
    good(&mut drive, "11 03 00 00 00 00", b"");
    assert_eq!(position(&mut drive), 4);
    check(&mut drive, "11 02 ff ff fe 00", &[], 0, "f0 00 40 00 00 00 02 0a 00 00 00 00 00 04 00 00 00 00", b"");
    check(&mut drive, "11 04 00 00 01 00", &[], 0, "70 00 05 00 00 00 00 0a 00 00 00 00 24 00 00 cb 00 01", b"");
    good(&mut drive, "91 00 00 00 00 00 00 00 00 00 00 01 00 00 00 00", b"");
    assert_eq!(position(&mut drive), 1);
}

#[test]
fn locating_and_positions() {
    let mut drive = three_blocks();
    good(&mut drive, "2b 04 00 00 00 00 03 00 00 00", b"");
    assert_eq!(position(&mut drive), 3);
    good(&mut drive, "92 08 00 00 00 00 00 00 00 00 00 01 00 00 00 00", b"");
    let (_, _, long) = run(&mut drive, "34 06 00 00 00 00 00 00 00 00", &[], 32);
    assert_eq!(
        long,
        bytes("00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 03 00 00 00 00 00 00 00 01 00 00 00 00 00 00 00 00")
    );
    good(&mut drive, "92 18 00 00 00 00 00 00 00 00 00 00 00 00 00 00", b"");
    let (_, _, extended) = run(&mut drive, "34 08 00 00 00 00 00 00 20 00", &[], 32);
    assert_eq!(extended[..16], bytes("00 00 00 1c 00 00 00 00 00 00 00 00 00 00 00 04"));
    check(
        &mut drive,
        "92 00 00 00 ff ff ff ff ff ff ff ff 00 00 00 00",
        &[],
        0,
        "70 00 08 00 00 00 00 0a 00 00 00 00 00 05 00 00 00 00",
        b"",
    );
    assert_eq!(position(&mut drive), 4);
    check(
        &mut drive,
        "2b 02 00 00 00 00 00 00 01 00",
        &[],
        0,
        "70 00 05 00 00 00 00 0a 00 00 00 00 24 00 00 c0 00 08",
        b"",
    );
    check(
        &mut drive,
        "34 00 00 00 00 00 00 00 14 00",
        &[],
        20,
        "70 00 05 00 00 00 00 0a 00 00 00 00 24 00 00 cc 00 08",
        b"",
    );
    good(&mut drive, "01 00 00 00 00 00", b"");
    let (_, _, short) = run(&mut drive, "34 01 00 00 00 00 00 00 00 00", &[], 20);
    assert_eq!(short[0], 0x80);
}

#[test]
fn overwriting_removes_following_objects() {
    let mut drive = three_blocks();
    good(&mut drive, "11 00 00 00 01 00", b"");
    good(&mut drive, "0a 00 00 00 01 00", b"X");
    check(&mut drive, "08 00 00 00 01 00", &[], 1, "f0 00 08 00 00 00 01 0a 00 00 00 00 00 05 00 00 00 00", b"");
    good(&mut drive, "01 00 00 00 00 00", b"");
    good(&mut drive, "19 00 00 00 00 00", b"");
    check(&mut drive, "08 00 00 00 01 00", &[], 1, "f0 00 08 00 00 00 01 0a 00 00 00 00 00 05 00 00 00 00", b"");
}

#[test]
fn early_warning_and_end_of_medium() {
    let mut drive = loaded(32_000);
    let block = vec![9; 10_000];
    good(&mut drive, "0a 00 00 27 10 00", &block);
    good(&mut drive, "0a 00 00 27 10 00", &block);
    good(&mut drive, "0a 00 00 27 10 00", &block);
    assert_eq!(run(&mut drive, "34 00 00 00 00 00 00 00 00 00", &[], 20).2[0], 0x00);
    good(&mut drive, "15 10 00 00 0c 00", &bytes("00 00 10 08 00 00 00 00 00 00 02 00"));
    let six = vec![8; 512 * 6];
    check(&mut drive, "0a 01 00 00 06 00", &six, 0, "f0 00 4d 00 00 00 03 0a 00 00 00 00 00 02 00 00 00 00", b"");
    assert_eq!(position(&mut drive), 6);
    check(&mut drive, "10 00 00 00 01 00", &[], 0, "f0 00 40 00 00 00 00 0a 00 00 00 00 00 02 00 00 00 00", b"");
    assert_eq!(run(&mut drive, "34 00 00 00 00 00 00 00 00 00", &[], 20).2[0], 0x40);
    check(&mut drive, "0a 00 00 27 10 00", &block, 0, "f0 00 4d 00 00 27 10 0a 00 00 00 00 00 02 00 00 00 00", b"");
}

#[test]
fn media_of_other_generations() {
    let mut drive = empty("ULT3580-TD5");
    drive.insert(cartridge(&LTO_3, CartridgeKind::Data, 1 << 30)).unwrap();
    clear_attentions(&mut drive);
    assert_eq!(run(&mut drive, "1a 00 00 00 0c 00", &[], 12).2, bytes("0b 38 90 08 44 00 00 00 00 00 00 00"));
    check(&mut drive, "0a 00 00 00 01 00", b"x", 0, "f0 00 07 00 00 00 01 0a 00 00 00 00 30 05 00 00 00 00", b"");
    check(&mut drive, "10 00 00 00 01 00", &[], 0, "70 00 07 00 00 00 00 0a 00 00 00 00 30 05 00 00 00 00", b"");
    let mut drive = empty("ULT3580-TD8");
    drive.insert(cartridge(&LTO_5, CartridgeKind::Data, 1 << 30)).unwrap();
    check(&mut drive, "00 00 00 00 00 00", &[], 0, "70 00 03 00 00 00 00 0a 00 00 00 00 30 00 00 00 00 00", b"");
    let mut drive = empty("ULT3580-TD8");
    drive.insert(cartridge(&LTO_8, CartridgeKind::Cleaning, 1 << 30)).unwrap();
    check(&mut drive, "00 00 00 00 00 00", &[], 0, "70 00 02 00 00 00 00 0a 00 00 00 00 30 03 00 00 00 00", b"");
    assert!(drive.remove().is_ok());
}

#[test]
fn loading_unloading_and_prevention() {
    let mut drive = loaded(1 << 30);
    good(&mut drive, "1e 00 00 00 01 00", b"");
    check(&mut drive, "1b 00 00 00 00 00", &[], 0, "70 00 05 00 00 00 00 0a 00 00 00 00 53 02 00 00 00 00", b"");
    assert_eq!(drive.remove().map(drop), Err(RemoveError::Prevented));
    assert!(drive.alerts().is_set(crate::alert::Alert::NO_REMOVAL));
    good(&mut drive, "1e 00 00 00 00 00", b"");
    good(&mut drive, "1b 00 00 00 00 00", b"");
    check(&mut drive, "00 00 00 00 00 00", &[], 0, NOT_READY, &[]);
    good(&mut drive, "1b 00 00 00 01 00", b"");
    good(&mut drive, "00 00 00 00 00 00", b"");
    let attention = bytes("70 00 06 00 00 00 00 0a 00 00 00 00 28 00 00 00 00 00");
    assert_eq!(run_as(&mut drive, OTHER, "00 00 00 00 00 00", &[], 0), (2, attention, vec![]));
    check(&mut drive, "1b 00 00 00 04 00", &[], 0, "70 00 05 00 00 00 00 0a 00 00 00 00 24 00 00 ca 00 04", b"");
    // With HOLD it stays loaded, not threaded; its cartridge memory can be read.
    good(&mut drive, "1b 00 00 00 08 00", b"");
    check(&mut drive, "00 00 00 00 00 00", &[], 0, "70 00 02 00 00 00 00 0a 00 00 00 00 3a 04 00 00 00 00", b"");
    assert_eq!(run(&mut drive, "8c 00 00 00 00 00 00 00 04 01 00 00 00 29 00 00", &[], 41).2[9..11], *b"S1");
    good(&mut drive, "1b 00 00 00 09 00", b"");
    check(&mut drive, "08 00 00 00 01 00", &[], 1, "70 00 02 00 00 00 00 0a 00 00 00 00 3a 04 00 00 00 00", b"");
    good(&mut drive, "1b 00 00 00 01 00", b"");
    good(&mut drive, "00 00 00 00 00 00", b"");
}

#[test]
fn mode_pages_and_the_other_nexus() {
    let mut drive = loaded(1 << 30);
    let (_, _, page) = run(&mut drive, "1a 08 0f 00 ff 00", &[], 255);
    assert_eq!(page, bytes("13 88 10 00 0f 0e c0 80 00 00 00 ff 00 00 00 ff 00 00 00 00"));
    let (_, _, mask) = run(&mut drive, "1a 08 4f 00 ff 00", &[], 255);
    assert_eq!(mask[4..8], bytes("0f 0e 80 00"));
    good(&mut drive, "15 10 00 00 14 00", &bytes("00 00 10 00 0f 0e 40 80 00 00 00 ff 00 00 00 ff 00 00 00 00"));
    assert_eq!(run(&mut drive, "1a 08 0f 00 ff 00", &[], 255).2[6], 0x40);
    let attention = bytes("70 00 06 00 00 00 00 0a 00 00 00 00 2a 01 00 00 00 00");
    assert_eq!(run_as(&mut drive, OTHER, "00 00 00 00 00 00", &[], 0).1, attention);
    // A bit that is not changeable: 26h/00h with a field pointer.
    let wrong = bytes("00 00 10 00 0f 0e 40 00 00 00 00 ff 00 00 00 ff 00 00 00 00");
    check(&mut drive, "15 10 00 00 14 00", &wrong, 0, "70 00 05 00 00 00 00 0a 00 00 00 00 26 00 00 8f 00 07", b"");
    let long = bytes("00 00 10 08 00 00 00 00 00 80 00 05");
    check(&mut drive, "15 10 00 00 0c 00", &long, 0, "70 00 05 00 00 00 00 0a 00 00 00 00 26 00 00 80 00 09", b"");
    let density = bytes("00 00 10 08 58 00 00 00 00 00 00 00");
    check(&mut drive, "15 10 00 00 0c 00", &density, 0, "70 00 05 00 00 00 00 0a 00 00 00 00 26 00 00 80 00 04", b"");
    check(
        &mut drive,
        "15 10 00 00 05 00",
        &bytes("00 00 10 00 0f"),
        0,
        "70 00 05 00 00 00 00 0a 00 00 00 00 1a 00 00 00 00 00",
        b"",
    );
    check(&mut drive, "15 10 00 00 14 00", &[0; 10], 0, "70 00 05 00 00 00 00 0a 00 00 00 00 1a 00 00 00 00 00", b"");
    check(&mut drive, "1a 00 07 00 ff 00", &[], 255, "70 00 05 00 00 00 00 0a 00 00 00 00 24 00 00 cd 00 02", b"");
    let (_, _, all) = run(&mut drive, "5a 00 3f ff 00 00 00 ff ff 00", &[], 4096);
    assert_eq!(usize::from(u16::from_be_bytes([all[0], all[1]])) + 2, all.len());
}

#[test]
fn unsupported_commands_are_rejected() {
    let mut drive = loaded(1 << 30);
    for opcode in ["06", "83", "84", "c0", "ff"] {
        let cdb = format!("{opcode} 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00");
        check(&mut drive, &cdb, &[], 0, "70 00 05 00 00 00 00 0a 00 00 00 00 20 00 00 00 00 00", b"");
    }
    check(
        &mut drive,
        "a3 1e 00 00 00 00 00 00 00 00 00 00",
        &[],
        0,
        "70 00 05 00 00 00 00 0a 00 00 00 00 24 00 00 cc 00 01",
        b"",
    );
    check(&mut drive, "00 00 00 00 00 04", &[], 0, "70 00 05 00 00 00 00 0a 00 00 00 00 24 00 00 ca 00 05", b"");
    check(&mut drive, "05 02 00 00 00 00", &[], 20, "70 00 05 00 00 00 00 0a 00 00 00 00 24 00 00 c9 00 01", b"");
    check(&mut drive, "12 00 80 00 ff 00", &[], 255, "70 00 05 00 00 00 00 0a 00 00 00 00 24 00 00 c0 00 02", b"");
}

#[test]
fn read_and_write_attributes() {
    let mut drive = loaded(1 << 30);
    let (_, _, one) = run(&mut drive, "8c 00 00 00 00 00 00 00 04 01 00 00 00 29 00 00", &[], 41);
    assert_eq!(one[4..9], bytes("04 01 81 00 20"));
    assert_eq!(&one[9..11], b"S1");
    let list = bytes("00 00 00 0d 08 00 01 00 08 46 45 52 52 49 43 20 20");
    good(&mut drive, "8d 00 00 00 00 00 00 00 00 00 00 00 00 11 00 00", &list);
    let (_, _, written) = run(&mut drive, "8c 00 00 00 00 00 00 00 08 00 00 00 00 ff 00 00", &[], 255);
    assert_eq!(&written[4..17], &list[4..]);
    // With a read-only attribute the whole list is rejected.
    let list = bytes("00 00 00 0c 04 05 80 00 01 5e 08 05 00 00 01 81");
    check(
        &mut drive,
        "8d 00 00 00 00 00 00 00 00 00 00 00 00 10 00 00",
        &list,
        0,
        "70 00 05 00 00 00 00 0a 00 00 00 00 26 00 00 80 00 04",
        b"",
    );
    check(
        &mut drive,
        "8c 00 00 00 00 00 00 00 08 05 00 00 00 ff 00 00",
        &[],
        255,
        "70 00 05 00 00 00 00 0a 00 00 00 00 24 00 00 c0 00 08",
        b"",
    );
    check(
        &mut drive,
        "8c 00 00 00 00 00 00 01 00 00 00 00 00 ff 00 00",
        &[],
        255,
        "70 00 05 00 00 00 00 0a 00 00 00 00 24 00 00 c0 00 07",
        b"",
    );
    let reference =
        |drive: &mut Drive| run(drive, "8c 00 00 00 00 00 00 00 00 09 00 00 00 0d 00 00", &[], 13).2[9..].to_vec();
    let before = reference(&mut drive);
    good(&mut drive, "0a 00 00 00 01 00", b"x");
    good(&mut drive, "0a 00 00 00 01 00", b"y");
    let after = reference(&mut drive);
    assert_ne!(before, after);
    good(&mut drive, "0a 00 00 00 01 00", b"z");
    assert_ne!(after, reference(&mut drive));
}

#[test]
fn verify() {
    let mut drive = three_blocks();
    // With BYTCMP=0 no data is transferred.
    good(&mut drive, "13 00 00 00 03 00", &[]);
    assert_eq!(position(&mut drive), 1);
    good(&mut drive, "13 00 00 00 00 00", &[]);
    good(&mut drive, "01 00 00 00 00 00", &[]);
    good(&mut drive, "13 02 00 00 03 00", b"abc");
    // A different byte; the position is after the block.
    check(&mut drive, "13 02 00 00 05 00", b"dexgh", 0, "f0 00 0e 00 00 00 05 0a 00 00 00 00 1d 00 00 00 00 00", &[]);
    assert_eq!(position(&mut drive), 2);
    // As READ: filemark, another length, end of data.
    check(&mut drive, "13 00 00 00 05 00", &[], 0, "f0 00 80 00 00 00 05 0a 00 00 00 00 00 01 00 00 00 00", &[]);
    check(&mut drive, "13 00 00 00 09 00", &[], 0, "f0 00 20 00 00 00 05 0a 00 00 00 00 00 00 00 00 00 00", &[]);
    check(&mut drive, "13 00 00 00 05 00", &[], 0, "f0 00 08 00 00 00 05 0a 00 00 00 00 00 05 00 00 00 00", &[]);
    // To end of data; an existing number of files, and one file too many.
    good(&mut drive, "01 00 00 00 00 00", &[]);
    good(&mut drive, "13 20 00 00 00 00", &[]);
    assert_eq!(position(&mut drive), 4);
    good(&mut drive, "01 00 00 00 00 00", &[]);
    good(&mut drive, "13 08 00 00 01 00", &[]);
    assert_eq!(position(&mut drive), 3);
    check(&mut drive, "13 08 00 00 02 00", &[], 0, "f0 00 08 00 00 00 02 0a 00 00 00 00 00 05 00 00 00 00", &[]);
    // Invalid combinations of bits, and fixed blocks without a block length.
    for (cdb, pointer) in [
        ("13 28 00 00 00 00", "cd 00 01"),
        ("13 22 00 00 00 00", "c9 00 01"),
        ("13 0a 00 00 01 00", "c9 00 01"),
        ("13 06 00 00 01 00", "c9 00 01"),
        ("13 21 00 00 00 00", "c8 00 01"),
        ("13 20 00 00 01 00", "c0 00 02"),
        ("13 09 00 00 01 00", "c8 00 01"),
        ("13 10 00 00 01 00", "cc 00 01"),
    ] {
        check(&mut drive, cdb, b"x", 0, &format!("70 00 05 00 00 00 00 0a 00 00 00 00 24 00 00 {pointer}"), &[]);
    }
    let no_length = "f0 00 05 00 00 00 02 0a 00 00 00 00 24 00 00 c8 00 01";
    check(&mut drive, "13 01 00 00 02 00", &[], 0, no_length, &[]);
    // Fixed blocks: three of two bytes, of which the last differs.
    good(&mut drive, "15 10 00 00 0c 00", &bytes("00 00 10 08 00 00 00 00 00 00 00 02"));
    good(&mut drive, "01 00 00 00 00 00", &[]);
    good(&mut drive, "0a 01 00 00 03 00", b"aabbcc");
    good(&mut drive, "01 00 00 00 00 00", &[]);
    good(&mut drive, "13 03 00 00 02 00", b"aabb");
    good(&mut drive, "01 00 00 00 00 00", &[]);
    check(&mut drive, "13 03 00 00 03 00", b"aabbcx", 0, "f0 00 0e 00 00 00 01 0a 00 00 00 00 1d 00 00 00 00 00", &[]);
    good(&mut drive, "01 00 00 00 00 00", &[]);
    check(&mut drive, "13 01 00 00 04 00", &[], 0, "f0 00 08 00 00 00 01 0a 00 00 00 00 00 05 00 00 00 00", &[]);
}

/// MODE SENSE(6) of the medium partition page, without its block descriptor.
fn partition_page(drive: &mut Drive) -> Vec<u8> {
    run(drive, "1a 08 11 00 ff 00", &[], 255).2[4..].to_vec()
}

/// IBM drives end LTFS' request for 1 GB with RECOVERED ERROR 37h/00h, and create the partition (LTFS issues 351 and
/// 358).
#[test]
fn partition_sizes_that_are_rounded() {
    let mut drive = loaded(12_000_000_000_000);
    let page = bytes("00 00 10 00 11 0e 03 01 3c 03 09 00 00 01 ff ff 00 00 00 00");
    check(&mut drive, "15 10 00 00 14 00", &page, 0, "70 00 01 00 00 00 00 0a 00 00 00 00 37 00 00 00 00 00", &[]);
    // It took effect: the other nexus gets a unit attention, and FORMAT MEDIUM creates 115 GB and 11,769 GB.
    let attention = run_as(&mut drive, OTHER, "00 00 00 00 00 00", &[], 0);
    assert_eq!((attention.0, &attention.1[..3], &attention.1[12..14]), (2, &[0x70, 0, 6][..], &[0x2a, 0x01][..]));
    good(&mut drive, "04 00 01 00 00 00", &[]);
    assert_eq!(partition_page(&mut drive), bytes("11 0e 03 01 1c 03 19 00 00 73 2d f9 00 00 00 00"));
    // Reported sizes can be selected without rounding.
    good(&mut drive, "15 10 00 00 14 00", &bytes("00 00 10 00 11 0e 03 01 3c 03 09 00 00 73 2d f9 00 00 00 00"));
}

#[test]
fn formatting_and_partitions() {
    let mut drive = loaded(100_000_000_000);
    assert_eq!(partition_page(&mut drive), bytes("11 0e 03 00 1c 03 19 00 00 64 00 00 00 00 00 00"));
    good(&mut drive, "0a 00 00 00 03 00", b"old");
    good(&mut drive, "01 00 00 00 00 00", &[]);
    // Two partitions: 10 GB, which is 11 pairs of wraps, and the rest except one unused pair between them.
    let select = "15 10 00 00 14 00";
    let page = "00 00 10 00 11 0e 03 01 3c 03 09 00 00 0a ff ff 00 00 00 00";
    good(&mut drive, select, &bytes(page));
    assert_eq!(partition_page(&mut drive)[3..12], bytes("01 3c 03 09 00 00 0a ff ff"));
    good(&mut drive, "04 00 01 00 00 00", &[]);
    assert_eq!(partition_page(&mut drive), bytes("11 0e 03 01 1c 03 19 00 00 0a 00 58 00 00 00 00"));
    check(&mut drive, "08 00 00 00 03 00", &[], 3, "f0 00 08 00 00 00 03 0a 00 00 00 00 00 05 00 00 00 00", &[]);
    // Objects of both partitions, and positioning between them.
    good(&mut drive, "0a 00 00 00 04 00", b"zero");
    good(&mut drive, "2b 02 00 00 00 00 00 00 01 00", &[]);
    good(&mut drive, "0a 00 00 00 03 00", b"one");
    let at = run(&mut drive, "34 06 00 00 00 00 00 00 00 00", &[], 32).2;
    assert_eq!(at[..16], bytes("00 00 00 00 00 00 00 01 00 00 00 00 00 00 00 01"));
    good(&mut drive, "01 00 00 00 00 00", &[]);
    assert_eq!(run(&mut drive, "08 00 00 00 03 00", &[], 3).2, b"one");
    good(&mut drive, "92 02 00 00 00 00 00 00 00 00 00 00 00 00 00 00", &[]);
    assert_eq!(run(&mut drive, "08 00 00 00 04 00", &[], 4).2, b"zero");
    let beyond = "70 00 05 00 00 00 00 0a 00 00 00 00 24 00 00 c0 00 08";
    check(&mut drive, "2b 02 00 00 00 00 00 00 02 00", &[], 0, beyond, &[]);
    // Size of each partition in MiB, also after a reload.
    good(&mut drive, "1b 00 00 00 00 00", &[]);
    good(&mut drive, "1b 00 00 00 01 00", &[]);
    for (partition, size) in [("00", "00 00 00 00 00 00 27 66"), ("01", "00 00 00 00 00 01 49 8b")] {
        let cdb = format!("8c 00 00 00 00 00 00 {partition} 00 01 00 00 00 11 00 00");
        assert_eq!(run(&mut drive, &cdb, &[], 17).2[9..], bytes(size));
    }
    // Only at the beginning of partition 0; invalid values are rejected.
    good(&mut drive, "2b 02 00 00 00 00 00 00 01 00", &[]);
    check(&mut drive, "04 00 00 00 00 00", &[], 0, "70 00 05 00 00 00 00 0a 00 00 00 00 3b 0c 00 00 00 00", &[]);
    good(&mut drive, "2b 02 00 00 00 00 00 00 00 00", &[]);
    check(&mut drive, "04 00 03 00 00 00", &[], 0, "70 00 05 00 00 00 00 0a 00 00 00 00 24 00 00 cb 00 02", &[]);
    check(&mut drive, "04 00 00 00 01 00", &[], 0, "70 00 05 00 00 00 00 0a 00 00 00 00 24 00 00 c0 00 03", &[]);
    for (page, at) in [
        ("00 00 10 00 11 0e 03 04 3c 03 09 00 00 0a ff ff 00 00 00 00", "80 00 07"),
        ("00 00 10 00 11 0e 03 01 7c 03 09 00 00 0a ff ff 00 00 00 00", "8f 00 08"),
        ("00 00 10 00 11 0e 03 01 3c 03 29 00 00 0a ff ff 00 00 00 00", "8f 00 0a"),
        ("00 00 10 00 11 0e 03 01 3c 03 09 00 00 74 ff ff 00 00 00 00", "80 00 0c"),
        ("00 00 10 00 11 0e 03 01 3c 03 09 00 00 0a 00 00 00 00 00 00", "80 00 0e"),
    ] {
        let sense = format!("70 00 05 00 00 00 00 0a 00 00 00 00 26 00 00 {at}");
        check(&mut drive, select, &bytes(page), 0, &sense, &[]);
    }
    good(&mut drive, "04 00 00 00 00 00", &[]);
    assert_eq!(partition_page(&mut drive), bytes("11 0e 03 00 1c 03 19 00 00 64 00 00 00 00 00 00"));
    // A shorter page, as Linux sends it: one size for each partition.
    good(&mut drive, "15 10 00 00 10 00", &bytes("00 00 10 00 11 0a 03 01 3c 03 09 00 ff ff 00 0a"));
    good(&mut drive, "04 00 01 00 00 00", &[]);
    assert_eq!(partition_page(&mut drive), bytes("11 0e 03 01 1c 03 19 00 00 58 00 0a 00 00 00 00"));
    good(&mut drive, "04 00 00 00 00 00", &[]);
    // The initialization count of the medium has grown.
    assert_eq!(run(&mut drive, "8c 00 00 00 00 00 00 00 00 07 00 00 00 0b 00 00", &[], 11).2[9..], bytes("00 05"));
}

#[test]
fn serial_number_and_largest_object() {
    let mut drive = loaded(1 << 30);
    let serial = run(&mut drive, "ab 01 00 00 00 00 00 00 00 ff 00 00", &[], 255).2;
    assert_eq!((serial.len(), &serial[..8]), (36, &bytes("00 00 00 20 53 31 20 20")[..]));
    assert_eq!(run(&mut drive, "ab 01 00 00 00 00 00 00 00 06 00 00", &[], 255).2, bytes("00 00 00 20 53 31"));
    let most = run(&mut drive, "05 01 00 00 00 00", &[], 20).2;
    assert_eq!(most, bytes("00 00 00 00 00 00 00 00 00 00 00 00 ff ff ff ff ff ff ff ff"));
}

#[test]
fn mhvtl_format_cartridge() {
    let mut drive = empty("ULT3580-TD8");
    drive.insert(cartridge_in_format(Format::Mhvtl, &LTO_8, CartridgeKind::Data, 500 << 20)).unwrap();
    clear_attentions(&mut drive);
    // The maximum block length is 2 MiB.
    assert_eq!(run(&mut drive, "05 00 00 00 00 00", &[], 6).2, bytes("00 20 00 00 00 01"));
    let select = "15 10 00 00 0c 00";
    good(&mut drive, select, &bytes("00 00 10 08 00 00 00 00 00 20 00 00"));
    let too_long = "70 00 05 00 00 00 00 0a 00 00 00 00 26 00 00 80 00 09";
    check(&mut drive, select, &bytes("00 00 10 08 00 00 00 00 00 20 00 01"), 0, too_long, &[]);
    good(&mut drive, select, &bytes("00 00 10 08 00 00 00 00 00 00 00 00"));
    good(&mut drive, "0a 00 20 00 00 00", &vec![7; 2 << 20]);
    let long = "f0 00 05 00 20 00 01 0a 00 00 00 00 24 00 00 00 00 00";
    check(&mut drive, "0a 00 20 00 01 00", &vec![7; (2 << 20) + 1], 0, long, &[]);
    good(&mut drive, "10 00 00 00 01 00", &[]);
    good(&mut drive, "01 00 00 00 00 00", &[]);
    assert_eq!(run(&mut drive, "08 00 20 00 00 00", &[], 2 << 20), (0, vec![], vec![7; 2 << 20]));
    // Capacity in MiB, as for a cartridge in native format.
    let maximum = run(&mut drive, "8c 00 00 00 00 00 00 00 00 01 00 00 00 11 00 00", &[], 17).2;
    assert_eq!(maximum[9..], bytes("00 00 00 00 00 00 01 f4"));
}

/// A NULL medium keeps the lengths of blocks, but no data.
#[test]
fn null_medium_keeps_block_lengths_only() {
    let mut drive = empty("ULT3580-TD8");
    drive.insert(cartridge(&LTO_8, CartridgeKind::Null, 1 << 30)).unwrap();
    clear_attentions(&mut drive);
    good(&mut drive, "0a 00 00 00 03 00", b"abc");
    good(&mut drive, "01 00 00 00 00 00", &[]);
    assert_eq!(run(&mut drive, "08 00 00 00 03 00", &[], 3).1[12..14], bytes("11 00"));
    assert_eq!(position(&mut drive), 1);
}

#[test]
fn reading_page_2eh_clears_tape_alert() {
    let mut drive = loaded(1 << 30);
    good(&mut drive, "1e 00 00 00 01 00", b"");
    assert_eq!(run(&mut drive, "1b 00 00 00 00 00", &[], 0).0, 2);
    let (_, _, page) = run(&mut drive, "4d 00 2e 00 00 00 00 ff ff 00", &[], 1000);
    assert_eq!((page.len(), &page[..4]), (0x144, &bytes("2e 00 01 40")[..]));
    assert_eq!(page[4 + 9 * 5..4 + 10 * 5], bytes("00 0a c0 01 01"));
    let (_, _, page) = run(&mut drive, "4d 00 2e 00 00 00 00 ff ff 00", &[], 1000);
    assert_eq!(page[4 + 9 * 5 + 4], 0);
}

#[test]
fn lost_write_is_a_deferred_error_of_the_writer() {
    let mut drive = three_blocks();
    let sense = bytes("71 00 03 00 00 00 00 0a 00 00 00 00 0c 00 00 00 00 00");
    drive
        .lu()
        .defer_error(HOST, scsi_core::sense::Sense::new(scsi_core::sense::SenseKey::MEDIUM_ERROR, Asc::WRITE_ERROR));
    assert_eq!(run_as(&mut drive, OTHER, "00 00 00 00 00 00", &[], 0).0, 0);
    assert_eq!(run(&mut drive, "12 00 00 00 24 00", &[], 36).0, 0);
    assert_eq!(run(&mut drive, "01 00 00 00 00 00", &[], 0), (2, sense, vec![]));
    good(&mut drive, "01 00 00 00 00 00", b"");
}

#[test]
fn a_load_uses_the_cartridge_memory_that_the_locked_tape_has() {
    let folders = MemoryFolderStore::default();
    let store = TapeStore::new(Box::new(folders.clone()));
    let barcode = Barcode::new("T00001").unwrap();
    store.create(&barcode, &NewCartridge::data(&LTO_8).with_capacity(1 << 30)).unwrap();
    let mut opened = 0;
    let open = move || {
        opened += 1;
        if opened == 2 {
            // Another program changes the cartridge memory between the first look and the lock.
            store.find(&barcode).unwrap().set_write_protect_tab(true).unwrap();
        }
        folders.open("T00001").map_err(|_| StoreError::NoCartridgeMemory)
    };
    let barcode = Barcode::new("T00001").unwrap();
    let mut drive = empty("ULT3580-TD8");
    drive.insert(Cartridge::in_folder(barcode, &LTO_8, CartridgeKind::Data, 1 << 30, Box::new(open))).unwrap();
    clear_attentions(&mut drive);
    let (status, sense, _) = run(&mut drive, "0a 00 00 00 03 00", b"abc", 0);
    assert_eq!((status, sense[2] & 0x0f, sense[12]), (2, 7, 0x27), "{sense:02x?}");
}
