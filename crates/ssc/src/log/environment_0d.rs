//! Page 0Dh, temperature, and subpage 01h, environmental reporting (SPC-5 §7.3.8 and §7.3.24). No sensor is modelled: a drive
//! is in a room as it should be.

use super::PageSource;
use scsi_core::log::{LIST_CONTROL, LogWriter};

/// What the drive has inside.
pub(super) const CELSIUS: u8 = 35;
/// What it should not exceed.
const REFERENCE: u8 = 50;
/// Relative humidity in percent.
const HUMIDITY: u8 = 45;

/// Page 0Dh. HP's drives report no reference temperature (FFh).
pub(super) fn temperature(source: &PageSource<'_>, w: &mut LogWriter) {
    const NOT_KNOWN: u8 = 0xff;
    let reference = if source.state.profile.is_hp_mechanism() { NOT_KNOWN } else { REFERENCE };
    w.parameter(0, LIST_CONTROL, &[0, CELSIUS]).parameter(1, LIST_CONTROL, &[0, reference]);
}

/// Now; the most and least in its life, and since power on; two more that are vendor's.
pub(super) fn report(w: &mut LogWriter) {
    let value = |now: u8| [0, now, now, now, now, now, 0, 0];
    w.parameter(0x0000, LIST_CONTROL, &value(CELSIUS)).parameter(0x0100, LIST_CONTROL, &value(HUMIDITY));
}
