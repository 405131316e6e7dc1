//! REPORT DENSITY SUPPORT, SSC-5 §7.12.  Bytes: 0 opcode · 1 MEDIUM TYPE(1) MEDIA(0) · 7-8 ALLOCATION LENGTH · 9 control
//!
//! **Deviations:** medium type descriptors (MEDIUM TYPE=1) are refused.

use crate::device::State;
use crate::profile::Format;
use scsi_core::cdb::Cdb;
use scsi_core::data::Data;
use scsi_core::fault::Outcome;
use scsi_core::spec::{Access, CommandSpec};
use scsi_core::writer::PageWriter;

/// Facts of the command.
pub(crate) const SPEC: CommandSpec =
    CommandSpec::new("REPORT DENSITY SUPPORT", &[0x44, 0x01, 0, 0, 0, 0, 0, 0xff, 0xff, 0], Access::Always);

const WRTOK: u8 = 0x80;
const DEFLT: u8 = 0x20;

pub(crate) fn run(state: &mut State, cdb: &Cdb, data: &mut Data<'_, '_>) -> Outcome {
    let [_, flags, _, _, _, _, _, high, low, ..] = *cdb.bytes();
    let formats = state.profile.formats;
    let native = state.profile.native;
    let mut body = PageWriter::new();
    if flags & 0x01 != 0 {
        let mounted = state.ready()?;
        let (media, capacity) = (mounted.cartridge.media(), mounted.cartridge.capacity());
        let written = formats.iter().filter(|format| format.media == media);
        written.for_each(|format| descriptor(format, capacity, true, &mut body));
    } else {
        formats.iter().for_each(|format| descriptor(format, format.media.capacity, format.media == native, &mut body));
    }
    let mut page = PageWriter::new();
    page.length_u16(|w| {
        w.u16(0).bytes(body.as_slice());
    });
    data.room.limit(usize::from(u16::from_be_bytes([high, low])));
    data.room.put(page.as_slice());
    Ok(())
}

fn descriptor(format: &Format, capacity: u64, default: bool, w: &mut PageWriter) {
    let media = format.media;
    let flags = if format.writable { WRTOK } else { 0 } | if default { DEFLT } else { 0 };
    w.u8(media.density).u8(media.density).u8(flags).u16(0);
    w.u24(media.bits_per_mm).u16(media.width).u16(media.tracks);
    w.u32(u32::try_from(capacity / 1_000_000).unwrap_or(u32::MAX));
    w.ascii(media.organization, 8).ascii(media.density_name, 8).ascii(media.description, 20);
}
