//! A library in a directory, used through the Rust API.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "test code")]

use smc::element::ElementAddress;
use tape_store::cartridge::Barcode;
use tempfile::tempdir;
use vtl::config::parse;
use vtl::host::Host;
use vtl::site::Site;

const CONFIG: &str = "[[cartridges]]\npattern = \"V#####L8\"\ncount = 3\nsize = \"64MB\"\n";

#[test]
fn too_few_elements_error_names_its_line() {
    let dir = tempdir().unwrap();
    let text = |slots: u16, drives: u16, count: u16| {
        format!(
            "[library]\nslots = {slots}\n[[drive]]\nmodel = \"ULT3580-TD8\"\ncount = {drives}\n\
             [[cartridges]]\npattern = \"V#####L8\"\ncount = {count}\n"
        )
    };
    let refused = |text: &str| {
        let config = parse("f.toml", text).unwrap();
        Site::open(dir.path(), &config).map(drop).unwrap_err().to_string()
    };
    assert_eq!(
        refused(&text(2, 2, 3)),
        "f.toml:2: library.slots: no slot of 2 is left for cartridge V00003L8; give more slots or list fewer cartridges"
    );
    let site = Site::open(dir.path(), &parse("f.toml", &text(3, 2, 3)).unwrap()).unwrap();
    let library = &site.targets()[0];
    let host = Host::login(library, 1);
    host.clear_unit_attentions();
    host.command(0, &[0xa5, 0, 0, 0, 0x03, 0xe8, 0x01, 0xf5, 0, 0, 0, 0], 0).into_result().unwrap();
    site.shut_down().unwrap();
    drop(site);
    assert_eq!(
        refused(&text(2, 2, 1)),
        "f.toml:2: library.slots: slot at element 1002 is not configured, but contains cartridge V00003L8; keep it, or move the \
         cartridge first"
    );
    assert_eq!(
        refused(&text(3, 1, 1)),
        "f.toml:4: drive: drive at element 501 is not configured, but contains cartridge V00001L8; keep it, or move the cartridge \
         first"
    );
}

#[test]
fn operators_import_and_export() {
    let dir = tempdir().unwrap();
    let config = parse("test", CONFIG).unwrap();
    let barcode = Barcode::new("V00001L8").unwrap();
    {
        let site = Site::open(dir.path(), &config).unwrap();
        let (library, robot) = (&site.targets()[0], &site.libraries()[0]);
        let host = Host::login(library, 1);
        assert_eq!(host.command(0, &[0], 0).sense_codes().unwrap(), (6, 0x29, 0x00));
        let to_door = [0xa5, 0, 0, 0, 0x03, 0xe8, 0, 10, 0, 0, 0, 0];
        host.command(0, &to_door, 0).into_result().unwrap();
        // PREVENT ALLOW MEDIUM REMOVAL locks the I/O station.
        host.command(0, &[0x1e, 0, 0, 0, 1, 0], 0).into_result().unwrap();
        assert_eq!(
            robot.export(ElementAddress(10)).unwrap_err().to_string(),
            "io1 is locked: a host prevents medium removal (PREVENT ALLOW MEDIUM REMOVAL)"
        );
        host.command(0, &[0x1e, 0, 0, 0, 0, 0], 0).into_result().unwrap();
        assert_eq!(robot.export(ElementAddress(10)).unwrap(), barcode);
        assert_eq!(host.command(0, &[0], 0).sense_codes().unwrap(), (6, 0x28, 0x01));
        assert_eq!(robot.export(ElementAddress(10)).unwrap_err().to_string(), "io1 is empty");
        assert_eq!(
            robot.export(ElementAddress(1000)).unwrap_err().to_string(),
            "slot1 is reached through the access door, which is closed; use an I/O element, or open it: ferric door access open"
        );
        site.shut_down().unwrap();
    }
    let site = Site::open(dir.path(), &config).unwrap();
    let (library, robot) = (&site.targets()[0], &site.libraries()[0]);
    let host = Host::login(library, 1);
    host.clear_unit_attentions();
    assert!(robot.import(ElementAddress(11), &Barcode::new("V00002L8").unwrap()).is_err());
    robot.import(ElementAddress(11), &barcode).unwrap();
    assert!(robot.import(ElementAddress(12), &barcode).is_err());
    assert_eq!(host.command(0, &[0], 0).sense_codes().unwrap(), (6, 0x28, 0x01));
    let status = host.command(0, &[0xb8, 0x13, 0, 11, 0, 1, 2, 0, 0, 255, 0, 0], 255).data;
    // ImpExp: an operator put it there. Full, accessible, import and export enabled.
    assert_eq!((status[18], &status[28..36]), (0x3b, &b"V00001L8"[..]));
}

