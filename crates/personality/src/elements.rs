//! The elements of a changer: their addresses from mode page 1Dh, and what READ ELEMENT STATUS tells about them.

use crate::dump::{Dump, DumpedPage, ModeControl};
use scsi_core::mode::PageId;
use smc::element::{ElementAddress, ElementLayout, ElementType};
use smc::profile::ChangerProfile;
use std::collections::BTreeMap;
use std::fmt::Write;

/// Bytes of the header of the data, and of that of an element status page (SMC-3 §6.11.2).
const DATA_HEADER: usize = 8;
const PAGE_HEADER: usize = 8;
/// PVOLTAG and AVOLTAG of an element status page: each descriptor has a volume tag of 36 bytes.
const VOLUME_TAGS: [u8; 2] = [0x80, 0x40];
const TAG: usize = 36;
/// Bytes of a barcode in a volume tag.
const BARCODE: usize = 32;
/// Bytes of a descriptor before its volume tags.
const HEAD: usize = 12;
/// CODE SET, IDENTIFIER TYPE, a reserved byte and IDENTIFIER LENGTH.
const IDENTIFIER_HEADER: usize = 4;
/// Vendor and product identification before the serial number in an identifier of type T10 vendor ID.
const T10_NAMES: usize = 24;
/// FULL in byte 2 of a descriptor.
const FULL: u8 = 0x01;

/// The elements of one type, as their status pages show them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ElementPage {
    /// ELEMENT DESCRIPTOR LENGTH.
    pub(crate) descriptor_len: usize,
    /// Number of elements with a cartridge.
    pub(crate) full: usize,
    /// Address and device identifier of each element that has one.
    pub(crate) identifiers: Vec<(u16, String)>,
}

/// The offsets in the data of a descriptor, of its barcode, and of its device identifier with the length.
struct Descriptor {
    start: usize,
    barcode: Option<usize>,
    identifier: Option<(usize, usize)>,
}

/// The descriptors of READ ELEMENT STATUS data, with the type code of their page and their length.
fn descriptors(data: &[u8]) -> Vec<(u8, usize, Descriptor)> {
    let mut found = Vec::new();
    let mut at = DATA_HEADER;
    while let Some([kind, flags, high, low, _, a, b, c]) = data.get(at..).and_then(|rest| rest.first_chunk().copied()) {
        let len = usize::from(u16::from_be_bytes([high, low]));
        let start = at + PAGE_HEADER;
        let bytes = usize::try_from(u32::from_be_bytes([0, a, b, c])).unwrap_or(usize::MAX);
        at = start.saturating_add(bytes);
        if len < HEAD {
            return found;
        }
        let tags = VOLUME_TAGS.iter().filter(|tag| flags & **tag != 0).count() * TAG;
        for start in (start..at.min(data.len())).step_by(len).filter(|start| start + len <= data.len()) {
            let header = start + HEAD + tags;
            let identifier = data.get(header..start + len).and_then(|rest| match rest {
                [_, _, _, size, id @ ..] if *size > 0 => {
                    Some((header + IDENTIFIER_HEADER, usize::from(*size).min(id.len())))
                }
                _ => None,
            });
            let barcode = (flags & 0x80 != 0 && HEAD + BARCODE <= len).then_some(start + HEAD);
            found.push((kind, len, Descriptor { start, barcode, identifier }));
        }
    }
    found
}

/// Adds what READ ELEMENT STATUS data tells to the elements of a dump, by their type code.
pub(crate) fn record(pages: &mut BTreeMap<u8, ElementPage>, data: &[u8]) {
    for (kind, len, Descriptor { start, identifier, .. }) in descriptors(data) {
        let page = pages.entry(kind).or_default();
        page.descriptor_len = len;
        let Some([high, low, flags]) = data.get(start..).and_then(|rest| rest.first_chunk().copied()) else { continue };
        page.full += usize::from(flags & FULL);
        let text = identifier.and_then(|(at, len)| data.get(at..at + len)).map(String::from_utf8_lossy);
        let words =
            text.map(|text| text.split(['\0', ' ']).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" "));
        if let Some(text) = words.filter(|text| !text.is_empty()) {
            page.identifiers.push((u16::from_be_bytes([high, low]), text));
        }
    }
}

