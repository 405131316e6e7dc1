//! READ ATTRIBUTE, SPC-5 §6.17.  Bytes: 0 opcode · 1 SERVICE ACTION(4-0) · 5 LOGICAL VOLUME NUMBER · 7 PARTITION NUMBER · 8-9 FIRST ATTRIBUTE IDENTIFIER · 10-13 ALLOCATION LENGTH · 14 CACHE(0) · 15 control
//!
//! Service actions 00h values, 01h list, 02h logical volumes, 03h partitions, 05h supported attributes. A first
//! identifier that this medium does not carry is 5/24/00 at byte 8, as LTO drives answer.
//!
//! **Deviations:** CACHE=1 is accepted; the memory is always read from the cache.

use crate::device::State;
use crate::load::Mounted;
use scsi_core::cdb::Cdb;
use scsi_core::data::Data;
use scsi_core::fault::Outcome;
use scsi_core::sense::Sense;
use scsi_core::spec::{Access, CommandSpec};
use scsi_core::wire::{U16, U32};
use scsi_core::writer::PageWriter;
use std::borrow::Cow;
use tape_store::mam::{ATTRIBUTES, AttrId, AttrSpec, Format, Writer};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

const SPEC: CommandSpec = CommandSpec::new(
    "READ ATTRIBUTE",
    &[0x8c, 0x1f, 0, 0, 0, 0xff, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0],
    Access::Read,
);
/// Facts of the service actions.
pub(crate) const SPECS: [CommandSpec; 5] =
    [SPEC.action(0), SPEC.action(1), SPEC.action(2), SPEC.action(3), SPEC.action(5)];

#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Raw {
    opcode: u8,
    action: u8,
    _restricted: [u8; 3],
    volume: u8,
    _reserved_6: u8,
    partition: u8,
    first: U16,
    allocation_length: U32,
    cache: u8,
    control: u8,
}
const _: () = assert!(size_of::<Raw>() == 16);

/// MiB, the unit of capacities, and MB, that of what was written and read.
const MIB: u64 = 1 << 20;
const MB: u64 = 1_000_000;

pub(crate) fn run(state: &mut State, cdb: &Cdb, data: &mut Data<'_, '_>) -> Outcome {
    let raw: Raw = cdb.layout();
    let mounted = state.ready()?;
    if raw.volume != 0 {
        return Err(Sense::cdb_field(5, None).into());
    }
    if raw.partition >= mounted.medium.partitions() {
        return Err(Sense::cdb_field(7, None).into());
    }
    let first = AttrId(raw.first.get());
    let mut w = PageWriter::new();
    match cdb.action().0 {
        0 => {
            values(mounted, raw.partition, first, &mut w)?;
            // The next change after a host has read the volume change reference advances it again.
            mounted.altered &= first > AttrId::VOLUME_CHANGE_REFERENCE;
        }
        1 => identifiers(present(mounted, raw.partition, first), &mut w),
        2 => drop(w.u16(2).u8(0).u8(1)),
        3 => drop(w.u16(2).u8(0).u8(mounted.medium.partitions())),
        _ => identifiers(listed(first), &mut w),
    }
    data.room.limit(usize::try_from(raw.allocation_length.get()).unwrap_or(usize::MAX));
    data.room.put(w.as_slice());
    Ok(())
}

fn present(mounted: &Mounted, partition: u8, first: AttrId) -> impl Iterator<Item = &'static AttrSpec> {
    listed(first).filter(move |spec| value(mounted, spec.id, partition).is_some())
}

fn listed(first: AttrId) -> impl Iterator<Item = &'static AttrSpec> {
    ATTRIBUTES.iter().filter(move |spec| spec.id >= first && !spec.id.is_private())
}

fn values(mounted: &Mounted, partition: u8, first: AttrId, w: &mut PageWriter) -> Result<(), Sense> {
    if first != AttrId(0) && value(mounted, first, partition).is_none() {
        return Err(Sense::cdb_field(8, None));
    }
    w.length_u32(|w| {
        for spec in present(mounted, partition, first) {
            let value = value(mounted, spec.id, partition).unwrap_or_default();
            w.u16(spec.id.0).u8(format_byte(spec)).length_u16(|w| {
                w.bytes(&value);
            });
        }
    });
    Ok(())
}

fn identifiers(specs: impl Iterator<Item = &'static AttrSpec>, w: &mut PageWriter) {
    w.length_u32(|w| {
        for spec in specs {
            w.u16(spec.id.0);
        }
    });
}

/// READ ONLY in bit 7, FORMAT in bits 1-0.
fn format_byte(spec: &AttrSpec) -> u8 {
    let read_only = if spec.writer == Writer::Device { 0x80 } else { 0 };
    read_only | format_bits(spec.format)
}

/// FORMAT as the wire has it.
pub(super) const fn format_bits(format: Format) -> u8 {
    match format {
        Format::Binary => 0b00,
        Format::Ascii => 0b01,
        Format::Text => 0b10,
    }
}

/// An attribute's value: live where it changes by itself, else from the memory.
fn value(mounted: &Mounted, id: AttrId, partition: u8) -> Option<Cow<'_, [u8]>> {
    let number = |value: u64| Some(Cow::Owned(value.to_be_bytes().to_vec()));
    let usage = mounted.medium.usage(partition).ok()?;
    match id {
        AttrId::REMAINING => number(usage.capacity.saturating_sub(usage.used) / MIB),
        AttrId::MAXIMUM => number(usage.capacity / MIB),
        AttrId::LIFE_WRITTEN | AttrId::LIFE_READ | AttrId::LOAD_WRITTEN | AttrId::LOAD_READ => {
            number(mounted.mam.number(id) / MB)
        }
        AttrId::MAM_SPACE => number(mounted.cartridge.media().mam_capacity.saturating_sub(mounted.mam.used())),
        _ => mounted.mam.get(id, partition).map(Cow::Borrowed),
    }
}
