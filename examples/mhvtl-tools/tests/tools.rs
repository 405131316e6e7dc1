//! Output and effects of the tools, as snapshots. The files of dumped cartridges were written by mhvtl.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "test code")]

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

/// A directory with a configuration that names it, and cartridges of mhvtl.
struct TestDirectory(TempDir);

impl TestDirectory {
    /// `etc` as `generate_device_conf` makes it, and `home`.
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        fs::create_dir(place.at("etc")).unwrap();
        fs::create_dir(place.at("home")).unwrap();
        let home = place.at("home").display().to_string();
        place.run(&["generate_device_conf", "-D", "etc", "-H", &home]);
        place
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Runs a tool and returns its standard output and standard error without the usage text, and its exit code.
    fn run(&self, words: &[&str]) -> String {
        let mut program = Command::new(env!("CARGO_BIN_EXE_ferric-mhvtl"));
        program.args(["--config-dir", "etc"]).args(words);
        self.run_command(program, &words.join(" "))
    }

    fn run_command(&self, mut program: Command, line: &str) -> String {
        let program = program.env("SOURCE_DATE_EPOCH", "1700000000").current_dir(self.0.path());
        let Output { status, stdout, stderr } = program.output().unwrap();
        let (out, err) = (String::from_utf8_lossy(&stdout), String::from_utf8(stderr).unwrap());
        let (err, usage) = err.split_once("Usage").map_or((err.as_str(), ""), |(err, _)| (err, "(usage)\n"));
        let text = format!("$ {line}\n{out}{err}{usage}[{}]\n", status.code().unwrap());
        text.replace(&self.0.path().display().to_string(), "DIR")
    }

    fn session(&self, lines: &[&str]) -> String {
        lines.iter().map(|line| self.run(&line.split_whitespace().collect::<Vec<_>>())).collect()
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.at(name)).unwrap().replace(&self.0.path().display().to_string(), "DIR")
    }

    fn copy_golden(&self, barcode: &str) {
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crates/tape-store/tests/golden/mhvtl-1.8");
        let to = self.at("home").join(barcode);
        fs::create_dir(&to).unwrap();
        for file in fs::read_dir(golden.join(barcode)).unwrap().map(Result::unwrap) {
            fs::write(to.join(file.file_name()), fs::read(file.path()).unwrap()).unwrap();
        }
    }
}

#[test]
fn configurations_are_made() {
    let place = TestDirectory::new();
    let mut printed = place.session(&[
        "generate_device_conf -D etc -H home",
        "generate_device_conf -H nowhere",
        "generate_device_conf --dest-dir=. --override-home -H /nowhere",
        "generate_device_conf more",
        "generate_library_contents --config-dir etc -D etc",
        "generate_library_contents -D etc",
        "generate_library_contents -D etc -f",
        "generate_library_contents -C nowhere",
    ]);
    let devices = place.read("etc/device.conf");
    // A library with a number that mhvtl's defaults do not have.
    fs::write(place.at("device.conf"), devices.replace("Library: 30", "Library: 5").replace("ID: 30", "ID: 05"))
        .unwrap();
    printed += &place.session(&["generate_library_contents -C ."]);
    assert!(place.read("library_contents.5").contains("\nDrive 4:\n\nPicker"));
    assert!(place.read("library_contents.5").contains("\nSlot 39: M00539L8\n"));
    insta::assert_snapshot!(printed);
    insta::assert_snapshot!(devices + &place.read("etc/library_contents.10"));
    assert!(place.read("etc/library_contents.30").ends_with("Slot 39: G03039TA\nSlot 40: CLN303TA\n"));
}

