//! REPORT ELEMENT INFORMATION, SMC-3 §6.12.  Bytes: 0 opcode · 1 SERVICE ACTION (10h) · 2 PAGE CODE · 3 NEV(5) CDATA(4) ELEMENT TYPE CODE(3-0) · 6-9 STARTING ELEMENT ADDRESS · 10-13 ALLOCATION LENGTH · 14 NUMBER OF ELEMENTS · 15 control
//!
//! Pages: 00h supported pages of each element type, 02h static information, 03h element state, 7Fh all pages. Layouts
//! follow Quantum's SCSI reference for its intelligent libraries.
//!
//! **Deviations:** page 04h is not supported: elements have no physical location. The robot does not move for this
//! command, regardless of NEV and CDATA.

use super::Context;
use super::element_status::{element_type, exception_code, is_accessible, is_disabled};
use crate::device::ChangerState;
use crate::element::{ElementAddress, ElementType};
use scsi_core::cdb_field::{bit, bits, number};
use scsi_core::command_spec::{Access, CommandSpec};
use scsi_core::fault::Outcome;
use scsi_core::sense::Sense;
use scsi_core::wire::U32;
use scsi_core::writer::PageWriter;
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// Name, CDB usage data and access class of the command.
pub(crate) const SPEC: CommandSpec = CommandSpec::new(
    "REPORT ELEMENT INFORMATION",
    &[0x9e, 0x1f, 0xff, 0x3f, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0],
    Access::Always,
)
.with_fields(&[
    number("PAGE CODE", 2, 1),
    bit("NEV", 3, 5),
    bit("CDATA", 3, 4),
    bits("ELEMENT TYPE CODE", 3, 3, 4),
    number("STARTING ELEMENT ADDRESS", 6, 4),
    number("ALLOCATION LENGTH", 10, 4),
    number("NUMBER OF ELEMENTS", 14, 1),
])
.with_service_action(0x10);

#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Raw {
    opcode: u8,
    action: u8,
    page: u8,
    kind: u8,
    _reserved_4: [u8; 2],
    start: U32,
    allocation_length: U32,
    count: u8,
    control: u8,
}
const _: () = assert!(size_of::<Raw>() == 16);

const SUPPORTED: u8 = 0x00;
const STATIC: u8 = 0x02;
const STATE: u8 = 0x03;
const ALL: u8 = 0x7f;

/// Element state: volume present or absent, and whether the robot or an operator placed it.
const PRESENT: u8 = 0x40;
const ABSENT: u8 = 0x80;
const BY_ROBOT: u8 = 0x10;
const BY_OPERATOR: u8 = 0x20;
const DISABLED: u8 = 0x04;
const ACCESSIBLE: u8 = 0x02;

pub(crate) fn run(cx: &mut Context<'_, '_, '_>) -> Outcome {
    let Context { device: state, cdb, data, .. } = cx;
    let raw: Raw = cdb.as_layout();
    let kind = element_type(raw.kind).map_err(|_| Sense::invalid_field_in_cdb(3, Some(3)))?;
    let mut w = PageWriter::new();
    let pages: &[u8] = match raw.page {
        SUPPORTED => &[SUPPORTED],
        STATIC => &[STATIC],
        STATE => &[STATE],
        ALL => &[SUPPORTED, STATIC, STATE],
        _ => return Err(Sense::invalid_field_in_cdb(2, None).into()),
    };
    for page in pages {
        match *page {
            SUPPORTED => supported(state, kind, &mut w),
            STATIC => write_static_page(state, kind, raw.start.get(), &mut w),
            _ => write_state_page(state, kind, raw.start.get(), raw.count.into(), &mut w),
        }
    }
    data.data_in.limit(raw.allocation_length.get() as usize);
    data.data_in.append(w.as_slice());
    Ok(())
}

/// Returns the non-empty address ranges of the selected element types, by type code.
fn ranges(
    state: &ChangerState,
    kind: Option<ElementType>,
) -> impl Iterator<Item = (ElementType, crate::element::AddressRange)> {
    let all = state.library.layout().ranges().into_iter();
    all.filter(move |(other, range)| range.count > 0 && kind.is_none_or(|kind| kind == *other))
}

fn supported(state: &ChangerState, kind: Option<ElementType>, w: &mut PageWriter) {
    w.u8(SUPPORTED).zeros(3).length_u32(|w| {
        for (kind, _) in ranges(state, kind) {
            w.u8(kind.0).u8(0).length_u16(|w| {
                w.bytes(&[SUPPORTED, STATIC, STATE]);
            });
        }
    });
}

/// Writes one descriptor per element type: all elements of a type have the same static information.
fn write_static_page(state: &ChangerState, kind: Option<ElementType>, start: u32, w: &mut PageWriter) {
    w.u8(STATIC).u8(0).u16(12).length_u32(|w| {
        for (kind, range) in ranges(state, kind) {
            let (first, end) = (u32::from(range.first), u32::from(range.first) + u32::from(range.count));
            let first = first.max(start);
            if first < end {
                w.u32(first).u32(end - first).u8(kind.0).zeros(3);
            }
        }
    });
}

fn write_state_page(state: &ChangerState, kind: Option<ElementType>, start: u32, count: usize, w: &mut PageWriter) {
    let mut elements: Vec<_> =
        ranges(state, kind).flat_map(|(kind, range)| range.addresses().map(move |address| (address, kind))).collect();
    elements.sort_unstable_by_key(|(address, _)| *address);
    w.u8(STATE).u8(0).u16(8).length_u32(|w| {
        for (address, kind) in elements.into_iter().filter(|(address, _)| u32::from(address.0) >= start).take(count) {
            element(state, address, kind, w);
        }
    });
}

fn element(state: &ChangerState, address: ElementAddress, kind: ElementType, w: &mut PageWriter) {
    let content = state.library.content(address);
    let volume = match &content {
        None => ABSENT,
        Some(content) if content.by_operator => PRESENT | BY_OPERATOR,
        Some(_) => PRESENT | BY_ROBOT,
    };
    let disabled = if is_disabled(state, address) { DISABLED } else { 0 };
    let accessible = if is_accessible(state, kind, address, content.is_some()) { ACCESSIBLE } else { 0 };
    let asc = exception_code(state, address, content.as_ref()).map_or(0, |asc| asc.0);
    w.u32(address.0.into()).u8(kind.0).u8(volume | disabled | accessible).u16(asc);
}
