//! `ferric tape repair`

use super::{OpenCartridge, kind_name};
use crate::cli_error::{CliError, ErrorCode};
use crate::output::{Output, format_count, format_size, print_line};
use serde::Serialize;
use std::io;
use std::path::{Path, PathBuf};
use tape_store::cartridge::{Barcode, Format};
use tape_store::error::StoreError;
use tape_store::mam::Flags;
use tape_store::medium::Medium;
use tape_store::repair::{Finding, Remedy};
use tape_store::three_file::ThreeFile;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Directory of the cartridge; its name is the barcode
    path: PathBuf,
    /// End each damaged partition before its first damaged object, if the cartridge cannot be repaired otherwise
    #[arg(long)]
    truncate: bool,
}

/// The findings of a repair, and its changes.
#[derive(Serialize)]
struct Report {
    path: PathBuf,
    /// Files that were replaced.
    files: Vec<RepairedFile>,
    /// The assumption about the cartridge, if both copies of its MAM were lost.
    assumed: Option<Assumption>,
    /// Incomplete objects after the last synchronised one that were dropped.
    torn_objects: u64,
    /// The end of each partition, if the damage cannot be repaired otherwise.
    partitions: Vec<PartitionEnd>,
    /// Whether the partitions were truncated there.
    truncated: bool,
}

/// A file that was repaired.
#[derive(Serialize)]
struct RepairedFile {
    file: String,
    damage: String,
    repair: String,
}

/// Properties of a cartridge whose MAM was rebuilt without its copy, to be checked by a person.
#[derive(Serialize)]
struct Assumption {
    medium: &'static str,
    kind: &'static str,
    /// Size in bytes.
    capacity: u64,
    /// Whether the barcode tells medium and kind.
    from_barcode: bool,
}

pub(crate) fn run(output: Output, arguments: &Arguments) -> Result<(), CliError> {
    repair(output, arguments).map_err(|failure| advised(&arguments.path, failure))
}

impl Report {
    fn new(path: &Path, repaired: &[&Finding]) -> Self {
        let file = |finding: &&Finding| RepairedFile {
            file: finding.file.clone(),
            damage: finding.problem.clone(),
            repair: finding.remedy.to_string(),
        };
        Self {
            path: path.into(),
            files: repaired.iter().map(file).collect(),
            assumed: None,
            torn_objects: 0,
            partitions: Vec::new(),
            truncated: false,
        }
    }

    fn is_empty(&self) -> bool {
        self.files.is_empty() && self.torn_objects == 0 && self.partitions.is_empty()
    }

    fn print(&self) -> Result<(), CliError> {
        let name = self.path.display();
        for RepairedFile { file, damage, repair } in &self.files {
            print_line(format!("{name}: {file}: {damage}: {repair}"))?;
        }
        if let Some(Assumption { medium, kind, capacity, from_barcode }) = &self.assumed {
            let origin = if *from_barcode {
                "according to its barcode"
            } else {
                "which is assumed, because its barcode does not name it"
            };
            print_line(format!("{name}: it is now {medium} {kind} of {}, {origin}", format_size(*capacity)))?;
            print_line(format!("{name}: if that is right, allow writes: ferric tape attr {name} write-protect off"))?;
        }
        if self.torn_objects > 0 {
            let torn = format_count(self.torn_objects, "torn object");
            print_line(format!("{name}: dropped {torn} after the last synchronised one"))?;
        }
        let (kept, lost) = if self.truncated { ("kept", "dropped") } else { ("would be kept", "would be lost") };
        self.partitions.iter().try_for_each(|end| print_line(end.describe(kept, lost)))?;
        if self.is_empty() {
            print_line(format!("{name}: nothing to repair"))?;
        }
        Ok(())
    }
}

/// Adds to a failure that no repair can change what else can be done.
fn advised(path: &Path, failure: CliError) -> CliError {
    let Some(barcode) = path.file_name().and_then(|name| Barcode::new(&name.to_string_lossy())) else { return failure };
    let forget = format!("to take it out of a site's inventory: ferric cartridge {barcode} --forget");
    match failure {
        CliError::Cartridge(name, StoreError::NoCartridgeMemory) => {
            let what = "this folder has no files of a cartridge, so nothing can be repaired";
            CliError::not_found(format!("{name}: {what}; {forget}"))
        }
        CliError::Cartridge(name, StoreError::Io { operation: what, source })
            if matches!(source.kind(), io::ErrorKind::IsADirectory | io::ErrorKind::InvalidInput) =>
        {
            let advice = format!("move it out of the folder {name}, then repair again; or, {forget}");
            CliError::new(ErrorCode::Io, format!("{name}: {what} failed: {source}; {advice}"))
        }
        CliError::Failed(code, what) if is_no_folder(path) => {
            CliError::new(code, format!("{what}; nothing can be repaired; {forget}"))
        }
        other => other,
    }
}

