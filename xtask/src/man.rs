//! The man pages of all programs. Each program writes its own pages, from the definition of its command line.

use crate::guest::workspace;
use crate::shell::{check, print_line, run as shell};
use std::ffi::OsString;
use std::path::absolute;
use std::process::Command;

/// The programs, and the words that precede the directory on their command lines. `ferric` writes the pages of the daemons.
const PROGRAMS: [(&str, &str); 2] = [("ferric", "man"), ("ferric-stream", "--man-pages")];

/// Builds the programs and writes their pages into a directory.
pub(crate) fn run(directory: Option<OsString>) -> Result<(), String> {
    let directory = directory.ok_or("cargo xtask man DIR: name the directory of the pages")?;
    let directory = absolute(&directory).map_err(|error| error.to_string())?;
    shell("cargo", ["build", "--quiet", "--package", "ferric", "--package", "initiator", "--bins"])?;
    for (program, option) in PROGRAMS {
        let path = workspace().join("target/debug").join(program);
        check(program, Command::new(path).arg(option).arg(&directory))?;
    }
    print_line(&format!("man pages: {}", directory.display()));
    Ok(())
}
