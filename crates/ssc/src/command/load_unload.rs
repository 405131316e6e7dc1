//! LOAD UNLOAD, SSC-4 §7.3.  Bytes: 0 opcode · 1 IMMED(0) · 4 HOLD(3) EOT(2) RETEN(1) LOAD(0) · 5 control
//!
//! With HOLD=1 the cartridge stays in the drive, not threaded, with accessible cartridge memory. A load of a threaded
//! tape positions it at the beginning of partition 0, as any load does: LTFS relies on this before SET CAPACITY and
//! FORMAT MEDIUM.
//!
//! If the store of the cartridge must thaw objects before they are read, a load goes on in the background, which may take hours: with
//! IMMED=0 it ends with NOT READY 04h/01h and the progress, with IMMED=1 with GOOD. Both report the progress until the tape is
//! threaded, then UNIT ATTENTION 28h/00h for every nexus. An unload ends such a load.
//!
//! **Deviations:** EOT=1 is rejected, as by LTO drives; RETEN is accepted and, as on LTO, has no effect; a load
//! positions at partition 0 regardless of attribute 080Ah.

use super::Context;
use crate::alert::Alert;
use crate::fault::{self, Operation};
use crate::media::drive_name;
use scsi_core::asc::Asc;
use scsi_core::cdb_field::bit;
use scsi_core::command_spec::{Access, CommandSpec};
use scsi_core::fault::Outcome;
use scsi_core::sense::Sense;

/// Command table entry of the command.
pub(crate) const SPEC: CommandSpec = CommandSpec::new("LOAD UNLOAD", &[0x1b, 0x01, 0, 0, 0x0b, 0], Access::Write)
    .with_fields(&[bit("IMMED", 1, 0), bit("HOLD", 4, 3), bit("RETEN", 4, 1), bit("LOAD", 4, 0)])
    .blocking_with_timeouts(60, 900);

pub(crate) fn run(cx: &mut Context<'_, '_, '_>) -> Outcome {
    let flags = cx.cdb.bytes()[4];
    let hold = flags & 0x08 != 0;
    let (load_bit, delays) = (flags & 0x01 != 0, cx.device.media.delays);
    cx.delay_status(if load_bit { delays.load } else { delays.unload });
    if !load_bit {
        return unload(cx, hold);
    }
    let was_thawing = cx.device.media.thawing().is_some();
    let is_immediate = cx.cdb.bytes()[1] & 0x01 != 0;
    match load(cx, hold) {
        Err(_) if is_immediate && !was_thawing && cx.device.media.thawing().is_some() => Ok(()),
        outcome => outcome,
    }
}

fn load(cx: &mut Context<'_, '_, '_>, hold: bool) -> Outcome {
    let Some(cartridge) = cx.device.media.take_to_load()? else {
        return super::rewind::to_beginning_of(cx.device.media.ready()?, 0);
    };
    cx.lu.recover();
    if hold {
        return Ok(cx.device.load_without_threading(cartridge)?);
    }
    cx.device.mount(cartridge, &drive_name(cx.lu));
    cx.device.media.ready()?;
    // The end of a load that continues after its status raises it for every nexus.
    if cx.cdb.bytes()[1] & 0x01 != 0 && cx.device.time.waits_for_load() {
        return Ok(());
    }
    cx.lu.attentions.raise_others(cx.request.nexus, Asc::NOT_READY_TO_READY_CHANGE_MEDIUM_MAY_HAVE_CHANGED);
    Ok(())
}

fn unload(cx: &mut Context<'_, '_, '_>, hold: bool) -> Outcome {
    let media = &mut cx.device.media;
    media.check_idle()?;
    let loaded = media.is_loaded();
    if loaded && !hold && cx.lu.removal_prevented() {
        cx.device.health.alerts.raise(Alert::NO_REMOVAL);
        return Err(Sense::illegal_request(Asc::MEDIUM_REMOVAL_PREVENTED).into());
    }
    let Some((cartridge, result)) = cx.device.unmount() else { return Ok(()) };
    cx.device.clear_keys_at_demount(cx.lu);
    let held = if hold && loaded {
        cx.device.load_without_threading(cartridge)
    } else {
        cx.device.media.set_ejected(cartridge);
        Ok(())
    };
    result.map_err(|error| fault::sense(&error, Operation::Writing))?;
    Ok(held?)
}
