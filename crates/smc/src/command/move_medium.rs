//! MOVE MEDIUM, SMC-3 §6.5.  Bytes: 0 opcode · 2-3 TRANSPORT ADDRESS · 4-5 SOURCE ADDRESS · 6-7 DESTINATION ADDRESS · 10 INVERT(0) · 11 control
//!
//! **Deviations:** INVERT is refused: the media have one side.

use super::{Context, check_export, finish_move, spend_moves, transport};
use crate::element::ElementAddress;
use scsi_core::cdb_field::number;
use scsi_core::command_spec::{Access, CommandSpec};
use scsi_core::fault::Outcome;
use scsi_core::wire::U16;
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// Name, CDB usage data, access class and timeouts of the command.
pub(crate) const SPEC: CommandSpec =
    CommandSpec::new("MOVE MEDIUM", &[0xa5, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0], Access::Write)
        .with_fields(&[
            number("MEDIUM TRANSPORT ADDRESS", 2, 2),
            number("SOURCE ADDRESS", 4, 2),
            number("DESTINATION ADDRESS", 6, 2),
        ])
        .blocking_with_timeouts(60, 900);

#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Raw {
    opcode: u8,
    _reserved_1: u8,
    transport: U16,
    source: U16,
    destination: U16,
    _reserved_8: [u8; 2],
    invert: u8,
    control: u8,
}
const _: () = assert!(size_of::<Raw>() == 12);

pub(crate) fn run(cx: &mut Context<'_, '_, '_>) -> Outcome {
    let Context { lu, device: state, request, cdb, .. } = cx;
    let raw: Raw = cdb.as_layout();
    let (source, destination) = (ElementAddress(raw.source.get()), ElementAddress(raw.destination.get()));
    transport(&state.library, ElementAddress(raw.transport.get()))?;
    let field = |address| if address == source { 4 } else { 6 };
    check_export(state, lu, destination)?;
    let unload = state.library.time_until_removal(source, request.now);
    let result = state.library.move_medium(source, destination, request.now);
    if result.is_ok() {
        let moves = [(source, destination)];
        spend_moves(cx, if source == destination { &[] } else { &moves }, unload);
    }
    finish_move(cx.lu, cx.device, result, field)
}
