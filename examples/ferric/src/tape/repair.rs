//! `ferric tape repair`

use super::Found;
use crate::failure::Failure;
use crate::output;
use std::path::PathBuf;
use tape_store::error::StoreError;
use tape_store::mam::Flags;
use tape_store::medium::Medium;
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
    let mut found = Found::at(&arguments.path)?;
    found.is_not_served()?;
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
    let mut tape = found.cartridge.salvage(true).map_err(&failed)?;
    let ends = (0..tape.partitions()).map(|partition| End::of(&mut tape, partition)).collect::<Result<Vec<_>, _>>();
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
