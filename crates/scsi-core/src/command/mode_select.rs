//! MODE SELECT(6), SPC-4 §6.11.   Bytes: 0 opcode · 1 PF(4) SP(0) · 4 PARAMETER LIST LENGTH · 5 control
//! MODE SELECT(10), SPC-4 §6.12.  Bytes: 0 opcode · 1 PF(4) SP(0) · 7-8 PARAMETER LIST LENGTH · 9 control
//!
//! The whole list is checked before any value changes. A change raises UNIT ATTENTION 2Ah/01h for every other I_T
//! nexus. SP=1 is rejected with a page that cannot be saved (PS=0). Saved values are durable before GOOD status, and
//! are restored at power-on and by a reset.
//!
//! If the device rounds a value, the list takes effect and the command ends with RECOVERED ERROR 37h/00h (SPC-4 §6.11,
//! parameter rounding).
//!
//! **Deviations:** PF=0 is accepted if the list has no pages, as by drives before SPC; MEDIUM TYPE is ignored, and so
//! is the PS bit of a page, which is reserved in MODE SELECT.

use super::{Context, SpcContext};
use crate::asc::Asc;
use crate::cdb::{Cdb, Opcode};
use crate::cdb_field::{bit, number};
use crate::command_spec::{Access, CommandSpec};
use crate::fault::{Outcome, Save};
use crate::field::{FieldPointer, check_reserved};
use crate::mode::{ModeHeader, ModeHeaderField};
use crate::parameter_list;
use crate::sense::{Sense, SenseKey};

/// The facts of MODE SELECT(6).
pub const SPEC_6: CommandSpec =
    CommandSpec::new("MODE SELECT(6)", &[0x15, 0x11, 0x00, 0x00, 0xff, 0x00], Access::Write)
        .with_fields(&[bit("PF", 1, 4), bit("SP", 1, 0), number("PARAMETER LIST LENGTH", 4, 1)])
        .saving_state();
/// The facts of MODE SELECT(10).
pub const SPEC_10: CommandSpec =
    CommandSpec::new("MODE SELECT(10)", &[0x55, 0x11, 0x00, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0x00], Access::Write)
        .with_fields(&[bit("PF", 1, 4), bit("SP", 1, 0), number("PARAMETER LIST LENGTH", 7, 2)])
        .saving_state();

pub(super) fn list_length(cdb: &Cdb) -> usize {
    let [opcode, _, _, _, length_6, _, _, high, low, ..] = *cdb.bytes();
    if Opcode(opcode) == Opcode::MODE_SELECT_6 { length_6.into() } else { u16::from_be_bytes([high, low]).into() }
}

pub(super) fn run(cx: &mut SpcContext<'_, '_, '_>) -> Outcome {
    let Context { lu, device, request, cdb, data } = cx;
    let [opcode, flags, ..] = *cdb.bytes();
    let (page_format, save) = (flags & 0x10 != 0, flags & 0x01 != 0);
    let short = Opcode(opcode) == Opcode::MODE_SELECT_6;
    let length = list_length(cdb);
    if save && !lu.mode.can_save() {
        return Err(Sense::invalid_field_in_cdb(1, Some(0)).into());
    }
    if length == 0 {
        return Ok(());
    }
    let list = data.data_out.parameters(length)?;
    let (header, pages) = split_list(short, &list)?.ok_or_else(parameter_list::length_error)?;
    if !page_format && !pages.is_empty() {
        return Err(Sense::invalid_field_in_cdb(1, Some(4)).into());
    }
    let offset = list.len() - pages.len();
    device.check_mode_header(&header, request.nexus).map_err(|field| Sense::from(header_field(field, short)))?;
    let change = lu.mode.check(pages, offset, (&**device, request.nexus), save)?;
    let rounded = change.rounded;
    let header_changed = device.apply_mode_header(&header);
    let changed = lu.mode.apply(change, request.nexus, save);
    if save {
        lu.request_save(Save::UNIT);
    }
    if header_changed || changed {
        lu.attentions.raise_others(request.nexus, Asc::MODE_PARAMETERS_CHANGED);
    }
    if rounded {
        return Err(Sense::new(SenseKey::RECOVERED_ERROR, Asc::ROUNDED_PARAMETER).into());
    }
    Ok(())
}

/// Bits of the headers and of the block descriptor that may be set. MODE DATA LENGTH (reserved, SPC-4 §7.5.5) and
/// MEDIUM TYPE are ignored.
const USAGE_6: &[u8] = &[0xff, 0xff, 0xff, 0xff];
const USAGE_10: &[u8] = &[0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0xff, 0xff];
const USAGE_BLOCK: &[u8] = &[0xff, 0xff, 0xff, 0xff, 0x00, 0xff, 0xff, 0xff];

/// Splits a parameter list into the header with its block descriptor, and the pages. `None` if the list is too short.
fn split_list(short: bool, list: &[u8]) -> Result<Option<(ModeHeader, &[u8])>, Sense> {
    let (device_specific, block_length, rest) = match list {
        [_, _, device_specific, block_length, rest @ ..] if short => (*device_specific, u16::from(*block_length), rest),
        [_, _, _, device_specific, _, _, high, low, rest @ ..] if !short => {
            (*device_specific, u16::from_be_bytes([*high, *low]), rest)
        }
        _ => return Ok(None),
    };
    check_reserved(list, if short { USAGE_6 } else { USAGE_10 }, 0)?;
    match block_length {
        0 => Ok(Some((ModeHeader { device_specific, block: None }, rest))),
        8 => {
            let Some((block, pages)) = rest.split_first_chunk() else { return Ok(None) };
            check_reserved(block, USAGE_BLOCK, list.len() - rest.len())?;
            Ok(Some((ModeHeader { device_specific, block: Some(*block) }, pages)))
        }
        _ => Err(FieldPointer::byte(if short { 3 } else { 6 }).into()),
    }
}

fn header_field(field: ModeHeaderField, short: bool) -> FieldPointer {
    match (field, short) {
        (ModeHeaderField::Block(field), true) => field.offset_by(4),
        (ModeHeaderField::Block(field), false) => field.offset_by(8),
        (ModeHeaderField::DeviceSpecific(mask), true) => FieldPointer::bits(2, mask),
        (ModeHeaderField::DeviceSpecific(mask), false) => FieldPointer::bits(3, mask),
    }
}
