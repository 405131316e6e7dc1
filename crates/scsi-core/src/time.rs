//! Time as an argument, in integers, so that tests and fuzzers can choose it.

use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

/// A time of a monotonic clock, in microseconds since an arbitrary start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instant(pub u64);

impl Instant {
    /// The time `duration` later, in whole microseconds; the last representable time if it would be later than that.
    #[must_use]
    pub fn saturating_add(self, duration: Duration) -> Self {
        let microseconds = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(microseconds))
    }

    /// The time from this instant until `later`; zero if `later` is not later.
    #[must_use]
    pub const fn duration_until(self, later: Self) -> Duration {
        Duration::from_micros(later.0.saturating_sub(self.0))
    }
}

/// Wall-clock time in milliseconds since 1970-01-01 00:00 UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// Whole seconds since 1970-01-01 00:00 UTC.
    #[must_use]
    pub const fn seconds(self) -> u64 {
        self.0 / 1000
    }
}

/// The times of both clocks, which the caller reads once per command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Monotonic time, for delays and progress.
    pub mono: Instant,
    /// Wall-clock time, for MAM attributes and REPORT TIMESTAMP.
    pub wall: Timestamp,
}

/// Use of the time that hardware would take for a command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimeMode {
    /// Nothing: commands take no modelled time.
    #[default]
    Off,
    /// The time is counted and reported, and no command waits.
    Counted,
    /// Commands wait for the time.
    Real,
    /// Commands wait for a fraction of the time: a half for 2, a tenth for 10.
    Scaled(NonZeroU32),
}

/// A text that is not a [`TimeMode`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeModeError(String);

impl fmt::Display for TimeModeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is not a time mode; expected off, counted, real, or scaled:N with N from 1 to 1000000", self.0)
    }
}

impl std::error::Error for TimeModeError {}

impl TimeMode {
    /// The largest divisor of [`Self::Scaled`].
    const MAX_SCALE: u32 = 1_000_000;

    /// Parses `off`, `counted`, `real`, or `scaled:N` with N from 1 to 1000000.
    ///
    /// # Errors
    /// The text is none of these.
    pub fn parse(text: &str) -> Result<Self, TimeModeError> {
        let scale = |text: &str| text.parse().ok().filter(|scale: &NonZeroU32| scale.get() <= Self::MAX_SCALE);
        match (text, text.strip_prefix("scaled:").and_then(scale)) {
            ("off", _) => Ok(Self::Off),
            ("counted", _) => Ok(Self::Counted),
            ("real", _) => Ok(Self::Real),
            (_, Some(scale)) => Ok(Self::Scaled(scale)),
            _ => Err(TimeModeError(text.into())),
        }
    }

    /// Whether times are modelled at all.
    #[must_use]
    pub const fn is_on(self) -> bool {
        !matches!(self, Self::Off)
    }

    /// How long a command waits that would take `modelled` on hardware.
    #[must_use]
    pub fn wait(self, modelled: Duration) -> Duration {
        match self {
            Self::Off | Self::Counted => Duration::ZERO,
            Self::Real => modelled,
            Self::Scaled(scale) => modelled / scale.get(),
        }
    }
}

impl fmt::Display for TimeMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::Counted => f.write_str("counted"),
            Self::Real => f.write_str("real"),
            Self::Scaled(scale) => write!(f, "scaled:{scale}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_modes_are_parsed_as_they_are_written() {
        for text in ["off", "counted", "real", "scaled:1", "scaled:1000000"] {
            assert_eq!(TimeMode::parse(text).unwrap().to_string(), text);
        }
        for text in ["", "Real", "scaled", "scaled:", "scaled:0", "scaled:1000001", "scaled:-1", "scaled:1.5"] {
            assert!(TimeMode::parse(text).is_err(), "{text}");
        }
        let minute = Duration::from_secs(60);
        assert_eq!(["off", "counted"].map(|text| TimeMode::parse(text).unwrap().wait(minute)), [Duration::ZERO; 2]);
        assert_eq!(TimeMode::Real.wait(minute), minute);
        assert_eq!(TimeMode::parse("scaled:60").unwrap().wait(minute), Duration::from_secs(1));
    }

    #[test]
    fn timestamp_in_whole_seconds() {
        assert_eq!(Timestamp(1_999).seconds(), 1);
    }

    #[test]
    fn instants_are_microseconds() {
        assert_eq!(Instant(7).saturating_add(Duration::from_millis(3)), Instant(3_007));
        assert_eq!(Instant(7).saturating_add(Duration::MAX), Instant(u64::MAX));
        assert_eq!(Instant(7).duration_until(Instant(3_007)), Duration::from_millis(3));
        assert_eq!(Instant(7).duration_until(Instant(6)), Duration::ZERO);
    }
}
