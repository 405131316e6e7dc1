//! Segments: immutable objects with the bytes of files.
//!
//! Bytes: header of 16 (magic of 8, version, cipher, 2 of zero, chunk length) · chunks (length of 4, bytes, CRC-32C) · footer of 52
//! (BLAKE3, length of the content, CRC-32C of both, magic of 8). Numbers are little-endian. Each chunk but the last has the chunk
//! length, so that a range of the content is read and checked without the rest. The CRC of a chunk is that of the name of the
//! segment, the number of the chunk (8 bytes), its length and its bytes; BLAKE3 is that of the name and of all before the footer:
//! another intact segment in its place is damage.
//!
//! An encrypted segment has a name that ends in `-aes` and cipher 1: each chunk is encrypted with AES-256-GCM, and its bytes end
//! with a tag of 16. The key is that of the segment, the nonce the number of the chunk. CRC and BLAKE3 are those of the encrypted
//! bytes, so that everything is checked without the key.

use crate::encryption::{DataKey, SegmentKey, TAG_LEN};
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
/// Number of the cipher of a segment in clear, and of an encrypted one.
const NO_CIPHER: u8 = 0;
const AES_256_GCM: u8 = 1;
/// End of the names of encrypted segments.
const ENCRYPTED: &str = "-aes";

/// The name of a segment: epoch, number and nonce, and whether it is encrypted.
pub(crate) fn name_of(epoch: u64, number: u64, nonce: &str, is_encrypted: bool) -> String {
    format!("{epoch:07}-{number:06}-{nonce}{}", if is_encrypted { ENCRYPTED } else { "" })
}

/// Whether the segment with this name is encrypted.
pub(crate) fn is_encrypted(name: &str) -> bool {
    name.ends_with(ENCRYPTED)
}

/// Bytes of a chunk that are not content.
fn overhead(name: &str) -> usize {
    CHUNK_OVERHEAD + if is_encrypted(name) { TAG_LEN } else { 0 }
}

fn header(name: &str) -> [u8; 16] {
    let mut header = [0; 16];
    let cipher = if is_encrypted(name) { AES_256_GCM } else { NO_CIPHER };
    let chunk_len = u32::try_from(CHUNK_LEN).unwrap_or_default().to_le_bytes();
    let bytes = MAGIC.into_iter().chain([VERSION, cipher, 0, 0]).chain(chunk_len);
    header.iter_mut().zip(bytes).for_each(|(slot, byte)| *slot = byte);
    header
}

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

