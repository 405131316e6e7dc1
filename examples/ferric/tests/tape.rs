//! The output and the effects of the commands, as snapshots, on cartridges that mhvtl made and on ours.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crates/tape-store/tests/golden/mhvtl-1.8")
}

/// Both outputs of a command, and whether it succeeded.
fn run(directory: &Path, arguments: &str) -> String {
    let words = arguments.split_whitespace();
    let mut tool = Command::new(env!("CARGO_BIN_EXE_ferric"));
    let Output { status, stdout, stderr } = tool.arg("tape").args(words).current_dir(directory).output().unwrap();
    let (out, err) = (String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap());
    format!("$ ferric tape {arguments}\n{out}{err}[{}]\n", status.code().unwrap())
}

fn session(directory: &Path, commands: &[&str]) -> String {
    commands.iter().map(|arguments| run(directory, arguments)).collect()
}

/// A directory with copies of these cartridges.
fn shelf(barcodes: &[&str]) -> TempDir {
    let shelf = tempfile::tempdir().unwrap();
    for barcode in barcodes {
        fs::create_dir(shelf.path().join(barcode)).unwrap();
        for file in fs::read_dir(golden().join(barcode)).unwrap() {
            let file = file.unwrap();
            fs::write(shelf.path().join(barcode).join(file.file_name()), fs::read(file.path()).unwrap()).unwrap();
        }
    }
    shelf
}

#[test]
fn listing_and_showing() {
    let shelf = shelf(&["MAM001L8", "CLN003L3", "V3A001L6", "WRM001L8", "P00008L8", "DRT001L8"]);
    fs::create_dir(shelf.path().join("BROKEN")).unwrap();
    fs::write(shelf.path().join("BROKEN/mam"), "no").unwrap();
    let commands = [
        "list .",
        "show MAM001L8",
        "show V3A001L6",
        "show P00008L8",
        "show DRT001L8",
        "show WRM001L8 --json",
        "list --json .",
        "show NONE",
        "list nowhere",
    ];
    insta::assert_snapshot!(session(shelf.path(), &commands));
}

#[test]
fn dumping_and_verifying() {
    let shelf = shelf(&["ENC001L8", "MIX001L8", "PAR002L6", "NUL001L8"]);
    let data = shelf.path().join("MIX001L8/data.0");
    let mut bytes = fs::read(&data).unwrap();
    bytes[70] ^= 1;
    fs::write(data, bytes).unwrap();
    fs::write(shelf.path().join("PAR002L6/indx.0"), b"").unwrap();
    let commands = [
        "verify PAR002L6",
        "dump ENC001L8",
        "dump PAR002L6 --partition 1 --object 1 --count 2 --data 20",
        "dump PAR002L6 --partition 2",
        "dump MIX001L8 --count 2 --json",
        "verify ENC001L8",
        "verify MIX001L8",
        "verify MIX001L8 --json",
        "verify NUL001L8",
    ];
    insta::assert_snapshot!(session(shelf.path(), &commands));
}

