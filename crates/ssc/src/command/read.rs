//! READ(6), SSC-4 §6.4.   Bytes: 0 opcode · 1 SILI(1) FIXED(0) · 2-4 TRANSFER LENGTH · 5 control
//! READ(16), SSC-4 §5.3.  Bytes: 0 opcode · 1 SILI(1) FIXED(0) · 3 PARTITION · 4-11 LOGICAL OBJECT IDENTIFIER · 12-14 TRANSFER LENGTH · 15 control
//!
//! A command may return both data and CHECK CONDITION: a block of another length is transferred up to TRANSFER LENGTH,
//! with ILI. With LBP_R=1 the four bytes of protection information are part of the block and of its length.
//!
//! **Deviations:** none.

use super::Context;
use super::transfer::Transfer;
use crate::block_protection::{self, ProtectionMethod};
use crate::device::DriveState;
use crate::encryption::CeemRestriction;
use crate::fault::{self, Operation};
use crate::mounted::Mounted;
use scsi_core::asc::Asc;
use scsi_core::cdb_field::{bit, number};
use scsi_core::command_spec::{Access, CommandSpec, MediumAccess};
use scsi_core::data::DataIn;
use scsi_core::fault::{Fault, Outcome};
use scsi_core::nexus::NexusId;
use scsi_core::sense::{Sense, SenseKey};
use std::io::IoSliceMut;
use tape_store::encrypt::Decryption;
use tape_store::error::StoreError;
use tape_store::medium::ReadOutcome;

/// Command table entry of the 6-byte form.
pub(crate) const SPEC_6: CommandSpec = CommandSpec::new("READ(6)", &[0x08, 0x03, 0xff, 0xff, 0xff, 0x00], Access::Read)
    .with_fields(&[bit("SILI", 1, 1), bit("FIXED", 1, 0), number("TRANSFER LENGTH", 2, 3)])
    .with_timeouts(60, 1200)
    .accessing_medium(MediumAccess::READ);
/// Command table entry of the 16-byte form.
pub(crate) const SPEC_16: CommandSpec = CommandSpec::new(
    "READ(16)",
    &[0x88, 0x03, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0],
    Access::Read,
)
.with_fields(&[
    bit("SILI", 1, 1),
    bit("FIXED", 1, 0),
    number("PARTITION", 3, 1),
    number("LOGICAL OBJECT IDENTIFIER", 4, 8),
    number("TRANSFER LENGTH", 12, 3),
])
.blocking_with_timeouts(60, 1800);

/// Options for reading blocks.
#[derive(Clone, Copy)]
pub(super) struct ReadOptions<'a> {
    pub(super) decryption: Decryption<'a>,
    /// CEEM: blocks that are rejected because of the encryption mode that wrote them.
    pub(super) ceem: Option<CeemRestriction>,
    /// Method of the protection information that follows each block.
    pub(super) method: Option<ProtectionMethod>,
}

/// Checks that CEEM does not exclude the next block.
///
/// # Errors
/// DATA PROTECT 74h/09h.
pub(super) fn check_ceem(restriction: Option<CeemRestriction>, mounted: &mut Mounted) -> Result<(), Sense> {
    let Some(restriction) = restriction else { return Ok(()) };
    let encryption = mounted.medium.next_encryption().map_err(|error| fault::sense(&error, Operation::Reading))?;
    match encryption {
        Some(encryption) if encryption.written_raw == (restriction == CeemRestriction::External) => {
            Err(fault::data_protect(Asc::ENCRYPTION_MODE_MISMATCH_ON_READ))
        }
        _ => Ok(()),
    }
}

pub(crate) fn run(cx: &mut Context<'_, '_, '_>) -> Outcome {
    let transfer = Transfer::parse(cx.cdb);
    let sili = transfer.flags & 0x02 != 0;
    let block_length = cx.device.modes.block_length;
    let reader = cx.device.encryption.parameters_of(cx.request.nexus).0.reader();
    let method = cx.device.modes.protection_on_read(cx.request.nexus);
    let options = ReadOptions { decryption: reader.decryption(), ceem: reader.ceem_restriction, method };
    let mounted = cx.device.media.ready()?;
    check_flags(&transfer, sili, block_length)?;
    transfer.locate_explicit(mounted)?;
    if transfer.length == 0 {
        return Ok(());
    }
    mounted.before_read()?;
    // Only the decryption of an encrypted block resets the count of wrong keys.
    let was_encrypted = cx.device.encryption.has_failed() && next_is_encrypted(mounted)?;
    let outcome = if transfer.fixed {
        fixed_blocks(mounted, (transfer.length, block_length), options, &mut cx.data.data_in)
    } else {
        variable_block(mounted, (transfer.length, sili, block_length), options, &mut cx.data.data_in)
    };
    if outcome.is_ok() && was_encrypted {
        cx.device.encryption.record_key_use(cx.request.nexus, true);
    }
    record_outcome(cx.device, cx.request.nexus, &outcome);
    outcome
}

/// Whether the next block is encrypted.
pub(super) fn next_is_encrypted(mounted: &mut Mounted) -> Result<bool, Sense> {
    let encryption = mounted.medium.next_encryption().map_err(|error| fault::sense(&error, Operation::Reading))?;
    Ok(encryption.is_some())
}

