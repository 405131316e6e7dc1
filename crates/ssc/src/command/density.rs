//! REPORT DENSITY SUPPORT, SSC-4 §7.9.  Bytes: 0 opcode · 1 MEDIUM TYPE(1) MEDIA(0) · 7-8 ALLOCATION LENGTH · 9 control
//!
//! Returns density descriptors, or medium type descriptors with MEDIUM TYPE=1: of all supported media, or of the
//! mounted medium with MEDIA=1. The configuration can override the data of all media.
//!
//! **Deviations:** none.

use super::Context;
use crate::profile::{DriveProfile, MediaSupport};
use scsi_core::cdb_field::{bit, number};
use scsi_core::command_spec::{Access, CommandSpec};
use scsi_core::fault::Outcome;
use scsi_core::page_override::OverriddenPage;
use scsi_core::sense::Sense;
use scsi_core::writer::PageWriter;
use tape_store::cartridge::CartridgeKind;

/// Command table entry of the command.
pub(crate) const SPEC: CommandSpec =
    CommandSpec::new("REPORT DENSITY SUPPORT", &[0x44, 0x03, 0, 0, 0, 0, 0, 0xff, 0xff, 0], Access::Always)
        .with_fields(&[bit("MEDIUM TYPE", 1, 1), bit("MEDIA", 1, 0), number("ALLOCATION LENGTH", 7, 2)]);

const WRTOK: u8 = 0x80;
const DEFLT: u8 = 0x20;

pub(crate) fn run(cx: &mut Context<'_, '_, '_>) -> Outcome {
    let [_, flags, _, _, _, _, _, high, low, ..] = *cx.cdb.bytes();
    let (by_type, of_medium) = (flags & 0x02 != 0, flags & 0x01 != 0);
    let overridden = if by_type { OverriddenPage::MediumTypes } else { OverriddenPage::Densities };
    if cx.lu.identity.pages.removes(overridden) {
        return Err(Sense::invalid_field_in_cdb(1, Some(1)).into());
    }
    let profile = cx.device.profile;
    let mounted = if of_medium { Some(cx.device.media.ready()?) } else { None };
    let wanted =
        |format: &&MediaSupport| mounted.as_ref().is_none_or(|mounted| mounted.cartridge.media() == format.media);
    let mut body = PageWriter::new();
    for format in profile.supported_media.iter().filter(wanted) {
        if by_type {
            let all = if format.media.worm_suffix.is_empty() { &LISTED_KINDS[..1] } else { &LISTED_KINDS[..] };
            let kinds = mounted.as_ref().map_or(all, |mounted| match mounted.cartridge.kind() {
                CartridgeKind::Worm => &LISTED_KINDS[1..],
                _ => &LISTED_KINDS[..1],
            });
            kinds.iter().for_each(|kind| medium_type(profile, format, *kind, &mut body));
        } else {
            let capacity = mounted.as_ref().map_or(format.media.capacity, |mounted| mounted.cartridge.capacity());
            density(format, capacity, of_medium || format.media == profile.native_media, &mut body);
        }
    }
    let mut page = PageWriter::new();
    page.length_u16(|w| {
        w.u16(0).bytes(body.as_slice());
    });
    let page = page.into_vec();
    let page = if of_medium { page } else { cx.lu.identity.pages.apply(overridden, page) };
    cx.return_data(u16::from_be_bytes([high, low]).into(), &page);
    Ok(())
}

fn density(format: &MediaSupport, capacity: u64, default: bool, w: &mut PageWriter) {
    let media = format.media;
    let flags = if format.can_write { WRTOK } else { 0 } | if default { DEFLT } else { 0 };
    w.u8(media.density).u8(media.density).u8(flags).u16(0);
    w.u24(media.bits_per_mm).u16(media.width).u16(media.tracks);
    w.u32(u32::try_from(capacity / 1_000_000).unwrap_or(u32::MAX));
    w.ascii(media.organization, 8).ascii(media.density_name, 8).ascii(media.description, 20);
}

/// Kinds of cartridge of a media generation.
const LISTED_KINDS: [CartridgeKind; 2] = [CartridgeKind::Data, CartridgeKind::Worm];

/// Bytes after DESCRIPTOR LENGTH.
const DESCRIPTOR_LENGTH: u16 = 52;

fn medium_type(profile: &DriveProfile, format: &MediaSupport, kind: CartridgeKind, w: &mut PageWriter) {
    let media = format.media;
    let purpose = if kind == CartridgeKind::Worm { "WORM" } else { "Data" };
    // "LTO8Data", "Ultrium 8 Data Tape".
    let (short, long) = media.generation().map_or_else(
        || (media.density_name.into(), media.description.into()),
        |generation| (format!("LTO{generation}{purpose}"), format!("Ultrium {generation} {purpose} Tape")),
    );
    w.u8(profile.medium_type_of(media, kind)).u8(0).u16(DESCRIPTOR_LENGTH).u8(1).u8(media.density).zeros(8);
    w.u16(media.width).u16(media.length).u16(0).ascii(media.organization, 8);
    w.ascii(&short, 8).ascii(&long, 20);
}
