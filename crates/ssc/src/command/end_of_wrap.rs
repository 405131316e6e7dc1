//! READ END OF WRAP POSITION, of IBM's LTO-7 and later drives.
//! Bytes: 0 opcode A3h · 1 SERVICE ACTION 1Fh · 2 45h · 3 RA(1) WNV(0) · 4-5 WRAP NUMBER · 6-9 ALLOCATION LENGTH · 11 control
//!
//! Returns the object at the end of each wrap that holds data: short form for one wrap, long form (RA=1) for all.
//! The last wrap of a partition ends at its end of data.
//!
//! **Deviations:** other values of the service action qualifier (byte 2) are rejected.

use super::Context;
use crate::fault::{self, Operation};
use crate::mounted::Mounted;
use scsi_core::cdb_field::{bit, bits, number};
use scsi_core::command_spec::{Access, CommandSpec};
use scsi_core::fault::Outcome;
use scsi_core::sense::Sense;
use scsi_core::wire::{U16, U32};
use scsi_core::writer::PageWriter;
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// Command table entry of the command.
pub(crate) const SPEC: CommandSpec = CommandSpec::new(
    "READ END OF WRAP POSITION",
    &[0xa3, 0x1f, 0x45, 0x03, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0],
    Access::Read,
)
.with_fields(&[
    bits("QUALIFIER", 2, 6, 7),
    bit("RA", 3, 1),
    bit("WNV", 3, 0),
    number("WRAP NUMBER", 4, 2),
    number("ALLOCATION LENGTH", 6, 4),
])
.with_service_action(0x1f)
.blocking_with_timeouts(1, 60);

#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Raw {
    opcode: u8,
    action: u8,
    qualifier: u8,
    flags: u8,
    wrap: U16,
    allocation_length: U32,
    _reserved: u8,
    control: u8,
}
const _: () = assert!(size_of::<Raw>() == 12);

/// Service action qualifier, byte 2.
const END_OF_WRAP: u8 = 0x45;

/// End of a wrap: partition and object.
struct Wrap {
    number: u16,
    partition: u8,
    object: u64,
}

pub(crate) fn run(cx: &mut Context<'_, '_, '_>) -> Outcome {
    let raw: Raw = cx.cdb.as_layout();
    if raw.qualifier != END_OF_WRAP {
        return Err(Sense::invalid_field_in_cdb(2, None).into());
    }
    let (all, numbered) = (raw.flags & 0x02 != 0, raw.flags & 0x01 != 0);
    if all && numbered {
        return Err(Sense::invalid_field_in_cdb(3, Some(1)).into());
    }
    let wanted = raw.wrap.get();
    if !numbered && wanted != 0 {
        return Err(Sense::invalid_field_in_cdb(4, None).into());
    }
    let mounted = cx.device.media.ready()?;
    let wraps = wraps(mounted)?;
    let mut page = PageWriter::new();
    if all {
        page.length_u16(|w| {
            w.u16(0);
            for wrap in &wraps {
                w.u16(wrap.number).u16(wrap.partition.into()).u16(0).u48(wrap.object);
            }
        });
    } else {
        let wrap = wraps.iter().find(|wrap| wrap.number == wanted).ok_or(Sense::invalid_field_in_cdb(4, None))?;
        page.length_u16(|w| {
            w.u16(0).u48(wrap.object);
        });
    }
    cx.return_data(raw.allocation_length.get(), page.as_slice());
    Ok(())
}

/// All wraps that hold data. A wrap's share of the partition's objects equals its share of the partition's bytes.
fn wraps(mounted: &mut Mounted) -> Result<Vec<Wrap>, Sense> {
    mounted.drain();
    let total = u64::from(mounted.cartridge.media().wraps.max(1));
    let capacity = mounted.capacity().max(1);
    let (mut wraps, mut first) = (Vec::new(), 0_u64);
    for partition in 0..mounted.medium.partitions() {
        let usage = mounted.medium.usage(partition).map_err(|error| fault::sense(&error, Operation::Reading))?;
        let whole = (usage.capacity * total).div_ceil(capacity).max(1);
        let used = (usage.used * total).div_ceil(capacity).clamp(1, whole);
        for wrap in 1..=used {
            let object =
                if wrap == used { usage.objects } else { last_object_of_wrap(usage.objects, wrap, &usage, whole) };
            let number = u16::try_from(first + wrap - 1).unwrap_or(u16::MAX);
            wraps.push(Wrap { number, partition, object });
        }
        first += whole;
    }
    Ok(wraps)
}

/// Last object of a wrap, assuming objects of equal size.
fn last_object_of_wrap(objects: u64, wrap: u64, usage: &tape_store::medium::PartitionUsage, whole: u64) -> u64 {
    let bytes = u128::from(usage.capacity) * u128::from(wrap) / u128::from(whole);
    let object = u128::from(objects) * bytes / u128::from(usage.used.max(1));
    u64::try_from(object).unwrap_or(objects).min(objects).saturating_sub(1)
}
