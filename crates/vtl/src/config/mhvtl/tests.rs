use super::*;
use crate::config::{Config, LibrarySetup, parse};
use scsi_core::identity::InquiryStrings;
use smc::element::ElementLayout;
use std::fs;
use tape_store::cartridge::Format;
use tape_store::store::NewCartridge;
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
fn import_reproduces_mhvtl_configuration() {
    let dir = directory(DEVICES, CONTENTS);
    let ImportedConfig { text, notes, device_slots: seats, .. } = import(dir.path()).unwrap();
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
    // The default NAA designator: the last eight of ten characters.
    assert_eq!(drive(1), ("ULT3580-TD6", "XYZZY_A2".into(), "5a5a595f41322020".into()));
    let cartridge =
        |at: usize| (library.cartridges[at].barcode.to_string(), library.cartridges[at].element.map(|at| at.0));
    assert_eq!(
        (0..5).map(cartridge).collect::<Vec<_>>(),
        [("E01001L8", 1000), ("E01002L8", 1001), ("E01003L8", 1002), ("F01030L6", 1004), ("E01009L8", 11)]
            .map(|(label, at)| (label.to_owned(), Some(at)))
    );
    assert_eq!((library.cartridges.len(), library.cartridges[0].size), (5, 800 << 20));
    assert_eq!(config.cartridge_directories, [std::path::PathBuf::from("/opt/mhvtl")]);
    assert!(text.contains("pattern = \"E0####L8\"\nfirst = 1001\ncount = 3\nat = \"slot1\""), "{text}");
    let indented = "/library_contents.10:14: \"Slot 4: IGNORED\" is ignored, as with mhvtl: an element is written \"Slot 1:\", \
                    from the first column";
    assert!(notes[0].ends_with(indented), "{notes:?}");
    assert!(
        notes[1]
            .ends_with("/library_contents.10:17: Slot 7 is empty, as with mhvtl: \"X\" is not directly after \"7:\""),
        "{notes:?}"
    );
    let lzo = "/device.conf:20: Compression type: lzo of drive 12 is read, but not written; new blocks are compressed with zlib";
    assert!(notes[2].ends_with(lzo) && notes.len() == 3, "{notes:?}");
    // Addresses and revisions are those of mhvtl, even if the real library has others.
    assert_eq!(library.layout, ElementLayout::new([1, 1000, 10, 500], [9, 2, 2]));
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
fn newest_contents_file_wins() {
    let devices = DEVICES.replace("PERSIST: False", "PERSIST: yes");
    let dir = directory(&devices, CONTENTS);
    let saved = dir.path().join("library_contents.10.persist");
    fs::write(&saved, "Picker 1: \n\nMAP 1: \n\nDrive 1:\nDrive 2:\n\nSlot 1: \nSlot 2: E01001L8        \n").unwrap();
    let ImportedConfig { text, notes, .. } = import(dir.path()).unwrap();
    assert!(text.contains("pattern = \"E01001L8\"\nat = \"slot2\""), "{text}");
    assert!(notes[0].starts_with("library 10: contents as saved when mhvtl was stopped"), "{notes:?}");
    let old = fs::File::options().write(true).open(&saved).unwrap();
    old.set_modified(SystemTime::UNIX_EPOCH).unwrap();
    assert!(import(dir.path()).unwrap().text.contains("slots = 9"));
}

#[test]
fn errors_name_their_line() {
    let devices = |from: &str, to: &str| (DEVICES.replacen(from, to, 1), CONTENTS.to_owned());
    let contents = |from: &str, to: &str| (DEVICES.to_owned(), CONTENTS.replacen(from, to, 1));
    let cases = [
        (devices("STK", "STORAGETEK"), "device.conf:5: Vendor identification: \"STORAGETEK\" is not 1 to 8 characters"),
        (devices("Drive: 12", "Drive: 10"), "device.conf:14: Drive: number 10 is given twice, here and in line 4"),
        (devices("Slot: 02", "Slot: 01"), "device.conf:23: Library ID: drive 12 has the same place, line 14"),
        (
            devices(" Unit serial number: XYZZY_A2\n", ""),
            "device.conf:14: Unit serial number: unit serial number is missing",
        ),
        (
            devices("XYZZY_A2", "XYZZY_A1"),
            "device.conf:28: Unit serial number: \"XYZZY_A1\" of drive 11 is already used by drive 12, line 18",
        ),
        (
            devices("Unit serial number: XYZZY_A2", "Unit serial number:"),
            "device.conf:18: Unit serial number: there is no value",
        ),
        (
            devices("ULT3580-TD6", "ULT3580-TD6 of the cellar"),
            "device.conf:17: Product identification: \"ULT3580-TD6 of the cellar\"",
        ),
        (devices("XYZZY_A\n", "XYZ\u{e4}\n"), "device.conf:8: Unit serial number: \"XYZ\u{e4}\" is not"),
        (contents("Slot 2:", "Slot 1:"), "library_contents.10:12: Slot: Slot 1 is given twice, here and in line 11"),
        (contents("E01002L8", "E01001L8"), "library_contents.10:12: slot: barcode E01001L8 is given twice"),
        (contents("Drive 2:", "Drive 3:"), "library_contents.10:4: Drive: no drive of device.conf has place 3"),
        (
            (DEVICES.replace("Slot: 02", "Slot: 03"), CONTENTS.replacen("Drive 2:", "Drive 3:", 1)),
            "library_contents.10:4: Drive: no drive of device.conf has place 2, which comes before \"Drive 3:\", in this",
        ),
        (devices("Library: 10", "Libraries: 10"), "device.conf: there is no library in the file: no line begins with"),
        (contents("Drive 2:", ""), "device.conf:15: Library ID: drive 12 has place 2, but "),
        (
            contents("Picker 1:", "Picker 1: E01007L8"),
            "library_contents.10:6: Picker: a cartridge in the robot is not supported",
        ),
        (contents("Slot 9:", "Slot 0:"), "library_contents.10:16: Slot: 0 is not a number from 1"),
    ];
    for ((devices, contents), expected) in cases {
        let dir = directory(&devices, &contents);
        let message = import(dir.path()).unwrap_err().to_string();
        let path = format!("{}/", dir.path().display());
        assert!(
            message.strip_prefix(&path).is_some_and(|message| message.starts_with(expected)),
            "{message}\n{expected}"
        );
    }
    let empty = tempdir().unwrap();
    assert!(import(empty.path()).unwrap_err().to_string().ends_with("/device.conf: does not exist"));
}

/// Device summaries also cover models that Ferric does not support.
#[test]
fn device_summaries_of_unsupported_models() {
    let dir = directory(&DEVICES.replace("L700", "L80").replace("Home directory: /opt/mhvtl\n", ""), CONTENTS);
    let drive = |id, library| DeviceSummary { id, kind: DeviceKind::Drive { library } };
    let library = |home: &str| DeviceSummary { id: 10, kind: DeviceKind::Library { home_directory: home.into() } };
    let units = device_summaries(dir.path()).unwrap();
    assert_eq!(units, [library("/opt/mhvtl/10"), drive(12, Some(10)), drive(11, Some(10))]);
    fs::write(
        dir.path().join("device.conf"),
        "Drive: 7\nDrive: 8 CHANNEL: 0\n\nLibrary: 010\n Home directory: /x y\n\n Library ID: 3",
    )
    .unwrap();
    assert_eq!(device_summaries(dir.path()).unwrap(), [drive(8, None), library("/x")]);
    let contents = dir.path().join("library_contents.10");
    let names: Vec<_> = slot_barcodes(&contents).unwrap();
    assert_eq!((names.len(), &names[0], &names[3]), (4, &(11, "E01001L8".into()), &(15, "F01030L6".into())));
    assert_eq!(directory_of(dir.path()), dir.path());
    fs::write(dir.path().join("mhvtl.conf"), "#MHVTL_CONFIG_PATH=/a\nMHVTL_CONFIG_PATH = \"/b\"\n").unwrap();
    assert_eq!(directory_of(dir.path()), Path::new("/b"));
}

fn directory_of(main: &Path) -> PathBuf {
    super::directory(main).unwrap()
}

/// A library as mhvtl's generator creates it by default, with other names.
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

fn one_library(devices: &str, contents: &str) -> (ImportedConfig, LibrarySetup) {
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
    let strings = |it: &InquiryStrings| [it.vendor.clone(), it.product.clone(), it.revision.clone()];
    assert_eq!(strings(&library.strings), ["STK", "L80", "0108"]);
    assert_eq!(strings(&library.drives[0].strings), ["STK", "T10000B", "550V"]);
    assert_eq!(library.drives[0].profile.model.product, "T10000B");
    assert_eq!(library.layout, ElementLayout::new([1, 1000, 10, 500], [40, 4, 1]));
    let cartridge = |at: usize| {
        let cartridge = &library.cartridges[at];
        (cartridge.barcode.to_string(), cartridge.media.name, cartridge.kind, cartridge.element.map(|at| at.0))
    };
    assert_eq!(cartridge(0), ("G03001TA".into(), "T10KA", CartridgeKind::Data, Some(1000)));
    assert_eq!(cartridge(39), ("CLN303TA".into(), "T10KA", CartridgeKind::Cleaning, Some(1039)));
    assert_eq!(library.cartridges.len(), 40);
}

#[test]
fn each_mhvtl_library_model_keeps_its_element_addresses() {
    for (vendor, product, model, first) in [
        ("STK", "L700", "STK L700", [0x1, 0x3e8, 0xa, 0x1f4]),
        ("STK", "SL500", "STK SL500", [0x1, 0x3e8, 0xa, 0x1f4]),
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
            one_library(&library(vendor, product, "UNKNOWN DRIVE", Path::new("/opt/mhvtl")), contents);
        let slots = if product == "215" { 30 } else { 300 };
        assert_eq!(
            (library.changer.name, library.layout),
            (model, ElementLayout::new(first, [slots, 1, 1])),
            "{product}"
        );
        assert_eq!((library.strings.vendor.as_str(), library.strings.product.as_str()), (vendor, product));
        let drive = &library.drives[0];
        assert_eq!((drive.profile.model.product, drive.strings.product.as_str()), ("VIRTUAL DRIVE", "UNKNOWN DRIVE"));
        let message = "/library_contents.10: the last 270 slots of library 10 have no addresses left, as with mhvtl";
        let cut = imported.notes.iter().filter(|note| note.ends_with(message)).count();
        assert_eq!((imported.notes.len(), cut), if slots == 30 { (1, 1) } else { (0, 0) }, "{product}");
    }
}

#[test]
fn cartridges_without_media_suffix() {
    let home = tempdir().unwrap();
    let store = TapeStore::new(Box::new(OsFolderStore::at(home.path()).unwrap()));
    for (name, medium, kind) in [("ARCHIVE", "LTO-6", CartridgeKind::Worm), ("NOBAR1", "T10KB", CartridgeKind::Data)] {
        let media = tape_store::media::by_name(medium).unwrap();
        let new = NewCartridge::data(media).with_format(Format::Mhvtl).with_kind(kind);
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
    assert_eq!(cartridge(0), ("ARCHIVE".into(), "LTO-6", CartridgeKind::Worm, false));
    assert_eq!(cartridge(1), ("NOBAR1".into(), "T10KB", CartridgeKind::Data, true));
    assert_eq!(cartridge(2), ("W00001L8".into(), "LTO-8", CartridgeKind::Worm, false));
    assert_eq!(imported.notes.len(), 2, "{:?}", imported.notes);
    let note = |at: usize| imported.notes[at].rsplit_once("library_contents.10:").unwrap().1.to_owned();
    assert_eq!(note(0), "8: cartridge \"lower1L8\" is omitted: labels are 1 to 16 of A-Z, 0-9, - and _");
    assert_eq!(note(1), "9: cartridge NOWHERE is omitted: neither its barcode nor a MAM names its medium");
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(512))]

    /// Arbitrary files are imported or refused; what is imported is a valid Ferric configuration.
    #[test]
    fn arbitrary_files_never_panic(
        devices in proptest::collection::vec(proptest::sample::select(WORDS), 0..60),
        contents in proptest::collection::vec(proptest::sample::select(WORDS), 0..40),
    ) {
        let dir = directory(&format!("Library: 10 CHANNEL: 0 TARGET: 0 LUN: 0\n{}", devices.concat()), &contents.concat());
        if let Ok(imported) = import(dir.path()) {
            // The result is ignored: settings that conflict, such as a duplicate name, are an error.
            let _ = parse("made", &imported.text);
        }
        let _ = (import_drive(dir.path(), 11), device_summaries(dir.path()), super::default_capacity_mb(dir.path()));
    }
}

