//! Log pages: framing, PARAMETER POINTER, thresholds, and the lists of pages (SPC-4 §7.3).

use crate::page_override::{OverriddenPage, PageOverrides};
use crate::writer::PageWriter;
use std::collections::BTreeMap;

/// PAGE CODE and SUBPAGE CODE of a log page (SPC-4 §7.3).
pub type LogId = crate::mode::PageId;

/// Parameter control byte of a binary list parameter that is neither saved nor compared with a threshold.
pub const LIST_CONTROL: u8 = 0x43;
/// Parameter control byte of a bounded data counter.
pub const COUNTER_CONTROL: u8 = 0x40;
/// Parameter control byte of a flag or a count that is neither updated by LOG SELECT nor compared with a threshold.
pub const FLAG_CONTROL: u8 = 0xc0;
/// Parameter control byte of an ASCII list parameter.
pub const TEXT_CONTROL: u8 = 0x41;
/// Self-test results log page (SPC-4 §7.3.16), which every unit has.
pub const SELF_TEST_10: LogId = LogId::page(0x10);

/// Informational exceptions log page (SPC-4 §7.3.8).
pub const EXCEPTIONS_2F: LogId = LogId::page(0x2f);

/// Pages that every unit supports, but no list contains: the captured drives and libraries do not list them, and
/// without them hosts could not read the results of self-tests and the exceptions.
pub const UNLISTED: [LogId; 2] = [SELF_TEST_10, EXCEPTIONS_2F];

/// Pages of error counters with thresholds: write, read, read reverse, verify and non-medium errors.
const WITH_THRESHOLDS: [LogId; 5] =
    [LogId::page(0x02), LogId::page(0x03), LogId::page(0x04), LogId::page(0x05), LogId::page(0x06)];

/// Thresholds of error counters set by hosts. All others have the maximum value.
#[derive(Clone, Debug, Default)]
pub struct Thresholds(BTreeMap<(LogId, u16), u64>);

impl Thresholds {
    /// Returns whether the counters of a page have thresholds.
    #[must_use]
    pub fn has(id: LogId) -> bool {
        WITH_THRESHOLDS.contains(&id)
    }

    /// The threshold of a counter.
    fn value(&self, id: LogId, code: u16) -> u64 {
        self.0.get(&(id, code)).copied().unwrap_or(u64::MAX)
    }

    /// Sets a threshold. Returns whether its value changed.
    pub(crate) fn set(&mut self, id: LogId, code: u16, value: u64) -> bool {
        self.0.insert((id, code), value) != Some(value)
    }

    /// Resets the thresholds of one page to the maximum. Returns whether any of them was set.
    pub(crate) fn reset_page(&mut self, id: LogId) -> bool {
        let before = self.0.len();
        self.0.retain(|(page, _), _| *page != id);
        before != self.0.len()
    }

    /// Resets all thresholds to the maximum. Returns whether any of them was set.
    pub(crate) fn reset_all(&mut self) -> bool {
        !std::mem::take(&mut self.0).is_empty()
    }
}

/// The value that the page returns for a counter.
#[derive(Clone, Debug)]
enum CounterView {
    Value,
    Threshold(Thresholds, LogId),
}

/// A parameter of a log page (SPC-4 §7.3): its code, its control byte and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// PARAMETER CODE, unique in its page.
    pub code: u16,
    /// The parameter control byte (SPC-4 §7.3).
    pub control: u8,
    /// The bytes of the parameter's value.
    pub value: Vec<u8>,
}

/// Collects the parameters of one log page, from PARAMETER POINTER on.
#[derive(Debug)]
pub struct LogWriter {
    pointer: u16,
    highest: Option<u16>,
    show: CounterView,
    body: PageWriter,
}

impl LogWriter {
    /// A writer that skips parameters with codes below `pointer`.
    #[must_use]
    pub const fn from_pointer(pointer: u16) -> Self {
        Self { pointer, highest: None, show: CounterView::Value, body: PageWriter::new() }
    }

    /// The same writer, which writes the thresholds instead of the values of counters.
    #[must_use]
    pub(crate) fn with_thresholds(mut self, thresholds: Thresholds, id: LogId) -> Self {
        self.show = CounterView::Threshold(thresholds, id);
        self
    }

