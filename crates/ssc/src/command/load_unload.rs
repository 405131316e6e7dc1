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
use crate::load::{Load, LoadedNotThreaded, drive_name, not_ready};
use scsi_core::asc::Asc;
use scsi_core::cdb::Cdb;
use scsi_core::command_spec::{Access, CommandSpec};
use scsi_core::fault::Outcome;
use scsi_core::lu::Lu;
use scsi_core::sense::Sense;
use scsi_core::target::Request;
use tape_store::cartridge::Cartridge;

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
    let cartridge: Cartridge = match std::mem::replace(&mut state.load, Load::Empty) {
        Load::Empty => return Err(not_ready(Asc::MEDIUM_NOT_PRESENT).into()),
        Load::Mounted(mounted) => {
            state.load = Load::Mounted(mounted);
            let mounted = state.ready()?;
            return super::rewind::to_beginning_of(mounted, 0);
        }
        Load::LoadedNotThreaded(loaded) => loaded.cartridge,
        Load::Ejected(cartridge) | Load::Unusable(cartridge, _) => cartridge,
    };
    if hold {
        return load_without_threading(state, cartridge);
    }
    state.mount(cartridge, &drive_name(lu));
    state.ready()?;
    lu.attentions.raise_others(request.nexus, Asc::NOT_READY_TO_READY_CHANGE_MEDIUM_MAY_HAVE_CHANGED);
    Ok(())
}

/// Loads a cartridge without threading its tape (HOLD=1).
fn load_without_threading(state: &mut DriveState, mut cartridge: Cartridge) -> Outcome {
    match cartridge.mam_or_rebuilt() {
        Ok((mam, damage)) => {
            if damage.is_some() {
                state.alerts.raise(Alert::MEMORY_CHIP);
            }
            state.load = Load::LoadedNotThreaded(Box::new(LoadedNotThreaded { cartridge, mam }));
        }
        Err(error) => {
            state.alerts.raise(Alert::MEMORY_CHIP);
            let sense = fault::sense(&error, Operation::Loading);
            state.load = Load::Unusable(cartridge, sense.clone());
            return Err(sense.into());
        }
    }
    Ok(())
}

fn unload(lu: &mut Lu, state: &mut DriveState, hold: bool) -> Outcome {
    if let Some(operation) = &state.background {
        return Err(operation.not_ready().into());
    }
    let inside = !matches!(state.load, Load::Empty | Load::Ejected(_));
    if inside && !hold && lu.removal_prevented() {
        state.alerts.raise(Alert::NO_REMOVAL);
        return Err(Sense::illegal_request(Asc::MEDIUM_REMOVAL_PREVENTED).into());
    }
    let Some((cartridge, result)) = state.unmount() else { return Ok(()) };
    state.clear_keys_at_demount(lu);
    let held_result = if hold && inside {
        load_without_threading(state, cartridge)
    } else {
        state.load = Load::Ejected(cartridge);
        Ok(())
    };
    result.map_err(|error| fault::sense(&error, Operation::Writing).into()).and(held_result)
}
