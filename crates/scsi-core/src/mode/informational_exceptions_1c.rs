//! Informational exceptions control mode page, 1Ch (SPC-5 §7.5.13; for TapeAlert, SSC-5 §8.3.6).

use super::{ModePageDef, PageId};
use crate::asc::Asc;
use crate::field::FieldPointer;
use crate::sense::{Sense, SenseKey};

/// Identifier of the page.
pub const ID: PageId = PageId::page(0x1c);

/// DEXCPT set: exceptions are polled as TapeAlert flags, as LTO drives and libraries ship.
const DEFAULT: &[u8] = &[0x1c, 0x0a, 0x08, 0x04, 0, 0, 0, 0, 0, 0, 0, 0];

/// A page of which nothing may be changed.
pub const PAGE: ModePageDef = ModePageDef::new(ID, DEFAULT, &[0x1c, 0x0a, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);

/// DEXCPT, TEST, MRIE and TEST FLAG NUMBER may be changed.
pub const TAPE_ALERT_PAGE: ModePageDef =
    ModePageDef::new(ID, DEFAULT, &[0x1c, 0x0a, DEXCPT | TEST, 0x0f, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]);

const DEXCPT: u8 = 0x08;
/// Byte 2: make an exception to try the method.
pub const TEST: u8 = 0x04;

/// METHOD OF REPORTING INFORMATIONAL EXCEPTIONS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReportingMethod {
    /// 0h, or DEXCPT: not at all.
    #[default]
    None,
    /// 2h: as a unit attention.
    Attention,
    /// 4h (and 3h, since no error is ever withheld): as RECOVERED ERROR with the next command that succeeds.
    RecoveredError,
    /// 5h: as NO SENSE with the next command that succeeds.
    NoSense,
    /// 6h: only where REQUEST SENSE asks.
    OnRequest,
}

/// What a test asks of TapeAlert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExceptionTest {
    /// Only the exception, no flag.
    Exception,
    /// A flag is raised; zero stands for all.
    Raise(u8),
    /// A flag is cleared.
    Clear(u8),
}

/// All flags at once.
const ALL_FLAGS: i32 = 32767;

/// Checks what a host selects.
///
/// # Errors
/// The field at fault: TEST with DEXCPT, an MRIE that does not exist, or a flag that does not.
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

/// How exceptions are reported.
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

/// The test that the page asks for.
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

/// The code of an exception, and of one that was a test.
#[must_use]
pub const fn asc(is_test: bool) -> Asc {
    if is_test { Asc::FAILURE_PREDICTION_THRESHOLD_EXCEEDED_5DFF } else { Asc::FAILURE_PREDICTION_THRESHOLD_EXCEEDED }
}

/// The sense of an exception that a command or REQUEST SENSE reports.
#[must_use]
pub fn sense(method: ReportingMethod, is_test: bool) -> Sense {
    let key = if method == ReportingMethod::RecoveredError { SenseKey::RECOVERED_ERROR } else { SenseKey::NO_SENSE };
    Sense::new(key, asc(is_test))
}
