//! Makes tables of a configuration from the pages of a device: its model, its names, and the pages in which it differs.

use crate::dump::{Dump, DumpedPage, ModeControl};
use crate::elements;
use crate::twin::{self, DeviceType};
use scsi_core::mode::PageId;
use scsi_core::page_override::{ModeValues, OverriddenPage, PageChange, PageOverride, PageOverrideError};
use smc::profile::{ChangerProfile, VpdNaming};
use ssc::profile::DriveProfile;
use std::collections::BTreeSet;
use std::fmt::Write;
use vtl::config::PageTable;

/// What [`import()`] makes of a dump: the choices of the user.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ImportOptions {
    /// Model of the device in the configuration; that with the product identification of the dump if `None`.
    pub model: Option<String>,
    /// Leave out the log pages that the model has with the same parameters, so that their values remain those of the twin.
    pub live_logs: bool,
}

impl ImportOptions {
    /// The same choices with another model.
    #[must_use]
    pub fn with_model(self, model: Option<String>) -> Self {
        Self { model, ..self }
    }

    /// The same choices with live log pages.
    #[must_use]
    pub fn with_live_logs(self, live_logs: bool) -> Self {
        Self { live_logs, ..self }
    }
}

/// Tables of a configuration that make a twin of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Import {
    /// `[[library.drive]]`, or `[[library]]` for a changer, with the tables of the pages. It is a configuration by itself.
    pub configuration: String,
    /// Pages that the twin does not return as the device does, and pages that were left out.
    pub notes: Vec<String>,
}

/// The pages cannot be those of a device of a configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// There are neither INQUIRY data nor the name of a model.
    #[error("has no standard INQUIRY data; name the model of the device with --model")]
    NoIdentity,
    /// The device is neither a tape drive nor a changer.
    #[error("is of a device of type {0:02X}h; expected a tape drive (01h) or a changer (08h)")]
    DeviceType(u8),
    /// No model has the name.
    #[error("{what} is not a model of a {kind}; choose the nearest one with --model: {known}")]
    Model {
        /// The product identification of the device, or the name of a model as the user gave it.
        what: String,
        /// `drive` or `changer`.
        kind: &'static str,
        /// The names of the models.
        known: String,
    },
    /// The header of a page does not agree with its data.
    #[error("{page}: {error}")]
    Page {
        /// The page in the dump.
        page: DumpedPage,
        /// The field of the header, and what is expected.
        error: PageOverrideError,
    },
    /// The configuration cannot be opened.
    #[error("{0}")]
    Configuration(String),
}

