//! CRC-32C checksums of blocks, index records and files.

use crc_fast::{CrcAlgorithm, Digest};
use std::ops::Deref;

/// CRC-32C (Castagnoli) of a contiguous run of bytes.
#[must_use]
pub fn crc32c(bytes: &[u8]) -> u32 {
    low(crc_fast::checksum(CrcAlgorithm::Crc32Iscsi, bytes))
}

/// CRC-32C of the concatenation of the slices.
#[must_use]
pub fn crc32c_slices<S: Deref<Target = [u8]>>(slices: &[S]) -> u32 {
    match slices {
        [one] => crc32c(one),
        many => {
            let mut digest = Digest::new(CrcAlgorithm::Crc32Iscsi);
            many.iter().for_each(|slice| digest.update(slice));
            low(digest.finalize())
        }
    }
}

fn low(crc: u64) -> u32 {
    u32::try_from(crc & 0xffff_ffff).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_value() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(crc32c_slices(&[&b"1234"[..], b"", b"56789"]), 0xe306_9283);
        assert_eq!(crc32c(b""), 0);
    }
}
