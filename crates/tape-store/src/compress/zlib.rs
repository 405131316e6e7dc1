//! zlib (RFC 1950): one stream per block.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

/// Contexts for compression, with their level, and for decompression.
#[derive(Default)]
pub(super) struct Zlib {
    compressor: Option<(u8, Compress)>,
    decompressor: Option<Decompress>,
}

impl Zlib {
    /// Compresses a block; returns its length, or `None` if it does not fit in `output`.
    pub(super) fn compress(&mut self, block: &[u8], level: u8, output: &mut [u8]) -> Option<usize> {
        let fresh = || (level, Compress::new(Compression::new(level.into()), true));
        let (current, context) = self.compressor.get_or_insert_with(fresh);
        if *current == level {
            context.reset();
        } else {
            (*current, *context) = fresh();
        }
        let status = context.compress(block, output, FlushCompress::Finish).ok()?;
        if status != Status::StreamEnd {
            self.compressor = None;
            return None;
        }
        usize::try_from(context.total_out()).ok()
    }

    /// Decompresses a block; returns its length, or `None` if it is malformed.
    pub(super) fn decompress(&mut self, stored: &[u8], into: &mut [u8]) -> Option<usize> {
        let context = self.decompressor.get_or_insert_with(|| Decompress::new(true));
        context.reset(true);
        let status = context.decompress(stored, into, FlushDecompress::Finish);
        let done = matches!(status, Ok(Status::StreamEnd));
        done.then(|| usize::try_from(context.total_out()).ok()).flatten()
    }
}
