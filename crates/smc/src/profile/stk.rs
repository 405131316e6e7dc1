//! Libraries of StorageTek, later Oracle.

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
        domains: false,
        medium_types: MediumTypes::Smc3,
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

/// StorageTek L20: addresses of an [`STK_L700`], without VPD page 83h, as mhvtl presents it.
pub const STK_L20: ChangerProfile = ChangerProfile {
    name: "STK L20",
    model: ModelStrings { vendor: "STK", product: "L20", revision: "0310" },
    max_elements: [20, 4, 2],
    vpd_pages: &[0x00, 0x80],
    sources: Sources { tables: &[sources::STK_L20], sibling: Some("STK L700") },
    ..STK_L700
};

/// StorageTek L40, a larger [`STK_L20`].
pub const STK_L40: ChangerProfile = ChangerProfile {
    name: "STK L40",
    model: ModelStrings { vendor: "STK", product: "L40", revision: "0310" },
    max_elements: [40, 4, 4],
    ..STK_L20
};

/// StorageTek L80, a larger [`STK_L20`].
pub const STK_L80: ChangerProfile = ChangerProfile {
    name: "STK L80",
    model: ModelStrings { vendor: "STK", product: "L80", revision: "0310" },
    max_elements: [80, 4, 8],
    ..STK_L20
};

/// Oracle StorageTek SL150. INQUIRY strings, VPD pages, addresses, moves, element descriptors and the serial number of 18
/// characters, in which the library puts the number of a partition: SL150 interface reference manual (E51473-03).
pub const STK_SL150: ChangerProfile = ChangerProfile {
    name: "STK SL150",
    model: ModelStrings { vendor: "STK", product: "SL150", revision: "0250" },
    inquiry: InquiryData { flags: [0x00, 0x00, 0x02], ..STK_SL500.inquiry },
    max_elements: [300, 32, 20],
    vpd_naming: VpdNaming::Standard,
    vpd_pages: &[0x00, 0x80, 0x83, 0x88],
    mode_pages: mode::SL150,
    sources: Sources { tables: &[sources::SL150], sibling: None },
    ..STK_SL500
};

/// Sun StorageTek SL500. INQUIRY data of 36 bytes, VPD pages of a library with Fibre Channel, addresses and element
/// descriptors: SL500 interface reference manual (96122, revision F).
pub const STK_SL500: ChangerProfile = ChangerProfile {
    name: "STK SL500",
    model: ModelStrings { vendor: "STK", product: "SL500", revision: "0000" },
    inquiry: InquiryData {
        format: 0x12,
        flags: [0x00, 0x00, 0x00],
        vendor_specific: [0; 20],
        length: 36,
        ..STK_L700.inquiry
    },
    max_elements: [575, 45, 18],
    vpd_naming: VpdNaming::NaaOnly,
    mode_pages: mode::SL500,
    log_pages: log::TAPE_ALERT_ONLY,
    capabilities: Capabilities { stores: 0x0e, features: 0, moves: [0, 0x0e, 0x0e, 0x0e], exchanges: [0; 4] },
    unsupported_commands: &["EXCHANGE MEDIUM"],
    descriptors: ElementDescriptorOptions { domains: true, ..STK_L700.descriptors },
    sources: Sources { tables: &[sources::SL500], sibling: None },
    ..STK_L700
};
