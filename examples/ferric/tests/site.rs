//! Commands for a running site, as snapshots; serial numbers and names are configured.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test that cannot go on has failed")]

use std::fmt::Write;
use std::path::Path;
use std::process::Command;
use tempfile::tempdir;
use vtl::config::parse;
use vtl::control::socket::ControlSocket;
use vtl::data_dir::DataDir;
use vtl::site::Site;

const CONFIG: &str = "[iscsi]\niqn = \"iqn.2026-01.com.example:tape\"\n\
    [[library]]\nserial = \"0000000001\"\nslots = 8\nimport_export = 2\nshelf = \"vault\"\n\
    [[library.drive]]\nmodel = \"ULT3580-TD8\"\nserial = \"0000000002\"\n\
    [[library.drive]]\nmodel = \"Ultrium 7-SCSI\"\nserial = \"0000000003\"\n\
    [[library.cartridges]]\npattern = \"A##L8\"\ncount = 4\nsize = \"64MB\"\n\
    [[library.cartridges]]\npattern = \"CLN001L8\"\n\
    [[library]]\nname = \"small\"\nmodel = \"IBM 3573-TL\"\nserial = \"0000000004\"\nslots = 2\nimport_export = 1\n\
    shelf = \"vault\"\n[[library.drive]]\nmodel = \"ULT3580-HH7\"\nserial = \"0000000005\"\n\
    [[pool]]\nname = \"daily\"\npattern = \"D##L7\"\nsize = \"64MB\"\nlibrary = \"small\"\nscratch = 2\n";

/// Runs commands of one line each, and shows what they said.
fn session(socket: &Path, commands: &[&str]) -> String {
    let mut shown = String::new();
    for line in commands {
        let output = Command::new(env!("CARGO_BIN_EXE_ferric"))
            .args(line.split_whitespace())
            .arg("--socket")
            .arg(socket)
            .output()
            .unwrap();
        let text = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap()).concat();
        writeln!(shown, "$ ferric {line}\n{}[{}]", text, output.status.code().unwrap()).unwrap();
    }
    shown
}

/// A line each.
const COMMANDS: &[&str] = &[
    "status",
    "load A02L8",
    "load slot1",
    "move slot3 io1 --library main",
    "export io1 --library main",
    "label A04L8 unreadable",
    "slot slot7 disable --library main",
    "drive drive2 offline --library main",
    "door access open --library small",
    "status",
    "load A04L8",
    "import A03L8 slot1 --library small",
    "drive --json --library small",
    "alert",
    "alert 28 raise --library main",
    "alert 5 raise --drive drive1 --library main",
    "alert",
    "alert --drive drive1 --library main",
    "alert --drive drive2 --library main",
    "alert 28 --library main",
    "alert 5 --drive A02L8",
    "alert 65",
    "status --library main",
    "drive A02L8",
    "drive drive1",
    "drive slot1 --library main",
    "slot A04L8",
    "slot io1 --library main",
    "slot drive1 --library main",
    "slot slot7 --library main --json",
    "cartridge A04L8",
    "cartridge a04l8",
    "cartridge A04L8 --library small",
    "cartridge --library small",
    "pool daily",
    "pool daily --library main",
    "pool Daily",
    "unload slot4 --library main",
    "unload A02L8",
    "cartridge A04L8 --protect on",
    "cartridge A03L8 --delete",
    "cartridge D01L7 --retain tomorrow",
    "cartridge",
    "pool",
    "pool daily --create 1",
    "pool daily --create 1 --library main",
    "reload",
    "load nothing",
    "load a01l8",
    "status --library Main",
    "reload --library main",
    "fault load --library main",
    "load A01L8",
];

#[test]
fn operator_session_matches_snapshot() {
    let dir = tempdir().unwrap();
    let socket = dir.path().join("s");
    let site = Site::open_data_dir(DataDir::in_memory(), &parse("f", CONFIG).unwrap()).unwrap();
    let _control = ControlSocket::open(&socket, &site).unwrap();
    let shown = session(&socket, COMMANDS);
    insta::assert_snapshot!(shown);
}

/// A configuration to begin with is one that is accepted, and nothing is written over.
#[test]
fn generated_configuration_is_valid() {
    let dir = tempdir().unwrap();
    let ferric = |arguments: &[&str]| {
        let output =
            Command::new(env!("CARGO_BIN_EXE_ferric")).args(arguments).current_dir(dir.path()).output().unwrap();
        let text = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap()).concat();
        (text, output.status.code().unwrap())
    };
    let (said, code) = ferric(&["config", "init"]);
    assert_eq!((said.as_str(), code), ("ferric.toml: written; start it with ferric-iscsid --config ferric.toml\n", 0));
    let text = std::fs::read_to_string(dir.path().join("ferric.toml")).unwrap();
    assert!(text.contains("\n#slots = 24\n") && text.contains("\n#secret = "), "{text}");
    assert_eq!(ferric(&["config", "check", "ferric.toml"]).1, 0);
    let (said, code) = ferric(&["config", "init"]);
    assert!(said.contains("ferric.toml: File exists") && said.contains("nothing was written") && code == 1, "{said}");
    assert_eq!(ferric(&["config", "init", "-"]), (text, 0));
}

/// The check refuses all that the daemon refuses, with the same words.
#[test]
fn config_check_agrees_with_daemon() {
    let dir = tempdir().unwrap();
    let file = dir.path().join("f.toml");
    let check = |text: &str| {
        std::fs::write(&file, text).unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_ferric")).args(["config", "check"]).arg(&file).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        said.replace(&file.display().to_string(), "f.toml")
    };
    let said = check("[[cartridges]]\npattern = \"A##L8\"\ncount = 30\n");
    assert!(said.starts_with("ferric: f.toml:2: cartridges.pattern: no slot of 24 is left"), "{said}");
    let two = "[[library]]\ntarget = \"t\"\nlun = 0\n[[library]]\nname = \"b\"\ntarget = \"t\"\nlun = 1\n";
    let said = check(two);
    assert!(said.starts_with("ferric: f.toml:7: library.lun: LUN 1 of target"), "{said}");
    let said = check("[[pool]]\nname = \"p\"\npattern = \"S#L8\"\nscratch = 10\n");
    assert!(said.starts_with("ferric: f.toml:4: pool.scratch: 10 blank cartridges are wanted"), "{said}");
    let said = check("[storage]\ncartridges = [\"/nonexistent/x\"]\n");
    assert!(
        said.starts_with("ferric: f.toml:2: storage.cartridges: directory /nonexistent/x does not exist"),
        "{said}"
    );
    let said = check("[[iscsi.user]]\nname = \"u\"\nsecret = hunter2hunter2\n");
    assert_eq!(said, "ferric: f.toml:3: iscsi.user.secret: a secret is a string in double quotes\n");
}

/// No daemon, and one that may not be asked.
#[test]
fn missing_or_forbidden_daemon_is_explained() {
    let dir = tempdir().unwrap();
    let ask = |path: &Path| session(path, &["status"]).replace(&dir.path().display().to_string(), "DIR");
    let expected = "$ ferric status\nferric: no daemon answers at DIR/none/s: start ferric serve iscsi, or name its data directory \
                    with --data DIR\n[1]\n";
    assert_eq!(ask(&dir.path().join("none/s")), expected);
    // A daemon that was killed leaves its socket.
    let path = dir.path().join("s");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert_eq!(ask(&path), expected.replace("none/", ""));
}
