//! `ferric shelf recall`

use super::{Address, Keys, OpenShelf, transfer_error};
use crate::cli_error::{CliError, ErrorCode};
use crate::output::{self, BYTES, Output};
use crate::tape::{check_directory, parse_barcode, serving_process};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use serde::Serialize;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use tape_store::backend::FolderStore;
use tape_store::backend::file::OsFolderStore;
use tape_store::cartridge::Barcode;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    address: Address,
    #[command(flatten)]
    keys: Keys,
    /// Barcodes of the cartridges
    #[arg(required = true, value_parser = parse_barcode)]
    barcodes: Vec<Barcode>,
    /// Directory in which the directories of the cartridges are created
    #[arg(long, value_name = "DIR", default_value = ".")]
    to: PathBuf,
}

/// A cartridge that was copied from the shelf.
#[derive(Serialize)]
struct Recalled {
    barcode: String,
    path: PathBuf,
    /// Bytes of the files.
    bytes: u64,
    /// Number of the state on the shelf.
    version: u64,
}

pub(crate) fn run(output: Output, arguments: &Arguments) -> Result<(), CliError> {
    check_directory(&arguments.to)?;
    let shelf = OpenShelf::open(&arguments.address.url)?.with_keys(&arguments.keys)?;
    let mut done = Vec::new();
    for barcode in &arguments.barcodes {
        let recalled = recall(output, &shelf, barcode, &arguments.to)?;
        if !output.is_json() {
            output::print_line(format!("{}: {}", recalled.path.display(), output::format_size(recalled.bytes)))?;
        }
        done.push(recalled);
    }
    output.show(&done, |_| Ok(()))
}

fn recall(output: Output, open: &OpenShelf, barcode: &Barcode, to: &Path) -> Result<Recalled, CliError> {
    let path = to.join(barcode.as_str());
    let name = path.display();
    if let Some(server) = serving_process(&path) {
        let message = format!("{name}: {server} serves this directory, and does not notice a new cartridge; stop it");
        return Err(CliError::new(ErrorCode::Busy, message));
    }
    if path.symlink_metadata().is_ok() {
        return Err(CliError::conflict(format!("{name}: exists already; nothing was changed")));
    }
    let manifest = open.released(barcode)?;
    // The name of a cartridge appears when it is complete.
    let partial = format!(".{barcode}.recall-{}", std::process::id());
    let store = OsFolderStore::at_unchecked(to);
    let system = |error: std::io::Error| CliError::system(&error, format!("{name}: {error}"));
    remove_interrupted(&store, to, barcode)?;
    let mut folder = store.create(&partial).map_err(system)?;
    let bar = output.progress_bar(Some(manifest.content.bytes()), BYTES);
    let mut progress = |bytes| bar.inc(bytes);
    let fetch = open.shelf.fetch_files(barcode.as_str(), &manifest.content, folder.as_mut(), &mut progress);
    let fetched = open.runtime.block_on(fetch);
    bar.finish_and_clear();
    let done = fetched.map_err(|error| transfer_error(barcode, error)).and_then(|()| {
        let moved = renameat_with(CWD, to.join(&partial), CWD, &path, RenameFlags::NOREPLACE);
        moved.map_err(|error| system(error.into()))?;
        File::open(to).and_then(|directory| directory.sync_all()).map_err(system)
    });
    if let Err(error) = done {
        let _ = store.remove(&partial);
        return Err(error);
    }
    let bytes = manifest.content.bytes();
    Ok(Recalled { barcode: barcode.to_string(), path, bytes, version: manifest.version })
}

/// Removes what earlier processes have left that were killed in a recall of the cartridge.
fn remove_interrupted(store: &OsFolderStore, to: &Path, barcode: &Barcode) -> Result<(), CliError> {
    let system = |error: std::io::Error| CliError::system(&error, format!("{}: {error}", to.display()));
    let prefix = format!(".{barcode}.recall-");
    for entry in fs::read_dir(to).map_err(system)?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some(process) = name.strip_prefix(&prefix) else { continue };
        if process == std::process::id().to_string() || !Path::new("/proc").join(process).exists() {
            store.remove(&name).map_err(system)?;
        }
    }
    Ok(())
}
