use super::*;

#[test]
fn the_default_library() {
    let config = &Config::default().libraries[0];
    assert_eq!(config.changer.name, "STK L700");
    assert_eq!((config.layout.storage.count, config.layout.import_export.count, config.drives.len()), (24, 4, 2));
    assert_eq!(config.cartridges.len(), 20);
    assert_eq!(config.cartridges[0].barcode.as_str(), "V00001L8");
    assert_eq!(config.cartridges[19].kind, CartridgeKind::Cleaning);
    assert_eq!(config.cartridges[0].size, 12_000_000_000_000);
}

#[test]
fn the_http_table_is_read_and_printed() {
    let text = "[http]\nlisten = \"127.0.0.1:0\"\nloopback = \"token\"\ncertificate = \"c\"\nkey = \"k\"\nclient_ca = \"a\"\n\
                client_role = \"operate\"\ninsecure = true\nhosts = [\"tape.example.com\"]\n";
    let config = parse("f", text).unwrap();
    assert!(config.to_string().ends_with(&format!("\n{text}")), "{config}");
    let http = config.http;
    assert_eq!((http.loopback_tokens, http.insecure, http.hosts), (true, true, vec!["tape.example.com".to_owned()]));
    assert_eq!(http.tls.unwrap().client_role, crate::tokens::Role::Operate);
    let warnings = |text: &str, address: &str| parse("f", text).unwrap().http.warnings(address.parse().unwrap()).len();
    let open = "[http]\nlisten = \"0.0.0.0:0\"\ninsecure = true\n";
    assert_eq!([warnings(open, "0.0.0.0"), warnings(open, "::1"), warnings("", "0.0.0.0")], [1, 0, 0]);
    assert_eq!(warnings("[http]\nlisten = \"[::]:0\"\ncertificate = \"c\"\nkey = \"k\"\n", "::"), 0);
}

#[test]
fn shelves_are_read_and_printed() {
    let text = "[storage]\nnew_cartridges = \"a\"\n\n[[shelf]]\nname = \"a\"\nurl = \"s3://tapes/a\"\n\
                durability = \"remote\"\nunload = \"wait\"\ncache = \"10GB\"\nobject_lock = true\nclass = \"GLACIER_IR\"\nthaw_tier = \"bulk\"\nthaw_days = 3\nreplica = \"b\"\n\n[[shelf]]\nname = \"b\"\nurl = \"file:///srv/b\"\n\
                durability = \"local\"\nunload = \"later\"\ncache = \"64GiB\"\nencrypt = \"file:/k\"\n\
                former_keys = [\"variable:K\", \"command:a b\"]\n";
    let config = parse("f", text).unwrap();
    assert!(config.to_string().contains(&format!("\n{text}\n")), "{config}");
    assert_eq!((config.new_cartridges.as_deref(), config.shelves[1].cache), (Some("a"), 64 << 30));
    assert_eq!(config.shelves[1].error("url", "x".into()).to_string(), "f:16: shelf.url: x");
    assert_eq!(config.shelves[0].replica.as_deref(), Some("b"));
    assert_eq!([config.shelves[0].object_lock, config.shelves[1].object_lock], [true, false]);
    let second = "object_lock = true\nclass = \"GLACIER_IR\"\nthaw_tier = \"bulk\"\nthaw_days = 3\nreplica = \"b\"\n[[shelf]]\nname = \"b\"\nurl = \"s3://b\"\n";
    let short = parse("f", &format!("[[shelf]]\nname = \"a\"\nurl = \"s3://tapes/a\"\n{second}")).unwrap();
    assert!(short.shelves[0].equals(&config.shelves[0]) && short.shelves[0] != config.shelves[0]);
    assert!(!short.shelves[0].equals(&config.shelves[1]) && short.new_cartridges.is_none());
    for url in
        ["az://c/p", "gs://b", "abfss://c@a.dfs.core.windows.net/p", "https://s3.eu.amazonaws.com/b/p", "file:///"]
    {
        parse("f", &format!("[[shelf]]\nname = \"a\"\nurl = \"{url}\"\n")).unwrap();
    }
}

#[test]
fn errors_of_shelves() {
    let start = "[[shelf]]\nname = \"a\"\nurl = \"s3://tapes/a\"\n";
    let with = |line: &str| format!("{start}{line}\n");
    let text = |url: &str| format!("[[shelf]]\nname = \"a\"\nurl = \"{url}\"\n");
    let cases = [
        ("[[shelf]]\nurl = \"s3://a\"\n".to_owned(), 1, "shelf.name", "is required"),
        ("[[shelf]]\nname = \"A\"\nurl = \"s3://a\"\n".to_owned(), 2, "shelf.name", "\"A\" is not a name: 1 to 32"),
        ("[[shelf]]\nname = \"a\"\n".to_owned(), 1, "shelf.url", "is required"),
        (with("color = 1"), 4, "shelf.color", "unknown field `color`"),
        (with("class = 1"), 4, "shelf.class", "expected a string, not 1"),
        (with("durability = \"both\""), 4, "shelf.durability", "\"both\" is invalid; expected \"local\" or \"remote\""),
        (with("unload = \"no\""), 4, "shelf.unload", "\"no\" is invalid; expected \"wait\" or \"later\""),
        (with("cache = \"999MB\""), 4, "shelf.cache", "\"999MB\" is too small; expected at least 1GB"),
        (with("cache = \"much\""), 4, "shelf.cache", "\"much\" is not a size"),
        (with("encrypt = \"0011\""), 4, "shelf.encrypt", "is not the place of a key; expected file:PATH"),
        (with("encrypt = \"file:\""), 4, "shelf.encrypt", "is not the place of a key"),
        (with("encrypt = \"file:/k\"\nformer_keys = [\n\"k\"]"), 6, "shelf.former_keys", "is not the place of a key"),
        (with("former_keys = [\"file:/k\"]"), 4, "shelf.former_keys", "needs the key encrypt"),
        (with("cache = 5"), 4, "shelf.cache", "expected a string, not 5"),
        (with("[[shelf]]\nname = \"a\"\nurl = \"s3://b\""), 5, "shelf.name", "there are two shelves \"a\""),
        (with("[[shelf]]\nname = \"b\"\nurl = \"s3://tapes/a/\""), 6, "shelf.url", "the URL of shelf \"a\", too"),
        (
            with("[storage]\nnew_cartridges = \"b\""),
            5,
            "storage.new_cartridges",
            "no shelf \"b\"; its shelves are \"a\"",
        ),
        (text("tapes/a"), 3, "shelf.url", "\"tapes/a\" is not the URL of a shelf; expected s3://BUCKET/PREFIX"),
        (text("ftp://tapes/a"), 3, "shelf.url", "\"ftp://tapes/a\" is not the URL of a shelf"),
        (text("s3:///a"), 3, "shelf.url", "\"s3:///a\" is not the URL of a shelf"),
        (text("s3://tapes/my tapes"), 3, "shelf.url", "has white space"),
        (text("file://srv/shelf"), 3, "shelf.url", "\"file://srv/shelf\" is not file:///DIRECTORY"),
    ];
    assert_errors(&cases.each_ref().map(|(text, line, key, message)| (text.as_str(), *line, *key, *message)));
    for url in [
        "s3://id:hidden@tapes/a",
        "s3://hidden@tapes/a",
        "abfss://c:hidden@a.dfs.core.windows.net/p",
        "az://c/p?sig=hidden",
        "az://c?hidden",
        "hidden@tapes/a",
    ] {
        let error = parse("f", &text(url)).unwrap_err().to_string();
        assert!(error.starts_with("f:3: shelf.url: the URL of a shelf has no user name, password or query"), "{error}");
        assert!(!error.contains("hidden"), "{error}");
    }
}

#[test]
fn errors_of_storage_classes() {
    let with = |url: &str, line: &str| format!("[[shelf]]\nname = \"a\"\nurl = \"{url}\"\n{line}\n");
    let s3 = |line: &str| with("s3://tapes/a", line);
    let cases = [
        (
            s3("class = \"glacier\""),
            4,
            "shelf.class",
            "\"glacier\" is not a storage class; expected one of STANDARD, STANDARD_IA, ONEZONE_IA, \
             INTELLIGENT_TIERING, GLACIER_IR, GLACIER, DEEP_ARCHIVE",
        ),
        (
            with("file:///srv/a", "class = \"GLACIER\""),
            4,
            "shelf.class",
            "the store of \"file:///srv/a\" has no storage classes of the S3 protocol; expected s3://BUCKET/PREFIX",
        ),
        (
            s3("thaw_tier = \"Bulk\""),
            4,
            "shelf.thaw_tier",
            "\"Bulk\" is invalid; expected \"bulk\", \"standard\" or \"expedited\"",
        ),
        (
            s3("class = \"DEEP_ARCHIVE\"\nthaw_tier = \"expedited\""),
            5,
            "shelf.thaw_tier",
            "the class DEEP_ARCHIVE has no \"expedited\"",
        ),
        (
            s3("class = \"GLACIER\"\nreplica = \"b\"\n[[shelf]]\nname = \"b\"\nurl = \"s3://b\""),
            5,
            "shelf.replica",
            "shelf \"a\" cannot have a replica: its segments of the class GLACIER must be thawed before they are copied",
        ),
        (s3("thaw_days = 0"), 4, "shelf.thaw_days", "0 is out of range; expected 1 to 365"),
        (s3("thaw_days = 366"), 4, "shelf.thaw_days", "366 is out of range; expected 1 to 365"),
    ];
    assert_errors(&cases.each_ref().map(|(text, line, key, message)| (text.as_str(), *line, *key, *message)));
    parse("f", &s3("class = \"GLACIER\"\nthaw_tier = \"expedited\"\nthaw_days = 365")).unwrap();
}

