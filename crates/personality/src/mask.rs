//! Removes from a capture what identifies a device and its cartridge.

use crate::capture::Capture;
use crate::dump::DumpedPage;
use crate::elements;
use scsi_core::cdb::Opcode;
use scsi_core::log::LogId;
use std::collections::BTreeSet;

/// Code set and type of a designator, and its length.
const DESIGNATOR_HEADER: usize = 4;
/// Log pages with serial numbers and barcodes of cartridges as text.
const VOLUME_STATISTICS: u8 = 0x17;

/// Replaces the serial numbers of the device and of the drives of a changer, its world wide names, its network addresses, the
/// barcodes in its elements and the texts of its volume statistics, in all data of a capture: digits become `0`, letters `X`, and
/// of a name of type NAA the number that the vendor has assigned becomes a count from 1. The same name is the same everywhere.
pub fn mask_serials(capture: &mut Capture) {
    let dump = capture.dump();
    let texts = [0x80, 0xb1, 0xb3].into_iter().filter_map(|code| dump.page(DumpedPage::Vpd(code))?.get(4..));
    let texts: BTreeSet<Vec<u8>> = texts
        .map(|text| text.trim_ascii().iter().copied().take_while(|byte| *byte != 0).collect::<Vec<u8>>())
        .filter(|text| text.len() >= MIN_TEXT)
        .collect();
    let mut names = BTreeSet::new();
    if let Some(body) = dump.page(DumpedPage::Vpd(0x83)).and_then(|page| page.get(4..)) {
        naa_designators(body, &mut names);
    }
    for exchange in &mut capture.exchanges {
        for text in &texts {
            replace(&mut exchange.data, text, &masked_text(text));
        }
        for (number, name) in (1_u64..).zip(&names) {
            replace(&mut exchange.data, &name.to_be_bytes(), &masked_name(*name, number).to_be_bytes());
        }
        let page = DumpedPage::of_cdb(&exchange.cdb);
        if matches!(page, Some(DumpedPage::Vpd(0x85) | DumpedPage::Log(LogId { page: VOLUME_STATISTICS, .. }))) {
            mask_runs(&mut exchange.data);
        }
        if exchange.cdb.first() == Some(&Opcode::READ_ELEMENT_STATUS.0) {
            elements::mask(&mut exchange.data, |text| text.iter_mut().for_each(|byte| *byte = masked_byte(*byte)));
        }
    }
}

/// Shortest serial number that is replaced everywhere; a shorter text occurs by chance.
const MIN_TEXT: usize = 6;

fn masked_byte(byte: u8) -> u8 {
    match byte {
        b'0'..=b'9' => b'0',
        b'A'..=b'Z' | b'a'..=b'z' => b'X',
        other => other,
    }
}

fn masked_text(text: &[u8]) -> Vec<u8> {
    text.iter().copied().map(masked_byte).collect()
}

/// NAA and company identifier of a name, with a count instead of the vendor specific identifier.
const fn masked_name(name: u64, number: u64) -> u64 {
    const VENDOR_SPECIFIC: u64 = 0x0f_ffff_ffff;
    name & !VENDOR_SPECIFIC | number
}

/// Adds the names of type NAA with eight bytes among the designators of VPD page 83h.
fn naa_designators(mut body: &[u8], names: &mut BTreeSet<u64>) {
    const NAA: u8 = 0x03;
    while let Some(([_, kind, _, len], after)) = body.split_first_chunk::<DESIGNATOR_HEADER>() {
        let Some((designator, rest)) = after.split_at_checked(usize::from(*len)) else { return };
        if let (NAA, Ok(name)) = (kind & 0x0f, <[u8; 8]>::try_from(designator)) {
            names.insert(u64::from_be_bytes(name));
        }
        body = rest;
    }
}

/// Replaces each occurrence of some bytes by as many others.
fn replace(data: &mut [u8], from: &[u8], to: &[u8]) {
    let mut at = 0;
    while let Some(slot) = data.get_mut(at..at + from.len()) {
        if slot == from {
            slot.copy_from_slice(to);
            at += from.len();
        } else {
            at += 1;
        }
    }
}

/// Masks each run of at least four characters of text.
fn mask_runs(data: &mut [u8]) {
    const RUN: usize = 4;
    let is_text = |byte: u8| byte == b' ' || byte.is_ascii_graphic();
    for run in data.split_mut(|byte| !is_text(*byte)).filter(|run| run.len() >= RUN) {
        run.iter_mut().for_each(|byte| *byte = masked_byte(*byte));
    }
}
