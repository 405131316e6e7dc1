//! Compression codecs by their stored number. A block that does not shrink is stored uncompressed; an unknown number is
//! an error.

#[cfg(not(all(feature = "zlib", feature = "zstd")))]
mod absent;
#[cfg(feature = "zlib")]
mod zlib;
#[cfg(feature = "zstd")]
mod zstd;

#[cfg(not(feature = "zlib"))]
use self::absent::Absent as Zlib;
#[cfg(not(feature = "zstd"))]
use self::absent::Absent as Zstd;
#[cfg(feature = "zlib")]
use self::zlib::Zlib;
#[cfg(feature = "zstd")]
use self::zstd::Zstd;
use crate::error::Damage;
use crate::medium::{Codec, CodecId};
use std::io::IoSlice;

/// zlib needs 2 ms for a block that does not shrink. A short block with the byte distribution of noise is not compressed;
/// of a long one, four pieces of this size are compressed first. The result depends on the block alone, not on earlier
/// blocks.
const PROBE_PIECE_LEN: usize = 4 * 1024;
/// Blocks of this length and longer are probed.
const MIN_PROBE_LEN: usize = 16 * PROBE_PIECE_LEN;
/// Number of sampled bytes per table; four tables are filled from bytes spread over the block.
const SAMPLE: usize = 1024;
/// Shorter blocks are not classified.
const MIN_NOISE_LEN: usize = 512;

/// Frees a buffer of more than `most` bytes.
pub(crate) fn trim(buffer: &mut Vec<u8>, most: usize) {
    if buffer.capacity() > most {
        *buffer = Vec::new();
    }
}

/// Codec contexts and buffers of one medium, reused for each block.
#[derive(Default)]
pub struct CodecContexts {
    zstd: Zstd,
    zlib: Zlib,
    probe_pieces: Vec<u8>,
    gathered: Vec<u8>,
    output: Vec<u8>,
}

/// Size of the output buffer for a block of this length: a deflate stream can be longer than its input.
const fn output_len(len: usize) -> usize {
    len + len / 8 + 64
}

impl CodecContexts {
    /// Bytes of buffers needed for a contiguous block of `len` bytes; with 0, the bytes allocated now.
    pub(crate) fn memory(&self, len: usize) -> usize {
        self.gathered.capacity() + self.probe_pieces.capacity() + self.output.capacity().max(output_len(len))
    }

    /// Frees buffers of more than `most` bytes.
    pub(crate) fn trim(&mut self, most: usize) {
        for buffer in [&mut self.gathered, &mut self.output] {
            trim(buffer, most);
        }
    }

    /// Compresses a block; `None` if it does not shrink and is to be stored uncompressed.
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
        let max_len = block.len().checked_sub(1)?;
        // A deflate stream is always finished: otherwise the context is reset before the next block.
        let whole = output_len(block.len());
        if self.output.len() < whole {
            self.output.reserve_exact(whole - self.output.len());
            self.output.resize(whole, 0);
        }
        match codec.id {
            CodecId::ZSTD => self.zstd.compress(block, codec.level, self.output.get_mut(..max_len)?),
            CodecId::ZLIB => {
                if self.is_incompressible(block, codec.level) {
                    None
                } else {
                    self.zlib(block, codec.level, max_len)
                }
            }
            _ => None,
        }
    }

    /// Whether a block has the byte distribution of noise and, if it is long, four pieces of it do not shrink either.
    fn is_incompressible(&mut self, block: &[u8], level: u8) -> bool {
        if !has_noise_distribution(block) {
            return false;
        }
        if block.len() < MIN_PROBE_LEN {
            return true;
        }
        let mut pieces = std::mem::take(&mut self.probe_pieces);
        pieces.clear();
        for quarter in block.chunks(block.len().div_ceil(4)) {
            pieces.extend_from_slice(quarter.get(..PROBE_PIECE_LEN).unwrap_or(quarter));
        }
        let incompressible = self.zlib(&pieces, level, pieces.len() - pieces.len() / 32).is_none();
        self.probe_pieces = pieces;
        incompressible
    }

    fn zlib(&mut self, block: &[u8], level: u8, max_len: usize) -> Option<usize> {
        self.zlib.compress(block, level, &mut self.output).filter(|len| *len <= max_len)
    }

    /// Decompresses a block into `into`, whose length is the recorded length of the block.
    ///
    /// # Errors
    /// [`Damage::Codec`] for a codec number that is unknown to this build ([`CodecId::missing_feature`]);
    /// [`Damage::Compression`] if the result is malformed, shorter or longer.
    pub fn decompress(&mut self, stored: &[u8], codec: CodecId, into: &mut [u8]) -> Result<(), Damage> {
        let len = match codec {
            CodecId(number) if codec.missing_feature().is_some() => return Err(Damage::Codec(number)),
            CodecId::ZSTD => self.zstd.decompress(stored, into),
            CodecId::ZLIB => self.zlib.decompress(stored, into),
            CodecId::LZO => lzo::decompress_into(stored, into).ok(),
            CodecId(unknown) => return Err(Damage::Codec(unknown)),
        };
        if len == Some(into.len()) { Ok(()) } else { Err(Damage::Compression) }
    }
}

