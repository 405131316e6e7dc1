//! How long a drive takes for its motions and transfers: one table, with a row for each recording format and height of
//! drive, and the arithmetic on it.
//!
//! Sources, by the letter in the table of `docs/timing.md`:
//! - **I**: IBM, *Performance specifications for LTO tape drives* (TS4500, TS4300, TS2290, Diamondback): load-to-ready,
//!   unload, average space record time from load point, average rewind, rewinds of an unload by mount activity.
//! - **S**: IBM, *Speed matching* (TS4300), and the LTO-9 user's guide of Quantum: rates of speed matching.
//! - **C**: CERN Tape Archive, *cost coefficients for LTO-7M media*: the terms of a locate.
//! - **H**: HP, *LTO-6 technical reference manual*: mean reposition of 2.5 s.
//! - **e**: an estimate of Ferric.

use super::wrap_map::PhysicalPosition;
use crate::profile::DriveProfile;
use std::time::Duration;
use tape_store::media::MediaSpec;

/// Terms of a locate in microseconds (source C).
const BASE: i64 = 4_290_000;
const WRAP_CHANGE: i64 = 6_690_000;
const BAND_CHANGE: i64 = 3_200_000;
const LANDING_ZONE_CHANGE: i64 = -6_040_000;
const DIRECTION_CHANGE: i64 = 5_220_000;
const STEP_BACK: i64 = 11_320_000;
/// Data bands of a serpentine tape: each has a quarter of the wraps.
const BANDS: u16 = 4;
/// The terms, without the distance, of a locate from load point to a position that all parts of the tape are equally likely
/// to have: another wrap, another band in three of four cases, the other landing zone and direction in half of them.
const MEAN_TERMS: i64 = BASE + WRAP_CHANGE + BAND_CHANGE * 3 / 4 + LANDING_ZONE_CHANGE / 2 + DIRECTION_CHANGE / 2;

/// Stop of the tape, return and start at the same place (source H, for all drives).
const REPOSITION: Duration = Duration::from_millis(2500);
/// Time to fill and write the last data set at a synchronisation, after the buffer (source e).
const FLUSH: Duration = Duration::from_millis(100);
/// FORMAT MEDIUM and SET CAPACITY without their rewind (source e).
const FORMAT: Duration = Duration::from_secs(30);
/// A cleaning from the insertion of the cartridge to its end (source e).
const CLEANING: Duration = Duration::from_secs(120);

/// The times of one recording format in one height of drive, as published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimingRow {
    /// Name of the medium, such as `LTO-9`.
    pub media: &'static str,
    /// True for full-height drives, false for the others.
    pub full_height: bool,
    /// Seconds from the insertion of an initialised cartridge until the drive is ready.
    pub load: u16,
    /// Seconds of an unload without its rewind.
    pub unload: u16,
    /// Average seconds from load point to a block.
    pub locate: u16,
    /// Average seconds of a rewind.
    pub rewind: u16,
    /// Native rates at which the drive streams in kB/s, descending.
    pub rates: &'static [u32],
    /// Size of the buffer in MB.
    pub buffer: u16,
    /// Rewinds of an unload if the load transferred less than 5 GB, less than 50 GB, or more or not in one sequence.
    pub unload_rewinds: [u8; 3],
    /// True if the first load of a cartridge initialises it.
    pub initialises: bool,
}

const ONE_REWIND: [u8; 3] = [1, 1, 1];
const LTO_7_RATES: &[u32] =
    &[306_000, 287_520, 268_560, 250_660, 231_860, 213_060, 194_260, 175_460, 157_670, 138_520, 120_110, 101_460];
const LTO_8_RATES: &[u32] =
    &[365_000, 341_000, 318_000, 306_400, 273_000, 249_500, 226_000, 203_000, 180_000, 157_500, 135_000, 112_000];
