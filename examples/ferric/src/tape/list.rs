//! `ferric tape list`

use super::{OpenCartridge, kind_name};
use crate::cli_error::CliError;
use crate::options::Options;
use crate::output;
use command_line::data_dir;
use serde::Serialize;
use std::path::{Path, PathBuf};
use tape_store::backend::file::{self, OsFolderStore};
use tape_store::mam::AttrId;
use tape_store::store::TapeStore;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Directory of cartridges, or the data directory of a daemon [default: that of --data]
    #[arg(conflicts_with = "data")]
    directory: Option<PathBuf>,
}

#[derive(Serialize)]
struct Row {
    barcode: String,
    #[serde(flatten)]
    facts: ListEntry,
}

#[derive(Serialize)]
#[serde(untagged)]
enum ListEntry {
    Facts(CartridgeSummary),
    Fault { error: String },
}

#[derive(Serialize)]
struct CartridgeSummary {
    medium: &'static str,
    kind: &'static str,
    format: &'static str,
    capacity: u64,
    remaining: u64,
    loads: u64,
}

pub(crate) fn run(options: &Options, arguments: &Arguments) -> Result<(), CliError> {
    let shelf = match &arguments.directory {
        Some(directory) => cartridge_directory(directory),
        None => default_directory(options)?,
    };
    let name = shelf.display().to_string();
    super::check_directory(&shelf)?;
    super::warn_if_served(options.output, file::serving_process(&shelf).ok().flatten());
    let store = TapeStore::new(Box::new(OsFolderStore::at_unchecked(&shelf)));
    let barcodes = store.list().map_err(|error| CliError::Cartridge(name, error))?;
    let rows: Vec<Row> = barcodes
        .iter()
        .map(|barcode| Row { barcode: barcode.to_string(), facts: list_entry(&shelf.join(barcode.as_str())) })
        .collect();
    options.output.show(rows.as_slice(), print)
}

fn print(rows: &[Row]) -> Result<(), CliError> {
    output::print_line(format!(
        "{:<17}{:<9}{:<10}{:<8}{:>10}{:>12}{:>7}",
        "barcode", "medium", "kind", "format", "size", "free", "loads"
    ))?;
    for row in rows {
        match &row.facts {
            ListEntry::Facts(facts) => output::print_line(format!(
                "{:<17}{:<9}{:<10}{:<8}{:>10}{:>12}{:>7}",
                row.barcode,
                facts.medium,
                facts.kind,
                facts.format,
                output::format_size(facts.capacity),
                output::format_size(facts.remaining),
                facts.loads
            ))?,
            ListEntry::Fault { error } => output::print_line(format!("{:<17}{error}", row.barcode))?,
        }
    }
    Ok(())
}

/// The cartridge directory of a daemon's data directory, or the directory itself.
fn cartridge_directory(directory: &Path) -> PathBuf {
    let cartridges = directory.join("cartridges");
    if cartridges.is_dir() { cartridges } else { directory.into() }
}

/// The cartridges of the first data directory that exists, of those in which a daemon is looked for.
fn default_directory(options: &Options) -> Result<PathBuf, CliError> {
    let candidates = data_dir::candidates(options.data.clone());
    let found = candidates.iter().map(|directory| cartridge_directory(directory)).find(|directory| directory.is_dir());
    found.ok_or_else(|| {
        let tried: Vec<String> = candidates.iter().map(|directory| directory.display().to_string()).collect();
        CliError::not_found(format!("there is no data directory at {}; name a directory", tried.join(" or ")))
    })
}

fn list_entry(path: &Path) -> ListEntry {
    match facts(path) {
        Ok(facts) => ListEntry::Facts(facts),
        // The row names the cartridge already.
        Err(CliError::Cartridge(_, error)) => ListEntry::Fault { error: error.to_string() },
        Err(other) => ListEntry::Fault { error: other.to_string() },
    }
}

fn facts(path: &Path) -> Result<CartridgeSummary, CliError> {
    let mut found = OpenCartridge::open(path)?;
    let failed = found.store_error();
    let mam = found.cartridge.mam().map_err(&failed)?;
    let format = found.cartridge.format().map_err(&failed)?;
    Ok(CartridgeSummary {
        medium: found.cartridge.media().name,
        kind: kind_name(found.cartridge.kind()),
        format: format.name(),
        capacity: found.cartridge.capacity(),
        remaining: mam.number(AttrId::REMAINING_CAPACITY),
        loads: mam.number(AttrId::LOAD_COUNT),
    })
}
