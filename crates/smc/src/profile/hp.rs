//! Hewlett-Packard.

use super::{Capabilities, ChangerProfile, Descriptors, DriveIdentifier, Naming, SerialForm};
use crate::{log, mode};
use scsi_core::asc::Asc;
use scsi_core::identity::Model;
use scsi_core::inquiry::Inquiry;
use scsi_core::lu::DEFAULT_ORDER;

/// HP StorageWorks MSL2024, 4048, 8048 and 8096, which call themselves by their generation. Addresses, mode pages with
/// the block descriptor, capabilities and descriptors: capture of an MSL3040, their successor; commands: contents of
/// HPE's MSL6480 SCSI reference; counts: those of an MSL8096 (96 slots, twelve of them mailslots, eight drives).
pub const HP_MSL_G3: ChangerProfile = ChangerProfile {
    name: "HP MSL G3 Series",
    model: Model { vendor: "HP", product: "MSL G3 Series", revision: "5.30" },
    inquiry: Inquiry {
        device_type: 0x08,
        version: 0x05,
        format: 0x02,
        flags: [0x00, 0x10, 0x00],
        vendor_specific: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x01],
        serial_at: None,
        descriptors: &[],
        length: 72,
    },
    first: [0, 1001, 101, 1],
    most: [96, 12, 8],
    serial: SerialForm::Plain,
    naming: Naming::Standard,
    vpd_pages: &[0x00, 0x80, 0x83, 0x85],
    vpd_vendor: &[],
    mode_pages: mode::HP,
    block_descriptor: true,
    log_pages: log::STANDARD,
    capabilities: Capabilities {
        stores: 0x0a,
        features: 0x07,
        moves: [0x0a, 0x0e, 0x0a, 0x0e],
        exchanges: [0, 0x0a, 0x0a, 0x0a],
    },
    lacks: &["INITIALIZE ELEMENT STATUS WITH RANGE (E7h)"],
    descriptors: Descriptors {
        drive: DriveIdentifier::T10(34),
        tail: 4,
        empty_tag: 0,
        label: 32,
        without_label: (Asc(0x8300), Asc(0x8300)),
    },
    prevents_export: false,
    order: DEFAULT_ORDER,
};
