//! `ferric shelf verify`

use super::{Address, OpenShelf, shelf_error};
use crate::cli_error::{CliError, ErrorCode};
use crate::output::{self, BYTES, Output};
use crate::tape::parse_barcode;
use serde::Serialize;
use shelf::DamagedSegment;
use tape_store::cartridge::Barcode;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    address: Address,
    /// Barcodes of the cartridges
    #[arg(required = true, value_parser = parse_barcode)]
    barcodes: Vec<Barcode>,
    /// Read a random sample of the segments: this part of them, rounded up
    #[arg(long, value_name = "PERCENT", default_value_t = 100, value_parser = clap::value_parser!(u8).range(1..=100))]
    sample: u8,
}

/// The result for one cartridge.
#[derive(Serialize)]
struct Verified {
    barcode: String,
    intact: bool,
    /// Number of segments that were read.
    segments: u64,
    /// Number of all segments.
    all_segments: u64,
    /// Bytes of the segments that are whole.
    bytes: u64,
    damaged: Vec<Damaged>,
}

/// A damaged segment.
#[derive(Serialize)]
struct Damaged {
    /// Name of the object.
    object: String,
    problem: String,
    parts: Vec<Part>,
}

/// A part of a file that is in the segment.
#[derive(Serialize)]
struct Part {
    file: String,
    offset: u64,
    /// Length in bytes.
    length: u64,
}

impl From<DamagedSegment> for Damaged {
    fn from(damaged: DamagedSegment) -> Self {
        let parts = damaged.parts.into_iter().map(|(file, offset, length)| Part { file, offset, length });
        Self { object: damaged.key, problem: damaged.problem, parts: parts.collect() }
    }
}

pub(crate) fn run(output: Output, arguments: &Arguments) -> Result<(), CliError> {
    let open = OpenShelf::open(&arguments.address.url)?;
    let mut reports = Vec::new();
    for barcode in &arguments.barcodes {
        let manifest = open.newest(barcode)?;
        let content = &manifest.content;
        let all = content.segments();
        let all_segments = all.len() as u64;
        let sample = open.shelf.sample(content, arguments.sample).map_err(shelf_error)?;
        let sampled_bytes = all.iter().filter(|(name, _)| sample.contains(*name)).map(|(_, len)| len);
        let bar = output.progress_bar(Some(sampled_bytes.sum()), BYTES);
        let mut progress = |bytes| bar.inc(bytes);
        let choose = |segment: &str| sample.contains(segment);
        let verify = open.shelf.verify_segments(barcode.as_str(), content, choose, &mut progress);
        let found = open.runtime.block_on(verify);
        bar.finish_and_clear();
        let found = found.map_err(shelf_error)?;
        let intact = found.damaged.is_empty();
        let damaged = found.damaged.into_iter().map(Damaged::from).collect();
        let (segments, bytes) = (found.segments, found.bytes);
        reports.push(Verified { barcode: barcode.to_string(), intact, segments, all_segments, bytes, damaged });
    }
    output.show(&reports, |reports| reports.iter().try_for_each(print))?;
    let damaged: Vec<&str> =
        reports.iter().filter(|report| !report.intact).map(|report| report.barcode.as_str()).collect();
    if damaged.is_empty() {
        return Ok(());
    }
    Err(CliError::new(ErrorCode::Damaged, format!("damaged on the shelf: {}", damaged.join(", "))))
}

fn print(report: &Verified) -> Result<(), CliError> {
    let Verified { barcode, intact, segments, all_segments, bytes, damaged } = report;
    let (state, all) = (if *intact { "intact" } else { "damaged" }, output::format_count(*all_segments, "segment"));
    let segments = if segments == all_segments { all } else { format!("{segments} of {all}") };
    output::print_line(format!("{barcode}: {state}: {segments}, {} read", output::format_size(*bytes)))?;
    for Damaged { object, problem, parts } in damaged {
        output::print_line(format!("  {object}: {problem}"))?;
        for Part { file, offset, length } in parts {
            output::print_line(format!("    {file}: {length} bytes from byte {offset}"))?;
        }
    }
    Ok(())
}
