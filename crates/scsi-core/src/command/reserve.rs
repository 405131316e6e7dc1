//! RESERVE and RELEASE, SPC-2 §7.16 to §7.22.
//! (6): Bytes: 0 opcode · 5 control.   (10): Bytes: 0 opcode · 7-8 PARAMETER LIST LENGTH (0) · 9 control
//!
//! Reserves the whole logical unit for one I_T nexus. The conflict check has already rejected other nexuses.
//!
//! **Deviations:** third-party and element reservations, obsolete since SPC-3, are rejected.

use super::SpcContext;
use crate::command_spec::{Access, CommandSpec};
use crate::fault::Outcome;

/// The facts of RESERVE(6), SPC-2.
pub const RESERVE_6: CommandSpec =
    CommandSpec::new("RESERVE(6)", &[0x16, 0, 0, 0, 0, 0], Access::Reserve).saving_state();
/// The facts of RELEASE(6), SPC-2.
pub const RELEASE_6: CommandSpec =
    CommandSpec::new("RELEASE(6)", &[0x17, 0, 0, 0, 0, 0], Access::Release).saving_state();
/// The facts of RESERVE(10), SPC-2.
pub const RESERVE_10: CommandSpec =
    CommandSpec::new("RESERVE(10)", &[0x56, 0, 0, 0, 0, 0, 0, 0, 0, 0], Access::Reserve).saving_state();
/// The facts of RELEASE(10), SPC-2.
pub const RELEASE_10: CommandSpec =
    CommandSpec::new("RELEASE(10)", &[0x57, 0, 0, 0, 0, 0, 0, 0, 0, 0], Access::Release).saving_state();

pub(super) fn reserve(cx: &mut SpcContext<'_, '_, '_>) -> Outcome {
    cx.lu.reservations.legacy.reserve(cx.request.nexus);
    Ok(())
}

pub(super) fn release(cx: &mut SpcContext<'_, '_, '_>) -> Outcome {
    cx.lu.reservations.legacy.release(cx.request.nexus);
    Ok(())
}
