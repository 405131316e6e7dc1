//! `ferric shelf list`

use super::{Address, OpenShelf, shelf_error};
use crate::cli_error::CliError;
use crate::output::{self, Output};
use serde::Serialize;
use shelf::{Manifest, ManifestState};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    address: Address,
}

/// A cartridge on the shelf.
#[derive(Serialize)]
struct Listed {
    barcode: String,
    /// Bytes of the files.
    bytes: u64,
    /// Number of the state.
    version: u64,
    /// How many times a program has taken the cartridge.
    epoch: u64,
    /// Whether the program that created the state has released the cartridge.
    released: bool,
    /// The program that created the state.
    owner: String,
}

impl From<Manifest> for Listed {
    fn from(manifest: Manifest) -> Self {
        Self {
            bytes: manifest.content.bytes(),
            barcode: manifest.barcode,
            version: manifest.version,
            epoch: manifest.epoch,
            released: manifest.state == ManifestState::Closed,
            owner: manifest.owner,
        }
    }
}

pub(crate) fn run(output: Output, arguments: &Arguments) -> Result<(), CliError> {
    let open = OpenShelf::open(&arguments.address.url)?;
    let listed: Vec<Listed> = open.runtime.block_on(async {
        let mut listed = Vec::new();
        for barcode in open.shelf.barcodes().await.map_err(shelf_error)? {
            let newest = open.shelf.newest(&barcode).await.map_err(shelf_error)?;
            // A cartridge that was removed or moved leaves a state without files.
            let is_removed = |it: &Manifest| it.content.files.is_empty() && it.state == ManifestState::Closed;
            listed.extend(newest.filter(|newest| !is_removed(newest)).map(Listed::from));
        }
        Ok::<_, CliError>(listed)
    })?;
    output.show(&listed, |listed| {
        for Listed { barcode, bytes, version, released, owner, .. } in listed {
            let unreleased = if *released { String::new() } else { format!(", not released by {owner}") };
            output::print_row(barcode, format!("{:<10}  state {version}{unreleased}", output::format_size(*bytes)))?;
        }
        if listed.is_empty() { output::print_line("no cartridges") } else { Ok(()) }
    })
}
