//! `dump_tape`: prints the MAM of a cartridge and each object on its tape.

use crate::cartridges::{Access, barcode, cartridge_error, find};
use crate::getopt::Options;
use crate::{Invocation, ToolError, ToolResult};
use std::io::{IoSliceMut, Write};
use tape_store::cartridge::{Barcode, Cartridge, CartridgeKind};
use tape_store::encrypt::Decryption;
use tape_store::error::{Damage, StoreError};
use tape_store::mam::{AttrId, Flags, Mam};
use tape_store::medium::{CodecId, MAX_BLOCK, Medium, ReadOutcome};
use tape_store::mhvtl;
use tape_store::mhvtl::block_flags::{CRC, ENCRYPTED, LZO, ZLIB};
use tape_store::three_file::ThreeFile;
use tape_store::three_file::inspect::{EmulatedKey, Object, ObjectEncryption};

/// Record types, as mhvtl prints them.
const BLOCK: u8 = 11;
const END: u8 = 5;

pub(crate) fn usage(name: &str) -> String {
    format!(
        "Usage: {name} OPTIONS
Where OPTIONS are from:
  -m pcl           Barcode of the cartridge
  -l lib_no        Number of its library [default: all are searched]
  -D               Read the data of every block
  -v               Be verbose: filemarks, and with -D the data
  -d               The same as -v
  -h               Print this message and exit
"
    )
}

pub(crate) fn run(call: &Invocation<'_>, out: &mut dyn Write) -> ToolResult {
    if call.arguments.is_empty() {
        return Err(ToolError::usage("Not enough arguments"));
    }
    let parsed = Options { short: "hdvDl:m:", long: &[] }.parse(call)?;
    if parsed.has('h') {
        return Ok(write!(out, "{}", usage(call.name))?);
    }
    let barcode = barcode(parsed.value('m').ok_or_else(|| ToolError::usage("No PCL number supplied"))?)?;
    let found = find(call, &barcode, parsed.number('l')?, Access::Read, out)?;
    let mut cartridge =
        found.ok_or_else(|| ToolError::new(format!("PCL {barcode} cannot be opened, it was not found")))?;
    let failed = |error: StoreError| cartridge_error(&barcode, &error);
    let mam = cartridge.mam().map_err(failed)?;
    let (tape, _) = cartridge.open_read_only().map_err(failed)?;
    let verbose = parsed.has('v') || parsed.has('d');
    let (data, is_null) = (parsed.has('D'), cartridge.kind() == CartridgeKind::Null);
    let mut dump = Dump { barcode: &barcode, tape, out, data, verbose, is_null, damaged: 0, block: Vec::new() };
    for partition in 0..dump.tape.partitions() {
        writeln!(dump.out, "Dumping partition {partition}")?;
        print_mam(&cartridge, &mam, dump.out)?;
        dump.partition(partition)?;
    }
    match dump.damaged {
        0 => Ok(()),
        many => Err(ToolError::new(format!("error: {barcode}: damaged objects: {many}"))),
    }
}

/// Prints medium, kind and capacity from the MAM.
fn print_mam(cartridge: &Cartridge, mam: &Mam, out: &mut dyn Write) -> ToolResult {
    let row = mhvtl::media::for_media(cartridge.media());
    let (code, facts) = row.map_or((0, cartridge.media()), |row| (row.code, &row.stored_spec));
    let kind = match cartridge.kind() {
        CartridgeKind::Cleaning => "Cleaning media",
        CartridgeKind::Data => "Normal data",
        CartridgeKind::Null => "NULL - Use with caution !!",
        CartridgeKind::Worm => "Write Once Read Many (WORM)",
    };
    let access = if mam.flags().contains(Flags::WRITE_PROTECTED) { "Write-protected" } else { "read-write" };
    let capacity = |bytes: u64| {
        let (number, unit) = scaled(bytes);
        format!("{bytes} ({number} {unit}Bytes)")
    };
    writeln!(out, "Media density code: 0x{:02x}", mam.number(AttrId::DENSITY))?;
    writeln!(out, "Media type code   : 0x{code:02x}")?;
    writeln!(out, "Media description : {}", facts.description)?;
    writeln!(out, "Tape Capacity     : {}", capacity(cartridge.capacity()))?;
    writeln!(out, "Media type        : {kind}")?;
    writeln!(out, "Media             : {access}")?;
    Ok(writeln!(out, "Remaining Tape Capacity : {}", capacity(mam.number(AttrId::REMAINING_CAPACITY)))?)
}

