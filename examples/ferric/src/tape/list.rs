//! `ferric tape list`

use super::{Found, kind_name};
use crate::failure::Failure;
use crate::output;
use serde::Serialize;
use std::path::{Path, PathBuf};
use tape_store::backend::file::{self, OsShelves};
use tape_store::mam::AttrId;
use tape_store::shelf::TapeStore;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Directory of cartridges, or a daemon's data directory
    directory: PathBuf,
    /// As JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Row {
    barcode: String,
    #[serde(flatten)]
    facts: Known,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Known {
    Facts(Facts),
    Fault { error: String },
}

#[derive(Serialize)]
struct Facts {
    medium: &'static str,
    kind: &'static str,
    level: &'static str,
    capacity: u64,
    remaining: u64,
    loads: u64,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let shelf = shelf(&arguments.directory);
    let name = shelf.display().to_string();
    super::check_directory(&shelf)?;
    super::note_server(file::server(&shelf).ok().flatten());
    let store = TapeStore::new(Box::new(OsShelves::unchecked(&shelf)));
    let barcodes = store.list().map_err(|error| Failure::Cartridge(name, error))?;
    let rows: Vec<Row> = barcodes
        .iter()
        .map(|barcode| Row { barcode: barcode.to_string(), facts: known(&shelf.join(barcode.as_str())) })
        .collect();
    if arguments.json {
        return output::json(&rows);
    }
    output::line(format!(
        "{:<17}{:<9}{:<10}{:<8}{:>10}{:>12}{:>7}",
        "barcode", "medium", "kind", "level", "size", "left", "loads"
    ))?;
    for row in &rows {
        match &row.facts {
            Known::Facts(facts) => output::line(format!(
                "{:<17}{:<9}{:<10}{:<8}{:>10}{:>12}{:>7}",
                row.barcode,
                facts.medium,
                facts.kind,
                facts.level,
                output::size(facts.capacity),
                output::size(facts.remaining),
                facts.loads
            ))?,
            Known::Fault { error } => output::line(format!("{:<17}{error}", row.barcode))?,
        }
    }
    Ok(())
}

/// A daemon keeps its cartridges in a directory of their own.
fn shelf(directory: &Path) -> PathBuf {
    let cartridges = directory.join("cartridges");
    if cartridges.is_dir() { cartridges } else { directory.into() }
}

fn known(path: &Path) -> Known {
    match facts(path) {
        Ok(facts) => Known::Facts(facts),
        // The row names the cartridge already.
        Err(Failure::Cartridge(_, error)) => Known::Fault { error: error.to_string() },
        Err(other) => Known::Fault { error: other.to_string() },
    }
}

fn facts(path: &Path) -> Result<Facts, Failure> {
    let mut found = Found::at(path)?;
    let failed = found.failed();
    let mam = found.cartridge.mam().map_err(&failed)?;
    let level = found.cartridge.level().map_err(&failed)?;
    Ok(Facts {
        medium: found.cartridge.media().name,
        kind: kind_name(found.cartridge.kind()),
        level: level.name(),
        capacity: found.cartridge.capacity(),
        remaining: mam.number(AttrId::REMAINING),
        loads: mam.number(AttrId::LOAD_COUNT),
    })
}
