//! Twins: a device in memory is captured and imported, and the twin returns the same bytes.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]

use crate::capture::{Capture, Exchange};
use crate::dump::{Dump, DumpedPage, ModeControl};
use crate::twin::{self, DeviceType};
use crate::{CommandDevice, DumpKind, Import, ImportError, ImportOptions, capture, import, mask_serials, read_dump};
use scsi_core::log::LogId;

fn drive(model: &str) -> String {
    format!("[[library.drive]]\nmodel = {model:?}\nserial = \"10WT001234\"\nnaa = \"5000e11100001234\"\n")
}

/// The pages of a configuration as a file of ferric personality capture has them.
fn captured(configuration: &str, device: DeviceType) -> Dump {
    let capture = twin::capture_of(configuration, device).unwrap();
    let read = Capture::parse(&capture.to_string()).unwrap();
    assert_eq!(read, capture);
    assert_eq!(read_dump(capture.to_string().as_bytes(), None, ModeControl::Current).unwrap(), capture.dump());
    capture.dump()
}

fn assert_twin(dump: &Dump, device: DeviceType, options: &ImportOptions) -> Import {
    let made = import(dump, options).unwrap();
    assert_eq!(made.notes, Vec::<String>::new(), "{}", made.configuration);
    let twin = captured(&made.configuration, device);
    let pages = |dump: &Dump| dump.pages().map(|(page, bytes)| (page, bytes.to_vec())).collect::<Vec<_>>();
    assert_eq!(pages(&twin), pages(dump), "{}", made.configuration);
    made
}

/// A drive of any model needs no table of a page, except for counters in log pages: its names make the twin.
#[test]
fn twin_of_a_drive_of_the_same_model() {
    for model in ["ULT3580-TD8", "Ultrium 6-SCSI", "ULTRIUM-TD4", "T10000B", "03592E07"] {
        let dump = captured(&drive(model), DeviceType::Drive);
        assert_twin(&dump, DeviceType::Drive, &ImportOptions::default());
        let live = import(&dump, &ImportOptions::default().with_live_logs(true)).unwrap();
        assert_eq!((live.configuration, live.notes), (drive(model), Vec::new()));
    }
}

/// The pages of a real device differ from those of the model in number, length and bytes. Another model does the same.
#[test]
fn twin_of_a_drive_with_the_pages_of_another_model() {
    for (device, model) in [
        ("ULT3580-TD8", "Ultrium 6-SCSI"),
        ("Ultrium 6-SCSI", "ULT3580-TD8"),
        ("T10000B", "ULT3580-TD9"),
        ("ULT3580-TD9", "ULTRIUM-TD2"),
        ("ULTRIUM-TD2", "03592E07"),
    ] {
        let dump = captured(&drive(device), DeviceType::Drive);
        let options = ImportOptions::default().with_model(Some(model.into()));
        let made = assert_twin(&dump, DeviceType::Drive, &options);
        assert!(made.configuration.contains("[[library.drive.page]]"), "{device} as {model}");
    }
}

#[test]
fn twin_of_a_changer() {
    let names: Vec<&str> = smc::profile::ALL.iter().map(|profile| profile.name).collect();
    for (device, model) in names.iter().zip(names.iter().cycle().skip(1)) {
        let configuration = format!("[[library]]\nmodel = {device:?}\nserial = \"00X4U78A1234\"\nslots = 6\n");
        let dump = captured(&configuration, DeviceType::Changer);
        for model in [device, model] {
            assert_twin(&dump, DeviceType::Changer, &ImportOptions::default().with_model(Some((*model).into())));
        }
        // Its names and elements make the twin of the same model.
        let same = import(&dump, &ImportOptions::default().with_model(Some((*device).into()))).unwrap();
        assert!(!same.configuration.contains("[[library.page]]"), "{}", same.configuration);
    }
}

/// Slots, I/O elements and their addresses are those of the device; the twin moves cartridges there.
#[test]
fn twin_of_a_changer_with_its_elements() {
    let elements =
        "slots = 12\nimport_export = 2\nfirst = { robot = 7, slots = 4096, import_export = 16, drives = 256 }\n";
    let drives = "\n[[library.drive]]\nmodel = \"Ultrium 9-SCSI\"\nserial = \"8000000001\"\n\n[[library.drive]]\nmodel = \"Ultrium 9-SCSI\"\nserial = \"8000000002\"\n";
    let library = "[[library]]\nmodel = \"HPE MSL3040\"\nserial = \"DEC0000001\"\nnaa = \"5001438000aa00d4\"\n";
    let cartridges = "\n[[library.cartridges]]\npattern = \"A####L9\"\ncount = 3\nsize = \"64MB\"\n";
    let device = [library, elements, drives, cartridges].concat();
    let dump = captured(&device, DeviceType::Changer);
    let made = assert_import(&dump, None);
    let comments = "# Its drives (2) are not here. Add the tables [[library.drive]] of their captures:\n# element 0100h: HPE Ultrium 9-SCSI 8000000001\n# element 0101h: HPE Ultrium 9-SCSI 8000000002\n# Its cartridges (3) are not here either: [[library.cartridges]].\n";
    assert_eq!(made, [comments, library, elements].concat());
    // With its drives, all data is that of the device.
    let twin = twin::capture_of(&[made.as_str(), drives, cartridges].concat(), DeviceType::Changer).unwrap();
    assert_eq!(twin, twin::capture_of(&device, DeviceType::Changer).unwrap());

    let other = assert_import(&dump, Some("STK L700"));
    let lengths = "# READ ELEMENT STATUS: descriptors of data transfer elements have 86 bytes, those of the twin ";
    assert!(other.contains(lengths) && other.contains(elements), "{other}");
}

