//! READ ATTRIBUTE, SPC-4 §6.17.  Bytes: 0 opcode · 1 SERVICE ACTION(4-0) · 5 LOGICAL VOLUME NUMBER · 7 PARTITION NUMBER · 8-9 FIRST ATTRIBUTE IDENTIFIER · 10-13 ALLOCATION LENGTH · 14 CACHE(0) · 15 control
//!
//! Service actions: 00h values, 01h list, 02h logical volumes, 03h partitions, 05h supported attributes. A FIRST
//! ATTRIBUTE IDENTIFIER that this medium does not have ends in ILLEGAL REQUEST 24h/00h at byte 8, as on LTO drives.
//!
//! **Deviations:** CACHE is ignored; the cartridge memory is always read from the cache.

use super::Context;
use crate::media::{LoadedNotThreaded, Readiness};
use crate::mounted::Mounted;
use scsi_core::cdb_field::{bit, number};
use scsi_core::command_spec::{Access, CommandSpec, MediumAccess};
use scsi_core::fault::Outcome;
use scsi_core::sense::Sense;
use scsi_core::wire::{U16, U32};
use scsi_core::writer::PageWriter;
use std::borrow::Cow;
use tape_store::mam::{ATTRIBUTES, AttrId, AttrSpec, AttributeFormat, AttributeWriter, Mam};
use tape_store::media::{LTO_9, MediaSpec};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

const SPEC: CommandSpec = CommandSpec::new(
    "READ ATTRIBUTE",
    &[0x8c, 0x1f, 0, 0, 0, 0xff, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0],
    Access::Read,
)
.with_fields(&[
    number("LOGICAL VOLUME NUMBER", 5, 1),
    number("PARTITION NUMBER", 7, 1),
    number("FIRST ATTRIBUTE IDENTIFIER", 8, 2),
    number("ALLOCATION LENGTH", 10, 4),
    bit("CACHE", 14, 0),
])
.accessing_medium(MediumAccess::DRAIN);
/// Command table entries of the service actions.
pub(crate) const SPECS: [CommandSpec; 5] = [
    SPEC.with_service_action(0),
    SPEC.with_service_action(1),
    SPEC.with_service_action(2),
    SPEC.with_service_action(3),
    SPEC.with_service_action(5),
];

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

/// Units in bytes: MiB of capacities, MB of written and read data.
const MIB: u64 = 1 << 20;
const MB: u64 = 1_000_000;

pub(crate) fn run(cx: &mut Context<'_, '_, '_>) -> Outcome {
    let raw: Raw = cx.cdb.as_layout();
    let alerts = cx.device.health.alerts.raised_flags().bits();
    let cartridge_mam = match cx.device.media.readiness() {
        Readiness::Ready(mounted) => CartridgeMam::of_mounted(mounted, alerts),
        Readiness::CartridgeMemory(loaded) => CartridgeMam::of_loaded(loaded),
        Readiness::NotReady(sense) => return Err(sense.into()),
    };
    if raw.volume != 0 {
        return Err(Sense::invalid_field_in_cdb(5, None).into());
    }
    if raw.partition >= cartridge_mam.partitions {
        return Err(Sense::invalid_field_in_cdb(7, None).into());
    }
    let first = AttrId(raw.first.get());
    let mut w = PageWriter::new();
    match cx.cdb.service_action().0 {
        0 => values(&cartridge_mam, raw.partition, first, &mut w)?,
        1 => identifiers(present(&cartridge_mam, raw.partition, first), &mut w),
        2 => drop(w.u16(2).u8(0).u8(1)),
        3 => drop(w.u16(2).u8(0).u8(cartridge_mam.partitions)),
        _ => identifiers(listed(first), &mut w),
    }
    if let (0, Ok(mounted)) = (cx.cdb.service_action().0, cx.device.media.ready()) {
        // The next change after a host has read the volume change reference advances it again.
        mounted.change_reference_advanced &= first > AttrId::VOLUME_CHANGE_REFERENCE;
    }
    cx.return_data(raw.allocation_length.get(), w.as_slice());
    Ok(())
}

/// Cartridge memory of the loaded cartridge, threaded or not.
struct CartridgeMam<'a> {
    mam: &'a Mam,
    media: &'static MediaSpec,
    partitions: u8,
    mounted: Option<&'a Mounted>,
    /// TapeAlert flags of this load, or of the last one if not threaded.
    alerts: u64,
}

impl<'a> CartridgeMam<'a> {
    fn of_mounted(mounted: &'a Mounted, alerts: u64) -> Self {
        let (media, partitions) = (mounted.cartridge.media(), mounted.medium.partitions());
        Self { mam: &mounted.mam, media, partitions, mounted: Some(mounted), alerts }
    }

    fn of_loaded(loaded: &'a LoadedNotThreaded) -> Self {
        let (mam, media, partitions) = (&loaded.mam, loaded.cartridge.media(), loaded.partitions());
        Self { mam, media, partitions, mounted: None, alerts: mam.number(AttrId::TAPE_ALERT) }
    }

