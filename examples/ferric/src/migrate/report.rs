//! The report of a migration: unchanged and changed parts.

use super::tapes;
use crate::cli_error::CliError;
use crate::output::{format_count, print_line};
use serde::Serialize;
use std::io;
use std::path::PathBuf;
use tape_store::backend::file::OsFolderStore;
use tape_store::cartridge::Cartridge;
use tape_store::mam::Flags;
use tape_store::store::TapeStore;
use vtl::config::mhvtl::ImportedConfig;
use vtl::config::{CartridgeSetup, Config};

/// The changes of a migration, and the files that it leaves.
#[derive(Serialize)]
pub(super) struct Report {
    /// Libraries, drives and cartridges that stay as they are.
    unchanged: Vec<String>,
    /// Settings and cartridges that change.
    changed: Vec<String>,
    /// Cartridges that need the attention of an operator.
    check: Vec<Problem>,
    /// The new configuration file; `None` with `--check`.
    pub(super) written: Option<PathBuf>,
}

#[derive(Serialize)]
struct Problem {
    barcode: String,
    problem: String,
}

/// The cartridges that were copied.
pub(super) struct Copied {
    /// Number of complete copies, each equal to its original.
    pub(super) copies: u64,
    /// Cartridges that were not copied.
    pub(super) left_out: Vec<LeftOut>,
}

/// A cartridge that was not copied.
pub(super) struct LeftOut {
    pub(super) barcode: String,
    pub(super) problem: String,
    /// Whether a blank cartridge is no replacement.
    pub(super) has_data: bool,
}

impl Report {
    /// The libraries and drives, which stay as they are, and the differences from mhvtl.
    pub(super) fn new(imported: &ImportedConfig, config: &Config) -> Self {
        Self { unchanged: units(config), changed: imported.notes.clone(), check: Vec::new(), written: None }
    }

    /// Adds the state of each cartridge. Existing cartridges are read, not changed.
    pub(super) fn add_cartridges(&mut self, imported: &ImportedConfig, config: &Config) -> Result<(), CliError> {
        let (mut intact, mut new) = (0, 0);
        for setup in config.libraries.iter().flat_map(|library| &library.cartridges) {
            match find(&imported.home_directories, setup)? {
                None => new += 1,
                Some(mut cartridge) => match cartridge_problem(&mut cartridge) {
                    None => intact += 1,
                    Some(problem) => self.check.push(Problem { barcode: setup.barcode.to_string(), problem }),
                },
            }
        }
        let cartridges = format_count(intact, "cartridge");
        let used = config.cartridge_directories == imported.home_directories;
        self.unchanged.push(format!("{cartridges}, {}", if used { "used in place" } else { "copied" }));
        if new > 0 {
            self.changed.push(format!("{} without files: the daemon creates them", format_count(new, "cartridge")));
        }
        for path in tapes::misnamed(imported) {
            let (barcode, problem) = (path.display().to_string(), "is left out: its name is not a barcode".into());
            self.check.push(Problem { barcode, problem });
        }
        Ok(())
    }

    /// Adds what was copied. Returns the barcodes of cartridges that a library has and that could not be copied.
    pub(super) fn copied(&mut self, copied: Copied, config: &Config) -> Vec<String> {
        let copies = format_count(copied.copies, "cartridge");
        self.changed.push(format!("{copies} copied in the native format, each compared with the original"));
        let listed = tapes::listed(config);
        let is_listed = |barcode: &str| listed.iter().any(|listed| listed.as_str() == barcode);
        let mut blank = Vec::new();
        for LeftOut { barcode, problem, has_data } in copied.left_out {
            self.check.retain(|other| other.barcode != barcode);
            if has_data && is_listed(&barcode) {
                blank.push(barcode.clone());
            }
            self.check.push(Problem { barcode, problem });
        }
        blank
    }

    pub(super) fn print(&self) -> Result<(), CliError> {
        self.unchanged.iter().try_for_each(|line| print_line(format!("unchanged   {line}")))?;
        self.changed.iter().try_for_each(|line| print_line(format!("changed     {line}")))?;
        let problem = |Problem { barcode, problem }: &Problem| print_line(format!("check       {barcode}: {problem}"));
        self.check.iter().try_for_each(problem)?;
        match &self.written {
            None => Ok(()),
            Some(file) => {
                let next = format!("stop mhvtl, then ferric-iscsid --config {}", file.display());
                print_line(format!("written     {}: {next}", file.display()))
            }
        }
    }
}

/// The libraries and drives, which stay as they are.
fn units(config: &Config) -> Vec<String> {
    let mut units = Vec::new();
    for library in &config.libraries {
        let serial = library.names.serial.as_deref().unwrap_or_default();
        let slots = format_count(library.layout.storage.count.into(), "slot");
        let (name, model) = (&library.name, &library.strings);
        units.push(format!("{name}: {} {}, serial number {serial}, {slots}", model.vendor, model.product));
        for (drive, number) in library.drives.iter().zip(1..) {
            let (serial, naa) = (drive.names.serial.as_deref(), drive.names.naa.as_deref());
            let [serial, naa] = [serial, naa].map(Option::unwrap_or_default);
            let model = &drive.strings.product;
            units.push(format!("{name}: drive {number}: {model}, serial number {serial}, NAA {naa}"));
        }
    }
    units
}

fn find(directories: &[PathBuf], setup: &CartridgeSetup) -> Result<Option<Cartridge>, CliError> {
    for directory in directories.iter().filter(|directory| directory.is_dir()) {
        let failed = |error: io::Error| CliError::system(&error, format!("{}: {error}", directory.display()));
        let store = TapeStore::new(Box::new(OsFolderStore::at(directory).map_err(failed)?));
        if store.exists(&setup.barcode).map_err(|error| CliError::Cartridge(setup.barcode.to_string(), error))? {
            return Ok(Some(store.cartridge(&setup.barcode, setup.media, setup.kind, setup.size)));
        }
    }
    Ok(None)
}

/// Reason why a cartridge cannot be used as it is, if there is one.
fn cartridge_problem(cartridge: &mut Cartridge) -> Option<String> {
    let opened = cartridge.open_read_only().map(|(_, recovery)| recovery.damaged);
    let loaded = cartridge.mam().map(|mam| mam.flags().contains(Flags::LOADED));
    match (opened, loaded) {
        (Err(error), _) | (_, Err(error)) => Some(error.to_string()),
        (Ok(true), _) => Some("damaged; ferric tape verify shows where".into()),
        (_, Ok(true)) => {
            Some("loaded by mhvtl, or not unloaded cleanly: stop mhvtl, then run ferric tape repair".into())
        }
        _ => None,
    }
}
