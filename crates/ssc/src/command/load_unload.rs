//! LOAD UNLOAD, SSC-5 §7.4.  Bytes: 0 opcode · 1 IMMED(0) · 4 HOLD(3) EOT(2) RETEN(1) LOAD(0) · 5 control
//!
//! With HOLD=1 the cartridge stays in the drive, not threaded, with accessible cartridge memory. A load of a threaded
//! tape positions it at the beginning of partition 0, as any load does: LTFS relies on this before SET CAPACITY and
//! FORMAT MEDIUM.
//!
//! **Deviations:** EOT=1 is rejected, as by LTO drives; RETEN is accepted and, as on LTO, has no effect; a load
//! positions at partition 0 regardless of attribute 080Ah.

use crate::alert::Alert;
use crate::device::DriveState;
use crate::fault::{self, Operation};
use crate::media::drive_name;
use scsi_core::asc::Asc;
use scsi_core::cdb::Cdb;
use scsi_core::command_spec::{Access, CommandSpec};
use scsi_core::fault::Outcome;
use scsi_core::lu::Lu;
use scsi_core::sense::Sense;
use scsi_core::target::Request;

/// Command table entry of the command.
pub(crate) const SPEC: CommandSpec =
    CommandSpec::new("LOAD UNLOAD", &[0x1b, 0x01, 0, 0, 0x0b, 0], Access::Write).blocking_with_timeouts(60, 900);

pub(crate) fn run(lu: &mut Lu, state: &mut DriveState, cdb: &Cdb, request: &Request<'_>) -> Outcome {
    let flags = cdb.bytes()[4];
    let hold = flags & 0x08 != 0;
    match flags & 0x01 {
        0 => unload(lu, state, hold),
        _ => load(lu, state, request, hold),
    }
}

fn load(lu: &mut Lu, state: &mut DriveState, request: &Request<'_>, hold: bool) -> Outcome {
    let Some(cartridge) = state.media.take_to_load()? else {
        return super::rewind::to_beginning_of(state.media.ready()?, 0);
    };
    if hold {
        return Ok(state.load_without_threading(cartridge)?);
    }
    state.mount(cartridge, &drive_name(lu));
    state.media.ready()?;
    lu.attentions.raise_others(request.nexus, Asc::NOT_READY_TO_READY_CHANGE_MEDIUM_MAY_HAVE_CHANGED);
    Ok(())
}

fn unload(lu: &mut Lu, state: &mut DriveState, hold: bool) -> Outcome {
    state.media.check_idle()?;
    let loaded = state.media.is_loaded();
    if loaded && !hold && lu.removal_prevented() {
        state.health.alerts.raise(Alert::NO_REMOVAL);
        return Err(Sense::illegal_request(Asc::MEDIUM_REMOVAL_PREVENTED).into());
    }
    let Some((cartridge, result)) = state.unmount() else { return Ok(()) };
    state.clear_keys_at_demount(lu);
    let held = if hold && loaded {
        state.load_without_threading(cartridge)
    } else {
        state.media.hold_ejected(cartridge);
        Ok(())
    };
    result.map_err(|error| fault::sense(&error, Operation::Writing))?;
    Ok(held?)
}
