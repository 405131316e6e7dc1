//! Names of the lifetime counters of a drive. They are stored in its saved state.

pub(crate) const LOADS: &str = "loads";
pub(crate) const CLEANINGS: &str = "cleanings";
pub(crate) const POWER_CYCLES: &str = "power_cycles";
/// Power-on time before the last power-on.
pub(crate) const POWER_ON_SECONDS: &str = "power_on_seconds";
pub(crate) const MB_WRITTEN: &str = "mb_written";
pub(crate) const MB_READ: &str = "mb_read";
pub(crate) const WRITE_ERRORS: &str = "write_errors";
pub(crate) const READ_ERRORS: &str = "read_errors";
pub(crate) const MB_SINCE_CLEAN: &str = "mb_since_clean";
