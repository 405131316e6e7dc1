//! IBM 3592 J1A and TS1120 to TS1140 (E05 to E07), as in mhvtl; not compared with captures.

use super::{
    DriveProfile, GENERIC, IBM_3592_DUMP, MediaSupport, UNSUPPORTED_BEFORE_LTO_4, UNSUPPORTED_BEFORE_LTO_5, generic,
    media_by_name, rw, sources,
};
use crate::{log, mode};
use scsi_core::identity::ModelStrings;
use scsi_core::inquiry::InquiryData;
use scsi_core::lu::IBM_ORDER;
use scsi_core::source::Sources;

const fn drive(product: &'static str, name: &str, supported_media: &'static [MediaSupport]) -> DriveProfile {
    DriveProfile {
        model: ModelStrings { vendor: "IBM", product, revision: "0100" },
        inquiry: InquiryData { version: 0x05, ..generic::INQUIRY },
        supported_media,
        native_media: media_by_name(name),
        mode_pages: mode::SINGLE_PARTITION_PAGES,
        log_pages: log::IBM_3592_PAGES,
        check_order: IBM_ORDER,
        encryption_algorithms: (1, &[0]),
        dump_support: IBM_3592_DUMP,
        unsupported_commands: UNSUPPORTED_BEFORE_LTO_5,
        sources: Sources { tables: &[sources::AS_IN_MHVTL], sibling: None },
        ..GENERIC
    }
}

/// IBM 3592 J1A: writes JA, and has no encryption.
pub const J1A: DriveProfile = DriveProfile {
    unsupported_commands: UNSUPPORTED_BEFORE_LTO_4,
    ..drive("03592J1A", "J1A", &[rw(media_by_name("J1A"))])
};
/// IBM TS1120 (3592 E05): writes JA and JB.
pub const E05: DriveProfile = drive("03592E05", "E05", &[rw(media_by_name("J1A")), rw(media_by_name("E05"))]);
/// IBM TS1130 (3592 E06): writes JA, JB and JC.
pub const E06: DriveProfile =
    drive("03592E06", "E06", &[rw(media_by_name("J1A")), rw(media_by_name("E05")), rw(media_by_name("E06"))]);
/// IBM TS1140 (3592 E07): writes JB, JC and JK.
pub const E07: DriveProfile =
    drive("03592E07", "E07", &[rw(media_by_name("E05")), rw(media_by_name("E06")), rw(media_by_name("E07"))]);