#[test]
fn media_are_made_from_labels() {
    let place = TestDirectory::new();
    fs::write(place.at("etc/mhvtl.conf"), "CAPACITY=64\n").unwrap();
    let contents = "Slot 1: E01001L8\nSlot 2: G00001TZ\nSlot 3: odd\nSlot 4: E01001L9\nSlot 5:\nSlot 6: CLN101L8\nSlot 7: E01001M8\n";
    fs::write(place.at("etc/library_contents.10"), contents).unwrap();
    fs::write(place.at("etc/library_contents.30"), "Slot 1: W00001LY\n").unwrap();
    let printed = place.session(&[
        "make_vtl_media",
        "make_vtl_media -m /usr/bin",
        "dump_tape -m W00001LY",
        "dump_tape -m E01001L9",
        "make_vtl_media -H other",
        "make_vtl_media -x",
    ]);
    insta::assert_snapshot!(printed);
    fs::write(place.at("etc/library_contents.10"), "Slot 1: E01001L8\n").unwrap();
    fs::write(place.at("etc/mhvtl.conf"), "CAPACITY=many\n").unwrap();
    let mut printed = place.session(&["make_vtl_media"]);
    fs::write(place.at("etc/mhvtl.conf"), "").unwrap();
    printed += &place.session(&["make_vtl_media --create-dir --home-dir other/home", "make_vtl_media -f"]);
    // A cartridge that is loaded in mhvtl is not replaced.
    place.copy_golden("DRT001L8");
    fs::write(place.at("etc/library_contents.10"), "Slot 1: DRT001L8\n").unwrap();
    printed += &place.session(&["make_vtl_media -f"]);
    insta::assert_snapshot!(printed);
    assert!(place.at("other/home/W00001LY/mam").exists());
}

#[test]
fn cartridges_are_made_and_changed() {
    let place = TestDirectory::new();
    let long = "mktape -l 10 -m E02001L8 -s 500 -t data -d LTO8";
    let other = |from: &str, to: &str| long.replace(from, to);
    let printed = place.session(&[
        &other("data", "data -v"),
        long,
        "mktape",
        "mktape -V",
        "mktape -m",
        "mktape -m X",
        &other("-l 10", "-l 0"),
        &other("-l 10", "-l 77"),
        &other("-s 500", "-s 5x"),
        &other("-s 500", "-s 99999999999"),
        &other("-t data", "-t tape"),
        &other("LTO8", "LTO12"),
        &other("E02001L8", "e02001L8"),
        &other("E02001L8", "E0200102001020018"),
        &other("-l 10", "-l 10 -H nowhere"),
        &other("-l 10", "-l 10 -C nowhere"),
        &other("E02001L8 -s 500 -t data", "C02001L8 -D5 -s 0 -t clean"),
        "edit_tape -m E02001L8 -w on -s 20",
        "dump_tape -m E02001L8",
        "edit_tape -l 10 -m E02001L8 -w off -d T10KA -s 0 -t WORM",
        "dump_tape -l 30 -m E02001L8",
        "dump_tape -m E02001L8 -l 5",
        "edit_tape -m E02001L8 -d LTO12",
        "edit_tape -m E02001L8 -t tape",
        "edit_tape -m NONE",
        "edit_tape -V",
        "edit_tape -l 10",
    ]);
    insta::assert_snapshot!(printed);
    let mam = fs::read(place.at("home/C02001L8/mam")).unwrap();
    let modes =
        ["", "mam", "data.0"].map(|name| place.at("home/C02001L8").join(name).metadata().unwrap().mode() & 0o007);
    assert_eq!(modes, [0; 3], "no access for other users");
    // MAXIMUM CAPACITY, serial number, MEDIUM TYPE and the number of cleanings.
    assert_eq!(mam[0x18..0x20], 12_000_000_000_000_u64.to_be_bytes());
    assert_eq!(&mam[0x153..0x166], b"C02001L8_1700000000");
    assert_eq!((mam[0x1b4], &mam[0x1b9..0x1bb]), (6, &[20, 0][..]));
    // A cartridge that lost its MAM is not created again over its data.
    fs::write(place.at("home/C02001L8/data.0"), "data").unwrap();
    fs::remove_file(place.at("home/C02001L8/mam")).unwrap();
    assert!(place.session(&[&long.replace("E02001L8", "C02001L8")]).ends_with("[2]\n"));
    assert_eq!(place.read("home/C02001L8/data.0"), "data");
}

#[test]
fn cartridges_are_dumped() {
    let place = TestDirectory::new();
    for barcode in ["ENC001L8", "MIX001L8", "PAR002L6", "NUL001L8", "V3A001L6", "DRT001L8"] {
        place.copy_golden(barcode);
    }
    let printed = place.session(&[
        "dump_tape -m ENC001L8 -D",
        "dump_tape -m MIX001L8",
        "dump_tape -m PAR002L6 -v",
        "dump_tape -m NUL001L8 -D",
        "dump_tape -m V3A001L6",
        "edit_tape -m DRT001L8 -w on",
        "dump_tape",
        "dump_tape -b 5",
    ]);
    insta::assert_snapshot!(printed);
    let path = place.at("home/MIX001L8/data.0");
    let mut bytes = fs::read(&path).unwrap();
    bytes[70] ^= 1;
    fs::write(path, bytes).unwrap();
    fs::write(place.at("home/PAR002L6/mam"), "no").unwrap();
    insta::assert_snapshot!(place.session(&["dump_tape -D -m MIX001L8", "dump_tape -m PAR002L6"]));
}

