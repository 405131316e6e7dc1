//! Pages of one unit that differ from those of its model: INQUIRY data, VPD pages, mode pages and log pages of which the
//! owner of the unit sets all bytes, or some.
//!
//! Everything that an override does not say keeps the current value of the device. The headers that clients use to find
//! their way in the data (PAGE CODE, SUBPAGE CODE, the length, and PERIPHERAL DEVICE TYPE) always agree with the data:
//! [`PageOverride::new`] refuses bytes that do not.

use crate::inquiry::{ADDITIONAL_LENGTH, MIN_LENGTH};
use crate::log::LogId;
use crate::mode::{PageControl, PageId};
use std::fmt;

/// The data that an override changes: one page, or data without a page code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OverriddenPage {
    /// Standard INQUIRY data (SPC-4 §6.6.2).
    Inquiry,
    /// The VPD page with this PAGE CODE (SPC-4 §7.8).
    Vpd(u8),
    /// Some values of a mode page (SPC-4 §7.5).
    Mode(PageId, ModeValues),
    /// The mode parameter header with its block descriptor, as MODE SENSE(10) returns them (SPC-4 §7.5.5).
    ModeHeader,
    /// A log page (SPC-4 §7.3).
    Log(LogId),
    /// Data of REPORT DENSITY SUPPORT for all media with MEDIUM TYPE=0: the densities (SSC-4 §7.9.3). Only drives have it.
    Densities,
    /// The same with MEDIUM TYPE=1: the medium types (SSC-4 §7.9.4). Only drives have it.
    MediumTypes,
}

impl fmt::Display for OverriddenPage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut code = |name: &str, PageId { page, subpage }: PageId| match subpage {
            0 => write!(f, "{name} page {page:02X}h"),
            _ => write!(f, "{name} page {page:02X}h/{subpage:02X}h"),
        };
        match *self {
            Self::Vpd(page) => code("VPD", PageId::page(page)),
            Self::Mode(id, _) => code("mode", id),
            Self::Log(id) => code("log", id),
            Self::Inquiry => f.write_str("standard INQUIRY data"),
            Self::ModeHeader => f.write_str("the mode parameter header"),
            Self::Densities => f.write_str("REPORT DENSITY SUPPORT data"),
            Self::MediumTypes => f.write_str("REPORT DENSITY SUPPORT data with medium types"),
        }
    }
}

/// The values of a mode page that an override changes, as PAGE CONTROL of MODE SENSE selects them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ModeValues {
    /// The current, default and saved values.
    #[default]
    All,
    /// The current values after power-on, unless a host has saved others.
    Current,
    /// The mask of the bits that MODE SELECT may change.
    Changeable,
    /// The default values, which MODE SENSE returns for PC=10b.
    Default,
    /// The saved values, until a host saves others.
    Saved,
}

impl ModeValues {
    /// Each of the values, with its name in a configuration.
    pub const NAMES: [(&'static str, Self); 5] = [
        ("all", Self::All),
        ("current", Self::Current),
        ("changeable", Self::Changeable),
        ("default", Self::Default),
        ("saved", Self::Saved),
    ];

    /// Whether MODE SENSE returns these values for this PAGE CONTROL.
    #[must_use]
    pub fn include(self, control: PageControl) -> bool {
        match self {
            Self::All => control != PageControl::Changeable,
            Self::Current => control == PageControl::Current,
            Self::Changeable => control == PageControl::Changeable,
            Self::Default => control == PageControl::Default,
            Self::Saved => control == PageControl::Saved,
        }
    }
}

/// The change that an override makes to its data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PageChange {
    /// The unit does not have the page, and lists it nowhere.
    Absent,
    /// The page has exactly these bytes, header included. A page that the model does not have is added, and listed.
    Whole(Vec<u8>),
    /// The page has these bytes from an offset on, counted from its first byte. Bytes behind the end of the page are not
    /// returned.
    Bytes {
        /// Offset of the first byte.
        offset: usize,
        /// The bytes from there on.
        bytes: Vec<u8>,
    },
}

impl PageChange {
    /// Offset and bytes of the change; none for a page that is absent.
    fn bytes(&self) -> (usize, &[u8]) {
        match self {
            Self::Absent => (0, &[]),
            Self::Whole(bytes) => (0, bytes),
            Self::Bytes { offset, bytes } => (*offset, bytes),
        }
    }
}

/// An override of one page, whose headers agree with its data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageOverride {
    page: OverriddenPage,
    change: PageChange,
}