    /// Value of an attribute: the live value if the drive has one, otherwise the one in the cartridge memory.
    fn value(&self, id: AttrId, partition: u8) -> Option<Cow<'a, [u8]>> {
        let number = |value: u64| Some(Cow::Owned(value.to_be_bytes().to_vec()));
        let usage = self.mounted.and_then(|mounted| mounted.medium.usage(partition).ok());
        match id {
            AttrId::REMAINING_CAPACITY => {
                let stored = self.mam.partition_number_value(id, partition);
                number(usage.map_or(stored, |usage| usage.capacity.saturating_sub(usage.used)) / MIB)
            }
            AttrId::MAXIMUM_CAPACITY => {
                let stored = self.mam.partition_sizes().get(usize::from(partition)).copied();
                let stored = stored.unwrap_or_else(|| self.mam.number(id));
                number(usage.map_or(stored, |usage| usage.capacity) / MIB)
            }
            AttrId::LIFE_WRITTEN | AttrId::LIFE_READ => number(self.total(id) / MB),
            AttrId::LOAD_WRITTEN => number(self.load().0 / MB),
            AttrId::LOAD_READ => number(self.load().1 / MB),
            AttrId::MAM_SPACE_REMAINING => number(self.media.mam_capacity.saturating_sub(self.mam.used_bytes())),
            AttrId::TAPE_ALERT => number(self.alerts),
            AttrId::MEDIUM_HISTORY => Some(Cow::Owned(self.medium_usage_history())),
            AttrId::PARTITION_HISTORY => Some(Cow::Owned(self.partition_usage_history(partition))),
            AttrId::DENSITIES => (self.media.density >= LTO_9.density).then(|| {
                let mut densities = vec![0; 10];
                densities.iter_mut().take(1).for_each(|density| *density = self.media.density);
                Cow::Owned(densities)
            }),
            _ => self.mam.get(id, partition).map(Cow::Borrowed),
        }
    }

    /// Bytes written and read in this load, or in the last one if not threaded.
    fn load(&self) -> (u64, u64) {
        let stored = (self.mam.number(AttrId::LOAD_WRITTEN), self.mam.number(AttrId::LOAD_READ));
        self.mounted.map_or(stored, |mounted| (mounted.counters.written_by_host, mounted.counters.read_by_host))
    }

    /// Bytes written or read in the life of the medium, including this load.
    fn total(&self, id: AttrId) -> u64 {
        let (written, read) = if self.mounted.is_some() { self.load() } else { (0, 0) };
        self.mam.number(id).saturating_add(if id == AttrId::LIFE_WRITTEN { written } else { read })
    }

    /// Partition usage history (attribute 0341h, SSC-4), four bytes each: this load and the previous one (zero, counted only
    /// for the medium), lifetime; then loads, partition changes and initializations.
    fn partition_usage_history(&self, partition: u8) -> Vec<u8> {
        let written =
            self.mounted.and_then(|mounted| mounted.medium.usage(partition).ok()).map_or(0, |usage| usage.used);
        let number = |id| u32::try_from(self.mam.number(id)).unwrap_or(u32::MAX);
        let mut w = PageWriter::new();
        w.zeros(32).u32(u32::try_from(written / MB).unwrap_or(u32::MAX)).zeros(12);
        w.u32(number(AttrId::LOAD_COUNT)).u32(0).u32(number(AttrId::INITIALIZATION_COUNT));
        w.as_slice().to_vec()
    }

    /// Medium usage history (attribute 0340h, SSC-4), six bytes each: this load, the previous one (zero, not recorded),
    /// lifetime; then loads, partition changes and initializations.
    fn medium_usage_history(&self) -> Vec<u8> {
        let (written, read) = self.load();
        let mut w = PageWriter::new();
        w.u48(written / MB).u48(0).u48(read / MB).u48(0).zeros(24);
        w.u48(self.total(AttrId::LIFE_WRITTEN) / MB).u48(0).u48(self.total(AttrId::LIFE_READ) / MB).u48(0);
        w.u48(self.mam.number(AttrId::LOAD_COUNT)).u48(0).u48(self.mam.number(AttrId::INITIALIZATION_COUNT));
        w.as_slice().to_vec()
    }
}

fn present(cartridge_mam: &CartridgeMam<'_>, partition: u8, first: AttrId) -> impl Iterator<Item = &'static AttrSpec> {
    let vendor_attributes = cartridge_mam.mam.vendor_attributes().filter(|spec| spec.id >= first);
    let mut specs: Vec<_> = listed(first).chain(vendor_attributes).collect();
    specs.sort_by_key(|spec| spec.id);
    specs.into_iter().filter(move |spec| cartridge_mam.value(spec.id, partition).is_some())
}

fn listed(first: AttrId) -> impl Iterator<Item = &'static AttrSpec> {
    ATTRIBUTES.iter().filter(move |spec| spec.id >= first && !spec.id.is_private())
}

fn values(cartridge_mam: &CartridgeMam<'_>, partition: u8, first: AttrId, w: &mut PageWriter) -> Result<(), Sense> {
    if first != AttrId(0) && cartridge_mam.value(first, partition).is_none() {
        return Err(Sense::invalid_field_in_cdb(8, None));
    }
    w.length_u32(|w| {
        for spec in present(cartridge_mam, partition, first) {
            let value = cartridge_mam.value(spec.id, partition).unwrap_or_default();
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
    let read_only = if spec.writer == AttributeWriter::Drive { 0x80 } else { 0 };
    read_only | format_bits(spec.format)
}

/// FORMAT bits of an attribute on the wire.
pub(super) const fn format_bits(format: AttributeFormat) -> u8 {
    match format {
        AttributeFormat::Binary => 0b00,
        AttributeFormat::Ascii => 0b01,
        AttributeFormat::Text => 0b10,
    }
}
