//! `ferric tape verify`

use super::Found;
use crate::failure::Failure;
use crate::output;
use serde::Serialize;
use std::path::PathBuf;
use tape_store::cartridge::Kind;
use tape_store::error::StoreError;
use tape_store::medium::{self, Medium};
use tape_store::repair::{Finding, Remedy};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Folder of the cartridge
    path: PathBuf,
    /// As JSON
    #[arg(long)]
    json: bool,
}

#[derive(Default, Serialize)]
struct Report {
    blocks: u64,
    filemarks: u64,
    stored: u64,
    index_is_whole: bool,
    files: Vec<File>,
    damaged: Vec<Damage>,
}

/// A file that is damaged.
#[derive(Serialize)]
struct File {
    file: String,
    what: String,
    /// What `ferric tape repair` does with it.
    repair: String,
}

#[derive(Serialize)]
struct Damage {
    partition: u8,
    object: u64,
    what: String,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut found = Found::to_read(&arguments.path)?;
    let failed = found.failed();
    let findings = found.cartridge.examine().map_err(&failed)?;
    let (mut tape, recovery) = found.cartridge.view().map_err(&failed)?;
    let partitions = 0..tape.partitions();
    let used = partitions.clone().filter_map(|number| tape.usage(number).ok()).map(|usage| usage.used).sum();
    let no_data = found.cartridge.kind() == Kind::Null;
    let (mut report, bar) = (Report::default(), output::bar(used));
    for partition in partitions {
        tape.locate(partition, 0).map_err(&failed)?;
        loop {
            let object = tape.position().object;
            match tape.check_next() {
                Ok(medium::Found::EndOfData) => break,
                Ok(medium::Found::Filemark) => report.filemarks += 1,
                Ok(medium::Found::Block { stored, .. }) => {
                    report.blocks += 1;
                    report.stored += stored;
                    bar.inc(stored);
                }
                // A NULL medium never had the data.
                Err(StoreError::Damaged { what: tape_store::error::Damage::Short, .. }) if no_data => {
                    report.blocks += 1
                }
                Err(StoreError::Damaged { what, .. }) => {
                    report.damaged.push(Damage { partition, object, what: what.to_string() });
                }
                Err(other) => return Err(failed(other)),
            }
        }
    }
    bar.finish_and_clear();
    report.index_is_whole = !recovery.damaged;
    // Then blocks and filemarks that the count does not have may be lost.
    let index_lost = |finding: &Finding| matches!(finding.remedy, Remedy::Index { .. } | Remedy::Truncate);
    let complete = !recovery.damaged && !findings.iter().any(index_lost);
    let files = findings.into_iter();
    let file = |Finding { file, what, remedy }| File { file, what, repair: remedy.to_string() };
    report.files = files.map(file).collect();
    if arguments.json {
        output::json(&report)?;
    } else {
        print(&report, complete, recovery.dropped)?;
    }
    match report.damaged.len() {
        0 if recovery.damaged && report.files.is_empty() => {
            Err(Failure::Usage(format!("{}: index and data do not agree; ferric tape repair says how", found.name)))
        }
        0 if !report.files.is_empty() => {
            let files = output::count(report.files.len() as u64, "file");
            let whole = if complete { "; every object is whole" } else { "" };
            Err(Failure::Usage(format!("{}: damaged: {files}{whole}", found.name)))
        }
        0 => Ok(()),
        many => Err(Failure::Usage(format!("{}: damaged: {}", found.name, output::count(many as u64, "object")))),
    }
}

fn print(report: &Report, complete: bool, torn: u64) -> Result<(), Failure> {
    let Report { blocks, filemarks, stored, files, damaged, .. } = report;
    let (blocks, filemarks) = (output::count(*blocks, "block"), output::count(*filemarks, "filemark"));
    let state = if complete { "whole" } else { "readable" };
    output::line(format!("{state}: {blocks} ({} stored) and {filemarks}", output::size(*stored)))?;
    if torn > 0 {
        let torn = output::count(torn, "object");
        output::line(format!("torn: {torn} behind the last synchronised one; the next load drops them"))?;
    }
    for File { file, what, repair } in files {
        output::line(format!("{file}: {what}; with ferric tape repair: {repair}"))?;
    }
    for Damage { partition, object, what } in damaged {
        output::line(format!("partition {partition}, object {object}: {what}"))?;
    }
    Ok(())
}