/// Scales a number of bytes to at most 5121, with the letter of its unit.
fn scaled(bytes: u64) -> (u64, char) {
    const MAX_SCALED: u64 = 5121;
    let steps = (0..4).find(|steps| bytes >> (10 * steps) <= MAX_SCALED).unwrap_or(4);
    (bytes >> (10 * steps), [' ', 'K', 'M', 'G', 'T'].into_iter().nth(steps).unwrap_or('T'))
}

struct Dump<'a> {
    barcode: &'a Barcode,
    tape: ThreeFile,
    out: &'a mut dyn Write,
    data: bool,
    verbose: bool,
    is_null: bool,
    damaged: u64,
    block: Vec<u8>,
}

impl Dump<'_> {
    fn failed(&self, error: &StoreError) -> ToolError {
        cartridge_error(self.barcode, error)
    }

    fn partition(&mut self, partition: u8) -> ToolResult {
        self.tape.locate(partition, 0).map_err(|error| self.failed(&error))?;
        self.tape.space_to_end().map_err(|error| self.failed(&error))?;
        let end = self.tape.position();
        writeln!(self.out, "Total num of filemarks: {}", end.file)?;
        if self.verbose {
            self.filemarks(partition, end.file)?;
        }
        self.tape.locate(partition, 0).map_err(|error| self.failed(&error))?;
        while !self.tape.at_end_of_data() {
            let number = self.tape.position().object;
            match self.object() {
                Err(StoreError::Damaged { damage: what, .. }) => {
                    self.damaged += 1;
                    writeln!(self.out, "Damaged at block : {number}: {what}")?;
                    // Reading may have stopped before the damaged object.
                    self.tape.locate(partition, number + 1).map_err(|error| self.failed(&error))?;
                }
                Err(error) => return Err(self.failed(&error)),
                Ok(done) => done?,
            }
        }
        let used = self.tape.usage(partition).map_err(|error| self.failed(&error))?.used;
        Ok(print_header(self.out, "End of Data", [END, 0], [0, 0], end.object, used, 0)?)
    }

    fn filemarks(&mut self, partition: u8, count: u64) -> ToolResult {
        writeln!(self.out, "Dumping filemark meta info")?;
        for file in 1..=count {
            self.tape.locate_file(partition, file).map_err(|error| self.failed(&error))?;
            writeln!(self.out, "Filemark: {}", self.tape.position().object.saturating_sub(1))?;
        }
        Ok(())
    }

    /// Prints the next object and moves past it.
    fn object(&mut self) -> Result<ToolResult, StoreError> {
        let Some(object) = self.tape.next_object()? else { return Ok(Ok(())) };
        if object.is_filemark {
            self.tape.read(&mut [])?;
            return Ok(writeln!(self.out, "Filemark at block : {} , skipping", object.number).map_err(ToolError::from));
        }
        let key = match object.encryption {
            ObjectEncryption::Emulated => self.tape.next_emulated_key()?,
            ObjectEncryption::None | ObjectEncryption::Encrypted => None,
        };
        if let Err(failure) = print_block(self.out, &object, key.as_ref()) {
            return Ok(Err(failure));
        }
        if !self.data {
            return self.tape.locate(self.tape.position().partition, object.number + 1).map(|_| Ok(()));
        }
        self.read(&object, key)
    }

    fn read(&mut self, object: &Object, key: Option<EmulatedKey>) -> Result<ToolResult, StoreError> {
        self.block.resize(MAX_BLOCK, 0);
        let key = key.and_then(EmulatedKey::into_key);
        let decryption = key.as_ref().map_or(Decryption::Disable, |(key, _)| Decryption::Mixed(key));
        let read = self.tape.read_decrypting(&mut [IoSliceMut::new(&mut self.block)], decryption);
        let len = match read {
            Ok(ReadOutcome::Block { len, .. }) => len,
            Ok(_) => 0,
            // A NULL medium does not store data.
            Err(StoreError::Damaged { damage: Damage::Truncated, .. }) if self.is_null => 0,
            // A block that cannot be decrypted is verified only.
            Err(StoreError::CannotDecrypt { .. }) => {
                self.tape.verify_next()?;
                0
            }
            Err(error) => return Err(error),
        };
        let content = self.block.get(..len).unwrap_or_default();
        Ok(print_block_content(self.out, object.len, content, self.verbose))
    }
}

