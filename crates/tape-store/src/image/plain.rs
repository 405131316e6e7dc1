//! The bytes of one tape file, such as a tar stream: blocks of one size, then a filemark.

use super::{CountingReader, ImageError, ImageItem, ImageReader, ImageWriter};
use std::io::{Read, Write};

/// Reads a byte stream as blocks of one size; the last block may be shorter.
pub struct PlainReader<R> {
    source: CountingReader<R>,
    block_length: usize,
    ended: bool,
}

impl<R: Read> PlainReader<R> {
    /// A reader at the beginning of the stream, with the block size in bytes.
    pub const fn new(source: R, size: usize) -> Self {
        Self { source: CountingReader::new(source), block_length: size, ended: false }
    }
}

impl<R: Read> ImageReader for PlainReader<R> {
    fn next(&mut self, block: &mut Vec<u8>) -> Result<Option<ImageItem>, ImageError> {
        if self.ended {
            return Ok(None);
        }
        block.resize(self.block_length, 0);
        let got = self.source.fill(block)?;
        block.truncate(got);
        self.ended = got == 0;
        Ok(Some(if self.ended { ImageItem::Filemark } else { ImageItem::Block }))
    }
}

/// Writes the bytes of all blocks; filemarks are dropped.
pub struct PlainWriter<W>(W);

impl<W: Write> PlainWriter<W> {
    /// A writer at the beginning of the stream.
    pub const fn new(sink: W) -> Self {
        Self(sink)
    }
}

impl<W: Write> ImageWriter for PlainWriter<W> {
    fn block(&mut self, block: &[u8]) -> Result<(), ImageError> {
        Ok(self.0.write_all(block)?)
    }

    fn filemark(&mut self) -> Result<(), ImageError> {
        Ok(())
    }

    fn finish(&mut self) -> Result<(), ImageError> {
        Ok(self.0.flush()?)
    }
}
