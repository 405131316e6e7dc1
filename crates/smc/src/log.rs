//! Log pages of a changer. Those of the models that are known list TapeAlert alone; the others have the counters of SMC-3.

use crate::device::State;
use crate::robot::lifetime;
use scsi_core::log::{EXCEPTIONS_2F as EXCEPTIONS, LogId, LogWriter};
use scsi_core::nexus::NexusId;

const TEMPERATURE: LogId = LogId::page(0x0d);
const STATISTICS: LogId = LogId::page(0x14);
const TAPE_ALERT: LogId = LogId::page(0x2e);

/// Where nothing says otherwise.
pub(crate) const STANDARD: &[LogId] = &[TEMPERATURE, STATISTICS, TAPE_ALERT];
/// TapeAlert alone.
pub(crate) const ALERTS: &[LogId] = &[TAPE_ALERT];

/// Degrees at which a library stands.
const CELSIUS: u8 = 22;

/// Writes the parameters of one page.
pub(crate) fn write(state: &State, id: LogId, nexus: NexusId, w: &mut LogWriter) {
    match id {
        TEMPERATURE => drop(w.parameter(0, scsi_core::log::LIST, &[0, CELSIUS])),
        STATISTICS => statistics(state, w),
        TAPE_ALERT => state.alerts.of(nexus).write(w),
        EXCEPTIONS => state.exceptions.write(CELSIUS, w),
        _ => {}
    }
}

/// Media changer statistics, 14h.
fn statistics(state: &State, w: &mut LogWriter) {
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
pub(crate) fn was_read(state: &mut State, id: LogId, nexus: NexusId) {
    if id == TAPE_ALERT {
        state.alerts.read(nexus);
    }
}

/// Resets the flags, if they are meant; the counters are for life.
pub(crate) fn reset(state: &mut State, id: Option<LogId>) -> bool {
    if id.is_some_and(|id| id != TAPE_ALERT) {
        return false;
    }
    let changed = state.alerts.all() != scsi_core::alert::Alerts::NONE;
    state.alerts.clear();
    changed
}
