use super::*;
use crate::config::{LibrarySetup, parse};
use scsi_core::identity::Strings;
use smc::element::Layout;
use std::fs;
use tape_store::cartridge::Level;
use tape_store::shelf::NewCartridge;
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
    assert_eq!(notes, ["drive 12: lzo is read, but not written; new blocks are compressed with zlib"]);
    // Addresses and revisions are mhvtl's, also where the real library's are others.
    assert_eq!(library.layout, Layout::new([1, 1000, 10, 500], [9, 2, 2]));
    let revisions =
        [&library.strings, &library.drives[0].strings, &library.drives[1].strings].map(|it| it.revision.as_str());
    assert_eq!(revisions, ["0108", "0107", "0108"]);
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

/// A library as mhvtl's own generator makes it by default, with other names.
fn library(vendor: &str, product: &str, drive: &str, home: &Path) -> String {
    format!(
        "Library: 10 CHANNEL: 00 TARGET: 08 LUN: 00\n Vendor identification: {vendor}\n Product identification: {product}\n\
         Unit serial number: XYZZY_B\n NAA: 30:22:33:44:ab:00:08:00\n Home directory: {}\n PERSIST: False\n Backoff: 400\n\n\
         Drive: 31 CHANNEL: 00 TARGET: 09 LUN: 00\n Library ID: 10 Slot: 01\n Vendor identification: STK\n\
         Product identification: {drive}\n Product revision level: 550V\n Unit serial number: XYZZY_B1\n\
         NAA: 30:22:33:44:ab:00:09:00\n Compression: factor 1 enabled 1\n Compression type: zlib\n Backoff: 400\n\n",
        home.display()
    )
}

/// Slots of mhvtl's second default library.
fn default_contents() -> String {
    let slots: String = (1..40).map(|slot| format!("Slot {slot}: G03{slot:03}TA\n")).collect();
    format!("VERSION: 2\n\nDrive 1:\n\nPicker 1:\n\nMAP 1:\nMAP 2:\nMAP 3:\nMAP 4:\n\n{slots}Slot 40: CLN303TA\n")
}

fn one_library(devices: &str, contents: &str) -> (Imported, LibrarySetup) {
    let dir = directory(devices, contents);
    let imported = import(dir.path()).unwrap();
    let config = parse("made", &imported.text).unwrap_or_else(|error| panic!("{error}\n{}", imported.text));
    (imported, config.libraries[0].clone())
}

#[test]
fn the_second_library_of_the_default_configuration() {
    let devices = library("STK", "L80", "T10000B", Path::new("/opt/mhvtl"));
    let (imported, library) = one_library(&devices, &default_contents());
    assert_eq!(imported.notes, Vec::<String>::new());
    let strings = |it: &Strings| [it.vendor.clone(), it.product.clone(), it.revision.clone()];
    assert_eq!(strings(&library.strings), ["STK", "L80", "0108"]);
    assert_eq!(strings(&library.drives[0].strings), ["STK", "T10000B", "550V"]);
    assert_eq!(library.drives[0].profile.model.product, "T10000B");
    assert_eq!(library.layout, Layout::new([1, 1000, 10, 500], [40, 4, 1]));
    let cartridge = |at: usize| {
        let cartridge = &library.cartridges[at];
        (cartridge.barcode.to_string(), cartridge.media.name, cartridge.kind, cartridge.at.map(|at| at.0))
    };
    assert_eq!(cartridge(0), ("G03001TA".into(), "T10KA", Kind::Data, Some(1000)));
    assert_eq!(cartridge(39), ("CLN303TA".into(), "T10KA", Kind::Cleaning, Some(1039)));
    assert_eq!(library.cartridges.len(), 40);
}

#[test]
fn every_library_of_mhvtl_has_its_own_addresses() {
    for (vendor, product, model, first) in [
        ("STK", "L700", "STK L700", [0x1, 0x3e8, 0xa, 0x1f4]),
        ("STK", "SL500", "STK L700", [0x1, 0x3e8, 0xa, 0x1f4]),
        ("IBM", "3573-TL", "IBM 3573-TL", [0x1, 0x1000, 0x10, 0x100]),
        ("IBM", "03584L32", "IBM 03584L32", [0x1, 0x400, 0x300, 0x101]),
        ("IBM", "3494", "Generic", [0x2f0, 0x400, 0x300, 0x1]),
        ("HP", "MSL G3 Series", "HP MSL G3 Series", [0x1, 0x20, 0x1c0, 0x1e0]),
        ("HP", "EML E-Series", "Generic", [0x1, 0x3e8, 0xa, 0x1f4]),
        ("ADIC", "Scalar i500", "ADIC Scalar i500", [0x2f0, 0x400, 0x300, 0x1]),
        ("SPECTRA", "PYTHON", "SPECTRA PYTHON", [0x1, 0x1000, 0x10, 0x100]),
        ("SPECTRA", "GATOR", "SPECTRA PYTHON", [0x2c3, 0x1e, 0x1, 0x2a3]),
        ("SPECTRA", "215", "SPECTRA PYTHON", [0x56, 0x1, 0x63, 0x1f]),
        ("BDT", "FlexStor II", "Generic", [0x2f0, 0x400, 0x300, 0x1]),
    ] {
        // No real 3573-TL has so many slots; a 215 has no addresses for them.
        let contents = "Drive 1:\n\nMAP 1:\n\nSlot 1:\nSlot 300:\n";
        let (imported, library) =
            one_library(&library(vendor, product, "NEVER HEARD OF", Path::new("/opt/mhvtl")), contents);
        let slots = if product == "215" { 30 } else { 300 };
        assert_eq!((library.changer.name, library.layout), (model, Layout::new(first, [slots, 1, 1])), "{product}");
        assert_eq!((library.strings.vendor.as_str(), library.strings.product.as_str()), (vendor, product));
        let drive = &library.drives[0];
        assert_eq!((drive.profile.model.product, drive.strings.product.as_str()), ("VIRTUAL DRIVE", "NEVER HEARD OF"));
        let notes: &[&str] =
            if slots == 30 { &["library 10: the last 270 slots have no addresses left, as with mhvtl"] } else { &[] };
        assert_eq!(imported.notes, notes, "{product}");
    }
}