#[test]
fn making_writing_and_converting() {
    let shelf = tempfile::tempdir().unwrap();
    fs::write(shelf.path().join("a.tar"), vec![b'x'; 25_000]).unwrap();
    let commands = [
        "create V00001L8 --size 100MB --serial S1",
        "create V00001L8",
        "create TAPE --media LTO-77",
        "create TAPE",
        "create v1",
        "import a.tar V00001L8",
        "import a.tar V00001L8 --block-size 512 --codec none",
        "dump V00001L8 --count 5",
        "export V00001L8 out.tap",
        "export V00001L8 out.aws",
        "export V00001L8 second.tar --file 1",
        "export V00001L8 third.tar --file 3",
        "convert V00001L8 --format mhvtl",
        "convert V00001L8 --format mhvtl",
        "dump V00001L8 --count 5",
        "verify V00001L8",
        "convert V00001L8 --format native --codec zlib:9",
        "verify V00001L8",
        "create V00002L8 --format mhvtl --size 64MiB --serial S2",
        "import out.tap V00002L8",
        "export V00002L8 again.tap",
        "import out.aws V00002L8 --overwrite",
        "export V00002L8 again.aws",
        "import a.tar V00002L8 --image-format simh",
        "attr V00002L8 0806 V00002L8",
        "attr V00002L8 0806",
        "attr V00002L8 0808 pool-7",
        "attr V00002L8 0401 other",
        "attr V00002L8 0805 300",
        "attr V00002L8 beef",
        "attr V00002L8 write-protect on",
        "import a.tar V00002L8",
    ];
    insta::assert_snapshot!(session(shelf.path(), &commands));
    let read = |name: &str| fs::read(shelf.path().join(name)).unwrap();
    assert_eq!(read("second.tar"), read("a.tar"));
    assert_eq!(read("again.tap"), read("out.tap"));
    assert_eq!(read("again.aws"), read("out.aws"));
    let mut names: Vec<_> = fs::read_dir(shelf.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert!(!names.iter().any(|name| name.to_string_lossy().contains("convert")), "{names:?}");
    assert!(!shelf.path().join("V00001L8/mam").exists() && !shelf.path().join("V00001L8/meta").exists());
}

/// All of a cartridge, its memory too, from mhvtl's folder and to one.
#[test]
fn copying_from_and_to_mhvtl() {
    let shelf = shelf(&["UNC001L8", "PAR004L8", "V3A001L6"]);
    let commands = [
        "import UNC001L8 V00001L8 --codec none",
        "show V00001L8",
        "import PAR004L8 V00002L8",
        "verify V00002L8",
        "attr V00002L8 0401",
        "export V00002L8 X00002L8 --image-format mhvtl",
        "verify X00002L8",
        "import V3A001L6 V00003L6",
        "verify V00003L6",
        "import UNC001L8 V00001L8",
        "export V00001L8 nowhere/x --image-format mhvtl",
    ];
    insta::assert_snapshot!(session(shelf.path(), &commands));
}

/// An object that the other format cannot hold is refused by its number, and nothing changes.
#[test]
fn impossible_conversion_is_refused() {
    let shelf = shelf(&["ENC001L8", "NUL001L8", "D00001D7"]);
    fs::write(shelf.path().join("big"), vec![1; 3 << 20]).unwrap();
    let commands = [
        "create V00001L8 --serial S1",
        "import big V00001L8 --block-size 1000",
        "import big V00001L8 --block-size 3000000 --codec none",
        "convert V00001L8 --format mhvtl",
        "verify V00001L8",
        "convert ENC001L8 --format native",
        "convert NUL001L8 --format native",
        "convert D00001D7 --format native",
        "show D00001D7",
        "convert D00001D7 --format mhvtl --codec zstd",
        "convert D00001D7 --format mhvtl",
    ];
    insta::assert_snapshot!(session(shelf.path(), &commands));
}

#[test]
fn repair() {
    let shelf = shelf(&["UNC001L8", "DRT001L8", "OVW001L8"]);
    let index = shelf.path().join("UNC001L8/indx.0");
    let mut bytes = fs::read(&index).unwrap();
    bytes[12 * 512 + 8] = 99;
    fs::write(&index, bytes).unwrap();
    session(shelf.path(), &["create V00001L8 --serial S1", "import OVW001L8/data.0 V00001L8 --block-size 1000"]);
    fs::write(shelf.path().join("V00001L8/mark.0"), vec![0; 1024]).unwrap();
    fs::remove_file(shelf.path().join("OVW001L8/data.0")).unwrap();
    // An index that lost its end: what the watermark and the data know of is not dropped by the way.
    session(
        shelf.path(),
        &["create V00002L8 --serial S2", "import V00001L8/data.0 V00002L8 --block-size 100 --codec none"],
    );
    fs::File::options().write(true).open(shelf.path().join("V00002L8/indx.0")).unwrap().set_len(320).unwrap();
    let commands = [
        "show UNC001L8",
        "repair UNC001L8",
        "repair UNC001L8 --truncate",
        "verify UNC001L8",
        "attr DRT001L8 0806 X",
        "repair DRT001L8",
        "attr DRT001L8 0806 X",
        "verify V00001L8",
        "repair V00001L8",
        "verify V00001L8",
        "repair OVW001L8 --truncate",
        "verify V00002L8",
        "repair V00002L8",
        "repair V00002L8 --truncate",
        "verify V00002L8",
    ];
    insta::assert_snapshot!(session(shelf.path(), &commands));
}

/// With a lost index or lost data, less can be read than was written.
#[test]
fn verify_reports_lost_objects() {
    let shelf = shelf(&["OVW001L8"]);
    let make = |barcode: &str| {
        let import = format!("import OVW001L8/data.0 {barcode} --block-size 100 --codec none");
        session(shelf.path(), &[&format!("create {barcode} --serial S1"), &import]);
    };
    let file = |barcode: &str, name: &str| shelf.path().join(barcode).join(name);
    for barcode in ["V00001L8", "V00002L8", "V00003L8"] {
        make(barcode);
    }
    fs::write(file("V00001L8", "indx.0"), "").unwrap();
    fs::write(file("V00001L8", "mark.0"), "").unwrap();
    fs::write(file("V00002L8", "data.0"), "").unwrap();
    fs::write(file("V00003L8", "mark.0"), "").unwrap();
    for barcode in ["V00001L8", "V00002L8", "V00003L8"] {
        let said = run(shelf.path(), &format!("verify {barcode}"));
        assert!(!said.contains("intact"), "{said}");
        assert!(said.ends_with("[1]\n") && said.contains("damaged: "), "{said}");
    }
    // Restored from the data: now it is.
    session(shelf.path(), &["repair V00001L8"]);
    let said = run(shelf.path(), "verify V00001L8");
    assert!(said.contains("intact: ") && said.ends_with("[0]\n"), "{said}");
    // Damage of the cartridge memory alone takes no object.
    fs::write(file("V00001L8", "ferric.mam"), "no").unwrap();
    let said = run(shelf.path(), "verify V00001L8");
    assert!(said.contains("damaged: 1 file; every object is intact"), "{said}");
}

/// A cartridge that a drive has is not touched.
#[test]
fn loaded_cartridge_is_refused() {
    use tape_store::backend::file::OsFolderStore;
    let shelf = tempfile::tempdir().unwrap();
    session(shelf.path(), &["create V00001L8 --serial S1"]);
    let store = tape_store::store::TapeStore::new(Box::new(OsFolderStore::at(shelf.path()).unwrap()));
    let barcode = tape_store::cartridge::Barcode::new("V00001L8").unwrap();
    let (media, kind) = barcode.media().unwrap();
    let loaded = store.cartridge(&barcode, media, kind, 0).open().unwrap();
    let commands = ["show V00001L8", "attr V00001L8 0806 X", "repair V00001L8", "convert V00001L8 --format mhvtl"];
    insta::assert_snapshot!(session(shelf.path(), &commands));
    drop(loaded);
    assert!(run(shelf.path(), "show V00001L8").ends_with("[0]\n"));
}

#[test]
fn streams() {
    let shelf = tempfile::tempdir().unwrap();
    session(shelf.path(), &["create V00001L8 --serial S1"]);
    let tool = || Command::new(env!("CARGO_BIN_EXE_ferric"));
    let mut import = tool()
        .args(["tape", "import", "-", "V00001L8"])
        .current_dir(shelf.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let bytes: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    std::io::Write::write_all(import.stdin.as_mut().unwrap(), &bytes).unwrap();
    drop(import.stdin.take());
    assert!(import.wait().unwrap().success());
    let export = tool().args(["tape", "export", "V00001L8", "-"]).current_dir(shelf.path()).output().unwrap();
    assert!(export.status.success() && export.stdout == bytes);
}

/// While a daemon serves a directory, commands that change its cartridges are refused, and commands that read them warn.
#[test]
fn a_daemon_serves_the_directory() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a.tar"), vec![b'x'; 25_000]).unwrap();
    session(dir.path(), &["create OWN001L8 --serial S1"]);
    let text = "[library]\nslots = 4\n[[drive]]\nmodel = \"ULT3580-TD8\"\n[[pool]]\nname = \"s\"\npattern = \"S#L8\"\n\
        size = \"64MB\"\nscratch = 2\n";
    let config = vtl::config::parse("f", text).unwrap();
    let data = dir.path().join("data");
    let site = vtl::Site::open(&data, &config).unwrap();
    std::os::unix::fs::symlink(data.join("cartridges/S1L8"), dir.path().join("LINK")).unwrap();
    let own = std::process::id().to_string();
    let refused = [
        "import a.tar data/cartridges/S1L8",
        "import a.tar data/cartridges/S1L8 --overwrite",
        "attr data/cartridges/S1L8 0806 TEXT",
        "attr data/cartridges/S1L8 write-protect on",
        "repair data/cartridges/S1L8",
        "repair data/cartridges/S1L8 --truncate",
        "convert data/cartridges/S1L8 --format mhvtl",
        "attr LINK 0806 TEXT",
    ];
    for command in refused {
        let said = run(dir.path(), command);
        assert!(said.contains(&format!("(process {own}) serves this directory; stop it")), "{said}");
        assert!(said.ends_with("[1]\n"), "{said}");
    }
    for command in ["show", "verify", "attr", "dump"] {
        let said = run(dir.path(), &format!("{command} data/cartridges/S1L8"));
        assert!(said.contains("serves this directory; data that it has not synchronised is not shown"), "{said}");
        assert!(said.ends_with("[0]\n"), "{said}");
    }
    for command in ["list data", "export data/cartridges/S1L8 out.tap"] {
        let said = run(dir.path(), command);
        assert!(said.contains(" serves this directory;") && said.ends_with("[0]\n"), "{said}");
    }
    // A new cartridge is not in the list of the daemon.
    assert!(run(dir.path(), "create data/cartridges/NEW001L8").ends_with("[0]\n"));
    assert!(run(dir.path(), "import a.tar OWN001L8").ends_with("[0]\n"), "outside the data directory");
    assert_eq!(site.pool_status()[0].scratch, 2);
    drop(site);
    let said = run(dir.path(), "import a.tar data/cartridges/S1L8");
    assert!(said.ends_with("[0]\n") && !said.contains("serves"), "{said}");
    // A cartridge that was written is no longer a scratch cartridge: the pool gets another.
    let site = vtl::Site::open(&data, &config).unwrap();
    let blank = |name: &str| site.cartridges().into_iter().find(|one| one.cartridge == name).unwrap().blank;
    assert_ne!(blank("S1L8"), Some(true));
    assert_eq!((blank("S2L8"), blank("S3L8")), (Some(true), Some(true)));
}

/// Encrypted blocks are exported and dumped with their key, from a file or the standard input.
#[test]
fn encrypted_blocks() {
    use std::io::{IoSlice, Write};
    use tape_store::encrypt::{Encryption, Key, KeyAssociatedData};
    let dir = tempfile::tempdir().unwrap();
    session(dir.path(), &["create V00001L8 --serial S1"]);
    let store =
        tape_store::store::TapeStore::new(Box::new(tape_store::backend::file::OsFolderStore::at(dir.path()).unwrap()));
    let mut cartridge = store.find(&tape_store::cartridge::Barcode::new("V00001L8").unwrap()).unwrap();
    let (mut tape, _) = cartridge.open().unwrap();
    let (key, kads) = (Key::new(&[7; 32]).unwrap(), KeyAssociatedData::default());
    let seal = Encryption { key, kads, raw_read_disabled: false, entropy: vtl::entropy::fill };
    tape.append_encrypted(&[IoSlice::new(b"secret text")], tape_store::medium::Codec::NONE, &seal).unwrap();
    tape.append(&[IoSlice::new(b" and clear text")], tape_store::medium::Codec::NONE).unwrap();
    tape.close().unwrap();
    drop(tape);
    let digits = "07".repeat(32);
    for (name, content) in
        [("right", digits.as_str()), ("wrong", &"08".repeat(32)), ("short", "0708"), ("none", "key!")]
    {
        fs::write(dir.path().join(name), content).unwrap();
    }
    fs::write(dir.path().join("kept"), "an image of before").unwrap();
    assert!(run(dir.path(), "export V00001L8 kept --key-file wrong").ends_with("[1]\n"));
    assert_eq!(fs::read(dir.path().join("kept")).unwrap(), b"an image of before");
    let commands = [
        "export V00001L8 out",
        "export V00001L8 out --key-file wrong",
        "export V00001L8 out --key-file short",
        "export V00001L8 out --key-file none",
        "export V00001L8 out --key-file missing",
        "export V00001L8 out --key-file right",
        "dump V00001L8 --data --key-file wrong",
        "dump V00001L8 --data --key-file right",
    ];
    let shown = session(dir.path(), &commands);
    // The checksum covers the salt.
    let shown: Vec<&str> = shown.lines().filter(|line| !line.contains(" block     ")).collect();
    insta::assert_snapshot!(shown.join("\n"));
    assert_eq!(fs::read(dir.path().join("out")).unwrap(), b"secret text and clear text");
    let mut export = Command::new(env!("CARGO_BIN_EXE_ferric"))
        .args(["tape", "export", "V00001L8", "-", "--key-file", "-"])
        .current_dir(dir.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    export.stdin.take().unwrap().write_all(digits.as_bytes()).unwrap();
    assert_eq!(export.wait_with_output().unwrap().stdout, b"secret text and clear text");
}

#[test]
fn unreadable_is_not_reported_missing() {
    let shelf = shelf(&["B00008L8"]);
    // A link to itself: it cannot be followed, not even by root.
    std::os::unix::fs::symlink("LOOP01L8", shelf.path().join("LOOP01L8")).unwrap();
    for command in ["show LOOP01L8", "verify LOOP01L8", "list LOOP01L8"] {
        let said = run(shelf.path(), command);
        assert!(said.contains("ferric: LOOP01L8: Too many levels of symbolic links"), "{said}");
    }
    assert!(run(shelf.path(), "show NONE01L8").contains("NONE01L8: cartridge does not exist"));
    let said = run(&shelf.path().join("B00008L8"), "show .");
    assert!(said.contains("ferric: .: does not end in a barcode; name the directory of the cartridge"), "{said}");
}

#[test]
fn numbers_that_are_out_of_range_are_explained() {
    let said = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_ferric")).args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        String::from_utf8(output.stderr).unwrap()
    };
    for value in ["0", "65", "x"] {
        let said = said(&["alert", value, "on"]);
        assert!(said.contains("expected the number of a TapeAlert flag, 1 to 64"), "{said}");
    }
    for value in ["0", "10001", "many"] {
        let said = said(&["pool", "s", "--create", value]);
        assert!(said.contains("expected a number of cartridges, 1 to 10000"), "{said}");
    }
}

/// Partition, object, tape file, attribute, block size and directory by a name that nothing has: an error that says what there is, and
/// nothing is written.
#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn names_that_nothing_has() {
    let shelf = shelf(&["PAR002L6", "B00008L8"]);
    fs::write(shelf.path().join("a.tar"), vec![b'x'; 3_000_000]).unwrap();
    session(shelf.path(), &["create V00001L8 --serial S1", "import a.tar V00001L8 --block-size 1000000"]);
    session(shelf.path(), &["create M00001L8 --format mhvtl --serial S2", "import a.tar M00001L8"]);
    let commands = [
        ("dump V00001L8 --object 4", "V00001L8: object 4 does not exist: partition 0 has 4 objects, numbered from 0"),
        ("dump V00001L8 --object 99 --json", "V00001L8: object 99 does not exist: partition 0 has 4 objects"),
        ("dump B00008L8 --object 0", "B00008L8: object 0 does not exist: partition 0 has 0 objects"),
        ("dump V00001L8 --partition 1", "V00001L8: partition 1 does not exist: the tape has partition 0 only"),
        ("dump PAR002L6 --object 99", "PAR002L6: object 99 does not exist: partition 0 has "),
        ("dump PAR002L6 --partition 2", "PAR002L6: partition 2 does not exist: the tape has partitions 0 to 1"),
        ("export V00001L8 out --partition 1", "V00001L8: partition 1 does not exist"),
        (
            "export V00001L8 out --file 1",
            "V00001L8: tape file 1 does not exist: partition 0 has 1 tape file, numbered from 0",
        ),
        ("export V00001L8 out.tap --file 9", "V00001L8: tape file 9 does not exist: partition 0 has 1 tape file"),
        ("export B00008L8 out --file 0", "B00008L8: tape file 0 does not exist: partition 0 has 0 tape files"),
        ("export V00001L8 OUT001L8 --image-format mhvtl --file 0", "--file does not apply to image format mhvtl"),
        (
            "export V00001L8 OUT001L8 --image-format mhvtl --partition 0",
            "--partition does not apply to image format mhvtl",
        ),
        ("export V00001L8 no/out", "no/out: No such file or directory"),
        ("export V00001L8 no/OUT001L8 --image-format mhvtl", "no: directory does not exist"),
        ("import a.tar V00001L8 --partition 3", "V00001L8: partition 3 does not exist: the tape has partition 0 only"),
        ("import PAR002L6 NEW001L6 --block-size 512", "--block-size does not apply to image format mhvtl"),
        ("import a.tap V00001L8 --block-size 512", "--block-size is for plain streams"),
        (
            "import a.tar M00001L8 --overwrite --block-size 2097153",
            "block of 2097153 bytes exceeds the maximum of 2097152",
        ),
        ("import PAR002L6 no/NEW001L6", "no: directory does not exist"),
        ("attr V00001L8 0224 --partition 1", "V00001L8: partition 1 does not exist"),
        (
            "attr V00001L8 0809 text --partition 1",
            "V00001L8: partition 1 does not exist: the tape has partition 0 only",
        ),
        ("attr V00001L8 --partition 1", "V00001L8: partition 1 does not exist"),
        ("attr PAR002L6 0806 text --partition 1", "attribute 0806h concerns the whole cartridge, not partition 1"),
        (
            "attr PAR002L6 write-protect on --partition 1",
            "write-protect concerns the whole cartridge, not one partition; leave out --partition",
        ),
        ("attr V00001L8 0999", "\"0999\" is not an attribute"),
        ("attr V00001L8 0806", "V00001L8: the MAM has no attribute 0806"),
        ("create no/where/V00002L8", "no/where: directory does not exist"),
        ("create a.tar/V00002L8", "a.tar: is not a directory"),
        ("create V00003L8 --serial 123456789012345678901234567890123", "is not a medium serial number: at most 32"),
    ];
    let before = session(shelf.path(), &["verify V00001L8", "verify M00001L8", "attr V00001L8", "attr PAR002L6"]);
    for (command, expected) in commands {
        let said = run(shelf.path(), command);
        let errors: Vec<_> =
            said.lines().filter(|line| line.starts_with("ferric: ") || line.starts_with("{\"error\"")).collect();
        assert!(errors.len() == 1 && errors[0].contains(expected), "{said}");
        assert!(said.ends_with("[1]\n"), "{said}");
    }
    assert_eq!(
        session(shelf.path(), &["verify V00001L8", "verify M00001L8", "attr V00001L8", "attr PAR002L6"]),
        before
    );
    for name in ["no", "out", "out.tap", "OUT001L8", "NEW001L6", "V00002L8", "V00003L8"] {
        assert!(!shelf.path().join(name).exists(), "{name}");
    }
    // What exists in one of the partitions is shown; a blank tape has an empty first tape file.
    assert!(run(shelf.path(), "dump PAR002L6 --object 1").ends_with("[0]\n"));
    assert!(run(shelf.path(), "export B00008L8 empty").ends_with("[0]\n"));
    assert!(run(shelf.path(), "export V00001L8 out --file 0").ends_with("[0]\n"));
    assert_eq!(fs::read(shelf.path().join("out")).unwrap().len(), 3_000_000);
    assert!(run(shelf.path(), "dump V00001L8 --count 0").ends_with("[2]\n"));
}

