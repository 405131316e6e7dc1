//! READ BLOCK LIMITS, SSC-5 §7.9.  Bytes: 0 opcode · 1 MLOI(0) · 5 control
//!
//! **Deviations:** MLOI=1 is refused.

use crate::device::{MAX_BLOCK_LENGTH, State};
use scsi_core::data::Data;
use scsi_core::fault::Outcome;
use scsi_core::spec::{Access, CommandSpec};
use scsi_core::writer::PageWriter;

/// Facts of the command.
pub(crate) const SPEC: CommandSpec = CommandSpec::new("READ BLOCK LIMITS", &[0x05, 0, 0, 0, 0, 0], Access::Always);

pub(crate) fn run(state: &mut State, data: &mut Data<'_, '_>) -> Outcome {
    // A cartridge that mhvtl is to read holds shorter blocks than the drive.
    let medium = state.ready().ok().and_then(|mounted| u32::try_from(mounted.medium.max_block()).ok());
    let most = medium.map_or(MAX_BLOCK_LENGTH, |most| most.min(MAX_BLOCK_LENGTH));
    let mut page = PageWriter::new();
    page.u8(0).u24(most).u16(1);
    data.room.put(page.as_slice());
    Ok(())
}
