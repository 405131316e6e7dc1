//! `ferric cartridge copy`

use super::archive::check_trust;
use super::{OpenShelf, shelf_error};
use crate::cli_error::{CliError, ErrorCode};
use crate::output::{self, BYTES, Output};
use crate::site::CopyArgs;
use crate::tape::parse_barcode;
use command_line::shelf::read_keys;
use serde::Serialize;
use shelf::{Copied, CopyError, Shelf};
use std::ops::ControlFlow;
use tape_store::cartridge::Barcode;

/// A cartridge whose state on the other shelf is that of the first one.
#[derive(Serialize)]
struct Copy {
    barcode: String,
    /// Bytes of the files.
    bytes: u64,
    segments: u64,
    /// Segments that were not on the other shelf.
    copied_segments: u64,
    copied_bytes: u64,
    /// Number of the state on the other shelf.
    version: u64,
}

pub(crate) fn run(output: Output, arguments: &CopyArgs) -> Result<(), CliError> {
    let barcodes = arguments.cartridges.iter().map(|text| parse_barcode(text).map_err(CliError::invalid));
    let barcodes = barcodes.collect::<Result<Vec<Barcode>, _>>()?;
    let CopyArgs { from, to, key, former_keys, to_key, .. } = arguments;
    let mut source = OpenShelf::open(from)?;
    let mut target = OpenShelf::open(to)?.with_object_lock()?;
    if let Some(key) = key {
        let keys = |place: &str, former: &[String]| {
            read_keys(place, former).map_err(|error| CliError::invalid(error.to_string()))
        };
        source.shelf = source.shelf.with_keys(keys(key, former_keys)?);
        target.shelf = match to_key {
            Some(to_key) => target.shelf.with_keys(keys(to_key, &[])?),
            None => target.shelf.with_keys(keys(key, former_keys)?),
        };
    }
    target.runtime.block_on(check_trust(&target))?;
    let mut done = Vec::new();
    for barcode in &barcodes {
        // Prints what is done also if a later one fails.
        let copy = copy(output, &source, &target.shelf, barcode)?;
        target.warn_without_lock(output, barcode)?;
        if !output.is_json() {
            print(&copy)?;
        }
        done.push(copy);
    }
    output.show(&done, |_| Ok(()))
}

fn copy(output: Output, source: &OpenShelf, target: &Shelf, barcode: &Barcode) -> Result<Copy, CliError> {
    let bar = output.progress_bar(None, BYTES);
    let mut progress = |done, all| {
        bar.set_length(all);
        bar.set_position(done);
        ControlFlow::Continue(())
    };
    let copied = source.runtime.block_on(source.shelf.copy_cartridge(barcode.as_str(), target, &mut progress));
    bar.finish_and_clear();
    let Copied { bytes, segments, copied_segments, copied_bytes, version, .. } = copied.map_err(copy_error)?;
    Ok(Copy { barcode: barcode.to_string(), bytes, segments, copied_segments, copied_bytes, version })
}

fn print(copy: &Copy) -> Result<(), CliError> {
    let Copy { barcode, bytes, segments, copied_segments, version, .. } = copy;
    let (size, segments) = (output::format_size(*bytes), output::format_count(*segments, "segment"));
    output::print_line(format!(
        "{barcode}: {size}, {copied_segments} of {segments} copied, state {version} on the shelf"
    ))
}

fn copy_error(error: CopyError) -> CliError {
    let message = error.to_string();
    match error {
        CopyError::Missing { .. } => CliError::not_found(message),
        CopyError::Source(error) | CopyError::Target(error) => CliError::new(shelf_error(error).code(), message),
        CopyError::InUse { .. } => CliError::new(ErrorCode::Busy, message),
        _ => CliError::conflict(message),
    }
}