/// Parts of files, valid and invalid.
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

/// Imports [`ONE`] with `from` replaced by `to`; returns the configuration or the error.
fn with_line(from: &str, to: &str) -> Result<(Config, ImportedConfig), String> {
    let devices = ONE.replacen(from, to, 1);
    assert!(ONE.contains(from), "{from}");
    let dir = directory(&devices, "Drive 1:\n\nMAP 1:\n\nSlot 1: E01001L8\n");
    let imported = import(dir.path()).map_err(|error| error.to_string())?;
    let config = imported.config().map_err(|error| error.to_string())?;
    Ok((config, imported))
}

/// A library and a drive, with every key that mhvtl reads.
const ONE: &str = "Library: 10 CHANNEL: 00 TARGET: 08 LUN: 00\n Vendor identification: STK\n Product identification: L700\n \
Unit serial number: XYZZY_A\n NAA: 30:22:33:44:ab:00:08:00\n Home directory: /h/lib\n PERSIST: False\n Backoff: 400\n\n\
Drive: 11 CHANNEL: 00 TARGET: 09 LUN: 00\n Library ID: 10 Slot: 01\n Vendor identification: IBM\n \
Product identification: ULT3580-TD8\n Product revision level: 550V\n Unit serial number: XYZZY_B1\n \
NAA: 30:22:33:44:ab:00:09:00\n Compression: factor 1 enabled 1\n Compression type: zlib\n Backoff: 400\n\n";