/// Whether no folder is there, so that no file can be in it.
fn is_no_folder(path: &Path) -> bool {
    match std::fs::metadata(path) {
        Ok(data) => !data.is_dir(),
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

/// The properties of a cartridge whose MAM was rebuilt from its barcode.
fn assumption(found: &mut OpenCartridge) -> Result<Assumption, CliError> {
    let failed = found.store_error();
    found.cartridge.mam().map_err(failed)?;
    let cartridge = &found.cartridge;
    let (medium, kind, capacity) = (cartridge.media().name, kind_name(cartridge.kind()), cartridge.capacity());
    Ok(Assumption { medium, kind, capacity, from_barcode: cartridge.barcode().media().is_some() })
}

fn repair(output: Output, arguments: &Arguments) -> Result<(), CliError> {
    let mut found = OpenCartridge::open(&arguments.path)?;
    found.check_not_served()?;
    let findings = found.cartridge.repair().map_err(found.store_error())?;
    let repaired: Vec<&Finding> = findings.iter().filter(|finding| finding.remedy != Remedy::Truncate).collect();
    let mut report = Report::new(&arguments.path, &repaired);
    if repaired.iter().any(|finding| finding.remedy == Remedy::RebuildMamFromLabel) {
        report.assumed = Some(assumption(&mut found)?);
    }
    let done = repair_objects(&mut found, &findings, arguments.truncate, &mut report);
    // The part of the repair that was done is reported even if the rest fails.
    if done.is_ok() || !report.is_empty() {
        output.show(&report, Report::print)?;
    }
    done
}

/// Drops torn objects, or truncates partitions whose damage cannot be repaired otherwise.
fn repair_objects(
    found: &mut OpenCartridge,
    findings: &[Finding],
    may_truncate: bool,
    report: &mut Report,
) -> Result<(), CliError> {
    let failed = found.store_error();
    match found.cartridge.open_three_file() {
        Ok((mut tape, recovery)) if !recovery.damaged => {
            tape.close().map_err(&failed)?;
            drop(tape);
            report.torn_objects = recovery.dropped_objects;
            return clear_loaded_flag(found);
        }
        Ok(_) | Err(StoreError::Malformed { .. } | StoreError::Damaged { .. }) => {}
        Err(other) => return Err(failed(other)),
    }
    report.partitions = partition_ends(found, findings)?;
    if report.partitions.iter().any(PartitionEnd::loses_data) {
        if !may_truncate {
            let what = "nothing was truncated; --truncate ends each partition after its intact objects";
            return Err(CliError::new(ErrorCode::Damaged, format!("{}: {what}", found.name)));
        }
        found.check_not_retained()?;
    }
    truncate(found, &report.partitions)?;
    report.truncated = true;
    Ok(())
}

/// The end of the intact objects of each partition that is damaged.
fn partition_ends(found: &mut OpenCartridge, findings: &[Finding]) -> Result<Vec<PartitionEnd>, CliError> {
    let failed = found.store_error();
    let is_native = found.cartridge.format().map_err(&failed)? == Format::Native;
    let mut tape = found.cartridge.salvage(true).map_err(&failed)?;
    // In the native format, the other partitions are intact.
    let is_damaged = |partition: &u8| {
        let file = |name: &str| format!("{name}.{partition}");
        let of_it = |finding: &Finding| ["data", "indx", "mark"].iter().any(|name| finding.file == file(name));
        !is_native || findings.iter().any(|finding| finding.remedy == Remedy::Truncate && of_it(finding))
    };
    let partitions = (0..tape.partitions()).filter(is_damaged);
    partitions.map(|partition| PartitionEnd::of(&mut tape, partition)).collect::<Result<_, _>>().map_err(failed)
}

/// Truncates partitions, after it has saved what is dropped.
fn truncate(found: &mut OpenCartridge, ends: &[PartitionEnd]) -> Result<(), CliError> {
    let failed = found.store_error();
    for end in ends.iter().filter(|end| end.loses_data()) {
        found.cartridge.save_damaged_tail(end.partition, end.objects).map_err(&failed)?;
    }
    let mut tape = found.cartridge.salvage(false).map_err(&failed)?;
    for end in ends {
        tape.cut_before(end.partition, end.objects).map_err(&failed)?;
    }
    tape.close().map_err(&failed)?;
    drop(tape);
    clear_loaded_flag(found)
}

/// End of the intact objects of a partition, and the amount of data after it.
#[derive(Serialize)]
struct PartitionEnd {
    partition: u8,
    /// Number of intact objects before the first damaged one.
    objects: u64,
    /// Number of objects after them.
    lost_objects: u64,
    /// Stored bytes of the objects after them.
    lost_bytes: u64,
}

impl PartitionEnd {
    fn of(tape: &mut ThreeFile, partition: u8) -> Result<Self, StoreError> {
        let objects = tape.first_damaged(partition)?;
        let (lost_objects, lost_bytes) = tape.loss_if_cut(partition, objects)?;
        Ok(Self { partition, objects, lost_objects, lost_bytes })
    }

    const fn loses_data(&self) -> bool {
        self.lost_objects > 0 || self.lost_bytes > 0
    }

    fn describe(&self, kept: &str, lost: &str) -> String {
        let Self { partition, objects, lost_objects, lost_bytes } = self;
        let after = if self.loses_data() {
            let (objects, bytes) = (format_count(*lost_objects, "object"), format_size(*lost_bytes));
            format!("; {lost}: {objects} and {bytes} stored")
        } else {
            String::new()
        };
        format!("partition {partition}: {} {kept}{after}", format_count(*objects, "intact object"))
    }
}

/// Clears the mark in the MAM that a drive has loaded the cartridge.
fn clear_loaded_flag(found: &mut OpenCartridge) -> Result<(), CliError> {
    let failed = found.store_error();
    let mut mam = found.cartridge.mam().map_err(&failed)?;
    if mam.flags().contains(Flags::LOADED) {
        mam.set_flag(Flags::LOADED, false);
        found.cartridge.save_mam_exclusive(&mam).map_err(&failed)?;
    }
    Ok(())
}