/// Prints the data of a block.
fn print_block_content(out: &mut dyn Write, expected: u32, content: &[u8], verbose: bool) -> ToolResult {
    writeln!(out, "c_pos->blk_size: {expected}")?;
    if expected == 0 {
        return Ok(writeln!(out, "Data size: 0 - skipping read")?);
    }
    if verbose {
        writeln!(out, "Data:")?;
        out.write_all(content)?;
        writeln!(out, "End of data")?;
    }
    if content.len() as u64 != u64::from(expected) {
        writeln!(out, "Requested {expected} bytes, received {}", content.len())?;
    }
    Ok(writeln!(out, "\n")?)
}

/// Prints the header line of a block, and its key.
fn print_block(out: &mut dyn Write, object: &Object, key: Option<&EmulatedKey>) -> ToolResult {
    let (codec, codec_flag) = match object.codec {
        CodecId::NONE => ("non-compressed".into(), 0),
        CodecId::ZLIB => ("zlibCompressed".into(), ZLIB),
        CodecId::LZO => ("lzoCompressed".into(), LZO),
        CodecId::ZSTD => ("zstdCompressed".into(), 0),
        CodecId(other) => (format!("codec {other}"), 0),
    };
    let (encrypted, key_flag) =
        if object.encryption == ObjectEncryption::None { ("", 0) } else { ("Encrypt/", ENCRYPTED) };
    let (crc, crc_flag) = if object.crc.is_some() { (" with crc", CRC) } else { (" no crc", 0) };
    let flags = codec_flag | key_flag | crc_flag;
    let sizes = [object.stored, object.len];
    let crc_value = object.crc.unwrap_or(0);
    print_header(
        out,
        &format!("{encrypted}{codec}{crc}"),
        [BLOCK, flags],
        sizes,
        object.number,
        object.offset,
        crc_value,
    )?;
    let Some(EmulatedKey { key, ukad, akad }) = key else { return Ok(()) };
    let (keys, ukads, akads) = (key.len(), ukad.len(), akad.len());
    writeln!(out, "   => Encr key length {keys}, ukad length {ukads}, akad length {akads}")?;
    for (name, bytes) in [("Key", key), ("Ukad", ukad), ("Akad", akad)].iter().filter(|(_, bytes)| !bytes.is_empty()) {
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        writeln!(out, "{name:>12} : {hex:>32}")?;
    }
    Ok(())
}

fn print_header(
    out: &mut dyn Write,
    what: &str,
    [kind, flags]: [u8; 2],
    [stored, len]: [u32; 2],
    number: u64,
    offset: u64,
    crc: u32,
) -> std::io::Result<()> {
    let what = format!("Hdr:{what}");
    write!(out, "{what:<35} (0x{kind:02x}/0x{flags:02x}), sz: {stored:>6}/{len:<6}, ")?;
    writeln!(out, "Blk No.: {number:>7}, data_offset: {offset:>10}, CRC: {crc:08x}")
}

#[cfg(test)]
mod tests {
    use super::scaled;

    #[test]
    fn capacities_are_scaled() {
        for (bytes, expected) in [
            (5121, (5121, ' ')),
            (5122, (5, 'K')),
            (524_288_000, (500, 'M')),
            (100_000_000_000, (93, 'G')),
            (12_000_000_000_000, (10, 'T')),
            (u64::MAX, (16_777_215, 'T')),
        ] {
            assert_eq!(scaled(bytes), expected);
        }
    }
}
