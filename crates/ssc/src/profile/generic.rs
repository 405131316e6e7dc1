//! A drive of no model, which takes every medium there is, for products that nobody knows. mhvtl has such a drive, too.

use super::{DriveProfile, Format, Maker, SCSI_2, medium, no_vpd, rw};
use crate::{log, mode};
use scsi_core::dump::DumpSupport;
use scsi_core::identity::Model;
use scsi_core::inquiry::Inquiry;
use scsi_core::lu::DEFAULT_ORDER;
use tape_store::media::{LTO_1, LTO_2, LTO_3, LTO_4, LTO_5, LTO_6, LTO_7, LTO_7M, LTO_8, LTO_9};

/// As mhvtl's drives that are not LTO: ADDR16 and WBUS16; SPC-3, iSCSI and SSC.
pub(super) const INQUIRY: Inquiry = Inquiry {
    device_type: 0x01,
    version: 0x02,
    format: 0x02,
    flags: [0x00, 0x01, 0x20],
    vendor_specific: [0; 20],
    serial_at: None,
    descriptors: &[0x0300, 0x0960, 0x0200],
    length: 64,
};

/// By density; media of several families share one.
const EVERYTHING: &[Format] = &[
    rw(medium("DDS1")),
    rw(medium("DLT3")),
    rw(medium("DLT4")),
    rw(medium("DDS2")),
    rw(medium("DDS3")),
    rw(medium("DDS4")),
    rw(medium("AIT1")),
    rw(medium("AIT2")),
    rw(medium("AIT3")),
    rw(medium("AIT4")),
    rw(&LTO_1),
    rw(&LTO_2),
    rw(medium("9840A")),
    rw(medium("9840B")),
    rw(medium("9940A")),
    rw(&LTO_3),
    rw(medium("9940B")),
    rw(medium("9840C")),
    rw(&LTO_4),
    rw(medium("9840D")),
    rw(medium("SDLT1")),
    rw(medium("SDLT220")),
    rw(medium("SDLT320")),
    rw(medium("SDLT600")),
    rw(medium("T10KA")),
    rw(medium("T10KB")),
    rw(medium("T10KC")),
    rw(medium("J1A")),
    rw(medium("E05")),
    rw(medium("E06")),
    rw(medium("E07")),
    rw(&LTO_5),
    rw(&LTO_6),
    rw(&LTO_7),
    rw(&LTO_7M),
    rw(&LTO_8),
    rw(&LTO_9),
];

/// It is of SCSI-2, so it knows neither persistent reservations nor encryption.
pub const GENERIC: DriveProfile = DriveProfile {
    model: Model { vendor: "FERRIC", product: "VIRTUAL DRIVE", revision: "0100" },
    maker: Maker::Other,
    inquiry: INQUIRY,
    formats: EVERYTHING,
    native: &LTO_9,
    mode_pages: mode::PLAIN_PAGES,
    log_pages: log::PLAIN_PAGES,
    vpd_pages: &[0x00, 0x80, 0x83, 0xb0, 0xb1, 0xb2],
    vendor_vpd: no_vpd,
    order: DEFAULT_ORDER,
    algorithm: (1, &[]),
    raw_reads: false,
    protection: &[],
    worm: true,
    dumps: DumpSupport::NONE,
    lacks: SCSI_2,
};
