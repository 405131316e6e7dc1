//! VERIFY(6), SSC-5 §7.14.   Bytes: 0 opcode · 1 VTE(5) VLBPM(4) VBF(3) IMMED(2) BYTCMP(1) FIXED(0) · 2-4 VERIFICATION LENGTH · 5 control
//! VERIFY(16), SSC-5 §5.7.  Bytes: 0 opcode · 1 as above · 3 PARTITION · 4-11 LOGICAL OBJECT IDENTIFIER · 12-14 VERIFICATION LENGTH · 15 control
//!
//! Blocks are read and checked, and with BYTCMP compared with what the initiator sends; nothing is transferred to it.
//! ILI, filemarks and end of data are as for READ(6). With VTE all objects to end of data, with VBF as many files as the
//! length says. Encrypted blocks are verified with the key that would read them. With logical block protection on write,
//! what is sent to be compared carries it, and is checked first; VLBPM needs a method to verify by. With IMMED the
//! verification goes on behind the answer, and what it meets is a deferred error.
//!
//! **Deviations:** none.

use super::read::{block_of, note_outcome};
use super::transfer::Transfer;
use super::write::unprotected;
use crate::device::State;
use crate::load::Mounted;
use crate::operation::{Left, Operation};
use crate::protection::{Method, Protection};
use scsi_core::asc::Asc;
use scsi_core::cdb::Cdb;
use scsi_core::data::{Data, DataOut};
use scsi_core::fault::Outcome;
use scsi_core::sense::{Sense, SenseKey};
use scsi_core::spec::{Access, CommandSpec};
use scsi_core::target::Request;
use std::io::IoSliceMut;
use tape_store::error::StoreError;
use tape_store::medium::{Found, MAX_BLOCK};
use tape_store::seal::Unseal;

/// Facts of the 6-byte form.
pub(crate) const SPEC_6: CommandSpec =
    CommandSpec::new("VERIFY(6)", &[0x13, 0x3f, 0xff, 0xff, 0xff, 0x00], Access::Read).blocks(60, 20_000);
/// Facts of the 16-byte form.
pub(crate) const SPEC_16: CommandSpec = CommandSpec::new(
    "VERIFY(16)",
    &[0x8f, 0x3f, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0],
    Access::Read,
)
.blocks(60, 20_000);

/// What byte 1 asks for.
#[derive(Clone, Copy)]
struct Flags(u8);

impl Flags {
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

/// Bytes that the CDB asks for.
pub(crate) fn bytes(cdb: &Cdb, block_length: u32) -> usize {
    let transfer = Transfer::of(cdb);
    if Flags(transfer.flags).compares() { transfer.bytes(block_length) } else { 0 }
}

pub(crate) fn run(state: &mut State, cdb: &Cdb, request: &Request<'_>, data: &mut Data<'_, '_>) -> Outcome {
    let transfer = Transfer::of(cdb);
    let (flags, length) = (Flags(transfer.flags), transfer.length);
    let block_length = state.block_length;
    let reader = state.encryption.of(request.nexus).0.reader();
    let protection = state.protection_of(request.nexus);
    let mounted = state.ready()?;
    check(&transfer, block_length, protection)?;
    transfer.go(mounted)?;
    if length == 0 && !flags.to_end() {
        return Ok(());
    }
    if !data.out.require(bytes(cdb, block_length)) {
        return Err(Sense::illegal(Asc::INVALID_FIELD_IN_COMMAND_INFORMATION_UNIT).into());
    }
    mounted.before_read()?;
    let (count, size) = transfer.blocks(block_length);
    if flags.immediate() {
        let left = match flags {
            flags if flags.to_end() => Left::ToEnd,
            flags if flags.by_filemarks() => Left::Filemarks(length),
            _ => Left::Blocks(count, size),
        };
        mounted.before_motion()?;
        state.operation = Some(Operation::new(request.nexus, left, reader));
        return Ok(());
    }
    let unseal = reader.unseal();
    let mut scratch = vec![0; MAX_BLOCK];
    let outcome = if flags.to_end() {
        files(mounted, None, unseal, &mut scratch)
    } else if flags.by_filemarks() {
        files(mounted, Some(length), unseal, &mut scratch)
    } else {
        let method = Protection::on_write(protection);
        let out = flags.compares().then_some((&mut data.out, method));
        blocks(mounted, (count, size), transfer.fixed, unseal, out, &mut scratch)
    };
    note_outcome(state, &outcome);
    outcome
}

/// The length of the block that a verification met, or why there is none.
pub(crate) fn meet(mounted: &mut Mounted, found: Result<Found, StoreError>) -> Result<usize, Sense> {
    block_of(mounted, found)
}

/// Which bits go together.
fn check(transfer: &Transfer, block_length: u32, protection: Option<Protection>) -> Result<(), Sense> {
    let flags = Flags(transfer.flags);
    let fault = |bit: u8| Err(Sense::cdb_field(1, Some(bit)));
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
        return if transfer.fixed { fault(0) } else { Err(Sense::cdb_field(length_at, None)) };
    }
    if flags.by_filemarks() && transfer.fixed {
        return fault(0);
    }
    transfer.check_block_length(block_length)
}

