//! IBM.

use super::{Capabilities, ChangerProfile, Descriptors, DriveIdentifier, LogForm, Naming, SerialForm};
use crate::{log, mode};
use scsi_core::asc::Asc;
use scsi_core::identity::Model;
use scsi_core::inquiry::Inquiry;
use scsi_core::lu::DEFAULT_ORDER;

/// IBM TS3500 (3584) frame L32. INQUIRY, DVCID, drive addresses, mode pages and commands: IBM's SCSI reference for the
/// 3584 and its successors; revision 2C02 and version 3 as reported by such a library. It knows E7h where others know
/// 37h. Storage begins at 1024 and the number of the logical library.
pub const IBM_03584L32: ChangerProfile = ChangerProfile {
    name: "IBM 03584L32",
    model: Model { vendor: "IBM", product: "03584L32", revision: "2C02" },
    inquiry: Inquiry {
        device_type: 0x08,
        version: 0x03,
        format: 0x02,
        flags: [0x00, 0x20, 0x02],
        // Plant of manufacture, serial number, and two ASCII zeros.
        vendor_specific: *b"00            00\0\0\0\0",
        serial_at: Some(38),
        descriptors: &[],
        length: 58,
    },
    first: [1, 0x0401, 0x0301, 0x0101],
    most: [6887, 255, 192],
    serial: SerialForm::WithFirstStorage,
    naming: Naming::Standard,
    vpd_pages: &[0x00, 0x80, 0x83],
    vpd_vendor: &[],
    mode_pages: mode::SHORT,
    block_descriptor: false,
    log_pages: log::ALERTS,
    log_form: LogForm::PLAIN,
    capabilities: Capabilities {
        stores: 0x0e,
        features: 0,
        moves: [0, 0x0e, 0x0e, 0x0e],
        exchanges: [0, 0x0e, 0x0e, 0x0e],
    },
    lacks: &["OPEN/CLOSE IMPORT/EXPORT ELEMENT", "INITIALIZE ELEMENT STATUS WITH RANGE", "REPORT ELEMENT INFORMATION"],
    descriptors: Descriptors {
        drive: DriveIdentifier::T10(34),
        tail: 4,
        empty_tag: b' ',
        label: 32,
        without_label: (Asc(0x8300), Asc(0x8300)),
        cleaning: None,
    },
    prevents_export: false,
    order: DEFAULT_ORDER,
};

/// IBM TS3100 and TS3200, and Dell TL2000 and TL4000, which say the same of themselves. Dell TL2000/TL4000 SCSI
/// reference (mode and VPD pages, descriptors, exceptions, commands); addresses and counts: IBM's TS3100/TS3200 guide
/// (45 slots and three import/export slots, or 48 slots without); revision and page C0h from captures.
pub const IBM_3573_TL: ChangerProfile = ChangerProfile {
    name: "IBM 3573-TL",
    model: Model { vendor: "IBM", product: "3573-TL", revision: "9.20" },
    inquiry: Inquiry {
        device_type: 0x08,
        version: 0x05,
        format: 0x02,
        flags: [0x00, 0x00, 0x00],
        vendor_specific: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x01],
        serial_at: Some(38),
        // SAM-2, SPC-3, SMC-2.
        descriptors: &[0x005c, 0x0b56, 0x02fe, 0x030f],
        length: 72,
    },
    first: [1, 0x1000, 0x0010, 0x0100],
    most: [48, 3, 4],
    serial: SerialForm::WithLibrary,
    naming: Naming::Standard,
    vpd_pages: &[0x00, 0x80, 0x83, 0xc0],
    // Firmware checksum and build date.
    vpd_vendor: &[(
        0xc0,
        b"\x00\x00\x00\x00484704-03-2008              \x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
    )],
    mode_pages: mode::STANDARD,
    capabilities: Capabilities { stores: 0x0e, features: 0x02, moves: [0, 0x0e, 0x0a, 0x0e], exchanges: [0; 4] },
    lacks: &["EXCHANGE MEDIUM", "INITIALIZE ELEMENT STATUS WITH RANGE (E7h)", "REPORT ELEMENT INFORMATION"],
    descriptors: Descriptors {
        drive: DriveIdentifier::T10(34),
        tail: 4,
        empty_tag: b' ',
        label: 32,
        // 83h/00h is an element that was not scanned yet, 30h/83h a cleaning cartridge without a label.
        without_label: (Asc(0x8301), Asc(0x8301)),
        cleaning: Some((Asc::CLEANING_CARTRIDGE_INSTALLED, Asc(0x3083))),
    },
    ..IBM_03584L32
};