/// The model of a device.
#[derive(Clone, Copy)]
enum Model {
    Drive(&'static DriveProfile),
    Changer(&'static ChangerProfile),
}

/// Most rounds in which the pages of the twin are compared with those of the dump. The first one leaves out the lists of
/// pages, which mostly follow.
const ROUNDS: usize = 3;

/// Makes the tables of a twin of the device whose pages a dump has. The twin is created in memory, and its pages are compared
/// with those of the dump.
///
/// # Errors
/// No model is known, or a page of the dump is not valid.
pub fn import(dump: &Dump, options: &ImportOptions) -> Result<Import, ImportError> {
    let model = Model::find(dump, options)?;
    let head = model.head(dump);
    let (mut overrides, mut notes): (Vec<PageOverride>, Vec<String>) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let twin = model.twin(&head, dump, &overrides)?;
        let found = Comparison { dump, twin: &twin, options, round }.overrides(model.device_type())?;
        if found.is_empty() && round > 0 {
            break;
        }
        overrides.extend(found);
    }
    let twin = model.twin(&head, dump, &overrides)?;
    let differs = |page: DumpedPage, bytes: &[u8]| {
        twin.page(page) != Some(bytes) && !(options.live_logs && matches!(page, DumpedPage::Log(_)))
    };
    let other = dump.pages().filter(|(page, bytes)| differs(*page, bytes));
    notes.extend(other.map(|(page, _)| format!("{page}: the twin does not return the bytes of the dump")));
    notes.extend(dump.truncated().map(|page| format!("{page}: left out, because the dump has only its first bytes")));
    let comments = match model {
        Model::Drive(_) => String::new(),
        Model::Changer(_) => elements::comments(dump, &twin),
    };
    Ok(Import { configuration: comments + &model.configuration(&head, &overrides), notes })
}

impl Model {
    fn find(dump: &Dump, options: &ImportOptions) -> Result<Self, ImportError> {
        let first = dump.page(DumpedPage::Inquiry).or_else(|| {
            let mut pages = dump.pages();
            pages.find_map(|(page, bytes)| matches!(page, DumpedPage::Vpd(_)).then_some(bytes))
        });
        let device_type = first.and_then(|bytes| bytes.first()).map(|first| first & 0x1f);
        let name = match (&options.model, dump.page(DumpedPage::Inquiry)) {
            (Some(name), _) => name.clone(),
            (None, Some(inquiry)) => text(inquiry, 16, 16),
            (None, None) => return Err(ImportError::NoIdentity),
        };
        let drive = || ssc::profile::ALL.iter().copied().find(|profile| profile.name() == name);
        let changer = || {
            let all = smc::profile::ALL.iter().copied();
            let has_name = |profile: &&ChangerProfile| match &options.model {
                Some(name) => profile.name == name,
                None => profile.model.product.trim_end() == name,
            };
            all.clone().find(has_name)
        };
        match device_type {
            Some(0x01) => drive().map(Self::Drive).ok_or_else(|| unknown(&name, "drive")),
            Some(0x08) => changer().map(Self::Changer).ok_or_else(|| unknown(&name, "changer")),
            Some(other) => Err(ImportError::DeviceType(other)),
            None => {
                drive().map(Self::Drive).or_else(|| changer().map(Self::Changer)).ok_or_else(|| unknown(&name, "drive"))
            }
        }
    }

    const fn device_type(self) -> u8 {
        match self {
            Self::Drive(_) => 0x01,
            Self::Changer(_) => 0x08,
        }
    }

    const fn strings(self) -> scsi_core::identity::ModelStrings {
        match self {
            Self::Drive(profile) => profile.model,
            Self::Changer(profile) => profile.model,
        }
    }

    /// The table of the device without its pages.
    fn head(self, dump: &Dump) -> String {
        let (table, name) = match self {
            Self::Drive(profile) => ("library.drive", profile.name()),
            Self::Changer(profile) => ("library", profile.name),
        };
        let mut head = format!("[[{table}]]\nmodel = {name:?}\n");
        if let Some(serial) = self.serial(dump) {
            let _ = writeln!(head, "serial = {serial:?}");
        }
        if let Some(naa) = unit_name(dump) {
            let _ = writeln!(head, "naa = \"{naa:016x}\"");
        }
        if let (Self::Changer(profile), Some(layout)) = (self, elements::layout(dump)) {
            head += &elements::keys(profile, &layout);
        }
        let Some(inquiry) = dump.page(DumpedPage::Inquiry) else { return head };
        let usual = self.strings();
        for (key, at, len, usual) in
            [("vendor", 8, 8, usual.vendor), ("product", 16, 16, usual.product), ("revision", 32, 4, usual.revision)]
        {
            let value = text(inquiry, at, len);
            if value != usual.trim_end() && value.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) {
                let _ = writeln!(head, "{key} = {value:?}");
            }
        }
        head
    }

