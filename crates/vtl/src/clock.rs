//! The clocks of this process, read in one place.

use scsi_core::time::{Instant, Now, Timestamp};
use std::sync::OnceLock;
use std::time;

/// Both clocks now. The monotonic one starts with its first reader.
#[must_use]
pub fn now() -> Now {
    static START: OnceLock<time::Instant> = OnceLock::new();
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    let (instant, system) = (time::Instant::now(), time::SystemTime::now());
    let since_start = instant.duration_since(*START.get_or_init(|| instant)).as_micros();
    let since_epoch = system.duration_since(time::UNIX_EPOCH).unwrap_or_default().as_millis();
    Now {
        mono: Instant(u64::try_from(since_start).unwrap_or(u64::MAX)),
        wall: Timestamp(u64::try_from(since_epoch).unwrap_or(u64::MAX)),
    }
}

/// A day as YYYYMMDD, from milliseconds since 1970 (Gregorian, UTC).
#[must_use]
pub fn date(wall: Timestamp) -> String {
    // Days are counted from 0000-03-01, so that a leap day ends its year (Howard Hinnant's civil calendar arithmetic).
    let days = wall.0 / 86_400_000 + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    format!("{year:04}{month:02}{day:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        assert_eq!(date(Timestamp(0)), "19700101");
        assert_eq!(date(Timestamp(951_782_400_000)), "20000229");
        assert_eq!(date(Timestamp(1_798_761_599_000)), "20261231");
    }
}
