//! A chassis: one robot, slots, drives and one I/O station, divided into partitions that hosts see as separate libraries.
//!
//! Sources: Quantum, *Scalar i500* and *Scalar i40/i80 user's guides* (a partition has its own slots and drives; the partitions
//! share the I/O station, and the one that uses a slot of it owns this slot meanwhile; an operator assigns an inserted cartridge
//! to a partition); Oracle, *SL150 interface reference*, appendix B (each partition reports the whole I/O station from its first
//! address; for a partition to which it is not assigned, it is as though it were open); Sun, *SL500 user's guide*, and IBM,
//! *TS3100 guide* (the element addresses of each partition begin at the first one and are contiguous).

use crate::element::{ElementAddress, ElementLayout, ElementType};
use scsi_core::time::Instant;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU16, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Owner of a slot of the I/O station that no partition uses. Partitions are numbered from 1.
const NO_PARTITION: u16 = 0;

/// The robot and the I/O station of a chassis, which its partitions share.
#[derive(Debug)]
pub struct Chassis {
    layout: ElementLayout,
    /// The partition that owns each slot of a shared I/O station; none if the I/O station is divided.
    owners: Option<Box<[AtomicU16]>>,
    /// Begin and end of each motion of the robot that has not ended, in their order.
    motions: Mutex<Vec<(Instant, Instant)>>,
    station: AtomicU32,
    /// The partitions whose hosts prevent medium removal.
    preventing: Mutex<BTreeSet<u16>>,
}

/// The door of the I/O station of a chassis, as the number of its changes: it was closed at first, and is open after an odd one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct StationChanges(u32);

impl StationChanges {
    pub(crate) const fn is_open(self) -> bool {
        self.0 % 2 == 1
    }
}

impl Chassis {
    /// Creates a chassis with these elements. If `shared_station` is true, all partitions use the whole I/O station.
    #[must_use]
    pub fn new(layout: ElementLayout, shared_station: bool) -> Self {
        let owners = || (0..layout.import_export.count).map(|_| AtomicU16::new(NO_PARTITION)).collect();
        Self {
            layout,
            owners: shared_station.then(owners),
            motions: Mutex::default(),
            station: AtomicU32::new(0),
            preventing: Mutex::default(),
        }
    }

    /// Returns the elements of the whole chassis.
    #[must_use]
    pub const fn layout(&self) -> &ElementLayout {
        &self.layout
    }

    /// Returns whether all partitions use the whole I/O station.
    #[must_use]
    pub const fn shares_station(&self) -> bool {
        self.owners.is_some()
    }

    /// Returns whether the I/O station is open, for all partitions.
    #[must_use]
    pub fn station_open(&self) -> bool {
        self.station_changes().is_open()
    }

    fn station_changes(&self) -> StationChanges {
        StationChanges(self.station.load(Ordering::Acquire))
    }

    /// Opens or closes the I/O station. Returns the number of its changes.
    fn set_station(&self, open: bool) -> StationChanges {
        let changed = |changes: u32| (StationChanges(changes).is_open() != open).then(|| changes.wrapping_add(1));
        // An error is the present number: the station is so already.
        let _ = self.station.fetch_update(Ordering::AcqRel, Ordering::Acquire, changed);
        self.station_changes()
    }

    /// Returns the owner of a slot of the shared I/O station, counted from 0.
    fn owner(&self, index: usize) -> Option<&AtomicU16> {
        self.owners.as_ref()?.get(index)
    }

    /// Makes `to` the owner of a slot of the shared I/O station that `from` owns. Returns false if another partition owns it.
    fn change_owner(&self, index: usize, from: u16, to: u16) -> bool {
        let change = |owner: &AtomicU16| owner.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire).is_ok();
        self.owner(index).is_none_or(change)
    }

    /// Makes the robot busy for a motion that cannot begin before `unload` has passed: when no other motion is in progress for its
    /// whole time. Returns the time from now until its end.
    fn reserve_robot(&self, now: Instant, unload: Duration, motion: Duration) -> Duration {
        let mut motions = self.motions.lock().unwrap_or_else(PoisonError::into_inner);
        motions.retain(|(_, end)| *end > now);
        let mut begin = now.saturating_add(unload);
        for (other, end) in motions.iter() {
            if begin.saturating_add(motion) <= *other {
                break;
            }
            begin = begin.max(*end);
        }
        let end = begin.saturating_add(motion);
        let place = motions.partition_point(|(other, _)| *other <= begin);
        motions.insert(place, (begin, end));
        now.duration_until(end)
    }
}

/// The place of a logical library in a chassis.
#[derive(Clone, Debug)]
pub struct Partition {
    chassis: Arc<Chassis>,
    number: u16,
    first: [u16; 3],
}

impl Partition {
    /// Creates the partition with this number, from 1 on and unique in its chassis. `first` has the numbers, from 0 on, of its
    /// first slot, import/export slot and drive in the chassis; the other ones follow.
    #[must_use]
    pub const fn new(chassis: Arc<Chassis>, number: u16, first: [u16; 3]) -> Self {
        Self { chassis, number, first }
    }

    /// Returns the chassis of the partition.
    #[must_use]
    pub const fn chassis(&self) -> &Arc<Chassis> {
        &self.chassis
    }

    /// Returns whether another partition uses a slot of the shared I/O station. `index` counts the import/export elements of the
    /// partition from 0.
    #[must_use]
    pub fn is_taken(&self, index: usize) -> bool {
        let owner = self.chassis.owner(index).map_or(NO_PARTITION, |owner| owner.load(Ordering::Acquire));
        owner != NO_PARTITION && owner != self.number
    }

