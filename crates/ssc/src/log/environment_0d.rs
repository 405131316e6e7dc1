//! Page 0Dh, temperature, and subpage 01h, environmental reporting (SPC-4 §7.3.21; SPC-5 for the subpage). No sensor is modelled:
//! the values are constants of a normal environment.

use super::PageSource;
use scsi_core::log::{LIST_CONTROL, LogWriter};

/// Temperature in degrees Celsius.
pub(super) const CELSIUS: u8 = 35;
/// Reference temperature in degrees Celsius.
const REFERENCE: u8 = 50;
/// Relative humidity in percent.
const HUMIDITY: u8 = 45;

/// Writes page 0Dh. HP's drives report no reference temperature (FFh).
pub(super) fn temperature(source: &PageSource<'_>, w: &mut LogWriter) {
    const NOT_KNOWN: u8 = 0xff;
    let reference = if source.state.profile.is_hp_mechanism() { NOT_KNOWN } else { REFERENCE };
    w.parameter(0, LIST_CONTROL, &[0, CELSIUS]).parameter(1, LIST_CONTROL, &[0, reference]);
}

/// Writes subpage 01h: present value; lifetime maximum and minimum; maximum and minimum since power-on; two reserved
/// bytes.
pub(super) fn report(w: &mut LogWriter) {
    let value = |now: u8| [0, now, now, now, now, now, 0, 0];
    w.parameter(0x0000, LIST_CONTROL, &value(CELSIUS)).parameter(0x0100, LIST_CONTROL, &value(HUMIDITY));
}
