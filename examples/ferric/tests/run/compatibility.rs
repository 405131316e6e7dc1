//! Records for `docs/compatibility.md`.

use std::fs;
use std::path::Path;
use std::process::Command;

/// Records that programs did something with `ferric run` without a failure: the program, its Debian package, and what it did.
pub(crate) fn record(rows: &[[&str; 3]]) {
    for [program, package, done] in rows {
        record_result(program, package, done, "passed");
    }
}

/// Records the result of a program. `cargo xtask compatibility` reads it.
pub(crate) fn record_result(program: &str, package: &str, done: &str, result: &str) {
    let target = Path::new(env!("CARGO_BIN_EXE_ferric")).ancestors().nth(2).unwrap();
    let directory = target.join("compatibility");
    fs::create_dir_all(&directory).unwrap();
    let version = Command::new("dpkg-query").args(["-W", "-f=${Version}", package]).output().unwrap();
    assert!(version.status.success(), "{package} is not installed");
    let version = String::from_utf8(version.stdout).unwrap();
    // A file for each record, so that tests that run at the same time do not disturb each other.
    let name: String = format!("{program} {done}").chars().filter(char::is_ascii_alphanumeric).take(200).collect();
    fs::write(directory.join(name), format!("{program}\t{version}\t{done}\t`ferric run`\t{result}\n")).unwrap();
}
