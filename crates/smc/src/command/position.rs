//! POSITION TO ELEMENT, SMC-3 §6.9.  Bytes: 0 opcode · 2-3 TRANSPORT ADDRESS · 4-5 DESTINATION ADDRESS · 8 INVERT(0) · 9 control
//!
//! **Deviations:** INVERT is refused: the media have one side.

use super::{Context, transport};
use crate::element::{ElementAddress, ElementType};
use scsi_core::asc::Asc;
use scsi_core::cdb_field::number;
use scsi_core::command_spec::{Access, CommandSpec};
use scsi_core::fault::Outcome;
use scsi_core::sense::Sense;
use scsi_core::wire::U16;
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// Name, CDB usage data and access class of the command.
pub(crate) const SPEC: CommandSpec =
    CommandSpec::new("POSITION TO ELEMENT", &[0x2b, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0], Access::Write)
        .with_fields(&[number("MEDIUM TRANSPORT ADDRESS", 2, 2), number("DESTINATION ADDRESS", 4, 2)]);

#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Raw {
    opcode: u8,
    _reserved_1: u8,
    transport: U16,
    destination: U16,
    _reserved_6: [u8; 2],
    invert: u8,
    control: u8,
}
const _: () = assert!(size_of::<Raw>() == 10);

pub(crate) fn run(cx: &mut Context<'_, '_, '_>) -> Outcome {
    let state = &*cx.device;
    let raw: Raw = cx.cdb.as_layout();
    transport(&state.library, ElementAddress(raw.transport.get()))?;
    match state.library.layout().element_type(ElementAddress(raw.destination.get())) {
        Some(kind) if kind != ElementType::TRANSPORT => Ok(()),
        _ => Err(Sense::illegal_request(Asc::INVALID_ELEMENT_ADDRESS).with_field_pointer(true, 4, None).into()),
    }
}
