//! `make_vtl_media`: creates the cartridges that the `library_contents` files name.

use crate::cartridges::{barcode, cartridge_error, check_not_served, libraries, megabytes_to_bytes, open_store};
use crate::getopt::{Options, ParsedOptions};
use crate::mktape::{NewTape, create_tape};
use crate::{Invocation, ToolError, ToolResult};
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use tape_store::cartridge::{Barcode, CartridgeKind};
use tape_store::media::{LTO_7M, LTO_9};
use tape_store::mhvtl::media::{MhvtlMedium, for_media};
use vtl::config::mhvtl::{default_capacity_mb, directory, slot_barcodes};

/// Minimum number of letters and digits before the media suffix.
const MIN_PREFIX_LEN: usize = 6;

pub(crate) fn usage(name: &str) -> String {
    format!(
        "Usage: {name}: [OPTIONS] -- create the cartridges of all libraries
where OPTIONS are from:
  [-h|--help]            -- print this message and exit
  [-H|--home-dir DIR]    -- directory of the cartridges [default: from device.conf, for each library]
  [-C|--config-dir DIR]  -- configuration dir [default /etc/mhvtl]
  [-f|--force]           -- replace existing cartridges: their data is lost
  [-c|--create-dir]      -- create the directory if it is missing
  [-m|--mktape-path DIR] -- accepted, has no effect
"
    )
}

pub(crate) fn run(call: &Invocation<'_>, out: &mut dyn Write) -> ToolResult {
    let long = &[
        ("help", 'h'),
        ("home-dir", 'H'),
        ("config-dir", 'C'),
        ("force", 'f'),
        ("create-dir", 'c'),
        ("mktape-path", 'm'),
    ];
    let parsed = Options { short: "hH:C:fcm:", long }.parse(call)?;
    if parsed.has('h') {
        return Ok(write!(out, "{}", usage(call.name))?);
    }
    parsed.reject_operands()?;
    let etc = parsed.value('C').map_or_else(|| directory(&call.etc), |etc| Ok(PathBuf::from(etc)))?;
    let capacity = megabytes_to_bytes(default_capacity_mb(&etc)?)?;
    let devices = etc.join("device.conf");
    let mut libraries = libraries(&etc)?;
    for (_, home) in &mut libraries {
        if let Some(path) = parsed.value('H') {
            *home = path.into();
        }
        ensure_directory(home, parsed.has('c'))?;
    }
    writeln!(out, "===> Reading from {} file to find Tape Libraries and Drives ...", devices.display())?;
    let mut unknown = Vec::new();
    for (library, home) in libraries {
        let contents = etc.join(format!("library_contents.{library}"));
        writeln!(out, "===> Scanning for 'Slot' entries in {} ...", contents.display())?;
        let found: BTreeMap<String, usize> =
            slot_barcodes(&contents)?.into_iter().map(|(line, label)| (label, line)).collect();
        for (label, line) in found {
            match parse_label(&label) {
                Some(medium) => create_one(call, &parsed, (&home, medium, capacity), out)?,
                None => unknown.push(format!(
                    "error: {}:{line}: {label:?} has no media suffix of a known density",
                    contents.display()
                )),
            }
        }
    }
    if unknown.is_empty() { Ok(()) } else { Err(ToolError::new(unknown.join("\n"))) }
}

/// Creates a missing directory, if `create` is set.
fn ensure_directory(home: &Path, create: bool) -> ToolResult {
    if home.is_dir() {
        return Ok(());
    }
    if !create {
        return Err(ToolError::usage(format!("error: no such directory: {}", home.display())));
    }
    let _ = writeln!(io::stderr(), "warning: creating directory: {}", home.display());
    fs::create_dir_all(home).map_err(|error| ToolError::at(home, error))
}

type Medium = (Barcode, &'static MhvtlMedium, CartridgeKind);

/// Creates one cartridge. An existing one is skipped, or replaced with `-f`.
fn create_one(
    call: &Invocation<'_>,
    parsed: &ParsedOptions,
    (home, medium, capacity): (&Path, Medium, u64),
    out: &mut dyn Write,
) -> ToolResult {
    let (barcode, density, kind) = medium;
    let folder = home.join(barcode.as_str());
    if folder.is_dir() {
        if !parsed.has('f') {
            return Ok(writeln!(out, "Directory already exists: {}: skipping", folder.display())?);
        }
        remove(home, &barcode)?;
        writeln!(out, "warning: removing entry: {}", folder.display())?;
    }
    writeln!(out, "===> Creating entry: {} ...", folder.display())?;
    create_tape(call, &NewTape { home, barcode, density, kind, capacity }, true, out)
}

/// Deletes a cartridge, unless it is loaded or a daemon serves it.
fn remove(home: &Path, barcode: &Barcode) -> ToolResult {
    check_not_served(home)?;
    let store = open_store(home)?;
    if store.exists(barcode).map_err(|error| cartridge_error(barcode, &error))? {
        let mut cartridge = store.cartridge(barcode, &LTO_9, CartridgeKind::Data, 0);
        let free = cartridge.check_unloaded().and_then(|()| cartridge.open_read_only().map(drop));
        free.map_err(|error| cartridge_error(barcode, &error))?;
    }
    store.remove(barcode).map_err(|error| cartridge_error(barcode, &error))
}

/// Parses a barcode: the density from its suffix, and the kind of the cartridge.
fn parse_label(label: &str) -> Option<Medium> {
    let barcode = barcode(label).ok()?;
    let (before, _) = label.split_at_checked(label.len().checked_sub(2)?)?;
    let enough = before.bytes().rev().take_while(u8::is_ascii_alphanumeric).count() >= MIN_PREFIX_LEN;
    // LTO-7 type M is a density that a drive sets: no cartridge is created with it.
    let (media, _) = barcode.media().filter(|(media, _)| enough && *media != &LTO_7M)?;
    let kind = match barcode.kind() {
        CartridgeKind::Data if label.starts_with('W') => CartridgeKind::Worm,
        kind => kind,
    };
    Some((barcode, for_media(media)?, kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_parsed() {
        for (label, density, kind) in [
            ("E01001L8", "LTO8", CartridgeKind::Data),
            ("E01001L9", "LTO9", CartridgeKind::Data),
            ("E01001LT", "LTO3", CartridgeKind::Worm),
            ("E01001LZ", "LTO9", CartridgeKind::Worm),
            ("LONGER-E01001L1", "LTO1", CartridgeKind::Data),
            ("W01001L4", "LTO4", CartridgeKind::Worm),
            ("CLN101L8", "LTO8", CartridgeKind::Cleaning),
            ("CLN101LU", "LTO4", CartridgeKind::Cleaning),
            ("G03001TA", "T10KA", CartridgeKind::Data),
            ("A00001JX", "E05", CartridgeKind::Worm),
            ("A00001JC", "E06", CartridgeKind::Data),
            ("A00001TU", "9940B", CartridgeKind::Data),
            ("A00001S2", "SDLT320", CartridgeKind::Data),
        ] {
            let (_, found, found_kind) = parse_label(label).unwrap_or_else(|| panic!("{label}"));
            assert_eq!((found.name, found_kind), (density, kind), "{label}");
        }
        for label in ["E1001L8", "E01001", "e01001L8", "A00001S4", "A00001M8", "A00001XX", "A-0001L8", ""] {
            assert!(parse_label(label).is_none(), "{label}");
        }
    }
}
