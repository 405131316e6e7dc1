//! `preload_tape`: writes a file to a cartridge, from the beginning of its tape.

use crate::cartridges::{Access, barcode, cartridge_error, find};
use crate::getopt::{Options, ParsedOptions};
use crate::{Invocation, ToolError, ToolResult};
use std::fs::File;
use std::io::{self, BufReader, Write};
use std::path::Path;
use tape_store::cartridge::Format;
use tape_store::error::StoreError;
use tape_store::image::{self, ImageError, PlainReader};
use tape_store::medium::{Codec, CodecId};
use tape_store::mhvtl::MAX_BLOCK;

pub(crate) fn usage(name: &str) -> String {
    format!(
        "Usage: {name} OPTIONS
Where OPTIONS are from:
  -m pcl           Barcode of the cartridge
  -l lib_no        Number of its library [default: all are searched]
  -F <inputfile>   The file, which replaces the data on the cartridge
  -b <block size>  Block length in bytes, at most {MAX_BLOCK}
  -c <compression> NONE, ZLIB or LZO; LZO is not written, ZLIB is used instead
  -v               Be verbose
  -d               The same as -v
  -h               Print this message and exit
"
    )
}

pub(crate) fn run(call: &Invocation<'_>, out: &mut dyn Write) -> ToolResult {
    if call.arguments.is_empty() {
        return Err(ToolError::usage("Not enough arguments"));
    }
    let parsed = Options { short: "hdvl:m:F:b:c:", long: &[] }.parse(call)?;
    if parsed.has('h') {
        return Ok(write!(out, "{}", usage(call.name))?);
    }
    let required = |letter, what: &str| parsed.value(letter).ok_or_else(|| ToolError::usage(what));
    let barcode = barcode(required('m', "No PCL number supplied")?)?;
    let source = required('F', "Need to specify the filename to read data from")?;
    let compression = required('c', "Need to specify the compression type NONE|LZO|ZLIB")?;
    required('b', "Need to specify a block size")?;
    let (size, codec) = (block_size(&parsed)?, codec(compression)?);
    let file = File::open(source).map_err(|error| ToolError::at(Path::new(source), error))?;
    let found = find(call, &barcode, parsed.number('l')?, Access::Change, out)?;
    let mut cartridge =
        found.ok_or_else(|| ToolError::new(format!("PCL {barcode} cannot be opened, it was not found")))?;
    let failed = |error: StoreError| cartridge_error(&barcode, &error);
    cartridge.check_unloaded().map_err(failed)?;
    let now = u64::try_from(call.now).unwrap_or(0);
    if let Some(reason) = cartridge.write_protection(now).map_err(failed)? {
        return Err(failed(StoreError::ReadOnly(reason)));
    }
    if parsed.has('v') || parsed.has('d') {
        writeln!(out, "Opening {source} for reading\nBlock size: {size}\nCompression : {compression}")?;
        writeln!(out, "Tape max capacity is {}", cartridge.capacity())?;
        writeln!(out, "Setting compression to {}", if codec.id == CodecId::ZLIB { "ZLIB" } else { "NONE" })?;
    }
    let mut reader = PlainReader::new(BufReader::with_capacity(1 << 20, file), size);
    match image::write_to_cartridge(&mut reader, &mut cartridge, 0, true, codec) {
        Ok(_) => Ok(()),
        Err(ImageError::Tape(error)) => Err(failed(error)),
        Err(ImageError::EndOfMedium(object)) => {
            let text = format!("No space left on media, hit EOM while writing block {object} of {source}");
            Err(ToolError::new(text))
        }
        Err(error) => Err(ToolError::at(Path::new(source), error)),
    }
}

fn block_size(parsed: &ParsedOptions) -> Result<usize, ToolError> {
    let wrong = |size: &usize| ToolError::new(format!("error: -b: {size} is invalid; expected 1 to {MAX_BLOCK}"));
    parsed
        .number('b')?
        .map_or(Ok(0), |size: usize| if (1..=MAX_BLOCK).contains(&size) { Ok(size) } else { Err(wrong(&size)) })
}

fn codec(name: &str) -> Result<Codec, ToolError> {
    match name.to_ascii_uppercase().as_str() {
        "NONE" => Ok(Codec::NONE),
        "ZLIB" => Ok(Format::Mhvtl.fallback_codec()),
        "LZO" => {
            let _ = writeln!(io::stderr(), "preload_tape: LZO is not written; blocks are compressed with ZLIB");
            Ok(Format::Mhvtl.fallback_codec())
        }
        _ => Err(ToolError::usage(format!("error: -c: {name:?} is invalid; expected NONE, LZO or ZLIB"))),
    }
}