#[test]
fn errors_of_replicas_and_locks() {
    let start = "[[shelf]]\nname = \"a\"\nurl = \"s3://tapes/a\"\n";
    let with = |line: &str| format!("{start}{line}\n");
    let cases = [
        (with("replica = \"b\""), 4, "shelf.replica", "there is no shelf \"b\" after shelf \"a\" in the file"),
        (
            with("[[shelf]]\nname = \"b\"\nurl = \"gs://b\"\nobject_lock = true"),
            7,
            "shelf.object_lock",
            "the store of \"gs://b\" has no Object Lock of the S3 protocol; expected s3://BUCKET/PREFIX",
        ),
        (with("replica = \"a\""), 4, "shelf.replica", "there is no shelf \"a\" after shelf \"a\" in the file"),
        (
            with(
                "replica = \"b\"\n[[shelf]]\nname = \"b\"\nurl = \"s3://b\"\nreplica = \"c\"\n[[shelf]]\nname = \"c\"\nurl = \"s3://c\"",
            ),
            4,
            "shelf.replica",
            "\"b\" has a replica itself",
        ),
        (
            with(
                "replica = \"c\"\n[[shelf]]\nname = \"b\"\nurl = \"s3://b\"\nreplica = \"c\"\n[[shelf]]\nname = \"c\"\nurl = \"s3://c\"",
            ),
            4,
            "shelf.replica",
            "\"c\" is the replica of two shelves",
        ),
    ];
    assert_errors(&cases.each_ref().map(|(text, line, key, message)| (text.as_str(), *line, *key, *message)));
}

const POOLS: &str = "[[pool]]\nname = \"p\"\npattern = \"P####L8\"\nreplica = \"c\"\n[[pool]]\nname = \"q\"\npattern = \"Q####L8\"\n\
    [[pool]]\nname = \"r\"\npattern = \"R####L8\"\nreplica = \"b\"\n";
const THREE: &str = "[[shelf]]\nname = \"a\"\nurl = \"s3://a\"\nreplica = \"b\"\n[[shelf]]\nname = \"b\"\nurl = \"s3://b\"\n\
    [[shelf]]\nname = \"c\"\nurl = \"s3://c\"\n";

#[test]
fn a_pool_has_its_own_replica() {
    let mut config = parse("f", &format!("{POOLS}{THREE}")).unwrap();
    let replicas: Vec<_> = config
        .replicas_of(&config.shelves[0])
        .into_iter()
        .map(|(name, patterns)| (name, patterns.iter().map(ToString::to_string).collect::<Vec<_>>()))
        .collect();
    assert_eq!(replicas, [("c".to_owned(), vec!["P####L8".to_owned()]), ("b".to_owned(), vec![])]);
    assert!(config.replicas_of(&config.shelves[1]).is_empty());
    assert_eq!(config.replicas(), [("a".into(), "c".into()), ("a".into(), "b".into())]);
    let again = parse("f", &config.to_string()).unwrap();
    assert_eq!(again.pools, config.pools);
    // New cartridges of a site in a store would be on another shelf.
    let error = config.add_site_shelf("s3://x", "--site").unwrap_err().to_string();
    assert!(error.contains("pool \"p\" has a replica, but its new cartridges would be on shelf \"site\""), "{error}");
    assert_eq!(parse("f", &format!("{POOLS}{THREE}")).unwrap().add_site_shelf("s3://a", "--site").unwrap(), "a");
}

#[test]
fn errors_of_replicas_of_pools() {
    let with = |storage: &str, shelves: &str| format!("{storage}{POOLS}{shelves}");
    let second = "[storage]\nnew_cartridges = \"c\"\n";
    let chain = THREE.replace(
        "url = \"s3://c\"\n",
        "url = \"s3://c\"\nreplica = \"d\"\n[[shelf]]\nname = \"d\"\nurl = \"s3://d\"\n",
    );
    let other =
        THREE.replace("url = \"s3://b\"\n", "url = \"s3://b\"\nreplica = \"c\"\n").replace("replica = \"b\"\n", "");
    let cases = [
        (with("", ""), 4, "pool.replica", "a pool with a replica needs a [[shelf]], and the file has none"),
        (with(second, THREE), 6, "pool.replica", "there is no shelf \"c\" after shelf \"c\" in the file"),
        (with("", &chain), 4, "pool.replica", "\"c\" has a replica itself"),
        (with("", &other), 4, "pool.replica", "\"c\" is the replica of shelf \"b\""),
    ];
    assert_errors(&cases.each_ref().map(|(text, line, key, message)| (text.as_str(), *line, *key, *message)));
}

#[test]
fn printed_configuration_reads_back() {
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

/// A drive has its own time mode, or that of its library, or that of the site.
#[test]
fn time_mode_is_inherited() {
    let drive = "[[library.drive]]\nmodel = \"ULT3580-TD8\"\n";
    let text = format!(
        "time = \"counted\"\n[[library]]\n{drive}{drive}time = \"off\"\n\
         [[library]]\nname = \"b\"\ntime = \"scaled:10\"\n{drive}{drive}time = \"real\"\n"
    );
    let config = parse("f", &text).unwrap();
    for config in [&config, &parse("printed", &config.to_string()).unwrap()] {
        let times: Vec<Vec<String>> = config
            .libraries
            .iter()
            .map(|library| {
                let drives = library.drives.iter().map(|drive| drive.time);
                std::iter::once(library.time).chain(drives).map(|time| time.to_string()).collect()
            })
            .collect();
        assert_eq!(times, [["counted", "counted", "off"], ["scaled:10", "scaled:10", "real"]]);
    }
    assert_eq!(parse("f", "").unwrap().libraries[0].time.to_string(), "off");
    assert_errors(&[
        ("time = \"slow\"\n", 1, "time", "\"slow\" is not a time mode; expected off, counted, real, or scaled:N"),
        ("[library]\ntime = \"scaled:0\"\n", 2, "library.time", "\"scaled:0\" is not a time mode"),
        ("[[drive]]\nmodel = \"ULT3580-TD8\"\ntime = \"\"\n", 3, "drive.time", "\"\" is not a time mode"),
    ]);
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn errors_name_line_key_and_remedy() {
    let cases = [
        (
            "[library]\nmodel = \"L9000\"\n",
            2,
            "library.model",
            "unknown library \"L9000\"; known are STK L180, STK L700, STK L20, STK L40",
        ),
        ("\n\n[[drive]]\nmodel = \"TD8\"\n", 4, "drive.model", "unknown drive \"TD8\"; known are ULT3580-TD5"),
        ("[[drive]]\nmodel = \"ULT3580-TD8\"\ncompression = \"lzo\"\n", 3, "drive.compression", "\"lzo\" is invalid"),
        ("[library]\nslotz = 3\n", 2, "library.slotz", "unknown field `slotz`"),
        ("[[pool]]\nname = 5\n", 2, "pool.name", "expected a string, not 5"),
        ("[[library.drive]]\nmodel = \"ULT3580-TD8\"\ncount = -1\n", 3, "drive.count", "0 to 65535, not -1"),
        ("[[cartridges]]\npattern = \"V1L8\"\nfirst = true\n", 3, "cartridges.first", "not true"),
        ("[library.first]\nrobot = []\n", 2, "library.first.robot", "not a list"),
        ("[storage]\ncreate = 1\n", 2, "storage.create", "expected true or false, not 1"),
        ("[iscsi]\nbind = 3260\n", 2, "iscsi.bind", "expected a string, not 3260"),
        (
            "[[cartridges]]\npattern = \"V1L8\"\nlabel = \"none\"\n",
            3,
            "cartridges.label",
            "\"none\" is not \"missing\"",
        ),
        ("[library]\nslots = \"many\"\n", 2, "library.slots", "expected a number from 0 to 65535, not \"many\""),
        ("[library]\nslots = 679\n", 2, "library.slots", "STK L700 has at most 678 slots"),
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
            "[[cartridges]]\npattern = \"V1L8\"\nformat = \"tar\"\n",
            3,
            "cartridges.format",
            "\"tar\" is invalid; expected \"native\" or \"mhvtl\"",
        ),
        ("[[cartridges]]\npattern = \"v1L8\"\n", 2, "cartridges.pattern", "is not a barcode"),
        ("[[cartridges]]\npattern = \"V1L8\"\nsize = \"10 bits\"\n", 3, "cartridges.size", "is not a size"),
        (
            "[[cartridges]]\npattern = \"V1L8\"\n[[cartridges]]\npattern = \"V1L8\"\n",
            4,
            "cartridges.pattern",
            "given twice",
        ),
        ("[iscsi]\niqn = \"Tape\"\n", 2, "iscsi.iqn", "is not an iSCSI name"),
        ("[[iscsi.user]]\nname = \"u\"\nsecret = \"short\"\n", 3, "iscsi.user.secret", "at least 12 characters"),
        ("[iscsi]\nnetworks = [\"::1\",\n\"10.0.0.1/8\"]\n", 3, "iscsi.networks", "bits set behind its prefix of 8"),
        ("[iscsi]\nbuffer_memory = \"64MiB\"\n", 2, "iscsi.buffer_memory", "at least 96MiB"),
        ("[iscsi]\nmax_connections_per_address = 0\n", 2, "iscsi.max_connections_per_address", "0 admits no initiator"),
        ("[http]\nlisten = \"8080\"\n", 2, "http.listen", "\"8080\" is not ADDRESS:PORT"),
        ("[http]\nloopback = \"yes\"\n", 2, "http.loopback", "\"yes\" is not known; expected open or token"),
        ("[http]\nclient_role = \"root\"\n", 2, "http.client_role", "expected read or operate or admin"),
        ("[http]\n\ncertificate = \"c\"\n", 3, "http.certificate", "needs http.key, too"),
        ("[http]\nkey = \"k\"\n", 2, "http.key", "needs http.certificate, too"),
        ("[http]\nclient_ca = \"a\"\n", 2, "http.client_ca", "needs http.certificate, too"),
        ("[iscsi]\nbind = \"3260\"\n", 2, "iscsi.bind", "\"3260\" is not ADDRESS:PORT"),
        ("[iscsi]\nbind = \"::1:3260\"\n", 2, "iscsi.bind", "is not ADDRESS:PORT"),
        ("[iscsi]\n\nadvertise = \"tape.example.com\"\n", 3, "iscsi.advertise", "is not ADDRESS:PORT"),
        (
            "[iscsi]\ninitiators = [\n\"iqn.2026-01.com.example:a\",\n\"host\"]\n",
            4,
            "iscsi.initiators",
            "\"host\" is not an iSCSI name",
        ),
        ("[storage]\nnew_cartridges = \"a\"\n", 2, "storage.new_cartridges", "no shelf \"a\"; it has no [[shelf]]"),
        ("drive = []\n", 1, "drive", "needs at least one drive"),
        ("library = 3 4\n", 1, "library", ""),
    ];
    assert_errors(&cases);
}

fn assert_errors(cases: &[(&str, usize, &str, &str)]) {
    for (text, line, key, message) in cases {
        let error = parse("f.toml", text).unwrap_err();
        assert_eq!((error.line, error.key.as_str()), (*line, *key), "{error}");
        assert!(error.message.contains(message), "{error}");
        assert!(error.to_string().starts_with(&format!("f.toml:{line}: ")), "{error}");
    }
}

#[test]
fn a_file_that_is_not_utf8_is_refused_with_its_line() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("f.toml");
    std::fs::write(&path, b"[library]\nname = \"m\xfcll\"\n").unwrap();
    let said = super::read_text(&path).unwrap_err().to_string();
    assert_eq!(said, "line 2 has a byte that is not UTF-8; save the file as UTF-8");
    // A file that has no end.
    let endless = super::read_text("/dev/zero".as_ref()).unwrap_err().to_string();
    assert_eq!(endless, "the file is longer than 16 MiB");
}

