//! READ(6), SSC-5 §7.8.  Bytes: 0 opcode · 1 SILI(1) FIXED(0) · 2-4 TRANSFER LENGTH · 5 control
//!
//! Data and CHECK CONDITION go together: a block of another length is transferred as far as it goes, with ILI.
//!
//! **Deviations:** none.

use super::Transfer6;
use crate::alert::Alert;
use crate::device::State;
use crate::fault::{self, Doing};
use crate::load::Mounted;
use scsi_core::asc::Asc;
use scsi_core::cdb::Cdb;
use scsi_core::data::{Data, DataIn};
use scsi_core::fault::{Fault, Outcome};
use scsi_core::sense::{Sense, SenseKey};
use scsi_core::spec::{Access, CommandSpec};
use scsi_core::target::Request;
use tape_store::error::StoreError;
use tape_store::medium::Found;
use tape_store::seal::Unseal;

/// Facts of the command.
pub(crate) const SPEC: CommandSpec =
    CommandSpec::new("READ(6)", &[0x08, 0x03, 0xff, 0xff, 0xff, 0x00], Access::Read).within(60, 1200);

pub(crate) fn run(state: &mut State, cdb: &Cdb, request: &Request<'_>, data: &mut Data<'_, '_>) -> Outcome {
    let raw: Transfer6 = cdb.layout();
    let (fixed, sili) = (raw.fixed(), raw.flags & 0x02 != 0);
    let length = raw.transfer_length.get();
    let block_length = state.block_length;
    let parameters = state.encryption.of(request.nexus).0.clone();
    let unseal = parameters.unseal();
    let mounted = state.ready()?;
    if length == 0 {
        return Ok(());
    }
    if fixed && (sili || block_length == 0) {
        return Err(Sense::cdb_field(1, Some(u8::from(sili))).info(length.into()).into());
    }
    let outcome = if fixed {
        fixed_blocks(mounted, (length, block_length), unseal, &mut data.room)
    } else {
        variable_block(mounted, (length, sili, block_length), unseal, &mut data.room)
    };
    note_outcome(state, &outcome);
    outcome
}

/// Raises the alert of a medium that cannot be read. Counts wrong keys; a read that went through ends the row.
pub(super) fn note_outcome(state: &mut State, outcome: &Outcome) {
    match outcome {
        Err(Fault::Check(sense)) if sense.key == SenseKey::MEDIUM_ERROR => state.alerts.raise(Alert::READ_FAILURE),
        Err(Fault::Check(sense)) if sense.asc == Asc::INCORRECT_DATA_ENCRYPTION_KEY => state.encryption.tried(false),
        Ok(()) => state.encryption.tried(true),
        Err(_) => {}
    }
}

fn variable_block(
    mounted: &mut Mounted,
    (length, sili, block_length): (u32, bool, u32),
    unseal: Unseal<'_>,
    room: &mut DataIn<'_, '_>,
) -> Outcome {
    let wanted = length as usize;
    let found = next(mounted, room, (0, wanted), unseal).map_err(|sense| sense.info(length.into()))?;
    room.fill(found.min(wanted));
    let residue = i64::from(length) - i64::try_from(found).unwrap_or(i64::MAX);
    let silent = match residue {
        0 => true,
        1.. => sili,
        _ => sili && block_length == 0,
    };
    if silent { Ok(()) } else { Err(Sense::NONE.with_ili().info(residue).into()) }
}

fn fixed_blocks(
    mounted: &mut Mounted,
    (count, block_length): (u32, u32),
    unseal: Unseal<'_>,
    room: &mut DataIn<'_, '_>,
) -> Outcome {
    let size = block_length as usize;
    for done in 0..count {
        let left = i64::from(count - done);
        match next(mounted, room, (done as usize * size, size), unseal) {
            Ok(len) if len == size => room.fill(size),
            Ok(_) => return Err(Sense::NONE.with_ili().info(left).into()),
            Err(sense) => return Err(sense.info(left).into()),
        }
    }
    Ok(())
}

/// Reads the next object to `offset` of the answer; its whole length, or why there is no block.
fn next(
    mounted: &mut Mounted,
    room: &mut DataIn<'_, '_>,
    (offset, len): (usize, usize),
    unseal: Unseal<'_>,
) -> Result<usize, Sense> {
    let found = mounted.medium.read_sealed(&mut room.window(offset, len), unseal);
    let actual = block_of(mounted, found)?;
    mounted.counters.to_host += actual.min(len) as u64;
    Ok(actual)
}

/// The length of the block that was met, or why there is none.
pub(super) fn block_of(mounted: &mut Mounted, found: Result<Found, StoreError>) -> Result<usize, Sense> {
    match found {
        Ok(Found::Block { len, stored }) => {
            mounted.counters.from_medium += stored;
            Ok(len)
        }
        Ok(Found::Filemark) => Err(Sense::new(SenseKey::NO_SENSE, Asc::FILEMARK_DETECTED).with_filemark()),
        Ok(Found::EndOfData) => Err(end_of_data(mounted)),
        Err(error) => {
            mounted.counters.read_failures += 1;
            Err(fault::sense(&error, Doing::Reading))
        }
    }
}

/// 8/00/05; EOM only behind early warning.
pub(crate) fn end_of_data(mounted: &Mounted) -> Sense {
    let eom = mounted.medium.position().early_warning;
    Sense::new(SenseKey::BLANK_CHECK, Asc::END_OF_DATA_DETECTED).with_eom(eom)
}
