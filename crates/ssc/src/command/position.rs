//! READ POSITION, SSC-4 §7.7.  Bytes: 0 opcode · 1 SERVICE ACTION(4-0) · 7-8 ALLOCATION LENGTH (extended form only) · 9 control
//!
//! Service actions 00h and 01h (short), 06h (long), 08h (extended).
//!
//! **Deviations:** no object is reported as buffered: accepted data counts as written to the medium.

use super::Context;
use scsi_core::cdb_field::number;
use scsi_core::command_spec::{Access, CommandSpec};
use scsi_core::fault::Outcome;
use scsi_core::writer::PageWriter;
use tape_store::medium::Position;

const SPEC: CommandSpec = CommandSpec::new("READ POSITION", &[0x34, 0x1f, 0, 0, 0, 0, 0, 0, 0, 0], Access::Status);
/// Only the extended form has an ALLOCATION LENGTH.
const EXTENDED: CommandSpec =
    CommandSpec::new("READ POSITION", &[0x34, 0x1f, 0, 0, 0, 0, 0, 0xff, 0xff, 0], Access::Status)
        .with_fields(&[number("ALLOCATION LENGTH", 7, 2)]);
/// Command table entries of the four forms.
pub(crate) const SPECS: [CommandSpec; 4] = [
    SPEC.with_service_action(0),
    SPEC.with_service_action(1),
    SPEC.with_service_action(6),
    EXTENDED.with_service_action(8),
];

const BOP: u8 = 0x80;
const EOP: u8 = 0x40;
const PERR: u8 = 0x02;
const BPEW: u8 = 0x01;

pub(crate) fn run(cx: &mut Context<'_, '_, '_>) -> Outcome {
    let [_, _, _, _, _, _, _, high, low, ..] = *cx.cdb.bytes();
    let allocation_length = u16::from_be_bytes([high, low]);
    let action = cx.cdb.service_action().0;
    let medium = &cx.device.media.ready()?.medium;
    let (at, warnings) = (medium.position(), medium.warnings());
    let flag = |set: bool, bit: u8| if set { bit } else { 0 };
    let flags = flag(at.object == 0, BOP) | flag(warnings.early, EOP) | flag(warnings.programmable, BPEW);
    let mut w = PageWriter::new();
    match action {
        6 => long(&at, flags, &mut w),
        8 => {
            cx.data.data_in.limit(usize::from(allocation_length));
            extended(&at, flags, &mut w);
        }
        _ => short(&at, flags, &mut w),
    }
    cx.data.data_in.append(w.as_slice());
    Ok(())
}

fn short(at: &Position, flags: u8, w: &mut PageWriter) {
    match u32::try_from(at.object) {
        Ok(object) => w.u8(flags).u8(at.partition).u16(0).u32(object).u32(object).zeros(8),
        Err(_) => w.u8(flags | PERR).zeros(19),
    };
}

fn long(at: &Position, flags: u8, w: &mut PageWriter) {
    w.u8(flags).zeros(3).u32(at.partition.into()).u64(at.object).u64(at.file).zeros(8);
}

fn extended(at: &Position, flags: u8, w: &mut PageWriter) {
    w.u8(flags).u8(at.partition).u16(0x1c).zeros(4).u64(at.object).u64(at.object).zeros(8);
}
