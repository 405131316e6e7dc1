//! READ(6), SSC-5 §7.8.   Bytes: 0 opcode · 1 SILI(1) FIXED(0) · 2-4 TRANSFER LENGTH · 5 control
//! READ(16), SSC-5 §5.5.  Bytes: 0 opcode · 1 SILI(1) FIXED(0) · 3 PARTITION · 4-11 LOGICAL OBJECT IDENTIFIER · 12-14 TRANSFER LENGTH · 15 control
//!
//! Data and CHECK CONDITION go together: a block of another length is transferred as far as it goes, with ILI. With
//! logical block protection on read, the four bytes behind a block are part of it and count.
//!
//! **Deviations:** none.

use super::transfer::Transfer;
use crate::alert::Alert;
use crate::block_protection::{self, BlockProtection, ProtectionMethod};
use crate::device::DriveState;
use crate::encryption::CeemRestriction;
use crate::fault::{self, Operation};
use crate::mounted::Mounted;
use scsi_core::asc::Asc;
use scsi_core::cdb::Cdb;
use scsi_core::command_spec::{Access, CommandSpec};
use scsi_core::data::{Data, DataIn};
use scsi_core::fault::{Fault, Outcome};
use scsi_core::nexus::NexusId;
use scsi_core::sense::{Sense, SenseKey};
use scsi_core::target::Request;
use std::io::IoSliceMut;
use tape_store::encrypt::Decryption;
use tape_store::error::StoreError;
use tape_store::medium::ReadOutcome;

/// Facts of the 6-byte form.
pub(crate) const SPEC_6: CommandSpec =
    CommandSpec::new("READ(6)", &[0x08, 0x03, 0xff, 0xff, 0xff, 0x00], Access::Read).with_timeouts(60, 1200);
/// Facts of the 16-byte form.
pub(crate) const SPEC_16: CommandSpec = CommandSpec::new(
    "READ(16)",
    &[0x88, 0x03, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0],
    Access::Read,
)
.blocking_with_timeouts(60, 1800);

/// How blocks are read.
#[derive(Clone, Copy)]
pub(super) struct ReadOptions<'a> {
    pub(super) decryption: Decryption<'a>,
    /// Blocks that are not read because of how they came to be sealed.
    pub(super) ceem: Option<CeemRestriction>,
    /// Blocks are sent with this behind them.
    pub(super) method: Option<ProtectionMethod>,
}

/// Refuses the next block if it came to be sealed in a way that is not wanted (CEEM).
///
/// # Errors
/// 7/74/09.
pub(super) fn check_ceem(refused: Option<CeemRestriction>, mounted: &mut Mounted) -> Result<(), Sense> {
    let Some(refused) = refused else { return Ok(()) };
    let sealing = mounted.medium.next_encryption().map_err(|error| fault::sense(&error, Operation::Reading))?;
    match sealing {
        Some(sealing) if sealing.written_raw == (refused == CeemRestriction::External) => {
            Err(fault::protected(Asc::ENCRYPTION_MODE_MISMATCH_ON_READ))
        }
        _ => Ok(()),
    }
}

pub(crate) fn run(state: &mut DriveState, cdb: &Cdb, request: &Request<'_>, data: &mut Data<'_, '_>) -> Outcome {
    let transfer = Transfer::parse(cdb);
    let sili = transfer.flags & 0x02 != 0;
    let block_length = state.block_length;
    let reader = state.encryption.parameters_of(request.nexus).0.reader();
    let method = BlockProtection::on_read(state.block_protection_of(request.nexus));
    let how = ReadOptions { decryption: reader.decryption(), ceem: reader.ceem_restriction, method };
    let has_failed = state.encryption.has_failed();
    let mounted = state.ready()?;
    check_flags(&transfer, sili, block_length)?;
    transfer.locate_explicit(mounted)?;
    if transfer.length == 0 {
        return Ok(());
    }
    mounted.before_read()?;
    // A right key ends a row of wrong ones; a block in clear does not.
    let was_sealed = has_failed && next_is_encrypted(mounted)?;
    let outcome = if transfer.fixed {
        fixed_blocks(mounted, (transfer.length, block_length), how, &mut data.data_in)
    } else {
        variable_block(mounted, (transfer.length, sili, block_length), how, &mut data.data_in)
    };
    if outcome.is_ok() && was_sealed {
        state.encryption.tried(request.nexus, true);
    }
    record_outcome(state, request.nexus, &outcome);
    outcome
}

/// Whether the next block is sealed.
pub(super) fn next_is_encrypted(mounted: &mut Mounted) -> Result<bool, Sense> {
    let sealing = mounted.medium.next_encryption().map_err(|error| fault::sense(&error, Operation::Reading))?;
    Ok(sealing.is_some())
}

/// SILI does not go with fixed blocks, and those have a length.
pub(super) fn check_flags(transfer: &Transfer, sili: bool, block_length: u32) -> Result<(), Sense> {
    if transfer.length != 0 && transfer.fixed && sili {
        return Err(Sense::invalid_field_in_cdb(1, Some(1)).with_information(transfer.length.into()));
    }
    if transfer.length == 0 { Ok(()) } else { transfer.check_block_length(block_length) }
}

