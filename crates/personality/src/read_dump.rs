//! Reads a dump that a tool has written: captures, traces, text with hexadecimal digits, and the bytes of pages.

use crate::capture::{Capture, Exchange, ParseCaptureError};
use crate::dump::{DataHeader, Dump, DumpKind, DumpedPage, ModeControl, mode_page};
use crate::hex_text::{self, Block};
use scsi_core::log::LogId;
use serde_json::Value;

/// The file is no dump of the pages of a device.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DumpError {
    /// A line of a capture is wrong.
    #[error(transparent)]
    Capture(#[from] ParseCaptureError),
    /// There is nothing that can be a page.
    #[error(
        "has no pages; expected a capture, a trace, or the output of sg_inq, sg_vpd, sg_modes or sg_logs with -H or -r, or of ITDT"
    )]
    Empty,
    /// Bytes are not a page of the kind that was named or found.
    #[error("{bytes} are no page{kind}; name the kind of the dump with --kind")]
    Unknown {
        /// The first bytes, in hexadecimal digits.
        bytes: String,
        /// The kind that was expected, with a blank before it; empty if every kind was tried.
        kind: String,
    },
}

/// Reads the pages of a dump. `kind` is their kind and `control` the kind of the values of mode pages, where the dump does
/// not tell them.
///
/// # Errors
/// The file is of no known form, or has bytes that are no page.
pub fn read_dump(file: &[u8], kind: Option<DumpKind>, control: ModeControl) -> Result<Dump, DumpError> {
    let mut dump = Dump::default();
    let text = std::str::from_utf8(file).ok().filter(|text| !text.contains('\0'));
    match text {
        None => add_block(&mut dump, file, kind, control)?,
        Some(text) if is_capture(text) => dump = Capture::parse(text)?.dump(),
        Some(text) if text.trim_start().starts_with('{') => {
            traced(text).iter().for_each(|exchange| dump.record(exchange));
        }
        Some(text) => add_text(&mut dump, text, kind, control)?,
    }
    if dump.is_empty() { Err(DumpError::Empty) } else { Ok(dump) }
}

fn is_capture(text: &str) -> bool {
    let first = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with(['#', '@']));
    first.is_some_and(|line| line.starts_with('>') && !line.starts_with(">>"))
}

/// The commands of a trace file with their data.
fn traced(text: &str) -> Vec<Exchange> {
    let command = |line: &str| {
        let record: Value = serde_json::from_str(line).ok()?;
        let hex = |key: &str| record.get(key).and_then(Value::as_str).and_then(crate::capture::bytes);
        let status = u8::try_from(record.get("status")?.as_u64()?).ok()?;
        let (sense, data) = (hex("sense").unwrap_or_default(), hex("data_in").unwrap_or_default());
        Some(Exchange { cdb: hex("cdb")?, status, sense, data })
    };
    text.lines().filter_map(command).collect()
}

/// Adds the blocks of a text. A heading tells the kind of the blocks up to the next one that tells another.
fn add_text(dump: &mut Dump, text: &str, kind: Option<DumpKind>, default: ModeControl) -> Result<(), DumpError> {
    let mut found = kind;
    for Block { heading, bytes } in hex_text::blocks(text) {
        if let (Some(named), None) = (kind_of(&heading), kind) {
            found = Some(named);
        }
        let is_header = heading.contains("mode parameter header") || heading.contains("block descriptor");
        if is_header && DataHeader::Long.pages(&bytes).is_none() && DataHeader::Short.pages(&bytes).is_none() {
            continue;
        }
        let named =
            ModeControl::ALL.into_iter().find(|values| heading.contains(&format!("control: {}", values.name())));
        add_block(dump, &bytes, found, named.unwrap_or(default))?;
    }
    Ok(())
}

/// The kind of the pages after a heading, which is in lower case. Its last line that tells one decides.
fn kind_of(heading: &str) -> Option<DumpKind> {
    heading.lines().rev().find_map(|line| match line {
        _ if line.contains("vpd") || line.contains("vital product") => Some(DumpKind::Vpd),
        _ if line.contains("log page") || line.contains("log sense") || line.contains("logpage") => Some(DumpKind::Log),
        _ if line.contains("mode page") || line.contains("mode sense") || line.contains("page_control") => {
            Some(DumpKind::Mode)
        }
        // Also the heading of a VPD page of ITDT.
        _ if line.contains("inquiry") => None,
        _ => None,
    })
}

