//! `ferric tape convert`: a new folder beside the old one, exchanged with it in one step when it is whole.

use super::{Found, LevelName, parse_codec, place, usual_codec};
use crate::failure::Failure;
use crate::output;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use tape_store::backend::Shelves;
use tape_store::backend::file::{OsShelves, exchange};
use tape_store::cartridge::Level;
use tape_store::convert::convert;
use tape_store::medium::{Codec, Medium};
use tape_store::three_file::ThreeFile;

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
    found.is_not_served()?;
    let (name, level) = (found.name.clone(), Level::from(arguments.level));
    if found.cartridge.level().map_err(&failed)? == level {
        return output::line(format!("{name}: it is of level {} already", level.name()));
    }
    let codec = arguments.codec.unwrap_or_else(|| usual_codec(level));
    if !level.takes(codec.id) {
        return Err(Failure::Usage(format!("cartridges of level {} have no such codec", level.name())));
    }
    found.is_free()?;
    if level == Level::Mhvtl {
        found.is_not_retained()?;
    }
    let fresh = arguments.path.with_extension("convert");
    let at_fresh = |error: io::Error| Failure::Usage(format!("{}: {error}", fresh.display()));
    fs::remove_dir_all(&fresh).or_else(ignore_missing).map_err(at_fresh)?;
    // Nobody changes it until it is exchanged: we look at it.
    let done =
        write(&mut found, &fresh, level, codec).and_then(|_locked| exchange(&fresh, &arguments.path).map_err(at_fresh));
    // Now it is the old one; or, if it failed, what there is of the new one.
    let removed = fs::remove_dir_all(&fresh);
    done?;
    removed.map_err(at_fresh)?;
    output::line(format!("{name}: it is of level {} now", level.name()))
}

/// Copies a cartridge into a new folder at a level.
pub(super) fn copy(from: &Path, to: &Path, level: Level, codec: Option<Codec>) -> Result<(), Failure> {
    let mut found = Found::to_read(from)?;
    let target = to.display().to_string();
    if to.exists() {
        return Err(Failure::Usage(format!("{target}: it is there already; a cartridge is copied to a new folder")));
    }
    let (_, barcode) = place(to)?;
    write(&mut found, to, level, codec.unwrap_or_else(|| usual_codec(level))).inspect_err(|_| {
        let _ = fs::remove_dir_all(to);
    })?;
    output::line(format!("{target}: cartridge {barcode}, level {}", level.name()))
}

/// Writes all of a cartridge into a folder that this makes.
fn write(found: &mut Found, folder: &Path, level: Level, codec: Codec) -> Result<ThreeFile, Failure> {
    let failed = found.failed();
    let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let made = OsShelves::unchecked(parent).create(name);
    let files = made.map_err(|error| Failure::Usage(format!("{}: {error}", folder.display())))?;
    let bar = output::bar(stored(found)?);
    let done = convert(&mut found.cartridge, files, level, codec, &mut |stored| bar.inc(stored));
    bar.finish_and_clear();
    done.map_err(failed)
}

fn ignore_missing(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

fn stored(found: &mut Found) -> Result<u64, Failure> {
    let failed = found.failed();
    let (tape, _) = found.cartridge.view().map_err(&failed)?;
    Ok((0..tape.partitions()).filter_map(|number| tape.usage(number).ok()).map(|usage| usage.used).sum())
}
