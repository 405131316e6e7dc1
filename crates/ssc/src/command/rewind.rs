//! REWIND, SSC-4 §7.10.  Bytes: 0 opcode · 1 IMMED(0) · 5 control
//!
//! **Deviations:** a rewind takes no time, so a command with IMMED=1 completes when it is done.

use super::Context;
use crate::fault::{self, Operation};
use crate::mounted::Mounted;
use scsi_core::cdb_field::bit;
use scsi_core::command_spec::{Access, CommandSpec};
use scsi_core::fault::Outcome;

/// Command table entry of the command.
pub(crate) const SPEC: CommandSpec = CommandSpec::new("REWIND", &[0x01, 0x01, 0, 0, 0, 0], Access::Read)
    .with_fields(&[bit("IMMED", 1, 0)])
    .blocking_with_timeouts(60, 600);

pub(crate) fn run(cx: &mut Context<'_, '_, '_>) -> Outcome {
    cx.delay_status(cx.device.media.delays.rewind);
    let mounted = cx.device.media.ready()?;
    let partition = mounted.medium.position().partition;
    to_beginning_of(mounted, partition)
}

/// Positions the tape at the beginning of a partition.
pub(super) fn to_beginning_of(mounted: &mut Mounted, partition: u8) -> Outcome {
    mounted.before_motion()?;
    mounted.medium.locate(partition, 0).map_err(|error| fault::sense(&error, Operation::Moving))?;
    Ok(())
}
