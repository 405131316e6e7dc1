//! The pages of a device, from a capture or from the output of another tool.

use crate::capture::Exchange;
use crate::elements::{self, ElementPage};
use scsi_core::cdb::Opcode;
use scsi_core::log::LogId;
use scsi_core::mode::PageId;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// The kind of the pages in a dump, if it does not tell it by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DumpKind {
    /// Standard INQUIRY data, which has no page header.
    Inquiry,
    /// VPD pages, with their headers.
    Vpd,
    /// Mode pages, with or without the mode parameter header.
    Mode,
    /// Log pages, with their headers.
    Log,
}

impl DumpKind {
    /// Each kind, with its name on a command line.
    pub const NAMES: [(&'static str, Self); 4] =
        [("inquiry", Self::Inquiry), ("vpd", Self::Vpd), ("mode", Self::Mode), ("log", Self::Log)];
}

/// PAGE CONTROL of mode pages in a dump (SPC-4 §6.13): the kind of the values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum ModeControl {
    /// The current values, which MODE SENSE returns for PC=00b.
    #[default]
    Current,
    /// Mask of the changeable bits, PC=01b.
    Changeable,
    /// The default values, which MODE SENSE returns for PC=10b.
    Default,
    /// The saved values, which MODE SENSE returns for PC=11b.
    Saved,
}

impl ModeControl {
    /// All kinds of values, in the order of PAGE CONTROL.
    pub const ALL: [Self; 4] = [Self::Current, Self::Changeable, Self::Default, Self::Saved];

    fn from_bits(bits: u8) -> Self {
        Self::ALL.get(usize::from(bits & 3)).copied().unwrap_or_default()
    }

    /// The name of the values, as tools and configurations write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Changeable => "changeable",
            Self::Default => "default",
            Self::Saved => "saved",
        }
    }
}

/// The identification of a page in a dump.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DumpedPage {
    /// Standard INQUIRY data, which has no page code.
    Inquiry,
    /// VPD page with this PAGE CODE.
    Vpd(u8),
    /// Mode page with one kind of its values.
    Mode(PageId, ModeControl),
    /// Log page with the current values.
    Log(LogId),
    /// REPORT DENSITY SUPPORT data for all media: the densities.
    Densities,
    /// REPORT DENSITY SUPPORT data for all media: the medium types.
    MediumTypes,
}

impl fmt::Display for DumpedPage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, id, values) = match *self {
            Self::Inquiry => return f.write_str("standard INQUIRY data"),
            Self::Densities => return f.write_str("REPORT DENSITY SUPPORT data"),
            Self::MediumTypes => return f.write_str("REPORT DENSITY SUPPORT data with medium types"),
            Self::Vpd(page) => ("VPD", PageId::page(page), None),
            Self::Log(id) => ("log", id, None),
            Self::Mode(id, values) => ("mode", id, Some(values)),
        };
        write!(f, "{kind} page {:02X}h", id.page)?;
        if id.subpage != 0 {
            write!(f, "/{:02X}h", id.subpage)?;
        }
        values.map_or(Ok(()), |values| write!(f, " ({} values)", values.name()))
    }
}

/// LOG SENSE returns thresholds of the pages of error counters for these PC, and values of all others.
const THRESHOLDS: [u8; 2] = [0b00, 0b10];

impl DumpedPage {
    /// The page that a command reads; `None` for MODE SENSE, which can read several, and for other commands.
    pub(crate) fn of_cdb(cdb: &[u8]) -> Option<Self> {
        match cdb {
            [0x12, flags, page, ..] => Some(if flags & 1 == 0 { Self::Inquiry } else { Self::Vpd(*page) }),
            [0x44, 0, ..] => Some(Self::Densities),
            [0x44, 2, ..] => Some(Self::MediumTypes),
            [0x4d, _, page, subpage, _, 0, 0, ..] => {
                let id = LogId { page: page & 0x3f, subpage: *subpage };
                let has_thresholds = (0x02..=0x06).contains(&id.page) && THRESHOLDS.contains(&(page >> 6));
                (!has_thresholds).then_some(Self::Log(id))
            }
            _ => None,
        }
    }

