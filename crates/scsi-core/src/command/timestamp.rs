//! REPORT TIMESTAMP, SPC-4 §6.38, and SET TIMESTAMP, SPC-4 §6.46.
//! Bytes: 0 opcode · 1 SERVICE ACTION 0Fh · 6-9 ALLOCATION or PARAMETER LIST LENGTH · 11 control
//!
//! The clock continues to run from the time set. SET TIMESTAMP raises UNIT ATTENTION 2Ah/10h for every other I_T nexus.
//!
//! **Deviations:** none.

use super::{Context, SpcContext};
use crate::asc::Asc;
use crate::cdb::Cdb;
use crate::cdb_field::number;
use crate::command_spec::{Access, CommandSpec};
use crate::fault::Outcome;
use crate::field::check_reserved;
use crate::parameter_list;
use crate::writer::PageWriter;

const USAGE_IN: &[u8] = &[0xa3, 0x1f, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0x00, 0x00];
const USAGE_OUT: &[u8] = &[0xa4, 0x1f, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0x00, 0x00];
/// The facts of REPORT TIMESTAMP.
pub const REPORT: CommandSpec = CommandSpec::new("REPORT TIMESTAMP", USAGE_IN, Access::Status)
    .with_fields(&[number("ALLOCATION LENGTH", 6, 4)])
    .with_service_action(0x0f);
/// The facts of SET TIMESTAMP.
pub const SET: CommandSpec = CommandSpec::new("SET TIMESTAMP", USAGE_OUT, Access::Write)
    .with_fields(&[number("PARAMETER LIST LENGTH", 6, 4)])
    .with_service_action(0x0f);

/// Length of the SET TIMESTAMP parameter list in bytes.
const LIST: usize = 12;
/// Bits of the parameter list that may be set: TIMESTAMP.
const USAGE_LIST: &[u8] = &[0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0];

fn length(cdb: &Cdb) -> u32 {
    let [_, _, _, _, _, _, a, b, c, d, ..] = *cdb.bytes();
    u32::from_be_bytes([a, b, c, d])
}

pub(super) fn list_length(cdb: &Cdb) -> usize {
    usize::try_from(length(cdb)).unwrap_or(usize::MAX)
}

pub(super) fn report(cx: &mut SpcContext<'_, '_, '_>) -> Outcome {
    /// TIMESTAMP ORIGIN: set by SET TIMESTAMP, or by another method.
    const ORIGINS: (u8, u8) = (0b010, 0b011);
    let origin = if cx.lu.clock.offset.is_some() { ORIGINS.0 } else { ORIGINS.1 };
    let mut page = PageWriter::new();
    page.length_u16(|w| {
        w.u8(origin).u8(0).u48(cx.lu.clock.timestamp(cx.request.now.wall)).u16(0);
    });
    cx.return_data(length(cx.cdb), page.as_slice());
    Ok(())
}

pub(super) fn set(cx: &mut SpcContext<'_, '_, '_>) -> Outcome {
    let Context { lu, request, cdb, data, .. } = cx;
    let length = list_length(cdb);
    if length == 0 {
        return Ok(());
    }
    if length != LIST {
        return Err(parameter_list::length_error().into());
    }
    let list = data.data_out.parameters(LIST)?;
    check_reserved(&list, USAGE_LIST, 0)?;
    let set_to = list.get(4..10).unwrap_or_default().iter().fold(0_i64, |value, byte| (value << 8) | i64::from(*byte));
    lu.clock.offset = Some(set_to - i64::try_from(request.now.wall.0).unwrap_or(i64::MAX));
    lu.attentions.raise_others(request.nexus, Asc::TIMESTAMP_CHANGED);
    Ok(())
}