/// Rejects SILI=1 with FIXED=1, and FIXED=1 without a block length.
pub(super) fn check_flags(transfer: &Transfer, sili: bool, block_length: u32) -> Result<(), Sense> {
    if transfer.length != 0 && transfer.fixed && sili {
        return Err(Sense::invalid_field_in_cdb(1, Some(1)).with_information(transfer.length.into()));
    }
    if transfer.length == 0 { Ok(()) } else { transfer.check_block_length(block_length) }
}

/// Raises TapeAlert flags after a medium error, and counts wrong keys.
pub(crate) fn record_outcome(state: &mut DriveState, nexus: NexusId, outcome: &Outcome) {
    state.health.record_read(outcome);
    if matches!(outcome, Err(Fault::CheckCondition(sense)) if sense.asc == Asc::INCORRECT_DATA_ENCRYPTION_KEY) {
        state.encryption.record_key_use(nexus, false);
    }
}

fn variable_block(
    mounted: &mut Mounted,
    (length, sili, block_length): (u32, bool, u32),
    options: ReadOptions<'_>,
    data_in: &mut DataIn<'_, '_>,
) -> Outcome {
    let requested = length as usize;
    let actual =
        next(mounted, data_in, (0, requested), options).map_err(|sense| sense.with_information(length.into()))?;
    data_in.advance(actual.min(requested));
    length_residue((length, actual), sili, block_length)
}

/// Outcome of a variable-length read of a block whose length may differ from the TRANSFER LENGTH.
pub(super) fn length_residue((length, actual): (u32, usize), sili: bool, block_length: u32) -> Outcome {
    let residue = i64::from(length) - i64::try_from(actual).unwrap_or(i64::MAX);
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
    options: ReadOptions<'_>,
    data_in: &mut DataIn<'_, '_>,
) -> Outcome {
    let size = block_length as usize;
    for done in 0..count {
        let left = i64::from(count - done);
        match next(mounted, data_in, (done as usize * size, size), options) {
            Ok(len) if len == size => data_in.advance(size),
            Ok(_) => return Err(Sense::NONE.with_ili().with_information(left).into()),
            Err(sense) => return Err(sense.with_information(left).into()),
        }
    }
    Ok(())
}

/// Reads the next block to `offset` of the Data-In buffer. Returns its whole length.
fn next(
    mounted: &mut Mounted,
    data_in: &mut DataIn<'_, '_>,
    (offset, len): (usize, usize),
    options: ReadOptions<'_>,
) -> Result<usize, Sense> {
    check_ceem(options.ceem, mounted)?;
    let Some(method) = options.method else {
        let outcome = mounted.medium.read_decrypting(&mut data_in.window(offset, len), options.decryption);
        let actual = block_of(mounted, outcome)?;
        mounted.counters.read_by_host += actual.min(len) as u64;
        return Ok(actual);
    };
    let outcome = mounted
        .medium
        .read_decrypting(&mut data_in.window(offset, len.saturating_sub(block_protection::LEN)), options.decryption);
    let actual = block_of(mounted, outcome)?;
    let whole = actual + block_protection::LEN;
    mounted.counters.read_by_host += actual.min(len) as u64;
    let byte_count = |slices: &[IoSliceMut<'_>]| slices.iter().map(|slice| slice.len()).sum::<usize>();
    if whole <= len && byte_count(&data_in.window(offset, whole)) == whole {
        let information = method.compute(&data_in.window(offset, actual));
        data_in.copy_at(offset + actual, &information);
    } else {
        // The block does not fit: read it again whole, because the protection information covers all of it.
        let at = mounted.medium.position();
        let mut block = vec![0; actual];
        mounted
            .medium
            .locate(at.partition, at.object - 1)
            .and_then(|_| mounted.medium.read_decrypting(&mut [IoSliceMut::new(&mut block)], options.decryption))
            .map_err(|error| fault::sense(&error, Operation::Reading))?;
        let information = method.compute(&[block.as_slice()]);
        block.extend_from_slice(&information);
        data_in.copy_at(offset, block.get(..len).unwrap_or(&block));
    }
    Ok(whole)
}

/// Returns the length of the block that was read, and counts it.
pub(super) fn block_of(mounted: &mut Mounted, outcome: Result<ReadOutcome, StoreError>) -> Result<usize, Sense> {
    match outcome {
        Ok(ReadOutcome::Block { len, stored }) => {
            mounted.counters.read_from_medium += stored;
            mounted.counters.blocks_read += 1;
            Ok(len)
        }
        Ok(ReadOutcome::Filemark) => Err(filemark()),
        Ok(ReadOutcome::EndOfData) => Err(end_of_data(mounted)),
        Err(error) => {
            mounted.counters.read_failures += u64::from(error.being_thawed().is_none());
            Err(fault::sense(&error, Operation::Reading))
        }
    }
}

/// NO SENSE 00h/01h with FILEMARK.
pub(crate) fn filemark() -> Sense {
    Sense::new(SenseKey::NO_SENSE, Asc::FILEMARK_DETECTED).with_filemark()
}

/// BLANK CHECK 00h/05h; with EOM only beyond early warning.
pub(crate) fn end_of_data(mounted: &Mounted) -> Sense {
    let eom = mounted.medium.warnings().early;
    Sense::new(SenseKey::BLANK_CHECK, Asc::END_OF_DATA_DETECTED).with_eom(eom)
}

/// NO SENSE 00h/04h with EOM.
pub(crate) fn beginning() -> Sense {
    Sense::new(SenseKey::NO_SENSE, Asc::BEGINNING_OF_PARTITION_MEDIUM_DETECTED).with_eom(true)
}