    /// Whether the page only lists others.
    #[must_use]
    pub(crate) fn is_list(self) -> bool {
        match self {
            Self::Vpd(page) => page == 0,
            Self::Log(id) => id == LogId::page(0) || id.subpage == 0xff,
            Self::Inquiry | Self::Mode(..) | Self::Densities | Self::MediumTypes => false,
        }
    }
}

/// The pages of one device, with their bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dump {
    pages: BTreeMap<DumpedPage, Vec<u8>>,
    /// Pages that the device has refused.
    refused: BTreeSet<DumpedPage>,
    /// The dump has every mode page: without subpages, or with them.
    all_mode_pages: Option<u8>,
    /// Pages of which the dump has only the first bytes.
    truncated: BTreeSet<DumpedPage>,
    /// What READ ELEMENT STATUS has told about the elements of a changer, by their type code.
    elements: BTreeMap<u8, ElementPage>,
}

impl Dump {
    /// The pages, with their headers.
    pub fn pages(&self) -> impl Iterator<Item = (DumpedPage, &[u8])> {
        self.pages.iter().map(|(page, bytes)| (*page, bytes.as_slice()))
    }

    /// The bytes of a page, header included; `None` if the dump does not have it.
    #[must_use]
    pub fn page(&self, page: DumpedPage) -> Option<&[u8]> {
        self.pages.get(&page).map(Vec::as_slice)
    }

    /// The pages of which the dump has only the first bytes, and which are left out therefore.
    pub fn truncated(&self) -> impl Iterator<Item = DumpedPage> {
        self.truncated.iter().copied()
    }

    /// Adds the pages of another dump, which replace those of this one.
    pub fn extend(&mut self, other: Self) {
        self.pages.extend(other.pages);
        self.refused.extend(other.refused);
        self.truncated.extend(other.truncated);
        self.all_mode_pages = self.all_mode_pages.max(other.all_mode_pages);
        self.elements.extend(other.elements);
    }

    pub(crate) fn insert(&mut self, page: DumpedPage, bytes: &[u8]) {
        self.pages.insert(page, bytes.to_vec());
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.pages.is_empty() && self.truncated.is_empty()
    }

    /// Adds what a command has returned, if it reads a page.
    pub fn record(&mut self, exchange: &Exchange) {
        let (cdb, data) = (exchange.cdb.as_slice(), exchange.data.as_slice());
        let page = DumpedPage::of_cdb(cdb);
        if !exchange.is_good() {
            if let (true, Some(page)) = (exchange.is_refused(), page) {
                self.refused.insert(page);
            }
            return;
        }
        match (cdb, page) {
            (_, Some(page)) => self.insert_whole(page, data),
            ([0x1a, _, code, subpage, ..], _) => self.mode_data(data, DataHeader::Short, (*code, *subpage)),
            ([opcode, ..], _) if *opcode == Opcode::READ_ELEMENT_STATUS.0 => elements::record(&mut self.elements, data),
            ([0x5a, _, code, subpage, ..], _) => self.mode_data(data, DataHeader::Long, (*code, *subpage)),
            _ => {}
        }
    }

    /// Adds a page if its data is complete.
    fn insert_whole(&mut self, page: DumpedPage, data: &[u8]) {
        let len = match (page, data) {
            (DumpedPage::Inquiry, [_, _, _, _, len, ..]) => usize::from(*len) + 5,
            (DumpedPage::Densities | DumpedPage::MediumTypes, [high, low, ..]) => {
                usize::from(u16::from_be_bytes([*high, *low])) + 2
            }
            (DumpedPage::Vpd(_) | DumpedPage::Log(_), [_, _, high, low, ..]) => {
                usize::from(u16::from_be_bytes([*high, *low])) + 4
            }
            _ => usize::MAX,
        };
        match data.get(..len) {
            Some(whole) => self.insert(page, whole),
            None => drop(self.truncated.insert(page)),
        }
    }

    /// Adds the pages of MODE SENSE data.
    fn mode_data(&mut self, data: &[u8], header: DataHeader, (code, subpage): (u8, u8)) {
        let control = ModeControl::from_bits(code >> 6);
        let Some(pages) = header.pages(data) else {
            if code & 0x3f != 0 {
                self.truncated.insert(DumpedPage::Mode(PageId { page: code & 0x3f, subpage }, control));
            }
            return;
        };
        if self.mode_pages(pages, control) && code & 0x3f == 0x3f && control == ModeControl::Current {
            self.all_mode_pages = self.all_mode_pages.max(Some(subpage));
        }
    }