#[test]
fn duplicate_library_name_error_names_its_line() {
    let drive = "[[library.drive]]\nmodel = \"ULT3580-TD8\"\n";
    let text = format!("[[library]]\nname = \"a\"\n{drive}[[library]]\nslots = 3\nname = \"a\"\n{drive}");
    assert_errors(&[(&text, 7, "library.name", "there are two libraries \"a\"")]);
}

#[test]
fn mhvtl_has_no_lto_7_type_m() {
    let message = "\"mhvtl\" has no LTO-7M medium, which A01L8 needs; use another medium or \"native\"";
    assert_errors(&[
        (
            "[[cartridges]]\npattern = \"A##L8\"\nmedium = \"LTO-7M\"\nformat = \"mhvtl\"\n",
            4,
            "cartridges.format",
            message,
        ),
        ("[[cartridges]]\nformat = \"mhvtl\"\npattern = \"A##M8\"\n", 2, "cartridges.format", "which A01M8 needs"),
        (
            "[[pool]]\nname = \"s\"\npattern = \"S##M8\"\nformat = \"mhvtl\"\nscratch = 2\n",
            4,
            "pool.format",
            "\"mhvtl\" has no LTO-7M medium, which S01M8 needs",
        ),
    ]);
    parse("f", "[[cartridges]]\npattern = \"A##M8\"\n[[pool]]\nname = \"s\"\npattern = \"S##M8\"\n").unwrap();
}

