//! WRITE(6), SSC-4 §6.8.  Bytes: 0 opcode · 1 FIXED(0) · 2-4 TRANSFER LENGTH · 5 control
//! WRITE(16), SSC-4 §5.6.  Bytes: 0 opcode · 1 FCS(3) LCS(2) FIXED(0) · 3 PARTITION · 4-11 LOGICAL OBJECT IDENTIFIER · 12-14 TRANSFER LENGTH · 15 control
//!
//! With LBP_W=1 the last four bytes of each block, its protection information, are checked before the block is written;
//! they are not stored on the medium.
//!
//! **Deviations:** FCS and LCS are accepted and ignored.

use super::Context;
use super::transfer::Transfer;
use crate::block_protection::{self, ProtectionMethod};
use crate::encryption::EncryptionMode;
use crate::fault::{self, Operation};
use crate::media::MAX_BLOCK_LENGTH;
use crate::mounted::Mounted;
use crate::overwrite::MediumChange;
use scsi_core::asc::Asc;
use scsi_core::cdb::Cdb;
use scsi_core::cdb_field::{bit, number};
use scsi_core::command_spec::{Access, CommandSpec, MediumAccess};
use scsi_core::data::DataOut;
use scsi_core::fault::{Fault, Outcome};
use scsi_core::sense::{Sense, SenseKey};
use tape_store::encrypt::Encryption;
use tape_store::medium::{Codec, WriteOutcome};

/// Command table entry of the 6-byte form.
pub(crate) const SPEC_6: CommandSpec =
    CommandSpec::new("WRITE(6)", &[0x0a, 0x01, 0xff, 0xff, 0xff, 0x00], Access::Write)
        .with_fields(&[bit("FIXED", 1, 0), number("TRANSFER LENGTH", 2, 3)])
        .with_timeouts(60, 1200)
        .accessing_medium(MediumAccess::WRITE);
/// Command table entry of the 16-byte form.
pub(crate) const SPEC_16: CommandSpec = CommandSpec::new(
    "WRITE(16)",
    &[0x8a, 0x0d, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0],
    Access::Write,
)
.with_fields(&[
    bit("FCS", 1, 3),
    bit("LCS", 1, 2),
    bit("FIXED", 1, 0),
    number("PARTITION", 3, 1),
    number("LOGICAL OBJECT IDENTIFIER", 4, 8),
    number("TRANSFER LENGTH", 12, 3),
])
.blocking_with_timeouts(60, 1800);

/// Data-Out length of the CDB in bytes.
pub(crate) fn bytes(cdb: &Cdb, block_length: u32) -> usize {
    Transfer::parse(cdb).bytes(block_length)
}

/// Options for writing blocks.
struct WriteOptions<'a> {
    codec: Codec,
    encryption: Option<&'a Encryption>,
    /// The host sends encrypted blocks (EXTERNAL mode).
    already_encrypted: bool,
    /// Method of the protection information that follows each block.
    method: Option<ProtectionMethod>,
}

