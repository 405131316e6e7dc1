//! Header and data digests (RFC 7143 §13.1): CRC-32C, least significant byte first.

use crc_fast::{CrcAlgorithm, checksum};

/// Returns the CRC-32C of a header in the byte order of the wire.
#[must_use]
pub fn crc32c_bytes(bytes: &[u8]) -> [u8; 4] {
    u32::try_from(checksum(CrcAlgorithm::Crc32Iscsi, bytes) & 0xffff_ffff).unwrap_or_default().to_le_bytes()
}

/// Returns the CRC-32C of a data segment including the zeros that pad it to four bytes.
#[must_use]
pub fn padded_digest(data: &[u8]) -> [u8; 4] {
    let pad = data.len().next_multiple_of(4) - data.len();
    if pad == 0 {
        return crc32c_bytes(data);
    }
    let mut crc = crc_fast::Digest::new(CrcAlgorithm::Crc32Iscsi);
    crc.update(data);
    crc.update([0; 3].get(..pad).unwrap_or_default());
    u32::try_from(crc.finalize() & 0xffff_ffff).unwrap_or_default().to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7143 appendix A.4: 32 bytes of zeros.
    #[test]
    fn check_values() {
        assert_eq!(crc32c_bytes(&[0; 32]), [0xaa, 0x36, 0x91, 0x8a]);
        assert_eq!(crc32c_bytes(&[0xff; 32]), [0x43, 0xab, 0xa8, 0x62]);
        assert_eq!(padded_digest(&[1, 2, 3, 4, 5]), crc32c_bytes(&[1, 2, 3, 4, 5, 0, 0, 0]));
    }
}
