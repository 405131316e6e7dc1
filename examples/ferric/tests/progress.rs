//! Progress bars: on a terminal, and neither in a pipe nor with JSON.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "test code")]

use std::path::Path;
use std::process::{Command, Stdio};
use vtl::config::parse;
use vtl::control::socket::ControlSocket;
use vtl::data_dir::DataDir;
use vtl::site::Site;

/// Runs a line of the shell, on a pseudo-terminal or with pipes. Returns everything that it prints.
fn run(directory: &Path, line: &str, terminal: bool) -> String {
    let programs = Path::new(env!("CARGO_BIN_EXE_ferric")).parent().unwrap().display().to_string();
    let path = format!("{programs}:{}", std::env::var_os("PATH").unwrap().to_string_lossy());
    let mut command = if terminal {
        let mut script = Command::new("script");
        script.args(["--quiet", "--return", "--command", line, "/dev/null"]);
        script
    } else {
        let mut shell = Command::new("bash");
        shell.args(["-c", line]);
        shell
    };
    command.current_dir(directory).env("PATH", path).env("TERM", "xterm").env("COLUMNS", "100").stdin(Stdio::null());
    let output = command.output().unwrap();
    let text = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    assert!(output.status.success(), "{line}: {text}");
    text
}

#[test]
fn long_work_has_a_bar_on_a_terminal_only() {
    let dir = tempfile::tempdir().unwrap();
    let text = "[library]\nslots = 4\n[[pool]]\nname = \"p\"\npattern = \"P###L8\"\nsize = \"64MB\"\n";
    let site = Site::open_data_dir(DataDir::in_memory(), &parse("f", text).unwrap()).unwrap();
    let _control = ControlSocket::open(&dir.path().join("s"), &site).unwrap();
    run(dir.path(), "head -c 3000000 /dev/urandom > image", false);
    let create = "rm -rf V00001L8 V00002L8 M00001L8 && ferric tape create V00001L8 --size 64MB";
    let fill = format!("{create} && ferric tape import image V00001L8");
    let copy = format!("{fill} && ferric tape export V00001L8 --image-format mhvtl M00001L8");
    for (preparation, line, shown) in [
        (create, "ferric tape import image V00001L8", "/3.00 MB"),
        (create, "cat image | ferric tape import - V00001L8", "B/s"),
        (&fill, "ferric tape verify V00001L8", " left"),
        (&fill, "ferric tape export V00001L8 copy", " objects, "),
        (&fill, "ferric tape convert V00001L8 --format mhvtl", " left"),
        (&fill, "ferric tape export V00001L8 --image-format mhvtl M00001L8", " left"),
        (&copy, "ferric tape import M00001L8 V00002L8", " left"),
        ("true", "ferric pool p --create 3 --socket s", "/3 cartridges"),
        ("true", "ferric job create p 3 --socket s", "/3 cartridges"),
    ] {
        let json = format!("{line} --json");
        for (line, terminal, has_bar) in [(line, false, false), (&json, true, false), (line, true, true)] {
            run(dir.path(), preparation, false);
            let printed = run(dir.path(), line, terminal);
            // The escape sequences of the bar, which is cleared at the end.
            assert_eq!(printed.contains('\u{1b}'), has_bar, "{line}: {printed:?}");
            assert_eq!(printed.contains(shown), has_bar, "{line}: {printed:?}");
        }
    }
}