/// A folder without the files of a cartridge cannot be repaired: the error says what to do instead, and nothing changes.
#[test]
fn what_no_repair_can_mend() {
    let shelf = tempfile::tempdir().unwrap();
    let path = |name: &str| shelf.path().join(name);
    let fifo = |path: PathBuf| assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
    fs::create_dir(path("EMPTY1L8")).unwrap();
    fs::write(path("FILE01L8"), "").unwrap();
    fifo(path("FIFO01L8"));
    for barcode in ["FOLDERL8", "PIPE01L8", "INDEX1L8"] {
        session(shelf.path(), &[&format!("create {barcode} --serial S1")]);
    }
    fs::remove_file(path("FOLDERL8/ferric.mam")).unwrap();
    fs::create_dir(path("FOLDERL8/ferric.mam")).unwrap();
    fs::remove_file(path("PIPE01L8/ferric.mam")).unwrap();
    fifo(path("PIPE01L8/ferric.mam"));
    fs::create_dir(path("INDEX1L8/indx.0")).unwrap();
    let commands = [
        ("EMPTY1L8", "this folder has no files of a cartridge, so nothing can be repaired"),
        ("FILE01L8", "not a directory; name the directory of a cartridge; nothing can be repaired"),
        ("FIFO01L8", "not a directory; name the directory of a cartridge; nothing can be repaired"),
        ("NONE01L8", "cartridge does not exist; nothing can be repaired"),
        (
            "FOLDERL8",
            "reading ferric.mam failed: Is a directory (os error 21); move it out of the folder FOLDERL8, then repair",
        ),
        ("PIPE01L8", "reading ferric.mam failed: not a regular file; move it out of the folder PIPE01L8, then repair"),
        ("INDEX1L8", "indx.0 failed: Is a directory (os error 21); move it out of the folder INDEX1L8, then repair"),
    ];
    for (barcode, what) in commands {
        for option in ["", " --truncate"] {
            let said = run(shelf.path(), &format!("repair {barcode}{option}"));
            assert!(said.contains(&format!("ferric: {barcode}: ")) && said.contains(what), "{said}");
            let forget = format!("to take it out of a site's inventory: ferric cartridge {barcode} --forget\n[1]\n");
            assert!(said.ends_with(&forget), "{said}");
        }
    }
    // The advice is right.
    fs::remove_dir(path("FOLDERL8/ferric.mam")).unwrap();
    assert!(run(shelf.path(), "repair FOLDERL8").ends_with("[0]\n"));
    assert!(run(shelf.path(), "verify FOLDERL8").ends_with("[0]\n"));
}

