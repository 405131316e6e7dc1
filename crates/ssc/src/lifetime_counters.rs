//! Names of the lifetime counters of a drive. They are stored in its saved state.

use tape_store::cartridge::CartridgeKind;

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
/// Modelled time for which tapes have moved.
pub(crate) const MOTION_MS: &str = "motion_ms";
/// Modelled length of tape that has passed the heads.
pub(crate) const TAPE_MM: &str = "tape_mm";
/// `MOTION_MS` at the last cleaning, at the one before it, and at the third to last.
pub(crate) const MOTION_MS_AT_CLEANING: [&str; 3] =
    ["motion_ms_at_cleaning", "motion_ms_at_2nd_cleaning", "motion_ms_at_3rd_cleaning"];
/// `MOTION_MS` at the last load of a cartridge that the drive does not support.
pub(crate) const MOTION_MS_AT_INCOMPATIBLE: &str = "motion_ms_at_incompatible";

/// The part of `MOTION_MS` of a medium, such as `LTO-9`, in data or WORM cartridges.
pub(crate) fn motion_ms_of(medium: &str, kind: CartridgeKind) -> String {
    let kind = if kind == CartridgeKind::Worm { "_worm" } else { "" };
    format!("{MOTION_MS}_{medium}{kind}")
}
