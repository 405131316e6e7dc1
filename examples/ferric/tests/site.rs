//! What people see of a running site, and what they can do to it. Snapshots, with names that are given.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test that cannot go on has failed")]

use std::fmt::Write;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use tempfile::tempdir;
use vtl::config::parse;
use vtl::control::socket::Control;
use vtl::data_dir::Data;
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

#[test]
fn at_the_machine() {
    let dir = tempdir().unwrap();
    let socket = dir.path().join("s");
    let site = Site::of(Data::in_memory(), &parse("f", CONFIG).unwrap()).unwrap();
    let _control = Control::open(&socket, &site, Arc::new(|| Err("no file".into()))).unwrap();
    let shown = session(
        &socket,
        &[
            "status",
            "load A02L8",
            "load slot1",
            "move slot3 port1 --library main",
            "export port1 --library main",
            "label A04L8 unreadable",
            "slot slot7 disable --library main",
            "drive drive2 offline --library main",
            "door access open --library small",
            "status",
            "load A04L8",
            "import A03L8 slot1 --library small",
            "drive --json --library small",
            "alert",
            "cartridge A04L8 --protect on",
            "cartridge A03L8 --delete",
            "cartridge D01L7 --retain tomorrow",
            "cartridge",
            "pool",
            "pool daily --make 1",
            "reload",
            "load nothing",
        ],
    );
    insta::assert_snapshot!(shown);
}