/// Reason why an override is not accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PageOverrideError {
    /// A page that every unit has, or that only lists others, cannot be absent.
    Required,
    /// There are no bytes to put at the offset.
    Empty,
    /// A page has fewer bytes than its header.
    TooShort {
        /// Number of bytes that are given.
        len: usize,
        /// Number of bytes that are needed at least.
        header: usize,
    },
    /// A field of the header is not that of the page.
    Field {
        /// Offset of the field.
        offset: usize,
        /// Name of the field.
        name: &'static str,
        /// The value that is given.
        found: usize,
        /// The value that agrees with the page.
        expected: usize,
    },
    /// The bytes from an offset on are a part of the header of the page.
    Header {
        /// Offset of the byte in the header.
        offset: usize,
        /// Name of the field.
        name: &'static str,
    },
    /// Only tape drives return the data.
    OnlyDrives,
    /// The bytes from an offset on reach behind the end of the data.
    Behind {
        /// Offset of the last byte that is given.
        last: usize,
        /// Number of bytes of the data.
        len: usize,
    },
}

impl fmt::Display for PageOverrideError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Required => f.write_str("this page cannot be absent"),
            Self::Empty => f.write_str("there are no bytes"),
            Self::OnlyDrives => f.write_str("only a drive has it"),
            Self::TooShort { len, header } => write!(f, "{len} bytes are no page: its header has {header}"),
            Self::Field { offset, name, found, expected } => {
                write!(f, "byte {offset} ({name}) is {found:02X}h; expected {expected:02X}h")
            }
            Self::Header { offset, name } => {
                write!(f, "byte {offset} ({name}) is a part of the header; give the whole page to change it")
            }
            Self::Behind { last, len } => write!(f, "byte {last} is behind the end: there are {len} bytes"),
        }
    }
}

impl std::error::Error for PageOverrideError {}

/// PERIPHERAL QUALIFIER and PERIPHERAL DEVICE TYPE.
const DEVICE_TYPE: &str = "PERIPHERAL DEVICE TYPE";
const PAGE_CODE: &str = "PAGE CODE";
const SUBPAGE_CODE: &str = "SUBPAGE CODE";
const PAGE_LENGTH: &str = "PAGE LENGTH";
const DENSITY_LENGTH: &str = "AVAILABLE DENSITY SUPPORT LENGTH";
/// PERIPHERAL DEVICE TYPE of tape drives.
pub const TAPE_DRIVE: u8 = 0x01;
/// PERIPHERAL DEVICE TYPE of medium changers.
pub const MEDIUM_CHANGER: u8 = 0x08;
/// PS of a mode page, and DS of a log page.
const PS: u8 = 0x80;
/// SPF: the page has a subpage code.
const SPF: u8 = 0x40;
/// Bytes of the mode parameter header of MODE SENSE(10), and with a block descriptor.
const MODE_HEADER: usize = 8;
const MODE_HEADER_WITH_BLOCK: usize = MODE_HEADER + 8;

