//! VERIFY(6), SSC-4 §6.7.   Bytes: 0 opcode · 1 VTE(5) VLBPM(4) VBF(3) IMMED(2) BYTCMP(1) FIXED(0) · 2-4 VERIFICATION LENGTH · 5 control
//! VERIFY(16), SSC-4 §5.5.  Bytes: 0 opcode · 1 as above · 3 PARTITION · 4-11 LOGICAL OBJECT IDENTIFIER · 12-14 VERIFICATION LENGTH · 15 control
//!
//! Reads and checks blocks, and with BYTCMP=1 compares them with the data from the initiator; no data is returned. ILI,
//! filemarks and end of data are reported as for READ(6). With VTE=1 all objects to end of data are verified, with
//! VBF=1 VERIFICATION LENGTH files. Encrypted blocks are verified with the key that would read them. With LBP_W=1 the
//! data to compare carries protection information, which is checked first; VLBPM=1 needs a protection method. With
//! IMMED=1 the verification continues in the background, and its failure is a deferred error.
//!
//! **Deviations:** none.

use super::Context;
use super::read::{block_of, check_ceem, record_outcome};
use super::transfer::Transfer;
use super::write::checked_block_length;
use crate::background::BackgroundVerify;
use crate::block_protection::{BlockProtection, ProtectionMethod};
use crate::encryption::DecryptionParameters;
use crate::mounted::Mounted;
use scsi_core::asc::Asc;
use scsi_core::cdb::Cdb;
use scsi_core::cdb_field::{bit, number};
use scsi_core::command_spec::{Access, CommandSpec};
use scsi_core::data::DataOut;
use scsi_core::fault::Outcome;
use scsi_core::sense::{Sense, SenseKey};
use std::io::IoSliceMut;

/// Command table entry of the 6-byte form.
pub(crate) const SPEC_6: CommandSpec =
    CommandSpec::new("VERIFY(6)", &[0x13, 0x3f, 0xff, 0xff, 0xff, 0x00], Access::Read)
        .with_fields(&[
            bit("VTE", 1, 5),
            bit("VLBPM", 1, 4),
            bit("VBF", 1, 3),
            bit("IMMED", 1, 2),
            bit("BYTCMP", 1, 1),
            bit("FIXED", 1, 0),
            number("VERIFICATION LENGTH", 2, 3),
        ])
        .blocking_with_timeouts(60, 20_000);
/// Command table entry of the 16-byte form.
pub(crate) const SPEC_16: CommandSpec = CommandSpec::new(
    "VERIFY(16)",
    &[0x8f, 0x3f, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0],
    Access::Read,
)
.with_fields(&[
    bit("VTE", 1, 5),
    bit("VLBPM", 1, 4),
    bit("VBF", 1, 3),
    bit("IMMED", 1, 2),
    bit("BYTCMP", 1, 1),
    bit("FIXED", 1, 0),
    number("PARTITION", 3, 1),
    number("LOGICAL OBJECT IDENTIFIER", 4, 8),
    number("VERIFICATION LENGTH", 12, 3),
])
.blocking_with_timeouts(60, 20_000);

/// Flags in byte 1 of the CDB.
#[derive(Clone, Copy)]
struct VerifyFlags(u8);

impl VerifyFlags {
    const fn compares(self) -> bool {
        self.0 & 0x02 != 0
    }

    const fn immediate(self) -> bool {
        self.0 & 0x04 != 0
    }

    const fn by_filemarks(self) -> bool {
        self.0 & 0x08 != 0
    }

    const fn by_protection(self) -> bool {
        self.0 & 0x10 != 0
    }

    const fn to_end(self) -> bool {
        self.0 & 0x20 != 0
    }
}

/// Data-Out length of the CDB in bytes.
pub(crate) fn bytes(cdb: &Cdb, block_length: u32) -> usize {
    let transfer = Transfer::parse(cdb);
    if VerifyFlags(transfer.flags).compares() { transfer.bytes(block_length) } else { 0 }
}

