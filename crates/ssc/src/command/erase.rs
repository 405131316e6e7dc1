//! ERASE(6), SSC-5 §7.2.   Bytes: 0 opcode · 1 IMMED(1) LONG(0) · 5 control
//! ERASE(16), SSC-5 §5.2.  Bytes: 0 opcode · 1 FCS(3) LCS(2) IMMED(1) LONG(0) · 3 PARTITION · 4-11 LOGICAL OBJECT IDENTIFIER · 15 control
//!
//! Everything from the position to the end of the partition is gone, in both forms, and durably so.
//!
//! **Deviations:** FCS and LCS are accepted and bind nothing; a long erase takes no time, so IMMED=1 is answered when it
//! is done; it is allowed at any position.

use super::transfer::Address;
use super::write::note_alert;
use crate::device::State;
use crate::fault::{self, Doing};
use crate::load::Mounted;
use crate::overwrite::Change;
use scsi_core::cdb::{Cdb, Opcode};
use scsi_core::fault::Outcome;
use scsi_core::sense::Sense;
use scsi_core::spec::{Access, CommandSpec};
use scsi_core::wire::U64;
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// Facts of the 6-byte form.
pub(crate) const SPEC_6: CommandSpec =
    CommandSpec::new("ERASE(6)", &[0x19, 0x03, 0, 0, 0, 0], Access::Write).blocks(60, 21600);
/// Facts of the 16-byte form.
pub(crate) const SPEC_16: CommandSpec = CommandSpec::new(
    "ERASE(16)",
    &[0x93, 0x0f, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0],
    Access::Write,
)
.blocks(60, 21600);

#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Raw16 {
    opcode: u8,
    flags: u8,
    _reserved_2: u8,
    partition: u8,
    object: U64,
    _reserved_12: [u8; 3],
    control: u8,
}
const _: () = assert!(size_of::<Raw16>() == 16);

pub(crate) fn run(state: &mut State, cdb: &Cdb) -> Outcome {
    let mounted = state.ready()?;
    let address = (cdb.opcode() == Opcode::ERASE_16).then(|| {
        let raw: Raw16 = cdb.layout();
        Address { partition: raw.partition, object: raw.object.get() }
    });
    let outcome = address.map_or(Ok(()), |address| address.go(mounted)).and_then(|()| erase(mounted));
    let outcome = outcome.map_err(Into::into);
    note_alert(state, &outcome);
    outcome
}

fn erase(mounted: &mut Mounted) -> Result<(), Sense> {
    mounted.before_write(Change::Erase)?;
    mounted.medium.truncate().map_err(|error| fault::sense(&error, Doing::Writing))?;
    mounted.sync()
}