#[test]
fn element_status_in_literal_bytes() {
    let dir = tempdir().unwrap();
    let site = Site::open(dir.path(), &parse("test", CONFIG).unwrap()).unwrap();
    let library = &site.targets()[0];
    let host = Host::login(library, 1);
    host.clear_unit_attentions();
    // Sizing probe: header only, with the counts of everything.
    let probe = host.command(0, &[0xb8, 0x12, 0, 0, 0xff, 0xff, 0, 0, 0, 8, 0, 0], 8).data;
    assert_eq!(probe, [0x03, 0xe8, 0, 24, 0, 0, 0x05, 0x48]);
    // Two slots: page header, then descriptors of 12 + 36 + 8 bytes.
    let two = host.command(0, &[0xb8, 0x12, 0x03, 0xea, 0, 2, 0, 0, 0x04, 0, 0, 0], 1024).data;
    assert_eq!(two[..16], [0x03, 0xea, 0, 2, 0, 0, 0, 120, 2, 0x80, 0, 56, 0, 0, 0, 112]);
    assert_eq!((&two[16..19], &two[28..37], two[16 + 56 + 2]), (&[0x03, 0xea, 0x09][..], &b"V00003L8 "[..], 0x08));
    // Truncation leaves complete descriptors.
    let cut = host.command(0, &[0xb8, 0x12, 0x03, 0xea, 0, 2, 0, 0, 0, 100, 0, 0], 1024).data;
    assert_eq!(cut.len(), 16 + 56);
    // A drive with its identifier, and without a volume tag.
    let drive = host.command(0, &[0xb8, 0x04, 0, 0, 0, 1, 1, 0, 1, 0, 0, 0], 256).data;
    assert_eq!(drive[8..12], [4, 0, 0, 52]);
    assert_eq!(drive[28..32], [2, 0, 0, 32]);
    let mode = host.command(0, &[0x1a, 8, 0x1d, 0, 255, 0], 255).data;
    let expected = [23, 0, 0, 0, 0x1d, 0x12, 0, 0, 0, 1, 0x03, 0xe8, 0, 24, 0, 10, 0, 4, 0x01, 0xf4, 0, 2, 0, 0];
    assert_eq!(mode, expected);
}

#[test]
fn impossible_moves_are_refused() {
    let dir = tempdir().unwrap();
    let site = Site::open(dir.path(), &parse("test", CONFIG).unwrap()).unwrap();
    let library = &site.targets()[0];
    let host = Host::login(library, 1);
    host.clear_unit_attentions();
    let go = |from: u16, to: u16| {
        let ([a, b], [c, d]) = (from.to_be_bytes(), to.to_be_bytes());
        let response = host.command(0, &[0xa5, 0, 0, 0, a, b, c, d, 0, 0, 0, 0], 0);
        response.sense_codes().map(|codes| (codes, response.sense[15..18].to_vec()))
    };
    assert_eq!(go(1000, 1001), Some(((5, 0x3b, 0x0d), vec![0, 0, 0])));
    assert_eq!(go(1010, 1011), Some(((5, 0x3b, 0x0e), vec![0, 0, 0])));
    assert_eq!(go(4000, 1011), Some(((5, 0x21, 0x01), vec![0xc0, 0, 4])));
    assert_eq!(go(1000, 0), Some(((5, 0x21, 0x01), vec![0xc0, 0, 6])));
    assert_eq!(go(1000, 500), None);
    let drive = Host::login(library, 2);
    drive.clear_unit_attentions();
    drive.command(1, &[0x1e, 0, 0, 0, 1, 0], 0).into_result().unwrap();
    assert_eq!(go(500, 1000), Some(((5, 0x53, 0x03), vec![0, 0, 0])));
    let invert = host.command(0, &[0xa5, 0, 0, 0, 0x03, 0xe8, 0, 10, 0, 0, 1, 0], 0);
    assert_eq!((invert.sense_codes().unwrap(), &invert.sense[15..18]), ((5, 0x24, 0), &[0xc8, 0, 10][..]));
    // The prevention ends with its I_T nexus.
    drop(drive);
    assert_eq!(go(500, 1000), None);
}

