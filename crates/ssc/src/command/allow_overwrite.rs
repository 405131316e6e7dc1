//! ALLOW OVERWRITE, SSC-4 §7.1.  Bytes: 0 opcode · 2 ALLOW OVERWRITE(3-0) · 3 PARTITION · 4-11 LOGICAL OBJECT IDENTIFIER · 15 control
//!
//! Allows an overwrite in append-only mode: 0h none, 1h a write at the current position, which the CDB must name, 2h
//! FORMAT MEDIUM. The permission ends when the position changes, a write begins, or this command fails.
//!
//! **Deviations:** none.

use super::Context;
use crate::overwrite::AllowedOverwrite;
use scsi_core::asc::Asc;
use scsi_core::cdb_field::{bits, number};
use scsi_core::command_spec::{Access, CommandSpec};
use scsi_core::fault::Outcome;
use scsi_core::sense::Sense;
use scsi_core::wire::U64;
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// Command table entry of the command.
pub(crate) const SPEC: CommandSpec = CommandSpec::new(
    "ALLOW OVERWRITE",
    &[0x82, 0, 0x0f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0],
    Access::Write,
)
.with_fields(&[bits("ALLOW OVERWRITE", 2, 3, 4), number("PARTITION", 3, 1), number("LOGICAL OBJECT IDENTIFIER", 4, 8)]);

#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Raw {
    opcode: u8,
    _reserved_1: u8,
    allow: u8,
    partition: u8,
    object: U64,
    _reserved_12: [u8; 3],
    control: u8,
}
const _: () = assert!(size_of::<Raw>() == 16);

pub(crate) fn run(cx: &mut Context<'_, '_, '_>) -> Outcome {
    let raw: Raw = cx.cdb.as_layout();
    let mounted = cx.device.media.ready()?;
    mounted.allowed_overwrite = AllowedOverwrite::Nothing;
    if !mounted.append_only {
        return Err(Sense::illegal_request(Asc::ILLEGAL_COMMAND_WHEN_NOT_IN_APPEND_ONLY_MODE).into());
    }
    let at = mounted.medium.position();
    mounted.allowed_overwrite = match raw.allow {
        0 => AllowedOverwrite::Nothing,
        1 if (raw.partition, raw.object.get()) == (at.partition, at.object) => {
            AllowedOverwrite::Write(at.partition, at.object)
        }
        1 => return Err(Sense::illegal_request(Asc::SEQUENTIAL_POSITIONING_ERROR).into()),
        2 => AllowedOverwrite::Format,
        _ => return Err(Sense::invalid_field_in_cdb(2, Some(3)).into()),
    };
    Ok(())
}
