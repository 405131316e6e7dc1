//! Captures: the commands that read the pages of a device, with their responses, as text.

use crate::dump::Dump;
use scsi_core::cdb::Opcode;
use scsi_core::hex::Hex;
use scsi_core::mode::PageId;
use scsi_core::page_override::{MEDIUM_CHANGER, TAPE_DRIVE};
use std::fmt;
use std::io;

/// A command without Data-Out, and the response of the device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// The CDB of the command, as sent.
    pub cdb: Vec<u8>,
    /// SAM status code, such as 00h for GOOD.
    pub status: u8,
    /// Sense data; empty with GOOD.
    pub sense: Vec<u8>,
    /// Data-In; empty if there is none.
    pub data: Vec<u8>,
}

impl Exchange {
    const GOOD: u8 = 0x00;
    const CHECK_CONDITION: u8 = 0x02;

    /// Whether the command ended with GOOD.
    #[must_use]
    pub const fn is_good(&self) -> bool {
        self.status == Self::GOOD
    }

    /// SENSE KEY; `None` without sense data.
    fn sense_key(&self) -> Option<u8> {
        match self.sense.as_slice() {
            [0x72 | 0x73, key, ..] | [0x70 | 0x71 | 0xf0 | 0xf1, _, key, ..] => Some(key & 0x0f),
            _ => None,
        }
    }

    /// Whether the device has refused the command as an invalid one.
    pub(crate) fn is_refused(&self) -> bool {
        const ILLEGAL_REQUEST: u8 = 0x05;
        self.status == Self::CHECK_CONDITION && self.sense_key() == Some(ILLEGAL_REQUEST)
    }
}

/// A device that executes commands, such as a node of the Linux driver sg.
pub trait CommandDevice {
    /// Sends a command without Data-Out, and accepts at most `capacity` bytes of Data-In.
    ///
    /// # Errors
    /// The device has returned no status.
    fn command(&mut self, cdb: &[u8], capacity: usize) -> io::Result<Exchange>;
}

/// The responses of a device to the commands that only read: INQUIRY, MODE SENSE, LOG SENSE and others.
///
/// Its text has two lines for each command, `> CDB` and `< STATUS [sense BYTES] [in BYTES]`, as a golden transcript has.
/// Lines that begin with `#` are comments.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capture {
    /// The commands in the order in which they were sent.
    pub exchanges: Vec<Exchange>,
}

/// A text that is no capture, with its first wrong line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {text:?} is not {expected}")]
pub struct ParseCaptureError {
    /// Number of the line, from 1.
    pub line: usize,
    /// The first characters of the line.
    pub text: String,
    /// The line that a capture has there.
    pub expected: &'static str,
}

