//! Spectra Logic.

use super::{Capabilities, ChangerProfile, Descriptors, DriveIdentifier, LogForm, Naming, SerialForm};
use crate::{log, mode};
use scsi_core::asc::Asc;
use scsi_core::identity::Model;
use scsi_core::inquiry::Inquiry;
use scsi_core::lu::DEFAULT_ORDER;

/// Spectra T-series (T50e to T950), which calls itself PYTHON. INQUIRY, mode pages (6-byte commands only), addresses,
/// descriptors and the ten characters of a label: Spectra's SCSI developer guide; identifier of drives: as emulators of
/// it report; counts: one T950 frame with its TeraPack ports.
pub const SPECTRA_PYTHON: ChangerProfile = ChangerProfile {
    name: "SPECTRA PYTHON",
    model: Model { vendor: "SPECTRA", product: "PYTHON", revision: "2000" },
    inquiry: Inquiry {
        device_type: 0x08,
        version: 0x02,
        format: 0x02,
        flags: [0x00, 0x00, 0x00],
        vendor_specific: [0; 20],
        serial_at: None,
        descriptors: &[],
        length: 36,
    },
    first: [1, 0x1000, 0x0010, 0x0100],
    most: [950, 200, 120],
    serial: SerialForm::Plain,
    naming: Naming::Standard,
    vpd_pages: &[0x00, 0x80, 0x83],
    vpd_vendor: &[],
    mode_pages: mode::BARE,
    block_descriptor: false,
    log_pages: log::ALERTS,
    log_form: LogForm::PLAIN,
    capabilities: Capabilities { stores: 0x0e, features: 0, moves: [0, 0x0e, 0x0e, 0x0e], exchanges: [0; 4] },
    lacks: &[
        "EXCHANGE MEDIUM",
        "MODE SENSE(10)",
        "MODE SELECT(10)",
        "OPEN/CLOSE IMPORT/EXPORT ELEMENT",
        "INITIALIZE ELEMENT STATUS WITH RANGE",
        "REQUEST VOLUME ELEMENT ADDRESS",
        "SEND VOLUME TAG",
        "REPORT ELEMENT INFORMATION",
    ],
    descriptors: Descriptors {
        drive: DriveIdentifier::Serial(32),
        tail: 4,
        empty_tag: b' ',
        label: 10,
        without_label: (Asc(0x8300), Asc(0x8300)),
        cleaning: None,
    },
    prevents_export: false,
    order: DEFAULT_ORDER,
};
