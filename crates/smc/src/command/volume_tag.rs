//! SEND VOLUME TAG, SMC-3 §6.15.  Bytes: 0 opcode · 1 ELEMENT TYPE CODE(3-0) · 2-3 STARTING ELEMENT ADDRESS · 5 SEND ACTION CODE(4-0) · 8-9 PARAMETER LIST LENGTH · 11 control
//! REQUEST VOLUME ELEMENT ADDRESS, SMC-3 §6.14.  Bytes: 0 opcode · 1 VOLTAG(4) ELEMENT TYPE CODE(3-0) · 2-3 STARTING ELEMENT ADDRESS · 4-5 NUMBER OF ELEMENTS · 7-9 ALLOCATION LENGTH · 11 control
//!
//! SEND VOLUME TAG searches, REQUEST VOLUME ELEMENT ADDRESS returns the result, separately for each nexus. In the
//! template `?` matches any character and `*` any run of characters; the template ends at its first zero byte or
//! before trailing spaces. The result lists the current elements of the cartridges found, ascending by address; each
//! cartridge is reported once.
//!
//! **Deviations:** labels cannot be changed: to assert, replace or undefine a tag (actions 8h to Dh) is refused. No
//! cartridge has an alternate tag, and all sequence numbers are zero.

use super::Context;
use super::element_status::{self, RequestedFields};
use crate::element::{ElementAddress, ElementContent, ElementType};
use scsi_core::asc::Asc;
use scsi_core::cdb::Cdb;
use scsi_core::cdb_field::{bit, bits, number};
use scsi_core::command_spec::{Access, CommandSpec};
use scsi_core::fault::Outcome;
use scsi_core::field::check_reserved;
use scsi_core::parameter_list;
use scsi_core::sense::Sense;
use scsi_core::wire::{U16, U24};
use std::collections::BTreeSet;
use tape_store::cartridge::Barcode;
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// Name, CDB usage data and access class of SEND VOLUME TAG.
pub(crate) const SEND: CommandSpec =
    CommandSpec::new("SEND VOLUME TAG", &[0xb6, 0x0f, 0xff, 0xff, 0, 0x1f, 0, 0, 0xff, 0xff, 0, 0], Access::Write)
        .with_fields(&[
            bits("ELEMENT TYPE CODE", 1, 3, 4),
            number("STARTING ELEMENT ADDRESS", 2, 2),
            bits("SEND ACTION CODE", 5, 4, 5),
            number("PARAMETER LIST LENGTH", 8, 2),
        ]);
/// Name, CDB usage data and access class of REQUEST VOLUME ELEMENT ADDRESS.
pub(crate) const REQUEST: CommandSpec = CommandSpec::new(
    "REQUEST VOLUME ELEMENT ADDRESS",
    &[0xb5, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0xff, 0xff, 0xff, 0, 0],
    Access::Write,
)
// Operation code B5h is SECURITY PROTOCOL OUT in a drive: a host may send its key to the LUN of the changer.
.carrying_key()
.with_fields(&[
    bits("LUN", 1, 7, 3),
    bit("VOLTAG", 1, 4),
    bits("ELEMENT TYPE CODE", 1, 3, 4),
    number("STARTING ELEMENT ADDRESS", 2, 2),
    number("NUMBER OF ELEMENTS", 4, 2),
    number("ALLOCATION LENGTH", 7, 3),
]);

#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct RawSend {
    opcode: u8,
    kind: u8,
    start: U16,
    _reserved_4: u8,
    action: u8,
    _reserved_6: [u8; 2],
    list_length: U16,
    _reserved_10: u8,
    control: u8,
}
const _: () = assert!(size_of::<RawSend>() == 12);

#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct RawRequest {
    opcode: u8,
    kind: u8,
    start: U16,
    count: U16,
    _reserved_6: u8,
    allocation_length: U24,
    _reserved_10: u8,
    control: u8,
}
const _: () = assert!(size_of::<RawRequest>() == 12);

#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct SearchList {
    template: [u8; 32],
    _reserved_32: [u8; 2],
    min_sequence: U16,
    _reserved_36: [u8; 2],
    max_sequence: U16,
}
const _: () = assert!(size_of::<SearchList>() == 40);

/// Bits of the parameter list that may be set: the template and both sequence numbers.
const USAGE_LIST: [u8; size_of::<SearchList>()] = {
    let mut usage = [0xff; size_of::<SearchList>()];
    (usage[32], usage[33], usage[36], usage[37]) = (0, 0, 0, 0);
    usage
};

/// The last volume tag search of a nexus.
#[derive(Debug)]
pub(crate) struct VolumeTagSearch {
    action: u8,
    /// Barcodes that match and have not been reported.
    unreported_matches: BTreeSet<Barcode>,
}