/// Raises the alert of a medium that cannot be read. Counts wrong keys.
pub(crate) fn record_outcome(state: &mut DriveState, nexus: NexusId, outcome: &Outcome) {
    match outcome {
        Err(Fault::CheckCondition(sense)) if sense.key == SenseKey::MEDIUM_ERROR => {
            state.alerts.raise(Alert::HARD_ERROR);
            state.alerts.raise(Alert::READ_FAILURE);
        }
        Err(Fault::CheckCondition(sense)) if sense.asc == Asc::INCORRECT_DATA_ENCRYPTION_KEY => {
            state.encryption.tried(nexus, false);
        }
        Ok(()) | Err(_) => {}
    }
}

fn variable_block(
    mounted: &mut Mounted,
    (length, sili, block_length): (u32, bool, u32),
    how: ReadOptions<'_>,
    room: &mut DataIn<'_, '_>,
) -> Outcome {
    let wanted = length as usize;
    let found = next(mounted, room, (0, wanted), how).map_err(|sense| sense.with_information(length.into()))?;
    room.advance(found.min(wanted));
    length_residue((length, found), sili, block_length)
}

/// What is said of a block of another length.
pub(super) fn length_residue((length, found): (u32, usize), sili: bool, block_length: u32) -> Outcome {
    let residue = i64::from(length) - i64::try_from(found).unwrap_or(i64::MAX);
    let silent = match residue {
        0 => true,
        1.. => sili,
        _ => sili && block_length == 0,
    };
    if silent { Ok(()) } else { Err(Sense::NONE.with_ili().with_information(residue).into()) }
}

fn fixed_blocks(
    mounted: &mut Mounted,
    (count, block_length): (u32, u32),
    how: ReadOptions<'_>,
    room: &mut DataIn<'_, '_>,
) -> Outcome {
    let size = block_length as usize;
    for done in 0..count {
        let left = i64::from(count - done);
        match next(mounted, room, (done as usize * size, size), how) {
            Ok(len) if len == size => room.advance(size),
            Ok(_) => return Err(Sense::NONE.with_ili().with_information(left).into()),
            Err(sense) => return Err(sense.with_information(left).into()),
        }
    }
    Ok(())
}

/// Reads the next object to `offset` of the answer; its whole length, or why there is no block.
fn next(
    mounted: &mut Mounted,
    room: &mut DataIn<'_, '_>,
    (offset, len): (usize, usize),
    how: ReadOptions<'_>,
) -> Result<usize, Sense> {
    check_ceem(how.ceem, mounted)?;
    let Some(method) = how.method else {
        let found = mounted.medium.read_decrypting(&mut room.window(offset, len), how.decryption);
        let actual = block_of(mounted, found)?;
        mounted.counters.read_by_host += actual.min(len) as u64;
        return Ok(actual);
    };
    let found = mounted
        .medium
        .read_decrypting(&mut room.window(offset, len.saturating_sub(block_protection::LEN)), how.decryption);
    let actual = block_of(mounted, found)?;
    let whole = actual + block_protection::LEN;
    mounted.counters.read_by_host += actual.min(len) as u64;
    let lies = |slices: &[IoSliceMut<'_>]| slices.iter().map(|slice| slice.len()).sum::<usize>();
    if whole <= len && lies(&room.window(offset, whole)) == whole {
        let information = method.compute(&room.window(offset, actual));
        room.copy_at(offset + actual, &information);
    } else {
        // Not all of it has room: it is read once more, for what stands behind it is of all of it.
        let at = mounted.medium.position();
        let mut block = vec![0; actual];
        mounted
            .medium
            .locate(at.partition, at.object - 1)
            .and_then(|_| mounted.medium.read_decrypting(&mut [IoSliceMut::new(&mut block)], how.decryption))
            .map_err(|error| fault::sense(&error, Operation::Reading))?;
        let information = method.compute(&[block.as_slice()]);
        block.extend_from_slice(&information);
        room.copy_at(offset, block.get(..len).unwrap_or(&block));
    }
    Ok(whole)
}

/// The length of the block that was met, or why there is none.
pub(super) fn block_of(mounted: &mut Mounted, found: Result<ReadOutcome, StoreError>) -> Result<usize, Sense> {
    match found {
        Ok(ReadOutcome::Block { len, stored }) => {
            mounted.counters.read_from_medium += stored;
            mounted.counters.blocks_read += 1;
            Ok(len)
        }
        Ok(ReadOutcome::Filemark) => Err(filemark()),
        Ok(ReadOutcome::EndOfData) => Err(end_of_data(mounted)),
        Err(error) => {
            mounted.counters.read_failures += 1;
            Err(fault::sense(&error, Operation::Reading))
        }
    }
}

/// 0/00/01 with FILEMARK.
pub(crate) fn filemark() -> Sense {
    Sense::new(SenseKey::NO_SENSE, Asc::FILEMARK_DETECTED).with_filemark()
}

/// 8/00/05; EOM only behind early warning.
pub(crate) fn end_of_data(mounted: &Mounted) -> Sense {
    let eom = mounted.medium.position().early_warning;
    Sense::new(SenseKey::BLANK_CHECK, Asc::END_OF_DATA_DETECTED).with_eom(eom)
}

/// 0/00/04 with EOM.
pub(crate) fn beginning() -> Sense {
    Sense::new(SenseKey::NO_SENSE, Asc::BEGINNING_OF_PARTITION_MEDIUM_DETECTED).with_eom(true)
}
