//! `ferric tape convert`: writes a new directory next to the old one, and exchanges them in one step when it is complete.

use super::{FormatName, OpenCartridge, default_codec, format_option, open_store};
use crate::cli_error::CliError;
use crate::output::{BYTES, Output, print_line};
use serde::Serialize;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use tape_store::backend::FolderStore;
use tape_store::backend::file::{OsFolderStore, exchange_folders};
use tape_store::cartridge::Format;
use tape_store::convert::{Conversion, convert};
use tape_store::medium::{Codec, Medium};
use tape_store::three_file::ThreeFile;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Directory of the cartridge; its name is the barcode
    path: PathBuf,
    /// Format to convert to
    #[arg(long, value_enum, required_unless_present = "level")]
    format: Option<FormatName>,
    // Former name of `--format`.
    #[arg(long, value_enum, hide = true, conflicts_with = "format")]
    level: Option<FormatName>,
    /// Compression of the new blocks: none, zlib:1 to zlib:9, zstd:1 to zstd:19 [default: zstd:1, for mhvtl zlib:1]
    #[arg(long, value_parser = Codec::parse)]
    codec: Option<Codec>,
}

/// A cartridge that was converted or copied.
#[derive(Serialize)]
struct Report<'a> {
    path: &'a Path,
    format: &'static str,
    /// False if the cartridge was in this format already.
    converted: bool,
}

pub(crate) fn run(output: Output, arguments: &Arguments) -> Result<(), CliError> {
    let mut found = OpenCartridge::open(&arguments.path)?;
    let failed = found.store_error();
    found.check_not_served()?;
    let (name, format) = (found.name.clone(), format_option(output, arguments.format, arguments.level));
    let mut report = Report { path: &arguments.path, format: format.name(), converted: false };
    if found.cartridge.format().map_err(&failed)? == format {
        return output.show(&report, |_| print_line(format!("{name}: is in {} format already", format.name())));
    }
    let codec = arguments.codec.unwrap_or_else(|| default_codec(format));
    if !format.supports_codec(codec.id) {
        return Err(CliError::invalid(format!("{name}: the {} format does not support this codec", format.name())));
    }
    found.check_not_loaded()?;
    if format == Format::Mhvtl {
        found.check_not_retained()?;
    }
    let fresh = arguments.path.with_extension("convert");
    let at_fresh = |error: io::Error| CliError::system(&error, format!("{}: {error}", fresh.display()));
    fs::remove_dir_all(&fresh).or_else(ignore_missing).map_err(at_fresh)?;
    // The lock is held until the exchange, so that no other program changes the cartridge.
    let done = write(output, &mut found, &fresh, format, codec)
        .and_then(|_locked| exchange_folders(&fresh, &arguments.path).map_err(at_fresh));
    // Now it is the old one; or, if it failed, what there is of the new one.
    let removed = fs::remove_dir_all(&fresh);
    done?;
    removed.map_err(at_fresh)?;
    report.converted = true;
    output.show(&report, |_| print_line(format!("{name}: converted to {} format", format.name())))
}

/// Copies a cartridge into a new folder, in the given format.
pub(super) fn copy_cartridge(
    output: Output,
    from: &Path,
    to: &Path,
    format: Format,
    codec: Option<Codec>,
) -> Result<(), CliError> {
    let mut found = OpenCartridge::open_for_reading(output, from)?;
    let target = to.display().to_string();
    if to.exists() {
        return Err(CliError::conflict(format!("{target}: exists already; a cartridge is copied to a new directory")));
    }
    let (_, barcode) = open_store(to)?;
    write(output, &mut found, to, format, codec.unwrap_or_else(|| default_codec(format))).inspect_err(|_| {
        let _ = fs::remove_dir_all(to);
    })?;
    let report = Report { path: to, format: format.name(), converted: true };
    output.show(&report, |_| print_line(format!("{target}: cartridge {barcode}, {} format", format.name())))
}

/// Writes all of a cartridge into a new folder.
fn write(
    output: Output,
    found: &mut OpenCartridge,
    folder: &Path,
    format: Format,
    codec: Codec,
) -> Result<ThreeFile, CliError> {
    let failed = found.store_error();
    let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let made = OsFolderStore::at_unchecked(parent).create(name);
    let files = made.map_err(|error| CliError::system(&error, format!("{}: {error}", folder.display())))?;
    let bar = output.progress_bar(Some(stored_bytes(found)?), BYTES);
    let conversion = Conversion { format, codec, entropy: vtl::entropy::fill };
    let done = convert(&mut found.cartridge, files, conversion, &mut |stored| bar.inc(stored));
    bar.finish_and_clear();
    done.map_err(failed)
}

fn ignore_missing(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

fn stored_bytes(found: &mut OpenCartridge) -> Result<u64, CliError> {
    let failed = found.store_error();
    let (tape, _) = found.cartridge.open_read_only().map_err(&failed)?;
    Ok((0..tape.partitions()).filter_map(|number| tape.usage(number).ok()).map(|usage| usage.used).sum())
}
