//! Big-endian fields of SCSI structures, and text in fixed-width ASCII fields.

pub use zerocopy::byteorder::big_endian::{I16, U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// A 3-byte big-endian field, unsigned or two's complement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(transparent)]
pub struct U24([u8; 3]);

impl U24 {
    /// The largest unsigned value that fits.
    pub const MAX: u32 = 0x00ff_ffff;

    /// The field that holds `value`, saturated at [`Self::MAX`].
    #[must_use]
    pub const fn new(value: u32) -> Self {
        let [_, a, b, c] = (if value > Self::MAX { Self::MAX } else { value }).to_be_bytes();
        Self([a, b, c])
    }

    /// The value as an unsigned number.
    #[must_use]
    pub const fn get(self) -> u32 {
        let [a, b, c] = self.0;
        u32::from_be_bytes([0, a, b, c])
    }

    /// The value as a 24-bit two's complement number, as in SPACE(6).
    #[must_use]
    pub const fn get_signed(self) -> i32 {
        let [a, b, c] = self.0;
        i32::from_be_bytes([a, b, c, 0]) >> 8
    }
}

/// An ASCII field of `N` bytes, such as T10 VENDOR IDENTIFICATION: left-aligned, space-padded or truncated. Bytes
/// outside 20h to 7Eh become spaces.
#[must_use]
pub fn padded_ascii<const N: usize>(text: &str) -> [u8; N] {
    let mut field = [b' '; N];
    for (slot, byte) in field.iter_mut().zip(text.bytes()) {
        *slot = if (0x20..0x7f).contains(&byte) { byte } else { b' ' };
    }
    field
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_byte_numbers() {
        assert_eq!(U24::new(0x0012_3456).0, [0x12, 0x34, 0x56]);
        assert_eq!(U24([0xff, 0xff, 0xfe]).get_signed(), -2);
        assert_eq!(U24([0x7f, 0xff, 0xff]).get_signed(), 8_388_607);
        assert_eq!(U24::new(0x0100_0000).get(), 0x00ff_ffff);
    }

    #[test]
    fn text_is_padded_and_cut() {
        assert_eq!(&padded_ascii::<8>("IBM"), b"IBM     ");
        assert_eq!(&padded_ascii::<4>("ULT\u{7}3580"), b"ULT ");
    }
}