#[test]
fn errors_in_names_elements_and_pools() {
    assert_errors(&[
        ("\n[[drive]]\ncount = 2\n", 2, "drive.model", "is required"),
        (
            "[[drive]]\nmodel = \"ULT3580-TD8\"\ncount = 2\nserial = \"A1\"\n",
            3,
            "drive.count",
            "one name cannot be that of several drives",
        ),
        (
            "[library]\nserial = \"A1\"\n[[drive]]\nmodel = \"ULT3580-TD8\"\nserial = \"A1\"\n",
            5,
            "drive.serial",
            "\"A1\" is given to two units, here and in line 2",
        ),
        ("[library]\nserial = \"A 1\"\n", 2, "library.serial", "\"A 1\" is not a serial number"),
        ("[library]\nnaa = \"9000\"\n", 2, "library.naa", "\"9000\" is not a world wide name"),
        ("[library]\nexport = \"soon\"\n", 2, "library.export", "\"soon\" is invalid; expected \"manual\" or \"auto\""),
        (
            "[library]\nexport = \"auto\"\nimport = \"auto\"\n",
            3,
            "library.import",
            "export and import cannot both be \"auto\"",
        ),
        (
            "[[cartridges]]\npattern = \"V1L8\"\nat = \"robot1\"\n",
            3,
            "cartridges.at",
            "is not an element such as slot1, io1 or drive1",
        ),
        ("[[cartridges]]\npattern = \"V#L8\"\ncount = 2\nat = \"io4\"\n", 4, "cartridges.at", "no room for V2L8"),
        ("[[pool]]\nname = \"a\"\n", 2, "pool.pattern", "is required"),
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
fn library_with_custom_names_and_addresses() {
    let text = "[library]\nmodel = \"IBM 3573-TL\"\nvendor = \"DELL\"\nproduct = \"PV-132T\"\nslots = 100\n\
        first = { robot = 0, slots = 20, drives = 10 }\n\
        [[drive]]\nmodel = \"ULT3580-TD8\"\nrevision = \"2160\"\ncount = 2\n[[cartridges]]\npattern = \"V1L8\"\nat = \"slot2\"\n";
    let config = parse("f", text).unwrap();
    let library = &config.libraries[0];
    assert_eq!(library.layout, ElementLayout::new([0, 20, 16, 10], [100, 4, 2]));
    assert_eq!(library.cartridges[0].element, Some(ElementAddress(21)));
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
    assert_errors(&[
        (
            "[library]\nfirst = { slots = 12 }\n",
            2,
            "library.first",
            "storage and import/export elements have the same addresses",
        ),
        (
            "[library]\nslots = 600\nfirst = { slots = 65000 }\n",
            2,
            "library.slots",
            "storage elements go beyond the last address",
        ),
        ("[library]\nfirst = { slot = 14 }\n", 2, "library.first", "unknown field `slot`"),
        (
            "[library]\nvendor = \"STORAGETEK\"\n",
            2,
            "library.vendor",
            "\"STORAGETEK\" is not up to 8 characters of printable ASCII",
        ),
        (
            "[[drive]]\nmodel = \"ULT3580-TD8\"\nrevision = \"MÄ\"\n",
            3,
            "drive.revision",
            "characters of printable ASCII",
        ),
    ]);
}

#[test]
fn cartridges_without_media_suffix() {
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
            ("T10KA", CartridgeKind::Data, None),
            ("T10KB", CartridgeKind::Null, Some(LabelDefect::Missing)),
            ("LTO-8", CartridgeKind::Cleaning, None),
            ("LTO-8", CartridgeKind::Worm, None)
        ]
    );
    let printed = config.to_string();
    assert_eq!(parse("printed", &printed).unwrap().to_string(), printed);
    assert_errors(&[
        (
            "[[cartridges]]\npattern = \"A1\"\nmedium = \"LTO-12\"\n",
            3,
            "cartridges.medium",
            "\"LTO-12\" is not one of LTO-1, ",
        ),
        (
            "[[cartridges]]\npattern = \"A1L8\"\nkind = \"WORM\"\n",
            3,
            "cartridges.kind",
            "not one of data, worm, null, cleaning",
        ),
        ("[[cartridges]]\npattern = \"A1L8\"\nlabel = \"\"\n", 3, "cartridges.label", "\"\" is not \"missing\""),
    ]);
}

#[test]
fn debug_output_hides_secrets() {
    let text = "[[iscsi.user]]\nname = \"u\"\nsecret = \"a-long-enough-secret\"\n";
    let config = parse("f", text).unwrap();
    assert!(!format!("{config} {config:?}").contains("a-long-enough-secret"));
}

/// A library of two drives, and what is beside it.
fn library(rest: &str) -> String {
    format!("[[library]]\n{rest}")
}

#[test]
fn each_changer_model_works_by_name_alone() {
    for profile in smc::profile::ALL {
        let config = parse("f", &format!("[[library]]\nmodel = \"{}\"\n", profile.name)).unwrap();
        check(&config).unwrap();
        let site = crate::site::Site::open_data_dir(crate::data_dir::DataDir::in_memory(), &config).unwrap();
        let layout = site.libraries()[0].layout();
        let free = usize::from(layout.storage.count) > config.libraries[0].cartridges.len();
        assert!(free, "{}: no slot is empty", profile.name);
    }
    let few = parse("f", "[[library]]\nmodel = \"IBM 3573-TL\"\n").unwrap();
    assert_eq!((few.libraries[0].layout.storage.count, few.libraries[0].layout.import_export.count), (24, 3));
}

#[test]
fn each_error_names_its_line() {
    assert_errors(&[
        ("\n\n[[pool]]\nscratch = 1\n", 3, "pool.name", "is required"),
        ("\n[[cartridges]]\ncount = 2\n", 2, "cartridges.pattern", "is required"),
        ("[iscsi]\n[[iscsi.user]]\nsecret = \"123456789012\"\n", 2, "iscsi.user.name", "is required"),
        ("[iscsi]\n[iscsi.mutual]\nsecret = \"123456789012\"\n", 2, "iscsi.mutual.name", "is required"),
        ("# one\n[library]\nmodel = \"STK L700\"\ndrive = []\n", 2, "drive", "needs at least one drive"),
        ("\n[library]\nimport_export = 47\n", 3, "library.import_export", "at most 46 import/export slots"),
        ("\n[[drive]]\nmodel = \"ULT3580-TD8\"\ncount = 21\n", 3, "drive", "at most 20 drives"),
        (
            "[[library]]\n[[library]]\nname = \"b\"\n[[drive]]\nmodel = \"ULT3580-TD8\"\n",
            4,
            "drive",
            "with several libraries, write",
        ),
        (
            "[[library]]\n[[library.drive]]\nmodel = \"ULT3580-TD8\"\n[[drive]]\nmodel = \"ULT3580-TD8\"\n",
            4,
            "drive",
            "[[library.drive]] is given as well",
        ),
        (
            "[[library]]\nnaa = \"5000000000000abc\"\n[[library]]\nname = \"b\"\n[[library.drive]]\n\
             model = \"ULT3580-TD8\"\nnaa = \"5000000000000ABC\"\n",
            7,
            "drive.naa",
            "is given to two units, here and in line 2",
        ),
        (
            "[[library]]\n[[library.cartridges]]\npattern = \"A1L8\"\n[[library]]\nname = \"b\"\n\
             [[library.cartridges]]\npattern = \"A#L8\"\n",
            7,
            "cartridges.pattern",
            "barcode A1L8 is given twice, here and in library \"main\"",
        ),
        (
            "[[cartridges]]\npattern = \"A1L8\"\nat = \"slot2\"\n[[cartridges]]\npattern = \"B#L8\"\ncount = 2\nat = \"slot1\"\n",
            7,
            "cartridges.at",
            "B2L8 and A1L8 are put into the same element",
        ),
        ("[[cartridges]]\npattern = \"A#L8\"\ncount = 3\nat = \"drive1\"\n", 4, "cartridges.at", "has 2 drives"),
        ("[storage]\ncartridges = [\"a\",\n\"\"]\n", 3, "storage.cartridges", "\"\" is not a directory"),
        ("[storage]\ncartridges = [\"a\",\n\"a\"]\n", 3, "storage.cartridges", "given twice"),
    ]);
}

fn user(name: &str) -> String {
    format!("[[iscsi.user]]\nname = \"{name}\"\nsecret = \"123456789012\"\n")
}

#[test]
fn out_of_range_values_are_refused() {
    let refused = [
        library("slots = 0\n"),
        library("slots = 65536\n"),
        library("slots = -1\n"),
        library("import_export = 65535\n"),
        library("lun = 16384\n"),
        library("name = \"\"\n"),
        library("name = \"a\\u0007\"\n"),
        library("name = \"abcdefghijklmnopqrstuvwxyzabcdefg\"\n"),
        library("shelf = \"\"\n"),
        library("target = \"A\"\n"),
        library("serial = \"\"\n"),
        library("serial = \"123456789012345678901234567890123\"\n"),
        library("serial = \"a\\u007f\"\n"),
        library("naa = \"\"\n"),
        library("vendor = \"a\\tb\"\n"),
        library("first = { slots = 65535 }\n"),
        library("slots = 65535\nfirst = { slots = 2 }\n"),
        "[[drive]]\nmodel = \"ULT3580-TD8\"\ncount = 0\n".into(),
        "[[drive]]\nmodel = \"ULT3580-TD8\"\ncount = 65535\n".into(),
        "[[drive]]\nmodel = \"\"\n".into(),
        "[[drive]]\nmodel = \"ULT3580-TD8\"\ncompression = \"zlib:0\"\n".into(),
        "[[drive]]\nmodel = \"ULT3580-TD8\"\ncompression = \"zstd:20\"\n".into(),
        "[[cartridges]]\npattern = \"\"\n".into(),
        "[[cartridges]]\npattern = \"A####L8\"\nfirst = 65535\n".into(),
        "[[cartridges]]\npattern = \"A1L8\"\nsize = \"0MB\"\n".into(),
        "[[cartridges]]\npattern = \"A1L8\"\nsize = \"999999999999TB\"\n".into(),
        "[[cartridges]]\npattern = \"A1L8\"\nat = \"slot0\"\n".into(),
        "[[cartridges]]\npattern = \"A1L8\"\nat = \"slot65536\"\n".into(),
        "[[pool]]\nname = \"p\"\npattern = \"S#L8\"\nscratch = 10\n".into(),
        "[[pool]]\nname = \"p\"\npattern = \"S##########L8\"\n".into(),
        "[[pool]]\nname = \"\"\npattern = \"S#L8\"\n".into(),
        "[iscsi]\nbind = \"\"\n".into(),
        "[iscsi]\nbind = \"127.0.0.1:65536\"\n".into(),
        "[iscsi]\nbind = \"127.0.0.1:+1\"\n".into(),
        "[iscsi]\nbind = \"a b:3260\"\n".into(),
        "[iscsi]\nbind = \"[]:3260\"\n".into(),
        "[iscsi]\nadvertise = \"127.0.0.1:0\"\n".into(),
        "[iscsi]\nadvertise = \"a\\nb:3260\"\n".into(),
        "[iscsi]\niqn = \"iqn.\"\n".into(),
        "[iscsi]\niqn = \"iqn.2026-01.org:a\\u0085\"\n".into(),
        "[iscsi]\ninitiators = [\"\"]\n".into(),
        user(""),
        user("a\\u0000"),
        user(&"a".repeat(256)),
        format!("{}{}", user("a"), user("a")),
        "[[iscsi.user]]\nname = \"a\"\nsecret = \"12345678901\"\n".into(),
        format!("[[iscsi.user]]\nname = \"a\"\nsecret = \"{}\"\n", "s".repeat(256)),
    ];
    for text in refused {
        let error = parse("f", &text).map(|_| ()).expect_err(&text);
        assert!(error.line > 1 || text.lines().count() == 1, "{error}\n{text}");
    }
}

#[test]
fn boundary_values_are_accepted() {
    let taken = [
        library("slots = 678\n"),
        library("slots = 1\n"),
        library("slots = 2\n"),
        library("import_export = 0\n"),
        library("lun = 16381\n"),
        library("name = \"abcdefghijklmnopqrstuvwxyzabcdef\"\n"),
        library("serial = \"12345678901234567890123456789012\"\n"),
        library("cartridges = []\n"),
        "[[cartridges]]\npattern = \"A1L8\"\nsize = \"1.000001MB\"\n".into(),
        "[[cartridges]]\npattern = \"A#####L8\"\nfirst = 65535\nat = \"drive2\"\n".into(),
        "[[cartridges]]\npattern = \"A#L8\"\nfirst = 0\ncount = 10\n".into(),
        "[[pool]]\nname = \"p\"\npattern = \"S#L8\"\nscratch = 9\n".into(),
        "[iscsi]\nbind = \"[fe80::1%eth0]:0\"\nadvertise = \"none\"\ninitiators = []\n".into(),
        format!("{}{}", user("a"), user("b")),
    ];
    for text in taken {
        let config = parse("f", &text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        check(&config).unwrap_or_else(|error| panic!("{error}\n{text}"));
        let printed = config.to_string();
        let secrets = "# secret is not shown";
        let again = parse("printed", &printed.replace(secrets, "secret = \"123456789012\"")).unwrap();
        assert_eq!(again.to_string(), printed, "{text}");
    }
}

/// Errors that only the whole resolution finds. A site gives the same when it is opened.
#[test]
fn check_finds_what_opening_a_site_would_refuse() {
    let two = |first: &str, second: &str| {
        format!("[[library]]\ntarget = \"t\"\n{first}\n[[library]]\nname = \"b\"\ntarget = \"t\"\n{second}\n")
    };
    let cases = [
        (
            "[library]\nslots = 2\n[[cartridges]]\npattern = \"A#L8\"\ncount = 3\n".to_owned(),
            2,
            "library.slots",
            "no slot of 2 is left for cartridge A3L8",
        ),
        (
            "\n[[cartridges]]\npattern = \"A##L8\"\ncount = 25\n".to_owned(),
            3,
            "cartridges.pattern",
            "no slot of 24 is left for cartridge A25L8",
        ),
        (two("lun = 0", "lun = 2"), 7, "library.lun", "LUN 2 of target"),
        (two("lun = 2", "lun = 0"), 7, "library.lun", "LUNs 0 to 2 of target"),
        (two("", "lun = 1"), 7, "library.lun", "LUN 1 of target"),
        (library("lun = 16382\n"), 2, "library.lun", "would have LUN 16384"),
        (
            format!(
                "[iscsi]\niqn = \"iqn.2026-01.org:{}\"\n[[library]]\n[[library]]\nname = \"bb\"\n",
                "a".repeat(206)
            ),
            4,
            "library.target",
            "longer than 223 characters",
        ),
    ];
    for (text, line, key, message) in cases {
        let config = parse("f.toml", &text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        let error = check(&config).expect_err(&text);
        assert_eq!((error.line, error.key.as_str()), (line, key), "{error}");
        assert!(error.message.contains(message), "{error}");
        let opened = crate::site::Site::open_data_dir(crate::data_dir::DataDir::in_memory(), &config).map(|_| ());
        let said = opened.expect_err(&text).to_string();
        assert!(said.starts_with(&format!("f.toml:{line}: {key}: ")), "{said}");
    }
    assert_errors(&[
        ("[[pool]]\nname = \"a\"\npattern = \"S#L8\"\nscratch = 10\n", 4, "pool.scratch", "has 9 labels for new ones"),
        (
            "[[cartridges]]\npattern = \"S9L8\"\n[[pool]]\nname = \"a\"\npattern = \"S#L8\"\nscratch = 2\n",
            6,
            "pool.scratch",
            "has 0 labels for new ones",
        ),
    ]);
}

#[test]
fn directories_of_cartridges_exist() {
    let dir = tempfile::tempdir().unwrap();
    let (good, missing) = (dir.path().join("a"), dir.path().join("b"));
    std::fs::create_dir(&good).unwrap();
    let text = format!("[storage]\ncartridges = [{good:?},\n{missing:?}]\n");
    let group = parse("f.toml", "[storage]\n\ngroup = \"no such group\"\n").unwrap();
    let said = check(&group).unwrap_err().to_string();
    assert!(said.starts_with("f.toml:3: storage.group: there is no group \"no such group\""), "{said}");
    let config = parse("f.toml", &text).unwrap();
    let said = check(&config).unwrap_err().to_string();
    let expected = format!("f.toml:3: storage.cartridges: directory {} does not exist;", missing.display());
    assert!(said.starts_with(&expected), "{said}");
    let opened = crate::site::Site::open(&dir.path().join("data"), &config).map(|_| ());
    assert_eq!(opened.unwrap_err().to_string(), said);
    assert!(!missing.exists());
    // A site that is there starts without one of its directories.
    let data = dir.path().join("known");
    let empty = parse("f.toml", &format!("{text}[library]\ncartridges = []\n")).unwrap();
    std::fs::create_dir(&missing).unwrap();
    drop(crate::site::Site::open(&data, &empty).unwrap());
    std::fs::remove_dir(&missing).unwrap();
    drop(crate::site::Site::open(&data, &empty).unwrap());
    let _ = std::fs::remove_dir(&missing);
    // One that is to be created.
    let created = parse("f.toml", &format!("{text}create = true\n")).unwrap();
    check(&created).unwrap();
    assert_eq!(parse("printed", &created.to_string()).unwrap().to_string(), created.to_string());
    drop(crate::site::Site::open(&dir.path().join("third"), &created).unwrap());
    assert!(missing.is_dir());
    std::fs::remove_dir_all(&missing).unwrap();
    std::fs::write(&missing, "").unwrap();
    assert!(check(&config).unwrap_err().message.ends_with("is not a directory"));
}

#[test]
fn no_error_shows_a_secret() {
    const SECRET: &str = "hunter2hunter2";
    let user = |line: &str| format!("[[iscsi.user]]\nname = \"u\"\n{line}\n");
    for line in [
        "secret = hunter2hunter2",
        "secret = 'hunter2hunter2",
        "secret = \"hunter2hunter2",
        "secret: hunter2hunter2",
        "secret hunter2hunter2",
        "secret = [\"hunter2hunter2\"]",
        "secret = { a = \"hunter2hunter2\" }",
        "secret = hunter2hunter2 = 3",
        "secret = \"\"\"\nhunter2hunter2",
        "secret = \"\"\"a\"\"\"\nhunter2hunter2",
        "secret = \"a\" hunter2hunter2",
    ] {
        let error = parse("f", &user(line)).map(|_| ()).expect_err(line);
        assert!(!error.to_string().contains("hunter2"), "{error}");
        assert!(error.line >= 3, "{error}");
    }
    for value in ["123456789012345", "1979-05-27", "3.14159265358979", "true"] {
        let error = parse("f", &user(&format!("secret = {value}"))).map(|_| ()).expect_err(value);
        assert!(!error.to_string().contains(value) && error.key == "iscsi.user.secret", "{error}");
        assert_eq!(error.line, 3, "{error}");
    }
    // The whole table on one line, and values instead of tables.
    for (text, key) in [
        ("[[iscsi.user]] name = \"u\" secret = \"hunter2hunter2\"\n", "[[iscsi.user]]"),
        ("[iscsi.mutual] hunter2hunter2\n", "[iscsi.mutual]"),
        ("[iscsi]\nuser = \"u:hunter2hunter2\"\n", "iscsi.user"),
        ("[iscsi]\nuser = [\"hunter2hunter2\"]\n", "iscsi.user"),
        ("[iscsi]\nmutual = \"hunter2hunter2\"\n", "iscsi.mutual"),
        ("[iscsi]\nuser = [{ name = \"u\", secret = 5, x = \"hunter2hunter2\" }]\n", "secret"),
        ("[[iscsi.user]]\nname = [\"hunter2hunter2\"]\nsecret = \"x\"\n", "iscsi.user.name"),
    ] {
        let error = parse("f", text).map(|_| ()).expect_err(text);
        let said = error.to_string();
        assert!(!said.contains("hunter2") && !said.contains("struct") && error.key == key, "{said}");
    }
    let twice = format!("{0}{0}", user(&format!("secret = \"{SECRET}\"")));
    assert!(!parse("f", &twice).unwrap_err().to_string().contains(SECRET));
}

#[test]
fn empty_initiator_list_allows_none() {
    assert_eq!(parse("f", "[iscsi]\n").unwrap().iscsi.initiators, None);
    assert_eq!(parse("f", "[iscsi]\ninitiators = []\n").unwrap().iscsi.initiators, Some(Vec::new()));
}

/// Each former key and value has the effect of the current one, and one warning with its place.
#[test]
fn former_words_are_accepted_with_a_warning() {
    for (former, current, warnings) in [
        (
            "[[cartridges]]\npattern = \"V1L8\"\nlevel = \"mhvtl\"\n",
            "[[cartridges]]\npattern = \"V1L8\"\nformat = \"mhvtl\"\n",
            &[
                "f:3: cartridges.level: write format = \"mhvtl\" instead of level = \"mhvtl\", which the next release refuses",
            ][..],
        ),
        (
            "[[cartridges]]\npattern = \"V#L8\"\ncount = 3\nlevel = \"ferric\"\n",
            "[[cartridges]]\npattern = \"V#L8\"\ncount = 3\nformat = \"native\"\n",
            &[
                "f:4: cartridges.level: write format = \"native\" instead of level = \"ferric\", which the next release refuses",
            ],
        ),
        (
            "[[pool]]\nname = \"p\"\npattern = \"P#L8\"\nformat = \"ferric\"\n",
            "[[pool]]\nname = \"p\"\npattern = \"P#L8\"\nformat = \"native\"\n",
            &[
                "f:4: pool.format: write format = \"native\" instead of format = \"ferric\", which the next release refuses",
            ],
        ),
        (
            "[[pool]]\nname = \"p\"\npattern = \"P#L8\"\nlevel = \"mhvtl\"\n",
            "[[pool]]\nname = \"p\"\npattern = \"P#L8\"\nformat = \"mhvtl\"\n",
            &["f:4: pool.level: write format = \"mhvtl\" instead of level = \"mhvtl\", which the next release refuses"],
        ),
        (
            "[library]\nexport = \"at once\"\nimport = \"operator\"\n",
            "[library]\nexport = \"auto\"\nimport = \"manual\"\n",
            &[
                "f:2: library.export: write \"auto\" instead of \"at once\", which the next release refuses",
                "f:3: library.import: write \"manual\" instead of \"operator\", which the next release refuses",
            ],
        ),
        (
            "[[cartridges]]\npattern = \"V1L8\"\nat = \"port2\"\n",
            "[[cartridges]]\npattern = \"V1L8\"\nat = \"io2\"\n",
            &["f:3: cartridges.at: write \"io2\" instead of \"port2\", which the next release refuses"],
        ),
    ] {
        let config = parse("f", former).unwrap();
        let said: Vec<String> = config.warnings.iter().map(ToString::to_string).collect();
        assert_eq!(said, warnings, "{former}");
        let current = parse("f", current).unwrap();
        assert_eq!(current.warnings, [], "{former}");
        assert_eq!(config.to_string(), current.to_string(), "{former}");
        assert_eq!(parse("printed", &config.to_string()).unwrap().warnings, [], "{former}");
    }
}

#[test]
fn former_key_and_its_replacement_are_refused() {
    let message = "is the former name of format, which is given too; remove level";
    assert_errors(&[
        ("[[cartridges]]\npattern = \"V1L8\"\nformat = \"mhvtl\"\nlevel = \"mhvtl\"\n", 4, "cartridges.level", message),
        (
            "[[pool]]\nname = \"p\"\nlevel = \"ferric\"\npattern = \"P#L8\"\nformat = \"native\"\n",
            3,
            "pool.level",
            message,
        ),
        (
            "[[cartridges]]\npattern = \"V1L8\"\nlevel = \"tar\"\n",
            3,
            "cartridges.format",
            "expected \"native\" or \"mhvtl\"",
        ),
    ]);
    let error = parse("f", "[[cartridges]]\nlevels = 1\n").map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("`format`") && !error.contains("`level`"), "{error}");
}

#[test]
fn printed_cartridges_are_patterns() {
    let printed = Config::default().to_string();
    let expected = "pattern = \"V#####L8\"\nfirst = 1\ncount = 19\nsize = \"12TB\"\nformat = \"native\"\n";
    assert!(printed.contains(expected), "{printed}");
    assert_eq!(printed.matches("[[library.cartridges]]").count(), 2, "{printed}");
    let text = "[library]\nslots = 40\n[[cartridges]]\npattern = \"A##L8\"\ncount = 12\nat = \"slot3\"\n\
        [[cartridges]]\npattern = \"A99L8\"\nat = \"drive1\"\n[[cartridges]]\npattern = \"B#L8\"\ncount = 2\nsize = \"64MiB\"\n\
        [[cartridges]]\npattern = \"B3L8\"\n[[cartridges]]\npattern = \"B4L8\"\nkind = \"worm\"\n\
        [[cartridges]]\npattern = \"C1L8\"\nat = \"io1\"\n[[cartridges]]\npattern = \"C2L8\"\nat = \"io3\"\n";
    let config = parse("f", text).unwrap();
    let printed = config.to_string();
    let again = parse("printed", &printed).unwrap();
    let all = |config: &Config| {
        let cartridges = &config.libraries[0].cartridges;
        cartridges.iter().map(|it| (it.barcode.to_string(), it.kind, it.size, it.element)).collect::<Vec<_>>()
    };
    assert_eq!(all(&again), all(&config), "{printed}");
    assert_eq!(printed.matches("[[library.cartridges]]").count(), 7, "{printed}");
    assert!(printed.contains("at = \"drive1\"") && printed.contains("at = \"io3\""), "{printed}");
}

#[test]
fn cartridge_may_start_in_a_drive() {
    let text = "[[cartridges]]\npattern = \"A1L8\"\nat = \"drive2\"\n[[cartridges]]\npattern = \"A2L8\"\n";
    let site =
        crate::site::Site::open_data_dir(crate::data_dir::DataDir::in_memory(), &parse("f", text).unwrap()).unwrap();
    let status = site.status();
    let drives = &status.libraries[0].drives;
    assert_eq!(drives[1].element.cartridge.as_deref(), Some("A1L8"));
    assert_eq!((drives[0].element.cartridge.as_deref(), drives[1].ejected), (None, false));
    assert_eq!(status.libraries[0].slots[0].cartridge.as_deref(), Some("A2L8"));
    // One that a configuration adds later is carried there.
    let more = format!("{text}[[cartridges]]\npattern = \"A3L8\"\nat = \"drive1\"\n");
    site.reload(&parse("f", &more).unwrap()).unwrap();
    assert_eq!(site.status().libraries[0].drives[0].element.cartridge.as_deref(), Some("A3L8"));
}

/// One library of a random configuration.
fn arbitrary_library() -> impl proptest::strategy::Strategy<Value = String> {
    use proptest::prelude::*;
    let model = prop::sample::select(vec!["STK L700", "IBM 3573-TL", "IBM 03584L32", "SPECTRA PYTHON", "Ferric"]);
    let shape = (proptest::option::of(1..30_u16), proptest::option::of(0..5_u16), 1..4_u16);
    let place = (proptest::option::of(0..7_usize), any::<bool>());
    let at =
        prop::sample::select(vec!["", "at = \"slot1\"\n", "at = \"slot9\"\n", "at = \"io1\"\n", "at = \"drive1\"\n"]);
    let cartridges = proptest::collection::vec((0..3_usize, 1..25_u16, at), 0..3);
    (model, shape, place, cartridges, any::<bool>()).prop_map(
        |(model, (slots, ports, drives), (lun, shared), cartridges, first)| {
            let mut text = format!("[[library]]\nname = \"NAME\"\nmodel = \"{model}\"\n");
            slots.iter().for_each(|slots| text += &format!("slots = {slots}\n"));
            ports.iter().for_each(|ports| text += &format!("import_export = {ports}\n"));
            lun.iter().for_each(|lun| text += &format!("lun = {lun}\n"));
            text += if shared { "target = \"t\"\n" } else { "" };
            text += if first { "first = { robot = 0, slots = 9, import_export = 40, drives = 1 }\n" } else { "" };
            text += if cartridges.is_empty() { "cartridges = []\n" } else { "" };
            text += &format!("[[library.drive]]\nmodel = \"ULT3580-TD8\"\ncount = {drives}\n");
            for (letter, count, at) in cartridges {
                let letter = ["A", "S", "NAME"][letter].to_uppercase();
                text += &format!(
                    "[[library.cartridges]]\npattern = \"{letter}##L8\"\ncount = {count}\nsize = \"1MB\"\n{at}"
                );
            }
            text
        },
    )
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: 96, failure_persistence: None, ..Default::default() })]

    /// A configuration that the check accepts can be opened, with all its blank cartridges; one that it refuses cannot.
    #[test]
    fn the_check_is_what_a_site_does(
        one in arbitrary_library(),
        other in proptest::option::of(arbitrary_library()),
        pool in proptest::option::of((1..3_usize, 0..40_u16)),
    ) {
        let mut text = one.replace("NAME", "one");
        other.iter().for_each(|other| text += &other.replace("NAME", "two").replace("ONE", "TWO"));
        if let Some((digits, scratch)) = pool {
            let run = "#".repeat(digits);
            text += &format!("[[pool]]\nname = \"p\"\npattern = \"S{run}L8\"\nsize = \"1MB\"\nscratch = {scratch}\n");
        }
        text += "[iscsi]\niqn = \"iqn.2026-01.com.example:t\"\n";
        if let Ok(config) = parse("f.toml", &text) {
            let checked = check(&config).map_err(|error| error.to_string());
            let site = crate::site::Site::open_data_dir(crate::data_dir::DataDir::in_memory(), &config);
            let opened = site.map_err(|error| error.to_string()).and_then(|site| site.reconcile().map_err(|error| error.to_string()));
            assert_eq!(checked, opened, "{text}");
        }
    }
}

