//! `[[library.drive.page]]` and `[[library.page]]`: pages of a unit that differ from those of its model.

use super::source::Source;
use super::values::required;
use crate::config::tables::{Number, PageTable, Tables, Text};
use crate::config::{ConfigError, DriveSetup, UnitNames};
use scsi_core::data::Data;
use scsi_core::identity::{Identity, InquiryStrings};
use scsi_core::log::LogId;
use scsi_core::lu::SavedState;
use scsi_core::mode::PageId;
use scsi_core::nexus::{NexusId, TransportId};
use scsi_core::page_override::{MEDIUM_CHANGER, ModeValues, OverriddenPage, PageChange, PageOverride, PageOverrides};
use scsi_core::port::TargetPort;
use scsi_core::status::Status;
use scsi_core::target::{LogicalUnit, Request, TransportEvent};
use scsi_core::time::Now;
use scsi_core::vpd::{DEVICE_ID_83, PORTS_88, SERIAL_80};
use smc::changer::Changer;
use smc::element::{ElementAddress, ElementLayout};
use smc::profile::ChangerProfile;
use ssc::drive::{Drive, DriveConfig};
use std::collections::BTreeMap;
use std::io::IoSliceMut;
use toml::Spanned;

/// The key of the pages of a changer.
const CHANGER_PAGE: &str = "library.page";

/// An override with the place of its table, and that of its bytes.
pub(super) struct PlacedPage {
    table: usize,
    bytes: usize,
    page: PageOverride,
}

/// The overrides of a unit with this PERIPHERAL DEVICE TYPE. `key` is the name of the table.
pub(super) fn pages(
    source: &Source<'_>,
    key: &str,
    tables: Option<Tables<PageTable>>,
    device_type: u8,
) -> Result<Vec<PlacedPage>, ConfigError> {
    let mut pages = Vec::new();
    let mut lengths: BTreeMap<PageId, usize> = BTreeMap::new();
    for table in tables.unwrap_or_default() {
        let at = table.span().start;
        let table = table.into_inner();
        let name = page(source, key, &table, at)?;
        let change = change(source, key, &table, at)?;
        let place = |text: Option<usize>| text.unwrap_or(at);
        let bytes = place(table.bytes.as_ref().map(|bytes| bytes.span().start));
        if let (OverriddenPage::Mode(id, _), PageChange::Whole(page)) = (name, &change)
            && *lengths.entry(id).or_insert(page.len()) != page.len()
        {
            let (len, before) = (page.len(), lengths.get(&id).copied().unwrap_or_default());
            let message = format!("{name} has {len} bytes here, and {before} in a table before");
            return Err(source.error(bytes, &format!("{key}.bytes"), message));
        }
        let (column, at_change) = match &change {
            PageChange::Absent => ("absent", place(table.absent.as_ref().map(|absent| absent.span().start))),
            PageChange::Whole(_) => ("bytes", bytes),
            PageChange::Bytes { .. } => ("offset", place(table.offset.as_ref().map(|offset| offset.span().start))),
        };
        let page = PageOverride::new(name, change, device_type)
            .map_err(|error| source.error(at_change, &format!("{key}.{column}"), format!("{name}: {error}")))?;
        pages.push(PlacedPage { table: at, bytes, page });
    }
    Ok(pages)
}

