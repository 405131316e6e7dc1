//! The cartridges in mhvtl's directories, and their copies.

use crate::cli_error::{CliError, ErrorCode};
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use tape_store::backend::file::{OsFolderStore, serving_process};
use tape_store::cartridge::{Barcode, Cartridge};
use tape_store::error::StoreError;
use tape_store::store::TapeStore;
use tape_store::verify;
use vtl::config::Config;
use vtl::config::mhvtl::ImportedConfig;

/// One cartridge of mhvtl.
pub(super) struct Tape {
    pub(super) barcode: Barcode,
    /// The home directory of its library.
    pub(super) home: PathBuf,
}

impl Tape {
    /// Opens mhvtl's cartridge. Nothing is changed.
    pub(super) fn open(&self) -> Result<Cartridge, StoreError> {
        store(&self.home).find(&self.barcode)
    }
}

/// The cartridges of a directory. Files that are created have the permissions and the owner of the directory, since other programs use
/// it.
pub(super) fn store(directory: &Path) -> TapeStore {
    TapeStore::new(Box::new(OsFolderStore::at_unchecked(directory).with_umask_permissions()))
}

/// All cartridges in mhvtl's directories, listed in a library or not, by directory and barcode.
pub(super) fn tapes(imported: &ImportedConfig) -> Result<Vec<Tape>, CliError> {
    let mut tapes = Vec::new();
    for home in imported.home_directories.iter().filter(|home| home.is_dir()) {
        let failed = |error| CliError::Cartridge(home.display().to_string(), error);
        for barcode in cartridges(home).map_err(failed)? {
            tapes.push(Tape { barcode, home: home.clone() });
        }
    }
    Ok(tapes)
}

/// Stored bytes of all these cartridges that can be opened.
pub(super) fn used_bytes(tapes: &[Tape]) -> u64 {
    tapes.iter().filter_map(|tape| verify::used_bytes(&mut tape.open().ok()?).ok()).sum()
}

/// Barcodes of the cartridges that a library has.
pub(super) fn listed(config: &Config) -> BTreeSet<&Barcode> {
    config.libraries.iter().flat_map(|library| &library.cartridges).map(|setup| &setup.barcode).collect()
}

/// Barcodes of the cartridges in a directory.
pub(super) fn cartridges(directory: &Path) -> Result<Vec<Barcode>, StoreError> {
    let store = store(directory);
    let mut found = Vec::new();
    for barcode in store.list()? {
        if store.exists(&barcode)? {
            found.push(barcode);
        }
    }
    Ok(found)
}

/// Directories with a cartridge memory of mhvtl whose names are not barcodes: no library can have them.
pub(super) fn misnamed(imported: &ImportedConfig) -> Vec<PathBuf> {
    let entries = imported.home_directories.iter().filter_map(|home| fs::read_dir(home).ok()).flatten().flatten();
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| ["mam", "meta"].iter().any(|name| path.join(name).is_file()))
        .filter(|path| !is_replacement(path))
        .filter(|path| path.file_name().and_then(|name| name.to_str()).is_none_or(|name| Barcode::new(name).is_none()))
        .collect();
    paths.sort();
    paths
}

/// Whether an interrupted conversion has left the directory: the name is a barcode and a suffix.
fn is_replacement(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "convert")
}

/// The directory of the copies, from the configuration file of the migration; `None` if there is no file, or if it uses the cartridges
/// in place.
pub(super) fn copies_of(file: &Path, imported: &ImportedConfig) -> Result<Option<PathBuf>, CliError> {
    let text = match vtl::config::read_text(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(CliError::system(&error, format!("{}: {error}", file.display()))),
        Ok(text) => text,
    };
    let config = vtl::config::parse(&file.display().to_string(), &text).map_err(super::invalid)?;
    let first = config.cartridge_directories.into_iter().next();
    Ok(first.filter(|directory| !imported.home_directories.contains(directory)))
}

/// Refuses a directory that a daemon serves.
pub(super) fn check_not_served(directory: &Path) -> Result<(), CliError> {
    match serving_process(directory) {
        Ok(Some(server)) => {
            let what = format!("{server} serves this directory; stop it first");
            Err(CliError::new(ErrorCode::Busy, format!("{}: {what}", directory.display())))
        }
        Ok(None) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(CliError::system(&error, format!("{}: {error}", directory.display()))),
    }
}
