//! GENERATE RECOMMENDED ACCESS ORDER, SSC-5; IBM LTO SCSI reference §5.2.4.   Bytes: 0 opcode A4h · 1 SERVICE ACTION 1Dh · 2 RAO PROCESS(2-0) · 3 UDS_TYPE(2-0) · 6-9 PARAMETER LIST LENGTH · 11 control
//! RECEIVE RECOMMENDED ACCESS ORDER, SSC-5; IBM LTO SCSI reference §5.2.24.  Bytes: 0 opcode A3h · 1 UDS_LIMITS(7) SERVICE ACTION 1Dh · 2-5 RAO LIST OFFSET · 6-9 ALLOCATION LENGTH · 10 UDS_TYPE(2-0) · 11 control
//!
//! The parameter list has 4 reserved bytes, the length of the descriptors in bytes 4-7, and descriptors of 32 bytes: 0-1
//! DESCRIPTOR LENGTH 1Eh, 5-14 name, 15 partition, 16-23 first and 24-31 last logical object. The RAO list has RAO PROCESS in byte 0,
//! STATUS in byte 1 (0 none, 1 generated), the length of the descriptors in bytes 4-7, and the descriptors. The order is that of
//! the time model ([`crate::timing`]). Sources of the layouts: the CERN Tape Archive, which uses them with IBM's drives, and Oracle's
//! T10000 interface reference.
//!
//! **Deviations:** descriptors with geometry (UDS_TYPE other than 0) are rejected. ESTIMATED LOCATE TIME is not returned: no source
//! gives its place in the descriptor.

use super::Context;
use crate::fault::{self, Operation};
use crate::timing::{DriveModel, PhysicalPosition, Segment, recommended_order};
use scsi_core::asc::Asc;
use scsi_core::cdb::Cdb;
use scsi_core::cdb_field::{bit, bits, number};
use scsi_core::command_spec::{Access, CommandSpec};
use scsi_core::fault::Outcome;
use scsi_core::sense::Sense;
use scsi_core::wire::{U16, U32, U64};
use scsi_core::writer::PageWriter;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Command table entry of GENERATE RECOMMENDED ACCESS ORDER.
pub(crate) const GENERATE: CommandSpec = CommandSpec::new(
    "GENERATE RECOMMENDED ACCESS ORDER",
    &[0xa4, 0x1d, 0x07, 0x07, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0],
    Access::Read,
)
.with_fields(&[bits("RAO PROCESS", 2, 2, 3), bits("UDS_TYPE", 3, 2, 3), number("PARAMETER LIST LENGTH", 6, 4)])
.with_service_action(0x1d)
.blocking_with_timeouts(1, 60);

/// Command table entry of RECEIVE RECOMMENDED ACCESS ORDER.
pub(crate) const RECEIVE: CommandSpec = CommandSpec::new(
    "RECEIVE RECOMMENDED ACCESS ORDER",
    &[0xa3, 0x9d, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x07, 0],
    Access::Read,
)
.with_fields(&[
    bit("UDS_LIMITS", 1, 7),
    number("RAO LIST OFFSET", 2, 4),
    number("ALLOCATION LENGTH", 6, 4),
    bits("UDS_TYPE", 10, 2, 3),
])
.with_service_action(0x1d)
.blocking_with_timeouts(1, 60);

/// Most descriptors of a list (IBM LTO SCSI reference §4.6.3.2).
const MAX_SEGMENTS: u16 = 2730;
/// Processes: 1 keeps the order, 2 reorders.
const KEEP: u8 = 1;
const REORDER: u8 = 2;

#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct RawGenerate {
    opcode: u8,
    action: u8,
    process: u8,
    kind: u8,
    _reserved_4: [u8; 2],
    list_length: U32,
    _reserved_10: u8,
    control: u8,
}
const _: () = assert!(size_of::<RawGenerate>() == 12);

#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct RawReceive {
    opcode: u8,
    flags: u8,
    offset: U32,
    allocation_length: U32,
    kind: u8,
    control: u8,
}
const _: () = assert!(size_of::<RawReceive>() == 12);

/// User data segment descriptor.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(crate) struct SegmentDescriptor {
    length: U16,
    reserved: [u8; 3],
    name: [u8; 10],
    partition: u8,
    first: U64,
    last: U64,
}
const _: () = assert!(size_of::<SegmentDescriptor>() == 32);
/// Bytes of a descriptor, and DESCRIPTOR LENGTH: the bytes after this field.
const DESCRIPTOR_LENGTH: u16 = 32;
const HEADER_LENGTH: usize = 8;

/// The RAO list of a drive.
#[derive(Default)]
pub(crate) struct AccessOrder {
    process: u8,
    list: Vec<SegmentDescriptor>,
}

/// Data-Out length of GENERATE RECOMMENDED ACCESS ORDER in bytes.
pub(crate) fn list_length(cdb: &Cdb) -> usize {
    let raw: RawGenerate = cdb.as_layout();
    usize::try_from(raw.list_length.get()).unwrap_or(usize::MAX)
}

