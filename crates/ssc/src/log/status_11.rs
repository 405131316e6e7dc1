//! Page 11h, DT device status (ADC-3 §6.1.2), which library firmware polls.

use super::PageSource;
use crate::media::Load;
use crate::profile::Mechanism;
use scsi_core::asc::Asc;
use scsi_core::log::{LIST_CONTROL, LogWriter};
use scsi_core::writer::PageWriter;

/// Very high frequency data, byte 0.
mod byte_0 {
    pub(super) const PAMR: u8 = 0x80;
    pub(super) const MACC: u8 = 0x20;
    pub(super) const CMPR: u8 = 0x10;
    pub(super) const WRTP: u8 = 0x08;
    pub(super) const CRQST: u8 = 0x04;
    pub(super) const DINIT: u8 = 0x01;
}
/// Very high frequency data, byte 1.
mod byte_1 {
    pub(super) const INXTN: u8 = 0x80;
    pub(super) const MPRSNT: u8 = 0x10;
    pub(super) const MSTD: u8 = 0x04;
    pub(super) const MTHRD: u8 = 0x02;
    pub(super) const MOUNTED: u8 = 0x01;
}
/// Byte 3: TapeAlert flags have changed, the interface has changed, vendor-specific parameters have changed.
const TAFC: u8 = 0x01;
const INTFC: u8 = 0x02;
const VS: u8 = 0x80;
/// Control byte of vendor-specific parameters.
const VENDOR: u8 = 0x03;
/// DT DEVICE ACTIVITY, byte 2.
mod activity {
    pub(super) const NONE: u8 = 0x00;
    pub(super) const LOADING: u8 = 0x02;
    pub(super) const UNLOADING: u8 = 0x03;
    pub(super) const LOCATING: u8 = 0x07;
    pub(super) const REWINDING: u8 = 0x08;
    pub(super) const ERASING: u8 = 0x09;
    pub(super) const FORMATTING: u8 = 0x0a;
    pub(super) const OTHER: u8 = 0x0c;
}

pub(super) fn write(source: &PageSource<'_>, w: &mut LogWriter) {
    let state = source.state;
    let flag = |set: bool, bit: u8| if set { bit } else { 0 };
    let mam_accessible = source.mounted.is_some() || matches!(state.media.load(), Load::LoadedNotThreaded(_));
    let write_protected = source.mounted.is_some_and(|mounted| mounted.write_protection.is_some());
    let first = byte_0::DINIT
        | flag(state.media.removal_prevented, byte_0::PAMR)
        | flag(mam_accessible, byte_0::MACC)
        | flag(state.modes.compress, byte_0::CMPR)
        | flag(write_protected, byte_0::WRTP)
        | flag(state.health.requests_cleaning(), byte_0::CRQST);
    let threaded = byte_1::MPRSNT | byte_1::MSTD | byte_1::MTHRD | byte_1::MOUNTED;
    let moving = state.media.operation().map(activity_of);
    let (second, activity) = match state.media.load() {
        // An unload that continues after its status.
        Load::Ejected(_) if moving.is_some() => (byte_1::INXTN | byte_1::MPRSNT, activity::UNLOADING),
        Load::Empty => (0, activity::NONE),
        Load::Ejected(_) => (byte_1::MPRSNT, activity::NONE),
        Load::Threading(..) | Load::Thawing(_) => (byte_1::INXTN | byte_1::MPRSNT | byte_1::MSTD, activity::LOADING),
        Load::LoadedNotThreaded(_) | Load::Unusable(..) => (byte_1::MPRSNT | byte_1::MSTD, activity::NONE),
        Load::Mounted(_) => (threaded, moving.unwrap_or(activity::NONE)),
        Load::Verifying(..) => (threaded, activity::OTHER),
    };
    let alerts = flag(state.health.alerts.raised_flags().bits() != 0, TAFC);
    let frequent = [first, second, activity, alerts];
    match state.profile.mechanism {
        Mechanism::Hp => of_hp(frequent, w),
        _ if state.profile.is_ibm_since_lto_7() => of_ibm_since_lto_7(frequent, w),
        Mechanism::Ibm | Mechanism::Other => of_ibm(source, frequent, w),
    }
}

