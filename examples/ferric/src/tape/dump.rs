//! `ferric tape dump`

use super::key::{DecryptionKey, KeyFile};
use super::{OpenCartridge, check_partition, codec_name};
use crate::cli_error::CliError;
use crate::number::number;
use crate::output::{self, Output};
use serde::Serialize;
use std::io::IoSliceMut;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use tape_store::error::StoreError;
use tape_store::medium::{MAX_BLOCK, Medium};
use tape_store::three_file::ThreeFile;
use tape_store::three_file::inspect::{Object, ObjectEncryption};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Directory of the cartridge; its name is the barcode
    path: PathBuf,
    /// Partition, 0 to 3 [default: all]
    #[arg(long, value_parser = number::<u8>("the number of a partition", 0..=3))]
    partition: Option<u8>,
    /// Number of the first object, from 0 [default: 0]
    #[arg(long, value_parser = number::<u64>("the number of an object", 0..=u64::MAX))]
    object: Option<u64>,
    /// Number of objects [default: all]
    #[arg(long, value_parser = number::<u64>("a number of objects", 1..=u64::MAX))]
    count: Option<u64>,
    /// Print also the first bytes of each block, as hexadecimal digits and text; 256 if no number is given
    #[arg(long = "data", value_name = "BYTES", num_args = 0..=1, default_missing_value = "256",
        value_parser = number::<usize>("a number of bytes", 0..=u64::MAX))]
    data_bytes: Option<usize>,
    #[command(flatten)]
    key: KeyFile,
}

#[derive(Serialize)]
struct Row {
    partition: u8,
    object: u64,
    kind: &'static str,
    len: u32,
    stored: u32,
    offset: u64,
    codec: String,
    crc: Option<String>,
    encrypted: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

pub(crate) fn run(output: Output, arguments: &Arguments) -> Result<(), CliError> {
    let reading = arguments.key.read()?;
    let mut found = OpenCartridge::open_for_reading(output, &arguments.path)?;
    let failed = found.store_error();
    let (mut tape, _) = found.cartridge.open_read_only().map_err(&failed)?;
    let partitions = match arguments.partition {
        Some(one) => {
            check_partition(&found.name, one, tape.partitions())?;
            one..=one
        }
        None => 0..=tape.partitions().saturating_sub(1),
    };
    if let Some(object) = arguments.object {
        check_object(&found.name, &tape, partitions.clone(), object)?;
    }
    if !output.is_json() {
        output::print_line(format!(
            "{:>4} {:>10} {:<9} {:>9} {:>9} {:>14} {:<7} {}",
            "part", "object", "kind", "bytes", "stored", "offset", "codec", "crc-32c"
        ))?;
    }
    for partition in partitions {
        if tape.locate(partition, arguments.object.unwrap_or(0)).map_err(&failed)? {
            objects(output, arguments, &reading, &mut tape, partition, &failed)?;
        }
    }
    Ok(())
}

/// Refuses an object that none of these partitions has.
fn check_object(name: &str, tape: &ThreeFile, partitions: RangeInclusive<u8>, object: u64) -> Result<(), CliError> {
    let (mut exists, mut counts) = (false, Vec::new());
    for partition in partitions {
        let usage = tape.usage(partition).map_err(|error| CliError::Cartridge(name.into(), error))?;
        exists |= object < usage.objects;
        counts.push(format!("partition {partition} has {}", output::format_count(usage.objects, "object")));
    }
    if exists {
        return Ok(());
    }
    let counts = counts.join(", ");
    Err(CliError::not_found(format!("{name}: object {object} does not exist: {counts}, numbered from 0")))
}

fn objects(
    output: Output,
    arguments: &Arguments,
    reading: &DecryptionKey,
    tape: &mut ThreeFile,
    partition: u8,
    failed: &impl Fn(StoreError) -> CliError,
) -> Result<(), CliError> {
    let mut block = vec![0; if arguments.data_bytes.is_some() { MAX_BLOCK } else { 0 }];
    for _ in 0..arguments.count.unwrap_or(u64::MAX) {
        let number = tape.position().object;
        match tape.next_object() {
            Ok(None) => break,
            Ok(Some(object)) => print(output, partition, &object)?,
            Err(StoreError::Damaged { damage: what, .. }) => {
                print_damage(output, partition, number, &what.to_string())?
            }
            Err(other) => return Err(failed(other)),
        }
        let read = tape.read_decrypting(&mut [IoSliceMut::new(&mut block)], reading.unseal());
        match (arguments.data_bytes, read) {
            (Some(most), Ok(tape_store::medium::ReadOutcome::Block { len, .. })) if !output.is_json() => {
                output::print_hex(block.get(..len.min(most)).unwrap_or_default())?;
            }
            (_, Err(StoreError::CannotDecrypt { .. })) => match tape.verify_next() {
                Err(StoreError::Damaged { damage: what, .. }) => {
                    print_damage(output, partition, number, &what.to_string())?
                }
                checked => drop(checked.map_err(failed)?),
            },
            (Some(_), Err(error)) if !output.is_json() => output::print_line(format!("  {error}"))?,
            _ => {}
        }
    }
    Ok(())
}

fn print(output: Output, partition: u8, object: &Object) -> Result<(), CliError> {
    let row = Row {
        partition,
        object: object.number,
        kind: if object.is_filemark { "filemark" } else { "block" },
        len: object.len,
        stored: object.stored,
        offset: object.offset,
        codec: codec_name(object.codec),
        crc: object.crc.map(|crc| format!("{crc:08x}")),
        encrypted: object.encryption != ObjectEncryption::None,
        error: None,
    };
    if output.is_json() {
        return output::print_line(serde_json::to_string(&row)?);
    }
    let Row { object, kind, len, stored, offset, codec, crc, encrypted: sealed, .. } = row;
    let codec = if sealed { format!("{codec}+key") } else { codec };
    let crc = crc.unwrap_or_default();
    if kind == "filemark" {
        return output::print_line(format!("{partition:>4} {object:>10} {kind}"));
    }
    let text = format!("{partition:>4} {object:>10} {kind:<9} {len:>9} {stored:>9} {offset:>14} {codec:<7} {crc}");
    output::print_line(text.trim_end())
}

fn print_damage(output: Output, partition: u8, object: u64, what: &str) -> Result<(), CliError> {
    if output.is_json() {
        let row = serde_json::json!({ "partition": partition, "object": object, "error": what });
        return output::print_line(row.to_string());
    }
    output::print_line(format!("{partition:>4} {object:>10} {what}"))
}
