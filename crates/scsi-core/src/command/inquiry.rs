//! INQUIRY, SPC-5 §6.6.  Bytes: 0 opcode · 1 EVPD(0) · 2 PAGE CODE · 3-4 ALLOCATION LENGTH · 5 control
//!
//! **Deviations:** none.

use crate::cdb::Cdb;
use crate::data::Data;
use crate::fault::Outcome;
use crate::lu::{Device, Lu};
use crate::sense::Sense;
use crate::spec::{Access, CommandSpec};
use crate::vpd;
use crate::wire::U16;
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// Facts of the command.
pub const SPEC: CommandSpec =
    CommandSpec::new("INQUIRY", &[0x12, 0x01, 0xff, 0xff, 0xff, 0x00], Access::Always).keeps_attention();

#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Raw {
    opcode: u8,
    flags: u8,
    page_code: u8,
    allocation_length: U16,
    control: u8,
}
const _: () = assert!(size_of::<Raw>() == 6);

pub(super) fn run(lu: &Lu, cdb: &Cdb, device: &dyn Device, data: &mut Data<'_, '_>) -> Outcome {
    let raw: Raw = cdb.layout();
    let evpd = raw.flags & 0x01 != 0;
    if !evpd && raw.page_code != 0 {
        return Err(Sense::cdb_field(2, None).into());
    }
    let page = if evpd {
        vpd::page(raw.page_code, &lu.identity, lu.mode.defs(), device)?
    } else {
        device.inquiry().render(&lu.identity)
    };
    data.room.limit(usize::from(raw.allocation_length.get()));
    data.room.put(page.as_slice());
    Ok(())
}
