//! The wraps of a serpentine tape: which wrap an object is on, and how far it is from the beginning of the tape.
//!
//! READ END OF WRAP POSITION reports this map, and the time model uses it, so that both agree. The objects of a partition
//! are taken to have equal sizes: the share of a wrap in the objects of the partition is its share in the bytes.

use tape_store::medium::PartitionUsage;

/// A physical position on a tape: a wrap and a distance on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PhysicalPosition {
    /// Number of the wrap, from 0. The tape moves away from its beginning on even wraps, and back on odd ones.
    pub wrap: u16,
    /// Distance from the physical beginning of the tape in millimetres.
    pub millimetres: u32,
}

impl PhysicalPosition {
    /// Longitudinal distance to another place, in millimetres.
    #[must_use]
    pub fn distance(self, to: Self) -> u64 {
        self.millimetres.abs_diff(to.millimetres).into()
    }
}

/// End of a wrap that holds data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrapEnd {
    /// Number of the wrap on the tape, from 0.
    pub number: u16,
    /// Partition that the wrap belongs to.
    pub partition: u8,
    /// Last logical object on the wrap; on the last wrap with data, the object number of end of data.
    pub object: u64,
}

/// The wraps of one partition.
#[derive(Clone, Copy, Debug)]
struct Partition {
    /// Number of the first wrap.
    first: u64,
    /// Number of wraps.
    wraps: u64,
    /// Number of wraps that hold data; at least 1.
    used_wraps: u64,
    usage: PartitionUsage,
}

/// The wraps of a tape with its data at one time.
#[derive(Clone, Debug)]
pub struct WrapMap {
    length: u32,
    partitions: Vec<Partition>,
}

impl WrapMap {
    /// The map of a tape of `wraps` wraps and a length of `metres`. `capacity` is that of the whole tape in bytes, and
    /// `usages` are those of its partitions, in their order.
    #[must_use]
    pub fn new(wraps: u16, metres: u16, capacity: u64, usages: &[PartitionUsage]) -> Self {
        let (total, capacity) = (u64::from(wraps.max(1)), capacity.max(1));
        let mut first = 0;
        let partitions = usages.iter().map(|usage| {
            let whole = usage.capacity.saturating_mul(total).div_ceil(capacity).max(1);
            let used_wraps = usage.used.saturating_mul(total).div_ceil(capacity).clamp(1, whole);
            let partition = Partition { first, wraps: whole, used_wraps, usage: *usage };
            first += whole;
            partition
        });
        Self { length: u32::from(metres) * 1000, partitions: partitions.collect() }
    }

    /// All wraps that hold data, in the order of their numbers.
    #[must_use]
    pub fn ends(&self) -> Vec<WrapEnd> {
        let of = |(number, partition): (usize, &Partition)| {
            let (partition, number) = (*partition, u8::try_from(number).unwrap_or(u8::MAX));
            (1..=partition.used_wraps).map(move |wrap| WrapEnd {
                number: u16::try_from(partition.first + wrap - 1).unwrap_or(u16::MAX),
                partition: number,
                object: partition.end(wrap),
            })
        };
        self.partitions.iter().enumerate().flat_map(of).collect()
    }

    /// Physical position of an object. An object behind end of data is taken to be at end of data, and one in a partition
    /// that the tape does not have, at the beginning of the tape.
    #[must_use]
    pub fn position(&self, partition: u8, object: u64) -> PhysicalPosition {
        let Some(partition) = self.partitions.get(usize::from(partition)) else { return PhysicalPosition::default() };
        let wrap = (1..partition.used_wraps).find(|wrap| object <= partition.end(*wrap));
        let wrap = wrap.unwrap_or(partition.used_wraps);
        let number = u16::try_from(partition.first + wrap - 1).unwrap_or(u16::MAX);
        let along = partition.along(wrap, object, self.length);
        let millimetres = if number % 2 == 0 { along } else { self.length - along };
        PhysicalPosition { wrap: number, millimetres }
    }

