use super::*;

#[test]
fn the_default_library() {
    let config = &Config::default().libraries[0];
    assert_eq!(config.changer.name, "STK L700");
    assert_eq!((config.layout.storage.count, config.layout.import_export.count, config.drives.len()), (20, 4, 2));
    assert_eq!(config.cartridges.len(), 20);
    assert_eq!(config.cartridges[0].barcode.as_str(), "V00001L8");
    assert_eq!(config.cartridges[19].kind, Kind::Cleaning);
    assert_eq!(config.cartridges[0].size, 12_000_000_000_000);
}

#[test]
fn what_is_printed_is_what_was_read() {
    let text = "[library]\nmodel = \"IBM 03584L32\"\nslots = 3\nimport_export = 0\n[[drive]]\nmodel = \"ULT3580-TD5\"\ncount = 2\n\
        compression = \"zlib:6\"\n[[cartridges]]\npattern = \"A##L5\"\ncount = 2\nfirst = 7\nsize = \"64MiB\"\n\
        [iscsi]\nbind = \"[::1]:0\"\n";
    let config = parse("f", text).unwrap();
    let printed = config.to_string();
    let again = parse("printed", &printed).unwrap();
    assert_eq!(again.to_string(), printed);
    assert_eq!(again.libraries[0].cartridges[1].barcode.as_str(), "A08L5");
    assert_eq!(again.libraries[0].cartridges[1].size, 64 << 20);
    assert_eq!(again.libraries[0].drives.len(), 2);
}

#[test]
fn faults_name_line_key_and_remedy() {
    let cases = [
        (
            "[library]\nmodel = \"L9000\"\n",
            2,
            "library.model",
            "unknown library \"L9000\"; known are STK L180, STK L700, IBM 03584L32",
        ),
        ("\n\n[[drive]]\nmodel = \"TD8\"\n", 4, "drive.model", "unknown drive \"TD8\"; known are ULT3580-TD5"),
        ("[[drive]]\nmodel = \"ULT3580-TD8\"\ncompression = \"lzo\"\n", 3, "drive.compression", "\"lzo\" is none of"),
        ("[library]\nslotz = 3\n", 2, "slotz", "unknown field `slotz`"),
        ("[library]\nslots = \"many\"\n", 2, "slots", "invalid type"),
        ("[library]\nslots = 679\n", 2, "library", "STK L700 has at most 678 slots"),
        (
            "[[cartridges]]\npattern = \"V#L8\"\ncount = 12\n",
            2,
            "cartridges.pattern",
            "has 1 digits, but the last number is 12",
        ),
        (
            "[[cartridges]]\npattern = \"V1ZZ\"\n",
            2,
            "cartridges.pattern",
            "V1ZZ does not end in a media identifier: L1",
        ),
        (
            "[[cartridges]]\npattern = \"V1L8\"\nlevel = \"tar\"\n",
            3,
            "cartridges.level",
            "\"tar\" is neither ferric nor mhvtl",
        ),
        ("[[cartridges]]\npattern = \"v1L8\"\n", 2, "cartridges.pattern", "is no barcode"),
        ("[[cartridges]]\npattern = \"V1L8\"\nsize = \"10 bits\"\n", 3, "cartridges.size", "is no size"),
        (
            "[[cartridges]]\npattern = \"V1L8\"\n[[cartridges]]\npattern = \"V1L8\"\n",
            4,
            "cartridges.pattern",
            "given twice",
        ),
        ("[iscsi]\niqn = \"Tape\"\n", 2, "iscsi.iqn", "is no iSCSI name"),
        ("[[iscsi.user]]\nname = \"u\"\nsecret = \"short\"\n", 3, "iscsi.user.secret", "at least 12 characters"),
        ("[iscsi]\nbind = \"3260\"\n", 2, "iscsi.bind", "\"3260\" is not ADDRESS:PORT"),
        ("[iscsi]\nbind = \"::1:3260\"\n", 2, "iscsi.bind", "is not ADDRESS:PORT"),
        ("[iscsi]\n\nadvertise = \"tape.example.com\"\n", 3, "iscsi.advertise", "is not ADDRESS:PORT"),
        (
            "[iscsi]\ninitiators = [\n\"iqn.2026-01.com.example:a\",\n\"host\"]\n",
            4,
            "iscsi.initiators",
            "\"host\" is no iSCSI name",
        ),
        ("drive = []\n", 1, "drive", "needs at least one drive"),
        ("library = 3 4\n", 1, "library", ""),
    ];
    faulty(&cases);
}

fn faulty(cases: &[(&str, usize, &str, &str)]) {
    for (text, line, key, message) in cases {
        let error = parse("f.toml", text).unwrap_err();
        assert_eq!((error.line, error.key.as_str()), (*line, *key), "{error}");
        assert!(error.message.contains(message), "{error}");
        assert!(error.to_string().starts_with(&format!("f.toml:{line}: ")), "{error}");
    }
}

