//! `ferric tape repair`

use super::{OpenCartridge, kind_name};
use crate::cli_error::CliError;
use crate::output;
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
    /// Directory of the cartridge
    path: PathBuf,
    /// End each damaged partition before its first damaged object, if the cartridge cannot be repaired otherwise
    #[arg(long)]
    truncate: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), CliError> {
    repair(arguments).map_err(|failure| advised(&arguments.path, failure))
}

/// Adds to a failure that no repair can change what else can be done.
fn advised(path: &Path, failure: CliError) -> CliError {
    let Some(barcode) = path.file_name().and_then(|name| Barcode::new(&name.to_string_lossy())) else { return failure };
    let forget = format!("to take it out of a site's inventory: ferric cartridge {barcode} --forget");
    match failure {
        CliError::Cartridge(name, StoreError::NoCartridgeMemory) => {
            let what = "this folder has no files of a cartridge, so nothing can be repaired";
            CliError::Usage(format!("{name}: {what}; {forget}"))
        }
        CliError::Cartridge(name, StoreError::Io { operation: what, source })
            if matches!(source.kind(), io::ErrorKind::IsADirectory | io::ErrorKind::InvalidInput) =>
        {
            let advice = format!("move it out of the folder {name}, then repair again; or, {forget}");
            CliError::Usage(format!("{name}: {what} failed: {source}; {advice}"))
        }
        CliError::Usage(what) if is_no_folder(path) => {
            CliError::Usage(format!("{what}; nothing can be repaired; {forget}"))
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

/// What a memory that was rebuilt without its copy says, to be checked by a person.
fn rebuilt(found: &mut OpenCartridge) -> Result<(), CliError> {
    let (name, failed) = (found.name.clone(), found.store_error());
    found.cartridge.mam().map_err(&failed)?;
    let cartridge = &found.cartridge;
    let (medium, kind, size) =
        (cartridge.media().name, kind_name(cartridge.kind()), output::format_size(cartridge.capacity()));
    let origin = match cartridge.barcode().media() {
        Some(_) => "as its barcode says",
        None => "which is assumed, for its barcode does not say it",
    };
    output::print_line(format!("{name}: it is now {medium} {kind} of {size}, {origin}"))?;
    output::print_line(format!("{name}: if that is right, allow writes: ferric tape attr {name} write-protect off"))
}

fn print_repaired(found: &mut OpenCartridge, repaired: &[&Finding]) -> Result<(), CliError> {
    for Finding { file, problem, remedy } in repaired {
        output::print_line(format!("{}: {file}: {problem}: {remedy}", found.name))?;
    }
    if repaired.iter().any(|finding| finding.remedy == Remedy::RebuildMamFromLabel) {
        rebuilt(found)?;
    }
    Ok(())
}

fn repair(arguments: &Arguments) -> Result<(), CliError> {
    let mut found = OpenCartridge::open(&arguments.path)?;
    found.check_not_served()?;
    let failed = found.store_error();
    let name = found.name.clone();
    let findings = found.cartridge.repair().map_err(&failed)?;
    let repaired: Vec<&Finding> = findings.iter().filter(|finding| finding.remedy != Remedy::Truncate).collect();
    print_repaired(&mut found, &repaired)?;
    match found.cartridge.open_three_file() {
        Ok((mut tape, recovery)) if !recovery.damaged => {
            tape.close().map_err(&failed)?;
            drop(tape);
            clear_loaded_flag(&mut found)?;
            let what = match recovery.dropped_objects {
                0 if !repaired.is_empty() => return Ok(()),
                0 => "nothing to repair".to_owned(),
                torn => {
                    format!("dropped {} behind the last synchronised one", output::format_count(torn, "torn object"))
                }
            };
            return output::print_line(format!("{name}: {what}"));
        }
        Ok(_) | Err(StoreError::Malformed { .. } | StoreError::Damaged { .. }) => {}
        Err(other) => return Err(failed(other)),
    }
    let ours = found.cartridge.format().map_err(&failed)? == Format::Native;
    let mut tape = found.cartridge.salvage(true).map_err(&failed)?;
    // In the native format, the other partitions are intact.
    let wanted = |partition: &u8| {
        let file = |name: &str| format!("{name}.{partition}");
        let of_it = |finding: &Finding| ["data", "indx", "mark"].iter().any(|name| finding.file == file(name));
        !ours || findings.iter().any(|finding| finding.remedy == Remedy::Truncate && of_it(finding))
    };
    let partitions = (0..tape.partitions()).filter(wanted);
    let ends = partitions.map(|partition| PartitionEnd::of(&mut tape, partition)).collect::<Result<Vec<_>, _>>();
    let ends = ends.map_err(&failed)?;
    drop(tape);
    if !arguments.truncate && ends.iter().any(PartitionEnd::loses_data) {
        for end in &ends {
            output::print_line(end.describe("would be kept", "would be lost"))?;
        }
        let what = "nothing was changed; --truncate ends each partition behind its whole objects";
        return Err(CliError::Usage(format!("{name}: {what}")));
    }
    if ends.iter().any(PartitionEnd::loses_data) {
        found.check_not_retained()?;
    }
    for end in ends.iter().filter(|end| end.loses_data()) {
        found.cartridge.save_damaged_tail(end.partition, end.complete_bytes).map_err(&failed)?;
    }
    let mut tape = found.cartridge.salvage(false).map_err(&failed)?;
    for end in &ends {
        tape.cut_before(end.partition, end.complete_bytes).map_err(&failed)?;
    }
    tape.close().map_err(&failed)?;
    drop(tape);
    clear_loaded_flag(&mut found)?;
    ends.iter().try_for_each(|end| output::print_line(end.describe("kept", "dropped")))
}

/// End of the complete objects of a partition, and the amount of data after it.
struct PartitionEnd {
    partition: u8,
    complete_bytes: u64,
    objects: u64,
    bytes: u64,
}

impl PartitionEnd {
    fn of(tape: &mut ThreeFile, partition: u8) -> Result<Self, StoreError> {
        let whole = tape.first_damaged(partition)?;
        let (objects, bytes) = tape.loss_if_cut(partition, whole)?;
        Ok(Self { partition, complete_bytes: whole, objects, bytes })
    }

    const fn loses_data(&self) -> bool {
        self.objects > 0 || self.bytes > 0
    }

    fn describe(&self, kept: &str, lost: &str) -> String {
        let Self { partition, complete_bytes: whole, objects, bytes } = self;
        let behind = if self.loses_data() {
            format!("; {lost}: {} and {} stored", output::format_count(*objects, "object"), output::format_size(*bytes))
        } else {
            String::new()
        };
        format!("partition {partition}: {} {kept}{behind}", output::format_count(*whole, "whole object"))
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
