//! `ferric shelf catalog`

use super::{Address, OpenShelf, shelf_error};
use crate::cli_error::CliError;
use crate::output::{self, Output};
use serde::Serialize;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    address: Address,
    /// Rebuild the catalog from the newest states of all cartridges. Programs can use the shelf meanwhile
    #[arg(long)]
    rebuild: bool,
}

/// Parts of the catalog.
const SHARDS: u64 = 256;

/// The result of a rebuilt catalog.
#[derive(Serialize)]
struct Rebuilt {
    /// Cartridges on the shelf.
    cartridges: u64,
    /// Cartridges that the catalog did not have.
    added: u64,
    /// Cartridges that are not on the shelf.
    removed: u64,
}

pub(crate) fn run(output: Output, arguments: &Arguments) -> Result<(), CliError> {
    let url = &arguments.address.url;
    let open = OpenShelf::open(url)?;
    if arguments.rebuild {
        return rebuild(output, &open);
    }
    let catalog = open.runtime.block_on(open.shelf.catalog()).map_err(shelf_error)?;
    let missing =
        || CliError::not_found(format!("{url} has no complete catalog; `ferric shelf catalog --rebuild` creates it"));
    output.show(&catalog.ok_or_else(missing)?, |barcodes| {
        barcodes.iter().try_for_each(output::print_line)?;
        if barcodes.is_empty() { output::print_line("no cartridges") } else { Ok(()) }
    })
}

fn rebuild(output: Output, open: &OpenShelf) -> Result<(), CliError> {
    let bar = output.progress_bar(Some(SHARDS), output::PARTS);
    let rebuilt = open.runtime.block_on(open.shelf.rebuild_catalog(|shard| bar.set_position(shard.into())));
    bar.finish_and_clear();
    let rebuilt = rebuilt.map_err(shelf_error)?;
    let rebuilt = Rebuilt { cartridges: rebuilt.cartridges, added: rebuilt.added, removed: rebuilt.removed };
    output.show(&rebuilt, |Rebuilt { cartridges, added, removed }| {
        let cartridges = output::format_count(*cartridges, "cartridge");
        output::print_line(format!("the catalog has {cartridges}: {added} added, {removed} removed"))
    })
}
