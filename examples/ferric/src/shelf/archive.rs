//! `ferric shelf archive`

use super::{Address, Keys, OpenShelf, commit_error, shelf_error, take_error, transfer_error};
use crate::cli_error::{CliError, ErrorCode};
use crate::output::{self, BYTES, Output};
use crate::tape::{OpenCartridge, cartridge_folder};
use serde::Serialize;
use shelf::trust::{self, Verdict};
use shelf::{CatalogChange, Content};
use std::io::ErrorKind;
use std::path::PathBuf;
use tape_store::cartridge::Cartridge;
use tape_store::verify::used_bytes;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    address: Address,
    #[command(flatten)]
    keys: Keys,
    /// Directories of cartridges; the name of each is its barcode
    #[arg(required = true)]
    paths: Vec<PathBuf>,
}

/// A cartridge whose state on the shelf is that of its files.
#[derive(Serialize)]
struct Archived {
    barcode: String,
    /// Bytes of the files.
    bytes: u64,
    /// Number of the state on the shelf.
    version: u64,
}

pub(crate) fn run(output: Output, arguments: &Arguments) -> Result<(), CliError> {
    let shelf = OpenShelf::open(&arguments.address.url)?.with_keys(&arguments.keys)?.with_object_lock()?;
    let mut done = Vec::new();
    for path in &arguments.paths {
        // Prints what is done also if a later one fails.
        let archived = archive(output, &shelf, path)?;
        if !output.is_json() {
            let Archived { barcode, bytes, version } = &archived;
            output::print_line(format!("{barcode}: {}, state {version} on the shelf", output::format_size(*bytes)))?;
        }
        done.push(archived);
    }
    output.show(&done, |_| Ok(()))
}

fn archive(output: Output, open: &OpenShelf, path: &std::path::Path) -> Result<Archived, CliError> {
    let mut cartridge = OpenCartridge::open(path)?.cartridge;
    let barcode = cartridge.barcode().clone();
    let used = used_bytes(&mut cartridge).unwrap_or_default();
    let mut folder = cartridge_folder(path)?;
    let failed = |error: std::io::Error| CliError::system(&error, format!("{}: {error}", path.display()));
    let unloaded = |cartridge: &mut Cartridge| {
        cartridge.check_unloaded().map_err(|error| CliError::Cartridge(path.display().to_string(), error))
    };
    unloaded(&mut cartridge)?;
    folder.lock(true).map_err(|error| match error.kind() {
        ErrorKind::WouldBlock => CliError::new(ErrorCode::Busy, format!("{}: cartridge is in use", path.display())),
        _ => failed(error),
    })?;
    let before = folder.fingerprint().map_err(failed)?;
    let bar = output.progress_bar(Some(used), BYTES);
    let stored = open.runtime.block_on(async {
        check_trust(open).await?;
        open.shelf.add(barcode.as_str(), Content::default()).await.map_err(shelf_error)?;
        let mut owned = open.shelf.take(barcode.as_str()).await.map_err(take_error)?;
        let former = owned.content().clone();
        let stored = owned.store_files(folder.as_mut(), &mut |bytes| bar.inc(bytes)).await;
        let stored = stored.map_err(|error| transfer_error(&barcode, error)).and_then(|content| {
            // mhvtl does not lock what it has loaded.
            unloaded(&mut cartridge)?;
            if folder.fingerprint().map_err(failed)? == before {
                return Ok(content);
            }
            let message = format!("{}: the files were changed meanwhile; the former state stays", path.display());
            Err(CliError::new(ErrorCode::Busy, message))
        });
        match stored {
            Ok(content) => {
                let (bytes, version) = (content.bytes(), owned.version() + 1);
                owned.release(content).await.map_err(commit_error)?;
                let change = CatalogChange { cartridges: [(barcode.to_string(), true)].into() };
                if let Err(error) = open.shelf.change_catalog(&change).await {
                    // The cartridge is on the shelf.
                    let help = "`ferric shelf catalog --rebuild` adds it";
                    output.warning(&format!("the catalog of the shelf lacks {barcode}: {error}; {help}"));
                }
                Ok(Archived { barcode: barcode.to_string(), bytes, version })
            }
            Err(error) => {
                // The former state stays, and the cartridge can be taken again at once.
                let _ = owned.release(former).await;
                Err(error)
            }
        }
    });
    bar.finish_and_clear();
    let stored = stored?;
    open.warn_without_lock(output, &barcode)?;
    Ok(stored)
}

/// Refuses a store on which another program would overwrite what this one writes. The first check of a shelf is the last.
pub(super) async fn check_trust(open: &OpenShelf) -> Result<(), CliError> {
    let nonce = open.shelf.nonce().map_err(shelf_error)?;
    match trust::first_check(open.shelf.objects(), &nonce).await.map_err(shelf_error)? {
        Verdict::Once => open.shelf.begin_catalog().await.map_err(shelf_error),
        other => Err(CliError::conflict(format!("{other}; nothing was written"))),
    }
}
