//! ERASE(6), SSC-4 §6.2.   Bytes: 0 opcode · 1 IMMED(1) LONG(0) · 5 control
//! ERASE(16), SSC-4 §5.2.  Bytes: 0 opcode · 1 FCS(3) LCS(2) IMMED(1) LONG(0) · 3 PARTITION · 4-11 LOGICAL OBJECT IDENTIFIER · 15 control
//!
//! Both forms erase everything from the position to the end of the partition, durably.
//!
//! **Deviations:** FCS and LCS are accepted and ignored; a long erase takes no time, so a command with IMMED=1
//! completes when it is done; a long erase is allowed at any position.

use super::Context;
use super::transfer::Transfer;
use crate::fault::{self, Operation};
use crate::mounted::Mounted;
use crate::overwrite::MediumChange;
use scsi_core::cdb_field::{bit, number};
use scsi_core::command_spec::{Access, CommandSpec};
use scsi_core::fault::Outcome;
use scsi_core::sense::Sense;

/// Command table entry of the 6-byte form.
pub(crate) const SPEC_6: CommandSpec = CommandSpec::new("ERASE(6)", &[0x19, 0x03, 0, 0, 0, 0], Access::Write)
    .with_fields(&[bit("IMMED", 1, 1), bit("LONG", 1, 0)])
    .blocking_with_timeouts(60, 21600);
/// Command table entry of the 16-byte form.
pub(crate) const SPEC_16: CommandSpec = CommandSpec::new(
    "ERASE(16)",
    &[0x93, 0x0f, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0],
    Access::Write,
)
.with_fields(&[
    bit("FCS", 1, 3),
    bit("LCS", 1, 2),
    bit("IMMED", 1, 1),
    bit("LONG", 1, 0),
    number("PARTITION", 3, 1),
    number("LOGICAL OBJECT IDENTIFIER", 4, 8),
])
.blocking_with_timeouts(60, 21600);

pub(crate) fn run(cx: &mut Context<'_, '_, '_>) -> Outcome {
    let mounted = cx.device.media.ready()?;
    let outcome = Transfer::parse(cx.cdb).locate_without_information(mounted).and_then(|()| erase(mounted));
    let outcome = outcome.map_err(Into::into);
    cx.device.health.record_write(&outcome, mounted);
    outcome
}

fn erase(mounted: &mut Mounted) -> Result<(), Sense> {
    mounted.before_write(MediumChange::Erase)?;
    let at = mounted.medium.position();
    mounted.record_truncation(at.partition, at.object);
    mounted.medium.truncate().map_err(|error| fault::sense(&error, Operation::Writing))?;
    mounted.sync()
}
