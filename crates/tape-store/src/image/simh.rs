//! SIMH magnetic tape images (`.tap`): each record is between two copies of its length (32 bits, little-endian) and
//! padded to an even number of bytes; a length of 0 is a filemark ("SIMH Magtape Representation and Handling").

use super::{CountingReader, ImageError, ImageItem, ImageReader, ImageWriter};
use crate::medium::MAX_BLOCK;
use std::io::{Read, Write};

const END_OF_MEDIUM: u32 = 0xffff_ffff;
const ERASE_GAP: u32 = 0xffff_fffe;
/// Bits 31-28 of a marker, its class: 0 is good data, 8 is data that was read with an error; others are not data.
const CLASS_MASK: u32 = 0xf000_0000;
const LENGTH_MASK: u32 = 0x0fff_ffff;
const BAD_DATA_CLASS: u32 = 0x8000_0000;

/// Reads a SIMH image from a byte stream.
pub struct SimhReader<R>(CountingReader<R>);

impl<R: Read> SimhReader<R> {
    /// A reader at the beginning of the image.
    pub const fn new(source: R) -> Self {
        Self(CountingReader::new(source))
    }
}

impl<R: Read> ImageReader for SimhReader<R> {
    fn next(&mut self, block: &mut Vec<u8>) -> Result<Option<ImageItem>, ImageError> {
        loop {
            let at = self.0.at;
            let fault = |what: String| ImageError::Malformed { offset: at, problem: what };
            let mut word = [0; 4];
            match self.0.fill(&mut word)? {
                0 => return Ok(None),
                4 => {}
                got => return Err(fault(format!("marker of 4 bytes is truncated after {got}"))),
            }
            let marker = u32::from_le_bytes(word);
            let len = match (marker, marker & CLASS_MASK) {
                (0, _) => return Ok(Some(ImageItem::Filemark)),
                (END_OF_MEDIUM, _) => return Ok(None),
                (ERASE_GAP, _) => continue,
                (_, 0) => usize::try_from(marker & LENGTH_MASK).unwrap_or(usize::MAX),
                (_, BAD_DATA_CLASS) => return Err(fault("record is marked as unreadable".into())),
                _ => return Err(fault(format!("marker {marker:08X}h is neither a length nor a filemark"))),
            };
            if len > MAX_BLOCK {
                return Err(fault(format!("record of {len} bytes exceeds the maximum of {MAX_BLOCK}")));
            }
            block.resize(len, 0);
            self.0.fill_exact(block, "record")?;
            if len % 2 == 1 {
                self.0.fill_exact(&mut [0], "padding")?;
            }
            self.0.fill_exact(&mut word, "marker after a record")?;
            let trailing = u32::from_le_bytes(word);
            if trailing != marker {
                return Err(fault(format!("record of {marker} bytes has a trailing length of {trailing}")));
            }
            return Ok(Some(ImageItem::Block));
        }
    }
}

/// Writes a SIMH image to a byte stream.
pub struct SimhWriter<W>(W);

impl<W: Write> SimhWriter<W> {
    /// A writer at the beginning of the image.
    pub const fn new(sink: W) -> Self {
        Self(sink)
    }
}

impl<W: Write> ImageWriter for SimhWriter<W> {
    fn block(&mut self, block: &[u8]) -> Result<(), ImageError> {
        let len = u32::try_from(block.len()).unwrap_or(LENGTH_MASK).to_le_bytes();
        self.0.write_all(&len)?;
        self.0.write_all(block)?;
        if block.len() % 2 == 1 {
            self.0.write_all(&[0])?;
        }
        Ok(self.0.write_all(&len)?)
    }

    fn filemark(&mut self) -> Result<(), ImageError> {
        Ok(self.0.write_all(&[0; 4])?)
    }

    fn finish(&mut self) -> Result<(), ImageError> {
        self.0.write_all(&END_OF_MEDIUM.to_le_bytes())?;
        Ok(self.0.flush()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn image_bytes_match() {
        let mut image = Vec::new();
        let mut writer = SimhWriter::new(&mut image);
        writer.block(b"abc").unwrap();
        writer.filemark().unwrap();
        writer.finish().unwrap();
        let bytes = b"\x03\0\0\0abc\0\x03\0\0\0\0\0\0\0\xff\xff\xff\xff";
        assert_eq!(image, bytes);
        for (image, fault) in [
            (&b"\x03\0\0\0ab"[..], "at byte 4 of the image: record of 3 bytes is truncated after 2"),
            (b"\x03\0\0\0abc\0\x04\0\0\0", "at byte 0 of the image: record of 3 bytes has a trailing length of 4"),
            (b"\xff\xff\xff\x0f", "at byte 0 of the image: record of 268435455 bytes exceeds the maximum of 16777215"),
            (b"\x03\0\0\x80", "at byte 0 of the image: record is marked as unreadable"),
            (b"\x03\0", "at byte 0 of the image: marker of 4 bytes is truncated after 2"),
        ] {
            let error = SimhReader::new(image).next(&mut Vec::new()).unwrap_err();
            assert_eq!(error.to_string(), fault);
        }
        assert_eq!(
            SimhReader::new(&b"\xfe\xff\xff\xff\0\0\0\0"[..]).next(&mut Vec::new()).unwrap(),
            Some(ImageItem::Filemark)
        );
    }
}