/// The page that a table is about.
fn page(source: &Source<'_>, key: &str, table: &PageTable, at: usize) -> Result<OverriddenPage, ConfigError> {
    let kind = required(source, &table.kind, &format!("{key}.kind"), at)?;
    let values = mode_values(source, key, &table.values)?;
    let name = kind.get_ref().as_str();
    let refused = |number: &Number, column: &str| match number {
        Some(number) => {
            let message = format!("does not apply to the kind {name:?}");
            Err(source.error(number.span().start, &format!("{key}.{column}"), message))
        }
        None => Ok(()),
    };
    let code = |most: u8| match &table.code {
        Some(code) => byte(source, code, &format!("{key}.code"), most),
        None => Err(source.error(at, &format!("{key}.code"), format!("is required for the kind {name:?}"))),
    };
    let subpage =
        || table.subpage.as_ref().map_or(Ok(0), |subpage| byte(source, subpage, &format!("{key}.subpage"), u8::MAX));
    if let (Some(values), true) = (&table.values, name != "mode") {
        let message = format!("does not apply to the kind {name:?}");
        return Err(source.error(values.span().start, &format!("{key}.values"), message));
    }
    if let Some((_, page)) = WITHOUT_CODE.into_iter().find(|(kind, _)| *kind == name) {
        refused(&table.code, "code")?;
        refused(&table.subpage, "subpage")?;
        return Ok(page);
    }
    match name {
        "vpd" => {
            refused(&table.subpage, "subpage")?;
            code(u8::MAX).map(OverriddenPage::Vpd)
        }
        // Page 3Fh and subpage FFh request all pages.
        "mode" => Ok(OverriddenPage::Mode(PageId { page: code(MAX_PAGE - 1)?, subpage: subpage()? }, values)),
        "log" => Ok(OverriddenPage::Log(LogId { page: code(MAX_PAGE)?, subpage: subpage()? })),
        other => {
            let message =
                format!("{other:?} is not one of inquiry, vpd, mode, mode-header, log, densities, medium-types");
            Err(source.error(kind.span().start, &format!("{key}.kind"), message))
        }
    }
}

/// Kinds of data without a page code.
const WITHOUT_CODE: [(&str, OverriddenPage); 4] = [
    ("inquiry", OverriddenPage::Inquiry),
    ("mode-header", OverriddenPage::ModeHeader),
    ("densities", OverriddenPage::Densities),
    ("medium-types", OverriddenPage::MediumTypes),
];

/// The highest PAGE CODE of log pages; mode pages have one less.
const MAX_PAGE: u8 = 0x3f;

fn byte(source: &Source<'_>, number: &Spanned<u16>, key: &str, most: u8) -> Result<u8, ConfigError> {
    let value = *number.get_ref();
    u8::try_from(value).ok().filter(|byte| *byte <= most).ok_or_else(|| {
        source.error(number.span().start, key, format!("0x{value:02x} is too high; expected at most 0x{most:02x}"))
    })
}

fn mode_values(source: &Source<'_>, key: &str, text: &Text) -> Result<ModeValues, ConfigError> {
    let Some(text) = text else { return Ok(ModeValues::All) };
    let known = ModeValues::NAMES.into_iter().find(|(name, _)| name == text.get_ref());
    known.map(|(_, values)| values).ok_or_else(|| {
        let names = ModeValues::NAMES.map(|(name, _)| name).join(", ");
        let message = format!("{:?} is not one of {names}", text.get_ref());
        source.error(text.span().start, &format!("{key}.values"), message)
    })
}

/// The change that a table makes to its page.
fn change(source: &Source<'_>, key: &str, table: &PageTable, at: usize) -> Result<PageChange, ConfigError> {
    let absent = table.absent.as_ref().is_some_and(|absent| *absent.get_ref());
    if absent {
        let excluded = [
            ("bytes", table.bytes.as_ref().map(Spanned::span)),
            ("offset", table.offset.as_ref().map(Spanned::span)),
            ("values", table.values.as_ref().map(Spanned::span)),
        ];
        if let Some((column, span)) = excluded.into_iter().find_map(|(name, span)| Some((name, span?))) {
            return Err(source.error(span.start, &format!("{key}.{column}"), "a page with absent = true has none"));
        }
        return Ok(PageChange::Absent);
    }
    let text = required(source, &table.bytes, &format!("{key}.bytes"), at)?;
    let bytes =
        hex(text.get_ref()).map_err(|message| source.error(text.span().start, &format!("{key}.bytes"), message))?;
    Ok(match &table.offset {
        None => PageChange::Whole(bytes),
        Some(offset) => PageChange::Bytes { offset: (*offset.get_ref()).into(), bytes },
    })
}

