//! IBM 3592: J1A and TS1120 to TS1140 (E05 to E07) as in mhvtl, TS1150 to TS1170 (E08, 55F, 60F, 70F) after them; not
//! compared with captures. Product identifications since TS1140 from LTFS (`ibm_tape.c`), revision of E08 from CTA's tests.

use super::{
    DriveProfile, GENERIC, IBM_3592_DUMP, MediaSupport, UNSUPPORTED_BEFORE_LTO_4, UNSUPPORTED_BEFORE_LTO_5, generic,
    media_by_name, rw, sources,
};
use crate::{log, mode};
use scsi_core::identity::ModelStrings;
use scsi_core::inquiry::InquiryData;
use scsi_core::lu::IBM_ORDER;
use scsi_core::source::Sources;
use tape_store::media::{IBM_55F, IBM_60F, IBM_70F, IBM_E07, IBM_E08, MediaSpec};

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

/// A drive since TS1150, with the pages of TS1140.
const fn since_ts1150(
    product: &'static str,
    revision: &'static str,
    native_media: &'static MediaSpec,
    supported_media: &'static [MediaSupport],
) -> DriveProfile {
    DriveProfile {
        model: ModelStrings { vendor: "IBM", product, revision },
        supported_media,
        native_media,
        sources: Sources { tables: &[sources::IBM_3592], sibling: Some("03592E07") },
        ..E07
    }
}

/// IBM TS1150 (3592 E08): writes JC and JD.
pub const E08: DriveProfile = since_ts1150("03592E08", "460E", &IBM_E08, &[rw(&IBM_E07), rw(&IBM_E08)]);
/// IBM TS1155 (3592 55F): writes JC, and JD in the formats of TS1150 and TS1155.
pub const F55: DriveProfile = since_ts1150("0359255F", "0100", &IBM_55F, &[rw(&IBM_E07), rw(&IBM_E08), rw(&IBM_55F)]);
/// IBM TS1160 (3592 60F): writes JC, JD and JE.
pub const F60: DriveProfile =
    since_ts1150("0359260F", "0100", &IBM_60F, &[rw(&IBM_E07), rw(&IBM_E08), rw(&IBM_55F), rw(&IBM_60F)]);
/// IBM TS1170 (3592 70F): writes JF, and takes no older media.
pub const F70: DriveProfile = since_ts1150("0359270F", "0100", &IBM_70F, &[rw(&IBM_70F)]);
