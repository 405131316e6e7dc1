//! `ferric tape convert`: a new folder beside the old one, exchanged with it in one step when it is whole.

use super::{Found, LevelName, parse_codec, usual_codec};
use crate::failure::Failure;
use crate::output;
use std::fs;
use std::path::PathBuf;
use tape_store::backend::Folder;
use tape_store::backend::file::{OsFolder, exchange};
use tape_store::cartridge::Level;
use tape_store::convert::convert;
use tape_store::error::StoreError;
use tape_store::medium::{Codec, Medium};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Folder of the cartridge
    path: PathBuf,
    /// What it is to become
    #[arg(long, value_enum)]
    level: LevelName,
    /// How blocks are to be compressed: none, zlib:1 to zlib:9, zstd:1 to zstd:19 [default: zstd:1, for mhvtl zlib:1]
    #[arg(long, value_parser = parse_codec)]
    codec: Option<Codec>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut found = Found::at(&arguments.path)?;
    let failed = found.failed();
    let (name, level) = (found.name.clone(), Level::from(arguments.level));
    if found.cartridge.level().map_err(&failed)? == level {
        return output::line(format!("{name}: it is of level {} already", level.name()));
    }
    let codec = arguments.codec.unwrap_or_else(|| usual_codec(level));
    if !level.takes(codec.id) {
        return Err(Failure::Usage(format!("cartridges of level {} have no such codec", level.name())));
    }
    found.is_free()?;
    let fresh = arguments.path.with_extension("convert");
    let made = fs::remove_dir_all(&fresh).or_else(ignore_missing).and_then(|()| fs::create_dir(&fresh));
    made.map_err(|error| Failure::Usage(format!("{}: {error}", fresh.display())))?;
    let bytes = stored(&mut found)?;
    let bar = output::bar(bytes);
    let folder = Box::new(OsFolder::at(fresh.clone()));
    let done = convert(&mut found.cartridge, folder, level, codec, &mut |stored| bar.inc(stored));
    bar.finish_and_clear();
    let done = done.map_err(&failed).and_then(|()| {
        let mut old = OsFolder::at(arguments.path.clone());
        old.lock(false).map_err(|_| failed(StoreError::InUse))?;
        exchange(&fresh, &arguments.path).map_err(|error| Failure::Usage(format!("{}: {error}", fresh.display())))
    });
    // Now it is the old one; or, if it failed, what there is of the new one.
    let removed = fs::remove_dir_all(&fresh);
    done?;
    removed.map_err(|error| Failure::Usage(format!("{}: {error}", fresh.display())))?;
    output::line(format!("{name}: it is of level {} now", level.name()))
}

fn ignore_missing(error: std::io::Error) -> std::io::Result<()> {
    if error.kind() == std::io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

fn stored(found: &mut Found) -> Result<u64, Failure> {
    let failed = found.failed();
    let (tape, _) = found.cartridge.view().map_err(&failed)?;
    Ok((0..tape.partitions()).filter_map(|number| tape.usage(number).ok()).map(|usage| usage.used).sum())
}
