//! READ BLOCK LIMITS, SSC-4 §7.6.  Bytes: 0 opcode · 1 MLOI(0) · 5 control
//!
//! Returns the minimum and maximum block length, or with MLOI=1 the maximum logical object identifier.
//!
//! **Deviations:** none.

use super::Context;
use scsi_core::cdb_field::bit;
use scsi_core::command_spec::{Access, CommandSpec};
use scsi_core::fault::Outcome;
use scsi_core::writer::PageWriter;
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// Command table entry of the command.
pub(crate) const SPEC: CommandSpec =
    CommandSpec::new("READ BLOCK LIMITS", &[0x05, 0x01, 0, 0, 0, 0], Access::Always).with_fields(&[bit("MLOI", 1, 0)]);

#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Raw {
    opcode: u8,
    flags: u8,
    _reserved: [u8; 3],
    control: u8,
}
const _: () = assert!(size_of::<Raw>() == 6);

pub(crate) fn run(cx: &mut Context<'_, '_, '_>) -> Outcome {
    let raw: Raw = cx.cdb.as_layout();
    if raw.flags & 0x01 != 0 {
        let max_object_number = cx.device.media.ready().map_or(u64::MAX, |mounted| mounted.medium.max_object_number());
        let mut page = PageWriter::new();
        page.zeros(12).u64(max_object_number);
        cx.data.data_in.append(page.as_slice());
        return Ok(());
    }
    let mut page = PageWriter::new();
    page.u8(0).u24(cx.device.media.max_block_length()).u16(1);
    cx.data.data_in.append(page.as_slice());
    Ok(())
}
