//! SEND DIAGNOSTIC, SPC-5 §6.42.              Bytes: 0 opcode · 1 SELF-TEST CODE(7-5) PF(4) SELFTEST(2) DEVOFFL(1) UNITOFFL(0) · 3-4 PARAMETER LIST LENGTH · 5 control
//! RECEIVE DIAGNOSTIC RESULTS, SPC-5 §6.33.  Bytes: 0 opcode · 1 PCV(0) · 2 PAGE CODE · 3-4 ALLOCATION LENGTH · 5 control
//!
//! The default self-test and the short and extended ones, in the foreground or background, all check the same, and take
//! no time: a background test is done before the status. The last twenty are log page 10h. The one diagnostic page is 00h,
//! the list of pages.
//!
//! **Deviations:** none.

use crate::asc::Asc;
use crate::cdb::Cdb;
use crate::data::Data;
use crate::fault::{Fault, Outcome};
use crate::field::check_reserved;
use crate::log::{LIST, LogWriter};
use crate::lu::{Device, Lu};
use crate::sense::{Sense, SenseKey};
use crate::spec::{Access, CommandSpec};
use crate::writer::PageWriter;
use std::collections::VecDeque;

/// Facts of SEND DIAGNOSTIC.
pub const SEND: CommandSpec =
    CommandSpec::new("SEND DIAGNOSTIC", &[0x1d, 0xf7, 0, 0xff, 0xff, 0], Access::Write).blocks(1, 300);
/// Facts of RECEIVE DIAGNOSTIC RESULTS.
pub const RECEIVE: CommandSpec =
    CommandSpec::new("RECEIVE DIAGNOSTIC RESULTS", &[0x1c, 0x01, 0xff, 0xff, 0xff, 0], Access::Read);

/// The page that lists pages, and the list.
const SUPPORTED_PAGES: u8 = 0x00;

/// Results that are kept.
const KEPT: usize = 20;

/// SELF-TEST CODE 100b.
const ABORT: u8 = 4;

/// Self-tests, newest first.
#[derive(Debug, Default)]
pub struct SelfTests(VecDeque<SelfTest>);

#[derive(Clone, Copy, Debug)]
struct SelfTest {
    code: u8,
    failed: Option<(SenseKey, Asc)>,
}

impl SelfTests {
    fn note(&mut self, code: u8, outcome: &Outcome) {
        let failed = match outcome {
            Err(Fault::Check(sense)) => Some((sense.key, sense.asc)),
            _ => None,
        };
        self.0.truncate(KEPT - 1);
        self.0.push_front(SelfTest { code, failed });
    }

    /// Log page 10h (SPC-5 §7.3.22): twenty parameters, zero where no test was.
    pub(crate) fn write(&self, w: &mut LogWriter) {
        /// RESULT: completed without error, or with an unknown element failed.
        const RESULTS: (u8, u8) = (0, 4);
        for (number, test) in (1..=20_u16).zip(self.0.iter().map(Some).chain(std::iter::repeat(None))) {
            let mut value = PageWriter::new();
            match test {
                None => drop(value.zeros(16)),
                Some(SelfTest { code, failed }) => {
                    let result = if failed.is_some() { RESULTS.1 } else { RESULTS.0 };
                    let address = if failed.is_some() { u64::MAX } else { 0 };
                    let (key, asc) = failed.unwrap_or((SenseKey::NO_SENSE, Asc(0)));
                    value.u8(code << 5 | result).u8(0).u16(0).u64(address);
                    value.u8(key.0).u16(asc.0).u8(0);
                }
            }
            w.parameter(number, LIST, value.as_slice());
        }
    }
}

pub(super) fn list_length(cdb: &Cdb) -> usize {
    let [_, _, _, high, low, ..] = *cdb.bytes();
    u16::from_be_bytes([high, low]).into()
}

pub(super) fn send(lu: &mut Lu, cdb: &Cdb, device: &mut dyn Device, data: &mut Data<'_, '_>) -> Outcome {
    let flags = cdb.bytes()[1];
    let (code, page_format, default_test) = (flags >> 5, flags & 0x10 != 0, flags & 0x04 != 0);
    let length = list_length(cdb);
    if code != 0 && default_test {
        return Err(Sense::cdb_field(1, Some(7)).into());
    }
    if length != 0 && (code != 0 || default_test) {
        return Err(Sense::cdb_field(3, None).into());
    }
    match code {
        0 if default_test => {}
        0 => return pages(length, page_format, data),
        1 | 2 | 5 | 6 => {}
        // Nothing runs in the background that could be aborted.
        ABORT => return Ok(()),
        _ => return Err(Sense::cdb_field(1, Some(7)).into()),
    }
    let outcome = device.self_test();
    if code != 0 {
        lu.self_tests.note(code, &outcome);
    }
    // A test in the background only leaves its result.
    if matches!(code, 1 | 2) { Ok(()) } else { outcome }
}

/// A list of diagnostic pages: 00h alone, which asks for itself.
fn pages(length: usize, page_format: bool, data: &mut Data<'_, '_>) -> Outcome {
    if length == 0 {
        return Ok(());
    }
    if !page_format {
        return Err(Sense::cdb_field(1, Some(4)).into());
    }
    let list = data.out.list(length).ok_or_else(|| Sense::illegal(Asc::PARAMETER_LIST_LENGTH_ERROR))?;
    if let [SUPPORTED_PAGES, ..] = list.as_slice() {
        check_reserved(&list, &[0xff, 0x00], 0)?;
    }
    match list.as_slice() {
        [SUPPORTED_PAGES, _, 0, 0] => Ok(()),
        [SUPPORTED_PAGES, _, _, _, ..] => Err(Sense::list_field(2, None).into()),
        [_, _, _, _, ..] => Err(Sense::list_field(0, None).into()),
        _ => Err(Sense::illegal(Asc::PARAMETER_LIST_LENGTH_ERROR).into()),
    }
}

pub(super) fn receive(cdb: &Cdb, data: &mut Data<'_, '_>) -> Outcome {
    let [_, flags, page, ..] = *cdb.bytes();
    if flags & 0x01 != 0 && page != SUPPORTED_PAGES {
        return Err(Sense::cdb_field(2, None).into());
    }
    let mut w = PageWriter::new();
    w.u8(SUPPORTED_PAGES).u8(0).length_u16(|w| {
        w.u8(SUPPORTED_PAGES);
    });
    data.room.limit(list_length(cdb));
    data.room.put(w.as_slice());
    Ok(())
}
