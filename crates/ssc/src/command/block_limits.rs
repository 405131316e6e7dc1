//! READ BLOCK LIMITS, SSC-5 §7.9.  Bytes: 0 opcode · 1 MLOI(0) · 5 control
//!
//! Returns the minimum and maximum block length, or with MLOI=1 the maximum logical object identifier.
//!
//! **Deviations:** none.

use crate::device::DriveState;
use scsi_core::cdb::Cdb;
use scsi_core::command_spec::{Access, CommandSpec};
use scsi_core::data::Data;
use scsi_core::fault::Outcome;
use scsi_core::writer::PageWriter;
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// Command table entry of the command.
pub(crate) const SPEC: CommandSpec = CommandSpec::new("READ BLOCK LIMITS", &[0x05, 0x01, 0, 0, 0, 0], Access::Always);

#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Raw {
    opcode: u8,
    flags: u8,
    _reserved: [u8; 3],
    control: u8,
}
const _: () = assert!(size_of::<Raw>() == 6);

pub(crate) fn run(state: &mut DriveState, cdb: &Cdb, data: &mut Data<'_, '_>) -> Outcome {
    let raw: Raw = cdb.as_layout();
    if raw.flags & 0x01 != 0 {
        let max_object_number = state.media.ready().map_or(u64::MAX, |mounted| mounted.medium.max_object_number());
        let mut page = PageWriter::new();
        page.zeros(12).u64(max_object_number);
        data.data_in.append(page.as_slice());
        return Ok(());
    }
    let mut page = PageWriter::new();
    page.u8(0).u24(state.media.max_block_length()).u16(1);
    data.data_in.append(page.as_slice());
    Ok(())
}
