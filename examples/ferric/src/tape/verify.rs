//! `ferric tape verify`

use super::OpenCartridge;
use crate::cli_error::{CliError, ErrorCode};
use crate::output::{self, BYTES, Output, counting};
use std::path::PathBuf;
use tape_store::verify::{used_bytes, verify};
use vtl::jobs::{DamagedFile, DamagedObject, VerifiedCartridge};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Directory of the cartridge; its name is the barcode
    path: PathBuf,
}

pub(crate) fn run(output: Output, arguments: &Arguments) -> Result<(), CliError> {
    let mut found = OpenCartridge::open_for_reading(output, &arguments.path)?;
    let failed = found.store_error();
    let bar = output.progress_bar(Some(used_bytes(&mut found.cartridge).map_err(&failed)?), BYTES);
    let verified = verify(&mut found.cartridge, &mut counting(&bar));
    bar.finish_and_clear();
    let report = VerifiedCartridge::from(verified.map_err(&failed)?);
    output.show(&report, print)?;
    check_intact(&found.name, &report)
}

/// Prints what the verification of a cartridge has found.
pub(crate) fn print(report: &VerifiedCartridge) -> Result<(), CliError> {
    let VerifiedCartridge { blocks, filemarks, stored, files, damaged, damaged_objects, torn_objects, .. } = report;
    let (blocks, filemarks) = (output::format_count(*blocks, "block"), output::format_count(*filemarks, "filemark"));
    let state = if report.complete { "intact" } else { "readable" };
    output::print_line(format!("{state}: {blocks} ({} stored) and {filemarks}", output::format_size(*stored)))?;
    if *torn_objects > 0 {
        let torn = output::format_count(*torn_objects, "object");
        output::print_line(format!("torn: {torn} behind the last synchronised one; the next load drops them"))?;
    }
    for DamagedFile { file, damage, repair } in files {
        output::print_line(format!("{file}: {damage}; with ferric tape repair: {repair}"))?;
    }
    for DamagedObject { partition, object, damage } in damaged {
        output::print_line(format!("partition {partition}, object {object}: {damage}"))?;
    }
    let unlisted = damaged_objects.saturating_sub(damaged.len() as u64);
    if unlisted > 0 {
        output::print_line(format!("and {}", output::format_count(unlisted, "further damaged object")))?;
    }
    Ok(())
}

/// An error if the verification of a cartridge has found damage.
pub(crate) fn check_intact(name: &str, report: &VerifiedCartridge) -> Result<(), CliError> {
    let damage = if report.intact {
        return Ok(());
    } else if report.damaged_objects > 0 {
        format!("damaged: {}", output::format_count(report.damaged_objects, "object"))
    } else if report.files.is_empty() {
        "the index does not match the data; ferric tape repair rebuilds it".into()
    } else {
        let files = output::format_count(report.files.len() as u64, "file");
        let intact = if report.complete { "; every object is intact" } else { "" };
        format!("damaged: {files}{intact}")
    };
    Err(CliError::new(ErrorCode::Damaged, format!("{name}: {damage}")))
}
