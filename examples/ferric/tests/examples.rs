//! Runs the examples of every help text as printed, against a site and cartridges made for them.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "test code")]

use shelf::{Shelf, ShelfOptions, SiteCopy};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use tape_store::backend::memory::MemoryFolderStore;
use vtl::ControlError;
use vtl::config::parse;
use vtl::configuration::{ConfigurationFile, ConfigurationFileState, ConfigurationFileStatus};
use vtl::control::ReloadReport;
use vtl::control::socket::ControlSocket;
use vtl::data_dir::DataDir;
use vtl::notifications::{Notifications, NotifyStatus, NotifyTest};
use vtl::recent_log::RecentLog;
use vtl::site::Site;

/// The site of the examples: the default library, with a pool.
const CONFIG: &str = "[[pool]]\nname = \"scratch\"\npattern = \"S#####L8\"\nsize = \"64MB\"\n";

/// The chassis of the command that needs partitions.
const PARTITIONS: &str = include_str!("../../partitions/msl3040.toml");

/// The shelf of the commands that need one.
const SHELF: &str = "[[shelf]]\nname = \"archive\"\nurl = \"s3://tapes/archive\"\n";

/// Lines that make what the examples of a command need, if it is more than the site.
const PREPARATIONS: &[(&str, &str)] = &[
    ("unload", "ferric load V00002L8 drive1 && ferric load V00001L8 drive2"),
    ("import", "for b in V00004L8 V00005L8; do ferric move $b io1 && ferric export io1; done"),
    ("import", "mkdir -p mhvtl && for b in E01001L8 E01002L8; do ferric tape create mhvtl/$b --format mhvtl; done"),
    ("export", "ferric move slot4 io1"),
    ("tape", "ferric tape create ./tapes/V00001L8 --size 64MB && ferric tape create ./tapes/V00002L8 --size 64MB"),
    ("tape", "head -c 50000 /dev/zero | ferric tape import - ./tapes/V00001L8"),
    ("run", "cp \"$CARGO_MANIFEST_DIR/../faults/slow-drive.toml\" ."),
    ("run", "cargo build --quiet --package ferric-run --manifest-path \"$CARGO_MANIFEST_DIR/Cargo.toml\""),
    (
        "personality capture",
        "cargo build --quiet --package ferric-run --manifest-path \"$CARGO_MANIFEST_DIR/Cargo.toml\"",
    ),
    (
        "trace",
        "printf '{\"format\":\"ferric-trace\",\"version\":2}\\n{\"site\":{\"at_ms\":0,\"port\":\"iscsi\",\"configuration\":\"[[library]]\",\"written\":[],\"on_shelves\":[]}}\\n' > backup.trace",
    ),
    ("trace", "cp backup.trace drive.trace && printf '[[library]]\\n' > site.toml"),
    ("fault add", "mkdir examples && cp -r \"$CARGO_MANIFEST_DIR/../faults\" examples/faults"),
    ("fault clear", "ferric fault add --fault 'kind = \"busy\", name = \"bad block\"'"),
    ("personality import", "ferric run -- ferric personality capture /dev/sg1 --output drive.capture"),
    ("job show", "ferric job create scratch 1"),
    ("job cancel", "ferric job create scratch 10000 --detach"),
    ("job import", "ferric job export V00004L8 V00005L8"),
    ("tape import", "ferric tape export ./tapes/V00001L8 backup.tap"),
    ("shelf", "mkdir shelf recalled && ferric tape create ./tapes/V00001L8 --size 64MB"),
    ("shelf recall", "ferric shelf archive --shelf file://$PWD/shelf ./tapes/V00001L8"),
    ("shelf verify", "ferric shelf archive --shelf file://$PWD/shelf ./tapes/V00001L8"),
    ("cartridge copy", "mkdir shelf second && ferric tape create ./tapes/V00001L8 --size 64MB"),
    ("cartridge copy", "ferric shelf archive --shelf file://$PWD/shelf ./tapes/V00001L8"),
    ("shelf rewrap", "for k in a b; do head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \\n' > $k; done"),
    ("shelf rewrap", "ferric shelf archive --shelf file://$PWD/shelf --key file:a ./tapes/V00001L8"),
    ("shelf thaw", "ferric shelf archive --shelf file://$PWD/shelf ./tapes/V00001L8"),
    ("shelf destroy", "ferric shelf archive --shelf file://$PWD/shelf ./tapes/V00001L8"),
    ("recall", "ferric archive V00001L8 V00002L8"),
    ("token remove", "ferric token create backup-server"),
    ("config add", "printf '[[library]]\\nname = \"second\"\\n' > second-library.toml"),
    ("alarm acknowledge", "for flag in 1 2 3 4 5 6 7 8 9 10 11 12 13 14; do ferric alert $flag raise; done"),
];