/// The bytes of hexadecimal digits, between which there may be blanks and line breaks.
fn hex(text: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    for word in text.split_ascii_whitespace() {
        if let Some(other) = word.chars().find(|c| !c.is_ascii_hexdigit()) {
            return Err(format!("{other:?} is not a hexadecimal digit"));
        }
        if !word.len().is_multiple_of(2) {
            return Err(format!("{word:?} has an odd number of digits; a byte has two"));
        }
        bytes.extend(word.as_bytes().chunks(2).filter_map(|pair| {
            let pair = std::str::from_utf8(pair).ok()?;
            u8::from_str_radix(pair, 16).ok()
        }));
    }
    if bytes.is_empty() { Err("there are no bytes".into()) } else { Ok(bytes) }
}

/// The overrides of a drive, which exist in its model and fit its pages. Several drives cannot have one identification.
pub(super) fn check_drive_pages(
    source: &Source<'_>,
    pages: Vec<PlacedPage>,
    drive: &DriveSetup,
    count: u16,
) -> Result<PageOverrides, ConfigError> {
    let names_unit = |page: &PlacedPage| {
        matches!(page.page.page(), OverriddenPage::Vpd(SERIAL_80 | DEVICE_ID_83))
            && *page.page.change() != PageChange::Absent
    };
    if let (Some(page), true) = (pages.iter().find(|page| names_unit(page)), count > 1) {
        let message = format!("{} identifies one drive, and drive.count is {count}", page.page.page());
        return Err(source.error(page.table, "drive.page", message));
    }
    check_pages(source, "drive.page", pages, drive.profile.name(), |overrides| {
        let identity = identity(&drive.strings, &drive.names, overrides);
        Box::new(Drive::new(drive.profile, identity, DriveConfig::default(), SavedState::default()))
    })
}

