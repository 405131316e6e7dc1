//! Libraries of Hewlett-Packard and HPE.

use super::{
    Capabilities, ChangerProfile, DriveIdentifier, ElementDescriptorOptions, LogPageOptions, MediumTypes,
    SerialNumberFormat, VpdNaming, sources,
};
use crate::{log, mode};
use scsi_core::asc::Asc;
use scsi_core::identity::ModelStrings;
use scsi_core::inquiry::InquiryData;
use scsi_core::inquiry::VersionDescriptor::Standard;
use scsi_core::log::COUNTER_CONTROL;
use scsi_core::lu::DEFAULT_ORDER;
use scsi_core::source::Sources;

/// HP StorageWorks MSL2024, 4048, 8048 and 8096, which report their generation as product. Addresses, mode pages with
/// block descriptor, capabilities and element descriptors: capture of an MSL3040, the successor. Commands: table of
/// contents of HPE's MSL6480 SCSI reference. Element counts: an MSL8096 (96 slots, twelve of them mail slots, eight
/// drives).
pub const HP_MSL_G3: ChangerProfile = ChangerProfile {
    name: "HP MSL G3 Series",
    model: ModelStrings { vendor: "HP", product: "MSL G3 Series", revision: "5.30" },
    inquiry: InquiryData {
        device_type: 0x08,
        version: 0x05,
        format: 0x02,
        flags: [0x00, 0x10, 0x00],
        vendor_specific: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x01],
        serial_offset: None,
        descriptors: &[],
        length: 72,
    },
    first_addresses: [0, 1001, 101, 1],
    max_elements: [96, 12, 8],
    serial: SerialNumberFormat::AsIs,
    vpd_naming: VpdNaming::Standard,
    vpd_pages: &[0x00, 0x80, 0x83, 0x85],
    vendor_vpd: &[],
    mode_pages: mode::HP,
    block_descriptor: true,
    log_pages: log::STANDARD,
    log_options: LogPageOptions::DEFAULT,
    capabilities: Capabilities {
        stores: 0x0a,
        features: 0x07,
        moves: [0x0a, 0x0e, 0x0a, 0x0e],
        exchanges: [0, 0x0a, 0x0a, 0x0a],
    },
    unsupported_commands: &["INITIALIZE ELEMENT STATUS WITH RANGE (E7h)"],
    descriptors: ElementDescriptorOptions {
        drive: DriveIdentifier::T10(34),
        tail_len: 4,
        domains: false,
        medium_types: MediumTypes::Smc3,
        empty_tag_fill: 0,
        label_len: 32,
        label_exceptions: (Asc(0x8300), Asc(0x8300)),
        cleaning: None,
    },
    prevents_export: false,
    check_order: DEFAULT_ORDER,
    sources: Sources { tables: &[sources::MSL_G3], sibling: Some("HPE MSL3040") },
};

/// HPE StoreEver MSL3040. INQUIRY, VPD, mode and log pages, element descriptors and the serial number of a logical
/// library: capture of revision 3350. VPD page C8h is listed in the capture; its layout is that of the page with this code
/// in Quantum's SCSI reference, without path failover. The element counts are not from the capture.
pub const HPE_MSL3040: ChangerProfile = ChangerProfile {
    name: "HPE MSL3040",
    model: ModelStrings { vendor: "HPE", product: "MSL3040", revision: "3350" },
    inquiry: InquiryData {
        flags: [0x00, 0x11, 0x02],
        vendor_specific: [0, 0, 0, 0, 0, 0x1c, 0, 0x01, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x01],
        // SAM-2, none, SPC-3, SMC-2.
        descriptors: &[Standard(0x005c), Standard(0), Standard(0x030f), Standard(0x02fe)],
        length: 74,
        ..HP_MSL_G3.inquiry
    },
    max_elements: [640, 80, 48],
    serial: SerialNumberFormat::WithPartition,
    vpd_naming: VpdNaming::NaaFirst,
    vpd_pages: &[0x00, 0x80, 0x83, 0x85, 0xc0, 0xc8, 0xcc, 0xd0],
    vendor_vpd: &[
        (0xc0, b"\x00\x00\x00\x00258907-26-2024              \x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"),
        (0xc8, &[0; 4]),
        (0xcc, b"\x00\x00\x00\x00HPE     MSL3040         3350"),
        (0xd0, b"\x00\x00\x01\x00\xc3P\xc3P'\x10\x00\x00\x00\x00\x00\x00"),
    ],
    log_pages: log::MSL3040,
    sources: Sources { tables: &[sources::MSL3040], sibling: None },
    log_options: LogPageOptions { control: (COUNTER_CONTROL, COUNTER_CONTROL), reference: Some(95) },
    ..HP_MSL_G3
};

/// HPE StoreEver MSL6480. VPD pages: HPE's MSL6480 SCSI reference (QU625-96352), of which the table of contents is known;
/// the rest is that of an MSL3040.
pub const HP_MSL6480: ChangerProfile = ChangerProfile {
    name: "HP MSL6480 Series",
    model: ModelStrings { vendor: "HP", product: "MSL6480 Series", revision: "6.40" },
    max_elements: [560, 35, 42],
    vpd_naming: VpdNaming::Standard,
    vpd_pages: &[0x00, 0x80, 0x83, 0x85, 0xc0, 0xcc, 0xd0],
    vendor_vpd: &[
        (0xc0, &[0; 60]),
        (0xcc, b"\x00\x00\x00\x00HP      MSL6480 Series  6.40"),
        (0xd0, b"\x00\x00\x01\x00\xc3P\xc3P'\x10\x00\x00\x00\x00\x00\x00"),
    ],
    sources: Sources { tables: &[sources::MSL6480], sibling: Some("HPE MSL3040") },
    ..HPE_MSL3040
};
