//! `ferric migrate`: migrates from another virtual tape library.

mod copy;
mod report;
mod rollback;
mod tapes;
mod verify;

use crate::cli_error::CliError;
use crate::options::Options;
use crate::output::create_file;
use report::Report;
use std::path::{Path, PathBuf};
use vtl::config::mhvtl::{self, ImportOptions, ImportedConfig};
use vtl::config::{Config, ConfigError};

#[derive(clap::Subcommand)]
#[command(subcommand_value_name = "SOURCE", subcommand_help_heading = "Sources")]
pub(crate) enum Command {
    /// Migrate from mhvtl to iSCSI: write a configuration with the same libraries, drives and serial numbers, which uses
    /// the cartridges in place, or copies of them
    #[command(after_help = EXAMPLES)]
    Mhvtl(Arguments),
}

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Directory of the mhvtl configuration [default: /etc/mhvtl, or the directory named in its mhvtl.conf]
    #[arg(long, value_name = "DIR")]
    config: Option<PathBuf>,
    /// Report what stays unchanged and what changes; write nothing
    #[arg(long, conflicts_with = "verify")]
    check: bool,
    /// Read each cartridge in mhvtl's format and in the native format, and compare them; write nothing
    ///
    /// Blocks, filemarks, partitions and cartridge memories are compared: with the copies of the migration, or else with a native form
    /// of the cartridge in memory, piece by piece. The exit code is 1 if a cartridge differs or cannot be read.
    #[arg(long, conflicts_with_all = ["rollback", "iqn"])]
    verify: bool,
    /// Undo the migration: write new data to mhvtl's cartridges, and remove copies and configuration
    ///
    /// mhvtl can be started afterwards. Nothing is removed before each cartridge with new data was written in mhvtl's format and
    /// compared. Can be repeated after an interruption. With --check, reports what would be done.
    #[arg(long, conflicts_with_all = ["copy", "iqn"])]
    rollback: bool,
    /// With --rollback: leave mhvtl's cartridges unchanged, and lose what was written to the copies since the migration
    #[arg(long, requires = "rollback")]
    discard_new_data: bool,
    /// Copy the cartridges in the native format to a directory, and use the copies: mhvtl's cartridges stay as they are
    #[arg(long, value_name = "DIR")]
    copy: Option<PathBuf>,
    /// iSCSI name of the target, if initiators know one already [default: generated at the first start]
    #[arg(long, value_name = "NAME")]
    iqn: Option<String>,
    /// New configuration file; with --verify and --rollback, that of the migration
    #[arg(long, value_name = "FILE", default_value = "ferric.toml")]
    output: PathBuf,
}

const EXAMPLES: &str = "Examples:
  ferric migrate mhvtl --config ./mhvtl --check
  ferric migrate mhvtl --config ./mhvtl --verify
  ferric migrate mhvtl --config ./mhvtl --output site.toml
  ferric migrate mhvtl --config ./mhvtl --output site.toml --rollback
  ferric migrate mhvtl --config ./mhvtl --output copies.toml --copy ./tapes";

pub(crate) fn run(options: &Options, command: Command) -> Result<(), CliError> {
    let Command::Mhvtl(arguments) = command;
    let directory = mhvtl::resolve_directory(arguments.config.as_deref()).map_err(invalid)?;
    if arguments.verify {
        let imported = mhvtl::import(&directory).map_err(invalid)?;
        let copies = match &arguments.copy {
            Some(copies) => Some(copies.clone()),
            None => tapes::copies_of(&arguments.output, &imported)?,
        };
        return verify::run(options.output, &imported, copies.as_deref());
    }
    if arguments.rollback {
        return rollback::run(options.output, &directory, &arguments);
    }
    migrate(options, &directory, &arguments)
}

fn migrate(options: &Options, directory: &Path, arguments: &Arguments) -> Result<(), CliError> {
    let (imported, config) = import(directory, arguments)?;
    let mut report = Report::new(&imported, &config);
    report.add_cartridges(&imported, &config)?;
    if arguments.check {
        return options.output.show(&report, Report::print);
    }
    if arguments.output.exists() {
        // Before hours of copying.
        let what = "File exists; nothing was written";
        return Err(CliError::conflict(format!("{}: {what}", arguments.output.display())));
    }
    if let Some(copies) = config.cartridge_directories.first().filter(|_| arguments.copy.is_some()) {
        let blank = report.copied(copy::run(options.output, &imported, copies)?, &config);
        if !blank.is_empty() {
            options.output.show(&report, Report::print)?;
            let what = "was not written: a library would have blank cartridges instead of";
            let advice = "repair them, or remove them from library_contents, and repeat the command";
            let names = blank.join(", ");
            return Err(CliError::conflict(format!("{} {what} {names}; {advice}", arguments.output.display())));
        }
    }
    create_file(&arguments.output, &imported.text)?;
    report.written = Some(arguments.output.clone());
    options.output.done(options.output.show(&report, Report::print))
}

/// The configuration of a migration.
fn import(directory: &Path, arguments: &Arguments) -> Result<(ImportedConfig, Config), CliError> {
    let absolute = |path: &PathBuf| {
        let failed = |error| CliError::system(&error, format!("{}: {error}", path.display()));
        std::path::absolute(path).map_err(failed)
    };
    let copies = arguments.copy.as_ref().map(absolute).transpose()?;
    let imported = mhvtl::import_with(directory, &ImportOptions { copies, iqn: arguments.iqn.clone() });
    let imported = imported.map_err(invalid)?;
    let config = imported.config().map_err(invalid)?;
    Ok((imported, config))
}

fn invalid(error: ConfigError) -> CliError {
    CliError::invalid(error.to_string())
}
