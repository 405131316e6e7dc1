//! LOG SELECT, SPC-4 §6.7.  Bytes: 0 opcode · 1 PCR(1) · 2 PC(7-6) PAGE CODE(5-0) · 3 SUBPAGE · 7-8 PARAMETER LIST LENGTH · 9 control
//!
//! PCR=1 resets the counters of the page, or of all pages with PAGE CODE 0. A parameter list with PC=00b sets
//! thresholds of error counters (pages 02h to 06h); it is applied completely or not at all. PC=10b and 11b restore
//! defaults and ignore the values in the list. A change raises UNIT ATTENTION 2Ah/02h for every other I_T nexus.
//!
//! **Deviations:** counters cannot be set to a value (PC=01b); nothing can be saved, so SP=1 is rejected.

use super::log_sense::has;
use super::{Context, SpcContext};
use crate::asc::Asc;
use crate::cdb::Cdb;
use crate::cdb_field::{bit, bits, number};
use crate::command_spec::{Access, CommandSpec};
use crate::fault::Outcome;
use crate::field::{FieldPointer, check_reserved};
use crate::log::{LogId, LogWriter, Parameter, Thresholds};
use crate::lu::SpcDevice;
use crate::page_override::PageOverrides;
use crate::sense::Sense;
use crate::target::Request;

/// The facts of LOG SELECT for the command table.
pub const SPEC: CommandSpec =
    CommandSpec::new("LOG SELECT", &[0x4c, 0x02, 0xff, 0xff, 0x00, 0x00, 0x00, 0xff, 0xff, 0x00], Access::Write)
        .with_fields(&[
            bit("PCR", 1, 1),
            bits("PC", 2, 7, 2),
            bits("PAGE CODE", 2, 5, 6),
            number("SUBPAGE CODE", 3, 1),
            number("PARAMETER LIST LENGTH", 7, 2),
        ]);

/// PAGE CONTROL.
mod control {
    pub(super) const THRESHOLD: u8 = 0b00;
    pub(super) const CUMULATIVE: u8 = 0b01;
    pub(super) const DEFAULT_THRESHOLD: u8 = 0b10;
}

pub(super) fn list_length(cdb: &Cdb) -> usize {
    let [_, _, _, _, _, _, _, high, low, ..] = *cdb.bytes();
    usize::from(u16::from_be_bytes([high, low]))
}

pub(super) fn run(cx: &mut SpcContext<'_, '_, '_>) -> Outcome {
    let Context { lu, device, request, cdb, data } = cx;
    let [_, flags, page, subpage, ..] = *cdb.bytes();
    let (reset, control, length) = (flags & 0x02 != 0, page >> 6, list_length(cdb));
    let id = LogId { page: page & 0x3f, subpage };
    let all = id == LogId::page(0);
    if reset && length != 0 {
        return Err(Sense::invalid_field_in_cdb(1, Some(1)).into());
    }
    if !all && !has(&**device, &lu.identity.pages, id) {
        return Err(Sense::invalid_field_in_cdb(2, Some(5)).into());
    }
    let changed = if length != 0 {
        if !all {
            return Err(Sense::invalid_field_in_cdb(2, Some(5)).into());
        }
        let list = data.data_out.parameters(length)?;
        let pages = parse(&list, control, request, (&**device, &lu.identity.pages))?;
        pages.into_iter().fold(false, |changed, (id, thresholds)| match control {
            control::THRESHOLD => thresholds
                .into_iter()
                .fold(changed, |changed, (code, value)| lu.thresholds.set(id, code, value) | changed),
            control::DEFAULT_THRESHOLD => lu.thresholds.reset_page(id) | changed,
            _ => device.reset_log_counters(Some(id)) | changed,
        })
    } else if reset || control == 0b11 {
        device.reset_log_counters((!all).then_some(id))
    } else if control == control::DEFAULT_THRESHOLD {
        if all { lu.thresholds.reset_all() } else { lu.thresholds.reset_page(id) }
    } else {
        false
    };
    if changed {
        lu.attentions.raise_others(request.nexus, Asc::LOG_PARAMETERS_CHANGED);
    }
    Ok(())
}

/// SPF, byte 0 of a page: the page has a subpage.
const SPF: u8 = 0x40;

/// A page with the codes and values of its parameters.
type PageValues = (LogId, Vec<(u16, u64)>);

/// Parses the pages of a parameter list. The error points at the invalid field.
fn parse(
    list: &[u8],
    control: u8,
    request: &Request<'_>,
    (device, overrides): (&dyn SpcDevice, &PageOverrides),
) -> Result<Vec<PageValues>, Sense> {
    let (mut pages, mut rest) = (Vec::new(), list);
    let too_short = || Sense::illegal_request(Asc::PARAMETER_LIST_LENGTH_ERROR);
    while !rest.is_empty() {
        let offset = list.len() - rest.len();
        let at = |byte: usize| Sense::invalid_field_in_list(u16::try_from(offset + byte).unwrap_or(u16::MAX), None);
        let ([page, subpage, high, low], after) = rest.split_first_chunk::<4>().ok_or_else(too_short)?;
        let id = LogId { page: page & 0x3f, subpage: *subpage };
        let spf = page & SPF != 0;
        if !spf {
            // Without SPF the second byte is reserved.
            check_reserved(&[*page, *subpage], &[0xff, 0x00], offset)?;
        }
        if spf == (id.subpage == 0) || !has(device, overrides, id) {
            return Err(if spf && id.subpage == 0 { FieldPointer::bits(offset, SPF).into() } else { at(0) });
        }
        let (body, after) = after.split_at_checked(u16::from_be_bytes([*high, *low]).into()).ok_or_else(too_short)?;
        if control == control::CUMULATIVE || control == control::THRESHOLD && !Thresholds::has(id) {
            return Err(at(4));
        }
        let mut page = LogWriter::from_pointer(0);
        device.write_log_page(id, request, &mut page);
        let known = page.overridden_parameters(id, overrides);
        let mut values = Vec::new();
        parameters(body, &known, |code, value| values.push((code, value))).map_err(|byte| at(4 + byte))?;
        pages.push((id, values));
        rest = after;
    }
    Ok(pages)
}

/// Passes the code and value of each parameter in `body` to `take`. The error is the offset of the first byte that is
/// invalid: an unknown code, or a length that differs from the known one.
fn parameters(body: &[u8], known: &[Parameter], mut take: impl FnMut(u16, u64)) -> Result<(), usize> {
    let mut rest = body;
    while !rest.is_empty() {
        let at = body.len() - rest.len();
        let ([high, low, _, len], after) = rest.split_first_chunk::<4>().ok_or(at)?;
        let code = u16::from_be_bytes([*high, *low]);
        let known = known.iter().find(|known| known.code == code).ok_or(at)?;
        let (value, after) = after.split_at_checked(usize::from(*len)).ok_or(at + 3)?;
        if value.len() != known.value.len() || value.len() > 8 {
            return Err(at + 3);
        }
        take(code, value.iter().fold(0, |value, byte| (value << 8) | u64::from(*byte)));
        rest = after;
    }
    Ok(())
}
