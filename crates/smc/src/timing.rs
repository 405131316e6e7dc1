//! How long the robot of a library takes: a table by the size of the library, and the time of a move and of a scan.
//!
//! Sources: Oracle, *ACSLS administrator's guide* (10 to 15 s for a move to a drive in a library of 3,000 slots); Quantum, *LTO
//! autoloader user's guide* (21 s for a scan of eight slots); Exabyte, *Magnum 1x7* (26 s for a move with its exchange); IBM, *TS4500
//! inventory times* (6 s for a column of slots, 8 s for an I/O station) and *TS3400* (40 s for 18 slots). How these times divide into
//! their parts is an estimate.

use crate::element::{ElementAddress, ElementLayout, ElementType};
use std::time::Duration;

/// The times of a robot, by the size of its library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RobotModel {
    /// Most storage elements of a library of this row.
    pub slots: u16,
    /// Milliseconds to pick a cartridge.
    pub pick_ms: u32,
    /// Milliseconds to place a cartridge.
    pub place_ms: u32,
    /// Milliseconds to travel from one end of the library to the other.
    pub travel_ms: u32,
    /// Milliseconds to scan one element.
    pub scan_ms: u32,
    /// Further milliseconds for an import/export element.
    pub station_ms: u32,
}

/// The table, ascending by size. `docs/timing.md` shows it.
pub const ROBOTS: [RobotModel; 3] = [
    RobotModel { slots: 24, pick_ms: 5000, place_ms: 5000, travel_ms: 6000, scan_ms: 2600, station_ms: 2000 },
    RobotModel { slots: 200, pick_ms: 4000, place_ms: 4000, travel_ms: 8000, scan_ms: 1000, station_ms: 2000 },
    RobotModel { slots: u16::MAX, pick_ms: 3000, place_ms: 3000, travel_ms: 10_000, scan_ms: 300, station_ms: 2000 },
];

impl RobotModel {
    /// The row of a library with these elements.
    #[must_use]
    pub fn of(layout: &ElementLayout) -> Self {
        let [.., largest] = ROBOTS;
        ROBOTS.into_iter().find(|row| layout.storage.count <= row.slots).unwrap_or(largest)
    }

    /// Time of a move between two elements: pick, travel by their distance in the order of the library, and place.
    #[must_use]
    pub fn move_time(&self, layout: &ElementLayout, source: ElementAddress, destination: ElementAddress) -> Duration {
        let (from, to) = (place(layout, source), place(layout, destination));
        let all = layout.ranges().iter().map(|(_, range)| u64::from(range.count)).sum::<u64>().max(1);
        let station = |address| {
            let is_station = layout.element_type(address) == Some(ElementType::IMPORT_EXPORT);
            if is_station { u64::from(self.station_ms) } else { 0 }
        };
        let travel = u64::from(self.travel_ms) * from.abs_diff(to) / all;
        let hands = u64::from(self.pick_ms) + u64::from(self.place_ms);
        Duration::from_millis(hands + travel + station(source) + station(destination))
    }

    /// Time of a scan of this many elements.
    #[must_use]
    pub fn scan_time(&self, elements: usize) -> Duration {
        Duration::from_millis(u64::from(self.scan_ms).saturating_mul(u64::try_from(elements).unwrap_or(u64::MAX)))
    }
}

/// Place of an element in the order of the elements by type; 0 if the library does not have it.
fn place(layout: &ElementLayout, address: ElementAddress) -> u64 {
    let mut before = 0;
    for (_, range) in layout.ranges() {
        if let Some(index) = range.index(address) {
            return before + u64::try_from(index).unwrap_or(0);
        }
        before += u64::from(range.count);
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(layout: &ElementLayout, source: u16, destination: u16) -> f64 {
        let model = RobotModel::of(layout);
        model.move_time(layout, ElementAddress(source), ElementAddress(destination)).as_secs_f64()
    }

    #[test]
    fn move_takes_longer_over_a_distance_and_to_the_station() {
        let layout = ElementLayout::new([0, 1000, 10, 500], [20, 4, 2]);
        let near = seconds(&layout, 1000, 1001);
        assert!((near - 10.2).abs() < 0.1, "{near}");
        let far = seconds(&layout, 1000, 1019);
        assert!(far > near + 3.9, "{far}");
        assert!(seconds(&layout, 1000, 10) > seconds(&layout, 1000, 501) - 6.0 + 2.0);
        assert!(seconds(&layout, 10, 11) > near + 3.9);
    }

    /// Oracle: 10 to 15 s in a library of 3,000 slots. Quantum: 21 s for eight slots.
    #[test]
    fn times_are_those_of_the_sources() {
        let large = ElementLayout::new([0, 1000, 10, 500], [3000, 10, 40]);
        for slot in [1000, 2500, 3999] {
            let time = seconds(&large, slot, 520);
            assert!((6.0..16.0).contains(&time), "{slot}: {time}");
        }
        let small = RobotModel::of(&ElementLayout::new([0, 1000, 10, 500], [8, 0, 1]));
        assert_eq!(small.scan_time(8), Duration::from_millis(20_800));
    }

    /// `docs/timing.md` has each row.
    #[test]
    fn page_shows_the_table() {
        let page = include_str!("../../../docs/timing.md");
        for RobotModel { slots, pick_ms, place_ms, travel_ms, scan_ms, station_ms } in ROBOTS {
            let line = format!("| {slots} | {pick_ms} | {place_ms} | {travel_ms} | {scan_ms} | {station_ms} |");
            assert!(page.contains(&line), "{line}");
        }
    }
}
