//! Log pages: framing, the parameter pointer, and the lists of pages (SPC-5 §7.3).

use crate::writer::PageWriter;

/// PAGE CODE and SUBPAGE CODE of a log page.
pub type LogId = crate::mode::PageId;

/// Control byte of a binary list parameter that neither saves nor compares.
pub const LIST: u8 = 0x43;
/// Control byte of a bounded counter.
pub const COUNTER: u8 = 0x40;
/// Control byte of an ASCII list parameter.
pub const TEXT: u8 = 0x41;

/// Collects the parameters of one page from PARAMETER POINTER on.
#[derive(Debug)]
pub struct LogWriter {
    pointer: u16,
    highest: Option<u16>,
    body: PageWriter,
}

impl LogWriter {
    /// A writer that skips parameters below `pointer`.
    #[must_use]
    pub const fn from_pointer(pointer: u16) -> Self {
        Self { pointer, highest: None, body: PageWriter::new() }
    }

    /// Adds a parameter; codes must ascend.
    pub fn parameter(&mut self, code: u16, control: u8, value: &[u8]) -> &mut Self {
        self.highest = Some(code);
        if code >= self.pointer {
            self.body.u16(code).u8(control).length_u8(|w| {
                w.bytes(value);
            });
        }
        self
    }

    /// Adds a counter of `width` bytes, saturated.
    pub fn counter(&mut self, code: u16, width: usize, value: u64) -> &mut Self {
        let most = if width >= 8 { u64::MAX } else { (1 << (8 * width)) - 1 };
        let bytes = value.min(most).to_be_bytes();
        self.parameter(code, COUNTER, bytes.get(8 - width.min(8)..).unwrap_or_default())
    }

    /// Adds bytes of a page that has no parameters (the lists 00h and xx/FFh).
    pub fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.body.bytes(bytes);
        self
    }

    /// Frames the page, or says that the pointer lies behind the last parameter.
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
}