/// The activity of an operation that continues after its command.
const fn activity_of(operation: Asc) -> u8 {
    match operation {
        Asc::REWIND_OPERATION_IN_PROGRESS => activity::REWINDING,
        Asc::LOCATE_OPERATION_IN_PROGRESS => activity::LOCATING,
        Asc::ERASE_OPERATION_IN_PROGRESS => activity::ERASING,
        Asc::LOGICAL_UNIT_NOT_READY_FORMAT_IN_PROGRESS => activity::FORMATTING,
        _ => activity::OTHER,
    }
}

/// Writes the recommended polling delay in milliseconds.
fn polling(delay: u16, control: u8, w: &mut LogWriter) {
    w.parameter(1, control, &delay.to_be_bytes());
}

/// As captured from LTO-7 and LTO-9 drives. Port status is zero, because the captured drives have SAS ports;
/// vendor-specific values are as captured, or zero.
fn of_ibm_since_lto_7(frequent: [u8; 4], w: &mut LogWriter) {
    w.parameter(0, LIST_CONTROL, &frequent);
    polling(500, LIST_CONTROL, w);
    w.parameter(2, LIST_CONTROL, &[0; 8]).parameter(3, LIST_CONTROL, &[0; 12]);
    let [a, b, c, d] = frequent;
    w.parameter(4, VENDOR, &[a, b, c, d, 0, 1, 3, 0]);
    w.parameter(0x0101, LIST_CONTROL, &[0; 12]).parameter(0x0102, LIST_CONTROL, &[0; 12]);
    w.parameter(0x0200, VENDOR, &[1]).parameter(0x0201, VENDOR, &[0; 43]);
    w.parameter(0x8000, LIST_CONTROL, &[b' '; 8]).parameter(0x8001, LIST_CONTROL, &[0; 4]).parameter(
        0x8100,
        LIST_CONTROL,
        &[0, 3, 0, 0],
    );
    w.parameter(0x9101, LIST_CONTROL, &[0; 4]).parameter(0x9102, LIST_CONTROL, &[0; 4]).parameter(
        0xe000,
        LIST_CONTROL,
        &[0; 255],
    );
}

/// As captured from an LTO-6 drive.
fn of_hp([first, second, activity, alerts]: [u8; 4], w: &mut LogWriter) {
    let frequent = [first, second, activity, alerts | VS | INTFC];
    w.parameter(0, VENDOR, &frequent);
    polling(16, VENDOR, w);
    w.parameter(0x0101, VENDOR, &[0; 12]).parameter(0x0102, VENDOR, &[0; 12]);
    let [a, b, c, d] = frequent;
    w.parameter(0x8000, VENDOR, &[a, b, c, d, 0, 6]).parameter(0x8010, VENDOR, &[1, 0, 0, 0, 0, 0, 0, 0]);
    w.parameter(0xb101, VENDOR, &[0; 16]).parameter(0xb102, VENDOR, &[0; 16]);
}

/// For LTO-5 and LTO-6; no capture available.
fn of_ibm(source: &PageSource<'_>, frequent: [u8; 4], w: &mut LogWriter) {
    w.parameter(0, LIST_CONTROL, &frequent);
    polling(500, LIST_CONTROL, w);
    w.parameter(2, LIST_CONTROL, &[0; 8]).parameter(3, LIST_CONTROL, &[0; 12]).parameter(
        0x0101,
        LIST_CONTROL,
        &[0; 12],
    );
    let mut label = PageWriter::new();
    let barcode = source.mounted.map_or_else(String::new, |mounted| mounted.cartridge.barcode().to_string());
    label.ascii(&barcode, 8);
    w.parameter(0x8000, LIST_CONTROL, label.as_slice());
}
