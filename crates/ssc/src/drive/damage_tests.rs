//! Commands to a drive whose cartridge has damaged files. Literal bytes, as in `tests.rs`.

use super::storage_failure_tests::insert;
use super::tests::*;
use super::*;
use crate::alert::Alert;
use tape_store::backend::Folder;
use tape_store::backend::faulty::FaultyFolder;
use tape_store::mam::Mam;
use tape_store::media::LTO_8;
use tape_store::store::NewCartridge;

/// An unloaded cartridge with blocks of 3 and 5 bytes, a filemark, and a block of 4 bytes, whose files can be changed.
fn written() -> FaultyFolder {
    let mut disk = FaultyFolder::default();
    let new = NewCartridge::data(&LTO_8).with_serial("S1").with_capacity(1 << 30);
    disk.replace("ferric.mam", &Mam::new(&new).encode()).unwrap();
    let mut drive = insert(&disk);
    good(&mut drive, "0a 00 00 00 03 00", b"abc");
    good(&mut drive, "0a 00 00 00 05 00", b"defgh");
    good(&mut drive, "10 00 00 00 01 00", b"");
    good(&mut drive, "0a 00 00 00 04 00", b"ijkl");
    // A host attribute: the barcode.
    let list = [&bytes("00 00 00 25 08 06 01 00 20")[..], b"T00001L8                        "].concat();
    good(&mut drive, "8d 01 00 00 00 00 00 00 00 00 00 00 00 29 00 00", &list);
    good(&mut drive, "1b 00 00 00 00 00", b"");
    disk
}

/// Changes the bytes of a file.
fn damage(disk: &mut FaultyFolder, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = disk.bytes(name);
    change(&mut bytes);
    disk.replace(name, &bytes).unwrap();
}

const READ_ERROR: &str = "f0 00 03 00 00 00 08 0a 00 00 00 00 11 00 00 00 00 00";
const FILEMARK: &str = "f0 00 80 00 00 00 08 0a 00 00 00 00 00 01 00 00 00 00";
const END_OF_DATA: &str = "f0 00 08 00 00 00 08 0a 00 00 00 00 00 05 00 00 00 00";
const WRITE_PROTECTED: &str = "f0 00 07 00 00 00 01 0a 00 00 00 00 27 00 00 00 00 00";
const MEDIUM_FORMAT_CORRUPTED: &str = "f0 00 03 00 00 00 01 0a 00 00 00 00 31 00 00 00 00 00";

/// READ of 8 bytes with SILI returns this data.
fn read(drive: &mut Drive, expected: &[u8]) {
    assert_eq!(run(drive, "08 02 00 00 08 00", &[], 8), (0, vec![], expected.to_vec()));
}

fn read_error(drive: &mut Drive, sense: &str) {
    check(drive, "08 02 00 00 08 00", &[], 8, sense, b"");
}

fn read_all(drive: &mut Drive) {
    good(drive, "01 00 00 00 00 00", b"");
    read(drive, b"abc");
    read(drive, b"defgh");
    read_error(drive, FILEMARK);
    read(drive, b"ijkl");
    read_error(drive, END_OF_DATA);
}

/// The value of an attribute of 32 bytes.
fn attribute(drive: &mut Drive, id: &str) -> Vec<u8> {
    let (status, _, data) = run(drive, &format!("8c 00 00 00 00 00 00 00 {id} 00 00 00 29 00 00"), &[], 41);
    assert_eq!(status, 0);
    data[9..].to_vec()
}

#[test]
fn damaged_mam_is_read_from_its_copy() {
    let mut disk = written();
    damage(&mut disk, "ferric.mam", |bytes| bytes[40] ^= 0x10);
    let before = disk.bytes("ferric.mam");
    let mut drive = insert(&disk);
    // 0Fh: memory chip in cartridge failure.
    assert!(drive.alerts().is_set(Alert::MEMORY_CHIP) && !drive.alerts().is_set(Alert::LOADING_FAILURE));
    assert_eq!(drive.take_faults()[0].reason, "cartridge memory is damaged, cartridge is write-protected");
    // WP, and the density of LTO-8.
    let header = run(&mut drive, "1a 00 00 00 0c 00", &[], 12).2;
    assert_eq!((header[2] & 0x80, header[4]), (0x80, 0x5e));
    read_all(&mut drive);
    check(&mut drive, "0a 00 00 00 01 00", b"x", 0, WRITE_PROTECTED, b"");
    good(&mut drive, "01 00 00 00 00 00", b"");
    check(&mut drive, "0a 00 00 00 01 00", b"x", 0, WRITE_PROTECTED, b"");
    // The attributes come from the second copy; the damaged copy is not written.
    assert_eq!(attribute(&mut drive, "04 01"), b"S1                              ");
    assert_eq!(attribute(&mut drive, "08 06"), b"T00001L8                        ");
    let list = [&bytes("00 00 00 25 08 06 01 00 20")[..], &[b'Z'; 32]].concat();
    let write_error = "70 00 03 00 00 00 00 0a 00 00 00 00 0c 0b 00 00 00 00";
    check(&mut drive, "8d 01 00 00 00 00 00 00 00 00 00 00 00 29 00 00", &list, 0, write_error, b"");
    good(&mut drive, "1b 00 00 00 00 00", b"");
    assert_eq!(disk.bytes("ferric.mam"), before);
    // The same with the tape not threaded.
    good(&mut drive, "1b 00 00 00 09 00", b"");
    assert_eq!(attribute(&mut drive, "04 01"), b"S1                              ");
    check(&mut drive, "8d 01 00 00 00 00 00 00 00 00 00 00 00 29 00 00", &list, 0, write_error, b"");
    assert_eq!(disk.bytes("ferric.mam"), before);
}

