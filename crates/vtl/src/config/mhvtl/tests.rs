use super::*;
use crate::config::parse;
use std::fs;
use tempfile::{TempDir, tempdir};

const DEVICES: &str = "VERSION: 5\n\n# comment\nLibrary: 10 CHANNEL: 00 TARGET: 00 LUN: 00\n Vendor identification: STK\n\
 Product identification: L700\n Product revision level: 0108\n Unit serial number: XYZZY_A\n NAA: 10:22:33:44:ab:00:00:00\n\
 Home directory: /opt/mhvtl\n PERSIST: False\n Backoff: 400\n\n\
Drive: 12 CHANNEL: 00 TARGET: 02 LUN: 00\n Library ID: 10 Slot: 02\n Vendor identification: IBM\n\
 Product identification: ULT3580-TD6\n Unit serial number: XYZZY_A2\n Compression: factor 3 enabled 1\n\
 Compression type: lzo\n Backoff: 400\n\n\
Drive: 11 CHANNEL: 00 TARGET: 01 LUN: 00\n Library ID: 10 Slot: 01\n Vendor identification: IBM\n\
 Product identification: ULT3580-TD8\n Product revision level: 0107\n Unit serial number: XYZZY_A1\n\
 NAA: 10:22:33:44:ab:00:01:00\n Compression: factor 1 enabled 1\n Compression type: zlib\n fifo: /var/tmp/mhvtl\n\n";
const CONTENTS: &str = "VERSION: 2\n\nDrive 1: XYZZY_A1\nDrive 2:\n\nPicker 1:\n\nMAP 1:\nMAP 2: E01009L8\n\nSlot 1: E01001L8\n\
Slot 2: E01002L8\nSlot 3: E01003L8  \n Slot 4: IGNORED\nSlot 5: F01030L6\nSlot 9:\nSlot 7 : X\n";

fn directory(devices: &str, contents: &str) -> TempDir {
    let dir = tempdir().unwrap();
    fs::write(dir.path().join("mhvtl.conf"), "MHVTL_HOME_PATH=/opt/mhvtl\nCAPACITY=800\n").unwrap();
    fs::write(dir.path().join("device.conf"), devices).unwrap();
    fs::write(dir.path().join("library_contents.10"), contents).unwrap();
    dir
}