const LTO_8_HALF_RATES: &[u32] = &[306_400, 273_000, 249_500, 226_000, 203_000, 180_000, 157_500, 135_000, 112_000];
const LTO_9_RATES: &[u32] =
    &[408_000, 385_000, 366_000, 347_000, 325_000, 305_000, 284_000, 263_000, 244_000, 223_000, 203_000, 177_000];
const LTO_9_HALF_RATES: &[u32] = &[284_000, 263_000, 244_000, 223_000, 203_000, 177_000];

const fn row(media: &'static str, full_height: bool, times: [u16; 4], rates: &'static [u32], buffer: u16) -> TimingRow {
    let [load, unload, locate, rewind] = times;
    let (unload_rewinds, initialises) = (ONE_REWIND, false);
    TimingRow { media, full_height, load, unload, locate, rewind, rates, buffer, unload_rewinds, initialises }
}

const fn lto_9(full_height: bool, times: [u16; 4], rates: &'static [u32]) -> TimingRow {
    TimingRow { unload_rewinds: [1, 2, 3], initialises: true, ..row("LTO-9", full_height, times, rates, 1024) }
}

/// The table, full height first where both heights differ. `docs/timing.md` shows it with the source of each column.
pub const ROWS: &[TimingRow] = &[
    row("LTO-1", false, [15, 15, 60, 60], &[15_000], 32),
    row("LTO-2", false, [15, 15, 60, 60], &[35_000, 18_000], 64),
    row("LTO-3", false, [15, 17, 60, 60], &[80_000, 30_000], 128),
    row("LTO-4", false, [15, 17, 60, 60], &[120_000, 30_000], 128),
    row("LTO-5", false, [12, 17, 60, 60], &[140_000, 40_000], 256),
    row("LTO-6", false, [12, 17, 62, 62], &[160_000, 40_000], 512),
    row("LTO-7", false, [15, 20, 56, 60], LTO_7_RATES, 1024),
    row("LTO-7M", false, [15, 24, 65, 59], LTO_7_RATES, 1024),
    row("LTO-8", true, [15, 24, 59, 59], LTO_8_RATES, 1024),
    row("LTO-8", false, [15, 24, 59, 59], LTO_8_HALF_RATES, 1024),
    lto_9(true, [17, 30, 45, 55], LTO_9_RATES),
    lto_9(false, [16, 56, 65, 62], LTO_9_HALF_RATES),
    row("LTO-10", false, [12, 27, 65, 62], LTO_9_RATES, 1024),
    row("LTO-10P", false, [12, 27, 73, 75], LTO_9_RATES, 1024),
    row("E07", false, [15, 25, 45, 55], &[250_000, 100_000], 1024),
    row("E08", false, [15, 25, 45, 55], &[360_000, 112_000], 2048),
    row("55F", false, [15, 25, 45, 55], &[360_000, 112_000], 2048),
    row("60F", false, [15, 25, 45, 55], &[400_000, 112_000], 2048),
    row("70F", false, [15, 25, 45, 55], &[400_000, 112_000], 2048),
];

/// The row of every other medium: an estimate.
pub const OTHER: TimingRow = row("other", false, [20, 20, 60, 60], &[100_000, 40_000], 128);

/// Transfers and motions of a load, which the rewinds of its unload depend on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LoadHistory {
    /// Bytes that were written to and read from the medium.
    pub bytes: u64,
    /// Whether the tape was positioned elsewhere than to the beginning between transfers.
    pub moved: bool,
}

/// The time model of a drive with one medium.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DriveModel {
    /// The published times of such a drive.
    pub row: &'static TimingRow,
    wraps: u16,
    /// Microseconds of a locate for each metre.
    locate_us: u64,
    /// Microseconds of a rewind for each metre.
    rewind_us: u64,
    /// Microseconds for each metre at the highest rate.
    stream_us: u64,
    /// Length of the tape in metres.
    metres: u64,
}

/// The row of a medium in a drive of this height; [`OTHER`] if the table has none.
fn find(media: &str, full_height: bool) -> &'static TimingRow {
    let of_media = || ROWS.iter().filter(|row| row.media == media);
    of_media().find(|row| row.full_height == full_height).or_else(|| of_media().next()).unwrap_or(&OTHER)
}

