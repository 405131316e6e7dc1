//! WRITE(6), SSC-5 §7.16.  Bytes: 0 opcode · 1 FIXED(0) · 2-4 TRANSFER LENGTH · 5 control
//!
//! **Deviations:** none.

use super::Transfer6;
use crate::alert::Alert;
use crate::device::{MAX_BLOCK_LENGTH, State};
use crate::fault::{self, Doing};
use crate::load::Mounted;
use scsi_core::asc::Asc;
use scsi_core::cdb::Cdb;
use scsi_core::data::{Data, DataOut};
use scsi_core::fault::{Fault, Outcome};
use scsi_core::sense::{Sense, SenseKey};
use scsi_core::spec::{Access, CommandSpec};
use scsi_core::target::Request;
use tape_store::medium::{Codec, Written};
use tape_store::seal::Seal;

/// Facts of the command.
pub(crate) const SPEC: CommandSpec =
    CommandSpec::new("WRITE(6)", &[0x0a, 0x01, 0xff, 0xff, 0xff, 0x00], Access::Write).within(60, 1200);

/// Bytes that the CDB asks for.
pub(crate) fn bytes(cdb: &Cdb, block_length: u32) -> usize {
    let raw: Transfer6 = cdb.layout();
    let unit = if raw.fixed() { block_length as usize } else { 1 };
    (raw.transfer_length.get() as usize).saturating_mul(unit)
}

pub(crate) fn run(state: &mut State, cdb: &Cdb, request: &Request<'_>, data: &mut Data<'_, '_>) -> Outcome {
    let raw: Transfer6 = cdb.layout();
    let fixed = raw.fixed();
    let length = raw.transfer_length.get();
    let (block_length, unbuffered) = (state.block_length, state.buffered_mode == 0);
    let codec = if state.compress { state.config.codec } else { Codec::NONE };
    let allowed = state.encryption.may_write(request.nexus);
    let seal = state.encryption.of(request.nexus).0.seal();
    let mounted = state.ready()?;
    if length == 0 {
        return Ok(());
    }
    if fixed && block_length == 0 {
        return Err(Sense::cdb_field(1, Some(0)).info(length.into()).into());
    }
    if !fixed && length > MAX_BLOCK_LENGTH {
        return Err(Sense::cdb_field(2, None).into());
    }
    let (count, size) = if fixed { (length, block_length) } else { (1, length) };
    if !data.out.require((count as usize).saturating_mul(size as usize)) {
        return Err(Sense::illegal(Asc::INVALID_FIELD_IN_COMMAND_INFORMATION_UNIT).into());
    }
    let outcome = match allowed.and_then(|()| mounted.before_write()) {
        Ok(()) => {
            mounted.writer = Some(request.nexus);
            blocks(mounted, (count, size), (codec, seal.as_ref()), &mut data.out)
        }
        Err(sense) => Err(sense.info(length.into()).into()),
    };
    let outcome = outcome.map_err(|fault| residue(fault, fixed, length));
    let outcome = match outcome {
        Ok(()) if unbuffered => mounted.sync().map_err(|sense| sense.info(length.into()).into()),
        other => other,
    };
    note_alert(state, &outcome);
    outcome
}

/// Appends the blocks; beyond early warning they are all written, and then it is said.
fn blocks(
    mounted: &mut Mounted,
    (count, size): (u32, u32),
    (codec, seal): (Codec, Option<&Seal>),
    out: &mut DataOut<'_>,
) -> Outcome {
    let mut warned = false;
    for done in 0..count {
        let block = out.window(done as usize * size as usize, size as usize);
        let left = i64::from(count - done);
        let written = match seal {
            None => mounted.medium.append(&block, codec),
            Some(seal) => mounted.medium.append_sealed(&block, codec, seal),
        };
        match written {
            Ok(Written::Done { early_warning }) => {
                out.consume(size as usize);
                mounted.counters.from_host += u64::from(size);
                mounted.counters.to_medium = mounted.medium.stored();
                warned = early_warning;
            }
            Ok(Written::Full) => {
                return Err(overflow(left).into());
            }
            Err(error) => {
                mounted.counters.write_failures += 1;
                mounted.write_failed = !error.is_full() && !error.is_refusal();
                return Err(fault::sense(&error, Doing::Writing).info(left).into());
            }
        }
    }
    if warned { Err(early_warning().into()) } else { Ok(()) }
}

/// INFORMATION counts blocks in fixed mode and bytes otherwise.
fn residue(fault: Fault, fixed: bool, length: u32) -> Fault {
    match fault {
        Fault::Check(mut sense) if !fixed && sense.information.is_some_and(|left| left > 0) => {
            sense.information = Some(length.into());
            Fault::Check(sense)
        }
        other => other,
    }
}

/// 0/00/02 with EOM: everything was written, and the end is near.
pub(crate) fn early_warning() -> Sense {
    Sense::new(SenseKey::NO_SENSE, Asc::END_OF_PARTITION_MEDIUM_DETECTED).with_eom(true).info(0)
}

/// D/00/02 with EOM: so much was not written, for want of room.
pub(crate) fn overflow(left: i64) -> Sense {
    Sense::new(SenseKey::VOLUME_OVERFLOW, Asc::END_OF_PARTITION_MEDIUM_DETECTED).with_eom(true).info(left)
}

/// TapeAlert flags of a write that failed.
pub(crate) fn note_alert(state: &mut State, outcome: &Outcome) {
    if let Err(Fault::Check(sense)) = outcome {
        match sense.key {
            SenseKey::DATA_PROTECT => state.alerts.raise(Alert::WRITE_PROTECT),
            SenseKey::MEDIUM_ERROR => state.alerts.raise(Alert::WRITE_FAILURE),
            _ => {}
        }
    }
}