/// The object of the segment with this name and content. A name of an encrypted segment needs the data key.
///
/// # Errors
/// [`ShelfError::Malformed`] if there is no key, or no protected memory for it.
pub(crate) fn encode(name: &str, content: &[u8], data_key: Option<&DataKey>) -> Result<Bytes, ShelfError> {
    let unusable = || ShelfError::malformed(name, "it cannot be encrypted");
    let key = match (is_encrypted(name), data_key) {
        (false, _) => None,
        (true, key) => Some(key.and_then(|key| key.of_segment(name)).ok_or_else(unusable)?),
    };
    let chunks = content.len().div_ceil(CHUNK_LEN);
    let mut object = Vec::with_capacity(content.len() + chunks * overhead(name) + 16 + FOOTER_LEN);
    object.extend_from_slice(&header(name));
    let mut encrypted = Vec::new();
    for (number, content) in (0..).zip(content.chunks(CHUNK_LEN)) {
        let mut chunk = content;
        if let Some(key) = &key {
            encrypted.clear();
            encrypted.extend_from_slice(content);
            key.encrypt(number, &mut encrypted).ok_or_else(unusable)?;
            chunk = &encrypted;
        }
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
    Ok(object.into())
}

/// Checks every byte of a whole segment, without its key. Returns the length of its content. `key` is the name of its object, for
/// errors.
///
/// # Errors
/// [`ShelfError::Malformed`] if the object differs from what was written.
pub(crate) fn check(key: &str, name: &str, object: &[u8]) -> Result<u64, ShelfError> {
    let malformed = |problem: &str| ShelfError::malformed(key, problem);
    let body = object.len().checked_sub(FOOTER_LEN).ok_or_else(|| malformed("it is shorter than a segment"))?;
    let (body, footer) = object.split_at(body);
    let (sums, rest) = footer.split_at(40);
    let (hash, len) = sums.split_at(32);
    if rest.get(..CRC_LEN) != Some(&crc(sums)) || rest.get(CRC_LEN..) != Some(&MAGIC) {
        return Err(malformed("its end is damaged or missing"));
    }
    let Some(chunks) = body.strip_prefix(header(name).as_slice()) else {
        return Err(malformed("its version or its cipher is not supported"));
    };
    if hash_of(name, body).as_bytes() != hash {
        return Err(malformed("its BLAKE3 hash differs"));
    }
    let (mut content, mut number, mut rest) = (0_u64, 0, chunks);
    while !rest.is_empty() {
        let chunk;
        (chunk, rest) = next_chunk(key, name, number, rest)?;
        content += (chunk.len() + CHUNK_OVERHEAD).saturating_sub(overhead(name)) as u64;
        number += 1;
    }
    if content.to_le_bytes() != len {
        return Err(malformed("its length differs"));
    }
    Ok(content)
}

/// The range of an object that has a range of the content, in whole chunks; and the offset in the content of the first chunk.
/// The end may be after that of the last chunk, and after that of the object.
pub(crate) fn object_range(name: &str, content: &Range<u64>) -> (Range<u64>, u64) {
    let (chunk, stored) = (CHUNK_LEN as u64, (CHUNK_LEN + overhead(name)) as u64);
    let (first, last) = (content.start / chunk, content.end.div_ceil(chunk));
    (HEADER_LEN + first * stored..HEADER_LEN + last * stored, first * chunk)
}

/// The chunk at the beginning of some bytes, after its checksum was compared; and the bytes after it.
fn next_chunk<'a>(key: &str, name: &str, number: u64, bytes: &'a [u8]) -> Result<(&'a [u8], &'a [u8]), ShelfError> {
    let damaged = || ShelfError::malformed(key, format!("chunk {number} is damaged"));
    let len = bytes.first_chunk().map(|len| u32::from_le_bytes(*len) as usize).ok_or_else(damaged)?;
    let stored = len.checked_add(CHUNK_OVERHEAD).filter(|stored| *stored <= CHUNK_LEN + overhead(name));
    let (chunk, rest) = stored.and_then(|stored| bytes.split_at_checked(stored)).ok_or_else(damaged)?;
    let (chunk, sum) = chunk.split_at(chunk.len() - CRC_LEN);
    if sum != chunk_crc(name, number, chunk) {
        return Err(damaged());
    }
    Ok((chunk.get(4..).unwrap_or_default(), rest))
}

