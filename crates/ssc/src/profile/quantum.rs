//! Quantum DLT7000 and DLT8000, SDLT 320 and SDLT 600, as in mhvtl; not compared with captures.

use super::{DriveProfile, GENERIC, MediaSupport, UNSUPPORTED_BEFORE_LTO_4, generic, media_by_name, ro, rw};
use crate::mode;
use scsi_core::identity::ModelStrings;
use scsi_core::inquiry::InquiryData;

const DLT: &[MediaSupport] = &[ro(media_by_name("DLT3")), rw(media_by_name("DLT4"))];

const fn dlt(product: &'static str) -> DriveProfile {
    DriveProfile {
        model: ModelStrings { vendor: "QUANTUM", product, revision: "0100" },
        supported_media: DLT,
        native_media: media_by_name("DLT4"),
        mode_pages: mode::DLT_PAGES,
        vpd_pages: &[0x00, 0x80, 0x83],
        worm: false,
        ..GENERIC
    }
}

/// Profile of an SDLT drive; byte 36 of INQUIRY is the product family.
const fn sdlt(
    product: &'static str,
    family: u8,
    name: &str,
    supported_media: &'static [MediaSupport],
    worm: bool,
) -> DriveProfile {
    let mut vendor_specific = [0; 20];
    vendor_specific[0] = family;
    DriveProfile {
        inquiry: InquiryData { version: 0x05, vendor_specific, ..generic::INQUIRY },
        supported_media,
        native_media: media_by_name(name),
        mode_pages: mode::SINGLE_PARTITION_PAGES,
        vpd_pages: GENERIC.vpd_pages,
        worm,
        unsupported_commands: UNSUPPORTED_BEFORE_LTO_4,
        ..dlt(product)
    }
}

/// Quantum DLT7000: writes DLTtape IV, reads DLTtape III.
pub const DLT7000: DriveProfile = dlt("DLT7000");
/// Quantum DLT8000: writes DLTtape IV, reads DLTtape III.
pub const DLT8000: DriveProfile = dlt("DLT8000");
/// Quantum SDLT 320: writes SDLT 220 and SDLT 320, reads earlier SDLT media.
pub const SDLT_320: DriveProfile = sdlt(
    "SDLT 320",
    0xb0,
    "SDLT320",
    &[ro(media_by_name("SDLT1")), rw(media_by_name("SDLT220")), rw(media_by_name("SDLT320"))],
    false,
);
/// Quantum SDLT 600: writes SDLT 320 and SDLT 600, reads SDLT 220; supports WORM.
pub const SDLT_600: DriveProfile = sdlt(
    "SDLT600",
    0xc0,
    "SDLT600",
    &[ro(media_by_name("SDLT220")), rw(media_by_name("SDLT320")), rw(media_by_name("SDLT600"))],
    true,
);
