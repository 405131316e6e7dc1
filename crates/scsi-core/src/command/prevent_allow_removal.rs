//! PREVENT ALLOW MEDIUM REMOVAL, SSC-4 §7.5 and SMC-3.  Bytes: 0 opcode · 4 PREVENT(1-0) · 5 control
//!
//! Each I_T nexus prevents removal independently. Removal is possible when no nexus prevents it.
//!
//! **Deviations:** PREVENT 10b and 11b (attached medium changers, obsolete) are rejected.

use super::SpcContext;
use crate::cdb_field::bit;
use crate::command_spec::{Access, CommandSpec};
use crate::fault::Outcome;

/// The facts of PREVENT ALLOW MEDIUM REMOVAL.
pub const SPEC: CommandSpec =
    CommandSpec::new("PREVENT ALLOW MEDIUM REMOVAL", &[0x1e, 0, 0, 0, 0x01, 0], Access::Prevent)
        .with_fields(&[bit("PREVENT", 4, 0)]);

pub(super) fn run(cx: &mut SpcContext<'_, '_, '_>) -> Outcome {
    cx.lu.prevent(cx.request.nexus, cx.cdb.bytes()[4] & 0x01 != 0);
    Ok(())
}
