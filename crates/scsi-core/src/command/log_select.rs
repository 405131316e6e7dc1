//! LOG SELECT, SPC-5 §6.8.  Bytes: 0 opcode · 1 PCR(1) · 2 PC(7-6) PAGE CODE(5-0) · 3 SUBPAGE · 7-8 PARAMETER LIST LENGTH · 9 control
//!
//! PCR=1 resets the counters of the page, or of all pages with page code 0. Other nexuses hear 2A/02.
//!
//! **Deviations:** thresholds cannot be set; a parameter list is refused with 5/24/00 at its length.

use crate::asc::Asc;
use crate::cdb::Cdb;
use crate::fault::Outcome;
use crate::log::LogId;
use crate::lu::{Device, Lu};
use crate::sense::Sense;
use crate::spec::{Access, CommandSpec};
use crate::target::Request;

/// Facts of the command.
pub const SPEC: CommandSpec =
    CommandSpec::new("LOG SELECT", &[0x4c, 0x02, 0xff, 0xff, 0x00, 0x00, 0x00, 0xff, 0xff, 0x00], Access::Write);

pub(super) fn list_length(cdb: &Cdb) -> usize {
    let [_, _, _, _, _, _, _, high, low, ..] = *cdb.bytes();
    usize::from(u16::from_be_bytes([high, low]))
}

pub(super) fn run(lu: &mut Lu, cdb: &Cdb, request: &Request<'_>, device: &mut dyn Device) -> Outcome {
    let [_, flags, page, subpage, ..] = *cdb.bytes();
    if list_length(cdb) != 0 {
        return Err(Sense::cdb_field(7, None).into());
    }
    if flags & 0x02 == 0 {
        return Ok(());
    }
    let id = LogId { page: page & 0x3f, subpage };
    let all = id == LogId::page(0);
    if !all && !device.log_pages().contains(&id) {
        return Err(Sense::cdb_field(2, Some(5)).into());
    }
    if device.log_reset((!all).then_some(id)) {
        lu.attention.raise_others(request.nexus, Asc::LOG_PARAMETERS_CHANGED);
    }
    Ok(())
}
