//! WRITE FILEMARKS(6), SSC-5 §7.17.  Bytes: 0 opcode · 1 IMMED(0) · 2-4 FILEMARK COUNT · 5 control
//!
//! Without IMMED everything written so far is durable before GOOD; a count of zero does only that.
//!
//! **Deviations:** none.

use super::write::{early_warning, note_alert, overflow};
use crate::device::State;
use crate::fault::{self, Doing};
use crate::load::Mounted;
use scsi_core::cdb::Cdb;
use scsi_core::fault::Outcome;
use scsi_core::sense::Sense;
use scsi_core::spec::{Access, CommandSpec};
use scsi_core::target::Request;
use scsi_core::wire::U24;
use tape_store::medium::Written;
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// Facts of the command.
pub(crate) const SPEC: CommandSpec =
    CommandSpec::new("WRITE FILEMARKS(6)", &[0x10, 0x01, 0xff, 0xff, 0xff, 0x00], Access::Write).blocks(60, 1200);

#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Raw {
    opcode: u8,
    flags: u8,
    count: U24,
    control: u8,
}
const _: () = assert!(size_of::<Raw>() == 6);

pub(crate) fn run(state: &mut State, cdb: &Cdb, request: &Request<'_>) -> Outcome {
    let raw: Raw = cdb.layout();
    let (immediate, count) = (raw.flags & 0x01 != 0, raw.count.get());
    let unbuffered = state.buffered_mode == 0;
    let mounted = state.ready()?;
    if immediate && unbuffered {
        return Err(Sense::cdb_field(1, Some(0)).into());
    }
    let outcome = match count {
        0 => Ok(()),
        count => mounted.before_write().and_then(|()| marks(mounted, count, request)),
    };
    let outcome = match outcome {
        Ok(()) if !immediate => mounted.sync().map_err(|sense| sense.info(count.into())),
        other => other,
    };
    let warned = count > 0 && mounted.medium.position().early_warning;
    let outcome = match outcome {
        Ok(()) if warned => Err(early_warning().into()),
        other => other.map_err(Into::into),
    };
    note_alert(state, &outcome);
    outcome
}

fn marks(mounted: &mut Mounted, count: u32, request: &Request<'_>) -> Result<(), Sense> {
    mounted.writer = Some(request.nexus);
    for done in 0..count {
        match mounted.medium.append_filemark() {
            Ok(Written::Done { .. }) => mounted.counters.filemarks += 1,
            Ok(Written::Full) => return Err(overflow((count - done).into())),
            Err(error) => {
                mounted.write_failed = !error.is_full() && !error.is_refusal();
                return Err(fault::sense(&error, Doing::Writing).info((count - done).into()));
            }
        }
    }
    Ok(())
}