#[test]
fn what_mhvtl_has_is_ours() {
    let dir = directory(DEVICES, CONTENTS);
    let Imported { text, notes, seats, .. } = import(dir.path()).unwrap();
    let seat = |unit: usize| (seats[unit].unit, seats[unit].minor, seats[unit].address);
    assert_eq!([seat(0), seat(1), seat(2)], [(0, 10, [0, 0, 0]), (1, 11, [0, 1, 0]), (2, 12, [0, 2, 0])]);
    let config = parse("made", &text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let library = &config.libraries[0];
    assert_eq!((library.name.as_str(), library.changer.name), ("library10", "STK L700"));
    assert_eq!(
        (library.names.serial.as_deref(), library.names.naa.as_deref()),
        (Some("XYZZY_A"), Some("50223344ab000000"))
    );
    assert_eq!((library.layout.storage.count, library.layout.import_export.count), (9, 2));
    let drive = |at: usize| {
        let drive = &library.drives[at];
        (drive.profile.model.product, drive.names.serial.clone().unwrap(), drive.names.naa.clone().unwrap())
    };
    assert_eq!(drive(0), ("ULT3580-TD8", "XYZZY_A1".into(), "50223344ab000100".into()));
    // The default name: the last eight of ten characters.
    assert_eq!(drive(1), ("ULT3580-TD6", "XYZZY_A2".into(), "5a5a595f41322020".into()));
    let cartridge = |at: usize| (library.cartridges[at].barcode.to_string(), library.cartridges[at].at.map(|at| at.0));
    assert_eq!(
        (0..5).map(cartridge).collect::<Vec<_>>(),
        [("E01001L8", 1000), ("E01002L8", 1001), ("E01003L8", 1002), ("F01030L6", 1004), ("E01009L8", 11)]
            .map(|(label, at)| (label.to_owned(), Some(at)))
    );
    assert_eq!((library.cartridges.len(), library.cartridges[0].size), (5, 800 << 20));
    assert_eq!(config.cartridges, [std::path::PathBuf::from("/opt/mhvtl")]);
    assert!(text.contains("pattern = \"E0####L8\"\nfirst = 1001\ncount = 3\nat = \"slot1\""), "{text}");
    assert_eq!(notes.len(), 3, "{notes:?}");
    assert!(notes[0].starts_with("library 10: revision \"0310\" instead of \"0108\""), "{notes:?}");
    assert!(notes[2].contains("lzo is read, but not written"), "{notes:?}");
}

#[test]
fn a_library_without_cartridges() {
    let empty = "Drive 1:\nDrive 2:\n\nMAP 1:\n\nSlot 1:\nSlot 2:\n";
    let text = import(directory(DEVICES, empty).path()).unwrap().text;
    let config = parse("made", &text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    assert_eq!((config.libraries[0].cartridges.len(), config.libraries[0].drives.len()), (0, 2));
}

#[test]
fn what_was_saved_last_counts() {
    let devices = DEVICES.replace("PERSIST: False", "PERSIST: yes");
    let dir = directory(&devices, CONTENTS);
    let saved = dir.path().join("library_contents.10.persist");
    fs::write(&saved, "Picker 1: \n\nMAP 1: \n\nDrive 1:\nDrive 2:\n\nSlot 1: \nSlot 2: E01001L8        \n").unwrap();
    let Imported { text, notes, .. } = import(dir.path()).unwrap();
    assert!(text.contains("pattern = \"E01001L8\"\nat = \"slot2\""), "{text}");
    assert!(notes[0].starts_with("library 10: as it was when mhvtl ended"), "{notes:?}");
    let old = fs::File::options().write(true).open(&saved).unwrap();
    old.set_modified(SystemTime::UNIX_EPOCH).unwrap();
    assert!(import(dir.path()).unwrap().text.contains("slots = 9"));
}

#[test]
fn faults_have_their_lines() {
    let devices = |from: &str, to: &str| (DEVICES.replacen(from, to, 1), CONTENTS.to_owned());
    let contents = |from: &str, to: &str| (DEVICES.to_owned(), CONTENTS.replacen(from, to, 1));
    let cases = [
        (
            devices("STK", "STORAGETEK"),
            "device.conf:5: Vendor identification:: \"STORAGETEK\" has not 1 to 8 characters",
        ),
        (
            devices("L700", "L80"),
            "device.conf:6: Product identification:: library 10: STK L80 is not known; known are STK",
        ),
        (
            devices("ULT3580-TD6", "T10000B"),
            "device.conf:17: Product identification:: drive 12: \"T10000B\" is not known",
        ),
        (devices("Drive: 12", "Drive: 10"), "device.conf:14: Drive:: number 10 is given twice, here and in line 4"),
        (devices("Slot: 02", "Slot: 01"), "device.conf:23: Library ID:: drive 12 has the same place, line 14"),
        (devices(" Unit serial number: XYZZY_A2\n", ""), "device.conf:14: Unit serial number:: a device without one"),
        (devices("10:22:33:44:ab:00:00:00", "10:22"), "device.conf:9: NAA:: \"10:22\" is not eight bytes"),
        (devices("factor 3", "factor 12"), "device.conf:19: Compression:: 12 is not 1 to 9"),
        (
            devices("Compression type: lzo", "Compression type: zip"),
            "device.conf:20: Compression type:: \"zip\" is neither",
        ),
        (contents("Slot 2:", "Slot 1:"), "library_contents.10:12: Slot: Slot 1 is given twice, here and in line 11"),
        (contents("E01002L8", "E01001L8"), "library_contents.10:12: slot: barcode E01001L8 is given twice"),
        (contents("E01002L8", "e01002L8"), "library_contents.10:12: Slot: \"e01002L8\" is no barcode"),
        (contents("E01002L8", "E01002"), "library_contents.10:12: Slot: \"E01002\" does not end in a generation"),
        (contents("Drive 2:", "Drive 3:"), "library_contents.10:4: Drive: no drive of device.conf has place 3"),
        (
            contents("Drive 2:", ""),
            "library_contents.10:1: Drive: drive 12 of device.conf has place 2, which is not here",
        ),
        (contents("Picker 1:", "Picker 1: E01007L8"), "library_contents.10:6: Picker: a cartridge in the robot's hand"),
        (contents("Slot 9:", "Slot x:"), "library_contents.10:16: Slot: \"x\" is no number from 1"),
    ];
    for ((devices, contents), expected) in cases {
        let dir = directory(&devices, &contents);
        let said = import(dir.path()).unwrap_err().to_string();
        let path = format!("{}/", dir.path().display());
        assert!(said.strip_prefix(&path).is_some_and(|said| said.starts_with(expected)), "{said}\n{expected}");
    }
    let empty = tempdir().unwrap();
    assert!(import(empty.path()).unwrap_err().to_string().contains("device.conf:1: (file): entity not found"));
}

/// What the tools look at, of models that we do not have, too.
#[test]
fn the_outline() {
    let dir = directory(&DEVICES.replace("L700", "L80").replace("Home directory: /opt/mhvtl\n", ""), CONTENTS);
    let drive = |id, library| Outline { id, kind: OutlineKind::Drive { library } };
    let library = |home: &str| Outline { id: 10, kind: OutlineKind::Library { home: home.into() } };
    let units = outline(dir.path()).unwrap();
    assert_eq!(units, [library("/opt/mhvtl/10"), drive(12, Some(10)), drive(11, Some(10))]);
    fs::write(
        dir.path().join("device.conf"),
        "Drive: 7\nDrive: 8 CHANNEL: 0\n\nLibrary: 010\n Home directory: /x y\n\n Library ID: 3",
    )
    .unwrap();
    assert_eq!(outline(dir.path()).unwrap(), [drive(8, None), library("/x")]);
    let contents = dir.path().join("library_contents.10");
    let names: Vec<_> = labels(&contents).unwrap();
    assert_eq!((names.len(), &names[0], &names[3]), (4, &(11, "E01001L8".into()), &(15, "F01030L6".into())));
    assert_eq!(directory_of(dir.path()), dir.path());
    fs::write(dir.path().join("mhvtl.conf"), "#MHVTL_CONFIG_PATH=/a\nMHVTL_CONFIG_PATH = \"/b\"\n").unwrap();
    assert_eq!(directory_of(dir.path()), Path::new("/b"));
}

fn directory_of(main: &Path) -> PathBuf {
    super::directory(main).unwrap()
}