#[test]
fn limits_of_the_portal() {
    let text = "[iscsi]\nnetworks = [\"10.0.0.0/8\", \"::1\"]\nbuffer_memory = \"256MiB\"\n\
        max_connections_per_address = 9\nmax_unauthenticated_per_address = 3\n";
    let config = parse("f", text).unwrap();
    let limits = &config.iscsi.limits;
    assert_eq!(limits.buffer_memory, Some(268_435_456));
    assert_eq!((limits.max_connections_per_address, limits.max_unauthenticated_per_address), (Some(9), Some(3)));
    let networks = limits.networks.as_ref().unwrap();
    assert!(networks[0].contains("10.9.8.7".parse().unwrap()) && networks[1].contains("::1".parse().unwrap()));
    assert_eq!(parse("printed", &config.to_string()).unwrap().iscsi, config.iscsi);
    // A list that is empty admits none; without the key all may connect.
    assert_eq!(parse("f", "[iscsi]\nnetworks = []\n").unwrap().iscsi.limits.networks, Some(Vec::new()));
    assert_eq!(parse("f", "").unwrap().iscsi.limits, IscsiLimits::default());
    // A portal that is open to the network is a warning, unless addresses are limited.
    let warns = |text: &str| !parse("f", text).unwrap().iscsi.warnings("0.0.0.0".parse().unwrap()).is_empty();
    assert!(warns("") && warns("[iscsi]\nnetworks = [\"0.0.0.0/0\"]\n"));
    assert!(!warns("[iscsi]\nnetworks = [\"10.0.0.0/8\"]\n"));
}