    /// The configured serial number; `None` if the dump has none, or it cannot be configured.
    fn serial(self, dump: &Dump) -> Option<String> {
        let text = dump.serial()?;
        let serial = match self {
            Self::Drive(_) => text,
            Self::Changer(profile) => {
                // Some models have the vendor before the number.
                let vendor = dump.page(DumpedPage::Inquiry).map_or(String::new(), |inquiry| self::text(inquiry, 8, 8));
                let is_prefixed = profile.vpd_naming == VpdNaming::VendorPrefix;
                let number = text.strip_prefix(&vendor).filter(|_| is_prefixed).unwrap_or(&text).trim_start();
                elements::number(profile, number, elements::layout(dump).as_ref())
            }
        };
        is_serial(&serial).then_some(serial)
    }

    fn configuration(self, head: &str, overrides: &[PageOverride]) -> String {
        let table = match self {
            Self::Drive(_) => "library.drive.page",
            Self::Changer(_) => "library.page",
        };
        let mut text = head.to_owned();
        for page in overrides {
            let _ = write!(text, "\n[[{table}]]\n{}", PageTable(page));
        }
        text
    }

    /// The pages of the twin with these overrides. A changer has as many drives as the device.
    fn twin(self, head: &str, dump: &Dump, overrides: &[PageOverride]) -> Result<Dump, ImportError> {
        let mut configuration = self.configuration(head, overrides);
        let device = match self {
            Self::Drive(_) => DeviceType::Drive,
            Self::Changer(_) => {
                let drives = elements::layout(dump).map_or(0, |layout| layout.drives.count);
                if drives > 0 {
                    let _ = write!(configuration, "\n[[library.drive]]\nmodel = \"ULT3580-TD8\"\ncount = {drives}\n");
                }
                DeviceType::Changer
            }
        };
        twin::pages(&configuration, device).map_err(ImportError::Configuration)
    }
}

fn unknown(name: &str, kind: &'static str) -> ImportError {
    let known: Vec<&str> = match kind {
        "drive" => ssc::profile::ALL.iter().map(|profile| profile.name()).collect(),
        _ => smc::profile::ALL.iter().map(|profile| profile.name).collect(),
    };
    ImportError::Model { what: format!("{name:?}"), kind, known: known.join(", ") }
}

/// Text in a fixed field, without blanks behind it.
fn text(bytes: &[u8], at: usize, len: usize) -> String {
    String::from_utf8_lossy(bytes.get(at..at + len).unwrap_or_default()).trim_end_matches([' ', '\0']).to_owned()
}

fn is_serial(serial: &str) -> bool {
    serial.len() <= 32 && serial.bytes().all(|byte| byte.is_ascii_graphic())
}

/// The name of type NAA, with eight bytes, of the logical unit (VPD page 83h).
fn unit_name(dump: &Dump) -> Option<u64> {
    let mut body = dump.page(DumpedPage::Vpd(0x83))?.get(4..)?;
    while let Some(([_, kind, _, len], after)) = body.split_first_chunk::<4>() {
        let (designator, rest) = after.split_at_checked(usize::from(*len))?;
        // ASSOCIATION 00b and DESIGNATOR TYPE 3h.
        if let (0x03, Ok(name)) = (kind & 0x3f, <[u8; 8]>::try_from(designator)) {
            let name = u64::from_be_bytes(name);
            return matches!(name >> 60, 2 | 3 | 5).then_some(name);
        }
        body = rest;
    }
    None
}

/// The pages of a dump beside those of its twin.
struct Comparison<'a> {
    dump: &'a Dump,
    twin: &'a Dump,
    options: &'a ImportOptions,
    round: usize,
}

