//! Cartridges, and where mhvtl's configuration has them.

use crate::{Call, Done, Failure};
use rustix::fs::Mode;
use rustix::process::umask;
use std::io::Write;
use std::path::{Path, PathBuf};
use tape_store::backend::file::{OsShelves, server};
use tape_store::cartridge::{Barcode, Cartridge, Kind};
use tape_store::error::StoreError;
use tape_store::media::LTO_9;
use tape_store::mhvtl::media::TABLE;
use tape_store::shelf::TapeStore;
use vtl::config::mhvtl::{OutlineKind, directory, outline};

/// The longest label.
const LONGEST: usize = 16;

/// A label that a cartridge can have.
pub(crate) fn barcode(text: &str) -> Result<Barcode, Failure> {
    Barcode::new(text).ok_or_else(|| {
        Failure::usage(match text.len() {
            0..=LONGEST => format!("error: {text:?} is not a barcode: 1 to {LONGEST} of A-Z, 0-9, - and _"),
            _ => format!("error: Max barcode length ({LONGEST}) exceeded: {text:?}"),
        })
    })
}

/// What a cartridge is for, by its beginning and in any case: `data`, `clean`, `WORM`, `NULL`.
pub(crate) fn kind(text: &str) -> Option<Kind> {
    let kinds = [("data", Kind::Data), ("clean", Kind::Cleaning), ("worm", Kind::Worm), ("null", Kind::Null)];
    let text = text.to_ascii_lowercase();
    kinds.into_iter().find(|(name, _)| text.starts_with(name)).map(|(_, kind)| kind)
}

/// Bytes of so many megabytes, which are mebibytes.
pub(crate) fn bytes(megabytes: u64) -> Result<u64, Failure> {
    /// 1 PiB.
    const MOST: u64 = 1 << 30;
    let wrong = || Failure::new(format!("error: -s: {megabytes} MB is more than a cartridge can hold: {MOST} MB"));
    if megabytes <= MOST { Ok(megabytes << 20) } else { Err(wrong()) }
}

/// Names of all densities, four in a row.
pub(crate) fn densities() -> String {
    let names: Vec<&str> = TABLE.iter().map(|density| density.name).collect();
    let row = |row: &[&str]| {
        format!("           {}\n", row.iter().map(|name| format!("{name:<8} ")).collect::<String>().trim_end())
    };
    names.chunks(4).map(row).collect()
}

/// The cartridges in a directory that is there. What is made in it is for its owner and group, as with mhvtl.
pub(crate) fn shelf(home: &Path) -> Result<TapeStore, Failure> {
    if !home.is_dir() {
        return Err(Failure::files(format!("error: no such directory: {}", home.display())));
    }
    umask(umask(Mode::RWXO) | Mode::RWXO);
    let shelves = OsShelves::at(home).map_err(|error| Failure::at(home, error))?.by_umask();
    Ok(TapeStore::new(Box::new(shelves)))
}

/// Libraries of the configuration, and their directories.
pub(crate) fn libraries(etc: &Path) -> Result<Vec<(u32, PathBuf)>, Failure> {
    let home = |kind| match kind {
        OutlineKind::Library { home } => Some(home),
        OutlineKind::Drive { .. } => None,
    };
    Ok(outline(etc)?.into_iter().filter_map(|unit| Some((unit.id, home(unit.kind)?))).collect())
}

/// The directory of a library.
pub(crate) fn home_of(etc: &Path, library: u32) -> Result<PathBuf, Failure> {
    let found = libraries(etc)?.into_iter().find(|(id, _)| *id == library);
    found
        .map(|(_, home)| home)
        .ok_or_else(|| Failure::at(&etc.join("device.conf"), format!("there is no library {library}")))
}

/// The directory of a library, or of all.
fn homes(call: &Call<'_>, library: Option<u32>) -> Result<Vec<PathBuf>, Failure> {
    let etc = directory(&call.etc)?;
    match library {
        Some(library) => Ok(vec![home_of(&etc, library)?]),
        None => Ok(libraries(&etc)?.into_iter().map(|(_, home)| home).collect()),
    }
}

/// What a tool does with a cartridge.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// It reads it.
    Read,
    /// It changes it: a cartridge that a Ferric daemon serves is refused.
    Change,
}

/// Looks for a cartridge, in a library or in all.
pub(crate) fn find(
    call: &Call<'_>,
    barcode: &Barcode,
    library: Option<u32>,
    access: Access,
    out: &mut dyn Write,
) -> Result<Option<Cartridge>, Failure> {
    for home in homes(call, library)?.iter().filter(|home| home.is_dir()) {
        writeln!(out, "mam from {}", home.join(barcode.as_str()).join("mam").display())?;
        let store = shelf(home)?;
        if store.exists(barcode).map_err(|error| failed(barcode, &error))? {
            if access == Access::Change {
                is_not_served(home)?;
            }
            // The medium and the kind are in the cartridge's memory.
            let mut cartridge = store.cartridge(barcode, &LTO_9, Kind::Data, 0);
            cartridge.mam().map_err(|error| failed(barcode, &error))?;
            return Ok(Some(cartridge));
        }
    }
    Ok(None)
}

/// Refuses to change the cartridges of a directory that a Ferric daemon serves.
pub(crate) fn is_not_served(home: &Path) -> Done {
    match server(home).ok().flatten() {
        None => Ok(()),
        Some(server) => {
            Err(Failure::new(format!("error: {}: {server} serves this directory; stop it first", home.display())))
        }
    }
}

/// Names the cartridge in an error.
pub(crate) fn failed(barcode: &Barcode, error: &StoreError) -> Failure {
    Failure::new(format!("error: {barcode}: {error}"))
}
