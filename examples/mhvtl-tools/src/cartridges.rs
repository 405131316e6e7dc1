//! Finds cartridges through mhvtl's configuration, and parses barcodes, kinds and capacities.

use crate::{Invocation, ToolError, ToolResult};
use rustix::fs::Mode;
use rustix::process::umask;
use std::io::Write;
use std::path::{Path, PathBuf};
use tape_store::backend::file::{OsFolderStore, serving_process};
use tape_store::cartridge::{Barcode, Cartridge, CartridgeKind};
use tape_store::error::StoreError;
use tape_store::media::LTO_9;
use tape_store::mhvtl::media::MHVTL_MEDIA;
use tape_store::store::TapeStore;
use vtl::config::mhvtl::{DeviceKind, device_summaries, directory};

/// Maximum length of a barcode in characters.
const MAX_BARCODE_LEN: usize = 16;

/// Parses a barcode.
pub(crate) fn barcode(text: &str) -> Result<Barcode, ToolError> {
    Barcode::new(text).ok_or_else(|| {
        ToolError::usage(match text.len() {
            0..=MAX_BARCODE_LEN => {
                format!("error: {text:?} is not a barcode: 1 to {MAX_BARCODE_LEN} of A-Z, 0-9, - and _")
            }
            _ => format!("error: Max barcode length ({MAX_BARCODE_LEN}) exceeded: {text:?}"),
        })
    })
}

/// Parses a kind of cartridge by its prefix, ignoring case: `data`, `clean`, `WORM` or `NULL`.
pub(crate) fn kind(text: &str) -> Option<CartridgeKind> {
    let kinds = [
        ("data", CartridgeKind::Data),
        ("clean", CartridgeKind::Cleaning),
        ("worm", CartridgeKind::Worm),
        ("null", CartridgeKind::Null),
    ];
    let text = text.to_ascii_lowercase();
    kinds.into_iter().find(|(name, _)| text.starts_with(name)).map(|(_, kind)| kind)
}

/// Converts a capacity in mhvtl's megabytes, which are MiB, to bytes.
pub(crate) fn megabytes_to_bytes(megabytes: u64) -> Result<u64, ToolError> {
    /// 1 PiB in MiB.
    const MAX_MEGABYTES: u64 = 1 << 30;
    let wrong =
        || ToolError::new(format!("error: -s: {megabytes} MB is more than a cartridge can hold: {MAX_MEGABYTES} MB"));
    if megabytes <= MAX_MEGABYTES { Ok(megabytes << 20) } else { Err(wrong()) }
}

/// The names of all densities, four in each line.
pub(crate) fn densities() -> String {
    let names: Vec<&str> = MHVTL_MEDIA.iter().map(|density| density.name).collect();
    let row = |row: &[&str]| {
        format!("           {}\n", row.iter().map(|name| format!("{name:<8} ")).collect::<String>().trim_end())
    };
    names.chunks(4).map(row).collect()
}

/// Opens the cartridges of an existing directory. New files are accessible to owner and group only, as with mhvtl.
pub(crate) fn open_store(home: &Path) -> Result<TapeStore, ToolError> {
    if !home.is_dir() {
        return Err(ToolError::files(format!("error: no such directory: {}", home.display())));
    }
    umask(umask(Mode::RWXO) | Mode::RWXO);
    let shelves = OsFolderStore::at(home).map_err(|error| ToolError::at(home, error))?.with_umask_permissions();
    Ok(TapeStore::new(Box::new(shelves)))
}

/// Numbers and home directories of the libraries in the configuration.
pub(crate) fn libraries(etc: &Path) -> Result<Vec<(u32, PathBuf)>, ToolError> {
    let home = |kind| match kind {
        DeviceKind::Library { home_directory: home } => Some(home),
        DeviceKind::Drive { .. } => None,
    };
    Ok(device_summaries(etc)?.into_iter().filter_map(|unit| Some((unit.id, home(unit.kind)?))).collect())
}

/// The home directory of a library.
pub(crate) fn home_directory(etc: &Path, library: u32) -> Result<PathBuf, ToolError> {
    let found = libraries(etc)?.into_iter().find(|(id, _)| *id == library);
    found
        .map(|(_, home)| home)
        .ok_or_else(|| ToolError::at(&etc.join("device.conf"), format!("there is no library {library}")))
}

/// The home directory of one library, or of all.
fn home_directories(call: &Invocation<'_>, library: Option<u32>) -> Result<Vec<PathBuf>, ToolError> {
    let etc = directory(&call.etc)?;
    match library {
        Some(library) => Ok(vec![home_directory(&etc, library)?]),
        None => Ok(libraries(&etc)?.into_iter().map(|(_, home)| home).collect()),
    }
}

/// The access of a tool to a cartridge.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// It reads the cartridge.
    Read,
    /// It changes the cartridge, which is refused while a Ferric daemon serves it.
    Change,
}

/// Finds a cartridge in one library, or in all.
pub(crate) fn find(
    call: &Invocation<'_>,
    barcode: &Barcode,
    library: Option<u32>,
    access: Access,
    out: &mut dyn Write,
) -> Result<Option<Cartridge>, ToolError> {
    for home in home_directories(call, library)?.iter().filter(|home| home.is_dir()) {
        writeln!(out, "mam from {}", home.join(barcode.as_str()).join("mam").display())?;
        let store = open_store(home)?;
        if store.exists(barcode).map_err(|error| cartridge_error(barcode, &error))? {
            if access == Access::Change {
                check_not_served(home)?;
            }
            // Medium and kind are read from the MAM.
            let mut cartridge = store.cartridge(barcode, &LTO_9, CartridgeKind::Data, 0);
            cartridge.mam().map_err(|error| cartridge_error(barcode, &error))?;
            return Ok(Some(cartridge));
        }
    }
    Ok(None)
}

/// Refuses to change the cartridges of a directory that a Ferric daemon serves.
pub(crate) fn check_not_served(home: &Path) -> ToolResult {
    match serving_process(home).ok().flatten() {
        None => Ok(()),
        Some(server) => {
            Err(ToolError::new(format!("error: {}: {server} serves this directory; stop it first", home.display())))
        }
    }
}

/// Names the cartridge in an error of the store.
pub(crate) fn cartridge_error(barcode: &Barcode, error: &StoreError) -> ToolError {
    ToolError::new(format!("error: {barcode}: {error}"))
}