fn assert_import(dump: &Dump, model: Option<&str>) -> String {
    let made = import(dump, &ImportOptions::default().with_model(model.map(Into::into))).unwrap();
    assert_eq!(made.notes, Vec::<String>::new());
    made.configuration
}

/// The serial number of a logical library is made of that of the chassis.
#[test]
fn serial_numbers_of_changers() {
    for (model, serial, number) in [
        ("HPE MSL3040", "DEC0000001_LL01", "DEC0000001"),
        ("HPE MSL3040", "DEC0000001_LL02", "DEC0000001"),
        ("QUANTUM Scalar i6000", "273101164_LL1", "273101164"),
        ("IBM 03584L32", "0000780123400401", "000078012340"),
        ("IBM 3573-TL", "00X4U78A1234_LL0", "00X4U78A1234"),
        ("STK L700", "600_LL01", "600_LL01"),
    ] {
        let mut dump = captured(&format!("[[library]]\nmodel = {model:?}\nslots = 6\n"), DeviceType::Changer);
        let page = [&[8, 0x80, 0, u8::try_from(serial.len()).unwrap()], serial.as_bytes()].concat();
        dump.insert(DumpedPage::Vpd(0x80), &page);
        let made = import(&dump, &ImportOptions::default().with_model(Some(model.into()))).unwrap();
        assert!(made.configuration.contains(&format!("serial = {number:?}\n")), "{}", made.configuration);
    }
}

/// A device that refuses DVCID, and one that is older than CURDATA.
#[test]
fn element_status_is_read_as_the_device_accepts_it() {
    struct Old(Vec<Vec<u8>>);
    impl CommandDevice for Old {
        fn command(&mut self, cdb: &[u8], _capacity: usize) -> std::io::Result<Exchange> {
            self.0.push(cdb.to_vec());
            let refused = vec![0x70, 0, 5, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x24, 0, 0, 0, 0, 0];
            let (status, sense, data) = match cdb {
                [0x12, 0, ..] => (0, Vec::new(), [vec![8, 0x80, 2, 2, 31], vec![b' '; 31]].concat()),
                [0xb8, _, _, _, _, _, 0, ..] => (0, Vec::new(), vec![0; 8]),
                _ => (2, refused, Vec::new()),
            };
            Ok(Exchange { cdb: cdb.to_vec(), status, sense, data })
        }
    }
    let mut old = Old(Vec::new());
    capture(&mut old).unwrap();
    let flags: Vec<_> = old.0.iter().filter(|cdb| cdb[0] == 0xb8).map(|cdb| (cdb[1], cdb[6])).collect();
    assert_eq!(flags[..4], [(0x11, 3), (0x11, 2), (0x11, 0), (0x12, 3)]);
}

#[test]
fn barcodes_and_serial_numbers_of_drives_are_masked() {
    let text = "[[library]]\nmodel = \"HPE MSL3040\"\nslots = 6\n[[library.drive]]\nmodel = \"Ultrium 9-SCSI\"\nserial = \"8765432109\"\n[[library.cartridges]]\npattern = \"SECR##L9\"\n";
    let mut capture = twin::capture_of(text, DeviceType::Changer).unwrap();
    let has = |capture: &Capture, word: &[u8]| {
        capture.exchanges.iter().any(|exchange| exchange.data.windows(word.len()).any(|window| window == word))
    };
    assert!(has(&capture, b"SECR01L9") && has(&capture, b"8765432109"));
    mask_serials(&mut capture);
    assert!(!has(&capture, b"SECR01L9") && !has(&capture, b"8765432109"));
    assert!(has(&capture, b"XXXX00X0") && has(&capture, b"Ultrium 9-SCSI  0000000000"));
}

