//! Logical block protection: four bytes after each block, a CRC over its data (SSC-4 §8.3.9).

use scsi_core::nexus::NexusId;
use std::collections::BTreeMap;
use std::ops::Deref;
use tape_store::integrity::crc32c_slices;

/// Length of the protection information in bytes.
pub(crate) const LEN: usize = 4;

/// LOGICAL BLOCK PROTECTION METHOD of mode page 0Ah/F0h: the CRC that protects a block (SSC-4 §8.3.9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProtectionMethod {
    /// Method 01h: the Reed-Solomon CRC of ECMA-319.
    ReedSolomon,
    /// Method 02h: CRC-32C (Castagnoli), least significant byte first.
    Crc32c,
}

impl ProtectionMethod {
    /// Code in mode page 0Ah/F0h and VPD page B5h.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::ReedSolomon => 0x01,
            Self::Crc32c => 0x02,
        }
    }

    /// Computes the protection information of a block, in wire order.
    pub(crate) fn compute<S: Deref<Target = [u8]>>(self, block: &[S]) -> [u8; LEN] {
        match self {
            Self::ReedSolomon => reed_solomon(block).to_be_bytes(),
            Self::Crc32c => crc32c_slices(block).to_le_bytes(),
        }
    }
}

/// Logical block protection settings of a nexus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BlockProtection {
    pub(crate) method: ProtectionMethod,
    /// LBP_W: written blocks carry protection information.
    pub(crate) write: bool,
    /// LBP_R: read blocks carry protection information.
    pub(crate) read: bool,
}

/// Settings of each nexus that has enabled protection.
pub(crate) type NexusProtection = BTreeMap<NexusId, BlockProtection>;

/// Multiples of the generator x^4 + 38h x^3 + CFh x^2 + 38h x + 01h over GF(256), by its leading coefficient.
const TABLE: [u32; 256] = table();

const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut value = 0;
    #[expect(clippy::indexing_slicing, reason = "evaluated at compile time")]
    while value < 256 {
        let [a, b] = [multiply(value, 0x38), multiply(value, 0xcf)];
        table[value as usize] = a << 24 | b << 16 | a << 8 | value;
        value += 1;
    }
    table
}

/// A product in GF(256) of the field polynomial x^8 + x^4 + x^3 + x^2 + 1.
const fn multiply(mut a: u32, mut b: u32) -> u32 {
    let mut product = 0;
    while b != 0 {
        if b & 1 != 0 {
            product ^= a;
        }
        a <<= 1;
        if a & 0x100 != 0 {
            a ^= 0x11d;
        }
        b >>= 1;
    }
    product
}

fn reed_solomon<S: Deref<Target = [u8]>>(slices: &[S]) -> u32 {
    let bytes = slices.iter().flat_map(|slice| slice.iter());
    bytes.fold(0, |register: u32, byte| {
        let [high, ..] = register.to_be_bytes();
        let multiple = TABLE.get(usize::from(byte ^ high)).copied().unwrap_or_default();
        (register << 8) ^ multiple
    })
}

#[cfg(test)]
mod tests {
    use super::ProtectionMethod;

    /// Check values of ECMA-319 annex D and RFC 3720.
    #[test]
    fn check_values() {
        let all: Vec<u8> = (0..=255).collect();
        let of = |method: ProtectionMethod, block: &[u8]| method.compute(&[block]);
        assert_eq!(of(ProtectionMethod::ReedSolomon, b"123456789"), [0x4b, 0x4f, 0x67, 0x3a]);
        assert_eq!(of(ProtectionMethod::ReedSolomon, &all), [0x81, 0x79, 0xa6, 0x80]);
        assert_eq!(of(ProtectionMethod::ReedSolomon, &[0; 32]), [0; 4]);
        assert_eq!(of(ProtectionMethod::Crc32c, b"123456789"), [0x83, 0x92, 0x06, 0xe3]);
        assert_eq!(of(ProtectionMethod::Crc32c, &all), [0x4b, 0x18, 0x44, 0x9c]);
        assert_eq!(of(ProtectionMethod::Crc32c, &[0; 32]), [0xaa, 0x36, 0x91, 0x8a]);
        assert_eq!(
            ProtectionMethod::ReedSolomon.compute(&[&b"1234"[..], b"56789"]),
            of(ProtectionMethod::ReedSolomon, b"123456789")
        );
    }
}
