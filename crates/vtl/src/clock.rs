//! The clocks of this process: the only place that reads them.

use ::time::OffsetDateTime;
use scsi_core::time::{Instant, Now, Timestamp};
use std::sync::OnceLock;
use std::time;

/// The date in UTC of a time in seconds since 1970, such as `2030-01-31`.
#[must_use]
pub fn day(seconds: u64) -> String {
    let time = i64::try_from(seconds).ok().and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok());
    time.map_or_else(|| format!("{seconds} seconds after 1970"), |time| time.date().to_string())
}

/// Reads the monotonic and the wall clock. The monotonic clock starts at 0 with the first call in the process.
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
