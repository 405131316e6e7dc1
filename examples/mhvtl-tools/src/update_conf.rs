//! `update_device.conf`: upgrades the configuration of releases before 0.16, which had one library without a number.

use crate::getopt::Options;
use crate::{Invocation, ToolError, ToolResult};
use std::fs;
use std::io::Write;
use std::path::Path;
use tape_store::backend::file::replace;
use vtl::config::mhvtl::directory;

/// The first version of `device.conf` that has the positions of drives.
const VERSION: u32 = 4;

pub(crate) fn usage(name: &str) -> String {
    format!("Usage: {name} -- upgrade the configuration of old releases to version {VERSION}\n")
}

pub(crate) fn run(call: &Invocation<'_>, out: &mut dyn Write) -> ToolResult {
    let parsed = Options { short: "h", long: &[] }.parse(call)?;
    if parsed.has('h') {
        return Ok(write!(out, "{}", usage(call.name))?);
    }
    parsed.reject_operands()?;
    let etc = directory(&call.etc)?;
    let (devices, contents) = (etc.join("device.conf"), etc.join("library_contents"));
    let old = read(&devices)?;
    if is_new(&old) {
        return Ok(writeln!(out, "Nothing to upgrade.. Exiting")?);
    }
    let (text, library) = upgraded(&old).map_err(|what| ToolError::at(&devices, what))?;
    let numbered = etc.join(format!("library_contents.{library}"));
    if numbered.exists() {
        return Err(ToolError::at(&numbered, "file exists already; nothing was changed"));
    }
    // `device.conf` is written after the file that it needs: until then the configuration is unchanged.
    let elements = read(&contents)?;
    let write = |path: &Path, text: &str| replace(path, text.as_bytes()).map_err(|error| ToolError::at(path, error));
    write(&numbered, &elements)?;
    write(&devices, &text)?;
    fs::remove_file(&contents).map_err(|error| ToolError::at(&contents, error))
}

fn read(path: &Path) -> Result<String, ToolError> {
    fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).map_err(|error| ToolError::at(path, error))
}

fn is_new(text: &str) -> bool {
    let version = text.lines().find_map(|line| line.strip_prefix("VERSION:")?.trim().parse::<u32>().ok());
    version.is_some_and(|version| version >= VERSION)
        || text.lines().any(|line| line.trim_start().starts_with("Library ID:") && line.contains("Slot:"))
}

/// The new text, and the number of the library: the one after the numbers of the drives.
fn upgraded(old: &str) -> Result<(String, usize), String> {
    let begin = |word: &'static str| move |line: &&str| line.starts_with(word);
    let libraries = old.lines().filter(begin("Library:")).count();
    if libraries != 1 {
        return Err(format!("{libraries} libraries found; expected one, as in old releases"));
    }
    let number = old.lines().filter(begin("Drive:")).count() + 1;
    let (mut text, mut slot) = (String::new(), 0);
    for line in old.lines() {
        if let Some(rest) = line.strip_prefix("Library:") {
            let rest = rest.trim_start().trim_start_matches(|c: char| c.is_ascii_digit());
            text.push_str(&format!("Library: {number}{rest}\n"));
        } else if line.starts_with("VERSION:") {
            text.push_str(&format!("VERSION: {VERSION}\n"));
        } else {
            text.push_str(&format!("{line}\n"));
        }
        if line.starts_with("Drive:") {
            slot += 1;
            text.push_str(&format!(" Library ID: {number} Slot: {slot}\n"));
        }
    }
    Ok((text, number))
}
