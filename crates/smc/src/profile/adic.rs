//! ADIC, later Quantum.

use super::{Capabilities, ChangerProfile, Descriptors, DriveIdentifier, LogForm, Naming, SerialForm};
use crate::{log, mode};
use scsi_core::asc::Asc;
use scsi_core::identity::Model;
use scsi_core::inquiry::Inquiry;
use scsi_core::lu::DEFAULT_ORDER;

/// ADIC Scalar i500, later Quantum's and Dell's ML6000. Quantum's SCSI reference for its intelligent libraries (6-00423):
/// INQUIRY with the whole firmware level from byte 36, VPD, mode pages, descriptors (64 bytes for a drive's name), the
/// commands, and that PREVENT also keeps the robot from filling the station; revision: a library in the field; counts:
/// the 41U configuration.
pub const ADIC_SCALAR_I500: ChangerProfile = ChangerProfile {
    name: "ADIC Scalar i500",
    model: Model { vendor: "ADIC", product: "Scalar i500", revision: "607G" },
    inquiry: Inquiry {
        device_type: 0x08,
        version: 0x03,
        format: 0x12,
        flags: [0x00, 0x20, 0x02],
        vendor_specific: *b"607G.GS00600       \x01",
        serial_at: None,
        descriptors: &[],
        length: 56,
    },
    first: [1, 0x1000, 0x0010, 0x0100],
    most: [409, 54, 18],
    serial: SerialForm::WithLibrary,
    naming: Naming::VendorBefore,
    vpd_pages: &[0x00, 0x80, 0x83],
    vpd_vendor: &[],
    mode_pages: mode::ADIC,
    block_descriptor: false,
    log_pages: log::ALERTS,
    log_form: LogForm::PLAIN,
    capabilities: Capabilities { stores: 0x0e, features: 0, moves: [0x06, 0x0e, 0x0e, 0x0e], exchanges: [0; 4] },
    lacks: &[
        "EXCHANGE MEDIUM",
        "OPEN/CLOSE IMPORT/EXPORT ELEMENT",
        "INITIALIZE ELEMENT STATUS WITH RANGE",
        "REQUEST VOLUME ELEMENT ADDRESS",
        "SEND VOLUME TAG",
    ],
    descriptors: Descriptors {
        drive: DriveIdentifier::T10(64),
        tail: 4,
        empty_tag: b' ',
        label: 32,
        without_label: (Asc(0x8300), Asc(0x8300)),
        cleaning: None,
    },
    prevents_export: true,
    order: DEFAULT_ORDER,
};