/// A value of a key: how mhvtl parses it, and how the import does. The expectations come from mhvtl 1.8, run on each
/// line; `"!"` where its drive daemon aborts.
struct Row {
    /// The text in [`ONE`], and its replacement.
    from: &'static str,
    to: &'static str,
    /// The value in mhvtl.
    mhvtl: &'static str,
    /// The imported value; `"!"` for an error that names the line.
    ours: &'static str,
    /// A part of the expected note.
    note: &'static str,
}

const fn row(from: &'static str, to: &'static str, mhvtl: &'static str, ours: &'static str, note: &'static str) -> Row {
    Row { from, to, mhvtl, ours, note }
}

/// Checks rows of one key; `read` returns the imported value.
fn table(rows: &[Row], read: impl Fn(&Config, &ImportedConfig) -> String) {
    for Row { from, to, mhvtl, ours, note } in rows {
        match with_line(from, to) {
            Ok((config, imported)) => {
                assert_eq!(read(&config, &imported), *ours, "{to:?}: mhvtl has {mhvtl:?}; {:?}", imported.notes);
                let message = imported.notes.join("\n");
                assert!(message.contains(note) && (message.is_empty() == note.is_empty()), "{to:?}: {message}");
                assert!(note.is_empty() || message.contains("/device.conf:"), "{message}");
            }
            Err(error) => {
                assert!(*ours == "!" && error.contains("/device.conf:") && error.contains(note), "{to:?}: {error}");
            }
        }
    }
}

