//! LOAD UNLOAD, SSC-5 §7.4.  Bytes: 0 opcode · 1 IMMED(0) · 4 HOLD(3) EOT(2) RETEN(1) LOAD(0) · 5 control
//!
//! **Deviations:** HOLD=1 and EOT=1 are refused; RETEN is accepted and, as on LTO, moves nothing.

use crate::alert::Alert;
use crate::device::State;
use crate::fault::{self, Doing};
use crate::load::{Load, not_ready};
use scsi_core::asc::Asc;
use scsi_core::cdb::Cdb;
use scsi_core::fault::Outcome;
use scsi_core::lu::Lu;
use scsi_core::sense::Sense;
use scsi_core::spec::{Access, CommandSpec};
use scsi_core::target::Request;
use tape_store::cartridge::Cartridge;

/// Facts of the command.
pub(crate) const SPEC: CommandSpec =
    CommandSpec::new("LOAD UNLOAD", &[0x1b, 0x01, 0, 0, 0x03, 0], Access::Write).blocks(60, 900);

pub(crate) fn run(lu: &mut Lu, state: &mut State, cdb: &Cdb, request: &Request<'_>) -> Outcome {
    if cdb.bytes()[4] & 0x01 != 0 { load(lu, state, request) } else { unload(lu, state) }
}

fn load(lu: &mut Lu, state: &mut State, request: &Request<'_>) -> Outcome {
    let cartridge: Cartridge = match std::mem::replace(&mut state.load, Load::Empty) {
        Load::Empty => return Err(not_ready(Asc::MEDIUM_NOT_PRESENT).into()),
        Load::Mounted(mounted) => {
            state.load = Load::Mounted(mounted);
            return super::rewind::run(state);
        }
        Load::Ejected(cartridge) | Load::Unusable(cartridge, _) => cartridge,
    };
    let name = format!("{:<8}{}", lu.identity.model.vendor, lu.identity.serial);
    state.mount(cartridge, &name);
    state.ready()?;
    lu.attention.raise_others(request.nexus, Asc::NOT_READY_TO_READY_CHANGE_MEDIUM_MAY_HAVE_CHANGED);
    Ok(())
}

fn unload(lu: &mut Lu, state: &mut State) -> Outcome {
    let inside = !matches!(state.load, Load::Empty | Load::Ejected(_));
    if inside && lu.removal_prevented() {
        state.alerts.raise(Alert::NO_REMOVAL);
        return Err(Sense::illegal(Asc::MEDIUM_REMOVAL_PREVENTED).into());
    }
    let Some((cartridge, result)) = state.unmount() else { return Ok(()) };
    state.load = Load::Ejected(cartridge);
    state.forget_keys(lu);
    result.map_err(|error| fault::sense(&error, Doing::Writing).into())
}
