//! SEND DIAGNOSTIC, SPC-4 §6.42.              Bytes: 0 opcode · 1 SELF-TEST CODE(7-5) PF(4) SELFTEST(2) DEVOFFL(1) UNITOFFL(0) · 3-4 PARAMETER LIST LENGTH · 5 control
//! RECEIVE DIAGNOSTIC RESULTS, SPC-4 §6.28.  Bytes: 0 opcode · 1 PCV(0) · 2 PAGE CODE · 3-4 ALLOCATION LENGTH · 5 control
//!
//! The default, short and extended self-tests, in the foreground or background, run the same checks and take no time: a
//! background test is complete before the status, so there is none to abort (SELF-TEST CODE 100b). Log page 10h holds the last 20 results. Diagnostic page 00h lists the
//! supported pages; page 80h of IBM drives takes a dump (diagnostic 0160h, IBM LTO SCSI reference: force dump).
//!
//! **Deviations:** none.

use super::SpcContext;
use crate::asc::Asc;
use crate::cdb::Cdb;
use crate::cdb_field::{bit, bits, number};
use crate::command_spec::{Access, CommandSpec};
use crate::dump::DumpTrigger;
use crate::fault::{Fault, Outcome};
use crate::field::check_reserved;
use crate::log::{LIST_CONTROL, LogWriter};
use crate::parameter_list::{self, ParameterListReader};
use crate::sense::{Sense, SenseKey};
use crate::writer::PageWriter;
use std::collections::VecDeque;

/// The facts of SEND DIAGNOSTIC.
pub const SEND: CommandSpec = CommandSpec::new("SEND DIAGNOSTIC", &[0x1d, 0xf7, 0, 0xff, 0xff, 0], Access::Write)
    .with_fields(&[
        bits("SELF-TEST CODE", 1, 7, 3),
        bit("PF", 1, 4),
        bit("SELFTEST", 1, 2),
        bit("DEVOFFL", 1, 1),
        bit("UNITOFFL", 1, 0),
        number("PARAMETER LIST LENGTH", 3, 2),
    ])
    .blocking_with_timeouts(1, 300);
/// The facts of RECEIVE DIAGNOSTIC RESULTS.
pub const RECEIVE: CommandSpec =
    CommandSpec::new("RECEIVE DIAGNOSTIC RESULTS", &[0x1c, 0x01, 0xff, 0xff, 0xff, 0], Access::Read).with_fields(&[
        bit("PCV", 1, 0),
        number("PAGE CODE", 2, 1),
        number("ALLOCATION LENGTH", 3, 2),
    ]);

/// Supported diagnostic pages.
const SUPPORTED_PAGES: u8 = 0x00;
/// IBM: runs the diagnostic whose identifier is in bytes 4 and 5.
const RUN_DIAGNOSTIC: u8 = 0x80;
/// Defined bits of both pages: page code, length, identifier, flags.
const USAGE_PAGE: &[u8] = &[0xff, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00];
/// Identifier of the diagnostic that takes a dump.
const FORCE_DUMP: [u8; 2] = [0x01, 0x60];

/// Number of results in log page 10h.
const MAX_RESULTS: usize = 20;

/// Results of self-tests, newest first (log page 10h).
#[derive(Debug, Default)]
pub struct SelfTestLog(VecDeque<SelfTest>);

#[derive(Clone, Copy, Debug)]
struct SelfTest {
    code: u8,
    failed: Option<(SenseKey, Asc)>,
}

impl SelfTestLog {
    fn record(&mut self, code: u8, outcome: &Outcome) {
        let failed = match outcome {
            Err(Fault::CheckCondition(sense)) => Some((sense.key, sense.asc)),
            _ => None,
        };
        self.0.truncate(MAX_RESULTS - 1);
        self.0.push_front(SelfTest { code, failed });
    }

