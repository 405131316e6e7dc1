//! REPORT SUPPORTED OPERATION CODES, SPC-4 §6.35.  Bytes: 0 opcode · 1 SERVICE ACTION 0Ch · 2 RCTD(7) REPORTING OPTIONS(2-0) · 3 REQUESTED OPCODE · 4-5 REQUESTED SERVICE ACTION · 6-9 ALLOCATION LENGTH · 11 control
//!
//! **Deviations:** none.

use super::SpcContext;
use crate::cdb::{Opcode, ServiceAction};
use crate::cdb_field::{bit, bits, number};
use crate::command_spec::{Access, CommandSpec};
use crate::fault::Outcome;
use crate::sense::Sense;
use crate::wire::{U16, U32};
use crate::writer::PageWriter;
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// The facts of REPORT SUPPORTED OPERATION CODES.
pub const SPEC: CommandSpec = CommandSpec::new(
    "REPORT SUPPORTED OPERATION CODES",
    &[0xa3, 0x1f, 0x87, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00, 0x00],
    Access::Read,
)
.with_fields(&[
    bit("RCTD", 2, 7),
    bits("REPORTING OPTIONS", 2, 2, 3),
    number("REQUESTED OPERATION CODE", 3, 1),
    number("REQUESTED SERVICE ACTION", 4, 2),
    number("ALLOCATION LENGTH", 6, 4),
])
.with_service_action(0x0c);

#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Raw {
    opcode: u8,
    action: u8,
    options: u8,
    requested_opcode: u8,
    requested_action: U16,
    allocation_length: U32,
    _reserved_10: u8,
    control: u8,
}
const _: () = assert!(size_of::<Raw>() == 12);

pub(super) fn run(cx: &mut SpcContext<'_, '_, '_>) -> Outcome {
    let raw: Raw = cx.cdb.as_layout();
    let timeouts = raw.options & 0x80 != 0;
    let specs = cx.device.command_specs();
    let wanted = Opcode(raw.requested_opcode);
    let action = ServiceAction(raw.requested_action.get());
    let same = || specs.iter().filter(move |spec| spec.opcode == wanted);
    let has_actions = same().any(|spec| spec.service_action.is_some());
    let exact = || same().find(|spec| spec.service_action.unwrap_or(ServiceAction(0)) == action);
    let page = match raw.options & 0x07 {
        0b000 => all(&specs, timeouts),
        0b001 if has_actions => return Err(Sense::invalid_field_in_cdb(2, Some(2)).into()),
        0b001 => one(same().next(), timeouts),
        0b010 if !has_actions && same().next().is_some() => return Err(Sense::invalid_field_in_cdb(2, Some(2)).into()),
        0b010 | 0b011 => one(exact(), timeouts),
        _ => return Err(Sense::invalid_field_in_cdb(2, Some(2)).into()),
    };
    cx.return_data(raw.allocation_length.get(), page.as_slice());
    Ok(())
}

fn all(specs: &[CommandSpec], timeouts: bool) -> PageWriter {
    let mut page = PageWriter::new();
    page.length_u32(|w| {
        for spec in specs {
            let action = spec.service_action.unwrap_or(ServiceAction(0)).0;
            let flags = (u8::from(timeouts) << 1) | u8::from(spec.service_action.is_some());
            w.u8(spec.opcode.0).u8(0).u16(action).u8(0).u8(flags).u16(cdb_length(spec));
            if timeouts {
                timeouts_descriptor(spec, w);
            }
        }
    });
    page
}

/// SUPPORT is 011b (supported in conformance with a standard) or 001b (not supported).
fn one(spec: Option<&CommandSpec>, timeouts: bool) -> PageWriter {
    let mut page = PageWriter::new();
    match spec {
        None => page.u8(0).u8(0x01).u16(0),
        Some(spec) => {
            page.u8(0).u8((u8::from(timeouts) << 7) | 0x03).u16(cdb_length(spec)).bytes(spec.cdb_usage);
            if let (Some(action), Some(byte)) = (spec.service_action, page.as_mut_slice().get_mut(5)) {
                *byte = (*byte & 0xe0) | u8::try_from(action.0).unwrap_or(0x1f);
            }
            if timeouts {
                timeouts_descriptor(spec, &mut page);
            }
            &mut page
        }
    };
    page
}

fn cdb_length(spec: &CommandSpec) -> u16 {
    u16::try_from(spec.cdb_usage.len()).unwrap_or_default()
}

fn timeouts_descriptor(spec: &CommandSpec, w: &mut PageWriter) {
    w.length_u16(|w| {
        w.u8(0).u8(0).u32(spec.timeout.0).u32(spec.timeout.1);
    });
}