    /// Makes the partition the owner of a slot of the shared I/O station. Returns false if another partition uses it.
    pub(crate) fn claim(&self, index: usize) -> bool {
        self.chassis.change_owner(index, NO_PARTITION, self.number) || !self.is_taken(index)
    }

    /// Releases a slot of the shared I/O station, if the partition owns it.
    pub(crate) fn release(&self, index: usize) {
        if self.chassis.owners.is_some() {
            self.chassis.change_owner(index, self.number, NO_PARTITION);
        }
    }

    /// Makes another partition of the chassis the owner of a slot of the shared I/O station, which this one owns. Returns whether
    /// the slot is one of a shared I/O station, and this partition owned it.
    #[must_use]
    pub fn hand_over(&self, index: usize, to: &Self) -> bool {
        self.chassis.owner(index).is_some() && self.chassis.change_owner(index, self.number, to.number)
    }

    /// Opens or closes the I/O station of the chassis.
    pub(crate) fn set_station(&self, open: bool) -> StationChanges {
        self.chassis.set_station(open)
    }

    /// The changes of the I/O station by hosts and operators of any partition.
    pub(crate) fn station_changes(&self) -> StationChanges {
        self.chassis.station_changes()
    }

    /// Records whether a host of this partition prevents medium removal.
    pub(crate) fn set_preventing(&self, prevents: bool) {
        let mut preventing = self.chassis.preventing.lock().unwrap_or_else(PoisonError::into_inner);
        if prevents {
            preventing.insert(self.number);
        } else {
            preventing.remove(&self.number);
        }
    }

    /// Returns whether a host of another partition prevents medium removal.
    #[must_use]
    pub fn is_locked_by_another(&self) -> bool {
        let preventing = self.chassis.preventing.lock().unwrap_or_else(PoisonError::into_inner);
        preventing.iter().any(|number| *number != self.number)
    }

    /// Makes the robot busy for a motion; see [`Chassis::reserve_robot`].
    pub(crate) fn reserve_robot(&self, now: Instant, unload: Duration, motion: Duration) -> Duration {
        self.chassis.reserve_robot(now, unload, motion)
    }

    /// Returns the address in the chassis of an element of the partition, whose elements are those of `layout`.
    #[must_use]
    pub fn address_in_chassis(&self, layout: &ElementLayout, address: ElementAddress) -> ElementAddress {
        let [slot, io_slot, drive] = self.first;
        let whole = self.chassis.layout();
        for ((kind, own), (_, all)) in layout.ranges().into_iter().zip(whole.ranges()) {
            let Some(index) = own.index(address).and_then(|index| u16::try_from(index).ok()) else { continue };
            let before = match kind {
                ElementType::STORAGE => slot,
                ElementType::IMPORT_EXPORT => io_slot,
                ElementType::DRIVE => drive,
                _ => 0,
            };
            return ElementAddress(all.first.saturating_add(before).saturating_add(index));
        }
        address
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chassis(shared: bool) -> Arc<Chassis> {
        Arc::new(Chassis::new(ElementLayout::new([0, 1000, 10, 500], [40, 4, 4]), shared))
    }

    #[test]
    fn one_partition_owns_a_slot_of_the_shared_station() {
        let chassis = chassis(true);
        let [one, two] = [1, 2].map(|number| Partition::new(Arc::clone(&chassis), number, [0; 3]));
        assert!(one.claim(3) && one.claim(3) && !one.is_taken(3));
        assert!(two.is_taken(3) && !two.claim(3));
        two.release(3);
        assert!(two.is_taken(3), "only its owner releases a slot");
        assert!(!two.hand_over(3, &one) && one.hand_over(3, &two));
        assert!(one.is_taken(3) && !two.is_taken(3));
        two.release(3);
        assert!(one.claim(3));
    }

    #[test]
    fn slots_of_a_divided_station_have_no_owner() {
        let chassis = chassis(false);
        let [one, two] = [1, 2].map(|number| Partition::new(Arc::clone(&chassis), number, [0; 3]));
        assert!(one.claim(0) && two.claim(0) && !one.is_taken(0) && !one.hand_over(0, &two));
    }

    #[test]
    fn robot_makes_one_motion_after_the_other() {
        let chassis = chassis(false);
        let motion =
            |now: u64| chassis.reserve_robot(Instant(now * 1_000_000), Duration::ZERO, Duration::from_secs(10));
        assert_eq!([0, 4, 60].map(|now| motion(now).as_secs()), [10, 16, 10]);
    }

    /// While a drive unloads for one partition, the robot serves another one, if that motion ends before.
    #[test]
    fn robot_is_free_until_the_end_of_an_unload() {
        let chassis = chassis(false);
        let end = |now: u64, unload, motion| {
            let [unload, motion] = [unload, motion].map(Duration::from_secs);
            now + chassis.reserve_robot(Instant(now * 1_000_000), unload, motion).as_secs()
        };
        assert_eq!(end(0, 30, 10), 40);
        assert_eq!(end(1, 0, 10), 11);
        // From 11 to 30 is too short for it.
        assert_eq!(end(2, 0, 25), 65);
        assert_eq!(end(3, 0, 19), 30);
        assert_eq!(end(4, 0, 1), 66);
    }

    #[test]
    fn addresses_of_a_partition_are_those_of_its_share() {
        let partition = Partition::new(chassis(false), 2, [25, 3, 2]);
        let layout = ElementLayout::new([0, 1026, 10, 500], [15, 1, 2]);
        for (own, whole) in [(0, 0), (1026, 1025), (1040, 1039), (10, 13), (501, 503)] {
            assert_eq!(partition.address_in_chassis(&layout, ElementAddress(own)), ElementAddress(whole));
        }
    }
}
