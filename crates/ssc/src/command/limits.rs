//! READ BLOCK LIMITS, SSC-5 §7.9.  Bytes: 0 opcode · 1 MLOI(0) · 5 control
//!
//! **Deviations:** MLOI=1 is refused.

use crate::device::MAX_BLOCK_LENGTH;
use scsi_core::data::Data;
use scsi_core::fault::Outcome;
use scsi_core::spec::{Access, CommandSpec};
use scsi_core::writer::PageWriter;

/// Facts of the command.
pub(crate) const SPEC: CommandSpec = CommandSpec::new("READ BLOCK LIMITS", &[0x05, 0, 0, 0, 0, 0], Access::Always);

pub(crate) fn run(data: &mut Data<'_, '_>) -> Outcome {
    let mut page = PageWriter::new();
    page.u8(0).u24(MAX_BLOCK_LENGTH).u16(1);
    data.room.put(page.as_slice());
    Ok(())
}
