//! Log pages of a changer. Models whose pages are documented support TapeAlert only; the others have the counters of
//! SMC-3.

use crate::device::ChangerState;
use crate::profile::LogPageOptions;
use crate::robot::lifetime;
use scsi_core::log::{EXCEPTIONS_2F as EXCEPTIONS, LogId, LogWriter};
use scsi_core::nexus::NexusId;

const TEMPERATURE: LogId = LogId::page(0x0d);
const STATISTICS: LogId = LogId::page(0x14);
const TAPE_ALERT: LogId = LogId::page(0x2e);
const USAGE: LogId = LogId::page(0x30);
const DEVICE: LogId = LogId::page(0x3e);

/// Pages of models whose log pages are not documented.
pub(crate) const STANDARD: &[LogId] = &[TEMPERATURE, STATISTICS, TAPE_ALERT];
/// TapeAlert (2Eh) as the only page.
pub(crate) const TAPE_ALERT_ONLY: &[LogId] = &[TAPE_ALERT];
/// Capture of an MSL3040, without 36h, a log of messages in XML. 34h, 38h, 3Ah and 3Bh are empty in the capture; 07h is empty as long as there is no error.
pub(crate) const MSL3040: &[LogId] = &[
    LogId::page(0x07),
    TEMPERATURE,
    TAPE_ALERT,
    USAGE,
    LogId::page(0x34),
    LogId::page(0x38),
    LogId::page(0x3a),
    LogId::page(0x3b),
    DEVICE,
];

/// TEMPERATURE of every library, in degrees Celsius.
const CELSIUS: u8 = 22;

/// Writes the parameters of one log page.
pub(crate) fn write(state: &ChangerState, id: LogId, nexus: NexusId, w: &mut LogWriter) {
    match id {
        TEMPERATURE => temperature(state.profile.log_options, w),
        STATISTICS => statistics(state, w),
        TAPE_ALERT => state.alerts.unread_flags(nexus).write(state.profile.log_options.control.1, w),
        // The meaning of the first three parameters is unknown.
        USAGE => drop(w.counters(1, 4, &[0, 0, 0, state.library.statistics.get(lifetime::MOVES)])),
        DEVICE => msl3040_device(state, w),
        EXCEPTIONS => state.exceptions.write(CELSIUS, w),
        _ => {}
    }
}

/// Page 3Eh of an MSL3040: codes, control bytes and lengths as captured. Parameters of unknown meaning are zero.
fn msl3040_device(state: &ChangerState, w: &mut LogWriter) {
    let moves = state.library.statistics.get(lifetime::MOVES);
    // 0002h equals 100Bh in the capture, and counts with the moves.
    w.counters(0x0000, 4, &[0, 0, moves]).number(0x0003, 0, 4, 0).counter(0x0004, 8, 0);
    w.counters(0x1000, 4, &[0, 0]).counters(0x1004, 4, &[0, 0, 0, 0, 0, 0, 0, moves, 0, 0]);
}

fn temperature(form: LogPageOptions, w: &mut LogWriter) {
    w.parameter(0, form.control.0, &[0, CELSIUS]);
    if let Some(reference) = form.reference {
        w.parameter(1, form.control.0, &[0, reference]);
    }
}

/// Writes the media changer statistics log page, 14h.
fn statistics(state: &ChangerState, w: &mut LogWriter) {
    const NAMES: [&str; 10] = [
        lifetime::MOVES,
        lifetime::PICKS,
        lifetime::PICK_RETRIES,
        lifetime::PLACES,
        lifetime::PLACE_RETRIES,
        lifetime::TAGS_READ,
        lifetime::INVALID_TAGS,
        lifetime::DOOR_OPENS,
        lifetime::STATION_OPENS,
        lifetime::SCANS,
    ];
    w.counters(0, 8, &NAMES.map(|name| state.library.statistics.get(name)));
}

/// Marks the TapeAlert flags as read by this nexus after log page 2Eh was sent.
pub(crate) fn mark_read(state: &mut ChangerState, id: LogId, nexus: NexusId) {
    if id == TAPE_ALERT {
        state.alerts.mark_read(nexus);
    }
}

/// Clears the TapeAlert flags if page 2Eh or all pages are reset; the statistics are lifetime counters and stay.
/// Returns whether anything changed.
pub(crate) fn reset(state: &mut ChangerState, id: Option<LogId>) -> bool {
    if id.is_some_and(|id| id != TAPE_ALERT) {
        return false;
    }
    let changed = state.alerts.raised_flags() != scsi_core::alert::AlertSet::NONE;
    state.alerts.clear_all();
    changed
}
