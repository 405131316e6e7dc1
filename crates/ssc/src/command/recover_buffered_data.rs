//! RECOVER BUFFERED DATA, SSC-4 §7.8.  Bytes: 0 opcode · 1 SILI(1) FIXED(0) · 2-4 TRANSFER LENGTH · 5 control
//!
//! READ returns all accepted data, buffered or not, so the buffer never holds data that READ cannot return; data that a
//! failed write lost cannot be recovered. Every request therefore ends with an empty buffer: NO SENSE 00h/02h with EOM.
//!
//! **Deviations:** none.

use super::Context;
use super::read::check_flags;
use super::transfer::Transfer;
use scsi_core::asc::Asc;
use scsi_core::cdb_field::{bit, number};
use scsi_core::command_spec::{Access, CommandSpec};
use scsi_core::fault::Outcome;
use scsi_core::sense::{Sense, SenseKey};

/// Command table entry of the command.
pub(crate) const SPEC: CommandSpec =
    CommandSpec::new("RECOVER BUFFERED DATA", &[0x14, 0x03, 0xff, 0xff, 0xff, 0x00], Access::Write)
        .with_fields(&[bit("SILI", 1, 1), bit("FIXED", 1, 0), number("TRANSFER LENGTH", 2, 3)])
        .with_timeouts(60, 1200);

pub(crate) fn run(cx: &mut Context<'_, '_, '_>) -> Outcome {
    let transfer = Transfer::parse(cx.cdb);
    cx.device.media.ready()?;
    check_flags(&transfer, transfer.flags & 0x02 != 0, cx.device.modes.block_length)?;
    if transfer.length == 0 {
        return Ok(());
    }
    let empty = Sense::new(SenseKey::NO_SENSE, Asc::END_OF_PARTITION_MEDIUM_DETECTED).with_eom(true);
    Err(empty.with_information(transfer.length.into()).into())
}