    /// Length of the tape in millimetres.
    #[must_use]
    pub const fn length(&self) -> u32 {
        self.length
    }
}

impl Partition {
    /// Last object of a wrap, counted from 1 in the partition; end of data for the last wrap with data.
    fn end(&self, wrap: u64) -> u64 {
        let objects = self.usage.objects;
        if wrap >= self.used_wraps {
            return objects;
        }
        let object = u128::from(objects) * u128::from(self.bytes_before(wrap)) / u128::from(self.usage.used.max(1));
        u64::try_from(object).unwrap_or(objects).min(objects).saturating_sub(1)
    }

    /// Bytes of the partition up to the end of a wrap, counted from 1.
    fn bytes_before(&self, wrap: u64) -> u64 {
        let bytes = u128::from(self.usage.capacity) * u128::from(wrap) / u128::from(self.wraps);
        u64::try_from(bytes).unwrap_or(u64::MAX)
    }

    /// Millimetres from the begin of a wrap, counted from 1, to an object on it, in the direction of the wrap.
    fn along(&self, wrap: u64, object: u64, length: u32) -> u32 {
        let PartitionUsage { used, objects, .. } = self.usage;
        let bytes = u128::from(used) * u128::from(object.min(objects)) / u128::from(objects.max(1));
        let (begin, end) = (u128::from(self.bytes_before(wrap - 1)), u128::from(self.bytes_before(wrap)));
        let share = bytes.saturating_sub(begin) * u128::from(length) / end.saturating_sub(begin).max(1);
        u32::try_from(share).unwrap_or(length).min(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(capacity: u64, used: u64, objects: u64) -> PartitionUsage {
        PartitionUsage { capacity, used, objects, ..PartitionUsage::default() }
    }

    /// Ten wraps of 100 bytes; 35 objects of ten bytes.
    fn one_partition() -> WrapMap {
        WrapMap::new(10, 1000, 1000, &[usage(1000, 350, 35)])
    }

    #[test]
    fn ends_of_wraps() {
        let ends: Vec<_> = one_partition().ends().iter().map(|end| (end.number, end.object)).collect();
        assert_eq!(ends, [(0, 9), (1, 19), (2, 29), (3, 35)]);
    }

    #[test]
    fn odd_wraps_run_back() {
        let map = one_partition();
        let at = |object| {
            let PhysicalPosition { wrap, millimetres } = map.position(0, object);
            (wrap, millimetres)
        };
        assert_eq!(at(0), (0, 0));
        assert_eq!(at(9), (0, 900_000));
        assert_eq!(at(10), (1, 1_000_000));
        assert_eq!(at(19), (1, 100_000));
        assert_eq!(at(20), (2, 0));
        assert_eq!(at(35), (3, 500_000));
        assert_eq!(at(u64::MAX), (3, 500_000));
    }

    #[test]
    fn second_partition_begins_on_the_next_wrap() {
        let map = WrapMap::new(10, 1000, 1000, &[usage(200, 200, 20), usage(800, 0, 0)]);
        assert_eq!(map.position(1, 0), PhysicalPosition { wrap: 2, millimetres: 0 });
        assert_eq!(map.ends().last(), Some(&WrapEnd { number: 2, partition: 1, object: 0 }));
        assert_eq!(map.position(7, 3), PhysicalPosition::default());
    }

    /// Every object is on the wrap whose end READ END OF WRAP POSITION reports as the first one at or after it.
    #[test]
    fn positions_agree_with_the_ends() {
        for (wraps, capacity, used, objects) in [
            (208, 12_000_000_000_000, 11_999_000_000_000, 97_777),
            (280, 18_000_000, 7_654_321, 4321),
            (80, 999, 998, 31),
        ] {
            let map = WrapMap::new(wraps, 960, capacity, &[usage(capacity, used, objects)]);
            let ends = map.ends();
            for object in 0..=objects {
                let end = ends.iter().find(|end| object <= end.object).unwrap();
                assert_eq!(map.position(0, object).wrap, end.number, "{wraps} wraps, object {object}");
            }
        }
    }
}