/// Every kind of page, as a configuration prints it.
const PAGES: &str = "[[library.page]]
kind = \"vpd\"
code = 0xc8
bytes = \"08 c8 00 01 ff\"

[[library.drive]]
model = \"ULT3580-TD8\"
compression = \"none\"

[[library.drive.page]]
kind = \"inquiry\"
offset = 40
bytes = \"01 02\"

[[library.drive.page]]
kind = \"vpd\"
code = 0xc7
bytes = \"\"\"
01 c7 00 1e 00 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f 10 11 12 13 14 15 16 17 18 19 1a 1b
1c 1d
\"\"\"

[[library.drive.page]]
kind = \"mode\"
code = 0x10
subpage = 0x01
values = \"changeable\"
offset = 5
bytes = \"00\"

[[library.drive.page]]
kind = \"mode-header\"
offset = 2
bytes = \"78\"

[[library.drive.page]]
kind = \"log\"
code = 0x11
absent = true

[[library.drive.page]]
kind = \"densities\"
bytes = \"00 04 00 00 aa bb\"

[[library.drive.page]]
kind = \"densities\"
offset = 5
bytes = \"cc\"

[[library.drive.page]]
kind = \"medium-types\"
absent = true
";

#[test]
fn pages_are_read_printed_and_returned() {
    let config = parse("f", PAGES).unwrap();
    assert!(config.to_string().contains(PAGES.split_once("[[library.drive]]").unwrap().0), "{config}");
    assert!(config.to_string().contains(PAGES.split_once("\"none\"\n").unwrap().1), "{config}");
    let printed = parse("f", &config.to_string()).unwrap();
    assert_eq!(printed.libraries[0].pages, config.libraries[0].pages);
    assert_eq!(printed.libraries[0].drives, config.libraries[0].drives);
    assert!(
        parse("f", "[[drive]]\nmodel = \"ULT3580-TD8\"\n").unwrap().libraries[0].drives != config.libraries[0].drives
    );
    let site = crate::site::Site::open_data_dir(crate::data_dir::DataDir::in_memory(), &config).unwrap();
    let host = crate::host::Host::login(&site.targets()[0], 1);
    host.clear_unit_attentions();
    let read = |lun, cdb: &[u8]| host.command(lun, cdb, 255).into_result();
    assert_eq!(read(0, &[0x12, 1, 0xc8, 0, 255, 0]).unwrap(), [8, 0xc8, 0, 1, 0xff]);
    assert_eq!(read(1, &[0x12, 0, 0, 0, 255, 0]).unwrap()[40..42], [1, 2]);
    assert_eq!(read(1, &[0x12, 1, 0xc7, 0, 6, 0]).unwrap(), [1, 0xc7, 0, 0x1e, 0, 1]);
    assert_eq!(read(1, &[0x1a, 8, 0, 0, 4, 0]).unwrap()[1], 0x78);
    assert_eq!(read(1, &[0x4d, 0, 0x51, 0, 0, 0, 0, 0, 255, 0]).unwrap_err().sense_codes(), Some((5, 0x24, 0)));
    let densities = |flags, len| read(1, &[0x44, flags, 0, 0, 0, 0, 0, 0, len, 0]);
    assert_eq!(densities(0, 255).unwrap(), [0, 4, 0, 0, 0xaa, 0xcc]);
    assert_eq!(densities(0, 5).unwrap(), [0, 4, 0, 0, 0xaa]);
    assert_eq!(densities(2, 255).unwrap_err().sense_codes(), Some((5, 0x24, 0)));
    // The mounted medium is that of the drive: there is none.
    assert_eq!(densities(1, 255).unwrap_err().sense_codes(), Some((2, 0x3a, 0)));
}

