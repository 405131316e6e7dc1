//! `preload_tape`: a file as the first blocks of a cartridge.

use crate::cartridges::{Access, barcode, failed, find};
use crate::getopt::{Given, Options};
use crate::{Call, Done, Failure};
use std::fs::File;
use std::io::{self, BufReader, Write};
use std::path::Path;
use tape_store::cartridge::Level;
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

pub(crate) fn run(call: &Call<'_>, out: &mut dyn Write) -> Done {
    if call.arguments.is_empty() {
        return Err(Failure::usage("Not enough arguments"));
    }
    let given = Options { short: "hdvl:m:F:b:c:", long: &[] }.parse(call)?;
    if given.has('h') {
        return Ok(write!(out, "{}", usage(call.name))?);
    }
    let wanted = |letter, what: &str| given.value(letter).ok_or_else(|| Failure::usage(what));
    let barcode = barcode(wanted('m', "No PCL number supplied")?)?;
    let source = wanted('F', "Need to specify the filename to read data from")?;
    let compression = wanted('c', "Need to specify the compression type NONE|LZO|ZLIB")?;
    wanted('b', "Need to specify a block size")?;
    let (size, codec) = (block_size(&given)?, codec(compression)?);
    let file = File::open(source).map_err(|error| Failure::at(Path::new(source), error))?;
    let found = find(call, &barcode, given.number('l')?, Access::Change, out)?;
    let mut cartridge =
        found.ok_or_else(|| Failure::new(format!("PCL {barcode} cannot be opened, it was not found")))?;
    let failed = |error: StoreError| failed(&barcode, &error);
    cartridge.check_free().map_err(failed)?;
    let now = u64::try_from(call.now).unwrap_or(0);
    if let Some(why) = cartridge.protection(now).map_err(failed)? {
        return Err(failed(StoreError::ReadOnly(why)));
    }
    if given.has('v') || given.has('d') {
        writeln!(out, "Opening {source} for reading\nBlock size: {size}\nCompression : {compression}")?;
        writeln!(out, "Tape max capacity is {}", cartridge.capacity())?;
        writeln!(out, "Setting compression to {}", if codec.id == CodecId::ZLIB { "ZLIB" } else { "NONE" })?;
    }
    let mut reader = PlainReader::new(BufReader::with_capacity(1 << 20, file), size);
    match image::write(&mut reader, &mut cartridge, 0, true, codec) {
        Ok(_) => Ok(()),
        Err(ImageError::Tape(error)) => Err(failed(error)),
        Err(ImageError::Full(object)) => {
            let text = format!("No space left on media, hit EOM while writing block {object} of {source}");
            Err(Failure::new(text))
        }
        Err(error) => Err(Failure::at(Path::new(source), error)),
    }
}

fn block_size(given: &Given) -> Result<usize, Failure> {
    let wrong = |size: &usize| Failure::new(format!("error: -b: {size} is not 1 to {MAX_BLOCK}"));
    given
        .number('b')?
        .map_or(Ok(0), |size: usize| if (1..=MAX_BLOCK).contains(&size) { Ok(size) } else { Err(wrong(&size)) })
}

fn codec(name: &str) -> Result<Codec, Failure> {
    match name.to_ascii_uppercase().as_str() {
        "NONE" => Ok(Codec::NONE),
        "ZLIB" => Ok(Level::Mhvtl.fallback()),
        "LZO" => {
            let _ =
                writeln!(io::stderr(), "preload_tape: LZO is read, but not written; blocks are compressed with ZLIB");
            Ok(Level::Mhvtl.fallback())
        }
        _ => Err(Failure::usage(format!("error: -c: {name:?} is none of NONE, LZO and ZLIB"))),
    }
}