pub(crate) fn generate(cx: &mut Context<'_, '_, '_>) -> Outcome {
    let raw: RawGenerate = cx.cdb.as_layout();
    let process = raw.process & 0x07;
    if !matches!(process, KEEP | REORDER) {
        return Err(Sense::invalid_field_in_cdb(2, Some(2)).into());
    }
    if raw.kind & 0x07 != 0 {
        return Err(Sense::invalid_field_in_cdb(3, Some(2)).into());
    }
    cx.device.media.ready()?;
    if raw.list_length.get() == 0 {
        cx.device.access_order = AccessOrder::default();
        return Ok(());
    }
    let length = list_length(cx.cdb);
    if length > HEADER_LENGTH + usize::from(MAX_SEGMENTS) * usize::from(DESCRIPTOR_LENGTH) {
        return Err(Sense::illegal_request(Asc::PARAMETER_LIST_LENGTH_ERROR).into());
    }
    if !cx.data.data_out.require(length) {
        return Err(Sense::illegal_request(Asc::INVALID_FIELD_IN_COMMAND_INFORMATION_UNIT).into());
    }
    let bytes: Vec<u8> = cx.data.data_out.window(0, length).iter().flat_map(|part| part.to_vec()).collect();
    cx.data.data_out.consume(length);
    let mut list = parse(&bytes)?;
    if process == REORDER {
        reorder(cx, &mut list)?;
    }
    cx.device.access_order = AccessOrder { process, list };
    Ok(())
}

/// The descriptors of a parameter list.
///
/// # Errors
/// ILLEGAL REQUEST 1Ah/00h for a list that its lengths contradict; 26h/00h for a descriptor of another length, or whose last
/// object is before its first.
fn parse(bytes: &[u8]) -> Result<Vec<SegmentDescriptor>, Sense> {
    let error = || Sense::illegal_request(Asc::PARAMETER_LIST_LENGTH_ERROR);
    let (_, rest) = bytes.split_first_chunk::<4>().ok_or_else(error)?;
    let (length, descriptors) = rest.split_first_chunk::<4>().ok_or_else(error)?;
    let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
    let list =
        <[SegmentDescriptor]>::ref_from_bytes(descriptors.get(..length).ok_or_else(error)?).map_err(|_| error())?;
    let valid = |segment: &SegmentDescriptor| {
        segment.length.get() == DESCRIPTOR_LENGTH - 2 && segment.first.get() <= segment.last.get()
    };
    match list.iter().all(valid) {
        true => Ok(list.to_vec()),
        false => Err(Sense::illegal_request(Asc::INVALID_FIELD_IN_PARAMETER_LIST)),
    }
}

/// Reorders the segments, except the binding points: a first single object, the last single object, and the unloaded position
/// (partition 0, objects 0) at the end.
fn reorder(cx: &mut Context<'_, '_, '_>, list: &mut Vec<SegmentDescriptor>) -> Result<(), Sense> {
    let profile = cx.device.profile;
    let mounted = cx.device.media.ready()?;
    mounted.drain();
    let model = DriveModel::new(profile, mounted.cartridge.media());
    let (wraps, metres) = model.shape();
    let map = mounted.wrap_map(wraps, metres).map_err(|error| fault::sense(&error, Operation::Reading))?;
    let place = |partition, object| map.position(partition, object);
    let segment = |descriptor: &SegmentDescriptor| Segment {
        begin: place(descriptor.partition, descriptor.first.get()),
        end: place(descriptor.partition, descriptor.last.get().saturating_add(1)),
    };
    let is_single = |descriptor: &SegmentDescriptor| descriptor.first.get() == descriptor.last.get();
    let is_unloaded = |descriptor: &SegmentDescriptor| {
        is_single(descriptor) && descriptor.first.get() == 0 && descriptor.partition == 0
    };
    let mut start: PhysicalPosition = {
        let (partition, object) = mounted.medium.position().partition_and_object();
        place(partition, object)
    };
    let mut end = list.len();
    let bound_first = list.len() > 1 && list.first().is_some_and(is_single);
    let begin = usize::from(bound_first);
    if bound_first && let Some(first) = list.first() {
        start = segment(first).end;
    }
    if end > begin && list.get(end - 1).is_some_and(is_unloaded) {
        end -= 1;
    }
    if end > begin && list.get(end - 1).is_some_and(is_single) {
        end -= 1;
    }
    let Some(free) = list.get(begin..end) else { return Ok(()) };
    let segments: Vec<Segment> = free.iter().map(segment).collect();
    let order = recommended_order(&model, start, &segments);
    let sorted: Vec<SegmentDescriptor> = order.iter().filter_map(|index| free.get(*index).copied()).collect();
    list.splice(begin..end, sorted);
    Ok(())
}

pub(crate) fn receive(cx: &mut Context<'_, '_, '_>) -> Outcome {
    let raw: RawReceive = cx.cdb.as_layout();
    let allocation_length = raw.allocation_length.get();
    if raw.kind & 0x07 != 0 {
        return Err(Sense::invalid_field_in_cdb(10, Some(2)).into());
    }
    let mut page = PageWriter::new();
    if raw.flags & 0x80 != 0 {
        page.u16(MAX_SEGMENTS).u16(DESCRIPTOR_LENGTH);
        cx.return_data(allocation_length, page.as_slice());
        return Ok(());
    }
    cx.device.media.ready()?;
    if !raw.offset.get().is_multiple_of(4) {
        return Err(Sense::invalid_field_in_cdb(2, None).into());
    }
    let AccessOrder { process, list } = &cx.device.access_order;
    let length = u32::try_from(list.len()).unwrap_or(u32::MAX).saturating_mul(DESCRIPTOR_LENGTH.into());
    page.u8(*process).u8(u8::from(!list.is_empty())).zeros(2).u32(length).bytes(list.as_bytes());
    let offset = usize::try_from(raw.offset.get()).unwrap_or(usize::MAX);
    let Some(rest) = page.as_slice().get(offset..) else { return Err(Sense::invalid_field_in_cdb(2, None).into()) };
    cx.return_data(allocation_length, rest);
    Ok(())
}
