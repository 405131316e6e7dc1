//! REQUEST SENSE, SPC-5 §6.39.  Bytes: 0 opcode · 1 DESC(0) · 4 ALLOCATION LENGTH · 5 control
//!
//! Returns the first available of: a deferred error, a unit attention (which it clears), the pollable sense data, NO
//! SENSE.
//!
//! **Deviations:** none.

use crate::cdb::Cdb;
use crate::command_spec::{Access, CommandSpec};
use crate::data::Data;
use crate::fault::Outcome;
use crate::lu::{Lu, SpcDevice};
use crate::sense::{Sense, SenseFormat, SenseKey};
use crate::target::Request;

/// The facts of REQUEST SENSE for the command table.
pub const SPEC: CommandSpec =
    CommandSpec::new("REQUEST SENSE", &[0x03, 0x01, 0x00, 0x00, 0xff, 0x00], Access::Always).leaves_attention_pending();

pub(super) fn run(
    lu: &mut Lu,
    cdb: &Cdb,
    request: &Request<'_>,
    device: &mut dyn SpcDevice,
    data: &mut Data<'_, '_>,
) -> Outcome {
    let [_, flags, _, _, allocation_length, ..] = *cdb.bytes();
    let sense = lu
        .take_deferred(request.nexus)
        .or_else(|| lu.attentions.take(request.nexus, |_| true).map(|asc| Sense::new(SenseKey::UNIT_ATTENTION, asc)))
        .or_else(|| device.pollable_sense())
        .unwrap_or(Sense::NONE);
    let format = if flags & 0x01 == 0 { SenseFormat::Fixed } else { SenseFormat::Descriptor };
    data.data_in.limit(usize::from(allocation_length));
    data.data_in.append(sense.encode(format).as_slice());
    Ok(())
}
