//! `ferric tape verify`

use super::OpenCartridge;
use crate::cli_error::{CliError, ErrorCode};
use crate::output::{self, BYTES, Output};
use serde::Serialize;
use std::path::PathBuf;
use tape_store::cartridge::CartridgeKind;
use tape_store::error::StoreError;
use tape_store::medium::{self, Medium};
use tape_store::repair::{Finding, Remedy};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Directory of the cartridge; its name is the barcode
    path: PathBuf,
}

#[derive(Default, Serialize)]
struct Report {
    blocks: u64,
    filemarks: u64,
    stored: u64,
    index_intact: bool,
    files: Vec<DamagedFile>,
    damaged: Vec<DamagedObject>,
}

/// A file that is damaged.
#[derive(Serialize)]
struct DamagedFile {
    file: String,
    damage: String,
    /// What `ferric tape repair` does with it.
    repair: String,
}

#[derive(Serialize)]
struct DamagedObject {
    partition: u8,
    object: u64,
    damage: String,
}

pub(crate) fn run(output: Output, arguments: &Arguments) -> Result<(), CliError> {
    let mut found = OpenCartridge::open_for_reading(output, &arguments.path)?;
    let failed = found.store_error();
    let findings = found.cartridge.examine().map_err(&failed)?;
    let (mut tape, recovery) = found.cartridge.open_read_only().map_err(&failed)?;
    let partitions = 0..tape.partitions();
    let used = partitions.clone().filter_map(|number| tape.usage(number).ok()).map(|usage| usage.used).sum();
    let no_data = found.cartridge.kind() == CartridgeKind::Null;
    let (mut report, bar) = (Report::default(), output.progress_bar(Some(used), BYTES));
    for partition in partitions {
        tape.locate(partition, 0).map_err(&failed)?;
        loop {
            let object = tape.position().object;
            match tape.verify_next() {
                Ok(medium::ReadOutcome::EndOfData) => break,
                Ok(medium::ReadOutcome::Filemark) => report.filemarks += 1,
                Ok(medium::ReadOutcome::Block { stored, .. }) => {
                    report.blocks += 1;
                    report.stored += stored;
                    bar.inc(stored);
                }
                // A NULL medium never had the data.
                Err(StoreError::Damaged { damage: tape_store::error::Damage::Truncated, .. }) if no_data => {
                    report.blocks += 1
                }
                Err(StoreError::Damaged { damage: what, .. }) => {
                    report.damaged.push(DamagedObject { partition, object, damage: what.to_string() });
                }
                Err(other) => return Err(failed(other)),
            }
        }
    }
    bar.finish_and_clear();
    report.index_intact = !recovery.damaged;
    // Then blocks and filemarks that the count does not have may be lost.
    let index_lost = |finding: &Finding| matches!(finding.remedy, Remedy::RebuildIndex { .. } | Remedy::Truncate);
    let complete = !recovery.damaged && !findings.iter().any(index_lost);
    let files = findings.into_iter();
    let file = |Finding { file, problem: what, remedy }| DamagedFile { file, damage: what, repair: remedy.to_string() };
    report.files = files.map(file).collect();
    output.show(&report, |report| print(report, complete, recovery.dropped_objects))?;
    let damaged = |what: String| Err(CliError::new(ErrorCode::Damaged, format!("{}: {what}", found.name)));
    match report.damaged.len() {
        0 if recovery.damaged && report.files.is_empty() => {
            damaged("the index does not match the data; ferric tape repair rebuilds it".into())
        }
        0 if !report.files.is_empty() => {
            let files = output::format_count(report.files.len() as u64, "file");
            let intact = if complete { "; every object is intact" } else { "" };
            damaged(format!("damaged: {files}{intact}"))
        }
        0 => Ok(()),
        many => damaged(format!("damaged: {}", output::format_count(many as u64, "object"))),
    }
}

fn print(report: &Report, complete: bool, torn: u64) -> Result<(), CliError> {
    let Report { blocks, filemarks, stored, files, damaged, .. } = report;
    let (blocks, filemarks) = (output::format_count(*blocks, "block"), output::format_count(*filemarks, "filemark"));
    let state = if complete { "intact" } else { "readable" };
    output::print_line(format!("{state}: {blocks} ({} stored) and {filemarks}", output::format_size(*stored)))?;
    if torn > 0 {
        let torn = output::format_count(torn, "object");
        output::print_line(format!("torn: {torn} behind the last synchronised one; the next load drops them"))?;
    }
    for DamagedFile { file, damage, repair } in files {
        output::print_line(format!("{file}: {damage}; with ferric tape repair: {repair}"))?;
    }
    for DamagedObject { partition, object, damage } in damaged {
        output::print_line(format!("partition {partition}, object {object}: {damage}"))?;
    }
    Ok(())
}
