//! `preload_tape`: a file as the first blocks of a cartridge.

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
  -m pcl           The label of the cartridge
  -l lib_no        The library that it is in [all are looked through]
  -F <inputfile>   The file; it takes the place of what is on the cartridge
  -b <block size>  Bytes of a block, up to {MAX_BLOCK}
  -c <compression> NONE, ZLIB or LZO, which is read but not written: ZLIB takes its place
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
    let given = Options { short: "hdvl:m:F:b:c:", long: &[] }.parse(call)?;
    if given.has('h') {
        return Ok(write!(out, "{}", usage(call.name))?);
    }
    let wanted = |letter, what: &str| given.value(letter).ok_or_else(|| ToolError::usage(what));
    let barcode = barcode(wanted('m', "No PCL number supplied")?)?;
    let source = wanted('F', "Need to specify the filename to read data from")?;
    let compression = wanted('c', "Need to specify the compression type NONE|LZO|ZLIB")?;
    wanted('b', "Need to specify a block size")?;
    let (size, codec) = (block_size(&given)?, codec(compression)?);
    let file = File::open(source).map_err(|error| ToolError::at(Path::new(source), error))?;
    let found = find(call, &barcode, given.number('l')?, Access::Change, out)?;
    let mut cartridge =
        found.ok_or_else(|| ToolError::new(format!("PCL {barcode} cannot be opened, it was not found")))?;
    let failed = |error: StoreError| cartridge_error(&barcode, &error);
    cartridge.check_unloaded().map_err(failed)?;
    let now = u64::try_from(call.now).unwrap_or(0);
    if let Some(why) = cartridge.write_protection(now).map_err(failed)? {
        return Err(failed(StoreError::ReadOnly(why)));
    }
    if given.has('v') || given.has('d') {
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

fn block_size(given: &ParsedOptions) -> Result<usize, ToolError> {
    let wrong = |size: &usize| ToolError::new(format!("error: -b: {size} is not 1 to {MAX_BLOCK}"));
    given
        .number('b')?
        .map_or(Ok(0), |size: usize| if (1..=MAX_BLOCK).contains(&size) { Ok(size) } else { Err(wrong(&size)) })
}

fn codec(name: &str) -> Result<Codec, ToolError> {
    match name.to_ascii_uppercase().as_str() {
        "NONE" => Ok(Codec::NONE),
        "ZLIB" => Ok(Format::Mhvtl.fallback_codec()),
        "LZO" => {
            let _ =
                writeln!(io::stderr(), "preload_tape: LZO is read, but not written; blocks are compressed with ZLIB");
            Ok(Format::Mhvtl.fallback_codec())
        }
        _ => Err(ToolError::usage(format!("error: -c: {name:?} is none of NONE, LZO and ZLIB"))),
    }
}
