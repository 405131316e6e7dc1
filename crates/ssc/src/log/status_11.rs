//! Page 11h, DT device status (ADC-3 §6.1.2): what a library's own software polls.

use super::Source;
use crate::load::Load;
use scsi_core::log::{LIST, LogWriter};
use scsi_core::writer::PageWriter;

/// Milliseconds between polls.
const POLLING_DELAY: u16 = 500;

/// Very high frequency data, byte 0.
mod byte_0 {
    pub(super) const MACC: u8 = 0x20;
    pub(super) const CMPR: u8 = 0x10;
    pub(super) const WRTP: u8 = 0x08;
    pub(super) const CRQST: u8 = 0x04;
    pub(super) const DINIT: u8 = 0x01;
}
/// Byte 1.
mod byte_1 {
    pub(super) const MPRSNT: u8 = 0x10;
    pub(super) const MSTD: u8 = 0x04;
    pub(super) const MTHRD: u8 = 0x02;
    pub(super) const MOUNTED: u8 = 0x01;
}
/// Byte 3: TapeAlert flags are raised.
const TAFC: u8 = 0x01;
/// DT DEVICE ACTIVITY: none, or verifying, which is other.
const ACTIVITY: (u8, u8) = (0x00, 0x0c);

pub(super) fn write(source: &Source<'_>, w: &mut LogWriter) {
    let state = source.state;
    let flag = |set: bool, bit: u8| if set { bit } else { 0 };
    let memory = source.mounted.is_some() || matches!(state.load, Load::Held(_));
    let protected = source.mounted.is_some_and(|mounted| mounted.protected.is_some());
    let first = byte_0::DINIT
        | flag(memory, byte_0::MACC)
        | flag(state.settings.compress, byte_0::CMPR)
        | flag(protected, byte_0::WRTP)
        | flag(state.wants_cleaning(), byte_0::CRQST);
    let second = match &state.load {
        Load::Empty => 0,
        Load::Mounted(_) => byte_1::MPRSNT | byte_1::MSTD | byte_1::MTHRD | byte_1::MOUNTED,
        Load::Held(_) | Load::Unusable(..) => byte_1::MPRSNT | byte_1::MSTD,
        Load::Ejected(_) => byte_1::MPRSNT,
    };
    let activity = if state.operation.is_some() { ACTIVITY.1 } else { ACTIVITY.0 };
    let alerts = flag(state.alerts.all().bits() != 0, TAFC);
    w.parameter(0, LIST, &[first, second, activity, alerts]);
    w.parameter(1, LIST, &POLLING_DELAY.to_be_bytes());
    w.parameter(2, LIST, &[0; 8]).parameter(3, LIST, &[0; 12]).parameter(0x0101, LIST, &[0; 12]);
    if !state.profile.is_hp() {
        let mut label = PageWriter::new();
        let barcode = source.mounted.map_or_else(String::new, |mounted| mounted.cartridge.barcode().to_string());
        label.ascii(&barcode, 8);
        w.parameter(0x8000, LIST, label.as_slice());
    }
}
