//! EXCHANGE MEDIUM, SMC-3 §6.1.  Bytes: 0 opcode · 2-3 TRANSPORT ADDRESS · 4-5 SOURCE · 6-7 FIRST DESTINATION · 8-9 SECOND DESTINATION · 10 INV1(1) INV2(0) · 11 control
//!
//! **Deviations:** INV1 and INV2 are refused: the media have one side.

use super::{Context, check_export, finish_move, spend_moves, transport};
use crate::element::ElementAddress;
use scsi_core::cdb_field::number;
use scsi_core::command_spec::{Access, CommandSpec};
use scsi_core::fault::Outcome;
use scsi_core::wire::U16;
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// Name, CDB usage data, access class and timeouts of the command.
pub(crate) const SPEC: CommandSpec = CommandSpec::new(
    "EXCHANGE MEDIUM",
    &[0xa6, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0],
    Access::Write,
)
.with_fields(&[
    number("MEDIUM TRANSPORT ADDRESS", 2, 2),
    number("SOURCE ADDRESS", 4, 2),
    number("FIRST DESTINATION ADDRESS", 6, 2),
    number("SECOND DESTINATION ADDRESS", 8, 2),
])
.blocking_with_timeouts(120, 1800);

#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Raw {
    opcode: u8,
    _reserved_1: u8,
    transport: U16,
    source: U16,
    first: U16,
    second: U16,
    invert: u8,
    control: u8,
}
const _: () = assert!(size_of::<Raw>() == 12);

pub(crate) fn run(cx: &mut Context<'_, '_, '_>) -> Outcome {
    let Context { lu, device: state, request, cdb, .. } = cx;
    let raw: Raw = cdb.as_layout();
    let [source, first, second] = [raw.source, raw.first, raw.second].map(|address| ElementAddress(address.get()));
    transport(&state.library, ElementAddress(raw.transport.get()))?;
    let field = |address| match address {
        address if address == source => 4,
        address if address == first => 6,
        _ => 8,
    };
    check_export(state, lu, first)?;
    check_export(state, lu, second)?;
    let drives = [source, first].map(|address| state.library.time_until_removal(address, request.now));
    let unload = drives.into_iter().sum();
    let result = state.library.exchange(source, first, second, request.now);
    if result.is_ok() {
        spend_moves(cx, &[(first, second), (source, first)], unload);
    }
    finish_move(cx.lu, cx.device, result, field)
}
