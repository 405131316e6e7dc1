//! `ferric tape repair`

use super::Found;
use crate::failure::Failure;
use crate::output;
use std::path::PathBuf;
use tape_store::error::StoreError;
use tape_store::mam::Flags;
use tape_store::medium::Medium;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Folder of the cartridge
    path: PathBuf,
    /// Drop everything from the first damaged object of each partition on, where nothing less helps
    #[arg(long)]
    truncate: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut found = Found::at(&arguments.path)?;
    let failed = found.failed();
    let name = found.name.clone();
    match found.cartridge.open_files() {
        Ok((mut tape, recovery)) if !recovery.damaged => {
            tape.close().map_err(&failed)?;
            drop(tape);
            unload(&mut found)?;
            let what = match recovery.dropped {
                0 => "nothing to mend".to_owned(),
                torn => format!("dropped {} behind the last synchronised one", output::count(torn, "torn object")),
            };
            return output::line(format!("{name}: {what}"));
        }
        Ok(_) | Err(StoreError::Format { .. } | StoreError::Damaged { .. }) => {}
        Err(other) => return Err(failed(other)),
    }
    let mut tape = found.cartridge.salvage().map_err(&failed)?;
    let mut ends = Vec::new();
    for partition in 0..tape.partitions() {
        tape.locate(partition, 0).map_err(&failed)?;
        tape.space_to_end().map_err(&failed)?;
        let all = tape.position().object;
        ends.push((partition, tape.first_damaged(partition).map_err(&failed)?, all));
    }
    let lost = ends.iter().any(|(_, whole, all)| whole < all);
    if lost && !arguments.truncate {
        for (partition, whole, all) in ends.iter().filter(|(_, whole, all)| whole < all) {
            output::line(format!("partition {partition}: object {whole} of {all} is damaged"))?;
        }
        let what = "nothing was changed; with --truncate each partition ends before its first damaged object";
        return Err(Failure::Usage(format!("{name}: {what}")));
    }
    for (partition, whole, all) in ends {
        tape.cut(partition, whole).map_err(&failed)?;
        let dropped = if whole < all { format!(", {} were dropped", all - whole) } else { String::new() };
        output::line(format!("partition {partition}: {} kept{dropped}", output::count(whole, "whole object")))?;
    }
    tape.close().map_err(&failed)?;
    drop(tape);
    unload(&mut found)
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