pub(crate) fn run(cx: &mut Context<'_, '_, '_>) -> Outcome {
    let transfer = Transfer::parse(cx.cdb);
    let Transfer { fixed, length, .. } = transfer;
    let (block_length, unbuffered) = (cx.device.modes.block_length, cx.device.modes.is_unbuffered());
    let codec = cx.device.modes.codec();
    let method = cx.device.modes.protection_on_write(cx.request.nexus);
    let allowed = cx.device.encryption.check_lock(cx.request.nexus);
    let parameters = cx.device.encryption.parameters_of(cx.request.nexus).0;
    let (encryption, external) =
        (parameters.encryption(cx.device.random.bytes), parameters.encrypt == EncryptionMode::External);
    let mounted = cx.device.media.ready()?;
    if length == 0 {
        return transfer.locate_explicit(mounted).map_err(Into::into);
    }
    transfer.check_block_length(block_length)?;
    let max_block_length = MAX_BLOCK_LENGTH + method.map_or(0, |_| 4);
    if transfer.blocks(block_length).1 > max_block_length {
        return Err(transfer.length_fault().into());
    }
    if !cx.data.data_out.require(transfer.bytes(block_length)) {
        return Err(Sense::illegal_request(Asc::INVALID_FIELD_IN_COMMAND_INFORMATION_UNIT).into());
    }
    transfer.locate_explicit(mounted)?;
    let encrypted = external || encryption.is_some();
    let allowed = allowed.and_then(|()| mounted.check_encryption(encrypted));
    let outcome = match allowed.and_then(|()| mounted.before_write(MediumChange::Write)) {
        Ok(()) => {
            mounted.record_writer(cx.request.nexus);
            let options = WriteOptions { codec, encryption: encryption.as_ref(), already_encrypted: external, method };
            let first = mounted.medium.position();
            let written = blocks(mounted, transfer.blocks(block_length), &options, &mut cx.data.data_out);
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
    cx.device.health.record_write(&outcome, mounted);
    outcome
}

/// Appends the blocks. Returns whether the position is beyond early warning afterwards.
fn blocks(
    mounted: &mut Mounted,
    (count, size): (u32, u32),
    options: &WriteOptions<'_>,
    out: &mut DataOut<'_>,
) -> Result<bool, Fault> {
    let (size, mut warned) = (size as usize, false);
    for done in 0..count {
        let at = done as usize * size;
        let left = i64::from(count - done);
        let len = match options.method {
            None => size,
            Some(method) => {
                checked_block_length(out, (at, size), method).map_err(|sense| sense.with_information(left))?
            }
        };
        let block = out.window(at, len);
        let written = match options.encryption {
            _ if options.already_encrypted => mounted.medium.append_raw(&block),
            None => mounted.medium.append(&block, options.codec),
            Some(encryption) => mounted.medium.append_encrypted(&block, options.codec, encryption),
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

/// Checks the protection information of a block, and returns the length of the block without it.
///
/// # Errors
/// HARDWARE ERROR 10h/01h.
pub(super) fn checked_block_length(
    out: &DataOut<'_>,
    (at, size): (usize, usize),
    method: ProtectionMethod,
) -> Result<usize, Sense> {
    let failed = || Sense::new(SenseKey::HARDWARE_ERROR, Asc::LOGICAL_BLOCK_GUARD_CHECK_FAILED);
    // The minimum block length is one byte.
    let len = size.checked_sub(block_protection::LEN).filter(|len| *len > 0).ok_or_else(failed)?;
    let sent = out.window(at + len, block_protection::LEN);
    let right = method.compute(&out.window(at, len));
    if sent.iter().flat_map(|slice| slice.iter()).eq(&right) { Ok(len) } else { Err(failed()) }
}

/// Converts the residue in INFORMATION: blocks with FIXED=1, bytes otherwise.
fn with_residue(fault: Fault, fixed: bool, length: u32) -> Fault {
    match fault {
        Fault::CheckCondition(mut sense) if !fixed && sense.information.is_some_and(|left| left > 0) => {
            sense.information = Some(length.into());
            Fault::CheckCondition(sense)
        }
        other => other,
    }
}

/// Early warnings after a write that wrote all blocks, with EOM: NO SENSE 00h/07h once beyond programmable early
/// warning (mode page 10h/01h), then 00h/02h at each write beyond early warning.
pub(super) fn warn(mounted: &mut Mounted) -> Result<(), Sense> {
    let warnings = mounted.medium.warnings();
    let asc = if warnings.programmable && !mounted.programmable_warning_reported {
        mounted.programmable_warning_reported = true;
        Asc::PROGRAMMABLE_EARLY_WARNING_DETECTED
    } else if warnings.early {
        Asc::END_OF_PARTITION_MEDIUM_DETECTED
    } else {
        return Ok(());
    };
    Err(Sense::new(SenseKey::NO_SENSE, asc).with_eom(true).with_information(0))
}

/// VOLUME OVERFLOW 00h/02h with EOM; `left` blocks were not written.
pub(crate) fn overflow(left: i64) -> Sense {
    Sense::new(SenseKey::VOLUME_OVERFLOW, Asc::END_OF_PARTITION_MEDIUM_DETECTED).with_eom(true).with_information(left)
}
