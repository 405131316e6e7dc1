//! Log pages of a changer. Those of the models that are known list TapeAlert alone; the others have the counters of SMC-3.

use crate::device::ChangerState;
use crate::profile::LogPageOptions;
use crate::robot::lifetime;
use scsi_core::log::{EXCEPTIONS_2F as EXCEPTIONS, LogId, LogWriter};
use scsi_core::nexus::NexusId;

const TEMPERATURE: LogId = LogId::page(0x0d);
const STATISTICS: LogId = LogId::page(0x14);
const TAPE_ALERT: LogId = LogId::page(0x2e);
const USAGE: LogId = LogId::page(0x30);

/// Where nothing says otherwise.
pub(crate) const STANDARD: &[LogId] = &[TEMPERATURE, STATISTICS, TAPE_ALERT];
/// TapeAlert alone.
pub(crate) const TAPE_ALERT_ONLY: &[LogId] = &[TAPE_ALERT];
/// As captured from an MSL3040, without 36h and 3Eh, whose contents are the maker's own. 34h, 38h, 3Ah and 3Bh are empty there, and
/// 07h is while there was no error.
pub(crate) const MSL3040: &[LogId] = &[
    LogId::page(0x07),
    TEMPERATURE,
    TAPE_ALERT,
    USAGE,
    LogId::page(0x34),
    LogId::page(0x38),
    LogId::page(0x3a),
    LogId::page(0x3b),
];

/// Degrees at which a library stands.
const CELSIUS: u8 = 22;

/// Writes the parameters of one page.
pub(crate) fn write(state: &ChangerState, id: LogId, nexus: NexusId, w: &mut LogWriter) {
    match id {
        TEMPERATURE => temperature(state.profile.log_options, w),
        STATISTICS => statistics(state, w),
        TAPE_ALERT => state.alerts.unread_flags(nexus).write(state.profile.log_options.control.1, w),
        // Of the first three only the numbers are known.
        USAGE => drop(w.counters(1, 4, &[0, 0, 0, state.library.statistics.get(lifetime::MOVES)])),
        EXCEPTIONS => state.exceptions.write(CELSIUS, w),
        _ => {}
    }
}

fn temperature(form: LogPageOptions, w: &mut LogWriter) {
    w.parameter(0, form.control.0, &[0, CELSIUS]);
    if let Some(reference) = form.reference {
        w.parameter(1, form.control.0, &[0, reference]);
    }
}

/// Media changer statistics, 14h.
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

/// A page was sent: flags that the nexus has read go for it.
pub(crate) fn mark_read(state: &mut ChangerState, id: LogId, nexus: NexusId) {
    if id == TAPE_ALERT {
        state.alerts.mark_read(nexus);
    }
}

/// Resets the flags, if they are meant; the counters are for life.
pub(crate) fn reset(state: &mut ChangerState, id: Option<LogId>) -> bool {
    if id.is_some_and(|id| id != TAPE_ALERT) {
        return false;
    }
    let changed = state.alerts.raised_flags() != scsi_core::alert::AlertSet::NONE;
    state.alerts.clear_all();
    changed
}
