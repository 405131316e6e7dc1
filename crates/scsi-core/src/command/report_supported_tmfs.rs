//! REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS, SPC-4 §6.36.  Bytes: 0 opcode · 1 SERVICE ACTION 0Dh · 2 REPD(7) · 6-9 ALLOCATION LENGTH · 11 control
//!
//! **Deviations:** none.

use super::SpcContext;
use crate::cdb_field::{bit, number};
use crate::command_spec::{Access, CommandSpec};
use crate::fault::Outcome;
use crate::sense::Sense;
use crate::writer::PageWriter;

/// The facts of REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS.
pub const SPEC: CommandSpec = CommandSpec::new(
    "REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS",
    &[0xa3, 0x1f, 0x80, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0x00, 0x00],
    Access::Read,
)
.with_fields(&[bit("REPD", 2, 7), number("ALLOCATION LENGTH", 6, 4)])
.with_service_action(0x0d);

/// ABORT TASK, ABORT TASK SET, CLEAR TASK SET, LOGICAL UNIT RESET and (obsolete) TARGET RESET.
const SUPPORTED_FUNCTIONS: u8 = 0x80 | 0x40 | 0x10 | 0x08 | 0x02;
/// TASK MANAGEMENT FUNCTIONS LONG TIMEOUT and SHORT TIMEOUT in units of 100 ms.
const TIMEOUTS: (u32, u32) = (600, 100);

pub(super) fn run(cx: &mut SpcContext<'_, '_, '_>) -> Outcome {
    let [_, _, flags, _, _, _, a, b, c, d, ..] = *cx.cdb.bytes();
    let allocation_length = u32::from_be_bytes([a, b, c, d]);
    if allocation_length < 4 {
        return Err(Sense::invalid_field_in_cdb(6, None).into());
    }
    let mut page = PageWriter::new();
    page.u8(SUPPORTED_FUNCTIONS).u16(0);
    if flags & 0x80 == 0 {
        page.u8(0);
    } else {
        page.length_u8(|w| {
            w.u8(0x01).u8(0).u16(0).u32(TIMEOUTS.0).u32(TIMEOUTS.1);
        });
    }
    cx.return_data(allocation_length, page.as_slice());
    Ok(())
}
