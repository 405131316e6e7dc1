//! READ ELEMENT STATUS, SMC-3 §6.11.  Bytes: 0 opcode · 1 VOLTAG(4) ELEMENT TYPE CODE(3-0) · 2-3 STARTING ELEMENT ADDRESS · 4-5 NUMBER OF ELEMENTS · 6 CURDATA(1) DVCID(0) · 7-9 ALLOCATION LENGTH · 11 control
//!
//! Bits 7-5 of byte 1 were the LUN in SCSI-2, and some programs still set them: they are ignored. Only complete
//! descriptors are returned; the header counts all selected elements. The robot does not move for this command,
//! regardless of CURDATA: the inventory is always current.
//!
//! **Deviations:** MIXED (byte 6 bit 2) is refused, as by the real libraries modelled here.

use super::{Context, element_domains};
use crate::device::ChangerState;
use crate::element::{ElementAddress, ElementContent, ElementFault, ElementType, LabelDefect};
use crate::profile::DriveIdentifier;
use scsi_core::asc::Asc;
use scsi_core::cdb_field::{bit, bits, number};
use scsi_core::command_spec::{Access, CommandSpec};
use scsi_core::data::DataIn;
use scsi_core::fault::Outcome;
use scsi_core::sense::Sense;
use scsi_core::wire::{U16, U24};
use scsi_core::writer::PageWriter;
use tape_store::cartridge::CartridgeKind;
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// Name, CDB usage data and access class of the command.
pub(crate) const SPEC: CommandSpec = CommandSpec::new(
    "READ ELEMENT STATUS",
    &[0xb8, 0xff, 0xff, 0xff, 0xff, 0xff, 0x03, 0xff, 0xff, 0xff, 0, 0],
    Access::ElementStatus,
)
.with_fields(&[
    bits("LUN", 1, 7, 3),
    bit("VOLTAG", 1, 4),
    bits("ELEMENT TYPE CODE", 1, 3, 4),
    number("STARTING ELEMENT ADDRESS", 2, 2),
    number("NUMBER OF ELEMENTS", 4, 2),
    bit("CURDATA", 6, 1),
    bit("DVCID", 6, 0),
    number("ALLOCATION LENGTH", 7, 3),
]);

#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Raw {
    opcode: u8,
    kind: u8,
    start: U16,
    count: U16,
    flags: u8,
    allocation_length: U24,
    _reserved_10: u8,
    control: u8,
}
const _: () = assert!(size_of::<Raw>() == 12);

/// CURDATA in byte 6: the command must not cause motion.
pub(crate) const CURDATA: u8 = 0x02;

/// Optional fields of each descriptor that the CDB requests: VOLTAG and DVCID.
#[derive(Clone, Copy)]
pub(super) struct RequestedFields {
    pub(super) volume_tags: bool,
    pub(super) device_identifiers: bool,
}

const FULL: u8 = 0x01;
const BY_OPERATOR: u8 = 0x02;
const EXCEPTION: u8 = 0x04;
const ACCESS: u8 = 0x08;
const EXPORT_ENABLED: u8 = 0x10;
const IMPORT_ENABLED: u8 = 0x20;
/// OIR (operator intervention required): the I/O station is open.
const OPERATOR_REQUIRED: u8 = 0x80;
/// SVALID and ED in byte 9 of a descriptor.
const SOURCE_VALID: u8 = 0x80;
const ELEMENT_DISABLED: u8 = 0x08;
/// Bytes of a descriptor before the volume tag.
const HEAD: usize = 12;
/// Bytes of a primary volume tag: identifier (32), reserved (2), sequence number (2).
const TAG: usize = 36;

