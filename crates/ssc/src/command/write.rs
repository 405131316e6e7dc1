//! WRITE(6), SSC-5 §7.16.  Bytes: 0 opcode · 1 FIXED(0) · 2-4 TRANSFER LENGTH · 5 control
//! WRITE(16), SSC-5 §5.8.  Bytes: 0 opcode · 1 FCS(3) LCS(2) FIXED(0) · 3 PARTITION · 4-11 LOGICAL OBJECT IDENTIFIER · 12-14 TRANSFER LENGTH · 15 control
//!
//! With logical block protection on write, the last four bytes of each block are checked before it reaches the medium, and
//! are no part of it there.
//!
//! **Deviations:** FCS and LCS are accepted and bind nothing.

use super::transfer::Transfer;
use crate::alert::Alert;
use crate::block_protection::{self, BlockProtection, ProtectionMethod};
use crate::device::{DriveState, MAX_BLOCK_LENGTH};
use crate::encryption::EncryptionMode;
use crate::fault::{self, Operation};
use crate::load::Load;
use crate::mounted::Mounted;
use crate::overwrite::MediumChange;
use scsi_core::asc::Asc;
use scsi_core::cdb::Cdb;
use scsi_core::command_spec::{Access, CommandSpec};
use scsi_core::data::{Data, DataOut};
use scsi_core::fault::{Fault, Outcome};
use scsi_core::sense::{Sense, SenseKey};
use scsi_core::target::Request;
use tape_store::encrypt::Encryption;
use tape_store::medium::{Codec, WriteOutcome};

/// Facts of the 6-byte form.
pub(crate) const SPEC_6: CommandSpec =
    CommandSpec::new("WRITE(6)", &[0x0a, 0x01, 0xff, 0xff, 0xff, 0x00], Access::Write).with_timeouts(60, 1200);
/// Facts of the 16-byte form.
pub(crate) const SPEC_16: CommandSpec = CommandSpec::new(
    "WRITE(16)",
    &[0x8a, 0x0d, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0],
    Access::Write,
)
.blocking_with_timeouts(60, 1800);

/// Bytes that the CDB asks for.
pub(crate) fn bytes(cdb: &Cdb, block_length: u32) -> usize {
    Transfer::parse(cdb).bytes(block_length)
}

/// How blocks are written.
struct WriteOptions<'a> {
    codec: Codec,
    encryption: Option<&'a Encryption>,
    /// Blocks come sealed.
    already_encrypted: bool,
    /// Blocks come with this behind them.
    method: Option<ProtectionMethod>,
}

pub(crate) fn run(state: &mut DriveState, cdb: &Cdb, request: &Request<'_>, data: &mut Data<'_, '_>) -> Outcome {
    let transfer = Transfer::parse(cdb);
    let Transfer { fixed, length, .. } = transfer;
    let (block_length, unbuffered) = (state.block_length, state.buffered_mode == 0);
    let codec = if state.settings.compress { state.config.codec } else { Codec::NONE };
    let method = BlockProtection::on_write(state.block_protection_of(request.nexus));
    let allowed = state.encryption.check_lock(request.nexus);
    let parameters = state.encryption.parameters_of(request.nexus).0;
    let (seal, external) = (parameters.encryption(), parameters.encrypt == EncryptionMode::External);
    let mounted = state.ready()?;
    if length == 0 {
        return transfer.locate_explicit(mounted).map_err(Into::into);
    }
    transfer.check_block_length(block_length)?;
    let most = MAX_BLOCK_LENGTH + method.map_or(0, |_| 4);
    if transfer.blocks(block_length).1 > most {
        return Err(transfer.length_fault().into());
    }
    if !data.data_out.require(transfer.bytes(block_length)) {
        return Err(Sense::illegal_request(Asc::INVALID_FIELD_IN_COMMAND_INFORMATION_UNIT).into());
    }
    transfer.locate_explicit(mounted)?;
    let encrypted = external || seal.is_some();
    let allowed = allowed.and_then(|()| mounted.check_encryption(encrypted));
    let outcome = match allowed.and_then(|()| mounted.before_write(MediumChange::Write)) {
        Ok(()) => {
            mounted.last_writer = Some(request.nexus);
            let how = WriteOptions { codec, encryption: seal.as_ref(), already_encrypted: external, method };
            let first = mounted.medium.position();
            let written = blocks(mounted, transfer.blocks(block_length), &how, &mut data.data_out);
            mounted.record_encrypted_range(first, encrypted);
            written
        }
        Err(sense) => Err(sense.with_information(length.into()).into()),
    };
    let outcome = outcome.map_err(|fault| with_residue(fault, fixed, length));
    let outcome = match outcome {
        Ok(warned) if unbuffered => {
            mounted.sync().map(|()| warned).map_err(|sense| sense.with_information(length.into()).into())
        }
        other => other,
    };
    let outcome = match outcome {
        Ok(early_warning) if early_warning || mounted.programmable_warning_enabled => warn(mounted).map_err(Into::into),
        other => other.map(|_| ()),
    };
    record_alert(state, &outcome);
    outcome
}