    /// Adds a parameter. Codes must be in ascending order.
    pub fn parameter(&mut self, code: u16, control: u8, value: &[u8]) -> &mut Self {
        self.highest = Some(code);
        if code >= self.pointer {
            self.body.u16(code).u8(control).length_u8(|w| {
                w.bytes(value);
            });
        }
        self
    }

    /// Adds a counter, or its threshold, of `width` bytes, saturated.
    pub fn counter(&mut self, code: u16, width: usize, value: u64) -> &mut Self {
        let value = match &self.show {
            CounterView::Value => value,
            CounterView::Threshold(thresholds, id) => thresholds.value(*id, code),
        };
        self.number(code, COUNTER_CONTROL, width, value)
    }

    /// Adds a number of `width` bytes, saturated.
    pub fn number(&mut self, code: u16, control: u8, width: usize, value: u64) -> &mut Self {
        let max = if width >= 8 { u64::MAX } else { (1 << (8 * width)) - 1 };
        let bytes = value.min(max).to_be_bytes();
        self.parameter(code, control, bytes.get(8 - width.min(8)..).unwrap_or_default())
    }

    /// Adds counters of `width` bytes with consecutive codes.
    pub fn counters(&mut self, first: u16, width: usize, values: &[u64]) -> &mut Self {
        for (code, value) in (first..).zip(values) {
            self.counter(code, width, *value);
        }
        self
    }

    /// Adds bytes of a page without parameters (the lists 00h and xxh/FFh).
    pub fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.body.bytes(bytes);
        self
    }

    /// Returns the page with its header; `None` if PARAMETER POINTER is beyond the last parameter.
    pub(crate) fn finish(self, id: LogId) -> Option<PageWriter> {
        if self.pointer > self.highest.unwrap_or(0) {
            return None;
        }
        let mut page = PageWriter::new();
        page.u8(id.page | if id.subpage == 0 { 0 } else { 0x40 }).u8(id.subpage);
        page.length_u16(|w| {
            w.bytes(self.body.as_slice());
        });
        Some(page)
    }

    /// The parameters added so far, decoded.
    #[must_use]
    pub fn parameters(&self) -> Vec<Parameter> {
        Parameter::parse(self.body.as_slice()).0
    }

    /// The parameters of the page with the overrides of a unit, decoded.
    pub(crate) fn overridden_parameters(self, id: LogId, overrides: &PageOverrides) -> Vec<Parameter> {
        let page = self.finish(id).map_or_else(Vec::new, PageWriter::into_vec);
        let page = overrides.apply(OverriddenPage::Log(id), page);
        Parameter::parse(page.get(HEADER..).unwrap_or_default()).0
    }
}

/// Number of bytes of the header of a log page.
const HEADER: usize = 4;

impl Parameter {
    /// The parameters in the body of a page, and the rest that is none.
    fn parse(body: &[u8]) -> (Vec<Self>, &[u8]) {
        let mut parameters = Vec::new();
        let mut rest = body;
        while let Some(([high, low, control, len], after)) = rest.split_first_chunk::<4>() {
            let Some((value, after)) = after.split_at_checked(usize::from(*len)) else { break };
            let code = u16::from_be_bytes([*high, *low]);
            parameters.push(Self { code, control: *control, value: value.to_vec() });
            rest = after;
        }
        (parameters, rest)
    }
}

/// A whole page from PARAMETER POINTER on, with thresholds instead of the values if there are any. `None` if PARAMETER
/// POINTER is beyond the last parameter. Data that is no list of parameters has only the pointer 0.
pub(crate) fn page_from(page: Vec<u8>, pointer: u16, thresholds: Option<(Thresholds, LogId)>) -> Option<Vec<u8>> {
    let (parameters, rest) = Parameter::parse(page.get(HEADER..).unwrap_or_default());
    if (pointer == 0 && thresholds.is_none()) || !rest.is_empty() {
        return (pointer == 0).then_some(page);
    }
    let mut w = LogWriter::from_pointer(pointer);
    for parameter in parameters {
        let width = parameter.value.len();
        match &thresholds {
            Some((thresholds, id)) => {
                w.number(parameter.code, parameter.control, width, thresholds.value(*id, parameter.code))
            }
            None => w.parameter(parameter.code, parameter.control, &parameter.value),
        };
    }
    let (first, second) = (page.first().copied()?, page.get(1).copied()?);
    let mut data = w.finish(LogId { page: first & 0x3f, subpage: second })?.into_vec();
    *data.first_mut()? = first;
    Some(data)
}
