//! Libraries of ADIC, and of Quantum, which bought it.

use super::{
    Capabilities, ChangerProfile, DriveIdentifier, ElementDescriptorOptions, LogPageOptions, MediumTypes,
    SerialNumberFormat, VpdNaming, sources,
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
        "REPORT ELEMENT INFORMATION",
    ],
    descriptors: ElementDescriptorOptions {
        drive: DriveIdentifier::T10(64),
        tail_len: 4,
        domains: false,
        medium_types: MediumTypes::Smc3,
        empty_tag_fill: b' ',
        label_len: 32,
        label_exceptions: (Asc(0x8300), Asc(0x8300)),
        cleaning: None,
    },
    prevents_export: true,
    check_order: DEFAULT_ORDER,
    sources: Sources { tables: &[sources::SCALAR_I500], sibling: None },
};

/// Quantum Scalar i500, with Quantum's vendor identification. From the same reference as [`ADIC_SCALAR_I500`], in the
/// edition for the Scalar i3, i6 and i7 too: the serial number as printed there, and codes of MEDIUM TYPE.
pub const QUANTUM_SCALAR_I500: ChangerProfile = ChangerProfile {
    name: "QUANTUM Scalar i500",
    model: ModelStrings { vendor: "QUANTUM", product: "Scalar i500", revision: "700G" },
    inquiry: InquiryData { vendor_specific: *b"700G               \x01", ..ADIC_SCALAR_I500.inquiry },
    serial: SerialNumberFormat::WithNumber,
    descriptors: ElementDescriptorOptions { medium_types: MediumTypes::Quantum, ..ADIC_SCALAR_I500.descriptors },
    sources: Sources { tables: &[sources::SCALAR_I500_OF_QUANTUM, sources::SCALAR], sibling: None },
    ..ADIC_SCALAR_I500
};

/// Quantum Scalar i40 and i80, which have one product identification.
pub const QUANTUM_SCALAR_I40_I80: ChangerProfile = ChangerProfile {
    name: "QUANTUM Scalar i40-i80",
    model: ModelStrings { vendor: "QUANTUM", product: "Scalar i40-i80", revision: "180G" },
    inquiry: InquiryData { vendor_specific: *b"180G               \x01", ..ADIC_SCALAR_I500.inquiry },
    max_elements: [80, 10, 5],
    sources: Sources { tables: &[sources::SCALAR_I40_I80, sources::SCALAR], sibling: None },
    ..QUANTUM_SCALAR_I500
};

/// Quantum Scalar i3 and i6, which have one product identification. They support REPORT ELEMENT INFORMATION.
pub const QUANTUM_SCALAR_I3_I6: ChangerProfile = ChangerProfile {
    name: "QUANTUM Scalar i3-i6",
    model: ModelStrings { vendor: "QUANTUM", product: "Scalar i3-i6", revision: "225G" },
    inquiry: InquiryData { vendor_specific: *b"225G               \x01", ..ADIC_SCALAR_I500.inquiry },
    max_elements: [800, 240, 48],
    vpd_pages: &[0x00, 0x80, 0x83, 0x85, 0xc8],
    // No path failover.
    vendor_vpd: &[(0xc8, &[0; 4])],
    mode_pages: mode::SCALAR,
    capabilities: Capabilities { features: 0x03, ..ADIC_SCALAR_I500.capabilities },
    unsupported_commands: &[
        "EXCHANGE MEDIUM",
        "OPEN/CLOSE IMPORT/EXPORT ELEMENT",
        "INITIALIZE ELEMENT STATUS WITH RANGE",
        "REQUEST VOLUME ELEMENT ADDRESS",
        "SEND VOLUME TAG",
    ],
    sources: Sources { tables: &[sources::SCALAR_I3_I6, sources::SCALAR], sibling: None },
    ..QUANTUM_SCALAR_I500
};

/// Quantum Scalar i6000, formerly ADIC Scalar i2000. It supports REQUEST VOLUME ELEMENT ADDRESS and SEND VOLUME TAG.
pub const QUANTUM_SCALAR_I6000: ChangerProfile = ChangerProfile {
    name: "QUANTUM Scalar i6000",
    model: ModelStrings { vendor: "QUANTUM", product: "Scalar i6000", revision: "800Q" },
    inquiry: InquiryData { vendor_specific: *b"800Q               \x01", ..ADIC_SCALAR_I500.inquiry },
    max_elements: [12_006, 240, 192],
    unsupported_commands: &[
        "EXCHANGE MEDIUM",
        "OPEN/CLOSE IMPORT/EXPORT ELEMENT",
        "INITIALIZE ELEMENT STATUS WITH RANGE",
        "REPORT ELEMENT INFORMATION",
    ],
    sources: Sources { tables: &[sources::SCALAR_I6000, sources::SCALAR], sibling: None },
    ..QUANTUM_SCALAR_I500
};