/// The value at an offset of the header, its name, and what it must be. Both are numbers of one or two bytes.
struct HeaderField(usize, &'static str, usize, usize);

impl HeaderField {
    const fn check(&self) -> Result<(), PageOverrideError> {
        let Self(offset, name, found, expected) = *self;
        if found == expected { Ok(()) } else { Err(PageOverrideError::Field { offset, name, found, expected }) }
    }
}

impl OverriddenPage {
    /// Number of bytes of the header of the page.
    const fn header_len(self) -> usize {
        match self {
            Self::Inquiry => MIN_LENGTH,
            Self::Mode(PageId { subpage: 0, .. }, _) => 2,
            Self::Mode(..) | Self::Vpd(_) | Self::Log(_) | Self::Densities | Self::MediumTypes => 4,
            Self::ModeHeader => MODE_HEADER,
        }
    }

    /// Name of the field of the header at an offset, if its value depends on the rest of the data.
    const fn header_field(self, offset: usize) -> Option<&'static str> {
        match (self, offset) {
            (Self::Inquiry | Self::Vpd(_), 0) => Some(DEVICE_TYPE),
            (Self::Inquiry, ADDITIONAL_LENGTH) => Some("ADDITIONAL LENGTH"),
            (Self::Vpd(_), 1) | (Self::Mode(..) | Self::Log(_), 0) => Some(PAGE_CODE),
            (Self::Mode(PageId { subpage: 0, .. }, _), 1) | (Self::Vpd(_) | Self::Mode(..) | Self::Log(_), 2..=3)
                if offset < self.header_len() =>
            {
                Some(PAGE_LENGTH)
            }
            (Self::Mode(PageId { subpage: 1.., .. }, _) | Self::Log(_), 1) => Some(SUBPAGE_CODE),
            (Self::ModeHeader, 0..=1) => Some("MODE DATA LENGTH"),
            (Self::Densities | Self::MediumTypes, 0..=1) => Some(DENSITY_LENGTH),
            (Self::ModeHeader, 4) => Some("LONGLBA"),
            (Self::ModeHeader, 6..=7) => Some("BLOCK DESCRIPTOR LENGTH"),
            _ => None,
        }
    }

    /// Whether every unit has the page.
    fn is_required(self) -> bool {
        matches!(self, Self::Inquiry | Self::ModeHeader | Self::Vpd(0) | Self::Densities)
            || self == Self::Log(LogId::page(0))
    }

    /// Checks that the header of a whole page agrees with its data.
    fn check_whole(self, device_type: u8, bytes: &[u8]) -> Result<(), PageOverrideError> {
        let len = bytes.len();
        let too_short = PageOverrideError::TooShort { len, header: self.header_len() };
        let [byte_0, byte_1, byte_2, byte_3, byte_4] = match bytes {
            _ if len < self.header_len() => return Err(too_short),
            [a, b, c, d, e, ..] => [*a, *b, *c, *d, *e],
            [a, b, c, d] => [*a, *b, *c, *d, 0],
            [a, b, c] => [*a, *b, *c, 0, 0],
            [a, b] => [*a, *b, 0, 0, 0],
            _ => return Err(too_short),
        };
        let device = HeaderField(0, DEVICE_TYPE, byte_0.into(), device_type.into());
        let long = HeaderField(2, PAGE_LENGTH, u16::from_be_bytes([byte_2, byte_3]).into(), len.saturating_sub(4));
        let code = |PageId { page, subpage }: PageId| {
            let spf = if subpage == 0 { 0 } else { SPF };
            HeaderField(0, PAGE_CODE, (byte_0 & !PS).into(), (page | spf).into())
        };
        let fields = match self {
            Self::Inquiry => {
                vec![device, HeaderField(ADDITIONAL_LENGTH, "ADDITIONAL LENGTH", byte_4.into(), len.saturating_sub(5))]
            }
            Self::Vpd(page) => vec![device, HeaderField(1, PAGE_CODE, byte_1.into(), page.into()), long],
            Self::Mode(id @ PageId { subpage: 0, .. }, _) => {
                vec![code(id), HeaderField(1, PAGE_LENGTH, byte_1.into(), len.saturating_sub(2))]
            }
            Self::Mode(id, _) | Self::Log(id) => {
                vec![code(id), HeaderField(1, SUBPAGE_CODE, byte_1.into(), id.subpage.into()), long]
            }
            Self::Densities | Self::MediumTypes => {
                let given = u16::from_be_bytes([byte_0, byte_1]).into();
                vec![HeaderField(0, DENSITY_LENGTH, given, len.saturating_sub(2))]
            }
            Self::ModeHeader => return Err(PageOverrideError::Header { offset: 0, name: "MODE DATA LENGTH" }),
        };
        fields.iter().try_for_each(HeaderField::check)
    }
}

impl PageOverride {
    /// An override of a page of a unit with this PERIPHERAL DEVICE TYPE (01h or 08h).
    ///
    /// # Errors
    /// The header of a whole page does not agree with its data; bytes from an offset on include a field of the header that
    /// depends on the data; a page that every unit has would be absent; only drives have the data.
    pub fn new(page: OverriddenPage, change: PageChange, device_type: u8) -> Result<Self, PageOverrideError> {
        let only_drives = matches!(page, OverriddenPage::Densities | OverriddenPage::MediumTypes);
        if only_drives && device_type != TAPE_DRIVE {
            return Err(PageOverrideError::OnlyDrives);
        }
        match &change {
            PageChange::Absent if page.is_required() => return Err(PageOverrideError::Required),
            PageChange::Absent => {}
            PageChange::Whole(bytes) => page.check_whole(device_type, bytes)?,
            PageChange::Bytes { bytes, .. } if bytes.is_empty() => return Err(PageOverrideError::Empty),
            PageChange::Bytes { offset, bytes } => {
                let end = offset.saturating_add(bytes.len());
                let field = |at| page.header_field(at).map(|name| PageOverrideError::Header { offset: at, name });
                // The longest header has 8 bytes.
                if let Some(error) = (*offset..end.min(MODE_HEADER)).find_map(field) {
                    return Err(error);
                }
                if page == OverriddenPage::ModeHeader && end > MODE_HEADER_WITH_BLOCK {
                    return Err(PageOverrideError::Behind { last: end - 1, len: MODE_HEADER_WITH_BLOCK });
                }
            }
        }
        Ok(Self { page, change })
    }

