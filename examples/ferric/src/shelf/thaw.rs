//! `ferric shelf thaw`

use super::{Address, OpenShelf, shelf_error};
use crate::cli_error::{CliError, ErrorCode};
use crate::output::{self, Output};
use crate::tape::parse_barcode;
use serde::Serialize;
use shelf::{Thaw, ThawTier};
use tape_store::cartridge::Barcode;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    address: Address,
    /// Barcodes of the cartridges
    #[arg(required = true, value_parser = parse_barcode)]
    barcodes: Vec<Barcode>,
    /// Only show which objects can be read; thaw nothing
    #[arg(long)]
    dry_run: bool,
    /// Number of days for which the thawed objects can be read
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u16).range(1..=365))]
    days: u16,
    /// Speed of the store, which has a price
    #[arg(long, value_enum, default_value_t = Tier::Standard)]
    tier: Tier,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Tier {
    Bulk,
    Standard,
    Expedited,
}

/// The result for one cartridge.
#[derive(Serialize)]
struct Thawed {
    barcode: String,
    /// Segments of the newest state, and the key of their encryption.
    objects: u64,
    ready: u64,
    thawing: u64,
    /// Objects that are not being thawed, because nothing was asked for.
    frozen: u64,
}

pub(crate) fn run(output: Output, arguments: &Arguments) -> Result<(), CliError> {
    let tier = match arguments.tier {
        Tier::Bulk => ThawTier::Bulk,
        Tier::Standard => ThawTier::Standard,
        Tier::Expedited => ThawTier::Expedited,
    };
    let request = (!arguments.dry_run).then_some((arguments.days, tier));
    let open = OpenShelf::open(&arguments.address.url)?;
    let thaw = |barcode: &Barcode| {
        let content = open.newest(barcode)?.content;
        let thaw = open.runtime.block_on(open.shelf.thaw(barcode.as_str(), &content, request));
        let Thaw { objects, ready, thawing, frozen, .. } = thaw.map_err(shelf_error)?;
        Ok(Thawed { barcode: barcode.to_string(), objects, ready, thawing, frozen })
    };
    let reports: Vec<Thawed> = arguments.barcodes.iter().map(thaw).collect::<Result<_, CliError>>()?;
    output.show(&reports, |reports| reports.iter().try_for_each(print))?;
    let waiting = reports.iter().filter(|it| it.ready < it.objects).map(|it| it.barcode.as_str());
    match waiting.collect::<Vec<_>>().as_slice() {
        [] => Ok(()),
        some => {
            Err(CliError::new(ErrorCode::Busy, format!("these cartridges cannot be read yet: {}", some.join(", "))))
        }
    }
}

fn print(report: &Thawed) -> Result<(), CliError> {
    let Thawed { barcode, objects, ready, thawing, frozen } = report;
    let objects = output::format_count(*objects, "object");
    output::print_line(format!("{barcode}: {ready} of {objects} can be read, {thawing} being thawed, {frozen} frozen"))
}
