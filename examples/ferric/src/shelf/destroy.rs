//! `ferric shelf destroy`

use super::{Address, OpenShelf, Outcomes, denied_deletion, end};
use crate::cli_error::CliError;
use crate::output::{self, Output};
use crate::tape::parse_barcode;
use serde::Serialize;
use shelf::ShelfError;
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
    /// The reason why nothing was changed, such as a daemon that uses the cartridge, or its retention.
    #[serde(skip_serializing_if = "Option::is_none")]
    skipped: Option<String>,
}

pub(crate) fn run(output: Output, arguments: &Arguments) -> Result<(), CliError> {
    if !arguments.yes {
        let all = arguments.barcodes.iter().map(Barcode::to_string).collect::<Vec<_>>().join(", ");
        let what = "would be lost forever; nothing was changed: add --yes to destroy the keys";
        return Err(CliError::conflict(format!("the data of {all} {what}")));
    }
    let open = OpenShelf::open(&arguments.address.url)?;
    let barcodes = arguments.barcodes.iter().map(Barcode::to_string).collect();
    let Outcomes { done, failure } = open.with_each_taken(barcodes, async |owned| match owned.destroy_key().await {
        Err(ShelfError::Denied { key, reason, .. }) => Ok(Err(denied_deletion(&key, &reason))),
        other => other.map(Ok),
    });
    let report = |(barcode, destroyed): (String, Result<Result<bool, String>, String>)| {
        let destroyed = destroyed.and_then(|destroyed| destroyed);
        Destroyed { barcode, destroyed: *destroyed.as_ref().unwrap_or(&false), skipped: destroyed.err() }
    };
    let reports: Vec<Destroyed> = done.into_iter().map(report).collect();
    output.show(&reports, |reports| reports.iter().try_for_each(print))?;
    let skipped = reports.iter().filter(|it| it.skipped.is_some()).map(|it| it.barcode.as_str());
    end(failure, skipped, "the keys of these cartridges are not destroyed")
}

fn print(report: &Destroyed) -> Result<(), CliError> {
    let Destroyed { barcode, destroyed, skipped } = report;
    if let Some(reason) = skipped {
        return output::print_line(format!("{barcode}: skipped: {reason}"));
    }
    let what = if *destroyed {
        "its key is destroyed, and with it the data"
    } else {
        "it has no key: its data is not encrypted, and was not destroyed"
    };
    output::print_line(format!("{barcode}: {what}"))
}
