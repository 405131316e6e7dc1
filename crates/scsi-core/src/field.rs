//! Fields of CDBs and parameter lists at fault, and the one check for reserved bits of both.
//!
//! A usage mask has ones where a bit is defined. CDBs have theirs in [`crate::spec::CommandSpec`]; a parameter list has one
//! next to its layout. A field that is ignored (MODE DATA LENGTH in MODE SELECT, obsolete bytes) has ones as well.

use crate::sense::Sense;

/// A field of a parameter list at fault, counted from the beginning of its page or descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldPointer {
    /// Its first byte.
    pub byte: usize,
    /// Its most significant bit, where it is smaller than a byte (BPV and BIT POINTER, SPC-5 §4.4.2.4.2).
    pub bit: Option<u8>,
}

impl FieldPointer {
    /// A field of one byte or more.
    #[must_use]
    pub const fn byte(byte: usize) -> Self {
        Self { byte, bit: None }
    }

    /// A field of these bits in one byte.
    #[must_use]
    pub fn bits(byte: usize, mask: u8) -> Self {
        Self { byte, bit: mask.checked_ilog2().and_then(|bit| u8::try_from(bit).ok()) }
    }

    /// The same field, counted from `offset` bytes earlier.
    #[must_use]
    pub const fn offset_by(self, offset: usize) -> Self {
        Self { byte: offset.saturating_add(self.byte), bit: self.bit }
    }

    /// FIELD POINTER.
    pub(crate) fn pointer(self) -> u16 {
        u16::try_from(self.byte).unwrap_or(u16::MAX)
    }
}

impl From<FieldPointer> for Sense {
    fn from(field: FieldPointer) -> Self {
        Self::invalid_field_in_list(field.pointer(), field.bit)
    }
}

/// The first byte with a bit that its mask does not have, and the most significant of these bits.
pub(crate) fn first_undefined(bytes: impl IntoIterator<Item = (u8, u8)>) -> Option<FieldPointer> {
    let wrong = bytes.into_iter().map(|(byte, mask)| byte & !mask);
    wrong.enumerate().find(|(_, wrong)| *wrong != 0).map(|(at, wrong)| FieldPointer::bits(at, wrong))
}

/// Refuses reserved bits of a page or descriptor that begins `offset` bytes into its parameter list.
///
/// # Errors
/// 5/26/00 pointing at the most significant reserved bit of the first byte that has one set.
pub fn check_reserved(bytes: &[u8], usage: &[u8], offset: usize) -> Result<(), Sense> {
    match first_undefined(bytes.iter().copied().zip(usage.iter().copied())) {
        Some(field) => Err(field.offset_by(offset).into()),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_bits_are_reported_by_byte_and_bit() {
        let specific = |list: &[u8]| {
            let sense = check_reserved(list, &[0xff, 0x07, 0x00], 0x34).err()?;
            Some(<[u8; 6]>::try_from(&sense.fixed().as_slice()[12..18]).unwrap())
        };
        assert_eq!(specific(&[0xff, 0x07, 0x00, 0xff]), None);
        assert_eq!(specific(&[0x00, 0x28, 0x00]), Some([0x26, 0, 0, 0x8d, 0x00, 0x35]));
        assert_eq!(specific(&[0x00, 0x00, 0x01]), Some([0x26, 0, 0, 0x88, 0x00, 0x36]));
        assert_eq!(specific(&[0x00, 0x08]), Some([0x26, 0, 0, 0x8b, 0x00, 0x35]));
    }
}