impl DriveModel {
    /// The model of a medium in a drive of this profile. A drive whose product identification does not tell its height is
    /// taken to be half-height.
    #[must_use]
    pub fn new(profile: &DriveProfile, media: &MediaSpec) -> Self {
        // IBM's names: TD and TDA for full height, HH and HHA for half height.
        Self::of(find(media.name, profile.model.product.contains("-TD")), media)
    }

    fn of(row: &'static TimingRow, media: &MediaSpec) -> Self {
        /// Length and wraps of media whose facts do not have them (source e).
        const OTHER_SHAPE: (u16, u16) = (800, 80);
        let (length, wraps) = if media.wraps == 0 { OTHER_SHAPE } else { (media.length, media.wraps) };
        let metres = u64::from(length).max(1);
        let locate = i64::from(row.locate) * 1_000_000 - MEAN_TERMS;
        // The average distance is half the length.
        let per_metre = |us: i64| u64::try_from(us).unwrap_or(0) * 2 / metres;
        let rate = u64::from(row.rates.first().copied().unwrap_or(1));
        let stream_us = media.capacity / u64::from(wraps) * 1000 / rate / metres;
        Self {
            row,
            wraps,
            locate_us: per_metre(locate),
            rewind_us: per_metre(i64::from(row.rewind) * 1_000_000 - BASE),
            stream_us,
            metres,
        }
    }

    /// Wraps and length in metres of the tape, for its map.
    pub(crate) fn shape(&self) -> (u16, u16) {
        (self.wraps, u16::try_from(self.metres).unwrap_or(u16::MAX))
    }

    /// Time to position the tape from one place to another: the terms of CERN's heuristic, with the distance at the speed
    /// that gives the published average. A place ahead on the same wrap is reached by reading on, if that is faster.
    #[must_use]
    pub fn locate(&self, from: PhysicalPosition, to: PhysicalPosition) -> Duration {
        if from == to {
            return Duration::ZERO;
        }
        let distance = from.distance(to);
        let band = |place: PhysicalPosition| place.wrap / (self.wraps / BANDS).max(1);
        let half = self.metres * 1000 / 2;
        let zone = |place: PhysicalPosition| u64::from(place.millimetres) >= half;
        let same_wrap = from.wrap == to.wrap;
        let ahead = same_wrap && from.wrap.is_multiple_of(2) == (to.millimetres > from.millimetres);
        let terms = [
            (true, BASE),
            (!same_wrap, WRAP_CHANGE),
            (band(from) != band(to), BAND_CHANGE),
            (zone(from) != zone(to), LANDING_ZONE_CHANGE),
            (from.wrap % 2 != to.wrap % 2, DIRECTION_CHANGE),
            (same_wrap && !ahead, STEP_BACK),
        ];
        let fixed: i64 = terms.into_iter().filter(|(applies, _)| *applies).map(|(_, term)| term).sum();
        let travel = distance * self.locate_us / 1000;
        // The heuristic is a linear fit; no locate is faster than its travel.
        let located = travel.max(travel.saturating_add_signed(fixed));
        let read_on = if ahead { distance * self.stream_us / 1000 } else { u64::MAX };
        Duration::from_micros(located.min(read_on))
    }

    /// Time of a rewind from one place to the beginning of a partition.
    #[must_use]
    pub fn rewind(&self, from: PhysicalPosition, to: PhysicalPosition) -> Duration {
        if from == to {
            return Duration::ZERO;
        }
        let distance = from.distance(to);
        Duration::from_micros(BASE.unsigned_abs() + distance * self.rewind_us / 1000)
    }

    /// Time from the insertion of an initialised cartridge until the drive is ready.
    #[must_use]
    pub const fn load(&self) -> Duration {
        Duration::from_secs(self.row.load as u64)
    }