/// Medium types that a drive does not report.
#[test]
fn a_drive_without_medium_types() {
    let refused = [0x70, 0, 5, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x24, 0, 0, 0, 0, 0];
    let (cdb, sense) = (vec![0x44, 2, 0, 0, 0, 0, 0, 0xff, 0xfc, 0], refused.to_vec());
    let mut capture = twin::capture_of(&drive("ULTRIUM-TD2"), DeviceType::Drive).unwrap();
    let types = capture.exchanges.iter_mut().find(|exchange| exchange.cdb == cdb).unwrap();
    *types = Exchange { cdb, status: 2, sense, data: Vec::new() };
    let dump = capture.dump();
    let made = assert_import(&dump, None);
    assert_eq!(made, drive("ULTRIUM-TD2") + "\n[[library.drive.page]]\nkind = \"medium-types\"\nabsent = true\n");
}

/// A host has changed the drive, and a page of the drive is not one of any model.
#[test]
fn twin_of_a_drive_with_other_values() {
    let mut dump = captured(&drive("ULT3580-TD8"), DeviceType::Drive);
    let vendor = [0x1, 0xc7, 0, 3, b'a', b'b', b'c'];
    dump.insert(DumpedPage::Vpd(0xc7), &vendor);
    let list = dump.page(DumpedPage::Vpd(0)).unwrap().to_vec();
    // Not ascending, as no drive of Ferric has it.
    let list = [&list[..3], &[list[3] + 1], &list[4..], &[0xc7]].concat();
    dump.insert(DumpedPage::Vpd(0), &list);
    let counters = dump.page(DumpedPage::Log(LogId::page(0x17))).unwrap().to_vec();
    let other: Vec<u8> = counters.iter().enumerate().map(|(at, byte)| if at == 20 { 0x77 } else { *byte }).collect();
    dump.insert(DumpedPage::Log(LogId::page(0x17)), &other);
    let made = assert_twin(&dump, DeviceType::Drive, &ImportOptions::default());
    assert!(made.configuration.contains("kind = \"vpd\"\ncode = 0xc7\nbytes = \"01 c7 00 03 61 62 63\"\n"));
    // The values of log pages with the same parameters remain those of the twin.
    let live = import(&dump, &ImportOptions::default().with_live_logs(true)).unwrap();
    assert!(live.notes.is_empty() && !live.configuration.contains("log"), "{}", live.configuration);
}

#[test]
fn serial_numbers_are_masked_everywhere() {
    let mut capture = twin::capture_of(&drive("ULT3580-TD8"), DeviceType::Drive).unwrap();
    assert!(capture.to_string().contains("31305754303031323334"));
    mask_serials(&mut capture);
    let text = capture.to_string();
    assert!(!text.contains("31305754303031323334") && !text.contains("5000e11100001234"), "{text}");
    let dump = capture.dump();
    assert_eq!(dump.page(DumpedPage::Vpd(0x80)).unwrap()[4..], *b"00XX000000");
    let made = assert_twin(&dump, DeviceType::Drive, &ImportOptions::default());
    assert_eq!(made.configuration.lines().nth(3), Some("naa = \"5000e11000000001\""));
}

/// A page of the dump is longer than the twin's, or its device has refused it, or the dump is incomplete.
#[test]
fn refused_and_truncated_pages() {
    let exchange = |cdb: &[u8], status, sense: &[u8], data: &[u8]| Exchange {
        cdb: cdb.to_vec(),
        status,
        sense: sense.to_vec(),
        data: data.to_vec(),
    };
    let refused = [0x70, 0, 5, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x24, 0, 0, 0, 0, 0];
    let mut dump = Dump::default();
    dump.record(&exchange(&[0x4d, 0, 0x51, 0, 0, 0, 0, 0, 255, 0], 2, &refused, &[]));
    dump.record(&exchange(&[0x12, 1, 0x80, 0, 6, 0], 0, &[], &[1, 0x80, 0, 10, b'1', b'0']));
    let made = import(&dump, &ImportOptions::default().with_model(Some("ULT3580-TD8".into()))).unwrap();
    assert!(made.configuration.contains("kind = \"log\"\ncode = 0x11\nabsent = true\n"), "{}", made.configuration);
    assert_eq!(made.notes, ["VPD page 80h: left out, because the dump has only its first bytes"]);
}

