//! `ferric tape attr`

use super::{Found, check_partition};
use crate::failure::Failure;
use crate::number::number;
use crate::output;
use std::path::PathBuf;
use tape_store::mam::{AttrId, AttrSpec, Flags, Format, Mam, Writer, spec};
use tape_store::medium::Medium;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Folder of the cartridge
    path: PathBuf,
    /// Attribute as four hexadecimal digits, such as 0806; or write-protect [default: all]
    attribute: Option<String>,
    /// What it is to be: text, 0x and hexadecimal digits, or nothing to remove it; on or off for write-protect
    value: Option<String>,
    /// Partition, for attributes of which each has its own [default: 0; in the list: all]
    #[arg(long, value_parser = number::<u8>("the number of a partition", 0..=3))]
    partition: Option<u8>,
}

const TAB: &str = "write-protect";

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut found =
        if arguments.value.is_none() { Found::to_read(&arguments.path) } else { Found::at(&arguments.path) }?;
    let failed = found.failed();
    let mut mam = found.cartridge.mam().map_err(&failed)?;
    if let Some(partition) = arguments.partition.filter(|partition| *partition > 0) {
        let (tape, _) = found.cartridge.view().map_err(&failed)?;
        check_partition(&found.name, partition, tape.partitions())?;
    }
    let partition = arguments.partition.unwrap_or(0);
    match (&arguments.attribute, &arguments.value) {
        (None, _) => list(&mam, arguments.partition),
        (Some(name), _) if name == TAB && partition > 0 => {
            Err(Failure::Usage(format!("{TAB} is of the whole cartridge, not of partition {partition}")))
        }
        (Some(name), None) if name == TAB => {
            output::line(if mam.flags().contains(Flags::WRITE_PROTECTED) { "on" } else { "off" })
        }
        (Some(name), Some(value)) => {
            found.is_free()?;
            if name == TAB {
                mam.set_flag(Flags::WRITE_PROTECTED, tab(value)?);
            } else {
                let (id, spec) = named(name, partition)?;
                mam.set(id, partition, &parsed(spec, value)?);
            }
            found.cartridge.set_mam(&mam).map_err(&failed)
        }
        (Some(name), None) => {
            let (id, _) = named(name, partition)?;
            let value = mam.get(id, partition);
            let missing = || Failure::Usage(format!("{}: the memory has no attribute {name}", found.name));
            output::line(printed(id, value.ok_or_else(missing)?))
        }
    }
}

/// All attributes; or, of a partition, those that it has of its own.
fn list(mam: &Mam, only: Option<u8>) -> Result<(), Failure> {
    for (id, partition, value) in mam.iter().filter(|(id, ..)| !id.is_private()) {
        let name = spec(id).map_or("", |spec| spec.name);
        let own = spec(id).is_some_and(|spec| spec.per_partition);
        if only.is_some_and(|only| !own || only != partition) {
            continue;
        }
        let place = if own { format!("[{partition}]") } else { String::new() };
        let id_text = format!("{:04X}{place}", id.0);
        output::line(format!("{id_text:<9}{name:<40}{}", printed(id, value)).trim_end())?;
    }
    Ok(())
}

/// A value as a person reads it: a number, text, or hexadecimal digits.
pub(super) fn printed(id: AttrId, value: &[u8]) -> String {
    let hex = || value.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    match spec(id).map(|spec| (spec.format, value.len())) {
        Some((Format::Binary, 1..=8)) => {
            value.iter().fold(0, |sum: u64, byte| (sum << 8) | u64::from(*byte)).to_string()
        }
        Some((Format::Ascii | Format::Text, _)) => {
            let text = String::from_utf8_lossy(value).replace('\0', " ");
            text.trim_end().to_owned()
        }
        _ => hex(),
    }
}

/// An attribute by its number, and its facts. One of the whole cartridge is refused for any partition but 0.
fn named(name: &str, partition: u8) -> Result<(AttrId, &'static AttrSpec), Failure> {
    let digits = name.trim_start_matches("0x").trim_end_matches(['h', 'H']);
    let id = u16::from_str_radix(digits, 16).ok().map(AttrId).filter(|id| !id.is_private());
    let known = id.and_then(|id| Some((id, spec(id)?)));
    match known {
        Some((id, spec)) if partition > 0 && !spec.per_partition => {
            let what = format!("attribute {:04X}h is of the whole cartridge, not of partition {partition}", id.0);
            Err(Failure::Usage(what))
        }
        Some(known) => Ok(known),
        None => Err(Failure::Usage(format!("{name:?} is no attribute; give four hexadecimal digits, such as 0806"))),
    }
}

fn tab(value: &str) -> Result<bool, Failure> {
    match value {
        "on" => Ok(true),
        "off" => Ok(false),
        other => Err(Failure::Usage(format!("{other:?} is neither on nor off"))),
    }
}

/// The bytes of a value, in the width of its attribute.
fn parsed(spec: &AttrSpec, value: &str) -> Result<Vec<u8>, Failure> {
    let id = spec.id.0;
    if spec.writer != Writer::Host {
        return Err(Failure::Usage(format!("attribute {id:04X}h is written by drives alone")));
    }
    let width = usize::from(spec.len);
    let bytes = match value.strip_prefix("0x") {
        _ if value.is_empty() => return Ok(Vec::new()),
        Some(digits) => {
            from_hex(digits).ok_or_else(|| Failure::Usage(format!("{value:?} is no pairs of hexadecimal digits")))?
        }
        None if spec.format == Format::Binary && width <= 8 => {
            let number = value.parse::<u64>().map_err(|_| Failure::Usage(format!("{value:?} is no number")))?;
            let bytes = number.to_be_bytes();
            let (high, low) = bytes.split_at(8 - width);
            if high.iter().any(|byte| *byte != 0) {
                return Err(Failure::Usage(format!("{number} does not fit the {width} bytes of attribute {id:04X}h")));
            }
            low.to_vec()
        }
        None => value.as_bytes().to_vec(),
    };
    let exact = spec.format == Format::Binary && !spec.variable;
    if bytes.len() > width || (exact && bytes.len() != width) {
        let most = if exact { "has" } else { "has at most" };
        return Err(Failure::Usage(format!("attribute {id:04X}h {most} {width} bytes, not {}", bytes.len())));
    }
    let pad = if spec.format == Format::Text { 0 } else { b' ' };
    let padded = if spec.variable || exact { bytes.len() } else { width };
    Ok(bytes.into_iter().chain(std::iter::repeat(pad)).take(padded).collect())
}

/// The bytes of pairs of hexadecimal digits.
pub(super) fn from_hex(digits: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
    let byte = |pair: &[u8; 2]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    if rest.is_empty() { pairs.iter().map(byte).collect() } else { None }
}