/// Returns PARAMETER LIST LENGTH of SEND VOLUME TAG, in bytes.
pub(crate) fn list_length(cdb: &Cdb) -> usize {
    cdb.as_layout::<RawSend>().list_length.get().into()
}

pub(crate) fn send(cx: &mut Context<'_, '_, '_>) -> Outcome {
    let Context { device: state, request, cdb, data, .. } = cx;
    let nexus = request.nexus;
    let raw: RawSend = cdb.as_layout();
    let kind = element_status::element_type(raw.kind)?;
    // Bits 1-0: all, primary or alternate tags; bit 2: ignore sequence numbers.
    let (tag_type, by_sequence) = (raw.action & 0x03, raw.action & 0x04 == 0);
    if raw.action > 0x06 || tag_type == 3 {
        return Err(Sense::invalid_field_in_cdb(5, Some(4)).into());
    }
    let length = usize::from(raw.list_length.get());
    if length == 0 {
        return Ok(());
    }
    // Longer lists are accepted: Linux `ch` sends 255 bytes.
    if length < size_of::<SearchList>() {
        return Err(parameter_list::length_error().into());
    }
    let list = data.data_out.parameters(length)?;
    check_reserved(&list, &USAGE_LIST, 0)?;
    let Ok((list, _)) = SearchList::read_from_prefix(&list) else { return Ok(()) };
    let template = template(&list.template);
    let sequence_fits = !by_sequence || list.min_sequence.get() == 0;
    let start = ElementAddress(raw.start.get());
    let wanted = |(address, content): &(ElementAddress, ElementContent)| {
        let of_kind = kind.is_none_or(|kind| state.library.layout().element_type(*address) == Some(kind));
        let tagged = content.tag().is_some_and(|tag| scsi_core::template::matches(template, tag.as_str()));
        *address >= start && of_kind && tagged
    };
    let locations = state.library.locations().into_iter();
    let contents = locations.filter_map(|location| Some((location.address, state.library.content(location.address)?)));
    let matching = if tag_type == 2 || !sequence_fits {
        BTreeSet::new()
    } else {
        contents.filter(wanted).map(|(_, content)| content.barcode).collect()
    };
    state.searches.insert(nexus, VolumeTagSearch { action: raw.action, unreported_matches: matching });
    Ok(())
}

/// Returns a template without its padding.
fn template(bytes: &[u8; 32]) -> &[u8] {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    bytes.get(..end).unwrap_or(bytes).trim_ascii_end()
}

pub(crate) fn request(cx: &mut Context<'_, '_, '_>) -> Outcome {
    let Context { device: state, request, cdb, data, .. } = cx;
    let nexus = request.nexus;
    let raw: RawRequest = cdb.as_layout();
    let kind: Option<ElementType> = element_status::element_type(raw.kind)?;
    let search = state.searches.get(&nexus).ok_or(Sense::illegal_request(Asc::COMMAND_SEQUENCE_ERROR))?;
    let addresses: BTreeSet<ElementAddress> = search
        .unreported_matches
        .iter()
        .filter_map(|barcode| Some(state.library.location_of(barcode)?.address))
        .collect();
    let selected =
        element_status::select(state, kind, raw.start.get(), raw.count.get(), |address| addresses.contains(&address));
    let wanted = RequestedFields { volume_tags: raw.kind & 0x10 != 0, device_identifiers: false };
    let allocation_length = raw.allocation_length.get() as usize;
    data.data_in.limit(allocation_length);
    let sent = element_status::report(state, &selected, wanted, search.action, allocation_length, &mut data.data_in);
    let reported: BTreeSet<_> =
        sent.into_iter().filter_map(|address| Some(state.library.content(address)?.barcode)).collect();
    if let Some(search) = state.searches.get_mut(&nexus) {
        search.unreported_matches.retain(|barcode| !reported.contains(barcode));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_match_labels() {
        for (pattern, label, expected) in [
            ("*", "A00001L8", true),
            ("A*", "A00001L8", true),
            ("*L8", "A00001L8", true),
            ("*L7", "A00001L8", false),
            ("A?000?L8", "A00001L8", true),
            ("A?000?L", "A00001L8", false),
            ("A*1*8", "A00001L8", true),
            ("A00001L8", "A00001L8", true),
            ("A00001L8*", "A00001L8", true),
            ("A00001L8?", "A00001L8", false),
            ("", "A", false),
        ] {
            assert_eq!(scsi_core::template::matches(pattern, label), expected, "{pattern} {label}");
        }
        let mut padded = [b' '; 32];
        padded[..3].copy_from_slice(b"AB*");
        assert_eq!(template(&padded), b"AB*");
        padded[2] = 0;
        assert_eq!(template(&padded), b"AB");
    }
}