    /// Time of the initialisation in the first load of a cartridge, after [`Self::load`]; zero for media that need none.
    /// IBM: 40 minutes on average, at most an hour for most cartridges, up to two hours. The seed stands for the cartridge.
    #[must_use]
    pub fn initialisation(&self, seed: u64) -> Duration {
        /// Minutes by the share of cartridges, in percent, that take less.
        const QUANTILES: [(u64, u64); 4] = [(0, 20), (50, 32), (90, 60), (100, 120)];
        if !self.row.initialises {
            return Duration::ZERO;
        }
        // SplitMix64: neighbouring seeds give unrelated draws.
        let mut mixed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let share = (mixed ^ (mixed >> 31)) % 100_000;
        let part = QUANTILES.windows(2).find_map(|pair| match pair {
            [(low, from), (high, to)] if share < high * 1000 => {
                Some(from * 60_000 + (share - low * 1000) * (to - from) * 60 / (high - low))
            }
            _ => None,
        });
        Duration::from_millis(part.unwrap_or(0))
    }

    /// Time of an unload from one place: its rewinds, which depend on what the load did, and the unthreading.
    #[must_use]
    pub fn unload(&self, from: PhysicalPosition, history: LoadHistory) -> Duration {
        const GB: u64 = 1_000_000_000;
        let [short, medium, other] = self.row.unload_rewinds;
        let rewinds = match history {
            LoadHistory { moved: true, .. } => other,
            LoadHistory { bytes, .. } if bytes < 5 * GB => short,
            LoadHistory { bytes, .. } if bytes < 50 * GB => medium,
            LoadHistory { .. } => other,
        };
        let further = u64::from(rewinds.saturating_sub(1)) * u64::from(self.row.rewind);
        let first = self.rewind(from, PhysicalPosition::default());
        first + Duration::from_secs(further + u64::from(self.row.unload))
    }

    /// Time of a cleaning, with the load of the cleaning cartridge.
    #[must_use]
    pub const fn cleaning() -> Duration {
        CLEANING
    }

    /// Time of FORMAT MEDIUM and SET CAPACITY without the rewind before them.
    #[must_use]
    pub const fn format() -> Duration {
        FORMAT
    }

    /// Time of a synchronisation after the buffer is written.
    #[must_use]
    pub const fn flush() -> Duration {
        FLUSH
    }

    /// Time for which the tape stops, returns and starts again.
    #[must_use]
    pub const fn reposition() -> Duration {
        REPOSITION
    }

    /// Time to transfer bytes between buffer and tape at the highest rate.
    #[must_use]
    pub fn transfer(&self, bytes: u64) -> Duration {
        let rate = u128::from(self.row.rates.first().copied().unwrap_or(1));
        Duration::from_nanos(u64::try_from(u128::from(bytes) * 1_000_000 / rate).unwrap_or(u64::MAX))
    }

    /// Length of tape in millimetres that passes the heads for a transfer of bytes.
    #[must_use]
    pub fn millimetres(&self, bytes: u64) -> u64 {
        let microseconds = u64::try_from(self.transfer(bytes).as_micros()).unwrap_or(u64::MAX);
        microseconds.saturating_mul(1000).checked_div(self.stream_us).unwrap_or(0)
    }

    /// The rate in kB/s at which the drive streams for a host of this rate, and whether the host keeps up: if it is slower
    /// than the lowest rate, the tape stops between transfers.
    #[must_use]
    pub fn matched_rate(&self, host: u64) -> (u32, bool) {
        let rates = self.row.rates;
        let lowest = rates.last().copied().unwrap_or(1);
        let matching = rates.iter().rev().copied().find(|rate| u64::from(*rate) >= host);
        (matching.or_else(|| rates.first().copied()).unwrap_or(lowest), host >= u64::from(lowest))
    }

