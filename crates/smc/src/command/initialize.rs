//! INITIALIZE ELEMENT STATUS, SMC-3 §6.2.             Bytes: 0 opcode · 5 control
//! INITIALIZE ELEMENT STATUS WITH RANGE, SMC-3 §6.3.  Bytes: 0 opcode · 1 FAST(1) RANGE(0) · 2-3 STARTING ELEMENT ADDRESS · 6-7 NUMBER OF ELEMENTS · 9 control
//! INITIALIZE ELEMENT STATUS WITH RANGE, E7h (vendor specific, older libraries).  Bytes: as before · 9 NBL(7)
//!
//! The inventory is always current, so a scan changes nothing; it counts the labels that it reads. NUMBER OF ELEMENTS 0
//! selects all elements from the starting address on. Libraries with a barcode reader read labels regardless of FAST
//! and NBL.
//!
//! **Deviations:** none.

use super::{Context, RobotTime, spend};
use crate::alert::Alert;
use crate::device::ChangerState;
use crate::element::ElementAddress;
use crate::robot::lifetime;
use scsi_core::asc::Asc;
use scsi_core::cdb_field::{bit, number};
use scsi_core::command_spec::{Access, CommandSpec};
use scsi_core::fault::Outcome;
use scsi_core::sense::Sense;
use scsi_core::wire::U16;
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// Name, CDB usage data, access class and timeouts of opcode 07h.
pub(crate) const SPEC: CommandSpec =
    CommandSpec::new("INITIALIZE ELEMENT STATUS", &[0x07, 0, 0, 0, 0, 0], Access::Write).with_timeouts(60, 1800);
/// Name, CDB usage data, access class and timeouts of opcode 37h.
pub(crate) const RANGE: CommandSpec = CommandSpec::new(
    "INITIALIZE ELEMENT STATUS WITH RANGE",
    &[0x37, 0x03, 0xff, 0xff, 0, 0, 0xff, 0xff, 0, 0],
    Access::Write,
)
.with_fields(&[
    bit("FAST", 1, 1),
    bit("RANGE", 1, 0),
    number("STARTING ELEMENT ADDRESS", 2, 2),
    number("NUMBER OF ELEMENTS", 6, 2),
])
.with_timeouts(60, 1800);
/// Name, CDB usage data, access class and timeouts of the vendor specific opcode E7h.
pub(crate) const VENDOR_RANGE: CommandSpec = CommandSpec::new(
    "INITIALIZE ELEMENT STATUS WITH RANGE (E7h)",
    &[0xe7, 0x03, 0xff, 0xff, 0, 0, 0xff, 0xff, 0, 0x80],
    Access::Write,
)
.with_fields(&[
    bit("FAST", 1, 1),
    bit("RANGE", 1, 0),
    number("STARTING ELEMENT ADDRESS", 2, 2),
    number("NUMBER OF ELEMENTS", 6, 2),
    bit("NBL", 9, 7),
])
.with_timeouts(60, 1800);

#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Raw {
    opcode: u8,
    flags: u8,
    start: U16,
    _reserved_4: [u8; 2],
    count: U16,
    _reserved_8: u8,
    control: u8,
}
const _: () = assert!(size_of::<Raw>() == 10);

/// Scans all elements of the library.
pub(crate) fn all(cx: &mut Context<'_, '_, '_>) -> Outcome {
    cx.device.library.statistics.add(lifetime::SCANS, 1);
    let scanned = scan(cx.device, 0, usize::MAX);
    spend(cx, RobotTime { modelled: cx.device.library.scan_time(scanned), ..RobotTime::default() });
    Ok(())
}

/// Scans the range of the CDB if RANGE is set, else the whole library.
pub(crate) fn range(cx: &mut Context<'_, '_, '_>) -> Outcome {
    let raw: Raw = cx.cdb.as_layout();
    if raw.flags & 0x01 == 0 {
        return all(cx);
    }
    if cx.device.library.layout().element_type(ElementAddress(raw.start.get())).is_none() {
        return Err(Sense::illegal_request(Asc::INVALID_ELEMENT_ADDRESS).with_field_pointer(true, 2, None).into());
    }
    let count = raw.count.get();
    let scanned = scan(cx.device, raw.start.get(), if count == 0 { usize::MAX } else { count.into() });
    spend(cx, RobotTime { modelled: cx.device.library.scan_time(scanned), ..RobotTime::default() });
    Ok(())
}

/// Scans elements, and returns their number.
fn scan(state: &mut ChangerState, start: u16, count: usize) -> usize {
    let mut ranges = state.library.layout().ranges();
    ranges.sort_by_key(|(_, range)| range.first);
    let addresses = ranges.into_iter().flat_map(|(_, range)| range.addresses());
    let (mut read, mut invalid, mut scanned) = (0, 0, 0);
    for address in addresses.filter(|address| address.0 >= start).take(count) {
        scanned += 1;
        match state.library.content(address) {
            Some(content) if content.label.is_none() => read += 1,
            Some(_) => invalid += 1,
            None => {}
        }
    }
    state.library.statistics.add(lifetime::TAGS_READ, read);
    state.library.statistics.add(lifetime::INVALID_TAGS, invalid);
    if invalid > 0 {
        state.alerts.raise(Alert::UNREADABLE_LABELS);
    }
    scanned
}
