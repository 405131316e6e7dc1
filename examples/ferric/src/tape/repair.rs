//! `ferric tape repair`

use super::{Found, kind_name};
use crate::failure::Failure;
use crate::output;
use std::io;
use std::path::{Path, PathBuf};
use tape_store::cartridge::{Barcode, Level};
use tape_store::error::StoreError;
use tape_store::mam::Flags;
use tape_store::medium::Medium;
use tape_store::repair::{Finding, Remedy};
use tape_store::three_file::ThreeFile;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Folder of the cartridge
    path: PathBuf,
    /// Drop everything from the first damaged object of each partition on, where nothing less helps
    #[arg(long)]
    truncate: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    repair(arguments).map_err(|failure| advised(&arguments.path, failure))
}

/// Adds to a failure that no repair can change what else can be done.
fn advised(path: &Path, failure: Failure) -> Failure {
    let Some(barcode) = path.file_name().and_then(|name| Barcode::new(&name.to_string_lossy())) else { return failure };
    let forget = format!("to take it out of a site's inventory: ferric cartridge {barcode} --forget");
    match failure {
        Failure::Cartridge(name, StoreError::NoMemory) => {
            let what = "this folder has no files of a cartridge, so nothing can be repaired";
            Failure::Usage(format!("{name}: {what}; {forget}"))
        }
        Failure::Cartridge(name, StoreError::Io { what, source })
            if matches!(source.kind(), io::ErrorKind::IsADirectory | io::ErrorKind::InvalidInput) =>
        {
            let advice = format!("move it out of the folder {name}, then repair again; or, {forget}");
            Failure::Usage(format!("{name}: {what} failed: {source}; {advice}"))
        }
        Failure::Usage(what) if is_no_folder(path) => {
            Failure::Usage(format!("{what}; nothing can be repaired; {forget}"))
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
fn rebuilt(found: &mut Found) -> Result<(), Failure> {
    let (name, failed) = (found.name.clone(), found.failed());
    found.cartridge.mam().map_err(&failed)?;
    let cartridge = &found.cartridge;
    let (medium, kind, size) =
        (cartridge.media().name, kind_name(cartridge.kind()), output::size(cartridge.capacity()));
    let origin = match cartridge.barcode().media() {
        Some(_) => "as its barcode says",
        None => "which is assumed, for its barcode does not say it",
    };
    output::line(format!("{name}: it is now {medium} {kind} of {size}, {origin}"))?;
    output::line(format!("{name}: if that is right, allow writes: ferric tape attr {name} write-protect off"))
}

fn repair(arguments: &Arguments) -> Result<(), Failure> {
    let mut found = Found::at(&arguments.path)?;
    found.is_not_served()?;
    let failed = found.failed();
    let name = found.name.clone();
    let findings = found.cartridge.repair().map_err(&failed)?;
    let mended: Vec<&Finding> = findings.iter().filter(|finding| finding.remedy != Remedy::Truncate).collect();
    for Finding { file, what, remedy } in &mended {
        output::line(format!("{name}: {file}: {what}: {remedy}"))?;
    }
    if mended.iter().any(|finding| finding.remedy == Remedy::Label) {
        rebuilt(&mut found)?;
    }
    match found.cartridge.open_files() {
        Ok((mut tape, recovery)) if !recovery.damaged => {
            tape.close().map_err(&failed)?;
            drop(tape);
            unload(&mut found)?;
            let what = match recovery.dropped {
                0 if !mended.is_empty() => return Ok(()),
                0 => "nothing to mend".to_owned(),
                torn => format!("dropped {} behind the last synchronised one", output::count(torn, "torn object")),
            };
            return output::line(format!("{name}: {what}"));
        }
        Ok(_) | Err(StoreError::Format { .. } | StoreError::Damaged { .. }) => {}
        Err(other) => return Err(failed(other)),
    }
    let ours = found.cartridge.level().map_err(&failed)? == Level::Ferric;
    let mut tape = found.cartridge.salvage(true).map_err(&failed)?;
    // At level `ferric` the other partitions are as they should be.
    let wanted = |partition: &u8| {
        let file = |name: &str| format!("{name}.{partition}");
        let of_it = |finding: &Finding| ["data", "indx", "mark"].iter().any(|name| finding.file == file(name));
        !ours || findings.iter().any(|finding| finding.remedy == Remedy::Truncate && of_it(finding))
    };
    let partitions = (0..tape.partitions()).filter(wanted);
    let ends = partitions.map(|partition| End::of(&mut tape, partition)).collect::<Result<Vec<_>, _>>();
    let ends = ends.map_err(&failed)?;
    drop(tape);
    if !arguments.truncate && ends.iter().any(End::loses) {
        for end in &ends {
            output::line(end.told("would be kept", "would be lost"))?;
        }
        let what = "nothing was changed; --truncate ends each partition behind its whole objects";
        return Err(Failure::Usage(format!("{name}: {what}")));
    }
    if ends.iter().any(End::loses) {
        found.is_not_retained()?;
    }
    for end in ends.iter().filter(|end| end.loses()) {
        found.cartridge.set_aside(end.partition, end.whole).map_err(&failed)?;
    }
    let mut tape = found.cartridge.salvage(false).map_err(&failed)?;
    for end in &ends {
        tape.cut(end.partition, end.whole).map_err(&failed)?;
    }
    tape.close().map_err(&failed)?;
    drop(tape);
    unload(&mut found)?;
    ends.iter().try_for_each(|end| output::line(end.told("kept", "dropped")))
}

/// Where the whole objects of a partition end, and what is behind them.
struct End {
    partition: u8,
    whole: u64,
    objects: u64,
    bytes: u64,
}

impl End {
    fn of(tape: &mut ThreeFile, partition: u8) -> Result<Self, StoreError> {
        let whole = tape.first_damaged(partition)?;
        let (objects, bytes) = tape.loss(partition, whole)?;
        Ok(Self { partition, whole, objects, bytes })
    }

    const fn loses(&self) -> bool {
        self.objects > 0 || self.bytes > 0
    }

    fn told(&self, kept: &str, lost: &str) -> String {
        let Self { partition, whole, objects, bytes } = self;
        let behind = if self.loses() {
            format!("; {lost}: {} and {} stored", output::count(*objects, "object"), output::size(*bytes))
        } else {
            String::new()
        };
        format!("partition {partition}: {} {kept}{behind}", output::count(*whole, "whole object"))
    }
}

/// No drive has it, so its memory is to say so.
fn unload(found: &mut Found) -> Result<(), Failure> {
    let failed = found.failed();
    let mut mam = found.cartridge.mam().map_err(&failed)?;
    if mam.flags().contains(Flags::LOADED) {
        mam.set_flag(Flags::LOADED, false);
        found.cartridge.set_mam(&mam).map_err(&failed)?;
    }
    Ok(())
}
