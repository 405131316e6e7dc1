//! OPEN/CLOSE IMPORT/EXPORT ELEMENT, SMC-3 §6.8.  Bytes: 0 opcode · 2-3 ELEMENT ADDRESS · 4 ACTION CODE(4-0) · 5 control
//!
//! All import/export elements share one I/O station. Opening an open station and closing a closed one is GOOD and has
//! no effect. A chassis has one I/O station for all partitions: each finds it open or closed, and a host of any of them that prevents
//! medium removal locks it.
//!
//! **Deviations:** none.

use super::Context;
use crate::element::{ElementAddress, ElementType};
use scsi_core::asc::Asc;
use scsi_core::cdb_field::{bits, number};
use scsi_core::command_spec::{Access, CommandSpec};
use scsi_core::fault::Outcome;
use scsi_core::sense::Sense;
use scsi_core::wire::U16;
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// Name, CDB usage data, access class and timeouts of the command.
pub(crate) const SPEC: CommandSpec =
    CommandSpec::new("OPEN/CLOSE IMPORT/EXPORT ELEMENT", &[0x1b, 0, 0xff, 0xff, 0x1f, 0], Access::Write)
        .with_fields(&[number("ELEMENT ADDRESS", 2, 2), bits("ACTION CODE", 4, 4, 5)])
        .blocking_with_timeouts(10, 120);

#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Raw {
    opcode: u8,
    _reserved_1: u8,
    element: U16,
    action: u8,
    control: u8,
}
const _: () = assert!(size_of::<Raw>() == 6);

pub(crate) fn run(cx: &mut Context<'_, '_, '_>) -> Outcome {
    let Context { lu, device: state, cdb, .. } = cx;
    let raw: Raw = cdb.as_layout();
    let kind = state.library.layout().element_type(ElementAddress(raw.element.get()));
    if kind != Some(ElementType::IMPORT_EXPORT) {
        return Err(Sense::illegal_request(Asc::INVALID_ELEMENT_ADDRESS).with_field_pointer(true, 2, None).into());
    }
    let open = match raw.action {
        0 => true,
        1 => false,
        _ => return Err(Sense::invalid_field_in_cdb(4, Some(4)).into()),
    };
    if open && state.is_locked(lu) {
        return Err(Sense::illegal_request(Asc::MEDIUM_REMOVAL_PREVENTED).into());
    }
    state.set_io_station(lu, open);
    Ok(())
}
