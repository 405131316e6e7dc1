//! VERIFY(6), SSC-5 §7.14.  Bytes: 0 opcode · 1 VTE(5) VLBPM(4) VBF(3) IMMED(2) BYTCMP(1) FIXED(0) · 2-4 VERIFICATION LENGTH · 5 control
//!
//! Blocks are read and checked, and with BYTCMP compared with what the initiator sends; nothing is transferred to it.
//! ILI, filemarks and end of data are as for READ(6). With VTE all objects to end of data, with VBF as many files as the
//! length says. Encrypted blocks are verified with the key that would read them.
//!
//! **Deviations:** VLBPM=1 is refused, since there is no logical block protection; IMMED=1 is accepted, and the answer
//! comes when all is verified.

use super::read::{block_of, note_outcome};
use crate::device::State;
use crate::load::Mounted;
use scsi_core::asc::Asc;
use scsi_core::cdb::Cdb;
use scsi_core::data::{Data, DataOut};
use scsi_core::fault::Outcome;
use scsi_core::sense::{Sense, SenseKey};
use scsi_core::spec::{Access, CommandSpec};
use scsi_core::target::Request;
use scsi_core::wire::U24;
use std::io::IoSliceMut;
use tape_store::medium::MAX_BLOCK;
use tape_store::seal::Unseal;
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// Facts of the command.
pub(crate) const SPEC: CommandSpec =
    CommandSpec::new("VERIFY(6)", &[0x13, 0x2f, 0xff, 0xff, 0xff, 0x00], Access::Read).blocks(60, 20_000);

#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Raw {
    opcode: u8,
    flags: u8,
    length: U24,
    control: u8,
}
const _: () = assert!(size_of::<Raw>() == 6);

impl Raw {
    const fn fixed(&self) -> bool {
        self.flags & 0x01 != 0
    }

    const fn compares(&self) -> bool {
        self.flags & 0x02 != 0
    }

    const fn immediate(&self) -> bool {
        self.flags & 0x04 != 0
    }

    const fn by_filemarks(&self) -> bool {
        self.flags & 0x08 != 0
    }

    const fn to_end(&self) -> bool {
        self.flags & 0x20 != 0
    }
}

/// Bytes that the CDB asks for.
pub(crate) fn bytes(cdb: &Cdb, block_length: u32) -> usize {
    let raw: Raw = cdb.layout();
    let unit = if raw.fixed() { block_length as usize } else { 1 };
    if raw.compares() { (raw.length.get() as usize).saturating_mul(unit) } else { 0 }
}

pub(crate) fn run(state: &mut State, cdb: &Cdb, request: &Request<'_>, data: &mut Data<'_, '_>) -> Outcome {
    let raw: Raw = cdb.layout();
    let length = raw.length.get();
    let block_length = state.block_length;
    let parameters = state.encryption.of(request.nexus).0.clone();
    let unseal = parameters.unseal();
    let mounted = state.ready()?;
    check(&raw, block_length)?;
    if length == 0 && !raw.to_end() {
        return Ok(());
    }
    if !data.out.require(bytes(cdb, block_length)) {
        return Err(Sense::illegal(Asc::INVALID_FIELD_IN_COMMAND_INFORMATION_UNIT).into());
    }
    let mut scratch = vec![0; MAX_BLOCK];
    let outcome = if raw.to_end() {
        files(mounted, None, unseal, &mut scratch)
    } else if raw.by_filemarks() {
        files(mounted, Some(length), unseal, &mut scratch)
    } else {
        let out = raw.compares().then_some(&mut data.out);
        let (count, size) = if raw.fixed() { (length, block_length) } else { (1, length) };
        blocks(mounted, (count, size), raw.fixed(), unseal, out, &mut scratch)
    };
    note_outcome(state, &outcome);
    outcome
}

/// Which bits go together.
fn check(raw: &Raw, block_length: u32) -> Result<(), Sense> {
    let length = raw.length.get();
    let fault = |bit: u8| Err(Sense::cdb_field(1, Some(bit)));
    if raw.to_end() && raw.by_filemarks() {
        return fault(5);
    }
    if raw.compares() && (raw.to_end() || raw.by_filemarks() || raw.immediate()) {
        return fault(1);
    }
    if raw.to_end() && (raw.fixed() || length != 0) {
        return if raw.fixed() { fault(0) } else { Err(Sense::cdb_field(2, None)) };
    }
    if raw.by_filemarks() && raw.fixed() {
        return fault(0);
    }
    if raw.fixed() && block_length == 0 {
        return Err(Sense::cdb_field(1, Some(0)).info(length.into()));
    }
    Ok(())
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
    mut out: Option<&mut DataOut<'_>>,
    scratch: &mut [u8],
) -> Outcome {
    let size = size as usize;
    for done in 0..count {
        let left = if fixed { i64::from(count - done) } else { i64::try_from(size).unwrap_or(i64::MAX) };
        let found = mounted.medium.read_sealed(&mut [IoSliceMut::new(scratch)], unseal);
        let len = block_of(mounted, found).map_err(|sense| sense.info(left))?;
        let expected = out.as_ref().map(|out| out.window(done as usize * size, size));
        if let Some(expected) = &expected {
            let same =
                expected.iter().flat_map(|slice| slice.iter()).zip(scratch.iter().take(len)).all(|(a, b)| a == b);
            if !same {
                return Err(Sense::new(SenseKey::MISCOMPARE, Asc::MISCOMPARE_DURING_VERIFY_OPERATION)
                    .info(left)
                    .into());
            }
        }
        if len != size {
            let residue = if fixed { left } else { left - i64::try_from(len).unwrap_or(i64::MAX) };
            return Err(Sense::NONE.with_ili().info(residue).into());
        }
        if let Some(out) = &mut out {
            out.consume(size);
        }
    }
    Ok(())
}
