//! Codecs by their stored id. A block that does not shrink is stored as it is; an unknown id is an error.

use crate::error::Damage;
use crate::medium::{Codec, CodecId};
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};
use std::io::IoSlice;

/// zlib spends 2 ms on a record that does not shrink, so of a long one it first tries four pieces of this size. What is
/// stored depends on the block alone, not on those before it.
const PIECE: usize = 4 * 1024;
/// A shorter block is not probed.
const WORTH_A_PROBE: usize = 16 * PIECE;

/// Contexts and buffers of one medium, kept from block to block.
#[derive(Default)]
pub struct Codecs {
    zstd: Option<(u8, zstd::bulk::Compressor<'static>)>,
    unzstd: Option<zstd::bulk::Decompressor<'static>>,
    zlib: Option<(u8, Compress)>,
    unzlib: Option<Decompress>,
    pieces: Vec<u8>,
    gathered: Vec<u8>,
    output: Vec<u8>,
}

impl Codecs {
    /// The block in its stored form, or `None` if it is to be stored as it is.
    pub fn compress(&mut self, block: &[IoSlice<'_>], codec: Codec) -> Option<&[u8]> {
        if codec.id == CodecId::NONE {
            return None;
        }
        let mut gathered = std::mem::take(&mut self.gathered);
        let len = match block {
            [one] => self.compress_one(one, codec),
            many => {
                gathered.clear();
                many.iter().for_each(|slice| gathered.extend_from_slice(slice));
                self.compress_one(&gathered, codec)
            }
        };
        self.gathered = gathered;
        self.output.get(..len?)
    }

    fn compress_one(&mut self, block: &[u8], codec: Codec) -> Option<usize> {
        let room = block.len().checked_sub(1)?;
        // A deflate stream is always let to its end: a context that is reset before it packs the next block otherwise.
        let whole = block.len() + block.len() / 8 + 64;
        if self.output.len() < whole {
            self.output.resize(whole, 0);
        }
        match codec.id {
            CodecId::ZSTD => self.zstd(block, codec.level, room),
            CodecId::ZLIB => {
                if self.is_hopeless(block, codec.level) {
                    None
                } else {
                    self.zlib(block, codec.level, room)
                }
            }
            _ => None,
        }
    }

    /// Whether four pieces of a long block do not shrink.
    fn is_hopeless(&mut self, block: &[u8], level: u8) -> bool {
        if block.len() < WORTH_A_PROBE {
            return false;
        }
        let mut pieces = std::mem::take(&mut self.pieces);
        pieces.clear();
        for quarter in block.chunks(block.len().div_ceil(4)) {
            pieces.extend_from_slice(quarter.get(..PIECE).unwrap_or(quarter));
        }
        let hopeless = self.zlib(&pieces, level, pieces.len() - pieces.len() / 32).is_none();
        self.pieces = pieces;
        hopeless
    }

    fn zstd(&mut self, block: &[u8], level: u8, room: usize) -> Option<usize> {
        if self.zstd.as_ref().is_none_or(|(current, _)| *current != level) {
            self.zstd = Some((level, zstd::bulk::Compressor::new(level.into()).ok()?));
        }
        let (_, context) = self.zstd.as_mut()?;
        context.compress_to_buffer(block, self.output.get_mut(..room)?).ok()
    }

    fn zlib(&mut self, block: &[u8], level: u8, room: usize) -> Option<usize> {
        let fresh = || (level, Compress::new(Compression::new(level.into()), true));
        let (current, context) = self.zlib.get_or_insert_with(fresh);
        if *current == level {
            context.reset();
        } else {
            (*current, *context) = fresh();
        }
        let status = context.compress(block, &mut self.output, FlushCompress::Finish).ok()?;
        if status != Status::StreamEnd {
            self.zlib = None;
            return None;
        }
        usize::try_from(context.total_out()).ok().filter(|len| *len <= room)
    }

    /// Fills `into` from its stored form; anything but exactly that length is damage.
    ///
    /// # Errors
    /// [`Damage::Codec`] for an unknown id, [`Damage::Compression`] otherwise.
    pub fn decompress(&mut self, stored: &[u8], codec: CodecId, into: &mut [u8]) -> Result<(), Damage> {
        let len = match codec {
            CodecId::ZSTD => {
                if self.unzstd.is_none() {
                    self.unzstd = zstd::bulk::Decompressor::new().ok();
                }
                self.unzstd.as_mut().and_then(|context| context.decompress_to_buffer(stored, into).ok())
            }
            CodecId::ZLIB => {
                let context = self.unzlib.get_or_insert_with(|| Decompress::new(true));
                context.reset(true);
                let status = context.decompress(stored, into, FlushDecompress::Finish);
                let done = matches!(status, Ok(Status::StreamEnd));
                done.then(|| usize::try_from(context.total_out()).ok()).flatten()
            }
            CodecId::LZO => lzo::decompress_into(stored, into).ok(),
            CodecId(unknown) => return Err(Damage::Codec(unknown)),
        };
        if len == Some(into.len()) { Ok(()) } else { Err(Damage::Compression) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(len: usize) -> Vec<u8> {
        let mut state = 0x9e37_79b9_u32;
        let next = |_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_be_bytes()[0]
        };
        (0..len).map(next).collect()
    }

    #[test]
    fn both_ways() {
        let text = b"a virtual tape is a tape all the same; ".repeat(500);
        let mut codecs = Codecs::default();
        for codec in [Codec::zlib(1), Codec::zlib(6), Codec::zstd(1), Codec::zstd(3)] {
            let (front, back) = text.split_at(777);
            let stored = codecs.compress(&[IoSlice::new(front), IoSlice::new(back)], codec).unwrap().to_vec();
            assert!(stored.len() < text.len() / 10);
            let mut again = vec![0; text.len()];
            codecs.decompress(&stored, codec.id, &mut again).unwrap();
            assert_eq!(again, text);
            let mut short = vec![0; text.len() - 1];
            assert_eq!(codecs.decompress(&stored, codec.id, &mut short), Err(Damage::Compression));
            assert_eq!(codecs.decompress(&stored[1..], codec.id, &mut again), Err(Damage::Compression));
        }
    }

    #[test]
    fn what_does_not_shrink_is_left_alone() {
        let mut codecs = Codecs::default();
        for codec in [Codec::zlib(1), Codec::zstd(1)] {
            for len in [1, 7, 100_000] {
                assert!(codecs.compress(&[IoSlice::new(&noise(len))], codec).is_none());
            }
        }
        assert_eq!(codecs.decompress(b"x", CodecId(9), &mut [0]), Err(Damage::Codec(9)));
    }

    #[test]
    fn what_is_stored_depends_on_the_block_alone() {
        let mut codecs = Codecs::default();
        assert!(codecs.compress(&[IoSlice::new(&noise(100_000))], Codec::zlib(1)).is_none());
        assert!(codecs.compress(&[IoSlice::new(&vec![7; 100_000])], Codec::zlib(1)).is_some());
    }
}
