//! Segments: immutable objects with the bytes of files.
//!
//! Bytes: header of 16 (magic of 8, version, cipher, 2 of zero, chunk length) · chunks (length of 4, bytes, CRC-32C) · footer of 52
//! (BLAKE3, length of the content, CRC-32C of both, magic of 8). Numbers are little-endian. Each chunk but the last has the chunk
//! length, so that a range of the content is read and checked without the rest. The CRC of a chunk is that of the name of the
//! segment, the number of the chunk (8 bytes), its length and its bytes; BLAKE3 is that of the name and of all before the footer:
//! another intact segment in its place is damage.

use crate::error::ShelfError;
use bytes::Bytes;
use crc_fast::{CrcAlgorithm, Digest, checksum};
use std::ops::Range;

/// Length of the content at which a segment is closed, in bytes.
pub const SEGMENT_LEN: usize = 64 << 20;
/// Length of the content of a chunk in bytes.
pub const CHUNK_LEN: usize = 256 << 10;

const HEADER_LEN: u64 = 16;
const FOOTER_LEN: usize = 52;
const CRC_LEN: usize = 4;
/// Bytes of a chunk that are not content: its length and its CRC.
const CHUNK_OVERHEAD: usize = 8;
const MAGIC: [u8; 8] = *b"FERRICSG";
const VERSION: u8 = 1;
/// Number of the cipher of a segment in clear.
const NO_CIPHER: u8 = 0;

fn crc(bytes: &[u8]) -> [u8; CRC_LEN] {
    // The checksum has 32 bits.
    u32::try_from(checksum(CrcAlgorithm::Crc32Iscsi, bytes)).unwrap_or_default().to_le_bytes()
}

/// CRC of a chunk with its length, which is number `number` of the segment.
fn chunk_crc(name: &str, number: u64, chunk: &[u8]) -> [u8; CRC_LEN] {
    let mut digest = Digest::new(CrcAlgorithm::Crc32Iscsi);
    digest.update(name.as_bytes());
    digest.update(&number.to_le_bytes());
    digest.update(chunk);
    // The checksum has 32 bits.
    u32::try_from(digest.finalize()).unwrap_or_default().to_le_bytes()
}

fn hash_of(name: &str, body: &[u8]) -> blake3::Hash {
    blake3::Hasher::new().update(name.as_bytes()).update(body).finalize()
}

/// The object of the segment with this name and content.
#[must_use]
pub fn encode(name: &str, content: &[u8]) -> Bytes {
    let chunks = content.len().div_ceil(CHUNK_LEN);
    let mut object = Vec::with_capacity(content.len() + chunks * CHUNK_OVERHEAD + 16 + FOOTER_LEN);
    object.extend_from_slice(&MAGIC);
    object.extend_from_slice(&[VERSION, NO_CIPHER, 0, 0]);
    object.extend_from_slice(&u32::try_from(CHUNK_LEN).unwrap_or_default().to_le_bytes());
    for (number, chunk) in (0..).zip(content.chunks(CHUNK_LEN)) {
        let start = object.len();
        object.extend_from_slice(&u32::try_from(chunk.len()).unwrap_or_default().to_le_bytes());
        object.extend_from_slice(chunk);
        let sum = chunk_crc(name, number, object.get(start..).unwrap_or_default());
        object.extend_from_slice(&sum);
    }
    let hash = hash_of(name, &object);
    let footer = object.len();
    object.extend_from_slice(hash.as_bytes());
    object.extend_from_slice(&u64::try_from(content.len()).unwrap_or_default().to_le_bytes());
    let footer_crc = crc(object.get(footer..).unwrap_or_default());
    object.extend_from_slice(&footer_crc);
    object.extend_from_slice(&MAGIC);
    object.into()
}

/// The content of a whole segment, whose every byte is checked. `key` is the name of its object, for errors.
///
/// # Errors
/// [`ShelfError::Malformed`] if the object differs from what was written.
pub fn decode(key: &str, name: &str, object: &[u8]) -> Result<Vec<u8>, ShelfError> {
    let malformed = |problem: &str| ShelfError::malformed(key, problem);
    let body = object.len().checked_sub(FOOTER_LEN).ok_or_else(|| malformed("it is shorter than a segment"))?;
    let (body, footer) = object.split_at(body);
    let (sums, rest) = footer.split_at(40);
    let (hash, len) = sums.split_at(32);
    if rest.get(..CRC_LEN) != Some(&crc(sums)) || rest.get(CRC_LEN..) != Some(&MAGIC) {
        return Err(malformed("its end is damaged or missing"));
    }
    let chunk_len = u32::try_from(CHUNK_LEN).unwrap_or_default().to_le_bytes();
    let header = [&MAGIC[..], &[VERSION, NO_CIPHER, 0, 0], &chunk_len].concat();
    let Some(chunks) = body.strip_prefix(header.as_slice()) else {
        return Err(malformed("its version or its cipher is not supported"));
    };
    if hash_of(name, body).as_bytes() != hash {
        return Err(malformed("its BLAKE3 hash differs"));
    }
    let content = checked_chunks(key, name, 0, chunks, usize::MAX)?;
    if u64::try_from(content.len()).unwrap_or_default().to_le_bytes() != len {
        return Err(malformed("its length differs"));
    }
    Ok(content)
}