pub(crate) fn run(cx: &mut Context<'_, '_, '_>) -> Outcome {
    let Context { device: state, cdb, data, .. } = cx;
    let data_in = &mut data.data_in;
    let raw: Raw = cdb.as_layout();
    let kind = element_type(raw.kind)?;
    let wanted = RequestedFields { volume_tags: raw.kind & 0x10 != 0, device_identifiers: raw.flags & 0x01 != 0 };
    let selected = select(state, kind, raw.start.get(), raw.count.get(), |_| true);
    data_in.limit(raw.allocation_length.get() as usize);
    report(state, &selected, wanted, 0, raw.allocation_length.get() as usize, data_in);
    Ok(())
}

/// Decodes ELEMENT TYPE CODE in byte 1. `None` selects all types (code 0).
pub(super) fn element_type(byte: u8) -> Result<Option<ElementType>, Sense> {
    match byte & 0x0f {
        0 => Ok(None),
        code if code <= ElementType::DRIVE.0 => Ok(Some(ElementType(code))),
        _ => Err(Sense::invalid_field_in_cdb(1, Some(3))),
    }
}

/// Selected elements of one type, ascending by address.
pub(super) type Group = (ElementType, Vec<ElementAddress>);

/// Returns up to `count` elements of type `kind` from address `start` on, grouped by type, ascending by address.
pub(super) fn select(
    state: &ChangerState,
    kind: Option<ElementType>,
    start: u16,
    count: u16,
    include: impl Fn(ElementAddress) -> bool,
) -> Vec<Group> {
    let mut ranges = state.library.layout().ranges();
    ranges.sort_by_key(|(_, range)| range.first);
    let mut remaining = usize::from(count);
    let mut groups = Vec::new();
    for (element_type, range) in ranges {
        if kind.is_some_and(|kind| kind != element_type) {
            continue;
        }
        let from_start = range.addresses().filter(|address| address.0 >= start && include(*address));
        let addresses: Vec<_> = from_start.take(remaining).collect();
        remaining -= addresses.len();
        if !addresses.is_empty() {
            groups.push((element_type, addresses));
        }
    }
    groups
}

/// Writes the header, and the pages and descriptors that fit completely. Returns the elements whose descriptors were
/// written. `action` is the SEND ACTION CODE that REQUEST VOLUME ELEMENT ADDRESS returns.
pub(super) fn report(
    state: &ChangerState,
    groups: &[Group],
    wanted: RequestedFields,
    action: u8,
    allocation_length: usize,
    data_in: &mut DataIn<'_, '_>,
) -> Vec<ElementAddress> {
    let first = groups.first().and_then(|(_, addresses)| addresses.first()).map_or(0, |address| address.0);
    let number = groups.iter().map(|(_, addresses)| addresses.len()).sum::<usize>();
    let bytes: usize = groups.iter().map(|(kind, addresses)| 8 + length(state, *kind, wanted) * addresses.len()).sum();
    let mut w = PageWriter::new();
    w.u16(first).u16(u16::try_from(number).unwrap_or(u16::MAX)).u8(action);
    w.u24(u32::try_from(bytes).unwrap_or(u32::MAX));
    let mut sent = Vec::new();
    'pages: for (kind, addresses) in groups {
        let length = length(state, *kind, wanted);
        if w.len() + 8 > allocation_length {
            break;
        }
        w.u8(kind.0).u8(u8::from(wanted.volume_tags) << 7).u16(u16::try_from(length).unwrap_or(u16::MAX)).u8(0);
        w.u24(u32::try_from(length * addresses.len()).unwrap_or(u32::MAX));
        for address in addresses {
            if w.len() + length > allocation_length {
                break 'pages;
            }
            descriptor(state, *kind, *address, wanted, &mut w);
            sent.push(*address);
        }
    }
    data_in.append(w.as_slice());
    sent
}

/// Returns the length of each descriptor of a page, in bytes.
fn length(state: &ChangerState, kind: ElementType, wanted: RequestedFields) -> usize {
    let tag = if wanted.volume_tags { TAG } else { 0 };
    let tail = match state.profile.descriptors.domains {
        true if kind == ElementType::DRIVE => 4 + identifier_width(state) + element_domains::LEN,
        _ => state.profile.descriptors.tail_len + if names(kind, wanted) { identifier_width(state) } else { 0 },
    };
    HEAD + tag + tail
}

