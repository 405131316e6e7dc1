//! `ferric migrate`: migrates from another virtual tape library.

use crate::cli_error::CliError;
use crate::output::{create_file, done, format_count, print_line};
use std::io;
use std::path::PathBuf;
use tape_store::backend::file::OsFolderStore;
use tape_store::cartridge::Cartridge;
use tape_store::mam::Flags;
use tape_store::store::TapeStore;
use vtl::config::{CartridgeSetup, Config, ConfigError, mhvtl};

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Migrate from mhvtl to iSCSI with the same libraries, drives, serial numbers and tapes
    Mhvtl {
        /// Directory of the mhvtl configuration [default: /etc/mhvtl, or the directory that its mhvtl.conf names]
        #[arg(long, value_name = "DIR")]
        config: Option<PathBuf>,
        /// Report what can be migrated; change nothing
        #[arg(long)]
        check: bool,
        /// New configuration file
        #[arg(long, value_name = "FILE", default_value = "ferric.toml")]
        output: PathBuf,
    },
}

pub(crate) fn run(command: Command) -> Result<(), CliError> {
    let Command::Mhvtl { config, check, output } = command;
    let wrong = |error: ConfigError| CliError::Usage(error.to_string());
    let imported = mhvtl::import(&mhvtl::resolve_directory(config.as_deref()).map_err(wrong)?).map_err(wrong)?;
    let found = imported.config().map_err(wrong)?;
    let report = || {
        print_unchanged(&found)?;
        imported.notes.iter().try_for_each(|note| print_line(format!("changes     {note}")))?;
        cartridges(&found)
    };
    if check {
        return report();
    }
    create_file(&output, &imported.text)?;
    let written =
        || print_line(format!("written     {}: stop mhvtl, then ferric-iscsid --config {0}", output.display()));
    done(report().and_then(|()| written()))
}

/// What stays as it is.
fn print_unchanged(config: &Config) -> Result<(), CliError> {
    for library in &config.libraries {
        let serial = library.names.serial.as_deref().unwrap_or_default();
        let slots = format_count(library.layout.storage.count.into(), "slot");
        let (name, model) = (&library.name, &library.strings);
        print_line(format!("carries     {name}: {} {}, serial number {serial}, {slots}", model.vendor, model.product))?;
        for (drive, number) in library.drives.iter().zip(1..) {
            let (serial, naa) = (drive.names.serial.as_deref(), drive.names.naa.as_deref());
            let [serial, naa] = [serial, naa].map(Option::unwrap_or_default);
            let model = &drive.strings.product;
            print_line(format!("carries     {name}: drive {number}: {model}, serial number {serial}, NAA {naa}"))?;
        }
    }
    Ok(())
}

/// Reports the state of each cartridge. Existing cartridges are read, not changed.
fn cartridges(config: &Config) -> Result<(), CliError> {
    let (mut whole, mut new) = (0, 0);
    for setup in config.libraries.iter().flat_map(|library| &library.cartridges) {
        match find(&config.cartridge_directories, setup)? {
            None => new += 1,
            Some(mut cartridge) => match cartridge_problem(&mut cartridge) {
                None => whole += 1,
                Some(problem) => print_line(format!("look at     {}: {problem}", setup.barcode))?,
            },
        }
    }
    print_line(format!("carries     {}, in place", format_count(whole, "cartridge")))?;
    if new > 0 {
        print_line(format!("changes     {} that mhvtl has not made will be made", format_count(new, "cartridge")))?;
    }
    Ok(())
}

fn find(directories: &[PathBuf], setup: &CartridgeSetup) -> Result<Option<Cartridge>, CliError> {
    for directory in directories.iter().filter(|directory| directory.is_dir()) {
        let failed = |error: io::Error| CliError::Usage(format!("{}: {error}", directory.display()));
        let store = TapeStore::new(Box::new(OsFolderStore::at(directory).map_err(failed)?));
        if store.exists(&setup.barcode).map_err(|error| CliError::Cartridge(setup.barcode.to_string(), error))? {
            return Ok(Some(store.cartridge(&setup.barcode, setup.media, setup.kind, setup.size)));
        }
    }
    Ok(None)
}

/// What is wrong with a cartridge, if anything is.
fn cartridge_problem(cartridge: &mut Cartridge) -> Option<String> {
    let looked = cartridge.open_read_only().map(|(_, recovery)| recovery.damaged);
    let loaded = cartridge.mam().map(|mam| mam.flags().contains(Flags::LOADED));
    match (looked, loaded) {
        (Err(error), _) | (_, Err(error)) => Some(error.to_string()),
        (Ok(true), _) => Some("it is damaged; ferric tape repair says where".into()),
        (_, Ok(true)) => Some("mhvtl has it loaded, or did not unload it; stop mhvtl, then ferric tape repair".into()),
        _ => None,
    }
}
