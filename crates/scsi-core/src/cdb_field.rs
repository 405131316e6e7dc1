//! The fields of a CDB by name, for traces and logs. A handler has a typed layout of the CDB instead.

use std::fmt;

/// A field of a CDB: its name in the standard, its place and its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CdbField {
    /// The name of the field in the standard.
    pub name: &'static str,
    /// The byte of the CDB that contains the most significant bit.
    byte: usize,
    /// The most significant bit in this byte, 7 to 0.
    high_bit: u8,
    /// Width of the field in bits, 1 to 64.
    width: u8,
    /// The field is a number in two's complement.
    signed: bool,
}

/// A field of one bit.
#[must_use]
pub const fn bit(name: &'static str, byte: usize, at: u8) -> CdbField {
    bits(name, byte, at, 1)
}

/// A field of `width` bits, at most 8, in one byte, from bit `high_bit` downwards.
#[must_use]
pub const fn bits(name: &'static str, byte: usize, high_bit: u8, width: u8) -> CdbField {
    CdbField { name, byte, high_bit, width, signed: false }
}

/// A big-endian number of `count` bytes, 1 to 8.
#[must_use]
pub const fn number(name: &'static str, byte: usize, count: u8) -> CdbField {
    CdbField { name, byte, high_bit: 7, width: count * 8, signed: false }
}

/// A big-endian number of `count` bytes in two's complement.
#[must_use]
pub const fn signed(name: &'static str, byte: usize, count: u8) -> CdbField {
    CdbField { signed: true, ..number(name, byte, count) }
}

/// The value of a field of a CDB, as a number with or without a sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldValue {
    /// A number that has no sign.
    Unsigned(u64),
    /// A number in two's complement.
    Signed(i64),
}

impl fmt::Display for FieldValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsigned(value) => value.fmt(f),
            Self::Signed(value) => value.fmt(f),
        }
    }
}

impl FieldValue {
    /// Whether the value is zero, as in fields that a command does not use.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        matches!(self, Self::Unsigned(0) | Self::Signed(0))
    }
}

impl CdbField {
    /// The value of the field in a CDB; bytes beyond its end are zero.
    #[must_use]
    pub fn value(&self, cdb: &[u8]) -> FieldValue {
        let end = 7 - self.high_bit + self.width;
        let bytes = (self.byte..).take(usize::from(end.div_ceil(8))).map(|at| cdb.get(at).copied().unwrap_or_default());
        let all = bytes.fold(0_u64, |value, byte| (value << 8) | u64::from(byte));
        let below = end.next_multiple_of(8) - end;
        let unused = 64 - self.width;
        let value = (all >> below) << unused;
        if self.signed {
            FieldValue::Signed(value.cast_signed() >> unused)
        } else {
            FieldValue::Unsigned(value >> unused)
        }
    }

    /// The bits of byte `byte` of the CDB that belong to the field.
    fn mask(&self, byte: usize) -> u8 {
        let mut mask = [0; 16];
        let first = self.byte * 8 + usize::from(7 - self.high_bit);
        for at in (first..).take(usize::from(self.width)) {
            if let Some(slot) = mask.get_mut(at / 8) {
                *slot |= 0x80 >> (at % 8);
            }
        }
        mask.get(byte).copied().unwrap_or_default()
    }
}

/// The bits of byte `byte` of a CDB that belong to any of `fields`, for tests of command tables.
pub(crate) fn covered_bits(fields: &[CdbField], byte: usize) -> u8 {
    fields.iter().fold(0, |mask, field| mask | field.mask(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_bits_bytes_and_numbers_with_sign() {
        let cdb = [0x11, 0x03, 0xff, 0xff, 0xfe, 0x00];
        assert_eq!(bits("CODE", 1, 3, 4).value(&cdb), FieldValue::Unsigned(3));
        assert_eq!(bit("FIXED", 1, 0).value(&cdb), FieldValue::Unsigned(1));
        assert_eq!(bit("X", 1, 2).value(&cdb), FieldValue::Unsigned(0));
        assert_eq!(number("LENGTH", 2, 3).value(&cdb), FieldValue::Unsigned(0x00ff_fffe));
        assert_eq!(signed("COUNT", 2, 3).value(&cdb), FieldValue::Signed(-2));
        assert_eq!(bits("PC", 2, 7, 2).value(&cdb), FieldValue::Unsigned(3));
        assert_eq!(bits("PAGE", 4, 5, 6).value(&cdb), FieldValue::Unsigned(0x3e));
        let locate = [0x92, 0, 0, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xf0, 0, 0, 0, 0];
        assert_eq!(number("ID", 4, 8).value(&locate), FieldValue::Unsigned(0xffff_ffff_ffff_fff0));
        assert_eq!(signed("COUNT", 4, 8).value(&locate), FieldValue::Signed(-16));
        // A CDB that ends early.
        assert_eq!(number("ID", 4, 8).value(&[0x92, 0, 0, 0, 1]), FieldValue::Unsigned(1 << 56));
    }
}