const fn names(kind: ElementType, wanted: RequestedFields) -> bool {
    kind.0 == ElementType::DRIVE.0 && wanted.device_identifiers
}

const fn identifier_width(state: &ChangerState) -> usize {
    match state.profile.descriptors.drive {
        DriveIdentifier::T10(width) | DriveIdentifier::Serial(width) => width,
        DriveIdentifier::Naa => 8,
    }
}

fn descriptor(
    state: &ChangerState,
    kind: ElementType,
    address: ElementAddress,
    wanted: RequestedFields,
    w: &mut PageWriter,
) {
    let content = state.library.content(address);
    let exception = exception_code(state, address, content.as_ref());
    let mut flags = flags(state, kind, address, content.as_ref());
    if exception.is_some() {
        flags |= EXCEPTION;
    }
    w.u16(address.0).u8(flags).u8(0).u16(exception.map_or(0, |asc| asc.0)).zeros(3);
    let source = content.as_ref().and_then(|content| content.source);
    let medium = content.as_ref().map_or(0, |content| state.profile.descriptors.medium_types.of(content.kind));
    let disabled = if is_disabled(state, address) { ELEMENT_DISABLED } else { 0 };
    let valid = if source.is_some() { SOURCE_VALID } else { 0 };
    w.u8(valid | disabled | medium).u16(source.map_or(0, |source| source.0));
    if wanted.volume_tags {
        let descriptors = &state.profile.descriptors;
        match content.as_ref().and_then(ElementContent::tag) {
            Some(barcode) => {
                let label = barcode.as_str();
                w.ascii(label.get(..descriptors.label_len).unwrap_or(label), 32);
            }
            None => drop(w.bytes(&[descriptors.empty_tag_fill; 32])),
        }
        w.zeros(TAG - 32);
    }
    if state.profile.descriptors.domains {
        return with_domains(state, kind, address, content.as_ref(), wanted, w);
    }
    identifier(state, kind, address, wanted, w);
}

/// Writes the end of a descriptor of StorageTek's libraries: the domains, and for drives their serial number, which is
/// behind the domains if DVCID is 0, and an identifier in front of them if it is 1.
fn with_domains(
    state: &ChangerState,
    kind: ElementType,
    address: ElementAddress,
    content: Option<&ElementContent>,
    wanted: RequestedFields,
    w: &mut PageWriter,
) {
    if kind != ElementType::DRIVE {
        w.zeros(4);
        element_domains::write_media(content, w);
        w.zeros(2);
        return;
    }
    let drive = state.library.bay(address).map(crate::bay::Bay::name).unwrap_or_default();
    let width = identifier_width(state);
    if wanted.device_identifiers {
        let length = drive.serial.len().min(width);
        w.u8(0x02).u8(0).u8(0).u8(u8::try_from(length).unwrap_or(0)).ascii(&drive.serial, width);
    } else {
        w.zeros(4);
    }
    element_domains::write_media(content, w);
    element_domains::write_transport(&drive, w);
    if !wanted.device_identifiers {
        w.ascii(&drive.serial, width);
    }
}

pub(super) fn is_disabled(state: &ChangerState, address: ElementAddress) -> bool {
    let operator_state = state.library.operator_state();
    operator_state.element_faults.get(&address) == Some(&ElementFault::Disabled)
        || operator_state.drives_offline.contains(&address)
}

