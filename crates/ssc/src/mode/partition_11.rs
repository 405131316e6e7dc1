//! Medium partition mode page, 11h (SSC-4 §8.3.4). The layout is that of LTO-6 and later drives, with four sizes.
//!
//! LTO drives partition a tape by pairs of wraps, and leave some pairs unused between partitions (IBM LTO SCSI
//! reference, §4.4).

use crate::media::MediaState;
use crate::mounted::Mounted;
use scsi_core::field::FieldPointer;
use scsi_core::mode::{ModePageDef, PageId};
use tape_store::media::MediaSpec;

/// Identifier of the page.
pub(crate) const ID: PageId = PageId::page(0x11);

/// POFM (FORMAT MEDIUM creates the partitions), PSUM 11b, MEDIUM FORMAT RECOGNITION 03h, wrap-wise, units of 10^9
/// bytes.
pub(crate) const PAGE: ModePageDef = ModePageDef::new(
    ID,
    &[0x11, 0x0e, 0, 0, 0x1c, 0x03, 0x19, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    &[0x11, 0x0e, 0, 0xff, 0xf8, 0, 0xff, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
);

/// Page of drives whose media have one partition; no field is changeable (HP LTO-4 reference, volume 2).
pub(crate) const SINGLE_PARTITION: ModePageDef = ModePageDef { changeable: &[0; 16], ..PAGE };

const GB: u64 = 1_000_000_000;
const MB: u64 = 1_000_000;
/// Maximum capacity in bytes whose size in MB fits into the page.
const SMALL: u64 = 0xfffe * MB;
/// FDP, SDP and IDP, which select who sets the number and sizes of partitions. At most one is set.
const SELECTION_BITS: u8 = 0xe0;
const FDP: u8 = 0x80;
const SDP: u8 = 0x40;
const IDP: u8 = 0x20;
/// PARTITIONING TYPE: vendor-specific, or wrap-wise.
const PARTITIONING_TYPES: std::ops::RangeInclusive<u8> = 0..=1;
/// Size of the one partition that gets the remaining capacity.
const REMAINDER: u16 = 0xffff;

/// Renders MAXIMUM ADDITIONAL PARTITIONS, and the partitions that a host selected for the next FORMAT MEDIUM or, if
/// none, the number and sizes of those of the mounted medium.
pub(crate) fn render(media: &MediaState, native: &MediaSpec, page: &mut [u8]) {
    let [_, _, max_additional, defined, flags, _, kind, _, sizes @ ..] = page else { return };
    *max_additional = max_additional_partitions(media, native);
    if *flags & SELECTION_BITS != 0 {
        return;
    }
    let Some(mounted) = media.threaded() else { return };
    *defined = mounted.medium.partitions() - 1;
    // Sizes of a small cartridge are in MB.
    let (units, exponent) = if mounted.capacity() <= SMALL { (MB, 6) } else { (GB, 9) };
    *kind = *kind & 0xf0 | exponent;
    for (partition, size) in (0..mounted.medium.partitions()).zip(sizes.chunks_exact_mut(2)) {
        let bytes = mounted.medium.usage(partition).map_or(0, |usage| usage.capacity);
        let units = u16::try_from(bytes / units).unwrap_or(u16::MAX);
        size.copy_from_slice(&units.to_be_bytes());
    }
}

fn max_additional_partitions(media: &MediaState, native: &MediaSpec) -> u8 {
    media.threaded().map_or(native, |mounted| mounted.cartridge.media()).partitions - 1
}

/// Checks selected values, and returns the invalid field.
pub(crate) fn check(media: &MediaState, native: &MediaSpec, page: &[u8]) -> Result<(), FieldPointer> {
    let [_, _, _, additional, flags, _, kind, ..] = page else { return Ok(()) };
    if *additional > max_additional_partitions(media, native) {
        return Err(FieldPointer::byte(3));
    }
    if (flags & SELECTION_BITS).count_ones() > 1 {
        return Err(FieldPointer::bits(4, SELECTION_BITS));
    }
    if !PARTITIONING_TYPES.contains(&(kind >> 4)) {
        return Err(FieldPointer::bits(6, 0xf0));
    }
    media.threaded().map_or(Ok(()), |mounted| {
        sizes(page, PartitionableTape::of_mounted(mounted)).map(drop).map_err(FieldPointer::byte)
    })
}

/// Whether a partition will have another size than the page requests, in the units of the page.
pub(crate) fn rounds(media: &MediaState, page: &[u8]) -> bool {
    let Some(mounted) = media.threaded() else { return false };
    rounds_on(page, PartitionableTape::of_mounted(mounted))
}

fn rounds_on(page: &[u8], tape: PartitionableTape) -> bool {
    let [_, _, _, _, flags, _, units, _, values @ ..] = page else { return false };
    let Ok(sizes) = sizes(page, tape) else { return false };
    let unit = unit(*flags, *units);
    // With FDP and SDP the drive selects the sizes.
    flags & SELECTION_BITS == IDP
        && sizes.len() > 1
        && values.as_chunks().0.iter().zip(sizes).any(|(bytes, size)| {
            let requested = u16::from_be_bytes(*bytes);
            requested != REMAINDER && size / unit != u64::from(requested)
        })
}

/// A tape to be partitioned.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PartitionableTape {
    media: &'static MediaSpec,
    capacity: u64,
}

impl PartitionableTape {
    /// The tape of a mounted cartridge, with the capacity that SET CAPACITY left.
    pub(crate) fn of_mounted(mounted: &Mounted) -> Self {
        Self { media: mounted.cartridge.media(), capacity: mounted.capacity() }
    }

    /// Number of allocation units: pairs of wraps, or bytes for media without wraps. The smallest partition has one
    /// unit.
    const fn units(self) -> u64 {
        if self.media.wraps == 0 { self.capacity } else { self.media.wraps as u64 / 2 }
    }

    /// Unused units between two partitions.
    const fn guard(self) -> u64 {
        match self.media.wraps {
            0 => 0,
            // LTO-9 leaves two pairs unused, earlier generations one.
            wraps if wraps >= 280 => 2,
            _ => 1,
        }
    }

    fn bytes(self, units: u64) -> u64 {
        let bytes = u128::from(self.capacity) * u128::from(units) / u128::from(self.units().max(1));
        u64::try_from(bytes).unwrap_or(u64::MAX)
    }

    /// Units that hold `bytes`, rounded up: reported sizes are rounded down, so a reported size gives the same units
    /// again.
    fn units_for(self, bytes: u64) -> u64 {
        let units = (u128::from(bytes) * u128::from(self.units())).div_ceil(u128::from(self.capacity.max(1)));
        u64::try_from(units).unwrap_or(u64::MAX).max(1)
    }

    /// Size in bytes of the smallest partition of a cartridge of this generation with native capacity.
    const fn smallest(self) -> u64 {
        match self.media.wraps {
            0 => 0,
            wraps => self.media.capacity / (wraps as u64 / 2),
        }
    }

    /// Units that `count` partitions share.
    const fn available(self, count: u64) -> u64 {
        self.units().saturating_sub(self.guard() * (count - 1))
    }
}

/// Returns the size in bytes of each partition that a page selects.
///
/// FDP creates a second partition of the smallest size. SDP, and a page without FDP, SDP and IDP, divide the tape
/// evenly. With IDP the sizes are those of the page, rounded up to units.
///
/// # Errors
/// Number of the invalid byte.
pub(crate) fn sizes(page: &[u8], tape: PartitionableTape) -> Result<Vec<u64>, usize> {
    let [_, _, _, additional, flags, _, units, _, values @ ..] = page else { return Ok(vec![tape.capacity]) };
    let count = u64::from(*additional) + 1;
    let partition_units = match flags & SELECTION_BITS {
        FDP if tape.media.partitions > 1 => vec![tape.available(2).saturating_sub(1), 1],
        IDP if count > 1 => return individual(values, unit(*flags, *units), count, tape),
        _ if count == 1 => vec![tape.units()],
        // LTO-9 leaves no unused wraps between halves or quarters.
        SDP if tape.guard() == 2 && count != 3 => return Ok(vec![tape.capacity / count; usize::from(*additional) + 1]),
        _ => divide_evenly(count, tape.available(count)),
    };
    Ok(partition_units.into_iter().map(|units| tape.bytes(units)).collect())
}

/// Unit of the sizes in bytes, from PSUM and PARTITION UNITS.
fn unit(flags: u8, units: u8) -> u64 {
    match (flags >> 3) & 0b11 {
        0 => 1,
        1 => 1000,
        2 => 1_000_000,
        _ => 10_u64.saturating_pow(u32::from(units & 0x0f)),
    }
}

fn divide_evenly(count: u64, mut units: u64) -> Vec<u64> {
    let mut parts = Vec::new();
    for left in (1..=count).rev() {
        parts.push(units / left);
        units -= units / left;
    }
    parts
}

fn individual(values: &[u8], unit: u64, count: u64, tape: PartitionableTape) -> Result<Vec<u64>, usize> {
    let values: Vec<u16> = values.as_chunks().0.iter().map(|bytes: &[u8; 2]| u16::from_be_bytes(*bytes)).collect();
    let values = values.get(..usize::try_from(count).unwrap_or(usize::MAX)).ok_or(3_usize)?;
    if let Some(zero) = values.iter().position(|value| *value == 0) {
        return Err(8 + 2 * zero);
    }
    let rests: Vec<usize> =
        values.iter().enumerate().filter(|(_, value)| **value == REMAINDER).map(|(at, _)| at).collect();
    if let [_, second, ..] = rests.as_slice() {
        return Err(8 + 2 * second);
    }
    let requested = |value: u16| unit.saturating_mul(value.into());
    let as_requested = |value: u16| tape.units_for(requested(value));
    // LTFS requests 1 GB on any tape. If the sizes do not fit on a smaller cartridge, sizes up to the smallest
    // partition of the generation become the smallest partition of this cartridge.
    let scaled = |value: u16| if requested(value) <= tape.smallest() { 1 } else { as_requested(value) };
    let partition_units = fit_units(values, &as_requested, tape.available(count), rests.len());
    let partition_units = partition_units.or_else(|| fit_units(values, &scaled, tape.available(count), rests.len()));
    Ok(partition_units.ok_or(8_usize)?.into_iter().map(|units| tape.bytes(units)).collect())
}

/// Units of each partition; `None` if they do not fit.
fn fit_units(values: &[u16], fixed: &dyn Fn(u16) -> u64, available: u64, rests: usize) -> Option<Vec<u64>> {
    let units = |value: &u16| if *value == REMAINDER { 0 } else { fixed(*value) };
    let taken = values.iter().map(units).fold(0_u64, u64::saturating_add);
    let rest = available.checked_sub(taken).filter(|rest| rests == 0 || *rest > 0)?;
    Some(values.iter().map(|value| if *value == REMAINDER { rest } else { units(value) }).collect())
}

#[cfg(test)]
mod tests {
    use super::{PartitionableTape, sizes};
    use tape_store::media::{LTO_5, LTO_6, LTO_8, LTO_9, MediaSpec};

    fn sizes_of(
        media: &'static MediaSpec,
        additional: u8,
        flags: u8,
        units: u8,
        values: [u16; 4],
    ) -> Result<Vec<u64>, usize> {
        let head = [0x11, 0x0e, 3, additional, flags, 3, units, 0];
        let page: Vec<u8> = head.into_iter().chain(values.iter().flat_map(|value| value.to_be_bytes())).collect();
        let sizes = sizes(&page, PartitionableTape { media, capacity: media.capacity })?;
        Ok(sizes.into_iter().map(|bytes| bytes / 1_000_000).collect())
    }

    /// Sizes in MB as in tables 9 and 10 of the IBM LTO SCSI reference, and as reported by drives.
    #[test]
    fn sizes_by_units() {
        assert_eq!(sizes_of(&LTO_8, 0, 0x1c, 9, [0; 4]), Ok(vec![12_000_000]));
        assert_eq!(sizes_of(&LTO_8, 1, 0x3c, 9, [38, 0xffff, 0, 0]), Ok(vec![115_384, 11_769_230]));
        assert_eq!(sizes_of(&LTO_8, 1, 0x3c, 9, [0x73, 0x2df9, 0, 0]), Ok(vec![115_384, 11_769_230]));
        assert_eq!(sizes_of(&LTO_6, 1, 0x3c, 9, [1, 0xffff, 0, 0]), Ok(vec![36_764, 2_426_470]));
        assert_eq!(sizes_of(&LTO_9, 1, 0x3c, 9, [0x80, 0x44ce, 0, 0]), Ok(vec![128_571, 17_614_285]));
        assert_eq!(sizes_of(&LTO_5, 1, 0x34, 0, [0xffff, 2, 0, 0]), Ok(vec![1_425_000, 37_500]));
        assert_eq!(sizes_of(&LTO_8, 0, 0x9c, 9, [0; 4]), Ok(vec![11_769_230, 115_384]));
        assert_eq!(sizes_of(&LTO_8, 3, 0x5c, 9, [0; 4]), Ok(vec![2_884_615, 2_884_615, 2_884_615, 3_000_000]));
        assert_eq!(sizes_of(&LTO_9, 3, 0x5c, 9, [0; 4]), Ok(vec![4_500_000; 4]));
        assert_eq!(sizes_of(&LTO_9, 2, 0x5c, 9, [0; 4]), Ok(vec![5_785_714, 5_785_714, 5_914_285]));
        assert_eq!(sizes_of(&LTO_8, 1, 0x3c, 9, [13_000, 0xffff, 0, 0]), Err(8));
        assert_eq!(sizes_of(&LTO_8, 1, 0x3c, 9, [12_000, 0xffff, 0, 0]), Err(8));
        assert_eq!(sizes_of(&LTO_8, 1, 0x3c, 9, [1, 0, 0, 0]), Err(10));
        assert_eq!(sizes_of(&LTO_8, 2, 0x3c, 9, [0xffff, 1, 0xffff, 0]), Err(12));
    }

    /// LTFS requests 1 GB and gets a pair of wraps: IBM LTO-7 and LTO-8 drives report RECOVERED ERROR 37h/00h (ltfs
    /// issues 358 and 351).
    #[test]
    fn sizes_that_are_rounded() {
        let rounds = |media: &'static MediaSpec, capacity: u64, flags: u8, units: u8, values: [u16; 4]| {
            let head = [0x11, 0x0e, 3, 1, flags, 3, units, 0];
            let page: Vec<u8> = head.into_iter().chain(values.iter().flat_map(|value| value.to_be_bytes())).collect();
            super::rounds_on(&page, PartitionableTape { media, capacity })
        };
        assert!(rounds(&LTO_8, LTO_8.capacity, 0x3c, 9, [1, 0xffff, 0, 0]));
        assert!(rounds(&LTO_5, LTO_5.capacity, 0x34, 0, [0xffff, 2, 0, 0]));
        // The sizes in MODE SENSE of a tape with two partitions (115 GB and 11,769 GB) can be selected again.
        assert!(!rounds(&LTO_8, LTO_8.capacity, 0x3c, 9, [0x73, 0x2df9, 0, 0]));
        // 1 GB is a quarter of this cartridge, and a whole number of pairs of wraps.
        assert!(!rounds(&LTO_8, 4_000_000_000, 0x3c, 9, [1, 0xffff, 0, 0]));
        assert!(rounds(&LTO_8, 1_000_000_000, 0x3c, 9, [1, 0xffff, 0, 0]));
        // FDP and SDP.
        assert!(!rounds(&LTO_8, LTO_8.capacity, 0x9c, 9, [1, 1, 0, 0]));
        assert!(!rounds(&LTO_8, LTO_8.capacity, 0x5c, 9, [1, 1, 0, 0]));
    }

    /// LTFS' request for 1 GB and the rest, on cartridges with little more than 1 GB, or less.
    #[test]
    fn small_cartridges_can_be_partitioned() {
        let partition_units =
            |media: &'static MediaSpec, capacity: u64, additional: u8, units: u8, values: [u16; 4]| {
                let head = [0x11, 0x0e, 3, additional, 0x3c, 3, units, 0];
                let page: Vec<u8> =
                    head.into_iter().chain(values.iter().flat_map(|value| value.to_be_bytes())).collect();
                let sizes = sizes(&page, PartitionableTape { media, capacity })?;
                Ok(sizes.into_iter().map(|bytes| bytes / 100_000).collect::<Vec<u64>>())
            };
        const GB: u64 = 1_000_000_000;
        // A pair of wraps is 1/104 of an LTO-8 tape: 9.6 MB of 1 GB, 38.4 MB of 4 GB.
        assert_eq!(partition_units(&LTO_8, GB, 1, 9, [1, 0xffff, 0, 0]), Ok(vec![96, 9807]));
        assert_eq!(partition_units(&LTO_8, GB, 1, 9, [0xffff, 1, 0, 0]), Ok(vec![9807, 96]));
        assert_eq!(partition_units(&LTO_5, 100_000_000, 1, 9, [1, 0xffff, 0, 0]), Ok(vec![25, 950]));
        assert_eq!(partition_units(&LTO_9, 64_000_000, 1, 9, [1, 0xffff, 0, 0]), Ok(vec![4, 626]));
        // Requested sizes that fit are not reduced.
        assert_eq!(partition_units(&LTO_8, 4 * GB, 1, 9, [1, 0xffff, 0, 0]), Ok(vec![10_000, 29_615]));
        // A request for more than the smallest partition of a native-capacity cartridge is rejected.
        assert_eq!(partition_units(&LTO_8, GB, 1, 9, [200, 0xffff, 0, 0]), Err(8));
    }
}
