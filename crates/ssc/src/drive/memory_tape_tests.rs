//! A drive with a cartridge whose tape is in memory, without files. Literal bytes, as in `tests.rs`.

use super::tests::*;
use super::*;
use tape_store::cartridge::Barcode;
use tape_store::error::StoreError;
use tape_store::mam::AttrId;
use tape_store::media::LTO_8;
use tape_store::store::NewCartridge;

fn in_memory() -> Cartridge {
    let new = NewCartridge::data(&LTO_8).with_serial("S1").with_capacity(64 << 20);
    Cartridge::in_memory(Barcode::new("M00001L8").unwrap(), &new)
}

/// READ(6) of one block of 5 bytes.
fn read(drive: &mut Drive) -> (u8, Vec<u8>) {
    let (status, _, data) = run(drive, "08 00 00 00 05 00", &[], 5);
    (status, data)
}

#[test]
fn tape_in_memory_keeps_its_objects_between_loads() {
    let mut drive = empty("ULT3580-TD8");
    drive.insert(in_memory()).unwrap();
    clear_attentions(&mut drive);
    good(&mut drive, "0a 00 00 00 05 00", b"hello");
    good(&mut drive, "10 00 00 00 01 00", b"");
    good(&mut drive, "0a 00 00 00 05 00", b"world");
    let mut cartridge = drive.remove().unwrap();
    let mam = cartridge.mam().unwrap();
    assert_eq!(mam.number(AttrId::LOAD_COUNT), 1);
    assert_eq!(mam.number(AttrId::LIFE_WRITTEN), 10);
    assert!(!cartridge.is_blank().unwrap());
    // Its tape is not in files, and so cannot be repaired as files.
    let error = cartridge.open_read_only().map(drop).unwrap_err();
    assert_eq!(error.to_string(), "cartridge M00001L8: its tape is not in files");
    drive.insert(cartridge).unwrap();
    clear_attentions(&mut drive);
    assert_eq!(read(&mut drive), (0, b"hello".to_vec()));
    // SPACE(6) over a filemark.
    good(&mut drive, "11 01 00 00 01 00", b"");
    assert_eq!(read(&mut drive), (0, b"world".to_vec()));
    // End of data: BLANK CHECK 00h/05h.
    let (status, sense, _) = run(&mut drive, "08 00 00 00 05 00", &[], 5);
    assert_eq!((status, sense[2] & 0x0f, sense[12], sense[13]), (2, 8, 0x00, 0x05));
    assert_eq!(drive.force_remove().unwrap().mam().unwrap().number(AttrId::LOAD_COUNT), 2);
}

#[test]
fn tape_in_memory_has_partitions_and_a_capacity_but_no_encryption() {
    let mut drive = empty("ULT3580-TD8");
    drive.insert(in_memory()).unwrap();
    clear_attentions(&mut drive);
    // MODE SELECT(6) of page 11h: one additional partition, FDP. Then FORMAT MEDIUM.
    let page = "00 00 10 00 11 0e 03 01 9c 03 09 00 00 00 00 00 00 00 00 00";
    let (status, sense, _) = run(&mut drive, "15 10 00 00 14 00", &bytes(page), 0);
    assert_eq!(status, 0, "{sense:02x?}");
    good(&mut drive, "04 00 01 00 00 00", b"");
    good(&mut drive, "0a 00 00 00 05 00", b"first");
    // LOCATE(10) to object 0 of partition 1.
    good(&mut drive, "2b 02 00 00 00 00 00 00 01 00", b"");
    good(&mut drive, "0a 00 00 00 05 00", b"other");
    good(&mut drive, "2b 02 00 00 00 00 00 00 00 00", b"");
    assert_eq!(read(&mut drive), (0, b"first".to_vec()));
    // SECURITY PROTOCOL OUT page 0010h with a key: the tape stores no encrypted blocks.
    let mut key = bytes("00 10 00 30 40 00 02 02 01 00 00 00 00 00 00 00 00 00 00 20");
    key.resize(52, 0x42);
    let (set, ..) = run(&mut drive, "b5 20 00 10 00 00 00 00 00 34 00 00", &key, 0);
    let (write, ..) = run(&mut drive, "0a 00 00 00 05 00", b"crypt", 0);
    assert_eq!((set, write), (0, 2));
}

#[test]
fn tape_in_memory_is_in_use_while_a_drive_has_it() {
    let mut cartridge = in_memory();
    let opened = cartridge.open().unwrap();
    assert!(matches!(cartridge.open().map(drop), Err(StoreError::InUse)));
    assert!(matches!(cartridge.set_write_protect_tab(true), Err(StoreError::InUse)));
    drop(opened);
    cartridge.set_write_protect_tab(true).unwrap();
    assert!(cartridge.is_blank().unwrap());
}
