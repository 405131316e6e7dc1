//! StorageTek T10000, 9840 and 9940, as mhvtl presents them; not compared with captures. A 9940A takes its own cartridges
//! here, where mhvtl lists those of the 9840A by mistake.

use super::{DriveProfile, GENERIC, LACKS_BEFORE_LTO_5, MediaSupport, generic, media_by_name, ro, rw};
use crate::{log, mode};
use scsi_core::identity::ModelStrings;
use scsi_core::inquiry::InquiryData;

/// Byte 54: key management; byte 55: encrypting, VolSafe (of T10000) and compression.
const fn inquiry(byte_55: u8) -> InquiryData {
    let mut vendor_specific = [0; 20];
    (vendor_specific[18], vendor_specific[19]) = (0x04, byte_55);
    InquiryData { version: 0x05, format: 0x42, vendor_specific, length: 74, ..generic::INQUIRY }
}

const fn drive(product: &'static str, name: &str, formats: &'static [MediaSupport]) -> DriveProfile {
    DriveProfile {
        model: ModelStrings { vendor: "STK", product, revision: "0100" },
        inquiry: inquiry(0x12),
        supported_media: formats,
        native_media: media_by_name(name),
        mode_pages: mode::SCSI_2_PAGES,
        vpd_pages: &[0x00, 0x80, 0x83, 0xb0],
        unsupported_commands: LACKS_BEFORE_LTO_5,
        ..GENERIC
    }
}

const fn t10000(product: &'static str, name: &str, formats: &'static [MediaSupport], worm: bool) -> DriveProfile {
    DriveProfile {
        inquiry: InquiryData { descriptors: &[0x0077, 0x0314, 0x0403, 0x0a11], ..inquiry(0x16) },
        mode_pages: mode::SINGLE_PARTITION_PAGES,
        log_pages: log::T10000_PAGES,
        worm,
        ..drive(product, name, formats)
    }
}

/// T10000A.
pub const T10000A: DriveProfile = t10000("T10000A", "T10KA", &[rw(media_by_name("T10KA"))], false);
/// T10000B: writes both densities.
pub const T10000B: DriveProfile =
    t10000("T10000B", "T10KB", &[rw(media_by_name("T10KA")), rw(media_by_name("T10KB"))], true);
/// T10000C: writes all three.
pub const T10000C: DriveProfile = t10000(
    "T10000C",
    "T10KC",
    &[rw(media_by_name("T10KA")), rw(media_by_name("T10KB")), rw(media_by_name("T10KC"))],
    true,
);

/// 9840A.
pub const T9840A: DriveProfile = drive("T9840A", "9840A", &[rw(media_by_name("9840A"))]);
/// 9840B: writes both.
pub const T9840B: DriveProfile = drive("T9840B", "9840B", &[rw(media_by_name("9840A")), rw(media_by_name("9840B"))]);
/// 9840C: reads those of a 9840A.
pub const T9840C: DriveProfile =
    drive("T9840C", "9840C", &[ro(media_by_name("9840A")), rw(media_by_name("9840B")), rw(media_by_name("9840C"))]);
/// 9840D: reads those of a 9840B.
pub const T9840D: DriveProfile =
    drive("T9840D", "9840D", &[ro(media_by_name("9840B")), rw(media_by_name("9840C")), rw(media_by_name("9840D"))]);
/// 9940A.
pub const T9940A: DriveProfile = drive("T9940A", "9940A", &[rw(media_by_name("9940A"))]);
/// 9940B: writes both.
pub const T9940B: DriveProfile = drive("T9940B", "9940B", &[rw(media_by_name("9940A")), rw(media_by_name("9940B"))]);
