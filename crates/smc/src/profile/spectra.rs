//! Libraries of Spectra Logic.

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

/// Spectra T-series (T50e to T950), which reports the product PYTHON. INQUIRY, mode pages (6-byte commands only),
/// addresses, element descriptors and ten characters of the label: Spectra's SCSI developer guide. Drive identifier: as
/// reported by emulators of the model. Element counts: one T950 frame with its TeraPack ports.
pub const SPECTRA_PYTHON: ChangerProfile = ChangerProfile {
    name: "SPECTRA PYTHON",
    model: ModelStrings { vendor: "SPECTRA", product: "PYTHON", revision: "2000" },
    inquiry: InquiryData {
        device_type: 0x08,
        version: 0x02,
        format: 0x02,
        flags: [0x00, 0x00, 0x00],
        vendor_specific: [0; 20],
        serial_offset: None,
        descriptors: &[],
        length: 36,
    },
    first_addresses: [1, 0x1000, 0x0010, 0x0100],
    max_elements: [950, 200, 120],
    serial: SerialNumberFormat::AsIs,
    vpd_naming: VpdNaming::Standard,
    vpd_pages: &[0x00, 0x80, 0x83],
    vendor_vpd: &[],
    mode_pages: mode::SPECTRA,
    block_descriptor: false,
    log_pages: log::TAPE_ALERT_ONLY,
    log_options: LogPageOptions::DEFAULT,
    capabilities: Capabilities { stores: 0x0e, features: 0, moves: [0, 0x0e, 0x0e, 0x0e], exchanges: [0; 4] },
    unsupported_commands: &[
        "EXCHANGE MEDIUM",
        "MODE SENSE(10)",
        "MODE SELECT(10)",
        "OPEN/CLOSE IMPORT/EXPORT ELEMENT",
        "INITIALIZE ELEMENT STATUS WITH RANGE",
        "REQUEST VOLUME ELEMENT ADDRESS",
        "SEND VOLUME TAG",
        "REPORT ELEMENT INFORMATION",
    ],
    descriptors: ElementDescriptorOptions {
        drive: DriveIdentifier::Serial(32),
        tail_len: 4,
        domains: false,
        medium_types: MediumTypes::Smc3,
        empty_tag_fill: b' ',
        label_len: 10,
        label_exceptions: (Asc(0x8300), Asc(0x8300)),
        cleaning: None,
    },
    prevents_export: false,
    check_order: DEFAULT_ORDER,
    sources: Sources { tables: &[sources::PYTHON], sibling: None },
};