/// Masks the barcodes and the serial numbers of drives in READ ELEMENT STATUS data.
pub(crate) fn mask(data: &mut [u8], mask: impl Fn(&mut [u8])) {
    for (_, _, Descriptor { barcode, identifier, .. }) in descriptors(data) {
        if let Some(tag) = barcode.and_then(|at| data.get_mut(at..at + BARCODE)) {
            mask(tag);
        }
        // Without names of vendor and product, all of it.
        let serial =
            identifier.map(|(at, len)| if len > T10_NAMES { (at + T10_NAMES, at + len) } else { (at, at + len) });
        if let Some(text) = serial.and_then(|(from, to)| data.get_mut(from..to)) {
            mask(text);
        }
    }
}

/// The addresses of the elements: the current values of mode page 1Dh (SMC-3 §7.3.2). `None` if the dump does not have it,
/// or the elements overlap.
pub(crate) fn layout(dump: &Dump) -> Option<ElementLayout> {
    let page = dump.page(DumpedPage::Mode(PageId::page(0x1d), ModeControl::Current))?;
    let (numbers, _) = page.get(2..18)?.as_chunks::<2>();
    let numbers: Vec<u16> = numbers.iter().map(|number| u16::from_be_bytes(*number)).collect();
    let &[robot, 1, slot, slots, io, ios, drive, drives] = numbers.as_slice() else { return None };
    let layout = ElementLayout::new([robot, slot, io, drive], [slots, ios, drives]);
    layout.overlap().is_none().then_some(layout)
}

/// The keys of `[[library]]` for the elements. `first` has the addresses only if they are not those of the model.
pub(crate) fn keys(profile: &ChangerProfile, layout: &ElementLayout) -> String {
    let [slots, io, drives] = [layout.storage, layout.import_export, layout.drives].map(|range| range.count);
    let mut keys = format!("slots = {slots}\nimport_export = {io}\n");
    if profile.layout(slots, io, drives).ok() != Some(*layout) {
        let [robot, slot, io, drive] = layout.ranges().map(|(_, range)| range.first);
        let _ = writeln!(keys, "first = {{ robot = {robot}, slots = {slot}, import_export = {io}, drives = {drive} }}");
    }
    keys
}

/// Length to which models pad the number of the chassis in a serial number.
const NUMBER: usize = 12;

/// The configured serial number with which a model has the unit serial number of the device, or one that is near to it.
pub(crate) fn number(profile: &ChangerProfile, serial: &str, layout: Option<&ElementLayout>) -> String {
    let storage = ElementAddress(layout.map_or(0, |layout| layout.storage.first));
    let number = "0".repeat(NUMBER);
    let whole = profile.unit_serial(&number, 0, storage);
    let suffix = whole.get(NUMBER..).unwrap_or_default();
    let number = serial.strip_suffix(suffix).or_else(|| serial.rsplit_once("_LL").map(|(number, _)| number));
    number.filter(|number| !number.is_empty()).unwrap_or(serial).to_owned()
}

/// Comments on what the tables of a changer do not have: its drives, its cartridges, and descriptors of another form than
/// those of the twin.
pub(crate) fn comments(dump: &Dump, twin: &Dump) -> String {
    let mut text = String::new();
    let count = layout(dump).map_or(0, |layout| layout.drives.count);
    if count > 0 {
        let _ =
            writeln!(text, "# Its drives ({count}) are not here. Add the tables [[library.drive]] of their captures:");
    }
    let drives = dump.elements().get(&ElementType::DRIVE.0).map(|page| page.identifiers.as_slice());
    for (address, name) in drives.unwrap_or_default() {
        let _ = writeln!(text, "# element {address:04X}h: {}", name.escape_default());
    }
    let full: usize = dump.elements().values().map(|page| page.full).sum();
    if full > 0 {
        let _ = writeln!(text, "# Its cartridges ({full}) are not here either: [[library.cartridges]].");
    }
    for (kind, page) in dump.elements() {
        let Some(other) = twin.elements().get(kind).filter(|other| other.descriptor_len != page.descriptor_len) else {
            continue;
        };
        let _ = writeln!(
            text,
            "# READ ELEMENT STATUS: descriptors of {} elements have {} bytes, those of the twin {}.",
            ElementType(*kind).name().unwrap_or("other"),
            page.descriptor_len,
            other.descriptor_len
        );
    }
    text
}