/// The commands that are executed, with the examples in their help.
fn examples(directory: &Path, words: &[&str], found: &mut Vec<(String, Vec<String>)>) {
    let output = Command::new(env!("CARGO_BIN_EXE_ferric")).args(words).arg("--help").current_dir(directory).output();
    let text = String::from_utf8(output.unwrap().stdout).unwrap();
    let section = |heading: &str| -> Vec<String> {
        let lines = text.lines().skip_while(|line| *line != heading).skip(1);
        lines.take_while(|line| line.starts_with("  ")).map(|line| line.trim().to_owned()).collect()
    };
    for heading in ["Commands:", "Sources:"] {
        let names = section(heading).into_iter().map(|line| line.split(' ').next().unwrap().to_owned());
        // A description that continues on a second line is not the name of a command.
        for name in names.filter(|name| name != "help" && is_command(directory, words, name)) {
            examples(directory, &[words, &[name.as_str()]].concat(), found);
        }
    }
    // The examples of a group are those of its commands. A command such as `cartridge` does something without a further word,
    // too.
    let usage = text.lines().find(|line| line.starts_with("Usage: ")).unwrap_or_default();
    let has_commands = text.contains("\nCommands:\n") || text.contains("\nSources:\n");
    if !(has_commands && usage.ends_with('>')) {
        found.push((words.join(" "), section("Examples:")));
    }
}

fn is_command(directory: &Path, words: &[&str], name: &str) -> bool {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ferric"));
    let output = command.args(words).args([name, "--help"]).current_dir(directory).output().unwrap();
    // For another word, it is the help of the command before it.
    let usage = format!("Usage: {}", [&["ferric"], words, &[name]].concat().join(" "));
    output.status.success() && String::from_utf8_lossy(&output.stdout).contains(&usage)
}

/// Runs a line in a shell that has the program on its path. Returns the exit code and both outputs.
fn shell(directory: &Path, line: &str) -> (i32, String) {
    let programs = Path::new(env!("CARGO_BIN_EXE_ferric")).parent().unwrap();
    let path = format!("{}:{}", programs.display(), std::env::var_os("PATH").unwrap().to_string_lossy());
    let mut command = Command::new("bash");
    command.args(["-c", line]).current_dir(directory).env("PATH", path).env_remove("FERRIC_DATA");
    let output = command.output().unwrap();
    let text = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    (output.status.code().unwrap(), text)
}

/// A configuration of mhvtl with one library, one drive and two cartridges.
fn write_mhvtl_config(directory: &Path) {
    fs::create_dir(directory).unwrap();
    let devices = "Library: 10 CHANNEL: 00 TARGET: 00 LUN: 00\n Vendor identification: STK\n Product identification: L700\n\
         Unit serial number: XYZZY_A\n Home directory: ./home\n\n\
         Drive: 11 CHANNEL: 00 TARGET: 01 LUN: 00\n Library ID: 10 Slot: 01\n Vendor identification: IBM\n\
         Product identification: ULT3580-TD8\n Unit serial number: XYZZY_A1\n\n";
    fs::write(directory.join("device.conf"), devices).unwrap();
    fs::write(directory.join("library_contents.10"), "Drive 1:\n\nMAP 1:\n\nSlot 1: E01001L8\nSlot 2: E01002L8\n")
        .unwrap();
}

/// Notification targets of the site: one of any name, which works.
struct Targets;

impl Notifications for Targets {
    fn status(&self) -> Vec<NotifyStatus> {
        vec![NotifyStatus { target: "operators".into(), ..NotifyStatus::default() }]
    }

    fn test(&self, target: &str) -> Result<NotifyTest, ControlError> {
        Ok(NotifyTest { target: target.into(), answer: "HTTP status 204".into() })
    }
}

/// A configuration file that accepts every change.
struct File;