#[test]
fn preload_writes_files() {
    let place = TestDirectory::new();
    let text: String = (0..300).map(|number| format!("line {number}\n")).collect();
    fs::write(place.at("text"), &text).unwrap();
    let printed = place.session(&[
        "mktape -l 10 -m E02001L8 -s 1 -t data -d LTO8",
        "preload_tape -m E02001L8 -F text -b 1000 -c ZLIB -v",
        "dump_tape -m E02001L8",
        "preload_tape -m E02001L8 -F text -b 2000 -c lzo",
        "dump_tape -m E02001L8 -D",
        "preload_tape -m E02001L8 -F none -b 2000 -c NONE",
        "preload_tape -m E02001L8 -F text -b 0 -c NONE",
        "preload_tape -m E02001L8 -F text -b 3000000 -c NONE",
        "preload_tape -m E02001L8 -F text -b 2000 -c RAR",
        "preload_tape -m E02001L8 -F text -b 2000",
        "preload_tape -m NONE -F text -b 2000 -c NONE",
        "edit_tape -m E02001L8 -w on",
        "preload_tape -m E02001L8 -F text -b 2000 -c NONE",
    ]);
    insta::assert_snapshot!(printed);
    let full = place.session(&["edit_tape -m E02001L8 -w off"]);
    fs::write(place.at("big"), vec![7; 3 << 20]).unwrap();
    insta::assert_snapshot!(full + &place.session(&["preload_tape -m E02001L8 -F big -b 65536 -c NONE"]));
    // The data read equals the data written.
    place.session(&["preload_tape -m E02001L8 -F text -b 100000 -c ZLIB"]);
    assert!(place.session(&["dump_tape -m E02001L8 -D -v"]).contains(&format!("Data:\n{text}End of data\n")));
}

#[test]
fn deprecated_and_unusual_options() {
    let place = TestDirectory::new();
    fs::create_dir(place.at("run")).unwrap();
    let printed = place.session(&[
        "mhvtl-device-conf-generator -d run run run",
        "mhvtl-device-conf-generator run run run",
        "mhvtl-device-conf-generator run",
        "update_device.conf",
        "build_library_config me now",
        "make_vtl_devices you me",
        "make_vtl_devices no-such-user",
        "dump_messageQ -x",
        "nonsense",
        "links nowhere",
    ]);
    insta::assert_snapshot!(printed);
    let link = fs::read_link(place.at("run/mhvtl.target.wants/vtltape@34.service")).unwrap();
    assert_eq!(link, Path::new("/lib/systemd/system/vtltape@.service"));
    let old = "VERSION: 2\n\nLibrary: 0 CHANNEL: 0 TARGET: 0 LUN: 0\n Vendor identification: STK\n\n\
               Drive: 1 CHANNEL: 0 TARGET: 1 LUN: 0\n\nDrive: 2 CHANNEL: 0 TARGET: 2 LUN: 0\n";
    fs::write(place.at("etc/device.conf"), old).unwrap();
    let without = place.session(&["update_device.conf"]);
    assert_eq!(place.read("etc/device.conf"), old, "nothing changes without the contents");
    fs::write(place.at("etc/library_contents"), "Slot 1: X\n").unwrap();
    let printed = without + &place.session(&["update_device.conf", "update_device.conf"]);
    insta::assert_snapshot!(printed + &place.read("etc/device.conf"));
    assert_eq!(place.read("etc/library_contents.3"), "Slot 1: X\n");
    assert!(!place.at("etc/library_contents").exists());
}

