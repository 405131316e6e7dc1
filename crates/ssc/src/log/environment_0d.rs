//! Page 0Dh, temperature, and subpage 01h, environmental reporting (SPC-5 §7.3.8 and §7.3.24). No sensor is modelled: a drive
//! is in a room as it should be.

use super::Source;
use scsi_core::log::{LIST, LogWriter};

/// What the drive has inside.
pub(super) const CELSIUS: u8 = 35;
/// What it should not exceed.
const REFERENCE: u8 = 50;
/// Relative humidity in percent.
const HUMIDITY: u8 = 45;

/// Page 0Dh. HP's drives report no reference temperature (FFh).
pub(super) fn temperature(source: &Source<'_>, w: &mut LogWriter) {
    const NOT_KNOWN: u8 = 0xff;
    let reference = if source.state.profile.is_hp() { NOT_KNOWN } else { REFERENCE };
    w.parameter(0, LIST, &[0, CELSIUS]).parameter(1, LIST, &[0, reference]);
}

/// Now; the most and least in its life, and since power on; two more that are vendor's.
pub(super) fn report(w: &mut LogWriter) {
    let value = |now: u8| [0, now, now, now, now, now, 0, 0];
    w.parameter(0x0000, LIST, &value(CELSIUS)).parameter(0x0100, LIST, &value(HUMIDITY));
}
