//! LOG SENSE, SPC-4 §6.8.  Bytes: 0 opcode · 1 SP(0) · 2 PC(7-6) PAGE CODE(5-0) · 3 SUBPAGE · 5-6 PARAMETER POINTER · 7-8 ALLOCATION LENGTH · 9 control
//!
//! PC=00b and 10b return thresholds for pages of error counters only (02h to 06h). As on LTO drives, all other pages
//! return their current values, because tools such as tapeinfo request them with 00b.
//!
//! **Deviations:** pages 10h (self-tests) and 2Fh (informational exceptions) are supported, but not listed.

use super::{Context, SpcContext};
use crate::cdb_field::{bits, number};
use crate::command_spec::{Access, CommandSpec, MediumAccess};
use crate::fault::Outcome;
use crate::log::{self, LogId, LogWriter, SELF_TEST_10, Thresholds, UNLISTED};
use crate::lu::SpcDevice;
use crate::page_override::{OverriddenPage, PageOverrides};
use crate::sense::Sense;
use crate::wire::U16;
use crate::writer::PageWriter;
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// The facts of LOG SENSE for the command table.
pub const SPEC: CommandSpec =
    CommandSpec::new("LOG SENSE", &[0x4d, 0x00, 0xff, 0xff, 0x00, 0xff, 0xff, 0xff, 0xff, 0x00], Access::Always)
        .with_fields(&[
            bits("PC", 2, 7, 2),
            bits("PAGE CODE", 2, 5, 6),
            number("SUBPAGE CODE", 3, 1),
            number("PARAMETER POINTER", 5, 2),
            number("ALLOCATION LENGTH", 7, 2),
        ])
        .accessing_medium(MediumAccess::DRAIN);

#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Raw {
    opcode: u8,
    flags: u8,
    page: u8,
    subpage: u8,
    _reserved_4: u8,
    parameter_pointer: U16,
    allocation_length: U16,
    control: u8,
}
const _: () = assert!(size_of::<Raw>() == 10);

pub(super) fn run(cx: &mut SpcContext<'_, '_, '_>) -> Outcome {
    let Context { lu, device, request, cdb, .. } = cx;
    let raw: Raw = cdb.as_layout();
    let id = LogId { page: raw.page & 0x3f, subpage: raw.subpage };
    let thresholds = match raw.page >> 6 {
        0b00 if Thresholds::has(id) => Some(lu.thresholds.clone()),
        0b10 if Thresholds::has(id) => Some(Thresholds::default()),
        _ => None,
    };
    let overrides = &lu.identity.pages;
    let is_overridden = overrides.has(OverriddenPage::Log(id));
    let pointer = raw.parameter_pointer.get();
    // An override is of the page as a whole.
    let mut w = LogWriter::from_pointer(if is_overridden { 0 } else { pointer });
    if let (Some(thresholds), false) = (&thresholds, is_overridden) {
        w = w.with_thresholds(thresholds.clone(), id);
    }
    let modelled = has_model(&**device, id);
    if overrides.removes(OverriddenPage::Log(id)) {
        return Err(unknown_page(id).into());
    } else if modelled && id == SELF_TEST_10 {
        lu.self_tests.write(&mut w);
    } else if modelled {
        device.write_log_page(id, request, &mut w);
    } else if !list(id, &log_pages(&**device, overrides), &mut w) && !overrides.adds(OverriddenPage::Log(id)) {
        return Err(unknown_page(id).into());
    }
    let page = w.finish(id);
    let page = if is_overridden {
        let page = page.map_or_else(Vec::new, PageWriter::into_vec);
        log::page_from(overrides.apply(OverriddenPage::Log(id), page), pointer, thresholds.map(|values| (values, id)))
    } else {
        page.map(PageWriter::into_vec)
    };
    let page = page.ok_or(Sense::invalid_field_in_cdb(5, None))?;
    if modelled && raw.allocation_length.get() > 4 {
        device.log_page_read(id, request.nexus);
    }
    cx.return_data(raw.allocation_length.get().into(), &page);
    Ok(())
}

fn unknown_page(id: LogId) -> Sense {
    Sense::invalid_field_in_cdb(if id.subpage == 0 { 2 } else { 3 }, None)
}

/// Returns whether the unit has a page with parameters, listed or not.
pub(super) fn has(device: &dyn SpcDevice, overrides: &PageOverrides, id: LogId) -> bool {
    let page = OverriddenPage::Log(id);
    (has_model(device, id) || overrides.adds(page)) && !overrides.removes(page)
}

/// Returns whether the model has a page with parameters, listed or not.
fn has_model(device: &dyn SpcDevice, id: LogId) -> bool {
    device.log_pages().contains(&id) || UNLISTED.contains(&id)
}

/// The pages with parameters that the unit lists: the pages of its model and the added ones, without the absent ones.
fn log_pages(device: &dyn SpcDevice, overrides: &PageOverrides) -> Vec<LogId> {
    let is_list = |id: LogId| id == LogId::page(0) || id.subpage == 0xff;
    overrides.list(device.log_pages(), OverriddenPage::Log, |page| match page {
        OverriddenPage::Log(id) if !is_list(id) => Some(id),
        _ => None,
    })
}

/// Writes page 00h (all page codes), 00h/FFh (all pages and subpages) or xxh/FFh (the subpages of one page). Returns
/// false if `id` is none of them.
fn list(id: LogId, pages: &[LogId], w: &mut LogWriter) -> bool {
    let supported = [LogId::page(0)].into_iter().chain([LogId { page: 0, subpage: 0xff }]).chain(pages.iter().copied());
    match (id.page, id.subpage) {
        (0, 0) => supported.filter(|page| page.subpage == 0).for_each(|page| {
            w.raw(&[page.page]);
        }),
        (0, 0xff) => supported.for_each(|page| {
            w.raw(&[page.page, page.subpage]);
        }),
        (wanted, 0xff) if pages.iter().any(|page| page.page == wanted) => {
            for page in pages.iter().filter(|page| page.page == wanted) {
                w.raw(&[page.page, page.subpage]);
            }
            w.raw(&[wanted, 0xff]);
        }
        _ => return false,
    }
    true
}