impl fmt::Display for Capture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "# Pages of a device, read by ferric personality capture. > CDB, < STATUS [sense BYTES] [in BYTES]"
        )?;
        for Exchange { cdb, status, sense, data } in &self.exchanges {
            write!(f, "> {}\n< {status:02x}", Hex(cdb))?;
            for (name, bytes) in [("sense", sense), ("in", data)] {
                if !bytes.is_empty() {
                    write!(f, " {name} {}", Hex(bytes))?;
                }
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

impl Capture {
    /// Parses the text of a capture. Bytes may be separated by blanks.
    ///
    /// # Errors
    /// A line is neither a comment nor the one that must follow.
    pub fn parse(text: &str) -> Result<Self, ParseCaptureError> {
        let mut exchanges = Vec::new();
        let mut cdb = None;
        for (line, number) in text.lines().map(str::trim).zip(1..) {
            if line.is_empty() || line.starts_with('#') || line.starts_with('@') {
                continue;
            }
            let wrong =
                |expected| Err(ParseCaptureError { line: number, text: line.chars().take(32).collect(), expected });
            match cdb.take() {
                None => match line.strip_prefix('>').and_then(bytes).filter(|cdb| !cdb.is_empty()) {
                    Some(command) => cdb = Some(command),
                    None => return wrong("> and the bytes of a CDB"),
                },
                Some(cdb) => match line.strip_prefix('<').and_then(|response| response_of(cdb, response)) {
                    Some(exchange) => exchanges.push(exchange),
                    None => return wrong("< STATUS [sense BYTES] [in BYTES]"),
                },
            }
        }
        Ok(Self { exchanges })
    }

    /// The pages of the capture.
    #[must_use]
    pub fn dump(&self) -> Dump {
        let mut dump = Dump::default();
        self.exchanges.iter().for_each(|exchange| dump.record(exchange));
        dump
    }
}

fn response_of(cdb: Vec<u8>, response: &str) -> Option<Exchange> {
    let (head, data) = response.split_once(" in ").unwrap_or((response, ""));
    let (status, sense) = head.split_once(" sense ").unwrap_or((head, ""));
    let &[status] = bytes(status)?.as_slice() else { return None };
    Some(Exchange { cdb, status, sense: bytes(sense)?, data: bytes(data)? })
}

/// The bytes of hexadecimal digits with blanks between them.
pub(crate) fn bytes(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text
        .chars()
        .filter(|c| !c.is_whitespace())
        .map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect();
    let (pairs, rest) = digits.as_deref()?.as_chunks::<2>();
    rest.is_empty().then(|| pairs.iter().map(|[high, low]| high << 4 | low).collect())
}

/// Most unit attentions that a device reports one after the other.
const MAX_ATTENTIONS: usize = 16;
/// Allocation lengths: of INQUIRY, in one byte as devices before SPC-3 take it; of LOG SENSE and MODE SENSE(10).
const INQUIRY_LEN: u8 = 0xff;
const LONG: u16 = 0xfffc;
const MODE_LEN: u16 = 0x1ffc;
const MODE_LEN_6: u8 = 0xff;

/// Reads the pages of a device: INQUIRY data, all VPD pages, all mode pages with their four kinds of values, all log pages
/// and their lists, and what the device reports about densities, block limits, elements and commands. No command changes or
/// moves anything, but a device clears TapeAlert flags when it has returned their log page.
///
/// # Errors
/// The device has returned no status, or no INQUIRY data.
pub fn capture(device: &mut dyn CommandDevice) -> io::Result<Capture> {
    let mut reader = Reader { device, capture: Capture::default() };
    let inquiry = reader.read(&[0x12, 0, 0, 0, INQUIRY_LEN, 0], INQUIRY_LEN.into())?;
    if inquiry.len() < 36 {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the device returns no INQUIRY data"));
    }
    reader.vpd_pages()?;
    reader.mode_pages()?;
    reader.log_pages()?;
    let has_type = |wanted| inquiry.first().is_some_and(|first| first & 0x1f == wanted);
    if has_type(TAPE_DRIVE) {
        let [high, low] = LONG.to_be_bytes();
        reader.read(&[0x05, 0, 0, 0, 0, 0], 6)?;
        // All media and the mounted one; densities and medium types.
        for flags in 0..4 {
            reader.read(&[0x44, flags, 0, 0, 0, 0, 0, high, low, 0], LONG.into())?;
        }
    }
    if has_type(MEDIUM_CHANGER) {
        reader.element_status()?;
    }
    let [high, low] = LONG.to_be_bytes();
    reader.read(&[0xa3, 0x0c, 0, 0, 0, 0, 0, 0, high, low, 0, 0], LONG.into())?;
    Ok(reader.capture)
}

struct Reader<'a> {
    device: &'a mut dyn CommandDevice,
    capture: Capture,
}

impl Reader<'_> {
    /// Sends a command, again after each unit attention. Returns its data, which is empty unless it ends with GOOD.
    fn read(&mut self, cdb: &[u8], capacity: usize) -> io::Result<Vec<u8>> {
        const UNIT_ATTENTION: u8 = 0x06;
        let mut exchange = self.device.command(cdb, capacity)?;
        for _ in 0..MAX_ATTENTIONS {
            if exchange.sense_key() != Some(UNIT_ATTENTION) {
                break;
            }
            exchange = self.device.command(cdb, capacity)?;
        }
        let data = if exchange.is_good() { exchange.data.clone() } else { Vec::new() };
        self.capture.exchanges.push(exchange);
        Ok(data)
    }

    fn vpd_page(&mut self, code: u8) -> io::Result<Vec<u8>> {
        let page = self.read(&[0x12, 1, code, 0, INQUIRY_LEN, 0], INQUIRY_LEN.into())?;
        match page.as_slice() {
            // The page is longer than the allocation length.
            [_, _, high, low, ..] if u16::from_be_bytes([*high, *low]) > u16::from(INQUIRY_LEN) - 4 => {
                self.capture.exchanges.pop();
                let [high, low] = u16::from_be_bytes([*high, *low]).saturating_add(4).to_be_bytes();
                self.read(&[0x12, 1, code, high, low, 0], u16::from_be_bytes([high, low]).into())
            }
            _ => Ok(page),
        }
    }

    fn vpd_pages(&mut self) -> io::Result<()> {
        let list = self.vpd_page(0)?;
        let codes = list.get(4..).unwrap_or_default().iter().filter(|code| **code != 0);
        codes.copied().try_for_each(|code| self.vpd_page(code).map(drop))
    }

    /// All pages for each PAGE CONTROL; without the subpages on a device that has none, and with MODE SENSE(6) on one
    /// without MODE SENSE(10). Then the header with the block descriptor, which depend on the medium.
    fn mode_pages(&mut self) -> io::Result<()> {
        let [high, low] = MODE_LEN.to_be_bytes();
        let long = |code, subpage| vec![0x5a, 0x08, code, subpage, 0, 0, 0, high, low, 0];
        let short = |code| vec![0x1a, 0x08, code, 0, MODE_LEN_6, 0];
        for control in 0..4_u8 {
            let code = control << 6 | 0x3f;
            for cdb in [long(code, 0xff), long(code, 0), short(code)] {
                if !self.read(&cdb, MODE_LEN.into())?.is_empty() {
                    break;
                }
            }
        }
        self.read(&[0x5a, 0, 0, 0, 0, 0, 0, high, low, 0], MODE_LEN.into()).map(drop)
    }

    /// The elements of each type, with volume tags, as many as fit: with device identifiers and without motion (DVCID, CURDATA),
    /// or as a device accepts it that is older than these bits.
    fn element_status(&mut self) -> io::Result<()> {
        const VOLTAG: u8 = 0x10;
        const CURDATA: u8 = 0x02;
        const DVCID: u8 = 0x01;
        let [high, low] = LONG.to_be_bytes();
        for kind in 1..=4 {
            for flags in [CURDATA | DVCID, CURDATA, 0] {
                let cdb = [Opcode::READ_ELEMENT_STATUS.0, VOLTAG | kind, 0, 0, 0xff, 0xff, flags, 0, high, low, 0, 0];
                self.read(&cdb, LONG.into())?;
                if self.capture.exchanges.last().is_some_and(Exchange::is_good) {
                    break;
                }
            }
        }
        Ok(())
    }

    fn log_page(&mut self, PageId { page, subpage }: PageId) -> io::Result<Vec<u8>> {
        let [high, low] = LONG.to_be_bytes();
        self.read(&[0x4d, 0, 0x40 | page, subpage, 0, 0, 0, high, low, 0], LONG.into())
    }

    /// The lists 00h and 00h/FFh, the pages in them, and the list of the subpages of each page that has some.
    fn log_pages(&mut self) -> io::Result<()> {
        let list = self.log_page(PageId::page(0))?;
        let with_subpages = self.log_page(PageId { page: 0, subpage: 0xff })?;
        let pages = list.get(4..).unwrap_or_default().iter().map(|page| PageId::page(page & 0x3f));
        let (pairs, _) = with_subpages.get(4..).unwrap_or_default().as_chunks::<2>();
        let subpages = pairs.iter().map(|[page, subpage]| PageId { page: page & 0x3f, subpage: *subpage });
        let mut all: Vec<PageId> = pages.chain(subpages).filter(|id| id.page != 0).collect();
        let lists = all.iter().filter(|id| id.subpage != 0).map(|id| PageId { page: id.page, subpage: 0xff });
        all.extend(lists.collect::<Vec<_>>());
        all.sort_unstable();
        all.dedup();
        all.into_iter().try_for_each(|id| self.log_page(id).map(drop))
    }
}