#[test]
fn many_libraries_targets_and_luns() {
    let dir = tempdir().unwrap();
    let text = "[iscsi]\niqn = \"iqn.2026-01.com.example:tape\"\n\
        [[library]]\nslots = 3\nshelf = \"vault\"\n[[library.drive]]\nmodel = \"ULT3580-TD8\"\n\
        [[library.cartridges]]\npattern = \"A####1L8\"\nsize = \"64MB\"\n\
        [[library]]\nname = \"two\"\nmodel = \"IBM 3573-TL\"\nslots = 4\nimport_export = 3\nshelf = \"vault\"\n\
        [[library.drive]]\nmodel = \"ULT3580-TD7\"\ncount = 2\n\
        [[library]]\nname = \"three\"\ntarget = \"two\"\nlun = 300\n[[library.drive]]\nmodel = \"ULT3580-TD6\"\n";
    let text = text.replace("A####1L8", "A#L8");
    let config = parse("f.toml", &text).unwrap();
    {
        let site = Site::open(dir.path(), &config).unwrap();
        let targets = site.targets();
        let names: Vec<_> = targets.iter().map(|target| target.name()).collect();
        assert_eq!(names, ["iqn.2026-01.com.example:tape", "iqn.2026-01.com.example:tape:two"]);
        assert_eq!(site.targets()[0].luns(), [0, 1]);
        let two = &site.targets()[1];
        assert_eq!(two.luns(), [0, 1, 2, 300, 301]);
        let host = Host::login(two, 1);
        // REPORT LUNS and commands use flat space addressing above 255.
        let luns = host.command(0, &[0xa0, 0, 0, 0, 0, 0, 0, 0, 0, 64, 0, 0], 64).data;
        assert_eq!(luns[..4], [0, 0, 0, 40]);
        assert_eq!(luns[32..34], [0x41, 0x2c]);
        let inquiry = host.command(300, &[0x12, 0, 0, 0, 36, 0], 36).data;
        assert_eq!(&inquiry[8..32], b"STK     L700            ");
        // A cartridge leaves one library for the shelf that two libraries share, and is imported into the other; not
        // into the third.
        let libraries = site.libraries();
        let [one, two, three] = libraries.as_slice() else { panic!("three") };
        let barcode = Barcode::new("A1L8").unwrap();
        one.move_medium(ElementAddress(1000), ElementAddress(10)).unwrap();
        assert_eq!(one.export(ElementAddress(10)).unwrap(), barcode);
        assert!(three.import(ElementAddress(10), &barcode).is_err());
        two.import(ElementAddress(0x10), &barcode).unwrap();
        assert!(one.import(ElementAddress(10), &barcode).is_err());
        two.operate(|changer| changer.set_access_door(true)).unwrap();
        assert_eq!(
            two.move_medium(ElementAddress(0x10), ElementAddress(0x1000)).unwrap_err().to_string(),
            "the access door is open; close it: ferric door access close"
        );
        site.shut_down().unwrap();
    }
    // Everything is restored, including the access door; the lifetime counters of the robot continue.
    let site = Site::open(dir.path(), &config).unwrap();
    let two = site.library("two").unwrap();
    assert_eq!(two.changer(|changer| changer.content(ElementAddress(0x10)).unwrap().barcode.to_string()), "A1L8");
    assert!(two.changer(|changer| changer.library().operator_state().door_open));
    assert_eq!(two.target().luns(), [0, 1, 2, 300, 301]);
    two.operate(|changer| changer.set_access_door(false)).unwrap();
    two.move_medium(ElementAddress(0x10), ElementAddress(0x1000)).unwrap();
    drop(site);
    // A library that is removed from the configuration must be empty.
    let fewer = text.split("[[library]]\nname = \"two\"").next().unwrap();
    let refused = Site::open(dir.path(), &parse("f.toml", fewer).unwrap()).map(drop).unwrap_err().to_string();
    assert!(refused.contains("library \"two\" is not configured, but contains cartridge A1L8"), "{refused}");
}

#[test]
fn version_1_directory_is_upgraded() {
    let dir = tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
    write(
        "identities.json",
        r#"{"version":1,"suffix":"abcd","changer":{"serial":"0000000001","naa":"3000000000000001"},
            "drives":[{"serial":"0000000002","naa":"3000000000000002"}]}"#,
    );
    write("unit-1.json", r#"{"version":1,"counters":{"loads":7}}"#);
    write(
        "inventory.json",
        r#"{"version":1,"cartridges":{"V00001L8":{"element":1002,"source":1000,"size":64000000},
            "V00002L8":{"element":null,"size":64000000}}}"#,
    );
    std::fs::create_dir(dir.path().join("cartridges")).unwrap();
    let store = tape_store::store::TapeStore::new(Box::new(
        tape_store::backend::file::OsFolderStore::at(&dir.path().join("cartridges")).unwrap(),
    ));
    let new = tape_store::store::NewCartridge::data(&tape_store::media::LTO_8);
    for name in ["V00001L8", "V00002L8"] {
        store.create(&Barcode::new(name).unwrap(), &new).unwrap();
    }
    let text = "cartridges = []\n[[drive]]\nmodel = \"ULT3580-TD8\"\n";
    for _ in 0..2 {
        let site = Site::open(dir.path(), &parse("f.toml", text).unwrap()).unwrap();
        assert_eq!(site.targets()[0].name(), "iqn.2026-01.org.ferric-vtl:abcd");
        let library = &site.libraries()[0];
        let content = library.changer(|changer| changer.content(ElementAddress(1002))).unwrap();
        assert_eq!((content.barcode.as_str(), content.source), ("V00001L8", Some(ElementAddress(1000))));
        assert_eq!(site.overview(library.target())[1].serial, "0000000002");
        assert_eq!(site.inventory()["V00002L8"].location, vtl::inventory::Location::Shelf("main".into()));
        library.drives()[0].with_device(|device| assert_eq!(device.lu().counters["loads"], 7));
    }
    // The version 1 files are not upgraded again after the state was lost.
    for name in ["state.1", "state.2", "identities.toml"] {
        std::fs::remove_file(dir.path().join(name)).unwrap();
    }
    let refused = Site::open(dir.path(), &parse("f.toml", text).unwrap()).map(drop).unwrap_err().to_string();
    assert!(refused.contains("(remaining: 2 cartridges); "), "{refused}");
}