/// Appends the blocks; whether the medium is beyond early warning then.
fn blocks(
    mounted: &mut Mounted,
    (count, size): (u32, u32),
    how: &WriteOptions<'_>,
    out: &mut DataOut<'_>,
) -> Result<bool, Fault> {
    let (size, mut warned) = (size as usize, false);
    for done in 0..count {
        let at = done as usize * size;
        let left = i64::from(count - done);
        let len = match how.method {
            None => size,
            Some(method) => unprotected(out, (at, size), method).map_err(|sense| sense.with_information(left))?,
        };
        let block = out.window(at, len);
        let written = match how.encryption {
            _ if how.already_encrypted => mounted.medium.append_raw(&block),
            None => mounted.medium.append(&block, how.codec),
            Some(seal) => mounted.medium.append_encrypted(&block, how.codec, seal),
        };
        match written {
            Ok(WriteOutcome::Written { beyond_early_warning: early_warning }) => {
                (warned, mounted.storage_full) = (early_warning, false);
                out.consume(size);
                mounted.counters.written_by_host += len as u64;
                mounted.counters.blocks_written += 1;
                mounted.counters.written_to_medium = mounted.medium.stored_bytes();
            }
            Ok(WriteOutcome::EndOfMedium) => {
                mounted.record_full();
                return Err(overflow(left).into());
            }
            Err(error) => {
                mounted.counters.write_failures += 1;
                mounted.record_write_failure(&error);
                return Err(fault::sense(&error, Operation::Writing).with_information(left).into());
            }
        }
    }
    Ok(warned)
}

/// The length of a block without its protection information, which must be right.
///
/// # Errors
/// 4/10/01.
pub(super) fn unprotected(
    out: &DataOut<'_>,
    (at, size): (usize, usize),
    method: ProtectionMethod,
) -> Result<usize, Sense> {
    let failed = || Sense::new(SenseKey::HARDWARE_ERROR, Asc::LOGICAL_BLOCK_GUARD_CHECK_FAILED);
    // No block is shorter than one byte.
    let len = size.checked_sub(block_protection::LEN).filter(|len| *len > 0).ok_or_else(failed)?;
    let sent = out.window(at + len, block_protection::LEN);
    let right = method.compute(&out.window(at, len));
    if sent.iter().flat_map(|slice| slice.iter()).eq(&right) { Ok(len) } else { Err(failed()) }
}

/// INFORMATION counts blocks in fixed mode and bytes otherwise.
fn with_residue(fault: Fault, fixed: bool, length: u32) -> Fault {
    match fault {
        Fault::CheckCondition(mut sense) if !fixed && sense.information.is_some_and(|left| left > 0) => {
            sense.information = Some(length.into());
            Fault::CheckCondition(sense)
        }
        other => other,
    }
}

/// 0/00/07 once behind the warning that mode page 10h/01h asks for, then 0/00/02 at each write behind early warning; with
/// EOM, and everything was written.
pub(super) fn warn(mounted: &mut Mounted) -> Result<(), Sense> {
    let at = mounted.medium.position();
    let asc = if at.programmable_warning && !mounted.programmable_warning_reported {
        mounted.programmable_warning_reported = true;
        Asc::PROGRAMMABLE_EARLY_WARNING_DETECTED
    } else if at.early_warning {
        Asc::END_OF_PARTITION_MEDIUM_DETECTED
    } else {
        return Ok(());
    };
    Err(Sense::new(SenseKey::NO_SENSE, asc).with_eom(true).with_information(0))
}

/// D/00/02 with EOM: so much was not written, for want of room.
pub(crate) fn overflow(left: i64) -> Sense {
    Sense::new(SenseKey::VOLUME_OVERFLOW, Asc::END_OF_PARTITION_MEDIUM_DETECTED).with_eom(true).with_information(left)
}

/// TapeAlert flags of a write that failed.
pub(crate) fn record_alert(state: &mut DriveState, outcome: &Outcome) {
    let Err(Fault::CheckCondition(sense)) = outcome else { return };
    match sense.asc {
        Asc::WORM_MEDIUM_OVERWRITE_ATTEMPTED => state.alerts.raise(Alert::WORM_OVERWRITE_ATTEMPTED),
        // It was raised when the cartridge was loaded.
        Asc::WORM_MEDIUM_INTEGRITY_CHECK => {}
        // Less fits than the tape could hold; what fits is there.
        _ if sense.key == SenseKey::VOLUME_OVERFLOW => {
            if matches!(&state.load, Load::Mounted(mounted) if mounted.storage_full) {
                state.alerts.raise(Alert::WRITE_WARNING);
            }
        }
        _ if sense.key == SenseKey::MEDIUM_ERROR => {
            state.alerts.raise(Alert::HARD_ERROR);
            state.alerts.raise(Alert::WRITE_FAILURE);
        }
        _ if sense.key == SenseKey::DATA_PROTECT && !matches!(sense.asc.code(), 0x2a | 0x26 | 0x74) => {
            state.alerts.raise(Alert::WRITE_PROTECT);
        }
        _ => {}
    }
}
