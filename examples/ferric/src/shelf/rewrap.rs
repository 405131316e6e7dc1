//! `ferric shelf rewrap`

use super::{Address, Keys, OpenShelf, Outcomes, end};
use crate::cli_error::CliError;
use crate::output::{self, Output};
use crate::tape::parse_barcode;
use serde::Serialize;
use tape_store::cartridge::Barcode;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    address: Address,
    #[command(flatten)]
    keys: Keys,
    /// Barcodes of the cartridges; all cartridges of the shelf if none is given
    #[arg(value_parser = parse_barcode)]
    barcodes: Vec<Barcode>,
}

/// The result for one cartridge.
#[derive(Serialize)]
struct Rewrapped {
    barcode: String,
    /// Whether its data key was wrapped with a former key. Otherwise it has none, or the new key wraps it already.
    rewrapped: bool,
    /// The reason why nothing was changed, such as a daemon that uses the cartridge.
    #[serde(skip_serializing_if = "Option::is_none")]
    skipped: Option<String>,
}

pub(crate) fn run(output: Output, arguments: &Arguments) -> Result<(), CliError> {
    if arguments.keys.key.is_none() {
        return Err(CliError::invalid("the new key is missing: give it with --key"));
    }
    let open = OpenShelf::open(&arguments.address.url)?.with_keys(&arguments.keys)?;
    let barcodes = open.barcodes(&arguments.barcodes)?;
    let Outcomes { done, failure } = open.with_each_taken(barcodes, async |owned| owned.rewrap_key().await);
    let report = |(barcode, rewrapped): (String, Result<bool, String>)| Rewrapped {
        barcode,
        rewrapped: *rewrapped.as_ref().unwrap_or(&false),
        skipped: rewrapped.err(),
    };
    let reports: Vec<Rewrapped> = done.into_iter().map(report).collect();
    output.show(&reports, |reports| reports.iter().try_for_each(print))?;
    let skipped = reports.iter().filter(|it| it.skipped.is_some()).map(|it| it.barcode.as_str());
    end(failure, skipped, "keep the former key: these cartridges are in use, and still need it")
}

fn print(report: &Rewrapped) -> Result<(), CliError> {
    let Rewrapped { barcode, rewrapped, skipped } = report;
    match skipped {
        Some(reason) => output::print_line(format!("{barcode}: skipped: {reason}")),
        None if *rewrapped => output::print_line(format!("{barcode}: its data key is wrapped with the new key")),
        None => output::print_line(format!("{barcode}: nothing to do")),
    }
}
