//! READ MEDIA SERIAL NUMBER, SPC-4 §6.19.  Bytes: 0 opcode · 1 SERVICE ACTION(4-0) = 01h · 6-9 ALLOCATION LENGTH · 11 control
//!
//! **Deviations:** none.

use super::Context;
use scsi_core::cdb_field::number;
use scsi_core::command_spec::{Access, CommandSpec};
use scsi_core::fault::Outcome;
use scsi_core::wire::U32;
use scsi_core::writer::PageWriter;
use tape_store::mam::AttrId;
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// Command table entry of the command.
pub(crate) const SPEC: CommandSpec =
    CommandSpec::new("READ MEDIA SERIAL NUMBER", &[0xab, 0x1f, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0], Access::Read)
        .with_fields(&[number("ALLOCATION LENGTH", 6, 4)])
        .with_service_action(0x01);

#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Raw {
    opcode: u8,
    action: u8,
    _reserved: [u8; 4],
    allocation_length: U32,
    _reserved_10: u8,
    control: u8,
}
const _: () = assert!(size_of::<Raw>() == 12);

pub(crate) fn run(cx: &mut Context<'_, '_, '_>) -> Outcome {
    let raw: Raw = cx.cdb.as_layout();
    let mounted = cx.device.media.ready()?;
    let serial = mounted.mam.get(AttrId::SERIAL, 0).unwrap_or_default();
    let mut page = PageWriter::new();
    page.length_u32(|w| {
        // Padded to a multiple of four.
        w.bytes(serial).zeros(serial.len().next_multiple_of(4) - serial.len());
    });
    cx.return_data(raw.allocation_length.get(), page.as_slice());
    Ok(())
}
