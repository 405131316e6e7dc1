//! `edit_tape`: changes kind, density, capacity and write protection in the MAM of a cartridge.

use crate::cartridges::{Access, barcode, cartridge_error, densities, find, kind, megabytes_to_bytes};
use crate::getopt::{Options, ParsedOptions};
use crate::{Invocation, ToolError, ToolResult, VERSION, mktape};
use std::io::Write;
use tape_store::cartridge::{Barcode, Cartridge};
use tape_store::error::StoreError;
use tape_store::mam::{AttrId, Flags, Mam};
use tape_store::medium::Medium;
use tape_store::mhvtl;

pub(crate) fn usage(name: &str) -> String {
    format!(
        "Usage: {name} -m PCL [-l lib] [-s size] [-t type] [-d density] [-w on|off]
             'PCL' is the barcode
             'lib' is the number of its library [default: all are searched]
             'size' is in Megabytes; 0 selects the native capacity of the density
             'type' is data | clean | WORM | null
             '-w on|off' sets or clears the write protect flag
             -V prints the version; -v is accepted and has no effect
             'density' is one of:
{}",
        densities()
    )
}

pub(crate) fn run(call: &Invocation<'_>, out: &mut dyn Write) -> ToolResult {
    let parsed = Options { short: "d:l:m:s:t:w:Vvh", long: &[] }.parse(call)?;
    if parsed.has('h') {
        return Ok(write!(out, "{}", usage(call.name))?);
    }
    if parsed.has('V') {
        writeln!(out, "{}: version {VERSION}", call.name)?;
        if parsed.value('m').is_none() {
            return Ok(());
        }
    }
    let label = parsed.value('m').ok_or_else(|| ToolError::usage("Please supply a barcode (-m barcode)"))?;
    let barcode = barcode(label)?;
    let library = parsed.number('l')?;
    if let Some(library) = library {
        writeln!(out, "Looking for PCL: {barcode} in library {library}")?;
    }
    let found = find(call, &barcode, library, Access::Change, out)?;
    let mut cartridge =
        found.ok_or_else(|| ToolError::new(format!("PCL {barcode} cannot be dumped, it was not found")))?;
    let failed = |error: StoreError| cartridge_error(&barcode, &error);
    cartridge.check_unloaded().map_err(failed)?;
    let mut mam = cartridge.mam().map_err(failed)?;
    let before = mam.clone();
    apply_options(&parsed, &barcode, &mut cartridge, &mut mam, out)?;
    if mam == before { Ok(()) } else { cartridge.save_mam_exclusive(&mam).map_err(failed) }
}

/// Applies the options to the MAM.
fn apply_options(
    parsed: &ParsedOptions,
    barcode: &Barcode,
    cartridge: &mut Cartridge,
    mam: &mut Mam,
    out: &mut dyn Write,
) -> ToolResult {
    let megabytes: Option<u64> = parsed.number('s')?;
    if let Some(megabytes) = megabytes {
        megabytes_to_bytes(megabytes)?;
        writeln!(out, "New capacity for {barcode}: {megabytes}MB")?;
    }
    if let Some(name) = parsed.value('t') {
        let kind = kind(name).ok_or_else(|| ToolError::usage(format!("Unknown media type: {name}")))?;
        mhvtl::set_kind(mam, kind);
    }
    if let Some(name) = parsed.value('d') {
        writeln!(out, "Setting density to {name}")?;
        mktape::density(name)?.describe_in(mam);
    }
    match megabytes {
        Some(0) => {
            let native = native_capacity(barcode, mam)?;
            writeln!(out, "Using native capacity for {barcode}: {}MB", native >> 20)?;
            resize(barcode, cartridge, mam, native)?;
        }
        Some(megabytes) => resize(barcode, cartridge, mam, megabytes_to_bytes(megabytes)?)?,
        None => {}
    }
    if let Some(word) = parsed.value('w') {
        let on = ["yes", "on"].contains(&word.to_ascii_lowercase().as_str());
        let what = if on { "Setting write-protect" } else { "Turning off write-protect" };
        writeln!(out, "{what} for {barcode}")?;
        mam.set_flag(Flags::WRITE_PROTECTED, on);
    }
    Ok(())
}

/// The native capacity of the density in bytes.
fn native_capacity(barcode: &Barcode, mam: &Mam) -> Result<u64, ToolError> {
    let media = mam.media().map_err(|error| cartridge_error(barcode, &error))?;
    Ok(mhvtl::media::for_media(media).map_or(media.capacity, |density| density.stored_spec.capacity))
}

fn resize(barcode: &Barcode, cartridge: &mut Cartridge, mam: &mut Mam, capacity: u64) -> ToolResult {
    let used = cartridge
        .open_read_only()
        .and_then(|(tape, _)| tape.usage(0))
        .map_err(|error| cartridge_error(barcode, &error))?
        .used;
    mam.set_number(AttrId::MAXIMUM_CAPACITY, capacity);
    mam.set_number(AttrId::REMAINING_CAPACITY, capacity.saturating_sub(used));
    Ok(())
}
