//! LOCATE(10), SSC-4 §6.3.   Bytes: 0 opcode · 1 BT(2) CP(1) IMMED(0) · 3-6 LOGICAL OBJECT IDENTIFIER · 8 PARTITION · 9 control
//! LOCATE(16), SSC-4 §7.4.   Bytes: 0 opcode · 1 DEST_TYPE(5-3) CP(1) IMMED(0) · 3 PARTITION · 4-11 LOGICAL IDENTIFIER · 15 control
//!
//! With BT=1 the address is still a logical object identifier: Linux `st` sets BT for every `mt seek`.
//!
//! **Deviations:** BAM=1 (explicit addressing) is rejected; positioning takes no time, so a command with IMMED=1
//! completes when it is done.

use super::Context;
use super::read::end_of_data;
use crate::fault::{self, Operation};
use scsi_core::cdb::Opcode;
use scsi_core::cdb_field::{bit, bits, number};
use scsi_core::command_spec::{Access, CommandSpec};
use scsi_core::fault::Outcome;
use scsi_core::sense::Sense;
use scsi_core::wire::{U32, U64};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// Command table entry of the 10-byte form.
pub(crate) const SPEC_10: CommandSpec =
    CommandSpec::new("LOCATE(10)", &[0x2b, 0x07, 0, 0xff, 0xff, 0xff, 0xff, 0, 0xff, 0], Access::Read)
        .with_fields(&[
            bit("BT", 1, 2),
            bit("CP", 1, 1),
            bit("IMMED", 1, 0),
            number("LOGICAL OBJECT IDENTIFIER", 3, 4),
            number("PARTITION", 8, 1),
        ])
        .blocking_with_timeouts(60, 1800);
/// Command table entry of the 16-byte form.
pub(crate) const SPEC_16: CommandSpec = CommandSpec::new(
    "LOCATE(16)",
    &[0x92, 0x3b, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0],
    Access::Read,
)
.with_fields(&[
    bits("DEST_TYPE", 1, 5, 3),
    bit("CP", 1, 1),
    bit("IMMED", 1, 0),
    number("PARTITION", 3, 1),
    number("LOGICAL IDENTIFIER", 4, 8),
])
.blocking_with_timeouts(60, 1800);

#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Raw10 {
    opcode: u8,
    flags: u8,
    _reserved_2: u8,
    object: U32,
    _reserved_7: u8,
    partition: u8,
    control: u8,
}
const _: () = assert!(size_of::<Raw10>() == 10);

#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Raw16 {
    opcode: u8,
    flags: u8,
    _bam: u8,
    partition: u8,
    identifier: U64,
    _reserved_12: [u8; 3],
    control: u8,
}
const _: () = assert!(size_of::<Raw16>() == 16);

enum Destination {
    Object(u64),
    File(u64),
    EndOfData,
}

pub(crate) fn run(cx: &mut Context<'_, '_, '_>) -> Outcome {
    let short = cx.cdb.opcode() == Opcode::LOCATE_10;
    let (destination, change, partition, partition_byte) = if short {
        let raw: Raw10 = cx.cdb.as_layout();
        (Destination::Object(raw.object.get().into()), raw.flags & 0x02 != 0, raw.partition, 8)
    } else {
        let raw: Raw16 = cx.cdb.as_layout();
        let destination = match (raw.flags >> 3) & 0x07 {
            0b000 => Destination::Object(raw.identifier.get()),
            0b001 => Destination::File(raw.identifier.get()),
            0b011 => Destination::EndOfData,
            _ => return Err(Sense::invalid_field_in_cdb(1, Some(5)).into()),
        };
        (destination, raw.flags & 0x02 != 0, raw.partition, 3)
    };
    cx.delay_status(cx.device.media.delays.position);
    let mounted = cx.device.media.ready()?;
    if change && partition >= mounted.medium.partitions() {
        return Err(Sense::invalid_field_in_cdb(partition_byte, None).into());
    }
    if !matches!(destination, Destination::Object(0) | Destination::File(0)) {
        mounted.check_worm_integrity()?;
    }
    mounted.before_motion()?;
    let medium = &mut mounted.medium;
    let partition = if change { partition } else { medium.position().partition };
    let located = match destination {
        Destination::Object(object) => medium.locate(partition, object),
        Destination::File(file) => medium.locate_file(partition, file),
        Destination::EndOfData => medium.locate(partition, 0).and_then(|_| medium.space_to_end()).map(|()| true),
    };
    match located.map_err(|error| fault::sense(&error, Operation::Moving))? {
        true => Ok(()),
        false => Err(end_of_data(mounted).into()),
    }
}