/// Returns the additional sense code of an element in an abnormal state (EXCEPT).
pub(super) fn exception_code(
    state: &ChangerState,
    address: ElementAddress,
    content: Option<&ElementContent>,
) -> Option<Asc> {
    let operator_state = state.library.operator_state();
    let (missing, unreadable) = without_label(state, content);
    if operator_state.drives_offline.contains(&address) {
        return Some(Asc::LOGICAL_UNIT_NOT_READY_OFFLINE);
    }
    match (operator_state.element_faults.get(&address), content.and_then(|content| content.label)) {
        (Some(ElementFault::Disabled), _) => Some(Asc::ELEMENT_DISABLED),
        (Some(ElementFault::Blocked), _) => Some(Asc::MEDIUM_MAGAZINE_NOT_ACCESSIBLE),
        (None, Some(LabelDefect::Missing)) => Some(missing),
        (None, Some(LabelDefect::Unreadable)) => Some(unreadable),
        (None, None) if content.is_some_and(|content| content.unusable) => Some(Asc::INCOMPATIBLE_MEDIUM_INSTALLED),
        (None, None) => cleaning(state, content).map(|(labelled, _)| labelled),
    }
}

/// Returns the codes of a missing and of an unreadable label for this cartridge.
fn without_label(state: &ChangerState, content: Option<&ElementContent>) -> (Asc, Asc) {
    cleaning(state, content)
        .map_or(state.profile.descriptors.label_exceptions, |(_, without_label)| (without_label, without_label))
}

/// Returns the codes of a cleaning cartridge with and without a readable label. `None` if the cartridge is not a
/// cleaning cartridge or the model does not report them.
fn cleaning(state: &ChangerState, content: Option<&ElementContent>) -> Option<(Asc, Asc)> {
    state
        .profile
        .descriptors
        .cleaning
        .filter(|_| content.is_some_and(|content| content.kind == CartridgeKind::Cleaning))
}

/// Returns whether the robot can reach an element in its current state (ACCESS).
pub(super) fn is_accessible(state: &ChangerState, kind: ElementType, address: ElementAddress, is_full: bool) -> bool {
    let operator_state = state.library.operator_state();
    let free =
        !operator_state.element_faults.contains_key(&address) && !operator_state.drives_offline.contains(&address);
    free && match kind {
        ElementType::IMPORT_EXPORT => !operator_state.station_open && !state.library.is_taken(address),
        ElementType::DRIVE => !is_full || state.library.bay(address).is_some_and(|bay| bay.status().accessible),
        _ => true,
    }
}

fn flags(state: &ChangerState, kind: ElementType, address: ElementAddress, content: Option<&ElementContent>) -> u8 {
    let full = if content.is_some() { FULL } else { 0 };
    let access = if is_accessible(state, kind, address, content.is_some()) { ACCESS } else { 0 };
    match kind {
        ElementType::TRANSPORT => full,
        ElementType::IMPORT_EXPORT => {
            let by_operator = if content.is_some_and(|content| content.by_operator) { BY_OPERATOR } else { 0 };
            let open = if state.library.operator_state().station_open { OPERATOR_REQUIRED } else { 0 };
            full | by_operator | access | EXPORT_ENABLED | IMPORT_ENABLED | open
        }
        _ => full | access,
    }
}

/// Writes the identification descriptor at the end, in the format of the model: at least four bytes.
fn identifier(
    state: &ChangerState,
    kind: ElementType,
    address: ElementAddress,
    wanted: RequestedFields,
    w: &mut PageWriter,
) {
    let descriptors = &state.profile.descriptors;
    if !names(kind, wanted) {
        w.zeros(descriptors.tail_len);
        return;
    }
    let name = state.library.bay(address).map(crate::bay::Bay::name).unwrap_or_default();
    // Code set and designator type (SPC-4 §7.8.6.1).
    let (set, code) = match descriptors.drive {
        DriveIdentifier::T10(_) => (0x02, 0x01),
        DriveIdentifier::Serial(_) => (0x02, 0x00),
        DriveIdentifier::Naa => (0x01, 0x03),
    };
    w.u8(set).u8(code).u8(0).length_u8(|w| match descriptors.drive {
        DriveIdentifier::T10(width) => drop(w.ascii(&String::from_utf8_lossy(&name.t10), width)),
        DriveIdentifier::Serial(width) => drop(w.ascii(&name.serial, width)),
        DriveIdentifier::Naa => drop(w.u64(name.naa)),
    });
    w.zeros(descriptors.tail_len.saturating_sub(4));
}
