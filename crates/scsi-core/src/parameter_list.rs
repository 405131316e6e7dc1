//! Parameter lists, and the rules for their lengths that all commands follow.
//!
//! - PARAMETER LIST LENGTH 0 transfers no data and is not an error, unless the command requires a list (SPC-4
//!   §4.2.5.5).
//! - A structure that the list truncates is ILLEGAL REQUEST 1Ah/00h, and no part of the list has an effect.
//! - A field that only repeats PARAMETER LIST LENGTH is ignored, as the standard and the drives' manuals require: MODE
//!   DATA LENGTH is reserved in MODE SELECT (SPC-4 §7.5.5), PARAMETER DATA LENGTH is ignored in WRITE ATTRIBUTE (SPC-4
//!   §6.48). Some hosts set it to zero, some include the header in it.
//! - Any other length in a list is checked: ILLEGAL REQUEST 26h/00h with a pointer to it.

use crate::asc::Asc;
use crate::field::FieldPointer;
use crate::sense::Sense;

/// ILLEGAL REQUEST 1Ah/00h: the list is too short, or the command requires another length.
#[must_use]
pub const fn length_error() -> Sense {
    Sense::illegal_request(Asc::PARAMETER_LIST_LENGTH_ERROR)
}

/// Reads a parameter list from its beginning.
#[derive(Clone, Copy, Debug)]
pub struct ParameterListReader<'a> {
    rest: &'a [u8],
    offset: usize,
}

impl<'a> ParameterListReader<'a> {
    /// A reader at the first byte of a parameter list.
    #[must_use]
    pub const fn new(list: &'a [u8]) -> Self {
        Self { rest: list, offset: 0 }
    }

    /// Returns whether the whole list was read.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Reads the next `len` bytes.
    ///
    /// # Errors
    /// ILLEGAL REQUEST 1Ah/00h if the list has fewer.
    pub fn take(&mut self, len: usize) -> Result<&'a [u8], Sense> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or_else(length_error)?;
        self.rest = rest;
        self.offset += len;
        Ok(taken)
    }

    /// Reads the next `N` bytes, as an array.
    ///
    /// # Errors
    /// As [`Self::take`].
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Sense> {
        let (taken, rest) = self.rest.split_first_chunk::<N>().ok_or_else(length_error)?;
        self.rest = rest;
        self.offset += N;
        Ok(*taken)
    }

    /// Number of bytes of the list that were read.
    #[must_use]
    pub const fn offset(&self) -> usize {
        self.offset
    }

    /// ILLEGAL REQUEST 26h/00h with a pointer to the byte that is `ahead` bytes after the next one to read.
    #[must_use]
    pub fn invalid_field(&self, ahead: usize) -> Sense {
        FieldPointer::byte(self.offset + ahead).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn truncated_structure_is_a_length_error() {
        let mut list = ParameterListReader::new(&[1, 2, 3, 4, 5]);
        assert_eq!(list.array::<2>(), Ok([1, 2]));
        assert_eq!(list.invalid_field(1), Sense::invalid_field_in_list(3, None));
        assert_eq!(list.take(2), Ok(&[3, 4][..]));
        assert_eq!(list.array::<2>(), Err(Sense::illegal_request(Asc(0x1a00))));
        assert_eq!(list.take(2), Err(Sense::illegal_request(Asc(0x1a00))));
        assert!(!list.is_empty());
        assert_eq!(list.take(1), Ok(&[5][..]));
        assert!(list.is_empty());
    }
}
