//! `ferric tape attr`

use super::{OpenCartridge, check_partition};
use crate::cli_error::CliError;
use crate::number::number;
use crate::output;
use std::path::PathBuf;
use tape_store::mam::{AttrId, AttrSpec, AttributeFormat, AttributeWriter, Flags, Mam, spec};
use tape_store::medium::Medium;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Directory of the cartridge
    path: PathBuf,
    /// Attribute as four hexadecimal digits, such as 0806; or write-protect [default: all]
    attribute: Option<String>,
    /// New value: text, 0x and hexadecimal digits, or an empty string to remove it; on or off for write-protect [default: show it]
    value: Option<String>,
    /// Partition, for attributes that each partition has [default: 0; for the list: all]
    #[arg(long, value_parser = number::<u8>("the number of a partition", 0..=3))]
    partition: Option<u8>,
}

const WRITE_PROTECT: &str = "write-protect";

pub(crate) fn run(arguments: &Arguments) -> Result<(), CliError> {
    let mut found = if arguments.value.is_none() {
        OpenCartridge::open_for_reading(&arguments.path)
    } else {
        OpenCartridge::open(&arguments.path)
    }?;
    let failed = found.store_error();
    let mut mam = found.cartridge.mam().map_err(&failed)?;
    if let Some(partition) = arguments.partition.filter(|partition| *partition > 0) {
        let (tape, _) = found.cartridge.open_read_only().map_err(&failed)?;
        check_partition(&found.name, partition, tape.partitions())?;
    }
    let partition = arguments.partition.unwrap_or(0);
    match (&arguments.attribute, &arguments.value) {
        (None, _) => list(&mam, arguments.partition),
        (Some(name), _) if name == WRITE_PROTECT && partition > 0 => {
            Err(CliError::Usage(format!("{WRITE_PROTECT} is of the whole cartridge, not of partition {partition}")))
        }
        (Some(name), None) if name == WRITE_PROTECT => {
            output::print_line(if mam.flags().contains(Flags::WRITE_PROTECTED) { "on" } else { "off" })
        }
        (Some(name), Some(value)) => {
            found.check_not_loaded()?;
            if name == WRITE_PROTECT {
                mam.set_flag(Flags::WRITE_PROTECTED, parse_on_off(value)?);
            } else {
                let (id, spec) = resolve_attribute(name, partition)?;
                mam.set(id, partition, &parse_value(spec, value)?);
            }
            found.cartridge.save_mam_exclusive(&mam).map_err(&failed)
        }
        (Some(name), None) => {
            let (id, _) = resolve_attribute(name, partition)?;
            let value = mam.get(id, partition);
            let missing = || CliError::Usage(format!("{}: the MAM has no attribute {name}", found.name));
            output::print_line(format_value(id, value.ok_or_else(missing)?))
        }
    }
}

/// Lists all attributes, or the attributes of one partition.
fn list(mam: &Mam, only: Option<u8>) -> Result<(), CliError> {
    for (id, partition, value) in mam.iter().filter(|(id, ..)| !id.is_private()) {
        let name = spec(id).map_or("", |spec| spec.name);
        let own = spec(id).is_some_and(|spec| spec.is_per_partition);
        if only.is_some_and(|only| !own || only != partition) {
            continue;
        }
        let place = if own { format!("[{partition}]") } else { String::new() };
        let id_text = format!("{:04X}{place}", id.0);
        output::print_line(format!("{id_text:<9}{name:<40}{}", format_value(id, value)).trim_end())?;
    }
    Ok(())
}

/// A value as a person reads it: a number, text, or hexadecimal digits.
pub(super) fn format_value(id: AttrId, value: &[u8]) -> String {
    let hex = || value.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    match spec(id).map(|spec| (spec.format, value.len())) {
        Some((AttributeFormat::Binary, 1..=8)) => {
            value.iter().fold(0, |sum: u64, byte| (sum << 8) | u64::from(*byte)).to_string()
        }
        Some((AttributeFormat::Ascii | AttributeFormat::Text, _)) => {
            let text = String::from_utf8_lossy(value).replace('\0', " ");
            text.trim_end().to_owned()
        }
        _ => hex(),
    }
}

/// An attribute by its number, and its facts. One of the whole cartridge is refused for any partition but 0.
fn resolve_attribute(name: &str, partition: u8) -> Result<(AttrId, &'static AttrSpec), CliError> {
    let digits = name.trim_start_matches("0x").trim_end_matches(['h', 'H']);
    let id = u16::from_str_radix(digits, 16).ok().map(AttrId).filter(|id| !id.is_private());
    let known = id.and_then(|id| Some((id, spec(id)?)));
    match known {
        Some((id, spec)) if partition > 0 && !spec.is_per_partition => {
            let what = format!("attribute {:04X}h is of the whole cartridge, not of partition {partition}", id.0);
            Err(CliError::Usage(what))
        }
        Some(known) => Ok(known),
        None => Err(CliError::Usage(format!("{name:?} is no attribute; give four hexadecimal digits, such as 0806"))),
    }
}

fn parse_on_off(value: &str) -> Result<bool, CliError> {
    match value {
        "on" => Ok(true),
        "off" => Ok(false),
        other => Err(CliError::Usage(format!("{other:?} is neither on nor off"))),
    }
}

/// The bytes of a value, in the width of its attribute.
fn parse_value(spec: &AttrSpec, value: &str) -> Result<Vec<u8>, CliError> {
    let id = spec.id.0;
    if spec.writer != AttributeWriter::Host {
        return Err(CliError::Usage(format!("attribute {id:04X}h is written by drives alone")));
    }
    let width = usize::from(spec.len);
    let bytes = match value.strip_prefix("0x") {
        _ if value.is_empty() => return Ok(Vec::new()),
        Some(digits) => {
            from_hex(digits).ok_or_else(|| CliError::Usage(format!("{value:?} is no pairs of hexadecimal digits")))?
        }
        None if spec.format == AttributeFormat::Binary && width <= 8 => {
            let number = value.parse::<u64>().map_err(|_| CliError::Usage(format!("{value:?} is no number")))?;
            let bytes = number.to_be_bytes();
            let (high, low) = bytes.split_at(8 - width);
            if high.iter().any(|byte| *byte != 0) {
                return Err(CliError::Usage(format!("{number} does not fit the {width} bytes of attribute {id:04X}h")));
            }
            low.to_vec()
        }
        None => value.as_bytes().to_vec(),
    };
    let exact = spec.format == AttributeFormat::Binary && !spec.variable;
    if bytes.len() > width || (exact && bytes.len() != width) {
        let most = if exact { "has" } else { "has at most" };
        return Err(CliError::Usage(format!("attribute {id:04X}h {most} {width} bytes, not {}", bytes.len())));
    }
    let pad = if spec.format == AttributeFormat::Text { 0 } else { b' ' };
    let padded = if spec.variable || exact { bytes.len() } else { width };
    Ok(bytes.into_iter().chain(std::iter::repeat(pad)).take(padded).collect())
}

/// The bytes of pairs of hexadecimal digits.
pub(super) fn from_hex(digits: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
    let byte = |pair: &[u8; 2]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    if rest.is_empty() { pairs.iter().map(byte).collect() } else { None }
}
