//! StorageTek T10000, 9840 and 9940, as in mhvtl; not compared with captures. The 9940A supports 9940A cartridges,
//! where mhvtl lists those of the 9840A by mistake.

use super::{DriveProfile, GENERIC, MediaSupport, UNSUPPORTED_BEFORE_LTO_5, generic, media_by_name, ro, rw, sources};
use crate::{log, mode};
use scsi_core::identity::ModelStrings;
use scsi_core::inquiry::InquiryData;
use scsi_core::inquiry::VersionDescriptor::Standard;
use scsi_core::source::Sources;

/// Byte 54: key management; byte 55: encryption, VolSafe (T10000 only) and compression.
const fn inquiry(byte_55: u8) -> InquiryData {
    let mut vendor_specific = [0; 20];
    (vendor_specific[18], vendor_specific[19]) = (0x04, byte_55);
    InquiryData { version: 0x05, format: 0x42, vendor_specific, length: 74, ..generic::INQUIRY }
}

const fn drive(product: &'static str, name: &str, supported_media: &'static [MediaSupport]) -> DriveProfile {
    DriveProfile {
        model: ModelStrings { vendor: "STK", product, revision: "0100" },
        inquiry: inquiry(0x12),
        supported_media,
        native_media: media_by_name(name),
        mode_pages: mode::SCSI_2_PAGES,
        vpd_pages: &[0x00, 0x80, 0x83, 0xb0],
        unsupported_commands: UNSUPPORTED_BEFORE_LTO_5,
        sources: Sources { tables: &[sources::AS_IN_MHVTL], sibling: None },
        ..GENERIC
    }
}

const fn t10000(
    product: &'static str,
    name: &str,
    supported_media: &'static [MediaSupport],
    worm: bool,
) -> DriveProfile {
    DriveProfile {
        inquiry: InquiryData {
            descriptors: &[Standard(0x0077), Standard(0x0314), Standard(0x0403), Standard(0x0a11)],
            ..inquiry(0x16)
        },
        mode_pages: mode::SINGLE_PARTITION_PAGES,
        log_pages: log::T10000_PAGES,
        sources: Sources { tables: &[sources::T10000, sources::AS_IN_MHVTL], sibling: None },
        worm,
        ..drive(product, name, supported_media)
    }
}

/// StorageTek T10000A: writes the T10000A density.
pub const T10000A: DriveProfile = t10000("T10000A", "T10KA", &[rw(media_by_name("T10KA"))], false);
/// StorageTek T10000B: writes the T10000A and T10000B densities.
pub const T10000B: DriveProfile =
    t10000("T10000B", "T10KB", &[rw(media_by_name("T10KA")), rw(media_by_name("T10KB"))], true);
/// StorageTek T10000C: writes the T10000A, T10000B and T10000C densities.
pub const T10000C: DriveProfile = t10000(
    "T10000C",
    "T10KC",
    &[rw(media_by_name("T10KA")), rw(media_by_name("T10KB")), rw(media_by_name("T10KC"))],
    true,
);

/// StorageTek 9840A: writes 9840A media.
pub const T9840A: DriveProfile = drive("T9840A", "9840A", &[rw(media_by_name("9840A"))]);
/// StorageTek 9840B: writes 9840A and 9840B media.
pub const T9840B: DriveProfile = drive("T9840B", "9840B", &[rw(media_by_name("9840A")), rw(media_by_name("9840B"))]);
/// StorageTek 9840C: writes 9840B and 9840C media, reads 9840A media.
pub const T9840C: DriveProfile =
    drive("T9840C", "9840C", &[ro(media_by_name("9840A")), rw(media_by_name("9840B")), rw(media_by_name("9840C"))]);
/// StorageTek 9840D: writes 9840C and 9840D media, reads 9840B media.
pub const T9840D: DriveProfile =
    drive("T9840D", "9840D", &[ro(media_by_name("9840B")), rw(media_by_name("9840C")), rw(media_by_name("9840D"))]);
/// StorageTek 9940A: writes 9940A media.
pub const T9940A: DriveProfile = drive("T9940A", "9940A", &[rw(media_by_name("9940A"))]);
/// StorageTek 9940B: writes 9940A and 9940B media.
pub const T9940B: DriveProfile = drive("T9940B", "9940B", &[rw(media_by_name("9940A")), rw(media_by_name("9940B"))]);
