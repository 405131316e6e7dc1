//! Commands and options of the previous release: accepted with one warning, refused together with their replacement.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "test code")]

use std::path::Path;
use std::process::Command;
use vtl::config::parse;
use vtl::control::socket::ControlSocket;
use vtl::data_dir::DataDir;
use vtl::site::Site;

/// Runs a command line. Returns the exit code and both outputs.
fn run(directory: &Path, line: &str) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ferric"));
    let output = command.args(line.split_whitespace()).current_dir(directory).output().unwrap();
    let [stdout, stderr] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    (output.status.code().unwrap(), stdout, stderr)
}

#[test]
fn former_words_of_tape_commands_warn() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("a.bin"), [7; 100]).unwrap();
    for (line, expected) in [
        ("tape create V00001L8 --level ferric", "write --format native instead of --level ferric"),
        ("tape create V00002L8 --level mhvtl", "write --format mhvtl instead of --level mhvtl"),
        ("tape create V00003L8 --format ferric", "write --format native instead of --format ferric"),
        ("tape convert V00001L8 --level mhvtl", "write --format mhvtl instead of --level mhvtl"),
        ("tape convert V00001L8 --format ferric", "write --format native instead of --format ferric"),
        ("tape import a.bin V00001L8 --format plain", "write --image-format instead of --format"),
        ("tape export V00001L8 b.tap --format aws", "write --image-format instead of --format"),
    ] {
        let (code, _, stderr) = run(dir.path(), line);
        let warning = format!("ferric: warning: {expected}; the next release refuses the former words\n");
        assert_eq!((code, stderr), (0, warning), "{line}");
    }
    let (_, shown, _) = run(dir.path(), "tape show V00001L8 --json");
    assert!(shown.contains(r#""format": "native""#), "{shown}");
    // AWS, although the name ends in .tap: a header of six bytes that begins with the length.
    assert_eq!(std::fs::read(dir.path().join("b.tap")).unwrap()[..2], [100, 0]);
    let (_, listed, _) = run(dir.path(), "tape list .");
    assert!(
        listed.starts_with("barcode          medium   kind      format        size        free  loads\n"),
        "{listed}"
    );
}

#[test]
fn former_option_and_its_replacement_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    for (line, options) in [
        ("tape create V00001L8 --format native --level mhvtl", ["--format", "--level"]),
        ("tape convert V00001L8 --level mhvtl --format native", ["--format", "--level"]),
        ("tape import a V00001L8 --format simh --image-format aws", ["--format", "--image-format"]),
        ("tape export V00001L8 a --image-format aws --format simh", ["--format", "--image-format"]),
        ("pool p --make 1 --create 1", ["--make", "--create"]),
    ] {
        let (code, _, stderr) = run(dir.path(), line);
        assert_eq!(code, 2, "{line}: {stderr}");
        assert!(
            stderr.contains("cannot be used with") && options.iter().all(|option| stderr.contains(option)),
            "{stderr}"
        );
    }
    let (code, _, stderr) = run(dir.path(), "tape convert V00001L8");
    assert!(code == 2 && stderr.contains("--format <FORMAT>"), "{stderr}");
}

#[test]
fn former_words_of_site_commands_warn() {
    let dir = tempfile::tempdir().unwrap();
    let config = "[library]\nslots = 4\nimport_export = 2\n[[drive]]\nmodel = \"ULT3580-TD8\"\n[[cartridges]]\n\
        pattern = \"A#L8\"\ncount = 2\nsize = \"64MB\"\n[[pool]]\nname = \"p\"\npattern = \"P#L8\"\nsize = \"64MB\"\n";
    let site = Site::open_data_dir(DataDir::in_memory(), &parse("f", config).unwrap()).unwrap();
    let socket = dir.path().join("s");
    let _control = ControlSocket::open(&socket, &site).unwrap();
    for (line, stdout, expected) in [
        ("move slot1 port1", "A1L8: slot1 -> io1\n", "write io1 instead of port1"),
        ("move port1 port2", "A1L8: io1 -> io2\n", "write io1 instead of port1, write io2 instead of port2"),
        ("slot port2", "main  io2  11  A1L8\n", "write io2 instead of port2"),
        ("slot port2 disable", "", "write io2 instead of port2"),
        ("slot port2 enable", "", "write io2 instead of port2"),
        ("export port2", "A1L8: io2 -> shelf main\n", "write io2 instead of port2"),
        ("import A1L8 port1", "A1L8: shelf main -> io1\n", "write io1 instead of port1"),
        ("load port1", "A1L8: io1 -> drive1\n", "write io1 instead of port1"),
        ("door station open", "", "write ferric door io-station instead of ferric door station"),
        ("door station close", "", "write ferric door io-station instead of ferric door station"),
        ("fail load", "", "write ferric fault instead of ferric fail"),
        ("pool p --make 1", "P1L8\n", "write --create instead of --make"),
    ] {
        let (code, shown, stderr) = run(dir.path(), &format!("{line} --socket s"));
        let warning = format!("ferric: warning: {expected}; the next release refuses the former words\n");
        assert_eq!((code, shown.as_str(), stderr), (0, stdout, warning), "{line}");
    }
    let (code, _, stderr) = run(dir.path(), "move port9 slot1 --socket s");
    assert!(code == 1 && stderr.ends_with("ferric: library \"main\" has no io9; it has io1 and io2\n"), "{stderr}");
    for help in ["--help", "pool --help", "door --help", "tape create --help", "tape import --help"] {
        let (_, shown, _) = run(dir.path(), help);
        let former = ["--make", "--level", "  fail ", "- station", "possible values: ferric"];
        assert!(!former.iter().any(|word| shown.contains(word)), "{shown}");
        assert!(!help.contains("import") || !shown.contains("  --format"), "{shown}");
    }
}

#[test]
fn config_check_warns_of_former_words() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(
        dir.path().join("f.toml"),
        "[library]\nexport = \"at once\"\n[[cartridges]]\npattern = \"A1L8\"\nlevel = \"ferric\"\n",
    )
    .unwrap();
    let (code, stdout, stderr) = run(dir.path(), "config check f.toml");
    assert_eq!((code, stdout.as_str()), (0, "f.toml: 1 library, 2 drives, 0 pools\n"));
    let expected = "ferric: warning: f.toml:2: library.export: write \"auto\" instead of \"at once\", which the next release refuses\n\
        ferric: warning: f.toml:5: cartridges.level: write format = \"native\" instead of level = \"ferric\", which the next \
        release refuses\n";
    assert_eq!(stderr, expected);
}