/// The serial number of a logical library is longer than the configured one.
#[test]
fn bytes_of_the_serial_number_of_a_logical_library() {
    let table = |offset: usize| {
        format!(
            "[[library]]\nmodel = \"HPE MSL3040\"\nserial = \"DEC0000001\"\n[[library.page]]\nkind = \"vpd\"\ncode = 0x80\noffset = {offset}\nbytes = \"32\"\n"
        )
    };
    parse("f", &table(18)).unwrap();
    let error = parse("f", &table(19)).unwrap_err();
    assert_eq!(error.message, "byte 19 is behind the end of VPD page 80h, which has 19 bytes");
}

/// A drive with this table of a page, whose keys begin in line 4.
fn drive_page(keys: &str) -> String {
    format!("[[drive]]\nmodel = \"ULT3580-TD8\"\n[[drive.page]]\n{keys}\n")
}

fn assert_page_errors(cases: impl IntoIterator<Item = (String, usize, &'static str, &'static str)>) {
    for (text, line, key, message) in cases {
        let error = parse("f", &text).map(drop).expect_err(&text);
        assert_eq!((error.line, error.key.as_str()), (line, key), "{error}\n{text}");
        assert!(error.message.contains(message), "{error}\n{text}");
    }
}

#[test]
fn errors_of_the_keys_of_pages() {
    let drive = drive_page;
    assert_page_errors([
        (drive("code = 1"), 3, "drive.page.kind", "is required"),
        (
            drive("kind = \"sense\""),
            4,
            "drive.page.kind",
            "\"sense\" is not one of inquiry, vpd, mode, mode-header, log, densities, medium-types",
        ),
        (drive("kind = \"vpd\"\nbytes = \"00\""), 3, "drive.page.code", "is required for the kind \"vpd\""),
        (drive("kind = \"inquiry\"\ncode = 0"), 5, "drive.page.code", "does not apply to the kind \"inquiry\""),
        (drive("kind = \"vpd\"\ncode = 0x80\nsubpage = 1"), 6, "drive.page.subpage", "does not apply"),
        (drive("kind = \"log\"\ncode = 0x40"), 5, "drive.page.code", "0x40 is too high; expected at most 0x3f"),
        (drive("kind = \"mode\"\ncode = 0x3f"), 5, "drive.page.code", "0x3f is too high; expected at most 0x3e"),
        (drive("kind = \"log\"\ncode = 1\nvalues = \"all\""), 6, "drive.page.values", "does not apply"),
        (
            drive("kind = \"mode\"\ncode = 1\nvalues = \"some\""),
            6,
            "drive.page.values",
            "\"some\" is not one of all, current, changeable, default, saved",
        ),
    ]);
}

#[test]
fn errors_of_densities() {
    let drive = drive_page;
    assert_page_errors([
        (
            drive("kind = \"densities\"\nbytes = \"00 03 00 00 aa bb\""),
            5,
            "drive.page.bytes",
            "byte 0 (AVAILABLE DENSITY SUPPORT LENGTH) is 03h; expected 04h",
        ),
        (drive("kind = \"densities\"\nabsent = true"), 5, "drive.page.absent", "this page cannot be absent"),
        (
            "[[library]]\n[[library.page]]\nkind = \"densities\"\nbytes = \"00 02 00 00\"\n".into(),
            4,
            "library.page.bytes",
            "REPORT DENSITY SUPPORT data: only a drive has it",
        ),
    ]);
}