/// Whether the byte values are uniformly distributed. For n random bytes, the sum of the squared frequencies of the 256
/// values is n²/256 + n, give or take n/11; repetitive or encoded text has more, a counting sequence less.
fn has_noise_distribution(block: &[u8]) -> bool {
    let mut counts = [[0_u32; 256]; 4];
    let mut looked_at = 0_u64;
    for part in block.chunks(block.len().div_ceil(4).max(1)) {
        let sample = part.get(..SAMPLE).unwrap_or(part);
        looked_at += sample.len() as u64;
        // Four tables, so that runs of equal bytes do not serialise the increments.
        for bytes in sample.chunks(4) {
            for (table, byte) in counts.iter_mut().zip(bytes) {
                if let Some(count) = table.get_mut(usize::from(*byte)) {
                    *count += 1;
                }
            }
        }
    }
    let [one, two, three, four] = &counts;
    let all = one.iter().zip(two).zip(three).zip(four).map(|(((a, b), c), d)| u64::from(a + b + c + d));
    let squares: u64 = all.map(|count| count * count).sum();
    let (expected, slack) = (looked_at * looked_at / 256 + looked_at, looked_at * 4 / 11);
    looked_at >= MIN_NOISE_LEN as u64 && squares.abs_diff(expected) <= slack
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
    fn blocks_round_trip() {
        let text = b"a virtual tape is a tape all the same; ".repeat(500);
        let mut codecs = CodecContexts::default();
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
    fn incompressible_blocks_are_stored_as_is() {
        let mut codecs = CodecContexts::default();
        for codec in [Codec::zlib(1), Codec::zstd(1)] {
            for len in [1, 7, 100_000] {
                assert!(codecs.compress(&[IoSlice::new(&noise(len))], codec).is_none());
            }
        }
        assert_eq!(codecs.decompress(b"x", CodecId(9), &mut [0]), Err(Damage::Codec(9)));
    }

    #[test]
    fn noise_detection() {
        let random = noise(100_000);
        for len in [512, 1000, 4096, 65_536, 100_000] {
            assert!(has_noise_distribution(&random[..len]), "{len}");
        }
        let counted: Vec<u8> = (0..=u8::MAX).cycle().take(4096).collect();
        let twice = [&random[..2048], &random[..2048]].concat();
        let hexadecimal: Vec<u8> = random.iter().map(|byte| b"0123456789abcdef"[usize::from(byte & 15)]).collect();
        let half = [&random[..4096], &[0; 4096]].concat();
        for (what, block) in [("counted", &counted), ("twice", &twice), ("hex", &hexadecimal), ("half", &half)] {
            assert!(!has_noise_distribution(block), "{what}");
            assert!(CodecContexts::default().compress(&[IoSlice::new(block)], Codec::zlib(1)).is_some(), "{what}");
        }
        assert!(!has_noise_distribution(&[]) && !has_noise_distribution(&random[..511]));
    }

    #[test]
    fn stored_bytes_depend_only_on_the_block() {
        let mut codecs = CodecContexts::default();
        assert!(codecs.compress(&[IoSlice::new(&noise(100_000))], Codec::zlib(1)).is_none());
        assert!(codecs.compress(&[IoSlice::new(&vec![7; 100_000])], Codec::zlib(1)).is_some());
    }
}