impl Comparison<'_> {
    /// The overrides with which the twin returns the pages of the dump.
    fn overrides(&self, device_type: u8) -> Result<Vec<PageOverride>, ImportError> {
        let mut overrides = Vec::new();
        let mut add = |page: DumpedPage, name: OverriddenPage, change: PageChange| {
            let checked = PageOverride::new(name, change, device_type);
            overrides.push(checked.map_err(|error| ImportError::Page { page, error })?);
            Ok(())
        };
        for (page, bytes) in self.dump.pages() {
            let Some(name) = self.differing(page, bytes) else { continue };
            for change in changes(name, bytes, self.twin.page(page)) {
                add(page, name, change)?;
            }
        }
        let modes: BTreeSet<PageId> = self.dump.pages().filter_map(|(page, _)| mode_id(page)).collect();
        for id in modes {
            for (values, change) in self.mode_changes(id) {
                add(DumpedPage::Mode(id, ModeControl::Current), OverriddenPage::Mode(id, values), change)?;
            }
        }
        if self.round == 0 {
            let mut absent = BTreeSet::new();
            for (page, _) in self.twin.pages().filter(|(page, _)| self.dump.excludes(*page)) {
                let name = match page {
                    DumpedPage::Vpd(code) => OverriddenPage::Vpd(code),
                    DumpedPage::Log(id) => OverriddenPage::Log(id),
                    DumpedPage::Mode(id, _) if absent.insert(id) => OverriddenPage::Mode(id, ModeValues::All),
                    DumpedPage::MediumTypes => OverriddenPage::MediumTypes,
                    DumpedPage::Mode(..) | DumpedPage::Inquiry | DumpedPage::Densities => continue,
                };
                add(page, name, PageChange::Absent)?;
            }
        }
        Ok(overrides)
    }

    /// The override of a page that differs; `None` for one that does not, and for mode pages.
    fn differing(&self, page: DumpedPage, bytes: &[u8]) -> Option<OverriddenPage> {
        let twin = self.twin.page(page);
        let is_same = twin == Some(bytes) || (self.round == 0 && page.is_list());
        let name = match page {
            DumpedPage::Inquiry => OverriddenPage::Inquiry,
            DumpedPage::Vpd(code) => OverriddenPage::Vpd(code),
            DumpedPage::Log(_) if self.options.live_logs && twin.is_some_and(|twin| shape(twin) == shape(bytes)) => {
                return None;
            }
            DumpedPage::Log(id) => OverriddenPage::Log(id),
            DumpedPage::Densities => OverriddenPage::Densities,
            DumpedPage::MediumTypes => OverriddenPage::MediumTypes,
            DumpedPage::Mode(..) => return None,
        };
        (!is_same).then_some(name)
    }

    /// The changes of the values of a mode page. Current, default and saved values that change in the same way are one
    /// change.
    fn mode_changes(&self, id: PageId) -> Vec<(ModeValues, PageChange)> {
        let page = |control| self.dump.page(DumpedPage::Mode(id, control));
        let twin = |control| self.twin.page(DumpedPage::Mode(id, control));
        let Some(first) = [ModeControl::Default, ModeControl::Current, ModeControl::Saved].into_iter().find_map(page)
        else {
            return Vec::new();
        };
        let header = if id.subpage == 0 { 2 } else { 4 };
        let has_header = |other: &[u8]| other.len() == first.len() && other.get(..header) == first.get(..header);
        let mut changes = Vec::new();
        // Another length or PS: the page as a whole, and then the values that differ from it.
        let base = match twin(ModeControl::Default).filter(|twin| has_header(twin)) {
            Some(_) => None,
            None => {
                changes.push((ModeValues::All, PageChange::Whole(first.to_vec())));
                Some(first)
            }
        };
        let zero = vec![0; first.len()];
        let mut by_values: Vec<(ModeValues, Vec<PageChange>)> = Vec::new();
        for (control, values) in [
            (ModeControl::Current, ModeValues::Current),
            (ModeControl::Default, ModeValues::Default),
            (ModeControl::Saved, ModeValues::Saved),
            (ModeControl::Changeable, ModeValues::Changeable),
        ] {
            let Some(bytes) = page(control).filter(|bytes| bytes.len() == first.len()) else { continue };
            let before = match (base, values) {
                (Some(_), ModeValues::Changeable) => Some(zero.as_slice()),
                (Some(base), _) => Some(base),
                (None, _) => twin(control),
            };
            by_values.push((values, runs(bytes, before.unwrap_or(&zero), header)));
        }
        let all: Vec<&Vec<PageChange>> =
            by_values.iter().filter(|(values, _)| *values != ModeValues::Changeable).map(|(_, runs)| runs).collect();
        if let [one, rest @ ..] = all.as_slice()
            && rest.iter().all(|other| other == one)
        {
            changes.extend(one.iter().cloned().map(|change| (ModeValues::All, change)));
            by_values.retain(|(values, _)| *values == ModeValues::Changeable);
        }
        for (values, runs) in by_values {
            changes.extend(runs.into_iter().map(|change| (values, change)));
        }
        changes
    }
}

