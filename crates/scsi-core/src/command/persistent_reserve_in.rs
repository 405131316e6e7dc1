//! PERSISTENT RESERVE IN, SPC-4 §6.15.  Bytes: 0 opcode · 1 SERVICE ACTION(4-0) · 7-8 ALLOCATION LENGTH · 9 control
//!
//! **Deviations:** none.

use super::{Context, SpcContext};
use crate::cdb_field::number;
use crate::command_spec::{Access, CommandSpec};
use crate::fault::Outcome;
use crate::reservation::PersistentReservations;
use crate::writer::PageWriter;

const SPEC: CommandSpec = CommandSpec::new(
    "PERSISTENT RESERVE IN",
    &[0x5e, 0x1f, 0x00, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0x00],
    Access::PersistentReserveIn,
)
.with_fields(&[number("ALLOCATION LENGTH", 7, 2)]);
/// The facts of READ KEYS, READ RESERVATION, REPORT CAPABILITIES and READ FULL STATUS.
pub const SPECS: [CommandSpec; 4] = [
    SPEC.with_service_action(0),
    SPEC.with_service_action(1),
    SPEC.with_service_action(2),
    SPEC.with_service_action(3),
];

/// CRH=0; SIP_C, ATP_C, PTPL_C; TMV with ALLOW COMMANDS 000b; all 6 types.
const CAPABILITIES: [u8; 4] = [0x0d, 0x80, 0xea, 0x01];

pub(super) fn run(cx: &mut SpcContext<'_, '_, '_>) -> Outcome {
    let Context { lu, cdb, .. } = cx;
    let [_, _, _, _, _, _, _, high, low, ..] = *cdb.bytes();
    let state = &lu.reservations.persistent;
    let mut page = PageWriter::new();
    match cdb.service_action().0 {
        2 => {
            let [flags, masks, types, more] = CAPABILITIES;
            page.u16(8).u8(flags).u8(masks | u8::from(state.aptpl())).u8(types).u8(more).u16(0);
        }
        action => {
            page.u32(state.generation()).length_u32(|w| match action {
                0 => state.registrations().iter().for_each(|entry| {
                    w.u64(entry.key);
                }),
                1 => reservation(state, w),
                _ => full_status(state, lu.identity.port.relative, w),
            });
        }
    }
    cx.return_data(u16::from_be_bytes([high, low]).into(), page.as_slice());
    Ok(())
}

fn reservation(state: &PersistentReservations, w: &mut PageWriter) {
    if let Some((kind, key)) = state.reservation() {
        w.u64(key).u32(0).u8(0).u8(kind.0).u16(0);
    }
}

fn full_status(state: &PersistentReservations, relative_port: u16, w: &mut PageWriter) {
    for entry in state.registrations() {
        let holder = state.holds(&entry.port);
        let kind = state.reservation().filter(|_| holder).map_or(0, |(kind, _)| kind.0);
        let flags = (u8::from(entry.all_target_ports) << 1) | u8::from(holder);
        w.u64(entry.key).u32(0).u8(flags).u8(kind).u32(0).u16(relative_port);
        w.length_u32(|w| {
            w.bytes(entry.port.as_bytes());
        });
    }
}
