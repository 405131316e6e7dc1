//! The shapes of all JSON documents, as a snapshot, and their description in docs/command-line.md.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "test code")]

use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::Command;
use tape_store::backend::memory::MemoryFolderStore;
use vtl::config::parse;
use vtl::control::socket::ControlSocket;
use vtl::data_dir::DataDir;
use vtl::recent_log::RecentLog;
use vtl::site::Site;

const CONFIG: &str = "[library]\nslots = 6\nimport_export = 2\n[[drive]]\nmodel = \"ULT3580-TD8\"\n\
    [[cartridges]]\npattern = \"A#L8\"\ncount = 2\nsize = \"64MB\"\n\
    [[pool]]\nname = \"p\"\npattern = \"P#L8\"\nsize = \"64MB\"\n\
    [[shelf]]\nname = \"archive\"\nurl = \"s3://tapes/archive\"\n";

/// Every command that prints a document, in an order in which each succeeds.
const COMMANDS: &[&str] = &[
    "status",
    "library",
    "drive",
    "slot slot1",
    "load A1L8",
    "unload A1L8",
    "move A1L8 io1",
    "export io1",
    "import A1L8",
    "alert 28 raise",
    "alert",
    "pool",
    "pool p --create 1",
    "job create p 1",
    "job verify A2L8",
    "archive A2L8",
    "cartridge A2L8",
    "recall A2L8",
    "job list",
    "cartridge A1L8",
    "cartridge contents A2L8",
    "cartridge files A2L8",
    "sessions",
    "alarm list",
    "alarm acknowledge --all",
    "log",
    "config show --socket s",
    "config check f.toml --socket s",
    "door io-station open",
    "counters",
    "tape create V1L8 --size 64MB",
    "tape import image V1L8",
    "tape list .",
    "tape show V1L8",
    "tape dump V1L8 --count 1",
    "tape verify V1L8",
    "tape repair V1L8",
    "tape export V1L8 copy",
    "tape export V1L8 --image-format mhvtl M1L8",
    "tape import M1L8 V2L8",
    "tape convert V1L8 --format mhvtl",
    "tape attr V1L8 0400",
    "tape attr V1L8 0806 text",
    "tape attr V1L8 write-protect",
    "shelf archive --shelf SHELF V1L8",
    "shelf list --shelf SHELF",
    "shelf catalog --shelf SHELF",
    "shelf catalog --shelf SHELF --rebuild",
    "shelf verify --shelf SHELF V1L8",
    "shelf recall --shelf SHELF V1L8 --to recalled",
    "shelf check --shelf SHELF",
    "shelf status",
    "cartridge copy V1L8 --from SHELF --to SHELF",
    "config check f.toml",
    "config init new.toml",
    "config init -",
    "config import mhvtl",
    "config reference",
    "config models",
    "migrate mhvtl --config mhvtl --check",
    "tape create home/E01001L8 --format mhvtl",
    "migrate mhvtl --config mhvtl --verify",
    "migrate mhvtl --config mhvtl --output migrated.toml --copy copies",
    "migrate mhvtl --config mhvtl --output migrated.toml --rollback",
    "site recover data",
    "completions bash",
    "man pages",
];

/// The shape of a value: types instead of scalars, and the first element of a list. Collects the keys.
fn shape(value: &Value, keys: &mut BTreeSet<String>) -> String {
    match value {
        Value::Null => "null".into(),
        Value::Bool(_) => "bool".into(),
        Value::Number(_) => "number".into(),
        Value::String(_) => "text".into(),
        Value::Array(list) => format!("[{}]", list.first().map(|first| shape(first, keys)).unwrap_or_default()),
        Value::Object(fields) => {
            let field = |(key, value): (&String, &Value)| {
                keys.insert(key.clone());
                format!("{key}: {}", shape(value, keys))
            };
            format!("{{{}}}", fields.iter().map(field).collect::<Vec<_>>().join(", "))
        }
    }
}

fn prepare(directory: &Path) {
    fs::write(directory.join("f.toml"), CONFIG).unwrap();
    fs::write(directory.join("image"), [7; 1000]).unwrap();
    for name in ["mhvtl", "home", "shelf", "recalled"] {
        fs::create_dir(directory.join(name)).unwrap();
    }
    let devices = "Library: 10 CHANNEL: 00 TARGET: 00 LUN: 00\n Vendor identification: STK\n Product identification: L700\n\
         Unit serial number: XYZZY_A\n Home directory: ./home\n movecommand: /bin/true;true\n\n\
         Drive: 11 CHANNEL: 00 TARGET: 01 LUN: 00\n Library ID: 10 Slot: 01\n Vendor identification: IBM\n\
         Product identification: ULT3580-TD8\n Unit serial number: XYZZY_A1\n\n";
    fs::write(directory.join("mhvtl/device.conf"), devices).unwrap();
    fs::write(directory.join("mhvtl/library_contents.10"), "Drive 1:\n\nMAP 1:\n\nSlot 1: E01001L8\n").unwrap();
    let config = parse("f", "[library]\nslots = 2\n[[cartridges]]\npattern = \"B1L8\"\nsize = \"64MB\"\n").unwrap();
    Site::open(&directory.join("data"), &config).unwrap().shut_down().unwrap();
}

#[test]
fn documents_have_documented_shapes() {
    let dir = tempfile::tempdir().unwrap();
    prepare(dir.path());
    let storage = DataDir::in_memory().with_shelf("archive", Box::<MemoryFolderStore>::default());
    let site = Site::open_data_dir(storage, &parse("f", CONFIG).unwrap()).unwrap();
    let _control = ControlSocket::open(&dir.path().join("s"), &site).unwrap();
    site.set_recent_log(RecentLog::default());
    let (mut shown, mut keys) = (String::new(), BTreeSet::new());
    let shelf = format!("file://{}", dir.path().join("shelf").display());
    for line in COMMANDS {
        let is_local = line != &"shelf status"
            && ["tape", "shelf", "config", "migrate", "site", "completions", "man"]
                .contains(&line.split(' ').next().unwrap());
        let socket: &[&str] = if is_local { &[] } else { &["--socket", "s"] };
        let mut command = Command::new(env!("CARGO_BIN_EXE_ferric"));
        let output = command
            .args(socket)
            .args(line.replace("SHELF", &shelf).split(' '))
            .arg("--json")
            .current_dir(dir.path())
            .output()
            .unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{line}: {output:?}");
        let document: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{line}: {error}"));
        writeln!(shown, "ferric {line}\n  {}", shape(&document, &mut keys)).unwrap();
    }
    insta::assert_snapshot!(shown);
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/command-line.md")).unwrap();
    let control = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/control.md")).unwrap();
    let is_undocumented = |key: &&String| !page.contains(&format!("`{key}`")) && !control.contains(&format!("`{key}`"));
    // The name of the shelf is a key, too.
    keys.remove("main");
    let missing: Vec<&String> = keys.iter().filter(is_undocumented).collect();
    assert!(missing.is_empty(), "not in docs/command-line.md: {missing:?}");
}
