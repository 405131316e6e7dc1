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
use crate::timing::WrapEnd;
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

/// All wraps that hold data.
fn wraps(mounted: &mut Mounted) -> Result<Vec<WrapEnd>, Sense> {
    mounted.drain();
    let media = mounted.cartridge.media();
    let map = mounted.wrap_map(media.wraps, media.length);
    Ok(map.map_err(|error| fault::sense(&error, Operation::Reading))?.ends())
}