const fn mode_id(page: DumpedPage) -> Option<PageId> {
    match page {
        DumpedPage::Mode(id, _) => Some(id),
        DumpedPage::Inquiry
        | DumpedPage::Vpd(_)
        | DumpedPage::Log(_)
        | DumpedPage::Densities
        | DumpedPage::MediumTypes => None,
    }
}

/// The changes that make the bytes of a page from those of the twin: runs of bytes, or the whole page if it has another
/// length, or is a log page, whose values belong together.
fn changes(name: OverriddenPage, bytes: &[u8], twin: Option<&[u8]>) -> Vec<PageChange> {
    let header = 4;
    let is_log = matches!(name, OverriddenPage::Log(_));
    match twin {
        Some(twin) if !is_log && twin.len() == bytes.len() && !is_header_changed(name, bytes, twin) => {
            let from = if name == OverriddenPage::Inquiry { INQUIRY_FROM } else { header };
            runs(bytes, twin, from)
        }
        _ => vec![PageChange::Whole(bytes.to_vec())],
    }
}

/// Whether bytes differ that only a whole page can change.
fn is_header_changed(name: OverriddenPage, bytes: &[u8], twin: &[u8]) -> bool {
    match name {
        OverriddenPage::Inquiry => {
            bytes.first() != twin.first() || bytes.get(ADDITIONAL_LENGTH) != twin.get(ADDITIONAL_LENGTH)
        }
        _ => bytes.get(..4) != twin.get(..4),
    }
}

/// Offset of the first byte of INQUIRY data that bytes can change.
const INQUIRY_FROM: usize = 1;
/// Offset of ADDITIONAL LENGTH in INQUIRY data.
const ADDITIONAL_LENGTH: usize = 4;
/// Equal bytes between two differing ones that are a part of one run.
const GAP: usize = 4;

/// The runs of bytes from an offset on in which two pages of the same length differ.
fn runs(bytes: &[u8], before: &[u8], from: usize) -> Vec<PageChange> {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for (at, _) in bytes.iter().zip(before).enumerate().skip(from).filter(|(_, (new, old))| new != old) {
        // No run reaches over ADDITIONAL LENGTH of INQUIRY data, which only a whole page can change.
        let is_split = |end: usize| from == INQUIRY_FROM && end <= ADDITIONAL_LENGTH && at > ADDITIONAL_LENGTH;
        match runs.last_mut().filter(|(_, end)| at - *end < GAP && !is_split(*end)) {
            Some((_, end)) => *end = at + 1,
            None => runs.push((at, at + 1)),
        }
    }
    let run = |(start, end): (usize, usize)| PageChange::Bytes {
        offset: start,
        bytes: bytes.get(start..end).unwrap_or_default().to_vec(),
    };
    runs.into_iter().map(run).collect()
}

/// Code, control byte and length of each parameter of a log page.
fn shape(page: &[u8]) -> Vec<[u8; 4]> {
    let mut shape = Vec::new();
    let mut rest = page.get(4..).unwrap_or_default();
    while let Some((head, after)) = rest.split_first_chunk::<4>() {
        shape.push(*head);
        rest = after.get(usize::from(head[3])..).unwrap_or_default();
    }
    shape
}
