//! Informational exceptions control mode page, 1Ch (SSC-4 §8.3.6).

use super::{ModePageDef, PageId};
use crate::asc::Asc;
use crate::field::FieldPointer;
use crate::sense::{Sense, SenseKey};

/// Identifier of the informational exceptions control mode page.
pub const ID: PageId = PageId::page(0x1c);

/// DEXCPT=1: hosts poll TapeAlert flags, the default of LTO drives and libraries.
const DEFAULT: &[u8] = &[0x1c, 0x0a, 0x08, 0x04, 0, 0, 0, 0, 0, 0, 0, 0];

/// The page without changeable fields.
pub const PAGE: ModePageDef = ModePageDef::new(ID, DEFAULT, &[0x1c, 0x0a, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);

/// The page for TapeAlert: DEXCPT, TEST, MRIE and TEST FLAG NUMBER are changeable.
pub const TAPE_ALERT_PAGE: ModePageDef =
    ModePageDef::new(ID, DEFAULT, &[0x1c, 0x0a, DEXCPT | TEST, 0x0f, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]);

const DEXCPT: u8 = 0x08;
/// TEST bit of byte 2: generate a test exception.
pub const TEST: u8 = 0x04;

/// METHOD OF REPORTING INFORMATIONAL EXCEPTIONS (MRIE), four bits of mode page 1Ch (SSC-4 §8.3.6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReportingMethod {
    /// MRIE 0h, or DEXCPT=1: no report.
    #[default]
    None,
    /// MRIE 2h: UNIT ATTENTION for every I_T nexus.
    Attention,
    /// MRIE 4h (and 3h, because recovered errors are never suppressed): RECOVERED ERROR with the next command that
    /// succeeds.
    RecoveredError,
    /// MRIE 5h: NO SENSE with the next command that succeeds.
    NoSense,
    /// MRIE 6h: only in the data of REQUEST SENSE.
    OnRequest,
}

/// The effect of a test (TEST=1) on TapeAlert flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExceptionTest {
    /// Generates an exception without raising a flag.
    Exception,
    /// Raises the flag of this number, 1 to 64; 0 raises all flags.
    Raise(u8),
    /// Clears the flag of this number, 1 to 64.
    Clear(u8),
}

/// TEST FLAG NUMBER that raises all flags.
const ALL_FLAGS: i32 = 32767;

/// Checks the page of a MODE SELECT.
///
/// # Errors
/// The invalid field: TEST=1 with DEXCPT=1, an undefined MRIE, or a TEST FLAG NUMBER out of range.
pub fn check_page(page: &[u8]) -> Result<(), FieldPointer> {
    let [_, _, flags, mrie, ..] = page else { return Ok(()) };
    if flags & TEST != 0 && flags & DEXCPT != 0 {
        return Err(FieldPointer::bits(2, TEST));
    }
    if !matches!(mrie & 0x0f, 0 | 2..=6) {
        return Err(FieldPointer::bits(3, 0x0f));
    }
    let number = number(page);
    let known = flags & TEST == 0 || (-64..=64).contains(&number) || number == ALL_FLAGS;
    if known { Ok(()) } else { Err(FieldPointer::byte(8)) }
}

fn number(page: &[u8]) -> i32 {
    page.get(8..12).and_then(|bytes| bytes.first_chunk()).map_or(0, |bytes| i32::from_be_bytes(*bytes))
}

/// The reporting method that the page selects.
#[must_use]
pub fn method(page: &[u8]) -> ReportingMethod {
    let [_, _, flags, mrie, ..] = page else { return ReportingMethod::None };
    match mrie & 0x0f {
        _ if flags & DEXCPT != 0 => ReportingMethod::None,
        2 => ReportingMethod::Attention,
        3 | 4 => ReportingMethod::RecoveredError,
        5 => ReportingMethod::NoSense,
        6 => ReportingMethod::OnRequest,
        _ => ReportingMethod::None,
    }
}

