//! `mktape`: creates a blank cartridge.

use crate::cartridges::{barcode, cartridge_error, densities, home_directory, kind, megabytes_to_bytes, open_store};
use crate::getopt::Options;
use crate::{DEFAULT_CONFIG_DIR, DEFAULT_HOME, Invocation, ToolError, ToolResult, VERSION};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use tape_store::cartridge::{Barcode, CartridgeKind, Format};
use tape_store::mhvtl::media::{self, MhvtlMedium};
use tape_store::store::NewCartridge;
use vtl::config::mhvtl::directory;

pub(crate) fn usage(name: &str) -> String {
    format!(
        "Usage: {name} [OPTIONS] -l lib -m PCL -s size -t type -d density
      -l lib      -- number of the library
      -m PCL      -- barcode
      -s size     -- Megabytes; 0 selects the native capacity of the density
      -t type     -- data, clean, WORM or NULL
      -d density  -- one of:
{}Where OPTIONS are from:
      -C config-dir -- directory of device.conf [ {DEFAULT_CONFIG_DIR} ]
      -H home-dir   -- directory of the cartridge [ from device.conf, or {DEFAULT_HOME}/lib ]
      -v    -- list the files that are created
      -D[N] -- accepted, has no effect
      -V    -- print the version
      -h    -- print this message
",
        densities()
    )
}

/// The cartridge to create.
pub(crate) struct NewTape<'a> {
    pub(crate) home: &'a Path,
    pub(crate) barcode: Barcode,
    pub(crate) density: &'static MhvtlMedium,
    pub(crate) kind: CartridgeKind,
    /// Capacity in bytes; 0 selects the native capacity of the density.
    pub(crate) capacity: u64,
}

pub(crate) fn run(call: &Invocation<'_>, out: &mut dyn Write) -> ToolResult {
    let parsed = Options { short: "d:l:m:s:t:VvD::hC:H:", long: &[] }.parse(call)?;
    if parsed.has('h') {
        return Ok(write!(out, "{}", usage(call.name))?);
    }
    if parsed.has('V') {
        return Ok(writeln!(out, "{}: version {VERSION}", call.name)?);
    }
    if call.arguments.is_empty() {
        return Err(ToolError::usage("error: not enough arguments"));
    }
    let required = |letter, what: &str| {
        parsed.value(letter).ok_or_else(|| ToolError::usage(format!("error: Please supply {what}")))
    };
    let label = required('m', "a barcode (-m barcode)")?;
    required('s', "media capacity (-s xx)")?;
    let kind_name = required('t', "cart type (-t data|clean|WORM|NULL)")?;
    required('l', "Library number (-l xx)")?;
    let density = density(required('d', "media density (-d xx)")?)?;
    let kind = kind(kind_name).ok_or_else(|| ToolError::usage(format!("error: Unknown media type: {kind_name}")))?;
    let library = parsed.number('l')?.filter(|library| *library > 0);
    let library = library.ok_or_else(|| ToolError::new("error: Invalid library number"))?;
    let home = match (parsed.value('H'), parsed.value('C')) {
        (Some(home), _) => PathBuf::from(home),
        (None, Some(etc)) => home_directory(Path::new(etc), library)?,
        (None, None) => home_directory(&directory(&call.etc)?, library)?,
    };
    let capacity = megabytes_to_bytes(parsed.number('s')?.unwrap_or(0))?;
    create_tape(call, &NewTape { home: &home, barcode: barcode(label)?, density, kind, capacity }, parsed.has('v'), out)
}

/// Finds a density by mhvtl's name for it.
pub(crate) fn density(name: &str) -> Result<&'static MhvtlMedium, ToolError> {
    media::by_name(name).ok_or_else(|| {
        let known: Vec<&str> = media::MHVTL_MEDIA.iter().map(|density| density.name).collect();
        ToolError::new(format!("error: density {name:?} is unknown; expected one of {}", known.join(", ")))
    })
}

/// Creates a cartridge. An existing one is kept, with a warning.
pub(crate) fn create_tape(call: &Invocation<'_>, tape: &NewTape<'_>, verbose: bool, out: &mut dyn Write) -> ToolResult {
    let NewTape { home, barcode, density, kind, capacity } = tape;
    let store = open_store(home)?;
    let folder = home.join(barcode.as_str());
    if verbose {
        writeln!(out, "Creating tape data ...")?;
    }
    const EXISTS: &str = "Data file already exists for new media";
    // A cartridge that lost its MAM is not created again over its data.
    let has_memory = ["mam", "meta", "ferric.mam"].iter().any(|name| folder.join(name).exists());
    if !has_memory && folder.join("data.0").metadata().is_ok_and(|data| data.len() > 0) {
        return Err(ToolError::files(format!("error: {EXISTS}: {}", folder.display())));
    }
    if store.exists(barcode).map_err(|error| cartridge_error(barcode, &error))? {
        // Not an error, as with mhvtl: scripts create cartridges that may exist.
        return if verbose {
            Ok(writeln!(out, "error: {EXISTS}")?)
        } else {
            let _ = writeln!(io::stderr(), "warning: {EXISTS}: {}", folder.display());
            Ok(())
        };
    }
    if verbose {
        print_files(&folder, out)?;
    }
    let capacity = if *capacity == 0 { density.stored_spec.capacity } else { *capacity };
    let serial = format!("{barcode}_{}", call.now);
    let (media, kind, manufactured, format) = (density.media(), *kind, call.now, Format::Mhvtl);
    let new = NewCartridge::data(media)
        .with_kind(kind)
        .with_serial(&serial)
        .with_manufactured(manufactured)
        .with_capacity(capacity)
        .with_format(format);
    store.create(barcode, &new).map_err(|error| ToolError::files(format!("error: {barcode}: {error}")))
}

fn print_files(folder: &Path, out: &mut dyn Write) -> ToolResult {
    let path = folder.display();
    writeln!(out, "Creating new media directory: {path}")?;
    writeln!(out, "Creating new media mam files: {path}/mam and {path}/mhvtl_data")?;
    for file in ["data", "indx", "meta"] {
        writeln!(out, "Creating new media {file} file: {path}/{file}.0")?;
    }
    Ok(())
}