impl ConfigurationFile for File {
    fn status(&self) -> Option<ConfigurationFileStatus> {
        let (path, state) = ("ferric.toml".into(), ConfigurationFileState::InUse);
        Some(ConfigurationFileStatus { path, state, reason: None })
    }

    fn add(&self, _: &str) -> Result<ReloadReport, ControlError> {
        Ok(ReloadReport::default())
    }
}

/// Directory of the examples of one command: `./ferric-data` with the control socket of a site, `./tapes`, and files.
fn run_examples(name: &str, examples: &[String]) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    fs::create_dir(path.join("tapes")).unwrap();
    fs::write(path.join("ferric.toml"), CONFIG).unwrap();
    write_mhvtl_config(&path.join("mhvtl"));
    if name == "config init" {
        fs::remove_file(path.join("ferric.toml")).unwrap();
    }
    let data = path.join("ferric-data");
    let has_shelf = ["archive", "recall"].contains(&name);
    let text = match name {
        "assign" => PARTITIONS.into(),
        _ if has_shelf => format!("{CONFIG}{SHELF}"),
        _ => CONFIG.to_owned(),
    };
    let config = parse("ferric.toml", &text).unwrap();
    // Only these commands work on the files of a site.
    let storage = match name {
        "tape list" | "site recover" | "audit" | "import" | "import mhvtl" => {
            DataDir::open_configured(&data, &config).unwrap()
        }
        _ => DataDir::in_memory().with_shelf("archive", Box::<MemoryFolderStore>::default()),
    };
    fs::create_dir_all(&data).unwrap();
    let site = Site::open_data_dir(storage, &config).unwrap();
    site.set_reload_handler(Arc::new(|| Ok(ReloadReport::default())));
    site.set_notifications(Arc::new(Targets));
    site.set_configuration_file(Arc::new(File));
    site.set_recent_log(RecentLog::default());
    let control = ControlSocket::open(&data.join("control.sock"), &site).unwrap();
    if name == "site recover" {
        drop(control);
        site.shut_down().unwrap();
        drop(site);
        fs::remove_file(data.join("state.1")).unwrap();
        fs::remove_file(data.join("state.2")).unwrap();
    }
    if name == "site restore" {
        copy_sites(&path.join("shelf"));
    }
    for (_, line) in
        PREPARATIONS.iter().filter(|(command, _)| name == *command || name.starts_with(&format!("{command} ")))
    {
        let (code, text) = shell(path, line);
        assert_eq!(code, 0, "{name}: {line}: {text}");
    }
    for example in examples {
        // The only commands that do not end by themselves.
        let (line, expected) = match example.as_str() {
            line if name == "events" || line == "ferric trace --follow" => (format!("timeout 1 {line}"), 124),
            line if name == "serve iscsi" && !line.contains("--print-config") => (format!("timeout 1 {line}"), 124),
            // Not started: this machine does not have the module.
            line if name.starts_with("serve ") && name != "serve iscsi" => (line.to_owned(), 1),
            // The only one that needs a device of the machine.
            line if name == "personality capture" => (format!("ferric run -- bash -c '{line}'"), 0),
            line => (line.to_owned(), 0),
        };
        let (code, text) = shell(path, &line);
        assert_eq!(code, expected, "{name}: {example}\n{text}");
        assert_eq!(text.contains("kernel module mhvtl is not loaded"), expected == 1, "{name}: {example}\n{text}");
    }
}

/// A shelf with the copy of a site.
fn copy_sites(directory: &Path) {
    fs::create_dir(directory).unwrap();
    let url = format!("file://{}", directory.display());
    let shelf = Shelf::open(&url, [], ShelfOptions::new("test"), Arc::new(|_: &mut [u8]| Ok(()))).unwrap();
    let copy = SiteCopy { site: "0a1b2c3d".into(), files: [("state.1".to_owned(), Vec::new())].into() };
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(shelf.put_site(&copy))
        .unwrap();
}

#[test]
fn examples_of_every_command_run() {
    let directory = tempfile::tempdir().unwrap();
    let mut found = Vec::new();
    examples(directory.path(), &[], &mut found);
    assert!(found.len() > 30, "{found:?}");
    for (name, examples) in &found {
        assert!(!examples.is_empty(), "{name} has no example");
        run_examples(name, examples);
    }
}
