//! Invalid fields of CDBs and parameter lists, and the check for reserved bits of both.
//!
//! A usage mask has a one for each defined bit. The masks of CDBs are in [`crate::command_spec::CommandSpec`]; the mask
//! of a parameter list is next to its layout. Ignored fields (MODE DATA LENGTH in MODE SELECT, obsolete bytes) have
//! ones as well.

use crate::sense::Sense;

/// An invalid field of a parameter list. Its offset counts from the beginning of the page or descriptor.
///
/// It is a part of the sense data of a command ([`Sense`], which implements [`Error`](core::error::Error)), and no error by
/// itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldPointer {
    /// Offset of the first byte of the field.
    pub byte: usize,
    /// Most significant bit of the field if it is smaller than a byte (BPV and BIT POINTER, SPC-4 §4.5.2.4.2).
    pub bit: Option<u8>,
}

impl FieldPointer {
    /// A field of whole bytes that begins at `byte`.
    #[must_use]
    pub const fn byte(byte: usize) -> Self {
        Self { byte, bit: None }
    }

    /// A field of the bits of `mask` in one byte.
    #[must_use]
    pub fn bits(byte: usize, mask: u8) -> Self {
        Self { byte, bit: mask.checked_ilog2().and_then(|bit| u8::try_from(bit).ok()) }
    }

    /// The same field, with an offset that counts from `offset` bytes earlier.
    #[must_use]
    pub const fn offset_by(self, offset: usize) -> Self {
        Self { byte: offset.saturating_add(self.byte), bit: self.bit }
    }

    /// FIELD POINTER, saturated at FFFFh.
    pub(crate) fn pointer(self) -> u16 {
        u16::try_from(self.byte).unwrap_or(u16::MAX)
    }
}

impl From<FieldPointer> for Sense {
    fn from(field: FieldPointer) -> Self {
        Self::invalid_field_in_list(field.pointer(), field.bit)
    }
}

/// Takes pairs of a byte and its mask. Returns the first byte that sets bits outside its mask, and the most significant
/// of these bits.
pub(crate) fn first_undefined(bytes: impl IntoIterator<Item = (u8, u8)>) -> Option<FieldPointer> {
    let wrong = bytes.into_iter().map(|(byte, mask)| byte & !mask);
    wrong.enumerate().find(|(_, wrong)| *wrong != 0).map(|(at, wrong)| FieldPointer::bits(at, wrong))
}

/// Rejects reserved bits that are set in a page or descriptor, which begins at `offset` of its parameter list.
///
/// # Errors
/// ILLEGAL REQUEST 26h/00h, with a pointer to the first byte that sets a reserved bit and the most significant such
/// bit.
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
