//! `ferric import mhvtl`: copies a cartridge of mhvtl to the cartridges of a running daemon, and imports it.

use super::client::Client;
use crate::cli_error::CliError;
use crate::options::Options;
use crate::output::{BYTES, Output, counting};
use crate::tape::{check_directory, parse_barcode};
use std::path::{Path, PathBuf};
use tape_store::backend::Folder;
use tape_store::backend::file::{OsFolder, OsFolderStore};
use tape_store::cartridge::{Barcode, Cartridge, Format};
use tape_store::convert::Conversion;
use tape_store::media::LTO_9;
use tape_store::store::TapeStore;
use tape_store::verify::used_bytes;
use vtl::configuration::ConfigurationText;
use vtl::control::ControlRequest as Request;
use vtl::entropy::fill as entropy;

/// A cartridge that is imported from another virtual tape library.
#[derive(clap::Subcommand)]
pub(crate) enum ImportSource {
    /// Copy a cartridge of mhvtl to the cartridges of the daemon, in the native format, and import it
    ///
    /// The copy is compared with the cartridge, which stays unchanged, before the library gets it.
    #[command(
        after_help = "Examples:\n  ferric import mhvtl ./mhvtl/E01001L8\n  ferric import mhvtl ./mhvtl/E01002L8 io2 --barcode B00001L8"
    )]
    Mhvtl(Arguments),
}

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Directory of the cartridge, such as /opt/mhvtl/E01001L8
    path: PathBuf,
    /// The destination: an I/O element, or a slot while the access door is open [default: the first empty I/O element]
    to: Option<String>,
    /// Barcode that the cartridge gets [default: the name of its directory]
    #[arg(long, value_parser = parse_barcode)]
    barcode: Option<Barcode>,
    /// Directory of cartridges of the daemon [default: the first one of its configuration, else cartridges in its data directory]
    #[arg(long, value_name = "DIR")]
    directory: Option<PathBuf>,
}

pub(super) fn run(options: &Options, source: ImportSource) -> Result<(), CliError> {
    let ImportSource::Mhvtl(arguments) = source;
    let mut client = Client::connect(options)?;
    let Client::Socket(socket) = &client else {
        let what = "--url does not apply: the files are copied on the machine of the daemon";
        return Err(CliError::invalid(format!("{what}; run the command there")));
    };
    let data = socket.path.parent().unwrap_or(Path::new(".")).to_path_buf();
    let barcode = barcode(&arguments)?;
    let directory = match &arguments.directory {
        Some(directory) => directory.clone(),
        None => cartridge_directory(&mut client, &data)?,
    };
    check_directory(&directory)?;
    if client.request(&Request::Cartridges { cartridge: Some(barcode.to_string()) }).is_ok() {
        let what = "the site has a cartridge with this barcode already; give another one with --barcode";
        return Err(CliError::conflict(format!("{barcode}: {what}")));
    }
    copy(options.output, &arguments.path, &directory, &barcode)?;
    let (library, cartridge, to) = (options.library.clone(), barcode.to_string(), arguments.to);
    let done = client.request(&Request::Import { library, cartridge, to }).map_err(|error| {
        let copy = directory.join(barcode.as_str());
        let what = format!("was copied to {}, but not imported: {error}", copy.display());
        CliError::conflict(format!("{barcode} {what}; ferric import {barcode} imports it"))
    })?;
    options.output.done(options.output.show(&done, super::print_result))
}

fn barcode(arguments: &Arguments) -> Result<Barcode, CliError> {
    if let Some(barcode) = &arguments.barcode {
        return Ok(barcode.clone());
    }
    let name = arguments.path.file_name().unwrap_or_default().to_string_lossy();
    parse_barcode(&name).map_err(|reason| {
        CliError::invalid(format!("{}: {reason}; give another one with --barcode", arguments.path.display()))
    })
}

/// The directory in which the daemon creates cartridges.
fn cartridge_directory(client: &mut Client, data: &Path) -> Result<PathBuf, CliError> {
    let shown: ConfigurationText = client.request_as(&Request::Configuration)?;
    let config = vtl::config::parse("the configuration in use", &shown.text);
    let config = config.map_err(|error| CliError::invalid(error.to_string()))?;
    let directory = config.cartridge_directories.into_iter().next().unwrap_or_else(|| data.join("cartridges"));
    if directory.is_dir() {
        return Ok(directory);
    }
    let what = "directory does not exist; name the directory of cartridges of the daemon with --directory";
    Err(CliError::not_found(format!("{}: {what}", directory.display())))
}

/// Copies a cartridge of mhvtl to a directory in the native format, and compares the copy with it.
fn copy(output: Output, path: &Path, directory: &Path, barcode: &Barcode) -> Result<(), CliError> {
    check_directory(path)?;
    let name = path.display().to_string();
    let failed = |error| CliError::Cartridge(name.clone(), error);
    let folder = path.to_path_buf();
    let open = move || Ok(Box::new(OsFolder::at(folder.clone())) as Box<dyn Folder>);
    // The cartridge memory overrides medium, kind and capacity.
    let mut original = Cartridge::in_folder(barcode.clone(), &LTO_9, barcode.kind(), 0, Box::new(open));
    original.mam().map_err(failed)?;
    if original.format().map_err(failed)? != Format::Mhvtl {
        let what = "is not a cartridge in mhvtl's format";
        return Err(CliError::invalid(format!("{name}: {what}")));
    }
    original.check_unloaded().map_err(failed)?;
    let store = TapeStore::new(Box::new(OsFolderStore::at_unchecked(directory)));
    if store.is_occupied(barcode).map_err(failed)? {
        let what = "exists already; give another barcode with --barcode";
        return Err(CliError::conflict(format!("{}: {what}", directory.join(barcode.as_str()).display())));
    }
    let bar = output.progress_bar(Some(2 * used_bytes(&mut original).map_err(failed)?), BYTES);
    let conversion = Conversion::new(Format::Native, entropy);
    let copied = store.copy_compared(barcode, &mut original, conversion, &mut counting(&bar));
    bar.finish_and_clear();
    copied.map_err(failed)?.map_or(Ok(()), |difference| {
        let what = difference.describe(["the cartridge", "the copy"]);
        Err(CliError::conflict(format!("{name}: the copy differs, and was removed: {what}")))
    })
}