/// A range of the content, from the bytes of the object at [`object_range`]. An encrypted segment needs the data key.
pub(crate) fn decode_range(
    key: &str,
    name: &str,
    range: &Range<u64>,
    object: &[u8],
    data_key: Option<&DataKey>,
) -> Result<Vec<u8>, ShelfError> {
    let (_, start) = object_range(name, range);
    let short = || ShelfError::malformed(key, "it is shorter than its manifest says");
    let wrong_key = || ShelfError::malformed(key, "it was not encrypted with the key of the cartridge");
    let from = usize::try_from(range.start - start).map_err(|_| short())?;
    let to = usize::try_from(range.end - start).map_err(|_| short())?;
    let segment_key: Option<SegmentKey> = match is_encrypted(name) {
        false => None,
        true => Some(data_key.and_then(|key| key.of_segment(name)).ok_or_else(wrong_key)?),
    };
    let mut content = Vec::with_capacity(object.len());
    let (mut number, mut rest) = (start / CHUNK_LEN as u64, object);
    while !rest.is_empty() && content.len() < to {
        let chunk;
        (chunk, rest) = next_chunk(key, name, number, rest)?;
        match &segment_key {
            None => content.extend_from_slice(chunk),
            Some(segment_key) => {
                let mut chunk = chunk.to_vec();
                content.extend_from_slice(segment_key.decrypt(number, &mut chunk).ok_or_else(wrong_key)?);
            }
        }
        number += 1;
    }
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
        let object = encode("0000001-000001-ab", b"abc", None).unwrap();
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
            let (content, object) = (content(len), encode("n", &content(len), None).unwrap());
            assert_eq!(check("s", "n", &object).unwrap(), len as u64);
            let edges = [0, 1, CHUNK_LEN - 1, CHUNK_LEN, CHUNK_LEN + 1, 2 * CHUNK_LEN, len - 1, len];
            for (from, to) in edges.iter().flat_map(|from| edges.map(|to| (*from, to))) {
                if from < to && to <= len {
                    let range = from as u64..to as u64;
                    let stored = object_range("n", &range).0;
                    let end = object.len().min(stored.end as usize);
                    let bytes = &object[stored.start as usize..end];
                    assert_eq!(
                        decode_range("s", "n", &range, bytes, None).unwrap(),
                        content[from..to],
                        "{from} to {to} of {len}"
                    );
                }
            }
            assert!(decode_range("s", "n", &(0..len as u64 + 1), &object[16..], None).is_err());
            assert!(decode_range("s", "other", &(0..1), &object[16..], None).is_err());
            assert!(check("s", "other", &object).is_err());
        }
    }

    #[test]
    fn an_encrypted_segment_is_checked_without_its_key_and_read_with_it_only() {
        let name = name_of(1, 1, "ab", true);
        let (key, other) = (DataKey::new(&[1; 32]).unwrap(), DataKey::new(&[2; 32]).unwrap());
        let content = content(2 * CHUNK_LEN + 100);
        let object = encode(&name, &content, Some(&key)).unwrap();
        assert_eq!(object[9], AES_256_GCM);
        assert_eq!(check("s", &name, &object).unwrap(), content.len() as u64);
        assert!(object.windows(32).all(|window| window != &content[1000..1032]), "the content is in clear");
        for range in [
            0..1,
            0..content.len() as u64,
            CHUNK_LEN as u64 - 1..CHUNK_LEN as u64 + 1,
            2 * CHUNK_LEN as u64..2 * CHUNK_LEN as u64 + 100,
        ] {
            let stored = object_range(&name, &range).0;
            let bytes = &object[stored.start as usize..object.len().min(stored.end as usize)];
            let read = |key: Option<&DataKey>| decode_range("s", &name, &range, bytes, key);
            assert_eq!(read(Some(&key)).unwrap(), content[range.start as usize..range.end as usize]);
            for wrong in [None, Some(&other)] {
                let error = read(wrong).unwrap_err().to_string();
                assert_eq!(error, "s is damaged: it was not encrypted with the key of the cartridge");
            }
        }
        assert!(encode(&name, &content, None).is_err());
        // Two segments with the same content have nothing in common.
        let second = encode(&name_of(1, 2, "cd", true), &content, Some(&key)).unwrap();
        assert_ne!(object[20..1000], second[20..1000]);
    }

    #[test]
    fn each_changed_bit_and_each_cut_is_found() {
        let object = encode("n", &content(40), None).unwrap();
        for at in 0..object.len() {
            let mut damaged = object.to_vec();
            damaged[at] ^= 0x10;
            assert!(check("s", "n", &damaged).is_err(), "byte {at}");
            assert!(check("s", "n", &object[..at]).is_err(), "{at} bytes");
            if (16..64).contains(&at) {
                let error = decode_range("ab/X/seg/1", "n", &(3..5), &damaged[16..], None).unwrap_err().to_string();
                assert_eq!(error, "ab/X/seg/1 is damaged: chunk 0 is damaged");
            }
        }
    }
}
