//! REPORT IDENTIFYING INFORMATION, SPC-4 §6.32, and SET IDENTIFYING INFORMATION, SPC-4 §6.43.
//! Bytes: 0 opcode · 1 SERVICE ACTION 05h or 06h · 6-9 ALLOCATION or PARAMETER LIST LENGTH · 10 INFORMATION TYPE(7-1) · 11 control
//!
//! Hosts can set an identifier of up to 64 bytes (type 0) and a text of up to 256 bytes (type 2). Both survive power
//! loss.
//!
//! **Deviations:** none.

use super::{Context, SpcContext};
use crate::asc::Asc;
use crate::cdb::Cdb;
use crate::cdb_field::{bits, number};
use crate::command_spec::{Access, CommandSpec};
use crate::fault::{Outcome, Save};
use crate::sense::Sense;
use crate::writer::PageWriter;
use serde::{Deserialize, Serialize};

const USAGE_IN: &[u8] = &[0xa3, 0x1f, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xfe, 0x00];
const USAGE_OUT: &[u8] = &[0xa4, 0x1f, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xfe, 0x00];
/// The facts of REPORT IDENTIFYING INFORMATION.
pub const REPORT: CommandSpec = CommandSpec::new("REPORT IDENTIFYING INFORMATION", USAGE_IN, Access::Status)
    .with_fields(&[number("ALLOCATION LENGTH", 6, 4), bits("INFORMATION TYPE", 10, 7, 7)])
    .with_service_action(0x05);
/// The facts of SET IDENTIFYING INFORMATION.
pub const SET: CommandSpec = CommandSpec::new("SET IDENTIFYING INFORMATION", USAGE_OUT, Access::Write)
    .with_fields(&[number("PARAMETER LIST LENGTH", 6, 4), bits("INFORMATION TYPE", 10, 7, 7)])
    .with_service_action(0x06)
    .saving_state();

/// INFORMATION TYPE: the identifier and the text, each with its maximum length in bytes, and the list of types.
const DEVICE_INFORMATION: (u8, u16) = (0x00, 64);
const TEXT_INFORMATION: (u8, u16) = (0x02, 256);
const SUPPORTED_TYPES: u8 = 0x7f;

/// Identifying information of a unit, set by hosts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdentifyingInformation {
    name: Vec<u8>,
    text: Vec<u8>,
}

fn length(cdb: &Cdb) -> u32 {
    let [_, _, _, _, _, _, a, b, c, d, ..] = *cdb.bytes();
    u32::from_be_bytes([a, b, c, d])
}

pub(super) fn list_length(cdb: &Cdb) -> usize {
    usize::try_from(length(cdb)).unwrap_or(usize::MAX)
}

pub(super) fn report(cx: &mut SpcContext<'_, '_, '_>) -> Outcome {
    let Context { lu, cdb, .. } = cx;
    let mut page = PageWriter::new();
    let information = cdb.bytes()[10] >> 1;
    page.u16(0).length_u16(|w| match information {
        kind if kind == DEVICE_INFORMATION.0 => drop(w.bytes(&lu.identifying.name)),
        kind if kind == TEXT_INFORMATION.0 => drop(w.bytes(&lu.identifying.text)),
        _ => {
            for (kind, max_len) in [DEVICE_INFORMATION, TEXT_INFORMATION] {
                w.u8(kind << 1).u8(0).u16(max_len);
            }
        }
    });
    if ![DEVICE_INFORMATION.0, TEXT_INFORMATION.0, SUPPORTED_TYPES].contains(&information) {
        return Err(Sense::invalid_field_in_cdb(10, Some(7)).into());
    }
    cx.return_data(length(cx.cdb), page.as_slice());
    Ok(())
}

pub(super) fn set(cx: &mut SpcContext<'_, '_, '_>) -> Outcome {
    let Context { lu, request, cdb, data, .. } = cx;
    let information = cdb.bytes()[10] >> 1;
    let max_len = match information {
        kind if kind == DEVICE_INFORMATION.0 => DEVICE_INFORMATION.1,
        kind if kind == TEXT_INFORMATION.0 => TEXT_INFORMATION.1,
        _ => return Err(Sense::invalid_field_in_cdb(10, Some(7)).into()),
    };
    let length = list_length(cdb);
    if length > max_len.into() {
        return Err(Sense::invalid_field_in_cdb(6, None).into());
    }
    let list = data.data_out.parameters(length)?;
    // A text must be NUL-terminated.
    if information == TEXT_INFORMATION.0 && !list.is_empty() && list.last() != Some(&0) {
        return Err(Sense::invalid_field_in_list(u16::try_from(length - 1).unwrap_or_default(), None).into());
    }
    if information == TEXT_INFORMATION.0 {
        lu.identifying.text = list
    } else {
        lu.identifying.name = list
    }
    lu.request_save(Save::UNIT);
    lu.attentions.raise_others(request.nexus, Asc::DEVICE_IDENTIFIER_CHANGED);
    Ok(())
}