/// Damaged cartridge memory without a second copy: the barcode determines the generation of the cartridge.
#[test]
fn damaged_mam_without_copy_is_rebuilt_from_barcode() {
    let mut disk = written();
    damage(&mut disk, "ferric.mam", |bytes| bytes.truncate(20));
    disk.remove("ferric.mam.copy").unwrap();
    let mut drive = insert(&disk);
    assert!(drive.alerts().is_set(Alert::MEMORY_CHIP));
    read_all(&mut drive);
    check(&mut drive, "0a 00 00 00 01 00", b"x", 0, WRITE_PROTECTED, b"");
    let header = run(&mut drive, "1a 00 00 00 0c 00", &[], 12).2;
    assert_eq!(header[4], 0x5e);
    // The serial number is lost.
    let (status, sense, _) = run(&mut drive, "8c 00 00 00 00 00 00 00 04 01 00 00 00 29 00 00", &[], 41);
    assert_eq!((status, &sense[12..14]), (2, &[0x24, 0][..]));
    good(&mut drive, "1b 00 00 00 00 00", b"");
    assert_eq!(disk.bytes("ferric.mam").len(), 20);
}

/// Without the file, the folder is not recognised as a cartridge.
#[test]
fn missing_mam_makes_the_cartridge_unusable() {
    let mut disk = written();
    disk.remove("ferric.mam").unwrap();
    let mut drive = insert(&disk);
    assert!(drive.alerts().is_set(Alert::MEMORY_CHIP) && drive.alerts().is_set(Alert::LOADING_FAILURE));
    let corrupted = "70 00 03 00 00 00 00 0a 00 00 00 00 31 00 00 00 00 00";
    check(&mut drive, "00 00 00 00 00 00", &[], 0, corrupted, b"");
}

#[test]
fn truncated_data_is_a_read_error() {
    let mut disk = written();
    // Two frames of 64 bytes, 3 bytes, and 4 of 5.
    damage(&mut disk, "data.0", |bytes| bytes.truncate(64 + 3 + 64 + 4));
    let mut drive = insert(&disk);
    assert!(drive.alerts().is_set(Alert::DIRECTORY_CORRUPTED) && !drive.alerts().is_set(Alert::LOADING_FAILURE));
    read(&mut drive, b"abc");
    read_error(&mut drive, READ_ERROR);
    // The index still has the filemark; the block after it is lost.
    read_error(&mut drive, FILEMARK);
    read_error(&mut drive, READ_ERROR);
    read_error(&mut drive, END_OF_DATA);
    // Writes are rejected after the lost data, and before it except at the beginning.
    check(&mut drive, "0a 00 00 00 01 00", b"x", 0, MEDIUM_FORMAT_CORRUPTED, b"");
    good(&mut drive, "2b 00 00 00 00 00 01 00 00 00", b"");
    check(&mut drive, "0a 00 00 00 01 00", b"x", 0, MEDIUM_FORMAT_CORRUPTED, b"");
    good(&mut drive, "01 00 00 00 00 00", b"");
    good(&mut drive, "0a 00 00 00 01 00", b"x");
    good(&mut drive, "10 00 00 00 01 00", b"");
    good(&mut drive, "1b 00 00 00 00 00", b"");
    let mut drive = insert(&disk);
    assert!(!drive.alerts().is_set(Alert::DIRECTORY_CORRUPTED));
    read(&mut drive, b"x");
    read_error(&mut drive, FILEMARK);
    read_error(&mut drive, END_OF_DATA);
}

#[test]
fn lost_index_is_reported() {
    let mut disk = written();
    disk.remove("indx.0").unwrap();
    let mut drive = insert(&disk);
    assert!(drive.alerts().is_set(Alert::DIRECTORY_CORRUPTED));
    for object in 0..4 {
        assert_eq!(position(&mut drive), object);
        read_error(&mut drive, READ_ERROR);
    }
    read_error(&mut drive, END_OF_DATA);
    // Without the index, objects and filemarks cannot be located; the position is unchanged.
    let not_found = "70 00 03 00 00 00 00 0a 00 00 00 00 14 00 00 00 00 00";
    check(&mut drive, "2b 00 00 00 00 00 02 00 00 00", &[], 0, not_found, b"");
    assert_eq!(position(&mut drive), 4);
    good(&mut drive, "01 00 00 00 00 00", b"");
    let (status, sense, _) = run(&mut drive, "11 01 00 00 01 00", &[], 0);
    assert_eq!((status, sense[2], &sense[12..14]), (2, 0x03, &[0x14, 0][..]));
    good(&mut drive, "11 03 00 00 00 00", b"");
    assert_eq!(position(&mut drive), 4);
    check(&mut drive, "0a 00 00 00 01 00", b"x", 0, MEDIUM_FORMAT_CORRUPTED, b"");
}

#[test]
fn spacing_crosses_a_damaged_index_record() {
    let mut disk = written();
    // The filemark's own record.
    damage(&mut disk, "indx.0", |bytes| bytes[2 * 32 + 20] ^= 1);
    let mut drive = insert(&disk);
    assert!(!drive.alerts().is_set(Alert::DIRECTORY_CORRUPTED));
    good(&mut drive, "11 01 00 00 01 00", b"");
    assert_eq!(position(&mut drive), 3);
    read(&mut drive, b"ijkl");
    // Space back over it.
    good(&mut drive, "11 01 ff ff ff 00", b"");
    assert_eq!(position(&mut drive), 2);
    read_error(&mut drive, READ_ERROR);
    read(&mut drive, b"ijkl");
}
