//! `ferric tape show`

use super::{OpenCartridge, kind_name};
use crate::cli_error::CliError;
use crate::output::{self, Output};
use serde::Serialize;
use std::path::PathBuf;
use tape_store::mam::Flags;
use vtl::contents::{CartridgeContents, PartitionContents, UnsynchronisedObjects};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Directory of the cartridge; its name is the barcode
    path: PathBuf,
}

#[derive(Serialize)]
struct CartridgeDetails {
    barcode: String,
    kind: &'static str,
    write_protected: bool,
    #[serde(flatten)]
    contents: CartridgeContents,
}

pub(crate) fn run(output: Output, arguments: &Arguments) -> Result<(), CliError> {
    let mut found = OpenCartridge::open_for_reading(output, &arguments.path)?;
    let failed = found.store_error();
    let (mam, damage) = found.cartridge.mam_or_rebuilt().map_err(&failed)?;
    let contents = CartridgeContents::read(&mut found.cartridge, &mam, damage.as_ref()).map_err(&failed)?;
    let shown = CartridgeDetails {
        barcode: found.cartridge.barcode().to_string(),
        kind: kind_name(found.cartridge.kind()),
        write_protected: mam.flags().contains(Flags::WRITE_PROTECTED),
        contents,
    };
    output.show(&shown, print)
}

fn print(details: &CartridgeDetails) -> Result<(), CliError> {
    let CartridgeDetails { barcode, kind, write_protected, contents } = details;
    let kind = if *write_protected { format!("{kind}, write-protected") } else { (*kind).into() };
    print_contents(barcode, &kind, contents)
}

/// Prints the contents of a cartridge, a row for each fact. `kind` follows the name of the medium and may be empty.
pub(crate) fn print_contents(barcode: &str, kind: &str, shown: &CartridgeContents) -> Result<(), CliError> {
    output::print_row("barcode", barcode)?;
    output::print_row("medium", format!("{} {kind}", shown.medium).trim_end())?;
    output::print_row("format", &shown.format)?;
    output::print_row("size", output::format_size(shown.capacity))?;
    output::print_row("serial", &shown.serial)?;
    output::print_row("manufactured", format!("{} by {}", shown.manufactured, shown.manufacturer))?;
    output::print_row("loads", shown.loads.to_string())?;
    if !shown.last_drive.is_empty() {
        output::print_row("last drive", &shown.last_drive)?;
    }
    let (written, read) = (output::format_size(shown.written_in_life), output::format_size(shown.read_in_life));
    output::print_row("lifetime", format!("{written} written, {read} read"))?;
    for partition in &shown.partitions {
        let PartitionContents { number, capacity, used, objects, filemarks } = partition;
        let share = if *capacity == 0 { 0 } else { u128::from(*used) * 100 / u128::from(*capacity) };
        output::print_row(
            &format!("partition {number}"),
            format!(
                "{} of {} stored ({share} %), {}, {}",
                output::format_size(*used),
                output::format_size(*capacity),
                output::format_count(objects.saturating_sub(*filemarks), "block"),
                output::format_count(*filemarks, "filemark")
            ),
        )?;
    }
    if shown.loaded {
        output::print_row("note", "loaded, or not unloaded cleanly")?;
    }
    if let Some(UnsynchronisedObjects { complete, torn }) = shown.unsynchronised {
        output::print_row("note", format!("after the last synchronised object: {complete} complete, {torn} torn"))?;
    }
    if let Some(damage) = &shown.damage {
        output::print_row("damage", damage)?;
    }
    Ok(())
}