/// A link with the name of a tool runs that tool.
#[test]
fn links_call_their_tools() {
    let place = TestDirectory::new();
    fs::create_dir(place.at("bin")).unwrap();
    assert_eq!(place.session(&["links bin"]).lines().count(), 15);
    assert!(place.session(&["links bin"]).ends_with("[0]\n"), "again");
    let printed = place.run_command(Command::new(place.at("bin/mktape")), "bin/mktape");
    assert_eq!(printed, "$ bin/mktape\nerror: not enough arguments\n(usage)\n[1]\n");
    let mut renamed = Command::new(env!("CARGO_BIN_EXE_ferric-mhvtl"));
    renamed.arg0("/usr/bin/dump_tape").arg("-x");
    assert_eq!(
        place.run_command(renamed, "dump_tape -x"),
        "$ dump_tape -x\ndump_tape: invalid option -- 'x'\n(usage)\n[1]\n"
    );
    fs::remove_file(place.at("bin/mktape")).unwrap();
    fs::write(place.at("bin/mktape"), "another program").unwrap();
    assert!(place.session(&["links bin"]).contains("bin/mktape: another file has this name and was not replaced"));
    assert_eq!(place.read("bin/mktape"), "another program");
}

#[test]
fn output_that_cannot_be_written_changes_nothing() {
    let place = TestDirectory::new();
    let make = |barcode: &str, output: std::process::Stdio| {
        let mut program = Command::new(env!("CARGO_BIN_EXE_ferric-mhvtl"));
        let words =
            ["--config-dir", "etc", "mktape", "-v", "-l", "10", "-s", "50", "-t", "data", "-d", "LTO5", "-m", barcode];
        program.args(words).current_dir(place.0.path()).stdout(output).output().unwrap()
    };
    let gone = make("A00001L5", std::io::pipe().unwrap().1.into());
    assert_eq!((gone.status.code(), String::from_utf8(gone.stderr).unwrap().as_str()), (Some(0), ""));
    let full = make("A00002L5", fs::File::options().write(true).open("/dev/full").unwrap().into());
    assert_eq!(full.status.code(), Some(1));
    assert!(String::from_utf8(full.stderr).unwrap().contains("mktape: standard output: No space left on device"));
    for barcode in ["A00001L5", "A00002L5"] {
        assert!(place.at("home").join(barcode).join("mam").exists(), "{barcode}");
    }
}

/// Cartridges that a running Ferric daemon serves are not changed; a new cartridge can still be created.
#[test]
fn served_cartridges_are_not_changed() {
    let place = TestDirectory::new();
    fs::write(place.at("file"), "data").unwrap();
    place.run(&["mktape", "-l", "10", "-m", "E01001L8", "-s", "64", "-t", "data", "-d", "LTO8"]);
    let mut served = tape_store::backend::file::OsFolderStore::at(&place.at("home")).unwrap();
    served.mark_served().unwrap();
    fs::write(place.at("etc/library_contents.10"), "Slot 1: E01001L8\n").unwrap();
    let own = std::process::id();
    for line in ["edit_tape -m E01001L8 -w on", "preload_tape -m E01001L8 -F file -b 10 -c NONE", "make_vtl_media -f"] {
        let printed = place.session(&[line]);
        assert!(printed.contains("error: DIR/home: "), "{printed}");
        assert!(
            printed.ends_with(&format!("(process {own}) serves this directory; stop it first\n[1]\n")),
            "{printed}"
        );
    }
    let printed = place.session(&["mktape -l 10 -m E01002L8 -s 64 -t data -d LTO8", "dump_tape -m E01001L8"]);
    assert!(!printed.contains("serves") && printed.ends_with("[0]\n"), "{printed}");
    drop(served);
    assert!(place.session(&["edit_tape -m E01001L8 -w on"]).ends_with("[0]\n"));
}

/// The check for a daemon is made in the directory of the cartridge, although the directory of an earlier library has a
/// folder with its name.
#[test]
fn a_daemon_serves_the_second_library() {
    let place = TestDirectory::new();
    place.run(&["mktape", "-l", "10", "-m", "E01001L8", "-s", "64", "-t", "data", "-d", "LTO8"]);
    fs::create_dir_all(place.at("first/E01001L8")).unwrap();
    let library = |id: u32, home: &str| {
        format!("Library: {id} CHANNEL: 00 TARGET: 00 LUN: 00\n Home directory: {}\n\n", place.at(home).display())
    };
    fs::write(place.at("etc/device.conf"), [library(9, "first"), library(10, "home")].concat()).unwrap();
    let mut served = tape_store::backend::file::OsFolderStore::at(&place.at("home")).unwrap();
    served.mark_served().unwrap();
    let printed = place.session(&["edit_tape -m E01001L8 -w on"]);
    assert!(
        printed.contains("error: DIR/home: ") && printed.ends_with("serves this directory; stop it first\n[1]\n"),
        "{printed}"
    );
}
