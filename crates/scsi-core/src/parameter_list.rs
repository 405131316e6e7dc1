//! Parameter lists, and what every command makes of their lengths.
//!
//! - PARAMETER LIST LENGTH 0 transfers nothing and is no error, unless a command needs a list (SPC-5 §4.2.5.5).
//! - A structure that the end of the list cuts short is 5/1A/00, and nothing of the list has any effect.
//! - A field that only repeats PARAMETER LIST LENGTH is ignored, as the standard and the drives' manuals say: MODE DATA
//!   LENGTH is reserved in MODE SELECT (SPC-5 §7.5.5), PARAMETER DATA LENGTH is ignored in WRITE ATTRIBUTE (SPC-5 §6.56).
//!   Hosts leave it zero, or count the header in it.
//! - Any other length inside a list is checked: 5/26/00 with a pointer to it.

use crate::asc::Asc;
use crate::field::FieldPointer;
use crate::sense::Sense;

/// 5/1A/00: the list is too short, or its length is not the one that the command needs.
#[must_use]
pub const fn length_error() -> Sense {
    Sense::illegal_request(Asc::PARAMETER_LIST_LENGTH_ERROR)
}

/// A parameter list, read from its front.
#[derive(Clone, Copy, Debug)]
pub struct ParameterListReader<'a> {
    rest: &'a [u8],
    offset: usize,
}

impl<'a> ParameterListReader<'a> {
    /// At the first byte of a parameter list.
    #[must_use]
    pub const fn new(list: &'a [u8]) -> Self {
        Self { rest: list, offset: 0 }
    }

    /// Whether all of the list was read.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next `len` bytes.
    ///
    /// # Errors
    /// 5/1A/00: the list ends before that.
    pub fn take(&mut self, len: usize) -> Result<&'a [u8], Sense> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or_else(length_error)?;
        self.rest = rest;
        self.offset += len;
        Ok(taken)
    }

    /// The next `N` bytes, as a structure.
    ///
    /// # Errors
    /// As [`Self::take`].
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Sense> {
        let (taken, rest) = self.rest.split_first_chunk::<N>().ok_or_else(length_error)?;
        self.rest = rest;
        self.offset += N;
        Ok(*taken)
    }

    /// Bytes of the list that were read.
    #[must_use]
    pub const fn offset(&self) -> usize {
        self.offset
    }

    /// 5/26/00 with a pointer to the byte `ahead` of the next one to be read.
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
