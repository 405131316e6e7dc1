//! SPACE(6), SSC-4 §6.6.   Bytes: 0 opcode · 1 CODE(3-0) · 2-4 COUNT, signed · 5 control
//! SPACE(16), SSC-4 §7.12.  Bytes: 0 opcode · 1 CODE(3-0) · 4-11 COUNT, signed · 15 control
//!
//! The residue in INFORMATION is positive in both directions, as on LTO drives.
//!
//! **Deviations:** none; setmarks (codes 4h and 5h) are obsolete and rejected.

use super::Context;
use super::read::end_of_data;
use crate::fault::{self, Operation};
use crate::mounted::Mounted;
use scsi_core::asc::Asc;
use scsi_core::cdb::Opcode;
use scsi_core::cdb_field::{bits, signed};
use scsi_core::command_spec::{Access, CommandSpec};
use scsi_core::fault::Outcome;
use scsi_core::sense::{Sense, SenseKey};
use scsi_core::wire::{U24, U64};
use tape_store::medium::{SpaceUnit, StopReason};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// Command table entry of the 6-byte form.
pub(crate) const SPEC_6: CommandSpec =
    CommandSpec::new("SPACE(6)", &[0x11, 0x0f, 0xff, 0xff, 0xff, 0x00], Access::Read)
        .with_fields(&[bits("CODE", 1, 3, 4), signed("COUNT", 2, 3)])
        .blocking_with_timeouts(60, 1800);
/// Command table entry of the 16-byte form.
pub(crate) const SPEC_16: CommandSpec = CommandSpec::new(
    "SPACE(16)",
    &[0x91, 0x0f, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0],
    Access::Read,
)
.with_fields(&[bits("CODE", 1, 3, 4), signed("COUNT", 4, 8)])
.blocking_with_timeouts(60, 1800);

#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Raw6 {
    opcode: u8,
    code: u8,
    count: U24,
    control: u8,
}
const _: () = assert!(size_of::<Raw6>() == 6);

#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Raw16 {
    opcode: u8,
    code: u8,
    _reserved_2: [u8; 2],
    count: U64,
    _parameter_list_length: [u8; 2],
    _reserved_14: u8,
    control: u8,
}
const _: () = assert!(size_of::<Raw16>() == 16);

pub(crate) fn run(cx: &mut Context<'_, '_, '_>) -> Outcome {
    let (code, count) = if cx.cdb.opcode() == Opcode::SPACE_6 {
        let raw: Raw6 = cx.cdb.as_layout();
        (raw.code, i64::from(raw.count.get_signed()))
    } else {
        let raw: Raw16 = cx.cdb.as_layout();
        (raw.code, i64::from_be_bytes(raw.count.to_bytes()))
    };
    let unit = match code & 0x0f {
        0 => Some(SpaceUnit::Blocks),
        1 => Some(SpaceUnit::Filemarks),
        2 => Some(SpaceUnit::SequentialFilemarks),
        3 => None,
        _ => return Err(Sense::invalid_field_in_cdb(1, Some(3)).into()),
    };
    cx.delay_status(cx.device.media.delays.position);
    let mounted = cx.device.media.ready()?;
    if unit.is_some() && count == 0 {
        return Ok(());
    }
    mounted.check_worm_integrity()?;
    mounted.before_motion()?;
    match unit {
        None => mounted.medium.space_to_end().map_err(|error| fault::sense(&error, Operation::Moving).into()),
        Some(unit) => space(mounted, unit, count),
    }
}

fn space(mounted: &mut Mounted, unit: SpaceUnit, count: i64) -> Outcome {
    let spaced = mounted.medium.space(unit, count).map_err(|error| fault::sense(&error, Operation::Moving))?;
    let left = i64::try_from(count.unsigned_abs().saturating_sub(spaced.done)).unwrap_or(i64::MAX);
    let sense = match spaced.stopped_by {
        StopReason::Count => return Ok(()),
        StopReason::Filemark => Sense::new(SenseKey::NO_SENSE, Asc::FILEMARK_DETECTED).with_filemark(),
        StopReason::EndOfData => end_of_data(mounted),
        StopReason::Beginning => {
            Sense::new(SenseKey::NO_SENSE, Asc::BEGINNING_OF_PARTITION_MEDIUM_DETECTED).with_eom(true)
        }
    };
    Err(sense.with_information(left).into())
}