    /// Writes log page 10h (SPC-4 §7.3.16): 20 parameters, zeros where there is no result.
    pub(crate) fn write(&self, w: &mut LogWriter) {
        /// SELF-TEST RESULTS: completed without error; an unknown segment failed.
        const RESULTS: (u8, u8) = (0, 4);
        /// ADDRESS OF FIRST FAILURE: there is no failure, or none that an address identifies.
        const NO_ADDRESS: u64 = u64::MAX;
        for (number, test) in (1..=20_u16).zip(self.0.iter().map(Some).chain(std::iter::repeat(None))) {
            let mut value = PageWriter::new();
            match test {
                None => drop(value.zeros(16)),
                Some(SelfTest { code, failed }) => {
                    let result = if failed.is_some() { RESULTS.1 } else { RESULTS.0 };
                    let (key, asc) = failed.unwrap_or((SenseKey::NO_SENSE, Asc(0)));
                    value.u8(code << 5 | result).u8(0).u16(0).u64(NO_ADDRESS);
                    value.u8(key.0).u16(asc.0).u8(0);
                }
            }
            w.parameter(number, LIST_CONTROL, value.as_slice());
        }
    }
}

pub(super) fn list_length(cdb: &Cdb) -> usize {
    let [_, _, _, high, low, ..] = *cdb.bytes();
    u16::from_be_bytes([high, low]).into()
}

pub(super) fn send(cx: &mut SpcContext<'_, '_, '_>) -> Outcome {
    let flags = cx.cdb.bytes()[1];
    let (code, page_format, default_test) = (flags >> 5, flags & 0x10 != 0, flags & 0x04 != 0);
    let length = list_length(cx.cdb);
    if code != 0 && default_test {
        return Err(Sense::invalid_field_in_cdb(1, Some(7)).into());
    }
    if length != 0 && (code != 0 || default_test) {
        return Err(Sense::invalid_field_in_cdb(3, None).into());
    }
    match code {
        0 if default_test => {}
        0 => return send_page(cx, length, page_format),
        1 | 2 | 5 | 6 => {}
        _ => return Err(Sense::invalid_field_in_cdb(1, Some(7)).into()),
    }
    let outcome = cx.device.self_test();
    if code != 0 {
        cx.lu.self_tests.record(code, &outcome);
    }
    // The result of a background self-test is only logged.
    if matches!(code, 1 | 2) { Ok(()) } else { outcome }
}

/// Handles a parameter list of one diagnostic page: 00h (supported pages), or 80h if the model supports it.
fn send_page(cx: &mut SpcContext<'_, '_, '_>, length: usize, page_format: bool) -> Outcome {
    if length == 0 {
        return Ok(());
    }
    if !page_format {
        return Err(Sense::invalid_field_in_cdb(1, Some(4)).into());
    }
    let page = cx.data.data_out.parameters(length)?;
    let mut list = ParameterListReader::new(&page);
    let page_fault = list.invalid_field(0);
    let length_fault = list.invalid_field(2);
    let [code, _, high, low] = list.array()?;
    let expected = match code {
        SUPPORTED_PAGES => 0,
        RUN_DIAGNOSTIC if cx.device.dump_support().force_dump => 4,
        _ => return Err(page_fault.into()),
    };
    check_reserved(&page, USAGE_PAGE, 0)?;
    if u16::from_be_bytes([high, low]) != expected {
        return Err(length_fault.into());
    }
    if code == RUN_DIAGNOSTIC {
        let diagnostic_fault = list.invalid_field(0);
        let [a, b, _flags, _reserved] = list.array()?;
        if [a, b] != FORCE_DUMP {
            return Err(diagnostic_fault.into());
        }
    }
    if !list.is_empty() {
        return Err(parameter_list::length_error().into());
    }
    if code == RUN_DIAGNOSTIC {
        cx.lu.dumps.store(cx.device.diagnostic_dump(&cx.lu.identity), DumpTrigger::Device);
    }
    Ok(())
}

pub(super) fn receive(cx: &mut SpcContext<'_, '_, '_>) -> Outcome {
    let [_, flags, page, high, low, ..] = *cx.cdb.bytes();
    // Page 80h returns no results; READ BUFFER returns the dump.
    if flags & 0x01 != 0 && page != SUPPORTED_PAGES {
        return Err(Sense::invalid_field_in_cdb(2, None).into());
    }
    let mut w = PageWriter::new();
    w.u8(SUPPORTED_PAGES).u8(0).length_u16(|w| {
        w.u8(SUPPORTED_PAGES);
        if cx.device.dump_support().force_dump {
            w.u8(RUN_DIAGNOSTIC);
        }
    });
    cx.return_data(u16::from_be_bytes([high, low]).into(), w.as_slice());
    Ok(())
}
