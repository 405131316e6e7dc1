//! `ferric shelf gc`

use super::{Address, OpenShelf, Outcomes, denied_deletion};
use crate::cli_error::{CliError, ErrorCode};
use crate::output::{self, Output};
use crate::tape::parse_barcode;
use serde::Serialize;
use shelf::{Garbage, KEPT_FOR};
use std::collections::BTreeMap;
use tape_store::cartridge::Barcode;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    address: Address,
    /// Barcodes of the cartridges; all cartridges of the shelf if none is given
    #[arg(value_parser = parse_barcode)]
    barcodes: Vec<Barcode>,
    /// Only report what would be removed
    #[arg(long)]
    dry_run: bool,
}

/// The result for one cartridge.
#[derive(Serialize)]
struct Collected {
    barcode: String,
    /// Segments, index pages and old heartbeats that were removed, or would be.
    objects: u64,
    /// Their length.
    bytes: u64,
    kept_objects: u64,
    kept_bytes: u64,
    /// The reason why nothing was removed, such as a daemon that uses the cartridge, or its retention.
    #[serde(skip_serializing_if = "Option::is_none")]
    skipped: Option<String>,
    /// The names of objects whose deletion the store denies, and the reasons.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    denied: BTreeMap<String, String>,
}

pub(crate) fn run(output: Output, arguments: &Arguments) -> Result<(), CliError> {
    let open = OpenShelf::open(&arguments.address.url)?;
    let barcodes = open.barcodes(&arguments.barcodes)?;
    let bar = output.progress_bar(Some(barcodes.len() as u64), output::CARTRIDGES);
    let Outcomes { done, failure } = open.with_each_taken(barcodes, async |owned| {
        let garbage = owned.remove_garbage(KEPT_FOR, arguments.dry_run).await;
        bar.inc(1);
        garbage
    });
    bar.finish_and_clear();
    let report = |(barcode, collected): (String, Result<Garbage, String>)| {
        let (garbage, skipped) = collected.map_or_else(|skipped| (Garbage::default(), Some(skipped)), |it| (it, None));
        let Garbage { objects, bytes, kept_objects, kept_bytes, denied, .. } = garbage;
        Collected { barcode, objects, bytes, kept_objects, kept_bytes, skipped, denied }
    };
    let reports: Vec<Collected> = done.into_iter().map(report).collect();
    output.show(&reports, |reports| reports.iter().try_for_each(|report| print(report, arguments.dry_run)))?;
    let denied: Vec<&str> = reports.iter().filter(|it| !it.denied.is_empty()).map(|it| it.barcode.as_str()).collect();
    match failure {
        Some(failure) => Err(failure),
        None if denied.is_empty() => Ok(()),
        None => {
            let message = format!("the store denies the deletion of objects of {}", denied.join(", "));
            Err(CliError::new(ErrorCode::Locked, message))
        }
    }
}

fn print(report: &Collected, dry_run: bool) -> Result<(), CliError> {
    let Collected { barcode, objects, bytes, kept_objects, kept_bytes, skipped, denied } = report;
    if let Some(reason) = skipped {
        return output::print_line(format!("{barcode}: skipped: {reason}"));
    }
    let done = if dry_run { "would be removed" } else { "removed" };
    let (removed, kept) = (output::format_count(*objects, "object"), output::format_count(*kept_objects, "object"));
    let (bytes, kept_bytes) = (output::format_size(*bytes), output::format_size(*kept_bytes));
    output::print_line(format!("{barcode}: {removed} {done} ({bytes}), {kept} kept ({kept_bytes})"))?;
    denied.iter().try_for_each(|(object, reason)| output::print_line(denied_deletion(object, reason)))
}
