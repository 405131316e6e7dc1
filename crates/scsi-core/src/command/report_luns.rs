//! REPORT LUNS, SPC-4 §6.33.  Bytes: 0 opcode · 2 SELECT REPORT · 6-9 ALLOCATION LENGTH · 11 control
//!
//! **Deviations:** there are no well-known logical units, so SELECT REPORT 01h returns an empty list, and 02h the same
//! list as 00h.

use crate::cdb::Cdb;
use crate::cdb_field::number;
use crate::command_spec::{Access, CommandSpec};
use crate::data::Data;
use crate::fault::Outcome;
use crate::sense::Sense;
use crate::wire::U32;
use crate::writer::PageWriter;
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// The facts of REPORT LUNS for the command table.
pub const SPEC: CommandSpec = CommandSpec::new(
    "REPORT LUNS",
    &[0xa0, 0x00, 0xff, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0x00, 0x00],
    Access::Always,
)
.with_fields(&[number("SELECT REPORT", 2, 1), number("ALLOCATION LENGTH", 6, 4)])
.leaves_attention_pending();

#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Raw {
    opcode: u8,
    _reserved_1: u8,
    select_report: u8,
    _reserved_3: [u8; 3],
    allocation_length: U32,
    _reserved_10: u8,
    control: u8,
}
const _: () = assert!(size_of::<Raw>() == 12);

pub(crate) fn run(cdb: &Cdb, luns: &[u64], data: &mut Data<'_, '_>) -> Outcome {
    let raw: Raw = cdb.as_layout();
    let listed = match raw.select_report {
        0x00 | 0x02 => luns,
        0x01 => &[],
        _ => return Err(Sense::invalid_field_in_cdb(2, None).into()),
    };
    let mut page = PageWriter::new();
    page.u32(u32::try_from(8 * listed.len()).unwrap_or(u32::MAX)).u32(0);
    for lun in listed {
        page.u64(*lun);
    }
    data.data_in.limit(usize::try_from(raw.allocation_length.get()).unwrap_or(usize::MAX));
    data.data_in.append(page.as_slice());
    Ok(())
}