/// The test that the page requests; `None` with TEST=0.
#[must_use]
pub fn test(page: &[u8]) -> Option<ExceptionTest> {
    page.get(2).filter(|flags| **flags & TEST != 0)?;
    Some(match number(page) {
        ALL_FLAGS => ExceptionTest::Raise(0),
        0 => ExceptionTest::Exception,
        number => {
            let flag = u8::try_from(number.unsigned_abs()).unwrap_or(u8::MAX);
            if number < 0 { ExceptionTest::Clear(flag) } else { ExceptionTest::Raise(flag) }
        }
    })
}

/// The additional sense code of an exception: 5Dh/00h, or 5Dh/FFh for a test.
#[must_use]
pub const fn asc(is_test: bool) -> Asc {
    if is_test { Asc::FAILURE_PREDICTION_THRESHOLD_EXCEEDED_5DFF } else { Asc::FAILURE_PREDICTION_THRESHOLD_EXCEEDED }
}

/// The sense of an exception: RECOVERED ERROR for that method, NO SENSE for the others.
#[must_use]
pub fn sense(method: ReportingMethod, is_test: bool) -> Sense {
    let key = if method == ReportingMethod::RecoveredError { SenseKey::RECOVERED_ERROR } else { SenseKey::NO_SENSE };
    Sense::new(key, asc(is_test))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A page with these flags, MRIE and TEST FLAG NUMBER.
    fn page(flags: u8, mrie: u8, number: [u8; 4]) -> Vec<u8> {
        [&[0x1c, 0x0a, flags, mrie, 0, 0, 0, 0][..], &number].concat()
    }

    /// SSC-4 §8.3.6: MRIE 1h is obsolete, 7h to Fh are reserved; TEST needs DEXCPT=0, and TEST FLAG
    /// NUMBER is -64 to 64 or 7FFFh.
    #[test]
    fn invalid_fields_are_named() {
        for mrie in 0..=15 {
            let valid = matches!(mrie, 0 | 2..=6);
            let expected = if valid { Ok(()) } else { Err(FieldPointer { byte: 3, bit: Some(3) }) };
            assert_eq!(check_page(&page(0, mrie, [0; 4])), expected, "MRIE {mrie}");
        }
        assert_eq!(check_page(&page(0x0c, 4, [0; 4])), Err(FieldPointer { byte: 2, bit: Some(2) }));
        let number = Err(FieldPointer { byte: 8, bit: None });
        for (bytes, expected) in [
            ([0, 0, 0, 0], Ok(())),
            ([0, 0, 0, 64], Ok(())),
            ([0xff, 0xff, 0xff, 0xc0], Ok(())),
            ([0, 0, 0x7f, 0xff], Ok(())),
            ([0, 0, 0, 65], number),
            ([0xff, 0xff, 0xff, 0xbf], number),
            ([0x80, 0, 0, 0], number),
        ] {
            assert_eq!(check_page(&page(0x04, 4, bytes)), expected, "{bytes:02x?}");
            // The number is ignored without TEST.
            assert_eq!(check_page(&page(0, 4, bytes)), Ok(()));
        }
    }

    #[test]
    fn method_and_test_are_decoded() {
        let methods = [(2, ReportingMethod::Attention), (3, ReportingMethod::RecoveredError)];
        let more =
            [(4, ReportingMethod::RecoveredError), (5, ReportingMethod::NoSense), (6, ReportingMethod::OnRequest)];
        for (mrie, expected) in methods.into_iter().chain(more).chain([(0, ReportingMethod::None)]) {
            assert_eq!(method(&page(0, mrie, [0; 4])), expected, "MRIE {mrie}");
            assert_eq!(method(&page(0x08, mrie, [0; 4])), ReportingMethod::None, "DEXCPT");
        }
        assert_eq!(test(&page(0, 4, [0, 0, 0, 3])), None);
        assert_eq!(test(&page(4, 4, [0; 4])), Some(ExceptionTest::Exception));
        assert_eq!(test(&page(4, 4, [0, 0, 0, 3])), Some(ExceptionTest::Raise(3)));
        assert_eq!(test(&page(4, 4, [0xff, 0xff, 0xff, 0xfd])), Some(ExceptionTest::Clear(3)));
        assert_eq!(test(&page(4, 4, [0, 0, 0x7f, 0xff])), Some(ExceptionTest::Raise(0)));
    }
}
