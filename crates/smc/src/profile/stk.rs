//! StorageTek.

use super::{Capabilities, ChangerProfile, Descriptors, DriveIdentifier, LogForm, Naming, SerialForm};
use crate::{log, mode};
use scsi_core::asc::Asc;
use scsi_core::identity::Model;
use scsi_core::inquiry::Inquiry;
use scsi_core::lu::DEFAULT_ORDER;

/// StorageTek L700. Addresses and counts: L700e/L180 SCSI reference, 8th edition (cells 1000 to 1677, drives 500 to
/// 519, CAP 10 to 55, hand 0); identification and descriptor tail: ACSLS SCSI reference for the same family. Byte 55
/// bit 0 says that there is a barcode reader, as tools of the time look for it.
pub const STK_L700: ChangerProfile = ChangerProfile {
    name: "STK L700",
    model: Model { vendor: "STK", product: "L700", revision: "0310" },
    inquiry: Inquiry {
        device_type: 0x08,
        version: 0x03,
        format: 0x02,
        flags: [0x00, 0x00, 0x02],
        vendor_specific: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x01],
        serial_at: None,
        descriptors: &[],
        length: 56,
    },
    first: [0, 1000, 10, 500],
    most: [678, 46, 20],
    serial: SerialForm::Plain,
    naming: Naming::Standard,
    vpd_pages: &[0x00, 0x80, 0x83],
    vpd_vendor: &[],
    mode_pages: mode::STANDARD,
    block_descriptor: false,
    log_pages: log::STANDARD,
    log_form: LogForm::PLAIN,
    capabilities: Capabilities {
        stores: 0x0e,
        features: 0x02,
        moves: [0, 0x0e, 0x0e, 0x0e],
        exchanges: [0, 0x0e, 0x0e, 0x0e],
    },
    lacks: &[],
    descriptors: Descriptors {
        drive: DriveIdentifier::Serial(32),
        tail: 8,
        empty_tag: 0,
        label: 32,
        without_label: (Asc(0x8300), Asc(0x8300)),
        cleaning: None,
    },
    prevents_export: false,
    order: DEFAULT_ORDER,
};

/// StorageTek L180: the smaller L700, with the same addresses (its SCSI reference is the same). Revision: the one that
/// the Bareos manual shows of such a library.
pub const STK_L180: ChangerProfile = ChangerProfile {
    name: "STK L180",
    model: Model { vendor: "STK", product: "L180", revision: "0315" },
    most: [174, 10, 10],
    ..STK_L700
};