    /// The data that this override changes.
    #[must_use]
    pub const fn page(&self) -> OverriddenPage {
        self.page
    }

    /// The change of that data.
    #[must_use]
    pub const fn change(&self) -> &PageChange {
        &self.change
    }
}

/// The overrides of one unit, in the order in which they are applied: a later one changes what an earlier one has set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PageOverrides(Vec<PageOverride>);

impl From<Vec<PageOverride>> for PageOverrides {
    fn from(overrides: Vec<PageOverride>) -> Self {
        Self(overrides)
    }
}

impl PageOverrides {
    /// The overrides, in the order in which they are applied.
    pub fn iter(&self) -> std::slice::Iter<'_, PageOverride> {
        self.0.iter()
    }

    /// Whether every page is that of the model.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn changes(&self, page: OverriddenPage) -> impl Iterator<Item = &PageChange> {
        self.0.iter().filter(move |change| change.page == page).map(|change| &change.change)
    }

    /// Whether a page is overridden in any way.
    #[must_use]
    pub(crate) fn has(&self, page: OverriddenPage) -> bool {
        self.changes(page).next().is_some()
    }

    /// Whether a page is given whole, and so is one of the unit even if it is not one of the model.
    #[must_use]
    pub(crate) fn adds(&self, page: OverriddenPage) -> bool {
        self.changes(page).any(|change| matches!(change, PageChange::Whole(_)))
    }

    /// Whether the unit does not have a page.
    #[must_use]
    pub fn removes(&self, page: OverriddenPage) -> bool {
        self.changes(page).any(|change| *change == PageChange::Absent)
    }

    /// A page with the overrides applied to it.
    #[must_use]
    pub fn apply(&self, page: OverriddenPage, mut data: Vec<u8>) -> Vec<u8> {
        for change in self.changes(page) {
            if let PageChange::Whole(bytes) = change {
                data.clone_from(bytes);
            } else {
                let (offset, bytes) = change.bytes();
                patch(&mut data, offset, bytes, |_| 0xff);
            }
        }
        data
    }

    /// The pages of a list, ascending, with the added ones and without the absent ones. `page` is the
    /// override of an entry, `added` the entry of an override.
    #[must_use]
    pub(crate) fn list<T: Copy + Ord>(
        &self,
        pages: &[T],
        page: impl Fn(T) -> OverriddenPage,
        added: impl Fn(OverriddenPage) -> Option<T>,
    ) -> Vec<T> {
        let mut list = pages.to_vec();
        let whole = self.0.iter().filter(|change| matches!(change.change, PageChange::Whole(_)));
        list.extend(whole.filter_map(|change| added(change.page)));
        list.retain(|entry| !self.removes(page(*entry)));
        list.sort_unstable();
        list.dedup();
        list
    }

    /// The mode pages that the overrides add: identifiers and bytes of those given whole.
    pub(crate) fn whole_mode_pages(&self) -> impl Iterator<Item = (PageId, ModeValues, &[u8])> {
        self.0.iter().filter_map(|change| match (change.page, &change.change) {
            (OverriddenPage::Mode(id, values), PageChange::Whole(bytes)) => Some((id, values, bytes.as_slice())),
            _ => None,
        })
    }

    /// Whether a mode page is absent.
    pub(crate) fn removes_mode_page(&self, id: PageId) -> bool {
        ModeValues::NAMES.iter().any(|(_, values)| self.removes(OverriddenPage::Mode(id, *values)))
    }

    /// Overrides those bits of a mode page with the values for `control` that `mask` of its offset selects.
    pub(crate) fn patch_mode_page(
        &self,
        id: PageId,
        control: PageControl,
        page: &mut [u8],
        mask: impl Fn(usize) -> u8 + Copy,
    ) {
        for change in &self.0 {
            if let OverriddenPage::Mode(changed, values) = change.page
                && changed == id
                && values.include(control)
            {
                let (offset, bytes) = change.change.bytes();
                patch(page, offset, bytes, mask);
            }
        }
    }
}

impl<'a> IntoIterator for &'a PageOverrides {
    type Item = &'a PageOverride;
    type IntoIter = std::slice::Iter<'a, PageOverride>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// Replaces the bits of a page that `mask` of their offset selects, as far as the page has bytes.
fn patch(page: &mut [u8], offset: usize, bytes: &[u8], mask: impl Fn(usize) -> u8) {
    for (at, (slot, byte)) in page.iter_mut().skip(offset).zip(bytes).enumerate() {
        let mask = mask(offset + at);
        *slot = *slot & !mask | byte & mask;
    }
}