pub(crate) fn run(cx: &mut Context<'_, '_, '_>) -> Outcome {
    let transfer = Transfer::parse(cx.cdb);
    let (flags, length) = (VerifyFlags(transfer.flags), transfer.length);
    let block_length = cx.device.modes.block_length;
    let reader = cx.device.encryption.parameters_of(cx.request.nexus).0.reader();
    let protection = cx.device.modes.protection_of(cx.request.nexus);
    let mounted = cx.device.media.ready()?;
    check(&transfer, block_length, protection)?;
    transfer.locate_explicit(mounted)?;
    if length == 0 && !flags.to_end() {
        return Ok(());
    }
    if !cx.data.data_out.require(bytes(cx.cdb, block_length)) {
        return Err(Sense::illegal_request(Asc::INVALID_FIELD_IN_COMMAND_INFORMATION_UNIT).into());
    }
    mounted.before_read()?;
    let mut verification = Verification::of(&transfer, block_length);
    if flags.immediate() {
        mounted.before_motion()?;
        let began = (cx.request.now.mono, mounted.counters);
        let operation = BackgroundVerify::new(cx.request.nexus, *cx.cdb, verification, reader, began);
        cx.device.media.start_verify(operation);
        return Ok(());
    }
    let outcome = if flags.compares() {
        let method = cx.device.modes.protection_on_write(cx.request.nexus);
        compare(mounted, (transfer.blocks(block_length), transfer.fixed), &reader, (&mut cx.data.data_out, method))
    } else {
        verification.advance(mounted, &reader, u64::MAX).map(drop).map_err(Into::into)
    };
    record_outcome(cx.device, cx.request.nexus, &outcome);
    outcome
}

/// Rejects combinations of flags that the standard does not allow.
fn check(transfer: &Transfer, block_length: u32, protection: Option<BlockProtection>) -> Result<(), Sense> {
    let flags = VerifyFlags(transfer.flags);
    let fault = |bit: u8| Err(Sense::invalid_field_in_cdb(1, Some(bit)));
    if flags.to_end() && flags.by_filemarks() {
        return fault(5);
    }
    if flags.by_protection() && protection.is_none() {
        return fault(4);
    }
    if flags.compares() && (flags.to_end() || flags.by_filemarks() || flags.immediate()) {
        return fault(1);
    }
    if flags.to_end() && (transfer.fixed || transfer.length != 0) {
        let length_at = if transfer.address.is_some() { 12 } else { 2 };
        return if transfer.fixed { fault(0) } else { Err(Sense::invalid_field_in_cdb(length_at, None)) };
    }
    if flags.by_filemarks() && transfer.fixed {
        return fault(0);
    }
    transfer.check_block_length(block_length)
}

/// Remaining work of a verification.
pub(crate) enum Verification {
    /// All objects to end of data.
    ToEnd,
    /// This number of filemarks.
    Filemarks(u32),
    /// This number of blocks of this length in bytes.
    Fixed(u32, u32),
    /// One block of this length in bytes.
    Variable(u32),
}

/// Bytes that each object counts in addition to its length, so that short blocks and filemarks also use up a step.
const OBJECT_COST: u64 = 4096;

impl Verification {
    fn of(transfer: &Transfer, block_length: u32) -> Self {
        match VerifyFlags(transfer.flags) {
            flags if flags.to_end() => Self::ToEnd,
            flags if flags.by_filemarks() => Self::Filemarks(transfer.length),
            _ if transfer.fixed => Self::Fixed(transfer.length, block_length),
            _ => Self::Variable(transfer.length),
        }
    }