    /// Size of the buffer in bytes.
    #[must_use]
    pub const fn buffer(&self) -> u64 {
        self.row.buffer as u64 * 1_000_000
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::by_product;
    use tape_store::media::{LTO_5, LTO_7M, LTO_8, LTO_9};

    fn model(product: &str, media: &MediaSpec) -> DriveModel {
        DriveModel::new(by_product(product).unwrap(), media)
    }

    fn at(wrap: u16, metres: u32) -> PhysicalPosition {
        PhysicalPosition { wrap, millimetres: metres * 1000 }
    }

    /// CERN's formula over LPOS 2696 to 171097 of a 960 m tape with 168 wraps, in seconds.
    fn cern((wrap_1, lpos_1): (u16, f64), (wrap_2, lpos_2): (u16, f64)) -> f64 {
        let f = |condition: bool| f64::from(u8::from(condition));
        let half = f64::from(171_097 - 2696) / 2.0;
        let back = wrap_1 == wrap_2 && (wrap_1 % 2 == 0) == (lpos_1 > lpos_2);
        4.29 + 6.69 * f(wrap_1 != wrap_2) + 3.2 * f(wrap_1 / 42 != wrap_2 / 42)
            - 6.04 * f((lpos_1 < half) != (lpos_2 < half))
            + 5.22 * f(wrap_1 % 2 != wrap_2 % 2)
            + 11.32 * f(back)
            + 0.000_619_2 * (lpos_1 - lpos_2).abs()
    }

    #[test]
    fn locates_on_lto_7m_take_what_cern_measured() {
        let model = model("ULT3580-TD8", &LTO_7M);
        let lpos = |metres: u32| f64::from(metres) * 168_401.0 / 960.0;
        for (from, to) in [((0, 0), (3, 480)), ((0, 100), (0, 50)), ((41, 900), (42, 10)), ((7, 100), (120, 105))] {
            let real = cern((from.0, lpos(from.1)), (to.0, lpos(to.1)));
            let modelled = model.locate(at(from.0, from.1), at(to.0, to.1)).as_secs_f64();
            assert!((real - modelled).abs() < 0.5, "{from:?} to {to:?}: {modelled} s, CERN {real} s");
        }
    }

    /// The mean over all positions is the published average.
    #[test]
    fn average_locate_and_rewind_are_the_published_ones() {
        for (product, media, locate, rewind) in [
            ("ULT3580-TD9", &LTO_9, 45.0, 55.0),
            ("ULT3580-HH9", &LTO_9, 65.0, 62.0),
            ("ULT3580-HH8", &LTO_8, 59.0, 59.0),
            ("ULT3580-HH5", &LTO_5, 60.0, 60.0),
        ] {
            let model = model(product, media);
            let wraps = media.wraps;
            let places: Vec<_> = (1..wraps)
                .flat_map(|wrap| (0..100).map(move |part| (wrap, part * u32::from(media.length) / 100)))
                .collect();
            let mean = |time: &dyn Fn(PhysicalPosition) -> Duration| {
                let all: Duration = places.iter().map(|(wrap, metres)| time(at(*wrap, *metres))).sum();
                all.as_secs_f64() / f64::from(u32::try_from(places.len()).unwrap())
            };
            let located = mean(&|place| model.locate(PhysicalPosition::default(), place));
            assert!((located - locate).abs() < 1.0, "{product}: locate {located} s, published {locate} s");
            let rewound = mean(&|place| model.rewind(place, PhysicalPosition::default()));
            assert!((rewound - rewind).abs() < 1.0, "{product}: rewind {rewound} s, published {rewind} s");
        }
    }

    #[test]
    fn near_place_ahead_is_read_on_and_one_behind_is_a_step_back() {
        let model = model("ULT3580-TD9", &LTO_9);
        // 64 GB in 1035 m at 408 MB/s: 152 ms a metre.
        let ahead = model.locate(at(0, 100), at(0, 101));
        assert!(ahead > Duration::from_millis(140) && ahead < Duration::from_millis(160), "{ahead:?}");
        let behind = model.locate(at(0, 101), at(0, 100));
        assert!(behind > Duration::from_secs(15) && behind < Duration::from_secs(16), "{behind:?}");
        // On an odd wrap the tape runs the other way.
        assert_eq!(model.locate(at(1, 101), at(1, 100)), ahead);
        assert_eq!(model.locate(at(1, 100), at(1, 100)), Duration::ZERO);
    }

    #[test]
    fn initialisation_of_lto_9_takes_forty_minutes_on_average() {
        let model = model("ULT3580-HH9", &LTO_9);
        let minutes: Vec<_> = (0..10_000).map(|seed| model.initialisation(seed).as_secs_f64() / 60.0).collect();
        let mean = minutes.iter().sum::<f64>() / 10_000.0;
        assert!((mean - 40.0).abs() < 1.5, "{mean}");
        let up_to_an_hour = minutes.iter().filter(|minutes| **minutes <= 60.0).count();
        assert!((8_700..9_300).contains(&up_to_an_hour), "{up_to_an_hour}");
        assert!(minutes.iter().all(|minutes| (20.0..120.0).contains(minutes)));
        assert_eq!(model.initialisation(7), model.initialisation(7));
        assert_ne!(model.initialisation(7), model.initialisation(8));
        assert_eq!(self::model("ULT3580-TD8", &LTO_8).initialisation(7), Duration::ZERO);
    }

    /// IBM's table for LTO-9 full height: 55, 110 and 165 s of rewinds by mount activity, and 30 s.
    #[test]
    fn unload_depends_on_what_the_load_did() {
        let model = model("ULT3580-TD9", &LTO_9);
        let (half, gb) = (at(0, 517), 1_000_000_000);
        let seconds = |bytes, moved| model.unload(half, LoadHistory { bytes, moved }).as_secs();
        assert_eq!((seconds(gb, false), seconds(10 * gb, false), seconds(60 * gb, false)), (84, 139, 194));
        assert_eq!(seconds(gb, true), 194);
        assert_eq!(model.unload(PhysicalPosition::default(), LoadHistory::default()).as_secs(), 30);
        let lto_8 = self::model("ULT3580-TD8", &LTO_8);
        assert_eq!(
            lto_8.unload(PhysicalPosition::default(), LoadHistory { bytes: 60 * gb, moved: true }).as_secs(),
            24
        );
    }

    #[test]
    fn speed_matching_takes_the_next_higher_rate() {
        let model = model("ULT3580-TD9", &LTO_9);
        assert_eq!(model.matched_rate(500_000), (408_000, true));
        assert_eq!(model.matched_rate(300_000), (305_000, true));
        assert_eq!(model.matched_rate(177_000), (177_000, true));
        assert_eq!(model.matched_rate(50_000), (177_000, false));
        assert_eq!(model.transfer(408_000_000), Duration::from_secs(1));
    }

    /// `docs/timing.md` has each row.
    #[test]
    fn page_shows_the_table() {
        let page = include_str!("../../../../docs/timing.md");
        for row in ROWS.iter().chain([&OTHER]) {
            let both = ROWS.iter().filter(|other| other.media == row.media).count() > 1;
            let drive = if !both {
                "all"
            } else if row.full_height {
                "full height"
            } else {
                "half height"
            };
            let (most, least) = (row.rates[0] / 1000, row.rates[row.rates.len() - 1] / 1000);
            let TimingRow { media, load, unload, locate, rewind, buffer, .. } = row;
            let line = format!(
                "| {media} | {drive} | {load} | {unload} | {locate} | {rewind} | {most} | {least} | {buffer} | "
            );
            assert!(page.contains(&line), "{line}");
        }
    }

    #[test]
    fn rows_are_consistent() {
        for row in ROWS {
            assert!(row.rates.windows(2).all(|pair| pair[0] > pair[1]) && !row.rates.is_empty(), "{row:?}");
            assert!(
                i64::from(row.locate) * 1_000_000 > MEAN_TERMS && i64::from(row.rewind) * 1_000_000 > BASE,
                "{row:?}"
            );
            let same = ROWS.iter().filter(|other| (other.media, other.full_height) == (row.media, row.full_height));
            assert_eq!(same.count(), 1, "{row:?}");
        }
    }
}
