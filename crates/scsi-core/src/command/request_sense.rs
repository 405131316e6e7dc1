//! REQUEST SENSE, SPC-4 §6.39.  Bytes: 0 opcode · 1 DESC(0) · 4 ALLOCATION LENGTH · 5 control
//!
//! Returns the first available of: a deferred error, a unit attention (which it clears), HARDWARE ERROR 44h/00h of a
//! faulty unit, the pollable sense data, NO SENSE.
//!
//! **Deviations:** none.

use super::SpcContext;
use crate::cdb_field::{bit, number};
use crate::command_spec::{Access, CommandSpec};
use crate::fault::Outcome;
use crate::sense::{Sense, SenseFormat, SenseKey};

/// The facts of REQUEST SENSE for the command table.
pub const SPEC: CommandSpec = CommandSpec::new("REQUEST SENSE", &[0x03, 0x01, 0x00, 0x00, 0xff, 0x00], Access::Always)
    .with_fields(&[bit("DESC", 1, 0), number("ALLOCATION LENGTH", 4, 1)])
    .leaves_attention_pending();

pub(super) fn run(cx: &mut SpcContext<'_, '_, '_>) -> Outcome {
    let [_, flags, _, _, allocation_length, ..] = *cx.cdb.bytes();
    let (nexus, lu) = (cx.request.nexus, &mut *cx.lu);
    let sense = lu
        .take_deferred(nexus)
        .or_else(|| lu.attentions.take(nexus, |_| true).map(|asc| Sense::new(SenseKey::UNIT_ATTENTION, asc)))
        .or_else(|| lu.failure())
        .or_else(|| cx.device.pollable_sense())
        .unwrap_or(Sense::NONE);
    let format = if flags & 0x01 == 0 { SenseFormat::Fixed } else { SenseFormat::Descriptor };
    cx.return_data(allocation_length.into(), sense.encode(format).as_slice());
    Ok(())
}
