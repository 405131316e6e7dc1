//! Libraries of IBM, some of which Dell sold, too.

use super::{
    Capabilities, ChangerProfile, DriveIdentifier, ElementDescriptorOptions, LogPageOptions, MediumTypes,
    SerialNumberFormat, VpdNaming, sources,
};
use crate::{log, mode};
use scsi_core::asc::Asc;
use scsi_core::identity::ModelStrings;
use scsi_core::inquiry::InquiryData;
use scsi_core::inquiry::VersionDescriptor::Standard;
use scsi_core::lu::DEFAULT_ORDER;
use scsi_core::source::Sources;

/// IBM TS3500 (3584) frame L32. INQUIRY, DVCID, drive addresses, mode pages and commands: IBM's SCSI reference for the
/// 3584 and its successors. Revision 2C02 and version 3: as reported by such a library. It supports opcode E7h instead
/// of 37h. Storage addresses begin at 1024 plus the number of the logical library.
pub const IBM_03584L32: ChangerProfile = ChangerProfile {
    name: "IBM 03584L32",
    model: ModelStrings { vendor: "IBM", product: "03584L32", revision: "2C02" },
    inquiry: InquiryData {
        device_type: 0x08,
        version: 0x03,
        format: 0x02,
        flags: [0x00, 0x20, 0x02],
        // Plant of manufacture ("00"), serial number, and two ASCII zeros.
        vendor_specific: *b"00            00\0\0\0\0",
        serial_offset: Some(38),
        descriptors: &[],
        length: 58,
    },
    first_addresses: [1, 0x0401, 0x0301, 0x0101],
    max_elements: [6887, 255, 192],
    serial: SerialNumberFormat::WithFirstStorage,
    vpd_naming: VpdNaming::Standard,
    vpd_pages: &[0x00, 0x80, 0x83],
    vendor_vpd: &[],
    mode_pages: mode::SHORT,
    block_descriptor: false,
    log_pages: log::TAPE_ALERT_ONLY,
    log_options: LogPageOptions::DEFAULT,
    capabilities: Capabilities {
        stores: 0x0e,
        features: 0,
        moves: [0, 0x0e, 0x0e, 0x0e],
        exchanges: [0, 0x0e, 0x0e, 0x0e],
    },
    unsupported_commands: &[
        "OPEN/CLOSE IMPORT/EXPORT ELEMENT",
        "INITIALIZE ELEMENT STATUS WITH RANGE",
        "REPORT ELEMENT INFORMATION",
    ],
    descriptors: ElementDescriptorOptions {
        drive: DriveIdentifier::T10(34),
        tail_len: 4,
        domains: false,
        medium_types: MediumTypes::Smc3,
        empty_tag_fill: b' ',
        label_len: 32,
        label_exceptions: (Asc(0x8300), Asc(0x8300)),
        cleaning: None,
    },
    prevents_export: false,
    check_order: DEFAULT_ORDER,
    sources: Sources { tables: &[sources::IBM_3584], sibling: None },
};

/// IBM TS3100 and TS3200, and Dell TL2000 and TL4000, which report the same identity. Mode and VPD pages, element
/// descriptors, exceptions and commands: Dell TL2000/TL4000 SCSI reference. Addresses and element counts: IBM's
/// TS3100/TS3200 guide (45 slots and three import/export slots, or 48 slots without). Revision and page C0h: captures.
pub const IBM_3573_TL: ChangerProfile = ChangerProfile {
    name: "IBM 3573-TL",
    model: ModelStrings { vendor: "IBM", product: "3573-TL", revision: "9.20" },
    inquiry: InquiryData {
        device_type: 0x08,
        version: 0x05,
        format: 0x02,
        flags: [0x00, 0x00, 0x00],
        vendor_specific: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x01],
        serial_offset: Some(38),
        // SAM-2, SPC-3, SMC-2.
        descriptors: &[Standard(0x005c), Standard(0x0b56), Standard(0x02fe), Standard(0x030f)],
        length: 72,
    },
    first_addresses: [1, 0x1000, 0x0010, 0x0100],
    max_elements: [48, 3, 4],
    serial: SerialNumberFormat::WithLibrary,
    vpd_naming: VpdNaming::Standard,
    vpd_pages: &[0x00, 0x80, 0x83, 0xc0],
    // Firmware checksum and build date.
    vendor_vpd: &[(
        0xc0,
        b"\x00\x00\x00\x00484704-03-2008              \x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
    )],
    mode_pages: mode::STANDARD,
    capabilities: Capabilities { stores: 0x0e, features: 0x02, moves: [0, 0x0e, 0x0a, 0x0e], exchanges: [0; 4] },
    unsupported_commands: &["EXCHANGE MEDIUM", "INITIALIZE ELEMENT STATUS WITH RANGE (E7h)", "REPORT ELEMENT INFORMATION"],
    descriptors: ElementDescriptorOptions {
        drive: DriveIdentifier::T10(34),
        tail_len: 4,
        domains: false,
        medium_types: MediumTypes::Smc3,
        empty_tag_fill: b' ',
        label_len: 32,
        // 83h/00h: element not scanned; 30h/83h: cleaning cartridge without a label.
        label_exceptions: (Asc(0x8301), Asc(0x8301)),
        cleaning: Some((Asc::CLEANING_CARTRIDGE_INSTALLED, Asc(0x3083))),
    },
    sources: Sources { tables: &[sources::IBM_3573], sibling: None },
    ..IBM_03584L32
};

/// IBM TS4300, which reports the identity of its predecessors TS3100 and TS3200; so does Dell's ML3. Revision: as reported by
/// such a library with LTO-9 drives.
pub const IBM_TS4300: ChangerProfile = ChangerProfile {
    name: "IBM TS4300",
    model: ModelStrings { vendor: "IBM", product: "3573-TL", revision: "1621" },
    max_elements: [280, 35, 21],
    sources: Sources { tables: &[sources::TS4300], sibling: Some("IBM 3573-TL") },
    ..IBM_3573_TL
};
