//! `ferric migrate`: migrates from another virtual tape library.

use crate::cli_error::CliError;
use crate::options::Options;
use crate::output::{create_file, format_count, print_line};
use serde::Serialize;
use std::io;
use std::path::PathBuf;
use tape_store::backend::file::OsFolderStore;
use tape_store::cartridge::Cartridge;
use tape_store::mam::Flags;
use tape_store::store::TapeStore;
use vtl::config::{CartridgeSetup, Config, ConfigError, mhvtl};

#[derive(clap::Subcommand)]
#[command(subcommand_value_name = "SOURCE", subcommand_help_heading = "Sources")]
pub(crate) enum Command {
    /// Migrate from mhvtl to iSCSI: write a configuration with the same libraries, drives and serial numbers, which uses
    /// the cartridges in place
    #[command(after_help = EXAMPLES)]
    Mhvtl {
        /// Directory of the mhvtl configuration [default: /etc/mhvtl, or the directory named in its mhvtl.conf]
        #[arg(long, value_name = "DIR")]
        config: Option<PathBuf>,
        /// Report what stays unchanged and what changes; write nothing
        #[arg(long)]
        check: bool,
        /// New configuration file
        #[arg(long, value_name = "FILE", default_value = "ferric.toml")]
        output: PathBuf,
    },
}

const EXAMPLES: &str = "Examples:
  ferric migrate mhvtl --config ./mhvtl --check
  ferric migrate mhvtl --config ./mhvtl --output site.toml";

/// The changes of a migration, and the files that it leaves.
#[derive(Serialize)]
struct Report {
    /// Libraries, drives and cartridges that stay as they are.
    unchanged: Vec<String>,
    /// Settings and cartridges that change.
    changed: Vec<String>,
    /// Cartridges that need the attention of an operator.
    check: Vec<Problem>,
    /// The new configuration file; `None` with `--check`.
    written: Option<PathBuf>,
}

#[derive(Serialize)]
struct Problem {
    barcode: String,
    problem: String,
}

pub(crate) fn run(options: &Options, command: Command) -> Result<(), CliError> {
    let Command::Mhvtl { config, check, output } = command;
    let invalid = |error: ConfigError| CliError::invalid(error.to_string());
    let imported = mhvtl::import(&mhvtl::resolve_directory(config.as_deref()).map_err(invalid)?).map_err(invalid)?;
    let config = imported.config().map_err(invalid)?;
    let mut report =
        Report { unchanged: units(&config), changed: imported.notes.clone(), check: Vec::new(), written: None };
    report.add_cartridges(&config)?;
    if check {
        return options.output.show(&report, Report::print);
    }
    create_file(&output, &imported.text)?;
    report.written = Some(output);
    options.output.done(options.output.show(&report, Report::print))
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

impl Report {
    /// Adds the state of each cartridge. Existing cartridges are read, not changed.
    fn add_cartridges(&mut self, config: &Config) -> Result<(), CliError> {
        let (mut intact, mut new) = (0, 0);
        for setup in config.libraries.iter().flat_map(|library| &library.cartridges) {
            match find(&config.cartridge_directories, setup)? {
                None => new += 1,
                Some(mut cartridge) => match cartridge_problem(&mut cartridge) {
                    None => intact += 1,
                    Some(problem) => self.check.push(Problem { barcode: setup.barcode.to_string(), problem }),
                },
            }
        }
        self.unchanged.push(format!("{}, used in place", format_count(intact, "cartridge")));
        if new > 0 {
            self.changed.push(format!("{} without files: the daemon creates them", format_count(new, "cartridge")));
        }
        Ok(())
    }

    fn print(&self) -> Result<(), CliError> {
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
