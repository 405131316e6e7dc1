//! `ferric tape attr`

use super::{OpenCartridge, check_partition};
use crate::cli_error::CliError;
use crate::number::number;
use crate::output::{self, Output};
use serde_json::{Value, json};
use std::path::PathBuf;
use tape_store::mam::{AttrId, AttrSpec, AttributeFormat, AttributeWriter, Flags, Mam, spec};
use tape_store::medium::Medium;
use vtl::contents::CartridgeAttribute as Attribute;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Directory of the cartridge; its name is the barcode
    path: PathBuf,
    /// Attribute identifier as four hexadecimal digits, such as 0806, or write-protect [default: list all]
    attribute: Option<String>,
    /// New value: text or a number, or 0x and hexadecimal digits; an empty string removes the attribute; on or off for
    /// write-protect [default: show the value]
    value: Option<String>,
    /// Partition, 0 to 3, for attributes that each partition has [default: 0; for the list, all]
    #[arg(long, value_parser = number::<u8>("the number of a partition", 0..=3))]
    partition: Option<u8>,
}

const WRITE_PROTECT: &str = "write-protect";

pub(crate) fn run(output: Output, arguments: &Arguments) -> Result<(), CliError> {
    let mut found = if arguments.value.is_none() {
        OpenCartridge::open_for_reading(output, &arguments.path)
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
        (None, _) => output.show(attributes(&mam, arguments.partition).as_slice(), print),
        (Some(name), _) if name == WRITE_PROTECT && partition > 0 => {
            let what = "concerns the whole cartridge, not one partition; leave out --partition";
            Err(CliError::invalid(format!("{WRITE_PROTECT} {what}")))
        }
        (Some(name), None) if name == WRITE_PROTECT => {
            let on = mam.flags().contains(Flags::WRITE_PROTECTED);
            output.show(&json!({ "write_protected": on }), |_| output::print_line(if on { "on" } else { "off" }))
        }
        (Some(name), Some(value)) => {
            found.check_not_loaded()?;
            if name == WRITE_PROTECT {
                mam.set_flag(Flags::WRITE_PROTECTED, parse_on_off(value)?);
            } else {
                let (id, spec) = resolve_attribute(name, partition)?;
                mam.set(id, partition, &parse_value(spec, value)?);
            }
            found.cartridge.save_mam_exclusive(&mam).map_err(&failed)?;
            // There is nothing to print but for programs, which expect a document.
            output.done(output.show(&Value::Null, |_| Ok(())))
        }
        (Some(name), None) => {
            let (id, _) = resolve_attribute(name, partition)?;
            let value = mam.get(id, partition);
            let missing = || CliError::not_found(format!("{}: the MAM has no attribute {name}", found.name));
            let attribute = Attribute::new(id, partition, value.ok_or_else(missing)?);
            output.show(&attribute, |attribute| output::print_line(&attribute.value))
        }
    }
}

/// All attributes, or the attributes of one partition.
fn attributes(mam: &Mam, only: Option<u8>) -> Vec<Attribute> {
    let mut all = Attribute::all(mam);
    all.retain(|attribute| only.is_none_or(|only| attribute.is_per_partition && attribute.partition == only));
    all
}

fn print(attributes: &[Attribute]) -> Result<(), CliError> {
    for Attribute { id, name, partition, value, is_per_partition } in attributes {
        let id = id.trim_end_matches('h');
        let place = if *is_per_partition { format!("{id}[{partition}]") } else { id.to_owned() };
        output::print_line(format!("{place:<9}{name:<40}{value}").trim_end())?;
    }
    Ok(())
}

/// An attribute by its number, and its facts. One of the whole cartridge is refused for any partition but 0.
fn resolve_attribute(name: &str, partition: u8) -> Result<(AttrId, &'static AttrSpec), CliError> {
    let digits = name.trim_start_matches("0x").trim_end_matches(['h', 'H']);
    let id = u16::from_str_radix(digits, 16).ok().map(AttrId).filter(|id| !id.is_private());
    let known = id.and_then(|id| Some((id, spec(id)?)));
    match known {
        Some((id, spec)) if partition > 0 && !spec.is_per_partition => {
            let what = format!("attribute {:04X}h concerns the whole cartridge, not partition {partition}", id.0);
            Err(CliError::invalid(what))
        }
        Some(known) => Ok(known),
        None => {
            let what = "is not an attribute; give four hexadecimal digits, such as 0806";
            Err(CliError::not_found(format!("{name:?} {what}")))
        }
    }
}

fn parse_on_off(value: &str) -> Result<bool, CliError> {
    match value {
        "on" => Ok(true),
        "off" => Ok(false),
        other => Err(CliError::invalid(format!("{other:?} is neither on nor off"))),
    }
}

/// The bytes of a value, in the width of its attribute.
fn parse_value(spec: &AttrSpec, value: &str) -> Result<Vec<u8>, CliError> {
    let id = spec.id.0;
    if spec.writer != AttributeWriter::Host {
        return Err(CliError::conflict(format!("attribute {id:04X}h is written by drives only")));
    }
    let width = usize::from(spec.len);
    let bytes = match value.strip_prefix("0x") {
        _ if value.is_empty() => return Ok(Vec::new()),
        Some(digits) => from_hex(digits)
            .ok_or_else(|| CliError::invalid(format!("{value:?} is not pairs of hexadecimal digits after 0x")))?,
        None if spec.format == AttributeFormat::Binary && width <= 8 => {
            let number = value.parse::<u64>().map_err(|_| CliError::invalid(format!("{value:?} is not a number")))?;
            let bytes = number.to_be_bytes();
            let (high, low) = bytes.split_at(8 - width);
            if high.iter().any(|byte| *byte != 0) {
                return Err(CliError::invalid(format!(
                    "{number} does not fit the {width} bytes of attribute {id:04X}h"
                )));
            }
            low.to_vec()
        }
        None => value.as_bytes().to_vec(),
    };
    let exact = spec.format == AttributeFormat::Binary && !spec.variable;
    if bytes.len() > width || (exact && bytes.len() != width) {
        let most = if exact { "has" } else { "has at most" };
        return Err(CliError::invalid(format!("attribute {id:04X}h {most} {width} bytes, not {}", bytes.len())));
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