/// Without the second copy of a lost memory, the barcode and the data files give what they contain, and the message lists the rest.
#[test]
fn a_lost_memory_without_its_copy() {
    let shelf = tempfile::tempdir().unwrap();
    fs::write(shelf.path().join("a.tar"), vec![b'x'; 25_000]).unwrap();
    for (barcode, options, now) in [
        ("V00001L8", "", "it is now LTO-8 data of 12 TB, according to its barcode"),
        ("V00002LY", "", "it is now LTO-8 WORM of 12 TB, according to its barcode"),
        (
            "TAPE",
            " --media LTO-5",
            "it is now LTO-9 data of 18 TB, which is assumed, because its barcode does not name it",
        ),
    ] {
        session(shelf.path(), &[&format!("create {barcode} --serial S1 --size 100MB{options}")]);
        if !barcode.ends_with("LY") {
            session(shelf.path(), &[&format!("import a.tar {barcode}")]);
        }
        // An empty WORM cartridge has no data file; the files of data alone say that a cartridge is there.
        if barcode.ends_with("LY") {
            fs::write(shelf.path().join(barcode).join("ferric.mam.copy"), "damaged").unwrap();
        }
        fs::remove_file(shelf.path().join(barcode).join("ferric.mam")).unwrap();
        if !barcode.ends_with("LY") {
            fs::remove_file(shelf.path().join(barcode).join("ferric.mam.copy")).unwrap();
        }
        let said = run(shelf.path(), &format!("repair {barcode}"));
        assert!(
            said.contains(&format!("{barcode}: ferric.mam: is missing: rebuilt from the barcode and the files")),
            "{said}"
        );
        assert!(said.contains("write-protected; serial number, size, counters and host attributes are lost"), "{said}");
        assert!(said.contains(&format!("{barcode}: {now}\n")), "{said}");
        assert!(said.contains(&format!("allow writes: ferric tape attr {barcode} write-protect off")), "{said}");
        assert!(run(shelf.path(), &format!("attr {barcode} write-protect")).contains("\non\n"));
        assert!(run(shelf.path(), &format!("attr {barcode} write-protect off")).ends_with("[0]\n"));
    }
}
