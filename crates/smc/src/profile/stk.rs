//! Libraries of StorageTek, later Oracle.

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

/// StorageTek L700. Addresses and element counts: L700e/L180 SCSI reference, 8th edition (cells 1000 to 1677, drives
/// 500 to 519, CAP 10 to 55, hand 0). Identification and end of the element descriptors: ACSLS SCSI reference for the
/// same family. INQUIRY byte 55 bit 0 reports a barcode reader, where old tools such as loaderinfo look for it.
pub const STK_L700: ChangerProfile = ChangerProfile {
    name: "STK L700",
    model: ModelStrings { vendor: "STK", product: "L700", revision: "0310" },
    inquiry: InquiryData {
        device_type: 0x08,
        version: 0x03,
        format: 0x02,
        flags: [0x00, 0x00, 0x02],
        vendor_specific: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x01],
        serial_offset: None,
        descriptors: &[],
        length: 56,
    },
    first_addresses: [0, 1000, 10, 500],
    max_elements: [678, 46, 20],
    serial: SerialNumberFormat::AsIs,
    vpd_naming: VpdNaming::Standard,
    vpd_pages: &[0x00, 0x80, 0x83],
    vendor_vpd: &[],
    mode_pages: mode::STANDARD,
    block_descriptor: false,
    log_pages: log::STANDARD,
    log_options: LogPageOptions::DEFAULT,
    capabilities: Capabilities {
        stores: 0x0e,
        features: 0x02,
        moves: [0, 0x0e, 0x0e, 0x0e],
        exchanges: [0, 0x0e, 0x0e, 0x0e],
    },
    unsupported_commands: &[],
    descriptors: ElementDescriptorOptions {
        drive: DriveIdentifier::Serial(32),
        tail_len: 8,
        empty_tag_fill: 0,
        label_len: 32,
        label_exceptions: (Asc(0x8300), Asc(0x8300)),
        cleaning: None,
    },
    prevents_export: false,
    check_order: DEFAULT_ORDER,
    sources: Sources { tables: &[sources::STK_L_SERIES], sibling: None },
};

/// StorageTek L180: a smaller L700 with the same addresses, described by the same SCSI reference. Revision: as shown in
/// the Bareos manual.
pub const STK_L180: ChangerProfile = ChangerProfile {
    name: "STK L180",
    model: ModelStrings { vendor: "STK", product: "L180", revision: "0315" },
    max_elements: [174, 10, 10],
    ..STK_L700
};