#[test]
fn models_and_dumps_that_do_not_fit() {
    let error = |dump: &Dump, model: Option<&str>| {
        import(dump, &ImportOptions::default().with_model(model.map(Into::into))).unwrap_err().to_string()
    };
    let serial = |device: u8| read_dump(&[device, 0x80, 0, 1, b'1'], None, ModeControl::Current).unwrap();
    assert_eq!(error(&serial(1), None), "has no standard INQUIRY data; name the model of the device with --model");
    assert!(
        error(&serial(1), Some("LTO"))
            .starts_with("\"LTO\" is not a model of a drive; choose the nearest one with --model: ")
    );
    assert!(error(&serial(8), Some("ULT3580-TD8")).contains("is not a model of a changer; choose"));
    let mut disk = [0; 36];
    disk[4] = 31;
    let mut dump = Dump::default();
    dump.insert(DumpedPage::Inquiry, &disk);
    assert_eq!(import(&dump, &ImportOptions::default()), Err(ImportError::DeviceType(0)));
    for (file, kind, expected) in [
        (&b"nothing\n"[..], None, "has no pages; expected a capture, a trace, or"),
        (b"> 12 00 00 00 24 00\n> 12\n", None, "line 2: \"> 12\" is not < STATUS [sense BYTES] [in BYTES]"),
        (b"01 02 03 04 05 06\n", None, "010203040506 are no page; name the kind of the dump with --kind"),
        (b"01 80 00 01 41\n", Some(DumpKind::Mode), "0180000141 are no page of the kind \"mode\""),
        (&[0, 1], Some(DumpKind::Log), "0001 are no page of the kind \"log\""),
    ] {
        let error = read_dump(file, kind, ModeControl::Current).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }
}

/// Output of sg3_utils, with and without headings, and of ITDT for the same drive.
#[test]
fn dumps_of_tools() {
    let serial = " 00     01 80 00 0a 37 45 44 36  37 31 38 46 36 32          ....7ED6718F62\n";
    let log = "Log page code=0xd, DS=0, SPF=0, page_len=0x6\n 00     0d 00 00 06 00 00 43 02  00 16\n";
    let modes = "    IBM       ULT3580-TD8       MA21   peripheral_type: tape [0x1]\n 00     00 1e 00 10 00 00 00 08  00 00 00 00 00 00 00 00\n 10     0f 0e c0 80 00 00 00 ff  00 00 00 ff 00 00 00 00\n";
    let modes_6 = "12 00 10 08 00 00 00 00  00 00 00 00 42 01 00 03\n01 02 03\n";
    let itdt = "Inquiry Page 80h, Length 14\n\n       0 1  2 3  4 5  6 7  8 9  A B  C D  E F  0123456789ABCDEF\n0000 - 0180 000A 3745 4436 3731 3846 3632       [....7ED6718F62  ]\n";
    let raw_logs = [0x02, 0, 0, 0, 0x4d, 0x01, 0, 1, 9];
    let read = |text: &[u8]| read_dump(text, None, ModeControl::Default).unwrap();
    let vpd_80 = [&[1, 0x80, 0, 10][..], b"7ED6718F62"].concat();
    assert_eq!(read(serial.as_bytes()).page(DumpedPage::Vpd(0x80)), Some(vpd_80.as_slice()));
    assert_eq!(read(itdt.as_bytes()).page(DumpedPage::Vpd(0x80)), Some(vpd_80.as_slice()));
    assert_eq!(read(&vpd_80).page(DumpedPage::Vpd(0x80)), Some(vpd_80.as_slice()));
    assert_eq!(read(log.as_bytes()).page(DumpedPage::Log(LogId::page(0x0d))).map(<[u8]>::len), Some(10));
    let pages = |dump: &Dump| dump.pages().map(|(page, bytes)| (page.to_string(), bytes.len())).collect::<Vec<_>>();
    assert_eq!(pages(&read(modes.as_bytes())), [("mode page 0Fh (default values)".to_owned(), 16)]);
    assert_eq!(pages(&read(modes_6.as_bytes())), [("mode page 02h/01h (default values)".to_owned(), 7)]);
    assert_eq!(pages(&read(&raw_logs)), [("log page 02h".to_owned(), 4), ("log page 0Dh/01h".to_owned(), 5)]);
    let named = format!("mode page, page_control: changeable\n{}", "4a 01 00 01 07\n");
    assert_eq!(pages(&read(named.as_bytes())), [("mode page 0Ah/01h (changeable values)".to_owned(), 5)]);
}

/// The lines of a trace file that have the data of a page.
#[test]
fn traces_of_ferric() {
    let trace = "{\"format\":\"ferric-trace\",\"version\":2}\n{\"login\":{\"at_ms\":0}}\n\
                 {\"cdb\":\"120180000e00\",\"status\":0,\"sense\":\"\",\"data_in\":\"0180000a37454436373138463632\"}\n\
                 {\"cdb\":\"1a080a000c00\",\"status\":0,\"sense\":\"\",\"data_in\":\"0f0010000a0a0001\"}\n";
    let dump = read_dump(trace.as_bytes(), None, ModeControl::Current).unwrap();
    assert_eq!(dump.pages().map(|(page, _)| page).collect::<Vec<_>>(), [DumpedPage::Vpd(0x80)]);
    assert_eq!(dump.truncated().map(|page| page.to_string()).collect::<Vec<_>>(), ["mode page 0Ah (current values)"]);
}
