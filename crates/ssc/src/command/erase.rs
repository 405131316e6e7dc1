//! ERASE(6), SSC-5 §7.2.  Bytes: 0 opcode · 1 IMMED(1) LONG(0) · 5 control
//!
//! Everything from the position to the end of the partition is gone, in both forms, and durably so.
//!
//! **Deviations:** none.

use super::write::note_alert;
use crate::device::State;
use crate::fault::{self, Doing};
use crate::load::Mounted;
use scsi_core::fault::Outcome;
use scsi_core::sense::Sense;
use scsi_core::spec::{Access, CommandSpec};

/// Facts of the command.
pub(crate) const SPEC: CommandSpec =
    CommandSpec::new("ERASE(6)", &[0x19, 0x03, 0, 0, 0, 0], Access::Write).blocks(60, 21600);

pub(crate) fn run(state: &mut State) -> Outcome {
    let outcome = erase(state.ready()?).map_err(Into::into);
    note_alert(state, &outcome);
    outcome
}

fn erase(mounted: &mut Mounted) -> Result<(), Sense> {
    mounted.before_write()?;
    mounted.medium.truncate().map_err(|error| fault::sense(&error, Doing::Writing))?;
    mounted.sync()
}