    /// Adds mode pages without a header before them. Returns whether all bytes are pages.
    pub(crate) fn mode_pages(&mut self, mut pages: &[u8], control: ModeControl) -> bool {
        while let Some((id, len)) = mode_page(pages) {
            let Some((page, rest)) = pages.split_at_checked(len) else { break };
            self.insert(DumpedPage::Mode(id, control), page);
            pages = rest;
        }
        pages.is_empty()
    }

    /// Whether the device does not have a page that is not in the dump: it has refused it, or a list of the dump does not
    /// have it.
    pub(crate) fn excludes(&self, page: DumpedPage) -> bool {
        if self.pages.contains_key(&page) || self.truncated.contains(&page) {
            return false;
        }
        let lists = |list: DumpedPage| self.page(list).map(|page| page.get(4..).unwrap_or_default());
        let pairs = |body: &[u8], id: PageId| body.as_chunks::<2>().0.contains(&[id.page, id.subpage]);
        let listed = match page {
            DumpedPage::Vpd(code) => lists(DumpedPage::Vpd(0)).map(|codes| codes.contains(&code)),
            DumpedPage::Log(id) => {
                match (lists(DumpedPage::Log(LogId { page: 0, subpage: 0xff })), lists(DumpedPage::Log(LogId::page(0))))
                {
                    _ if page.is_list() => None,
                    (Some(body), _) => Some(pairs(body, id)),
                    (None, Some(body)) if id.subpage == 0 => Some(body.contains(&id.page)),
                    _ => None,
                }
            }
            DumpedPage::Mode(id, _) => self.all_mode_pages.filter(|all| *all != 0 || id.subpage == 0).map(|_| {
                let mut known = self.pages.keys();
                known.any(|page| matches!(page, DumpedPage::Mode(other, _) if *other == id))
            }),
            DumpedPage::Inquiry | DumpedPage::Densities | DumpedPage::MediumTypes => None,
        };
        self.refused.contains(&page) || listed == Some(false)
    }

    /// What READ ELEMENT STATUS has told about the elements, by their type code.
    pub(crate) const fn elements(&self) -> &BTreeMap<u8, ElementPage> {
        &self.elements
    }

    /// The unit serial number: VPD page 80h without blanks and zero bytes around it.
    pub(crate) fn serial(&self) -> Option<String> {
        let body = self.page(DumpedPage::Vpd(0x80))?.get(4..)?;
        let text = std::str::from_utf8(body).ok()?.trim_matches([' ', '\0']);
        (!text.is_empty()).then(|| text.to_owned())
    }
}

/// The header of MODE SENSE data.
#[derive(Clone, Copy)]
pub(crate) enum DataHeader {
    /// That of MODE SENSE(6), with 4 bytes.
    Short,
    /// That of MODE SENSE(10), with 8 bytes.
    Long,
}

impl DataHeader {
    /// The pages behind the header and the block descriptors; `None` if the data is not complete.
    pub(crate) fn pages(self, data: &[u8]) -> Option<&[u8]> {
        let (len, block, header) = match (self, data) {
            (Self::Short, [len, _, _, block, ..]) => (usize::from(*len) + 1, usize::from(*block), 4),
            (Self::Long, [high, low, _, _, _, _, b, c, ..]) => {
                let number = |high, low| usize::from(u16::from_be_bytes([high, low]));
                (number(*high, *low) + 2, number(*b, *c), 8)
            }
            _ => return None,
        };
        data.get(..len)?.get(header + block..)
    }
}

/// The identification and the length of the mode page that the bytes begin with.
pub(crate) fn mode_page(bytes: &[u8]) -> Option<(PageId, usize)> {
    match bytes {
        [page, subpage, high, low, ..] if page & 0x40 != 0 => {
            let id = PageId { page: page & 0x3f, subpage: *subpage };
            Some((id, usize::from(u16::from_be_bytes([*high, *low])) + 4))
        }
        [page, len, ..] if page & 0x40 == 0 => Some((PageId::page(page & 0x3f), usize::from(*len) + 2)),
        _ => None,
    }
}