/// The overrides of a changer, which exist in its model and fit its pages.
pub(super) fn changer_pages(
    source: &Source<'_>,
    tables: Option<Tables<PageTable>>,
    (changer, layout): (&'static ChangerProfile, ElementLayout),
    strings: &InquiryStrings,
    names: &UnitNames,
) -> Result<PageOverrides, ConfigError> {
    let pages = pages(source, CHANGER_PAGE, tables, MEDIUM_CHANGER)?;
    // As long as that of the unit, whichever number its library has.
    let number = names.serial.clone().unwrap_or_else(generated_serial);
    let serial = changer.unit_serial(&number, 0, ElementAddress(layout.storage.first));
    let names = UnitNames { serial: Some(serial), ..names.clone() };
    check_pages(source, CHANGER_PAGE, pages, changer.name, |overrides| {
        let elements = smc::library::Library::new(layout, changer.capabilities, Vec::new());
        Box::new(Changer::new(changer, identity(strings, &names, overrides), elements, SavedState::default()))
    })
}

/// A serial number that is as long as a generated one.
fn generated_serial() -> String {
    "0".repeat(10)
}

/// The identity of a unit with these overrides, for the check.
fn identity(strings: &InquiryStrings, names: &UnitNames, overrides: PageOverrides) -> Identity {
    let serial = names.serial.clone().unwrap_or_else(generated_serial);
    Identity::new(strings.clone(), serial, 0, TargetPort::ISCSI).with_pages(overrides)
}

/// Checks on a unit that the bytes at offsets are in pages that it has, and not behind their end.
fn check_pages(
    source: &Source<'_>,
    key: &str,
    pages: Vec<PlacedPage>,
    model: &str,
    unit: impl FnOnce(PageOverrides) -> Box<dyn LogicalUnit>,
) -> Result<PageOverrides, ConfigError> {
    let overrides = PageOverrides::from(pages.iter().map(|page| page.page.clone()).collect::<Vec<_>>());
    let parts = || pages.iter().filter(|page| matches!(page.page.change(), PageChange::Bytes { .. }));
    if parts().next().is_none() {
        return Ok(overrides);
    }
    let mut unit = unit(overrides.clone());
    let (nexus, port) = (NexusId(1), TransportId::local(1));
    unit.handle_event(TransportEvent::NexusEstablished { nexus, port, reestablished: false }, Now::default());
    for placed in parts() {
        let PageChange::Bytes { offset, bytes } = placed.page.change() else { continue };
        let page = placed.page.page();
        let Some(len) = page_len(&mut *unit, nexus, page) else {
            let message = format!("{model} has no {page}; without offset, bytes add the whole page");
            return Err(source.error(placed.table, key, message));
        };
        let end = offset.saturating_add(bytes.len());
        if end > len && !depends_on_state(page) {
            let message = format!("byte {} is behind the end of {page}, which has {len} bytes", end - 1);
            return Err(source.error(placed.bytes, &format!("{key}.bytes"), message));
        }
    }
    Ok(overrides)
}

/// Whether the length of a page depends on the medium, or on the target port.
const fn depends_on_state(page: OverriddenPage) -> bool {
    matches!(page, OverriddenPage::Log(_) | OverriddenPage::Vpd(DEVICE_ID_83 | PORTS_88))
}

/// Number of bytes of a page; `None` if the unit does not have it.
fn page_len(unit: &mut dyn LogicalUnit, nexus: NexusId, page: OverriddenPage) -> Option<usize> {
    const MODE_HEADER: usize = 8;
    const MODE_HEADER_6: usize = 4;
    let (cdb, header) = match page {
        OverriddenPage::Inquiry => ([0x12, 0, 0, 0xff, 0xff, 0, 0, 0, 0, 0], 0),
        OverriddenPage::Densities => ([0x44, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0], 0),
        OverriddenPage::MediumTypes => ([0x44, 2, 0, 0, 0, 0, 0, 0xff, 0xff, 0], 0),
        OverriddenPage::Vpd(code) => ([0x12, 1, code, 0xff, 0xff, 0, 0, 0, 0, 0], 0),
        OverriddenPage::Mode(PageId { page, subpage }, _) => {
            ([0x5a, 0x08, page, subpage, 0, 0, 0, 0xff, 0xff, 0], MODE_HEADER)
        }
        OverriddenPage::ModeHeader => ([0x5a, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0], 0),
        OverriddenPage::Log(PageId { page, subpage }) => ([0x4d, 0, 0x40 | page, subpage, 0, 0, 0, 0xff, 0xff, 0], 0),
    };
    match (data_len(unit, nexus, &cdb), page) {
        (Some(len), _) => Some(len.saturating_sub(header)),
        // A model without MODE SENSE(10).
        (None, OverriddenPage::Mode(PageId { page, subpage }, _)) => {
            let len = data_len(unit, nexus, &[0x1a, 0x08, page, subpage, 0xff, 0])?;
            Some(len.saturating_sub(MODE_HEADER_6))
        }
        (None, OverriddenPage::ModeHeader) => Some(usize::MAX),
        (None, _) => None,
    }
}

/// Number of bytes that a command returns; `None` unless it ends with GOOD. Unit attentions are taken.
fn data_len(unit: &mut dyn LogicalUnit, nexus: NexusId, cdb: &[u8]) -> Option<usize> {
    let mut buffer = vec![0; 0xffff];
    for _ in 0..=ATTENTIONS {
        let mut buffers = [IoSliceMut::new(&mut buffer)];
        let completion = unit.execute(&Request::new(nexus, cdb, Now::default()), Data::new(&[], &mut buffers));
        if completion.status == Status::GOOD {
            return Some(completion.data_in);
        }
    }
    None
}

/// Most unit attentions that a unit has after power-on.
const ATTENTIONS: usize = 4;
