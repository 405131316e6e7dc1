//! `ferric tape convert`, and copies of cartridges in another format.

use super::{FormatName, OpenCartridge, format_option, open_store};
use crate::cli_error::CliError;
use crate::output::{BYTES, Output, counting, print_line};
use serde::Serialize;
use std::fs;
use std::path::{Path, PathBuf};
use tape_store::backend::FolderStore;
use tape_store::backend::file::OsFolderStore;
use tape_store::cartridge::Format;
use tape_store::convert::{Conversion, convert};
use tape_store::medium::Codec;
use tape_store::three_file::ThreeFile;
use tape_store::verify::used_bytes;
use vtl::entropy::fill as entropy;

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
    let codec = arguments.codec.unwrap_or_else(|| format.default_codec());
    if !format.supports_codec(codec.id) {
        return Err(CliError::invalid(format!("{name}: the {} format does not support this codec", format.name())));
    }
    found.check_not_loaded()?;
    if format == Format::Mhvtl {
        found.check_not_retained()?;
    }
    let bar = output.progress_bar(Some(used_bytes(&mut found.cartridge).map_err(&failed)?), BYTES);
    let (store, _) = open_store(&arguments.path)?;
    let done =
        store.convert(&mut found.cartridge, Conversion::new(format, entropy).with_codec(codec), &mut counting(&bar));
    bar.finish_and_clear();
    done.map_err(failed)?;
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
    write(output, &mut found, to, format, codec.unwrap_or_else(|| format.default_codec())).inspect_err(|_| {
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
    let created = OsFolderStore::at_unchecked(parent).create(name);
    let files = created.map_err(|error| CliError::system(&error, format!("{}: {error}", folder.display())))?;
    let bar = output.progress_bar(Some(used_bytes(&mut found.cartridge).map_err(&failed)?), BYTES);
    let done =
        convert(&mut found.cartridge, files, Conversion::new(format, entropy).with_codec(codec), &mut counting(&bar));
    bar.finish_and_clear();
    done.map_err(failed)
}
