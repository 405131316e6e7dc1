//! READ ELEMENT STATUS, SMC-3 §6.11.  Bytes: 0 opcode · 1 VOLTAG(4) ELEMENT TYPE CODE(3-0) · 2-3 STARTING ELEMENT ADDRESS · 4-5 NUMBER OF ELEMENTS · 6 CURDATA(1) DVCID(0) · 7-9 ALLOCATION LENGTH · 11 control
//!
//! Bits 7-5 of byte 1 held the LUN once, and some programs still put it there: they are ignored. Descriptors are whole
//! or absent; the header's counts are of all of them.
//!
//! **Deviations:** MIXED is refused.

use crate::device::State;
use crate::element::{Address, Content, ElementType};
use crate::profile::DriveIdentifier;
use scsi_core::cdb::Cdb;
use scsi_core::data::Data;
use scsi_core::fault::Outcome;
use scsi_core::sense::Sense;
use scsi_core::spec::{Access, CommandSpec};
use scsi_core::wire::{U16, U24};
use scsi_core::writer::PageWriter;
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// Facts of the command.
pub(crate) const SPEC: CommandSpec = CommandSpec::new(
    "READ ELEMENT STATUS",
    &[0xb8, 0xff, 0xff, 0xff, 0xff, 0xff, 0x03, 0xff, 0xff, 0xff, 0, 0],
    Access::ElementStatus,
);

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

/// What of each descriptor was asked for.
#[derive(Clone, Copy)]
struct Wanted {
    tags: bool,
    identifiers: bool,
}

const FULL: u8 = 0x01;
const IMPORTED: u8 = 0x02;
const ACCESS: u8 = 0x08;
const EXPORT_ENABLED: u8 = 0x10;
const IMPORT_ENABLED: u8 = 0x20;
const SOURCE_VALID: u8 = 0x80;
const MEDIUM_DATA: u8 = 0x01;
const MEDIUM_CLEANING: u8 = 0x02;
/// A primary volume tag: the label in 32 bytes, two reserved, and a sequence number.
const TAG: usize = 36;

pub(crate) fn run(state: &State, cdb: &Cdb, data: &mut Data<'_, '_>) -> Outcome {
    let raw: Raw = cdb.layout();
    let kind = raw.kind & 0x0f;
    if kind > ElementType::DRIVE.0 {
        return Err(Sense::cdb_field(1, Some(3)).into());
    }
    let wanted = Wanted { tags: raw.kind & 0x10 != 0, identifiers: raw.flags & 0x01 != 0 };
    let selected = select(state, kind, raw.start.get(), raw.count.get());
    let pages: Vec<_> = selected.iter().map(|(kind, addresses)| page(state, *kind, addresses, wanted)).collect();
    let allocation_length = raw.allocation_length.get() as usize;
    data.room.limit(allocation_length);
    let first = selected.first().and_then(|(_, addresses)| addresses.first()).map_or(0, |address| address.0);
    let number = selected.iter().map(|(_, addresses)| addresses.len()).sum::<usize>();
    let bytes: usize = pages.iter().map(|page| page.iter().map(PageWriter::len).sum::<usize>()).sum();
    let mut header = PageWriter::new();
    header.u16(first).u16(u16::try_from(number).unwrap_or(u16::MAX)).u8(0);
    header.u24(u32::try_from(bytes).unwrap_or(u32::MAX));
    data.room.put(header.as_slice());
    let mut left = allocation_length.saturating_sub(header.len());
    for part in pages.iter().flatten() {
        if part.len() > left {
            break;
        }
        left -= part.len();
        data.room.put(part.as_slice());
    }
    Ok(())
}

/// Elements of the type from the starting address on, as many as asked for, grouped by type in order of address.
fn select(state: &State, kind: u8, start: u16, count: u16) -> Vec<(ElementType, Vec<Address>)> {
    let mut ranges = state.library.layout().ranges();
    ranges.sort_by_key(|(_, range)| range.first);
    let mut left = usize::from(count);
    let mut groups = Vec::new();
    for (element_type, range) in ranges {
        if kind != 0 && kind != element_type.0 {
            continue;
        }
        let addresses: Vec<_> = range.addresses().filter(|address| address.0 >= start).take(left).collect();
        left -= addresses.len();
        if !addresses.is_empty() {
            groups.push((element_type, addresses));
        }
    }
    groups
}

/// The header of a page, and then each of its descriptors.
fn page(state: &State, kind: ElementType, addresses: &[Address], wanted: Wanted) -> Vec<PageWriter> {
    let descriptors: Vec<_> = addresses.iter().map(|address| descriptor(state, kind, *address, wanted)).collect();
    let length = descriptors.first().map_or(0, PageWriter::len);
    let mut header = PageWriter::new();
    header.u8(kind.0).u8(u8::from(wanted.tags) << 7).u16(u16::try_from(length).unwrap_or(u16::MAX)).u8(0);
    header.u24(u32::try_from(length * addresses.len()).unwrap_or(u32::MAX));
    std::iter::once(header).chain(descriptors).collect()
}

fn descriptor(state: &State, kind: ElementType, address: Address, wanted: Wanted) -> PageWriter {
    let content = state.library.content(address);
    let mut w = PageWriter::new();
    w.u16(address.0).u8(flags(state, kind, address, content.as_ref())).zeros(6);
    let source = content.as_ref().and_then(|content| content.source);
    let medium = content.as_ref().map_or(0, |content| if content.cleaning { MEDIUM_CLEANING } else { MEDIUM_DATA });
    w.u8(if source.is_some() { SOURCE_VALID } else { 0 } | medium).u16(source.map_or(0, |source| source.0));
    if wanted.tags {
        match content.and_then(|content| content.barcode) {
            Some(barcode) => w.ascii(barcode.as_str(), 32).zeros(TAG - 32),
            None => w.zeros(TAG),
        };
    }
    identifier(state, kind, address, wanted, &mut w);
    w
}

fn flags(state: &State, kind: ElementType, address: Address, content: Option<&Content>) -> u8 {
    let full = if content.is_some() { FULL } else { 0 };
    let imported = if content.is_some_and(|content| content.by_operator) { IMPORTED } else { 0 };
    match kind {
        ElementType::STORAGE => full | ACCESS,
        ElementType::IMPORT_EXPORT => full | imported | ACCESS | EXPORT_ENABLED | IMPORT_ENABLED,
        ElementType::DRIVE => {
            let reachable = state.library.bay(address).is_some_and(|bay| bay.status().accessible);
            full | if reachable || content.is_none() { ACCESS } else { 0 }
        }
        _ => full,
    }
}

/// The identification descriptor behind everything else: four bytes at least, in the form the model has it.
fn identifier(state: &State, kind: ElementType, address: Address, wanted: Wanted, w: &mut PageWriter) {
    let profile = state.profile;
    if kind != ElementType::DRIVE || !wanted.identifiers {
        w.zeros(profile.descriptor_tail);
        return;
    }
    let name = state.library.bay(address).map(crate::bay::Bay::name).unwrap_or_default();
    let (code, text, width) = match profile.drive_identifier {
        DriveIdentifier::T10 => (0x01, String::from_utf8_lossy(&name.t10).into_owned(), 34),
        DriveIdentifier::Serial => (0x00, name.serial, 32),
    };
    w.u8(0x02).u8(code).u8(0).length_u8(|w| {
        w.ascii(&text, width);
    });
    w.zeros(profile.descriptor_tail.saturating_sub(4));
}