#[test]
fn errors_of_the_bytes_of_pages() {
    let drive = drive_page;
    assert_page_errors([
        (drive("kind = \"log\"\ncode = 1"), 3, "drive.page.bytes", "is required"),
        (drive("kind = \"log\"\ncode = 1\nbytes = \"\""), 6, "drive.page.bytes", "there are no bytes"),
        (drive("kind = \"log\"\ncode = 1\nbytes = \"01 0g\""), 6, "drive.page.bytes", "'g' is not a hexadecimal digit"),
        (drive("kind = \"log\"\ncode = 1\nbytes = \"01 002\""), 6, "drive.page.bytes", "\"002\" has an odd number of"),
        (
            drive("kind = \"vpd\"\ncode = 0xc7\nbytes = \"01 c7 00 02 ab\""),
            6,
            "drive.page.bytes",
            "VPD page C7h: byte 2 (PAGE LENGTH) is 02h; expected 01h",
        ),
        (
            drive("kind = \"vpd\"\ncode = 0xc7\noffset = 4\nbytes = \"ab\""),
            3,
            "drive.page",
            "ULT3580-TD8 has no VPD page C7h; without offset, bytes add the whole page",
        ),
        (
            drive("kind = \"mode\"\ncode = 0x0a\noffset = 11\nbytes = \"ab cd\""),
            7,
            "drive.page.bytes",
            "byte 12 is behind the end of mode page 0Ah, which has 12 bytes",
        ),
        (
            drive("kind = \"mode\"\ncode = 0x0a\noffset = 1\nbytes = \"0b\""),
            6,
            "drive.page.offset",
            "mode page 0Ah: byte 1 (PAGE LENGTH) is a part of the header; give the whole page to change it",
        ),
        (
            drive("kind = \"mode\"\ncode = 8\nbytes = \"08 00\"\n[[drive.page]]\nkind = \"mode\"\ncode = 8\nvalues = \"changeable\"\nbytes = \"08 01 00\""),
            11,
            "drive.page.bytes",
            "mode page 08h has 3 bytes here, and 2 in a table before",
        ),
        (drive("kind = \"log\"\ncode = 0\nabsent = true"), 6, "drive.page.absent", "log page 00h: this page cannot be absent"),
        (drive("kind = \"log\"\ncode = 2\nabsent = true\noffset = 1"), 7, "drive.page.offset", "with absent = true"),
        (drive("kind = \"log\"\ncode = 2\nbites = \"00\""), 6, "drive.page.bites", "unknown field `bites`"),
        (
            "[[drive]]\nmodel = \"ULT3580-TD8\"\ncount = 2\n[[drive.page]]\nkind = \"vpd\"\ncode = 0x80\nbytes = \"01 80 00 01 41\"\n".to_owned(),
            4,
            "drive.page",
            "VPD page 80h identifies one drive, and drive.count is 2",
        ),
        (
            "[[library]]\n[[library.page]]\nkind = \"inquiry\"\nbytes = \"01\"\n".to_owned(),
            4,
            "library.page.bytes",
            "standard INQUIRY data: 1 bytes are no page: its header has 36",
        ),
        (
            "[[library]]\n[[library.page]]\nkind = \"log\"\ncode = 0x37\noffset = 4\nbytes = \"01\"\n".to_owned(),
            2,
            "library.page",
            "STK L700 has no log page 37h",
        ),
    ]);
}

/// The example of a chassis: its partitions have its model and consecutive shares, and are printed unchanged.
#[test]
fn partitions_are_read_and_printed() {
    for (text, shared) in [
        (include_str!("../../../../examples/partitions/msl3040.toml"), true),
        (include_str!("../../../../examples/partitions/ts3500.toml"), false),
    ] {
        let config = parse("f", text).unwrap();
        check(&config).unwrap();
        let [one, two] = config.libraries.as_slice() else { panic!("{config}") };
        let partition = |library: &LibrarySetup| library.partition.clone().unwrap();
        assert_eq!((partition(one).number, partition(one).first), (1, [0; 3]));
        let io = if shared { 0 } else { one.layout.import_export.count };
        let behind = [one.layout.storage.count, io, one.layout.drives.count];
        assert_eq!((partition(two).number, partition(two).first), (2, behind));
        assert_eq!((one.changer.name, config.chassis[0].shared_station), (config.chassis[0].model.name, shared));
        assert_eq!(two.partition.as_ref().unwrap().chassis, config.chassis[0]);
        let printed = parse("p", &config.to_string()).unwrap();
        assert_eq!((printed.to_string(), &printed.chassis), (config.to_string(), &config.chassis));
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "a row for each error")]
fn errors_of_chassis_and_partitions() {
    let chassis = "[[chassis]]\nname = \"c\"\nmodel = \"HPE MSL3040\"\nslots = 40\nimport_export = 5\ndrives = 4\n";
    let library = |keys: &str, place: &str| {
        format!("[[library]]\nname = \"a\"\n{keys}\n[library.partition]\nchassis = \"c\"\n{place}\n")
    };
    let second = |keys: &str, place: &str| {
        let first = library("slots = 20\nimport_export = 3", "");
        let second = library(keys, place).replace("\"a\"", "\"b\"");
        format!("{chassis}{first}{second}")
    };
    let one = |keys: &str, place: &str| format!("{chassis}{}", library(keys, place));
    let shared = |text: String| text.replace("drives = 4\n", "drives = 4\nio_station = \"shared\"\n");
    let with_cartridge =
        |name: &str| format!("[[library.cartridges]]\npattern = \"{name}#L9\"\nat = \"io1\"\nsize = \"64MB\"");
    let both = format!(
        "{chassis}io_station = \"shared\"\n{}{}\n{}{}\n",
        library("slots = 4", ""),
        with_cartridge("A"),
        library("slots = 4", "").replace("\"a\"", "\"b\""),
        with_cartridge("B")
    );
    let cases = [
        ("[[chassis]]\nslots = 4\n".to_owned(), 1, "chassis.name", "is required"),
        (format!("{chassis}{chassis}"), 8, "chassis.name", "there are two chassis \"c\""),
        (chassis.replace("slots = 40", "slots = 999"), 4, "chassis.slots", "HPE MSL3040 has at most 640 slots"),
        (
            format!("{chassis}io_station = \"both\"\n"),
            7,
            "chassis.io_station",
            "\"both\" is invalid; expected \"divided\" or \"shared\"",
        ),
        (format!("{chassis}model = 3\n"), 7, "chassis.model", "duplicate key"),
        (
            format!("{chassis}serial = \"\"\n"),
            7,
            "chassis.serial",
            "\"\" is not a serial number: 1 to 32 characters, no blanks",
        ),
        ("[[library]]\n[library.partition]\n".into(), 2, "library.partition.chassis", "is required"),
        (
            "[[library]]\n[library.partition]\nchassis = \"x\"\n".into(),
            3,
            "library.partition.chassis",
            "there is no chassis \"x\": [[chassis]] with this name",
        ),
        (
            one("model = \"STK L700\"", ""),
            9,
            "library.model",
            "chassis \"c\" has the model HPE MSL3040, and so have its partitions; leave out the key",
        ),
        (
            one("serial = \"A\"", ""),
            9,
            "library.serial",
            "the serial number of a partition of the model HPE MSL3040 is made from that of its chassis; set chassis.serial and library.partition.number instead",
        ),
        (one("slots = 41", ""), 9, "library.slots", "slots 1 to 41 of chassis \"c\" are needed, but it has only 40"),
        (
            one("import_export = 6", ""),
            9,
            "library.import_export",
            "slots of the I/O station 1 to 6 of chassis \"c\" are needed, but it has only 5",
        ),
        (
            one("", "slots = 30"),
            12,
            "library.partition.slots",
            "slots 30 to 53 of chassis \"c\" are needed, but it has only 40",
        ),
        (
            one("", "drives = 0"),
            12,
            "library.partition.drives",
            "expected a number from 1, not 0: the drives of a chassis are numbered from 1",
        ),
        (one("", "number = 100"), 12, "library.partition.number", "100 is not the number of a partition: 1 to 99"),
        (
            second("slots = 21", ""),
            16,
            "library.slots",
            "slots 21 to 41 of chassis \"c\" are needed, but it has only 40",
        ),
        (
            second("slots = 10", "slots = 20"),
            19,
            "library.partition.slots",
            "slots 20 to 29 of chassis \"c\" overlap 1 to 20 of library \"a\"",
        ),
        (
            second("slots = 10\nimport_export = 2", "import_export = 3"),
            20,
            "library.partition.import_export",
            "slots of the I/O station 3 to 4 of chassis \"c\" overlap 1 to 3 of library \"a\"",
        ),
        (
            second("slots = 10", "drives = 2"),
            19,
            "library.partition.drives",
            "drives 2 to 3 of chassis \"c\" overlap 1 to 2 of library \"a\"",
        ),
        (
            second("slots = 10", "number = 1"),
            19,
            "library.partition.number",
            "library \"a\" is partition 1 of the chassis already",
        ),
        (
            shared(one("import_export = 2", "")),
            10,
            "library.import_export",
            "the I/O station of chassis \"c\" is shared: each partition has all 5 slots of it; leave out the key",
        ),
        (
            shared(one("", "import_export = 1")),
            13,
            "library.partition.import_export",
            "the I/O station of chassis \"c\" is shared, so that no partition has a part of it",
        ),
        (both, 26, "cartridges.at", "library \"a\" has a cartridge in this slot of the shared I/O station"),
        (
            second("slots = 1\n[[library.drive]]\nmodel = \"ULT3580-TD8\"\ncount = 3\n", ""),
            18,
            "drive",
            "drives 3 to 5 of chassis \"c\" are needed, but it has only 4",
        ),
    ];
    for (text, line, key, message) in cases {
        let error = parse("f", &text).unwrap_err();
        assert_eq!((error.line, error.key.as_str(), error.message.as_str()), (line, key, message), "{text}");
    }
}

/// Two partitions of a TS3500 whose slots begin at the same address would have the same serial number.
#[test]
fn partitions_have_different_serial_numbers() {
    let text = include_str!("../../../../examples/partitions/ts3500.toml");
    let same = text.replace("target = \"test\"", "first = { slots = 1025 }");
    let error = parse("f", &same).unwrap_err();
    assert_eq!(error.key, "library.partition");
    assert_eq!(
        error.message,
        "partitions 1 and 2 of chassis \"ts3500\" have the same serial number; give one of them another number or first address"
    );
}
