//! `generate_device_conf`: writes mhvtl's default `device.conf` with two libraries.

use crate::getopt::Options;
use crate::{DEFAULT_HOME, Invocation, ToolError, ToolResult};
use std::fmt::Write as _;
use std::fs;
use std::io::Write;
use std::path::Path;

const FILE: &str = "device.conf";
const HEAD: &str = "
VERSION: 5

# Libraries and drives. A section begins with its header in the first column and ends at an empty line.
# NAA: eight bytes in hexadecimal.  Compression: factor 1 (fastest) to 9 (smallest), enabled 0 or 1.
";

struct Library {
    id: u8,
    target: u8,
    product: &'static str,
    serial: &'static str,
    drives: [Drive; 4],
}

/// Vendor, product and revision; the other values follow from the position.
#[derive(Clone, Copy)]
struct Drive(&'static str, &'static str, &'static str);

const TD8: Drive = Drive("IBM", "ULT3580-TD8", "2160");
const TD6: Drive = Drive("IBM", "ULT3580-TD6", "2160");
const T10KB: Drive = Drive("STK", "T10000B", "550V");

/// mhvtl's default libraries.
const LIBRARIES: [Library; 2] = [
    Library { id: 10, target: 0, product: "L700", serial: "XYZZY_A", drives: [TD8, TD8, TD6, TD6] },
    Library { id: 30, target: 8, product: "L80", serial: "XYZZY_B", drives: [T10KB; 4] },
];

pub(crate) fn usage(name: &str) -> String {
    format!(
        "Usage: {name}: [OPTIONS] -- generate a {FILE} file
where OPTIONS are from:
  [-h|--help]          -- print this message and exit
  [-H|--home-dir DIR]  -- directory of the cartridges [default {DEFAULT_HOME}]
  [-D|--dest-dir DIR]  -- destination dir [default .]
  [-f|--force]         -- overwrite an existing file
  [-o|--override-home] -- allow a home directory that does not exist
"
    )
}

pub(crate) fn run(call: &Invocation<'_>, out: &mut dyn Write) -> ToolResult {
    let long = &[("help", 'h'), ("home-dir", 'H'), ("dest-dir", 'D'), ("force", 'f'), ("override-home", 'o')];
    let parsed = Options { short: "hH:D:fo", long }.parse(call)?;
    if parsed.has('h') {
        return Ok(write!(out, "{}", usage(call.name))?);
    }
    parsed.reject_operands()?;
    let home = parsed.value('H').unwrap_or(DEFAULT_HOME);
    if !Path::new(home).is_dir() && !parsed.has('o') {
        return Err(ToolError::usage(format!("error: {home} not a directory")));
    }
    generate(&Path::new(parsed.value('D').unwrap_or(".")).join(FILE), &text(home), parsed.has('f'), out)
}

/// Writes a file; replaces an existing one only with `force`.
pub(crate) fn generate(path: &Path, text: &str, force: bool, out: &mut dyn Write) -> ToolResult {
    if path.exists() && !force {
        return Err(ToolError::new(format!("error: already exists: {}", path.display())));
    }
    writeln!(out, "===> Generating: {} ...", path.display())?;
    fs::write(path, text).map_err(|error| ToolError::at(path, error))
}

fn text(home: &str) -> String {
    let mut text = HEAD.to_owned();
    for Library { id, target, product, serial, drives } in LIBRARIES {
        let _ = write!(
            text,
            "
Library: {id:02} CHANNEL: 00 TARGET: {target:02} LUN: 00
 Vendor identification: STK
 Product identification: {product}
 Unit serial number: {serial}
 NAA: {id:02}:22:33:44:ab:00:{target:02}:00
 Home directory: {home}
 PERSIST: False
 Backoff: 400
"
        );
        for (Drive(vendor, product, revision), slot) in drives.into_iter().zip(1..) {
            let (drive, target) = (id + slot, target + slot);
            let _ = write!(
                text,
                "
Drive: {drive:02} CHANNEL: 00 TARGET: {target:02} LUN: 00
 Library ID: {id:02} Slot: {slot:02}
 Vendor identification: {vendor}
 Product identification: {product}
 Product revision level: {revision}
 Unit serial number: {serial}{slot}
 NAA: {id:02}:22:33:44:ab:00:{target:02}:00
 Compression: factor 1 enabled 1
 Compression type: lzo
 Backoff: 400
"
            );
        }
    }
    text + "\n"
}