/// The range of an object that has a range of the content, in whole chunks; and the offset in the content of the first chunk.
/// The end may be after that of the last chunk, and after that of the object.
pub(crate) fn object_range(content: &Range<u64>) -> (Range<u64>, u64) {
    let (chunk, stored) = (CHUNK_LEN as u64, (CHUNK_LEN + CHUNK_OVERHEAD) as u64);
    let (first, last) = (content.start / chunk, content.end.div_ceil(chunk));
    (HEADER_LEN + first * stored..HEADER_LEN + last * stored, first * chunk)
}

/// The content of the chunks in these bytes, until it has at least `wanted` bytes. `first` is the number of the first chunk.
fn checked_chunks(key: &str, name: &str, first: u64, mut bytes: &[u8], wanted: usize) -> Result<Vec<u8>, ShelfError> {
    let mut content = Vec::with_capacity(bytes.len());
    let mut number = first;
    while !bytes.is_empty() && content.len() < wanted {
        let damaged = || ShelfError::malformed(key, format!("chunk {number} is damaged"));
        let len = bytes.first_chunk().map(|len| u32::from_le_bytes(*len) as usize).ok_or_else(damaged)?;
        let stored = len.checked_add(CHUNK_OVERHEAD).filter(|stored| *stored <= CHUNK_LEN + CHUNK_OVERHEAD);
        let (chunk, rest) = stored.and_then(|stored| bytes.split_at_checked(stored)).ok_or_else(damaged)?;
        let (chunk, sum) = chunk.split_at(chunk.len() - CRC_LEN);
        if sum != chunk_crc(name, number, chunk) {
            return Err(damaged());
        }
        content.extend_from_slice(chunk.get(4..).unwrap_or_default());
        (bytes, number) = (rest, number + 1);
    }
    Ok(content)
}

/// A range of the content, from the bytes of the object at [`object_range`].
pub(crate) fn decode_range(key: &str, name: &str, range: &Range<u64>, object: &[u8]) -> Result<Vec<u8>, ShelfError> {
    let (_, start) = object_range(range);
    let short = || ShelfError::malformed(key, "it is shorter than its manifest says");
    let from = usize::try_from(range.start - start).map_err(|_| short())?;
    let to = usize::try_from(range.end - start).map_err(|_| short())?;
    let content = checked_chunks(key, name, start / CHUNK_LEN as u64, object, to)?;
    content.get(from..to).map(<[u8]>::to_vec).ok_or_else(short)
}

#[cfg(test)]
#[allow(clippy::cast_possible_truncation, reason = "test data")]
mod tests {
    use super::*;

    fn content(len: usize) -> Vec<u8> {
        (0..len).map(|at| (at * 7 + at / 251) as u8).collect()
    }

    #[test]
    fn a_small_segment_has_these_bytes() {
        let object = encode("0000001-000001-ab", b"abc");
        assert_eq!(&object[..16], b"FERRICSG\x01\0\0\0\0\0\x04\0");
        // CRC-32C of the name, eight bytes of zero and 03 00 00 00 61 62 63.
        assert_eq!(&object[16..27], b"\x03\0\0\0abc\xfa\xd5\xc4\x48");
        assert_eq!(object.len(), 27 + FOOTER_LEN);
        assert_eq!(&object[59..67], &[3, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(&object[71..], b"FERRICSG");
    }

    #[test]
    fn every_range_is_read_without_the_rest() {
        for len in [1, CHUNK_LEN - 1, CHUNK_LEN, CHUNK_LEN + 1, 3 * CHUNK_LEN + 5] {
            let (content, object) = (content(len), encode("n", &content(len)));
            assert_eq!(decode("s", "n", &object).unwrap(), content);
            let edges = [0, 1, CHUNK_LEN - 1, CHUNK_LEN, CHUNK_LEN + 1, 2 * CHUNK_LEN, len - 1, len];
            for (from, to) in edges.iter().flat_map(|from| edges.map(|to| (*from, to))) {
                if from < to && to <= len {
                    let range = from as u64..to as u64;
                    let stored = object_range(&range).0;
                    let end = object.len().min(stored.end as usize);
                    let bytes = &object[stored.start as usize..end];
                    assert_eq!(
                        decode_range("s", "n", &range, bytes).unwrap(),
                        content[from..to],
                        "{from} to {to} of {len}"
                    );
                }
            }
            assert!(decode_range("s", "n", &(0..len as u64 + 1), &object[16..]).is_err());
            assert!(decode_range("s", "other", &(0..1), &object[16..]).is_err());
            assert!(decode("s", "other", &object).is_err());
        }
    }

    #[test]
    fn each_changed_bit_and_each_cut_is_found() {
        let object = encode("n", &content(40));
        for at in 0..object.len() {
            let mut damaged = object.to_vec();
            damaged[at] ^= 0x10;
            assert!(decode("s", "n", &damaged).is_err(), "byte {at}");
            assert!(decode("s", "n", &object[..at]).is_err(), "{at} bytes");
            if (16..64).contains(&at) {
                let error = decode_range("ab/X/seg/1", "n", &(3..5), &damaged[16..]).unwrap_err().to_string();
                assert_eq!(error, "ab/X/seg/1 is damaged: chunk 0 is damaged");
            }
        }
    }
}
