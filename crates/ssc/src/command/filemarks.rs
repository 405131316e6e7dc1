//! WRITE FILEMARKS(6), SSC-4 §6.9.  Bytes: 0 opcode · 1 IMMED(0) · 2-4 FILEMARK COUNT · 5 control
//! WRITE FILEMARKS(16), SSC-4 §5.7.  Bytes: 0 opcode · 1 FCS(3) LCS(2) IMMED(0) · 3 PARTITION · 4-11 LOGICAL OBJECT IDENTIFIER · 12-14 FILEMARK COUNT · 15 control
//!
//! With IMMED=0 all written data is durable before GOOD status; a count of zero does only that.
//!
//! **Deviations:** FCS and LCS are accepted and ignored.

use super::Context;
use super::transfer::Transfer;
use super::write::{overflow, warn};
use crate::fault::{self, Operation};
use crate::mounted::Mounted;
use crate::overwrite::MediumChange;
use scsi_core::cdb_field::{bit, number};
use scsi_core::command_spec::{Access, CommandSpec};
use scsi_core::fault::Outcome;
use scsi_core::nexus::NexusId;
use scsi_core::sense::Sense;
use tape_store::medium::WriteOutcome;

/// Command table entry of the 6-byte form.
pub(crate) const SPEC_6: CommandSpec =
    CommandSpec::new("WRITE FILEMARKS(6)", &[0x10, 0x01, 0xff, 0xff, 0xff, 0x00], Access::Write)
        .with_fields(&[bit("IMMED", 1, 0), number("FILEMARK COUNT", 2, 3)])
        .blocking_with_timeouts(60, 1200);
/// Command table entry of the 16-byte form.
pub(crate) const SPEC_16: CommandSpec = CommandSpec::new(
    "WRITE FILEMARKS(16)",
    &[0x80, 0x0d, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0],
    Access::Write,
)
.with_fields(&[
    bit("FCS", 1, 3),
    bit("LCS", 1, 2),
    bit("IMMED", 1, 0),
    number("PARTITION", 3, 1),
    number("LOGICAL OBJECT IDENTIFIER", 4, 8),
    number("FILEMARK COUNT", 12, 3),
])
.blocking_with_timeouts(60, 1800);

pub(crate) fn run(cx: &mut Context<'_, '_, '_>) -> Outcome {
    // IMMED is the bit that is FIXED in transfers.
    let transfer = Transfer::parse(cx.cdb);
    let (immediate, count) = (transfer.fixed, transfer.length);
    let mounted = cx.device.media.ready()?;
    if immediate && cx.device.modes.is_unbuffered() {
        return Err(Sense::invalid_field_in_cdb(1, Some(0)).into());
    }
    transfer.locate_without_information(mounted)?;
    let outcome = match count {
        0 => Ok(()),
        count => {
            mounted.before_write(MediumChange::Write).and_then(|()| write_filemarks(mounted, count, cx.request.nexus))
        }
    };
    let outcome = match outcome {
        Ok(()) if !immediate => mounted.sync().map_err(|sense| sense.with_information(count.into())),
        other => other,
    };
    let outcome = match outcome {
        Ok(()) if count > 0 => warn(mounted).map_err(Into::into),
        other => other.map_err(Into::into),
    };
    cx.device.health.record_write(&outcome, mounted);
    outcome
}

fn write_filemarks(mounted: &mut Mounted, count: u32, nexus: NexusId) -> Result<(), Sense> {
    mounted.record_writer(nexus);
    let at = mounted.medium.position();
    mounted.record_truncation(at.partition, at.object);
    for done in 0..count {
        match mounted.medium.append_filemark() {
            Ok(WriteOutcome::Written { .. }) => {
                mounted.storage_full = false;
                mounted.counters.filemarks += 1;
            }
            Ok(WriteOutcome::EndOfMedium) => {
                mounted.record_full();
                return Err(overflow((count - done).into()));
            }
            Err(error) => {
                mounted.record_write_failure(&error);
                return Err(fault::sense(&error, Operation::Writing).with_information((count - done).into()));
            }
        }
    }
    Ok(())
}
