//! CRC-32C, of a block as it was given and of an index record.

use crc_fast::{CrcAlgorithm, Digest};
use std::ops::Deref;

/// CRC-32C (Castagnoli) of one run of bytes.
#[must_use]
pub fn crc32c(bytes: &[u8]) -> u32 {
    low(crc_fast::checksum(CrcAlgorithm::Crc32Iscsi, bytes))
}

/// CRC-32C over slices, as if they were one.
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