/// Verifies all objects up to so many filemarks, or to end of data.
fn files(mounted: &mut Mounted, count: Option<u32>, unseal: Unseal<'_>, scratch: &mut [u8]) -> Outcome {
    let mut left = count.unwrap_or(u32::MAX);
    while left > 0 {
        let found = mounted.medium.read_sealed(&mut [IoSliceMut::new(scratch)], unseal);
        match block_of(mounted, found) {
            Ok(_) => {}
            Err(sense) if sense.filemark => left -= u32::from(count.is_some()),
            Err(sense) if sense.key == SenseKey::BLANK_CHECK && count.is_none() => return Ok(()),
            Err(sense) => return Err(sense.info(count.map_or(0, |_| left.into())).into()),
        }
    }
    Ok(())
}

/// Verifies blocks of one size, as READ(6) would read them.
fn blocks(
    mounted: &mut Mounted,
    (count, size): (u32, u32),
    fixed: bool,
    unseal: Unseal<'_>,
    mut out: Option<(&mut DataOut<'_>, Option<Method>)>,
    scratch: &mut [u8],
) -> Outcome {
    let size = size as usize;
    for done in 0..count {
        let left = if fixed { i64::from(count - done) } else { i64::try_from(size).unwrap_or(i64::MAX) };
        let at = done as usize * size;
        // What is sent is compared without what protects it.
        let size_on_medium = match &out {
            Some((out, Some(method))) => unprotected(out, (at, size), *method).map_err(|sense| sense.info(left))?,
            _ => size,
        };
        let found = mounted.medium.read_sealed(&mut [IoSliceMut::new(scratch)], unseal);
        let len = block_of(mounted, found).map_err(|sense| sense.info(left))?;
        let expected = out.as_ref().map(|(out, _)| out.window(at, size_on_medium));
        if let Some(expected) = &expected {
            let same =
                expected.iter().flat_map(|slice| slice.iter()).zip(scratch.iter().take(len)).all(|(a, b)| a == b);
            if !same {
                return Err(Sense::new(SenseKey::MISCOMPARE, Asc::MISCOMPARE_DURING_VERIFY_OPERATION)
                    .info(left)
                    .into());
            }
        }
        if len != size_on_medium {
            let shorter = i64::try_from(size_on_medium).unwrap_or(i64::MAX) - i64::try_from(len).unwrap_or(i64::MAX);
            let residue = if fixed { left } else { shorter };
            return Err(Sense::NONE.with_ili().info(residue).into());
        }
        if let Some((out, _)) = &mut out {
            out.consume(size);
        }
    }
    Ok(())
}
