//! REWIND, SSC-5 §7.14.  Bytes: 0 opcode · 1 IMMED(0) · 5 control
//!
//! **Deviations:** with IMMED=1 the rewind, which takes no time here, is done before the status all the same.

use crate::device::State;
use crate::fault::{self, Doing};
use crate::mounted::Mounted;
use scsi_core::fault::Outcome;
use scsi_core::spec::{Access, CommandSpec};

/// Facts of the command.
pub(crate) const SPEC: CommandSpec =
    CommandSpec::new("REWIND", &[0x01, 0x01, 0, 0, 0, 0], Access::Read).blocks(60, 600);

pub(crate) fn run(state: &mut State) -> Outcome {
    let mounted = state.ready()?;
    let partition = mounted.medium.position().partition;
    to_beginning_of(mounted, partition)
}

/// Positions the tape at the beginning of a partition.
pub(super) fn to_beginning_of(mounted: &mut Mounted, partition: u8) -> Outcome {
    mounted.before_motion()?;
    mounted.medium.locate(partition, 0).map_err(|error| fault::sense(&error, Doing::Moving))?;
    Ok(())
}
