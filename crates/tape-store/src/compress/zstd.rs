//! Zstandard (RFC 8878): one frame per block.

use zstd::bulk::{Compressor, Decompressor};

/// Contexts for compression, with their level, and for decompression.
#[derive(Default)]
pub(super) struct Zstd {
    compressor: Option<(u8, Compressor<'static>)>,
    decompressor: Option<Decompressor<'static>>,
}

impl Zstd {
    /// Compresses a block; returns its length, or `None` if it does not fit in `output`.
    pub(super) fn compress(&mut self, block: &[u8], level: u8, output: &mut [u8]) -> Option<usize> {
        if self.compressor.as_ref().is_none_or(|(current, _)| *current != level) {
            self.compressor = Some((level, Compressor::new(level.into()).ok()?));
        }
        let (_, context) = self.compressor.as_mut()?;
        context.compress_to_buffer(block, output).ok()
    }

    /// Decompresses a block; returns its length, or `None` if it is malformed.
    pub(super) fn decompress(&mut self, stored: &[u8], into: &mut [u8]) -> Option<usize> {
        if self.decompressor.is_none() {
            self.decompressor = Decompressor::new().ok();
        }
        self.decompressor.as_mut().and_then(|context| context.decompress_to_buffer(stored, into).ok())
    }
}
