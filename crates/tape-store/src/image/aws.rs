//! AWS tape images, as Hercules and P/390 use them. Each chunk of up to 65,535 bytes has a header of six bytes: length
//! of the chunk and length of the previous one (16 bits each, little-endian), and two bytes of flags. A block may
//! consist of several chunks.

use super::{CountingReader, ImageError, ImageItem, ImageReader, ImageWriter};
use crate::medium::MAX_BLOCK;
use std::io::{Read, Write};
use zerocopy::byteorder::little_endian::U16;
use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout, Unaligned};

#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Header {
    length: U16,
    previous_length: U16,
    flags: u8,
    _reserved: u8,
}
const _: () = assert!(size_of::<Header>() == 6);

const BLOCK_START: u8 = 0x80;
const FILEMARK: u8 = 0x40;
const BLOCK_END: u8 = 0x20;
const CHUNK: usize = 65_535;

/// Reads an AWS image from a byte stream.
pub struct AwsReader<R>(CountingReader<R>);

impl<R: Read> AwsReader<R> {
    /// A reader at the beginning of the image.
    pub const fn new(source: R) -> Self {
        Self(CountingReader::new(source))
    }
}

impl<R: Read> ImageReader for AwsReader<R> {
    fn next(&mut self, block: &mut Vec<u8>) -> Result<Option<ImageItem>, ImageError> {
        block.clear();
        let mut begun = false;
        loop {
            let at = self.0.at;
            let fault = |what: String| ImageError::Malformed { offset: at, problem: what };
            let mut header = Header::new_zeroed();
            match self.0.fill(header.as_mut_bytes())? {
                0 if !begun => return Ok(None),
                6 => {}
                got => return Err(fault(format!("header of 6 bytes is truncated after {got}"))),
            }
            let flags = header.flags;
            if flags & FILEMARK != 0 && !begun && header.length.get() == 0 {
                return Ok(Some(ImageItem::Filemark));
            }
            if flags & FILEMARK != 0 || (flags & BLOCK_START != 0) == begun {
                return Err(fault(format!("flags {flags:02X}h are not valid after the previous chunk")));
            }
            let (from, len) = (block.len(), usize::from(header.length.get()));
            if from + len > MAX_BLOCK {
                return Err(fault(format!("block exceeds the maximum of {MAX_BLOCK} bytes")));
            }
            block.resize(from + len, 0);
            self.0.fill_exact(block.get_mut(from..).unwrap_or_default(), "chunk")?;
            if flags & BLOCK_END != 0 {
                return Ok(Some(ImageItem::Block));
            }
            begun = true;
        }
    }
}

/// Writes an AWS image to a byte stream.
pub struct AwsWriter<W> {
    sink: W,
    previous_length: u16,
}

impl<W: Write> AwsWriter<W> {
    /// A writer at the beginning of the image.
    pub const fn new(sink: W) -> Self {
        Self { sink, previous_length: 0 }
    }

    fn chunk(&mut self, bytes: &[u8], flags: u8) -> Result<(), ImageError> {
        let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
        let header =
            Header { length: length.into(), previous_length: self.previous_length.into(), flags, _reserved: 0 };
        self.previous_length = length;
        self.sink.write_all(header.as_bytes())?;
        Ok(self.sink.write_all(bytes)?)
    }
}

impl<W: Write> ImageWriter for AwsWriter<W> {
    fn block(&mut self, block: &[u8]) -> Result<(), ImageError> {
        let last = block.len().div_ceil(CHUNK).max(1) - 1;
        for number in 0..=last {
            let from = number * CHUNK;
            let begins = if number == 0 { BLOCK_START } else { 0 };
            let ends = if number == last { BLOCK_END } else { 0 };
            let chunk = block.get(from..block.len().min(from + CHUNK)).unwrap_or_default();
            self.chunk(chunk, begins | ends)?;
        }
        Ok(())
    }

    fn filemark(&mut self) -> Result<(), ImageError> {
        self.chunk(&[], FILEMARK)
    }

    fn finish(&mut self) -> Result<(), ImageError> {
        Ok(self.sink.flush()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn image_bytes_match() {
        let mut image = Vec::new();
        let mut writer = AwsWriter::new(&mut image);
        writer.block(b"abc").unwrap();
        writer.filemark().unwrap();
        writer.block(b"d").unwrap();
        writer.finish().unwrap();
        assert_eq!(image, b"\x03\0\0\0\xa0\0abc\0\0\x03\0\x40\0\x01\0\0\0\xa0\0d");
        for (image, fault) in [
            (&b"\x03\0\0\0\xa0\0ab"[..], "at byte 6 of the image: chunk of 3 bytes is truncated after 2"),
            (b"\x01\0\0\0\x20\0a", "at byte 0 of the image: flags 20h are not valid after the previous chunk"),
            (
                b"\x01\0\0\0\x80\0a\x01\0\0\0\x80\0b",
                "at byte 7 of the image: flags 80h are not valid after the previous chunk",
            ),
            (b"\x01\0\0", "at byte 0 of the image: header of 6 bytes is truncated after 3"),
        ] {
            assert_eq!(AwsReader::new(image).next(&mut Vec::new()).unwrap_err().to_string(), fault);
        }
    }
}