#[test]
fn labels_that_say_little() {
    let home = tempdir().unwrap();
    let store = TapeStore::new(Box::new(OsShelves::at(home.path()).unwrap()));
    for (name, medium, kind) in [("ARCHIVE", "LTO-6", Kind::Worm), ("NOBAR1", "T10KB", Kind::Data)] {
        let media = tape_store::media::by_name(medium).unwrap();
        let new = NewCartridge { level: Level::Mhvtl, kind, ..NewCartridge::data(media) };
        store.create(&Barcode::new(name).unwrap(), &new).unwrap();
    }
    let contents =
        "Drive 1:\n\nMAP 1:\n\nSlot 1: ARCHIVE\nSlot 2: NOBAR1\nSlot 3: W00001L8\nSlot 4: lower1L8\nSlot 5: NOWHERE\n";
    let (imported, library) = one_library(&library("STK", "L700", "T10000B", home.path()), contents);
    let cartridge = |at: usize| {
        let cartridge = &library.cartridges[at];
        (cartridge.barcode.to_string(), cartridge.media.name, cartridge.kind, cartridge.label.is_some())
    };
    assert_eq!((library.layout.storage.count, library.cartridges.len()), (5, 3));
    assert_eq!(cartridge(0), ("ARCHIVE".into(), "LTO-6", Kind::Worm, false));
    assert_eq!(cartridge(1), ("NOBAR1".into(), "T10KB", Kind::Data, true));
    assert_eq!(cartridge(2), ("W00001L8".into(), "LTO-8", Kind::Worm, false));
    assert_eq!(imported.notes.len(), 2, "{:?}", imported.notes);
    let note = |at: usize| imported.notes[at].rsplit_once("library_contents.10:").unwrap().1.to_owned();
    assert_eq!(note(0), "8: cartridge \"lower1L8\" is left out: labels are 1 to 16 of A-Z, 0-9, - and _");
    assert_eq!(note(1), "9: cartridge NOWHERE is left out: neither its label nor a memory says what it is");
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(512))]

    /// Whatever files say, it is understood or refused; what is understood is a configuration of ours.
    #[test]
    fn no_file_makes_it_fall(
        devices in proptest::collection::vec(proptest::sample::select(WORDS), 0..60),
        contents in proptest::collection::vec(proptest::sample::select(WORDS), 0..40),
    ) {
        let dir = directory(&format!("Library: 10 CHANNEL: 0 TARGET: 0 LUN: 0\n{}", devices.concat()), &contents.concat());
        if let Ok(imported) = import(dir.path()) {
            // What only shows beside the others, such as a name that is given twice, has its line.
            let _ = parse("made", &imported.text);
        }
        let _ = (import_drive(dir.path(), 11), outline(dir.path()), super::capacity(dir.path()));
    }
}

/// Pieces of files, whole and broken.
const WORDS: &[&str] = &[
    "\n",
    "\n\n",
    " ",
    ":",
    "\0",
    "\u{e4}",
    "\"",
    "\\",
    "=",
    "#",
    "99999999999999999999",
    "0",
    "1",
    "10",
    "11",
    "70000",
    "Library: 10 CHANNEL: 00 TARGET: 00 LUN: 00\n",
    "Drive: 11 CHANNEL: 00 TARGET: 01 LUN: 00\n",
    "Drive: 12 CHANNEL:",
    " Library ID: 10 Slot: 01\n",
    " Library ID: 10 Slot: 02\n",
    " Vendor identification: IBM\n",
    " Product identification: ULT3580-TD8\n",
    " Product identification: \n",
    " Product revision level: 12345\n",
    " Unit serial number: A1\n",
    " Unit serial number: A2\n",
    " NAA: 50:22:33:44:ab:00:11:00\n",
    " NAA: 5\n",
    " Home directory: /nowhere\n",
    " Home directory: \n",
    " PERSIST: yes\n",
    " fifo: /run/state\n",
    " Compression: factor 9 enabled 1\n",
    " Compression: 0\n",
    " Compression type: lzo\n",
    " Backoff: 1\n",
    "Drive 1:\n",
    "Drive 2: A1\n",
    "MAP 1: E01001L8\n",
    "MAP 300:\n",
    "Picker 1: E01002L8\n",
    "Slot 1: E01003L8\n",
    "Slot 2: lower\n",
    "Slot 65535: CLN001L8\n",
    "Slot 0:\n",
    "Slot 4 : X\n",
    "Slot 3: NOBAR1\n",
    "Slot",
    "VERSION: 2\n",
];