fn first_drive(config: &Config) -> &crate::config::DriveSetup {
    &config.libraries[0].drives[0]
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn naas_match_mhvtl() {
    const NAA: &str = "NAA: 30:22:33:44:ab:00:09:00";
    const DEFAULT: &str = "5a5a595f42312020";
    let rows = [
        row(NAA, "NAA: 50:11:22:33:ab:1:00:00", "50112233ab010000", "50112233ab010000", ""),
        row(NAA, "NAA: 5:1:2:3:4:5:6:7", "5501020304050607", "5501020304050607", ""),
        row(NAA, "NAA: 50:11:22:33:AB:1:00:00", "50112233ab010000", "50112233ab010000", ""),
        row(NAA, "NAA:50:11:22:33:ab:01:00:00", "50112233ab010000", "50112233ab010000", ""),
        row(NAA, "NAA: \t50: 11: 22:33:ab:01:00:00", "50112233ab010000", "50112233ab010000", ""),
        row(
            NAA,
            "NAA: 50:11:22:33:ab:01:00:00:99",
            "50112233ab010000",
            "50112233ab010000",
            "is read as 50:11:22:33:ab:01:00:00",
        ),
        row(NAA, "NAA: 50:11:22:33:ab:01:00:00 # mine", "50112233ab010000", "50112233ab010000", ""),
        row(NAA, "NAA: 50:11:22:33:ab:01:00:00\r", "50112233ab010000", "50112233ab010000", ""),
        row(
            NAA,
            "NAA: 50:11:22:33:ab:01:00:0g",
            "50112233ab010000",
            "50112233ab010000",
            "is read as 50:11:22:33:ab:01:00:00",
        ),
        row(
            NAA,
            "NAA: 50:11:22:33:ab:01:00:0x",
            "50112233ab010000",
            "50112233ab010000",
            "is read as 50:11:22:33:ab:01:00:00",
        ),
        row(
            NAA,
            "NAA: +5:11:22:33:ab:01:00:00",
            "55112233ab010000",
            "55112233ab010000",
            "is read as 05:11:22:33:ab:01:00:00",
        ),
        row(
            NAA,
            "NAA: -5:11:22:33:ab:01:00:00",
            "5b112233ab010000",
            "5b112233ab010000",
            "is read as fb:11:22:33:ab:01:00:00",
        ),
        row(
            NAA,
            "NAA: 50:-1:22:33:ab:01:00:00",
            "50ff2233ab010000",
            "50ff2233ab010000",
            "is read as 50:ff:22:33:ab:01:00:00",
        ),
        row(NAA, "NAA: 0x50:11:22:33:ab:01:00:00", DEFAULT, DEFAULT, "made of the serial number"),
        row(NAA, "NAA: 50-11-22-33-ab-01-00-00", DEFAULT, DEFAULT, "made of the serial number"),
        row(NAA, "NAA: 5011223344ab0100", DEFAULT, DEFAULT, "made of the serial number"),
        row(NAA, "NAA: 50:11:22:33:ab:01:00", DEFAULT, DEFAULT, "made of the serial number"),
        row(NAA, "NAA: 50 :11:22:33:ab:01:00:00", DEFAULT, DEFAULT, "made of the serial number"),
        row(NAA, "NAA: 150:11:22:33:ab:01:00:00", DEFAULT, DEFAULT, "made of the serial number"),
        row(NAA, "NAA: 50::22:33:44:55:66:77", DEFAULT, DEFAULT, "made of the serial number"),
        row(NAA, "NAA: 50:11:22:33:ab:01:00:g0", DEFAULT, DEFAULT, "made of the serial number"),
        row(NAA, "NAA: zz", DEFAULT, DEFAULT, "is ignored"),
        row(NAA, "NAA:", DEFAULT, DEFAULT, "is ignored"),
        row(NAA, "NAA: 30:22:33:44:ab:00:09:00\n NAA: zz", "50223344ab000900", "50223344ab000900", "is ignored"),
        row(NAA, "naa: 50:11:22:33:ab:01:00:00", DEFAULT, DEFAULT, "the key is written \"NAA:\""),
        row(NAA, "NAA : 50:11:22:33:ab:01:00:00", DEFAULT, DEFAULT, "the key is written \"NAA:\""),
        row(
            NAA,
            "NAA: 30:22:33:44:ab:00:09:00\n NAA: 99:22:33:44:ab:00:09:00",
            "59223344ab000900",
            "59223344ab000900",
            ":17: NAA: is given twice, here and in line 16: the last value counts",
        ),
    ];
    table(&rows, |config, _| first_drive(config).names.naa.clone().unwrap());
}

#[test]
fn identities_match_mhvtl() {
    const SERIAL: &str = "Unit serial number: XYZZY_B1";
    let rows = [
        row(SERIAL, "Unit serial number: ABC DEF", "ABC", "ABC", "\"ABC\" is used: \"DEF\" after it is ignored"),
        row(SERIAL, "Unit serial number:ABC", "ABC", "ABC", ""),
        row(SERIAL, "Unit serial number:\tABC # comment", "ABC", "ABC", ""),
        row(SERIAL, "Unit serial number: ABC\r", "ABC", "ABC", ""),
        row(SERIAL, "Unit serial number: ABC\0DEF", "ABC", "ABC", ""),
        row(SERIAL, "Unit serial number: 123456789012345", "123456789012345", "123456789012345", ""),
        row(SERIAL, "Unit serial number: 1234567890123456", "123456789012345", "123456789012345", "uses 15 characters"),
        row(SERIAL, "Unit serial number: 12345678901234567", "!", "!", "Unit serial number:"),
        row(SERIAL, "Unit serial number: ", "!", "!", "there is no value"),
        row(SERIAL, "Unit serial number: ONE\n Unit serial number: TWO", "TWO", "TWO", "is given twice"),
        row(SERIAL, "unit serial number: ABC", "", "!", "unit serial number is missing"),
    ];
    table(&rows, |config, _| first_drive(config).names.serial.clone().unwrap());
    const PRODUCT: &str = " Product identification: ULT3580-TD8";
    let rows = [
        row(PRODUCT, " Product identification: ULT3580-TD8  ", "ULT3580-TD8", "ULT3580-TD8", ""),
        row(PRODUCT, "\t Product  identification: ULT3580-TD8", "ULT3580-TD8", "ULT3580-TD8", ""),
        // mhvtl loses the last character, which makes it another product.
        row(PRODUCT, "Product identification: ULT3580-TD8", "ULT3580-TD", "ULT3580-TD8", ""),
        row(PRODUCT, " Product identification: Ultrium 3-SCSI", "Ultrium 3-SCSI", "Ultrium 3-SCSI", ""),
        row(
            PRODUCT,
            " Product identification: ULT3580-TD8 # x",
            "ULT3580-TD8 # x",
            "ULT3580-TD8 # x",
            "has the text from \"#\" in it",
        ),
        row(PRODUCT, " Product identification: 1234567890123456", "1234567890123456", "1234567890123456", ""),
        row(PRODUCT, " Product identification: 12345678901234567", "!", "!", "Product identification:"),
        row(PRODUCT, " Product identification: ", "", "", "has no value"),
        row(PRODUCT, " product identification: X", "", "", "the key is written \"Product identification:\""),
        row(PRODUCT, " Product identification : X", "", "", "the key is written \"Product identification:\""),
    ];
    table(&rows, |config, _| first_drive(config).strings.product.clone());
    const REVISION: &str = "Product revision level: 550V";
    let rows = [
        row(REVISION, "Product revision level: 1", "1", "1", ""),
        row(REVISION, "Product revision level:12 34", "12", "12", "\"34\" after it is ignored"),
        row(REVISION, "Product revision level: 12345", "!", "!", "Product revision level:"),
        row(REVISION, "Product revision level:", "!", "!", "there is no value"),
        row(REVISION, "# Product revision level: 12", "0108", "0108", ""),
    ];
    table(&rows, |config, _| first_drive(config).strings.revision.clone());
    const VENDOR: &str = "Vendor identification: IBM";
    let rows = [
        row(VENDOR, "Vendor identification: IBM Corp", "IBM", "IBM", "\"Corp\" after it is ignored"),
        row(VENDOR, "Vendor identification: \"IBM\"", "\"IBM\"", "\"IBM\"", ""),
        row(VENDOR, "Vendor identification: 123456789", "!", "!", "Vendor identification:"),
        row(VENDOR, "Vendor identification:", "!", "!", "there is no value"),
    ];
    table(&rows, |config, _| first_drive(config).strings.vendor.clone());
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn other_keys_match_mhvtl() {
    const PERSIST: &str = "PERSIST: False";
    let rows = [
        row(PERSIST, "PERSIST: yes", "1", "true", ""),
        row(PERSIST, "PERSIST: TRUE", "1", "true", ""),
        row(PERSIST, "PERSIST:yesterday", "1", "true", "is read as yes"),
        row(PERSIST, "PERSIST: Yes please", "1", "true", "\"please\" after it is ignored"),
        row(PERSIST, "PERSIST: on", "0", "false", "PERSIST: \"on\" is read as no, as with mhvtl: write yes or no"),
        row(PERSIST, "persist: yes", "0", "false", "the key is written \"PERSIST:\""),
        row(PERSIST, "PERSIST : yes", "0", "false", "the key is written \"PERSIST:\""),
        row(PERSIST, "PERSIST: off", "0", "false", ""),
        row(PERSIST, "PERSIST: y", "0", "false", "is read as no"),
        row(PERSIST, "PERSIST: 1", "0", "false", "is read as no"),
        row(PERSIST, "PERSIST:", "0", "false", "has no value"),
        row(PERSIST, "PERSIST: yes\n PERSIST: no", "1", "true", "yes in one of them counts"),
    ];
    table(&rows, |_, imported| (!imported.contents_files.is_empty()).to_string());
    const HOME: &str = " Home directory: /h/lib\n";
    let rows = [
        row(HOME, " Home directory: /a b\n", "/a", "/a", "\"b\" after it is ignored"),
        row(HOME, "Home directory:/a # c\n", "/a", "/a", ""),
        row(HOME, " Home directory: /a\n Home directory: /b\n", "/a", "/a", "the first value counts"),
        row(HOME, " home directory: /a\n", "/opt/mhvtl/10", "/opt/mhvtl/10", "the key is written \"Home directory:\""),
        row(HOME, " Home directory:\n", "/opt/mhvtl/10", "/opt/mhvtl/10", "has no value"),
    ];
    table(&rows, |config, _| config.cartridge_directories[0].display().to_string());
    let rows = [row(
        " Library ID: 10 Slot: 01",
        " Library ID: 10 Slot: 01\n Home directory: /late",
        "/h/lib",
        "/h/lib",
        "\"Home directory:\" is a key of a library, and this is the section of drive 11",
    )];
    table(&rows, |config, _| config.cartridge_directories[0].display().to_string());
    let late = with_line(HOME, "").unwrap();
    assert_eq!(late.0.cartridge_directories[0], Path::new("/opt/mhvtl/10"));
    const FACTOR: &str = "Compression: factor 1 enabled 1";
    let rows = [
        row(FACTOR, "Compression: factor 9 enabled 1", "9, on", "zlib:9", ""),
        row(FACTOR, "Compression:factor 6enabled7", "6, on", "zlib:6", "enabled 7 is not 0 or 1: 1 is used"),
        row(FACTOR, "Compression: factor 9 enabled 0", "9, off", "none", ""),
        row(FACTOR, "Compression: factor 0 enabled 1", "0, on", "none", ""),
        row(FACTOR, "Compression: factor 12 enabled 1", "12, on", "zlib:9", "12 is not 0 to 9: 9 is used"),
        row(FACTOR, "Compression: factor 9", "9, as memory has it", "zlib:9", "read as enabled"),
        row(FACTOR, "Compression: Factor 6 enabled 1", "1, off", "none", "is ignored, as with mhvtl: expected"),
        row(FACTOR, "Compression: enabled 1", "0, off", "none", "\"enabled 1\" is ignored, as with mhvtl: expected"),
        row(FACTOR, "compression: factor 9 enabled 1", "0, off", "none", "the key is written \"Compression:\""),
        row(FACTOR, "Compression: factor 6 enabled 1 level", "6, on", "zlib:6", "\"level\" after the value is ignored"),
        row(FACTOR, "Compression: 5", "5, off", "none", "sets level 5 and does not turn compression on"),
        row(FACTOR, "Compression: yes", "1, off", "none", "\"yes\" is ignored, as with mhvtl: expected"),
        row("Compression type: zlib", "Compression type:ZLIB1", "zlib", "zlib:1", ""),
        row(
            "Compression type: zlib",
            "Compression type: LZOP",
            "lzo",
            "zlib:1",
            "lzo of drive 11 is read, but not written",
        ),
        row("Compression type: zlib", "Compression type: zstd", "none", "none", "neither lzo nor zlib"),
        row("Compression type: zlib", "Compression type:", "none", "none", "neither lzo nor zlib"),
    ];
    let printed = |config: &Config| config.to_string();
    for Row { from, to, mhvtl, ours, note } in rows {
        let (config, imported) = with_line(from, to).unwrap();
        let message = imported.notes.join("\n");
        assert!(printed(&config).contains(&format!("compression = {ours:?}")), "{to:?}: mhvtl has {mhvtl}");
        assert!(message.contains(note) && message.is_empty() == note.is_empty(), "{to:?}: {message}");
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn sections_and_lines_match_mhvtl() {
    const HEADER: &str = "Drive: 11 CHANNEL: 00 TARGET: 09 LUN: 00";
    let address = |_: &Config, imported: &ImportedConfig| format!("{:?}", imported.device_slots[1].address);
    let rows = [
        row(HEADER, "Drive: 11", "undefined", "[0, 0, 0]", "are expected: 0:0:0 is used"),
        row(
            HEADER,
            "Drive: 11 CHANNEL: 00 TARGET: 09 LUN: 00 x",
            "0:9:0",
            "[0, 9, 0]",
            "\"x\" after the LUN is ignored",
        ),
        row(HEADER, "Drive:011 CHANNEL:1 TARGET:9 LUN:2", "1:9:2", "[1, 9, 2]", ""),
        row(HEADER, "Drive: +11 CHANNEL: 00 TARGET: 09 LUN: 00 # x", "0:9:0", "[0, 9, 0]", ""),
        row(HEADER, "Drive: 11 CHANNEL: 00 LUN: 09", "undefined", "[0, 0, 0]", "are expected"),
        row(HEADER, "Drive: 11 channel: 00 TARGET: 09 LUN: 00", "undefined", "[0, 0, 0]", "are expected"),
        row(HEADER, "Drive: 11 CHANNEL: 00 TARGET: 0x9 LUN: 00", "undefined", "[0, 0, 0]", "are expected"),
    ];
    table(&rows, address);
    // Not a header: there is no such drive, and the library has no drive for its element.
    for header in [" Drive: 11 CHANNEL: 00 TARGET: 09 LUN: 00", "DRIVE: 11 CHANNEL: 00", "Drive : 11 CHANNEL: 00"] {
        let error = with_line(HEADER, header).err().unwrap();
        assert!(error.contains("/library_contents.10:1: Drive: no drive of device.conf has place 1"), "{error}");
    }
    const REVISION: &str = " Product revision level: 550V\n";
    let serial = |config: &Config, _: &ImportedConfig| first_drive(config).names.serial.clone().unwrap();
    let long = format!("#{} Product revision level: 9999\n", "x".repeat(510));
    let long: &'static str = Box::leak(long.into_boxed_str());
    let rows = [
        // A line of one character ends a section, so the rest of the drive is lost.
        row(REVISION, " \n", "no serial number", "!", "unit serial number is missing"),
        row(REVISION, "x\n", "no serial number", "!", "unit serial number is missing"),
        row(REVISION, "\r\n", "no serial number", "!", "unit serial number is missing"),
        // mhvtl's drive aborts; the import continues, which loses nothing.
        row(REVISION, "   \n", "!", "XYZZY_B1", ""),
        row(REVISION, "Unknown: line\n", "XYZZY_B1", "XYZZY_B1", "is ignored, as with mhvtl: mhvtl has no such key"),
        row(REVISION, " # Product revision level: 550V\n", "XYZZY_B1", "XYZZY_B1", ""),
        row(
            REVISION,
            long,
            "XYZZY_B1",
            "XYZZY_B1",
            "the line has 540 characters; as with mhvtl, each 511 of them count as a line",
        ),
    ];
    table(&rows, serial);
    // The text after the 511th character of a comment is a separate line.
    assert_eq!(first_drive(&with_line(REVISION, long).unwrap().0).strings.revision, "9999");
    let (config, _) = with_line(ONE, &ONE.replace('\n', "\r\n").replace("\r\n\r\n", "\r\n\n")).unwrap();
    assert_eq!((serial(&config, &with_line("400", "4").unwrap().1), config.libraries.len()), ("XYZZY_B1".into(), 1));
    let rows = [
        row("Library ID: 10 Slot: 01", "Library ID:10Slot:1", "10, 1", "1", ""),
        row("Library ID: 10 Slot: 01", "Library ID: +010 Slot: 01 x", "10, 1", "1", "\"x\" after the value is ignored"),
    ];
    table(&rows, |config, _| config.libraries[0].drives.len().to_string());
    for text in ["Library ID: 10", "Library ID: 10, Slot: 1", "Library ID: 10 SLOT: 1", "Library ID: 10 Slot: 0"] {
        let dir = directory(&ONE.replace("Library ID: 10 Slot: 01", text), "MAP 1:\n\nSlot 1: E01001L8\n");
        let imported = import(dir.path()).unwrap();
        let message = imported.notes.join("\n");
        assert!(
            message.contains("device.conf:11: Library ID: without Slot:")
                && message.contains("drive 11 is in no library"),
            "{message}"
        );
        // A library without drives is not supported: the error names the line of the library.
        let error = imported.config().map(|_| ()).unwrap_err();
        assert!(error.file.ends_with("/device.conf") && error.line == 1, "{error}");
    }
}

#[test]
fn contents_file_parsing_matches_mhvtl() {
    // The text of a slot, the barcode that mhvtl reads in slot 1, and a part of the note.
    let cases: [(&str, Option<&str>, &str); 21] = [
        ("Slot 1: E01001L8", Some("E01001L8"), ""),
        ("Slot 1:E01001L8", Some("E01001L8"), ""),
        ("Slot1: E01001L8", Some("E01001L8"), ""),
        ("Slot  01:\tE01001L8", Some("E01001L8"), ""),
        ("Slot\t+1: E01001L8 # text", Some("E01001L8"), ""),
        ("Slot 1: E01001L8\r", Some("E01001L8"), ""),
        ("Slot 1:", None, ""),
        ("Slot 1 : E01001L8", None, "Slot 1 is empty, as with mhvtl"),
        ("Slot 1 E01001L8", None, "Slot 1 is empty, as with mhvtl"),
        ("Slot 1x: E01001L8", None, "Slot 1 is empty, as with mhvtl"),
        ("Slot 1;: E01001L8", None, "Slot 1 is empty, as with mhvtl"),
        ("Slot 1: # empty", None, "cartridge \"#\" is omitted"),
        ("Slot 1: 12345678901234567", None, "is omitted"),
        ("Slot x: A\nSlot 1: E01001L8", Some("E01001L8"), "has no number after \"Slot\", and is ignored"),
        ("Slot\nSlot 1: E01001L8", Some("E01001L8"), "has no number after \"Slot\", and is ignored"),
        (
            "slot 2: A\n Slot 3: B\nSlot 1: E01001L8",
            Some("E01001L8"),
            "\"slot 2: A\" is ignored, as with mhvtl: an element",
        ),
        (
            "Slot: 1 E01002L8\nSlot 1: E01001L8",
            Some("E01001L8"),
            "has no number after \"Slot\", and is ignored: write \"Slot 1:\"",
        ),
        ("Slot 1: E01001L8 L8", Some("E01001L8"), "Slot 1: \"E01001L8\" is used: \"L8\" after it is ignored"),
        ("# Slot 1: A\nSlot 1: E01001L8", Some("E01001L8"), ""),
        (
            "VERSION: 3\nSlot 1: E01001L8",
            Some("E01001L8"),
            "library_contents.10:5: VERSION 3 is unknown; formats up to 2 are supported",
        ),
        ("Slot 1: E01001L8\nSlot 3:", Some("E01001L8"), ""),
    ];
    for (text, label, note) in cases {
        let dir = directory(ONE, &format!("Drive 1:\n\nMAP 1:\n\n{text}\n"));
        let imported = import(dir.path()).unwrap_or_else(|error| panic!("{error}\n{text}"));
        let cartridges = imported.config().unwrap().libraries[0].cartridges.clone();
        assert_eq!(cartridges.first().map(|it| it.barcode.as_str().to_owned()).as_deref(), label, "{text:?}");
        let message = imported.notes.join("\n");
        assert!(message.contains(note) && message.is_empty() == note.is_empty(), "{text:?}: {message}");
        assert!(note.is_empty() || message.contains("/library_contents.10:"), "{message}");
    }
}

#[test]
fn duplicate_naas_are_replaced() {
    let twice = "NAA: 10:22:33:44:ab:00:00:00";
    let devices = DEVICES.replace("NAA: 10:22:33:44:ab:00:01:00", twice);
    let dir = directory(&devices, CONTENTS);
    let imported = import(dir.path()).unwrap();
    let config = imported.config().unwrap();
    let naa = |at: usize| config.libraries[0].drives[at].names.naa.clone().unwrap();
    assert_eq!(config.libraries[0].names.naa.as_deref(), Some("50223344ab000000"));
    // The designator that mhvtl derives from the serial number: 5, then the last eight of "XYZZY_A1  ".
    assert_eq!(naa(0), "5a5a595f41312020");
    let message = "/device.conf:29: NAA 50223344ab000000 of drive 11 is already used by library 10: drive 11 gets 5a5a595f41312020";
    assert!(imported.notes.iter().any(|note| note.ends_with(message)), "{:?}", imported.notes);
    // A drive that is imported alone has the same designator.
    let (alone, _) = import_drive(dir.path(), 11).unwrap();
    assert_eq!(alone.config().unwrap().libraries[0].drives[0].names.naa, Some(naa(0)));
    // Designators from long serial numbers with the same end, three times.
    let long = |drive: &str, serial: &str| {
        format!(
            "Drive: {drive} CHANNEL: 0\n Library ID: 10 Slot: {drive}\n Product identification: X\n Unit serial number: {serial}\n\n"
        )
    };
    let drives = [("1", "AAAA12345678"), ("2", "BBBB12345678"), ("3", "CCCC12345678")]
        .map(|(drive, serial)| long(drive, serial));
    let library = "Library: 10\n Vendor identification: STK\n Product identification: L700\n Unit serial number: S\n\n";
    let dir = directory(&format!("{library}{}", drives.concat()), "Drive 1:\nDrive 2:\nDrive 3:\n\nSlot 1:\n");
    let imported = import(dir.path()).unwrap();
    let config = imported.config().unwrap();
    let names: std::collections::BTreeSet<_> =
        config.libraries[0].drives.iter().map(|it| it.names.naa.clone()).collect();
    let mended = imported.notes.iter().filter(|note| note.contains("is already used by"));
    assert_eq!((names.len(), mended.count()), (3, 2), "{:?}", imported.notes);
    assert_eq!(import(dir.path()).unwrap().text, imported.text, "the same names each time");
}

#[test]
fn explicit_directory_wins() {
    let (named, other) = (directory(DEVICES, CONTENTS), directory(&DEVICES.replace("XYZZY", "OTHER"), CONTENTS));
    // mhvtl's daemons use the first of several.
    let conf = format!("MHVTL_CONFIG_PATH={}\nMHVTL_CONFIG_PATH=/x\nCAPACITY=500\n", other.path().display());
    fs::write(named.path().join("mhvtl.conf"), conf).unwrap();
    let imported = import(named.path()).unwrap();
    assert!(imported.text.contains("XYZZY_A") && !imported.text.contains("OTHER"));
    let message = format!("/mhvtl.conf:1: MHVTL_CONFIG_PATH={} is not followed", other.path().display());
    assert!(imported.notes[0].contains(&message), "{:?}", imported.notes);
    assert_eq!(super::resolve_directory(Some(named.path())).unwrap(), named.path());
    // Without other files in the directory, the error names the other directory.
    fs::remove_file(named.path().join("device.conf")).unwrap();
    let error = import(named.path()).unwrap_err().to_string();
    let expected = format!("device.conf: does not exist; mhvtl.conf:1 names {}: give that", other.path().display());
    assert!(error.contains(&expected), "{error}");
}

#[test]
fn versions_long_lines_and_missing_files_are_reported() {
    let dir = directory(&DEVICES.replace("VERSION: 5", "VERSION: 99"), CONTENTS);
    let notes = import(dir.path()).unwrap().notes;
    assert!(notes[0].ends_with("/device.conf:1: VERSION 99 is unknown; formats up to 5 are supported"), "{notes:?}");
    let long = format!("{CONTENTS}# {}\n", "x".repeat(100_000));
    let notes = import(directory(DEVICES, &long).path()).unwrap().notes;
    let message =
        "/library_contents.10:18: the line has 100002 characters; as with mhvtl, each 511 of them count as a line";
    assert!(notes.iter().any(|note| note.ends_with(message)), "{notes:?}");
    let dir = directory(DEVICES, CONTENTS);
    fs::remove_file(dir.path().join("library_contents.10")).unwrap();
    let error = import(dir.path()).unwrap_err().to_string();
    let path = dir.path().display();
    assert_eq!(error, format!("{path}/device.conf:4: Library: 10: {path}/library_contents.10 does not exist"));
}

#[test]
fn configured_naas_have_priority() {
    // Drive 12 has no designator: its default is configured for drive 11, which comes later.
    let devices = DEVICES.replace("NAA: 10:22:33:44:ab:00:01:00", "NAA: 5a:5a:59:5f:41:32:20:20");
    let dir = directory(&devices, CONTENTS);
    let imported = import(dir.path()).unwrap();
    let config = imported.config().unwrap();
    let naa = |at: usize| config.libraries[0].drives[at].names.naa.clone().unwrap();
    assert_eq!(naa(0), "5a5a595f41322020");
    assert_ne!(naa(1), "5a5a595f41322020");
    let message = "/device.conf:14: NAA 5a5a595f41322020 of drive 12 is already used by drive 11: drive 12 gets ";
    assert!(imported.notes.iter().any(|note| note.contains(message)), "{:?}", imported.notes);
}

#[test]
fn movecommand_and_its_timeout_are_imported() {
    for (lines, command, seconds) in [
        (" movecommand: /bin/x\n", "/bin/x", 20),
        (" commandtimeout: 5\n movecommand: /bin/x\n", "/bin/x", 5),
        (" movecommand: /bin/x\"y\n commandtimeout: x\n", "/bin/x\"y", 20),
    ] {
        let devices = DEVICES.replace(" PERSIST: False\n", lines);
        let config = import(directory(&devices, CONTENTS).path()).unwrap().config().unwrap();
        let imported = config.libraries[0].move_command.as_ref().unwrap();
        assert_eq!(
            (imported.command.as_slice(), imported.timeout.as_secs()),
            ([command.to_owned()].as_slice(), seconds)
        );
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn ignored_lines_are_noted() {
    const LINE: &str = " Backoff: 400\n\nDrive";
    let line = |line: &str| -> &'static str { Box::leak(format!("{line}\n\nDrive").into_boxed_str()) };
    let rows = [
        row(LINE, line(" Backoff: 5"), "5", "", ""),
        row(
            LINE,
            line(" Backoff: 10000"),
            "400",
            "",
            "device.conf:8: Backoff: \"10000\" is not a number from 2 to 9999",
        ),
        row(LINE, line(" Backoff: x"), "400", "", "Backoff: \"x\" is not a number"),
        row(LINE, line(" backoff: 400"), "400", "", "the key is written \"Backoff:\""),
        row(
            LINE,
            line(" movecommand: /bin/x a"),
            "/bin/x",
            "",
            "movecommand: \"/bin/x\" is used: \"a\" after it is ignored",
        ),
        row(
            LINE,
            line(" movecommand: /bin/x;y"),
            "/bin/x;y",
            "",
            "movecommand: \"/bin/x;y\" of library 10 is run without a shell",
        ),
        row(LINE, line(" movecommand : /bin/x"), "none", "", "the key is written \"movecommand:\""),
        row(LINE, line(" commandtimeout: 5"), "5", "", ""),
        row(LINE, line(" commandtimeout: x"), "20", "", "commandtimeout: \"x\" is not a number"),
        row(LINE, line(" fifo:"), "the value before it", "", "fifo: has no value, and is ignored"),
        row(
            LINE,
            line(" Compression: 5"),
            "ignored",
            "",
            "\"Compression:\" is a key of a drive, and this is the section of library 10",
        ),
        row(
            LINE,
            line("\n NAA: 50:11:22:33:44:55:66:77"),
            "ignored",
            "",
            "it is in no section, since a line of one character",
        ),
    ];
    table(&rows, |_, _| String::new());
    const TYPE: &str = " Compression type: zlib\n";
    let rows = [
        row(TYPE, " Compression type: zlib\n LBP RSCRC BE: 1\n", "1", "zlib:1", ""),
        row(TYPE, " Compression type: zlib\n LBP RSCRC BE: 0\n", "0", "zlib:1", "LBP RSCRC BE: \"0\" is not supported"),
        row(TYPE, " Compression type: zlib\n lbp rscrc be: 0\n", "1", "zlib:1", "the key is written \"LBP RSCRC BE:\""),
        row(TYPE, " compression type: zlib\n", "raw", "none", "the key is written \"Compression type:\""),
        row(TYPE, "", "raw", "none", "without a \"Compression type:\" blocks are not compressed"),
    ];
    for Row { from, to, mhvtl, ours, note } in rows {
        let (config, imported) = with_line(from, to).unwrap();
        assert!(config.to_string().contains(&format!("compression = {ours:?}")), "{to:?}: mhvtl has {mhvtl}");
        let message = imported.notes.join("\n");
        assert!(message.contains(note) && message.is_empty() == note.is_empty(), "{to:?}: {message}");
    }
}

#[test]
fn editor_artifacts_match_mhvtl() {
    let all = |text: &str| import(directory(text, "Drive 1:\n\nMAP 1:\n\nSlot 1: E01001L8\n").path());
    // mhvtl does not find the library after a byte order mark.
    let error = all(&format!("\u{feff}{ONE}")).unwrap_err().to_string();
    assert!(error.contains("no line begins with \"Library:\""), "{error}");
    let notes = all(&format!("\u{feff}# comment\n{ONE}")).unwrap().notes;
    let mark =
        "/device.conf:1: the file begins with a byte order mark (EF BB BF), which mhvtl takes for a part of the line";
    assert!(notes.len() == 1 && notes[0].ends_with(mark), "{notes:?}");
    for text in [ONE.trim_end().to_owned(), ONE.replace('\n', "\r\n"), ONE.replace("\n ", "\n\t")] {
        let imported = all(&text).unwrap();
        assert_eq!((imported.notes.as_slice(), imported.config().unwrap().libraries[0].drives.len()), (&[][..], 1));
    }
    // mhvtl reads the newline of a line of 511 characters as an empty line, which ends the section; not that of a
    // shorter line.
    let with = |len: usize| {
        all(&ONE.replace(
            " Unit serial number: XYZZY_B1",
            &format!("#{}\n Unit serial number: XYZZY_B1", "x".repeat(len - 1)),
        ))
    };
    assert_eq!(with(510).unwrap().notes, Vec::<String>::new());
    assert!(with(511).unwrap_err().to_string().contains("unit serial number is missing"));
    // A second header of one drive: its values count.
    let imported =
        all(&format!("{ONE}Drive: 11 CHANNEL: 01 TARGET: 07 LUN: 01\n Unit serial number: SECOND\n\n")).unwrap();
    let drive = first_drive(&imported.config().unwrap()).clone();
    assert_eq!((drive.names.serial.as_deref(), imported.device_slots[1].address), (Some("SECOND"), [1, 7, 1]));
    assert!(
        imported.notes[0].ends_with(
            "/device.conf:21: drive 11 is given twice, here and in line 10: it is one drive, and the last values count"
        ),
        "{:?}",
        imported.notes
    );
    // A thousand lines that are ignored.
    let notes = all(&format!("{ONE}{}", "Density: LTO5\n".repeat(1000))).unwrap().notes;
    assert!(
        notes.len() == 51 && notes[50].ends_with("/device.conf: 950 more lines are ignored, as with mhvtl"),
        "{notes:?}"
    );
}

/// Lines of `mhvtl.conf`: how mhvtl's daemons read `MHVTL_CONFIG_PATH`, and a shell reads `CAPACITY`.
#[test]
fn settings_match_mhvtl() {
    for (line, mhvtl, note) in [
        ("CAPACITY=800", 800, ""),
        ("export CAPACITY=800", 800, ""),
        (" CAPACITY=\"800\"", 800, ""),
        ("CAPACITY=800 # MB", 800, ""),
        ("CAPACITY=800\nCAPACITY=900", 900, ":2: CAPACITY is given twice, here and in line 1: the last value counts"),
        ("CAPACITY=", 500, ""),
        ("CAPACITY = 800", 500, ":1: \"CAPACITY = 800\" is ignored, as with mhvtl: write CAPACITY=VALUE, in this case"),
        ("CAPACITY=8 00", 500, "write CAPACITY=VALUE"),
        ("capacity=800", 500, "write CAPACITY=VALUE, in this case and without blanks"),
        ("\u{feff}CAPACITY=800", 500, "write CAPACITY=VALUE"),
        ("MHVTL_HOME_PATH=/tapes", 500, ""),
    ] {
        let dir = directory(ONE, "Drive 1:\n\nMAP 1:\n\nSlot 1:\n");
        fs::write(dir.path().join("mhvtl.conf"), format!("{line}\n")).unwrap();
        assert_eq!(default_capacity_mb(dir.path()).unwrap(), mhvtl, "{line:?}");
        let message = import(dir.path()).unwrap().notes.join("\n");
        assert!(message.contains(note) && message.is_empty() == note.is_empty(), "{line:?}: {message}");
    }
    for (line, followed) in [
        ("MHVTL_CONFIG_PATH=/b", true),
        ("MHVTL_CONFIG_PATH\t=\t/b", true),
        ("MHVTL_CONFIG_PATH=\nMHVTL_CONFIG_PATH=/b\nMHVTL_CONFIG_PATH=/c", true),
        (" MHVTL_CONFIG_PATH=/b", false),
        ("mhvtl_config_path=/b", false),
        ("export MHVTL_CONFIG_PATH=/b", false),
        ("\u{feff}MHVTL_CONFIG_PATH=/b", false),
    ] {
        let dir = directory(ONE, "Drive 1:\n\nMAP 1:\n\nSlot 1:\n");
        fs::write(dir.path().join("mhvtl.conf"), format!("{line}\n")).unwrap();
        let expected = if followed { Path::new("/b") } else { dir.path() };
        assert_eq!(directory_of(dir.path()), expected, "{line:?}");
    }
    let dir = directory(&ONE.replace(" Home directory: /h/lib\n", ""), "Drive 1:\n\nMAP 1:\n\nSlot 1:\n");
    fs::write(dir.path().join("mhvtl.conf"), "MHVTL_HOME_PATH=/tapes\n").unwrap();
    let message = import(dir.path()).unwrap().notes.join("\n");
    assert!(
        message.contains("/mhvtl.conf:1: MHVTL_HOME_PATH=/tapes: library 10 uses /opt/mhvtl/10, as with"),
        "{message}"
    );
}
