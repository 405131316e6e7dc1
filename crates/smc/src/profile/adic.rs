//! Libraries of ADIC, later Quantum.

use super::{
    Capabilities, ChangerProfile, DriveIdentifier, ElementDescriptorOptions, LogPageOptions, SerialNumberFormat,
    VpdNaming, sources,
};
use crate::{log, mode};
use scsi_core::asc::Asc;
use scsi_core::identity::ModelStrings;
use scsi_core::inquiry::InquiryData;
use scsi_core::lu::DEFAULT_ORDER;
use scsi_core::source::Sources;

/// ADIC Scalar i500, later sold by Quantum, and by Dell as ML6000. From Quantum's SCSI reference for its intelligent
/// libraries (6-00423): INQUIRY with the full firmware level from byte 36, VPD and mode pages, element descriptors (64
/// bytes of drive identifier), commands, and PREVENT that also blocks moves to import/export elements. Revision: a
/// library in the field. Element counts: the 41U configuration.
pub const ADIC_SCALAR_I500: ChangerProfile = ChangerProfile {
    name: "ADIC Scalar i500",
    model: ModelStrings { vendor: "ADIC", product: "Scalar i500", revision: "607G" },
    inquiry: InquiryData {
        device_type: 0x08,
        version: 0x03,
        format: 0x12,
        flags: [0x00, 0x20, 0x02],
        vendor_specific: *b"607G.GS00600       \x01",
        serial_offset: None,
        descriptors: &[],
        length: 56,
    },
    first_addresses: [1, 0x1000, 0x0010, 0x0100],
    max_elements: [409, 54, 18],
    serial: SerialNumberFormat::WithLibrary,
    vpd_naming: VpdNaming::VendorPrefix,
    vpd_pages: &[0x00, 0x80, 0x83],
    vendor_vpd: &[],
    mode_pages: mode::ADIC,
    block_descriptor: false,
    log_pages: log::TAPE_ALERT_ONLY,
    log_options: LogPageOptions::DEFAULT,
    capabilities: Capabilities { stores: 0x0e, features: 0, moves: [0x06, 0x0e, 0x0e, 0x0e], exchanges: [0; 4] },
    unsupported_commands: &[
        "EXCHANGE MEDIUM",
        "OPEN/CLOSE IMPORT/EXPORT ELEMENT",
        "INITIALIZE ELEMENT STATUS WITH RANGE",
        "REQUEST VOLUME ELEMENT ADDRESS",
        "SEND VOLUME TAG",
    ],
    descriptors: ElementDescriptorOptions {
        drive: DriveIdentifier::T10(64),
        tail_len: 4,
        empty_tag_fill: b' ',
        label_len: 32,
        label_exceptions: (Asc(0x8300), Asc(0x8300)),
        cleaning: None,
    },
    prevents_export: true,
    check_order: DEFAULT_ORDER,
    sources: Sources { tables: &[sources::SCALAR_I500], sibling: None },
};
