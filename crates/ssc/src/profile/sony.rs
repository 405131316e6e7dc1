//! Sony AIT-1 to AIT-4, as in mhvtl; not compared with captures.

use super::{DriveProfile, GENERIC, MediaSupport, UNSUPPORTED_BEFORE_LTO_4, generic, media_by_name, ro, rw, sources};
use crate::mode;
use scsi_core::identity::ModelStrings;
use scsi_core::inquiry::InquiryData;
use scsi_core::source::Sources;

const fn ait(product: &'static str, name: &str, supported_media: &'static [MediaSupport]) -> DriveProfile {
    DriveProfile {
        model: ModelStrings { vendor: "SONY", product, revision: "0100" },
        inquiry: InquiryData { version: 0x05, ..generic::INQUIRY },
        supported_media,
        native_media: media_by_name(name),
        mode_pages: mode::SCSI_2_PAGES,
        worm: false,
        unsupported_commands: UNSUPPORTED_BEFORE_LTO_4,
        sources: Sources { tables: &[sources::AS_IN_MHVTL], sibling: None },
        ..GENERIC
    }
}

/// Copy of a profile with another product identification.
const fn another(product: &'static str, drive: DriveProfile) -> DriveProfile {
    DriveProfile { model: ModelStrings { product, ..drive.model }, ..drive }
}

/// Sony AIT-1 drive, a SCSI-2 device: writes AIT-1.
pub const SDX_300C: DriveProfile = DriveProfile {
    inquiry: generic::INQUIRY,
    unsupported_commands: GENERIC.unsupported_commands,
    ..ait("SDX-300C", "AIT1", &[rw(media_by_name("AIT1"))])
};
/// Sony AIT-2 drive: writes AIT-2 and AIT-1.
pub const SDX_500C: DriveProfile = ait("SDX-500C", "AIT2", &[rw(media_by_name("AIT1")), rw(media_by_name("AIT2"))]);
/// Sony AIT-2 drive, like the SDX-500C: writes AIT-2 and AIT-1.
pub const SDX_500V: DriveProfile = another("SDX-500V", SDX_500C);
/// Sony AIT-3 drive: writes AIT-3 and AIT-2, reads AIT-1.
pub const SDX_700C: DriveProfile =
    ait("SDX-700C", "AIT3", &[ro(media_by_name("AIT1")), rw(media_by_name("AIT2")), rw(media_by_name("AIT3"))]);
/// Sony AIT-3 drive, like the SDX-700C: writes AIT-3 and AIT-2, reads AIT-1.
pub const SDX_700V: DriveProfile = another("SDX-700V", SDX_700C);
/// Sony AIT-4 drive: writes AIT-4 and AIT-3, reads AIT-2; supports WORM.
pub const SDX_900V: DriveProfile = DriveProfile {
    worm: true,
    ..ait("SDX-900V", "AIT4", &[ro(media_by_name("AIT2")), rw(media_by_name("AIT3")), rw(media_by_name("AIT4"))])
};
