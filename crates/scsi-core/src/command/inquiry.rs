//! INQUIRY, SPC-4 §6.6.  Bytes: 0 opcode · 1 EVPD(0) · 2 PAGE CODE · 3-4 ALLOCATION LENGTH · 5 control
//!
//! **Deviations:** none.

use super::SpcContext;
use crate::cdb_field::{bit, number};
use crate::command_spec::{Access, CommandSpec};
use crate::fault::Outcome;
use crate::sense::Sense;
use crate::vpd;
use crate::wire::U16;
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// The facts of INQUIRY for the command table.
pub const SPEC: CommandSpec = CommandSpec::new("INQUIRY", &[0x12, 0x01, 0xff, 0xff, 0xff, 0x00], Access::Always)
    .with_fields(&[bit("EVPD", 1, 0), number("PAGE CODE", 2, 1), number("ALLOCATION LENGTH", 3, 2)])
    .leaves_attention_pending();

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

pub(super) fn run(cx: &mut SpcContext<'_, '_, '_>) -> Outcome {
    let raw: Raw = cx.cdb.as_layout();
    let evpd = raw.flags & 0x01 != 0;
    if !evpd && raw.page_code != 0 {
        return Err(Sense::invalid_field_in_cdb(2, None).into());
    }
    let page = if evpd {
        vpd::render_page(raw.page_code, &cx.lu.identity, cx.lu.mode.pages(), cx.device)?
    } else {
        cx.device.inquiry().render(&cx.lu.identity)
    };
    cx.return_data(raw.allocation_length.get().into(), &page);
    Ok(())
}