/// Adds the pages in bytes of one kind, or of the first kind that fits.
fn add_block(dump: &mut Dump, bytes: &[u8], kind: Option<DumpKind>, control: ModeControl) -> Result<(), DumpError> {
    let is_added = match kind {
        Some(DumpKind::Inquiry) => add_inquiry(dump, bytes),
        Some(DumpKind::Vpd) => add_vpd(dump, bytes),
        Some(DumpKind::Mode) => add_mode_data(dump, bytes, control) || add_mode_pages(dump, bytes, control),
        Some(DumpKind::Log) => add_log(dump, bytes),
        None => {
            add_inquiry(dump, bytes)
                || add_vpd(dump, bytes)
                || add_mode_data(dump, bytes, control)
                || add_log(dump, bytes)
                || add_mode_pages(dump, bytes, control)
        }
    };
    if is_added {
        return Ok(());
    }
    let kind = DumpKind::NAMES.into_iter().find(|(_, other)| Some(*other) == kind);
    let kind = kind.map_or(String::new(), |(name, _)| format!(" of the kind {name:?}"));
    let head = bytes.get(..bytes.len().min(8)).unwrap_or_default();
    Err(DumpError::Unknown { bytes: scsi_core::hex::Hex(head).to_string(), kind })
}

/// PERIPHERAL DEVICE TYPE of tape drives and changers, with PERIPHERAL QUALIFIER 000b.
const DEVICE_TYPES: [u8; 2] = [0x01, 0x08];

/// Standard INQUIRY data: the length and RESPONSE DATA FORMAT are plausible. That of the page Unit Serial Number, which can
/// begin with the same bytes, is not.
fn add_inquiry(dump: &mut Dump, bytes: &[u8]) -> bool {
    let &[device, rmb, version, format, len, ..] = bytes else { return false };
    let whole = usize::from(len) + 5;
    let is_inquiry = DEVICE_TYPES.contains(&device)
        && rmb & 0x7f == 0
        && version <= 0x07
        && format & 0x0f <= 0x02
        && bytes.len() >= 36
        && bytes.len() >= whole
        && page_len(bytes) != bytes.len();
    if let (true, Some(data)) = (is_inquiry, bytes.get(..whole)) {
        dump.insert(DumpedPage::Inquiry, data);
    }
    is_inquiry
}

/// The length that the page header with PAGE LENGTH in bytes 2 and 3 gives; 0 if there is no header.
fn page_len(bytes: &[u8]) -> usize {
    match bytes {
        [_, _, high, low, ..] => usize::from(u16::from_be_bytes([*high, *low])) + 4,
        _ => 0,
    }
}

/// The pages of bytes that are pages one after the other, all with PAGE LENGTH in bytes 2 and 3; `None` if they are not.
fn split(mut bytes: &[u8]) -> Option<Vec<&[u8]>> {
    let mut pages = Vec::new();
    while !bytes.is_empty() {
        let len = page_len(bytes);
        let (page, rest) = bytes.split_at_checked(len).filter(|_| len > 0)?;
        pages.push(page);
        bytes = rest;
    }
    Some(pages)
}

fn add_vpd(dump: &mut Dump, bytes: &[u8]) -> bool {
    let Some(pages) = split(bytes) else { return false };
    let codes = pages.iter().map(|page| match page {
        [device, code, ..] if DEVICE_TYPES.contains(device) => Some(*code),
        _ => None,
    });
    let Some(codes) = codes.collect::<Option<Vec<u8>>>() else { return false };
    codes.into_iter().zip(&pages).for_each(|(code, page)| dump.insert(DumpedPage::Vpd(code), page));
    !pages.is_empty()
}

fn add_log(dump: &mut Dump, bytes: &[u8]) -> bool {
    let Some(pages) = split(bytes) else { return false };
    for page in &pages {
        let [first, subpage, ..] = *page else { continue };
        let subpage = if first & 0x40 == 0 { 0 } else { *subpage };
        dump.insert(DumpedPage::Log(LogId { page: first & 0x3f, subpage }), page);
    }
    !pages.is_empty()
}

/// The data of MODE SENSE(10) or MODE SENSE(6), with its header.
fn add_mode_data(dump: &mut Dump, bytes: &[u8], control: ModeControl) -> bool {
    [DataHeader::Long, DataHeader::Short].into_iter().any(|header| {
        // The length of the header is that of the data.
        let is_whole = bytes
            .len()
            .checked_sub(1)
            .and_then(|len| bytes.get(..len))
            .is_some_and(|shorter| header.pages(shorter).is_none());
        let pages = header.pages(bytes).filter(|pages| is_whole && is_mode_pages(pages));
        pages.is_some_and(|pages| dump.mode_pages(pages, control))
    })
}

fn add_mode_pages(dump: &mut Dump, bytes: &[u8], control: ModeControl) -> bool {
    is_mode_pages(bytes) && dump.mode_pages(bytes, control)
}

/// Whether bytes are mode pages one after the other.
fn is_mode_pages(mut bytes: &[u8]) -> bool {
    let is_empty = bytes.is_empty();
    while let Some((_, len)) = mode_page(bytes) {
        let Some(rest) = bytes.get(len..) else { return false };
        bytes = rest;
    }
    bytes.is_empty() && !is_empty
}