#[test]
fn faults_of_names_places_and_pools() {
    faulty(&[
        ("\n[[drive]]\ncount = 2\n", 1, "drive.model", "is needed here"),
        (
            "[[drive]]\nmodel = \"ULT3580-TD8\"\ncount = 2\nserial = \"A1\"\n",
            2,
            "drive.count",
            "one name cannot be that of several drives",
        ),
        (
            "[library]\nserial = \"A1\"\n[[drive]]\nmodel = \"ULT3580-TD8\"\nserial = \"A1\"\n",
            1,
            "library",
            "\"A1\" is the name of two units",
        ),
        ("[library]\nserial = \"A 1\"\n", 2, "library.serial", "\"A 1\" is no serial number"),
        ("[library]\nnaa = \"9000\"\n", 2, "library.naa", "\"9000\" is no world wide name"),
        ("[library]\nexport = \"soon\"\n", 2, "library.export", "neither \"operator\" nor \"at once\""),
        ("[library]\nexport = \"at once\"\nimport = \"at once\"\n", 3, "library.import", "would come back at once"),
        ("[[cartridges]]\npattern = \"V1L8\"\nat = \"drive1\"\n", 3, "cartridges.at", "neither slot1 nor port1"),
        ("[[cartridges]]\npattern = \"V#L8\"\ncount = 2\nat = \"port4\"\n", 4, "cartridges.at", "no room for V2L8"),
        ("[[pool]]\nname = \"a\"\n", 2, "pool.pattern", "is needed here"),
        ("[[pool]]\nname = \"a\"\npattern = \"V1L8\"\n", 3, "pool.pattern", "has no run of #"),
        ("[[pool]]\nname = \"a\"\npattern = \"V#L8\"\nlibrary = \"b\"\n", 4, "pool.library", "no library \"b\""),
        (
            "[[pool]]\nname = \"a\"\npattern = \"V##L8\"\n[[pool]]\nname = \"b\"\npattern = \"V1#L8\"\n",
            6,
            "pool.pattern",
            "can be those of pool \"a\"",
        ),
    ]);
}

#[test]
fn a_library_under_other_names_and_addresses() {
    let text = "[library]\nmodel = \"IBM 3573-TL\"\nvendor = \"DELL\"\nproduct = \"PV-132T\"\nslots = 100\n\
        first = { robot = 0, slots = 20, drives = 10 }\n\
        [[drive]]\nmodel = \"ULT3580-TD8\"\nrevision = \"2160\"\ncount = 2\n[[cartridges]]\npattern = \"V1L8\"\nat = \"slot2\"\n";
    let config = parse("f", text).unwrap();
    let library = &config.libraries[0];
    assert_eq!(library.layout, Layout::new([0, 20, 16, 10], [100, 4, 2]));
    assert_eq!(library.cartridges[0].at, Some(Address(21)));
    assert_eq!(
        [&library.strings.vendor, &library.strings.product, &library.strings.revision],
        ["DELL", "PV-132T", "9.20"]
    );
    assert_eq!([&library.drives[1].strings.product, &library.drives[1].strings.revision], ["ULT3580-TD8", "2160"]);
    let printed = config.to_string();
    assert_eq!(parse("printed", &printed).unwrap().to_string(), printed);
    for part in [
        "vendor = \"DELL\"",
        "first = { robot = 0, slots = 20, import_export = 16, drives = 10 }",
        "revision = \"2160\"",
    ] {
        assert!(printed.contains(part), "{printed}");
    }
    faulty(&[
        (
            "[library]\nfirst = { slots = 12 }\n",
            1,
            "library",
            "storage and import/export elements have the same addresses",
        ),
        (
            "[library]\nslots = 600\nfirst = { slots = 65000 }\n",
            2,
            "library",
            "storage elements go beyond the last address",
        ),
        ("[library]\nfirst = { slot = 14 }\n", 2, "first", "unknown field `slot`"),
        ("[library]\nvendor = \"STORAGETEK\"\n", 2, "library.vendor", "\"STORAGETEK\" has not up to 8 characters"),
        ("[[drive]]\nmodel = \"ULT3580-TD8\"\nrevision = \"MÄ\"\n", 3, "drive.revision", "characters of ASCII"),
    ]);
}

#[test]
fn cartridges_whose_label_does_not_say_what_they_are() {
    let text = "[[cartridges]]\npattern = \"G030##TA\"\ncount = 2\n[[cartridges]]\npattern = \"ARCHIVE-1\"\nmedium = \"t10kb\"\n\
        kind = \"null\"\nlabel = \"missing\"\n[[cartridges]]\npattern = \"CLN\"\nmedium = \"LTO-8\"\n\
        [[cartridges]]\npattern = \"W00001L8\"\nkind = \"worm\"\n";
    let config = parse("f", text).unwrap();
    let cartridge = |at: usize| {
        let cartridge = &config.libraries[0].cartridges[at];
        (cartridge.media.name, cartridge.kind, cartridge.label)
    };
    assert_eq!(
        [0, 2, 3, 4].map(cartridge),
        [
            ("T10KA", Kind::Data, None),
            ("T10KB", Kind::Null, Some(Label::Missing)),
            ("LTO-8", Kind::Cleaning, None),
            ("LTO-8", Kind::Worm, None)
        ]
    );
    let printed = config.to_string();
    assert_eq!(parse("printed", &printed).unwrap().to_string(), printed);
    faulty(&[
        (
            "[[cartridges]]\npattern = \"A1\"\nmedium = \"LTO-12\"\n",
            3,
            "cartridges.medium",
            "\"LTO-12\" is none of LTO-1, ",
        ),
        (
            "[[cartridges]]\npattern = \"A1L8\"\nkind = \"WORM\"\n",
            3,
            "cartridges.kind",
            "none of data, worm, null, cleaning",
        ),
        ("[[cartridges]]\npattern = \"A1L8\"\nlabel = \"\"\n", 3, "cartridges.label", "none of missing"),
    ]);
}

#[test]
fn secrets_do_not_show() {
    let text = "[[iscsi.user]]\nname = \"u\"\nsecret = \"a-long-enough-secret\"\n";
    let config = parse("f", text).unwrap();
    assert!(!format!("{config} {config:?}").contains("a-long-enough-secret"));
}
