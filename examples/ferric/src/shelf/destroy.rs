//! `ferric shelf destroy`

use super::{Address, OpenShelf};
use crate::cli_error::CliError;
use crate::output::{self, Output};
use crate::tape::parse_barcode;
use serde::Serialize;
use tape_store::cartridge::Barcode;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    address: Address,
    /// Barcodes of the cartridges
    #[arg(required = true, value_parser = parse_barcode)]
    barcodes: Vec<Barcode>,
    /// Destroy the keys; without it, nothing is changed
    #[arg(long)]
    yes: bool,
}

/// The result for one cartridge.
#[derive(Serialize)]
struct Destroyed {
    barcode: String,
    /// Whether the cartridge had a data key. Without one, its data is not encrypted, and stays.
    destroyed: bool,
}

pub(crate) fn run(output: Output, arguments: &Arguments) -> Result<(), CliError> {
    if !arguments.yes {
        let all = arguments.barcodes.iter().map(Barcode::to_string).collect::<Vec<_>>().join(", ");
        let what = "would be lost forever; nothing was changed: add --yes to destroy the keys";
        return Err(CliError::conflict(format!("the data of {all} {what}")));
    }
    let open = OpenShelf::open(&arguments.address.url)?;
    let mut reports = Vec::new();
    for barcode in &arguments.barcodes {
        let destroyed = open.with_taken(barcode.as_str(), async |owned| owned.destroy_key().await)?;
        reports.push(Destroyed { barcode: barcode.to_string(), destroyed });
    }
    output.show(&reports, |reports| reports.iter().try_for_each(print))
}

fn print(report: &Destroyed) -> Result<(), CliError> {
    let Destroyed { barcode, destroyed } = report;
    let what = if *destroyed {
        "its key is destroyed, and with it the data"
    } else {
        "it has no key: its data is not encrypted, and was not destroyed"
    };
    output::print_line(format!("{barcode}: {what}"))
}