    /// Verifies about `bytes` bytes. Returns whether the verification is complete.
    ///
    /// # Errors
    /// The sense of READ(6) of the same blocks.
    pub(crate) fn advance(
        &mut self,
        mounted: &mut Mounted,
        reader: &DecryptionParameters,
        bytes: u64,
    ) -> Result<bool, Sense> {
        // The medium reads and checks the whole block, although the buffer is empty.
        let mut done = 0;
        while done < bytes {
            check_ceem(reader.ceem_restriction, mounted).map_err(|sense| self.with_residue(sense))?;
            let outcome = mounted.medium.read_decrypting(&mut [], reader.decryption());
            let result = block_of(mounted, outcome);
            done = done.saturating_add(OBJECT_COST + result.as_ref().map_or(0, |len| *len as u64));
            if self.count_object(result)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Counts an object that was read. Returns whether it was the last one.
    fn count_object(&mut self, result: Result<usize, Sense>) -> Result<bool, Sense> {
        match (result, &mut *self) {
            (Ok(_), Self::ToEnd | Self::Filemarks(_)) => Ok(false),
            (Ok(len), Self::Variable(size)) => {
                let residue = i64::from(*size) - i64::try_from(len).unwrap_or(i64::MAX);
                if residue == 0 { Ok(true) } else { Err(Sense::NONE.with_ili().with_information(residue)) }
            }
            (Ok(len), Self::Fixed(left, size)) => {
                if len != *size as usize {
                    return Err(Sense::NONE.with_ili().with_information((*left).into()));
                }
                *left -= 1;
                Ok(*left == 0)
            }
            (Err(sense), Self::ToEnd) if sense.filemark => Ok(false),
            (Err(sense), Self::ToEnd) if sense.key == SenseKey::BLANK_CHECK => Ok(true),
            (Err(sense), Self::Filemarks(left)) if sense.filemark => {
                *left -= 1;
                Ok(*left == 0)
            }
            (Err(sense), _) => Err(self.with_residue(sense)),
        }
    }

    /// Sets INFORMATION to the residue that was not verified.
    fn with_residue(&self, sense: Sense) -> Sense {
        match self {
            Self::ToEnd => sense.with_information(0),
            Self::Filemarks(left) | Self::Fixed(left, _) | Self::Variable(left) => {
                sense.with_information((*left).into())
            }
        }
    }
}

/// Compares blocks of one size with the data from the initiator, which may carry protection information.
fn compare(
    mounted: &mut Mounted,
    ((count, size), fixed): ((u32, u32), bool),
    reader: &DecryptionParameters,
    (out, method): (&mut DataOut<'_>, Option<ProtectionMethod>),
) -> Outcome {
    let size = size as usize;
    let mut scratch = Vec::new();
    for done in 0..count {
        let left = if fixed { i64::from(count - done) } else { i64::try_from(size).unwrap_or(i64::MAX) };
        let at = done as usize * size;
        let len = match method {
            None => size,
            Some(method) => {
                checked_block_length(out, (at, size), method).map_err(|sense| sense.with_information(left))?
            }
        };
        scratch.resize(len, 0);
        check_ceem(reader.ceem_restriction, mounted).map_err(|sense| sense.with_information(left))?;
        let outcome = mounted.medium.read_decrypting(&mut [IoSliceMut::new(&mut scratch)], reader.decryption());
        let actual = block_of(mounted, outcome).map_err(|sense| sense.with_information(left))?;
        let sent = out.window(at, len);
        let same = sent.iter().flat_map(|slice| slice.iter()).zip(scratch.iter().take(actual)).all(|(a, b)| a == b);
        if !same {
            let sense = Sense::new(SenseKey::MISCOMPARE, Asc::MISCOMPARE_DURING_VERIFY_OPERATION);
            return Err(sense.with_information(left).into());
        }
        if actual != len {
            let shorter = i64::try_from(len).unwrap_or(i64::MAX) - i64::try_from(actual).unwrap_or(i64::MAX);
            return Err(Sense::NONE.with_ili().with_information(if fixed { left } else { shorter }).into());
        }
        out.consume(size);
    }
    Ok(())
}
